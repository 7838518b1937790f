// A wallet for the embedded chain, whose money is worth nothing: its key is made and kept in this browser, and it signs
// what this page asks. It is an EIP-1193 provider like any other, so the rest of the page knows no difference.

import { getPublicKey, signAsync, utils } from "./vendor/noble-secp256k1-3.2.0.js";
import { fromHex, join, toHex } from "./bytes.js";
import { addressOf, bytesOf, enveloped, keccak, messageHash, quantity, transactionFields, typedHash } from "./ethereum.js";
import { chainHex } from "./facts.js";
import { api } from "./problems.js";
import { relay } from "./relay.js";
import * as store from "./store.js";

const NAME = "first";
const PLACE = "demo-wallet";

async function key() {
  return (await store.get(PLACE, NAME))?.key ?? null;
}

async function makeKey() {
  const made = utils.randomSecretKey();
  await store.put(PLACE, { name: NAME, key: made });
  await api("/v1/faucet", { method: "POST", json: { account: addressOf(getPublicKey(made, false)) } });
  return made;
}

/** The key as a file that can be brought back, for a visitor who changes browsers. */
export async function exportKey() {
  return `0x${toHex(await key())}`;
}

async function sign(hash) {
  const signature = await signAsync(hash, await key(), { prehash: false, format: "recovered" });
  return { parity: signature[0], r: signature.subarray(1, 33), s: signature.subarray(33, 65) };
}

async function asText(hash) {
  const { parity, r, s } = await sign(hash);
  return `0x${toHex(join(r, s, Uint8Array.of(27 + parity)))}`;
}

async function send(wanted) {
  const from = addressOf(getPublicKey(await key(), false));
  if (wanted.from.toLowerCase() !== from.toLowerCase()) throw Object.assign(new Error("That is not this wallet's account."), { code: 4100 });
  const fields = transactionFields({
    ...wanted,
    chainId: chainHex,
    nonce: wanted.nonce ?? (await relay("eth_getTransactionCount", [from, "pending"])),
    gas: wanted.gas ?? (await relay("eth_estimateGas", [{ from, to: wanted.to, data: wanted.data }])),
    maxFeePerGas: wanted.maxFeePerGas ?? (await relay("eth_gasPrice")),
    maxPriorityFeePerGas: wanted.maxPriorityFeePerGas ?? "0x0",
  });
  const { parity, r, s } = await sign(keccak(enveloped(fields)));
  const trimmed = [r, s].map((part) => quantity(`0x${toHex(part)}`));
  return relay("eth_sendRawTransaction", [`0x${toHex(enveloped([...fields, quantity(parity), ...trimmed]))}`]);
}

const METHODS = {
  eth_chainId: async () => chainHex,
  eth_accounts: async () => ((await key()) ? [addressOf(getPublicKey(await key(), false))] : []),
  eth_requestAccounts: async () => {
    const held = (await key()) ?? (await makeKey());
    return [addressOf(getPublicKey(held, false))];
  },
  personal_sign: async (message) => asText(messageHash(/^0x([0-9a-f]{2})*$/i.test(message) ? fromHex(message.slice(2).toLowerCase()) : bytesOf(message))),
  eth_signTypedData_v4: async (_, typed) => asText(typedHash(typeof typed === "string" ? JSON.parse(typed) : typed)),
  eth_sendTransaction: send,
};

export const provider = {
  isDarkroomDemo: true,
  request: async ({ method, params = [] }) => (METHODS[method] ? METHODS[method](...params) : relay(method, params)),
  on: () => {},
};

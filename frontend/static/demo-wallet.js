// A wallet for the embedded chain, whose money is worth nothing: its keys are made and kept in this browser, and it
// signs what this page asks. It is an EIP-1193 provider like any other, so the rest of the page knows no difference.
// It can hold several accounts, of which one signs, and hands them out and takes them in as files.

import { getPublicKey, signAsync, utils } from "./vendor/noble-secp256k1-3.2.0.js";
import { encoder, fromHex, join, toHex } from "./bytes.js";
import {
  addressOf,
  bytesOf,
  enveloped,
  keccak,
  messageHash,
  quantity,
  transactionFields,
  typedHash,
} from "./ethereum.js";
import { chainHex, config } from "./config.js";
import { Problem, api } from "./problems.js";
import { relay } from "./relay.js";
import * as store from "./store.js";

const PLACE = "demo-wallet";
const CHOSEN = "darkroom.demo-account"; // the address that signs
const KIND = "darkroom/demo-account";
const MOST = 4096; // bytes of a file
const NOTE = "Test money only: the key lies here in the open. Whoever has this file can spend what the account has.";
const heard = {};

const addressFor = (key) => addressOf(getPublicKey(key, false));

/** The accounts, oldest first: [{address, label, key, current}]. */
export async function accounts() {
  const held = (await store.all(PLACE)).map((each) => ({ label: "", made: 0, ...each, address: addressFor(each.key) }));
  held.sort((one, other) => one.made - other.made);
  const chosen = localStorage.getItem(CHOSEN);
  const current = held.find((each) => each.address === chosen) ?? held[0];
  return held.map((each) => ({ ...each, current: each === current }));
}

async function current() {
  return (await accounts()).find((each) => each.current) ?? null;
}

/** Let this account sign from now on. */
export function choose(address) {
  localStorage.setItem(CHOSEN, address);
  heard.accountsChanged?.([address]);
}

async function keep(key, label) {
  const address = addressFor(key);
  await store.put(PLACE, { name: address, key, label, made: Date.now() });
  if (BigInt(await relay("eth_getBalance", [address, "latest"])) === 0n) {
    await api("/v1/faucet", { method: "POST", json: { account: address } });
  }
  choose(address);
  return address;
}

/** A new account, with some ether for gas. */
export const create = () => keep(utils.randomSecretKey(), "");

/** The account that signs, as a file: its name and its bytes. */
export async function save() {
  const { address, key, label } = await current();
  const file = { kind: KIND, chain_id: config.chainId, address, key: `0x${toHex(key)}`, label, note: NOTE };
  return {
    name: `darkroom-test-account-${address.slice(2, 8)}.json`,
    bytes: encoder.encode(`${JSON.stringify(file, null, 2)}\n`),
  };
}

/** Take the account of a file in, and let it sign; its address. Throws Problems that say what is wrong with the file. */
export async function bring(bytes) {
  const file = parse(bytes);
  const key = /^0x[0-9a-f]{64}$/i.test(file.key) ? bytesOf(file.key) : new Uint8Array(0);
  if (!utils.isValidSecretKey(key) || addressFor(key) !== file.address) {
    throw new Problem("This file's key is not that of its address.", "Use another copy of the file.", "bad-key");
  }
  if (file.chain_id !== config.chainId) {
    throw new Problem(
      `This account is of the chain ${file.chain_id}; this market is on ${config.chainId}.`,
      "Choose a file of this node.",
      "wrong-network",
    );
  }
  return keep(key, String(file.label ?? "").slice(0, 60));
}

function parse(bytes) {
  try {
    const file = bytes.length > MOST ? null : JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (file?.kind === KIND) return file;
  } catch {
    /* told below */
  }
  throw new Problem(
    "This is not the file of a test account.",
    "Choose one that this page saved, or the one in the node's folder samples.",
    "bad-key",
  );
}

async function sign(hash) {
  const signature = await signAsync(hash, (await current()).key, { prehash: false, format: "recovered" });
  return { parity: signature[0], r: signature.subarray(1, 33), s: signature.subarray(33, 65) };
}

async function asText(hash) {
  const { parity, r, s } = await sign(hash);
  return `0x${toHex(join(r, s, Uint8Array.of(27 + parity)))}`;
}

async function send(wanted) {
  const { address: from } = await current();
  if (wanted.from.toLowerCase() !== from.toLowerCase())
    throw Object.assign(new Error("That is not this wallet's account."), { code: 4100 });
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
  eth_accounts: async () => [(await current())?.address].filter(Boolean),
  eth_requestAccounts: async () => [(await current())?.address ?? (await create())],
  personal_sign: async (message) =>
    asText(
      messageHash(/^0x([0-9a-f]{2})*$/i.test(message) ? fromHex(message.slice(2).toLowerCase()) : bytesOf(message)),
    ),
  eth_signTypedData_v4: async (_, typed) => asText(typedHash(typeof typed === "string" ? JSON.parse(typed) : typed)),
  eth_sendTransaction: send,
};

export const provider = {
  isDarkroomDemo: true,
  request: async ({ method, params = [] }) => (METHODS[method] ? METHODS[method](...params) : relay(method, params)),
  on: (name, listener) => {
    heard[name] = listener;
  },
};

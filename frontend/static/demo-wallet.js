// @ts-check
// A wallet for the embedded chain, whose money is worth nothing: its keys are made and kept in this browser, and it
// signs what this page asks, after showing it. It is an EIP-1193 provider like any other, so the rest of the page knows
// no difference. It can hold several accounts, of which one signs, and hands them out and takes them in as files.

import { encoder, fromHex, join, toHex } from "./bytes.js";
import { chainHex, config } from "./config.js";
import { askText, askTransaction, askTyped } from "./demo-sign.js";
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
import { t } from "./language.js";
import { api, Problem } from "./problems.js";
import { relay } from "./relay.js";
import * as store from "./store.js";
import { getPublicKey, signAsync, utils } from "./vendor/noble-secp256k1-3.2.0.js";

const STORE = "demo-wallet";
const CHOSEN = "darkroom.demo-account"; // the address that signs
const KIND = "darkroom/demo-account";
const MOST = 4096; // bytes of a file
const NOTE = t`Test money only: the key lies here in the open. Whoever has this file can spend what the account has.`;

/** @typedef {{ address: string, key: Bytes, label: string, made: number, current: boolean }} Account */
/** @typedef {{ kind: string, chain_id: number, address: string, key: string, label?: string }} AccountFile */

/** @type {{ accountsChanged?: (accounts: string[]) => void, chainChanged?: () => void }} */
const listeners = {};

/** @param {Uint8Array} key */
const addressFor = (key) => addressOf(getPublicKey(key, false));

/**
 * The accounts, oldest first.
 * @returns {Promise<Account[]>}
 */
export async function accounts() {
  const stored = await store.all(STORE);
  const held = stored.map(({ key, label = "", made = 0 }) => ({ key, label, made, address: addressFor(key) }));
  held.sort((one, other) => one.made - other.made);
  const chosen = localStorage.getItem(CHOSEN);
  const signing = held.find((each) => each.address === chosen) ?? held[0];
  return held.map((each) => ({ ...each, current: each === signing }));
}

/** The account that signs, if there is any. */
async function current() {
  return (await accounts()).find((each) => each.current);
}

/** The account that signs; throws a Problem where there is none. */
async function signer() {
  const account = await current();
  if (account) return account;
  throw new Problem(t`The demo wallet holds no account.`, t`Connect it again, and it makes one.`, "no-wallet");
}

/**
 * Let this account sign from now on.
 * @param {string} address
 */
export function choose(address) {
  localStorage.setItem(CHOSEN, address);
  listeners.accountsChanged?.([address]);
}

/**
 * @param {Bytes} key
 * @param {string} label
 */
async function keep(key, label) {
  const address = addressFor(key);
  await store.put(STORE, { name: address, key, label, made: Date.now() });
  if (BigInt(await relay("eth_getBalance", [address, "latest"])) === 0n) {
    await api("/v1/faucet", { method: "POST", json: { account: address } });
  }
  choose(address);
  return address;
}

/** A new account, with some ether for gas; its address. */
export const create = () => keep(Uint8Array.from(utils.randomSecretKey()), "");

/** The account that signs, as a file: its name and its bytes. */
export async function exportFile() {
  const { address, key, label } = await signer();
  const file = { kind: KIND, chain_id: config.chainId, address, key: `0x${toHex(key)}`, label, note: NOTE };
  const name = `darkroom-test-account-${address.slice(2, 8)}.json`;
  return { name, bytes: encoder.encode(`${JSON.stringify(file, null, 2)}\n`) };
}

/**
 * Take the account of a file in, and let it sign; its address. Throws Problems that say what is wrong with the file.
 * @param {Uint8Array} bytes
 */
export async function importFile(bytes) {
  const file = parse(bytes);
  const key = /^0x[0-9a-f]{64}$/i.test(file.key) ? bytesOf(file.key) : new Uint8Array(0);
  if (!utils.isValidSecretKey(key) || addressFor(key) !== file.address) {
    throw new Problem(t`This file's key is not that of its address.`, t`Use another copy of the file.`, "bad-key");
  }
  if (file.chain_id !== config.chainId) {
    const message = t`This account is of the chain ${file.chain_id}; this market is on ${config.chainId}.`;
    throw new Problem(message, t`Choose a file of this node.`, "wrong-network");
  }
  return keep(key, String(file.label ?? "").slice(0, 60));
}

/**
 * @param {Uint8Array} bytes
 * @returns {AccountFile}
 */
function parse(bytes) {
  try {
    const file = bytes.length > MOST ? null : JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (file?.kind === KIND) return file;
  } catch {
    /* told below */
  }
  const next = t`Choose one that this page saved, or the one in the node's folder samples.`;
  throw new Problem(t`This is not the file of a test account.`, next, "bad-key");
}

/** @param {Bytes} hash */
async function sign(hash) {
  const signature = await signAsync(hash, (await signer()).key, { prehash: false, format: "recovered" });
  const [parity = 0] = signature;
  return { parity, r: signature.subarray(1, 33), s: signature.subarray(33, 65) };
}

/** @param {Bytes} hash */
async function signatureText(hash) {
  const { parity, r, s } = await sign(hash);
  return `0x${toHex(join(r, s, Uint8Array.of(27 + parity)))}`;
}

/** @param {string} message text, or 0x and the hexadecimal digits of bytes */
const messageBytes = (message) =>
  /^0x([0-9a-f]{2})*$/i.test(message) ? fromHex(message.slice(2).toLowerCase()) : encoder.encode(message);

/** @param {TransactionRequest} wanted */
async function send(wanted) {
  const { address: from } = await signer();
  const { to, data } = wanted;
  if (wanted.from.toLowerCase() !== from.toLowerCase()) {
    throw Object.assign(new Error("That is not this wallet's account."), { code: 4100 });
  }
  const gas = wanted.gas ?? (await relay("eth_estimateGas", [{ from, to, data }]));
  const maxFeePerGas = wanted.maxFeePerGas ?? (await relay("eth_gasPrice"));
  await askTransaction(wanted, BigInt(gas) * BigInt(maxFeePerGas));
  const fields = transactionFields({
    ...wanted,
    chainId: chainHex,
    nonce: wanted.nonce ?? (await relay("eth_getTransactionCount", [from, "pending"])),
    gas,
    maxFeePerGas,
    maxPriorityFeePerGas: wanted.maxPriorityFeePerGas ?? "0x0",
  });
  const { parity, r, s } = await sign(keccak(enveloped(fields)));
  const trimmed = [r, s].map((part) => quantity(`0x${toHex(part)}`));
  return relay("eth_sendRawTransaction", [`0x${toHex(enveloped([...fields, quantity(parity), ...trimmed]))}`]);
}

/** @param {string} message */
async function signText(message) {
  const bytes = messageBytes(message);
  await askText((await signer()).address, new TextDecoder().decode(bytes));
  return signatureText(messageHash(bytes));
}

/** @param {string | TypedData} typed */
async function signTyped(typed) {
  const said = typeof typed === "string" ? JSON.parse(typed) : typed;
  await askTyped((await signer()).address, said);
  return signatureText(typedHash(said));
}

/** @type {Record<string, (...params: any[]) => Promise<unknown>>} */
const METHODS = {
  eth_chainId: async () => chainHex,
  eth_accounts: async () => (await accounts()).filter((each) => each.current).map((each) => each.address),
  eth_requestAccounts: async () => [(await current())?.address ?? (await create())],
  personal_sign: signText,
  eth_signTypedData_v4: (/** @type {string} */ _, /** @type {string | TypedData} */ typed) => signTyped(typed),
  eth_sendTransaction: send,
};

export const provider = {
  /**
   * @template {keyof Rpc} M
   * @param {{ method: M, params?: Rpc[M]["params"] }} call
   * @returns {Promise<Rpc[M]["result"]>}
   */
  request: async ({ method, params = [] }) => {
    const own = METHODS[method];
    if (!own) return relay(method, params);
    return /** @type {Promise<Rpc[M]["result"]>} */ (own(...params));
  },
  /**
   * @param {"accountsChanged" | "chainChanged"} event
   * @param {(accounts: string[]) => void} listener
   */
  on: (event, listener) => {
    if (event === "accountsChanged") listeners.accountsChanged = listener;
  },
};

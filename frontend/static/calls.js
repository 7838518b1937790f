// What this page lets a wallet sign: every call's function and arguments are worked out here again, from what the page
// shows, and must equal what the node prepared, byte for byte. Selectors are pinned; nothing else is ever signed.

import { chainHex, config } from "./config.js";
import { Problem } from "./problems.js";

export const SELECTORS = {
  "buy(uint256)": "d96a094a",
  "buyWithPermit(uint256,uint256,uint8,bytes32,bytes32)": "01a833fb",
  "createOffer((uint256,uint256,uint256,uint256,uint32,uint64,uint40,bytes32,uint32,uint32,uint64),(address,uint16)[])":
    "e6b8d7ec",
  "deactivate(uint256)": "916b9bef",
  "collect(uint256)": "ce3f865f",
  "withdraw()": "3ccfd60b",
  "open((uint256,bytes32,uint64,uint64,bytes32,uint64,uint8,uint256,uint16,bytes32))": "fd5578da",
  "openWithPermit((uint256,bytes32,uint64,uint64,bytes32,uint64,uint8,uint256,uint16,bytes32),uint256,uint8,bytes32,bytes32)":
    "370f0bfc",
  "expire(uint256)": "bf81bf43",
  "draw(uint256)": "3b304147",
  "approve(uint256)": "b759f954",
  "deny(uint256)": "56f66282",
  "revoke(uint256)": "20c5429b",
  "approve(address,uint256)": "095ea7b3",
  "faucet(address,uint256)": "7b56c2b2",
};

const PERMIT_SECONDS = 2 * 3600; // an hour, and clocks that differ
const PERMIT_FIELDS = ["owner:address", "spender:address", "value:uint256", "nonce:uint256", "deadline:uint256"];

/** One 32-byte word: integers (number, bigint, decimal text), addresses, 64 hex digits. */
export function word(value) {
  if (typeof value === "string" && /^(0x)?[0-9a-fA-F]{64}$/.test(value)) return value.replace(/^0x/, "").toLowerCase();
  if (typeof value === "string" && /^0x[0-9a-fA-F]{40}$/.test(value))
    return value.slice(2).toLowerCase().padStart(64, "0");
  const text = BigInt(value).toString(16);
  if (text.startsWith("-") || text.length > 64) throw new Error("an argument that does not fit a word");
  return text.padStart(64, "0");
}

/** Call data of a function whose arguments are all whole words. */
export function encode(signature, ...values) {
  return `0x${SELECTORS[signature]}${values.map(word).join("")}`;
}

function refuse(what) {
  throw new Problem(
    `This node prepared something other than what you see: ${what}.`,
    "Nothing was signed. Do not use this node.",
    "tampered",
  );
}

/** Whether a prepared transaction is exactly this call to this contract on this chain, by this account. */
export function checkTransaction({ request }, account, contract, data) {
  if (request.to.toLowerCase() !== config.contracts[contract]?.toLowerCase()) refuse("another contract");
  if (request.chainId !== chainHex) refuse("another chain");
  if (BigInt(request.value) !== 0n) refuse("it sends ether");
  if (request.from.toLowerCase() !== account.toLowerCase()) refuse("another account");
  if (request.data.toLowerCase() !== data.toLowerCase()) refuse("another call");
}

/** Whether a permit lets exactly `contract` take exactly `amount` from `account`, soon. */
export function checkPermit(typed, account, contract, amount) {
  const { domain, message, types, primaryType } = typed;
  const fields = (types.Permit ?? []).map((field) => `${field.name}:${field.type}`);
  if (primaryType !== "Permit" || fields.join() !== PERMIT_FIELDS.join()) refuse("no permit");
  if (Number(domain.chainId) !== config.chainId) refuse("a permit for another chain");
  if (domain.verifyingContract.toLowerCase() !== config.contracts[config.coin.contract].toLowerCase())
    refuse("a permit for another token");
  if (message.owner.toLowerCase() !== account.toLowerCase()) refuse("a permit of another account");
  if (message.spender.toLowerCase() !== config.contracts[contract].toLowerCase()) refuse("a permit for somebody else");
  if (BigInt(message.value) !== BigInt(amount)) refuse("a permit for another amount");
  const left = Number(message.deadline) - config.now;
  if (!(left > 0 && left <= PERMIT_SECONDS + (Date.now() - performance.timeOrigin) / 1000))
    refuse("a permit for another time");
}

/** The words of a permit's signature as a call's last arguments. */
export function permitWords(deadline, signature) {
  const hex = signature.slice(2);
  const v = Number.parseInt(hex.slice(128, 130), 16);
  return [deadline, v < 27 ? v + 27 : v, hex.slice(0, 64), hex.slice(64, 128)];
}

// @ts-check
// What a page lets a wallet sign: every call's function and arguments are worked out here again, from what the page
// shows, and must equal what the node prepared, byte for byte. Nothing else is ever signed.

import { addressOfContract, chainHex, config } from "./config.js";
import { t } from "./language.js";
import { Problem } from "./problems.js";

/** @typedef {import("./abi.js").Argument} Argument */

const PERMIT_SECONDS = 2 * 3600; // an hour, and clocks that differ
const PERMIT_FIELDS = ["owner:address", "spender:address", "value:uint256", "nonce:uint256", "deadline:uint256"];

/**
 * @param {string} what
 * @returns {never}
 */
function refuse(what) {
  throw new Problem(
    t`This node prepared something other than what you see: ${what}.`,
    t`Nothing was signed. Do not use this node.`,
    "tampered",
  );
}

/**
 * Whether two texts are the same address or bytes, whatever case their digits are in.
 * @param {unknown} one
 * @param {string} other
 */
const same = (one, other) => String(one).toLowerCase() === other.toLowerCase();

/**
 * Refuses a prepared transaction unless it is exactly this call to this contract on this chain, by this account.
 * @param {PreparedTransaction} prepared
 * @param {string} account
 * @param {string} contract its name
 * @param {string} data
 */
export function checkTransaction({ request }, account, contract, data) {
  if (!same(request.to, addressOfContract(contract))) refuse(t`another contract`);
  if (request.chainId !== chainHex) refuse(t`another chain`);
  if (BigInt(request.value) !== 0n) refuse(t`it sends ether`);
  if (!same(request.from, account)) refuse(t`another account`);
  if (!same(request.data, data)) refuse(t`another call`);
}

/**
 * Refuses a permit unless it lets exactly `contract` take exactly `amount` from `account`, soon.
 * @param {TypedData} typed
 * @param {string} account
 * @param {string} contract its name
 * @param {string | bigint} amount
 */
export function checkPermit({ domain, message, types, primaryType }, account, contract, amount) {
  const fields = (types.Permit ?? []).map((field) => `${field.name}:${field.type}`);
  if (primaryType !== "Permit" || fields.join() !== PERMIT_FIELDS.join()) refuse(t`no permit`);
  if (Number(domain.chainId) !== config.chainId) refuse(t`a permit for another chain`);
  if (!same(domain.verifyingContract, addressOfContract(config.coin.contract))) refuse(t`a permit for another token`);
  if (!same(message.owner, account)) refuse(t`a permit of another account`);
  if (!same(message.spender, addressOfContract(contract))) refuse(t`a permit for somebody else`);
  if (String(message.value) !== String(amount)) refuse(t`a permit for another amount`);
  const left = Number(message.deadline) - config.now;
  const most = PERMIT_SECONDS + (Date.now() - performance.timeOrigin) / 1000;
  if (!(left > 0 && left <= most)) refuse(t`a permit for another time`);
}

/**
 * A permit's signature as a call's last arguments.
 * @param {number} deadline
 * @param {string} signature 65 bytes
 * @returns {Argument[]}
 */
export function permitArguments(deadline, signature) {
  const hex = signature.slice(2);
  const v = Number.parseInt(hex.slice(128, 130), 16);
  return [deadline, v < 27 ? v + 27 : v, hex.slice(0, 64), hex.slice(64, 128)];
}

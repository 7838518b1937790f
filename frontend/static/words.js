// @ts-check
// What a call says, in words: for whoever is about to sign it. Read from the call itself, never from what a node says.

import {
  BUY,
  BUY_WITH_PERMIT,
  CREATE_OFFER,
  OPEN,
  OPEN_WITH_PERMIT,
  OPEN_WITH_PROGRAM,
  OPEN_WITH_PROGRAM_AND_PERMIT,
  SELECTORS,
  WITHDRAW_MANDATE,
} from "./abi.js";
import { config, money } from "./config.js";
import { t } from "./language.js";

/** @typedef {(words: bigint[], raw: string[]) => string} Words of a call's arguments, each 32 bytes */

/** @type {Words} */
const buying = ([offer]) => t`Buy a license from offer ${offer}`;
/** @type {Words} */
const opening = ([license, , first = 0n, rows = 0n]) =>
  t`Open a job under license ${license} on rows ${first} to ${first + rows - 1n}`;

/** @type {Record<string, Words>} */
const WORDS = {
  [BUY]: buying,
  [BUY_WITH_PERMIT]: buying,
  [OPEN]: opening,
  [OPEN_WITH_PERMIT]: opening,
  [OPEN_WITH_PROGRAM]: opening,
  [OPEN_WITH_PROGRAM_AND_PERMIT]: opening,
  [CREATE_OFFER]: ([dataset, price = 0n]) => t`Offer licenses of dataset ${dataset} for ${money(price)} each`,
  "deactivate(uint256)": ([offer]) => t`Close offer ${offer}`,
  "collect(uint256)": ([offer]) => t`Share out what offer ${offer} has earned`,
  "withdraw()": () => t`Pay out what is ready for you`,
  "expire(uint256)": ([job]) => t`End the wait of job ${job}`,
  "draw(uint256)": ([job]) => t`Draw the executors of job ${job}`,
  "approve(uint256)": ([job]) => t`Approve the release of job ${job}`,
  "deny(uint256)": ([job]) => t`Refuse the release of job ${job}`,
  "revoke(bytes32)": () => t`End a mandate`,
  [WITHDRAW_MANDATE]: () => t`Take home what a mandate holds`,
  "revoke(uint256)": ([license]) => t`Take license ${license} back`,
  "bondCustodian(uint256,uint256)": ([dataset, amount = 0n]) =>
    t`Put down ${money(amount)} for the custodian of dataset ${dataset}`,
  "unbondCustodian(uint256,uint256)": ([dataset, amount = 0n]) =>
    t`Take back ${money(amount)} of the bond of dataset ${dataset}'s custodian`,
  "settleLicense(uint256,uint256)": ([license]) => t`Settle license ${license}`,
  "approve(address,uint256)": ([, amount = 0n], [who = ""]) =>
    t`Let ${nameOf(`0x${who.slice(24)}`)} take ${money(amount)} of your tokens`,
  "faucet(address,uint256)": ([, amount = 0n]) => t`Mint ${money(amount)} of test money`,
};
const BY_SELECTOR = new Map(Object.entries(SELECTORS).map(([signature, selector]) => [selector, WORDS[signature]]));

/** @type {Record<string, string>} the contracts that a page calls, for people */
const NAMES = {
  LicenseMarket: t`the contract of licenses`,
  JobMarket: t`the contract of jobs`,
  [config.coin.contract]: t`the contract of ${config.coin.symbol}`,
};

/**
 * A contract of this market by its address, for people; another address as it is.
 * @param {string} address
 */
export function nameOf(address) {
  const found = Object.entries(config.contracts).find(([, at]) => at.toLowerCase() === address.toLowerCase());
  return found ? (NAMES[found[0]] ?? found[0]) : address;
}

/**
 * A call in words; null for one that no page makes.
 * @param {string} data
 */
export function describeCall(data) {
  const raw = data.slice(10).match(/.{64}/g) ?? [];
  const words = BY_SELECTOR.get(data.slice(2, 10));
  return words
    ? words(
        raw.map((each) => BigInt(`0x${each}`)),
        raw,
      )
    : null;
}

// @ts-check
// What every check is made against: the chain, its contracts and the coin, as this page was delivered with them.

import { element } from "./dom.js";
import { decimal, locale, plainNumber } from "./language.js";

/** @type {Readonly<PageConfig>} */
export const config = Object.freeze(JSON.parse(element('meta[name="darkroom"]', HTMLMetaElement).content));

export const chainHex = `0x${config.chainId.toString(16)}`;

/**
 * The address of a deployed contract.
 * @param {string} name
 */
export function addressOfContract(name) {
  const address = config.contracts[name];
  if (address === undefined) throw new Error(`this market has no contract ${name}`);
  return address;
}

/**
 * Token units as people write them.
 * @param {string | number | bigint} amount
 */
export function money(amount) {
  const { symbol, decimals } = config.coin;
  const digits = BigInt(amount)
    .toString()
    .padStart(decimals + 1, "0");
  const cut = digits.length - decimals;
  const whole = BigInt(digits.slice(0, cut)).toLocaleString(locale);
  return `${whole}${decimal}${digits.slice(cut).replace(/0+$/, "").padEnd(2, "0")} ${symbol}`;
}

/**
 * Token units of what somebody typed, or null.
 * @param {string} text
 */
export function units(text) {
  const [, whole, fraction = ""] = /^(\d{1,15})(?:[.](\d+))?$/.exec(plainNumber(text)) ?? [];
  if (whole === undefined || fraction.length > config.coin.decimals) return null;
  return BigInt(whole + fraction.padEnd(config.coin.decimals, "0"));
}

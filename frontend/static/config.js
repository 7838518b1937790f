// What every check is made against: the chain, its contracts and the coin, as this page was delivered with them.

export const config = Object.freeze(JSON.parse(document.querySelector('meta[name="darkroom"]').content));

export const chainHex = `0x${config.chainId.toString(16)}`;

/** Token units as people write them. */
export function money(units) {
  const { symbol, decimals } = config.coin;
  const digits = BigInt(units)
    .toString()
    .padStart(decimals + 1, "0");
  const cut = digits.length - decimals;
  const whole = BigInt(digits.slice(0, cut)).toLocaleString("en-US");
  return `${whole}.${digits.slice(cut).replace(/0+$/, "").padEnd(2, "0")} ${symbol}`;
}

/** Token units of what somebody typed, or null. */
export function units(text) {
  const found = /^(\d{1,15})(?:[.](\d+))?$/.exec(text.trim().replace(/[,\s]/g, ""));
  if (!found || (found[2] ?? "").length > config.coin.decimals) return null;
  return BigInt(found[1] + (found[2] ?? "").padEnd(config.coin.decimals, "0"));
}

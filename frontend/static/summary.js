// @ts-check
// An opened result in a few figures: how many rows of each class, or where the scores lie.

import { h } from "./dom.js";
import { digits, locale, t } from "./language.js";

/**
 * What a class is called, where that is known, else its number.
 * @param {bigint | number} place
 * @param {string[]} names
 */
export const className = (place, names) => names[Number(place)] ?? t`class ${digits(place)}`;

/**
 * Rows of each class that there are, the most first.
 * @param {bigint[]} classes of the rows
 * @param {string[]} names
 */
export function classCounts(classes, names) {
  /** @type {Map<bigint, number>} */
  const counts = new Map();
  for (const each of classes) counts.set(each, (counts.get(each) ?? 0) + 1);
  return [...counts]
    .sort(([, one], [, other]) => other - one)
    .map(([place, count]) => ({ name: className(place, names), count, share: count / classes.length }));
}

/**
 * The least, the middle, the mean and the greatest of one output, in the circuit's integers.
 * @param {bigint[]} values at least one
 */
export function spread(values) {
  const sorted = [...values].sort((one, other) => (one < other ? -1 : Number(one > other)));
  const total = values.reduce((sum, each) => sum + each, 0n);
  return {
    least: sorted[0] ?? 0n,
    median: sorted[(sorted.length - 1) >> 1] ?? 0n,
    mean: Number(total) / values.length,
    greatest: sorted.at(-1) ?? 0n,
  };
}

/**
 * A panel with the figures of a result: its classes where it has any, and each output's spread where it has scores.
 * @param {Column[]} outputs
 * @param {bigint[] | null} classes of the rows
 * @param {string[]} names of the classes
 */
export function summaryPanel(outputs, classes, names) {
  /** @type {[string, string, string][]} */
  const figures = classes
    ? classCounts(classes, names).map(({ name, count, share }) => [
        name,
        t`${digits(count)} of ${digits(classes.length)}`,
        `${(100 * share).toFixed(1)} %`,
      ])
    : [];
  for (const { name, values } of classes ? [] : outputs) {
    const { least, median, mean, greatest } = spread(values.map(BigInt));
    const range = t`${digits(least)} to ${digits(greatest)}, half at most ${digits(median)}`;
    figures.push([t`${name}, mean`, mean.toLocaleString(locale, { maximumFractionDigits: 1 }), range]);
  }
  const facts = figures.map(([name, value, more]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, value, " ", h("small", {}, more))),
  );
  return h(
    "section",
    { class: "panel stack", "aria-labelledby": "summary-title" },
    h("h2", { id: "summary-title" }, t`In short`),
    h("dl", { class: "facts" }, facts),
  );
}

// @ts-check
// The distribution of one output: bars, and the same as a table.

import { h, room, svg } from "./dom.js";
import { digits, t } from "./language.js";

const WIDTH = room();
const HEIGHT = 228;
const FOOT = 34; // holds the labels
const HEAD = 30; // holds the number of rows that the highest bar counts
const MOST_BARS = 32;
const WIDEST = 56; // of one bar

/** @typedef {{ from: bigint, to: bigint, count: number }} Bar from the least to the greatest value, both included */

/**
 * Counts of integers in at most 32 equal steps, or one bar a value where there are few; there is at least one value.
 * @param {bigint[]} values
 * @returns {Bar[]}
 */
export function histogram(values) {
  let [low = 0n] = values;
  let high = low;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const spread = high - low + 1n;
  const step = spread <= BigInt(MOST_BARS) ? 1n : (spread + BigInt(MOST_BARS) - 1n) / BigInt(MOST_BARS);
  const counts = new Uint32Array(Number((spread + step - 1n) / step));
  for (const value of values) {
    const at = Number((value - low) / step);
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return Array.from(counts, (count, at) => {
    const from = low + step * BigInt(at);
    return { from, to: from + step - 1n < high ? from + step - 1n : high, count };
  });
}

/** @param {Bar} bar */
const range = ({ from, to }) => (from === to ? digits(from) : t`${digits(from)} to ${digits(to)}`);

/**
 * The bar at this place, of `wide` pixels and `tall` ones.
 * @param {Bar} bar
 * @param {number} at
 * @param {number} wide
 * @param {number} tall
 */
function drawBar(bar, at, wide, tall) {
  const width = Math.min(wide * 0.84, WIDEST);
  const shape = svg("rect", {
    x: (at * wide + (wide - width) / 2).toFixed(1),
    y: (HEIGHT - FOOT - tall).toFixed(1),
    width: width.toFixed(1),
    height: tall.toFixed(1),
    rx: 2,
  });
  const title = svg("title");
  title.textContent = `${range(bar)}: ${bar.count}`;
  shape.append(title);
  return shape;
}

/**
 * @param {string} words
 * @param {number} x
 * @param {"start" | "middle" | "end"} anchor
 * @param {number} [y]
 */
function drawLabel(words, x, anchor, y = HEIGHT - 7) {
  const text = svg("text", { x, y, "text-anchor": anchor });
  text.textContent = words;
  return text;
}

/**
 * Where a value stands between the first and the last bar; null outside.
 * @param {Bar[]} bars
 * @param {bigint} value
 */
function placeOf(bars, value) {
  const at = bars.findIndex(({ from, to }) => value >= from && value <= to);
  const bar = bars[at];
  if (!bar) return null;
  const part = Number(value - bar.from) / Number(bar.to - bar.from + 1n);
  return ((at + part) / bars.length) * WIDTH;
}

/**
 * A drawing of an output's distribution, with the same figures as a table.
 * @param {string} name
 * @param {bigint[]} values
 * @param {string[]} [names] of the values, where they are classes with names
 * @param {bigint | null} [line] a value to mark
 */
export function chart(name, values, names = [], line = null) {
  const bars = histogram(values);
  const [first, last] = [bars[0], bars.at(-1)];
  if (!first || !last) throw new Error("a distribution of no values");
  const most = Math.max(...bars.map((bar) => bar.count));
  const wide = WIDTH / bars.length;
  const about = t`Distribution of ${name}: ${values.length} values from ${first.from} to ${last.to}.`;
  const drawn = svg("svg", {
    class: "chart",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label": t`${about} The table below has the same figures.`,
  });
  const said = (/** @type {bigint} */ value) => names[Number(value)] ?? digits(value);
  const marked = line === null ? null : placeOf(bars, line);
  drawn.append(
    svg("line", { x1: 0, x2: WIDTH, y1: HEAD, y2: HEAD }),
    ...bars.map((bar, at) => drawBar(bar, at, wide, (bar.count / most) * (HEIGHT - FOOT - HEAD))),
    svg("line", { class: "axis", x1: 0, x2: WIDTH, y1: HEIGHT - FOOT, y2: HEIGHT - FOOT }),
    drawLabel(most === 1 ? t`1 row` : t`${digits(BigInt(most))} rows`, 0, "start", HEAD - 7),
    ...(marked === null
      ? []
      : [svg("line", { class: "interval", x1: marked, x2: marked, y1: HEAD, y2: HEIGHT - FOOT })]),
    ...(bars.length <= 4
      ? bars.map((bar, at) => drawLabel(said(bar.from), (at + 0.5) * wide, "middle"))
      : [drawLabel(digits(first.from), 0, "start"), drawLabel(digits(last.to), WIDTH, "end")]),
  );
  return h(
    "figure",
    { class: "stack" },
    drawn,
    h(
      "details",
      {},
      h("summary", {}, t`The same as a table`),
      h(
        "div",
        { class: "scroll tall", tabindex: "0", role: "region", "aria-label": t`Distribution of ${name}` },
        table(name, bars),
      ),
    ),
  );
}

/**
 * @param {string} name
 * @param {Bar[]} bars
 */
function table(name, bars) {
  const rows = bars
    .filter((bar) => bar.count)
    .map((bar) => h("tr", {}, h("th", { scope: "row" }, range(bar)), h("td", { class: "number" }, digits(bar.count))));
  return h(
    "table",
    {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, name), h("th", { scope: "col", class: "number" }, t`Rows`))),
    h("tbody", {}, rows),
  );
}

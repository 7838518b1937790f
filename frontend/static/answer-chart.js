// @ts-check
// A figure of an answer by group: bars with the interval in which the truth lies with 95 %, and axes.

import { svg } from "./dom.js";

const WIDTH = 720;
const HEIGHT = 300;
const [LEFT, TOP, FOOT] = [92, 14, 44]; // room for the axes' numbers, which are larger on narrow pages
const WIDEST = 56; // of one bar
const MOST_LABELS = 8;
const LONGEST = 12; // characters of a label

/** @param {number} value */
export const digits = (value) => value.toLocaleString("en-US", { maximumSignificantDigits: 6 });

/**
 * Round numbers between two values, at most six of them: a step of 1, 2 or 5 times a power of ten.
 * @param {number} low
 * @param {number} high
 */
export function ticks(low, high) {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((each) => each * power >= rough) ?? 10) * power;
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high; at += 1) found.push(at * step);
  return found;
}

/** @param {string} words */
const cut = (words) => (words.length > LONGEST ? `${words.slice(0, LONGEST - 1)}…` : words);

/** @param {number} x @param {number} y @param {"start" | "middle" | "end"} anchor @param {string} words */
function label(x, y, anchor, words) {
  const text = svg("text", { x: x.toFixed(1), y: y.toFixed(1), "text-anchor": anchor });
  text.textContent = words;
  return text;
}

/**
 * The least and the greatest value that a chart shows, zero among them.
 * @param {Figure[]} figures
 * @returns {[number, number]}
 */
function bounds(figures) {
  const ends = figures.flatMap(({ value, low, high }) => [value, low, high]).filter((each) => each !== null);
  const [least, most] = [Math.min(0, ...ends), Math.max(0, ...ends)];
  return least === most ? [least - 1, most + 1] : [least, most];
}

/**
 * @param {string} name of the figure
 * @param {string[]} groups what each bar is of
 * @param {Figure[]} figures
 */
export function answerChart(name, groups, figures) {
  const [least, most] = bounds(figures);
  const up = (/** @type {number} */ value) => TOP + ((most - value) / (most - least)) * (HEIGHT - TOP - FOOT);
  const wide = (WIDTH - LEFT) / figures.length;
  const drawn = svg("svg", {
    class: "chart",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label": `${name} of ${groups.length} bars, with 95 % intervals. The table has the same figures.`,
  });
  for (const tick of ticks(least, most)) {
    drawn.append(
      svg("line", { x1: LEFT - 4, x2: WIDTH, y1: up(tick).toFixed(1), y2: up(tick).toFixed(1) }),
      label(LEFT - 10, up(tick) + 4, "end", digits(tick)),
    );
  }
  for (const [at, figure] of figures.entries()) drawn.append(...bar(groups[at] ?? "", figure, at, wide, up));
  drawn.append(...labels(groups, wide));
  drawn.append(svg("line", { class: "axis", x1: LEFT, x2: LEFT, y1: TOP, y2: HEIGHT - FOOT }));
  drawn.append(svg("line", { class: "axis", x1: LEFT, x2: WIDTH, y1: up(0).toFixed(1), y2: up(0).toFixed(1) }));
  return drawn;
}

/**
 * What stands below the bars: every group where they are few, else the first and the last.
 * @param {string[]} groups
 * @param {number} wide
 */
function labels(groups, wide) {
  const y = HEIGHT - 14;
  if (groups.length <= MOST_LABELS) {
    return groups.map((each, at) => label(LEFT + (at + 0.5) * wide, y, "middle", cut(each)));
  }
  return [label(LEFT, y, "start", cut(groups[0] ?? "")), label(WIDTH, y, "end", cut(groups.at(-1) ?? ""))];
}

/**
 * A bar and its interval.
 * @param {string} group
 * @param {Figure} figure
 * @param {number} at
 * @param {number} wide
 * @param {(value: number) => number} up
 */
function bar(group, { value, low, high }, at, wide, up) {
  const [middle, width] = [LEFT + (at + 0.5) * wide, Math.min(wide * 0.7, WIDEST)];
  const parts = [];
  if (value !== null) {
    const shape = svg("rect", {
      x: (middle - width / 2).toFixed(1),
      y: Math.min(up(value), up(0)).toFixed(1),
      width: width.toFixed(1),
      height: Math.max(1, Math.abs(up(value) - up(0))).toFixed(1),
      rx: 2,
    });
    const title = svg("title");
    title.textContent = `${group ? `${group}: ` : ""}${digits(value)}`;
    shape.append(title);
    parts.push(shape);
  }
  if (low !== null && high !== null) {
    const cap = Math.min(width / 2, 10);
    const from = { x1: middle.toFixed(1), x2: middle.toFixed(1), y1: up(low).toFixed(1), y2: up(high).toFixed(1) };
    parts.push(svg("line", { class: "interval", ...from }));
    for (const end of [low, high]) {
      const y = up(end).toFixed(1);
      const [x1, x2] = [(middle - cap).toFixed(1), (middle + cap).toFixed(1)];
      parts.push(svg("line", { class: "interval", x1, x2, y1: y, y2: y }));
    }
  }
  return parts;
}

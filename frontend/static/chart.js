// The distribution of one output: bars, and the same as a table.

import { h, svg } from "./dom.js";

const [WIDTH, HEIGHT, FOOT] = [720, 228, 34]; // the foot holds the labels, which are larger on narrow pages
const MOST_BARS = 32;
const WIDEST = 56; // of one bar

/** Counts of integers (BigInt) in at most 32 equal steps, or one bar a value where there are few. */
export function histogram(values) {
  let [low, high] = [values[0], values[0]];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const spread = high - low + 1n;
  const step = spread <= BigInt(MOST_BARS) ? 1n : (spread + BigInt(MOST_BARS) - 1n) / BigInt(MOST_BARS);
  const bars = Array.from({ length: Number((spread + step - 1n) / step) }, (_, at) => {
    const from = low + step * BigInt(at);
    return { from, to: from + step - 1n < high ? from + step - 1n : high, count: 0 };
  });
  for (const value of values) bars[Number((value - low) / step)].count += 1;
  return bars;
}

const range = ({ from, to }) =>
  from === to ? from.toLocaleString("en-US") : `${from.toLocaleString("en-US")} to ${to.toLocaleString("en-US")}`;

export function chart(name, values) {
  const bars = histogram(values);
  const most = Math.max(...bars.map((bar) => bar.count));
  const wide = WIDTH / bars.length;
  const drawn = svg("svg", {
    class: "chart",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label": `Distribution of ${name}: ${values.length} values from ${bars[0].from} to ${bars.at(-1).to}. The table below has the same figures.`,
  });
  for (const [at, bar] of bars.entries()) {
    const tall = (bar.count / most) * (HEIGHT - FOOT - 8);
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
    drawn.append(shape);
  }
  const foot = svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT - FOOT, y2: HEIGHT - FOOT });
  const few = bars.length <= 4;
  const label = (words, x, anchor) => {
    const text = svg("text", { x, y: HEIGHT - 7, "text-anchor": anchor });
    text.textContent = words.toLocaleString("en-US");
    return text;
  };
  const labels = few
    ? bars.map((bar, at) => label(bar.from, (at + 0.5) * wide, "middle"))
    : [label(bars[0].from, 0, "start"), label(bars.at(-1).to, WIDTH, "end")];
  drawn.append(foot, ...labels);
  const table = h(
    "table",
    {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, name), h("th", { scope: "col", class: "number" }, "Rows"))),
    h(
      "tbody",
      {},
      bars
        .filter((bar) => bar.count)
        .map((bar) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, range(bar)),
            h("td", { class: "number" }, bar.count.toLocaleString("en-US")),
          ),
        ),
    ),
  );
  return h(
    "figure",
    { class: "stack" },
    drawn,
    h(
      "details",
      {},
      h("summary", {}, "The same as a table"),
      h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": `Distribution of ${name}` }, table),
    ),
  );
}

// @ts-check
// The answer of a question's job, of the sums that were just opened: a table with intervals, and charts.

import { answer } from "./answer.js";
import { clearNotice, download, h, icon, pushButton, room, showProblem, svg } from "./dom.js";
import { locale, t } from "./language.js";
import { apiJson, Problem } from "./problems.js";
import { keep, recall } from "./store.js";

const WIDTH = room();
const HEIGHT = 300;
const [LEFT, TOP, FOOT] = [76, 14, 44]; // for the axes' numbers and words
const WIDEST = 56; // of one bar
const LETTER = 8; // pixels of one, at most
const LONGEST = 12; // characters of a label
const MOST_CHARTS = 6;
const MOST_BARS = 64;

/**
 * How the words of a question are read for a job; they must mean the very circuit that ran.
 * @param {string} sql
 * @param {ResultOrder} order
 * @param {number} rows that were summed
 */
async function readingOf(sql, order, rows) {
  /** @type {CompiledQuestion} */
  const made = await apiJson(`/v1/datasets/${order.dataset}/questions/compiled`, {
    method: "POST",
    json: { sql, version: order.version, rows },
  });
  if (made.digest !== order.circuit) {
    throw new Problem(
      t`This job ran another circuit than these words mean.`,
      t`Write the words it was asked with.`,
      "other",
    );
  }
  return made.reading;
}

/**
 * The panel of an aggregate's result: the answer where its words are known here, else a place to write them.
 * @param {ResultOrder} order
 * @param {OpenedResult} result
 */
export function answerPanel(order, result) {
  const panel = h("section", { class: "panel stack", "aria-labelledby": "answer-title" });
  const words = recall("question", order.circuit);
  const show = async (/** @type {string} */ sql, /** @type {HTMLElement} */ say) => {
    clearNotice(say);
    try {
      const reading = await readingOf(sql, order, result.header.group);
      keep("question", order.circuit, sql);
      panel.replaceChildren(...answered(order, sql, reading, result));
    } catch (error) {
      if (!say.isConnected) panel.replaceChildren(...unanswered(sql, show, say));
      showProblem(say, error);
    }
  };
  panel.append(...unanswered(words, show));
  if (words) show(words, h("div", { role: "status" }));
  return panel;
}

/**
 * @param {string} words
 * @param {(sql: string, say: HTMLElement) => unknown} show
 * @param {HTMLElement} [say]
 */
function unanswered(words, show, say = h("div", { role: "status" })) {
  const field = h("textarea", { id: "words", rows: 3, class: "mono", spellcheck: "false", maxlength: 10_000 });
  field.value = words;
  return [
    h("h2", { id: "answer-title" }, t`The answer`),
    h("p", { class: "small soft" }, t`If this job was a question, write its words, and its sums become a table.`),
    h("div", { class: "field" }, h("label", { for: "words" }, t`Question in SQL`), field),
    say,
    h(
      "p",
      {},
      pushButton(t`Work it out`, () => show(field.value.trim(), say), "quiet"),
    ),
  ];
}

/**
 * @param {ResultOrder} order
 * @param {string} sql
 * @param {ReadingView} reading
 * @param {OpenedResult} result
 */
function answered(order, sql, reading, { header, values }) {
  const sums = values.map(([value = 0n]) => Number(value));
  const rows = answer(reading, sums, header.noise_scale_milli / 1000);
  const groups = rows.map(({ groups: names }) => names.join(", "));
  const charts = rows.length > MOST_BARS ? [] : reading.names.slice(0, MOST_CHARTS);
  const csv = () => download(`darkroom-answer-${order.job}.csv`, csvOf(reading, rows), "text/csv");
  return [
    h("h2", { id: "answer-title" }, t`The answer`),
    h("p", {}, h("code", {}, sql)),
    table(reading, rows),
    ...charts.map((name, at) =>
      h(
        "figure",
        { class: "stack tight" },
        h("figcaption", { class: "strong" }, reading.groups.length ? t`${name} by ${reading.groups.join(", ")}` : name),
        answerChart(
          name,
          groups,
          rows.flatMap(({ figures }) => figures.slice(at, at + 1)),
        ),
      ),
    ),
    ...reading.remarks.map((each) => h("p", { class: "small soft" }, each)),
    h(
      "p",
      { class: "small soft" },
      t`With 95 % the figure without noise lies between from and to, on the same codes. `,
      t`Counts can be below zero: that is what noise does.`,
    ),
    h("p", {}, pushButton([icon("down"), t`Download the answer`], csv, "quiet")),
  ];
}

/** @param {number | null} value */
const shown = (value) => (value === null ? "-" : digits(value));

/**
 * @param {ReadingView} reading
 * @param {ReturnType<typeof answer>} rows
 */
function table(reading, rows) {
  const number = (/** @type {string} */ name) => h("th", { scope: "col", class: "number" }, name);
  const head = [
    ...reading.groups.map((name) => h("th", { scope: "col" }, name)),
    ...reading.names.flatMap((name) => [number(name), number("from"), number("to")]),
  ];
  const body = rows.map(({ groups, figures }) =>
    h(
      "tr",
      {},
      groups.map((each) => h("th", { scope: "row" }, each)),
      figures.flatMap(({ value, low, high }) =>
        [value, low, high].map((each) => h("td", { class: "number" }, shown(each))),
      ),
    ),
  );
  return h(
    "div",
    { class: "scroll tall", tabindex: "0", role: "region", "aria-label": t`Answer` },
    h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)),
  );
}

/**
 * @param {ReadingView} reading
 * @param {ReturnType<typeof answer>} rows
 */
function csvOf(reading, rows) {
  const quote = (/** @type {string} */ text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const names = reading.names.flatMap((name) => [name, `${name}_low`, `${name}_high`]);
  const lines = rows.map(({ groups, figures }) => [
    ...groups.map(quote),
    ...figures.flatMap(({ value, low, high }) => [value, low, high]).map((each) => (each === null ? "" : String(each))),
  ]);
  return `${[[...reading.groups, ...names].map(quote), ...lines].map((line) => line.join(",")).join("\n")}\n`;
}

/** @param {number} value */
const digits = (value) => value.toLocaleString(locale, { maximumSignificantDigits: 6 });

/**
 * Round numbers between two values, at most six of them: a step of 1, 2 or 5 times a power of ten.
 * @param {number} low
 * @param {number} high
 */
function ticks(low, high) {
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
function answerChart(name, groups, figures) {
  const [least, most] = bounds(figures);
  const up = (/** @type {number} */ value) => TOP + ((most - value) / (most - least)) * (HEIGHT - TOP - FOOT);
  const wide = (WIDTH - LEFT) / figures.length;
  const drawn = svg("svg", {
    class: "chart",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label": t`${name} of ${groups.length} bars, with 95 % intervals. The table has the same figures.`,
  });
  for (const tick of ticks(least, most)) {
    drawn.append(
      svg("line", { x1: LEFT - 4, x2: WIDTH, y1: up(tick).toFixed(1), y2: up(tick).toFixed(1) }),
      label(LEFT - 10, up(tick) + 4, "end", digits(tick)),
    );
  }
  for (const [at, figure] of figures.entries()) drawn.append(...bar(figure, at, wide, up));
  drawn.append(...labels(groups, wide));
  drawn.append(svg("line", { class: "axis", x1: LEFT, x2: LEFT, y1: TOP, y2: HEIGHT - FOOT }));
  drawn.append(svg("line", { class: "axis", x1: LEFT, x2: WIDTH, y1: up(0).toFixed(1), y2: up(0).toFixed(1) }));
  return drawn;
}

/**
 * What stands below the bars: every group where there is room for all, else the first and the last.
 * @param {string[]} groups
 * @param {number} wide
 */
function labels(groups, wide) {
  const y = HEIGHT - 14;
  if (Math.max(...groups.map((each) => cut(each).length)) * LETTER <= wide) {
    return groups.map((each, at) => label(LEFT + (at + 0.5) * wide, y, "middle", cut(each)));
  }
  return [label(LEFT, y, "start", cut(groups[0] ?? "")), label(WIDTH, y, "end", cut(groups.at(-1) ?? ""))];
}

/**
 * A bar and its interval.
 * @param {Figure} figure
 * @param {number} at
 * @param {number} wide
 * @param {(value: number) => number} up
 */
function bar({ value, low, high }, at, wide, up) {
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

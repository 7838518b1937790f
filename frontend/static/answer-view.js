// @ts-check
// The answer of a question's job, worked out of the sums that were just opened: a table with intervals, and charts.

import { answer } from "./answer.js";
import { answerChart, digits } from "./answer-chart.js";
import { clearNotice, download, h, icon, showProblem } from "./dom.js";
import { apiJson, Problem } from "./problems.js";
import { recall, remember } from "./questions.js";

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
      "This job ran another circuit than these words mean.",
      "Write the words it was asked with.",
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
  const words = recall(order.job);
  const show = async (/** @type {string} */ sql, /** @type {HTMLElement} */ say) => {
    clearNotice(say);
    try {
      const reading = await readingOf(sql, order, result.header.group);
      remember(order.job, sql);
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
    h("h2", { id: "answer-title" }, "The answer"),
    h("p", { class: "small soft" }, "If this job was a question, write its words, and its sums become a table."),
    h("div", { class: "field" }, h("label", { for: "words" }, "Question in SQL"), field),
    say,
    h(
      "p",
      {},
      h("button", { class: "button quiet", type: "button", click: () => show(field.value.trim(), say) }, "Work it out"),
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
  const groups = rows.map(({ groups: labels }) => labels.join(", "));
  const charts = rows.length > MOST_BARS ? [] : reading.names.slice(0, MOST_CHARTS);
  const csv = () => download(`darkroom-answer-${order.job}.csv`, csvOf(reading, rows), "text/csv");
  return [
    h("h2", { id: "answer-title" }, "The answer"),
    h("p", {}, h("code", {}, sql)),
    table(reading, rows),
    ...charts.map((name, at) =>
      h(
        "figure",
        { class: "stack tight" },
        h("figcaption", { class: "strong" }, reading.groups.length ? `${name} by ${reading.groups.join(", ")}` : name),
        answerChart(
          name,
          groups,
          rows.map(({ figures }) => figures[at] ?? { value: null, low: null, high: null }),
        ),
      ),
    ),
    ...reading.remarks.map((each) => h("p", { class: "small soft" }, each)),
    h(
      "p",
      { class: "small soft" },
      "With 95 % the figure without noise lies between from and to, on the same codes. Counts can be below zero: that ",
      "is what noise does.",
    ),
    h("p", {}, h("button", { class: "button quiet", type: "button", click: csv }, icon("down"), "Download the answer")),
  ];
}

/** @param {number | null} value */
const shown = (value) => (value === null ? "-" : digits(value));

/**
 * @param {ReadingView} reading
 * @param {{ groups: string[], figures: Figure[] }[]} rows
 */
function table(reading, rows) {
  const head = [
    ...reading.groups.map((name) => h("th", { scope: "col" }, name)),
    ...reading.names
      .flatMap((name) => [name, "from", "to"])
      .map((name) => h("th", { scope: "col", class: "number" }, name)),
  ];
  const body = rows.map(({ groups, figures }) =>
    h(
      "tr",
      {},
      groups.map((label) => h("th", { scope: "row" }, label)),
      figures.flatMap(({ value, low, high }) => [
        h("td", { class: "number strong" }, shown(value)),
        h("td", { class: "number" }, shown(low)),
        h("td", { class: "number" }, shown(high)),
      ]),
    ),
  );
  return h(
    "div",
    { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Answer" },
    h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)),
  );
}

/**
 * @param {ReadingView} reading
 * @param {{ groups: string[], figures: Figure[] }[]} rows
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

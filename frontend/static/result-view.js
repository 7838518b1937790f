// @ts-check
// An opened result as a person reads it: what it is, its distributions, its rows, and its files.

import { chart } from "./chart.js";
import { download, element, h, icon, pushButton } from "./dom.js";
import { digits, t } from "./language.js";
import { className, summaryPanel } from "./summary.js";

const PAGE = 25; // rows in the table at a time
const MOST_CHARTS = 6;
const KEY = "row_key"; // the column of the owner's keys, as the command line names it
const CLASS = "class"; // the column of the classes' names

/**
 * Each row's class, as the circuit says to read it; null where a result has none.
 * @param {OpenedResult} result
 * @param {Readout | null} readout
 * @returns {bigint[] | null}
 */
function classes({ header, values }, readout) {
  const [first] = values;
  if (!readout || !first || header.released === "aggregate") return null;
  if (header.released === "label") return Array.from(first);
  if (readout.kind === "threshold") {
    const { at = 0 } = readout;
    return Array.from(first, (value) => (value >= BigInt(at) ? 1n : 0n));
  }
  if (readout.kind !== "argmax") return null;
  return Array.from(first, (_, at) => {
    let best = first;
    for (const output of values) if ((output[at] ?? 0n) > (best[at] ?? 0n)) best = output;
    return BigInt(values.indexOf(best));
  });
}

/**
 * Which part of the score's integers each level of a circuit with cut points is; null for other results.
 * @param {OpenedResult} result
 * @param {Readout | null} readout
 */
function levels({ header }, readout) {
  if (header.released !== "label" || readout?.kind !== "cuts") return null;
  const cuts = readout.cuts ?? [];
  return Array.from({ length: cuts.length + 1 }, (_, at) => {
    const [from, below] = [cuts[at - 1], cuts[at]];
    return [
      ...(from === undefined ? [] : [t`from ${digits(from)}`]),
      ...(below === undefined ? [] : [t`below ${digits(below)}`]),
    ].join(", ");
  });
}

/**
 * How scores were rounded, in words; null where they were not.
 * @param {ResultHeader} header
 */
function rounding({ levels: count, lows, highs }) {
  if (!count) return null;
  const errors = lows.map((low, at) => {
    const span = BigInt(highs[at] ?? low) - BigInt(low);
    return span + 1n > BigInt(count) ? (Number(span) + 1) / (2 * count) : 0;
  });
  const most = Math.max(0, ...errors);
  if (!most) return t`exact, since there are no more values than levels`;
  return t`rounded to ${digits(count)} levels, so at most ${digits(Math.round(most))} off`;
}

/** @type {Record<ResultHeader["released"], (count: string) => string>} */
const RELEASED = {
  label: (count) => t`label of ${count} rows`,
  score: (count) => t`score of ${count} rows`,
  aggregate: (count) => t`aggregate of ${count} groups`,
};

/** @param {ResultHeader} header */
function describe(header) {
  const { released, rows, noise_scale_milli: noise } = header;
  const what = RELEASED[released](digits(rows));
  return [what, rounding(header), noise ? t`with noise of scale ${noise / 1000}` : null]
    .filter((each) => each !== null)
    .join(", ");
}

/**
 * @param {OpenedResult} result
 * @param {Readout | null} readout
 * @param {bigint[] | null} named each row's class
 * @param {string[]} names of the classes
 * @returns {Column[]}
 */
function columnsOf(result, readout, named, names) {
  const { header, values, keys } = result;
  const leveled = levels(result, readout) !== null;
  const outputs = values.map((output, at) => ({
    name: leveled ? "level" : (header.outputs[at] ?? ""),
    values: Array.from(output),
  }));
  const first = { name: "row", values: Array.from({ length: header.rows }, (_, at) => BigInt(header.first_row + at)) };
  const predicted = header.released === "label" ? null : classes(result, readout);
  return [
    ...(header.released === "aggregate" ? [] : [first]),
    ...(keys ? [{ name: KEY, values: keys }] : []),
    ...outputs,
    ...(predicted ? [{ name: t`predicted class`, values: predicted }] : []),
    ...(named && names.length ? [{ name: CLASS, values: named.map((each) => className(each, names)) }] : []),
  ];
}

/**
 * Show a result in the place of its page.
 * @param {HTMLElement} root
 * @param {number} job
 * @param {OpenedResult} result
 * @param {Readout | null} readout
 * @param {string} source through whom the chain was read
 * @param {string[]} names of the classes, as the model at hand has them; none where they are not known
 */
export function showResult(root, job, result, readout, source, names) {
  const bands = levels(result, readout);
  const named = bands ? null : classes(result, readout);
  const columns = columnsOf(result, readout, named, names);
  const about = describe(result.header);
  const sentence = `${about.charAt(0).toUpperCase()}${about.slice(1)}.`;
  const notice = h(
    "div",
    { class: "notice good", tabindex: "-1" },
    icon("check"),
    h("p", { class: "strong" }, t`Opened, and it is this job's result`),
    h("p", {}, t`Checked against the chain through ${source}. ${sentence}`),
  );
  const csv = () => saveCsv(job, columns);
  const parquet = () => saveParquet(job, columns);
  const files = h(
    "div",
    { class: "row" },
    pushButton([icon("down"), t`Download CSV`], csv, ""),
    pushButton([icon("down"), t`Download Parquet`], parquet, "quiet"),
    pushButton([icon("down"), t`Download JSON`], () => saveJson(job, result.header, columns), "quiet"),
  );
  const outputs = columns.filter(({ name, values }) => name !== "row" && typeof values[0] === "bigint");
  const charted = outputs.slice(0, MOST_CHARTS);
  const line = result.header.released === "score" && readout?.kind === "threshold" ? (readout.at ?? 0) : null;
  const labelled = (/** @type {string} */ name) =>
    name === t`predicted class` || (result.header.released === "label" && !bands) ? names : [];
  element("[data-opening]", HTMLElement, root).hidden = true;
  const opened = element("[data-opened]", HTMLElement, root);
  opened.replaceChildren(
    notice,
    ...(result.header.released === "aggregate" || bands ? [] : [summaryPanel(outputs, named, names)]),
    files,
    ...(bands ? [legend(bands)] : []),
    ...charted.map((each, at) => distribution(each, labelled(each.name), at === 0 ? line : null)),
    table(columns),
  );
  opened.hidden = false;
  notice.focus();
}

/**
 * @param {Column} column
 * @param {string[]} names of its values, where they are classes with names
 * @param {number | null} line from which the class is the second one
 */
function distribution({ name, values }, names, line) {
  const drawn = chart(name, values.map(BigInt), names, line === null ? null : BigInt(line));
  const words = line === null ? null : t`The line is the threshold: from ${digits(line)} on, the second class.`;
  return h(
    "section",
    { class: "panel stack" },
    h("h2", {}, t`Distribution of ${name}`),
    words ? h("p", { class: "small soft" }, words) : null,
    drawn,
  );
}

/** @param {string[]} bands what each level means */
function legend(bands) {
  const head = [t`Level`, t`The model's score, in the circuit's integers`];
  const rows = bands.map((words, at) => h("tr", {}, h("th", { scope: "row" }, digits(at)), h("td", {}, words)));
  return h(
    "section",
    { class: "stack" },
    h("h2", {}, t`What the levels mean`),
    h(
      "div",
      { class: "scroll tall fit", tabindex: "0", role: "region", "aria-label": t`Levels` },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            head.map((words) => h("th", { scope: "col" }, words)),
          ),
        ),
        h("tbody", {}, rows),
      ),
    ),
  );
}

/** @param {Column[]} columns */
function table(columns) {
  const rows = columns[0]?.values.length ?? 0;
  const body = h("tbody");
  const position = h("span", { class: "small soft", role: "status" });
  let first = 0;
  const draw = () => {
    const last = Math.min(first + PAGE, rows);
    body.replaceChildren(...Array.from({ length: last - first }, (_, at) => row(columns, first + at)));
    position.textContent = t`${digits(first + 1)} to ${digits(last)} of ${digits(rows)}`;
    before.disabled = first === 0;
    after.disabled = last === rows;
  };
  /** @param {number} by */
  const step = (by) => () => {
    first += by;
    draw();
  };
  const before = pushButton(t`Previous`, step(-PAGE));
  const after = pushButton(t`Next`, step(PAGE));
  const names = columns.map(({ name, values }, at) =>
    h("th", { scope: "col", class: at && typeof values[0] === "bigint" ? "number" : null }, name),
  );
  draw();
  return h(
    "section",
    { class: "stack" },
    h("h2", {}, t`All rows`),
    h(
      "p",
      { class: "small soft" },
      t`Integers as they were released. Your model's card, read below, turns them into its own units.`,
    ),
    h(
      "div",
      { class: columns.length < 4 ? "scroll fit" : "scroll", tabindex: "0", role: "region", "aria-label": t`Result` },
      h("table", {}, h("thead", {}, h("tr", {}, names)), body),
    ),
    h("div", { class: "row" }, before, after, position),
  );
}

/**
 * @param {Column[]} columns
 * @param {number} at
 */
function row(columns, at) {
  const cells = columns.map(({ values }, column) => {
    const value = values[at] ?? 0n;
    if (typeof value === "string") return h("td", {}, value);
    return column ? h("td", { class: "number" }, digits(value)) : h("th", { scope: "row" }, digits(value));
  });
  return h("tr", {}, cells);
}

/**
 * @param {number} job
 * @param {Column[]} columns
 */
function saveCsv(job, columns) {
  /** @param {string} name */
  const quote = (name) => (/[",\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);
  const lines = [columns.map(({ name }) => quote(name)).join(",")];
  for (let at = 0; at < (columns[0]?.values.length ?? 0); at += 1) {
    lines.push(columns.map(({ values }) => quote(String(values[at]))).join(","));
  }
  download(`darkroom-job-${job}.csv`, `${lines.join("\n")}\n`, "text/csv");
}

/**
 * @param {number} job
 * @param {ResultHeader} header
 * @param {Column[]} columns
 */
function saveJson(job, header, columns) {
  /** @param {bigint | string} value */
  const written = (value) =>
    typeof value === "bigint" && BigInt(Number(value)) === value ? Number(value) : `${value}`;
  const rows = Array.from({ length: columns[0]?.values.length ?? 0 }, (_, at) =>
    Object.fromEntries(columns.map(({ name, values }) => [name, written(values[at] ?? 0n)])),
  );
  const text = JSON.stringify({ job, released: header.released, rows }, null, 1);
  download(`darkroom-job-${job}.json`, `${text}\n`, "application/json");
}

/**
 * @param {number} job
 * @param {Column[]} columns
 */
async function saveParquet(job, columns) {
  const { parquet } = await import("./parquet.js");
  download(`darkroom-job-${job}.parquet`, parquet(columns), "application/vnd.apache.parquet");
}

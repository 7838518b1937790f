// @ts-check
// A result in its model's own units. The circuit is public and says integers; what they mean is on the model's card, a
// file on the buyer's machine (darkroom model export). It is read here and sent nowhere.

import { encoder } from "./bytes.js";
import { parseCanonical } from "./canonical.js";
import { download, field, h, input, pushButton, showNotice, showProblem } from "./dom.js";
import { t } from "./language.js";
import { Problem } from "./problems.js";
import { keep, recall } from "./store.js";

const SHOWN = 25; // rows; the file has all
const CARD = "card"; // of a model, as this browser keeps it
const MOST_BYTES = 1 << 20;

/** @param {number} value */
const sigmoid = (value) => 1 / (1 + Math.exp(-value));

/** @param {number[]} values */
function shares(values) {
  const total = values.reduce((sum, value) => sum + value, 0);
  return values.map((value) => (total ? value / total : 1 / values.length));
}

/**
 * Probabilities of the classes; null for a model that gives none, or whose link only the client reads.
 * @param {Decoder} decoder
 * @param {number[]} scores of one row
 */
function chances({ link, probabilities }, scores) {
  const [first = 0] = scores;
  /** @param {number} second */
  const both = (second) => [1 - second, second];
  if (!probabilities) return null;
  if (link === "softmax") return shares(scores.map((score) => Math.exp(score - Math.max(...scores))));
  if (link === "share") return both(Math.min(1, Math.max(0, first + 0.5)));
  if (link === "identity") return scores.length > 1 ? scores : null;
  if (link !== "sigmoid" && link !== "one-vs-rest") return null;
  return scores.length > 1 ? shares(scores.map(sigmoid)) : both(sigmoid(first));
}

/**
 * What a regressor's score stands for.
 * @param {Decoder} decoder
 * @param {number} score
 */
function predictedValue({ link, knots }, score) {
  if (link === "exp") return Math.exp(score);
  if (link === "sigmoid") return sigmoid(score);
  if (link !== "table") return score;
  const after = knots.findIndex(([from]) => from > score);
  const [low, high] = [knots[after < 0 ? knots.length - 1 : Math.max(0, after - 1)], knots[Math.max(0, after)]];
  if (!low || !high || after <= 0) return low?.[1] ?? score;
  return low[1] + ((score - low[0]) / (high[0] - low[0])) * (high[1] - low[1]);
}

/**
 * What one row says, by column name, as `darkroom result open` tells it.
 * @param {Decoder} decoder
 * @param {number[]} integers of one row, for an aggregate their mean
 */
function readScores(decoder, integers) {
  const scores = integers.map((value, at) => decoder.scale * (value - (decoder.zero_points[at] ?? 0)) + decoder.shift);
  const [first = 0] = scores;
  const classes = decoder.labels?.values;
  if (!classes) return { prediction: scores.length > 1 ? scores.join(" ") : predictedValue(decoder, first) };
  const single = scores.length === 1;
  const best = single ? Number(first > decoder.threshold) : scores.indexOf(Math.max(...scores));
  const sorted = [...scores].sort((a, b) => b - a);
  const given = chances(decoder, scores);
  const named = classes.map((label, at) => /** @type {const} */ ([`probability_${label}`, given?.[at]]));
  return {
    prediction: classes[best] ?? "",
    ...(given ? Object.fromEntries(classes.length === 2 ? named.slice(1) : named) : {}),
    ...Object.fromEntries(scores.map((score, at) => [single ? "score" : `score_${classes[at] ?? at}`, score])),
    margin: single ? first - decoder.threshold : (sorted[0] ?? 0) - (sorted[1] ?? 0),
  };
}

/**
 * A result's rows in the units of a model.
 * @param {OpenedResult} result
 * @param {Decoder} decoder
 * @param {Readout | null} readout
 * @returns {Record<string, string | number | null | undefined>[]}
 */
export function inUnits({ header, values, keys }, decoder, readout) {
  return Array.from({ length: header.rows }, (_, at) => {
    const integers = values.map((output) => Number(output[at] ?? 0n));
    const [first = 0] = integers;
    const named = { row: header.first_row + at, ...(keys ? { row_key: keys[at] } : {}) };
    if (header.released === "score") return { ...named, ...readScores(decoder, integers) };
    if (header.released === "aggregate") {
      const means = integers.map((sum, output) => sum / header.group - (decoder.zero_points[output] ?? 0));
      return Object.fromEntries(
        means.map((mean, output) => [`mean_score_${output}`, decoder.scale * mean + decoder.shift]),
      );
    }
    if (readout?.kind !== "cuts") return { ...named, prediction: decoder.labels?.values[first] ?? first };
    /** @param {number | undefined} cut */
    const bound = (cut) => {
      if (cut === undefined) return null;
      const read = readScores(decoder, [cut]);
      const second = decoder.labels && decoder.probabilities ? `probability_${decoder.labels.values[1]}` : "score";
      return /** @type {Record<string, number>} */ (read)[decoder.labels ? second : "prediction"] ?? null;
    };
    const cuts = readout.cuts ?? [];
    return { ...named, level: first, from: bound(cuts[first - 1]), to: bound(cuts[first]) };
  });
}

/**
 * What the classes of a circuit's model are called, by the card of it that this browser keeps; none without one.
 * @param {string} circuit digest
 * @returns {string[]}
 */
export function keptNames(circuit) {
  try {
    return parseCanonical(encoder.encode(recall(CARD, circuit))).decoder.labels?.values ?? [];
  } catch {
    return []; // there is none, or it is damaged: it is read anew from its file
  }
}

/**
 * A part of the page that reads a model's card and shows the result in its units.
 * @param {number} job
 * @param {string} circuit digest
 * @param {OpenedResult} result
 * @param {Readout | null} readout
 */
export function unitsPanel(job, circuit, result, readout) {
  const said = h("div", { role: "status" });
  const shown = h("div", { class: "stack" });
  const read = async () => {
    try {
      const [file] = input(form, "card").files ?? [];
      if (!file) return;
      if (file.size > MOST_BYTES) throw new Problem(t`This file is too large for a model's card.`, t`Choose another.`);
      show(new Uint8Array(await file.arrayBuffer()));
    } catch (error) {
      input(form, "card").value = ""; // so that the same name, mended, can be chosen again
      shown.replaceChildren();
      showProblem(said, error);
    }
  };
  /** @param {Bytes} card */
  const show = (card) => {
    const { kind, decoder, target } = parseCanonical(card);
    if (kind !== "darkroom/model") throw new Problem(t`This is no model's card.`, t`Make it: darkroom model export.`);
    if (decoder.circuit !== circuit) throw new Problem(t`This model ran as another circuit.`, t`Choose this job's.`);
    const rows = inUnits(result, decoder, readout);
    said.replaceChildren();
    shown.replaceChildren(table(rows), saveButton(job, rows));
    showNotice(said, "good", target ? t`${target}, by a ${decoder.model}` : t`By a ${decoder.model}`);
    keep(CARD, circuit, new TextDecoder().decode(card));
  };
  const hint = t`Made by darkroom model export. It is read in this page, kept in this browser and sent nowhere.`;
  const form = h(
    "form",
    { change: read },
    field("card", t`The model's card`, { type: "file", accept: ".json,application/json" }, hint),
  );
  const kept = recall(CARD, circuit);
  try {
    if (kept) show(encoder.encode(kept)); // read here before
  } catch (error) {
    showProblem(said, error);
  }
  return h("section", { class: "panel stack" }, h("h2", {}, t`In your model's units`), form, said, shown);
}

/** @param {ReturnType<typeof inUnits>} rows */
function table(rows) {
  const names = Object.keys(rows[0] ?? {});
  /** @param {string | number | null | undefined} value */
  const text = (value) => (typeof value === "number" ? value.toPrecision(6) : (value ?? "-"));
  const body = rows.slice(0, SHOWN).map((row) =>
    h(
      "tr",
      {},
      names.map((name) => h("td", { class: "number" }, name === "row" ? String(row[name]) : text(row[name]))),
    ),
  );
  const head = h(
    "tr",
    {},
    names.map((name) => h("th", { scope: "col", class: "number" }, name)),
  );
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": t`In units` },
    h("table", {}, h("thead", {}, head), h("tbody", {}, body)),
  );
}

/**
 * @param {number} job
 * @param {ReturnType<typeof inUnits>} rows
 */
function saveButton(job, rows) {
  const names = Object.keys(rows[0] ?? {});
  /** @param {unknown} value */
  const quoted = (value) => (/[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : (value ?? ""));
  const save = () => {
    const lines = [names, ...rows.map((row) => names.map((name) => row[name]))].map((line) =>
      line.map(quoted).join(","),
    );
    download(`darkroom-job-${job}-units.csv`, `${lines.join("\n")}\n`, "text/csv");
  };
  return h("p", {}, pushButton(t`Download all rows (CSV)`, save));
}

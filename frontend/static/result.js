// Opening a result. The chain names a sealed document by digest; the document names this very job; the key in this
// browser opens it. The plaintext lives in this page and is gone with it.

import { sha256 } from "./bytes.js";
import { canonicalBytes, parseCanonical } from "./canonical.js";
import { logsOf, receiptOf, uint, wordsOf } from "./chain.js";
import { chart } from "./chart.js";
import { Steps, download, h, hush, icon, say } from "./dom.js";
import { config } from "./config.js";
import * as keystore from "./keystore.js";
import { Problem, apiBytes, explain } from "./problems.js";
import { fileCid } from "./unixfs.js";
import { fromHex, openResult } from "./unseal.js";

const PAGE = 25; // rows in the table at a time
const root = document.querySelector("#result");
const order = root && JSON.parse(root.dataset.order);
const place = root?.querySelector("[data-say]");
const mismatch = (what) =>
  new Problem(
    `The sealed result is not this job's: ${what}.`,
    "Do not use it, and tell the dataset's owner.",
    "bad-seal",
  );

async function fromChain() {
  const { logs, source } = await receiptOf(order.releaseTx);
  const [log] = logsOf(logs, "JobReleased", order.job);
  if (!log || wordsOf(log)[0] !== order.sealed) throw mismatch("the chain names another document");
  const [opened] = logsOf((await receiptOf(order.openTx)).logs, "JobOpened", order.job);
  const words = opened ? wordsOf(opened) : [];
  if (words[2] !== order.circuit || words[5] !== order.sealingKey || uint(words[0]) !== BigInt(order.license))
    throw mismatch("the chain's order is another");
  return source;
}

async function fetchSealed() {
  const bytes = await apiBytes(`/v1/jobs/${order.job}/result`);
  if ((await sha256(bytes)) !== order.sealed) throw mismatch("its digest is another");
  const sealed = parseCanonical(bytes);
  const context = {
    kind: "darkroom/seal",
    chain_id: config.chainId,
    market: config.contracts.JobMarket,
    job: order.job,
    license: order.license,
    buyer: order.buyer,
    sealing_key: order.sealingKey,
    manifest: order.manifest,
    circuit: order.circuit,
    receipt: order.receipt,
  };
  for (const [name, value] of Object.entries(context)) {
    if (sealed.context[name] !== value) throw mismatch(`it names another ${name.replace("_", " ")}`);
  }
  const ciphertext = await apiBytes(`/v1/blobs/${sealed.ciphertext_cid}`);
  if (ciphertext.length !== sealed.ciphertext_bytes) throw mismatch("its length is another");
  if ((await fileCid(ciphertext)) !== sealed.ciphertext_cid) throw mismatch("its bytes are not those that it names");
  return { sealed, ciphertext, context: canonicalBytes(context) };
}

function lostKey() {
  const again = async () => {
    const entry = await keystore.bringInDialog();
    if (entry && entry.public !== order.sealingKey) {
      say(
        place,
        "bad",
        "That is another key.",
        h(
          "p",
          {},
          `This result is sealed to ${order.sealingKey.slice(0, 12)}…, and the file holds ${entry.public.slice(0, 12)}….`,
        ),
        buttons(),
      );
    } else if (entry) open();
  };
  const buttons = () =>
    h(
      "p",
      { class: "row" },
      h("button", { class: "button small", type: "button", click: again }, "Import the recovery file"),
    );
  say(
    place,
    "wait",
    "The key of this job is not in this browser",
    h(
      "p",
      {},
      "If you ordered the job here, this browser's data was cleared; if elsewhere, the key is there. Nobody else has it, so only the recovery file brings it back.",
    ),
    h(
      "p",
      { class: "small" },
      "From a terminal, where the key is: ",
      h("code", {}, `darkroom result open ${order.job}`),
    ),
    buttons(),
  );
}

async function open() {
  const steps = new Steps(root);
  steps.clear();
  hush(place);
  try {
    const source = await steps.run("chain", fromChain);
    const { sealed, ciphertext, context } = await steps.run("fetch", fetchSealed);
    const key = await keystore.find(order.sealingKey);
    if (!key) {
      steps.set("key", "failed");
      return lostKey();
    }
    steps.set("key", "done");
    const result = await steps.run("open", async () => {
      try {
        return await openResult(key.privateKey, fromHex(key.public), fromHex(sealed.enc), ciphertext, context);
      } catch {
        throw new Problem(
          "The sealed result does not open with this key for this job.",
          "Tell the dataset's owner: what the chain names is not what was promised.",
          "bad-seal",
        );
      }
    });
    show(result, await readout(), source);
  } catch (error) {
    const { message, next } = explain(error);
    say(
      place,
      "bad",
      message,
      h("p", {}, next),
      h("p", { class: "row" }, h("button", { class: "button quiet small", type: "button", click: open }, "Try again")),
    );
  }
  return undefined;
}

/** How the circuit, which is public, says to read a row; null when it cannot be fetched. */
async function readout() {
  try {
    const bytes = await apiBytes(`/v1/documents/${order.circuit}`);
    return (await sha256(bytes)) === order.circuit ? parseCanonical(bytes).readout : null;
  } catch {
    return null;
  }
}

function prediction({ header, values }, said) {
  if (!said || header.released === "aggregate") return null;
  if (header.released === "label") return Array.from(values[0]);
  if (said.kind === "threshold") return Array.from(values[0], (value) => (value >= BigInt(said.at) ? 1n : 0n));
  if (said.kind !== "argmax") return null;
  return Array.from({ length: header.rows }, (_, row) =>
    BigInt(values.reduce((best, output, at) => (output[row] > values[best][row] ? at : best), 0)),
  );
}

/** Which part of the score's integers each level of a circuit with cut points is; null for other results. */
function levels({ header }, said) {
  if (header.released !== "label" || said?.kind !== "cuts") return null;
  const number = (value) => BigInt(value).toLocaleString("en-US");
  const words = (at) =>
    [at ? `from ${number(said.cuts[at - 1])}` : null, at < said.cuts.length ? `below ${number(said.cuts[at])}` : null]
      .filter(Boolean)
      .join(", ");
  return Array.from({ length: said.cuts.length + 1 }, (_, at) => words(at));
}

/** How scores were rounded, in words; null where they were not. */
function rounding({ levels: count, lows, highs, outputs }) {
  if (!count) return null;
  const widths = outputs.map((_, at) =>
    BigInt(highs[at]) - BigInt(lows[at]) + 1n > BigInt(count)
      ? (Number(BigInt(highs[at]) - BigInt(lows[at])) + 1) / (2 * count)
      : 0,
  );
  const most = Math.max(...widths);
  return most
    ? `rounded to ${count.toLocaleString("en-US")} levels, so at most ${Math.round(most).toLocaleString("en-US")} off`
    : "exact, since there are no more values than levels";
}

function show(result, said, source) {
  const { header, values } = result;
  const bands = levels(result, said);
  const rows =
    header.released === "aggregate"
      ? []
      : [{ name: "row", values: Array.from({ length: header.rows }, (_, at) => BigInt(header.first_row + at)) }];
  const classes = prediction(result, said);
  const columns = [
    ...rows,
    ...header.outputs.map((name, at) => ({ name: bands ? "level" : name, values: Array.from(values[at]) })),
    ...(classes && header.released !== "label" ? [{ name: "predicted class", values: classes }] : []),
  ];
  const about = [
    `${header.released} of ${header.rows.toLocaleString("en-US")} ${header.released === "aggregate" ? "groups" : "rows"}`,
    rounding(header),
    header.noise_scale_milli ? `with noise of scale ${header.noise_scale_milli / 1000}` : null,
  ]
    .filter(Boolean)
    .join(", ");
  const charted = columns.filter(({ name }) => name !== "row").slice(0, 6);
  root.querySelector("[data-opening]").hidden = true;
  const opened = root.querySelector("[data-opened]");
  opened.replaceChildren(
    ...[
      h(
        "div",
        { class: "notice good" },
        icon("check"),
        h("p", { class: "strong" }, "Opened, and it is this job's result"),
        h("p", {}, `Checked against the chain through ${source}. ${about[0].toUpperCase()}${about.slice(1)}.`),
      ),
      h(
        "div",
        { class: "row" },
        h("button", { class: "button", type: "button", click: () => saveCsv(columns) }, icon("down"), "Download CSV"),
        h(
          "button",
          { class: "button quiet", type: "button", click: () => saveParquet(columns) },
          icon("down"),
          "Download Parquet",
        ),
      ),
      bands ? legend(bands) : null,
      ...charted.map((column) =>
        h(
          "section",
          { class: "panel stack" },
          h("h2", {}, `Distribution of ${column.name}`),
          chart(column.name, column.values),
        ),
      ),
      table(columns),
    ].filter(Boolean),
  );
  opened.hidden = false;
  opened.querySelector(".notice").setAttribute("tabindex", "-1");
  opened.querySelector(".notice").focus();
}

function legend(bands) {
  const rows = bands.map((words, at) =>
    h("tr", {}, h("th", { scope: "row" }, at.toLocaleString("en-US")), h("td", {}, words)),
  );
  return h(
    "section",
    { class: "stack" },
    h("h2", {}, "What the levels mean"),
    h(
      "div",
      { class: "scroll tall fit", tabindex: "0", role: "region", "aria-label": "Levels" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, "Level"),
            h("th", { scope: "col" }, "The model's score, in the circuit's integers"),
          ),
        ),
        h("tbody", {}, rows),
      ),
    ),
  );
}

function table(columns) {
  const rows = columns[0].values.length;
  const body = h("tbody");
  const place_ = h("span", { class: "small soft", role: "status" });
  let first = 0;
  const draw = () => {
    const last = Math.min(first + PAGE, rows);
    body.replaceChildren(
      ...Array.from({ length: last - first }, (_, at) =>
        h(
          "tr",
          {},
          columns.map((column, number) =>
            number
              ? h("td", { class: "number" }, column.values[first + at].toLocaleString("en-US"))
              : h("th", { scope: "row" }, column.values[first + at].toLocaleString("en-US")),
          ),
        ),
      ),
    );
    place_.textContent = `${(first + 1).toLocaleString("en-US")} to ${last.toLocaleString("en-US")} of ${rows.toLocaleString("en-US")}`;
    before.disabled = first === 0;
    after.disabled = last === rows;
  };
  const step = (by) => () => {
    first += by;
    draw();
  };
  const before = h("button", { class: "button quiet small", type: "button", click: step(-PAGE) }, "Previous");
  const after = h("button", { class: "button quiet small", type: "button", click: step(PAGE) }, "Next");
  const head = h(
    "thead",
    {},
    h(
      "tr",
      {},
      columns.map((column) => h("th", { scope: "col", class: column === columns[0] ? null : "number" }, column.name)),
    ),
  );
  draw();
  return h(
    "section",
    { class: "stack" },
    h("h2", {}, "All rows"),
    h(
      "p",
      { class: "small soft" },
      "Integers as they were released. Your client, which has your model, turns scores into its own units.",
    ),
    h(
      "div",
      { class: columns.length < 4 ? "scroll fit" : "scroll", tabindex: "0", role: "region", "aria-label": "Result" },
      h("table", {}, head, body),
    ),
    h("div", { class: "row" }, before, after, place_),
  );
}

function saveCsv(columns) {
  const quote = (name) => (/[",\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);
  const lines = [columns.map((column) => quote(column.name)).join(",")];
  for (let row = 0; row < columns[0].values.length; row += 1)
    lines.push(columns.map((column) => column.values[row]).join(","));
  download(`darkroom-job-${order.job}.csv`, `${lines.join("\n")}\n`, "text/csv");
}

async function saveParquet(columns) {
  const { parquet } = await import("./parquet.js");
  download(`darkroom-job-${order.job}.parquet`, parquet(columns), "application/vnd.apache.parquet");
}

if (root) open();

// @ts-check
// Asking a question: htmx brings its price as it is typed; this buys a license where one is needed and orders the job.

import { encoder } from "./bytes.js";
import { clearNotice, data, element, h, Steps, showNotice, showProblem } from "./dom.js";
import { canPay } from "./funds.js";
import { addLicense, offerHeld } from "./held.js";
import * as keystore from "./keystore.js";
import { digits, t } from "./language.js";
import { buyFirst, openJob, publishCircuit } from "./orders.js";
import { apiJson } from "./problems.js";
import { keep } from "./store.js";
import { follow } from "./transact.js";
import { guard, naming } from "./unfinished.js";

const form = element("#ask", HTMLFormElement);
const check = guard(form, naming.job);
const words = element("#sql", HTMLTextAreaElement);
const terms = element("#terms", HTMLSelectElement);
const order = element("[data-order]", HTMLButtonElement, form);
const total = element("#total", HTMLElement);
const totalWords = element("#total-words", HTMLElement);
const place = element("[data-say]", HTMLElement, form);
let ordering = false;
let bought = ""; // a license, by an order that then failed: the next one uses it

/** The report that stands, if it is of what is typed and can be ordered; null otherwise. */
function ready() {
  const report = element("#report", HTMLElement);
  return report.dataset.ready && data(report, "sql") === words.value.trim() ? report : null;
}

function draw() {
  const report = ready();
  total.textContent = report ? data(report, "words") : "-";
  totalWords.textContent = report ? t`at most, with everything` : t`The price follows what you type.`;
  order.disabled = !report || ordering;
}

/** What is typed is another question than the one that was explained, until its report is there. */
function withdraw() {
  delete element("#report", HTMLElement).dataset.ready;
  draw();
}

form.addEventListener("input", withdraw);
form.addEventListener("htmx:configRequest", (event) => {
  const { formData } = event.detail;
  for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
});
document.body.addEventListener("htmx:afterSettle", draw);

/**
 * The license that a report's terms name, bought where it is a new one.
 * @param {HTMLElement} report
 */
async function licensed(report) {
  if (data(report, "license") !== "0") return data(report, "license");
  bought = await buyFirst(data(report, "offer"), data(report, "licensePrice"));
  return bought;
}

/**
 * Let this node's store have the question's circuit.
 * @param {string} sql
 * @param {HTMLElement} report
 */
async function publish(sql, report) {
  /** @type {CompiledQuestion} */
  const made = await apiJson(`/v1/datasets/${data(form, "dataset")}/questions/compiled`, {
    method: "POST",
    json: { sql, version: Number(data(report, "version")), rows: Number(data(report, "rows")) },
  });
  await publishCircuit(encoder.encode(made.circuit), data(report, "circuit"));
}

/**
 * @param {string} sql
 * @param {HTMLElement} report what was explained of it; it stays what it is while htmx brings others
 */
async function ask(sql, report) {
  const steps = new Steps(form);
  steps.clear();
  clearNotice(place);
  const key = await steps.run("key", keystore.ensure);
  await steps.run("publish", () => publish(sql, report));
  const license = await steps.run("license", () => licensed(report));
  keep("question", data(report, "circuit"), sql);
  const quoted = (/** @type {string} */ name) => data(report, name);
  const job = await openJob(steps, {
    circuit: quoted("circuit"),
    rows: quoted("rows"),
    units: quoted("units"),
    replicas: quoted("replicas"),
    maxFee: quoted("maxFee"),
    version: quoted("version"),
    content: quoted("content"),
    program: quoted("program"),
    license,
    firstRow: "0",
    key: key.public,
    total: quoted("jobTotal"),
    account: quoted("buyer"),
  });
  showNotice(place, "good", t`Asked as job ${job}.`, h("p", {}, t`Opening its page.`));
  await follow(`/jobs/${job}`);
}

async function start() {
  const report = ready();
  if (!report) return;
  ordering = true;
  draw();
  try {
    if (await canPay(place, data(report, "total"), start)) await ask(data(report, "sql"), report);
  } catch (error) {
    showProblem(place, error);
    keepBought();
    await check();
  } finally {
    ordering = false;
    draw();
  }
}

order.addEventListener("click", start);

function keepBought() {
  const report = ready();
  if (bought && report) addLicense(terms, { id: bought, offer: data(report, "offer") }, t`which you just bought`, true);
  bought = "";
}

offerHeld(terms, data(form, "dataset"), (count) => (count === 1 ? t`1 question` : t`${digits(count)} questions`));

function catchUp() {
  if (words.value.trim() !== data(element("#report", HTMLElement), "sql")) form.requestSubmit();
  draw();
}

addEventListener("pageshow", catchUp);
catchUp();

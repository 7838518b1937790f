// @ts-check
// Asking a question: htmx brings its price as it is typed; this buys a license where one is needed and orders the job.

import { BUY, BUY_WITH_PERMIT, OPEN, OPEN_WITH_PERMIT } from "./abi.js";
import { encoder, sha256 } from "./bytes.js";
import { clearNotice, data, element, h, Steps, showNotice, showProblem } from "./dom.js";
import * as keystore from "./keystore.js";
import { api, apiJson, Problem } from "./problems.js";
import { remember } from "./questions.js";
import { signIn } from "./session.js";
import { eventOf, follow, pay } from "./transact.js";
import { guard } from "./unfinished.js";
import * as wallet from "./wallet.js";

const form = element("#ask", HTMLFormElement);
const words = element("#sql", HTMLTextAreaElement);
const terms = element("#terms", HTMLSelectElement);
const order = element("[data-order]", HTMLButtonElement, form);
const total = element("#total", HTMLElement);
const totalWords = element("#total-words", HTMLElement);
const place = element("[data-say]", HTMLElement, form);
const check = guard(form, "Order");
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
  totalWords.textContent = report ? "at most, with everything" : "The price follows what you type.";
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

/** A stand-in for steps that are one step of this page. */
const quiet = {
  /** @template T @param {string} _ @param {() => T | Promise<T>} work */ run: async (_, work) => work(),
};

/**
 * The license that a report's terms name, bought where it is a new one.
 * @param {HTMLElement} report
 */
async function licensed(report) {
  if (data(report, "license") !== "0") return data(report, "license");
  const offer = data(report, "offer");
  const receipt = await pay(quiet, {
    action: "buy-license",
    order: { offer: Number(offer) },
    contract: "LicenseMarket",
    amount: data(report, "licensePrice"),
    plain: BUY,
    permitted: BUY_WITH_PERMIT,
    args: [offer],
    newest: (account) => `/v1/licenses?buyer=${account}&offer=${offer}&limit=1`,
    goes: "/licenses/",
  });
  const { license } = await eventOf(receipt, "LicenseBought");
  if (license === undefined) throw new Problem("The purchase names no license.", "Load the page again.", "unknown");
  bought = String(license);
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
  const body = encoder.encode(made.circuit);
  if ((await sha256(body)) !== data(report, "circuit")) {
    throw new Problem("The node compiled another circuit than it priced.", "Load the page again.", "tampered");
  }
  await signIn();
  const answer = await api("/v1/circuits", { method: "POST", body, type: "application/json" });
  if ((await answer.json()).digest !== data(report, "circuit")) {
    throw new Problem("The node published something else.", "Do not use this node.", "tampered");
  }
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
  const number = (/** @type {string} */ name) => Number(data(report, name));
  const receipt = await pay(steps, {
    action: "open-job",
    order: {
      license: Number(license),
      circuit: data(report, "circuit"),
      first_row: 0,
      rows: number("rows"),
      sealing_key: key.public,
      replicas: number("replicas"),
      max_fee: data(report, "maxFee"),
      version: number("version"),
      content: data(report, "content"),
    },
    contract: "JobMarket",
    amount: data(report, "jobTotal"),
    plain: OPEN,
    permitted: OPEN_WITH_PERMIT,
    args: [
      license,
      data(report, "circuit"),
      "0",
      data(report, "rows"),
      key.public,
      data(report, "units"),
      data(report, "replicas"),
      data(report, "maxFee"),
      data(report, "version"),
      data(report, "content"),
    ],
    account: data(report, "buyer"),
    newest: () => `/v1/jobs?license=${license}&limit=1`,
    goes: "/jobs/",
  });
  const { job } = await eventOf(receipt, "JobOpened");
  remember(Number(job), sql);
  showNotice(place, "good", `Asked as job ${job}.`, h("p", {}, "Opening its page."));
  await follow(`/jobs/${job}`);
}

order.addEventListener("click", async () => {
  const report = ready();
  if (!report) return;
  ordering = true;
  draw();
  try {
    await ask(data(report, "sql"), report);
  } catch (error) {
    showProblem(place, error);
    keepBought();
    await check();
  } finally {
    ordering = false;
    draw();
  }
});

/** Ask under the license that was bought already, from now on. */
function keepBought() {
  if (!bought) return;
  const value = `license-${bought}`;
  terms.add(h("option", { value }, `License ${bought}, which you just bought`));
  terms.value = value;
  bought = "";
  terms.dispatchEvent(new Event("change", { bubbles: true }));
}

wallet.onChange(async () => {
  const account = wallet.account();
  if (!account) return;
  /** @type {{ items: LicenseView[] } | null} */
  const held = await apiJson(`/v1/licenses?buyer=${account}&dataset=${data(form, "dataset")}`).catch(() => null);
  const offers = new Set(Array.from(terms.options, ({ value }) => value));
  for (const each of held?.items ?? []) {
    const value = `license-${each.id}`;
    if (each.state !== "active" || !offers.has(`offer-${each.offer}`) || offers.has(value)) continue;
    const left = each.jobs_left === 1 ? "1 question" : `${each.jobs_left.toLocaleString("en-US")} questions`;
    terms.add(h("option", { value }, `License ${each.id}, which you hold: ${left} left`));
  }
});

/** What was typed before this ran, or came back with the page, is explained too. */
function catchUp() {
  if (words.value.trim() !== data(element("#report", HTMLElement), "sql")) form.requestSubmit();
  draw();
}

addEventListener("pageshow", catchUp);
catchUp();

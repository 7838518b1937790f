// @ts-check
// Running a model: a quote on every change, then key, circuit, a license where none is held, permit, transaction.

import { sha256 } from "./bytes.js";
import {
  clearNotice,
  data,
  element,
  elements,
  fieldError,
  h,
  input,
  Steps,
  showNotice,
  showProblem,
  target,
} from "./dom.js";
import { canPay } from "./funds.js";
import { addLicense, offerHeld } from "./held.js";
import * as keystore from "./keystore.js";
import { digits, t } from "./language.js";
import { buyFirst, openJob, publishCircuit } from "./orders.js";
import { api, apiBytes, Problem, toProblem } from "./problems.js";
import { follow } from "./transact.js";
import { guard, naming } from "./unfinished.js";

const MAX_CIRCUIT = 1 << 20;
const NUMBERS = ["first_row", "rows", "replicas"];

/**
 * What a report says of an order: `total` of the job and `all` with a license where one is bought, in token units;
 * `license` "0" where none is held.
 * @typedef {Record<"total" | "all" | "maxFee" | "units" | "digest" | "version" | "content" | "program" | "license" |
 *   "buyer" | "offer" | "licensePrice", string>} Quote
 */

const form = element("#new-job", HTMLFormElement);
const submit = element('[type="submit"]', HTMLButtonElement, form);
const terms = element("#terms", HTMLSelectElement);
const circuitInput = input(form, "circuit");
const quotePlace = element("#quote", HTMLElement);
const check = guard(form, naming.job);
const total = element("#total", HTMLElement);
const totalWords = element("#total-words", HTMLElement);
/** @type {Bytes | null} */
let circuit = null;
let known = ""; // its digest, when it was taken from this node's store
let bought = ""; // a license, by an order that then failed: the next one uses it
let asked = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer; // of the quote that follows typing
/** @type {Quote | null} */
let quote = null; // what the report says, once it can be signed

/** @param {string} name */
const number = (name) => input(form, name).value.trim();

/** @param {string} words */
function withdrawQuote(words) {
  quote = null;
  submit.disabled = true;
  total.textContent = "-";
  totalWords.textContent = words;
}

async function askQuote() {
  clearTimeout(timer); // this answers what was typed before, too
  asked += 1;
  const mine = asked;
  withdrawQuote(t`The price appears once the quote is there.`);
  for (const name of ["circuit", ...NUMBERS]) fieldError(input(form, name));
  if (!circuit) return;
  const bad = NUMBERS.find((name) => !/^\d{1,15}$/.test(number(name)));
  if (bad) {
    fieldError(input(form, bad), t`Write a whole number.`);
    return;
  }
  quotePlace.setAttribute("aria-busy", "true");
  quotePlace.classList.add("busy");
  try {
    const report = await fetchQuote(circuit);
    if (mine === asked) show(report);
  } catch (error) {
    if (mine === asked) showProblem(quotePlace, error);
  } finally {
    if (mine === asked) {
      quotePlace.removeAttribute("aria-busy");
      quotePlace.classList.remove("busy");
    }
  }
}

/** @param {Bytes} body */
async function fetchQuote(body) {
  const query = new URLSearchParams([...NUMBERS.map((name) => [name, number(name)]), ["terms", terms.value]]);
  const path = `/datasets/${data(form, "dataset")}/run/quote?${query}`;
  const answer = await api(path, { method: "POST", body, type: "application/octet-stream" });
  const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
  return document.importNode(element("#quote-report", HTMLElement, parsed), true);
}

/** @param {HTMLElement} report */
function show(report) {
  quotePlace.replaceChildren(report);
  for (const each of elements("[data-wrong]", HTMLElement, report)) {
    fieldError(input(form, data(each, "wrong")), each.textContent.trim());
    each.remove();
  }
  const { ready, totalWords: words } = report.dataset;
  if (!words) {
    withdrawQuote(t`Correct what is marked, and the price appears.`);
    return;
  }
  total.textContent = words;
  const said =
    data(report, "license") === "0" ? t`at most, with everything` : t`in escrow until the result is released`;
  totalWords.textContent = ready ? said : t`This job cannot be signed as it is.`;
  const licenseWords = document.querySelector("#license-words");
  if (licenseWords instanceof HTMLElement && data(report, "license") !== "0") {
    licenseWords.textContent = data(licenseWords, "held");
  }
  quote = ready
    ? {
        total: data(report, "total"),
        maxFee: data(report, "maxFee"),
        units: data(report, "units"),
        digest: data(report, "circuit"),
        version: data(report, "version"),
        content: data(report, "content"),
        program: data(report, "program"),
        all: data(report, "all"),
        license: data(report, "license"),
        buyer: data(report, "buyer"),
        offer: data(report, "offer"),
        licensePrice: data(report, "licensePrice"),
      }
    : null;
  submit.disabled = !ready;
}

circuitInput.addEventListener("change", async () => {
  const file = circuitInput.files?.[0];
  pick(null);
  circuit = null;
  if (file && file.size > MAX_CIRCUIT) {
    await askQuote();
    fieldError(circuitInput, t`A circuit has at most 1 MiB.`);
    return;
  }
  circuit = file ? new Uint8Array(await file.arrayBuffer()) : null;
  await askQuote();
});

/**
 * Mark one of the models at hand, or none, as the circuit.
 * @param {HTMLElement | null} button
 */
function pick(button) {
  for (const each of elements("[data-model]", HTMLElement, form)) {
    each.setAttribute("aria-pressed", String(each === button));
  }
  known = button ? data(button, "model") : "";
  const words = element("#publish-words", HTMLElement);
  words.dataset.file ??= words.textContent;
  words.textContent = data(words, known ? "known" : "file");
}

form.addEventListener("click", (event) => {
  const button = target(event, "[data-model]");
  if (button) take(button);
});

/** @param {HTMLElement} button of a model that is public already */
async function take(button) {
  circuitInput.value = "";
  pick(button);
  circuit = null;
  try {
    const bytes = await apiBytes(`/v1/documents/${known}`);
    if (button.getAttribute("aria-pressed") !== "true") return; // another one was chosen meanwhile
    if ((await sha256(bytes)) !== data(button, "model")) {
      throw new Problem(t`This node sent another circuit than it named.`, t`Do not use this node.`, "tampered");
    }
    circuit = bytes;
    await askQuote();
  } catch (error) {
    const { message, next } = toProblem(error);
    pick(null);
    await askQuote();
    fieldError(circuitInput, `${message} ${next}`);
  }
}

form.addEventListener("input", (event) => {
  if (event.target === circuitInput || event.target === terms) return;
  asked += 1; // an answer that is under way is for other numbers
  withdrawQuote(t`The price follows what you type.`);
  clearTimeout(timer);
  timer = setTimeout(askQuote, 250);
});

terms.addEventListener("change", () => {
  const rows = input(form, "rows");
  const most = terms.selectedOptions[0]?.dataset.most;
  if (most && rows.value === rows.defaultValue) {
    rows.defaultValue = most;
    rows.value = most;
  }
  askQuote();
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});

async function start() {
  const bytes = circuit;
  if (!quote || !bytes) return;
  const place = element("[data-say]", HTMLElement, form);
  const steps = new Steps(form);
  const order = {
    ...quote,
    circuit: quote.digest,
    firstRow: number("first_row"),
    rows: number("rows"),
    replicas: number("replicas"),
  };
  steps.clear();
  clearNotice(place);
  submit.disabled = true;
  try {
    if (!(await canPay(place, order.all, start))) {
      submit.disabled = !quote;
      return;
    }
    const key = await steps.run("key", keystore.ensure);
    await steps.run("publish", () => publishCircuit(bytes, order.circuit, known === order.circuit));
    const license = await steps.run("license", () => licensed(order));
    const job = await openJob(steps, { ...order, license, key: key.public, account: order.buyer });
    showNotice(place, "good", t`Job ${job} is open.`, h("p", {}, t`Opening its page.`));
    await follow(`/jobs/${job}`);
  } catch (error) {
    showProblem(place, error);
    submit.disabled = !quote;
    if (bought) addLicense(terms, { id: bought, offer: order.offer }, t`which you just bought`, true);
    bought = "";
    await check();
  }
}

/**
 * The license that an order is under, bought where none is held.
 * @param {Quote} order
 */
async function licensed({ license, offer, licensePrice }) {
  if (license !== "0") return license;
  bought = await buyFirst(offer, licensePrice);
  return bought;
}

const [first] = elements("[data-offered]", HTMLElement, form);
if (first) take(first);
if (data(form, "shop"))
  offerHeld(terms, data(form, "dataset"), (count) => (count === 1 ? t`1 job` : t`${digits(count)} jobs`), true);

// @ts-check
// Opening a job: quote on every change, then key, circuit, permit, transaction.

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
import * as keystore from "./keystore.js";
import { openJob, publishCircuit } from "./orders.js";
import { api, apiBytes, Problem, toProblem } from "./problems.js";
import { follow } from "./transact.js";
import { guard } from "./unfinished.js";

const MAX_CIRCUIT = 1 << 20;
const NUMBERS = ["first_row", "rows", "replicas"];

/** @typedef {Record<"total" | "maxFee" | "units" | "digest" | "version" | "content", string>} Quote */

const form = element("#new-job", HTMLFormElement);
const submit = element('[type="submit"]', HTMLButtonElement, form);
const circuitInput = input(form, "circuit");
const quotePlace = element("#quote", HTMLElement);
const check = guard(form, "Job");
const total = element("#total", HTMLElement);
const totalWords = element("#total-words", HTMLElement);
/** @type {Bytes | null} */
let circuit = null;
let known = ""; // its digest, when it was taken from this node's store
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
  withdrawQuote("The price appears once the quote is there.");
  for (const name of ["circuit", ...NUMBERS]) fieldError(input(form, name));
  if (!circuit) return;
  const bad = NUMBERS.find((name) => !/^\d{1,15}$/.test(number(name)));
  if (bad) {
    fieldError(input(form, bad), "Write a whole number.");
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
  const query = new URLSearchParams(NUMBERS.map((name) => [name, number(name)]));
  const path = `/licenses/${data(form, "license")}/quote?${query}`;
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
    withdrawQuote("Correct what is marked, and the price appears.");
    return;
  }
  total.textContent = words;
  totalWords.textContent = ready ? "in escrow until the result is released" : "This job cannot be signed as it is.";
  quote = ready
    ? {
        total: data(report, "total"),
        maxFee: data(report, "maxFee"),
        units: data(report, "units"),
        digest: data(report, "circuit"),
        version: data(report, "version"),
        content: data(report, "content"),
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
    fieldError(circuitInput, "A circuit has at most 1 MiB.");
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

form.addEventListener("click", async (event) => {
  const button = target(event, "[data-model]");
  if (!button) return;
  circuitInput.value = "";
  pick(button);
  circuit = null;
  try {
    const bytes = await apiBytes(`/v1/documents/${known}`);
    if (button.getAttribute("aria-pressed") !== "true") return; // another one was chosen meanwhile
    if ((await sha256(bytes)) !== data(button, "model")) {
      throw new Problem("This node sent another circuit than it named.", "Do not use this node.", "tampered");
    }
    circuit = bytes;
    await askQuote();
  } catch (error) {
    const { message, next } = toProblem(error);
    pick(null);
    await askQuote();
    fieldError(circuitInput, `${message} ${next}`);
  }
});

form.addEventListener("input", (event) => {
  if (event.target === circuitInput) return;
  asked += 1; // an answer that is under way is for other numbers
  withdrawQuote("The price follows what you type.");
  clearTimeout(timer);
  timer = setTimeout(askQuote, 250);
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
  const license = data(form, "license");
  steps.clear();
  clearNotice(place);
  submit.disabled = true;
  try {
    if (!(await canPay(place, order.total, start))) {
      submit.disabled = !quote;
      return;
    }
    const key = await steps.run("key", keystore.ensure);
    await steps.run("publish", () => publishCircuit(bytes, order.circuit, known === order.circuit));
    const job = await openJob(steps, { ...order, license, key: key.public, account: data(form, "buyer") });
    showNotice(place, "good", `Job ${job} is open.`, h("p", {}, "Opening its page."));
    await follow(`/jobs/${job}`);
  } catch (error) {
    showProblem(place, error);
    submit.disabled = !quote;
    await check();
  }
}

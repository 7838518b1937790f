// Opening a job: quote on every change, then key, circuit, permit, transaction.

import { Steps, h, hush, say, wrong } from "./dom.js";
import { sha256 } from "./bytes.js";
import * as keystore from "./keystore.js";
import { Problem, api, apiBytes, explain } from "./problems.js";
import { signIn } from "./session.js";
import { eventOf, follow, pay } from "./transact.js";

const MAX_CIRCUIT = 1 << 20;
const FIELDS = ["circuit", "first_row", "rows", "replicas"];
const form = document.querySelector("#new-job");
const quotePlace = document.querySelector("#quote");
const total = document.querySelector("#total");
const totalWords = document.querySelector("#total-words");
let circuit = null; // its bytes
let known = ""; // its digest, when it was taken from this node's store
let asked = 0;
let timer = 0; // of the quote that follows typing
let quote = null; // what the report says, once it can be signed

const number = (name) => form.elements[name].value.trim();

const at = (name, message) => wrong(form.elements[name], message);

function withdrawQuote(words) {
  quote = null;
  form.querySelector('[type="submit"]').disabled = true;
  total.textContent = "-";
  totalWords.textContent = words;
}

async function ask() {
  clearTimeout(timer); // this answers what was typed before, too
  asked += 1;
  const mine = asked;
  withdrawQuote("The price appears once the quote is there.");
  for (const name of FIELDS) at(name, "");
  if (!circuit) return;
  for (const name of FIELDS.slice(1)) {
    if (!/^\d{1,15}$/.test(number(name))) return at(name, "Write a whole number.");
  }
  quotePlace.setAttribute("aria-busy", "true");
  quotePlace.classList.add("busy");
  try {
    const query = new URLSearchParams(FIELDS.slice(1).map((name) => [name, number(name)]));
    const answer = await api(`/licenses/${form.dataset.license}/quote?${query}`, {
      method: "POST",
      body: circuit,
      type: "application/octet-stream",
    });
    const html = await answer.text();
    if (mine !== asked) return;
    show(new DOMParser().parseFromString(html, "text/html").querySelector("#quote-report"));
  } catch (error) {
    if (mine !== asked) return;
    const { message, next } = explain(error);
    say(quotePlace, "bad", message, h("p", {}, next));
  } finally {
    if (mine === asked) {
      quotePlace.removeAttribute("aria-busy");
      quotePlace.classList.remove("busy");
    }
  }
  return undefined;
}

function show(report) {
  quotePlace.replaceChildren(document.importNode(report, true));
  for (const each of quotePlace.querySelectorAll("[data-wrong]")) {
    at(each.dataset.wrong, each.textContent.trim());
    each.remove();
  }
  const {
    ready,
    total: units,
    totalWords: words,
    maxFee,
    units: work,
    circuit: digest,
    version,
    content,
  } = report.dataset;
  if (!words) return withdrawQuote("Correct what is marked, and the price appears.");
  total.textContent = words;
  totalWords.textContent = ready ? "in escrow until the result is released" : "This job cannot be signed as it is.";
  quote = ready ? { total: units, maxFee, units: work, digest, version, content } : null;
  form.querySelector('[type="submit"]').disabled = !ready;
  return undefined;
}

form?.elements.circuit.addEventListener("change", async () => {
  const [file] = form.elements.circuit.files;
  pick(null);
  circuit = null;
  if (file && file.size > MAX_CIRCUIT) {
    await ask();
    return at("circuit", "A circuit has at most 1 MiB.");
  }
  circuit = file ? new Uint8Array(await file.arrayBuffer()) : null;
  return ask();
});

/** Mark one of the models at hand, or none, as the circuit. */
function pick(button) {
  for (const each of form.querySelectorAll("[data-model]")) each.setAttribute("aria-pressed", String(each === button));
  known = button?.dataset.model ?? "";
  const words = document.querySelector("#publish-words");
  words.dataset.file ??= words.textContent;
  words.textContent = known ? words.dataset.known : words.dataset.file;
}

form?.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-model]");
  if (!button) return;
  form.elements.circuit.value = "";
  pick(button);
  circuit = null;
  try {
    const data = await apiBytes(`/v1/documents/${known}`);
    if (button.getAttribute("aria-pressed") !== "true") return; // another one was chosen meanwhile
    if ((await sha256(data)) !== button.dataset.model)
      throw new Problem("This node sent another circuit than it named.", "Do not use this node.", "tampered");
    circuit = data;
    await ask();
  } catch (error) {
    const { message, next } = explain(error);
    pick(null);
    await ask();
    at("circuit", `${message} ${next}`);
  }
});
form?.addEventListener("input", (event) => {
  if (event.target.type === "file") return;
  asked += 1; // an answer that is under way is for other numbers
  withdrawQuote("The price follows what you type.");
  clearTimeout(timer);
  timer = setTimeout(ask, 250);
});

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!quote) return;
  const { license, buyer } = form.dataset;
  const place = form.querySelector("[data-say]");
  const button = form.querySelector('[type="submit"]');
  const steps = new Steps(form);
  const order = { ...quote, firstRow: number("first_row"), rows: number("rows"), replicas: number("replicas") };
  steps.clear();
  hush(place);
  button.disabled = true;
  try {
    const key = await steps.run("key", keystore.ensure);
    await steps.run("publish", async () => {
      if ((await sha256(circuit)) !== order.digest)
        throw new Problem("The circuit changed since the quote.", "Choose it again.", "changed");
      if (known === order.digest) return; // this node's store has it
      await signIn();
      const answer = await api("/v1/circuits", { method: "POST", body: circuit, type: "application/json" });
      if ((await answer.json()).digest !== order.digest)
        throw new Problem("The node published something else.", "Do not use this node.", "tampered");
    });
    const receipt = await pay(steps, {
      action: "open-job",
      order: {
        license: Number(license),
        circuit: order.digest,
        first_row: Number(order.firstRow),
        rows: Number(order.rows),
        sealing_key: key.public,
        replicas: Number(order.replicas),
        max_fee: order.maxFee,
        version: Number(order.version),
        content: order.content,
      },
      contract: "JobMarket",
      amount: order.total,
      plain: "open((uint256,bytes32,uint64,uint64,bytes32,uint64,uint8,uint256,uint16,bytes32))",
      permitted:
        "openWithPermit((uint256,bytes32,uint64,uint64,bytes32,uint64,uint8,uint256,uint16,bytes32),uint256,uint8,bytes32,bytes32)",
      words: [
        license,
        order.digest,
        order.firstRow,
        order.rows,
        key.public,
        order.units,
        order.replicas,
        order.maxFee,
        order.version,
        order.content,
      ],
      account: buyer,
    });
    const { job } = await eventOf(receipt, "JobOpened");
    say(place, "good", `Job ${job} is open.`, h("p", {}, "Opening its page."));
    await follow(`/jobs/${job}`);
  } catch (error) {
    const { message, next, code } = explain(error);
    say(
      place,
      "bad",
      message,
      h("p", {}, next, code === "no-wallet" ? h("a", { href: "/wallet" }, " Connect a wallet.") : null),
    );
    button.disabled = !quote;
  }
});

// @ts-check
// Opening a result. The chain names a sealed document by digest; the document names this very job; the key in this
// browser opens it. The plaintext lives in this page and is gone with it.

import { answerPanel } from "./answer-view.js";
import { sha256 } from "./bytes.js";
import { canonicalBytes, parseCanonical } from "./canonical.js";
import { logsOf, receiptOf, uint, wordsOf } from "./chain.js";
import { addressOfContract, config } from "./config.js";
import { clearNotice, data, element, h, pushButton, Steps, showNotice, showProblem } from "./dom.js";
import * as keystore from "./keystore.js";
import { t } from "./language.js";
import { apiBytes, Problem } from "./problems.js";
import { showResult } from "./result-view.js";
import { keep } from "./store.js";
import { keptNames, unitsPanel } from "./units.js";
import { fileCid } from "./unixfs.js";
import { fromHex, openResult } from "./unseal.js";

/** @param {string} what */
const mismatch = (what) =>
  new Problem(
    t`The sealed result is not this job's: ${what}.`,
    t`Do not use it, and tell the dataset's owner.`,
    "bad-seal",
  );

/**
 * Whether the chain says of this job what the page says; through whom that was read.
 * @param {ResultOrder} order
 */
async function checkChain(order) {
  const { logs, source } = await receiptOf(order.releaseTx);
  const [log] = logsOf(logs, "JobReleased", order.job);
  if (!log || wordsOf(log)[0] !== order.sealed) throw mismatch(t`the chain names another document`);
  const [opened] = logsOf((await receiptOf(order.openTx)).logs, "JobOpened", order.job);
  const words = opened ? wordsOf(opened) : [];
  const [license] = words;
  if (license === undefined || uint(license) !== BigInt(order.license)) throw mismatch(t`the chain's order is another`);
  if (words[2] !== order.circuit || words[5] !== order.sealingKey) throw mismatch(t`the chain's order is another`);
  return source;
}

/**
 * The sealed result that the chain names, and the context that it has to open with.
 * @param {ResultOrder} order
 */
async function fetchSealed(order) {
  const bytes = await apiBytes(`/v1/jobs/${order.job}/result`);
  if ((await sha256(bytes)) !== order.sealed) throw mismatch(t`its digest is another`);
  /** @type {SealedResult} */
  const sealed = parseCanonical(bytes);
  const context = {
    kind: "darkroom/seal",
    chain_id: config.chainId,
    market: addressOfContract("JobMarket"),
    job: order.job,
    license: order.license,
    buyer: order.buyer,
    sealing_key: order.sealingKey,
    manifest: order.manifest,
    circuit: order.circuit,
    receipt: order.receipt,
  };
  for (const [name, value] of Object.entries(context)) {
    if (sealed.context[name] !== value) throw mismatch(t`it names another ${name.replaceAll("_", " ")}`);
  }
  const ciphertext = await apiBytes(`/v1/blobs/${sealed.ciphertext_cid}`);
  if (ciphertext.length !== sealed.ciphertext_bytes) throw mismatch(t`its length is another`);
  if ((await fileCid(ciphertext)) !== sealed.ciphertext_cid) throw mismatch(t`its bytes are not those that it names`);
  return { enc: fromHex(sealed.enc), ciphertext, context: canonicalBytes(context) };
}

/**
 * How the circuit, which is public, says to read a row; null when it cannot be fetched.
 * @param {string} circuit its digest
 * @returns {Promise<Readout | null>}
 */
async function fetchReadout(circuit) {
  try {
    const bytes = await apiBytes(`/v1/documents/${circuit}`);
    return (await sha256(bytes)) === circuit ? parseCanonical(bytes).readout : null;
  } catch {
    return null;
  }
}

/**
 * The result's values, opened with the key of this browser.
 * @param {SealingKey} key
 * @param {{ enc: Bytes, ciphertext: Bytes, context: Bytes }} sealed
 */
async function openSealed(key, { enc, ciphertext, context }) {
  try {
    return await openResult(key.privateKey, fromHex(key.public), enc, ciphertext, context);
  } catch {
    throw new Problem(
      t`The sealed result does not open with this key for this job.`,
      t`Tell the dataset's owner: what the chain names is not what was promised.`,
      "bad-seal",
    );
  }
}

/**
 * Say that the key is missing, and take it from its recovery file.
 * @param {HTMLElement} place
 * @param {ResultOrder} order
 * @param {() => unknown} retry
 */
function showLostKey(place, order, retry) {
  const recover = async () => {
    const entry = await keystore.recoverInDialog();
    if (!entry) return;
    if (entry.public === order.sealingKey) {
      retry();
      return;
    }
    const [wanted, found] = [order.sealingKey, entry.public].map((key) => `${key.slice(0, 12)}…`);
    const words = t`This result is sealed to ${wanted}, and the file holds ${found}.`;
    showNotice(place, "bad", t`That is another key.`, h("p", {}, words), button());
  };
  const button = () => h("p", { class: "row" }, pushButton(t`Import the recovery file`, recover, "small"));
  showNotice(
    place,
    "wait",
    t`The key of this job is not in this browser`,
    h(
      "p",
      {},
      t`If you ordered the job here, this browser's data was cleared; if elsewhere, the key is there. `,
      t`Nobody else has it, so only the recovery file brings it back.`,
    ),
    h(
      "p",
      { class: "small" },
      t`From a terminal, where the key is: `,
      h("code", {}, `darkroom result open ${order.job}`),
    ),
    button(),
  );
}

/**
 * Open the result and show it, or say why it cannot be.
 * @param {HTMLElement} root
 */
async function open(root) {
  /** @type {ResultOrder} */
  const order = JSON.parse(data(root, "order"));
  const place = element("[data-say]", HTMLElement, root);
  const steps = new Steps(root);
  const retry = () => open(root);
  steps.clear();
  clearNotice(place);
  try {
    const source = await steps.run("chain", () => checkChain(order));
    const sealed = await steps.run("fetch", () => fetchSealed(order));
    const key = await keystore.find(order.sealingKey);
    steps.set("key", key ? "done" : "failed");
    if (!key) {
      showLostKey(place, order, retry);
      return;
    }
    const result = await steps.run("open", () => openSealed(key, sealed));
    const readout = await fetchReadout(order.circuit);
    const own = keptNames(order.circuit); // the buyer's own card knows better than whoever runs this node
    showResult(root, order.job, result, readout, source, own.length ? own : order.outcomes);
    keep("opened", "any", `${order.job}`);
    const opened = element("[data-opened]", HTMLElement, root);
    opened.append(unitsPanel(order.job, order.circuit, result, readout));
    if (result.header.released === "aggregate") opened.children[0]?.after(answerPanel(order, result));
  } catch (error) {
    showProblem(place, error, h("p", { class: "row" }, pushButton(t`Try again`, retry)));
  }
}

const part = document.querySelector("#result"); // a job without a result has none
if (part instanceof HTMLElement) open(part);

// @ts-check
// Checking a job's facts in the browser: every digest from bytes, every claim from its transaction's receipt, every
// document against the job. What a browser cannot do, running the circuit again, the printed command does.

import { cidOf, fromHex, sha256 } from "./bytes.js";
import { canonicalBytes, parseCanonical } from "./canonical.js";
import { logsOf, names, receiptOf } from "./chain.js";
import { data, element, elements, h, showNotice, status } from "./dom.js";
import { addressOf, messageHash } from "./ethereum.js";
import { digits, t } from "./language.js";
import { apiBytes, Problem, toProblem } from "./problems.js";
import { Point, recoverPublicKeyAsync } from "./vendor/noble-secp256k1-3.2.0.js";

/** @typedef {Record<string, unknown>} Fields */

const root = element("#audit", HTMLElement);
/** @type {AuditExpectation} */
const expected = JSON.parse(data(root, "expected"));
/** @param {string} message */
const wrong = (message) => new Problem(message, "", "wrong");

const JOB = { chain_id: expected.chainId, market: expected.market, job: expected.job };
const CONTEXT = {
  ...JOB,
  license: expected.license,
  buyer: expected.buyer,
  sealing_key: expected.sealingKey,
  manifest: expected.manifest,
  circuit: expected.circuit,
  receipt: expected.receipt,
};

/**
 * What a document of each kind has to say about this job.
 * @type {Record<string, (document: any) => void>}
 */
const DOCUMENTS = {
  "darkroom/receipt": (it) =>
    same(it, {
      ...JOB,
      manifest: expected.manifest,
      circuit: expected.circuit,
      first_row: expected.firstRow,
      rows: expected.rows,
    }),
  "darkroom/sealed": (it) => same(it.context, CONTEXT),
  "darkroom/decision": (it) => same(it, { ...JOB, receipt: expected.receipt }),
};

/**
 * @param {Fields} document
 * @param {Fields} fields
 */
function same(document, fields) {
  for (const [name, value] of Object.entries(fields)) {
    if (document[name] !== value) throw wrong(t`it names another ${name.replaceAll("_", " ")}`);
  }
}

/**
 * The account that signed a decision (EIP-191 over the digest of the decision without its signature).
 * @param {Decision} decision
 */
async function signerOf(decision) {
  const digest = fromHex(await sha256(canonicalBytes({ ...decision, signature: "" })));
  const signature = fromHex(decision.signature.replace(/^0x/, ""));
  const [v = 0] = signature.subarray(64);
  const recovered = Uint8Array.of(v >= 27 ? v - 27 : v, ...signature.subarray(0, 64));
  const point = await recoverPublicKeyAsync(recovered, messageHash(digest), { prehash: false });
  return addressOf(Point.fromBytes(point).toBytes(false));
}

// Whom these events name themselves; of a release only the signed decision tells.
const NAMING = new Set([
  "JobOpened",
  "Declined",
  "Committed",
  "Revealed",
  "JobContested",
  "ExecutorSlashed",
  "JobApproved",
  "JobDenied",
]);

/**
 * What was compared for one fact; throws what is wrong.
 * @param {HTMLElement} row
 */
async function check(row) {
  const digest = data(row, "digest");
  const by = row.querySelector("[data-by]");
  const claimant = by instanceof HTMLElement ? data(by, "by").toLowerCase() : "";
  const { source, done } = await checkTransaction(row, digest, claimant);
  const cid = data(row, "cid");
  if (cid) done.push(...(await checkObject(digest, cid, claimant)));
  return { done, source };
}

/**
 * Whether a fact's transaction says what the page says that it says.
 * @param {HTMLElement} row
 * @param {string} digest
 * @param {string} claimant
 */
async function checkTransaction(row, digest, claimant) {
  const [event, blockHash] = [data(row, "event"), data(row, "blockHash")];
  const { logs, blockHash: found, source } = await receiptOf(data(row, "tx"));
  if (blockHash && found !== blockHash) throw wrong(t`its transaction is in another block than this page says`);
  const about = logsOf(logs, event, event === "DatasetVersion" ? expected.dataset : expected.job);
  if (about.length === 0) throw wrong(t`its transaction says nothing of the kind about this job`);
  const said = about.filter((log) => !digest || names(log, digest));
  if (said.length === 0) throw wrong(t`its transaction does not name this digest`);
  const naming = NAMING.has(event);
  if (naming && !said.some((log) => names(log, claimant.slice(2).padStart(64, "0")))) {
    throw wrong(t`its transaction names somebody else`);
  }
  const named = digest ? t`named by its transaction` : t`its transaction says so`;
  return { source, done: [naming ? t`${named}, and by whom` : named] };
}

/**
 * Whether the object of a fact is the one of its digest, and a document about this job.
 * @param {string} digest
 * @param {string} cid
 * @param {string} claimant
 */
async function checkObject(digest, cid, claimant) {
  if (cidOf(digest) !== cid) throw wrong(t`digest and identifier differ`);
  const bytes = await apiBytes(`/v1/blobs/${cid}`);
  if ((await sha256(bytes)) !== digest) throw wrong(t`the bytes have another digest`);
  const done = [t`${digits(bytes.length)} bytes hashed`];
  const document = parseCanonical(bytes);
  const compare = DOCUMENTS[document.kind];
  if (compare) {
    compare(document);
    done.push(t`names this job`);
  }
  if (document.kind === "darkroom/decision") {
    const signer = await signerOf(document);
    if (signer.toLowerCase() !== claimant) throw wrong(t`somebody else signed it`);
    done.push(t`signature is the custodian's`);
  }
  return done;
}

/**
 * @param {HTMLButtonElement} button
 * @param {HTMLElement} summary
 */
async function checkAll(button, summary) {
  button.disabled = true;
  const rows = elements("#facts tbody tr", HTMLElement).filter((row) => row.dataset.tx);
  const counts = { good: 0, bad: 0, open: 0 };
  let through = "";
  for (const [at, row] of rows.entries()) {
    showNotice(summary, "calm", t`Checking ${at + 1} of ${rows.length}.`);
    const place = element("[data-verdict]", HTMLElement, row);
    place.replaceChildren(status("calm", "clock", t`Checking`));
    try {
      const { done, source } = await check(row);
      through = source;
      counts.good += 1;
      place.replaceChildren(
        status("good", "check", t`Confirmed`),
        h("p", { class: "small soft" }, `${done.join("; ")}.`),
      );
    } catch (error) {
      const { message, code } = toProblem(error);
      const unreachable = ["offline", "not-found", "unavailable"].includes(code);
      counts[unreachable ? "open" : "bad"] += 1;
      const verdict = unreachable ? status("wait", "clock", t`Out of reach`) : status("bad", "cross", t`Wrong`);
      place.replaceChildren(verdict, h("p", { class: "small soft" }, message));
    }
  }
  for (const chapter of elements("#facts > li", HTMLElement)) concludeChapter(chapter);
  summarize(summary, counts, t`${counts.good} of ${rows.length} facts confirmed through ${through || "this node"}`);
  button.disabled = false;
}

/**
 * What was found about one step of the story; its facts unfold where one of them is wrong.
 * @param {HTMLElement} chapter
 */
function concludeChapter(chapter) {
  const verdicts = elements("[data-verdict] .status", HTMLElement, chapter);
  if (!verdicts.length) return;
  const has = (/** @type {string} */ tone) => verdicts.some((each) => each.classList.contains(tone));
  let told = status("good", "check", t`Confirmed`);
  if (has("wait")) told = status("wait", "clock", t`Out of reach`);
  if (has("bad")) told = status("bad", "cross", t`Wrong`);
  element("[data-chapter]", HTMLElement, chapter).replaceChildren(told);
  if (has("bad")) element("details", HTMLDetailsElement, chapter).open = true;
}

/**
 * @param {HTMLElement} place
 * @param {{ bad: number, open: number }} counts
 * @param {string} words
 */
function summarize(place, { bad, open }, words) {
  if (bad) {
    const title = bad === 1 ? t`1 fact is wrong` : t`${bad} facts are wrong`;
    showNotice(place, "bad", title, h("p", {}, t`${words}. Run the command to see more.`));
  } else if (open) {
    const why = t`No store that this node reaches has those objects now.`;
    showNotice(place, "wait", t`${words}; ${open} out of reach`, h("p", {}, why));
  } else {
    const more = t`A wallet with its own node makes this independent of this one; the command computes it again.`;
    showNotice(place, "good", words, h("p", {}, more));
  }
}

const start = element("[data-check]", HTMLButtonElement, root);
start.addEventListener("click", () => checkAll(start, element("[data-summary]", HTMLElement, root)));

// Checking a job's facts in the browser: every digest from bytes, every claim from its transaction's receipt, every
// document against the job. What a browser cannot do, running the circuit again, the printed command does.

import { cidOf, fromHex, sha256 } from "./bytes.js";
import { logsOf, names, receiptOf } from "./chain.js";
import { canonicalBytes, parseCanonical } from "./canonical.js";
import { h, say, status } from "./dom.js";
import { addressOf, messageHash } from "./ethereum.js";
import { Problem, apiBytes, explain } from "./problems.js";
import { recoverPublicKeyAsync, Point } from "./vendor/noble-secp256k1-3.2.0.js";

const root = document.querySelector("#audit");
const expected = root && JSON.parse(root.dataset.expected);
const wrong = (message) => new Problem(message, "", "wrong");

const DOCUMENTS = {
  "darkroom/receipt": (it) =>
    same(it, {
      chain_id: expected.chainId,
      market: expected.market,
      job: expected.job,
      manifest: expected.manifest,
      circuit: expected.circuit,
      first_row: expected.firstRow,
      rows: expected.rows,
    }),
  "darkroom/sealed": (it) =>
    same(it.context, {
      chain_id: expected.chainId,
      market: expected.market,
      job: expected.job,
      license: expected.license,
      buyer: expected.buyer,
      sealing_key: expected.sealingKey,
      manifest: expected.manifest,
      circuit: expected.circuit,
      receipt: expected.receipt,
    }),
  "darkroom/decision": (it) =>
    same(it, { chain_id: expected.chainId, market: expected.market, job: expected.job, receipt: expected.receipt }),
};

function same(document, fields) {
  for (const [name, value] of Object.entries(fields)) {
    if (document[name] !== value) throw wrong(`it names another ${name.replaceAll("_", " ")}`);
  }
}

/** The account that signed a decision (EIP-191 over the digest of the decision without its signature). */
async function signerOf(decision) {
  const digest = fromHex(await sha256(canonicalBytes({ ...decision, signature: "" })));
  const signature = fromHex(decision.signature.replace(/^0x/, ""));
  const parity = signature[64] >= 27 ? signature[64] - 27 : signature[64];
  const recovered = Uint8Array.of(parity, ...signature.subarray(0, 64));
  const point = await recoverPublicKeyAsync(recovered, messageHash(digest), { prehash: false });
  return addressOf(Point.fromBytes(point).toBytes(false));
}

// Whom these events name themselves; of a release only the signed decision tells.
const NAMED = new Set([
  "JobOpened",
  "Declined",
  "Committed",
  "Revealed",
  "JobContested",
  "ExecutorSlashed",
  "JobApproved",
  "JobDenied",
]);

/** What was compared for one fact; throws what is wrong. */
async function check(row) {
  const { event, digest, cid, tx, blockHash } = row.dataset;
  const by = row.querySelector("[data-by]")?.dataset.by.toLowerCase() ?? "";
  const done = [];
  const { logs, blockHash: found, source } = await receiptOf(tx);
  if (blockHash && found !== blockHash) throw wrong("its transaction is in another block than this page says");
  const about = logsOf(logs, event, event === "DatasetVersion" ? expected.dataset : expected.job);
  if (!about.length) throw wrong("its transaction says nothing of the kind about this job");
  const said = about.filter((log) => !digest || names(log, digest));
  if (!said.length) throw wrong("its transaction does not name this digest");
  if (NAMED.has(event) && !said.some((log) => names(log, by.slice(2).padStart(64, "0"))))
    throw wrong("its transaction names somebody else");
  done.push(
    `${digest ? "named by its transaction" : "its transaction says so"}${NAMED.has(event) ? ", and by whom" : ""}`,
  );
  if (cid) {
    if (cidOf(digest) !== cid) throw wrong("digest and identifier differ");
    const bytes = await apiBytes(`/v1/blobs/${cid}`);
    if ((await sha256(bytes)) !== digest) throw wrong("the bytes have another digest");
    done.push(`${bytes.length.toLocaleString("en-US")} bytes hashed`);
    const document = parseCanonical(bytes);
    DOCUMENTS[document.kind]?.(document);
    if (DOCUMENTS[document.kind]) done.push("names this job");
    if (document.kind === "darkroom/decision") {
      const signer = await signerOf(document);
      if (signer.toLowerCase() !== by) throw wrong("somebody else signed it");
      done.push("signature is the custodian's");
    }
  }
  return { done, source };
}

async function checkAll(button, summary) {
  button.disabled = true;
  const rows = [...document.querySelectorAll("#facts tbody tr")].filter((row) => row.dataset.tx);
  const counts = { good: 0, bad: 0, open: 0 };
  let through = "";
  for (const [at, row] of rows.entries()) {
    say(summary, "calm", `Checking ${at + 1} of ${rows.length}.`);
    const place = row.querySelector("[data-verdict]");
    place.replaceChildren(status("calm", "clock", "Checking"));
    try {
      const { done, source } = await check(row);
      through = source;
      counts.good += 1;
      place.replaceChildren(
        status("good", "check", "Confirmed"),
        h("p", { class: "small soft" }, `${done.join("; ")}.`),
      );
    } catch (error) {
      const problem = explain(error);
      const unreachable = ["offline", "not-found", "unavailable"].includes(problem.code);
      counts[unreachable ? "open" : "bad"] += 1;
      place.replaceChildren(
        unreachable ? status("wait", "clock", "Out of reach") : status("bad", "cross", "Wrong"),
        h("p", { class: "small soft" }, problem.message),
      );
    }
  }
  const words = `${counts.good} of ${rows.length} facts confirmed through ${through || "this node"}`;
  if (counts.bad)
    say(
      summary,
      "bad",
      `${counts.bad} ${counts.bad === 1 ? "fact is" : "facts are"} wrong`,
      h("p", {}, `${words}. Run the command to see more.`),
    );
  else if (counts.open)
    say(
      summary,
      "wait",
      `${words}; ${counts.open} out of reach`,
      h("p", {}, "No store that this node reaches has those objects now."),
    );
  else
    say(
      summary,
      "good",
      words,
      h(
        "p",
        {},
        "A wallet with its own node makes this independent of this one; the command runs the computation again.",
      ),
    );
  button.disabled = false;
}

root
  ?.querySelector("[data-check]")
  .addEventListener("click", (event) => checkAll(event.currentTarget, root.querySelector("[data-summary]")));

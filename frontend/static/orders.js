// @ts-check
// What pages order of the market: a license, a job, and the circuit that a job runs, published where it is not yet.

import {
  BUY,
  BUY_WITH_PERMIT,
  OPEN,
  OPEN_WITH_PERMIT,
  OPEN_WITH_PROGRAM,
  OPEN_WITH_PROGRAM_AND_PERMIT,
} from "./abi.js";
import { sha256 } from "./bytes.js";
import { t } from "./language.js";
import { api, Problem } from "./problems.js";
import * as sent from "./sent.js";
import { signIn } from "./session.js";
import { eventOf, pay } from "./transact.js";

const LICENSES = "/licenses/";

/** @typedef {Parameters<typeof pay>[0]} StepsToRun */

/**
 * Buy a license of an offer; its number.
 * @param {StepsToRun} steps
 * @param {string} offer
 * @param {string} price in token units
 * @returns {Promise<string>}
 */
export async function buyLicense(steps, offer, price) {
  const receipt = await pay(steps, {
    action: "buy-license",
    order: { offer: Number(offer) },
    contract: "LicenseMarket",
    amount: price,
    plain: BUY,
    permitted: BUY_WITH_PERMIT,
    args: [offer],
    newest: (account) => `/v1/licenses?buyer=${account}&offer=${offer}&limit=1`,
    goes: LICENSES,
  });
  return `${(await eventOf(receipt, "LicenseBought")).license}`;
}

const quiet = {
  /** @template T @param {string} _ @param {() => T | Promise<T>} work */ run: async (_, work) => work(),
};

/**
 * Buy a license for an order that follows at once, and is what a page that is loaded again waits for; its number.
 * @param {string} offer
 * @param {string} price in token units
 */
export async function buyFirst(offer, price) {
  const bought = await buyLicense(quiet, offer, price);
  for (const each of sent.open()) if (each.goes === LICENSES) sent.end(each.id);
  return bought;
}

/**
 * Open a job with what was quoted; its number. `account` has to sign where it is given.
 * @param {StepsToRun} steps
 * @param {{
 *   license: string, circuit: string, firstRow: string, rows: string, key: string, units: string, replicas: string,
 *   maxFee: string, version: string, content: string, program: string, total: string, account: string,
 * }} job amounts in token units; `program` "" where no contract can judge results
 * @returns {Promise<string>}
 */
export async function openJob(steps, job) {
  const { license, circuit, firstRow, rows, key, units, replicas, maxFee, version, content, program } = job;
  const receipt = await pay(steps, {
    action: "open-job",
    order: {
      license: Number(license),
      circuit,
      first_row: Number(firstRow),
      rows: Number(rows),
      sealing_key: key,
      replicas: Number(replicas),
      max_fee: maxFee,
      version: Number(version),
      content,
    },
    contract: "JobMarket",
    amount: job.total,
    plain: program ? OPEN_WITH_PROGRAM : OPEN,
    permitted: program ? OPEN_WITH_PROGRAM_AND_PERMIT : OPEN_WITH_PERMIT,
    args: [
      license,
      circuit,
      firstRow,
      rows,
      key,
      units,
      replicas,
      maxFee,
      version,
      content,
      ...(program ? [program] : []),
    ],
    account: job.account,
    newest: () => `/v1/jobs?license=${license}&limit=1`,
    goes: "/jobs/",
  });
  return `${(await eventOf(receipt, "JobOpened")).job}`;
}

/**
 * Let this node's store have the circuit of an order.
 * @param {Bytes} body
 * @param {string} digest that was quoted
 * @param {boolean} [known] whether the store has it
 */
export async function publishCircuit(body, digest, known = false) {
  if ((await sha256(body)) !== digest) {
    throw new Problem(t`The circuit changed since the quote.`, t`Choose it again.`, "changed");
  }
  if (known) return;
  await signIn();
  const answer = await api("/v1/circuits", { method: "POST", body, type: "application/json" });
  if ((await answer.json()).digest !== digest) {
    throw new Problem(t`The node published something else.`, t`Do not use this node.`, "tampered");
  }
}

// @ts-check
// From an order to a mined transaction: the node prepares, this page checks, the wallet signs and sends.

import { encode } from "./abi.js";
import { checkPermit, checkTransaction, permitArguments } from "./calls.js";
import { t } from "./language.js";
import { apiJson, Problem, toProblem } from "./problems.js";
import * as sent from "./sent.js";
import { read, ready, request } from "./wallet.js";

/** @typedef {import("./abi.js").Argument} Argument */
/** @typedef {Record<string, unknown>} Order what the API is asked to prepare, less the account */

const PATIENCE = 120_000; // milliseconds until a transaction counts as lost
const UNSENT = ["offline", "slow"]; // problems after which a transaction may be on its way all the same
/** @type {Set<string>} */
const unfinished = new Set(); // what this page sent and did not follow to its end
/** @param {number} milliseconds */
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * @param {string} action
 * @param {Order} order
 * @returns {Promise<UnsignedTransaction>}
 */
const prepare = (action, order) => apiJson(`/v1/transactions/${action}`, { method: "POST", json: order });

const anotherNumber = () =>
  new Problem(t`This node prepared another number of transactions.`, t`Nothing was signed.`, "tampered");

/**
 * Pay for something: a permit for exactly `amount`, then the call that uses it; or the call alone where an allowance is
 * there already. `plain` and `permitted` are the signatures of the two calls, `args` their first arguments; `account`
 * has to sign where it is given. The newest thing of the kind that is paid for stands first in the list `newest`, for
 * whoever signs, and has the address `goes` and its number: a page that is loaded again finds it there.
 * @param {Pick<import("./dom.js").Steps, "run">} steps
 * @param {{
 *   action: string, order: Order, contract: string, amount: string,
 *   plain: string, permitted: string, args: Argument[], account?: string,
 *   newest: (account: string) => string, goes: string,
 * }} payment
 */
export async function pay(
  steps,
  { action, order, contract, amount, plain, permitted, args, account = "", newest, goes },
) {
  const from = await ready(account);
  const wanted = { account: from, ...order };
  const { transactions, permit } = await steps.run("permit", async () => {
    const first = await prepare(action, wanted);
    if (!first.permit) return { transactions: first.transactions, permit: null };
    const { deadline, typed_data: typed } = first.permit;
    checkPermit(typed, from, contract, amount);
    const signature = await request("eth_signTypedData_v4", [from, JSON.stringify(typed)]);
    return { transactions: [], permit: { deadline, signature } };
  });
  return steps.run("send", async () => {
    const due = permit ? (await prepare(action, { ...wanted, permit })).transactions : transactions;
    const data = permit
      ? encode(permitted, ...args, ...permitArguments(permit.deadline, permit.signature))
      : encode(plain, ...args);
    const [only, another] = due;
    if (!only || another) throw anotherNumber();
    checkTransaction(only, from, contract, data);
    const look = newest(from);
    const { receipt } = await submit(only, action, { look, before: await newestOf(look), goes });
    return receipt; // unfinished until `follow` shows what was paid for
  });
}

/**
 * The number of the newest thing in a list of the API; 0 where there is none.
 * @param {string} look
 */
export async function newestOf(look) {
  /** @type {{ items: { id: number }[] }} */
  const { items } = await apiJson(look);
  return items[0]?.id ?? 0;
}

/**
 * Prepare, check each transaction against what is expected, sign and send, and wait until the index has it.
 * @param {string} action
 * @param {Order} order
 * @param {(account: string, prepared: PreparedTransaction[]) => Call[] | Promise<Call[]>} expected the calls, in order
 * @param {{
 *   account?: string, what?: string,
 *   agree?: ((prepared: PreparedTransaction[]) => Promise<unknown>) | null,
 *   watch?: Watch, look?: string, goes?: string,
 * }} [how] the account that has to sign; what `sent.js` calls it; what is asked between check and signature; who
 *   follows; where what it makes is listed, as in `pay`
 * @returns {Promise<TransactionReceipt[] | null>} the receipts; null when `agree` says no
 */
export async function perform(action, order, expected, how = {}) {
  const { account = "", what = action, agree, watch, look = "", goes = "" } = how;
  const from = await ready(account);
  const { transactions } = await prepare(action, { account: from, ...order });
  const calls = await expected(from, transactions);
  if (calls.length !== transactions.length) throw anotherNumber();
  for (const [at, each] of transactions.entries()) {
    const call = calls[at];
    if (!call) throw anotherNumber();
    checkTransaction(each, from, ...call);
  }
  if (agree && !(await agree(transactions))) return null;
  const found = look ? { look, before: await newestOf(look), goes } : {};
  /** @type {string[]} */
  const ids = [];
  let kept = false;
  try {
    const receipts = await submitAll(transactions, what, found, watch, ids);
    const last = receipts.at(-1);
    if (last) await indexed(last);
    kept = Boolean(look); // `follow` shows what was made
    return receipts;
  } finally {
    if (!kept) for (const id of ids) finish(id);
  }
}

/**
 * One transaction after the other; `ids` are those that went through.
 * @param {PreparedTransaction[]} transactions
 * @param {string} what
 * @param {{ look?: string, before?: number, goes?: string }} found
 * @param {Watch | undefined} watch
 * @param {string[]} ids
 */
async function submitAll(transactions, what, found, watch, ids) {
  const receipts = [];
  for (const [at, each] of transactions.entries()) {
    watch?.(at, "doing", "");
    try {
      const { receipt, id } = await submit(each, what, found, (tx) => watch?.(at, "doing", tx));
      receipts.push(receipt);
      ids.push(id);
      watch?.(at, "done", receipt.transactionHash);
    } catch (error) {
      watch?.(at, "failed", "");
      throw error;
    }
  }
  return receipts;
}

/** @typedef {(at: number, now: "doing" | "done" | "failed", tx: string) => unknown} Watch of each one's state */

/** @param {string} id */
function finish(id) {
  unfinished.delete(id);
  sent.end(id);
}

/**
 * Let the wallet sign and send, and wait for the receipt.
 * @param {PreparedTransaction} prepared
 * @param {string} what
 * @param {{ look?: string, before?: number, goes?: string }} found
 * @param {(tx: string) => unknown} [told]
 */
async function submit({ request: { nonce: _, gas, ...rest } }, what, found, told) {
  // the wallet counts its own transactions
  const id = sent.begin(what, found);
  unfinished.add(id);
  try {
    const tx = await request("eth_sendTransaction", [gas === null ? rest : { ...rest, gas }]);
    sent.know(id, { tx });
    told?.(tx);
    return { receipt: await mined(tx), id };
  } catch (error) {
    if (!UNSENT.includes(toProblem(error).code)) finish(id);
    throw error;
  }
}

/**
 * The receipt of a transaction that went well, once a block has it.
 * @param {string} tx
 */
export async function mined(tx) {
  const until = Date.now() + PATIENCE;
  while (Date.now() < until) {
    const { answer } = await read("eth_getTransactionReceipt", [tx]);
    if (answer) {
      if (BigInt(answer.status) === 1n) return answer;
      const next = t`Nothing was paid but gas. Load the page again.`;
      throw new Problem(t`The contract refused the transaction.`, next, "reverted");
    }
    await pause(400);
  }
  const next = t`Look at it in the wallet; the page follows once it is mined.`;
  throw new Problem(t`The transaction is not in a block yet.`, next, "slow");
}

/**
 * The arguments of one event of a mined transaction, by the node's own reading.
 * @param {TransactionReceipt} receipt
 * @param {string} name
 */
export async function eventOf(receipt, name) {
  /** @type {DecodedReceipt} */
  const { events } = await apiJson(`/v1/transactions/${receipt.transactionHash}`);
  const event = events.find((each) => each.name === name);
  if (!event) throw new Problem(t`The transaction has no ${name} event.`, t`Load the page again.`, "unknown");
  return event.args;
}

/**
 * Go to a page as soon as this node's index has it.
 * @param {string} path
 */
export async function follow(path) {
  const until = Date.now() + PATIENCE;
  while (Date.now() < until) {
    const answer = await fetch(path, { headers: { accept: "text/html" } }).catch(() => null);
    if (answer?.ok) {
      for (const id of unfinished) finish(id);
      location.assign(path);
      return;
    }
    await pause(300);
  }
  const next = t`Load the page again in a moment.`;
  throw new Problem(t`The chain has it, but this node's index does not show it yet.`, next, "behind");
}

/**
 * Wait until the index holds the block of a mined transaction.
 * @param {TransactionReceipt} receipt
 */
export async function indexed(receipt) {
  const block = Number(BigInt(receipt.blockNumber));
  const until = Date.now() + PATIENCE;
  while (Date.now() < until) {
    /** @type {NodeStatusView | null} */
    const node = await apiJson("/v1/status").catch(() => null);
    if (node && node.index.height >= block) break;
    await pause(300);
  }
}

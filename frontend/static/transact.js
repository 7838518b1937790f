// @ts-check
// From an order to a mined transaction: the node prepares, this page checks, the wallet signs and sends.

import { encode } from "./abi.js";
import { checkPermit, checkTransaction, permitArguments } from "./calls.js";
import { apiJson, Problem } from "./problems.js";
import { read, ready, request } from "./wallet.js";

/** @typedef {import("./abi.js").Argument} Argument */
/** @typedef {Record<string, unknown>} Order what the API is asked to prepare, less the account */

const PATIENCE = 120_000; // milliseconds until a transaction counts as lost
/** @param {number} milliseconds */
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * @param {string} action
 * @param {Order} order
 * @returns {Promise<UnsignedTransaction>}
 */
const prepare = (action, order) => apiJson(`/v1/transactions/${action}`, { method: "POST", json: order });

const anotherNumber = () =>
  new Problem("This node prepared another number of transactions.", "Nothing was signed.", "tampered");

/**
 * Pay for something: a permit for exactly `amount`, then the call that uses it; or the call alone where an allowance is
 * there already. `plain` and `permitted` are the signatures of the two calls, `args` their first arguments; `account`
 * has to sign where it is given.
 * @param {Pick<import("./dom.js").Steps, "run">} steps
 * @param {{
 *   action: string, order: Order, contract: string, amount: string,
 *   plain: string, permitted: string, args: Argument[], account?: string,
 * }} payment
 */
export async function pay(steps, { action, order, contract, amount, plain, permitted, args, account = "" }) {
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
    return submit(only);
  });
}

/**
 * Prepare, check each transaction against what is expected, sign and send.
 * @param {string} action
 * @param {Order} order
 * @param {(account: string, prepared: PreparedTransaction[]) => Call[] | Promise<Call[]>} expected the calls, in order
 * @param {string} [account] that has to sign
 * @param {((prepared: PreparedTransaction[]) => Promise<unknown>) | null} [agree] asked between check and signature
 * @returns {Promise<TransactionReceipt | null>} the last receipt; null when `agree` says no
 */
export async function perform(action, order, expected, account = "", agree = null) {
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
  let receipt = null;
  for (const each of transactions) receipt = await submit(each);
  return receipt;
}

/** @param {PreparedTransaction} prepared */
async function submit({ request: { nonce: _, gas, ...rest } }) {
  // the wallet counts its own transactions
  const tx = await request("eth_sendTransaction", [gas === null ? rest : { ...rest, gas }]);
  const until = Date.now() + PATIENCE;
  while (Date.now() < until) {
    const { answer } = await read("eth_getTransactionReceipt", [tx]);
    if (answer) {
      if (BigInt(answer.status) === 1n) return answer;
      const next = "Nothing was paid but gas. Load the page again.";
      throw new Problem("The contract refused the transaction.", next, "reverted");
    }
    await pause(400);
  }
  const next = "Look at it in the wallet; the page follows once it is mined.";
  throw new Problem("The transaction is not in a block yet.", next, "slow");
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
  if (!event) throw new Problem(`The transaction has no ${name} event.`, "Load the page again.", "unknown");
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
      location.assign(path);
      return;
    }
    await pause(300);
  }
  const next = "Load the page again in a moment.";
  throw new Problem("The chain has it, but this node's index does not show it yet.", next, "behind");
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

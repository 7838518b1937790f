// From an order to a mined transaction: the node prepares, this page checks, the wallet signs and sends.

import { checkPermit, checkTransaction, encode, permitWords } from "./calls.js";
import { Problem, apiJson } from "./problems.js";
import { read, ready, request } from "./wallet.js";

const PATIENCE = 120_000; // milliseconds until a transaction counts as lost
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const prepare = (action, order) => apiJson(`/v1/transactions/${action}`, { method: "POST", json: order });

/**
 * Pay for something: a permit for exactly `amount`, then the call that uses it; or the call alone where an allowance is
 * there already. `plain` and `permitted` are the signatures of the two calls, `words` their first arguments.
 */
export async function pay(steps, { action, order, contract, amount, plain, permitted, words, account }) {
  const from = await ready(account);
  const wanted = { account: from, ...order };
  let prepared = await steps.run("permit", async () => {
    const first = await prepare(action, wanted);
    if (!first.permit) return first;
    checkPermit(first.permit.typed_data, from, contract, amount);
    const signature = await request("eth_signTypedData_v4", [from, JSON.stringify(first.permit.typed_data)]);
    return { permit: { deadline: first.permit.deadline, signature } };
  });
  return steps.run("send", async () => {
    let data = encode(plain, ...words);
    if (prepared.permit) {
      const { permit } = prepared;
      prepared = await prepare(action, { ...wanted, permit });
      data = encode(permitted, ...words, ...permitWords(permit.deadline, permit.signature));
    }
    if (prepared.transactions.length !== 1)
      throw new Problem("This node prepared more than one transaction.", "Nothing was signed.", "tampered");
    checkTransaction(prepared.transactions[0], from, contract, data);
    return submit(prepared.transactions[0]);
  });
}

/**
 * Prepare, check each transaction against `expected(account, prepared)` ([contract, data] in order), sign and send.
 * `agree(prepared)` is asked between check and signature; the receipt is null when it says no.
 */
export async function perform(action, order, expected, account = "", agree = null) {
  const from = await ready(account);
  const { transactions } = await prepare(action, { account: from, ...order });
  const calls = await expected(from, transactions);
  if (calls.length !== transactions.length)
    throw new Problem("This node prepared another number of transactions.", "Nothing was signed.", "tampered");
  transactions.forEach((each, at) => checkTransaction(each, from, ...calls[at]));
  if (agree && !(await agree(transactions))) return null;
  let receipt = null;
  for (const each of transactions) receipt = await submit(each);
  return receipt;
}

async function submit({ request: wanted }) {
  const { nonce, ...rest } = wanted; // the wallet counts its own transactions
  void nonce;
  const filled = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null));
  const tx = await request("eth_sendTransaction", [filled]);
  const until = Date.now() + PATIENCE;
  while (Date.now() < until) {
    const { answer } = await read("eth_getTransactionReceipt", [tx]);
    if (answer) {
      if (BigInt(answer.status) !== 1n)
        throw new Problem(
          "The contract refused the transaction.",
          "Nothing was paid but gas. Load the page again.",
          "reverted",
        );
      return answer;
    }
    await pause(400);
  }
  throw new Problem(
    "The transaction is not in a block yet.",
    "Look at it in the wallet; the page follows once it is mined.",
    "slow",
  );
}

/** The value of one argument of one event of a mined transaction, by the node's own reading. */
export async function eventOf(receipt, name) {
  const told = await apiJson(`/v1/transactions/${receipt.transactionHash}`);
  const event = told.events.find((each) => each.name === name);
  if (!event) throw new Problem(`The transaction has no ${name} event.`, "Load the page again.", "unknown");
  return event.args;
}

/** Go to a page as soon as this node's index has it. */
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
  throw new Problem(
    "The chain has it, but this node's index does not show it yet.",
    "Load the page again in a moment.",
    "behind",
  );
}

/** Wait until the index holds the block of a mined transaction. */
export async function indexed(receipt) {
  const block = Number(BigInt(receipt.blockNumber));
  const until = Date.now() + PATIENCE;
  while (Date.now() < until) {
    const node = await apiJson("/v1/status").catch(() => null);
    if (node && (node.index?.height ?? node.height ?? -1) >= block) break;
    await pause(300);
  }
}

// @ts-check
// What a transaction put on record, read from its receipt rather than from this node's pages.

import { TOPICS } from "./abi.js";
import { addressOfContract, config } from "./config.js";
import { t } from "./language.js";
import { Problem } from "./problems.js";
import { read } from "./wallet.js";

const ours = new Set(Object.values(config.contracts).map((address) => address.toLowerCase()));

/**
 * What a transaction's receipt says: the logs of the market's contracts, its block, and who was asked. Throws when the
 * chain does not have the transaction, or it failed.
 * @param {string} tx
 */
export async function receiptOf(tx) {
  const { answer, source } = await read("eth_getTransactionReceipt", [tx]);
  if (!answer) {
    const next = t`It may have been undone by a reorganisation; load the page again.`;
    throw new Problem(t`The chain does not have this transaction.`, next, "gone");
  }
  if (BigInt(answer.status) !== 1n) throw new Problem(t`This transaction failed.`, t`Load the page again.`, "failed");
  return {
    logs: answer.logs.filter((log) => ours.has(log.address.toLowerCase())),
    block: Number(BigInt(answer.blockNumber)),
    blockHash: answer.blockHash,
    source,
  };
}

/**
 * The words of an event's data: 64 hex digits each.
 * @param {Log} log
 * @returns {string[]}
 */
export const wordsOf = (log) => log.data.slice(2).match(/.{64}/g) ?? [];

/**
 * The number that a word of an event's data says.
 * @param {string} word
 */
export const uint = (word) => BigInt(`0x${word}`);

/**
 * Whether a word (64 hex digits) stands in a topic or in the data of this log.
 * @param {Log} log
 * @param {string} word
 */
export function names(log, word) {
  return log.topics.some((topic) => topic.slice(2) === word) || wordsOf(log).includes(word);
}

/**
 * The logs of this event about this entity (the event's first indexed argument), in the contract that emits it.
 * @param {Log[]} logs
 * @param {string} event
 * @param {string | number} id
 */
export function logsOf(logs, event, id) {
  const contract = addressOfContract(event === "DatasetVersion" ? "DatasetRegistry" : "JobMarket").toLowerCase();
  const topic = TOPICS[event];
  return logs.filter(({ address, topics: [first, entity] }) => {
    if (address.toLowerCase() !== contract || first !== topic || entity === undefined) return false;
    return BigInt(entity) === BigInt(id);
  });
}

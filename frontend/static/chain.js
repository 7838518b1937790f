// What a transaction put on record, read from its receipt rather than from this node's pages.

import { facts } from "./facts.js";
import { Problem } from "./problems.js";
import { read } from "./wallet.js";

const ours = new Set(Object.values(facts.contracts).map((address) => address.toLowerCase()));

/** {logs of the market's contracts, block, blockHash, source}; throws when the chain does not have the transaction. */
export async function receiptOf(tx) {
  const { answer, source } = await read("eth_getTransactionReceipt", [tx]);
  if (!answer) throw new Problem("The chain does not have this transaction.", "It may have been undone by a reorganisation; load the page again.", "gone");
  if (BigInt(answer.status) !== 1n) throw new Problem("This transaction failed.", "Load the page again.", "failed");
  return {
    logs: answer.logs.filter((log) => ours.has(log.address.toLowerCase())),
    block: Number(BigInt(answer.blockNumber)),
    blockHash: answer.blockHash,
    source,
  };
}

/** The words of an event's data: 64 hex digits each. */
export const wordsOf = (log) => log.data.slice(2).match(/.{64}/g) ?? [];

/** Whether a word stands in a topic or in the data of one of these logs. */
export function names(logs, digest) {
  return logs.some((log) => log.topics.some((topic) => topic.slice(2) === digest) || wordsOf(log).includes(digest));
}

/** The one log of this event about this job, in the job contract. */
export function jobLog(logs, topic, job) {
  const id = BigInt(job);
  return logs.find((log) => log.address.toLowerCase() === facts.contracts.JobMarket.toLowerCase() && log.topics[0] === topic && BigInt(log.topics[1]) === id);
}

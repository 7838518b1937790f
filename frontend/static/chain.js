// What a transaction put on record, read from its receipt rather than from this node's pages.

import { config } from "./config.js";
import { Problem } from "./problems.js";
import { read } from "./wallet.js";

export const TOPICS = {
  Committed: "0x26a454697a4923cb3646779d831b5e4696bd3fab14b67dd6dfe23d72354f57dd",
  DatasetVersion: "0x4e76b9e0031502ecf553c0293955d880972218c046add032d84d790a879c23c3",
  Declined: "0x435603e60c93c4829c618dd88199fcce44033c647901c36038eeb96f2df10251",
  DrawContinued: "0x65bba69c11234a99a51cc26210abdd850aa72d8b35dc4141c764fda48723e1dc",
  ExecutorSlashed: "0xadd54379066b2faa5e56ebb0873eda616252f7ce7d12c0c281e1387f1b91b99d",
  JobApproved: "0x672bfedacbff1d20ad166b512468e3a6471d444eb51c81a4b7168a8232481e60",
  JobAssigned: "0x73492251944eb6d249ea222e9aa16ef8fb0146f0b3486a52520b982248e6c2d0",
  JobComputed: "0x0a847063a7a3e177da300b106ad95214d942f5cfb4b8375030bceba099ce5197",
  JobContested: "0x6b656ef3633d60ab1a20281697fa2af55e8f36f4b086946e13afdda07b93c160",
  JobDenied: "0x227152041ff1d13f4a15f1857c5945143cc23bbc423f1ef39af816456d138cce",
  JobDisputed: "0x3cffc9fa0c8348d1a947b1d4e4b92fbff48c01e296554f6179392aaeef198efd",
  JobExpired: "0x3f76c242872f430454eed950621a55a4c2bb5833506f88f5088c467db62d29a3",
  JobFailed: "0xb75cf56c3b87307029f0059a671fedc39db6212ba4ef07f39d4f053185dc9006",
  JobOpened: "0xb169e25066c711c292a878d0248b6d068ff2a7a5385f643454981193d914cfca",
  JobRefused: "0x11a5f2d23edd4ea07dfb697b637367e63e8978ea2ef9015bbdcb1a234084e257",
  JobReleased: "0x527c284e0a8cf20284155e5dc500c71df2b8f1075413df3eb2174925b57e46e7",
  JobSettled: "0x873f6daf173078b9e341e6c9a179cb1fd09b8baf1e7bbbf37383e65b60dfc80b",
  Revealed: "0xa3aeba35ff272153458023d09ee88c7eac77d87b62503d27c738e8068edb8204",
};

const ours = new Set(Object.values(config.contracts).map((address) => address.toLowerCase()));

/** {logs of the market's contracts, block, blockHash, source}; throws when the chain does not have the transaction. */
export async function receiptOf(tx) {
  const { answer, source } = await read("eth_getTransactionReceipt", [tx]);
  if (!answer)
    throw new Problem(
      "The chain does not have this transaction.",
      "It may have been undone by a reorganisation; load the page again.",
      "gone",
    );
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

/** The number that a word of an event's data says. */
export const uint = (word) => BigInt(`0x${word}`);

/** Whether a word (64 hex digits) stands in a topic or in the data of this log. */
export function names(log, word) {
  return log.topics.some((topic) => topic.slice(2) === word) || wordsOf(log).includes(word);
}

/** The logs of this event about this entity (the event's first indexed argument), in the contract that emits it. */
export function logsOf(logs, event, id) {
  const contract = config.contracts[event === "DatasetVersion" ? "DatasetRegistry" : "JobMarket"].toLowerCase();
  return logs.filter(
    (log) =>
      log.address.toLowerCase() === contract && log.topics[0] === TOPICS[event] && BigInt(log.topics[1]) === BigInt(id),
  );
}

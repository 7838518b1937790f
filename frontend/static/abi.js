// @ts-check
// The contracts' functions and events as bytecode knows them: selectors and topics, pinned, and a call's data. Pure.

const PERMIT = "uint256,uint8,bytes32,bytes32";
const ORDER = "(uint256,bytes32,uint64,uint64,bytes32,uint64,uint8,uint256,uint16,bytes32)";
const TERMS = "(uint256,uint256,uint256,uint256,uint32,uint64,uint40,bytes32,uint32,uint32,uint64)";

export const BUY = "buy(uint256)";
export const BUY_WITH_PERMIT = `buyWithPermit(uint256,${PERMIT})`;
export const CREATE_OFFER = `createOffer(${TERMS},(address,uint16)[])`;
export const OPEN = `open(${ORDER})`;
export const OPEN_WITH_PERMIT = `openWithPermit(${ORDER},${PERMIT})`;
export const OPEN_WITH_PROGRAM = `openWithProgram(${ORDER},bytes32)`;
export const OPEN_WITH_PROGRAM_AND_PERMIT = `openWithProgramAndPermit(${ORDER},bytes32,${PERMIT})`;

const LIMITS = "uint256,uint256,uint64,uint64,uint32,uint64,uint64,uint64,string";
export const WITHDRAW_MANDATE = `withdraw((address,address,uint8,uint256[],bytes32[],bytes32,${LIMITS}))`;

/**
 * Every function that a page lets a wallet call.
 * @type {Record<string, string>}
 */
export const SELECTORS = {
  [BUY]: "d96a094a",
  [BUY_WITH_PERMIT]: "01a833fb",
  [CREATE_OFFER]: "e6b8d7ec",
  "deactivate(uint256)": "916b9bef",
  "collect(uint256)": "ce3f865f",
  "withdraw()": "3ccfd60b",
  [OPEN]: "fd5578da",
  [OPEN_WITH_PERMIT]: "370f0bfc",
  [OPEN_WITH_PROGRAM]: "0da81b56",
  [OPEN_WITH_PROGRAM_AND_PERMIT]: "b396d7ba",
  "expire(uint256)": "bf81bf43",
  "draw(uint256)": "3b304147",
  "approve(uint256)": "b759f954",
  "deny(uint256)": "56f66282",
  "revoke(uint256)": "20c5429b",
  "revoke(bytes32)": "b75c7dc6",
  [WITHDRAW_MANDATE]: "4ac58644",
  "bondCustodian(uint256,uint256)": "6f69edee",
  "unbondCustodian(uint256,uint256)": "325a0988",
  "settleLicense(uint256,uint256)": "14141306",
  "approve(address,uint256)": "095ea7b3",
  "faucet(address,uint256)": "7b56c2b2",
};

/**
 * The first topic of each event that a page looks for.
 * @type {Record<string, string>}
 */
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

/** @typedef {string | number | bigint} Argument an integer (decimal text too), an address, or 64 hex digits */

/**
 * One 32-byte word of call data, as 64 hex digits.
 * @param {Argument} value
 */
export function word(value) {
  if (typeof value === "string") {
    if (/^(0x)?[0-9a-fA-F]{64}$/.test(value)) return value.replace(/^0x/, "").toLowerCase();
    if (/^0x[0-9a-fA-F]{40}$/.test(value)) return value.slice(2).toLowerCase().padStart(64, "0");
  }
  const text = BigInt(value).toString(16);
  if (text.startsWith("-") || text.length > 64) throw new Error("an argument that does not fit a word");
  return text.padStart(64, "0");
}

/**
 * Call data of a pinned function whose arguments are all whole words.
 * @param {string} signature
 * @param {...Argument} values
 */
export function encode(signature, ...values) {
  const selector = SELECTORS[signature];
  if (selector === undefined) throw new Error(`no page calls ${signature}`);
  return `0x${selector}${values.map(word).join("")}`;
}

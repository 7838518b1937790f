// @ts-check
// The words of questions that were asked in this browser, by job: the job's circuit says what was asked, they how.

import { addressOfContract, config } from "./config.js";

/** @param {number} job */
const name = (job) => `darkroom.question.${config.chainId}.${addressOfContract("JobMarket")}.${job}`;

/**
 * @param {number} job
 * @param {string} sql
 */
export function remember(job, sql) {
  try {
    localStorage.setItem(name(job), sql);
  } catch {
    /* then the words are asked for when the answer is opened */
  }
}

/** @param {number} job */
export function recall(job) {
  try {
    return localStorage.getItem(name(job)) ?? "";
  } catch {
    return "";
  }
}

// @ts-check
// What went wrong, told as a sentence and a next step; and requests to this node's API.

import { language, t } from "./language.js";

/** An error for people: a sentence, what to do next, and a stable code. */
export class Problem extends Error {
  /**
   * @param {string} message
   * @param {string} [next]
   * @param {string} [code]
   */
  constructor(message, next = "", code = "") {
    super(message);
    this.next = next;
    this.code = code;
    /** @type {unknown} what a contract said, of a JSON-RPC error */
    this.data = undefined;
  }
}

/**
 * Any error as a Problem. Wallet errors carry numbers (EIP-1193); the network's say nothing that helps.
 * @param {any} error
 * @returns {Problem}
 */
export function toProblem(error) {
  if (error instanceof Problem) return error;
  const code = error?.code ?? error?.data?.originalError?.code;
  if (code === 4001 || code === "ACTION_REJECTED") {
    return new Problem(t`You declined to sign.`, t`Nothing was sent. Start again when you are ready.`, "rejected");
  }
  if (code === 4900 || code === 4901) {
    return new Problem(
      t`The wallet is not connected to the network.`,
      t`Open the wallet and connect it.`,
      "disconnected",
    );
  }
  if (/nonce too low|nonce has already been used/i.test(`${error?.message}`)) {
    const next = t`Nothing of this one was sent. Load the page again, and try again.`;
    return new Problem(t`Another transaction of this account was sent at the same time.`, next, "nonce");
  }
  if (error instanceof TypeError && /fetch|network|load failed/i.test(error.message)) return lostConnection();
  return new Problem(error?.message ? `${error.message}` : t`Something failed.`, t`Try again.`, "unknown");
}

const lostConnection = () =>
  new Problem(t`The connection to this node was lost.`, t`Check that the node runs, then try again.`, "offline");

const session = { csrf: "" };

/** @param {string} text */
export function setCsrf(text) {
  session.csrf = text;
}

/**
 * @param {string} path
 * @param {RequestInit} options
 */
async function send(path, options) {
  try {
    return await fetch(path, options);
  } catch {
    throw lostConnection();
  }
}

/** Whether the session has another token than this page knows: a page that was just loaded knows none. */
async function renewed() {
  const answer = await send("/v1/session", { headers: { accept: "application/json" } });
  /** @type {Partial<SessionView>} */
  const { csrf = "" } = await answer.json().catch(() => ({}));
  const other = Boolean(csrf) && csrf !== session.csrf;
  setCsrf(csrf);
  return other;
}

/**
 * A request to the API; throws a Problem with the API's own words.
 * @param {string} path
 * @param {{ method?: string, json?: unknown, body?: Bytes | null, type?: string }} [options]
 */
export async function api(path, { method = "GET", json, body = null, type } = {}) {
  const headers = new Headers({ accept: "application/json", "darkroom-language": language });
  if (json !== undefined) headers.set("content-type", "application/json");
  else if (type) headers.set("content-type", type);
  const request = () => {
    if (method !== "GET" && session.csrf) headers.set("x-csrf-token", session.csrf);
    return send(path, { method, headers, body: json === undefined ? body : JSON.stringify(json) });
  };
  let answer = await request();
  if (answer.status === 403 && method !== "GET" && (await renewed())) answer = await request();
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

/** @param {Response} answer */
async function refusal(answer) {
  /** @type {Partial<ProblemDocument>} */
  const problem = await answer.json().catch(() => ({}));
  if (problem.code === "not-signed-in") {
    const next = t`Sign in again; nothing that you typed is lost.`;
    return new Problem(t`You are not signed in any more: a sign-in lasts 12 hours.`, next, problem.code);
  }
  const fields = (problem.errors ?? []).map((each) => `${each.field}: ${each.message}`).join("; ");
  return new Problem(
    problem.detail ?? t`The node answered ${answer.status}.`,
    fields || problem.next_step || t`Try again.`,
    problem.code,
  );
}

/**
 * The JSON of an answer; callers say its type.
 * @param {string} path
 * @param {{ method?: string, json?: unknown }} [options]
 * @returns {Promise<any>}
 */
export async function apiJson(path, options) {
  return (await api(path, options)).json();
}

/** @param {string} path */
export async function apiBytes(path) {
  return new Uint8Array(await (await api(path)).arrayBuffer());
}

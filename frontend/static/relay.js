// @ts-check
// JSON-RPC through this node, for the demo wallet and for reading the chain without a wallet.

import { t } from "./language.js";
import { apiJson, Problem } from "./problems.js";

let last = 0;

/**
 * @template {keyof Rpc} M
 * @param {M} method
 * @param {readonly unknown[]} [params]
 * @returns {Promise<Rpc[M]["result"]>}
 */
export async function relay(method, params = []) {
  last += 1;
  const answer = await apiJson("/v1/rpc", { method: "POST", json: { jsonrpc: "2.0", id: last, method, params } });
  if (answer.error) {
    const problem = new Problem(answer.error.message, t`Try again.`, "rpc");
    problem.data = answer.error.data;
    throw problem;
  }
  return answer.result;
}

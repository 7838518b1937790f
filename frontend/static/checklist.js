// @ts-check
// The first visit's list ticks what the connected account has done already.

import { element, elements, h } from "./dom.js";
import { t } from "./language.js";
import { apiJson } from "./problems.js";
import { recall } from "./store.js";
import * as wallet from "./wallet.js";

const list = document.querySelector("#first-steps");

/** @param {string} path of a list of the API */
async function any(path) {
  /** @type {{ items: unknown[] } | null} */
  const found = await apiJson(path).catch(() => null);
  return Boolean(found?.items.length);
}

/** What is done, by the name of its step. */
async function done() {
  const account = wallet.account();
  if (!account) return { wallet: false, money: false, license: false, job: false, result: false };
  /** @type {MoneyView | null} */
  const money = await apiJson(`/v1/accounts/${account}`).catch(() => null);
  const license = await any(`/v1/licenses?buyer=${account}&limit=1`);
  return {
    wallet: true,
    money: license || BigInt(money?.tokens ?? 0) > 0n,
    license,
    job: await any(`/v1/jobs?buyer=${account}&limit=1`),
    result: recall("opened", "any") !== "",
  };
}

if (list instanceof HTMLElement) {
  wallet.onChange(async () => {
    for (const [name, ready] of Object.entries(await done())) {
      const item = element(`[data-step="${name}"]`, HTMLElement, list);
      for (const each of elements(".visually-hidden", HTMLElement, item)) each.remove();
      if (ready) item.append(h("span", { class: "visually-hidden" }, t`: done`));
      item.dataset.now = ready ? "done" : "";
    }
  });
}

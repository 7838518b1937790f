// @ts-check
// Several transactions as one list with each one's state, and what was signed on a page, told when it comes anew.

import { element, h, showNotice } from "./dom.js";
import { t } from "./language.js";
import { describeCall, nameOf } from "./words.js";

const KEY = "darkroom.receipts";

/** @param {string} tx */
const linked = (tx) =>
  h("a", { href: `/transactions/${tx}`, title: tx, class: "mono" }, `${tx.slice(0, 10)}…${tx.slice(-6)}`);

/** Transactions that are signed one after the other. */
export class TransactionList {
  /** @param {PreparedTransaction[]} prepared */
  constructor(prepared) {
    this.items = prepared.map(({ request }) => {
      const state = h("p", { class: "small" }, t`At ${nameOf(request.to)}`);
      const words = h("p", { class: "strong" }, describeCall(request.data) ?? t`A call that this page does not know`);
      return { entry: h("li", {}, h("div", {}, words, state)), state };
    });
    this.place = h(
      "ol",
      { class: "steps" },
      this.items.map(({ entry }) => entry),
    );
    this.went = 0;
  }

  /**
   * @param {number} at
   * @param {"doing" | "done" | "failed"} now
   * @param {string} tx its hash, once there is one
   */
  set(at, now, tx) {
    const item = this.items[at];
    if (!item) return;
    item.entry.dataset.now = now;
    if (now === "done") this.went += 1;
    const words = {
      doing: tx ? t`In a block soon: ` : t`Waiting for your wallet`,
      done: t`Done: `,
      failed: t`Not done`,
    }[now];
    item.state.replaceChildren(words, tx ? linked(tx) : "");
  }

  /** What went through and what did not, for the problem that ended it. */
  summary() {
    const words = t`${this.went} of ${this.items.length} went through and stay so. Start again for the rest.`;
    return [h("p", {}, words), this.place];
  }
}

/**
 * Keep what was signed for this page, which is about to be loaded again.
 * @param {TransactionReceipt[]} receipts
 */
export function keepReceipts(receipts) {
  const lines = receipts.map(({ transactionHash, blockNumber }) => ({
    tx: transactionHash,
    block: Number(blockNumber),
  }));
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ path: location.pathname, lines }));
  } catch {
    /* storage is off: the transactions are on the account's page */
  }
}

/** Tell what was signed before this page came anew, once. */
export function showReceipts() {
  /** @type {{ path: string, lines: { tx: string, block: number }[] }} */
  const { path, lines } = JSON.parse(sessionStorage.getItem(KEY) ?? '{"path": "", "lines": []}');
  sessionStorage.removeItem(KEY);
  if (path !== location.pathname || lines.length === 0) return;
  const place = h("div", { class: "body", role: "status", id: "receipts" });
  const entries = lines.map(({ tx, block }) => h("li", { class: "row" }, t`Block ${block}: `, linked(tx)));
  const title = lines.length === 1 ? t`Done: one transaction` : t`Done: ${lines.length} transactions`;
  showNotice(place, "good", title, h("ul", { class: "plain small" }, entries));
  element("#main > .top", HTMLElement).after(place);
}

// @ts-check
// An order that this page sent and does not know the end of takes the form's place, so that nobody pays twice: after
// the page was loaded again, in another tab of it, and when the chain took too long.

import { askWhether, h, pushButton, showNotice } from "./dom.js";
import { clock, t } from "./language.js";
import { Problem, toProblem } from "./problems.js";
import * as sent from "./sent.js";
import { newestOf } from "./transact.js";
import { read } from "./wallet.js";

/** @typedef {import("./sent.js").Sent} Sent */

const PAUSE = 500; // milliseconds between two looks
/** @typedef {(made: number | string) => string} Naming */
export const naming = {
  /** @type {Naming} */
  license: (made) => t`license ${made}`,
  /** @type {Naming} */
  job: (made) => t`job ${made}`,
  /** @type {Naming} */
  offer: (made) => t`offer ${made}`,
};
/** @type {Record<string, Naming>} */
const kinds = naming;

/**
 * What became of an order: the number of what it made, or 0 while nobody knows. Throws when the chain refused it.
 * @param {Sent} order
 */
async function madeBy({ look, before, tx, made }) {
  if (made) return made;
  const newest = await newestOf(look);
  if (newest > before) return newest;
  const { answer } = tx ? await read("eth_getTransactionReceipt", [tx]) : { answer: null };
  if (!answer || BigInt(answer.status) === 1n) return 0; // the index is about to have it
  throw new Problem(t`The contract refused the order that you sent.`, t`Nothing was paid but gas.`, "reverted");
}

/**
 * Whatever this page sent and does not know the end of is told in place of a form.
 * @param {HTMLFormElement} form
 * @param {Naming} thing what it makes
 */
export function guard(form, thing) {
  const place = h("div", { role: "status", hidden: true });
  form.before(place);
  let told = "";

  async function check() {
    const [order] = sent.open();
    form.hidden = Boolean(order);
    place.hidden = !order;
    const which = order ? order.id + order.tx : "";
    if (order && which !== told) void tell(order);
    told = which;
  }

  /** @param {Sent} order */
  async function tell(order) {
    if (!order.made) showWaiting(order);
    while (sent.open().some(({ id, tx }) => id === order.id && tx === order.tx)) {
      try {
        const made = await madeBy(order);
        if (made) {
          sent.know(order.id, { made });
          const kind = order.goes.replaceAll("/", "").replace(/s$/, ""); // a form may order one thing for another
          showMade(order, (kinds[kind] ?? thing)(made), `${order.goes}${made}`);
          return;
        }
      } catch (error) {
        const { message, next, code } = toProblem(error);
        if (code === "reverted") {
          await end(order);
          place.hidden = false;
          showNotice(place, "bad", message, h("p", {}, next));
          return;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    await check();
  }

  /** @param {Sent} order */
  async function end({ id }) {
    sent.end(id);
    await check();
  }

  /** @param {Sent} order */
  function showWaiting(order) {
    const at = new Date(order.at).toLocaleTimeString(clock, { hour: "2-digit", minute: "2-digit" });
    const [title, words] = order.tx
      ? [
          t`Your order is under way`,
          t`It was sent at ${at} and waits for a block. Do not order again: this page follows by itself.`,
        ]
      : [
          t`An order waits for your signature`,
          t`Your wallet was asked at ${at}, and this page was loaded again before it answered. ` +
            t`If you signed, the order shows here by itself. If you did not, begin anew.`,
        ];
    const anew = pushButton(t`Begin anew`, async () => {
      const risk = t`If the first order was signed it may still arrive, and then you pay for both.`;
      if (await askWhether(t`Begin anew?`, [h("p", {}, risk)], t`Begin anew`, t`Go on waiting`)) await end(order);
    });
    showNotice(place, "wait", title, h("p", {}, words), h("p", {}, anew));
  }

  /**
   * @param {Sent} order
   * @param {string} name of what it made
   * @param {string} href its page
   */
  function showMade(order, name, href) {
    const there = h("a", { class: "button small", href, click: () => sent.end(order.id) }, t`Open ${name}`);
    const another = pushButton(t`Order another`, () => end(order));
    showNotice(place, "good", t`Your order went through: ${name}`, h("p", { class: "row" }, there, another));
  }

  sent.onChange(check);
  check();
  return check;
}

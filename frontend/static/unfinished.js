// @ts-check
// An order that this page sent and does not know the end of takes the form's place, so that nobody pays twice: after
// the page was loaded again, in another tab of it, and when the chain took too long.

import { h, openDialog, showNotice } from "./dom.js";
import { Problem, toProblem } from "./problems.js";
import * as sent from "./sent.js";
import { newestOf } from "./transact.js";
import { read } from "./wallet.js";

/** @typedef {import("./sent.js").Sent} Sent */

const PAUSE = 500; // milliseconds between two looks

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
  throw new Problem("The contract refused the order that you sent.", "Nothing was paid but gas.", "reverted");
}

/**
 * Whatever this page sent and does not know the end of is told in place of a form.
 * @param {HTMLFormElement} form
 * @param {string} thing what it makes: "License", "Job", "Offer"
 */
export function guard(form, thing) {
  const place = h("div", { role: "status", hidden: true });
  form.before(place);
  let told = "";
  const check = async () => {
    const [order] = sent.open();
    form.hidden = Boolean(order);
    place.hidden = !order;
    const which = order ? order.id + order.tx : "";
    if (order && which !== told) void tell(order, place, thing, check);
    told = which;
  };
  sent.onChange(check);
  check();
  return check;
}

/**
 * @param {Sent} order
 * @param {HTMLElement} place
 * @param {string} thing
 * @param {() => unknown} again
 */
async function tell(order, place, thing, again) {
  if (!order.made) showWaiting(order, place, again);
  while (sent.open().some(({ id, tx }) => id === order.id && tx === order.tx)) {
    try {
      const made = await madeBy(order);
      if (made) {
        sent.know(order.id, { made });
        showMade(order, made, place, thing, again);
        return;
      }
    } catch (error) {
      const { message, next, code } = toProblem(error);
      if (code === "reverted") {
        sent.end(order.id);
        await again();
        place.hidden = false;
        showNotice(place, "bad", message, h("p", {}, next));
        return;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
  await again();
}

/**
 * @param {string} words
 * @param {() => unknown} click
 */
const quiet = (words, click) => h("button", { class: "button quiet small", type: "button", click }, words);

/**
 * @param {Sent} order
 * @param {HTMLElement} place
 * @param {() => unknown} again
 */
function showWaiting(order, place, again) {
  const at = new Date(order.at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const anew = h(
    "p",
    {},
    quiet("Begin anew", () => forget(order, again)),
  );
  if (order.tx) {
    const words = `It was sent at ${at} and waits for a block. Do not order again: this page follows by itself.`;
    const which = h("p", { class: "small" }, "Transaction ", h("code", {}, `${order.tx.slice(0, 12)}…`));
    showNotice(place, "wait", "Your order is under way", h("p", {}, words), which, anew);
    return;
  }
  const words =
    `Your wallet was asked at ${at}, and this page was loaded again before it answered. If you signed, the order ` +
    "shows here by itself. If you did not, begin anew.";
  showNotice(place, "wait", "An order waits for your signature", h("p", {}, words), anew);
}

/**
 * @param {Sent} order
 * @param {number} made
 * @param {HTMLElement} place
 * @param {string} thing
 * @param {() => unknown} again
 */
function showMade(order, made, place, thing, again) {
  const kind = order.goes.replaceAll("/", "").replace(/s$/, ""); // a form may order one thing for another
  const name = `${kind || thing.toLowerCase()} ${made}`;
  const seen = () => sent.end(order.id);
  const there = h("a", { class: "button small", href: `${order.goes}${made}`, click: seen }, `Open ${name}`);
  const another = quiet("Order another", () => {
    seen();
    again();
  });
  showNotice(place, "good", `Your order went through: ${name}`, h("p", { class: "row" }, there, another));
}

/**
 * Let go of an order whose end is not known, when the visitor says that it will not come.
 * @param {Sent} order
 * @param {() => unknown} again
 */
async function forget(order, again) {
  const sure = await openDialog("Begin anew?", (/** @type {Done<true>} */ done) => [
    h("p", {}, "If the first order was signed it may still arrive, and then you pay for both."),
    h(
      "div",
      { class: "row" },
      h("button", { class: "button", type: "button", click: () => done(true) }, "Begin anew"),
      h("button", { class: "button quiet", type: "button", click: () => done(null) }, "Go on waiting"),
    ),
  ]);
  if (!sure) return;
  sent.end(order.id);
  await again();
}

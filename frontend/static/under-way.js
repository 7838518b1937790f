// @ts-check
// Actions that are under way or have said something outlive a part of the page that loads again: their button keeps its
// state and the focus, and the place where they speak stays the same element, also when the new part has no such
// button.

import { element, elements, h } from "./dom.js";

/** @typedef {{ place: HTMLElement, state: "under way" | "done" | "said" }} Action */

/** @type {Map<string, Action>} */
const actions = new Map(); // by what a button orders
let focused = ""; // what the button with the focus ordered, while a part is swapped

/**
 * What a button orders, by which it is known again.
 * @param {HTMLElement} button
 */
export const orderOf = (button) => `${button.dataset.act} ${button.dataset.body}`;

/** @param {HTMLElement} button */
function placeOf(button) {
  const { sayIn } = button.dataset;
  const named = sayIn ? document.querySelector(sayIn) : null;
  if (named instanceof HTMLElement) return named;
  return element("[data-say]", HTMLElement, button.closest("[data-acts]") ?? button.parentElement ?? document);
}

/**
 * Mark a button's action as under way; the element in which it speaks.
 * @param {HTMLButtonElement} button
 */
export function begin(button) {
  const place = placeOf(button);
  actions.set(orderOf(button), { place, state: "under way" });
  for (const each of buttons(orderOf(button))) each.disabled = true;
  return place;
}

/**
 * The action that `button` began is over; whoever wants may begin it again.
 * @param {HTMLButtonElement} button
 */
export function end(button) {
  const order = orderOf(button);
  const place = actions.get(order)?.place;
  if (place?.hasChildNodes()) actions.set(order, { place, state: "said" });
  else actions.delete(order);
  for (const each of buttons(order)) each.disabled = false;
}

/**
 * The action that `button` began has succeeded; the button stays as it is until the page loads again.
 * @param {HTMLButtonElement} button
 */
export function done(button) {
  const action = actions.get(orderOf(button));
  if (action) action.state = "done";
}

/** Whether any action is under way. */
export function anyUnderWay() {
  return Array.from(actions.values()).some((each) => each.state === "under way");
}

/**
 * All buttons of the page for one order: a button that was pressed may have been swapped since.
 * @param {string} order
 */
export function buttons(order) {
  return elements("[data-act]", HTMLButtonElement).filter((each) => orderOf(each) === order);
}

/** Bring what is remembered of all actions into a part that has just been swapped in. */
export function restore() {
  for (const [order, { place, state }] of actions) {
    const [button] = buttons(order);
    if (button) {
      button.disabled = state !== "said";
      const now = placeOf(button);
      if (now !== place) now.replaceWith(place);
      if (order === focused) button.focus({ preventScroll: true });
    } else if (!place.isConnected && place.hasChildNodes()) {
      element("#main > .top", HTMLElement).after(h("div", { class: "body" }, place));
    }
  }
}

document.body.addEventListener("htmx:beforeSwap", () => {
  const button = document.activeElement?.closest("[data-act]");
  focused = button instanceof HTMLElement ? orderOf(button) : "";
});

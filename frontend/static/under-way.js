// Actions that are under way or have said something outlive a part of the page that loads again: their button keeps its
// state and the focus, and the place where they speak stays the same element, also when the new part has no such button.

import { h } from "./dom.js";

const actions = new Map(); // what a button orders -> { place, state: "under way", "done" or "said" }
let focused = ""; // what the button with the focus ordered, while a part is swapped

const orderOf = (button) => `${button.dataset.act} ${button.dataset.body}`;

function placeOf(button) {
  const named = button.dataset.sayIn ? document.querySelector(button.dataset.sayIn) : null;
  return named ?? (button.closest("[data-acts]") ?? button.parentElement).querySelector("[data-say]");
}

/** Mark a button's action as under way; the element in which it speaks. */
export function begin(button) {
  const place = placeOf(button);
  actions.set(orderOf(button), { place, state: "under way" });
  for (const each of buttons(orderOf(button))) each.disabled = true;
  return place;
}

/** The action that `button` began is over; whoever wants may begin it again. */
export function end(button) {
  const order = orderOf(button);
  const { place } = actions.get(order);
  if (place.hasChildNodes()) actions.set(order, { place, state: "said" });
  else actions.delete(order);
  for (const each of buttons(order)) each.disabled = false;
}

/** The action that `button` began has succeeded; the button stays as it is until the page loads again. */
export function done(button) {
  actions.get(orderOf(button)).state = "done";
}

/** Whether any action is under way. */
export function anyUnderWay() {
  return Array.from(actions.values()).some((each) => each.state === "under way");
}

/** All buttons of the page for one order: a button that was pressed may have been swapped since. */
function buttons(order) {
  return Array.from(document.querySelectorAll("[data-act]")).filter((each) => orderOf(each) === order);
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
      document.querySelector("#main > .top").after(h("div", { class: "body" }, place));
    }
  }
}

document.body.addEventListener("htmx:beforeSwap", () => {
  const button = document.activeElement?.closest("[data-act]");
  focused = button ? orderOf(button) : "";
});

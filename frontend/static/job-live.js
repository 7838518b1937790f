// @ts-check
// A job's page follows the chain: each event makes the page's part load again, and states are said aloud.

import { data, element, elements, h, pushButton, showNotice } from "./dom.js";
import { t } from "./language.js";
import { tellOutside } from "./notices.js";
import { announce } from "./page.js";
import "./actions.js";

const WAIT = 250; // milliseconds in which events count as one

const part = () => element("#live", HTMLElement);
const folds = () => elements("details", HTMLDetailsElement, part());
/** @param {HTMLDetailsElement} fold */
const titleOf = (fold) => fold.querySelector("summary")?.textContent ?? "";
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** @type {EventSource | null} */
let source = null;
let state = part().dataset.state;
let connection = "";
let undone = false;
let pressed = false;
/** @type {string[]} */
let unfolded = []; // the details that are open while the part is swapped
let late = false; // a part came while something was pressed

function refresh() {
  clearTimeout(timer);
  timer = setTimeout(() => document.body.dispatchEvent(new Event("job-changed")), WAIT);
}

function show() {
  const place = part().querySelector("[data-live]");
  if (!(place instanceof HTMLElement)) return;
  place.dataset.state = connection === "live" ? "on" : "off";
  place.textContent = connection;
  if (undone && !document.querySelector("#undone")) {
    const notice = h("div", { id: "undone" });
    const words = t`A reorganisation undid what was shown before. What you see now is what the chain says now.`;
    showNotice(notice, "wait", t`The chain took back some blocks`, h("p", {}, words));
    part().prepend(notice);
  }
}

function follow() {
  if (part().dataset.over) return;
  source = new EventSource(`/v1/jobs/${data(part(), "job")}/events`);
  source.onopen = () => {
    connection = "live";
    show();
    refresh();
  };
  source.onerror = () => {
    connection = t`connection lost, trying again`;
    show();
  };
  source.addEventListener("event", refresh);
  source.addEventListener("reorganised", () => {
    undone = true;
    announce(t`The chain took back some blocks`);
    refresh();
  });
}

// A part that is swapped between press and release would swallow the click, so it waits until nothing is pressed.
addEventListener("pointerdown", () => {
  pressed = true;
});
addEventListener("keydown", (event) => {
  pressed ||= event.key === " ";
});
for (const name of ["pointerup", "pointercancel", "dragend", "keyup", "blur"]) {
  addEventListener(name, () => {
    pressed = false;
    if (late) refresh();
    late = false;
  });
}
document.body.addEventListener("htmx:beforeSwap", (event) => {
  if (pressed) {
    event.detail.shouldSwap = false;
    late = true;
  }
  unfolded = folds()
    .filter((each) => each.open)
    .map(titleOf);
});
document.body.addEventListener("htmx:afterSwap", () => {
  for (const each of folds()) each.open ||= unfolded.includes(titleOf(each));
});

document.body.addEventListener("htmx:afterSettle", () => {
  const now = part().dataset.state;
  if (now && now !== state) {
    const words = element(".status", HTMLElement, part()).textContent.trim();
    announce(t`Job is now: ${words}`);
    if (part().dataset.over) tell(words);
  }
  state = now;
  drawAsking();
  if (part().dataset.over) source?.close();
  show();
});

/**
 * The job is over: say so in the tab's name and, where the visitor asked for it, outside of the page.
 * @param {string} words
 */
function tell(words) {
  const job = t`Job ${data(part(), "job")}`;
  document.title = `${words}: ${job}`;
  tellOutside(`${job}: ${words}`, `job ${data(part(), "job")}`);
}

/** A button that lets the page say outside of itself that the job is over, where the browser has not decided yet. */
function drawAsking() {
  const place = part().querySelector("[data-tell]");
  if (!(place instanceof HTMLElement) || !("Notification" in window)) return;
  place.replaceChildren(
    Notification.permission === "default"
      ? pushButton(t`Tell me when it is over`, () => Notification.requestPermission().then(drawAsking))
      : h("span", { class: "small soft" }, Notification.permission === "granted" ? t`You will be told` : ""),
  );
}

drawAsking();
follow();
addEventListener("pagehide", () => source?.close());

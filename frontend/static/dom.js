// @ts-check
// Elements without markup strings, icons, and messages that say what happened and what to do.

import { t } from "./language.js";
import { toProblem } from "./problems.js";

const SVG = "http://www.w3.org/2000/svg";
const PATHS = {
  check: "M3.5 8.5l3 3 6-7",
  cross: "M4 4l8 8M12 4l-8 8",
  warn: "M8 2L1.5 13.5h13zM8 6.3v3.4M8 11.6v.3",
  info: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM8 7.2v4M8 4.6v.4",
  clock: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM8 4.6V8l2.4 1.6",
  key: "M5.500 7.200a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM7.700 8.100L13.500 2.300M11 4.800l2 2",
  down: "M8 2v8.500M4.500 7.500L8 11l3.500-3.500M2.500 14h11",
};

/** @typedef {keyof typeof PATHS} Icon */

/** @type {Record<Tone, Icon>} */
const ICON_OF = { calm: "clock", good: "check", wait: "info", bad: "warn" };

/**
 * The element that a selector names first, which has to be there and of this type.
 * @template {Element} T
 * @param {string} selector
 * @param {new () => T} type
 * @param {ParentNode} [root]
 * @returns {T}
 */
export function element(selector, type, root = document) {
  const found = root.querySelector(selector);
  if (found instanceof type) return found;
  throw new Error(`this page has no ${type.name} ${selector}`);
}

/**
 * All elements of this type that a selector names.
 * @template {Element} T
 * @param {string} selector
 * @param {new () => T} type
 * @param {ParentNode} [root]
 * @returns {T[]}
 */
export function elements(selector, type, root = document) {
  return Array.from(root.querySelectorAll(selector)).flatMap((each) => (each instanceof type ? [each] : []));
}

/** How many pixels wide a drawing on this page can be: drawn so, its words have the size that they are given. */
export const room = () =>
  Math.round(Math.min(1040, Math.max(240, (document.querySelector("main")?.clientWidth ?? 800) - 80)));

/**
 * The element of this type that an event began in or inside, as a selector names it; null for none.
 * @param {Event} event
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
export function target(event, selector) {
  const found = event.target instanceof Element ? event.target.closest(selector) : null;
  return found instanceof HTMLElement ? found : null;
}

/**
 * A `data-` attribute that has to be there.
 * @param {HTMLElement} place
 * @param {string} name as in `dataset`
 */
export function data(place, name) {
  const value = place.dataset[name];
  if (value === undefined) throw new Error(`${place.localName} has no data attribute ${name}`);
  return value;
}

/**
 * The input of a form by its name.
 * @param {HTMLFormElement} form
 * @param {string} name
 */
export function input(form, name) {
  const found = form.elements.namedItem(name);
  if (found instanceof HTMLInputElement) return found;
  throw new Error(`this form has no input ${name}`);
}

/**
 * A new element: its attributes, then its children.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, String(value));
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/**
 * A new element of a drawing.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} name
 * @param {Record<string, string | number>} [attributes]
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(name, attributes = {}) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

/** @param {Icon} name */
export function icon(name) {
  const drawn = svg("svg", {
    class: "icon",
    viewBox: "0 0 16 16",
    fill: "none",
    stroke: "currentColor",
    "stroke-width": "1.6",
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
    "aria-hidden": "true",
    focusable: "false",
  });
  drawn.append(svg("path", { d: PATHS[name] }));
  return drawn;
}

/**
 * A state in a word or two, with its icon.
 * @param {Tone} tone
 * @param {Icon} sign
 * @param {string} words
 */
export function status(tone, sign, words) {
  return h("span", { class: `status ${tone}` }, icon(sign), words);
}

/**
 * Say something in a place that assistive technology listens to.
 * @param {Element} place
 * @param {Tone} tone
 * @param {string} title
 * @param {...Child} rest
 */
export function showNotice(place, tone, title, ...rest) {
  place.replaceChildren(
    h("div", { class: `notice ${tone}` }, icon(ICON_OF[tone]), h("p", { class: "strong" }, title), ...rest),
  );
}

/** @param {Element} place */
export function clearNotice(place) {
  place.replaceChildren();
}

/**
 * Say in `place` what went wrong and what to do next.
 * @param {Element} place
 * @param {unknown} error
 * @param {...Child} rest
 */
export function showProblem(place, error, ...rest) {
  const { message, next, code } = toProblem(error);
  const words = { "no-wallet": t` Connect a wallet.`, "not-signed-in": t` Sign in.`, "wrong-network": t` Switch.` }[
    code
  ];
  const link = words ? h("a", { href: "/wallet" }, words) : null;
  showNotice(place, "bad", message, h("p", {}, next, link), ...rest);
}

/**
 * A field of a dialog: its label, a hint perhaps, and the place where `fieldError` says what is wrong with it.
 * @param {string} id
 * @param {string} label
 * @param {Attributes} attributes
 * @param {string} [hint]
 */
export function field(id, label, attributes, hint = "") {
  const described = hint ? `${id}-hint ${id}-wrong` : `${id}-wrong`;
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    hint ? h("p", { class: "hint", id: `${id}-hint` }, hint) : null,
    h("input", { id, name: id, "aria-describedby": described, ...attributes }),
    h("p", { class: "wrong", id: `${id}-wrong`, hidden: true }),
  );
}

/**
 * Say at a field what is wrong with it, in the element that has its id and "-wrong"; without a message take it back.
 * @param {HTMLInputElement | HTMLFieldSetElement} at
 * @param {string} [message]
 */
export function fieldError(at, message = "") {
  const place = element(`#${CSS.escape(at.id)}-wrong`, HTMLElement);
  // a group is not a value
  if (at instanceof HTMLInputElement) at.setAttribute("aria-invalid", String(Boolean(message)));
  place.hidden = !message;
  place.textContent = message;
}

/**
 * A modal dialog; resolves with what `done` is given, or null when it is closed.
 * @template T
 * @param {string} title
 * @param {(done: Done<T>) => Node[]} build
 * @returns {Promise<T | null>}
 */
export function openDialog(title, build) {
  return new Promise((resolve) => {
    /** @type {T | null} */
    let answer = null;
    const id = `dialog-${Math.random().toString(36).slice(2)}`;
    const dialog = h("dialog", { "aria-labelledby": id });
    /** @type {Done<T>} */
    const done = (value) => {
      answer = value;
      dialog.close();
    };
    dialog.append(h("div", { class: "stack" }, h("h2", { id }, title), ...build(done)));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * A button of some look that does something.
 * @param {Child | Child[]} words
 * @param {() => unknown} click
 * @param {string} [kind]
 */
export const pushButton = (words, click, kind = "quiet small") =>
  h("button", { class: `button ${kind}`, type: "button", click }, words);

/**
 * Ask in a dialog whether to go on; true, or null for a no.
 * @param {string} title
 * @param {Node[]} body
 * @param {string} yes
 * @param {string} no
 */
export const askWhether = (title, body, yes, no) =>
  openDialog(title, (/** @type {Done<true>} */ done) => [
    ...body,
    h(
      "div",
      { class: "row" },
      pushButton(yes, () => done(true), ""),
      pushButton(no, () => done(null), "quiet"),
    ),
  ]);

/**
 * Hand bytes or text to the visitor as a file.
 * @param {string} name
 * @param {Bytes | string} content
 * @param {string} type
 */
export function download(name, content, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** The numbered steps of something that is under way. */
export class Steps {
  /** @param {ParentNode} root */
  constructor(root) {
    this.items = new Map(elements("[data-step]", HTMLElement, root).map((item) => [item.dataset.step, item]));
  }

  /**
   * @param {string} name
   * @param {"doing" | "done" | "failed"} now
   */
  set(name, now) {
    const item = this.items.get(name);
    if (item) item.dataset.now = now;
  }

  clear() {
    for (const item of this.items.values()) delete item.dataset.now;
  }

  /**
   * Run one step, marked while it runs and by how it ended.
   * @template T
   * @param {string} name
   * @param {() => T | Promise<T>} work
   * @returns {Promise<T>}
   */
  async run(name, work) {
    this.set(name, "doing");
    try {
      const value = await work();
      this.set(name, "done");
      return value;
    } catch (error) {
      this.set(name, "failed");
      throw error;
    }
  }
}

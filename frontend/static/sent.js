// @ts-check
// What this browser sent to the chain, kept until its end is known: a page that is loaded again, or another tab of it,
// tells of an order that is under way in place of asking for it a second time. Nothing in it is secret.

const KEY = "darkroom.sent";
const DAY = 86_400_000; // milliseconds after which nobody waits any more
const MOST = 20;

/**
 * `what` is the order, as the page that made it knows it again; `look`, where the newest thing of its kind is listed,
 * of which `before` was the number; `goes`, the address of such a thing less its number; `tx`, once the wallet told it;
 * `made`, the number of what it made, until the visitor has gone there.
 * @typedef {{
 *   id: string, path: string, what: string, at: number, look: string, before: number, goes: string, tx: string,
 *   made: number,
 * }} Sent
 */

/** @returns {Sent[]} */
function all() {
  try {
    /** @type {Sent[]} */
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return kept.filter((each) => Date.now() - each.at < DAY);
  } catch {
    return [];
  }
}

/** @param {Sent[]} list */
function keep(list) {
  try {
    localStorage.setItem(KEY, JSON.stringify(list.slice(-MOST)));
  } catch {
    /* storage is off: a page that is loaded again cannot know */
  }
}

/** What this page sent and does not know the end of, the latest first. */
export const open = () =>
  all()
    .filter((each) => each.path === location.pathname)
    .reverse();

/**
 * Remember that a wallet is about to be asked.
 * @param {string} what
 * @param {{ look?: string, before?: number, goes?: string }} [found]
 */
export function begin(what, { look = "", before = 0, goes = "" } = {}) {
  const id = `${Date.now()} ${Math.random()}`;
  keep([...all(), { id, path: location.pathname, what, at: Date.now(), look, before, goes, tx: "", made: 0 }]);
  return id;
}

/**
 * @param {string} id
 * @param {{ tx?: string, made?: number }} found
 */
export function know(id, found) {
  keep(all().map((each) => (each.id === id ? { ...each, ...found } : each)));
}

/** @param {string} id */
export function end(id) {
  keep(all().filter((each) => each.id !== id));
}

/**
 * Call `listener` when another tab remembers or forgets something.
 * @param {() => unknown} listener
 */
export function onChange(listener) {
  addEventListener("storage", ({ key }) => {
    if (key === KEY) listener();
  });
}

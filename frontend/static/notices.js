// @ts-check
// Jobs of the connected account that end while the visitor is on any page: said in a corner of the page, in the tab's
// name while nobody looks at it, and outside of the browser where the visitor allowed that. While no job runs the node
// is asked once for each page and no more.

import { h, icon } from "./dom.js";
import { t } from "./language.js";
import * as wallet from "./wallet.js";

/** @typedef {{ id: number, state: string, closed_at: number }} SeenJob */

const EVERY = 10_000; // milliseconds between looks while a job runs
const MOST = 20; // jobs that are looked at, the newest
const KEPT = "darkroom.running"; // the account whose jobs ran at the last look of any tab, and their numbers

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let account = "";
/** @type {number[]} */
let running = [];
let missed = 0; // jobs that ended while nobody looked
let title = "";

/**
 * Say something outside of the browser's window, where the visitor allowed it and does not see the page.
 * @param {string} words
 * @param {string} tag what it is about: said once, by however many tabs
 */
export function tellOutside(words, tag) {
  if (!("Notification" in window) || Notification.permission !== "granted" || !document.hidden) return;
  const notice = new Notification(words, { tag });
  notice.onclick = () => window.focus();
}

/**
 * Follow the connected account's jobs for as long as the page is open.
 * @param {(words: string) => void} announce
 */
export function followJobs(announce) {
  wallet.onChange(() => {
    if (account === wallet.account()) return;
    account = wallet.account();
    running = account ? kept() : [];
    look(announce);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    if (missed) document.title = title;
    missed = 0;
    look(announce);
  });
}

/** @returns {number[]} */
function kept() {
  try {
    const [whose, numbers] = JSON.parse(localStorage.getItem(KEPT) ?? "[]");
    return whose === account ? numbers : [];
  } catch {
    return [];
  }
}

/** @param {(words: string) => void} announce */
async function look(announce) {
  clearTimeout(timer);
  const whose = account;
  if (!whose) return;
  const jobs = await seen(whose);
  if (whose !== account) return;
  if (jobs) {
    for (const job of jobs) if (job.closed_at && running.includes(job.id)) tell(job, announce);
    running = jobs.filter((each) => !each.closed_at).map((each) => each.id);
    try {
      localStorage.setItem(KEPT, JSON.stringify([whose, running]));
    } catch {
      /* then the next page does not know what ran */
    }
  }
  if (running.length) timer = setTimeout(look, EVERY, announce);
}

/**
 * An account's newest jobs; null where the node does not answer.
 * @param {string} whose
 * @returns {Promise<SeenJob[] | null>}
 */
async function seen(whose) {
  try {
    const answer = await fetch(`/v1/jobs?buyer=${whose}&limit=${MOST}`);
    return answer.ok ? (await answer.json()).items : null;
  } catch {
    return null;
  }
}

/**
 * @param {SeenJob} job
 * @param {(words: string) => void} announce
 */
function tell(job, announce) {
  const own = document.querySelector("#live");
  if (own instanceof HTMLElement && own.dataset.job === String(job.id)) return; // its own page says it itself
  const number = job.id;
  const words =
    job.state === "settled" ? t`Job ${number}: the result is there` : t`Job ${number} ended without a result`;
  const close = h("button", { type: "button", class: "copy", "aria-label": t`Close` }, icon("cross"));
  const note = h("div", { class: "told" }, h("a", { href: `/jobs/${number}` }, words), close);
  close.addEventListener("click", () => note.remove());
  document.body.append(note);
  announce(words);
  if (!document.hidden) return;
  title ||= document.title;
  missed += 1;
  document.title = `(${missed}) ${title}`;
  tellOutside(words, `job ${number}`);
}

// @ts-check
// What every page does: theme, copying, the wallet's place in the header, and telling when the node is out of reach.

import { config } from "./config.js";
import { data, element, elements, h, icon, showNotice, target } from "./dom.js";
import { clock, locale, t } from "./language.js";
import { followJobs } from "./notices.js";
import * as wallet from "./wallet.js";

const COPIED = 1_500; // milliseconds in which a button says that it copied
const announcer = element("#announcer", HTMLElement);

/**
 * Say something to assistive technology alone.
 * @param {string} text
 */
export function announce(text) {
  announcer.textContent = "";
  setTimeout(() => {
    announcer.textContent = text;
  }, 50);
}

function switchTheme() {
  const root = document.documentElement;
  const { theme } = root.dataset;
  const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const chosen = dark ? "light" : "dark";
  root.dataset.theme = chosen;
  try {
    localStorage.setItem("darkroom.theme", chosen);
  } catch {
    /* it lasts for this page */
  }
  announce(dark ? t`light theme` : t`dark theme`);
}

async function search() {
  const { openPalette } = await import("./palette.js");
  await openPalette();
}

addEventListener("keydown", (event) => {
  if (event.key !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
  event.preventDefault();
  search();
});

document.addEventListener("click", async (event) => {
  if (target(event, "[data-search]")) {
    event.preventDefault();
    search();
    return;
  }
  if (target(event, "[data-theme-toggle]")) {
    switchTheme();
    return;
  }
  const button = target(event, "[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(data(button, "copy"));
    announce(t`Copied`);
    const before = Array.from(button.childNodes);
    button.replaceChildren(icon("check"));
    setTimeout(() => button.replaceChildren(...before), COPIED);
  } catch {
    announce(t`Copying is not allowed in this browser`);
  }
});

wallet.onChange(() => {
  const link = element("[data-account]", HTMLAnchorElement);
  const name = element("[data-account-name]", HTMLElement);
  const address = wallet.account();
  name.textContent = address ? `${address.slice(0, 6)}…${address.slice(-4)}` : t`Wallet`;
  link.href = address ? `/accounts/${address}` : "/wallet";
  link.setAttribute("aria-label", address ? t`Account ${name.textContent}` : t`Connect a wallet`);
  for (const own of elements("[data-own]", HTMLAnchorElement)) {
    own.href = address ? `${own.dataset.own}${address}` : "/wallet";
    own.dataset.words ??= own.textContent;
    own.textContent = address ? own.dataset.words : t`Connect a wallet first`;
  }
});

/** Whatever names the connected account says so: addresses look alike. */
function markOwn() {
  for (const each of elements("main .you", HTMLElement)) each.remove();
  const own = wallet.account().toLowerCase();
  if (!own) return;
  for (const link of elements("main a[title]", HTMLAnchorElement)) {
    if (link.title.toLowerCase() === own) link.append(h("span", { class: "you" }, t` (you)`));
  }
}
wallet.onChange(markOwn);
followJobs(announce);

const AGO = /** @type {const} */ ([
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
]);
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });

/** Times are written in UTC; pointing at one tells it by the visitor's own clock, and how long ago it was. */
function tellTimes() {
  for (const each of elements("main time", HTMLTimeElement)) {
    const at = new Date(each.dateTime);
    const seconds = Math.round(at.getTime() / 1000 - config.now);
    const [unit, size] = AGO.find(([, length]) => Math.abs(seconds) >= length) ?? AGO[3];
    each.title = t`${relative.format(Math.round(seconds / size), unit)}, ${at.toLocaleString(clock)} here`;
  }
}
tellTimes();
for (const told of [markOwn, tellTimes]) document.body.addEventListener("htmx:afterSwap", told);

const lost = h("div", { class: "body", role: "alert", hidden: true });
element("#main", HTMLElement).prepend(lost);

for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.body.addEventListener(name, () => {
    const words = t`What you see may be old. It is tried again when you change something.`;
    showNotice(lost, "bad", t`This node does not answer`, h("p", {}, words));
    lost.hidden = false;
  });
}
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) lost.hidden = true;
});

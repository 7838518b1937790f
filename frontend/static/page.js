// What every page does: theme, copying, the wallet's place in the header, and telling when the node is out of reach.

import { h, say } from "./dom.js";
import * as wallet from "./wallet.js";

const announcer = document.querySelector("#announcer");

export function announce(text) {
  announcer.textContent = "";
  setTimeout(() => {
    announcer.textContent = text;
  }, 50);
}

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("darkroom.theme", root.dataset.theme);
  } catch {
    /* it lasts for this page */
  }
  announce(`${root.dataset.theme} theme`);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-theme-toggle]");
  if (!button) return;
  if (button.hasAttribute("data-theme-toggle")) return switchTheme();
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    announce("Copied");
  } catch {
    announce("Copying is not allowed in this browser");
  }
});

wallet.onChange(() => {
  const link = document.querySelector("[data-account]");
  const name = document.querySelector("[data-account-name]");
  const address = wallet.account();
  name.textContent = address ? `${address.slice(0, 6)}…${address.slice(-4)}` : "Wallet";
  link.href = address ? `/accounts/${address}` : "/wallet";
  link.setAttribute("aria-label", address ? `Account ${name.textContent}` : "Connect a wallet");
  for (const each of document.querySelectorAll("[data-own]")) {
    each.href = address ? `${each.dataset.own}${address}` : "/wallet";
    each.dataset.words ??= each.textContent;
    each.textContent = address ? each.dataset.words : "Connect a wallet first";
  }
});

const lost = h("div", { class: "body", role: "alert", hidden: true });
document.querySelector("#main").prepend(lost);

for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.body.addEventListener(name, () => {
    say(
      lost,
      "bad",
      "This node does not answer",
      h("p", {}, "What you see may be old. It is tried again when you change something."),
    );
    lost.hidden = false;
  });
}
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) lost.hidden = true;
});

// @ts-check
// The demo wallet's accounts on the wallet page: which one signs, new ones, and files that hold one each.

import * as demo from "./demo-wallet.js";
import { download, field, fieldError, h, icon, input, openDialog, pushButton, showNotice, status } from "./dom.js";
import { t } from "./language.js";
import { toProblem } from "./problems.js";

/** @typedef {import("./demo-wallet.js").Account} Account */

/** @param {string} address */
const short = (address) => `${address.slice(0, 8)}…${address.slice(-4)}`;

/**
 * Show them in `place`; `attempt(work)` runs what a button asked for and says what went wrong.
 * @param {Element} place
 * @param {(work: () => Promise<unknown>) => unknown} attempt
 */
export async function showAccounts(place, attempt) {
  const held = await demo.accounts();
  const exportFile = async () => {
    const { name, bytes } = await demo.exportFile();
    download(name, bytes, "application/json");
  };
  place.replaceChildren(
    h("h3", {}, t`Its accounts`),
    h("ul", { class: "plain stack tight" }, held.map(entry)),
    h(
      "div",
      { class: "row" },
      pushButton([t`New account`], () => attempt(demo.create)),
      pushButton([t`Save as a file`], () => attempt(exportFile)),
      pushButton([t`Import a file`], importInDialog),
    ),
    h(
      "p",
      { class: "small soft" },
      t`For test money only: a file holds its account's key in the open. `,
      t`Never put an account in here that owns anything real.`,
    ),
  );
}

/** @param {Account} account */
function entry({ address, label, current }) {
  const name = h(
    "span",
    {},
    h("span", { class: "mono small", title: address }, short(address)),
    label ? h("span", { class: "soft small" }, ` ${label}`) : null,
  );
  const hidden = h("span", { class: "visually-hidden" }, ` ${short(address)} ${label}`);
  const use = () => pushButton([t`Use`, hidden], () => demo.choose(address));
  return h(
    "li",
    { class: "spread" },
    h("span", { class: "row" }, icon("key"), name),
    current ? status("good", "check", t`Signs now`) : use(),
  );
}

function importInDialog() {
  return openDialog(t`Import a test account`, (/** @type {Done<string>} */ done) => {
    const place = h("div", { role: "status" });
    const form = h(
      "form",
      { class: "stack", novalidate: true },
      field(
        "account-file",
        t`Account file`,
        { type: "file", accept: ".json,application/json", autofocus: true },
        t`One that this page saved. A node with the sample dataset has its owner's account in its folder samples.`,
      ),
      place,
      h(
        "div",
        { class: "row" },
        h("button", { class: "button", type: "submit" }, t`Import`),
        pushButton([t`Cancel`], () => done(null), "quiet"),
      ),
    );
    const chosen = input(form, "account-file");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const file = chosen.files?.[0];
      if (!file) {
        fieldError(chosen, t`Choose the file of a test account.`);
        return;
      }
      try {
        done(await demo.importFile(new Uint8Array(await file.slice(0, 1 << 16).arrayBuffer())));
      } catch (error) {
        const { message, next, code } = toProblem(error);
        fieldError(chosen);
        if (code === "offline") showNotice(place, "bad", message, h("p", {}, next));
        else fieldError(chosen, `${message} ${next}`);
      }
    });
    return [form];
  });
}

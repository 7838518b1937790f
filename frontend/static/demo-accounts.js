// The demo wallet's accounts on the wallet page: which one signs, new ones, and files that hold one each.

import * as demo from "./demo-wallet.js";
import { ask, download, field, h, icon, say, status, wrong } from "./dom.js";
import { explain } from "./problems.js";

const button = (words, click, kind = "quiet small") =>
  h("button", { class: `button ${kind}`, type: "button", click }, words);
const short = (address) => `${address.slice(0, 8)}…${address.slice(-4)}`;

/** Show them in `place`; `attempt(work)` runs what a button asked for and says what went wrong. */
export async function showAccounts(place, attempt) {
  const held = await demo.accounts();
  const named = (each) =>
    h(
      "span",
      {},
      h("span", { class: "mono small", title: each.address }, short(each.address)),
      each.label ? h("span", { class: "soft small" }, ` ${each.label}`) : null,
    );
  place.replaceChildren(
    h("h3", {}, "Its accounts"),
    h(
      "ul",
      { class: "plain stack tight" },
      held.map((each) =>
        h(
          "li",
          { class: "spread" },
          h("span", { class: "row" }, icon("key"), named(each)),
          each.current
            ? status("good", "check", "Signs now")
            : button(["Use", h("span", { class: "visually-hidden" }, ` ${short(each.address)} ${each.label}`)], () =>
                demo.choose(each.address),
              ),
        ),
      ),
    ),
    h(
      "div",
      { class: "row" },
      button("New account", () => attempt(demo.create)),
      button("Save as a file", () =>
        attempt(async () => {
          const { name, bytes } = await demo.save();
          download(name, bytes, "application/json");
        }),
      ),
      button("Import a file", bringInDialog),
    ),
    h(
      "p",
      { class: "small soft" },
      "For test money only: a file holds its account's key in the open. Never put an account in here that owns anything real.",
    ),
  );
}

function bringInDialog() {
  return ask("Import a test account", (done) => {
    const place = h("div", { role: "status" });
    const form = h(
      "form",
      { class: "stack", novalidate: true },
      field(
        "account-file",
        "Account file",
        { type: "file", accept: ".json,application/json", autofocus: true },
        "One that this page saved. A node with the sample dataset has its owner's account in its folder samples.",
      ),
      place,
      h(
        "div",
        { class: "row" },
        h("button", { class: "button", type: "submit" }, "Import"),
        button("Cancel", () => done(null), "quiet"),
      ),
    );
    const input = form.elements["account-file"];
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const [file] = input.files;
      if (!file) return wrong(input, "Choose the file of a test account.");
      try {
        done(await demo.bring(new Uint8Array(await file.slice(0, 1 << 16).arrayBuffer())));
      } catch (error) {
        const { message, next, code } = explain(error);
        wrong(input);
        if (code === "offline") say(place, "bad", message, h("p", {}, next));
        else wrong(input, `${message} ${next}`);
      }
      return undefined;
    });
    return [form];
  });
}

// The buyer's X25519 keys, made in this browser. The private half is kept where scripts can use but not read it; a
// recovery file under a passphrase is handed out when the key is made, and is the only copy.

import { fromHex, join, toHex } from "./bytes.js";
import { ask, download, field, h, hush, say, wrong } from "./dom.js";
import { Problem, explain } from "./problems.js";
import * as store from "./store.js";

const PLACE = "sealing-keys";
const HOLDS = "darkroom/sealing-key";
const PKCS8 = fromHex("302e020100300506032b656e04220420");
const LEAST = 8; // letters of a passphrase
const MOST = 1 << 17; // bytes that are read of a recovery file; the format's limit is half of that

export async function keys() {
  const found = await store.all(PLACE);
  return found.sort((one, other) => other.made - one.made);
}

export const find = (publicKey) => store.get(PLACE, publicKey);
export const forget = (publicKey) => store.remove(PLACE, publicKey);

async function keep(raw, publicKey) {
  const privateKey = await crypto.subtle.importKey("pkcs8", join(PKCS8, raw), "X25519", false, ["deriveBits"]);
  const entry = { public: publicKey, privateKey, made: Date.now() };
  await store.put(PLACE, entry);
  return entry;
}

/** A new key and its recovery file. */
export async function make(passphrase) {
  const pair = await crypto.subtle.generateKey("X25519", true, ["deriveBits"]);
  const raw = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey)).slice(-32);
  const publicKey = toHex(new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)));
  const { seal } = await import("./sealed-file.js");
  const file = await seal(raw, passphrase, HOLDS);
  const entry = await keep(raw, publicKey);
  raw.fill(0);
  return { entry, file };
}

/** The key of a recovery file, kept in this browser from now on. */
export async function bring(file, passphrase) {
  const { openSealed } = await import("./sealed-file.js");
  const raw = await openSealed(file, passphrase, HOLDS);
  if (raw.length !== 32) throw new Problem("This file holds no sealing key.", "Choose the recovery file.", "bad-key");
  const own = await crypto.subtle.importKey("pkcs8", join(PKCS8, raw), "X25519", true, ["deriveBits"]);
  const { x } = await crypto.subtle.exportKey("jwk", own);
  const publicKey = toHex(
    Uint8Array.from(atob(x.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0)),
  );
  const entry = await keep(raw, publicKey);
  raw.fill(0);
  return entry;
}

/** Ask for a passphrase, make a key, hand out its recovery file. The new entry, or null when it was called off. */
export function makeInDialog() {
  return ask("Make a sealing key", (done) => {
    const place = h("div", { role: "status" });
    const button = h("button", { class: "button", type: "submit" }, "Make the key");
    const form = h(
      "form",
      { class: "stack", novalidate: true },
      h(
        "p",
        {},
        "Results are sealed to this key. It stays in this browser; the recovery file, under your passphrase, is the only copy.",
      ),
      field(
        "passphrase",
        "Passphrase for the recovery file",
        { type: "password", autocomplete: "new-password", autofocus: true },
        `At least ${LEAST} characters`,
      ),
      field("again", "Again", { type: "password", autocomplete: "new-password" }),
      place,
      h(
        "div",
        { class: "row" },
        button,
        h("button", { class: "button quiet", type: "button", click: () => done(null) }, "Cancel"),
      ),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const { passphrase, again } = form.elements;
      const short = passphrase.value.length < LEAST;
      wrong(passphrase, short ? `Use at least ${LEAST} characters.` : "");
      wrong(again, !short && passphrase.value !== again.value ? "The two passphrases differ." : "");
      if (short || passphrase.value !== again.value) return (short ? passphrase : again).focus();
      button.disabled = true;
      say(place, "calm", "Making the key. This takes a second or two, on purpose.");
      try {
        const { entry, file } = await make(passphrase.value);
        const name = `darkroom-${entry.public.slice(0, 8)}.key`;
        const save = () => download(name, file, "application/octet-stream");
        save();
        form.replaceChildren(
          h(
            "p",
            {},
            "The recovery file ",
            h("code", {}, name),
            " was downloaded. Keep it and its passphrase somewhere safe: without them, clearing this browser loses your results.",
          ),
          h(
            "div",
            { class: "row" },
            h(
              "button",
              { class: "button", type: "button", autofocus: true, click: () => done(entry) },
              "I have saved it",
            ),
            h("button", { class: "button quiet", type: "button", click: save }, "Download again"),
          ),
        );
        form.querySelector("button").focus();
      } catch (error) {
        button.disabled = false;
        const { message, next } = explain(error);
        say(place, "bad", message, h("p", {}, next));
      }
      return undefined;
    });
    return [form];
  });
}

/** Ask for a recovery file and its passphrase. The entry, or null when it was called off. */
export function bringInDialog() {
  return ask("Import a recovery file", (done) => {
    const place = h("div", { role: "status" });
    const button = h("button", { class: "button", type: "submit" }, "Import");
    const form = h(
      "form",
      { class: "stack", novalidate: true },
      field("recovery", "Recovery file", { type: "file", autofocus: true }),
      field("recovery-passphrase", "Its passphrase", { type: "password", autocomplete: "current-password" }),
      place,
      h(
        "div",
        { class: "row" },
        button,
        h("button", { class: "button quiet", type: "button", click: () => done(null) }, "Cancel"),
      ),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const { recovery, "recovery-passphrase": passphrase } = form.elements;
      const [chosen] = recovery.files;
      wrong(recovery, chosen ? "" : "Choose the recovery file.");
      wrong(passphrase);
      if (!chosen) return recovery.focus();
      button.disabled = true;
      say(place, "calm", "Opening the file.");
      try {
        done(await bring(new Uint8Array(await chosen.slice(0, MOST).arrayBuffer()), passphrase.value));
      } catch (error) {
        button.disabled = false;
        hush(place);
        const { message, next, code } = explain(error);
        wrong(code === "wrong-passphrase" ? passphrase : recovery, `${message} ${next}`);
      }
      return undefined;
    });
    return [form];
  });
}

/** The newest key, or one made now. Throws when the visitor would rather not. */
export async function ensure() {
  const [newest] = await keys();
  const entry = newest ?? (await makeInDialog());
  if (!entry)
    throw new Problem(
      "There is no key to seal the result to.",
      "Make one, or import a recovery file on the wallet page.",
      "no-key",
    );
  return entry;
}

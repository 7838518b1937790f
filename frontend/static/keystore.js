// @ts-check
// The buyer's X25519 keys, made in this browser. The private half is kept where scripts can use but not read it; a
// recovery file under a passphrase is handed out when the key is made, and is the only copy.

import { fromHex, join, toHex } from "./bytes.js";
import {
  clearNotice,
  download,
  field,
  fieldError,
  h,
  input,
  openDialog,
  pushButton,
  showNotice,
  showProblem,
} from "./dom.js";
import { t } from "./language.js";
import { Problem, toProblem } from "./problems.js";
import * as store from "./store.js";

const STORE = "sealing-keys";
const HOLDS = "darkroom/sealing-key";
const PKCS8 = fromHex("302e020100300506032b656e04220420");
const LEAST = 8; // letters of a passphrase
const MOST = 1 << 17; // bytes that are read of a recovery file; the format's limit is half of that

/** All keys, the newest first. */
export async function keys() {
  const found = await store.all(STORE);
  return found.sort((one, other) => other.made - one.made);
}

/** @param {string} publicKey */
export const find = (publicKey) => store.get(STORE, publicKey);
/** @param {string} publicKey */
export const remove = (publicKey) => store.remove(STORE, publicKey);

/**
 * @param {Bytes} raw
 * @param {string} publicKey
 * @returns {Promise<SealingKey>}
 */
async function keep(raw, publicKey) {
  const privateKey = await crypto.subtle.importKey("pkcs8", join(PKCS8, raw), "X25519", false, ["deriveBits"]);
  const entry = { public: publicKey, privateKey, made: Date.now() };
  await store.put(STORE, entry);
  return entry;
}

/**
 * A new key and its recovery file.
 * @param {string} passphrase
 */
async function create(passphrase) {
  const pair = await crypto.subtle.generateKey("X25519", true, ["deriveBits"]);
  if (!("privateKey" in pair)) throw new Error("this browser made no pair of keys");
  const raw = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey)).slice(-32);
  const publicKey = toHex(new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)));
  const { seal } = await import("./sealed-file.js");
  const file = await seal(raw, passphrase, HOLDS);
  const entry = await keep(raw, publicKey);
  raw.fill(0);
  return { entry, file };
}

/**
 * The key of a recovery file, kept in this browser from now on.
 * @param {Bytes} file
 * @param {string} passphrase
 */
async function recover(file, passphrase) {
  const { openSealed } = await import("./sealed-file.js");
  const raw = await openSealed(file, passphrase, HOLDS);
  if (raw.length !== 32) throw new Problem(t`This file holds no sealing key.`, t`Choose the recovery file.`, "bad-key");
  const own = await crypto.subtle.importKey("pkcs8", join(PKCS8, raw), "X25519", true, ["deriveBits"]);
  const { x = "" } = await crypto.subtle.exportKey("jwk", own);
  const letters = atob(x.replaceAll("-", "+").replaceAll("_", "/"));
  const publicKey = toHex(Uint8Array.from(letters, (letter) => letter.charCodeAt(0)));
  const entry = await keep(raw, publicKey);
  raw.fill(0);
  return entry;
}

/** Ask for a passphrase, make a key, hand out its recovery file. The new entry, or null when it was called off. */
export function createInDialog() {
  return openDialog(t`Make a sealing key`, (/** @type {Done<SealingKey>} */ done) => {
    const place = h("div", { role: "status" });
    const button = h("button", { class: "button", type: "submit" }, t`Make the key`);
    const form = h(
      "form",
      { class: "stack", novalidate: true },
      h(
        "p",
        {},
        t`Results are sealed to this key. `,
        t`It stays in this browser; the recovery file, under your passphrase, is the only copy.`,
      ),
      field(
        "passphrase",
        t`Passphrase for the recovery file`,
        { type: "password", autocomplete: "new-password", autofocus: true },
        t`At least ${LEAST} characters`,
      ),
      field("again", t`Again`, { type: "password", autocomplete: "new-password" }),
      place,
      h(
        "div",
        { class: "row" },
        button,
        pushButton(t`Cancel`, () => done(null), "quiet"),
      ),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const passphrase = chosenPassphrase(form);
      if (passphrase === null) return;
      button.disabled = true;
      showNotice(place, "calm", t`Making the key. This takes a second or two, on purpose.`);
      try {
        const made = await create(passphrase);
        handOver(form, made.entry, made.file, done);
      } catch (error) {
        button.disabled = false;
        showProblem(place, error);
      }
    });
    return [form];
  });
}

/**
 * The new passphrase, or null after saying what is wrong with it.
 * @param {HTMLFormElement} form
 */
function chosenPassphrase(form) {
  const [passphrase, again] = [input(form, "passphrase"), input(form, "again")];
  const short = passphrase.value.length < LEAST;
  const differ = !short && passphrase.value !== again.value;
  fieldError(passphrase, short ? t`Use at least ${LEAST} characters.` : "");
  fieldError(again, differ ? t`The two passphrases differ.` : "");
  if (!short && !differ) return passphrase.value;
  (short ? passphrase : again).focus();
  return null;
}

/**
 * Download a new key's recovery file, and let the visitor say that it is safe.
 * @param {HTMLFormElement} form
 * @param {SealingKey} entry
 * @param {Bytes} file
 * @param {Done<SealingKey>} done
 */
function handOver(form, entry, file, done) {
  const name = `darkroom-${entry.public.slice(0, 8)}.key`;
  const save = () => download(name, file, "application/octet-stream");
  save();
  const saved = pushButton(t`I have saved it`, () => done(entry), "");
  form.replaceChildren(
    h(
      "p",
      {},
      t`The recovery file was downloaded.`,
      " ",
      t`Keep it and its passphrase somewhere safe: without them, clearing this browser loses your results.`,
    ),
    h("p", {}, h("code", {}, name)),
    h("div", { class: "row" }, saved, pushButton(t`Download again`, save, "quiet")),
  );
  saved.focus();
}

/** Ask for a recovery file and its passphrase. The entry, or null when it was called off. */
export function recoverInDialog() {
  return openDialog(t`Import a recovery file`, (/** @type {Done<SealingKey>} */ done) => {
    const place = h("div", { role: "status" });
    const button = h("button", { class: "button", type: "submit" }, t`Import`);
    const form = h(
      "form",
      { class: "stack", novalidate: true },
      field("recovery", t`Recovery file`, { type: "file", autofocus: true }),
      field("recovery-passphrase", t`Its passphrase`, { type: "password", autocomplete: "current-password" }),
      place,
      h(
        "div",
        { class: "row" },
        button,
        pushButton(t`Cancel`, () => done(null), "quiet"),
      ),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const [recovery, passphrase] = [input(form, "recovery"), input(form, "recovery-passphrase")];
      const chosen = recovery.files?.[0];
      fieldError(recovery, chosen ? "" : t`Choose the recovery file.`);
      fieldError(passphrase);
      if (!chosen) {
        recovery.focus();
        return;
      }
      button.disabled = true;
      showNotice(place, "calm", t`Opening the file.`);
      try {
        const file = new Uint8Array(await chosen.slice(0, MOST).arrayBuffer());
        done(await recover(file, passphrase.value));
      } catch (error) {
        button.disabled = false;
        clearNotice(place);
        const { message, next, code } = toProblem(error);
        fieldError(code === "wrong-passphrase" ? passphrase : recovery, `${message} ${next}`);
      }
    });
    return [form];
  });
}

/** The newest key, or one made now. Throws when the visitor would rather not. */
export async function ensure() {
  const [newest] = await keys();
  const entry = newest ?? (await createInDialog());
  if (entry) return entry;
  const next = t`Make one, or import a recovery file on the wallet page.`;
  throw new Problem(t`There is no key to seal the result to.`, next, "no-key");
}

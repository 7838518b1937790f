// @ts-check
// Secret bytes under a passphrase, in the very form that the command line reads and writes: `DRKSEAL1`, a header of
// canonical JSON, AES-256-GCM with all of that as associated data, and a SHA-256 over everything. scrypt gives the key
// and the passphrase's check.

import { encoder, fromHex, join, sha256, toHex } from "./bytes.js";
import { canonicalBytes, parseCanonical } from "./canonical.js";
import { t } from "./language.js";
import { Problem } from "./problems.js";
import { scryptAsync } from "./vendor/noble-hashes-2.4.0/scrypt.js";

const MAGIC = encoder.encode("DRKSEAL1");
const WORK = 1 << 17;
const [LEAST, MOST] = [1 << 15, 1 << 20];
const ANOTHER_COPY = t`Use another copy of the file.`;

/** @typedef {{ holds: string, n: number, salt: string, check: string, nonce: string }} Header */

const damaged = () => new Problem(t`This is not a recovery file, or it is damaged.`, ANOTHER_COPY, "bad-key");

/**
 * @param {string} passphrase
 * @param {Uint8Array} salt
 * @param {number} work scrypt's N
 */
async function derive(passphrase, salt, work) {
  const secret = encoder.encode(passphrase.normalize("NFC"));
  /** @type {Bytes} */
  const derived = await scryptAsync(secret, salt, { N: work, r: 8, p: 1, dkLen: 48, maxmem: 2 ** 31 });
  return { key: derived.slice(0, 32), check: toHex(derived.subarray(32)) };
}

/** @param {number} value */
function little(value) {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

/**
 * @param {Bytes} key
 * @param {"encrypt" | "decrypt"} use
 */
async function cipher(key, use) {
  return crypto.subtle.importKey("raw", key, "AES-GCM", false, [use]);
}

/**
 * The file of secret bytes. `holds` says what they are, and only as that are they read again.
 * @param {Bytes} data
 * @param {string} passphrase
 * @param {string} holds
 */
export async function seal(data, passphrase, holds) {
  const salt = crypto.getRandomValues(new Uint8Array(32));
  const nonce = crypto.getRandomValues(new Uint8Array(12));
  const { key, check } = await derive(passphrase, salt, WORK);
  const header = canonicalBytes({
    kind: "darkroom/sealed-file",
    holds,
    n: WORK,
    r: 8,
    p: 1,
    salt: toHex(salt),
    check,
    nonce: toHex(nonce),
  });
  const start = join(MAGIC, little(header.length), header);
  const parameters = { name: "AES-GCM", iv: nonce, additionalData: start };
  const sealed = await crypto.subtle.encrypt(parameters, await cipher(key, "encrypt"), data);
  const body = join(start, new Uint8Array(sealed));
  return join(body, fromHex(await sha256(body)));
}

/**
 * The secret bytes of a file. Throws Problems: `bad-key` for a damaged file or one of other content, and
 * `wrong-passphrase`.
 * @param {Bytes} file
 * @param {string} passphrase
 * @param {string} holds
 */
export async function openSealed(file, passphrase, holds) {
  if (file.length < 60 || file.length > 1 << 16 || toHex(file.subarray(0, 8)) !== toHex(MAGIC)) throw damaged();
  const body = file.subarray(0, -32);
  if ((await sha256(body)) !== toHex(file.subarray(-32))) throw damaged();
  const size = new DataView(file.buffer, file.byteOffset).getUint32(8, true);
  if (size > 1024 || 12 + size > body.length) throw damaged();
  const header = headerOf(body.subarray(12, 12 + size));
  if (header.holds !== holds) {
    throw new Problem(t`This file holds something else than a sealing key.`, t`Choose the recovery file.`, "bad-key");
  }
  const { key, check } = await derive(passphrase, fromHex(header.salt), header.n);
  if (check !== header.check) {
    const next = t`Try again with the one it was made with.`;
    throw new Problem(t`This passphrase does not open the file.`, next, "wrong-passphrase");
  }
  const parameters = { name: "AES-GCM", iv: fromHex(header.nonce), additionalData: body.subarray(0, 12 + size) };
  try {
    const opened = await crypto.subtle.decrypt(parameters, await cipher(key, "decrypt"), body.subarray(12 + size));
    return new Uint8Array(opened);
  } catch {
    throw new Problem(t`This file was altered.`, ANOTHER_COPY, "bad-key");
  }
}

/**
 * @param {Uint8Array} bytes
 * @returns {Header}
 */
function headerOf(bytes) {
  try {
    const { kind, n, r, p, ...header } = parseCanonical(bytes);
    const known = kind === "darkroom/sealed-file" && r === 8 && p === 1;
    if (known && n >= LEAST && n <= MOST && (n & (n - 1)) === 0) return { ...header, n };
  } catch {
    /* told below */
  }
  throw damaged();
}

// Secret bytes under a passphrase, in the very form that the command line reads and writes: `DRKSEAL1`, a header of
// canonical JSON, AES-256-GCM with all of that as associated data, and a SHA-256 over everything. scrypt gives the key
// and the passphrase's check.

import { scryptAsync } from "./vendor/noble-hashes-2.4.0/scrypt.js";
import { encoder, fromHex, join, sha256, toHex } from "./bytes.js";
import { canonicalBytes, parseCanonical } from "./canonical.js";
import { Problem } from "./problems.js";

const MAGIC = encoder.encode("DRKSEAL1");
const WORK = 1 << 17;
const [LEAST, MOST] = [1 << 15, 1 << 20];
const DAMAGED = "Use another copy of the file.";

async function derive(passphrase, salt, work) {
  const secret = encoder.encode(passphrase.normalize("NFC"));
  const derived = await scryptAsync(secret, salt, { N: work, r: 8, p: 1, dkLen: 48, maxmem: 2 ** 31 });
  return { key: derived.slice(0, 32), check: toHex(derived.subarray(32)) };
}

function little(value) {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

async function cipher(key, use) {
  return crypto.subtle.importKey("raw", key, "AES-GCM", false, [use]);
}

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
  const sealed = await crypto.subtle.encrypt(
    { name: "AES-GCM", iv: nonce, additionalData: start },
    await cipher(key, "encrypt"),
    data,
  );
  const body = join(start, new Uint8Array(sealed));
  return join(body, fromHex(await sha256(body)));
}

export async function openSealed(file, passphrase, holds) {
  const damaged = () => new Problem("This is not a recovery file, or it is damaged.", DAMAGED, "bad-key");
  if (file.length < 60 || file.length > 1 << 16 || toHex(file.subarray(0, 8)) !== toHex(MAGIC)) throw damaged();
  const body = file.subarray(0, -32);
  if ((await sha256(body)) !== toHex(file.subarray(-32))) throw damaged();
  const size = new DataView(file.buffer, file.byteOffset).getUint32(8, true);
  if (size > 1024 || 12 + size > body.length) throw damaged();
  let header;
  try {
    header = parseCanonical(body.subarray(12, 12 + size));
  } catch {
    throw damaged();
  }
  const { n, r, p } = header;
  if (header.kind !== "darkroom/sealed-file" || r !== 8 || p !== 1 || !(n >= LEAST && n <= MOST) || n & (n - 1))
    throw damaged();
  if (header.holds !== holds)
    throw new Problem("This file holds something else than a sealing key.", "Choose the recovery file.", "bad-key");
  const { key, check } = await derive(passphrase, fromHex(header.salt), n);
  if (check !== header.check)
    throw new Problem(
      "This passphrase does not open the file.",
      "Try again with the one it was made with.",
      "wrong-passphrase",
    );
  const parameters = { name: "AES-GCM", iv: fromHex(header.nonce), additionalData: body.subarray(0, 12 + size) };
  try {
    return new Uint8Array(
      await crypto.subtle.decrypt(parameters, await cipher(key, "decrypt"), body.subarray(12 + size)),
    );
  } catch {
    throw new Problem("This file was altered.", DAMAGED, "bad-key");
  }
}

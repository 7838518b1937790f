// @ts-check
// Opens a sealed result in the browser with WebCrypto alone: HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256),
// HKDF-SHA256, AES-256-GCM, one message. The private key never leaves this page, and no other code touches it.
//
// `context` must come from the chain, as the canonical bytes of what identifies the job; it is the associated data, so
// a result of another job, buyer, circuit or dataset does not open.

const encoder = new TextEncoder();
const INFO = encoder.encode("darkroom/seal/1");
const KEM = concat(encoder.encode("KEM"), Uint8Array.of(0x00, 0x20));
const SUITE = concat(encoder.encode("HPKE"), Uint8Array.of(0x00, 0x20, 0x00, 0x01, 0x00, 0x02));
const VERSION = encoder.encode("HPKE-v1");
/** @type {Bytes} */
const NOTHING = new Uint8Array(0);
const PKCS8 = fromHex("302e020100300506032b656e04220420"); // RFC 8410: what precedes the 32 bytes of an X25519 key
const MAX_HEADER = 1 << 16;

/**
 * The bytes of lower-case hexadecimal digits.
 * @param {string} text
 * @returns {Bytes}
 */
export function fromHex(text) {
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new Error("not hexadecimal");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/**
 * The result of a sealed one; throws when it does not open. Keys and `enc` have 32 bytes.
 * @param {CryptoKey | Bytes} privateKey
 * @param {Bytes} publicKey
 * @param {Bytes} enc
 * @param {Bytes} ciphertext
 * @param {Bytes} context
 * @returns {Promise<OpenedResult>}
 */
export async function openResult(privateKey, publicKey, enc, ciphertext, context) {
  const plain = await unseal(privateKey, publicKey, enc, ciphertext, INFO, context);
  const view = new DataView(plain.buffer, plain.byteOffset, plain.byteLength);
  const size = view.getUint32(0, true);
  if (size > MAX_HEADER || plain.length < 4 + size) throw new Error("the result is cut short");
  /** @type {ResultHeader} */
  const header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(plain.subarray(4, 4 + size)));
  const { rows, outputs, key_bytes: width = 0 } = header;
  const ends = 4 + size + 8 * outputs.length * rows;
  if (plain.length !== ends + width * rows) throw new Error("the result is cut short");
  const values = outputs.map((_name, output) => {
    const start = 4 + size + 8 * output * rows;
    return BigInt64Array.from({ length: rows }, (_, row) => view.getBigInt64(start + 8 * row, true));
  });
  const keys = width ? Array.from({ length: rows }, (_, row) => keyAt(plain, ends + width * row, width)) : null;
  return { header, values, keys };
}

/**
 * A row's key: UTF-8 in so many bytes, with zeros behind.
 * @param {Uint8Array} plain
 * @param {number} start
 * @param {number} width
 */
function keyAt(plain, start, width) {
  const padded = plain.subarray(start, start + width);
  const zero = padded.indexOf(0);
  const key = zero < 0 ? padded : padded.subarray(0, zero);
  if (!key.length || padded.subarray(key.length).some((byte) => byte !== 0)) throw new Error("a row key is none");
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(key);
}

/**
 * The plaintext. Keys and `enc` have 32 bytes; `privateKey` may also be a CryptoKey that cannot be read.
 * @param {CryptoKey | Bytes} privateKey
 * @param {Bytes} publicKey
 * @param {Bytes} enc
 * @param {Bytes} ciphertext
 * @param {Bytes} info
 * @param {Bytes} aad
 */
export async function unseal(privateKey, publicKey, enc, ciphertext, info, aad) {
  const shared = await decapsulate(privateKey, publicKey, enc);
  const schedule = concat(
    Uint8Array.of(0),
    await labeledExtract(NOTHING, SUITE, "psk_id_hash", NOTHING),
    await labeledExtract(NOTHING, SUITE, "info_hash", info),
  );
  const secret = await labeledExtract(shared, SUITE, "secret", NOTHING);
  const key = await labeledExpand(secret, SUITE, "key", schedule, 32);
  const nonce = await labeledExpand(secret, SUITE, "base_nonce", schedule, 12);
  const cipher = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["decrypt"]);
  const parameters = { name: "AES-GCM", iv: nonce, additionalData: aad, tagLength: 128 };
  return new Uint8Array(await crypto.subtle.decrypt(parameters, cipher, ciphertext));
}

/**
 * @param {CryptoKey | Bytes} privateKey
 * @param {Bytes} publicKey
 * @param {Bytes} enc
 */
async function decapsulate(privateKey, publicKey, enc) {
  const own =
    privateKey instanceof CryptoKey
      ? privateKey
      : await crypto.subtle.importKey("pkcs8", concat(PKCS8, privateKey), "X25519", false, ["deriveBits"]);
  const theirs = await crypto.subtle.importKey("raw", enc, "X25519", true, []);
  const shared = new Uint8Array(await crypto.subtle.deriveBits({ name: "X25519", public: theirs }, own, 256));
  if (shared.every((byte) => byte === 0)) throw new Error("the encapsulated key is of small order");
  const prk = await labeledExtract(NOTHING, KEM, "eae_prk", shared);
  return labeledExpand(prk, KEM, "shared_secret", concat(enc, publicKey), 32);
}

/**
 * @param {Bytes} salt
 * @param {Bytes} suite
 * @param {string} label
 * @param {Bytes} material
 */
function labeledExtract(salt, suite, label, material) {
  return hmac(salt.length ? salt : new Uint8Array(32), concat(VERSION, suite, encoder.encode(label), material));
}

/**
 * @param {Bytes} prk
 * @param {Bytes} suite
 * @param {string} label
 * @param {Bytes} info
 * @param {number} length in bytes, at most 32
 */
async function labeledExpand(prk, suite, label, info, length) {
  const size = Uint8Array.of(length >> 8, length & 255);
  const first = concat(size, VERSION, suite, encoder.encode(label), info, Uint8Array.of(1));
  return (await hmac(prk, first)).subarray(0, length); // at most 32 bytes are ever asked for: one block
}

/**
 * @param {Bytes} key
 * @param {Bytes} data
 */
async function hmac(key, data) {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, data));
}

/**
 * @param {...Uint8Array} parts
 * @returns {Bytes}
 */
function concat(...parts) {
  const out = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

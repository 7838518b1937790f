// @ts-check
// Bytes, hexadecimal, digests and content identifiers.

export { fromHex } from "./unseal.js";

export const encoder = new TextEncoder();

/** @param {Uint8Array} bytes */
export function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * All parts, one after the other.
 * @param {...Uint8Array} parts
 * @returns {Bytes}
 */
export function join(...parts) {
  const out = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/**
 * The SHA-256 of bytes, as 64 hexadecimal digits.
 * @param {Bytes} bytes
 */
export async function sha256(bytes) {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/**
 * The CID of the raw block with this digest, which every document is.
 * @param {string} digest
 */
export const cidOf = (digest) => blockCid(digest, 0x55);

/**
 * The CID (version 1, SHA-256, base32) of the block with this digest and codec.
 * @param {string} digest
 * @param {number} codec
 */
export function blockCid(digest, codec) {
  let bits = 0;
  let held = 0;
  let text = "b";
  for (const byte of [1, codec, 0x12, 0x20, ...(digest.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16))]) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET.charAt((held >> bits) & 31);
    }
    held &= (1 << bits) - 1;
  }
  return bits ? text + ALPHABET.charAt((held << (5 - bits)) & 31) : text;
}

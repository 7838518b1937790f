// Bytes, hexadecimal, digests and content identifiers.

export { fromHex } from "./unseal.js";

export const encoder = new TextEncoder();

export function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function join(...parts) {
  const out = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

export async function sha256(bytes) {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/** The CID (version 1, SHA-256) of the block with this digest: `cidOf` of a raw one, which a document is. */
export const cidOf = (digest) => blockCid(digest, 0x55);

export function blockCid(digest, codec) {
  let bits = 0;
  let held = 0;
  let text = "b";
  for (const byte of [1, codec, 0x12, 0x20, ...digest.match(/../g).map((pair) => Number.parseInt(pair, 16))]) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(held >> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits ? text + ALPHABET[(held << (5 - bits)) & 31] : text;
}

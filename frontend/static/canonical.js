// @ts-check
// RFC 8785: the one byte string of a JSON value. ECMAScript's own number and string forms are the standard's.

import { encoder } from "./bytes.js";

/**
 * The canonical text of a JSON value; throws for a number that JSON does not have.
 * @param {unknown} value
 * @returns {string}
 */
export function canonicalText(value) {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const fields = new Map(Object.entries(value));
    const names = [...fields.keys()].sort(); // by UTF-16 code units, as the standard says
    return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalText(fields.get(name))}`).join(",")}}`;
  }
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error("a number that JSON does not have");
  return JSON.stringify(value);
}

/** @param {unknown} value */
export function canonicalBytes(value) {
  return encoder.encode(canonicalText(value));
}

/**
 * The value of canonical bytes; throws for other spellings of the same value.
 * @param {Uint8Array} bytes
 */
export function parseCanonical(bytes) {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  const value = JSON.parse(text);
  if (canonicalText(value) !== text) throw new Error("this document is not in canonical form");
  return value;
}

// RFC 8785: the one byte string of a JSON value. ECMAScript's own number and string forms are the standard's.

import { encoder } from "./bytes.js";

export function canonicalText(value) {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const names = Object.keys(value).sort(); // by UTF-16 code units, as the standard says
    return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalText(value[name])}`).join(",")}}`;
  }
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error("a number that JSON does not have");
  return JSON.stringify(value);
}

export function canonicalBytes(value) {
  return encoder.encode(canonicalText(value));
}

/** The value of canonical bytes; throws for other spellings of the same value. */
export function parseCanonical(bytes) {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  const value = JSON.parse(text);
  if (canonicalText(value) !== text) throw new Error("this document is not in canonical form");
  return value;
}

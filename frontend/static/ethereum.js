// @ts-check
// Ethereum's encodings: RLP, addresses, EIP-191 and EIP-712 digests, EIP-1559 transactions. Pure.

import { encoder, fromHex, join, toHex } from "./bytes.js";
import { keccak_256 } from "./vendor/noble-hashes-2.4.0/sha3.js";

/** @typedef {Uint8Array | Item[]} Item what RLP encodes: bytes, or a list */

/**
 * Keccak-256.
 * @type {(bytes: Uint8Array) => Bytes}
 */
export const keccak = keccak_256;

/** @param {string} hex with or without 0x, in any case */
export const bytesOf = (hex) => fromHex(hex.replace(/^0x/, "").toLowerCase());

/**
 * The shortest big-endian bytes of a quantity; none for zero.
 * @param {string | number | bigint} value
 * @returns {Bytes}
 */
export function quantity(value) {
  const hex = BigInt(value).toString(16);
  return hex === "0" ? new Uint8Array(0) : fromHex(hex.length % 2 ? `0${hex}` : hex);
}

/**
 * @param {number} length
 * @param {number} short the first byte of the short form
 */
function head(length, short) {
  if (length < 56) return Uint8Array.of(short + length);
  const size = quantity(length);
  return join(Uint8Array.of(short + 55 + size.length), size);
}

/**
 * @param {Item} item
 * @returns {Uint8Array}
 */
export function rlp(item) {
  if (Array.isArray(item)) {
    const body = join(...item.map(rlp));
    return join(head(body.length, 0xc0), body);
  }
  const [first = 0x80] = item;
  return item.length === 1 && first < 0x80 ? item : join(head(item.length, 0x80), item);
}

/**
 * EIP-55 text of the account with this uncompressed public key (65 bytes).
 * @param {Uint8Array} publicKey
 */
export function addressOf(publicKey) {
  return checksum(toHex(keccak(publicKey.subarray(1)).subarray(12)));
}

/** @param {string} lower */
function checksum(lower) {
  const hash = toHex(keccak(encoder.encode(lower)));
  const letters = Array.from(lower, (digit, at) =>
    Number.parseInt(hash.charAt(at), 16) > 7 ? digit.toUpperCase() : digit,
  );
  return `0x${letters.join("")}`;
}

/**
 * What personal_sign signs (EIP-191, version 0x45).
 * @param {Uint8Array} message
 */
export function messageHash(message) {
  return keccak(join(encoder.encode(`\x19Ethereum Signed Message:\n${message.length}`), message));
}

/**
 * What eth_signTypedData_v4 signs (EIP-712), for structs of single values and structs.
 * @param {TypedData} typed
 */
export function typedHash({ types, primaryType, domain, message }) {
  const domainHash = structHash(types, "EIP712Domain", domain);
  return keccak(join(Uint8Array.of(0x19, 0x01), domainHash, structHash(types, primaryType, message)));
}

/**
 * @param {StructTypes} types
 * @param {string} name
 */
function fieldsOf(types, name) {
  const fields = types[name];
  if (!fields) throw new Error(`the typed data does not say what ${name} is`);
  return fields;
}

/**
 * @param {StructTypes} types
 * @param {string} name
 * @param {StructValue} value
 * @returns {Bytes}
 */
function structHash(types, name, value) {
  const words = fieldsOf(types, name).map((field) => typedWord(types, field.type, value[field.name], field.name));
  return keccak(join(keccak(encoder.encode(typeText(types, name))), ...words));
}

/**
 * @param {StructTypes} types
 * @param {string} name
 */
function typeText(types, name) {
  /** @type {Set<string>} */
  const found = new Set();
  /** @param {string} each */
  const visit = (each) => {
    const fields = types[each];
    if (!fields || found.has(each)) return;
    found.add(each);
    for (const { type } of fields) visit(type);
  };
  visit(name);
  found.delete(name);
  /** @param {string} each */
  const text = (each) => {
    const fields = fieldsOf(types, each).map((field) => `${field.type} ${field.name}`);
    return `${each}(${fields.join(",")})`;
  };
  return [name, ...[...found].sort()].map(text).join("");
}

/**
 * @param {StructTypes} types
 * @param {string} type
 * @param {StructValue[string] | undefined} value
 * @param {string} name of the field
 * @returns {Bytes}
 */
function typedWord(types, type, value, name) {
  if (value === undefined) throw new Error(`the typed data has no ${name}`);
  if (typeof value === "object") return structHash(types, type, value);
  if (type === "bool") return padded(Uint8Array.of(value ? 1 : 0));
  if (type === "address" || /^uint\d+$/.test(type)) return padded(quantity(BigInt(value)));
  const text = String(value);
  if (type === "string") return keccak(encoder.encode(text));
  if (type === "bytes") return keccak(bytesOf(text));
  if (!/^bytes\d+$/.test(type)) throw new Error(`this wallet cannot sign values of the type ${type}`);
  return join(bytesOf(text), new Uint8Array(32 - bytesOf(text).length));
}

/** @param {Uint8Array} bytes */
function padded(bytes) {
  return join(new Uint8Array(32 - bytes.length), bytes);
}

/**
 * The fields of an EIP-1559 transaction, in order; to be signed as keccak(0x02 || rlp(fields)).
 * @param {Required<Omit<TransactionRequest, "from" | "value">> & { value?: string }} transaction
 * @returns {Item[]}
 */
export function transactionFields({ chainId, nonce, maxPriorityFeePerGas, maxFeePerGas, gas, to, value, data }) {
  return [
    quantity(chainId),
    quantity(nonce),
    quantity(maxPriorityFeePerGas),
    quantity(maxFeePerGas),
    quantity(gas),
    bytesOf(to),
    quantity(value ?? 0),
    bytesOf(data),
    [],
  ];
}

/** @param {Item[]} fields */
export const enveloped = (fields) => join(Uint8Array.of(0x02), rlp(fields));

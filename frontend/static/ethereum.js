// Ethereum's encodings: RLP, addresses, EIP-191 and EIP-712 digests, EIP-1559 transactions. Pure.

import { keccak_256 as keccak } from "./vendor/noble-hashes-2.4.0/sha3.js";
import { encoder, fromHex, join, toHex } from "./bytes.js";

export { keccak };

export const bytesOf = (hex) => fromHex(hex.replace(/^0x/, "").toLowerCase());

/** The shortest big-endian bytes of a quantity; none for zero. */
export function quantity(value) {
  const hex = BigInt(value).toString(16);
  return hex === "0" ? new Uint8Array(0) : fromHex(hex.length % 2 ? `0${hex}` : hex);
}

function head(length, short) {
  if (length < 56) return Uint8Array.of(short + length);
  const size = quantity(length);
  return join(Uint8Array.of(short + 55 + size.length), size);
}

export function rlp(item) {
  if (Array.isArray(item)) {
    const body = join(...item.map(rlp));
    return join(head(body.length, 0xc0), body);
  }
  return item.length === 1 && item[0] < 0x80 ? item : join(head(item.length, 0x80), item);
}

/** EIP-55 text of the account with this uncompressed public key (65 bytes). */
export function addressOf(publicKey) {
  return checksum(toHex(keccak(publicKey.subarray(1)).subarray(12)));
}

function checksum(lower) {
  const hash = toHex(keccak(encoder.encode(lower)));
  return `0x${Array.from(lower, (digit, at) => (Number.parseInt(hash[at], 16) > 7 ? digit.toUpperCase() : digit)).join("")}`;
}

/** What personal_sign signs (EIP-191, version 0x45). */
export function messageHash(message) {
  return keccak(join(encoder.encode(`\x19Ethereum Signed Message:\n${message.length}`), message));
}

/** What eth_signTypedData_v4 signs (EIP-712), for structs of single values and structs. */
export function typedHash({ types, primaryType, domain, message }) {
  return keccak(
    join(Uint8Array.of(0x19, 0x01), structHash(types, "EIP712Domain", domain), structHash(types, primaryType, message)),
  );
}

function structHash(types, name, value) {
  const words = types[name].map(({ name: field, type }) => typedWord(types, type, value[field]));
  return keccak(join(keccak(encoder.encode(typeText(types, name))), ...words));
}

function typeText(types, name) {
  const found = new Set();
  const visit = (each) => {
    if (!types[each] || found.has(each)) return;
    found.add(each);
    for (const { type } of types[each]) visit(type);
  };
  visit(name);
  found.delete(name);
  return [name, ...[...found].sort()]
    .map((each) => `${each}(${types[each].map((field) => `${field.type} ${field.name}`).join(",")})`)
    .join("");
}

function typedWord(types, type, value) {
  if (types[type]) return structHash(types, type, value);
  if (type === "string") return keccak(encoder.encode(value));
  if (type === "bytes") return keccak(bytesOf(value));
  if (type === "bool") return padded(Uint8Array.of(value ? 1 : 0));
  if (type === "address" || /^uint\d+$/.test(type)) return padded(quantity(value));
  if (/^bytes\d+$/.test(type)) return join(bytesOf(value), new Uint8Array(32 - bytesOf(value).length));
  throw new Error(`this wallet cannot sign values of the type ${type}`);
}

function padded(bytes) {
  return join(new Uint8Array(32 - bytes.length), bytes);
}

/** The fields of an EIP-1559 transaction, in order; to be signed as keccak(0x02 || rlp(fields)). */
export function transactionFields({ chainId, nonce, maxPriorityFeePerGas, maxFeePerGas, gas, to, value, data }) {
  return [
    quantity(chainId),
    quantity(nonce),
    quantity(maxPriorityFeePerGas),
    quantity(maxFeePerGas),
    quantity(gas),
    bytesOf(to),
    quantity(value ?? 0),
    bytesOf(data ?? "0x"),
    [],
  ];
}

export const enveloped = (fields) => join(Uint8Array.of(0x02), rlp(fields));

// @ts-check
// Parquet, as much as a result needs: required 64-bit integers and texts, one row group, plain, not compressed.
// The metadata is Thrift's compact protocol (https://github.com/apache/parquet-format).

import { encoder, join } from "./bytes.js";

const MAGIC = encoder.encode("PAR1");
const I32 = 5; // types of Thrift
const I64 = 6;
const BINARY = 8;
const LIST = 9;
const STRUCT = 12;
const INT64 = 2; // types of Parquet
const BYTE_ARRAY = 6;
const UTF8 = 0; // what such bytes are
const PLAIN = 0; // its encodings
const RLE = 3;

/**
 * @param {number | bigint} value
 * @returns {Bytes}
 */
function varint(value) {
  const out = [];
  let left = BigInt(value);
  while (left > 127n) {
    out.push(Number(left & 127n) | 128);
    left >>= 7n;
  }
  return Uint8Array.of(...out, Number(left));
}

/** @param {number | bigint} value */
const zigzag = (value) => varint(BigInt(value) >= 0n ? BigInt(value) * 2n : BigInt(value) * -2n - 1n);

/** @param {string} value */
const text = (value) => {
  const bytes = encoder.encode(value);
  return join(varint(bytes.length), bytes);
};

/**
 * A struct of fields, in rising order of their numbers.
 * @param {...[field: number, type: number, bytes: Bytes]} fields
 */
function struct(...fields) {
  let last = 0;
  const parts = fields.map(([field, type, bytes]) => {
    const head = Uint8Array.of(((field - last) << 4) | type);
    last = field;
    return join(head, bytes);
  });
  return join(...parts, Uint8Array.of(0));
}

/**
 * @param {number} type of each item
 * @param {Bytes[]} items
 */
function list(type, items) {
  if (items.length < 15) return join(Uint8Array.of((items.length << 4) | type), ...items);
  return join(Uint8Array.of(0xf0 | type), varint(items.length), ...items);
}

/**
 * The header of a page of so many rows and bytes.
 * @param {number} rows
 * @param {number} bytes
 */
function pageHeader(rows, bytes) {
  const levels = zigzag(RLE); // of definition and repetition: required columns have none
  const values = struct([1, I32, zigzag(rows)], [2, I32, zigzag(PLAIN)], [3, I32, levels], [4, I32, levels]);
  return struct([1, I32, zigzag(0)], [2, I32, zigzag(bytes)], [3, I32, zigzag(bytes)], [5, STRUCT, values]);
}

/** @param {Column} column */
const isText = ({ values }) => typeof values[0] === "string";

/**
 * The bytes of a column's values: a text stands behind its length.
 * @param {Column} column
 * @returns {Bytes}
 */
function plain(column) {
  if (!isText(column)) return new Uint8Array(BigInt64Array.from(column.values.map(BigInt)).buffer);
  const texts = column.values.map((value) => encoder.encode(`${value}`));
  const out = new Uint8Array(texts.reduce((total, { length }) => total + 4 + length, 0));
  const view = new DataView(out.buffer);
  let offset = 0;
  for (const bytes of texts) {
    view.setUint32(offset, bytes.length, true);
    out.set(bytes, offset + 4);
    offset += 4 + bytes.length;
  }
  return out;
}

/**
 * A column's place in the schema.
 * @param {Column} column
 */
function schemaElement(column) {
  if (!isText(column)) return struct([1, I32, zigzag(INT64)], [3, I32, zigzag(0)], [4, BINARY, text(column.name)]);
  const name = text(column.name);
  return struct([1, I32, zigzag(BYTE_ARRAY)], [3, I32, zigzag(0)], [4, BINARY, name], [6, I32, zigzag(UTF8)]);
}

/**
 * A column chunk's description in the footer.
 * @param {number} type of its values
 * @param {string} name
 * @param {number} rows
 * @param {number} start of its only page
 * @param {number} bytes of that page
 */
function columnChunk(type, name, rows, start, bytes) {
  const size = zigzag(bytes);
  const meta = struct(
    [1, I32, zigzag(type)],
    [2, LIST, list(I32, [zigzag(PLAIN)])],
    [3, LIST, list(BINARY, [text(name)])],
    [4, I32, zigzag(0)],
    [5, I64, zigzag(rows)],
    [6, I64, size],
    [7, I64, size],
    [9, I64, zigzag(start)],
  );
  return struct([2, I64, zigzag(start)], [3, STRUCT, meta]);
}

/**
 * The file of columns that all have one length.
 * @param {Column[]} columns
 */
export function parquet(columns) {
  const rows = columns[0]?.values.length ?? 0;
  const parts = [MAGIC];
  let offset = MAGIC.length;
  const chunks = columns.map((column) => {
    const data = plain(column);
    const header = pageHeader(rows, data.length);
    const start = offset;
    parts.push(header, data);
    offset += header.length + data.length;
    return columnChunk(isText(column) ? BYTE_ARRAY : INT64, column.name, rows, start, offset - start);
  });
  const schema = [struct([4, BINARY, text("result")], [5, I32, zigzag(columns.length)]), ...columns.map(schemaElement)];
  const group = struct(
    [1, LIST, list(STRUCT, chunks)],
    [2, I64, zigzag(offset - MAGIC.length)],
    [3, I64, zigzag(rows)],
  );
  const footer = struct(
    [1, I32, zigzag(1)],
    [2, LIST, list(STRUCT, schema)],
    [3, I64, zigzag(rows)],
    [4, LIST, list(STRUCT, [group])],
    [6, BINARY, text("Darkroom")],
  );
  parts.push(footer, new Uint8Array(new Uint32Array([footer.length]).buffer), MAGIC);
  return join(...parts);
}

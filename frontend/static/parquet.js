// Parquet, as much as a result needs: required 64-bit integers, one row group, plain, not compressed.
// The metadata is Thrift's compact protocol (https://github.com/apache/parquet-format).

import { encoder, join } from "./bytes.js";

const MAGIC = encoder.encode("PAR1");
const [I32, I64, BINARY, LIST, STRUCT] = [5, 6, 8, 9, 12];
const INT64 = 2;
const [PLAIN, RLE] = [0, 3];

function varint(value) {
  const out = [];
  let left = BigInt(value);
  while (left > 127n) {
    out.push(Number(left & 127n) | 128);
    left >>= 7n;
  }
  return Uint8Array.of(...out, Number(left));
}

const zigzag = (value) => varint(BigInt(value) >= 0n ? BigInt(value) * 2n : BigInt(value) * -2n - 1n);
const text = (value) => {
  const bytes = encoder.encode(value);
  return join(varint(bytes.length), bytes);
};

/** A struct from [field, type, bytes], in rising order of fields. */
function struct(...fields) {
  let last = 0;
  const parts = fields.map(([field, type, bytes]) => {
    const head = Uint8Array.of(((field - last) << 4) | type);
    last = field;
    return join(head, bytes);
  });
  return join(...parts, Uint8Array.of(0));
}

function list(type, items) {
  const head =
    items.length < 15
      ? Uint8Array.of((items.length << 4) | type)
      : join(Uint8Array.of(0xf0 | type), varint(items.length));
  return join(head, ...items);
}

/** The file of columns [{name, values}]: integers or BigInts, all columns of one length. */
export function parquet(columns) {
  const rows = columns[0].values.length;
  const parts = [MAGIC];
  let offset = MAGIC.length;
  const chunks = columns.map((column) => {
    const data = new Uint8Array(BigInt64Array.from(column.values, BigInt).buffer);
    const page = struct(
      [1, I32, zigzag(0)],
      [2, I32, zigzag(data.length)],
      [3, I32, zigzag(data.length)],
      [
        5,
        STRUCT,
        struct([1, I32, zigzag(rows)], [2, I32, zigzag(PLAIN)], [3, I32, zigzag(RLE)], [4, I32, zigzag(RLE)]),
      ],
    );
    const start = offset;
    parts.push(page, data);
    offset += page.length + data.length;
    const size = zigzag(page.length + data.length);
    const meta = struct(
      [1, I32, zigzag(INT64)],
      [2, LIST, list(I32, [zigzag(PLAIN)])],
      [3, LIST, list(BINARY, [text(column.name)])],
      [4, I32, zigzag(0)],
      [5, I64, zigzag(rows)],
      [6, I64, size],
      [7, I64, size],
      [9, I64, zigzag(start)],
    );
    return struct([2, I64, zigzag(start)], [3, STRUCT, meta]);
  });
  const schema = [
    struct([4, BINARY, text("result")], [5, I32, zigzag(columns.length)]),
    ...columns.map((column) => struct([1, I32, zigzag(INT64)], [3, I32, zigzag(0)], [4, BINARY, text(column.name)])),
  ];
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

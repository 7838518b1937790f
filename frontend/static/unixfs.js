// @ts-check
// The CID of any file, from its bytes alone, by the UnixFS profile `unixfs-v1-2025`, as every store of the project has
// it. A file of at most one leaf is that raw block. A longer one is a tree of dag-pb nodes over raw leaves of 1 MiB,
// each node full (1,024 links) but the last of its level.

import { blockCid, fromHex, join, sha256 } from "./bytes.js";

export const LEAF = 1 << 20;
const WIDTH = 1024;
const RAW = 0x55; // codecs of a CID
const DAG_PB = 0x70;
const HEAD = [0x0a, 36, 1]; // a link's first field: a CID of 36 bytes, version 1

/**
 * @param {number} value
 * @returns {number[]}
 */
function varint(value) {
  /** @type {number[]} */
  const out = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return [...out, left];
    out.push((left % 128) | 128);
  }
}

/** @typedef {{ digest: string, size: number }} Leaf */
/** @typedef {Leaf & { tree: number }} Subtree `size` in bytes of the file, `tree` in bytes of blocks */

/**
 * One node: links in field 2 (CID, no name, bytes of the subtree), then the data (file, size, each child's size).
 * @param {Subtree[]} children
 * @param {number} codec theirs
 */
function encodeNode(children, codec) {
  const size = children.reduce((total, child) => total + child.size, 0);
  const links = children.map(({ digest, tree }) => {
    const tail = [0x12, 0, 0x18, ...varint(tree)];
    const start = Uint8Array.of(0x12, ...varint(38 + tail.length), ...HEAD, codec, 0x12, 0x20);
    return join(start, fromHex(digest), Uint8Array.from(tail));
  });
  const data = [0x08, 2, 0x18, ...varint(size), ...children.flatMap((child) => [0x20, ...varint(child.size)])];
  return { block: join(...links, Uint8Array.of(0x0a, ...varint(data.length), ...data)), size };
}

/**
 * The CID of the file of these leaves, in order; there is at least one.
 * @param {Leaf[]} leaves
 */
export async function treeCid(leaves) {
  let level = leaves.map(({ digest, size }) => ({ digest, size, tree: size }));
  let codec = RAW;
  while (level.length > 1) {
    const above = [];
    for (let first = 0; first < level.length; first += WIDTH) {
      const children = level.slice(first, first + WIDTH);
      const { block, size } = encodeNode(children, codec);
      const below = children.reduce((total, child) => total + child.tree, 0);
      above.push({ digest: await sha256(block), size, tree: block.length + below });
    }
    level = above;
    codec = DAG_PB;
  }
  const [root] = level;
  if (!root) throw new Error("a file has at least one leaf");
  return blockCid(root.digest, codec);
}

/**
 * The CID that these bytes have in every store.
 * @param {Bytes} bytes
 */
export async function fileCid(bytes) {
  const leaves = [];
  for (let start = 0; start === 0 || start < bytes.length; start += LEAF) {
    const leaf = bytes.subarray(start, start + LEAF);
    leaves.push({ digest: await sha256(leaf), size: leaf.length });
  }
  return treeCid(leaves);
}

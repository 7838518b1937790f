// The CID of any file, from its bytes alone: the UnixFS profile `unixfs-v1-2025`, as every store of the project uses it.
// A file of at most one leaf is that raw block. A longer one is a tree of dag-pb nodes over raw leaves of 1 MiB, each
// node full (1,024 links) but the last of its level.

import { blockCid, fromHex, join, sha256 } from "./bytes.js";

export const LEAF = 1 << 20;
const WIDTH = 1024;
const [RAW, DAG_PB] = [0x55, 0x70];
const HEAD = [0x0a, 36, 1]; // a link's first field: a CID of 36 bytes, version 1

function varint(value) {
  const out = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return [...out, left];
    out.push((left % 128) | 128);
  }
}

/** One node: links in field 2 (CID, no name, bytes of the subtree), then the data (file, size, each child's size). */
function encodeNode(children, codec) {
  const size = children.reduce((total, child) => total + child.size, 0);
  const links = children.map(({ digest, tree }) => {
    const tail = [0x12, 0, 0x18, ...varint(tree)];
    return join(
      Uint8Array.of(0x12, ...varint(38 + tail.length), ...HEAD, codec, 0x12, 0x20),
      fromHex(digest),
      Uint8Array.from(tail),
    );
  });
  const data = [0x08, 2, 0x18, ...varint(size), ...children.flatMap((child) => [0x20, ...varint(child.size)])];
  return { block: join(...links, Uint8Array.of(0x0a, ...varint(data.length), ...data)), size };
}

/** The CID of the file of these leaves, in order: {digest, size} each. */
export async function treeCid(leaves) {
  let level = leaves.map(({ digest, size }) => ({ digest, size, tree: size }));
  let codec = RAW;
  while (level.length > 1) {
    const above = [];
    for (let first = 0; first < level.length; first += WIDTH) {
      const children = level.slice(first, first + WIDTH);
      const { block, size } = encodeNode(children, codec);
      above.push({
        digest: await sha256(block),
        size,
        tree: block.length + children.reduce((total, child) => total + child.tree, 0),
      });
    }
    level = above;
    codec = DAG_PB;
  }
  return blockCid(level[0].digest, codec);
}

/** The CID that these bytes have in every store. */
export async function fileCid(bytes) {
  const leaves = [];
  for (let start = 0; start === 0 || start < bytes.length; start += LEAF) {
    const leaf = bytes.subarray(start, start + LEAF);
    leaves.push({ digest: await sha256(leaf), size: leaf.length });
  }
  return treeCid(leaves);
}

// Linear layers over packed columns, and the AES key stream of their masks. Exact modulo 2^64.

// sums[r][x] += sum over k in [indptr[r], indptr[r + 1]) of weights[k] * words[columns[k]][x], for x < 2 pairs.
// One pair of words a thread. Blocks of all outputs on the same words follow each other, so that words that several
// outputs read come from L2 for all but the first.
extern "C" __global__ void combine(const pair *__restrict__ words, const i64 *__restrict__ indptr,
                                   const i64 *__restrict__ columns, const u64 *__restrict__ weights,
                                   pair *__restrict__ sums, i64 pairs, i64 outputs) {
  i64 at = (i64)(blockIdx.x / (u32)outputs) * blockDim.x + threadIdx.x, row = blockIdx.x % (u32)outputs;
  if (at >= pairs) return;
  pair sum = sums[row * pairs + at];
  i64 stop = indptr[row + 1];
  _Pragma("unroll 4") for (i64 k = indptr[row]; k < stop; k++) {
    pair word = words[columns[k] * pairs + at];
    sum.x += word.x * weights[k], sum.y += word.y * weights[k];
  }
  sums[row * pairs + at] = sum;
}

INLINE u32 rotl(u32 x, int n) { return x << n | x >> (32 - n); }

// Word pairs [first, first + pairs) of the key stream (section 9): AES-128 of the counter as 16 little-endian bytes.
// `table` is S-box and MixColumns together, for the first row of a column (256 words); `keys` has 44 round key words.
extern "C" __global__ void expand_mask(const u32 *__restrict__ table, const u32 *__restrict__ keys, pair *__restrict__ out,
                                       i64 first, i64 pairs) {
  SHARED(u32, rows);
  for (int j = threadIdx.x; j < 256; j += blockDim.x) rows[j] = table[j];
  __syncthreads();
  for (i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x; at < pairs; at += (i64)gridDim.x * blockDim.x) {
    u64 counter = (u64)(first + at);
    u32 s[4] = {(u32)counter ^ keys[0], (u32)(counter >> 32) ^ keys[1], keys[2], keys[3]}; // columns, row 0 lowest
    for (int round = 1; round <= 10; round++) {
      u32 next[4];
      UNROLL for (int c = 0; c < 4; c++) {
        u32 a = s[c] & 255, b = s[(c + 1) & 3] >> 8 & 255, d = s[(c + 2) & 3] >> 16 & 255, e = s[(c + 3) & 3] >> 24;
        if (round < 10)
          next[c] = rows[a] ^ rotl(rows[b], 8) ^ rotl(rows[d], 16) ^ rotl(rows[e], 24);
        else // no MixColumns: the S-box alone is the second byte
          next[c] = (rows[a] >> 8 & 255) | (rows[b] & 0xff00) | (rows[d] << 8 & 0xff0000) | (rows[e] << 16 & 0xff000000);
        next[c] ^= keys[4 * round + c];
      }
      UNROLL for (int c = 0; c < 4; c++) s[c] = next[c];
    }
    out[at] = {(u64)s[1] << 32 | s[0], (u64)s[3] << 32 | s[2]};
  }
}

// The packing keyswitch (section 8), in three parts: points of the digits of each key bit's column, subtotals of 32 bits
// at each point, and the sum of the subtotals, in order, with the way back to words. Ciphertexts are `apart` coefficients
// from one another: 1, or N / count of a selection's entries (section 15), with a key that is spread over as many. Several
// packings run side by side, one for each `item`.

enum { SUBTOTAL = 32 };

// the word of the ciphertext at coefficient j, 0 where there is none
INLINE u64 packed(const u64 *column, int j, i64 count, i64 apart) {
  i64 k = j / apart;
  return k < count && j % apart == 0 ? column[k * (N + 1)] : 0;
}

// Bits [first, first + gridDim.x) of ciphertexts lwe (item, count, N + 1) -> points (item, bit - first, level, H).
extern "C" __global__ void pack_points(const u64 *lwe, cx *points, const cx *twiddles, i64 first, i64 count, i64 apart) {
  SHARED(cx, x);
  const u64 *column = lwe + (i64)blockIdx.y * count * (N + 1) + first + blockIdx.x;
  points += ((i64)blockIdx.y * gridDim.x + blockIdx.x) * LEVELS * H;
  for (int l = 0; l < LEVELS; l++, points += H) {
    for (int j = threadIdx.x; j < H; j += blockDim.x) {
      u64 low = packed(column, j, count, apart), high = packed(column, j + H, count, apart);
      x[j] = {digit(low, l), digit(high, l)};
    }
    __syncthreads();
    forward(x, twiddles);
    for (int j = threadIdx.x; j < H; j += blockDim.x) points[j] = x[j];
    __syncthreads();
  }
}

// points (item, group, SUBTOTAL, level, H), key points (bit, level, column, H) -> subtotals (item, N / SUBTOTAL, column, H)
// of `groups` groups of bits
extern "C" __global__ void pack_subtotals(const cx *points, const cx *key, cx *subtotals, i64 groups) {
  int at = blockIdx.x * blockDim.x + threadIdx.x; // column and point
  if (at >= 2 * H) return;
  int j = at % H, c = at / H;
  i64 item = blockIdx.y / groups, group = blockIdx.y % groups;
  points += (i64)blockIdx.y * SUBTOTAL * LEVELS * H;
  cx sum = {0.0, 0.0};
  for (int term = 0; term < SUBTOTAL * LEVELS; term++) {
    i64 p = group * SUBTOTAL * LEVELS + term;
    sum = add(sum, mul(points[term * H + j], key[(2 * p + c) * H + j]));
  }
  subtotals[(item * (N / SUBTOTAL) + group) * 2 * H + at] = sum;
}

// One block a column: subtotals (item, N / SUBTOTAL, column, H) -> out (item, column, N).
extern "C" __global__ void pack_finish(const cx *subtotals, const u64 *lwe, u64 *out, const cx *twiddles, i64 count,
                                       i64 apart) {
  SHARED(cx, x);
  int c = blockIdx.x;
  subtotals += (i64)blockIdx.y * (N / SUBTOTAL) * 2 * H, lwe += (i64)blockIdx.y * count * (N + 1) + N;
  out += (i64)blockIdx.y * 2 * N;
  for (int j = threadIdx.x; j < H; j += blockDim.x) {
    cx sum = {0.0, 0.0};
    for (int group = 0; group < N / SUBTOTAL; group++) sum = add(sum, subtotals[(i64)(2 * group + c) * H + j]);
    x[j] = sum;
  }
  __syncthreads();
  inverse(x, twiddles);
  for (int j = threadIdx.x; j < N; j += blockDim.x) {
    i64 k = (j + apart / 2) / apart; // boxes stand around their coefficients, the first one's first half at the end
    u64 body = !c ? 0 : k < count ? lwe[k * (N + 1)] : apart > 1 ? 0 - lwe[0] : 0;
    out[c * N + j] = body - to_word(j < H ? x[j].r : x[j - H].i);
  }
}

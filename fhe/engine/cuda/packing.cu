// The packing keyswitch (section 8), in three parts: points of the digits of each key bit's column, subtotals of 32 bits
// at each point, and the sum of the subtotals, in order, with the way back to words.

enum { SUBTOTAL = 32 };

// Bits [first, first + gridDim.x) of `count` ciphertexts lwe (count, N + 1) -> points (bit - first, level, H).
extern "C" __global__ void pack_points(const u64 *lwe, cx *points, const cx *twiddles, i64 first, i64 count) {
  SHARED(cx, x);
  const u64 *column = lwe + first + blockIdx.x;
  points += (i64)blockIdx.x * LEVELS * H;
  for (int l = 0; l < LEVELS; l++, points += H) {
    for (int j = threadIdx.x; j < H; j += blockDim.x) {
      u64 low = j < count ? column[(i64)j * (N + 1)] : 0, high = j + H < count ? column[(i64)(j + H) * (N + 1)] : 0;
      x[j] = {digit(low, l), digit(high, l)};
    }
    __syncthreads();
    forward(x, twiddles);
    for (int j = threadIdx.x; j < H; j += blockDim.x) points[j] = x[j];
    __syncthreads();
  }
}

// points (SUBTOTAL gridDim.y, level, H), key points (bit, level, column, H) -> subtotals (gridDim.y, column, H)
extern "C" __global__ void pack_subtotals(const cx *points, const cx *key, cx *subtotals) {
  int at = blockIdx.x * blockDim.x + threadIdx.x; // column and point
  if (at >= 2 * H) return;
  int j = at % H, c = at / H;
  i64 bit = (i64)blockIdx.y * SUBTOTAL;
  cx sum = {0.0, 0.0};
  for (int term = 0; term < SUBTOTAL * LEVELS; term++) {
    i64 p = bit * LEVELS + term;
    sum = add(sum, mul(points[p * H + j], key[(2 * p + c) * H + j]));
  }
  subtotals[(i64)blockIdx.y * 2 * H + at] = sum;
}

// One block a column: subtotals (N / SUBTOTAL, column, H) -> out (column, N).
extern "C" __global__ void pack_finish(const cx *subtotals, const u64 *lwe, u64 *out, const cx *twiddles, i64 count) {
  SHARED(cx, x);
  int c = blockIdx.x;
  for (int j = threadIdx.x; j < H; j += blockDim.x) {
    cx sum = {0.0, 0.0};
    for (int group = 0; group < N / SUBTOTAL; group++) sum = add(sum, subtotals[(i64)(2 * group + c) * H + j]);
    x[j] = sum;
  }
  __syncthreads();
  inverse(x, twiddles);
  for (int j = threadIdx.x; j < N; j += blockDim.x) {
    u64 body = c && j < count ? lwe[(i64)j * (N + 1) + N] : 0;
    out[c * N + j] = body - to_word(j < H ? x[j].r : x[j - H].i);
  }
}

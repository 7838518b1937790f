// The bootstrap for N = 2048: one block of 128 threads an accumulator, which stays in shared memory for all steps.
//
// 64 threads hold one polynomial's 1024 points, 16 a thread. A point's number has five digits of base 4, (d0 d1 d2 d3 d4),
// one for each level of the tree. The first 64 threads take row 0 (the mask) and then column 0, the others 1:
//   levels 0 and 1: thread (d2 d3 d4), registers (d0 d1);    then once through shared memory to
//   levels 2 and 3: thread (d0 d1 d4), registers (d2 d3);    then d3 changes place with d4 among 4 lanes, by shuffles:
//   level 4:        thread (d0 d1 d3), registers (d2 d4).    The product with the key and the way back start from there.
#if SIZE == 2048

enum { THREADS = 128, ROW = 68, EXCHANGE = 16 * ROW }; // 64 points, and 4 of padding so that 8 lanes meet 8 banks
#ifndef BLOCKS // on a multiprocessor at once, as its 228 KiB of shared memory allow
#define BLOCKS (LEVELS == 1 ? 3 : 2)
#endif

// swaps d3, the low digit of a register's number, with the low digit of the lane
INLINE void swap_digits(cx *x, int lane) {
  UNROLL for (int bit = 1; bit <= 2; bit *= 2)
    UNROLL for (int k = 0; k < 16; k++)
      if (!(k & bit)) {
        bool odd = lane & bit;
        cx sent = odd ? x[k] : x[k | bit];
        cx got = {__shfl_xor_sync(0xffffffffu, sent.r, bit), __shfl_xor_sync(0xffffffffu, sent.i, bit)};
        if (odd) x[k] = got; else x[k | bit] = got;
      }
}

// Twiddles from number `at` on, to be loaded here and not before: else the compiler loads a thread's twiddles long before
// they are used, or once for all steps, and has to spill registers. For that reason they are not `__restrict__` either.
INLINE const cx *twiddles_at(const cx *twiddles, int at) {
  UNKNOWN(at);
  return twiddles + at;
}

// Twiddles in the order of registers: 3 of level 0 and 12 of level 1, which all threads share; then number i of three of
// level 2 (i, hi), of level 3 (k, i, hi) and of level 4 (k, i, t): a warp reads each as one or a few lines of the cache.
INLINE void last_levels(cx *x, const cx *tw, int t) {
  int hi = t >> 2;
  const cx *two = twiddles_at(tw, 15 + hi);
  UNROLL for (int k = 0; k < 4; k++) split(x[k], x[4 + k], x[8 + k], x[12 + k], two, 16);
  const cx *three = twiddles_at(tw, 63 + hi);
  UNROLL for (int k = 0; k < 4; k++) split(x[4 * k], x[4 * k + 1], x[4 * k + 2], x[4 * k + 3], three + 48 * k, 16);
  swap_digits(x, t & 3);
  const cx *four = twiddles_at(tw, 255 + t);
  UNROLL for (int k = 0; k < 4; k++) split(x[4 * k], x[4 * k + 1], x[4 * k + 2], x[4 * k + 3], four + 192 * k, 64);
}
INLINE void undo_last_levels(cx *x, const cx *tw, int t) {
  int hi = t >> 2;
  const cx *four = twiddles_at(tw, 255 + t);
  UNROLL for (int k = 0; k < 4; k++) join(x[4 * k], x[4 * k + 1], x[4 * k + 2], x[4 * k + 3], four + 192 * k, 64);
  swap_digits(x, t & 3);
  const cx *three = twiddles_at(tw, 63 + hi);
  UNROLL for (int k = 0; k < 4; k++) join(x[4 * k], x[4 * k + 1], x[4 * k + 2], x[4 * k + 3], three + 48 * k, 16);
  const cx *two = twiddles_at(tw, 15 + hi);
  UNROLL for (int k = 0; k < 4; k++) join(x[k], x[4 + k], x[8 + k], x[12 + k], two, 16);
}

// Key points in register order, (step, level, row, column, 16, 64). Shared memory: words of both polynomials; a padded
// exchange for each, which is also where the last level's points meet; points of the levels before it.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
bootstrap_2048(const cx *key, const cx *twiddles, const u64 *__restrict__ small,
               const u64 *__restrict__ tables, const i64 *__restrict__ which, u64 *__restrict__ out, i64 bodies,
               i64 columns) {
  SHARED(u64, memory);
  int g = threadIdx.x >> 6, t = threadIdx.x & 63, hi = t >> 2, lane = t & 3;
  u64 *acc = memory + g * N;
  cx *both = (cx *)(memory + 2 * N), *mine = both + g * EXCHANGE, *early = both + 2 * EXCHANGE, x[16];
  small += (i64)blockIdx.x * (DIMENSION + 1), key += g * H + t;
  const u64 *table = tables + (which[blockIdx.x] * columns + (columns == 2 ? g : 0)) * N; // 2 of an encrypted one
  int shift = (2 * N - switched(small[DIMENSION])) & (2 * N - 1);
  for (int j = t; j < N; j += 64) acc[j] = g || columns == 2 ? rotated(table, j, shift) : 0;
  __syncthreads();

  for (int step = 0; step < DIMENSION; step++, key += 4 * LEVELS * H) {
    UNKNOWN(hi); // else addresses are computed once for all steps, and spilled
    UNKNOWN(lane);
    int r = switched(small[step]), from = t - r;
    if (r == 0) continue; // for the whole block: X^0 - 1 would add zero

    _Pragma("unroll 1") for (int l = 0; l < LEVELS; l++) { // once in the instruction cache for all levels
      UNROLL for (int k = 0; k < 16; k++) {
        int j = 64 * k + t;
        u64 low = turned(acc, from + 64 * k) - acc[j], high = turned(acc, from + 64 * k + H) - acc[j + H];
        x[k] = {digit(low, l), digit(high, l)};
      }
      const cx *tw = twiddles_at(twiddles, 0);
      UNROLL for (int k = 0; k < 4; k++) split(x[k], x[4 + k], x[8 + k], x[12 + k], tw);
      UNROLL for (int k = 0; k < 4; k++) split(x[4 * k], x[4 * k + 1], x[4 * k + 2], x[4 * k + 3], tw + 3 + 3 * k);
      UNROLL for (int k = 0; k < 16; k++) mine[k * ROW + t] = x[k];
      __syncthreads();
      UNROLL for (int k = 0; k < 16; k++) x[k] = mine[hi * ROW + 4 * k + lane];
      last_levels(x, twiddles, t);
      __syncthreads(); // nobody reads the exchange any more
      cx *to = l == LEVELS - 1 ? mine : early + (2 * l + g) * H;
      UNROLL for (int k = 0; k < 16; k++) to[64 * k + t] = x[k];
    }
    __syncthreads(); // the points of both rows are there

    UNROLL for (int k = 0; k < 16; k++)
      UNROLL for (int q = 0; q < 2; q++)
        UNROLL for (int l = 0; l < LEVELS; l++) {
          const cx *from = l == LEVELS - 1 ? both + q * EXCHANGE : early + (2 * l + q) * H;
          cx term = mul(from[64 * k + t], STREAMED(key + (2 * l + q) * 2 * H + 64 * k));
          x[k] = q || l ? add(x[k], term) : term;
        }
    __syncthreads(); // and may be overwritten

    undo_last_levels(x, twiddles, t);
    UNROLL for (int k = 0; k < 16; k++) mine[hi * ROW + 4 * k + lane] = x[k];
    __syncthreads();
    UNROLL for (int k = 0; k < 16; k++) x[k] = mine[k * ROW + t];
    const cx *tw = twiddles_at(twiddles, 0);
    UNROLL for (int k = 0; k < 4; k++) join(x[4 * k], x[4 * k + 1], x[4 * k + 2], x[4 * k + 3], tw + 3 + 3 * k);
    UNROLL for (int k = 0; k < 4; k++) join(x[k], x[4 + k], x[8 + k], x[12 + k], tw);
    UNROLL for (int k = 0; k < 16; k++) acc[64 * k + t] += to_word(x[k].r), acc[64 * k + t + H] += to_word(x[k].i);
    __syncthreads();
  }
  out += (i64)blockIdx.x * (N + bodies);
  if (g == 0)
    for (int j = t; j < N; j += 64) out[j] = j ? 0 - acc[N - j] : acc[0];
  else
    for (int e = t; e < (int)bodies; e += 64) out[N + e] = acc[e * (N / (int)bodies)];
}
#endif

// The transform of any size, by a whole block, in shared memory: one level of the tree after another. Keys, packing and
// small polynomials use it; bootstrap.cu has its own for the size that matters.
//
// Twiddles: of each level from the root down, of each of its nodes: t, t^2, t^3, or t alone where the root is split in
// two. Barriers: callers see to it that the points are there; both functions end with a barrier.

constexpr bool starts_with_two = log2_of(H) & 1;

INLINE void forward(cx *x, const cx *t) {
  int width = H, nodes = 1;
  if (starts_with_two) {
    width /= 2;
    for (int j = threadIdx.x; j < width; j += blockDim.x) {
      cx a = x[j], u = mul(x[j + width], t[0]);
      x[j] = add(a, u), x[j + width] = sub(a, u);
    }
    t += 1, nodes = 2;
    __syncthreads();
  }
  for (; width > 1; nodes *= 4) {
    width /= 4;
    for (int b = threadIdx.x; b < H / 4; b += blockDim.x) {
      int node = b / width, j = node * 4 * width + b % width;
      split(x[j], x[j + width], x[j + 2 * width], x[j + 3 * width], t + 3 * node);
    }
    t += 3 * nodes;
    __syncthreads();
  }
}

INLINE void inverse(cx *x, const cx *twiddles) {
  const cx *t = twiddles + (starts_with_two ? 1 : 0);
  int nodes = starts_with_two ? 2 : 1;
  for (; nodes < H / 4; nodes *= 4) t += 3 * nodes;
  for (int width = 1; nodes >= (starts_with_two ? 2 : 1); width *= 4) {
    for (int b = threadIdx.x; b < H / 4; b += blockDim.x) {
      int node = b / width, j = node * 4 * width + b % width;
      join(x[j], x[j + width], x[j + 2 * width], x[j + 3 * width], t + 3 * node);
    }
    nodes /= 4, t -= 3 * nodes;
    __syncthreads();
  }
  if (starts_with_two) {
    for (int j = threadIdx.x; j < H / 2; j += blockDim.x) {
      cx a = x[j], b = x[j + H / 2];
      x[j] = add(a, b), x[j + H / 2] = mul_conj(sub(a, b), twiddles[0]);
    }
    __syncthreads();
  }
}

// Words of one key polynomial a block (N each) -> key points, scaled by 2^-64 / H: `out` holds H points a polynomial, in
// the tree's order, or where `order` is 1 in the order of the registers of bootstrap.cu.
extern "C" __global__ void transform_key(const u64 *words, cx *out, const cx *twiddles, i64 order) {
  SHARED(cx, x);
  words += (i64)blockIdx.x * N, out += (i64)blockIdx.x * H;
  constexpr double scale = 1.0 / 18446744073709551616.0 / H;
  for (int j = threadIdx.x; j < H; j += blockDim.x)
    x[j] = {mul(__ll2double_rn((i64)words[j]), scale), mul(__ll2double_rn((i64)words[j + H]), scale)};
  __syncthreads();
  forward(x, twiddles);
  for (int j = threadIdx.x; j < H; j += blockDim.x) {
    int at = order ? ((j >> 2 & 12) | (j & 3)) * 64 + (j >> 6 << 2 | (j >> 2 & 3)) : j;
    out[at] = x[j];
  }
}

// One bootstrap a block, for any size: correct first. Shared memory: two polynomials of words, then 2 LEVELS of points.
// Key points in the tree's order, (step, level, row, column, H).
extern "C" __global__ void bootstrap_any(const cx *key, const cx *twiddles, const u64 *small, const u64 *tables,
                                         const i64 *which, u64 *out, i64 bodies, i64 columns) {
  SHARED(u64, acc);
  cx *points = (cx *)(acc + 2 * N); // [level][row][H]; then column c in the place of level 0, row c
  small += (i64)blockIdx.x * (DIMENSION + 1), out += (i64)blockIdx.x * (N + bodies);
  const u64 *table = tables + which[blockIdx.x] * columns * N; // 2 columns of an encrypted one
  int shift = (2 * N - switched(small[DIMENSION])) & (2 * N - 1);
  for (int j = threadIdx.x; j < N; j += blockDim.x) {
    acc[j] = columns == 2 ? rotated(table, j, shift) : 0;
    acc[N + j] = rotated(table + (columns - 1) * N, j, shift);
  }
  __syncthreads();
  for (int step = 0; step < DIMENSION; step++, key += 4 * LEVELS * H) {
    int r = switched(small[step]);
    if (r == 0) continue; // X^0 - 1 would add zero
    for (int q = 0; q < 2; q++)
      for (int j = threadIdx.x; j < H; j += blockDim.x) {
        u64 low = rotated(acc + q * N, j, r) - acc[q * N + j];
        u64 high = rotated(acc + q * N, j + H, r) - acc[q * N + j + H];
        for (int l = 0; l < LEVELS; l++) points[(2 * l + q) * H + j] = {digit(low, l), digit(high, l)};
      }
    __syncthreads();
    for (int p = 0; p < 2 * LEVELS; p++) forward(points + p * H, twiddles);
    for (int j = threadIdx.x; j < H; j += blockDim.x) {
      cx y[2];
      for (int c = 0; c < 2; c++)
        for (int q = 0; q < 2; q++)
          for (int l = 0; l < LEVELS; l++) {
            cx term = mul(points[(2 * l + q) * H + j], key[((2 * l + q) * 2 + c) * H + j]);
            y[c] = q || l ? add(y[c], term) : term;
          }
      points[j] = y[0], points[H + j] = y[1];
    }
    __syncthreads();
    for (int c = 0; c < 2; c++) {
      inverse(points + c * H, twiddles);
      for (int j = threadIdx.x; j < H; j += blockDim.x)
        acc[c * N + j] += to_word(points[c * H + j].r), acc[c * N + j + H] += to_word(points[c * H + j].i);
    }
    __syncthreads();
  }
  for (int j = threadIdx.x; j < N; j += blockDim.x) out[j] = j ? 0 - acc[N - j] : acc[0];
  for (int e = threadIdx.x; e < (int)bodies; e += blockDim.x) out[N + e] = acc[N + e * (N / (int)bodies)];
}

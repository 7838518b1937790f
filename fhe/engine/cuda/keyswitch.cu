// Keyswitch of a batch: an integer matrix product modulo 2^64. One thread sums one word of TALL ciphertexts. And what comes
// between it and the bootstrap in circuits of digits: the centring of section 12.
//
// Digits count from zero (v = digit + base / 2), so that a product is two 32-bit multiplications; `start` holds base / 2
// times the key's column sums, which takes the difference back. Sums of integers do not depend on their order.

enum { TALL = 16, COEFFICIENTS = 32 }; // ciphertexts a thread, coefficients whose digits are in shared memory at once

// lwe (count, N + 1) -> out (count, n + 1); key (N, SWITCH_LEVELS, n + 1)
extern "C" __global__ void keyswitch(const u64 *__restrict__ lwe, const u64 *__restrict__ key,
                                     const u64 *__restrict__ start, u64 *__restrict__ out, i64 count) {
  SHARED(u32, digits); // [coefficient][level][TALL]
  constexpr u64 offset = digit_offset(SWITCH_BASE, SWITCH_LEVELS);
  i64 first = (i64)blockIdx.y * TALL;
  int tall = count - first < TALL ? (int)(count - first) : TALL;
  int word = blockIdx.x * blockDim.x + threadIdx.x;
  u64 low[TALL];
  u32 high[TALL];
  UNROLL for (int b = 0; b < TALL; b++) low[b] = 0, high[b] = 0;
  for (int i0 = 0; i0 < N; i0 += COEFFICIENTS) {
    __syncthreads();
    for (int e = threadIdx.x; e < TALL * COEFFICIENTS; e += blockDim.x) {
      int i = e % COEFFICIENTS, b = e / COEFFICIENTS;
      u64 u = b < tall ? lwe[(first + b) * (N + 1) + i0 + i] + offset : 0;
      for (int l = 0; l < SWITCH_LEVELS; l++)
        digits[(i * SWITCH_LEVELS + l) * TALL + b] =
            (u32)(u >> (64 - SWITCH_BASE * (SWITCH_LEVELS - l))) & ((1u << SWITCH_BASE) - 1);
    }
    __syncthreads();
    if (word <= DIMENSION) {
      const u64 *k = key + (i64)i0 * SWITCH_LEVELS * (DIMENSION + 1) + word;
      for (int term = 0; term < COEFFICIENTS * SWITCH_LEVELS; term++, k += DIMENSION + 1) {
        u64 value = *k;
        u32 bottom = (u32)value, top = (u32)(value >> 32);
        UNROLL for (int b = 0; b < TALL; b++) {
          u32 v = digits[term * TALL + b];
          low[b] += (u64)bottom * v, high[b] += top * v;
        }
      }
    }
  }
  if (word > DIMENSION) return;
  UNROLL for (int b = 0; b < TALL; b++)
    if (b < tall) {
      u64 body = word == DIMENSION ? lwe[(first + b) * (N + 1) + N] : 0;
      out[(first + b) * (DIMENSION + 1) + word] = body + start[word] - low[b] - ((u64)high[b] << 32);
    }
}

// One ciphertext (n + 1 words) a block: takes from its body half of what rounding to modulo 2 N takes from its mask.
extern "C" __global__ void centre(u64 *small) {
  SHARED(u64, parts); // one a thread
  small += (i64)blockIdx.x * (DIMENSION + 1);
  u64 lost = 0;
  for (int i = threadIdx.x; i < DIMENSION; i += blockDim.x)
    lost += small[i] - ((u64)switched(small[i]) << (63 - log2_of(N)));
  parts[threadIdx.x] = lost;
  __syncthreads();
  if (threadIdx.x) return;
  for (int t = 1; t < (int)blockDim.x; t++) lost += parts[t];
  small[DIMENSION] -= (u64)((i64)lost >> 1);
}

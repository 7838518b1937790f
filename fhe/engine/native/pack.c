// Encryption of packed polynomials: the exact product with a binary key, and Gaussian noise from uniform words.
//
// The product (fhe/negacyclic.py) splits a word into two signed limbs of 32 bits; each limb's product with a key of N
// bits is an integer below 2^31 N, which the transform of transform.h gives to within 0.07, so rounding makes it exact.
// The noise (fhe/gaussian.py) is Box and Muller's, by polynomials of our own: no libm, and the same at every width.
#include <stdlib.h>

#include "transform.h"

#define EXPORT __attribute__((visibility("default")))

static void *aligned(int64_t words) { return aligned_alloc(64, (size_t)(words * 8 + 63) / 64 * 64); }

// the key's N bits -> its H transformed points, scaled by 2^-64 / H; 0, or -1 without memory
EXPORT int darkroom_binary_key(const plan *p, const uint8_t *bits, double *key) {
  double *x = aligned(p->N), scale = 0x1p-64 / (double)(p->N / 2);
  if (!x) return -1;
  for (int64_t j = 0; j < p->N; j++) x[j] = bits[j] * scale;
  front_forward(p, x, x + p->N / 2, 0);
  tail_forward(p, x, x + p->N / 2, key, GROUP);
  return free(x), 0;
}

// limb (signed, 32 bits, its sign bit flipped) times the key, added to out
INLINE void limb(const plan *p, const double *key, double *x, double *points, uint64_t *out) {
  int64_t H = p->N / 2;
  front_forward(p, x, x + H, 0);
  tail_forward(p, x, x + H, points, GROUP);
  const vd *f = (const vd *)points, *k = (const vd *)key;
  for (int64_t s = 0; s < H; s += BLOCK * LANES, f += 2 * BLOCK, k += 2 * BLOCK) {
    cx y[BLOCK];
    UNROLL for (int e = 0; e < BLOCK; e++) y[e] = mul((cx){f[2 * e], f[2 * e + 1]}, (cx){k[2 * e], k[2 * e + 1]});
    tail_inverse(p, y, x, x + H, s);
  }
  finish(p, front_inverse(p, x, x + H), x, x + H, out, 0);
}

// words (polys, N) times the key of darkroom_binary_key -> out (polys, N), 64-byte aligned; 0, or -1 without memory
EXPORT int darkroom_times_key(const plan *p, const double *key, const uint64_t *words, uint64_t *out, int64_t polys) {
  int64_t N = p->N;
  double *x = aligned(2 * N), *points = x + N;
  const vd centre = every(0x1p52 + 0x1p31);
  const vu exponent = (vu)every(0x1p52);
  if (!x) return -1;
  for (int64_t i = 0; i < polys; i++, words += N, out += N) {
    for (int64_t j = 0; j < N; j += LANES) { // the high limb, and the carry that a negative low one leaves
      vu high = (*(const vu_any *)(words + j) + 0x80000000u) >> 32;
      *(vd *)(x + j) = (vd)((high ^ 0x80000000u) | exponent) - centre;
      *(vu *)(out + j) = (vu){};
    }
    limb(p, key, x, points, out);
    for (int64_t j = 0; j < N; j += LANES) {
      *(vu *)(out + j) <<= 32;
      *(vd *)(x + j) = (vd)(((*(const vu_any *)(words + j) & 0xffffffffu) ^ 0x80000000u) | exponent) - centre;
    }
    limb(p, key, x, points, out);
  }
  return free(x), 0;
}

// ln of x in (0, 1], by ln m = 2 artanh((m - 1) / (m + 1)) for m in [sqrt 1/2, sqrt 2)
INLINE vd logarithm(vd x) {
  vu bits = (vu)x + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu), exponent = bits >> 52;
  vd m = (vd)((bits & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu);
  vd k = (vd)(exponent | (vu)every(0x1p52)) - every(0x1p52 + 1023);
  vd s = (m - 1.0) / (m + 1.0), z = s * s, sum = every(1.0 / 21);
  UNROLL for (int n = 19; n > 0; n -= 2) sum = sum * z + 1.0 / n;
  return k * 0x1.62e42fefa39efp-1 + 2.0 * s * sum;
}

// (cos, sin) of 2 pi a, a in [0, 1): the nearest quarter turn, and Taylor series of what is left of it
INLINE cx turn(vd a) {
  const double magic = 0x1.8p52, tau = 0x1.921fb54442d18p+2;
  vd q = a * 4.0 + magic, t = (a - (q - magic) * 0.25) * tau, z = t * t;
  vu quarter = (vu)q;
  vd c = every(1.0 / 20922789888000.0), s = every(-1.0 / 1307674368000.0);
  c = c * z - 1.0 / 87178291200.0, s = s * z + 1.0 / 6227020800.0;
  c = c * z + 1.0 / 479001600.0, s = s * z - 1.0 / 39916800.0;
  c = c * z - 1.0 / 3628800.0, s = s * z + 1.0 / 362880.0;
  c = c * z + 1.0 / 40320.0, s = s * z - 1.0 / 5040.0;
  c = c * z - 1.0 / 720.0, s = s * z + 1.0 / 120.0;
  c = c * z + 1.0 / 24.0, s = s * z - 1.0 / 6.0;
  c = c * z - 0.5, s = s * z + 1.0;
  c = c * z + 1.0, s = s * t;
  vu odd = -(quarter & 1), keep_c = (vu)c & ~odd, keep_s = (vu)s & ~odd;
  vu x = keep_c | ((vu)s & odd), y = keep_s | ((vu)c & odd); // an odd quarter: (-sin, cos)
  x ^= ((quarter + 1) & 2) << 62, y ^= (quarter & 2) << 62;
  return (cx){(vd)x, (vd)y};
}

INLINE vd rooted(vd x) {
#if LANES == 8
  return (vd)_mm512_sqrt_pd((__m512d)x);
#elif LANES == 4
  return (vd)_mm256_sqrt_pd((__m256d)x);
#elif defined(__SSE2__)
  return (vd)_mm_sqrt_pd((__m128d)x);
#else
  vd y;
  for (int i = 0; i < LANES; i++) y[i] = __builtin_sqrt(x[i]);
  return y;
#endif
}

// uniform words (polys, size) -> added to out (polys, size): rounded Gaussians of deviation `sigma` < 2^40
EXPORT void darkroom_add_noise(const uint64_t *uniform, uint64_t *out, int64_t polys, int64_t size, double sigma) {
  const vd one = every(1.0), magic = every(0x1.8p52);
  const double twice = -2.0 * sigma * sigma;
  int64_t half = size / 2;
  for (int64_t i = 0; i < polys; i++, uniform += size, out += size)
    for (int64_t j = 0; j < half; j += LANES) {
      vd u = (vd)(*(const vu_any *)(uniform + j) >> 12 | (vu)one);        // [1, 2)
      vd a = (vd)(*(const vu_any *)(uniform + half + j) >> 12 | (vu)one) - one; // [0, 1)
      vd r = rooted(logarithm(2.0 - u) * twice);
      cx t = turn(a);
      *(vu_any *)(out + j) += (vu)(r * t.r + magic) - (vu)magic;
      *(vu_any *)(out + half + j) += (vu)(r * t.i + magic) - (vu)magic;
    }
}

// Vectors of LANES doubles, complex arithmetic in the canonical order, and what moves values between lanes.
//
// LANES is 2 (SSE2, NEON), 4 (AVX2) or 8 (AVX-512). Widths differ in where a value lies, never in which operations
// make it, so every build gives the same bytes. That needs -ffp-contract=off and no fast-math.
#include <stdint.h>
#if LANES == 8
#include <immintrin.h>
#elif defined(__SSE2__)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef double vd __attribute__((vector_size(8 * LANES), may_alias));
typedef uint64_t vu __attribute__((vector_size(8 * LANES), may_alias));
typedef uint64_t vu_any __attribute__((vector_size(8 * LANES), aligned(8), may_alias)); // at any word's address
typedef struct { vd r, i; } cx;

INLINE vd every(double x) { return (vd){} + x; }
INLINE cx broadcast(const double *t) { return (cx){every(t[0]), every(t[1])}; }
INLINE cx mul(cx a, cx t) { return (cx){a.r * t.r - a.i * t.i, a.r * t.i + a.i * t.r}; }
INLINE cx mul_conj(cx a, cx t) { return (cx){a.r * t.r + a.i * t.i, a.i * t.r - a.r * t.i}; }
INLINE cx add(cx a, cx b) { return (cx){a.r + b.r, a.i + b.i}; }
INLINE cx sub(cx a, cx b) { return (cx){a.r - b.r, a.i - b.i}; }
INLINE cx add_i(cx a, cx b) { return (cx){a.r - b.i, a.i + b.r}; } // a + i b
INLINE cx sub_i(cx a, cx b) { return (cx){a.r + b.i, a.i - b.r}; } // a - i b

// rint(frac(x) * 2^64) modulo 2^64, ties to even, for |x| < 2^51
INLINE vu to_words(vd x) {
#if LANES == 8
  return (vu)_mm512_cvtpd_epi64(_mm512_reduce_pd((__m512d)x, 0) * 0x1p64);
#else
  const double magic = 0x1.8p52; // adding it rounds to an integer and leaves that in the low bits
  x -= (x + magic) - magic;
  vd y = x * 0x1p32, high = y + magic, low = (y - (high - magic)) * 0x1p32 + magic;
  return ((vu)high << 32) + ((vu)low - (vu)every(magic));
#endif
}

// the low 32 bits of a times the low 32 bits of b
INLINE vu mul32(vu a, vu b) {
#if LANES == 8
  return (vu)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif LANES == 4
  return (vu)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return (vu)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  return (a & 0xffffffff) * (b & 0xffffffff);
#endif
}

#if defined(__clang__) || __GNUC__ >= 12
#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICK(a, b, ...) __builtin_shuffle(a, b, (vu){__VA_ARGS__})
#endif
#if LANES == 2
#define LOW1 0, 2
#define HIGH1 1, 3
#elif LANES == 4
#define LOW1 0, 4, 2, 6
#define HIGH1 1, 5, 3, 7
#define LOW2 0, 1, 4, 5
#define HIGH2 2, 3, 6, 7
#else
#define LOW1 0, 8, 2, 10, 4, 12, 6, 14
#define HIGH1 1, 9, 3, 11, 5, 13, 7, 15
#define LOW2 0, 1, 8, 9, 4, 5, 12, 13
#define HIGH2 2, 3, 10, 11, 6, 7, 14, 15
#define LOW4 0, 1, 2, 3, 8, 9, 10, 11
#define HIGH4 4, 5, 6, 7, 12, 13, 14, 15
#endif
#define SWAP(d)                                                                                                        \
  UNROLL for (int k = 0; k < LANES / 2; k++) {                                                                         \
    int i = k / d * 2 * d + k % d;                                                                                     \
    vd a = v[i], b = v[i + d];                                                                                         \
    v[i] = PICK(a, b, LOW##d), v[i + d] = PICK(a, b, HIGH##d);                                                         \
  }

// a square of LANES x LANES, by swapping squares of 1, 2 and 4
INLINE void transpose(vd *v) {
  SWAP(1)
#if LANES >= 4
  SWAP(2)
#endif
#if LANES >= 8
  SWAP(4)
#endif
}

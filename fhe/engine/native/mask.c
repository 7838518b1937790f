// Sums of weighted mask words (fhe/mask.py) that are never written out: AES of counters, multiplied and added at once.
//
// So are the sums over a binary key of LWE ciphertexts' masks (fhe/ciphertexts/lwe_bins.py).
//
// Word pair j of a file is the AES-128 encryption of the counter j, 16 little-endian bytes, under its seed. Built without
// flags: the instructions are named by function, and called only where `darkroom_has_aes` says that they exist.
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

#define AES __attribute__((target("aes,avx2")))
#define VAES __attribute__((target("vaes,aes,avx2")))
#define WIDE 8 // registers of two counters that go through the rounds side by side

AES static inline __m128i next_key(__m128i key, __m128i assist) {
  assist = _mm_shuffle_epi32(assist, 0xff);
  key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
  key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
  return _mm_xor_si128(key, assist);
}
AES static void expand(const uint8_t *seed, __m256i *keys) {
  __m128i k[11];
  k[0] = _mm_loadu_si128((const void *)seed);
#define KEY(i, c) k[i] = next_key(k[i - 1], _mm_aeskeygenassist_si128(k[i - 1], c))
  KEY(1, 0x01), KEY(2, 0x02), KEY(3, 0x04), KEY(4, 0x08), KEY(5, 0x10);
  KEY(6, 0x20), KEY(7, 0x40), KEY(8, 0x80), KEY(9, 0x1b), KEY(10, 0x36);
  for (int i = 0; i < 11; i++) keys[i] = _mm256_broadcastsi128_si256(k[i]);
}

AES static inline __m256i halves(__m256i x, __m256i key) {
  __m128i k = _mm256_castsi256_si128(key), low = _mm_aesenc_si128(_mm256_castsi256_si128(x), k);
  return _mm256_set_m128i(_mm_aesenc_si128(_mm256_extracti128_si256(x, 1), k), low);
}
AES static inline __m256i last_halves(__m256i x, __m256i key) {
  __m128i k = _mm256_castsi256_si128(key), low = _mm_aesenclast_si128(_mm256_castsi256_si128(x), k);
  return _mm256_set_m128i(_mm_aesenclast_si128(_mm256_extracti128_si256(x, 1), k), low);
}

// sums[rows[t] * stride + 2 * i] and the word after it += weights[t] * the words of pair first + i, modulo 2^64
#define SUM(NAME, TARGET, ROUND, LAST)                                                                                 \
  TARGET static void NAME(const uint8_t *seed, uint64_t first, int64_t pairs, const uint64_t *weights,                 \
                          const int64_t *rows, int64_t terms, uint64_t *sums, int64_t stride) {                        \
    __m256i keys[11];                                                                                                  \
    expand(seed, keys);                                                                                                \
    for (int64_t i = 0; i < pairs; i += 2 * WIDE) {                                                                    \
      __m256i x[WIDE];                                                                                                 \
      int64_t here = pairs - i < 2 * WIDE ? pairs - i : 2 * WIDE;                                                      \
      for (int j = 0; j < WIDE; j++) {                                                                                 \
        uint64_t at = first + (uint64_t)i + 2 * (uint64_t)j;                                                           \
        x[j] = _mm256_xor_si256(_mm256_set_epi64x(0, (int64_t)(at + 1), 0, (int64_t)at), keys[0]);                     \
      }                                                                                                                \
      for (int r = 1; r < 10; r++)                                                                                     \
        for (int j = 0; j < WIDE; j++) x[j] = ROUND(x[j], keys[r]);                                                    \
      for (int j = 0; j < WIDE; j++) x[j] = LAST(x[j], keys[10]);                                                      \
      for (int64_t t = 0; t < terms; t++) {                                                                            \
        uint64_t *to = sums + rows[t] * stride + 2 * i;                                                                \
        __m256i low = _mm256_set1_epi64x((int64_t)weights[t]), high = _mm256_srli_epi64(low, 32);                      \
        for (int j = 0; j < WIDE && 2 * j < here; j++) {                                                               \
          __m256i cross = _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(x[j], 32), low),                         \
                                           _mm256_mul_epu32(x[j], high));                                              \
          __m256i product = _mm256_add_epi64(_mm256_mul_epu32(x[j], low), _mm256_slli_epi64(cross, 32));               \
          if (2 * j + 1 < here)                                                                                        \
            _mm256_storeu_si256((void *)(to + 4 * j),                                                                  \
                                _mm256_add_epi64(_mm256_loadu_si256((const void *)(to + 4 * j)), product));            \
          else                                                                                                         \
            _mm_storeu_si128((void *)(to + 4 * j), _mm_add_epi64(_mm_loadu_si128((const void *)(to + 4 * j)),          \
                                                                 _mm256_castsi256_si128(product)));                    \
        }                                                                                                              \
      }                                                                                                                \
    }                                                                                                                  \
  }
SUM(sum_aes, AES, halves, last_halves)
SUM(sum_vaes, VAES, _mm256_aesenc_epi128, _mm256_aesenclast_epi128)

// 2: two blocks an instruction (VAES), 1: one (AES-NI), 0: neither. AVX2 in all cases, with the registers saved.
EXPORT int darkroom_has_aes(void) {
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27) || !(c & 1u << 25)) return 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & 0x06) != 0x06 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & 1u << 5)) return 0;
  return c & 1u << 9 ? 2 : 1;
}
EXPORT void darkroom_mask_sum(int kind, const uint8_t *seed, uint64_t first, int64_t pairs, const uint64_t *weights,
                              const int64_t *rows, int64_t terms, uint64_t *sums, int64_t stride) {
  (kind == 2 ? sum_vaes : sum_aes)(seed, first, pairs, weights, rows, terms, sums, stride);
}

// LWE ciphertexts [first, first + count) of a file, of `pairs` pairs of words each: the words whose place in `key` (2
// pairs words) is all ones are summed to out (count words), those whose place is zero are left out
AES EXPORT void darkroom_key_sums(const uint8_t *seed, int64_t first, int64_t count, int64_t pairs, const uint64_t *key,
                                  uint64_t *out) {
  __m256i wide[11];
  __m128i keys[11];
  expand(seed, wide);
  for (int i = 0; i < 11; i++) keys[i] = _mm256_castsi256_si128(wide[i]);
  for (int64_t i = 0; i < count; i++) {
    __m128i sum = _mm_setzero_si128();
    for (int64_t j = 0; j < pairs; j += WIDE) {
      __m128i x[WIDE];
      for (int e = 0; e < WIDE; e++) x[e] = _mm_xor_si128(_mm_set_epi64x(0, (first + i) * pairs + j + e), keys[0]);
      for (int r = 1; r < 10; r++)
        for (int e = 0; e < WIDE; e++) x[e] = _mm_aesenc_si128(x[e], keys[r]);
      for (int e = 0; e < WIDE && j + e < pairs; e++) {
        __m128i used = _mm_loadu_si128((const void *)(key + 2 * (j + e)));
        sum = _mm_add_epi64(sum, _mm_and_si128(_mm_aesenclast_si128(x[e], keys[10]), used));
      }
    }
    out[i] = (uint64_t)_mm_cvtsi128_si64(sum) + (uint64_t)_mm_extract_epi64(sum, 1);
  }
}
#else
EXPORT int darkroom_has_aes(void) { return 0; }
EXPORT void darkroom_key_sums(const uint8_t *seed, int64_t first, int64_t count, int64_t pairs, const uint64_t *key,
                              uint64_t *out) {
  (void)seed, (void)first, (void)count, (void)pairs, (void)key, (void)out;
}
EXPORT void darkroom_mask_sum(int kind, const uint8_t *seed, uint64_t first, int64_t pairs, const uint64_t *weights,
                              const int64_t *rows, int64_t terms, uint64_t *sums, int64_t stride) {
  (void)kind, (void)seed, (void)first, (void)pairs, (void)weights, (void)rows, (void)terms, (void)sums, (void)stride;
}
#endif

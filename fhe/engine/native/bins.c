// Sums of mask words over a binary key, for LWE ciphertexts whose mask is an AES key stream (fhe/ciphertexts/lwe_bins.py).
//
// The stream's words are summed as they come and never stored. Built without flags: the instructions are named by
// function, and called only where `darkroom_has_aes` says that they exist.
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

#define AES __attribute__((target("aes,sse4.1")))

enum { WIDE = 8 }; // blocks at a time: an instruction takes some cycles, and two of them can begin in each

#define EXPAND(i, constant)                                                                                            \
  do {                                                                                                                 \
    __m128i k = keys[(i) - 1], t = _mm_shuffle_epi32(_mm_aeskeygenassist_si128(k, constant), 0xff);                    \
    k = _mm_xor_si128(k, _mm_slli_si128(k, 4));                                                                        \
    k = _mm_xor_si128(k, _mm_slli_si128(k, 8));                                                                        \
    keys[i] = _mm_xor_si128(k, t);                                                                                     \
  } while (0)

AES static void expand(const uint8_t *seed, __m128i keys[11]) { // FIPS 197, section 5.2
  keys[0] = _mm_loadu_si128((const void *)seed);
  EXPAND(1, 0x01); EXPAND(2, 0x02); EXPAND(3, 0x04); EXPAND(4, 0x08); EXPAND(5, 0x10);
  EXPAND(6, 0x20); EXPAND(7, 0x40); EXPAND(8, 0x80); EXPAND(9, 0x1b); EXPAND(10, 0x36);
}

// ciphertexts [first, first + count) of a file of this seed, of `pairs` pairs of words each: the words whose place in
// `key` (2 pairs words) is all ones are summed to out (count words); places of zeros are left out
AES EXPORT void darkroom_key_sums(const uint8_t *seed, int64_t first, int64_t count, int64_t pairs, const uint64_t *key,
                                  uint64_t *out) {
  __m128i keys[11];
  expand(seed, keys);
  for (int64_t i = 0; i < count; i++) {
    int64_t start = (first + i) * pairs, j = 0;
    __m128i sum = _mm_setzero_si128();
    while (j < pairs) {
      int64_t take = pairs - j < WIDE ? pairs - j : WIDE;
      __m128i block[WIDE];
      for (int e = 0; e < WIDE; e++) block[e] = _mm_xor_si128(_mm_set_epi64x(0, start + j + e), keys[0]);
      for (int r = 1; r < 10; r++)
        for (int e = 0; e < WIDE; e++) block[e] = _mm_aesenc_si128(block[e], keys[r]);
      for (int e = 0; e < WIDE; e++) block[e] = _mm_aesenclast_si128(block[e], keys[10]);
      for (int e = 0; e < take; e++)
        sum = _mm_add_epi64(sum, _mm_and_si128(block[e], _mm_loadu_si128((const void *)(key + 2 * (j + e)))));
      j += take;
    }
    out[i] = (uint64_t)_mm_cvtsi128_si64(sum) + (uint64_t)_mm_extract_epi64(sum, 1);
  }
}

EXPORT int darkroom_has_aes(void) {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && c & 1u << 25 && c & 1u << 19; // AES, SSE4.1
}
#else
EXPORT int darkroom_has_aes(void) { return 0; }
EXPORT void darkroom_key_sums(const uint8_t *seed, int64_t first, int64_t count, int64_t pairs, const uint64_t *key,
                              uint64_t *out) {
  (void)seed, (void)first, (void)count, (void)pairs, (void)key, (void)out;
}
#endif

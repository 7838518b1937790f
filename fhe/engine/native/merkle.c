// The root of a perfect Merkle subtree (app/protocol/data/merkle.py) by the SHA-256 instructions of x86 processors.
//
// Two messages go through the rounds side by side, since one alone waits for its own results half of the time. Built
// without flags: the instructions are named by function, and called only where `darkroom_has_sha` says that they exist.
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

#define SHA __attribute__((target("sha,sse4.1,ssse3")))

static const uint32_t K[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
static const uint32_t START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

typedef struct { __m128i abef, cdgh; } state;

SHA static inline state load_state(const uint32_t *words) {
  __m128i t = _mm_shuffle_epi32(_mm_loadu_si128((const void *)words), 0xb1);
  __m128i s = _mm_shuffle_epi32(_mm_loadu_si128((const void *)(words + 4)), 0x1b);
  return (state){_mm_alignr_epi8(t, s, 8), _mm_blend_epi16(s, t, 0xf0)};
}
SHA static inline void save_digest(state s, uint8_t *out) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i t = _mm_shuffle_epi32(s.abef, 0x1b), u = _mm_shuffle_epi32(s.cdgh, 0xb1);
  _mm_storeu_si128((void *)out, _mm_shuffle_epi8(_mm_blend_epi16(t, u, 0xf0), swap));
  _mm_storeu_si128((void *)(out + 16), _mm_shuffle_epi8(_mm_alignr_epi8(u, t, 8), swap));
}

#define ROUNDS(s, m, x)                                                                                                \
  s.cdgh = _mm_sha256rnds2_epu32(s.cdgh, s.abef, x), s.abef = _mm_sha256rnds2_epu32(s.abef, s.cdgh, _mm_shuffle_epi32(x, 0x0e))
#define NEXT(m, i)                                                                                                     \
  m[(i) & 3] = _mm_sha256msg2_epu32(                                                                                   \
      _mm_add_epi32(_mm_sha256msg1_epu32(m[(i) & 3], m[((i) + 1) & 3]), _mm_alignr_epi8(m[((i) + 3) & 3], m[((i) + 2) & 3], 4)), \
      m[((i) + 3) & 3])

// the digests of two messages of `blocks` padded blocks each
SHA static inline void pair(const uint8_t *a, const uint8_t *b, int blocks, uint8_t *out) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  state s = load_state(START), t = s;
  for (; blocks--; a += 64, b += 64) {
    state s0 = s, t0 = t;
    __m128i m[4], n[4];
    for (int i = 0; i < 4; i++) {
      m[i] = _mm_shuffle_epi8(_mm_loadu_si128((const void *)(a + 16 * i)), swap);
      n[i] = _mm_shuffle_epi8(_mm_loadu_si128((const void *)(b + 16 * i)), swap);
    }
    _Pragma("GCC unroll 16") for (int i = 0; i < 16; i++) {
      __m128i k = _mm_load_si128((const void *)(K + 4 * i));
      __m128i x = _mm_add_epi32(m[i & 3], k), y = _mm_add_epi32(n[i & 3], k);
      ROUNDS(s, m, x);
      ROUNDS(t, n, y);
      if (i < 12) NEXT(m, i), NEXT(n, i);
    }
    s = (state){_mm_add_epi32(s.abef, s0.abef), _mm_add_epi32(s.cdgh, s0.cdgh)};
    t = (state){_mm_add_epi32(t.abef, t0.abef), _mm_add_epi32(t.cdgh, t0.cdgh)};
  }
  save_digest(s, out), save_digest(t, out + 32);
}

// a message of one byte and `length` more, padded to whole blocks
static inline void padded(uint8_t *message, uint8_t first, int length, int blocks) {
  memset(message, 0, (size_t)blocks * 64);
  message[0] = first, message[length + 1] = 0x80;
  message[blocks * 64 - 2] = (uint8_t)((length + 1) * 8 >> 8), message[blocks * 64 - 1] = (uint8_t)((length + 1) * 8);
}

// data of `leaves` leaves of 128 bytes, a power of two from 2 on -> the root (32 bytes); `work` has 32 bytes a leaf
SHA EXPORT void darkroom_merkle(const uint8_t *data, int64_t leaves, uint8_t *work, uint8_t *root) {
  uint8_t messages[2][192];
  padded(messages[0], 0, 128, 3), padded(messages[1], 0, 128, 3);
  for (int64_t i = 0; i < leaves; i += 2) {
    memcpy(messages[0] + 1, data + 128 * i, 128), memcpy(messages[1] + 1, data + 128 * i + 128, 128);
    pair(messages[0], messages[1], 3, work + 32 * i);
  }
  padded(messages[0], 1, 64, 2), padded(messages[1], 1, 64, 2);
  for (int64_t n = leaves / 2; n > 1; n /= 2)
    for (int64_t i = 0; i < n; i += 2) {
      memcpy(messages[0] + 1, work + 64 * i, 64), memcpy(messages[1] + 1, work + 64 * i + 64, 64);
      pair(messages[0], messages[1], 2, work + 32 * i);
    }
  uint8_t twice[64];
  memcpy(messages[0] + 1, work, 64);
  pair(messages[0], messages[0], 2, twice);
  memcpy(root, twice, 32);
}

EXPORT int darkroom_has_sha(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 19) || !(c & 1u << 9)) return 0; // SSE4.1, SSSE3
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && b >> 29 & 1;
}
#else
EXPORT int darkroom_has_sha(void) { return 0; }
EXPORT void darkroom_merkle(const uint8_t *data, int64_t leaves, uint8_t *work, uint8_t *root) {
  (void)data, (void)leaves, (void)work, (void)root;
}
#endif

// Keyswitch of a batch: one integer matrix product modulo 2^64, blocked so that the key leaves memory once a batch.
//
// Digits count from zero here (v = digit + base / 2), so that a product needs two 32-bit multiplications; the key's
// column sums take the difference back. Sums of integers do not depend on their order.
#include <string.h>

#include "lanes.h"

enum { WIDE = 4, TALL = 4, ROWS = 16 }; // vectors and ciphertexts of a tile, coefficients of the key in a block
enum { MAX_LEVELS = 64 };

#define EXPORT __attribute__((visibility("default")))

EXPORT int64_t darkroom_tile(void) { return WIDE * LANES; } // the key's row length must be a multiple of it

// out[b] (width words) = bodies' start values given by the caller - sum over (i, l) of v_bil * key[i][l] (width words)
EXPORT void darkroom_keyswitch(const uint64_t *lwe, uint64_t *out, const uint64_t *key, int64_t count, int64_t big,
                               int64_t width, int64_t levels, int64_t base) {
  uint64_t offset = 1ull << (63 - base * levels), mask = (1ull << base) - 1;
  static _Thread_local uint64_t digits[TALL][ROWS * MAX_LEVELS];
  for (int64_t l = 0; l < levels; l++) offset += 1ull << (63 - base * l);
  for (int64_t i0 = 0; i0 < big; i0 += ROWS) {
    int64_t rows = big - i0 < ROWS ? big - i0 : ROWS, terms = rows * levels;
    for (int64_t b0 = 0; b0 < count; b0 += TALL) {
      int64_t tall = count - b0 < TALL ? count - b0 : TALL;
      memset(digits, 0, sizeof digits);
      for (int64_t b = 0; b < tall; b++)
        for (int64_t i = 0; i < rows; i++) {
          uint64_t u = lwe[(b0 + b) * (big + 1) + i0 + i] + offset;
          for (int64_t l = 0; l < levels; l++) digits[b][i * levels + l] = u >> (64 - base * (levels - l)) & mask;
        }
      for (int64_t j = 0; j < width; j += WIDE * LANES) {
        const uint64_t *k = key + i0 * levels * width + j;
        vu low[TALL][WIDE] = {}, high[TALL][WIDE] = {};
        for (int64_t t = 0; t < terms; t++, k += width)
          UNROLL for (int w = 0; w < WIDE; w++) {
            vu word = *(const vu *)(k + w * LANES), top = word >> 32;
            UNROLL for (int b = 0; b < TALL; b++) {
              vu v = (vu){} + digits[b][t];
              low[b][w] += mul32(word, v), high[b][w] += mul32(top, v);
            }
          }
        for (int64_t b = 0; b < tall; b++)
          UNROLL for (int w = 0; w < WIDE; w++)
            *(vu *)(out + (b0 + b) * width + j + w * LANES) -= low[b][w] + (high[b][w] << 32);
      }
    }
  }
}

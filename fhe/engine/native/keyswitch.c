// Keyswitch of a batch: one integer matrix product modulo 2^64, blocked so that the key leaves memory once a batch.
//
// Digits have few bits, so that nothing is multiplied: of each four rows of the key all sixteen sums are made once for a
// batch (Arlazarov, Dinic, Kronrod, Faradzhev, 1970), and a bit of four digits at a time says which one to add. Digits
// count from zero here (v = digit + base / 2); the key's column sums take the difference back. Sums of integers do not
// depend on their order.
#include <string.h>

#include "lanes.h"

enum { WIDE = 4, ROWS = 4, TALL = 256 }; // vectors of a tile, coefficients of the key in a block, ciphertexts at a time
enum { FOUR = 4, SUMS = 1 << FOUR, MAX_LEVELS = 63, MAX_BITS = 63 }; // a gadget has at most 63 bits (section 2)

#define EXPORT __attribute__((visibility("default")))

EXPORT int64_t darkroom_tile(void) { return WIDE * LANES; } // the key's row length must be a multiple of it

// all sums of four rows of a tile, the rows `width` words apart
INLINE void add_up(const uint64_t *rows, int64_t width, vu *sums) {
  for (int w = 0; w < WIDE; w++) sums[w] = (vu){};
  for (int r = 0; r < FOUR; r++, rows += width)
    UNROLL for (int w = 0; w < WIDE; w++) {
      vu row = *(const vu *)(rows + w * LANES);
      for (int k = 0; k < 1 << r; k++) sums[((1 << r) + k) * WIDE + w] = sums[k * WIDE + w] + row;
    }
}

// out[b] (width words) = bodies' start values given by the caller - sum over (i, l) of v_bil * key[i][l] (width words)
EXPORT void darkroom_keyswitch(const uint64_t *lwe, uint64_t *out, const uint64_t *key, int64_t count, int64_t big,
                               int64_t width, int64_t levels, int64_t base) {
  static _Thread_local vu own_sums[ROWS / FOUR * MAX_LEVELS * SUMS * WIDE];
  static _Thread_local uint8_t own_which[TALL][ROWS / FOUR * MAX_BITS];
  vu *sums = own_sums;
  uint8_t(*which)[ROWS / FOUR * MAX_BITS] = own_which; // [base, most significant first][four terms]
  __asm__("" : "+r"(sums), "+r"(which)); // a thread's own are found once, which compilers do not do by themselves
  uint64_t offset = 1ull << (63 - base * levels);
  int64_t fours = ROWS * levels / FOUR;
  for (int64_t l = 0; l < levels; l++) offset += 1ull << (63 - base * l);
  for (int64_t i0 = 0; i0 < big; i0 += ROWS)
    for (int64_t b0 = 0; b0 < count; b0 += TALL) {
      int64_t tall = count - b0 < TALL ? count - b0 : TALL;
      memset(which, 0, (size_t)tall * sizeof *own_which);
      for (int64_t b = 0; b < tall; b++)
        for (int64_t i = 0, t = 0; i < ROWS; i++) {
          uint64_t u = lwe[(b0 + b) * (big + 1) + i0 + i] + offset;
          for (int64_t l = 0; l < levels; l++, t++) {
            uint64_t digit = u >> (64 - base * (levels - l));
            for (int64_t e = 0; e < base; e++) which[b][e * fours + t / FOUR] |= (digit >> (base - 1 - e) & 1) << t % FOUR;
          }
        }
      for (int64_t j = 0; j < width; j += WIDE * LANES) {
        for (int64_t f = 0; f < fours; f++)
          add_up(key + (i0 * levels + FOUR * f) * width + j, width, sums + f * SUMS * WIDE);
        for (int64_t b = 0; b < tall; b++) {
          vu total[WIDE] = {};
          const uint8_t *at = which[b];
          for (int64_t e = 0; e < base; e++) {
            UNROLL for (int w = 0; w < WIDE; w++) total[w] += total[w];
            for (int64_t f = 0; f < fours; f++) {
              const vu *sum = sums + (f * SUMS + *at++) * WIDE;
              UNROLL for (int w = 0; w < WIDE; w++) total[w] += sum[w];
            }
          }
          UNROLL for (int w = 0; w < WIDE; w++) *(vu *)(out + (b0 + b) * width + j + w * LANES) -= total[w];
        }
      }
    }
}

// Bootstrap, keyswitch and packing of Darkroom's canonical evaluator, for k = 1. docs/canonical-evaluator.md numbers
// the steps; fhe/engine/reference.py is the same in NumPy. Built once for each vector width, see lanes.h.
//
// Transformed keys: [step][group][column][term][16][re, im][LANES], term = row * levels + level. A step is one bit of
// the LWE key in a bootstrap (two rows) and one bit of the GLWE key in packing (one row).
#include <stdlib.h>
#include <string.h>

#include "transform.h"

#define EXPORT __attribute__((visibility("default")))

enum { SUBTOTAL = 32 }; // key bits whose products are summed before they join the total; `steps` is a multiple

static void *aligned(int64_t words) { return aligned_alloc(64, (size_t)(words * 8 + 63) / 64 * 64); }

// words of keys (steps, levels, rows, 2, N) -> transformed key, scaled by 2^-64 / H; 0, or -1 without memory
EXPORT int darkroom_transform_key(const plan *p, const uint64_t *words, double *key, int64_t steps, int64_t rows) {
  int64_t N = p->N, H = N / 2, terms = rows * p->levels;
  double scale = 0x1p-64 / (double)H, *x = aligned(N);
  if (!x) return -1;
  for (int64_t i = 0; i < steps; i++, key += 2 * terms * N)
    for (int64_t l = 0; l < p->levels; l++)
      for (int64_t q = 0; q < rows; q++)
        for (int64_t c = 0; c < 2; c++, words += N) {
          for (int64_t j = 0; j < N; j++) x[j] = (double)(int64_t)words[j] * scale;
          front_forward(p, x, x + H);
          tail_forward(p, x, x + H, key + (c * terms + q * p->levels + l) * GROUP, 2 * terms * GROUP);
        }
  free(x);
  return 0;
}

typedef struct { uint64_t offset, mask; vu bits; vd centre; } gadget;

INLINE gadget digits_of(const plan *p) {
  gadget g = {.offset = 1ull << (63 - p->base * p->levels), .mask = (1ull << p->base) - 1};
  for (int64_t l = 0; l < p->levels; l++) g.offset += 1ull << (63 - p->base * l);
  g.bits = (vu)every(0x1p52); // in an exponent of 52 the low bits of a double count ones
  g.centre = every(0x1p52 + (double)(1ull << (p->base - 1)));
  return g;
}
// digits of the LANES words w, as doubles, to out[level][N]
INLINE void cut(const plan *p, const gadget *g, vu w, double *out) {
  w += g->offset;
  if (p->levels == 1) *(vd *)out = (vd)(w >> (64 - p->base) | g->bits) - g->centre;
  else
    for (int64_t l = 0; l < p->levels; l++, out += p->N)
      *(vd *)out = (vd)((w >> (64 - p->base * (p->levels - l)) & g->mask) | g->bits) - g->centre;
}

// one step of one accumulator: acc += (acc X^r - acc) times the key. A column of acc is N words and a negated copy of
// the first LANES of them, so that a vector that starts before the wrap reads on behind it.
static void step(const plan *p, uint64_t *acc, int64_t r, const double *key, double *points, double *x) {
  int64_t N = p->N, H = N / 2, levels = p->levels, terms = 2 * levels, turn = r & (N - 1);
  gadget g = digits_of(p);
  for (int64_t q = 0; q < 2; q++) {
    const uint64_t *a = acc + q * (N + LANES);
    uint64_t sign = r < N ? ~0ull : 0;
    int64_t j = 0;
    for (; j < turn; j += LANES) cut(p, &g, ((*(vu_any *)(a + N - turn + j) ^ sign) - sign) - *(vu *)(a + j), x + j);
    for (sign = ~sign; j < N; j += LANES) cut(p, &g, ((*(vu_any *)(a + j - turn) ^ sign) - sign) - *(vu *)(a + j), x + j);
    for (int64_t l = 0; l < levels; l++) {
      front_forward(p, x + l * N, x + l * N + H);
      tail_forward(p, x + l * N, x + l * N + H, points + (q * levels + l) * GROUP, terms * GROUP);
    }
  }
  for (int64_t s = 0; s < H; s += BLOCK * LANES, points += terms * GROUP)
    for (int64_t c = 0; c < 2; c++, key += terms * GROUP) {
      const vd *f = (const vd *)points, *k = (const vd *)key;
      cx y[BLOCK];
      UNROLL for (int e = 0; e < 2 * BLOCK; e += 2) {
        cx sum = mul((cx){f[e], f[e + 1]}, (cx){k[e], k[e + 1]});
        for (int64_t t = 2 * BLOCK; t < 2 * BLOCK * terms; t += 2 * BLOCK)
          sum = add(sum, mul((cx){f[t + e], f[t + e + 1]}, (cx){k[t + e], k[t + e + 1]}));
        y[e / 2] = sum;
      }
      tail_inverse(p, y, x + c * N, x + c * N + H, s);
    }
  for (int64_t c = 0; c < 2; c++) {
    uint64_t *a = acc + c * (N + LANES);
    finish(p, front_inverse(p, x + c * N, x + c * N + H), x + c * N, x + c * N + H, a, 0);
    *(vu *)(a + N) = -*(vu *)a;
  }
}

INLINE int64_t switched(uint64_t word, int64_t N) { // rounded to modulo 2 N
  int bits = __builtin_ctzll((uint64_t)N) + 1;
  return (int64_t)(((word >> (63 - bits)) + 1) >> 1) & (2 * N - 1);
}

// half of what rounding takes from n mask words, which a centred switch takes from the body (section 12)
INLINE uint64_t half_lost(const uint64_t *a, int64_t n, int64_t N) {
  int unit = 63 - __builtin_ctzll((uint64_t)N);
  uint64_t lost = 0;
  for (int64_t i = 0; i < n; i++) lost += a[i] - ((uint64_t)switched(a[i], N) << unit);
  return (uint64_t)((int64_t)lost >> 1);
}

// `count` ciphertexts (n + 1 words each) -> out (N + bodies words each); test polynomial which[b] of `tables` for the
// b-th, of `columns` columns: 1, or 2 of an encrypted one. All of them take one step together, so that the key streams
// from memory once. `centred`: 1 with that switch, else 0. `bodies` coefficients of the body come out, N / bodies apart.
EXPORT int darkroom_bootstrap(const plan *p, const double *key, const uint64_t *small, const uint64_t *tables,
                              const int64_t *which, uint64_t *out, int64_t count, int64_t centred, int64_t bodies,
                              int64_t columns) {
  int64_t N = p->N, n = p->n, wide = 2 * (N + LANES), most = p->levels > 2 ? p->levels : 2;
  uint64_t *acc = aligned(count * wide);
  double *points = aligned((2 * p->levels + most) * N);
  if (!acc || !points) return free(acc), free(points), -1;
  memset(acc, 0, (size_t)(count * wide) * 8);
  for (int64_t b = 0; b < count; b++) {
    const uint64_t *table = tables + which[b] * columns * N, *mask = small + b * (n + 1);
    int64_t shift = switched(mask[n] - (centred ? half_lost(mask, n, N) : 0), N); // times X^-shift
    for (int64_t c = 2 - columns; c < 2; c++, table += N) {
      uint64_t *a = acc + b * wide + c * (N + LANES);
      for (int64_t j = 0; j < N; j++) {
        int64_t from = (j + shift) & (2 * N - 1);
        a[j] = from < N ? table[from] : -table[from - N];
      }
      *(vu *)(a + N) = -*(vu *)a;
    }
  }
  for (int64_t i = 0; i < n; i++, key += 4 * p->levels * N)
    for (int64_t b = 0; b < count; b++) {
      int64_t r = switched(small[b * (n + 1) + i], N);
      if (r) step(p, acc + b * wide, r, key, points, points + 2 * p->levels * N); // X^0 - 1 would add zero
    }
  for (int64_t b = 0; b < count; b++, out += N + bodies) {
    const uint64_t *a = acc + b * wide;
    out[0] = a[0];
    for (int64_t j = 1; j < N; j++) out[j] = -a[N - j];
    for (int64_t e = 0; e < bodies; e++) out[N + e] = a[N + LANES + e * (N / bodies)];
  }
  return free(acc), free(points), 0;
}

// the packing keyswitch's sum: columns (steps, N) of mask words, one polynomial for each key bit -> subtracted from out
// (2, N), 64-byte aligned
EXPORT int darkroom_pack(const plan *p, const double *key, const uint64_t *columns, uint64_t *out, int64_t steps) {
  int64_t N = p->N, H = N / 2, levels = p->levels;
  double *sum = aligned((4 + levels + (levels > 2 ? levels : 2)) * N);
  if (!sum) return -1;
  double *part = sum + 2 * N, *points = part + 2 * N, *x = points + levels * N;
  gadget g = digits_of(p);
  memset(sum, 0, (size_t)(4 * N) * 8);
  for (int64_t i = 0; i < steps; i++, columns += N, key += 2 * levels * N) {
    for (int64_t j = 0; j < N; j += LANES) cut(p, &g, *(vu_any *)(columns + j), x + j);
    for (int64_t l = 0; l < levels; l++) {
      front_forward(p, x + l * N, x + l * N + H);
      tail_forward(p, x + l * N, x + l * N + H, points + l * GROUP, levels * GROUP);
    }
    const vd *f = (const vd *)points, *k = (const vd *)key;
    vd *y = (vd *)part; // [group][column][16][re, im]
    for (int64_t s = 0; s < H; s += BLOCK * LANES, f += levels * 2 * BLOCK)
      for (int64_t c = 0; c < 2; c++, k += levels * 2 * BLOCK, y += 2 * BLOCK)
        for (int e = 0; e < 2 * BLOCK; e += 2) {
          cx total = {y[e], y[e + 1]};
          for (int64_t t = 0; t < levels * 2 * BLOCK; t += 2 * BLOCK)
            total = add(total, mul((cx){f[t + e], f[t + e + 1]}, (cx){k[t + e], k[t + e + 1]}));
          y[e] = total.r, y[e + 1] = total.i;
        }
    if ((i + 1) % SUBTOTAL == 0) {
      for (int64_t j = 0; j < 2 * N; j += LANES) *(vd *)(sum + j) += *(vd *)(part + j);
      memset(part, 0, (size_t)(2 * N) * 8);
    }
  }
  for (int64_t s = 0; s < H; s += BLOCK * LANES)
    for (int64_t c = 0; c < 2; c++) {
      cx y[BLOCK];
      memcpy(y, sum + (s / (BLOCK * LANES) * 2 + c) * GROUP, sizeof y);
      tail_inverse(p, y, x + c * N, x + c * N + H, s);
    }
  for (int64_t c = 0; c < 2; c++)
    finish(p, front_inverse(p, x + c * N, x + c * N + H), x + c * N, x + c * N + H, out + c * N, ~0ull);
  return free(sum), 0;
}

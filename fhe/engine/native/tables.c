// Packing of a selection's entries (section 15): a packing keyswitch of few ciphertexts, which are N / E coefficients
// apart, by a key that is spread over boxes beforehand.
//
// A polynomial of digits is not zero at E coefficients only, so that its transform is done after the first splits: each
// of G nodes has one point, many times over. What is left are products, with key points in registers for a batch.
#include <stdlib.h>
#include <string.h>

#include "transform.h"

#define EXPORT __attribute__((visibility("default")))

enum { SUBTOTAL = 32, MOST_NODES = 64, PART = 8 }; // bits of a subtotal (section 8), nodes, points in registers at once

static void *aligned(int64_t words) { return aligned_alloc(64, (size_t)(words * 8 + 63) / 64 * 64); }

// how many nodes have one point each where E coefficients are not zero
INLINE int64_t nodes_of(const plan *p, int64_t entries) {
  int64_t nodes = 1, points = entries > 2 ? entries / 2 : 1;
  if (points > 1 && starts_with_two(p->N / 2)) nodes = 2;
  while (nodes < points) nodes *= 4;
  return nodes;
}

// 1 where `darkroom_pack_tables` has a way for tables of so many entries, else 0
EXPORT int darkroom_packs_tables(const plan *p, int64_t entries) {
  int64_t nodes = nodes_of(p, entries);
  return nodes <= MOST_NODES && p->N / 2 / nodes >= BLOCK * LANES;
}

// the first splits of a polynomial's nodes: `nodes` points, in place
INLINE void split_nodes(const plan *p, cx *x, int64_t nodes) {
  const double *t = p->front;
  int64_t m = nodes;
  if (nodes > 1 && starts_with_two(p->N / 2)) {
    cx w = broadcast(t);
    m /= 2, t += 2;
    for (int64_t j = 0; j < m; j++) {
      cx u = mul(x[j + m], w), a = x[j];
      x[j] = add(a, u), x[j + m] = sub(a, u);
    }
  }
  for (m /= 4; m >= 1; m /= 4)
    for (int64_t s = 0; s < nodes; s += 4 * m, t += 6)
      for (int64_t j = s; j < s + m; j++)
        split(x + j, x + j + m, x + j + 2 * m, x + j + 3 * m, broadcast(t), broadcast(t + 2), broadcast(t + 4));
}

// points (bit, level, node, 2) of bits [first, first + SUBTOTAL) of entries (E, N + 1)
static void points_of(const plan *p, const uint64_t *lwe, int64_t entries, int64_t first, int64_t nodes, double *out) {
  uint64_t offset = 1ull << (63 - p->base * p->levels), mask = (1ull << p->base) - 1;
  int64_t half = entries > 1 ? entries / 2 : 1, apart = nodes / half, centre = 1ll << (p->base - 1);
  for (int64_t l = 0; l < p->levels; l++) offset += 1ull << (63 - p->base * l);
  for (int64_t i = first; i < first + SUBTOTAL; i++)
    for (int64_t l = 0; l < p->levels; l++, out += 2 * nodes) {
      cx x[MOST_NODES];
      memset(x, 0, (size_t)nodes * sizeof *x);
#define DIGIT(e) (double)((int64_t)((lwe[(e) * (p->N + 1) + i] + offset) >> (64 - p->base * (p->levels - l)) & mask) - centre)
      for (int64_t e = 0; e < half; e++)
        x[e * apart] = (cx){every(DIGIT(e)), every(entries > 1 ? DIGIT(e + half) : 0.0)};
#undef DIGIT
      split_nodes(p, x, nodes);
      for (int64_t g = 0; g < nodes; g++) out[2 * g] = x[g].r[0], out[2 * g + 1] = x[g].i[0];
    }
}

// entries (count, E, N + 1) -> their sums of products with the key, subtracted from out (count, 2, N), 64-byte aligned;
// 0, or -1 without memory. `key` as in core.c, of one row and N steps.
EXPORT int darkroom_pack_tables(const plan *p, const double *key, const uint64_t *lwe, uint64_t *out, int64_t count,
                                int64_t entries) {
  int64_t N = p->N, H = N / 2, levels = p->levels, nodes = nodes_of(p, entries), terms = SUBTOTAL * levels;
  double *sums = aligned(count * 2 * N), *points = aligned(count * terms * 2 * nodes), *x = aligned(2 * N);
  if (!sums || !points || !x) return free(sums), free(points), free(x), -1;
  memset(sums, 0, (size_t)(count * 2 * N) * 8);
  for (int64_t first = 0; first < N; first += SUBTOTAL) {
    const double *k = key + first * 2 * levels * N;
    for (int64_t b = 0; b < count; b++)
      points_of(p, lwe + b * entries * (N + 1), entries, first, nodes, points + b * terms * 2 * nodes);
    for (int64_t s = 0; s < H / (BLOCK * LANES); s++)
      for (int64_t c = 0; c < 2; c++)
        for (int64_t e = 0; e < 2 * BLOCK; e += 2 * PART)
          for (int64_t b = 0; b < count; b++) {
            const double *f = points + 2 * (b * terms * nodes + s * nodes / (H / (BLOCK * LANES)));
            cx y[PART] = {};
            for (int64_t i = 0; i < SUBTOTAL; i++)
              for (int64_t l = 0; l < levels; l++, f += 2 * nodes) {
                const vd *row = (const vd *)(k + i * 2 * levels * N + ((2 * s + c) * levels + l) * GROUP) + e;
                cx digit = broadcast(f);
                UNROLL for (int q = 0; q < PART; q++) y[q] = add(y[q], mul(digit, (cx){row[2 * q], row[2 * q + 1]}));
              }
            vd *total = (vd *)(sums + b * 2 * N + (2 * s + c) * GROUP) + e;
            UNROLL for (int q = 0; q < PART; q++) total[2 * q] += y[q].r, total[2 * q + 1] += y[q].i;
          }
  }
  for (int64_t b = 0; b < count; b++) {
    for (int64_t s = 0; s < H; s += BLOCK * LANES)
      for (int64_t c = 0; c < 2; c++) {
        cx y[BLOCK];
        memcpy(y, sums + b * 2 * N + (s / (BLOCK * LANES) * 2 + c) * GROUP, sizeof y);
        tail_inverse(p, y, x + c * N, x + c * N + H, s);
      }
    for (int64_t c = 0; c < 2; c++)
      finish(p, front_inverse(p, x + c * N, x + c * N + H), x + c * N, x + c * N + H, out + (2 * b + c) * N, ~0ull);
  }
  return free(sums), free(points), free(x), 0;
}

// The canonical transform (docs/canonical-evaluator.md section 3) of H = N / 2 points, H a power of two >= 16 LANES.
//
// Splits down to blocks of 16 points work on rows of consecutive points. The last two, inside a block, work on LANES
// blocks at once, one in each lane: transformed points stay in that order, in groups of 16 vectors (re, im), since
// products of points do not care. A group is block 0 to LANES - 1, then LANES to 2 LANES - 1, and so on.
#include "lanes.h"

typedef struct {
  int64_t n, N;               // LWE dimension, polynomial size
  int64_t levels, base;       // gadget of bootstrap and packing
  const double *front;        // twiddles of each node above the blocks, root first: (re, im) of t, t^2, t^3, or of t
  const double *tail;         // per group: three twiddles of the block's root, then of its four children, by lane
} plan;

enum { BLOCK = 16, GROUP = 2 * BLOCK * LANES, TAIL = 30 * LANES }; // doubles of a group, and of its twiddles

INLINE void split(cx *x0, cx *x1, cx *x2, cx *x3, cx t1, cx t2, cx t3) {
  cx u1 = mul(*x1, t1), u2 = mul(*x2, t2), u3 = mul(*x3, t3);
  cx s = add(*x0, u2), d = sub(*x0, u2), p = add(u1, u3), q = sub(u1, u3);
  *x0 = add(s, p), *x1 = add_i(d, q), *x2 = sub(s, p), *x3 = sub_i(d, q);
}
INLINE void join(cx *x0, cx *x1, cx *x2, cx *x3, cx t1, cx t2, cx t3) {
  cx s = add(*x0, *x2), d = sub(*x0, *x2), p = add(*x1, *x3), q = sub(*x1, *x3);
  *x0 = add(s, p), *x1 = mul_conj(sub_i(d, q), t1), *x2 = mul_conj(sub(s, p), t2), *x3 = mul_conj(add_i(d, q), t3);
}
INLINE cx get(const double *re, const double *im, int64_t j) { return (cx){*(vd *)(re + j), *(vd *)(im + j)}; }
INLINE void put(double *re, double *im, int64_t j, cx x) { *(vd *)(re + j) = x.r, *(vd *)(im + j) = x.i; }

INLINE int starts_with_two(int64_t H) { return __builtin_ctzll((uint64_t)H) & 1; }

// every split above the blocks, in place; `begun`: after a first one into four
INLINE void front_forward(const plan *p, double *re, double *im, int begun) {
  const double *t = p->front;
  int64_t H = p->N / 2, m = H;
  if (begun) {
    m /= 4, t += 6;
  } else if (starts_with_two(H)) {
    cx w = broadcast(t);
    m /= 2, t += 2;
    for (int64_t j = 0; j < m; j += LANES) {
      cx a = get(re, im, j), u = mul(get(re, im, j + m), w);
      put(re, im, j, add(a, u)), put(re, im, j + m, sub(a, u));
    }
  }
  for (m /= 4; m >= BLOCK; m /= 4)
    for (int64_t s = 0; s < H; s += 4 * m, t += 6) {
      cx t1 = broadcast(t), t2 = broadcast(t + 2), t3 = broadcast(t + 4);
      for (int64_t j = s; j < s + m; j += LANES) {
        cx x0 = get(re, im, j), x1 = get(re, im, j + m), x2 = get(re, im, j + 2 * m), x3 = get(re, im, j + 3 * m);
        split(&x0, &x1, &x2, &x3, t1, t2, t3);
        put(re, im, j, x0), put(re, im, j + m, x1), put(re, im, j + 2 * m, x2), put(re, im, j + 3 * m, x3);
      }
    }
}

// the inverse of all of front_forward but its first split; returns that split's block width
INLINE int64_t front_inverse(const plan *p, double *re, double *im) {
  int64_t H = p->N / 2, m = BLOCK, nodes = H / (4 * BLOCK);
  const double *t = p->front + (starts_with_two(H) ? 2 : 0);
  for (int64_t above = starts_with_two(H) ? 2 : 1; above < nodes; above *= 4) t += 6 * above;
  for (; 4 * m < H; m *= 4, nodes /= 4, t -= 6 * nodes) {
    const double *w = t;
    for (int64_t s = 0; s < H; s += 4 * m, w += 6) {
      cx t1 = broadcast(w), t2 = broadcast(w + 2), t3 = broadcast(w + 4);
      for (int64_t j = s; j < s + m; j += LANES) {
        cx x0 = get(re, im, j), x1 = get(re, im, j + m), x2 = get(re, im, j + 2 * m), x3 = get(re, im, j + 3 * m);
        join(&x0, &x1, &x2, &x3, t1, t2, t3);
        put(re, im, j, x0), put(re, im, j + m, x1), put(re, im, j + 2 * m, x2), put(re, im, j + 3 * m, x3);
      }
    }
  }
  return m;
}

// the last inverse split, each value added to the accumulator's word (sign = 0) or subtracted from it (sign = ~0)
INLINE void finish(const plan *p, int64_t m, const double *re, const double *im, uint64_t *acc, uint64_t sign) {
  int64_t H = p->N / 2;
#define PUT(at, x) *(vu *)(acc + (at)) += (to_words((x).r) ^ sign) - sign, \
                   *(vu *)(acc + H + (at)) += (to_words((x).i) ^ sign) - sign
  if (2 * m == H) {
    cx w = broadcast(p->front);
    for (int64_t j = 0; j < m; j += LANES) {
      cx y0 = get(re, im, j), y1 = get(re, im, j + m);
      PUT(j, add(y0, y1)), PUT(j + m, mul_conj(sub(y0, y1), w));
    }
  } else {
    cx t1 = broadcast(p->front), t2 = broadcast(p->front + 2), t3 = broadcast(p->front + 4);
    for (int64_t j = 0; j < m; j += LANES) {
      cx x0 = get(re, im, j), x1 = get(re, im, j + m), x2 = get(re, im, j + 2 * m), x3 = get(re, im, j + 3 * m);
      join(&x0, &x1, &x2, &x3, t1, t2, t3);
      PUT(j, x0), PUT(j + m, x1), PUT(j + 2 * m, x2), PUT(j + 3 * m, x3);
    }
  }
#undef PUT
}

#define T(k) (cx){t[2 * (k)], t[2 * (k) + 1]}
INLINE void block_forward(cx *x, const vd *t) {
  UNROLL for (int j = 0; j < 4; j++) split(x + j, x + j + 4, x + j + 8, x + j + 12, T(0), T(1), T(2));
  UNROLL for (int k = 0; k < 4; k++, x += 4) split(x, x + 1, x + 2, x + 3, T(3 + 3 * k), T(4 + 3 * k), T(5 + 3 * k));
}
INLINE void block_inverse(cx *x, const vd *t) {
  UNROLL for (int k = 0; k < 4; k++) {
    cx *y = x + 4 * k;
    join(y, y + 1, y + 2, y + 3, T(3 + 3 * k), T(4 + 3 * k), T(5 + 3 * k));
  }
  UNROLL for (int j = 0; j < 4; j++) join(x + j, x + j + 4, x + j + 8, x + j + 12, T(0), T(1), T(2));
}
#undef T

// rows of points -> groups, `stride` doubles apart
INLINE void tail_forward(const plan *p, const double *re, const double *im, double *out, int64_t stride) {
  const double *t = p->tail;
  for (int64_t s = 0; s < p->N / 2; s += BLOCK * LANES, t += TAIL, out += stride) {
    cx x[BLOCK];
    UNROLL for (int j = 0; j < BLOCK; j += LANES) {
      vd v[LANES], w[LANES];
      UNROLL for (int b = 0; b < LANES; b++) {
        cx y = get(re, im, s + b * BLOCK + j);
        v[b] = y.r, w[b] = y.i;
      }
      transpose(v), transpose(w);
      UNROLL for (int b = 0; b < LANES; b++) x[j + b] = (cx){v[b], w[b]};
    }
    block_forward(x, (const vd *)t);
    UNROLL for (int e = 0; e < BLOCK; e++) *(vd *)(out + 2 * e * LANES) = x[e].r, *(vd *)(out + (2 * e + 1) * LANES) = x[e].i;
  }
}

// one group -> its rows, from point s on
INLINE void tail_inverse(const plan *p, cx *x, double *re, double *im, int64_t s) {
  block_inverse(x, (const vd *)(p->tail + s / (BLOCK * LANES) * TAIL));
  UNROLL for (int j = 0; j < BLOCK; j += LANES) {
    vd v[LANES], w[LANES];
    UNROLL for (int b = 0; b < LANES; b++) v[b] = x[j + b].r, w[b] = x[j + b].i;
    transpose(v), transpose(w);
    UNROLL for (int b = 0; b < LANES; b++) put(re, im, s + b * BLOCK + j, (cx){v[b], w[b]});
  }
}

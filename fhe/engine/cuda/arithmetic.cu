// The canonical evaluator on a GPU: words, complex numbers, digits. docs/canonical-evaluator.md numbers the steps.
//
// One translation unit for one profile: fhe/engine/cuda/source.py joins the files and sets the parameters
//   SIZE (N), DIMENSION (n), LEVELS, BASE (bootstrap and packing gadget), SWITCH_LEVELS, SWITCH_BASE (keyswitch).
// Every sum and product of doubles below is an intrinsic that rounds once and that no compiler may fuse. The same text
// compiles as plain C++ against the small runtime of tests/fhe/engine/cuda, which is how it is tested without a GPU; so it
// includes nothing, and every kernel parameter has 8 bytes.

typedef unsigned long long u64;
typedef long long i64;
typedef unsigned int u32;

#define INLINE static __device__ __forceinline__
#define UNROLL _Pragma("unroll")
#define CONSTANT static __host__ __device__ constexpr

enum { N = SIZE, H = SIZE / 2 };

struct __align__(16) cx { double r, i; };
struct __align__(16) pair { u64 x, y; };

INLINE double mul(double a, double b) { return __dmul_rn(a, b); }
INLINE double add(double a, double b) { return __dadd_rn(a, b); }
INLINE double sub(double a, double b) { return __dsub_rn(a, b); }

INLINE cx add(cx a, cx b) { return {add(a.r, b.r), add(a.i, b.i)}; }
INLINE cx sub(cx a, cx b) { return {sub(a.r, b.r), sub(a.i, b.i)}; }
INLINE cx add_i(cx a, cx b) { return {sub(a.r, b.i), add(a.i, b.r)}; } // a + i b
INLINE cx sub_i(cx a, cx b) { return {add(a.r, b.i), sub(a.i, b.r)}; } // a - i b
INLINE cx mul(cx a, cx t) { return {sub(mul(a.r, t.r), mul(a.i, t.i)), add(mul(a.r, t.i), mul(a.i, t.r))}; }
INLINE cx mul_conj(cx a, cx t) { return {add(mul(a.r, t.r), mul(a.i, t.i)), sub(mul(a.i, t.r), mul(a.r, t.i))}; }

// one node of the tree, split into four (section 3), and its inverse; t: three twiddles, `apart` from one another
INLINE void split(cx &x0, cx &x1, cx &x2, cx &x3, const cx *t, int apart = 1) {
  cx u1 = mul(x1, t[0]), u2 = mul(x2, t[apart]), u3 = mul(x3, t[2 * apart]);
  cx s = add(x0, u2), d = sub(x0, u2), p = add(u1, u3), q = sub(u1, u3);
  x0 = add(s, p), x1 = add_i(d, q), x2 = sub(s, p), x3 = sub_i(d, q);
}
INLINE void join(cx &x0, cx &x1, cx &x2, cx &x3, const cx *t, int apart = 1) {
  cx s = add(x0, x2), d = sub(x0, x2), p = add(x1, x3), q = sub(x1, x3);
  x0 = add(s, p), x1 = mul_conj(sub_i(d, q), t[0]);
  x2 = mul_conj(sub(s, p), t[apart]), x3 = mul_conj(add_i(d, q), t[2 * apart]);
}

CONSTANT u64 digit_offset(int base, int levels) {
  u64 offset = 1ull << (63 - base * levels);
  for (int l = 0; l < levels; l++) offset += 1ull << (63 - base * l);
  return offset;
}
// digit l of the bootstrap gadget, counted from zero: BASE bits, at most 31
INLINE u32 field(u64 word, int l) {
  constexpr u64 offset = digit_offset(BASE, LEVELS);
  return (u32)((word + offset) >> (64 - BASE * (LEVELS - l))) & ((1u << BASE) - 1);
}
// The same, signed, as a double: in an exponent of 52 the low bits of a double count ones.
INLINE double digit(u64 word, int l) {
  constexpr double centre = 4503599627370496.0 + (double)(1ull << (BASE - 1));
  return sub(__hiloint2double(0x43300000, (int)field(word, l)), centre);
}

// rint(fraction(x) * 2^64) modulo 2^64 (section 3, Words), without a branch, so that a thread's words overlap. |x| is
// m 2^(e - 52) with an integer m of 53 bits: from 2^-12 on, |x| 2^64 is the integer m 2^(e + 12), which a shift makes.
// Below, |x| + 2^-12 is rounded once, to a multiple of 2^-64, and its low bits count those. The sign comes last: halves
// go to even on both sides of zero.
INLINE u64 to_word(double x) {
  constexpr u64 edge = 0x3f30000000000000; // the double 2^-12
  u64 bits = (u64)__double_as_longlong(x), size = bits & 0x7fffffffffffffffull;
  int shift = (int)(size >> 52) - 1023 + 12;
  u64 small = (u64)__double_as_longlong(add(__longlong_as_double((i64)size), __longlong_as_double((i64)edge))) - edge;
  u64 large = shift < 64 ? ((size & 0xfffffffffffffull) | 0x10000000000000ull) << (shift & 63) : 0;
  u64 word = shift < 0 ? small : large;
  return (i64)bits < 0 ? 0 - word : word;
}

// a mask or body word rounded half up from modulo 2^64 to modulo 2 N (section 4.1)
CONSTANT int log2_of(u64 x) { return x > 1 ? 1 + log2_of(x / 2) : 0; }
INLINE int switched(u64 word) { return (int)(((word >> (62 - log2_of(N))) + 1) >> 1) & (2 * N - 1); }

// coefficient j of X^r a, 0 <= r < 2 N, and the same from j - r
INLINE u64 turned(const u64 *a, int from) {
  u64 word = a[from & (N - 1)];
  return from & N ? 0 - word : word;
}
INLINE u64 rotated(const u64 *a, int j, int r) { return turned(a, j - r); }

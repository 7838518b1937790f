// Runs the CUDA sources as plain C++: a block's threads are fibers that change at barriers and shuffles. Each warp runs as
// far as it can while the others stand still, in an order that the caller chooses, so that a missing barrier shows. The
// kernels' text follows this file's first half (KERNELS is its path). Blocks run one after another.
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

struct dimensions { unsigned x, y, z; };
static dimensions threadIdx, blockIdx, blockDim, gridDim;
static unsigned char *shared_area;

namespace fibers {
enum State { READY, AT_BARRIER, AT_SHUFFLE, DONE };
enum { MOST = 1024, STACK = 128 * 1024, GUARD = 4096, WARP = 32 };
struct Fiber { State state; bool started; unsigned mask; double value; jmp_buf at; ucontext_t first; char *stack; };
static Fiber all[MOST];
static jmp_buf scheduler;
static int current;
typedef void (*Kernel)(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t);
static Kernel kernel;
static int64_t arguments[8];

static void pause(State state) {
  int me = current;
  all[me].state = state;
  if (_setjmp(all[me].at) == 0) _longjmp(scheduler, 1);
  threadIdx = {(unsigned)me, 0, 0};
}
static void begin() {
  kernel(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5], arguments[6], arguments[7]);
  all[current].state = DONE;
  _longjmp(scheduler, 1);
}
static void resume(int thread) {
  Fiber &f = all[thread];
  current = thread, threadIdx = {(unsigned)thread, 0, 0};
  if (_setjmp(scheduler)) return;
  if (f.started) _longjmp(f.at, 1);
  f.started = true;
  setcontext(&f.first);
}
// releases a warp whose threads have all come to a shuffle; false if one has not
static bool shuffle(int warp, int threads) {
  int start = warp * WARP, stop = start + WARP < threads ? start + WARP : threads;
  for (int t = start; t < stop; t++)
    if (all[t].state != AT_SHUFFLE) return false;
  double got[WARP];
  for (int t = start; t < stop; t++) got[t - start] = all[start + ((t - start) ^ all[t].mask)].value;
  for (int t = start; t < stop; t++) all[t].value = got[t - start], all[t].state = READY;
  return true;
}
// runs one warp to the next barrier or to its end, shuffles included, while the others stand still
static void run_warp(int warp, int threads, int order, uint64_t random) {
  int start = warp * WARP, count = threads - start < WARP ? threads - start : WARP;
  do
    for (int k = 0; k < count; k++) {
      int t = start + (order == 0 ? k : order == 1 ? count - 1 - k : (int)((random + (uint64_t)k) % count));
      if (all[t].state == READY) resume(t);
    }
  while (shuffle(warp, threads));
}
static int run_block(int threads, int order) {
  static uint64_t random = 88172645463325252ull;
  for (int t = 0; t < threads; t++) {
    Fiber &f = all[t];
    if (!f.stack && !(f.stack = (char *)malloc(STACK))) return 3;
    f.state = READY, f.started = false;
    getcontext(&f.first);
    f.first.uc_stack.ss_sp = f.stack, f.first.uc_stack.ss_size = STACK, f.first.uc_link = nullptr;
    makecontext(&f.first, begin, 0);
  }
  int warps = (threads + WARP - 1) / WARP;
  for (;;) {
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    for (int k = 0; k < warps; k++) {
      int w = order == 0 ? k : order == 1 ? warps - 1 - k : (int)((random + (uint64_t)k) % warps);
      run_warp(w, threads, order, random >> 32);
    }
    bool done = true;
    for (int t = 0; t < threads; t++) done &= all[t].state == DONE;
    if (done) return 0;
    for (int t = 0; t < threads; t++)
      if (all[t].state != AT_BARRIER) return 1; // some threads wait for others that never come
    for (int t = 0; t < threads; t++) all[t].state = READY;
  }
}
} // namespace fibers

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __align__(n) alignas(n)
#define __launch_bounds__(...)
#define SHARED(type, name) type *name = (type *)shared_area
#define UNKNOWN(number) (void)0
#define STREAMED(at) (*(at))

static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dsub_rn(double a, double b) { return a - b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __ll2double_rn(long long x) { return (double)x; }
static inline long long __double_as_longlong(double x) { long long y; memcpy(&y, &x, 8); return y; }
static inline double __longlong_as_double(long long x) { double y; memcpy(&y, &x, 8); return y; }
static inline double __hiloint2double(int hi, int lo) {
  uint64_t x = (uint64_t)(uint32_t)hi << 32 | (uint32_t)lo;
  double y;
  memcpy(&y, &x, 8);
  return y;
}
#ifndef NO_BARRIER // the number of the barrier to leave out, for the test of this test
#define NO_BARRIER -1
#endif
#define __syncthreads() (__COUNTER__ == NO_BARRIER ? (void)0 : fibers::pause(fibers::AT_BARRIER))
static double __shfl_xor_sync(unsigned, double value, int mask) {
  int me = fibers::current;
  fibers::all[me].value = value, fibers::all[me].mask = (unsigned)mask;
  fibers::pause(fibers::AT_SHUFFLE);
  return fibers::all[me].value;
}

#include KERNELS

extern "C" int barriers() { return __COUNTER__; }
extern "C" void words_of(const double *x, u64 *out, int64_t count) {
  for (int64_t j = 0; j < count; j++) out[j] = to_word(x[j]);
}

// 0; 1: threads wait for ever; 2: a write past shared memory; 3: no memory
extern "C" int launch(fibers::Kernel kernel, unsigned columns, unsigned rows, unsigned threads, int64_t shared,
                      const int64_t *arguments, int order) {
  if (threads > fibers::MOST) return 3;
  unsigned char *area = (unsigned char *)aligned_alloc(64, (size_t)(shared + fibers::GUARD + 63) / 64 * 64);
  if (!area) return 3;
  fibers::kernel = kernel, shared_area = area;
  memcpy(fibers::arguments, arguments, sizeof fibers::arguments);
  gridDim = {columns, rows, 1}, blockDim = {threads, 1, 1};
  int code = 0;
  for (unsigned y = 0; y < rows && !code; y++)
    for (unsigned x = 0; x < columns && !code; x++) {
      blockIdx = {x, y, 0};
      memset(area, 0xff, (size_t)(shared + fibers::GUARD)); // nothing is zero by chance: doubles are not numbers
      code = fibers::run_block((int)threads, order);
      for (int j = 0; j < fibers::GUARD && !code; j++)
        if (area[shared + j] != 0xff) code = 2;
    }
  free(area);
  return code;
}

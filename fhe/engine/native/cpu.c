// Which vector width this processor and its operating system offer: 8 (AVX-512), 4 (AVX2) or 2. Built without flags.
#if defined(__x86_64__)
#include <cpuid.h>
#endif

__attribute__((visibility("default"))) int darkroom_widest(void) {
#if defined(__x86_64__)
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27)) return 2; // OSXSAVE: the system says which registers it saves
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & 0x06) != 0x06 || !(c & 1u << 28) || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 2;
  if ((low & 0xe6) == 0xe6 && b & 1u << 16 && b & 1u << 17) return 8; // AVX512F and AVX512DQ
  return b & 1u << 5 ? 4 : 2;
#else
  return 2;
#endif
}

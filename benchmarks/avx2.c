// A processor with AVX2 and nothing wider, for the process that loads this first (LD_PRELOAD): every question of a
// program to the processor about itself faults (arch_prctl), and is answered here without the bits of AVX-512 and AMX.
#define _GNU_SOURCE
#include <cpuid.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012

#define BIT(n) (1u << (n))
static const unsigned WIDE_EBX = BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31);
static const unsigned WIDE_ECX = BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14);
static const unsigned WIDE_EDX = BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25);

static void answer(int signal_number, siginfo_t *info, void *context) {
  (void)info;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  const unsigned char *code = (const unsigned char *)registers[REG_RIP];
  if (code[0] != 0x0f || code[1] != 0xa2) { // a fault of the program's own: it ends
    _exit(128 + signal_number);
  }
  unsigned leaf = (unsigned)registers[REG_RAX], part = (unsigned)registers[REG_RCX], a, b, c, d;
  syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
  __cpuid_count(leaf, part, a, b, c, d);
  syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
  if (leaf == 7 && part == 0) {
    b &= ~WIDE_EBX;
    c &= ~WIDE_ECX;
    d &= ~WIDE_EDX;
  } else if (leaf == 7 && part == 1) {
    a &= ~(BIT(5) | BIT(21)); // AVX512_BF16, AMX_FP16
  }
  registers[REG_RAX] = a;
  registers[REG_RBX] = b;
  registers[REG_RCX] = c;
  registers[REG_RDX] = d;
  registers[REG_RIP] += 2;
}

typedef int (*setter)(int, const struct sigaction *, struct sigaction *);

// Concrete's libraries take such faults for crashes of their own: nobody else gets this signal.
int sigaction(int number, const struct sigaction *action, struct sigaction *before) {
  setter real = (setter)dlsym(RTLD_NEXT, "sigaction");
  return real(number, number == SIGSEGV && action && action->sa_sigaction != answer ? NULL : action, before);
}

sighandler_t signal(int number, sighandler_t handler) {
  struct sigaction action = {.sa_handler = handler}, before;
  return sigaction(number, &action, &before) ? SIG_ERR : before.sa_handler;
}

__attribute__((constructor)) static void begin(void) {
  struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER};
  if (sigaction(SIGSEGV, &action, NULL) || syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0)) _exit(3);
}

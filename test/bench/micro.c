/*
 * Micro-benchmarks, the same source for the host (glibc) and for the guest (the base system's libc).
 *
 * usage: micro NAME...      prints one line a benchmark: NAME NANOSECONDS (or NAME MBPS for rates)
 * Each figure is the best of several rounds.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *self;
static char *dir = "/tmp";

static double now(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * 1e9 + ts.tv_nsec;
}

/* getpid through a site the kernel can patch: mov $n,%eax; syscall */
static inline long pid_patched(void) {
  long r;
#ifdef __DragonFly__
  __asm__ volatile("mov $20,%%eax; syscall" : "=a"(r) : : "rcx", "r11", "r10", "memory", "cc");
#else
  __asm__ volatile("mov $39,%%eax; syscall" : "=a"(r) : : "rcx", "r11", "memory", "cc");
#endif
  return r;
}

/* getpid through a site it cannot: the number comes from a register */
static inline long pid_unpatched(void) {
#ifdef __DragonFly__
  long r = 20;
#else
  long r = 39;
#endif
  __asm__ volatile("xchg %%rbx,%%rbx; syscall" : "+a"(r) : : "rcx", "r11", "r10", "memory", "cc");
  return r;
}

static void b_getpid(int n) {
  for (int i = 0; i < n; i++) pid_patched();
}
static void b_getpid_sigsys(int n) {
  for (int i = 0; i < n; i++) pid_unpatched();
}

static int devnull;
static void b_write_null(int n) {
  for (int i = 0; i < n; i++) if (write(devnull, "x", 1) != 1) abort();
}

static void b_pipe(int n) {
  int a[2], b[2];
  char c = 0;
  if (pipe(a) || pipe(b)) abort();
  pid_t p = fork();
  if (p == 0) {
    close(a[1]);
    close(b[0]);
    while (read(a[0], &c, 1) == 1) if (write(b[1], &c, 1) != 1) break;
    _exit(0);
  }
  close(a[0]);
  close(b[1]);
  for (int i = 0; i < n; i++) {
    if (write(a[1], &c, 1) != 1 || read(b[0], &c, 1) != 1) abort();
  }
  close(a[1]);
  close(b[0]);
  waitpid(p, 0, 0);
}

static void b_fork(int n) {
  for (int i = 0; i < n; i++) {
    pid_t p = fork();
    if (p == 0) _exit(0);
    waitpid(p, 0, 0);
  }
}

static void b_forkexec(int n) {
  for (int i = 0; i < n; i++) {
    pid_t p = fork();
    if (p == 0) {
      execl(self, self, "nothing", (char *)0);
      _exit(1);
    }
    int st;
    waitpid(p, &st, 0);
    if (st != 0) abort();
  }
}

static void b_fault(int n) {
  char *m = mmap(0, (size_t)n * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
  if (m == MAP_FAILED) abort();
  for (int i = 0; i < n; i++) m[(size_t)i * 4096] = 1;
  munmap(m, (size_t)n * 4096);
}

static void b_mmap(int n) {
  for (int i = 0; i < n; i++) {
    char *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (m == MAP_FAILED) abort();
    m[0] = 1;
    munmap(m, 4096);
  }
}

static volatile int got;
static void on_usr1(int s) {
  (void)s;
  got++;
}
static void b_signal(int n) {
  signal(SIGUSR1, on_usr1);
  for (int i = 0; i < n; i++) kill(getpid(), SIGUSR1);
  if (got < n) abort();
}

static char path[256], deep[256];
static void b_stat(int n) {
  struct stat st;
  for (int i = 0; i < n; i++) if (stat(deep, &st)) abort();
}

static void b_create(int n) {
  for (int i = 0; i < n; i++) {
    int fd = open(path, O_CREAT | O_RDWR | O_EXCL, 0644);
    if (fd < 0) abort();
    close(fd);
    if (unlink(path)) abort();
  }
}

static char big[1 << 20];
static int file;
#define FILE_MB 16
static void b_seqread(int n) {
  for (int i = 0; i < n; i++) {
    lseek(file, 0, SEEK_SET);
    for (int k = 0; k < FILE_MB; k++) if (read(file, big, sizeof big) != sizeof big) abort();
  }
}
static void b_seqwrite(int n) {
  for (int i = 0; i < n; i++) {
    lseek(file, 0, SEEK_SET);
    for (int k = 0; k < FILE_MB; k++) if (write(file, big, sizeof big) != sizeof big) abort();
  }
}
static void b_randread(int n) {
  unsigned x = 12345;
  for (int i = 0; i < n; i++) {
    x = x * 1103515245u + 12345u;
    if (pread(file, big, 4096, (off_t)((x >> 8) % (FILE_MB * 256)) * 4096) != 4096) abort();
  }
}

static volatile double sink;
static void b_compute(int n) {
  for (int i = 0; i < n; i++) {
    double s = 0;
    for (int k = 1; k < 1000; k++) s += 1.0 / k;
    sink = s;
  }
}

static const struct bench {
  const char *name;
  void (*fn)(int);
  int n;
  int rounds;
  int mb; /* megabytes a call of n=1 moves: print a rate */
} benches[] = {
  {"getpid", b_getpid, 200000, 5, 0},
  {"getpid_sigsys", b_getpid_sigsys, 20000, 5, 0},
  {"write_null", b_write_null, 100000, 5, 0},
  {"pipe", b_pipe, 5000, 5, 0},
  {"fork", b_fork, 200, 5, 0},
  {"forkexec", b_forkexec, 100, 5, 0},
  {"fault", b_fault, 4096, 5, 0},
  {"mmap", b_mmap, 2000, 5, 0},
  {"signal", b_signal, 10000, 5, 0},
  {"stat", b_stat, 50000, 5, 0},
  {"create", b_create, 5000, 5, 0},
  {"seqwrite", b_seqwrite, 4, 5, FILE_MB},
  {"seqread", b_seqread, 8, 5, FILE_MB},
  {"randread", b_randread, 50000, 5, 0},
  {"compute", b_compute, 2000, 5, 0},
  {0, 0, 0, 0, 0},
};

int main(int argc, char **argv) {
  self = argv[0];
  if (argc > 1 && strcmp(argv[1], "nothing") == 0) return 0;
  if (getenv("MICRO_DIR")) dir = getenv("MICRO_DIR");
  snprintf(deep, sizeof deep, "%s/micro.d", dir);
  mkdir(deep, 0755);
  snprintf(deep, sizeof deep, "%s/micro.d/data", dir);
  snprintf(path, sizeof path, "%s/micro.d/new", dir);
  unlink(path);
  devnull = open("/dev/null", O_WRONLY);
  file = open(deep, O_CREAT | O_RDWR | O_TRUNC, 0644);
  memset(big, 7, sizeof big);
  for (int k = 0; k < FILE_MB; k++) if (write(file, big, sizeof big) != sizeof big) return 1;
  for (const struct bench *b = benches; b->name; b++) {
    int wanted = argc < 2;
    for (int i = 1; i < argc; i++) if (strcmp(argv[i], b->name) == 0) wanted = 1;
    if (!wanted) continue;
    double best = 1e300;
    for (int r = 0; r < b->rounds; r++) {
      double t = now();
      b->fn(b->n);
      t = (now() - t) / b->n;
      if (t < best) best = t;
    }
    if (b->mb) printf("%s %.0f\n", b->name, b->mb * 1e9 / best);
    else printf("%s %.1f\n", b->name, best);
    fflush(stdout);
  }
  unlink(deep);
  snprintf(deep, sizeof deep, "%s/micro.d", dir);
  rmdir(deep);
  return 0;
}

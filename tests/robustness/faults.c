/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded (LD_PRELOAD) by the campaigns of this folder: lets system calls fail that hardly do.
 *
 *   FAULTS_ALLOCATION=N   the N-th request for memory fails, 1 is the first; 0 only counts.
 *                         Requests are those to malloc and its kin, to mmap without a file, and
 *                         for a thread, from main on: what libraries do before is not the program's
 *   FAULTS_FROM=1         and all after it
 *   FAULTS_WRITE=ERRNO    writing to a regular file fails so
 *   FAULTS_WRITTEN=BYTES  after so many bytes in all
 *   FAULTS_CRASHES=1      SIGSEGV and SIGABRT are logged and end the program, whose own handlers of
 *                         them stand back
 *   FAULTS_LOG=FILE       what happened, appended: "released" when memory is unmapped for the first
 *                         time, which is when the program has measured something; "failed NAME" and
 *                         "signal N", each with the call stack below it, a frame a line; "unhandled
 *                         N" for a signal that would end the program at its first request; and
 *                         "count N" at the end
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What glibc's malloc is made of; needs no look-up, which itself would allocate. */
extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);

static atomic_long requests;
static atomic_llong written;
static long failing = -1; /* until main begins: neither counts nor fails */
static int failing_on, write_error, log_fd = -1;
static long long writable;
static __thread int inside __attribute__((tls_model("initial-exec")));

static void log_stack(const char* what, long number) {
  if (log_fd < 0) return;
  ++inside;
  char line[100];
  const int length = number < 0 ? snprintf(line, sizeof line, "%s\n", what)
                                : snprintf(line, sizeof line, "%s %ld\n", what, number);
  void* frames[64];
  const int count = backtrace(frames, 64);
  if (write(log_fd, line, (size_t)length) == length) backtrace_symbols_fd(frames, count, log_fd);
  --inside;
}

static void log_unhandled(void) {
  static const int numbers[] = {SIGHUP, SIGINT, SIGTERM, SIGXCPU, SIGXFSZ};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; ++i) {
    struct sigaction action;
    if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler == SIG_DFL)
      dprintf(log_fd, "unhandled %d\n", numbers[i]);
  }
}

static int fails(const char* what) {
  if (inside || failing < 0) return 0;
  const long number = atomic_fetch_add(&requests, 1) + 1;
  if (number == 1 && log_fd >= 0) {
    ++inside;
    log_unhandled();
    --inside;
  }
  if (failing == 0 || number < failing || (number > failing && !failing_on)) return 0;
  if (number == failing) log_stack(what, -1);
  errno = ENOMEM;
  return 1;
}

static void on_crash(int number) {
  log_stack("signal", number);
  raise(number); /* SA_RESETHAND: this one ends the program */
}

static long long number_of(const char* name) {
  const char* text = getenv(name);
  return text == NULL ? 0 : atoll(text);
}

__attribute__((constructor)) static void begin(void) {
  const char* log = getenv("FAULTS_LOG");
  if (log != NULL) log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  void* frames[4];
  backtrace(frames, 4); /* loads libgcc, which allocates */
  if (getenv("FAULTS_CRASHES") != NULL) {
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGABRT, &action, NULL);
  }
  write_error = (int)number_of("FAULTS_WRITE");
  writable = number_of("FAULTS_WRITTEN");
  failing_on = number_of("FAULTS_FROM") != 0;
}

typedef int Main(int, char**, char**);
static Main* program_main;

static int counted_main(int argc, char** argv, char** environment) {
  if (getenv("FAULTS_ALLOCATION") != NULL) failing = (long)number_of("FAULTS_ALLOCATION");
  return program_main(argc, argv, environment);
}

int __libc_start_main(Main* main, int argc, char** argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void* stack_end) {
  typedef int Start(Main*, int, char**, void (*)(void), void (*)(void), void (*)(void), void*);
  Start* start = (Start*)dlsym(RTLD_NEXT, "__libc_start_main");
  program_main = main;
  return start(counted_main, argc, argv, init, fini, rtld_fini, stack_end);
}

__attribute__((destructor)) static void end(void) {
  if (log_fd >= 0) dprintf(log_fd, "count %ld\n", atomic_load(&requests));
}

void* malloc(size_t size) { return fails("failed malloc") ? NULL : __libc_malloc(size); }

void* calloc(size_t count, size_t size) {
  return fails("failed calloc") ? NULL : __libc_calloc(count, size);
}

void* realloc(void* data, size_t size) {
  return fails("failed realloc") ? NULL : __libc_realloc(data, size);
}

void* reallocarray(void* data, size_t count, size_t size) {
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) {
    errno = ENOMEM;
    return NULL;
  }
  return realloc(data, bytes);
}

void* memalign(size_t alignment, size_t size) {
  return fails("failed memalign") ? NULL : __libc_memalign(alignment, size);
}

void* aligned_alloc(size_t alignment, size_t size) {
  return fails("failed aligned_alloc") ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void** data, size_t alignment, size_t size) {
  if (fails("failed posix_memalign")) return ENOMEM;
  void* made = __libc_memalign(alignment, size);
  if (made == NULL) return ENOMEM;
  *data = made;
  return 0;
}

void* mmap(void* address, size_t size, int protection, int flags, int fd, off_t offset) {
  if ((flags & MAP_ANONYMOUS) != 0 && fails("failed mmap")) return MAP_FAILED;
  return (void*)syscall(SYS_mmap, address, size, protection, flags, fd, offset);
}

void* mmap64(void* address, size_t size, int protection, int flags, int fd, off_t offset) {
  return mmap(address, size, protection, flags, fd, offset);
}

int munmap(void* address, size_t size) {
  static atomic_int before;
  if (failing >= 0 && log_fd >= 0 && !atomic_exchange(&before, 1)) dprintf(log_fd, "released\n");
  return (int)syscall(SYS_munmap, address, size);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*),
                   void* argument) {
  typedef int Create(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  ++inside;
  Create* create = (Create*)dlsym(RTLD_NEXT, "pthread_create");
  --inside;
  return fails("failed pthread_create") ? EAGAIN : create(thread, attributes, body, argument);
}

/* How many of `size` bytes may be written; 0 with errno set where none. */
static size_t allowed(int fd, size_t size) {
  struct stat status;
  if (write_error == 0 || size == 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
    return size;
  const long long before = atomic_fetch_add(&written, (long long)size);
  if (before + (long long)size <= writable) return size;
  if (before < writable) return (size_t)(writable - before);
  errno = write_error;
  return 0;
}

ssize_t write(int fd, const void* data, size_t size) {
  const size_t part = inside ? size : allowed(fd, size);
  return size != 0 && part == 0 ? -1 : syscall(SYS_write, fd, data, part);
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  const size_t part = allowed(fd, size);
  return size != 0 && part == 0 ? -1 : syscall(SYS_pwrite64, fd, data, part, offset);
}

ssize_t pwrite64(int fd, const void* data, size_t size, off_t offset) {
  return pwrite(fd, data, size, offset);
}

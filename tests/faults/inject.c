/* Makes the n-th call of a kind fail: preloaded into the process that tests/faults/fork_server.py forks.

   It sees the calls of Python and of the C libraries (libsndfile, SQLite) alike. Only files below one folder count, so
   that neither imports nor the terminal are hit. A process chooses by `faults_arm` what fails; the counts are shared
   with its parent. Allocations count from LARGE bytes on: smaller ones come from pools, and none fails on Linux. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE, SYNC, RENAME, OPEN, ALLOCATE, CALLS };
#define LARGE 100000 /* bytes; the buffers of NumPy's iterators, 64 KiB, are used without a look at the result */

static atomic_long *counts; /* of each call, since the last faults_arm */
static int failing = -1, error_number, stays;
static long failing_at;
static char folder[PATH_MAX];

__attribute__((constructor)) static void begin(void) {
    counts = mmap(NULL, CALLS * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* From here on the n-th call of this kind fails with this error, and with `stay` all later ones; n = 0: none. */
void faults_arm(int call, long n, int error, int stay, const char *below) {
    for (int i = 0; i < CALLS; i++) counts[i] = 0;
    snprintf(folder, sizeof folder, "%s", below);
    failing_at = n, error_number = error, stays = stay;
    failing = call;
}

void faults_disarm(void) { failing = -1; }

long faults_count(int call) { return counts[call]; }

/* 0, or 1 where this call has to fail. */
static int fails(int call) {
    if (failing < 0) return 0;
    long n = ++counts[call];
    if (call != failing || !failing_at || (stays ? n < failing_at : n != failing_at)) return 0;
    errno = error_number;
    return 1;
}

static int below(const char *path) {
    char whole[PATH_MAX];
    if (failing < 0 || !path) return 0;
    if (path[0] != '/') {
        if (!getcwd(whole, sizeof whole)) return 0;
        strncat(whole, "/", sizeof whole - strlen(whole) - 1);
        strncat(whole, path, sizeof whole - strlen(whole) - 1);
        path = whole;
    }
    return !strncmp(path, folder, strlen(folder));
}

static int concerns(int descriptor) {
    char link[64], path[PATH_MAX];
    if (failing < 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return below(path);
}

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

/* A full disk takes a part of the write that fills it. */
#define SHARE(size) (stays && failing == WRITE && failing_at && counts[WRITE] == failing_at && (size) > 1 ? (size) / 2 : 0)

ssize_t write(int descriptor, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    if (!concerns(descriptor) || !fails(WRITE)) return real(descriptor, data, size);
    size_t part = SHARE(size);
    return part ? real(descriptor, data, part) : -1;
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    return concerns(descriptor) && fails(WRITE) ? -1 : real(descriptor, data, size, at);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    return concerns(descriptor) && fails(WRITE) ? -1 : real(descriptor, data, size, at);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    return concerns(descriptor) && fails(WRITE) ? -1 : real(descriptor, parts, count);
}

int ftruncate(int descriptor, off_t size) {
    REAL(int, "ftruncate", int, off_t);
    return concerns(descriptor) && fails(WRITE) ? -1 : real(descriptor, size);
}

int ftruncate64(int descriptor, off64_t size) {
    REAL(int, "ftruncate64", int, off64_t);
    return concerns(descriptor) && fails(WRITE) ? -1 : real(descriptor, size);
}

int fsync(int descriptor) {
    REAL(int, "fsync", int);
    return concerns(descriptor) && fails(SYNC) ? -1 : real(descriptor);
}

int fdatasync(int descriptor) {
    REAL(int, "fdatasync", int);
    return concerns(descriptor) && fails(SYNC) ? -1 : real(descriptor);
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    return below(to) && fails(RENAME) ? -1 : real(from, to);
}

int renameat(int there, const char *from, int here, const char *to) {
    REAL(int, "renameat", int, const char *, int, const char *);
    return below(to) && fails(RENAME) ? -1 : real(there, from, here, to);
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }
#define WRITES(flags) ((flags) & (O_CREAT | O_WRONLY | O_RDWR))

int open(const char *path, int flags, ...) {
    MODE(flags)
    REAL(int, "open", const char *, int, ...);
    return WRITES(flags) && below(path) && fails(OPEN) ? -1 : real(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags)
    REAL(int, "open64", const char *, int, ...);
    return WRITES(flags) && below(path) && fails(OPEN) ? -1 : real(path, flags, mode);
}

int openat(int place, const char *path, int flags, ...) {
    MODE(flags)
    REAL(int, "openat", int, const char *, int, ...);
    return WRITES(flags) && below(path) && fails(OPEN) ? -1 : real(place, path, flags, mode);
}

int openat64(int place, const char *path, int flags, ...) {
    MODE(flags)
    REAL(int, "openat64", int, const char *, int, ...);
    return WRITES(flags) && below(path) && fails(OPEN) ? -1 : real(place, path, flags, mode);
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    return below(path) && fails(OPEN) ? -1 : real(path, mode);
}

/* dlsym itself may allocate: the real functions are reached by names of the C library. */
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t size) { return size >= LARGE && fails(ALLOCATE) ? NULL : __libc_malloc(size); }

void *calloc(size_t count, size_t size) {
    size_t whole;
    int many = __builtin_mul_overflow(count, size, &whole);
    return !many && whole >= LARGE && fails(ALLOCATE) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    return size >= LARGE && fails(ALLOCATE) ? NULL : __libc_realloc(old, size);
}

void *memalign(size_t boundary, size_t size) {
    return size >= LARGE && fails(ALLOCATE) ? NULL : __libc_memalign(boundary, size);
}

void *aligned_alloc(size_t boundary, size_t size) { return memalign(boundary, size); }

int posix_memalign(void **result, size_t boundary, size_t size) {
    void *memory = memalign(boundary, size);
    if (!memory) return ENOMEM;
    *result = memory;
    return 0;
}

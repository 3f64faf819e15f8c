// Preloaded into a program: after the first 100 kB that it writes into files, the disk is full.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <sys/types.h>

static size_t left = 100000;

static int full(int descriptor, size_t size) {
  if (descriptor < 3) return 0;
  if (size > left) {
    errno = ENOSPC;
    return 1;
  }
  left -= size;
  return 0;
}

ssize_t write(int descriptor, const void* bytes, size_t size) {
  if (full(descriptor, size)) return -1;
  ssize_t (*real)(int, const void*, size_t) = (ssize_t(*)(int, const void*, size_t))dlsym(RTLD_NEXT, "write");
  return real(descriptor, bytes, size);
}

ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t offset) {
  if (full(descriptor, size)) return -1;
  ssize_t (*real)(int, const void*, size_t, off_t) =
      (ssize_t(*)(int, const void*, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
  return real(descriptor, bytes, size, offset);
}

ssize_t pwrite64(int descriptor, const void* bytes, size_t size, off_t offset) { return pwrite(descriptor, bytes, size, offset); }

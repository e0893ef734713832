/*
 * A disk that keeps only what was fsynced: an LD_PRELOAD shim of ours. Before each write to a file below FAULT_ROOT
 * the bytes that it covers go to an undo journal; a successful fsync of the file settles what was written before it began.
 * After a kill, settle.ts plays back what was never settled, so that the files are as a power cut might have left them.
 *
 * Journal: records of a fixed header and the old bytes.
 *   'W' dev inode offset length oldSize   + length old bytes (fewer where the file ended before)
 *   'T' dev inode newSize length oldSize  + the bytes that a truncation cut off
 *   'S' dev inode sequence                everything of this file up to that sequence is on the disk
 *   'G' dev inode                         the file is gone or replaced: its inode may be used anew
 * Source of the semantics: POSIX.1-2017 fsync(); rename and unlink are taken as ordered and durable, as ext4 does by default.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct header {
  uint8_t kind;
  uint8_t pad[7];
  uint64_t sequence, dev, inode, offset, length, old_size;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;
static const char *root;
static size_t root_length;
static __thread int inside;
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pread)(int, void *, size_t, off_t);

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void open_journal(void) {
  real_write = next("write");
  real_pwrite = next("pwrite64");
  real_pread = next("pread64");
  root = getenv("FAULT_ROOT");
  const char *file = getenv("FAULT_JOURNAL");
  if (root == NULL || file == NULL) return;
  root_length = strlen(root);
  inside = 1;
  journal = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  inside = 0;
}

/* One record in one write: a kill cannot tear it, since the page cache outlives the process. */
static uint64_t record(uint8_t kind, const struct stat *st, uint64_t offset, uint64_t length, const void *bytes) {
  struct stat now;
  struct header head = {.kind = kind, .dev = st->st_dev, .inode = st->st_ino, .offset = offset, .length = length, .old_size = st->st_size};
  fstat(journal, &now);
  head.sequence = (uint64_t)now.st_size;
  struct iovec parts[2] = {{&head, sizeof head}, {(void *)bytes, length}};
  static ssize_t (*real_writev)(int, const struct iovec *, int);
  if (real_writev == NULL) real_writev = next("writev");
  if (real_writev(journal, parts, length > 0 ? 2 : 1) < 0) abort();
  return head.sequence;
}

/* A regular file below the root: its state goes to st. */
static int is_watched(int fd, struct stat *st) {
  char link[64], path[4096];
  if (journal < 0 || inside || fd == journal) return 0;
  if (fstat(fd, st) != 0 || !S_ISREG(st->st_mode)) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n < (ssize_t)root_length) return 0;
  path[n] = 0;
  size_t end = strlen(path);
  /* SQLite rebuilds its shared-memory index from the log. */
  if (end > 4 && strcmp(path + end - 4, "-shm") == 0) return 0;
  return strncmp(path, root, root_length) == 0;
}

/* Old bytes need a descriptor that may read; a write-only one is opened again. */
static ssize_t read_old(int fd, void *into, size_t length, off_t at) {
  ssize_t n = real_pread(fd, into, length, at);
  if (n >= 0) return n;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int again = open(link, O_RDONLY | O_CLOEXEC);
  if (again < 0) return 0;
  n = real_pread(again, into, length, at);
  close(again);
  return n < 0 ? 0 : n;
}

static void before_write(int fd, off_t at, size_t length) {
  struct stat st;
  if (length == 0 || !is_watched(fd, &st)) return;
  inside = 1;
  pthread_mutex_lock(&lock);
  fstat(fd, &st);
  if (at < 0) at = (fcntl(fd, F_GETFL) & O_APPEND) ? st.st_size : lseek(fd, 0, SEEK_CUR);
  void *old = malloc(length);
  ssize_t n = old == NULL ? 0 : read_old(fd, old, length, at);
  record('W', &st, at, n > 0 ? n : 0, old);
  free(old);
  pthread_mutex_unlock(&lock);
  inside = 0;
}

static void before_truncate(int fd, off_t size) {
  struct stat st;
  if (!is_watched(fd, &st)) return;
  inside = 1;
  pthread_mutex_lock(&lock);
  size_t cut = st.st_size > size ? st.st_size - size : 0;
  void *old = malloc(cut > 0 ? cut : 1);
  ssize_t n = cut > 0 && old != NULL ? read_old(fd, old, cut, size) : 0;
  record('T', &st, size, n > 0 ? n : 0, old);
  free(old);
  pthread_mutex_unlock(&lock);
  inside = 0;
}

ssize_t write(int fd, const void *b, size_t n) { before_write(fd, -1, n); return real_write(fd, b, n); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t at) { before_write(fd, at, n); return real_pwrite(fd, b, n, at); }
ssize_t pwrite64(int fd, const void *b, size_t n, off_t at) { before_write(fd, at, n); return real_pwrite(fd, b, n, at); }

static size_t total(const struct iovec *v, int n) {
  size_t sum = 0;
  for (int i = 0; i < n; i++) sum += v[i].iov_len;
  return sum;
}
#define WRAP_V(name)                                                              \
  ssize_t name(int fd, const struct iovec *v, int n, off_t at) {                  \
    static ssize_t (*real)(int, const struct iovec *, int, off_t);                \
    if (real == NULL) real = next(#name);                                         \
    before_write(fd, at, total(v, n));                                            \
    return real(fd, v, n, at);                                                    \
  }
WRAP_V(pwritev)
WRAP_V(pwritev64)
ssize_t writev(int fd, const struct iovec *v, int n) {
  static ssize_t (*real)(int, const struct iovec *, int);
  if (real == NULL) real = next("writev");
  before_write(fd, -1, total(v, n));
  return real(fd, v, n);
}
ssize_t copy_file_range(int in, off64_t *ia, int out, off64_t *oa, size_t n, unsigned flags) {
  struct stat st;
  /* The caller falls back to read and write, which are seen. */
  if (is_watched(out, &st)) { errno = ENOSYS; return -1; }
  static ssize_t (*real)(int, off64_t *, int, off64_t *, size_t, unsigned);
  if (real == NULL) real = next("copy_file_range");
  return real(in, ia, out, oa, n, flags);
}
#define WRAP_TRUNCATE(name)                        \
  int name(int fd, off_t size) {                   \
    static int (*real)(int, off_t);                \
    if (real == NULL) real = next(#name);          \
    before_truncate(fd, size);                     \
    return real(fd, size);                         \
  }
WRAP_TRUNCATE(ftruncate)
WRAP_TRUNCATE(ftruncate64)

static int synced(int fd, int (*real)(int)) {
  struct stat st, now;
  if (!is_watched(fd, &st)) return real(fd);
  pthread_mutex_lock(&lock);
  fstat(journal, &now);
  uint64_t until = now.st_size;
  pthread_mutex_unlock(&lock);
  int out = real(fd);
  if (out == 0) {
    inside = 1;
    pthread_mutex_lock(&lock);
    record('S', &st, until, 0, NULL);
    pthread_mutex_unlock(&lock);
    inside = 0;
  }
  return out;
}
int fsync(int fd) {
  static int (*real)(int);
  if (real == NULL) real = next("fsync");
  return synced(fd, real);
}
int fdatasync(int fd) {
  static int (*real)(int);
  if (real == NULL) real = next("fdatasync");
  return synced(fd, real);
}

static void gone(const char *path) {
  struct stat st;
  if (journal < 0 || inside || lstat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1) return;
  inside = 1;
  pthread_mutex_lock(&lock);
  record('G', &st, 0, 0, NULL);
  pthread_mutex_unlock(&lock);
  inside = 0;
}
int unlink(const char *path) {
  static int (*real)(const char *);
  if (real == NULL) real = next("unlink");
  gone(path);
  return real(path);
}
int rename(const char *from, const char *to) {
  static int (*real)(const char *, const char *);
  if (real == NULL) real = next("rename");
  gone(to);
  return real(from, to);
}

#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "files and tensors are read as they lie in memory");

static const uint8_t EMPTY[1];

// ---- Reading
// ---------------------------------------------------------------------------------------

static bool read_failed(const char *path, int error, struct diag *d)
{
    return diag_report(d, diag_file(d, path), DIAG_IO_READ, "cannot read '%s': %s", path,
                       strerror(error));
}

static bool too_large(const char *path, uint64_t bytes, size_t max_bytes, struct diag *d)
{
    return diag_report(d, diag_file(d, path), DIAG_LIMIT,
                       "'%s' has %llu bytes or more; at most %zu are read", path,
                       (unsigned long long)bytes, max_bytes);
}

static void *map_anonymous(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        bitlet_fatal("out of memory (%zu bytes more were needed)", bytes);
    return p;
}

// A pipe or a device: its size is known at its end only. The buffer doubles, and what is left over
// is unmapped.
static bool read_stream(struct io_map *m, int fd, const char *path, size_t max_bytes,
                        struct diag *d)
{
    size_t cap = 1 << 20, len = 0;
    uint8_t *buf = map_anonymous(cap);
    for (;;) {
        ssize_t got = read(fd, buf + len, cap - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || (max_bytes != 0 && len + (size_t)got > max_bytes)) {
            int error = errno;
            munmap(buf, cap);
            return got < 0 ? read_failed(path, error, d)
                           : too_large(path, len + (size_t)got, max_bytes, d);
        }
        if (got == 0)
            break;
        len += (size_t)got;
        if (len == cap) {
            uint8_t *grown = map_anonymous(cap * 2);
            memcpy(grown, buf, len);
            munmap(buf, cap);
            buf = grown;
            cap *= 2;
        }
    }
    size_t page = (size_t)sysconf(_SC_PAGESIZE), kept = (len + page - 1) & ~(page - 1);
    if (kept < cap)
        munmap(buf + kept, cap - kept);
    *m = (struct io_map){.data = len ? buf : EMPTY, .size = len, .handle = len ? buf : NULL};
    return true;
}

static bool map_fd(struct io_map *m, int fd, const char *path, size_t max_bytes, struct diag *d)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return read_failed(path, errno, d);
    if (S_ISDIR(st.st_mode))
        return read_failed(path, EISDIR, d);
    if (!S_ISREG(st.st_mode))
        return read_stream(m, fd, path, max_bytes, d);
    size_t size = (size_t)st.st_size;
    if (max_bytes != 0 && size > max_bytes)
        return too_large(path, size, max_bytes, d);
    if (size == 0) // an empty file cannot be mapped; one in /proc only says that it is empty
        return read_stream(m, fd, path, max_bytes, d);
    void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return read_failed(path, errno, d);
    *m = (struct io_map){.data = p, .size = size, .handle = p, .is_file = true};
    return true;
}

bool io_map_file(struct io_map *m, const char *path, size_t max_bytes, struct diag *d)
{
    *m = (struct io_map){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return read_failed(path, errno, d);
    bool ok = map_fd(m, fd, path, max_bytes, d);
    close(fd);
    return ok;
}

void io_map_ahead(const struct io_map *m)
{
#ifdef MADV_POPULATE_READ
    if (m->is_file)
        madvise(m->handle, m->size, MADV_POPULATE_READ); // only a hint
#else
    (void)m;
#endif
}

void io_unmap(struct io_map *m)
{
    if (m->handle)
        munmap(m->handle, m->size);
    *m = (struct io_map){0};
}

void io_map_release(const struct io_map *m)
{
    if (m->is_file)
        madvise(m->handle, m->size, MADV_DONTNEED);
}

// ---- Writing
// ---------------------------------------------------------------------------------------

struct io_out {
    FILE *file;
    const char *path;   // as the user wrote it
    const char *target; // what is replaced: the path, or what a symbolic link points to
    const char *temp;   // NULL: written in place, for a device or a pipe
};

static bool write_failed(const char *path, int error, struct diag *d)
{
    return diag_report(d, diag_file(d, path), DIAG_IO_WRITE, "cannot write '%s': %s", path,
                       strerror(error));
}

// The permissions a plain fopen would give, or those of the file that is replaced.
static mode_t wanted_mode(const char *target)
{
    struct stat st;
    if (stat(target, &st) == 0)
        return st.st_mode & 07777;
    mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

static const char *resolve_link(const char *path, struct arena *a)
{
    char real[PATH_MAX];
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && realpath(path, real))
        return arena_strdup(a, real);
    return arena_strdup(a, path);
}

struct io_out *io_create(const char *path, struct arena *a, struct diag *d)
{
    struct io_out *o = ARENA_NEW(a, struct io_out);
    o->path = arena_strdup(a, path);
    o->target = resolve_link(path, a);
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        o->file = fopen(path, "wb");
    } else {
        char *temp = arena_printf(a, "%s.tmp-XXXXXX", o->target);
        int fd = mkostemp(temp, O_CLOEXEC);
        if (fd >= 0) {
            o->temp = temp;
            o->file = fchmod(fd, wanted_mode(o->target)) == 0 ? fdopen(fd, "wb") : NULL;
            if (!o->file) {
                int error = errno;
                close(fd);
                unlink(temp);
                errno = error;
            }
        }
    }
    if (!o->file) {
        write_failed(path, errno, d);
        return NULL;
    }
    return o;
}

FILE *io_file(struct io_out *o)
{
    return o->file;
}

bool io_commit(struct io_out *o, struct diag *d)
{
    errno = 0;
    bool ok = fflush(o->file) == 0 && !ferror(o->file);
    int error = errno;
    if (fclose(o->file) != 0 && ok) {
        ok = false;
        error = errno;
    }
    if (ok && o->temp && rename(o->temp, o->target) != 0) {
        ok = false;
        error = errno;
    }
    if (!ok && o->temp)
        unlink(o->temp);
    return ok || write_failed(o->path, error ? error : EIO, d);
}

void io_abandon(struct io_out *o)
{
    if (!o)
        return;
    fclose(o->file);
    if (o->temp)
        unlink(o->temp);
}

bool io_write_file(const char *path, const void *bytes, size_t len, struct diag *d)
{
    struct arena *scratch = arena_create();
    struct io_out *o = io_create(path, scratch, d);
    if (o && len)
        fwrite(bytes, 1, len, io_file(o)); // io_commit sees the stream's error
    bool ok = o && io_commit(o, d);
    arena_destroy(scratch);
    return ok;
}

static bool make_one_dir(const char *path)
{
    return mkdir(path, 0777) == 0 || (errno == EEXIST && io_is_dir(path));
}

bool io_make_dir(const char *path, struct diag *d)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part)
        return write_failed(path, len == 0 ? ENOENT : ENAMETOOLONG, d);
    for (size_t i = 1; i <= len; i++) {
        if (i < len && path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (!make_one_dir(part))
            return write_failed(path, errno, d);
    }
    return true;
}

bool io_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool io_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

uint32_t io_crc32(const void *bytes, size_t len)
{
    return (uint32_t)crc32_z(crc32_z(0, NULL, 0), bytes, len);
}

// A bump allocator over a list of chunks. Small chunks come zeroed from calloc and grow
// geometrically; a request of LARGE_BYTES or more gets a mapping of its own, so that the kernel's
// zero pages are never touched before their user does. A reset keeps the first chunk, because a
// scratch arena is reset once a pass and is usually small.
#include "arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pages.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
enum { REDZONE = 16 }; // left poisoned behind every allocation
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
enum { REDZONE = 0 };
#endif

enum {
    ALIGN = 16,
    ALIGN_MAX = 4096,
#ifdef BITLET_CHECK
    FIRST_CHUNK = 256,
    LAST_CHUNK = 1024,
#else
    FIRST_CHUNK = 16 * 1024,
    LAST_CHUNK = 1024 * 1024,
#endif
    LARGE_BYTES = 256 * 1024,
};

struct chunk {
    struct chunk *next; // older
    size_t size, used;  // of data[], in bytes
    _Alignas(16) unsigned char data[];
};

enum mapping_kind { KEPT, DATA, FILE_DATA }; // KEPT is never swept

struct mapping {
    struct mapping *next; // older; the records themselves live in the arena's chunks
    void *addr;
    size_t len;
    enum mapping_kind kind;
};

struct arena {
    struct chunk *chunks; // the newest first
    struct mapping *mappings;
    size_t next_chunk;
    size_t handed_out;
};

static void *must(void *p, size_t bytes)
{
    if (!p)
        bitlet_fatal("out of memory (%zu bytes more were needed)", bytes);
    return p;
}

static struct chunk *chunk_create(size_t size, struct chunk *next)
{
    struct chunk *c = must(calloc(1, sizeof *c + size), size);
    c->next = next;
    c->size = size;
    POISON(c->data, size);
    return c;
}

static void chunk_free(struct chunk *c)
{
    UNPOISON(c->data, c->size);
    free(c);
}

struct arena *arena_create(void)
{
    struct arena *a = must(calloc(1, sizeof *a), sizeof *a);
    a->chunks = chunk_create(FIRST_CHUNK, NULL);
    a->next_chunk = FIRST_CHUNK * 2;
    return a;
}

static void unmap_all(struct arena *a)
{
    for (struct mapping *m = a->mappings; m; m = m->next)
        munmap(m->addr, m->len);
    a->mappings = NULL;
}

void arena_reset(struct arena *a)
{
    unmap_all(a);
    struct chunk *c = a->chunks;
    while (c->next) {
        struct chunk *older = c->next;
        chunk_free(c);
        c = older;
    }
    UNPOISON(c->data, c->used);
    memset(c->data, 0, c->used);
    POISON(c->data, c->size);
    c->used = 0;
    a->chunks = c;
    a->next_chunk = FIRST_CHUNK * 2;
    a->handed_out = 0;
}

void arena_destroy(struct arena *a)
{
    if (!a)
        return;
    arena_reset(a);
    chunk_free(a->chunks);
    free(a);
}

// Offset in the chunk's data at which an allocation of this alignment may start.
static size_t aligned_offset(const struct chunk *c, size_t align)
{
    uintptr_t at = (uintptr_t)c->data + c->used;
    return c->used + (size_t)(-at & (align - 1));
}

static void *bump(struct arena *a, size_t bytes, size_t align)
{
    struct chunk *c = a->chunks;
    size_t at = aligned_offset(c, align);
    if (at > c->size || c->size - at < bytes + REDZONE) {
        size_t room = bytes + align + REDZONE;
        c = a->chunks = chunk_create(room > a->next_chunk ? room : a->next_chunk, c);
        if (a->next_chunk < LAST_CHUNK)
            a->next_chunk *= 2;
        at = aligned_offset(c, align);
    }
    c->used = at + bytes + REDZONE;
    UNPOISON(c->data + at, bytes);
    return c->data + at;
}

static void adopt(struct arena *a, void *addr, size_t len, enum mapping_kind kind)
{
    struct mapping *m = bump(a, sizeof *m, ALIGN);
    *m = (struct mapping){.next = a->mappings, .addr = addr, .len = len, .kind = kind};
    a->mappings = m;
}

void arena_adopt_mapping(struct arena *a, void *addr, size_t len)
{
    adopt(a, addr, len, KEPT);
}

void arena_adopt_file(struct arena *a, void *addr, size_t len)
{
    adopt(a, addr, len, FILE_DATA);
}

void arena_drop_file_pages(struct arena *a)
{
    for (struct mapping *m = a->mappings; m; m = m->next)
        if (m->kind == FILE_DATA)
            madvise(m->addr, m->len, MADV_DONTNEED);
}

static void *allocate(struct arena *a, size_t bytes, size_t align, bool data)
{
    if (align < ALIGN)
        align = ALIGN;
    if (align > ALIGN_MAX || (align & (align - 1)) != 0)
        bitlet_bug("alignment of %zu", align);
    if (bytes > PTRDIFF_MAX - ALIGN_MAX * 2)
        bitlet_fatal("a size of %zu bytes cannot be", bytes);
    a->handed_out += bytes;
    if (bytes < LARGE_BYTES)
        return bump(a, bytes, align);
    void *p = must(pages_map(bytes, data), bytes);
    adopt(a, p, bytes, data ? DATA : KEPT);
    return p;
}

void *arena_alloc_aligned(struct arena *a, size_t bytes, size_t align)
{
    return allocate(a, bytes, align, false);
}

void *arena_alloc_data(struct arena *a, size_t bytes)
{
    return allocate(a, bytes, ALIGN, true);
}

bool arena_has_data(const struct arena *a)
{
    for (const struct mapping *m = a->mappings; m; m = m->next)
        if (m->kind != KEPT)
            return true;
    return false;
}

// The first of the ascending addresses that is not below `from`.
static size_t first_at(const void *const *live, size_t count, const void *from)
{
    size_t low = 0;
    while (low < count) {
        size_t mid = low + (count - low) / 2;
        if ((uintptr_t)live[mid] < (uintptr_t)from)
            low = mid + 1;
        else
            count = mid;
    }
    return low;
}

size_t arena_sweep_data(struct arena *a, const void *const *live, size_t count)
{
    size_t swept = 0;
    for (struct mapping **at = &a->mappings, *m; (m = *at) != NULL;) {
        size_t i = m->kind != KEPT ? first_at(live, count, m->addr) : 0;
        if (m->kind == KEPT || (i < count && (uintptr_t)live[i] - (uintptr_t)m->addr < m->len)) {
            at = &m->next;
            continue;
        }
        munmap(m->addr, m->len);
        swept += m->len;
        *at = m->next;
    }
    return swept;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    return arena_alloc_aligned(a, bytes, ALIGN);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    if (size != 0 && count > PTRDIFF_MAX / size)
        bitlet_fatal("a size of %zu times %zu bytes cannot be", count, size);
    return arena_alloc(a, count * size);
}

void *arena_memdup(struct arena *a, const void *bytes, size_t len)
{
    void *p = arena_alloc(a, len);
    if (len)
        memcpy(p, bytes, len);
    return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
    len = strnlen(s, len);
    char *p = arena_alloc(a, len + 1);
    memcpy(p, s, len);
    return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    if (len < 0)
        bitlet_bug("bad format '%s'", fmt);
    char *p = arena_alloc(a, (size_t)len + 1);
    vsnprintf(p, (size_t)len + 1, fmt, again);
    va_end(again);
    return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *p = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return p;
}

size_t arena_used(const struct arena *a)
{
    return a->handed_out;
}

void *arena_grow(struct arena *a, void *old, size_t count, size_t need, size_t size, size_t *cap)
{
    if (need <= *cap)
        return old;
    size_t grown = *cap < 8 ? 8 : *cap;
    while (grown < need) {
        if (grown > SIZE_MAX / 2)
            bitlet_fatal("a vector of %zu elements cannot be", need);
        grown *= 2;
    }
    void *p = arena_array(a, grown, size);
    if (count)
        memcpy(p, old, count * size);
    *cap = grown;
    return p;
}

_Noreturn static void die(const char *what, const char *fmt, va_list ap)
{
    fflush(stdout);
    fprintf(stderr, "bitlet: %s", what);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    exit(70);
}

_Noreturn void bitlet_fatal(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    die("fatal: ", fmt, ap);
}

_Noreturn void bitlet_bug_at(const char *file, int line, const char *fmt, ...)
{
    char what[256];
    const char *slash = strrchr(file, '/');
    snprintf(what, sizeof what, "internal error at %s:%d: ", slash ? slash + 1 : file, line);
    va_list ap;
    va_start(ap, fmt);
    die(what, fmt, ap);
}

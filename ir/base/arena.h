// Arenas: the only allocator of the toolchain.
//
// Memory belongs to the arena it was asked from and is freed only with it.
// Nothing reachable from a module may point into a scratch or an import arena.
// Requests never fail: out of memory ends the process (bitlet_fatal), as does a size that
// overflows. Memory is zeroed. Reset and destroy poison the memory under AddressSanitizer.
#ifndef BITLET_ARENA_H
#define BITLET_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct arena;

struct arena *arena_create(void);
void arena_destroy(struct arena *a); // NULL is fine
void arena_reset(struct arena *a);   // frees everything, keeps the arena

void *arena_alloc(struct arena *a, size_t bytes); // aligned for any type (and to 16)
void *arena_alloc_aligned(struct arena *a, size_t bytes,
                          size_t align); // align: a power of two <= 4096
void *arena_array(struct arena *a, size_t count, size_t size);
void *arena_memdup(struct arena *a, const void *bytes, size_t len);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t arena_used(const struct arena *a); // bytes handed out since creation or reset
// Hands a mapping over to the arena, which unmaps it on reset or destroy.
void arena_adopt_mapping(struct arena *a, void *addr, size_t len);

// Memory for data that may go before its arena does: `bytes` of zeroed memory which
// arena_sweep_data unmaps early where they are large enough to lie in a mapping of their own.
void *arena_alloc_data(struct arena *a, size_t bytes);
// Whether arena_sweep_data would have anything to look at.
bool arena_has_data(const struct arena *a);
// Hands over a mapping of a file that nobody writes to; arena_sweep_data may unmap it.
void arena_adopt_file(struct arena *a, void *addr, size_t len);
// Gives the memory of file pages that were read back to the system; they are read again when
// needed.
void arena_drop_file_pages(struct arena *a);
// Unmaps what came from arena_alloc_data or arena_adopt_file and holds none of the `count`
// addresses in `live`, which are ascending. Nobody may hold another address into it. Gives the
// bytes unmapped.
size_t arena_sweep_data(struct arena *a, const void *const *live, size_t count);

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, n, type) ((type *)arena_array((a), (n), sizeof(type)))

// Grows a vector held in an arena: returns storage for at least `need` elements, the first `count`
// copied. *cap is the capacity in elements, updated. The old storage stays with the arena.
void *arena_grow(struct arena *a, void *old, size_t count, size_t need, size_t size, size_t *cap);

// Ends the process with a message: out of memory and the like, never for a mistake in an input.
_Noreturn void bitlet_fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
// Ends the process because of a defect of ours (exit status 70), naming the place.
_Noreturn void bitlet_bug_at(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#define bitlet_bug(...) bitlet_bug_at(__FILE__, __LINE__, __VA_ARGS__)

#endif

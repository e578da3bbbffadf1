// Files: mapped for reading, written under another name and renamed. Little-endian accessors.
// Checksums.
#ifndef BITLET_IO_H
#define BITLET_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "diag.h"

struct io_map {
    const uint8_t *data; // never NULL after success, even for an empty file
    size_t size;
    void *handle; // private
    bool is_file; // private: pages can be read again
};
// Maps a file read-only. Reports io-read (or limit when larger than max_bytes; 0 = no bound) and
// returns false on failure.
BITLET_MUST_USE bool io_map_file(struct io_map *m, const char *path, size_t max_bytes,
                                 struct diag *d);
// All of it is going to be read, and soon.
void io_map_ahead(const struct io_map *m);
void io_unmap(struct io_map *m); // a zeroed map is fine
// Gives the memory of pages that were read back to the system; a later access reads them again.
void io_map_release(const struct io_map *m);

// A file that appears under its name only on commit. All functions after an error do nothing;
// commit reports it.
struct io_out;
BITLET_MUST_USE struct io_out *io_create(const char *path, struct arena *a, struct diag *d);
FILE *io_file(struct io_out *o);                                  // for fprintf and fwrite
BITLET_MUST_USE bool io_commit(struct io_out *o, struct diag *d); // flush, close, rename
void io_abandon(struct io_out *o);                                // close and remove; NULL is fine
BITLET_MUST_USE bool io_write_file(const char *path, const void *bytes, size_t len, struct diag *d);
BITLET_MUST_USE bool io_make_dir(const char *path, struct diag *d); // parents too; existing is fine
bool io_is_dir(const char *path);
bool io_exists(const char *path);

uint32_t io_crc32(const void *bytes, size_t len); // zlib's CRC-32

static inline uint16_t io_get16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, 2);
    return v;
}
static inline uint32_t io_get32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}
static inline uint64_t io_get64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}
static inline void io_put16(void *p, uint16_t v)
{
    memcpy(p, &v, 2);
}
static inline void io_put32(void *p, uint32_t v)
{
    memcpy(p, &v, 4);
}
static inline void io_put64(void *p, uint64_t v)
{
    memcpy(p, &v, 8);
}

// Multiplication and addition of sizes that come from a file. False on overflow.
static inline bool io_mul_ok(uint64_t a, uint64_t b, uint64_t *out)
{
    if (b != 0 && a > UINT64_MAX / b)
        return false;
    *out = a * b;
    return true;
}
static inline bool io_add_ok(uint64_t a, uint64_t b, uint64_t *out)
{
    *out = a + b;
    return *out >= a;
}

#endif

// Blob files. Records are kept in order of their offsets; an open-addressing index over data
// addresses finds what was placed before. Offsets are multiples of 64, so that a mapped file can be
// used in place.
#include <string.h>

#include "io.h"
#include "ir_priv.h"

enum { BLOB_ALIGN = 64 };

struct record {
    const void *data;
    size_t bytes;
    uint64_t offset;
    uint32_t crc;
};
struct ir_blobs {
    struct arena *arena;
    const char *path, *file; // NULL path: not written; file: the path's last part
    struct record *records;
    size_t count, cap;
    uint32_t *index; // record + 1, 0 = free; num_slots is a power of two, at most half full
    size_t num_slots;
    uint64_t end;
    size_t written; // records in the file as it was committed last
};

struct ir_blobs *ir_blobs_create(const char *path, struct arena *a, struct diag *d)
{
    (void)d;
    struct ir_blobs *b = ARENA_NEW(a, struct ir_blobs);
    b->arena = a;
    b->num_slots = 64;
    b->index = ARENA_ARRAY(a, b->num_slots, uint32_t);
    b->file = "memory";
    if (path) {
        const char *slash = strrchr(path, '/');
        b->path = arena_strdup(a, path);
        b->file = arena_strdup(a, slash ? slash + 1 : path);
    }
    return b;
}

static uint32_t *find_slot(const struct ir_blobs *b, const void *data, size_t bytes)
{
    uint64_t h = ((uint64_t)(uintptr_t)data ^ bytes) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(h >> 20) & (b->num_slots - 1);
    for (;; at = (at + 1) & (b->num_slots - 1)) {
        uint32_t i = b->index[at];
        if (i == 0 || (b->records[i - 1].data == data && b->records[i - 1].bytes == bytes))
            return &b->index[at];
    }
}

static void grow_index(struct ir_blobs *b)
{
    b->num_slots *= 2;
    b->index = ARENA_ARRAY(b->arena, b->num_slots, uint32_t);
    for (size_t i = 0; i < b->count; i++)
        *find_slot(b, b->records[i].data, b->records[i].bytes) = (uint32_t)i + 1;
}

struct ir_blob_ref ir_blobs_place(struct ir_blobs *b, const struct tensor *t)
{
    size_t bytes = tensor_bytes(t);
    uint32_t *slot = find_slot(b, t->data, bytes);
    if (*slot == 0) {
        if ((b->count + 1) * 2 > b->num_slots) {
            grow_index(b);
            slot = find_slot(b, t->data, bytes);
        }
        b->records =
            arena_grow(b->arena, b->records, b->count, b->count + 1, sizeof *b->records, &b->cap);
        b->records[b->count] = (struct record){
            .data = t->data, .bytes = bytes, .offset = b->end, .crc = io_crc32(t->data, bytes)};
        b->end += (bytes + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN;
        *slot = (uint32_t)++b->count;
    }
    const struct record *r = &b->records[*slot - 1];
    return (struct ir_blob_ref){.data = t, .file = b->file, .offset = r->offset, .crc = r->crc};
}

const void *ir_blobs_at(const struct ir_blobs *b, uint64_t offset, uint64_t bytes)
{
    size_t lo = 0, hi = b->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (b->records[mid].offset < offset)
            lo = mid + 1;
        else
            hi = mid;
    }
    bool found = lo < b->count && b->records[lo].offset == offset && b->records[lo].bytes == bytes;
    return found ? b->records[lo].data : NULL;
}

bool ir_blobs_commit(struct ir_blobs *b, struct diag *d)
{
    static const char zeros[BLOB_ALIGN];
    if (!b->path || b->written == b->count)
        return true;
    struct io_out *o = io_create(b->path, b->arena, d);
    if (!o)
        return false;
    for (size_t i = 0; i < b->count; i++) {
        const struct record *r = &b->records[i];
        uint64_t next = i + 1 < b->count ? b->records[i + 1].offset : r->offset + r->bytes;
        fwrite(r->data, 1, r->bytes, io_file(o)); // io_commit sees the stream's error
        fwrite(zeros, 1, (size_t)(next - r->offset - r->bytes), io_file(o));
    }
    b->written = b->count;
    return io_commit(o, d);
}

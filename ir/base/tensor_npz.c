// NumPy's .npz: a ZIP archive of .npy arrays, stored or deflated.
#include <zip.h>

#include "io.h"
#include "tensor_npy.h"

// Deflate cannot compress better than 1032 to 1, whatever an archive says of itself.
enum { DEFLATE_RATIO = 1032, DEFLATE_SLACK = 1024, ARRAYS_MAX = 65536 };

struct npz {
    zip_t *zip;
    loc_id loc;
    uint64_t file_size;
    uint64_t
        left; // bytes its entries may still unpack to: entries can share their compressed bytes
    struct arena *arena;
    struct diag *diag;
};

static bool bad_entry(const struct npz *z, const char *name, const char *why)
{
    return diag_report(z->diag, z->loc, DIAG_TENSOR_FORMAT, "entry '%s' of the archive: %s", name,
                       why);
}

static bool plausible_size(struct npz *z, const zip_stat_t *st)
{
    uint64_t unpacked;
    if (st->comp_size > z->file_size || !io_mul_ok(st->comp_size, DEFLATE_RATIO, &unpacked) ||
        !io_add_ok(unpacked, DEFLATE_SLACK, &unpacked) || st->size > unpacked || st->size > z->left)
        return false;
    z->left -= st->size;
    return true;
}

static bool read_bytes(zip_file_t *f, uint8_t *bytes, uint64_t size)
{
    uint64_t have = 0;
    while (have < size) {
        zip_int64_t got = zip_fread(f, bytes + have, size - have);
        if (got <= 0)
            return false;
        have += (uint64_t)got;
    }
    uint8_t more;
    return zip_fread(f, &more, 1) == 0; // also where the checksum is verified
}

static const char *array_name(struct arena *a, const char *entry)
{
    size_t len = strlen(entry);
    if (len > 4 && strcmp(entry + len - 4, ".npy") == 0)
        len -= 4;
    return arena_strndup(a, entry, len);
}

static struct tensor *read_entry(struct npz *z, uint64_t index)
{
    zip_stat_t st;
    const zip_uint64_t wanted = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
    if (zip_stat_index(z->zip, index, 0, &st) != 0 || (st.valid & wanted) != wanted) {
        bad_entry(z, "?", "it has no name or no size");
        return NULL;
    }
    if (!plausible_size(z, &st)) {
        bad_entry(z, st.name, "its size cannot be true");
        return NULL;
    }
    zip_file_t *f = zip_fopen_index(z->zip, index, 0);
    if (!f) {
        bad_entry(z, st.name, zip_strerror(z->zip));
        return NULL;
    }
    struct arena *scratch = arena_create();
    uint8_t *bytes = arena_alloc(scratch, st.size);
    struct tensor *t = NULL;
    if (read_bytes(f, bytes, st.size))
        t = tensor_parse_npy(bytes, st.size, z->loc, z->arena, z->diag);
    else
        bad_entry(z, st.name, "it is damaged");
    if (t)
        t->name = array_name(z->arena, st.name);
    arena_destroy(scratch);
    zip_fclose(f);
    return t;
}

static bool read_all(struct npz *z, struct tensor ***out, size_t *count)
{
    zip_int64_t n = zip_get_num_entries(z->zip, 0);
    if (n > ARRAYS_MAX)
        return diag_report(z->diag, z->loc, DIAG_LIMIT, "%lld arrays; at most %d are read",
                           (long long)n, ARRAYS_MAX);
    struct tensor **all = ARENA_ARRAY(z->arena, (size_t)n, struct tensor *);
    bool ok = true;
    for (zip_int64_t i = 0; i < n; i++) {
        all[i] = read_entry(z, (uint64_t)i);
        ok = ok && all[i];
    }
    *out = all;
    *count = (size_t)n;
    return ok;
}

bool tensor_read_npz(const char *path, struct arena *a, struct tensor ***out, size_t *count,
                     struct diag *d)
{
    struct io_map
        m; // libzip reads the file by itself; the map gives io-read's messages and the size
    if (!io_map_file(&m, path, 0, d))
        return false;
    struct npz z = {.loc = diag_file(d, path), .file_size = m.size, .arena = a, .diag = d};
    if (!io_mul_ok(m.size, DEFLATE_RATIO, &z.left))
        z.left = UINT64_MAX;
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(m.data, m.size, 0, &error);
    z.zip = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : NULL;
    bool ok = false;
    if (z.zip) {
        ok = read_all(&z, out, count);
        zip_discard(z.zip);
    } else {
        diag_report(d, z.loc, DIAG_TENSOR_FORMAT, "not a .npz archive: %s",
                    zip_error_strerror(&error));
        zip_source_free(source);
    }
    zip_error_fini(&error);
    io_unmap(&m);
    return ok;
}

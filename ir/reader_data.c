// Data of constants in IR text: dense, splat, seed, blob.
//
// A text of a few bytes can ask for any amount of memory. Extents are bounded by the type, the
// constants that are made of nothing (splat, seed) by a budget for the whole module, blobs by their
// file; splat and seed are carried out only when the rest of the text is known to be good.
#include <string.h>

#include "io.h"
#include "ir_reader.h"

enum { FILES_MAX = 64 };
#define FILL_BYTES_MAX (UINT64_C(1) << 30)

struct reader_pending {
    struct reader_pending *next; // the one before
    struct ir_op *op;
    struct tensor *data;
    struct reader_num value;
    bool seed;
};
struct reader_file {
    struct reader_file *next;
    const char *name;
    const uint8_t *data;
    size_t size;
};

static struct tensor *header_only(struct ir_reader *r, const struct ir_type *type)
{
    struct tensor *t = ARENA_NEW(r->arena, struct tensor);
    t->dtype = type->dtype;
    t->rank = type->rank;
    memcpy(t->dim, type->dim, sizeof t->dim);
    return t;
}

static const char *type_text(struct ir_reader *r, const struct tensor *t)
{
    return tensor_type_text(t->dtype, t->dim, t->rank, r->scratch);
}

// ---- dense -------------------------------------------------------------------------------------

static bool put_item(struct ir_reader *r, struct tensor *t, int64_t i,
                     const struct reader_item *item)
{
    if (t->dtype == DT_STR) {
        if (item->kind == READER_STR)
            ((const char **)t->data)[i] = arena_strdup(r->arena, item->text.s);
        return item->kind == READER_STR;
    }
    if (item->kind != READER_NUM)
        return false;
    if (item->num.is_int && !dtype_is_float(t->dtype))
        return ir_put_int(t, i, item->num.negative, item->num.magnitude);
    return ir_put_double(t, i, item->num.f);
}

static bool read_dense(struct ir_reader *r, struct ir_op *op, const struct ir_type *type,
                       struct reader_pos at)
{
    int64_t n = ir_type_elems(type);
    bool is_complex = dtype_info[type->dtype].kind == DTK_C;
    if (r->data_count != (size_t)n * (is_complex ? 2 : 1))
        return reader_error(r, at, DIAG_IR_DATA, "dense has %zu numbers, %s needs %lld",
                            r->data_count, ir_type_text(type, r->scratch),
                            (long long)n * (is_complex ? 2 : 1));
    struct tensor *t = tensor_create(r->arena, type->dtype, type->dim, type->rank);
    struct tensor parts = *t; // complex numbers are pairs of floats
    if (is_complex)
        parts.dtype = type->dtype == DT_C64 ? DT_F32 : DT_F64;
    for (size_t i = 0; i < r->data_count; i++) {
        const struct reader_item *item = &r->items[r->data_first + i];
        if (!put_item(r, &parts, (int64_t)i, item))
            return reader_error(r, item->kind == READER_NUM ? item->num.pos : item->text.pos,
                                DIAG_IR_DATA, "element %zu is not a value of type %s", i,
                                dtype_text(type->dtype));
    }
    op->data = t;
    return true;
}

// ---- splat and seed ----------------------------------------------------------------------------

static bool read_fill(struct ir_reader *r, struct ir_op *op, const struct ir_type *type,
                      struct reader_pos at)
{
    bool seed = strcmp(r->data_word.s, "seed") == 0;
    const struct reader_item *item = &r->items[r->data_first];
    if (r->data_count != 1 || item->kind != READER_NUM ||
        (seed && (!item->num.is_int || item->num.negative)))
        return reader_error(r, at, DIAG_IR_DATA, "%s takes one number", r->data_word.s);
    if (dtype_is_reference(type->dtype) || dtype_info[type->dtype].kind == DTK_C)
        return reader_error(r, at, DIAG_IR_DATA, "%s does not make elements of %s", r->data_word.s,
                            dtype_text(type->dtype));
    r->filled_bytes +=
        ir_type_bytes(type); // of at most 2^44 bytes each: no overflow before the bound
    if (r->filled_bytes > FILL_BYTES_MAX)
        return reader_error(r, at, DIAG_LIMIT,
                            "splat and seed constants take more than %llu bytes together",
                            (unsigned long long)FILL_BYTES_MAX);
    struct tensor *t = header_only(r, type), one = {.dtype = type->dtype, .data = &(uint64_t){0}};
    if (!seed && !put_item(r, &one, 0, item))
        return reader_error(r, item->num.pos, DIAG_IR_DATA, "the number is not a value of type %s",
                            dtype_text(type->dtype));
    struct reader_pending *p = ARENA_NEW(r->scratch, struct reader_pending);
    *p = (struct reader_pending){
        .next = r->pending, .op = op, .data = t, .value = item->num, .seed = seed};
    r->pending = p;
    op->data = t;
    return true;
}

static void fill_splat(struct tensor *t, const struct reader_item *item, struct ir_reader *r)
{
    size_t bytes = tensor_bytes(t), unit = dtype_bytes(t->dtype);
    t->data = bytes ? arena_alloc(r->arena, bytes) : NULL;
    if (bytes == 0)
        return;
    put_item(r, t, 0, item);
    for (size_t done = unit; done < bytes; done *= 2)
        memcpy((char *)t->data + done, t->data, done < bytes - done ? done : bytes - done);
}

bool reader_fill_pending(struct ir_reader *r)
{
    for (struct reader_pending *p = r->pending; p; p = p->next) {
        struct tensor *t = p->data;
        if (p->seed)
            t->data = tensor_random(r->arena, t->dtype, t->dim, t->rank, p->value.magnitude)->data;
        else
            fill_splat(t, &(struct reader_item){.kind = READER_NUM, .num = p->value}, r);
    }
    return true;
}

// ---- blob --------------------------------------------------------------------------------------

static struct reader_file *open_blob_file(struct ir_reader *r, const char *name,
                                          struct reader_pos at)
{
    int count = 0;
    for (struct reader_file *f = r->files; f; f = f->next, count++)
        if (strcmp(f->name, name) == 0)
            return f;
    struct io_map map = {0};
    if (name[0] == '\0' || name[0] == '.' || strchr(name, '/')) {
        reader_error(r, at, DIAG_IR_DATA, "'%s' is not the name of a file beside the text", name);
        return NULL;
    }
    if (count >= FILES_MAX) {
        reader_error(r, at, DIAG_LIMIT, "more than %d blob files", FILES_MAX);
        return NULL;
    }
    const char *slash = strrchr(r->name, '/');
    int dir = slash ? (int)(slash - r->name) + 1 : 0;
    const char *path = arena_printf(r->scratch, "%.*s%s", dir, r->name, name);
    if (!io_map_file(&map, path, 0, r->diag))
        r->failed = true; // the file is remembered as empty, and reported once
    else if (map.handle)
        arena_adopt_mapping(r->arena, map.handle, map.size);
    struct reader_file *f = ARENA_NEW(r->scratch, struct reader_file);
    *f = (struct reader_file){
        .next = r->files, .name = arena_strdup(r->arena, name), .data = map.data, .size = map.size};
    r->files = f;
    return f;
}

// The bytes, or NULL: reported.
static const void *blob_bytes(struct ir_reader *r, const struct tensor *t, const char *name,
                              uint64_t offset, struct reader_pos at)
{
    size_t bytes = tensor_bytes(t);
    const void *data = r->blobs ? ir_blobs_at(r->blobs, offset, bytes) : NULL;
    if (data)
        return data;
    struct reader_file *f = open_blob_file(r, name, at);
    if (!f || !f->data)
        return NULL;
    if (offset > f->size || f->size - offset < bytes) {
        reader_error(r, at, DIAG_IR_DATA, "%s needs %zu bytes from %llu on, '%s' has %zu",
                     type_text(r, t), bytes, (unsigned long long)offset, name, f->size);
        return NULL;
    }
    if (offset % dtype_bytes(t->dtype) != 0) {
        reader_error(r, at, DIAG_IR_DATA,
                     "offset %llu is no multiple of the %zu bytes of an element",
                     (unsigned long long)offset, dtype_bytes(t->dtype));
        return NULL;
    }
    return f->data + offset;
}

static bool read_blob(struct ir_reader *r, struct ir_op *op, const struct ir_type *type,
                      struct reader_pos at)
{
    const struct reader_item *args = &r->items[r->data_first];
    if (r->data_count != 3 || args[0].kind != READER_STR || args[1].kind != READER_NUM ||
        !args[1].num.is_int || args[1].num.negative || args[2].kind != READER_NUM ||
        !args[2].num.is_int || args[2].num.negative || args[2].num.magnitude > UINT32_MAX)
        return reader_error(r, at, DIAG_IR_DATA, "a blob is (\"file\", offset, crc)");
    if (dtype_is_reference(type->dtype))
        return reader_error(r, at, DIAG_IR_DATA, "strings and lists do not come from a blob");
    struct tensor *t = header_only(r, type);
    const void *bytes = blob_bytes(r, t, args[0].text.s, args[1].num.magnitude, at);
    if (!bytes) {
        r->failed = true;
        return false;
    }
    uint32_t crc = io_crc32(bytes, tensor_bytes(t));
    if (crc != args[2].num.magnitude)
        return reader_error(r, at, DIAG_IR_DATA,
                            "the data in '%s' at %llu is damaged: crc 0x%x, not 0x%x",
                            args[0].text.s, (unsigned long long)args[1].num.magnitude,
                            (unsigned)crc, (unsigned)args[2].num.magnitude);
    // A mapping is read-only; nobody writes to the data of a constant.
    memcpy(&t->data, &bytes, sizeof bytes);
    op->data = t;
    struct ir_blob_ref *ref = ARENA_NEW(r->arena, struct ir_blob_ref);
    *ref = (struct ir_blob_ref){.data = t,
                                .file = arena_strdup(r->arena, args[0].text.s),
                                .offset = args[1].num.magnitude,
                                .crc = crc};
    op->blob = ref;
    return true;
}

bool reader_const_data(struct ir_reader *r, struct ir_op *op, const struct ir_type *type,
                       struct reader_pos at)
{
    const char *word = r->data_word.s;
    if (r->data_form == READER_DATA_LIST && strcmp(word, "dense") == 0)
        return read_dense(r, op, type, at);
    if (r->data_form == READER_DATA_CALL &&
        (strcmp(word, "splat") == 0 || strcmp(word, "seed") == 0))
        return read_fill(r, op, type, at);
    if (r->data_form == READER_DATA_CALL && strcmp(word, "blob") == 0)
        return read_blob(r, op, type, at);
    if (r->data_form == READER_DATA_WORD && strcmp(word, "external") == 0)
        return reader_error(r, at, DIAG_IR_DATA,
                            "the data of this constant was not printed with the text");
    return reader_error(r, r->data_word.pos, DIAG_IR_DATA,
                        "data is dense[..], splat(v), seed(n) or blob(\"file\", offset, crc)");
}

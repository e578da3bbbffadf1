// Records of the .bitlet sections. Reading bounds every count by the bytes that are left before it
// allocates.
#include "image_meta.h"

#include <inttypes.h>

// ---- Writing
// ---------------------------------------------------------------------------------------

struct writer {
    struct arena *arena;
    uint8_t *data;
    size_t size, cap;
};

static void put_bytes(struct writer *w, const void *bytes, size_t len)
{
    if (w->cap - w->size < len)
        w->data = arena_grow(w->arena, w->data, w->size, w->size + len, 1, &w->cap);
    if (len)
        memcpy(w->data + w->size, bytes, len);
    w->size += len;
}

static void put_u8(struct writer *w, unsigned v)
{
    uint8_t b = (uint8_t)v;
    put_bytes(w, &b, 1);
}

static void put_u32(struct writer *w, uint32_t v)
{
    uint8_t b[4];
    io_put32(b, v);
    put_bytes(w, b, sizeof b);
}

static void put_u64(struct writer *w, uint64_t v)
{
    uint8_t b[8];
    io_put64(b, v);
    put_bytes(w, b, sizeof b);
}

static void put_string(struct writer *w, const char *s)
{
    size_t len = s ? strlen(s) : 0;
    put_u32(w, (uint32_t)len);
    put_bytes(w, s, len);
}

static void put_io(struct writer *w, const struct image_io *io)
{
    put_string(w, io->name);
    put_u8(w, io->dtype);
    put_u8(w, (unsigned)io->rank);
    for (int i = 0; i < io->rank; i++) {
        put_u64(w, (uint64_t)io->dim[i]);
        put_u64(w, io->extent[i]);
    }
    put_u64(w, io->addr);
}

static void encode_io(struct writer *w, const struct image *img)
{
    put_u32(w, (uint32_t)img->num_inputs);
    put_u32(w, (uint32_t)img->num_outputs);
    for (size_t i = 0; i < img->num_inputs; i++)
        put_io(w, &img->inputs[i]);
    for (size_t i = 0; i < img->num_outputs; i++)
        put_io(w, &img->outputs[i]);
}

static void encode_loc(struct writer *w, const struct image *img)
{
    put_u32(w, (uint32_t)img->num_layers);
    put_u32(w, (uint32_t)img->num_locs);
    for (size_t i = 0; i < img->num_layers; i++) {
        const struct image_layer *l = &img->layers[i];
        put_u32(w, (uint32_t)l->node_index);
        put_string(w, l->ir_op);
        put_string(w, l->ir_value);
        put_string(w, l->node_name);
        put_string(w, l->op_type);
    }
    for (size_t i = 0; i < img->num_locs; i++) {
        put_u64(w, img->locs[i].pc);
        put_u32(w, img->locs[i].layer);
    }
}

static void encode_machine(struct writer *w, const struct image *img)
{
    const char *json = machine_json(&img->machine, w->arena);
    put_u32(w, IMAGE_VERSION);
    put_u64(w, img->heap_bytes);
    put_string(w, json);
}

static void encode_host(struct writer *w, const struct image *img)
{
    put_u32(w, (uint32_t)img->num_host);
    for (size_t i = 0; i < img->num_host; i++)
        put_string(w, img->host[i]);
}

static void encode_time(struct writer *w, const struct image *img)
{
    const struct image_prediction *p = &img->time;
    put_u32(w, (uint32_t)p->num_layers);
    if (p->num_layers == 0)
        return;
    put_string(w, p->timing);
    put_u64(w, (uint64_t)p->cycles);
    for (size_t i = 0; i < p->num_layers; i++) {
        put_u64(w, (uint64_t)p->layers[i].first);
        put_u64(w, (uint64_t)p->layers[i].last);
        put_u64(w, (uint64_t)p->layers[i].array);
        put_u32(w, p->layers[i].effects);
    }
}

struct image_bytes image_meta_encode(enum image_meta which, const struct image *img,
                                     struct arena *a)
{
    static void (*const ENCODE[IMAGE_META_NUM])(struct writer *, const struct image *) = {
        [IMAGE_META_IO] = encode_io,           [IMAGE_META_LOC] = encode_loc,
        [IMAGE_META_MACHINE] = encode_machine, [IMAGE_META_HOST] = encode_host,
        [IMAGE_META_TIME] = encode_time,
    };
    struct writer w = {.arena = a};
    ENCODE[which](&w, img);
    return (struct image_bytes){w.data, w.size};
}

// ---- Reading
// ---------------------------------------------------------------------------------------

struct reader {
    const uint8_t *at;
    size_t left;
    const char *section, *path;
    struct arena *arena;
    struct diag *diag;
    bool ok;
};

static void complain(struct reader *r, const char *what)
{
    if (r->ok)
        r->ok = diag_report(r->diag, diag_file(r->diag, r->path), DIAG_IMAGE_FORMAT,
                            "section %s: %s", r->section, what);
}

// NULL past the end; the rest is then skipped, so that every later read fails, too.
static const uint8_t *take(struct reader *r, size_t len)
{
    if (!r->ok || r->left < len) {
        complain(r, "a record runs past the section's end");
        return NULL;
    }
    const uint8_t *at = r->at;
    r->at += len;
    r->left -= len;
    return at;
}

static unsigned take_u8(struct reader *r)
{
    const uint8_t *p = take(r, 1);
    return p ? *p : 0;
}

static uint32_t take_u32(struct reader *r)
{
    const uint8_t *p = take(r, 4);
    return p ? io_get32(p) : 0;
}

static uint64_t take_u64(struct reader *r)
{
    const uint8_t *p = take(r, 8);
    return p ? io_get64(p) : 0;
}

static const char *take_string(struct reader *r)
{
    uint32_t len = take_u32(r);
    const uint8_t *p = take(r, len);
    if (!p)
        return "";
    if (memchr(p, 0, len)) {
        complain(r, "a string holds a NUL");
        return "";
    }
    return arena_strndup(r->arena, (const char *)p, len);
}

// A count of records of at least min_bytes each; 0 when they cannot all be there.
static size_t take_count(struct reader *r, size_t min_bytes)
{
    uint32_t n = take_u32(r);
    if (n > r->left / min_bytes) {
        complain(r, "a count is larger than the section");
        return 0;
    }
    return n;
}

static void take_io(struct reader *r, struct image_io *io)
{
    io->name = take_string(r);
    unsigned type = take_u8(r), rank = take_u8(r);
    if (type >= DT_NUM || rank > BITLET_MAX_RANK) {
        complain(r, "an element type or rank that does not exist");
        return;
    }
    io->dtype = (enum dtype)type;
    io->rank = (int)rank;
    for (int i = 0; i < io->rank; i++) {
        io->dim[i] = (int64_t)take_u64(r);
        io->extent[i] = take_u64(r);
    }
    io->addr = take_u64(r);
}

static void decode_io(struct reader *r, struct image *img)
{
    enum { MIN_BYTES = 4 + 1 + 1 + 8 };
    img->num_inputs = take_count(r, MIN_BYTES);
    img->num_outputs = take_count(r, MIN_BYTES);
    img->inputs = ARENA_ARRAY(r->arena, img->num_inputs, struct image_io);
    img->outputs = ARENA_ARRAY(r->arena, img->num_outputs, struct image_io);
    for (size_t i = 0; i < img->num_inputs && r->ok; i++)
        take_io(r, &img->inputs[i]);
    for (size_t i = 0; i < img->num_outputs && r->ok; i++)
        take_io(r, &img->outputs[i]);
}

static void take_layer(struct reader *r, struct image_layer *l)
{
    l->node_index = (int32_t)take_u32(r);
    l->ir_op = take_string(r);
    l->ir_value = take_string(r);
    l->node_name = take_string(r);
    l->op_type = take_string(r);
    if (l->node_index < -1)
        complain(r, "a node index below -1");
}

static void decode_loc(struct reader *r, struct image *img)
{
    img->num_layers = take_count(r, 5 * 4);
    img->num_locs = take_count(r, 8 + 4);
    img->layers = ARENA_ARRAY(r->arena, img->num_layers, struct image_layer);
    img->locs = ARENA_ARRAY(r->arena, img->num_locs, struct image_loc);
    for (size_t i = 0; i < img->num_layers && r->ok; i++)
        take_layer(r, &img->layers[i]);
    for (size_t i = 0; i < img->num_locs && r->ok; i++) {
        img->locs[i].pc = take_u64(r);
        img->locs[i].layer = take_u32(r);
    }
}

static void decode_machine(struct reader *r, struct image *img)
{
    uint32_t version = take_u32(r);
    img->heap_bytes = take_u64(r);
    const char *json = take_string(r);
    if (r->ok && version != IMAGE_VERSION)
        r->ok = diag_report(r->diag, diag_file(r->diag, r->path), DIAG_IMAGE_VERSION,
                            "format version %" PRIu32 "; this tool reads version %d", version,
                            IMAGE_VERSION);
    if (r->ok)
        r->ok = machine_parse(json, strlen(json), r->path, &img->machine, r->arena, r->diag);
}

static void decode_host(struct reader *r, struct image *img)
{
    img->num_host = take_count(r, 4);
    img->host = ARENA_ARRAY(r->arena, img->num_host, const char *);
    for (size_t i = 0; i < img->num_host && r->ok; i++)
        img->host[i] = take_string(r);
}

static void decode_time(struct reader *r, struct image *img)
{
    struct image_prediction *p = &img->time;
    p->num_layers = take_count(r, 3 * 8 + 4);
    if (p->num_layers == 0)
        return;
    p->timing = take_string(r);
    p->cycles = (int64_t)take_u64(r);
    p->layers = ARENA_ARRAY(r->arena, p->num_layers, struct image_time);
    for (size_t i = 0; i < p->num_layers && r->ok; i++) {
        struct image_time *t = &p->layers[i];
        t->first = (int64_t)take_u64(r);
        t->last = (int64_t)take_u64(r);
        t->array = (int64_t)take_u64(r);
        t->effects = take_u32(r);
    }
}

bool image_meta_decode(enum image_meta which, struct image_bytes b, const char *path,
                       struct image *img, struct arena *a, struct diag *d)
{
    static const struct {
        const char *section;
        void (*decode)(struct reader *, struct image *);
    } DECODE[IMAGE_META_NUM] = {
        [IMAGE_META_IO] = {".bitlet.io", decode_io},
        [IMAGE_META_LOC] = {".bitlet.loc", decode_loc},
        [IMAGE_META_MACHINE] = {".bitlet.machine", decode_machine},
        [IMAGE_META_HOST] = {".bitlet.host", decode_host},
        [IMAGE_META_TIME] = {".bitlet.time", decode_time},
    };
    struct reader r = {
        .at = b.data,
        .left = b.size,
        .section = DECODE[which].section,
        .path = path,
        .arena = a,
        .diag = d,
        .ok = true,
    };
    DECODE[which].decode(&r, img);
    if (r.left != 0)
        complain(&r, "bytes are left over behind the last record");
    return r.ok;
}

// ---- What must hold
// --------------------------------------------------------------------------------

static bool inside(uint64_t addr, uint64_t bytes, uint64_t base, uint64_t size)
{
    return addr >= base && bytes <= size && addr - base <= size - bytes;
}

static bool extent_inside(const struct image *img, uint64_t addr, bool is_input)
{
    return inside(addr, 8, IMAGE_HEAP_BASE, img->heap_bytes) ||
           (!is_input && inside(addr, 8, IMAGE_RODATA_BASE, img->rodata_bytes));
}

bool image_check_io(const struct image *img, const struct image_io *io, bool is_input,
                    enum diag_id id, loc_id loc, struct diag *d)
{
    const char *what = is_input ? "input" : "output";
    if (io->rank < 0 || io->rank > BITLET_MAX_RANK || io->dtype == DT_LANES)
        return diag_report(d, loc, id, "%s '%s': rank %d of %s is not possible", what, io->name,
                           io->rank, dtype_text(io->dtype));
    int64_t elems = dims_elems(io->dim, io->rank);
    uint64_t bytes = 0;
    if (elems < 0 || !io_mul_ok((uint64_t)elems, dtype_bytes(io->dtype), &bytes))
        return diag_report(d, loc, id,
                           "%s '%s': a negative dimension, or more elements than memory", what,
                           io->name);
    for (int i = 0; i < io->rank; i++)
        if (io->extent[i] &&
            (io->extent[i] % 8 != 0 || !extent_inside(img, io->extent[i], is_input)))
            return diag_report(d, loc, id, "%s '%s': extent %d at 0x%" PRIx64 " is not in memory",
                               what, io->name, i, io->extent[i]);
    if (inside(io->addr, bytes, IMAGE_HEAP_BASE, img->heap_bytes) ||
        (!is_input && inside(io->addr, bytes, IMAGE_RODATA_BASE, img->rodata_bytes)))
        return true;
    return diag_report(d, loc, id,
                       "%s '%s': %" PRIu64 " bytes at 0x%" PRIx64
                       " do not lie in the heap, %" PRIu64 " bytes at 0x%llx",
                       what, io->name, bytes, io->addr, img->heap_bytes, IMAGE_HEAP_BASE);
}

static bool check_locs(const struct image *img, enum diag_id id, loc_id loc, struct diag *d)
{
    for (size_t i = 0; i < img->num_locs; i++) {
        const struct image_loc *l = &img->locs[i];
        if (l->pc % ISA_WORD_BYTES != 0 || l->pc >= img->text_bytes ||
            (i > 0 && l->pc <= img->locs[i - 1].pc))
            return diag_report(d, loc, id,
                               "location %zu: pc 0x%" PRIx64
                               " is outside .text, not an instruction's, or out of order",
                               i, l->pc);
        if (l->layer >= img->num_layers)
            return diag_report(d, loc, id, "location at pc 0x%" PRIx64 ": layer %" PRIu32 " of %zu",
                               l->pc, l->layer, img->num_layers);
    }
    return true;
}

static bool check_time(const struct image *img, enum diag_id id, loc_id loc, struct diag *d)
{
    const struct image_prediction *p = &img->time;
    if (p->num_layers == 0)
        return true;
    if (p->num_layers != img->num_layers + 1)
        return diag_report(d, loc, id,
                           "%zu layers have a predicted time; it takes %zu, the last for what "
                           "belongs to none",
                           p->num_layers, img->num_layers + 1);
    for (size_t i = 0; i < p->num_layers; i++) {
        const struct image_time *t = &p->layers[i];
        if (t->first < 0 || t->first > t->last || t->last > p->cycles || t->array < 0 ||
            t->array > p->cycles || t->effects >> IMAGE_EFFECT_NUM != 0)
            return diag_report(d, loc, id, "the predicted time of layer %zu is not possible", i);
    }
    return true;
}

bool image_check_layout(const struct image *img, enum diag_id id, loc_id loc, struct diag *d)
{
    if (img->text_bytes % ISA_WORD_BYTES != 0)
        return diag_report(d, loc, id, ".text has %zu bytes; an instruction has %d",
                           img->text_bytes, ISA_WORD_BYTES);
    if (img->text_bytes > IMAGE_SECTION_MAX || img->rodata_bytes > IMAGE_SECTION_MAX ||
        img->lanes_bytes > IMAGE_SECTION_MAX)
        return diag_report(d, loc, DIAG_LIMIT, "a section is larger than %llu bytes",
                           IMAGE_SECTION_MAX);
    if (img->heap_bytes > (uint64_t)img->machine.dram_bytes)
        return diag_report(d, loc, DIAG_MACHINE_LACKS,
                           "the heap takes %" PRIu64 " bytes; machine %s has %" PRId64
                           " bytes of DRAM",
                           img->heap_bytes, img->machine.name, img->machine.dram_bytes);
    return check_locs(img, id, loc, d) && check_time(img, id, loc, d);
}

const char *const image_effect_text[IMAGE_EFFECT_NUM] = {
#define IMAGE_EFFECT(NAME, text, doc) [IMAGE_EFFECT_##NAME] = text,
#include "effect.def"
};

const char *image_effects_text(uint32_t effects, struct arena *a)
{
    const char *text = "";
    for (int e = 0; e < IMAGE_EFFECT_NUM; e++)
        if (effects >> e & 1)
            text = arena_printf(a, "%s%s%s", text, text[0] ? ", " : "", image_effect_text[e]);
    return text;
}

// Whether pc lies behind `past` locs and before the rest.
static bool lies_behind(const struct image *img, uint64_t pc, size_t past)
{
    return past <= img->num_locs && (past == 0 || img->locs[past - 1].pc <= pc) &&
           (past == img->num_locs || img->locs[past].pc > pc);
}

int image_layer_at(const struct image *img, uint64_t pc, size_t *near)
{
    size_t lo = 0, hi = img->num_locs; // the first loc past pc
    if (near && lies_behind(img, pc, *near))
        lo = hi = *near;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (img->locs[mid].pc <= pc)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (near)
        *near = lo;
    return lo == 0 ? -1 : (int)img->locs[lo - 1].layer;
}

// The text stands in comments and on terminals: control characters of names are blanked.
const char *image_layer_text(const struct image *img, uint32_t layer, struct arena *a)
{
    const struct image_layer *l = &img->layers[layer];
    char *text = arena_printf(a, "layer %" PRIu32 ": %s %%%s", layer, l->ir_op, l->ir_value);
    if (l->node_index >= 0)
        text = arena_printf(a, "%s  node %" PRId32 " '%s' (%s)", text, l->node_index, l->node_name,
                            l->op_type);
    for (char *s = text; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = '?';
    return text;
}

// NumPy's .npy: a magic number, a header that is the text of a Python dictionary, and the elements.
#include "tensor_npy.h"

#include <ctype.h>

#include "io.h"

static const uint8_t MAGIC[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

// 'U' (UCS-4) and 'S' (bytes) carry a width and are treated apart.
static const struct npy_type {
    const char *code; // without the byte order
    enum dtype dtype;
} npy_types[] = {
    {"f4", DT_F32}, {"f8", DT_F64},  {"f2", DT_F16}, {"i1", DT_I8},    {"i2", DT_I16},
    {"i4", DT_I32}, {"i8", DT_I64},  {"u1", DT_U8},  {"u2", DT_U16},   {"u4", DT_U32},
    {"u8", DT_U64}, {"b1", DT_BOOL}, {"c8", DT_C64}, {"c16", DT_C128},
};
enum { NPY_TYPES = sizeof npy_types / sizeof npy_types[0] };

struct npy_header {
    char order; // '<', '>', '|' or '='
    char text;  // 'U', 'S', or 0 for numbers
    size_t chars;
    enum dtype dtype;
    bool fortran;
    int rank;
    int64_t dim[BITLET_MAX_RANK];
    bool has_descr, has_fortran, has_shape;
};

// ---- The header's text
// -----------------------------------------------------------------------------

struct scanner {
    const char *at, *end;
    const char *why; // the first thing wrong, NULL so far
};

static bool fail(struct scanner *s, const char *why)
{
    if (!s->why)
        s->why = why;
    return false;
}

static void skip_space(struct scanner *s)
{
    while (s->at < s->end && isspace((unsigned char)*s->at))
        s->at++;
}

static bool accept(struct scanner *s, char c)
{
    skip_space(s);
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static bool accept_word(struct scanner *s, const char *word)
{
    skip_space(s);
    size_t len = strlen(word);
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
        return false;
    s->at += len;
    return true;
}

// A string without escapes, of at most size - 1 characters.
static bool scan_string(struct scanner *s, char *out, size_t size)
{
    skip_space(s);
    char quote = s->at < s->end ? *s->at : 0;
    if (quote != '\'' && quote != '"')
        return fail(s, "a string was expected in its header");
    size_t len = 0;
    for (s->at++; s->at < s->end && *s->at != quote; s->at++) {
        if (len + 1 >= size || *s->at == '\\')
            return fail(s, "a string in its header is too long");
        out[len++] = *s->at;
    }
    out[len] = '\0';
    return accept(s, quote) || fail(s, "a string in its header has no end");
}

static bool scan_dim(struct scanner *s, int64_t *out)
{
    skip_space(s);
    int64_t v = 0;
    const char *start = s->at;
    for (; s->at < s->end && isdigit((unsigned char)*s->at); s->at++) {
        if (v > (INT64_MAX - 9) / 10)
            return fail(s, "a dimension is too large");
        v = v * 10 + (*s->at - '0');
    }
    *out = v;
    accept(s, 'L'); // Python 2 wrote long integers so
    return s->at > start || fail(s, "a dimension is no number");
}

static bool scan_shape(struct scanner *s, struct npy_header *h)
{
    if (!accept(s, '('))
        return fail(s, "its shape is no tuple");
    while (!accept(s, ')')) {
        if (h->rank == BITLET_MAX_RANK)
            return fail(s, "it has too many dimensions");
        if (!scan_dim(s, &h->dim[h->rank]))
            return false;
        h->rank++;
        if (accept(s, ','))
            continue;
        return accept(s, ')') || fail(s, "its shape is malformed");
    }
    return true;
}

static bool scan_width(struct npy_header *h, const char *digits)
{
    h->chars = 0;
    for (; isdigit((unsigned char)*digits) && h->chars < 1000000000; digits++)
        h->chars = h->chars * 10 + (size_t)(*digits - '0');
    return *digits == '\0' && h->chars > 0;
}

static bool scan_descr(struct scanner *s, struct npy_header *h)
{
    char descr[24];
    if (!scan_string(s, descr, sizeof descr))
        return false;
    h->order = descr[0];
    if (!strchr("<>|=", descr[0]) || descr[0] == '\0')
        return fail(s, "its element type has no byte order");
    if (descr[1] == 'U' || descr[1] == 'S') {
        h->text = descr[1];
        h->dtype = DT_STR;
        return scan_width(h, descr + 2) || fail(s, "its strings have no width");
    }
    for (int i = 0; i < NPY_TYPES; i++)
        if (strcmp(npy_types[i].code, descr + 1) == 0) {
            h->dtype = npy_types[i].dtype;
            return true;
        }
    return fail(s, "its element type has no counterpart here");
}

static bool scan_entry(struct scanner *s, struct npy_header *h)
{
    char key[24];
    if (!scan_string(s, key, sizeof key))
        return false;
    if (!accept(s, ':'))
        return fail(s, "its header is malformed");
    if (strcmp(key, "descr") == 0 && !h->has_descr)
        return h->has_descr = scan_descr(s, h);
    if (strcmp(key, "shape") == 0 && !h->has_shape)
        return h->has_shape = scan_shape(s, h);
    if (strcmp(key, "fortran_order") == 0 && !h->has_fortran) {
        h->has_fortran = true;
        h->fortran = accept_word(s, "True");
        return h->fortran || accept_word(s, "False") ||
               fail(s, "its fortran_order is neither True nor False");
    }
    return fail(s, "its header has an unknown or repeated key");
}

static bool scan_header(struct scanner *s, struct npy_header *h)
{
    if (!accept(s, '{'))
        return fail(s, "its header is no dictionary");
    while (!accept(s, '}')) {
        if (!scan_entry(s, h))
            return false;
        if (accept(s, ','))
            continue;
        if (accept(s, '}'))
            break;
        return fail(s, "its header is malformed");
    }
    return (h->has_descr && h->has_fortran && h->has_shape) ||
           fail(s, "its header lacks descr, fortran_order or shape");
}

// ---- The elements
// ----------------------------------------------------------------------------------

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t lead[4] = {0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(lead[more] | c >> (6 * more));
    for (int i = 1; i <= more; i++)
        out[i] = (char)(0x80 | (c >> (6 * (more - i)) & 0x3f));
    return (size_t)more + 1;
}

static uint32_t code_point(const uint8_t *p, bool big)
{
    uint32_t c = io_get32(p);
    if (big)
        c = c >> 24 | (c >> 8 & 0xff00) | (c << 8 & 0xff0000) | c << 24;
    return c > 0x10ffff ? 0xfffd : c;
}

static const char *ucs4_string(const uint8_t *p, const struct npy_header *h, struct arena *a)
{
    bool big = h->order == '>';
    size_t n = h->chars;
    while (n > 0 && io_get32(p + 4 * (n - 1)) == 0)
        n--;
    char *text = arena_alloc(a, n * 4 + 1);
    size_t at = 0;
    for (size_t i = 0; i < n; i++)
        at += put_utf8(text + at, code_point(p + 4 * i, big));
    return text;
}

static void swap_words(uint8_t *p, size_t bytes, size_t word)
{
    for (size_t at = 0; at + word <= bytes; at += word)
        for (size_t i = 0; i < word / 2; i++) {
            uint8_t low = p[at + i];
            p[at + i] = p[at + word - 1 - i];
            p[at + word - 1 - i] = low;
        }
}

// Copies from column-major to row-major order: walks the target in order and keeps the source's
// index by odometer.
static void transpose(uint8_t *to, const uint8_t *from, const struct npy_header *h, int64_t n,
                      size_t size)
{
    int64_t stride[BITLET_MAX_RANK], index[BITLET_MAX_RANK] = {0}, step = 1, at = 0;
    for (int i = 0; i < h->rank; i++) {
        stride[i] = step;
        step *= h->dim[i];
    }
    for (int64_t k = 0; k < n; k++) {
        memcpy(to + (size_t)k * size, from + (size_t)at * size, size);
        for (int i = h->rank - 1; i >= 0; i--) {
            at += stride[i];
            if (++index[i] < h->dim[i])
                break;
            at -= stride[i] * h->dim[i];
            index[i] = 0;
        }
    }
}

static struct tensor *take_numbers(const struct npy_header *h, const uint8_t *bytes, int64_t n,
                                   struct arena *a)
{
    struct tensor *t = tensor_create(a, h->dtype, h->dim, h->rank);
    size_t size = dtype_bytes(h->dtype);
    if (n == 0)
        return t;
    if (h->fortran)
        transpose(t->data, bytes, h, n, size);
    else
        memcpy(t->data, bytes, (size_t)n * size);
    if (h->order == '>')
        swap_words(t->data, (size_t)n * size, dtype_info[h->dtype].kind == DTK_C ? size / 2 : size);
    uint8_t *flags = t->data;
    for (int64_t i = 0; h->dtype == DT_BOOL && i < n; i++)
        flags[i] = flags[i] != 0;
    return t;
}

static struct tensor *take_strings(const struct npy_header *h, const uint8_t *bytes, int64_t n,
                                   struct arena *a)
{
    struct tensor *t = tensor_create(a, DT_STR, h->dim, h->rank);
    if (n == 0)
        return t;
    size_t width = h->text == 'U' ? h->chars * 4 : h->chars;
    const char **in_order = ARENA_ARRAY(a, (size_t)n, const char *);
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *p = bytes + (size_t)i * width;
        in_order[i] =
            h->text == 'U' ? ucs4_string(p, h, a) : arena_strndup(a, (const char *)p, width);
    }
    if (h->fortran)
        transpose(t->data, (const uint8_t *)in_order, h, n, sizeof *in_order);
    else
        memcpy(t->data, in_order, (size_t)n * sizeof *in_order);
    return t;
}

bool tensor_looks_like_npy(const uint8_t *bytes, size_t len)
{
    return len >= sizeof MAGIC && memcmp(bytes, MAGIC, sizeof MAGIC) == 0;
}

struct tensor *tensor_parse_npy(const uint8_t *bytes, size_t len, loc_id loc, struct arena *a,
                                struct diag *d)
{
    size_t at = len > 6 && bytes[6] > 1 ? 12 : 10;
    size_t header = len >= at ? (at == 10 ? io_get16(bytes + 8) : io_get32(bytes + 8)) : 0;
    if (!tensor_looks_like_npy(bytes, len) || len < at || bytes[6] < 1 || bytes[6] > 3 ||
        header > len - at) {
        diag_report(d, loc, DIAG_TENSOR_FORMAT, "not a whole .npy array");
        return NULL;
    }
    struct npy_header h = {0};
    struct scanner s = {.at = (const char *)bytes + at, .end = (const char *)bytes + at + header};
    if (!scan_header(&s, &h)) {
        diag_report(d, loc, DIAG_TENSOR_FORMAT, "malformed .npy array: %s", s.why);
        return NULL;
    }
    int64_t n = dims_elems(h.dim, h.rank);
    uint64_t size = h.text == 'U' ? h.chars * 4 : h.text == 'S' ? h.chars : dtype_bytes(h.dtype);
    uint64_t need, have = len - at - header;
    if (n < 0 || !io_mul_ok((uint64_t)n, size, &need) || need != have) {
        diag_report(d, loc, DIAG_TENSOR_FORMAT, "the array is %s and has %llu bytes of data",
                    tensor_type_text(h.dtype, h.dim, h.rank, a), (unsigned long long)have);
        return NULL;
    }
    const uint8_t *data = bytes + at + header;
    return h.text ? take_strings(&h, data, n, a) : take_numbers(&h, data, n, a);
}

// ---- Writing
// ---------------------------------------------------------------------------------------

// NumPy has no counterpart for some types; they are written as the narrowest one that holds their
// values.
static enum dtype npy_carrier(enum dtype t)
{
    switch (t) {
    case DT_I2:
    case DT_I4: return DT_I8;
    case DT_U2:
    case DT_U4: return DT_U8;
    case DT_LANES: return DT_U64;
    default: break;
    }
    return dtype_is_float(t) && t != DT_F64 && t != DT_F16 ? DT_F32 : t;
}

// Code points of a string; a byte that is no part of UTF-8 counts as one. Writes them when out is
// not NULL.
static size_t decode_utf8(const char *s, FILE *out)
{
    size_t n = 0;
    for (const uint8_t *p = (const uint8_t *)s; *p; n++) {
        int more = *p >= 0xf0 && *p < 0xf5   ? 3
                   : *p >= 0xe0 && *p < 0xf0 ? 2
                   : *p >= 0xc2 && *p < 0xe0 ? 1
                                             : 0;
        uint32_t c = more ? *p & (0x3fu >> more) : *p;
        int i = 1;
        for (; i <= more && (p[i] & 0xc0) == 0x80; i++)
            c = c << 6 | (p[i] & 0x3f);
        if (i <= more) {
            c = *p;
            i = 1;
        }
        if (out)
            fwrite(&c, 4, 1, out);
        p += i;
    }
    return n;
}

static size_t widest_string(const struct tensor *t)
{
    size_t width = 1;
    for (int64_t i = 0; i < tensor_elems(t); i++) {
        size_t n = decode_utf8(((const char *const *)t->data)[i], NULL);
        width = n > width ? n : width;
    }
    return width;
}

static void write_header(FILE *f, const struct tensor *t, const char *descr, struct arena *scratch)
{
    const char *shape = "";
    for (int i = 0; i < t->rank; i++)
        shape = arena_printf(scratch, "%s%lld%s", shape, (long long)t->dim[i],
                             t->rank == 1      ? ","
                             : i + 1 < t->rank ? ", "
                                               : "");
    char *text = arena_printf(scratch, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
                              descr, shape);
    // Magic, version, length, text and a line end fill a multiple of 64 bytes.
    size_t len = strlen(text), total = (10 + len + 1 + 63) / 64 * 64;
    uint8_t head[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
    io_put16(head + 8, (uint16_t)(total - 10));
    fwrite(head, 1, sizeof head, f);
    fprintf(f, "%s%*s\n", text, (int)(total - 11 - len), "");
}

static void write_strings(FILE *f, const struct tensor *t, size_t width)
{
    static const uint32_t zero = 0;
    for (int64_t i = 0; i < tensor_elems(t); i++)
        for (size_t n = decode_utf8(((const char *const *)t->data)[i], f); n < width; n++)
            fwrite(&zero, 4, 1, f);
}

static void write_elements(FILE *f, const struct tensor *t, enum dtype carrier)
{
    if (carrier == t->dtype || dtype_bytes(carrier) == dtype_bytes(t->dtype)) {
        if (t->data)
            fwrite(t->data, 1, tensor_bytes(t), f);
        return;
    }
    for (int64_t i = 0; i < tensor_elems(t); i++) {
        float v = (float)tensor_get_double(t, i);
        fwrite(&v, sizeof v, 1, f);
    }
}

static const char *code_of(enum dtype t)
{
    for (int i = 0; i < NPY_TYPES; i++)
        if (npy_types[i].dtype == t)
            return npy_types[i].code;
    bitlet_bug("no .npy type for %s", dtype_text(t));
}

bool tensor_write_npy(const char *path, const struct tensor *t, struct diag *d)
{
    struct arena *scratch = arena_create();
    struct io_out *o = io_create(path, scratch, d);
    if (o && t->dtype == DT_STR) {
        size_t width = widest_string(t);
        write_header(io_file(o), t, arena_printf(scratch, "<U%zu", width), scratch);
        write_strings(io_file(o), t, width);
    } else if (o) {
        enum dtype carrier = npy_carrier(t->dtype);
        const char *order = dtype_bytes(carrier) == 1 ? "|" : "<";
        write_header(io_file(o), t, arena_printf(scratch, "%s%s", order, code_of(carrier)),
                     scratch);
        write_elements(io_file(o), t, carrier);
    }
    bool ok = o && io_commit(o, d);
    arena_destroy(scratch);
    return ok;
}

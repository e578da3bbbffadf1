// ONNX's TensorProto, in and out.
//
// A payload lies in raw_data, in the field of its type, or in a file beside the model. Whatever a
// message says of its size is compared with what is there before anything is allocated, so that
// memory is bounded by the file.
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "proto_alloc.h"
#include "tensor.pb-c.h"
#include "tensor_list.h"
#include "tensor_npy.h"
#include "tensor_proto.h"

struct source {
    const Onnx__TensorProto *proto;
    const char *base_dir;
    bool borrow;
    loc_id loc;
    struct arena *arena;
    struct diag *diag;
};

__attribute__((format(printf, 2, 3))) static bool bad(const struct source *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = arena_vprintf(s->arena, fmt, ap);
    va_end(ap);
    const char *name = s->proto->name ? s->proto->name : "";
    return diag_report(s->diag, s->loc, DIAG_TENSOR_FORMAT, "tensor '%s': %s", name, text);
}

static const char *type_of(const struct source *s, const struct tensor *t)
{
    return tensor_type_text(t->dtype, t->dim, t->rank, s->arena);
}

// ---- Packed elements
// -------------------------------------------------------------------------------

// Bytes of n elements as ONNX stores them: those of fewer than 8 bits share bytes, the first in the
// low bits.
static uint64_t packed_bytes(enum dtype t, uint64_t n)
{
    unsigned bits = dtype_info[t].bits;
    if (t == DT_BOOL || bits >= 8)
        return n * dtype_bytes(t);
    unsigned per_byte = 8 / bits;
    return n / per_byte + (n % per_byte != 0);
}

static bool is_packed(enum dtype t)
{
    return t != DT_BOOL && dtype_info[t].bits < 8;
}

static void unpack_bits(struct tensor *t, const uint8_t *packed, int64_t n)
{
    unsigned bits = dtype_info[t->dtype].bits, per_byte = 8 / bits, top = 1u << (bits - 1);
    bool is_signed = dtype_info[t->dtype].kind == DTK_I;
    uint8_t *out = t->data;
    for (int64_t i = 0; i < n; i++) {
        unsigned byte = packed[i / per_byte];
        unsigned v = byte >> ((unsigned)(i % per_byte) * bits) & ((1u << bits) - 1);
        out[i] = (uint8_t)(is_signed ? (v ^ top) - top : v);
    }
}

static uint8_t *pack_bits(const struct tensor *t, int64_t n, struct arena *scratch)
{
    unsigned bits = dtype_info[t->dtype].bits, per_byte = 8 / bits;
    const uint8_t *in = t->data;
    uint8_t *packed = arena_alloc(scratch, packed_bytes(t->dtype, (uint64_t)n));
    for (int64_t i = 0; i < n; i++) {
        unsigned v = in[i] & ((1u << bits) - 1);
        packed[i / per_byte] =
            (uint8_t)(packed[i / per_byte] | v << ((unsigned)(i % per_byte) * bits));
    }
    return packed;
}

// ---- Payloads
// --------------------------------------------------------------------------------------

static void make_room(const struct source *s, struct tensor *t, int64_t n)
{
    size_t size = dtype_bytes(t->dtype);
    t->data = t->dtype == DT_STR || (size_t)n > PTRDIFF_MAX / size
                  ? arena_array(s->arena, (size_t)n, size)
                  : arena_alloc_data(s->arena, (size_t)n * size);
}

static bool has_odd_bool(const uint8_t *p, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (p[i] > 1)
            return true;
    return false;
}

// Little-endian elements as they lie in raw_data or in an external file; len is packed_bytes(). May
// keep the pointer.
static void take_bytes(const struct source *s, struct tensor *t, const uint8_t *bytes, int64_t n,
                       bool borrow)
{
    size_t size = dtype_bytes(t->dtype);
    bool odd = t->dtype == DT_BOOL && has_odd_bool(bytes, n);
    bool aligned = ((uintptr_t)bytes & ((size > 8 ? 8 : size) - 1)) == 0;
    if (borrow && aligned && !odd && !is_packed(t->dtype)) {
        t->data = (void *)(uintptr_t)bytes;
        return;
    }
    make_room(s, t, n);
    if (is_packed(t->dtype)) {
        unpack_bits(t, bytes, n);
        return;
    }
    memcpy(t->data, bytes, (size_t)n * size);
    uint8_t *flags = t->data;
    for (int64_t i = 0; odd && i < n; i++)
        flags[i] = flags[i] != 0;
}

static bool take_raw(const struct source *s, struct tensor *t, int64_t n)
{
    if (t->dtype == DT_STR)
        return bad(s, "strings cannot be in raw_data");
    uint64_t need = packed_bytes(t->dtype, (uint64_t)n);
    if (s->proto->raw_data.len != need)
        return bad(s, "%s takes %llu bytes, raw_data has %zu", type_of(s, t),
                   (unsigned long long)need, s->proto->raw_data.len);
    take_bytes(s, t, s->proto->raw_data.data, n, s->borrow);
    return true;
}

static bool right_count(const struct source *s, const struct tensor *t, const char *field,
                        uint64_t need, size_t have)
{
    return need == have || bad(s, "%s takes %llu elements of %s, there are %zu", type_of(s, t),
                               (unsigned long long)need, field, have);
}

// The smallest and largest int32 that stands for an element. Bit patterns may have been
// sign-extended.
static void int32_range(enum dtype t, int64_t *low, int64_t *high)
{
    unsigned bits = is_packed(t) ? 8 : dtype_info[t].bits;
    bool pattern = is_packed(t) || dtype_is_float(t);
    *low = dtype_info[t].kind == DTK_I || pattern ? -(INT64_C(1) << (bits - 1)) : 0;
    *high = dtype_info[t].kind == DTK_I && !pattern ? (INT64_C(1) << (bits - 1)) - 1
                                                    : (INT64_C(1) << bits) - 1;
}

static bool take_int32(const struct source *s, struct tensor *t, int64_t n)
{
    uint64_t count = is_packed(t->dtype) ? packed_bytes(t->dtype, (uint64_t)n) : (uint64_t)n;
    if (!right_count(s, t, "int32_data", count, s->proto->n_int32_data))
        return false;
    int64_t low, high;
    int32_range(t->dtype, &low, &high);
    size_t size = dtype_bytes(t->dtype);
    uint8_t *to = arena_array(s->arena, (size_t)count, size);
    for (uint64_t i = 0; i < count; i++) {
        int32_t v = s->proto->int32_data[i];
        if (v < low || v > high)
            return bad(s, "int32_data[%llu] is %d, which is no %s", (unsigned long long)i, v,
                       dtype_text(t->dtype));
        memcpy(to + i * size, &v, size);
    }
    t->data = to;
    if (is_packed(t->dtype)) {
        make_room(s, t, n);
        unpack_bits(t, to, n);
    }
    return true;
}

static bool take_uint64(const struct source *s, struct tensor *t, int64_t n)
{
    if (!right_count(s, t, "uint64_data", (uint64_t)n, s->proto->n_uint64_data))
        return false;
    make_room(s, t, n);
    for (int64_t i = 0; i < n; i++) {
        uint64_t v = s->proto->uint64_data[i];
        if (t->dtype == DT_U32 && v > UINT32_MAX)
            return bad(s, "uint64_data[%lld] is %llu, which is no u32", (long long)i,
                       (unsigned long long)v);
        if (t->dtype == DT_U32)
            ((uint32_t *)t->data)[i] = (uint32_t)v;
        else
            ((uint64_t *)t->data)[i] = v;
    }
    return true;
}

static bool take_strings(const struct source *s, struct tensor *t, int64_t n)
{
    if (!right_count(s, t, "string_data", (uint64_t)n, s->proto->n_string_data))
        return false;
    make_room(s, t, n);
    const char **out = t->data;
    for (int64_t i = 0; i < n; i++) {
        const ProtobufCBinaryData *b = &s->proto->string_data[i];
        if (b->len && memchr(b->data, 0, b->len))
            return bad(s, "string_data[%lld] holds a zero byte", (long long)i);
        out[i] = b->len ? arena_strndup(s->arena, (const char *)b->data, b->len) : "";
    }
    return true;
}

static bool take_array(const struct source *s, struct tensor *t, int64_t n, const char *field,
                       const void *values, size_t count, size_t per_elem)
{
    if (!right_count(s, t, field, (uint64_t)n * per_elem, count))
        return false;
    take_bytes(s, t, values, n, s->borrow);
    return true;
}

static bool take_typed(const struct source *s, struct tensor *t, int64_t n)
{
    const Onnx__TensorProto *p = s->proto;
    switch (t->dtype) {
    case DT_F32: return take_array(s, t, n, "float_data", p->float_data, p->n_float_data, 1);
    case DT_C64: return take_array(s, t, n, "float_data", p->float_data, p->n_float_data, 2);
    case DT_F64: return take_array(s, t, n, "double_data", p->double_data, p->n_double_data, 1);
    case DT_C128: return take_array(s, t, n, "double_data", p->double_data, p->n_double_data, 2);
    case DT_I64: return take_array(s, t, n, "int64_data", p->int64_data, p->n_int64_data, 1);
    case DT_U32:
    case DT_U64: return take_uint64(s, t, n);
    case DT_STR: return take_strings(s, t, n);
    default: return take_int32(s, t, n);
    }
}

// ---- External data
// ---------------------------------------------------------------------------------

enum {
    BORROW_MIN_BYTES = 64 * 1024
}; // smaller payloads are read: a mapping of their own costs more

__attribute__((format(printf, 2, 3))) static bool bad_external(const struct source *s,
                                                               const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = arena_vprintf(s->arena, fmt, ap);
    va_end(ap);
    const char *name = s->proto->name ? s->proto->name : "";
    return diag_report(s->diag, s->loc, DIAG_ONNX_EXTERNAL, "tensor '%s': %s", name, text);
}

struct external {
    const char *location;
    uint64_t offset, length;
    bool has_length;
};

static bool parse_size(const char *text, uint64_t *out)
{
    uint64_t v = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++)
        if (!io_mul_ok(v, 10, &v) || !io_add_ok(v, (uint64_t)(*p - '0'), &v))
            return false;
    *out = v;
    return p > text && *p == '\0' && v <= INT64_MAX;
}

static bool parse_external(const struct source *s, struct external *e)
{
    *e = (struct external){0};
    for (size_t i = 0; i < s->proto->n_external_data; i++) {
        const char *key = s->proto->external_data[i]->key,
                   *value = s->proto->external_data[i]->value;
        if (!key || !value)
            return bad_external(s, "external_data has an entry without key or value");
        if (strcmp(key, "location") == 0)
            e->location = value;
        else if (strcmp(key, "offset") == 0 && !parse_size(value, &e->offset))
            return bad_external(s, "external_data's offset '%s' is no number", value);
        else if (strcmp(key, "length") == 0 && !(e->has_length = parse_size(value, &e->length)))
            return bad_external(s, "external_data's length '%s' is no number", value);
    }
    return (e->location && e->location[0]) || bad_external(s, "external_data names no location");
}

// Whether a relative path stays below where it starts.
static bool stays_inside(const char *path)
{
    if (path[0] == '/')
        return false;
    for (const char *p = path; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
            return false;
    }
    return true;
}

static bool read_range(const struct source *s, struct tensor *t, int64_t n, int fd,
                       const struct external *e, uint64_t need)
{
    size_t bytes = (size_t)need;
    if (s->borrow && bytes >= BORROW_MIN_BYTES && !is_packed(t->dtype)) {
        uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), start = e->offset / page * page,
                 skip = e->offset - start;
        void *p = mmap(NULL, bytes + (size_t)skip, PROT_READ, MAP_PRIVATE, fd, (off_t)start);
        if (p == MAP_FAILED)
            return bad_external(s, "'%s' cannot be mapped: %s", e->location, strerror(errno));
        arena_adopt_file(s->arena, p, bytes + (size_t)skip);
        take_bytes(s, t, (const uint8_t *)p + skip, n, true);
        return true;
    }
    uint8_t *buf = arena_alloc(s->arena, bytes);
    for (size_t have = 0; have < bytes;) {
        ssize_t got = pread(fd, buf + have, bytes - have, (off_t)(e->offset + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return bad_external(s, "'%s' cannot be read: %s", e->location,
                                got ? strerror(errno) : "it became shorter");
        have += (size_t)got;
    }
    take_bytes(s, t, buf, n, true); // the buffer lives as long as the tensor
    return true;
}

static bool check_range(const struct source *s, const struct tensor *t, int fd,
                        const struct external *e, uint64_t need)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return bad_external(s, "'%s' is not a regular file", e->location);
    if (e->has_length && e->length != need)
        return bad_external(s, "%s takes %llu bytes, external_data's length is %llu", type_of(s, t),
                            (unsigned long long)need, (unsigned long long)e->length);
    uint64_t end;
    if (!io_add_ok(e->offset, need, &end) || end > (uint64_t)st.st_size)
        return bad_external(s, "%llu bytes at %llu are wanted of '%s', which has %lld",
                            (unsigned long long)need, (unsigned long long)e->offset, e->location,
                            (long long)st.st_size);
    return true;
}

static bool take_external(const struct source *s, struct tensor *t, int64_t n)
{
    struct external e;
    if (!parse_external(s, &e))
        return false;
    if (t->dtype == DT_STR)
        return bad_external(s, "strings cannot be external");
    if (!s->base_dir)
        return bad_external(s, "external data in '%s' is not allowed here", e.location);
    if (!stays_inside(e.location))
        return bad_external(s, "'%s' lies outside the model's folder", e.location);
    const char *path =
        arena_printf(s->arena, "%s/%s", s->base_dir[0] ? s->base_dir : ".", e.location);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a FIFO must not block
    if (fd < 0)
        return bad_external(s, "cannot read '%s': %s", path, strerror(errno));
    uint64_t need = packed_bytes(t->dtype, (uint64_t)n);
    bool ok = check_range(s, t, fd, &e, need) && (need == 0 || read_range(s, t, n, fd, &e, need));
    close(fd);
    return ok;
}

// ---- Reading
// ---------------------------------------------------------------------------------------

static bool take_type(const struct source *s, struct tensor *t)
{
    const Onnx__TensorProto *p = s->proto;
    if (!dtype_by_onnx(p->data_type, &t->dtype))
        return bad(s, "element type %d is not known", p->data_type);
    if (p->segment)
        return bad(s, "tensors in segments are not supported");
    if (p->n_dims > BITLET_MAX_RANK)
        return bad(s, "%zu dimensions; at most %d are handled", p->n_dims, BITLET_MAX_RANK);
    t->rank = (int)p->n_dims;
    for (int i = 0; i < t->rank; i++)
        t->dim[i] = p->dims[i];
    int64_t n = dims_elems(t->dim, t->rank);
    if (n < 0 || n > INT64_MAX / 16)
        return bad(s, "%s cannot be", type_of(s, t));
    return true;
}

static bool take_payload(const struct source *s, struct tensor *t)
{
    const Onnx__TensorProto *p = s->proto;
    int64_t n = tensor_elems(t);
    if (p->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        return take_external(s, t, n);
    if (p->raw_data.len > 0)
        return take_raw(s, t, n);
    return n == 0 || take_typed(s, t, n);
}

struct tensor *tensor_from_proto(const struct Onnx__TensorProto *p, const char *base_dir,
                                 bool borrow, loc_id loc, struct arena *a, struct diag *d)
{
    struct source s = {
        .proto = p, .base_dir = base_dir, .borrow = borrow, .loc = loc, .arena = a, .diag = d};
    struct tensor *t = ARENA_NEW(a, struct tensor);
    if (!take_type(&s, t) || !take_payload(&s, t))
        return NULL;
    if (p->name && p->name[0])
        t->name = arena_strdup(a, p->name);
    return t;
}

static struct tensor *parse_pb(const struct io_map *m, const char *path, struct arena *a,
                               struct diag *d)
{
    const char *why;
    loc_id loc = diag_file(d, path);
    ProtobufCMessage *msg =
        proto_unpack(&onnx__tensor_proto__descriptor, m->data, m->size, a, &why);
    if (!msg) {
        diag_report(d, loc, DIAG_TENSOR_FORMAT, "neither a TensorProto nor .npy: %s", why);
        return NULL;
    }
    const char *slash = strrchr(path, '/');
    const char *dir = slash ? arena_strndup(a, path, (size_t)(slash - path) + 1) : ".";
    return tensor_from_proto((const Onnx__TensorProto *)msg, dir, true, loc, a, d);
}

struct tensor *tensor_read(const char *path, struct arena *a, struct diag *d)
{
    struct io_map m;
    if (!io_map_file(&m, path, 0, d))
        return NULL;
    struct tensor *t = NULL;
    if (tensor_looks_like_npy(m.data, m.size))
        t = tensor_parse_npy(m.data, m.size, diag_file(d, path), a, d);
    else if (m.size >= 4 && memcmp(m.data, "PK\3\4", 4) == 0)
        diag_report(d, diag_file(d, path), DIAG_TENSOR_FORMAT,
                    "an archive, where one tensor was expected");
    else
        t = parse_pb(&m, path, a, d);
    io_unmap(&m);
    return t;
}

// ---- Writing
// ---------------------------------------------------------------------------------------

struct file_buffer {
    ProtobufCBuffer base;
    FILE *file;
};

static void append_to_file(ProtobufCBuffer *buffer, size_t len, const uint8_t *bytes)
{
    if (len)
        fwrite(bytes, 1, len, ((struct file_buffer *)buffer)->file);
}

static void fill_payload(Onnx__TensorProto *p, const struct tensor *t, struct arena *scratch)
{
    size_t n = (size_t)tensor_elems(t);
    if (t->dtype == DT_STR) {
        p->n_string_data = n;
        p->string_data = ARENA_ARRAY(scratch, n, ProtobufCBinaryData);
        for (size_t i = 0; i < n; i++) {
            const char *text = ((const char *const *)t->data)[i];
            p->string_data[i] =
                (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)(uintptr_t)text};
        }
        return;
    }
    p->has_raw_data = 1;
    p->raw_data.len = packed_bytes(t->dtype, n);
    p->raw_data.data = is_packed(t->dtype) ? pack_bits(t, (int64_t)n, scratch) : t->data;
}

void tensor_fill_proto(struct Onnx__TensorProto *p, const struct tensor *t, struct arena *scratch)
{
    onnx__tensor_proto__init(p);
    p->n_dims = (size_t)t->rank;
    p->dims = arena_memdup(scratch, t->dim, sizeof t->dim);
    p->has_data_type = 1;
    p->data_type = dtype_info[t->dtype].onnx;
    p->name = t->name ? arena_strdup(scratch, t->name) : NULL;
    fill_payload(p, t, scratch);
}

bool tensor_write_message(const char *path, const struct ProtobufCMessage *m, struct arena *scratch,
                          struct diag *d)
{
    struct io_out *o = io_create(path, scratch, d);
    if (o) {
        struct file_buffer buffer = {.base = {.append = append_to_file}, .file = io_file(o)};
        protobuf_c_message_pack_to_buffer(m, &buffer.base);
    }
    return o && io_commit(o, d);
}

bool tensor_write_pb(const char *path, const struct tensor *t, struct diag *d)
{
    if (dtype_info[t->dtype].kind == DTK_H)
        return tensor_write_list_pb(path, t, d);
    struct arena *scratch = arena_create();
    Onnx__TensorProto p;
    tensor_fill_proto(&p, t, scratch);
    bool ok = tensor_write_message(path, &p.base, scratch, d);
    arena_destroy(scratch);
    return ok;
}

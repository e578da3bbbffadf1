// Tensors: types, files and what is refused.
#include <math.h>
#include <stdlib.h>
#include <unistd.h>
#include <zip.h>

#include "check.h"
#include "io.h"
#include "minifloat.h"
#include "proto_alloc.h"
#include "tensor.h"
#include "tensor.pb-c.h"
#include "tensor_list.h"

static struct arena *arena;
static struct diag *diag;
static enum diag_id last_id;
static char last_message[512];

static void keep(void *user, enum diag_severity sev, enum diag_id id, const char *message)
{
    (void)user, (void)sev;
    last_id = id;
    snprintf(last_message, sizeof last_message, "%s", message);
}

static bool same_tensor(const struct tensor *x, const struct tensor *y)
{
    if (!x || !y || x->dtype != y->dtype || x->rank != y->rank ||
        memcmp(x->dim, y->dim, sizeof x->dim) != 0)
        return false;
    if (x->dtype != DT_STR)
        return tensor_bytes(x) == 0 || memcmp(x->data, y->data, tensor_bytes(x)) == 0;
    for (int64_t i = 0; i < tensor_elems(x); i++)
        if (strcmp(((const char **)x->data)[i], ((const char **)y->data)[i]) != 0)
            return false;
    return true;
}

static void dims_are_multiplied_with_care(void)
{
    CHECK_INT(dims_elems(NULL, 0), 1);
    CHECK_INT(dims_elems((int64_t[]){2, 3, 4}, 3), 24);
    CHECK_INT(dims_elems((int64_t[]){2, 0, 4}, 3), 0);
    CHECK_INT(dims_elems((int64_t[]){2, -1}, 2), -1);
    CHECK_INT(dims_elems((int64_t[]){INT64_MAX, 2}, 2), -1);
    CHECK_INT(dims_elems((int64_t[]){0, INT64_MAX, 2}, 3), -1);
    CHECK_STR(tensor_type_text(DT_F32, (int64_t[]){1, 3, 224}, 3, arena), "f32[1,3,224]");
    CHECK_STR(tensor_type_text(DT_I8, NULL, 0, arena), "i8[]");
}

// Every pattern decodes to a value that encodes to the pattern; between neighbours lies the
// rounding.
static void minifloats_round_trip(void)
{
    static const enum dtype types[] = {DT_F16,    DT_BF16,       DT_F8E4M3FN, DT_F8E4M3FNUZ,
                                       DT_F8E5M2, DT_F8E5M2FNUZ, DT_F8E8M0,   DT_F4E2M1};
    for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
        enum dtype t = types[k];
        int wrong = 0;
        uint32_t patterns = UINT32_C(1) << dtype_info[t].bits;
        for (uint32_t p = 0; p < patterns; p++) {
            double v = minifloat_decode(t, p);
            uint32_t back = minifloat_encode(t, v);
            wrong += isnan(v) ? !isnan(minifloat_decode(t, back)) : back != p;
        }
        CHECK_INT(wrong, 0);
    }
}

static void minifloats_round_to_even(void)
{
    CHECK_INT(minifloat_encode(DT_F16, 1.0), 0x3c00);
    CHECK_INT(minifloat_encode(DT_F16, 65519.999), 0x7bff);
    CHECK_INT(minifloat_encode(DT_F16, 65520), 0x7c00);
    CHECK_INT(minifloat_encode(DT_F16, 0x1p-25), 0);
    CHECK_INT(minifloat_encode(DT_F16, 0x1.8p-24), 2);
    CHECK_INT(minifloat_encode(DT_F16, -1e300), 0xfc00);
    CHECK_INT(minifloat_encode(DT_BF16, 1.00390625), 0x3f80); // halfway: to even
    CHECK_INT(minifloat_encode(DT_BF16, 1.01171875), 0x3f82);
    CHECK(minifloat_decode(DT_F8E4M3FN, 0x7e) == 448);
    CHECK_INT(minifloat_encode(DT_F8E4M3FN, 1e6), 0x7e);
    CHECK_INT(minifloat_encode(DT_F8E4M3FN, NAN), 0x7f);
    CHECK_INT(minifloat_encode(DT_F8E4M3FNUZ, -0.0), 0);
    CHECK(minifloat_decode(DT_F8E4M3FNUZ, 0x7f) == 240);
    CHECK(minifloat_decode(DT_F8E5M2, 0x7b) == 57344);
    CHECK(minifloat_decode(DT_F8E8M0, 127) == 1 && isnan(minifloat_decode(DT_F8E8M0, 255)));
    CHECK_INT(minifloat_encode(DT_F8E8M0, 3.0),
              129); // halfway between 2 and 4: away, as with a mantissa of no bits
    CHECK(minifloat_decode(DT_F4E2M1, 7) == 6 && minifloat_decode(DT_F4E2M1, 1) == 0.5);
    CHECK_INT(minifloat_encode(DT_F4E2M1, 5.0), 6); // halfway between 4 and 6
    CHECK_INT(minifloat_encode(DT_F4E2M1, INFINITY), 7);
}

static void every_type_survives_a_pb_file(void)
{
    for (int i = 0; i < DT_NUM; i++) {
        if ((enum dtype)i == DT_LANES || dtype_info[i].kind == DTK_H)
            continue;
        struct tensor *t =
            tensor_random(arena, (enum dtype)i, (int64_t[]){3, 1, 5}, 3, 42 + (uint64_t)i);
        t->name = "the name";
        CHECK(tensor_write_pb("t.pb", t, diag));
        struct tensor *u = tensor_read("t.pb", arena, diag);
        if (!CHECK(same_tensor(t, u)))
            fprintf(stderr, "  of type %s\n", dtype_text(t->dtype));
        CHECK(u && u->name && strcmp(u->name, "the name") == 0);
    }
}

static void npy_types_survive_an_npy_file(void)
{
    static const enum dtype types[] = {DT_F32, DT_F64,  DT_F16, DT_I8,  DT_I16,
                                       DT_I32, DT_I64,  DT_U8,  DT_U16, DT_U32,
                                       DT_U64, DT_BOOL, DT_STR, DT_C64, DT_C128};
    static const int64_t dims[] = {2, 3, 4};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        for (int rank = 0; rank <= 3; rank++) {
            struct tensor *t = tensor_random(arena, types[i], dims, rank, i);
            CHECK(tensor_write_npy("t.npy", t, diag));
            CHECK(same_tensor(t, tensor_read("t.npy", arena, diag)));
        }
    struct tensor *t = tensor_random(arena, DT_BF16, dims, 3, 1);
    CHECK(tensor_write_npy("t.npy", t, diag));
    struct tensor *u = tensor_read("t.npy", arena, diag);
    CHECK(u && u->dtype == DT_F32 && tensor_get_double(u, 5) == tensor_get_double(t, 5));
    struct tensor *empty = tensor_create(arena, DT_F32, (int64_t[]){0, 3}, 2);
    CHECK(tensor_write_npy("t.npy", empty, diag) &&
          same_tensor(empty, tensor_read("t.npy", arena, diag)));
    CHECK(tensor_write_pb("t.pb", empty, diag) &&
          same_tensor(empty, tensor_read("t.pb", arena, diag)));
}

static struct tensor *parse_npy_text(const char *dict, const void *data, size_t len)
{
    uint8_t bytes[512] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
    size_t n = strlen(dict);
    io_put16(bytes + 8, (uint16_t)n);
    memcpy(bytes + 10, dict, n);
    memcpy(bytes + 10 + n, data, len);
    CHECK(io_write_file("made.npy", bytes, 10 + n + len, diag));
    return tensor_read("made.npy", arena, diag);
}

// Floats that NumPy does not know come as their bits; other integers and other floats stay.
static void floats_are_read_from_their_bits(void)
{
    static const enum dtype types[] = {DT_BF16,       DT_F8E4M3FN, DT_F8E4M3FNUZ, DT_F8E5M2,
                                       DT_F8E5M2FNUZ, DT_F8E8M0,   DT_F16,        DT_F4E2M1,
                                       DT_F32,        DT_I8};
    static const char *const files[] = {"t.npy", "t.pb"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        for (int k = 0; k < 2; k++)
            for (int file = 0; file < 2; file++) {
                enum dtype raw = k ? DT_U8 : DT_U16;
                struct tensor *t = tensor_random(arena, raw, (int64_t[]){2, 3}, 2, i);
                CHECK(file == 0 ? tensor_write_npy(files[0], t, diag)
                                : tensor_write_pb(files[1], t, diag));
                struct tensor *u = tensor_read_as(types[i], files[file], arena, diag);
                bool bits = i < 6 && k == (i > 0);
                CHECK(u && u->dtype == (bits ? types[i] : raw) &&
                      memcmp(u->data, t->data, tensor_bytes(t)) == 0);
            }
}

static void npy_orders_are_understood(void)
{
    static const uint8_t big[] = {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6};
    struct tensor *t =
        parse_npy_text("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }", big, 12);
    CHECK(t && t->rank == 2);
    static const int64_t want[] = {1, 3, 5, 2, 4, 6};
    for (int i = 0; t && i < 6; i++)
        CHECK_INT(tensor_get_int(t, i), want[i]);
    static const uint8_t text[] = {0xe4, 0, 0, 0, 0xac, 0x20, 0, 0, 'x', 0, 0, 0, 0, 0, 0, 0};
    t = parse_npy_text("{'descr': '<U2', 'fortran_order': False, 'shape': (2,), }", text, 16);
    CHECK(t && strcmp(((const char **)t->data)[0], "\xc3\xa4\xe2\x82\xac") == 0);
    CHECK(t && strcmp(((const char **)t->data)[1], "x") == 0);
}

static void malformed_npy_is_refused(void)
{
    static const char *const bad[] = {
        "",
        "{",
        "{}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 8), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,4), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (4,), }",
        "{'descr': '<U0', 'fortran_order': False, 'shape': (4000000000,), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,), }",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (4,), }",
        "{'descr': '<f4', 'fortran_order': 1, 'shape': (4,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4",
    };
    static const float data[4] = {1, 2, 3, 4};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        last_id = DIAG_NUM;
        if (!CHECK(!parse_npy_text(bad[i], data, sizeof data)) ||
            !CHECK_INT(last_id, DIAG_TENSOR_FORMAT))
            fprintf(stderr, "  by %s\n", bad[i]);
    }
}

static void add_entry(zip_t *z, const char *name, const char *path, zip_int32_t method)
{
    zip_int64_t at = zip_file_add(z, name, zip_source_file(z, path, 0, -1), 0);
    CHECK(at >= 0 && zip_set_file_compression(z, (zip_uint64_t)at, method, 0) == 0);
}

static void archives_are_read_in_order(void)
{
    struct tensor *x = tensor_random(arena, DT_F32, (int64_t[]){50, 40}, 2, 1);
    struct tensor *y = tensor_create(arena, DT_I64, (int64_t[]){1000}, 1);
    CHECK(tensor_write_npy("x.npy", x, diag) && tensor_write_npy("y.npy", y, diag));
    unlink("made.npz");
    zip_t *z = zip_open("made.npz", ZIP_CREATE, NULL);
    add_entry(z, "second.npy", "y.npy", ZIP_CM_DEFLATE);
    add_entry(z, "first.npy", "x.npy", ZIP_CM_STORE);
    CHECK(zip_close(z) == 0);
    struct tensor **all = NULL;
    size_t count = 0;
    if (CHECK(tensor_read_npz("made.npz", arena, &all, &count, diag)) && CHECK_INT(count, 2)) {
        CHECK_STR(all[0]->name, "second");
        CHECK_STR(all[1]->name, "first");
        CHECK(same_tensor(all[0], y) && same_tensor(all[1], x));
    }
    CHECK(!tensor_read("made.npz", arena, diag) && last_id == DIAG_TENSOR_FORMAT);
    struct io_map m;
    CHECK(io_map_file(&m, "made.npz", 0, diag));
    for (size_t at = 0; at < m.size;
         at += 7) { // every byte of the headers and the payload gets its turn
        uint8_t *bytes = arena_memdup(arena, m.data, m.size);
        bytes[at] ^= 0x55;
        CHECK(io_write_file("bad.npz", bytes, m.size, diag));
        last_id = DIAG_NUM;
        bool ok = tensor_read_npz("bad.npz", arena, &all, &count, diag);
        CHECK(ok == (last_id == DIAG_NUM));
    }
    io_unmap(&m);
    CHECK(!tensor_read_npz("x.npy", arena, &all, &count, diag) && last_id == DIAG_TENSOR_FORMAT);
}

static struct tensor *decode(const Onnx__TensorProto *p)
{
    last_id = DIAG_NUM;
    return tensor_from_proto(p, ".", false, LOC_NONE, arena, diag);
}

static void typed_fields_are_decoded(void)
{
    int64_t dims[1] = {5};
    int32_t packed[] = {0x21, 0x83, 0x0f};
    Onnx__TensorProto p = ONNX__TENSOR_PROTO__INIT;
    p.n_dims = 1;
    p.dims = dims;
    p.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT4;
    p.n_int32_data = 3;
    p.int32_data = packed;
    struct tensor *t = decode(&p);
    static const int64_t want[] = {1, 2, 3, -8, -1};
    for (int i = 0; CHECK(t) && i < 5; i++)
        CHECK_INT(tensor_get_int(t, i), want[i]);
    p.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__UINT2;
    p.n_int32_data = 2;
    t = decode(&p);
    static const int64_t want2[] = {1, 0, 2, 0, 3};
    for (int i = 0; CHECK(t) && i < 5; i++)
        CHECK_INT(tensor_get_int(t, i), want2[i]);
    int32_t halves[] = {0x3c00, 0xc000, 0, 0x7bff, -1};
    p.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16;
    p.n_int32_data = 5;
    p.int32_data = halves;
    t = decode(&p);
    CHECK(t && tensor_get_double(t, 1) == -2 && tensor_get_double(t, 3) == 65504 &&
          isnan(tensor_get_double(t, 4)));
    p.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT8; // 0x3c00 is no i8
    CHECK(!decode(&p) && last_id == DIAG_TENSOR_FORMAT);
}

static void lies_in_protos_are_refused(void)
{
    int64_t dims[9] = {2, 2, 1, 1, 1, 1, 1, 1, 1};
    float four[4] = {1, 2, 3, 4};
    Onnx__TensorProto p = ONNX__TENSOR_PROTO__INIT;
    p.n_dims = 2;
    p.dims = dims;
    p.data_type = 1;
    p.n_float_data = 4;
    p.float_data = four;
    CHECK(decode(&p));
    p.n_float_data = 3;
    CHECK(!decode(&p) && last_id == DIAG_TENSOR_FORMAT);
    p.n_float_data = 4;
    dims[0] = INT64_MAX;
    CHECK(!decode(&p) && last_id == DIAG_TENSOR_FORMAT);
    dims[0] = -2;
    CHECK(!decode(&p) && last_id == DIAG_TENSOR_FORMAT);
    dims[0] = 2;
    p.n_dims = 9;
    CHECK(!decode(&p) && last_id == DIAG_TENSOR_FORMAT);
    p.n_dims = 2;
    p.data_type = 77;
    CHECK(!decode(&p) && strstr(last_message, "77"));
    p.data_type = 1;
    p.has_raw_data = 1;
    p.raw_data = (ProtobufCBinaryData){.len = 15, .data = (uint8_t *)four};
    CHECK(!decode(&p) && last_id == DIAG_TENSOR_FORMAT);
}

static struct tensor *decode_external(const char *location, const char *offset, const char *length,
                                      bool borrow)
{
    static int64_t dims[1] = {20000};
    Onnx__StringStringEntryProto e[3] = {ONNX__STRING_STRING_ENTRY_PROTO__INIT,
                                         ONNX__STRING_STRING_ENTRY_PROTO__INIT,
                                         ONNX__STRING_STRING_ENTRY_PROTO__INIT};
    Onnx__StringStringEntryProto *entries[3] = {&e[0], &e[1], &e[2]};
    e[0].key = arena_strdup(arena, "location"), e[0].value = arena_strdup(arena, location);
    e[1].key = arena_strdup(arena, "offset"), e[1].value = arena_strdup(arena, offset);
    e[2].key = arena_strdup(arena, "length"), e[2].value = arena_strdup(arena, length);
    Onnx__TensorProto p = ONNX__TENSOR_PROTO__INIT;
    p.n_dims = 1;
    p.dims = dims;
    p.data_type = 1;
    p.data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    p.n_external_data = 3;
    p.external_data = entries;
    last_id = DIAG_NUM;
    return tensor_from_proto(&p, ".", borrow, LOC_NONE, arena, diag);
}

static void external_data_is_read_and_guarded(void)
{
    float *file = ARENA_ARRAY(arena, 25000, float);
    for (int i = 0; i < 25000; i++)
        file[i] = (float)i;
    CHECK(io_write_file("weights.bin", file, 25000 * sizeof *file, diag));
    for (int borrow = 0; borrow < 2; borrow++) {
        struct tensor *t = decode_external("weights.bin", "20000", "80000", borrow);
        CHECK(t && tensor_get_double(t, 0) == 5000 && tensor_get_double(t, 19999) == 24999);
        t = decode_external("./weights.bin", "6", "80000", borrow); // not aligned
        CHECK(t && memcmp(t->data, (uint8_t *)file + 6, 80000) == 0);
    }
    static const char *const bad[][3] = {
        {"weights.bin", "20001", "80000"},
        {"weights.bin", "0", "80004"},
        {"weights.bin", "-4", "80000"},
        {"weights.bin", "18446744073709551612", "80000"},
        {"../x.bin", "0", "80000"},
        {"a/../../x.bin", "0", "80000"},
        {"/etc/passwd", "0", "80000"},
        {"absent.bin", "0", "80000"},
        {".", "0", "80000"},
        {"", "0", "80000"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (!CHECK(!decode_external(bad[i][0], bad[i][1], bad[i][2], true) &&
                   last_id == DIAG_ONNX_EXTERNAL))
            fprintf(stderr, "  by %s %s %s\n", bad[i][0], bad[i][1], bad[i][2]);
}

// A SequenceProto in a SequenceProto in a ...: four bytes of length at most, so it can be very
// deep.
static void deep_and_greedy_messages_are_refused(void)
{
    enum { LEVELS = 100000, ROOM = LEVELS * 5 };
    uint8_t *bytes = arena_alloc(arena, ROOM);
    size_t at = ROOM;
    for (int i = 0; i < LEVELS; i++) {
        size_t len = ROOM - at;
        uint8_t var[5];
        size_t n = 0;
        for (; len >= 0x80; len >>= 7)
            var[n++] = (uint8_t)(len | 0x80);
        var[n++] = (uint8_t)len;
        memcpy(bytes + (at -= n), var, n);
        bytes[--at] = 5 << 3 | 2; // sequence_values
    }
    const char *why = NULL;
    const ProtobufCMessageDescriptor *sequence = &onnx__sequence_proto__descriptor;
    CHECK(!proto_unpack(sequence, bytes + at, ROOM - at, arena, &why) && strstr(why, "deep"));
    for (size_t i = 0; i + 1 < ROOM; i += 2) { // 250,000 empty tensors
        bytes[i] = 3 << 3 | 2;
        bytes[i + 1] = 0;
    }
    size_t before = arena_used(arena);
    CHECK(!proto_unpack(sequence, bytes, ROOM, arena, &why));
    CHECK(arena_used(arena) - before < (size_t)ROOM * 66);
    CHECK(proto_unpack(sequence, bytes, 20, arena, &why) != NULL);
}

static size_t put_varint(uint8_t *to, uint64_t v)
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        to[n++] = (uint8_t)(v | 0x80);
    to[n++] = (uint8_t)v;
    return n;
}

static size_t put_bytes(uint8_t *to, unsigned number, const uint8_t *bytes, size_t len)
{
    size_t n = put_varint(to, number << 3 | 2);
    n += put_varint(to + n, len);
    if (len)
        memcpy(to + n, bytes, len);
    return n + len;
}

// A SequenceProto of tensors whose raw_data has the given lengths, of numbers of their own.
static size_t make_sequence(uint8_t *to, const size_t *lens, size_t count, const uint8_t *payload)
{
    uint8_t *inner = arena_alloc(arena, 100000);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        size_t k = put_varint(inner, 1 << 3);
        k += put_varint(inner + k, lens[i]);                   // dims
        k += put_bytes(inner + k, 9, payload + i, lens[i]);    // raw_data
        k += put_bytes(inner + k, 8, (const uint8_t *)"n", 1); // name
        k += put_bytes(inner + k, 1000, payload, 5000);        // unknown
        n += put_bytes(to + n, 3, inner, k);
    }
    return n;
}

static bool same_tensors(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    const Onnx__SequenceProto *x = (const void *)a, *y = (const void *)b;
    bool same = x->n_tensor_values == y->n_tensor_values;
    for (size_t i = 0; same && i < x->n_tensor_values; i++) {
        const Onnx__TensorProto *s = x->tensor_values[i], *t = y->tensor_values[i];
        same = s->raw_data.len == t->raw_data.len && s->n_dims == t->n_dims &&
               strcmp(s->name, t->name) == 0 &&
               (s->raw_data.len == 0 ||
                memcmp(s->raw_data.data, t->raw_data.data, s->raw_data.len) == 0);
    }
    return same;
}

static void large_payloads_stay_in_the_message(void)
{
    static const size_t lens[] = {0, 1, 15, 16, 17, 4095, 4096, 5000, 20000, 127, 128};
    enum { COUNT = sizeof lens / sizeof lens[0] };
    uint8_t *bytes = arena_alloc(arena, 200000), payload[20100];
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 31 % 251); // begins with marks' values, 0 and 1, at times
    const ProtobufCMessageDescriptor *type = &onnx__sequence_proto__descriptor;
    const char *why = NULL;
    size_t n = make_sequence(bytes, lens, COUNT, payload);
    ProtobufCMessage *copied = proto_unpack(type, bytes, n, arena, &why);
    ProtobufCMessage *mapped = proto_unpack_mapped(type, bytes, n, arena, &why);
    if (!CHECK(copied && mapped && same_tensors(copied, mapped)))
        return;
    const Onnx__SequenceProto *s = (const void *)mapped;
    for (size_t i = 0; i < COUNT; i++) {
        const uint8_t *data = s->tensor_values[i]->raw_data.data;
        if (lens[i] >= 4096)
            CHECK(data > bytes && data < bytes + n);
    }
    // Every cut: both refuse, or both see the same.
    for (size_t cut = 0; cut < n; cut += 1 + cut % 97) {
        copied = proto_unpack(type, bytes, cut, arena, &why);
        mapped = proto_unpack_mapped(type, bytes, cut, arena, &why);
        CHECK(!copied == !mapped && (!copied || same_tensors(copied, mapped)));
    }
}

// A tag of more bits than a field number has must not pass as another field.
static void field_numbers_are_bounded(void)
{
    uint8_t bytes[8192] = {0}, payload[5000] = {0};
    size_t n = put_bytes(bytes, 8, (const uint8_t *)"n", 1);
    uint64_t tag = (UINT64_C(1) << 32) + (9 << 3 | 2); // raw_data modulo 2^32
    n += put_varint(bytes + n, tag);
    n += put_varint(bytes + n, 17);
    bytes[n] = 1;
    const char *why = NULL;
    CHECK(!proto_unpack_mapped(&onnx__tensor_proto__descriptor, bytes, n + 17, arena, &why));
    n = put_bytes(bytes, 9, payload, sizeof payload); // the same field twice: the last one counts
    n += put_bytes(bytes + n, 9, (const uint8_t *)"abc", 3);
    ProtobufCMessage *m =
        proto_unpack_mapped(&onnx__tensor_proto__descriptor, bytes, n, arena, &why);
    const Onnx__TensorProto *t = (const void *)m;
    CHECK(t && t->raw_data.len == 3 && memcmp(t->raw_data.data, "abc", 3) == 0);
}

static void random_tensors_depend_on_the_seed_alone(void)
{
    struct tensor *t = tensor_random(arena, DT_F32, (int64_t[]){10000}, 1, 7);
    double sum = 0, square = 0;
    for (int i = 0; i < 10000; i++) {
        sum += tensor_get_double(t, i);
        square += tensor_get_double(t, i) * tensor_get_double(t, i);
    }
    CHECK(fabs(sum / 10000) < 0.05 && fabs(square / 10000 - 1) < 0.05);
    CHECK_INT(io_crc32(t->data, tensor_bytes(t)), 0xfd77d94);
    t = tensor_random(arena, DT_I8, (int64_t[]){10000}, 1, 7);
    int low = 0, high = 0;
    for (int i = 0; i < 10000; i++) {
        low = tensor_get_int(t, i) < low ? (int)tensor_get_int(t, i) : low;
        high = tensor_get_int(t, i) > high ? (int)tensor_get_int(t, i) : high;
    }
    CHECK(low == -127 && high == 127);
    t = tensor_random(arena, DT_U2, (int64_t[]){100}, 1, 7);
    for (int i = 0; i < 100; i++)
        CHECK(tensor_get_int(t, i) >= 0 && tensor_get_int(t, i) <= 3);
}

int main(void)
{
    arena = arena_create();
    diag = diag_create(arena, loc_table_create(arena));
    diag_set_sink(diag, keep, NULL);
    diag_set_error_limit(diag, 1000000);
    RUN(dims_are_multiplied_with_care);
    RUN(minifloats_round_trip);
    RUN(minifloats_round_to_even);
    RUN(every_type_survives_a_pb_file);
    RUN(npy_types_survive_an_npy_file);
    RUN(floats_are_read_from_their_bits);
    RUN(npy_orders_are_understood);
    RUN(malformed_npy_is_refused);
    RUN(archives_are_read_in_order);
    RUN(typed_fields_are_decoded);
    RUN(lies_in_protos_are_refused);
    RUN(external_data_is_read_and_guarded);
    RUN(deep_and_greedy_messages_are_refused);
    RUN(large_payloads_stay_in_the_message);
    RUN(field_numbers_are_bounded);
    RUN(random_tensors_depend_on_the_seed_alone);
    arena_destroy(arena);
    return check_summary();
}

// Operators whose results are chosen by value: Unique, NonMaxSuppression; ImageDecoder; random
// numbers.
#include <string.h>

#include "import_host.h"

// ---- Unique

bool import_Unique(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    bool has_axis = node_has_attr(n, "axis");
    int64_t ints[2] = {-1, node_int(n, "sorted", 1)}, flat = ir_type_elems(x);
    if (has_axis && !node_axis(n, node_int(n, "axis", 0), x->rank, &ints[0]))
        return false;
    int64_t extent = has_axis ? x->dim[ints[0]] : flat;
    struct ir_type y = has_axis ? *x : ir_type_make(x->dtype, &flat, 1);
    int at = has_axis ? (int)ints[0] : 0;
    y.dim[at] = extent <= 1 ? extent : -1;
    // Any of the three outputs may be the one that is declared.
    struct ir_type count = ir_type_make(DT_I64, &y.dim[at], 1), declared;
    for (int i = 1; i < 4 && y.dim[at] < 0; i++)
        if (i != 2 && node_declared(n, i, &declared) && declared.rank == 1)
            y.dim[at] = declared.dim[0];
    if (!node_resolve(n, 0, &y))
        return false;
    count.dim[0] = y.dim[at];
    struct ir_type t[5] = {y, count, count, ir_type_make(DT_I64, &extent, 1),
                           ir_type_make(DT_I64, (const int64_t[]){1}, 1)};
    struct ir_op *op = node_host_op(
        n, "unique", &(struct host_args){.in = n->in, .num_in = 1, .ints = ints, .num_ints = 2}, t,
        5);
    bool ok = op && node_expect(n, op->out[4], count.dim, 1, "the number of distinct values");
    static const int slots[] = {0, 1, 3, 2};
    for (int i = 0; i < 4 && ok; i++)
        ok = node_bind(n, slots[i], op->out[i]);
    return ok;
}

// ---- NonMaxSuppression

static struct ir_value *threshold(struct import_node *n, int i, enum dtype t)
{
    struct ir_value *v = node_in(n, i);
    if (v && ir_type_elems(&v->type) == 0) // empty means absent
        return NULL;
    return v ? node_convert(n, v, t) : NULL;
}

bool import_NonMaxSuppression(struct import_node *n)
{
    for (int i = 0; i < 2; i++)
        if (n->in[i]->type.dtype != DT_F32)
            return node_error(n, DIAG_ONNX_TYPE, "input %d is %s, floats are needed", i,
                              node_type_text(n, i));
    if (!node_check_rank(n, 0, 3, 3) || !node_check_rank(n, 1, 3, 3))
        return false;
    const struct ir_type *boxes = &n->in[0]->type, *scores = &n->in[1]->type;
    if (boxes->dim[2] != 4 || boxes->dim[0] != scores->dim[0] || boxes->dim[1] != scores->dim[2])
        return node_error(n, DIAG_ONNX_SHAPE,
                          "boxes are %s and scores %s; [batches, boxes, 4] and [batches, classes, "
                          "boxes] are needed",
                          node_type_text(n, 0), node_type_text(n, 1));
    int64_t centre = node_int(n, "center_point_box", 0);
    struct ir_type t[2] = {ir_type_make(DT_I64, (const int64_t[]){-1, 3}, 2),
                           ir_type_make(DT_I64, (const int64_t[]){1}, 1)};
    if (!threshold(n, 2, DT_I64))
        t[0].dim[0] = 0; // by default none is selected
    if (!node_resolve(n, 0, &t[0]))
        return false;
    struct ir_value *in[] = {n->in[0], n->in[1], threshold(n, 2, DT_I64), threshold(n, 3, DT_F32),
                             threshold(n, 4, DT_F32)};
    struct ir_op *op =
        node_host_op(n, "nonmax_suppression",
                     &(struct host_args){
                         .in = in, .num_in = 5, .ints = &centre, .num_ints = 1, .optional = true},
                     t, 2);
    return op && node_expect(n, op->out[1], t[0].dim, 1, "the number of boxes that stay") &&
           node_bind(n, 0, op->out[0]);
}

// ---- ImageDecoder

bool import_ImageDecoder(struct import_node *n)
{
    static const char *const formats[] = {"RGB", "BGR", "Grayscale"};
    const char *format = node_str(n, "pixel_format", "RGB");
    int64_t which = 0;
    while (which < 3 && strcmp(formats[which], format) != 0)
        which++;
    if (which == 3)
        return node_error(n, DIAG_ONNX_ATTR, "pixel_format '%s'; RGB, BGR and Grayscale are known",
                          format);
    if (n->in[0]->type.dtype != DT_U8 || n->in[0]->type.rank != 1)
        return node_error(n, DIAG_ONNX_TYPE, "the encoded stream is %s, a vector of u8 is needed",
                          node_type_text(n, 0));
    struct ir_type t[2] = {ir_type_make(DT_U8, (const int64_t[]){-1, -1, which == 2 ? 1 : 3}, 3),
                           ir_type_make(DT_I64, (const int64_t[]){3}, 1)};
    if (!node_resolve(n, 0, &t[0]))
        return false;
    struct ir_op *op = node_host_op(
        n, "image_decode",
        &(struct host_args){.in = n->in, .num_in = 1, .ints = &which, .num_ints = 1}, t, 2);
    return op && node_expect(n, op->out[1], t[0].dim, 3, "the image") &&
           node_bind(n, 0, op->out[0]);
}

// ---- Random numbers

// A node without a seed has one of its own, so that two nodes differ and a run can be repeated. The
// attribute is a float; its bits tell more seeds apart than its integer part.
static int64_t seed_of(struct import_node *n)
{
    float seed = (float)node_float(n, "seed", 0);
    uint32_t bits;
    memcpy(&bits, &seed, sizeof bits);
    return node_has_attr(n, "seed") ? (int64_t)bits : (int64_t)n->loc + (INT64_C(1) << 32);
}

static bool random_type(struct import_node *n, enum dtype dflt, enum dtype *out)
{
    *out = dflt;
    if (node_has_attr(n, "dtype") && !dtype_by_onnx(node_int(n, "dtype", 0), out))
        return node_error(n, DIAG_ONNX_ATTR, "%lld is no element type",
                          (long long)node_int(n, "dtype", 0));
    return dtype_is_float(*out) ||
           node_error(n, DIAG_ONNX_TYPE, "%s is no float", dtype_text(*out));
}

static bool random_tensor(struct import_node *n, const char *kind, enum dtype to,
                          const int64_t *dim, int rank, double first, double second)
{
    enum dtype drawn = to == DT_F64 ? DT_F64 : DT_F32;
    struct ir_type t = ir_type_make(drawn, dim, rank);
    double floats[2] = {first, second};
    int64_t seed = seed_of(n);
    struct ir_op *op = node_host_op(
        n, arena_printf(n->arena, "random_%s_%s", kind, dtype_text(drawn)),
        &(struct host_args){.ints = &seed, .num_ints = 1, .floats = floats, .num_floats = 2}, &t,
        1);
    node_host_effect(op);
    return op && node_bind(n, 0, node_convert(n, op->out[0], to));
}

static bool random_shape(struct import_node *n, const int64_t **dim, int *rank)
{
    *dim = node_ints(n, "shape", rank);
    if (*rank > IR_MAX_RANK || dims_elems(*dim, *rank) < 0)
        return node_error(n, DIAG_ONNX_SHAPE, "the shape is impossible");
    return true;
}

static bool random_node(struct import_node *n, const char *kind, bool same_as_input, double first,
                        double second)
{
    enum dtype to;
    int rank = same_as_input ? n->in[0]->type.rank : 0;
    const int64_t *dim = same_as_input ? n->in[0]->type.dim : NULL;
    enum dtype dflt =
        same_as_input && dtype_is_float(n->in[0]->type.dtype) ? n->in[0]->type.dtype : DT_F32;
    return random_type(n, dflt, &to) && (same_as_input || random_shape(n, &dim, &rank)) &&
           random_tensor(n, kind, to, dim, rank, first, second);
}

bool import_RandomNormal(struct import_node *n)
{
    return random_node(n, "normal", false, node_float(n, "mean", 0), node_float(n, "scale", 1));
}

bool import_RandomNormalLike(struct import_node *n)
{
    return random_node(n, "normal", true, node_float(n, "mean", 0), node_float(n, "scale", 1));
}

bool import_RandomUniform(struct import_node *n)
{
    return random_node(n, "uniform", false, node_float(n, "low", 0), node_float(n, "high", 1));
}

bool import_RandomUniformLike(struct import_node *n)
{
    return random_node(n, "uniform", true, node_float(n, "low", 0), node_float(n, "high", 1));
}

bool import_Bernoulli(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    enum dtype to = x->dtype;
    if (node_has_attr(n, "dtype") && !dtype_by_onnx(node_int(n, "dtype", 0), &to))
        return node_error(n, DIAG_ONNX_ATTR, "%lld is no element type",
                          (long long)node_int(n, "dtype", 0));
    struct ir_value *p = node_convert(n, n->in[0], DT_F64);
    struct ir_type t = ir_type_make(DT_BOOL, x->dim, x->rank);
    int64_t seed = seed_of(n);
    struct ir_op *op = node_host_op(
        n, "random_bernoulli",
        &(struct host_args){.in = &p, .num_in = 1, .ints = &seed, .num_ints = 1}, &t, 1);
    node_host_effect(op);
    return op && node_bind(n, 0, node_convert(n, op->out[0], to));
}

bool import_Multinomial(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    int64_t samples = node_int(n, "sample_size", 1), seed = seed_of(n);
    enum dtype to = DT_I32;
    if (node_has_attr(n, "dtype") &&
        (!dtype_by_onnx(node_int(n, "dtype", 0), &to) || (to != DT_I32 && to != DT_I64)))
        return node_error(n, DIAG_ONNX_ATTR, "dtype must be int32 or int64");
    if (!node_check_rank(n, 0, 2, 2))
        return false;
    if (samples < 0 || samples > INT32_MAX || x->dim[1] < 1)
        return node_error(n, DIAG_ONNX_SHAPE, "%lld samples of %s cannot be", (long long)samples,
                          node_type_text(n, 0));
    struct ir_value *p = node_convert(n, n->in[0], DT_F64);
    struct ir_type t = ir_type_make(DT_I64, (const int64_t[]){x->dim[0], samples}, 2);
    struct ir_op *op = node_host_op(
        n, "multinomial", &(struct host_args){.in = &p, .num_in = 1, .ints = &seed, .num_ints = 1},
        &t, 1);
    node_host_effect(op);
    return op && node_bind(n, 0, node_convert(n, op->out[0], to));
}

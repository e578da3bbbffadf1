// Operators that make values from shapes, scalars and types: Constant, ConstantOfShape, Shape,
// Size, Range, EyeLike, Cast, CastLike.
#include <math.h>
#include <string.h>

#include "import_extents.h"
#include "import_runtime.h"
#include "import_string.h"

static struct ir_value *const_floats(struct import_node *n, const double *v, int count, int rank)
{
    int64_t dim = count;
    struct tensor *t = tensor_create(n->arena, DT_F32, &dim, rank);
    for (int i = 0; i < count; i++)
        ((float *)t->data)[i] = (float)v[i];
    return irb_const(&n->b, t, NULL);
}

static struct ir_value *const_strings(struct import_node *n, const char *const *v, int count,
                                      int rank)
{
    int64_t dim = count;
    struct tensor *t = tensor_create(n->arena, DT_STR, &dim, rank);
    memcpy(t->data, v, (size_t)count * sizeof(*v));
    return irb_const(&n->b, t, NULL);
}

static struct ir_value *const_int(struct import_node *n, int64_t v)
{
    return irb_reshape(&n->b, irb_const_i64s(&n->b, &v, 1), NULL, 0);
}

bool import_Constant(struct import_node *n)
{
    int count;
    if (node_has_attr(n, "value")) {
        const struct tensor *t = node_tensor(n, "value");
        return t ? node_bind(n, 0, irb_const(&n->b, t, NULL))
                 : node_error(n, DIAG_ONNX_ATTR, "the value cannot be read");
    }
    if (node_has_attr(n, "sparse_value")) {
        const struct tensor *t = node_sparse(n, "sparse_value");
        return t && node_bind(n, 0, irb_const(&n->b, t, NULL));
    }
    if (node_has_attr(n, "value_float"))
        return node_bind(n, 0, const_floats(n, &(double){node_float(n, "value_float", 0)}, 1, 0));
    if (node_has_attr(n, "value_int"))
        return node_bind(n, 0, const_int(n, node_int(n, "value_int", 0)));
    if (node_has_attr(n, "value_string"))
        return node_bind(n, 0,
                         const_strings(n, &(const char *){node_str(n, "value_string", "")}, 1, 0));
    if (node_has_attr(n, "value_floats")) {
        const double *v = node_floats(n, "value_floats", &count);
        return node_bind(n, 0, const_floats(n, v, count, 1));
    }
    if (node_has_attr(n, "value_ints")) {
        const int64_t *v = node_ints(n, "value_ints", &count);
        return node_bind(n, 0, irb_const_i64s(&n->b, v, count));
    }
    if (node_has_attr(n, "value_strings")) {
        const char *const *v = node_strs(n, "value_strings", &count);
        return node_bind(n, 0, const_strings(n, v, count, 1));
    }
    return node_error(
        n, DIAG_ONNX_ATTR,
        "none of value, sparse_value, value_float(s), value_int(s), value_string(s) is there");
}

bool import_ConstantOfShape(struct import_node *n)
{
    struct ir_value *v = irb_const_f32(&n->b, 0);
    struct ir_type want;
    int rank;
    if (node_has_attr(n, "value")) {
        const struct tensor *t = node_tensor(n, "value");
        if (!t || tensor_elems(t) != 1)
            return node_error(n, DIAG_ONNX_ATTR, "value must be a tensor of one element");
        v = irb_reshape(&n->b, irb_const(&n->b, t, NULL), NULL, 0);
    }
    bool known = node_is_known(n, 0);
    if (!known && !node_declared_whole(n, 0, &want))
        return extents_broadcast(n, v, 0);
    const int64_t *dim = known ? node_const_ints(n, 0, &rank) : runtime_shape(n, &rank);
    if (!dim)
        return false;
    if (rank > IR_MAX_RANK)
        return node_error(n, DIAG_LIMIT, "rank %d, at most %d is supported", rank, IR_MAX_RANK);
    if (dims_elems(dim, rank) < 0)
        return node_error(n, DIAG_ONNX_SHAPE, "a negative or far too large extent in the shape");
    return node_bind(n, 0, irb_broadcast(&n->b, v, dim, rank));
}

bool import_Shape(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    int64_t start = node_int(n, "start", 0), end = node_int(n, "end", x->rank);
    start = start < 0 ? start + x->rank : start;
    end = end < 0 ? end + x->rank : end;
    start = start < 0 ? 0 : start > x->rank ? x->rank : start;
    end = end < start ? start : end > x->rank ? x->rank : end;
    return node_bind(n, 0, node_extents(n, n->in[0], (int)start, (int)end));
}

bool import_Size(struct import_node *n)
{
    int64_t axes[IR_MAX_RANK];
    return node_bind(n, 0,
                     node_count(n, n->in[0], axes, node_axes_from(0, n->in[0]->type.rank, axes)));
}

#define RANGE_MAX (INT64_C(1) << 26)

static bool range_length(struct import_node *n, double first, double limit, double delta,
                         int64_t *len)
{
    double count = ceil((limit - first) / delta);
    if (!(delta != 0) || isnan(count) || count > (double)RANGE_MAX)
        return node_error(n, DIAG_ONNX_SHAPE, "from %g to %g in steps of %g is no range", first,
                          limit, delta);
    *len = count > 0 ? (int64_t)count : 0;
    return true;
}

static void fill_range(struct tensor *t, const struct tensor *first, const struct tensor *delta)
{
    int64_t len = t->dim[0];
    for (int64_t i = 0; i < len; i++) {
        double f = tensor_get_double(first, 0) + (double)i * tensor_get_double(delta, 0);
        int64_t v = dtype_is_int(t->dtype)
                        ? (int64_t)((uint64_t)tensor_get_int(first, 0) +
                                    (uint64_t)i * (uint64_t)tensor_get_int(delta, 0))
                        : 0;
        switch (t->dtype) {
        case DT_F32: ((float *)t->data)[i] = (float)f; break;
        case DT_F64: ((double *)t->data)[i] = f; break;
        case DT_I16: ((int16_t *)t->data)[i] = (int16_t)v; break;
        case DT_I32: ((int32_t *)t->data)[i] = (int32_t)v; break;
        default: ((int64_t *)t->data)[i] = v; break;
        }
    }
}

// The type in which narrow floats count; they are rounded at the end.
static bool range_stash(struct import_node *n, enum dtype *t)
{
    int64_t onnx = node_int(n, "stash_type", 1);
    return (dtype_by_onnx(onnx, t) && (*t == DT_F32 || *t == DT_F64)) ||
           node_error(n, DIAG_ONNX_ATTR, "stash_type is %lld; 1 (float) and 11 (double) are known",
                      (long long)onnx);
}

bool import_Range(struct import_node *n)
{
    enum dtype stash;
    if (!range_stash(n, &stash))
        return false;
    for (int i = 0; i < 3; i++)
        if (!node_is_known(n, i))
            return runtime_range(n);
    const struct tensor *first = node_const(n, 0), *limit = node_const(n, 1),
                        *delta = node_const(n, 2);
    if (!first || !limit || !delta)
        return false;
    if (tensor_elems(first) != 1 || tensor_elems(limit) != 1 || tensor_elems(delta) != 1)
        return node_error(n, DIAG_ONNX_SHAPE, "start, limit and delta must be scalars");
    enum dtype t = first->dtype, narrow = t;
    t = t == DT_F16 || t == DT_BF16 ? stash : t;
    if (t != DT_F32 && t != DT_F64 && t != DT_I16 && t != DT_I32 && t != DT_I64)
        return node_error(n, DIAG_ONNX_TYPE, "a range of %s", dtype_text(t));
    int64_t len;
    if (!range_length(n, tensor_get_double(first, 0), tensor_get_double(limit, 0),
                      tensor_get_double(delta, 0), &len))
        return false;
    struct tensor *out = tensor_create(n->arena, t, &len, 1);
    fill_range(out, first, delta);
    struct ir_value *v = irb_const(&n->b, out, NULL);
    return node_bind(n, 0, narrow == t ? v : irb_convert(&n->b, v, narrow, false));
}

static bool cast_type(struct import_node *n, int64_t onnx, enum dtype *out)
{
    return dtype_by_onnx(onnx, out) ||
           node_error(n, DIAG_ONNX_ATTR, "%lld is no element type", (long long)onnx);
}

// round_mode of a conversion to f8e8m0, as the IR's `round`: floor is down, ceil is up.
static bool power_rounding(struct import_node *n, int64_t *out)
{
    static const char *const modes[] = {"nearest", "down", "up"};
    const char *mode = node_str(n, "round_mode", "up");
    *out = 0;
    while (*out < 3)
        if (strcmp(mode, modes[(*out)++]) == 0)
            return true;
    return node_error(n, DIAG_ONNX_ATTR, "round_mode '%s'; up, down and nearest are known", mode);
}

static bool cast(struct import_node *n, enum dtype to)
{
    int64_t round;
    struct ir_value *x = n->in[0];
    if (to == DT_STR)
        return node_bind(n, 0, x->type.dtype == DT_STR ? x : string_format(n, x));
    if (x->type.dtype == DT_STR)
        x = string_parse(n, x, to);
    if (x && x->type.dtype == to)
        return node_bind(n, 0, x);
    struct ir_value *v =
        x ? irb_convert(&n->b, x, to, node_int(n, "saturate", 1) != 0 && dtype_is_float(to)) : NULL;
    if (!v || !power_rounding(n, &round))
        return false;
    if (to == DT_F8E8M0)
        ir_set_int(v->def, IR_A_round, round);
    return node_bind(n, 0, v);
}

bool import_Cast(struct import_node *n)
{
    enum dtype to;
    return cast_type(n, node_int(n, "to", 0), &to) && cast(n, to);
}

bool import_CastLike(struct import_node *n)
{
    return cast(n, n->in[1]->type.dtype);
}

bool import_BitCast(struct import_node *n)
{
    enum dtype to;
    return cast_type(n, node_int(n, "to", 0), &to) &&
           node_bind(n, 0, irb_bitcast(&n->b, n->in[0], to));
}

// Ones where column - row = k: comparison of two index vectors.
bool import_EyeLike(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    enum dtype t = x->dtype;
    if (x->rank != 2)
        return node_error(n, DIAG_ONNX_SHAPE, "the operand %s must be a matrix",
                          ir_type_text(x, n->arena));
    if (node_has_attr(n, "dtype") && !cast_type(n, node_int(n, "dtype", 0), &t))
        return false;
    int64_t k = node_int(n, "k", 0), column[2] = {x->dim[0], 1};
    struct ir_value *rows = irb_reshape(&n->b, node_iota(n, x->dim[0], 1), column, 2);
    rows = irb_binary(&n->b, BFN_add, rows, irb_const_i64s(&n->b, &k, 1));
    struct ir_value *cols = node_iota(n, x->dim[1], 1);
    return node_bind(n, 0, irb_convert(&n->b, irb_binary(&n->b, BFN_eq, rows, cols), t, false));
}

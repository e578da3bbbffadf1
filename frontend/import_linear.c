// QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear: scale and zero point per tensor,
// along an axis, or per block along one.
#include "import_util.h"

static const char *const role[] = {"x", "scale", "zero point"};

// One number for every block_size elements along axis: each repeated so often.
static struct ir_value *over_blocks(struct import_node *n, int i, int64_t axis, int64_t size)
{
    const struct ir_type *x = &n->in[0]->type, *v = &n->in[i]->type;
    bool fits = size > 0 && size <= INT32_MAX && v->rank == x->rank &&
                v->dim[axis] == (x->dim[axis] + size - 1) / size;
    for (int k = 0; fits && k < x->rank; k++)
        fits = k == axis || v->dim[k] == x->dim[k];
    if (!fits) {
        node_error(n, DIAG_ONNX_SHAPE,
                   "%s '%s' is %s and x is %s; with block_size %lld one number for every block "
                   "along axis %lld is needed",
                   role[i], node_input_name(n, i), node_type_text(n, i), node_type_text(n, 0),
                   (long long)size, (long long)axis);
        return NULL;
    }
    return irb_gather(&n->b, n->in[i], node_iota(n, x->dim[axis], size), axis);
}

// A scale or zero point as it broadcasts over x.
static struct ir_value *over_axis(struct import_node *n, int i)
{
    const struct ir_type *x = &n->in[0]->type;
    struct ir_value *v = n->in[i];
    int64_t axis, block = node_int(n, "block_size", 0);
    if (v->type.rank == 0 || (block == 0 && ir_type_elems(&v->type) == 1))
        return v->type.rank == 0 ? v : irb_reshape(&n->b, v, NULL, 0);
    if (!node_axis(n, node_int(n, "axis", 1), x->rank, &axis))
        return NULL;
    if (block != 0)
        return over_blocks(n, i, axis, block);
    if (v->type.rank != 1 || v->type.dim[0] != x->dim[axis]) {
        node_error(n, DIAG_ONNX_SHAPE,
                   "%s '%s' is %s; one number, or one for each of %lld along axis %lld, is needed",
                   role[i], node_input_name(n, i), node_type_text(n, i), (long long)x->dim[axis],
                   (long long)axis);
        return NULL;
    }
    return node_along_axis(n, v, x->rank, (int)axis);
}

static bool type_attr(struct import_node *n, const char *name, enum dtype *t)
{
    int64_t onnx = node_int(n, name, 0);
    return onnx == 0 || dtype_by_onnx(onnx, t) ||
           node_error(n, DIAG_ONNX_ATTR, "%s %lld is no element type", name, (long long)onnx);
}

static bool is_zero(const struct ir_value *v)
{
    const struct tensor *t = ir_const_data(v);
    if (!t)
        return false;
    for (int64_t i = 0, num = tensor_elems(t); i < num; i++)
        if (tensor_get_double(t, i) != 0)
            return false;
    return true;
}

struct ir_value *node_centred(struct import_node *n, struct ir_value *x, struct ir_value *zero)
{
    enum dtype t = dtype_is_float(x->type.dtype)         ? DT_F32
                   : dtype_info[x->type.dtype].bits <= 8 ? DT_I16
                                                         : DT_I32;
    bool shifted = zero && !is_zero(zero);
    if (!shifted)
        return t == DT_F32 ? node_convert(n, x, t) : x;
    return irb_binary(&n->b, BFN_sub, node_convert(n, x, t), node_convert(n, zero, t));
}

bool import_DequantizeLinear(struct import_node *n)
{
    struct ir_value *x = n->in[0], *zero = NULL, *scale;
    enum dtype t = n->in[1]->type.dtype;
    if (!type_attr(n, "output_dtype", &t) || !(scale = over_axis(n, 1)) ||
        (node_in(n, 2) && !(zero = over_axis(n, 2))))
        return false;
    if (zero)
        x = node_centred(n, x, zero);
    enum dtype wide = node_wide_type(scale->type.dtype);
    return node_bind(n, 0,
                     node_convert(n,
                                  irb_binary(&n->b, BFN_mul, node_convert(n, x, wide),
                                             node_convert(n, scale, wide)),
                                  t));
}

struct ir_value *node_quantised(struct import_node *n, struct ir_value *x, struct ir_value *zero,
                                enum dtype t, bool saturate)
{
    if (!x)
        return NULL;
    // Sums with the zero point need more bits than narrow floats have.
    enum dtype wide = node_wide_type(x->type.dtype);
    if (dtype_is_int(t))
        x = irb_unary(&n->b, UFN_round, x);
    x = node_convert(n, x, wide);
    if (zero)
        x = irb_binary(&n->b, BFN_add, x, node_convert(n, zero, wide));
    return x ? irb_convert(&n->b, x, t, dtype_is_int(t) || saturate) : NULL;
}

// The type in which x is divided by the scale. Integers are divided as doubles.
static bool division_type(struct import_node *n, enum dtype *t)
{
    *t = n->in[1]->type.dtype;
    if (!type_attr(n, "precision", t))
        return false;
    if (!dtype_is_float(*t))
        *t = DT_F64;
    else if (dtype_info[*t].bits < 16)
        *t = DT_F32;
    return true;
}

bool import_QuantizeLinear(struct import_node *n)
{
    struct ir_value *zero = NULL, *scale, *x = n->in[0];
    enum dtype t = node_in(n, 2) ? n->in[2]->type.dtype : DT_U8, asked = t, by;
    if (!type_attr(n, "output_dtype", &asked) || !division_type(n, &by))
        return false;
    if (node_in(n, 2) && asked != t)
        return node_error(n, DIAG_ONNX_ATTR, "output_dtype is %s and the zero point is %s",
                          dtype_text(asked), dtype_text(t));
    if (!(scale = over_axis(n, 1)) || (node_in(n, 2) && !(zero = over_axis(n, 2))))
        return false;
    x = irb_binary(&n->b, BFN_div, node_convert(n, x, by), node_convert(n, scale, by));
    return node_bind(n, 0, node_quantised(n, x, zero, asked, node_int(n, "saturate", 1) != 0));
}

// The largest (fn max) or smallest element, or 0 where that lies beyond.
static struct ir_value *end_of_range(struct import_node *n, enum reduce_fn reduce,
                                     enum binary_fn fn)
{
    int64_t axes[IR_MAX_RANK];
    int num = node_axes_from(0, n->in[0]->type.rank, axes);
    return node_with_scalar(n, fn, irb_reduce(&n->b, reduce, n->in[0], axes, num, false), 0);
}

bool import_DynamicQuantizeLinear(struct import_node *n)
{
    struct ir_value *low = end_of_range(n, RFN_min, BFN_min),
                    *high = end_of_range(n, RFN_max, BFN_max);
    struct ir_value *scale =
        node_with_scalar(n, BFN_div, irb_binary(&n->b, BFN_sub, high, low), 255);
    struct ir_value *zero = node_scalar_with(n, BFN_sub, 0, irb_binary(&n->b, BFN_div, low, scale));
    zero = node_quantised(n, zero, NULL, DT_U8, true);
    struct ir_value *y =
        node_quantised(n, irb_binary(&n->b, BFN_div, n->in[0], scale), zero, DT_U8, true);
    return node_bind(n, 0, y) && node_bind(n, 1, scale) && node_bind(n, 2, zero);
}

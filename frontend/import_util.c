#include "import_util.h"

struct ir_value *node_convert(struct import_node *n, struct ir_value *x, enum dtype to)
{
    return !x || x->type.dtype == to ? x : irb_convert(&n->b, x, to, false);
}

struct ir_value *node_with_scalar(struct import_node *n, enum binary_fn fn, struct ir_value *x,
                                  double v)
{
    return x ? irb_binary(&n->b, fn, x, irb_const_like(&n->b, x->type.dtype, v)) : NULL;
}

struct ir_value *node_scalar_with(struct import_node *n, enum binary_fn fn, double v,
                                  struct ir_value *x)
{
    return x ? irb_binary(&n->b, fn, irb_const_like(&n->b, x->type.dtype, v), x) : NULL;
}

enum dtype node_wide_type(enum dtype t)
{
    return dtype_is_float(t) && dtype_info[t].bits < 32 ? DT_F32 : t;
}

int node_axes_from(int first, int rank, int64_t *axes)
{
    int num = 0;
    for (int i = first; i < rank; i++)
        axes[num++] = i;
    return num;
}

int64_t node_axes_elems(const struct ir_value *x, const int64_t *axes, int num)
{
    int64_t dim[IR_MAX_RANK];
    for (int i = 0; i < num; i++)
        dim[i] = x->type.dim[axes[i]];
    return dims_elems(dim, num);
}

struct ir_value *node_mean(struct import_node *n, struct ir_value *x, const int64_t *axes, int num,
                           bool keep)
{
    if (!x)
        return NULL;
    double count = (double)node_axes_elems(x, axes, num);
    return node_with_scalar(n, BFN_div, irb_reduce(&n->b, RFN_sum, x, axes, num, keep), count);
}

struct ir_value *node_standardise(struct import_node *n, struct ir_value *x, const int64_t *axes,
                                  int num, double epsilon, struct ir_value **mean,
                                  struct ir_value **inv_std)
{
    struct ir_builder *b = &n->b;
    struct ir_value *m = node_mean(n, x, axes, num, true);
    struct ir_value *centred = irb_binary(b, BFN_sub, x, m);
    struct ir_value *variance =
        node_mean(n, irb_binary(b, BFN_mul, centred, centred), axes, num, true);
    struct ir_value *inv = irb_unary(
        b, UFN_reciprocal, irb_unary(b, UFN_sqrt, node_with_scalar(n, BFN_add, variance, epsilon)));
    if (mean)
        *mean = m;
    if (inv_std)
        *inv_std = inv;
    return irb_binary(b, BFN_mul, centred, inv);
}

struct ir_value *node_along_axis(struct import_node *n, struct ir_value *v, int rank, int axis)
{
    int64_t dim[IR_MAX_RANK];
    if (!v)
        return NULL;
    if (v->type.rank != 1) {
        node_error(n, DIAG_ONNX_SHAPE, "'%s' is %s, a vector is needed", v->name,
                   ir_type_text(&v->type, n->arena));
        return NULL;
    }
    for (int i = axis + 1; i < rank; i++)
        dim[i - axis] = 1;
    dim[0] = v->type.dim[0];
    return rank - axis == 1 ? v : irb_reshape(&n->b, v, dim, rank - axis);
}

#define IOTA_MAX (INT64_C(1) << 24)

struct ir_value *node_iota(struct import_node *n, int64_t count, int64_t repeat)
{
    if (count < 0 || count > IOTA_MAX) {
        node_error(n, DIAG_LIMIT, "%lld positions, at most %lld are handled", (long long)count,
                   (long long)IOTA_MAX);
        return NULL;
    }
    struct tensor *t = tensor_create(n->arena, DT_I64, &count, 1);
    for (int64_t i = 0; i < count; i++)
        ((int64_t *)t->data)[i] = i / repeat;
    return irb_const(&n->b, t, NULL);
}

const char *node_type_text(struct import_node *n, int input)
{
    const struct ir_value *v = node_in(n, input);
    return v ? ir_type_text(&v->type, n->arena) : "absent";
}

bool node_check_rank(struct import_node *n, int input, int low, int high)
{
    int rank = n->in[input]->type.rank;
    if (rank >= low && rank <= high)
        return true;
    return node_error(n, DIAG_ONNX_SHAPE, "input %d '%s' is %s; rank %d to %d is needed", input,
                      node_input_name(n, input), node_type_text(n, input), low, high);
}

bool node_scalar_value(const struct ir_value *v, double *out)
{
    const struct tensor *t = v ? ir_const_data(v) : NULL;
    if (!t || tensor_elems(t) != 1 || dtype_info[t->dtype].kind == DTK_S ||
        dtype_info[t->dtype].kind == DTK_C)
        return false;
    *out = tensor_get_double(t, 0);
    return true;
}

struct ir_value *node_index(struct import_node *n, struct ir_value *v, int64_t extent)
{
    v = node_convert(n, v, DT_I64);
    if (!v)
        return NULL;
    struct ir_value *from_end = node_with_scalar(n, BFN_add, v, (double)extent);
    return irb_select(&n->b, node_with_scalar(n, BFN_lt, v, 0), from_end, v);
}

struct ir_value *node_filled(struct import_node *n, enum dtype t, double v, const int64_t *dim,
                             int rank)
{
    return irb_broadcast(&n->b, irb_const_like(&n->b, t, v), dim, rank);
}

struct ir_value *node_numbers(struct import_node *n, enum dtype t, const double *v,
                              const int64_t *dim, int rank)
{
    struct tensor *wide = tensor_create(n->arena, DT_F64, dim, rank);
    int64_t count = tensor_elems(wide);
    for (int64_t i = 0; i < count; i++)
        ((double *)wide->data)[i] = v[i];
    return node_convert(n, irb_const(&n->b, wide, NULL), t);
}

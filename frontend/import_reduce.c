// Reductions: ReduceMean, Sum, Max, Min, Prod, L1, L2, LogSum, LogSumExp, SumSquare, and ArgMax,
// ArgMin.
#include "import_util.h"

struct reduce_args {
    int64_t axes[IR_MAX_RANK];
    int num; // 0: nothing is reduced (noop_with_empty_axes)
    bool keep;
};

// Axes are an attribute before opset 18 (13 for ReduceSum), then an input; none means all, or
// nothing with noop_with_empty_axes.
static bool read_reduce(struct import_node *n, struct reduce_args *r)
{
    const struct ir_type *x = &n->in[0]->type;
    int given;
    const int64_t *axes = node_ints(n, "axes", &given);
    uint32_t mask = 0;
    if (node_in(n, 1) && !(axes = node_const_ints(n, 1, &given)))
        return false;
    *r = (struct reduce_args){.keep = node_int(n, "keepdims", 1) != 0};
    for (int i = 0; i < given; i++) {
        int64_t axis;
        if (!node_axis(n, axes[i], x->rank, &axis))
            return false;
        mask |= 1u << axis;
    }
    if (given == 0 && node_int(n, "noop_with_empty_axes", 0) == 0)
        mask = (1u << x->rank) - 1;
    for (int i = 0; i < x->rank; i++)
        if (mask >> i & 1)
            r->axes[r->num++] = i;
    return true;
}

static struct ir_value *reduce(struct import_node *n, enum reduce_fn fn, struct ir_value *x,
                               const struct reduce_args *r)
{
    return r->num == 0 ? x : irb_reduce(&n->b, fn, x, r->axes, r->num, r->keep);
}

static struct ir_value *square(struct import_node *n, struct ir_value *x)
{
    return irb_binary(&n->b, BFN_mul, x, x);
}

// The operand in a type whose sums do not overflow where the result does not.
static struct ir_value *wide(struct import_node *n)
{
    return node_convert(n, n->in[0], node_wide_type(n->in[0]->type.dtype));
}

// The operand in a float type; integers become doubles, and results are truncated.
static struct ir_value *real(struct import_node *n)
{
    return dtype_is_float(n->in[0]->type.dtype) ? wide(n) : node_convert(n, n->in[0], DT_F64);
}

static bool bind_narrow(struct import_node *n, struct ir_value *v)
{
    return node_bind(n, 0, node_convert(n, v, n->in[0]->type.dtype));
}

static bool reduce_plain(struct import_node *n, enum reduce_fn fn)
{
    struct reduce_args r;
    return read_reduce(n, &r) && node_bind(n, 0, reduce(n, fn, n->in[0], &r));
}

// Bool operands reduce as logic.
static bool reduce_order(struct import_node *n, enum reduce_fn fn, enum reduce_fn logic)
{
    return reduce_plain(n, n->in[0]->type.dtype == DT_BOOL ? logic : fn);
}

bool import_ReduceSum(struct import_node *n)
{
    return reduce_plain(n, RFN_sum);
}

bool import_ReduceProd(struct import_node *n)
{
    return reduce_plain(n, RFN_prod);
}

bool import_ReduceMax(struct import_node *n)
{
    return reduce_order(n, RFN_max, RFN_or);
}

bool import_ReduceMin(struct import_node *n)
{
    return reduce_order(n, RFN_min, RFN_and);
}

bool import_ReduceMean(struct import_node *n)
{
    struct reduce_args r;
    if (!read_reduce(n, &r))
        return false;
    if (r.num == 0)
        return node_bind(n, 0, n->in[0]);
    return bind_narrow(n, node_mean(n, wide(n), r.axes, r.num, r.keep));
}

bool import_ReduceL1(struct import_node *n)
{
    struct reduce_args r;
    return read_reduce(n, &r) &&
           node_bind(n, 0, reduce(n, RFN_sum, irb_unary(&n->b, UFN_abs, n->in[0]), &r));
}

// Integers take the square root in double and are truncated, as the reference does.
bool import_ReduceL2(struct import_node *n)
{
    struct reduce_args r;
    if (!read_reduce(n, &r))
        return false;
    struct ir_value *sum = reduce(n, RFN_sum, square(n, wide(n)), &r);
    if (!dtype_is_float(n->in[0]->type.dtype))
        sum = node_convert(n, sum, DT_F64);
    return bind_narrow(n, irb_unary(&n->b, UFN_sqrt, sum));
}

bool import_ReduceSumSquare(struct import_node *n)
{
    struct reduce_args r;
    return read_reduce(n, &r) && node_bind(n, 0, reduce(n, RFN_sum, square(n, n->in[0]), &r));
}

bool import_ReduceLogSum(struct import_node *n)
{
    struct reduce_args r;
    return read_reduce(n, &r) &&
           bind_narrow(n, irb_unary(&n->b, UFN_log, reduce(n, RFN_sum, real(n), &r)));
}

// log(sum(exp(x - m))) + m with m the largest, 0 where that is not finite, so that nothing
// overflows.
bool import_ReduceLogSumExp(struct import_node *n)
{
    struct reduce_args r;
    struct ir_builder *b = &n->b;
    struct ir_value *x = real(n);
    if (!x || !read_reduce(n, &r))
        return false;
    if (r.num == 0)
        return bind_narrow(n, irb_unary(b, UFN_log, irb_unary(b, UFN_exp, x)));
    struct ir_value *zero = irb_const_like(b, x->type.dtype, 0);
    struct ir_value *most = irb_reduce(b, RFN_max, x, r.axes, r.num, true);
    most = irb_select(b, irb_unary(b, UFN_isinf, most), zero, most);
    struct ir_value *sum =
        reduce(n, RFN_sum, irb_unary(b, UFN_exp, irb_binary(b, BFN_sub, x, most)), &r);
    struct ir_value *log = irb_unary(b, UFN_log, sum);
    if (!log || !most)
        return false;
    return bind_narrow(
        n, irb_binary(b, BFN_add, log, irb_reshape(b, most, log->type.dim, log->type.rank)));
}

// select_last_index: the last of equal elements is the first of the reversed operand.
static bool import_arg(struct import_node *n, enum reduce_fn fn)
{
    const struct ir_type *x = &n->in[0]->type;
    struct ir_value *v = n->in[0];
    int64_t axis, starts[IR_MAX_RANK] = {0}, steps[IR_MAX_RANK];
    bool last = node_int(n, "select_last_index", 0) != 0;
    if (!node_axis(n, node_int(n, "axis", 0), x->rank, &axis))
        return false;
    if (last) {
        for (int i = 0; i < x->rank; i++)
            steps[i] = 1;
        starts[axis] = x->dim[axis] - 1;
        steps[axis] = -1;
        v = irb_slice(&n->b, v, starts, x->dim, steps);
    }
    v = irb_reduce(&n->b, fn, v, &axis, 1, node_int(n, "keepdims", 1) != 0);
    if (last)
        v = irb_binary(&n->b, BFN_sub, irb_const_like(&n->b, DT_I64, (double)(x->dim[axis] - 1)),
                       v);
    return node_bind(n, 0, v);
}

bool import_ArgMax(struct import_node *n)
{
    return import_arg(n, RFN_argmax);
}

bool import_ArgMin(struct import_node *n)
{
    return import_arg(n, RFN_argmin);
}

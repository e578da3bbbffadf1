// Reductions: ReduceMean, Sum, Max, Min, Prod, L1, L2, LogSum, LogSumExp, SumSquare, and ArgMax,
// ArgMin.
#include "import_open.h"

struct reduce_args {
    int64_t axes[IR_MAX_RANK];
    int num; // 0: nothing is reduced (noop_with_empty_axes)
    bool keep;
    // Axes known only at run time: whether each is among them; results then have the extents of the
    // operand, all elements along such an axis alike.
    struct ir_value *named;
};
// The result for these axes, of the operand's type.
typedef struct ir_value *reduce_fn_body(struct import_node *n, const struct reduce_args *r);

static void set_axes(struct reduce_args *r, uint32_t mask)
{
    r->num = 0;
    for (int i = 0; i < IR_MAX_RANK; i++)
        if (mask >> i & 1)
            r->axes[r->num++] = i;
}

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
    for (int i = 0; i < given; i++) {
        int64_t axis;
        if (!node_axis(n, axes[i], x->rank, &axis))
            return false;
        mask |= 1u << axis;
    }
    if (given == 0 && node_int(n, "noop_with_empty_axes", 0) == 0)
        mask = (1u << x->rank) - 1;
    set_axes(r, mask);
    return true;
}

// Whether reducing x over the axes gives the declared extents, as far as there are any.
static bool gives(const struct ir_type *x, uint32_t mask, bool keep, const struct ir_type *want)
{
    int rank = 0;
    for (int i = 0; i < x->rank; i++) {
        bool gone = mask >> i & 1;
        if (gone && !keep)
            continue;
        int64_t dim = gone ? 1 : x->dim[i];
        if (want && (rank >= want->rank || (want->dim[rank] >= 0 && want->dim[rank] != dim)))
            return false;
        rank++;
    }
    return !want || rank == want->rank;
}

// Axes known only at run time, nothing declared: one after the other, each where it is named.
static struct ir_value *reduce_open(struct import_node *n, reduce_fn_body *body, bool keep)
{
    int num = (int)ir_type_elems(&n->in[1]->type);
    struct reduce_args r = {.num = num, .keep = true};
    const struct ir_type *x = &n->in[0]->type;
    for (int d = 0; d < x->rank;
         d++) // what is reduced to the neutral element has no place of its own
        if (x->sym[d] &&
            !irb_check(&n->b, irb_binary(&n->b, BFN_lt, node_i64(n, 0), x->sym[d]),
                       "an operand without elements is reduced over axes known only at run time"))
            return NULL;
    r.named = open_named_axes(n, 1, n->in[0]->type.rank);
    return r.named ? open_reduced(n, body(n, &r), r.named, num, keep) : NULL;
}

// Axes known only at run time: the result for every set of so many axes that fits what is
// declared, and a selection among them.
static struct ir_value *reduce_chosen(struct import_node *n, reduce_fn_body *body, bool keep)
{
    const struct ir_type *x = &n->in[0]->type;
    struct ir_value *axes = node_vector(n, 1), *results[AXES_SETS_MAX];
    struct ir_type want;
    struct axes_sets all, fits = {.num = 0};
    bool declared = node_declared(n, 0, &want);
    if (!axes)
        return NULL;
    if (ir_type_is_dynamic(x))
        return reduce_open(n, body, keep);
    axes_sets_all(&all, x->rank, axes->type.dim[0] > x->rank ? -1 : (int)axes->type.dim[0]);
    for (int k = 0; k < all.num; k++) {
        struct reduce_args r = {.keep = keep};
        if (!gives(x, all.mask[k], keep, declared ? &want : NULL))
            continue;
        set_axes(&r, all.mask[k]);
        struct ir_value *v = body(n, &r);
        if (!v)
            return NULL;
        if (fits.num > 0 && !ir_type_equal(&v->type, &results[0]->type))
            return reduce_open(n, body, keep);
        results[fits.num] = v;
        fits.mask[fits.num++] = all.mask[k];
    }
    return node_choose(n, node_axes_mask(n, 1, x->rank), &fits, results, 1);
}

static bool import_reduction(struct import_node *n, reduce_fn_body *body)
{
    struct reduce_args r = {.keep = node_int(n, "keepdims", 1) != 0};
    const struct ir_value *axes = node_in(n, 1);
    if (!node_is_known(n, 1) && ir_type_elems(&axes->type) > 0)
        return node_bind(n, 0, reduce_chosen(n, body, r.keep));
    if (axes && ir_type_elems(&axes->type) == 0)
        set_axes(&r,
                 node_int(n, "noop_with_empty_axes", 0) == 0 ? (1u << n->in[0]->type.rank) - 1 : 0);
    else if (!read_reduce(n, &r))
        return false;
    return node_bind(n, 0, body(n, &r));
}

static struct ir_value *reduce(struct import_node *n, enum reduce_fn fn, struct ir_value *x,
                               const struct reduce_args *r)
{
    struct ir_builder *b = &n->b;
    if (!r->named || !x)
        return r->num == 0 ? x : irb_reduce(b, fn, x, r->axes, r->num, r->keep);
    for (int64_t axis = 0, rank = x->type.rank; axis < rank && x; axis++) {
        struct ir_value *all = irb_reduce(b, fn, x, &axis, 1, true);
        if (x->type.dim[axis] == 0) { // room for the one element that may become of none
            x = all;
            continue;
        }
        x = irb_select(b, node_element(n, r->named, axis), all, x);
    }
    return x;
}

// The number of elements that become one.
static struct ir_value *reduced_count(struct import_node *n, const struct reduce_args *r,
                                      enum dtype t)
{
    const struct ir_type *x = &n->in[0]->type;
    const int64_t first = 0;
    struct ir_value *each =
        irb_select(&n->b, r->named, node_extents(n, n->in[0], 0, x->rank), node_i64(n, 1));
    return node_convert(n, irb_reduce(&n->b, RFN_prod, each, &first, 1, false), t);
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

static struct ir_value *narrow(struct import_node *n, struct ir_value *v)
{
    return node_convert(n, v, n->in[0]->type.dtype);
}

static struct ir_value *reduce_sum(struct import_node *n, const struct reduce_args *r)
{
    return reduce(n, RFN_sum, n->in[0], r);
}

static struct ir_value *reduce_prod(struct import_node *n, const struct reduce_args *r)
{
    return reduce(n, RFN_prod, n->in[0], r);
}

// Bool operands reduce as logic.
static struct ir_value *reduce_max(struct import_node *n, const struct reduce_args *r)
{
    return reduce(n, n->in[0]->type.dtype == DT_BOOL ? RFN_or : RFN_max, n->in[0], r);
}

static struct ir_value *reduce_min(struct import_node *n, const struct reduce_args *r)
{
    return reduce(n, n->in[0]->type.dtype == DT_BOOL ? RFN_and : RFN_min, n->in[0], r);
}

static struct ir_value *reduce_mean(struct import_node *n, const struct reduce_args *r)
{
    struct ir_value *x = wide(n);
    if (r->named && x)
        return narrow(n, irb_binary(&n->b, BFN_div, reduce(n, RFN_sum, x, r),
                                    reduced_count(n, r, x->type.dtype)));
    return r->num == 0 ? n->in[0] : narrow(n, node_mean(n, x, r->axes, r->num, r->keep));
}

static struct ir_value *reduce_l1(struct import_node *n, const struct reduce_args *r)
{
    return reduce(n, RFN_sum, irb_unary(&n->b, UFN_abs, n->in[0]), r);
}

// Integers take the square root in double and are truncated, as the reference does.
static struct ir_value *reduce_l2(struct import_node *n, const struct reduce_args *r)
{
    struct ir_value *sum = reduce(n, RFN_sum, square(n, wide(n)), r);
    if (!dtype_is_float(n->in[0]->type.dtype))
        sum = node_convert(n, sum, DT_F64);
    return narrow(n, irb_unary(&n->b, UFN_sqrt, sum));
}

static struct ir_value *reduce_sum_square(struct import_node *n, const struct reduce_args *r)
{
    return reduce(n, RFN_sum, square(n, n->in[0]), r);
}

static struct ir_value *reduce_log_sum(struct import_node *n, const struct reduce_args *r)
{
    return narrow(n, irb_unary(&n->b, UFN_log, reduce(n, RFN_sum, real(n), r)));
}

// log(sum(exp(x - m))) + m with m the largest, 0 where that is not finite, so that nothing
// overflows.
static struct ir_value *reduce_log_sum_exp(struct import_node *n, const struct reduce_args *r)
{
    struct ir_builder *b = &n->b;
    struct ir_value *x = real(n);
    if (r->num == 0)
        return narrow(n, irb_unary(b, UFN_log, irb_unary(b, UFN_exp, x)));
    struct reduce_args beside = *r;
    beside.keep = true;
    struct ir_value *most = reduce(n, RFN_max, x, &beside);
    if (!most)
        return NULL;
    struct ir_value *zero = irb_const_like(b, x->type.dtype, 0);
    most = irb_select(b, irb_unary(b, UFN_isinf, most), zero, most);
    struct ir_value *sum =
        reduce(n, RFN_sum, irb_unary(b, UFN_exp, irb_binary(b, BFN_sub, x, most)), r);
    struct ir_value *log = irb_unary(b, UFN_log, sum);
    if (!log || !most)
        return NULL;
    return narrow(
        n, irb_binary(b, BFN_add, log, r->keep ? most : irb_reshape_to(b, most, &log->type)));
}

// clang-format off
bool import_ReduceL1(struct import_node *n) { return import_reduction(n, reduce_l1); }
bool import_ReduceL2(struct import_node *n) { return import_reduction(n, reduce_l2); }
bool import_ReduceLogSum(struct import_node *n) { return import_reduction(n, reduce_log_sum); }
bool import_ReduceLogSumExp(struct import_node *n) { return import_reduction(n, reduce_log_sum_exp); }
bool import_ReduceMax(struct import_node *n) { return import_reduction(n, reduce_max); }
bool import_ReduceMean(struct import_node *n) { return import_reduction(n, reduce_mean); }
bool import_ReduceMin(struct import_node *n) { return import_reduction(n, reduce_min); }
bool import_ReduceProd(struct import_node *n) { return import_reduction(n, reduce_prod); }
bool import_ReduceSum(struct import_node *n) { return import_reduction(n, reduce_sum); }
bool import_ReduceSumSquare(struct import_node *n) { return import_reduction(n, reduce_sum_square); }
// clang-format on

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

// Orders and running sums: TopK, CumSum, CumProd.
#include "import_extents.h"

static bool top_k(struct import_node *n, int64_t k)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type;
    int64_t axis, starts[IR_MAX_RANK] = {0}, sizes[IR_MAX_RANK], steps[IR_MAX_RANK];
    if (!node_axis(n, node_int(n, "axis", -1), x->rank, &axis))
        return false;
    if (k < 0 || k > x->dim[axis])
        return node_error(n, DIAG_ONNX_VALUE, "k is %lld, axis %lld has %lld elements",
                          (long long)k, (long long)axis, (long long)x->dim[axis]);
    for (int i = 0; i < x->rank; i++) {
        sizes[i] = i == axis ? k : x->dim[i];
        steps[i] = 1;
    }
    struct ir_value *where,
        *values = irb_sort(b, n->in[0], axis, node_int(n, "largest", 1) != 0, &where);
    return node_bind(n, 0, values ? irb_slice(b, values, starts, sizes, steps) : NULL) &&
           node_bind(n, 1, irb_slice(b, where, starts, sizes, steps));
}

bool import_TopKAttr(struct import_node *n)
{
    return top_k(n, node_int(n, "k", 0));
}

// K known only at run time: the extent that is declared, or one known only at run time.
static bool top_k_at_run_time(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    int64_t axis;
    if (!node_axis(n, node_int(n, "axis", -1), n->in[0]->type.rank, &axis))
        return false;
    int64_t declared = node_declared_extent(n, (int)axis);
    if (declared >= 0) {
        int64_t k = node_count_operand(n, 1, declared);
        return k >= 0 && top_k(n, k);
    }
    struct ir_value *k = node_scalar(n, 1), *extent = irb_extent_of(b, n->in[0], (int)axis);
    struct ir_value *fits = irb_binary(b, BFN_and, irb_binary(b, BFN_le, node_i64(n, 0), k),
                                       irb_binary(b, BFN_le, k, extent));
    if (!node_check(n, fits, 1, "the extent of the axis"))
        return false;
    struct ir_value *where,
        *values = irb_sort(b, n->in[0], axis, node_int(n, "largest", 1) != 0, &where);
    return node_bind(n, 0, irb_extent(b, values, k, axis)) &&
           node_bind(n, 1, values ? irb_extent(b, where, k, axis) : NULL);
}

bool import_TopK(struct import_node *n)
{
    int count;
    if (!node_is_known(n, 1))
        return top_k_at_run_time(n);
    const int64_t *k = node_const_ints(n, 1, &count);
    if (!k)
        return false;
    if (count != 1)
        return node_error(n, DIAG_ONNX_SHAPE, "K is %s, one number is needed",
                          node_type_text(n, 1));
    return top_k(n, k[0]);
}

static struct ir_value *running_along(struct import_node *n, enum reduce_fn fn, int64_t axis)
{
    return irb_scan(&n->b, fn, n->in[0], axis, node_int(n, "exclusive", 0) != 0,
                    node_int(n, "reverse", 0) != 0);
}

// Along every axis, and a selection, when the axis is known only at run time.
static bool running(struct import_node *n, enum reduce_fn fn)
{
    struct ir_value *results[IR_MAX_RANK];
    int count;
    int64_t axis;
    if (!node_is_known(n, 1)) {
        for (int a = 0; a < n->in[0]->type.rank; a++)
            results[a] = running_along(n, fn, a);
        return node_bind(n, 0, node_choose_axis(n, results, 1));
    }
    const int64_t *given = node_const_ints(n, 1, &count);
    if (!given)
        return false;
    if (count != 1)
        return node_error(n, DIAG_ONNX_SHAPE, "axis is %s, one number is needed",
                          node_type_text(n, 1));
    return node_axis(n, given[0], n->in[0]->type.rank, &axis) &&
           node_bind(n, 0, running_along(n, fn, axis));
}

bool import_CumSum(struct import_node *n)
{
    return running(n, RFN_sum);
}

bool import_CumProd(struct import_node *n)
{
    return running(n, RFN_prod);
}

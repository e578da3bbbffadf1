// Orders and running sums: TopK, CumSum, CumProd.
#include "import_util.h"

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

bool import_TopK(struct import_node *n)
{
    int count;
    const int64_t *k = node_const_ints(n, 1, &count);
    if (!k)
        return false;
    if (count != 1)
        return node_error(n, DIAG_ONNX_SHAPE, "K is %s, one number is needed",
                          node_type_text(n, 1));
    return top_k(n, k[0]);
}

static bool running(struct import_node *n, enum reduce_fn fn)
{
    int count;
    int64_t axis;
    const int64_t *given = node_const_ints(n, 1, &count);
    if (!given)
        return false;
    if (count != 1)
        return node_error(n, DIAG_ONNX_SHAPE, "axis is %s, one number is needed",
                          node_type_text(n, 1));
    if (!node_axis(n, given[0], n->in[0]->type.rank, &axis))
        return false;
    return node_bind(n, 0,
                     irb_scan(&n->b, fn, n->in[0], axis, node_int(n, "exclusive", 0) != 0,
                              node_int(n, "reverse", 0) != 0));
}

bool import_CumSum(struct import_node *n)
{
    return running(n, RFN_sum);
}

bool import_CumProd(struct import_node *n)
{
    return running(n, RFN_prod);
}

// Operators that pick elements: Gather, Where, OneHot.
#include "import_open.h"

bool import_Gather(struct import_node *n)
{
    int64_t axis;
    if (!node_axis(n, node_int(n, "axis", 0), n->in[0]->type.rank, &axis))
        return false;
    return node_bind(n, 0, irb_gather(&n->b, n->in[0], n->in[1], axis));
}

bool import_Where(struct import_node *n)
{
    return node_bind(n, 0, irb_select(&n->b, n->in[0], n->in[1], n->in[2]));
}

// The extent of the new axis: known when compiling, or declared and checked, or (*open) within
// *bound.
static bool one_hot_depth(struct import_node *n, int64_t axis, int64_t *bound,
                          struct ir_value **open)
{
    const struct tensor *t = node_known(n, 1);
    struct ir_type want;
    *open = NULL;
    *bound = t && tensor_elems(t) == 1 ? tensor_get_int(t, 0) : -1;
    if (!t && !node_declared_whole(n, 0, &want))
        return (*open = open_extent(n, 1, 1, bound)) != NULL;
    if (!t) {
        if (!node_expect_rank(n, &want, n->in[0]->type.rank + 1, n->in[0]->type.rank + 1))
            return false;
        *bound = want.dim[axis];
        struct ir_value *given = node_convert(n, node_scalar(n, 1), DT_I64);
        if (!node_check(n, irb_binary(&n->b, BFN_eq, given, node_i64(n, *bound)), 1,
                        "the extents that the model declares for the result"))
            return false;
    }
    return (*bound >= 1 && *bound <= INT32_MAX) ||
           node_error(n, DIAG_ONNX_SHAPE, "depth must be one positive number");
}

// A new axis of extent depth, 1 where the index (from the end when negative) equals the position.
bool import_OneHot(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    int64_t axis, dim[IR_MAX_RANK], shape[IR_MAX_RANK];
    if (!node_check_rank(n, 0, 0, IR_MAX_RANK - 1) ||
        !node_axis(n, node_int(n, "axis", -1), x->rank + 1, &axis))
        return false;
    int64_t depth;
    struct ir_value *open;
    if (!one_hot_depth(n, axis, &depth, &open))
        return false;
    if (ir_type_elems(&n->in[2]->type) != 2)
        return node_error(n, DIAG_ONNX_SHAPE, "values must have two elements");
    for (int i = 0, from = 0; i <= x->rank; i++) {
        shape[i] = i == axis ? depth : 1;
        dim[i] = i == axis ? 1 : x->dim[from++];
    }
    int64_t zero = 0, one = 1;
    struct ir_builder *b = &n->b;
    struct ir_value *index =
        irb_reshape(b, irb_convert(b, n->in[0], DT_I64, false), dim, x->rank + 1);
    struct ir_value *from_end = irb_binary(b, BFN_add, index, open ? open : node_i64(n, depth));
    index =
        irb_select(b, irb_binary(b, BFN_lt, index, irb_const_like(b, DT_I64, 0)), from_end, index);
    struct ir_value *hit =
        irb_binary(b, BFN_eq, index, irb_reshape(b, node_iota(n, depth, 1), shape, x->rank + 1));
    struct ir_value *off = irb_reshape(b, irb_slice(b, n->in[2], &zero, &one, &one), NULL, 0);
    struct ir_value *on = irb_reshape(b, irb_slice(b, n->in[2], &one, &one, &one), NULL, 0);
    struct ir_value *y = irb_select(b, hit, on, off);
    return node_bind(n, 0, open ? irb_extent(b, y, open, axis) : y);
}

// Result types of the ops that address by indices, scan and sort.
#include "infer.h"

static bool check_flag(const struct infer *in, enum ir_attr_id id)
{
    int64_t v = ir_int(in->op, id, 0);
    return v == 0 || v == 1 ||
           infer_bad_attr(in, "%s is %lld, not 0 or 1", ir_attr_text(id), (long long)v);
}

static bool check_index_type(const struct infer *in, int i)
{
    enum dtype t = infer_type(in, i)->dtype;
    return t == DT_I32 || t == DT_I64 ||
           infer_bad_type(in, "the indices are %s, i32 or i64 are needed", infer_text(in, i));
}

// Operand i has x's rank and, but along axis, at most its extents.
static bool check_inside(const struct infer *in, int i, int64_t axis)
{
    const struct ir_type *x = infer_type(in, 0), *t = infer_type(in, i);
    bool fits = t->rank == x->rank;
    for (int d = 0; fits && d < x->rank; d++)
        fits = d == axis || (t->dim[d] <= x->dim[d] && (!x->sym[d] || t->sym[d] == x->sym[d]));
    if (!fits)
        return infer_bad_shape(in, "%s does not lie inside %s but along axis %lld",
                               infer_text(in, i), infer_text(in, 0), (long long)axis);
    return ir_type_elems(t) == 0 || x->dim[axis] > 0 ||
           infer_bad_shape(in, "axis %lld of %s is empty, no index is possible", (long long)axis,
                           infer_text(in, 0));
}

bool ir_infer_GATHER_ELEMENTS(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0), *idx = infer_type(in, 1);
    int64_t axis = infer_axis(in, x->rank);
    return axis >= 0 && check_index_type(in, 1) && check_inside(in, 1, axis) &&
           infer_set_like(in, 0, x->dtype, idx);
}

bool ir_infer_SCATTER(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0), *idx = infer_type(in, 1), *u = infer_type(in, 2);
    int64_t axis = infer_axis(in, x->rank), fn = ir_int(in->op, IR_A_fn_reduce, -1);
    enum dtype t;
    if (axis < 0 || !check_index_type(in, 1) || !check_inside(in, 2, axis))
        return false;
    if (u->dtype != x->dtype)
        return infer_bad_type(in, "%s into %s; their element types differ", infer_text(in, 2),
                              infer_text(in, 0));
    bool fits = idx->rank == u->rank;
    for (int d = 0; fits && d < u->rank; d++)
        fits = (idx->dim[d] == u->dim[d] && idx->sym[d] == u->sym[d]) ||
               (idx->dim[d] == 1 && !idx->sym[d]);
    if (!fits)
        return infer_bad_shape(in, "indices %s do not broadcast to %s", infer_text(in, 1),
                               infer_text(in, 2));
    if (fn == RFN_argmax || fn == RFN_argmin)
        return infer_bad_attr(in, "%s does not combine elements", reduce_fn_info[fn].name);
    return (!ir_has_attr(in->op, IR_A_fn_reduce) || infer_reduce(in, &t)) &&
           infer_set_like(in, 0, x->dtype, x);
}

bool ir_infer_SCAN(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0);
    enum dtype t;
    if (infer_axis(in, x->rank) < 0 || !infer_reduce(in, &t) || !check_flag(in, IR_A_exclusive) ||
        !check_flag(in, IR_A_reverse))
        return false;
    int64_t fn = ir_int(in->op, IR_A_fn_reduce, -1);
    if (fn == RFN_argmax || fn == RFN_argmin)
        return infer_bad_attr(in, "%s has no running value", reduce_fn_info[fn].name);
    return infer_set_like(in, 0, t, x);
}

bool ir_infer_SORT(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0);
    if (infer_axis(in, x->rank) < 0 || !check_flag(in, IR_A_descending))
        return false;
    if (!dtype_is_float(x->dtype) && !dtype_is_int(x->dtype))
        return infer_bad_type(in, "there is no order on %s", infer_text(in, 0));
    return infer_set_like(in, 0, x->dtype, x) && infer_set_like(in, 1, DT_I64, x);
}

// Scans, sorts, gathers and scatters by element: one vector instruction each; a scatter copies its
// data first.
#include "emit.h"

enum { T_DST = 0, T_A = 1, T_B = 2, X_TMP = 5 };

static void add_own(struct emit_view *out, const struct ir_value *v, const struct emit_view *own,
                    int d)
{
    view_add(out, own->extent[d], own->stride[d]);
    view_same_extent(out, &v->type, d);
}

// The dense view of a value with dimension `axis` moved to the end.
static struct emit_view axis_last(const struct ir_value *v, int axis)
{
    struct emit_view own = view_of(v), out = view_at(own.base, own.dtype);
    for (int i = 0; i < own.rank; i++)
        if (i != axis)
            add_own(&out, v, &own, i);
    add_own(&out, v, &own, axis);
    return out;
}

bool select_SCAN(struct emit *e, const struct ir_op *op)
{
    int axis = (int)ir_int(op, IR_A_axis, 0);
    struct emit_view dst = axis_last(op->out[0], axis), src = axis_last(op->in[0], axis);
    emit_layer(e, op);
    emit_view(e, T_DST, &dst);
    emit_view(e, T_A, &src);
    EMIT(e, VSCAN, VSCAN, .td = T_DST, .ta = T_A, .fn = ir_int(op, IR_A_fn_reduce, 0),
         .excl = ir_int(op, IR_A_exclusive, 0), .rev = ir_int(op, IR_A_reverse, 0));
    return true;
}

bool select_SORT(struct emit *e, const struct ir_op *op)
{
    int axis = (int)ir_int(op, IR_A_axis, 0);
    struct emit_view dst = axis_last(op->out[0], axis), where = axis_last(op->out[1], axis),
                     src = axis_last(op->in[0], axis);
    emit_layer(e, op);
    emit_view(e, T_DST, &dst);
    emit_view(e, T_A, &src);
    emit_view(e, T_B, &where);
    EMIT(e, VSORT, VSORT, .td = T_DST, .tb = T_B, .ta = T_A,
         .desc = ir_int(op, IR_A_descending, 0));
    return true;
}

// The view of `v` over `extents`: dimension `axis` and those of extent 1 stand still.
static struct emit_view walked(const struct ir_value *v, const struct ir_type *extents, int axis)
{
    struct emit_view own = view_of(v), out = view_at(own.base, own.dtype);
    for (int i = 0; i < extents->rank; i++) {
        bool still = i == axis || (own.extent[i] == 1 && !own.sym[i]);
        view_add(&out, extents->dim[i], still ? 0 : own.stride[i]);
        view_same_extent(&out, extents, i);
    }
    return out;
}

static void emit_step(struct emit *e, const struct ir_value *moved, int axis)
{
    emit_extent(e, X_TMP, &moved->type, axis);
    EMIT(e, LI, LI, .rd = X_TMP + 1, .imm = view_of(moved).stride[axis]);
}

bool select_GATHER_ELEMENTS(struct emit *e, const struct ir_op *op)
{
    int axis = (int)ir_int(op, IR_A_axis, 0);
    const struct ir_type *t = &op->out[0]->type;
    struct emit_view v[3] = {view_of(op->out[0]), walked(op->in[0], t, axis), view_of(op->in[1])};
    views_merge(v, 3);
    emit_layer(e, op);
    for (int i = 0; i < 3; i++)
        emit_view(e, i, &v[i]);
    emit_step(e, op->in[0], axis);
    EMIT(e, VGATHER, VIDX, .td = T_DST, .ta = T_A, .tb = T_B, .xl = X_TMP, .xs = X_TMP + 1);
    return true;
}

bool select_SCATTER(struct emit *e, const struct ir_op *op)
{
    int axis = (int)ir_int(op, IR_A_axis, 0);
    int64_t fn = ir_int(op, IR_A_fn_reduce, -1);
    const struct ir_type *t = &op->in[2]->type;
    struct emit_view copy[2] = {view_of(op->out[0]), view_of(op->in[0])};
    views_merge(copy, 2);
    emit_layer(e, op);
    emit_view(e, T_DST, &copy[0]);
    emit_view(e, T_A, &copy[1]);
    EMIT(e, VMOV, V1, .td = T_DST, .ta = T_A);
    if (ir_type_elems(t) == 0)
        return true;
    struct emit_view v[3] = {walked(op->out[0], t, axis), view_of(op->in[2]),
                             walked(op->in[1], t, -1)};
    views_merge(v, 3);
    for (int i = 0; i < 3; i++)
        emit_view(e, i, &v[i]);
    emit_step(e, op->out[0], axis);
    EMIT(e, VSCATTER, VIDX, .td = T_DST, .ta = T_A, .tb = T_B, .fn = fn < 0 ? 0 : fn,
         .comb = fn >= 0, .xl = X_TMP, .xs = X_TMP + 1);
    return true;
}

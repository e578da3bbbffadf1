// Ops that move elements: copies between views. Constants emit nothing; a reshape that shares
// memory emits nothing.
#include "emit.h"
#include "minifloat.h"

enum { T_DST = 0, T_A = 1, T_B = 2, X_TMP = 5 };

static void emit_move(struct emit *e, struct emit_view dst, struct emit_view src)
{
    struct emit_view v[2] = {dst, src};
    if (src.num_axes == 0)
        views_merge(v, 2);
    emit_view(e, T_DST, &v[0]);
    emit_view(e, T_A, &v[1]);
    EMIT(e, VMOV, V1, .td = T_DST, .ta = T_A);
}

bool select_CONST(struct emit *e, const struct ir_op *op)
{
    (void)e;
    (void)op;
    return true; // its data lies in .rodata or .lanes
}

static bool has_gaps(const struct ir_type *t)
{
    for (int i = 1; i < t->rank; i++)
        if (t->sym[i])
            return true;
    return false;
}

// A reshape between a layout with gaps, where inner extents stay below their bounds, and elements
// one after the other.
static void copy_dense(struct emit *e, const struct ir_op *op)
{
    bool gather = has_gaps(&op->in[0]->type);
    const struct ir_value *wide = gather ? op->in[0] : op->out[0];
    struct emit_view v = view_of(wide);
    if (gather && has_gaps(&op->out[0]->type))
        bitlet_bug("reshape %%%s between two layouts with gaps", op->out[0]->name);
    emit_view(e, gather ? T_A : T_DST, &v);
    emit_dense_view(e, gather ? T_DST : T_A, gather ? op->out[0]->addr : op->in[0]->addr,
                    &wide->type);
    EMIT(e, VMOV, V1, .td = T_DST, .ta = T_A);
}

bool select_RESHAPE(struct emit *e, const struct ir_op *op)
{
    if (op->in[0]->addr == op->out[0]->addr)
        return true;
    emit_layer(e, op);
    if (ir_op_is_dynamic(op) && !ir_op_is_alias(op)) {
        copy_dense(e, op);
        return true;
    }
    struct emit_view src = view_of(op->out[0]);
    src.base = op->in[0]->addr;
    emit_move(e, view_of(op->out[0]), src);
    return true;
}

bool select_EXTENT(struct emit *e, const struct ir_op *op)
{
    if (op->in[0]->addr == op->out[0]->addr)
        return true;
    emit_layer(e, op);
    struct emit_view src = view_of(op->out[0]);
    src.base = op->in[0]->addr;
    emit_move(e, view_of(op->out[0]), src);
    return true;
}

// A view that reads its fill everywhere: the one axis has no inside.
static struct emit_view filled_view(const struct ir_value *like, uint64_t base, uint64_t fill)
{
    struct emit_view v = view_at(base, like->type.dtype);
    view_add_axis(&v, ir_type_elems(&like->type), 0, 0, 0);
    view_set_axis(&v, 0, 0, 0);
    v.fill = fill;
    return v;
}

// Elements behind x's extents are outside the axes of its view. What needs more axes than there are
// is zero first and then copied over.
bool select_FIT(struct emit *e, const struct ir_op *op)
{
    const struct ir_type *xt = &op->in[0]->type, *yt = &op->out[0]->type;
    struct emit_view x = view_of(op->in[0]), y = view_of(op->out[0]),
                     src = view_at(x.base, x.dtype);
    int open = 0;
    for (int i = 0; i < xt->rank; i++)
        open += xt->sym[i] || xt->dim[i] != yt->dim[i];
    emit_layer(e, op);
    if (open > ISA_MAX_AXES || ir_type_elems(xt) == 0) {
        struct emit_view all = view_at(y.base, y.dtype), part = x;
        view_add(&all, ir_type_elems(yt), 1);
        emit_move(e, all, filled_view(op->out[0], y.base, 0));
        part.base = y.base;
        memcpy(part.stride, y.stride, sizeof(part.stride));
        for (int i = 0; i < x.rank; i++) {
            part.extent[i] = x.extent[i] = xt->dim[i] < yt->dim[i] ? xt->dim[i] : yt->dim[i];
            part.part[i] = x.part[i] = x.sym[i] != NULL;
        }
        if (ir_type_elems(xt) > 0)
            emit_move(e, part, x);
        return true;
    }
    for (int i = 0; i < xt->rank; i++) {
        if (!xt->sym[i] && xt->dim[i] == yt->dim[i]) {
            view_add(&src, yt->dim[i], x.stride[i]);
            continue;
        }
        int axis = src.num_axes;
        view_add_axis(&src, yt->dim[i], x.stride[i], axis, 1);
        view_set_axis(&src, axis, 0, xt->dim[i]);
        view_limit(&src, axis, xt, i);
    }
    emit_move(e, y, src);
    return true;
}

bool select_INPUT_EXTENT(struct emit *e, const struct ir_op *op)
{
    (void)e;
    (void)op;
    return true; // it is written before the run, as inputs are
}

bool select_TRANSPOSE(struct emit *e, const struct ir_op *op)
{
    int n = 0;
    const int64_t *perm = ir_ints(op, IR_A_perm, &n);
    struct emit_view x = view_of(op->in[0]), src = view_at(x.base, x.dtype);
    for (int i = 0; i < n; i++) {
        view_add(&src, x.extent[perm[i]], x.stride[perm[i]]);
        view_same_extent(&src, &op->in[0]->type, (int)perm[i]);
    }
    emit_layer(e, op);
    emit_move(e, view_of(op->out[0]), src);
    return true;
}

bool select_SLICE(struct emit *e, const struct ir_op *op)
{
    const int64_t *starts = ir_ints(op, IR_A_starts, NULL), *steps = ir_ints(op, IR_A_steps, NULL);
    struct emit_view x = view_of(op->in[0]), src = view_at(x.base, x.dtype);
    int64_t first = 0;
    for (int i = 0; i < x.rank; i++) {
        first += starts[i] * x.stride[i];
        view_add(&src, op->out[0]->type.dim[i], steps[i] * x.stride[i]);
        view_same_extent(&src, &op->out[0]->type, i);
    }
    src.base += (uint64_t)first * dtype_bytes(x.dtype);
    emit_layer(e, op);
    emit_move(e, view_of(op->out[0]), src);
    return true;
}

// Operands that alloc placed inside the result are there.
bool select_CONCAT(struct emit *e, const struct ir_op *op)
{
    int64_t axis = ir_int(op, IR_A_axis, 0), at = 0;
    struct emit_view y = view_of(op->out[0]);
    bool opened = false;
    for (int i = 0; i < op->num_in; i++) {
        struct emit_view dst = y, src = view_of(op->in[i]);
        dst.extent[axis] = src.extent[axis];
        dst.base += (uint64_t)(at * y.stride[axis]) * dtype_bytes(y.dtype);
        at += src.extent[axis];
        if (ir_type_elems(&op->in[i]->type) == 0 || src.base == dst.base)
            continue;
        if (!opened)
            emit_layer(e, op);
        opened = true;
        emit_move(e, dst, src);
    }
    return true;
}

// The bits of `value`, rounded to the element type, in the low end; complex numbers begin with the
// real part.
static uint64_t element_bits(enum dtype t, double value)
{
    uint64_t bits = dtype_bytes(t) * 8;
    float f = (float)value;
    if (t == DT_F32 || t == DT_C64)
        return io_get32(&f);
    if (t == DT_F64 || t == DT_C128)
        return io_get64(&value);
    if (dtype_is_float(t))
        return minifloat_encode(t, value);
    uint64_t whole = value < 0 ? (uint64_t)(int64_t)value : (uint64_t)value;
    return whole & (bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1);
}

bool select_PAD(struct emit *e, const struct ir_op *op)
{
    const int64_t *before = ir_ints(op, IR_A_before, NULL), *after = ir_ints(op, IR_A_after, NULL);
    const struct ir_value *x = op->in[0], *y = op->out[0];
    uint64_t fill = element_bits(x->type.dtype, ir_float(op, IR_A_value, 0));
    struct emit_view xv = view_of(x), yv = view_of(y);
    int padded = 0;
    for (int i = 0; i < xv.rank; i++)
        padded += before[i] != 0 || after[i] != 0;
    emit_layer(e, op);
    if (padded <= ISA_MAX_AXES && ir_type_elems(&x->type) > 0) {
        struct emit_view src = view_at(xv.base, xv.dtype);
        int64_t first = 0;
        for (int i = 0; i < xv.rank; i++) {
            if (before[i] == 0 && after[i] == 0) {
                view_add(&src, xv.extent[i], xv.stride[i]);
                view_same_extent(&src, &x->type, i);
                continue;
            }
            view_add_axis(&src, yv.extent[i], xv.stride[i], src.num_axes, 1);
            view_set_axis(&src, src.num_axes, -before[i], xv.extent[i]);
            first -= before[i] * xv.stride[i];
        }
        src.base = (uint64_t)((int64_t)src.base + first * (int64_t)dtype_bytes(xv.dtype));
        src.fill = fill;
        emit_move(e, yv, src);
        return true;
    }
    struct emit_view all = view_at(y->addr, y->type.dtype);
    view_add(&all, ir_type_elems(&y->type), 1);
    emit_move(e, all, filled_view(y, y->addr, fill));
    if (ir_type_elems(&x->type) > 0) {
        struct emit_view inner = yv;
        for (int i = 0; i < yv.rank; i++) {
            inner.base += (uint64_t)(before[i] * yv.stride[i]) * dtype_bytes(yv.dtype);
            inner.extent[i] = xv.extent[i];
        }
        emit_move(e, inner, xv);
    }
    return true;
}

bool select_BROADCAST(struct emit *e, const struct ir_op *op)
{
    struct emit_view x = view_of(op->in[0]), y = view_of(op->out[0]),
                     src = view_at(x.base, x.dtype);
    int missing = y.rank - x.rank;
    for (int i = 0; i < y.rank; i++) {
        bool walks = i >= missing && (x.extent[i - missing] != 1 || x.sym[i - missing]);
        view_add(&src, y.extent[i], walks ? x.stride[i - missing] : 0);
        view_same_extent(&src, &op->out[0]->type, i);
    }
    emit_layer(e, op);
    emit_move(e, y, src);
    return true;
}

// A dimension of the data and of the indices of a gather.
static void add_both(struct emit_view *v, const struct ir_type *t, int dim, int64_t data,
                     int64_t index)
{
    view_add(&v[1], t->dim[dim], data);
    view_same_extent(&v[1], t, dim);
    view_add(&v[2], t->dim[dim], index);
    view_same_extent(&v[2], t, dim);
}

bool select_GATHER(struct emit *e, const struct ir_op *op)
{
    int axis = (int)ir_int(op, IR_A_axis, 0);
    struct emit_view x = view_of(op->in[0]), idx = view_of(op->in[1]), dst = view_of(op->out[0]);
    struct emit_view v[3] = {dst, view_at(x.base, x.dtype), view_at(idx.base, idx.dtype)};
    for (int i = 0; i < axis; i++)
        add_both(v, &op->in[0]->type, i, x.stride[i], 0);
    for (int i = 0; i < idx.rank; i++)
        add_both(v, &op->in[1]->type, i, 0, idx.stride[i]);
    for (int i = axis + 1; i < x.rank; i++)
        add_both(v, &op->in[0]->type, i, x.stride[i], 0);
    views_merge(v, 3);
    emit_layer(e, op);
    for (int i = 0; i < 3; i++)
        emit_view(e, i, &v[i]);
    emit_extent(e, X_TMP, &op->in[0]->type, axis);
    EMIT(e, LI, LI, .rd = X_TMP + 1, .imm = x.stride[axis]);
    EMIT(e, VGATHER, VIDX, .td = T_DST, .ta = T_A, .tb = T_B, .xl = X_TMP, .xs = X_TMP + 1);
    return true;
}

static struct emit_view absent_view(void)
{
    struct emit_view v = view_at(0, DT_LANES);
    view_add(&v, 0, 1);
    return v;
}

// Results first, then operands, as t0 ..; the bits of double arguments, then integer arguments, as
// x10 ..., the order in which the signatures of kernels name them.
bool select_HOST(struct emit *e, const struct ir_op *op)
{
    int ni = 0, nf = 0;
    const int64_t *ints = ir_ints(op, IR_A_ints, &ni);
    const struct ir_attr *fs = ir_attr_find(op, IR_A_floats);
    nf = fs ? fs->n : 0;
    int nt = op->num_out + op->num_in;
    enum { TENSORS_MAX = 31, SCALARS_MAX = ISA_XREGS - 10 };
    if (nt > TENSORS_MAX || ni + nf > SCALARS_MAX)
        return diag_report(e->diag, op->loc, DIAG_MACHINE_LACKS,
                           "a host call takes at most %d tensors and %d scalars, here %d and %d",
                           TENSORS_MAX, SCALARS_MAX, nt, ni + nf);
    emit_layer(e, op);
    for (int i = 0; i < nt; i++) {
        const struct ir_value *x = i < op->num_out ? op->out[i] : op->in[i - op->num_out];
        struct emit_view v = x ? view_of(x) : absent_view();
        if (x)
            v.dtype = x->type.dtype;
        emit_view(e, i, &v);
    }
    for (int i = 0; i < nf; i++)
        EMIT(e, LI, LI, .rd = 10 + i, .imm = (int64_t)io_get64(&fs->fs[i]));
    for (int i = 0; i < ni; i++)
        EMIT(e, LI, LI, .rd = 10 + nf + i, .imm = ints[i]);
    EMIT(e, HCALL, HCALL, .kernel = emit_host(e, ir_attr_find(op, IR_A_kernel_name)->s), .nt = nt,
         .nx = ni + nf);
    return true;
}

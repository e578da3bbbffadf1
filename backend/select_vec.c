// Element-wise ops, reductions and windows: one vector instruction each, on views of the operands.
#include "emit.h"
#include "macgroup.h"

enum { T_DST = 0, T_A = 1 };

// The operand's view over the result's extents, broadcast dimensions walked with stride 0.
static struct emit_view broadcast_view(const struct ir_value *v, const struct ir_type *result)
{
    struct emit_view own = view_of(v), out = view_at(v->addr, own.dtype);
    int missing = result->rank - v->type.rank;
    for (int i = 0; i < result->rank; i++) {
        bool walks = i >= missing && v->type.dim[i - missing] != 1;
        walks = walks || (i >= missing && v->type.sym[i - missing]);
        view_add(&out, result->dim[i], walks ? own.stride[i - missing] : 0);
        view_same_extent(&out, result, i);
    }
    return out;
}

void emit_element_op(struct emit *e, const struct ir_op *op, const struct emit_view *v)
{
    uint32_t taken = 0;
    int t[4] = {0}; // of the result, then of the operands
    for (int i = 0; i <= op->num_in; i++)
        t[i] = emit_view_any(e, &v[i], &taken);
    switch (op->op) {
    case IR_OP_UNARY:
        EMIT(e, VUN, VUN, .td = t[0], .ta = t[1], .fn = ir_int(op, IR_A_fn_unary, 0));
        return;
    case IR_OP_BINARY:
        EMIT(e, VBIN, VBIN, .td = t[0], .ta = t[1], .tb = t[2],
             .fn = ir_int(op, IR_A_fn_binary, 0));
        return;
    case IR_OP_SELECT: EMIT(e, VSEL, VSEL, .td = t[0], .ta = t[2], .tb = t[3], .tc = t[1]); return;
    case IR_OP_CONVERT:
        EMIT(e, VCVT, VCVT, .td = t[0], .ta = t[1],
             .round = ir_int(op, IR_A_round, ISA_ROUND_trunc), .sat = ir_int(op, IR_A_saturate, 0),
             .bits = ir_int(op, IR_A_bits, 0));
        return;
    case IR_OP_QUANTIZE:
        EMIT(e, VCVT, VCVT, .td = t[0], .ta = t[1], .round = ISA_ROUND_rne, .sat = 1,
             .bits = ir_int(op, IR_A_bits, 8), .q = emit_float_bits(ir_float(op, IR_A_q, 1)));
        return;
    default: bitlet_bug("%s is not element-wise", ir_op_info[op->op].text);
    }
}

// ---- Groups (macgroup.h) that begin with a pool or an element-wise op

struct strip {
    const struct mac_group *group;
    const struct mac_strips *at;
    int64_t first, extent; // along the dimension that is cut
    int half;
};

static struct emit_view cut_view(const struct strip *s, struct emit_view v)
{
    if (v.rank == 0)
        return v;
    v.base += (uint64_t)(s->first * v.stride[s->at->dim]) * dtype_bytes(v.dtype);
    v.extent[s->at->dim] = s->extent;
    return v;
}

// The part of a value of the result's extents: its tile if it stays in the buffer, else where it
// lies. What others use and the group does not goes there directly.
static struct emit_view strip_view(const struct strip *s, const struct ir_value *x)
{
    const struct mac_group *g = s->group;
    int slot = mac_group_slot(g, x);
    struct emit_view v = cut_view(s, broadcast_view(x, &g->head->out[0]->type));
    if (slot < 0 || g->slot[slot].last_use < 0)
        return v;
    int place = g->slot[slot].place;
    v.base = IMAGE_ABUF_BASE +
             (uint64_t)(s->at->start + s->at->place[place] + s->half * s->at->stride[place]);
    return v;
}

static void strip_element_op(struct emit *e, const struct strip *s, const struct ir_op *op)
{
    struct emit_view v[4] = {strip_view(s, op->out[0])};
    for (int i = 0; i < op->num_in; i++)
        v[i + 1] = strip_view(s, op->in[i]);
    views_merge(v, op->num_in + 1);
    emit_element_op(e, op, v);
}

static void store_strip(struct emit *e, const struct strip *s, const struct mac_slot *slot)
{
    struct emit_view v[2] = {cut_view(s, broadcast_view(slot->value, &slot->value->type)),
                             strip_view(s, slot->value)};
    if (!slot->stored || slot->last_use < 0)
        return;
    uint32_t taken = 0;
    views_merge(v, 2);
    int td = emit_view_any(e, &v[0], &taken), ta = emit_view_any(e, &v[1], &taken);
    emit_insn(e, (struct isa_insn){.op = ISA_STA, .DMA = {.td = td, .ta = ta}});
}

static void emit_pool(struct emit *e, const struct ir_op *op, const struct strip *s);

static void strip_op(struct emit *e, const struct strip *s, const struct ir_op *op)
{
    if (op->op == IR_OP_POOL)
        emit_pool(e, op, s);
    else
        strip_element_op(e, s, op);
    int slot = mac_group_slot(s->group, op->out[0]);
    store_strip(e, s, &s->group->slot[slot]);
}

// A group on its way through the machine.
struct emit_strips {
    struct mac_group group;
    struct mac_strips at;
    int64_t next, whole; // along the dimension that is cut
    int half;
    uint32_t layer[MAC_GROUP_OPS + 1];
};

static void emit_strip(struct emit *e, struct emit_strips *w)
{
    int64_t left = w->whole - w->next;
    struct strip s = {.group = &w->group,
                      .at = &w->at,
                      .first = w->next,
                      .extent = left < w->at.extent ? left : w->at.extent,
                      .half = w->half};
    for (int i = 0; i <= w->group.num_ops; i++) {
        const struct ir_op *op = i == 0 ? w->group.head : w->group.op[i - 1];
        if (w->next > 0)
            emit_layer_again(e, w->layer[i]);
        else
            emit_layer(e, op);
        w->layer[i] = w->next > 0 ? w->layer[i] : (uint32_t)e->num_layers - 1;
        strip_op(e, &s, op);
    }
    w->next += s.extent;
    w->half ^= 1;
}

static bool open_strips(const struct emit *e, const struct mac_group *g, struct emit_strips *out)
{
    const struct ir_type *t = &g->head->out[0]->type;
    *out = (struct emit_strips){.group = *g};
    if (!mac_strips_of(&out->group, e->machine->act_buffer, &out->at))
        return false;
    out->whole = t->rank ? t->dim[out->at.dim] : 1;
    return true;
}

static bool select_strips(struct emit *e, const struct mac_group *g)
{
    struct emit_strips w;
    if (!open_strips(e, g, &w))
        return diag_report(
            e->diag, g->head->loc, DIAG_IR_LEVEL,
            "tiles of %%%s do not fit the activation buffer; run the pass fuse-tiles",
            g->head->out[0]->name);
    while (w.next < w.whole)
        emit_strip(e, &w);
    return true;
}

bool emit_put_beside(struct emit *e, const struct ir_op *op)
{
    struct mac_group g;
    struct emit_strips w;
    if (ir_is_mac(op) || !ir_int(op, IR_A_beside, 0) || e->beside || !mac_group_of(op, &g) ||
        !mac_beside(&g) || !open_strips(e, &g, &w))
        return false;
    e->beside = arena_memdup(e->arena, &w, sizeof w);
    return true;
}

void emit_beside(struct emit *e, int64_t steps, int64_t bytes)
{
    struct emit_strips *w = e->beside;
    if (!w || (steps < 1 && bytes <= w->at.start))
        return;
    int64_t left = (w->whole - w->next + w->at.extent - 1) / w->at.extent;
    for (int64_t i = steps < 1 ? left : (left + steps - 1) / steps; i > 0; i--)
        emit_strip(e, w);
    if (w->next >= w->whole)
        e->beside = NULL;
}

// Whether the op leads a group; then it is selected, or reported.
static bool leads_group(struct emit *e, const struct ir_op *op, bool *ok)
{
    struct mac_group g;
    const struct ir_op *next = mac_group_next(op);
    if (!next || !mac_is_fused(next))
        return false;
    *ok = mac_can_head(op) && mac_group_of(op, &g);
    if (!*ok)
        diag_report(e->diag, op->loc, DIAG_IR_LEVEL,
                    "an op that is fused into %%%s cannot run on its tiles", op->out[0]->name);
    else
        *ok = select_strips(e, &g);
    return true;
}

static bool select_element_op(struct emit *e, const struct ir_op *op)
{
    bool ok;
    if (leads_group(e, op, &ok))
        return ok;
    struct emit_view v[4] = {view_of(op->out[0])};
    for (int i = 0; i < op->num_in; i++)
        v[i + 1] = broadcast_view(op->in[i], &op->out[0]->type);
    views_merge(v, op->num_in + 1);
    emit_layer(e, op);
    emit_element_op(e, op, v);
    return true;
}

bool select_UNARY(struct emit *e, const struct ir_op *op)
{
    return select_element_op(e, op);
}

bool select_BINARY(struct emit *e, const struct ir_op *op)
{
    return select_element_op(e, op);
}

bool select_SELECT(struct emit *e, const struct ir_op *op)
{
    return select_element_op(e, op);
}

bool select_CONVERT(struct emit *e, const struct ir_op *op)
{
    return select_element_op(e, op);
}

bool select_QUANTIZE(struct emit *e, const struct ir_op *op)
{
    return select_element_op(e, op);
}

// The integer type of the same bits.
static enum dtype integer_of(enum dtype t)
{
    switch (dtype_info[t].bits) {
    case 1:
    case 8: return t == DT_BOOL ? DT_BOOL : DT_U8;
    case 2: return t == DT_I2 ? DT_I2 : DT_U2;
    case 4: return t == DT_I4 ? DT_I4 : DT_U4;
    case 16: return DT_U16;
    case 32: return DT_U32;
    case 64: return DT_U64;
    default: return t; // c128: only itself
    }
}

// A conversion between views of integers that keeps the bits; where those are of one type, a copy.
bool select_BITCAST(struct emit *e, const struct ir_op *op)
{
    struct emit_view v[2] = {view_of(op->out[0]), view_of(op->in[0])};
    v[0].dtype = integer_of(v[0].dtype);
    v[1].dtype = integer_of(v[1].dtype);
    views_merge(v, 2);
    emit_layer(e, op);
    emit_view(e, T_DST, &v[0]);
    emit_view(e, T_A, &v[1]);
    if (v[0].dtype == v[1].dtype)
        EMIT(e, VMOV, V1, .td = T_DST, .ta = T_A);
    else
        EMIT(e, VCVT, VCVT, .td = T_DST, .ta = T_A, .round = ISA_ROUND_trunc);
    return true;
}

static bool contains(const int64_t *v, int n, int64_t x)
{
    for (int i = 0; i < n; i++)
        if (v[i] == x)
            return true;
    return false;
}

bool select_REDUCE(struct emit *e, const struct ir_op *op)
{
    int n = 0;
    const int64_t *axes = ir_ints(op, IR_A_axes, &n);
    const struct ir_type *xt = &op->in[0]->type;
    struct emit_view src = view_of(op->in[0]),
                     dst = view_at(op->out[0]->addr, op->out[0]->type.dtype);
    int64_t stride[IR_MAX_RANK], run = 1;
    for (int i = xt->rank - 1; i >= 0; i--) {
        stride[i] = run;
        run *= contains(axes, n, i) ? 1 : xt->dim[i];
    }
    for (int i = 0; i < xt->rank; i++) {
        bool reduced = contains(axes, n, i);
        view_add(&dst, reduced ? 1 : xt->dim[i], reduced ? 0 : stride[i]);
        if (!reduced)
            view_same_extent(&dst, xt, i);
    }
    emit_layer(e, op);
    emit_view(e, T_DST, &dst);
    emit_view(e, T_A, &src);
    EMIT(e, VRED, VRED, .td = T_DST, .ta = T_A, .fn = ir_int(op, IR_A_fn_reduce, 0));
    return true;
}

// Pooling is a reduction over a view with one more dimension per spatial one: the window.
static void emit_pool(struct emit *e, const struct ir_op *op, const struct strip *s)
{
    int sp = 0;
    const int64_t *kernel = ir_ints(op, IR_A_kernel, &sp);
    const int64_t *strides = ir_ints(op, IR_A_strides, NULL),
                  *dil = ir_ints(op, IR_A_dilations, NULL);
    const int64_t *pads = ir_ints(op, IR_A_pads, NULL);
    const struct ir_type *xt = &op->in[0]->type, *yt = &op->out[0]->type;
    struct emit_view x = view_of(op->in[0]), y = view_of(op->out[0]);
    int64_t base = 0;
    struct emit_view src = view_at(x.base, x.dtype), dst = view_at(y.base, y.dtype);
    for (int i = xt->sym[0] ? 0 : 1; i < 2; i++) { // a batch and channels, or planes
        int64_t extent = xt->sym[0] ? xt->dim[i] : xt->dim[0] * xt->dim[1];
        view_add(&src, extent, x.stride[i]);
        view_add(&dst, extent, y.stride[i]);
        if (i == 0) {
            view_same_extent(&src, xt, 0);
            view_same_extent(&dst, xt, 0);
        }
    }
    for (int i = 0; i < sp; i++) {
        view_add_axis(&src, yt->dim[2 + i], strides[i] * x.stride[2 + i], i, strides[i]);
        view_same_extent(&src, yt, 2 + i);
        view_add(&dst, yt->dim[2 + i], y.stride[2 + i]);
        view_same_extent(&dst, yt, 2 + i);
    }
    for (int i = 0; i < sp; i++) {
        view_add_axis(&src, kernel[i], dil[i] * x.stride[2 + i], i, dil[i]);
        view_add(&dst, 1, 0);
        view_set_axis(&src, i, -pads[i], xt->dim[2 + i]);
        view_limit(&src, i, xt, 2 + i);
        base -= pads[i] * x.stride[2 + i];
    }
    if (s) { // planes are cut, of one batch or of several
        struct emit_view part = strip_view(s, op->out[0]);
        int64_t planes = s->at->dim == 0 ? xt->dim[1] : 1;
        if (s->at->dim < 2) {
            base += s->first * x.stride[s->at->dim];
            src.extent[0] = dst.extent[0] = s->extent * planes;
        } else {
            int i = s->at->dim - 2;
            base += s->first * strides[i] * x.stride[2 + i];
            src.extent[1 + i] = dst.extent[1 + i] = s->extent;
            view_set_axis(&src, i, s->first * strides[i] - pads[i], xt->dim[2 + i]);
        }
        dst.base = part.base;
    }
    src.base = (uint64_t)((int64_t)src.base + base * (int64_t)dtype_bytes(src.dtype));
    emit_view(e, T_DST, &dst);
    emit_view(e, T_A, &src);
    EMIT(e, VRED, VRED, .td = T_DST, .ta = T_A, .fn = ir_int(op, IR_A_fn_reduce, 0), .skip = 1);
}

bool select_POOL(struct emit *e, const struct ir_op *op)
{
    bool ok;
    if (leads_group(e, op, &ok))
        return ok;
    emit_layer(e, op);
    emit_pool(e, op, NULL);
    return true;
}

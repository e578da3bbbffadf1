// Control flow: markers become branches. The iteration number and the carried values of a loop lie
// in memory; the scalar core loads what a branch needs.
#include "emit.h"

enum { T_DST = 0, T_A = 1, X_I = 5, X_LIMIT = 6, X_COND = 7, X_ADDR = 8 };

static void load_scalar(struct emit *e, int rd, const struct ir_value *v)
{
    EMIT(e, LD, MEM, .rd = rd, .ra = 0, .type = (int64_t)v->type.dtype, .imm = (int64_t)v->addr);
}

static void copy_value(struct emit *e, const struct ir_value *to, const struct ir_value *from)
{
    if (to->addr == from->addr || ir_type_elems(&to->type) == 0)
        return;
    struct emit_view v[2] = {view_of(to), view_of(from)};
    views_merge(v, 2);
    emit_view(e, T_DST, &v[0]);
    emit_view(e, T_A, &v[1]);
    EMIT(e, VMOV, V1, .td = T_DST, .ta = T_A);
}

static struct emit_region *open_region(struct emit *e)
{
    e->regions = arena_grow(e->arena, e->regions, e->num_regions, e->num_regions + 1,
                            sizeof(*e->regions), &e->regions_cap);
    struct emit_region *r = &e->regions[e->num_regions++];
    *r = (struct emit_region){0};
    return r;
}

// The branch emitted next leaves the region.
static void leaves(const struct emit *e, struct emit_region *r)
{
    r->exit[r->num_exit++] = e->text_bytes;
}

static void close_region(struct emit *e)
{
    struct emit_region *r = &e->regions[--e->num_regions];
    size_t here = emit_label(e);
    for (size_t i = 0; i < r->num_exit; i++)
        emit_patch(e, r->exit[i], here);
}

bool select_LOOP_BEGIN(struct emit *e, const struct ir_op *op)
{
    const struct ir_value *trip = op->in[0], *cond = op->in[1], *number = op->out[0];
    emit_layer(e, op);
    for (int i = 2; i < op->num_in; i++)
        copy_value(e, op->out[i - 1], op->in[i]);
    EMIT(e, LI, LI, .rd = X_I, .imm = 0);
    EMIT(e, ST, MEM, .rd = X_I, .ra = 0, .type = DT_I64, .imm = (int64_t)number->addr);
    struct emit_region *r = open_region(e);
    if (trip) {
        load_scalar(e, X_LIMIT, trip);
        leaves(e, r);
        EMIT(e, BGE, BR, .ra = X_I, .rb = X_LIMIT, .off = 0);
    }
    if (cond) {
        load_scalar(e, X_COND, cond);
        leaves(e, r);
        EMIT(e, BEQ, BR, .ra = X_COND, .rb = 0, .off = 0);
    }
    if (!emit_pin_weights(e, op))
        return false;
    r->body = emit_label(e);
    return true;
}

// Element of iteration x[X_I] to its place in the stack.
static void store_element(struct emit *e, const struct ir_value *stack, const struct ir_value *elem)
{
    if (ir_type_elems(&elem->type) == 0)
        return;
    struct emit_view v[2] = {view_of(elem), view_of(elem)};
    views_merge(v, 2);
    emit_view(e, T_DST, &v[0]);
    emit_view(e, T_A, &v[1]);
    EMIT(e, MUL, ALU, .rd = X_ADDR, .ra = X_I, .rb = 0, .imm = (int64_t)ir_type_bytes(&elem->type));
    EMIT(e, TBASE, TBASE, .td = T_DST, .ra = X_ADDR, .imm = (int64_t)stack->addr);
    e->holds[T_DST] = false;
    EMIT(e, VMOV, V1, .td = T_DST, .ta = T_A);
}

bool select_LOOP_END(struct emit *e, const struct ir_op *op)
{
    const struct ir_op *begin = ir_region_open(op);
    const struct ir_value *trip = begin->in[0], *number = begin->out[0];
    int carried = begin->num_in - 2;
    struct emit_region *r = &e->regions[e->num_regions - 1];
    emit_layer(e, op);
    if (op->in[0]) // before a carried value takes its place
        load_scalar(e, X_COND, op->in[0]);
    load_scalar(e, X_I, number);
    for (int i = carried; i < op->num_out; i++)
        store_element(e, op->out[i], op->in[i + 1]);
    for (int i = 0; i < carried; i++)
        copy_value(e, begin->out[i + 1], op->in[i + 1]);
    EMIT(e, ADD, ALU, .rd = X_I, .ra = X_I, .rb = 0, .imm = 1);
    EMIT(e, ST, MEM, .rd = X_I, .ra = 0, .type = DT_I64, .imm = (int64_t)number->addr);
    if (trip)
        load_scalar(e, X_LIMIT, trip);
    if (trip && op->in[0]) {
        EMIT(e, SLT, ALU, .rd = X_LIMIT, .ra = X_I, .rb = X_LIMIT, .imm = 0);
        EMIT(e, AND, ALU, .rd = X_COND, .ra = X_COND, .rb = X_LIMIT, .imm = 0);
    }
    size_t at = e->text_bytes;
    if (op->in[0])
        EMIT(e, BNE, BR, .ra = X_COND, .rb = 0, .off = 0);
    else if (trip)
        EMIT(e, BLT, BR, .ra = X_I, .rb = X_LIMIT, .off = 0);
    else
        EMIT(e, JAL, JAL, .rd = 0, .off = 0);
    emit_patch(e, at, r->body);
    close_region(e);
    emit_unpin(e, begin);
    return true;
}

bool select_IF_BEGIN(struct emit *e, const struct ir_op *op)
{
    emit_layer(e, op);
    struct emit_region *r = open_region(e);
    load_scalar(e, X_COND, op->in[0]);
    leaves(e, r);
    EMIT(e, BEQ, BR, .ra = X_COND, .rb = 0, .off = 0);
    return true;
}

bool select_ELSE_BEGIN(struct emit *e, const struct ir_op *op)
{
    const struct ir_op *end = ir_region_close(op);
    emit_layer(e, op);
    for (int i = 0; i < op->num_in; i++)
        copy_value(e, end->out[i], op->in[i]);
    size_t at = e->text_bytes;
    EMIT(e, JAL, JAL, .rd = 0, .off = 0);
    close_region(e);
    leaves(e, open_region(e));
    e->regions[e->num_regions - 1].exit[0] = at;
    return true;
}

bool select_IF_END(struct emit *e, const struct ir_op *op)
{
    emit_layer(e, op);
    for (int i = 0; i < op->num_in; i++)
        copy_value(e, op->out[i], op->in[i]);
    close_region(e);
    return true;
}

// Results of a tile: packed, passed through the ops of the group, stored.
#include "macjob.h"

#include <math.h>
#include <string.h>

void job_configure_pack(struct emit *e, const struct ir_op *op)
{
    bool quant = ir_has_attr(op, IR_A_qbits),
         clamp = ir_has_attr(op, IR_A_min) || ir_has_attr(op, IR_A_max);
    struct isa_args_PCFG c = {
        .bits = quant ? ir_int(op, IR_A_qbits, 8) : 32, .quant = quant, .clamp = clamp};
    if (clamp) {
        c.min = emit_float_bits(ir_float(op, IR_A_min, -(double)INFINITY));
        c.max = emit_float_bits(ir_float(op, IR_A_max, (double)INFINITY));
    }
    if (quant)
        c.q = emit_float_bits(ir_float(op, IR_A_q, 1));
    if (e->has_pcfg && memcmp(&c, &e->pcfg, sizeof c) == 0)
        return;
    e->pcfg = c;
    e->has_pcfg = true;
    emit_insn(e, (struct isa_insn){.op = ISA_PCFG, .PCFG = c});
}

// The step's output channels, which are its positions where PEs hold activations.
static void emit_channel_view(struct mac_job *j, const struct mac_step *s, int treg,
                              const struct ir_value *v)
{
    const struct mac_problem *p = job_problem(j, s);
    struct mac_tile t = job_step_tile(j, s, false);
    int64_t first = p->held ? t.start[0] : s->oc * j->demand.pes / p->patch;
    struct emit_view view = view_at(job_element_addr(v, p->channel0 + first), v->type.dtype);
    view_add(&view, p->held ? t.extent[0] : job_step_pes(j, s) / p->patch, 1);
    if (p->patch > 1)
        view_add(&view, p->patch, 0);
    emit_view(j->e, treg, &view);
}

// The positions of a tile: of the results (`to`), or one after the other.
static void add_positions(struct emit_view *v, const struct mac_problem *p,
                          const struct mac_tile *t, const struct mac_problem *to)
{
    int64_t run = 1;
    for (int i = 0; i < p->np; i++)
        run *= t->extent[i];
    for (int i = 0; i < p->np; i++) {
        run /= t->extent[i];
        view_add(v, t->extent[i], to ? to->p[i].ostride : run);
        view_part_of(v, p->p[i].sym, t->start[i]);
    }
}

// The rows of a step: of the results (`to`), or `run` elements apart.
static void add_rows(struct emit_view *v, const struct mac_problem *p, int64_t rows, int64_t run,
                     const struct mac_problem *to)
{
    run *= p->patch;
    view_add(v, rows / p->patch, to ? to->o_oc : run);
    for (int i = 0; p->patch > 1 && i < p->num_axes; i++) {
        run /= p->place[i].extent;
        view_add(v, p->place[i].extent, to ? to->place[i].ostride : run);
    }
}

// The part of a tensor of the result's shape that a step computes, in the order in which the
// packers deliver it.
static struct emit_view part_view(const struct mac_job *j, const struct mac_step *s,
                                  const struct ir_value *v)
{
    const struct mac_problem *p = job_problem(j, s);
    struct mac_tile t = job_step_tile(j, s, false);
    int64_t base = p->obase + s->oc * j->demand.pes / p->patch * p->o_oc;
    for (int i = 0; i < p->np; i++)
        base += t.start[i] * p->p[i].ostride;
    struct emit_view view = view_at(job_element_addr(v, base), v->type.dtype);
    add_rows(&view, p, job_step_pes(j, s), 0, p);
    view_part_of(&view, p->noc_sym, s->oc * j->demand.pes);
    add_positions(&view, p, &t, p);
    return view;
}

static uint64_t slot_addr(const struct mac_job *j, const struct mac_step *s, int slot)
{
    int place = j->group.slot[slot].place;
    int half = place == 0 ? j->e->oslot : s->group_slot;
    return IMAGE_ABUF_BASE + (uint64_t)(j->at.place[place] + half * j->at.stride[place]);
}

// The same elements without gaps, in the activation buffer.
static struct emit_view dense_view(const struct mac_job *j, const struct mac_step *s, int slot)
{
    const struct mac_problem *p = job_problem(j, s);
    struct mac_tile t = job_step_tile(j, s, false);
    int64_t run = 1;
    for (int i = 0; i < p->np; i++)
        run *= t.extent[i];
    struct emit_view view = view_at(slot_addr(j, s, slot), j->group.slot[slot].value->type.dtype);
    add_rows(&view, p, job_step_pes(j, s), run, NULL);
    view_part_of(&view, p->noc_sym, s->oc * j->demand.pes);
    add_positions(&view, p, &t, NULL);
    return view;
}

// Brings what the group's ops take besides the tile.
void job_load_group(struct mac_job *j, struct mac_step *s)
{
    if (j->group.num_ops == 0 || !job_ends_tile(j, s))
        return;
    s->group_slot = j->group_slot ^= 1;
    for (int i = 0; i < j->group.num_slots; i++)
        if (j->group.slot[i].loaded)
            job_dma(j->e, ISA_LDA, dense_view(j, s, i), part_view(j, s, j->group.slot[i].value));
}

static void open_group_layer(struct mac_job *j, int op)
{
    if (j->op_opened[op]) {
        emit_layer_again(j->e, j->op_layer[op]);
        return;
    }
    emit_layer(j->e, j->group.op[op]);
    j->op_layer[op] = (uint32_t)j->e->num_layers - 1;
    j->op_opened[op] = true;
}

static void run_group(struct mac_job *j, const struct mac_step *s, int64_t elems)
{
    for (int i = 0; i < j->group.num_ops; i++) {
        const struct ir_op *op = j->group.op[i];
        struct emit_view v[4];
        for (int k = 0; k <= op->num_in; k++) {
            const struct ir_value *x = k == 0 ? op->out[0] : op->in[k - 1];
            int slot = mac_group_slot(&j->group, x);
            v[k] = view_at(slot < 0 ? x->addr : slot_addr(j, s, slot), x->type.dtype);
            view_add(&v[k], elems, slot < 0 ? 0 : 1);
        }
        open_group_layer(j, i);
        emit_element_op(j->e, op, v);
    }
    if (j->group.num_ops > 0)
        emit_layer_again(j->e, j->layer);
}

void job_pack_and_store(struct mac_job *j, const struct mac_step *s, int64_t psum)
{
    const struct mac_problem *p = job_problem(j, s);
    const struct ir_value *bias = ir_operand(j->op, 2), *scale = ir_operand(j->op, 3),
                          *out = j->op->out[0];
    struct mac_tile t = job_step_tile(j, s, false);
    int64_t positions = 1, pes = job_step_pes(j, s);
    for (int i = 0; i < p->np; i++)
        positions *= t.extent[i];
    j->e->oslot ^= 1;
    struct emit_view y = view_at(slot_addr(j, s, 0), out->type.dtype);
    view_add(&y, pes, positions);
    if (j->dynamic)
        add_positions(&y, p, &t, NULL);
    else
        view_add(&y, positions, 1);
    bool raw = j->mode == IR_MODE_FIXED && !scale;
    if (bias)
        emit_channel_view(j, s, T_BIAS, bias);
    if (scale)
        emit_channel_view(j, s, T_SCALE, scale);
    emit_view(j->e, T_Y, &y);
    EMIT(j->e, PACK, PACK, .td = T_Y, .ts = T_SCALE, .tb = T_BIAS, .mode = (int64_t)j->mode,
         .scale = scale != NULL, .bias = bias && !raw, .raw = raw,
         .along = p->held && (scale || (bias && !raw)), .psum = psum);
    run_group(j, s, pes * positions);
    for (int i = 0; i < j->group.num_slots; i++)
        if (j->group.slot[i].stored)
            job_dma(j->e, ISA_STA, part_view(j, s, j->group.slot[i].value), dense_view(j, s, i));
}

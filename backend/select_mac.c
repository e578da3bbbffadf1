// MAC ops: the loop nest of mactile.h as an instruction stream.
//
// A step is one BCE instruction: a tile of positions, a tile of output channels, a chunk of K. The
// loads of a step are emitted before the step that precedes it runs, into the other half of each
// buffer; units overlap as the dependences allow, so this order is all it takes to hide the
// transfers. Weights stay in the PEs while all positions of the tile pass.
#include "emit.h"
#include "macgroup.h"

#include <math.h>

enum { X_EXTENT = 5, X_FIRST = 6 };
enum { T_DMA_TO = 8, T_DMA_FROM = 9, T_X = 10, T_Y = 11, T_SCALE = 12, T_BIAS = 13, T_RAW = 14 };

struct mac_job {
    struct emit *e;
    const struct ir_op *op;
    struct mac_plan plan;
    struct mac_tiling tiling;
    struct mac_demand demand;
    struct mac_space space;     // largest over the problems
    int64_t *lanes_offset;      // per problem; NULL when weights are packed at run time
    const struct emit_pin *pin; // NULL: weights are loaded where they are needed
    int64_t *pin_offset;        // per problem, from the pin's base
    enum ir_mode mode;
    int lanes;
    bool map;     // lane maps follow the weights
    bool dynamic; // some extent is known only at run time
    struct mac_group group;
    struct mac_layout at;                    // bytes in the activation buffer; x begins at 0
    uint32_t layer, op_layer[MAC_GROUP_OPS]; // opened layers
    bool op_opened[MAC_GROUP_OPS];
    int group_slot; // half of each place of the group that was loaded last
    // What was loaded last, so that a step loads only what changed.
    int64_t x_problem, x_tile, x_chunk, w_problem, w_oc, w_chunk;
    // The weight buffer as a ring: load n lies in slot (w_first + n) % w_slots.
    int64_t w_slots, w_first, w_slot_bytes, w_loads;
};

struct mac_step {
    int64_t problem, tile, oc, chunk;
    int xslot, group_slot;
    int64_t w_load; // number of the load that brings the step's weights
    int64_t wbuf;   // byte offset of the step's lanes in the weight buffer
};

// Steps whose weights are on their way, in order.
enum { AHEAD_MAX = 32, RING_MAX = 16 };
struct mac_ahead {
    struct mac_step next; // the first that is not in the queue
    bool more;
    struct mac_step queue[AHEAD_MAX];
    int first, count;
};

static const struct mac_problem *problem_of(const struct mac_job *j, const struct mac_step *s)
{
    return &j->plan.problem[s->problem];
}

static int64_t oc_tiles(const struct mac_job *j, const struct mac_problem *p)
{
    return (p->noc + j->demand.pes - 1) / j->demand.pes;
}

static int64_t step_pes(const struct mac_job *j, const struct mac_step *s)
{
    int64_t left = problem_of(j, s)->noc - s->oc * j->demand.pes;
    return left < j->demand.pes ? left : j->demand.pes;
}

static struct mac_tile step_tile(const struct mac_job *j, const struct mac_step *s, bool all_k)
{
    const struct mac_problem *p = problem_of(j, s);
    struct mac_tile t;
    mac_tile_at(p, j->tiling.tile, s->tile, &t);
    if (!all_k) {
        t.k0 = s->chunk * j->tiling.kchunk;
        t.kn = p->k[0].extent - t.k0;
        if (t.kn > j->tiling.kchunk)
            t.kn = j->tiling.kchunk;
    }
    return t;
}

static bool next_step(const struct mac_job *j, struct mac_step *s)
{
    const struct mac_problem *p = problem_of(j, s);
    if (++s->chunk < mac_chunks(p, j->tiling.kchunk))
        return true;
    s->chunk = 0;
    if (++s->oc < oc_tiles(j, p))
        return true;
    s->oc = 0;
    if (++s->tile < mac_tile_count(p, j->tiling.tile))
        return true;
    s->tile = 0;
    return ++s->problem < j->plan.num_problems;
}

static uint64_t element_addr(const struct ir_value *v, int64_t element)
{
    return v->addr + (uint64_t)element * dtype_bytes(v->type.dtype);
}

// A transfer between views of equal extents; neighbouring dimensions are joined.
static void emit_dma(struct emit *e, enum isa_op op, struct emit_view to, struct emit_view from)
{
    struct emit_view v[2] = {to, from};
    views_merge(v, 2);
    emit_view(e, T_DMA_TO, &v[0]);
    emit_view(e, T_DMA_FROM, &v[1]);
    emit_insn(e, (struct isa_insn){.op = op, .DMA = {.td = T_DMA_TO, .ta = T_DMA_FROM}});
}

// ---- Loads

static uint64_t x_slot_addr(const struct mac_job *j, int slot)
{
    return IMAGE_ABUF_BASE + (uint64_t)(slot * (j->at.keeps_x ? j->space.x_whole : j->space.x));
}

static void load_x(struct mac_job *j, struct mac_step *s)
{
    if (s->problem == j->x_problem && s->tile == j->x_tile &&
        (j->at.keeps_x || s->chunk == j->x_chunk)) {
        s->xslot = j->e->aslot;
        return;
    }
    j->x_problem = s->problem;
    j->x_tile = s->tile;
    j->x_chunk = s->chunk;
    s->xslot = j->e->aslot ^= 1;
    struct mac_tile t = step_tile(j, s, j->at.keeps_x);
    struct mac_box box;
    mac_box_make(problem_of(j, s), &t, &t, &box);
    if (box.elems == 0)
        return;
    enum dtype type = j->plan.moving->type.dtype;
    struct emit_view from = view_at(element_addr(j->plan.moving, box.start), type),
                     to = view_at(x_slot_addr(j, s->xslot), type);
    int64_t dense[MAC_BOX_RANK], run = 1;
    for (int i = box.rank - 1; i >= 0; i--) {
        dense[i] = run;
        run *= box.extent[i];
    }
    for (int i = 0; i < box.rank; i++) {
        view_add(&from, box.extent[i], box.stride[i]);
        view_add(&to, box.extent[i], dense[i]);
    }
    emit_dma(j->e, ISA_LDA, to, from);
}

// A resident problem takes a half; else as many slots as the buffer holds, for weights are then
// brought several steps ahead. The first load goes behind the last one of the op before.
static void open_ring(struct mac_job *j)
{
    struct emit *e = j->e;
    int64_t room = e->machine->weight_buffer - e->pin_bytes, slots = 2;
    int64_t need = (j->space.w + 63) / 64 * 64;
    if (j->lanes_offset && !j->tiling.resident && need > 0)
        slots = room / need < RING_MAX ? room / need : RING_MAX;
    j->w_slots = slots < 2 ? 2 : slots;
    j->w_slot_bytes = room / j->w_slots / 64 * 64;
    j->w_first = (e->wbuf_end + j->w_slot_bytes - 1) / j->w_slot_bytes % j->w_slots;
}

static int64_t ring_slot(const struct mac_job *j, int64_t load)
{
    return j->e->pin_bytes + (j->w_first + load) % j->w_slots * j->w_slot_bytes;
}

static void load_lanes(struct mac_job *j, int64_t wbuf, int64_t offset, int64_t bytes)
{
    struct emit_view from = view_at(j->plan.stationary->addr + (uint64_t)offset, DT_LANES);
    struct emit_view to = view_at(IMAGE_WBUF_BASE + (uint64_t)wbuf, DT_LANES);
    view_add(&from, bytes / 8, 1);
    view_add(&to, bytes / 8, 1);
    emit_dma(j->e, ISA_LDW, to, from);
}

// A problem without taps: one weight of zero a channel, read from outside a view.
static void pack_zeros(struct mac_job *j, const struct mac_step *s, int64_t wbuf)
{
    struct emit_view zeros =
        view_at(IMAGE_ABUF_BASE + (uint64_t)j->at.raw, j->plan.stationary->type.dtype);
    view_add(&zeros, step_pes(j, s), 0);
    view_add_axis(&zeros, 1, 0, 0, 0);
    view_set_axis(&zeros, 0, 0, 0);
    emit_view(j->e, T_RAW, &zeros);
    EMIT(j->e, WPACK, WPACK, .ta = T_RAW, .mode = (int64_t)j->mode, .lanes = j->lanes,
         .wbuf = wbuf);
}

// Weights that another op computes: brought as they are and put into lanes by the preprocessing
// module.
static void pack_weights(struct mac_job *j, const struct mac_step *s, int slot, int64_t wbuf)
{
    const struct mac_problem *p = problem_of(j, s);
    if (p->empty) {
        pack_zeros(j, s, wbuf);
        return;
    }
    struct mac_tile t = step_tile(j, s, false);
    const struct ir_value *w = j->plan.stationary;
    int64_t first = p->wbase + s->oc * j->demand.pes * p->w_oc + t.k0 * p->k[0].wstride, run = 1;
    int64_t extent[MAC_MAX_DIMS + 1], stride[MAC_MAX_DIMS + 1], dense[MAC_MAX_DIMS + 1];
    extent[0] = step_pes(j, s);
    stride[0] = p->w_oc;
    for (int i = 0; i < p->nk; i++) {
        extent[i + 1] = i == 0 ? t.kn : p->k[i].extent;
        stride[i + 1] = p->k[i].wstride;
    }
    for (int i = p->nk; i >= 0; i--) {
        dense[i] = run;
        run *= extent[i];
    }
    uint64_t raw = IMAGE_ABUF_BASE + (uint64_t)(j->at.raw + slot * j->space.raw);
    struct emit_view from = view_at(element_addr(w, first), w->type.dtype),
                     to = view_at(raw, w->type.dtype);
    for (int i = 0; i <= p->nk; i++) {
        view_add(&from, extent[i], stride[i]);
        view_add(&to, extent[i], dense[i]);
    }
    emit_dma(j->e, ISA_LDA, to, from);
    struct emit_view packed = view_at(raw, w->type.dtype);
    if (p->noc_sym) { // a channel that is not there has no weights
        view_add_axis(&packed, extent[0], dense[0], 0, 1);
        view_set_axis(&packed, 0, 0, extent[0]);
        packed.limit_sym[0] = p->noc_sym;
        packed.coord[0] = s->oc * j->demand.pes;
        packed.grain[0] = 1;
    } else {
        view_add(&packed, extent[0], dense[0]);
    }
    view_add(&packed, dense[0], 1);
    view_part_of(&packed, p->k[0].sym, t.k0);
    emit_view(j->e, T_RAW, &packed);
    EMIT(j->e, WPACK, WPACK, .ta = T_RAW, .mode = (int64_t)j->mode, .lanes = j->lanes,
         .wbuf = wbuf);
}

static int64_t chunk_bytes(const struct mac_job *j, const struct mac_step *s)
{
    return mac_chunk_groups(problem_of(j, s), j->tiling.kchunk, s->chunk, j->demand.group) *
           step_pes(j, s) * j->demand.tile_bytes;
}

static bool loads_weights(const struct mac_job *j, const struct mac_step *s)
{
    bool resident = j->tiling.resident && j->lanes_offset;
    if (j->pin)
        return false;
    return resident
               ? j->w_problem < 0 || j->lanes_offset[j->w_problem] != j->lanes_offset[s->problem]
               : j->w_problem != s->problem || j->w_oc != s->oc || j->w_chunk != s->chunk;
}

static void load_w(struct mac_job *j, struct mac_step *s)
{
    const struct mac_problem *p = problem_of(j, s);
    bool resident = j->tiling.resident && j->lanes_offset;
    int64_t place = mac_lanes_offset(p, j->tiling.kchunk, &j->demand, s->oc, s->chunk),
            inside = resident ? place : 0;
    if (j->pin) {
        s->wbuf = j->pin->base + j->pin_offset[s->problem] + place;
        return;
    }
    if (loads_weights(j, s)) {
        int64_t load = j->w_loads++, wbuf = ring_slot(j, load);
        j->w_problem = s->problem;
        j->w_oc = s->oc;
        j->w_chunk = s->chunk;
        if (!j->lanes_offset)
            pack_weights(j, s, (int)(load % 2), wbuf);
        else if (resident)
            load_lanes(j, wbuf, j->lanes_offset[s->problem],
                       mac_lanes_bytes(p, j->tiling.kchunk, &j->demand));
        else
            load_lanes(j, wbuf, j->lanes_offset[s->problem] + place, chunk_bytes(j, s));
        j->e->wbuf_end = wbuf - j->e->pin_bytes + j->w_slot_bytes;
    }
    s->w_load = j->w_loads - 1;
    s->wbuf = ring_slot(j, s->w_load) + inside;
}

// Brings the weights of the steps after `now` as far as slots are free: those that `now` and later
// steps read are not. Weights that are packed at run time share the activation channel: one step
// ahead.
static void load_ahead(struct mac_job *j, struct mac_ahead *a, int64_t now_load)
{
    int most = j->lanes_offset ? AHEAD_MAX : 1;
    while (a->more && a->count < most) {
        if (loads_weights(j, &a->next) && j->w_loads >= now_load + j->w_slots)
            return;
        load_w(j, &a->next);
        a->queue[(a->first + a->count++) % AHEAD_MAX] = a->next;
        a->more = next_step(j, &a->next);
    }
}

static void take_weights(struct mac_ahead *a, struct mac_step *s)
{
    const struct mac_step *q = &a->queue[a->first];
    s->w_load = q->w_load;
    s->wbuf = q->wbuf;
    a->first = (a->first + 1) % AHEAD_MAX;
    a->count--;
}

// ---- One step

static void run_bce(struct mac_job *j, const struct mac_step *s, int64_t psum)
{
    struct mac_tile use = step_tile(j, s, false), load = step_tile(j, s, j->at.keeps_x);
    struct mac_box box;
    mac_box_make(problem_of(j, s), &load, &use, &box);
    enum dtype type = j->plan.moving->type.dtype;
    uint64_t base = x_slot_addr(j, s->xslot) + (uint64_t)box.base * dtype_bytes(type);
    struct emit_view v = view_at(base, type);
    for (int i = 0; i < box.nk + box.np; i++) {
        const struct mac_box_dim *d = i < box.nk ? &box.k[i] : &box.p[i - box.nk];
        view_add_axis(&v, d->extent, d->stride, d->axis, d->step);
        view_part_of(&v, d->sym, d->first);
        if (d->axis < 0)
            continue;
        view_set_axis(&v, d->axis, box.origin[d->axis], box.limit[d->axis]);
        v.limit_sym[d->axis] = box.limit_sym[d->axis];
        v.coord[d->axis] = box.coord[d->axis];
        v.grain[d->axis] = box.grain[d->axis];
    }
    emit_view(j->e, T_X, &v);
    EMIT(j->e, BCE, BCE, .ta = T_X, .nk = box.nk, .mode = (int64_t)j->mode, .lanes = j->lanes,
         .npe = step_pes(j, s), .acc = s->chunk > 0, .map = j->map, .wbuf = s->wbuf, .psum = psum);
}

static int64_t float_bits(double v)
{
    float f = (float)v;
    return (int64_t)io_get32(&f);
}

static void configure_pack(struct emit *e, const struct ir_op *op)
{
    bool quant = ir_has_attr(op, IR_A_qbits),
         clamp = ir_has_attr(op, IR_A_min) || ir_has_attr(op, IR_A_max);
    struct isa_args_PCFG c = {
        .bits = quant ? ir_int(op, IR_A_qbits, 8) : 32, .quant = quant, .clamp = clamp};
    if (clamp) {
        c.min = float_bits(ir_float(op, IR_A_min, -(double)INFINITY));
        c.max = float_bits(ir_float(op, IR_A_max, (double)INFINITY));
    }
    if (quant)
        c.q = float_bits(ir_float(op, IR_A_q, 1));
    if (e->has_pcfg && memcmp(&c, &e->pcfg, sizeof c) == 0)
        return;
    e->pcfg = c;
    e->has_pcfg = true;
    emit_insn(e, (struct isa_insn){.op = ISA_PCFG, .PCFG = c});
}

static void emit_channel_view(struct mac_job *j, const struct mac_step *s, int treg,
                              const struct ir_value *v)
{
    struct emit_view view =
        view_at(element_addr(v, problem_of(j, s)->channel0 + s->oc * j->demand.pes), v->type.dtype);
    view_add(&view, step_pes(j, s), 1);
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

// The part of a tensor of the result's shape that a step computes, in the order in which the
// packers deliver it.
static struct emit_view part_view(const struct mac_job *j, const struct mac_step *s,
                                  const struct ir_value *v)
{
    const struct mac_problem *p = problem_of(j, s);
    struct mac_tile t = step_tile(j, s, false);
    int64_t base = p->obase + s->oc * j->demand.pes * p->o_oc;
    for (int i = 0; i < p->np; i++)
        base += t.start[i] * p->p[i].ostride;
    struct emit_view view = view_at(element_addr(v, base), v->type.dtype);
    view_add(&view, step_pes(j, s), p->o_oc);
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
    const struct mac_problem *p = problem_of(j, s);
    struct mac_tile t = step_tile(j, s, false);
    int64_t run = 1;
    for (int i = 0; i < p->np; i++)
        run *= t.extent[i];
    struct emit_view view = view_at(slot_addr(j, s, slot), j->group.slot[slot].value->type.dtype);
    view_add(&view, step_pes(j, s), run);
    view_part_of(&view, p->noc_sym, s->oc * j->demand.pes);
    add_positions(&view, p, &t, NULL);
    return view;
}

static bool ends_tile(const struct mac_job *j, const struct mac_step *s)
{
    return s->chunk + 1 == mac_chunks(problem_of(j, s), j->tiling.kchunk);
}

// Brings what the group's ops take besides the tile.
static void load_group(struct mac_job *j, struct mac_step *s)
{
    if (j->group.num_ops == 0 || !ends_tile(j, s))
        return;
    s->group_slot = j->group_slot ^= 1;
    for (int i = 0; i < j->group.num_slots; i++)
        if (j->group.slot[i].loaded)
            emit_dma(j->e, ISA_LDA, dense_view(j, s, i), part_view(j, s, j->group.slot[i].value));
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

static void pack_and_store(struct mac_job *j, const struct mac_step *s, int64_t psum)
{
    const struct mac_problem *p = problem_of(j, s);
    const struct ir_value *bias = ir_operand(j->op, 2), *scale = ir_operand(j->op, 3),
                          *out = j->op->out[0];
    struct mac_tile t = step_tile(j, s, false);
    int64_t positions = 1, pes = step_pes(j, s);
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
         .scale = scale != NULL, .bias = bias && !raw, .raw = raw, .psum = psum);
    run_group(j, s, pes * positions);
    for (int i = 0; i < j->group.num_slots; i++)
        if (j->group.slot[i].stored)
            emit_dma(j->e, ISA_STA, part_view(j, s, j->group.slot[i].value), dense_view(j, s, i));
}

static void run_step(struct mac_job *j, const struct mac_step *s)
{
    int64_t half = j->e->machine->psum_buffer / 8 / 2;
    if (s->chunk == 0)
        j->e->pslot ^= 1;
    int64_t psum = j->e->pslot * half;
    run_bce(j, s, psum);
    if (ends_tile(j, s))
        pack_and_store(j, s, psum);
}

// ---- Extents known only at run time

// A jump that leaves the step unless index `first` of the extent is there.
static void jump_outside(struct mac_job *j, const struct ir_value *sym, int64_t first,
                         size_t *jumps, int *n)
{
    if (!sym)
        return;
    EMIT(j->e, LI, LI, .rd = X_EXTENT, .imm = (int64_t)sym->addr);
    EMIT(j->e, LD, MEM, .rd = X_EXTENT, .ra = X_EXTENT, .type = DT_I64);
    EMIT(j->e, LI, LI, .rd = X_FIRST, .imm = first);
    jumps[(*n)++] = j->e->text_bytes;
    EMIT(j->e, BGE, BR, .ra = X_FIRST, .rb = X_EXTENT, .off = ISA_WORD_BYTES);
}

enum { JUMPS_MAX = IR_MAX_RANK + MAC_MAX_DIMS + 1 };

// Jumps over a step of which no position or no channel is there; gives their places.
static int guard_step(struct mac_job *j, const struct mac_step *s, size_t *jumps)
{
    const struct mac_problem *p = problem_of(j, s);
    const struct ir_type *y = &j->op->out[0]->type;
    struct mac_tile t = step_tile(j, s, false);
    int n = 0;
    int64_t batch = p->batch;
    for (int i = 0; i < p->np; i++)
        jump_outside(j, p->p[i].sym, t.start[i], jumps, &n);
    jump_outside(j, p->noc_sym, s->oc * j->demand.pes, jumps, &n);
    if (j->op->op == IR_OP_MATMUL && j->plan.num_problems > 1)
        for (int d = y->rank - 3; d >= 0; batch /= y->dim[d--])
            jump_outside(j, y->sym[d], batch % y->dim[d], jumps, &n);
    return n;
}

// Every step loads what it needs, behind the jumps. What an earlier step has loaded is there: the
// first tile of a problem and the first of its channels are skipped only with all others, and what
// is kept from one step to the next depends on positions alone.
static void run_guarded(struct mac_job *j)
{
    struct mac_step s = {0};
    do {
        size_t jumps[JUMPS_MAX];
        int n = guard_step(j, &s, jumps);
        configure_pack(j->e, j->op);
        load_x(j, &s);
        load_w(j, &s);
        run_step(j, &s);
        for (int i = 0; i < n; i++)
            emit_patch(j->e, jumps[i], emit_label(j->e));
        if (n > 0) // the packagers are set in a step that may be skipped
            j->e->has_pcfg = false;
    } while (next_step(j, &s));
}

// ---- The op

static bool job_begin(struct mac_job *j, struct emit *e, const struct ir_op *op)
{
    *j = (struct mac_job){.e = e, .op = op, .x_problem = -1, .w_problem = -1};
    const struct machine *m = e->machine;
    if (!mac_plan_make(op, m->group, m->pes, e->arena, e->diag, &j->plan))
        return false;
    if (!mac_tiling_of(op, &j->tiling))
        return diag_report(e->diag, op->loc, DIAG_IR_LEVEL,
                           "%s %%%s has no tile; run the pass tile", ir_op_info[op->op].text,
                           op->out[0]->name);
    j->mode = (enum ir_mode)ir_int(op, IR_A_mode, IR_MODE_FP32);
    j->dynamic = ir_op_is_dynamic(op);
    j->lanes = mac_lanes(j->mode, (int)ir_int(op, IR_A_wbits, 8));
    j->map = ir_int(op, IR_A_map, 0) != 0;
    size_t tile_bytes = machine_lane_tile_bytes(m, j->lanes, j->mode != IR_MODE_FIXED);
    bool is_packed = j->plan.stationary->type.dtype == DT_LANES;
    j->demand = (struct mac_demand){
        .group = m->group,
        .pes = m->pes,
        .tile_bytes = (int64_t)(tile_bytes + (j->map ? machine_lane_map_bytes(m) : 0)),
        .x_bytes = (int64_t)dtype_bytes(j->plan.moving->type.dtype),
        .y_bytes = (int64_t)dtype_bytes(op->out[0]->type.dtype),
        .raw_bytes = is_packed ? 0 : (int64_t)dtype_bytes(j->plan.stationary->type.dtype),
    };
    for (int i = 0; i < j->plan.num_problems; i++) {
        struct mac_space s;
        mac_space_of(&j->plan.problem[i], &j->tiling, &j->demand, &s);
        mac_space_max(&j->space, &s);
    }
    if (is_packed) {
        j->lanes_offset = ARENA_ARRAY(e->arena, (size_t)j->plan.num_problems, int64_t);
        int64_t all = mac_lanes_layout(&j->plan, j->tiling.kchunk, &j->demand, j->lanes_offset);
        if (all < 0 || (uint64_t)all > (uint64_t)ir_type_bytes(&j->plan.stationary->type))
            return diag_report(e->diag, op->loc, DIAG_IR_DATA,
                               "%%%s holds %zu bytes of lanes, its tiling needs %lld",
                               j->plan.stationary->name, ir_type_bytes(&j->plan.stationary->type),
                               (long long)all);
    }
    if (!mac_group_of(op, &j->group))
        return diag_report(e->diag, op->loc, DIAG_IR_LEVEL,
                           "an op that is fused into %%%s cannot run on its tiles",
                           op->out[0]->name);
    if (j->group.num_ops == 0) // also what nobody uses is stored
        j->group.slot[0].stored = true;
    mac_layout_of(&j->space, &j->group, m->act_buffer, &j->at);
    if (j->at.bytes > m->act_buffer || 2 * j->space.psum > m->psum_buffer / 8)
        return diag_report(e->diag, op->loc, DIAG_TILE_FIT,
                           "the tile of %%%s takes %lld bytes of activation buffer and %lld "
                           "partial sums, the machine has %lld and %lld",
                           op->out[0]->name, (long long)j->at.bytes, (long long)(2 * j->space.psum),
                           (long long)m->act_buffer, (long long)(m->psum_buffer / 8));
    return true;
}

// ---- Weights that stay over the iterations of a loop

static bool made_inside(const struct ir_value *v, const struct ir_op *loop)
{
    const struct ir_op *end = ir_region_close(loop);
    for (const struct ir_op *op = loop; op != end && !ir_const_data(v); op = op->next)
        if (op == v->def)
            return true;
    return false;
}

// Bytes of all lanes of the op, 0 when they cannot stay over the loop.
static int64_t pin_size(struct mac_job *j, const struct ir_op *loop)
{
    for (int i = 0; i < j->plan.num_problems; i++)
        if (j->plan.problem[i].empty)
            return 0;
    if (made_inside(j->plan.stationary, loop))
        return 0;
    j->pin_offset = ARENA_ARRAY(j->e->arena, (size_t)j->plan.num_problems, int64_t);
    int64_t all = mac_lanes_layout(&j->plan, j->tiling.kchunk, &j->demand, j->pin_offset);
    return all > j->e->machine->weight_buffer ? 0 : (all + 63) / 64 * 64;
}

static struct emit_pin *find_pin(const struct emit *e, const struct ir_op *op)
{
    for (size_t i = 0; i < e->num_pins; i++)
        if (e->pins[i].op == op)
            return &e->pins[i];
    return NULL;
}

// Whether the problem's weights lie where an earlier problem put them.
static bool pinned_before(const struct mac_job *j, int64_t problem)
{
    for (int64_t i = 0; i < problem; i++)
        if (j->pin_offset[i] == j->pin_offset[problem])
            return true;
    return false;
}

// Piece by piece, so that the first iteration begins with the first one.
static void load_pinned(struct mac_job *j)
{
    struct mac_step s = {0}, next = {0};
    for (bool more = true; more; s = next) {
        next = s;
        more = next_step(j, &next);
        if (s.tile > 0 || pinned_before(j, s.problem))
            continue;
        load_w(j, &s);
        if (!j->lanes_offset)
            pack_weights(j, &s, j->e->wslot ^= 1, s.wbuf);
        else
            load_lanes(j, s.wbuf, s.wbuf - j->pin->base, chunk_bytes(j, &s));
    }
}

// MAC ops of the loop that run in every iteration, and the largest need of the others, twice.
struct pin_plan {
    struct mac_job *job;
    int64_t *size;
    int num;
};

static bool plan_pins(struct emit *e, const struct ir_op *loop, struct pin_plan *p)
{
    const struct ir_op *end = ir_region_close(loop);
    int count = 0;
    for (const struct ir_op *op = loop->next; op != end; op = op->next)
        count += ir_is_mac(op);
    p->job = ARENA_ARRAY(e->arena, (size_t)count + 1, struct mac_job);
    p->size = ARENA_ARRAY(e->arena, (size_t)count + 1, int64_t);
    int ifs = 0;
    for (const struct ir_op *op = loop->next; op != end; op = op->next) {
        ifs += (op->op == IR_OP_IF_BEGIN) - (op->op == IR_OP_IF_END);
        if (!ir_is_mac(op) || ir_type_elems(&op->out[0]->type) == 0)
            continue;
        struct mac_job *j = &p->job[p->num];
        if (!job_begin(j, e, op))
            return false;
        p->size[p->num++] = ifs == 0 ? pin_size(j, loop) : 0;
    }
    return true;
}

// Bytes of a half of the weight buffer that the ops need which are not pinned; `but` counts as
// pinned.
static int64_t half_needed(const struct emit *e, const struct pin_plan *p, int but)
{
    int64_t need = 0;
    for (int i = 0; i < p->num; i++) {
        const struct mac_job *j = &p->job[i];
        bool resident = j->tiling.resident && j->lanes_offset;
        int64_t w = resident ? j->space.w_all : j->space.w;
        if (i != but && !find_pin(e, j->op) && w > need)
            need = w;
    }
    return (need + 63) / 64 * 64;
}

bool emit_pin_weights(struct emit *e, const struct ir_op *loop)
{
    struct pin_plan p = {0};
    if (e->pin_loop)
        return true;
    if (!plan_pins(e, loop, &p))
        return false;
    e->pin_loop = loop;
    for (int i = 0; i < p.num; i++) {
        int64_t after = e->pin_bytes + p.size[i];
        if (p.size[i] == 0 || after + 2 * half_needed(e, &p, i) > e->machine->weight_buffer)
            continue;
        e->pins = arena_grow(e->arena, e->pins, e->num_pins, e->num_pins + 1, sizeof(*e->pins),
                             &e->pins_cap);
        e->pins[e->num_pins++] = (struct emit_pin){.op = p.job[i].op, .base = e->pin_bytes};
        e->pin_bytes = after;
    }
    for (int i = 0; i < p.num; i++) {
        struct emit_pin *pin = find_pin(e, p.job[i].op);
        if (!pin)
            continue;
        emit_layer(e, pin->op);
        pin->layer = (uint32_t)e->num_layers - 1;
        p.job[i].pin = pin;
        load_pinned(&p.job[i]);
    }
    return true;
}

void emit_unpin(struct emit *e, const struct ir_op *loop)
{
    if (e->pin_loop != loop)
        return;
    e->pin_loop = NULL;
    e->num_pins = 0;
    e->pin_bytes = 0;
}

// ---- Selection

static bool find_pinned(struct mac_job *j)
{
    j->pin = find_pin(j->e, j->op);
    if (!j->pin)
        return true;
    j->pin_offset = ARENA_ARRAY(j->e->arena, (size_t)j->plan.num_problems, int64_t);
    return mac_lanes_layout(&j->plan, j->tiling.kchunk, &j->demand, j->pin_offset) >= 0;
}

static int64_t count_steps(const struct mac_job *j)
{
    int64_t n = 0;
    for (int i = 0; i < j->plan.num_problems; i++) {
        const struct mac_problem *p = &j->plan.problem[i];
        n += mac_tile_count(p, j->tiling.tile) * oc_tiles(j, p) * mac_chunks(p, j->tiling.kchunk);
    }
    return n;
}

static bool select_mac(struct emit *e, const struct ir_op *op)
{
    struct mac_job j;
    if (!job_begin(&j, e, op) || !find_pinned(&j))
        return false;
    emit_beside(e, 0, j.at.bytes);
    if (j.pin)
        emit_layer_again(e, j.pin->layer);
    else
        emit_layer(e, op);
    j.layer = j.pin ? j.pin->layer : (uint32_t)e->num_layers - 1;
    open_ring(&j);
    if (j.dynamic) {
        run_guarded(&j);
        return true;
    }
    configure_pack(e, op);
    struct mac_step now = {0}, then;
    struct mac_ahead ahead = {.more = true};
    int64_t steps = count_steps(&j);
    load_x(&j, &now);
    load_ahead(&j, &ahead, 0);
    take_weights(&ahead, &now);
    load_group(&j, &now);
    for (bool more = true; more; now = then) {
        then = now;
        more = next_step(&j, &then);
        if (more) {
            load_x(&j, &then);
            load_ahead(&j, &ahead, now.w_load);
            take_weights(&ahead, &then);
            load_group(&j, &then);
        }
        if (e->beside) {
            emit_beside(e, steps, 0);
            emit_layer_again(e, j.layer);
        }
        steps--;
        run_step(&j, &now);
    }
    return true;
}

bool select_CONV(struct emit *e, const struct ir_op *op)
{
    return select_mac(e, op);
}

bool select_CONV_TRANSPOSE(struct emit *e, const struct ir_op *op)
{
    return select_mac(e, op);
}

bool select_MATMUL(struct emit *e, const struct ir_op *op)
{
    return select_mac(e, op);
}

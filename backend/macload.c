// Loads of a step: the box of x, and weights through the ring of slots or by the preprocessing
// module.
#include "macjob.h"

uint64_t job_x_addr(const struct mac_job *j, int slot)
{
    return IMAGE_ABUF_BASE + (uint64_t)(slot * (j->at.keeps_x ? j->space.x_whole : j->space.x));
}

void job_load_x(struct mac_job *j, struct mac_step *s)
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
    struct mac_tile t = job_step_tile(j, s, j->at.keeps_x);
    struct mac_box box;
    mac_box_make(job_problem(j, s), &t, &t, &box);
    if (box.elems == 0)
        return;
    enum dtype type = j->plan.moving->type.dtype;
    struct emit_view from = view_at(job_element_addr(j->plan.moving, box.start), type),
                     to = view_at(job_x_addr(j, s->xslot), type);
    int64_t dense[MAC_BOX_RANK], run = 1;
    for (int i = box.rank - 1; i >= 0; i--) {
        dense[i] = run;
        run *= box.extent[i];
    }
    for (int i = 0; i < box.rank; i++) {
        view_add(&from, box.extent[i], box.stride[i]);
        view_add(&to, box.extent[i], dense[i]);
    }
    job_dma(j->e, ISA_LDA, to, from);
}

// A resident problem takes a half; else as many slots as the buffer holds, for weights are then
// brought several steps ahead. The first load goes behind the last one of the op before.
void job_open_ring(struct mac_job *j)
{
    struct emit *e = j->e;
    int64_t room = e->machine->weight_buffer - e->pin_bytes, slots = 2;
    int64_t need = (j->space.w + 63) / 64 * 64;
    if (!(j->lanes_offset && j->tiling.resident) && need > 0)
        slots = room / need < RING_MAX ? room / need : RING_MAX;
    j->w_slots = slots < 2 ? 2 : slots;
    j->w_slot_bytes = room / j->w_slots / 64 * 64;
    j->w_first = (e->wbuf_end + j->w_slot_bytes - 1) / j->w_slot_bytes % j->w_slots;
}

static int64_t ring_slot(const struct mac_job *j, int64_t load)
{
    return j->e->pin_bytes + (j->w_first + load) % j->w_slots * j->w_slot_bytes;
}

void job_load_lanes(struct mac_job *j, int64_t wbuf, int64_t offset, int64_t bytes)
{
    struct emit_view from = view_at(j->plan.stationary->addr + (uint64_t)offset, DT_LANES);
    struct emit_view to = view_at(IMAGE_WBUF_BASE + (uint64_t)wbuf, DT_LANES);
    view_add(&from, bytes / 8, 1);
    view_add(&to, bytes / 8, 1);
    job_dma(j->e, ISA_LDW, to, from);
}

// A problem without taps: one weight of zero a channel, read from outside a view.
static void pack_zeros(struct mac_job *j, const struct mac_step *s, int64_t wbuf)
{
    struct emit_view zeros =
        view_at(IMAGE_ABUF_BASE + (uint64_t)j->at.raw, j->plan.stationary->type.dtype);
    view_add(&zeros, job_step_pes(j, s), 0);
    view_add_axis(&zeros, 1, 0, 0, 0);
    view_set_axis(&zeros, 0, 0, 0);
    emit_view(j->e, T_RAW, &zeros);
    EMIT(j->e, WPACK, WPACK, .ta = T_RAW, .mode = (int64_t)j->mode, .lanes = j->lanes,
         .map = j->map, .wbuf = wbuf);
}

// Weights that another op computes: brought as they are and put into lanes by the preprocessing
// module.
void job_pack_weights(struct mac_job *j, const struct mac_step *s, int slot, int64_t wbuf)
{
    const struct mac_problem *p = job_problem(j, s);
    if (p->empty) {
        pack_zeros(j, s, wbuf);
        return;
    }
    struct mac_tile t = job_step_tile(j, s, false);
    const struct ir_value *w = j->plan.stationary;
    int64_t first = p->wbase + s->oc * j->demand.pes * p->w_oc + t.k0 * p->k[0].wstride, run = 1;
    int64_t extent[MAC_MAX_DIMS + 1], stride[MAC_MAX_DIMS + 1], dense[MAC_MAX_DIMS + 1];
    extent[0] = job_step_pes(j, s);
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
    struct emit_view from = view_at(job_element_addr(w, first), w->type.dtype),
                     to = view_at(raw, w->type.dtype);
    for (int i = 0; i <= p->nk; i++) {
        view_add(&from, extent[i], stride[i]);
        view_add(&to, extent[i], dense[i]);
    }
    if (p->held)
        job_load_rows(j, s, extent[0], raw);
    else
        job_dma(j->e, ISA_LDA, to, from);
    struct emit_view packed = view_at(raw, w->type.dtype);
    if (p->noc_sym) { // a channel that is not there has no weights
        view_add_axis(&packed, extent[0], dense[0], 0, 1);
        view_set_axis(&packed, 0, 0, extent[0]);
        packed.limit_sym[0] = p->noc_sym;
        packed.coord[0] = s->oc * j->demand.pes;
        packed.grain[0] = 1;
    } else {
        view_add(&packed, extent[0], p->held ? 1 : dense[0]);
    }
    view_add(&packed, dense[0], p->held ? extent[0] : 1);
    view_part_of(&packed, p->k[0].sym, t.k0);
    emit_view(j->e, T_RAW, &packed);
    EMIT(j->e, WPACK, WPACK, .ta = T_RAW, .mode = (int64_t)j->mode, .lanes = j->lanes,
         .map = j->map, .wbuf = wbuf);
}

int64_t job_chunk_bytes(const struct mac_job *j, const struct mac_step *s)
{
    return mac_chunk_groups(job_problem(j, s), j->tiling.kchunk, s->chunk, j->demand.group) *
           job_step_pes(j, s) * j->demand.tile_bytes;
}

enum { PACKED_AHEAD = 2 };

static bool loads_weights(const struct mac_job *j, const struct mac_step *s)
{
    bool resident = j->tiling.resident && j->lanes_offset;
    if (j->pin)
        return false;
    return resident
               ? j->w_problem < 0 || j->lanes_offset[j->w_problem] != j->lanes_offset[s->problem]
               : j->w_problem != s->problem || j->w_oc != s->oc || j->w_chunk != s->chunk;
}

void job_load_w(struct mac_job *j, struct mac_step *s)
{
    const struct mac_problem *p = job_problem(j, s);
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
            job_pack_weights(j, s, (int)(load % 2), wbuf);
        else if (resident)
            job_load_lanes(j, wbuf, j->lanes_offset[s->problem],
                           mac_lanes_bytes(p, j->tiling.kchunk, &j->demand));
        else
            job_load_lanes(j, wbuf, j->lanes_offset[s->problem] + place, job_chunk_bytes(j, s));
        j->e->wbuf_end = wbuf - j->e->pin_bytes + j->w_slot_bytes;
    }
    s->w_load = j->w_loads - 1;
    s->wbuf = ring_slot(j, s->w_load) + inside;
}

// Brings the weights of the steps after `now` as far as slots are free: those that `now` and later
// steps read are not. What is packed at run time shares the activation channel with results, which
// wait for the array: two steps ahead it is there in spite of that, and further ahead results would
// wait for it.
void job_load_ahead(struct mac_job *j, struct mac_ahead *a, int64_t now_load)
{
    int most = j->lanes_offset ? AHEAD_MAX : PACKED_AHEAD;
    while (a->more && a->count < most) {
        if (loads_weights(j, &a->next) && j->w_loads >= now_load + j->w_slots)
            return;
        job_load_w(j, &a->next);
        a->queue[(a->first + a->count++) % AHEAD_MAX] = a->next;
        a->more = job_next_step(j, &a->next);
    }
}

void job_take_weights(struct mac_ahead *a, struct mac_step *s)
{
    const struct mac_step *q = &a->queue[a->first];
    s->w_load = q->w_load;
    s->wbuf = q->wbuf;
    a->first = (a->first + 1) % AHEAD_MAX;
    a->count--;
}

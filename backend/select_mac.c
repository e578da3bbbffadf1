// MAC ops: the loop nest of mactile.h as an instruction stream.
//
// A step is one BCE instruction: a tile of positions, a tile of output channels, a chunk of K. The
// loads of a step are emitted before the step that precedes it runs, into the other half of each
// buffer; units overlap as the dependences allow, so this order is all it takes to hide the
#include "macjob.h"

enum { X_EXTENT = 5, X_FIRST = 6 };

static void run_bce(struct mac_job *j, const struct mac_step *s, int64_t psum)
{
    struct mac_tile use = job_step_tile(j, s, false), load = job_step_tile(j, s, j->at.keeps_x);
    struct mac_box box;
    mac_box_make(job_problem(j, s), &load, &use, &box);
    enum dtype type = j->plan.moving->type.dtype;
    uint64_t base = job_x_addr(j, s->xslot) + (uint64_t)box.base * dtype_bytes(type);
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
         .npe = job_step_pes(j, s), .acc = s->chunk > 0, .map = j->map, .wbuf = s->wbuf,
         .psum = psum);
}

static void run_step(struct mac_job *j, const struct mac_step *s)
{
    int64_t half = j->e->machine->psum_buffer / 8 / 2;
    if (s->chunk == 0)
        j->e->pslot ^= 1;
    int64_t psum = j->e->pslot * half;
    run_bce(j, s, psum);
    if (job_ends_tile(j, s))
        job_pack_and_store(j, s, psum);
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
    const struct mac_problem *p = job_problem(j, s);
    const struct ir_type *y = &j->op->out[0]->type;
    struct mac_tile t = job_step_tile(j, s, false);
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
        job_configure_pack(j->e, j->op);
        job_load_x(j, &s);
        job_load_w(j, &s);
        run_step(j, &s);
        for (int i = 0; i < n; i++)
            emit_patch(j->e, jumps[i], emit_label(j->e));
        if (n > 0) // the packagers are set in a step that may be skipped
            j->e->has_pcfg = false;
    } while (job_next_step(j, &s));
}

// ---- Selection

static bool find_pinned(struct mac_job *j)
{
    j->pin = job_find_pin(j->e, j->op);
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
        n += mac_tile_count(p, j->tiling.tile) * job_oc_tiles(j, p) *
             mac_chunks(p, j->tiling.kchunk);
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
    job_open_ring(&j);
    if (j.dynamic) {
        run_guarded(&j);
        return true;
    }
    job_configure_pack(e, op);
    struct mac_step now = {0}, then;
    struct mac_ahead ahead = {.more = true};
    int64_t steps = count_steps(&j);
    job_load_x(&j, &now);
    job_load_ahead(&j, &ahead, 0);
    job_take_weights(&ahead, &now);
    job_load_group(&j, &now);
    for (bool more = true; more; now = then) {
        then = now;
        more = job_next_step(&j, &then);
        if (more) {
            job_load_x(&j, &then);
            job_load_ahead(&j, &ahead, now.w_load);
            job_take_weights(&ahead, &then);
            job_load_group(&j, &then);
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

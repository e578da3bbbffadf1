// The loop nest of a MAC op, and what the whole op needs.
#include "macjob.h"

const struct mac_problem *job_problem(const struct mac_job *j, const struct mac_step *s)
{
    return &j->plan.problem[s->problem];
}

int64_t job_oc_tiles(const struct mac_job *j, const struct mac_problem *p)
{
    return (p->noc + j->demand.pes - 1) / j->demand.pes;
}

int64_t job_step_pes(const struct mac_job *j, const struct mac_step *s)
{
    int64_t left = job_problem(j, s)->noc - s->oc * j->demand.pes;
    return left < j->demand.pes ? left : j->demand.pes;
}

struct mac_tile job_step_tile(const struct mac_job *j, const struct mac_step *s, bool all_k)
{
    const struct mac_problem *p = job_problem(j, s);
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

bool job_next_step(const struct mac_job *j, struct mac_step *s)
{
    const struct mac_problem *p = job_problem(j, s);
    if (++s->chunk < mac_chunks(p, j->tiling.kchunk))
        return true;
    s->chunk = 0;
    if (++s->oc < job_oc_tiles(j, p))
        return true;
    s->oc = 0;
    if (++s->tile < mac_tile_count(p, j->tiling.tile))
        return true;
    s->tile = 0;
    return ++s->problem < j->plan.num_problems;
}

uint64_t job_element_addr(const struct ir_value *v, int64_t element)
{
    return v->addr + (uint64_t)element * dtype_bytes(v->type.dtype);
}

// A transfer between views of equal extents; neighbouring dimensions are joined.
void job_dma(struct emit *e, enum isa_op op, struct emit_view to, struct emit_view from)
{
    struct emit_view v[2] = {to, from};
    uint32_t taken = 0;
    views_merge(v, 2);
    int td = emit_view_any(e, &v[0], &taken), ta = emit_view_any(e, &v[1], &taken);
    emit_insn(e, (struct isa_insn){.op = op, .DMA = {.td = td, .ta = ta}});
}

bool job_ends_tile(const struct mac_job *j, const struct mac_step *s)
{
    return s->chunk + 1 == mac_chunks(job_problem(j, s), j->tiling.kchunk);
}

bool job_begin(struct mac_job *j, struct emit *e, const struct ir_op *op)
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
    j->lanes = mac_op_lanes(op);
    j->map = ir_int(op, IR_A_map, 0) != 0;
    size_t tile_bytes = machine_lane_tile_bytes(m, j->lanes, j->mode != IR_MODE_FIXED);
    bool is_packed = j->plan.stationary->type.dtype == DT_LANES;
    j->demand = (struct mac_demand){
        .group = m->group,
        .pes = m->pes - m->pes % (j->plan.num_problems > 0 ? j->plan.problem[0].patch : 1),
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
    int64_t weights = is_packed && j->tiling.resident ? j->space.w_all : j->space.w;
    if (weights > m->weight_buffer / 2)
        return diag_report(e->diag, op->loc, DIAG_TILE_FIT,
                           "the weights that the tiling of %%%s keeps take %lld bytes, twice; the "
                           "machine's weight buffer has %lld",
                           op->out[0]->name, (long long)weights, (long long)m->weight_buffer);
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

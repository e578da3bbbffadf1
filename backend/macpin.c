// Weights that stay in the weight buffer over the iterations of a loop.
#include "macjob.h"

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

struct emit_pin *job_find_pin(const struct emit *e, const struct ir_op *op)
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
        more = job_next_step(j, &next);
        if (s.tile > 0 || pinned_before(j, s.problem))
            continue;
        job_load_w(j, &s);
        if (!j->lanes_offset)
            job_pack_weights(j, &s, j->e->wslot ^= 1, s.wbuf);
        else
            job_load_lanes(j, s.wbuf, s.wbuf - j->pin->base, job_chunk_bytes(j, &s));
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
        if (i != but && !job_find_pin(e, j->op) && w > need)
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
        struct emit_pin *pin = job_find_pin(e, p.job[i].op);
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

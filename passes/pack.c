// pack: the constant stationary operand of every MAC op becomes a constant of lanes, laid out as
// mactile.h says. Ops that hold the same weights in the same tiling share the lanes. Weights that
// another op computes stay as they are; the machine's preprocessing module packs them at run time.
#include <string.h>

#include "index.h"
#include "lanes.h"
#include "pass.h"

// One way in which a value's weights were packed; a list per value.
struct packed {
    struct ir_value *lanes;
    const struct mac_plan *plan;
    enum ir_mode mode;
    int num_lanes;
    int64_t kchunk;
    bool map;
    struct packed *next;
};
struct packer {
    struct pass_ctx *ctx;
    struct index index; // value -> head
    struct packed **head;
    int num_heads;
    size_t erased; // bytes, since memory was released
};

static bool same_packing(const struct packed *p, const struct packed *q)
{
    const struct mac_plan *plan = q->plan;
    if (p->mode != q->mode || p->num_lanes != q->num_lanes || p->kchunk != q->kchunk ||
        p->map != q->map || p->plan->num_problems != plan->num_problems)
        return false;
    for (int i = 0; i < plan->num_problems; i++)
        if (!mac_same_weights(&p->plan->problem[i], &plan->problem[i]))
            return false;
    return true;
}

static struct packed **list_of(struct packer *s, const struct ir_value *w)
{
    int n = index_get(&s->index, w);
    if (n < 0)
        index_set(&s->index, w, n = s->num_heads++);
    return &s->head[n];
}

static bool check_weights(struct packer *s, const struct ir_op *op, const struct tensor *w,
                          enum ir_mode mode)
{
    static const char *const wanted[] = {"integers of at most 16 bits or i32", "f32", "f16"};
    if (lanes_takes(mode, w->dtype))
        return true;
    return diag_report(s->ctx->diag, op->loc, DIAG_IR_TYPE,
                       "weights of %%%s are %s, its mode needs %s", op->out[0]->name,
                       dtype_text(w->dtype), wanted[mode]);
}

// The lanes as a new constant beside the op.
static struct ir_value *make_lanes(struct packer *s, struct ir_op *op, const struct packed *p,
                                   const struct mac_demand *m)
{
    struct pass_ctx *c = s->ctx;
    const struct tensor *w = ir_const_data(p->plan->stationary);
    int64_t *offset = ARENA_ARRAY(c->scratch, (size_t)p->plan->num_problems, int64_t), bad;
    int64_t bytes = mac_lanes_layout(p->plan, p->kchunk, m, offset);
    if (bytes < 0) {
        diag_report(c->diag, op->loc, DIAG_LIMIT, "the lanes of %%%s take more than 2^40 bytes",
                    op->out[0]->name);
        return NULL;
    }
    struct tensor *t = tensor_create(c->module->arena, DT_LANES, (int64_t[]){bytes / 8}, 1);
    struct lanes_source src = {w, p->mode, p->num_lanes, p->map ? c->machine : NULL, c->opt->pool};
    if (!lanes_pack(p->plan, p->kchunk, m, &src, offset, c->scratch, t->data, &bad)) {
        diag_report(c->diag, op->loc, DIAG_IR_DATA,
                    "weight %lld of %%%s is %lld, which does not fit %d bit lanes", (long long)bad,
                    p->plan->stationary->name, (long long)tensor_get_int(w, bad), p->num_lanes);
        return NULL;
    }
    struct ir_builder b = {op->graph, op, p->plan->stationary->def->loc, c->diag};
    return irb_const(&b, t, arena_printf(c->scratch, "%s.lanes", p->plan->stationary->name));
}

static void use_lanes(struct packer *s, struct ir_op *op, const struct mac_plan *plan,
                      struct ir_value *lanes)
{
    struct ir_value *w = plan->stationary;
    ir_set_ints(op, IR_A_wshape, w->type.dim, w->type.rank);
    for (int i = 0; i < 2; i++)
        if (op->in[i] == w)
            ir_op_set_operand(op, i, lanes);
    if (w->num_uses == 0 && !w->is_output) {
        size_t bytes = tensor_bytes(w->def->data);
        ir_op_erase(w->def);
        pass_release(s->ctx, &s->erased, bytes);
    }
}

static bool pack_op(struct packer *s, struct ir_op *op)
{
    struct pass_ctx *c = s->ctx;
    struct mac_plan *plan = ARENA_NEW(c->scratch, struct mac_plan);
    struct mac_tiling tiling;
    if (!mac_plan_make(op, c->machine->group, c->machine->pes, c->scratch, c->diag, plan))
        return false;
    const struct tensor *w = ir_const_data(plan->stationary);
    if (w == NULL || w->dtype == DT_LANES)
        return true;
    if (!mac_tiling_of(op, &tiling))
        return diag_report(c->diag, op->loc, DIAG_IR_LEVEL, "%%%s has no tile and kchunk",
                           op->out[0]->name);
    enum ir_mode mode = (enum ir_mode)ir_int(op, IR_A_mode, IR_MODE_FP32);
    if (!check_weights(s, op, w, mode))
        return false;
    int lanes = mac_op_lanes(op);
    struct packed **list = list_of(s, plan->stationary), *p = *list;
    struct packed want = {NULL, plan, mode, lanes, tiling.kchunk, ir_int(op, IR_A_map, 0), *list};
    while (p != NULL && !same_packing(p, &want))
        p = p->next;
    if (p == NULL) {
        struct mac_demand demand;
        size_t bytes = machine_lane_tile_bytes(c->machine, lanes, mode != IR_MODE_FIXED);
        bytes += want.map ? machine_lane_map_bytes(c->machine) : 0;
        mac_demand_of(plan, c->machine->group, c->machine->pes, (int64_t)bytes, &demand);
        p = ARENA_NEW(c->scratch, struct packed);
        *p = want;
        p->lanes = make_lanes(s, op, p, &demand);
        if (p->lanes == NULL)
            return false;
        *list = p;
    }
    use_lanes(s, op, plan, p->lanes);
    return true;
}

bool pass_pack(struct pass_ctx *ctx)
{
    struct ir_module *m = ctx->module;
    if (m->machine[0] != '\0' && strcmp(m->machine, ctx->machine->name) != 0)
        return diag_report(ctx->diag, LOC_NONE, DIAG_IR_LEVEL,
                           "the module is tiled for machine %s, not for %s", m->machine,
                           ctx->machine->name);
    size_t macs = 0;
    for (struct ir_op *op = m->main->first; op != NULL; op = op->next)
        macs += ir_is_mac(op);
    struct packer s = {.ctx = ctx, .head = ARENA_ARRAY(ctx->scratch, macs, struct packed *)};
    index_create(&s.index, macs, ctx->scratch);
    bool ok = true;
    int done = 0;
    for (struct ir_op *op = m->main->first; op != NULL; op = op->next)
        if (ir_is_mac(op)) {
            pass_step(ctx, done++, (int)macs);
            ok &= pack_op(&s, op);
        }
    return ok;
}

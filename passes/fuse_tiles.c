// fuse-tiles: element-wise ops on the result of a MAC op, a pool or another element-wise op (a
// residual's addition, activations, the quantisation for the next layer) move directly behind it
// and run on its tiles while these are in the activation buffer. What only they use never goes to
// DRAM.
//
// An op joins the first op that makes one of its operands when all others are there before that op
// begins, no marker of control flow lies between, and the tiles of what the group needs fit into
// the buffer, beside those of a MAC op.
#include "index.h"
#include "macgroup.h"
#include "pass.h"

struct fuser {
    struct pass_ctx *ctx;
    struct index place; // op -> place in the order; ops that joined a group have the head's
    int *region;        // by place: number of markers before
};

static int place_of(const struct fuser *f, const struct ir_op *op)
{
    return index_get(&f->place, op);
}

static bool there_before(const struct fuser *f, const struct ir_value *v, const struct mac_group *g)
{
    return v->def == NULL || v->def->op == IR_OP_CONST || mac_group_slot(g, v) >= 0 ||
           place_of(f, v->def) < place_of(f, g->head);
}

static bool may_join(const struct fuser *f, const struct ir_op *op, const struct mac_group *g)
{
    int at = place_of(f, g->head);
    if (place_of(f, op) <= at || f->region[place_of(f, op)] != f->region[at])
        return false;
    for (int i = 0; i < op->num_in; i++)
        if (op->in[i] && !there_before(f, op->in[i], g))
            return false;
    return true;
}

static bool fits(const struct fuser *f, const struct mac_group *g)
{
    const struct machine *m = f->ctx->machine;
    struct mac_plan plan;
    struct mac_tiling tiling;
    struct mac_demand demand;
    struct mac_space all = {0}, s;
    struct mac_layout layout;
    struct mac_strips strips;
    if (!ir_is_mac(g->head))
        return mac_strips_of(g, m->act_buffer, &strips);
    if (!mac_plan_make(g->head, m->group, m->pes, f->ctx->scratch, f->ctx->diag, &plan) ||
        !mac_tiling_of(g->head, &tiling))
        return false;
    mac_demand_of(&plan, m->group, m->pes, 1, &demand);
    for (int i = 0; i < plan.num_problems; i++) {
        mac_space_of(&plan.problem[i], &tiling, &demand, &s);
        mac_space_max(&all, &s);
    }
    mac_layout_of(&all, g, m->act_buffer, &layout);
    return layout.bytes <= m->act_buffer;
}

// The first op in the order that can join.
static struct ir_op *next_to_join(const struct fuser *f, const struct mac_group *g)
{
    struct ir_op *best = NULL;
    for (int i = 0; i < g->num_slots; i++) {
        if (g->slot[i].loaded)
            continue;
        for (const struct ir_use *u = g->slot[i].value->uses; u; u = u->next) {
            struct mac_group with = *g;
            if ((!best || place_of(f, u->op) < place_of(f, best)) && may_join(f, u->op, g) &&
                mac_group_add(&with, u->op) && fits(f, &with))
                best = u->op;
        }
    }
    return best;
}

static void fuse(struct fuser *f, struct ir_op *head)
{
    struct mac_group g;
    struct ir_op *behind = head->next;
    mac_group_begin(&g, head);
    for (struct ir_op *op; (op = next_to_join(f, &g)) != NULL;) {
        mac_group_add(&g, op);
        ir_set_int(op, IR_A_fused, 1);
        index_set(&f->place, op, place_of(f, head));
        if (op == behind)
            behind = op->next;
        else
            ir_op_move_before(op, behind);
    }
}

bool pass_fuse_tiles(struct pass_ctx *ctx)
{
    struct fuser f = {.ctx = ctx};
    struct ir_graph *g = ctx->module->main;
    size_t ops = 0;
    for (const struct ir_op *op = g->first; op; op = op->next)
        ops++;
    index_create(&f.place, ops, ctx->scratch);
    f.region = ARENA_ARRAY(ctx->scratch, ops + 1, int);
    int place = 0, markers = 0;
    for (const struct ir_op *op = g->first; op; op = op->next) {
        index_set(&f.place, op, place);
        f.region[place++] = markers += ir_is_marker(op);
    }
    for (struct ir_op *op = g->first; op; op = op->next)
        if (mac_can_head(op) && !mac_is_fused(op))
            fuse(&f, op);
    return true;
}

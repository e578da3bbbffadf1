// fuse-tiles: element-wise ops on the result of a MAC op, a pool or another element-wise op (a
// residual's addition, activations, the quantisation for the next layer) move directly behind it
// and run on its tiles while these are in the activation buffer. What only they use never goes to
// DRAM.
//
// An op joins the first op that makes one of its operands when all others are there before that op
// begins, no marker of control flow lies between, and the tiles of what the group needs fit into
// the buffer, beside those of a MAC op.
//
// A group without a MAC op that needs nothing of the MAC op before it goes in front of that one,
// and its strips run between the steps of that op: the array works meanwhile.
#include "index.h"
#include "macgroup.h"
#include "pass.h"

// Of a value with more users no group is made: it is stored anyway.
enum { MANY_USES = 64 };

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

// Bytes of the activation buffer that a MAC op's group takes; more than there are: unknown.
static int64_t tiles_bytes(const struct fuser *f, const struct mac_group *g)
{
    const struct machine *m = f->ctx->machine;
    struct mac_plan plan;
    struct mac_tiling tiling;
    struct mac_demand demand;
    struct mac_space all = {0}, s;
    struct mac_layout layout;
    if (!mac_plan_make(g->head, m->group, m->pes, f->ctx->scratch, f->ctx->diag, &plan) ||
        !mac_tiling_of(g->head, &tiling))
        return INT64_MAX;
    mac_demand_of(&plan, m->group, m->pes, 1, &demand);
    for (int i = 0; i < plan.num_problems; i++) {
        mac_space_of(&plan.problem[i], &tiling, &demand, &s);
        mac_space_max(&all, &s);
    }
    mac_layout_of(&all, g, m->act_buffer, &layout);
    return layout.bytes;
}

static bool fits(const struct fuser *f, const struct mac_group *g)
{
    const struct machine *m = f->ctx->machine;
    struct mac_strips strips;
    return ir_is_mac(g->head) ? tiles_bytes(f, g) <= m->act_buffer
                              : mac_strips_of(g, m->act_buffer, &strips);
}

// The first op in the order that can join.
static struct ir_op *next_to_join(const struct fuser *f, const struct mac_group *g)
{
    struct ir_op *best = NULL;
    for (int i = 0; i < g->num_slots; i++) {
        if (g->slot[i].loaded || g->slot[i].value->num_uses > MANY_USES)
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

// ---- Beside MAC ops

static struct ir_op *head_before(struct ir_op *op)
{
    do
        op = op->prev;
    while (op && (op->op == IR_OP_CONST || mac_is_fused(op)));
    return op;
}

static bool uses_any(const struct mac_group *of, const struct ir_op *op)
{
    for (int i = 0; i < op->num_in; i++) {
        const struct ir_value *v = op->in[i];
        while (v && v->def && ir_op_is_alias(v->def))
            v = v->def->in[0];
        int slot = v ? mac_group_slot(of, v) : -1;
        if (slot >= 0 && !of->slot[slot].loaded)
            return true;
    }
    return false;
}

// Moves a group of strips before the MAC op that it follows, when it needs nothing of that one, and
// marks it.
static void place_beside(struct fuser *f, struct ir_op *head)
{
    struct mac_group g, tiles;
    struct mac_strips strips;
    struct ir_op *mac = head_before(head);
    if (!mac || !ir_is_mac(mac) || !mac_can_head(mac) || !mac_group_of(head, &g) ||
        !mac_group_of(mac, &tiles) || !mac_strips_of(&g, f->ctx->machine->act_buffer, &strips) ||
        tiles_bytes(f, &tiles) > strips.start)
        return;
    bool depends = uses_any(&tiles, head);
    for (int i = 0; i < g.num_ops; i++)
        depends |= uses_any(&tiles, g.op[i]);
    const struct ir_op *before = mac->prev;
    while (before && before->op == IR_OP_CONST)
        before = before->prev;
    // One group at a time runs beside an op.
    if (depends || (before && mac_ends_beside(before)))
        return;
    struct ir_op *op = head;
    for (int i = 0; i <= g.num_ops; i++) {
        struct ir_op *next = op->next;
        while (next && next->op == IR_OP_CONST)
            next = next->next;
        ir_op_move_before(op, mac);
        op = next;
    }
    ir_set_int(head, IR_A_beside, 1);
}

static bool worth_strips(const struct ir_op *op)
{
    enum { SMALL = 16384 }; // bytes, of which the latency is most of the time
    return !ir_is_mac(op) && mac_can_head(op) && !mac_is_fused(op) &&
           ir_type_bytes(&op->out[0]->type) > SMALL;
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
    for (struct ir_op *op = g->first, *next; op; op = next) {
        next = op->next;
        if (worth_strips(op))
            place_beside(&f, op);
    }
    return true;
}

// Slots and places of groups. An op's result takes the place of an operand that nobody needs any
// more and whose elements are as large: element-wise functions may work in place.
#include "macgroup.h"

#include <string.h>

const struct ir_op *mac_group_next(const struct ir_op *op)
{
    do
        op = op->next;
    while (op != NULL && op->op == IR_OP_CONST);
    return op;
}

static const struct ir_op *previous(const struct ir_op *op)
{
    do
        op = op->prev;
    while (op != NULL && op->op == IR_OP_CONST);
    return op;
}

// Strings and lists are handles, which are looked for in DRAM.
static bool holds_references(const struct ir_op *op)
{
    bool found = dtype_is_reference(op->out[0]->type.dtype);
    for (int i = 0; i < op->num_in; i++)
        found |= op->in[i] && dtype_is_reference(op->in[i]->type.dtype);
    return found;
}

static bool can_fuse(const struct ir_op *op)
{
    switch (op->op) {
    case IR_OP_UNARY:
    case IR_OP_BINARY:
    case IR_OP_SELECT:
    case IR_OP_CONVERT:
    case IR_OP_QUANTIZE: return true;
    default: return false;
    }
}

bool mac_can_head(const struct ir_op *op)
{
    return (ir_is_mac(op) || op->op == IR_OP_POOL || can_fuse(op)) && !ir_op_is_dynamic(op) &&
           ir_type_elems(&op->out[0]->type) > 0;
}

static bool same_shape(const struct ir_type *a, const struct ir_type *b)
{
    return a->known && b->known && a->rank == b->rank &&
           memcmp(a->dim, b->dim, (size_t)a->rank * sizeof a->dim[0]) == 0 &&
           !ir_type_is_dynamic(a) && !ir_type_is_dynamic(b);
}

int mac_group_slot(const struct mac_group *g, const struct ir_value *v)
{
    for (int i = 0; i < g->num_slots; i++)
        if (g->slot[i].value == v)
            return i;
    return -1;
}

static bool in_group(const struct mac_group *g, const struct ir_op *op)
{
    for (int i = 0; i < g->num_ops; i++)
        if (g->op[i] == op)
            return true;
    return false;
}

static int add_slot(struct mac_group *g, const struct ir_value *v, int place)
{
    int64_t bytes = (int64_t)dtype_bytes(v->type.dtype);
    if (place < 0) {
        place = g->num_places++;
        g->place_bytes[place] = bytes;
    }
    g->slot[g->num_slots] =
        (struct mac_slot){.value = v, .place = place, .last_use = -1, .bytes = bytes};
    return g->num_slots++;
}

// Whether a user stands outside of the group.
static bool leaves(const struct mac_group *g, const struct ir_value *v)
{
    if (v->is_output || v->is_extent)
        return true;
    for (const struct ir_use *u = v->uses; u; u = u->next)
        if (!in_group(g, u->op))
            return true;
    return false;
}

// Stores and places follow from the ops that have joined.
static void settle(struct mac_group *g)
{
    for (int i = 0; i < g->num_slots; i++) {
        struct mac_slot *s = &g->slot[i];
        s->stored = !s->loaded && leaves(g, s->value);
        s->last_use = -1;
        for (int k = 0; k < g->num_ops; k++)
            for (int a = 0; a < g->op[k]->num_in; a++)
                if (g->op[k]->in[a] == s->value)
                    s->last_use = k;
    }
    g->num_places = 0;
    for (int i = 0; i < g->num_slots; i++) {
        struct mac_slot *s = &g->slot[i];
        s->place = -1;
        for (int k = 0; k < g->num_ops && !s->loaded; k++)
            for (int a = 0; g->op[k]->out[0] == s->value && a < g->op[k]->num_in; a++) {
                int from = mac_group_slot(g, g->op[k]->in[a]);
                if (s->place < 0 && from >= 0 && from < i && !g->slot[from].stored &&
                    g->slot[from].last_use == k && g->slot[from].bytes == s->bytes)
                    s->place = g->slot[from].place;
            }
        if (s->place >= 0)
            continue;
        s->place = g->num_places++;
        g->place_bytes[s->place] = s->bytes;
    }
}

void mac_group_begin(struct mac_group *g, const struct ir_op *head)
{
    memset(g, 0, sizeof *g);
    g->head = head;
    add_slot(g, head->out[0], -1);
    settle(g);
}

bool mac_group_add(struct mac_group *g, const struct ir_op *op)
{
    const struct ir_type *shape = &g->head->out[0]->type;
    bool joined = false;
    if (g->num_ops == MAC_GROUP_OPS || !can_fuse(op) || holds_references(op) || in_group(g, op) ||
        !same_shape(&op->out[0]->type, shape))
        return false;
    int fresh = 0;
    bool loads = ir_is_mac(g->head);
    for (int i = 0; i < op->num_in; i++) {
        int slot = op->in[i] ? mac_group_slot(g, op->in[i]) : -1;
        joined |= slot >= 0 && !g->slot[slot].loaded;
        fresh += slot < 0;
        if (!op->in[i] || ir_type_is_dynamic(&op->in[i]->type))
            return false;
        if (loads && (slot < 0 && ir_type_elems(&op->in[i]->type) != 1 &&
                      !same_shape(&op->in[i]->type, shape)))
            return false;
    }
    if (!joined || g->num_slots + fresh + 1 > MAC_GROUP_SLOTS)
        return false;
    for (int i = 0; i < op->num_in; i++)
        if (loads && mac_group_slot(g, op->in[i]) < 0 && ir_type_elems(&op->in[i]->type) != 1)
            g->slot[add_slot(g, op->in[i], -1)].loaded = true;
    add_slot(g, op->out[0], -1);
    g->op[g->num_ops++] = op;
    settle(g);
    return true;
}

bool mac_group_of(const struct ir_op *head, struct mac_group *out)
{
    mac_group_begin(out, head);
    for (const struct ir_op *op = mac_group_next(head); op && mac_is_fused(op);
         op = mac_group_next(op))
        if (!mac_group_add(out, op))
            return false;
    return true;
}

bool mac_stays_in_group(const struct ir_value *v)
{
    const struct ir_op *head = v->def;
    struct mac_group g;
    while (head && mac_is_fused(head))
        head = previous(head);
    if (!head || !mac_can_head(head) || !mac_group_of(head, &g) || g.num_ops == 0)
        return false;
    int slot = mac_group_slot(&g, v);
    return slot >= 0 && !g.slot[slot].loaded && !g.slot[slot].stored;
}

static int64_t guess_users(const struct ir_value *v, const struct ir_type *shape, int depth)
{
    enum { MANY = 16 }; // too many for a group, and to look at all
    int64_t bytes = 0;
    for (const struct ir_use *u = v->uses; u && depth > 0 && v->num_uses < MANY; u = u->next) {
        const struct ir_op *op = u->op;
        if (!can_fuse(op) || !same_shape(&op->out[0]->type, shape))
            continue;
        for (int i = 0; i < op->num_in; i++)
            if (i != u->index && same_shape(&op->in[i]->type, shape))
                bytes += (int64_t)dtype_bytes(op->in[i]->type.dtype);
        bool in_place = v->num_uses == 1 && !v->is_output &&
                        dtype_bytes(op->out[0]->type.dtype) == dtype_bytes(v->type.dtype);
        bytes += in_place ? 0 : (int64_t)dtype_bytes(op->out[0]->type.dtype);
        bytes += guess_users(op->out[0], shape, depth - 1);
    }
    return bytes;
}

int64_t mac_group_guess(const struct ir_op *mac)
{
    enum { USERS = 3, MOST = 24 };
    int64_t bytes = guess_users(mac->out[0], &mac->out[0]->type, USERS);
    return bytes > MOST ? 0 : bytes;
}

// ---- Layout

static int64_t round_up(int64_t bytes)
{
    return (bytes + MAC_BUFFER_ALIGN - 1) / MAC_BUFFER_ALIGN * MAC_BUFFER_ALIGN;
}

void mac_layout_of(const struct mac_space *s, const struct mac_group *g, int64_t act_buffer,
                   struct mac_layout *out)
{
    *out = (struct mac_layout){.keeps_x = mac_keeps_x(s, act_buffer)};
    out->y = out->place[0] = 2 * (out->keeps_x ? s->x_whole : s->x);
    out->stride[0] = s->y;
    out->raw = out->y + 2 * s->y;
    out->bytes = out->raw + 2 * s->raw;
    for (int i = 1; i < g->num_places; i++) {
        out->place[i] = out->bytes;
        out->stride[i] = round_up(s->psum * g->place_bytes[i]);
        out->bytes += 2 * out->stride[i];
    }
}

bool mac_strips_of(const struct mac_group *g, int64_t act_buffer, struct mac_strips *out)
{
    const struct ir_type *t = &g->head->out[0]->type;
    int64_t line = 1, budget = act_buffer / 4, bytes = 0, at = 0;
    *out = (struct mac_strips){0};
    while (out->dim < t->rank - 1 && t->dim[out->dim] == 1)
        out->dim++;
    for (int i = out->dim + 1; i < t->rank; i++)
        line *= t->dim[i];
    for (int i = 0; i < g->num_places; i++)
        bytes += g->place_bytes[i];
    int64_t whole = t->rank > 0 ? t->dim[out->dim] : 1;
    int64_t most = (budget / 2 - MAC_BUFFER_ALIGN * g->num_places) / bytes / line;
    if (most < 1)
        return false;
    out->count = (whole + most - 1) / most;
    out->extent = (whole + out->count - 1) / out->count;
    out->count = (whole + out->extent - 1) / out->extent;
    for (int i = 0; i < g->num_places; i++) {
        out->place[i] = at;
        out->stride[i] = round_up(out->extent * line * g->place_bytes[i]);
        at += 2 * out->stride[i];
    }
    // At the end, which tiles of MAC ops seldom reach.
    out->start = (act_buffer - at) / MAC_BUFFER_ALIGN * MAC_BUFFER_ALIGN;
    return true;
}

static bool makes(const struct mac_group *g, const struct ir_value *v)
{
    while (v && v->def && ir_op_is_alias(v->def))
        v = v->def->in[0];
    return v && v->def && (v->def == g->head || in_group(g, v->def));
}

static bool needs_any(const struct mac_group *g, const struct ir_op *op)
{
    bool found = false;
    for (int i = 0; i < op->num_in; i++)
        found |= makes(g, op->in[i]);
    return found;
}

const struct ir_op *mac_beside(const struct mac_group *g)
{
    const struct ir_op *next = mac_group_next(g->num_ops ? g->op[g->num_ops - 1] : g->head);
    if (ir_is_mac(g->head) || !next || !ir_is_mac(next) || !mac_can_head(next))
        return NULL;
    bool needs = needs_any(g, next);
    for (const struct ir_op *op = mac_group_next(next); op && mac_is_fused(op);
         op = mac_group_next(op))
        needs |= needs_any(g, op);
    return needs ? NULL : next;
}

bool mac_ends_beside(const struct ir_op *op)
{
    const struct ir_op *next = mac_group_next(op);
    if (!next || mac_is_fused(next))
        return false;
    while (op && mac_is_fused(op))
        op = previous(op);
    return op && ir_int(op, IR_A_beside, 0) != 0;
}

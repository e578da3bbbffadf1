// Structure, attributes, types of every op, order of definitions, properties of the level. A module
// that passes can be printed, parsed back and handed to any pass.
//
// Definitions come before uses because an op's results enter a set of known values only after its
// operands were looked up there. The same set tells that no value is defined twice.
#include "ir_priv.h"
#include "macgroup.h"

#include <math.h>
#include <string.h>

struct verifier {
    const struct ir_module *m;
    const struct ir_graph *g;
    struct diag *d;
    struct arena *scratch;
    struct ir_regions regions;
    unsigned *region;  // of a seen value's definition
    const void **seen; // open addressing, num_slots a power of two, at most half full
    size_t num_slots, count;
    struct ir_type *types; // of the results of one op
    size_t num_types;
};

// ---- Set of values -----------------------------------------------------------------------------

static size_t seen_slot(const struct verifier *v, const void *p)
{
    uint64_t h = (uint64_t)(uintptr_t)p * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(h >> 24) & (v->num_slots - 1);
    while (v->seen[at] && v->seen[at] != p)
        at = (at + 1) & (v->num_slots - 1);
    return at;
}

static bool is_seen(const struct verifier *v, const void *p)
{
    return v->seen[seen_slot(v, p)] != NULL;
}

static void grow_seen(struct verifier *v)
{
    const void **old = v->seen;
    const unsigned *old_region = v->region;
    size_t num = v->num_slots;
    v->num_slots *= 2;
    v->seen = ARENA_ARRAY(v->scratch, v->num_slots, const void *);
    v->region = ARENA_ARRAY(v->scratch, v->num_slots, unsigned);
    for (size_t i = 0; i < num; i++) {
        if (!old[i])
            continue;
        size_t at = seen_slot(v, old[i]);
        v->seen[at] = old[i];
        v->region[at] = old_region[i];
    }
}

static void add_seen(struct verifier *v, const void *p)
{
    if ((++v->count + 1) * 2 > v->num_slots)
        grow_seen(v);
    size_t at = seen_slot(v, p);
    v->seen[at] = p;
    v->region[at] = ir_regions_id(&v->regions);
}

// Whether the region in which a seen value is defined is still open. Constants have none.
static bool in_scope(const struct verifier *v, const struct ir_value *x)
{
    return (x->def && x->def->op == IR_OP_CONST) || !v->regions.ended ||
           !v->regions.ended[v->region[seen_slot(v, x)]];
}

// ---- Values ------------------------------------------------------------------------------------

static bool check_new_value(struct verifier *v, const struct ir_value *x, loc_id loc)
{
    if (is_seen(v, x))
        return diag_report(v->d, loc, DIAG_IR_NAME, "%%%s is defined twice", x->name);
    if (ir_graph_find(v->g, x->name, strlen(x->name)) != x)
        return diag_report(v->d, loc, DIAG_IR_NAME, "the name %%%s belongs to another value",
                           x->name);
    add_seen(v, x);
    if (!x->type.known)
        return !(v->m->level & IR_L_SHAPED) ||
               diag_report(v->d, loc, DIAG_IR_LEVEL, "%%%s has no type in a shaped module",
                           x->name);
    if (x->type.rank < 0 || x->type.rank > IR_MAX_RANK)
        return diag_report(v->d, loc, DIAG_IR_TYPE, "%%%s has rank %d", x->name, x->type.rank);
    for (int i = 0; i < x->type.rank; i++)
        if (x->type.sym[i] && (x->type.sym[i] == x || !is_seen(v, x->type.sym[i])))
            return diag_report(v->d, loc, DIAG_IR_NAME,
                               "extent %d of %%%s, %%%s, is not defined before", i, x->name,
                               x->type.sym[i]->name);
    int64_t elems = ir_type_elems(&x->type);
    if (elems < 0 || elems > IR_ELEMS_MAX)
        return diag_report(v->d, loc, DIAG_IR_TYPE, "%%%s: %s has more than 2^%d elements", x->name,
                           ir_type_text(&x->type, v->scratch), IR_ELEMS_LOG2_MAX);
    bool needed = x->num_uses > 0 || x->is_output || !x->def;
    if ((v->m->level & IR_L_ALLOCATED) && needed && !x->has_addr)
        return diag_report(v->d, loc, DIAG_IR_LEVEL, "%%%s has no address in an allocated module",
                           x->name);
    return true;
}

// Every use in the list is an operand slot that holds the value, and there are as many as counted.
static bool check_uses(const struct verifier *v, const struct ir_value *x, loc_id loc)
{
    int n = 0;
    const struct ir_use *prev = NULL;
    for (const struct ir_use *u = x->uses; u; prev = u, u = u->next, n++)
        if (u->prev != prev || u->index < 0 || u->index >= u->op->num_in ||
            u->op->in[u->index] != x || &u->op->in_uses[u->index] != u)
            return diag_report(v->d, loc, DIAG_IR_NAME, "the use list of %%%s is broken", x->name);
    return n == x->num_uses ||
           diag_report(v->d, loc, DIAG_IR_NAME, "%%%s has %d uses, %d are counted", x->name, n,
                       x->num_uses);
}

// ---- Attributes --------------------------------------------------------------------------------

static bool number_in_table(const struct fn_info *table, int num, int64_t i)
{
    return i >= 0 && i < num && table[i].name;
}

static bool attr_value_ok(const struct ir_attr *a)
{
    switch (ir_attr_info[a->id].kind) {
    case IR_AK_I: return true;
    case IR_AK_F: return (double)(float)a->f == a->f || isnan(a->f);
    case IR_AK_D: return true;
    case IR_AK_IS: return a->n >= 0 && (a->n == 0 || a->is);
    case IR_AK_FS: return a->n >= 0 && (a->n == 0 || a->fs);
    case IR_AK_T: return a->i >= 0 && a->i < DT_NUM;
    case IR_AK_U: return number_in_table(unary_fn_info, UFN_NUM, a->i);
    case IR_AK_B: return number_in_table(binary_fn_info, BFN_NUM, a->i);
    case IR_AK_R: return number_in_table(reduce_fn_info, RFN_NUM, a->i);
    case IR_AK_M: return ir_mode_text(a->i) != NULL;
    case IR_AK_S: return a->s != NULL;
    }
    return false;
}

static bool check_attrs(const struct verifier *v, const struct ir_op *op)
{
    for (int i = 0; i < op->num_attrs; i++) {
        const struct ir_attr *a = &op->attrs[i];
        if ((unsigned)a->id >= IR_A_NUM || (i > 0 && a->id <= a[-1].id))
            return diag_report(v->d, op->loc, DIAG_IR_ATTR, "%s: attributes out of order",
                               ir_op_info[op->op].text);
        if (!ir_op_has_attr(op->op, a->id, NULL))
            return diag_report(v->d, op->loc, DIAG_IR_ATTR, "%s has no attribute %s",
                               ir_op_info[op->op].text, ir_attr_text(a->id));
        if (!attr_value_ok(a))
            return diag_report(v->d, op->loc, DIAG_IR_ATTR, "%s: attribute %s has no valid value",
                               ir_op_info[op->op].text, ir_attr_text(a->id));
    }
    return true;
}

// ---- Ops ---------------------------------------------------------------------------------------

static bool check_links(const struct verifier *v, const struct ir_op *op)
{
    const struct ir_op *prev = op->prev ? op->prev->next : v->g->first;
    const struct ir_op *next = op->next ? op->next->prev : v->g->last;
    if ((unsigned)op->op >= IR_OP_NUM || op->graph != v->g || prev != op || next != op)
        return diag_report(v->d, op->loc, DIAG_IR_OP, "the list of ops is broken");
    for (int i = 0; i < op->num_out; i++)
        if (op->out[i]->def != op || op->out[i]->def_index != i || op->out[i]->graph != v->g)
            return diag_report(v->d, op->loc, DIAG_IR_OP, "result %d of %s belongs to another op",
                               i, ir_op_info[op->op].text);
    return true;
}

static bool check_defined(const struct verifier *v, const struct ir_op *op)
{
    for (int i = 0; i < op->num_in; i++)
        if (op->in[i] && !is_seen(v, op->in[i]))
            return diag_report(v->d, op->loc, DIAG_IR_NAME,
                               "%s: operand %d, %%%s, is not defined before",
                               ir_op_info[op->op].text, i, op->in[i]->name ? op->in[i]->name : "?");
        else if (op->in[i] && !in_scope(v, op->in[i]))
            return diag_report(v->d, op->loc, DIAG_IR_NAME,
                               "%s: operand %d, %%%s, is defined in a region that has ended",
                               ir_op_info[op->op].text, i, op->in[i]->name);
    return true;
}

static bool check_types(struct verifier *v, const struct ir_op *op)
{
    bool known = true;
    for (int i = 0; i < op->num_in; i++)
        known &= !op->in[i] || op->in[i]->type.known;
    for (int i = 0; i < op->num_out; i++)
        known &= op->out[i]->type.known;
    if (!known) // fine below SHAPED; check_new_value has told otherwise
        return true;
    v->types =
        arena_grow(v->scratch, v->types, 0, (size_t)op->num_out, sizeof *v->types, &v->num_types);
    if (!ir_infer_types(op, v->types, v->d))
        return false;
    for (int i = 0; i < op->num_out; i++)
        if (!ir_type_equal(&v->types[i], &op->out[i]->type))
            return diag_report(v->d, op->loc, DIAG_IR_TYPE, "%s: %%%s is %s, the op gives %s",
                               ir_op_info[op->op].text, op->out[i]->name,
                               ir_type_text(&op->out[i]->type, v->scratch),
                               ir_type_text(&v->types[i], v->scratch));
    return true;
}

static bool check_mac_level(const struct verifier *v, const struct ir_op *op)
{
    const char *text = ir_op_info[op->op].text, *name = op->out[0]->name;
    uint32_t level = v->m->level;
    if ((level & IR_L_QUANTISED) && !ir_has_attr(op, IR_A_mode))
        return diag_report(v->d, op->loc, DIAG_IR_LEVEL,
                           "%s %%%s has no mode in a quantised module", text, name);
    if ((level & IR_L_TILED) && !ir_has_attr(op, IR_A_tile))
        return diag_report(v->d, op->loc, DIAG_IR_LEVEL, "%s %%%s has no tile in a tiled module",
                           text, name);
    int w = op->op == IR_OP_MATMUL ? (int)ir_int(op, IR_A_stationary, 1) : 1;
    const struct ir_value *weights = ir_operand(op, w);
    if ((level & IR_L_PACKED) && ir_int(op, IR_A_distill, 0) == 0 && weights &&
        ir_const_data(weights) && weights->type.dtype != DT_LANES)
        return diag_report(v->d, op->loc, DIAG_IR_LEVEL,
                           "%s %%%s: constant weights are %s in a packed module", text, name,
                           ir_type_text(&weights->type, v->scratch));
    return true;
}

static bool check_op(struct verifier *v, const struct ir_op *op)
{
    if (!check_links(v, op))
        return false;
    bool ok = check_defined(v, op) && check_attrs(v, op);
    ok &= ir_regions_leave(&v->regions, op, v->d);
    ir_regions_enter(&v->regions, op);
    for (int i = 0; i < op->num_out; i++) // even so, or every user would be reported too
        ok &= check_new_value(v, op->out[i], op->loc);
    return ok && check_types(v, op) && (!ir_is_mac(op) || check_mac_level(v, op));
}

// ---- Graph -------------------------------------------------------------------------------------

static bool check_outputs(const struct verifier *v)
{
    bool ok = true;
    for (int i = 0; i < v->g->num_outputs; i++) {
        const struct ir_value *x = v->g->outputs[i];
        if (!is_seen(v, x))
            ok = diag_report(v->d, LOC_NONE, DIAG_IR_NAME, "output %d, %%%s, is not defined", i,
                             x->name ? x->name : "?");
        else if (!in_scope(v, x))
            ok = diag_report(v->d, LOC_NONE, DIAG_IR_NAME,
                             "output %d, %%%s, is defined in a region", i, x->name);
        else if (!x->is_output)
            ok = diag_report(v->d, LOC_NONE, DIAG_IR_NAME, "output %d, %%%s, is not marked as one",
                             i, x->name);
    }
    return ok;
}

// Ops that are marked to run on the tiles of another one stand behind it and can.
static bool check_groups(const struct verifier *v)
{
    bool ok = true;
    struct mac_group g = {0};
    for (const struct ir_op *op = v->g->first; op; op = op->next) {
        if (op->op == IR_OP_CONST)
            continue;
        if (!mac_is_fused(op)) {
            g.head = NULL;
            if (mac_can_head(op))
                mac_group_begin(&g, op);
        } else if (!g.head || !mac_group_add(&g, op)) {
            ok = diag_report(
                v->d, op->loc, DIAG_IR_OP,
                "%%%s is marked as fused, but cannot run on the tiles of the op before it",
                op->out[0]->name);
            g.head = NULL;
        }
    }
    return ok;
}

static bool verify_graph(struct verifier *v)
{
    bool ok = true;
    for (int i = 0; i < v->g->num_inputs; i++)
        ok &= check_new_value(v, v->g->inputs[i], LOC_NONE);
    for (const struct ir_op *op = v->g->first; op; op = op->next) {
        ok &= check_op(v, op);
        // A broken list has no safe way on; errors of one op do not hinder the next one's checks.
        if (op->next && op->next->prev != op)
            return false;
    }
    if (ok && v->regions.depth)
        ok = diag_report(v->d, v->regions.stack[v->regions.depth - 1].open->loc, DIAG_IR_OP,
                         "the region that %s opens does not end",
                         ir_op_info[v->regions.stack[v->regions.depth - 1].open->op].text);
    ok &= check_outputs(v);
    for (int i = 0; ok && i < v->g->num_inputs; i++)
        ok = check_uses(v, v->g->inputs[i], LOC_NONE);
    for (const struct ir_op *op = v->g->first; ok && op; op = op->next)
        for (int i = 0; ok && i < op->num_out; i++)
            ok = check_uses(v, op->out[i], op->loc);
    return ok && check_groups(v);
}

bool ir_verify(const struct ir_module *m, struct diag *d)
{
    if (!m->main)
        return diag_report(d, LOC_NONE, DIAG_IR_OP, "the module has no graph");
    struct verifier v = {.m = m, .g = m->main, .d = d, .scratch = arena_create(), .num_slots = 256};
    v.seen = ARENA_ARRAY(v.scratch, v.num_slots, const void *);
    v.region = ARENA_ARRAY(v.scratch, v.num_slots, unsigned);
    v.regions.scratch = v.scratch;
    bool ok = verify_graph(&v);
    arena_destroy(v.scratch);
    return ok;
}

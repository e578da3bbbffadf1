// The only code that edits op lists, operands, use lists and names.
//
// Names: an open-addressing table per graph holds every name ever taken in it. An entry stays when
// its value goes, so that probing never breaks, and serves again when the name is wanted again.
// Each entry remembers the last number that was appended to it, which keeps making names unique
// linear however often one is asked for.
#include "ir_priv.h"

#include <string.h>

// ---- Names -------------------------------------------------------------------------------------

struct name_entry {
    const char *name;       // NULL: free slot
    struct ir_value *value; // NULL: not taken now
    uint32_t hash, suffix;
};
struct ir_names {
    struct arena *arena;
    struct name_entry *slots;
    size_t num_slots, count; // a power of two, at most half full
};

static uint32_t hash_name(const char *s, size_t len)
{
    uint32_t h = 2166136261u; // FNV-1a
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)s[i]) * 16777619u;
    return h ^ (h >> 15);
}

static struct ir_names *create_names(struct arena *a)
{
    struct ir_names *n = ARENA_NEW(a, struct ir_names);
    n->arena = a;
    n->num_slots = 64;
    n->slots = ARENA_ARRAY(a, n->num_slots, struct name_entry);
    return n;
}

// The entry of that name or the free slot where it would go.
static struct name_entry *probe_name(const struct ir_names *n, const char *name, size_t len,
                                     uint32_t h)
{
    size_t at = h & (n->num_slots - 1);
    for (;;) {
        struct name_entry *e = &n->slots[at];
        if (!e->name || (e->hash == h && strncmp(e->name, name, len) == 0 && e->name[len] == '\0'))
            return e;
        at = (at + 1) & (n->num_slots - 1);
    }
}

static void grow_names(struct ir_names *n)
{
    struct name_entry *old = n->slots;
    size_t num = n->num_slots;
    n->num_slots *= 2;
    n->slots = ARENA_ARRAY(n->arena, n->num_slots, struct name_entry);
    for (size_t i = 0; i < num; i++)
        if (old[i].name)
            *probe_name(n, old[i].name, strlen(old[i].name), old[i].hash) = old[i];
}

static struct name_entry *enter_name(struct ir_names *n, const char *name)
{
    size_t len = strlen(name);
    uint32_t h = hash_name(name, len);
    struct name_entry *e = probe_name(n, name, len, h);
    if (e->name)
        return e;
    if ((n->count + 1) * 2 > n->num_slots) {
        grow_names(n);
        e = probe_name(n, name, len, h);
    }
    n->count++;
    *e = (struct name_entry){.name = arena_strdup(n->arena, name), .hash = h};
    return e;
}

static void take_name(struct ir_graph *g, struct ir_value *v, const char *name)
{
    struct name_entry *e = enter_name(g->names, name);
    const char *base = e->name;
    while (e->value) {
        uint32_t number = ++enter_name(g->names, base)->suffix;
        e = enter_name(g->names, arena_printf(g->names->arena, "%s.%u", base, number));
    }
    e->value = v;
    v->name = e->name;
}

static void drop_name(struct ir_graph *g, struct ir_value *v)
{
    if (v->name)
        enter_name(g->names, v->name)->value = NULL;
    v->name = NULL;
}

struct ir_value *ir_graph_find(const struct ir_graph *g, const char *name, size_t len)
{
    return probe_name(g->names, name, len, hash_name(name, len))->value;
}

// ---- Modules, graphs, values -------------------------------------------------------------------

struct ir_module *ir_module_create(struct arena *a)
{
    struct ir_module *m = ARENA_NEW(a, struct ir_module);
    m->arena = a;
    m->source = "";
    m->machine = "";
    return m;
}

struct ir_graph *ir_graph_create(struct ir_module *m, const char *name)
{
    struct ir_graph *g = ARENA_NEW(m->arena, struct ir_graph);
    g->name = arena_strdup(m->arena, name);
    g->module = m;
    g->names = create_names(m->arena);
    return g;
}

static void **append_pointer(struct arena *a, void **list, int count, void *p)
{
    // Capacity follows from the count: lists double whenever it is a power of two.
    if ((count & (count - 1)) == 0) {
        void **grown = ARENA_ARRAY(a, count ? (size_t)count * 2 : 1, void *);
        if (count)
            memcpy(grown, list, (size_t)count * sizeof *list);
        list = grown;
    }
    list[count] = p;
    return list;
}

struct ir_value *ir_graph_add_input(struct ir_graph *g, const char *name,
                                    const struct ir_type *type)
{
    struct arena *a = g->module->arena;
    struct ir_value *v = ARENA_NEW(a, struct ir_value);
    v->graph = g;
    v->type = *type;
    v->def_index = g->num_inputs;
    take_name(g, v, name && name[0] ? name : "input");
    g->inputs = (struct ir_value **)append_pointer(a, (void **)g->inputs, g->num_inputs, v);
    g->num_inputs++;
    return v;
}

void ir_graph_add_output(struct ir_graph *g, struct ir_value *v, const char *interface_name)
{
    struct arena *a = g->module->arena;
    char *name = arena_strdup(a, interface_name ? interface_name : v->name);
    g->outputs = (struct ir_value **)append_pointer(a, (void **)g->outputs, g->num_outputs, v);
    g->output_names =
        (const char **)append_pointer(a, (void **)g->output_names, g->num_outputs, name);
    g->num_outputs++;
    v->is_output = true;
}

void ir_value_rename(struct ir_value *v, struct ir_graph *g, const char *name)
{
    drop_name(g, v);
    take_name(g, v, name && name[0] ? name : v->def ? ir_op_info[v->def->op].text : "input");
}

// ---- Uses --------------------------------------------------------------------------------------

static void link_use(struct ir_use *u, struct ir_value *v)
{
    u->prev = NULL;
    u->next = v->uses;
    if (v->uses)
        v->uses->prev = u;
    v->uses = u;
    v->num_uses++;
}

static void unlink_use(struct ir_use *u, struct ir_value *v)
{
    if (u->prev)
        u->prev->next = u->next;
    else
        v->uses = u->next;
    if (u->next)
        u->next->prev = u->prev;
    u->next = u->prev = NULL;
    v->num_uses--;
}

void ir_op_set_operand(struct ir_op *op, int index, struct ir_value *v)
{
    if (index < 0 || index >= op->num_in)
        bitlet_bug("%s has no operand %d", ir_op_info[op->op].text, index);
    if (op->in[index] == v)
        return;
    if (op->in[index])
        unlink_use(&op->in_uses[index], op->in[index]);
    op->in[index] = v;
    if (v)
        link_use(&op->in_uses[index], v);
}

void ir_op_add_operands(struct ir_op *op, int num_in)
{
    if (num_in <= op->num_in)
        return;
    struct arena *a = op->graph->module->arena;
    struct ir_value **old = op->in;
    int old_num = op->num_in;
    for (int i = 0; i < old_num; i++)
        if (old[i])
            unlink_use(&op->in_uses[i], old[i]);
    op->in = ARENA_ARRAY(a, (size_t)num_in, struct ir_value *);
    op->in_uses = ARENA_ARRAY(a, (size_t)num_in, struct ir_use);
    op->num_in = num_in;
    for (int i = 0; i < num_in; i++) {
        op->in_uses[i] = (struct ir_use){.op = op, .index = i};
        if (i < old_num)
            ir_op_set_operand(op, i, old[i]);
    }
}

static void replace_symbol(struct ir_value *old, struct ir_value *with)
{
    for (struct ir_op *op = old->graph->first; op; op = op->next)
        for (int i = 0; i < op->num_out; i++)
            for (int k = 0; k < op->out[i]->type.rank; k++)
                if (op->out[i]->type.sym[k] == old)
                    op->out[i]->type.sym[k] = with;
    old->is_extent = false;
    with->is_extent = true;
}

void ir_value_replace(struct ir_value *old, struct ir_value *with)
{
    if (old == with)
        return;
    while (old->uses)
        ir_op_set_operand(old->uses->op, old->uses->index, with);
    if (old->is_extent)
        replace_symbol(old, with);
    if (!old->is_output)
        return;
    struct ir_graph *g = old->graph;
    for (int i = 0; i < g->num_outputs; i++)
        if (g->outputs[i] == old)
            g->outputs[i] = with;
    old->is_output = false;
    with->is_output = true;
}

// ---- Ops ---------------------------------------------------------------------------------------

static void link_op(struct ir_op *op, struct ir_op *before)
{
    struct ir_graph *g = op->graph;
    op->next = before;
    op->prev = before ? before->prev : g->last;
    *(op->prev ? &op->prev->next : &g->first) = op;
    *(before ? &before->prev : &g->last) = op;
}

static void unlink_op(struct ir_op *op)
{
    *(op->prev ? &op->prev->next : &op->graph->first) = op->next;
    *(op->next ? &op->next->prev : &op->graph->last) = op->prev;
    op->prev = op->next = NULL;
}

struct ir_op *ir_op_create(struct ir_graph *g, struct ir_op *before, enum ir_opcode opcode,
                           loc_id loc, struct ir_value *const *in, int num_in, int num_out,
                           const char *name)
{
    struct arena *a = g->module->arena;
    struct ir_op *op = ARENA_NEW(a, struct ir_op);
    op->op = opcode;
    op->loc = loc;
    op->graph = g;
    ir_op_add_operands(op, num_in);
    for (int i = 0; i < num_in; i++)
        ir_op_set_operand(op, i, in[i]);
    op->num_out = num_out;
    op->out = ARENA_ARRAY(a, (size_t)num_out, struct ir_value *);
    for (int i = 0; i < num_out; i++) {
        struct ir_value *v = op->out[i] = ARENA_NEW(a, struct ir_value);
        v->graph = g;
        v->def = op;
        v->def_index = i;
        take_name(g, v, name && name[0] ? name : ir_op_info[opcode].text);
    }
    link_op(op, before);
    return op;
}

void ir_op_erase(struct ir_op *op)
{
    for (int i = 0; i < op->num_out; i++)
        if (op->out[i]->num_uses || op->out[i]->is_output)
            bitlet_bug("%s erased while %%%s is in use", ir_op_info[op->op].text, op->out[i]->name);
    for (int i = 0; i < op->num_in; i++)
        ir_op_set_operand(op, i, NULL);
    for (int i = 0; i < op->num_out; i++)
        drop_name(op->graph, op->out[i]);
    unlink_op(op);
}

void ir_op_move_before(struct ir_op *op, struct ir_op *before)
{
    if (op == before || op->next == before)
        return;
    unlink_op(op);
    link_op(op, before);
}

const struct tensor *ir_const_data(const struct ir_value *v)
{
    return v && v->def && v->def->op == IR_OP_CONST ? v->def->data : NULL;
}

// ---- Attributes --------------------------------------------------------------------------------

const struct ir_attr *ir_attr_find(const struct ir_op *op, enum ir_attr_id id)
{
    for (int i = 0; i < op->num_attrs; i++)
        if (op->attrs[i].id == id)
            return &op->attrs[i];
    return NULL;
}

bool ir_has_attr(const struct ir_op *op, enum ir_attr_id id)
{
    return ir_attr_find(op, id) != NULL;
}

static void set_attr(struct ir_op *op, const struct ir_attr *value)
{
    int at = 0;
    while (at < op->num_attrs && op->attrs[at].id < value->id)
        at++;
    if (at == op->num_attrs || op->attrs[at].id != value->id) {
        struct ir_attr *grown =
            ARENA_ARRAY(op->graph->module->arena, (size_t)op->num_attrs + 1, struct ir_attr);
        for (int i = 0; i < op->num_attrs; i++)
            grown[i < at ? i : i + 1] = op->attrs[i];
        op->attrs = grown;
        op->num_attrs++;
    }
    op->attrs[at] = *value;
}

static void check_kind(enum ir_attr_id id, uint32_t kinds)
{
    if (!(kinds >> ir_attr_info[id].kind & 1))
        bitlet_bug("attribute %s set as another kind", ir_attr_info[id].name);
}

void ir_set_int(struct ir_op *op, enum ir_attr_id id, int64_t v)
{
    check_kind(id, 1u << IR_AK_I | 1u << IR_AK_T | 1u << IR_AK_U | 1u << IR_AK_B | 1u << IR_AK_R |
                       1u << IR_AK_M);
    set_attr(op, &(struct ir_attr){.id = id, .i = v});
}

void ir_set_float(struct ir_op *op, enum ir_attr_id id, double v)
{
    check_kind(id, 1u << IR_AK_F | 1u << IR_AK_D);
    bool single = ir_attr_info[id].kind == IR_AK_F;
    set_attr(op, &(struct ir_attr){.id = id, .f = single ? (double)(float)v : v});
}

void ir_set_ints(struct ir_op *op, enum ir_attr_id id, const int64_t *v, int n)
{
    check_kind(id, 1u << IR_AK_IS);
    const int64_t *copy = arena_memdup(op->graph->module->arena, v, (size_t)n * sizeof *v);
    set_attr(op, &(struct ir_attr){.id = id, .is = copy, .n = n});
}

void ir_set_floats(struct ir_op *op, enum ir_attr_id id, const double *v, int n)
{
    check_kind(id, 1u << IR_AK_FS);
    const double *copy = arena_memdup(op->graph->module->arena, v, (size_t)n * sizeof *v);
    set_attr(op, &(struct ir_attr){.id = id, .fs = copy, .n = n});
}

void ir_set_str(struct ir_op *op, enum ir_attr_id id, const char *s)
{
    check_kind(id, 1u << IR_AK_S);
    set_attr(op, &(struct ir_attr){.id = id, .s = arena_strdup(op->graph->module->arena, s)});
}

void ir_attr_remove(struct ir_op *op, enum ir_attr_id id)
{
    int n = 0;
    for (int i = 0; i < op->num_attrs; i++)
        if (op->attrs[i].id != id)
            op->attrs[n++] = op->attrs[i];
    op->num_attrs = n;
}

int64_t ir_int(const struct ir_op *op, enum ir_attr_id id, int64_t dflt)
{
    const struct ir_attr *a = ir_attr_find(op, id);
    return a ? a->i : dflt;
}

double ir_float(const struct ir_op *op, enum ir_attr_id id, double dflt)
{
    const struct ir_attr *a = ir_attr_find(op, id);
    return a ? a->f : dflt;
}

const int64_t *ir_ints(const struct ir_op *op, enum ir_attr_id id, int *n)
{
    const struct ir_attr *a = ir_attr_find(op, id);
    if (n)
        *n = a ? a->n : 0;
    return a ? a->is : NULL;
}

bool ir_is_pure(const struct ir_op *op)
{
    return (ir_op_info[op->op].traits & IR_T_PURE) != 0 ||
           (op->op == IR_OP_HOST && ir_int(op, IR_A_pure, 0) == 1);
}

size_t ir_const_bytes(const struct ir_op *op)
{
    size_t bytes = tensor_bytes(op->data);
    const char *const *text = op->data->dtype == DT_STR ? op->data->data : NULL;
    for (int64_t i = 0; text && i < tensor_elems(op->data); i++)
        bytes += strlen(text[i]) + 1;
    return bytes;
}

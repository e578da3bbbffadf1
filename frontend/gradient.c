// The walk: which values lie between x and y, then every op between them backwards, through its row
// of gradient.def.
#include "gradient.h"

// ---- What is known of a value

struct mark {
    const struct ir_value *value;
    bool cut;            // paths end here
    bool active;         // depends on an x
    bool needed;         // gradient_substitute: leads to y
    struct ir_value *d;  // derivative of y by it, as far as it has been added up
    struct ir_value *is; // gradient_substitute: what stands in its place
};
struct marks { // open addressing, a power of two; only looked up, never walked
    struct mark *slot;
    size_t cap, num;
};
struct gradient {
    struct ir_builder *b;
    struct arena *arena;
    struct marks marks;
};

static struct mark *find_slot(const struct marks *m, const struct ir_value *v)
{
    size_t at = ((uintptr_t)v >> 4) * 0x9e3779b97f4a7c15u & (m->cap - 1);
    while (m->slot[at].value && m->slot[at].value != v)
        at = (at + 1) & (m->cap - 1);
    return &m->slot[at];
}

static struct mark *mark_of(struct gradient *g, const struct ir_value *v)
{
    struct marks *m = &g->marks;
    if (2 * m->num >= m->cap) {
        struct marks old = *m;
        m->cap = old.cap ? 2 * old.cap : 256;
        m->slot = ARENA_ARRAY(g->arena, m->cap, struct mark);
        for (size_t i = 0; i < old.cap; i++)
            if (old.slot[i].value)
                *find_slot(m, old.slot[i].value) = old.slot[i];
    }
    struct mark *s = find_slot(m, v);
    if (!s->value) {
        s->value = v;
        m->num++;
    }
    return s;
}

static bool any_operand_active(struct gradient *g, const struct ir_op *op)
{
    for (int i = 0; i < op->num_in; i++)
        if (op->in[i] && mark_of(g, op->in[i])->active)
            return true;
    return false;
}

// Marks what depends on the values already active, down to the end of the graph.
static void spread(struct gradient *g)
{
    for (const struct ir_op *op = g->b->graph->first; op; op = op->next)
        if (any_operand_active(g, op))
            for (int k = 0; k < op->num_out; k++) {
                struct mark *m = mark_of(g, op->out[k]);
                m->active = m->active || !m->cut;
            }
}

// ---- For the rules

struct ir_builder *gradient_builder(struct gradient *g)
{
    return g->b;
}

bool gradient_wants(const struct gradient *g, const struct ir_op *op, int i)
{
    const struct ir_value *v = ir_operand(op, i);
    return v && dtype_is_float(v->type.dtype) && find_slot(&g->marks, v)->active;
}

bool gradient_refuse(struct gradient *g, const struct ir_op *op, const char *why)
{
    return diag_report(g->b->diag, op->loc, DIAG_ONNX_OP_UNSUPPORTED,
                       "the gradient cannot pass: %s", why);
}

struct ir_value *gradient_scalar(struct gradient *g, enum binary_fn fn, struct ir_value *x,
                                 double v)
{
    return x ? irb_binary(g->b, fn, x, irb_const_like(g->b, x->type.dtype, v)) : NULL;
}

struct ir_value *gradient_zeros(struct gradient *g, const struct ir_type *t)
{
    return irb_broadcast(g->b, irb_const_like(g->b, t->dtype, 0), t->dim, t->rank);
}

// Sums over the dimensions along which a value of type t was broadcast to d.
static struct ir_value *unbroadcast(struct gradient *g, struct ir_value *d, const struct ir_type *t)
{
    int64_t axes[IR_MAX_RANK];
    int num = 0, lead = d->type.rank - t->rank;
    for (int i = 0; i < d->type.rank; i++)
        if (i < lead || (t->dim[i - lead] == 1 && d->type.dim[i] != 1))
            axes[num++] = i;
    if (num > 0)
        d = irb_reduce(g->b, RFN_sum, d, axes, num, true);
    return !d || ir_type_equal(&d->type, t) ? d : irb_reshape(g->b, d, t->dim, t->rank);
}

bool gradient_give(struct gradient *g, const struct ir_op *op, int i, struct ir_value *d)
{
    if (!d)
        return false;
    struct ir_value *sum = unbroadcast(g, d, &op->in[i]->type);
    if (!sum)
        return false;
    struct mark *m = mark_of(g, op->in[i]);
    m->d = m->d ? irb_binary(g->b, BFN_add, m->d, sum) : sum;
    return m->d != NULL;
}

// ---- The walk

enum {
#define GRADIENT(OP, rule) GRADIENT_ROW_##OP,
#define GRADIENT_ZERO(OP) GRADIENT_ROW_##OP,
#define GRADIENT_NONE(OP) GRADIENT_ROW_##OP,
#include "gradient.def"
    GRADIENT_ROWS
};
_Static_assert((int)GRADIENT_ROWS == (int)IR_OP_NUM,
               "gradient.def has a row for every op of ops.def");

static bool step(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    switch (op->op) {
// clang-format off
#define GRADIENT(OP, rule) case IR_OP_##OP: return gradient_##rule(g, op, dy);
#define GRADIENT_ZERO(OP)  case IR_OP_##OP: return true;
#define GRADIENT_NONE(OP)  case IR_OP_##OP: break;
#include "gradient.def"
    // clang-format on
    default: break;
    }
    return gradient_refuse(
        g, op, arena_printf(g->arena, "op %s has no derivative", ir_op_info[op->op].text));
}

// Every op from `last` back that an x leads to and that leads to y.
static bool walk_back(struct gradient *g, const struct ir_op *last)
{
    for (const struct ir_op *op = last; op; op = op->prev) {
        const struct mark *m = op->num_out > 0 ? mark_of(g, op->out[0]) : NULL;
        struct ir_value *dy = m && m->active && !m->cut ? m->d : NULL;
        if (dy && any_operand_active(g, op) && !step(g, op, dy))
            return false;
    }
    return true;
}

static bool check_float(struct gradient *g, const struct ir_value *v, const char *role)
{
    return dtype_is_float(v->type.dtype) ||
           diag_report(g->b->diag, g->b->loc, DIAG_ONNX_TYPE,
                       "%s '%s' is %s; derivatives are of floats", role, v->name,
                       ir_type_text(&v->type, g->arena));
}

bool gradient_build(struct ir_builder *b, struct ir_value *y, struct ir_value *const *xs,
                    int num_xs, struct ir_value *const *held, int num_held, struct ir_value **dx)
{
    struct gradient g = {.b = b, .arena = b->graph->module->arena};
    const struct ir_op *last = b->graph->last;
    bool ok = check_float(&g, y, "y");
    for (int i = 0; i < num_held; i++)
        mark_of(&g, held[i])->cut = true;
    for (int i = 0; i < num_xs; i++) {
        ok = check_float(&g, xs[i], "x") && ok;
        struct mark *m = mark_of(&g, xs[i]);
        m->active = m->cut = true;
    }
    if (!ok)
        return false;
    spread(&g);
    struct ir_value *one =
        irb_broadcast(b, irb_const_like(b, y->type.dtype, 1), y->type.dim, y->type.rank);
    mark_of(&g, y)->d = one;
    if (!one || !walk_back(&g, last))
        return false;
    for (int i = 0; i < num_xs; i++) {
        dx[i] = mark_of(&g, xs[i])->d;
        if (!dx[i])
            dx[i] = gradient_zeros(&g, &xs[i]->type);
        ok = ok && dx[i];
    }
    return ok;
}

// ---- Values elsewhere

static struct ir_op *copy_op(struct gradient *g, const struct ir_op *op)
{
    struct ir_value **in = ARENA_ARRAY(g->arena, (size_t)op->num_in + 1, struct ir_value *);
    for (int i = 0; i < op->num_in; i++) {
        struct ir_value *is = op->in[i] ? mark_of(g, op->in[i])->is : NULL;
        in[i] = is ? is : op->in[i];
    }
    struct ir_op *c =
        ir_op_create(g->b->graph, g->b->before, op->op, op->loc, in, op->num_in, op->num_out, NULL);
    c->attrs = arena_memdup(g->arena, op->attrs, (size_t)op->num_attrs * sizeof(*op->attrs));
    c->num_attrs = op->num_attrs;
    for (int i = 0; i < op->num_out; i++)
        c->out[i]->type = op->out[i]->type;
    return c;
}

// Marks what leads to y.
static void need(struct gradient *g, const struct ir_value *y)
{
    mark_of(g, y)->needed = true;
    for (const struct ir_op *op = g->b->graph->last; op; op = op->prev) {
        bool needed = false;
        for (int k = 0; k < op->num_out; k++)
            needed = needed || mark_of(g, op->out[k])->needed;
        for (int i = 0; needed && i < op->num_in; i++)
            if (op->in[i])
                mark_of(g, op->in[i])->needed = true;
    }
}

struct ir_value *gradient_substitute(struct ir_builder *b, struct ir_value *y,
                                     struct ir_value *const *from, struct ir_value *const *to,
                                     int num)
{
    struct gradient g = {.b = b, .arena = b->graph->module->arena};
    for (int i = 0; i < num; i++) {
        struct mark *m = mark_of(&g, from[i]);
        m->active = m->cut = true;
        m->is = to[i];
        if (!ir_type_equal(&from[i]->type, &to[i]->type)) {
            diag_report(b->diag, b->loc, DIAG_ONNX_SHAPE,
                        "the value given for '%s' is %s, the tensor %s", from[i]->name,
                        ir_type_text(&to[i]->type, g.arena), ir_type_text(&from[i]->type, g.arena));
            return NULL;
        }
    }
    spread(&g);
    need(&g, y);
    const struct ir_op *last = b->graph->last;
    for (const struct ir_op *op = b->graph->first; op; op = op == last ? NULL : op->next) {
        const struct mark *m = op->num_out > 0 ? mark_of(&g, op->out[0]) : NULL;
        if (!m || !m->active || !m->needed || m->cut)
            continue;
        struct ir_op *c = copy_op(&g, op);
        for (int k = 0; k < op->num_out; k++)
            mark_of(&g, op->out[k])->is = c->out[k];
    }
    struct ir_value *is = mark_of(&g, y)->is;
    return is ? is : y;
}

// schedule: the final order. Constants come first, they take no heap. For the rest several orders
// are made, and the one whose live values need the least memory at the worst moment wins; the order
// that is there already wins ties, so that a program that was written sensibly stays as it is. The
// candidates are depth-first orders from the results: every op directly before its first user,
// operands either as they stand or the one that needs most memory on its way first (Sethi and
// Ullman's numbering, exact for trees). All is linear in the uses, but for sorting the operands of
// an op.
//
// What nobody uses has no place in the order: the unquantised weights that quantisation leaves
// behind go here. Ops with effects (host calls) keep their order among each other, and no op passes
// a marker of control flow.
#include <stdlib.h>

#include "index.h"
#include "pass.h"

struct sched_op {
    struct ir_op *op;
    int *dep; // ops whose results it uses, and the host call before it
    int num_dep;
    uint64_t out_bytes;
    uint64_t need; // memory on the way to its results
};
struct sched {
    struct arena *scratch;
    struct ir_graph *g;
    struct sched_op *ops; // constants left out
    int num;
    struct index op_index;
    struct index root_index; // value -> class of values that share memory
    uint64_t *class_bytes;
    int *class_uses;
    int num_classes;
};

// ---- Memory classes: a value and its reshapes share one.

static int class_of(const struct sched *s, const struct ir_value *v)
{
    return index_get(&s->root_index, v);
}

static int new_class(struct sched *s, uint64_t bytes)
{
    s->class_bytes[s->num_classes] = bytes;
    return s->num_classes++;
}

static void classify_values(struct sched *s, size_t num_values)
{
    index_create(&s->root_index, num_values, s->scratch);
    s->class_bytes = ARENA_ARRAY(s->scratch, num_values, uint64_t);
    s->class_uses = ARENA_ARRAY(s->scratch, num_values, int);
    // Graph inputs and constants take no memory that an order could save.
    for (int i = 0; i < s->g->num_inputs; i++)
        index_set(&s->root_index, s->g->inputs[i], new_class(s, 0));
    for (struct ir_op *op = s->g->first; op != NULL; op = op->next) {
        bool alias = ir_op_is_alias(op);
        for (int i = 0; i < op->num_out; i++) {
            uint64_t bytes = op->op == IR_OP_CONST ? 0 : ir_type_bytes(&op->out[i]->type);
            index_set(&s->root_index, op->out[i],
                      alias ? class_of(s, op->in[0]) : new_class(s, bytes));
        }
        for (int i = 0; i < op->num_in; i++)
            if (op->in[i] != NULL)
                s->class_uses[class_of(s, op->in[i])]++;
    }
    for (int i = 0; i < s->g->num_outputs; i++)
        s->class_uses[class_of(s, s->g->outputs[i])]++; // never freed
}

// ---- Dependences

static void add_dep(struct sched_op *o, int dep)
{
    for (int i = 0; i < o->num_dep && i < 8; i++)
        if (o->dep[i] == dep)
            return;
    o->dep[o->num_dep++] = dep;
}

static void collect_ops(struct sched *s)
{
    size_t num = 0, values = (size_t)s->g->num_inputs;
    for (struct ir_op *op = s->g->first; op != NULL; op = op->next) {
        num++;
        values += (size_t)op->num_out;
    }
    classify_values(s, values);
    s->ops = ARENA_ARRAY(s->scratch, num, struct sched_op);
    index_create(&s->op_index, num, s->scratch);
    int last_effect = -1, last_marker = -1;
    for (struct ir_op *op = s->g->first; op != NULL; op = op->next) {
        if (op->op == IR_OP_CONST)
            continue;
        struct sched_op *o = &s->ops[s->num];
        o->op = op;
        // Host calls wait for the last one; all wait for the last marker, and a marker for all.
        int before = ir_is_marker(op) ? s->num - last_marker + 2 : 2;
        o->dep = ARENA_ARRAY(s->scratch, (size_t)op->num_in + (size_t)before, int);
        for (int i = 0; i < op->num_in; i++) {
            int dep = op->in[i] != NULL && op->in[i]->def != NULL
                          ? index_get(&s->op_index, op->in[i]->def)
                          : -1;
            if (dep >= 0)
                add_dep(o, dep);
        }
        bool alias = ir_op_is_alias(op);
        for (int i = 0; i < op->num_out && !alias; i++)
            o->out_bytes += ir_type_bytes(&op->out[i]->type);
        if (!ir_is_pure(op)) {
            if (last_effect >= 0)
                add_dep(o, last_effect);
            last_effect = s->num;
        }
        if (last_marker >= 0)
            add_dep(o, last_marker);
        for (int i = last_marker + 1; i < s->num && ir_is_marker(op); i++)
            add_dep(o, i);
        if (ir_is_marker(op))
            last_marker = s->num;
        index_set(&s->op_index, op, s->num++);
    }
}

// ---- Orders

// Most memory held at once when the ops run in this order. Operands and results of an op are alive
// together.
static uint64_t peak_of(const struct sched *s, const int *order)
{
    int *left = arena_memdup(s->scratch, s->class_uses, (size_t)s->num_classes * sizeof *left);
    uint64_t now = 0, peak = 0;
    for (int i = 0; i < s->num; i++) {
        const struct sched_op *o = &s->ops[order[i]];
        now += o->out_bytes;
        if (now > peak)
            peak = now;
        for (int j = 0; j < o->op->num_in; j++) {
            int c = o->op->in[j] != NULL ? class_of(s, o->op->in[j]) : -1;
            if (c >= 0 && --left[c] == 0)
                now -= s->class_bytes[c];
        }
        for (int j = 0; j < o->op->num_out; j++) {
            int c = class_of(s, o->op->out[j]);
            if (left[c] == 0 && o->out_bytes > 0)
                now -= s->class_bytes[c]; // nobody uses it
        }
    }
    return peak;
}

struct excess {
    uint64_t bytes; // held while the op is computed and free for others afterwards
    int op;
};

static int by_excess(const void *a, const void *b)
{
    const struct excess *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return (x->op > y->op) - (x->op < y->op);
}

static void order_operands_by_need(struct sched *s)
{
    struct excess *key = NULL;
    size_t cap = 0;
    for (int i = 0; i < s->num; i++) {
        struct sched_op *o = &s->ops[i];
        key = arena_grow(s->scratch, key, 0, (size_t)o->num_dep, sizeof *key, &cap);
        for (int j = 0; j < o->num_dep; j++) {
            const struct sched_op *d = &s->ops[o->dep[j]];
            key[j] = (struct excess){d->need - d->out_bytes, o->dep[j]};
        }
        if (o->num_dep > 1)
            qsort(key, (size_t)o->num_dep, sizeof *key, by_excess);
        uint64_t held = 0, need = 0;
        for (int j = 0; j < o->num_dep; j++) {
            const struct sched_op *d = &s->ops[o->dep[j] = key[j].op];
            if (held + d->need > need)
                need = held + d->need;
            held += d->out_bytes;
        }
        o->need = held + o->out_bytes > need ? held + o->out_bytes : need;
    }
}

// Depth first from every op without users, in the order they stand.
static int *depth_first(struct sched *s)
{
    int *order = ARENA_ARRAY(s->scratch, (size_t)s->num, int),
        *stack = ARENA_ARRAY(s->scratch, (size_t)s->num + 1, int);
    int *next = ARENA_ARRAY(s->scratch, (size_t)s->num, int), done = 0;
    bool *seen = ARENA_ARRAY(s->scratch, (size_t)s->num, bool),
         *used = ARENA_ARRAY(s->scratch, (size_t)s->num, bool);
    for (int i = 0; i < s->num; i++)
        for (int j = 0; j < s->ops[i].num_dep; j++)
            used[s->ops[i].dep[j]] = true;
    for (int i = 0; i < s->num; i++) {
        int depth = 0;
        if (used[i])
            continue;
        seen[i] = true;
        stack[depth++] = i;
        while (depth > 0) {
            int top = stack[depth - 1];
            const struct sched_op *o = &s->ops[top];
            if (next[top] == o->num_dep) {
                order[done++] = top;
                depth--;
                continue;
            }
            int dep = o->dep[next[top]++];
            if (!seen[dep]) {
                seen[dep] = true;
                stack[depth++] = dep;
            }
        }
    }
    return order;
}

static void apply(struct sched *s, const int *order)
{
    for (struct ir_op *op = s->g->first, *end = s->g->last, *next; op != NULL; op = next) {
        next = op == end ? NULL : op->next;
        if (op->op == IR_OP_CONST)
            ir_op_move_before(op, NULL);
    }
    for (int i = 0; i < s->num; i++)
        ir_op_move_before(s->ops[order[i]].op, NULL);
}

bool pass_schedule(struct pass_ctx *ctx)
{
    struct sched s = {.scratch = ctx->scratch, .g = ctx->module->main};
    pass_sweep(s.g);
    collect_ops(&s);
    int *best = ARENA_ARRAY(ctx->scratch, (size_t)s.num, int);
    for (int i = 0; i < s.num; i++)
        best[i] = i;
    uint64_t best_peak = peak_of(&s, best);
    for (int candidate = 0; candidate < 2; candidate++) {
        if (candidate == 1)
            order_operands_by_need(&s);
        int *order = depth_first(&s);
        uint64_t peak = peak_of(&s, order);
        if (peak < best_peak) {
            best = order;
            best_peak = peak;
        }
    }
    apply(&s, best);
    return true;
}

// Runs graphs and single ops. Every intermediate value has an arena of its own, which goes with the
// value's last use.
#include "eval.h"

#include <string.h>

#include "eval_op.h"
#include "tensor_list.h"

typedef bool eval_body(const struct eval_call *c);

static eval_body *const bodies[IR_OP_NUM] = {
#define IR_OP(ENUM, text, in_min, in_max, outs, TRAITS, doc) [IR_OP_##ENUM] = eval_op_##ENUM,
#include "ops.def"
};
static const struct ir_eval_options default_options = {.group = 64};

// Whether data may stand for a value: extents known only at run time are within their bounds. Those
// of graph inputs are known when the op input_extent asks for them.
static bool fits_value(const struct tensor *t, const struct ir_value *v)
{
    bool fits = t->dtype == v->type.dtype && t->rank == v->type.rank;
    for (int i = 0; fits && i < t->rank; i++) {
        bool dynamic = v->type.sym[i] != NULL;
        for (const struct ir_use *u = v->def ? NULL : v->uses; u && !dynamic; u = u->next)
            dynamic = u->op->op == IR_OP_INPUT_EXTENT && ir_int(u->op, IR_A_axis, 0) == i;
        fits = t->dim[i] == v->type.dim[i] || (dynamic && t->dim[i] < v->type.dim[i]);
    }
    return fits;
}

static void check_operands(const struct ir_op *op, const struct tensor *const *in)
{
    for (int i = 0; i < op->num_in; i++) {
        if (!op->in[i] != !in[i])
            bitlet_bug("%s: operand %d is given to one of op and evaluation only",
                       ir_op_info[op->op].text, i);
        if (in[i] && op->in[i]->type.known && !fits_value(in[i], op->in[i]))
            bitlet_bug("%s: data of operand %d is not of its type", ir_op_info[op->op].text, i);
    }
}

// The value of a symbol: an operand of the op, or the extent of an operand that has it.
static int64_t symbol_value(const struct ir_op *op, const struct tensor *const *in,
                            const struct ir_value *sym)
{
    for (int i = 0; i < op->num_in; i++)
        if (op->in[i] == sym)
            return tensor_get_int(in[i], 0);
    for (int i = 0; i < op->num_in; i++)
        for (int k = 0; op->in[i] && k < op->in[i]->type.rank; k++)
            if (op->in[i]->type.sym[k] == sym)
                return in[i]->dim[k];
    bitlet_bug("%s: no operand has the extent %%%s", ir_op_info[op->op].text, sym->name);
}

static void real_extents(struct ir_type *t, const int64_t *dim)
{
    for (int i = 0; i < t->rank; i++) {
        t->dim[i] = dim[i];
        t->sym[i] = NULL;
    }
}

// The op as it would be had the extents been known when compiling. False: an extent is out of its
// bound (reported).
static bool make_static(const struct ir_op *op, const struct tensor *const *in, struct ir_op *s,
                        struct arena *a, struct diag *d)
{
    *s = *op;
    s->in = ARENA_ARRAY(a, (size_t)op->num_in + 1, struct ir_value *);
    s->out = ARENA_ARRAY(a, (size_t)op->num_out + 1, struct ir_value *);
    for (int i = 0; i < op->num_in; i++)
        if (op->in[i]) {
            s->in[i] = arena_memdup(a, op->in[i], sizeof *op->in[i]);
            real_extents(&s->in[i]->type, in[i]->dim);
        }
    for (int i = 0; i < op->num_out; i++) {
        const struct ir_type *t = &op->out[i]->type;
        int64_t dim[IR_MAX_RANK];
        for (int k = 0; k < t->rank; k++) {
            dim[k] = t->sym[k] ? symbol_value(op, in, t->sym[k]) : t->dim[k];
            if (dim[k] < 0 || dim[k] > t->dim[k])
                return diag_report(d, op->loc, DIAG_ONNX_SHAPE,
                                   "extent %lld of %%%s, whose bound is %lld", (long long)dim[k],
                                   op->out[i]->name, (long long)t->dim[k]);
        }
        s->out[i] = arena_memdup(a, op->out[i], sizeof *op->out[i]);
        real_extents(&s->out[i]->type, dim);
    }
    return true;
}

static bool eval_static(const struct ir_op *op, const struct tensor *const *in,
                        const struct ir_eval_options *o, struct tensor **out, struct arena *a,
                        struct diag *d, struct eval_keep *keep);

static bool eval_one(const struct ir_op *op, const struct tensor *const *in,
                     const struct ir_eval_options *o, struct tensor **out, struct arena *a,
                     struct diag *d, struct eval_keep *keep)
{
    check_operands(op, in);
    if (!ir_op_is_dynamic(op))
        return eval_static(op, in, o, out, a, d, keep);
    struct arena *scratch = arena_create();
    struct ir_op real;
    bool ok = make_static(op, in, &real, scratch, d) && eval_static(&real, in, o, out, a, d, keep);
    arena_destroy(scratch);
    return ok;
}

static bool eval_static(const struct ir_op *op, const struct tensor *const *in,
                        const struct ir_eval_options *o, struct tensor **out, struct arena *a,
                        struct diag *d, struct eval_keep *keep)
{
    for (int i = 0; i < op->num_out; i++) {
        const struct ir_type *t = &op->out[i]->type;
        if (!t->known)
            bitlet_bug("%s: evaluated before its type is known", ir_op_info[op->op].text);
        out[i] = tensor_create(a, t->dtype, t->dim, t->rank);
        out[i]->name = op->out[i]->name;
    }
    struct arena *scratch = arena_create();
    struct eval_call c = {op, in, out, o ? o : &default_options, scratch, a, d, keep};
    bool ok = bodies[op->op](&c);
    arena_destroy(scratch);
    return ok;
}

bool ir_eval_op(const struct ir_op *op, const struct tensor *const *in,
                const struct ir_eval_options *o, struct tensor **out, struct arena *a,
                struct diag *d)
{
    return eval_one(op, in, o, out, a, d, NULL);
}

bool eval_no_arithmetic(const struct eval_call *c, enum dtype t, const char *fn)
{
    return diag_report(c->diag, c->op->loc, DIAG_IR_TYPE, "%s %s has no meaning for %s",
                       ir_op_info[c->op->op].text, fn, dtype_text(t));
}

bool eval_op_CONST(const struct eval_call *c)
{
    if (tensor_bytes(c->out[0]))
        memcpy(c->out[0]->data, c->op->data->data, tensor_bytes(c->out[0]));
    return true;
}

bool eval_op_INPUT_EXTENT(const struct eval_call *c)
{
    *(int64_t *)c->out[0]->data = c->in[0]->dim[ir_int(c->op, IR_A_axis, 0)];
    return true;
}

bool eval_op_CHECK(const struct eval_call *c)
{
    return *(const uint8_t *)c->in[0]->data ||
           diag_report(c->diag, c->op->loc, DIAG_ONNX_VALUE, "%s",
                       ir_attr_find(c->op, IR_A_message)->s);
}

// Markers have no data flow of their own: run_graph obeys them.
#define MARKER(ENUM)                                                                               \
    bool eval_op_##ENUM(const struct eval_call *c)                                                 \
    {                                                                                              \
        bitlet_bug("%s was evaluated like an op", ir_op_info[c->op->op].text);                     \
    }
MARKER(LOOP_BEGIN)
MARKER(LOOP_END)
MARKER(IF_BEGIN)
MARKER(ELSE_BEGIN)
MARKER(IF_END)

// ---- Graphs

struct slot { // a value while the graph runs
    const struct ir_value *key;
    const struct tensor *data;
    struct arena *arena; // NULL: lives as long as the caller's
    int uses_left;
    int depth; // regions around the definition
};
struct run {
    const struct ir_eval_options *o;
    struct arena *out, *book; // results; bookkeeping
    struct diag *diag;
    struct slot *slots; // open addressing on the value's address
    size_t mask;
    int depth;   // regions that are open
    bool failed; // a marker reported an error
    struct loop {
        const struct ir_op *begin, *end;
        int64_t i;
        struct tensor **stacked; // in `out`
        struct loop *outer;
    } * loop;
    struct eval_keep keep;
};

static size_t hash_pointer(const void *p)
{
    uint64_t h = (uint64_t)(uintptr_t)p >> 4;
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h >> 20);
}

static struct slot *slot_of(const struct run *r, const struct ir_value *v)
{
    size_t i = hash_pointer(v) & r->mask;
    while (r->slots[i].key && r->slots[i].key != v)
        i = (i + 1) & r->mask;
    return &r->slots[i];
}

static size_t count_values(const struct ir_graph *g)
{
    size_t n = (size_t)g->num_inputs;
    for (const struct ir_op *op = g->first; op; op = op->next)
        n += (size_t)op->num_out;
    return n;
}

static void define(struct run *r, const struct ir_value *v, const struct tensor *t,
                   struct arena *arena)
{
    struct slot *s = slot_of(r, v);
    if (s->arena) // of the iteration before
        arena_destroy(s->arena);
    *s = (struct slot){v, t, arena, v->num_uses, r->depth};
    if (r->o->watch)
        r->o->watch(r->o->user, v, t);
}

static void release(struct slot *s)
{
    arena_destroy(s->arena);
    s->arena = NULL;
    s->data = NULL;
}

static bool has_output(const struct ir_op *op)
{
    for (int i = 0; i < op->num_out; i++)
        if (op->out[i]->is_output)
            return true;
    return false;
}

static void use_operands(struct run *r, const struct ir_op *op)
{
    for (int i = 0; i < op->num_in; i++) {
        struct slot *s = op->in[i] ? slot_of(r, op->in[i]) : NULL;
        // What is used in a loop is needed again in the next iteration.
        if (s && s->depth == r->depth && --s->uses_left == 0 && s->arena && !op->in[i]->is_extent)
            release(s);
    }
}

static bool run_op(struct run *r, const struct ir_op *op)
{
    if (op->op == IR_OP_CONST) {
        define(r, op->out[0], op->data, NULL);
        return true;
    }
    const struct tensor **in = ARENA_ARRAY(r->book, (size_t)op->num_in + 1, const struct tensor *);
    struct tensor **out = ARENA_ARRAY(r->book, (size_t)op->num_out + 1, struct tensor *);
    for (int i = 0; i < op->num_in; i++)
        in[i] = op->in[i] ? slot_of(r, op->in[i])->data : NULL;
    // The results of one op share an arena only when it has one result. What references stand for
    // may outlive the value that made them.
    bool own = !has_output(op) && op->num_out == 1 && !dtype_is_reference(op->out[0]->type.dtype);
    struct arena *a = own ? arena_create() : r->out;
    if (!eval_one(op, in, r->o, out, a, r->diag, &r->keep)) {
        if (own)
            arena_destroy(a);
        return false;
    }
    for (int i = 0; i < op->num_out; i++) {
        define(r, op->out[i], out[i], own ? a : NULL);
        if (own && op->out[i]->num_uses == 0 && !op->out[i]->is_extent)
            release(slot_of(r, op->out[i]));
    }
    use_operands(r, op);
    return true;
}

// ---- Control flow: markers move the point of execution

// A copy in an arena of its own, or in the caller's for what the graph gives.
static const struct tensor *copy_value(struct run *r, const struct ir_value *to,
                                       const struct tensor *t, struct arena **own)
{
    *own = to->is_output ? NULL : arena_create();
    struct arena *a = *own ? *own : r->out;
    struct tensor *c = tensor_create(a, t->dtype, t->dim, t->rank);
    if (tensor_bytes(t))
        memcpy(c->data, t->data, tensor_bytes(t));
    c->name = to->name;
    return c;
}

// to[i] = from[i], all at once.
static void assign(struct run *r, struct ir_value *const *to, struct ir_value *const *from, int n)
{
    const struct tensor **copy = ARENA_ARRAY(r->book, (size_t)n + 1, const struct tensor *);
    struct arena **own = ARENA_ARRAY(r->book, (size_t)n + 1, struct arena *);
    for (int i = 0; i < n; i++)
        copy[i] = copy_value(r, to[i], slot_of(r, from[i])->data, &own[i]);
    for (int i = 0; i < n; i++)
        define(r, to[i], copy[i], own[i]);
}

static void define_iteration(struct run *r, const struct loop *l)
{
    struct arena *a = arena_create();
    struct tensor *t = tensor_create(a, DT_I64, NULL, 0);
    *(int64_t *)t->data = l->i;
    define(r, l->begin->out[0], t, a);
}

static bool holds(const struct run *r, const struct ir_value *cond)
{
    return !cond || *(const uint8_t *)slot_of(r, cond)->data->data != 0;
}

static bool goes_on(const struct run *r, const struct loop *l, const struct ir_value *cond)
{
    const struct ir_value *trip = l->begin->in[0];
    return holds(r, cond) && (!trip || l->i < *(const int64_t *)slot_of(r, trip)->data->data);
}

static const struct ir_op *finish_loop(struct run *r)
{
    struct loop *l = r->loop;
    int carried = l->begin->num_in - 2;
    struct ir_value *const *last = &l->begin->out[1];
    r->depth--;
    r->loop = l->outer;
    assign(r, l->end->out, last, carried);
    for (int i = carried; i < l->end->num_out; i++)
        define(r, l->end->out[i], l->stacked[i - carried], NULL);
    use_operands(r, l->begin);
    return l->end->next;
}

static const struct ir_op *begin_loop(struct run *r, const struct ir_op *op)
{
    struct loop *l = ARENA_NEW(r->book, struct loop);
    *l = (struct loop){.begin = op, .end = ir_region_close(op), .outer = r->loop};
    int carried = op->num_in - 2, elems = l->end->num_out - carried;
    l->stacked = ARENA_ARRAY(r->book, (size_t)elems + 1, struct tensor *);
    for (int i = 0; i < elems; i++) {
        const struct ir_type *t = &l->end->out[carried + i]->type;
        int64_t dim[IR_MAX_RANK];
        for (int k = 0; k < t->rank; k++)
            dim[k] = t->sym[k] ? *(const int64_t *)slot_of(r, t->sym[k])->data->data : t->dim[k];
        l->stacked[i] = tensor_create(r->out, t->dtype, dim, t->rank);
    }
    r->loop = l;
    r->depth++;
    assign(r, &op->out[1], &op->in[2], carried);
    define_iteration(r, l);
    return goes_on(r, l, op->in[1]) ? op->next : finish_loop(r);
}

// NULL: an iteration too many (reported).
static const struct ir_op *end_loop(struct run *r, const struct ir_op *op)
{
    struct loop *l = r->loop;
    int carried = l->begin->num_in - 2;
    if (carried < op->num_out && l->i >= ir_int(op, IR_A_trips, 0)) {
        r->failed = true;
        diag_report(r->diag, op->loc, DIAG_ONNX_VALUE, "more than %lld iterations stack elements",
                    (long long)l->i);
        return NULL;
    }
    for (int i = carried; i < op->num_out; i++) {
        const struct tensor *e = slot_of(r, op->in[i + 1])->data;
        if (tensor_bytes(e))
            memcpy((char *)l->stacked[i - carried]->data + (size_t)l->i * tensor_bytes(e), e->data,
                   tensor_bytes(e));
    }
    bool cond = holds(r, op->in[0]);
    assign(r, &l->begin->out[1], &op->in[1], carried);
    l->i++;
    define_iteration(r, l);
    return cond && goes_on(r, l, NULL) ? l->begin->next : finish_loop(r);
}

// NULL: an error was reported.
static const struct ir_op *run_marker(struct run *r, const struct ir_op *op)
{
    switch (op->op) {
    case IR_OP_LOOP_BEGIN: return begin_loop(r, op);
    case IR_OP_LOOP_END: return end_loop(r, op);
    case IR_OP_IF_BEGIN: {
        bool then = holds(r, op->in[0]);
        use_operands(r, op);
        r->depth++;
        return then ? op->next : ir_region_close(op)->next;
    }
    case IR_OP_ELSE_BEGIN: { // the end of what ran
        const struct ir_op *end = ir_region_close(op);
        r->depth--;
        assign(r, end->out, op->in, op->num_in);
        return end->next;
    }
    case IR_OP_IF_END:
        r->depth--;
        assign(r, op->out, op->in, op->num_in);
        return op->next;
    default: bitlet_bug("%s is no marker", ir_op_info[op->op].text);
    }
}

static bool run_graph(struct run *r, const struct ir_graph *g)
{
    for (const struct ir_op *op = g->first; op;) {
        if (ir_is_marker(op)) {
            op = run_marker(r, op);
            if (r->failed)
                return false;
            continue;
        }
        if (!run_op(r, op))
            return false;
        op = op->next;
    }
    return true;
}

static bool bind_inputs(struct run *r, const struct ir_graph *g, const struct tensor *const *inputs)
{
    bool ok = true;
    for (int i = 0; i < g->num_inputs; i++) {
        const struct ir_value *v = g->inputs[i];
        if (!inputs[i] || !fits_value(inputs[i], v)) {
            ok = diag_report(r->diag, LOC_NONE, DIAG_TENSOR_MISMATCH,
                             "input '%s' is %s, the graph takes %s", v->name,
                             inputs[i] ? tensor_type_text(inputs[i]->dtype, inputs[i]->dim,
                                                          inputs[i]->rank, r->book)
                                       : "missing",
                             ir_type_text(&v->type, r->book));
            continue;
        }
        define(r, v, inputs[i], NULL);
    }
    return ok;
}

static struct tensor *copy_tensor(const struct tensor *t, struct arena *a)
{
    struct tensor *c = tensor_copy(a, t);
    c->name = t->name;
    return c;
}

// Inputs and constants are copied, they may go before the outputs do; what an op computed lies in
// `a` already.
static struct tensor *output_tensor(const struct ir_value *v, const struct tensor *t,
                                    struct arena *a)
{
    if (!v->def || v->def->op == IR_OP_CONST)
        return copy_tensor(t, a);
    return arena_memdup(a, t, sizeof *t);
}

bool ir_eval(const struct ir_module *m, const struct tensor *const *inputs,
             const struct ir_eval_options *o, struct tensor **outputs, struct arena *a,
             struct diag *d)
{
    const struct ir_graph *g = m->main;
    struct arena *book = arena_create();
    size_t size = 16;
    while (size < 2 * count_values(g))
        size *= 2;
    struct run r = {.o = o ? o : &default_options,
                    .out = a,
                    .book = book,
                    .diag = d,
                    .slots = ARENA_ARRAY(book, size, struct slot),
                    .mask = size - 1,
                    .keep = {.arena = book}};
    bool ok = bind_inputs(&r, g, inputs);
    ok = ok && run_graph(&r, g);
    for (int i = 0; ok && i < g->num_outputs; i++) {
        outputs[i] = output_tensor(g->outputs[i], slot_of(&r, g->outputs[i])->data, a);
        outputs[i]->name = arena_strdup(a, g->output_names[i]);
    }
    for (size_t i = 0; i < size; i++)
        arena_destroy(r.slots[i].arena);
    arena_destroy(book);
    return ok;
}

// ---- Folding of one value

struct fold {
    struct run r; // slots: values already known
    int64_t max_elems;
    struct ir_op **stack;
    size_t depth, cap;
    size_t known;
};

static void fold_grow(struct fold *f)
{
    if (2 * f->known < f->r.mask)
        return;
    struct slot *old = f->r.slots;
    size_t old_size = f->r.mask + 1;
    f->r.mask = 2 * old_size - 1;
    f->r.slots = ARENA_ARRAY(f->r.book, 2 * old_size, struct slot);
    for (size_t i = 0; i < old_size; i++)
        if (old[i].key)
            *slot_of(&f->r, old[i].key) = old[i];
}

static const struct tensor *fold_known(struct fold *f, const struct ir_value *v)
{
    return v->def && v->def->op == IR_OP_CONST ? v->def->data : slot_of(&f->r, v)->data;
}

static bool foldable(const struct fold *f, const struct ir_op *op)
{
    if (!op || !ir_is_pure(op))
        return false;
    for (int i = 0; i < op->num_out; i++)
        if (!op->out[i]->type.known || op->out[i]->type.dtype == DT_LANES ||
            ir_type_is_dynamic(&op->out[i]->type) ||
            dtype_info[op->out[i]->type.dtype].kind == DTK_H ||
            ir_type_elems(&op->out[i]->type) > f->max_elems)
            return false;
    return true;
}

static void fold_push(struct fold *f, struct ir_op *op)
{
    f->stack = arena_grow(f->r.book, f->stack, f->depth, f->depth + 1, sizeof *f->stack, &f->cap);
    f->stack[f->depth++] = op;
}

// Pushes the first operand that is not known yet; *done when there is none. False: not a constant.
static bool fold_operands(struct fold *f, const struct ir_op *op, bool *done)
{
    *done = true;
    for (int i = 0; i < op->num_in; i++) {
        const struct ir_value *v = op->in[i];
        if (!v || fold_known(f, v))
            continue;
        if (!foldable(f, v->def))
            return false;
        fold_push(f, v->def);
        *done = false;
    }
    return true;
}

static bool fold_top(struct fold *f)
{
    struct ir_op *op = f->stack[f->depth - 1];
    bool ready;
    if (!fold_operands(f, op, &ready))
        return false;
    if (!ready)
        return true;
    f->depth--;
    if (fold_known(f, op->out[0]))
        return true;
    const struct tensor **in =
        ARENA_ARRAY(f->r.book, (size_t)op->num_in + 1, const struct tensor *);
    struct tensor **out = ARENA_ARRAY(f->r.book, (size_t)op->num_out + 1, struct tensor *);
    for (int i = 0; i < op->num_in; i++)
        in[i] = op->in[i] ? fold_known(f, op->in[i]) : NULL;
    if (!ir_eval_op(op, in, NULL, out, f->r.book, f->r.diag))
        return false;
    for (int i = 0; i < op->num_out; i++) {
        fold_grow(f);
        *slot_of(&f->r, op->out[i]) = (struct slot){.key = op->out[i], .data = out[i]};
        f->known++;
    }
    return true;
}

const struct tensor *ir_fold_value(struct ir_value *v, int64_t max_elems, struct arena *a,
                                   struct diag *d)
{
    if (v->def && v->def->op == IR_OP_CONST)
        return v->def->data;
    struct arena *book = arena_create();
    struct fold f = {.r = {.o = &default_options,
                           .out = a,
                           .book = book,
                           .diag = d,
                           .slots = ARENA_ARRAY(book, 16, struct slot),
                           .mask = 15},
                     .max_elems = max_elems};
    const struct tensor *result = NULL;
    bool ok = foldable(&f, v->def);
    if (ok)
        fold_push(&f, v->def);
    while (ok && f.depth)
        ok = fold_top(&f);
    if (ok)
        result = copy_tensor(fold_known(&f, v), a);
    arena_destroy(book);
    return result;
}

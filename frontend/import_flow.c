// If, Loop and Scan. Bodies are imported between markers of control flow; what is decided when
// compiling leaves no marker.
#include "import_operand.h"

#include <string.h>

#include "importer.h"

static const Onnx__GraphProto *graph_attr(const struct import_node *n, const char *name)
{
    for (size_t i = 0; i < n->proto->n_attribute; i++)
        if (n->proto->attribute[i]->name && strcmp(n->proto->attribute[i]->name, name) == 0)
            return n->proto->attribute[i]->g;
    return NULL;
}

// v with the extents that the body declares for its result, where the body alone does not tell
// them; checked when it runs.
static struct ir_value *as_declared(struct import_node *n, struct ir_value *v,
                                    const Onnx__ValueInfoProto *info)
{
    struct ir_builder *b = &n->b;
    const Onnx__TypeProto *t = info->type;
    const Onnx__TensorShapeProto *shape = t && t->tensor_type ? t->tensor_type->shape : NULL;
    if (!shape || (int)shape->n_dim != v->type.rank)
        return v;
    for (int d = 0; v && d < v->type.rank; d++) {
        int64_t want = shape->dim[d]->has_dim_value ? shape->dim[d]->dim_value : -1;
        if (!v->type.sym[d] || want < 0 || want > v->type.dim[d])
            continue;
        struct ir_value *fits = node_with_scalar(n, BFN_eq, irb_extent_of(b, v, d), (double)want);
        if (!irb_check(b, fits,
                       arena_printf(n->arena,
                                    "%s: result '%s' of the graph has another extent along "
                                    "dimension %d than %lld, as declared",
                                    n->row->name, info->name ? info->name : "", d,
                                    (long long)want)))
            return NULL;
        v = irb_gather(b, v, node_iota(n, want, 1), d);
    }
    return v;
}

bool node_body(struct import_node *n, const char *attr, struct ir_value *const *in, int num_in,
               struct ir_value **out, int num_out)
{
    const Onnx__GraphProto *g = graph_attr(n, attr);
    if (!g)
        return node_error(n, DIAG_ONNX_ATTR, "attribute '%s' holds no graph", attr);
    if ((int)g->n_input != num_in || (int)g->n_output != num_out)
        return node_error(n, DIAG_ONNX_ARITY,
                          "the graph '%s' has %zu inputs and %zu outputs; %d and %d are needed",
                          attr, g->n_input, g->n_output, num_in, num_out);
    if (!importer_body(n->imp, g, in, out))
        return false;
    for (int i = 0; i < num_out; i++)
        if (!(out[i] = as_declared(n, out[i], g->output[i])))
            return false;
    return true;
}

static bool same_types(struct import_node *n, const struct ir_value *a, const struct ir_value *b,
                       const char *what, int i)
{
    return ir_type_equal(&a->type, &b->type) ||
           node_error(n, DIAG_ONNX_DYNAMIC,
                      "%s %d is %s here and %s there; its type must not depend on what is decided "
                      "at run time",
                      what, i, ir_type_text(&a->type, n->arena), ir_type_text(&b->type, n->arena));
}

// A value of one element as a scalar; NULL passes through.
static struct ir_value *as_scalar(struct import_node *n, struct ir_value *v, const char *what)
{
    if (!v || v->type.rank == 0)
        return v;
    if (ir_type_elems(&v->type) != 1) {
        node_error(n, DIAG_ONNX_SHAPE, "%s is %s, one element is needed", what,
                   ir_type_text(&v->type, n->arena));
        return NULL;
    }
    return irb_reshape(&n->b, v, NULL, 0);
}

// The value of a scalar if it is known when compiling.
static bool known_scalar(struct import_node *n, struct ir_value *v, int64_t *out)
{
    const struct tensor *t = v ? ir_fold_value(v, 1, n->arena, n->diag) : NULL;
    if (!t || tensor_elems(t) != 1)
        return false;
    *out = tensor_get_int(t, 0);
    return true;
}

// ---- If

static bool bind_all(struct import_node *n, struct ir_value *const *v)
{
    for (int i = 0; i < n->num_out; i++)
        if (!node_bind(n, i, v[i]))
            return false;
    return true;
}

bool import_If(struct import_node *n)
{
    int64_t taken;
    struct ir_value *cond = as_scalar(n, n->in[0], "the condition");
    struct ir_value **t = ARENA_ARRAY(n->arena, (size_t)n->num_out + 1, struct ir_value *),
                    **e = ARENA_ARRAY(n->arena, (size_t)n->num_out + 1, struct ir_value *);
    if (!cond)
        return false;
    if (cond->type.dtype != DT_BOOL)
        return node_error(n, DIAG_ONNX_TYPE, "the condition is %s, bool is needed",
                          node_type_text(n, 0));
    if (known_scalar(n, cond, &taken))
        return node_body(n, taken ? "then_branch" : "else_branch", NULL, 0, t, n->num_out) &&
               bind_all(n, t);
    if (!irb_if_begin(&n->b, cond) || !node_body(n, "then_branch", NULL, 0, t, n->num_out) ||
        !irb_else_begin(&n->b, t, n->num_out) ||
        !node_body(n, "else_branch", NULL, 0, e, n->num_out))
        return false;
    for (int i = 0; i < n->num_out; i++)
        if (!same_types(n, t[i], e[i], "output", i))
            return false;
    struct ir_op *end = irb_if_end(&n->b, e, n->num_out);
    return end && bind_all(n, end->out);
}

// ---- Loop

struct loop {
    struct import_node *n;
    struct ir_value *trip, *cond; // NULL: not a condition of this loop
    int64_t trips;                // -1: not known
    int carried, elems;
    struct ir_value **in, **out; // of the body
};

static struct ir_value *const_true(struct import_node *n)
{
    return irb_const_like(&n->b, DT_BOOL, 1);
}

static bool loop_inputs(struct loop *l)
{
    struct import_node *n = l->n;
    int64_t v;
    l->trip = as_scalar(n, node_in(n, 0), "the number of iterations");
    l->cond = as_scalar(n, node_in(n, 1), "the condition");
    if ((node_in(n, 0) && !l->trip) || (node_in(n, 1) && !l->cond))
        return false;
    if ((l->trip && l->trip->type.dtype != DT_I64) || (l->cond && l->cond->type.dtype != DT_BOOL))
        return node_error(n, DIAG_ONNX_TYPE,
                          "an i64 number of iterations and a bool condition are needed");
    l->trips = known_scalar(n, l->trip, &v) ? v : -1;
    if (l->trip && l->trips < 0 && known_scalar(n, l->trip, &v))
        l->trips = 0;
    if (known_scalar(n, l->cond, &v)) {
        l->cond = NULL;
        if (!v)
            l->trips = 0;
    }
    if (l->trips >= 0)
        l->trip = irb_const_like(&n->b, DT_I64, (double)l->trips);
    return true;
}

// The body after loop_begin; the iteration number may be declared a vector of one.
static bool loop_body(struct loop *l, struct ir_value *number, struct ir_value *const *values)
{
    struct import_node *n = l->n;
    const Onnx__GraphProto *g = graph_attr(n, "body");
    const Onnx__TypeProto *t = g && g->n_input > 0 ? g->input[0]->type : NULL;
    bool vector = t && t->tensor_type && t->tensor_type->shape && t->tensor_type->shape->n_dim == 1;
    int64_t one = 1;
    l->in[0] = vector ? irb_reshape(&n->b, number, &one, 1) : number;
    l->in[1] = const_true(n); // or the body would not run
    for (int i = 0; i < l->carried; i++)
        l->in[2 + i] = values[i];
    return node_body(n, "body", l->in, l->carried + 2, l->out, l->carried + l->elems + 1);
}

// An iteration after the other, for bodies that change the types of what they carry.
static bool unroll(struct loop *l, struct ir_value **values, struct ir_value **stacked)
{
    struct import_node *n = l->n;
    struct ir_value ***elem = ARENA_ARRAY(n->arena, (size_t)l->elems + 1, struct ir_value **);
    int64_t done = 0, v = 1;
    for (int i = 0; i < l->elems; i++)
        elem[i] = ARENA_ARRAY(n->arena, (size_t)l->trips + 1, struct ir_value *);
    for (; done < l->trips && v; done++) {
        if (!loop_body(l, irb_const_like(&n->b, DT_I64, (double)done), values))
            return false;
        if (!known_scalar(n, l->out[0], &v))
            return node_error(
                n, DIAG_ONNX_DYNAMIC,
                "the body stacks outputs or changes the types of what it carries, and "
                "ends by a condition of run time");
        memcpy(values, l->out + 1, (size_t)l->carried * sizeof(*values));
        for (int i = 0; i < l->elems; i++) {
            const struct ir_value *e = l->out[1 + l->carried + i];
            int64_t dim[IR_MAX_RANK + 1] = {1};
            memcpy(dim + 1, e->type.dim, (size_t)e->type.rank * sizeof(int64_t));
            elem[i][done] = irb_reshape(&n->b, l->out[1 + l->carried + i], dim, e->type.rank + 1);
            if (!elem[i][done])
                return false;
        }
    }
    for (int i = 0; i < l->elems; i++) {
        if (done == 0)
            return node_error(n, DIAG_ONNX_DYNAMIC, "no iteration runs, so output %d has no shape",
                              l->carried + i);
        stacked[i] = irb_concat(&n->b, elem[i], (int)done, 0);
    }
    return true;
}

enum { UNROLL_MAX = 256 };

// Whether the body keeps the types of what it carries: tried on a graph that is thrown away.
static bool keeps_types(struct loop *l, bool *keeps, bool *ends)
{
    struct import_node *n = l->n;
    struct ir_op *last = n->imp->graph->last;
    int64_t v;
    struct ir_value *number = irb_const_like(&n->b, DT_I64, 0);
    struct ir_op *begin = irb_loop_begin(&n->b, NULL, NULL, n->in + 2, l->carried);
    (void)number;
    if (!begin || !loop_body(l, begin->out[0], begin->out + 1))
        return false;
    *keeps = true;
    for (int i = 0; i < l->carried; i++)
        *keeps = *keeps && ir_type_equal(&n->in[2 + i]->type, &l->out[1 + i]->type);
    *ends = !known_scalar(n, l->out[0], &v) || !v;
    while (n->imp->graph->last != last)
        ir_op_erase(n->imp->graph->last);
    return true;
}

// Whether the first iteration's condition follows from its number: tried likewise.
static bool ends_by_number(struct loop *l)
{
    struct import_node *n = l->n;
    struct ir_op *last = n->imp->graph->last;
    int64_t v;
    struct ir_value *number = irb_const_like(&n->b, DT_I64, 0);
    bool follows = number && loop_body(l, number, n->in + 2) && known_scalar(n, l->out[0], &v);
    while (n->imp->graph->last != last)
        ir_op_erase(n->imp->graph->last);
    return follows;
}

// The number of stacked elements that the model declares; -1: none.
static int64_t declared_trips(struct loop *l)
{
    struct ir_type t;
    for (int i = l->carried; i < l->n->num_out; i++)
        if (node_has_output(l->n, i) && node_declared(l->n, i, &t) && t.rank > 0 && t.dim[0] >= 0)
            return t.dim[0];
    return -1;
}

static bool carried_types(struct loop *l)
{
    for (int i = 0; i < l->carried; i++)
        if (!same_types(l->n, l->n->in[2 + i], l->out[1 + i], "carried value", i))
            return false;
    return true;
}

static bool loop_markers(struct loop *l, bool ends)
{
    struct import_node *n = l->n;
    struct ir_op *begin = irb_loop_begin(&n->b, l->trip, l->cond, n->in + 2, l->carried);
    if (!begin || !loop_body(l, begin->out[0], begin->out + 1) || !carried_types(l))
        return false;
    struct ir_value *next = ends ? as_scalar(n, l->out[0], "the next condition") : NULL;
    if (ends && !next)
        return false;
    struct ir_op *end = irb_loop_end(&n->b, next, l->out + 1, l->carried + l->elems, l->carried,
                                     l->elems ? l->trips : -1);
    return end && bind_all(n, end->out);
}

// The count of run time is the declared one; checked.
static bool assume_trips(struct loop *l, int64_t trips)
{
    struct import_node *n = l->n;
    struct ir_value *runs = node_with_scalar(n, BFN_max, l->trip, 0),
                    *want = irb_const_like(&n->b, DT_I64, (double)trips);
    if (!node_check(n, irb_binary(&n->b, BFN_eq, runs, want), 0,
                    "the number of stacked elements that the model declares"))
        return false;
    l->trip = want;
    l->trips = trips;
    return true;
}

static struct ir_value *both(struct import_node *n, struct ir_value *a, struct ir_value *b)
{
    return !a ? b : !b ? a : irb_binary(&n->b, BFN_and, a, b);
}

// Whether iteration `number` is below the count, NULL without a count.
static struct ir_value *below_count(struct loop *l, struct ir_value *number)
{
    return l->trip ? irb_binary(&l->n->b, BFN_lt, number, l->trip) : NULL;
}

// The two regions of an iteration that may come after the end: v becomes what it carries and
// stacks. state: the carried values, whether the loop goes on, and how many iterations ran.
static bool guarded_body(struct loop *l, struct ir_value *number, struct ir_value *const *state,
                         bool ends, struct ir_value **v)
{
    struct import_node *n = l->n;
    struct ir_builder *b = &n->b;
    int c = l->carried, all = c + 2 + l->elems;
    if (!irb_if_begin(b, state[c]) || !loop_body(l, number, state) || !carried_types(l))
        return false;
    struct ir_value *next = ends ? as_scalar(n, l->out[0], "the next condition") : NULL,
                    *after = node_with_scalar(n, BFN_add, number, 1);
    if (ends && !next)
        return false;
    memcpy(v, l->out + 1, (size_t)c * sizeof(*v));
    v[c] = both(n, next, below_count(l, after));
    v[c] = v[c] ? v[c] : const_true(n);
    v[c + 1] = after;
    memcpy(v + c + 2, l->out + 1 + c, (size_t)l->elems * sizeof(*v));
    if (!irb_else_begin(b, v, all))
        return false;
    memcpy(v, state, (size_t)(c + 2) * sizeof(*v));
    for (int i = c + 2; i < all; i++)
        if (!(v[i] = node_filled(n, v[i]->type.dtype, 0, v[i]->type.dim, v[i]->type.rank)))
            return false;
    struct ir_op *end = irb_if_end(b, v, all);
    if (end)
        memcpy(v, end->out, (size_t)all * sizeof(*v));
    return end != NULL;
}

// A loop that stacks elements and ends by a condition of run time: `most` iterations, of which
// those after the end do nothing. declared: so many elements there have to be; else their number
// becomes the extent.
static bool loop_guarded(struct loop *l, bool ends, int64_t most, bool declared)
{
    struct import_node *n = l->n;
    struct ir_builder *b = &n->b;
    int c = l->carried, all = c + 2 + l->elems;
    struct ir_value **v = ARENA_ARRAY(n->arena, (size_t)all, struct ir_value *),
                    *zero = irb_const_like(b, DT_I64, 0);
    memcpy(v, n->in + 2, (size_t)c * sizeof(*v));
    v[c] = both(n, l->cond, below_count(l, zero));
    v[c] = v[c] ? v[c] : const_true(n);
    v[c + 1] = zero;
    struct ir_op *begin =
        irb_loop_begin(b, irb_const_like(b, DT_I64, (double)most), NULL, v, c + 2);
    if (!begin || !guarded_body(l, begin->out[0], begin->out + 1, ends, v))
        return false;
    struct ir_op *end = irb_loop_end(b, NULL, v, all, c + 2, most);
    if (!end)
        return false;
    struct ir_value *goes_on = end->out[c], *count = end->out[c + 1];
    struct ir_value *fits =
        both(n, irb_unary(b, UFN_not, goes_on), node_with_scalar(n, BFN_eq, count, (double)most));
    if (declared &&
        !node_check(n, fits, 0, "the number of stacked elements that the model declares"))
        return false;
    for (int i = 0; i < n->num_out; i++) {
        struct ir_value *y = end->out[i < c ? i : i + 2];
        if (!node_bind(n, i, i < c || declared ? y : irb_extent(b, y, count, 0)))
            return false;
    }
    return true;
}

// The loop as markers, in the simplest form that holds its stacked outputs.
static bool loop_stacking(struct loop *l, bool ends)
{
    int64_t declared = l->elems > 0 ? declared_trips(l) : -1;
    bool by_count = !l->cond && !ends && l->trip;
    if (l->elems == 0 || (by_count && l->trips >= 0))
        return loop_markers(l, ends);
    if (by_count && declared >= 0)
        return assume_trips(l, declared) && loop_markers(l, ends);
    if (declared >= 0 || l->trips >= 0)
        return loop_guarded(l, ends, declared >= 0 ? declared : l->trips, declared >= 0);
    return node_error(l->n, DIAG_ONNX_DYNAMIC,
                      "the loop stacks %d outputs, and nothing bounds their number; declare the "
                      "extents of its outputs, or make its count a constant",
                      l->elems);
}

bool import_Loop(struct import_node *n)
{
    struct loop l = {.n = n, .carried = n->num_in > 2 ? n->num_in - 2 : 0};
    const Onnx__GraphProto *g = graph_attr(n, "body");
    bool keeps, ends;
    if (!g)
        return node_error(n, DIAG_ONNX_ATTR, "attribute 'body' holds no graph");
    l.elems = (int)g->n_output - 1 - l.carried;
    if (l.elems < 0 || n->num_out > l.carried + l.elems)
        return node_error(n, DIAG_ONNX_ARITY,
                          "%d carried values and %d outputs, the body has %zu outputs", l.carried,
                          n->num_out, g->n_output);
    l.in = ARENA_ARRAY(n->arena, (size_t)l.carried + 3, struct ir_value *);
    l.out = ARENA_ARRAY(n->arena, g->n_output + 1, struct ir_value *);
    for (int i = 0; i < l.carried; i++)
        if (!n->in[2 + i])
            return node_error(n, DIAG_ONNX_ARITY, "input %d is empty but required", 2 + i);
    if (!loop_inputs(&l) || !keeps_types(&l, &keeps, &ends))
        return false;
    bool known = l.trips >= 0 && l.trips <= UNROLL_MAX && !l.cond;
    if (!known || (keeps && (!ends || l.elems == 0)))
        return loop_stacking(&l, ends);
    if (keeps && !ends_by_number(&l))
        return loop_stacking(&l, ends);
    struct ir_value **v =
        ARENA_ARRAY(n->arena, (size_t)(l.carried + l.elems) + 1, struct ir_value *);
    memcpy(v, n->in + 2, (size_t)l.carried * sizeof(*v));
    return unroll(&l, v, v + l.carried) && bind_all(n, v);
}

// ---- Scan

struct scan {
    struct import_node *n;
    int states, inputs, outputs; // outputs: of scans
    int64_t trips;
    struct ir_value **state, **x; // x: the scanned inputs, iterations first
    bool *reversed;               // by scanned input
};

// An attribute with an integer per scan; absent: zeros.
static const int64_t *scan_ints(struct import_node *n, const char *name, int count, bool *ok)
{
    int num;
    const int64_t *v = node_ints(n, name, &num);
    if (!v)
        return ARENA_ARRAY(n->arena, (size_t)count + 1, int64_t);
    if (num != count)
        *ok = node_error(n, DIAG_ONNX_ATTR, "%s has %d elements, %d are needed", name, num, count);
    return v;
}

static struct ir_value *move_axis(struct import_node *n, struct ir_value *v, int from, int to)
{
    int64_t perm[IR_MAX_RANK];
    int k = 0;
    if (!v || from == to)
        return v;
    for (int i = 0; i < v->type.rank; i++) {
        if (k == from)
            k++;
        perm[i] = i == to ? from : k++;
    }
    return irb_transpose(&n->b, v, perm);
}

static struct ir_value *reverse(struct import_node *n, struct ir_value *v)
{
    int64_t start[IR_MAX_RANK] = {0}, step[IR_MAX_RANK];
    if (!v || v->type.dim[0] == 0)
        return v;
    for (int i = 0; i < IR_MAX_RANK; i++)
        step[i] = 1;
    start[0] = v->type.dim[0] - 1;
    step[0] = -1;
    return irb_slice(&n->b, v, start, v->type.dim, step);
}

// next where the iteration belongs to the sequence, else old (NULL: zero).
static struct ir_value *masked(struct import_node *n, struct ir_value *in, struct ir_value *next,
                               struct ir_value *old)
{
    if (!in || !next)
        return next;
    return irb_select(&n->b, in, next, old ? old : irb_const_like(&n->b, next->type.dtype, 0));
}

// Index of the slice when slices are taken backwards; a sequence that ends early begins at its own
// end.
static struct ir_value *count_down(struct scan *s, struct ir_value *limit, struct ir_value *number)
{
    struct import_node *n = s->n;
    if (!limit)
        return node_scalar_with(n, BFN_sub, (double)s->trips - 1, number);
    struct ir_value *left = irb_binary(&n->b, BFN_sub, limit, number);
    return node_with_scalar(n, BFN_max, node_with_scalar(n, BFN_sub, left, 1), 0);
}

// The loop over iterations; limit: iterations that count (NULL: all).
static struct ir_op *scan_loop(struct scan *s, struct ir_value *limit)
{
    struct import_node *n = s->n;
    struct ir_builder *b = &n->b;
    int num_in = s->states + s->inputs, num_out = s->states + s->outputs;
    struct ir_value **in = ARENA_ARRAY(n->arena, (size_t)num_in + 1, struct ir_value *),
                    **out = ARENA_ARRAY(n->arena, (size_t)num_out + 1, struct ir_value *);
    struct ir_op *begin =
        irb_loop_begin(b, irb_const_like(b, DT_I64, (double)s->trips), NULL, s->state, s->states);
    if (!begin)
        return NULL;
    memcpy(in, begin->out + 1, (size_t)s->states * sizeof(*in));
    struct ir_value *number = begin->out[0], *from_end = count_down(s, limit, number);
    for (int i = 0; i < s->inputs; i++)
        in[s->states + i] = irb_gather(b, s->x[i], s->reversed[i] ? from_end : number, 0);
    for (int i = 0; i < num_in; i++)
        if (!in[i])
            return NULL;
    if (!node_body(n, "body", in, num_in, out, num_out))
        return NULL;
    struct ir_value *counts = limit ? irb_binary(b, BFN_lt, number, limit) : NULL;
    for (int i = 0; i < num_out; i++) {
        if (i < s->states && !same_types(n, s->state[i], out[i], "state", i))
            return NULL;
        out[i] = masked(n, counts, out[i], i < s->states ? in[i] : NULL);
    }
    return irb_loop_end(b, NULL, out, num_out, s->states, s->outputs ? s->trips : -1);
}

static bool scan_counts(struct scan *s, int first)
{
    struct import_node *n = s->n;
    const Onnx__GraphProto *g = graph_attr(n, "body");
    int64_t inputs = node_int(n, "num_scan_inputs", 0);
    if (!g)
        return node_error(n, DIAG_ONNX_ATTR, "attribute 'body' holds no graph");
    s->states = n->num_in - first - (int)inputs;
    if (inputs < 1 || inputs > n->num_in - first || (int)g->n_output < s->states ||
        n->num_out > (int)g->n_output)
        return node_error(
            n, DIAG_ONNX_ARITY,
            "num_scan_inputs is %lld, the node has %d inputs and %d outputs, the body "
            "%zu outputs",
            (long long)inputs, n->num_in, n->num_out, g->n_output);
    s->inputs = (int)inputs;
    s->outputs = (int)g->n_output - s->states;
    s->state = ARENA_ARRAY(n->arena, (size_t)s->states + 1, struct ir_value *);
    s->x = ARENA_ARRAY(n->arena, (size_t)s->inputs + 1, struct ir_value *);
    s->reversed = ARENA_ARRAY(n->arena, (size_t)s->inputs + 1, bool);
    memcpy(s->state, n->in + first, (size_t)s->states * sizeof(*s->state));
    for (int i = first; i < n->num_in; i++)
        if (!n->in[i])
            return node_error(n, DIAG_ONNX_ARITY, "input %d is empty but required", i);
    return true;
}

// Scanned inputs with the axis in front; all of one length.
static bool scan_inputs(struct scan *s, int first, const int64_t *axes, const int64_t *directions)
{
    struct import_node *n = s->n;
    for (int i = 0; i < s->inputs; i++) {
        struct ir_value *x = n->in[first + s->states + i];
        int64_t axis;
        if (!node_axis(n, axes[i], x->type.rank, &axis))
            return false;
        if (i > 0 && x->type.dim[axis] != s->trips)
            return node_error(n, DIAG_ONNX_SHAPE, "scanned input %d has %lld slices, others %lld",
                              i, (long long)x->type.dim[axis], (long long)s->trips);
        s->trips = x->type.dim[axis];
        s->reversed[i] = directions[i] != 0;
        if (!(s->x[i] = move_axis(n, x, (int)axis, 0)))
            return false;
    }
    return true;
}

bool import_Scan(struct import_node *n)
{
    struct scan s = {.n = n};
    bool ok = true;
    if (!scan_counts(&s, 0))
        return false;
    const int64_t *in_axes = scan_ints(n, "scan_input_axes", s.inputs, &ok),
                  *in_dirs = scan_ints(n, "scan_input_directions", s.inputs, &ok),
                  *out_axes = scan_ints(n, "scan_output_axes", s.outputs, &ok),
                  *out_dirs = scan_ints(n, "scan_output_directions", s.outputs, &ok);
    if (!ok || !scan_inputs(&s, 0, in_axes, in_dirs))
        return false;
    struct ir_op *end = scan_loop(&s, NULL);
    for (int i = 0; end && i < n->num_out; i++) {
        struct ir_value *v = end->out[i];
        int64_t axis;
        if (i >= s.states) {
            if (!node_axis(n, out_axes[i - s.states], v->type.rank, &axis))
                return false;
            v = move_axis(n, out_dirs[i - s.states] ? reverse(n, v) : v, 0, (int)axis);
        }
        if (!node_bind(n, i, v))
            return false;
    }
    return end != NULL;
}

// Opset 8: a batch in front of everything, every entry scanned by itself; sequences may end early.
bool import_ScanBatch(struct import_node *n)
{
    struct scan s = {.n = n};
    struct ir_builder *b = &n->b;
    bool ok = true;
    if (!scan_counts(&s, 1))
        return false;
    const int64_t *dirs = scan_ints(n, "directions", s.inputs, &ok);
    int64_t *axes = ARENA_ARRAY(n->arena, (size_t)s.inputs + 1, int64_t);
    for (int i = 0; i < s.inputs; i++)
        axes[i] = 1;
    if (!ok || !scan_inputs(&s, 1, axes, dirs))
        return false;
    int64_t batch = s.x[0]->type.dim[1];
    struct ir_op *begin =
        irb_loop_begin(b, irb_const_like(b, DT_I64, (double)batch), NULL, NULL, 0);
    if (!begin)
        return false;
    for (int i = 0; i < s.states; i++)
        if (!(s.state[i] = irb_gather(b, s.state[i], begin->out[0], 0)))
            return false;
    for (int i = 0; i < s.inputs; i++)
        if (!(s.x[i] = irb_gather(b, s.x[i], begin->out[0], 1)))
            return false;
    struct ir_value *limit = n->in[0] ? irb_gather(b, n->in[0], begin->out[0], 0) : NULL;
    struct ir_op *inner = scan_loop(&s, node_convert(n, limit, DT_I64));
    struct ir_op *end =
        inner ? irb_loop_end(b, NULL, inner->out, inner->num_out, 0, inner->num_out ? batch : -1)
              : NULL;
    return end && bind_all(n, end->out);
}

// Loop: the body between markers, with types that hold in every iteration, or one iteration after
// the other.
#include <string.h>

#include "import_flow.h"

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
    l->trip = flow_scalar(n, node_in(n, 0), "the number of iterations");
    l->cond = flow_scalar(n, node_in(n, 1), "the condition");
    if ((node_in(n, 0) && !l->trip) || (node_in(n, 1) && !l->cond))
        return false;
    if ((l->trip && l->trip->type.dtype != DT_I64) || (l->cond && l->cond->type.dtype != DT_BOOL))
        return node_error(n, DIAG_ONNX_TYPE,
                          "an i64 number of iterations and a bool condition are needed");
    l->trips = flow_known(n, l->trip, &v) ? v : -1;
    if (l->trip && l->trips < 0 && flow_known(n, l->trip, &v))
        l->trips = 0;
    if (flow_known(n, l->cond, &v)) {
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
    const Onnx__GraphProto *g = flow_graph(n, "body");
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
        if (!flow_known(n, l->out[0], &v))
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

enum { UNROLL_MAX = 256, ROUNDS_MAX = 2 * IR_MAX_RANK };

// Types that hold in every iteration.
struct loop_types {
    struct ir_type *type;  // of carried values, then of elements, with bounds
    uint32_t *open;        // extents known only at run time, which differ between iterations
    struct ir_type *items; // of the elements of carried sequences
    bool *wrapped;         // an optional that the body gives as what it holds
    bool changes;          // some carried value changes its type
    bool ends;             // by a condition of the body
};

static bool is_sequence(const struct ir_value *v)
{
    return dtype_info[v->type.dtype].kind == DTK_H;
}

// Bounds of the extents that the loop opens: declared for the result, or assumed.
static void open_bounds(struct loop *l, int i, struct ir_type *t, uint32_t opened)
{
    struct ir_type declared;
    bool assumed[IR_MAX_RANK] = {false};
    bool given =
        i < l->n->num_out && node_declared_result(l->n, i, &declared) && declared.rank == t->rank;
    for (int d = 0; d < t->rank; d++) {
        if (!(opened >> d & 1))
            continue;
        assumed[d] = !given || declared.dim[d] < t->dim[d];
        if (!assumed[d])
            t->dim[d] = declared.dim[d];
    }
    struct ir_type larger = *t;
    node_assume_bounds(l->n, &larger, assumed);
    for (int d = 0; d < t->rank; d++)
        t->dim[d] = larger.dim[d] > t->dim[d] ? larger.dim[d] : t->dim[d];
}

// The carried values at the start of an iteration, out of the marker's results.
static bool begin_values(struct loop *l, const struct loop_types *t, struct ir_value *const *out,
                         struct ir_value **values)
{
    int at = 0;
    for (int i = 0; i < l->carried; i++) {
        int used;
        if (!(values[i] = flow_take_extents(l->n, out + at, t->open[i], &used)))
            return false;
        at += used;
        if (is_sequence(values[i]))
            importer_set_elem(l->n->imp, values[i], &t->items[i]);
    }
    return true;
}

// What a loop starts with: carried values and their open extents, extents of elements, a counter.
static int loop_init(struct loop *l, const struct loop_types *t, bool counts,
                     struct ir_value **init)
{
    struct import_node *n = l->n;
    int at = 0;
    for (int i = 0; i < l->carried; i++) {
        int used = flow_with_extents(n, n->in[2 + i], &t->type[i], t->open[i], init + at);
        if (!used)
            return -1;
        at += used;
    }
    for (int i = 0; i < l->elems; i++)
        for (int k = __builtin_popcount(t->open[l->carried + i]); k > 0; k--)
            init[at++] = node_i64(n, 0);
    if (counts)
        init[at++] = node_i64(n, 0);
    return at;
}

// Tries an iteration on a graph that is thrown away, and widens the types by what it gives.
// *stable: there was nothing to widen.
static bool try_types(struct loop *l, struct loop_types *t, struct ir_value **scratch, bool *stable)
{
    struct import_node *n = l->n;
    struct ir_op *last = n->imp->graph->last;
    int64_t v;
    int num = loop_init(l, t, false, scratch);
    struct ir_op *begin = num < 0 ? NULL : irb_loop_begin(&n->b, NULL, NULL, scratch, num);
    struct ir_value **values = ARENA_ARRAY(n->arena, (size_t)l->carried + 1, struct ir_value *);
    *stable = true;
    if (!begin || !begin_values(l, t, begin->out + 1, values) ||
        !loop_body(l, begin->out[0], values))
        return false;
    for (int i = 0; i < l->carried + l->elems; i++) {
        const struct ir_value *out = l->out[1 + i];
        bool elem = i >= l->carried;
        if (!elem && t->type[i].dtype == DT_OPT && out->type.dtype != DT_OPT) {
            t->wrapped[i] = t->changes = true;
            t->items[i] = out->type;
            continue;
        }
        if (elem)
            t->type[i] = out->type;
        uint32_t open = t->open[i];
        struct ir_type now = t->type[i];
        if (!flow_join_types(&now, &out->type, begin, &open)) {
            t->changes = true; // of rank or element type
            continue;
        }
        t->changes |= !elem && open != t->open[i];
        *stable = *stable && (elem || open == t->open[i]);
        if (!elem && open != t->open[i]) {
            now = t->type[i];
            open_bounds(l, i, &now, open & ~t->open[i]);
        }
        flow_forget_open(&now, open);
        t->type[i] = now;
        t->open[i] = open;
        if (!elem && is_sequence(out)) {
            struct ir_type items = importer_join_elems(n->imp, values[i], out);
            if (t->items[i].known && !items.known)
                *stable = false;
            for (int d = 0; d < items.rank && items.known && t->items[i].known; d++)
                *stable = *stable && items.dim[d] == t->items[i].dim[d];
            if (!t->items[i].known && !importer_elem(n->imp, n->in[2 + i]).known) {
                items = importer_join_elems(n->imp, n->in[2 + i], out);
                *stable = *stable && !items.known;
            }
            t->items[i] = items;
        }
    }
    t->ends = !flow_known(n, l->out[0], &v) || !v;
    flow_erase_after(n, last);
    return true;
}

static void start_types(struct loop *l, struct loop_types *t)
{
    size_t num = (size_t)(l->carried + l->elems) + 1;
    t->type = ARENA_ARRAY(l->n->arena, num, struct ir_type);
    t->open = ARENA_ARRAY(l->n->arena, num, uint32_t);
    t->items = ARENA_ARRAY(l->n->arena, num, struct ir_type);
    t->wrapped = ARENA_ARRAY(l->n->arena, num, bool);
    for (int i = 0; i < l->carried; i++) {
        t->type[i] = l->n->in[2 + i]->type;
        t->items[i] = importer_elem(l->n->imp, l->n->in[2 + i]);
    }
}

// The most elements that the loop stacks: its iterations when they are known, what is declared for
// a result, or what is assumed.
static int64_t stack_bound(struct loop *l, const struct loop_types *t, bool *exact)
{
    struct ir_type declared, whole = {.known = true, .rank = 1};
    *exact = l->trips >= 0 && !l->cond && !t->ends;
    if (l->trips >= 0)
        return l->trips;
    for (int i = l->carried; i < l->n->num_out; i++)
        if (node_declared_result(l->n, i, &declared) && declared.rank > 0 && declared.dim[0] >= 0)
            return declared.dim[0];
    int64_t bound = INT64_MAX;
    for (int i = 0; i < l->elems; i++) {
        const struct ir_type *e = &t->type[l->carried + i];
        bool assumed[IR_MAX_RANK] = {true};
        whole.dim[1] = dims_elems(e->dim, e->rank);
        whole.rank = 2;
        node_assume_bounds(l->n, &whole, assumed);
        bound = whole.dim[0] < bound ? whole.dim[0] : bound;
    }
    return bound;
}

// The next iteration's values, in the order of loop_init. number: of the iteration.
static bool loop_next(struct loop *l, const struct loop_types *t, bool counts,
                      struct ir_value *const *state, struct ir_value *number,
                      struct ir_value **next, int *num)
{
    struct import_node *n = l->n;
    struct ir_builder *b = &n->b;
    int at = 0;
    for (int i = 0; i < l->carried; i++) {
        struct ir_value *v = l->out[1 + i];
        if (t->wrapped[i] && !(v = optional_of(n, v)))
            return false;
        if (!t->open[i] && !flow_same_types(n, n->in[2 + i], v, "carried value", i))
            return false;
        for (int d = 0; d < t->type[i].rank; d++)
            if ((t->open[i] >> d & 1) && (v->type.sym[d] || v->type.dim[d] > t->type[i].dim[d]) &&
                !irb_check(
                    b,
                    irb_binary(b, BFN_le, irb_extent_of(b, v, d), node_i64(n, t->type[i].dim[d])),
                    arena_printf(n->arena,
                                 "carried value %d of the loop '%s' grows past %lld in "
                                 "dimension %d, which --max-dim sets",
                                 i, n->proto->name ? n->proto->name : "",
                                 (long long)t->type[i].dim[d], d)))
                return false;
        int used = flow_with_extents(n, v, &t->type[i], t->open[i], next + at);
        if (!used)
            return false;
        at += used;
    }
    for (int i = l->carried; i < l->carried + l->elems; i++) {
        struct ir_value *part[IR_MAX_RANK + 1], *first;
        int used = flow_with_extents(n, l->out[1 + i], &t->type[i], t->open[i], part);
        if (!used)
            return false;
        l->out[1 + i] = part[0];
        first = used > 1 ? irb_binary(b, BFN_eq, number, node_i64(n, 0)) : NULL;
        for (int k = 1; k < used; k++, at++) {
            struct ir_value *same = irb_binary(b, BFN_eq, part[k], state[at]);
            if (!irb_check(b, irb_binary(b, BFN_or, first, same),
                           "the elements that a loop stacks differ in their extents"))
                return false;
            next[at] = part[k];
        }
    }
    if (counts)
        next[at++] = node_plus(n, number, 1);
    for (int i = 0; i < l->elems; i++)
        next[at + i] = l->out[1 + l->carried + i];
    *num = at;
    return true;
}

// Whether as many elements as the stack has room for are declared for the result.
static bool stack_declared(struct loop *l, int i, const struct ir_value *stack)
{
    struct ir_type declared;
    return i < l->n->num_out && node_declared_result(l->n, i, &declared) && declared.rank > 0 &&
           declared.dim[0] == stack->type.dim[0];
}

// The whole stack; the program stops when there are fewer elements.
static struct ir_value *check_declared(struct loop *l, struct ir_value *count,
                                       struct ir_value *stack)
{
    struct ir_value *all = irb_binary(&l->n->b, BFN_eq, count, node_i64(l->n, stack->type.dim[0]));
    return node_check(l->n, all, 0, "the number of stacked elements that the model declares")
               ? stack
               : NULL;
}

static bool loop_bind(struct loop *l, const struct loop_types *t, bool counts,
                      const struct ir_op *end, int num)
{
    struct import_node *n = l->n;
    int at = 0;
    for (int i = 0; i < l->carried; i++) {
        int used;
        struct ir_value *y = flow_take_extents(n, end->out + at, t->open[i], &used);
        if (y && t->wrapped[i])
            y = optional_content(n, y, l->out[1 + i]);
        else if (y && is_sequence(y)) {
            struct ir_type items = importer_join_elems(n->imp, n->in[2 + i], l->out[1 + i]);
            importer_set_elem(n->imp, y, &items);
        }
        if (!y || (i < n->num_out && !node_bind(n, i, y)))
            return false;
        at += used;
    }
    for (int i = l->carried; i < l->carried + l->elems; i++) {
        struct ir_value *y = end->out[num + i - l->carried];
        if (counts && stack_declared(l, i, y))
            y = check_declared(l, end->out[num - 1], y);
        else if (counts)
            y = irb_extent(&n->b, y, end->out[num - 1], 0);
        for (int d = 0; y && d < t->type[i].rank; d++)
            if (t->open[i] >> d & 1)
                y = irb_extent(&n->b, y, end->out[at++], d + 1);
        if (!y || (i < n->num_out && !node_bind(n, i, y)))
            return false;
    }
    return true;
}

static bool loop_markers(struct loop *l, struct loop_types *t, struct ir_value **scratch,
                         struct ir_value **next)
{
    struct import_node *n = l->n;
    bool exact = true;
    int64_t bound = l->elems > 0 ? stack_bound(l, t, &exact) : -1;
    int num = loop_init(l, t, !exact, scratch), given;
    struct ir_value **values = ARENA_ARRAY(n->arena, (size_t)l->carried + 1, struct ir_value *);
    struct ir_op *begin = num < 0 ? NULL : irb_loop_begin(&n->b, l->trip, l->cond, scratch, num);
    if (!begin || !begin_values(l, t, begin->out + 1, values))
        return false;
    if (!exact && l->trips < 0 &&
        !irb_check(&n->b, irb_binary(&n->b, BFN_lt, begin->out[0], node_i64(n, bound)),
                   arena_printf(n->arena,
                                "the loop '%s' has more than %lld iterations, which --max-dim sets",
                                n->proto->name ? n->proto->name : "", (long long)bound)))
        return false;
    if (!loop_body(l, begin->out[0], values))
        return false;
    struct ir_value *cond = t->ends ? flow_scalar(n, l->out[0], "the next condition") : NULL;
    if ((t->ends && !cond) ||
        !loop_next(l, t, !exact, begin->out + 1, begin->out[0], next, &given) || given != num)
        return false;
    struct ir_op *end = irb_loop_end(&n->b, cond, next, num + l->elems, num, bound);
    return end && loop_bind(l, t, !exact, end, num);
}

// Whether the first iteration's condition follows from its number: tried on a graph that is thrown
// away.
static bool ends_by_number(struct loop *l)
{
    struct import_node *n = l->n;
    struct ir_op *last = n->imp->graph->last;
    int64_t v;
    struct ir_value *number = irb_const_like(&n->b, DT_I64, 0);
    bool follows = number && loop_body(l, number, n->in + 2) && flow_known(n, l->out[0], &v);
    flow_erase_after(n, last);
    return follows;
}

bool import_Loop(struct import_node *n)
{
    struct loop l = {.n = n, .carried = n->num_in > 2 ? n->num_in - 2 : 0};
    const Onnx__GraphProto *g = flow_graph(n, "body");
    struct loop_types types = {0};
    bool stable = false;
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
    size_t most = g->n_output * (IR_MAX_RANK + 1) + 2;
    struct ir_value **scratch = ARENA_ARRAY(n->arena, most, struct ir_value *),
                    **next = ARENA_ARRAY(n->arena, most, struct ir_value *);
    start_types(&l, &types);
    if (!loop_inputs(&l) || !try_types(&l, &types, scratch, &stable))
        return false;
    bool known = l.trips >= 0 && l.trips <= UNROLL_MAX && !l.cond;
    if (known && (types.changes || (types.ends && l.elems > 0)) &&
        (!types.ends || ends_by_number(&l))) {
        struct ir_value **v =
            ARENA_ARRAY(n->arena, (size_t)(l.carried + l.elems) + 1, struct ir_value *);
        memcpy(v, n->in + 2, (size_t)l.carried * sizeof(*v));
        return unroll(&l, v, v + l.carried) && flow_bind(n, v);
    }
    for (int round = 0; !stable && round < ROUNDS_MAX; round++)
        if (!try_types(&l, &types, scratch, &stable))
            return false;
    return loop_markers(&l, &types, scratch, next);
}

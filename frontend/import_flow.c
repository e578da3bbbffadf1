// If, Loop and Scan. Bodies are imported between markers of control flow; what is decided when
// compiling leaves no marker.
#include <string.h>

#include "import_extents.h"
#include "import_sequence.h"
#include "importer.h"

static const Onnx__GraphProto *graph_attr(const struct import_node *n, const char *name)
{
    for (size_t i = 0; i < n->proto->n_attribute; i++)
        if (n->proto->attribute[i]->name && strcmp(n->proto->attribute[i]->name, name) == 0)
            return n->proto->attribute[i]->g;
    return NULL;
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
    return importer_body(n->imp, g, in, out);
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

// What both branches give, as far as it can be one type: extents that differ are known at run time.
struct branches {
    struct ir_type *type; // with bounds where an extent is open
    uint32_t *open;       // bit mask of dimensions
    int num, extra;       // results, and extents among them
};

// Whether v is defined after `begin`, a marker of the graph's last region.
static bool is_inside(const struct ir_op *begin, const struct ir_value *v)
{
    for (const struct ir_op *op = begin; op; op = op->next)
        if (v && v->def == op && op->op != IR_OP_CONST)
            return true;
    return false;
}

// Joins b into *t; the dimensions in which they differ are added to *open, their bounds are the
// larger ones. False: rank or element type differ.
static bool join_types(struct ir_type *t, const struct ir_type *b, const struct ir_op *begin,
                       uint32_t *open)
{
    if (t->dtype != b->dtype || t->rank != b->rank)
        return false;
    for (int d = 0; d < t->rank; d++) {
        bool same = t->sym[d] == b->sym[d] && (t->sym[d] || t->dim[d] == b->dim[d]);
        if (!same || is_inside(begin, t->sym[d]) || is_inside(begin, b->sym[d]))
            *open |= 1u << d;
        t->dim[d] = t->dim[d] > b->dim[d] ? t->dim[d] : b->dim[d];
    }
    return true;
}

static void forget_open(struct ir_type *t, uint32_t open)
{
    for (int d = 0; d < t->rank; d++)
        if (open >> d & 1)
            t->sym[d] = NULL;
}

// v in the room of type t, with its open extents behind it in out; gives how many values that are,
// 0 when an error was reported.
static int with_extents(struct import_node *n, struct ir_value *v, const struct ir_type *t,
                        uint32_t open, struct ir_value **out)
{
    int num = 1;
    for (int d = 0; d < t->rank; d++)
        if ((open >> d & 1) && !(out[num++] = irb_extent_of(&n->b, v, d)))
            return 0;
    if (open && ir_type_is_dynamic(t)) { // those that are not open stay
        struct ir_type room = *t;
        for (int d = 0; d < t->rank; d++)
            if (t->sym[d])
                room.dim[d] = v->type.dim[d];
        v = irb_fit(&n->b, v, room.dim);
        for (int d = 0; d < t->rank; d++)
            if (t->sym[d])
                v = irb_extent(&n->b, v, t->sym[d], d);
    } else if (open) {
        v = irb_fit(&n->b, v, t->dim);
    }
    out[0] = v;
    return v ? num : 0;
}

// The value whose extents follow it in v; *used: how many values those are.
static struct ir_value *take_extents(struct import_node *n, struct ir_value *const *v,
                                     uint32_t open, int *used)
{
    struct ir_value *y = v[0];
    int rank = y->type.rank;
    *used = 1;
    for (int d = 0; d < rank; d++)
        if (open >> d & 1)
            y = irb_extent(&n->b, y, v[(*used)++], d);
    return y;
}

static void erase_after(struct import_node *n, const struct ir_op *last)
{
    while (n->imp->graph->last != last)
        ir_op_erase(n->imp->graph->last);
}

static bool branches_join(struct import_node *n, struct ir_value *const *t,
                          struct ir_value *const *e, const struct ir_op *begin, struct branches *b)
{
    for (int i = 0; i < b->num; i++) {
        b->type[i] = t[i]->type;
        if (!join_types(&b->type[i], &e[i]->type, begin, &b->open[i]))
            return same_types(n, t[i], e[i], "output", i);
        forget_open(&b->type[i], b->open[i]);
        b->extra += __builtin_popcount(b->open[i]);
    }
    return true;
}

// One branch; its results with their open extents.
static bool branch(struct import_node *n, const char *attr, const struct branches *b,
                   struct ir_value **v, struct ir_value **out)
{
    int at = 0;
    if (!node_body(n, attr, NULL, 0, v, b->num))
        return false;
    for (int i = 0; i < b->num; i++) {
        int used = with_extents(n, v[i], &b->type[i], b->open[i], out + at);
        if (!used)
            return false;
        at += used;
    }
    return true;
}

static bool if_markers(struct import_node *n, struct ir_value *cond, const struct branches *b,
                       struct ir_value **t, struct ir_value **e)
{
    int all = b->num + b->extra, at = 0;
    struct ir_value **from_t = ARENA_ARRAY(n->arena, (size_t)all + 1, struct ir_value *),
                    **from_e = ARENA_ARRAY(n->arena, (size_t)all + 1, struct ir_value *);
    if (!irb_if_begin(&n->b, cond) || !branch(n, "then_branch", b, t, from_t) ||
        !irb_else_begin(&n->b, from_t, all) || !branch(n, "else_branch", b, e, from_e))
        return false;
    struct ir_op *end = irb_if_end(&n->b, from_e, all);
    for (int i = 0; end && i < b->num; i++) {
        int used;
        struct ir_value *y = take_extents(n, end->out + at, b->open[i], &used);
        if (y && dtype_info[y->type.dtype].kind == DTK_H) {
            struct ir_type elem = importer_join_elems(n->imp, t[i], e[i]);
            importer_set_elem(n->imp, y, &elem);
        }
        if (!node_bind(n, i, y))
            return false;
        at += used;
    }
    return end != NULL;
}

// Of branches that give different ranks one alone can be compiled: that of the rank declared for
// the result, else of the lower one, for such branches come from squeezing a dimension if it has
// one element.
static bool takes_then(struct import_node *n, int i, const struct ir_value *t,
                       const struct ir_value *e)
{
    struct ir_type declared;
    if (node_declared_result(n, i, &declared) &&
        (declared.rank == t->type.rank || declared.rank == e->type.rank))
        return declared.rank == t->type.rank;
    return t->type.rank < e->type.rank;
}

// The branch that is assumed to be taken; the program stops when it is the other one.
static bool if_assumed(struct import_node *n, struct ir_value *cond, bool then, struct ir_value **v)
{
    const char *name = n->proto->name ? n->proto->name : "";
    diag_note(n->diag, n->loc,
              "the branches give different ranks; the %s branch is compiled, and the program stops "
              "where the other one would be taken",
              then ? "then" : "else");
    return irb_check(&n->b, then ? cond : irb_unary(&n->b, UFN_not, cond),
                     arena_printf(n->arena,
                                  "If '%s': the program is compiled for the %s branch, the other "
                                  "one gives another rank",
                                  name, then ? "then" : "else")) &&
           node_body(n, then ? "then_branch" : "else_branch", NULL, 0, v, n->num_out) &&
           bind_all(n, v);
}

bool import_If(struct import_node *n)
{
    int64_t taken;
    struct ir_value *cond = as_scalar(n, n->in[0], "the condition");
    size_t num = (size_t)n->num_out + 1;
    struct ir_value **t = ARENA_ARRAY(n->arena, num, struct ir_value *),
                    **e = ARENA_ARRAY(n->arena, num, struct ir_value *);
    struct branches b = {.type = ARENA_ARRAY(n->arena, num, struct ir_type),
                         .open = ARENA_ARRAY(n->arena, num, uint32_t),
                         .num = n->num_out};
    if (!cond)
        return false;
    if (cond->type.dtype != DT_BOOL)
        return node_error(n, DIAG_ONNX_TYPE, "the condition is %s, bool is needed",
                          node_type_text(n, 0));
    if (known_scalar(n, cond, &taken))
        return node_body(n, taken ? "then_branch" : "else_branch", NULL, 0, t, n->num_out) &&
               bind_all(n, t);
    // The branches are tried on a graph that is thrown away, for what they have in common.
    struct ir_op *last = n->imp->graph->last, *begin = irb_if_begin(&n->b, cond);
    if (!begin || !node_body(n, "then_branch", NULL, 0, t, n->num_out) ||
        !irb_else_begin(&n->b, NULL, 0) || !node_body(n, "else_branch", NULL, 0, e, n->num_out))
        return false;
    for (int i = 0; i < b.num; i++)
        if (t[i]->type.dtype == e[i]->type.dtype && t[i]->type.rank != e[i]->type.rank) {
            bool then = takes_then(n, i, t[i], e[i]);
            erase_after(n, last);
            return if_assumed(n, cond, then, t);
        }
    if (!branches_join(n, t, e, begin, &b))
        return false;
    erase_after(n, last);
    return if_markers(n, cond, &b, t, e);
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
        if (!(values[i] = take_extents(l->n, out + at, t->open[i], &used)))
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
        int used = with_extents(n, n->in[2 + i], &t->type[i], t->open[i], init + at);
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
        if (!join_types(&now, &out->type, begin, &open)) {
            t->changes = true; // of rank or element type
            continue;
        }
        t->changes |= !elem && open != t->open[i];
        *stable = *stable && (elem || open == t->open[i]);
        if (!elem && open != t->open[i]) {
            now = t->type[i];
            open_bounds(l, i, &now, open & ~t->open[i]);
        }
        forget_open(&now, open);
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
    t->ends = !known_scalar(n, l->out[0], &v) || !v;
    erase_after(n, last);
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
        if (!t->open[i] && !same_types(n, n->in[2 + i], v, "carried value", i))
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
        int used = with_extents(n, v, &t->type[i], t->open[i], next + at);
        if (!used)
            return false;
        at += used;
    }
    for (int i = l->carried; i < l->carried + l->elems; i++) {
        struct ir_value *part[IR_MAX_RANK + 1], *first;
        int used = with_extents(n, l->out[1 + i], &t->type[i], t->open[i], part);
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
        struct ir_value *y = take_extents(n, end->out + at, t->open[i], &used);
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
    struct ir_value *cond = t->ends ? as_scalar(n, l->out[0], "the next condition") : NULL;
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
    bool follows = number && loop_body(l, number, n->in + 2) && known_scalar(n, l->out[0], &v);
    erase_after(n, last);
    return follows;
}

bool import_Loop(struct import_node *n)
{
    struct loop l = {.n = n, .carried = n->num_in > 2 ? n->num_in - 2 : 0};
    const Onnx__GraphProto *g = graph_attr(n, "body");
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
        return unroll(&l, v, v + l.carried) && bind_all(n, v);
    }
    for (int round = 0; !stable && round < ROUNDS_MAX; round++)
        if (!try_types(&l, &types, scratch, &stable))
            return false;
    return loop_markers(&l, &types, scratch, next);
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

// ---- SequenceMap

// What the body declares of its input.
static struct ir_type declared_input(const Onnx__GraphProto *g, size_t i)
{
    struct ir_type t;
    const Onnx__TypeProto *p = i < g->n_input ? g->input[i]->type : NULL;
    if (!p || !importer_tensor_type(p->tensor_type, &t))
        t.known = false;
    return t;
}

// The number of elements of input 0, which other sequences have too.
static struct ir_value *map_count(struct import_node *n)
{
    struct ir_value *count = sequence_count(n, n->in[0]);
    for (int i = 1; count && i < n->num_in; i++) {
        if (n->in[i]->type.dtype != DT_SEQ)
            continue;
        struct ir_value *same = irb_binary(&n->b, BFN_eq, sequence_count(n, n->in[i]), count);
        if (!irb_check(&n->b, same, "the sequences of a SequenceMap are not of one length"))
            return NULL;
    }
    return count;
}

bool import_SequenceMap(struct import_node *n)
{
    const Onnx__GraphProto *g = graph_attr(n, "body");
    struct ir_value **in = ARENA_ARRAY(n->arena, (size_t)n->num_in + 1, struct ir_value *),
                    **out = ARENA_ARRAY(n->arena, (size_t)n->num_out + 1, struct ir_value *);
    if (!g)
        return node_error(n, DIAG_ONNX_ATTR, "attribute 'body' holds no graph");
    for (int i = 0; i < n->num_in; i++)
        if (!n->in[i])
            return node_error(n, DIAG_ONNX_ARITY, "input %d is empty but required", i);
    if (n->in[0]->type.dtype != DT_SEQ)
        return node_error(n, DIAG_ONNX_TYPE, "input 0 is %s, a sequence is needed",
                          node_type_text(n, 0));
    struct ir_value *count = map_count(n);
    for (int i = 0; i < n->num_out; i++)
        if (!(out[i] = sequence_of(n, NULL, 0)))
            return false;
    struct ir_op *begin = count ? irb_loop_begin(&n->b, count, NULL, out, n->num_out) : NULL;
    for (int i = 0; begin && i < n->num_in; i++) {
        struct ir_type like = declared_input(g, (size_t)i);
        in[i] = n->in[i]->type.dtype == DT_SEQ ? sequence_element(n, n->in[i], begin->out[0], &like)
                                               : n->in[i];
        if (!in[i])
            return false;
    }
    if (!begin || !node_body(n, "body", in, n->num_in, out, n->num_out))
        return false;
    struct ir_type *elem = ARENA_ARRAY(n->arena, (size_t)n->num_out + 1, struct ir_type);
    for (int i = 0; i < n->num_out; i++) {
        elem[i] = out[i]->type;
        if (!(out[i] = sequence_appended(n, begin->out[1 + i], out[i])))
            return false;
    }
    struct ir_op *end = irb_loop_end(&n->b, NULL, out, n->num_out, n->num_out, -1);
    for (int i = 0; end && i < n->num_out; i++)
        importer_set_elem(n->imp, end->out[i], &elem[i]);
    return end && bind_all(n, end->out);
}

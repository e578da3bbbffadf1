// Scan and SequenceMap: loops over slices of tensors and over elements of sequences.
#include <string.h>

#include "import_flow.h"
#include "import_runtime.h"

// ---- Scan

struct scan {
    struct import_node *n;
    int states, inputs, outputs; // outputs: of scans
    int64_t trips;
    struct ir_value *open;        // the iterations where only the program knows them, at most trips
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
    if (v->type.sym[0])
        return runtime_slice_by(n, v, 0, -1, INT32_MIN, -1);
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
    if (!limit && s->open)
        return irb_binary(&n->b, BFN_sub, node_plus(n, s->open, -1), number);
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
    struct ir_value *trips = s->open ? s->open : irb_const_like(b, DT_I64, (double)s->trips);
    struct ir_op *begin = irb_loop_begin(b, trips, NULL, s->state, s->states);
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
        if (i < s->states && !flow_same_types(n, s->state[i], out[i], "state", i))
            return NULL;
        out[i] = masked(n, counts, out[i], i < s->states ? in[i] : NULL);
    }
    return irb_loop_end(b, NULL, out, num_out, s->states, s->outputs ? s->trips : -1);
}

static bool scan_counts(struct scan *s, int first)
{
    struct import_node *n = s->n;
    const Onnx__GraphProto *g = flow_graph(n, "body");
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

// The number of slices, which every scanned input has.
static bool scan_length(struct scan *s, int input, const struct ir_value *x, int axis)
{
    struct import_node *n = s->n;
    int64_t extent = x->type.dim[axis];
    struct ir_value *sym = x->type.sym[axis];
    if (input == 0) {
        s->trips = extent;
        s->open = sym;
        return true;
    }
    if (sym == s->open)
        return sym || extent == s->trips ||
               node_error(n, DIAG_ONNX_SHAPE, "scanned input %d has %lld slices, others %lld",
                          input, (long long)extent, (long long)s->trips);
    struct ir_value *others = s->open ? s->open : node_i64(n, s->trips);
    if (!irb_check(&n->b, irb_binary(&n->b, BFN_eq, others, irb_extent_of(&n->b, x, axis)),
                   "the inputs of a Scan are not of one length"))
        return false;
    if (!sym) // a number known when compiling is the number
        s->open = NULL;
    s->trips = !sym || (s->open && extent < s->trips) ? extent : s->trips;
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
        if (!scan_length(s, i, x, (int)axis))
            return false;
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
            v = s.open ? irb_extent(&n->b, v, s.open, 0) : v;
            if (!v || !node_axis(n, out_axes[i - s.states], v->type.rank, &axis))
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
    for (int i = 0; i < n->num_in; i++)
        if (n->in[i] && ir_type_is_dynamic(&n->in[i]->type))
            return node_error(n, DIAG_ONNX_DYNAMIC,
                              "the extents of input %d '%s', %s, must be known when compiling; fix "
                              "those of the model's inputs with --shape",
                              i, node_input_name(n, i), node_type_text(n, i));
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
    return end && flow_bind(n, end->out);
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
    const Onnx__GraphProto *g = flow_graph(n, "body");
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
    return end && flow_bind(n, end->out);
}

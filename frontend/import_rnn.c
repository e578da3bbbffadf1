// RNN, GRU and LSTM. The products with the inputs are one matrix product for all time steps; the
// recurrence is a loop whose body multiplies the state and applies the gates. Where sequences end
// early the state stands still, so a reversed sequence begins at its own end.
#include "import_extents.h"

#include <string.h>

struct activation {
    const char *name;
    double alpha, beta;
};

enum { ACT_MAX = 3 };

struct rnn {
    struct import_node *n;
    int gates, acts;                        // of one direction
    int64_t dirs, steps, batch, hidden;     // steps and batch: at most
    struct ir_value *steps_sym, *batch_sym; // NULL, or how many at run time
    bool batch_first;                       // layout 1
    double clip;                            // 0: none
    bool linear_before_reset, input_forget;
    struct ir_value *x;       // [steps * batch, inputs]
    struct ir_value *lengths; // [batch, 1] i64, or NULL
    // Of one direction:
    struct activation act[ACT_MAX];
    bool reversed;
    struct ir_value *r, *rb;      // [hidden, gates * hidden]; GRU's last bias, or NULL
    struct ir_value *rzr, *rh;    // GRU: the columns of r for z and r, and for h
    struct ir_value *peephole[3]; // LSTM: i, o, f, or NULL
};

// ---- Activations

static const struct {
    const char *name;
    double alpha, beta;
    bool has_alpha, has_beta;
} known_activation[] = {
    {"Affine", 1, 0, true, true},           {"Elu", 1, 0, true, false},
    {"HardSigmoid", 0.2, 0.5, true, true},  {"LeakyRelu", 0.01, 0, true, false},
    {"Relu", 0, 0, false, false},           {"ScaledTanh", 1, 1, true, true},
    {"Sigmoid", 0, 0, false, false},        {"Softplus", 0, 0, false, false},
    {"Softsign", 0, 0, false, false},       {"Tanh", 0, 0, false, false},
    {"ThresholdedRelu", 1, 0, true, false},
};

static bool equal_letters(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if ((*a | 0x20) != (*b | 0x20))
            return false;
    return *a == *b;
}

static int find_activation(const char *name)
{
    for (size_t i = 0; i < sizeof(known_activation) / sizeof(*known_activation); i++)
        if (equal_letters(known_activation[i].name, name))
            return (int)i;
    return -1;
}

// Activations of all directions; alphas and betas go to those that take one, in order.
static bool read_activations(struct rnn *r, const char *const *dflt, struct activation *out)
{
    struct import_node *n = r->n;
    int count, na, nb, a = 0, b = 0, all = r->acts * (int)r->dirs;
    const char *const *names = node_strs(n, "activations", &count);
    const double *alpha = node_floats(n, "activation_alpha", &na),
                 *beta = node_floats(n, "activation_beta", &nb);
    if (names && count != all)
        return node_error(n, DIAG_ONNX_ATTR, "%d activations, %d are needed", count, all);
    for (int i = 0; i < all; i++) {
        const char *name = names ? names[i] : dflt[i % r->acts];
        int k = find_activation(name);
        if (k < 0)
            return node_error(n, DIAG_ONNX_ATTR, "the activation '%s' is not one of the operator's",
                              name);
        out[i] = (struct activation){known_activation[k].name, known_activation[k].alpha,
                                     known_activation[k].beta};
        if (known_activation[k].has_alpha && a < na)
            out[i].alpha = alpha[a++];
        if (known_activation[k].has_beta && b < nb)
            out[i].beta = beta[b++];
    }
    return true;
}

static struct ir_value *clipped(const struct rnn *r, struct ir_value *x)
{
    if (r->clip == 0)
        return x;
    return node_with_scalar(r->n, BFN_min, node_with_scalar(r->n, BFN_max, x, -r->clip), r->clip);
}

static struct ir_value *scale_shift(struct import_node *n, struct ir_value *x, double scale,
                                    double shift)
{
    return node_with_scalar(n, BFN_add, node_with_scalar(n, BFN_mul, x, scale), shift);
}

// alpha * (e^x - 1) below 0
static struct ir_value *elu(struct import_node *n, struct ir_value *x, double alpha)
{
    struct ir_value *e = node_with_scalar(n, BFN_sub, irb_unary(&n->b, UFN_exp, x), 1);
    return irb_select(&n->b, node_with_scalar(n, BFN_lt, x, 0),
                      node_with_scalar(n, BFN_mul, e, alpha), x);
}

static struct ir_value *activate(const struct rnn *r, int which, struct ir_value *in)
{
    const struct activation *a = &r->act[which];
    struct import_node *n = r->n;
    struct ir_builder *b = &n->b;
    struct ir_value *x = clipped(r, in);
    if (!x)
        return NULL;
    if (strcmp(a->name, "Sigmoid") == 0)
        return irb_unary(b, UFN_sigmoid, x);
    if (strcmp(a->name, "Tanh") == 0)
        return irb_unary(b, UFN_tanh, x);
    if (strcmp(a->name, "Relu") == 0)
        return node_with_scalar(n, BFN_max, x, 0);
    if (strcmp(a->name, "Affine") == 0)
        return scale_shift(n, x, a->alpha, a->beta);
    if (strcmp(a->name, "Elu") == 0)
        return elu(n, x, a->alpha);
    if (strcmp(a->name, "LeakyRelu") == 0)
        return irb_select(b, node_with_scalar(n, BFN_lt, x, 0),
                          node_with_scalar(n, BFN_mul, x, a->alpha), x);
    if (strcmp(a->name, "ThresholdedRelu") == 0)
        return irb_select(b, node_scalar_with(n, BFN_le, a->alpha, x), x,
                          irb_const_like(b, x->type.dtype, 0));
    if (strcmp(a->name, "ScaledTanh") == 0)
        return node_with_scalar(
            n, BFN_mul, irb_unary(b, UFN_tanh, node_with_scalar(n, BFN_mul, x, a->beta)), a->alpha);
    if (strcmp(a->name, "HardSigmoid") == 0)
        return node_with_scalar(
            n, BFN_min, node_with_scalar(n, BFN_max, scale_shift(n, x, a->alpha, a->beta), 0), 1);
    if (strcmp(a->name, "Softsign") == 0)
        return irb_binary(b, BFN_div, x, node_with_scalar(n, BFN_add, irb_unary(b, UFN_abs, x), 1));
    return irb_unary(b, UFN_softplus, x);
}

// ---- Operands

static struct ir_value *columns(struct import_node *n, struct ir_value *x, int64_t first,
                                int64_t count)
{
    int64_t start[IR_MAX_RANK] = {0}, step[IR_MAX_RANK], size[IR_MAX_RANK];
    if (!x)
        return NULL;
    for (int i = 0; i < x->type.rank; i++) {
        step[i] = 1;
        size[i] = x->type.dim[i];
    }
    start[x->type.rank - 1] = first;
    size[x->type.rank - 1] = count;
    return irb_slice(&n->b, x, start, size, step);
}

// Entry `at` of the first dimension, without it.
static struct ir_value *entry(struct import_node *n, struct ir_value *x, int64_t at)
{
    int64_t start[IR_MAX_RANK] = {0}, step[IR_MAX_RANK], size[IR_MAX_RANK];
    if (!x)
        return NULL;
    for (int i = 0; i < x->type.rank; i++) {
        step[i] = 1;
        size[i] = x->type.dim[i];
    }
    start[0] = at;
    size[0] = 1;
    struct ir_type t = {.known = true, .dtype = x->type.dtype, .rank = x->type.rank - 1};
    for (int i = 0; i < t.rank; i++) {
        t.dim[i] = x->type.dim[i + 1];
        t.sym[i] = x->type.sym[i + 1];
    }
    return irb_reshape_to(&n->b, irb_slice(&n->b, x, start, size, step), &t);
}

static bool check_operand(const struct rnn *r, int i, int rank, int64_t a, int64_t b, int64_t c)
{
    const struct ir_value *v = node_in(r->n, i);
    const int64_t need[] = {a, b, c};
    bool fits = !v || v->type.rank == rank;
    for (int k = 0; v && fits && k < rank; k++)
        fits =
            v->type.dim[k] == need[k] || v->type.sym[k] || ir_type_is_dynamic(&r->n->in[0]->type);
    return fits || node_error(r->n, DIAG_ONNX_SHAPE,
                              "input %d '%s' is %s; %lld x %lld x %lld is needed (rank %d)", i,
                              node_input_name(r->n, i), node_type_text(r->n, i), (long long)a,
                              (long long)b, (long long)c, rank);
}

static bool read_direction(struct rnn *r)
{
    const char *d = node_str(r->n, "direction", "forward");
    r->reversed = strcmp(d, "reverse") == 0;
    r->dirs = strcmp(d, "bidirectional") == 0 ? 2 : 1;
    return r->reversed || r->dirs == 2 || strcmp(d, "forward") == 0 ||
           node_error(r->n, DIAG_ONNX_ATTR,
                      "direction is '%s'; forward, reverse and bidirectional exist", d);
}

static struct ir_value *swap_first(struct import_node *n, struct ir_value *v)
{
    return v ? irb_transpose(&n->b, v, (const int64_t[]){1, 0, 2}) : NULL;
}

static struct ir_value *steps_value(struct rnn *r)
{
    return r->steps_sym ? r->steps_sym : node_i64(r->n, r->steps);
}

static struct ir_value *batch_value(struct rnn *r)
{
    return r->batch_sym ? r->batch_sym : node_i64(r->n, r->batch);
}

// An operand whose dimension d is the batch: checked where that is known only at run time.
static struct ir_value *with_batch(struct rnn *r, struct ir_value *v, int d)
{
    struct ir_builder *b = &r->n->b;
    if (!v || v->type.sym[d] == r->batch_sym)
        return v;
    if (!irb_check(b, irb_binary(b, BFN_eq, irb_extent_of(b, v, d), batch_value(r)),
                   "the batch of an operand is not that of the sequences"))
        return NULL;
    if (r->batch_sym)
        return irb_extent(b, v, r->batch_sym, d);
    struct ir_type whole = v->type;
    whole.sym[d] = NULL;
    whole.dim[d] = r->batch;
    return ir_type_is_dynamic(&whole) ? NULL : irb_fit(b, v, whole.dim);
}

static bool read_operands(struct rnn *r)
{
    struct import_node *n = r->n;
    if (!read_direction(r) || !node_check_rank(n, 0, 3, 3) || !node_check_rank(n, 2, 3, 3))
        return false;
    r->batch_first = node_int(n, "layout", 0) != 0;
    r->clip = node_float(n, "clip", 0);
    const int64_t *x = n->in[0]->type.dim;
    r->steps = x[r->batch_first];
    r->batch = x[!r->batch_first];
    r->hidden = n->in[2]->type.dim[2];
    int64_t rows = r->gates * r->hidden, size = node_int(n, "hidden_size", r->hidden);
    if (size != r->hidden)
        return node_error(n, DIAG_ONNX_ATTR, "hidden_size is %lld, R has %lld columns",
                          (long long)size, (long long)r->hidden);
    if (!check_operand(r, 1, 3, r->dirs, rows, x[2]) ||
        !check_operand(r, 2, 3, r->dirs, rows, r->hidden) ||
        !check_operand(r, 3, 2, r->dirs, 2 * rows, 0) || !check_operand(r, 4, 1, r->batch, 0, 0) ||
        !check_operand(r, 7, 2, r->dirs, 3 * r->hidden, 0))
        return false;
    for (int i = 5; i <= 6; i++)
        if (!(r->batch_first ? check_operand(r, i, 3, r->batch, r->dirs, r->hidden)
                             : check_operand(r, i, 3, r->dirs, r->batch, r->hidden)))
            return false;
    r->steps_sym = n->in[0]->type.sym[r->batch_first];
    r->batch_sym = n->in[0]->type.sym[!r->batch_first];
    struct ir_value *seq = r->batch_first ? swap_first(n, n->in[0]) : n->in[0];
    struct ir_type flat = {.known = true, .rank = 2, .dim = {r->steps * r->batch, x[2]}};
    if (r->steps_sym || r->batch_sym)
        flat.sym[0] = irb_binary(&n->b, BFN_mul, steps_value(r), batch_value(r));
    r->x = irb_reshape_to(&n->b, seq, &flat);
    if (node_in(n, 4)) {
        struct ir_type column = {
            .known = true, .rank = 2, .dim = {r->batch, 1}, .sym = {r->batch_sym}};
        struct ir_value *given = node_convert(n, n->in[4], DT_I64);
        r->lengths = irb_reshape_to(&n->b, with_batch(r, given, 0), &column);
    }
    return r->x && (!node_in(n, 4) || r->lengths);
}

// Initial state of a direction; zeros when absent.
static struct ir_value *initial(struct rnn *r, int input, int64_t dir)
{
    struct import_node *n = r->n;
    struct ir_type t = {
        .known = true, .rank = 2, .dim = {r->batch, r->hidden}, .sym = {r->batch_sym}};
    struct ir_value *v = node_in(n, input);
    if (!v)
        return irb_broadcast_to(&n->b, irb_const_like(&n->b, n->in[0]->type.dtype, 0), &t);
    return entry(n, with_batch(r, r->batch_first ? swap_first(n, v) : v, 1), dir);
}

// The inputs' share of every gate, [steps, batch, gates * hidden], biases included.
static struct ir_value *project(struct rnn *r, int64_t dir)
{
    struct import_node *n = r->n;
    struct ir_builder *b = &n->b;
    int64_t rows = r->gates * r->hidden, swap[] = {1, 0};
    struct ir_type all = {.known = true,
                          .rank = 3,
                          .dim = {r->steps, r->batch, rows},
                          .sym = {r->steps_sym, r->batch_sym}};
    struct ir_value *w = irb_transpose(b, entry(n, n->in[1], dir), swap), *bias = NULL;
    r->r = irb_transpose(b, entry(n, n->in[2], dir), swap);
    r->rb = NULL;
    if (r->gates == 3 && !r->linear_before_reset) {
        r->rzr = columns(n, r->r, 0, 2 * r->hidden);
        r->rh = columns(n, r->r, 2 * r->hidden, r->hidden);
    }
    if (node_in(n, 3)) {
        struct ir_value *both = entry(n, n->in[3], dir), *rb = columns(n, both, rows, rows);
        bias = columns(n, both, 0, rows);
        if (!r->linear_before_reset)
            bias = irb_binary(b, BFN_add, bias, rb);
        else
            r->rb = rb;
        if (!bias)
            return NULL;
    }
    struct ir_value *y = irb_matmul(b, r->x, w, NULL);
    if (bias)
        y = irb_binary(b, BFN_add, y, bias);
    return irb_reshape_to(b, y, &all);
}

// ---- Cells: from the inputs' share and the states to the next states; s[0] is the output

typedef bool cell_fn(struct rnn *r, struct ir_value *x, struct ir_value *const *s,
                     struct ir_value **next);

static struct ir_value *gate(struct rnn *r, struct ir_value *all, int i)
{
    return columns(r->n, all, i * r->hidden, r->hidden);
}

static bool rnn_cell(struct rnn *r, struct ir_value *x, struct ir_value *const *s,
                     struct ir_value **next)
{
    struct ir_builder *b = &r->n->b;
    next[0] = activate(r, 0, irb_binary(b, BFN_add, x, irb_matmul(b, s[0], r->r, NULL)));
    return next[0] != NULL;
}

static bool gru_cell(struct rnn *r, struct ir_value *x, struct ir_value *const *s,
                     struct ir_value **next)
{
    struct import_node *n = r->n;
    struct ir_builder *b = &n->b;
    int64_t zr = 2 * r->hidden;
    struct ir_value *rec, *rec_h, *h = s[0];
    if (r->linear_before_reset) {
        struct ir_value *all = irb_matmul(b, h, r->r, NULL);
        if (r->rb)
            all = irb_binary(b, BFN_add, all, r->rb);
        rec = columns(n, all, 0, zr);
        rec_h = columns(n, all, zr, r->hidden);
    } else {
        rec = irb_matmul(b, h, r->rzr, NULL);
        rec_h = NULL;
    }
    struct ir_value *both = activate(r, 0, irb_binary(b, BFN_add, columns(n, x, 0, zr), rec));
    struct ir_value *z = gate(r, both, 0), *reset = gate(r, both, 1);
    if (r->linear_before_reset)
        rec_h = irb_binary(b, BFN_mul, reset, rec_h);
    else
        rec_h = irb_matmul(b, irb_binary(b, BFN_mul, reset, h), r->rh, NULL);
    struct ir_value *fresh = activate(r, 1, irb_binary(b, BFN_add, gate(r, x, 2), rec_h));
    next[0] =
        irb_binary(b, BFN_add, irb_binary(b, BFN_mul, node_scalar_with(n, BFN_sub, 1, z), fresh),
                   irb_binary(b, BFN_mul, z, h));
    return next[0] != NULL;
}

// sum + peephole * cell
static struct ir_value *with_peephole(struct rnn *r, int i, struct ir_value *sum,
                                      struct ir_value *cell)
{
    struct ir_builder *b = &r->n->b;
    if (!r->peephole[i])
        return sum;
    return irb_binary(b, BFN_add, sum, irb_binary(b, BFN_mul, r->peephole[i], cell));
}

static bool lstm_cell(struct rnn *r, struct ir_value *x, struct ir_value *const *s,
                      struct ir_value **next)
{
    struct ir_builder *b = &r->n->b;
    struct ir_value *all = irb_binary(b, BFN_add, x, irb_matmul(b, s[0], r->r, NULL));
    struct ir_value *in = activate(r, 0, with_peephole(r, 0, gate(r, all, 0), s[1]));
    struct ir_value *forget = r->input_forget
                                  ? node_scalar_with(r->n, BFN_sub, 1, in)
                                  : activate(r, 0, with_peephole(r, 2, gate(r, all, 2), s[1]));
    struct ir_value *fresh = activate(r, 1, gate(r, all, 3));
    struct ir_value *cell = irb_binary(b, BFN_add, irb_binary(b, BFN_mul, forget, s[1]),
                                       irb_binary(b, BFN_mul, in, fresh));
    struct ir_value *out = activate(r, 0, with_peephole(r, 1, gate(r, all, 1), cell));
    next[0] = irb_binary(b, BFN_mul, out, activate(r, 2, cell));
    next[1] = cell;
    return next[0] && next[1];
}

// ---- The loop

// After the last step of a sequence the states stay and the output is zero.
static bool mask_states(struct rnn *r, struct ir_value *step, struct ir_value *const *old,
                        struct ir_value **next, int states, struct ir_value **out)
{
    struct ir_builder *b = &r->n->b;
    *out = next[0];
    if (!r->lengths)
        return true;
    struct ir_value *inside = irb_binary(b, BFN_lt, step, r->lengths);
    *out = irb_select(b, inside, next[0], irb_const_like(b, next[0]->type.dtype, 0));
    for (int i = 0; i < states; i++)
        if (!(next[i] = irb_select(b, inside, next[i], old[i])))
            return false;
    return *out != NULL;
}

static struct ir_value *last_step(struct rnn *r)
{
    return node_plus(r->n, steps_value(r), -1);
}

// results: the last states, then the outputs of all steps in the order of time.
static bool run_direction(struct rnn *r, int64_t dir, int states, cell_fn *cell,
                          struct ir_value **results)
{
    struct import_node *n = r->n;
    struct ir_builder *b = &n->b;
    struct ir_value *x = project(r, dir), *init[2], *next[3], *out;
    for (int i = 0; i < states; i++)
        if (!(init[i] = initial(r, 5 + i, dir)))
            return false;
    for (int i = 0; i < 3; i++)
        r->peephole[i] = states == 2 && node_in(n, 7) ? gate(r, entry(n, n->in[7], dir), i) : NULL;
    struct ir_op *begin = x ? irb_loop_begin(b, steps_value(r), NULL, init, states) : NULL;
    if (!begin)
        return false;
    struct ir_value *step = begin->out[0];
    if (r->reversed)
        step = irb_binary(b, BFN_sub, last_step(r), step);
    struct ir_value *now = irb_gather(b, x, step, 0);
    if (!now || !cell(r, now, begin->out + 1, next) ||
        !mask_states(r, step, begin->out + 1, next, states, &out))
        return false;
    next[states] = out;
    struct ir_op *end = irb_loop_end(b, NULL, next, states + 1, states, r->steps);
    if (!end)
        return false;
    memcpy(results, end->out, ((size_t)states + 1) * sizeof(*results));
    if (r->steps_sym)
        results[states] = irb_extent(b, results[states], r->steps_sym, 0);
    if (r->reversed && r->steps_sym) {
        struct ir_value *at = node_iota_to(n, r->steps_sym, r->steps);
        results[states] =
            irb_gather(b, results[states], irb_binary(b, BFN_sub, last_step(r), at), 0);
    } else if (r->reversed && r->steps > 0) {
        const int64_t start[] = {r->steps - 1, 0, 0}, stride[] = {-1, 1, 1};
        results[states] = irb_slice(b, results[states], start, results[states]->type.dim, stride);
    }
    return results[states] != NULL;
}

// ---- Results

// Directions become a dimension: [dirs, batch, hidden], or [steps, dirs, batch, hidden]; the batch
// goes first with layout 1.
static struct ir_value *join(struct rnn *r, struct ir_value *const *v, bool all_steps)
{
    struct ir_builder *b = &r->n->b;
    struct ir_value *part[2];
    const struct ir_type all = {.known = true,
                                .rank = 4,
                                .dim = {r->steps, 1, r->batch, r->hidden},
                                .sym = {r->steps_sym, NULL, r->batch_sym}},
                         last = {.known = true,
                                 .rank = 3,
                                 .dim = {1, r->batch, r->hidden},
                                 .sym = {NULL, r->batch_sym}};
    for (int64_t d = 0; d < r->dirs; d++)
        if (!(part[d] = irb_reshape_to(b, v[d], all_steps ? &all : &last)))
            return NULL;
    struct ir_value *y =
        r->dirs == 1 ? part[0] : irb_concat(b, part, (int)r->dirs, all_steps ? 1 : 0);
    if (!y || !r->batch_first)
        return y;
    return all_steps ? irb_transpose(b, y, (const int64_t[]){2, 0, 1, 3}) : swap_first(r->n, y);
}

static bool import_recurrent(struct rnn *r, int states, const char *const *dflt, cell_fn *cell)
{
    struct import_node *n = r->n;
    struct activation acts[2 * ACT_MAX];
    struct ir_value *result[2][3], *of_dirs[2];
    if (!read_operands(r) || !read_activations(r, dflt, acts))
        return false;
    for (int64_t d = 0; d < r->dirs; d++) {
        memcpy(r->act, acts + d * r->acts, (size_t)r->acts * sizeof(*acts));
        r->reversed |= d == 1;
        if (!run_direction(r, d, states, cell, result[d]))
            return false;
    }
    for (int i = 0; i <= states; i++) {
        int from = i == 0 ? states : i - 1; // Y, then the last states
        for (int64_t d = 0; d < r->dirs; d++)
            of_dirs[d] = result[d][from];
        if (node_has_output(n, i) && !node_bind(n, i, join(r, of_dirs, i == 0)))
            return false;
    }
    return true;
}

bool import_RNN(struct import_node *n)
{
    static const char *const acts[] = {"Tanh"};
    struct rnn r = {.n = n, .gates = 1, .acts = 1};
    return import_recurrent(&r, 1, acts, rnn_cell);
}

bool import_GRU(struct import_node *n)
{
    static const char *const acts[] = {"Sigmoid", "Tanh"};
    struct rnn r = {.n = n, .gates = 3, .acts = 2};
    r.linear_before_reset = node_int(n, "linear_before_reset", 0) != 0;
    return import_recurrent(&r, 1, acts, gru_cell);
}

bool import_LSTM(struct import_node *n)
{
    static const char *const acts[] = {"Sigmoid", "Tanh", "Tanh"};
    struct rnn r = {.n = n, .gates = 4, .acts = 3};
    r.input_forget = node_int(n, "input_forget", 0) != 0;
    return import_recurrent(&r, 2, acts, lstm_cell);
}

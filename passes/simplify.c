// simplify: local rewrites that need no constants to be computed. Each rule looks at one op and the
// ops that define its operands, and either gives the value that replaces the op's result or changes
// the op in place. One walk in execution order sees operands that are already simple; the walk is
// repeated while anything changes, a few times at most.
//
// Only rewrites that leave every bit of the result alone: x + 0 stays, because -0 + 0 is +0.
#include "pass.h"

#include <math.h>
#include <string.h>

enum { ROUNDS_MAX = 8, SPLAT_MAX = 4096 };

struct simplify {
    struct pass_ctx *ctx;
    struct ir_graph *graph;
    int changes; // in place
};
// NULL: the op stays (it may have been changed in place, which s->changes counts).
typedef struct ir_value *rule_fn(struct simplify *s, struct ir_op *op);

// ---- What the rules ask

static struct ir_op *defined_by(const struct ir_value *v, enum ir_opcode op)
{
    return v != NULL && v->def != NULL && v->def->op == op ? v->def : NULL;
}

static bool same_type_as_operand(const struct ir_op *op)
{
    return ir_type_equal(&op->out[0]->type, &op->in[0]->type);
}

static bool all_equal(const int64_t *v, int n, int64_t to)
{
    for (int i = 0; i < n; i++)
        if (v[i] != to)
            return false;
    return true;
}

// The one value of all elements of a constant.
static bool splat_value(const struct ir_value *v, double *out)
{
    const struct tensor *t = v != NULL ? ir_const_data(v) : NULL;
    if (t == NULL || !(dtype_is_float(t->dtype) || dtype_is_int(t->dtype)))
        return false;
    int64_t n = tensor_elems(t);
    if (n < 1 || n > SPLAT_MAX)
        return false;
    size_t size = dtype_bytes(t->dtype);
    const char *data = t->data;
    for (int64_t i = 1; i < n; i++)
        if (memcmp(data, data + (size_t)i * size, size) != 0)
            return false;
    if (dtype_is_int(t->dtype)) {
        int64_t i = tensor_get_int(t, 0);
        if (i > ((int64_t)1 << 53) || i < -((int64_t)1 << 53))
            return false; // not exact as a double
        *out = (double)i;
    } else {
        *out = tensor_get_double(t, 0);
    }
    return true;
}

// op = fn(x, c) with a constant of equal elements, the operands in this order; for a commutative
// function in either.
static bool with_splat(const struct ir_op *op, enum binary_fn fn, bool either, int *x, double *c)
{
    if (op->op != IR_OP_BINARY || ir_int(op, IR_A_fn_binary, -1) != (int64_t)fn)
        return false;
    for (*x = 0; *x < (either ? 2 : 1); ++*x)
        if (splat_value(op->in[1 - *x], c) && ir_type_equal(&op->in[*x]->type, &op->out[0]->type))
            return true;
    return false;
}

static void set_operand(struct simplify *s, struct ir_op *op, int i, struct ir_value *v)
{
    op->loc = op->in[i]->def != NULL ? loc_fused(s->ctx->module->locs, op->loc, op->in[i]->def->loc)
                                     : op->loc;
    ir_op_set_operand(op, i, v);
    s->changes++;
}

static struct ir_builder builder_at(struct simplify *s, struct ir_op *op)
{
    return (struct ir_builder){s->graph, op, op->loc, s->ctx->diag};
}

// ---- Movements

static struct ir_value *reshape_rule(struct simplify *s, struct ir_op *op)
{
    if (same_type_as_operand(op))
        return op->in[0];
    struct ir_op *inner = defined_by(op->in[0], IR_OP_RESHAPE);
    if (inner != NULL)
        set_operand(s, op, 0, inner->in[0]);
    return NULL;
}

// A permutation that keeps the order of the dimensions longer than 1 moves nothing.
static bool keeps_order(const struct ir_type *x, const int64_t *perm)
{
    int64_t last = -1;
    for (int i = 0; i < x->rank; i++) {
        if (x->dim[perm[i]] == 1)
            continue;
        if (perm[i] < last)
            return false;
        last = perm[i];
    }
    return true;
}

static struct ir_value *transpose_rule(struct simplify *s, struct ir_op *op)
{
    int n;
    const int64_t *perm = ir_ints(op, IR_A_perm, &n);
    struct ir_op *inner = defined_by(op->in[0], IR_OP_TRANSPOSE);
    if (inner != NULL) {
        const int64_t *first = ir_ints(inner, IR_A_perm, &n);
        int64_t both[IR_MAX_RANK];
        for (int i = 0; i < n; i++)
            both[i] = first[perm[i]];
        set_operand(s, op, 0, inner->in[0]);
        ir_set_ints(op, IR_A_perm, both, n);
        perm = ir_ints(op, IR_A_perm, &n);
    }
    const struct ir_type *x = &op->in[0]->type;
    if (!keeps_order(x, perm))
        return NULL;
    if (same_type_as_operand(op))
        return op->in[0];
    struct ir_builder b = builder_at(s, op);
    return irb_reshape(&b, op->in[0], op->out[0]->type.dim, op->out[0]->type.rank);
}

static struct ir_value *slice_rule(struct simplify *s, struct ir_op *op)
{
    int n;
    const int64_t *starts = ir_ints(op, IR_A_starts, &n), *steps = ir_ints(op, IR_A_steps, &n);
    if (same_type_as_operand(op) && all_equal(starts, n, 0) && all_equal(steps, n, 1))
        return op->in[0];
    struct ir_op *inner = defined_by(op->in[0], IR_OP_SLICE);
    if (inner == NULL)
        return NULL;
    const int64_t *starts0 = ir_ints(inner, IR_A_starts, &n),
                  *steps0 = ir_ints(inner, IR_A_steps, &n);
    int64_t start[IR_MAX_RANK], step[IR_MAX_RANK];
    for (int i = 0; i < n; i++) {
        int64_t moved;
        if (__builtin_mul_overflow(starts[i], steps0[i], &moved) ||
            __builtin_add_overflow(moved, starts0[i], &start[i]) ||
            __builtin_mul_overflow(steps[i], steps0[i], &step[i]))
            return NULL;
    }
    set_operand(s, op, 0, inner->in[0]);
    ir_set_ints(op, IR_A_starts, start, n);
    ir_set_ints(op, IR_A_steps, step, n);
    return NULL;
}

static struct ir_value *pad_rule(struct simplify *s, struct ir_op *op)
{
    (void)s;
    return same_type_as_operand(op) ? op->in[0] : NULL;
}

static struct ir_value *broadcast_rule(struct simplify *s, struct ir_op *op)
{
    if (same_type_as_operand(op))
        return op->in[0];
    struct ir_op *inner = defined_by(op->in[0], IR_OP_BROADCAST);
    if (inner != NULL)
        set_operand(s, op, 0, inner->in[0]);
    return NULL;
}

static struct ir_value *concat_rule(struct simplify *s, struct ir_op *op)
{
    (void)s;
    return op->num_in == 1 ? op->in[0] : NULL;
}

// ---- Arithmetic

// An element-wise op broadcasts by itself: what only feeds it needs no broadcast, as long as the
// result keeps its shape.
static void drop_broadcasts(struct simplify *s, struct ir_op *op)
{
    for (int i = 0; i < op->num_in; i++) {
        struct ir_op *b = defined_by(op->in[i], IR_OP_BROADCAST);
        if (b == NULL)
            continue;
        struct ir_type t = b->in[0]->type;
        for (int j = 0; j < op->num_in; j++) {
            struct ir_type wide = t;
            if (j != i && ir_broadcast_dims(&t, &op->in[j]->type, wide.dim, &wide.rank))
                t = wide;
        }
        const struct ir_type *y = &op->out[0]->type;
        if (t.rank == y->rank && memcmp(t.dim, y->dim, (size_t)y->rank * sizeof y->dim[0]) == 0)
            set_operand(s, op, i, b->in[0]);
    }
}

static bool neutral(const struct ir_op *op, int *x)
{
    double c;
    bool is_int = dtype_is_int(op->out[0]->type.dtype);
    if (with_splat(op, BFN_mul, true, x, &c) || with_splat(op, BFN_div, false, x, &c))
        return c == 1;
    if (with_splat(op, BFN_sub, false, x, &c))
        return c == 0 && (is_int || !signbit(c));
    return is_int && with_splat(op, BFN_add, true, x, &c) && c == 0;
}

// The clamp max(x, c) or min(x, c) that defines a value.
static struct ir_op *clamp_of(const struct ir_value *v, enum binary_fn fn, int *x, double *c)
{
    struct ir_op *op = defined_by(v, IR_OP_BINARY);
    return op != NULL && with_splat(op, fn, true, x, c) && !isnan(*c) ? op : NULL;
}

// Whether a clamp repeats one by the same bound. Which zero max(-0, +0) gives may depend on the
// order of the operands.
static bool same_bound(double a, int ax, double b, int bx)
{
    return a == b && (a != 0 || (signbit(a) == signbit(b) && ax == bx));
}

// outer(inner(x, a), b) of one kind is one clamp; the tighter constant stays.
static struct ir_value *merge_clamps(struct simplify *s, struct ir_op *op, enum binary_fn fn, int x,
                                     double b)
{
    int ix;
    double a;
    struct ir_op *inner = clamp_of(op->in[x], fn, &ix, &a);
    if (inner == NULL)
        return NULL;
    bool outer_does_nothing = fn == BFN_max ? b < a : b > a;
    if (outer_does_nothing || same_bound(a, ix, b, x))
        return op->in[x];
    if (a != b)
        set_operand(s, op, x, inner->in[ix]);
    return NULL;
}

// max(min(max(x, a), b), c) with c at most a and below b changes nothing; likewise the other way
// round.
static struct ir_value *inert_clamp(struct ir_op *op, enum binary_fn fn, int x, double c)
{
    enum binary_fn other = fn == BFN_max ? BFN_min : BFN_max;
    int mx, ix;
    double a, b;
    struct ir_op *middle = clamp_of(op->in[x], other, &mx, &b);
    if (middle == NULL || clamp_of(middle->in[mx], fn, &ix, &a) == NULL)
        return NULL;
    bool within_a = (fn == BFN_max ? c < a : c > a) || same_bound(a, ix, c, x);
    return within_a && (fn == BFN_max ? c < b : c > b) ? op->in[x] : NULL;
}

static struct ir_value *binary_rule(struct simplify *s, struct ir_op *op)
{
    int x;
    double c;
    drop_broadcasts(s, op);
    if (neutral(op, &x))
        return op->in[x];
    enum binary_fn fn = (enum binary_fn)ir_int(op, IR_A_fn_binary, 0);
    if ((fn != BFN_max && fn != BFN_min) || !with_splat(op, fn, true, &x, &c) || isnan(c))
        return NULL;
    struct ir_value *v = merge_clamps(s, op, fn, x, c);
    if (v != NULL || !with_splat(op, fn, true, &x, &c))
        return v;
    return inert_clamp(op, fn, x, c);
}

static struct ir_value *unary_rule(struct simplify *s, struct ir_op *op)
{
    (void)s;
    enum unary_fn fn = (enum unary_fn)ir_int(op, IR_A_fn_unary, 0);
    struct ir_op *inner = defined_by(op->in[0], IR_OP_UNARY);
    if (inner == NULL || ir_int(inner, IR_A_fn_unary, -1) != (int64_t)fn)
        return NULL;
    if (fn == UFN_neg || fn == UFN_not || fn == UFN_bitnot)
        return inner->in[0];
    if (fn == UFN_abs || fn == UFN_floor || fn == UFN_ceil || fn == UFN_round || fn == UFN_trunc)
        return op->in[0];
    return NULL;
}

static bool is_integer(enum dtype t)
{
    return dtype_info[t].kind == DTK_I || dtype_info[t].kind == DTK_U;
}

// Whether every integer of one type is one of the other.
static bool within(enum dtype t, enum dtype of)
{
    if (!is_integer(t) || !is_integer(of))
        return false;
    bool sign = dtype_info[t].kind == DTK_I, of_sign = dtype_info[of].kind == DTK_I;
    return sign == of_sign ? dtype_info[t].bits <= dtype_info[of].bits
                           : of_sign && dtype_info[t].bits < dtype_info[of].bits;
}

// How a function rounds as conversions to integers do; -1: it does not.
static int rounding_of(const struct ir_op *op)
{
    switch ((enum unary_fn)ir_int(op, IR_A_fn_unary, -1)) {
    case UFN_trunc: return IR_ROUND_ZERO;
    case UFN_round: return IR_ROUND_EVEN;
    case UFN_floor: return IR_ROUND_FLOOR;
    case UFN_ceil: return IR_ROUND_CEIL;
    default: return -1;
    }
}

// A conversion of floats to integers, but for one to signs, rounds by itself and does not tell
// zeros apart.
static void convert_to_integer(struct simplify *s, struct ir_op *op)
{
    int x;
    double c;
    struct ir_op *inner = defined_by(op->in[0], IR_OP_UNARY);
    int rounding = inner ? rounding_of(inner) : -1;
    if (rounding >= 0) {
        ir_set_int(op, IR_A_round, rounding);
        set_operand(s, op, 0, inner->in[0]);
        return;
    }
    inner = defined_by(op->in[0], IR_OP_BINARY);
    if (inner && with_splat(inner, BFN_add, true, &x, &c) && c == 0)
        set_operand(s, op, 0, inner->in[x]);
}

static struct ir_value *convert_rule(struct simplify *s, struct ir_op *op)
{
    if (same_type_as_operand(op) && !ir_has_attr(op, IR_A_bits))
        return op->in[0];
    struct ir_op *inner = defined_by(op->in[0], IR_OP_CONVERT);
    if (inner && !ir_has_attr(inner, IR_A_bits) &&
        within(inner->in[0]->type.dtype, inner->out[0]->type.dtype))
        set_operand(s, op, 0, inner->in[0]);
    else if (dtype_is_float(op->in[0]->type.dtype) && is_integer(op->out[0]->type.dtype) &&
             !ir_has_attr(op, IR_A_bits))
        convert_to_integer(s, op);
    return NULL;
}

static struct ir_value *select_rule(struct simplify *s, struct ir_op *op)
{
    drop_broadcasts(s, op);
    bool same = op->in[1] == op->in[2] && ir_type_equal(&op->in[1]->type, &op->out[0]->type);
    return same ? op->in[1] : NULL;
}

// A check that holds is no check.
static bool holds(const struct ir_op *op)
{
    const struct tensor *t = op->op == IR_OP_CHECK ? ir_const_data(op->in[0]) : NULL;
    return t && *(const uint8_t *)t->data;
}

// ---- The walk

static const struct {
    enum ir_opcode op;
    rule_fn *rule;
} rules[] = {
    {IR_OP_RESHAPE, reshape_rule}, {IR_OP_TRANSPOSE, transpose_rule}, {IR_OP_SLICE, slice_rule},
    {IR_OP_PAD, pad_rule},         {IR_OP_BROADCAST, broadcast_rule}, {IR_OP_CONCAT, concat_rule},
    {IR_OP_CONVERT, convert_rule}, {IR_OP_BINARY, binary_rule},       {IR_OP_UNARY, unary_rule},
    {IR_OP_SELECT, select_rule},
};

static void replace(struct simplify *s, struct ir_op *op, struct ir_value *with)
{
    if (with->def != NULL && with->def->op != IR_OP_CONST)
        with->def->loc = loc_fused(s->ctx->module->locs, with->def->loc, op->loc);
    ir_value_replace(op->out[0], with);
    ir_op_erase(op);
}

// Whether the op is gone or was changed.
static bool apply_rules(struct simplify *s, struct ir_op *op)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].op != op->op || ir_op_is_dynamic(op))
            continue;
        int before = s->changes;
        struct ir_value *v = rules[i].rule(s, op);
        if (v != NULL)
            replace(s, op, v);
        return v != NULL || s->changes != before;
    }
    return false;
}

bool pass_simplify(struct pass_ctx *ctx)
{
    struct simplify s = {ctx, ctx->module->main, 0};
    bool changed = true;
    for (int round = 0; changed && round < ROUNDS_MAX; round++) {
        changed = false;
        for (struct ir_op *op = s.graph->first, *next; op != NULL; op = next) {
            next = op->next;
            if (holds(op))
                ir_op_erase(op);
            else
                changed |= apply_rules(&s, op);
        }
    }
    return true;
}

// Rules of the element-wise ops and of reductions.
#include <math.h>

#include "gradient.h"

// ---- Functions of one operand

struct unary_rule {
    struct gradient *g;
    struct ir_value *x, *y, *dy;
};

static struct ir_value *fn1(struct unary_rule *r, enum unary_fn fn, struct ir_value *x)
{
    return irb_unary(gradient_builder(r->g), fn, x);
}
static struct ir_value *fn2(struct unary_rule *r, enum binary_fn fn, struct ir_value *a,
                            struct ir_value *b)
{
    return irb_binary(gradient_builder(r->g), fn, a, b);
}
static struct ir_value *times(struct unary_rule *r, struct ir_value *factor)
{
    return fn2(r, BFN_mul, r->dy, factor);
}
static struct ir_value *over(struct unary_rule *r, struct ir_value *divisor)
{
    return fn2(r, BFN_div, r->dy, divisor);
}
static struct ir_value *negated(struct unary_rule *r, struct ir_value *x)
{
    return fn1(r, UFN_neg, x);
}
static struct ir_value *with(struct unary_rule *r, enum binary_fn fn, struct ir_value *x, double v)
{
    return gradient_scalar(r->g, fn, x, v);
}
static struct ir_value *square(struct unary_rule *r, struct ir_value *x)
{
    return fn2(r, BFN_mul, x, x);
}
// v - x
static struct ir_value *from(struct unary_rule *r, double v, struct ir_value *x)
{
    return with(r, BFN_add, negated(r, x), v);
}

// The derivative by x; *zero when it is 0 everywhere.
static struct ir_value *unary_derivative(struct unary_rule *r, enum unary_fn fn, bool *zero)
{
    struct ir_value *x = r->x, *y = r->y;
    switch (fn) {
    case UFN_neg: return negated(r, r->dy);
    case UFN_abs: return times(r, fn1(r, UFN_sign, x));
    case UFN_sqrt: return over(r, with(r, BFN_mul, y, 2));
    case UFN_reciprocal: return negated(r, times(r, square(r, y)));
    case UFN_exp: return times(r, y);
    case UFN_log: return over(r, x);
    case UFN_erf:
        return times(r, with(r, BFN_mul, fn1(r, UFN_exp, negated(r, square(r, x))), M_2_SQRTPI));
    case UFN_tanh: return times(r, from(r, 1, square(r, y)));
    case UFN_sigmoid: return times(r, fn2(r, BFN_mul, y, from(r, 1, y)));
    case UFN_softplus: return times(r, fn1(r, UFN_sigmoid, x));
    case UFN_sin: return times(r, fn1(r, UFN_cos, x));
    case UFN_cos: return negated(r, times(r, fn1(r, UFN_sin, x)));
    case UFN_tan: return times(r, with(r, BFN_add, square(r, y), 1));
    case UFN_asin: return over(r, fn1(r, UFN_sqrt, from(r, 1, square(r, x))));
    case UFN_acos: return negated(r, over(r, fn1(r, UFN_sqrt, from(r, 1, square(r, x)))));
    case UFN_atan: return over(r, with(r, BFN_add, square(r, x), 1));
    case UFN_sinh: return times(r, fn1(r, UFN_cosh, x));
    case UFN_cosh: return times(r, fn1(r, UFN_sinh, x));
    case UFN_asinh: return over(r, fn1(r, UFN_sqrt, with(r, BFN_add, square(r, x), 1)));
    case UFN_acosh: return over(r, fn1(r, UFN_sqrt, with(r, BFN_sub, square(r, x), 1)));
    case UFN_atanh: return over(r, from(r, 1, square(r, x)));
    default: *zero = true; return NULL; // jumps, and results that are no numbers
    }
}

bool gradient_unary(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    struct unary_rule r = {g, op->in[0], op->out[0], dy};
    bool zero = false;
    if (!gradient_wants(g, op, 0) || !dtype_is_float(op->out[0]->type.dtype))
        return true;
    struct ir_value *d = unary_derivative(&r, (enum unary_fn)ir_int(op, IR_A_fn_unary, 0), &zero);
    return zero || gradient_give(g, op, 0, d);
}

// ---- Functions of two operands

struct binary_rule {
    struct gradient *g;
    struct ir_builder *b;
    const struct ir_op *op;
    struct ir_value *x[2], *y, *dy;
};

static struct ir_value *product(struct binary_rule *r, struct ir_value *a, struct ir_value *b)
{
    return irb_binary(r->b, BFN_mul, a, b);
}
static struct ir_value *quotient(struct binary_rule *r, struct ir_value *a, struct ir_value *b)
{
    return irb_binary(r->b, BFN_div, a, b);
}
static struct ir_value *minus(struct binary_rule *r, struct ir_value *a)
{
    return irb_unary(r->b, UFN_neg, a);
}

// dy where c, else 0.
static struct ir_value *where(struct binary_rule *r, struct ir_value *c)
{
    return irb_select(r->b, c, r->dy, irb_const_like(r->b, r->dy->type.dtype, 0));
}

// Of equal operands neither counts beside a constant, so that the slope of max(x, 0) at 0 is 0;
// else the first does.
static struct ir_value *chosen(struct binary_rule *r, int i, bool largest)
{
    struct ir_value *mine = r->x[i], *other = r->x[1 - i];
    if (i == 0 && gradient_wants(r->g, r->op, 1))
        return where(r, largest ? irb_binary(r->b, BFN_le, other, mine)
                                : irb_binary(r->b, BFN_le, mine, other));
    return where(r, largest ? irb_binary(r->b, BFN_lt, other, mine)
                            : irb_binary(r->b, BFN_lt, mine, other));
}

static struct ir_value *power_derivative(struct binary_rule *r, int i)
{
    struct ir_value *x = r->x[0], *e = r->x[1];
    if (i == 0)
        return product(
            r, r->dy,
            product(r, e, irb_binary(r->b, BFN_pow, x, gradient_scalar(r->g, BFN_sub, e, 1))));
    // x^e log x goes to 0 with x.
    struct ir_value *positive = irb_binary(r->b, BFN_lt, irb_const_like(r->b, x->type.dtype, 0), x);
    struct ir_value *log = irb_unary(
        r->b, UFN_log, irb_select(r->b, positive, x, irb_const_like(r->b, x->type.dtype, 1)));
    return product(r, r->dy, product(r, r->y, log));
}

static struct ir_value *angle_derivative(struct binary_rule *r, int i)
{
    struct ir_value *a = r->x[0], *b = r->x[1];
    struct ir_value *norm = irb_binary(r->b, BFN_add, product(r, a, a), product(r, b, b));
    return quotient(r, product(r, r->dy, i == 0 ? b : minus(r, a)), norm);
}

static struct ir_value *binary_derivative(struct binary_rule *r, enum binary_fn fn, int i)
{
    struct ir_value *a = r->x[0], *b = r->x[1], *dy = r->dy;
    switch (fn) {
    case BFN_add: return dy;
    case BFN_sub: return i == 0 ? dy : minus(r, dy);
    case BFN_mul: return product(r, dy, r->x[1 - i]);
    case BFN_div:
        return i == 0 ? quotient(r, dy, b) : minus(r, quotient(r, product(r, dy, r->y), b));
    case BFN_mod:
        return i == 0 ? dy
                      : minus(r, product(r, dy, irb_unary(r->b, UFN_floor, quotient(r, a, b))));
    case BFN_fmod:
        return i == 0 ? dy
                      : minus(r, product(r, dy, irb_unary(r->b, UFN_trunc, quotient(r, a, b))));
    case BFN_pow: return power_derivative(r, i);
    case BFN_min: return chosen(r, i, false);
    case BFN_max: return chosen(r, i, true);
    case BFN_atan2: return angle_derivative(r, i);
    default: bitlet_bug("binary function %d gives floats and has no derivative", (int)fn);
    }
}

bool gradient_binary(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    struct binary_rule r = {g, gradient_builder(g), op, {op->in[0], op->in[1]}, op->out[0], dy};
    if (!dtype_is_float(op->out[0]->type.dtype))
        return true;
    for (int i = 0; i < 2; i++)
        if (gradient_wants(g, op, i) &&
            !gradient_give(g, op, i,
                           binary_derivative(&r, (enum binary_fn)ir_int(op, IR_A_fn_binary, 0), i)))
            return false;
    return true;
}

// ---- Others

bool gradient_select(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    struct ir_builder *b = gradient_builder(g);
    if (!dtype_is_float(op->out[0]->type.dtype))
        return true;
    struct ir_value *zero = irb_const_like(b, dy->type.dtype, 0);
    for (int i = 1; i < 3; i++)
        if (gradient_wants(g, op, i) &&
            !gradient_give(g, op, i,
                           irb_select(b, op->in[0], i == 1 ? dy : zero, i == 1 ? zero : dy)))
            return false;
    return true;
}

bool gradient_convert(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    if (!gradient_wants(g, op, 0) || !dtype_is_float(op->out[0]->type.dtype))
        return true;
    return gradient_give(g, op, 0,
                         irb_convert(gradient_builder(g), dy, op->in[0]->type.dtype, false));
}

// ---- Reductions

struct reduce_rule {
    struct gradient *g;
    struct ir_builder *b;
    struct ir_value *x;
    const int64_t *axes;
    int num_axes;
};

// A result (or its derivative) as it broadcasts over x.
static struct ir_value *kept(struct reduce_rule *r, struct ir_value *v)
{
    struct ir_type t = r->x->type;
    for (int i = 0; i < r->num_axes; i++)
        t.dim[r->axes[i]] = 1;
    return irb_reshape(r->b, v, t.dim, t.rank);
}

static struct ir_value *over_axes(struct reduce_rule *r, enum reduce_fn fn, struct ir_value *v)
{
    return irb_reduce(r->b, fn, v, r->axes, r->num_axes, true);
}

static struct ir_value *as_numbers(struct reduce_rule *r, struct ir_value *c)
{
    return irb_convert(r->b, c, r->x->type.dtype, false);
}

// Elements that are equal share the derivative.
static struct ir_value *extremum_derivative(struct reduce_rule *r, struct ir_value *y,
                                            struct ir_value *dy)
{
    struct ir_value *hit = as_numbers(r, irb_binary(r->b, BFN_eq, r->x, kept(r, y)));
    return irb_binary(r->b, BFN_mul, hit,
                      irb_binary(r->b, BFN_div, kept(r, dy), over_axes(r, RFN_sum, hit)));
}

// The product of the other elements, also where some are 0: x / 0 is not formed.
static struct ir_value *product_derivative(struct reduce_rule *r, struct ir_value *dy)
{
    enum dtype t = r->x->type.dtype;
    struct ir_value *zero = irb_const_like(r->b, t, 0), *one = irb_const_like(r->b, t, 1);
    struct ir_value *is_zero = irb_binary(r->b, BFN_eq, r->x, zero);
    struct ir_value *rest = irb_select(r->b, is_zero, one, r->x),
                    *all = over_axes(r, RFN_prod, rest);
    struct ir_value *flags = as_numbers(r, is_zero);
    if (!flags)
        return NULL;
    struct ir_value *zeros_elsewhere =
        irb_binary(r->b, BFN_sub, over_axes(r, RFN_sum, flags), flags);
    struct ir_value *others = irb_binary(r->b, BFN_div, all, rest);
    struct ir_value *factor =
        irb_select(r->b, irb_binary(r->b, BFN_eq, zeros_elsewhere, zero), others, zero);
    return irb_binary(r->b, BFN_mul, factor, kept(r, dy));
}

bool gradient_reduce(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    struct reduce_rule r = {.g = g, .b = gradient_builder(g), .x = op->in[0]};
    r.axes = ir_ints(op, IR_A_axes, &r.num_axes);
    if (!gradient_wants(g, op, 0))
        return true;
    switch (ir_int(op, IR_A_fn_reduce, 0)) {
    case RFN_sum:
        return gradient_give(g, op, 0,
                             irb_broadcast(r.b, kept(&r, dy), r.x->type.dim, r.x->type.rank));
    case RFN_prod: return gradient_give(g, op, 0, product_derivative(&r, dy));
    case RFN_max:
    case RFN_min: return gradient_give(g, op, 0, extremum_derivative(&r, op->out[0], dy));
    default: return true; // indices
    }
}

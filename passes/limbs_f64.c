// x = s * (x_0 + x_1 2^-22 + x_2 2^-44) 2^-21 with s a power of two not below half the largest
// magnitude and integers |x_i| <= 2^22; w likewise. Six of the nine products count, exact sums all
// of them; they are added up in double, the smallest first. Infinities and NaN take part as 0, and
// a product of signs in single precision, in which they do take part, tells where they show.
#include <float.h>

#include "limbs.h"
#include "macops.h"

enum { LIMBS = 3, FIRST_BITS = 21, STEP_BITS = 22, LIMB_WIDTH = 24 };

struct split {
    struct ir_value *scale, *limb[LIMBS], *sign;
};

struct job {
    struct pass_ctx *ctx;
    struct ir_op *op;
    struct ir_builder b;
};

static struct ir_value *with(struct job *j, enum binary_fn fn, struct ir_value *x, double v)
{
    return x ? irb_binary(&j->b, fn, x, irb_const_like(&j->b, x->type.dtype, v)) : NULL;
}

// The power of two at or below the largest magnitude over the axes that are summed.
static struct ir_value *scale_of(struct job *j, struct ir_value *x, bool second)
{
    const double exponent_bits = 0x7ffp52;
    int64_t axes[IR_MAX_RANK];
    int num = x->type.rank;
    bool matmul = j->op->op == IR_OP_MATMUL;
    for (int i = 0; i < num; i++)
        axes[i] = i;
    if (matmul) {
        axes[0] = num - (second ? 2 : 1);
        num = 1;
    }
    x = irb_unary(&j->b, UFN_abs, x);
    x = irb_reduce(&j->b, RFN_max, x, axes, num, matmul);
    x = irb_bitcast(&j->b, x, DT_I64);
    x = irb_bitcast(&j->b, with(j, BFN_bitand, x, exponent_bits), DT_F64);
    return with(j, BFN_max, x, DBL_MIN);
}

static bool split_operand(struct job *j, struct ir_value *x, bool second, struct split *s)
{
    struct ir_builder *b = &j->b;
    struct ir_value *inf = irb_unary(b, UFN_isinf, x);
    struct ir_value *odd = irb_binary(b, BFN_or, inf, irb_unary(b, UFN_isnan, x));
    struct ir_value *sign = irb_select(b, inf, x, irb_unary(b, UFN_sign, x));
    struct ir_value *rest = irb_select(b, odd, irb_const_like(b, DT_F64, 0), x);
    s->sign = irb_convert(b, sign, DT_F32, false);
    s->scale = rest ? scale_of(j, rest, second) : NULL;
    rest = with(j, BFN_mul, irb_binary(b, BFN_div, rest, s->scale), 0x1p21);
    for (int i = 0; i < LIMBS; i++) {
        struct ir_value *whole = irb_unary(b, UFN_round, rest);
        s->limb[i] = irb_convert(b, whole, DT_I32, false);
        rest = with(j, BFN_mul, irb_binary(b, BFN_sub, rest, whole), 0x1p22);
    }
    return rest && s->sign;
}

static struct ir_value *limb_product(struct job *j, struct ir_value *x, struct ir_value *w)
{
    struct ir_op *op = limbs_product(j->op, x, w);
    ir_set_int(op, IR_A_mode, IR_MODE_FIXED);
    ir_set_int(op, IR_A_wbits, LIMB_WIDTH);
    ir_set_int(op, IR_A_abits, LIMB_WIDTH);
    ir_set_int(op, IR_A_to, DT_I64);
    return ir_infer(op, j->ctx->diag) ? op->out[0] : NULL;
}

static struct ir_value *sign_product(struct job *j, const struct split *x, const struct split *w)
{
    struct ir_op *op = limbs_product(j->op, x->sign, w->sign);
    ir_set_int(op, IR_A_mode, IR_MODE_FP32);
    return ir_infer(op, j->ctx->diag) ? op->out[0] : NULL;
}

// The sum of all products, without the scales.
static struct ir_value *sum_products(struct job *j, const struct split *x, const struct split *w)
{
    struct ir_value *sum = NULL;
    for (int place = LIMBS - 1; place >= 0; place--) {
        struct ir_value *here = NULL;
        for (int i = 0; i <= place; i++) {
            struct ir_value *p = limb_product(j, x->limb[i], w->limb[place - i]);
            here = here ? irb_binary(&j->b, BFN_add, here, p) : p;
        }
        here = irb_convert(&j->b, here, DT_F64, false);
        sum = place == LIMBS - 1 ? here
                                 : irb_binary(&j->b, BFN_add, here, with(j, BFN_mul, sum, 0x1p-22));
    }
    return with(j, BFN_mul, sum, 0x1p-42);
}

static struct ir_value *limited(struct job *j, struct ir_value *y)
{
    if (ir_has_attr(j->op, IR_A_min))
        y = with(j, BFN_max, y, ir_float(j->op, IR_A_min, 0));
    if (ir_has_attr(j->op, IR_A_max))
        y = with(j, BFN_min, y, ir_float(j->op, IR_A_max, 0));
    return y;
}

// What is known of constant operands. All uses exist by now, so that nothing needed vanishes.
static bool fold_between(struct pass_ctx *ctx, struct ir_op *first, const struct ir_op *end)
{
    for (struct ir_op *op = first, *next; op != end; op = next) {
        next = op->next;
        if (op->op != IR_OP_CONST && !op_fold(ctx, op))
            return false;
    }
    return true;
}

bool limbs_lower_f64(struct pass_ctx *ctx, struct ir_op *op)
{
    struct job j = {ctx, op, {.graph = op->graph, .before = op, .loc = op->loc, .diag = ctx->diag}};
    struct ir_op *before = op->prev, *after = op->next;
    struct split x, w;
    if (!split_operand(&j, op->in[0], false, &x) || !split_operand(&j, op->in[1], true, &w))
        return false;
    struct ir_value *y = irb_binary(&j.b, BFN_mul, sum_products(&j, &x, &w), x.scale);
    y = irb_binary(&j.b, BFN_mul, y, w.scale);
    struct ir_value *signs = sign_product(&j, &x, &w);
    struct ir_value *odd = irb_binary(&j.b, BFN_or, irb_unary(&j.b, UFN_isinf, signs),
                                      irb_unary(&j.b, UFN_isnan, signs));
    y = irb_select(&j.b, odd, irb_convert(&j.b, signs, DT_F64, false), y);
    y = limited(&j, limbs_add_bias(ctx, &j.b, op, y));
    if (y && op->out[0]->type.dtype != DT_F64)
        y = irb_convert(&j.b, y, op->out[0]->type.dtype, false);
    if (!y)
        return false;
    ir_value_replace(op->out[0], y);
    ir_op_erase(op);
    return fold_between(ctx, before ? before->next : j.b.graph->first, after);
}

// With x = sum of x_i * 2^(16 i) and w likewise, x w = sum of (x_i w_j) * 2^(16 (i + j)): every
// product is an op the array can do, and pairs whose shift reaches the width of the result vanish
// in it. All limbs but the top one are unsigned.
#include "limbs.h"

#include <math.h>

#include "macops.h"

enum { LIMB_BITS = 16, LIMBS_MAX = 4 };

// What an integer value can be; bounds of 64-bit types are rounded.
struct range {
    double lo, hi;
};

static struct range range_of_type(enum dtype t)
{
    int bits = dtype_info[t].bits;
    if (dtype_info[t].kind == DTK_I)
        return (struct range){-ldexp(1, bits - 1), ldexp(1, bits - 1) - 1};
    return (struct range){0, ldexp(1, bits) - 1};
}

static struct range range_of_data(const struct tensor *t)
{
    struct range r = {0, 0};
    for (int64_t i = 0, n = tensor_elems(t); i < n; i++) {
        double x = tensor_get_double(t, i);
        r.lo = fmin(r.lo, x);
        r.hi = fmax(r.hi, x);
    }
    return r;
}

// Looks through the subtraction of a zero point and what only moves elements.
static struct range range_of(const struct ir_value *v, int depth)
{
    struct range all = range_of_type(v->type.dtype), r = all, b;
    const struct ir_op *op = v->def;
    if (ir_const_data(v))
        return range_of_data(ir_const_data(v));
    if (!op || depth == 0)
        return all;
    if (op->op == IR_OP_RESHAPE || op->op == IR_OP_TRANSPOSE || op->op == IR_OP_SLICE ||
        op->op == IR_OP_BROADCAST ||
        (op->op == IR_OP_CONVERT && dtype_is_int(op->in[0]->type.dtype)))
        r = range_of(op->in[0], depth - 1);
    else if (op->op == IR_OP_BINARY && ir_int(op, IR_A_fn_binary, -1) == BFN_sub) {
        r = range_of(op->in[0], depth - 1);
        b = range_of(op->in[1], depth - 1);
        r = (struct range){r.lo - b.hi, r.hi - b.lo};
    }
    return r.lo < all.lo || r.hi > all.hi ? all : r; // a wrapped value can be anything
}

static int bits_of_magnitude(double m)
{
    int bits = 0;
    while (m >= 1) {
        m /= 2;
        bits++;
    }
    return bits;
}

enum { RANGE_DEPTH = 8 };

// Bits of a two's complement number that holds every value of the operand.
static int width_of(const struct ir_value *v)
{
    struct range r = range_of(v, RANGE_DEPTH);
    int low = bits_of_magnitude(-r.lo - 1), high = bits_of_magnitude(r.hi);
    return (low > high ? low : high) + 1;
}

// Bits of a sign and a magnitude that holds every value of the operand.
static int magnitude_width(const struct ir_value *v)
{
    struct range r = range_of(v, RANGE_DEPTH);
    int bits = bits_of_magnitude(fmax(-r.lo, r.hi));
    return (bits > 1 ? bits : 1) + 1;
}

static struct ir_value *fold_result(struct pass_ctx *ctx, struct ir_value *v)
{
    return v ? op_fold(ctx, v->def) : NULL;
}

static int limb_count(const struct ir_value *v)
{
    return (dtype_info[v->type.dtype].bits + LIMB_BITS - 1) / LIMB_BITS;
}

static struct ir_value *limb(struct pass_ctx *ctx, struct ir_builder *b, struct ir_value *v, int i)
{
    enum dtype t = v->type.dtype;
    int count = limb_count(v);
    if (count == 1)
        return v;
    if (i)
        v = fold_result(ctx, irb_binary(b, BFN_shr, v, irb_const_like(b, t, LIMB_BITS * i)));
    bool top_signed = i == count - 1 && dtype_info[t].kind == DTK_I;
    return fold_result(ctx, irb_convert(b, v, top_signed ? DT_I16 : DT_U16, false));
}

void limbs_set_bits(struct ir_op *op)
{
    int held = mac_stationary_index(op);
    ir_set_int(op, IR_A_mode, IR_MODE_FIXED);
    ir_set_int(op, IR_A_wbits, magnitude_width(op->in[held]));
    ir_set_int(op, IR_A_abits, width_of(op->in[1 - held]));
}

bool limbs_fit(const struct ir_value *held, int held_bits, const struct ir_value *moving,
               int moving_bits)
{
    return magnitude_width(held) <= held_bits && width_of(moving) <= moving_bits;
}

static bool set_fixed(struct pass_ctx *ctx, struct ir_op *op, enum dtype result)
{
    limbs_set_bits(op);
    if (result != DT_I32)
        ir_set_int(op, IR_A_to, result);
    return ir_infer(op, ctx->diag);
}

struct ir_op *limbs_product(struct ir_op *like, struct ir_value *x, struct ir_value *w)
{
    struct ir_value *in[] = {x, w};
    struct ir_op *op =
        ir_op_create(like->graph, like, like->op, like->loc, in, 2, 1, like->out[0]->name);
    for (int i = 0; i < like->num_attrs; i++) {
        const struct ir_attr *a = &like->attrs[i];
        if (a->is)
            ir_set_ints(op, a->id, a->is, a->n);
        else if (a->id == IR_A_group || a->id == IR_A_stationary)
            ir_set_int(op, a->id, a->i);
    }
    return op;
}

static struct ir_value *partial_product(struct pass_ctx *ctx, struct ir_op *like,
                                        struct ir_value *x, struct ir_value *w)
{
    struct ir_op *op = limbs_product(like, x, w);
    return set_fixed(ctx, op, like->out[0]->type.dtype) ? op->out[0] : NULL;
}

// Sum of the products whose limbs' numbers add up to `place`, in its place.
static struct ir_value *products_at(struct pass_ctx *ctx, struct ir_builder *b, struct ir_op *op,
                                    struct ir_value **x, int nx, struct ir_value **w, int nw,
                                    int place)
{
    struct ir_value *sum = NULL;
    for (int i = 0; i < nx; i++) {
        if (place - i < 0 || place - i >= nw)
            continue;
        struct ir_value *p = partial_product(ctx, op, x[i], w[place - i]);
        sum = !sum ? p : irb_binary(b, BFN_add, sum, p);
        if (!sum)
            return NULL;
    }
    if (place == 0)
        return sum;
    return irb_binary(b, BFN_shl, sum,
                      irb_const_like(b, op->out[0]->type.dtype, LIMB_BITS * place));
}

// A wide constant whose numbers are small is one limb.
static struct ir_value *narrowed(struct pass_ctx *ctx, struct ir_builder *b, struct ir_value *v)
{
    const struct tensor *t = ir_const_data(v);
    int64_t n = t && limb_count(v) > 1 ? tensor_elems(t) : 0;
    for (int64_t i = 0; i < n; i++)
        if (tensor_get_double(t, i) < INT16_MIN || tensor_get_double(t, i) > INT16_MAX)
            return v;
    return n ? fold_result(ctx, irb_convert(b, v, DT_I16, false)) : v;
}

static bool split_op(struct pass_ctx *ctx, struct ir_op *op)
{
    struct ir_builder b = {.graph = op->graph, .before = op, .loc = op->loc, .diag = ctx->diag};
    struct ir_value *x[LIMBS_MAX], *w[LIMBS_MAX], *sum = NULL;
    for (int i = 0; i < 2; i++) {
        struct ir_value *v = narrowed(ctx, &b, op->in[i]);
        if (!v)
            return false;
        ir_op_set_operand(op, i, v);
    }
    int nx = limb_count(op->in[0]), nw = limb_count(op->in[1]);
    int places = dtype_info[op->out[0]->type.dtype].bits / LIMB_BITS;
    for (int i = 0; i < nx; i++)
        if (!(x[i] = limb(ctx, &b, op->in[0], i)))
            return false;
    for (int i = 0; i < nw; i++)
        if (!(w[i] = limb(ctx, &b, op->in[1], i)))
            return false;
    for (int place = 0; place < places && place < nx + nw - 1; place++) {
        struct ir_value *p = products_at(ctx, &b, op, x, nx, w, nw, place);
        sum = !sum ? p : irb_binary(&b, BFN_add, sum, p);
        if (!sum)
            return false;
    }
    const char *name = arena_strdup(ctx->scratch, op->out[0]->name);
    ir_value_replace(op->out[0], sum);
    ir_op_erase(op);
    ir_value_rename(sum, sum->graph, name);
    return true;
}

struct ir_value *limbs_add_bias(struct pass_ctx *ctx, struct ir_builder *b, const struct ir_op *op,
                                struct ir_value *y)
{
    struct ir_value *bias = ir_operand(op, 2);
    if (!bias || !y)
        return y;
    int64_t dim[IR_MAX_RANK];
    int rank = y->type.rank - mac_channel_dim(op);
    for (int d = 0; d < rank; d++)
        dim[d] = d == 0 ? mac_channel_count(op) : 1;
    if (bias->type.dtype != y->type.dtype)
        bias = fold_result(ctx, irb_convert(b, bias, y->type.dtype, false));
    bias = bias ? fold_result(ctx, irb_reshape(b, bias, dim, rank)) : NULL;
    return bias ? irb_binary(b, BFN_add, y, bias) : NULL;
}

// A bias of an integer op is added by the vector unit: the final packager adds floats.
static bool move_bias_out(struct pass_ctx *ctx, struct ir_op *op)
{
    struct ir_value *y = op->out[0];
    struct ir_builder b = {
        .graph = op->graph, .before = op->next, .loc = op->loc, .diag = ctx->diag};
    if (!ir_operand(op, 2))
        return true;
    struct ir_value *sum = limbs_add_bias(ctx, &b, op, y);
    if (!sum)
        return false;
    // The result's uses move to the sum, but the sum's own use of it stays.
    ir_op_set_operand(op, 2, NULL);
    ir_value_replace(y, sum);
    ir_op_set_operand(sum->def, 0, y);
    return true;
}

bool limbs_lower(struct pass_ctx *ctx, struct ir_op *op)
{
    enum dtype result = op->out[0]->type.dtype;
    if (!dtype_is_int(result))
        return diag_report(ctx->diag, op->loc, DIAG_PRECISION,
                           "%s of integers with a result of %s is not supported",
                           ir_op_info[op->op].text, dtype_text(result));
    int held = mac_stationary_index(op);
    if (!move_bias_out(ctx, op))
        return false;
    if (limbs_fit(op->in[held], LIMBS_ARRAY_BITS, op->in[1 - held], LIMBS_ARRAY_BITS))
        return set_fixed(ctx, op, result);
    return split_op(ctx, op);
}

// MAC ops whose two operands are integers times a scale, as DequantizeLinear gives them, become
// exact products of those integers: sum (x sx)(w sw) = (sum x w)(sx sw), with one rounding of the
// scales' product. The scale of the stationary operand may differ by output channel. Precedes the
// folding of constants, in which the weights' integers would vanish. Where a precision was asked
// for, integers that have more bits than it, and floats, are quantised anew.
#include "limbs.h"
#include "macops.h"

struct dequantised {
    struct ir_value *whole;     // the integers
    const struct tensor *scale; // f32
};

// v as a constant, when it is one but for reshaping and conversion.
static struct ir_value *known(struct pass_ctx *ctx, struct ir_value *v)
{
    struct ir_op *op = v->def;
    if (ir_const_data(v))
        return v;
    if (!op || (op->op != IR_OP_RESHAPE && op->op != IR_OP_CONVERT) || !known(ctx, op->in[0]))
        return NULL;
    struct ir_value *c = op_fold(ctx, op);
    return c && ir_const_data(c) ? c : NULL;
}

static bool is_product(const struct ir_value *v)
{
    return v->type.dtype == DT_F32 && v->def && v->def->op == IR_OP_BINARY &&
           ir_int(v->def, IR_A_fn_binary, -1) == BFN_mul;
}

// What a float operand is made of; false: not integers times a known scale.
static bool take_apart(struct pass_ctx *ctx, const struct ir_value *v, struct dequantised *d)
{
    if (!is_product(v))
        return false;
    const struct ir_op *from = v->def->in[0]->def;
    if (!from || from->op != IR_OP_CONVERT || !dtype_is_int(from->in[0]->type.dtype) ||
        !ir_type_equal(&v->type, &v->def->in[0]->type))
        return false;
    struct ir_value *scale = known(ctx, v->def->in[1]);
    *d = (struct dequantised){from->in[0], scale ? ir_const_data(scale) : NULL};
    return d->scale && d->scale->dtype == DT_F32 && d->whole->type.dtype != DT_BOOL;
}

// One scale for all elements, or one for each output channel of the stationary operand.
static bool scales_channels(const struct ir_op *op, const struct tensor *scale)
{
    int64_t n = tensor_elems(scale), rank = op->in[mac_stationary_index(op)]->type.rank;
    if (n == 1)
        return true;
    bool first = op->op == IR_OP_CONV, last = op->op == IR_OP_MATMUL;
    if ((!first && !last) || n != mac_channel_count(op))
        return false;
    if (last)
        return mac_stationary_index(op) == 1 && scale->dim[scale->rank - 1] == n;
    return scale->rank == rank && scale->dim[0] == n;
}

static struct ir_value *product_of_scales(struct pass_ctx *ctx, struct ir_op *op,
                                          const struct tensor *x, const struct tensor *w)
{
    int64_t n = mac_channel_count(op), several = tensor_elems(w) > 1;
    double *v = ARENA_ARRAY(ctx->scratch, (size_t)n + 1, double), by = tensor_get_double(x, 0);
    for (int64_t i = 0; i < n; i++)
        v[i] = by * tensor_get_double(w, several ? i : 0);
    return const_make(ctx, op, DT_F32, &n, 1, v,
                      arena_printf(ctx->scratch, "%s.scale", op->out[0]->name));
}

// With one bit more than was asked for, which a zero point or a weight of -128 takes.
static bool bits_suffice(const struct pass_ctx *ctx, const struct ir_value *w,
                         const struct ir_value *x)
{
    const struct pass_precision *p = &ctx->opt->precision;
    int wbits = LIMBS_ARRAY_BITS, abits = LIMBS_ARRAY_BITS;
    if (p->mode == IR_MODE_FIXED) {
        wbits = p->wbits < wbits ? p->wbits + 1 : wbits;
        abits = p->abits < abits ? p->abits + 1 : abits;
    }
    return limbs_fit(w, wbits, x, abits);
}

static bool make_exact(struct pass_ctx *ctx, struct ir_op *op)
{
    struct dequantised x, w;
    int held = mac_stationary_index(op);
    if (!take_apart(ctx, op->in[held], &w) || !take_apart(ctx, op->in[1 - held], &x) ||
        tensor_elems(x.scale) != 1 || !scales_channels(op, w.scale) ||
        !bits_suffice(ctx, w.whole, x.whole))
        return true;
    struct ir_value *scale = product_of_scales(ctx, op, x.scale, w.scale);
    if (!scale)
        return false;
    ir_op_set_operand(op, held, w.whole);
    ir_op_set_operand(op, 1 - held, x.whole);
    ir_op_add_operands(op, 4);
    ir_op_set_operand(op, 3, scale);
    limbs_set_bits(op);
    return ir_infer(op, ctx->diag);
}

bool pass_fuse_qdq(struct pass_ctx *ctx)
{
    if (ctx->opt->precision.mode == IR_MODE_FP16)
        return true;
    for (struct ir_op *op = ctx->module->main->first, *next; op; op = next) {
        next = op->next;
        if (ir_is_mac(op) && !ir_has_attr(op, IR_A_mode) && op->out[0]->type.dtype == DT_F32 &&
            !make_exact(ctx, op))
            return false;
    }
    return true;
}

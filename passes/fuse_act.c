// fuse-act: what follows a MAC op and what its final packager can do goes into the MAC op, when
// nobody else sees the result: an addition of one number per output channel becomes its bias, max
// and min with one number (Relu, Clip) its clamp.
//
// Exact for f32: the packager rounds after the bias as the addition did. A smaller float type is
// rounded once less.
#include <math.h>

#include "affine.h"
#include "macops.h"
#include "pass.h"

struct limits {
    bool has_min, has_max;
    double min, max;
};

static struct limits limits_of(const struct ir_op *op)
{
    return (struct limits){ir_has_attr(op, IR_A_min), ir_has_attr(op, IR_A_max),
                           ir_float(op, IR_A_min, -INFINITY), ir_float(op, IR_A_max, INFINITY)};
}

static void set_limits(struct ir_op *op, const struct limits *l)
{
    if (l->has_min)
        ir_set_float(op, IR_A_min, l->min);
    if (l->has_max)
        ir_set_float(op, IR_A_max, l->max);
}

// max(., c) and min(., c) after the clamp; false where the result would be a constant.
static bool tighten(struct limits *l, enum binary_fn fn, double c)
{
    if (fn == BFN_max) {
        if (c > l->max)
            return false;
        l->min = fmax(l->min, c);
        l->has_min = true;
        return true;
    }
    if (c < l->min)
        return false;
    l->max = fmin(l->max, c);
    l->has_max = true;
    return true;
}

static bool absorb_clamp(struct ir_op *mac, const struct ir_op *user, const struct ir_value *k)
{
    enum binary_fn fn = (enum binary_fn)ir_int(user, IR_A_fn_binary, -1);
    struct limits l = limits_of(mac);
    double c;
    if ((fn != BFN_max && fn != BFN_min) || !const_splat(k, &c) || (double)(float)c != c ||
        !tighten(&l, fn, c))
        return false;
    set_limits(mac, &l);
    return true;
}

static bool absorb_bias(struct pass_ctx *ctx, struct ir_op *mac, struct ir_op *user)
{
    struct limits l = limits_of(mac);
    struct affine c;
    bool fixed = ir_int(mac, IR_A_mode, IR_MODE_FP32) == IR_MODE_FIXED;
    enum dtype t = mac->out[0]->type.dtype;
    if (ir_operand(mac, 2) || l.has_min || l.has_max || (fixed && !ir_operand(mac, 3)))
        return false;
    affine_start(&c, mac->out[0], mac_channel_dim(mac), ctx->scratch);
    if (!affine_extend(&c, ctx) || c.end != user->out[0] || c.scales)
        return false;
    int64_t channels = mac_channel_count(mac);
    double *bias = ARENA_ARRAY(ctx->scratch, (size_t)channels + 1, double);
    for (int64_t i = 0; i < channels; i++)
        bias[i] = c.shift[c.n == 1 ? 0 : i];
    struct ir_value *v = const_make(ctx, mac, t == DT_F64 ? DT_F64 : DT_F32, &channels, 1, bias,
                                    arena_printf(ctx->scratch, "%s.bias", mac->out[0]->name));
    ir_op_add_operands(mac, 3);
    ir_op_set_operand(mac, 2, v);
    return true;
}

static bool absorb_user(struct pass_ctx *ctx, struct ir_op *mac)
{
    struct ir_value *v = mac->out[0];
    if (!value_has_one_use(v) || !dtype_is_float(v->type.dtype) || ir_has_attr(mac, IR_A_qbits))
        return false;
    struct ir_op *user = v->uses->op;
    if (user->op != IR_OP_BINARY || !ir_type_equal(&user->out[0]->type, &v->type))
        return false;
    const struct ir_value *k = user->in[user->in[0] == v ? 1 : 0];
    if (!ir_const_data(k) || (!absorb_clamp(mac, user, k) && !absorb_bias(ctx, mac, user)))
        return false;
    mac->loc = loc_fused(ctx->module->locs, mac->loc, user->loc);
    ir_value_replace(user->out[0], v);
    ir_op_erase(user);
    return true;
}

bool pass_fuse_act(struct pass_ctx *ctx)
{
    for (struct ir_op *op = ctx->module->main->first; op; op = op->next) {
        if (!ir_is_mac(op))
            continue;
        mac_choose_stationary(op);
        bool changed = false;
        while (absorb_user(ctx, op))
            changed = true;
        if (changed && !ir_infer(op, ctx->diag))
            return false;
    }
    return true;
}

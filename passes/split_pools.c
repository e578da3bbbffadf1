// split-pools: the largest or least of a window of several dimensions is taken along one dimension
// after the other, from the innermost out, where that is at most half the elements to look at: 26
// in place of 169 for a window of 13 x 13.
//
// Exact: which of several equal elements comes out, and so the sign of a zero, is decided in the
// same order. A window, or a part of one, that lies in the padding gives the same limit.
#include "pass.h"

enum { SPATIAL_MAX = IR_MAX_RANK - 2 };

struct windows {
    int num; // dimensions
    int64_t kernel[SPATIAL_MAX], strides[SPATIAL_MAX], dilations[SPATIAL_MAX];
    int64_t pads[2 * SPATIAL_MAX]; // before, then after
};

static bool can_split(const struct ir_op *op)
{
    int64_t fn = ir_int(op, IR_A_fn_reduce, -1);
    return op->op == IR_OP_POOL && (fn == RFN_max || fn == RFN_min) && op->num_in == 1 &&
           !ir_op_is_dynamic(op);
}

static struct windows windows_of(const struct ir_op *op)
{
    struct windows w;
    int n;
    const int64_t *kernel = ir_ints(op, IR_A_kernel, &w.num);
    const int64_t *strides = ir_ints(op, IR_A_strides, &n);
    const int64_t *dilations = ir_ints(op, IR_A_dilations, &n);
    const int64_t *pads = ir_ints(op, IR_A_pads, &n);
    for (int i = 0; i < w.num; i++) {
        w.kernel[i] = kernel[i];
        w.strides[i] = strides[i];
        w.dilations[i] = dilations[i];
        w.pads[i] = pads[i];
        w.pads[w.num + i] = pads[w.num + i];
    }
    return w;
}

// The same along dimension d alone.
static struct windows windows_along(const struct windows *w, int d)
{
    struct windows one = {.num = w->num};
    for (int i = 0; i < w->num; i++) {
        one.kernel[i] = i == d ? w->kernel[i] : 1;
        one.strides[i] = i == d ? w->strides[i] : 1;
        one.dilations[i] = i == d ? w->dilations[i] : 1;
    }
    one.pads[d] = w->pads[d];
    one.pads[w->num + d] = w->pads[w->num + d];
    return one;
}

// Whether splitting halves the elements that are looked at, for every channel of the batch.
static bool pays(const struct ir_op *op, const struct windows *w)
{
    const int64_t *x = op->in[0]->type.dim + 2, *y = op->out[0]->type.dim + 2;
    double whole = 1, split = 0;
    for (int i = 0; i < w->num; i++)
        whole *= (double)y[i] * (double)w->kernel[i];
    for (int d = w->num - 1; d >= 0; d--) {
        double part = (double)w->kernel[d];
        for (int i = 0; i < w->num; i++)
            part *= (double)(i < d ? x[i] : y[i]);
        split += w->kernel[d] > 1 || w->strides[d] > 1 ? part : 0;
    }
    return split > 0 && 2 * split <= whole;
}

static bool split(struct pass_ctx *ctx, struct ir_op *op, const struct windows *w)
{
    struct ir_builder b = {.graph = op->graph, .before = op, .loc = op->loc, .diag = ctx->diag};
    enum reduce_fn fn = (enum reduce_fn)ir_int(op, IR_A_fn_reduce, 0);
    struct ir_value *v = op->in[0];
    for (int d = w->num - 1; v && d > 0; d--) {
        struct windows one = windows_along(w, d);
        if (w->kernel[d] > 1 || w->strides[d] > 1 || w->pads[d] || w->pads[w->num + d])
            v = irb_pool(&b, fn, v, w->num, one.kernel, one.strides, one.dilations, one.pads);
    }
    if (!v)
        return false;
    struct windows last = windows_along(w, 0);
    ir_op_set_operand(op, 0, v);
    ir_set_ints(op, IR_A_kernel, last.kernel, w->num);
    ir_set_ints(op, IR_A_strides, last.strides, w->num);
    ir_set_ints(op, IR_A_dilations, last.dilations, w->num);
    ir_set_ints(op, IR_A_pads, last.pads, 2 * w->num);
    return ir_infer(op, ctx->diag);
}

bool pass_split_pools(struct pass_ctx *ctx)
{
    for (struct ir_op *op = ctx->module->main->first; op; op = op->next) {
        if (!can_split(op))
            continue;
        struct windows w = windows_of(op);
        if (pays(op, &w) && !split(ctx, op, &w))
            return false;
    }
    return true;
}

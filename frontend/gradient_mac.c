// Rules of the MAC ops: their backward products are MAC ops too.
#include "gradient.h"

// ---- Windows

struct windows { // of conv and conv_transpose
    int spatial;
    const int64_t *strides, *dilations, *pads;
    int64_t group;
};

static struct windows windows_of(const struct ir_op *op)
{
    struct windows w = {.group = ir_int(op, IR_A_group, 1)};
    w.strides = ir_ints(op, IR_A_strides, &w.spatial);
    w.dilations = ir_ints(op, IR_A_dilations, &w.spatial);
    w.pads = ir_ints(op, IR_A_pads, &w.spatial);
    w.spatial /= 2;
    return w;
}

// x with its spatial extents cut to those of t.
static struct ir_value *cut_spatial(struct gradient *g, struct ir_value *x, const int64_t *extent)
{
    int64_t starts[IR_MAX_RANK] = {0}, steps[IR_MAX_RANK], sizes[IR_MAX_RANK];
    bool same = true;
    if (!x)
        return NULL;
    for (int i = 0; i < x->type.rank; i++) {
        steps[i] = 1;
        sizes[i] = i < 2 ? x->type.dim[i] : extent[i - 2];
        same = same && sizes[i] == x->type.dim[i];
    }
    return same ? x : irb_slice(gradient_builder(g), x, starts, sizes, steps);
}

// x[n, group * c, ..] as [c, group * n, ..].
static struct ir_value *exchange(struct gradient *g, struct ir_value *x, int64_t group)
{
    struct ir_builder *b = gradient_builder(g);
    int64_t perm[IR_MAX_RANK], dim[IR_MAX_RANK];
    int rank = x->type.rank;
    if (group == 1) {
        for (int i = 0; i < rank; i++)
            perm[i] = i;
        perm[0] = 1;
        perm[1] = 0;
        return irb_transpose(b, x, perm);
    }
    // [n, group * c, ..] -> [n, group, c, ..] -> [c, group, n, ..] -> [c, group * n, ..]
    dim[0] = x->type.dim[0];
    dim[1] = group;
    dim[2] = x->type.dim[1] / group;
    for (int i = 2; i < rank; i++)
        dim[i + 1] = x->type.dim[i];
    for (int i = 0; i <= rank; i++)
        perm[i] = i;
    perm[0] = 2;
    perm[2] = 0;
    struct ir_value *t = irb_transpose(b, irb_reshape(b, x, dim, rank + 1), perm);
    dim[0] = dim[2];
    dim[1] = group * x->type.dim[0];
    for (int i = 2; i < rank; i++)
        dim[i] = x->type.dim[i];
    return irb_reshape(b, t, dim, rank);
}

// The derivative by the weights w[M, C/group, ..] of a convolution of x[N, C, ..] that gave y[N, M,
// ..]: x convolved with dy, batch and channels exchanged, strides and dilations too.
static struct ir_value *by_weights(struct gradient *g, const struct windows *win,
                                   struct ir_value *x, struct ir_value *dy, const struct ir_type *w)
{
    struct ir_builder *b = gradient_builder(g);
    struct ir_value *signal = exchange(g, x, win->group), *kernel = exchange(g, dy, 1);
    struct ir_value *d = irb_conv(b, signal, kernel, NULL, win->spatial, win->dilations,
                                  win->strides, win->pads, win->group);
    // Positions that no window reached add kernel extents at the end.
    d = cut_spatial(g, d, w->dim + 2);
    return d ? exchange(g, d, 1) : NULL;
}

static struct ir_value *by_bias(struct gradient *g, struct ir_value *dy, int channel)
{
    int64_t axes[IR_MAX_RANK];
    int num = 0;
    for (int i = 0; i < dy->type.rank; i++)
        if (i != channel)
            axes[num++] = i;
    return irb_reduce(gradient_builder(g), RFN_sum, dy, axes, num, false);
}

// What importing gives: no mode, no clamp, no quantisation.
static bool is_plain(const struct ir_op *op)
{
    return !ir_has_attr(op, IR_A_mode) && !ir_has_attr(op, IR_A_min) &&
           !ir_has_attr(op, IR_A_max) && !ir_has_attr(op, IR_A_q) && !ir_has_attr(op, IR_A_to) &&
           !ir_operand(op, 3);
}

static bool check_plain(struct gradient *g, const struct ir_op *op)
{
    return is_plain(op) || gradient_refuse(g, op, "the product is quantised or clamped");
}

// The derivative by the bias, which may be narrower or wider than the product.
static bool give_bias(struct gradient *g, const struct ir_op *op, struct ir_value *dy, int channel)
{
    if (!gradient_wants(g, op, 2))
        return true;
    struct ir_value *d = by_bias(g, dy, channel);
    enum dtype t = op->in[2]->type.dtype;
    if (d && d->type.dtype != t)
        d = irb_convert(gradient_builder(g), d, t, false);
    return gradient_give(g, op, 2, d);
}

// ---- conv and conv_transpose

bool gradient_conv(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    struct windows win = windows_of(op);
    struct ir_value *x = op->in[0], *w = op->in[1];
    int64_t outpad[IR_MAX_RANK] = {0};
    if (!check_plain(g, op))
        return false;
    // Elements after the last window.
    for (int i = 0; i < win.spatial; i++)
        outpad[i] = x->type.dim[2 + i] + win.pads[i] + win.pads[win.spatial + i] -
                    (dy->type.dim[2 + i] - 1) * win.strides[i] -
                    win.dilations[i] * (w->type.dim[2 + i] - 1) - 1;
    if (gradient_wants(g, op, 0) &&
        !gradient_give(g, op, 0,
                       irb_conv_transpose(gradient_builder(g), dy, w, NULL, win.spatial,
                                          win.strides, win.dilations, win.pads, outpad, win.group)))
        return false;
    if (gradient_wants(g, op, 1) && !gradient_give(g, op, 1, by_weights(g, &win, x, dy, &w->type)))
        return false;
    return give_bias(g, op, dy, 1);
}

bool gradient_conv_transpose(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    struct windows win = windows_of(op);
    struct ir_value *x = op->in[0], *w = op->in[1];
    if (!check_plain(g, op))
        return false;
    if (gradient_wants(g, op, 0)) {
        struct ir_value *d = irb_conv(gradient_builder(g), dy, w, NULL, win.spatial, win.strides,
                                      win.dilations, win.pads, win.group);
        if (!gradient_give(g, op, 0, cut_spatial(g, d, x->type.dim + 2)))
            return false;
    }
    if (gradient_wants(g, op, 1) && !gradient_give(g, op, 1, by_weights(g, &win, dy, x, &w->type)))
        return false;
    return give_bias(g, op, dy, 1);
}

// ---- matmul

static struct ir_value *transposed(struct gradient *g, struct ir_value *x)
{
    int64_t perm[IR_MAX_RANK];
    if (!x)
        return NULL;
    int rank = x->type.rank;
    for (int i = 0; i < rank; i++)
        perm[i] = i;
    perm[rank - 2] = rank - 1;
    perm[rank - 1] = rank - 2;
    return irb_transpose(gradient_builder(g), x, perm);
}

// Batches and rows as rows.
static struct ir_value *as_matrix(struct gradient *g, struct ir_value *x)
{
    int64_t cols = x->type.dim[x->type.rank - 1], rows = 1;
    for (int i = 0; i + 1 < x->type.rank; i++)
        rows *= x->type.dim[i];
    return irb_reshape(gradient_builder(g), x, (const int64_t[]){rows, cols}, 2);
}

// When the batches share the right operand, one product sums over them.
static struct ir_value *by_right(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    struct ir_value *a = op->in[0], *b = op->in[1];
    if (b->type.rank == 2 && a->type.rank > 2) {
        a = as_matrix(g, a);
        dy = as_matrix(g, dy);
    }
    return irb_matmul(gradient_builder(g), transposed(g, a), dy, NULL);
}

bool gradient_matmul(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    if (!check_plain(g, op))
        return false;
    if (gradient_wants(g, op, 0) &&
        !gradient_give(g, op, 0,
                       irb_matmul(gradient_builder(g), dy, transposed(g, op->in[1]), NULL)))
        return false;
    if (gradient_wants(g, op, 1) && !gradient_give(g, op, 1, by_right(g, op, dy)))
        return false;
    return give_bias(g, op, dy, dy->type.rank - (ir_int(op, IR_A_stationary, 1) ? 1 : 2));
}

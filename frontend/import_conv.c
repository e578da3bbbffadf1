// Conv and ConvTranspose.
#include <string.h>

#include "import_extents.h"
#include "import_window.h"

// x and w, operand `weights`, of equal rank with 1 to 3 spatial dimensions.
static bool check_operands(struct import_node *n, int weights, int *spatial)
{
    if (!node_check_rank(n, 0, 3, 5))
        return false;
    const struct ir_type *x = &n->in[0]->type, *w = &n->in[weights]->type;
    if (x->rank != w->rank)
        return node_error(n, DIAG_ONNX_SHAPE,
                          "x '%s' is %s and the weights '%s' are %s; their ranks differ",
                          node_input_name(n, 0), node_type_text(n, 0), node_input_name(n, weights),
                          node_type_text(n, weights));
    *spatial = x->rank - 2;
    return true;
}

bool window_of_conv(struct import_node *n, int weights, struct window *w)
{
    int spatial;
    return check_operands(n, weights, &spatial) &&
           window_read(n, spatial, n->in[weights]->type.dim + 2, w) &&
           window_place(n, w, n->in[0]->type.dim + 2, false);
}

// x with the pads that auto_pad asks for where they depend on an extent known only at run time; the
// window then has none there.
static struct ir_value *pad_open(struct import_node *n, struct ir_value *x, struct window *w, int i)
{
    struct ir_builder *b = &n->b;
    int64_t reach = (w->kernel[i] - 1) * w->dilations[i] + 1, s = w->strides[i];
    struct ir_value *in = x->type.sym[2 + i], *zero = node_i64(n, 0);
    struct ir_value *out = irb_binary(b, BFN_div, node_plus(n, in, s - 1), node_i64(n, s));
    struct ir_value *last = irb_binary(b, BFN_mul, node_plus(n, out, -1), node_i64(n, s));
    struct ir_value *total = irb_binary(b, BFN_sub, node_plus(n, last, reach), in);
    total = irb_binary(b, BFN_max, total, zero);
    struct ir_value *less = irb_binary(b, BFN_div, total, node_i64(n, 2));
    struct ir_value *begin = w->upper ? less : irb_binary(b, BFN_sub, total, less);
    struct ir_value *at =
        node_iota_to(n, irb_binary(b, BFN_add, in, total), x->type.dim[2 + i] + reach);
    w->pads[i] = w->pads[w->spatial + i] = 0;
    return node_pick(n, x, 2 + i, irb_binary(b, BFN_sub, at, begin),
                     irb_const_like(b, x->type.dtype, 0));
}

static bool conv_open(struct import_node *n, struct window *w)
{
    struct ir_value *x = n->in[0], *extent[WINDOW_DIMS_MAX] = {NULL};
    for (int i = 0; x && i < w->spatial; i++)
        if (x->type.sym[2 + i] && w->same && w->strides[i] > 1)
            x = pad_open(n, x, w, i);
    if (!window_extents(n, x, w, extent))
        return false;
    return node_bind(n, 0,
                     irb_conv_to(&n->b, x, n->in[1], node_in(n, 2), w->spatial, w->strides,
                                 w->dilations, w->pads, node_int(n, "group", 1), extent));
}

bool import_Conv(struct import_node *n)
{
    struct window w;
    if (!window_of_conv(n, 1, &w))
        return false;
    if (ir_type_is_dynamic(&n->in[0]->type))
        return conv_open(n, &w);
    return node_bind(n, 0,
                     irb_conv(&n->b, n->in[0], n->in[1], node_in(n, 2), w.spatial, w.strides,
                              w.dilations, w.pads, node_int(n, "group", 1)));
}

// Pads so that spatial dimension i of the result has `extent` elements; what the kernel does not
// reach is added at the end.
static void fit_extent(struct window *w, int i, int64_t in, int64_t extent, int64_t *outpad)
{
    int64_t total =
        w->strides[i] * (in - 1) + outpad[i] + (w->kernel[i] - 1) * w->dilations[i] + 1 - extent;
    if (total < 0) {
        outpad[i] -= total;
        total = 0;
    }
    w->pads[i] = w->upper ? total / 2 : total - total / 2;
    w->pads[w->spatial + i] = total - w->pads[i];
}

static bool place_transposed(struct import_node *n, struct window *w, int64_t *outpad)
{
    const int64_t *in = n->in[0]->type.dim + 2;
    int64_t extent[WINDOW_DIMS_MAX];
    int num;
    const int64_t *given = node_ints(n, "output_shape", &num);
    // Some exporters write the batch and channels too.
    if (given && num == w->spatial + 2)
        given += 2;
    else if (given && !window_ints(n, "output_shape", w->spatial, 1, 1, extent))
        return false;
    for (int i = 0; i < w->spatial; i++) {
        if (given && (given[i] < 1 || given[i] > (INT64_C(1) << 40)))
            return node_error(n, DIAG_ONNX_ATTR, "output_shape has extent %lld",
                              (long long)given[i]);
        if (given)
            fit_extent(w, i, in[i], given[i], outpad);
        else if (w->same)
            fit_extent(w, i, in[i], in[i] * w->strides[i], outpad);
    }
    return true;
}

bool import_ConvTranspose(struct import_node *n)
{
    struct window w;
    int64_t outpad[WINDOW_DIMS_MAX];
    int spatial;
    if (!check_operands(n, 1, &spatial) || !window_read(n, spatial, n->in[1]->type.dim + 2, &w) ||
        !window_ints(n, "output_padding", spatial, 0, 0, outpad) ||
        !place_transposed(n, &w, outpad))
        return false;
    return node_bind(n, 0,
                     irb_conv_transpose(&n->b, n->in[0], n->in[1], node_in(n, 2), spatial,
                                        w.strides, w.dilations, w.pads, outpad,
                                        node_int(n, "group", 1)));
}

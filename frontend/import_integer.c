// Products of quantised tensors: ConvInteger, MatMulInteger, QLinearConv, QLinearMatMul. The zero
// points are subtracted first, so that padding is the number 0; the product is one of integers (of
// floats for the 8-bit floats), to which the array adds nothing.
#include "import_util.h"
#include "import_window.h"

static struct ir_value *scalar(struct import_node *n, struct ir_value *v)
{
    return v->type.rank == 0 ? v : irb_reshape(&n->b, v, NULL, 0);
}

// Operand i, a scale or a zero point, absent or broadcast over the weights (or, with rank one less,
// over the channels of the result).
static bool over_channels(struct import_node *n, int i, int rank, struct ir_value **out)
{
    struct ir_value *v = *out = node_in(n, i);
    if (v)
        *out = ir_type_elems(&v->type) == 1 ? scalar(n, v) : node_along_axis(n, v, rank, 0);
    return !v || *out;
}

// The same over the rows of the first factor (or the result) of a product whose matrices have the
// rank `rank`, and over the columns of the second one. Vectors count rows or columns; other shapes
// broadcast as they are.
static bool over_lines(struct import_node *n, int i, int rank, bool rows, struct ir_value **out)
{
    struct ir_value *v = *out = node_in(n, i);
    if (!v)
        return true;
    if (ir_type_elems(&v->type) == 1)
        *out = scalar(n, v);
    else if (v->type.rank == 1 && rows)
        *out = node_along_axis(n, v, 2, 0);
    else if (v->type.rank > rank)
        return node_error(n, DIAG_ONNX_SHAPE, "'%s' is %s, its operand has rank %d",
                          node_input_name(n, i), node_type_text(n, i), rank);
    return *out != NULL;
}

// product * (a * b / y), rounded, plus the zero point: what the quantised operators end with.
static struct ir_value *requantised(struct import_node *n, struct ir_value *product,
                                    struct ir_value *const *scale, struct ir_value *zero,
                                    enum dtype t)
{
    struct ir_value *s[3];
    for (int i = 0; i < 3; i++)
        s[i] = node_convert(n, scale[i], DT_F32);
    struct ir_value *factor =
        irb_binary(&n->b, BFN_div, irb_binary(&n->b, BFN_mul, s[0], s[1]), s[2]);
    return node_quantised(n, irb_binary(&n->b, BFN_mul, node_convert(n, product, DT_F32), factor),
                          zero, t, true);
}

// ---- Convolution

static struct ir_value *convolution(struct import_node *n, int x_zero, int weights, int w_zero,
                                    struct ir_value *bias)
{
    struct window w;
    struct ir_value *zx, *zw;
    if (!window_of_conv(n, weights, &w) ||
        !over_channels(n, w_zero, n->in[weights]->type.rank, &zw) ||
        !over_channels(n, x_zero, n->in[0]->type.rank, &zx))
        return NULL;
    if (zx && zx->type.rank) {
        node_error(n, DIAG_ONNX_SHAPE, "the zero point '%s' of x is %s, a scalar is needed",
                   node_input_name(n, x_zero), node_type_text(n, x_zero));
        return NULL;
    }
    return irb_conv(&n->b, node_centred(n, n->in[0], zx), node_centred(n, n->in[weights], zw), bias,
                    w.spatial, w.strides, w.dilations, w.pads, node_int(n, "group", 1));
}

bool import_ConvInteger(struct import_node *n)
{
    return node_bind(n, 0, convolution(n, 2, 1, 3, NULL));
}

bool import_QLinearConv(struct import_node *n)
{
    struct ir_value *scale[3], *zero, *y = convolution(n, 2, 3, 5, node_in(n, 8));
    int rank = n->in[0]->type.rank;
    enum dtype t = node_in(n, 7) ? n->in[7]->type.dtype : n->in[0]->type.dtype;
    if (!y || !over_channels(n, 1, rank - 1, &scale[0]) ||
        !over_channels(n, 4, rank - 1, &scale[1]) || !over_channels(n, 6, rank - 1, &scale[2]) ||
        !over_channels(n, 7, rank - 1, &zero))
        return false;
    return node_bind(n, 0, requantised(n, y, scale, zero, t));
}

// ---- Matrix product

static struct ir_value *product(struct import_node *n, int a_zero, int second, int b_zero)
{
    struct ir_value *za, *zb, *a = n->in[0], *b = n->in[second];
    if (!node_check_rank(n, 0, 1, IR_MAX_RANK) || !node_check_rank(n, second, 1, IR_MAX_RANK))
        return NULL;
    a = node_as_matrix(n, a, true);
    b = node_as_matrix(n, b, false);
    if (!a || !b || !over_lines(n, a_zero, a->type.rank, true, &za) ||
        !over_lines(n, b_zero, b->type.rank, false, &zb))
        return NULL;
    return irb_matmul(&n->b, node_centred(n, a, za), node_centred(n, b, zb), NULL);
}

static bool bind_product(struct import_node *n, struct ir_value *y, int second)
{
    return node_bind(
        n, 0, node_from_matrix(n, y, n->in[0]->type.rank == 1, n->in[second]->type.rank == 1));
}

bool import_MatMulInteger(struct import_node *n)
{
    return bind_product(n, product(n, 2, 1, 3), 1);
}

bool import_QLinearMatMul(struct import_node *n)
{
    struct ir_value *scale[3], *zero, *y = product(n, 2, 3, 5);
    enum dtype t = node_in(n, 7) ? n->in[7]->type.dtype : n->in[0]->type.dtype;
    if (!y || !over_lines(n, 1, y->type.rank, true, &scale[0]) ||
        !over_lines(n, 4, y->type.rank, false, &scale[1]) ||
        !over_lines(n, 6, y->type.rank, true, &scale[2]) ||
        !over_lines(n, 7, y->type.rank, true, &zero))
        return false;
    return bind_product(n, requantised(n, y, scale, zero, t), 3);
}

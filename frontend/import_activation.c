// Activations, spelled out in the functions of the IR.
#include <string.h>

#include "import_util.h"

static struct ir_value *scalar(struct import_node *n, double v)
{
    return irb_const_like(&n->b, n->in[0]->type.dtype, v);
}

// x where it is at least 0, else `below`.
static struct ir_value *unless_negative(struct import_node *n, struct ir_value *below)
{
    return irb_select(&n->b, node_with_scalar(n, BFN_lt, n->in[0], 0), below, n->in[0]);
}

// alpha * (e^(x * factor) - 1)
static struct ir_value *exponential(struct import_node *n, double alpha, double factor)
{
    struct ir_value *x = factor == 1 ? n->in[0] : node_with_scalar(n, BFN_mul, n->in[0], factor);
    struct ir_value *e = node_with_scalar(n, BFN_sub, irb_unary(&n->b, UFN_exp, x), 1);
    return alpha == 1 ? e : node_with_scalar(n, BFN_mul, e, alpha);
}

static struct ir_value *limited(struct import_node *n, struct ir_value *x, double low, double high)
{
    return node_with_scalar(n, BFN_min, node_with_scalar(n, BFN_max, x, low), high);
}

bool import_Relu(struct import_node *n)
{
    return node_bind(n, 0, node_with_scalar(n, BFN_max, n->in[0], 0));
}

bool import_LeakyRelu(struct import_node *n)
{
    double alpha = node_float(n, "alpha", 0.01);
    struct ir_value *scaled = node_with_scalar(n, BFN_mul, n->in[0], alpha);
    // Between 0 and 1 the larger of the two is the right one.
    if (alpha > 0 && alpha <= 1)
        return node_bind(n, 0, irb_binary(&n->b, BFN_max, n->in[0], scaled));
    return node_bind(n, 0, unless_negative(n, scaled));
}

bool import_PRelu(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    struct ir_value *slope = n->in[1];
    // Old exporters give one slope per channel without the trailing ones.
    if (slope->type.rank == 1 && x->rank > 2 && slope->type.dim[0] == x->dim[1] &&
        slope->type.dim[0] != 1 && slope->type.dim[0] != x->dim[x->rank - 1])
        slope = node_along_axis(n, slope, x->rank, 1);
    return node_bind(n, 0, unless_negative(n, irb_binary(&n->b, BFN_mul, n->in[0], slope)));
}

bool import_Elu(struct import_node *n)
{
    return node_bind(n, 0, unless_negative(n, exponential(n, node_float(n, "alpha", 1), 1)));
}

bool import_Selu(struct import_node *n)
{
    bool old = n->opset < 6;
    double alpha = node_float(n, "alpha", old ? 1.6732F : 1.67326319217681884765625),
           gamma = node_float(n, "gamma", old ? 1.0507F : 1.05070102214813232421875);
    return node_bind(
        n, 0, node_with_scalar(n, BFN_mul, unless_negative(n, exponential(n, alpha, 1)), gamma));
}

bool import_Celu(struct import_node *n)
{
    double alpha = node_float(n, "alpha", 1);
    if (alpha == 0)
        return node_error(n, DIAG_ONNX_ATTR, "alpha is 0");
    return node_bind(n, 0, unless_negative(n, exponential(n, alpha, 1 / alpha)));
}

bool import_HardSigmoid(struct import_node *n)
{
    struct ir_value *x = node_with_scalar(n, BFN_mul, n->in[0], node_float(n, "alpha", 0.2));
    return node_bind(n, 0,
                     limited(n, node_with_scalar(n, BFN_add, x, node_float(n, "beta", 0.5)), 0, 1));
}

bool import_HardSwish(struct import_node *n)
{
    struct ir_value *x =
        node_with_scalar(n, BFN_add, node_with_scalar(n, BFN_mul, n->in[0], 1.0 / 6), 0.5);
    return node_bind(n, 0, irb_binary(&n->b, BFN_mul, n->in[0], limited(n, x, 0, 1)));
}

bool import_ClipAttr(struct import_node *n)
{
    struct ir_value *x = n->in[0];
    if (node_has_attr(n, "min"))
        x = node_with_scalar(n, BFN_max, x, node_float(n, "min", 0));
    if (node_has_attr(n, "max"))
        x = node_with_scalar(n, BFN_min, x, node_float(n, "max", 0));
    return node_bind(n, 0, x);
}

bool import_Clip(struct import_node *n)
{
    struct ir_value *x = n->in[0];
    for (int i = 1; i <= 2; i++)
        if (node_in(n, i))
            x = irb_binary(&n->b, i == 1 ? BFN_max : BFN_min, x, n->in[i]);
    return node_bind(n, 0, x);
}

bool import_Gelu(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    const char *how = node_str(n, "approximate", "none");
    struct ir_value *x = n->in[0], *inner;
    if (strcmp(how, "none") == 0) {
        inner = irb_unary(b, UFN_erf, node_with_scalar(n, BFN_mul, x, 0.70710678118654752440));
    } else if (strcmp(how, "tanh") == 0) {
        struct ir_value *cube = irb_binary(b, BFN_mul, irb_binary(b, BFN_mul, x, x), x);
        struct ir_value *sum =
            irb_binary(b, BFN_add, x, node_with_scalar(n, BFN_mul, cube, 0.044715));
        inner = irb_unary(b, UFN_tanh, node_with_scalar(n, BFN_mul, sum, 0.79788456080286535588));
    } else {
        return node_error(n, DIAG_ONNX_ATTR, "approximate is '%s'; none and tanh exist", how);
    }
    return node_bind(n, 0,
                     irb_binary(b, BFN_mul, node_with_scalar(n, BFN_mul, x, 0.5),
                                node_with_scalar(n, BFN_add, inner, 1)));
}

bool import_Mish(struct import_node *n)
{
    return node_bind(
        n, 0,
        irb_binary(&n->b, BFN_mul, n->in[0],
                   irb_unary(&n->b, UFN_tanh, irb_unary(&n->b, UFN_softplus, n->in[0]))));
}

bool import_Swish(struct import_node *n)
{
    double alpha = node_float(n, "alpha", 1);
    struct ir_value *x = alpha == 1 ? n->in[0] : node_with_scalar(n, BFN_mul, n->in[0], alpha);
    return node_bind(n, 0, irb_binary(&n->b, BFN_mul, n->in[0], irb_unary(&n->b, UFN_sigmoid, x)));
}

bool import_Softsign(struct import_node *n)
{
    return node_bind(
        n, 0,
        irb_binary(&n->b, BFN_div, n->in[0],
                   node_with_scalar(n, BFN_add, irb_unary(&n->b, UFN_abs, n->in[0]), 1)));
}

bool import_ThresholdedRelu(struct import_node *n)
{
    struct ir_value *above = node_scalar_with(n, BFN_lt, node_float(n, "alpha", 1), n->in[0]);
    return node_bind(n, 0, irb_select(&n->b, above, n->in[0], scalar(n, 0)));
}

bool import_Shrink(struct import_node *n)
{
    double lambd = node_float(n, "lambd", 0.5), bias = node_float(n, "bias", 0);
    // Integers are compared and moved as doubles: lambd and bias may be fractions or negative.
    enum dtype t = n->in[0]->type.dtype, in = dtype_is_float(t) ? t : DT_F64;
    struct ir_value *x = node_convert(n, n->in[0], in), *zero = irb_const_like(&n->b, in, 0);
    struct ir_value *above = irb_select(&n->b, node_scalar_with(n, BFN_lt, lambd, x),
                                        node_with_scalar(n, BFN_sub, x, bias), zero);
    struct ir_value *y = irb_select(&n->b, node_with_scalar(n, BFN_lt, x, -lambd),
                                    node_with_scalar(n, BFN_add, x, bias), above);
    return node_bind(n, 0, node_convert(n, y, t));
}

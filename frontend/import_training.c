// ai.onnx.preview.training: optimisers. Inputs are the rate R, the update count T, then for the
// tensors to optimise all X, all gradients G and the states of each kind; outputs all new X and all
// new states.
#include <string.h>

#include "import_util.h"

// Groups of inputs after R and T: how many tensors there are, or 0 after a report.
static int optimised(struct import_node *n, int kinds)
{
    int num = (n->num_in - 2) / kinds;
    if (num < 1 || num * kinds + 2 != n->num_in || n->num_out > num * (kinds - 1)) {
        node_error(n, DIAG_ONNX_ARITY,
                   "%d inputs and %d outputs; R, T and %d inputs and %d outputs for each tensor "
                   "are needed",
                   n->num_in, n->num_out, kinds, kinds - 1);
        return 0;
    }
    for (int i = 0; i < 2; i++)
        if (ir_type_elems(&n->in[i]->type) != 1) {
            node_error(n, DIAG_ONNX_SHAPE, "%s is %s, one number is needed", i == 0 ? "R" : "T",
                       node_type_text(n, i));
            return 0;
        }
    for (int i = 2; i < n->num_in; i++) {
        const struct ir_type *t = &n->in[i]->type, *x = &n->in[2 + (i - 2) % num]->type;
        if (!dtype_is_float(t->dtype) || !ir_type_equal(t, x)) {
            node_error(n, DIAG_ONNX_SHAPE,
                       "input %d is %s and its X %s; float tensors of one type are needed", i,
                       node_type_text(n, i), ir_type_text(x, n->arena));
            return 0;
        }
    }
    return num;
}

// Operand i as a scalar of type t.
static struct ir_value *number(struct import_node *n, int i, enum dtype t)
{
    struct ir_value *v = n->in[i];
    return node_convert(n, v->type.rank == 0 ? v : irb_reshape(&n->b, v, NULL, 0), t);
}

static struct ir_value *times(struct import_node *n, struct ir_value *x, double v)
{
    return v == 1 ? x : node_with_scalar(n, BFN_mul, x, v);
}

static struct ir_value *mul(struct import_node *n, struct ir_value *a, struct ir_value *b)
{
    return irb_binary(&n->b, BFN_mul, a, b);
}

static struct ir_value *add(struct import_node *n, struct ir_value *a, struct ir_value *b)
{
    return irb_binary(&n->b, BFN_add, a, b);
}

// The gradient with that of norm_coefficient / 2 * |x|^2 added.
static struct ir_value *regularised(struct import_node *n, struct ir_value *x, struct ir_value *g)
{
    double norm = node_float(n, "norm_coefficient", 0);
    return norm == 0 ? g : add(n, times(n, x, norm), g);
}

// 1 from the second update on, else 0.
static struct ir_value *begun(struct import_node *n)
{
    struct ir_value *t = number(n, 1, n->in[1]->type.dtype);
    return node_scalar_with(n, BFN_lt, 0, t);
}

// ---- Adagrad

static bool adagrad_step(struct import_node *n, int i, int num)
{
    struct ir_value *x = n->in[2 + i], *g = regularised(n, x, n->in[2 + num + i]),
                    *h = n->in[2 + 2 * num + i];
    enum dtype t = x->type.dtype;
    struct ir_value *decay = node_with_scalar(
        n, BFN_add, times(n, number(n, 1, t), node_float(n, "decay_factor", 0)), 1);
    struct ir_value *rate = irb_binary(&n->b, BFN_div, number(n, 0, t), decay);
    struct ir_value *sum = add(n, h, mul(n, g, g));
    struct ir_value *root = node_with_scalar(n, BFN_add, irb_unary(&n->b, UFN_sqrt, sum),
                                             node_float(n, "epsilon", 1e-6));
    struct ir_value *step = irb_binary(&n->b, BFN_div, mul(n, g, rate), root);
    return node_bind(n, i, irb_binary(&n->b, BFN_sub, x, step)) && node_bind(n, num + i, sum);
}

bool import_Adagrad(struct import_node *n)
{
    int num = optimised(n, 3);
    for (int i = 0; i < num; i++)
        if (!adagrad_step(n, i, num))
            return false;
    return num > 0;
}

// ---- Adam

// 1 - c^T
static struct ir_value *bias_of_average(struct import_node *n, double c, enum dtype t)
{
    struct ir_value *count = number(n, 1, t);
    return node_scalar_with(n, BFN_sub, 1, node_scalar_with(n, BFN_pow, c, count));
}

// R, from the second update on with the averages' bias towards their zero start taken out.
static struct ir_value *adam_rate(struct import_node *n, double alpha, double beta, enum dtype t)
{
    struct ir_value *rate = number(n, 0, t);
    struct ir_value *factor =
        irb_binary(&n->b, BFN_div, irb_unary(&n->b, UFN_sqrt, bias_of_average(n, beta, t)),
                   bias_of_average(n, alpha, t));
    return irb_select(&n->b, begun(n), mul(n, rate, factor), rate);
}

static struct ir_value *average(struct import_node *n, struct ir_value *old, struct ir_value *new,
                                double keep)
{
    return add(n, times(n, old, keep), times(n, new, 1 - keep));
}

static bool adam_step(struct import_node *n, int i, int num, struct ir_value *rate)
{
    double alpha = node_float(n, "alpha", 0.9F), beta = node_float(n, "beta", 0.999F),
           post = node_float(n, "norm_coefficient_post", 0);
    struct ir_value *x = n->in[2 + i], *g = regularised(n, x, n->in[2 + num + i]);
    struct ir_value *v = average(n, n->in[2 + 2 * num + i], g, alpha),
                    *h = average(n, n->in[2 + 3 * num + i], mul(n, g, g), beta);
    struct ir_value *root = node_with_scalar(n, BFN_add, irb_unary(&n->b, UFN_sqrt, h),
                                             node_float(n, "epsilon", 1e-6F));
    struct ir_value *y =
        irb_binary(&n->b, BFN_sub, x, mul(n, rate, irb_binary(&n->b, BFN_div, v, root)));
    return node_bind(n, i, times(n, y, 1 - post)) && node_bind(n, num + i, v) &&
           node_bind(n, 2 * num + i, h);
}

bool import_Adam(struct import_node *n)
{
    int num = optimised(n, 4);
    double alpha = node_float(n, "alpha", 0.9F), beta = node_float(n, "beta", 0.999F);
    struct ir_value *rate = NULL;
    for (int i = 0; i < num; i++) {
        enum dtype t = n->in[2 + i]->type.dtype;
        if (!rate || rate->type.dtype != t)
            rate = adam_rate(n, alpha, beta, t);
        if (!adam_step(n, i, num, rate))
            return false;
    }
    return num > 0;
}

// ---- Momentum

static bool momentum_step(struct import_node *n, int i, int num, bool nesterov)
{
    double alpha = node_float(n, "alpha", 0), beta = node_float(n, "beta", 0);
    struct ir_value *x = n->in[2 + i], *g = regularised(n, x, n->in[2 + num + i]);
    enum dtype t = x->type.dtype;
    struct ir_value *weight =
        irb_select(&n->b, begun(n), irb_const_like(&n->b, t, beta), irb_const_like(&n->b, t, 1));
    struct ir_value *v = add(n, times(n, n->in[2 + 2 * num + i], alpha), mul(n, g, weight));
    struct ir_value *step = nesterov ? add(n, g, times(n, v, alpha)) : v;
    return node_bind(n, i, irb_binary(&n->b, BFN_sub, x, mul(n, step, number(n, 0, t)))) &&
           node_bind(n, num + i, v);
}

bool import_Momentum(struct import_node *n)
{
    const char *mode = node_str(n, "mode", "");
    bool nesterov = strcmp(mode, "nesterov") == 0;
    if (!nesterov && strcmp(mode, "standard") != 0)
        return node_error(n, DIAG_ONNX_ATTR, "mode is '%s'; standard and nesterov exist", mode);
    int num = optimised(n, 3);
    for (int i = 0; i < num; i++)
        if (!momentum_step(n, i, num, nesterov))
            return false;
    return num > 0;
}

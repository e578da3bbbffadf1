// BatchNormalization: by given statistics, or by those of the batch, which then update the given
// ones.
#include <string.h>

#include "import_util.h"

// A parameter as it broadcasts over x: one number per channel, or (spatial = 0, opsets to 8) per
// element of a channel.
static struct ir_value *parameter(struct import_node *n, int i)
{
    const struct ir_type *x = &n->in[0]->type;
    struct ir_value *v = n->in[i];
    int64_t channels = x->rank > 1 ? x->dim[1] : 1;
    if (node_int(n, "spatial", 1) == 0) {
        if (v->type.rank == x->rank - 1 &&
            memcmp(v->type.dim, x->dim + 1, (size_t)v->type.rank * sizeof(*x->dim)) == 0)
            return v;
        node_error(n, DIAG_ONNX_SHAPE,
                   "input %d '%s' is %s; with spatial = 0 it has the extents of "
                   "x %s but the first",
                   i, node_input_name(n, i), node_type_text(n, i), node_type_text(n, 0));
        return NULL;
    }
    if (v->type.rank != 1 || v->type.dim[0] != channels) {
        node_error(n, DIAG_ONNX_SHAPE,
                   "input %d '%s' is %s, a number for each of %lld channels is needed", i,
                   node_input_name(n, i), node_type_text(n, i), (long long)channels);
        return NULL;
    }
    return x->rank > 1 ? node_along_axis(n, v, x->rank, 1) : v;
}

// Whether statistics are taken from the batch: by an attribute, between opsets 7 and 13 by the
// outputs that are asked for.
static bool is_training(const struct import_node *n)
{
    if (n->opset >= 14)
        return node_int(n, "training_mode", 0) != 0;
    if (n->opset < 7)
        return node_int(n, "is_test", 0) == 0;
    for (int i = 1; i < n->num_out; i++)
        if (node_has_output(n, i))
            return true;
    return false;
}

// gamma * (x - mean) / sqrt(var + epsilon) + beta as x * scale + shift: of constants one stays
// each.
static struct ir_value *normalised(struct import_node *n, struct ir_value *x,
                                   struct ir_value *gamma, struct ir_value *beta,
                                   struct ir_value *mean, struct ir_value *var)
{
    struct ir_builder *b = &n->b;
    struct ir_value *deviation =
        irb_unary(b, UFN_sqrt, node_with_scalar(n, BFN_add, var, node_float(n, "epsilon", 1e-5)));
    struct ir_value *scale = irb_binary(b, BFN_div, gamma, deviation);
    struct ir_value *shift = irb_binary(b, BFN_sub, beta, irb_binary(b, BFN_mul, mean, scale));
    return irb_binary(b, BFN_add, irb_binary(b, BFN_mul, x, scale), shift);
}

// ---- Training

// A statistic of the batch as the operator's output i, of the type and shape of its operand.
static bool bind_statistic(struct import_node *n, int i, struct ir_value *v,
                           const struct ir_type *t)
{
    if (!node_has_output(n, i))
        return true;
    v = node_convert(n, v, t->dtype);
    return node_bind(n, i, v ? irb_reshape(&n->b, v, t->dim, t->rank) : NULL);
}

// old * momentum + new * (1 - momentum)
static struct ir_value *moved(struct import_node *n, struct ir_value *old, struct ir_value *new)
{
    double momentum = node_float(n, "momentum", 0.9F);
    return irb_binary(&n->b, BFN_add, node_with_scalar(n, BFN_mul, old, momentum),
                      node_with_scalar(n, BFN_mul, new, 1 - momentum));
}

static int batch_axes(struct import_node *n, int64_t *axes)
{
    int rank = n->in[0]->type.rank, num = 0;
    axes[num++] = 0;
    for (int i = 2; i < rank && node_int(n, "spatial", 1) != 0; i++)
        axes[num++] = i;
    return num;
}

static bool train(struct import_node *n, struct ir_value *const *p)
{
    struct ir_builder *b = &n->b;
    int64_t axes[IR_MAX_RANK];
    if (!node_check_rank(n, 0, 2, IR_MAX_RANK))
        return false;
    int num = batch_axes(n, axes);
    struct ir_value *mean = node_mean(n, p[0], axes, num, true);
    struct ir_value *centred = irb_binary(b, BFN_sub, p[0], mean);
    struct ir_value *var = node_mean(n, irb_binary(b, BFN_mul, centred, centred), axes, num, true);
    struct ir_value *inv = irb_unary(
        b, UFN_reciprocal,
        irb_unary(b, UFN_sqrt, node_with_scalar(n, BFN_add, var, node_float(n, "epsilon", 1e-5))));
    struct ir_value *y = irb_binary(
        b, BFN_add, irb_binary(b, BFN_mul, irb_binary(b, BFN_mul, centred, inv), p[1]), p[2]);
    const struct ir_type *t = &n->in[3]->type;
    return node_bind(n, 0, node_convert(n, y, n->in[0]->type.dtype)) &&
           bind_statistic(n, 1, moved(n, p[3], mean), t) &&
           bind_statistic(n, 2, moved(n, p[4], var), &n->in[4]->type) &&
           bind_statistic(n, 3, mean, t) && bind_statistic(n, 4, var, t);
}

bool import_BatchNormalization(struct import_node *n)
{
    struct ir_value *p[5];
    const struct ir_type *x = &n->in[0]->type;
    bool training = is_training(n);
    enum dtype wide = node_wide_type(training ? x->dtype : n->in[3]->type.dtype);
    for (int i = 1; i < n->num_out && !training; i++)
        if (node_has_output(n, i))
            return node_error(n, DIAG_ONNX_OP_UNSUPPORTED,
                              "output %d exists in training only; set training_mode to 1", i);
    p[0] = node_convert(n, n->in[0], wide);
    bool ok = p[0] != NULL;
    for (int i = 1; i < 5; i++)
        ok = (p[i] = node_convert(n, parameter(n, i), wide)) && ok;
    if (!ok)
        return false;
    if (training)
        return train(n, p);
    return node_bind(n, 0, node_convert(n, normalised(n, p[0], p[1], p[2], p[3], p[4]), x->dtype));
}

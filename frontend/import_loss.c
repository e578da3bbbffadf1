// Losses over classes: NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss.
#include <string.h>

#include "import_util.h"

struct loss {
    struct ir_value *each, *weight; // per target; weight NULL: 1 everywhere
};

static bool check_target(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type, *t = &n->in[1]->type;
    const struct ir_type *w = node_in(n, 2) ? &n->in[2]->type : NULL;
    bool fits = x->rank >= 2 && t->rank == x->rank - 1 && t->dim[0] == x->dim[0];
    for (int i = 1; fits && i < t->rank; i++)
        fits = t->dim[i] == x->dim[i + 1];
    if (!fits)
        return node_error(n, DIAG_ONNX_SHAPE, "the target %s does not name classes of %s",
                          node_type_text(n, 1), node_type_text(n, 0));
    if (t->dtype != DT_I32 && t->dtype != DT_I64)
        return node_error(n, DIAG_ONNX_TYPE, "the target is %s, i32 or i64 is needed",
                          node_type_text(n, 1));
    return !w || (w->rank == 1 && w->dim[0] == x->dim[1]) ||
           node_error(n, DIAG_ONNX_SHAPE,
                      "the weights are %s, one for each of %lld classes is needed",
                      node_type_text(n, 2), (long long)x->dim[1]);
}

// The negated element of log_prob that each target names, times its class's weight. Ignored targets
// have loss and weight 0 and name class 0 meanwhile.
static struct loss loss_of(struct import_node *n, struct ir_value *log_prob)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type;
    struct ir_value *target = n->in[1], *counts = NULL,
                    *none = irb_const_like(b, target->type.dtype, 0);
    struct loss l = {NULL, NULL};
    int64_t dim[IR_MAX_RANK];
    if (node_has_attr(n, "ignore_index")) {
        counts = node_with_scalar(n, BFN_ne, target, (double)node_int(n, "ignore_index", 0));
        target = irb_select(b, counts, target, none);
    }
    memcpy(dim, x->dim, sizeof dim);
    dim[1] = 1;
    l.each = irb_gather_elements(b, log_prob, irb_reshape(b, target, dim, x->rank), 1);
    l.each = irb_unary(b, UFN_neg, irb_reshape(b, l.each, n->in[1]->type.dim, n->in[1]->type.rank));
    if (!l.each)
        return l;
    enum dtype t = l.each->type.dtype;
    struct ir_value *zero = irb_const_like(b, t, 0);
    if (node_in(n, 2)) {
        l.weight = irb_gather(b, node_convert(n, n->in[2], t), target, 0);
        l.each = irb_binary(b, BFN_mul, l.each, l.weight);
    }
    if (counts) {
        l.weight = l.weight ? irb_select(b, counts, l.weight, zero) : node_convert(n, counts, t);
        l.each = irb_select(b, counts, l.each, zero);
    }
    return l;
}

static struct ir_value *total(struct import_node *n, struct ir_value *x)
{
    int64_t axes[IR_MAX_RANK];
    return x ? irb_reduce(&n->b, RFN_sum, x, axes, node_axes_from(0, x->type.rank, axes), false)
             : NULL;
}

static struct ir_value *reduced(struct import_node *n, const struct loss *l)
{
    const char *how = node_str(n, "reduction", "mean");
    if (!l->each || strcmp(how, "none") == 0)
        return l->each;
    if (strcmp(how, "sum") == 0)
        return total(n, l->each);
    if (strcmp(how, "mean") != 0) {
        node_error(n, DIAG_ONNX_ATTR, "reduction is '%s'; none, sum and mean exist", how);
        return NULL;
    }
    if (l->weight)
        return irb_binary(&n->b, BFN_div, total(n, l->each), total(n, l->weight));
    return node_with_scalar(n, BFN_div, total(n, l->each), (double)ir_type_elems(&l->each->type));
}

bool import_NegativeLogLikelihoodLoss(struct import_node *n)
{
    enum dtype t = n->in[0]->type.dtype;
    if (!check_target(n))
        return false;
    struct loss l = loss_of(n, node_convert(n, n->in[0], node_wide_type(t)));
    return node_bind(n, 0, node_convert(n, reduced(n, &l), t));
}

bool import_SoftmaxCrossEntropyLoss(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    enum dtype t = n->in[0]->type.dtype;
    const int64_t axis = 1;
    if (!check_target(n))
        return false;
    struct ir_value *x = node_convert(n, n->in[0], node_wide_type(t));
    x = irb_binary(b, BFN_sub, x, x ? irb_reduce(b, RFN_max, x, &axis, 1, true) : NULL);
    struct ir_value *sum = irb_unary(b, UFN_exp, x);
    sum = irb_unary(b, UFN_log, sum ? irb_reduce(b, RFN_sum, sum, &axis, 1, true) : NULL);
    x = irb_binary(b, BFN_sub, x, sum);
    struct loss l = loss_of(n, x);
    return node_bind(n, 0, node_convert(n, reduced(n, &l), t)) &&
           node_bind(n, 1, node_convert(n, x, t));
}

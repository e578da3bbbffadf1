// Softmax, LogSoftmax and Hardmax. Before opset 13 they run over all axes from `axis` on, taken as
// one; later along one axis.
#include "import_extents.h"

// Axes of the node and x in the type sums are formed in; the number of axes, 0 after a report.
static int softmax_axes(struct import_node *n, bool flat, int64_t *axes)
{
    int rank = n->in[0]->type.rank;
    int64_t axis, given = node_int(n, "axis", flat ? 1 : -1);
    if (flat && rank == 1 && given == 1)
        given = 0;
    if (!node_axis(n, given, rank, &axis))
        return 0;
    return node_axes_from((int)axis, flat ? rank : (int)axis + 1, axes);
}

static struct ir_value *minus_max(struct import_node *n, const int64_t *axes, int num)
{
    struct ir_value *x = node_convert(n, n->in[0], node_wide_type(n->in[0]->type.dtype));
    return x ? irb_binary(&n->b, BFN_sub, x, irb_reduce(&n->b, RFN_max, x, axes, num, true)) : NULL;
}

static bool softmax(struct import_node *n, bool flat)
{
    int64_t axes[IR_MAX_RANK];
    int num = softmax_axes(n, flat, axes);
    if (num == 0)
        return false;
    struct ir_value *e = irb_unary(&n->b, UFN_exp, minus_max(n, axes, num));
    struct ir_value *y =
        irb_binary(&n->b, BFN_div, e, irb_reduce(&n->b, RFN_sum, e, axes, num, true));
    return node_bind(n, 0, node_convert(n, y, n->in[0]->type.dtype));
}

static bool log_softmax(struct import_node *n, bool flat)
{
    int64_t axes[IR_MAX_RANK];
    int num = softmax_axes(n, flat, axes);
    if (num == 0)
        return false;
    struct ir_value *x = minus_max(n, axes, num);
    struct ir_value *sum =
        irb_reduce(&n->b, RFN_sum, irb_unary(&n->b, UFN_exp, x), axes, num, true);
    struct ir_value *y = irb_binary(&n->b, BFN_sub, x, irb_unary(&n->b, UFN_log, sum));
    return node_bind(n, 0, node_convert(n, y, n->in[0]->type.dtype));
}

// 0, 1, 2 .. over the axes, in their order.
static struct ir_value *positions(struct import_node *n, const int64_t *axes, int num)
{
    const struct ir_value *x = n->in[0];
    struct ir_value *sum = NULL;
    for (int i = 0; i < num; i++) {
        int axis = (int)axes[i];
        struct ir_value *at = node_along_axis(n, node_positions(n, x, axis), x->type.rank, axis);
        if (sum) // row-major
            sum = irb_binary(&n->b, BFN_mul, sum, irb_extent_of(&n->b, x, axis));
        sum = sum ? irb_binary(&n->b, BFN_add, sum, at) : at;
    }
    return sum;
}

static bool hardmax(struct import_node *n, bool flat)
{
    int64_t axes[IR_MAX_RANK];
    int num = softmax_axes(n, flat, axes);
    if (num == 0)
        return false;
    struct ir_value *first = irb_reduce(&n->b, RFN_argmax, n->in[0], axes, num, true);
    if (!first)
        return false;
    struct ir_value *hit = irb_binary(&n->b, BFN_eq, first, positions(n, axes, num));
    return node_bind(n, 0, node_convert(n, hit, n->in[0]->type.dtype));
}

bool import_Softmax(struct import_node *n)
{
    return softmax(n, false);
}
bool import_SoftmaxFlat(struct import_node *n)
{
    return softmax(n, true);
}
bool import_LogSoftmax(struct import_node *n)
{
    return log_softmax(n, false);
}
bool import_LogSoftmaxFlat(struct import_node *n)
{
    return log_softmax(n, true);
}
bool import_Hardmax(struct import_node *n)
{
    return hardmax(n, false);
}
bool import_HardmaxFlat(struct import_node *n)
{
    return hardmax(n, true);
}

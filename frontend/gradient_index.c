// Rules of the ops that pick elements by their index along one axis, and of running sums.
#include "gradient.h"

// Zeros like x, to which dy[k] is added where idx[k] says.
static struct ir_value *add_back(struct gradient *g, const struct ir_type *x, struct ir_value *idx,
                                 struct ir_value *dy, int64_t axis)
{
    return irb_scatter(gradient_builder(g), gradient_zeros(g, x), idx, dy, axis, RFN_sum);
}

bool gradient_gather_elements(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    return !gradient_wants(g, op, 0) ||
           gradient_give(g, op, 0,
                         add_back(g, &op->in[0]->type, op->in[1], dy, ir_int(op, IR_A_axis, 0)));
}

// y = x, where an index of u stands u or x + u. Of two updates of one element that replace it the
// operator leaves open which counts.
bool gradient_scatter(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    struct ir_builder *b = gradient_builder(g);
    int64_t axis = ir_int(op, IR_A_axis, 0), fn = ir_int(op, IR_A_fn_reduce, -1);
    const struct ir_type *u = &op->in[2]->type;
    if (fn >= 0 && fn != RFN_sum)
        return gradient_refuse(g, op, "scatter has a derivative where it replaces or adds");
    if (gradient_wants(g, op, 0)) {
        struct ir_value *rest =
            fn == RFN_sum ? dy : irb_scatter(b, dy, op->in[1], gradient_zeros(g, u), axis, -1);
        if (!gradient_give(g, op, 0, rest))
            return false;
    }
    if (!gradient_wants(g, op, 2))
        return true;
    struct ir_value *idx = irb_broadcast(b, op->in[1], u->dim, u->rank);
    return gradient_give(g, op, 2, irb_gather_elements(b, dy, idx, axis));
}

// Element i of x is in every sum from i on: the sums from the other end.
bool gradient_scan(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    if (ir_int(op, IR_A_fn_reduce, -1) != RFN_sum)
        return gradient_refuse(g, op, "of running functions the sum has a derivative");
    return !gradient_wants(g, op, 0) ||
           gradient_give(g, op, 0,
                         irb_scan(gradient_builder(g), RFN_sum, dy, ir_int(op, IR_A_axis, 0),
                                  ir_int(op, IR_A_exclusive, 0) != 0,
                                  ir_int(op, IR_A_reverse, 0) == 0));
}

bool gradient_sort(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    return !gradient_wants(g, op, 0) ||
           gradient_give(g, op, 0,
                         add_back(g, &op->in[0]->type, op->out[1], dy, ir_int(op, IR_A_axis, 0)));
}

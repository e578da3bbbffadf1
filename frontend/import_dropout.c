// Dropout: the identity, or in training elements that a random mask sets to 0 and the others scaled
// up.
#include "import_util.h"

enum training { TRAINING_NO, TRAINING_YES, TRAINING_RUN_TIME, TRAINING_ERROR };

// The operand as a scalar, or what attribute or default say.
static struct ir_value *ratio_of(struct import_node *n)
{
    enum dtype wide = node_wide_type(n->in[0]->type.dtype);
    struct ir_value *ratio = node_in(n, 1);
    if (!ratio)
        return irb_const_like(&n->b, wide, node_float(n, "ratio", 0.5));
    if (ir_type_elems(&ratio->type) != 1 || !dtype_is_float(ratio->type.dtype)) {
        node_error(n, DIAG_ONNX_SHAPE, "ratio is %s, one float is needed", node_type_text(n, 1));
        return NULL;
    }
    return node_convert(n, irb_reshape(&n->b, ratio, NULL, 0), wide);
}

// From opset 12 on an operand says; before opset 7 an attribute; between them it is inference only.
static enum training training_mode(struct import_node *n)
{
    const struct ir_value *v = node_in(n, 2);
    double value;
    if (n->opset < 7)
        return node_int(n, "is_test", 0) == 0 ? TRAINING_YES : TRAINING_NO;
    if (!v)
        return TRAINING_NO;
    if (ir_type_elems(&v->type) != 1 || v->type.dtype != DT_BOOL) {
        node_error(n, DIAG_ONNX_SHAPE, "training_mode is %s, one bool is needed",
                   node_type_text(n, 2));
        return TRAINING_ERROR;
    }
    if (!node_scalar_value(v, &value))
        return TRAINING_RUN_TIME;
    return value != 0 ? TRAINING_YES : TRAINING_NO;
}

// Without an attribute the name of the output decides, so that compiling twice gives one binary and
// nodes differ.
static int64_t seed_of(const struct import_node *n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    if (node_has_attr(n, "seed"))
        return node_int(n, "seed", 0);
    const struct ir_value *x = n->in[0];
    for (const char *s = x->name ? x->name : ""; *s; s++)
        h = (h ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
    return (int64_t)(h >> 1);
}

// Uniform in [0, 1), of x's extents.
static struct ir_value *uniform(struct import_node *n, const struct ir_type *x, enum dtype t)
{
    struct ir_op *op = ir_op_create(n->b.graph, n->b.before, IR_OP_HOST, n->loc, NULL, 0, 1, NULL);
    int64_t seed = seed_of(n);
    ir_set_str(op, IR_A_kernel_name, t == DT_F64 ? "random_uniform_f64" : "random_uniform_f32");
    ir_set_ints(op, IR_A_ints, &seed, 1);
    ir_set_floats(op, IR_A_floats, (const double[]){0, 1}, 2);
    op->out[0]->type = *x;
    op->out[0]->type.dtype = t;
    return op->out[0];
}

static bool bind(struct import_node *n, struct ir_value *y, struct ir_value *mask)
{
    // Before opset 10 the mask is of x's type.
    if (node_has_output(n, 1) &&
        !node_bind(n, 1, n->opset < 10 ? node_convert(n, mask, n->in[0]->type.dtype) : mask))
        return false;
    return node_bind(n, 0, y);
}

bool import_Dropout(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    struct ir_value *x = n->in[0], *ratio = ratio_of(n);
    enum dtype wide = node_wide_type(x->type.dtype);
    enum training training = training_mode(n);
    double given = 1;
    if (!ratio || training == TRAINING_ERROR)
        return false;
    struct ir_value *all = irb_broadcast_to(b, irb_const_like(b, DT_BOOL, 1), &x->type);
    node_scalar_value(node_in(n, 1) ? node_in(n, 1) : ratio, &given);
    if (training == TRAINING_NO || given == 0)
        return bind(n, x, all);
    if (given < 0 || given > 1)
        return node_error(n, DIAG_ONNX_VALUE, "ratio is %g, a probability is needed", given);
    struct ir_value *mask =
        irb_unary(b, UFN_not, irb_binary(b, BFN_lt, uniform(n, &x->type, wide), ratio));
    struct ir_value *keep = node_scalar_with(n, BFN_sub, 1, ratio);
    struct ir_value *scaled = irb_binary(b, BFN_div, node_convert(n, x, wide), keep);
    struct ir_value *y =
        node_convert(n, irb_select(b, mask, scaled, irb_const_like(b, wide, 0)), x->type.dtype);
    if (training == TRAINING_YES)
        return bind(n, y, mask);
    struct ir_value *mode = irb_reshape(b, n->in[2], NULL, 0);
    return bind(n, irb_select(b, mode, y, x), irb_select(b, mode, mask, all));
}

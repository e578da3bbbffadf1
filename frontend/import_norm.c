// Normalisations: over positions, groups, trailing axes, neighbouring channels.
#include "import_util.h"

// ---- Over the elements of a tensor

static struct ir_value *scale_and_shift(struct import_node *n, struct ir_value *x,
                                        struct ir_value *scale, struct ir_value *shift)
{
    x = irb_binary(&n->b, BFN_mul, x, scale);
    return shift ? irb_binary(&n->b, BFN_add, x, shift) : x;
}

bool import_InstanceNormalization(struct import_node *n)
{
    int64_t axes[IR_MAX_RANK];
    if (!node_check_rank(n, 0, 3, IR_MAX_RANK))
        return false;
    const struct ir_type *x = &n->in[0]->type;
    enum dtype wide = node_wide_type(x->dtype);
    struct ir_value *y =
        node_standardise(n, node_convert(n, n->in[0], wide), axes, node_axes_from(2, x->rank, axes),
                         node_float(n, "epsilon", 1e-5), NULL, NULL);
    struct ir_value *scale = node_along_axis(n, node_convert(n, n->in[1], wide), x->rank, 1);
    struct ir_value *shift = node_along_axis(n, node_convert(n, n->in[2], wide), x->rank, 1);
    if (!scale || !shift)
        return false;
    if (scale->type.dim[0] != x->dim[1] || shift->type.dim[0] != x->dim[1])
        return node_error(n, DIAG_ONNX_SHAPE,
                          "scale %s and B %s need a number for each of %lld channels",
                          node_type_text(n, 1), node_type_text(n, 2), (long long)x->dim[1]);
    return node_bind(n, 0, node_convert(n, scale_and_shift(n, y, scale, shift), x->dtype));
}

// The type that statistics are formed in.
static bool stash_type(struct import_node *n, enum dtype *t)
{
    int64_t onnx = node_int(n, "stash_type", 1);
    if (!dtype_by_onnx(onnx, t) || !dtype_is_float(*t))
        return node_error(n, DIAG_ONNX_ATTR,
                          "stash_type is %lld, the number of a float type is needed",
                          (long long)onnx);
    return true;
}

// First normalised axis into axes; their number, or 0 after a report.
static int trailing_axes(struct import_node *n, int64_t *axes)
{
    int64_t axis;
    int rank = n->in[0]->type.rank;
    return node_axis(n, node_int(n, "axis", -1), rank, &axis)
               ? node_axes_from((int)axis, rank, axes)
               : 0;
}

bool import_LayerNormalization(struct import_node *n)
{
    enum dtype t = n->in[0]->type.dtype, stash;
    int64_t axes[IR_MAX_RANK];
    int num = trailing_axes(n, axes);
    if (num == 0 || !stash_type(n, &stash))
        return false;
    struct ir_value *mean, *inv_std;
    struct ir_value *y = node_standardise(n, node_convert(n, n->in[0], stash), axes, num,
                                          node_float(n, "epsilon", 1e-5), &mean, &inv_std);
    return node_bind(n, 0, scale_and_shift(n, node_convert(n, y, t), n->in[1], node_in(n, 2))) &&
           node_bind(n, 1, mean) && node_bind(n, 2, inv_std);
}

bool import_RMSNormalization(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    enum dtype t = n->in[1]->type.dtype, stash; // the result is of the scale's type
    int64_t axes[IR_MAX_RANK];
    int num = trailing_axes(n, axes);
    if (num == 0 || !stash_type(n, &stash))
        return false;
    struct ir_value *x = node_convert(n, n->in[0], stash);
    struct ir_value *square = node_mean(n, irb_binary(b, BFN_mul, x, x), axes, num, true);
    struct ir_value *rms = irb_unary(
        b, UFN_sqrt, node_with_scalar(n, BFN_add, square, node_float(n, "epsilon", 1e-5)));
    return node_bind(
        n, 0,
        scale_and_shift(n, node_convert(n, irb_binary(b, BFN_div, x, rms), t), n->in[1], NULL));
}

// Per group before opset 21, else per channel.
static bool check_group_parameters(struct import_node *n, int64_t count)
{
    for (int i = 1; i <= 2; i++)
        if (n->in[i]->type.rank != 1 || n->in[i]->type.dim[0] != count)
            return node_error(n, DIAG_ONNX_SHAPE, "input %d '%s' is %s, %lld numbers are needed", i,
                              node_input_name(n, i), node_type_text(n, i), (long long)count);
    return true;
}

bool import_GroupNormalization(struct import_node *n)
{
    if (!node_check_rank(n, 0, 3, IR_MAX_RANK))
        return false;
    const struct ir_type *x = &n->in[0]->type;
    int64_t groups = node_int(n, "num_groups", 0);
    enum dtype stash;
    if (groups < 1 || x->dim[1] % groups != 0)
        return node_error(n, DIAG_ONNX_ATTR,
                          "num_groups is %lld, %lld channels do not divide into that",
                          (long long)groups, (long long)x->dim[1]);
    bool per_group = n->opset < 21;
    if (!stash_type(n, &stash) || !check_group_parameters(n, per_group ? groups : x->dim[1]))
        return false;
    int64_t grouped[3] = {x->dim[0], groups, 0}, of_group[IR_MAX_RANK] = {x->dim[1] / groups};
    for (int i = 2; i < x->rank; i++)
        of_group[i - 1] = x->dim[i];
    grouped[2] = dims_elems(of_group, x->rank - 1);
    struct ir_value *y = irb_reshape(&n->b, node_convert(n, n->in[0], stash), grouped, 3);
    y = node_convert(
        n,
        node_standardise(n, y, (const int64_t[]){2}, 1, node_float(n, "epsilon", 1e-5), NULL, NULL),
        x->dtype);
    if (per_group)
        y = scale_and_shift(n, y, node_along_axis(n, n->in[1], 3, 1),
                            node_along_axis(n, n->in[2], 3, 1));
    y = irb_reshape(&n->b, y, x->dim, x->rank);
    if (!per_group)
        y = scale_and_shift(n, y, node_along_axis(n, n->in[1], x->rank, 1),
                            node_along_axis(n, n->in[2], x->rank, 1));
    return node_bind(n, 0, y);
}

bool import_MeanVarianceNormalization(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type;
    int64_t axes[IR_MAX_RANK];
    static const int64_t picture[] = {0, 2, 3};
    int given, num = 0;
    const int64_t *list = node_ints(n, "axes", &given);
    unsigned chosen = 0;
    if (!list) {
        list = picture;
        given = 3;
    }
    for (int i = 0; i < given; i++) {
        int64_t axis;
        if (!node_axis(n, list[i], x->rank, &axis))
            return false;
        chosen |= 1u << axis;
    }
    for (int i = 0; i < x->rank; i++)
        if (chosen >> i & 1)
            axes[num++] = i;
    struct ir_value *wide = node_convert(n, n->in[0], node_wide_type(x->dtype));
    struct ir_value *centred = irb_binary(b, BFN_sub, wide, node_mean(n, wide, axes, num, true));
    struct ir_value *variance =
        node_mean(n, irb_binary(b, BFN_mul, centred, centred), axes, num, true);
    // The operator's definition adds this to the deviation.
    struct ir_value *deviation =
        node_with_scalar(n, BFN_add, irb_unary(b, UFN_sqrt, variance), 1e-9);
    return node_bind(n, 0, node_convert(n, irb_binary(b, BFN_div, centred, deviation), x->dtype));
}

bool import_LpNormalization(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type;
    int64_t axis, p = node_int(n, "p", 2);
    if (!node_axis(n, node_int(n, "axis", -1), x->rank, &axis))
        return false;
    if (p != 1 && p != 2)
        return node_error(n, DIAG_ONNX_ATTR, "p is %lld, 1 and 2 exist", (long long)p);
    struct ir_value *wide = node_convert(n, n->in[0], node_wide_type(x->dtype));
    struct ir_value *power =
        p == 1 ? irb_unary(b, UFN_abs, wide) : irb_binary(b, BFN_mul, wide, wide);
    struct ir_value *norm = irb_reduce(b, RFN_sum, power, &axis, 1, true);
    if (p == 2)
        norm = irb_unary(b, UFN_sqrt, norm);
    if (!norm)
        return false;
    // A zero vector stays one.
    struct ir_value *one = irb_const_like(b, norm->type.dtype, 1);
    norm = irb_select(b, node_with_scalar(n, BFN_eq, norm, 0), one, norm);
    return node_bind(n, 0, node_convert(n, irb_binary(b, BFN_div, wide, norm), x->dtype));
}

// ---- Over neighbouring channels

bool import_LRN(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    int64_t size = node_int(n, "size", 0);
    if (!node_check_rank(n, 0, 2, IR_MAX_RANK))
        return false;
    if (size < 1 || size > INT32_MAX)
        return node_error(n, DIAG_ONNX_ATTR, "size is %lld, a positive number is needed",
                          (long long)size);
    const struct ir_type *x = &n->in[0]->type;
    struct ir_value *wide = node_convert(n, n->in[0], node_wide_type(x->dtype));
    // Sums over channels are windows of a one-channel picture: channels by positions.
    int64_t picture[4] = {
        x->dim[0], 1, x->dim[1],
        node_axes_elems(n->in[0], (const int64_t[]){2, 3, 4, 5, 6, 7}, x->rank - 2)};
    int64_t kernel[2] = {size, 1}, ones[2] = {1, 1}, pads[4] = {(size - 1) / 2, 0, size / 2, 0};
    struct ir_value *sum = irb_reshape(b, irb_binary(b, BFN_mul, wide, wide), picture, 4);
    sum = irb_reshape(b, irb_pool(b, RFN_sum, sum, 2, kernel, ones, ones, pads), x->dim, x->rank);
    sum = node_with_scalar(n, BFN_mul, sum, node_float(n, "alpha", 1e-4) / (double)size);
    sum = node_with_scalar(n, BFN_pow, node_with_scalar(n, BFN_add, sum, node_float(n, "bias", 1)),
                           node_float(n, "beta", 0.75));
    return node_bind(n, 0, node_convert(n, irb_binary(b, BFN_div, wide, sum), x->dtype));
}

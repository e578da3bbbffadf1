// Pad: constant padding is the IR's pad; edge, reflect and wrap are gathers along one dimension
// after the other with indices known when compiling. Negative pads cut first.
#include <string.h>

#include "import_open.h"
#include "import_runtime.h"

#define PAD_MAX (INT64_C(1) << 40)
#define GATHER_MAX (INT64_C(1) << 24) // longer ones are no picture's dimension

enum pad_mode { PAD_CONSTANT, PAD_EDGE, PAD_REFLECT, PAD_WRAP };

struct pad_args {
    int64_t before[IR_MAX_RANK], after[IR_MAX_RANK];
    enum pad_mode mode;
    double value;
};

static bool read_mode(struct import_node *n, enum pad_mode *out)
{
    static const char *const names[] = {"constant", "edge", "reflect", "wrap"};
    const char *mode = node_str(n, "mode", "constant");
    for (int i = 0; i < 4; i++)
        if (strcmp(mode, names[i]) == 0) {
            *out = (enum pad_mode)i;
            return true;
        }
    return node_error(n, DIAG_ONNX_ATTR, "mode '%s'; constant, edge, reflect and wrap are known",
                      mode);
}

static bool read_value(struct import_node *n, double *out)
{
    *out = node_float(n, "value", 0);
    const struct tensor *t = node_known(n, 2);
    if (!t)
        return true;
    if (tensor_elems(t) != 1)
        return node_error(n, DIAG_ONNX_SHAPE, "constant_value must be one element");
    if ((t->dtype == DT_C64 && ((const float *)t->data)[1] != 0) ||
        (t->dtype == DT_C128 && ((const double *)t->data)[1] != 0))
        return node_error(n, DIAG_ONNX_OP_UNSUPPORTED,
                          "constant_value has an imaginary part; a real one, or Concat with a "
                          "constant of the border, can be compiled");
    *out = tensor_get_double(t, 0);
    return true;
}

static bool read_pad(struct import_node *n, struct pad_args *p)
{
    int rank = n->in[0]->type.rank, count, num_axes = rank;
    const int64_t *pads = node_in(n, 1) ? node_const_ints(n, 1, &count)
                                        : node_ints(n, n->opset < 2 ? "paddings" : "pads", &count),
                  *axes = NULL;
    memset(p, 0, sizeof(*p));
    if (!read_mode(n, &p->mode) || !read_value(n, &p->value))
        return false;
    if (node_in(n, 3) && !(axes = node_const_ints(n, 3, &num_axes)))
        return false;
    if (!pads || count != 2 * num_axes)
        return pads || !node_in(n, 1)
                   ? node_error(n, DIAG_ONNX_SHAPE, "%d pads for %d dimensions", count, num_axes)
                   : false;
    for (int i = 0; i < num_axes; i++) {
        int64_t axis;
        if (!node_axis(n, axes ? axes[i] : i, rank, &axis))
            return false;
        if (pads[i] < -PAD_MAX || pads[i] > PAD_MAX || pads[num_axes + i] < -PAD_MAX ||
            pads[num_axes + i] > PAD_MAX)
            return node_error(n, DIAG_LIMIT,
                              "pads of %lld and %lld in dimension %lld, at most %lld are handled",
                              (long long)pads[i], (long long)pads[num_axes + i], (long long)axis,
                              (long long)PAD_MAX);
        p->before[axis] = pads[i];
        p->after[axis] = pads[num_axes + i];
    }
    return true;
}

// Cuts what negative pads remove and makes them 0.
static struct ir_value *cut(struct import_node *n, struct ir_value *x, struct pad_args *p)
{
    int64_t starts[IR_MAX_RANK], sizes[IR_MAX_RANK], steps[IR_MAX_RANK];
    bool any = false;
    for (int i = 0; i < x->type.rank; i++) {
        starts[i] = p->before[i] < 0 ? -p->before[i] : 0;
        sizes[i] = x->type.dim[i] - starts[i] + (p->after[i] < 0 ? p->after[i] : 0);
        steps[i] = 1;
        any |= sizes[i] != x->type.dim[i];
        if (sizes[i] < 0) {
            node_error(n, DIAG_ONNX_SHAPE, "pads cut %lld of %lld elements of dimension %d",
                       (long long)(x->type.dim[i] - sizes[i]), (long long)x->type.dim[i], i);
            return NULL;
        }
        p->before[i] = p->before[i] < 0 ? 0 : p->before[i];
        p->after[i] = p->after[i] < 0 ? 0 : p->after[i];
    }
    return any ? irb_slice(&n->b, x, starts, sizes, steps) : x;
}

// The source of position i of a dimension of extent d; i runs below 0 and past d.
static int64_t source(enum pad_mode mode, int64_t i, int64_t d)
{
    if (mode == PAD_EDGE)
        return i < 0 ? 0 : i >= d ? d - 1 : i;
    if (mode == PAD_WRAP)
        return ((i % d) + d) % d;
    if (d == 1)
        return 0;
    int64_t period = 2 * (d - 1), r = ((i % period) + period) % period;
    return r < d ? r : period - r;
}

static struct ir_value *gather_dim(struct import_node *n, struct ir_value *x,
                                   const struct pad_args *p, int axis)
{
    int64_t d = x->type.dim[axis], len = p->before[axis] + d + p->after[axis];
    if (d == 0 || len > GATHER_MAX) {
        node_error(n, DIAG_ONNX_SHAPE, "dimension %d of extent %lld cannot be extended to %lld",
                   axis, (long long)d, (long long)len);
        return NULL;
    }
    int64_t *index = ARENA_ARRAY(n->arena, (size_t)len, int64_t);
    for (int64_t i = 0; i < len; i++)
        index[i] = source(p->mode, i - p->before[axis], d);
    return irb_gather(&n->b, x, irb_const_i64s(&n->b, index, (int)len), axis);
}

// The added value as a scalar, zero when absent.
static struct ir_value *pad_value(struct import_node *n)
{
    return node_in(n, 2) ? node_scalar(n, 2) : irb_const_like(&n->b, n->in[0]->type.dtype, 0);
}

// A value known only at run time: selected where a padded mask says so.
static bool pad_with(struct import_node *n, struct ir_value *x, const struct pad_args *p)
{
    struct ir_value *mask =
        irb_broadcast(&n->b, irb_const_like(&n->b, DT_BOOL, 1), x->type.dim, x->type.rank);
    mask = irb_pad(&n->b, mask, p->before, p->after, 0);
    return node_bind(
        n, 0, irb_select(&n->b, mask, irb_pad(&n->b, x, p->before, p->after, 0), pad_value(n)));
}

// Dimension by dimension where some extents are known only at run time.
static bool pad_dynamic(struct import_node *n, const struct pad_args *p)
{
    static const char *const modes[] = {[PAD_CONSTANT] = "constant",
                                        [PAD_REFLECT] = "reflect",
                                        [PAD_EDGE] = "edge",
                                        [PAD_WRAP] = "wrap"};
    struct ir_value *x = n->in[0], *fill = pad_value(n);
    if (n->row->in_max == 1)
        fill = irb_const_like(&n->b, x->type.dtype, p->value);
    for (int i = 0; x && i < n->in[0]->type.rank; i++)
        if (p->before[i] || p->after[i])
            x = runtime_pad_by(n, x, i, p->before[i], p->after[i], modes[p->mode], fill);
    return node_bind(n, 0, x);
}

bool import_Pad(struct import_node *n)
{
    struct pad_args p;
    if (!node_is_known(n, 1) || !node_is_known(n, 3))
        return read_mode(n, &p.mode) && runtime_pad(n, pad_value(n));
    if (!read_pad(n, &p))
        return false;
    if (ir_type_is_dynamic(&n->in[0]->type))
        return pad_dynamic(n, &p);
    struct ir_value *x = cut(n, n->in[0], &p);
    if (x && p.mode == PAD_CONSTANT && !node_is_known(n, 2))
        return pad_with(n, x, &p);
    if (x && p.mode == PAD_CONSTANT)
        return node_bind(n, 0, irb_pad(&n->b, x, p.before, p.after, p.value));
    for (int i = 0; x && i < n->in[0]->type.rank; i++)
        if (p.before[i] || p.after[i])
            x = gather_dim(n, x, &p, i);
    return node_bind(n, 0, x);
}

// The middle of what is too long, zeros around what is too short; an odd rest goes to the end.
// The extents that CenterCropPad is asked for: known when compiling, or as declared, and checked.
static const int64_t *target_shape(struct import_node *n, const int64_t *axes, int num_axes,
                                   int *num)
{
    struct ir_type t;
    int rank = n->in[0]->type.rank;
    if (node_is_known(n, 1))
        return node_const_ints(n, 1, num);
    *num = axes ? num_axes : rank;
    if (!node_expect(n, 0, 1, &t) || !node_expect_rank(n, &t, rank, rank))
        return NULL;
    int64_t *want = ARENA_ARRAY(n->arena, (size_t)*num + 1, int64_t);
    for (int i = 0; i < *num; i++) {
        int64_t axis;
        if (!node_axis(n, axes ? axes[i] : i, rank, &axis))
            return NULL;
        want[i] = t.dim[axis];
    }
    return node_check_equal(n, node_vector(n, 1), want, *num, 1,
                            "the extents that the model declares for the result")
               ? want
               : NULL;
}

bool import_CenterCropPad(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    int num, num_axes;
    const int64_t *axes = node_ints(n, "axes", &num_axes),
                  all[IR_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct ir_type declared;
    if (!node_is_known(n, 1) && !node_declared_whole(n, 0, &declared))
        return open_center_crop_pad(n, axes ? axes : all, axes ? num_axes : x->rank);
    const int64_t *want = target_shape(n, axes, num_axes, &num);
    int64_t before[IR_MAX_RANK] = {0}, after[IR_MAX_RANK] = {0};
    int64_t starts[IR_MAX_RANK] = {0}, sizes[IR_MAX_RANK], steps[IR_MAX_RANK];
    if (!want)
        return false;
    if (num != (axes ? num_axes : x->rank))
        return node_error(n, DIAG_ONNX_SHAPE, "the shape has %d extents for %d axes", num,
                          axes ? num_axes : x->rank);
    for (int i = 0; i < x->rank; i++) {
        sizes[i] = x->dim[i];
        steps[i] = 1;
    }
    for (int i = 0; i < num; i++) {
        int64_t axis;
        if (!node_axis(n, axes ? axes[i] : i, x->rank, &axis))
            return false;
        if (want[i] < 0 || want[i] > INT32_MAX)
            return node_error(n, DIAG_ONNX_VALUE, "the shape has extent %lld", (long long)want[i]);
        int64_t more = want[i] - x->dim[axis];
        starts[axis] = more < 0 ? -more / 2 : 0;
        sizes[axis] = more < 0 ? want[i] : x->dim[axis];
        before[axis] = more > 0 ? more / 2 : 0;
        after[axis] = more > 0 ? more - more / 2 : 0;
    }
    struct ir_value *y = irb_slice(&n->b, n->in[0], starts, sizes, steps);
    return node_bind(n, 0, irb_pad(&n->b, y, before, after, 0));
}

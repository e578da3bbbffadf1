// Pools over windows and over all spatial positions.
#include "import_util.h"
#include "import_window.h"

// Windows in one dimension: more than any picture has, few enough to count them one by one.
#define EXTENT_MAX (1 << 24)

// The least k >= 0 with start + k * step >= bound.
static int64_t steps_to(int64_t start, int64_t step, int64_t bound)
{
    return start >= bound ? 0 : (bound - start + step - 1) / step;
}

// Kernel positions of window o in spatial dimension i that lie in [from, to).
static int64_t taps_inside(const struct window *w, int i, int64_t o, int64_t from, int64_t to)
{
    int64_t start = o * w->strides[i] - w->pads[i];
    int64_t first = steps_to(start, w->dilations[i], from),
            end = steps_to(start, w->dilations[i], to);
    if (end > w->kernel[i])
        end = w->kernel[i];
    return first < end ? end - first : 0;
}

// How many elements every window averages, as a tensor that broadcasts over x; a scalar when they
// are equal.
static struct ir_value *window_sizes(struct import_node *n, const struct window *w,
                                     const struct ir_value *y, bool with_pads)
{
    const struct ir_type *x = &n->in[0]->type;
    int64_t dim[WINDOW_DIMS_MAX], *counts[WINDOW_DIMS_MAX], total = 1;
    bool equal = true;
    for (int i = 0; i < w->spatial; i++) {
        dim[i] = y->type.dim[2 + i];
        if (dim[i] > EXTENT_MAX) {
            node_error(n, DIAG_LIMIT, "%lld windows in a row, at most %d are handled",
                       (long long)dim[i], EXTENT_MAX);
            return NULL;
        }
        counts[i] = ARENA_ARRAY(n->arena, (size_t)dim[i], int64_t);
        int64_t from = with_pads ? -w->pads[i] : 0;
        int64_t to = x->dim[2 + i] + (with_pads ? w->pads[w->spatial + i] - w->overhang[i] : 0);
        for (int64_t o = 0; o < dim[i]; o++) {
            counts[i][o] = taps_inside(w, i, o, from, to);
            equal = equal && counts[i][o] == counts[i][0];
        }
        total *= dim[i] ? counts[i][0] : 1;
    }
    if (equal)
        return irb_const_like(&n->b, y->type.dtype, (double)total);
    // One factor per dimension; the products fold.
    struct ir_value *product = NULL;
    for (int i = 0; i < w->spatial; i++) {
        struct ir_value *c =
            node_convert(n, irb_const_i64s(&n->b, counts[i], (int)dim[i]), y->type.dtype);
        c = node_along_axis(n, c, 2 + w->spatial, 2 + i);
        product = i ? irb_binary(&n->b, BFN_mul, product, c) : c;
    }
    return product;
}

static bool pool_window(struct import_node *n, struct window *w)
{
    if (!node_check_rank(n, 0, 3, 5))
        return false;
    const struct ir_type *x = &n->in[0]->type;
    return window_read(n, x->rank - 2, NULL, w) &&
           window_place(n, w, x->dim + 2, node_int(n, "ceil_mode", 0) != 0);
}

static struct ir_value *pool(struct import_node *n, enum reduce_fn fn, struct ir_value *x,
                             const struct window *w)
{
    struct ir_value *extent[WINDOW_DIMS_MAX] = {NULL};
    if (!window_extents(n, x, w, extent))
        return NULL;
    return irb_pool_to(&n->b, fn, x, w->spatial, w->kernel, w->strides, w->dilations, w->pads,
                       extent);
}

// Whether some spatial extent is known only at run time; *ok false: this is reported as what the
// operator cannot do.
static bool is_open(struct import_node *n, const struct window *w, bool positions, bool *ok)
{
    bool open = false, moves = node_int(n, "ceil_mode", 0) != 0 || positions;
    for (int i = 0; i < w->spatial; i++)
        if (n->in[0]->type.sym[2 + i]) {
            open = true;
            moves |= w->same && w->strides[i] > 1;
        }
    *ok = !open || !moves ||
          node_error(n, DIAG_ONNX_DYNAMIC,
                     "spatial extents of %s must be known when compiling for %s; fix them with "
                     "--shape",
                     node_type_text(n, 0),
                     positions ? "positions of the largest elements"
                               : "ceil_mode, and for auto_pad SAME with strides");
    return open;
}

// Sums of windows divided by how many elements they have: sums over ones.
static struct ir_value *open_average(struct import_node *n, struct ir_value *x,
                                     const struct window *w)
{
    struct ir_value *sum = pool(n, RFN_sum, x, w);
    double taps = 1;
    for (int i = 0; i < w->spatial; i++)
        taps *= (double)w->kernel[i];
    if (!sum || node_int(n, "count_include_pad", 0) != 0)
        return node_with_scalar(n, BFN_div, sum, taps);
    struct ir_value *one = irb_const_like(&n->b, x->type.dtype, 1);
    struct ir_value *count = pool(n, RFN_sum, irb_broadcast_to(&n->b, one, &x->type), w);
    return irb_binary(&n->b, BFN_div, sum, count);
}

bool import_AveragePool(struct import_node *n)
{
    struct window w;
    if (!pool_window(n, &w))
        return false;
    enum dtype t = n->in[0]->type.dtype;
    struct ir_value *x = node_convert(n, n->in[0], node_wide_type(t));
    bool ok;
    if (is_open(n, &w, false, &ok))
        return ok && x && node_bind(n, 0, node_convert(n, open_average(n, x, &w), t));
    struct ir_value *sum = pool(n, RFN_sum, x, &w);
    if (!sum)
        return false;
    struct ir_value *sizes = window_sizes(n, &w, sum, node_int(n, "count_include_pad", 0) != 0);
    return node_bind(n, 0, node_convert(n, irb_binary(&n->b, BFN_div, sum, sizes), t));
}

// Where in x each largest element lies, from its number in the window: a position per dimension,
// row-major or (storage_order 1) with the first spatial dimension fastest, counted over all planes.
static struct ir_value *max_positions(struct import_node *n, const struct window *w)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type;
    bool column_major = node_int(n, "storage_order", 0) != 0;
    struct ir_value *tap = pool(n, RFN_argmax, n->in[0], w), *sum = NULL;
    int64_t size = 1, inner = 1, planes[2 + WINDOW_DIMS_MAX] = {x->dim[0], x->dim[1]};
    for (int i = 0; i < w->spatial; i++) {
        size *= x->dim[2 + i];
        planes[2 + i] = 1;
    }
    for (int i = w->spatial - 1; i >= 0 && tap; i--) {
        int64_t step = 1;
        for (int k = 0; k < w->spatial; k++)
            step *= (column_major ? k < i : k > i) ? x->dim[2 + k] : 1;
        struct ir_value *at = node_with_scalar(
            n, BFN_mod, node_with_scalar(n, BFN_div, tap, (double)inner), (double)w->kernel[i]);
        inner *= w->kernel[i];
        struct ir_value *start = node_with_scalar(n, BFN_mul, node_iota(n, tap->type.dim[2 + i], 1),
                                                  (double)w->strides[i]);
        start = node_along_axis(n, node_with_scalar(n, BFN_sub, start, (double)w->pads[i]),
                                2 + w->spatial, 2 + i);
        at = irb_binary(b, BFN_add, node_with_scalar(n, BFN_mul, at, (double)w->dilations[i]),
                        start);
        at = node_with_scalar(n, BFN_mul, at, (double)step);
        sum = sum ? irb_binary(b, BFN_add, sum, at) : at;
    }
    struct ir_value *plane =
        node_with_scalar(n, BFN_mul, node_iota(n, x->dim[0] * x->dim[1], 1), (double)size);
    plane = irb_reshape(b, plane, planes, 2 + w->spatial);
    return irb_binary(b, BFN_add, sum, x->sym[0] ? irb_extent(b, plane, x->sym[0], 0) : plane);
}

bool import_MaxPool(struct import_node *n)
{
    struct window w;
    bool ok;
    if (!pool_window(n, &w))
        return false;
    is_open(n, &w, node_has_output(n, 1), &ok);
    if (!ok || !node_bind(n, 0, pool(n, RFN_max, n->in[0], &w)))
        return false;
    return !node_has_output(n, 1) || node_bind(n, 1, max_positions(n, &w));
}

// ---- p-norms

static bool read_p(struct import_node *n, int64_t *p)
{
    *p = n->opset < 2 ? (int64_t)node_float(n, "p", 2) : node_int(n, "p", 2);
    return *p >= 1 ||
           node_error(n, DIAG_ONNX_ATTR, "p is %lld, 1 or more is needed", (long long)*p);
}

static struct ir_value *to_power(struct import_node *n, struct ir_value *x, int64_t p)
{
    if (p == 1)
        return irb_unary(&n->b, UFN_abs, x);
    if (p == 2)
        return irb_binary(&n->b, BFN_mul, x, x);
    return node_with_scalar(n, BFN_pow, irb_unary(&n->b, UFN_abs, x), (double)p);
}

static struct ir_value *root(struct import_node *n, struct ir_value *x, int64_t p)
{
    if (p == 1)
        return x;
    return p == 2 ? irb_unary(&n->b, UFN_sqrt, x) : node_with_scalar(n, BFN_pow, x, 1 / (double)p);
}

bool import_LpPool(struct import_node *n)
{
    struct window w;
    int64_t p;
    if (!read_p(n, &p) || !pool_window(n, &w))
        return false;
    enum dtype t = n->in[0]->type.dtype;
    struct ir_value *x = node_convert(n, n->in[0], node_wide_type(t));
    return node_bind(n, 0, node_convert(n, root(n, pool(n, RFN_sum, to_power(n, x, p), &w), p), t));
}

// ---- All spatial positions

static struct ir_value *reduce_spatial(struct import_node *n, enum reduce_fn fn, struct ir_value *x)
{
    int64_t axes[IR_MAX_RANK];
    return x ? irb_reduce(&n->b, fn, x, axes, node_axes_from(2, x->type.rank, axes), true) : NULL;
}

bool import_GlobalAveragePool(struct import_node *n)
{
    int64_t axes[IR_MAX_RANK];
    if (!node_check_rank(n, 0, 2, IR_MAX_RANK))
        return false;
    enum dtype t = n->in[0]->type.dtype;
    struct ir_value *x = node_convert(n, n->in[0], node_wide_type(t));
    int num = node_axes_from(2, n->in[0]->type.rank, axes);
    return node_bind(n, 0, node_convert(n, node_mean(n, x, axes, num, true), t));
}

bool import_GlobalMaxPool(struct import_node *n)
{
    return node_check_rank(n, 0, 2, IR_MAX_RANK) &&
           node_bind(n, 0, reduce_spatial(n, RFN_max, n->in[0]));
}

bool import_GlobalLpPool(struct import_node *n)
{
    int64_t p;
    if (!read_p(n, &p) || !node_check_rank(n, 0, 2, IR_MAX_RANK))
        return false;
    enum dtype t = n->in[0]->type.dtype;
    struct ir_value *x = node_convert(n, n->in[0], node_wide_type(t));
    return node_bind(n, 0,
                     node_convert(n, root(n, reduce_spatial(n, RFN_sum, to_power(n, x, p)), p), t));
}

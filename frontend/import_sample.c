// Operators that read pictures between their elements: GridSample, DeformConv; AffineGrid, which
// makes the places.
#include <string.h>

#include "import_operand.h"
#include "import_window.h"

enum border { BORDER_ZEROS, BORDER_EDGE, BORDER_REFLECT };

// Pictures as rows of channels, and where they are read. Coordinates are one float tensor per
// spatial dimension, all of one type and of extents that broadcast to each other.
struct sampler {
    struct ir_value *rows; // [pictures * positions, channels]
    struct ir_value
        *first; // i64, row of each picture's first position; broadcasts with the coordinates
    const int64_t *dim; // spatial extents
    int spatial;
    enum border border;
    bool align; // the picture ends in the middle of its outermost elements, not at their far edges
};

static struct ir_value *clamped(struct import_node *n, struct ir_value *x, double low, double high)
{
    return node_with_scalar(n, BFN_min, node_with_scalar(n, BFN_max, x, low), high);
}

// x folded back into [low, high] at both ends as often as it takes.
static struct ir_value *reflected(struct import_node *n, struct ir_value *x, double low,
                                  double high)
{
    struct ir_builder *b = &n->b;
    double range = high - low;
    if (!x)
        return NULL;
    if (range <= 0)
        return node_with_scalar(n, BFN_add, node_with_scalar(n, BFN_mul, x, 0), low);
    struct ir_value *t = node_with_scalar(
        n, BFN_fmod, irb_unary(b, UFN_abs, node_with_scalar(n, BFN_sub, x, low)), 2 * range);
    t = irb_binary(b, BFN_min, t, node_scalar_with(n, BFN_sub, 2 * range, t));
    struct ir_value *inside = irb_binary(b, BFN_and, node_scalar_with(n, BFN_le, low, x),
                                         node_with_scalar(n, BFN_le, x, high));
    return irb_select(b, inside, x, node_with_scalar(n, BFN_add, t, low));
}

static struct ir_value *reflect_axis(struct import_node *n, const struct sampler *s, int d,
                                     struct ir_value *x)
{
    double extent = (double)s->dim[d];
    return s->align ? reflected(n, x, 0, extent - 1) : reflected(n, x, -0.5, extent - 0.5);
}

static struct ir_value *with_channel(struct import_node *n, struct ir_value *v)
{
    int64_t dim[IR_MAX_RANK];
    if (!v || v->type.rank == IR_MAX_RANK)
        return NULL;
    memcpy(dim, v->type.dim, sizeof dim);
    dim[v->type.rank] = 1;
    return irb_reshape(&n->b, v, dim, v->type.rank + 1);
}

// The elements at whole coordinates, [.., channels].
static struct ir_value *pixels(struct import_node *n, const struct sampler *s,
                               struct ir_value *const *at)
{
    struct ir_builder *b = &n->b;
    struct ir_value *row = s->first, *inside = NULL;
    for (int d = 0; d < s->spatial; d++) {
        double last = (double)(s->dim[d] - 1);
        int64_t step = 1;
        for (int k = d + 1; k < s->spatial; k++)
            step *= s->dim[k];
        struct ir_value *x = s->border == BORDER_REFLECT ? reflect_axis(n, s, d, at[d]) : at[d];
        if (s->border == BORDER_ZEROS) {
            struct ir_value *in = irb_binary(b, BFN_and, node_scalar_with(n, BFN_le, 0, x),
                                             node_with_scalar(n, BFN_le, x, last));
            inside = d ? irb_binary(b, BFN_and, inside, in) : in;
        }
        x = clamped(n, x, 0, last);
        x = node_with_scalar(n, BFN_mul, x ? irb_convert(b, x, DT_I64, true) : NULL, (double)step);
        row = irb_binary(b, BFN_add, row, x);
    }
    struct ir_value *v = irb_gather(b, s->rows, row, 0);
    if (!v || !inside)
        return v;
    return irb_select(b, with_channel(n, inside), v, irb_const_like(b, v->type.dtype, 0));
}

enum { TAPS_MAX = 4 };

struct taps { // along each dimension: places and weights
    int num;
    struct ir_value *at[WINDOW_DIMS_MAX][TAPS_MAX], *weight[WINDOW_DIMS_MAX][TAPS_MAX];
};

static struct ir_value *weighted_pixels(struct import_node *n, const struct sampler *s,
                                        const struct taps *t)
{
    struct ir_builder *b = &n->b;
    struct ir_value *sum = NULL;
    int count = 1;
    for (int d = 0; d < s->spatial; d++)
        count *= t->num;
    for (int i = 0; i < count; i++) {
        struct ir_value *at[WINDOW_DIMS_MAX], *w = NULL;
        for (int d = 0, rest = i; d < s->spatial; d++, rest /= t->num) {
            at[d] = t->at[d][rest % t->num];
            w = d ? irb_binary(b, BFN_mul, w, t->weight[d][rest % t->num])
                  : t->weight[d][rest % t->num];
        }
        struct ir_value *v = pixels(n, s, at);
        v = v ? irb_binary(b, BFN_mul, v, with_channel(n, node_convert(n, w, v->type.dtype)))
              : NULL;
        sum = i ? irb_binary(b, BFN_add, sum, v) : v;
    }
    return sum;
}

static struct ir_value *sample_linear(struct import_node *n, const struct sampler *s,
                                      struct ir_value *const *x)
{
    struct taps t = {.num = 2};
    for (int d = 0; d < s->spatial; d++) {
        t.at[d][0] = irb_unary(&n->b, UFN_floor, x[d]);
        t.at[d][1] = node_with_scalar(n, BFN_add, t.at[d][0], 1);
        t.weight[d][1] = irb_binary(&n->b, BFN_sub, x[d], t.at[d][0]);
        t.weight[d][0] = node_scalar_with(n, BFN_sub, 1, t.weight[d][1]);
    }
    return weighted_pixels(n, s, &t);
}

// ((a x + b) x + c) x + d
static struct ir_value *cubic(struct import_node *n, struct ir_value *x, double a, double b,
                              double c, double d)
{
    struct ir_value *y = node_with_scalar(n, BFN_add, node_with_scalar(n, BFN_mul, x, a), b);
    y = node_with_scalar(n, BFN_add, irb_binary(&n->b, BFN_mul, y, x), c);
    return node_with_scalar(n, BFN_add, irb_binary(&n->b, BFN_mul, y, x), d);
}

static struct ir_value *sample_cubic(struct import_node *n, const struct sampler *s,
                                     struct ir_value *const *x)
{
    static const double a = -0.75;
    struct taps t = {.num = 4};
    for (int d = 0; d < s->spatial; d++) {
        struct ir_value *base = irb_unary(&n->b, UFN_floor, x[d]),
                        *f = irb_binary(&n->b, BFN_sub, x[d], base);
        struct ir_value *g = node_scalar_with(n, BFN_sub, 1, f);
        for (int k = 0; k < 4; k++)
            t.at[d][k] = node_with_scalar(n, BFN_add, base, k - 1);
        t.weight[d][0] = cubic(n, node_with_scalar(n, BFN_add, f, 1), a, -5 * a, 8 * a, -4 * a);
        t.weight[d][1] = cubic(n, f, a + 2, -(a + 3), 0, 1);
        t.weight[d][2] = cubic(n, g, a + 2, -(a + 3), 0, 1);
        t.weight[d][3] = cubic(n, node_with_scalar(n, BFN_add, g, 1), a, -5 * a, 8 * a, -4 * a);
    }
    return weighted_pixels(n, s, &t);
}

// x[pictures, channels, positions] as rows of channels.
static struct ir_value *rows_of(struct import_node *n, struct ir_value *x, int64_t pictures,
                                int64_t channels, int64_t positions)
{
    struct ir_value *v = irb_reshape(&n->b, x, (const int64_t[]){pictures, channels, positions}, 3);
    v = v ? irb_transpose(&n->b, v, (const int64_t[]){0, 2, 1}) : NULL;
    return irb_reshape(&n->b, v, (const int64_t[]){pictures * positions, channels}, 2);
}

// ---- GridSample

static int one_of(struct import_node *n, const char *attr, const char *dflt,
                  const char *const *names, int num)
{
    const char *s = node_str(n, attr, dflt);
    for (int i = 0; i < num; i++)
        if (strcmp(s, names[i]) == 0)
            return i;
    node_error(n, DIAG_ONNX_ATTR, "%s is '%s', which does not exist", attr, s);
    return -1;
}

// The coordinates along spatial dimension d, [N, positions]: the grid has the last dimension first.
static struct ir_value *grid_axis(struct import_node *n, const struct sampler *s, int d,
                                  int64_t batch, int64_t positions)
{
    struct ir_builder *b = &n->b;
    int64_t starts[3] = {0, 0, s->spatial - 1 - d}, sizes[3] = {batch, positions, 1},
            steps[3] = {1, 1, 1};
    struct ir_value *g =
        irb_reshape(b, n->in[1], (const int64_t[]){batch, positions, s->spatial}, 3);
    g = irb_reshape(b, g ? irb_slice(b, g, starts, sizes, steps) : NULL, sizes, 2);
    g = node_with_scalar(n, BFN_add, node_convert(n, g, node_wide_type(n->in[1]->type.dtype)), 1);
    double extent = (double)s->dim[d];
    if (s->align)
        return node_with_scalar(n, BFN_mul, node_with_scalar(n, BFN_mul, g, 0.5), extent - 1);
    return node_with_scalar(
        n, BFN_mul, node_with_scalar(n, BFN_sub, node_with_scalar(n, BFN_mul, g, extent), 1), 0.5);
}

// A place beyond the picture's edge becomes the middle of the outermost element. One between them
// stays: the cubic kernel sees the difference.
static struct ir_value *at_border(struct import_node *n, const struct sampler *s, int d,
                                  struct ir_value *x)
{
    double last = (double)(s->dim[d] - 1), margin = s->align ? 0 : 0.5;
    struct ir_value *inside = irb_binary(&n->b, BFN_and, node_scalar_with(n, BFN_le, -margin, x),
                                         node_with_scalar(n, BFN_le, x, last + margin));
    return irb_select(&n->b, inside, x, clamped(n, x, 0, last));
}

bool import_GridSample(struct import_node *n)
{
    static const char *const modes[] = {"linear",   "nearest", "cubic",
                                        "bilinear", "nearest", "bicubic"};
    static const char *const paddings[] = {"zeros", "border", "reflection"};
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type, *grid = &n->in[1]->type;
    int mode = one_of(n, "mode", n->opset < 20 ? "bilinear" : "linear", modes, 6);
    int padding = mode < 0 ? -1 : one_of(n, "padding_mode", "zeros", paddings, 3);
    if (padding < 0 || !node_check_rank(n, 0, 3, IR_MAX_RANK))
        return false;
    int spatial = x->rank - 2;
    if (grid->rank != x->rank || grid->dim[0] != x->dim[0] ||
        grid->dim[grid->rank - 1] != spatial || !dtype_is_float(grid->dtype))
        return node_error(n, DIAG_ONNX_SHAPE, "grid %s does not fit X %s", node_type_text(n, 1),
                          node_type_text(n, 0));
    int64_t positions = dims_elems(grid->dim + 1, spatial), size = dims_elems(x->dim + 2, spatial),
            dim[IR_MAX_RANK];
    enum dtype wide = dtype_is_float(x->dtype) ? node_wide_type(x->dtype) : DT_F64;
    struct ir_value *data = mode % 3 == 1 ? n->in[0] : node_convert(n, n->in[0], wide);
    struct ir_value *first = node_with_scalar(n, BFN_mul, node_iota(n, x->dim[0], 1), (double)size);
    struct sampler s = {.rows = rows_of(n, data, x->dim[0], x->dim[1], size),
                        .first = node_along_axis(n, first, 2, 0),
                        .dim = x->dim + 2,
                        .spatial = spatial,
                        .border = (enum border)padding,
                        .align = node_int(n, "align_corners", 0) != 0};
    struct ir_value *at[WINDOW_DIMS_MAX], *y;
    for (int d = 0; d < spatial; d++) {
        at[d] = grid_axis(n, &s, d, x->dim[0], positions);
        if (mode % 3 == 1)
            at[d] = irb_unary(b, UFN_round, at[d]);
        if (s.border == BORDER_EDGE)
            at[d] = at_border(n, &s, d, at[d]);
        else if (s.border == BORDER_REFLECT)
            at[d] = reflect_axis(n, &s, d, at[d]);
    }
    y = mode % 3 == 1   ? pixels(n, &s, at)
        : mode % 3 == 0 ? sample_linear(n, &s, at)
                        : sample_cubic(n, &s, at);
    y = node_convert(n, y, x->dtype);
    y = y ? irb_transpose(b, y, (const int64_t[]){0, 2, 1}) : NULL;
    dim[0] = x->dim[0];
    dim[1] = x->dim[1];
    memcpy(dim + 2, grid->dim + 1, (size_t)spatial * sizeof *dim);
    return node_bind(n, 0, irb_reshape(b, y, dim, x->rank));
}

// ---- AffineGrid

// The operand size: known, or by the extents that the model declares for the result, and a check.
// The number of channels says nothing about the result. NULL: reported.
static const int64_t *affine_size(struct import_node *n, int *num)
{
    if (node_is_known(n, 1))
        return node_const_ints(n, 1, num);
    struct ir_type t;
    if (!node_expect(n, 0, 1, &t) || !node_expect_rank(n, &t, 3, IR_MAX_RANK))
        return NULL;
    int64_t *size = ARENA_ARRAY(n->arena, IR_MAX_RANK, int64_t), which[IR_MAX_RANK] = {0};
    for (int i = 1; i < t.rank - 1; i++) {
        size[1 + i] = t.dim[i];
        which[i] = 1 + i;
    }
    size[0] = t.dim[0];
    size[1] = 1;
    *num = t.rank;
    struct ir_value *v = node_vector(n, 1);
    if (!v || v->type.dim[0] != t.rank) {
        node_error(n, DIAG_ONNX_SHAPE, "size is %s, %d extents are needed", node_type_text(n, 1),
                   t.rank);
        return NULL;
    }
    v = irb_gather(&n->b, v, irb_const_i64s(&n->b, which, t.rank - 1), 0);
    for (int i = 0; i < t.rank - 1; i++)
        which[i] = t.dim[i];
    return node_check_equal(n, v, which, t.rank - 1, 1, "the extents that the model declares")
               ? size
               : NULL;
}

bool import_AffineGrid(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *theta = &n->in[0]->type;
    int num;
    const int64_t *size = affine_size(n, &num);
    if (!size)
        return false;
    int spatial = num - 2;
    bool align = node_int(n, "align_corners", 0) != 0;
    if (num < 3 || num > IR_MAX_RANK || theta->rank != 3 || theta->dim[0] != size[0] ||
        theta->dim[1] != spatial || theta->dim[2] != spatial + 1 || !dtype_is_float(theta->dtype))
        return node_error(n, DIAG_ONNX_SHAPE, "theta %s does not fit a size of %d extents",
                          node_type_text(n, 0), num);
    int64_t points = dims_elems(size + 2, spatial), dim[IR_MAX_RANK],
            shape[2] = {points, spatial + 1};
    if (points < 0 || points > INT32_MAX / IR_MAX_RANK)
        return node_error(n, DIAG_LIMIT, "a grid of %lld points", (long long)points);
    double *v = ARENA_ARRAY(n->arena, (size_t)(points * shape[1]) + 1, double);
    for (int64_t p = 0; p < points; p++) {
        int64_t rest = p;
        for (int d = spatial - 1; d >= 0; rest /= size[2 + d], d--) {
            double extent = (double)size[2 + d], i = (double)(rest % size[2 + d]);
            double place =
                align ? extent > 1 ? 2 * i / (extent - 1) - 1 : 0 : (2 * i + 1) / extent - 1;
            v[p * shape[1] + spatial - 1 - d] = place;
        }
        v[p * shape[1] + spatial] = 1;
    }
    enum dtype wide = node_wide_type(theta->dtype);
    struct ir_value *t =
        irb_transpose(b, node_convert(n, n->in[0], wide), (const int64_t[]){0, 2, 1});
    struct ir_value *y =
        node_convert(n, irb_matmul(b, node_numbers(n, wide, v, shape, 2), t, NULL), theta->dtype);
    dim[0] = size[0];
    memcpy(dim + 1, size + 2, (size_t)spatial * sizeof *dim);
    dim[spatial + 1] = spatial;
    return node_bind(n, 0, irb_reshape(b, y, dim, spatial + 2));
}

// ---- DeformConv

struct deform {
    struct window w;
    int64_t group, offsets; // groups of channels, and of channels with the same offsets
    int64_t taps, positions, size;
    int64_t out[WINDOW_DIMS_MAX];
};

static bool read_deform(struct import_node *n, struct deform *c)
{
    const struct ir_type *x = &n->in[0]->type, *w = &n->in[1]->type, *o = &n->in[2]->type;
    const struct ir_type *mask = node_in(n, 4) ? &n->in[4]->type : NULL;
    c->group = node_int(n, "group", 1);
    c->offsets = node_int(n, "offset_group", 1);
    if (!node_check_rank(n, 0, 3, 5) || !node_check_rank(n, 1, x->rank, x->rank) ||
        !node_check_rank(n, 2, x->rank, x->rank) || !window_read(n, x->rank - 2, w->dim + 2, &c->w))
        return false;
    if (c->group < 1 || c->offsets < 1 || x->dim[1] % c->group || x->dim[1] % c->offsets ||
        w->dim[0] % c->group || w->dim[1] != x->dim[1] / c->group)
        return node_error(n, DIAG_ONNX_SHAPE,
                          "X %s and W %s do not divide into %lld groups and %lld groups of offsets",
                          node_type_text(n, 0), node_type_text(n, 1), (long long)c->group,
                          (long long)c->offsets);
    c->taps = c->positions = c->size = 1;
    for (int i = 0; i < c->w.spatial; i++) {
        c->out[i] = window_count(&c->w, i, x->dim[2 + i]);
        c->taps *= c->w.kernel[i];
        c->positions *= c->out[i];
        c->size *= x->dim[2 + i];
    }
    bool fits = o->dim[0] == x->dim[0] && o->dim[1] == c->offsets * c->taps * c->w.spatial;
    for (int i = 0; fits && i < c->w.spatial; i++)
        fits = o->dim[2 + i] == c->out[i];
    fits = fits && (!mask || ir_type_elems(mask) * c->w.spatial == ir_type_elems(o));
    return fits || node_error(n, DIAG_ONNX_SHAPE,
                              "offset %s and mask %s do not fit %lld taps at %lld positions",
                              node_type_text(n, 2), node_type_text(n, 4), (long long)c->taps,
                              (long long)c->positions);
}

// Where each tap of each window lies along dimension d without offsets, [taps, positions].
static struct ir_value *tap_places(struct import_node *n, const struct deform *c, int d,
                                   enum dtype t)
{
    int64_t dim[2] = {c->taps, c->positions}, inner_tap = 1, inner_out = 1;
    for (int i = d + 1; i < c->w.spatial; i++) {
        inner_tap *= c->w.kernel[i];
        inner_out *= c->out[i];
    }
    double *v = ARENA_ARRAY(n->arena, (size_t)(dim[0] * dim[1]) + 1, double);
    for (int64_t k = 0; k < c->taps; k++)
        for (int64_t p = 0; p < c->positions; p++)
            v[k * c->positions + p] =
                (double)(p / inner_out % c->out[d] * c->w.strides[d] - c->w.pads[d] +
                         k / inner_tap % c->w.kernel[d] * c->w.dilations[d]);
    return node_numbers(n, t, v, dim, 2);
}

// The elements under every tap, [N * offset groups, taps, positions, channels].
static struct ir_value *deformed(struct import_node *n, const struct deform *c, enum dtype t)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type;
    int64_t pictures = x->dim[0] * c->offsets,
            all[4] = {pictures, c->taps, c->w.spatial, c->positions};
    int64_t one[4] = {pictures, c->taps, 1, c->positions}, steps[4] = {1, 1, 1, 1},
            each[3] = {pictures, c->taps, c->positions};
    struct ir_value *offset = irb_reshape(b, node_convert(n, n->in[2], t), all, 4),
                    *at[WINDOW_DIMS_MAX];
    for (int d = 0; d < c->w.spatial; d++) {
        int64_t starts[4] = {0, 0, d, 0};
        struct ir_value *o =
            irb_reshape(b, offset ? irb_slice(b, offset, starts, one, steps) : NULL, each, 3);
        at[d] = irb_binary(b, BFN_add, o, tap_places(n, c, d, t));
    }
    struct ir_value *first =
        node_with_scalar(n, BFN_mul, node_iota(n, pictures, 1), (double)c->size);
    struct sampler s = {
        .rows = rows_of(n, node_convert(n, n->in[0], t), pictures, x->dim[1] / c->offsets, c->size),
        .first = node_along_axis(n, first, 3, 0),
        .dim = x->dim + 2,
        .spatial = c->w.spatial,
        .align = true};
    struct ir_value *v = sample_linear(n, &s, at);
    if (node_in(n, 4))
        v = irb_binary(b, BFN_mul, v,
                       with_channel(n, irb_reshape(b, node_convert(n, n->in[4], t), each, 3)));
    return v;
}

bool import_DeformConv(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type, *w = &n->in[1]->type;
    struct deform c;
    if (!read_deform(n, &c))
        return false;
    enum dtype t = node_wide_type(x->dtype);
    int64_t batch = x->dim[0], per_offset = x->dim[1] / c.offsets,
            depth = x->dim[1] / c.group * c.taps, out = w->dim[0] / c.group;
    int64_t split[5] = {batch, c.offsets, c.taps, c.positions, per_offset},
            columns[4] = {batch, c.positions, c.group, depth};
    struct ir_value *v = irb_reshape(b, deformed(n, &c, t), split, 5);
    v = v ? irb_transpose(b, v, (const int64_t[]){0, 3, 1, 4, 2}) : NULL;
    v = irb_reshape(b, v, columns, 4);
    v = v ? irb_transpose(b, v, (const int64_t[]){0, 2, 1, 3}) : NULL;
    struct ir_value *weights =
        irb_reshape(b, node_convert(n, n->in[1], t), (const int64_t[]){c.group, out, depth}, 3);
    weights = weights ? irb_transpose(b, weights, (const int64_t[]){0, 2, 1}) : NULL;
    struct ir_value *y = irb_matmul(b, v, weights, NULL);
    y = y ? irb_transpose(b, y, (const int64_t[]){0, 1, 3, 2}) : NULL;
    int64_t flat[3] = {batch, w->dim[0], c.positions}, dim[5] = {batch, w->dim[0]};
    y = irb_reshape(b, y, flat, 3);
    if (node_in(n, 3))
        y = irb_binary(b, BFN_add, y, node_along_axis(n, node_convert(n, n->in[3], t), 3, 1));
    memcpy(dim + 2, c.out, (size_t)c.w.spatial * sizeof *dim);
    return node_bind(n, 0, node_convert(n, irb_reshape(b, y, dim, x->rank), x->dtype));
}

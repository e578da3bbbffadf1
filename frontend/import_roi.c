// Pooling of regions: RoiAlign, MaxRoiPool.
#include <math.h>
#include <string.h>

#include "import_util.h"

// Column `i` of a matrix, [rows, 1, 1].
static struct ir_value *column(struct import_node *n, struct ir_value *m, int64_t i, enum dtype t)
{
    int64_t rows = m->type.dim[0], starts[2] = {0, i}, sizes[2] = {rows, 1}, steps[2] = {1, 1};
    struct ir_value *v = node_convert(n, irb_slice(&n->b, m, starts, sizes, steps), t);
    return irb_reshape(&n->b, v, (const int64_t[]){rows, 1, 1}, 3);
}

static struct ir_value *iota_f(struct import_node *n, int64_t count, int rank, int axis,
                               enum dtype t)
{
    return node_along_axis(n, node_convert(n, node_iota(n, count, 1), t), rank, axis);
}

struct roi_axis { // one spatial dimension of all regions; tensors are [regions, bins or 1, 1]
    struct ir_value *start, *bin; // of the region; extent of a bin
    struct ir_value *grid;        // samples in a bin
    int64_t bins, extent;
    int64_t ratio; // samples, 0: as many as elements
    enum dtype t;
};

static struct roi_axis roi_axis(struct import_node *n, int64_t from, int64_t to, int64_t bins,
                                int64_t extent, enum dtype t)
{
    struct ir_builder *b = &n->b;
    double scale = node_float(n, "spatial_scale", 1);
    const char *mode = n->opset >= 16 ? node_str(n, "coordinate_transformation_mode", "half_pixel")
                                      : "output_half_pixel";
    bool half = strcmp(mode, "half_pixel") == 0;
    struct roi_axis a = {
        .bins = bins, .extent = extent, .ratio = node_int(n, "sampling_ratio", 0), .t = t};
    a.start = node_with_scalar(n, BFN_sub,
                               node_with_scalar(n, BFN_mul, column(n, n->in[1], from, t), scale),
                               half ? 0.5 : 0);
    struct ir_value *end = node_with_scalar(
        n, BFN_sub, node_with_scalar(n, BFN_mul, column(n, n->in[1], to, t), scale),
        half ? 0.5 : 0);
    struct ir_value *size = irb_binary(b, BFN_sub, end, a.start);
    if (!half)
        size = node_with_scalar(n, BFN_max, size, 1);
    a.bin = node_with_scalar(n, BFN_div, size, (double)bins);
    a.grid = a.ratio > 0 ? irb_const_like(b, t, (double)a.ratio) : irb_unary(b, UFN_ceil, a.bin);
    return a;
}

// Sample number i of each bin: its place, and whether the bin has it and it lies on the picture.
static struct ir_value *sample_place(struct import_node *n, const struct roi_axis *a,
                                     struct ir_value *i, struct ir_value **counts)
{
    struct ir_builder *b = &n->b;
    struct ir_value *bin = irb_binary(b, BFN_mul, a->bin, iota_f(n, a->bins, 3, 1, a->t));
    struct ir_value *step = irb_binary(b, BFN_div, a->bin, a->grid);
    struct ir_value *y = irb_binary(b, BFN_mul, node_with_scalar(n, BFN_add, i, 0.5), step);
    y = irb_binary(b, BFN_add, irb_binary(b, BFN_add, a->start, bin), y);
    *counts = irb_binary(b, BFN_and, irb_binary(b, BFN_lt, i, a->grid),
                         node_scalar_with(n, BFN_le, 0, i));
    *counts = irb_binary(b, BFN_and, *counts, node_scalar_with(n, BFN_le, -1, y));
    *counts = irb_binary(b, BFN_and, *counts, node_with_scalar(n, BFN_le, y, (double)a->extent));
    y = irb_select(b, *counts, y, irb_const_like(b, a->t, 0));
    return node_with_scalar(n, BFN_min, node_with_scalar(n, BFN_max, y, 0),
                            (double)(a->extent - 1));
}

// Samples of one bin lie more than half an element apart when they are as many as elements, so no
// more than these lie within 1 of a position.
enum { NEAR_MAX = 7 };

// What each position gives to the mean of each bin, [regions, bins, extent].
static struct ir_value *mean_weights(struct import_node *n, const struct roi_axis *a)
{
    struct ir_builder *b = &n->b;
    struct ir_value *position = iota_f(n, a->extent, 3, 2, a->t), *sum = NULL, *first = NULL;
    if (a->ratio == 0) {
        struct ir_value *bin = irb_binary(b, BFN_mul, a->bin, iota_f(n, a->bins, 3, 1, a->t));
        first = irb_binary(b, BFN_sub, node_with_scalar(n, BFN_sub, position, 1),
                           irb_binary(b, BFN_add, a->start, bin));
        first = irb_binary(b, BFN_div, first, irb_binary(b, BFN_div, a->bin, a->grid));
        first = node_with_scalar(n, BFN_sub, irb_unary(b, UFN_floor, first), 1);
        first = node_with_scalar(n, BFN_max, first, 0); // a small bin has number 0 only
    }
    for (int64_t i = 0; i < (a->ratio ? a->ratio : NEAR_MAX); i++) {
        struct ir_value *number = first ? node_with_scalar(n, BFN_add, first, (double)i)
                                        : irb_const_like(b, a->t, (double)i),
                        *counts;
        struct ir_value *y = sample_place(n, a, number, &counts);
        struct ir_value *w = irb_unary(b, UFN_abs, irb_binary(b, BFN_sub, y, position));
        w = node_with_scalar(n, BFN_max, node_scalar_with(n, BFN_sub, 1, w), 0);
        w = irb_select(b, counts, w, irb_const_like(b, a->t, 0));
        sum = i ? irb_binary(b, BFN_add, sum, w) : w;
    }
    return irb_binary(b, BFN_div, sum, node_with_scalar(n, BFN_max, a->grid, 1));
}

// Bilinear interpolation and the mean over samples are linear in the picture and separate: a
// product with a matrix from the left for the rows, one from the right for the columns.
static struct ir_value *align_mean(struct import_node *n, struct ir_value *x,
                                   const struct roi_axis *h, const struct roi_axis *w)
{
    struct ir_builder *b = &n->b;
    int64_t rois = n->in[1]->type.dim[0], channels = x->type.dim[1];
    struct ir_value *v =
        irb_gather(b, irb_transpose(b, x, (const int64_t[]){0, 2, 1, 3}), n->in[2], 0);
    v = irb_reshape(b, v, (const int64_t[]){rois, h->extent, channels * w->extent}, 3);
    v = irb_matmul(b, mean_weights(n, h), v, NULL);
    v = irb_reshape(b, v, (const int64_t[]){rois, h->bins * channels, w->extent}, 3);
    struct ir_value *right = mean_weights(n, w);
    v = irb_matmul(b, v, right ? irb_transpose(b, right, (const int64_t[]){0, 2, 1}) : NULL, NULL);
    v = irb_reshape(b, v, (const int64_t[]){rois, h->bins, channels, w->bins}, 4);
    return v ? irb_transpose(b, v, (const int64_t[]){0, 2, 1, 3}) : NULL;
}

// The most samples that a bin has along an axis.
static int64_t samples_max(struct import_node *n, const struct roi_axis *a)
{
    if (a->ratio > 0)
        return a->ratio;
    const struct tensor *rois = node_const(n, 1),
                        *grid = rois ? ir_fold_value(a->grid, 1 << 20, n->arena, n->diag) : NULL;
    int64_t most = grid ? 1 : -1;
    for (int64_t i = 0; grid && i < tensor_elems(grid); i++)
        most =
            tensor_get_double(grid, i) > (double)most ? (int64_t)tensor_get_double(grid, i) : most;
    return most;
}

struct corners {                        // of the samples of an axis, [regions, bins * samples]
    struct ir_value *at[2], *weight[2]; // i64 positions; 0 where the sample does not count
    struct ir_value *there;             // the bin has the sample, on the picture or not
};

static struct corners corners_of(struct import_node *n, const struct roi_axis *a, int64_t samples)
{
    struct ir_builder *b = &n->b;
    struct corners c = {{NULL, NULL}, {NULL, NULL}, NULL};
    int64_t flat[2] = {n->in[1]->type.dim[0], a->bins * samples};
    struct ir_value *number = iota_f(n, samples, 3, 2, a->t);
    struct ir_value *counts, *y = sample_place(n, a, number, &counts);
    int64_t all[3] = {flat[0], a->bins, samples};
    c.there = irb_broadcast(b, irb_binary(b, BFN_lt, number, a->grid), all, 3);
    c.there = irb_reshape(b, c.there, flat, 2);
    struct ir_value *low = irb_unary(b, UFN_floor, y), *zero = irb_const_like(b, a->t, 0);
    struct ir_value *high =
        node_with_scalar(n, BFN_min, node_with_scalar(n, BFN_add, low, 1), (double)(a->extent - 1));
    struct ir_value *upper = irb_binary(b, BFN_sub, y, low);
    struct ir_value *at[2] = {low, high},
                    *weight[2] = {node_scalar_with(n, BFN_sub, 1, upper), upper};
    for (int i = 0; i < 2; i++) {
        c.at[i] = irb_reshape(b, node_convert(n, at[i], DT_I64), flat, 2);
        c.weight[i] = irb_reshape(b, irb_select(b, counts, weight[i], zero), flat, 2);
    }
    return c;
}

// The operator defines the maximum over the weighted corners of all samples.
static struct ir_value *align_max(struct import_node *n, struct ir_value *x,
                                  const struct roi_axis *h, const struct roi_axis *w)
{
    struct ir_builder *b = &n->b;
    int64_t rois = n->in[1]->type.dim[0], channels = x->type.dim[1], sh = samples_max(n, h),
            sw = sh < 0 ? -1 : samples_max(n, w);
    if (sw < 0)
        return NULL;
    struct corners ch = corners_of(n, h, sh), cw = corners_of(n, w, sw);
    struct ir_value *rows =
        irb_reshape(b, irb_transpose(b, x, (const int64_t[]){0, 2, 3, 1}),
                    (const int64_t[]){x->type.dim[0] * h->extent * w->extent, channels}, 2);
    struct ir_value *picture = node_along_axis(n,
                                               node_with_scalar(n, BFN_mul,
                                                                node_convert(n, n->in[2], DT_I64),
                                                                (double)(h->extent * w->extent)),
                                               3, 0),
                    *most = NULL;
    for (int i = 0; i < 4; i++) {
        int64_t down[3] = {rois, h->bins * sh, 1}, across[3] = {rois, 1, w->bins * sw},
                all[4] = {rois, h->bins * sh, w->bins * sw, 1};
        struct ir_value *row =
            node_with_scalar(n, BFN_mul, irb_reshape(b, ch.at[i / 2], down, 3), (double)w->extent);
        row = irb_binary(b, BFN_add,
                         irb_binary(b, BFN_add, row, irb_reshape(b, cw.at[i % 2], across, 3)),
                         picture);
        struct ir_value *weight = irb_binary(b, BFN_mul, irb_reshape(b, ch.weight[i / 2], down, 3),
                                             irb_reshape(b, cw.weight[i % 2], across, 3));
        struct ir_value *v =
            irb_binary(b, BFN_mul, irb_gather(b, rows, row, 0), irb_reshape(b, weight, all, 4));
        most = i ? irb_binary(b, BFN_max, most, v) : v;
    }
    // Samples that a bin does not have give nothing; a bin without any gives 0.
    int64_t down[4] = {rois, h->bins * sh, 1, 1}, across[4] = {rois, 1, w->bins * sw, 1};
    struct ir_value *there = irb_binary(b, BFN_and, irb_reshape(b, ch.there, down, 4),
                                        irb_reshape(b, cw.there, across, 4));
    most = irb_select(b, there, most, irb_const_like(b, h->t, -INFINITY));
    most = irb_reshape(b, most, (const int64_t[]){rois, h->bins, sh, w->bins, sw, channels}, 6);
    most = most ? irb_reduce(b, RFN_max, most, (const int64_t[]){2, 4}, 2, false) : NULL;
    most = irb_select(b, node_with_scalar(n, BFN_eq, most, -INFINITY), irb_const_like(b, h->t, 0),
                      most);
    return most ? irb_transpose(b, most, (const int64_t[]){0, 3, 1, 2}) : NULL;
}

static bool check_rois(struct import_node *n, int64_t columns)
{
    const struct ir_type *r = &n->in[1]->type;
    return node_check_rank(n, 0, 4, 4) &&
           ((r->rank == 2 && r->dim[1] == columns) ||
            node_error(n, DIAG_ONNX_SHAPE, "rois are %s, rows of %lld numbers are needed",
                       node_type_text(n, 1), (long long)columns));
}

bool import_RoiAlign(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    const char *mode = node_str(n, "mode", "avg");
    int64_t oh = node_int(n, "output_height", 1), ow = node_int(n, "output_width", 1),
            ratio = node_int(n, "sampling_ratio", 0);
    if (!check_rois(n, 4))
        return false;
    if (n->in[2]->type.rank != 1 || n->in[2]->type.dim[0] != n->in[1]->type.dim[0])
        return node_error(n, DIAG_ONNX_SHAPE, "batch_indices are %s for rois %s",
                          node_type_text(n, 2), node_type_text(n, 1));
    if (oh < 1 || ow < 1 || oh > INT32_MAX || ow > INT32_MAX || ratio < 0 || ratio > 1024 ||
        (strcmp(mode, "avg") != 0 && strcmp(mode, "max") != 0))
        return node_error(n, DIAG_ONNX_ATTR, "mode '%s', output %lld x %lld, sampling_ratio %lld",
                          mode, (long long)oh, (long long)ow, (long long)ratio);
    enum dtype t = node_wide_type(x->dtype);
    struct roi_axis h = roi_axis(n, 1, 3, oh, x->dim[2], t),
                    w = roi_axis(n, 0, 2, ow, x->dim[3], t);
    struct ir_value *v = node_convert(n, n->in[0], t);
    v = !v ? NULL : *mode == 'a' ? align_mean(n, v, &h, &w) : align_max(n, v, &h, &w);
    return node_bind(n, 0, node_convert(n, v, x->dtype));
}

// ---- MaxRoiPool

// Nearest integer, halves away from zero.
static struct ir_value *rounded(struct import_node *n, struct ir_value *x)
{
    struct ir_value *up = irb_unary(
        &n->b, UFN_floor, node_with_scalar(n, BFN_add, irb_unary(&n->b, UFN_abs, x), 0.5));
    return irb_binary(&n->b, BFN_mul, irb_unary(&n->b, UFN_sign, x), up);
}

// Whether a position belongs to a bin, [regions, bins, extent].
static struct ir_value *bin_members(struct import_node *n, int64_t from, int64_t to, int64_t bins,
                                    int64_t extent, enum dtype t)
{
    struct ir_builder *b = &n->b;
    double scale = node_float(n, "spatial_scale", 1);
    struct ir_value *start =
        rounded(n, node_with_scalar(n, BFN_mul, column(n, n->in[1], from, t), scale));
    struct ir_value *end =
        rounded(n, node_with_scalar(n, BFN_mul, column(n, n->in[1], to, t), scale));
    struct ir_value *size = node_with_scalar(
        n, BFN_max, node_with_scalar(n, BFN_add, irb_binary(b, BFN_sub, end, start), 1), 1);
    struct ir_value *bin = node_with_scalar(n, BFN_div, size, (double)bins),
                    *number = iota_f(n, bins, 3, 1, t);
    struct ir_value *low = irb_unary(b, UFN_floor, irb_binary(b, BFN_mul, number, bin));
    struct ir_value *high = irb_unary(
        b, UFN_ceil, irb_binary(b, BFN_mul, node_with_scalar(n, BFN_add, number, 1), bin));
    struct ir_value *position = iota_f(n, extent, 3, 2, t);
    return irb_binary(b, BFN_and,
                      irb_binary(b, BFN_le, irb_binary(b, BFN_add, low, start), position),
                      irb_binary(b, BFN_lt, position, irb_binary(b, BFN_add, high, start)));
}

bool import_MaxRoiPool(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type;
    int num;
    const int64_t *pooled = node_ints(n, "pooled_shape", &num), last = 4;
    if (!check_rois(n, 5))
        return false;
    if (num != 2 || pooled[0] < 1 || pooled[1] < 1 || pooled[0] > INT32_MAX ||
        pooled[1] > INT32_MAX)
        return node_error(n, DIAG_ONNX_ATTR, "pooled_shape needs two positive numbers");
    enum dtype t = node_wide_type(x->dtype);
    int64_t rois = n->in[1]->type.dim[0], ph = pooled[0], pw = pooled[1], ih = x->dim[2],
            iw = x->dim[3];
    struct ir_value *lowest = irb_const_like(b, t, -INFINITY),
                    *batch = irb_reshape(b, column(n, n->in[1], 0, DT_I64), &rois, 1);
    // Along the width, then along the height.
    struct ir_value *v = irb_gather(b, node_convert(n, n->in[0], t), batch, 0);
    v = irb_reshape(b, v, (const int64_t[]){rois, x->dim[1], ih, 1, iw}, 5);
    struct ir_value *in =
        irb_reshape(b, bin_members(n, 1, 3, pw, iw, t), (const int64_t[]){rois, 1, 1, pw, iw}, 5);
    v = irb_select(b, in, v, lowest);
    v = v ? irb_reduce(b, RFN_max, v, &last, 1, false) : NULL;
    v = irb_reshape(b, v ? irb_transpose(b, v, (const int64_t[]){0, 1, 3, 2}) : NULL,
                    (const int64_t[]){rois, x->dim[1], 1, pw, ih}, 5);
    in = irb_reshape(b, bin_members(n, 2, 4, ph, ih, t), (const int64_t[]){rois, 1, ph, 1, ih}, 5);
    v = irb_select(b, in, v, lowest);
    v = v ? irb_reduce(b, RFN_max, v, &last, 1, false) : NULL;
    // Bins without elements give 0.
    v = irb_select(b, node_with_scalar(n, BFN_eq, v, -INFINITY), irb_const_like(b, t, 0), v);
    return node_bind(n, 0, node_convert(n, v, x->dtype));
}

// Resize and Upsample, separably: along every dimension that changes, each result is a weighted sum
// of one (nearest), two (linear) or four (cubic) elements: gathers and products by vectors. Their
// positions and weights are expressions over scales and region, which fold to constants where these
// are known when compiling.
#include <math.h>
#include <string.h>

#include "import_open.h"

enum coord_mode {
    COORD_HALF_PIXEL,
    COORD_HALF_PIXEL_SYMMETRIC,
    COORD_PYTORCH_HALF_PIXEL,
    COORD_ALIGN_CORNERS,
    COORD_ASYMMETRIC,
    COORD_TF_CROP,
    COORD_TF_HALF_PIXEL
};
enum nearest_mode { NEAREST_PREFER_FLOOR, NEAREST_PREFER_CEIL, NEAREST_FLOOR, NEAREST_CEIL };
enum resize_mode { RESIZE_NEAREST, RESIZE_LINEAR, RESIZE_CUBIC };

struct resize {
    enum resize_mode mode;
    enum coord_mode coord;
    enum nearest_mode nearest;
    double cubic_a, extrapolation;
    bool exclude_outside, antialias;
    int input;                         // operand that the extents come from
    int64_t size[IR_MAX_RANK];         // of the result; a bound where out is not NULL
    struct ir_value *out[IR_MAX_RANK]; // i64 scalars: extents known only at run time
    // f64 scalars, constants unless an operand is known only at run time
    struct ir_value *scale[IR_MAX_RANK], *roi_lo[IR_MAX_RANK], *roi_hi[IR_MAX_RANK];
};

static bool pick(struct import_node *n, const char *attr, const char *dflt,
                 const char *const *names, int num, int *out)
{
    const char *s = node_str(n, attr, dflt);
    for (*out = 0; *out < num; (*out)++)
        if (strcmp(s, names[*out]) == 0)
            return true;
    return node_error(n, DIAG_ONNX_ATTR, "%s = '%s' is not known", attr, s);
}

static bool read_modes(struct import_node *n, struct resize *r)
{
    static const char *const modes[] = {"nearest", "linear", "cubic", "bilinear"};
    static const char *const coords[] = {
        "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",  "align_corners",
        "asymmetric", "tf_crop_and_resize",   "tf_half_pixel_for_nn"};
    static const char *const nearests[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                           "ceil"};
    bool old = strcmp(n->row->name, "Upsample") == 0 || n->opset < 11;
    int mode, coord, nearest;
    if (!pick(n, "mode", "nearest", modes, 4, &mode) ||
        !pick(n, "coordinate_transformation_mode", old ? "asymmetric" : "half_pixel", coords,
              n->opset < 13 ? 7 : 6, &coord) ||
        !pick(n, "nearest_mode", old ? "floor" : "round_prefer_floor", nearests, 4, &nearest))
        return false;
    r->mode = mode == 3 ? RESIZE_LINEAR : (enum resize_mode)mode;
    r->coord = (enum coord_mode)coord;
    r->nearest = (enum nearest_mode)nearest;
    r->cubic_a = node_float(n, "cubic_coeff_a", -0.75);
    r->extrapolation = node_float(n, "extrapolation_value", 0);
    r->exclude_outside = node_int(n, "exclude_outside", 0) != 0;
    r->antialias = node_int(n, "antialias", 0) != 0;
    return true;
}

static struct ir_value *f64(struct import_node *n, double v)
{
    return irb_const_like(&n->b, DT_F64, v);
}

static bool value_known(struct import_node *n, struct ir_value *v, double *out)
{
    const struct tensor *t = v ? ir_fold_value(v, 64, n->arena, n->diag) : NULL;
    if (t)
        *out = tensor_get_double(t, 0);
    return t != NULL;
}

// Operand `input`, `count` numbers, as an f64 vector; an absent or empty one gives *v NULL.
static bool read_numbers(struct import_node *n, int input, int64_t count, struct ir_value **v)
{
    *v = NULL;
    if (!node_in(n, input) || ir_type_elems(&node_in(n, input)->type) == 0)
        return true;
    if (ir_type_elems(&n->in[input]->type) != count)
        return node_error(n, DIAG_ONNX_SHAPE,
                          "input %d has %lld elements, %lld are needed for the dimensions resized",
                          input, (long long)ir_type_elems(&n->in[input]->type), (long long)count);
    *v = irb_reshape(&n->b, node_convert(n, n->in[input], DT_F64), &count, 1);
    return *v != NULL;
}

struct extents { // what gives the result's extents
    const int64_t *axes;
    int64_t count;
    struct ir_value *scales, *sizes; // f64 vectors over the axes; one of them NULL
    int input;                       // operand that they come from
};

static struct ir_value *plus(struct import_node *n, struct ir_value *a, double v)
{
    return irb_binary(&n->b, BFN_add, a, f64(n, v));
}

static struct ir_value *times(struct import_node *n, struct ir_value *a, double v)
{
    return irb_binary(&n->b, BFN_mul, a, f64(n, v));
}

// The operand's extent plus v.
static struct ir_value *in_extent(struct import_node *n, int a, double v)
{
    const struct ir_type *x = &n->in[0]->type;
    return x->sym[a] ? plus(n, node_convert(n, x->sym[a], DT_F64), v)
                     : f64(n, (double)x->dim[a] + v);
}

// The result's extent.
static struct ir_value *out_extent(struct import_node *n, const struct resize *r, int a)
{
    return r->out[a] ? node_convert(n, r->out[a], DT_F64) : f64(n, (double)r->size[a]);
}

static struct ir_value *in_extents(struct import_node *n, const struct extents *e)
{
    const struct ir_value *x = n->in[0];
    if (ir_type_is_dynamic(&x->type))
        return node_convert(n,
                            irb_gather(&n->b, node_extents(n, x, 0, x->type.rank),
                                       irb_const_i64s(&n->b, e->axes, (int)e->count), 0),
                            DT_F64);
    struct tensor *t = tensor_create(n->arena, DT_F64, &e->count, 1);
    for (int64_t i = 0; i < e->count; i++)
        ((double *)t->data)[i] = (double)n->in[0]->type.dim[e->axes[i]];
    return irb_const(&n->b, t, NULL);
}

// What is left of the operand after cropping, over the axes.
static struct ir_value *crop_parts(struct import_node *n, const struct resize *r,
                                   const struct extents *e)
{
    struct ir_value *part[IR_MAX_RANK];
    int64_t one = 1;
    for (int64_t i = 0; i < e->count; i++) {
        int64_t a = e->axes[i];
        part[i] = irb_binary(&n->b, BFN_sub, r->roi_hi[a], r->roi_lo[a]);
        part[i] = irb_reshape(&n->b, part[i], &one, 1);
        if (!part[i])
            return NULL;
    }
    return e->count == 1 ? part[0] : irb_concat(&n->b, part, (int)e->count, 0);
}

// Sizes and scales of all axes as f64 vectors. keep_aspect_ratio_policy: one scale for all, so that
// the result is not larger or not smaller than the sizes.
static bool extent_vectors(struct import_node *n, const struct resize *r, struct extents *e)
{
    struct ir_builder *b = &n->b;
    struct ir_value *in = in_extents(n, e);
    const char *policy = node_str(n, "keep_aspect_ratio_policy", "stretch");
    bool larger = strcmp(policy, "not_larger") == 0, smaller = strcmp(policy, "not_smaller") == 0;
    int64_t first = 0;
    if (!larger && !smaller && strcmp(policy, "stretch") != 0)
        return node_error(n, DIAG_ONNX_ATTR, "keep_aspect_ratio_policy = '%s' is not known",
                          policy);
    if (e->scales) {
        struct ir_value *whole = irb_binary(b, BFN_mul, in, e->scales);
        if (r->coord == COORD_TF_CROP)
            whole = irb_binary(b, BFN_mul, whole, crop_parts(n, r, e));
        e->sizes = irb_unary(b, UFN_floor, whole);
        return e->sizes != NULL;
    }
    e->scales = irb_binary(b, BFN_div, e->sizes, in);
    if (larger || smaller) {
        struct ir_value *one =
            irb_reduce(b, larger ? RFN_min : RFN_max, e->scales, &first, 1, true);
        e->scales = irb_broadcast(b, one, &e->count, 1);
        e->sizes =
            irb_unary(b, UFN_floor,
                      irb_binary(b, BFN_add, irb_binary(b, BFN_mul, e->scales, in), f64(n, 0.5)));
    }
    return e->scales && e->sizes;
}

// Extents that only the run knows are those that the model declares, and checked.
static bool declared_sizes(struct import_node *n, struct resize *r, const struct extents *e)
{
    struct ir_type t;
    struct tensor *want = tensor_create(n->arena, DT_F64, &e->count, 1);
    if (!node_expect(n, 0, e->input, &t) ||
        !node_expect_rank(n, &t, n->in[0]->type.rank, n->in[0]->type.rank))
        return false;
    for (int64_t i = 0; i < e->count; i++) {
        r->size[e->axes[i]] = t.dim[e->axes[i]];
        ((double *)want->data)[i] = (double)t.dim[e->axes[i]];
    }
    return node_check(n, irb_binary(&n->b, BFN_eq, e->sizes, irb_const(&n->b, want, NULL)),
                      e->input, "the extents that the model declares for the result");
}

static bool known_sizes(struct import_node *n, struct resize *r, const struct extents *e,
                        const struct tensor *sizes)
{
    for (int64_t i = 0; i < e->count; i++) {
        double size = tensor_get_double(sizes, i);
        if (!(size >= 0 && size <= (double)INT32_MAX))
            return node_error(n, DIAG_ONNX_SHAPE, "dimension %lld of extent %lld would become %g",
                              (long long)e->axes[i], (long long)n->in[0]->type.dim[e->axes[i]],
                              size);
        r->size[e->axes[i]] = (int64_t)size;
    }
    return true;
}

// The most that extent e->sizes[i] can be, a bound that follows from a known scale; -1: none does.
static int64_t bound_by_scale(struct import_node *n, const struct resize *r,
                              const struct extents *e, int64_t i)
{
    double scale, most;
    int64_t a = e->axes[i];
    if (r->coord == COORD_TF_CROP || !value_known(n, node_element(n, e->scales, i), &scale))
        return -1;
    most = floor((double)n->in[0]->type.dim[a] * scale);
    return most < (double)INT32_MAX ? (int64_t)most : -1;
}

// Whether operand 3 asks for the extent that dimension a has.
static bool keeps_extent(struct import_node *n, int64_t i, int64_t a, bool by_size)
{
    int64_t known;
    const struct ir_value *sym = n->in[0]->type.sym[a];
    struct ir_value *v =
        by_size && sym && n->in[3]->type.dtype == DT_I64 ? node_vector(n, 3) : NULL;
    return v && node_shape_element(n, v, i, &known) == sym;
}

// Extents that only the run knows, and the model does not declare.
static bool open_sizes(struct import_node *n, struct resize *r, const struct extents *e)
{
    struct ir_type t = {.known = true, .rank = n->in[0]->type.rank};
    bool assumed[IR_MAX_RANK] = {false};
    memcpy(t.dim, r->size, sizeof(t.dim));
    for (int64_t i = 0; i < e->count; i++) {
        double size;
        int64_t a = e->axes[i];
        struct ir_value *v = node_element(n, e->sizes, i);
        if (!v)
            return false;
        if (value_known(n, v, &size)) {
            t.dim[a] = (int64_t)size;
            continue;
        }
        r->out[a] = node_convert(n, v, DT_I64);
        t.dim[a] = bound_by_scale(n, r, e, i);
        assumed[a] = t.dim[a] < 0;
    }
    node_assume_bounds(n, &t, assumed);
    memcpy(r->size, t.dim, sizeof(r->size));
    for (int a = 0; a < t.rank; a++)
        if (assumed[a] &&
            !node_check(n, irb_binary(&n->b, BFN_le, r->out[a], node_i64(n, t.dim[a])), e->input,
                        arena_printf(n->arena, "the bound %lld of extent %d, which --max-dim sets",
                                     (long long)t.dim[a], a)))
            return false;
    return true;
}

static bool set_sizes(struct import_node *n, struct resize *r, const struct extents *e)
{
    struct ir_type declared;
    const struct tensor *sizes = ir_fold_value(e->sizes, 64, n->arena, n->diag);
    if (sizes)
        return known_sizes(n, r, e, sizes);
    return !ir_type_is_dynamic(&n->in[0]->type) && node_declared_whole(n, 0, &declared)
               ? declared_sizes(n, r, e)
               : open_sizes(n, r, e);
}

static bool set_extents(struct import_node *n, struct resize *r, struct extents *e)
{
    const struct ir_type *x = &n->in[0]->type;
    bool by_size = e->scales == NULL;
    r->input = e->input;
    if ((e->scales == NULL) == (e->sizes == NULL))
        return node_error(n, DIAG_ONNX_ARITY, "either scales or sizes must be given");
    for (int64_t i = 0; i < e->count; i++)
        if (x->dim[e->axes[i]] == 0 || x->dim[e->axes[i]] > INT32_MAX)
            return node_error(n, DIAG_ONNX_SHAPE, "dimension %lld of extent %lld cannot be resized",
                              (long long)e->axes[i], (long long)x->dim[e->axes[i]]);
    struct ir_value *given = by_size ? e->sizes : e->scales;
    struct ir_value *sane = irb_binary(&n->b, BFN_and, irb_binary(&n->b, BFN_lt, f64(n, 0), given),
                                       irb_binary(&n->b, BFN_lt, given, f64(n, 1e9)));
    if (!node_check(n, sane, e->input, "the rule that scales and sizes are positive") ||
        !extent_vectors(n, r, e))
        return false;
    if (!set_sizes(n, r, e))
        return false;
    bool stretch = strcmp(node_str(n, "keep_aspect_ratio_policy", "stretch"), "stretch") == 0;
    for (int64_t i = 0; i < e->count; i++) {
        int64_t a = e->axes[i];
        if (stretch && keeps_extent(n, i, a, by_size)) {
            r->out[a] = NULL;
            continue;
        }
        r->scale[a] = by_size && stretch && !r->out[a] && !x->sym[a]
                          ? f64(n, (double)r->size[a] / (double)x->dim[a])
                          : node_element(n, e->scales, i);
        if (!r->scale[a])
            return false;
    }
    return true;
}

// (x + 0.5) / scale - 0.5
static struct ir_value *half_pixel(struct import_node *n, const struct resize *r, int a,
                                   struct ir_value *x)
{
    return plus(n, irb_binary(&n->b, BFN_div, plus(n, x, 0.5), r->scale[a]), -0.5);
}

static struct ir_value *crop_positions(struct import_node *n, const struct resize *r, int a,
                                       struct ir_value *x)
{
    struct ir_builder *b = &n->b;
    struct ir_value *lo = r->roi_lo[a], *hi = r->roi_hi[a], *last = in_extent(n, a, -1);
    struct ir_value *middle =
        irb_binary(b, BFN_mul, irb_binary(b, BFN_add, lo, hi), times(n, last, 0.5));
    if (!r->out[a] && r->size[a] <= 1)
        return irb_binary(b, BFN_add, times(n, x, 0), middle);
    struct ir_value *out = out_extent(n, r, a), *start = irb_binary(b, BFN_mul, lo, last);
    struct ir_value *gaps = irb_binary(b, BFN_max, plus(n, out, -1), f64(n, 1));
    struct ir_value *step =
        irb_binary(b, BFN_div, irb_binary(b, BFN_mul, irb_binary(b, BFN_sub, hi, lo), last), gaps);
    struct ir_value *at = irb_binary(b, BFN_add, start, irb_binary(b, BFN_mul, x, step));
    return r->out[a] ? irb_select(b, irb_binary(b, BFN_le, out, f64(n, 1)), middle, at) : at;
}

// Positions in the operand of all results along dimension a, f64.
static struct ir_value *positions(struct import_node *n, const struct resize *r, int a)
{
    struct ir_builder *b = &n->b;
    struct ir_value *x = node_convert(n, node_iota(n, r->size[a], 1), DT_F64), *scale = r->scale[a];
    struct ir_value *in = in_extent(n, a, 0), *length = irb_binary(b, BFN_mul, scale, in);
    switch (r->coord) {
    case COORD_ALIGN_CORNERS: {
        struct ir_value *span = plus(n, length, -1);
        struct ir_value *one = irb_binary(b, BFN_eq, span, f64(n, 0));
        span = irb_select(b, one, f64(n, 1), span);
        x = irb_binary(b, BFN_div, irb_binary(b, BFN_mul, x, in_extent(n, a, -1)), span);
        return irb_select(b, one, f64(n, 0), x);
    }
    case COORD_ASYMMETRIC: return irb_binary(b, BFN_div, x, scale);
    case COORD_TF_HALF_PIXEL: return irb_binary(b, BFN_div, plus(n, x, 0.5), scale);
    case COORD_PYTORCH_HALF_PIXEL:
        return irb_select(b, irb_binary(b, BFN_lt, f64(n, 1), length), half_pixel(n, r, a, x),
                          f64(n, 0));
    case COORD_HALF_PIXEL_SYMMETRIC: {
        struct ir_value *adjust = irb_binary(b, BFN_div, out_extent(n, r, a), length);
        struct ir_value *shift =
            irb_binary(b, BFN_mul, irb_binary(b, BFN_sub, f64(n, 1), adjust), times(n, in, 0.5));
        return irb_binary(b, BFN_add, half_pixel(n, r, a, x), shift);
    }
    case COORD_TF_CROP: return crop_positions(n, r, a, x);
    case COORD_HALF_PIXEL: break;
    }
    return half_pixel(n, r, a, x);
}

static struct ir_value *nearest_position(struct import_node *n, enum nearest_mode m,
                                         struct ir_value *x)
{
    switch (m) {
    case NEAREST_FLOOR: break;
    case NEAREST_CEIL: return irb_unary(&n->b, UFN_ceil, x);
    case NEAREST_PREFER_FLOOR: return irb_unary(&n->b, UFN_ceil, plus(n, x, -0.5));
    case NEAREST_PREFER_CEIL: return irb_unary(&n->b, UFN_floor, plus(n, x, 0.5));
    }
    return irb_unary(&n->b, UFN_floor, x);
}

// Weight of elements at distance d >= 0.
static struct ir_value *kernel_weight(struct import_node *n, const struct resize *r,
                                      struct ir_value *d)
{
    struct ir_builder *b = &n->b;
    double a = r->cubic_a;
    struct ir_value *zero = f64(n, 0), *near = plus(n, times(n, d, -1), 1);
    if (r->mode != RESIZE_CUBIC)
        return irb_binary(b, BFN_max, near, zero);
    struct ir_value *far = plus(n, times(n, d, a), -5 * a);
    far = irb_binary(b, BFN_mul, plus(n, irb_binary(b, BFN_mul, far, d), 8 * a), d);
    far = irb_select(b, irb_binary(b, BFN_lt, d, f64(n, 2)), plus(n, far, -4 * a), zero);
    near = plus(n, times(n, d, a + 2), -(a + 3));
    near = plus(n, irb_binary(b, BFN_mul, irb_binary(b, BFN_mul, near, d), d), 1);
    return irb_select(b, irb_binary(b, BFN_le, d, f64(n, 1)), near, far);
}

#define TAPS_MAX 4096
#define WEIGHTS_MAX (1 << 24)
struct taps { // of one dimension
    int num;
    struct ir_value *index, *weight; // [num][size]: i64 and f64
};

// How many elements a result takes. Antialiasing widens the kernel when shrinking; by as much as
// the extents allow when the scale is known only at run time.
static bool count_taps(struct import_node *n, const struct resize *r, int a, struct taps *t)
{
    double in = (double)n->in[0]->type.dim[a], scale, radius = r->mode == RESIZE_CUBIC ? 2 : 1;
    if (!value_known(n, r->scale[a], &scale))
        scale = (r->out[a] ? 1 : (double)r->size[a]) / in / (r->coord == COORD_TF_CROP ? 2 : 1);
    if (r->antialias && scale < 1)
        radius /= scale;
    double wanted = r->mode == RESIZE_NEAREST ? 1 : 2 * ceil(radius);
    if (wanted > TAPS_MAX || wanted * (double)r->size[a] > WEIGHTS_MAX)
        return node_error(n, DIAG_LIMIT, "dimension %d: %g taps for %lld results", a, wanted,
                          (long long)r->size[a]);
    t->num = (int)wanted;
    return true;
}

// Elements and weights of every result.
static bool make_taps(struct import_node *n, const struct resize *r, int a, struct taps *t)
{
    struct ir_builder *b = &n->b;
    struct ir_value *x = positions(n, r, a), *zero = f64(n, 0);
    if (!x || !count_taps(n, r, a, t))
        return false;
    int64_t column[2] = {t->num, 1}, first_axis = 0;
    struct ir_value *near = irb_binary(b, BFN_lt, irb_unary(b, UFN_abs, x), f64(n, 1e15));
    if (!node_check(n, near, r->input, "the range of positions in the operand"))
        return false;
    struct ir_value *first = r->mode == RESIZE_NEAREST
                                 ? nearest_position(n, r->nearest, x)
                                 : plus(n, irb_unary(b, UFN_floor, x), 1 - t->num / 2);
    struct ir_value *k =
        irb_reshape(b, node_convert(n, node_iota(n, t->num, 1), DT_F64), column, 2);
    struct ir_value *at = irb_binary(b, BFN_add, k, first);
    struct ir_value *inside = node_clamp(n, at, zero, in_extent(n, a, -1));
    t->index = node_convert(n, inside, DT_I64);
    if (r->mode == RESIZE_NEAREST)
        return t->index != NULL;
    struct ir_value *d = irb_unary(b, UFN_abs, irb_binary(b, BFN_sub, at, x));
    if (r->antialias)
        d = irb_binary(b, BFN_mul, d, irb_binary(b, BFN_min, r->scale[a], f64(n, 1)));
    t->weight = kernel_weight(n, r, d);
    if (r->exclude_outside)
        t->weight = irb_select(b, irb_binary(b, BFN_eq, at, inside), t->weight, zero);
    if (r->exclude_outside || r->antialias)
        t->weight = irb_binary(b, BFN_div, t->weight,
                               irb_reduce(b, RFN_sum, t->weight, &first_axis, 1, true));
    return t->index && t->weight;
}

// Row k of a matrix, along dimension `axis` of a tensor of that rank.
static struct ir_value *row(struct import_node *n, struct ir_value *v, int k, int rank, int axis)
{
    int64_t starts[2] = {k, 0}, steps[2] = {1, 1}, sizes[2] = {1, v->type.dim[1]};
    struct ir_value *one = irb_slice(&n->b, v, starts, sizes, steps);
    return node_along_axis(n, irb_reshape(&n->b, one, sizes + 1, 1), rank, axis);
}

static struct ir_value *resize_dim(struct import_node *n, const struct resize *r,
                                   struct ir_value *x, int axis)
{
    struct taps t = {0};
    struct ir_value *sum = NULL;
    if (!x || !make_taps(n, r, axis, &t))
        return NULL;
    for (int k = 0; k < t.num; k++) {
        struct ir_value *v = irb_gather(&n->b, x, row(n, t.index, k, 1, 0), axis);
        if (r->mode == RESIZE_NEAREST)
            return v;
        struct ir_value *w = row(n, t.weight, k, x->type.rank, axis);
        v = irb_binary(&n->b, BFN_mul, v, node_convert(n, w, x->type.dtype));
        sum = k == 0 ? v : irb_binary(&n->b, BFN_add, sum, v);
    }
    return sum;
}

// tf_crop_and_resize: results whose position lies outside the operand are the extrapolation value.
static struct ir_value *extrapolate(struct import_node *n, const struct resize *r,
                                    struct ir_value *x, int axis)
{
    struct ir_builder *b = &n->b;
    if (!x || r->coord != COORD_TF_CROP)
        return x;
    struct ir_value *last = in_extent(n, axis, -1);
    struct ir_value *at = positions(n, r, axis);
    struct ir_value *outside = irb_binary(b, BFN_or, irb_binary(b, BFN_lt, at, f64(n, 0)),
                                          irb_binary(b, BFN_lt, last, at));
    return irb_select(b, node_along_axis(n, outside, x->type.rank, axis),
                      irb_const_like(b, x->type.dtype, r->extrapolation), x);
}

static bool changes(struct import_node *n, const struct resize *r, int a)
{
    double scale;
    const struct ir_type *x = &n->in[0]->type;
    return r->scale[a] &&
           ((!x->sym[a] && !r->out[a] && r->size[a] != x->dim[a]) || r->coord == COORD_TF_CROP ||
            !value_known(n, r->scale[a], &scale) || scale != 1);
}

// Interpolation of integers happens in f32 and rounds to nearest even at the end.
static bool resize_all(struct import_node *n, const struct resize *r)
{
    enum dtype type = n->in[0]->type.dtype;
    bool round = r->mode != RESIZE_NEAREST && dtype_is_int(type);
    struct ir_value *x = round ? irb_convert(&n->b, n->in[0], DT_F32, false) : n->in[0];
    for (int a = 0; a < n->in[0]->type.rank; a++)
        if (changes(n, r, a)) {
            x = extrapolate(n, r, resize_dim(n, r, x, a), a);
            x = r->out[a] ? irb_extent(&n->b, x, r->out[a], a) : x;
        }
    return node_bind(n, 0,
                     round ? irb_convert(&n->b, irb_unary(&n->b, UFN_round, x), type, true) : x);
}

static bool resize_axes(struct import_node *n, int64_t *axes, int *count)
{
    int rank = n->in[0]->type.rank, given;
    const int64_t *a = node_ints(n, "axes", &given);
    *count = a ? given : rank;
    if (*count > rank || *count == 0)
        return node_error(n, DIAG_ONNX_ATTR, "%d axes for %s", *count,
                          ir_type_text(&n->in[0]->type, n->arena));
    for (int i = 0; i < *count; i++)
        if (!node_axis(n, a ? a[i] : i, rank, &axes[i]))
            return false;
    return true;
}

static bool begin(struct import_node *n, struct resize *r, int64_t *axes, int *count)
{
    *r = (struct resize){.mode = RESIZE_NEAREST};
    for (int i = 0; i < n->in[0]->type.rank; i++)
        r->size[i] = n->in[0]->type.dim[i];
    return read_modes(n, r) && resize_axes(n, axes, count);
}

static bool read_roi(struct import_node *n, struct resize *r, const int64_t *axes, int count)
{
    struct ir_value *roi = NULL;
    if (r->coord != COORD_TF_CROP)
        return true;
    if (!read_numbers(n, 1, 2 * count, &roi))
        return false;
    if (!roi)
        return node_error(n, DIAG_ONNX_ARITY, "tf_crop_and_resize needs input roi");
    for (int i = 0; i < count; i++) {
        r->roi_lo[axes[i]] = node_element(n, roi, i);
        r->roi_hi[axes[i]] = node_element(n, roi, count + i);
        if (!r->roi_lo[axes[i]] || !r->roi_hi[axes[i]])
            return false;
    }
    return true;
}

bool import_Resize(struct import_node *n)
{
    struct resize r;
    int64_t axes[IR_MAX_RANK];
    int count;
    bool old = n->opset < 11; // inputs: x, scales; later: x, roi, scales, sizes
    if (!begin(n, &r, axes, &count))
        return false;
    struct extents e = {.axes = axes, .count = count, .input = old ? 1 : 2};
    if (!read_numbers(n, e.input, count, &e.scales) ||
        (!old && !read_numbers(n, 3, count, &e.sizes)) || !read_roi(n, &r, axes, count))
        return false;
    if (!e.scales)
        e.input = 3;
    return set_extents(n, &r, &e) && resize_all(n, &r);
}

bool import_Upsample(struct import_node *n)
{
    struct resize r;
    int64_t axes[IR_MAX_RANK];
    int count, given;
    const double *scales = node_floats(n, "scales", &given);
    if (!begin(n, &r, axes, &count))
        return false;
    struct extents e = {.axes = axes, .count = count, .input = 1};
    if (node_in(n, 1))
        return read_numbers(n, 1, count, &e.scales) && set_extents(n, &r, &e) && resize_all(n, &r);
    if (given != count)
        return node_error(n, DIAG_ONNX_ATTR, "%d scales for %d dimensions", given, count);
    struct tensor *t = tensor_create(n->arena, DT_F64, &e.count, 1);
    memcpy(t->data, scales, (size_t)count * sizeof(*scales));
    e.scales = irb_const(&n->b, t, NULL);
    return set_extents(n, &r, &e) && resize_all(n, &r);
}

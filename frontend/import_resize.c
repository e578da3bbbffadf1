// Resize and Upsample, separably: along every dimension that changes, each result is a weighted sum
// of one (nearest), two (linear) or four (cubic) elements, whose positions and weights are known
// when compiling: gathers and products by constant vectors.
#include <math.h>
#include <string.h>

#include "import_node.h"

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
    double scale[IR_MAX_RANK];
    int64_t size[IR_MAX_RANK];
    double roi_lo[IR_MAX_RANK], roi_hi[IR_MAX_RANK];
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

// A constant operand of `count` numbers; an absent or empty one gives *v NULL.
static bool read_numbers(struct import_node *n, int input, int count, const double **v)
{
    *v = NULL;
    if (!node_in(n, input) || ir_type_elems(&node_in(n, input)->type) == 0)
        return true;
    const struct tensor *t = node_const(n, input);
    if (!t)
        return false;
    if (tensor_elems(t) != count)
        return node_error(n, DIAG_ONNX_SHAPE,
                          "input %d has %lld elements, %d dimensions are resized", input,
                          (long long)tensor_elems(t), count);
    double *d = ARENA_ARRAY(n->arena, (size_t)count, double);
    for (int i = 0; i < count; i++)
        d[i] = tensor_get_double(t, i);
    *v = d;
    return true;
}

// keep_aspect_ratio_policy: one scale for all, so that the result is not larger or not smaller than
// the sizes.
static void keep_aspect(struct import_node *n, struct resize *r, const int64_t *axes, int count)
{
    const char *policy = node_str(n, "keep_aspect_ratio_policy", "stretch");
    bool larger = strcmp(policy, "not_larger") == 0;
    if (!larger && strcmp(policy, "not_smaller") != 0)
        return;
    double scale = r->scale[axes[0]];
    for (int i = 1; i < count; i++)
        scale = larger ? fmin(scale, r->scale[axes[i]]) : fmax(scale, r->scale[axes[i]]);
    for (int i = 0; i < count; i++) {
        r->scale[axes[i]] = scale;
        r->size[axes[i]] = (int64_t)floor(scale * (double)n->in[0]->type.dim[axes[i]] + 0.5);
    }
}

static bool set_extents(struct import_node *n, struct resize *r, const int64_t *axes, int count,
                        const double *scales, const double *sizes)
{
    const struct ir_type *x = &n->in[0]->type;
    if ((scales == NULL) == (sizes == NULL))
        return node_error(n, DIAG_ONNX_ARITY, "either scales or sizes must be given");
    for (int i = 0; i < count; i++) {
        int64_t a = axes[i];
        double v = scales ? scales[i] : sizes[i];
        if (!(v > 0) || !(v < 1e9) || x->dim[a] == 0 || x->dim[a] > INT32_MAX)
            return node_error(n, DIAG_ONNX_SHAPE, "%s %g for dimension %lld of extent %lld",
                              scales ? "scale" : "size", v, (long long)a, (long long)x->dim[a]);
        double part = r->coord == COORD_TF_CROP ? r->roi_hi[a] - r->roi_lo[a] : 1;
        double size = floor(scales ? (double)x->dim[a] * v * part : v);
        if (!(size >= 0 && size <= (double)INT32_MAX))
            return node_error(n, DIAG_ONNX_SHAPE, "dimension %lld of extent %lld would become %g",
                              (long long)a, (long long)x->dim[a], size);
        r->size[a] = (int64_t)size;
        r->scale[a] = scales ? v : v / (double)x->dim[a];
    }
    if (sizes)
        keep_aspect(n, r, axes, count);
    return true;
}

// Position in the operand of result position i.
static double original(const struct resize *r, int a, int64_t i, int64_t in)
{
    double out = (double)r->size[a], x = (double)i, length = r->scale[a] * (double)in;
    switch (r->coord) {
    case COORD_ALIGN_CORNERS: return length == 1 ? 0 : x * (double)(in - 1) / (length - 1);
    case COORD_ASYMMETRIC: return x / r->scale[a];
    case COORD_TF_HALF_PIXEL: return (x + 0.5) / r->scale[a];
    case COORD_PYTORCH_HALF_PIXEL: return length > 1 ? (x + 0.5) / r->scale[a] - 0.5 : 0;
    case COORD_HALF_PIXEL_SYMMETRIC: {
        double adjust = out / length, center = (double)in / 2;
        return center * (1 - adjust) + (x + 0.5) / r->scale[a] - 0.5;
    }
    case COORD_TF_CROP: {
        double lo = r->roi_lo[a], hi = r->roi_hi[a];
        return out > 1 ? lo * (double)(in - 1) + x * (hi - lo) * (double)(in - 1) / (out - 1)
                       : 0.5 * (lo + hi) * (double)(in - 1);
    }
    case COORD_HALF_PIXEL: break;
    }
    return (x + 0.5) / r->scale[a] - 0.5;
}

static double nearest_position(enum nearest_mode m, double x)
{
    if (m == NEAREST_FLOOR)
        return floor(x);
    if (m == NEAREST_CEIL)
        return ceil(x);
    return m == NEAREST_PREFER_FLOOR ? ceil(x - 0.5) : floor(x + 0.5);
}

static double cubic_weight(double a, double d)
{
    d = fabs(d);
    if (d <= 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

static double kernel_weight(const struct resize *r, double d)
{
    d = fabs(d);
    return r->mode == RESIZE_CUBIC ? cubic_weight(r->cubic_a, d) : d < 1 ? 1 - d : 0;
}

#define TAPS_MAX 4096
#define WEIGHTS_MAX (1 << 25)
struct taps { // of one dimension
    int num;
    int64_t *index; // [num][size]
    float *weight;
};

// Elements and weights of every result. Antialiasing widens the kernel when shrinking.
static bool make_taps(struct import_node *n, const struct resize *r, int a, struct taps *t)
{
    int64_t in = n->in[0]->type.dim[a], size = r->size[a];
    double stretch = r->antialias && r->scale[a] < 1 ? r->scale[a] : 1;
    double radius = (r->mode == RESIZE_CUBIC ? 2 : 1) / stretch;
    double wanted = r->mode == RESIZE_NEAREST ? 1 : 2 * ceil(radius);
    if (wanted > TAPS_MAX || wanted * (double)size > WEIGHTS_MAX)
        return node_error(n, DIAG_LIMIT, "dimension %d: %g taps for %lld results", a, wanted,
                          (long long)size);
    t->num = (int)wanted;
    t->index = arena_array(n->arena, (size_t)size * (size_t)t->num, sizeof(int64_t));
    t->weight = arena_array(n->arena, (size_t)size * (size_t)t->num, sizeof(float));
    for (int64_t i = 0; i < size; i++) {
        double x = original(r, a, i, in), sum = 0, w[TAPS_MAX];
        if (!(fabs(x) < 1e15))
            return node_error(n, DIAG_ONNX_SHAPE,
                              "dimension %d: result %lld would come from position %g", a,
                              (long long)i, x);
        int64_t first = r->mode == RESIZE_NEAREST ? (int64_t)nearest_position(r->nearest, x)
                                                  : (int64_t)floor(x) - t->num / 2 + 1;
        for (int k = 0; k < t->num; k++) {
            int64_t at = first + k;
            bool outside = at < 0 || at >= in;
            w[k] = r->mode == RESIZE_NEAREST       ? 1
                   : outside && r->exclude_outside ? 0
                                                   : kernel_weight(r, ((double)at - x) * stretch);
            sum += w[k];
            t->index[k * size + i] = at < 0 ? 0 : at >= in ? in - 1 : at;
        }
        for (int k = 0; k < t->num; k++)
            t->weight[k * size + i] =
                (float)(r->exclude_outside || r->antialias ? w[k] / sum : w[k]);
    }
    return true;
}

static struct ir_value *weight_vector(struct import_node *n, const struct taps *t, int k,
                                      int64_t size, int rank, int axis, enum dtype type)
{
    int64_t dim[IR_MAX_RANK];
    for (int i = 0; i < rank; i++)
        dim[i] = i == axis ? size : 1;
    struct tensor *w = tensor_create(n->arena, DT_F32, dim, rank);
    if (size > 0)
        memcpy(w->data, t->weight + k * size, (size_t)size * sizeof(float));
    return irb_convert(&n->b, irb_const(&n->b, w, NULL), type, false);
}

static struct ir_value *resize_dim(struct import_node *n, const struct resize *r,
                                   struct ir_value *x, int axis)
{
    struct taps t;
    struct ir_value *sum = NULL;
    int64_t size = r->size[axis];
    if (!x || !make_taps(n, r, axis, &t))
        return NULL;
    for (int k = 0; k < t.num; k++) {
        struct ir_value *v =
            irb_gather(&n->b, x, irb_const_i64s(&n->b, t.index + k * size, (int)size), axis);
        if (r->mode == RESIZE_NEAREST)
            return v;
        v = irb_binary(&n->b, BFN_mul, v,
                       weight_vector(n, &t, k, size, x->type.rank, axis, x->type.dtype));
        sum = k == 0 ? v : irb_binary(&n->b, BFN_add, sum, v);
    }
    return sum;
}

// tf_crop_and_resize: results whose position lies outside the operand are the extrapolation value.
static struct ir_value *extrapolate(struct import_node *n, const struct resize *r,
                                    struct ir_value *x, int axis)
{
    int64_t in = n->in[0]->type.dim[axis], dim[IR_MAX_RANK];
    bool any = false;
    for (int i = 0; x && i < x->type.rank; i++)
        dim[i] = i == axis ? r->size[axis] : 1;
    if (!x || r->coord != COORD_TF_CROP)
        return x;
    struct tensor *mask = tensor_create(n->arena, DT_BOOL, dim, x->type.rank);
    for (int64_t i = 0; i < r->size[axis]; i++) {
        double at = original(r, axis, i, in);
        ((uint8_t *)mask->data)[i] = at < 0 || at > (double)(in - 1);
        any |= ((uint8_t *)mask->data)[i] != 0;
    }
    if (!any)
        return x;
    return irb_select(&n->b, irb_const(&n->b, mask, NULL),
                      irb_const_like(&n->b, x->type.dtype, r->extrapolation), x);
}

// Interpolation of integers happens in f32 and rounds to nearest even at the end.
static bool resize_all(struct import_node *n, const struct resize *r)
{
    enum dtype type = n->in[0]->type.dtype;
    bool round = r->mode != RESIZE_NEAREST && dtype_is_int(type);
    struct ir_value *x = round ? irb_convert(&n->b, n->in[0], DT_F32, false) : n->in[0];
    for (int a = 0; a < n->in[0]->type.rank; a++)
        if (r->size[a] != n->in[0]->type.dim[a] || r->scale[a] != 1 || r->coord == COORD_TF_CROP)
            x = extrapolate(n, r, resize_dim(n, r, x, a), a);
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
    *r = (struct resize){0};
    for (int i = 0; i < n->in[0]->type.rank; i++) {
        r->scale[i] = 1;
        r->size[i] = n->in[0]->type.dim[i];
        r->roi_hi[i] = 1;
    }
    return read_modes(n, r) && resize_axes(n, axes, count);
}

bool import_Resize(struct import_node *n)
{
    struct resize r;
    int64_t axes[IR_MAX_RANK];
    int count;
    const double *roi = NULL, *scales = NULL, *sizes = NULL;
    bool old = n->opset < 11; // inputs: x, scales; later: x, roi, scales, sizes
    if (!begin(n, &r, axes, &count) || !read_numbers(n, old ? 1 : 2, count, &scales) ||
        (!old && !read_numbers(n, 3, count, &sizes)))
        return false;
    if (r.coord == COORD_TF_CROP && !read_numbers(n, 1, 2 * count, &roi))
        return false;
    for (int i = 0; roi && i < count; i++) {
        r.roi_lo[axes[i]] = roi[i];
        r.roi_hi[axes[i]] = roi[count + i];
    }
    return set_extents(n, &r, axes, count, scales, sizes) && resize_all(n, &r);
}

bool import_Upsample(struct import_node *n)
{
    struct resize r;
    int64_t axes[IR_MAX_RANK];
    int count, given;
    const double *scales = node_floats(n, "scales", &given);
    if (!begin(n, &r, axes, &count) || (node_in(n, 1) && !read_numbers(n, 1, count, &scales)))
        return false;
    if (!node_in(n, 1) && given != count)
        return node_error(n, DIAG_ONNX_ATTR, "%d scales for %d dimensions", given, count);
    return set_extents(n, &r, axes, count, scales, NULL) && resize_all(n, &r);
}

// Spectra and what belongs to them: DFT, STFT, windows, the mel filter bank. A transform is a
// matrix product with a constant matrix, so that its multiplications run on the array.
#include <math.h>

#include "import_open.h"

#define TWO_PI 6.283185307179586476925
#define MATRIX_MAX (INT64_C(1) << 27)

// e^(2 pi i j / length), exact at the quarters.
static void root_of_unity(int64_t j, int64_t length, double *re, double *im)
{
    static const double quarter[4] = {1, 0, -1, 0};
    j %= length;
    if (4 * j % length == 0) {
        int64_t q = 4 * j / length;
        *re = quarter[q];
        *im = quarter[(q + 3) % 4];
        return;
    }
    *re = cos(TWO_PI * (double)j / (double)length);
    *im = sin(TWO_PI * (double)j / (double)length);
}

struct transform {
    int64_t length;          // of the transform
    int64_t in, out;         // samples that take part, samples given
    int in_parts, out_parts; // 1 real, 2 complex
    bool inverse,
        half; // half: what is given (forward) or taken (inverse) is one side of a spectrum
};

// Column block k of row block j: what input sample j contributes to output sample k.
static void put_block(const struct transform *t, double *m, int64_t j, int64_t k)
{
    double re, im, *row = m + j * t->in_parts * t->out * t->out_parts + k * t->out_parts;
    int64_t next = t->out * t->out_parts;
    root_of_unity(j * k % t->length, t->length, &re, &im);
    if (!t->inverse)
        im = -im;
    double weight = t->inverse ? 1 / (double)t->length : 1;
    // The side of a real signal's spectrum that is not stored is the conjugate of the other.
    if (t->inverse && t->half && j > 0 && 2 * j != t->length)
        weight *= 2;
    row[0] = weight * re;
    if (t->out_parts == 2)
        row[1] = weight * im;
    if (t->in_parts == 2) {
        row[next] = -weight * im;
        if (t->out_parts == 2)
            row[next + 1] = weight * re;
    }
}

static struct ir_value *matrix_of(struct import_node *n, const struct transform *t, enum dtype type)
{
    int64_t dim[2] = {t->in * t->in_parts, t->out * t->out_parts};
    if (dim[0] > MATRIX_MAX || dim[1] > MATRIX_MAX || dim[0] * dim[1] > MATRIX_MAX) {
        node_error(n, DIAG_LIMIT, "a transform of %lld samples", (long long)t->length);
        return NULL;
    }
    double *m = ARENA_ARRAY(n->arena, (size_t)(dim[0] * dim[1]) + 1, double);
    for (int64_t j = 0; j < t->in; j++)
        for (int64_t k = 0; k < t->out; k++)
            put_block(t, m, j, k);
    return node_numbers(n, type, m, dim, 2);
}

// Rows of samples (the last two dimensions: samples, parts) times the matrix. Sums that cancel keep
// their digits in double precision.
static struct ir_value *transform_rows(struct import_node *n, const struct transform *t,
                                       struct ir_value *x, int64_t rows)
{
    int64_t flat[2] = {rows, t->in * t->in_parts};
    x = node_convert(n, x, DT_F64);
    return irb_matmul(&n->b, x ? irb_reshape(&n->b, x, flat, 2) : NULL, matrix_of(n, t, DT_F64),
                      NULL);
}

// Operand i, a positive number known when compiling; `dflt` when absent; -1: reported.
static int64_t read_length(struct import_node *n, int i, int64_t dflt)
{
    if (!node_in(n, i))
        return dflt;
    const struct tensor *t = node_const(n, i);
    if (!t)
        return -1;
    int64_t v = tensor_elems(t) == 1 ? tensor_get_int(t, 0) : 0;
    if (v < 1 || v > INT32_MAX) {
        node_error(n, DIAG_ONNX_VALUE, "input %d must be one positive number", i);
        return -1;
    }
    return v;
}

static bool check_parts(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    int64_t parts = x->rank >= 2 ? x->dim[x->rank - 1] : 0;
    if (parts != 1 && parts != 2)
        return node_error(n, DIAG_ONNX_SHAPE,
                          "the signal is %s; its last dimension must be 1 (real) or 2 (complex)",
                          node_type_text(n, 0));
    return dtype_is_float(x->dtype) ||
           node_error(n, DIAG_ONNX_TYPE, "the signal is %s, a float is needed",
                      node_type_text(n, 0));
}

// x cut or filled with zeros along dimension axis.
static struct ir_value *fit(struct import_node *n, struct ir_value *x, int axis, int64_t extent)
{
    int64_t zero[IR_MAX_RANK] = {0}, sizes[IR_MAX_RANK], steps[IR_MAX_RANK],
            after[IR_MAX_RANK] = {0};
    if (!x || x->type.dim[axis] == extent)
        return x;
    if (x->type.dim[axis] < extent) {
        after[axis] = extent - x->type.dim[axis];
        return irb_pad(&n->b, x, zero, after, 0);
    }
    for (int i = 0; i < x->type.rank; i++) {
        sizes[i] = i == axis ? extent : x->type.dim[i];
        steps[i] = 1;
    }
    return irb_slice(&n->b, x, zero, sizes, steps);
}

// NULL: reported.
static struct ir_value *dft_of_length(struct import_node *n, int64_t axis, int64_t length)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type;
    int64_t dim[IR_MAX_RANK], perm[IR_MAX_RANK], back[IR_MAX_RANK];
    bool half = node_int(n, "onesided", 0) != 0, inverse = node_int(n, "inverse", 0) != 0;
    int parts = (int)x->dim[x->rank - 1], last = x->rank - 2;
    if (length == 0)
        node_error(n, DIAG_ONNX_SHAPE, "nothing to transform along axis %lld of %s",
                   (long long)axis, node_type_text(n, 0));
    if (length < 1)
        return NULL;
    int64_t side = length / 2 + 1;
    struct transform t = {.length = length,
                          .in = half && inverse ? side : length,
                          .out = half && !inverse ? side : length,
                          .in_parts = parts,
                          .out_parts = half && inverse ? 1 : 2,
                          .inverse = inverse,
                          .half = half};
    for (int i = 0; i < x->rank; i++)
        perm[i] = i == last ? axis : i < axis || i > last ? i : i + 1;
    for (int i = 0; i < x->rank; i++)
        back[perm[i]] = i;
    struct ir_value *v = irb_transpose(b, fit(n, n->in[0], (int)axis, t.in), perm);
    if (!v)
        return NULL;
    for (int i = 0; i < last; i++)
        dim[i] = v->type.dim[i];
    dim[last] = t.out;
    dim[last + 1] = t.out_parts;
    v = irb_reshape(b, transform_rows(n, &t, v, dims_elems(dim, last)), dim, x->rank);
    return node_convert(n, v ? irb_transpose(b, v, back) : NULL, x->dtype);
}

// The transform along an axis by a length that is known only at run time: one that gives `declared`
// elements; a side of a spectrum has them for two lengths. The check holds where `meant` does
// (NULL: everywhere).
static struct ir_value *dft_of_declared(struct import_node *n, int64_t axis, int64_t declared,
                                        bool side, struct ir_value *meant)
{
    struct ir_builder *b = &n->b;
    const int64_t most = side ? 2 * declared - 1 : declared, may[2] = {most, most - 1}, first = 0;
    if (most < 2) {
        node_report_dynamic(n, 1);
        return NULL;
    }
    struct ir_value *length = node_scalar(n, 1);
    struct ir_value *fits = irb_binary(b, BFN_eq, length, irb_const_i64s(b, may, side ? 2 : 1));
    fits = irb_reduce(b, RFN_or, fits, &first, 1, false);
    if (meant)
        fits = irb_binary(b, BFN_or, fits, irb_unary(b, UFN_not, meant));
    if (!node_check(n, fits, 1, "the extents that the model declares for the result"))
        return NULL;
    struct ir_value *y = dft_of_length(n, axis, most);
    return side ? irb_select(b, irb_binary(b, BFN_eq, length, node_i64(n, most)), y,
                             dft_of_length(n, axis, most - 1))
                : y;
}

static struct ir_value *dft_along(struct import_node *n, int64_t axis, struct ir_value *meant)
{
    int64_t extent = n->in[0]->type.dim[axis];
    bool half = node_int(n, "onesided", 0) != 0, inverse = node_int(n, "inverse", 0) != 0;
    if (node_is_known(n, 1))
        return dft_of_length(n, axis,
                             read_length(n, 1, half && inverse ? 2 * (extent - 1) : extent));
    return dft_of_declared(n, axis, node_declared_extent(n, (int)axis), half && !inverse, meant);
}

static bool dft_check(struct import_node *n)
{
    bool half = node_int(n, "onesided", 0) != 0, inverse = node_int(n, "inverse", 0) != 0;
    if (!check_parts(n))
        return false;
    const struct ir_type *x = &n->in[0]->type;
    return !half || x->dim[x->rank - 1] == (inverse ? 2 : 1) ||
           node_error(n, DIAG_ONNX_SHAPE, "onesided needs a %s signal, not %s",
                      inverse ? "complex" : "real", node_type_text(n, 0));
}

static bool dft(struct import_node *n, int64_t given_axis)
{
    const struct ir_type *x = &n->in[0]->type;
    int64_t axis;
    if (!dft_check(n) || !node_axis(n, given_axis, x->rank, &axis))
        return false;
    if (axis > x->rank - 2)
        return node_error(n, DIAG_ONNX_ATTR, "axis %lld holds real and imaginary parts",
                          (long long)axis);
    return node_bind(n, 0, dft_along(n, axis, NULL));
}

bool import_DFTAttr(struct import_node *n)
{
    return dft(n, node_int(n, "axis", 1));
}

static bool is_declared(struct import_node *n, const struct ir_value *v)
{
    for (int d = 0; d < v->type.rank; d++) {
        int64_t want = node_declared_extent(n, d);
        if (want >= 0 && want != v->type.dim[d])
            return false;
    }
    return true;
}

// An axis known only at run time: the transforms along all axes that give the declared extents, of
// which the program chooses.
static bool dft_declared_axis(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    struct ir_value *along[IR_MAX_RANK] = {NULL};
    if (!dft_check(n))
        return false;
    struct ir_value *mask = node_axes_mask(n, 2, x->rank);
    for (int a = 0; a < x->rank - 1; a++) {
        struct ir_value *meant = irb_binary(&n->b, BFN_eq, mask, node_i64(n, INT64_C(1) << a));
        bool others = x->dim[a] > 0;
        for (int d = 0; d < x->rank - 1; d++) {
            int64_t want = node_declared_extent(n, d);
            others = others && (d == a || want < 0 || want == x->dim[d]);
        }
        if (others && !(along[a] = dft_along(n, a, meant)))
            return false;
        if (along[a] && !is_declared(n, along[a]))
            along[a] = NULL;
    }
    return node_bind(n, 0, node_choose_axis(n, along, 2));
}

bool import_DFT(struct import_node *n)
{
    if (!node_is_known(n, 2))
        return dft_declared_axis(n);
    const struct tensor *axis = node_in(n, 2) ? node_const(n, 2) : NULL;
    if (node_in(n, 2) && !axis)
        return false;
    if (axis && tensor_elems(axis) != 1)
        return node_error(n, DIAG_ONNX_SHAPE, "axis is %s, one number is needed",
                          node_type_text(n, 2));
    return dft(n, axis ? tensor_get_int(axis, 0) : -2);
}

struct frames {
    int64_t num;
    struct ir_value *distance, *length; // i64 scalars
    bool known;                         // neither is known only at run time
    bool half;
};

// The number of frames where their distance or length is known only at run time: as declared, and
// checked.
static bool declared_frames(struct import_node *n, struct frames *f)
{
    struct ir_builder *b = &n->b;
    struct ir_value *one = node_i64(n, 1);
    f->num = node_declared_extent(n, 1);
    if (f->num < 1)
        return node_report_dynamic(n, node_is_known(n, 1) ? 3 : 1);
    struct ir_value *span = irb_binary(b, BFN_sub, node_i64(n, n->in[0]->type.dim[1]), f->length);
    struct ir_value *count = irb_binary(
        b, BFN_add, irb_binary(b, BFN_div, span, irb_binary(b, BFN_max, f->distance, one)), one);
    struct ir_value *fits = irb_binary(b, BFN_and, irb_binary(b, BFN_le, one, f->distance),
                                       irb_binary(b, BFN_eq, count, node_i64(n, f->num)));
    return node_check(n, fits, 1, "the extents that the model declares for the result");
}

// The spectra of frames of `length` samples.
static struct ir_value *frame_spectra(struct import_node *n, const struct frames *f, int64_t length)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type;
    struct ir_value *window = node_in(n, 2);
    int64_t shape[2] = {f->num, length};
    struct transform t = {.length = length,
                          .in = length,
                          .out = f->half ? length / 2 + 1 : length,
                          .in_parts = (int)x->dim[2],
                          .out_parts = 2,
                          .half = f->half};
    struct ir_value *first = irb_binary(b, BFN_mul, node_iota(n, f->num, 1), f->distance);
    struct ir_value *at =
        irb_binary(b, BFN_add, node_along_axis(n, first, 2, 0), node_iota(n, length, 1));
    if (!f->known) // another length than this one may be meant
        at = node_clamp(n, at, node_i64(n, 0), node_i64(n, x->dim[1] - 1));
    struct ir_value *v = irb_gather(b, n->in[0], irb_broadcast(b, at, shape, 2), 1);
    if (window)
        v = irb_binary(b, BFN_mul, v, node_along_axis(n, node_convert(n, window, x->dtype), 2, 0));
    int64_t dim[4] = {x->dim[0], f->num, t.out, 2};
    v = transform_rows(n, &t, v, x->dim[0] * f->num);
    return node_convert(n, v ? irb_reshape(b, v, dim, 4) : NULL, x->dtype);
}

// A length of frames known only at run time: one of the two that give the declared number of bins.
static struct ir_value *spectra_by_length(struct import_node *n, const struct frames *f)
{
    struct ir_builder *b = &n->b;
    int64_t bins = node_declared_extent(n, 2), most = n->in[0]->type.dim[1];
    int64_t length[2] = {f->half ? 2 * bins - 1 : bins, f->half ? 2 * bins - 2 : 0};
    struct ir_value *y = NULL, *any = NULL;
    for (int i = 0; i < 2 && bins > 0; i++) {
        if (length[i] < 1 || length[i] > most)
            continue;
        struct ir_value *same = irb_binary(b, BFN_eq, f->length, node_i64(n, length[i]));
        struct ir_value *one = frame_spectra(n, f, length[i]);
        y = y ? irb_select(b, same, one, y) : one;
        any = any ? irb_binary(b, BFN_or, any, same) : same;
        if (!y || !any)
            return NULL;
    }
    if (!y)
        node_report_dynamic(n, 3);
    return y && node_check(n, any, 3, "the extents that the model declares for the result") ? y
                                                                                            : NULL;
}

bool import_STFT(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    struct ir_value *window = node_in(n, 2);
    if (!node_check_rank(n, 0, 3, 3) || !check_parts(n))
        return false;
    if (window && window->type.rank != 1)
        return node_error(n, DIAG_ONNX_SHAPE, "the window is %s, a vector is needed",
                          node_type_text(n, 2));
    bool steps_known = node_is_known(n, 1), length_known = window || node_is_known(n, 3);
    struct frames f = {.known = steps_known && length_known,
                       .half = node_int(n, "onesided", 1) != 0};
    int64_t step = steps_known ? read_length(n, 1, 0) : 1, length = 0;
    if (length_known)
        length = node_is_known(n, 3) ? read_length(n, 3, window ? window->type.dim[0] : 0)
                                     : window->type.dim[0];
    if (step < 1 || length < 0)
        return false;
    if (length_known &&
        (length < 1 || length > x->dim[1] || (window && window->type.dim[0] != length)))
        return node_error(n, DIAG_ONNX_SHAPE,
                          "frames of %lld samples do not fit the window %s and the signal %s",
                          (long long)length, node_type_text(n, 2), node_type_text(n, 0));
    if (f.half && x->dim[2] != 1)
        return node_error(n, DIAG_ONNX_SHAPE, "onesided needs a real signal, not %s",
                          node_type_text(n, 0));
    f.distance = steps_known ? node_i64(n, step) : node_convert(n, node_scalar(n, 1), DT_I64);
    f.length =
        node_is_known(n, 3) ? node_i64(n, length) : node_convert(n, node_scalar(n, 3), DT_I64);
    f.num = (x->dim[1] - length) / step + 1;
    if (!f.distance || !f.length || (!f.known && !declared_frames(n, &f)))
        return false;
    if (window && !node_is_known(n, 3) &&
        !node_check(n, irb_binary(&n->b, BFN_eq, f.length, node_i64(n, length)), 3,
                    "the length of the window"))
        return false;
    return node_bind(n, 0, length_known ? frame_spectra(n, &f, length) : spectra_by_length(n, &f));
}

// ---- Windows and filters

static bool output_type(struct import_node *n, enum dtype *t)
{
    int64_t onnx = node_int(n, "output_datatype", 1);
    return dtype_by_onnx(onnx, t) ||
           node_error(n, DIAG_ONNX_ATTR, "output_datatype %lld is no element type",
                      (long long)onnx);
}

// A window whose length only the program knows.
static struct ir_value *open_window(struct import_node *n, enum dtype t, double a0, double a1,
                                    double a2)
{
    struct ir_builder *b = &n->b;
    int64_t bound;
    struct ir_value *size = open_extent(n, 0, 1, &bound);
    struct ir_value *period = node_int(n, "periodic", 1) || !size ? size : node_plus(n, size, -1);
    period = node_with_scalar(n, BFN_max, node_convert(n, period, DT_F64), 1);
    struct ir_value *at = node_convert(n, node_iota(n, bound, 1), DT_F64);
    struct ir_value *x = irb_binary(b, BFN_div, node_with_scalar(n, BFN_mul, at, TWO_PI), period);
    struct ir_value *once = node_with_scalar(n, BFN_mul, irb_unary(b, UFN_cos, x), -a1);
    struct ir_value *twice = irb_unary(b, UFN_cos, node_with_scalar(n, BFN_mul, x, 2));
    struct ir_value *y = irb_binary(b, BFN_add, node_with_scalar(n, BFN_add, once, a0),
                                    node_with_scalar(n, BFN_mul, twice, a2));
    return irb_extent(b, node_convert(n, y, t), size, 0);
}

// a0 - a1 cos(x) + a2 cos(2x) over one period.
static bool cosine_window(struct import_node *n, double a0, double a1, double a2)
{
    enum dtype t;
    if (!node_is_known(n, 0) && node_declared_extent(n, 0) < 0)
        return output_type(n, &t) && node_bind(n, 0, open_window(n, t, a0, a1, a2));
    int64_t size = node_is_known(n, 0) ? read_length(n, 0, 1)
                                       : node_count_operand(n, 0, node_declared_extent(n, 0));
    if (size < 1 || !output_type(n, &t))
        return false;
    if (size > MATRIX_MAX)
        return node_error(n, DIAG_LIMIT, "a window of %lld samples", (long long)size);
    double period = (double)(node_int(n, "periodic", 1) ? size : size - 1),
           *v = ARENA_ARRAY(n->arena, (size_t)size, double);
    for (int64_t i = 0; i < size; i++) {
        double x = period > 0 ? TWO_PI * (double)i / period : 0;
        v[i] = a0 - a1 * cos(x) + a2 * cos(2 * x);
    }
    return node_bind(n, 0, node_numbers(n, t, v, &size, 1));
}

bool import_HannWindow(struct import_node *n)
{
    return cosine_window(n, 0.5, 0.5, 0);
}

bool import_HammingWindow(struct import_node *n)
{
    return cosine_window(n, 25.0 / 46, 21.0 / 46, 0);
}

bool import_BlackmanWindow(struct import_node *n)
{
    return cosine_window(n, 0.42, 0.5, 0.08);
}

#define MEL_FACTOR 2595.0 // mel = 2595 log10(1 + hertz / 700)
#define MEL_HERTZ 700.0

// Operand i, one number, as a double of rank 0.
static struct ir_value *number(struct import_node *n, int i)
{
    struct ir_value *v = n->in[i];
    if (ir_type_elems(&v->type) != 1) {
        node_error(n, DIAG_ONNX_SHAPE, "input %d is %s, one number is needed", i,
                   node_type_text(n, i));
        return NULL;
    }
    return irb_reshape(&n->b, node_convert(n, v, DT_F64), NULL, 0);
}

static struct ir_value *mel_of(struct import_node *n, struct ir_value *hertz)
{
    struct ir_value *x = node_with_scalar(n, BFN_div, hertz, MEL_HERTZ);
    x = irb_unary(&n->b, UFN_log, node_with_scalar(n, BFN_add, x, 1));
    return node_with_scalar(n, BFN_mul, x, MEL_FACTOR / log(10));
}

// The spectrum bins at the corners of all triangles, as doubles, in a row.
static struct ir_value *mel_corners(struct import_node *n, int64_t bands)
{
    struct ir_builder *b = &n->b;
    struct ir_value *length = number(n, 1), *rate = number(n, 2), *low = mel_of(n, number(n, 3));
    struct ir_value *step = irb_binary(b, BFN_sub, mel_of(n, number(n, 4)), low);
    step = node_with_scalar(n, BFN_div, step, (double)(bands + 2));
    struct ir_value *k = node_convert(n, node_iota(n, bands + 2, 1), DT_F64);
    struct ir_value *mel = irb_binary(b, BFN_add, irb_binary(b, BFN_mul, k, step), low);
    mel = node_with_scalar(n, BFN_div, mel, MEL_FACTOR);
    struct ir_value *hertz = node_with_scalar(n, BFN_sub, node_scalar_with(n, BFN_pow, 10, mel), 1);
    hertz = node_with_scalar(n, BFN_mul, hertz, MEL_HERTZ);
    struct ir_value *bin = irb_binary(b, BFN_mul, node_with_scalar(n, BFN_add, length, 1), hertz);
    bin = irb_unary(b, UFN_floor, irb_binary(b, BFN_div, bin, rate));
    return node_with_scalar(n, BFN_max, bin, 0);
}

// (x - start) / (end - start), 1 for an empty range.
static struct ir_value *ramp(struct import_node *n, struct ir_value *x, struct ir_value *start,
                             struct ir_value *end)
{
    struct ir_builder *b = &n->b;
    struct ir_value *y = irb_binary(b, BFN_div, irb_binary(b, BFN_sub, x, start),
                                    irb_binary(b, BFN_sub, end, start));
    return irb_select(b, irb_binary(b, BFN_eq, start, end), irb_const_like(b, DT_F64, 1), y);
}

static struct ir_value *both(struct import_node *n, struct ir_value *x, struct ir_value *y)
{
    return irb_binary(&n->b, BFN_and, x, y);
}

// The bins of a spectrum of as many samples as operand 1 says; known when compiling, or as declared
// for the result and checked. -1: reported.
static int64_t spectrum_bins(struct import_node *n)
{
    if (node_is_known(n, 1)) {
        int64_t length = read_length(n, 1, 1);
        return length < 1 ? -1 : length / 2 + 1;
    }
    int64_t bins = node_declared_extent(n, 0);
    struct ir_value *length = bins < 1 ? NULL : node_convert(n, node_scalar(n, 1), DT_I64);
    if (bins < 1)
        node_report_dynamic(n, 1);
    if (!length)
        return -1;
    struct ir_value *half = irb_binary(&n->b, BFN_div, length, node_i64(n, 2));
    return node_check(n, irb_binary(&n->b, BFN_eq, half, node_i64(n, bins - 1)), 1,
                      "the extents that the model declares for the result")
               ? bins
               : -1;
}

// Triangles over spectrum bins, their corners equally far apart on the mel scale.
bool import_MelWeightMatrix(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    enum dtype type;
    int64_t bands = node_is_known(n, 0) ? read_length(n, 0, 1)
                                        : node_count_operand(n, 0, node_declared_extent(n, 1)),
            bins = spectrum_bins(n), one = 1;
    if (bands < 1 || bins < 1 || !output_type(n, &type))
        return false;
    if (bins * bands > MATRIX_MAX)
        return node_error(n, DIAG_LIMIT, "%lld bands over spectra of %lld bins", (long long)bands,
                          (long long)bins);
    struct ir_value *corner = mel_corners(n, bands), *at[3];
    for (int64_t i = 0; i < 3; i++)
        at[i] = irb_slice(b, corner, &i, &bands, &one);
    struct ir_value *j = node_convert(n, node_iota(n, bins, 1), DT_F64);
    j = node_along_axis(n, j, 2, 0);
    struct ir_value *rises =
        both(n, irb_binary(b, BFN_le, at[0], j), irb_binary(b, BFN_le, j, at[1]));
    struct ir_value *falls =
        both(n, irb_binary(b, BFN_le, at[1], j), irb_binary(b, BFN_lt, j, at[2]));
    struct ir_value *y =
        irb_select(b, rises, ramp(n, j, at[0], at[1]), irb_const_like(b, DT_F64, 0));
    y = irb_select(b, falls, ramp(n, j, at[2], at[1]), y);
    return node_bind(n, 0, node_convert(n, y, type));
}

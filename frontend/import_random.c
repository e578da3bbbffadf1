// Random numbers, made by host kernels; what is drawn from them is computed by the vector unit.
#include <math.h>
#include <string.h>

#include "import_util.h"
#include "importer.h"

// A node without a seed gets one of its own: the place of its output in the graph decides, so that
// compiling twice gives the same binary.
static int64_t seed_of(const struct import_node *n)
{
    if (node_has_attr(n, "seed")) {
        float seed = (float)node_float(n, "seed", 0);
        uint32_t bits;
        memcpy(&bits, &seed, sizeof bits);
        return bits;
    }
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (const char *s = n->proto->n_output ? n->proto->output[0] : ""; *s; s++)
        h = (h ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
    return (int64_t)(h >> 1);
}

static struct ir_value *draw(struct import_node *n, bool normal, enum dtype t, const int64_t *dim,
                             int rank, double a, double b)
{
    const char *kernel = normal        ? t == DT_F64 ? "random_normal_f64" : "random_normal_f32"
                         : t == DT_F64 ? "random_uniform_f64"
                                       : "random_uniform_f32";
    struct ir_type type = ir_type_make(t == DT_F64 ? DT_F64 : DT_F32, dim, rank);
    int64_t seed = seed_of(n);
    double range[2] = {a, b};
    if (!dtype_is_float(t)) {
        node_error(n, DIAG_ONNX_TYPE, "random numbers of type %s; a float type is needed",
                   dtype_text(t));
        return NULL;
    }
    return node_convert(n, irb_host_fill(&n->b, kernel, &type, &seed, 1, range, 2), t);
}

static bool random_fill(struct import_node *n, bool normal, enum dtype t, const int64_t *dim,
                        int rank)
{
    double a = normal ? node_float(n, "mean", 0) : node_float(n, "low", 0);
    double b = normal ? node_float(n, "scale", 1) : node_float(n, "high", 1);
    return node_bind(n, 0, draw(n, normal, t, dim, rank, a, b));
}

static bool read_dtype(struct import_node *n, enum dtype dflt, enum dtype *t)
{
    int64_t onnx = node_int(n, "dtype", 0);
    *t = dflt;
    return onnx == 0 || dtype_by_onnx(onnx, t) ||
           node_error(n, DIAG_ONNX_ATTR, "dtype %lld is no element type", (long long)onnx);
}

static bool of_shape(struct import_node *n, bool normal)
{
    int rank;
    enum dtype t;
    const int64_t *dim = node_ints(n, "shape", &rank);
    if (!read_dtype(n, DT_F32, &t))
        return false;
    if (rank > IR_MAX_RANK || dims_elems(dim, rank) < 0)
        return node_error(n, DIAG_ONNX_ATTR, "shape has %d extents or a negative one", rank);
    return random_fill(n, normal, t, dim, rank);
}

static bool like_input(struct import_node *n, bool normal)
{
    const struct ir_type *x = &n->in[0]->type;
    enum dtype t;
    return read_dtype(n, x->dtype, &t) && random_fill(n, normal, t, x->dim, x->rank);
}

bool import_RandomNormal(struct import_node *n)
{
    return of_shape(n, true);
}

bool import_RandomNormalLike(struct import_node *n)
{
    return like_input(n, true);
}

bool import_RandomUniform(struct import_node *n)
{
    return of_shape(n, false);
}

bool import_RandomUniformLike(struct import_node *n)
{
    return like_input(n, false);
}

// 1 where a uniform number lies below the probability.
bool import_Bernoulli(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    enum dtype t, wide = node_wide_type(x->dtype);
    if (!read_dtype(n, x->dtype, &t))
        return false;
    struct ir_value *u = draw(n, false, wide, x->dim, x->rank, 0, 1);
    return node_bind(
        n, 0, node_convert(n, irb_binary(&n->b, BFN_lt, u, node_convert(n, n->in[0], wide)), t));
}

// The largest of log-probabilities plus Gumbel noise, -log(-log(u)), is a draw from them.
bool import_Multinomial(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type;
    int64_t samples = node_int(n, "sample_size", 1), last = 2;
    enum dtype t;
    if (!node_check_rank(n, 0, 2, 2) || !read_dtype(n, DT_I32, &t))
        return false;
    if (samples < 1 || samples > INT32_MAX || x->dim[1] < 1 || (t != DT_I32 && t != DT_I64))
        return node_error(n, DIAG_ONNX_ATTR, "sample_size is %lld from %lld classes as %s",
                          (long long)samples, (long long)x->dim[1], dtype_text(t));
    enum dtype wide = node_wide_type(x->dtype);
    int64_t dim[3] = {x->dim[0], samples, x->dim[1]}, row[3] = {x->dim[0], 1, x->dim[1]};
    struct ir_value *u = draw(n, false, wide, dim, 3, 0x1p-30, 1);
    struct ir_value *noise = irb_unary(b, UFN_log, irb_unary(b, UFN_neg, irb_unary(b, UFN_log, u)));
    struct ir_value *score =
        irb_binary(b, BFN_sub, irb_reshape(b, node_convert(n, n->in[0], wide), row, 3), noise);
    return node_bind(
        n, 0, node_convert(n, score ? irb_reduce(b, RFN_argmax, score, &last, 1, false) : NULL, t));
}

// ai.onnx.ml: support vector machines. Products with support vectors and coefficients are matrix
// products; distances of the RBF kernel are sums of squares.
#include <string.h>

#include "import_ml.h"
#include "import_operand.h"

struct svm {
    struct import_node *n;
    struct ir_builder *b;
    struct ir_value *x; // [N, F]
    const char *kernel;
    double gamma, coef0, degree;
    const double *coef, *rho;
    int num_coef, num_rho;
};

static bool svm_begin(struct svm *s, struct import_node *n)
{
    int num;
    const double *p = node_floats(n, "kernel_params", &num);
    *s = (struct svm){.n = n, .b = &n->b, .kernel = node_str(n, "kernel_type", "LINEAR")};
    if (num != 0 && num != 3)
        return node_error(n, DIAG_ONNX_ATTR,
                          "kernel_params has %d entries; gamma, coef0 and degree are needed", num);
    if (num == 3) {
        s->gamma = p[0];
        s->coef0 = p[1];
        s->degree = p[2];
    }
    s->coef = node_floats(n, "coefficients", &s->num_coef);
    s->rho = node_floats(n, "rho", &s->num_rho);
    s->x = ml_features(n, DT_F32);
    return s->x != NULL;
}

// ---- Kernels

// |x - v|^2 for all rows of x and v: [N, V].
static struct ir_value *distances(struct svm *s, struct ir_value *v)
{
    const int64_t axis = 2;
    struct ir_value *x =
        irb_reshape(s->b, s->x, (const int64_t[]){s->x->type.dim[0], 1, s->x->type.dim[1]}, 3);
    struct ir_value *d = irb_binary(s->b, BFN_sub, x, v);
    return irb_reduce(s->b, RFN_sum, irb_binary(s->b, BFN_mul, d, d), &axis, 1, false);
}

// The kernel of every row of x and each of `rows` vectors: [N, rows].
static struct ir_value *kernels(struct svm *s, const double *vectors, int64_t rows,
                                const char *kernel)
{
    struct import_node *n = s->n;
    struct ir_value *v =
        ml_floats(n, vectors, (const int64_t[]){rows, s->x->type.dim[1]}, 2, DT_F32);
    if (strcmp(kernel, "RBF") == 0)
        return irb_unary(s->b, UFN_exp, node_with_scalar(n, BFN_mul, distances(s, v), -s->gamma));
    struct ir_value *dot =
        irb_matmul(s->b, s->x, v ? irb_transpose(s->b, v, (const int64_t[]){1, 0}) : NULL, NULL);
    if (strcmp(kernel, "LINEAR") == 0)
        return dot;
    dot = node_with_scalar(n, BFN_add, node_with_scalar(n, BFN_mul, dot, s->gamma), s->coef0);
    if (strcmp(kernel, "POLY") == 0)
        return node_with_scalar(n, BFN_pow, dot, s->degree);
    if (strcmp(kernel, "SIGMOID") == 0)
        return irb_unary(s->b, UFN_tanh, dot);
    node_error(n, DIAG_ONNX_ATTR, "kernel_type is '%s'; LINEAR, POLY, RBF and SIGMOID exist",
               kernel);
    return NULL;
}

// The kernel of every row of x and each support vector.
static struct ir_value *support_kernels(struct svm *s, int64_t supports)
{
    int num;
    const double *v = node_floats(s->n, "support_vectors", &num);
    if (num == supports * s->x->type.dim[1])
        return kernels(s, v, supports, s->kernel);
    node_error(s->n, DIAG_ONNX_ATTR,
               "support_vectors has %d entries for %lld vectors of %lld features", num,
               (long long)supports, (long long)s->x->type.dim[1]);
    return NULL;
}

// ---- Regression

static struct ir_value *regression(struct svm *s, int64_t supports)
{
    struct import_node *n = s->n;
    int64_t features = s->x->type.dim[1], need = supports > 0 ? supports : features;
    if (s->num_coef != need || s->num_rho < 1) {
        node_error(n, DIAG_ONNX_ATTR,
                   "%d coefficients and %d entries of rho; %lld and 1 are needed", s->num_coef,
                   s->num_rho, (long long)need);
        return NULL;
    }
    if (supports == 0)
        return node_with_scalar(n, BFN_add, kernels(s, s->coef, 1, "LINEAR"), s->rho[0]);
    struct ir_value *coef = ml_floats(n, s->coef, (const int64_t[]){supports, 1}, 2, DT_F32);
    return node_with_scalar(n, BFN_add, irb_matmul(s->b, support_kernels(s, supports), coef, NULL),
                            s->rho[0]);
}

bool import_SVMRegressor(struct import_node *n)
{
    struct svm s;
    int64_t supports = node_int(n, "n_supports", 0);
    if (supports < 0 || supports > INT32_MAX)
        return node_error(n, DIAG_ONNX_ATTR, "n_supports is %lld", (long long)supports);
    if (!svm_begin(&s, n))
        return false;
    struct ir_value *y = regression(&s, supports);
    if (node_int(n, "one_class", 0))
        y = irb_select(s.b, node_scalar_with(n, BFN_lt, 0, y), irb_const_f32(s.b, 1),
                       irb_const_f32(s.b, -1));
    return node_bind(n, 0, ml_post_transform(n, y, node_str(n, "post_transform", "NONE")));
}

// ---- Classification: a machine for every pair of classes

struct classes {
    int num, num_strings; // num: of labels, at least 1
    const int64_t *ints;
    const char *const *strings;
    const int64_t *vectors; // of each class
    int64_t supports;       // of all classes; 0: a linear function for each class
    int pairs;
};

static bool svm_classes(struct svm *s, struct classes *c)
{
    struct import_node *n = s->n;
    int num_ints, num_counts;
    c->ints = node_ints(n, "classlabels_ints", &num_ints);
    c->strings = node_strs(n, "classlabels_strings", &c->num_strings);
    c->vectors = node_ints(n, "vectors_per_class", &num_counts);
    c->num = num_ints > 0 ? num_ints : c->num_strings > 0 ? c->num_strings : 1;
    if (num_ints > 0 && c->num_strings > 0)
        return node_error(n, DIAG_ONNX_ATTR,
                          "classlabels_ints and classlabels_strings exclude each other");
    c->supports = 0;
    for (int i = 0; i < num_counts; i++) {
        if (c->vectors[i] < 0 || c->vectors[i] > INT32_MAX)
            return node_error(n, DIAG_ONNX_ATTR, "vectors_per_class[%d] is %lld", i,
                              (long long)c->vectors[i]);
        c->supports += c->vectors[i];
    }
    if (c->num > 1024)
        return node_error(n, DIAG_LIMIT, "%d classes, at most 1024 are handled", c->num);
    c->pairs = c->num * (c->num - 1) / 2;
    if (c->supports > 0 && (num_counts != c->num || c->num < 2))
        return node_error(n, DIAG_ONNX_ATTR, "vectors_per_class has %d entries for %d classes",
                          num_counts, c->num);
    int64_t per_class = c->supports > 0 ? c->supports : s->x->type.dim[1];
    int64_t rows = c->supports > 0 ? c->num - 1 : c->num;
    if (s->num_coef != rows * per_class)
        return node_error(n, DIAG_ONNX_ATTR, "%d coefficients, %lld times %lld are needed",
                          s->num_coef, (long long)rows, (long long)per_class);
    if (s->num_rho < (c->supports > 0 ? c->pairs : 1))
        return node_error(n, DIAG_ONNX_ATTR, "rho has %d entries, %d are needed", s->num_rho,
                          c->supports > 0 ? c->pairs : 1);
    return true;
}

// Column p holds what the support vectors contribute to the pair (i, j): those of i by row j - 1 of
// the coefficients, those of j by row i.
static struct ir_value *pair_scores(struct svm *s, const struct classes *c)
{
    struct import_node *n = s->n;
    double *m = ARENA_ARRAY(n->arena, (size_t)(c->supports * c->pairs) + 1, double);
    int p = 0;
    int64_t from_i = 0;
    for (int i = 0; i < c->num; from_i += c->vectors[i++]) {
        int64_t from_j = from_i + c->vectors[i];
        for (int j = i + 1; j < c->num; from_j += c->vectors[j++], p++) {
            for (int64_t v = from_i; v < from_i + c->vectors[i]; v++)
                m[v * c->pairs + p] = s->coef[(j - 1) * c->supports + v];
            for (int64_t v = from_j; v < from_j + c->vectors[j]; v++)
                m[v * c->pairs + p] = s->coef[i * c->supports + v];
        }
    }
    struct ir_value *by = ml_floats(n, m, (const int64_t[]){c->supports, c->pairs}, 2, DT_F32);
    struct ir_value *rho = ml_floats(n, s->rho, (const int64_t[]){c->pairs}, 1, DT_F32);
    struct ir_value *k = support_kernels(s, c->supports);
    return irb_binary(s->b, BFN_add, irb_matmul(s->b, k, by, NULL), rho);
}

// Of every pair one class gets a vote: [N, classes].
static struct ir_value *votes_of(struct svm *s, const struct classes *c, struct ir_value *scores)
{
    struct import_node *n = s->n;
    size_t elems = (size_t)c->pairs * (size_t)c->num;
    double *first = ARENA_ARRAY(n->arena, elems, double),
           *second = ARENA_ARRAY(n->arena, elems, double);
    const int64_t dim[] = {c->pairs, c->num}, axis = 1;
    int p = 0;
    for (int i = 0; i < c->num; i++)
        for (int j = i + 1; j < c->num; j++, p++) {
            first[p * c->num + i] = 1;
            second[p * c->num + j] = 1;
        }
    if (!scores)
        return NULL;
    struct ir_value *wins = irb_reshape(s->b, node_scalar_with(n, BFN_lt, 0, scores),
                                        (const int64_t[]){scores->type.dim[0], c->pairs, 1}, 3);
    return irb_reduce(s->b, RFN_sum,
                      irb_select(s->b, wins, ml_floats(n, first, dim, 2, DT_F32),
                                 ml_floats(n, second, dim, 2, DT_F32)),
                      &axis, 1, false);
}

// ---- Probabilities of classes from those of pairs (Wu, Lin, Weng: the second method of libsvm)

struct coupling {
    struct svm *s;
    int64_t rows, num;
    struct ir_value *q, *diagonal; // [N, C, C], [N, C]
};

static struct ir_value *sum_last(struct coupling *c, struct ir_value *x, bool keep)
{
    const int64_t axis = x ? x->type.rank - 1 : 0;
    return irb_reduce(c->s->b, RFN_sum, x, &axis, 1, keep);
}

// r[N, i, j], the probability of class i where i or j is true; 0 on the diagonal.
static struct ir_value *pair_probabilities(struct coupling *c, struct ir_value *scores)
{
    struct import_node *n = c->s->n;
    struct ir_builder *b = c->s->b;
    int num_a, num_b, p = 0;
    const double *a = node_floats(n, "prob_a", &num_a), *add = node_floats(n, "prob_b", &num_b);
    int64_t pairs = c->num * (c->num - 1) / 2;
    if (num_a != pairs || num_b != pairs) {
        node_error(n, DIAG_ONNX_ATTR, "prob_a has %d and prob_b %d entries for %lld pairs", num_a,
                   num_b, (long long)pairs);
        return NULL;
    }
    struct ir_value *v =
        irb_binary(b, BFN_mul, node_convert(n, scores, DT_F64), ml_floats(n, a, &pairs, 1, DT_F64));
    v = irb_binary(b, BFN_add, v, ml_floats(n, add, &pairs, 1, DT_F64));
    v = irb_unary(b, UFN_sigmoid, irb_unary(b, UFN_neg, v));
    v = node_with_scalar(n, BFN_min, node_with_scalar(n, BFN_max, v, 1e-7), 1 - 1e-7);
    struct ir_value *part[] = {v, node_scalar_with(n, BFN_sub, 1, v),
                               node_filled(n, DT_F64, 0, (const int64_t[]){c->rows, 1}, 2)};
    int64_t *from = ARENA_ARRAY(n->arena, (size_t)(c->num * c->num), int64_t);
    for (int64_t i = 0; i < c->num; i++) {
        from[i * c->num + i] = 2 * pairs;
        for (int64_t j = i + 1; j < c->num; j++, p++) {
            from[i * c->num + j] = p;
            from[j * c->num + i] = pairs + p;
        }
    }
    struct ir_value *r =
        irb_gather(b, irb_concat(b, part, 3, 1), ml_ints(n, from, (int)(c->num * c->num)), 1);
    return irb_reshape(b, r, (const int64_t[]){c->rows, c->num, c->num}, 3);
}

// q[t, t] = sum over s of r[s, t]^2, q[t, j] = -r[j, t] * r[t, j].
static bool coupling_matrix(struct coupling *c, struct ir_value *scores)
{
    struct ir_builder *b = c->s->b;
    struct ir_value *r = pair_probabilities(c, scores);
    if (!r)
        return false;
    struct ir_value *turned = irb_transpose(b, r, (const int64_t[]){0, 2, 1});
    c->diagonal = sum_last(c, irb_binary(b, BFN_mul, turned, turned), false);
    struct ir_value *number = node_iota(c->s->n, c->num, 1);
    struct ir_value *on =
        irb_binary(b, BFN_eq, irb_reshape(b, number, (const int64_t[]){c->num, 1}, 2), number);
    struct ir_value *spread = irb_reshape(b, c->diagonal, (const int64_t[]){c->rows, c->num, 1}, 3);
    c->q = irb_select(b, on, spread, irb_unary(b, UFN_neg, irb_binary(b, BFN_mul, r, turned)));
    return c->q != NULL;
}

// One step for every class t in turn: state is p, q * p and p * q * p; gives the new ones.
static bool coupling_sweep(struct coupling *c, struct ir_value **state)
{
    struct import_node *n = c->s->n;
    struct ir_builder *b = c->s->b;
    struct ir_op *begin =
        irb_loop_begin(b, irb_const_like(b, DT_I64, (double)c->num), NULL, state, 3);
    if (!begin)
        return false;
    struct ir_value *t = begin->out[0], *p = begin->out[1], *qp = begin->out[2],
                    *pqp = begin->out[3];
    struct ir_value *mine =
        node_convert(n, irb_binary(b, BFN_eq, node_iota(n, c->num, 1), t), DT_F64);
    struct ir_value *qp_t = sum_last(c, irb_binary(b, BFN_mul, qp, mine), true);
    struct ir_value *q_tt = sum_last(c, irb_binary(b, BFN_mul, c->diagonal, mine), true);
    struct ir_value *diff = irb_binary(b, BFN_div, irb_binary(b, BFN_sub, pqp, qp_t), q_tt);
    struct ir_value *grown = node_with_scalar(n, BFN_add, diff, 1);
    struct ir_value *more = irb_binary(b, BFN_add, irb_binary(b, BFN_mul, diff, q_tt),
                                       node_with_scalar(n, BFN_mul, qp_t, 2));
    struct ir_value *row = irb_gather(b, c->q, t, 1);
    struct ir_value *next[] = {
        irb_binary(b, BFN_div, irb_binary(b, BFN_add, p, irb_binary(b, BFN_mul, diff, mine)),
                   grown),
        irb_binary(b, BFN_div, irb_binary(b, BFN_add, qp, irb_binary(b, BFN_mul, diff, row)),
                   grown),
        irb_binary(b, BFN_div, irb_binary(b, BFN_add, pqp, irb_binary(b, BFN_mul, diff, more)),
                   irb_binary(b, BFN_mul, grown, grown))};
    struct ir_op *end = irb_loop_end(b, NULL, next, 3, 3, -1);
    for (int i = 0; end && i < 3; i++)
        state[i] = end->out[i];
    return end != NULL;
}

// Sweeps until q * p is even to 0.005 / C in every row; rows that are stay as they are.
static struct ir_value *coupled(struct coupling *c)
{
    struct import_node *n = c->s->n;
    struct ir_builder *b = c->s->b;
    const int64_t dim[] = {c->rows, c->num}, axis = 1;
    struct ir_value *p = node_filled(n, DT_F64, 1.0 / (double)c->num, dim, 2);
    struct ir_op *begin = irb_loop_begin(
        b, irb_const_like(b, DT_I64, c->num > 100 ? (double)c->num : 100), NULL, &p, 1);
    if (!begin)
        return NULL;
    struct ir_value *old = begin->out[1];
    struct ir_value *wide = irb_reshape(b, old, (const int64_t[]){c->rows, 1, c->num}, 3);
    struct ir_value *qp = sum_last(c, irb_binary(b, BFN_mul, c->q, wide), false);
    struct ir_value *pqp = sum_last(c, irb_binary(b, BFN_mul, old, qp), true);
    struct ir_value *error = irb_unary(b, UFN_abs, irb_binary(b, BFN_sub, qp, pqp));
    struct ir_value *worst = irb_reduce(b, RFN_max, error, &axis, 1, true);
    struct ir_value *going =
        irb_unary(b, UFN_not, node_with_scalar(n, BFN_lt, worst, 0.005 / (double)c->num));
    struct ir_value *state[] = {old, qp, pqp};
    if (!coupling_sweep(c, state))
        return NULL;
    struct ir_value *next = irb_select(b, going, state[0], old);
    const int64_t all[] = {0, 1};
    struct ir_value *again = irb_reduce(b, RFN_or, going, all, 2, false);
    struct ir_op *end = irb_loop_end(b, again, &next, 1, 1, -1);
    return end ? node_convert(n, end->out[0], DT_F32) : NULL;
}

static struct ir_value *probabilities(struct svm *s, const struct classes *classes,
                                      struct ir_value *scores)
{
    struct coupling c = {.s = s, .rows = s->x->type.dim[0], .num = classes->num};
    return scores && coupling_matrix(&c, scores) ? coupled(&c) : NULL;
}

// ---- Labels

static bool all_positive(const struct svm *s)
{
    for (int i = 0; i < s->num_coef; i++)
        if (!(s->coef[i] >= 0))
            return false;
    return true;
}

// by: votes, or scores: the class of the largest.
static struct ir_value *label(struct svm *s, const struct classes *c, struct ir_value *by,
                              bool proba)
{
    struct import_node *n = s->n;
    const int64_t axis = 1;
    struct ir_value *index = irb_reduce(s->b, RFN_argmax, by, &axis, 1, false);
    struct ir_value *most = irb_reduce(s->b, RFN_max, by, &axis, 1, false);
    bool named = c->num_strings > 0 || c->ints;
    if (s->num_rho == 1 && c->num == 2 && !proba && all_positive(s))
        index = irb_select(s->b, node_scalar_with(n, BFN_le, 0.5, most),
                           irb_const_like(s->b, DT_I64, 1), index);
    else if (s->num_rho == 1 && c->num != 2) // inside or outside
        return node_convert(n, node_scalar_with(n, BFN_lt, 0, most), DT_I64);
    return named ? ml_labels(n, index, c->ints, c->num_strings > 0 ? c->strings : NULL, c->num)
                 : index;
}

bool import_SVMClassifier(struct import_node *n)
{
    struct svm s;
    struct classes c;
    struct ir_value *scores, *votes;
    int num_prob;
    node_floats(n, "prob_a", &num_prob);
    if (!svm_begin(&s, n) || !svm_classes(&s, &c))
        return false;
    bool proba = num_prob > 0 && c.supports > 0;
    if (c.supports > 0) {
        scores = pair_scores(&s, &c);
        votes = votes_of(&s, &c, scores);
        if (proba)
            scores = probabilities(&s, &c, scores);
    } else {
        scores = votes =
            node_with_scalar(n, BFN_add, kernels(&s, s.coef, c.num, "LINEAR"), s.rho[0]);
    }
    if (!scores || !votes || !node_bind(n, 0, label(&s, &c, votes, proba)))
        return false;
    const char *transform = node_str(n, "post_transform", "NONE");
    // A score that decides between two classes is theirs with both signs.
    if (scores->type.dim[1] == 1 && s.num_rho == 1 && c.num == 2 &&
        strcmp(transform, "PROBIT") != 0)
        scores =
            irb_concat(s.b, (struct ir_value *[]){irb_unary(s.b, UFN_neg, scores), scores}, 2, 1);
    scores = ml_post_transform(n, scores, transform);
    return scores && (!node_has_output(n, 1) || node_bind(n, 1, scores));
}

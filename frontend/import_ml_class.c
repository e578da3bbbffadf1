// ai.onnx.ml: linear models. Their products are matrix products.
#include "import_ml.h"

// x[N, F] times coefficients[rows, F] transposed, intercepts added: [N, rows].
static struct ir_value *linear(struct import_node *n, int64_t rows)
{
    int num, num_bias;
    const double *c = node_floats(n, "coefficients", &num),
                 *bias = node_floats(n, "intercepts", &num_bias);
    struct ir_value *x = ml_features(n, DT_F32);
    if (!x)
        return NULL;
    int64_t features = x->type.dim[1];
    if (rows < 1 || num != rows * features || (num_bias != 0 && num_bias != rows)) {
        node_error(n, DIAG_ONNX_ATTR,
                   "%d coefficients and %d intercepts for %lld results of %lld features", num,
                   num_bias, (long long)rows, (long long)features);
        return NULL;
    }
    struct ir_value *w = ml_floats(n, c, (const int64_t[]){rows, features}, 2, DT_F32);
    struct ir_value *b = num_bias ? ml_floats(n, bias, &rows, 1, DT_F32) : NULL;
    return irb_matmul(&n->b, x, irb_transpose(&n->b, w, (const int64_t[]){1, 0}), b);
}

bool import_LinearRegressor(struct import_node *n)
{
    return node_bind(n, 0,
                     ml_post_transform(n, linear(n, node_int(n, "targets", 1)),
                                       node_str(n, "post_transform", "NONE")));
}

// One score that decides: the label from the threshold on, else 0 or "".
static struct ir_value *one_class_index(struct import_node *n, struct ir_value *scores,
                                        const char *transform)
{
    double threshold = transform[0] == 'N' ? 0 : 0.5;
    struct ir_value *yes = node_scalar_with(n, BFN_le, threshold, scores);
    return yes ? irb_reshape(&n->b, irb_convert(&n->b, yes, DT_I64, false), scores->type.dim, 1)
               : NULL;
}

bool import_LinearClassifier(struct import_node *n)
{
    int coefficients, num_ints, num_strings;
    const char *transform = node_str(n, "post_transform", "NONE");
    const int64_t *ints = node_ints(n, "classlabels_ints", &num_ints), axis = 1;
    const char *const *strings = node_strs(n, "classlabels_strings", &num_strings);
    node_floats(n, "coefficients", &coefficients);
    if (!node_check_rank(n, 0, 1, 2))
        return false;
    const struct ir_type *x = &n->in[0]->type;
    int64_t features = x->dim[x->rank - 1], rows = features > 0 ? coefficients / features : 0;
    int labels = num_ints ? num_ints : num_strings;
    struct ir_value *scores = linear(n, rows), *index;
    if (scores && rows == 1 && labels == 2)
        scores = irb_concat(&n->b, (struct ir_value *[]){irb_unary(&n->b, UFN_neg, scores), scores},
                            2, 1);
    scores = ml_post_transform(n, scores, transform);
    if (!scores)
        return false;
    int64_t classes = scores->type.dim[1];
    if (labels != 0 && labels != classes)
        return node_error(n, DIAG_ONNX_ATTR, "%d class labels for %lld scores", labels,
                          (long long)classes);
    if (classes == 1) {
        const char *texts[] = {"", strings ? strings[0] : ""};
        index = one_class_index(n, scores, transform);
        index = ml_labels(n, index, (const int64_t[]){0, num_ints ? ints[0] : 1},
                          num_strings ? texts : NULL, 2);
    } else {
        index = irb_reduce(&n->b, RFN_argmax, scores, &axis, 1, false);
        index = labels ? ml_labels(n, index, ints, num_ints ? NULL : strings, labels) : index;
    }
    return node_bind(n, 0, index) && (!node_has_output(n, 1) || node_bind(n, 1, scores));
}

// Gemm and MatMul.
#include "import_util.h"

static struct ir_value *transposed(struct import_node *n, struct ir_value *x, const char *attr)
{
    return node_int(n, attr, 0) ? irb_transpose(&n->b, x, (const int64_t[]){1, 0}) : x;
}

static struct ir_value *scaled(struct import_node *n, struct ir_value *x, double factor)
{
    return factor == 1 ? x : node_with_scalar(n, BFN_mul, x, factor);
}

// c as one number for each of `cols` columns, or NULL when it is of another shape.
static struct ir_value *as_bias(struct import_node *n, struct ir_value *c, int64_t cols)
{
    if (!dtype_is_float(c->type.dtype) || c->type.rank < 1 || ir_type_elems(&c->type) != cols ||
        c->type.dim[c->type.rank - 1] != cols)
        return NULL;
    return c->type.rank == 1 ? c : irb_reshape(&n->b, c, &cols, 1);
}

static bool check_addend(struct import_node *n, const struct ir_value *c, const struct ir_type *y)
{
    int64_t dim[IR_MAX_RANK];
    int rank;
    bool fits = ir_broadcast_dims(&c->type, y, dim, &rank) && rank == 2 && dim[0] == y->dim[0] &&
                dim[1] == y->dim[1];
    return fits || node_error(n, DIAG_ONNX_SHAPE,
                              "C '%s' is %s and does not broadcast to the product, [%lld,%lld]",
                              node_input_name(n, 2), node_type_text(n, 2), (long long)y->dim[0],
                              (long long)y->dim[1]);
}

// alpha and beta that an integer type does not hold: the product is exact modulo the type, the rest
// is computed in double and truncated.
static bool bind_fractions(struct import_node *n, struct ir_value *a, struct ir_value *b,
                           struct ir_value *c, double alpha, double beta)
{
    struct ir_value *y = irb_matmul(&n->b, a, b, NULL);
    if (!y)
        return false;
    enum dtype t = y->type.dtype;
    y = scaled(n, node_convert(n, y, DT_F64), alpha);
    if (c && beta != 0)
        y = irb_binary(&n->b, BFN_add, y, scaled(n, node_convert(n, c, DT_F64), beta));
    return node_bind(n, 0, node_convert(n, y, t));
}

static bool is_whole(double v)
{
    return v >= INT32_MIN && v <= INT32_MAX && v == (double)(int32_t)v;
}

bool import_Gemm(struct import_node *n)
{
    double alpha = node_float(n, "alpha", 1), beta = node_float(n, "beta", 1);
    if (!node_check_rank(n, 0, 2, 2) || !node_check_rank(n, 1, 2, 2))
        return false;
    struct ir_value *a = transposed(n, n->in[0], "transA"), *b = transposed(n, n->in[1], "transB"),
                    *c = node_in(n, 2);
    if (!a || !b)
        return false;
    struct ir_type y = {.known = true, .rank = 2, .dim = {a->type.dim[0], b->type.dim[1]}};
    if (c && !check_addend(n, c, &y))
        return false;
    bool is_unsigned = dtype_info[a->type.dtype].kind == DTK_U;
    if (!dtype_is_float(a->type.dtype) && (!is_whole(alpha) || (c && !is_whole(beta)) ||
                                           (is_unsigned && (alpha < 0 || (c && beta < 0)))))
        return bind_fractions(n, a, b, c, alpha, beta);
    // Weights are constants as a rule, so that their factor folds away.
    if (!(b = scaled(n, b, alpha)))
        return false;
    if (!c || beta == 0)
        return node_bind(n, 0, irb_matmul(&n->b, a, b, NULL));
    struct ir_value *bias = as_bias(n, c, y.dim[1]);
    if (bias)
        return node_bind(n, 0, irb_matmul(&n->b, a, b, scaled(n, bias, beta)));
    return node_bind(n, 0,
                     irb_binary(&n->b, BFN_add, irb_matmul(&n->b, a, b, NULL), scaled(n, c, beta)));
}

struct ir_value *node_as_matrix(struct import_node *n, struct ir_value *x, bool first)
{
    if (!x || x->type.rank > 1)
        return x;
    struct ir_type t = {.known = true, .dtype = x->type.dtype, .rank = 2, .dim = {1, 1}};
    t.dim[first] = x->type.dim[0];
    t.sym[first] = x->type.sym[0];
    return irb_reshape_to(&n->b, x, &t);
}

struct ir_value *node_from_matrix(struct import_node *n, struct ir_value *y, bool row, bool col)
{
    if (!y || (!row && !col))
        return y;
    struct ir_type t = {.known = true, .dtype = y->type.dtype};
    for (int i = 0; i < y->type.rank; i++)
        if (!(row && i == y->type.rank - 2) && !(col && i == y->type.rank - 1)) {
            t.sym[t.rank] = y->type.sym[i];
            t.dim[t.rank++] = y->type.dim[i];
        }
    return irb_reshape_to(&n->b, y, &t);
}

bool import_MatMul(struct import_node *n)
{
    if (!node_check_rank(n, 0, 1, IR_MAX_RANK) || !node_check_rank(n, 1, 1, IR_MAX_RANK))
        return false;
    bool row = n->in[0]->type.rank == 1, col = n->in[1]->type.rank == 1;
    struct ir_value *y = irb_matmul(&n->b, node_as_matrix(n, n->in[0], true),
                                    node_as_matrix(n, n->in[1], false), NULL);
    return node_bind(n, 0, node_from_matrix(n, y, row, col));
}

// Attention, FlexAttention, RotaryEmbedding, LinearAttention, CausalConvWithState: their products
// are matmul and conv ops, everything between runs on the vector unit.
#include <math.h>
#include <string.h>

#include "import_util.h"

// ---- Heads

// [batch, length, heads * size] as [batch, heads, length, size].
static struct ir_value *split_heads(struct import_node *n, struct ir_value *x, int64_t heads)
{
    int64_t dim[4] = {x->type.dim[0], x->type.dim[1], heads, x->type.dim[2] / heads};
    return irb_transpose(&n->b, irb_reshape(&n->b, x, dim, 4), (const int64_t[]){0, 2, 1, 3});
}

static struct ir_value *join_heads(struct import_node *n, struct ir_value *x)
{
    struct ir_value *v = irb_transpose(&n->b, x, (const int64_t[]){0, 2, 1, 3});
    if (!v)
        return NULL;
    int64_t dim[3] = {v->type.dim[0], v->type.dim[1], v->type.dim[2] * v->type.dim[3]};
    return irb_reshape(&n->b, v, dim, 3);
}

// Every head of x[batch, heads, ..] `times` times in a row.
static struct ir_value *repeat_heads(struct import_node *n, struct ir_value *x, int64_t times)
{
    if (!x || times == 1)
        return x;
    const int64_t *d = x->type.dim;
    int64_t one[5] = {d[0], d[1], 1, d[2], d[3]}, many[5] = {d[0], d[1], times, d[2], d[3]},
            dim[4] = {d[0], d[1] * times, d[2], d[3]};
    return irb_reshape(&n->b, irb_broadcast(&n->b, irb_reshape(&n->b, x, one, 5), many, 5), dim, 4);
}

// ---- Attention

struct attention {
    struct ir_value *q, *k,
        *v;       // [batch, heads, length, size], k and v with the past, heads as stored
    int64_t past; // elements of k before this call
    bool packed;  // operands have three dimensions
    struct ir_value *scores[4]; // what qk_matmul_output may be
};

static bool read_heads(struct import_node *n, struct attention *a)
{
    int rank = n->in[0]->type.rank;
    int64_t heads[3] = {node_int(n, "q_num_heads", 0), node_int(n, "kv_num_heads", 0),
                        node_int(n, "kv_num_heads", 0)};
    struct ir_value *x[3];
    if (!node_check_rank(n, 0, 3, 4))
        return false;
    a->packed = rank == 3;
    for (int i = 0; i < 3; i++) {
        if (!node_check_rank(n, i, rank, rank))
            return false;
        if (a->packed && (heads[i] < 1 || n->in[i]->type.dim[2] % heads[i] != 0))
            return node_error(n, DIAG_ONNX_ATTR,
                              "%s does not divide into %lld heads (q_num_heads, kv_num_heads)",
                              node_type_text(n, i), (long long)heads[i]);
        x[i] = a->packed ? split_heads(n, n->in[i], heads[i]) : n->in[i];
        if (!x[i])
            return false;
    }
    a->q = x[0];
    a->k = x[1];
    a->v = x[2];
    const int64_t *q = a->q->type.dim, *k = a->k->type.dim, *v = a->v->type.dim;
    bool fits = q[0] == k[0] && q[0] == v[0] && k[1] == v[1] && k[1] > 0 && q[1] % k[1] == 0 &&
                k[2] == v[2] && q[3] == k[3];
    return fits || node_error(n, DIAG_ONNX_SHAPE, "Q %s, K %s and V %s do not fit each other",
                              node_type_text(n, 0), node_type_text(n, 1), node_type_text(n, 2));
}

static bool take_past(struct import_node *n, struct attention *a)
{
    struct ir_value *pk = node_in(n, 4), *pv = node_in(n, 5);
    if (!pk != !pv)
        return node_error(n, DIAG_ONNX_ARITY, "past_key and past_value go together");
    if (!pk)
        return true;
    if (!node_check_rank(n, 4, 4, 4) || !node_check_rank(n, 5, 4, 4))
        return false;
    a->past = pk->type.dim[2];
    a->k = irb_concat(&n->b, (struct ir_value *[]){pk, a->k}, 2, 2);
    a->v = irb_concat(&n->b, (struct ir_value *[]){pv, a->v}, 2, 2);
    return a->k && a->v;
}

static struct ir_value *minus_infinity(struct import_node *n, enum dtype t)
{
    return irb_const_like(&n->b, t, -INFINITY);
}

// 0 where allowed, else -infinity.
static struct ir_value *as_bias(struct import_node *n, struct ir_value *allowed, enum dtype t)
{
    return irb_select(&n->b, allowed, irb_const_like(&n->b, t, 0), minus_infinity(n, t));
}

// The operand attn_mask; where it is shorter than the keys, the rest is masked.
static struct ir_value *mask_bias(struct import_node *n, const struct attention *a, enum dtype t)
{
    struct ir_value *mask = n->in[3];
    int64_t keys = a->k->type.dim[2], none[IR_MAX_RANK] = {0}, after[IR_MAX_RANK] = {0};
    int last = mask->type.rank - 1;
    if (last < 1 || last > 3 || mask->type.dim[last] > keys) {
        node_error(n, DIAG_ONNX_SHAPE, "attn_mask %s does not fit %lld keys", node_type_text(n, 3),
                   (long long)keys);
        return NULL;
    }
    mask = mask->type.dtype == DT_BOOL ? as_bias(n, mask, t) : node_convert(n, mask, t);
    after[last] = keys - mask->type.dim[last];
    if (after[last] == 0 || mask->type.dim[last] == 1)
        return mask;
    // The same through f32, whose padding may be any number.
    return node_convert(n, irb_pad(&n->b, node_convert(n, mask, DT_F32), none, after, -INFINITY),
                        t);
}

// Query i sees keys up to i + what comes before the queries.
static struct ir_value *causal_bias(struct import_node *n, const struct attention *a, enum dtype t)
{
    struct ir_builder *b = &n->b;
    int64_t queries = a->q->type.dim[2];
    struct ir_value *i = node_along_axis(n, node_iota(n, queries, 1), 2, 0),
                    *length = node_in(n, 6);
    if (!node_in(n, 4) && length) {
        struct ir_value *before =
            node_with_scalar(n, BFN_sub, node_convert(n, length, DT_I64), (double)queries);
        i = irb_binary(b, BFN_add, i, node_along_axis(n, before, 4, 0));
    } else {
        i = node_with_scalar(n, BFN_add, i, (double)a->past);
    }
    return as_bias(n, irb_binary(b, BFN_le, node_iota(n, a->k->type.dim[2], 1), i), t);
}

static struct ir_value *plus(struct import_node *n, struct ir_value *x, struct ir_value *y)
{
    return x ? irb_binary(&n->b, BFN_add, x, y) : y;
}

// NULL without *ok cleared: no bias.
static struct ir_value *attention_bias(struct import_node *n, const struct attention *a,
                                       enum dtype t, bool *ok)
{
    struct ir_value *bias = NULL, *length = node_in(n, 6), *part;
    if (node_in(n, 3)) {
        bias = mask_bias(n, a, t);
        *ok &= bias != NULL;
    }
    if (*ok && node_int(n, "is_causal", 0)) {
        bias = plus(n, bias, causal_bias(n, a, t));
        *ok &= bias != NULL;
    }
    if (*ok && length) {
        if (length->type.rank != 1 || length->type.dim[0] != a->q->type.dim[0]) {
            *ok = node_error(n, DIAG_ONNX_SHAPE,
                             "nonpad_kv_seqlen is %s, a number for each batch is needed",
                             node_type_text(n, 6));
            return NULL;
        }
        part = node_along_axis(n, node_convert(n, length, DT_I64), 4, 0);
        part = as_bias(n, irb_binary(&n->b, BFN_lt, node_iota(n, a->k->type.dim[2], 1), part), t);
        bias = plus(n, bias, part);
        *ok &= bias != NULL;
    }
    return bias;
}

// A row of -infinity alone, where nothing may be attended to, gives zeros.
static struct ir_value *softmax_last(struct import_node *n, struct ir_value *x)
{
    struct ir_builder *b = &n->b;
    if (!x)
        return NULL;
    int64_t last = x->type.rank - 1;
    enum dtype t = x->type.dtype;
    x = node_convert(n, x, node_wide_type(t));
    struct ir_value *most = irb_reduce(b, RFN_max, x, &last, 1, true);
    most = irb_select(b, node_with_scalar(n, BFN_eq, most, -INFINITY),
                      x ? irb_const_like(b, x->type.dtype, 0) : NULL, most);
    x = irb_unary(b, UFN_exp, irb_binary(b, BFN_sub, x, most));
    struct ir_value *sum = irb_reduce(b, RFN_sum, x, &last, 1, true);
    sum = irb_select(b, node_with_scalar(n, BFN_eq, sum, 0),
                     x ? irb_const_like(b, x->type.dtype, 1) : NULL, sum);
    return node_convert(n, irb_binary(b, BFN_div, x, sum), t);
}

// Scores of the queries: the product, capped, with the bias, as probabilities.
static bool attention_scores(struct import_node *n, struct attention *a)
{
    struct ir_builder *b = &n->b;
    enum dtype t = a->q->type.dtype, precision = t;
    int64_t size = a->q->type.dim[3], given = node_int(n, "softmax_precision", 0);
    double scale = node_float(n, "scale", 0), cap = node_float(n, "softcap", 0);
    bool ok = true;
    if (scale == 0)
        scale = 1 / sqrt((double)(size > 0 ? size : 1));
    if (given && (!dtype_by_onnx(given, &precision) || !dtype_is_float(precision)))
        return node_error(n, DIAG_ONNX_ATTR, "softmax_precision %lld is no float type",
                          (long long)given);
    struct ir_value *bias = attention_bias(n, a, t, &ok);
    if (!ok)
        return false;
    struct ir_value *k =
        irb_transpose(b, repeat_heads(n, a->k, a->q->type.dim[1] / a->k->type.dim[1]),
                      (const int64_t[]){0, 1, 3, 2});
    // Half of the scale to each side keeps narrow floats in range.
    double root = sqrt(fabs(scale));
    struct ir_value *q = node_with_scalar(n, BFN_mul, a->q, scale < 0 ? -root : root);
    a->scores[0] = a->scores[1] = irb_matmul(b, q, node_with_scalar(n, BFN_mul, k, root), NULL);
    if (cap > 0) {
        struct ir_value *x =
            irb_unary(b, UFN_tanh, node_with_scalar(n, BFN_div, a->scores[0], cap));
        a->scores[1] = node_with_scalar(n, BFN_mul, x, cap);
    }
    a->scores[2] = bias ? irb_binary(b, BFN_add, a->scores[1], bias) : a->scores[1];
    a->scores[3] = node_convert(n, softmax_last(n, node_convert(n, a->scores[2], precision)), t);
    return a->scores[3] != NULL;
}

bool import_Attention(struct import_node *n)
{
    struct attention a = {.past = 0};
    int64_t mode = node_int(n, "qk_matmul_output_mode", 0);
    if (mode < 0 || mode > 3)
        return node_error(n, DIAG_ONNX_ATTR, "qk_matmul_output_mode is %lld, not in 0..3",
                          (long long)mode);
    if (!read_heads(n, &a) || !take_past(n, &a) || !attention_scores(n, &a))
        return false;
    // V may be of another type than Q and K; Y has that of Q.
    struct ir_value *v = node_convert(n, a.v, a.q->type.dtype);
    v = repeat_heads(n, v, a.q->type.dim[1] / a.v->type.dim[1]);
    struct ir_value *y = irb_matmul(&n->b, a.scores[3], v, NULL);
    if (a.packed)
        y = join_heads(n, y);
    return node_bind(n, 0, y) && node_bind(n, 1, a.k) && node_bind(n, 2, a.v) &&
           node_bind(n, 3, a.scores[mode]);
}

// ---- FlexAttention

static bool read_flex(struct import_node *n, enum dtype *precision)
{
    const struct ir_type *q = &n->in[0]->type, *k = &n->in[1]->type, *v = &n->in[2]->type;
    int64_t given = node_int(n, "softmax_precision", 0);
    *precision = q->dtype == DT_F64 ? DT_F64 : DT_F32;
    if (given && (!dtype_by_onnx(given, precision) || !dtype_is_float(*precision)))
        return node_error(n, DIAG_ONNX_ATTR, "softmax_precision %lld is no float type",
                          (long long)given);
    for (int i = 0; i < 3; i++)
        if (!node_check_rank(n, i, 4, 4))
            return false;
    bool fits = q->dim[0] == k->dim[0] && q->dim[0] == v->dim[0] && k->dim[1] == v->dim[1] &&
                k->dim[1] > 0 && q->dim[1] % k->dim[1] == 0 && k->dim[2] == v->dim[2] &&
                q->dim[3] == k->dim[3] && q->dtype == k->dtype;
    return fits || node_error(n, DIAG_ONNX_SHAPE, "Q %s, K %s and V %s do not fit each other",
                              node_type_text(n, 0), node_type_text(n, 1), node_type_text(n, 2));
}

// x as the graph of an attribute changes it; without the attribute x itself.
static struct ir_value *modified(struct import_node *n, const char *attr, struct ir_value *x)
{
    struct ir_value *y = NULL;
    if (!x || !node_has_attr(n, attr))
        return x;
    if (!node_body(n, attr, &x, 1, &y, 1))
        return NULL;
    if (ir_type_equal(&x->type, &y->type))
        return y;
    node_error(n, DIAG_ONNX_SHAPE, "the graph '%s' makes %s of %s; its type must stay", attr,
               ir_type_text(&y->type, n->arena), ir_type_text(&x->type, n->arena));
    return NULL;
}

bool import_FlexAttention(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    enum dtype precision;
    if (!read_flex(n, &precision))
        return false;
    const struct ir_type *q = &n->in[0]->type;
    int64_t size = q->dim[3], share = q->dim[1] / n->in[1]->type.dim[1];
    double scale = node_float(n, "scale", 1 / sqrt((double)(size > 0 ? size : 1))),
           root = sqrt(fabs(scale));
    struct ir_value *k =
        irb_transpose(b, repeat_heads(n, n->in[1], share), (const int64_t[]){0, 1, 3, 2});
    struct ir_value *x =
        irb_matmul(b, node_with_scalar(n, BFN_mul, n->in[0], scale < 0 ? -root : root),
                   node_with_scalar(n, BFN_mul, k, root), NULL);
    x = modified(n, "score_mod", node_convert(n, x, precision));
    x = modified(n, "prob_mod", softmax_last(n, x));
    struct ir_value *v = repeat_heads(n, n->in[2], share);
    return node_bind(n, 0, irb_matmul(b, node_convert(n, x, n->in[2]->type.dtype), v, NULL));
}

// ---- RotaryEmbedding

// Elements first, first + step .. of the last dimension.
static struct ir_value *last_slice(struct import_node *n, struct ir_value *x, int64_t first,
                                   int64_t count, int64_t step)
{
    int64_t starts[IR_MAX_RANK] = {0}, sizes[IR_MAX_RANK], steps[IR_MAX_RANK];
    if (!x)
        return NULL;
    int last = x->type.rank - 1;
    for (int i = 0; i <= last; i++) {
        sizes[i] = i == last ? count : x->type.dim[i];
        steps[i] = i == last ? step : 1;
    }
    starts[last] = first;
    return irb_slice(&n->b, x, starts, sizes, steps);
}

// Cosines or sines for x[batch, length, heads, size] as [batch, length, 1, half].
static struct ir_value *rotary_cache(struct import_node *n, int input, const struct ir_value *x,
                                     int64_t half)
{
    struct ir_value *c = n->in[input];
    int64_t dim[4] = {x->type.dim[0], x->type.dim[1], 1, half};
    if (node_in(n, 3))
        c = irb_gather(&n->b, c, n->in[3], 0);
    if (!c)
        return NULL;
    if (c->type.rank != 3 || c->type.dim[0] != dim[0] || c->type.dim[1] != dim[1] ||
        c->type.dim[2] != half) {
        node_error(n, DIAG_ONNX_SHAPE,
                   "input %d '%s' is %s; it gives %s, %lld numbers at each of %lld x %lld places "
                   "are needed",
                   input, node_input_name(n, input), node_type_text(n, input),
                   ir_type_text(&c->type, n->arena), (long long)half, (long long)dim[0],
                   (long long)dim[1]);
        return NULL;
    }
    return irb_reshape(&n->b, c, dim, 4);
}

bool import_RotaryEmbedding(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *xt = &n->in[0]->type;
    int64_t heads = node_int(n, "num_heads", 0), rotary = node_int(n, "rotary_embedding_dim", 0);
    bool interleaved = node_int(n, "interleaved", 0) != 0, packed = xt->rank == 3;
    if (!node_check_rank(n, 0, 3, 4))
        return false;
    if (packed && (heads < 1 || xt->dim[2] % heads != 0))
        return node_error(n, DIAG_ONNX_ATTR, "%s does not divide into %lld heads (num_heads)",
                          node_type_text(n, 0), (long long)heads);
    struct ir_value *x;
    if (packed)
        x = irb_reshape(b, n->in[0],
                        (const int64_t[]){xt->dim[0], xt->dim[1], heads, xt->dim[2] / heads}, 4);
    else
        x = irb_transpose(b, n->in[0], (const int64_t[]){0, 2, 1, 3});
    if (!x)
        return false;
    int64_t size = x->type.dim[3];
    rotary = rotary == 0 ? size : rotary;
    if (rotary < 0 || rotary > size || rotary % 2 != 0)
        return node_error(n, DIAG_ONNX_ATTR,
                          "%lld of %lld elements are to turn, an even number of them is needed",
                          (long long)rotary, (long long)size);
    int64_t half = rotary / 2, step = interleaved ? 2 : 1;
    struct ir_value *c = rotary_cache(n, 1, x, half), *s = rotary_cache(n, 2, x, half);
    struct ir_value *x1 = last_slice(n, x, 0, half, step),
                    *x2 = last_slice(n, x, interleaved ? 1 : half, half, step);
    struct ir_value *re =
        irb_binary(b, BFN_sub, irb_binary(b, BFN_mul, c, x1), irb_binary(b, BFN_mul, s, x2));
    struct ir_value *im = irb_binary(b, BFN_add, irb_binary(b, BFN_mul, s, x1),
                                     irb_binary(b, BFN_mul, c, x2)),
                    *y;
    if (!re || !im)
        return false;
    if (interleaved) {
        int64_t one[5], pair[4];
        memcpy(one, re->type.dim, 4 * sizeof *one);
        memcpy(pair, re->type.dim, 4 * sizeof *pair);
        one[4] = 1;
        pair[3] = rotary;
        y = irb_concat(
            b, (struct ir_value *[]){irb_reshape(b, re, one, 5), irb_reshape(b, im, one, 5)}, 2, 4);
        y = irb_reshape(b, y, pair, 4);
    } else {
        y = irb_concat(b, (struct ir_value *[]){re, im}, 2, 3);
    }
    if (rotary < size)
        y = irb_concat(b, (struct ir_value *[]){y, last_slice(n, x, rotary, size - rotary, 1)}, 2,
                       3);
    y = packed ? irb_reshape(b, y, xt->dim, 3) : irb_transpose(b, y, (const int64_t[]){0, 2, 1, 3});
    return node_bind(n, 0, y);
}

// ---- LinearAttention: the recurrence unrolled over the sequence

struct linear {
    struct ir_value *q, *k, *v, *decay,
        *beta;              // [batch, heads, length, size], f32; decay and beta may be NULL
    struct ir_value *state; // [batch, heads, key size, value size], f32
    int64_t repeat;         // queries of a head
    double scale;
};

// Row t of x[batch, heads, length, size]: [batch, heads, 1, size], or turned to [batch, heads,
// size, 1].
static struct ir_value *row_at(struct import_node *n, struct ir_value *x, int64_t t, bool turned)
{
    const int64_t *d = x->type.dim;
    int64_t starts[4] = {0, 0, t, 0}, sizes[4] = {d[0], d[1], 1, d[3]}, steps[4] = {1, 1, 1, 1};
    struct ir_value *v = irb_slice(&n->b, x, starts, sizes, steps);
    return turned ? irb_reshape(&n->b, v, (const int64_t[]){d[0], d[1], d[3], 1}, 4) : v;
}

static struct ir_value *linear_step(struct import_node *n, struct linear *l, int64_t t)
{
    struct ir_builder *b = &n->b;
    struct ir_value *k = row_at(n, l->k, t, true), *write = row_at(n, l->v, t, false);
    if (l->decay)
        l->state =
            irb_binary(b, BFN_mul, l->state, irb_unary(b, UFN_exp, row_at(n, l->decay, t, true)));
    if (l->beta) {
        struct ir_value *known = irb_matmul(b, row_at(n, l->k, t, false), l->state, NULL);
        write = irb_binary(b, BFN_mul, irb_binary(b, BFN_sub, write, known),
                           row_at(n, l->beta, t, false));
    }
    l->state = irb_binary(b, BFN_add, l->state, irb_matmul(b, k, write, NULL));
    // The queries of a head are rows of one product.
    const int64_t *q = l->q->type.dim;
    struct ir_value *rows = row_at(n, l->q, t, false);
    rows = irb_reshape(b, rows, (const int64_t[]){q[0], q[1] / l->repeat, l->repeat, q[3]}, 4);
    return node_with_scalar(n, BFN_mul, irb_matmul(b, rows, l->state, NULL), l->scale);
}

static struct ir_value *linear_operand(struct import_node *n, int i, int64_t heads)
{
    struct ir_value *x = node_convert(n, node_in(n, i), DT_F32);
    if (!x)
        return NULL;
    const struct ir_type *q = &n->in[0]->type;
    if (x->type.rank != 3 || x->type.dim[0] != q->dim[0] || x->type.dim[1] != q->dim[1] ||
        x->type.dim[2] % heads != 0) {
        node_error(
            n, DIAG_ONNX_SHAPE, "input %d '%s' is %s; it does not fit the query %s and %lld heads",
            i, node_input_name(n, i), node_type_text(n, i), node_type_text(n, 0), (long long)heads);
        return NULL;
    }
    return split_heads(n, x, heads);
}

static bool read_linear(struct import_node *n, struct linear *l)
{
    static const char *const rules[] = {"linear", "gated", "delta", "gated_delta"};
    const char *rule = node_str(n, "update_rule", "gated_delta");
    int64_t qh = node_int(n, "q_num_heads", 0), kh = node_int(n, "kv_num_heads", 0);
    int which = 0;
    while (which < 4 && strcmp(rule, rules[which]) != 0)
        which++;
    if (which == 4)
        return node_error(n, DIAG_ONNX_ATTR,
                          "update_rule is '%s'; linear, gated, delta and gated_delta exist", rule);
    if (kh < 1 || qh < kh || qh % kh != 0 || !node_check_rank(n, 0, 3, 3))
        return kh < 1 || qh < kh || qh % kh != 0
                   ? node_error(n, DIAG_ONNX_ATTR, "q_num_heads is %lld, kv_num_heads %lld",
                                (long long)qh, (long long)kh)
                   : false;
    bool gated = which & 1, delta = which & 2;
    if ((gated && !node_in(n, 4)) || (delta && !node_in(n, 5)))
        return node_error(n, DIAG_ONNX_ARITY, "update_rule '%s' needs %s", rule,
                          gated && !node_in(n, 4) ? "decay" : "beta");
    l->repeat = qh / kh;
    l->q = linear_operand(n, 0, qh);
    l->k = l->q ? linear_operand(n, 1, kh) : NULL;
    l->v = l->k ? linear_operand(n, 2, kh) : NULL;
    l->decay = l->v && gated ? linear_operand(n, 4, kh) : NULL;
    if (!l->v || (gated && !l->decay))
        return false;
    // One beta for all heads, or one each.
    if (delta && !(l->beta = linear_operand(
                       n, 5, n->in[5]->type.rank == 3 && n->in[5]->type.dim[2] == 1 ? 1 : kh)))
        return false;
    int64_t dk = l->k->type.dim[3], dv = l->v->type.dim[3],
            dim[4] = {l->q->type.dim[0], kh, dk, dv};
    bool fits = l->q->type.dim[3] == dk &&
                (!gated || l->decay->type.dim[3] == dk || l->decay->type.dim[3] == 1) &&
                (!delta || l->beta->type.dim[3] == 1);
    struct ir_value *past = node_in(n, 3);
    fits =
        fits && (!past || (past->type.rank == 4 && memcmp(past->type.dim, dim, sizeof dim) == 0));
    if (!fits)
        return node_error(
            n, DIAG_ONNX_SHAPE,
            "query %s, key %s, past_state %s, decay %s and beta %s do not fit each other",
            node_type_text(n, 0), node_type_text(n, 1), node_type_text(n, 3), node_type_text(n, 4),
            node_type_text(n, 5));
    l->state = past ? node_convert(n, past, DT_F32) : node_filled(n, DT_F32, 0, dim, 4);
    l->scale = node_float(n, "scale", 0);
    if (l->scale == 0)
        l->scale = 1 / sqrt((double)(dk > 0 ? dk : 1));
    return l->state != NULL;
}

#define UNROLL_MAX 4096

bool import_LinearAttention(struct import_node *n)
{
    struct linear l = {.repeat = 1};
    enum dtype t = n->in[0]->type.dtype, state = node_in(n, 3) ? n->in[3]->type.dtype : t;
    if (!read_linear(n, &l))
        return false;
    int64_t length = l.q->type.dim[2], qh = l.q->type.dim[1], dv = l.v->type.dim[3];
    if (length < 1 || length > UNROLL_MAX)
        return node_error(n, DIAG_LIMIT, "a sequence of %lld, 1 to %d are handled",
                          (long long)length, UNROLL_MAX);
    struct ir_value **y = ARENA_ARRAY(n->arena, (size_t)length, struct ir_value *);
    int64_t row[3] = {l.q->type.dim[0], 1, qh * dv};
    for (int64_t i = 0; i < length; i++)
        y[i] = irb_reshape(&n->b, linear_step(n, &l, i), row, 3);
    struct ir_value *all = length == 1 ? y[0] : irb_concat(&n->b, y, (int)length, 1);
    return node_bind(n, 0, node_convert(n, all, t)) &&
           node_bind(n, 1, node_convert(n, l.state, state));
}

// ---- CausalConvWithState

bool import_CausalConvWithState(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type, *w = &n->in[1]->type;
    const char *act = node_str(n, "activation", "none");
    bool silu = strcmp(act, "silu") == 0 || strcmp(act, "swish") == 0;
    if (!silu && strcmp(act, "none") != 0)
        return node_error(n, DIAG_ONNX_ATTR, "activation is '%s'; none, silu and swish exist", act);
    if (!node_check_rank(n, 0, 3, 3) || !node_check_rank(n, 1, 3, 3))
        return false;
    int64_t state = w->dim[2] - 1, past[3] = {x->dim[0], x->dim[1], state};
    struct ir_value *before = node_in(n, 3);
    if (w->dim[0] != x->dim[1] || w->dim[1] != 1 || state < 0 ||
        (before && (before->type.rank != 3 || memcmp(before->type.dim, past, sizeof past) != 0)))
        return node_error(n, DIAG_ONNX_SHAPE,
                          "input %s, weight %s and past_state %s do not fit each other",
                          node_type_text(n, 0), node_type_text(n, 1), node_type_text(n, 3));
    struct ir_value *padded = n->in[0];
    if (state > 0) {
        before = before ? before : node_filled(n, x->dtype, 0, past, 3);
        padded = irb_concat(b, (struct ir_value *[]){before, padded}, 2, 2);
    }
    static const int64_t one = 1, none[2] = {0, 0};
    struct ir_value *y =
        irb_conv(b, padded, n->in[1], node_in(n, 2), 1, &one, &one, none, x->dim[1]);
    if (silu) {
        struct ir_value *f = node_convert(n, y, node_wide_type(x->dtype));
        y = node_convert(n, irb_binary(b, BFN_mul, f, irb_unary(b, UFN_sigmoid, f)), x->dtype);
    }
    return node_bind(n, 0, y) && node_bind(n, 1, last_slice(n, padded, x->dim[2], state, 1));
}

// Element-wise ops. Floats are computed in double and rounded once to their type: for + - * / and
// sqrt of types of up to 24 mantissa bits that is what arithmetic in the type itself gives, because
// a double has more than twice the bits.
#include "eval_op.h"

#include <math.h>
#include <string.h>

#include "eval_num.h"

enum { BLOCK = 512 };

// ---- Broadcasting: a box of the result's extents, merged where all operands allow, walked in runs
// of the last dimension.

struct runs {
    int rank, operands;
    int64_t dim[IR_MAX_RANK],
        stride[3][IR_MAX_RANK]; // in elements, 0 where an operand is broadcast
    int64_t index[IR_MAX_RANK], at[3], dst, total;
};

static bool mergeable(const struct runs *r, int d)
{
    for (int k = 0; k < r->operands; k++)
        if (r->stride[k][d] != r->stride[k][d + 1] * r->dim[d + 1])
            return false;
    return true;
}

static void drop_dim(struct runs *r, int d)
{
    for (int e = d; e + 1 < r->rank; e++) {
        r->dim[e] = r->dim[e + 1];
        for (int k = 0; k < r->operands; k++)
            r->stride[k][e] = r->stride[k][e + 1];
    }
    r->rank--;
}

static void merge_dims(struct runs *r)
{
    for (int d = r->rank - 1; d >= 0; d--)
        if (r->dim[d] == 1)
            drop_dim(r, d);
    for (int d = r->rank - 2; d >= 0; d--)
        if (mergeable(r, d)) {
            r->dim[d + 1] *= r->dim[d];
            drop_dim(r, d);
        }
}

static struct runs runs_over(const struct tensor *result, const struct tensor *const *in,
                             int operands)
{
    struct runs r = {.rank = result->rank, .operands = operands, .total = tensor_elems(result)};
    memcpy(r.dim, result->dim, sizeof r.dim);
    for (int k = 0; k < operands; k++) {
        int64_t dense[IR_MAX_RANK];
        eval_strides(in[k]->dim, in[k]->rank, dense);
        int shift = result->rank - in[k]->rank;
        for (int d = shift; d < result->rank; d++)
            r.stride[k][d] = in[k]->dim[d - shift] == 1 ? 0 : dense[d - shift];
    }
    merge_dims(&r);
    if (r.rank == 0) {
        r.dim[0] = 1;
        r.rank = 1;
    }
    return r;
}

static int64_t runs_length(const struct runs *r)
{
    return r->dim[r->rank - 1];
}

static int64_t runs_step(const struct runs *r, int k)
{
    return r->stride[k][r->rank - 1];
}

// Moves to the next run; false past the last.
static bool runs_next(struct runs *r)
{
    r->dst += runs_length(r);
    for (int d = r->rank - 2; d >= 0; d--) {
        bool carry = ++r->index[d] == r->dim[d];
        if (carry)
            r->index[d] = 0;
        for (int k = 0; k < r->operands; k++)
            r->at[k] += carry ? -r->stride[k][d] * (r->dim[d] - 1) : r->stride[k][d];
        if (!carry)
            break;
    }
    return r->dst < r->total;
}

// ---- Unary

static double sign_of(double x)
{
    return x > 0 ? 1.0 : x < 0 ? -1.0 : x;
}

static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

#define EACH(expr)                                                                                 \
    for (int64_t i = 0; i < n; i++)                                                                \
    y[i] = (expr)

static void unary_f64(enum unary_fn fn, int64_t n, const double *x, double *y)
{
    switch (fn) {
    case UFN_neg: EACH(-x[i]); break;
    case UFN_abs: EACH(fabs(x[i])); break;
    case UFN_sign: EACH(sign_of(x[i])); break;
    case UFN_floor: EACH(floor(x[i])); break;
    case UFN_ceil: EACH(ceil(x[i])); break;
    case UFN_round: EACH(eval_round_even(x[i])); break;
    case UFN_trunc: EACH(trunc(x[i])); break;
    case UFN_sqrt: EACH(sqrt(x[i])); break;
    case UFN_reciprocal: EACH(1.0 / x[i]); break;
    case UFN_exp: EACH(exp(x[i])); break;
    case UFN_log: EACH(log(x[i])); break;
    case UFN_erf: EACH(erf(x[i])); break;
    case UFN_tanh: EACH(tanh(x[i])); break;
    case UFN_sigmoid: EACH(1.0 / (1.0 + exp(-x[i]))); break;
    case UFN_softplus: EACH(softplus(x[i])); break;
    case UFN_sin: EACH(sin(x[i])); break;
    case UFN_cos: EACH(cos(x[i])); break;
    case UFN_tan: EACH(tan(x[i])); break;
    case UFN_asin: EACH(asin(x[i])); break;
    case UFN_acos: EACH(acos(x[i])); break;
    case UFN_atan: EACH(atan(x[i])); break;
    case UFN_sinh: EACH(sinh(x[i])); break;
    case UFN_cosh: EACH(cosh(x[i])); break;
    case UFN_asinh: EACH(asinh(x[i])); break;
    case UFN_acosh: EACH(acosh(x[i])); break;
    case UFN_atanh: EACH(atanh(x[i])); break;
    default: bitlet_bug("unary %d has no floats", (int)fn);
    }
}

static void unary_bool(enum unary_fn fn, int64_t n, const double *x, int64_t *y)
{
    if (fn == UFN_isnan)
        EACH(x[i] != x[i]);
    else
        EACH(x[i] == INFINITY || x[i] == -INFINITY);
}

static bool unary_i64(enum unary_fn fn, bool is_unsigned, int64_t n, const int64_t *x, int64_t *y)
{
    switch (fn) {
    case UFN_neg: EACH((int64_t)(0 - (uint64_t)x[i])); return true;
    case UFN_abs:
        EACH(is_unsigned || x[i] >= 0 ? x[i] : (int64_t)(0 - (uint64_t)x[i]));
        return true;
    case UFN_sign: EACH(x[i] == 0 ? 0 : is_unsigned || x[i] > 0 ? 1 : -1); return true;
    case UFN_not: EACH(x[i] == 0); return true;
    case UFN_bitnot: EACH(~x[i]); return true;
    case UFN_floor:
    case UFN_ceil:
    case UFN_round:
    case UFN_trunc: EACH(x[i]); return true;
    case UFN_isnan:
    case UFN_isinf: EACH(0); return true;
    default: return false;
    }
}

bool eval_op_UNARY(const struct eval_call *c)
{
    enum unary_fn fn = (enum unary_fn)ir_int(c->op, IR_A_fn_unary, 0);
    const struct tensor *x = c->in[0];
    struct tensor *y = c->out[0];
    double xf[BLOCK], yf[BLOCK];
    int64_t xi[BLOCK], yi[BLOCK], total = tensor_elems(x);
    bool is_float = dtype_is_float(x->dtype);
    if ((!is_float && !dtype_is_int(x->dtype)) || (is_float && (fn == UFN_not || fn == UFN_bitnot)))
        return eval_no_arithmetic(c, x->dtype, unary_fn_info[fn].name);
    for (int64_t at = 0; at < total; at += BLOCK) {
        int64_t n = total - at < BLOCK ? total - at : BLOCK;
        if (!is_float) {
            eval_load_i64(x->dtype, x->data, at, 1, n, xi);
            if (!unary_i64(fn, eval_is_unsigned(x->dtype), n, xi, yi))
                return eval_no_arithmetic(c, x->dtype, unary_fn_info[fn].name);
            eval_store_i64(y->dtype, y->data, at, n, yi);
            continue;
        }
        eval_load_f64(x->dtype, x->data, at, 1, n, xf);
        if (unary_fn_gives_bool(fn)) {
            unary_bool(fn, n, xf, yi);
            eval_store_i64(y->dtype, y->data, at, n, yi);
        } else {
            unary_f64(fn, n, xf, yf);
            eval_store_f64(y->dtype, y->data, at, n, yf);
        }
    }
    return true;
}

// ---- Binary

static double floor_mod(double a, double b)
{
    double r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static double smaller(double a, double b)
{
    return a != a ? a : b != b ? b : b < a ? b : a;
}

static double larger(double a, double b)
{
    return a != a ? a : b != b ? b : b > a ? b : a;
}

static bool binary_f64(enum binary_fn fn, int64_t n, const double *a, const double *b, double *y)
{
    switch (fn) {
    case BFN_add: EACH(a[i] + b[i]); return true;
    case BFN_sub: EACH(a[i] - b[i]); return true;
    case BFN_mul: EACH(a[i] * b[i]); return true;
    case BFN_div: EACH(a[i] / b[i]); return true;
    case BFN_mod: EACH(floor_mod(a[i], b[i])); return true;
    case BFN_fmod: EACH(fmod(a[i], b[i])); return true;
    case BFN_pow: EACH(pow(a[i], b[i])); return true;
    case BFN_min: EACH(smaller(a[i], b[i])); return true;
    case BFN_max: EACH(larger(a[i], b[i])); return true;
    case BFN_atan2: EACH(atan2(a[i], b[i])); return true;
    default: return false;
    }
}

static bool compare_f64(enum binary_fn fn, int64_t n, const double *a, const double *b, int64_t *y)
{
    switch (fn) {
    case BFN_eq: EACH(a[i] == b[i]); return true;
    case BFN_ne: EACH(a[i] != b[i]); return true;
    case BFN_lt: EACH(a[i] < b[i]); return true;
    case BFN_le: EACH(a[i] <= b[i]); return true;
    default: return false;
    }
}

static int64_t wrap(uint64_t v)
{
    return (int64_t)v;
}

static uint64_t magnitude(int64_t v)
{
    return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

static int64_t divide(int64_t a, int64_t b, bool u)
{
    if (b == 0)
        return 0;
    if (u)
        return wrap((uint64_t)a / (uint64_t)b);
    uint64_t q = magnitude(a) / magnitude(b);
    return wrap((a < 0) != (b < 0) ? 0 - q : q);
}

static int64_t remainder_of(int64_t a, int64_t b, bool u)
{
    return b == 0 ? 0 : wrap((uint64_t)a - (uint64_t)divide(a, b, u) * (uint64_t)b);
}

static int64_t modulo(int64_t a, int64_t b, bool u)
{
    int64_t r = remainder_of(a, b, u);
    return !u && r != 0 && (r < 0) != (b < 0) ? wrap((uint64_t)r + (uint64_t)b) : r;
}

static int64_t power(int64_t a, int64_t b, bool u)
{
    if (!u && b < 0) // 1 / a^-b towards zero
        return a == 1 ? 1 : a == -1 ? ((uint64_t)b & 1 ? -1 : 1) : 0;
    uint64_t y = 1, x = (uint64_t)a;
    for (uint64_t e = (uint64_t)b; e; e >>= 1) {
        if (e & 1)
            y *= x;
        x *= x;
    }
    return wrap(y);
}

static int64_t shift_left(int64_t a, int64_t b, int bits)
{
    return (uint64_t)b >= (uint64_t)bits ? 0 : wrap((uint64_t)a << b);
}

static int64_t shift_right(int64_t a, int64_t b, int bits, bool u)
{
    int by = (uint64_t)b >= (uint64_t)bits ? bits - 1 : (int)b;
    uint64_t v = (uint64_t)a;
    return wrap(u || a >= 0 ? v >> by : ~(~v >> by));
}

static bool less(int64_t a, int64_t b, bool u)
{
    return u ? (uint64_t)a < (uint64_t)b : a < b;
}

static bool binary_i64(enum binary_fn fn, enum dtype t, int64_t n, const int64_t *a,
                       const int64_t *b, int64_t *y)
{
    bool u = eval_is_unsigned(t);
    int bits = dtype_info[t].bits;
    switch (fn) {
    case BFN_add: EACH(wrap((uint64_t)a[i] + (uint64_t)b[i])); return true;
    case BFN_sub: EACH(wrap((uint64_t)a[i] - (uint64_t)b[i])); return true;
    case BFN_mul: EACH(wrap((uint64_t)a[i] * (uint64_t)b[i])); return true;
    case BFN_div: EACH(divide(a[i], b[i], u)); return true;
    case BFN_mod: EACH(modulo(a[i], b[i], u)); return true;
    case BFN_fmod: EACH(remainder_of(a[i], b[i], u)); return true;
    case BFN_pow: EACH(power(a[i], b[i], u)); return true;
    case BFN_min: EACH(less(b[i], a[i], u) ? b[i] : a[i]); return true;
    case BFN_max: EACH(less(a[i], b[i], u) ? b[i] : a[i]); return true;
    case BFN_and: EACH(a[i] && b[i]); return true;
    case BFN_or: EACH(a[i] || b[i]); return true;
    case BFN_xor: EACH(!a[i] != !b[i]); return true;
    case BFN_bitand: EACH(a[i] & b[i]); return true;
    case BFN_bitor: EACH(a[i] | b[i]); return true;
    case BFN_bitxor: EACH(a[i] ^ b[i]); return true;
    case BFN_shl: EACH(shift_left(a[i], b[i], bits)); return true;
    case BFN_shr: EACH(shift_right(a[i], b[i], bits, u)); return true;
    case BFN_eq: EACH(a[i] == b[i]); return true;
    case BFN_ne: EACH(a[i] != b[i]); return true;
    case BFN_lt: EACH(less(a[i], b[i], u)); return true;
    case BFN_le: EACH(!less(b[i], a[i], u)); return true;
    default: return false;
    }
}

// One block: elements at[k] + i * step[k] of the operands to dst + i.
static bool binary_block(const struct eval_call *c, enum binary_fn fn, const int64_t *at,
                         const int64_t *step, int64_t dst, int64_t n)
{
    const struct tensor *a = c->in[0], *b = c->in[1];
    struct tensor *y = c->out[0];
    int64_t ai[BLOCK], bi[BLOCK], yi[BLOCK];
    double af[BLOCK], bf[BLOCK], yf[BLOCK];
    bool ok;
    if (dtype_is_int(a->dtype)) {
        eval_load_i64(a->dtype, a->data, at[0], step[0], n, ai);
        eval_load_i64(b->dtype, b->data, at[1], step[1], n, bi);
        ok = binary_i64(fn, a->dtype, n, ai, bi, yi);
        if (ok)
            eval_store_i64(y->dtype, y->data, dst, n, yi);
        return ok;
    }
    eval_load_f64(a->dtype, a->data, at[0], step[0], n, af);
    eval_load_f64(b->dtype, b->data, at[1], step[1], n, bf);
    if (binary_fn_gives_bool(fn)) {
        ok = compare_f64(fn, n, af, bf, yi);
        if (ok)
            eval_store_i64(y->dtype, y->data, dst, n, yi);
        return ok;
    }
    ok = binary_f64(fn, n, af, bf, yf);
    if (ok)
        eval_store_f64(y->dtype, y->data, dst, n, yf);
    return ok;
}

bool eval_op_BINARY(const struct eval_call *c)
{
    enum binary_fn fn = (enum binary_fn)ir_int(c->op, IR_A_fn_binary, 0);
    enum dtype t = c->in[0]->dtype;
    struct runs r = runs_over(c->out[0], c->in, 2);
    if (r.total == 0)
        return true;
    if (t != c->in[1]->dtype || (!dtype_is_float(t) && !dtype_is_int(t)))
        return eval_no_arithmetic(c, t, binary_fn_info[fn].name);
    int64_t length = runs_length(&r), step[2] = {runs_step(&r, 0), runs_step(&r, 1)};
    do {
        for (int64_t i = 0; i < length; i += BLOCK) {
            int64_t n = length - i < BLOCK ? length - i : BLOCK;
            int64_t at[2] = {r.at[0] + i * step[0], r.at[1] + i * step[1]};
            if (!binary_block(c, fn, at, step, r.dst + i, n))
                return eval_no_arithmetic(c, t, binary_fn_info[fn].name);
        }
    } while (runs_next(&r));
    return true;
}

bool eval_op_SELECT(const struct eval_call *c)
{
    struct runs r = runs_over(c->out[0], c->in, 3);
    size_t bytes = dtype_bytes(c->out[0]->dtype);
    const uint8_t *cond = c->in[0]->data;
    const char *from[2] = {c->in[2]->data, c->in[1]->data};
    char *dst = c->out[0]->data;
    if (r.total == 0)
        return true;
    do {
        for (int64_t i = 0; i < runs_length(&r); i++) {
            int k = cond[r.at[0] + i * runs_step(&r, 0)] != 0;
            int64_t at = r.at[2 - k] + i * runs_step(&r, 2 - k);
            memcpy(dst + (size_t)(r.dst + i) * bytes, from[k] + (size_t)at * bytes, bytes);
        }
    } while (runs_next(&r));
    return true;
}

// Changes of element type. A float becomes an integer by rounding, then by saturation or modulo the
// width; an integer becomes a float with one rounding, whatever lies in between.
#include "eval_op.h"

#include <math.h>
#include <string.h>

#include "eval_num.h"

enum { BLOCK = 512 };

static double to_whole(double v, int64_t how)
{
    switch (how) {
    case IR_ROUND_EVEN: return eval_round_even(v);
    case IR_ROUND_FLOOR: return floor(v);
    case IR_ROUND_CEIL: return ceil(v);
    default: return trunc(v);
    }
}

// For f8e8m0, which holds powers of two only: the next one in the direction asked for, if any.
static double to_power(double v, int64_t how)
{
    int exp;
    if (!(v > 0) || isinf(v) || (how != IR_ROUND_FLOOR && how != IR_ROUND_CEIL))
        return v;
    double frac = frexp(v, &exp); // in [0.5, 1)
    return ldexp(0.5, exp + (how == IR_ROUND_CEIL && frac > 0.5));
}

// A whole double modulo 2^64; infinities give 0.
static int64_t whole_modulo(double v)
{
    if (v != v || v - v != 0)
        return 0;
    double m = fmod(v, 18446744073709551616.0);
    return m < 0 ? (int64_t)(0 - (uint64_t)-m) : (int64_t)((uint64_t)m);
}

struct target { // what a conversion goes to
    enum dtype t;
    bool saturate, sign_only; // sign_only: -1 and +1
    int64_t round, lo;
    uint64_t hi;
};

static struct target target_of(const struct eval_call *c)
{
    struct target g = {.t = c->out[0]->dtype, .round = ir_int(c->op, IR_A_round, IR_ROUND_ZERO)};
    int64_t bits = ir_int(c->op, IR_A_bits, 0);
    g.saturate = ir_int(c->op, IR_A_saturate, 0) != 0;
    if (!dtype_is_int(g.t) || g.t == DT_BOOL)
        return g;
    bool is_signed = dtype_info[g.t].kind == DTK_I;
    g.lo = eval_int_min(g.t);
    g.hi = eval_int_max(g.t);
    g.saturate |= bits > 0;
    g.sign_only = bits == 1 && is_signed;
    if (bits > 0 && bits < dtype_info[g.t].bits) {
        g.hi = (UINT64_C(1) << (is_signed ? bits - 1 : bits)) - 1;
        g.lo = is_signed ? -(int64_t)g.hi - 1 : 0;
    }
    return g;
}

static int64_t float_to_int(double v, const struct target *g)
{
    if (g->t == DT_BOOL)
        return v != 0;
    if (v != v)
        return 0;
    if (g->sign_only)
        return v < 0 ? -1 : 1;
    double whole = to_whole(v, g->round);
    if (!g->saturate)
        return whole_modulo(whole);
    if (whole <= (double)g->lo)
        return g->lo;
    if (whole >= (double)g->hi)
        return (int64_t)(g->hi);
    return whole < 0 ? (int64_t)whole : (int64_t)((uint64_t)whole);
}

static int64_t int_to_int(int64_t v, bool u, const struct target *g)
{
    if (g->t == DT_BOOL)
        return v != 0;
    if (g->sign_only)
        return !u && v < 0 ? -1 : 1;
    if (!g->saturate)
        return v;
    if (!u && v < 0)
        return v < g->lo ? g->lo : v;
    return (uint64_t)v > g->hi ? (int64_t)(g->hi) : v;
}

static void store_floats(struct tensor *y, int64_t at, int64_t n, double *v, const struct target *g)
{
    if (g->t == DT_F8E8M0)
        for (int64_t i = 0; i < n; i++)
            v[i] = to_power(v[i], g->round);
    if (g->saturate)
        eval_store_f64_saturated(g->t, y->data, at, n, v);
    else
        eval_store_f64(g->t, y->data, at, n, v);
}

static void convert_from_float(const struct eval_call *c, int64_t at, int64_t n,
                               const struct target *g)
{
    const struct tensor *x = c->in[0];
    struct tensor *y = c->out[0];
    double v[BLOCK];
    int64_t w[BLOCK];
    eval_load_f64(x->dtype, x->data, at, 1, n, v);
    if (dtype_is_float(y->dtype)) {
        store_floats(y, at, n, v, g);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        w[i] = float_to_int(v[i], g);
    eval_store_i64(y->dtype, y->data, at, n, w);
}

static void convert_from_int(const struct eval_call *c, int64_t at, int64_t n,
                             const struct target *g)
{
    const struct tensor *x = c->in[0];
    struct tensor *y = c->out[0];
    bool u = eval_is_unsigned(x->dtype);
    double v[BLOCK];
    int64_t w[BLOCK];
    eval_load_i64(x->dtype, x->data, at, 1, n, w);
    if (dtype_is_float(y->dtype)) {
        for (int64_t i = 0; i < n; i++)
            if (y->dtype == DT_F64)
                v[i] = u ? (double)(uint64_t)w[i] : (double)w[i];
            else
                v[i] = eval_int_to_odd(w[i], u);
        store_floats(y, at, n, v, g);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        w[i] = int_to_int(w[i], u, g);
    eval_store_i64(y->dtype, y->data, at, n, w);
}

static bool is_number(enum dtype t)
{
    return dtype_is_float(t) || dtype_is_int(t);
}

bool eval_op_CONVERT(const struct eval_call *c)
{
    const struct tensor *x = c->in[0];
    struct tensor *y = c->out[0];
    int64_t total = tensor_elems(x);
    struct target g = target_of(c);
    if (x->dtype == y->dtype && dtype_is_float(x->dtype)) {
        if (total)
            memcpy(y->data, x->data, tensor_bytes(x));
        return true;
    }
    if (!is_number(x->dtype) || !is_number(y->dtype))
        return eval_no_arithmetic(c, is_number(x->dtype) ? y->dtype : x->dtype,
                                  dtype_text(y->dtype));
    for (int64_t at = 0; at < total; at += BLOCK) {
        int64_t n = total - at < BLOCK ? total - at : BLOCK;
        if (dtype_is_float(x->dtype))
            convert_from_float(c, at, n, &g);
        else
            convert_from_int(c, at, n, &g);
    }
    return true;
}

// Narrow integers lie extended in their byte; others of the same width have the same bits.
bool eval_op_BITCAST(const struct eval_call *c)
{
    const struct tensor *x = c->in[0];
    struct tensor *y = c->out[0];
    int64_t total = tensor_elems(x), v[BLOCK];
    bool narrow = dtype_info[y->dtype].bits < 8 && dtype_is_int(y->dtype);
    enum dtype bytes = dtype_is_int(x->dtype) ? x->dtype : DT_U8;
    if (!narrow && dtype_info[x->dtype].bits >= 8) {
        if (total)
            memcpy(y->data, x->data, tensor_bytes(x));
        return true;
    }
    for (int64_t at = 0; at < total; at += BLOCK) {
        int64_t n = total - at < BLOCK ? total - at : BLOCK;
        eval_load_i64(bytes, x->data, at, 1, n, v);
        for (int64_t i = 0; i < n && y->dtype == DT_F4E2M1; i++)
            v[i] &= 15;
        eval_store_i64(dtype_is_int(y->dtype) ? y->dtype : DT_U8, y->data, at, n, v);
    }
    return true;
}

bool eval_op_QUANTIZE(const struct eval_call *c)
{
    const struct tensor *x = c->in[0];
    struct tensor *y = c->out[0];
    float q = (float)ir_float(c->op, IR_A_q, 1);
    int bits = (int)ir_int(c->op, IR_A_bits, 8);
    int64_t total = tensor_elems(x), w[BLOCK];
    double v[BLOCK];
    for (int64_t at = 0; at < total; at += BLOCK) {
        int64_t n = total - at < BLOCK ? total - at : BLOCK;
        eval_load_f64(x->dtype, x->data, at, 1, n, v);
        for (int64_t i = 0; i < n; i++)
            w[i] = eval_quantize((float)v[i] * q, bits);
        eval_store_i64(y->dtype, y->data, at, n, w);
    }
    return true;
}

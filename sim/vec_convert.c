// VCVT: a load in the operand's form, one loop between forms, a store that wraps or rounds.
//
// A float that becomes an integer is limited before it is rounded: the limits are integers, so the
// order does not matter, and the limited value fits the machine's conversion. Without limits the
// integer is taken modulo the width.
#include <math.h>

#include "clones.h"
#include "vec_fn.h"

#define KERNEL(name, T, R, expr)                                                                   \
    BITLET_CLONES static void name(const struct vec_param *p, void *restrict out,                  \
                                   const void *const *in, int64_t n)                               \
    {                                                                                              \
        R *restrict o = out;                                                                       \
        const T *restrict a = in[0];                                                               \
        const struct vec_param q = *p;                                                             \
        (void)q;                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const T x = a[i];                                                                      \
            o[i] = (R)(expr);                                                                      \
        }                                                                                          \
    }

static inline double nearest(double x)
{
    double a = fabs(x), r = (a + 0x1p52) - 0x1p52;
    return copysign(a < 0x1p52 ? r : a, x);
}

static inline double rounded(double x, int round)
{
    switch (round) {
    case ISA_ROUND_rne: return nearest(x);
    case ISA_ROUND_floor: return floor(x);
    case ISA_ROUND_ceil: return ceil(x);
    default: return trunc(x);
    }
}

// NaN is 0, which lies between any limits.
static inline double limited(double x, double lo, double hi)
{
    x = x == x ? x : 0;
    x = x > lo ? x : lo;
    return x < hi ? x : hi;
}

// The same in single precision, for limits that it holds exactly with room to round.
#define MAX_SINGLE_BITS 16

static inline float limited_single(float x, float lo, float hi)
{
    x = x == x ? x : 0;
    x = x > lo ? x : lo;
    return x < hi ? x : hi;
}

static inline float nearest_single(float x) // |x| <= 2^16
{
    return (x + 0x1.8p23f) - 0x1.8p23f;
}

// Whole doubles of 2^63 and more have no int64_t; -2^63 has.
static inline uint64_t integer_bits(double whole)
{
    return fabs(whole) < 0x1p63 ? (uint64_t)(int64_t)whole : num_wrap_f64(whole);
}

static inline uint64_t limited_wide(double x, const struct vec_param *p)
{
    double r = rounded(x, p->round);
    if (x != x)
        return 0;
    if (r <= (double)p->int_lo)
        return (uint64_t)p->int_lo;
    if (r >= (double)p->int_hi)
        return p->int_hi;
    return r < 0 ? (uint64_t)(int64_t)r : (uint64_t)r;
}

// clang-format off
KERNEL(f32_f64,        float,    double,   x)
KERNEL(f64_b,          double,   uint8_t,  x != 0)
KERNEL(f64_wrap,       double,   uint64_t, integer_bits(rounded(x, q.round)))
KERNEL(f64_trunc_i32,  double,   int32_t,  (int32_t)limited(x, q.lo, q.hi))
KERNEL(f64_rne_i32,    double,   int32_t,  (int32_t)nearest(limited(x, q.lo, q.hi)))
KERNEL(f64_sat_i32,    double,   int32_t,  (int32_t)rounded(limited(x, q.lo, q.hi), q.round))
KERNEL(f32_trunc_i32,  float,    int32_t,  (int32_t)limited_single(x, (float)q.lo, (float)q.hi))
KERNEL(f32_rne_i32,    float,    int32_t,  (int32_t)nearest_single(limited_single(x, (float)q.lo, (float)q.hi)))
KERNEL(f64_sat_wide,   double,   uint64_t, limited_wide(x, &q))
KERNEL(f64_sign,       double,   int64_t,  x < 0 ? -1 : x == x)
KERNEL(i64_sign,       int64_t,  int64_t,  x < 0 ? -1 : 1)
KERNEL(u64_sign,       uint64_t, int64_t,  x == x)
KERNEL(i64_b,          int64_t,  uint8_t,  x != 0)
KERNEL(i64_sat,        int64_t,  uint64_t, x < q.int_lo ? (uint64_t)q.int_lo : x > 0 && (uint64_t)x > q.int_hi ? q.int_hi : (uint64_t)x)
KERNEL(u64_sat,        uint64_t, uint64_t, x > q.int_hi ? q.int_hi : x)
KERNEL(i32_f32,        int32_t,  float,    x)
KERNEL(i64_f32,        int64_t,  float,    x)
KERNEL(u64_f32,        uint64_t, float,    x)
KERNEL(i64_f64,        int64_t,  double,   x)
KERNEL(u64_f64,        uint64_t, double,   x)
KERNEL(i64_sticky,     int64_t,  double,   num_sticky_of_i64(x))
KERNEL(u64_sticky,     uint64_t, double,   num_sticky_of_u64(x))
// clang-format on

static void set(struct vec_conversion *c, enum vec_form from, enum vec_form to, vec_kernel *kernel)
{
    c->from = from;
    c->to = to;
    c->kernel = kernel;
}

static void set_limits(struct vec_param *p, enum dtype to, int bits)
{
    bool is_signed = dtype_info[to].kind == DTK_I;
    p->int_lo = num_int_min(to);
    p->int_hi = num_int_max(to);
    if (bits > 0 && bits < dtype_info[to].bits) {
        p->int_hi = UINT64_MAX >> (64 - bits) >> is_signed;
        p->int_lo = is_signed ? -(int64_t)p->int_hi - 1 : 0;
    }
    p->lo = (double)p->int_lo;
    p->hi = (double)p->int_hi;
}

static void plan_sign(struct vec_conversion *c, enum dtype from)
{
    if (dtype_is_float(from))
        set(c, VEC_F64, VEC_I64, f64_sign);
    else if (from == DT_U64)
        set(c, VEC_U64, VEC_I64, u64_sign);
    else
        set(c, VEC_I64, VEC_I64, i64_sign);
}

static void plan_float_to_int(struct vec_conversion *c, enum dtype from, enum dtype to,
                              bool saturate)
{
    static vec_kernel *const narrow[] = {[ISA_ROUND_trunc] = f64_trunc_i32,
                                         [ISA_ROUND_rne] = f64_rne_i32,
                                         [ISA_ROUND_floor] = f64_sat_i32,
                                         [ISA_ROUND_ceil] = f64_sat_i32};
    bool nearest_or_zero = c->param.round == ISA_ROUND_trunc || c->param.round == ISA_ROUND_rne;
    if (!saturate)
        set(c, VEC_F64, VEC_U64, f64_wrap);
    else if (from != DT_F64 && dtype_info[to].bits <= MAX_SINGLE_BITS && nearest_or_zero)
        set(c, VEC_F32, VEC_I32, c->param.round == ISA_ROUND_rne ? f32_rne_i32 : f32_trunc_i32);
    else if (vec_form_of(to) == VEC_I32)
        set(c, VEC_F64, VEC_I32, narrow[c->param.round]);
    else
        set(c, VEC_F64, VEC_U64, f64_sat_wide);
}

static void plan_int_to_int(struct vec_conversion *c, enum dtype from, bool saturate)
{
    bool is_u64 = from == DT_U64;
    enum vec_form wide = is_u64 ? VEC_U64 : VEC_I64;
    if (saturate)
        set(c, wide, VEC_U64, is_u64 ? u64_sat : i64_sat);
    else
        set(c, wide, wide, NULL);
}

static void plan_int_to_float(struct vec_conversion *c, enum dtype from, enum dtype to)
{
    bool is_u64 = from == DT_U64;
    enum vec_form wide = is_u64 ? VEC_U64 : VEC_I64;
    if (to == DT_F32 && vec_form_of(from) == VEC_I32)
        set(c, VEC_I32, VEC_F32, i32_f32);
    else if (to == DT_F32)
        set(c, wide, VEC_F32, is_u64 ? u64_f32 : i64_f32);
    else if (to == DT_F64)
        set(c, wide, VEC_F64, is_u64 ? u64_f64 : i64_f64);
    else
        set(c, wide, VEC_F64, is_u64 ? u64_sticky : i64_sticky);
}

// Powers of two (f8e8m0) round to nearest unless told a direction.
static enum num_round power_rounding(int round)
{
    return round == ISA_ROUND_floor ? NUM_DOWN : round == ISA_ROUND_ceil ? NUM_UP : NUM_NEAREST;
}

static void plan_float_to_float(struct vec_conversion *c, enum dtype from, enum dtype to)
{
    if (from == DT_F64)
        set(c, VEC_F64, VEC_F64, NULL);
    else if (to == DT_F64)
        set(c, VEC_F32, VEC_F64, f32_f64);
    else
        set(c, VEC_F32, VEC_F32, NULL);
}

bool vec_plan_conversion(enum dtype from, enum dtype to, int round, bool saturate, int bits,
                         struct vec_conversion *c)
{
    bool from_float = dtype_is_float(from), is_integer = dtype_is_int(to) && to != DT_BOOL;
    memset(c, 0, sizeof *c);
    c->mode = VEC_MODE(power_rounding(round), saturate);
    c->param.round = round;
    if (vec_form_of(from) == VEC_NONE || vec_form_of(to) == VEC_NONE)
        return false;
    if (from == to && from_float)
        set(c, vec_form_raw(to), vec_form_raw(to), NULL);
    else if (to == DT_BOOL)
        set(c,
            from_float       ? VEC_F64
            : from == DT_U64 ? VEC_U64
                             : VEC_I64,
            VEC_B, from_float ? f64_b : i64_b);
    else if (is_integer && bits == 1 && dtype_info[to].kind == DTK_I)
        plan_sign(c, from);
    else if (is_integer) {
        set_limits(&c->param, to, bits);
        if (from_float)
            plan_float_to_int(c, from, to, saturate || bits > 0);
        else
            plan_int_to_int(c, from, saturate || bits > 0);
    } else if (from_float)
        plan_float_to_float(c, from, to);
    else
        plan_int_to_float(c, from, to);
    return true;
}

// Functions of one operand.
#include <math.h>

#include "clones.h"
#include "vec_fn.h"
#include "vec_math.h"

#define UNARY(name, form, T, R, expr)                                                              \
    BITLET_CLONES static void name##_##form(const struct vec_param *p, void *restrict out,         \
                                            const void *const *in, int64_t n)                      \
    {                                                                                              \
        R *restrict o = out;                                                                       \
        const T *restrict a = in[0];                                                               \
        (void)p;                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const T x = a[i];                                                                      \
            o[i] = (R)(expr);                                                                      \
        }                                                                                          \
    }

// In double precision for f64 itself; for narrower floats from vec_math.h.
#define NARROW_UNARY(name, expr)                                                                   \
    static void name##_f64(const struct vec_param *p, void *restrict out, const void *const *in,   \
                           int64_t n)                                                              \
    {                                                                                              \
        double *restrict o = out;                                                                  \
        const double *restrict a = in[0];                                                          \
        if (p->bits < 64) {                                                                        \
            vec_math_best()->name(o, a, n);                                                        \
            return;                                                                                \
        }                                                                                          \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const double x = a[i];                                                                 \
            o[i] = expr;                                                                           \
        }                                                                                          \
    }                                                                                              \
    static void name##_f32(const struct vec_param *p, void *restrict out, const void *const *in,   \
                           int64_t n)                                                              \
    {                                                                                              \
        (void)p;                                                                                   \
        vec_math_best()->name##32(out, in[0], n);                                                  \
    }

// Rounding to integers by adding and taking away the number whose last place weighs 1; exact below
// it, and everything from there on is an integer already. The sign is the operand's, so that zeros
// keep theirs.
#define ROUNDING(F, suffix, big, fabs_, copysign_)                                                 \
    static inline F nearest_##suffix(F x)                                                          \
    {                                                                                              \
        F a = fabs_(x);                                                                            \
        F r = (a + big) - big;                                                                     \
        return copysign_(a < big ? r : a, x);                                                      \
    }                                                                                              \
    static inline F floor_##suffix(F x)                                                            \
    {                                                                                              \
        F r = nearest_##suffix(x);                                                                 \
        return copysign_(r - (r > x ? (F)1 : (F)0), x);                                            \
    }                                                                                              \
    static inline F ceil_##suffix(F x)                                                             \
    {                                                                                              \
        F r = nearest_##suffix(x);                                                                 \
        return copysign_(r + (r < x ? (F)1 : (F)0), x);                                            \
    }                                                                                              \
    static inline F trunc_##suffix(F x)                                                            \
    {                                                                                              \
        F a = fabs_(x), r = nearest_##suffix(a);                                                   \
        return copysign_(r - (r > a ? (F)1 : (F)0), x);                                            \
    }
ROUNDING(float, 32, 0x1p23f, fabsf, copysignf)
ROUNDING(double, 64, 0x1p52, fabs, copysign)

static inline double logistic(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

// log(1 + e^x) without overflow.
static inline double soft_plus(double x)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

#define SIGN(T) (x > 0 ? (T)1 : x < 0 ? (T)-1 : x) // zeros and NaN as they are

// clang-format off
UNARY(neg,        f32, float,    float,    -x)
UNARY(neg,        f64, double,   double,   -x)
UNARY(neg,        i32, uint32_t, uint32_t, 0 - x)
UNARY(neg,        i64, uint64_t, uint64_t, 0 - x)
UNARY(abs,        f32, float,    float,    fabsf(x))
UNARY(abs,        f64, double,   double,   fabs(x))
UNARY(abs,        i32, int32_t,  uint32_t, x < 0 ? 0 - (uint32_t)x : (uint32_t)x)
UNARY(abs,        i64, int64_t,  uint64_t, x < 0 ? 0 - (uint64_t)x : (uint64_t)x)
UNARY(abs,        u64, uint64_t, uint64_t, x)
UNARY(sign,       f32, float,    float,    SIGN(float))
UNARY(sign,       f64, double,   double,   SIGN(double))
UNARY(sign,       i32, int32_t,  int32_t,  (x > 0) - (x < 0))
UNARY(sign,       i64, int64_t,  int64_t,  (x > 0) - (x < 0))
UNARY(sign,       u64, uint64_t, uint64_t, x > 0)
UNARY(not,        b,   uint8_t,  uint8_t,  !x)
UNARY(bitnot,     i32, uint32_t, uint32_t, ~x)
UNARY(bitnot,     i64, uint64_t, uint64_t, ~x)
UNARY(floor,      f32, float,    float,    floor_32(x))
UNARY(floor,      f64, double,   double,   floor_64(x))
UNARY(ceil,       f32, float,    float,    ceil_32(x))
UNARY(ceil,       f64, double,   double,   ceil_64(x))
UNARY(round,      f32, float,    float,    nearest_32(x))
UNARY(round,      f64, double,   double,   nearest_64(x))
UNARY(trunc,      f32, float,    float,    trunc_32(x))
UNARY(trunc,      f64, double,   double,   trunc_64(x))
UNARY(whole,      i32, int32_t,  int32_t,  x)
UNARY(whole,      i64, int64_t,  int64_t,  x)
UNARY(sqrt,       f32, float,    float,    sqrtf(x))
UNARY(sqrt,       f64, double,   double,   sqrt(x))
UNARY(reciprocal, f32, float,    float,    1.0f / x)
UNARY(reciprocal, f64, double,   double,   1.0 / x)
NARROW_UNARY(exp,     exp(x))
NARROW_UNARY(tanh,    tanh(x))
NARROW_UNARY(sigmoid, logistic(x))
UNARY(log,        f64, double,   double,   log(x))
UNARY(erf,        f64, double,   double,   erf(x))
UNARY(softplus,   f64, double,   double,   soft_plus(x))
UNARY(sin,        f64, double,   double,   sin(x))
UNARY(cos,        f64, double,   double,   cos(x))
UNARY(tan,        f64, double,   double,   tan(x))
UNARY(asin,       f64, double,   double,   asin(x))
UNARY(acos,       f64, double,   double,   acos(x))
UNARY(atan,       f64, double,   double,   atan(x))
UNARY(sinh,       f64, double,   double,   sinh(x))
UNARY(cosh,       f64, double,   double,   cosh(x))
UNARY(asinh,      f64, double,   double,   asinh(x))
UNARY(acosh,      f64, double,   double,   acosh(x))
UNARY(atanh,      f64, double,   double,   atanh(x))
UNARY(isnan,      f32, float,    uint8_t,  x != x)
UNARY(isnan,      f64, double,   uint8_t,  x != x)
UNARY(isinf,      f32, float,    uint8_t,  fabsf(x) > 0x1.fffffep127f)
UNARY(isinf,      f64, double,   uint8_t,  fabs(x) > 0x1.fffffffffffffp1023)

#define ROW(name, ...) static const struct vec_fn_row row_##name = {.by_form = {__VA_ARGS__}};
#define ROW_F32(name, ...)                                                                         \
    static const struct vec_fn_row row_##name = {.by_form = {__VA_ARGS__}, .f32_alone = true};
#define FLOATS(name) [VEC_F32] = name##_f32, [VEC_F64] = name##_f64
ROW(neg,    FLOATS(neg),  [VEC_I32] = neg_i32,    [VEC_I64] = neg_i64,    [VEC_U64] = neg_i64)
ROW(abs,    FLOATS(abs),  [VEC_I32] = abs_i32,    [VEC_I64] = abs_i64,    [VEC_U64] = abs_u64)
ROW(sign,   FLOATS(sign), [VEC_I32] = sign_i32,   [VEC_I64] = sign_i64,   [VEC_U64] = sign_u64)
ROW(bitnot,               [VEC_I32] = bitnot_i32, [VEC_I64] = bitnot_i64, [VEC_U64] = bitnot_i64)
ROW(not,        [VEC_B] = not_b)
#define WHOLE [VEC_I32] = whole_i32, [VEC_I64] = whole_i64, [VEC_U64] = whole_i64
ROW(floor,      FLOATS(floor), WHOLE)
ROW(ceil,       FLOATS(ceil),  WHOLE)
ROW(round,      FLOATS(round), WHOLE)
ROW(trunc,      FLOATS(trunc), WHOLE)
ROW(sqrt,       FLOATS(sqrt))
ROW(reciprocal, FLOATS(reciprocal))
ROW(isnan,      FLOATS(isnan))
ROW(isinf,      FLOATS(isinf))
ROW_F32(exp,     FLOATS(exp))
ROW(log,        [VEC_F64] = log_f64)
ROW(erf,        [VEC_F64] = erf_f64)
ROW_F32(tanh,    FLOATS(tanh))
ROW_F32(sigmoid, FLOATS(sigmoid))
ROW(softplus,   [VEC_F64] = softplus_f64)
ROW(sin,        [VEC_F64] = sin_f64)
ROW(cos,        [VEC_F64] = cos_f64)
ROW(tan,        [VEC_F64] = tan_f64)
ROW(asin,       [VEC_F64] = asin_f64)
ROW(acos,       [VEC_F64] = acos_f64)
ROW(atan,       [VEC_F64] = atan_f64)
ROW(sinh,       [VEC_F64] = sinh_f64)
ROW(cosh,       [VEC_F64] = cosh_f64)
ROW(asinh,      [VEC_F64] = asinh_f64)
ROW(acosh,      [VEC_F64] = acosh_f64)
ROW(atanh,      [VEC_F64] = atanh_f64)
// clang-format on

const struct vec_fn_row *const vec_unary_row[UFN_NUM] = {
#define UNARY_FN(name, number, cost, doc) [number] = &row_##name,
#include "fn.def"
};

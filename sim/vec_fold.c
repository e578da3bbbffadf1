// Running values: the loops of reductions, scans and combining scatters, in index order.
//
// A floating sum or product is kept in double precision and rounded when it is stored. Every other
// running value has the form of the elements; integers wrap. The first of equal values stays (it
// matters for the sign of a zero).
#include <math.h>

#include "vec_fn.h"

// `op` makes the new running value of a and the element x.
#define REDUCER(name, A, T, acc_form, op)                                                          \
    static void name##_step(void *restrict acc, const void *restrict in, int64_t n)                \
    {                                                                                              \
        A *restrict r = acc;                                                                       \
        const T *restrict e = in;                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const A a = r[i];                                                                      \
            const T x = e[i];                                                                      \
            r[i] = (A)(op);                                                                        \
        }                                                                                          \
    }                                                                                              \
    static void name##_rows(void *restrict acc, const void *const *in, int64_t n)                  \
    {                                                                                              \
        A *restrict r = acc;                                                                       \
        const T *e[VEC_ROWS];                                                                      \
        A v[VEC_ROWS];                                                                             \
        for (int k = 0; k < VEC_ROWS; k++) {                                                       \
            e[k] = in[k];                                                                          \
            v[k] = r[k];                                                                           \
        }                                                                                          \
        for (int64_t i = 0; i < n; i++) {                                                          \
            for (int k = 0; k < VEC_ROWS; k++) {                                                   \
                const A a = v[k];                                                                  \
                const T x = e[k][i];                                                               \
                v[k] = (A)(op);                                                                    \
            }                                                                                      \
        }                                                                                          \
        for (int k = 0; k < VEC_ROWS; k++)                                                         \
            r[k] = v[k];                                                                           \
    }                                                                                              \
    static void name##_row(void *restrict acc, const void *restrict in, int64_t n)                 \
    {                                                                                              \
        A a;                                                                                       \
        const T *restrict e = in;                                                                  \
        memcpy(&a, acc, sizeof a);                                                                 \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const T x = e[i];                                                                      \
            a = (A)(op);                                                                           \
        }                                                                                          \
        memcpy(acc, &a, sizeof a);                                                                 \
    }                                                                                              \
    static void name##_scan(void *restrict acc, void *restrict out, const void *restrict in,       \
                            int64_t n, bool exclusive)                                             \
    {                                                                                              \
        A a;                                                                                       \
        A *restrict o = out;                                                                       \
        const T *restrict e = in;                                                                  \
        memcpy(&a, acc, sizeof a);                                                                 \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const T x = e[i];                                                                      \
            const A before = a;                                                                    \
            a = (A)(op);                                                                           \
            o[i] = exclusive ? before : a;                                                         \
        }                                                                                          \
        memcpy(acc, &a, sizeof a);                                                                 \
    }                                                                                              \
    static const struct vec_reducer name = {acc_form, name##_step, name##_row, name##_rows,        \
                                            name##_scan};

// clang-format off
#define FLOAT_GREATEST (x > a || x != x ? x : a)
#define FLOAT_LEAST    (x < a || x != x ? x : a)
#define GREATEST       (x > a ? x : a)
#define LEAST          (x < a ? x : a)
REDUCER(sum_f32,  double,   float,    VEC_F64, a + (double)x)
REDUCER(sum_f64,  double,   double,   VEC_F64, a + x)
REDUCER(sum_i32,  uint32_t, uint32_t, VEC_I32, a + x)
REDUCER(sum_i64,  uint64_t, uint64_t, VEC_I64, a + x)
REDUCER(sum_u64,  uint64_t, uint64_t, VEC_U64, a + x)
REDUCER(prod_f32, double,   float,    VEC_F64, a * (double)x)
REDUCER(prod_f64, double,   double,   VEC_F64, a * x)
REDUCER(prod_i32, uint32_t, uint32_t, VEC_I32, a * x)
REDUCER(prod_i64, uint64_t, uint64_t, VEC_I64, a * x)
REDUCER(prod_u64, uint64_t, uint64_t, VEC_U64, a * x)
REDUCER(max_f32,  float,    float,    VEC_F32, FLOAT_GREATEST)
REDUCER(max_f64,  double,   double,   VEC_F64, FLOAT_GREATEST)
REDUCER(max_i32,  int32_t,  int32_t,  VEC_I32, GREATEST)
REDUCER(max_i64,  int64_t,  int64_t,  VEC_I64, GREATEST)
REDUCER(max_u64,  uint64_t, uint64_t, VEC_U64, GREATEST)
REDUCER(min_f32,  float,    float,    VEC_F32, FLOAT_LEAST)
REDUCER(min_f64,  double,   double,   VEC_F64, FLOAT_LEAST)
REDUCER(min_i32,  int32_t,  int32_t,  VEC_I32, LEAST)
REDUCER(min_i64,  int64_t,  int64_t,  VEC_I64, LEAST)
REDUCER(min_u64,  uint64_t, uint64_t, VEC_U64, LEAST)
REDUCER(or_b,     uint8_t,  uint8_t,  VEC_B,   a | x)
REDUCER(and_b,    uint8_t,  uint8_t,  VEC_B,   a & x)

#define NUMBERS(name) {[VEC_F32] = &name##_f32, [VEC_F64] = &name##_f64, [VEC_I32] = &name##_i32, \
                       [VEC_I64] = &name##_i64, [VEC_U64] = &name##_u64}
#define WITH_BOOL(name, logic) {[VEC_F32] = &name##_f32, [VEC_F64] = &name##_f64, [VEC_I32] = &name##_i32, \
                       [VEC_I64] = &name##_i64, [VEC_U64] = &name##_u64, [VEC_B] = &logic}
struct reducer_row { const struct vec_reducer *by_form[VEC_B + 1]; };
static const struct reducer_row reduce_sum = {NUMBERS(sum)}, reduce_prod = {NUMBERS(prod)},
                                reduce_max = {WITH_BOOL(max, or_b)}, reduce_min = {WITH_BOOL(min, and_b)},
                                reduce_and = {{[VEC_B] = &and_b}}, reduce_or = {{[VEC_B] = &or_b}},
                                reduce_argmax = {{NULL}}, reduce_argmin = {{NULL}}; // finders
// clang-format on

const struct vec_reducer *vec_reducer_of(enum reduce_fn fn, enum dtype t)
{
    static const struct reducer_row *const row[RFN_NUM] = {
#define REDUCE_FN(name, number, cost, doc) [number] = &reduce_##name,
#include "fn.def"
    };
    enum vec_form f = vec_form_of(t);
    return f == VEC_NONE ? NULL : row[fn]->by_form[f];
}

// ---- Values over nothing
// -----------------------------------------------------------------------------

static double float_identity(enum reduce_fn fn)
{
    switch (fn) {
    case RFN_prod: return 1;
    case RFN_max:
    case RFN_argmax: return -INFINITY;
    case RFN_min:
    case RFN_argmin: return INFINITY;
    default: return 0;
    }
}

static uint64_t int_identity(enum reduce_fn fn, enum dtype t)
{
    switch (fn) {
    case RFN_prod:
    case RFN_and: return 1;
    case RFN_max:
    case RFN_argmax: return (uint64_t)num_int_min(t);
    case RFN_min:
    case RFN_argmin: return num_int_max(t);
    default: return 0;
    }
}

void vec_identity(enum reduce_fn fn, enum dtype t, enum vec_form f, void *value)
{
    double d = float_identity(fn);
    float single = (float)d;
    uint64_t wide = int_identity(fn, t);
    uint32_t half = (uint32_t)wide;
    uint8_t bit = (uint8_t)wide;
    switch (f) {
    case VEC_F32: memcpy(value, &single, sizeof single); break;
    case VEC_F64: memcpy(value, &d, sizeof d); break;
    case VEC_I32: memcpy(value, &half, sizeof half); break;
    case VEC_B: memcpy(value, &bit, sizeof bit); break;
    default: memcpy(value, &wide, sizeof wide); break;
    }
}

// ---- Positions
// ---------------------------------------------------------------------------------------

#define FINDER(name, T, better)                                                                    \
    static void name##_step(void *restrict best, int64_t *restrict where, const void *restrict in, \
                            const uint8_t *restrict mask, int64_t n, int64_t index)                \
    {                                                                                              \
        T *restrict r = best;                                                                      \
        const T *restrict e = in;                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const T a = r[i], x = e[i];                                                            \
            const bool take = mask[i] && (where[i] < 0 || (better));                               \
            r[i] = take ? x : a;                                                                   \
            where[i] = take ? index : where[i];                                                    \
        }                                                                                          \
    }                                                                                              \
    static void name##_row(void *restrict best, int64_t *restrict where, const void *restrict in,  \
                           const uint8_t *restrict mask, int64_t n, int64_t index)                 \
    {                                                                                              \
        T *restrict r = best;                                                                      \
        const T *restrict e = in;                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const T a = *r, x = e[i];                                                              \
            if (mask[i] && (*where < 0 || (better))) {                                             \
                *r = x;                                                                            \
                *where = index + i;                                                                \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    static const struct vec_finder name = {name##_step, name##_row};

// clang-format off
#define FLOAT_BEYOND(op) (x op a || (x != x && a == a))
FINDER(argmax_f32, float,    FLOAT_BEYOND(>))
FINDER(argmax_f64, double,   FLOAT_BEYOND(>))
FINDER(argmax_i32, int32_t,  x > a)
FINDER(argmax_i64, int64_t,  x > a)
FINDER(argmax_u64, uint64_t, x > a)
FINDER(argmax_b,   uint8_t,  x > a)
FINDER(argmin_f32, float,    FLOAT_BEYOND(<))
FINDER(argmin_f64, double,   FLOAT_BEYOND(<))
FINDER(argmin_i32, int32_t,  x < a)
FINDER(argmin_i64, int64_t,  x < a)
FINDER(argmin_u64, uint64_t, x < a)
FINDER(argmin_b,   uint8_t,  x < a)
// clang-format on

const struct vec_finder *vec_finder_of(enum reduce_fn fn, enum dtype t)
{
    static const struct vec_finder *const largest[] = {&argmax_f32, &argmax_f64, &argmax_i32,
                                                       &argmax_i64, &argmax_u64, &argmax_b};
    static const struct vec_finder *const smallest[] = {&argmin_f32, &argmin_f64, &argmin_i32,
                                                        &argmin_i64, &argmin_u64, &argmin_b};
    enum vec_form f = vec_form_of(t);
    if (f == VEC_NONE || (fn != RFN_argmax && fn != RFN_argmin))
        return NULL;
    return (fn == RFN_argmax ? largest : smallest)[f];
}

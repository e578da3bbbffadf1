// The functions of fn.def and the conversions, as loops over blocks in one working form. A function
// without a loop for a form does not take the types that use it.
#ifndef BITLET_VEC_FN_H
#define BITLET_VEC_FN_H

#include "isa.h"
#include "vec_form.h"

struct vec_param {
    int bits;       // width of the element type
    int round;      // conversions: ISA_ROUND_*
    double lo, hi;  // limits of a saturating conversion; for integers as integers:
    int64_t int_lo; //   lo < 0 or 0
    uint64_t int_hi;
    float scale; // VCVT with q: what f32 operands are multiplied by
    void (*after)(const struct vec_param *p, void *restrict out, const void *const *in,
                  int64_t n); // the conversion that follows
};

// Blocks do not overlap each other.
typedef void vec_kernel(const struct vec_param *p, void *restrict out, const void *const *in,
                        int64_t n);

struct vec_fn_row {
    vec_kernel *by_form[VEC_B + 1];
    bool f32_alone; // VEC_F32 gives results rounded to f32: narrower types use VEC_F64
};
extern const struct vec_fn_row *const vec_unary_row[UFN_NUM];
extern const struct vec_fn_row *const vec_binary_row[BFN_NUM];

// The form a function is computed in for a type; VEC_NONE: it does not take the type. Floats
// narrower than f64 use f32 arithmetic, whose one further rounding changes no result of + - * / and
// sqrt; other functions use f64 and round once.
enum vec_form vec_fn_form(const struct vec_fn_row *row, enum dtype t);

struct vec_conversion {
    enum vec_form from, to;
    vec_kernel *kernel; // NULL: from == to, nothing to do between load and store
    struct vec_param param;
    unsigned mode; // of the store
};
// VCVT. False: no conversion between these types.
BITLET_MUST_USE bool vec_plan_conversion(enum dtype from, enum dtype to, int round, bool saturate,
                                         int bits, struct vec_conversion *out);

// Reductions, scans and combining scatters.
struct vec_reducer {
    enum vec_form acc; // form of the running value; floating sums and products: VEC_F64
    void (*step)(void *restrict acc, const void *restrict x,
                 int64_t n);                                            // acc[i] = fn(acc[i], x[i])
    void (*row)(void *restrict acc, const void *restrict x, int64_t n); // acc[0] = fn over x[0..n)
    void (*rows)(void *restrict acc, const void *const *x,
                 int64_t n); // acc[r] = fn over x[r][0..n)
    void (*scan)(void *restrict acc, void *restrict out, const void *restrict x, int64_t n,
                 bool exclusive); // running values in the form of acc
};
#define VEC_ROWS                                                                                   \
    8 // rows that are reduced side by side, to hide the latency of a chain of additions
// NULL: the function does not take the type. Not for argmax and argmin.
const struct vec_reducer *vec_reducer_of(enum reduce_fn fn, enum dtype t);
// The function's value over nothing, in form f (the reducer's or the type's own).
void vec_identity(enum reduce_fn fn, enum dtype t, enum vec_form f, void *value);

// argmax and argmin. where[i] is -1 as long as nothing was seen; a NaN counts as beyond every
// number.
struct vec_finder {
    void (*step)(void *restrict best, int64_t *restrict where, const void *restrict x,
                 const uint8_t *restrict mask, int64_t n,
                 int64_t index); // element i: x[i] at `index`
    void (*row)(void *restrict best, int64_t *restrict where, const void *restrict x,
                const uint8_t *restrict mask, int64_t n,
                int64_t index); // one result: x[i] at index + i
};
const struct vec_finder *vec_finder_of(enum reduce_fn fn, enum dtype t);

#endif

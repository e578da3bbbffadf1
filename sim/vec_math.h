// Transcendental functions of the vector unit for operands that are floats of at most 32 bits,
// computed in double precision, to 2^-48 of the result. Wider results than rounding once to such a
// type needs are not given: exponentials end at e^-200 and e^200, which are 0 and infinity in all
// of them.
//
// One table per instruction-set level. Every level performs the same operations on an element, so
// that results are the same to the bit on every machine.
#ifndef BITLET_VEC_MATH_H
#define BITLET_VEC_MATH_H

#include <stdint.h>

typedef void vec_math_fn(double *restrict out, const double *restrict in, int64_t n);
typedef void vec_math_fn32(float *restrict out, const float *restrict in, int64_t n);

struct vec_math {
    const char *name;
    vec_math_fn *exp, *tanh, *sigmoid;
    vec_math_fn32 *exp32, *tanh32, *sigmoid32; // the same, rounded to f32
};
extern const struct vec_math vec_math_plain;
#if defined(__x86_64__)
extern const struct vec_math vec_math_avx2;
extern const struct vec_math vec_math_avx512;
#endif

// Levels that this processor can run, the best last; NULL past the end.
const struct vec_math *vec_math_at(int i);
const struct vec_math *vec_math_best(void);

#endif

// The functions for AVX2; compiled with its options on x86-64, empty elsewhere.
#include "vec_math.h"
#if defined(__x86_64__)
#define VEC_MATH vec_math_avx2
#define VEC_MATH_TEXT "avx2"
#include "vec_math.inc"
#endif

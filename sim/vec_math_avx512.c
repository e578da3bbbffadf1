// The functions for AVX-512 (F, DQ, VL); compiled with its options on x86-64, empty elsewhere.
#include "vec_math.h"
#if defined(__x86_64__)
#define VEC_MATH vec_math_avx512
#define VEC_MATH_TEXT "avx512"
#include "vec_math.inc"
#endif

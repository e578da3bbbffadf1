// The functions for any processor.
#define VEC_MATH vec_math_plain
#define VEC_MATH_TEXT "plain"
#include "vec_math.inc"

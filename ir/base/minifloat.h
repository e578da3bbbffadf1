// Floating-point formats of 16 bits and fewer, to and from double.
//
// For reports, random tensors and file conversion. Execution has arithmetic of its own, in the
// evaluator and in the simulator, and must not use this.
#ifndef BITLET_MINIFLOAT_H
#define BITLET_MINIFLOAT_H

#include "dtype.h"

// t: a float type of at most 16 bits. Decoding is exact.
double minifloat_decode(enum dtype t, uint32_t bits);
// Rounds to nearest, ties to even. What is too large becomes an infinity where there is one, else
// the largest value; a NaN becomes the type's NaN, or zero in a type without one.
uint32_t minifloat_encode(enum dtype t, double v);

#endif

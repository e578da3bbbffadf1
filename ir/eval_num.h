// Numbers of the evaluator: every element type to and from double and int64.
//
// Written from the formats' definitions and shared with nothing: the simulator has conversions of
// its own, and the two are compared by the differential tests. All functions work on dense storage
// as tensor.h describes it.
#ifndef BITLET_EVAL_NUM_H
#define BITLET_EVAL_NUM_H

#include "tensor.h"

// Elements first, first + stride, .. (n of them; stride may be 0) of a float tensor. Exact.
void eval_load_f64(enum dtype t, const void *data, int64_t first, int64_t stride, int64_t n,
                   double *out);
// Integers and bool; u64 as its bits.
void eval_load_i64(enum dtype t, const void *data, int64_t first, int64_t stride, int64_t n,
                   int64_t *out);
// To consecutive elements. Floats: to nearest, ties to even; what is too large becomes an infinity
// or NaN, or in a type that has neither the largest value. Integers wrap; bool is x != 0.
void eval_store_f64(enum dtype t, void *data, int64_t first, int64_t n, const double *v);
void eval_store_i64(enum dtype t, void *data, int64_t first, int64_t n, const int64_t *v);
// As eval_store_f64, but what is outside a type of 8 bits or fewer, infinities too, becomes its
// largest value.
void eval_store_f64_saturated(enum dtype t, void *data, int64_t first, int64_t n, const double *v);

double eval_decode(enum dtype t, uint32_t bits); // a float type of at most 16 bits
uint32_t eval_encode(enum dtype t, double v, bool saturate);

// Range of an integer type; u64's top as UINT64_MAX.
int64_t eval_int_min(enum dtype t);
uint64_t eval_int_max(enum dtype t);
bool eval_is_unsigned(enum dtype t);
// An integer as a double that rounds to any float of up to 51 mantissa bits as the integer itself
// would.
double eval_int_to_odd(int64_t v, bool is_unsigned);
// Rounds to nearest, ties to even.
double eval_round_even(double v);

// v rounded to even and saturated to two's complement of `bits`; one bit: -1 below zero, else +1;
// NaN gives 0.
int64_t eval_quantize(float v, int bits);

#endif

// Conversions between the element types, as the simulated machine makes them.
//
// Floats round to nearest, ties to even, once. Overflow of a type without infinity gives its NaN,
// of f4e2m1 (which has neither) its largest value; a NaN becomes the type's one quiet positive NaN.
// Nothing here is shared with the evaluator of the IR: the two are compared with each other. The
// inline functions have no branches, so that loops over them become SIMD code.
#ifndef BITLET_SCALAR_NUM_H
#define BITLET_SCALAR_NUM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dtype.h"

static inline uint32_t num_bits_of_f32(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float num_f32_of_bits(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static inline uint64_t num_bits_of_f64(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

// Exponent and fraction, moved to their place in an f32 whose exponent is then wrong by a constant:
// one multiplication by `scale` puts it right, for subnormal numbers too.
static inline float num_rescale(uint32_t magnitude, int fraction_bits, float scale)
{
    return num_f32_of_bits(magnitude << (23 - fraction_bits)) * scale;
}

static inline float num_with_sign(float magnitude, uint32_t negative)
{
    return num_f32_of_bits(num_bits_of_f32(magnitude) | negative << 31);
}

static inline float num_f32_of_f16(uint32_t h)
{
    uint32_t m = h & 0x7fff;
    float v = num_rescale(m, 10, 0x1p112f);
    uint32_t u = num_bits_of_f32(v) | (m >= 0x7c00 ? 0x7f800000u : 0);
    return num_f32_of_bits(u | (h & 0x8000) << 16);
}

static inline float num_f32_of_bf16(uint32_t h)
{
    return num_f32_of_bits(h << 16);
}

static inline float num_f32_of_f8e4m3fn(uint32_t b)
{
    uint32_t m = b & 0x7f;
    float v = num_rescale(m, 3, 0x1p120f);
    return num_with_sign(m == 0x7f ? num_f32_of_bits(0x7fc00000) : v, b >> 7);
}

static inline float num_f32_of_f8e4m3fnuz(uint32_t b)
{
    float v = num_with_sign(num_rescale(b & 0x7f, 3, 0x1p119f), b >> 7);
    return b == 0x80 ? num_f32_of_bits(0x7fc00000) : v;
}

static inline float num_f32_of_f8e5m2(uint32_t b)
{
    return num_f32_of_f16(b << 8);
}

static inline float num_f32_of_f8e5m2fnuz(uint32_t b)
{
    float v = num_with_sign(num_rescale(b & 0x7f, 2, 0x1p111f), b >> 7);
    return b == 0x80 ? num_f32_of_bits(0x7fc00000) : v;
}

static inline float num_f32_of_f8e8m0(uint32_t b)
{
    uint32_t u = b == 0 ? 0x00400000u : b << 23;
    return num_f32_of_bits(b == 0xff ? 0x7fc00000u : u);
}

static inline float num_f32_of_f4e2m1(uint32_t b)
{
    return num_with_sign(num_rescale(b & 7, 1, 0x1p126f), b >> 3 & 1);
}

// A subnormal result is rounded by adding 1/2, whose last place weighs as much as the smallest f16.
static inline uint16_t num_f16_of_f32(float x)
{
    uint32_t u = num_bits_of_f32(x), sign = u >> 16 & 0x8000, m = u & 0x7fffffff;
    uint32_t small = num_bits_of_f32(num_f32_of_bits(m) + 0.5f) - 0x3f000000u;
    uint32_t normal = (m + 0xfff + (m >> 13 & 1) - (112u << 23)) >> 13;
    uint32_t r = m < 113u << 23 ? small : normal;
    r = m >= 0x47800000u ? 0x7c00 : r;
    return (uint16_t)(m > 0x7f800000u ? 0x7e00 : sign | r);
}

static inline uint16_t num_bf16_of_f32(float x)
{
    uint32_t u = num_bits_of_f32(x);
    uint32_t rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16;
    return (uint16_t)((u & 0x7fffffff) > 0x7f800000u ? 0x7fc0 : rounded);
}

// How f8e8m0, which holds powers of two only, rounds; the others always round to nearest.
enum num_round { NUM_DOWN, NUM_NEAREST, NUM_UP };

// t: a float type of at most 16 bits. `saturate` gives the largest value instead of an infinity or
// NaN; it acts on types of 8 bits. Negative numbers have no f8e8m0 and become its NaN; a NaN
// becomes -0 in f4e2m1.
uint32_t num_encode(enum dtype t, double v, enum num_round round, bool saturate);

// The integer part modulo 2^64; 0 for infinities and NaN.
uint64_t num_wrap_f64(double integer);
// Nearest doubles but for the last bit, which is set when the conversion is inexact: rounding the
// result once more to a narrower type then rounds the integer correctly.
double num_sticky_of_i64(int64_t v);
double num_sticky_of_u64(uint64_t v);

// Smallest and largest value of an integer type (bool: 0 and 1). u64's largest is given as its
// bits.
int64_t num_int_min(enum dtype t);
uint64_t num_int_max(enum dtype t);

#endif

// Working forms of the vector unit: what elements become between memory and a function.
//
// A form is a C type that holds every value of the element types that use it. Values are normal in
// their form: integers sign- or zero-extended from the width of their type, bools 0 or 1. Storing
// wraps an integer at its type's width and rounds a float once.
#ifndef BITLET_VEC_FORM_H
#define BITLET_VEC_FORM_H

#include "dtype.h"
#include "scalar_num.h"

#define VEC_BLOCK 1024 // elements that are processed together

enum vec_form {
    VEC_F32, // float: f32 and all narrower floats
    VEC_F64, // double: f64, and every float where a function is computed in double precision
    VEC_I32, // int32_t: i2..i32, u2..u16
    VEC_I64, // int64_t: i64, u32
    VEC_U64, // uint64_t: u64
    VEC_B,   // uint8_t: bool
    VEC_R1,  // raw bits, for moves of any type
    VEC_R2,
    VEC_R4,
    VEC_R8,
    VEC_R16,
    VEC_NONE // types without arithmetic: strings, complex numbers, lanes
};
#define VEC_MAX_FORM_BYTES 16

size_t vec_form_bytes(enum vec_form f);
enum vec_form vec_form_of(enum dtype t);  // where its arithmetic is done
enum vec_form vec_form_raw(enum dtype t); // for moves
// Whether an array of the type in memory already is an array of the form.
bool vec_form_is_native(enum dtype t, enum vec_form f);

// strides in bytes; the memory side need not be aligned.
typedef void vec_load(void *restrict out, const uint8_t *restrict src, int64_t stride, int64_t n);
typedef void vec_store(uint8_t *restrict dst, int64_t stride, const void *restrict in, int64_t n,
                       unsigned mode);
// mode of a store to a narrow float
#define VEC_MODE(round, saturate) ((unsigned)(round) | ((saturate) ? 4u : 0u))
#define VEC_MODE_NEAREST VEC_MODE(NUM_NEAREST, false)

// NULL: the form does not hold the type. Any integer type also loads and stores as VEC_I64 (bool
// loads so); u64 loads as VEC_U64 and stores from both, any integer type stores from VEC_U64; any
// float also loads and stores as VEC_F64.
vec_load *vec_loader(enum dtype t, enum vec_form f);
vec_store *vec_storer(enum dtype t, enum vec_form f);
// A load that copies values of the form, whatever they are; with stride 0 it repeats one.
vec_load *vec_repeater(enum vec_form f);

#endif

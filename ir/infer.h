// Shared by the files that infer types (infer.c, infer_mac.c, infer_shape.c). Private to ir/.
#ifndef BITLET_INFER_H
#define BITLET_INFER_H

#include "ir_priv.h"

// A type inference under way. Nothing in it outlives the call; texts of messages go to the module's
// arena.
struct infer {
    const struct ir_op *op;
    struct ir_type *out; // one per result
    struct diag *diag;
};

// Bound of kernel extents, strides, dilations, pads and groups. With at most 2^40 elements in a
// value, every element offset that a plan of the op multiplies together then fits 64 bits.
#define INFER_STEP_MAX (INT64_C(1) << 20)

// Each reports "op: text" and returns false. The id says extents, element types or attributes; for
// an op that came from a node it is the frontend's (onnx-shape ..), else the IR's (ir-type ..).
bool infer_bad_shape(const struct infer *in, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
bool infer_bad_type(const struct infer *in, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
bool infer_bad_attr(const struct infer *in, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

const struct ir_type *infer_type(const struct infer *in, int i); // operand i must be present
const char *infer_text(const struct infer *in, int i);           // "f32[1,3]"
// An attribute of exactly n integers, each in [lo, hi]; NULL: reported.
const int64_t *infer_ints(const struct infer *in, enum ir_attr_id id, int n, int64_t lo,
                          int64_t hi);
// Attribute axis, in [0, rank) of operand 0; -1: reported.
int64_t infer_axis(const struct infer *in, int rank);
// Sets result i after checking that its elements can be counted.
bool infer_set(const struct infer *in, int i, enum dtype t, const int64_t *dim, int rank);

// The same with the extents, bounds and symbols of a type.
bool infer_set_like(const struct infer *in, int i, enum dtype t, const struct ir_type *like);
// Reports a dimension of operand i whose extent is known only at run time, and must be known;
// true when all of mask's dimensions are.
// Sets the symbols of t that attribute `extents` and the operands from `first` on name.
bool infer_extents(const struct infer *in, int first, struct ir_type *t);
bool infer_static(const struct infer *in, int i, uint32_t mask);

// The element type that attribute fn gives of operand 0; false: reported.
bool infer_reduce(const struct infer *in, enum dtype *t);

// Spatial dimensions of x[N,C,spatial..], 0: reported.
int infer_spatial(const struct infer *in);
struct infer_windows {
    const int64_t *strides, *dilations, *pads;
};
bool infer_window_attrs(const struct infer *in, int spatial, struct infer_windows *w);
// Output extent of one dimension, or -1 when not one window fits.
int64_t infer_window(int64_t extent, int64_t pads, int64_t kernel, int64_t stride,
                     int64_t dilation);
// Output extents of windows over operand 0.
bool infer_window_dims(const struct infer *in, int spatial, const struct infer_windows *w,
                       const int64_t *kernel, int64_t *dim);

// A missing body fails to link.
#define IR_OP(ENUM, text, in_min, in_max, outs, TRAITS, doc) bool ir_infer_##ENUM(struct infer *in);
#include "ops.def"

#endif

// Reverse-mode differentiation over the IR: appends to a graph the ops that compute the partial
// derivatives of one value by others. Every product of the backward pass is a conv, conv_transpose
// or matmul op, so that it runs where those of the forward pass do.
#ifndef BITLET_GRADIENT_H
#define BITLET_GRADIENT_H

#include "ir.h"

// d y / d xs[i] into dx[i], of the type of xs[i]; the derivative of the sum of y's elements when it
// has several. Paths end at the values of xs and of `held` (which stay as they are). Ops are
// appended at b. False: something was reported.
BITLET_MUST_USE bool gradient_build(struct ir_builder *b, struct ir_value *y,
                                    struct ir_value *const *xs, int num_xs,
                                    struct ir_value *const *held, int num_held,
                                    struct ir_value **dx);
// A copy of what leads from `from` (of the same types as `to`) to y, with `to` in their places.
// NULL: something was reported.
struct ir_value *gradient_substitute(struct ir_builder *b, struct ir_value *y,
                                     struct ir_value *const *from, struct ir_value *const *to,
                                     int num);

// ---- For the rules (gradient_*.c), one a row of gradient.def.

struct gradient; // a differentiation under way

struct ir_builder *gradient_builder(struct gradient *g);
// Whether y depends on x by operand i of op, so that its derivative is of use.
bool gradient_wants(const struct gradient *g, const struct ir_op *op, int i);
// Adds to the derivative by operand i. d has the operand's element type and, after sums over what
// was broadcast, its shape. NULL d is an error that was reported; returns false then.
bool gradient_give(struct gradient *g, const struct ir_op *op, int i, struct ir_value *d);
// Reports at the op that it has no derivative; returns false.
bool gradient_refuse(struct gradient *g, const struct ir_op *op, const char *why);

// Small expressions; a NULL operand gives NULL.
struct ir_value *gradient_scalar(struct gradient *g, enum binary_fn fn, struct ir_value *x,
                                 double v); // fn(x, v)
struct ir_value *gradient_zeros(struct gradient *g, const struct ir_type *t);

#define GRADIENT(OP, rule)                                                                         \
    bool gradient_##rule(struct gradient *g, const struct ir_op *op, struct ir_value *dy);
#include "gradient.def"

#endif

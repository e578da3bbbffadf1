// Constant weights of MAC ops as they are measured, scaled and rounded: element by element in
// double, a block at a time, so that no copy of them in double ever exists. Work is shared by
// threads; results do not depend on their number.
#ifndef BITLET_WEIGHTS_H
#define BITLET_WEIGHTS_H

#include "macops.h"
#include "threads.h"

// A factor per channel: of the result, or of the moving operand (input).
struct weight_factor {
    const double *scale;
    int64_t n; // of scale; 1: the same for all
    bool input;
};
// The numbers of a constant, each times the factors in their order, every product rounded to
// double.
struct weights {
    const struct ir_op *op; // whose stationary operand they are
    const struct ir_type *type;
    const struct tensor *data;
    struct mac_layout layout;
    const struct weight_factor *factor;
    size_t num_factors;
};
struct weights weights_of(const struct ir_op *op, const struct ir_value *v);
// Elements first .. first + n - 1.
void weights_load(const struct weights *w, int64_t first, int64_t n, double *out);

struct magnitudes { // of a channel or of all weights
    double top;     // infinite where one is, or is no number
    double sum;     // only where it was wanted
    int64_t count;
};
// Of the numbers without factors; own: one entry per channel of the result, zeroed.
void weights_measure(const struct weights *w, bool want_sum, struct magnitudes *own,
                     struct thread_pool *pool);
// As f32, rounded once.
void weights_to_float(const struct weights *w, float *out, struct thread_pool *pool);
// As integers of i8, i16 or i32: w / step of its channel, half to even, saturated to so many bits
// of sign and magnitude; one bit: -1 and +1. Numbers without factors, all finite.
void weights_to_steps(const struct weights *w, const double *step, int bits, struct tensor *out,
                      struct thread_pool *pool);

#endif

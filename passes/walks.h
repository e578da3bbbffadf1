// What a step of the array costs when the PEs hold the weights and when they hold the activations,
// measured on samples of both at the layer's precision: the attribute `walks`.
//
// A sample is what the PEs hold for one group: `pes` rows of N numbers. Sites are drawn by a seeded
// generator; of several calibration inputs each has an equal chance to be seen at a site. Lives in
// the scratch arena of the context.
#ifndef BITLET_WALKS_H
#define BITLET_WALKS_H

#include "index.h"
#include "pass.h"

struct walks;

// For those among the ops, which are or come to be in fixed point, that could hold either operand.
BITLET_MUST_USE bool walks_create(struct pass_ctx *ctx, struct ir_op *const *ops, int num,
                                  struct walks **out);
// A value of a calibration run; takes the samples of every op that reads it.
void walks_watch(struct walks *w, const struct ir_value *v, const struct tensor *t);
// The op is in fixed point now, its activations are those sampled times `q`, rounded, or were
// integers before; sets the attribute unless nothing was sampled.
void walks_finish(struct walks *w, struct ir_op *op, double q);

#endif

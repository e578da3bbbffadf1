// Ranges of activations, from runs of the reference evaluator on calibration inputs.
//
// Inputs come from ctx->opt->calibrate: a folder of ONNX test data sets, a folder or file of .npy,
// .npz or .pb, or, without it, from the seeded generator (warned about as calibration-seeded).
// Every sample is one run; the ranges of all are merged.
#ifndef BITLET_CALIBRATE_H
#define BITLET_CALIBRATE_H

#include "pass.h"

struct calib_range {
    double absmax; // largest finite magnitude
    double sum;    // of finite magnitudes
    int64_t count; // finite elements seen
};
// Is told every value of every run; may be NULL.
typedef void calib_watch_fn(void *user, const struct ir_value *v, const struct tensor *t);
BITLET_MUST_USE bool calibrate_ranges(struct pass_ctx *ctx, struct ir_value *const *values, int num,
                                      struct calib_range *out, calib_watch_fn *also, void *user);

// Samples, each a tensor for every graph input; told one after the other. The tensors live during
// the call.
typedef bool calib_sample_fn(void *user, const struct tensor *const *inputs);
BITLET_MUST_USE bool calib_for_each_sample(struct pass_ctx *ctx, calib_sample_fn *fn, void *user);

#endif

// Inside of the evaluator's MAC ops: sums of products, and what happens to a sum afterwards.
#ifndef BITLET_EVAL_MAC_H
#define BITLET_EVAL_MAC_H

#include "eval_op.h"

// From a sum to a result: scale, bias, clamp, quantisation, change of type.
struct mac_finish {
    struct tensor *y;
    bool raw;                   // the integer sum itself
    bool wide;                  // sums are int64, else double
    const double *scale, *bias; // per channel, or NULL
    bool has_min, has_max;
    double min, max;
    int qbits; // 0: none
    float q;
};
// n sums to y's elements at, at + 1, ..; their channels are channel, channel + channel_step, ..
void eval_finish_row(const struct mac_finish *f, int64_t at, int64_t n, const void *sums,
                     int64_t channel, int64_t channel_step);

// The machine's float arithmetic, group by group.
BITLET_MUST_USE bool eval_mac_groups(const struct eval_call *c, const struct mac_finish *f,
                                     enum ir_mode mode);

// sums[o][p] = sum over k, in its order, of weight[o][k] * row[k][p]; elements are double, or int64
// when `wide`.
struct dot {
    int64_t outs, k, positions;
    bool wide;
    void (*weights)(const void *user, int64_t out, int64_t k0, int64_t n, void *to);
    void (*row)(const void *user, int64_t k, int64_t p0, int64_t n, void *to);
    // Sums of outs o0 .. o0 + on - 1 at positions p0 .. p0 + pn - 1, rows `ld` apart.
    void (*done)(const void *user, int64_t o0, int64_t on, int64_t p0, int64_t pn, const void *sums,
                 int64_t ld);
    const void *user;
    bool serial; // `done` must not be called for two blocks at a time
};
struct dot_space;
// Serves any number of products. The functions of a product are called from the pool's threads.
struct dot_space *eval_dot_space_create(struct arena *a, struct thread_pool *pool);
void eval_dot_run(const struct dot *d, struct dot_space *s);
// Levels of the processor, 0 .. DOT_LEVELS - 1, the best one being the default; results are the
// same at each. False: this one is not there.
enum { DOT_LEVELS = 3 };
bool eval_dot_use_level(struct dot_space *s, int level);

#endif

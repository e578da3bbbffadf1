// Chains of per-channel affine ops: y = x * scale + shift, one pair of numbers for each index of
// one dimension of x.
//
// A chain starts at a value and runs through mul, add, sub, div by constants and neg as long as
// every link has one use. The numbers are doubles; whoever rewrites the chain rounds them once.
#ifndef BITLET_AFFINE_H
#define BITLET_AFFINE_H

#include "pass.h"

struct affine {
    int dim;               // -1: no link has told yet, the same numbers everywhere
    int64_t n;             // of scale and shift: the extent of dim, or 1
    double *scale, *shift; // in the arena of affine_start
    int links;
    bool scales, shifts;  // a link multiplied, a link added
    struct ir_value *end; // result of the last link
    loc_id loc;           // of all links
    struct arena *arena;
};
// dim: the dimension of v that links may run along, -1: that of the first link with more than one
// number.
void affine_start(struct affine *c, struct ir_value *v, int dim, struct arena *a);
// Takes the link that uses c->end in; false: there is none, or it does not fit.
bool affine_extend(struct affine *c, struct pass_ctx *ctx);
// The same for the op that defines v, seen from its result: v = x * scale + shift. Returns x, or
// NULL.
struct ir_value *affine_producer(struct ir_value *v, int dim, struct arena *a, struct affine *out);

#endif

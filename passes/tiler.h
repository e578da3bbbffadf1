// What the pass tile knows of an op while it looks for a tiling. Private to passes/.
#ifndef BITLET_TILER_H
#define BITLET_TILER_H

#include "macgroup.h"
#include "pass.h"

enum { TILER_PSUM_BYTES = 8, TILER_STEP_START = 16 };

// What was measured is a sample, and transfers of rows of activations are short.
static const double WORTH_AN_EXCHANGE = 0.95;

// Problems that differ in nothing that tiling sees.
struct problem_class {
    const struct mac_problem *p;
    int64_t count;
};
struct tiler {
    struct pass_ctx *ctx;
    const struct ir_op *op;
    struct mac_demand demand;
    struct problem_class *classes;
    int num_classes;
    int np;
    int64_t extent[MAC_MAX_DIMS]; // largest over the problems
    int64_t k0;                   // largest extent of k[0]
    bool fixed;                   // point
    int64_t k_step;               // chunks that are multiples of it end with a group
    bool map;                     // lane maps follow the weights
    double step_cycles;           // of the array for one position of one group
    bool found;
    double best_cost;
    struct mac_tiling best;
};
struct fit {
    bool ok, keeps_x, resident;
    bool pairs; // of weights that are not resident only two loads have room
};

static inline int64_t tiler_ceil_div(int64_t a, int64_t b)
{
    return a / b + (a % b != 0);
}

// ---- Fit and cost (tilecost.c)

void tiler_classify(struct tiler *t, const struct mac_plan *plan);
void tiler_measure(struct tiler *t);
// Largest over the problems.
struct mac_space tiler_space(const struct tiler *t, const struct mac_tiling *g);
struct fit tiler_fit(const struct tiler *t, const struct mac_tiling *g);
// Cycles of a tiling that fits.
double tiler_cost(const struct tiler *t, const struct mac_tiling *g, const struct fit *f);
// Cycles of the array for one position of one group, as measured or guessed.
double tiler_step_cycles(const struct tiler *t, int lanes, bool map);
double tiler_guess_step(const struct machine *m, double valid, int lanes, bool map);
// Whether lane maps save enough; `plain`: bytes of a tile without one.
bool tiler_wants_map(const struct tiler *t, enum ir_mode mode, int lanes, int64_t plain);

// ---- Search (tile.c)

// The best tiling of the op as its attributes stand; t->found: whether there is one.
BITLET_MUST_USE bool tiler_find(struct pass_ctx *ctx, const struct ir_op *op, struct tiler *t);

// ---- Outputs side by side (tilepatch.c)

// PEs that have no channel compute neighbouring positions, where that pays: sets `patch`.
BITLET_MUST_USE bool tiler_choose_patch(struct pass_ctx *ctx, struct ir_op *op);

#endif

// How the plans of macplan.h are made: one file for each kind of MAC op. Private to ir/.
#ifndef BITLET_MACPLAN_PARTS_H
#define BITLET_MACPLAN_PARTS_H

#include "macplan.h"

enum { MAC_PROBLEMS_MAX = 1 << 20 };

static inline int64_t mac_saturating_mul(int64_t a, int64_t b)
{
    return b != 0 && a > INT64_MAX / b ? INT64_MAX : a * b;
}

// Extents of the operand with the weights, packed or not.
const int64_t *mac_weight_dims(const struct ir_op *op, const struct ir_value *w, int *rank);
// Zeroed problems of the plan; NULL: reported that there are too many.
struct mac_problem *mac_add_problems(struct mac_plan *plan, int64_t n, struct arena *a,
                                     struct diag *d);
void mac_add_dim(struct mac_dim *list, int *n, struct mac_dim dim);
// No activation is inside any more.
void mac_make_empty(struct mac_problem *p);

// The problems of an op; reported and false where they cannot be made. `plain`: without patches.
BITLET_MUST_USE bool mac_plan_conv(struct mac_plan *plan, int64_t group, int64_t pes, bool plain,
                                   struct arena *a, struct diag *d);
BITLET_MUST_USE bool mac_plan_conv_transpose(struct mac_plan *plan, int64_t group, int64_t pes,
                                             struct arena *a, struct diag *d);
BITLET_MUST_USE bool mac_plan_matmul(struct mac_plan *plan, struct arena *a, struct diag *d);
// The same problems with activations held and weights moving (attribute distill).
BITLET_MUST_USE bool mac_exchange(struct mac_plan *plan, struct arena *a, struct diag *d);

#endif

// What a vector instruction costs.
#ifndef BITLET_VEC_COST_H
#define BITLET_VEC_COST_H

#include "state.h"

// Enters the cost of an instruction that processes `elements` elements, `weight` cycles each in one
// vector lane, into s->cost and the layer's statistics. To be called after sim_count_view of all
// operands.
void vec_charge(struct sim *s, int64_t elements, int64_t weight);

// Weight of sorting rows of n elements: ceil(log2 n) passes, at least 1.
int64_t vec_sort_weight(int64_t n);

#endif

// The vector unit's time, a model of vector_lanes pipelined lanes behind one stream of operands:
//
//     cycles = vector_latency + ceil(elements / vector_lanes) * weight
//
// elements: the iteration space of the instruction (the operand's for a reduction, so a window
// counts every element it looks at). weight: the function's cost in fn.def; 1 for moves,
// selections, conversions, gathers and scatters; ceil(log2 n) for a sort of rows of n. Operands in
// DRAM stream over the activation channel: no fewer cycles than its bandwidth allows for their
// bytes, plus the latency. Operands in the activation buffer cost nothing more.
#include "vec_cost.h"

#include <math.h>

#define MAX_CYCLES                                                                                 \
    (INT64_C(1) << 60) // beyond any real run; keeps sums of a few instructions from overflowing

static int64_t bounded(double cycles)
{
    return cycles < (double)MAX_CYCLES ? (int64_t)cycles : MAX_CYCLES;
}

void vec_charge(struct sim *s, int64_t elements, int64_t weight)
{
    const struct machine *m = &s->machine;
    int64_t starts = elements / m->vector_lanes + (elements % m->vector_lanes != 0);
    int64_t work = starts > MAX_CYCLES / weight ? MAX_CYCLES : starts * weight;
    double bytes = (double)s->cost.dram_read + (double)s->cost.dram_write;
    int64_t stream = bounded(ceil(bytes * m->clock_ghz / m->dma_act_gbs));
    s->cost.cycles = m->vector_latency + (work > stream ? work : stream);
    s->layer->vector_ops += (uint64_t)elements;
}

int64_t vec_sort_weight(int64_t n)
{
    int64_t passes = 1;
    while (passes < 62 && INT64_C(1) << passes < n)
        passes++;
    return passes;
}

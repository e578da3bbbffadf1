// Time, apart from the order in which instructions are executed. Private to sim/.
//
// The scalar core issues one instruction a cycle, in order, and runs ahead of the units; each unit
// takes its instructions in order. An instruction starts when it is issued, its unit is free, and
// the earlier accesses to what it touches are over (read after write, write after read, write after
// write). What is touched is known by hulls, in granules: 64 bytes in the buffers, 64 partial sums,
// 4 KiB in DRAM. The vector unit and the preprocessing module reach DRAM through the activation
// channel and keep it busy for bytes / bandwidth. With extension P the tiles that a bce begins with
// come into the PEs before the one ahead of it is over.
//
// Invariant, for each unit: busy + stalls + the time after its last instruction = cycles of the
// run.
#ifndef BITLET_SIM_TIMELINE_H
#define BITLET_SIM_TIMELINE_H

#include "state.h"

struct timeline_span {
    int64_t start, end;
};

// Lives in the simulator's arena; the scoreboards are taken from the system. NULL: the system
// refuses.
struct sim_timeline *timeline_create(const struct sim *s);
void timeline_destroy(struct sim_timeline *t); // NULL is fine
// Places the instruction that was just executed (s->cost, s->touch, s->layer) and counts its unit's
// busy and stall cycles. `wait`: bit mask of units that must be idle first. A CTRL or HOST
// instruction holds the core until it ends.
struct timeline_span timeline_place(struct sim *s, enum isa_unit unit, unsigned wait);
// Latest end of anything placed so far.
int64_t timeline_end(const struct sim_timeline *t);
// Cycles that `bytes` take on a channel of so many GB/s.
int64_t timeline_transfer(const struct machine *m, double gbs, int64_t bytes);

#endif

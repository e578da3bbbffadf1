// Where buffers lie whose lifetimes are known: usage records in, offsets out. A pure function of
// the records.
//
// No two records whose lifetimes share a step overlap in memory.
#ifndef BITLET_PLAN_H
#define BITLET_PLAN_H

#include "arena.h"

#include <stdint.h>

struct plan_usage {
    uint64_t bytes;
    uint64_t align;  // a power of two
    int first, last; // steps, both inclusive; 0 <= first <= last
    uint64_t offset; // the result
};
// Fills the offsets; returns the bytes of the whole. Memory from scratch.
uint64_t plan_offsets(struct plan_usage *u, int n, struct arena *scratch);

#endif

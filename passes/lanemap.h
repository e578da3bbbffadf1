// Lane maps (image.h): how a tile's weights are written as digits and cut over the RR-regs, so that
// its walk is shortest. Pure; nothing is allocated.
#ifndef BITLET_LANEMAP_H
#define BITLET_LANEMAP_H

#include "machine.h"

#define LANEMAP_REGS 24
#define LANEMAP_WORDS 4 // of 64 positions

struct lanemap {
    int code, regs, limit; // limit: the walk's cycles
    uint32_t walked, marked, first;
    uint8_t start[LANEMAP_REGS];
};
// Begins of the fewest RR-regs that walk all set bits of a lane within `limit` cycles each; `sum`:
// a cycle of the first one is taken. More than LANEMAP_REGS when they do not suffice.
int lanemap_cut(const uint64_t *bits, int count, int limit, bool sum, uint8_t *start);
// Cycles in which one RR-reg walks all `count` positions of a lane.
int lanemap_walk(const uint64_t *bits, int count);
enum lanemap_by {
    LANEMAP_BY_COMPILER,
    LANEMAP_BY_MACHINE // as `wpack` makes it, which marks no lanes of signed digits
};
// The map of least cycles among those that the machine's extensions allow; for magnitudes of more
// than 7 bits not all marks are tried. tile: a plain tile's words in memory order, valid, sign and
// `lanes` magnitude bits; count: positions of the group.
void lanemap_choose(const struct machine *m, enum lanemap_by by, const uint8_t *tile, int lanes,
                    int count, struct lanemap *out);
void lanemap_store(const struct machine *m, const struct lanemap *map, uint8_t *out);

#endif

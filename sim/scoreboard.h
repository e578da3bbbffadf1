// Times of granules, of which ranges are raised and the latest is asked for. Blocks of granules
// that a range covers take one step.
#ifndef BITLET_SCOREBOARD_H
#define BITLET_SCOREBOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scoreboard {
    int64_t *granule;      // the time is this or its block's least, whichever is later
    int64_t *least, *most; // of a block: what every granule has at least; the latest of all
    size_t bytes;          // of the reservation
};

// All times are 0. False: no memory; what has been opened or zeroed can be closed.
bool scoreboard_open(struct scoreboard *b, size_t granules);
void scoreboard_close(struct scoreboard *b);
// The latest of `best` and the times of granules first .. first + num - 1.
int64_t scoreboard_latest(const struct scoreboard *b, size_t first, size_t num, int64_t best);
// None of them is earlier than `time` after that.
void scoreboard_raise(struct scoreboard *b, size_t first, size_t num, int64_t time);

#endif

#include "scoreboard.h"

#include "state.h"

#define BLOCK 32

bool scoreboard_open(struct scoreboard *b, size_t granules)
{
    size_t blocks = granules / BLOCK + 1;
    b->bytes = blocks * (BLOCK + 2) * sizeof *b->granule;
    b->granule = sim_reserve(b->bytes, true);
    if (!b->granule)
        return false;
    b->least = b->granule + blocks * BLOCK;
    b->most = b->least + blocks;
    return true;
}

void scoreboard_close(struct scoreboard *b)
{
    sim_release(b->granule, b->bytes);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

// Where the part of a range that begins with granule `at` and lies in one block ends.
static size_t part_end(size_t at, size_t end)
{
    size_t stop = (at / BLOCK + 1) * BLOCK;
    return stop < end ? stop : end;
}

int64_t scoreboard_latest(const struct scoreboard *b, size_t first, size_t num, int64_t best)
{
    for (size_t at = first, end = first + num, stop; at < end; at = stop) {
        stop = part_end(at, end);
        if (stop - at == BLOCK) {
            best = later(best, b->most[at / BLOCK]);
            continue;
        }
        best = later(best, b->least[at / BLOCK]);
        for (size_t g = at; g < stop; g++)
            best = later(best, b->granule[g]);
    }
    return best;
}

void scoreboard_raise(struct scoreboard *b, size_t first, size_t num, int64_t time)
{
    for (size_t at = first, end = first + num, stop; at < end; at = stop) {
        size_t block = at / BLOCK;
        stop = part_end(at, end);
        b->most[block] = later(b->most[block], time);
        if (stop - at == BLOCK)
            b->least[block] = later(b->least[block], time);
        else
            for (size_t g = at; g < stop; g++)
                b->granule[g] = later(b->granule[g], time);
    }
}

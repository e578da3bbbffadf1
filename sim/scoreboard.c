#include "scoreboard.h"

#include "clones.h"
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

// A range as the granules of a block it begins within, whole blocks, and those of one it ends in;
// within a single block they are the first.
struct parts {
    size_t first, first_end, block, block_end, last, last_end;
};

static struct parts parts_of(size_t first, size_t num)
{
    size_t end = first + num, begin = (first + BLOCK - 1) / BLOCK * BLOCK;
    size_t stop = end / BLOCK * BLOCK;
    if (begin > stop)
        return (struct parts){.first = first, .first_end = end};
    return (struct parts){first, begin, begin / BLOCK, stop / BLOCK, stop, end};
}

BITLET_CLONES static int64_t latest_of(const int64_t *time, size_t num, int64_t best)
{
    for (size_t i = 0; i < num; i++)
        best = later(best, time[i]);
    return best;
}

BITLET_CLONES static void raise_all(int64_t *time, size_t num, int64_t to)
{
    for (size_t i = 0; i < num; i++)
        time[i] = later(time[i], to);
}

// Granules [at, end) of one block.
static int64_t latest_within(const struct scoreboard *b, size_t at, size_t end, int64_t best)
{
    if (at == end)
        return best;
    return latest_of(b->granule + at, end - at, later(best, b->least[at / BLOCK]));
}

static void raise_within(struct scoreboard *b, size_t at, size_t end, int64_t time)
{
    if (at == end)
        return;
    b->most[at / BLOCK] = later(b->most[at / BLOCK], time);
    raise_all(b->granule + at, end - at, time);
}

int64_t scoreboard_latest(const struct scoreboard *b, size_t first, size_t num, int64_t best)
{
    struct parts p = parts_of(first, num);
    best = latest_within(b, p.first, p.first_end, best);
    best = latest_of(b->most + p.block, p.block_end - p.block, best);
    return latest_within(b, p.last, p.last_end, best);
}

void scoreboard_raise(struct scoreboard *b, size_t first, size_t num, int64_t time)
{
    struct parts p = parts_of(first, num);
    raise_within(b, p.first, p.first_end, time);
    raise_all(b->most + p.block, p.block_end - p.block, time);
    raise_all(b->least + p.block, p.block_end - p.block, time);
    raise_within(b, p.last, p.last_end, time);
}

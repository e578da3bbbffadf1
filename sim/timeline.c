// See timeline.h. A scoreboard holds, per granule, the latest end of a write and of a read, each
// packed with the unit that did it, so that the larger word is the later access and names the
// reason of a wait.
#include "timeline.h"

#include <math.h>
#include <string.h>

#include "scoreboard.h"

#define UNIT_BITS 3
#define MAX_TIME (1ll << 56)

_Static_assert(ISA_UNIT_NUM <= 1 << UNIT_BITS, "a unit's number fits the packed words");

struct board {
    uint64_t base, limit; // addresses or partial-sum entries covered
    int shift;            // log2 of the granule
    struct scoreboard write, read;
};

enum board_id { BOARD_HEAP, BOARD_ABUF, BOARD_WBUF, BOARD_PSUM, BOARD_NUM };

struct sim_timeline {
    int64_t core;               // next issue
    int64_t free[ISA_UNIT_NUM]; // when the unit's last instruction ends
    int64_t second;             // when the second set of the PEs' weight registers is free
    int64_t end;
    struct board board[BOARD_NUM];
};

static const enum sim_stall unit_stall[ISA_UNIT_NUM] = {
    [ISA_UNIT_CTRL] = SIM_STALL_ISSUE,       [ISA_UNIT_DMAW] = SIM_STALL_WEIGHTS,
    [ISA_UNIT_DMAA] = SIM_STALL_ACTIVATIONS, [ISA_UNIT_PRE] = SIM_STALL_PREPROCESS,
    [ISA_UNIT_ARRAY] = SIM_STALL_ARRAY,      [ISA_UNIT_PACK] = SIM_STALL_PACK,
    [ISA_UNIT_VEC] = SIM_STALL_VECTOR,       [ISA_UNIT_HOST] = SIM_STALL_HOST,
};

static bool board_open(struct board *b, uint64_t base, uint64_t size, int shift)
{
    size_t num = (size_t)((size + (1ull << shift) - 1) >> shift);
    b->base = base;
    b->limit = base + size;
    b->shift = shift;
    return scoreboard_open(&b->write, num) && scoreboard_open(&b->read, num);
}

struct sim_timeline *timeline_create(const struct sim *s)
{
    struct sim_timeline *t = ARENA_NEW(s->arena, struct sim_timeline);
    const struct sim_region *r = s->region;
    bool ok =
        board_open(&t->board[BOARD_HEAP], r[SIM_REGION_HEAP].base, r[SIM_REGION_HEAP].bytes, 12);
    ok = board_open(&t->board[BOARD_ABUF], r[SIM_REGION_ABUF].base, r[SIM_REGION_ABUF].bytes, 6) &&
         ok;
    ok = board_open(&t->board[BOARD_WBUF], r[SIM_REGION_WBUF].base, r[SIM_REGION_WBUF].bytes, 6) &&
         ok;
    ok = board_open(&t->board[BOARD_PSUM], 0, (uint64_t)s->psum_entries, 6) && ok;
    if (ok)
        return t;
    timeline_destroy(t);
    return NULL;
}

void timeline_destroy(struct sim_timeline *t)
{
    for (int i = 0; t && i < BOARD_NUM; i++) {
        scoreboard_close(&t->board[i].write);
        scoreboard_close(&t->board[i].read);
    }
}

int64_t timeline_end(const struct sim_timeline *t)
{
    return t->end;
}

int64_t timeline_transfer(const struct machine *m, double gbs, int64_t bytes)
{
    return (int64_t)ceil((double)bytes / (gbs / m->clock_ghz));
}

// ---- Scoreboards
// -------------------------------------------------------------------------------------

static struct board *touch_board(struct sim_timeline *t, const struct sim_touch *x)
{
    if (x->psum)
        return &t->board[BOARD_PSUM];
    for (int i = BOARD_HEAP; i <= BOARD_WBUF; i++)
        if (x->lo >= t->board[i].base && x->lo < t->board[i].limit)
            return &t->board[i];
    return NULL;
}

// Granules that an access touches.
static size_t granules(const struct board *b, const struct sim_touch *x, size_t *first)
{
    *first = (size_t)((x->lo - b->base) >> b->shift);
    return (size_t)((x->hi - 1 - b->base) >> b->shift) - *first + 1;
}

#define ALL_BOARDS ((1u << BOARD_NUM) - 1)

// The latest access in these boards that this instruction must wait for, packed.
static int64_t hazard(struct sim *s, unsigned boards)
{
    int64_t best = 0;
    for (int i = 0; i < s->num_touch; i++) {
        const struct sim_touch *x = &s->touch[i];
        const struct board *b = touch_board(s->timeline, x);
        if (!b || !(boards >> (b - s->timeline->board) & 1))
            continue;
        size_t first, num = granules(b, x, &first);
        best = scoreboard_latest(&b->write, first, num, best);
        if (x->write)
            best = scoreboard_latest(&b->read, first, num, best);
    }
    return best;
}

static void record(struct sim *s, enum isa_unit unit, int64_t end)
{
    int64_t word = end << UNIT_BITS | (int64_t)unit;
    for (int i = 0; i < s->num_touch; i++) {
        const struct sim_touch *x = &s->touch[i];
        struct board *b = touch_board(s->timeline, x);
        if (!b)
            continue;
        size_t first, num = granules(b, x, &first);
        scoreboard_raise(x->write ? &b->write : &b->read, first, num, word);
    }
}

// ---- Placement
// ---------------------------------------------------------------------------------------

struct earliest {
    int64_t time;
    enum sim_stall reason;
};

static void not_before(struct earliest *e, int64_t time, enum sim_stall reason)
{
    if (time > e->time)
        *e = (struct earliest){time, reason};
}

static void wait_hazards(struct sim *s, struct earliest *e, unsigned boards)
{
    int64_t word = hazard(s, boards);
    not_before(e, word >> UNIT_BITS, unit_stall[word & ((1 << UNIT_BITS) - 1)]);
}

static void count_gap(struct sim *s, enum isa_unit unit, int64_t start, enum sim_stall reason)
{
    int64_t gap = start - s->timeline->free[unit];
    if (gap > 0)
        s->layer->stall[unit][reason] += gap;
}

static int64_t bounded(int64_t cycles)
{
    return cycles < 0 ? 0 : cycles > MAX_TIME ? MAX_TIME : cycles;
}

// The core itself: it waits where the instruction waits, and until it is over.
static struct timeline_span place_on_core(struct sim *s, enum isa_unit unit, unsigned wait)
{
    struct sim_timeline *t = s->timeline;
    struct earliest e = {t->core, SIM_STALL_NONE};
    for (int u = 0; u < ISA_UNIT_NUM; u++)
        if (u != ISA_UNIT_CTRL && (wait >> u & 1))
            not_before(&e, t->free[u], unit_stall[u]);
    wait_hazards(s, &e, ALL_BOARDS);
    s->layer->stall[ISA_UNIT_CTRL][e.reason] += e.time - t->core;
    s->layer->busy[ISA_UNIT_CTRL]++;
    t->core = e.time + 1;
    struct timeline_span span = {e.time, t->core};
    if (unit == ISA_UNIT_HOST) {
        int64_t cycles = bounded(s->cost.cycles);
        cycles = cycles < 1 ? 1 : cycles;
        span.end = e.time + cycles;
        count_gap(s, unit, span.start, e.reason == SIM_STALL_NONE ? SIM_STALL_ISSUE : e.reason);
        s->layer->stall[ISA_UNIT_CTRL][SIM_STALL_HOST] += cycles - 1;
        s->layer->busy[unit] += cycles;
        t->free[unit] = t->core = span.end;
    }
    t->free[ISA_UNIT_CTRL] = t->core;
    return span;
}

static int64_t channel_cycles(const struct sim *s, enum isa_unit unit)
{
    if (unit != ISA_UNIT_VEC && unit != ISA_UNIT_PRE)
        return 0;
    return timeline_transfer(&s->machine, s->machine.dma_act_gbs,
                             s->cost.dram_read + s->cost.dram_write);
}

static void occupy_channel(struct sim *s, enum isa_unit unit, struct earliest e, int64_t cycles)
{
    count_gap(s, ISA_UNIT_DMAA, e.time, e.reason == SIM_STALL_NONE ? unit_stall[unit] : e.reason);
    s->layer->busy[ISA_UNIT_DMAA] += cycles;
    s->timeline->free[ISA_UNIT_DMAA] = e.time + cycles;
}

// Extension P: the tiles of the first group come into the second set of weight registers as soon as
// the weight buffer has them, while the array still takes the last group of the instruction before;
// only what is left of that is time of the array.
static void load_ahead(struct sim *s, struct earliest *e)
{
    const struct sim_timeline *t = s->timeline;
    struct earliest load = {t->second, SIM_STALL_NONE};
    not_before(&load, t->core + 1, SIM_STALL_ISSUE);
    wait_hazards(s, &load, 1u << BOARD_WBUF);
    wait_hazards(s, e, ALL_BOARDS & ~(1u << BOARD_WBUF));
    not_before(e, load.time, load.reason);
    int64_t ahead = e->time - load.time;
    ahead = ahead < s->cost.load ? ahead : s->cost.load;
    s->cost.cycles -= ahead;
    s->layer->weight_load_cycles -= (uint64_t)ahead;
}

static struct timeline_span place_on_unit(struct sim *s, enum isa_unit unit)
{
    struct sim_timeline *t = s->timeline;
    struct earliest e = {t->free[unit], SIM_STALL_NONE};
    int64_t channel = channel_cycles(s, unit);
    not_before(&e, t->core + 1, SIM_STALL_ISSUE);
    if (channel > 0)
        not_before(&e, t->free[ISA_UNIT_DMAA], SIM_STALL_ACTIVATIONS);
    if (unit == ISA_UNIT_ARRAY && (s->machine.ext & MACHINE_EXT_P))
        load_ahead(s, &e);
    else
        wait_hazards(s, &e, ALL_BOARDS);
    count_gap(s, unit, e.time, e.reason);
    if (channel > 0)
        occupy_channel(s, unit, e, channel);
    int64_t cycles = bounded(s->cost.cycles);
    s->layer->busy[unit] += cycles;
    s->layer->busy[ISA_UNIT_CTRL]++;
    t->free[unit] = e.time + cycles;
    if (unit == ISA_UNIT_ARRAY)
        t->second = t->free[unit] - s->cost.tail;
    t->free[ISA_UNIT_CTRL] = ++t->core;
    return (struct timeline_span){e.time, t->free[unit]};
}

static void note_span(struct sim_layer_stats *l, struct timeline_span span)
{
    if (l->last_cycle == 0 || span.start < l->first_cycle)
        l->first_cycle = span.start;
    if (span.end > l->last_cycle)
        l->last_cycle = span.end;
}

// The core's own next step, when there is nothing to wait for.
static struct timeline_span step_core(struct sim *s)
{
    struct sim_timeline *t = s->timeline;
    int64_t start = t->core++;
    s->layer->busy[ISA_UNIT_CTRL]++;
    t->free[ISA_UNIT_CTRL] = t->core;
    t->end = t->core > t->end ? t->core : t->end;
    return (struct timeline_span){start, t->core};
}

struct timeline_span timeline_place(struct sim *s, enum isa_unit unit, unsigned wait)
{
    struct sim_timeline *t = s->timeline;
    if (unit == ISA_UNIT_CTRL && wait == 0 && s->num_touch == 0)
        return step_core(s);
    bool on_core = unit == ISA_UNIT_CTRL || unit == ISA_UNIT_HOST;
    struct timeline_span span = on_core ? place_on_core(s, unit, wait) : place_on_unit(s, unit);
    record(s, unit, span.end);
    if (unit != ISA_UNIT_CTRL)
        note_span(s->layer, span);
    int64_t last = span.end > t->core ? span.end : t->core;
    if (t->free[ISA_UNIT_DMAA] > last)
        last = t->free[ISA_UNIT_DMAA];
    if (last > t->end)
        t->end = last;
    return span;
}

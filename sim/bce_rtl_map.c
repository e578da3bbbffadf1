// One group on one PE with a lane map, literally: every weight is written as digits, every RR-reg
// stands at its position of its lane, and cycle by cycle looks at its window, selects and moves on.
#include <string.h>

#include "bce.h"

struct digit_pe {
    int8_t digit[BCE_LANES + 1][BCE_MAX_N]; // -1, 0, 1
    int8_t weight[BCE_LANES + 1]; // what a selected bit of the lane counts: 1, or -1 where the
                                  // lane counts negative
    int64_t sum;                  // of the group's activations
};

struct digit_reg {
    struct bce_range range;
    int p, cycles;
    bool sum; // the sum is still to be added
};

static uint32_t magnitude(const struct bce_tile *t, int i)
{
    uint32_t mag = 0;
    for (int b = 0; b < t->lanes; b++)
        mag |= (uint32_t)bce_bit(t->col[b], i) << b;
    return mag;
}

// Non-adjacent form: an odd number gives away the digit that leaves a multiple of four; in a marked
// lane the one of its own sign.
static void signed_digits(int64_t v, uint32_t marked, int i, struct digit_pe *pe)
{
    int own = v < 0 ? -1 : 1;
    for (int b = 0; v != 0; b++, v /= 2) {
        int four = ((v % 4) + 4) % 4 == 1 ? 1 : -1;
        int digit = v % 2 == 0 ? 0 : marked >> b & 1 ? own : four;
        pe->digit[b][i] = (int8_t)digit;
        v -= digit;
    }
}

static void write_digits(const struct bce_tile *t, int i, struct digit_pe *pe)
{
    int64_t mag = magnitude(t, i), v = bce_bit(t->sign, i) ? -mag : mag;
    switch (t->map.code) {
    case BCE_CODE_MAGNITUDE:
        for (int b = 0; b < t->lanes; b++)
            if (mag >> b & 1)
                pe->digit[b][i] = v < 0 ? -1 : 1;
        return;
    case BCE_CODE_SIGNED_DIGITS: signed_digits(v, t->map.marked, i, pe); return;
    case BCE_CODE_TWOS_COMPLEMENT:
        for (int b = 0; b <= t->lanes; b++)
            pe->digit[b][i] = ((uint64_t)v >> b & 1) != (t->map.marked >> b & 1);
        return;
    }
}

static void load(const struct bce_tile *t, const uint32_t *a, struct digit_pe *pe)
{
    memset(pe, 0, sizeof *pe);
    for (int b = 0; b <= BCE_LANES; b++) {
        bool inverted = t->map.marked >> b & 1, negative = (b == t->lanes) != inverted;
        pe->weight[b] = t->map.code == BCE_CODE_TWOS_COMPLEMENT && negative ? -1 : 1;
    }
    for (int i = 0; i < t->count; i++) {
        write_digits(t, i, pe);
        pe->sum += (int32_t)a[i];
    }
}

// The next set position of the RR-reg's range from p on, or its end.
static int seek(const struct digit_pe *pe, const struct bce_range *r, int p)
{
    while (p < r->end && pe->digit[r->lane][p] == 0)
        p++;
    return p;
}

// One cycle of an RR-reg: the position it selects, -1 for none, and its pointer moved on.
static int reg_step(const struct bce_config *c, const struct digit_pe *pe, struct digit_reg *g)
{
    const struct bce_range *r = &g->range;
    int first = seek(pe, r, g->p), second = first < r->end ? seek(pe, r, first + 1) : r->end;
    int at = g->p;
    switch (c->walk) {
    case BCE_WALK_WINDOW:
        g->p = second < r->end && second < at + BCE_WINDOW ? second : at + BCE_WINDOW;
        return first < r->end && first < at + BCE_WINDOW ? first : -1;
    case BCE_WALK_IDEAL: g->p = second; return first;
    case BCE_WALK_ALL: g->p++; return first == at ? at : -1;
    }
    return -1;
}

static bool reg_runs(const struct bce_config *c, const struct bce_map *m, const struct digit_reg *g)
{
    bool time_left = c->walk != BCE_WALK_WINDOW || g->cycles < m->limit;
    return g->sum || (g->p < g->range.end && time_left);
}

static void reg_cycle(const struct bce_config *c, const struct digit_pe *pe, const uint32_t *a,
                      struct digit_reg *g, struct bce_group *out)
{
    int lane = g->range.lane;
    int64_t unit = (int64_t)1 << lane;
    g->cycles++;
    out->cycles[lane]++;
    if (g->sum) { // what the lane would hold everywhere, less what it selects from here on
        g->sum = false;
        out->selections[lane]++;
        out->acc -= pe->weight[lane] * pe->sum * unit;
        return;
    }
    int index = reg_step(c, pe, g);
    if (index < 0)
        return;
    out->selections[lane]++;
    out->acc += pe->weight[lane] * pe->digit[lane][index] * (int64_t)(int32_t)a[index] * unit;
}

void bce_rtl_mapped(const struct bce_config *c, const struct bce_tile *t, const uint32_t *a,
                    struct bce_group *out)
{
    struct digit_pe pe;
    struct digit_reg reg[BCE_LANES];
    struct bce_range range[BCE_LANES];
    memset(out, 0, sizeof *out);
    if (t->n_calc < 0)
        return;
    load(t, a, &pe);
    bce_map_ranges(&t->map, t->count, range);
    for (int r = 0; r < t->map.regs; r++) {
        reg[r] = (struct digit_reg){.range = range[r], .p = range[r].start, .sum = range[r].sum};
        if (c->walk == BCE_WALK_IDEAL)
            reg[r].p = seek(&pe, &range[r], reg[r].p);
    }
    for (bool any = true; any; out->d += any) {
        any = false;
        for (int r = 0; r < t->map.regs; r++)
            if (reg_runs(c, &t->map, &reg[r])) {
                any = true;
                reg_cycle(c, &pe, a, &reg[r], out);
            }
    }
}

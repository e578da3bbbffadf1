// Lane maps of tiles that are packed at run time, as ISA.md says under WPACK: of the codes that the
// machine has, the one whose walk is shortest. For a number of cycles T every lane is cut where the
// walk of an RR-reg stands after T of them; the least T whose cuts fit the RR-regs is the walk.
#include <string.h>

#include "bce.h"
#include "machine.h"

enum { TOO_MANY = BCE_LANES + 1 };

// The digits of a tile in one code: lanes, and lanes inverted where the code can.
struct lanes {
    int num, words, count, regs;
    bool inverts;
    uint64_t set[BCE_LANES][BCE_MAX_WORDS], rest[BCE_LANES][BCE_MAX_WORDS];
};

static inline uint64_t bits_at(const uint64_t *bits, int words, int p)
{
    int w = p >> 6, shift = p & 63;
    uint64_t low = bits[w] >> shift;
    return shift && w + 1 < words ? low | bits[w + 1] << (64 - shift) : low;
}

// The first bit at p or behind it; `count`: none.
static inline int seek(const uint64_t *bits, int words, int count, int p)
{
    while (p < count) {
        uint64_t x = bits_at(bits, words, p);
        if (x)
            return p + __builtin_ctzll(x);
        p += 64;
    }
    return count;
}

static inline int step(const uint64_t *bits, int words, int p)
{
    uint64_t window = bits_at(bits, words, p) & 0xff;
    window &= window - 1;
    return p + (window ? __builtin_ctzll(window) : BCE_WINDOW);
}

// RR-regs for a lane within `limit` cycles each, at most `room`; the first one of an inverted lane
// spends a cycle on the sum. Their places go to start.
static int cut(const struct lanes *l, const uint64_t *bits, bool inverted, int limit, int room,
               uint8_t *start)
{
    int n = 0, left = limit, p = seek(bits, l->words, l->count, 0);
    if (inverted) { // begins where the walk does, unless the cycle leaves no walk
        bool alone = limit == 1 || p == l->count;
        if (alone && p == 0 && p < l->count)
            return TOO_MANY;
        if (alone)
            start[n++] = 0;
        else
            left--;
    }
    for (; p < l->count; left = limit) {
        if (n == room)
            return TOO_MANY;
        start[n++] = (uint8_t)p;
        for (; left > 0 && p < l->count; left--)
            p = step(bits, l->words, p);
        p = seek(bits, l->words, l->count, p);
    }
    return n > room ? TOO_MANY : n;
}

// Without G one RR-reg walks a lane from its first position.
static int uncut_cycles(const struct lanes *l, const uint64_t *bits, bool inverted)
{
    int cycles = inverted;
    for (int p = 0; seek(bits, l->words, l->count, p) < l->count; cycles++)
        p = step(bits, l->words, p);
    return cycles;
}

static void put_lane(struct bce_map *m, int lane, bool inverted, int n)
{
    m->walked |= 1u << lane;
    m->marked |= (uint32_t)inverted << lane;
    m->first |= 1u << m->regs;
    m->regs += n;
}

static bool cut_all(const struct lanes *l, struct bce_map *m)
{
    uint8_t plain[TOO_MANY + 1], other[TOO_MANY + 1];
    for (int b = 0; b < l->num; b++) {
        int n = cut(l, l->set[b], false, m->limit, BCE_LANES, plain);
        int k = n > 1 && l->inverts ? cut(l, l->rest[b], true, m->limit, BCE_LANES, other) : n;
        bool inverted = k < n;
        n = inverted ? k : n;
        if (m->regs + n > l->regs)
            return false;
        memcpy(m->start + m->regs, inverted ? other : plain, (size_t)n);
        if (n > 0)
            put_lane(m, b, inverted, n);
    }
    return true;
}

static void walk_all(const struct lanes *l, struct bce_map *m)
{
    for (int b = 0; b < l->num; b++) {
        int plain = uncut_cycles(l, l->set[b], false),
            other = l->inverts ? uncut_cycles(l, l->rest[b], true) : plain;
        int cycles = other < plain ? other : plain;
        m->limit = cycles > m->limit ? cycles : m->limit;
        if (cycles > 0)
            put_lane(m, b, other < plain, 1);
    }
}

static int count_of(const uint64_t *bits, int words)
{
    int n = 0;
    for (int w = 0; w < words; w++)
        n += __builtin_popcountll(bits[w]);
    return n;
}

// An RR-reg selects a bit a cycle.
static int least_limit(const struct lanes *l)
{
    int all = 0;
    for (int b = 0; b < l->num; b++) {
        int n = count_of(l->set[b], l->words),
            k = l->inverts ? count_of(l->rest[b], l->words) + 1 : n;
        all += n < k ? n : k;
    }
    return all > l->regs ? (all + l->regs - 1) / l->regs : 1;
}

static void take_lanes(const struct bce_tile *t, int words, int regs, struct lanes *l)
{
    struct bce_selected d;
    l->num = t->map.code == BCE_CODE_MAGNITUDE ? t->lanes : t->lanes + 1;
    l->words = words;
    l->count = t->count;
    l->regs = regs;
    l->inverts = t->map.code == BCE_CODE_TWOS_COMPLEMENT;
    bce_map_digits(t, words, &d);
    for (int b = 0; b < l->num; b++)
        for (int w = 0; w < words; w++) {
            int left = t->count - 64 * w;
            uint64_t inside = left >= 64 ? ~0ull : left > 0 ? (1ull << left) - 1 : 0;
            l->set[b][w] = d.pos[b][w] | d.neg[b][w];
            l->rest[b][w] = ~l->set[b][w] & inside;
        }
}

static bool has_code(int code, int lanes, int regs, uint32_t ext)
{
    static const uint32_t needs[] = {0, MACHINE_EXT_S, MACHINE_EXT_B};
    return (ext & needs[code]) == needs[code] && lanes + (code != BCE_CODE_MAGNITUDE) <= regs;
}

void bce_map_make(const struct bce_config *c, uint32_t ext, struct bce_tile *t)
{
    struct bce_map best = {.limit = BCE_MAX_N + 2};
    for (int code = BCE_CODE_MAGNITUDE; code <= BCE_CODE_TWOS_COMPLEMENT; code++) {
        struct lanes l;
        if (!has_code(code, t->lanes, c->regs, ext))
            continue;
        t->map = (struct bce_map){.code = (enum bce_code)code};
        take_lanes(t, (c->n + 63) / 64, c->regs, &l);
        if (!(ext & MACHINE_EXT_G)) {
            struct bce_map m = {.code = (enum bce_code)code, .limit = 1};
            walk_all(&l, &m);
            best = m.limit < best.limit && m.regs <= c->regs ? m : best;
            continue;
        }
        for (int limit = least_limit(&l); limit < best.limit; limit++) {
            struct bce_map m = {.code = (enum bce_code)code, .limit = limit};
            if (cut_all(&l, &m))
                best = m;
        }
    }
    t->map = best;
}

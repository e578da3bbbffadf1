// For a number of cycles T a lane is cut greedily: an RR-reg begins at the first bit that is left
// and takes what its walk reaches in T cycles. No other cut reaches further with as many, because a
// walk that begins later is never overtaken by one that begins earlier; so the sum of the greedy
// counts is the fewest RR-regs that T takes, and the least T is found by trying from a lower bound:
// an RR-reg selects one bit a cycle. The codes are compared by their least T, and in two's
// complement each lane takes the form, inverted or not, that needs fewer RR-regs at this T.
//
// A marked lane of signed digits keeps its ones: 3 is 2 + 1 there in place of 4 - 1. Canonical
// digits are the fewest, but marks move some of them to lanes whose RR-regs have cycles left. What
// a lane holds follows from the marks below it, so that they are tried from the lowest lane up, and
// a branch ends where the lanes so far take too many RR-regs.
#include "lanemap.h"

#include <string.h>

#include "io.h"

enum { WINDOW = 8, MAP_HEAD = 16, CYCLES_MAX = 257 };
enum { CODE_MAGNITUDE, CODE_SIGNED_DIGITS, CODE_TWOS_COMPLEMENT, CODES };

// A tile's digits in one code: set bits of each lane and, where lanes can be inverted, the
// other ones.
struct digits {
    int lanes, words, count;
    uint64_t set[LANEMAP_REGS][LANEMAP_WORDS];
    uint64_t complement[LANEMAP_REGS][LANEMAP_WORDS];
};

// ---- Walks

static uint64_t bits_from(const uint64_t *bits, int p)
{
    int w = p >> 6, shift = p & 63;
    uint64_t x = bits[w] >> shift;
    return shift != 0 && w + 1 < LANEMAP_WORDS ? x | bits[w + 1] << (64 - shift) : x;
}

// The first set bit from p on, or `count`.
static int next_bit(const uint64_t *bits, int count, int p)
{
    while (p < count) {
        uint64_t x = bits_from(bits, p);
        if (x != 0) {
            p += __builtin_ctzll(x);
            return p < count ? p : count;
        }
        p += 64;
    }
    return count;
}

// Where the check window stands after a cycle at p.
static int window_end(const uint64_t *bits, int p)
{
    uint64_t window = bits_from(bits, p) & 0xff, rest = window & (window - 1);
    return p + (rest != 0 ? __builtin_ctzll(rest) : WINDOW);
}

int lanemap_cut(const uint64_t *bits, int count, int limit, bool sum, uint8_t *start)
{
    int p = next_bit(bits, count, 0), regs = 0;
    if (sum && (p == count || (limit == 1 && p > 0)))
        start[regs++] = 0; // for the sum alone
    else if (sum && limit == 1)
        return LANEMAP_REGS + 1;
    bool taken = sum && regs == 0;
    while (p < count) {
        if (regs == LANEMAP_REGS)
            return LANEMAP_REGS + 1;
        start[regs++] = (uint8_t)p;
        for (int t = taken ? 1 : 0; t < limit && p < count; t++)
            p = window_end(bits, p);
        taken = false;
        p = next_bit(bits, count, p);
    }
    return regs;
}

int lanemap_walk(const uint64_t *bits, int count)
{
    int cycles = 0;
    for (int p = 0; p < count; cycles++)
        p = window_end(bits, p);
    return cycles;
}

// Without extension G one RR-reg walks a lane from position 0.
static int whole_walk(const uint64_t *bits, int count, bool sum)
{
    int left = next_bit(bits, count, 0), p = 0, cycles = sum;
    for (; left < count; left = next_bit(bits, count, p), cycles++)
        p = window_end(bits, p);
    return cycles;
}

static int count_bits(const uint64_t *bits, int words)
{
    int n = 0;
    for (int w = 0; w < words; w++)
        n += __builtin_popcountll(bits[w]);
    return n;
}

// Whether a window inside the lane may hold one bit and end before the next.
static bool has_gap(uint64_t x)
{
    uint64_t below = x ^ (x - 1), above = x != 0 ? ~UINT64_C(0) >> __builtin_clzll(x) : 0;
    uint64_t zeros = ~x & ~below & above;
    zeros &= zeros >> 1;
    zeros &= zeros >> 2;
    return (zeros & zeros >> 4) != 0;
}

// Cuts of a lane of 64 positions, as lanemap_cut makes them.
static int cuts_of_word(uint64_t x, int limit)
{
    int regs = 0;
    while (x != 0) {
        x >>= __builtin_ctzll(x);
        for (int t = 0; t < limit && x != 0; t++) {
            uint64_t window = x & 0xff, rest = window & (window - 1);
            x >>= rest != 0 ? __builtin_ctzll(rest) : WINDOW;
        }
        regs++;
    }
    return regs;
}

// RR-regs that a lane takes; where they are more than `room`, perhaps fewer than it takes.
static int count_regs(const uint64_t *bits, int words, int count, int limit, int room)
{
    uint8_t start[LANEMAP_REGS + 1];
    int least = (count_bits(bits, words) + limit - 1) / limit;
    if (least > room)
        return least;
    if (words > 1)
        return lanemap_cut(bits, count, limit, false, start);
    return has_gap(bits[0]) ? cuts_of_word(bits[0], limit) : least;
}

// ---- Digits

static void read_magnitude(const uint8_t *tile, int lanes, int words, struct digits *d)
{
    d->lanes = lanes;
    for (int b = 0; b < lanes; b++)
        for (int w = 0; w < words; w++)
            d->set[b][w] = io_get64(tile + 8 * ((2 + b) * words + w));
}

// Digit b is x_b + c_b - 2 c_(b+1); the carry is the majority of x_b, x_(b+1) and c_b.
static void read_signed_digits(const uint8_t *tile, int lanes, int words, struct digits *d)
{
    d->lanes = lanes + 1;
    for (int w = 0; w < words; w++) {
        uint64_t carry = 0, x = io_get64(tile + 8 * (2 * words + w));
        for (int b = 0; b <= lanes; b++) {
            uint64_t above = b + 1 < lanes ? io_get64(tile + 8 * ((3 + b) * words + w)) : 0;
            d->set[b][w] = x ^ carry;
            carry = (x & above) | (carry & (x | above));
            x = above;
        }
    }
}

static void read_twos_complement(const uint8_t *tile, int lanes, int words, struct digits *d)
{
    d->lanes = lanes + 1;
    for (int w = 0; w < words; w++) {
        uint64_t sign = io_get64(tile + 8 * (words + w)), carry = sign;
        int left = d->count - 64 * w;
        uint64_t inside = left >= 64 ? ~UINT64_C(0) : left > 0 ? (UINT64_C(1) << left) - 1 : 0;
        for (int b = 0; b <= lanes; b++) {
            uint64_t x = (b < lanes ? io_get64(tile + 8 * ((2 + b) * words + w)) : 0) ^ sign;
            d->set[b][w] = x ^ carry;
            d->complement[b][w] = ~d->set[b][w] & inside;
            carry &= x;
        }
    }
}

// ---- Choice

// No map of the digits takes fewer cycles.
static int lower_bound(const struct digits *d, bool inverts, int regs)
{
    int all = 0;
    for (int b = 0; b < d->lanes; b++) {
        int plain = count_bits(d->set[b], d->words),
            other = inverts ? count_bits(d->complement[b], d->words) + 1 : plain;
        all += plain < other ? plain : other;
    }
    return all > regs ? (all + regs - 1) / regs : 1;
}

static void add_lane(struct lanemap *m, int lane, bool inverted, const uint8_t *start, int regs)
{
    m->walked |= 1u << lane;
    m->marked |= (uint32_t)inverted << lane;
    m->first |= 1u << m->regs;
    memcpy(m->start + m->regs, start, (size_t)regs);
    m->regs += regs;
}

// Cuts a lane for the cycles in m->limit.
static void cut_lane(const struct digits *d, int lane, bool inverted, struct lanemap *m)
{
    uint8_t start[LANEMAP_REGS + 1];
    const uint64_t *bits = inverted ? d->complement[lane] : d->set[lane];
    int n = lanemap_cut(bits, d->count, m->limit, inverted, start);
    if (n > 0)
        add_lane(m, lane, inverted, start, n);
}

// Fills the map for the cycles in m->limit; false: the RR-regs do not suffice.
static bool fill_cut(const struct digits *d, bool inverts, int regs, struct lanemap *m)
{
    uint32_t inverted = 0;
    int room = regs;
    for (int b = 0; b < d->lanes; b++) {
        uint8_t start[LANEMAP_REGS + 1];
        int n = count_regs(d->set[b], d->words, d->count, m->limit, room);
        if (n > 1 && inverts && count_bits(d->complement[b], d->words) < (n - 1) * m->limit) {
            int with = lanemap_cut(d->complement[b], d->count, m->limit, true, start);
            inverted |= (uint32_t)(with < n) << b;
            n = with < n ? with : n;
        }
        room -= n;
        if (room < 0)
            return false;
    }
    for (int b = 0; b < d->lanes; b++)
        cut_lane(d, b, inverted >> b & 1, m);
    return true;
}

static void fill_whole(const struct digits *d, bool inverts, struct lanemap *m)
{
    static const uint8_t start[1] = {0};
    for (int b = 0; b < d->lanes; b++) {
        int plain = whole_walk(d->set[b], d->count, false),
            other = inverts ? whole_walk(d->complement[b], d->count, true) : plain;
        int cycles = other < plain ? other : plain;
        if (cycles > 0)
            add_lane(m, b, other < plain, start, 1);
        m->limit = cycles > m->limit ? cycles : m->limit;
    }
}

// Replaces *best when the code takes fewer cycles.
static void try_code(const struct machine *machine, int code, const struct digits *d,
                     struct lanemap *best)
{
    bool inverts = code == CODE_TWOS_COMPLEMENT;
    int regs = (int)machine->lanes;
    struct lanemap m = {.code = code, .limit = 1};
    if (!(machine->ext & MACHINE_EXT_G)) {
        fill_whole(d, inverts, &m);
        if (m.regs <= regs && m.limit < best->limit)
            *best = m;
        return;
    }
    for (int limit = lower_bound(d, inverts, regs); limit < best->limit; limit++) {
        m = (struct lanemap){.code = code, .limit = limit};
        if (fill_cut(d, inverts, regs, &m)) {
            *best = m;
            return;
        }
    }
}

// ---- Marks

// Enough for all marks of 7 bits: the lanes 0 to 5 have a bit above them.
enum { BRANCHES = 63 };

struct marks {
    const struct machine *machine;
    const struct digits *bits; // of the magnitude
    struct digits digits;
    int limit, branches; // that may still be tried
    uint32_t marked;
};

static int lane_regs(const struct marks *s, const uint64_t *set, int room)
{
    const struct digits *d = s->bits;
    if (s->machine->ext & MACHINE_EXT_G)
        return count_regs(set, d->words, d->count, s->limit, room);
    int cycles = whole_walk(set, d->count, false);
    return cycles > s->limit ? LANEMAP_REGS + 1 : cycles > 0;
}

// Marks for the lanes from b on, where `carry` comes in and `room` RR-regs are left; false: none
// fit.
static bool mark_from(struct marks *s, int b, int room, const uint64_t *carry)
{
    const struct digits *d = s->bits;
    uint64_t kept[LANEMAP_WORDS] = {0}, next[LANEMAP_WORDS] = {0}, differ = 0;
    for (int w = 0; w < d->words; w++) {
        uint64_t x = b < d->lanes ? d->set[b][w] : 0,
                 above = b + 1 < d->lanes ? d->set[b + 1][w] : 0, set = x ^ carry[w];
        s->digits.set[b][w] = set;
        kept[w] = x & carry[w];
        next[w] = kept[w] | (set & above);
        differ |= set & above;
    }
    room -= lane_regs(s, s->digits.set[b], room);
    if (room < 0 || b == d->lanes)
        return room >= 0;
    if (mark_from(s, b + 1, room, next))
        return true;
    if (differ == 0 || s->branches == 0)
        return false;
    s->branches--;
    s->marked |= 1u << b;
    if (mark_from(s, b + 1, room, kept))
        return true;
    s->marked &= ~(1u << b);
    return false;
}

// Replaces *best when signed digits with marks take fewer cycles.
static void try_marks(const struct machine *machine, const struct digits *canonical,
                      const struct digits *bits, struct lanemap *best)
{
    static const uint64_t none[LANEMAP_WORDS] = {0};
    bool cuts = machine->ext & MACHINE_EXT_G;
    int limit = cuts ? lower_bound(canonical, false, (int)machine->lanes) : 1;
    struct marks s = {.machine = machine, .bits = bits, .digits.lanes = bits->lanes + 1};
    s.digits.words = bits->words;
    s.digits.count = bits->count;
    for (; limit < best->limit; limit++) {
        s.limit = limit;
        s.branches = BRANCHES;
        if (!mark_from(&s, 0, (int)machine->lanes, none))
            continue;
        *best = (struct lanemap){.code = CODE_SIGNED_DIGITS, .limit = cuts ? limit : 0};
        if (cuts)
            fill_cut(&s.digits, false, (int)machine->lanes, best);
        else
            fill_whole(&s.digits, false, best);
        best->marked = s.marked;
        return;
    }
}

void lanemap_choose(const struct machine *m, enum lanemap_by by, const uint8_t *tile, int lanes,
                    int count, struct lanemap *out)
{
    static void (*const read[CODES])(const uint8_t *, int, int, struct digits *) = {
        read_magnitude, read_signed_digits, read_twos_complement};
    static const uint32_t needs[CODES] = {0, MACHINE_EXT_S, MACHINE_EXT_B};
    struct digits d[CODES];
    bool has[CODES];
    *out = (struct lanemap){.limit = CYCLES_MAX + 1};
    for (int code = 0; code < CODES; code++) {
        int most = m->lanes < LANEMAP_REGS ? (int)m->lanes : LANEMAP_REGS;
        has[code] = (m->ext & needs[code]) == needs[code] && lanes + (code != 0) <= most;
        if (!has[code])
            continue;
        d[code] = (struct digits){.words = machine_group_words(m), .count = count};
        read[code](tile, lanes, d[code].words, &d[code]);
        try_code(m, code, &d[code], out);
    }
    if (by == LANEMAP_BY_COMPILER && has[CODE_SIGNED_DIGITS])
        try_marks(m, &d[CODE_SIGNED_DIGITS], &d[CODE_MAGNITUDE], out);
}

void lanemap_store(const struct machine *m, const struct lanemap *map, uint8_t *out)
{
    memset(out, 0, machine_lane_map_bytes(m));
    io_put64(out, (uint64_t)map->code << 62 | (uint64_t)map->marked << 32 | map->walked);
    io_put64(out + 8, (uint64_t)map->limit << 32 | (uint64_t)map->regs << 24 | map->first);
    memcpy(out + MAP_HEAD, map->start, (size_t)map->regs);
}

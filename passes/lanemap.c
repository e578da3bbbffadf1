// For a number of cycles T a lane is cut greedily: an RR-reg begins at the first bit that is left
// and takes what its walk reaches in T cycles. No other cut reaches further with as many, because a
// walk that begins later is never overtaken by one that begins earlier; so the sum of the greedy
// counts is the fewest RR-regs that T takes, and the least T is found by trying from a lower bound:
// an RR-reg selects one bit a cycle. The codes are compared by their least T, and in two's
// complement each lane takes the form, inverted or not, that needs fewer RR-regs at this T.
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

static int count_bits(const uint64_t *bits, int words)
{
    int n = 0;
    for (int w = 0; w < words; w++)
        n += __builtin_popcountll(bits[w]);
    return n;
}

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
    m->inverted |= (uint32_t)inverted << lane;
    m->first |= 1u << m->regs;
    memcpy(m->start + m->regs, start, (size_t)regs);
    m->regs += regs;
}

// Fills the map for the cycles in m->limit; false: the RR-regs do not suffice.
static bool fill_cut(const struct digits *d, bool inverts, int regs, struct lanemap *m)
{
    for (int b = 0; b < d->lanes; b++) {
        uint8_t plain[LANEMAP_REGS + 1], other[LANEMAP_REGS + 1];
        int n = lanemap_cut(d->set[b], d->count, m->limit, false, plain);
        int with =
            n > 1 && inverts ? lanemap_cut(d->complement[b], d->count, m->limit, true, other) : n;
        bool inverted = with < n;
        n = inverted ? with : n;
        if (m->regs + n > regs)
            return false;
        if (n > 0)
            add_lane(m, b, inverted, inverted ? other : plain, n);
    }
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

void lanemap_choose(const struct machine *m, const uint8_t *tile, int lanes, int count,
                    struct lanemap *out)
{
    static void (*const read[CODES])(const uint8_t *, int, int, struct digits *) = {
        read_magnitude, read_signed_digits, read_twos_complement};
    static const uint32_t needs[CODES] = {0, MACHINE_EXT_S, MACHINE_EXT_B};
    *out = (struct lanemap){.limit = CYCLES_MAX + 1};
    for (int code = 0; code < CODES; code++) {
        struct digits d = {.words = machine_group_words(m), .count = count};
        int most = m->lanes < LANEMAP_REGS ? (int)m->lanes : LANEMAP_REGS;
        if ((m->ext & needs[code]) != needs[code] || lanes + (code != 0) > most)
            continue;
        read[code](tile, lanes, d.words, &d);
        try_code(m, code, &d, out);
    }
}

void lanemap_store(const struct machine *m, const struct lanemap *map, uint8_t *out)
{
    memset(out, 0, machine_lane_map_bytes(m));
    io_put64(out, (uint64_t)map->code << 62 | (uint64_t)map->inverted << 32 | map->walked);
    io_put64(out + 8, (uint64_t)map->limit << 32 | (uint64_t)map->regs << 24 | map->first);
    memcpy(out + MAP_HEAD, map->start, (size_t)map->regs);
}

// Lane maps: their bytes and what must hold in them, and which bits a mapped tile's RR-regs select.
// Digits are made bit-sliced, a word of weights at a time, and walked a word of a lane at a time.
#include <string.h>

#include "bce.h"
#include "io.h"
#include "machine.h"

#define MAP_HEAD 16

size_t bce_map_bytes(int regs)
{
    return MAP_HEAD + ((size_t)regs + 7) / 8 * 8;
}

void bce_map_load(const uint8_t *bytes, int regs, struct bce_map *out)
{
    uint64_t lanes = io_get64(bytes), work = io_get64(bytes + 8);
    *out = (struct bce_map){.code = (enum bce_code)(lanes >> 62),
                            .walked = lanes & 0xffffff,
                            .marked = lanes >> 32 & 0xffffff,
                            .first = work & 0xffffff,
                            .regs = (int)(work >> 24 & 0xff),
                            .limit = (int)(work >> 32 & 0xffff)};
    memcpy(out->start, bytes + MAP_HEAD, (size_t)regs);
}

void bce_map_store(const struct bce_map *m, int regs, uint8_t *bytes)
{
    memset(bytes, 0, bce_map_bytes(regs));
    io_put64(bytes, (uint64_t)m->code << 62 | (uint64_t)m->marked << 32 | m->walked);
    io_put64(bytes + 8, (uint64_t)m->limit << 32 | (uint64_t)m->regs << 24 | m->first);
    memcpy(bytes + MAP_HEAD, m->start, (size_t)m->regs);
}

// ---- What must hold -----------------------------------------------------------------------------

static const char *shape_fault(const struct bce_map *m, int regs, int lanes)
{
    int digits = m->code == BCE_CODE_MAGNITUDE ? lanes : lanes + 1;
    if (m->code > BCE_CODE_TWOS_COMPLEMENT)
        return "has an unknown code";
    if (m->regs > regs)
        return "uses more RR-regs than there are";
    if (digits > BCE_LANES || m->walked >> digits != 0)
        return "walks lanes that its code has not";
    if (m->code == BCE_CODE_TWOS_COMPLEMENT && (m->marked & ~m->walked))
        return "inverts lanes that it does not walk";
    if (m->marked >> (m->code == BCE_CODE_MAGNITUDE ? 0 : digits) != 0)
        return "marks lanes that cannot be";
    if (m->first >> m->regs != 0 || (m->regs > 0 && !(m->first & 1)) ||
        __builtin_popcount(m->first) != __builtin_popcount(m->walked))
        return "has RR-regs that are on no lane, or lanes without RR-reg";
    if (m->regs > 0 && m->limit < 1)
        return "gives its RR-regs no cycles";
    for (int r = 1; r < m->regs; r++)
        if (!(m->first >> r & 1) && m->start[r] <= m->start[r - 1])
            return "has RR-regs of a lane out of order";
    return NULL;
}

const char *bce_map_fault(const struct bce_map *m, int regs, int lanes, uint32_t ext)
{
    const char *bad = shape_fault(m, regs, lanes);
    if (bad)
        return bad;
    if (m->code == BCE_CODE_SIGNED_DIGITS && !(ext & MACHINE_EXT_S))
        return "has signed digits, which take extension S";
    if (m->code == BCE_CODE_TWOS_COMPLEMENT && !(ext & MACHINE_EXT_B))
        return "has two's complement lanes, which take extension B";
    for (int r = 0; r < m->regs && !(ext & MACHINE_EXT_G); r++)
        if (m->start[r] != 0 || !(m->first >> r & 1))
            return "cuts a lane, which takes extension G";
    return NULL;
}

void bce_map_ranges(const struct bce_map *m, int count, struct bce_range *out)
{
    uint32_t left = m->walked, inverted = m->code == BCE_CODE_TWOS_COMPLEMENT ? m->marked : 0;
    int lane = -1;
    for (int r = 0; r < m->regs; r++) {
        bool first = m->first >> r & 1;
        if (first) {
            lane = __builtin_ctz(left);
            left &= left - 1;
        }
        bool last = r + 1 == m->regs || (m->first >> (r + 1) & 1);
        int end = last || m->start[r + 1] > count ? count : m->start[r + 1];
        out[r] = (struct bce_range){
            .lane = lane, .start = m->start[r], .end = end, .sum = first && (inverted >> lane & 1)};
    }
}

// ---- Digits -------------------------------------------------------------------------------------

// Lanes of one word of weights, by sign.
struct digits {
    uint64_t pos[BCE_LANES + 1], neg[BCE_LANES + 1];
};

static void from_magnitude(const struct bce_tile *t, int w, struct digits *d)
{
    for (int b = 0; b < t->lanes; b++) {
        d->pos[b] = t->col[b][w] & ~t->sign[w];
        d->neg[b] = t->col[b][w] & t->sign[w];
    }
}

// Digit b is x_b + c_b - 2 c_(b+1), where the carry is the majority of x_b, c_b and, unless the
// lane is marked, x_(b+1).
static void from_signed_digits(const struct bce_tile *t, int w, struct digits *d)
{
    uint64_t carry = 0, sign = t->sign[w];
    for (int b = 0; b <= t->lanes; b++) {
        bool looks = b + 1 < t->lanes && !(t->map.marked >> b & 1);
        uint64_t x = b < t->lanes ? t->col[b][w] : 0, above = looks ? t->col[b + 1][w] : 0;
        uint64_t next = (x & above) | (carry & (x | above)), set = x ^ carry, minus = next ^ sign;
        d->pos[b] = set & ~minus;
        d->neg[b] = set & minus;
        carry = next;
    }
}

static void from_twos_complement(const struct bce_tile *t, int w, struct digits *d)
{
    int left = t->count - 64 * w;
    uint64_t inside = left <= 0 ? 0 : left >= 64 ? ~0ull : (1ull << left) - 1;
    uint64_t sign = t->sign[w], carry = sign;
    for (int b = 0; b <= t->lanes; b++) {
        uint64_t x = (b < t->lanes ? t->col[b][w] : 0) ^ sign, bit = x ^ carry;
        bool inverted = t->map.marked >> b & 1, negative = (b == t->lanes) != inverted;
        carry &= x;
        bit = inverted ? ~bit & inside : bit;
        d->pos[b] = negative ? 0 : bit;
        d->neg[b] = negative ? bit : 0;
    }
}

void bce_map_digits(const struct bce_tile *t, int words, struct bce_selected *out)
{
    for (int w = 0; w < words; w++) {
        struct digits d = {{0}, {0}};
        switch (t->map.code) {
        case BCE_CODE_MAGNITUDE: from_magnitude(t, w, &d); break;
        case BCE_CODE_SIGNED_DIGITS: from_signed_digits(t, w, &d); break;
        case BCE_CODE_TWOS_COMPLEMENT: from_twos_complement(t, w, &d); break;
        }
        for (int b = 0; b < BCE_LANES; b++) {
            out->pos[b][w] = d.pos[b];
            out->neg[b][w] = d.neg[b];
        }
    }
}

// ---- Walks --------------------------------------------------------------------------------------

// Positions p .. p + 63 of a lane, those from `end` on empty.
static uint64_t bits_from(const uint64_t *col, int p, int end)
{
    int w = p >> 6, shift = p & 63;
    uint64_t x = col[w] >> shift;
    if (shift && w + 1 < BCE_MAX_WORDS)
        x |= col[w + 1] << (64 - shift);
    return end - p >= 64 ? x : x & ((1ull << (end - p)) - 1);
}

// Cycles of one RR-reg; the bits it selects are left in *sel.
static int walk_range(const struct bce_config *c, const struct bce_map *m,
                      const struct bce_range *r, const uint64_t *col, uint64_t *sel)
{
    int cycles = r->sum, limit = c->walk == BCE_WALK_WINDOW ? m->limit : BCE_MAX_N + 1;
    if (c->walk == BCE_WALK_ALL && r->end > r->start)
        cycles += r->end - r->start;
    for (int p = r->start; p < r->end && (cycles < limit || c->walk == BCE_WALK_ALL);) {
        uint64_t bits = bits_from(col, p, r->end);
        int first = bits ? __builtin_ctzll(bits) : 64;
        if (c->walk == BCE_WALK_WINDOW) {
            uint64_t window = bits & 0xff, rest = window & (window - 1);
            cycles++;
            if (window)
                sel[(p + first) >> 6] |= 1ull << ((p + first) & 63);
            p += window && rest ? __builtin_ctzll(rest) : BCE_WINDOW;
            continue;
        }
        if (bits) {
            sel[(p + first) >> 6] |= 1ull << ((p + first) & 63);
            cycles += c->walk == BCE_WALK_IDEAL;
        }
        p += bits ? first + 1 : 64;
    }
    return cycles;
}

// Windows of a walk over 64 positions that begin behind `last`, where nothing is set: every eighth
// position. state: after the walk.
static int windows_behind(int last, int state)
{
    int first = -(state >> 1) & (BCE_WINDOW - 1); // modulo 8
    return 64 / BCE_WINDOW - 1 - ((last - first) >> 3);
}

// Of a tile of one word: what each RR-reg walks becomes a column that begins with its first
// position, and all columns are walked side by side.
static void walk_together(const struct bce_config *c, const struct bce_tables *tables,
                          const struct bce_tile *t, const struct bce_range *range,
                          const uint64_t (*digits)[BCE_MAX_WORDS], uint64_t (*sel)[BCE_MAX_WORDS],
                          int *cycles)
{
    uint64_t col[BCE_WALK_COLUMNS];
    uint8_t state[BCE_WALK_COLUMNS] = {0};
    uint16_t windows[BCE_WALK_COLUMNS] = {0};
    int regs = t->map.regs, limit = t->map.limit;
    for (int r = 0; r < regs; r++) {
        int start = range[r].start, length = range[r].end - start;
        uint64_t inside = length > 0 ? ~0ull >> (64 - length) : 0;
        col[r] = digits[range[r].lane][0] >> (start & 63) & inside;
    }
    for (int r = regs; r < BCE_WALK_COLUMNS; r++)
        col[r] = 0;
    tables->kernels->walk(tables, col, 64, state, windows);
    for (int r = 0; r < regs; r++) {
        int b = range[r].lane, last = range[r].end - range[r].start - 1, all = range[r].sum;
        if (last >= 0)
            all += windows[r] - windows_behind(last, state[r]);
        cycles[r] = all < limit ? all : limit;
        if (all > limit && col[r]) {
            last = 63 - __builtin_clzll(col[r]);
            if (range[r].sum + windows[r] - windows_behind(last, state[r]) > limit) {
                cycles[r] = walk_range(c, &t->map, &range[r], digits[b], sel[b]);
                continue; // not all bits are reached
            }
        }
        sel[b][0] |= col[r] << (range[r].start & 63);
    }
}

void bce_map_select(const struct bce_config *c, const struct bce_tables *tables,
                    const struct bce_tile *t, struct bce_plan *p, struct bce_selected *out)
{
    int words = (c->n + 63) / 64, lanes = t->lanes < BCE_LANES ? t->lanes + 1 : t->lanes;
    int cycles[BCE_LANES];
    struct bce_range range[BCE_LANES];
    uint64_t set[BCE_LANES][BCE_MAX_WORDS], sel[BCE_LANES][BCE_MAX_WORDS];
    uint16_t ones[BCE_LANES];
    bce_map_digits(t, words, out);
    bce_map_ranges(&t->map, t->count, range);
    for (int b = 0; b < lanes; b++)
        for (int w = 0; w < BCE_MAX_WORDS; w++) {
            set[b][w] = w < words ? out->pos[b][w] | out->neg[b][w] : 0;
            sel[b][w] = 0;
        }
    if (words == 1 && c->walk == BCE_WALK_WINDOW)
        walk_together(c, tables, t, range, (const uint64_t(*)[BCE_MAX_WORDS])set, sel, cycles);
    else
        for (int r = 0; r < t->map.regs; r++)
            cycles[r] = walk_range(c, &t->map, &range[r], set[range[r].lane], sel[range[r].lane]);
    for (int r = 0; r < t->map.regs; r++) {
        int b = range[r].lane;
        bool negative = t->map.code == BCE_CODE_TWOS_COMPLEMENT && b == t->lanes;
        p->lane_cycles[b] = (uint16_t)(p->lane_cycles[b] + cycles[r]);
        p->lane_selections[b] = (uint16_t)(p->lane_selections[b] + range[r].sum);
        p->sum_factor += range[r].sum ? (negative ? -(1ll << b) : 1ll << b) : 0;
        p->d = cycles[r] > p->d ? cycles[r] : p->d;
    }
    tables->kernels->ones(sel[0], lanes, words, ones);
    for (int b = 0; b < lanes; b++) {
        p->lane_selections[b] = (uint16_t)(p->lane_selections[b] + ones[b]);
        for (int w = 0; w < words; w++) {
            out->pos[b][w] &= sel[b][w];
            out->neg[b][w] &= sel[b][w];
        }
    }
}

// Lane maps: every weight is what the RR-regs reach of it, and no map of the same machine takes
// fewer cycles. The search here tries every place where an RR-reg may begin, and every mark.
#include "lanemap.h"

#include "check.h"
#include "io.h"
#include "passes_rng.h"

enum { N = 16, LANES_MAX = 7, NEVER = 1000 };

struct weights { // of a group
    int lanes, n, w[N];
};

static int window_cycle(const bool *bit, int n, int p)
{
    int seen = 0;
    for (int i = p; i < p + 8 && i < n; i++)
        if (bit[i] && ++seen == 2)
            return i;
    return p + 8;
}

static int first_set(const bool *bit, int n, int p)
{
    while (p < n && !bit[p])
        p++;
    return p;
}

// Fewest RR-regs, `limit` cycles each, for the bits from u on; all begin behind `behind`. known: of
// (u, behind), 0 where not yet worked out, else the answer and 1.
static int fewest(const bool *bit, int n, int limit, int u, int behind, bool sum,
                  int known[N + 1][N + 1])
{
    int best = NEVER;
    u = first_set(bit, n, u);
    if (u >= n && !sum)
        return 0;
    if (!sum && known[u][behind + 1])
        return known[u][behind + 1] - 1;
    for (int s = behind + 1; s <= u && s < n; s++) {
        int p = s;
        for (int t = sum; t < limit && p < n; t++)
            p = window_cycle(bit, n, p);
        int rest = fewest(bit, n, limit, p > u ? p : u, s, false, known);
        best = rest + 1 < best ? rest + 1 : best;
    }
    if (!sum)
        known[u][behind + 1] = best + 1;
    return best;
}

static int whole(const bool *bit, int n, bool sum)
{
    int cycles = sum;
    for (int p = 0; first_set(bit, n, p) < n; cycles++)
        p = window_cycle(bit, n, p);
    return cycles;
}

// What stands behind digit b of magnitudes as signed digits: an odd number gives away the digit
// that leaves a multiple of four, in a marked lane 1.
static int signed_digit(int mag, int b, unsigned marked)
{
    for (;; b--, marked >>= 1) {
        int d = mag % 2 == 0 ? 0 : (marked & 1) || mag % 4 == 1 ? 1 : -1;
        if (b == 0)
            return d;
        mag = (mag - d) / 2;
    }
}

// Digit b of weight i in a code.
static int digit(const struct weights *g, int code, unsigned marked, int i, int b)
{
    int w = g->w[i];
    int mag = w < 0 ? -w : w;
    if (code == 0)
        return (mag >> b & 1) * (w < 0 ? -1 : 1);
    if (code == 2)
        return ((w + 256) >> b & 1) * (b == g->lanes ? -1 : 1);
    return (w < 0 ? -1 : 1) * signed_digit(mag, b, marked);
}

static void lane_bits(const struct weights *g, int code, unsigned marked, int b, bool inverted,
                      bool *bit)
{
    for (int i = 0; i < g->n; i++)
        bit[i] = (digit(g, code, marked, i, b) != 0) != inverted;
}

static bool fits(const struct machine *m, int code, unsigned marked, const struct weights *g,
                 int limit)
{
    int regs = 0;
    for (int b = 0; b < g->lanes + (code != 0); b++) {
        int least = NEVER;
        for (int inverted = 0; inverted <= (code == 2); inverted++) {
            bool bit[N];
            int k, known[N + 1][N + 1] = {{0}};
            lane_bits(g, code, marked, b, inverted, bit);
            if (m->ext & MACHINE_EXT_G)
                k = fewest(bit, g->n, limit, 0, -1, inverted, known);
            else
                k = whole(bit, g->n, inverted) > limit ? NEVER : whole(bit, g->n, inverted) > 0;
            least = k < least ? k : least;
        }
        regs += least;
    }
    return regs <= m->lanes;
}

static bool fits_marked(const struct machine *m, int code, unsigned marks, const struct weights *g,
                        int limit)
{
    for (unsigned marked = 0; marked <= marks; marked++)
        if (fits(m, code, marked, g, limit))
            return true;
    return false;
}

// marks: those of signed digits that are tried are 0 to this.
static int least_cycles(const struct machine *m, unsigned marks, const struct weights *g)
{
    for (int limit = 1;; limit++)
        for (int code = 0; code < 3; code++) {
            uint32_t needs = code == 1 ? MACHINE_EXT_S : code == 2 ? MACHINE_EXT_B : 0;
            if ((m->ext & needs) == needs && g->lanes + (code != 0) <= m->lanes &&
                fits_marked(m, code, code == 1 ? marks : 0, g, limit))
                return limit;
        }
}

static void make_tile(const struct weights *g, uint8_t *tile)
{
    uint64_t word[2 + LANES_MAX] = {0};
    for (int i = 0; i < g->n; i++) {
        int v = g->w[i];
        word[0] |= UINT64_C(1) << i;
        word[1] |= (uint64_t)(v < 0) << i;
        for (int b = 0; b < g->lanes; b++)
            word[2 + b] |= (uint64_t)((v < 0 ? -v : v) >> b & 1) << i;
    }
    for (int i = 0; i < 2 + g->lanes; i++)
        io_put64(tile + 8 * i, word[i]);
}

// What the RR-regs reach, added up.
static void check_values(const struct lanemap *m, const struct weights *g)
{
    int got[N] = {0}, lane = -1;
    uint32_t left = m->walked;
    for (int r = 0; r < m->regs; r++) {
        bool first = m->first >> r & 1, last = r + 1 == m->regs || (m->first >> (r + 1) & 1);
        if (first) {
            lane = __builtin_ctz(left);
            left &= left - 1;
        }
        bool inverted = m->code == 2 && (m->marked >> lane & 1), bit[N];
        int end = last ? g->n : m->start[r + 1], sign = m->code == 2 && lane == g->lanes ? -1 : 1;
        lane_bits(g, m->code, m->marked, lane, inverted, bit);
        for (int i = 0; i < g->n && first && inverted; i++)
            got[i] += sign * (1 << lane);
        for (int p = m->start[r], t = first && inverted; p < end && t < m->limit; t++) {
            int at = first_set(bit, end, p);
            if (at < p + 8 && at < end)
                got[at] +=
                    (inverted ? -sign : digit(g, m->code, m->marked, at, lane)) * (1 << lane);
            p = window_cycle(bit, end, p);
        }
    }
    CHECK_INT(left, 0);
    for (int i = 0; i < g->n; i++)
        CHECK_INT(got[i], g->w[i]);
}

static void random_weights(struct rng *r, struct weights *g)
{
    int kind = (int)rng_range(r, 0, 4), top = (1 << g->lanes) - 1;
    g->n = rng_range(r, 0, 3) ? N : (int)rng_range(r, 1, N);
    for (int i = 0; i < g->n; i++) {
        int v = (int)rng_range(r, -top, top);
        g->w[i] = kind == 0   ? v
                  : kind == 1 ? (v < 0 ? -top : top)
                  : kind == 2 ? (v < top - 2 ? -1 : 1)
                  : kind == 3 ? (rng_range(r, 0, 5) ? 0 : v)
                              : (v < 0 ? -v : v) | (top / 2 + 1);
    }
}

struct seen {
    int codes[3], marked;
};

// All marks of `lanes` bits are those below `marks`.
static void compare(struct rng *r, int lanes, int most_lanes, unsigned marks, struct seen *seen)
{
    struct weights g = {.lanes = lanes};
    uint8_t tile[8 * (2 + LANES_MAX)];
    struct machine m;
    struct lanemap map;
    machine_default(&m);
    m.group = N;
    m.lanes = rng_range(r, lanes, most_lanes);
    m.ext = (uint32_t)rng_range(r, 0, 7) << 1;
    random_weights(r, &g);
    make_tile(&g, tile);
    for (int by = LANEMAP_BY_COMPILER; by <= LANEMAP_BY_MACHINE; by++) {
        bool marked = by == LANEMAP_BY_COMPILER;
        lanemap_choose(&m, (enum lanemap_by)by, tile, lanes, g.n, &map);
        if (map.regs > 0)
            CHECK_INT(map.limit, least_cycles(&m, marked ? marks - 1 : 0, &g));
        CHECK(map.regs <= m.lanes);
        CHECK(marked || map.code != 1 || map.marked == 0);
        check_values(&map, &g);
        seen->codes[map.code]++;
        seen->marked += map.code == 1 && map.marked != 0;
    }
}

static void no_map_is_shorter(void)
{
    struct rng r = {11};
    struct seen seen = {{0}, 0};
    for (int i = 0; i < 3000; i++)
        compare(&r, 3, 9, 1 << 2, &seen);
    CHECK(seen.codes[0] > 100 && seen.codes[1] > 100 && seen.codes[2] > 100 && seen.marked > 10);
    seen.marked = 0;
    for (int i = 0; i < 1000; i++)
        compare(&r, 7, 14, 1 << 6, &seen);
    CHECK(seen.marked > 10);
}

// Cutting lanes where their walk stands after T cycles takes sum of ceil(c / T) RR-regs.
static void no_longer_than_by_walks(void)
{
    struct rng r = {12};
    for (int i = 0; i < 500; i++) {
        uint8_t tile[8 * 9] = {0};
        struct machine m;
        struct lanemap map;
        int cycles[7], limit = 1;
        machine_default(&m);
        m.ext = MACHINE_EXT_G;
        for (int b = 0; b < 7; b++) {
            bool bit[64];
            uint64_t word = rng_next(&r) & (b > 3 ? rng_next(&r) : ~UINT64_C(0));
            io_put64(tile + 8 * (2 + b), word);
            for (int k = 0; k < 64; k++)
                bit[k] = word >> k & 1;
            cycles[b] = whole(bit, 64, false);
        }
        for (int regs = 25; regs > 24; limit += regs > 24) {
            regs = 0;
            for (int b = 0; b < 7; b++)
                regs += (cycles[b] + limit - 1) / limit;
        }
        lanemap_choose(&m, LANEMAP_BY_COMPILER, tile, 7, 64, &map);
        CHECK(map.limit <= limit && map.limit >= limit - 3);
    }
}

int main(void)
{
    RUN(no_map_is_shorter);
    RUN(no_longer_than_by_walks);
    return check_summary();
}

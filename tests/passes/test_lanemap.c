// Lane maps: every weight is what the RR-regs reach of it, and no map of the same machine takes
// fewer cycles. The search here tries every place where an RR-reg may begin.
#include "lanemap.h"

#include "check.h"
#include "io.h"
#include "passes_rng.h"

enum { N = 16, LANES = 3, DIGITS = LANES + 1, NEVER = 1000 };

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

// Digit b of a weight in a code.
static int digit(int code, int w, int b)
{
    int mag = w < 0 ? -w : w;
    if (code == 0)
        return (mag >> b & 1) * (w < 0 ? -1 : 1);
    if (code == 2)
        return ((w + 64) >> b & 1) * (b == LANES ? -1 : 1);
    int three = 3 * mag; // non-adjacent form: 3w and w differ where a digit is not zero
    int d = (three >> (b + 1) & 1) - (mag >> (b + 1) & 1);
    return w < 0 ? -d : d;
}

static void lane_bits(int code, const int *w, int n, int b, bool inverted, bool *bit)
{
    for (int i = 0; i < n; i++)
        bit[i] = (digit(code, w[i], b) != 0) != inverted;
}

static bool fits(const struct machine *m, int code, const int *w, int n, int limit)
{
    int regs = 0;
    for (int b = 0; b < LANES + (code != 0); b++) {
        int least = NEVER;
        for (int inverted = 0; inverted <= (code == 2); inverted++) {
            bool bit[N];
            int k, known[N + 1][N + 1] = {{0}};
            lane_bits(code, w, n, b, inverted, bit);
            if (m->ext & MACHINE_EXT_G)
                k = fewest(bit, n, limit, 0, -1, inverted, known);
            else
                k = whole(bit, n, inverted) > limit ? NEVER : whole(bit, n, inverted) > 0;
            least = k < least ? k : least;
        }
        regs += least;
    }
    return regs <= m->lanes;
}

static int least_cycles(const struct machine *m, const int *w, int n)
{
    for (int limit = 1;; limit++)
        for (int code = 0; code < 3; code++) {
            uint32_t needs = code == 1 ? MACHINE_EXT_S : code == 2 ? MACHINE_EXT_B : 0;
            if ((m->ext & needs) == needs && LANES + (code != 0) <= m->lanes &&
                fits(m, code, w, n, limit))
                return limit;
        }
}

static void make_tile(const int *w, int n, uint8_t *tile)
{
    uint64_t word[2 + LANES] = {0};
    for (int i = 0; i < n; i++) {
        word[0] |= UINT64_C(1) << i;
        word[1] |= (uint64_t)(w[i] < 0) << i;
        for (int b = 0; b < LANES; b++)
            word[2 + b] |= (uint64_t)((w[i] < 0 ? -w[i] : w[i]) >> b & 1) << i;
    }
    for (int i = 0; i < 2 + LANES; i++)
        io_put64(tile + 8 * i, word[i]);
}

// What the RR-regs reach, added up.
static void check_values(const struct lanemap *m, const int *w, int n)
{
    int got[N] = {0}, lane = -1;
    uint32_t left = m->walked;
    for (int r = 0; r < m->regs; r++) {
        bool first = m->first >> r & 1, last = r + 1 == m->regs || (m->first >> (r + 1) & 1);
        if (first) {
            lane = __builtin_ctz(left);
            left &= left - 1;
        }
        bool inverted = m->inverted >> lane & 1, bit[N];
        int end = last ? n : m->start[r + 1], sign = m->code == 2 && lane == LANES ? -1 : 1;
        lane_bits(m->code, w, n, lane, inverted, bit);
        for (int i = 0; i < n && first && inverted; i++)
            got[i] += sign * (1 << lane);
        for (int p = m->start[r], t = first && inverted; p < end && t < m->limit; t++) {
            int at = first_set(bit, end, p);
            if (at < p + 8 && at < end)
                got[at] +=
                    inverted ? -sign * (1 << lane) : digit(m->code, w[at], lane) * (1 << lane);
            p = window_cycle(bit, end, p);
        }
    }
    CHECK_INT(left, 0);
    for (int i = 0; i < n; i++)
        CHECK_INT(got[i], w[i]);
}

static void random_tile(struct rng *r, int n, int *w)
{
    int kind = (int)rng_range(r, 0, 4);
    for (int i = 0; i < n; i++) {
        int v = (int)rng_range(r, -7, 7);
        w[i] = kind == 0   ? v
               : kind == 1 ? (v < 0 ? -7 : 7)
               : kind == 2 ? (v < 5 ? -1 : 1)
               : kind == 3 ? (rng_range(r, 0, 5) ? 0 : v)
                           : (v < 0 ? -v : v) | 4;
    }
}

static void no_map_is_shorter(void)
{
    struct rng r = {11};
    int codes[3] = {0};
    for (int i = 0; i < 3000; i++) {
        int w[N], n = rng_range(&r, 0, 3) ? N : (int)rng_range(&r, 1, N);
        uint8_t tile[8 * (2 + LANES)];
        struct machine m;
        struct lanemap map;
        machine_default(&m);
        m.group = N;
        m.lanes = rng_range(&r, LANES, 9);
        m.ext = (uint32_t)rng_range(&r, 0, 7) << 1;
        random_tile(&r, n, w);
        make_tile(w, n, tile);
        lanemap_choose(&m, tile, LANES, n, &map);
        if (map.regs > 0)
            CHECK_INT(map.limit, least_cycles(&m, w, n));
        CHECK(map.regs <= m.lanes);
        check_values(&map, w, n);
        codes[map.code]++;
    }
    CHECK(codes[0] > 100 && codes[1] > 100 && codes[2] > 100);
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
        lanemap_choose(&m, tile, 7, 64, &map);
        CHECK(map.limit <= limit && map.limit >= limit - 3);
    }
}

int main(void)
{
    RUN(no_map_is_shorter);
    RUN(no_longer_than_by_walks);
    return check_summary();
}

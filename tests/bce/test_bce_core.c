// One group: the literal PE against the kernels of every level, on random tiles and activations;
// and both against the golden vectors of bce_model.py (the simulator's own semantics).
#include <stdlib.h>

#include "bce_random.h"
#include "check.h"
#include "io.h"
#include "isa.h"

#define ROUNDS 4000

static struct arena *arena;
static struct bce_tables tables;
static const char *golden_path;

static struct bce_config random_config(uint64_t *state, int *lanes)
{
    struct bce_config c = {.n = bce_pick_n(state), .mode = bce_below(state, 3)};
    c.walk = (enum bce_walk)(bce_below(state, 4) ? BCE_WALK_WINDOW : bce_below(state, 3));
    c.compat = bce_below(state, 4) == 0;
    *lanes = c.mode == ISA_MODE_fp32 ? 24 : c.mode == ISA_MODE_fp16 ? 11 : 1 + bce_below(state, 24);
    c.prune = (1u << *lanes) - 1;
    return c;
}

struct block {
    enum bce_row kind;
    int len;
    int32_t amax;
    uint8_t *rows;
    uint32_t (*a)[BCE_MAX_N]; // [position][k]
};

static void put_row(struct block *b, int k, int p, uint32_t v)
{
    uint8_t *row = b->rows + (size_t)k * BCE_ROW_BYTES;
    uint16_t half = (uint16_t)v;
    b->a[p][k] = v;
    if (b->kind == BCE_ROW_I8)
        row[p] = (uint8_t)v;
    else if (b->kind == BCE_ROW_I16)
        memcpy(row + 2 * p, &half, 2);
    else
        memcpy(row + 4 * p, &v, 4);
}

static uint32_t random_fixed(uint64_t *state, int32_t amax)
{
    uint64_t r = bce_random(state);
    int32_t v = (int32_t)(r >> 8 & 0x1ffffff) % (amax + 1);
    if (r % 16 == 0)
        return (uint32_t)-amax;
    return (uint32_t)(r & 32 ? -v : v == 1 << 7 || v == 1 << 15 || v == 1 << 24 ? v - 1 : v);
}

// Half of the values that there are: what rows of activations behind a rectifier hold.
static uint32_t random_positive(uint64_t *state, int32_t amax)
{
    uint32_t v = random_fixed(state, amax) & 0x1ffffff;
    uint32_t most =
        amax == 128 || amax == 1 << 15 || amax == 1 << 24 ? (uint32_t)amax - 1 : (uint32_t)amax;
    return v % (most + 1);
}

static struct block random_block(uint64_t *state, const struct bce_config *c)
{
    static const int32_t AMAX[] = {1, 15, 128, 255, 256, 32768, 65535, 1 << 24};
    struct block b = {.amax = AMAX[bce_below(state, 8)]};
    b.kind = c->mode == ISA_MODE_fixed  ? bce_fixed_row(b.amax)
             : c->mode == ISA_MODE_fp32 ? BCE_ROW_F32
                                        : BCE_ROW_F16;
    b.len = 1 + bce_below(state, bce_row_block(b.kind));
    b.rows = arena_alloc_aligned(arena, (BCE_MAX_N + 1) * BCE_ROW_BYTES, 64);
    b.a = arena_alloc(arena, sizeof *b.a * BCE_BLOCK_I8);
    int style = bce_below(state, 6);
    bool unsigned8 = b.kind == BCE_ROW_I8 && b.amax > 128;
    bool positive = unsigned8 || bce_below(state, 2);
    int32_t most = unsigned8 && bce_below(state, 2) ? 127 : b.amax;
    for (int k = 0; k < c->n; k++)
        for (int p = 0; p < b.len; p++)
            put_row(&b, k, p,
                    bce_is_float(c) ? bce_random_float(state, style, c->mode == ISA_MODE_fp16)
                    : positive      ? random_positive(state, most)
                                    : random_fixed(state, b.amax));
    return b;
}

struct outcome {
    int64_t acc[BCE_BLOCK_I8];
    int emax[BCE_BLOCK_I8], d[BCE_BLOCK_I8];
    uint32_t bits[BCE_BLOCK_I8];
    uint64_t selections[BCE_LANES], cycles[BCE_LANES];
};

static void literal(const struct bce_config *c, const struct bce_tile *t, const struct block *b,
                    struct outcome *o)
{
    memset(o, 0, sizeof *o);
    for (int p = 0; p < b->len; p++) {
        struct bce_group g;
        bce_rtl_group(c, t, b->a[p], NULL, &g);
        o->acc[p] = g.acc;
        o->emax[p] = g.emax;
        o->d[p] = g.d;
        o->bits[p] = bce_is_float(c) ? bce_rtl_result(c, t, b->a[p], &g) : 0;
        for (int l = 0; l < BCE_LANES; l++) {
            o->selections[l] += g.selections[l];
            o->cycles[l] += bce_is_float(c) ? 0 : g.cycles[l];
        }
    }
}

static struct bce_plan *make_plan(const struct bce_config *c, const struct bce_tile *t,
                                  const struct block *b)
{
    struct bce_plan *p;
    bce_plan_make(c, &tables, t, NULL, b->amax, b->kind,
                  arena_alloc_aligned(arena, bce_plan_bytes(c), 64), &p);
    return p;
}

static int settled[BCE_ROW_F16 + 1]; // runs on rows of each kind

static void vector_fixed(const struct bce_kernels *kn, const struct bce_config *c,
                         const struct bce_tile *t, const struct block *b, struct outcome *o)
{
    struct bce_plan *p = make_plan(c, t, b);
    size_t bytes = (size_t)(c->n + 1) * BCE_ROW_BYTES;
    uint8_t *rows = arena_alloc_aligned(arena, bytes, 64);
    enum bce_row kind = b->kind;
    memcpy(rows, b->rows, bytes);
    if (kind != BCE_ROW_I32)
        kind = kn->settle(kind, b->amax, rows, c->n, b->len);
    settled[kind]++;
    bce_vector_fixed(kn, c, p, kind, rows, b->len, o->acc, false);
    for (int i = 0; i < b->len; i++)
        o->d[i] = c->walk == BCE_WALK_ALL && t->n_calc >= 0 ? c->n : p->d;
    for (int l = 0; l < BCE_LANES; l++) {
        o->selections[l] = (uint64_t)p->lane_selections[l] * (uint64_t)b->len;
        o->cycles[l] = (uint64_t)p->lane_cycles[l] * (uint64_t)b->len;
    }
}

// What selections add up to is the same where they are not counted.
static void uncounted_equal(const struct bce_kernels *kn, const struct bce_config *c,
                            const struct bce_plan *p, const struct bce_float_block *f,
                            const struct bce_float_out *want)
{
    struct bce_config u = *c;
    struct bce_lane_counter *n = arena_alloc_aligned(arena, sizeof *n, 64);
    struct bce_float_out *out = arena_alloc_aligned(arena, sizeof *out, 64);
    u.uncounted = true;
    bce_vector_float(kn, &u, p, f, n, out);
    for (int i = 0; i < f->len; i++)
        CHECK(out->acc[i] == want->acc[i] && out->d[i] == want->d[i] &&
              out->emax[i] == want->emax[i] && out->bits[i] == want->bits[i]);
}

static void vector_float(const struct bce_kernels *kn, const struct bce_config *c,
                         const struct bce_tile *t, const struct block *b, struct outcome *o)
{
    size_t bytes = (size_t)c->n * BCE_ROW_BYTES;
    struct bce_plan *p = make_plan(c, t, b);
    struct bce_float_block *f = arena_alloc_aligned(arena, sizeof *f, 64);
    struct bce_lane_counter *n = arena_alloc_aligned(arena, sizeof *n, 64);
    struct bce_float_out *out = arena_alloc_aligned(arena, sizeof *out, 64);
    f->len = b->len;
    f->raw = (const uint32_t *)(const void *)b->rows;
    f->exp = arena_alloc_aligned(arena, bytes, 64);
    f->mant = arena_alloc_aligned(arena, bytes + BCE_FLOAT_SLACK, 64);
    kn->decode(c, c->n, f);
    bce_vector_float(kn, c, p, f, n, out);
    uncounted_equal(kn, c, p, f, out);
    bce_lane_counter_drain(n);
    for (int i = 0; i < b->len; i++) {
        o->acc[i] = out->acc[i];
        o->emax[i] = out->emax[i];
        o->d[i] = (int)out->d[i];
        o->bits[i] = out->bits[i];
    }
    memcpy(o->selections, n->total, sizeof o->selections);
}

static bool same(const struct outcome *a, const struct outcome *b, int len, const char *what,
                 long round)
{
    for (int i = 0; i < len; i++)
        if (!CHECK_INT(a->acc[i], b->acc[i]) || !CHECK_INT(a->d[i], b->d[i]) ||
            !CHECK_INT(a->emax[i], b->emax[i]) || !CHECK_INT(a->bits[i], b->bits[i])) {
            fprintf(stderr, "round %ld, %s, position %d\n", round, what, i);
            return false;
        }
    bool counts = memcmp(a->selections, b->selections, sizeof a->selections) == 0 &&
                  memcmp(a->cycles, b->cycles, sizeof a->cycles) == 0;
    if (!CHECK(counts))
        fprintf(stderr, "round %ld, %s: lane counters\n", round, what);
    return counts;
}

static void levels_equal_literal(void)
{
    static struct outcome want, got;
    for (long round = 0; round < ROUNDS && check_failures == 0; round++) {
        uint64_t state = (uint64_t)round * 1000;
        int lanes;
        struct bce_config c = random_config(&state, &lanes);
        struct bce_tile t;
        uint8_t *bytes = arena_alloc(arena, bce_tile_bytes(c.n, lanes, bce_is_float(&c)));
        struct block b = random_block(&state, &c);
        bce_random_tile(&state, &c, lanes, bytes);
        bce_tile_load(&c, lanes, bce_below(&state, 8) ? c.n : bce_below(&state, c.n + 1), bytes,
                      &t);
        literal(&c, &t, &b, &want);
        for (int i = 0; bce_kernels_at(i); i++) {
            const struct bce_kernels *kn = bce_kernels_at(i);
            tables.kernels = kn;
            memset(&got, 0, sizeof got);
            if (bce_is_float(&c))
                vector_float(kn, &c, &t, &b, &got);
            else
                vector_fixed(kn, &c, &t, &b, &got);
            if (!same(&got, &want, b.len, kn->name, round))
                return;
        }
        arena_reset(arena);
    }
    for (int kind = 0; kind <= BCE_ROW_I32; kind++)
        CHECK(kind == BCE_ROW_I8 || kind == BCE_ROW_I16 || settled[kind] > 20);
}

// Digits of which position i's sum is w[i], on 16 lanes.
static void digits_of(const int32_t *w, int n, struct bce_selected *sel)
{
    memset(sel, 0, sizeof *sel);
    for (int i = 0; i < n; i++)
        for (int b = 0; b < 16; b++) {
            uint64_t(*to)[BCE_MAX_WORDS] = w[i] < 0 ? sel->neg : sel->pos;
            to[b][i >> 6] |= (uint64_t)(abs(w[i]) >> b & 1) << (i & 63);
        }
}

// Whole weights of several groups on every level against products in 64 bits; among them the
// largest operands there are, whose sums come closest to 2^31.
static void whole_weights(void)
{
    enum { GROUPS = 4 };
    size_t plan_bytes = sizeof(int16_t) * (BCE_MAX_N + 3);
    for (uint64_t state = 5, round = 0; round < 400; round++) {
        struct bce_dot d = {.num = 1 + bce_below(&state, BCE_DOT_PLANS),
                            .groups = 1 + bce_below(&state, GROUPS)};
        bool largest = round % 10 == 0, add = round & 1, bytes = bce_below(&state, 2);
        int len = 1 + bce_below(&state, BCE_BLOCK_I8), most = bytes ? 127 : BCE_WHOLE_MOST;
        int32_t amax = bce_below(&state, 2) ? 255 : 128;
        d.n = largest ? BCE_MAX_N : 1 + bce_below(&state, BCE_MAX_N);
        d.num_rows = (d.groups - 1) * d.n + (largest ? d.n : 1 + bce_below(&state, d.n));
        d.plan_stride = BCE_DOT_PLANS + 1;
        size_t group = (size_t)(d.n + 1) * BCE_ROW_BYTES;
        d.operand_stride = (ptrdiff_t)(group / 4 + BCE_BLOCK_I8);
        uint8_t *rows = arena_alloc_aligned(arena, GROUPS * group, 64);
        int32_t *operand =
            arena_alloc_aligned(arena, GROUPS * (size_t)d.operand_stride * sizeof *operand, 64);
        int32_t(*w)[BCE_MAX_N] = arena_alloc(arena, sizeof *w * GROUPS * BCE_DOT_PLANS);
        for (size_t i = 0; i < GROUPS * group; i++)
            rows[i] = (uint8_t)(largest ? (amax == 255 ? 255 : -128) : bce_below(&state, 256));
        for (int i = 0; i < GROUPS * BCE_DOT_PLANS; i++)
            for (int k = 0; k < BCE_MAX_N; k++)
                w[i][k] = largest ? most : bce_below(&state, 2 * most + 1) - most;
        int64_t sum[BCE_DOT_PLANS][BCE_BLOCK_I8], *psum[BCE_DOT_PLANS];
        for (int level = 0; bce_kernels_at(level); level++) {
            const struct bce_kernels *kn = bce_kernels_at(level);
            struct bce_plan plan[GROUPS][BCE_DOT_PLANS] = {{{0}}};
            const struct bce_plan *all[GROUPS * (BCE_DOT_PLANS + 1)] = {0};
            d.plan = all;
            d.operand = operand;
            for (int g = 0; g < d.groups; g++) {
                int64_t left = d.num_rows - g * d.n;
                int here = left < d.n ? (int)left : d.n;
                kn->interleave(rows + (size_t)g * group, here, len, amax,
                               operand + g * d.operand_stride);
                for (int i = 0; i < d.num; i++) {
                    struct bce_selected sel;
                    struct bce_plan *p = &plan[g][i];
                    digits_of(w[g * BCE_DOT_PLANS + i], here, &sel);
                    p->whole = arena_alloc(arena, plan_bytes);
                    memset(p->whole, 0, plan_bytes);
                    CHECK(kn->whole(&sel, bytes ? 0x7f : 0xffff, d.n, here, amax, p));
                    all[g * d.plan_stride + i] = p;
                }
            }
            for (int i = 0; i < BCE_DOT_PLANS * BCE_BLOCK_I8; i++)
                sum[i / BCE_BLOCK_I8][i % BCE_BLOCK_I8] = i;
            for (int i = 0; i < BCE_DOT_PLANS; i++)
                psum[i] = sum[i];
            kn->dot(&d, len, psum, add);
            for (int i = 0; i < d.num; i++)
                for (int at = 0; at < BCE_BLOCK_I8; at++) {
                    int64_t want = at < len && !add ? 0 : i * BCE_BLOCK_I8 + at;
                    for (int64_t k = 0; k < d.num_rows && at < len; k++) {
                        uint8_t x = rows[(size_t)(k / d.n) * group +
                                         (size_t)(k % d.n) * BCE_ROW_BYTES + (size_t)at];
                        want += (amax == 255 ? x : (int8_t)x) *
                                (int64_t)w[k / d.n * BCE_DOT_PLANS + i][k % d.n];
                    }
                    if (!CHECK_INT(sum[i][at], want))
                        return;
                }
        }
        arena_reset(arena);
    }
}

// The walk of many columns side by side, on every level, against the literal PE: random columns of
// all densities, runs, and those whose windows end at awkward places.
static uint64_t awkward_column(uint64_t *state, int round)
{
    uint64_t x = bce_random(state), y = bce_random(state);
    switch (round % 8) {
    case 0: return x;
    case 1: return x & y & bce_random(state);
    case 2: return x | y | bce_random(state);
    case 3: return ~0ull << (x & 63);
    case 4: return ~0ull >> (x & 63);
    case 5: return UINT64_C(0x8080808080808080) >> (x & 7) | 1ull << (y & 63);
    case 6: return UINT64_C(0x0101010101010101) << (x & 7) | 1ull << (y & 63);
    default: return UINT64_C(0x4008010020040080) << (x & 7);
    }
}

static void walks_on_every_level(void)
{
    enum { TILES = 9 };
    struct bce_tile *t = arena_alloc(arena, TILES * sizeof *t);
    for (uint64_t state = 77, round = 0; round < 600; round++) {
        struct bce_config c = {.n = 1 + bce_below(&state, BCE_MAX_N), .mode = ISA_MODE_fixed};
        int lanes = 1 + bce_below(&state, BCE_LANES), count = 0;
        struct bce_walked walked[TILES];
        uint32_t a[BCE_MAX_N] = {0};
        c.prune = (1u << lanes) - 1;
        memset(t, 0, TILES * sizeof *t);
        for (int i = 0; i < TILES; i++) {
            if (i == 0 || bce_below(&state, 3) == 0)
                count = bce_below(&state, 3) ? c.n : bce_below(&state, c.n + 1);
            t[i].n_calc = count - 1;
            for (int w = 0; 64 * w < count; w++) {
                int left = count - 64 * w;
                t[i].valid[w] = left < 64 ? (1ull << left) - 1 : ~0ull;
                for (int b = 0; b < lanes; b++)
                    t[i].col[b][w] = awkward_column(&state, (int)round + w) & t[i].valid[w];
            }
        }
        for (int level = 0; bce_kernels_at(level); level++) {
            tables.kernels = bce_kernels_at(level);
            memset(walked, 0, sizeof walked);
            bce_walk_tiles(&c, &tables, t, TILES, walked);
            for (int i = 0; i < TILES && t[i].n_calc >= 0; i++) {
                struct bce_group g;
                bce_rtl_group(&c, &t[i], a, NULL, &g);
                for (int b = 0; b < lanes; b++)
                    if (!CHECK_INT(walked[i].windows[b], g.cycles[b]))
                        return;
            }
        }
    }
    arena_reset(arena);
}

// Tiles of random and of awkward columns: the slowest lane is found without a walk of those that
// cannot be it, and of what is not walked the windows are no more than there are.
static void bounds_find_the_slowest(void)
{
    int skipped = 0, walked_lanes = 0;
    struct bce_tile *t = arena_alloc(arena, sizeof *t);
    tables.kernels = bce_kernels_best();
    for (uint64_t state = 5, round = 0; round < 20000; round++) {
        struct bce_config c = {.n = 1 + bce_below(&state, BCE_MAX_N), .mode = ISA_MODE_fixed};
        int lanes = 1 + bce_below(&state, BCE_LANES), d = 0, awkward = bce_below(&state, 2);
        int last = bce_below(&state, 4) ? c.n - 1 : bce_below(&state, c.n);
        struct bce_walked all, some;
        c.prune = (1u << lanes) - 1;
        c.prune &= bce_below(&state, 4) ? ~0u : (uint32_t)bce_random(&state) | 1;
        memset(t, 0, sizeof *t);
        t->n_calc = last;
        for (int b = 0; b < lanes; b++)
            for (int i = 0, sparse = 1 + bce_below(&state, 7); i <= last; i++) {
                uint64_t bit = awkward ? awkward_column(&state, (int)round + b) >> (i & 63) & 1
                                       : bce_below(&state, sparse) == 0;
                t->col[b][i >> 6] |= bit << (i & 63);
            }
        bce_walk_tiles(&c, &tables, t, 1, &all);
        c.bound = true;
        bce_walk_tiles(&c, &tables, t, 1, &some);
        int found = 0;
        for (int b = 0; b < lanes; b++) {
            if (!(c.prune >> b & 1))
                continue;
            CHECK(some.windows[b] <= all.windows[b]);
            d = all.windows[b] > d ? all.windows[b] : d;
            found = some.windows[b] > found ? some.windows[b] : found;
            skipped += some.windows[b] < all.windows[b];
            walked_lanes++;
        }
        if (!CHECK_INT(found, d))
            return;
    }
    CHECK(skipped > walked_lanes / 20);
    arena_reset(arena);
}

// What plans are made with, on every level, against one bit at a time.
static void columns_on_every_level(void)
{
    for (uint64_t state = 9, round = 0; round < 300; round++) {
        int n = 1 + bce_below(&state, BCE_MAX_N), count = bce_below(&state, n + 1);
        int32_t base = bce_below(&state, 3) ? 0 : bce_below(&state, 60000) - 30000;
        uint32_t lanes = (uint32_t)bce_random(&state) & (round & 1 ? 0xffffff : 0x3fff);
        struct bce_selected sel = {0};
        int64_t sum[BCE_MAX_N];
        uint32_t mag[BCE_MAX_N] = {0};
        int digits[BCE_LANES] = {0};
        bool fits = true;
        for (int i = 0; i < n; i++) {
            sum[i] = i < count ? base : 0;
            for (int b = 0; b < BCE_LANES; b++) {
                uint64_t bit = 1ull << (i & 63);
                int what = bce_below(&state, 3);
                sel.pos[b][i >> 6] |= what == 1 ? bit : 0;
                sel.neg[b][i >> 6] |= what == 2 ? bit : 0;
                digits[b] += what != 0;
                sum[i] += !(lanes >> b & 1) ? 0 : what == 1 ? 1 << b : what == 2 ? -(1 << b) : 0;
                mag[i] |= what == 1 && (lanes >> b & 1) ? 1u << b : 0;
            }
            fits = fits && sum[i] >= -BCE_WHOLE_MOST && sum[i] <= BCE_WHOLE_MOST;
        }
        for (int level = 0; bce_kernels_at(level); level++) {
            const struct bce_kernels *kn = bce_kernels_at(level);
            uint16_t list[BCE_MAX_N + BCE_LIST_SLACK];
            uint16_t counts[BCE_LANES] = {0};
            struct bce_plan p = {.sum_factor = base};
            int8_t whole[2 * (BCE_MAX_N + 3)] = {0};
            uint32_t got[BCE_MAX_N];
            int num = kn->list(&tables, sel.pos[3], sel.neg[2], n, list), at = 0;
            for (int i = 0; i < n; i++)
                if (bce_bit(sel.pos[3], i))
                    CHECK_INT(list[at++] * BCE_ROW_UNIT,
                              i * BCE_ROW_BYTES + bce_bit(sel.neg[2], i) * BCE_HALF_ROW);
            CHECK_INT(num, at);
            kn->count(&sel, lanes, n, counts);
            for (int b = 0; b < BCE_LANES; b++)
                CHECK_INT(counts[b], lanes >> b & 1 ? digits[b] : 0);
            kn->magnitudes(sel.pos[0], lanes, n, got);
            CHECK(memcmp(got, mag, sizeof *mag * (size_t)n) == 0);
            p.whole = whole;
            CHECK_INT(kn->whole(&sel, lanes, n, count, 255, &p), fits);
        }
    }
}

// Many blocks into one counter: it drains itself before it can overflow.
static void lane_counters_do_not_overflow(void)
{
    struct bce_config c = {.n = 256, .mode = ISA_MODE_fp32, .prune = 0xffffff};
    struct bce_tile t = {.n_calc = 255, .macs = 256};
    struct bce_float_block *f = arena_alloc_aligned(arena, sizeof *f, 64);
    struct bce_lane_counter *n = arena_alloc_aligned(arena, sizeof *n, 64);
    struct bce_float_out *out = arena_alloc_aligned(arena, sizeof *out, 64);
    uint32_t *raw = arena_alloc_aligned(arena, 256 * BCE_ROW_BYTES, 64);
    const uint64_t runs = 40000;
    for (int i = 0; i < 256; i++) {
        t.valid[i / 64] = ~0ull;
        t.col[23][i / 64] = ~0ull;
        t.exp[i] = 127;
    }
    for (int i = 0; i < 256 * BCE_BLOCK_I32; i++)
        raw[i] = 0x3f800000;
    f->len = 1;
    f->raw = raw;
    f->exp = arena_alloc_aligned(arena, 256 * BCE_ROW_BYTES, 64);
    f->mant = arena_alloc_aligned(arena, 256 * BCE_ROW_BYTES + BCE_FLOAT_SLACK, 64);
    struct block b = {.kind = BCE_ROW_F32};
    struct bce_plan *p = make_plan(&c, &t, &b);
    const struct bce_kernels *kn = bce_kernels_best();
    kn->decode(&c, 256, f);
    for (uint64_t i = 0; i < runs * 2; i++)
        bce_vector_float(kn, &c, p, f, n, out);
    bce_lane_counter_drain(n);
    CHECK_INT(n->total[23], 2 * runs * 256);
    CHECK_INT(n->total[0], 0);
    arena_reset(arena);
}

// ---- Golden vectors
// -------------------------------------------------------------------------------

static void parse_hex(const char *text, int n, uint32_t *out)
{
    for (int i = 0; i < n; i++) {
        char word[9] = {0};
        memcpy(word, text + 8 * i, 8);
        out[i] = (uint32_t)strtoul(word, NULL, 16);
    }
}

static void golden_tile(const struct bce_config *c, int lanes, char **cell, struct bce_tile *t)
{
    uint32_t w[BCE_MAX_N];
    parse_hex(cell[4], c->n, w);
    memset(t, 0, sizeof *t);
    t->n_calc = -1;
    for (int i = 0; i < c->n; i++) {
        int frac = c->mode == ISA_MODE_fp32 ? 23 : 10;
        int e = (int)(w[i] >> frac) & (c->mode == ISA_MODE_fp32 ? 255 : 31);
        uint32_t fraction = w[i] & ((1u << frac) - 1);
        bool is_float = bce_is_float(c);
        uint32_t mag = !is_float ? w[i] & 0xffffff : e ? fraction | 1u << frac : fraction;
        if (cell[3][i] != '1')
            continue;
        t->n_calc = i;
        t->macs++;
        t->exp[i] = (uint8_t)(is_float && mag ? (e ? e : 1) : 0);
        t->valid[i / 64] |= 1ull << (i % 64);
        t->sign[i / 64] |= (uint64_t)(w[i] >> (c->mode == ISA_MODE_fp16 ? 15 : 31) & 1) << (i % 64);
        for (int b = 0; b < lanes; b++)
            t->col[b][i / 64] |= (uint64_t)(mag >> b & 1) << (i % 64);
    }
}

static void golden_row(char *line)
{
    static struct outcome lit, vec;
    char *cell[9];
    for (int i = 0; i < 9; i++)
        cell[i] = strtok(i ? NULL : line, "\t\n");
    if (!CHECK(cell[8] != NULL))
        return;
    int lanes = atoi(cell[2]);
    struct bce_config c = {.n = atoi(cell[1]), .prune = (1u << lanes) - 1};
    c.mode = strcmp(cell[0], "fixed") == 0  ? ISA_MODE_fixed
             : strcmp(cell[0], "fp32") == 0 ? ISA_MODE_fp32
                                            : ISA_MODE_fp16;
    struct bce_tile t;
    struct block b = {.len = 1, .amax = 1 << 24, .kind = BCE_ROW_I32};
    uint32_t a[BCE_MAX_N];
    golden_tile(&c, lanes, cell, &t);
    parse_hex(cell[5], c.n, a);
    b.rows = arena_alloc_aligned(arena, (BCE_MAX_N + 1) * BCE_ROW_BYTES, 64);
    b.a = arena_alloc(arena, sizeof *b.a * BCE_BLOCK_I8);
    for (int k = 0; k < c.n; k++)
        put_row(&b, k, 0, a[k]);
    literal(&c, &t, &b, &lit);
    if (bce_is_float(&c))
        vector_float(bce_kernels_best(), &c, &t, &b, &vec);
    else
        vector_fixed(bce_kernels_best(), &c, &t, &b, &vec);
    uint64_t want = strtoull(cell[6], NULL, 16), sel = 0, vsel = 0;
    for (int l = 0; l < BCE_LANES; l++) {
        sel += lit.selections[l];
        vsel += vec.selections[l];
    }
    CHECK_INT(bce_is_float(&c) ? lit.bits[0] : (uint64_t)lit.acc[0], want);
    CHECK_INT(bce_is_float(&c) ? vec.bits[0] : (uint64_t)vec.acc[0], want);
    CHECK_INT(lit.d[0], atoi(cell[7]));
    CHECK_INT(vec.d[0], atoi(cell[7]));
    CHECK_INT(sel, atoi(cell[8]));
    CHECK_INT(vsel, atoi(cell[8]));
}

static void golden_vectors(void)
{
    static char line[1 << 14];
    FILE *f = fopen(golden_path, "r");
    int rows = 0;
    if (!CHECK(f != NULL))
        return;
    CHECK(fgets(line, sizeof line, f) != NULL);
    for (; fgets(line, sizeof line, f); rows++) {
        golden_row(line);
        arena_reset(arena);
    }
    fclose(f);
    CHECK_INT(rows, 120);
}

// ---- Small facts
// ----------------------------------------------------------------------------------

static int column_cycles(int n, uint64_t column)
{
    struct bce_config c = {.n = n, .mode = ISA_MODE_fixed, .prune = 1};
    struct bce_tile t = {.n_calc = n - 1, .valid = {~0ull}, .col = {{column}}};
    struct bce_group g;
    uint32_t a[BCE_MAX_N] = {0};
    struct block b = {.amax = 1, .kind = BCE_ROW_I8};
    bce_rtl_group(&c, &t, a, NULL, &g);
    CHECK_INT(make_plan(&c, &t, &b)->d, g.d);
    return g.d;
}

// The examples of paper.md section 2.
static void columns_of_the_paper(void)
{
    uint64_t second = 0, seventh = 0, eighth = 0;
    for (int i = 0; i < 64; i++) {
        second |= (uint64_t)(i % 2 == 0) << i;
        seventh |= (uint64_t)(i % 7 == 0) << i;
        eighth |= (uint64_t)(i % 8 == 0) << i;
    }
    CHECK_INT(column_cycles(64, 0), 8);
    CHECK_INT(column_cycles(64, ~0ull), 64);
    CHECK_INT(column_cycles(64, 1ull << 37), 8);
    CHECK_INT(column_cycles(64, second), 32);
    CHECK_INT(column_cycles(64, seventh), 10);
    CHECK_INT(column_cycles(64, eighth), 8);
    CHECK_INT(column_cycles(16, 0), 2);
    CHECK_INT(column_cycles(2, 0), 1);
    CHECK_INT(column_cycles(2, 3), 2);
    arena_reset(arena);
}

int main(int argc, char **argv)
{
    golden_path = argc > 1 ? argv[1] : "golden_ieee.tsv";
    arena = arena_create();
    bce_tables_init(&tables);
    RUN(columns_of_the_paper);
    RUN(golden_vectors);
    RUN(levels_equal_literal);
    RUN(whole_weights);
    RUN(walks_on_every_level);
    RUN(bounds_find_the_slowest);
    RUN(columns_on_every_level);
    RUN(lane_counters_do_not_overflow);
    arena_destroy(arena);
    return check_summary();
}

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
    int16_t narrow = (int16_t)v;
    b->a[p][k] = v;
    if (b->kind == BCE_ROW_I16)
        memcpy(row + 2 * p, &narrow, 2);
    else
        memcpy(row + 4 * p, &v, 4);
}

static uint32_t random_fixed(uint64_t *state, int32_t amax)
{
    uint64_t r = bce_random(state);
    int32_t v = (int32_t)(r >> 8 & 0x1ffffff) % (amax + 1);
    if (r % 16 == 0)
        return (uint32_t)-amax;
    return (uint32_t)(r & 32 ? -v : v >= 1 << 24 ? v - 1 : v);
}

static struct block random_block(uint64_t *state, const struct bce_config *c)
{
    static const int32_t AMAX[] = {1, 15, 128, 255, 256, 32768, 65535, 1 << 24};
    struct block b = {.amax = AMAX[bce_below(state, 8)]};
    b.kind = c->mode == ISA_MODE_fixed  ? bce_fixed_row(b.amax)
             : c->mode == ISA_MODE_fp32 ? BCE_ROW_F32
                                        : BCE_ROW_F16;
    b.len = 1 + bce_below(state, bce_row_block(b.kind));
    b.rows = arena_alloc_aligned(arena, BCE_MAX_N * BCE_ROW_BYTES, 64);
    b.a = arena_alloc(arena, sizeof *b.a * BCE_BLOCK_I16);
    int style = bce_below(state, 6);
    for (int k = 0; k < c->n; k++)
        for (int p = 0; p < b.len; p++)
            put_row(&b, k, p,
                    bce_is_float(c) ? bce_random_float(state, style, c->mode == ISA_MODE_fp16)
                                    : random_fixed(state, b.amax));
    return b;
}

struct outcome {
    int64_t acc[BCE_BLOCK_I16];
    int emax[BCE_BLOCK_I16], d[BCE_BLOCK_I16];
    uint32_t bits[BCE_BLOCK_I16];
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
    bce_plan_make(c, &tables, t, b->amax, b->kind,
                  arena_alloc_aligned(arena, bce_plan_bytes(c), 64), &p);
    return p;
}

static void vector_fixed(const struct bce_kernels *kn, const struct bce_config *c,
                         const struct bce_tile *t, const struct block *b, struct outcome *o)
{
    struct bce_plan *p = make_plan(c, t, b);
    bce_vector_fixed(kn, c, p, b->kind, b->rows, b->len, o->acc, false);
    for (int i = 0; i < b->len; i++)
        o->d[i] = c->walk == BCE_WALK_ALL && t->n_calc >= 0 ? c->n : p->d;
    for (int l = 0; l < BCE_LANES; l++) {
        o->selections[l] = (uint64_t)p->lane_selections[l] * (uint64_t)b->len;
        o->cycles[l] = (uint64_t)p->lane_cycles[l] * (uint64_t)b->len;
    }
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
    f->mant = arena_alloc_aligned(arena, bytes, 64);
    kn->decode(c, c->n, f);
    bce_vector_float(kn, c, p, f, n, out);
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
}

// Whole weights on every level against products in 64 bits; among them the largest operands there
// are, whose sums come closest to 2^31.
static void whole_weights(void)
{
    enum { PAIRS = BCE_MAX_N / 2 };
    int32_t *pairs = arena_alloc_aligned(arena, sizeof *pairs * PAIRS * BCE_BLOCK_I16, 64);
    int16_t(*w)[BCE_MAX_N] = arena_alloc(arena, sizeof *w * BCE_DOT_PLANS);
    for (uint64_t state = 5, round = 0; round < 300; round++) {
        int num = 1 + bce_below(&state, BCE_DOT_PLANS), len = 1 + bce_below(&state, BCE_BLOCK_I16);
        int num_pairs = 1 + bce_below(&state, PAIRS);
        bool largest = round % 10 == 0, add = round & 1;
        struct bce_plan plan[BCE_DOT_PLANS] = {{0}};
        const struct bce_plan *p[BCE_DOT_PLANS];
        int64_t sum[BCE_DOT_PLANS][BCE_BLOCK_I16], *psum[BCE_DOT_PLANS];
        for (int k = 0; k < PAIRS * BCE_BLOCK_I16; k++) {
            int even = bce_below(&state, 511) - 255, odd = bce_below(&state, 511) - 255;
            pairs[k] = largest ? 255 << 16 | 255 : (int)((uint32_t)odd << 16 | (even & 0xffff));
        }
        for (int i = 0; i < num; i++) {
            for (int k = 0; k < BCE_MAX_N; k++)
                w[i][k] = (int16_t)(largest ? INT16_MAX : bce_below(&state, 65535) - INT16_MAX);
            plan[i].whole = w[i];
            p[i] = &plan[i];
            psum[i] = sum[i];
        }
        for (int level = 0; bce_kernels_at(level); level++) {
            for (int i = 0; i < num * BCE_BLOCK_I16; i++)
                sum[i / BCE_BLOCK_I16][i % BCE_BLOCK_I16] = i;
            bce_kernels_at(level)->dot(p, num, pairs, num_pairs, len, psum, add);
            for (int i = 0; i < num; i++)
                for (int at = 0; at < BCE_BLOCK_I16; at++) {
                    int64_t want = at < len && !add ? 0 : i * BCE_BLOCK_I16 + at;
                    for (int k = 0; k < num_pairs && at < len; k++) {
                        int32_t x = pairs[k * BCE_BLOCK_I16 + at];
                        want += (int64_t)(int16_t)x * w[i][2 * k] + (x >> 16) * w[i][2 * k + 1];
                    }
                    if (!CHECK_INT(sum[i][at], want))
                        return;
                }
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
    f->mant = arena_alloc_aligned(arena, 256 * BCE_ROW_BYTES, 64);
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
    b.rows = arena_alloc_aligned(arena, BCE_MAX_N * BCE_ROW_BYTES, 64);
    b.a = arena_alloc(arena, sizeof *b.a * BCE_BLOCK_I16);
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
    struct block b = {.amax = 1, .kind = BCE_ROW_I16};
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
    RUN(lane_counters_do_not_overflow);
    arena_destroy(arena);
    return check_summary();
}

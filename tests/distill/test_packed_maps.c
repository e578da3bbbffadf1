// Lane maps that the machine makes when it packs at run time are those that the compiler makes
// without marks, to the byte; with marks they are shorter or the same. They leave no bit out.
#include "bce.h"
#include "io.h"
#include "lanemap.h"

#include "check.h"
#include "passes_rng.h"

static struct bce_tables tables;

static void random_magnitudes(struct rng *r, int lanes, int n, uint32_t *mag, bool *neg)
{
    int kind = (int)rng_range(r, 0, 4);
    uint32_t top = (uint32_t)((UINT64_C(1) << lanes) - 1);
    for (int i = 0; i < n; i++) {
        uint32_t any = (uint32_t)rng_next(r) & top;
        mag[i] = kind == 0   ? any
                 : kind == 1 ? top
                 : kind == 2 ? (rng_range(r, 0, 6) ? 0 : any)
                 : kind == 3 ? any & (uint32_t)rng_next(r)
                             : any >> rng_range(r, 0, lanes - 1);
        neg[i] = kind != 2 && rng_range(r, 0, 1);
    }
}

static const char *fault_of(const struct bce_tile *t, const struct machine *m)
{
    return bce_map_fault(&t->map, (int)m->lanes, t->lanes, m->ext);
}

// Every digit of the tile is selected once.
static void check_selected(const struct bce_config *c, const struct bce_tile *t)
{
    struct bce_selected all, sel;
    struct bce_plan plan = {.d = 0};
    int words = (c->n + 63) / 64;
    bce_map_digits(t, words, &all);
    bce_map_select(c, &tables, t, &plan, &sel);
    CHECK(plan.d <= t->map.limit);
    for (int b = 0; b < BCE_LANES; b++)
        for (int w = 0; w < words; w++) {
            CHECK(sel.pos[b][w] == all.pos[b][w]);
            CHECK(sel.neg[b][w] == all.neg[b][w]);
        }
}

static void same_maps(void)
{
    static const int groups[] = {8, 16, 64, 64, 64, 128, 256};
    struct rng r = {21};
    int codes[3] = {0}, shorter = 0;
    for (int i = 0; i < 4000; i++) {
        struct machine m;
        uint32_t mag[BCE_MAX_N];
        bool neg[BCE_MAX_N];
        uint8_t tile[8 * (2 + BCE_LANES) * BCE_MAX_WORDS] = {0}, want[64], got[64];
        struct lanemap map;
        struct bce_tile t;
        machine_default(&m);
        m.group = groups[rng_range(&r, 0, 6)];
        int lanes = (int)rng_range(&r, 1, 24), count = (int)rng_range(&r, 1, m.group);
        m.lanes = rng_range(&r, lanes, 24);
        m.ext = (uint32_t)rng_range(&r, 0, 7) << 1;
        random_magnitudes(&r, lanes, count, mag, neg);
        struct bce_config plain = {.n = (int)m.group}, c = {.n = (int)m.group};
        c.regs = (int)m.lanes;
        bce_tile_store(&plain, lanes, count, mag, neg, NULL, tile);
        lanemap_choose(&m, LANEMAP_BY_MACHINE, tile, lanes, count, &map);
        lanemap_store(&m, &map, want);
        bce_tile_load(&plain, lanes, count, tile, &t);
        bce_map_make(&c, m.ext, &t);
        CHECK(fault_of(&t, &m) == NULL);
        bce_map_store(&t.map, (int)m.lanes, got);
        CHECK(memcmp(want, got, bce_map_bytes((int)m.lanes)) == 0);
        check_selected(&c, &t);
        codes[t.map.code]++;

        lanemap_choose(&m, LANEMAP_BY_COMPILER, tile, lanes, count, &map);
        lanemap_store(&m, &map, got);
        if (map.limit == t.map.limit) {
            CHECK(memcmp(want, got, bce_map_bytes((int)m.lanes)) == 0);
            continue;
        }
        shorter++;
        CHECK(map.limit < t.map.limit && map.marked != 0);
        bce_map_load(got, (int)m.lanes, &t.map);
        CHECK(fault_of(&t, &m) == NULL);
        check_selected(&c, &t);
    }
    CHECK(codes[0] > 100 && codes[1] > 100 && codes[2] > 100 && shorter > 100);
}

// Tiles are what they say they are: bit i of lane b is bit b of magnitude i.
static void stored_columns(void)
{
    struct rng r = {22};
    for (int i = 0; i < 500; i++) {
        struct bce_config c = {.n = (int)rng_range(&r, 1, 32) * 8};
        uint32_t mag[BCE_MAX_N];
        bool neg[BCE_MAX_N];
        uint8_t tile[8 * (2 + BCE_LANES) * BCE_MAX_WORDS];
        struct bce_tile t;
        int lanes = (int)rng_range(&r, 1, 24), count = (int)rng_range(&r, 1, c.n);
        random_magnitudes(&r, lanes, count, mag, neg);
        bce_tile_store(&c, lanes, count, mag, neg, NULL, tile);
        bce_tile_load(&c, lanes, c.n, tile, &t);
        CHECK_INT(t.macs, count);
        for (int k = 0; k < count; k++) {
            CHECK(bce_bit(t.valid, k) && bce_bit(t.sign, k) == neg[k]);
            for (int b = 0; b < lanes; b++)
                CHECK(bce_bit(t.col[b], k) == (mag[k] >> b & 1));
        }
    }
}

int main(void)
{
    bce_tables_init(&tables);
    RUN(same_maps);
    RUN(stored_columns);
    return check_summary();
}

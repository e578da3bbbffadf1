// Packed lanes against a packer that sets one bit at a time, straight from the comments of image.h
// and mactile.h.
#include "lanes.h"

#include "check.h"
#include "mac_random.h"
#include "machine.h"

static struct thread_pool *pool;

static void set_bit(uint64_t *words, int64_t i)
{
    words[i / 64] |= (uint64_t)1 << i % 64;
}

// One weight into a lane tile.
static void put_weight(uint64_t *tile, int64_t words, int lanes, int i, enum ir_mode mode,
                       const struct tensor *w, int64_t at)
{
    uint64_t sign = 0, mag = 0, exponent = 0;
    if (mode == IR_MODE_FIXED) {
        int64_t v = tensor_get_int(w, at);
        sign = v < 0;
        mag = (uint64_t)(v < 0 ? -v : v);
    } else {
        int fraction_bits = mode == IR_MODE_FP32 ? 23 : 10,
            exponent_bits = mode == IR_MODE_FP32 ? 8 : 5;
        uint64_t bits = mode == IR_MODE_FP32 ? ((const uint32_t *)w->data)[at]
                                             : ((const uint16_t *)w->data)[at];
        sign = bits >> (fraction_bits + exponent_bits);
        exponent = bits >> fraction_bits & (((uint64_t)1 << exponent_bits) - 1);
        mag = bits & (((uint64_t)1 << fraction_bits) - 1);
        if (exponent == 0)
            exponent = 1;
        else
            mag += (uint64_t)1 << fraction_bits;
    }
    set_bit(tile, i);
    if (sign)
        set_bit(tile + words, i);
    for (int b = 0; b < lanes; b++)
        if (mag >> b & 1)
            set_bit(tile + words * (2 + b), i);
    if (mode != IR_MODE_FIXED)
        ((uint8_t *)(tile + words * (2 + lanes)))[i] = (uint8_t)exponent;
}

static void put_map(const struct lanes_source *src, uint64_t *tile, int64_t words, int64_t group,
                    int64_t left)
{
    struct lanemap map;
    if (src->map == NULL)
        return;
    lanemap_choose(src->map, LANEMAP_BY_COMPILER, (const uint8_t *)tile, src->lanes,
                   (int)(left < group ? left : group), &map);
    lanemap_store(src->map, &map, (uint8_t *)(tile + words * (2 + src->lanes)));
}

static void pack_slowly(const struct mac_problem *p, int64_t kchunk, const struct mac_demand *m,
                        const struct lanes_source *src, uint64_t *out)
{
    int64_t inner = 1, extent[MAC_MAX_DIMS], words = (m->group + 63) / 64;
    for (int i = 0; i < p->nk; i++)
        inner *= i == 0 ? 1 : p->k[i].extent;
    for (int64_t oc0 = 0; oc0 < p->noc; oc0 += m->pes)
        for (int64_t k0 = 0; k0 < p->k[0].extent; k0 += kchunk) {
            int64_t kn = p->k[0].extent - k0 < kchunk ? p->k[0].extent - k0 : kchunk;
            for (int i = 0; i < p->nk; i++)
                extent[i] = i == 0 ? kn : p->k[i].extent;
            for (int64_t g = 0; g < kn * inner; g += m->group)
                for (int64_t oc = oc0; oc < p->noc && oc < oc0 + m->pes;
                     oc++, out += m->tile_bytes / 8) {
                    for (int i = 0; i < m->group && g + i < kn * inner; i++) {
                        int64_t digit[MAC_MAX_DIMS] = {0}, at = p->wbase + oc * p->w_oc;
                        unflatten(g + i, extent, p->nk, digit);
                        digit[0] += k0;
                        for (int d = 0; d < p->nk; d++)
                            at += digit[d] * p->k[d].wstride;
                        if (p->diag == 1 || digit[0] == oc / (p->noc / p->diag))
                            put_weight(out, words, src->lanes, i, src->mode, src->w, at);
                    }
                    put_map(src, out, words, m->group, kn * inner - g);
                }
        }
}

// Weights of a mode, special values among the floats.
static struct tensor *random_weights(struct arena *a, struct rng *r, int64_t n, enum ir_mode mode,
                                     int lanes)
{
    enum dtype types[] = {lanes < 8 ? DT_I8 : lanes < 16 ? DT_I16 : DT_I32, DT_F32, DT_F16};
    struct tensor *t = tensor_create(a, types[mode], &n, 1);
    for (int64_t i = 0; i < n; i++) {
        int64_t v = rng_range(r, -((int64_t)1 << lanes) + 1, ((int64_t)1 << lanes) - 1);
        if (rng_range(r, 0, 9) == 0)
            v = 0;
        switch (types[mode]) {
        case DT_I8: ((int8_t *)t->data)[i] = (int8_t)v; break;
        case DT_I16: ((int16_t *)t->data)[i] = (int16_t)v; break;
        case DT_I32: ((int32_t *)t->data)[i] = (int32_t)v; break;
        case DT_F32: {
            static const uint32_t special[] = {0,          0x80000000, 1,         0x7f800000,
                                               0xff800000, 0x7fc00001, 0x807fffff};
            uint64_t b = rng_next(r);
            ((uint32_t *)t->data)[i] = b % 8 == 0 ? special[b / 8 % 7] : (uint32_t)(b >> 32);
            break;
        }
        default: ((uint16_t *)t->data)[i] = (uint16_t)rng_next(r); break;
        }
    }
    return t;
}

static void check_one(struct rng *r, struct arena *a)
{
    static const int64_t groups[] = {2, 4, 8, 16, 64, 128, 256};
    struct machine machine;
    machine_default(&machine);
    machine.group = groups[rng_range(r, 0, 6)];
    machine.pes = rng_range(r, 1, 33);
    int64_t x, w, offset[2], bad;
    struct mac_problem two[2];
    two[0] = random_problem(r, &x, &w);
    two[1] = two[0];
    two[1].noc = two[0].diag * rng_range(r, 1, two[0].noc / two[0].diag);
    struct mac_plan plan = {.problem = two, .num_problems = 2};
    enum ir_mode mode = (enum ir_mode)rng_range(r, 0, 2);
    int lanes = mode == IR_MODE_FIXED ? (int)rng_range(r, 1, 23) : mode == IR_MODE_FP32 ? 24 : 11;
    struct lanes_source src = {random_weights(a, r, w, mode, lanes), mode, lanes, NULL, pool};
    struct mac_demand m = {.group = machine.group, .pes = machine.pes};
    m.tile_bytes = (int64_t)machine_lane_tile_bytes(&machine, lanes, mode != IR_MODE_FIXED);
    machine.ext = (uint32_t)rng_range(r, 1, 7) << 1;
    if (mode == IR_MODE_FIXED && rng_range(r, 0, 1)) {
        src.map = &machine;
        m.tile_bytes += (int64_t)machine_lane_map_bytes(&machine);
    }
    int64_t kchunk = rng_range(r, 1, two[0].k[0].extent + 1);
    int64_t bytes = mac_lanes_layout(&plan, kchunk, &m, offset);
    CHECK(bytes % 8 == 0);
    CHECK_INT(offset[0], 0);
    uint64_t *fast = arena_alloc(a, (size_t)bytes), *slow = arena_alloc(a, (size_t)bytes);
    CHECK(lanes_pack(&plan, kchunk, &m, &src, offset, a, (uint8_t *)fast, &bad));
    for (int i = 0; i < 2; i++)
        pack_slowly(&two[i], kchunk, &m, &src, slow + offset[i] / 8);
    CHECK(memcmp(fast, slow, (size_t)bytes) == 0);
}

static void random_weights_pack(void)
{
    struct arena *a = arena_create();
    struct rng r = {3};
    for (int i = 0; i < 300; i++) {
        check_one(&r, a);
        arena_reset(a);
    }
    arena_destroy(a);
}

// Where a step of the loop nest finds its lanes.
static void offsets_add_up(void)
{
    struct rng r = {5};
    for (int i = 0; i < 200; i++) {
        int64_t x, w, at = 0;
        struct mac_problem p = random_problem(&r, &x, &w);
        struct mac_demand m = {.group = 8, .pes = rng_range(&r, 1, 9), .tile_bytes = 40};
        int64_t kchunk = rng_range(&r, 1, p.k[0].extent);
        for (int64_t t = 0; t * m.pes < p.noc; t++)
            for (int64_t c = 0; c < mac_chunks(&p, kchunk); c++) {
                int64_t npe = p.noc - t * m.pes < m.pes ? p.noc - t * m.pes : m.pes;
                CHECK_INT(mac_lanes_offset(&p, kchunk, &m, t, c), at);
                at += mac_chunk_groups(&p, kchunk, c, m.group) * npe * m.tile_bytes;
            }
        CHECK_INT(mac_lanes_bytes(&p, kchunk, &m), at);
    }
}

// A weight that needs a lane too many is named.
static void too_large_a_weight(void)
{
    struct arena *a = arena_create();
    struct mac_problem p = {.noc = 2, .nk = 1, .np = 1, .diag = 1, .w_oc = 5};
    p.k[0] = (struct mac_dim){5, 1, 1, 0, -1, 0, NULL};
    p.p[0] = (struct mac_dim){1, 1, 0, 1, -1, 0, NULL};
    struct mac_plan plan = {.problem = &p, .num_problems = 1};
    struct mac_demand m = {.group = 4, .pes = 2, .tile_bytes = 8 * (2 + 7)};
    int64_t offset, bad;
    int32_t values[] = {1, 2, 3, 4, 5, 6, 7, 128, -127, 0};
    struct tensor w = {.dtype = DT_I32, .rank = 2, .dim = {2, 5}, .data = values};
    struct lanes_source src = {&w, IR_MODE_FIXED, 7, NULL, pool};
    uint8_t *out = arena_alloc(a, (size_t)mac_lanes_layout(&plan, 5, &m, &offset));
    CHECK(!lanes_pack(&plan, 5, &m, &src, &offset, a, out, &bad));
    CHECK_INT(bad, 7);
    values[7] = INT32_MIN;
    CHECK(!lanes_pack(&plan, 5, &m, &src, &offset, a, out, &bad));
    CHECK_INT(bad, 7);
    values[7] = -128 + 1;
    CHECK(lanes_pack(&plan, 5, &m, &src, &offset, a, out, &bad));
    arena_destroy(a);
}

int main(void)
{
    RUN(random_weights_pack);
    pool = thread_pool_create(3);
    RUN(random_weights_pack);
    RUN(offsets_add_up);
    RUN(too_large_a_weight);
    thread_pool_destroy(pool);
    return check_summary();
}

// Copies by blocks against copies of one element at a time.
#include <string.h>

#include "bce_random.h"
#include "check.h"
#include "transpose.h"

#define ROUNDS 2000
#define MEMORY (1 << 16)

struct pair {
    struct sim_view dst, src;
    enum dtype dtype;
};

// Dense views of the same extents whose dimensions lie in memory in different orders; some with
// gaps between rows.
static void lay_dims(uint64_t *state, struct sim_view *v)
{
    int order[4] = {0, 1, 2, 3};
    int64_t stride = 1;
    for (int i = v->rank - 1; i > 0; i--) {
        int j = bce_below(state, i + 1), o = order[i];
        order[i] = order[j];
        order[j] = o;
    }
    for (int i = v->rank - 1; i >= 0; i--) {
        v->stride[order[i]] = stride;
        v->axis[order[i]] = -1;
        stride *= v->extent[order[i]] + (bce_below(state, 4) == 0 ? bce_below(state, 3) : 0);
    }
}

static bool random_pair(uint64_t *state, struct pair *p)
{
    static const enum dtype TYPES[] = {DT_I8, DT_F16, DT_F32, DT_I64};
    int64_t elements = 1;
    memset(p, 0, sizeof *p);
    p->dst.dtype = p->src.dtype = TYPES[bce_below(state, 4)];
    p->dst.rank = p->src.rank = 2 + bce_below(state, 3);
    for (int d = 0; d < p->dst.rank; d++) {
        p->dst.extent[d] = p->src.extent[d] = 1 + bce_below(state, bce_below(state, 3) ? 60 : 5);
        elements *= p->dst.extent[d] + 2;
    }
    lay_dims(state, &p->dst);
    lay_dims(state, &p->src);
    return elements * (int64_t)dtype_bytes(p->dst.dtype) <= MEMORY;
}

static void copy_elements(const struct pair *p, uint8_t *to, const uint8_t *from)
{
    int64_t idx[ISA_MAX_RANK] = {0};
    size_t bytes = dtype_bytes(p->dst.dtype);
    for (int d = 0; d >= 0;) {
        int64_t at = 0, source = 0;
        for (int i = 0; i < p->dst.rank; i++) {
            at += idx[i] * p->dst.stride[i];
            source += idx[i] * p->src.stride[i];
        }
        memcpy(to + at * (int64_t)bytes, from + source * (int64_t)bytes, bytes);
        for (d = p->dst.rank - 1; d >= 0 && ++idx[d] == p->dst.extent[d]; d--)
            idx[d] = 0;
    }
}

static void blocks_equal_elements(void)
{
    static uint8_t from[MEMORY], to[MEMORY], want[MEMORY];
    int taken = 0;
    for (uint64_t state = 3, round = 0; round < ROUNDS; round++) {
        struct pair p;
        struct transpose t;
        if (!random_pair(&state, &p))
            continue;
        for (int i = 0; i < MEMORY; i++) {
            from[i] = (uint8_t)bce_random(&state);
            to[i] = want[i] = (uint8_t)i;
        }
        if (!transpose_fits(&p.dst, to, &p.src, from, &t))
            continue;
        taken++;
        copy_elements(&p, want, from);
        for (int64_t i = t.pieces - 1; i >= 0; i--)
            transpose_piece(&t, (int)i, 0);
        if (!CHECK(memcmp(to, want, MEMORY) == 0))
            return;
    }
    CHECK(taken > 100);
}

static void what_does_not_fit(void)
{
    static uint8_t from[MEMORY], to[MEMORY];
    struct transpose t;
    struct sim_view dst = {.dtype = DT_F32, .rank = 2, .extent = {64, 64}, .stride = {64, 1}};
    struct sim_view src = {.dtype = DT_F32, .rank = 2, .extent = {64, 64}, .stride = {1, 64}};
    memset(dst.axis, -1, sizeof dst.axis);
    memset(src.axis, -1, sizeof src.axis);
    CHECK(transpose_fits(&dst, to, &src, from, &t));
    CHECK(!transpose_fits(&dst, NULL, &src, from, &t));
    CHECK(!transpose_fits(&dst, to, &dst, from, &t)); // the same order
    src.axis[1] = 0;
    CHECK(!transpose_fits(&dst, to, &src, from, &t)); // borders
    src.axis[1] = -1;
    dst.stride[0] = 32;
    CHECK(!transpose_fits(&dst, to, &src, from, &t)); // rows that overlap: order matters
    dst.stride[0] = 64;
    dst.extent[0] = src.extent[0] = 8;
    CHECK(!transpose_fits(&dst, to, &src, from, &t)); // small
}

int main(void)
{
    RUN(blocks_equal_elements);
    RUN(what_does_not_fit);
    return check_summary();
}

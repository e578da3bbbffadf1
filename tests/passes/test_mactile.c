// Boxes and views against the definition of a problem: whatever tile, the view of the copy gives
// the same activation.
#include "mactile.h"

#include <stdlib.h>

#include "check.h"
#include "mac_random.h"

// X[k][p] by definition: the element of x, or -1 in the padding.
static int64_t activation(const struct mac_problem *p, const int64_t *k, const int64_t *pos)
{
    int64_t at = p->xbase, c[MAC_MAX_AXES];
    memcpy(c, p->origin, sizeof c);
    for (int i = 0; i < p->nk + p->np; i++) {
        const struct mac_dim *d = i < p->nk ? &p->k[i] : &p->p[i - p->nk];
        int64_t index = i < p->nk ? k[i] : pos[i - p->nk];
        at += index * d->xstride;
        if (d->axis >= 0)
            c[d->axis] += index * d->step;
    }
    for (int a = 0; a < p->num_axes; a++)
        if (c[a] < 0 || c[a] >= p->limit[a])
            return -1;
    return at;
}

// The copy: which element of x each of its elements is.
static int64_t *copy_box(const struct mac_box *b, struct arena *a)
{
    int64_t *copy = ARENA_ARRAY(a, (size_t)b->elems + 1, int64_t), digit[MAC_BOX_RANK], n = 1;
    for (int i = 0; i < b->rank; i++)
        n *= b->extent[i];
    CHECK(b->elems == 0 || n == b->elems);
    for (int64_t i = 0; i < b->elems; i++) {
        unflatten(i, b->extent, b->rank, digit);
        copy[i] = b->start;
        for (int d = 0; d < b->rank; d++)
            copy[i] += digit[d] * b->stride[d];
    }
    return copy;
}

// The view's element at flat indices, -1 in the padding, -2 outside the copy.
static int64_t through_view(const struct mac_box *b, const int64_t *copy, int64_t k, int64_t p)
{
    int64_t at = b->base, c[MAC_MAX_AXES], digit[MAC_MAX_DIMS], extent[MAC_MAX_DIMS];
    memcpy(c, b->origin, sizeof c);
    bool bounded[MAC_MAX_AXES] = {false};
    for (int part = 0; part < 2; part++) {
        const struct mac_box_dim *dim = part == 0 ? b->k : b->p;
        int n = part == 0 ? b->nk : b->np;
        for (int i = 0; i < n; i++)
            extent[i] = dim[i].extent;
        unflatten(part == 0 ? k : p, extent, n, digit);
        for (int i = 0; i < n; i++) {
            at += digit[i] * dim[i].stride;
            if (dim[i].axis >= 0) {
                bounded[dim[i].axis] = true;
                c[dim[i].axis] += digit[i] * dim[i].step;
            }
        }
    }
    for (int a = 0; a < b->num_axes; a++)
        if (bounded[a] && (c[a] < 0 || c[a] >= b->limit[a]))
            return -1;
    return at >= 0 && at < b->elems ? copy[at] : -2;
}

static void check_part(const struct mac_problem *p, const struct mac_tile *load,
                       const struct mac_tile *use, struct arena *a)
{
    struct mac_box b;
    mac_box_make(p, load, use, &b);
    int64_t *copy = copy_box(&b, a), K = 1, P = 1, view_k = 1, view_p = 1, ke[MAC_MAX_DIMS];
    for (int i = 0; i < p->nk; i++)
        K *= ke[i] = i == 0 ? use->kn : p->k[i].extent;
    for (int i = 0; i < p->np; i++)
        P *= use->extent[i];
    for (int i = 0; i < b.nk; i++)
        view_k *= b.k[i].extent;
    for (int i = 0; i < b.np; i++)
        view_p *= b.p[i].extent;
    CHECK(b.nk >= 1 && b.np >= 1 && b.nk + b.np <= 8);
    CHECK_INT(view_k, K);
    CHECK_INT(view_p, P);
    for (int64_t k = 0; k < K; k++)
        for (int64_t q = 0; q < P; q++) {
            int64_t kd[MAC_MAX_DIMS], pd[MAC_MAX_DIMS];
            unflatten(k, ke, p->nk, kd);
            unflatten(q, use->extent, p->np, pd);
            kd[0] += use->k0;
            for (int i = 0; i < p->np; i++)
                pd[i] += use->start[i];
            int64_t want = activation(p, kd, pd), got = through_view(&b, copy, k, q);
            if (want != got)
                CHECK_INT(got, want);
        }
}

static void check_problem(const struct mac_problem *p, struct rng *r, struct arena *a)
{
    int64_t tile[MAC_MAX_DIMS] = {1, 1, 1, 1, 1};
    for (int i = 0; i < p->np; i++)
        tile[i] = rng_range(r, 1, p->p[i].extent);
    int64_t kchunk = rng_range(r, 1, p->k[0].extent), positions = 0, total = 1;
    int64_t most = mac_box_max_elems(p, tile, kchunk),
            most_whole = mac_box_max_elems(p, tile, p->k[0].extent);
    for (int64_t t = 0; t < mac_tile_count(p, tile); t++) {
        struct mac_tile whole, part;
        struct mac_box b;
        mac_tile_at(p, tile, t, &whole);
        int64_t n = 1;
        for (int i = 0; i < p->np; i++)
            n *= whole.extent[i];
        positions += n;
        mac_box_make(p, &whole, &whole, &b);
        CHECK(b.elems <= most_whole);
        for (int64_t c = 0; c < mac_chunks(p, kchunk); c++) {
            part = whole;
            part.k0 = c * kchunk;
            part.kn = part.k0 + kchunk < p->k[0].extent ? kchunk : p->k[0].extent - part.k0;
            mac_box_make(p, &part, &part, &b);
            CHECK(b.elems <= most);
            check_part(p, &part, &part, a);
            check_part(p, &whole, &part, a);
        }
    }
    for (int i = 0; i < p->np; i++)
        total *= p->p[i].extent;
    CHECK_INT(positions, total);
}

static void random_problems(void)
{
    struct arena *a = arena_create();
    struct rng r = {7};
    for (int i = 0; i < 400; i++) {
        int64_t x, w;
        struct mac_problem p = random_problem(&r, &x, &w);
        check_problem(&p, &r, a);
        arena_reset(a);
    }
    arena_destroy(a);
}

// A 1x1 convolution with stride 2 loads every second element only, and needs no axes.
static void strides_are_not_loaded(void)
{
    struct mac_problem p = {.noc = 1, .nk = 1, .np = 2, .num_axes = 2, .limit = {8, 8}, .diag = 1};
    p.k[0] = (struct mac_dim){4, 64, 1, 0, -1, 0, NULL};
    p.p[0] = (struct mac_dim){4, 16, 0, 4, 0, 2, NULL};
    p.p[1] = (struct mac_dim){4, 2, 0, 1, 1, 2, NULL};
    struct mac_tile t;
    struct mac_box b;
    mac_tile_at(&p, (int64_t[]){4, 4}, 0, &t);
    mac_box_make(&p, &t, &t, &b);
    CHECK_INT(b.elems, 64);
    CHECK_INT(b.nk, 1);
    CHECK_INT(b.np, 1);
    CHECK_INT(b.p[0].extent, 16);
    CHECK_INT(b.p[0].axis, -1);
}

// A problem without taps has positions all the same.
static void nothing_to_multiply(void)
{
    struct mac_problem p = {.noc = 3, .nk = 2, .np = 1, .num_axes = 1, .limit = {5}, .diag = 1};
    p.k[0] = (struct mac_dim){4, 5, 1, 0, -1, 0, NULL};
    p.k[1] = (struct mac_dim){0, 1, 1, 0, 0, 1, NULL};
    p.p[0] = (struct mac_dim){5, 1, 0, 1, 0, 1, NULL};
    struct mac_tile t;
    struct mac_box b;
    struct mac_demand m = {.group = 64, .pes = 32, .tile_bytes = 72, .x_bytes = 1, .y_bytes = 1};
    mac_tile_at(&p, (int64_t[]){5}, 0, &t);
    mac_box_make(&p, &t, &t, &b);
    CHECK_INT(b.elems, 0);
    CHECK_INT(b.p[0].extent, 5);
    CHECK_INT(mac_chunks(&p, 4), 1);
    CHECK_INT(mac_lanes_bytes(&p, 4, &m), 0);
}

int main(void)
{
    RUN(random_problems);
    RUN(strides_are_not_loaded);
    RUN(nothing_to_multiply);
    return check_summary();
}

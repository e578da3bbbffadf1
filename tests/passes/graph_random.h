// Modules made by the builder, and what surrounds a pass under test.
#ifndef BITLET_GRAPH_RANDOM_H
#define BITLET_GRAPH_RANDOM_H

#include "check.h"
#include "pass.h"
#include "passes_rng.h"

struct fixture {
    struct arena *a, *scratch;
    struct diag *diag;
    struct machine machine;
    struct pass_options opt;
    struct pass_ctx ctx;
    struct ir_builder b;
    int reported[DIAG_NUM];
    char last[1024]; // message
};

static inline void fixture_sink(void *user, enum diag_severity sev, enum diag_id id,
                                const char *message)
{
    struct fixture *f = user;
    (void)sev;
    f->reported[id]++;
    snprintf(f->last, sizeof f->last, "%s", message);
}

static inline void fixture_start(struct fixture *f)
{
    *f = (struct fixture){.a = arena_create(), .scratch = arena_create()};
    struct ir_module *m = ir_module_create(f->a);
    m->locs = loc_table_create(f->a);
    m->level = IR_L_IMPORTED | IR_L_SHAPED;
    m->main = ir_graph_create(m, "main");
    f->diag = diag_create(f->a, m->locs);
    diag_set_sink(f->diag, fixture_sink, f);
    machine_default(&f->machine);
    f->ctx = (struct pass_ctx){m, f->scratch, f->diag, &f->machine, &f->opt};
    f->b = (struct ir_builder){m->main, NULL, LOC_NONE, f->diag};
}

static inline void fixture_end(struct fixture *f)
{
    arena_destroy(f->scratch);
    arena_destroy(f->a);
}

static inline struct ir_value *add_input(struct fixture *f, enum dtype t, const int64_t *dim,
                                         int rank)
{
    struct ir_type type = ir_type_make(t, dim, rank);
    return ir_graph_add_input(f->b.graph, "x", &type);
}

static inline struct ir_value *add_const(struct fixture *f, enum dtype t, const int64_t *dim,
                                         int rank, uint64_t seed)
{
    return irb_const(&f->b, tensor_random(f->a, t, dim, rank, seed), "w");
}

// A random MAC op with constant weights (or, for a product, sometimes computed ones). NULL: the
// shapes do not work out.
static inline struct ir_value *random_mac(struct fixture *f, struct rng *r, enum dtype t)
{
    if (rng_range(r, 0, 3) == 0) {
        int64_t batch = rng_range(r, 1, 3), m = rng_range(r, 1, 40), k = rng_range(r, 1, 200),
                n = rng_range(r, 1, 70);
        struct ir_value *x = add_input(f, t, (int64_t[]){batch, m, k}, 3);
        int64_t w[] = {rng_range(r, 0, 1) ? batch : 1, k, n};
        struct ir_value *y =
            rng_range(r, 0, 1) ? add_input(f, t, w, 3) : add_const(f, t, w, 3, rng_next(r));
        return irb_matmul(&f->b, x, y, NULL);
    }
    int spatial = (int)rng_range(r, 1, 3);
    int64_t group = rng_range(r, 0, 1) ? 1 : rng_range(r, 2, 9), c = rng_range(r, 1, 8),
            oc = rng_range(r, 1, 20);
    bool transposed = rng_range(r, 0, 3) == 0;
    int64_t x[5] = {rng_range(r, 1, 2), c * group}, w[5] = {oc * group, c};
    int64_t strides[3], dilations[3], pads[6], outpad[3] = {0};
    if (transposed) {
        w[0] = c * group;
        w[1] = oc;
    }
    for (int i = 0; i < spatial; i++) {
        w[2 + i] = rng_range(r, 1, 4);
        strides[i] = rng_range(r, 1, 3);
        dilations[i] = rng_range(r, 1, 2);
        pads[i] = rng_range(r, 0, 2);
        pads[spatial + i] = rng_range(r, 0, 2);
        x[2 + i] = rng_range(r, 9, spatial == 1 ? 200 : spatial == 2 ? 30 : 10);
    }
    struct ir_value *xv = add_input(f, t, x, 2 + spatial),
                    *wv = add_const(f, t, w, 2 + spatial, rng_next(r));
    return transposed ? irb_conv_transpose(&f->b, xv, wv, NULL, spatial, strides, dilations, pads,
                                           outpad, group)
                      : irb_conv(&f->b, xv, wv, NULL, spatial, strides, dilations, pads, group);
}

#endif

// A module with one builder and a silent collector of diagnostics, for tests of the evaluator.
#ifndef BITLET_GRAPH_MAKER_H
#define BITLET_GRAPH_MAKER_H

#include "check.h"
#include "eval.h"

struct maker {
    struct arena *arena;
    struct diag *diag;
    struct ir_module *module;
    struct ir_builder b;
    int reports;
    enum diag_id last;
};

static void maker_sink(void *user, enum diag_severity sev, enum diag_id id, const char *message)
{
    struct maker *m = user;
    if (sev == DIAG_SEV_NOTE)
        return;
    m->reports++;
    m->last = id;
    (void)message;
}

static inline struct maker *maker_create(void)
{
    struct arena *a = arena_create();
    struct maker *m = ARENA_NEW(a, struct maker);
    m->arena = a;
    m->diag = diag_create(a, NULL);
    diag_set_sink(m->diag, maker_sink, m);
    m->module = ir_module_create(a);
    m->module->main = ir_graph_create(m->module, "main");
    m->b = (struct ir_builder){.graph = m->module->main, .diag = m->diag};
    return m;
}

static inline void maker_destroy(struct maker *m)
{
    arena_destroy(m->arena);
}

static inline struct ir_value *maker_const(struct maker *m, enum dtype t, const int64_t *dim,
                                           int rank, const double *v)
{
    struct tensor *data = tensor_create(m->arena, t, dim, rank);
    int64_t n = tensor_elems(data);
    for (int64_t i = 0; i < n; i++)
        switch (t) {
        case DT_F32: ((float *)data->data)[i] = (float)v[i]; break;
        case DT_F64: ((double *)data->data)[i] = v[i]; break;
        case DT_I64: ((int64_t *)data->data)[i] = (int64_t)v[i]; break;
        case DT_I32: ((int32_t *)data->data)[i] = (int32_t)v[i]; break;
        case DT_U8: ((uint8_t *)data->data)[i] = (uint8_t)v[i]; break;
        default: ((int8_t *)data->data)[i] = (int8_t)v[i]; break;
        }
    return irb_const(&m->b, data, NULL);
}

static inline struct ir_value *maker_vector(struct maker *m, enum dtype t, int64_t n,
                                            const double *v)
{
    return maker_const(m, t, &n, 1, v);
}

static inline struct ir_value *maker_random(struct maker *m, enum dtype t, const int64_t *dim,
                                            int rank, uint64_t seed)
{
    return irb_const(&m->b, tensor_random(m->arena, t, dim, rank, seed), NULL);
}

// What the constants say v is; NULL with a report when evaluation fails.
static inline const struct tensor *maker_value(struct maker *m, struct ir_value *v)
{
    return v ? ir_fold_value(v, INT64_MAX, m->arena, m->diag) : NULL;
}

static inline bool maker_is(const struct tensor *t, int64_t n, const double *want)
{
    if (!CHECK(t != NULL) || !CHECK_INT(tensor_elems(t), n))
        return false;
    for (int64_t i = 0; i < n; i++) {
        double got = tensor_get_double(t, i);
        if (got != want[i] && !(got != got && want[i] != want[i])) {
            fprintf(stderr, "element %lld: got %.9g, want %.9g\n", (long long)i, got, want[i]);
            return CHECK(got == want[i]);
        }
    }
    return true;
}

#define VALUES(...) ((const double[]){__VA_ARGS__})
#define DIMS(...) ((const int64_t[]){__VA_ARGS__})
#define COUNT(...) ((int64_t)(sizeof VALUES(__VA_ARGS__) / sizeof(double)))
#define CHECK_VALUES(m, v, ...)                                                                    \
    maker_is(maker_value((m), (v)), COUNT(__VA_ARGS__), VALUES(__VA_ARGS__))

static inline uint64_t maker_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline int64_t maker_pick(uint64_t *state, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(maker_next(state) % (uint64_t)(hi - lo + 1));
}

#endif

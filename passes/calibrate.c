#include "calibrate.h"

#include <math.h>
#include <string.h>

#include "eval.h"
#include "index.h"

struct run {
    struct pass_ctx *ctx;
    struct index index; // value -> range
    struct calib_range *ranges;
    calib_watch_fn *also;
    void *also_user;
    bool told_host;
    size_t read;            // bytes of constants, since memory was released
    int values, num_values; // computed; of the graph
};

static void add_magnitude(struct calib_range *r, double v)
{
    double m = fabs(v);
    if (!(m < INFINITY))
        return;
    r->absmax = m > r->absmax ? m : r->absmax;
    r->sum += m;
    r->count++;
}

// ---- Pieces of a large tensor, each with its own sums, which are then added in order

enum { PIECE = 64 * 1024 };

struct pieces {
    const struct tensor *t;
    struct calib_range *part;
};

static void measure_piece(void *user, int piece, int worker)
{
    const struct pieces *p = user;
    int64_t n = tensor_elems(p->t), from = (int64_t)piece * PIECE;
    int64_t to = n - from < PIECE ? n : from + PIECE;
    struct calib_range r = {0};
    (void)worker;
    if (p->t->dtype == DT_F32)
        for (int64_t k = from; k < to; k++)
            add_magnitude(&r, (double)((const float *)p->t->data)[k]);
    else
        for (int64_t k = from; k < to; k++)
            add_magnitude(&r, tensor_get_double(p->t, k));
    p->part[piece] = r;
}

static void measure(struct run *run, struct calib_range *r, const struct tensor *t)
{
    int64_t pieces = (tensor_elems(t) + PIECE - 1) / PIECE;
    struct arena *a = arena_create();
    struct pieces p = {t, ARENA_ARRAY(a, (size_t)pieces, struct calib_range)};
    thread_pool_run(run->ctx->opt->pool, (int)pieces, measure_piece, &p);
    for (int64_t i = 0; i < pieces; i++) {
        r->absmax = fmax(r->absmax, p.part[i].absmax);
        r->sum += p.part[i].sum;
        r->count += p.part[i].count;
    }
    arena_destroy(a);
}

static void watch(void *user, const struct ir_value *v, const struct tensor *t)
{
    struct run *run = user;
    int i = index_get(&run->index, v);
    if (v->def && v->def->op != IR_OP_CONST)
        pass_step(run->ctx, run->values++, run->num_values);
    for (int k = 0; v->def && k < v->def->num_in; k++) {
        const struct tensor *c = v->def->in[k] ? ir_const_data(v->def->in[k]) : NULL;
        pass_release(run->ctx, &run->read, c ? tensor_bytes(c) : 0);
    }
    if (i >= 0)
        measure(run, &run->ranges[i], t);
    if (run->also)
        run->also(run->also_user, v, t);
}

// Host kernels are not run: random numbers stand for their results.
static bool fill_host(void *user, const struct ir_op *op, const struct tensor *const *in,
                      struct tensor **out)
{
    struct run *run = user;
    const struct ir_attr *name = ir_attr_find(op, IR_A_kernel_name);
    (void)in;
    if (!run->told_host)
        diag_report(
            run->ctx->diag, op->loc, DIAG_CALIBRATION_SEEDED,
            "host kernel '%s' does not run in calibration: random numbers stand for its results",
            name ? name->s : "");
    run->told_host = true;
    for (int i = 0; i < op->num_out; i++) {
        if (!dtype_is_float(out[i]->dtype))
            continue; // zeros, which are indices at least
        const struct tensor *r = tensor_random(run->ctx->scratch, out[i]->dtype, out[i]->dim,
                                               out[i]->rank, run->ctx->opt->seed);
        if (tensor_bytes(r))
            memcpy(out[i]->data, r->data, tensor_bytes(r));
    }
    return true;
}

static bool run_sample(void *user, const struct tensor *const *inputs)
{
    struct run *run = user;
    const struct ir_module *m = run->ctx->module;
    struct ir_eval_options o = {
        .watch = watch, .host = fill_host, .user = run, .group = 64, .pool = run->ctx->opt->pool};
    run->values = run->num_values = 0;
    for (const struct ir_op *op = m->main->first; op; op = op->next)
        run->num_values += op->op != IR_OP_CONST ? op->num_out : 0;
    struct arena *a = arena_create();
    struct tensor **outputs = ARENA_ARRAY(a, (size_t)m->main->num_outputs + 1, struct tensor *);
    bool ok = ir_eval(m, inputs, &o, outputs, a, run->ctx->diag);
    arena_destroy(a);
    return ok;
}

bool calibrate_ranges(struct pass_ctx *ctx, struct ir_value *const *values, int num,
                      struct calib_range *out, calib_watch_fn *also, void *user)
{
    struct run run = {.ctx = ctx, .ranges = out, .also = also, .also_user = user};
    index_create(&run.index, (size_t)num, ctx->scratch);
    for (int i = 0; i < num; i++) {
        out[i] = (struct calib_range){0};
        index_set(&run.index, values[i], i);
    }
    return (num == 0 && !also) || calib_for_each_sample(ctx, run_sample, &run);
}

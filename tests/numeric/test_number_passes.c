// Random graphs, evaluated before and after each pass about numbers. Passes that claim exactness
// are held to it; folding of affine ops may move the last bits, quantisation a per cent of the
// result's range.
#include "graph_maker.h"
#include "pass.h"

#include <math.h>

struct random_graph {
    struct maker *m;
    uint64_t rng;
};

static int64_t pick(struct random_graph *g, int64_t lo, int64_t hi)
{
    return maker_pick(&g->rng, lo, hi);
}

static struct ir_value *numbers(struct random_graph *g, const int64_t *dim, int rank)
{
    return maker_random(g->m, DT_F32, dim, rank, maker_next(&g->rng));
}

static struct ir_value *conv_stage(struct random_graph *g, struct ir_value *x)
{
    int64_t c = x->type.dim[1], group = c % 2 == 0 && pick(g, 0, 2) == 0 ? 2 : 1, k = pick(g, 1, 3),
            s = pick(g, 1, 2);
    int64_t outs = group * pick(g, 1, 4), pad = pick(g, 0, k - 1);
    bool transposed = pick(g, 0, 4) == 0;
    int64_t w[4] = {transposed ? c : outs, transposed ? outs / group : c / group, k, k};
    struct ir_value *bias = pick(g, 0, 1) ? numbers(g, &outs, 1) : NULL;
    int64_t strides[2] = {s, s}, ones[2] = {1, 1}, pads[4] = {pad, pad, pad, pad},
            outpad[2] = {0, 0};
    if (transposed)
        return irb_conv_transpose(&g->m->b, x, numbers(g, w, 4), bias, 2, strides, ones, pads,
                                  outpad, group);
    return irb_conv(&g->m->b, x, numbers(g, w, 4), bias, 2, strides, ones, pads, group);
}

static struct ir_value *affine_stage(struct random_graph *g, struct ir_value *x)
{
    static const enum binary_fn fns[] = {BFN_mul, BFN_add, BFN_sub, BFN_div};
    int64_t links = pick(g, 1, 4);
    for (int64_t i = 0; i < links; i++) {
        int64_t dim[3] = {pick(g, 0, 3) ? x->type.dim[1] : 1, 1, 1};
        enum binary_fn fn = fns[pick(g, 0, 3)];
        struct ir_value *k = numbers(g, dim, 3);
        for (int64_t j = 0; j < dim[0]; j++) { // away from zero
            float *v = (float *)ir_const_data(k)->data + j;
            *v += *v < 0 ? -0.5f : 0.5f;
        }
        bool reversed = fn != BFN_div && pick(g, 0, 2) == 0;
        x = irb_binary(&g->m->b, fn, reversed ? k : x, reversed ? x : k);
    }
    return x;
}

static struct ir_value *clamp_stage(struct random_graph *g, struct ir_value *x)
{
    int64_t n = pick(g, 1, 3);
    for (int64_t i = 0; i < n; i++) {
        double c = (double)pick(g, -4, 4) / 2;
        x = irb_binary(&g->m->b, pick(g, 0, 1) ? BFN_max : BFN_min, x, irb_const_f32(&g->m->b, c));
    }
    return x;
}

static struct ir_value *pool_stage(struct random_graph *g, struct ir_value *x)
{
    int64_t k = pick(g, 1, 3), s = pick(g, 1, 2), pad = pick(g, 0, k > 1);
    if (x->type.dim[2] + 2 * pad < k || x->type.dim[3] + 2 * pad < k)
        return x;
    return irb_pool(&g->m->b, pick(g, 0, 3) ? RFN_max : RFN_sum, x, 2, DIMS(k, k), DIMS(s, s),
                    DIMS(1, 1), DIMS(pad, pad, pad, pad));
}

static struct ir_value *move_stage(struct random_graph *g, struct ir_value *x)
{
    const int64_t *d = x->type.dim;
    struct ir_builder *b = &g->m->b;
    switch (pick(g, 0, 4)) {
    case 0: return irb_pad(b, x, DIMS(0, 0, 1, 0), DIMS(0, 0, 2, 1), (double)pick(g, 0, 1));
    case 1: return irb_transpose(b, x, DIMS(0, 1, 3, 2));
    case 2: return irb_reshape(b, irb_reshape(b, x, DIMS(d[0], d[1] * d[2] * d[3]), 2), d, 4);
    case 3:
        return irb_slice(b, x, DIMS(0, d[1] - 1, 0, 0), DIMS(d[0], d[1], d[2], d[3]),
                         DIMS(1, -1, 1, 1));
    default: return irb_gather(b, x, irb_const_i64s(b, DIMS(0, -1, 0), 3), 3);
    }
}

static struct ir_value *stage(struct random_graph *g, struct ir_value *x)
{
    switch (pick(g, 0, 7)) {
    case 0:
    case 1:
    case 2: return conv_stage(g, x);
    case 3: return affine_stage(g, x);
    case 4: return clamp_stage(g, x);
    case 5: return pool_stage(g, x);
    case 6: return move_stage(g, x);
    default: {
        struct ir_value *both[] = {conv_stage(g, x), x};
        if (!both[0] || memcmp(both[0]->type.dim + 2, x->type.dim + 2, 2 * sizeof(int64_t)) != 0)
            return both[0];
        if (pick(g, 0, 1) == 0)
            both[1] = maker_random(g->m, DT_F32, x->type.dim, 4, 3);
        return irb_concat(&g->m->b, both, 2, 1);
    }
    }
}

static struct random_graph make_graph(uint64_t seed)
{
    struct random_graph g = {maker_create(), seed};
    struct ir_type type = ir_type_make(
        DT_F32, DIMS(pick(&g, 1, 2), pick(&g, 1, 4), pick(&g, 5, 9), pick(&g, 5, 9)), 4);
    struct ir_value *x = ir_graph_add_input(g.m->module->main, "x", &type);
    int64_t stages = pick(&g, 3, 9);
    for (int64_t i = 0; i < stages; i++) {
        struct ir_value *y = stage(&g, x);
        x = y ? y : x;
        if (y && pick(&g, 0, 9) == 0)
            ir_graph_add_output(g.m->module->main, y, "extra");
    }
    if (pick(&g, 0, 1)) {
        const int64_t *d = x->type.dim;
        int64_t k = d[1] * d[2] * d[3];
        x = irb_reshape(&g.m->b, x, DIMS(d[0], k), 2);
        x = irb_matmul(&g.m->b, x, numbers(&g, DIMS(k, 3), 2), NULL);
        x = irb_binary(&g.m->b, BFN_add, x, numbers(&g, DIMS(3), 1));
    }
    ir_graph_add_output(g.m->module->main, x, "y");
    g.m->module->level = IR_L_IMPORTED | IR_L_SHAPED;
    return g;
}

static struct tensor **run(struct maker *m, const struct tensor *x)
{
    struct tensor **out =
        ARENA_ARRAY(m->arena, (size_t)m->module->main->num_outputs, struct tensor *);
    return ir_eval(m->module, &x, NULL, out, m->arena, m->diag) ? out : NULL;
}

static bool same(const struct maker *m, struct tensor *const *a, struct tensor *const *b,
                 double tolerance, const char *pass, uint64_t seed)
{
    for (int i = 0; i < m->module->main->num_outputs; i++) {
        double top = 0, worst = 0;
        for (int64_t k = 0; k < tensor_elems(a[i]); k++) {
            double x = tensor_get_double(a[i], k), y = tensor_get_double(b[i], k);
            top = fmax(top, fabs(x));
            worst = fmax(worst, x == y ? 0 : fabs(x - y));
        }
        if (!CHECK(tensor_elems(a[i]) == tensor_elems(b[i]) && worst <= tolerance * top)) {
            fprintf(stderr, "%s, seed %llu, output %d: off by %g of %g\n", pass,
                    (unsigned long long)seed, i, worst, top);
            return false;
        }
    }
    return true;
}

static const struct step {
    const char *name;
    bool (*pass)(struct pass_ctx *);
    double tolerance;
} steps[] = {
    {"fold", pass_fold, 0},
    {"fuse-affine", pass_fuse_affine, 1e-4},
    {"fuse-act", pass_fuse_act, 0},
    {"dce", pass_dce, 0},
    {"quantize", pass_quantize, 1}, // set per precision
    {"fuse-requant", pass_fuse_requant, 0},
};

static bool through_passes(uint64_t seed, struct pass_precision p, double loss, bool per_tensor)
{
    struct random_graph g = make_graph(seed);
    struct maker *m = g.m;
    const struct ir_type *type = &m->module->main->inputs[0]->type;
    const struct tensor *x =
        tensor_random(m->arena, type->dtype, type->dim, type->rank, 0); // what calibration will see
    struct pass_options o = {.precision = p, .per_tensor_scales = per_tensor};
    struct arena *scratch = arena_create();
    struct pass_ctx ctx = {.module = m->module, .scratch = scratch, .diag = m->diag, .opt = &o};
    struct tensor **before = run(m, x);
    bool ok = CHECK(before != NULL);
    for (size_t i = 0; ok && i < sizeof steps / sizeof *steps; i++) {
        ok = CHECK(steps[i].pass(&ctx)) && CHECK(ir_verify(m->module, m->diag));
        arena_reset(scratch);
        struct tensor **after = ok ? run(m, x) : NULL;
        double tolerance = steps[i].pass == pass_quantize ? loss : steps[i].tolerance;
        ok = ok && CHECK(after != NULL) && same(m, before, after, tolerance, steps[i].name, seed);
        before = after;
    }
    for (const struct ir_op *op = m->module->main->first; ok && op; op = op->next)
        ok = CHECK(!ir_is_mac(op) || ir_has_attr(op, IR_A_mode));
    arena_destroy(scratch);
    maker_destroy(m);
    return ok;
}

static void fixed_point(void)
{
    for (uint64_t seed = 1; seed <= 300; seed++)
        if (!through_passes(seed, (struct pass_precision){IR_MODE_FIXED, 16, 16}, 2e-2, seed % 2))
            break;
}

static void few_bits(void)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        for (int bits = 1; bits <= 24; bits += 1 + bits / 4)
            if (!through_passes(seed, (struct pass_precision){IR_MODE_FIXED, bits, bits + bits % 2},
                                INFINITY, false))
                return;
}

static void floats(void)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        if (!through_passes(seed, (struct pass_precision){IR_MODE_FP32, 32, 32}, 0, false))
            break;
        if (!through_passes(seed, (struct pass_precision){IR_MODE_FP16, 16, 16}, 5e-2, false))
            break;
    }
}

// The default pipeline takes everything around a lone convolution into it.
static void everything_fuses(void)
{
    struct random_graph g = {maker_create(), 7};
    struct ir_type type = ir_type_make(DT_F32, DIMS(1, 4, 6, 6), 4);
    struct ir_value *x = ir_graph_add_input(g.m->module->main, "x", &type);
    x = irb_pad(&g.m->b, x, DIMS(0, 0, 1, 1), DIMS(0, 0, 1, 1), 0);
    x = irb_conv(&g.m->b, x, numbers(&g, DIMS(5, 4, 3, 3), 4), NULL, 2, DIMS(1, 1), DIMS(1, 1),
                 DIMS(0, 0, 0, 0), 1);
    x = irb_binary(&g.m->b, BFN_mul, x, numbers(&g, DIMS(5, 1, 1), 3));
    x = irb_binary(&g.m->b, BFN_add, x, numbers(&g, DIMS(5, 1, 1), 3));
    x = irb_binary(&g.m->b, BFN_max, x, irb_const_f32(&g.m->b, 0));
    x = irb_binary(&g.m->b, BFN_min, x, irb_const_f32(&g.m->b, 6));
    ir_graph_add_output(g.m->module->main, x, "y");
    struct pass_options o = {.precision = {IR_MODE_FIXED, 8, 8}};
    struct pass_ctx ctx = {
        .module = g.m->module, .scratch = g.m->arena, .diag = g.m->diag, .opt = &o};
    CHECK(pass_fuse_affine(&ctx) && pass_fuse_act(&ctx) && pass_dce(&ctx) && pass_quantize(&ctx));
    int ops = 0;
    for (const struct ir_op *op = g.m->module->main->first; op; op = op->next)
        ops += op->op != IR_OP_CONST;
    CHECK_INT(ops, 2); // quantize, conv
    maker_destroy(g.m);
}

// Products of integers wider than the array takes are made of limbs, modulo the width of the
// result.
static void wide_integers(void)
{
    static const enum dtype types[] = {DT_I32, DT_I64, DT_U32, DT_U64, DT_I16, DT_U8};
    for (int t = 0; t < 6; t++)
        for (int held = 0; held < 2; held++) {
            struct maker *m = maker_create();
            struct ir_type type = ir_type_make(types[t], DIMS(2, 3, 5), 3),
                           other = ir_type_make(types[t], DIMS(5, 4), 2);
            struct ir_value *x = ir_graph_add_input(m->module->main, "x", &type);
            struct ir_value *w = ir_graph_add_input(m->module->main, "w", &other);
            ir_graph_add_output(m->module->main, irb_matmul(&m->b, x, w, NULL), "y");
            ir_set_int(m->module->main->last, IR_A_stationary, held);
            struct tensor *in[2] = {tensor_create(m->arena, types[t], type.dim, 3),
                                    tensor_create(m->arena, types[t], other.dim, 2)};
            uint64_t rng = (uint64_t)t;
            for (int i = 0; i < 2; i++)
                for (size_t k = 0; k < tensor_bytes(in[i]); k++)
                    ((uint8_t *)in[i]->data)[k] = (uint8_t)maker_next(&rng);
            struct tensor *before, *after;
            struct pass_options o = {.precision = {IR_MODE_FIXED, 8, 8}};
            struct pass_ctx ctx = {
                .module = m->module, .scratch = m->arena, .diag = m->diag, .opt = &o};
            const struct tensor *const *inputs = (const struct tensor *const *)in;
            if (!CHECK(ir_eval(m->module, inputs, NULL, &before, m->arena, m->diag) &&
                       pass_quantize(&ctx) && ir_verify(m->module, m->diag) &&
                       ir_eval(m->module, inputs, NULL, &after, m->arena, m->diag)))
                return;
            for (int64_t i = 0; i < tensor_elems(before); i++)
                CHECK_INT(tensor_get_int(after, i), tensor_get_int(before, i));
            for (const struct ir_op *op = m->module->main->first; op; op = op->next)
                if (ir_is_mac(op))
                    CHECK(ir_int(op, IR_A_wbits, 99) <= 24 && ir_int(op, IR_A_abits, 99) <= 24);
            maker_destroy(m);
        }
}

int main(void)
{
    RUN(everything_fuses);
    RUN(floats);
    RUN(fixed_point);
    RUN(few_bits);
    RUN(wide_integers);
    return check_summary();
}

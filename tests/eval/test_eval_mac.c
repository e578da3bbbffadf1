// MAC ops against their definitions, on random shapes; integers exactly, floats to the last
// rounding.
#include "graph_maker.h"

#include <math.h>

struct shape { // of a random convolution
    int spatial;
    int64_t n, group, channels, outs; // per group
    int64_t in[3], kernel[3], stride[3], dilation[3], pad[6], outpad[3];
};

static struct shape pick_shape(uint64_t *rng)
{
    struct shape s = {.spatial = (int)maker_pick(rng, 1, 3),
                      .n = maker_pick(rng, 1, 2),
                      .group = maker_pick(rng, 1, 3)};
    s.channels = maker_pick(rng, 1, 5);
    s.outs = maker_pick(rng, 1, 6);
    for (int a = 0; a < s.spatial; a++) {
        s.in[a] = maker_pick(rng, 5, 8);
        s.kernel[a] = maker_pick(rng, 1, 3);
        s.stride[a] = maker_pick(rng, 1, 3);
        s.dilation[a] = maker_pick(rng, 1, 2);
        s.pad[a] = maker_pick(rng, -1, 2);
        s.pad[s.spatial + a] = maker_pick(rng, -1, 2);
        s.outpad[a] = maker_pick(rng, 0, s.stride[a] - 1);
    }
    return s;
}

static void tensor_shapes(const struct shape *s, bool transposed, int64_t *x, int64_t *w)
{
    x[0] = s->n;
    x[1] = s->group * s->channels;
    w[0] = transposed ? s->group * s->channels : s->group * s->outs;
    w[1] = transposed ? s->outs : s->channels;
    for (int a = 0; a < s->spatial; a++) {
        x[a + 2] = s->in[a];
        w[a + 2] = s->kernel[a];
    }
}

static int64_t volume(const int64_t *v, int n)
{
    return n == 0 ? 1 : v[0] * volume(v + 1, n - 1);
}

static void unravel(const int64_t *dim, int n, int64_t i, int64_t *at)
{
    for (int d = n - 1; d >= 0; d--) {
        at[d] = i % dim[d];
        i /= dim[d];
    }
}

// One plane of the result element: over all operand positions and kernel elements that meet at pos.
static double meet_plane(const struct shape *s, bool transposed, const struct tensor *x, int64_t xi,
                         const struct tensor *w, int64_t wi, int axis, const int64_t *pos)
{
    if (axis == s->spatial)
        return tensor_get_double(x, xi) * tensor_get_double(w, wi);
    double sum = 0;
    for (int64_t k = 0; k < s->kernel[axis]; k++)
        for (int64_t i = 0; i < s->in[axis]; i++) {
            int64_t read = transposed ? pos[axis] : i, at = transposed ? i : pos[axis];
            if (at * s->stride[axis] - s->pad[axis] + k * s->dilation[axis] == read)
                sum += meet_plane(s, transposed, x, xi * s->in[axis] + i, w,
                                  wi * s->kernel[axis] + k, axis + 1, pos);
        }
    return sum;
}

// Result element (image, channel, position) by definition.
static double meet(const struct shape *s, bool transposed, const struct tensor *x,
                   const struct tensor *w, int64_t image, int64_t channel, const int64_t *pos)
{
    int64_t g = channel / s->outs;
    double sum = 0;
    for (int64_t c = 0; c < s->channels; c++) {
        int64_t wi = transposed ? (g * s->channels + c) * s->outs + channel % s->outs
                                : channel * s->channels + c;
        sum +=
            meet_plane(s, transposed, x, (image * s->group + g) * s->channels + c, w, wi, 0, pos);
    }
    return sum;
}

static struct ir_value *build_conv(struct maker *m, const struct shape *s, bool transposed,
                                   struct ir_value *x, struct ir_value *w, struct ir_value *bias)
{
    if (transposed)
        return irb_conv_transpose(&m->b, x, w, bias, s->spatial, s->stride, s->dilation, s->pad,
                                  s->outpad, s->group);
    return irb_conv(&m->b, x, w, bias, s->spatial, s->stride, s->dilation, s->pad, s->group);
}

static void one_convolution(uint64_t *rng, bool transposed, enum dtype t, uint64_t seed)
{
    struct maker *m = maker_create();
    struct shape s = pick_shape(rng);
    int64_t xd[5], wd[5], channels = s.group * s.outs;
    tensor_shapes(&s, transposed, xd, wd);
    struct ir_value *x = maker_random(m, t, xd, s.spatial + 2, seed),
                    *w = maker_random(m, t, wd, s.spatial + 2, seed + 1);
    struct ir_value *bias = t == DT_F32 ? maker_random(m, t, &channels, 1, seed + 2) : NULL;
    struct ir_value *y = build_conv(m, &s, transposed, x, w, bias);
    const struct tensor *got = maker_value(m, y);
    if (!y) { // too small for its kernel
        maker_destroy(m);
        return;
    }
    int64_t positions = volume(got->dim + 2, s.spatial), pos[3];
    for (int64_t i = 0; i < tensor_elems(got); i++) {
        int64_t channel = i / positions % channels;
        unravel(got->dim + 2, s.spatial, i % positions, pos);
        double want = meet(&s, transposed, ir_const_data(x), ir_const_data(w),
                           i / positions / channels, channel, pos);
        if (bias)
            want = (double)((float)want + ((const float *)ir_const_data(bias)->data)[channel]);
        double have = tensor_get_double(got, i);
        // The order of a sum in double may move its last rounding to f32.
        if (!CHECK(bias ? fabs(have - want) <= 1e-6 * (1 + fabs(want)) : have == want)) {
            fprintf(stderr, "seed %llu element %lld: %.9g, want %.9g\n", (unsigned long long)seed,
                    (long long)i, have, want);
            break;
        }
    }
    maker_destroy(m);
}

static void convolutions(void)
{
    uint64_t rng = 1;
    for (uint64_t i = 0; i < 60; i++) {
        one_convolution(&rng, false, DT_F32, 10 * i);
        one_convolution(&rng, false, DT_I8, 10 * i);
        one_convolution(&rng, true, DT_F32, 10 * i);
        one_convolution(&rng, true, DT_I8, 10 * i);
    }
}

static void products(void)
{
    uint64_t rng = 2;
    for (int round = 0; round < 60; round++) {
        struct maker *m = maker_create();
        int64_t r = maker_pick(&rng, 1, 9), k = maker_pick(&rng, 1, 300),
                c = maker_pick(&rng, 1, 9), b = maker_pick(&rng, 1, 3);
        int64_t xd[4] = {b, 1, r, k}, wd[3] = {2, k, c};
        struct ir_value *x = maker_random(m, DT_I16, xd, 4, (uint64_t)round),
                        *w = maker_random(m, DT_I8, wd, 3, (uint64_t)round + 9);
        const struct tensor *got = maker_value(m, irb_matmul(&m->b, x, w, NULL));
        if (!CHECK(got && got->rank == 4))
            break;
        for (int64_t i = 0; i < tensor_elems(got); i++) {
            int64_t col = i % c, row = i / c % r, at = i / c / r, sum = 0;
            for (int64_t j = 0; j < k; j++)
                sum += tensor_get_int(ir_const_data(x), (at / 2 * r + row) * k + j) *
                       tensor_get_int(ir_const_data(w), (at % 2 * k + j) * c + col);
            CHECK_INT(tensor_get_int(got, i), sum);
        }
        maker_destroy(m);
    }
}

// Sums past 2^53 leave double.
static void large_integers_stay_exact(void)
{
    struct maker *m = maker_create();
    struct tensor *x = tensor_create(m->arena, DT_I64, DIMS(1, 3), 2),
                  *w = tensor_create(m->arena, DT_I64, DIMS(3, 1), 2);
    for (int i = 0; i < 3; i++) {
        ((int64_t *)x->data)[i] = (INT64_C(1) << 31) + i;
        ((int64_t *)w->data)[i] = (INT64_C(1) << 30) + 7 * i;
    }
    const struct tensor *got = maker_value(
        m, irb_matmul(&m->b, irb_const(&m->b, x, NULL), irb_const(&m->b, w, NULL), NULL));
    if (CHECK(got != NULL))
        CHECK_INT(tensor_get_int(got, 0), (INT64_C(1) << 61) +
                                              ((INT64_C(1) << 31) + 1) * ((INT64_C(1) << 30) + 7) +
                                              ((INT64_C(1) << 31) + 2) * ((INT64_C(1) << 30) + 14));
    maker_destroy(m);
}

static void the_tail_of_a_fixed_op(void)
{
    struct maker *m = maker_create();
    struct ir_value *x = maker_const(m, DT_I8, DIMS(1, 2), 2, VALUES(3, -4));
    struct ir_value *w = maker_const(m, DT_I8, DIMS(2, 4), 2, VALUES(1, 2, -3, 0, 5, -6, 7, 1));
    struct ir_value *in[] = {x, w, maker_vector(m, DT_F32, 4, VALUES(1, 0, 0.25, 0)),
                             maker_vector(m, DT_F32, 4, VALUES(0.5, 0.25, 1, 2))};
    struct ir_op *op = ir_op_create(m->module->main, NULL, IR_OP_MATMUL, LOC_NONE, in, 4, 1, NULL);
    ir_set_int(op, IR_A_mode, IR_MODE_FIXED);
    ir_set_int(op, IR_A_wbits, 4);
    ir_set_int(op, IR_A_abits, 4);
    CHECK(ir_infer(op, m->diag));
    CHECK_VALUES(m, op->out[0], -7.5, 7.5, -36.75, -8); // sums -17, 30, -37, -4
    ir_set_float(op, IR_A_min, -10);
    ir_set_float(op, IR_A_max, 5);
    CHECK(ir_infer(op, m->diag));
    CHECK_VALUES(m, op->out[0], -7.5, 5, -10, -8);
    ir_set_float(op, IR_A_q, 1);
    ir_set_int(op, IR_A_qbits, 4);
    CHECK(ir_infer(op, m->diag));
    CHECK_VALUES(m, op->out[0], -8, 5, -8, -8);
    ir_set_float(op, IR_A_q, 0.2);
    CHECK_VALUES(m, op->out[0], -2, 1, -2, -2); // -1.5 to even
    maker_destroy(m);
}

// ---- The machine's float groups, once more: in doubles, with groups small enough for their sums
// to be exact.

static double towards_zero(double v)
{
    float f = (float)v;
    return fabs((double)f) > fabs(v) ? (double)nextafterf(f, 0) : (double)f;
}

static double one_group(const double *w, const double *a, int64_t n)
{
    int top = -100000, ew, ea;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        if (w[i] != 0 && a[i] != 0) {
            frexp(w[i], &ew);
            frexp(a[i], &ea);
            top = ew + ea > top ? ew + ea : top;
        }
    for (int64_t i = 0; i < n; i++)
        if (w[i] != 0 && a[i] != 0) {
            double mw = frexp(fabs(w[i]), &ew) * 0x1p24, ma = frexp(fabs(a[i]), &ea) * 0x1p24;
            double p = floor(ldexp(mw, ew + ea - top)) * ma;
            sum += (w[i] < 0) != (a[i] < 0) ? -p : p;
        }
    return towards_zero(ldexp(sum, top - 48));
}

static void float_groups(void)
{
    uint64_t rng = 3;
    for (int round = 0; round < 50; round++) {
        struct maker *m = maker_create();
        int64_t r = maker_pick(&rng, 1, 4), k = maker_pick(&rng, 1, 30), c = maker_pick(&rng, 1, 4);
        int64_t xd[2] = {r, k}, wd[2] = {k, c};
        struct ir_value *x = maker_random(m, DT_F32, xd, 2, (uint64_t)round),
                        *w = maker_random(m, DT_F32, wd, 2, (uint64_t)round + 100);
        for (int64_t i = 0; i < r * k; i++) // spread exponents, some zeros
            ((float *)ir_const_data(x)->data)[i] *=
                maker_pick(&rng, 0, 4) ? ldexpf(1, (int)maker_pick(&rng, -12, 12)) : 0;
        struct ir_value *y = irb_matmul(&m->b, x, w, NULL);
        if (!CHECK(y != NULL))
            break;
        ir_set_int(y->def, IR_A_mode, IR_MODE_FP32);
        struct ir_eval_options o = {.bitlet_float = true, .group = 8};
        const struct tensor *in[] = {ir_const_data(x), ir_const_data(w)};
        struct tensor *got;
        if (!CHECK(ir_eval_op(y->def, in, &o, &got, m->arena, m->diag)))
            break;
        for (int64_t i = 0; i < r * c; i++) {
            double wv[8], av[8], psum = 0;
            for (int64_t k0 = 0; k0 < k; k0 += 8) {
                int64_t n = k - k0 < 8 ? k - k0 : 8;
                for (int64_t j = 0; j < n; j++) {
                    wv[j] = tensor_get_double(in[1], (k0 + j) * c + i % c);
                    av[j] = tensor_get_double(in[0], i / c * k + k0 + j);
                }
                psum = (double)((float)psum + (float)one_group(wv, av, n));
            }
            CHECK(tensor_get_double(got, i) == psum);
        }
        maker_destroy(m);
    }
}

static void float_groups_with_specials(void)
{
    struct maker *m = maker_create();
    struct ir_value *x = maker_const(m, DT_F32, DIMS(4, 2), 2,
                                     VALUES(INFINITY, 1, INFINITY, -INFINITY, 0, NAN, 0x1p-140, 0));
    struct ir_value *w = maker_const(m, DT_F32, DIMS(2, 2), 2, VALUES(2, 0, 1, 0));
    struct ir_value *y = irb_matmul(&m->b, x, w, NULL);
    ir_set_int(y->def, IR_A_mode, IR_MODE_FP32);
    struct ir_eval_options o = {.bitlet_float = true, .group = 64};
    const struct tensor *in[] = {ir_const_data(x), ir_const_data(w)};
    struct tensor *got;
    if (CHECK(ir_eval_op(y->def, in, &o, &got, m->arena, m->diag)))
        maker_is(got, 8, VALUES(INFINITY, NAN, NAN, NAN, NAN, NAN, 0x1p-139, 0));
    maker_destroy(m);
}

int main(void)
{
    RUN(convolutions);
    RUN(products);
    RUN(large_integers_stay_exact);
    RUN(the_tail_of_a_fixed_op);
    RUN(float_groups);
    RUN(float_groups_with_specials);
    return check_summary();
}

// Element-wise, moving and reducing ops on small tensors with known results.
#include "graph_maker.h"

#include <math.h>

static struct ir_value *f32s(struct maker *m, int64_t n, const double *v)
{
    return maker_vector(m, DT_F32, n, v);
}

static void unary_floats(void)
{
    struct maker *m = maker_create();
    struct ir_value *x = f32s(m, 5, VALUES(-2.5, -0.5, 0.5, 4, NAN));
    CHECK_VALUES(m, irb_unary(&m->b, UFN_neg, x), 2.5, 0.5, -0.5, -4, NAN);
    CHECK_VALUES(m, irb_unary(&m->b, UFN_round, x), -2, -0.0, 0, 4, NAN);
    CHECK_VALUES(m, irb_unary(&m->b, UFN_sign, x), -1, -1, 1, 1, NAN);
    CHECK_VALUES(m, irb_unary(&m->b, UFN_isnan, x), 0, 0, 0, 0, 1);
    CHECK_VALUES(m, irb_unary(&m->b, UFN_sqrt, x), NAN, NAN, (double)sqrtf(0.5f), 2, NAN);
    CHECK_VALUES(m, irb_unary(&m->b, UFN_sigmoid, x), (double)(float)(1 / (1 + exp(2.5))),
                 (double)(float)(1 / (1 + exp(0.5))), (double)(float)(1 / (1 + exp(-0.5))),
                 (double)(float)(1 / (1 + exp(-4))), NAN);
    struct ir_value *big = f32s(m, 2, VALUES(200, -200));
    CHECK_VALUES(m, irb_unary(&m->b, UFN_softplus, big), 200, 0);
    maker_destroy(m);
}

static void integer_arithmetic(void)
{
    struct maker *m = maker_create();
    struct ir_value *a = maker_vector(m, DT_I8, 6, VALUES(-128, 7, -7, 7, -7, 100));
    struct ir_value *b = maker_vector(m, DT_I8, 6, VALUES(-1, 2, 2, -2, 0, 100));
    CHECK_VALUES(m, irb_binary(&m->b, BFN_div, a, b), -128, 3, -3, -3, 0, 1);
    CHECK_VALUES(m, irb_binary(&m->b, BFN_mod, a, b), 0, 1, 1, -1, 0, 0);
    CHECK_VALUES(m, irb_binary(&m->b, BFN_fmod, a, b), 0, 1, -1, 1, 0, 0);
    CHECK_VALUES(m, irb_binary(&m->b, BFN_add, a, b), 127, 9, -5, 5, -7, -56);
    CHECK_VALUES(m,
                 irb_binary(&m->b, BFN_shr, a, maker_vector(m, DT_I8, 6, VALUES(1, 1, 1, 0, 9, 3))),
                 -64, 3, -4, 7, -1, 12);
    CHECK_VALUES(m,
                 irb_binary(&m->b, BFN_shl, a, maker_vector(m, DT_I8, 6, VALUES(0, 5, 8, 1, 1, 1))),
                 -128, -32, 0, 14, -14, -56);
    CHECK_VALUES(m,
                 irb_binary(&m->b, BFN_pow, maker_vector(m, DT_I32, 3, VALUES(-3, 2, 5)),
                            maker_vector(m, DT_I32, 3, VALUES(3, 10, 0))),
                 -27, 1024, 1);
    CHECK_VALUES(m, irb_unary(&m->b, UFN_abs, a), -128, 7, 7, 7, 7, 100);
    struct ir_value *u = maker_vector(m, DT_U8, 2, VALUES(250, 3));
    CHECK_VALUES(m, irb_binary(&m->b, BFN_max, u, maker_vector(m, DT_U8, 1, VALUES(100))), 250,
                 100);
    CHECK_VALUES(m, irb_binary(&m->b, BFN_lt, u, maker_vector(m, DT_U8, 1, VALUES(100))), 0, 1);
    maker_destroy(m);
}

static void float_extremes(void)
{
    struct maker *m = maker_create();
    struct ir_value *a = f32s(m, 4, VALUES(NAN, 1, -5, 5)), *b = f32s(m, 4, VALUES(1, NAN, 3, -3));
    CHECK_VALUES(m, irb_binary(&m->b, BFN_max, a, b), NAN, NAN, 3, 5);
    CHECK_VALUES(m, irb_binary(&m->b, BFN_min, a, b), NAN, NAN, -5, -3);
    CHECK_VALUES(m, irb_binary(&m->b, BFN_mod, a, b), NAN, NAN, 1, -1);
    CHECK_VALUES(m, irb_binary(&m->b, BFN_le, a, b), 0, 0, 1, 0);
    maker_destroy(m);
}

static void broadcasting(void)
{
    struct maker *m = maker_create();
    struct ir_value *col = maker_const(m, DT_F32, DIMS(2, 1, 1), 3, VALUES(10, 20));
    struct ir_value *mid = maker_const(m, DT_F32, DIMS(2, 1), 2, VALUES(1, 2));
    struct ir_value *row = f32s(m, 3, VALUES(0.25, 0.5, 0.75));
    CHECK_VALUES(m, irb_binary(&m->b, BFN_add, irb_binary(&m->b, BFN_add, col, mid), row), 11.25,
                 11.5, 11.75, 12.25, 12.5, 12.75, 21.25, 21.5, 21.75, 22.25, 22.5, 22.75);
    struct ir_value *c = irb_binary(&m->b, BFN_lt, row, irb_const_f32(&m->b, 0.5));
    CHECK_VALUES(m, irb_select(&m->b, c, mid, row), 1, 0.5, 0.75, 2, 0.5, 0.75);
    maker_destroy(m);
}

static void conversions(void)
{
    struct maker *m = maker_create();
    struct ir_value *x = f32s(m, 6, VALUES(-1.5, 2.5, 300, -300, NAN, 1e20));
    CHECK_VALUES(m, irb_convert(&m->b, x, DT_I8, true), -1, 2, 127, -128, 0, 127);
    CHECK_VALUES(m, irb_convert(&m->b, x, DT_I8, false), -1, 2, 44, -44, 0, 0);
    CHECK_VALUES(m, irb_convert(&m->b, x, DT_BOOL, false), 1, 1, 1, 1, 1, 1);
    CHECK_VALUES(m, irb_convert(&m->b, irb_convert(&m->b, x, DT_F8E4M3FN, true), DT_F32, false),
                 -1.5, 2.5, 288, -288, NAN, 448);
    struct ir_value *narrow = irb_convert(&m->b, x, DT_I8, false);
    ir_set_int(narrow->def, IR_A_bits, 5);
    CHECK_VALUES(m, narrow, -1, 2, 15, -16, 0, 15);
    ir_set_int(narrow->def, IR_A_bits, 1);
    CHECK_VALUES(m, narrow, -1, 1, 1, -1, 0, 1);
    struct ir_value *power =
        irb_convert(&m->b, maker_vector(m, DT_F32, 3, VALUES(1.25, 1.5, 4)), DT_F8E8M0, false);
    CHECK_VALUES(m, power, 1, 2, 4);
    ir_set_int(power->def, IR_A_round, 2);
    CHECK_VALUES(m, power, 1, 1, 4);
    ir_set_int(power->def, IR_A_round, 3);
    CHECK_VALUES(m, power, 2, 2, 4);
    struct ir_value *i = maker_vector(m, DT_I64, 3, VALUES(-1, 200, 16777217));
    CHECK_VALUES(m, irb_convert(&m->b, i, DT_U8, true), 0, 200, 255);
    CHECK_VALUES(m, irb_convert(&m->b, i, DT_U8, false), 255, 200, 1);
    CHECK_VALUES(m, irb_convert(&m->b, i, DT_F32, false), -1, 200, 16777216);
    maker_destroy(m);
}

static void moving(void)
{
    struct maker *m = maker_create();
    struct ir_value *x = maker_const(m, DT_I32, DIMS(2, 3), 2, VALUES(1, 2, 3, 4, 5, 6));
    CHECK_VALUES(m, irb_transpose(&m->b, x, DIMS(1, 0)), 1, 4, 2, 5, 3, 6);
    CHECK_VALUES(m, irb_slice(&m->b, x, DIMS(1, 2), DIMS(2, 2), DIMS(-1, -2)), 6, 4, 3, 1);
    CHECK_VALUES(m, irb_concat(&m->b, (struct ir_value *[]){x, x}, 2, 1), 1, 2, 3, 1, 2, 3, 4, 5, 6,
                 4, 5, 6);
    CHECK_VALUES(m, irb_pad(&m->b, x, DIMS(0, 1), DIMS(1, 0), 9), 9, 1, 2, 3, 9, 4, 5, 6, 9, 9, 9,
                 9);
    CHECK_VALUES(
        m,
        irb_broadcast(&m->b, maker_const(m, DT_I32, DIMS(2, 1), 2, VALUES(1, 2)), DIMS(2, 2, 2), 3),
        1, 1, 2, 2, 1, 1, 2, 2);
    CHECK_VALUES(m, irb_gather(&m->b, x, irb_const_i64s(&m->b, DIMS(-1, 0), 2), 1), 3, 1, 6, 4);
    CHECK(maker_value(m, irb_gather(&m->b, x, irb_const_i64s(&m->b, DIMS(2), 1), 0)) == NULL);
    CHECK_INT(m->reports, 1);
    maker_destroy(m);
}

static void transposes_of_every_width(void)
{
    static const enum dtype types[] = {DT_I8, DT_F16, DT_F32, DT_F64, DT_C128};
    for (int t = 0; t < 5; t++) {
        struct maker *m = maker_create();
        int64_t dim[4] = {3, 4, 5, 2}, perm[4] = {2, 0, 3, 1};
        struct tensor *x = tensor_create(m->arena, types[t], dim, 4);
        for (size_t i = 0; i < tensor_bytes(x); i++)
            ((uint8_t *)x->data)[i] = (uint8_t)(i * 37);
        const struct tensor *y =
            maker_value(m, irb_transpose(&m->b, irb_const(&m->b, x, NULL), perm));
        size_t bytes = dtype_bytes(types[t]);
        int64_t at = 0;
        for (int64_t a = 0; y && a < 5; a++)
            for (int64_t b = 0; b < 3; b++)
                for (int64_t c = 0; c < 2; c++)
                    for (int64_t d = 0; d < 4; d++, at++)
                        CHECK(memcmp((char *)y->data + (size_t)at * bytes,
                                     (char *)x->data +
                                         (size_t)(((b * 4 + d) * 5 + a) * 2 + c) * bytes,
                                     bytes) == 0);
        maker_destroy(m);
    }
}

static void reductions(void)
{
    struct maker *m = maker_create();
    struct ir_value *x = maker_const(m, DT_F32, DIMS(2, 3), 2, VALUES(1, 5, 5, -2, NAN, 7));
    int64_t d0 = 0, d1 = 1;
    CHECK_VALUES(m, irb_reduce(&m->b, RFN_sum, x, &d0, 1, false), -1, NAN, 12);
    CHECK_VALUES(m, irb_reduce(&m->b, RFN_max, x, &d1, 1, false), 5, NAN);
    CHECK_VALUES(m, irb_reduce(&m->b, RFN_argmax, x, &d1, 1, true), 1, 1);
    CHECK_VALUES(m, irb_reduce(&m->b, RFN_argmin, x, DIMS(0, 1), 2, false), 4);
    struct ir_value *u = maker_const(m, DT_U8, DIMS(2, 2), 2, VALUES(200, 100, 3, 3));
    CHECK_VALUES(m, irb_reduce(&m->b, RFN_sum, u, &d1, 1, false), 44, 6);
    CHECK_VALUES(m, irb_reduce(&m->b, RFN_max, u, &d1, 1, false), 200, 3);
    CHECK_VALUES(m, irb_reduce(&m->b, RFN_argmin, u, &d1, 1, false), 1, 0);
    // A sum in f32 would lose every one.
    struct ir_value *tiny = f32s(m, 4, VALUES(16777216, 1, 1, 1));
    CHECK_VALUES(m, irb_reduce(&m->b, RFN_sum, tiny, &d0, 1, false), 16777220);
    struct ir_value *none = maker_const(m, DT_F32, DIMS(2, 0), 2, VALUES(0));
    CHECK_VALUES(m, irb_reduce(&m->b, RFN_prod, none, &d1, 1, false), 1, 1);
    CHECK_VALUES(m, irb_reduce(&m->b, RFN_max, none, &d1, 1, false), -INFINITY, -INFINITY);
    maker_destroy(m);
}

static double pool_by_definition(const struct tensor *x, enum reduce_fn fn, const int64_t *at,
                                 const int64_t *kernel, const int64_t *stride,
                                 const int64_t *dilation, const int64_t *pad)
{
    double acc = fn == RFN_sum ? 0 : -INFINITY;
    for (int64_t i = 0; i < kernel[0]; i++)
        for (int64_t j = 0; j < kernel[1]; j++) {
            int64_t y = at[1] * stride[0] + i * dilation[0] - pad[0],
                    z = at[2] * stride[1] + j * dilation[1] - pad[1];
            if (y < 0 || y >= x->dim[2] || z < 0 || z >= x->dim[3])
                continue;
            double v = tensor_get_double(x, (at[0] * x->dim[2] + y) * x->dim[3] + z);
            acc = fn == RFN_sum ? acc + v : fmax(acc, v);
        }
    return acc;
}

static void pools(void)
{
    uint64_t rng = 5;
    for (int round = 0; round < 40; round++) {
        struct maker *m = maker_create();
        int64_t dim[4] = {1, 2, maker_pick(&rng, 4, 9), maker_pick(&rng, 4, 9)}, kernel[2],
                stride[2], dilation[2], pad[4];
        for (int a = 0; a < 2; a++) {
            kernel[a] = maker_pick(&rng, 1, 3);
            stride[a] = maker_pick(&rng, 1, 3);
            dilation[a] = maker_pick(&rng, 1, 2);
            pad[a] = maker_pick(&rng, 0, 2);
            pad[a + 2] = maker_pick(&rng, 0, 2);
        }
        enum reduce_fn fn = round % 2 ? RFN_sum : RFN_max;
        struct ir_value *x = maker_random(m, round % 3 ? DT_F32 : DT_F64, dim, 4, (uint64_t)round);
        const struct tensor *y =
            maker_value(m, irb_pool(&m->b, fn, x, 2, kernel, stride, dilation, pad));
        if (!CHECK(y != NULL))
            break;
        int64_t plane = y->dim[2] * y->dim[3];
        for (int64_t i = 0; i < tensor_elems(y); i++) {
            int64_t at[3] = {i / plane, i / y->dim[3] % y->dim[2], i % y->dim[3]};
            double want =
                pool_by_definition(ir_const_data(x), fn, at, kernel, stride, dilation, pad);
            if (y->dtype == DT_F32)
                want = (double)(float)want;
            CHECK(tensor_get_double(y, i) == want);
        }
        maker_destroy(m);
    }
}

int main(void)
{
    RUN(unary_floats);
    RUN(integer_arithmetic);
    RUN(float_extremes);
    RUN(broadcasting);
    RUN(conversions);
    RUN(moving);
    RUN(transposes_of_every_width);
    RUN(reductions);
    RUN(pools);
    return check_summary();
}

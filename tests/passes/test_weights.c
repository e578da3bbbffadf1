// Measuring, scaling and rounding of constant weights against one weight at a time, with the
// channel of each from the definition of its op.
#include "weights.h"

#include <math.h>

#include "graph_random.h"

enum { CHANNELS_MAX = 200 };

struct scene {
    struct fixture f;
    struct ir_op *op;
    struct ir_value *w;
    int64_t group;
};

static struct ir_op *make_op(struct scene *s, struct rng *r, int kind)
{
    int64_t big = rng_range(r, 0, 9) == 0 ? 40 : 1; // some are worth several pieces
    int64_t ci = rng_range(r, 1, 6), co = rng_range(r, 1, 6) * big, g = rng_range(r, 1, 3);
    int64_t n = rng_range(r, 1, 3) * big;
    struct ir_builder *b = &s->f.b;
    int64_t one[] = {1, 1}, zero[] = {0, 0, 0, 0};
    struct ir_value *y;
    s->group = g;
    if (kind == 0) {
        s->w = add_const(&s->f, DT_F32, (int64_t[]){g * co, ci, 3, 1}, 4, rng_next(r));
        y = irb_conv(b, add_input(&s->f, DT_F32, (int64_t[]){1, g * ci, 5, 4}, 4), s->w, NULL, 2,
                     one, one, zero, g);
    } else if (kind == 1) {
        s->w = add_const(&s->f, DT_F32, (int64_t[]){g * ci, co, 1, 2}, 4, rng_next(r));
        y = irb_conv_transpose(b, add_input(&s->f, DT_F32, (int64_t[]){1, g * ci, 5, 4}, 4), s->w,
                               NULL, 2, one, one, zero, zero, g);
    } else {
        s->w = add_const(&s->f, DT_F32, (int64_t[]){n, co}, 2, rng_next(r));
        struct ir_value *x =
            add_input(&s->f, DT_F32, kind == 2 ? (int64_t[]){2, n} : (int64_t[]){co, 2}, 2);
        y = kind == 2 ? irb_matmul(b, x, s->w, NULL) : irb_matmul(b, s->w, x, NULL);
        if (kind == 3)
            ir_set_int(y->def, IR_A_stationary, 0);
    }
    return y->def;
}

// Channels of the result and of the moving operand that weight i meets.
static void channels_of(const struct scene *s, int kind, int64_t i, int64_t *out, int64_t *in)
{
    const int64_t *d = s->w->type.dim;
    int64_t taps = kind < 2 ? d[2] * d[3] : 1, a = i / taps / d[1], b = i / taps % d[1];
    int64_t per = d[0] / s->group;
    switch (kind) {
    case 0: *out = a, *in = a / per * d[1] + b; return;
    case 1: *out = a / per * d[1] + b, *in = a; return;
    case 2: *out = b, *in = a; return;
    default: *out = a, *in = b; return;
    }
}

static void check_steps(const struct scene *s, int kind, const struct weights *w, int bits,
                        const struct magnitudes *own, struct thread_pool *pool)
{
    double step[CHANNELS_MAX * 8], top = bits == 1 ? 1 : ldexp(1, bits - 1) - 1;
    int64_t n = mac_channel_count(s->op);
    for (int64_t c = 0; c < n; c++)
        step[c] = own[c].top / (top * 0.9); // some saturate
    struct tensor *t = tensor_create(s->f.a, ir_int_storage(bits), s->w->type.dim, s->w->type.rank);
    weights_to_steps(w, step, bits, t, pool);
    for (int64_t i = 0, out, in; i < tensor_elems(t); i++) {
        channels_of(s, kind, i, &out, &in);
        double w_i = tensor_get_double(w->data, i), v = rint(w_i / step[out]);
        v = bits == 1 ? (w_i < 0 ? -1 : 1) : fmin(fmax(v, -top), top);
        CHECK((double)tensor_get_int(t, i) == v);
    }
}

static void check_floats(const struct scene *s, int kind, struct weights w, struct rng *r,
                         struct thread_pool *pool)
{
    double scale[3][CHANNELS_MAX * 8];
    for (int k = 0; k < 3; k++)
        for (int c = 0; c < CHANNELS_MAX * 8; c++)
            scale[k][c] = (double)rng_range(r, -1000, 1000) / 7;
    struct weight_factor factor[] = {{scale[0], CHANNELS_MAX * 8, false},
                                     {scale[1], CHANNELS_MAX * 8, true},
                                     {scale[2], 1, true}};
    w.factor = factor;
    w.num_factors = (size_t)rng_range(r, 0, 3);
    int64_t n = tensor_elems(w.data);
    float *got = ARENA_ARRAY(s->f.a, (size_t)n, float);
    weights_to_float(&w, got, pool);
    for (int64_t i = 0, at[2]; i < n; i++) {
        channels_of(s, kind, i, &at[0], &at[1]);
        double v = tensor_get_double(w.data, i), one;
        for (size_t k = 0; k < w.num_factors; k++)
            v *= k == 2 ? scale[2][0] : scale[k][at[k]];
        weights_load(&w, i, 1, &one);
        CHECK(got[i] == (float)v && one == v);
    }
}

static void one_scene(struct rng *r, int kind, struct thread_pool *pool)
{
    struct scene s;
    fixture_start(&s.f);
    s.op = make_op(&s, r, kind);
    struct weights w = weights_of(s.op, s.w);
    int64_t n = mac_channel_count(s.op);
    struct magnitudes *own[2], want[CHANNELS_MAX * 8] = {{0}};
    for (int sums = 0; sums < 2; sums++) {
        own[sums] = ARENA_ARRAY(s.f.a, (size_t)n, struct magnitudes);
        weights_measure(&w, sums, own[sums], pool);
    }
    for (int64_t i = 0, out, in; i < tensor_elems(w.data); i++) {
        channels_of(&s, kind, i, &out, &in);
        double v = fabs(tensor_get_double(w.data, i));
        want[out].top = fmax(want[out].top, v);
        want[out].sum += v;
        want[out].count++;
    }
    for (int64_t c = 0; c < n; c++)
        CHECK(own[0][c].top == want[c].top && own[1][c].top == want[c].top &&
              fabs(own[1][c].sum - want[c].sum) <= 1e-12 * want[c].sum &&
              own[0][c].count == want[c].count && own[1][c].count == want[c].count);
    static const int bits[] = {1, 2, 8, 12, 20};
    check_steps(&s, kind, &w, bits[rng_range(r, 0, 4)], own[0], pool);
    check_floats(&s, kind, w, r, pool);
    fixture_end(&s.f);
}

static void weights_of_every_layout(void)
{
    struct rng r = {11};
    struct thread_pool *pools[] = {NULL, thread_pool_create(3)};
    for (int i = 0; i < 160; i++)
        one_scene(&r, i % 4, pools[i / 4 % 2]);
    thread_pool_destroy(pools[1]);
}

static void what_is_not_finite_is_on_top(void)
{
    static const float odd[] = {INFINITY, -INFINITY, NAN};
    for (int i = 0; i < 3; i++)
        for (int sums = 0; sums < 2; sums++) {
            struct rng r = {5};
            struct scene s;
            fixture_start(&s.f);
            s.op = make_op(&s, &r, i);
            ((float *)ir_const_data(s.w)->data)[0] = odd[i];
            struct magnitudes own[CHANNELS_MAX * 8] = {{0}};
            struct weights w = weights_of(s.op, s.w);
            weights_measure(&w, sums, own, NULL);
            CHECK(isinf(own[0].top));
            fixture_end(&s.f);
        }
}

int main(void)
{
    RUN(weights_of_every_layout);
    RUN(what_is_not_finite_is_on_top);
    return check_summary();
}

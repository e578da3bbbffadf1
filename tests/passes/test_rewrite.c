// simplify, dce and split-pools change no bit of any result: random graphs are evaluated before and
// after, with values that make careless rewrites visible (both zeros, NaN, infinities). schedule
// and alloc are run afterwards, for the same reason.
#include "eval.h"
#include "graph_random.h"

enum { VALUES_MAX = 200 };

static const float specials[] = {0.0f, -0.0f, 1.0f, -1.0f, 0.5f, 6.0f, 1e30f};

static struct ir_value *scalar(struct fixture *f, struct rng *r)
{
    return irb_const_f32(&f->b, (double)specials[rng_range(r, 0, 6)]);
}

static struct ir_value *random_clamp(struct fixture *f, struct rng *r, struct ir_value *x)
{
    struct ir_value *c = scalar(f, r);
    enum binary_fn fn = rng_range(r, 0, 1) ? BFN_max : BFN_min;
    return rng_range(r, 0, 1) ? irb_binary(&f->b, fn, x, c) : irb_binary(&f->b, fn, c, x);
}

static struct ir_value *random_binary(struct fixture *f, struct rng *r, struct ir_value *x)
{
    static const enum binary_fn fns[] = {BFN_add, BFN_sub, BFN_mul, BFN_div};
    struct ir_value *c = scalar(f, r);
    enum binary_fn fn = fns[rng_range(r, 0, 3)];
    return rng_range(r, 0, 3) ? irb_binary(&f->b, fn, x, c) : irb_binary(&f->b, fn, c, x);
}

static struct ir_value *random_transpose(struct fixture *f, struct rng *r, struct ir_value *x)
{
    int64_t perm[IR_MAX_RANK];
    for (int i = 0; i < x->type.rank; i++)
        perm[i] = i;
    for (int i = x->type.rank - 1; i > 0; i--) {
        int j = (int)rng_range(r, 0, i);
        int64_t t = perm[i];
        perm[i] = perm[j];
        perm[j] = t;
    }
    return irb_transpose(&f->b, x, perm);
}

static struct ir_value *random_slice(struct fixture *f, struct rng *r, struct ir_value *x)
{
    int64_t starts[IR_MAX_RANK], sizes[IR_MAX_RANK], steps[IR_MAX_RANK];
    for (int i = 0; i < x->type.rank; i++) {
        int64_t n = x->type.dim[i];
        starts[i] = rng_range(r, 0, 2) ? 0 : rng_range(r, 0, n - 1);
        steps[i] = rng_range(r, 0, 3) ? 1 : rng_range(r, 1, 2);
        sizes[i] = (n - 1 - starts[i]) / steps[i] + 1;
        if (rng_range(r, 0, 4) == 0) { // backwards
            sizes[i] = starts[i] + 1;
            steps[i] = -1;
        }
    }
    return irb_slice(&f->b, x, starts, sizes, steps);
}

static struct ir_value *random_pad(struct fixture *f, struct rng *r, struct ir_value *x)
{
    int64_t before[IR_MAX_RANK] = {0}, after[IR_MAX_RANK] = {0};
    if (rng_range(r, 0, 1))
        before[rng_range(r, 0, x->type.rank - 1)] = 1;
    return irb_pad(&f->b, x, before, after, -0.0);
}

static struct ir_value *random_reshape(struct fixture *f, struct rng *r, struct ir_value *x)
{
    int64_t n = ir_type_elems(&x->type), d = rng_range(r, 1, 4);
    int64_t dim[] = {n % d == 0 ? d : 1, n % d == 0 ? n / d : n, 1};
    return irb_reshape(&f->b, x, dim, (int)rng_range(r, 2, 3));
}

// Element-wise with another value that broadcasts to x, by itself or by an op.
static struct ir_value *random_mix(struct fixture *f, struct rng *r, struct ir_value *x,
                                   struct ir_value *y)
{
    int64_t one[IR_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1}, zero[IR_MAX_RANK] = {0};
    struct ir_value *first = irb_slice(&f->b, y, zero, one, one);
    struct ir_value *s = irb_reshape(&f->b, first, one, (int)rng_range(r, 0, x->type.rank));
    struct ir_value *wide = irb_broadcast(&f->b, s, x->type.dim, x->type.rank);
    switch (rng_range(r, 0, 2)) {
    case 0: return irb_binary(&f->b, BFN_add, x, wide);
    case 1: return irb_binary(&f->b, BFN_max, wide, wide);
    default: return irb_select(&f->b, irb_binary(&f->b, BFN_lt, x, wide), x, wide);
    }
}

// To integers and back, by way of what conversions to integers make needless.
static struct ir_value *random_cast(struct fixture *f, struct rng *r, struct ir_value *x)
{
    static const enum unary_fn unary[] = {UFN_round, UFN_floor, UFN_ceil, UFN_trunc, UFN_abs};
    static const enum dtype types[] = {DT_I4,  DT_U4,  DT_I8,  DT_U8,  DT_I16, DT_U16,
                                       DT_I32, DT_U32, DT_I64, DT_U64, DT_BOOL};
    int last = (int)(sizeof types / sizeof types[0]) - 1;
    for (int i = (int)rng_range(r, 0, 2); i > 0; i--)
        x = rng_range(r, 0, 1) ? irb_unary(&f->b, unary[rng_range(r, 0, 4)], x)
                               : irb_binary(&f->b, BFN_add, x, irb_const_f32(&f->b, 0.0));
    for (int i = (int)rng_range(r, 1, 3); i > 0; i--) {
        x = irb_convert(&f->b, x, types[rng_range(r, 0, last)], rng_range(r, 0, 1));
        if (x->def->op == IR_OP_CONVERT && rng_range(r, 0, 3) == 0)
            ir_set_int(x->def, IR_A_bits, rng_range(r, 1, 4));
        if (x->def->op == IR_OP_CONVERT && rng_range(r, 0, 3) == 0)
            ir_set_int(x->def, IR_A_round, rng_range(r, 0, 3));
    }
    return irb_convert(&f->b, x, DT_F32, false);
}

static struct ir_value *random_op(struct fixture *f, struct rng *r, struct ir_value **v, int n)
{
    // Mostly the newest value, so that rewrites meet chains.
    struct ir_value *x = v[rng_range(r, 0, 2) ? n - 1 : rng_range(r, 0, n - 1)],
                    *y = v[rng_range(r, 0, n - 1)];
    static const enum unary_fn unary[] = {UFN_neg, UFN_abs, UFN_floor, UFN_ceil};
    int64_t flat = ir_type_elems(&x->type);
    switch (rng_range(r, 0, 13)) {
    case 0:
    case 1: return random_clamp(f, r, x);
    case 2:
    case 3: return random_binary(f, r, x);
    case 4: return random_transpose(f, r, x);
    case 5: return random_slice(f, r, x);
    case 6: return random_pad(f, r, x);
    case 7: return random_reshape(f, r, x);
    case 8: return irb_broadcast(&f->b, x, x->type.dim, x->type.rank);
    case 9: return random_mix(f, r, x, y);
    case 11:
    case 12: return random_cast(f, r, x);
    case 10: return irb_concat(&f->b, (struct ir_value *[]){x}, 1, 0);
    default:
        return irb_unary(&f->b, unary[rng_range(r, 0, 3)],
                         flat > 100 ? irb_slice(&f->b, irb_reshape(&f->b, x, &flat, 1),
                                                (int64_t[]){0}, (int64_t[]){40}, (int64_t[]){1})
                                    : x);
    }
}

static void random_graph(struct fixture *f, struct rng *r)
{
    struct ir_value *v[VALUES_MAX];
    int n = 0, ops = (int)rng_range(r, 1, 40);
    int64_t dim[] = {rng_range(r, 1, 3), rng_range(r, 1, 4), rng_range(r, 1, 4)};
    v[n++] = add_input(f, DT_F32, dim, 3);
    v[n++] = add_input(f, DT_F32, dim, 3);
    for (int i = 0; i < ops; i++, n++)
        v[n] = random_op(f, r, v, n);
    ir_graph_add_output(f->b.graph, v[n - 1], "last");
    ir_graph_add_output(f->b.graph, v[rng_range(r, 0, n - 1)], "other");
}

static struct tensor *special_input(struct fixture *f, struct rng *r, const struct ir_value *v)
{
    struct tensor *t = tensor_random(f->a, DT_F32, v->type.dim, v->type.rank, rng_next(r));
    uint32_t *bits = t->data;
    for (int64_t i = 0; i < tensor_elems(t); i++)
        switch (rng_range(r, 0, 9)) {
        case 0: bits[i] = 0; break;
        case 1: bits[i] = 0x80000000; break;
        case 2: bits[i] = 0x7fc00000; break;
        case 3: bits[i] = 0x7f800000; break;
        case 4: memcpy(&bits[i], &specials[rng_range(r, 0, 6)], 4); break;
        default: break;
        }
    return t;
}

// Equal bits; a NaN equals any NaN.
static bool same_tensor(const struct tensor *a, const struct tensor *b)
{
    const uint32_t *x = a->data, *y = b->data;
    if (tensor_elems(a) != tensor_elems(b) || a->rank != b->rank)
        return false;
    for (int64_t i = 0; i < tensor_elems(a); i++)
        if (x[i] != y[i] && !((x[i] & 0x7fffffff) > 0x7f800000 && (y[i] & 0x7fffffff) > 0x7f800000))
            return false;
    return true;
}

static int count_ops(const struct ir_graph *g)
{
    int n = 0;
    for (const struct ir_op *op = g->first; op != NULL; op = op->next)
        n++;
    return n;
}

// Says what failed. Gives ok.
static bool end_case(struct fixture *f, uint64_t seed, bool ok)
{
    if (!ok) {
        fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, f->last);
        ir_print(f->ctx.module, stderr, NULL);
    }
    fixture_end(f);
    return ok;
}

static bool check_graph(uint64_t seed, int *before_ops, int *after_ops)
{
    struct fixture f;
    struct rng r = {seed};
    struct tensor *before[2], *after[2];
    fixture_start(&f);
    random_graph(&f, &r);
    struct ir_graph *g = f.b.graph;
    const struct tensor *in[] = {special_input(&f, &r, g->inputs[0]),
                                 special_input(&f, &r, g->inputs[1])};
    bool ok = CHECK(ir_verify(f.ctx.module, f.diag)) &&
              CHECK(ir_eval(f.ctx.module, in, NULL, before, f.a, f.diag));
    *before_ops += count_ops(g);
    ok = ok && CHECK(pass_simplify(&f.ctx)) && CHECK(pass_dce(&f.ctx)) &&
         CHECK(ir_verify(f.ctx.module, f.diag));
    *after_ops += count_ops(g);
    ok = ok && CHECK(pass_schedule(&f.ctx)) && CHECK(pass_alloc(&f.ctx)) &&
         CHECK(ir_verify(f.ctx.module, f.diag));
    ok = ok && CHECK(ir_eval(f.ctx.module, in, NULL, after, f.a, f.diag));
    for (int i = 0; ok && i < 2; i++)
        ok = CHECK(same_tensor(before[i], after[i]));
    return end_case(&f, seed, ok);
}

static void results_stay(void)
{
    int before = 0, after = 0;
    for (uint64_t seed = 1; seed <= 1500; seed++)
        if (!check_graph(seed * 7919, &before, &after))
            return;
    CHECK(after < before * 3 / 4);
}

// A pool over one to three dimensions.
static void random_pool(struct fixture *f, struct rng *r)
{
    static const enum reduce_fn fns[] = {RFN_max, RFN_max, RFN_min, RFN_sum};
    int64_t dim[5] = {1, 2}, kernel[3], strides[3], dilations[3], pads[6];
    int spatial = (int)rng_range(r, 1, 3);
    for (int i = 0; i < spatial; i++) {
        dim[2 + i] = rng_range(r, 5, spatial > 2 ? 7 : 14);
        kernel[i] = rng_range(r, 1, 5);
        strides[i] = rng_range(r, 0, 3) ? 1 : 2;
        dilations[i] = rng_range(r, 0, 3) ? 1 : 2;
        for (int side = 0; side < 2; side++) // more than a window, now and then
            pads[side * spatial + i] = rng_range(r, 0, 5) ? rng_range(r, 0, 2) : 9;
        if ((kernel[i] - 1) * dilations[i] >= dim[2 + i])
            dilations[i] = 1;
    }
    struct ir_value *x = add_input(f, DT_F32, dim, 2 + spatial);
    struct ir_value *y =
        irb_pool(&f->b, fns[rng_range(r, 0, 3)], x, spatial, kernel, strides, dilations, pads);
    ir_graph_add_output(f->b.graph, y, "y");
}

static bool check_pool(uint64_t seed, int *split)
{
    struct fixture f;
    struct rng r = {seed};
    struct tensor *before, *after;
    fixture_start(&f);
    random_pool(&f, &r);
    struct ir_graph *g = f.b.graph;
    const struct tensor *in = special_input(&f, &r, g->inputs[0]);
    int ops = count_ops(g);
    bool ok = CHECK(ir_eval(f.ctx.module, &in, NULL, &before, f.a, f.diag)) &&
              CHECK(pass_split_pools(&f.ctx)) && CHECK(ir_verify(f.ctx.module, f.diag)) &&
              CHECK(ir_eval(f.ctx.module, &in, NULL, &after, f.a, f.diag)) &&
              CHECK(same_tensor(before, after));
    *split += count_ops(g) > ops;
    return end_case(&f, seed, ok);
}

static void windows_stay(void)
{
    int split = 0;
    for (uint64_t seed = 1; seed <= 600; seed++)
        if (!check_pool(seed * 104729, &split))
            return;
    CHECK(split > 60 && split < 300);
}

int main(void)
{
    RUN(results_stay);
    RUN(windows_stay);
    return check_summary();
}

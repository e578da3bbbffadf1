// Plans of MAC ops, evaluated from their definition, against the reference evaluator on random
// shapes.
#include <stdlib.h>

#include "check.h"
#include "eval.h"
#include "macplan.h"

static uint64_t rng_state;

static int64_t pick(int64_t lo, int64_t hi) // inclusive
{
    uint64_t z = rng_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return lo + (int64_t)((z ^ (z >> 31)) % (uint64_t)(hi - lo + 1));
}

static void mute(void *user, enum diag_severity sev, enum diag_id id, const char *message)
{
    (void)user, (void)sev, (void)id, (void)message;
}

struct setup {
    struct arena *a;
    struct diag *d;
    struct ir_module *m;
    struct ir_builder b;
};

static struct setup begin(void)
{
    struct setup s = {.a = arena_create()};
    s.d = diag_create(s.a, NULL);
    diag_set_sink(s.d, mute, NULL);
    s.m = ir_module_create(s.a);
    s.m->main = ir_graph_create(s.m, "main");
    s.b = (struct ir_builder){.graph = s.m->main, .diag = s.d};
    return s;
}

// Small integers, so that float sums are exact in any order.
static struct ir_value *random_const(struct setup *s, const int64_t *dim, int rank)
{
    struct tensor *t = tensor_create(s->a, DT_F32, dim, rank);
    for (int64_t i = 0, n = tensor_elems(t); i < n; i++)
        ((float *)t->data)[i] = (float)pick(-9, 9);
    return irb_const(&s->b, t, NULL);
}

// ---- The definition in macplan.h ---------------------------------------------------------------

struct where {
    int64_t x, w, o;
    int64_t axis[MAC_MAX_AXES];
    int64_t k0;
};

static void step_dims(const struct mac_dim *dims, int n, int64_t index, struct where *at)
{
    for (int i = n - 1; i >= 0; i--) {
        int64_t c = index % dims[i].extent;
        index /= dims[i].extent;
        at->x += c * dims[i].xstride;
        at->w += c * dims[i].wstride;
        at->o += c * dims[i].ostride;
        if (dims[i].axis >= 0)
            at->axis[dims[i].axis] += c * dims[i].step;
        if (i == 0)
            at->k0 = c;
    }
}

static bool inside(const struct mac_problem *p, const struct where *at)
{
    for (int i = 0; i < p->num_axes; i++)
        if (p->origin[i] + at->axis[i] < 0 || p->origin[i] + at->axis[i] >= p->limit[i])
            return false;
    return true;
}

static double sum_of(const struct mac_problem *p, int64_t oc, const struct where *pos,
                     const struct tensor *x, const struct tensor *w)
{
    double sum = 0;
    for (int64_t k = 0, n = mac_extent_k(p); k < n; k++) {
        struct where at = *pos;
        step_dims(p->k, p->nk, k, &at);
        if (p->diag > 1 && at.k0 != oc / (p->noc / p->diag))
            continue;
        if (!inside(p, &at))
            continue;
        int64_t xi = p->xbase + at.x, wi = p->wbase + oc * p->w_oc + at.w;
        if (!CHECK(xi >= 0 && xi < tensor_elems(x)) || !CHECK(wi >= 0 && wi < tensor_elems(w)))
            return 0;
        sum += (double)((const float *)x->data)[xi] * (double)((const float *)w->data)[wi];
    }
    return sum;
}

static void run_problem(const struct mac_problem *p, const struct tensor *x, const struct tensor *w,
                        float *out, int *written, int64_t elems)
{
    for (int64_t oc = 0; oc < p->noc; oc++)
        for (int64_t i = 0, n = mac_extent_p(p); i < n; i++) {
            struct where at = {0};
            step_dims(p->p, p->np, i, &at);
            int64_t o = p->obase + oc * p->o_oc + at.o;
            if (!CHECK(o >= 0 && o < elems))
                return;
            out[o] = (float)sum_of(p, oc, &at, x, w);
            written[o]++;
        }
}

static bool dims_agree(const struct mac_problem *a, const struct mac_problem *b)
{
    return a->nk == b->nk && a->np == b->np && a->nk >= 1 && a->np >= 1 && a->nk <= MAC_MAX_DIMS &&
           a->np <= MAC_MAX_DIMS;
}

// Makes the plan of v's op, checks it against the evaluator, returns it.
static struct mac_plan check_plan(struct setup *s, struct ir_value *v, int64_t group, int64_t pes)
{
    struct mac_plan plan;
    struct ir_op *op = v->def;
    if (!CHECK(mac_plan_make(op, group, pes, s->a, s->d, &plan)))
        return plan;
    const struct tensor *in[4] = {op->in[0]->def->data, op->in[1]->def->data, NULL, NULL};
    struct tensor *want[1];
    if (!CHECK(ir_eval_op(op, in, NULL, want, s->a, s->d)))
        return plan;
    const struct tensor *x = plan.moving->def->data, *w = plan.stationary->def->data;
    int64_t elems = ir_type_elems(&v->type);
    float *out = ARENA_ARRAY(s->a, (size_t)elems, float);
    int *written = ARENA_ARRAY(s->a, (size_t)elems, int);
    for (int i = 0; i < plan.num_problems; i++) {
        CHECK(dims_agree(&plan.problem[0], &plan.problem[i]));
        run_problem(&plan.problem[i], x, w, out, written, elems);
    }
    for (int64_t i = 0; i < elems; i++)
        if (!CHECK_INT(written[i], 1) || !CHECK(out[i] == ((const float *)want[0]->data)[i]))
            break;
    return plan;
}

// ---- Random ops --------------------------------------------------------------------------------

struct shape {
    int spatial;
    int64_t batch, group, in_per, out_per, in[3], kernel[3], strides[3], dilations[3], pads[6],
        outpad[3];
};

static struct shape random_shape(void)
{
    struct shape s = {.spatial = (int)pick(1, 3)};
    int64_t most = s.spatial == 3 ? 5 : 9;
    s.batch = pick(1, 2);
    s.group = pick(0, 2) ? pick(1, 7) : 1;
    s.in_per = pick(1, 3);
    s.out_per = pick(1, 3);
    for (int i = 0; i < s.spatial; i++) {
        s.in[i] = pick(1, most);
        s.kernel[i] = pick(1, 4);
        s.strides[i] = pick(1, 4);
        s.dilations[i] = pick(1, 3);
        s.pads[i] = pick(-1, 3);
        s.pads[s.spatial + i] = pick(-1, 3);
        s.outpad[i] = pick(0, 2);
    }
    return s;
}

static void full_dims(const struct shape *s, int64_t a, int64_t b, const int64_t *rest,
                      int64_t *dim)
{
    dim[0] = a;
    dim[1] = b;
    for (int i = 0; i < s->spatial; i++)
        dim[2 + i] = rest[i];
}

static struct ir_value *make_conv(struct setup *t, const struct shape *s, bool transpose)
{
    int64_t x[5], w[5];
    full_dims(s, s->batch, s->group * s->in_per, s->in, x);
    if (transpose)
        full_dims(s, s->group * s->in_per, s->out_per, s->kernel, w);
    else
        full_dims(s, s->group * s->out_per, s->in_per, s->kernel, w);
    struct ir_value *vx = random_const(t, x, s->spatial + 2),
                    *vw = random_const(t, w, s->spatial + 2);
    if (transpose)
        return irb_conv_transpose(&t->b, vx, vw, NULL, s->spatial, s->strides, s->dilations,
                                  s->pads, s->outpad, s->group);
    return irb_conv(&t->b, vx, vw, NULL, s->spatial, s->strides, s->dilations, s->pads, s->group);
}

static int64_t taps_of(const struct shape *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->spatial; i++)
        n *= s->kernel[i];
    return n;
}

static void check_diagonal(const struct mac_plan *plan, const struct shape *s, int64_t group,
                           int64_t pes)
{
    int64_t k = s->in_per * taps_of(s), b = plan->problem[0].diag;
    CHECK(b == 1 || (b * k <= group && b * s->out_per <= pes));
    CHECK(b == s->group || (b + 1) * k > group || (b + 1) * s->out_per > pes);
    for (int i = 0; i < plan->num_problems; i++) {
        const struct mac_problem *p = &plan->problem[i];
        CHECK_INT(p->noc, p->diag * s->out_per);
        CHECK(p->diag <= b && (p->diag == b || i == plan->num_problems - 1));
        CHECK(b == 1 || p->k[0].extent == p->diag);
    }
}

static void convolutions(void)
{
    int made = 0;
    for (int round = 0; round < 600; round++) {
        rng_state = (uint64_t)round * 77 + 1;
        struct setup t = begin();
        struct shape s = random_shape();
        bool transpose = round % 2;
        struct ir_value *v = make_conv(&t, &s, transpose);
        int before = check_failures;
        if (v) {
            int64_t group = pick(1, 6) * 8, pes = pick(1, 16);
            struct mac_plan plan = check_plan(&t, v, group, pes);
            if (!transpose)
                check_diagonal(&plan, &s, group, pes);
            int64_t positions = ir_type_elems(&v->type) / v->type.dim[1];
            if (transpose)
                positions = ir_type_elems(&plan.moving->type) / plan.moving->type.dim[1];
            CHECK_INT(plan.macs, positions * s.group * s.in_per * s.out_per * taps_of(&s));
            CHECK_INT(plan.channels, s.group * s.out_per);
            made++;
        }
        if (check_failures != before) {
            fprintf(stderr, "round %d: %s\n", round, v ? ir_type_text(&v->type, t.a) : "no op");
            round = 600;
        }
        arena_destroy(t.a);
    }
    CHECK(made > 300);
}

static void matmuls(void)
{
    for (int round = 0; round < 300; round++) {
        rng_state = (uint64_t)round * 91 + 5;
        struct setup t = begin();
        int64_t a[5], b[5], batch[3] = {pick(1, 3), pick(1, 3), pick(1, 3)};
        int ra = (int)pick(0, 3), rb = (int)pick(0, 3);
        for (int i = 0; i < ra; i++)
            a[i] = pick(0, 2) ? batch[3 - ra + i] : 1;
        for (int i = 0; i < rb; i++)
            b[i] = pick(0, 2) ? batch[3 - rb + i] : 1;
        a[ra] = pick(1, 5);
        a[ra + 1] = b[rb] = pick(round % 10 ? 1 : 0, 6);
        b[rb + 1] = pick(1, 5);
        struct ir_value *va = random_const(&t, a, ra + 2), *vb = random_const(&t, b, rb + 2);
        struct ir_value *v = irb_matmul(&t.b, va, vb, NULL);
        if (CHECK(v)) {
            if (round % 2)
                ir_set_int(v->def, IR_A_stationary, 0);
            int before = check_failures;
            struct mac_plan plan = check_plan(&t, v, 64, 32);
            CHECK_INT(plan.macs, ir_type_elems(&v->type) * b[rb]);
            CHECK_INT(plan.channels, round % 2 ? a[ra] : b[rb + 1]);
            if (check_failures != before)
                fprintf(stderr, "round %d\n", round);
        }
        arena_destroy(t.a);
    }
}

static void lanes(void)
{
    CHECK_INT(mac_lanes(IR_MODE_FIXED, 1), 1);
    CHECK_INT(mac_lanes(IR_MODE_FIXED, 2), 1);
    CHECK_INT(mac_lanes(IR_MODE_FIXED, 8), 7);
    CHECK_INT(mac_lanes(IR_MODE_FIXED, 24), 23);
    CHECK_INT(mac_lanes(IR_MODE_FP32, 0), 24);
    CHECK_INT(mac_lanes(IR_MODE_FP16, 0), 11);
}

static void too_many_problems(void)
{
    struct setup t = begin();
    struct ir_value *x = random_const(&t, (int64_t[]){1, 1, 2, 2}, 4),
                    *w = random_const(&t, (int64_t[]){1, 1, 1, 1}, 4);
    const int64_t one[] = {1, 1}, none[4] = {0}, far[] = {2000, 2000};
    struct ir_value *v =
        irb_conv_transpose(&t.b, x, w, NULL, 2, far, one, none, (int64_t[]){1999, 1999}, 1);
    struct mac_plan plan;
    CHECK(v && !mac_plan_make(v->def, 64, 32, t.a, t.d, &plan));
    arena_destroy(t.a);
}

int main(void)
{
    RUN(convolutions);
    RUN(matmuls);
    RUN(lanes);
    RUN(too_many_problems);
    return check_summary();
}

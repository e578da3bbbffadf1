#include "walks.h"

#include <math.h>
#include <string.h>

#include "eval.h"
#include "io.h"
#include "lanemap.h"
#include "macplan.h"

enum { SITES = 12, MAX_N = 64 * LANEMAP_WORDS };

struct site { // a group of rows
    int64_t problem, row, k0;
    int rows, count;
};
struct sampled { // an op
    struct ir_op *op;
    const struct ir_value *x;
    struct mac_plan plan;
    struct site weights[SITES], activations[SITES];
    float *taken; // [site][pes][N]
    bool whole;   // x holds integers already
    int visits;
    struct sampled *next; // that reads the same value
};
struct walks {
    struct pass_ctx *ctx;
    struct index by_value, by_op;
    struct sampled *ops;
    int num;
};

// ---- Sites

static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int64_t below(uint64_t *state, int64_t n)
{
    return (int64_t)(draw(state) % (uint64_t)n);
}

// Any tile of rows and any group; rows: channels, or positions.
static struct site draw_site(const struct walks *w, const struct mac_plan *plan, bool positions,
                             uint64_t *state)
{
    const struct machine *m = w->ctx->machine;
    struct site s = {.problem = below(state, plan->num_problems)};
    const struct mac_problem *p = &plan->problem[s.problem];
    int64_t rows = positions ? mac_extent_p(p) : p->noc, k = mac_extent_k(p);
    s.row = below(state, (rows + m->pes - 1) / m->pes) * m->pes;
    s.rows = (int)(rows - s.row < m->pes ? rows - s.row : m->pes);
    s.k0 = below(state, (k + m->group - 1) / m->group) * m->group;
    s.count = (int)(k - s.k0 < m->group ? k - s.k0 : m->group);
    return s;
}

// Depthwise and other small groups share the PEs by a diagonal of weights, which activations
// cannot.
static bool is_candidate(struct walks *w, struct sampled *s, bool *failed)
{
    const struct machine *m = w->ctx->machine;
    const struct ir_op *op = s->op;
    if (ir_op_is_dynamic(op) || !ir_const_data(op->in[mac_weights_index(op)]) ||
        ir_const_data(op->in[1 - mac_weights_index(op)]))
        return false;
    *failed |= !mac_plan_make(op, m->group, m->pes, w->ctx->scratch, w->ctx->diag, &s->plan);
    for (int i = 0; i < s->plan.num_problems && !*failed; i++) {
        const struct mac_problem *p = &s->plan.problem[i];
        if (p->empty || p->diag > 1 || p->noc == 0 || mac_extent_p(p) == 0)
            return false;
    }
    return !*failed && s->plan.num_problems > 0;
}

bool walks_create(struct pass_ctx *ctx, struct ir_op *const *ops, int num, struct walks **out)
{
    struct walks *w = *out = ARENA_NEW(ctx->scratch, struct walks);
    const struct machine *m = ctx->machine;
    uint64_t state = ctx->opt->seed;
    bool failed = false;
    w->ctx = ctx;
    w->ops = ARENA_ARRAY(ctx->scratch, (size_t)num + 1, struct sampled);
    index_create(&w->by_value, (size_t)num, ctx->scratch);
    index_create(&w->by_op, (size_t)num, ctx->scratch);
    for (int i = 0; i < num; i++) {
        struct sampled *s = &w->ops[w->num];
        *s = (struct sampled){.op = ops[i]};
        if (!is_candidate(w, s, &failed))
            continue;
        s->x = s->plan.moving;
        for (int k = 0; k < SITES; k++) {
            s->weights[k] = draw_site(w, &s->plan, false, &state);
            s->activations[k] = draw_site(w, &s->plan, true, &state);
        }
        s->taken = ARENA_ARRAY(ctx->scratch, (size_t)(SITES * m->pes * m->group), float);
        int before = index_get(&w->by_value, s->x);
        s->next = before < 0 ? NULL : &w->ops[before];
        index_set(&w->by_value, s->x, w->num);
        index_set(&w->by_op, ops[i], w->num++);
    }
    return !failed;
}

// ---- Samples

// Element of x at position `row` and index `k`, or -1 where it lies in the padding.
static int64_t activation_at(const struct mac_problem *p, int64_t row, int64_t k)
{
    int64_t at = p->xbase, coord[MAC_MAX_AXES];
    memcpy(coord, p->origin, sizeof coord);
    for (int i = p->np + p->nk - 1; i >= 0; i--) {
        const struct mac_dim *d = i < p->np ? &p->p[i] : &p->k[i - p->np];
        int64_t *rest = i < p->np ? &row : &k, index = *rest % d->extent;
        *rest /= d->extent;
        at += index * d->xstride;
        if (d->axis >= 0)
            coord[d->axis] += index * d->step;
    }
    for (int a = 0; a < p->num_axes; a++)
        if (coord[a] < 0 || coord[a] >= p->limit[a])
            return -1;
    return at;
}

static int64_t weight_at(const struct mac_problem *p, int64_t row, int64_t k)
{
    int64_t at = p->wbase + row * p->w_oc;
    for (int i = p->nk - 1; i >= 0; i--) {
        at += k % p->k[i].extent * p->k[i].wstride;
        k /= p->k[i].extent;
    }
    return at;
}

static void take(const struct walks *w, struct sampled *s, int site, const struct tensor *t)
{
    const struct site *at = &s->activations[site];
    int64_t pes = w->ctx->machine->pes, n = w->ctx->machine->group, elems = tensor_elems(t);
    float *out = s->taken + site * pes * n;
    for (int r = 0; r < at->rows; r++)
        for (int i = 0; i < at->count; i++) {
            int64_t e = activation_at(&s->plan.problem[at->problem], at->row + r, at->k0 + i);
            bool there = e >= 0 && e < elems;
            out[r * n + i] = there ? (float)tensor_get_double(t, e) : 0;
        }
}

void walks_watch(struct walks *w, const struct ir_value *v, const struct tensor *t)
{
    int first = index_get(&w->by_value, v);
    for (struct sampled *s = first < 0 ? NULL : &w->ops[first]; s; s = s->next) {
        uint64_t state = (uint64_t)s->visits;
        for (int site = 0; site < SITES; site++)
            if (below(&state, s->visits + 1) == 0)
                take(w, s, site, t);
        s->whole = dtype_is_int(t->dtype);
        s->visits++;
    }
}

// ---- Cycles

struct tile {
    int words, lanes, count;
    uint8_t bytes[8 * (2 + LANEMAP_REGS) * LANEMAP_WORDS];
};

static void make_tile(struct tile *t, const int64_t *v)
{
    uint64_t word[2 + LANEMAP_REGS][LANEMAP_WORDS] = {{0}};
    for (int i = 0; i < t->count; i++) {
        uint64_t bit = UINT64_C(1) << (i & 63), mag = (uint64_t)(v[i] < 0 ? -v[i] : v[i]);
        word[0][i >> 6] |= bit;
        word[1][i >> 6] |= v[i] < 0 ? bit : 0;
        for (int b = 0; b < t->lanes; b++)
            word[2 + b][i >> 6] |= mag >> b & 1 ? bit : 0;
    }
    for (int l = 0; l < 2 + t->lanes; l++)
        for (int i = 0; i < t->words; i++)
            io_put64(t->bytes + 8 * (l * t->words + i), word[l][i]);
}

static int slowest_lane(const struct tile *t)
{
    int most = 0;
    for (int b = 0; b < t->lanes; b++) {
        uint64_t bits[LANEMAP_WORDS] = {0};
        for (int i = 0; i < t->words; i++)
            bits[i] = io_get64(t->bytes + 8 * ((2 + b) * t->words + i));
        int cycles = lanemap_walk(bits, t->count);
        most = cycles > most ? cycles : most;
    }
    return most;
}

struct cycles {
    double plain, mapped;
};

// The slowest PE of a step.
static struct cycles step_of(const struct machine *m, enum lanemap_by by, const int64_t *v,
                             int rows, struct tile *t)
{
    struct cycles most = {0, 0};
    for (int r = 0; r < rows; r++) {
        make_tile(t, v + r * m->group);
        double plain = slowest_lane(t), mapped = plain;
        if (m->ext & MACHINE_MAP_EXT) {
            struct lanemap map;
            lanemap_choose(m, by, t->bytes, t->lanes, t->count, &map);
            mapped = map.limit;
        }
        most.plain = plain > most.plain ? plain : most.plain;
        most.mapped = mapped > most.mapped ? mapped : most.mapped;
    }
    // With extension P a step takes at least the cycles in which its activations enter.
    double enter = m->ext & MACHINE_EXT_P ? ceil((double)t->count / (double)m->beat) : 0;
    return (struct cycles){fmax(most.plain, enter), fmax(most.mapped, enter)};
}

static void read_weights(const struct sampled *s, const struct site *at, const struct tensor *w,
                         int64_t n, int64_t *out)
{
    for (int r = 0; r < at->rows; r++)
        for (int i = 0; i < at->count; i++)
            out[r * n + i] = tensor_get_int(
                w, weight_at(&s->plan.problem[at->problem], at->row + r, at->k0 + i));
}

static void round_activations(const float *taken, int64_t num, double q, int bits, int64_t *out)
{
    double hi = ldexp(1, bits - 1) - 1;
    for (int64_t i = 0; i < num; i++) {
        double v = rint((double)((float)taken[i] * (float)q));
        out[i] = bits == 1 ? (taken[i] < 0 ? -1 : 1) : (int64_t)fmin(fmax(v, -hi - 1), hi);
    }
}

void walks_finish(struct walks *w, struct ir_op *op, double q)
{
    const struct machine *m = w->ctx->machine;
    int found = index_get(&w->by_op, op), held = mac_weights_index(op);
    struct sampled *s = found < 0 ? NULL : &w->ops[found];
    const struct tensor *data = ir_const_data(op->in[held]);
    int wbits = (int)ir_int(op, IR_A_wbits, 8), abits = (int)ir_int(op, IR_A_abits, 8);
    struct tile t = {.words = machine_group_words(m)}, u = t;
    t.lanes = mac_lanes(IR_MODE_FIXED, wbits);
    u.lanes = abits;
    if (s && s->whole)
        q = 1;
    if (!s || s->visits == 0 || !data || t.lanes > m->lanes || u.lanes > m->lanes)
        return;
    int64_t num = m->pes * m->group, *v = ARENA_ARRAY(w->ctx->scratch, (size_t)num, int64_t);
    double sum[4] = {0};
    for (int k = 0; k < SITES; k++) {
        t.count = s->weights[k].count;
        u.count = s->activations[k].count;
        read_weights(s, &s->weights[k], data, m->group, v);
        struct cycles of_w = step_of(m, LANEMAP_BY_COMPILER, v, s->weights[k].rows, &t);
        round_activations(s->taken + k * num, num, q, abits, v);
        struct cycles of_x = step_of(m, LANEMAP_BY_MACHINE, v, s->activations[k].rows, &u);
        sum[0] += of_w.plain / SITES;
        sum[1] += of_w.mapped / SITES;
        sum[2] += of_x.plain / SITES;
        sum[3] += of_x.mapped / SITES;
    }
    for (int i = 0; i < 4; i++)
        sum[i] = rint(sum[i] * 100) / 100;
    ir_set_floats(op, IR_A_walks, sum, 4);
}

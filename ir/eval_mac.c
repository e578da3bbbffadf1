// MAC ops as the mathematical reference: sums in double (or exactly, for integers), rounded once,
// then the steps that follow a sum, each rounded as the machine rounds it.
#include "eval_mac.h"

#include <math.h>
#include <string.h>

#include "eval_num.h"

// ---- After the sum

static void finish_raw(const struct mac_finish *f, int64_t at, const void *sum, int64_t channel)
{
    int64_t v;
    if (f->wide)
        memcpy(&v, sum, sizeof v);
    else
        v = (int64_t) * (const double *)sum;
    if (f->bias)
        v = (int64_t)((uint64_t)v + (uint64_t)(int64_t)f->bias[channel]);
    eval_store_i64(f->y->dtype, f->y->data, at, 1, &v);
}

static double clamp(const struct mac_finish *f, double v)
{
    if (f->has_min && v < f->min)
        v = f->min;
    if (f->has_max && v > f->max)
        v = f->max;
    return v;
}

// Results in double keep the sum's precision; all others pass through f32.
static void finish_f64(const struct mac_finish *f, int64_t at, double sum, int64_t channel)
{
    double v = clamp(f, sum + (f->bias ? f->bias[channel] : 0));
    eval_store_f64(DT_F64, f->y->data, at, 1, &v);
}

static void finish_f32(const struct mac_finish *f, int64_t at, float v, int64_t channel)
{
    if (f->scale)
        v = v * (float)f->scale[channel];
    if (f->bias)
        v = v + (float)f->bias[channel];
    v = (float)clamp(f, (double)v);
    if (f->qbits) {
        int64_t i = eval_quantize(v * f->q, f->qbits);
        eval_store_i64(f->y->dtype, f->y->data, at, 1, &i);
    } else {
        double d = (double)v;
        eval_store_f64(f->y->dtype, f->y->data, at, 1, &d);
    }
}

// The usual row: sums in double, one channel, results in f32. What is absent is the operand that
// changes nothing.
static void finish_plain_row(const struct mac_finish *f, int64_t at, int64_t n, const double *sum,
                             int64_t channel)
{
    float *y = (float *)f->y->data + at;
    float scale = f->scale ? (float)f->scale[channel] : 1;
    float bias = f->bias ? (float)f->bias[channel] : -0.0f;
    float min = f->has_min ? (float)f->min : -INFINITY, max = f->has_max ? (float)f->max : INFINITY;
    for (int64_t i = 0; i < n; i++) {
        float v = (float)sum[i] * scale;
        v = v + bias;
        v = v < min ? min : v;
        y[i] = v > max ? max : v;
    }
}

void eval_finish_row(const struct mac_finish *f, int64_t at, int64_t n, const void *sums,
                     int64_t channel, int64_t channel_step)
{
    const double *sum = sums;
    if (f->y->dtype == DT_F32 && !f->wide && !f->qbits && channel_step == 0) {
        finish_plain_row(f, at, n, sum, channel);
        return;
    }
    for (int64_t i = 0; i < n; i++, channel += channel_step) {
        int64_t whole = 0;
        if (f->raw) {
            finish_raw(f, at + i, sum + i, channel);
            continue;
        }
        if (f->wide)
            memcpy(&whole, sum + i, sizeof whole);
        if (f->y->dtype == DT_F64)
            finish_f64(f, at + i, f->wide ? (double)whole : sum[i], channel);
        else
            finish_f32(f, at + i, f->wide ? (float)whole : (float)sum[i], channel);
    }
}

// ---- Before the sum

// An upper bound: of a type's values for small types, of those that occur for wide ones.
static double largest_magnitude(const struct tensor *t)
{
    int64_t v[256], n = tensor_elems(t);
    double top = 0;
    if (dtype_info[t->dtype].bits <= 16)
        return 65536;
    for (int64_t at = 0; at < n; at += 256) {
        int64_t m = n - at < 256 ? n - at : 256;
        eval_load_i64(t->dtype, t->data, at, 1, m, v);
        for (int64_t i = 0; i < m; i++) {
            double x = fabs(t->dtype == DT_U64 ? (double)(uint64_t)v[i] : (double)v[i]);
            top = x > top ? x : top;
        }
    }
    return top;
}

// Whether a sum of k products may pass 2^53, up to which double is exact.
static bool needs_int64(const struct tensor *x, const struct tensor *w, int64_t k)
{
    return dtype_is_int(x->dtype) &&
           largest_magnitude(x) * largest_magnitude(w) * (double)k >= 9007199254740992.0;
}

// The usual integers to doubles without a stop at int64.
static bool load_small(const struct tensor *t, int64_t first, int64_t stride, int64_t n, double *to)
{
    const int8_t *i8 = (const int8_t *)t->data + first;
    const uint8_t *u8 = (const uint8_t *)t->data + first;
    const int16_t *i16 = (const int16_t *)t->data + first;
    switch (t->dtype) {
    case DT_I8:
        for (int64_t i = 0; i < n; i++)
            to[i] = i8[i * stride];
        return true;
    case DT_U8:
        for (int64_t i = 0; i < n; i++)
            to[i] = u8[i * stride];
        return true;
    case DT_I16:
        for (int64_t i = 0; i < n; i++)
            to[i] = i16[i * stride];
        return true;
    default: return false;
    }
}

static void load(const struct tensor *t, bool wide, int64_t first, int64_t stride, int64_t n,
                 void *out)
{
    int64_t v[256];
    double *to = out;
    if (dtype_is_float(t->dtype)) {
        eval_load_f64(t->dtype, t->data, first, stride, n, to);
        return;
    }
    if (!wide && load_small(t, first, stride, n, to))
        return;
    for (int64_t at = 0; at < n; at += 256) {
        int64_t m = n - at < 256 ? n - at : 256;
        eval_load_i64(t->dtype, t->data, first + at * stride, stride, m, v);
        if (wide)
            memcpy(to + at, v, (size_t)m * sizeof *v);
        else
            for (int64_t i = 0; i < m; i++)
                to[at + i] = (double)v[i];
    }
}

static const double *channel_numbers(const struct eval_call *c, int operand)
{
    const struct tensor *t = operand < c->op->num_in ? c->in[operand] : NULL;
    if (!t)
        return NULL;
    int64_t n = tensor_elems(t);
    double *v = ARENA_ARRAY(c->scratch, (size_t)n + 1, double);
    load(t, false, 0, 1, n, v);
    return v;
}

struct mac { // what conv, conv_transpose and matmul have in common
    const struct eval_call *c;
    const struct tensor *x, *w;
    struct mac_finish finish;
    struct dot_space *space;
};

static struct dot_space *dot_space_of(const struct eval_call *c)
{
    if (!c->keep)
        return eval_dot_space_create(c->scratch, c->o->pool);
    if (!c->keep->space)
        c->keep->space = eval_dot_space_create(c->keep->arena, c->o->pool);
    return c->keep->space;
}

static bool mac_start(struct mac *m, const struct eval_call *c, int64_t k)
{
    const struct ir_op *op = c->op;
    *m = (struct mac){.c = c, .x = c->in[0], .w = c->in[1]};
    if (m->x->dtype == DT_LANES || m->w->dtype == DT_LANES)
        return diag_report(c->diag, op->loc, DIAG_IR_LEVEL,
                           "%s: packed weights cannot be evaluated", ir_op_info[op->op].text);
    m->finish = (struct mac_finish){
        .y = c->out[0],
        .wide = needs_int64(m->x, m->w, k),
        .scale = channel_numbers(c, 3),
        .bias = channel_numbers(c, 2),
        .has_min = ir_has_attr(op, IR_A_min),
        .has_max = ir_has_attr(op, IR_A_max),
        .min = (double)(float)ir_float(op, IR_A_min, 0),
        .max = (double)(float)ir_float(op, IR_A_max, 0),
        .qbits = (int)ir_int(op, IR_A_qbits, 0),
        .q = (float)ir_float(op, IR_A_q, 0),
    };
    m->finish.raw = !m->finish.qbits && dtype_is_int(c->out[0]->dtype);
    m->space = dot_space_of(c);
    return true;
}

// Runs the machine's arithmetic when it is asked for and differs from the mathematical one.
static bool wants_groups(const struct eval_call *c, enum ir_mode *mode)
{
    *mode = (enum ir_mode)ir_int(c->op, IR_A_mode, IR_MODE_FIXED);
    return c->o->bitlet_float && *mode != IR_MODE_FIXED;
}

// ---- Convolution: k runs over (channel, kernel element), positions over the result's plane.

enum { AXES = 3 };

struct conv {
    struct mac m;
    int64_t in[AXES], out[AXES], kernel[AXES], stride[AXES], dilation[AXES], pad[AXES];
    int64_t channels, outs; // per group
    int64_t in_plane, out_plane, taps;
    int64_t group, image; // those being computed
    int64_t m0;           // conv_transpose: first output channel of the block
    double *block;        // conv_transpose: sums of the block, int64 when wide
};

static int64_t volume(const int64_t *v)
{
    return v[0] * v[1] * v[2];
}

static void conv_geometry(struct conv *g, const struct eval_call *c)
{
    int n, spatial = c->in[0]->rank - 2;
    const int64_t *strides = ir_ints(c->op, IR_A_strides, &n),
                  *dilations = ir_ints(c->op, IR_A_dilations, &n);
    const int64_t *pads = ir_ints(c->op, IR_A_pads, &n);
    for (int a = 0; a < AXES; a++) {
        int d = a - (AXES - spatial);
        bool there = d >= 0;
        g->in[a] = there ? c->in[0]->dim[d + 2] : 1;
        g->out[a] = there ? c->out[0]->dim[d + 2] : 1;
        g->kernel[a] = there ? c->in[1]->dim[d + 2] : 1;
        g->stride[a] = there ? strides[d] : 1;
        g->dilation[a] = there ? dilations[d] : 1;
        g->pad[a] = there ? pads[d] : 0;
    }
    g->in_plane = volume(g->in);
    g->out_plane = volume(g->out);
    g->taps = volume(g->kernel);
}

// Result columns ox .. ox + n - 1 of one row of kernel column kx, from row `from` of the operand.
static void conv_run(const struct conv *g, int64_t from, int64_t kx, int64_t ox, int64_t n,
                     double *to)
{
    int64_t s = g->stride[2], first = ox * s + kx * g->dilation[2] - g->pad[2];
    int64_t lo = first >= 0 ? 0 : (-first + s - 1) / s;
    int64_t hi = first >= g->in[2] ? 0 : (g->in[2] - 1 - first) / s + 1;
    lo = lo < n ? lo : n;
    hi = hi < n ? hi : n;
    if (hi <= lo) {
        memset(to, 0, (size_t)n * sizeof *to);
        return;
    }
    memset(to, 0, (size_t)lo * sizeof *to);
    load(g->m.x, g->m.finish.wide, from + first + lo * s, s, hi - lo, to + lo);
    memset(to + hi, 0, (size_t)(n - hi) * sizeof *to);
}

static void conv_row(const void *user, int64_t k, int64_t p0, int64_t n, void *to)
{
    const struct conv *g = user;
    int64_t tap = k % g->taps, kx = tap % g->kernel[2], ky = tap / g->kernel[2] % g->kernel[1];
    int64_t kz = tap / g->kernel[2] / g->kernel[1], channel = g->group * g->channels + k / g->taps;
    int64_t plane = (g->image * g->m.x->dim[1] + channel) * g->in_plane;
    for (int64_t done = 0, run; done < n; done += run) {
        int64_t p = p0 + done, ox = p % g->out[2], oy = p / g->out[2] % g->out[1],
                oz = p / g->out[2] / g->out[1];
        int64_t iy = oy * g->stride[1] + ky * g->dilation[1] - g->pad[1];
        int64_t iz = oz * g->stride[0] + kz * g->dilation[0] - g->pad[0];
        run = g->out[2] - ox < n - done ? g->out[2] - ox : n - done;
        if (iy < 0 || iy >= g->in[1] || iz < 0 || iz >= g->in[0])
            memset((double *)to + done, 0, (size_t)run * sizeof(double));
        else
            conv_run(g, plane + (iz * g->in[1] + iy) * g->in[2], kx, ox, run, (double *)to + done);
    }
}

static void conv_weights(const void *user, int64_t out, int64_t k0, int64_t n, void *to)
{
    const struct conv *g = user;
    int64_t k = g->channels * g->taps;
    load(g->m.w, g->m.finish.wide, (g->group * g->outs + out) * k + k0, 1, n, to);
}

static void conv_done(const void *user, int64_t o0, int64_t on, int64_t p0, int64_t pn,
                      const void *sums, int64_t ld)
{
    const struct conv *g = user;
    for (int64_t o = 0; o < on; o++) {
        int64_t channel = g->group * g->outs + o0 + o;
        int64_t at = (g->image * g->m.c->out[0]->dim[1] + channel) * g->out_plane + p0;
        eval_finish_row(&g->m.finish, at, pn, (const double *)sums + o * ld, channel, 0);
    }
}

bool eval_op_CONV(const struct eval_call *c)
{
    struct conv g = {0};
    enum ir_mode mode;
    int64_t groups = ir_int(c->op, IR_A_group, 1);
    conv_geometry(&g, c);
    g.channels = c->in[0]->dim[1] / groups;
    g.outs = c->out[0]->dim[1] / groups;
    if (!mac_start(&g.m, c, g.channels * g.taps))
        return false;
    if (wants_groups(c, &mode))
        return eval_mac_groups(c, &g.m.finish, mode);
    struct dot d = {g.outs,       g.channels * g.taps,
                    g.out_plane,  g.m.finish.wide,
                    conv_weights, conv_row,
                    conv_done,    &g,
                    false};
    for (g.image = 0; g.image < c->in[0]->dim[0]; g.image++)
        for (g.group = 0; g.group < groups; g.group++)
            eval_dot_run(&d, g.m.space);
    return true;
}

// ---- Transposed convolution: products of every operand position with (output channel, kernel
// element), added up where they fall in the result.

static void scatter_row(const void *user, int64_t k, int64_t p0, int64_t n, void *to)
{
    const struct conv *g = user;
    int64_t channel = g->group * g->channels + k;
    load(g->m.x, g->m.finish.wide, (g->image * g->m.x->dim[1] + channel) * g->in_plane + p0, 1, n,
         to);
}

static void scatter_weights(const void *user, int64_t out, int64_t k0, int64_t n, void *to)
{
    const struct conv *g = user;
    int64_t step = g->outs * g->taps; // from one input channel to the next
    load(g->m.w, g->m.finish.wide, (g->group * g->channels + k0) * step + g->m0 * g->taps + out,
         step, n, to);
}

static void add_sum(const struct conv *g, double *to, const double *from)
{
    uint64_t a, b;
    if (!g->m.finish.wide) {
        *to += *from;
        return;
    }
    memcpy(&a, to, sizeof a);
    memcpy(&b, from, sizeof b);
    a += b;
    memcpy(to, &a, sizeof a);
}

static void scatter_done(const void *user, int64_t o0, int64_t on, int64_t p0, int64_t pn,
                         const void *sums, int64_t ld)
{
    const struct conv *g = user;
    for (int64_t o = 0; o < on; o++) {
        const double *from = (const double *)sums + o * ld;
        double *plane = g->block + (o0 + o) / g->taps * g->out_plane;
        int64_t tap = (o0 + o) % g->taps, at[AXES];
        int64_t k[AXES] = {tap / g->kernel[2] / g->kernel[1], tap / g->kernel[2] % g->kernel[1],
                           tap % g->kernel[2]};
        for (int64_t p = p0; p < p0 + pn; p++) {
            int64_t i[AXES] = {p / g->in[2] / g->in[1], p / g->in[2] % g->in[1], p % g->in[2]};
            bool inside = true;
            for (int a = 0; a < AXES; a++) {
                at[a] = i[a] * g->stride[a] + k[a] * g->dilation[a] - g->pad[a];
                inside = inside && at[a] >= 0 && at[a] < g->out[a];
            }
            if (inside)
                add_sum(g, &plane[(at[0] * g->out[1] + at[1]) * g->out[2] + at[2]], &from[p - p0]);
        }
    }
}

// Output channels m0 .. m0 + count - 1 of the current group.
static void transpose_block(struct conv *g, int64_t count)
{
    struct dot d = {
        count * g->taps, g->channels, g->in_plane, g->m.finish.wide, scatter_weights, scatter_row,
        scatter_done,    g,           true};
    memset(g->block, 0, (size_t)(count * g->out_plane) * sizeof *g->block);
    eval_dot_run(&d, g->m.space);
    for (int64_t o = 0; o < count; o++) {
        int64_t channel = g->group * g->outs + g->m0 + o;
        int64_t at = (g->image * g->m.c->out[0]->dim[1] + channel) * g->out_plane;
        eval_finish_row(&g->m.finish, at, g->out_plane, g->block + o * g->out_plane, channel, 0);
    }
}

bool eval_op_CONV_TRANSPOSE(const struct eval_call *c)
{
    enum { BLOCK_ELEMS = 1 << 22 };
    struct conv g = {0};
    enum ir_mode mode;
    int64_t groups = ir_int(c->op, IR_A_group, 1);
    conv_geometry(&g, c);
    g.channels = c->in[0]->dim[1] / groups;
    g.outs = c->out[0]->dim[1] / groups;
    if (!mac_start(&g.m, c, g.channels * g.taps))
        return false;
    if (wants_groups(c, &mode))
        return eval_mac_groups(c, &g.m.finish, mode);
    if (tensor_elems(c->out[0]) == 0)
        return true;
    int64_t block = BLOCK_ELEMS / g.out_plane;
    block = block < 1 ? 1 : block > g.outs ? g.outs : block;
    g.block = ARENA_ARRAY(c->scratch, (size_t)(block * g.out_plane), double);
    for (g.image = 0; g.image < c->in[0]->dim[0]; g.image++)
        for (g.group = 0; g.group < groups; g.group++)
            for (g.m0 = 0; g.m0 < g.outs; g.m0 += block)
                transpose_block(&g, g.outs - g.m0 < block ? g.outs - g.m0 : block);
    return true;
}

// ---- Matrix product: outputs are rows of the first operand, positions columns of the second.

struct product {
    struct mac m;
    int64_t rows, inner, cols;
    int64_t x0, w0, y0; // first elements of the matrices of this batch element
    bool by_row;        // channels are rows
};

static void product_weights(const void *user, int64_t out, int64_t k0, int64_t n, void *to)
{
    const struct product *g = user;
    load(g->m.x, g->m.finish.wide, g->x0 + out * g->inner + k0, 1, n, to);
}

static void product_row(const void *user, int64_t k, int64_t p0, int64_t n, void *to)
{
    const struct product *g = user;
    load(g->m.w, g->m.finish.wide, g->w0 + k * g->cols + p0, 1, n, to);
}

static void product_done(const void *user, int64_t o0, int64_t on, int64_t p0, int64_t pn,
                         const void *sums, int64_t ld)
{
    const struct product *g = user;
    for (int64_t o = 0; o < on; o++)
        eval_finish_row(&g->m.finish, g->y0 + (o0 + o) * g->cols + p0, pn,
                        (const double *)sums + o * ld, g->by_row ? o0 + o : p0, g->by_row ? 0 : 1);
}

// First element of the matrix that batch element `index` of the result takes from t.
static int64_t batch_offset(const struct tensor *t, const struct tensor *y, int64_t index)
{
    int64_t offset = 0, step = t->dim[t->rank - 1] * t->dim[t->rank - 2];
    for (int d = y->rank - 3; d >= 0; d--) {
        int e = d - (y->rank - t->rank);
        int64_t i = index % y->dim[d];
        index /= y->dim[d];
        if (e < 0)
            continue;
        if (t->dim[e] != 1)
            offset += i * step;
        step *= t->dim[e];
    }
    return offset;
}

bool eval_op_MATMUL(const struct eval_call *c)
{
    const struct tensor *x = c->in[0], *w = c->in[1], *y = c->out[0];
    enum ir_mode mode;
    struct product g = {.by_row = ir_int(c->op, IR_A_stationary, 1) == 0};
    if (!mac_start(&g.m, c, x->dim[x->rank - 1]))
        return false;
    if (wants_groups(c, &mode))
        return eval_mac_groups(c, &g.m.finish, mode);
    if (tensor_elems(y) == 0)
        return true;
    g.rows = y->dim[y->rank - 2];
    g.inner = x->dim[x->rank - 1];
    g.cols = y->dim[y->rank - 1];
    struct dot d = {g.rows,       g.inner, g.cols, g.m.finish.wide, product_weights, product_row,
                    product_done, &g,      false};
    int64_t batches = tensor_elems(y) / (g.rows * g.cols);
    for (int64_t b = 0; b < batches; b++) {
        g.x0 = batch_offset(x, y, b);
        g.w0 = batch_offset(w, y, b);
        g.y0 = b * g.rows * g.cols;
        eval_dot_run(&d, g.m.space);
    }
    return true;
}

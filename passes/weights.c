// Pieces of work are ranges of the layout's `mid`: the channels of different pieces are different
// ones, whatever the layout.
#include "weights.h"

#include <math.h>
#include <string.h>

enum {
    BLOCK = 512,             // numbers that are in double at a time
    PIECE_ELEMS = 64 * 1024, // of less a thread is not worth its start
    PIECES_MAX = 64,
};

struct weights weights_of(const struct ir_op *op, const struct ir_value *v)
{
    return (struct weights){.op = op,
                            .type = &v->type,
                            .data = ir_const_data(v),
                            .layout = mac_weight_layout(op, &v->type)};
}

// ---- Numbers in double

static void load_plain(const struct tensor *t, int64_t first, int64_t n, double *out)
{
    const float *f = (const float *)t->data + first;
    if (t->dtype == DT_F32)
        for (int64_t i = 0; i < n; i++)
            out[i] = (double)f[i];
    else
        for (int64_t i = 0; i < n; i++)
            out[i] = tensor_get_double(t, first + i);
}

static int64_t channel_of(const struct mac_layout *l, int64_t i)
{
    return mac_layout_channel(l, i / l->inner / l->mid) + i / l->inner % l->mid;
}

// Runs of elements with the same channel of the result, or single ones.
static void multiply(const struct weights *w, const struct weight_factor *f, int64_t first,
                     int64_t n, double *v)
{
    const struct mac_layout *l = &w->layout;
    if (f->n == 1) {
        for (int64_t i = 0; i < n; i++)
            v[i] *= f->scale[0];
        return;
    }
    if (f->input) {
        for (int64_t i = 0; i < n; i++)
            v[i] *= f->scale[mac_weight_source(w->op, w->type, first + i)];
        return;
    }
    for (int64_t i = 0, end; i < n; i = end) {
        int64_t left = l->inner - (first + i) % l->inner;
        double s = f->scale[channel_of(l, first + i)];
        end = left < n - i ? i + left : n;
        for (int64_t k = i; k < end; k++)
            v[k] *= s;
    }
}

void weights_load(const struct weights *w, int64_t first, int64_t n, double *out)
{
    load_plain(w->data, first, n, out);
    for (size_t i = 0; i < w->num_factors; i++)
        multiply(w, &w->factor[i], first, n, out);
}

// ---- Sharing the work

struct job {
    const struct weights *w;
    int64_t mids; // of a piece
    bool want_sum;
    struct magnitudes *own;
    const double *step;
    int bits;
    struct tensor *out;
    float *floats;
    // Elements first .. first + n - 1, all of mid indices m .. that belong to the piece.
    void (*run)(const struct job *j, int64_t o, int64_t m, int64_t first, int64_t n);
};

static void run_piece(void *user, int piece, int worker)
{
    const struct job *j = user;
    const struct mac_layout *l = &j->w->layout;
    int64_t m0 = piece * j->mids, mids = l->mid - m0 < j->mids ? l->mid - m0 : j->mids;
    (void)worker;
    for (int64_t o = 0; o < l->outer; o++)
        j->run(j, o, m0, (o * l->mid + m0) * l->inner, mids * l->inner);
}

static void share(struct job *j, struct thread_pool *pool)
{
    const struct mac_layout *l = &j->w->layout;
    int64_t elems = l->outer * l->mid * l->inner, pieces = elems / PIECE_ELEMS;
    if (elems == 0)
        return;
    pieces = pieces > PIECES_MAX ? PIECES_MAX : pieces > l->mid ? l->mid : pieces;
    j->mids = pieces > 1 ? (l->mid + pieces - 1) / pieces : l->mid;
    thread_pool_run(pool, (int)((l->mid + j->mids - 1) / j->mids), run_piece, j);
}

// ---- Magnitudes

// The largest pattern without its sign orders as magnitudes do, with infinity and NaN on top.
static double top_of_floats(const float *v, int64_t n)
{
    int32_t top = 0;
    for (int64_t i = 0; i < n; i++) {
        int32_t b;
        memcpy(&b, &v[i], sizeof b);
        b &= 0x7fffffff;
        top = b > top ? b : top;
    }
    float f;
    memcpy(&f, &top, sizeof f);
    return isfinite(f) ? (double)f : INFINITY;
}

static void add_numbers(struct magnitudes *m, const double *v, int64_t n, double *sum)
{
    for (int64_t i = 0; i < n; i++) {
        double x = fabs(v[i]);
        m->top = x > m->top ? x : x <= m->top ? m->top : INFINITY;
        *sum += x;
    }
}

// All weights of one row share a channel.
static void measure_row(const struct job *j, struct magnitudes *m, int64_t first, int64_t n)
{
    const struct tensor *t = j->w->data;
    double v[BLOCK], sum = 0;
    m->count += n;
    if (t->dtype == DT_F32 && !j->want_sum) {
        m->top = fmax(m->top, top_of_floats((const float *)t->data + first, n));
        return;
    }
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t k = n - at < BLOCK ? n - at : BLOCK;
        load_plain(t, first + at, k, v);
        add_numbers(m, v, k, &sum);
    }
    m->sum += sum;
}

static void measure_line(const struct job *j, struct magnitudes *m, int64_t first, int64_t n)
{
    double v[BLOCK];
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t k = n - at < BLOCK ? n - at : BLOCK;
        load_plain(j->w->data, first + at, k, v);
        for (int64_t i = 0; i < k; i++) {
            add_numbers(&m[at + i], &v[i], 1, &m[at + i].sum);
            m[at + i].count++;
        }
    }
}

static void measure(const struct job *j, int64_t o, int64_t m, int64_t first, int64_t n)
{
    const struct mac_layout *l = &j->w->layout;
    struct magnitudes *own = j->own + mac_layout_channel(l, o) + m;
    if (l->inner == 1) {
        measure_line(j, own, first, n);
        return;
    }
    for (int64_t i = 0; i < n; i += l->inner)
        measure_row(j, own + i / l->inner, first + i, l->inner);
}

void weights_measure(const struct weights *w, bool want_sum, struct magnitudes *own,
                     struct thread_pool *pool)
{
    share(&(struct job){.w = w, .want_sum = want_sum, .own = own, .run = measure}, pool);
}

// ---- To f32

static void to_float(const struct job *j, int64_t o, int64_t m, int64_t first, int64_t n)
{
    double v[BLOCK];
    (void)o, (void)m;
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t k = n - at < BLOCK ? n - at : BLOCK;
        weights_load(j->w, first + at, k, v);
        for (int64_t i = 0; i < k; i++)
            j->floats[first + at + i] = (float)v[i];
    }
}

void weights_to_float(const struct weights *w, float *out, struct thread_pool *pool)
{
    share(&(struct job){.w = w, .floats = out, .run = to_float}, pool);
}

// ---- To integers

// v / step of every number, half to even; what is well below 2^51 is rounded by an addition.
static void round_row(double *v, int64_t n, double step, int bits)
{
    const double magic = 0x1.8p52, top = ldexp(1, bits - 1) - 1;
    if (bits == 1) {
        for (int64_t i = 0; i < n; i++)
            v[i] = v[i] < 0 ? -1 : 1;
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        double x = v[i] / step + magic - magic;
        v[i] = x > top ? top : x < -top ? -top : x;
    }
}

static void store_steps(struct tensor *t, int64_t first, int64_t n, const double *v)
{
    int8_t *i8 = (int8_t *)t->data + first;
    int16_t *i16 = (int16_t *)t->data + first;
    int32_t *i32 = (int32_t *)t->data + first;
    switch (t->dtype) {
    case DT_I8:
        for (int64_t i = 0; i < n; i++)
            i8[i] = (int8_t)v[i];
        break;
    case DT_I16:
        for (int64_t i = 0; i < n; i++)
            i16[i] = (int16_t)v[i];
        break;
    case DT_I32:
        for (int64_t i = 0; i < n; i++)
            i32[i] = (int32_t)v[i];
        break;
    default: bitlet_bug("steps of type %s", dtype_text(t->dtype));
    }
}

static void to_steps(const struct job *j, int64_t o, int64_t m, int64_t first, int64_t n)
{
    const struct mac_layout *l = &j->w->layout;
    const double *step = j->step + mac_layout_channel(l, o) + m;
    double v[BLOCK];
    for (int64_t at = 0, k; at < n; at += k) {
        // A block of one channel, or of single weights of as many channels.
        int64_t most = l->inner == 1 ? n - at : l->inner - at % l->inner;
        k = most < BLOCK ? most : BLOCK;
        load_plain(j->w->data, first + at, k, v);
        if (l->inner == 1)
            for (int64_t i = 0; i < k; i++)
                round_row(&v[i], 1, step[at + i], j->bits);
        else
            round_row(v, k, step[at / l->inner], j->bits);
        store_steps(j->out, first + at, k, v);
    }
}

void weights_to_steps(const struct weights *w, const double *step, int bits, struct tensor *out,
                      struct thread_pool *pool)
{
    share(&(struct job){.w = w, .step = step, .bits = bits, .out = out, .run = to_steps}, pool);
}

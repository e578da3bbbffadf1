// Dense sums of products, blocked for the caches. A panel of rows is laid out in columns of four
// positions, weights in columns of four outputs, so that the innermost loop reads both in order. A
// sum runs over k in order whatever the blocks are.
#include <string.h>

#include "eval_mac.h"

enum { WIDTH = 4, POSITIONS = 256, DEPTH = 128, OUTS = 1024 };

typedef double pair __attribute__((vector_size(16)));

struct dot_space {
    double *panel;   // [POSITIONS / WIDTH][DEPTH][WIDTH]
    double *weights; // [OUTS / WIDTH][DEPTH][WIDTH]
    double *sums;    // [OUTS][POSITIONS]
    double *line;    // one row or one weight vector
};

struct dot_space *eval_dot_space_create(struct arena *a)
{
    struct dot_space *s = ARENA_NEW(a, struct dot_space);
    s->panel = arena_alloc_aligned(a, sizeof(double) * POSITIONS * DEPTH, 64);
    s->weights = arena_alloc_aligned(a, sizeof(double) * OUTS * DEPTH, 64);
    s->sums = arena_alloc_aligned(a, sizeof(double) * OUTS * POSITIONS, 64);
    s->line = arena_alloc_aligned(a, sizeof(double) * POSITIONS, 64);
    return s;
}

// line[0 .. n) becomes column `k` of blocks of WIDTH, zeros after it up to a whole block.
static void scatter_line(double *blocks, const double *line, int64_t k, int64_t n)
{
    for (int64_t i = 0; i < n; i += WIDTH) {
        double *to = blocks + i * DEPTH + k * WIDTH;
        size_t m = (size_t)(n - i < WIDTH ? n - i : WIDTH);
        memset(to, 0, sizeof(double) * WIDTH);
        memcpy(to, line + i, sizeof(double) * m);
    }
}

static void fill_panel(const struct dot *d, struct dot_space *s, int64_t k0, int64_t kn, int64_t p0,
                       int64_t pn)
{
    for (int64_t k = 0; k < kn; k++) {
        d->row(d->user, k0 + k, p0, pn, s->line);
        scatter_line(s->panel, s->line, k, pn);
    }
}

static void fill_weights(const struct dot *d, struct dot_space *s, int64_t k0, int64_t kn,
                         int64_t o0, int64_t on)
{
    int64_t whole = (on + WIDTH - 1) / WIDTH * WIDTH;
    for (int64_t o = 0; o < whole; o++) {
        double *to = s->weights + o / WIDTH * WIDTH * DEPTH + o % WIDTH;
        if (o < on)
            d->weights(d->user, o0 + o, k0, kn, s->line);
        else
            memset(s->line, 0, sizeof(double) * (size_t)kn);
        for (int64_t k = 0; k < kn; k++)
            memcpy(to + k * WIDTH, s->line + k, sizeof(double));
    }
}

// WIDTH outputs at WIDTH positions.
static void kernel_double(int64_t kn, const double *w, const double *a, double *sums)
{
    pair t[WIDTH][2];
    for (int o = 0; o < WIDTH; o++)
        memcpy(t[o], sums + o * POSITIONS, sizeof t[o]);
    for (int64_t k = 0; k < kn; k++, w += WIDTH, a += WIDTH) {
        pair lo = *(const pair *)a, hi = *(const pair *)(a + 2);
        pair w0 = {w[0], w[0]}, w1 = {w[1], w[1]}, w2 = {w[2], w[2]}, w3 = {w[3], w[3]};
        t[0][0] += w0 * lo;
        t[0][1] += w0 * hi;
        t[1][0] += w1 * lo;
        t[1][1] += w1 * hi;
        t[2][0] += w2 * lo;
        t[2][1] += w2 * hi;
        t[3][0] += w3 * lo;
        t[3][1] += w3 * hi;
    }
    for (int o = 0; o < WIDTH; o++)
        memcpy(sums + o * POSITIONS, t[o], sizeof t[o]);
}

// As int64 through the same memory; wraps where the exact sum does not fit.
static void kernel_wide(int64_t kn, const double *w, const double *a, double *sums)
{
    for (int64_t o = 0; o < WIDTH; o++)
        for (int64_t p = 0; p < WIDTH; p++) {
            uint64_t sum, x, y;
            memcpy(&sum, &sums[o * POSITIONS + p], sizeof sum);
            for (int64_t k = 0; k < kn; k++) {
                memcpy(&x, &w[k * WIDTH + o], sizeof x);
                memcpy(&y, &a[k * WIDTH + p], sizeof y);
                sum += x * y;
            }
            memcpy(&sums[o * POSITIONS + p], &sum, sizeof sum);
        }
}

static void multiply_block(const struct dot *d, struct dot_space *s, int64_t kn, int64_t on,
                           int64_t pn)
{
    for (int64_t o = 0; o < on; o += WIDTH)
        for (int64_t p = 0; p < pn; p += WIDTH) {
            const double *w = s->weights + o * DEPTH, *a = s->panel + p * DEPTH;
            double *sums = s->sums + o * POSITIONS + p;
            if (d->wide)
                kernel_wide(kn, w, a, sums);
            else
                kernel_double(kn, w, a, sums);
        }
}

void eval_dot_run(const struct dot *d, struct dot_space *s)
{
    for (int64_t o0 = 0; o0 < d->outs; o0 += OUTS) {
        int64_t on = d->outs - o0 < OUTS ? d->outs - o0 : OUTS,
                rows = (on + WIDTH - 1) / WIDTH * WIDTH;
        for (int64_t p0 = 0; p0 < d->positions; p0 += POSITIONS) {
            int64_t pn = d->positions - p0 < POSITIONS ? d->positions - p0 : POSITIONS;
            memset(s->sums, 0, sizeof(double) * (size_t)(rows * POSITIONS));
            for (int64_t k0 = 0; k0 < d->k; k0 += DEPTH) {
                int64_t kn = d->k - k0 < DEPTH ? d->k - k0 : DEPTH;
                fill_panel(d, s, k0, kn, p0, pn);
                fill_weights(d, s, k0, kn, o0, on);
                multiply_block(d, s, kn, on, pn);
            }
            d->done(d->user, o0, on, p0, pn, s->sums, POSITIONS);
        }
    }
}

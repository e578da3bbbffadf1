// Dense sums of products, blocked for the caches. A panel of rows is laid out in columns of eight
// positions, weights in columns of eight outputs, so that the innermost loop reads both in order. A
// sum runs over k in order, one rounded product and one rounded addition at a time, whatever the
// blocks, the processor's vectors and the number of threads are.
#include <string.h>

#include "eval_mac.h"

enum { WIDTH = 8, POSITIONS = 256, DEPTH = 128, OUTS = 256, OUTS_MIN = 64 };
#define SHARED_MIN ((int64_t)1 << 20) // products; less is done before another thread has woken up

struct space {
    double *panel;   // [POSITIONS / WIDTH][DEPTH][WIDTH]
    double *weights; // [OUTS / WIDTH][DEPTH][WIDTH]
    double *sums;    // [OUTS][POSITIONS]
    double *line;    // one row or one weight vector
};

typedef void kernel(int64_t kn, const double *w, const double *a, double *sums);

struct dot_space {
    struct thread_pool *pool;
    kernel *multiply;
    struct space *of; // each worker's
};

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

static void fill_panel(const struct dot *d, struct space *s, int64_t k0, int64_t kn, int64_t p0,
                       int64_t pn)
{
    for (int64_t k = 0; k < kn; k++) {
        d->row(d->user, k0 + k, p0, pn, s->line);
        scatter_line(s->panel, s->line, k, pn);
    }
}

static void fill_weights(const struct dot *d, struct space *s, int64_t k0, int64_t kn, int64_t o0,
                         int64_t on)
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

// ---- Kernels: WIDTH outputs at WIDTH positions, as vectors of `bytes`, `outs` outputs at a time
// so that their sums stay in registers.

#define KERNEL(name, TARGET, bytes, outs)                                                          \
    TARGET static void name(int64_t kn, const double *w, const double *a, double *sums)            \
    {                                                                                              \
        typedef double vec __attribute__((vector_size(bytes)));                                    \
        enum { LANES = bytes / 8, VECS = WIDTH / LANES };                                          \
        for (int o = 0; o < WIDTH; o += outs) {                                                    \
            vec sum[outs][VECS];                                                                   \
            for (int i = 0; i < outs; i++)                                                         \
                memcpy(sum[i], sums + (o + i) * POSITIONS, sizeof sum[i]);                         \
            for (int64_t k = 0; k < kn; k++) {                                                     \
                vec x[VECS];                                                                       \
                memcpy(x, a + k * WIDTH, sizeof x);                                                \
                for (int i = 0; i < outs; i++)                                                     \
                    for (int v = 0; v < VECS; v++)                                                 \
                        sum[i][v] += x[v] * w[k * WIDTH + o + i];                                  \
            }                                                                                      \
            for (int i = 0; i < outs; i++)                                                         \
                memcpy(sums + (o + i) * POSITIONS, sum[i], sizeof sum[i]);                         \
        }                                                                                          \
    }
KERNEL(kernel_plain, , 16, 2)
#if defined(__x86_64__)
KERNEL(kernel_avx2, __attribute__((target("avx2"))), 32, 4)
KERNEL(kernel_avx512, __attribute__((target("avx512f"))), 64, 8)
#endif

// The best last; NULL past the last and where the processor lacks it.
static kernel *kernel_at(int level)
{
    switch (level) {
    case 0: return kernel_plain;
#if defined(__x86_64__)
    case 1: return __builtin_cpu_supports("avx2") ? kernel_avx2 : NULL;
    case 2: return __builtin_cpu_supports("avx512f") ? kernel_avx512 : NULL;
#endif
    default: return NULL;
    }
}

bool eval_dot_use_level(struct dot_space *s, int level)
{
    kernel *k = kernel_at(level);
    if (k)
        s->multiply = k;
    return k != NULL;
}

struct dot_space *eval_dot_space_create(struct arena *a, struct thread_pool *pool)
{
    int workers = thread_pool_size(pool);
    struct dot_space *s = ARENA_NEW(a, struct dot_space);
    *s = (struct dot_space){.pool = pool, .of = ARENA_ARRAY(a, (size_t)workers, struct space)};
    for (int level = 0; level < DOT_LEVELS; level++)
        (void)eval_dot_use_level(s, level);
    for (int i = 0; i < workers; i++)
        s->of[i] = (struct space){
            .panel = arena_alloc_aligned(a, sizeof(double) * POSITIONS * DEPTH, 64),
            .weights = arena_alloc_aligned(a, sizeof(double) * OUTS * DEPTH, 64),
            .sums = arena_alloc_aligned(a, sizeof(double) * OUTS * POSITIONS, 64),
            .line = arena_alloc_aligned(a, sizeof(double) * POSITIONS, 64),
        };
    return s;
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

static void multiply_block(const struct dot *d, kernel *multiply, struct space *s, int64_t kn,
                           int64_t on, int64_t pn)
{
    for (int64_t o = 0; o < on; o += WIDTH)
        for (int64_t p = 0; p < pn; p += WIDTH) {
            const double *w = s->weights + o * DEPTH, *a = s->panel + p * DEPTH;
            double *sums = s->sums + o * POSITIONS + p;
            if (d->wide)
                kernel_wide(kn, w, a, sums);
            else
                multiply(kn, w, a, sums);
        }
}

// ---- Blocks

struct blocks {
    const struct dot *d;
    struct dot_space *s;
    int64_t outs, p_blocks; // outputs of a block; blocks of positions
};

static void run_block(const struct blocks *b, int64_t i, int64_t p, int worker)
{
    const struct dot *d = b->d;
    struct space *s = &b->s->of[worker];
    int64_t o0 = i * b->outs, p0 = p * POSITIONS;
    int64_t on = d->outs - o0 < b->outs ? d->outs - o0 : b->outs;
    int64_t pn = d->positions - p0 < POSITIONS ? d->positions - p0 : POSITIONS;
    int64_t rows = (on + WIDTH - 1) / WIDTH * WIDTH;
    memset(s->sums, 0, sizeof(double) * (size_t)(rows * POSITIONS));
    for (int64_t k0 = 0; k0 < d->k; k0 += DEPTH) {
        int64_t kn = d->k - k0 < DEPTH ? d->k - k0 : DEPTH;
        fill_panel(d, s, k0, kn, p0, pn);
        fill_weights(d, s, k0, kn, o0, on);
        multiply_block(d, b->s->multiply, s, kn, on, pn);
    }
    d->done(d->user, o0, on, p0, pn, s->sums, POSITIONS);
}

static void run_piece(void *user, int piece, int worker)
{
    const struct blocks *b = user;
    run_block(b, piece / b->p_blocks, piece % b->p_blocks, worker);
}

static int64_t ceil_ratio(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

void eval_dot_run(const struct dot *d, struct dot_space *s)
{
    int64_t threads = thread_pool_size(s->pool);
    bool shared = !d->serial && threads > 1 &&
                  (double)d->outs * (double)d->k * (double)d->positions >= (double)SHARED_MIN;
    struct blocks b = {d, s, OUTS, ceil_ratio(d->positions, POSITIONS)};
    while (shared && b.outs > OUTS_MIN && ceil_ratio(d->outs, b.outs) * b.p_blocks < 4 * threads)
        b.outs /= 2;
    int64_t o_blocks = ceil_ratio(d->outs, b.outs);
    if (shared && o_blocks * b.p_blocks <= INT32_MAX) {
        thread_pool_run(s->pool, (int)(o_blocks * b.p_blocks), run_piece, &b);
        return;
    }
    for (int64_t i = 0; i < o_blocks; i++)
        for (int64_t p = 0; p < b.p_blocks; p++)
            run_block(&b, i, p, 0);
}

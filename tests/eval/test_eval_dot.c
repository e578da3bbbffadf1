// Dense sums at every level of the processor and with threads, to the last bit against one sum at a
// time in the same order.
#include "eval_mac.h"

#include <stdio.h>
#include <string.h>

#include "check.h"

enum { OUTS_MAX = 300, K_MAX = 300, POSITIONS_MAX = 600 };

struct problem {
    int64_t outs, k, positions;
    bool wide;
    double *w, *x, *y; // bits of int64 where wide
};

static uint64_t rng = 1;

static int64_t pick(int64_t lo, int64_t hi)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return lo + (int64_t)((rng >> 33) % (uint64_t)(hi - lo + 1));
}

static void weights(const void *user, int64_t out, int64_t k0, int64_t n, void *to)
{
    const struct problem *p = user;
    memcpy(to, p->w + out * p->k + k0, (size_t)n * sizeof(double));
}

static void row(const void *user, int64_t k, int64_t p0, int64_t n, void *to)
{
    const struct problem *p = user;
    memcpy(to, p->x + k * p->positions + p0, (size_t)n * sizeof(double));
}

static void done(const void *user, int64_t o0, int64_t on, int64_t p0, int64_t pn, const void *sums,
                 int64_t ld)
{
    const struct problem *p = user;
    for (int64_t o = 0; o < on; o++)
        memcpy(p->y + (o0 + o) * p->positions + p0, (const double *)sums + o * ld,
               (size_t)pn * sizeof(double));
}

static void fill(double *v, int64_t n, bool wide)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t whole = pick(-1000000, 1000000) * pick(1, 1 << 20);
        if (wide)
            memcpy(&v[i], &whole, sizeof whole);
        else
            v[i] = (double)whole / 977;
    }
}

static void sum_slowly(const struct problem *p, double *y)
{
    for (int64_t o = 0; o < p->outs; o++)
        for (int64_t c = 0; c < p->positions; c++) {
            double sum = 0;
            uint64_t whole = 0, a, b;
            for (int64_t k = 0; k < p->k; k++) {
                const double *w = &p->w[o * p->k + k], *x = &p->x[k * p->positions + c];
                memcpy(&a, w, sizeof a);
                memcpy(&b, x, sizeof b);
                whole += a * b;
                if (!p->wide)
                    sum += *w * *x;
            }
            memcpy(&y[o * p->positions + c], p->wide ? (void *)&whole : (void *)&sum, sizeof sum);
        }
}

static void one_problem(struct arena *a, struct thread_pool *pool, int64_t outs, int64_t k,
                        int64_t positions, bool wide)
{
    struct problem p = {outs, k, positions, wide, NULL, NULL, NULL};
    p.w = ARENA_ARRAY(a, (size_t)(outs * k) + 1, double);
    p.x = ARENA_ARRAY(a, (size_t)(k * positions) + 1, double);
    p.y = ARENA_ARRAY(a, (size_t)(outs * positions), double);
    double *want = ARENA_ARRAY(a, (size_t)(outs * positions), double);
    fill(p.w, outs * k, wide);
    fill(p.x, k * positions, wide);
    sum_slowly(&p, want);
    struct dot d = {outs, k, positions, wide, weights, row, done, &p, false};
    for (int level = 0; level < DOT_LEVELS; level++) {
        struct dot_space *s = eval_dot_space_create(a, pool);
        if (!eval_dot_use_level(s, level))
            continue;
        memset(p.y, 0, (size_t)(outs * positions) * sizeof *p.y);
        eval_dot_run(&d, s);
        if (!CHECK(memcmp(p.y, want, (size_t)(outs * positions) * sizeof *want) == 0))
            printf("level %d: %lld x %lld x %lld\n", level, (long long)outs, (long long)k,
                   (long long)positions);
    }
    arena_reset(a);
}

static void sums_are_the_same_everywhere(void)
{
    struct arena *a = arena_create();
    struct thread_pool *pools[] = {NULL, thread_pool_create(3)};
    for (int i = 0; i < 2; i++) {
        one_problem(a, pools[i], 1, 0, 5, false);
        one_problem(a, pools[i], 1, 1, 1, false);
        one_problem(a, pools[i], OUTS_MAX, 129, 257, false); // beyond every block
        one_problem(a, pools[i], 9, K_MAX, POSITIONS_MAX, false);
        one_problem(a, pools[i], 70, 257, 130, true);
        for (int k = 0; k < 20; k++)
            one_problem(a, pools[i], pick(1, 40), pick(1, K_MAX), pick(1, 100), pick(0, 3) == 0);
        thread_pool_destroy(pools[i]);
    }
    arena_destroy(a);
}

int main(void)
{
    RUN(sums_are_the_same_everywhere);
    return check_summary();
}

// The memory planner: no overlap in time and space, alignment, and totals between the two obvious
// bounds.
#include "plan.h"

#include "check.h"
#include "passes_rng.h"

static struct plan_usage *random_records(struct arena *a, struct rng *r, int n, int steps,
                                         int64_t largest)
{
    struct plan_usage *u = ARENA_ARRAY(a, (size_t)n, struct plan_usage);
    for (int i = 0; i < n; i++) {
        int first = (int)rng_range(r, 0, steps - 1), last = first + (int)rng_range(r, 0, 6);
        if (rng_range(r, 0, 9) == 0)
            last = steps - 1;
        u[i].bytes = (uint64_t)rng_range(r, 0, largest);
        u[i].align = (uint64_t)1 << rng_range(r, 0, 12);
        u[i].first = first;
        u[i].last = last < steps ? last : steps - 1;
    }
    return u;
}

static bool overlap(const struct plan_usage *a, const struct plan_usage *b)
{
    bool in_time = a->first <= b->last && b->first <= a->last;
    bool in_space = a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
    return in_time && in_space && a->bytes > 0 && b->bytes > 0;
}

static void check_plan(const struct plan_usage *u, int n, uint64_t total)
{
    uint64_t sum = 0, end = 0;
    for (int i = 0; i < n; i++) {
        CHECK(u[i].offset % u[i].align == 0);
        sum += u[i].bytes + u[i].align;
        end = u[i].offset + u[i].bytes > end ? u[i].offset + u[i].bytes : end;
        for (int j = 0; j < i; j++)
            if (overlap(&u[i], &u[j]))
                CHECK_INT(i, j);
    }
    CHECK(total == end);
    CHECK(total <= sum);
}

static void random_plans(void)
{
    struct arena *a = arena_create();
    struct rng r = {1};
    for (int round = 0; round < 60; round++) {
        int n = (int)rng_range(&r, 0, 200);
        struct plan_usage *u =
            random_records(a, &r, n, (int)rng_range(&r, 1, 100), 1 << rng_range(&r, 0, 14));
        check_plan(u, n, plan_offsets(u, n, a));
        arena_reset(a);
    }
    arena_destroy(a);
}

// Two buffers that follow each other in time, as a chain of layers has them, need the two largest
// neighbours only.
static void a_chain_ping_pongs(void)
{
    struct arena *a = arena_create();
    enum { N = 50 };
    struct plan_usage u[N];
    for (int i = 0; i < N; i++)
        u[i] = (struct plan_usage){1024, 64, i, i + 1, 0};
    CHECK_INT(plan_offsets(u, N, a), 2048);
    arena_destroy(a);
}

static void the_tightest_gap_is_taken(void)
{
    struct arena *a = arena_create();
    struct plan_usage u[] = {
        {400, 1, 0, 9, 0}, // at 0
        {300, 1, 0, 4, 0}, // at 400, free from step 5
        {200, 1, 0, 9, 0}, // at 700
        {100, 1, 0, 4, 0}, // at 900, free from step 5
        {50, 1, 0, 9, 0},  // at 1000
        {40, 1, 5, 9, 0},  // fits into both, the gap of 100 is the tighter
    };
    CHECK_INT(plan_offsets(u, 6, a), 1050);
    CHECK_INT(u[4].offset, 1000);
    CHECK_INT(u[5].offset, 900);
    arena_destroy(a);
}

// Many records alive at once, more than the planner sorts, and many short ones.
static void large_plans(void)
{
    struct arena *a = arena_create();
    enum { N = 20000 };
    struct plan_usage *u = ARENA_ARRAY(a, N, struct plan_usage);
    for (int i = 0; i < N; i++)
        u[i] = (struct plan_usage){64 + (uint64_t)(i % 7) * 64, 64, i, i + 2, 0};
    CHECK(plan_offsets(u, N, a) <= 64 * 7 * 4);
    enum { ALL = 3000 };
    for (int i = 0; i < ALL; i++)
        u[i] = (struct plan_usage){64, 64, 0, ALL, 0};
    CHECK_INT(plan_offsets(u, ALL, a), 64 * ALL);
    check_plan(u, ALL, 64 * ALL);
    arena_destroy(a);
}

int main(void)
{
    RUN(random_plans);
    RUN(a_chain_ping_pongs);
    RUN(the_tightest_gap_is_taken);
    RUN(large_plans);
    return check_summary();
}

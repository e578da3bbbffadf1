// Transposition of 64 words, at every level of the processor, against one bit at a time.
#include "bitplanes.h"

#include <string.h>

#include "check.h"
#include "passes_rng.h"

static void one_block(bitplanes_fn *run, struct rng *r)
{
    uint32_t word[64];
    uint64_t plane[32];
    int count = (int)rng_range(r, 1, 32), dense = (int)rng_range(r, 0, 3);
    for (int i = 0; i < 64; i++) {
        word[i] = (uint32_t)rng_next(r) >> (32 - count);
        for (int k = 0; k < dense; k++)
            word[i] &= (uint32_t)rng_next(r);
    }
    memset(plane, 0xa5, sizeof plane);
    run(word, count, plane);
    for (int b = 0; b < count; b++) {
        uint64_t want = 0;
        for (int i = 0; i < 64; i++)
            want |= (uint64_t)(word[i] >> b & 1) << i;
        CHECK(plane[b] == want);
    }
}

static void every_level_transposes(void)
{
    const struct bitplanes_level *l;
    for (int i = 0; (l = bitplanes_level(i)) != NULL; i++) {
        struct rng r = {7};
        for (int k = 0; l->usable && k < 2000; k++)
            one_block(l->run, &r);
        if (!l->usable)
            printf("level %s is not there\n", l->text);
    }
}

static void the_best_level_is_usable(void)
{
    const struct bitplanes_level *l;
    bool found = false;
    for (int i = 0; (l = bitplanes_level(i)) != NULL; i++)
        found |= l->usable && l->run == bitplanes_best();
    CHECK(found && bitplanes_level(0)->usable);
}

int main(void)
{
    RUN(every_level_transposes);
    RUN(the_best_level_is_usable);
    return check_summary();
}

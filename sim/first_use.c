#include "first_use.h"

struct first_use {
    const uint8_t *wbuf; // host address of the weight buffer
    uint64_t words;      // in the weight buffer
    uint64_t lanes_words;
    uint64_t bytes;  // of this reservation
    uint64_t *from;  // word of .lanes plus 1, by word of the weight buffer; 0: elsewhere
    uint64_t *taken; // a bit a word of .lanes
};

struct first_use *first_use_create(const struct sim *s)
{
    uint64_t words = s->region[SIM_REGION_WBUF].bytes / 8;
    uint64_t lanes = s->region[SIM_REGION_LANES].bytes / 8;
    uint64_t bytes = sizeof(struct first_use) + (words + lanes / 64 + 1) * sizeof(uint64_t);
    struct first_use *f = sim_reserve((size_t)bytes);
    if (!f)
        return NULL;
    *f = (struct first_use){.wbuf = s->region[SIM_REGION_WBUF].host,
                            .words = words,
                            .lanes_words = lanes,
                            .bytes = bytes,
                            .from = (uint64_t *)(f + 1)};
    f->taken = f->from + words;
    return f;
}

void first_use_destroy(struct first_use *f)
{
    if (f)
        sim_release(f, (size_t)f->bytes);
}

void first_use_loaded(struct first_use *f, const uint8_t *to, uint64_t from, uint64_t bytes)
{
    uint64_t first = (uint64_t)(to - f->wbuf) / 8, offset = from - IMAGE_LANES_BASE;
    bool lanes = from >= IMAGE_LANES_BASE && offset % 8 == 0 && offset / 8 < f->lanes_words;
    for (uint64_t i = 0; i < bytes / 8 && first + i < f->words; i++)
        f->from[first + i] = lanes ? offset / 8 + i + 1 : 0;
}

uint64_t first_use_origin(const struct first_use *f, const uint8_t *tile)
{
    uint64_t word = (uint64_t)(tile - f->wbuf) / 8;
    return word < f->words ? f->from[word] : 0;
}

bool first_use_take(void *user, const uint8_t *tile)
{
    struct first_use *f = user;
    uint64_t at = first_use_origin(f, tile);
    if (at == 0 || at > f->lanes_words)
        return true;
    uint64_t bit = UINT64_C(1) << (at - 1) % 64, *cell = &f->taken[(at - 1) / 64];
    return !(__atomic_fetch_or(cell, bit, __ATOMIC_RELAXED) & bit);
}

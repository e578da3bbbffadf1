// The weight buffer is a list of ranges in the order of their addresses, each of which came from
// .lanes in one piece. Words are of 8 bytes.
#include "first_use.h"

#include <string.h>

struct range {
    uint64_t first, num; // words of the weight buffer
    uint64_t from;       // the first one's word of .lanes
};

struct first_use {
    const uint8_t *wbuf; // host address of the weight buffer
    uint64_t lanes_words;
    uint64_t bytes; // of this reservation
    size_t num_ranges;
    struct range *range; // as many as the buffer has words
    uint64_t *taken;     // a bit a word of .lanes
};

struct first_use *first_use_create(const struct sim *s)
{
    uint64_t words = s->region[SIM_REGION_WBUF].bytes / 8;
    uint64_t lanes = s->region[SIM_REGION_LANES].bytes / 8;
    uint64_t bytes = sizeof(struct first_use) + (words + 1) * sizeof(struct range) +
                     (lanes / 64 + 1) * sizeof(uint64_t);
    struct first_use *f = sim_reserve((size_t)bytes, false);
    if (!f)
        return NULL;
    *f = (struct first_use){.wbuf = s->region[SIM_REGION_WBUF].host,
                            .lanes_words = lanes,
                            .bytes = bytes,
                            .range = (struct range *)(f + 1)};
    f->taken = (uint64_t *)(f->range + words + 1);
    return f;
}

void first_use_destroy(struct first_use *f)
{
    if (f)
        sim_release(f, (size_t)f->bytes);
}

// The first range that ends behind a word.
static size_t range_behind(const struct first_use *f, uint64_t word)
{
    size_t lo = 0, hi = f->num_ranges;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (f->range[mid].first + f->range[mid].num > word)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

// What lies between two words is not known any more. Gives where a range there belongs.
static size_t forget(struct first_use *f, uint64_t first, uint64_t end)
{
    size_t at = range_behind(f, first), last = range_behind(f, end);
    struct range kept[2];
    size_t num = 0, before = 0;
    if (at < f->num_ranges && f->range[at].first < first) {
        kept[num++] =
            (struct range){f->range[at].first, first - f->range[at].first, f->range[at].from};
        before = 1;
    }
    if (last < f->num_ranges && f->range[last].first < end) {
        struct range r = f->range[last++];
        uint64_t cut = end - r.first;
        kept[num++] = (struct range){end, r.num - cut, r.from + cut};
    }
    memmove(f->range + at + num, f->range + last, (f->num_ranges - last) * sizeof *f->range);
    memcpy(f->range + at, kept, num * sizeof *kept);
    f->num_ranges -= last - at - num;
    return at + before;
}

void first_use_loaded(struct first_use *f, const uint8_t *to, uint64_t from, uint64_t bytes)
{
    uint64_t first = (uint64_t)(to - f->wbuf) / 8, offset = from - IMAGE_LANES_BASE;
    uint64_t num = bytes / 8;
    if (num == 0)
        return;
    size_t at = forget(f, first, first + num);
    if (from < IMAGE_LANES_BASE || offset % 8 != 0 || offset / 8 >= f->lanes_words ||
        num > f->lanes_words - offset / 8)
        return;
    memmove(f->range + at + 1, f->range + at, (f->num_ranges++ - at) * sizeof *f->range);
    f->range[at] = (struct range){first, num, offset / 8};
}

// The range that a word lies in; NULL: none.
static const struct range *range_of(const struct first_use *f, uint64_t word)
{
    size_t at = range_behind(f, word);
    return at < f->num_ranges && f->range[at].first <= word ? &f->range[at] : NULL;
}

uint64_t first_use_origin(const struct first_use *f, const uint8_t *tile)
{
    uint64_t word = (uint64_t)(tile - f->wbuf) / 8;
    const struct range *r = range_of(f, word);
    return r ? r->from + (word - r->first) + 1 : 0;
}

// Bits of cell `at` that stand for words of [first, end).
static uint64_t cell_mask(uint64_t at, uint64_t first, uint64_t end)
{
    uint64_t mask = ~UINT64_C(0);
    if (first > 64 * at)
        mask <<= first - 64 * at;
    if (end < 64 * at + 64)
        mask &= ~UINT64_C(0) >> (64 * at + 64 - end);
    return mask;
}

static bool any_taken(const struct first_use *f, uint64_t first, uint64_t end)
{
    uint64_t any = 0;
    for (uint64_t at = first / 64; 64 * at < end; at++)
        any |= f->taken[at] & cell_mask(at, first, end);
    return any != 0;
}

static void take(struct first_use *f, uint64_t first, uint64_t end)
{
    for (uint64_t at = first / 64; 64 * at < end; at++)
        f->taken[at] |= cell_mask(at, first, end);
}

// Tiles of `step` words from `word` of .lanes on; what belongs to them ends at `end`. Mostly none
// of them has been asked for, or they are asked for again.
static void take_tiles(struct first_use *f, uint64_t word, uint64_t step, uint64_t end, int num,
                       bool *first)
{
    if (!any_taken(f, word, end)) {
        take(f, word, end);
        memset(first, true, (size_t)num);
        return;
    }
    for (int i = 0; i < num; i++, word += step) {
        first[i] = !(f->taken[word / 64] >> word % 64 & 1);
        if (first[i])
            take(f, word, word + step < end ? word + step : end);
    }
}

void first_use_take(void *user, const uint8_t *tile, size_t bytes, int num, bool *first)
{
    struct first_use *f = user;
    uint64_t word = (uint64_t)(tile - f->wbuf) / 8, step = bytes / 8;
    for (int i = 0, some; i < num; i += some, word += (uint64_t)some * step) {
        const struct range *r = range_of(f, word);
        uint64_t left = r ? r->first + r->num - word : 1;
        uint64_t within = (left + step - 1) / step;
        some = within < (uint64_t)(num - i) ? (int)within : num - i;
        uint64_t words = (uint64_t)some * step < left ? (uint64_t)some * step : left;
        uint64_t from = r ? r->from + (word - r->first) : 0;
        if (r)
            take_tiles(f, from, step, from + words, some, first + i);
        else
            first[i] = true;
    }
}

// Open addressing, at most half full.
#include "index.h"

#include <stdint.h>

static size_t slot_of(const struct index *x, const void *key)
{
    size_t i = (size_t)((uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15ull >> 20) & x->mask;
    while (x->key[i] != NULL && x->key[i] != key)
        i = (i + 1) & x->mask;
    return i;
}

void index_create(struct index *x, size_t count, struct arena *a)
{
    size_t cap = 16;
    while (cap < 2 * count)
        cap *= 2;
    x->key = ARENA_ARRAY(a, cap, const void *);
    x->number = ARENA_ARRAY(a, cap, int);
    x->mask = cap - 1;
}

void index_set(struct index *x, const void *key, int number)
{
    size_t i = slot_of(x, key);
    x->key[i] = key;
    x->number[i] = number;
}

int index_get(const struct index *x, const void *key)
{
    size_t i = slot_of(x, key);
    return x->key[i] != NULL ? x->number[i] : -1;
}

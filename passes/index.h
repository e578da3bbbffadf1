// Numbers for pointers: which op or value of a graph an array's element belongs to. Lives in a
// scratch arena.
#ifndef BITLET_INDEX_H
#define BITLET_INDEX_H

#include "arena.h"

struct index {
    const void **key;
    int *number;
    size_t mask;
};
void index_create(struct index *x, size_t count, struct arena *a); // for at most `count` pointers
void index_set(struct index *x, const void *key, int number);
int index_get(const struct index *x, const void *key); // -1: not set

#endif

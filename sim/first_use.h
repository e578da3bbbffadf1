// Which words of the weight buffer came from which words of .lanes, and which of those have already
// been in a PE: so that statistics about weights count every stationary tile once, however often
// its layer brings it back. Counts only; no instruction depends on it.
#ifndef BITLET_SIM_FIRST_USE_H
#define BITLET_SIM_FIRST_USE_H

#include "state.h"

struct first_use;
// NULL when there is no memory for it.
struct first_use *first_use_create(const struct sim *s);
void first_use_destroy(struct first_use *f); // NULL is fine
// Bytes of the weight buffer at host address `to` were copied from machine address `from`.
void first_use_loaded(struct first_use *f, const uint8_t *to, uint64_t from, uint64_t bytes);
// Word of .lanes plus 1 that these bytes of the weight buffer came from; 0: elsewhere.
uint64_t first_use_origin(const struct first_use *f, const uint8_t *tile);
// first[i]: whether tile i of `num` from this host address of the weight buffer on, each of
// `bytes`, begins with a word that was no part of a tile asked for before. Those that did not come
// from .lanes are new every time.
void first_use_take(void *f, const uint8_t *tile, size_t bytes, int num, bool *first);

#endif

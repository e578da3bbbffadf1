// A simulated machine's memory without a program, to run single vector instructions on, and a
// reference to compare with.
//
// The reference looks at one element at a time: it finds its address from the view's definition,
// decodes its bits by the format's definition into long double or a 64-bit integer, and encodes a
// result by searching the type's values for the nearest. Two rigs with pools of different sizes
// hold the same bytes.
#ifndef BITLET_VEC_RIG_H
#define BITLET_VEC_RIG_H

#include "state.h"

#define RIG_AREAS 4 // three sources and the destination

struct rig {
    struct sim *s[2]; // one thread; several
    uint8_t *heap[2];
    uint8_t *want; // what the reference makes of the heap
    size_t area_bytes, heap_bytes;
    struct sim_layer_stats layer[2];
    uint64_t random;
};

struct rig *rig_create(struct arena *a, size_t area_bytes, uint64_t seed);
void rig_destroy(struct rig *r);

uint64_t rig_random(struct rig *r);
int64_t rig_below(struct rig *r, int64_t n); // 0 .. n-1
// Fills the heap with numbers of the type: small ones, any bits, special values.
void rig_fill(struct rig *r, enum dtype t);
// Puts view v into t register reg of both machines.
void rig_set(struct rig *r, int reg, const struct sim_view *v);
struct sim_view rig_dense(struct rig *r, int area, enum dtype t, int rank, const int64_t *extent);
// A view of the given extents inside an area: permuted, reversed or spread strides; `source`:
// broadcast dimensions too. borders: some dimensions lie on axes that lead outside.
struct sim_view rig_view(struct rig *r, int area, enum dtype t, int rank, const int64_t *extent,
                         bool source, bool borders);

typedef bool rig_insn(struct sim *s, const void *args);
// Runs the instruction on both machines. True when both succeed and leave equal memory.
bool rig_run(struct rig *r, rig_insn *body, const void *args);
// Compares the memory with `want`, elements of view v up to `ulps` apart (two NaN are equal);
// prints the first difference.
bool rig_matches(struct rig *r, const struct sim_view *v, int64_t ulps, const char *what);

// ---- Reference
// ---------------------------------------------------------------------------------------

struct num {
    long double f; // floats
    uint64_t i;    // integers, extended to 64 bits
};

// Address in `heap` of the element at idx, or NULL outside the borders.
uint8_t *ref_at(const struct sim_view *v, const int64_t *idx, uint8_t *heap);
bool ref_next(int64_t *idx, const int64_t *extent,
              int rank); // in row-major order; false past the last
struct num ref_decode(enum dtype t, const void *bits);
void ref_encode(enum dtype t, struct num x, void *bits);
struct num ref_get(const struct sim_view *v, const int64_t *idx, uint8_t *heap);
void ref_put(const struct sim_view *v, const int64_t *idx, uint8_t *heap, struct num x);
uint64_t ref_wrap(enum dtype t, uint64_t x); // to the type's width, extended
int64_t ref_min(enum dtype t);
uint64_t ref_max(enum dtype t);

extern const enum dtype rig_numbers[]; // every type with arithmetic
extern const int rig_num_numbers;

#endif

// Address generation of the BCE: a bounded view as a matrix of K rows by P positions, read a block
// of rows at a time. Nothing is materialised but the block. The view must have been mapped
// (sim_view_map), so that every element inside its axes' bounds is readable; elements outside are
// the fill value.
#ifndef BITLET_BCE_AGU_H
#define BITLET_BCE_AGU_H

#include "bce.h"
#include "state.h"

struct bce_agu_dim {
    int64_t extent, stride, step;
    int axis; // -1: none
};
struct bce_agu {
    const uint8_t *host; // of the view's base; offsets may be negative
    enum dtype dtype;
    uint64_t fill;
    int num_k, num_p;
    struct bce_agu_dim k[ISA_MAX_RANK], p[ISA_MAX_RANK];
    int64_t origin[ISA_MAX_AXES], limit[ISA_MAX_AXES];
    int64_t k_total, p_total;
    bool bounded; // elements may lie outside
};
struct bce_span { // of a view's dimensions
    int first, num;
};

// False when a coordinate could leave 62 bits, or a total 62.
bool bce_agu_init(struct bce_agu *g, const struct sim_view *v, struct bce_span k, struct bce_span p,
                  const uint8_t *host);
// Whether both give the same rows as long as memory does not change.
bool bce_agu_equal(const struct bce_agu *a, const struct bce_agu *b);
// Rows k0 .. k0+rows-1, positions p0 .. p0+len-1, as `kind` (I8, I16, I32 or a float's); a row
// takes BCE_ROW_BYTES, of which bce_row_used() are written, zero past len. True when an integer
// does not fit 25 bits.
bool bce_agu_rows(const struct bce_agu *g, int64_t k0, int rows, int64_t p0, int len,
                  enum bce_row kind, void *dst);
// Writes row k, positions p0 .. p0+len-1 (at most BCE_BLOCK_I8), of elements of the view's type.
// Elements outside the bounds are left out.
void bce_agu_store(const struct bce_agu *g, uint8_t *host, int64_t k, int64_t p0, int len,
                   const void *src);

#endif

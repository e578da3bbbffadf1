// Copies between views whose neighbouring elements lie in different dimensions, block by block:
// element by element, one side would touch a line of the cache an element, and with strides that
// are powers of two the lines would drive each other out.
#ifndef BITLET_TRANSPOSE_H
#define BITLET_TRANSPOSE_H

#include "state.h"

struct transpose {
    struct sim_view dst, src;
    uint8_t *to;
    const uint8_t *from;
    size_t bytes;        // of an element
    int from_dim;        // neighbours in the source
    int to_dim;          // neighbours in the destination
    int64_t pieces;      // that may be copied in any order
    int64_t per_stretch; // pieces along from_dim
};

// Whether views of the same extents and type, at these host addresses, are such a pair: large
// enough, without axes, and the destination's elements all apart. They must not overlap.
bool transpose_fits(const struct sim_view *dst, uint8_t *to, const struct sim_view *src,
                    const uint8_t *from, struct transpose *t);
// Body for thread_pool_run; user: the struct.
void transpose_piece(void *t, int piece, int worker);

#endif

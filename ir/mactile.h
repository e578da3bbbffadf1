// Tiles of MAC ops: what tiling, packing and instruction selection must agree on.
//
// The attributes tile, kchunk and resident of an op stand for this loop nest:
//
//   for each problem
//       (resident) load all its weights
//       for each position tile              tile[i] positions of dimension i, fewer at the end of
//       it
//           (whole x) load the box of x that the tile needs over all of K
//           for each tile of `pes` output channels
//               for each chunk of K         kchunk indices of k[0], fewer at the end
//                   (else) load the chunk's weights; (else) load the chunk's box of x
//                   bce: partial sums (+)= W * X
//               pack; store the tile's results
//
// Every buffer is there twice, so that a step loads what the next one uses. Nothing here owns
// memory.
#ifndef BITLET_MACTILE_H
#define BITLET_MACTILE_H

#include "macplan.h"

#define MAC_BOX_RANK (2 * MAC_MAX_DIMS)
#define MAC_BUFFER_ALIGN 64

// Part of a problem: positions [start, start + extent) and indices [k0, k0 + kn) of k[0].
struct mac_tile {
    int64_t start[MAC_MAX_DIMS], extent[MAC_MAX_DIMS];
    int64_t k0, kn;
};
struct mac_box_dim {
    int64_t extent, stride; // stride in elements of the copy
    int axis;               // -1: none
    int64_t step;
    const struct ir_value *sym; // of the problem's dimension, which begins at `first` here
    int64_t first;
};
// The elements of x that a tile reads, as a dense copy, and the view of that copy from which a BCE
// reads its activations.
struct mac_box {
    // The copy: dimension i runs over extent[i] elements, stride[i] elements of x apart; the copy
    // is row-major. Contiguous dimensions are merged, single ones dropped. elems may be 0: the tile
    // lies in the padding.
    int rank;
    int64_t extent[MAC_BOX_RANK], stride[MAC_BOX_RANK];
    int64_t start; // element of x that comes first
    int64_t elems;
    // The view: at least one dimension over K and one over positions, nk + np <= 8 for every op
    // there is. Mergeable dimensions are merged and axes whose coordinates all lie inside are
    // dropped.
    int nk, np;
    struct mac_box_dim k[MAC_MAX_DIMS], p[MAC_MAX_DIMS];
    int64_t base; // element of the copy at k = 0, p = 0 of the tile; outside the copy where the
                  // coordinate is
    int num_axes; // numbered as in the problem
    int64_t origin[MAC_MAX_AXES], limit[MAC_MAX_AXES];
    // Limits at run time: of those coordinates of x that are `grain` apart from `coord` on.
    const struct ir_value *limit_sym[MAC_MAX_AXES];
    int64_t coord[MAC_MAX_AXES], grain[MAC_MAX_AXES];
};
// Positions of tile number `index` (row-major over the dimensions) when cut by `tile`, with all of
// K.
void mac_tile_at(const struct mac_problem *p, const int64_t *tile, int64_t index,
                 struct mac_tile *out);
int64_t mac_tile_count(const struct mac_problem *p, const int64_t *tile);
// The copy holds what `load` needs, the view covers `use`, a part of `load` (often the same).
void mac_box_make(const struct mac_problem *p, const struct mac_tile *load,
                  const struct mac_tile *use, struct mac_box *out);
// No box of a tile of so many positions and kn indices of k[0] has more elements.
int64_t mac_box_max_elems(const struct mac_problem *p, const int64_t *tile, int64_t kn);

// What a MAC op asks of the machine.
struct mac_demand {
    int64_t group, pes;       // N and PEs of the machine, as many as hold whole patches
    int64_t tile_bytes;       // of a lane tile
    int64_t x_bytes, y_bytes; // of an element of x and of the result
    int64_t raw_bytes;        // of a weight that is packed at run time, 0: weights are constant
};
void mac_demand_of(const struct mac_plan *plan, int64_t group, int64_t pes, int64_t tile_bytes,
                   struct mac_demand *out);
struct mac_tiling {
    int64_t tile[MAC_MAX_DIMS];
    int64_t kchunk;
    bool resident;
};
// The attributes of a tiled op; false: it has none.
bool mac_tiling_of(const struct ir_op *op, struct mac_tiling *out);

// Sizes of one instance of each buffer, in bytes rounded up to MAC_BUFFER_ALIGN. A part that does
// not fit 63 bits is INT64_MAX / 4.
struct mac_space {
    int64_t x, x_whole; // the box of a chunk, the box over all of K
    int64_t y;          // results of a tile
    int64_t raw;        // weights before they are packed at run time
    int64_t w, w_all;   // lanes of one chunk of one tile of channels, lanes of the problem
    int64_t psum;       // entries
};
void mac_space_of(const struct mac_problem *p, const struct mac_tiling *t,
                  const struct mac_demand *m, struct mac_space *out);
void mac_space_max(struct mac_space *acc, const struct mac_space *s); // the larger of each
// Whether the box over all of K stays in the activation buffer for a position tile.
bool mac_keeps_x(const struct mac_space *s, int64_t act_buffer);

// Lanes of packed weights: for each problem, tile of channels, chunk: [group][PE] lane tiles.
// Problems with the same weights share them. At least one chunk, of no group when there is nothing
// to multiply.
int64_t mac_chunks(const struct mac_problem *p, int64_t kchunk);
int64_t mac_chunk_groups(const struct mac_problem *p, int64_t kchunk, int64_t chunk, int64_t group);
int64_t mac_lanes_bytes(const struct mac_problem *p, int64_t kchunk, const struct mac_demand *m);
// Byte offset inside a problem's lanes.
int64_t mac_lanes_offset(const struct mac_problem *p, int64_t kchunk, const struct mac_demand *m,
                         int64_t oc_tile, int64_t chunk);
// Byte offset of every problem's lanes; returns the bytes of all, or -1 when they do not fit 40
// bits.
int64_t mac_lanes_layout(const struct mac_plan *plan, int64_t kchunk, const struct mac_demand *m,
                         int64_t *offset);
// Whether two problems have the same weights at the same places.
bool mac_same_weights(const struct mac_problem *a, const struct mac_problem *b);
// Greatest common divisor of numbers that are not negative.
int64_t mac_gcd(int64_t a, int64_t b);

#endif

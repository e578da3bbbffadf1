// Pieces of the array's work on a batch of groups: tiles to plans, activations to rows, rows
// against plans. For bce_array.c alone, which owns the memory, cuts the work and tells the time.
//
// A piece writes only what is its own and its worker's counters, so that pieces of a kind may run
// in any order on any thread. Tiles and kept rows are there before pieces are computed.
#ifndef BITLET_BCE_WORK_H
#define BITLET_BCE_WORK_H

#include "bce_array.h"

// Activations of one group and block.
struct bce_operand {
    uint8_t *rows;
    enum bce_row *kind; // of fixed rows
    int32_t *words;     // of rows, interleaved for the datapath fast
    struct bce_float_block *block;
};

struct bce_tile_counts {
    uint64_t macs, tiles, idle;
    uint64_t first_uses, first_use_d; // of tiles
};

struct bce_worker {
    struct bce_lane_counter lanes;
    uint64_t lane_cycles[BCE_LANES];
    // Of plans, for every position alike; lanes and D of fixed ones.
    uint64_t tile_selections[BCE_LANES], tile_cycles[BCE_LANES];
    struct bce_tile_counts counts;
    bool range;
    const char *bad_map;
    struct bce_operand own, in; // where a piece builds its rows; those it works on
    bool have_sum;
    // Plans it works on, of group g of the batch and PE pe at [(g - group0) * stride + pe - pe0]:
    // the batch's, or those of its slice.
    struct bce_plan **plan;
    uint8_t *plan_mem;
    int stride, group0, pe0;
    // What is above begins with zeros, and so do these up to the largest D there can be.
    // Neighbouring positions count in two places, so that they need not wait for each other.
    uint64_t d_hist[2][SIM_MAX_D + 1], tile_d_hist[SIM_MAX_D + 1];
    struct bce_float_out out;
    int64_t sum[BCE_BLOCK_I8]; // of the group's activations, per position
};

struct bce_array {
    const struct bce_op *op;
    struct thread_pool *pool;
    const struct bce_kernels *kernels;
    struct bce_worker *worker;
    int num_workers;
    enum bce_row kind; // of the rows that are built
    int32_t amax;
    int64_t groups, positions;
    int block, blocks, slices;
    bool serial;
    struct bce_rows *rows; // of the instruction; NULL: each piece builds its own
    int row_pieces;        // to be built beside the tiles of the batch
    bool joined;           // a piece is a slice of PEs: it decodes its tiles itself
    int joined_groups;     // so many groups at a time
    int beside;            // pieces of other work that are still to be done
    int pieces;            // of the job at hand, of its own work
    void (*body)(void *user, int piece, int worker);
    // the batch
    int64_t first_group;
    int batch, batch_max;
    size_t plan_bytes;
    struct bce_tile *tile; // [batch][PE], datapath rtl
    uint16_t *d;           // [batch][PE][position]; fixed on datapath vector: [PE][batch_max]
    bool *first_use;       // [batch][PE], fixed point
    int64_t *time_work;
};

#define BCE_DECODE_TILES 16 // a piece of decoding

static inline struct bce_plan **bce_work_plan(const struct bce_worker *w, int group, int pe)
{
    return &w->plan[(ptrdiff_t)(group - w->group0) * w->stride + pe - w->pe0];
}

// Operands of a group and block: the bytes they take, and their parts in 64-byte aligned memory.
size_t bce_work_operand_bytes(const struct bce_op *op);
// What of it is kept: all, or of whole weights' operands the interleaved rows alone.
size_t bce_work_kept_bytes(const struct bce_op *op);
struct bce_operand bce_work_operand(const struct bce_op *op, uint8_t *mem);
// K indices of a group; fewer than N in the last one.
int bce_work_rows(const struct bce_array *m, int64_t group);
// The batch's tiles in memory.
const uint8_t *bce_work_tile(const struct bce_array *m, int index);

// Bodies of thread_pool_run(); `user` is the struct bce_array.
// Pieces 0 .. row_pieces - 1 build kept rows, those behind decode BCE_DECODE_TILES tiles each.
void bce_work_prepare(void *user, int piece, int worker);
// Piece slice * blocks + block.
void bce_work_compute(void *user, int piece, int worker);
// All of a slice, some groups at a time, their tiles decoded first.
void bce_work_joined(void *user, int slice, int worker);

#endif

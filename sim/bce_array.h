// The array: all groups of an instruction over all positions and PEs, on either datapath, with its
// time and statistics.
//
// Groups are taken in order, for every partial sum alike, so that sums of floats do not depend on
// how the work is cut. Memory comes from the caller, bce_array_bytes() of it; counters are merged
// by addition.
#ifndef BITLET_BCE_ARRAY_H
#define BITLET_BCE_ARRAY_H

#include "bce_agu.h"

// Time of the array: a step is one position of one group on all PEs; it takes overhead + the
// largest D, and at least as long as its activations take to enter.
struct bce_timing {
    int overhead;
    int once;            // added once an instruction
    int fifo;            // steps a PE may run behind the fastest
    int beat;            // activations that enter in a cycle; 0: the overhead covers their entry
    int least;           // cycles that a group's activations take to enter
    int64_t weight_load; // cycles to bring one group's tiles to the PEs
};
// Cycles of an instruction: of them the first `load` bring tiles into the PEs, and during the last
// `tail` the second set of their registers is free.
struct bce_time {
    int64_t cycles, load, tail;
};
// D of (pe, p) at d[pe * pe_stride + p * pos_stride]. Gives the cycles of one group's steps;
// *step_sum: sum over steps of the largest D. work: num_pe + fifo entries, unused without a FIFO.
int64_t bce_group_time(const struct bce_timing *t, const uint16_t *d, int num_pe, int64_t positions,
                       int64_t pe_stride, int64_t pos_stride, int64_t *work, uint64_t *step_sum);

// Cycles that the activations of a group of so many rows take to enter.
int bce_least_cycles(const struct bce_timing *t, int rows);
void bce_time_begin(const struct bce_timing *t, struct bce_time *time);
// One group more, whose steps take `busy`, while the tiles of the next one come if there is one.
// Gives the cycles that the array waits for those.
int64_t bce_time_add(const struct bce_timing *t, int64_t busy, bool last, struct bce_time *time);

// Activations of a whole instruction as the kernels read them. They stay for the next instruction:
// the caller clears `filled` when what they were read from may have changed. Memory is the
// caller's, 64-byte aligned; an instruction that needs more builds its rows piece by piece.
struct bce_rows {
    uint8_t *mem;
    size_t bytes;
    bool filled;
    struct bce_agu agu;
    struct bce_config cfg;
};

struct bce_op {
    struct bce_config cfg; // regs > 0: the tiles have lane maps
    uint32_t ext;          // extensions that lane maps may use
    struct bce_timing timing;
    const struct bce_tables *tables;
    const struct bce_agu *agu;
    struct bce_rows *rows; // NULL: none are kept
    int lanes;             // in the tiles
    int npe, pes;
    const uint8_t *tiles; // [group][PE]
    size_t tile_bytes;
    uint64_t *psum; // [PE][position]
    bool acc;
    bool literal; // datapath rtl
    // Which of `num` tiles count for statistics about weights (NULL: every one does).
    void (*first_use)(void *user, const uint8_t *tile, size_t bytes, int num, bool *first);
    void *first_use_user;
    // Pieces of other work, which are done beside the instruction's.
    int beside;
    void (*beside_body)(void *user, int piece, int worker);
    void *beside_user;
};
int64_t bce_op_groups(const struct bce_op *op);
size_t bce_array_bytes(const struct bce_op *op, int workers);
// mem: 64-byte aligned. Statistics are added to *stats. Gives what is wrong with an activation or a
// lane map.
enum bce_fault {
    BCE_FAULT_NONE,
    BCE_FAULT_RANGE, // an activation does not fit 25 bits
    BCE_FAULT_MAP    // *what says why
};
enum bce_fault bce_array_run(const struct bce_op *op, struct thread_pool *pool, void *mem,
                             struct sim_layer_stats *stats, struct bce_time *time,
                             const char **what);

#endif

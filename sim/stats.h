// What a run counted, per layer and in total. Plain data; written by the execution units, read by
// the report writers.
#ifndef BITLET_SIM_STATS_H
#define BITLET_SIM_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "isa.h"

#define SIM_MAX_GROUP 256
#define SIM_MAX_D (SIM_MAX_GROUP + 1) // inverted lanes begin with a cycle for the group's sum
#define SIM_MAX_LANES 24
#define SIM_MODES 3

// Why an instruction could not start when its unit or the scalar core first could have: one row,
// one reason.
enum sim_stall {
    SIM_STALL_NONE,
    SIM_STALL_ISSUE,
    SIM_STALL_WEIGHTS,
    SIM_STALL_ACTIVATIONS,
    SIM_STALL_ARRAY,
    SIM_STALL_PACK,
    SIM_STALL_VECTOR,
    SIM_STALL_PREPROCESS,
    SIM_STALL_HOST,
    SIM_STALL_NUM
};
extern const char *const sim_stall_name[SIM_STALL_NUM];

// PE cycles of one mode at one number of lanes: what the energy model counts.
struct sim_mode_stats {
    uint64_t array_cycles; // array busy, times the PEs that hold weights
    uint64_t walk_cycles;  // PEs distilling
};

struct sim_layer_stats {
    uint64_t instructions;
    int64_t first_cycle, last_cycle; // on the timeline, of the units other than the scalar core;
                                     // meaningful when last_cycle > 0
    int64_t busy[ISA_UNIT_NUM];      // cycles
    int64_t stall[ISA_UNIT_NUM][SIM_STALL_NUM];
    int64_t dram_read, dram_write, buffer_read, buffer_write; // bytes
    uint64_t macs;       // on the BCE array: valid weights x positions
    uint64_t vector_ops; // elements processed by the vector unit
    uint64_t host_calls;
    // BCE: a step is one position of one group on all PEs; a PE group is one position of one group
    // on one PE.
    uint64_t steps, pe_groups;
    uint64_t step_cycles; // sum over steps of max D over PEs (without overhead)
    uint64_t overhead_cycles, weight_load_cycles; // array cycles spent in fixed overhead, and
                                                  // waiting for stationary weights
    uint64_t d_sum;                               // sum over PE groups of D
    uint64_t tile_d_sum,
        tile_count; // each stationary (group, PE) once, fixed point: mean D of what PEs held
    uint64_t d_hist[SIM_MAX_D + 1];          // PE groups by D
    uint64_t lane_selections[SIM_MAX_LANES]; // essential bits selected, per lane
    uint64_t lane_cycles[SIM_MAX_LANES]; // cycles the lane walked (fixed: per PE group; float: not
                                         // kept, 0)
    uint64_t idle_pe_steps;              // steps x PEs without weights
    struct sim_mode_stats mode[SIM_MODES]
                              [SIM_MAX_LANES + 1]; // by mode and lanes; kept by the run loop
};

struct sim_stats {
    struct sim_layer_stats total;
    struct sim_layer_stats *layers; // img->num_layers + 1; the last: instructions of no layer
    size_t num_layers;
    int64_t cycles; // end of the timeline
};

// Adds up the layers into total; the run loop's last act.
void sim_stats_finish(struct sim_stats *st);

#endif

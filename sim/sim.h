// The simulator as a library: loads an image, runs it, gives back outputs and statistics. Depends
// on isa and base only.
#ifndef BITLET_SIM_H
#define BITLET_SIM_H

#include "image.h"

enum sim_datapath { SIM_DATAPATH_RTL, SIM_DATAPATH_VECTOR, SIM_DATAPATH_FAST };
enum sim_timing { SIM_TIMING_MICRO21, SIM_TIMING_RTL, SIM_TIMING_IDEAL, SIM_TIMING_PIPELINED };

struct sim_options {
    enum sim_datapath datapath; // default SIM_DATAPATH_VECTOR (set by sim_options_default)
    enum sim_timing timing;
    bool no_distill;    // every lane walks all N positions
    bool compat_rtl;    // the RTL's own quirks
    bool predict;       // no values are made, see predict.h
    bool bound_lanes;   // nobody reads lane_cycles: lanes that cannot be the slowest are not walked
    bool uncounted;     // nobody reads lane_selections or tile_count: they may be left out
    int threads;        // 0: as many as there are processors
    int64_t max_cycles; // 0: no bound
    FILE *commit_log;   // NULL: none
    void (*progress)(void *user, uint64_t pc, uint64_t text_bytes); // may be NULL
    void *progress_user;
};
void sim_options_default(struct sim_options *o);

enum sim_fault_kind {
#define SIM_FAULT(ENUM, id, doc) SIM_FAULT_##ENUM,
#include "fault.def"
    SIM_FAULT_NUM
};
struct sim_fault {
    enum sim_fault_kind kind; // SIM_FAULT_NONE: fine
    uint64_t pc, addr;
    char detail[256];
};
extern const char *const sim_fault_name[SIM_FAULT_NUM];

struct sim;
struct sim_stats;
// The image stays the caller's and must outlive the simulator.
BITLET_MUST_USE struct sim *sim_create(const struct image *img, const struct sim_options *o,
                                       struct arena *a, struct diag *d);
void sim_destroy(struct sim *s);
// The text that --datapath and --timing take: "vector", "micro21".
extern const char *const sim_datapath_name[SIM_DATAPATH_FAST + 1];
extern const char *const sim_timing_name[SIM_TIMING_PIPELINED + 1];
// Copies a tensor of the input's type and shape into the machine.
BITLET_MUST_USE bool sim_set_input(struct sim *s, size_t index, const struct tensor *t,
                                   struct diag *d);
// Runs to halt. False: a fault, reported through d with pc, address, instruction and layer.
BITLET_MUST_USE bool sim_run(struct sim *s, struct diag *d);
// A copy of the output as the machine holds it now. NULL: it lies outside the machine's memory.
struct tensor *sim_get_output(struct sim *s, size_t index, struct arena *a);
// What a run of the image takes on its machine, without the values of its inputs; lanes must lie in
// one array. False: the program is at fault, reported.
BITLET_MUST_USE bool sim_predict(const struct image *img, enum sim_timing timing, struct arena *a,
                                 struct image_prediction *out, struct diag *d);
const struct sim_stats *sim_stats(const struct sim *s);
const struct sim_fault *sim_last_fault(const struct sim *s);

#endif

// Parts of bitlet-isa-sim: command line, tensors from and to files, comparison. Only the tool links
// them.
#ifndef BITLET_SIM_TOOL_H
#define BITLET_SIM_TOOL_H

#include "sim.h"

struct path_list {
    char **paths;
    int num;
};

struct tool_args {
    const char *model;
    struct path_list inputs, expect, replay;
    const char *outputs, *stats, *commit_log; // NULL: not asked for; commit_log "-": stderr
    double rtol, atol;
    uint64_t seed;
    bool time, verbose, quiet, help, version;
    struct sim_options sim;
};

// argv outlives the result. False: a usage mistake, reported (exit status 2).
BITLET_MUST_USE bool tool_parse_args(int argc, char **argv, struct tool_args *out, struct arena *a,
                                     struct diag *d);
void tool_print_help(FILE *f);

// Finds a tensor for each of `num` slots of the image: in a folder (PREFIX_K.pb, .npy, or the
// slot's name), in an .npz by name, or as files in order. A slot nothing is found for stays NULL
// and is reported. False: something was reported.
BITLET_MUST_USE bool tool_find_tensors(const struct path_list *from, const char *prefix,
                                       const struct image_io *slots, size_t num,
                                       struct tensor **out, struct arena *a, struct diag *d);
// Fills the machine's inputs from `from`, or with seeded random numbers when that is empty (a
// warning says so).
BITLET_MUST_USE bool tool_set_inputs(struct sim *s, const struct image *img,
                                     const struct path_list *from, uint64_t seed, struct arena *a,
                                     struct diag *d);

BITLET_MUST_USE bool tool_write_outputs(const char *dir, struct tensor *const *outputs, size_t num,
                                        struct arena *a, struct diag *d);
// Name, type, range and mean of each; the five largest of what looks like a classifier's scores.
void tool_print_outputs(struct tensor *const *outputs, size_t num, FILE *f);

// |a - b| <= atol + rtol * |b| for each element; NaN equals NaN. A line for each output goes to
// `summary` (NULL: none). False: they differ or cannot be compared, reported.
BITLET_MUST_USE bool tool_compare(struct tensor *const *outputs, struct tensor *const *expected,
                                  size_t num, double rtol, double atol, FILE *summary,
                                  struct diag *d);

#endif

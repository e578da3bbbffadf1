// Reports on a run, as text and as JSON, and the figures derived for them.
#ifndef BITLET_SIM_STATS_REPORT_H
#define BITLET_SIM_STATS_REPORT_H

#include "machine.h"
#include "sim.h"
#include "stats.h"

double stats_d_mean(const struct sim_layer_stats *l); // distillation cycles of a PE group
double
stats_tile_d_mean(const struct sim_layer_stats *l); // of a stationary (group, PE), fixed point
// The operand that the PEs held: "weights" that the compiler packed, or "activations", packed at
// run time, as are weights that are computed; "both".
const char *stats_distilled(const struct sim_layer_stats *l);
double stats_lane_occupancy(
    const struct sim_layer_stats *l); // essential bits selected / cycles of the lanes in use
double
stats_pe_occupancy(const struct sim_layer_stats *l); // PEs with weights / PEs, over the steps
double stats_cycles_per_64(const struct machine *m, int64_t cycles,
                           uint64_t macs); // cycles a PE takes for 64 MACs
int64_t
stats_span(const struct sim_layer_stats *l); // from the first to the last cycle on the timeline
// The roofline of a layer: the unit that is busy longest, so that the layer cannot take fewer
// cycles however the others overlap; ISA_UNIT_NUM: none worked. Host calls hold the core and count,
// too.
enum isa_unit stats_bound(const struct sim_layer_stats *l);
int64_t stats_stalled(const struct sim_layer_stats *l, enum isa_unit u);

// Of a layer, predicted; differences are simulated - predicted.
struct stats_predicted {
    int64_t cycles, array, difference, array_difference;
    uint32_t effects;
};
// Whether the binary says what this run should take, by the same rules.
bool stats_has_prediction(const struct sim *s);
void stats_compare_layer(const struct sim *s, size_t i, struct stats_predicted *out);
// Effects of all layers; *differ: how many are not as predicted.
uint32_t stats_compare(const struct sim *s, size_t *differ);
void stats_print_prediction(const struct sim *s, FILE *f);       // a line
void stats_print_predicted_layers(const struct sim *s, FILE *f); // a row a layer

// Cycles, time, MACs, units with their stalls, bytes, energy of the whole run.
void stats_print_totals(const struct sim *s, FILE *f);
// One row a layer that ran, and a legend.
void stats_print_layers(const struct sim *s, FILE *f);
BITLET_MUST_USE bool stats_write_json(const struct sim *s, const char *path, struct diag *d);

#endif

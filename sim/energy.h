// Energy of a run from what it counted: module powers of the paper, bytes times the machine's pJ a
// byte.
//
// Accounted: the PEs and the bytes moved. Not accounted, because the paper gives no figure: the
// vector unit, the scalar core, host calls, leakage of an idle array.
#ifndef BITLET_SIM_ENERGY_H
#define BITLET_SIM_ENERGY_H

#include "machine.h"
#include "stats.h"

enum energy_part {
    ENERGY_PREPROCESS,
    ENERGY_WIRES,
    ENERGY_REGISTERS,
    ENERGY_ADDERS,
    ENERGY_POSTPROCESS, // modules of a PE
    ENERGY_DRAM,
    ENERGY_BUFFERS,
    ENERGY_NUM
};
extern const char *const energy_part_name[ENERGY_NUM];

struct energy {
    double pj[ENERGY_NUM], total_pj;
};
void energy_of(const struct machine *m, const struct sim_layer_stats *l, struct energy *out);

#endif

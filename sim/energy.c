// The paper gives the power of 32 PEs at 1 GHz by module, for fp32 (24 lanes), 16 and 8 bits: 1 mW
// there is 1 pJ a cycle of the 32. Preprocessing and postprocessing run while the array is busy;
// the modules that have one slice a lane run while a PE walks, and lanes that the precision does
// not use are off: between the published points the power of these is taken as linear in the number
// of bits, which the points themselves are within 4 per cent of.
#include "energy.h"

#include <string.h>

enum { COL_FP32, COL_16, COL_8, COL_NUM };
#define PAPER_PES 32.0
#define LANE_MODULE_FIRST ENERGY_WIRES
#define LANE_MODULE_LAST ENERGY_ADDERS

// clang-format off
const char *const energy_part_name[ENERGY_NUM] = {
    [ENERGY_PREPROCESS] = "preprocessing", [ENERGY_WIRES] = "wires", [ENERGY_REGISTERS] = "registers",
    [ENERGY_ADDERS] = "adders", [ENERGY_POSTPROCESS] = "postprocessing",
    [ENERGY_DRAM] = "dram", [ENERGY_BUFFERS] = "buffers",
};

static const double module_mw[2][ENERGY_POSTPROCESS + 1][COL_NUM] = {
    //                          fp32     16 bits   8 bits
    { // 28 nm, Table 9
        [ENERGY_PREPROCESS]  = {356.8,   296.598, 296.598},
        [ENERGY_WIRES]       = { 63.857,  40.28,   20.651},
        [ENERGY_REGISTERS]   = { 27.37,   20.28,   10.128},
        [ENERGY_ADDERS]      = {107.424,  71.616,  35.808},
        [ENERGY_POSTPROCESS] = { 14.88,    2.304,   2.304},
    },
    { // 65 nm, Table 10
        [ENERGY_PREPROCESS]  = {1208.5, 1000.8, 1000.8},
        [ENERGY_WIRES]       = { 164.1,  111.4,   55.7},
        [ENERGY_REGISTERS]   = { 112.1,   74.8,   37.4},
        [ENERGY_ADDERS]      = { 293.3,  195.5,   97.8},
        [ENERGY_POSTPROCESS] = {  48.5,    7.4,    7.4},
    },
};
// clang-format on

// Power at so many bits: through 0, 8, 16 and 24 bits (fp32).
static double at_bits(const double *col, double bits)
{
    if (bits <= 8)
        return col[COL_8] * bits / 8;
    if (bits <= 16)
        return col[COL_8] + (col[COL_16] - col[COL_8]) * (bits - 8) / 8;
    return col[COL_16] + (col[COL_FP32] - col[COL_16]) * (bits - 16) / 8;
}

static void add_mode(const double mw[][COL_NUM], int mode, int lanes,
                     const struct sim_mode_stats *n, struct energy *e)
{
    bool is_float = mode != ISA_MODE_fixed;
    double bits = is_float || lanes == 1 || lanes == 24
                      ? lanes
                      : lanes + 1; // the sign is a bit of the precision
    double busy = (double)n->array_cycles / PAPER_PES, walk = (double)n->walk_cycles / PAPER_PES;
    e->pj[ENERGY_PREPROCESS] += busy * mw[ENERGY_PREPROCESS][is_float ? COL_FP32 : COL_16];
    e->pj[ENERGY_POSTPROCESS] += busy * mw[ENERGY_POSTPROCESS][is_float ? COL_FP32 : COL_16];
    for (int part = LANE_MODULE_FIRST; part <= LANE_MODULE_LAST; part++)
        e->pj[part] += walk * at_bits(mw[part], bits);
}

void energy_of(const struct machine *m, const struct sim_layer_stats *l, struct energy *out)
{
    memset(out, 0, sizeof *out);
    const double(*mw)[COL_NUM] = module_mw[m->node_nm > 28];
    for (int mode = 0; mode < SIM_MODES; mode++)
        for (int lanes = 1; lanes <= SIM_MAX_LANES; lanes++)
            add_mode(mw, mode, lanes, &l->mode[mode][lanes], out);
    out->pj[ENERGY_DRAM] = m->dram_pj_byte * (double)(l->dram_read + l->dram_write);
    out->pj[ENERGY_BUFFERS] = m->sram_pj_byte * (double)(l->buffer_read + l->buffer_write);
    for (int part = 0; part < ENERGY_NUM; part++)
        out->total_pj += out->pj[part];
}

// Sums and derived figures of what a run counted.
#include "stats.h"

#include "stats_report.h"

// clang-format off
const char *const sim_stall_name[SIM_STALL_NUM] = {
    [SIM_STALL_NONE] = "none",     [SIM_STALL_ISSUE] = "issue",           [SIM_STALL_WEIGHTS] = "weights",
    [SIM_STALL_ACTIVATIONS] = "activations", [SIM_STALL_ARRAY] = "array", [SIM_STALL_PACK] = "pack",
    [SIM_STALL_VECTOR] = "vector", [SIM_STALL_PREPROCESS] = "preprocess", [SIM_STALL_HOST] = "host",
};
// clang-format on

static void add_counts(struct sim_layer_stats *t, const struct sim_layer_stats *l)
{
    t->instructions += l->instructions;
    t->dram_read += l->dram_read;
    t->dram_write += l->dram_write;
    t->buffer_read += l->buffer_read;
    t->buffer_write += l->buffer_write;
    t->macs += l->macs;
    t->vector_ops += l->vector_ops;
    t->host_calls += l->host_calls;
    t->steps += l->steps;
    t->pe_groups += l->pe_groups;
    t->step_cycles += l->step_cycles;
    t->overhead_cycles += l->overhead_cycles;
    t->weight_load_cycles += l->weight_load_cycles;
    t->d_sum += l->d_sum;
    t->tile_d_sum += l->tile_d_sum;
    t->tile_count += l->tile_count;
    t->idle_pe_steps += l->idle_pe_steps;
}

static void add_tables(struct sim_layer_stats *t, const struct sim_layer_stats *l)
{
    for (int u = 0; u < ISA_UNIT_NUM; u++) {
        t->busy[u] += l->busy[u];
        for (int r = 0; r < SIM_STALL_NUM; r++)
            t->stall[u][r] += l->stall[u][r];
    }
    for (int d = 0; d <= SIM_MAX_D; d++)
        t->d_hist[d] += l->d_hist[d];
    for (int b = 0; b < SIM_MAX_LANES; b++) {
        t->lane_selections[b] += l->lane_selections[b];
        t->lane_cycles[b] += l->lane_cycles[b];
    }
    for (int m = 0; m < SIM_MODES; m++)
        for (int b = 0; b <= SIM_MAX_LANES; b++) {
            t->mode[m][b].array_cycles += l->mode[m][b].array_cycles;
            t->mode[m][b].walk_cycles += l->mode[m][b].walk_cycles;
        }
}

void sim_stats_finish(struct sim_stats *st)
{
    st->total = (struct sim_layer_stats){0};
    for (size_t i = 0; i < st->num_layers; i++) {
        const struct sim_layer_stats *l = &st->layers[i];
        if (l->instructions == 0)
            continue;
        add_counts(&st->total, l);
        add_tables(&st->total, l);
        if (l->last_cycle > st->total.last_cycle)
            st->total.last_cycle = l->last_cycle;
    }
}

// ---- Derived figures
// ---------------------------------------------------------------------------------

double stats_d_mean(const struct sim_layer_stats *l)
{
    return l->pe_groups ? (double)l->d_sum / (double)l->pe_groups : 0;
}

double stats_tile_d_mean(const struct sim_layer_stats *l)
{
    return l->tile_count ? (double)l->tile_d_sum / (double)l->tile_count : 0;
}

double stats_lane_occupancy(const struct sim_layer_stats *l)
{
    double walked = 0, selected = 0;
    for (int m = 0; m < SIM_MODES; m++)
        for (int b = 1; b <= SIM_MAX_LANES; b++)
            walked += (double)l->mode[m][b].walk_cycles * b;
    for (int b = 0; b < SIM_MAX_LANES; b++)
        selected += (double)l->lane_selections[b];
    return walked > 0 ? selected / walked : 0;
}

double stats_pe_occupancy(const struct sim_layer_stats *l)
{
    double all = (double)l->pe_groups + (double)l->idle_pe_steps;
    return all > 0 ? (double)l->pe_groups / all : 0;
}

double stats_cycles_per_64(const struct machine *m, int64_t cycles, uint64_t macs)
{
    return macs ? (double)cycles * (double)m->pes * 64.0 / (double)macs : 0;
}

int64_t stats_span(const struct sim_layer_stats *l)
{
    return l->last_cycle > 0 ? l->last_cycle - l->first_cycle : 0;
}

enum isa_unit stats_bound(const struct sim_layer_stats *l)
{
    enum isa_unit best = ISA_UNIT_NUM;
    for (int u = 0; u < ISA_UNIT_NUM; u++)
        if (u != ISA_UNIT_CTRL && l->busy[u] > (best == ISA_UNIT_NUM ? 0 : l->busy[best]))
            best = (enum isa_unit)u;
    return best;
}

const char *stats_distilled(const struct sim_layer_stats *l)
{
    if (l->busy[ISA_UNIT_PRE] == 0)
        return "weights";
    return l->busy[ISA_UNIT_DMAW] == 0 ? "activations" : "both";
}

int64_t stats_stalled(const struct sim_layer_stats *l, enum isa_unit u)
{
    int64_t sum = 0;
    for (int r = 0; r < SIM_STALL_NUM; r++)
        sum += l->stall[u][r];
    return sum;
}

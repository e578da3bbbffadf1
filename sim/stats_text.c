// The statistics for a reader.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "energy.h"
#include "state.h"
#include "stats_report.h"

// "1.23 M": three significant digits.
static const char *scaled(double v, char buf[24])
{
    static const char *const up[] = {"", " k", " M", " G", " T", " P", " E"};
    int i = 0;
    while (v >= 999.5 && i < 6) {
        v /= 1000;
        i++;
    }
    int digits = i == 0 && v == (double)(int64_t)v ? 0 : v < 9.995 ? 2 : v < 99.95 ? 1 : 0;
    snprintf(buf, 24, "%.*f%s", digits, v, up[i]);
    return buf;
}

static const char *bytes_text(int64_t bytes, char buf[32])
{
    char number[24];
    snprintf(buf, 32, "%s%sB", scaled((double)bytes, number), bytes < 1000 ? " " : "");
    return buf;
}

// Small quantities of a unit: seconds or joules.
static const char *small(double v, const char *unit, char buf[24])
{
    static const char *const down[] = {"", "m", "u", "n", "p"};
    int i = 0;
    while (v > 0 && v < 1 && i < 4) {
        v *= 1000;
        i++;
    }
    snprintf(buf, 24, "%.4g %s%s", v, down[i], unit);
    return buf;
}

static double percent(double part, double whole)
{
    return whole > 0 ? 100.0 * part / whole : 0;
}

// ---- Totals
// ------------------------------------------------------------------------------------------

static void print_unit(const struct sim_layer_stats *t, enum isa_unit u, int64_t cycles, FILE *f)
{
    fprintf(f, "  %-6s busy %5.1f %%", isa_unit_name[u],
            percent((double)t->busy[u], (double)cycles));
    const char *head = "   waiting for:";
    for (int r = 0; r < SIM_STALL_NUM; r++) {
        double share = percent((double)t->stall[u][r], (double)cycles);
        if (share < 0.05)
            continue;
        fprintf(f, "%s %s %.1f %%", head, sim_stall_name[r], share);
        head = ",";
    }
    fputc('\n', f);
}

static bool is_mac_op(const char *op_type)
{
    static const char *const names[] = {"Conv", "ConvTranspose", "Gemm", "MatMul"};
    for (size_t i = 0; op_type && i < sizeof names / sizeof *names; i++)
        if (strcmp(op_type, names[i]) == 0)
            return true;
    return false;
}

static int by_node(const void *a, const void *b)
{
    const struct image_layer *x = *(const struct image_layer *const *)a,
                             *y = *(const struct image_layer *const *)b;
    if (x->node_index != y->node_index)
        return x->node_index < y->node_index ? -1 : 1;
    return (x > y) - (x < y);
}

// Nodes that multiply and accumulate by their ONNX type and ran without the BCE: a defect of the
// compiler. The layers of a node need not stand together.
static size_t mac_nodes_elsewhere(const struct sim *s, const char **first)
{
    const struct image *img = s->img;
    struct arena *a = arena_create();
    const struct image_layer **layer =
        ARENA_ARRAY(a, img->num_layers + 1, const struct image_layer *);
    size_t found = 0;
    for (size_t i = 0; i < img->num_layers; i++)
        layer[i] = &img->layers[i];
    if (img->num_layers)
        qsort(layer, img->num_layers, sizeof(*layer), by_node);
    for (size_t i = 0; i < img->num_layers;) {
        const struct image_layer *node = layer[i];
        uint64_t macs = 0, other = 0;
        for (; i < img->num_layers && layer[i]->node_index == node->node_index; i++) {
            const struct sim_layer_stats *l = &s->stats.layers[layer[i] - img->layers];
            macs += l->macs;
            other += l->vector_ops + l->host_calls;
        }
        if (is_mac_op(node->op_type) && macs == 0 && other > 0 && found++ == 0)
            *first = node->node_name;
    }
    arena_destroy(a);
    return found;
}

static void print_macs(const struct sim *s, FILE *f)
{
    const struct sim_layer_stats *t = &s->stats.total;
    const char *first = NULL;
    size_t elsewhere = mac_nodes_elsewhere(s, &first);
    if (t->macs == 0 && elsewhere == 0)
        return;
    fprintf(f, "MACs           %" PRIu64 "; %s\n", t->macs,
            elsewhere ? "some nodes ran without the BCE array" : "100 % on the BCE array");
    if (elsewhere)
        fprintf(f,
                "               %zu Conv, Gemm or MatMul node(s) ran elsewhere, the first '%s'\n",
                elsewhere, first ? first : "");
    if (t->macs == 0)
        return;
    fprintf(f, "distillation   D mean %.2f", stats_d_mean(t));
    if (t->tile_count)
        fprintf(f, " (%.2f over tiles)", stats_tile_d_mean(t));
    fprintf(f, "; lanes in use occupied %.1f %%, PEs %.1f %%\n", 100 * stats_lane_occupancy(t),
            100 * stats_pe_occupancy(t));
    fprintf(f, "per 64 MACs    %.2f PE cycles of the array, %.2f of the whole run\n",
            stats_cycles_per_64(&s->machine, t->busy[ISA_UNIT_ARRAY], t->macs),
            stats_cycles_per_64(&s->machine, s->stats.cycles, t->macs));
}

static void print_energy(const struct sim *s, FILE *f)
{
    struct energy e;
    char buf[24];
    energy_of(&s->machine, &s->stats.total, &e);
    fprintf(f, "energy         %s (%" PRId64 " nm)", small(e.total_pj * 1e-12, "J", buf),
            s->machine.node_nm);
    const char *head = ":";
    for (int p = 0; p < ENERGY_NUM; p++) {
        double share = percent(e.pj[p], e.total_pj);
        if (share < 0.05)
            continue;
        fprintf(f, "%s %s %.1f %%", head, energy_part_name[p], share);
        head = ",";
    }
    fputc('\n', f);
}

void stats_print_totals(const struct sim *s, FILE *f)
{
    const struct sim_layer_stats *t = &s->stats.total;
    char a[32], b[32], c[32], d[32];
    fprintf(f,
            "machine        %s: %" PRId64 " PEs, N = %" PRId64
            ", %g GHz; datapath %s, timing %s%s%s\n",
            s->machine.name ? s->machine.name : "?", s->machine.pes, s->machine.group,
            s->machine.clock_ghz, sim_datapath_name[s->opt.datapath],
            sim_timing_name[s->opt.timing], s->opt.no_distill ? ", no distillation" : "",
            s->opt.compat_rtl ? ", compatible with the RTL" : "");
    fprintf(f, "cycles         %" PRId64 " (%s)\n", s->stats.cycles,
            small((double)s->stats.cycles / (s->machine.clock_ghz * 1e9), "s", a));
    if (stats_has_prediction(s))
        stats_print_prediction(s, f);
    print_macs(s, f);
    fprintf(f, "bytes          DRAM %s read, %s written; buffers %s read, %s written\n",
            bytes_text(t->dram_read, a), bytes_text(t->dram_write, b),
            bytes_text(t->buffer_read, c), bytes_text(t->buffer_write, d));
    print_energy(s, f);
    fprintf(f, "units\n");
    for (int u = 0; u < ISA_UNIT_NUM; u++)
        if (t->busy[u] > 0)
            print_unit(t, (enum isa_unit)u, s->stats.cycles, f);
}

// ---- Layers
// ------------------------------------------------------------------------------------------

// Of the array where the layer has it, else of the vector unit.
static void print_stalls(const struct sim_layer_stats *l, FILE *f)
{
    enum isa_unit u = l->busy[ISA_UNIT_ARRAY] > 0 ? ISA_UNIT_ARRAY : ISA_UNIT_VEC;
    const char *head = "";
    for (int r = 0; r < SIM_STALL_NUM; r++) {
        if (l->stall[u][r] == 0)
            continue;
        fprintf(f, "%s%s %" PRId64, head, sim_stall_name[r], l->stall[u][r]);
        head = ", ";
    }
    if (!head[0])
        fputc('-', f);
}

static void print_layer(const struct sim *s, const char *name, const char *node, const char *op,
                        const struct sim_layer_stats *l, FILE *f)
{
    char macs[24], read[24], written[24];
    fprintf(f, "%-24.24s %-13.13s %-20.20s %8s %10" PRId64 " %10" PRId64, name, op, node,
            scaled((double)l->macs, macs), stats_span(l), l->busy[ISA_UNIT_ARRAY]);
    if (l->macs)
        fprintf(f, " %.1s %6.2f %7.2f %6.1f", stats_distilled(l), stats_d_mean(l),
                stats_cycles_per_64(&s->machine, l->busy[ISA_UNIT_ARRAY], l->macs),
                100 * stats_lane_occupancy(l));
    else
        fprintf(f, " - %6s %7s %6s", "-", "-", "-");
    enum isa_unit bound = stats_bound(l);
    fprintf(f, " %10" PRId64 " %10" PRId64 " %10" PRId64 " %-5s %8s %8s  ", l->busy[ISA_UNIT_VEC],
            l->busy[ISA_UNIT_DMAW], l->busy[ISA_UNIT_DMAA],
            bound == ISA_UNIT_NUM ? "-" : isa_unit_name[bound], scaled((double)l->dram_read, read),
            scaled((double)l->dram_write, written));
    print_stalls(l, f);
    fputc('\n', f);
}

void stats_print_layers(const struct sim *s, FILE *f)
{
    fprintf(f, "%-24s %-13s %-20s %8s %10s %10s d %6s %7s %6s %10s %10s %10s %-5s %8s %8s  %s\n",
            "layer", "ONNX op", "ONNX node", "MACs", "cycles", "array", "D mean", "per 64",
            "lanes%", "vector", "weight DMA", "act. DMA", "bound", "read B", "writ. B", "waits");
    for (size_t i = 0; i < s->stats.num_layers; i++) {
        const struct sim_layer_stats *l = &s->stats.layers[i];
        if (l->last_cycle == 0)
            continue;
        if (i + 1 == s->stats.num_layers) {
            print_layer(s, "(no layer)", "", "", l, f);
            continue;
        }
        const struct image_layer *m = &s->img->layers[i];
        print_layer(s, m->ir_value ? m->ir_value : "", m->node_name ? m->node_name : "",
                    m->op_type ? m->op_type : "", l, f);
    }
    fprintf(f, "cycles: from the layer's first to its last, layers overlap. array, vector, weight "
               "DMA, act. DMA: cycles\n"
               "busy; bound: the unit that is busy longest, below which no overlap brings the "
               "layer. per 64: cycles a PE\n"
               "takes for 64 MACs, array time only. lanes%%: essential bits selected in the cycles "
               "of the lanes in use.\n"
               "d: whose bits are distilled, w weights, a activations, which are packed at run "
               "time, b both.\n"
               "read, writ.: bytes of DRAM. waits: cycles the array (else the vector unit) waited, "
               "and for what.\n");
    if (stats_has_prediction(s))
        stats_print_predicted_layers(s, f);
}

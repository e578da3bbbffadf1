// The statistics for a program. Keys are stable; a new one may come, none changes its meaning.
#include <jansson.h>
#include <string.h>

#include "energy.h"
#include "state.h"
#include "stats_report.h"

static void put_int(json_t *o, const char *key, uint64_t v)
{
    json_object_set_new(o, key, json_integer((json_int_t)v));
}

static void put_real(json_t *o, const char *key, double v)
{
    json_object_set_new(o, key, json_real(v));
}

// A name from a file may be no UTF-8, which JSON text must be.
static void put_text(json_t *o, const char *key, const char *v)
{
    json_t *text = json_string(v ? v : "");
    json_object_set_new(o, key, text ? text : json_string("?"));
}

static json_t *int_array(const uint64_t *v, int num)
{
    json_t *a = json_array();
    for (int i = 0; i < num; i++)
        json_array_append_new(a, json_integer((json_int_t)v[i]));
    return a;
}

static json_t *unit_json(const struct sim_layer_stats *l, enum isa_unit u)
{
    json_t *o = json_object(), *stalls = json_object();
    put_int(o, "busy", (uint64_t)l->busy[u]);
    put_int(o, "stalled", (uint64_t)stats_stalled(l, u));
    for (int r = 0; r < SIM_STALL_NUM; r++)
        if (l->stall[u][r] != 0)
            put_int(stalls, sim_stall_name[r], (uint64_t)l->stall[u][r]);
    json_object_set_new(o, "stalls", stalls);
    return o;
}

static json_t *bce_json(const struct sim *s, const struct sim_layer_stats *l)
{
    json_t *o = json_object();
    put_text(o, "distilled", stats_distilled(l));
    put_int(o, "steps", l->steps);
    put_int(o, "pe_groups", l->pe_groups);
    put_int(o, "idle_pe_steps", l->idle_pe_steps);
    put_int(o, "step_cycles", l->step_cycles);
    put_int(o, "overhead_cycles", l->overhead_cycles);
    put_int(o, "weight_load_cycles", l->weight_load_cycles);
    put_int(o, "d_sum", l->d_sum);
    put_real(o, "d_mean", stats_d_mean(l));
    put_int(o, "tiles", l->tile_count);
    put_int(o, "tile_d_sum", l->tile_d_sum);
    put_real(o, "tile_d_mean", stats_tile_d_mean(l));
    put_real(o, "lane_occupancy", stats_lane_occupancy(l));
    put_real(o, "pe_occupancy", stats_pe_occupancy(l));
    put_real(o, "array_cycles_per_64_macs",
             stats_cycles_per_64(&s->machine, l->busy[ISA_UNIT_ARRAY], l->macs));
    int group = s->machine.group < SIM_MAX_GROUP ? (int)s->machine.group : SIM_MAX_GROUP;
    int inverts = (s->machine.ext & MACHINE_EXT_B) != 0;
    json_object_set_new(o, "d_histogram", int_array(l->d_hist, group + 1 + inverts));
    json_object_set_new(o, "lane_selections", int_array(l->lane_selections, SIM_MAX_LANES));
    json_object_set_new(o, "lane_cycles", int_array(l->lane_cycles, SIM_MAX_LANES));
    return o;
}

static json_t *bytes_json(const struct sim_layer_stats *l)
{
    json_t *o = json_object();
    put_int(o, "dram_read", (uint64_t)l->dram_read);
    put_int(o, "dram_write", (uint64_t)l->dram_write);
    put_int(o, "buffer_read", (uint64_t)l->buffer_read);
    put_int(o, "buffer_write", (uint64_t)l->buffer_write);
    return o;
}

static json_t *energy_json(const struct sim *s, const struct sim_layer_stats *l)
{
    json_t *o = json_object();
    struct energy e;
    energy_of(&s->machine, l, &e);
    put_real(o, "total", e.total_pj);
    for (int p = 0; p < ENERGY_NUM; p++)
        put_real(o, energy_part_name[p], e.pj[p]);
    return o;
}

static void put_counts(const struct sim *s, json_t *o, const struct sim_layer_stats *l)
{
    put_int(o, "instructions", l->instructions);
    put_int(o, "macs", l->macs);
    put_int(o, "vector_elements", l->vector_ops);
    put_int(o, "host_calls", l->host_calls);
    json_t *units = json_object();
    for (int u = 0; u < ISA_UNIT_NUM; u++)
        json_object_set_new(units, isa_unit_name[u], unit_json(l, (enum isa_unit)u));
    json_object_set_new(o, "units", units);
    json_object_set_new(o, "bytes", bytes_json(l));
    json_object_set_new(o, "energy_pj", energy_json(s, l));
    if (l->pe_groups)
        json_object_set_new(o, "bce", bce_json(s, l));
}

// The least cycles by each resource, and the one that decides.
static json_t *roofline_json(const struct sim_layer_stats *l)
{
    static const struct {
        const char *key;
        enum isa_unit unit;
    } roof[] = {{"array", ISA_UNIT_ARRAY},
                {"weight_dma", ISA_UNIT_DMAW},
                {"activation_dma", ISA_UNIT_DMAA},
                {"vector", ISA_UNIT_VEC},
                {"postprocessing", ISA_UNIT_PACK},
                {"preprocessing", ISA_UNIT_PRE},
                {"host", ISA_UNIT_HOST}};
    json_t *o = json_object();
    enum isa_unit bound = stats_bound(l);
    put_text(o, "bound", "none");
    for (size_t i = 0; i < sizeof roof / sizeof *roof; i++) {
        put_int(o, roof[i].key, (uint64_t)l->busy[roof[i].unit]);
        if (roof[i].unit == bound)
            put_text(o, "bound", roof[i].key);
    }
    return o;
}

static void put_effects(json_t *o, uint32_t effects)
{
    json_t *a = json_array();
    for (int e = 0; e < IMAGE_EFFECT_NUM; e++)
        if (effects >> e & 1)
            json_array_append_new(a, json_string(image_effect_text[e]));
    json_object_set_new(o, "effects", a);
}

static json_t *predicted_json(const struct sim *s, size_t i)
{
    json_t *o = json_object();
    struct stats_predicted p;
    stats_compare_layer(s, i, &p);
    put_int(o, "first_cycle", (uint64_t)s->img->time.layers[i].first);
    put_int(o, "last_cycle", (uint64_t)s->img->time.layers[i].last);
    put_int(o, "array", (uint64_t)p.array);
    put_int(o, "difference", (uint64_t)p.difference);
    put_int(o, "array_difference", (uint64_t)p.array_difference);
    put_effects(o, p.effects);
    return o;
}

static json_t *predicted_total_json(const struct sim *s)
{
    json_t *o = json_object();
    size_t differ;
    uint32_t effects = stats_compare(s, &differ);
    put_int(o, "cycles", (uint64_t)s->img->time.cycles);
    put_int(o, "difference", (uint64_t)(s->stats.cycles - s->img->time.cycles));
    put_int(o, "layers_that_differ", differ);
    put_effects(o, effects);
    return o;
}

static json_t *layer_json(const struct sim *s, size_t i)
{
    const struct sim_layer_stats *l = &s->stats.layers[i];
    json_t *o = json_object();
    if (i < s->img->num_layers) {
        const struct image_layer *m = &s->img->layers[i];
        put_text(o, "name", m->ir_value);
        put_text(o, "ir_op", m->ir_op);
        json_object_set_new(o, "node_index", json_integer(m->node_index));
        put_text(o, "node_name", m->node_name);
        put_text(o, "op_type", m->op_type);
    } else {
        put_text(o, "name", "");
    }
    put_int(o, "first_cycle", (uint64_t)l->first_cycle);
    put_int(o, "last_cycle", (uint64_t)l->last_cycle);
    json_object_set_new(o, "roofline", roofline_json(l));
    if (stats_has_prediction(s))
        json_object_set_new(o, "predicted", predicted_json(s, i));
    put_counts(s, o, l);
    return o;
}

static json_t *options_json(const struct sim *s)
{
    json_t *o = json_object();
    put_text(o, "datapath", sim_datapath_name[s->opt.datapath]);
    put_text(o, "timing", sim_timing_name[s->opt.timing]);
    json_object_set_new(o, "distill", json_boolean(!s->opt.no_distill));
    json_object_set_new(o, "compat_rtl", json_boolean(s->opt.compat_rtl));
    return o;
}

static json_t *total_json(const struct sim *s)
{
    json_t *o = json_object();
    const struct sim_stats *st = &s->stats;
    put_int(o, "cycles", (uint64_t)st->cycles);
    put_real(o, "seconds", (double)st->cycles / (s->machine.clock_ghz * 1e9));
    put_real(o, "cycles_per_64_macs", stats_cycles_per_64(&s->machine, st->cycles, st->total.macs));
    if (stats_has_prediction(s))
        json_object_set_new(o, "predicted", predicted_total_json(s));
    put_counts(s, o, &st->total);
    return o;
}

static json_t *stats_json(const struct sim *s)
{
    json_t *root = json_object(), *layers = json_array();
    struct arena *scratch = arena_create();
    put_int(root, "format", 1);
    json_object_set_new(root, "machine", json_loads(machine_json(&s->machine, scratch), 0, NULL));
    arena_destroy(scratch);
    json_object_set_new(root, "options", options_json(s));
    json_object_set_new(root, "total", total_json(s));
    for (size_t i = 0; i < s->stats.num_layers; i++)
        if (s->stats.layers[i].instructions > 0)
            json_array_append_new(layers, layer_json(s, i));
    json_object_set_new(root, "layers", layers);
    return root;
}

bool stats_write_json(const struct sim *s, const char *path, struct diag *d)
{
    struct arena *scratch = arena_create();
    bool ok = false;
    json_t *root = stats_json(s);
    struct io_out *o = io_create(path, scratch, d);
    if (o) {
        json_dumpf(root, io_file(o), JSON_INDENT(1) | JSON_REAL_PRECISION(15));
        fputc('\n', io_file(o));
        ok = io_commit(o, d);
    }
    json_decref(root);
    arena_destroy(scratch);
    return ok;
}

// The time that the compiler predicted, beside that of the run.
#include <inttypes.h>
#include <string.h>

#include "state.h"
#include "stats_report.h"

bool stats_has_prediction(const struct sim *s)
{
    const struct image_prediction *p = &s->img->time;
    return p->num_layers == s->stats.num_layers && !s->opt.no_distill && !s->opt.compat_rtl &&
           strcmp(p->timing, sim_timing_name[s->opt.timing]) == 0;
}

void stats_compare_layer(const struct sim *s, size_t i, struct stats_predicted *out)
{
    const struct image_time *t = &s->img->time.layers[i];
    const struct sim_layer_stats *l = &s->stats.layers[i];
    *out = (struct stats_predicted){
        .cycles = t->last - t->first, .array = t->array, .effects = t->effects};
    out->difference = stats_span(l) - out->cycles;
    out->array_difference = l->busy[ISA_UNIT_ARRAY] - t->array;
}

uint32_t stats_compare(const struct sim *s, size_t *differ)
{
    uint32_t effects = 0;
    *differ = 0;
    for (size_t i = 0; i < s->stats.num_layers; i++) {
        struct stats_predicted p;
        stats_compare_layer(s, i, &p);
        effects |= p.effects;
        *differ += p.difference != 0 || p.array_difference != 0;
    }
    return effects;
}

// What explains a difference: the layer's own effects, else those of others, which share its units.
static const char *reason(const struct stats_predicted *p, uint32_t all, struct arena *a)
{
    if (p->effects)
        return image_effects_text(p->effects, a);
    bool differs = p->difference != 0 || p->array_difference != 0;
    return !differs ? "-" : all ? "other layers" : "nothing known";
}

void stats_print_prediction(const struct sim *s, FILE *f)
{
    size_t differ;
    struct arena *a = arena_create();
    uint32_t effects = stats_compare(s, &differ);
    int64_t predicted = s->img->time.cycles, more = s->stats.cycles - predicted;
    fprintf(f, "predicted      %" PRId64 " cycles", predicted);
    if (more == 0 && differ == 0)
        fprintf(f, ", as simulated, and so in every layer\n");
    else
        fprintf(f, "; simulated %" PRId64 " %s, %zu layers differ: %s\n", more < 0 ? -more : more,
                more < 0 ? "fewer" : "more", differ,
                effects ? image_effects_text(effects, a) : "nothing known explains it");
    arena_destroy(a);
}

void stats_print_predicted_layers(const struct sim *s, FILE *f)
{
    size_t differ;
    struct arena *a = arena_create();
    uint32_t effects = stats_compare(s, &differ);
    fprintf(f, "%-24s %10s %10s %10s %10s %10s %10s  %s\n", "layer", "predicted", "simulated",
            "difference", "array", "simulated", "difference", "because of");
    for (size_t i = 0; i < s->stats.num_layers; i++) {
        const struct sim_layer_stats *l = &s->stats.layers[i];
        struct stats_predicted p;
        stats_compare_layer(s, i, &p);
        if (l->last_cycle == 0 && p.cycles == 0)
            continue;
        fprintf(f,
                "%-24.24s %10" PRId64 " %10" PRId64 " %10" PRId64 " %10" PRId64 " %10" PRId64
                " %10" PRId64 "  %s\n",
                i < s->img->num_layers ? s->img->layers[i].ir_value : "(no layer)", p.cycles,
                stats_span(l), p.difference, p.array, l->busy[ISA_UNIT_ARRAY], p.array_difference,
                reason(&p, effects, a));
    }
    arena_destroy(a);
}

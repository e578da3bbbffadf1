// What --predict prints.
#include <inttypes.h>
#include <stdio.h>

#include "bitletc_driver.h"

static void print_layer(const struct image_time *t, const char *value, const char *op,
                        const char *node, FILE *f, struct arena *a)
{
    const char *effects = image_effects_text(t->effects, a);
    fprintf(f, "%-24.24s %-13.13s %-20.20s %10" PRId64 " %10" PRId64 " %10" PRId64 "  %s\n", value,
            op, node, t->first, t->last - t->first, t->array, effects[0] ? effects : "-");
}

void driver_print_prediction(const struct image *img, FILE *f)
{
    const struct image_prediction *p = &img->time;
    struct arena *a = arena_create();
    uint32_t effects = 0;
    fprintf(f, "%-24s %-13s %-20s %10s %10s %10s  %s\n", "layer", "ONNX op", "ONNX node", "begins",
            "cycles", "array", "not known");
    for (size_t i = 0; i < p->num_layers; i++) {
        const struct image_layer *l = i < img->num_layers ? &img->layers[i] : NULL;
        effects |= p->layers[i].effects;
        if (p->layers[i].last > 0 || p->layers[i].effects)
            print_layer(&p->layers[i], l ? l->ir_value : "(no layer)", l ? l->op_type : "",
                        l ? l->node_name : "", f, a);
    }
    const char *unknown = image_effects_text(effects, a);
    fprintf(f, "predicted: %" PRId64 " cycles (timing %s)%s%s\n", p->cycles, p->timing,
            effects ? "; exact but for " : "", unknown);
    arena_destroy(a);
}

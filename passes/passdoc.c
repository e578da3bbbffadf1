// Prints PASSES.md from passes.def.
#include "pass.h"

static const char head[] = "# Passes\n"
                           "\n"
                           "Generated from `passes.def` by `passdoc.c`; do not edit. The rows "
                           "stand in the order of the default pipeline.\n"
                           "*needs* and *gives* are levels of a module: the manager refuses a "
                           "pipeline in which a need is unmet. *-O* is the\n"
                           "lowest optimisation level whose default pipeline runs the pass.\n"
                           "\n"
                           "| pass | -O | needs | gives | breaks | what it does |\n"
                           "|---|---|---|---|---|---|\n";

static const char *levels(uint32_t mask, struct arena *a)
{
    return mask != 0 ? pass_levels_text(mask, a) : "-";
}

int main(void)
{
    struct arena *a = arena_create();
    fputs(head, stdout);
    for (int i = 0; i < pass_count; i++) {
        const struct pass_info *p = &pass_info[i];
        printf("| `%s` | %d | %s | %s | %s | %s |\n", p->text, p->opt_level, levels(p->needs, a),
               levels(p->gives, a), levels(p->breaks, a), p->doc);
    }
    arena_destroy(a);
    return fflush(stdout) != 0;
}

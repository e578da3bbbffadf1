// The pass manager: pipelines that make no sense are refused in words; precisions.
#include "graph_random.h"

static void start(struct fixture *f)
{
    fixture_start(f);
    int64_t n = 4;
    struct ir_value *x = add_input(f, DT_F32, &n, 1);
    ir_graph_add_output(f->b.graph, irb_reshape(&f->b, x, &n, 1), "y");
}

static bool run(struct fixture *f, const char *passes)
{
    struct pass_run_options o = {.passes = passes};
    return pass_run(&f->ctx, &o);
}

static void unknown_passes_list_the_known(void)
{
    struct fixture f;
    start(&f);
    CHECK(!run(&f, "infer,fuse,dec"));
    CHECK_INT(f.reported[DIAG_PASS_PIPELINE], 2);
    CHECK(strstr(f.last, "'dec'") != NULL && strstr(f.last, "simplify, fuse-affine") != NULL);
    struct pass_run_options o = {.passes = "infer", .stop_after = "dce"};
    CHECK(!pass_run(&f.ctx, &o));
    o = (struct pass_run_options){.passes = "infer", .dump = "nothing"};
    CHECK(!pass_run(&f.ctx, &o));
    CHECK_INT(f.reported[DIAG_PASS_PIPELINE], 4);
    fixture_end(&f);
}

static void unmet_needs_name_the_pass(void)
{
    struct fixture f;
    start(&f);
    CHECK(!run(&f, "simplify,schedule"));
    CHECK_INT(f.reported[DIAG_PASS_PIPELINE], 1);
    CHECK(strstr(f.last, "'schedule'") != NULL && strstr(f.last, "tiled") != NULL &&
          strstr(f.last, ": tile") != NULL);
    CHECK(f.b.graph->first != NULL); // nothing has run
    f.ctx.module->level = IR_L_IMPORTED;
    CHECK(!run(&f, "dce"));
    CHECK(strstr(f.last, "infer") != NULL);
    CHECK(run(&f, "infer,simplify,dce"));
    CHECK(f.b.graph->first == NULL);
    CHECK_INT(f.ctx.module->level, IR_L_IMPORTED | IR_L_SHAPED);
    fixture_end(&f);
}

static void note_pass(void *user, const char *pass, int index, int count)
{
    char *list = user;
    snprintf(list + strlen(list), 200 - strlen(list), "%s%s", index ? "," : "", pass);
    (void)count;
}

// The default pipeline goes on where the module stands, and -O0 leaves out what only improves.
static void default_pipelines(void)
{
    struct fixture f;
    char seen[200] = "";
    start(&f);
    struct pass_run_options o = {.progress = note_pass, .progress_user = seen};
    f.ctx.module->level |= IR_L_QUANTISED;
    CHECK(pass_run(&f.ctx, &o));
    CHECK_STR(seen, "tile,schedule,pack,alloc");
    seen[0] = '\0';
    CHECK(pass_run(&f.ctx, &o));
    CHECK_STR(seen, "");
    f.ctx.module->level = IR_L_IMPORTED | IR_L_SHAPED | IR_L_QUANTISED;
    f.opt.opt_level = 1;
    o.stop_after = "tile";
    CHECK(pass_run(&f.ctx, &o));
    CHECK_STR(seen, "fuse-requant,tile");
    fixture_end(&f);
}

static void precisions(void)
{
    struct fixture f;
    struct pass_precision p;
    fixture_start(&f);
    CHECK(pass_parse_precision("fp32", &p, f.diag) && p.mode == IR_MODE_FP32);
    CHECK(pass_parse_precision("fp16", &p, f.diag) && p.mode == IR_MODE_FP16);
    CHECK(pass_parse_precision("int1", &p, f.diag) && p.mode == IR_MODE_FIXED && p.wbits == 1 &&
          p.abits == 1);
    CHECK(pass_parse_precision("int24", &p, f.diag) && p.wbits == 24 && p.abits == 24);
    CHECK(pass_parse_precision("w4a8", &p, f.diag) && p.wbits == 4 && p.abits == 8);
    static const char *const bad[] = {"",   "int", "int0", "int25", "int8x", "int100",
                                      "w4", "w4a", "wa8",  "w25a8", "fp64",  "8"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!pass_parse_precision(bad[i], &p, f.diag));
    CHECK_INT(f.reported[DIAG_PRECISION], (int)(sizeof bad / sizeof bad[0]));
    fixture_end(&f);
}

int main(void)
{
    RUN(unknown_passes_list_the_known);
    RUN(unmet_needs_name_the_pass);
    RUN(default_pipelines);
    RUN(precisions);
    return check_summary();
}

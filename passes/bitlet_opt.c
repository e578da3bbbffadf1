// bitlet-opt: textual IR, through passes, to textual IR.
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "io.h"
#include "pass.h"
#include "plugin.h"

#define TOOL "bitlet-opt"

static const char help_text[] =
    "Usage: bitlet-opt [options] IN.bir\n"
    "Reads textual IR (- is standard input), runs passes on it and writes textual IR.\n"
    "\n"
    "  -o, --output FILE         write here, constants to FILE.bin; without it the text goes to "
    "standard output\n"
    "      --passes=A,B,..       the passes to run, in this order; `default` is the compiler's "
    "pipeline from where the\n"
    "                            module stands; without the option none runs and the text is "
    "printed canonically\n"
    "  -O0 | -O1 | -O2           how much the default pipeline optimises (1)\n"
    "      --stop-after=PASS     cut the pipeline after a pass\n"
    "      --machine NAME|FILE   target machine (the one the module was tiled for, else micro21)\n"
    "  -p, --precision P         fp32, fp16, int1 .. int24, w4a8: weights/activations (fp32)\n"
    "      --calibrate PATH      inputs that give the ranges of activations\n"
    "      --per-tensor          one scale for all weights of an op instead of one an output "
    "channel\n"
    "      --distill HOW         the operand that integer MAC ops hold: weights (default), "
    "activations, auto\n"
    "      --patches HOW         PEs without a channel compute neighbouring positions: on, off, "
    "auto\n"
    "      --seed N              of the random inputs that stand in for calibration (0)\n"
    "      --verify-roundtrip    check that the text of every stage reads back equal\n"
    "      --dump-ir[=P,..|all]  write the module after these passes (all) to NN-pass.bir\n"
    "      --dump-dir DIR        where (.)\n"
    "      --time-passes         seconds and ops of every pass, on standard error\n"
    "      --plugin LIB.so       host kernels of one's own, for calibration and folding\n"
    "      --list-passes         the passes, in the order of the default pipeline\n"
    "      --version  --help\n"
    "\n"
    "Examples:\n"
    "  bitlet-opt net.bir                                  print it canonically\n"
    "  bitlet-opt net.bir --passes=infer,simplify,dce      clean it up\n"
    "  bitlet-opt net.bir --passes=default -p int8 -o out.bir\n"
    "\n"
    "Exit status: 0 fine, 1 the input is at fault, 2 usage, 70 a defect of bitlet-opt.\n";

enum { STDIN_CHUNK = 1 << 16, STDIN_MAX = 1 << 30 };

struct options {
    const char *in, *out, *machine, *precision;
    bool run_passes;
    struct pass_options pass;
    struct pass_run_options run;
};

enum {
    OPT_PASSES = 256,
    OPT_STOP_AFTER,
    OPT_MACHINE,
    OPT_CALIBRATE,
    OPT_PER_TENSOR,
    OPT_DISTILL,
    OPT_PATCHES,
    OPT_SEED,
    OPT_ROUNDTRIP,
    OPT_DUMP_IR,
    OPT_DUMP_DIR,
    OPT_TIME,
    OPT_LIST,
    OPT_PLUGIN,
    OPT_VERSION,
    OPT_HELP
};

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"passes", required_argument, NULL, OPT_PASSES},
    {"stop-after", required_argument, NULL, OPT_STOP_AFTER},
    {"machine", required_argument, NULL, OPT_MACHINE},
    {"precision", required_argument, NULL, 'p'},
    {"calibrate", required_argument, NULL, OPT_CALIBRATE},
    {"per-tensor", no_argument, NULL, OPT_PER_TENSOR},
    {"distill", required_argument, NULL, OPT_DISTILL},
    {"patches", required_argument, NULL, OPT_PATCHES},
    {"seed", required_argument, NULL, OPT_SEED},
    {"verify-roundtrip", no_argument, NULL, OPT_ROUNDTRIP},
    {"dump-ir", optional_argument, NULL, OPT_DUMP_IR},
    {"dump-dir", required_argument, NULL, OPT_DUMP_DIR},
    {"time-passes", no_argument, NULL, OPT_TIME},
    {"plugin", required_argument, NULL, OPT_PLUGIN},
    {"list-passes", no_argument, NULL, OPT_LIST},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static int load_plugin(const char *path)
{
    struct arena *a = arena_create();
    bool ok = plugin_load(path, diag_create(a, NULL));
    arena_destroy(a);
    return ok ? -1 : CLI_INPUT;
}

static int list_passes(void)
{
    for (int i = 0; i < pass_count; i++)
        printf("%-14s -O%d  %s\n", pass_info[i].text, pass_info[i].opt_level, pass_info[i].doc);
    return CLI_OK;
}

static bool parse_seed(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 0);
    *out = v;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

// One option; an exit status, or -1 to go on.
static int take_option(struct options *o, int c, const char *arg)
{
    switch (c) {
    case 'o': o->out = arg; return -1;
    case 'p': o->precision = arg; return -1;
    case 'O':
        if (arg[0] < '0' || arg[0] > '2' || arg[1] != '\0')
            return cli_usage(TOOL, "-O%s: the levels are -O0, -O1 and -O2", arg);
        o->pass.opt_level = arg[0] - '0';
        return -1;
    case OPT_PASSES:
        o->run_passes = true;
        o->run.passes = strcmp(arg, "default") == 0 ? NULL : arg;
        return -1;
    case OPT_STOP_AFTER: o->run.stop_after = arg; return -1;
    case OPT_MACHINE: o->machine = arg; return -1;
    case OPT_CALIBRATE: o->pass.calibrate = arg; return -1;
    case OPT_DISTILL:
        if (!pass_parse_distill(arg, &o->pass.distill))
            return cli_usage(TOOL, "--distill %s: weights, activations or auto is expected", arg);
        return -1;
    case OPT_PATCHES:
        if (!pass_parse_patches(arg, &o->pass.patches))
            return cli_usage(TOOL, "--patches %s: on, off or auto is expected", arg);
        return -1;
    case OPT_PER_TENSOR: o->pass.per_tensor_scales = true; return -1;
    case OPT_SEED:
        if (!parse_seed(arg, &o->pass.seed))
            return cli_usage(TOOL, "--seed %s: not a number", arg);
        return -1;
    case OPT_ROUNDTRIP: o->run.verify_roundtrip = true; return -1;
    case OPT_DUMP_IR: o->run.dump = arg != NULL ? arg : "all"; return -1;
    case OPT_DUMP_DIR: o->run.dump_dir = arg; return -1;
    case OPT_TIME: o->run.time_passes = true; return -1;
    case OPT_LIST: return list_passes();
    case OPT_PLUGIN: return load_plugin(arg);
    case OPT_VERSION: return cli_version(TOOL);
    case OPT_HELP: return cli_help(help_text);
    default: return cli_usage_hint(TOOL);
    }
}

static int parse_options(struct options *o, int argc, char **argv)
{
    int c;
    while ((c = getopt_long(argc, argv, "o:p:O:", long_options, NULL)) != -1) {
        int status = take_option(o, c, optarg);
        if (status >= 0)
            return status;
    }
    if (argc - optind != 1)
        return cli_usage(TOOL, argc == optind ? "no input file" : "more than one input file");
    o->in = argv[optind];
    return -1;
}

static struct ir_module *read_stdin(struct arena *a, struct loc_table *locs, struct diag *d)
{
    char *text = NULL;
    size_t len = 0, cap = 0, got;
    do {
        text = arena_grow(a, text, len, len + STDIN_CHUNK, 1, &cap);
        got = fread(text + len, 1, cap - len, stdin);
        len += got;
    } while (got > 0 && len <= STDIN_MAX);
    if (ferror(stdin) || len > STDIN_MAX) {
        diag_report(d, LOC_NONE, len > STDIN_MAX ? DIAG_LIMIT : DIAG_IO_READ,
                    "cannot read standard input (%zu bytes read)", len);
        return NULL;
    }
    return ir_parse_text(text, len, "<stdin>", a, locs, d);
}

static struct ir_module *read_module(const char *path, struct arena *a, struct loc_table *locs,
                                     struct diag *d)
{
    struct ir_module *m =
        strcmp(path, "-") == 0 ? read_stdin(a, locs, d) : ir_parse_file(path, a, locs, d);
    if (m == NULL || !ir_verify(m, d))
        return NULL;
    if (m->level == 0)
        m->level = IR_L_IMPORTED; // text that claims nothing
    return m;
}

static bool write_module(const struct options *o, const struct ir_module *m, struct diag *d)
{
    if (o->out != NULL)
        return ir_print_file(m, o->out, d);
    ir_print(m, stdout, NULL);
    return true;
}

static bool run(struct options *o, struct arena *a, struct arena *scratch)
{
    struct loc_table *locs = loc_table_create(a);
    struct diag *d = diag_create(a, locs);
    struct machine machine;
    if (!pass_parse_precision(o->precision, &o->pass.precision, d))
        return false;
    struct ir_module *m = read_module(o->in, a, locs, d);
    if (m == NULL)
        return false;
    // The machine that a module names may be a file that is not at hand; only passes need it.
    const char *name = o->machine != NULL                       ? o->machine
                       : o->run_passes && m->machine[0] != '\0' ? m->machine
                                                                : "micro21";
    if (!machine_load(name, &machine, a, d))
        return false;
    struct pass_ctx ctx = {m, scratch, d, &machine, &o->pass};
    if (!o->run_passes)
        o->run.passes = "";
    return pass_run(&ctx, &o->run) && write_module(o, m, d);
}

int main(int argc, char **argv)
{
    struct options o = {.precision = "fp32", .pass = {.opt_level = 1}};
    int status = parse_options(&o, argc, argv);
    if (status >= 0)
        return cli_finish(TOOL, status);
    struct arena *a = arena_create(), *scratch = arena_create();
    bool ok = run(&o, a, scratch);
    arena_destroy(scratch);
    arena_destroy(a);
    return cli_finish(TOOL, ok ? CLI_OK : CLI_INPUT);
}

// bitletc: the compiler's command line.
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bitletc_driver.h"
#include "cli.h"
#include "plugin.h"

#define TOOL "bitletc"

static const char help[] =
    "usage: bitletc MODEL.onnx [-o FILE] [options]\n"
    "Compiles an ONNX model, or IR text (.bir, from any dump), to a Bitlet binary.\n"
    "\n"
    "  -o, --output FILE         what to write; default: the model's name with .blt (.s, .bir) in "
    "this folder\n"
    "  -p, --precision P         fp32 (default), fp16, int1 .. int24, w4a8 (bits of weights, "
    "activations);\n"
    "                            what the model itself has quantised to no more bits stays as it "
    "is\n"
    "      --calibrate DIR       calibration inputs for integer precisions: folders "
    "test_data_set_N, or .pb .npy .npz files;\n"
    "                            without it ranges come from seeded random inputs\n"
    "      --weight-scales HOW   channel (default): a scale for each output channel; tensor: one "
    "for each layer\n"
    "      --distill HOW         integer precisions: the operand that the PEs hold, so that its "
    "bits "
    "are distilled:\n"
    "                            weights (default), as the paper's figures have it; activations, "
    "where a layer can;\n"
    "                            auto: in each layer the one of fewer cycles, by the bits measured "
    "in calibration\n"
    "                            (CNNs with ReLU: a tenth to two fifths fewer cycles, longer "
    "simulations).\n"
    "                            Values do not depend on it. Floats distil weights, for "
    "truncation would differ\n"
    "      --patches on|off|auto whether PEs that have no output channel compute neighbouring "
    "positions of a convolution\n"
    "                            (depthwise layers); auto (default): on machines with extensions, "
    "others map as the paper\n"
    "      --seed N              seed of everything random (default 0)\n"
    "      --machine NAME|FILE   target: micro21 (default), another preset, or a JSON file\n"
    "      --shape NAME=1x3x8x8  shape of an input, or NAME=8 for a symbolic dimension; may be "
    "repeated\n"
    "                            1..8 instead of a number: an extent known only at run time\n"
    "      --max-dim N           bound of extents known only at run time that nothing else bounds\n"
    "      --fix NAME=FILE       makes the input NAME a constant, with the value in a .pb or .npy "
    "file\n"
    "      --emit blt|asm|ir     binary (default), assembly, or IR text\n"
    "      --stop-after PASS     run no pass after this one (implies --emit ir)\n"
    "      --passes A,B,C        run these passes instead of the default ones\n"
    "  -O0, -O1, -O2             how much to optimise (default -O2)\n"
    "      --dump-ir[=A,B|all]   write IR text after these passes (default all)\n"
    "      --dump-dir DIR        where dumps go (default .)\n"
    "      --predict             print the cycles of every layer, and keep them in the binary for\n"
    "                            bitlet-isa-sim to compare with\n"
    "      --time-passes         print the time every pass took\n"
    "      --check-roundtrip     after every pass, check that the IR's text reads back as the same "
    "module\n"
    "      --threads N           at most so many threads (default: one per processor); the output "
    "does not depend on it\n"
    "      --plugin LIB.so       operators of one's own (ir/host/bitlet_plugin.h); may be "
    "repeated, "
    "bitlet-isa-sim needs the same\n"
    "      --list-ops            ONNX operators that are known\n"
    "      --list-passes         passes, in their default order\n"
    "  -v, --verbose             say what is done and assumed\n"
    "      --version, --help\n"
    "\n"
    "examples:\n"
    "  bitletc net.onnx                                       writes net.blt, fp32\n"
    "  bitletc net.onnx -p int8 --calibrate samples/ -o n8.blt\n"
    "  bitletc net.onnx --shape input=1x3x224x224 --emit ir --stop-after fuse-act -o net.bir\n"
    "  bitletc net.bir -o net.blt                             goes on from there\n"
    "\n"
    "exit status: 0 fine, 1 the model is at fault, 2 usage, 70 a bug of ours\n";

enum {
    OPT_CALIBRATE = 256,
    OPT_SCALES,
    OPT_DISTILL,
    OPT_PATCHES,
    OPT_SEED,
    OPT_MACHINE,
    OPT_SHAPE,
    OPT_MAX_DIM,
    OPT_FIX,
    OPT_EMIT,
    OPT_STOP,
    OPT_PASSES,
    OPT_DUMP,
    OPT_DUMP_DIR,
    OPT_TIME,
    OPT_PREDICT,
    OPT_THREADS,
    OPT_PLUGIN,
    OPT_ROUNDTRIP,
    OPT_LIST_OPS,
    OPT_LIST_PASSES,
    OPT_VERSION,
    OPT_HELP
};

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"precision", required_argument, NULL, 'p'},
    {"calibrate", required_argument, NULL, OPT_CALIBRATE},
    {"weight-scales", required_argument, NULL, OPT_SCALES},
    {"distill", required_argument, NULL, OPT_DISTILL},
    {"patches", required_argument, NULL, OPT_PATCHES},
    {"seed", required_argument, NULL, OPT_SEED},
    {"machine", required_argument, NULL, OPT_MACHINE},
    {"shape", required_argument, NULL, OPT_SHAPE},
    {"max-dim", required_argument, NULL, OPT_MAX_DIM},
    {"fix", required_argument, NULL, OPT_FIX},
    {"emit", required_argument, NULL, OPT_EMIT},
    {"stop-after", required_argument, NULL, OPT_STOP},
    {"passes", required_argument, NULL, OPT_PASSES},
    {"dump-ir", optional_argument, NULL, OPT_DUMP},
    {"dump-dir", required_argument, NULL, OPT_DUMP_DIR},
    {"time-passes", no_argument, NULL, OPT_TIME},
    {"predict", no_argument, NULL, OPT_PREDICT},
    {"plugin", required_argument, NULL, OPT_PLUGIN},
    {"check-roundtrip", no_argument, NULL, OPT_ROUNDTRIP},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"list-ops", no_argument, NULL, OPT_LIST_OPS},
    {"list-passes", no_argument, NULL, OPT_LIST_PASSES},
    {"verbose", no_argument, NULL, 'v'},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

struct cli {
    struct driver_options opt;
    struct arena *arena;
    struct diag *diag;
    bool emit_given;
    bool done; // a listing or help was printed
};

// One word out of a list that ends with NULL, or -1.
static int choose(const char *text, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(text, words[i]) == 0)
            return i;
    return -1;
}

static int set_emit(struct cli *c, const char *text)
{
    static const char *const words[] = {"blt", "asm", "ir", NULL};
    int i = choose(text, words);
    if (i < 0)
        return cli_usage(TOOL, "--emit %s: blt, asm or ir is expected", text);
    c->opt.emit = (enum driver_emit)i;
    c->emit_given = true;
    return CLI_OK;
}

static int set_scales(struct cli *c, const char *text)
{
    static const char *const words[] = {"channel", "tensor", NULL};
    int i = choose(text, words);
    if (i < 0)
        return cli_usage(TOOL, "--weight-scales %s: channel or tensor is expected", text);
    c->opt.pass.per_tensor_scales = i == 1;
    return CLI_OK;
}

static int set_seed(struct cli *c, const char *text)
{
    char *end;
    c->opt.pass.seed = strtoull(text, &end, 10);
    return *end || end == text || *text == '-'
               ? cli_usage(TOOL, "--seed %s: a number is expected", text)
               : CLI_OK;
}

static int set_threads(struct cli *c, const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (*end || end == text || n < 1 || n > 256)
        return cli_usage(TOOL, "--threads %s: a number from 1 to 256 is expected", text);
    c->opt.threads = (int)n;
    return CLI_OK;
}

static int set_level(struct cli *c, const char *text)
{
    if (strlen(text) != 1 || *text < '0' || *text > '2')
        return cli_usage(TOOL, "-O%s: there are -O0, -O1 and -O2", text);
    c->opt.pass.opt_level = *text - '0';
    return CLI_OK;
}

static int add_shape(struct cli *c, const char *text)
{
    struct onnx_import_options *o = &c->opt.import;
    size_t cap = o->num_shapes;
    o->shapes =
        arena_grow(c->arena, o->shapes, o->num_shapes, o->num_shapes + 1, sizeof(*o->shapes), &cap);
    return onnx_parse_shape(text, &o->shapes[o->num_shapes++], c->arena, c->diag) ? CLI_OK
                                                                                  : CLI_USAGE;
}

static int add_fixed(struct cli *c, const char *text)
{
    struct onnx_import_options *o = &c->opt.import;
    const char *eq = strchr(text, '=');
    if (!eq || eq == text || !eq[1])
        return cli_usage(TOOL, "--fix %s: NAME=FILE is expected", text);
    size_t cap = o->num_fixed;
    o->fixed =
        arena_grow(c->arena, o->fixed, o->num_fixed, o->num_fixed + 1, sizeof(*o->fixed), &cap);
    const struct tensor *value = tensor_read(eq + 1, c->arena, c->diag);
    o->fixed[o->num_fixed++] =
        (struct onnx_fixed_input){arena_strndup(c->arena, text, (size_t)(eq - text)), value, false};
    return value ? CLI_OK : CLI_INPUT;
}

static int print_and_stop(struct cli *c, void (*print)(void))
{
    c->done = true;
    print();
    return cli_finish(TOOL, CLI_OK);
}

// Options that print something instead of compiling, and those that are only noted.
static int apply_plain(struct cli *c, int opt)
{
    switch (opt) {
    case OPT_TIME: c->opt.run.time_passes = true; return CLI_OK;
    case OPT_PREDICT: c->opt.predict = true; return CLI_OK;
    case OPT_ROUNDTRIP: c->opt.run.verify_roundtrip = true; return CLI_OK;
    case OPT_LIST_OPS: return print_and_stop(c, driver_list_ops);
    case OPT_LIST_PASSES: return print_and_stop(c, driver_list_passes);
    case OPT_VERSION: c->done = true; return cli_version(TOOL);
    case OPT_HELP: c->done = true; return cli_help(help);
    case 'v': c->opt.verbose = true; return CLI_OK;
    default: return cli_usage_hint(TOOL);
    }
}

static int set_max_dim(struct cli *c, const char *text)
{
    char *end;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end || v < 1 || v > INT32_MAX)
        return cli_usage(TOOL, "--max-dim %s: a positive number is expected", text);
    c->opt.import.max_dim = v;
    return CLI_OK;
}

static int apply_option(struct cli *c, int opt, const char *arg)
{
    switch (opt) {
    case 'o': c->opt.output = strcmp(arg, "-") == 0 ? "/dev/stdout" : arg; return CLI_OK;
    case 'p':
        return pass_parse_precision(arg, &c->opt.pass.precision, c->diag) ? CLI_OK : CLI_USAGE;
    case 'O': return set_level(c, arg);
    case OPT_CALIBRATE: c->opt.pass.calibrate = arg; return CLI_OK;
    case OPT_SCALES: return set_scales(c, arg);
    case OPT_DISTILL:
        return pass_parse_distill(arg, &c->opt.pass.distill)
                   ? CLI_OK
                   : cli_usage(TOOL, "--distill %s: weights, activations or auto is expected", arg);
    case OPT_PATCHES:
        return pass_parse_patches(arg, &c->opt.pass.patches)
                   ? CLI_OK
                   : cli_usage(TOOL, "--patches %s: on, off or auto is expected", arg);
    case OPT_SEED: return set_seed(c, arg);
    case OPT_THREADS: return set_threads(c, arg);
    case OPT_MACHINE:
        c->opt.machine = arg;
        c->opt.machine_given = true;
        return CLI_OK;
    case OPT_SHAPE: return add_shape(c, arg);
    case OPT_FIX: return add_fixed(c, arg);
    case OPT_MAX_DIM: return set_max_dim(c, arg);
    case OPT_EMIT: return set_emit(c, arg);
    case OPT_STOP: c->opt.run.stop_after = arg; return CLI_OK;
    case OPT_PASSES: c->opt.run.passes = arg; return CLI_OK;
    case OPT_DUMP: c->opt.run.dump = arg ? arg : "all"; return CLI_OK;
    case OPT_PLUGIN: return plugin_load(arg, c->diag) ? CLI_OK : CLI_INPUT;
    case OPT_DUMP_DIR: c->opt.run.dump_dir = arg; return CLI_OK;
    default: return apply_plain(c, opt);
    }
}

static int parse(struct cli *c, int argc, char **argv)
{
    int opt;
    while ((opt = getopt_long(argc, argv, "o:p:O:v", long_options, NULL)) != -1) {
        int status = apply_option(c, opt, optarg);
        if (status != CLI_OK || c->done)
            return status;
    }
    if (optind == argc)
        return cli_usage(TOOL, "which model?");
    if (optind + 1 < argc)
        return cli_usage(TOOL, "one model at a time; '%s' is a second one", argv[optind + 1]);
    c->opt.input = argv[optind];
    if (c->opt.run.stop_after && !c->emit_given)
        c->opt.emit = EMIT_IR;
    if (c->opt.predict && c->opt.emit == EMIT_IR)
        return cli_usage(TOOL, "--predict is for a binary or assembly; IR has no instructions");
    return CLI_OK;
}

int main(int argc, char **argv)
{
    struct cli c = {.arena = arena_create()};
    c.diag = diag_create(c.arena, NULL);
    c.opt.machine = "micro21";
    c.opt.pass.precision = (struct pass_precision){IR_MODE_FP32, 32, 32};
    c.opt.pass.opt_level = 2;
    int status = parse(&c, argc, argv);
    if (status == CLI_OK && !c.done)
        status = driver_compile(&c.opt);
    arena_destroy(c.arena);
    return status;
}

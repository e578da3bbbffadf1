// onnx-eval: imports an ONNX model, runs it with the IR's reference evaluator and compares the
// results with expected ones. The same options as bitletc and bitlet-isa-sim where they mean the
// same, so that one script drives both.
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "eval.h"
#include "import.h"
#include "plugin.h"
#include "tensor_list.h"

#define TOOL "onnx-eval"

static const char help[] =
    "usage: onnx-eval MODEL.onnx [options]\n"
    "Runs a model with the reference evaluator and prints a line for each output.\n"
    "\n"
    "  -i, --inputs DIR|FILE     folder with input_K.pb (or .npy), or the file of the next input; "
    "may be repeated;\n"
    "                            without it inputs are seeded random numbers\n"
    "      --expect DIR          compare with output_K.pb (or .npy): |a - b| <= atol + rtol * |b|\n"
    "      --rtol X, --atol X    default 1e-3 and 1e-5\n"
    "      --types               compare element types and extents alone\n"
    "      --shape NAME=1x3x8x8  shape of an input, or NAME=8 for a symbolic dimension\n"
    "      --max-dim N           bound of extents known only at run time that nothing else bounds\n"
    "      --fix NAME=FILE       makes the input NAME a constant\n"
    "      --bitlet-float        sums of float products as the machine forms them, over groups of "
    "--group N (default 64)\n"
    "      --plugin LIB.so       operators of one's own\n"
    "      --print-ir            print the imported module instead of running it\n"
    "      --help, --version\n"
    "\n"
    "exit status: 0 fine, 1 the model is at fault or results differ, 2 usage, 70 a bug of ours\n";

enum {
    OPT_EXPECT = 256,
    OPT_RTOL,
    OPT_ATOL,
    OPT_TYPES,
    OPT_SHAPE,
    OPT_FIX,
    OPT_MAX_DIM,
    OPT_FLOAT,
    OPT_GROUP,
    OPT_PRINT,
    OPT_PLUGIN,
    OPT_VERSION,
    OPT_HELP
};

static const struct option long_options[] = {
    {"inputs", required_argument, NULL, 'i'},
    {"expect", required_argument, NULL, OPT_EXPECT},
    {"rtol", required_argument, NULL, OPT_RTOL},
    {"atol", required_argument, NULL, OPT_ATOL},
    {"types", no_argument, NULL, OPT_TYPES},
    {"shape", required_argument, NULL, OPT_SHAPE},
    {"fix", required_argument, NULL, OPT_FIX},
    {"max-dim", required_argument, NULL, OPT_MAX_DIM},
    {"bitlet-float", no_argument, NULL, OPT_FLOAT},
    {"group", required_argument, NULL, OPT_GROUP},
    {"print-ir", no_argument, NULL, OPT_PRINT},
    {"version", no_argument, NULL, OPT_VERSION},
    {"plugin", required_argument, NULL, OPT_PLUGIN},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

struct run {
    struct arena *arena;
    struct loc_table *locs;
    struct diag *diag;
    struct onnx_import_options import;
    struct ir_eval_options eval;
    const char *model, *expect;
    const char **inputs;
    size_t num_inputs;
    double rtol, atol;
    bool print, types;
};

// ---- Command line

static bool number(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && *out >= 0;
}

static int add_fixed(struct run *r, const char *text)
{
    struct onnx_import_options *o = &r->import;
    const char *eq = strrchr(text, '=');
    if (!eq || eq == text || !eq[1])
        return cli_usage(TOOL, "--fix %s: NAME=FILE is expected", text);
    const struct tensor *value = tensor_read(eq + 1, r->arena, r->diag);
    o->fixed[o->num_fixed++] =
        (struct onnx_fixed_input){arena_strndup(r->arena, text, (size_t)(eq - text)), value, false};
    return value ? CLI_OK : CLI_INPUT;
}

static int apply_option(struct run *r, int opt, const char *arg)
{
    double v;
    switch (opt) {
    case 'i': r->inputs[r->num_inputs++] = arg; return CLI_OK;
    case OPT_EXPECT: r->expect = arg; return CLI_OK;
    case OPT_RTOL: return number(arg, &r->rtol) ? CLI_OK : cli_usage(TOOL, "--rtol %s", arg);
    case OPT_ATOL: return number(arg, &r->atol) ? CLI_OK : cli_usage(TOOL, "--atol %s", arg);
    case OPT_TYPES: r->types = true; return CLI_OK;
    case OPT_SHAPE:
        return onnx_parse_shape(arg, &r->import.shapes[r->import.num_shapes++], r->arena, r->diag)
                   ? CLI_OK
                   : CLI_USAGE;
    case OPT_FIX: return add_fixed(r, arg);
    case OPT_MAX_DIM:
        if (!number(arg, &v) || v < 1 || v > INT32_MAX)
            return cli_usage(TOOL, "--max-dim %s", arg);
        r->import.max_dim = (int64_t)v;
        return CLI_OK;
    case OPT_FLOAT: r->eval.bitlet_float = true; return CLI_OK;
    case OPT_GROUP:
        if (!number(arg, &v) || v < 1 || v > 65536)
            return cli_usage(TOOL, "--group %s", arg);
        r->eval.group = (int)v;
        return CLI_OK;
    case OPT_PLUGIN: return plugin_load(arg, r->diag) ? CLI_OK : CLI_INPUT;
    case OPT_PRINT: r->print = true; return CLI_OK;
    default: return cli_usage_hint(TOOL);
    }
}

// CLI_OK with r->model NULL: help or version was printed.
static int parse(struct run *r, int argc, char **argv)
{
    size_t most = (size_t)argc;
    r->inputs = ARENA_ARRAY(r->arena, most, const char *);
    r->import.shapes = ARENA_ARRAY(r->arena, most, struct onnx_shape_override);
    r->import.fixed = ARENA_ARRAY(r->arena, most, struct onnx_fixed_input);
    for (int opt; (opt = getopt_long(argc, argv, "i:", long_options, NULL)) != -1;) {
        if (opt == OPT_HELP)
            return cli_help(help);
        if (opt == OPT_VERSION)
            return cli_version(TOOL);
        int status = apply_option(r, opt, optarg);
        if (status != CLI_OK)
            return status;
    }
    if (optind + 1 != argc)
        return cli_usage(TOOL, "one model is expected");
    r->model = argv[optind];
    return CLI_OK;
}

// ---- Tensors

static struct tensor *read_numbered(struct run *r, const char *dir, const char *prefix, int k,
                                    enum dtype t)
{
    static const char *const kinds[] = {"pb", "npy"};
    for (int i = 0; i < 2; i++) {
        const char *path = arena_printf(r->arena, "%s/%s_%d.%s", dir, prefix, k, kinds[i]);
        if (io_exists(path))
            return tensor_read_as(t, path, r->arena, r->diag);
    }
    diag_report(r->diag, LOC_NONE, DIAG_IO_READ, "%s: there is no %s_%d.pb or .npy", dir, prefix,
                k);
    return NULL;
}

static bool load_inputs(struct run *r, const struct ir_graph *g, const struct tensor **in)
{
    size_t next = 0;
    for (int k = 0; k < g->num_inputs; k++) {
        const struct ir_type *t = &g->inputs[k]->type;
        if (r->num_inputs == 0)
            in[k] = tensor_random(r->arena, t->dtype, t->dim, t->rank, (uint64_t)k);
        else if (io_is_dir(r->inputs[0]))
            in[k] = read_numbered(r, r->inputs[0], "input", k, t->dtype);
        else if (next < r->num_inputs)
            in[k] = tensor_read_as(t->dtype, r->inputs[next++], r->arena, r->diag);
        else
            return diag_report(r->diag, LOC_NONE, DIAG_TENSOR_MISMATCH,
                               "%zu inputs are given, the model takes %d", r->num_inputs,
                               g->num_inputs);
        if (!in[k])
            return false;
    }
    return true;
}

// ---- Comparison

struct difference {
    int64_t elems, differing, first;
    double max_abs, error_squares, squares;
};

static void compare_strings(const struct tensor *a, const struct tensor *b, struct difference *r)
{
    const char *const *x = a->data, *const *y = b->data;
    for (int64_t i = 0; i < r->elems; i++)
        if (strcmp(x[i], y[i]) != 0 && r->differing++ == 0)
            r->first = i;
}

static bool compare_element(double x, double y, double rtol, double atol, struct difference *r)
{
    if (x == y || (isnan(x) && isnan(y)))
        return true;
    double error = fabs(x - y);
    if (!isfinite(x) || !isfinite(y))
        return false;
    r->max_abs = fmax(r->max_abs, error);
    r->error_squares += error * error;
    return error <= atol + rtol * fabs(y);
}

static void compare_numbers(const struct run *run, const struct tensor *a, const struct tensor *b,
                            struct difference *r)
{
    for (int64_t i = 0; i < r->elems; i++) {
        double y = tensor_get_double(b, i);
        r->squares += isfinite(y) ? y * y : 0;
        bool same = dtype_is_int(a->dtype) && tensor_get_int(a, i) == tensor_get_int(b, i);
        if (!same && !compare_element(tensor_get_double(a, i), y, run->rtol, run->atol, r) &&
            r->differing++ == 0)
            r->first = i;
    }
}

// Complex numbers compare as two reals.
static struct tensor real_parts(const struct tensor *t)
{
    struct tensor r = *t;
    if (dtype_info[t->dtype].kind != DTK_C)
        return r;
    r.dtype = t->dtype == DT_C64 ? DT_F32 : DT_F64;
    return r;
}

static const char *element_text(const struct run *r, const struct tensor *t, int64_t i)
{
    if (t->dtype == DT_STR)
        return ((const char *const *)t->data)[i];
    if (dtype_is_int(t->dtype))
        return arena_printf(r->arena, "%" PRId64, tensor_get_int(t, i));
    return arena_printf(r->arena, "%.9g", tensor_get_double(t, i));
}

static bool compare(const struct run *r, int k, const struct tensor *out,
                    const struct tensor *expected)
{
    struct tensor a = real_parts(out), b = real_parts(expected);
    const char *type = tensor_type_text(out->dtype, out->dim, out->rank, r->arena);
    const char *wanted = tensor_type_text(expected->dtype, expected->dim, expected->rank, r->arena);
    struct difference diff = {.elems = tensor_elems(out) * (a.dtype == out->dtype ? 1 : 2)};
    if (strcmp(type, wanted) != 0)
        return diag_report(r->diag, LOC_NONE, DIAG_TENSOR_MISMATCH,
                           "output %d '%s' is %s, the expected one is %s", k, out->name, type,
                           wanted);
    if (r->types) {
        printf("output %d '%s' %s\n", k, out->name, type);
        return true;
    }
    if (a.dtype == DT_STR)
        compare_strings(&a, &b, &diff);
    else
        compare_numbers(r, &a, &b, &diff);
    printf("output %d '%s' %s: max abs error %.3g, relative L2 error %.3g\n", k, out->name, type,
           diff.max_abs, diff.error_squares > 0 ? sqrt(diff.error_squares / diff.squares) : 0.0);
    if (diff.differing == 0)
        return true;
    return diag_report(r->diag, LOC_NONE, DIAG_MISMATCH,
                       "output %d '%s': %" PRId64 " of %" PRId64
                       " elements differ; first at %" PRId64 ": %s, expected %s",
                       k, out->name, diff.differing, diff.elems, diff.first,
                       element_text(r, &a, diff.first), element_text(r, &b, diff.first));
}

// Lists element by element.
static bool compare_value(const struct run *r, int k, const struct tensor *out,
                          const struct tensor *expected)
{
    if (dtype_info[out->dtype].kind != DTK_H || out->dtype != expected->dtype)
        return compare(r, k, out, expected);
    const struct tensor_list *a = tensor_list_of(out), *b = tensor_list_of(expected);
    if (a->num != b->num)
        return diag_report(r->diag, LOC_NONE, DIAG_MISMATCH,
                           "output %d '%s' has %" PRId64 " elements, %" PRId64 " are expected", k,
                           out->name, a->num, b->num);
    bool ok = true;
    for (int64_t i = 0; i < a->num; i++) {
        struct tensor x = *a->item[i];
        x.name = out->name;
        ok = compare_value(r, k, &x, b->item[i]) && ok;
    }
    return ok;
}

static bool compare_all(struct run *r, struct tensor *const *out, int num)
{
    bool ok = true;
    for (int k = 0; k < num; k++) {
        const struct tensor *expected =
            r->expect ? read_numbered(r, r->expect, "output", k, out[k]->dtype) : NULL;
        if (expected)
            ok = compare_value(r, k, out[k], expected) && ok;
        else if (r->expect)
            ok = false;
        else
            printf("output %d '%s' %s\n", k, out[k]->name, tensor_text(out[k], r->arena));
    }
    return ok;
}

// The number format of the array for every product of floats, as the compiler sets it.
static void set_modes(struct ir_module *m)
{
    for (struct ir_op *op = m->main->first; op; op = op->next) {
        enum dtype t = ir_is_mac(op) ? op->in[0]->type.dtype : DT_BOOL;
        if (t == DT_F32 || t == DT_F16)
            ir_set_int(op, IR_A_mode, t == DT_F16 ? IR_MODE_FP16 : IR_MODE_FP32);
    }
}

static bool run_model(struct run *r)
{
    struct io_map map = {0};
    struct ir_module *m = onnx_import(r->model, &r->import, &map, r->arena, r->locs, r->diag);
    if (m && r->eval.bitlet_float)
        set_modes(m);
    bool ok = m && ir_verify(m, r->diag);
    if (ok && r->print) {
        ir_print(m, stdout, NULL);
    } else if (ok) {
        const struct tensor **in =
            ARENA_ARRAY(r->arena, (size_t)m->main->num_inputs + 1, const struct tensor *);
        struct tensor **out =
            ARENA_ARRAY(r->arena, (size_t)m->main->num_outputs + 1, struct tensor *);
        ok = load_inputs(r, m->main, in) && ir_eval(m, in, &r->eval, out, r->arena, r->diag) &&
             compare_all(r, out, m->main->num_outputs);
    }
    io_unmap(&map);
    return ok;
}

int main(int argc, char **argv)
{
    struct run r = {.arena = arena_create(), .rtol = 1e-3, .atol = 1e-5, .eval = {.group = 64}};
    r.locs = loc_table_create(r.arena);
    r.diag = diag_create(r.arena, r.locs);
    int status = parse(&r, argc, argv);
    if (status == CLI_OK && r.model)
        status = run_model(&r) ? CLI_OK : CLI_INPUT;
    arena_destroy(r.arena);
    return cli_finish(TOOL, status);
}

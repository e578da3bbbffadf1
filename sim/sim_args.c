// The command line of bitlet-isa-sim, from sim_options.def.
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plugin.h"
#include "sim_tool.h"

enum option_arg { ARG_NONE, ARG_ONE, ARG_MAYBE, ARG_LIST };
enum option_id {
#define SIM_OPTION(ENUM, name, letter, arg, meta, help) OPT_##ENUM,
#include "sim_options.def"
    OPT_NUM
};
struct option_row {
    const char *name;
    char letter;
    enum option_arg arg;
    const char *meta, *help;
};
static const struct option_row rows[OPT_NUM] = {
#define SIM_OPTION(ENUM, name, letter, arg, meta, help)                                            \
    [OPT_##ENUM] = {name, letter, ARG_##arg, meta, help},
#include "sim_options.def"
};

static bool usage(struct diag *d, const char *what, const char *arg)
{
    return diag_report(d, LOC_NONE, DIAG_USAGE, "%s '%s' (see --help)", what, arg);
}

// ---- Values
// ------------------------------------------------------------------------------------------

static bool parse_uint(struct diag *d, const char *name, const char *text, uint64_t max,
                       uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 0);
    if (errno || end == text || *end || strchr(text, '-') || v > max)
        return diag_report(d, LOC_NONE, DIAG_USAGE, "--%s takes a number from 0 to %llu, not '%s'",
                           name, (unsigned long long)max, text);
    *out = v;
    return true;
}

static bool parse_tolerance(struct diag *d, const char *name, const char *text, double *out)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !(v >= 0) || isinf(v))
        return diag_report(d, LOC_NONE, DIAG_USAGE,
                           "--%s takes a number that is not negative, not '%s'", name, text);
    *out = v;
    return true;
}

static bool parse_name(struct diag *d, const char *option, const char *text,
                       const char *const *names, int num, int *out)
{
    for (int i = 0; i < num; i++)
        if (strcmp(names[i], text) == 0) {
            *out = i;
            return true;
        }
    char list[80];
    size_t len = 0;
    for (int i = 0; i < num && len < sizeof list; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i ? ", " : "", names[i]);
    return diag_report(d, LOC_NONE, DIAG_USAGE, "--%s takes %s, not '%s'", option, list, text);
}

static bool apply_value(enum option_id id, const char *v, struct tool_args *out, struct diag *d)
{
    static const char *const compat[] = {"rtl"};
    const char *name = rows[id].name;
    uint64_t n = 0;
    int choice = 0;
    switch (id) {
    case OPT_OUTPUTS: out->outputs = v; return true;
    case OPT_STATS: out->stats = v; return true;
    case OPT_PLUGIN: return plugin_load(v, d);
    case OPT_RTOL: return parse_tolerance(d, name, v, &out->rtol);
    case OPT_ATOL: return parse_tolerance(d, name, v, &out->atol);
    case OPT_SEED: return parse_uint(d, name, v, UINT64_MAX, &out->seed);
    case OPT_DATAPATH:
        if (!parse_name(d, name, v, sim_datapath_name, SIM_DATAPATH_FAST + 1, &choice))
            return false;
        out->sim.datapath = (enum sim_datapath)choice;
        return true;
    case OPT_TIMING:
        if (!parse_name(d, name, v, sim_timing_name, SIM_TIMING_PIPELINED + 1, &choice))
            return false;
        out->sim.timing = (enum sim_timing)choice;
        return true;
    case OPT_COMPAT: out->sim.compat_rtl = true; return parse_name(d, name, v, compat, 1, &choice);
    case OPT_MAX_CYCLES:
        if (!parse_uint(d, name, v, 1ull << 56, &n))
            return false;
        out->sim.max_cycles = (int64_t)n;
        return true;
    case OPT_THREADS:
        if (!parse_uint(d, name, v, 256, &n))
            return false;
        out->sim.threads = (int)n;
        return true;
    default: bitlet_bug("option --%s takes no single value", name);
    }
}

static bool apply_flag(enum option_id id, const char *v, struct tool_args *out)
{
    switch (id) {
    case OPT_NO_DISTILL: out->sim.no_distill = true; return true;
    case OPT_TIME: out->time = true; return true;
    case OPT_VERBOSE: out->verbose = true; return true;
    case OPT_QUIET: out->quiet = true; return true;
    case OPT_VERSION: out->version = true; return true;
    case OPT_HELP: out->help = true; return true;
    case OPT_LOG_COMMITS: out->commit_log = v ? v : "-"; return true;
    default: bitlet_bug("option --%s is no flag", rows[id].name);
    }
}

// ---- Words of the command line
// -----------------------------------------------------------------------

struct words {
    int argc, at;
    char **argv;
    bool operands; // after --: no more options
};

static bool is_binary_name(const char *s)
{
    size_t len = strlen(s);
    return len > 4 && strcmp(s + len - 4, ".blt") == 0;
}

static bool take_list(struct words *w, enum option_id id, char *first, struct tool_args *out,
                      struct arena *a, struct diag *d)
{
    struct path_list *list = id == OPT_INPUTS   ? &out->inputs
                             : id == OPT_EXPECT ? &out->expect
                                                : &out->replay;
    if (!list->paths)
        list->paths = ARENA_ARRAY(a, (size_t)w->argc, char *);
    int before = list->num;
    if (first)
        list->paths[list->num++] = first;
    while (!first && w->at < w->argc && w->argv[w->at][0] != '-' && !is_binary_name(w->argv[w->at]))
        list->paths[list->num++] = w->argv[w->at++];
    return list->num > before ||
           diag_report(d, LOC_NONE, DIAG_USAGE, "--%s needs %s", rows[id].name, rows[id].meta);
}

static bool take_option(struct words *w, enum option_id id, char *value, struct tool_args *out,
                        struct arena *a, struct diag *d)
{
    const struct option_row *r = &rows[id];
    switch (r->arg) {
    case ARG_NONE:
        if (value)
            return diag_report(d, LOC_NONE, DIAG_USAGE, "--%s takes no value", r->name);
        return apply_flag(id, NULL, out);
    case ARG_MAYBE: return apply_flag(id, value, out);
    case ARG_LIST: return take_list(w, id, value, out, a, d);
    case ARG_ONE: break;
    }
    if (!value && w->at < w->argc)
        value = w->argv[w->at++];
    if (!value)
        return diag_report(d, LOC_NONE, DIAG_USAGE, "--%s needs %s", r->name, r->meta);
    return apply_value(id, value, out, d);
}

static int option_by_name(const char *name, size_t len)
{
    for (int i = 0; i < OPT_NUM; i++)
        if (strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0)
            return i;
    return -1;
}

static int option_by_letter(char c)
{
    for (int i = 0; i < OPT_NUM; i++)
        if (rows[i].letter == c && c)
            return i;
    return -1;
}

static bool take_word(struct words *w, struct tool_args *out, struct arena *a, struct diag *d)
{
    char *word = w->argv[w->at++], *value = NULL;
    int id;
    if (!w->operands && strcmp(word, "--") == 0) {
        w->operands = true;
        return true;
    }
    if (w->operands || word[0] != '-' || word[1] == '\0') {
        if (out->model)
            return usage(d, "one binary at a time; left over:", word);
        out->model = word;
        return true;
    }
    if (word[1] == '-') {
        size_t len = strcspn(word + 2, "=");
        id = option_by_name(word + 2, len);
        value = word[2 + len] == '=' ? word + 3 + len : NULL;
    } else {
        id = option_by_letter(word[1]);
        value = word[2] ? word + 2 : NULL;
    }
    if (id < 0)
        return usage(d, "unknown option", word);
    return take_option(w, (enum option_id)id, value, out, a, d);
}

bool tool_parse_args(int argc, char **argv, struct tool_args *out, struct arena *a, struct diag *d)
{
    struct words w = {argc, 1, argv, false};
    *out = (struct tool_args){.rtol = 1e-3, .atol = 1e-5};
    sim_options_default(&out->sim);
    bool ok = true;
    while (w.at < argc)
        ok = take_word(&w, out, a, d) && ok;
    if (!ok || out->help || out->version)
        return ok;
    out->sim.bound_lanes = !out->stats;
    out->sim.uncounted = !out->stats && out->quiet;
    if (out->replay.num > 0 && out->model)
        return usage(d, "--replay-vectors runs without a binary; left over:", out->model);
    if (out->replay.num == 0 && !out->model)
        return diag_report(d, LOC_NONE, DIAG_USAGE,
                           "no binary is given: bitlet-isa-sim model.blt (see --help)");
    return true;
}

// ---- Help
// --------------------------------------------------------------------------------------------

#define HELP_INDENT 30
#define HELP_COLUMNS 100

static void print_wrapped(FILE *f, const char *text)
{
    int column = HELP_INDENT;
    for (const char *space = ""; *text; space = " ") {
        int len = (int)strcspn(text, " ");
        if (*space && column + 1 + len > HELP_COLUMNS) {
            fprintf(f, "\n%*s", HELP_INDENT, "");
            column = HELP_INDENT;
            space = "";
        }
        fprintf(f, "%s%.*s", space, len, text);
        column += len + (*space != '\0');
        text += len + (text[len] == ' ');
    }
    fputc('\n', f);
}

static void print_option(FILE *f, const struct option_row *r)
{
    char left[64];
    char letter[8] = "    ";
    if (r->letter)
        snprintf(letter, sizeof letter, "-%c, ", r->letter);
    if (r->arg == ARG_NONE)
        snprintf(left, sizeof left, "%s--%s", letter, r->name);
    else if (r->arg == ARG_MAYBE)
        snprintf(left, sizeof left, "%s--%s[=%s]", letter, r->name, r->meta);
    else
        snprintf(left, sizeof left, "%s--%s %s", letter, r->name, r->meta);
    int width = HELP_INDENT - 3;
    fprintf(f, "  %-*s ", width, left);
    if ((int)strlen(left) > width)
        fprintf(f, "\n%*s", HELP_INDENT, "");
    print_wrapped(f, r->help);
}

void tool_print_help(FILE *f)
{
    fputs("bitlet-isa-sim: runs a Bitlet binary, instruction by instruction, and counts its "
          "cycles.\n\n"
          "  bitlet-isa-sim model.blt [options]\n"
          "  bitlet-isa-sim --replay-vectors FILE.. [--datapath NAME]\n\n"
          "Examples\n"
          "  bitlet-isa-sim model.blt                          with seeded random inputs: cycles, "
          "time, energy\n"
          "  bitlet-isa-sim model.blt --inputs photo.npy -v    a real input; the table of layers\n"
          "  bitlet-isa-sim model.blt --inputs test_data_set_0 --expect test_data_set_0\n"
          "                                                    an ONNX test case; exit status 1 "
          "when results differ\n"
          "  bitlet-isa-sim model.blt --stats run.json         everything counted, for a script\n"
          "  bitlet-isa-sim model.blt --no-distill             what bit distillation buys: compare "
          "the cycles\n"
          "  bitlet-isa-sim model.blt --datapath rtl --log-commits=log.txt   every register, every "
          "instruction\n",
          f);
#define SIM_OPTION_GROUP(heading) fprintf(f, "\n%s\n", heading);
#define SIM_OPTION(ENUM, name, letter, arg, meta, help) print_option(f, &rows[OPT_##ENUM]);
#include "sim_options.def"
    fputs("\nExit status: 0 fine, 1 an input is at fault or results differ, 2 usage, 70 a defect "
          "of this program.\n",
          f);
}

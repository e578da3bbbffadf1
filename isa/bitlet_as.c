// bitlet-as: assembler text to a binary.
#include <getopt.h>
#include <string.h>

#include "cli.h"
#include "image.h"

static const char TOOL[] = "bitlet-as";
static const char HELP[] =
    "Usage: bitlet-as [options] FILE.s\n"
    "\n"
    "Assembles Bitlet assembler text into a binary that bitlet-isa-sim runs. The text that\n"
    "'bitlet-objdump -d' prints gives the same bytes again. FILE '-' is standard input.\n"
    "\n"
    "Options:\n"
    "  -o, --output FILE     the binary (default: the input's name with .blt for .s; '-' is "
    "standard output)\n"
    "  -m, --machine NAME    print a machine as a .machine line and stop: a preset or a JSON file\n"
    "      --help            this text\n"
    "      --version         the version\n"
    "\n"
    "Examples:\n"
    "  bitlet-as add.s -o add.blt                        assemble\n"
    "  bitlet-objdump -d model.blt > model.s             take a binary apart,\n"
    "  bitlet-as model.s -o same.blt                     and put it together again\n"
    "  bitlet-as -m bitlet-x                             a .machine line to paste and edit\n"
    "\n"
    "A program that adds one to four floats:\n"
    "  .machine \"micro21\"\n"
    "  .heap 4096\n"
    "  .input \"x\" f32[4] @0x30000000000\n"
    "  .output \"y\" f32[4] @0x30000000040\n"
    "  .text\n"
    "      tnew t0, x0, type=f32, rank=1, imm=0x30000000000    # x, in DRAM\n"
    "      tdim t0, dim=0, extent=4, stride=1\n"
    "      tnew t1, x0, type=f32, rank=1, imm=0x10000000000    # the constant in .rodata,\n"
    "      tdim t1, dim=0, extent=4, stride=0                  # four times\n"
    "      tnew t2, x0, type=f32, rank=1, imm=0x30000000040    # y\n"
    "      tdim t2, dim=0, extent=4, stride=1\n"
    "      vbin t2, t0, t1, fn=add\n"
    "      halt\n"
    "  .rodata\n"
    "      .f32 1.0\n"
    "\n"
    "Instructions and syntax: isa/ISA.md. Exit status: 0 fine, 1 the text is at fault, 2 usage.\n";

struct options {
    const char *input, *output, *machine;
};

enum { OPT_HELP = 256, OPT_VERSION };

// The status to end with, or -1 to go on.
static int parse_options(int argc, char **argv, struct options *o)
{
    static const struct option LONG[] = {
        {"output", required_argument, NULL, 'o'},
        {"machine", required_argument, NULL, 'm'},
        {"help", no_argument, NULL, OPT_HELP},
        {"version", no_argument, NULL, OPT_VERSION},
        {NULL, 0, NULL, 0},
    };
    for (int opt; (opt = getopt_long(argc, argv, "o:m:", LONG, NULL)) != -1;) {
        switch (opt) {
        case 'o': o->output = optarg; break;
        case 'm': o->machine = optarg; break;
        case OPT_HELP: return cli_help(HELP);
        case OPT_VERSION: return cli_version(TOOL);
        default: return cli_usage_hint(TOOL);
        }
    }
    if (argc - optind > 1)
        return cli_usage(TOOL, "one input, not %d ('%s', '%s', ..)", argc - optind, argv[optind],
                         argv[optind + 1]);
    o->input = argv[optind];
    if (!o->input && !o->machine)
        return cli_usage(TOOL, "no input file");
    return -1;
}

static const char *output_name(const struct options *o, struct arena *a)
{
    if (o->output)
        return strcmp(o->output, "-") == 0 ? "/dev/stdout" : o->output;
    if (strcmp(o->input, "-") == 0)
        return "a.blt";
    size_t len = strlen(o->input);
    if (len > 2 && strcmp(o->input + len - 2, ".s") == 0)
        len -= 2;
    return arena_printf(a, "%s.blt", arena_strndup(a, o->input, len));
}

static bool print_machine(const char *name, struct arena *a, struct diag *d)
{
    struct machine m;
    if (!machine_load(name, &m, a, d))
        return false;
    printf(".machine %s\n", machine_json(&m, a));
    return true;
}

static bool assemble(const struct options *o, struct arena *a, struct diag *d)
{
    struct image img;
    const char *input = strcmp(o->input, "-") == 0 ? "/dev/stdin" : o->input;
    return image_parse_asm(input, &img, a, d) && image_write(output_name(o, a), &img, a, d);
}

int main(int argc, char **argv)
{
    struct options o = {0};
    int status = parse_options(argc, argv, &o);
    if (status >= 0)
        return status;
    struct arena *a = arena_create();
    struct diag *d = diag_create(a, loc_table_create(a));
    bool ok = o.machine ? print_machine(o.machine, a, d) : assemble(&o, a, d);
    arena_destroy(a);
    return cli_finish(TOOL, ok ? CLI_OK : CLI_INPUT);
}

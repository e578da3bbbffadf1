// bitlet-objdump: what is in a binary.
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include "cli.h"
#include "image.h"
#include "isa.h"

static const char TOOL[] = "bitlet-objdump";
static const char HELP[] =
    "Usage: bitlet-objdump [options] FILE.blt\n"
    "\n"
    "Prints what is in a Bitlet binary. Options combine; without any: -h -t.\n"
    "\n"
    "Options:\n"
    "  -d, --disassemble     the whole binary as assembler text; bitlet-as makes the same bytes of "
    "it\n"
    "  -l, --layers          with -d (and implies it): a comment names the layer where its "
    "instructions begin\n"
    "  -a, --addresses       with -d (and implies it): address and word of every instruction, as a "
    "comment\n"
    "      --no-data         with -d (and implies it): leave .rodata and .lanes out\n"
    "  -h, --headers         sections, machine, inputs and outputs\n"
    "  -t, --symbols         addresses of inputs, outputs and host kernels, and the pc ranges of "
    "the layers\n"
    "      --help            this text\n"
    "      --version         the version\n"
    "\n"
    "Examples:\n"
    "  bitlet-objdump model.blt                          what is it, and what does it take?\n"
    "  bitlet-objdump -l --no-data model.blt | less      read the program layer by layer\n"
    "  bitlet-objdump -d model.blt > model.s             edit it, then: bitlet-as model.s -o "
    "edited.blt\n"
    "  bitlet-objdump -d a.blt | diff - <(bitlet-objdump -d b.blt)\n"
    "\n"
    "With -d the other parts are printed as comments. The file is ELF: 'readelf -S' reads it, "
    "too.\n"
    "Exit status: 0 fine, 1 the file is at fault, 2 usage.\n";

struct options {
    bool disassemble, headers, symbols;
    struct image_print how;
    const char *input;
};

enum { OPT_HELP = 256, OPT_VERSION, OPT_NO_DATA };

static bool set_option(int opt, struct options *o)
{
    switch (opt) {
    case 'd': o->disassemble = true; return true;
    case 'l': o->disassemble = o->how.layers = true; return true;
    case 'a': o->disassemble = o->how.addresses = true; return true;
    case OPT_NO_DATA: o->disassemble = o->how.no_data = true; return true;
    case 'h': o->headers = true; return true;
    case 't': o->symbols = true; return true;
    default: return false;
    }
}

// The status to end with, or -1 to go on.
static int parse_options(int argc, char **argv, struct options *o)
{
    static const struct option LONG[] = {
        {"disassemble", no_argument, NULL, 'd'},
        {"layers", no_argument, NULL, 'l'},
        {"addresses", no_argument, NULL, 'a'},
        {"no-data", no_argument, NULL, OPT_NO_DATA},
        {"headers", no_argument, NULL, 'h'},
        {"symbols", no_argument, NULL, 't'},
        {"help", no_argument, NULL, OPT_HELP},
        {"version", no_argument, NULL, OPT_VERSION},
        {NULL, 0, NULL, 0},
    };
    for (int opt; (opt = getopt_long(argc, argv, "dlaht", LONG, NULL)) != -1;) {
        if (opt == OPT_HELP)
            return cli_help(HELP);
        if (opt == OPT_VERSION)
            return cli_version(TOOL);
        if (!set_option(opt, o))
            return cli_usage_hint(TOOL);
    }
    if (argc - optind != 1)
        return cli_usage(TOOL, argc == optind ? "no input file" : "one input, not %d",
                         argc - optind);
    o->input = strcmp(argv[optind], "-") == 0 ? "/dev/stdin" : argv[optind];
    if (!o->disassemble && !o->headers && !o->symbols)
        o->headers = o->symbols = true;
    return -1;
}

// ---- Printing; `mark` begins every line: "# " beside a disassembly, else nothing
// ----------------------

// Names come from the file; control characters in them would reach the terminal, or end a comment.
static void print_name(const char *s)
{
    for (; *s; s++)
        putchar((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
}

static void print_ios(const char *mark, const char *what, const struct image_io *ios, size_t count,
                      struct arena *a)
{
    for (size_t i = 0; i < count; i++) {
        printf("%s  %s %zu  ", mark, what, i);
        print_name(ios[i].name);
        printf("  %s\n", image_io_text(&ios[i], a));
    }
}

static void print_headers(const struct image *img, const char *mark, struct arena *a)
{
    struct image_section *sections;
    size_t count = image_list_sections(img, a, &sections);
    printf("%ssections:\n%s  %-16s %12s %12s %6s  address\n", mark, mark, "name", "bytes", "offset",
           "align");
    for (size_t i = 0; i < count; i++) {
        const struct image_section *s = &sections[i];
        printf("%s  %-16s %12" PRIu64 " %12" PRIu64 " %6" PRIu64, mark, s->name, s->size, s->offset,
               s->align);
        printf(s->in_memory ? "  0x%" PRIx64 "\n" : "  -\n", s->addr);
    }
    const char *ext = machine_ext_text(img->machine.ext, a);
    printf("%smachine %s, extensions %s, format version %d\n", mark, img->machine.name,
           ext[0] ? ext : "none", IMAGE_VERSION);
    printf("%s  %s\n", mark, machine_json(&img->machine, a));
    printf("%sheap %" PRIu64 " bytes at 0x%llx, %zu instructions\n", mark, img->heap_bytes,
           IMAGE_HEAP_BASE, img->text_bytes / ISA_WORD_BYTES);
    print_ios(mark, "input ", img->inputs, img->num_inputs, a);
    print_ios(mark, "output", img->outputs, img->num_outputs, a);
}

static uint64_t io_bytes(const struct image_io *io)
{
    return (uint64_t)dims_elems(io->dim, io->rank) * dtype_bytes(io->dtype);
}

static void print_io_symbols(const char *mark, const char *what, const struct image_io *ios,
                             size_t count)
{
    for (size_t i = 0; i < count; i++) {
        printf("%s%016" PRIx64 " %12" PRIu64 "  %-6s  ", mark, ios[i].addr, io_bytes(&ios[i]),
               what);
        print_name(ios[i].name);
        putchar('\n');
    }
}

static void print_symbols(const struct image *img, const char *mark, struct arena *a)
{
    printf("%ssymbols: address, bytes, kind, name\n", mark);
    print_io_symbols(mark, "input", img->inputs, img->num_inputs);
    print_io_symbols(mark, "output", img->outputs, img->num_outputs);
    for (size_t i = 0; i < img->num_host; i++) {
        printf("%s%016zx %12s  %-6s  ", mark, i, "-", "host");
        print_name(img->host[i]);
        putchar('\n');
    }
    for (size_t i = 0; i < img->num_locs; i++) {
        uint64_t pc = img->locs[i].pc;
        uint64_t end = i + 1 < img->num_locs ? img->locs[i + 1].pc : img->text_bytes;
        printf("%s%016" PRIx64 " %12" PRIu64 "  %-6s  %s\n", mark, pc, end - pc, "layer",
               image_layer_text(img, img->locs[i].layer, a));
    }
}

static bool print_image(const struct image *img, const struct options *o, struct arena *a,
                        struct diag *d)
{
    const char *mark = o->disassemble ? "# " : "";
    if (o->headers)
        print_headers(img, mark, a);
    if (o->symbols)
        print_symbols(img, mark, a);
    return !o->disassemble || image_print_listing(img, &o->how, stdout, d);
}

int main(int argc, char **argv)
{
    struct options o = {0};
    int status = parse_options(argc, argv, &o);
    if (status >= 0)
        return status;
    struct arena *a = arena_create();
    struct diag *d = diag_create(a, loc_table_create(a));
    struct image img;
    bool ok = image_read(o.input, &img, a, d);
    if (ok) {
        ok = print_image(&img, &o, a, d);
        image_close(&img);
    }
    arena_destroy(a);
    return cli_finish(TOOL, ok ? CLI_OK : CLI_INPUT);
}

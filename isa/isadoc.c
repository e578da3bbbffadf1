// isadoc: prints ISA.md from isa.def, fn.def, dtypes.def and machine.def. The chapters that no
// table holds are in isadoc_prose.c.
#include <inttypes.h>
#include <string.h>

#include "cli.h"
#include "image.h"
#include "isa.h"
#include "isadoc_prose.h"

enum { ROWS = 4, ROW_BITS = 32, CHARS_A_BIT = 3 };

static const char *const KIND_NAMES[] = {
    [ISA_KIND_XREG] = "x register",    [ISA_KIND_TREG] = "t register",
    [ISA_KIND_UIMM] = "unsigned",      [ISA_KIND_SIMM] = "signed",
    [ISA_KIND_OFF] = "distance",       [ISA_KIND_F32] = "f32",
    [ISA_KIND_FLAG] = "flag",          [ISA_KIND_DTYPE] = "element type",
    [ISA_KIND_UFN] = "unary function", [ISA_KIND_BFN] = "binary function",
    [ISA_KIND_RFN] = "reduction",      [ISA_KIND_MODE] = "mode",
    [ISA_KIND_ROUND] = "rounding",
};

static const struct {
    const char *title, *text;
} UNITS[ISA_UNIT_NUM] = {
    [ISA_UNIT_CTRL] = {"CTRL, the scalar core",
                       "One instruction a cycle, in order; the others are handed to their units."},
    [ISA_UNIT_DMAW] = {"DMAW, the weight channel", "From .lanes to the weight buffer."},
    [ISA_UNIT_DMAA] = {"DMAA, the activation channel", "Between DRAM and the activation buffer."},
    [ISA_UNIT_PRE] = {"PRE, the preprocessing modules",
                      "Weights that are known only at run time become lanes."},
    [ISA_UNIT_ARRAY] = {"ARRAY, the BCEs", "Every multiply-accumulate runs here."},
    [ISA_UNIT_PACK] = {"PACK, the final packagers", "From partial sums to elements."},
    [ISA_UNIT_VEC] = {"VEC, the vector unit",
                      "What is not a multiply-accumulate; operands are views of any strides."},
    [ISA_UNIT_HOST] =
        {"HOST", "What is no tensor arithmetic: kernels called through a table of C signatures."},
};

// The last cell of a table row; bars inside it are escaped.
static void end_row(const char *text, FILE *f)
{
    fputs("| ", f);
    for (; *text; text++)
        fprintf(f, *text == '|' ? "\\%c" : "%c", *text);
    fputs(" |\n", f);
}

// ---- Drawings
// --------------------------------------------------------------------------------------

// The field that covers a bit of the word, or NULL; the opcode is a field here.
static const struct isa_field *field_at(const struct isa_format_info *fmt, int bit)
{
    static const struct isa_field OPCODE = {
        .name = "opcode", .lo = 0, .width = 8, .kind = ISA_KIND_UIMM};
    if (bit < 8)
        return &OPCODE;
    for (int i = 0; i < fmt->num_fields; i++)
        if (bit >= fmt->fields[i].lo && bit < fmt->fields[i].lo + fmt->fields[i].width)
            return &fmt->fields[i];
    return NULL;
}

// Lowest bit of the cell that `bit` is the highest of, in its row.
static int cell_low(const struct isa_format_info *fmt, int bit, int row_low)
{
    const struct isa_field *f = field_at(fmt, bit);
    while (bit > row_low && field_at(fmt, bit - 1) == f)
        bit--;
    return bit;
}

static void cell_text(const struct isa_field *f, int high, int low, char *buf, size_t cap)
{
    if (!f)
        snprintf(buf, cap, "0");
    else if (high - low + 1 == f->width)
        snprintf(buf, cap, "%s", f->name);
    else
        snprintf(buf, cap, "%s[%d:%d]", f->name, high - f->lo, low - f->lo);
}

static void draw_row(const struct isa_format_info *fmt, int row, FILE *f)
{
    int low = row * ROW_BITS;
    fputc('|', f);
    for (int bit = low + ROW_BITS - 1; bit >= low;) {
        int end = cell_low(fmt, bit, low), width = (bit - end + 1) * CHARS_A_BIT - 1;
        char text[40];
        cell_text(field_at(fmt, bit), bit, end, text, sizeof text);
        int len = (int)strlen(text) < width ? (int)strlen(text) : width, left = (width - len) / 2;
        fprintf(f, "%*s%.*s%*s|", left, "", len, text, width - len - left, "");
        bit = end - 1;
    }
    fprintf(f, " %d..%d\n", low + ROW_BITS - 1, low);
}

static void draw_rule(FILE *f)
{
    for (int bit = 0; bit < ROW_BITS; bit++)
        fputs("+--", f);
    fputs("+\n", f);
}

static void draw_format(const struct isa_format_info *fmt, FILE *f)
{
    fputs("```\n", f);
    for (int bit = ROW_BITS - 1; bit >= 0; bit--)
        fprintf(f, " %2d", bit);
    fputc('\n', f);
    for (int row = 0; row < ROWS; row++) {
        draw_rule(f);
        draw_row(fmt, row, f);
    }
    draw_rule(f);
    fputs("```\n\n", f);
}

static void print_fields(const struct isa_format_info *fmt, FILE *f)
{
    if (fmt->num_fields == 0)
        return;
    fputs("| field | bits | kind | meaning |\n|---|---|---|---|\n", f);
    for (int i = 0; i < fmt->num_fields; i++) {
        const struct isa_field *x = &fmt->fields[i];
        int high = x->lo + x->width - 1;
        if (x->width == 1)
            fprintf(f, "| `%s` | %d | %s ", x->name, x->lo, KIND_NAMES[x->kind]);
        else
            fprintf(f, "| `%s` | %d..%d | %s ", x->name, high, x->lo, KIND_NAMES[x->kind]);
        end_row(x->doc, f);
    }
    fputc('\n', f);
}

static void print_formats(FILE *f)
{
    fputs("## 3. Formats\n\nA word is drawn as four rows of 32 bits, bit 0 at the lower end of the "
          "first row. Names that do not\n"
          "fit their cell are cut; the table below a drawing has them whole. Cells with 0 are "
          "reserved and must be zero.\n\n",
          f);
    for (int i = 0; i < ISA_FMT_NUM; i++) {
        const struct isa_format_info *fmt = &isa_format_info[i];
        fprintf(f, "### %s\n\nUsed by", fmt->name);
        for (int op = 0, n = 0; op < ISA_OP_NUM; op++)
            if (isa_op_info[op].format == (enum isa_format)i)
                fprintf(f, "%s `%s`", n++ ? "," : "", isa_op_info[op].text);
        fputs(".\n\n", f);
        draw_format(fmt, f);
        print_fields(fmt, f);
    }
}

// ---- Instructions
// ----------------------------------------------------------------------------------

// "`add rd, ra, rb, imm=`": the operands as the assembler wants them.
static void print_syntax(const struct isa_op_info *op, FILE *f)
{
    const struct isa_format_info *fmt = &isa_format_info[op->format];
    fprintf(f, "`%s", op->text);
    const char *gap = " ";
    for (int i = 0; i < fmt->num_fields; i++) {
        enum isa_kind kind = fmt->fields[i].kind;
        if (kind != ISA_KIND_XREG && kind != ISA_KIND_TREG && kind != ISA_KIND_OFF)
            continue;
        fprintf(f, "%s%s", gap, fmt->fields[i].name);
        gap = ", ";
    }
    for (int i = 0; i < fmt->num_fields; i++) {
        enum isa_kind kind = fmt->fields[i].kind;
        if (kind == ISA_KIND_XREG || kind == ISA_KIND_TREG || kind == ISA_KIND_OFF)
            continue;
        fprintf(f, "%s%s%s", gap, fmt->fields[i].name, kind == ISA_KIND_FLAG ? "" : "=");
        gap = ", ";
    }
    fputc('`', f);
}

static void print_unit(enum isa_unit unit, FILE *f)
{
    fprintf(f, "### %s\n\n%s\n\n", UNITS[unit].title, UNITS[unit].text);
    fputs("| opcode | instruction | format | register transfer |\n|---|---|---|---|\n", f);
    for (int i = 0; i < ISA_OP_NUM; i++) {
        const struct isa_op_info *op = &isa_op_info[i];
        if (op->unit != unit)
            continue;
        fprintf(f, "| 0x%02x | ", op->opcode);
        print_syntax(op, f);
        fprintf(f, " | %s ", isa_format_info[op->format].name);
        end_row(op->doc, f);
    }
    fputc('\n', f);
}

static void print_instructions(FILE *f)
{
    fputs("## 4. Instructions\n\nBy the unit that executes them. `fence` names units by the bits "
          "of its mask, in the order of this chapter.\n\n",
          f);
    for (int i = 0; i < ISA_UNIT_NUM; i++)
        print_unit((enum isa_unit)i, f);
}

// ---- Named values
// ----------------------------------------------------------------------------------

static void print_functions(const char *title, const struct fn_info *fns, int num, FILE *f)
{
    fprintf(f, "### %s\n\n| number | name | cycles | meaning |\n|---|---|---|---|\n", title);
    for (int i = 0; i < num; i++) {
        if (!fns[i].name)
            continue;
        fprintf(f, "| %d | `%s` | %d ", i, fns[i].name, fns[i].cost);
        end_row(fns[i].doc, f);
    }
    fputc('\n', f);
}

static void print_types(FILE *f)
{
    static const char *const KINDS[] = {
        [DTK_I] = "two's complement",
        [DTK_U] = "unsigned",
        [DTK_F] = "float",
        [DTK_B] = "bool",
        [DTK_S] = "string handle",
        [DTK_C] = "complex",
        [DTK_X] = "opaque",
        [DTK_H] = "list handle",
    };
    fputs("### Element types\n\n| number | name | bits | bytes of an element | kind "
          "|\n|---|---|---|---|---|\n",
          f);
    for (int i = 0; i < DT_NUM; i++)
        fprintf(f, "| %d | `%s` | %d | %d | %s |\n", i, dtype_info[i].text, dtype_info[i].bits,
                dtype_info[i].bytes, KINDS[dtype_info[i].kind]);
    fputc('\n', f);
}

static void print_enum(const char *title, enum isa_kind kind, FILE *f)
{
    fprintf(f, "### %s\n\n| number | name |\n|---|---|\n", title);
    const char *name;
    for (int v = 0; (name = isa_enum_text(kind, v)) != NULL; v++)
        fprintf(f, "| %d | `%s` |\n", v, name);
    fputc('\n', f);
}

static void print_effects(FILE *f)
{
    fputs("### Effects\n\nWhat a predicted time does not know, as bits of `.time`.\n\n"
          "| bit | name | meaning |\n|---|---|---|\n",
          f);
#define IMAGE_EFFECT(NAME, text, doc)                                                              \
    fprintf(f, "| %d | %s | %s |\n", IMAGE_EFFECT_##NAME, text, doc);
#include "effect.def"
    fputc('\n', f);
}

static void print_named_values(FILE *f)
{
    fputs("## 5. Named values\n\nCycles are those that one lane of the vector unit takes for one "
          "element.\n\n",
          f);
    print_types(f);
    print_functions("Unary functions", unary_fn_info, UFN_NUM, f);
    print_functions("Binary functions", binary_fn_info, BFN_NUM, f);
    print_functions("Reductions", reduce_fn_info, RFN_NUM, f);
    print_enum("Modes of the array", ISA_KIND_MODE, f);
    print_enum("Roundings to integers", ISA_KIND_ROUND, f);
    print_effects(f);
}

// ---- Machine
// ---------------------------------------------------------------------------------------

static void print_machine(FILE *f)
{
    fputs("## 6. Machine parameters\n\nKeys of a machine file (JSON), with `base` (a preset), "
          "`name` and `extensions` (letters of PGSB).\n\n"
          "| key | default | least | greatest | unit | meaning |\n|---|---|---|---|---|---|\n",
          f);
#define MACHINE_INT(name, def, min, max, unit, doc)                                                \
    fprintf(f, "| `%s` | %" PRId64 " | %" PRId64 " | %" PRId64 " | %s | %s |\n", #name,            \
            (int64_t)(def), (int64_t)(min), (int64_t)(max), unit, doc);
#define MACHINE_REAL(name, def, min, max, unit, doc)                                               \
    fprintf(f, "| `%s` | %g | %g | %g | %s | %s |\n", #name, (double)(def), (double)(min),         \
            (double)(max), unit, doc);
#include "machine.def"
    fputc('\n', f);
}

static void print_presets(FILE *f, struct arena *a, struct diag *d)
{
    const char *const *names;
    int num = machine_presets(&names);
    fputs("Presets:\n\n", f);
    for (int i = 0; i < num; i++) {
        struct machine m;
        if (!machine_load(names[i], &m, a, d))
            bitlet_bug("preset %s does not load", names[i]);
        fprintf(f, "- `%s`: `%s`\n", names[i], machine_json(&m, a));
    }
    fputc('\n', f);
}

static void print_lines(const char *const *lines, FILE *f)
{
    for (; *lines; lines++)
        fprintf(f, "%s\n", *lines);
}

static void print_document(FILE *f, struct arena *a, struct diag *d)
{
    print_lines(ISADOC_HEAD, f);
    print_formats(f);
    print_instructions(f);
    print_named_values(f);
    print_machine(f);
    print_presets(f, a, d);
    print_lines(ISADOC_TAIL, f);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return cli_usage("isadoc", "isadoc FILE.md");
    struct arena *a = arena_create();
    struct diag *d = diag_create(a, loc_table_create(a));
    struct io_out *o = io_create(argv[1], a, d);
    bool ok = o != NULL;
    if (ok) {
        print_document(io_file(o), a, d);
        ok = io_commit(o, d);
    }
    arena_destroy(a);
    return ok ? CLI_OK : CLI_INPUT;
}

// irdoc LANG.md: prints the language reference with its generated part anew: everything up to the
// marker is taken from the file, the tables of ops and attributes come from ops.def.
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "io.h"
#include "ir.h"

static const char MARKER[] = "<!-- generated from ops.def: run the target docs-ir -->\n";

static const char *printed_name(enum ir_attr_id id)
{
    enum ir_attr_kind kind = ir_attr_info[id].kind;
    return kind == IR_AK_U || kind == IR_AK_B || kind == IR_AK_R ? "fn" : ir_attr_info[id].name;
}

static const char *kind_text(enum ir_attr_kind kind)
{
    switch (kind) {
    case IR_AK_I: return "integer";
    case IR_AK_IS: return "integers";
    case IR_AK_F: return "float, single precision";
    case IR_AK_D: return "float, double precision";
    case IR_AK_FS: return "floats, double precision";
    case IR_AK_T: return "element type";
    case IR_AK_U: return "unary function";
    case IR_AK_B: return "binary function";
    case IR_AK_R: return "reduce function";
    case IR_AK_M: return "`fixed`, `fp32` or `fp16`";
    case IR_AK_S: return "string";
    }
    return "";
}

static void print_attrs_of(enum ir_opcode op)
{
    int n = 0;
    for (int id = 0; id < IR_A_NUM; id++) {
        bool required;
        if (!ir_op_has_attr(op, (enum ir_attr_id)id, &required))
            continue;
        printf(n++ ? ", " : "");
        printf(required ? "**%s**" : "%s", printed_name((enum ir_attr_id)id));
    }
}

static void print_traits(uint32_t traits)
{
    static const struct {
        uint32_t bit;
        const char *text;
    } names[] = {{IR_T_MAC, "mac"},    {IR_T_ELT, "elt"},     {IR_T_MOVE, "move"},
                 {IR_T_PURE, "pure"},  {IR_T_ALIAS, "alias"}, {IR_T_OPEN, "open"},
                 {IR_T_CLOSE, "close"}};
    int n = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (traits & names[i].bit)
            printf("%s%s", n++ ? " " : "", names[i].text);
}

static void print_count(int least, int most)
{
    if (most < 0)
        printf("%d or more", least);
    else if (least == most)
        printf("%d", least);
    else
        printf("%d to %d", least, most);
}

static void print_ops(void)
{
    printf("\n## Ops\n\nRequired attributes are bold. Traits are those of `ops.def`.\n\n");
    printf("| op | operands | traits | attributes | meaning |\n|---|---|---|---|---|\n");
    for (int i = 0; i < IR_OP_NUM; i++) {
        const struct ir_op_info *op = &ir_op_info[i];
        printf("| `%s` | ", op->text);
        print_count(op->in_min, op->in_max);
        printf(" | ");
        print_traits(op->traits);
        printf(" | ");
        print_attrs_of((enum ir_opcode)i);
        printf(" | %s |\n", op->doc);
    }
}

static void print_attrs(void)
{
    printf("\n## Attributes\n\n| attribute | kind | meaning |\n|---|---|---|\n");
    for (int i = 0; i < IR_A_NUM; i++)
        printf("| `%s` | %s | %s |\n", printed_name((enum ir_attr_id)i),
               kind_text(ir_attr_info[i].kind), ir_attr_info[i].doc);
}

static void print_functions(const char *title, const struct fn_info *table, int num)
{
    printf("\n## %s functions\n\n| fn | meaning |\n|---|---|\n", title);
    for (int i = 0; i < num; i++) {
        if (!table[i].name)
            continue;
        printf("| `%s` | ", table[i].name);
        for (const char *s = table[i].doc; *s; s++)
            printf(*s == '|' ? "\\%c" : "%c", *s);
        printf(" |\n");
    }
}

static void print_types(void)
{
    printf("\n## Element types\n\n");
    for (int i = 0; i < DT_NUM; i++)
        printf("%s`%s`", i ? ", " : "", dtype_text((enum dtype)i));
    printf("\n");
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return cli_usage("irdoc", "one file is needed");
    struct arena *a = arena_create();
    struct io_map map;
    if (!io_map_file(&map, argv[1], 0, diag_create(a, NULL)))
        return CLI_INPUT;
    const char *text = (const char *)map.data,
               *end = memmem(text, map.size, MARKER, sizeof MARKER - 1);
    printf("%.*s%s", end ? (int)(end - text) : (int)map.size, text, MARKER);
    print_ops();
    print_attrs();
    print_functions("Unary", unary_fn_info, UFN_NUM);
    print_functions("Binary", binary_fn_info, BFN_NUM);
    print_functions("Reduce", reduce_fn_info, RFN_NUM);
    print_types();
    io_unmap(&map);
    arena_destroy(a);
    return cli_finish("irdoc", CLI_OK);
}

// Prints OPS.md from the table: the operators that are imported, their opsets, operands and
// attributes.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "import.h"
#include "onnx_table.h"

#define TOOL "onnxdoc"

static const char head[] =
    "# ONNX operators\n"
    "\n"
    "Printed from `onnx_ops.def` and the tables of the other domains by `onnxdoc`; do not edit. IR "
    "versions %d to %d.\n"
    "An operator that is not here is refused with `onnx-op-unknown`, a use of one that is not "
    "supported with `onnx-op-unsupported`.\n"
    "\n"
    "Operands and results: `1-3` at least one, at most three. Attributes: **bold** required, else "
    "with the default;\n"
    "`@11` from opset 11 on, `@7-8` in 7 and 8 only. Runs on: the units that ran it over the "
    "official cases\n"
    "(array: the BCE array; none: known when compiling, or a view of other data); cases: how many "
    "of those with\n"
    "the operator, in any opset, pass.\n";

static const char columns[] =
    "\n"
    "| operator | opsets | operands | results | what it does | runs on | cases | attributes |\n"
    "|---|---|---|---|---|---|---|---|\n";

// Measured over the official cases, by operator.
static const struct units {
    const char *op, *units;
    int passed, cases;
} units[] = {
#define ONNX_UNITS(op, units, passed, cases) {op, units, passed, cases},
#include "onnx_units.def"
};

static int first_opset(int since)
{
    return since > ONNX_OPSET_MIN ? since : ONNX_OPSET_MIN;
}

static void print_count(FILE *f, int min, int max)
{
    if (max < 0)
        fprintf(f, " | %d or more", min);
    else if (min == max)
        fprintf(f, " | %d", min);
    else
        fprintf(f, " | %d-%d", min, max);
}

static bool same_op(const struct onnx_op *op, const struct onnx_attr *a)
{
    if (strcmp(op->name, a->op) != 0)
        return false;
    bool before = op->until != 0 && a->since >= op->until,
         after = a->until != 0 && a->until <= first_opset(op->since);
    return !before && !after;
}

static void print_attr(FILE *f, const struct onnx_op *op, const struct onnx_attr *a)
{
    fprintf(f, a->required ? "**%s**" : "%s", a->name);
    if (!a->required && *a->dflt)
        fprintf(f, " (%s)", a->dflt);
    bool later = a->since > first_opset(op->since),
         sooner = a->until != 0 && (op->until == 0 || a->until < op->until);
    if (later || sooner)
        fprintf(f, " @%d", first_opset(a->since));
    if (sooner)
        fprintf(f, "-%d", a->until - 1);
}

static void print_units(FILE *f, const struct onnx_domain *d, const struct onnx_op *op)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        const char *name = units[i].op;
        size_t len = strlen(d->name);
        if (len && (strncmp(name, d->name, len) != 0 || name[len] != '.'))
            continue;
        if (strcmp(name + (len ? len + 1 : 0), op->name) == 0) {
            fprintf(f, " | %s | %d of %d", units[i].units, units[i].passed, units[i].cases);
            return;
        }
    }
    fputs(" |  | ", f);
}

static void print_op(FILE *f, const struct onnx_domain *d, const struct onnx_op *op)
{
    fprintf(f, "| %s | %d-", op->name, first_opset(op->since));
    if (op->until)
        fprintf(f, "%d", op->until - 1);
    print_count(f, op->in_min, op->in_max);
    print_count(f, op->out_min, op->out_max);
    fputs(" | ", f);
    for (const char *s = op->doc; *s; s++)
        fprintf(f, *s == '|' ? "\\%c" : "%c", *s);
    print_units(f, d, op);
    fputs(" | ", f);
    const char *between = "";
    for (size_t i = 0; i < d->num_attrs; i++)
        if (same_op(op, &d->attrs[i])) {
            fputs(between, f);
            print_attr(f, op, &d->attrs[i]);
            between = ", ";
        }
    fputs(" |\n", f);
}

static void print_domain(FILE *f, const struct onnx_domain *d)
{
    if (*d->name)
        fprintf(f, "\n## Domain `%s`, opsets %d to %d\n", d->name, ONNX_OPSET_MIN, d->newest);
    else if (d != onnx_domain)
        fputs("\n## Default domain, forms that ended with opset 6 or before\n", f);
    else
        fprintf(f, "\n## Default domain, opsets %d to %d\n", ONNX_OPSET_MIN, d->newest);
    fputs(columns, f);
    for (size_t i = 0; i < d->num_ops; i++)
        print_op(f, d, &d->ops[i]);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return cli_usage(TOOL, "expected one file name");
    struct arena *a = arena_create();
    struct diag *d = diag_create(a, NULL);
    struct io_out *out = io_create(argv[1], a, d);
    if (out) {
        fprintf(io_file(out), head, ONNX_IR_VERSION_MIN, ONNX_IR_VERSION_MAX);
        for (size_t i = 0; i < onnx_domain_count; i++)
            print_domain(io_file(out), &onnx_domain[i]);
    }
    bool ok = out && io_commit(out, d);
    arena_destroy(a);
    return ok ? CLI_OK : CLI_INPUT;
}

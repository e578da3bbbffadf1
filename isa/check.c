// A test of isa.def itself: what the compiler cannot see in the table. Opcodes and texts are
// unique, fields stay inside the word and apart from each other, every format is used, and every
// value of a named field that an enumeration holds fits.
#include <stdio.h>
#include <string.h>

#include "isa.h"

static int failures;

static void fail(const char *where, const char *what)
{
    printf("%s: %s\n", where, what);
    failures++;
}

static void check_ops(void)
{
    for (int i = 0; i < ISA_OP_NUM; i++) {
        for (int j = 0; j < i; j++) {
            if (isa_op_info[i].opcode == isa_op_info[j].opcode)
                fail(isa_op_info[i].text, "opcode used twice");
            if (strcmp(isa_op_info[i].text, isa_op_info[j].text) == 0)
                fail(isa_op_info[i].text, "text used twice");
        }
        if (isa_op_by_opcode(isa_op_info[i].opcode) != i ||
            isa_op_by_text(isa_op_info[i].text, strlen(isa_op_info[i].text)) != i)
            fail(isa_op_info[i].text, "not found by opcode or text");
    }
}

static bool overlap(const struct isa_field *a, const struct isa_field *b)
{
    return a->lo < b->lo + b->width && b->lo < a->lo + a->width;
}

static void check_fields(const struct isa_format_info *fmt)
{
    if (fmt->num_fields > ISA_MAX_FIELDS)
        fail(fmt->name, "more fields than isa_insn.f holds");
    for (int i = 0; i < fmt->num_fields; i++) {
        const struct isa_field *f = &fmt->fields[i];
        if (f->lo < 8 || f->lo + f->width > 8 * ISA_WORD_BYTES || f->width < 1 || f->width > 64)
            fail(f->name, "outside the word");
        for (int j = 0; j < i; j++) {
            if (overlap(f, &fmt->fields[j]))
                fail(fmt->name, "fields overlap");
            if (strcmp(f->name, fmt->fields[j].name) == 0)
                fail(fmt->name, "two fields of one name");
        }
    }
}

// Widths that a kind needs: registers name 32, flags are one bit, enumerations hold their last
// value.
static void check_widths(const struct isa_format_info *fmt)
{
    for (int i = 0; i < fmt->num_fields; i++) {
        const struct isa_field *f = &fmt->fields[i];
        bool is_register = f->kind == ISA_KIND_XREG || f->kind == ISA_KIND_TREG;
        if ((is_register && f->width != 5) || (f->kind == ISA_KIND_FLAG && f->width != 1) ||
            (f->kind == ISA_KIND_F32 && f->width != 32))
            fail(fmt->name, "a field's width does not fit its kind");
        for (int v = 0; isa_kind_is_enum(f->kind) && v < 256; v++)
            if (isa_enum_text(f->kind, v) && v >> f->width != 0)
                fail(fmt->name, "a named value does not fit its field");
    }
}

static bool is_used(enum isa_format fmt)
{
    for (int i = 0; i < ISA_OP_NUM; i++)
        if (isa_op_info[i].format == fmt)
            return true;
    return false;
}

// Every bit that no field covers must make the word illegal.
static void check_reserved(enum isa_op op)
{
    struct isa_insn in = {.op = op};
    uint8_t word[ISA_WORD_BYTES];
    const struct isa_format_info *fmt = &isa_format_info[isa_op_info[op].format];
    if (!isa_encode(&in, word, NULL)) {
        fail(isa_op_info[op].text, "all fields zero cannot be encoded");
        return;
    }
    for (int bit = 8; bit < 8 * ISA_WORD_BYTES; bit++) {
        bool covered = false;
        for (int i = 0; i < fmt->num_fields; i++)
            covered |= bit >= fmt->fields[i].lo && bit < fmt->fields[i].lo + fmt->fields[i].width;
        uint8_t old = word[bit / 8];
        word[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (!covered && isa_decode(word, &in))
            fail(isa_op_info[op].text, "a reserved bit is accepted");
        word[bit / 8] = old;
    }
}

int main(void)
{
    check_ops();
    for (int i = 0; i < ISA_FMT_NUM; i++) {
        check_fields(&isa_format_info[i]);
        check_widths(&isa_format_info[i]);
        if (!is_used((enum isa_format)i))
            fail(isa_format_info[i].name, "a format that no instruction uses");
    }
    for (int i = 0; i < ISA_OP_NUM; i++)
        check_reserved((enum isa_op)i);
    printf("%d instructions, %d formats, %d failures\n", ISA_OP_NUM, ISA_FMT_NUM, failures);
    return failures != 0;
}

// The tables, expanded from isa.def. A field outside the word or wider than 64 bits, a format with
// too many fields and an opcode used twice do not compile.
#include "isa.h"

#include <string.h>

// clang-format off
#define ISA_FIELD(fmt, field, lo, width, kind, doc)                                                                        \
    _Static_assert((width) >= 1 && (width) <= 64 && (lo) >= 8 && (lo) + (width) <= 8 * ISA_WORD_BYTES, #fmt "." #field);
#include "isa.def"

#define ISA_FORMAT(fmt) static const struct isa_field FIELDS_##fmt[] = {
#define ISA_FIELD(fmt, field, low, bits, knd, text) {.name = #field, .lo = (low), .width = (bits), .kind = ISA_KIND_##knd, .doc = (text)},
#define ISA_END(fmt) {.name = NULL}};
#include "isa.def"

#define NUM_FIELDS(fmt) (sizeof FIELDS_##fmt / sizeof FIELDS_##fmt[0] - 1)

// isa_insn.f[] overlays the formats' structs: it must be as long as the longest.
#define ISA_FORMAT(fmt) _Static_assert(sizeof FIELDS_##fmt / sizeof FIELDS_##fmt[0] - 1 <= ISA_MAX_FIELDS, #fmt);
#include "isa.def"

const struct isa_format_info isa_format_info[ISA_FMT_NUM] = {
#define ISA_FORMAT(fmt) [ISA_FMT_##fmt] = {.name = #fmt, .fields = FIELDS_##fmt, .num_fields = (int)NUM_FIELDS(fmt)},
#include "isa.def"
};

const struct isa_op_info isa_op_info[ISA_OP_NUM] = {
#define ISA_INSN(op, txt, opc, fmt, un, docs) [ISA_##op] = {.text = (txt), .opcode = (opc), .format = ISA_FMT_##fmt, .unit = ISA_UNIT_##un, .doc = (docs)},
#include "isa.def"
};
// clang-format on

const char *const isa_unit_name[ISA_UNIT_NUM] = {
    [ISA_UNIT_CTRL] = "ctrl", [ISA_UNIT_DMAW] = "dmaw",   [ISA_UNIT_DMAA] = "dmaa",
    [ISA_UNIT_PRE] = "pre",   [ISA_UNIT_ARRAY] = "array", [ISA_UNIT_PACK] = "pack",
    [ISA_UNIT_VEC] = "vec",   [ISA_UNIT_HOST] = "host",
};

// clang-format off
int isa_op_by_opcode(uint8_t opcode)
{
    switch (opcode) {
#define ISA_INSN(name, text, opc, fmt, unit, doc) case (opc): return ISA_##name;
#include "isa.def"
    default: return -1;
    }
}
// clang-format on

int isa_op_by_text(const char *text, size_t len)
{
    for (int i = 0; i < ISA_OP_NUM; i++) {
        const char *t = isa_op_info[i].text;
        if (strncmp(t, text, len) == 0 && t[len] == '\0')
            return i;
    }
    return -1;
}

// ---- Values that have names
// -------------------------------------------------------------------------

struct enum_row {
    enum isa_kind kind;
    const char *name;
    int value;
};
static const struct enum_row ENUMS[] = {
#define ISA_ENUM(knd, text, number) {.kind = ISA_KIND_##knd, .name = #text, .value = (number)},
#include "isa.def"
};
enum { NUM_ENUMS = sizeof ENUMS / sizeof ENUMS[0] };

bool isa_kind_is_enum(enum isa_kind kind)
{
    return kind >= ISA_KIND_DTYPE;
}

static const struct fn_info *fn_table(enum isa_kind kind, int *num)
{
    switch (kind) {
    case ISA_KIND_UFN: *num = UFN_NUM; return unary_fn_info;
    case ISA_KIND_BFN: *num = BFN_NUM; return binary_fn_info;
    case ISA_KIND_RFN: *num = RFN_NUM; return reduce_fn_info;
    default: return NULL;
    }
}

const char *isa_enum_text(enum isa_kind kind, int64_t value)
{
    if (kind == ISA_KIND_DTYPE)
        return value >= 0 && value < DT_NUM ? dtype_text((enum dtype)value) : NULL;
    int num = 0;
    const struct fn_info *fns = fn_table(kind, &num);
    if (fns)
        return value >= 0 && value < num ? fns[value].name : NULL;
    for (int i = 0; i < NUM_ENUMS; i++)
        if (ENUMS[i].kind == kind && ENUMS[i].value == value)
            return ENUMS[i].name;
    return NULL;
}

int isa_enum_by_text(enum isa_kind kind, const char *text, size_t len)
{
    enum dtype type;
    if (kind == ISA_KIND_DTYPE)
        return dtype_by_text(text, len, &type) ? (int)type : -1;
    int num = 0;
    const struct fn_info *fns = fn_table(kind, &num);
    if (fns)
        return fn_by_name(fns, num, text, len);
    for (int i = 0; i < NUM_ENUMS; i++)
        if (ENUMS[i].kind == kind && strlen(ENUMS[i].name) == len &&
            memcmp(ENUMS[i].name, text, len) == 0)
            return ENUMS[i].value;
    return -1;
}

// Instructions: types and prototypes, expanded from isa.def. No state, no allocation except where
// an arena is passed.
#ifndef BITLET_ISA_H
#define BITLET_ISA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diag.h"
#include "dtype.h"
#include "fn.h"

#define ISA_WORD_BYTES 16
#define ISA_XREGS 32
#define ISA_TREGS 32
#define ISA_MAX_RANK 8
#define ISA_MAX_AXES 4
#define ISA_MAX_FIELDS 12

enum isa_op {
#define ISA_INSN(name, text, opcode, fmt, unit, doc) ISA_##name,
#include "isa.def"
    ISA_OP_NUM
};
enum isa_format {
#define ISA_FORMAT(fmt) ISA_FMT_##fmt,
#include "isa.def"
    ISA_FMT_NUM
};
enum isa_kind {
    ISA_KIND_XREG,
    ISA_KIND_TREG,
    ISA_KIND_UIMM,
    ISA_KIND_SIMM,
    ISA_KIND_OFF,
    ISA_KIND_F32,
    ISA_KIND_FLAG,
    ISA_KIND_DTYPE,
    ISA_KIND_UFN,
    ISA_KIND_BFN,
    ISA_KIND_RFN,
    ISA_KIND_MODE,
    ISA_KIND_ROUND
};
enum isa_unit {
    ISA_UNIT_CTRL,
    ISA_UNIT_DMAW,
    ISA_UNIT_DMAA,
    ISA_UNIT_PRE,
    ISA_UNIT_ARRAY,
    ISA_UNIT_PACK,
    ISA_UNIT_VEC,
    ISA_UNIT_HOST,
    ISA_UNIT_NUM
};
enum {
#define ISA_ENUM(kind, name, value) ISA_##kind##_##name = (value),
#include "isa.def"
};

// Operands of one format, in table order, every field an int64_t (unsigned 64-bit fields hold the
// same bits; F32 the float's bits).
// clang-format off
#define ISA_FORMAT(fmt) struct isa_args_##fmt {
#define ISA_FIELD(fmt, name, lo, width, kind, doc) int64_t name;
#define ISA_END(fmt) int64_t end_; };
#include "isa.def"
// clang-format on

struct isa_insn {
    enum isa_op op;
    union {
        int64_t f[ISA_MAX_FIELDS]; // by position in the format
#define ISA_FORMAT(fmt) struct isa_args_##fmt fmt;
#include "isa.def"
    };
};

struct isa_field {
    const char *name;
    uint8_t lo, width;
    enum isa_kind kind;
    const char *doc;
};
struct isa_format_info {
    const char *name;
    const struct isa_field *fields;
    int num_fields;
};
struct isa_op_info {
    const char *text;
    uint8_t opcode;
    enum isa_format format;
    enum isa_unit unit;
    const char *doc;
};
extern const struct isa_op_info isa_op_info[ISA_OP_NUM];
extern const struct isa_format_info isa_format_info[ISA_FMT_NUM];
extern const char *const isa_unit_name[ISA_UNIT_NUM]; // "ctrl", "dmaw", ...

// False when a field is out of range; *bad_field (may be NULL) then gives its position.
BITLET_MUST_USE bool isa_encode(const struct isa_insn *in, uint8_t word[ISA_WORD_BYTES],
                                int *bad_field);
// False for an unknown opcode, a non-zero reserved bit, or a field value that names nothing (type,
// function, mode).
BITLET_MUST_USE bool isa_decode(const uint8_t word[ISA_WORD_BYTES], struct isa_insn *out);
int isa_op_by_text(const char *text, size_t len); // -1: none
int isa_op_by_opcode(uint8_t opcode);             // -1: none
// Least and greatest number a field takes; not every value of an enumerated kind has a name.
void isa_field_range(const struct isa_field *f, int64_t *min, uint64_t *max);

// Kinds whose values are names: element types, functions, modes, roundings.
bool isa_kind_is_enum(enum isa_kind kind);
const char *isa_enum_text(enum isa_kind kind, int64_t value);           // NULL: names nothing
int isa_enum_by_text(enum isa_kind kind, const char *text, size_t len); // -1: none

// Canonical text of one instruction, no newline. Registers stand first, in field order; a branch
// target follows them, as `.+N`/`.-N` bytes, or `label` when given; other fields are name=value,
// left out when zero unless the value has a name; a set flag is its name alone. Returns the length,
// as snprintf; ISA_TEXT_MAX bytes are always enough without a label.
#define ISA_TEXT_MAX 256
size_t isa_print(const struct isa_insn *in, const char *label, char *buf, size_t cap);

#endif

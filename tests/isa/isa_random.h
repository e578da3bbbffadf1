// Random instructions for the tests, from a seed alone.
#ifndef BITLET_TEST_ISA_RANDOM_H
#define BITLET_TEST_ISA_RANDOM_H

#include "isa.h"

static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

// Half of the values are small, where most programs' are; the others fill the field.
static inline int64_t random_field(const struct isa_field *f, uint64_t *state)
{
    int64_t min;
    uint64_t max, r = next_random(state);
    isa_field_range(f, &min, &max);
    if (r & 1)
        r = r >> 1 & 15;
    uint64_t v = r & (max - (uint64_t)min);
    return (int64_t)(v + (uint64_t)min);
}

static inline struct isa_insn random_insn(uint64_t *state)
{
    struct isa_insn in = {.op = (enum isa_op)(next_random(state) % ISA_OP_NUM)};
    const struct isa_format_info *fmt = &isa_format_info[isa_op_info[in.op].format];
    for (int i = 0; i < fmt->num_fields; i++)
        do
            in.f[i] = random_field(&fmt->fields[i], state);
        while (isa_kind_is_enum(fmt->fields[i].kind) &&
               !isa_enum_text(fmt->fields[i].kind, in.f[i]));
    return in;
}

#endif

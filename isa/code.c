// Encoding and decoding, generic over the formats' fields. The word is two halves of 64 bits; a
// field may lie across both.
#include "isa.h"

#include "io.h"

struct halves {
    uint64_t lo, hi;
};

static uint64_t width_mask(int width)
{
    return width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
}

static uint64_t get_bits(struct halves w, int lo, int width)
{
    uint64_t v = lo >= 64 ? w.hi >> (lo - 64) : w.lo >> lo;
    if (lo < 64 && lo + width > 64)
        v |= w.hi << (64 - lo);
    return v & width_mask(width);
}

static void put_bits(struct halves *w, int lo, int width, uint64_t v)
{
    if (lo >= 64) {
        w->hi |= v << (lo - 64);
        return;
    }
    w->lo |= v << lo;
    if (lo + width > 64)
        w->hi |= v >> (64 - lo);
}

static bool is_signed(enum isa_kind kind)
{
    return kind == ISA_KIND_SIMM || kind == ISA_KIND_OFF;
}

void isa_field_range(const struct isa_field *f, int64_t *min, uint64_t *max)
{
    bool negative = is_signed(f->kind);
    *min = negative ? -(int64_t)(width_mask(f->width) >> 1) - 1 : 0;
    *max = negative ? width_mask(f->width) >> 1 : width_mask(f->width);
}

static bool fits(const struct isa_field *f, int64_t v)
{
    if (isa_kind_is_enum(f->kind))
        return isa_enum_text(f->kind, v) != NULL;
    if (f->width == 64)
        return true;
    int64_t min;
    uint64_t max;
    isa_field_range(f, &min, &max);
    return v >= min && v <= (int64_t)max;
}

bool isa_encode(const struct isa_insn *in, uint8_t word[ISA_WORD_BYTES], int *bad_field)
{
    const struct isa_op_info *op = &isa_op_info[in->op];
    const struct isa_format_info *fmt = &isa_format_info[op->format];
    struct halves w = {.lo = op->opcode};
    for (int i = 0; i < fmt->num_fields; i++) {
        const struct isa_field *f = &fmt->fields[i];
        if (!fits(f, in->f[i])) {
            if (bad_field)
                *bad_field = i;
            return false;
        }
        put_bits(&w, f->lo, f->width, (uint64_t)in->f[i] & width_mask(f->width));
    }
    io_put64(word, w.lo);
    io_put64(word + 8, w.hi);
    return true;
}

static int64_t sign_extend(uint64_t v, int width)
{
    uint64_t sign = UINT64_C(1) << (width - 1);
    return (int64_t)((v ^ sign) - sign);
}

// Bits that the opcode and the formats' fields take.
#define MASK(width) ((width) == 64 ? UINT64_MAX : (UINT64_C(1) << ((width)&63)) - 1)
#define MASK_LO(low, width) ((low) < 64 ? MASK(width) << ((low)&63) : 0)
#define MASK_HI(low, width)                                                                        \
    ((low) >= 64            ? MASK(width) << ((low)&63)                                            \
     : (low) + (width) > 64 ? MASK(width) >> ((64 - (low)) & 63)                                   \
                            : 0)
// clang-format off
static const uint64_t used_low_bits[ISA_FMT_NUM] = {
#define ISA_FORMAT(fmt) [ISA_FMT_##fmt] = 0xff
#define ISA_FIELD(fmt, field, low, width, kind, doc) | MASK_LO(low, width)
#define ISA_END(fmt) ,
#include "isa.def"
};
static const uint64_t used_high_bits[ISA_FMT_NUM] = {
#define ISA_FORMAT(fmt) [ISA_FMT_##fmt] = 0
#define ISA_FIELD(fmt, field, low, width, kind, doc) | MASK_HI(low, width)
#define ISA_END(fmt) ,
#include "isa.def"
};
// clang-format on

// False: the value names nothing.
static inline bool decode_field(struct halves w, int lo, int width, enum isa_kind kind, int64_t *f)
{
    uint64_t bits = get_bits(w, lo, width);
    *f = is_signed(kind) ? sign_extend(bits, width) : (int64_t)bits;
    return !isa_kind_is_enum(kind) || isa_enum_text(kind, *f);
}

// clang-format off
#define ISA_FORMAT(fmt)                                                                            \
    static bool decode_##fmt(struct halves w, int64_t *f)                                          \
    {                                                                                              \
        bool known = true;                                                                         \
        (void)w;
#define ISA_FIELD(fmt, field, low, width, kind, doc)                                               \
        known &= decode_field(w, low, width, ISA_KIND_##kind, f++);
#define ISA_END(fmt)                                                                               \
        (void)f;                                                                                   \
        return known;                                                                              \
    }
#include "isa.def"
static bool (*const decode_fields[ISA_FMT_NUM])(struct halves w, int64_t *f) = {
#define ISA_FORMAT(fmt) [ISA_FMT_##fmt] = decode_##fmt,
#include "isa.def"
};
// clang-format on

bool isa_decode(const uint8_t word[ISA_WORD_BYTES], struct isa_insn *out)
{
    struct halves w = {io_get64(word), io_get64(word + 8)};
    int op = isa_op_by_opcode(word[0]);
    if (op < 0)
        return false;
    *out = (struct isa_insn){.op = (enum isa_op)op};
    enum isa_format format = isa_op_info[op].format;
    return decode_fields[format](w, out->f) && (w.lo & ~used_low_bits[format]) == 0 &&
           (w.hi & ~used_high_bits[format]) == 0;
}

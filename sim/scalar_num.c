#include "scalar_num.h"

#include <math.h>

#include "arena.h"

// `over` is what a magnitude past `largest` becomes, `nan` what a NaN becomes; `keep_sign` tells
// whether `over` takes the sign of the operand.
struct narrow {
    int exponent_bits, fraction_bits, bias;
    uint32_t largest, over, nan;
    bool keep_sign, minus_zero;
};

static struct narrow narrow_of(enum dtype t)
{
    switch (t) {
    case DT_F16: return (struct narrow){5, 10, 15, 0x7bff, 0x7c00, 0x7e00, true, true};
    case DT_BF16: return (struct narrow){8, 7, 127, 0x7f7f, 0x7f80, 0x7fc0, true, true};
    case DT_F8E4M3FN: return (struct narrow){4, 3, 7, 0x7e, 0x7f, 0x7f, true, true};
    case DT_F8E4M3FNUZ: return (struct narrow){4, 3, 8, 0x7f, 0x80, 0x80, false, false};
    case DT_F8E5M2: return (struct narrow){5, 2, 15, 0x7b, 0x7c, 0x7e, true, true};
    case DT_F8E5M2FNUZ: return (struct narrow){5, 2, 16, 0x7f, 0x80, 0x80, false, false};
    case DT_F4E2M1: return (struct narrow){2, 1, 1, 0x7, 0x7, 0x8, true, true};
    default: bitlet_bug("no narrow float: %s", dtype_text(t));
    }
}

static uint64_t shift_to_even(uint64_t m, int shift)
{
    uint64_t kept = m >> shift, rest = m & ((UINT64_C(1) << shift) - 1);
    uint64_t half = UINT64_C(1) << (shift - 1);
    return kept + (rest > half || (rest == half && (kept & 1)));
}

// Exponent and fraction fields of the rounded magnitude; a carry out of the fraction steps the
// exponent by itself.
static uint64_t round_magnitude(const struct narrow *f, uint64_t bits)
{
    int exponent = (int)(bits >> 52) - 1023 + f->bias;
    uint64_t m = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    if (exponent >= 1)
        return ((uint64_t)(exponent - 1) << f->fraction_bits) +
               shift_to_even(m, 52 - f->fraction_bits);
    int shift = 52 - f->fraction_bits + 1 - exponent;
    return shift > 53 ? 0 : shift_to_even(m, shift);
}

static uint32_t encode_power(double v, enum num_round round, bool saturate)
{
    if (isnan(v) || v < 0)
        return 0xff;
    uint64_t bits = num_bits_of_f64(fabs(v)), fraction = bits & ((UINT64_C(1) << 52) - 1);
    int e = (int)(bits >> 52) - 1023 + 127;
    if (!isinf(v)) {
        bool up = round == NUM_UP ? fraction != 0 : round == NUM_NEAREST && fraction >> 51;
        e += up;
    }
    if (e < 0)
        return 0;
    if (e > 254)
        return saturate ? 0xfe : 0xff;
    return (uint32_t)e;
}

uint32_t num_encode(enum dtype t, double v, enum num_round round, bool saturate)
{
    if (t == DT_F8E8M0)
        return encode_power(v, round, saturate);
    const struct narrow f = narrow_of(t);
    if (isnan(v))
        return f.nan;
    uint64_t bits = num_bits_of_f64(v);
    uint32_t sign = (uint32_t)(bits >> 63) << (f.exponent_bits + f.fraction_bits);
    uint64_t m = round_magnitude(&f, bits & INT64_MAX);
    if (m > f.largest) {
        if (saturate && dtype_info[t].bits == 8)
            return sign | f.largest;
        return f.keep_sign ? sign | f.over : f.over;
    }
    if (m == 0 && !f.minus_zero)
        sign = 0;
    return sign | (uint32_t)m;
}

uint64_t num_wrap_f64(double integer)
{
    if (!isfinite(integer))
        return 0;
    double m = fmod(fabs(trunc(integer)), 0x1p64);
    uint64_t u = (uint64_t)m;
    return integer < 0 ? 0 - u : u;
}

double num_sticky_of_u64(uint64_t v)
{
    if (v >> 53 == 0)
        return (double)v;
    int drop = 11 - __builtin_clzll(v);
    uint64_t kept = v >> drop;
    kept |= kept << drop != v;
    return ldexp((double)kept, drop);
}

double num_sticky_of_i64(int64_t v)
{
    return v < 0 ? -num_sticky_of_u64(0 - (uint64_t)v) : num_sticky_of_u64((uint64_t)v);
}

int64_t num_int_min(enum dtype t)
{
    if (dtype_info[t].kind != DTK_I)
        return 0;
    return -(int64_t)(UINT64_C(1) << (dtype_info[t].bits - 1) >> 1) * 2;
}

uint64_t num_int_max(enum dtype t)
{
    int bits = dtype_info[t].bits - (dtype_info[t].kind == DTK_I);
    return UINT64_MAX >> (64 - bits);
}

#include "minifloat.h"

#include <math.h>

enum special {
    SP_IEEE, // all-ones exponent: infinities and NaN
    SP_FN,   // no infinity; exponent and mantissa all ones: NaN
    SP_FNUZ, // no infinity, no negative zero; its pattern is the NaN
    SP_NONE, // every pattern is a number
};

struct format {
    bool is_signed;
    int exp_bits, man_bits, bias;
    enum special special;
};

static struct format format_of(enum dtype t)
{
    switch (t) {
    case DT_F16: return (struct format){true, 5, 10, 15, SP_IEEE};
    case DT_BF16: return (struct format){true, 8, 7, 127, SP_IEEE};
    case DT_F8E4M3FN: return (struct format){true, 4, 3, 7, SP_FN};
    case DT_F8E4M3FNUZ: return (struct format){true, 4, 3, 8, SP_FNUZ};
    case DT_F8E5M2: return (struct format){true, 5, 2, 15, SP_IEEE};
    case DT_F8E5M2FNUZ: return (struct format){true, 5, 2, 16, SP_FNUZ};
    case DT_F4E2M1: return (struct format){true, 2, 1, 1, SP_NONE};
    default: return (struct format){false, 8, 0, 127, SP_FN}; // F8E8M0: a power of two, 0xff is NaN
    }
}

static uint32_t low_mask(int bits)
{
    return (UINT32_C(1) << bits) - 1;
}

// E8M0 has no zero and no subnormals: exponent 0 is 2^-127.
static bool has_zero(const struct format *f)
{
    return f->is_signed;
}

static bool is_nan_pattern(const struct format *f, uint32_t sign, uint32_t exp, uint32_t man)
{
    bool top = exp == low_mask(f->exp_bits);
    switch (f->special) {
    case SP_IEEE: return top && man != 0;
    case SP_FN: return top && man == low_mask(f->man_bits);
    case SP_FNUZ: return sign != 0 && exp == 0 && man == 0;
    default: return false;
    }
}

double minifloat_decode(enum dtype t, uint32_t bits)
{
    const struct format f = format_of(t);
    uint32_t man = bits & low_mask(f.man_bits);
    uint32_t exp = bits >> f.man_bits & low_mask(f.exp_bits);
    uint32_t sign = f.is_signed ? bits >> (f.man_bits + f.exp_bits) & 1 : 0;
    if (is_nan_pattern(&f, sign, exp, man))
        return NAN;
    double v;
    if (f.special == SP_IEEE && exp == low_mask(f.exp_bits))
        v = INFINITY;
    else if (exp == 0 && has_zero(&f))
        v = ldexp((double)man, 1 - f.bias - f.man_bits);
    else
        v = ldexp((double)(man + (UINT32_C(1) << f.man_bits)), (int)exp - f.bias - f.man_bits);
    return sign ? -v : v;
}

// Exponent and mantissa as one number; patterns of one sign are ordered as their values.
static uint32_t largest_pattern(const struct format *f)
{
    uint32_t all = low_mask(f->exp_bits + f->man_bits);
    switch (f->special) {
    case SP_IEEE: return all - (UINT32_C(1) << f->man_bits);
    case SP_FN: return all - 1;
    default: return all;
    }
}

static uint32_t nan_pattern(const struct format *f)
{
    switch (f->special) {
    case SP_IEEE: return low_mask(f->exp_bits + 1) << (f->man_bits - 1); // quiet
    case SP_FN: return low_mask(f->exp_bits + f->man_bits);
    case SP_FNUZ: return UINT32_C(1) << (f->exp_bits + f->man_bits);
    default: return 0;
    }
}

// Halves to even, without regard to the rounding mode; v is not negative and below 2^24.
static uint32_t round_even(double v)
{
    uint32_t whole = (uint32_t)v;
    double rest = v - (double)whole;
    return whole + (rest > 0.5 || (rest == 0.5 && (whole & 1)));
}

uint32_t minifloat_encode(enum dtype t, double v)
{
    const struct format f = format_of(t);
    if (isnan(v) || (!f.is_signed && v < 0))
        return nan_pattern(&f) & low_mask(f.exp_bits + f.man_bits + (f.is_signed ? 1 : 0));
    uint32_t sign_bit = f.is_signed && signbit(v) ? UINT32_C(1) << (f.exp_bits + f.man_bits) : 0;
    double x = fabs(v);
    uint32_t largest = largest_pattern(&f), pattern;
    int exp = 0, lowest = has_zero(&f) ? 1 - f.bias - f.man_bits : -f.bias;
    if (!isinf(x))
        frexp(x, &exp);
    // x is rounded to a multiple of 2^quantum.
    int quantum = x == 0 || exp - 1 - f.man_bits < lowest ? lowest : exp - 1 - f.man_bits;
    if (isinf(x)) {
        pattern = largest + 1;
    } else if (!has_zero(&f)) {
        uint32_t one = round_even(ldexp(x, -quantum)); // 0, 1 or 2
        pattern = one == 0 ? 0 : (uint32_t)(quantum - lowest) + (one - 1);
    } else {
        // A normal number's mantissa carries its hidden bit, which is one step of the exponent
        // field.
        uint32_t man = round_even(ldexp(x, -quantum));
        pattern = ((uint32_t)(quantum - lowest) << f.man_bits) + man;
    }
    if (pattern > largest)
        pattern = f.special == SP_IEEE ? largest + 1 : largest;
    if (f.special == SP_FNUZ && pattern == 0)
        sign_bit = 0;
    return sign_bit | pattern;
}

// Conversions are integer arithmetic on the bits of a double: a value is split into sign, exponent
// and a 53-bit significand, which is shifted to the target's precision and rounded by its lost
// bits.
#include "eval_num.h"

#include <math.h>
#include <string.h>

struct layout {
    int exp_bits, man_bits, bias;
    bool has_inf;  // all-ones exponent and zero fraction
    bool ieee_nan; // all-ones exponent and other fractions
    bool negz_nan; // the pattern of -0 is the NaN
    bool ones_nan; // all ones is the NaN
};

static struct layout layout_of(enum dtype t)
{
    switch (t) {
    case DT_F16: return (struct layout){5, 10, 15, true, true, false, false};
    case DT_BF16: return (struct layout){8, 7, 127, true, true, false, false};
    case DT_F8E5M2: return (struct layout){5, 2, 15, true, true, false, false};
    case DT_F8E4M3FN: return (struct layout){4, 3, 7, false, false, false, true};
    case DT_F8E4M3FNUZ: return (struct layout){4, 3, 8, false, false, true, false};
    case DT_F8E5M2FNUZ: return (struct layout){5, 2, 16, false, false, true, false};
    case DT_F4E2M1: return (struct layout){2, 1, 1, false, false, false, false};
    default: bitlet_bug("%s is not a small float", dtype_text(t));
    }
}

static double double_of_bits(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

static uint64_t bits_of_double(double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return bits;
}

static double decode_e8m0(uint32_t bits)
{
    return bits == 255 ? NAN : ldexp(1.0, (int)bits - 127);
}

double eval_decode(enum dtype t, uint32_t bits)
{
    if (t == DT_F8E8M0)
        return decode_e8m0(bits & 255);
    struct layout l = layout_of(t);
    int sign_at = l.exp_bits + l.man_bits;
    uint32_t exp_ones = (1u << l.exp_bits) - 1, man_ones = (1u << l.man_bits) - 1;
    uint32_t exp = (bits >> l.man_bits) & exp_ones, man = bits & man_ones;
    uint64_t sign = (uint64_t)((bits >> sign_at) & 1) << 63;
    if (exp == exp_ones && l.has_inf && man == 0)
        return double_of_bits(sign | UINT64_C(0x7ff) << 52);
    if ((exp == exp_ones && l.ieee_nan && man != 0) ||
        (exp == exp_ones && l.ones_nan && man == man_ones) ||
        (l.negz_nan && sign && exp == 0 && man == 0))
        return NAN;
    if (exp == 0) {
        double v = (double)man * double_of_bits((uint64_t)(1023 + 1 - l.bias - l.man_bits) << 52);
        return sign ? -v : v;
    }
    uint64_t e = (uint64_t)((int)exp - l.bias + 1023);
    return double_of_bits(sign | e << 52 | (uint64_t)man << (52 - l.man_bits));
}

static uint32_t encode_e8m0(double v, bool saturate)
{
    if (isnan(v) || v < 0)
        return 255;
    if (v == 0)
        return 0;
    if (isinf(v))
        return saturate ? 254 : 255;
    int exp;
    double frac = frexp(v, &exp); // in [0.5, 1)
    int e = exp - 1 + 127 + (frac >= 0.75);
    if (e > 254)
        return saturate ? 254 : 255;
    return e < 0 ? 0 : (uint32_t)e;
}

static uint32_t nan_pattern(const struct layout *l)
{
    int sign_at = l->exp_bits + l->man_bits;
    if (l->ieee_nan)
        return ((1u << (l->exp_bits + 1)) - 1) << (l->man_bits - 1);
    if (l->ones_nan)
        return (1u << sign_at) - 1;
    return 1u << sign_at; // -0 where there is no NaN at all
}

// The pattern of the largest finite number.
static uint32_t top_pattern(const struct layout *l)
{
    uint32_t ones = (1u << (l->exp_bits + l->man_bits)) - 1;
    if (l->has_inf)
        return ones - (1u << l->man_bits);
    return l->ones_nan ? ones - 1 : ones;
}

static uint32_t overflow_pattern(const struct layout *l, uint32_t sign, bool saturate)
{
    bool finite_only = !l->has_inf && !l->ones_nan && !l->negz_nan;
    if (saturate || finite_only)
        return sign | top_pattern(l);
    if (l->has_inf)
        return sign | (top_pattern(l) + 1);
    return l->negz_nan ? nan_pattern(l) : sign | nan_pattern(l);
}

// Magnitude of a finite non-zero double as a pattern of the layout, exponent range unbounded above.
static uint64_t round_pattern(const struct layout *l, uint64_t magnitude)
{
    int e = (int)(magnitude >> 52) - 1023, lowest = 1 - l->bias;
    uint64_t sig = magnitude & ((UINT64_C(1) << 52) - 1);
    if (magnitude >> 52)
        sig |= UINT64_C(1) << 52;
    int drop = 52 - l->man_bits + (e < lowest ? lowest - e : 0);
    if (drop > 54)
        return 0;
    uint64_t kept = sig >> drop, rest = sig & ((UINT64_C(1) << drop) - 1),
             half = UINT64_C(1) << (drop - 1);
    kept += rest > half || (rest == half && (kept & 1));
    return kept + (e < lowest ? 0 : (uint64_t)(e - lowest) << l->man_bits);
}

uint32_t eval_encode(enum dtype t, double v, bool saturate)
{
    if (t == DT_F8E8M0)
        return encode_e8m0(v, saturate);
    struct layout l = layout_of(t);
    if (isnan(v))
        return nan_pattern(&l);
    uint64_t bits = bits_of_double(v), magnitude = bits & (UINT64_MAX >> 1);
    uint32_t sign = (uint32_t)(bits >> 63) << (l.exp_bits + l.man_bits);
    if (isinf(v))
        return overflow_pattern(&l, sign, saturate);
    uint64_t p = round_pattern(&l, magnitude);
    if (p > top_pattern(&l))
        return overflow_pattern(&l, sign, saturate);
    return p == 0 && l.negz_nan ? 0 : sign | (uint32_t)p;
}

static uint32_t small_bits(enum dtype t, const void *data, int64_t i)
{
    if (dtype_bytes(t) == 2)
        return ((const uint16_t *)data)[i];
    return ((const uint8_t *)data)[i];
}

void eval_load_f64(enum dtype t, const void *data, int64_t first, int64_t stride, int64_t n,
                   double *out)
{
    if (t == DT_F32) {
        const float *p = (const float *)data + first;
        if (stride == 1)
            for (int64_t i = 0; i < n; i++)
                out[i] = (double)p[i];
        else
            for (int64_t i = 0; i < n; i++)
                out[i] = (double)p[i * stride];
    } else if (t == DT_F64) {
        const double *p = (const double *)data + first;
        for (int64_t i = 0; i < n; i++)
            out[i] = p[i * stride];
    } else {
        for (int64_t i = 0; i < n; i++)
            out[i] = eval_decode(t, small_bits(t, data, first + i * stride));
    }
}

static void store_f64(enum dtype t, void *data, int64_t first, int64_t n, const double *v,
                      bool saturate)
{
    if (t == DT_F32) {
        float *p = (float *)data + first;
        for (int64_t i = 0; i < n; i++)
            p[i] = (float)v[i];
    } else if (t == DT_F64) {
        memcpy((double *)data + first, v, (size_t)n * sizeof *v);
    } else if (dtype_bytes(t) == 2) {
        for (int64_t i = 0; i < n; i++)
            ((uint16_t *)data)[first + i] = (uint16_t)eval_encode(t, v[i], false);
    } else {
        for (int64_t i = 0; i < n; i++)
            ((uint8_t *)data)[first + i] = (uint8_t)eval_encode(t, v[i], saturate);
    }
}

void eval_store_f64(enum dtype t, void *data, int64_t first, int64_t n, const double *v)
{
    store_f64(t, data, first, n, v, false);
}

void eval_store_f64_saturated(enum dtype t, void *data, int64_t first, int64_t n, const double *v)
{
    store_f64(t, data, first, n, v, true);
}

#define LOAD(type)                                                                                 \
    for (int64_t i = 0; i < n; i++)                                                                \
    out[i] = (int64_t)((const type *)data)[first + i * stride]

void eval_load_i64(enum dtype t, const void *data, int64_t first, int64_t stride, int64_t n,
                   int64_t *out)
{
    const uint8_t *bytes = data;
    switch (t) {
    case DT_I8: LOAD(int8_t); break;
    case DT_I16: LOAD(int16_t); break;
    case DT_I32: LOAD(int32_t); break;
    case DT_U16: LOAD(uint16_t); break;
    case DT_U32: LOAD(uint32_t); break;
    case DT_I64:
    case DT_U64: LOAD(int64_t); break;
    case DT_U8: LOAD(uint8_t); break;
    case DT_I4:
    case DT_I2: {
        int64_t sign = dtype_info[t].bits == 4 ? 8 : 2;
        for (int64_t i = 0; i < n; i++)
            out[i] = ((bytes[first + i * stride] & (2 * sign - 1)) ^ sign) - sign;
        break;
    }
    case DT_U4:
    case DT_U2:
        for (int64_t i = 0; i < n; i++)
            out[i] = bytes[first + i * stride] & (dtype_info[t].bits == 4 ? 15 : 3);
        break;
    case DT_BOOL:
        for (int64_t i = 0; i < n; i++)
            out[i] = bytes[first + i * stride] != 0;
        break;
    default: bitlet_bug("%s is not an integer type", dtype_text(t));
    }
}

#define STORE(type)                                                                                \
    for (int64_t i = 0; i < n; i++)                                                                \
    ((type *)data)[first + i] = (type)v[i]

void eval_store_i64(enum dtype t, void *data, int64_t first, int64_t n, const int64_t *v)
{
    uint8_t *bytes = (uint8_t *)data + first;
    switch (t) {
    case DT_I8:
    case DT_U8: STORE(uint8_t); break;
    case DT_I16:
    case DT_U16: STORE(uint16_t); break;
    case DT_I32:
    case DT_U32: STORE(uint32_t); break;
    case DT_I64:
    case DT_U64: STORE(int64_t); break;
    case DT_I4:
    case DT_I2: {
        int64_t sign = dtype_info[t].bits == 4 ? 8 : 2;
        for (int64_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)(((v[i] & (2 * sign - 1)) ^ sign) - sign);
        break;
    }
    case DT_U4:
    case DT_U2:
        for (int64_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)(v[i] & (dtype_info[t].bits == 4 ? 15 : 3));
        break;
    case DT_BOOL:
        for (int64_t i = 0; i < n; i++)
            bytes[i] = v[i] != 0;
        break;
    default: bitlet_bug("%s is not an integer type", dtype_text(t));
    }
}

bool eval_is_unsigned(enum dtype t)
{
    return dtype_info[t].kind != DTK_I;
}

int64_t eval_int_min(enum dtype t)
{
    return eval_is_unsigned(t) ? 0 : -(int64_t)(UINT64_C(1) << (dtype_info[t].bits - 1) >> 1) * 2;
}

uint64_t eval_int_max(enum dtype t)
{
    int magnitude_bits = dtype_info[t].bits - (eval_is_unsigned(t) ? 0 : 1);
    return UINT64_MAX >> (64 - magnitude_bits);
}

double eval_int_to_odd(int64_t v, bool is_unsigned)
{
    bool negative = !is_unsigned && v < 0;
    uint64_t magnitude = negative ? 0 - (uint64_t)v : (uint64_t)v;
    double d;
    if (magnitude < UINT64_C(1) << 53)
        d = (double)magnitude;
    else // 53 bits, the lost ones collected in the lowest
        d = (double)(magnitude >> 11 | ((magnitude & 0x7ff) != 0)) * 2048.0;
    return negative ? -d : d;
}

double eval_round_even(double v)
{
    const double magic = 0x1.8p52; // from here on a double has no fraction: the addition rounds
    return fabs(v) < 0x1p51 ? copysign((v + magic) - magic, v) : v;
}

int64_t eval_quantize(float v, int bits)
{
    if (v != v)
        return 0;
    if (bits == 1)
        return v < 0 ? -1 : 1;
    double top = ldexp(1.0, bits - 1), r = eval_round_even((double)v);
    if (r < -top)
        return (int64_t)-top;
    return (int64_t)(r > top - 1 ? top - 1 : r);
}

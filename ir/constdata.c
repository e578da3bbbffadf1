// Elements of constants from numbers in text or in builder calls.
#include <math.h>

#include "ir_priv.h"
#include "minifloat.h"

bool ir_put_int(struct tensor *t, int64_t i, bool negative, uint64_t magnitude)
{
    const struct dtype_info *info = &dtype_info[t->dtype];
    if (info->kind == DTK_F || info->kind == DTK_C)
        return ir_put_double(t, i, negative ? -(double)magnitude : (double)magnitude);
    if (dtype_is_reference(t->dtype))
        return false;
    bool is_signed = info->kind == DTK_I;
    uint64_t limit = is_signed ? (uint64_t)1 << (info->bits - 1) : UINT64_MAX >> (64 - info->bits);
    if (negative ? magnitude > (is_signed ? limit : 0) : magnitude > limit - (is_signed ? 1 : 0))
        return false;
    uint64_t v = negative ? 0 - magnitude : magnitude;
    switch (info->bytes) {
    case 1: ((uint8_t *)t->data)[i] = (uint8_t)v; break;
    case 2: ((uint16_t *)t->data)[i] = (uint16_t)v; break;
    case 4: ((uint32_t *)t->data)[i] = (uint32_t)v; break;
    default: ((uint64_t *)t->data)[i] = v; break;
    }
    return true;
}

static bool put_rounded(struct tensor *t, int64_t i, double v)
{
    if (v != trunc(v) || fabs(v) > 0x1p64) // NaN fails the first comparison
        return false;
    double magnitude = fabs(v);
    return magnitude < 0x1p64 && ir_put_int(t, i, v < 0, (uint64_t)magnitude);
}

bool ir_put_double(struct tensor *t, int64_t i, double v)
{
    switch (t->dtype) {
    case DT_F32: ((float *)t->data)[i] = (float)v; return true;
    case DT_F64: ((double *)t->data)[i] = v; return true;
    case DT_C64: ((float *)t->data)[2 * i] = (float)v; return true;
    case DT_C128: ((double *)t->data)[2 * i] = v; return true;
    default: break;
    }
    if (!dtype_is_float(t->dtype))
        return put_rounded(t, i, v);
    uint32_t bits = minifloat_encode(t->dtype, v);
    if (dtype_bytes(t->dtype) == 2)
        ((uint16_t *)t->data)[i] = (uint16_t)bits;
    else
        ((uint8_t *)t->data)[i] = (uint8_t)bits;
    return true;
}

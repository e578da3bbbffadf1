// Seeded tensors. Everything is made of integer operations and of +, -, *, / and sqrt, which IEEE
// 754 rounds correctly: a libm's logarithm would make the stream depend on the machine.
#include <float.h>
#include <math.h>

#include "minifloat.h"
#include "tensor.h"

_Static_assert(FLT_EVAL_METHOD == 0, "double arithmetic must be done in double");

struct stream {
    uint64_t state;
    double spare; // the second of a pair of normal numbers
    bool has_spare;
};

// splitmix64 (Steele, Lea, Flood 2014)
static uint64_t next_bits(struct stream *s)
{
    uint64_t z = s->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

// log(x) for x in (0, 1], by the series of atanh; |s| < 0.172, so that eleven terms reach double
// precision.
static double plain_log(double x)
{
    int e;
    double m = frexp(x, &e);
    if (m < 0.70710678118654752440) {
        m *= 2;
        e--;
    }
    double s = (m - 1) / (m + 1), square = s * s, sum = 0;
    for (int k = 21; k >= 1; k -= 2)
        sum = sum * square + 1.0 / k;
    return 2 * s * sum + e * 0.69314718055994530942;
}

// Marsaglia's polar method.
static double next_normal(struct stream *s)
{
    if (s->has_spare) {
        s->has_spare = false;
        return s->spare;
    }
    double u, v, q;
    do {
        u = (double)(next_bits(s) >> 11) * 0x1p-52 - 1;
        v = (double)(next_bits(s) >> 11) * 0x1p-52 - 1;
        q = u * u + v * v;
    } while (q >= 1 || q == 0);
    double scale = sqrt(-2 * plain_log(q) / q);
    s->spare = v * scale;
    s->has_spare = true;
    return u * scale;
}

static int64_t next_int(struct stream *s, enum dtype t)
{
    unsigned width = dtype_info[t].bits < 8 ? dtype_info[t].bits : 8;
    bool is_signed = dtype_info[t].kind == DTK_I;
    int64_t high = (INT64_C(1) << (is_signed ? width - 1 : width)) - 1;
    int64_t low = is_signed ? -high - 1 : 0;
    low = low < -127 ? -127 : low;
    high = high > 127 ? 127 : high;
    return low + (int64_t)((next_bits(s) >> 32) * (uint64_t)(high - low + 1) >> 32);
}

static void put_int(struct tensor *t, int64_t i, int64_t v)
{
    switch (dtype_bytes(t->dtype)) {
    case 1: ((uint8_t *)t->data)[i] = (uint8_t)v; break;
    case 2: ((uint16_t *)t->data)[i] = (uint16_t)v; break;
    case 4: ((uint32_t *)t->data)[i] = (uint32_t)v; break;
    default: ((uint64_t *)t->data)[i] = (uint64_t)v; break;
    }
}

static void put_float(struct tensor *t, int64_t i, double v)
{
    switch (t->dtype) {
    case DT_F32: ((float *)t->data)[i] = (float)v; break;
    case DT_F64: ((double *)t->data)[i] = v; break;
    case DT_F8E8M0: ((uint8_t *)t->data)[i] = (uint8_t)minifloat_encode(t->dtype, fabs(v)); break;
    default: put_int(t, i, (int64_t)minifloat_encode(t->dtype, v)); break;
    }
}

static void put_complex(struct tensor *t, int64_t i, double re, double im)
{
    if (t->dtype == DT_C64) {
        ((float *)t->data)[2 * i] = (float)re;
        ((float *)t->data)[2 * i + 1] = (float)im;
    } else {
        ((double *)t->data)[2 * i] = re;
        ((double *)t->data)[2 * i + 1] = im;
    }
}

struct tensor *tensor_random(struct arena *a, enum dtype type, const int64_t *dim, int rank,
                             uint64_t seed)
{
    struct tensor *t = tensor_create(a, type, dim, rank);
    struct stream s = {.state = seed};
    int64_t n = tensor_elems(t);
    for (int64_t i = 0; i < n; i++) {
        switch (dtype_info[type].kind) {
        case DTK_F: put_float(t, i, next_normal(&s)); break;
        case DTK_I:
        case DTK_U: put_int(t, i, next_int(&s, type)); break;
        case DTK_B: put_int(t, i, (int64_t)(next_bits(&s) >> 63)); break;
        case DTK_H: break; // an empty list
        case DTK_X: put_int(t, i, (int64_t)next_bits(&s)); break;
        case DTK_S:
            ((const char **)t->data)[i] = arena_printf(a, "s%u", (unsigned)(next_bits(&s) >> 58));
            break;
        case DTK_C: {
            double re = next_normal(&s);
            put_complex(t, i, re, next_normal(&s));
            break;
        }
        }
    }
    return t;
}

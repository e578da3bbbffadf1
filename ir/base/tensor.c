#include "tensor.h"

#include <math.h>

#include "minifloat.h"

int64_t dims_elems(const int64_t *dim, int rank)
{
    int64_t n = 1;
    bool empty = false;
    for (int i = 0; i < rank; i++) {
        if (dim[i] < 0)
            return -1;
        if (dim[i] == 0) {
            empty =
                true; // the other dims must be multipliable all the same: strides are made of them
            continue;
        }
        if (n > INT64_MAX / dim[i])
            return -1;
        n *= dim[i];
    }
    return empty ? 0 : n;
}

int64_t tensor_elems(const struct tensor *t)
{
    return dims_elems(t->dim, t->rank);
}

size_t tensor_bytes(const struct tensor *t)
{
    return (size_t)tensor_elems(t) * dtype_bytes(t->dtype);
}

const char *tensor_type_text(enum dtype t, const int64_t *dim, int rank, struct arena *scratch)
{
    char text[32 + BITLET_MAX_RANK * 24];
    size_t at = (size_t)snprintf(text, sizeof text, "%s[", dtype_text(t));
    for (int i = 0; i < rank && i < BITLET_MAX_RANK; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%lld", i ? "," : "",
                               (long long)dim[i]);
    snprintf(text + at, sizeof text - at, "]");
    return arena_strdup(scratch, text);
}

struct tensor *tensor_create(struct arena *a, enum dtype t, const int64_t *dim, int rank)
{
    if (rank < 0 || rank > BITLET_MAX_RANK)
        bitlet_bug("a tensor of rank %d", rank);
    int64_t n = dims_elems(dim, rank);
    if (n < 0)
        bitlet_bug("dims that cannot be: %s", tensor_type_text(t, dim, rank, a));
    struct tensor *x = ARENA_NEW(a, struct tensor);
    x->dtype = t;
    x->rank = rank;
    for (int i = 0; i < rank; i++)
        x->dim[i] = dim[i];
    if (n > 0)
        x->data = t == DT_STR || (size_t)n > PTRDIFF_MAX / dtype_bytes(t)
                      ? arena_array(a, (size_t)n, dtype_bytes(t))
                      : arena_alloc_data(a, (size_t)n * dtype_bytes(t));
    const char **strings = x->data;
    for (int64_t i = 0; t == DT_STR && i < n; i++)
        strings[i] = "";
    return x;
}

double tensor_get_double(const struct tensor *t, int64_t i)
{
    switch (t->dtype) {
    case DT_F32: return ((const float *)t->data)[i];
    case DT_F64: return ((const double *)t->data)[i];
    case DT_F16:
    case DT_BF16: return minifloat_decode(t->dtype, ((const uint16_t *)t->data)[i]);
    case DT_F8E4M3FN:
    case DT_F8E4M3FNUZ:
    case DT_F8E5M2:
    case DT_F8E5M2FNUZ:
    case DT_F8E8M0:
    case DT_F4E2M1: return minifloat_decode(t->dtype, ((const uint8_t *)t->data)[i]);
    case DT_U64:
    case DT_LANES: return (double)((const uint64_t *)t->data)[i];
    case DT_C64: return ((const float *)t->data)[2 * i];
    case DT_C128: return ((const double *)t->data)[2 * i];
    case DT_STR: return NAN;
    default: return (double)tensor_get_int(t, i);
    }
}

static int64_t int_of_double(double v)
{
    if (isnan(v))
        return 0;
    if (v >= 0x1p63)
        return INT64_MAX;
    return v < -0x1p63 ? INT64_MIN : (int64_t)v;
}

int64_t tensor_get_int(const struct tensor *t, int64_t i)
{
    switch (t->dtype) {
    case DT_I2:
    case DT_I4:
    case DT_I8: return ((const int8_t *)t->data)[i];
    case DT_I16: return ((const int16_t *)t->data)[i];
    case DT_I32: return ((const int32_t *)t->data)[i];
    case DT_I64: return ((const int64_t *)t->data)[i];
    case DT_U2:
    case DT_U4:
    case DT_U8:
    case DT_BOOL: return ((const uint8_t *)t->data)[i];
    case DT_U16: return ((const uint16_t *)t->data)[i];
    case DT_U32: return ((const uint32_t *)t->data)[i];
    case DT_U64:
    case DT_LANES: return (int64_t)((const uint64_t *)t->data)[i];
    default: return int_of_double(tensor_get_double(t, i));
    }
}

// Element types, expanded from dtypes.def.
#ifndef BITLET_DTYPE_H
#define BITLET_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dtype {
#define DTYPE(ENUM, text, onnx, bits, bytes, kind) DT_##ENUM,
#include "dtypes.def"
    DT_NUM
};

enum dtype_kind { DTK_I, DTK_U, DTK_F, DTK_B, DTK_S, DTK_C, DTK_X, DTK_H };

struct dtype_info {
    const char *text;
    uint8_t onnx;
    uint8_t bits;
    uint8_t bytes;
    enum dtype_kind kind;
};

extern const struct dtype_info dtype_info[DT_NUM];

static inline size_t dtype_bytes(enum dtype t)
{
    return dtype_info[t].bytes;
}
static inline const char *dtype_text(enum dtype t)
{
    return dtype_info[t].text;
}
static inline bool dtype_is_float(enum dtype t)
{
    return dtype_info[t].kind == DTK_F;
}
// Two's complement, unsigned and bool.
static inline bool dtype_is_int(enum dtype t)
{
    return dtype_info[t].kind == DTK_I || dtype_info[t].kind == DTK_U ||
           dtype_info[t].kind == DTK_B;
}
// Strings, sequences and optionals: the element refers to a value that lies elsewhere.
static inline bool dtype_is_reference(enum dtype t)
{
    return dtype_info[t].kind == DTK_S || dtype_info[t].kind == DTK_H;
}
bool dtype_by_text(const char *text, size_t len, enum dtype *out);
bool dtype_by_onnx(int64_t onnx, enum dtype *out);

#endif

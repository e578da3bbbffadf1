#include "dtype.h"

#include <string.h>

const struct dtype_info dtype_info[DT_NUM] = {
#define DTYPE(ENUM, name, number, width, size, k)                                                  \
    [DT_##ENUM] = {                                                                                \
        .text = (name), .onnx = (number), .bits = (width), .bytes = (size), .kind = DTK_##k},
#include "dtypes.def"
};

// Rows that share a number do not compile: they make one case twice.
bool dtype_by_onnx(int64_t onnx, enum dtype *out)
{
    enum { NO_TENSOR = 254 }; // numbers from here on are no element types of ONNX's
    switch (onnx) {
#define DTYPE(ENUM, text, number, bits, bytes, kind)                                               \
    case (number):                                                                                 \
        *out = DT_##ENUM;                                                                          \
        return (number) != 0 && (number) < NO_TENSOR;
#include "dtypes.def"
    default: return false;
    }
}

bool dtype_by_text(const char *text, size_t len, enum dtype *out)
{
    for (int t = 0; t < DT_NUM; t++)
        if (strlen(dtype_info[t].text) == len && memcmp(dtype_info[t].text, text, len) == 0) {
            *out = (enum dtype)t;
            return true;
        }
    return false;
}

#include "onnx_table.h"

#include <string.h>

#include "import.h"

const struct onnx_op onnx_op[] = {
#define ONNX_OP(name, since, until, in_min, in_max, out_min, out_max, body, doc)                   \
    {#name, since, until, in_min, in_max, out_min, out_max, import_##body, doc},
#include "onnx_ops.def"
};
const size_t onnx_op_count = sizeof(onnx_op) / sizeof(onnx_op[0]);

const struct onnx_attr onnx_attr[] = {
#define ONNX_REQ true
#define ONNX_OPT false
#define ONNX_ATTR(op, since, until, name, kind, need, dflt)                                        \
    {#op, since, until, #name, ONNX_##kind, ONNX_##need, dflt},
#include "onnx_ops.def"
};
const size_t onnx_attr_count = sizeof(onnx_attr) / sizeof(onnx_attr[0]);

static bool covers(int since, int until, int opset)
{
    return opset >= since && (until == 0 || opset < until);
}

// First row of a sorted table whose name is `name`, or count.
static size_t lower_bound(const char *name)
{
    size_t lo = 0, hi = onnx_op_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(onnx_op[mid].name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct onnx_op *onnx_op_find(const char *name, int opset)
{
    for (size_t i = lower_bound(name); i < onnx_op_count && strcmp(onnx_op[i].name, name) == 0; i++)
        if (covers(onnx_op[i].since, onnx_op[i].until, opset))
            return &onnx_op[i];
    return NULL;
}

bool onnx_op_range(const char *name, int *first, int *last)
{
    size_t i = lower_bound(name);
    if (i == onnx_op_count || strcmp(onnx_op[i].name, name) != 0)
        return false;
    *first = onnx_op[i].since;
    while (i + 1 < onnx_op_count && strcmp(onnx_op[i + 1].name, name) == 0)
        i++;
    *last = onnx_op[i].until ? onnx_op[i].until - 1 : ONNX_OPSET_MAX;
    return true;
}

const struct onnx_attr *onnx_attr_find(const char *op, int opset, const char *name)
{
    for (size_t i = 0; i < onnx_attr_count; i++)
        if (strcmp(onnx_attr[i].name, name) == 0 && strcmp(onnx_attr[i].op, op) == 0 &&
            covers(onnx_attr[i].since, onnx_attr[i].until, opset))
            return &onnx_attr[i];
    return NULL;
}

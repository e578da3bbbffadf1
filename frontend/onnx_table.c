#include "onnx_table.h"

#include <string.h>

#include "import.h"

#define ONNX_REQ true
#define ONNX_OPT false
#define OP_ROW(name, since, until, in_min, in_max, out_min, out_max, body, doc)                    \
    {#name, since, until, in_min, in_max, out_min, out_max, import_##body, doc},
#define ATTR_ROW(op, since, until, name, kind, need, dflt)                                         \
    {#op, since, until, #name, ONNX_##kind, ONNX_##need, dflt},

static const struct onnx_op default_ops[] = {
#define ONNX_OP OP_ROW
#include "onnx_ops.def"
};
static const struct onnx_attr default_attrs[] = {
#define ONNX_ATTR ATTR_ROW
#include "onnx_ops.def"
};
static const struct onnx_op old_ops[] = {
#define ONNX_OP OP_ROW
#include "onnx_old_ops.def"
};
static const struct onnx_attr old_attrs[] = {
#define ONNX_ATTR ATTR_ROW
#include "onnx_old_ops.def"
};
static const struct onnx_op ml_ops[] = {
#define ONNX_OP OP_ROW
#include "onnx_ml_ops.def"
};
static const struct onnx_attr ml_attrs[] = {
#define ONNX_ATTR ATTR_ROW
#include "onnx_ml_ops.def"
};
static const struct onnx_op preview_ops[] = {
#define ONNX_OP OP_ROW
#include "onnx_preview_ops.def"
};
static const struct onnx_attr preview_attrs[] = {
#define ONNX_ATTR ATTR_ROW
#include "onnx_preview_ops.def"
};
static const struct onnx_op training_ops[] = {
#define ONNX_OP OP_ROW
#include "onnx_training_ops.def"
};
static const struct onnx_attr training_attrs[] = {
#define ONNX_ATTR ATTR_ROW
#include "onnx_training_ops.def"
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DOMAIN(name, newest, part)                                                                 \
    {                                                                                              \
        name, newest, part##_ops, COUNT(part##_ops), part##_attrs, COUNT(part##_attrs)             \
    }

const struct onnx_domain onnx_domain[] = {
    DOMAIN("", ONNX_OPSET_MAX, default),
    DOMAIN("", ONNX_OPSET_MAX, old),
    DOMAIN("ai.onnx.ml", ONNX_ML_OPSET_MAX, ml),
    DOMAIN("ai.onnx.preview", ONNX_PREVIEW_OPSET_MAX, preview),
    DOMAIN("ai.onnx.preview.training", ONNX_TRAINING_OPSET_MAX, training),
};
const size_t onnx_domain_count = COUNT(onnx_domain);

static bool covers(int since, int until, int opset)
{
    return opset >= since && (until == 0 || opset < until);
}

const struct onnx_domain *onnx_domain_find(const char *name)
{
    if (strcmp(name, "ai.onnx") == 0)
        name = "";
    for (size_t i = 0; i < onnx_domain_count; i++)
        if (strcmp(onnx_domain[i].name, name) == 0)
            return &onnx_domain[i];
    return NULL;
}

const struct onnx_domain *onnx_domain_next(const struct onnx_domain *d)
{
    bool more = d + 1 < onnx_domain + onnx_domain_count && strcmp(d[1].name, d->name) == 0;
    return more ? d + 1 : NULL;
}

// First row of a sorted table whose name is `name` or follows it.
static size_t lower_bound(const struct onnx_domain *d, const char *name)
{
    size_t lo = 0, hi = d->num_ops;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(d->ops[mid].name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct onnx_op *onnx_op_find(const struct onnx_domain *d, const char *name, int opset)
{
    for (size_t i = lower_bound(d, name); i < d->num_ops && strcmp(d->ops[i].name, name) == 0; i++)
        if (covers(d->ops[i].since, d->ops[i].until, opset))
            return &d->ops[i];
    return NULL;
}

bool onnx_op_range(const struct onnx_domain *d, const char *name, int *first, int *last)
{
    size_t i = lower_bound(d, name);
    if (i == d->num_ops || strcmp(d->ops[i].name, name) != 0)
        return false;
    *first = d->ops[i].since;
    while (i + 1 < d->num_ops && strcmp(d->ops[i + 1].name, name) == 0)
        i++;
    *last = d->ops[i].until ? d->ops[i].until - 1 : d->newest;
    return true;
}

const struct onnx_attr *onnx_attr_find(const struct onnx_domain *d, const char *op, int opset,
                                       const char *name)
{
    for (size_t i = 0; i < d->num_attrs; i++)
        if (strcmp(d->attrs[i].name, name) == 0 && strcmp(d->attrs[i].op, op) == 0 &&
            covers(d->attrs[i].since, d->attrs[i].until, opset))
            return &d->attrs[i];
    return NULL;
}

#include "import_window.h"

#include "import_extents.h"

#include <string.h>

// Bounds every number, so that products of two stay far inside 64 bits.
#define WINDOW_MAX (1 << 20) // as the IR does

bool window_ints(struct import_node *n, const char *name, int count, int64_t low, int64_t dflt,
                 int64_t *out)
{
    int num;
    const int64_t *v = node_ints(n, name, &num);
    if (!node_has_attr(n, name)) {
        for (int i = 0; i < count; i++)
            out[i] = dflt;
        return true;
    }
    if (num != count)
        return node_error(n, DIAG_ONNX_ATTR, "attribute '%s' has %d numbers, %d are needed", name,
                          num, count);
    for (int i = 0; i < count; i++) {
        if (v[i] < low || v[i] > WINDOW_MAX)
            return node_error(n, DIAG_ONNX_ATTR,
                              "attribute '%s': number %d is %lld, not in %lld to %d", name, i,
                              (long long)v[i], (long long)low, WINDOW_MAX);
        out[i] = v[i];
    }
    return true;
}

static bool read_auto_pad(struct import_node *n, struct window *w)
{
    const char *s = node_str(n, "auto_pad", "NOTSET");
    w->upper = strcmp(s, "SAME_UPPER") == 0;
    w->same = w->upper || strcmp(s, "SAME_LOWER") == 0;
    w->automatic = w->same || strcmp(s, "VALID") == 0;
    if (!w->automatic && strcmp(s, "NOTSET") != 0 && *s)
        return node_error(n, DIAG_ONNX_ATTR,
                          "auto_pad is '%s'; NOTSET, VALID, SAME_UPPER and SAME_LOWER exist", s);
    return true;
}

static bool read_kernel(struct import_node *n, const int64_t *weights, struct window *w)
{
    if (weights && !node_has_attr(n, "kernel_shape"))
        memcpy(w->kernel, weights, (size_t)w->spatial * sizeof(*weights));
    else if (!window_ints(n, "kernel_shape", w->spatial, 1, 1, w->kernel))
        return false;
    for (int i = 0; i < w->spatial; i++) {
        if (weights && w->kernel[i] != weights[i])
            return node_error(n, DIAG_ONNX_SHAPE, "kernel_shape[%d] is %lld, the weights are %lld",
                              i, (long long)w->kernel[i], (long long)weights[i]);
        if (w->kernel[i] < 1 || w->kernel[i] > WINDOW_MAX)
            return node_error(n, DIAG_ONNX_SHAPE,
                              "the kernel has extent %lld in spatial dimension %d",
                              (long long)w->kernel[i], i);
    }
    return true;
}

bool window_read(struct import_node *n, int spatial, const int64_t *weights, struct window *w)
{
    *w = (struct window){.spatial = spatial};
    return read_auto_pad(n, w) && read_kernel(n, weights, w) &&
           window_ints(n, "strides", spatial, 1, 1, w->strides) &&
           window_ints(n, "dilations", spatial, 1, 1, w->dilations) &&
           // pads beside auto_pad mean nothing
           (w->automatic || window_ints(n, "pads", 2 * spatial, -WINDOW_MAX, 0, w->pads));
}

static int64_t reach(const struct window *w, int i)
{
    return (w->kernel[i] - 1) * w->dilations[i] + 1;
}

int64_t window_count(const struct window *w, int i, int64_t extent)
{
    int64_t span = extent + w->pads[i] + w->pads[w->spatial + i] - reach(w, i);
    return span < 0 ? 0 : span / w->strides[i] + 1;
}

static void place_same(struct window *w, int i, int64_t extent)
{
    int64_t out = (extent + w->strides[i] - 1) / w->strides[i];
    int64_t total = (out - 1) * w->strides[i] + reach(w, i) - extent;
    if (total < 0)
        total = 0;
    w->pads[i] = w->upper ? total / 2 : total - total / 2;
    w->pads[w->spatial + i] = total - w->pads[i];
}

// One more window where the last stride leaves a rest, and none that would begin in the end
// padding.
static void place_ceil(struct window *w, int i, int64_t extent)
{
    int64_t padded = extent + w->pads[i] + w->pads[w->spatial + i], span = padded - reach(w, i);
    if (span < 0)
        return;
    int64_t out = (span + w->strides[i] - 1) / w->strides[i] + 1;
    if ((out - 1) * w->strides[i] >= extent + w->pads[i])
        out--;
    if (out == window_count(w, i, extent))
        return;
    w->overhang[i] = (out - 1) * w->strides[i] + reach(w, i) - padded;
    w->pads[w->spatial + i] += w->overhang[i];
}

bool window_place(struct import_node *n, struct window *w, const int64_t *extent, bool ceil_mode)
{
    for (int i = 0; i < w->spatial; i++) {
        if (w->same)
            place_same(w, i, extent[i]);
        else if (ceil_mode)
            place_ceil(w, i, extent[i]);
        if (w->pads[i] > WINDOW_MAX || w->pads[w->spatial + i] > WINDOW_MAX)
            return node_error(n, DIAG_ONNX_ATTR,
                              "spatial dimension %d: kernel %lld with dilation %lld is too large",
                              i, (long long)w->kernel[i], (long long)w->dilations[i]);
    }
    return true;
}

bool window_extents(struct import_node *n, const struct ir_value *x, const struct window *w,
                    struct ir_value **extent)
{
    struct ir_builder *b = &n->b;
    for (int i = 0; x && i < w->spatial; i++) {
        int64_t s = w->strides[i], more = w->pads[i] + w->pads[w->spatial + i] - reach(w, i) + s;
        extent[i] = NULL;
        if (!x->type.sym[2 + i])
            continue;
        struct ir_value *span = node_plus(n, x->type.sym[2 + i], more);
        span = irb_binary(b, BFN_max, span, node_i64(n, 0));
        if (!(extent[i] = irb_binary(b, BFN_div, span, node_i64(n, s))))
            return false;
    }
    return x != NULL;
}

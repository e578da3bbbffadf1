// Windows of convolutions and pools: kernel, strides, dilations and pads read from a node and
// checked, auto_pad resolved. Private to frontend/.
#ifndef BITLET_IMPORT_WINDOW_H
#define BITLET_IMPORT_WINDOW_H

#include "import_node.h"

enum { WINDOW_DIMS_MAX = IR_MAX_RANK - 2 };

struct window {
    int spatial;
    bool automatic; // auto_pad SAME_UPPER, SAME_LOWER or VALID
    bool same, upper;
    int64_t kernel[WINDOW_DIMS_MAX], strides[WINDOW_DIMS_MAX], dilations[WINDOW_DIMS_MAX];
    int64_t pads[2 * WINDOW_DIMS_MAX]; // begins, then ends
    int64_t
        overhang[WINDOW_DIMS_MAX]; // what ceil_mode added to the end padding; below 0: took away
};

// Everything but what depends on the operand's extents. kernel: from kernel_shape, which must agree
// with `weights` (the extents of w, or NULL). Reports.
bool window_read(struct import_node *n, int spatial, const int64_t *weights, struct window *w);
// Pads of auto_pad for an operand of such extents, stride first; then ceil_mode's overhang, added
// to the end pads.
bool window_place(struct import_node *n, struct window *w, const int64_t *extent, bool ceil_mode);
// Both for a convolution of operand 0 with the weights, operand `weights`: 1 to 3 spatial
// dimensions, ranks equal. Reports.
bool window_of_conv(struct import_node *n, int weights, struct window *w);
// Number of windows along spatial dimension i.
int64_t window_count(const struct window *w, int i, int64_t extent);
// An attribute of one number per spatial dimension, each in [low, 2^31); `dflt` when absent.
// Reports.
bool window_ints(struct import_node *n, const char *name, int count, int64_t low, int64_t dflt,
                 int64_t *out);

// The number of windows along the spatial dimensions of x whose extents are known only at run time,
// NULL for others. The pads are those of w.
bool window_extents(struct import_node *n, const struct ir_value *x, const struct window *w,
                    struct ir_value **extent);

#endif

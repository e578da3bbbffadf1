// Random MAC problems: convolutions, diagonals of channel groups and matrix products, written down
// directly.
#ifndef BITLET_MAC_RANDOM_H
#define BITLET_MAC_RANDOM_H

#include "mactile.h"
#include "passes_rng.h"

// A convolution of one block of channel groups: x is [n][diag * c][limit 0][limit 1]..., w is
// [noc][c][kernel...]. Some have negative steps, as phases of transposed convolutions do.
static inline struct mac_problem random_conv(struct rng *r, int64_t *x_elems, int64_t *w_elems)
{
    struct mac_problem p = {.num_axes = (int)rng_range(r, 1, 3)};
    int64_t n = rng_range(r, 1, 3), c = rng_range(r, 1, 6), plane = 1, taps = 1;
    p.diag = rng_range(r, 0, 2) == 0 ? rng_range(r, 2, 4) : 1;
    p.noc = p.diag * rng_range(r, 1, 20);
    int64_t kernel[MAC_MAX_AXES];
    for (int a = 0; a < p.num_axes; a++) {
        p.limit[a] = rng_range(r, 1, 9);
        kernel[a] = rng_range(r, 1, 4);
        plane *= p.limit[a];
        taps *= kernel[a];
    }
    if (p.diag > 1)
        p.k[p.nk++] = (struct mac_dim){p.diag, c * plane, 0, 0, -1, 0, NULL};
    p.k[p.nk++] = (struct mac_dim){c, plane, taps, 0, -1, 0, NULL};
    p.p[p.np++] = (struct mac_dim){n, p.diag * c * plane, 0, 0, -1, 0, NULL};
    int64_t xs = plane, ws = taps;
    for (int a = 0; a < p.num_axes; a++) {
        int64_t stride = rng_range(r, 1, 3), dilation = rng_range(r, 1, 3);
        if (rng_range(r, 0, 3) == 0)
            dilation = -dilation;
        if (kernel[a] == 1 && rng_range(r, 0, 1) == 0)
            stride = 2;
        xs /= p.limit[a];
        ws /= kernel[a];
        p.origin[a] = rng_range(r, -4, p.limit[a] + 3);
        p.k[p.nk++] = (struct mac_dim){kernel[a], dilation * xs, ws, 0, a, dilation, NULL};
        p.p[p.np++] = (struct mac_dim){rng_range(r, 1, 8), stride * xs, 0, 0, a, stride, NULL};
        p.xbase += p.origin[a] * xs;
    }
    p.w_oc = c * taps;
    *x_elems = n * p.diag * c * plane;
    *w_elems = p.noc * p.w_oc;
    return p;
}

// A product x[rows][k] * w: x row-major or transposed, and so w.
static inline struct mac_problem random_matmul(struct rng *r, int64_t *x_elems, int64_t *w_elems)
{
    int64_t rows = rng_range(r, 1, 20), k = rng_range(r, 1, 300);
    bool xt = rng_range(r, 0, 1) == 0, wt = rng_range(r, 0, 1) == 0;
    struct mac_problem p = {.noc = rng_range(r, 1, 40), .nk = 1, .np = 1, .diag = 1};
    p.k[0] = (struct mac_dim){k, xt ? rows : 1, wt ? 1 : p.noc, 0, -1, 0, NULL};
    p.p[0] = (struct mac_dim){rows, xt ? 1 : k, 0, 0, -1, 0, NULL};
    p.w_oc = wt ? k : 1;
    *x_elems = rows * k;
    *w_elems = p.noc * k;
    return p;
}

static inline struct mac_problem random_problem(struct rng *r, int64_t *x_elems, int64_t *w_elems)
{
    return rng_range(r, 0, 3) == 0 ? random_matmul(r, x_elems, w_elems)
                                   : random_conv(r, x_elems, w_elems);
}

// Digits of `index` over the extents, row-major.
static inline void unflatten(int64_t index, const int64_t *extent, int n, int64_t *digit)
{
    for (int i = n - 1; i >= 0; i--) {
        digit[i] = index % extent[i];
        index /= extent[i];
    }
}

#endif

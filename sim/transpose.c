#include "transpose.h"

#include <limits.h>
#include <string.h>

#define SIDE 16 // of a block: a line of the cache with elements of 4 bytes
#define LEAST 1024

// A dimension of neighbours in `v` that are none in `other`.
static int unit_dim(const struct sim_view *v, const struct sim_view *other)
{
    for (int d = 0; d < v->rank; d++)
        if (v->stride[d] == 1 && other->stride[d] != 1 && v->extent[d] >= SIDE / 2)
            return d;
    return -1;
}

static bool bounded(const struct sim_view *v)
{
    bool any = false;
    for (int d = 0; d < v->rank; d++)
        any |= v->axis[d] >= 0;
    return any;
}

bool transpose_fits(const struct sim_view *dst, uint8_t *to, const struct sim_view *src,
                    const uint8_t *from, struct transpose *t)
{
    int64_t elements = 1;
    size_t bytes = dtype_bytes(dst->dtype);
    if (!to || !from || bounded(dst) || bounded(src) || bytes > 8 || !sim_view_disjoint(dst))
        return false;
    *t = (struct transpose){.dst = *dst, .src = *src, .to = to, .from = from, .bytes = bytes};
    t->from_dim = unit_dim(src, dst);
    t->to_dim = unit_dim(dst, src);
    if (t->from_dim < 0 || t->to_dim < 0)
        return false;
    t->per_stretch = (dst->extent[t->from_dim] + SIDE - 1) / SIDE;
    t->pieces = t->per_stretch;
    for (int d = 0; d < dst->rank; d++) {
        elements *= dst->extent[d];
        if (d != t->from_dim && d != t->to_dim)
            t->pieces *= dst->extent[d];
    }
    return elements >= LEAST && t->pieces <= INT_MAX;
}

// cols neighbours of the source in each of `rows` rows become `cols` rows of neighbours.
#define BLOCK_COPY(NAME, T)                                                                        \
    static void NAME(uint8_t *to, ptrdiff_t to_pitch, const uint8_t *from, ptrdiff_t from_pitch,   \
                     int rows, int cols)                                                           \
    {                                                                                              \
        T block[SIDE][SIDE];                                                                       \
        for (int r = 0; r < rows; r++)                                                             \
            memcpy(block[r], from + r * from_pitch, (size_t)cols * sizeof(T));                     \
        for (int c = 0; c < cols; c++) {                                                           \
            T line[SIDE];                                                                          \
            for (int r = 0; r < rows; r++)                                                         \
                line[r] = block[r][c];                                                             \
            memcpy(to + c * to_pitch, line, (size_t)rows * sizeof(T));                             \
        }                                                                                          \
    }
BLOCK_COPY(block_copy_1, uint8_t)
BLOCK_COPY(block_copy_2, uint16_t)
BLOCK_COPY(block_copy_4, uint32_t)
BLOCK_COPY(block_copy_8, uint64_t)

static void block_copy(size_t bytes, uint8_t *to, ptrdiff_t to_pitch, const uint8_t *from,
                       ptrdiff_t from_pitch, int rows, int cols)
{
    switch (bytes) {
    case 1: block_copy_1(to, to_pitch, from, from_pitch, rows, cols); break;
    case 2: block_copy_2(to, to_pitch, from, from_pitch, rows, cols); break;
    case 4: block_copy_4(to, to_pitch, from, from_pitch, rows, cols); break;
    default: block_copy_8(to, to_pitch, from, from_pitch, rows, cols); break;
    }
}

static int at_most(int64_t left)
{
    return left < SIDE ? (int)left : SIDE;
}

void transpose_piece(void *user, int piece, int worker)
{
    const struct transpose *t = user;
    const struct sim_view *dst = &t->dst, *src = &t->src;
    int64_t bytes = (int64_t)t->bytes, first = piece % t->per_stretch * SIDE;
    int64_t rest = piece / t->per_stretch, rows = dst->extent[t->to_dim];
    int64_t to = first * dst->stride[t->from_dim], from = first;
    (void)worker;
    for (int d = dst->rank - 1; d >= 0; d--) {
        if (d == t->from_dim || d == t->to_dim)
            continue;
        to += rest % dst->extent[d] * dst->stride[d];
        from += rest % dst->extent[d] * src->stride[d];
        rest /= dst->extent[d];
    }
    ptrdiff_t to_pitch = dst->stride[t->from_dim] * bytes;
    ptrdiff_t from_pitch = src->stride[t->to_dim] * bytes;
    int cols = at_most(dst->extent[t->from_dim] - first);
    for (int64_t r = 0; r < rows; r += SIDE)
        block_copy(t->bytes, t->to + (to + r) * bytes, to_pitch,
                   t->from + from * bytes + r * from_pitch, from_pitch, at_most(rows - r), cols);
}

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

// ---- Blocks -------------------------------------------------------------------------------------

// Rows of 16 bytes become columns. The first halves of rows i and i + half a square are interleaved
// to row 2 i, the second halves to row 2 i + 1; after log2(N) rounds that is the square transposed.
#define SQUARE_COPY(NAME, T, N, ROUNDS)                                                            \
    static void NAME(uint8_t *to, ptrdiff_t to_pitch, const uint8_t *from, ptrdiff_t from_pitch)   \
    {                                                                                              \
        typedef T row __attribute__((vector_size(16)));                                            \
        row a[N], b[N];                                                                            \
        for (int i = 0; i < N; i++)                                                                \
            memcpy(&a[i], from + i * from_pitch, 16);                                              \
        for (int round = 0; round < ROUNDS; round++) {                                             \
            for (int i = 0; i < N / 2; i++) {                                                      \
                b[2 * i] = __builtin_shufflevector(a[i], a[i + N / 2], FIRST_##N);                 \
                b[2 * i + 1] = __builtin_shufflevector(a[i], a[i + N / 2], SECOND_##N);            \
            }                                                                                      \
            memcpy(a, b, sizeof a);                                                                \
        }                                                                                          \
        for (int i = 0; i < N; i++)                                                                \
            memcpy(to + i * to_pitch, &a[i], 16);                                                  \
    }
#define FIRST_2 0, 2
#define SECOND_2 1, 3
#define FIRST_4 0, 4, 1, 5
#define SECOND_4 2, 6, 3, 7
#define FIRST_8 0, 8, 1, 9, 2, 10, 3, 11
#define SECOND_8 4, 12, 5, 13, 6, 14, 7, 15
#define FIRST_16 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define SECOND_16 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
SQUARE_COPY(square_copy_1, uint8_t, 16, 4)
SQUARE_COPY(square_copy_2, uint16_t, 8, 3)
SQUARE_COPY(square_copy_4, uint32_t, 4, 2)
SQUARE_COPY(square_copy_8, uint64_t, 2, 1)

// cols neighbours of the source in each of `rows` rows become `cols` rows of neighbours.
#define BLOCK_COPY(BYTES)                                                                          \
    static void block_copy_##BYTES(uint8_t *to, ptrdiff_t to_pitch, const uint8_t *from,           \
                                   ptrdiff_t from_pitch, int rows, int cols)                       \
    {                                                                                              \
        enum { N = 16 / BYTES };                                                                   \
        int whole_rows = rows / N * N, whole_cols = cols / N * N;                                  \
        for (int r = 0; r < whole_rows; r += N)                                                    \
            for (int c = 0; c < whole_cols; c += N)                                                \
                square_copy_##BYTES(to + c * to_pitch + r * BYTES, to_pitch,                       \
                                    from + r * from_pitch + c * BYTES, from_pitch);                \
        for (int r = 0; r < rows; r++)                                                             \
            for (int c = r < whole_rows ? whole_cols : 0; c < cols; c++)                           \
                memcpy(to + c * to_pitch + r * BYTES, from + r * from_pitch + c * BYTES, BYTES);   \
    }
BLOCK_COPY(1)
BLOCK_COPY(2)
BLOCK_COPY(4)
BLOCK_COPY(8)

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

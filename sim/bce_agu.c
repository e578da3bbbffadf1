// A row is one k at consecutive positions. What depends on k (offset, coordinates) and what depends
// on the positions (runs along the innermost dimension) add up, so the runs of a block are found
// once and shared by all of its rows; a run is then read in one go: border, inside, border.
#include "bce_agu.h"

#include <string.h>

#include "io.h"

#define SPAN_MAX (1ll << 62)
#define FIXED_MIN (-(1 << 24))
#define FIXED_MAX ((1 << 24) - 1)

// ---- Set-up -------------------------------------------------------------------------------------

// Inner and outer can be walked as one dimension.
static bool mergeable(const struct bce_agu_dim *outer, const struct bce_agu_dim *inner)
{
    int64_t stride, step;
    if (outer->axis != inner->axis)
        return false;
    if (__builtin_mul_overflow(inner->stride, inner->extent, &stride) || stride != outer->stride)
        return false;
    if (inner->axis < 0)
        return true;
    return !__builtin_mul_overflow(inner->step, inner->extent, &step) && step == outer->step;
}

static bool add_dims(const struct sim_view *v, struct bce_span span, const bool *bounded,
                     struct bce_agu_dim *dims, int *num, int64_t *total)
{
    *num = 0;
    *total = 1;
    for (int d = span.first; d < span.first + span.num; d++) {
        int axis = v->axis[d] >= 0 && bounded[v->axis[d]] ? v->axis[d] : -1;
        struct bce_agu_dim dim = {v->extent[d], v->stride[d], axis >= 0 ? v->step[d] : 0, axis};
        if (__builtin_mul_overflow(*total, dim.extent, total) || *total >= SPAN_MAX)
            return false;
        if (dim.extent == 1)
            continue;
        if (*num > 0 && mergeable(&dims[*num - 1], &dim)) {
            dim.extent *= dims[*num - 1].extent;
            --*num;
        }
        dims[(*num)++] = dim;
    }
    return true;
}

// Lowest and highest coordinate of an axis.
static bool axis_range(const struct sim_view *v, int axis, int64_t *lo, int64_t *hi)
{
    *lo = *hi = v->origin[axis];
    for (int d = 0; d < v->rank; d++) {
        int64_t span;
        if (v->axis[d] != axis || v->extent[d] <= 1)
            continue;
        if (__builtin_mul_overflow(v->extent[d] - 1, v->step[d], &span) ||
            __builtin_add_overflow(span < 0 ? *lo : *hi, span, span < 0 ? lo : hi))
            return false;
    }
    return *lo > -SPAN_MAX && *hi < SPAN_MAX;
}

bool bce_agu_init(struct bce_agu *g, const struct sim_view *v, struct bce_span k, struct bce_span p,
                  const uint8_t *host)
{
    bool bounded[ISA_MAX_AXES] = {false};
    memset(g, 0, sizeof *g);
    g->host = host;
    g->dtype = v->dtype;
    g->fill = v->fill;
    for (int d = 0; d < v->rank; d++) {
        int64_t lo, hi;
        int a = v->axis[d];
        if (a < 0)
            continue;
        if (!axis_range(v, a, &lo, &hi))
            return false;
        bounded[a] = lo < 0 || hi >= v->limit[a];
    }
    for (int a = 0; a < ISA_MAX_AXES; a++) {
        g->origin[a] = bounded[a] ? v->origin[a] : 0;
        g->limit[a] = bounded[a] && v->limit[a] < SPAN_MAX ? v->limit[a] : SPAN_MAX;
    }
    return add_dims(v, k, bounded, g->k, &g->num_k, &g->k_total) &&
           add_dims(v, p, bounded, g->p, &g->num_p, &g->p_total);
}

// ---- Elements -----------------------------------------------------------------------------------

static int64_t sext(uint32_t v, int bits)
{
    uint32_t top = 1u << (bits - 1);
    return (int64_t)((v & (2 * top - 1)) ^ top) - (int64_t)top;
}

// Reads n elements at a byte distance; true when one does not fit 25 bits.
typedef bool load_fn(void *dst, const uint8_t *src, ptrdiff_t pitch, int n);

#define LOADER(NAME, T, BYTES, GET)                                                                \
    static bool NAME(void *dst, const uint8_t *src, ptrdiff_t pitch, int n)                        \
    {                                                                                              \
        T *restrict out = dst;                                                                     \
        if (pitch == (BYTES))                                                                      \
            for (int i = 0; i < n; i++, src += (BYTES))                                            \
                out[i] = (T)(GET);                                                                 \
        else                                                                                       \
            for (int i = 0; i < n; i++, src += pitch)                                              \
                out[i] = (T)(GET);                                                                 \
        return false;                                                                              \
    }
#define WIDE_LOADER(NAME, BYTES, TYPE, GET)                                                        \
    static bool NAME(void *dst, const uint8_t *src, ptrdiff_t pitch, int n)                        \
    {                                                                                              \
        int32_t *restrict out = dst;                                                               \
        bool bad = false;                                                                          \
        for (int i = 0; i < n; i++, src += pitch) {                                                \
            TYPE v = (TYPE)(GET);                                                                  \
            bool fits = v <= (TYPE)FIXED_MAX && ((TYPE)-1 > 0 || v >= (TYPE)FIXED_MIN);            \
            bad |= !fits;                                                                          \
            out[i] = fits ? (int32_t)v : 0;                                                        \
        }                                                                                          \
        return bad;                                                                                \
    }

LOADER(load16_i8, int16_t, 1, (int8_t)*src)
LOADER(load16_u8, int16_t, 1, *src)
LOADER(load16_i4, int16_t, 1, sext(*src, 4))
LOADER(load16_u4, int16_t, 1, *src & 15)
LOADER(load16_i2, int16_t, 1, sext(*src, 2))
LOADER(load16_u2, int16_t, 1, *src & 3)
LOADER(load16_bool, int16_t, 1, *src != 0)
LOADER(load32_i8, int32_t, 1, (int8_t)*src)
LOADER(load32_u8, int32_t, 1, *src)
LOADER(load32_i4, int32_t, 1, sext(*src, 4))
LOADER(load32_u4, int32_t, 1, *src & 15)
LOADER(load32_i2, int32_t, 1, sext(*src, 2))
LOADER(load32_u2, int32_t, 1, *src & 3)
LOADER(load32_bool, int32_t, 1, *src != 0)
LOADER(load32_i16, int32_t, 2, (int16_t)io_get16(src))
LOADER(load32_u16, int32_t, 2, io_get16(src))
WIDE_LOADER(load32_i32, 4, int32_t, io_get32(src))
WIDE_LOADER(load32_u32, 4, uint32_t, io_get32(src))
WIDE_LOADER(load32_i64, 8, int64_t, io_get64(src))
WIDE_LOADER(load32_u64, 8, uint64_t, io_get64(src))
LOADER(load_f32, uint32_t, 4, io_get32(src))
LOADER(load_f16, uint32_t, 2, io_get16(src))

static load_fn *loader16(enum dtype t)
{
    switch (t) {
    case DT_I8: return load16_i8;
    case DT_U8: return load16_u8;
    case DT_I4: return load16_i4;
    case DT_U4: return load16_u4;
    case DT_I2: return load16_i2;
    case DT_U2: return load16_u2;
    case DT_BOOL: return load16_bool;
    default: bitlet_bug("activations of type %s as 16-bit rows", dtype_text(t));
    }
}

static load_fn *loader32(enum dtype t)
{
    switch (t) {
    case DT_I8: return load32_i8;
    case DT_U8: return load32_u8;
    case DT_I4: return load32_i4;
    case DT_U4: return load32_u4;
    case DT_I2: return load32_i2;
    case DT_U2: return load32_u2;
    case DT_BOOL: return load32_bool;
    case DT_I16: return load32_i16;
    case DT_U16: return load32_u16;
    case DT_I32: return load32_i32;
    case DT_U32: return load32_u32;
    case DT_I64: return load32_i64;
    case DT_U64: return load32_u64;
    default: bitlet_bug("activations of type %s as 32-bit rows", dtype_text(t));
    }
}

static load_fn *loader_of(enum dtype t, enum bce_row kind)
{
    switch (kind) {
    case BCE_ROW_I16: return loader16(t);
    case BCE_ROW_I32: return loader32(t);
    case BCE_ROW_F32: return load_f32;
    case BCE_ROW_F16: return load_f16;
    }
    bitlet_bug("row kind %d", (int)kind);
}

// ---- Rows ---------------------------------------------------------------------------------------

struct point { // offset in elements (modulo 2^64 where outside the bounds) and coordinates
    uint64_t off;
    int64_t coord[ISA_MAX_AXES];
};

static void point_move(struct point *at, const struct bce_agu_dim *d, int64_t steps)
{
    at->off += (uint64_t)steps * (uint64_t)d->stride;
    if (d->axis >= 0)
        at->coord[d->axis] += steps * d->step;
}

// Index vector of a linear index, innermost last; moves `at` there.
static void odometer_set(const struct bce_agu_dim *dims, int num, int64_t linear, int64_t *idx,
                         struct point *at)
{
    for (int d = num - 1; d >= 0; d--) {
        idx[d] = linear % dims[d].extent;
        linear /= dims[d].extent;
        point_move(at, &dims[d], idx[d]);
    }
}

// One step in dimension `last` and its carries.
static void odometer_next(const struct bce_agu_dim *dims, int last, int64_t *idx, struct point *at)
{
    for (int d = last; d >= 0; d--) {
        point_move(at, &dims[d], 1);
        if (++idx[d] < dims[d].extent)
            return;
        point_move(at, &dims[d], -idx[d]);
        idx[d] = 0;
    }
}

struct run {
    int dst, len;
    struct point at;
};

static int block_runs(const struct bce_agu *g, int64_t p0, int len, struct run *runs)
{
    int64_t idx[ISA_MAX_RANK];
    struct point at = {0};
    int num = 0, inner = g->num_p - 1;
    odometer_set(g->p, g->num_p, p0, idx, &at);
    for (int done = 0; done < len; num++) {
        int64_t left = inner >= 0 ? g->p[inner].extent - idx[inner] : 1;
        int n = left < len - done ? (int)left : len - done;
        runs[num] = (struct run){done, n, at};
        done += n;
        if (inner >= 0) {
            point_move(&at, &g->p[inner], -idx[inner]);
            idx[inner] = 0;
            odometer_next(g->p, inner - 1, idx, &at);
        }
    }
    return num;
}

// Part [*lo, *hi) of n steps from coordinate c that stays in [0, limit).
static void inside_steps(int64_t c, int64_t step, int64_t limit, int n, int *lo, int *hi)
{
    int64_t first = 0, end = n;
    if (step < 0) { // mirrored: coordinate limit-1-c, step -step
        c = limit - 1 - c;
        step = -step;
    }
    if (step == 0)
        end = c >= 0 && c < limit ? n : 0;
    else {
        if (c < 0)
            first = step == 1 ? -c : (-c + step - 1) / step;
        end = c >= limit ? 0 : step == 1 ? limit - c : (limit - c + step - 1) / step;
    }
    if (first > n)
        first = n;
    if (end > n)
        end = n;
    *lo = (int)first;
    *hi = (int)(end < first ? first : end);
}

static const struct bce_agu_dim *innermost(const struct bce_agu *g)
{
    static const struct bce_agu_dim single = {1, 0, 0, -1};
    return g->num_p > 0 ? &g->p[g->num_p - 1] : &single;
}

// The part [*lo, *hi) of a run, taken at a row, that lies inside the bounds.
static void clip_run(const struct bce_agu *g, const struct point *row, const struct run *r, int *lo,
                     int *hi)
{
    const struct bce_agu_dim *dim = innermost(g);
    *lo = 0;
    *hi = r->len;
    for (int a = 0; a < ISA_MAX_AXES; a++) {
        int64_t c = row->coord[a] + r->at.coord[a];
        if (a == dim->axis)
            inside_steps(c, dim->step, g->limit[a], r->len, lo, hi);
        else if (c < 0 || c >= g->limit[a]) {
            *lo = *hi = 0;
            return;
        }
    }
}

// Bytes from the base to element i of a run.
static ptrdiff_t run_offset(const struct bce_agu *g, const struct point *row, const struct run *r,
                            int i)
{
    uint64_t off = row->off + r->at.off + (uint64_t)i * (uint64_t)innermost(g)->stride;
    return (ptrdiff_t)off * (ptrdiff_t)dtype_bytes(g->dtype);
}

static bool load_run(const struct bce_agu *g, load_fn *load, size_t elem, const struct point *row,
                     const struct run *r, uint8_t *dst)
{
    const uint8_t *fill = (const uint8_t *)&g->fill;
    ptrdiff_t pitch = (ptrdiff_t)innermost(g)->stride * (ptrdiff_t)dtype_bytes(g->dtype);
    int lo, hi;
    bool bad = false;
    clip_run(g, row, r, &lo, &hi);
    if (lo > 0)
        bad |= load(dst, fill, 0, lo);
    if (hi > lo)
        bad |= load(dst + (size_t)lo * elem, g->host + run_offset(g, row, r, lo), pitch, hi - lo);
    if (r->len > hi)
        bad |= load(dst + (size_t)hi * elem, fill, 0, r->len - hi);
    return bad;
}

bool bce_agu_rows(const struct bce_agu *g, int64_t k0, int rows, int64_t p0, int len,
                  enum bce_row kind, void *dst)
{
    struct run runs[BCE_BLOCK_I16];
    int64_t idx[ISA_MAX_RANK];
    struct point at = {0};
    load_fn *load = loader_of(g->dtype, kind);
    size_t elem = kind == BCE_ROW_I16 ? 2 : 4;
    int num = block_runs(g, p0, len, runs);
    bool bad = false;
    memcpy(at.coord, g->origin, sizeof at.coord);
    odometer_set(g->k, g->num_k, k0, idx, &at);
    for (int i = 0; i < rows; i++) {
        uint8_t *row = (uint8_t *)dst + (size_t)i * BCE_ROW_BYTES;
        for (int r = 0; r < num; r++)
            bad |= load_run(g, load, elem, &at, &runs[r], row + (size_t)runs[r].dst * elem);
        memset(row + (size_t)len * elem, 0, BCE_ROW_BYTES - (size_t)len * elem);
        odometer_next(g->k, g->num_k - 1, idx, &at);
    }
    return bad;
}

void bce_agu_store(const struct bce_agu *g, uint8_t *host, int64_t k, int64_t p0, int len,
                   const void *src)
{
    struct run runs[BCE_BLOCK_I16];
    int64_t idx[ISA_MAX_RANK];
    struct point at = {0};
    size_t bytes = dtype_bytes(g->dtype);
    ptrdiff_t pitch = (ptrdiff_t)innermost(g)->stride * (ptrdiff_t)bytes;
    int num = block_runs(g, p0, len, runs);
    memcpy(at.coord, g->origin, sizeof at.coord);
    odometer_set(g->k, g->num_k, k, idx, &at);
    for (int r = 0; r < num; r++) {
        int lo, hi;
        clip_run(g, &at, &runs[r], &lo, &hi);
        if (lo >= hi)
            continue;
        const uint8_t *from = (const uint8_t *)src + (size_t)(runs[r].dst + lo) * bytes;
        uint8_t *to = host + run_offset(g, &at, &runs[r], lo);
        if (pitch == (ptrdiff_t)bytes)
            memcpy(to, from, (size_t)(hi - lo) * bytes);
        else
            for (int i = lo; i < hi; i++, from += bytes, to += pitch)
                memcpy(to, from, bytes);
    }
}

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
        g->bounded |= bounded[a];
    }
    for (int a = 0; a < ISA_MAX_AXES; a++) {
        g->origin[a] = bounded[a] ? v->origin[a] : 0;
        g->limit[a] = bounded[a] && v->limit[a] < SPAN_MAX ? v->limit[a] : SPAN_MAX;
    }
    return add_dims(v, k, bounded, g->k, &g->num_k, &g->k_total) &&
           add_dims(v, p, bounded, g->p, &g->num_p, &g->p_total);
}

static bool dims_equal(const struct bce_agu_dim *a, const struct bce_agu_dim *b, int num)
{
    for (int d = 0; d < num; d++)
        if (a[d].extent != b[d].extent || a[d].stride != b[d].stride || a[d].step != b[d].step ||
            a[d].axis != b[d].axis)
            return false;
    return true;
}

bool bce_agu_equal(const struct bce_agu *a, const struct bce_agu *b)
{
    return a->host == b->host && a->dtype == b->dtype && a->fill == b->fill &&
           a->num_k == b->num_k && a->num_p == b->num_p && a->k_total == b->k_total &&
           a->p_total == b->p_total && dims_equal(a->k, b->k, a->num_k) &&
           dims_equal(a->p, b->p, a->num_p) &&
           memcmp(a->origin, b->origin, sizeof a->origin) == 0 &&
           memcmp(a->limit, b->limit, sizeof a->limit) == 0;
}

// ---- Elements -----------------------------------------------------------------------------------

static int64_t sext(uint32_t v, int bits)
{
    uint32_t top = 1u << (bits - 1);
    return (int64_t)((v & (2 * top - 1)) ^ top) - (int64_t)top;
}

// Widens n elements that lie in a row; true when one does not fit 25 bits.
typedef bool widen_fn(void *dst, const void *src, int n);

#define WIDENER(NAME, T, SRC, GET)                                                                 \
    static bool NAME(void *dst, const void *src, int n)                                            \
    {                                                                                              \
        T *restrict out = dst;                                                                     \
        const SRC *restrict in = src;                                                              \
        for (int i = 0; i < n; i++)                                                                \
            out[i] = (T)(GET);                                                                     \
        return false;                                                                              \
    }
#define CHECKED_WIDENER(NAME, SRC)                                                                 \
    static bool NAME(void *dst, const void *src, int n)                                            \
    {                                                                                              \
        int32_t *restrict out = dst;                                                               \
        const SRC *restrict in = src;                                                              \
        int bad = 0;                                                                               \
        for (int i = 0; i < n; i++) {                                                              \
            bool fits = in[i] <= (SRC)FIXED_MAX && ((SRC)-1 > 0 || in[i] >= (SRC)FIXED_MIN);       \
            bad |= !fits;                                                                          \
            out[i] = fits ? (int32_t)in[i] : 0;                                                    \
        }                                                                                          \
        return bad != 0;                                                                           \
    }

WIDENER(widen8_i4, uint8_t, uint8_t, sext(in[i], 4))
WIDENER(widen8_u4, uint8_t, uint8_t, in[i] & 15)
WIDENER(widen8_i2, uint8_t, uint8_t, sext(in[i], 2))
WIDENER(widen8_u2, uint8_t, uint8_t, in[i] & 3)
WIDENER(widen8_bool, uint8_t, uint8_t, in[i] != 0)
WIDENER(widen32_i8, int32_t, int8_t, in[i])
WIDENER(widen32_u8, int32_t, uint8_t, in[i])
WIDENER(widen32_i4, int32_t, uint8_t, sext(in[i], 4))
WIDENER(widen32_u4, int32_t, uint8_t, in[i] & 15)
WIDENER(widen32_i2, int32_t, uint8_t, sext(in[i], 2))
WIDENER(widen32_u2, int32_t, uint8_t, in[i] & 3)
WIDENER(widen32_bool, int32_t, uint8_t, in[i] != 0)
WIDENER(widen32_i16, int32_t, int16_t, in[i])
WIDENER(widen32_u16, int32_t, uint16_t, in[i])
CHECKED_WIDENER(widen32_i32, int32_t)
CHECKED_WIDENER(widen32_u32, uint32_t)
CHECKED_WIDENER(widen32_i64, int64_t)
CHECKED_WIDENER(widen32_u64, uint64_t)
WIDENER(widen_f16, uint32_t, uint16_t, in[i])

static widen_fn *widener8(enum dtype t)
{
    switch (t) {
    case DT_I4: return widen8_i4;
    case DT_U4: return widen8_u4;
    case DT_I2: return widen8_i2;
    case DT_U2: return widen8_u2;
    case DT_BOOL: return widen8_bool;
    default: bitlet_bug("activations of type %s as rows of bytes", dtype_text(t));
    }
}

static widen_fn *widener32(enum dtype t)
{
    switch (t) {
    case DT_I8: return widen32_i8;
    case DT_U8: return widen32_u8;
    case DT_I4: return widen32_i4;
    case DT_U4: return widen32_u4;
    case DT_I2: return widen32_i2;
    case DT_U2: return widen32_u2;
    case DT_BOOL: return widen32_bool;
    case DT_I16: return widen32_i16;
    case DT_U16: return widen32_u16;
    case DT_I32: return widen32_i32;
    case DT_U32: return widen32_u32;
    case DT_I64: return widen32_i64;
    case DT_U64: return widen32_u64;
    default: bitlet_bug("activations of type %s as 32-bit rows", dtype_text(t));
    }
}

static widen_fn *widener_of(enum dtype t, enum bce_row kind)
{
    switch (kind) {
    case BCE_ROW_I8: return widener8(t);
    case BCE_ROW_I32: return widener32(t);
    case BCE_ROW_F16: return widen_f16;
    case BCE_ROW_U7:
    case BCE_ROW_U8:
    case BCE_ROW_I16:
    case BCE_ROW_U15:
    case BCE_ROW_U16:
    case BCE_ROW_F32: break;
    }
    bitlet_bug("row kind %d", (int)kind);
}

// ---- Bytes --------------------------------------------------------------------------------------

// n bytes, mostly few, without a call: the last piece overlaps the one before.
static inline void copy_bytes(uint8_t *restrict dst, const uint8_t *restrict src, size_t n)
{
    if (n >= 16) {
        for (size_t i = 0; i + 16 < n; i += 16)
            memcpy(dst + i, src + i, 16);
        memcpy(dst + n - 16, src + n - 16, 16);
    } else if (n >= 8) {
        memcpy(dst, src, 8);
        memcpy(dst + n - 8, src + n - 8, 8);
    } else if (n >= 4) {
        memcpy(dst, src, 4);
        memcpy(dst + n - 4, src + n - 4, 4);
    } else
        for (size_t i = 0; i < n; i++)
            dst[i] = src[i];
}

#define GATHER(NAME, T)                                                                            \
    static inline void NAME(uint8_t *dst, const uint8_t *src, ptrdiff_t pitch, int n)              \
    {                                                                                              \
        for (int i = 0; i < n; i++, src += pitch)                                                  \
            memcpy(dst + (size_t)i * sizeof(T), src, sizeof(T));                                   \
    }
GATHER(gather_8, uint8_t)
GATHER(gather_16, uint16_t)
GATHER(gather_32, uint32_t)
GATHER(gather_64, uint64_t)

// n elements at a byte distance, put together.
static inline void gather(uint8_t *dst, const uint8_t *src, size_t bytes, ptrdiff_t pitch, int n)
{
    if (pitch == (ptrdiff_t)bytes)
        copy_bytes(dst, src, (size_t)n * bytes);
    else if (bytes == 1)
        gather_8(dst, src, pitch, n);
    else if (bytes == 2)
        gather_16(dst, src, pitch, n);
    else if (bytes == 4)
        gather_32(dst, src, pitch, n);
    else
        gather_64(dst, src, pitch, n);
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

// Coordinates are of interest where there are bounds.
static int block_runs(const struct bce_agu *g, int64_t p0, int len, struct run *runs)
{
    int64_t idx[ISA_MAX_RANK];
    struct point at = {0};
    int num = 0, inner = g->num_p - 1;
    odometer_set(g->p, g->num_p, p0, idx, &at);
    for (int done = 0; done < len; num++) {
        int64_t left = inner >= 0 ? g->p[inner].extent - idx[inner] : 1;
        int n = left < len - done ? (int)left : len - done;
        runs[num].dst = done;
        runs[num].len = n;
        runs[num].at.off = at.off;
        if (g->bounded)
            memcpy(runs[num].at.coord, at.coord, sizeof at.coord);
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

// Inside parts of a block's runs. They depend on a row's coordinates alone, and rows that differ
// only in dimensions without bounds (the channels of a convolution) share them: kept by the number
// of the row among the bounded dimensions.
#define CLIP_SLOTS 32

struct part {
    uint16_t lo, hi;
};
struct clips {
    int64_t weight[ISA_MAX_RANK]; // of a K dimension's index in the number
    bool kept;                    // there are slots for all
    bool have[CLIP_SLOTS];
    struct part part[CLIP_SLOTS][BCE_BLOCK_I8];
};

static void clips_init(const struct bce_agu *g, struct clips *c)
{
    int64_t slots = 1;
    for (int d = g->num_k - 1; d >= 0; d--) {
        c->weight[d] = g->k[d].axis >= 0 ? slots : 0;
        slots *= g->k[d].axis >= 0 && slots <= CLIP_SLOTS ? g->k[d].extent : 1;
    }
    c->kept = slots <= CLIP_SLOTS;
    memset(c->have, 0, sizeof c->have);
}

static const struct part *clips_of_row(const struct bce_agu *g, struct clips *c, const int64_t *idx,
                                       const struct point *row, const struct run *runs, int num)
{
    int64_t slot = 0;
    for (int d = 0; d < g->num_k && c->kept; d++)
        slot += idx[d] * c->weight[d];
    struct part *part = c->part[slot];
    if (c->kept && c->have[slot])
        return part;
    c->have[slot] = true;
    for (int r = 0; r < num; r++) {
        int lo, hi;
        clip_run(g, row, &runs[r], &lo, &hi);
        part[r] = (struct part){(uint16_t)lo, (uint16_t)hi};
    }
    return part;
}

struct rows_reader {
    const struct bce_agu *g;
    struct run runs[BCE_BLOCK_I8];
    int num;
    size_t bytes;    // of an element
    ptrdiff_t pitch; // of a run's elements
};

// The elements of a row, in the view's type.
static void read_row(const struct rows_reader *x, const struct point *row, const struct part *part,
                     uint8_t *dst)
{
    const uint8_t *fill = (const uint8_t *)&x->g->fill;
    size_t bytes = x->bytes;
    for (int r = 0; r < x->num; r++) {
        const struct run *run = &x->runs[r];
        int lo = part ? part[r].lo : 0, hi = part ? part[r].hi : run->len;
        uint8_t *to = dst + (size_t)run->dst * bytes;
        if (lo > 0)
            gather(to, fill, bytes, 0, lo);
        if (hi > lo)
            gather(to + (size_t)lo * bytes, x->g->host + run_offset(x->g, row, run, lo), bytes,
                   x->pitch, hi - lo);
        if (run->len > hi)
            gather(to + (size_t)hi * bytes, fill, bytes, 0, run->len - hi);
    }
}

// Whether elements are in the view as they are in a row.
static bool is_as_is(enum dtype t, enum bce_row kind)
{
    bool byte = t == DT_I8 || t == DT_U8;
    return kind == BCE_ROW_I8 ? byte : kind == BCE_ROW_I16 ? t == DT_I16 : kind == BCE_ROW_F32;
}

bool bce_agu_rows(const struct bce_agu *g, int64_t k0, int rows, int64_t p0, int len,
                  enum bce_row kind, void *dst)
{
    struct rows_reader x = {.g = g, .bytes = dtype_bytes(g->dtype)};
    struct clips clips;
    uint64_t raw[BCE_BLOCK_I8];
    int64_t idx[ISA_MAX_RANK];
    struct point at = {0};
    bool bad = false, as_is = is_as_is(g->dtype, kind);
    widen_fn *widen = as_is ? NULL : widener_of(g->dtype, kind);
    size_t elem = (size_t)bce_row_elem(kind);
    x.num = block_runs(g, p0, len, x.runs);
    x.pitch = (ptrdiff_t)innermost(g)->stride * (ptrdiff_t)x.bytes;
    bool in_place = !as_is && !g->bounded && x.num == 1 && x.pitch == (ptrdiff_t)x.bytes;
    clips_init(g, &clips);
    memcpy(at.coord, g->origin, sizeof at.coord);
    odometer_set(g->k, g->num_k, k0, idx, &at);
    for (int i = 0; i < rows; i++) {
        uint8_t *row = (uint8_t *)dst + (size_t)i * BCE_ROW_BYTES;
        const struct part *part =
            g->bounded ? clips_of_row(g, &clips, idx, &at, x.runs, x.num) : NULL;
        const void *from = raw;
        if (in_place)
            from = g->host + run_offset(g, &at, &x.runs[0], 0);
        else
            read_row(&x, &at, part, as_is ? row : (uint8_t *)raw);
        bad |= !as_is && widen(row, from, len);
        memset(row + (size_t)len * elem, 0, (size_t)bce_row_used(kind, len) - (size_t)len * elem);
        odometer_next(g->k, g->num_k - 1, idx, &at);
    }
    return bad;
}

void bce_agu_store(const struct bce_agu *g, uint8_t *host, int64_t k, int64_t p0, int len,
                   const void *src)
{
    struct run runs[BCE_BLOCK_I8];
    int64_t idx[ISA_MAX_RANK];
    struct point at = {0};
    size_t bytes = dtype_bytes(g->dtype);
    ptrdiff_t pitch = (ptrdiff_t)innermost(g)->stride * (ptrdiff_t)bytes;
    int num = block_runs(g, p0, len, runs);
    memcpy(at.coord, g->origin, sizeof at.coord);
    odometer_set(g->k, g->num_k, k, idx, &at);
    for (int r = 0; r < num; r++) {
        int lo = 0, hi = runs[r].len;
        if (g->bounded)
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

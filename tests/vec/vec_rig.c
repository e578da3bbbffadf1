#include "vec_rig.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const enum dtype rig_numbers[] = {
    DT_F32,    DT_F64,    DT_F16, DT_BF16, DT_F8E4M3FN, DT_F8E4M3FNUZ, DT_F8E5M2, DT_F8E5M2FNUZ,
    DT_F8E8M0, DT_F4E2M1, DT_I2,  DT_I4,   DT_I8,       DT_I16,        DT_I32,    DT_I64,
    DT_U2,     DT_U4,     DT_U8,  DT_U16,  DT_U32,      DT_U64,        DT_BOOL,
};
const int rig_num_numbers = (int)(sizeof rig_numbers / sizeof *rig_numbers);

// ---- Machine
// -----------------------------------------------------------------------------------------

static struct sim *machine_on(struct arena *a, uint8_t *heap, size_t bytes, int threads)
{
    struct sim *s = ARENA_NEW(a, struct sim);
    machine_default(&s->machine);
    s->arena = a;
    s->pool = thread_pool_create(threads);
    for (int i = 0; i < SIM_REGION_NUM; i++)
        s->region[i].base = ((uint64_t)i + 1) << 40;
    s->region[SIM_REGION_HEAP].bytes = bytes;
    s->region[SIM_REGION_HEAP].host = heap;
    s->region[SIM_REGION_HEAP].writable = true;
    return s;
}

struct rig *rig_create(struct arena *a, size_t area_bytes, uint64_t seed)
{
    struct rig *r = ARENA_NEW(a, struct rig);
    r->area_bytes = area_bytes;
    r->heap_bytes = area_bytes * RIG_AREAS;
    r->random = seed;
    r->want = arena_alloc_aligned(a, r->heap_bytes, 64);
    for (int i = 0; i < 2; i++) {
        r->heap[i] = arena_alloc_aligned(a, r->heap_bytes, 64);
        r->s[i] = machine_on(a, r->heap[i], r->heap_bytes, i == 0 ? 1 : 2);
        r->s[i]->layer = &r->layer[i];
    }
    return r;
}

void rig_destroy(struct rig *r)
{
    for (int i = 0; i < 2; i++) {
        thread_pool_destroy(r->s[i]->pool);
        sim_release(r->s[i]->scratch, r->s[i]->scratch_bytes);
    }
}

uint64_t rig_random(struct rig *r)
{
    uint64_t z = r->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

int64_t rig_below(struct rig *r, int64_t n)
{
    return (int64_t)(rig_random(r) % (uint64_t)n);
}

static struct num random_number(struct rig *r, enum dtype t)
{
    struct num x = {0};
    if (dtype_is_float(t)) {
        x.f = (long double)(rig_below(r, 4001) - 2000) / 256.0L;
        if (rig_below(r, 8) == 0)
            x.f = (long double)rig_below(r, 5) - 2.0L;
    } else {
        x.i = ref_wrap(t, (uint64_t)(rig_below(r, 41) - 20));
    }
    return x;
}

static void random_element(struct rig *r, enum dtype t, uint8_t *p)
{
    static const long double special[] = {0.0L, -0.0L, INFINITY, -INFINITY, NAN,
                                          0.5L, 1.5L,  2.5L,     -0.5L};
    uint64_t bits[2] = {rig_random(r), rig_random(r)};
    int64_t kind = rig_below(r, 8);
    if (kind == 0 || dtype_bytes(t) > 8)
        memcpy(p, bits, dtype_bytes(t));
    else if (kind == 1 && dtype_is_float(t))
        ref_encode(t, (struct num){.f = special[rig_below(r, 9)]}, p);
    else
        ref_encode(t, random_number(r, t), p);
}

void rig_fill(struct rig *r, enum dtype t)
{
    enum { CHOICE = 512 };
    uint8_t choice[CHOICE][16];
    size_t bytes = dtype_bytes(t);
    for (int i = 0; i < CHOICE; i++)
        random_element(r, t, choice[i]);
    for (size_t i = 0; i + bytes <= r->heap_bytes; i += bytes)
        memcpy(r->want + i, choice[rig_below(r, CHOICE)], bytes);
    for (int i = 0; i < 2; i++)
        memcpy(r->heap[i], r->want, r->heap_bytes);
}

void rig_set(struct rig *r, int reg, const struct sim_view *v)
{
    for (int i = 0; i < 2; i++)
        r->s[i]->t[reg] = *v;
}

struct sim_view rig_dense(struct rig *r, int area, enum dtype t, int rank, const int64_t *extent)
{
    struct sim_view v = {.dtype = t, .rank = rank};
    int64_t stride = 1;
    v.base = IMAGE_HEAP_BASE + (uint64_t)area * r->area_bytes;
    for (int d = rank - 1; d >= 0; d--) {
        v.extent[d] = extent[d];
        v.stride[d] = stride;
        v.axis[d] = -1;
        stride *= extent[d];
    }
    return v;
}

static void add_borders(struct rig *r, struct sim_view *v)
{
    int axes = 1 + (int)rig_below(r, 2);
    for (int d = 0; d < v->rank; d++) {
        if (rig_below(r, 3) == 0)
            continue;
        v->axis[d] = (int8_t)rig_below(r, axes);
        v->step[d] = rig_below(r, 5) - 2;
    }
    for (int a = 0; a < axes; a++) {
        v->origin[a] = rig_below(r, 9) - 4;
        v->limit[a] = rig_below(r, 8) == 0 ? 1000 : 1 + rig_below(r, 9);
    }
    v->fill = rig_random(r);
}

struct sim_view rig_view(struct rig *r, int area, enum dtype t, int rank, const int64_t *extent,
                         bool source, bool borders)
{
    struct sim_view v = rig_dense(r, area, t, rank, extent);
    int64_t bytes = (int64_t)dtype_bytes(t), room = (int64_t)r->area_bytes / bytes, stride = 1;
    int64_t lo = 0, hi = 0, total = 1;
    unsigned left = (1u << rank) - 1;
    bool plain = rig_below(r, 3) == 0;
    for (int d = 0; d < rank; d++)
        total *= extent[d] ? extent[d] : 1;
    for (int i = rank - 1; i >= 0; i--) {
        int d = plain ? i : (int)rig_below(r, rank);
        while (!(left >> d & 1))
            d = (d + 1) % rank;
        left &= ~(1u << d);
        if (source && rig_below(r, 6) == 0) {
            v.stride[d] = 0;
            continue;
        }
        if (!plain && rig_below(r, 4) == 0 && total * 3 <= room) {
            stride *= 3;
            total *= 3;
        }
        v.stride[d] = !plain && rig_below(r, 4) == 0 ? -stride : stride;
        *(v.stride[d] < 0 ? &lo : &hi) += (extent[d] > 0 ? extent[d] - 1 : 0) * v.stride[d];
        stride *= extent[d] ? extent[d] : 1;
    }
    int64_t slack = room - (hi - lo + 1);
    if (slack < 0)
        bitlet_bug("an area of the test is too small");
    v.base += (uint64_t)((rig_below(r, slack + 1) - lo) * bytes);
    if (borders && rank > 0)
        add_borders(r, &v);
    return v;
}

bool rig_run(struct rig *r, rig_insn *body, const void *args)
{
    bool ok = true;
    for (int i = 0; i < 2; i++) {
        r->s[i]->cost = (struct sim_cost){0};
        r->s[i]->num_touch = 0;
        r->s[i]->fault.kind = SIM_FAULT_NONE;
        ok = body(r->s[i], args) && ok;
    }
    if (!ok) {
        printf("fault %d: %s\n", r->s[0]->fault.kind, r->s[0]->fault.detail);
        return false;
    }
    if (memcmp(r->heap[0], r->heap[1], r->heap_bytes) == 0)
        return true;
    printf("the result depends on the number of threads\n");
    return false;
}

static int64_t ordered_pattern(enum dtype t, const uint8_t *p)
{
    uint64_t u = 0, top = UINT64_C(1) << (dtype_info[t].bits - 1);
    memcpy(&u, p, dtype_bytes(t));
    return u & top ? -(int64_t)(u & (top - 1)) : (int64_t)u;
}

static bool close_enough(enum dtype t, const uint8_t *got, const uint8_t *want, int64_t ulps)
{
    if (memcmp(got, want, dtype_bytes(t)) == 0)
        return true;
    if (!dtype_is_float(t))
        return false;
    long double g = ref_decode(t, got).f, w = ref_decode(t, want).f;
    if (isnan(g) || isnan(w))
        return isnan(g) && isnan(w);
    int64_t d = ordered_pattern(t, got) - ordered_pattern(t, want);
    return d >= -ulps && d <= ulps;
}

bool rig_matches(struct rig *r, const struct sim_view *v, int64_t ulps, const char *what)
{
    int64_t idx[ISA_MAX_RANK] = {0};
    for (int d = 0; d < v->rank; d++)
        if (v->extent[d] == 0)
            return memcmp(r->heap[0], r->want, r->heap_bytes) == 0;
    do {
        uint8_t *got = ref_at(v, idx, r->heap[0]), *want = ref_at(v, idx, r->want);
        if (got && close_enough(v->dtype, got, want, ulps))
            memcpy(got, want, dtype_bytes(v->dtype));
        else if (got) {
            struct num g = ref_decode(v->dtype, got), w = ref_decode(v->dtype, want);
            printf("%s %s: got %Lg %lld, want %Lg %lld\n", what, dtype_text(v->dtype), g.f,
                   (long long)g.i, w.f, (long long)w.i);
            return false;
        }
    } while (ref_next(idx, v->extent, v->rank));
    if (memcmp(r->heap[0], r->want, r->heap_bytes) == 0)
        return true;
    printf("%s wrote outside of its result\n", what);
    return false;
}

// ---- Elements
// ----------------------------------------------------------------------------------------

uint8_t *ref_at(const struct sim_view *v, const int64_t *idx, uint8_t *heap)
{
    int64_t at = 0, coord[ISA_MAX_AXES];
    memcpy(coord, v->origin, sizeof coord);
    for (int d = 0; d < v->rank; d++) {
        at += idx[d] * v->stride[d];
        if (v->axis[d] >= 0)
            coord[v->axis[d]] += idx[d] * v->step[d];
    }
    for (int d = 0; d < v->rank; d++)
        if (v->axis[d] >= 0 && (coord[v->axis[d]] < 0 || coord[v->axis[d]] >= v->limit[v->axis[d]]))
            return NULL;
    return heap + (int64_t)(v->base - IMAGE_HEAP_BASE) + at * (int64_t)dtype_bytes(v->dtype);
}

bool ref_next(int64_t *idx, const int64_t *extent, int rank)
{
    for (int d = rank - 1; d >= 0; d--) {
        if (++idx[d] < extent[d])
            return true;
        idx[d] = 0;
    }
    return false;
}

struct num ref_get(const struct sim_view *v, const int64_t *idx, uint8_t *heap)
{
    const uint8_t *p = ref_at(v, idx, heap);
    return ref_decode(v->dtype, p ? (const void *)p : &v->fill);
}

void ref_put(const struct sim_view *v, const int64_t *idx, uint8_t *heap, struct num x)
{
    uint8_t *p = ref_at(v, idx, heap);
    if (p)
        ref_encode(v->dtype, x, p);
}

uint64_t ref_wrap(enum dtype t, uint64_t x)
{
    int bits = dtype_info[t].bits;
    if (t == DT_BOOL)
        return x != 0;
    if (bits == 64)
        return x;
    x %= UINT64_C(1) << bits;
    if (dtype_info[t].kind == DTK_I && x >> (bits - 1))
        x -= UINT64_C(1) << bits;
    return x;
}

int64_t ref_min(enum dtype t)
{
    return dtype_info[t].kind == DTK_I
               ? (int64_t)ref_wrap(t, UINT64_C(1) << (dtype_info[t].bits - 1))
               : 0;
}

uint64_t ref_max(enum dtype t)
{
    if (t == DT_BOOL)
        return 1;
    return dtype_info[t].kind == DTK_I ? ~(uint64_t)ref_min(t) : ref_wrap(t, UINT64_MAX);
}

// Narrow floats: {exponent bits, fraction bits, bias}.
static void layout_of(enum dtype t, int *e, int *m, int *bias)
{
    static const int table[][4] = {{DT_F16, 5, 10, 15},    {DT_BF16, 8, 7, 127},
                                   {DT_F8E4M3FN, 4, 3, 7}, {DT_F8E4M3FNUZ, 4, 3, 8},
                                   {DT_F8E5M2, 5, 2, 15},  {DT_F8E5M2FNUZ, 5, 2, 16},
                                   {DT_F4E2M1, 2, 1, 1}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i][0] == (int)t) {
            *e = table[i][1];
            *m = table[i][2];
            *bias = table[i][3];
        }
    }
}

// A magnitude by its fields; no pattern is special here.
static long double plain_value(enum dtype t, uint32_t pattern)
{
    int e = 0, m = 0, bias = 0;
    layout_of(t, &e, &m, &bias);
    int exponent = (int)(pattern >> m);
    long double fraction = (long double)(pattern & ((1u << m) - 1));
    if (exponent == 0)
        return ldexpl(fraction, 1 - bias - m);
    return ldexpl(fraction + (long double)(1u << m), exponent - bias - m);
}

static uint32_t largest_finite(enum dtype t)
{
    switch (t) {
    case DT_F16: return 0x7bff;
    case DT_BF16: return 0x7f7f;
    case DT_F8E4M3FN: return 0x7e;
    case DT_F8E5M2: return 0x7b;
    case DT_F4E2M1: return 7;
    default: return 0x7f;
    }
}

static bool has_infinity(enum dtype t)
{
    return t == DT_F16 || t == DT_BF16 || t == DT_F8E5M2;
}

static long double decode_narrow(enum dtype t, uint32_t bits)
{
    uint32_t top = 1u << (dtype_info[t].bits - 1), m = bits & (top - 1);
    if (t == DT_F8E8M0)
        return (bits & 0xff) == 0xff ? (long double)NAN : ldexpl(1, (int)(bits & 0xff) - 127);
    bool fnuz = t == DT_F8E4M3FNUZ || t == DT_F8E5M2FNUZ, minus = bits & top;
    if (fnuz && minus && m == 0)
        return NAN;
    long double v = plain_value(t, m);
    if (m > largest_finite(t))
        v = has_infinity(t) && m == largest_finite(t) + 1 ? (long double)INFINITY
                                                          : (long double)NAN;
    return minus ? -v : v;
}

struct num ref_decode(enum dtype t, const void *bits)
{
    struct num x = {0};
    uint64_t u = 0;
    memcpy(&u, bits, dtype_bytes(t));
    if (t == DT_F32) {
        float f;
        memcpy(&f, bits, sizeof f);
        x.f = (long double)f;
    } else if (t == DT_F64) {
        double f;
        memcpy(&f, bits, sizeof f);
        x.f = (long double)f;
    } else if (dtype_is_float(t)) {
        x.f = decode_narrow(t, (uint32_t)u);
    } else {
        x.i = ref_wrap(t, u);
    }
    return x;
}

// The pattern whose value lies nearest to v >= 0, the even one of two; one past the largest stands
// for overflow.
static uint32_t nearest_pattern(enum dtype t, long double v)
{
    uint32_t lo = 0, hi = largest_finite(t) + 1;
    while (hi - lo > 1) {
        uint32_t mid = (lo + hi) / 2;
        if (plain_value(t, mid) <= v)
            lo = mid;
        else
            hi = mid;
    }
    long double below = v - plain_value(t, lo), above = plain_value(t, hi) - v;
    return below < above || (below == above && lo % 2 == 0) ? lo : hi;
}

static uint32_t encode_narrow(enum dtype t, long double v)
{
    uint32_t top = 1u << (dtype_info[t].bits - 1), sign = signbit(v) ? top : 0;
    bool fnuz = t == DT_F8E4M3FNUZ || t == DT_F8E5M2FNUZ;
    if (t == DT_F8E8M0) {
        uint32_t p = 0;
        if (isnan(v) || v < 0 || v >= ldexpl(1.5L, 127))
            return 0xff;
        while (v >= ldexpl(1.5L, (int)p - 127))
            p++;
        return p;
    }
    if (isnan(v))
        return fnuz || t == DT_F4E2M1 ? top
               : t == DT_F8E4M3FN     ? 0x7f
               : t == DT_F8E5M2       ? 0x7e
               : t == DT_F16          ? 0x7e00
                                      : 0x7fc0;
    uint32_t p = isinf(v) ? largest_finite(t) + 1 : nearest_pattern(t, fabsl(v));
    if (p > largest_finite(t) && t == DT_F4E2M1)
        p = largest_finite(t);
    if (fnuz)
        return p > largest_finite(t) ? top : p == 0 ? 0 : sign | p;
    return sign | p;
}

void ref_encode(enum dtype t, struct num x, void *bits)
{
    float f = (float)x.f;
    double d = (double)x.f;
    uint64_t u = dtype_is_float(t) ? encode_narrow(t == DT_F32 || t == DT_F64 ? DT_F16 : t, x.f)
                                   : ref_wrap(t, x.i);
    if (t == DT_F32)
        memcpy(bits, &f, sizeof f);
    else if (t == DT_F64)
        memcpy(bits, &d, sizeof d);
    else
        memcpy(bits, &u, dtype_bytes(t));
}

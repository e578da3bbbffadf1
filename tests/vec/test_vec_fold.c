// VRED (axes, pooling windows, positions), VSCAN and VSORT against element-by-element references.
#include <math.h>

#include "check.h"
#include "vec_rig.h"

static struct arena *arena;
static struct rig *small, *large;

static bool exec_vred(struct sim *s, const void *args)
{
    return sim_exec_VRED(s, args);
}

static bool exec_vscan(struct sim *s, const void *args)
{
    return sim_exec_VSCAN(s, args);
}

static bool exec_vsort(struct sim *s, const void *args)
{
    return sim_exec_VSORT(s, args);
}

static bool is_arg(int64_t fn)
{
    return fn == RFN_argmax || fn == RFN_argmin;
}

static bool takes(int64_t fn, enum dtype t)
{
    if (fn == RFN_and || fn == RFN_or)
        return t == DT_BOOL;
    return t != DT_BOOL || (fn != RFN_sum && fn != RFN_prod);
}

// ---- Running value
// -----------------------------------------------------------------------------------

struct running {
    double sum, prod; // floats
    struct num best;
    uint64_t isum, iprod;
    bool any, all, some;
    int64_t where;
};

static const struct running nothing = {.prod = 1, .iprod = 1, .all = true};

static bool beats(int64_t fn, enum dtype t, struct num x, struct num best)
{
    bool largest = fn == RFN_max || fn == RFN_argmax;
    if (dtype_is_float(t)) {
        if (isnan(best.f))
            return false;
        return isnan(x.f) || (largest ? x.f > best.f : x.f < best.f);
    }
    bool sign = dtype_info[t].kind == DTK_I;
    bool above = sign ? (int64_t)x.i > (int64_t)best.i : x.i > best.i;
    return x.i != best.i && above == largest;
}

static void take(struct running *r, int64_t fn, enum dtype t, struct num x, int64_t where)
{
    r->sum += (double)x.f;
    r->prod *= (double)x.f;
    r->isum += x.i;
    r->iprod *= x.i;
    r->all = r->all && x.i;
    r->some = r->some || x.i;
    if (!r->any || beats(fn, t, x, r->best)) {
        r->best = x;
        r->where = where;
    }
    r->any = true;
}

static struct num extreme(enum dtype t, bool largest)
{
    return (struct num){.f = largest ? -(long double)INFINITY : (long double)INFINITY,
                        .i = largest ? (uint64_t)ref_min(t) : ref_max(t)};
}

static struct num value_of(const struct running *r, int64_t fn, enum dtype t)
{
    switch (fn) {
    case RFN_sum: return (struct num){.f = (long double)r->sum, .i = r->isum};
    case RFN_prod: return (struct num){.f = (long double)r->prod, .i = r->iprod};
    case RFN_max:
    case RFN_min: return r->any ? r->best : extreme(t, fn == RFN_max);
    case RFN_and: return (struct num){.i = r->all};
    case RFN_or: return (struct num){.i = r->some};
    default: return (struct num){.i = (uint64_t)r->where};
    }
}

// ---- VRED
// --------------------------------------------------------------------------------------------

static void reference_reduction(struct rig *r, const struct sim_view *d, const struct sim_view *a,
                                int64_t fn, bool skip)
{
    int64_t at[ISA_MAX_RANK] = {0};
    for (int k = 0; k < d->rank; k++)
        if (d->extent[k] == 0)
            return;
    do {
        struct running run = nothing;
        int64_t inner[ISA_MAX_RANK] = {0}, extent[ISA_MAX_RANK], where = 0;
        bool empty = false;
        for (int k = 0; k < a->rank; k++) {
            extent[k] = d->extent[k] == a->extent[k] ? 1 : a->extent[k];
            empty = empty || extent[k] == 0;
        }
        if (!empty) {
            do {
                int64_t idx[ISA_MAX_RANK];
                for (int k = 0; k < a->rank; k++)
                    idx[k] = at[k] + inner[k];
                if (!skip || ref_at(a, idx, r->want))
                    take(&run, fn, a->dtype, ref_get(a, idx, r->want), where);
                where++;
            } while (ref_next(inner, extent, a->rank));
        }
        ref_put(d, at, r->want, value_of(&run, fn, a->dtype));
    } while (ref_next(at, d->extent, d->rank));
}

static void reduce(struct rig *r, const struct sim_view *d, const struct sim_view *a, int64_t fn,
                   bool skip)
{
    struct isa_args_VRED in = {.td = 0, .ta = 1, .fn = fn, .skip = skip};
    rig_set(r, 0, d);
    rig_set(r, 1, a);
    if (!takes(fn, a->dtype)) {
        CHECK(!exec_vred(r->s[0], &in));
        CHECK_INT(r->s[0]->fault.kind, SIM_FAULT_TYPE);
        return;
    }
    reference_reduction(r, d, a, fn, skip);
    CHECK(rig_run(r, exec_vred, &in) && rig_matches(r, d, 0, reduce_fn_info[fn].name));
}

static void try_reduction(struct rig *r, enum dtype t, int64_t fn, int rank, const int64_t *extent)
{
    int64_t result[ISA_MAX_RANK];
    for (int d = 0; d < rank; d++)
        result[d] = rig_below(r, 2) ? 1 : extent[d];
    struct sim_view a = rig_view(r, 0, t, rank, extent, true, rig_below(r, 2));
    struct sim_view d =
        rig_view(r, 3, is_arg(fn) ? DT_I64 : t, rank, result, false, rig_below(r, 8) == 0);
    rig_fill(r, t);
    reduce(r, &d, &a, fn, rig_below(r, 2));
}

static void reductions(void)
{
    for (int64_t fn = 0; fn < RFN_NUM; fn++) {
        for (int i = 0; i < rig_num_numbers; i++) {
            for (int n = 0; n < 6; n++) {
                int rank = (int)rig_below(small, 5);
                int64_t extent[4];
                for (int d = 0; d < rank; d++)
                    extent[d] = rig_below(small, 40) == 0 ? 0 : 1 + rig_below(small, 6);
                if (rank == 2 && n % 2 == 0)
                    extent[n % 4 / 2] = 1 + rig_below(small, 120);
                try_reduction(small, rig_numbers[i], fn, rank, extent);
            }
        }
    }
}

static void long_reductions(void)
{
    static const int64_t fns[] = {RFN_sum, RFN_max, RFN_argmax};
    for (int i = 0; i < 3; i++) {
        try_reduction(large, DT_F32, fns[i], 2, (int64_t[]){23, 3001});
        try_reduction(large, DT_F16, fns[i], 3, (int64_t[]){2, 1500, 31});
        try_reduction(large, DT_I8, fns[i], 4, (int64_t[]){11, 17, 19, 23});
        try_reduction(large, DT_F32, fns[i], 3, (int64_t[]){3001, 5, 6});
    }
}

// Pooling: windows of an image with borders, whose base lies before the image and, for the first
// image, before all memory.
static void pooling(void)
{
    enum { C = 3, H = 9, W = 13, K = 3, PAD = 1, STRIDE = 2, OH = 5, OW = 7 };
    for (int64_t fn = 0; fn < RFN_NUM; fn++) {
        for (int i = 0; i < rig_num_numbers; i++) {
            enum dtype t = rig_numbers[i];
            struct sim_view a = {.dtype = t,
                                 .rank = 5,
                                 .extent = {C, OH, OW, K, K},
                                 .stride = {H * W, STRIDE * W, STRIDE, W, 1},
                                 .axis = {-1, 0, 1, 0, 1},
                                 .step = {0, STRIDE, STRIDE, 1, 1},
                                 .origin = {-PAD, -PAD},
                                 .limit = {H, W}};
            struct sim_view d =
                rig_dense(small, 2, is_arg(fn) ? DT_I64 : t, 5, (int64_t[]){C, OH, OW, 1, 1});
            a.base = IMAGE_HEAP_BASE - (uint64_t)(PAD * W + PAD) * dtype_bytes(t);
            a.fill = rig_random(small);
            rig_fill(small, t);
            reduce(small, &d, &a, fn, i % 3 != 0);
        }
    }
}

// ---- VSCAN
// -------------------------------------------------------------------------------------------

static void reference_scan(struct rig *r, const struct sim_view *d, const struct sim_view *a,
                           const struct isa_args_VSCAN *in)
{
    int64_t row[ISA_MAX_RANK] = {0}, rows[ISA_MAX_RANK], length = 1;
    memcpy(rows, a->extent, sizeof rows);
    if (a->rank > 0) {
        length = a->extent[a->rank - 1];
        rows[a->rank - 1] = 1;
    }
    for (int k = 0; k < a->rank; k++)
        if (a->extent[k] == 0)
            return;
    do {
        struct running run = nothing;
        for (int64_t i = 0; i < length; i++) {
            int64_t idx[ISA_MAX_RANK];
            memcpy(idx, row, sizeof idx);
            if (a->rank > 0)
                idx[a->rank - 1] = in->rev ? length - 1 - i : i;
            struct num before = value_of(&run, in->fn, a->dtype);
            take(&run, in->fn, a->dtype, ref_get(a, idx, r->want), 0);
            ref_put(d, idx, r->want, in->excl ? before : value_of(&run, in->fn, a->dtype));
        }
    } while (ref_next(row, rows, a->rank));
}

static void try_scan(struct rig *r, enum dtype t, int64_t fn, int rank, const int64_t *extent)
{
    struct isa_args_VSCAN in = {
        .td = 0, .ta = 1, .fn = fn, .excl = rig_below(r, 2), .rev = rig_below(r, 2)};
    struct sim_view a = rig_view(r, 0, t, rank, extent, true, rig_below(r, 3) == 0);
    struct sim_view d = rig_view(r, 3, t, rank, extent, false, rig_below(r, 8) == 0);
    rig_fill(r, t);
    rig_set(r, 0, &d);
    rig_set(r, 1, &a);
    if (is_arg(fn) || !takes(fn, t)) {
        CHECK(!exec_vscan(r->s[0], &in));
        return;
    }
    reference_scan(r, &d, &a, &in);
    CHECK(rig_run(r, exec_vscan, &in) && rig_matches(r, &d, 0, reduce_fn_info[fn].name));
}

static void scans(void)
{
    for (int64_t fn = 0; fn < RFN_NUM; fn++) {
        for (int i = 0; i < rig_num_numbers; i++) {
            for (int n = 0; n < 3; n++) {
                int rank = (int)rig_below(small, 4);
                int64_t extent[3];
                for (int d = 0; d < rank; d++)
                    extent[d] = rig_below(small, 40) == 0 ? 0 : 1 + rig_below(small, 8);
                try_scan(small, rig_numbers[i], fn, rank, extent);
            }
        }
    }
    try_scan(large, DT_F32, RFN_sum, 2, (int64_t[]){30, 2500});
    try_scan(large, DT_I64, RFN_max, 3, (int64_t[]){3000, 5, 2});
}

// ---- VSORT
// -------------------------------------------------------------------------------------------

static bool goes_before(enum dtype t, struct num a, struct num b, bool descending)
{
    if (dtype_is_float(t)) {
        if (isnan(a.f) || isnan(b.f))
            return descending ? isnan(a.f) && !isnan(b.f) : isnan(b.f) && !isnan(a.f);
        return descending ? a.f > b.f : a.f < b.f;
    }
    return a.i != b.i && beats(descending ? RFN_max : RFN_min, t, a, b);
}

static void sort_one_row(struct rig *r, const struct sim_view *const *v, const int64_t *row,
                         int64_t length, bool desc)
{
    const struct sim_view *d = v[0], *a = v[2];
    static int64_t order[4096];
    static struct num value[4096];
    int64_t idx[ISA_MAX_RANK], *last = &idx[a->rank > 0 ? a->rank - 1 : 0];
    memcpy(idx, row, sizeof idx);
    for (int64_t i = 0; i < length; i++) { // insertion keeps the order of equal ones
        int64_t j = i;
        *last = i;
        value[i] = ref_get(a, idx, r->want);
        for (; j > 0 && goes_before(a->dtype, value[i], value[order[j - 1]], desc); j--)
            order[j] = order[j - 1];
        order[j] = i;
    }
    for (int64_t i = 0; i < length; i++) {
        *last = order[i];
        uint8_t bits[16];
        const uint8_t *from = ref_at(a, idx, r->want);
        memcpy(bits, from ? (const void *)from : &a->fill, dtype_bytes(a->dtype));
        *last = i;
        uint8_t *to = ref_at(d, idx, r->want);
        if (to)
            memcpy(to, bits, dtype_bytes(a->dtype));
        ref_put(v[1], idx, r->want, (struct num){.i = (uint64_t)order[i]});
    }
}

static void try_sort(struct rig *r, enum dtype t, int rank, const int64_t *extent)
{
    struct isa_args_VSORT in = {.td = 0, .tb = 1, .ta = 2, .desc = rig_below(r, 2)};
    struct sim_view d = rig_view(r, 3, t, rank, extent, false, rig_below(r, 8) == 0);
    struct sim_view b = rig_view(r, 2, DT_I64, rank, extent, false, false);
    struct sim_view a = rig_view(r, 0, t, rank, extent, true, rig_below(r, 3) == 0);
    const struct sim_view *const v[] = {&d, &b, &a};
    int64_t row[ISA_MAX_RANK] = {0}, rows[ISA_MAX_RANK], length = rank > 0 ? extent[rank - 1] : 1;
    bool empty = false;
    for (int i = 0; i < rank; i++) {
        rows[i] = i == rank - 1 ? 1 : extent[i];
        empty = empty || extent[i] == 0;
    }
    rig_fill(r, t);
    for (int i = 0; i < 3; i++)
        rig_set(r, i, v[i]);
    if (!empty)
        do
            sort_one_row(r, v, row, length, in.desc);
        while (ref_next(row, rows, rank));
    CHECK(rig_run(r, exec_vsort, &in) && memcmp(r->heap[0], r->want, r->heap_bytes) == 0);
}

static void sorts(void)
{
    for (int i = 0; i < rig_num_numbers; i++) {
        for (int n = 0; n < 10; n++) {
            int rank = (int)rig_below(small, 4);
            int64_t extent[3];
            for (int d = 0; d < rank; d++)
                extent[d] =
                    rig_below(small, 40) == 0 ? 0 : 1 + rig_below(small, d == rank - 1 ? 20 : 5);
            try_sort(small, rig_numbers[i], rank, extent);
        }
    }
    try_sort(large, DT_F32, 2, (int64_t[]){9, 3000});
    try_sort(large, DT_U64, 1, (int64_t[]){4001});
}

int main(void)
{
    arena = arena_create();
    small = rig_create(arena, 16384, 3);
    large = rig_create(arena, 1 << 20, 4);
    RUN(reductions);
    RUN(long_reductions);
    RUN(pooling);
    RUN(scans);
    RUN(sorts);
    rig_destroy(small);
    rig_destroy(large);
    arena_destroy(arena);
    return check_summary();
}

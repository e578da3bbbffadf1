// VGATHER and VSCATTER against references; the faults of untrusted operands; the cost of an
// instruction.
#include <math.h>

#include "check.h"
#include "vec_rig.h"

static struct arena *arena;
static struct rig *small, *large;

static bool exec_gather(struct sim *s, const void *args)
{
    return sim_exec_VGATHER(s, args);
}

static bool exec_scatter(struct sim *s, const void *args)
{
    return sim_exec_VSCATTER(s, args);
}

static bool exec_vmov(struct sim *s, const void *args)
{
    return sim_exec_VMOV(s, args);
}

static bool exec_vbin(struct sim *s, const void *args)
{
    return sim_exec_VBIN(s, args);
}

static bool exec_vred(struct sim *s, const void *args)
{
    return sim_exec_VRED(s, args);
}

// Indices for `moved`, in area 2, written to both machines: in range, a third of them negative.
static struct sim_view random_indices(struct rig *r, int rank, const int64_t *extent, int64_t limit)
{
    enum dtype t = rig_below(r, 2) ? DT_I32 : DT_I64;
    struct sim_view b = rig_view(r, 2, t, rank, extent, true, false);
    int64_t idx[ISA_MAX_RANK] = {0};
    do {
        int64_t x = rig_below(r, limit);
        struct num v = {.i = (uint64_t)(rig_below(r, 3) == 0 ? x - limit : x)};
        ref_put(&b, idx, r->want, v);
        for (int i = 0; i < 2; i++)
            ref_put(&b, idx, r->heap[i], v);
    } while (ref_next(idx, extent, rank));
    return b;
}

// Where an index moves the element of v at idx; NULL outside the borders.
static uint8_t *moved(const struct sim_view *v, const struct sim_view *b, const int64_t *idx,
                      const struct isa_args_VIDX *in, uint8_t *heap)
{
    uint8_t *p = ref_at(v, idx, heap);
    int64_t x = (int64_t)ref_get(b, idx, heap).i;
    x = x < 0 ? x + in->limit : x;
    return p ? p + x * in->stride * (int64_t)dtype_bytes(v->dtype) : NULL;
}

// A view that stays in its area when it is moved by 0 .. (limit - 1) * stride elements.
static struct sim_view movable(struct rig *r, int area, enum dtype t, int rank,
                               const int64_t *extent, bool source, bool borders,
                               const struct isa_args_VIDX *in)
{
    int64_t far = (in->limit - 1) * in->stride * (int64_t)dtype_bytes(t);
    size_t whole = r->area_bytes;
    r->area_bytes -= (size_t)(far < 0 ? -far : far);
    struct sim_view v = rig_view(r, 0, t, rank, extent, source, borders);
    r->area_bytes = whole;
    v.base += (uint64_t)((int64_t)whole * area + (far < 0 ? -far : 0));
    return v;
}

static struct isa_args_VIDX random_fields(struct rig *r)
{
    struct isa_args_VIDX in = {.td = 0, .ta = 1, .tb = 2, .limit = 1 + rig_below(r, 12)};
    in.stride = rig_below(r, 30) - 10;
    return in;
}

static void try_gather(struct rig *r, enum dtype t, int rank, const int64_t *extent)
{
    struct isa_args_VIDX in = random_fields(r);
    struct sim_view d = rig_view(r, 3, t, rank, extent, false, rig_below(r, 8) == 0);
    struct sim_view a = movable(r, 0, t, rank, extent, true, rig_below(r, 3) == 0, &in);
    rig_fill(r, DT_U64);
    struct sim_view b = random_indices(r, rank, extent, in.limit);
    rig_set(r, 0, &d);
    rig_set(r, 1, &a);
    rig_set(r, 2, &b);
    int64_t idx[ISA_MAX_RANK] = {0};
    do {
        uint8_t bits[16] = {0}, *from = moved(&a, &b, idx, &in, r->want),
                *to = ref_at(&d, idx, r->want);
        memcpy(bits, from ? (const void *)from : &a.fill, from ? dtype_bytes(t) : sizeof a.fill);
        if (to)
            memcpy(to, bits, dtype_bytes(t));
    } while (ref_next(idx, extent, rank));
    CHECK(rig_run(r, exec_gather, &in) && memcmp(r->heap[0], r->want, r->heap_bytes) == 0);
}

static void gathers(void)
{
    for (int n = 0; n < 400; n++) {
        int64_t extent[] = {1 + rig_below(small, 5), 1 + rig_below(small, 5),
                            1 + rig_below(small, 20)};
        try_gather(small, (enum dtype)rig_below(small, DT_NUM), (int)rig_below(small, 4), extent);
    }
    try_gather(large, DT_F32, 2, (int64_t[]){300, 250});
}

static struct num combined(int64_t fn, enum dtype t, struct num old, struct num x)
{
    bool sign = dtype_info[t].kind == DTK_I;
    bool above = sign ? (int64_t)x.i > (int64_t)old.i : x.i > old.i;
    struct num y = {0};
    switch (fn) {
    case RFN_sum:
        y = (struct num){.f = (long double)((double)old.f + (double)x.f), .i = old.i + x.i};
        break;
    case RFN_prod:
        y = (struct num){.f = (long double)((double)old.f * (double)x.f), .i = old.i * x.i};
        break;
    case RFN_and: y.i = old.i && x.i; break;
    case RFN_or: y.i = old.i || x.i; break;
    default:
        if (dtype_is_float(t))
            y = isnan(old.f) || !(isnan(x.f) || (fn == RFN_max ? x.f > old.f : x.f < old.f)) ? old
                                                                                             : x;
        else
            y = above == (fn == RFN_max) ? x : old;
    }
    return y;
}

static void try_scatter(struct rig *r, enum dtype t, int64_t fn, int rank, const int64_t *extent)
{
    struct isa_args_VIDX in = random_fields(r);
    in.fn = fn < 0 ? 0 : fn;
    in.comb = fn >= 0;
    struct sim_view d = movable(r, 3, t, rank, extent, true, rig_below(r, 4) == 0, &in);
    struct sim_view a = rig_view(r, 0, t, rank, extent, true, rig_below(r, 4) == 0);
    rig_fill(r, t);
    struct sim_view b = random_indices(r, rank, extent, in.limit);
    rig_set(r, 0, &d);
    rig_set(r, 1, &a);
    rig_set(r, 2, &b);
    bool logic = fn == RFN_and || fn == RFN_or;
    if (fn >= 0 && (logic != (t == DT_BOOL) || fn == RFN_argmax || fn == RFN_argmin)) {
        if (t != DT_BOOL || (fn != RFN_max && fn != RFN_min))
            CHECK(!exec_scatter(r->s[0], &in));
        return;
    }
    int64_t idx[ISA_MAX_RANK] = {0};
    do {
        uint8_t bits[16] = {0}, *to = moved(&d, &b, idx, &in, r->want),
                *from = ref_at(&a, idx, r->want);
        memcpy(bits, from ? (const void *)from : &a.fill, dtype_bytes(t));
        if (to && fn >= 0)
            ref_encode(t, combined(fn, t, ref_decode(t, to), ref_decode(t, bits)), to);
        else if (to)
            memcpy(to, bits, dtype_bytes(t));
    } while (ref_next(idx, extent, rank));
    struct sim_view all =
        rig_dense(r, 0, t, 1, (int64_t[]){(int64_t)(r->heap_bytes / dtype_bytes(t))});
    CHECK(rig_run(r, exec_scatter, &in) &&
          rig_matches(r, &all, 0, fn < 0 ? "scatter" : reduce_fn_info[fn].name));
}

static void scatters(void)
{
    for (int64_t fn = -1; fn < RFN_NUM; fn++) {
        for (int i = 0; i < rig_num_numbers; i++) {
            for (int n = 0; n < 3; n++) {
                int64_t extent[] = {1 + rig_below(small, 4), 1 + rig_below(small, 6),
                                    1 + rig_below(small, 9)};
                try_scatter(small, rig_numbers[i], fn, (int)rig_below(small, 4), extent);
            }
        }
    }
    try_scatter(large, DT_I16, -1, 2, (int64_t[]){300, 250});
}

// ---- Faults
// ------------------------------------------------------------------------------------------

static void expect_fault(rig_insn *body, const void *args, enum sim_fault_kind kind)
{
    struct sim *s = small->s[1];
    s->fault.kind = SIM_FAULT_NONE;
    s->num_touch = 0;
    CHECK(!body(s, args));
    CHECK_INT(s->fault.kind, kind);
}

static void bad_indices(void)
{
    struct isa_args_VIDX in = {.td = 0, .ta = 1, .tb = 2, .limit = 10, .stride = 1};
    int64_t extent[] = {100};
    struct sim_view d = rig_dense(small, 3, DT_F32, 1, extent),
                    a = rig_dense(small, 0, DT_F32, 1, extent);
    struct sim_view b = rig_dense(small, 2, DT_I32, 1, extent);
    memset(small->heap[1], 0, small->heap_bytes);
    rig_set(small, 0, &d);
    rig_set(small, 1, &a);
    rig_set(small, 2, &b);
    CHECK(exec_gather(small->s[1], &in));
    static const int32_t bad[] = {10, -11, INT32_MAX, INT32_MIN};
    for (int i = 0; i < 4; i++) {
        memcpy(small->heap[1] + 2 * small->area_bytes + 4 * 77, &bad[i], 4);
        expect_fault(exec_gather, &in, SIM_FAULT_INDEX);
        expect_fault(exec_scatter, &in, SIM_FAULT_INDEX);
    }
    in.limit = 0;
    expect_fault(exec_gather, &in, SIM_FAULT_INDEX);
    in.limit = INT64_C(1) << 32;
    in.stride = INT64_C(1) << 30;
    expect_fault(exec_gather, &in, SIM_FAULT_VIEW);
    in.limit = 1 << 20;
    in.stride = 1;
    expect_fault(exec_gather, &in, SIM_FAULT_LOAD);
    in.stride = 1 << 18; // ends in another segment of the address space
    in.limit = (1 << 20) + 1;
    expect_fault(exec_scatter, &in, SIM_FAULT_STORE);
}

static void bad_operands(void)
{
    struct isa_args_V1 move = {.td = 0, .ta = 1};
    struct isa_args_VBIN add = {.td = 0, .ta = 1, .tb = 1, .fn = BFN_add};
    struct isa_args_VRED sum = {.td = 0, .ta = 1, .fn = RFN_sum};
    struct sim_view a = rig_dense(small, 0, DT_F32, 2, (int64_t[]){4, 8}),
                    d = rig_dense(small, 3, DT_F32, 2, a.extent);
    rig_set(small, 1, &a);
    d.extent[1] = 7;
    rig_set(small, 0, &d);
    expect_fault(exec_vmov, &move, SIM_FAULT_VIEW);
    expect_fault(exec_vred, &sum, SIM_FAULT_VIEW);
    d.extent[1] = 8;
    d.dtype = DT_I32;
    rig_set(small, 0, &d);
    expect_fault(exec_vmov, &move, SIM_FAULT_TYPE);
    expect_fault(exec_vbin, &add, SIM_FAULT_TYPE);
    d.dtype = DT_F32;
    d.stride[0] = 1 << 20;
    rig_set(small, 0, &d);
    expect_fault(exec_vmov, &move, SIM_FAULT_STORE);
    d.stride[0] = INT64_MAX;
    rig_set(small, 0, &d);
    expect_fault(exec_vmov, &move, SIM_FAULT_VIEW);
    a.dtype = d.dtype = DT_STR;
    d.stride[0] = 8;
    rig_set(small, 0, &d);
    rig_set(small, 1, &a);
    expect_fault(exec_vbin, &add, SIM_FAULT_TYPE);
}

// Random views of any shape: no crash, whatever the instruction says.
static void hostile_views(void)
{
    struct rig *r = small;
    for (int n = 0; n < 4000; n++) {
        for (int i = 0; i < 4; i++) {
            struct sim_view v = {.dtype = (enum dtype)rig_below(r, DT_NUM),
                                 .rank = (int)rig_below(r, 4)};
            v.base = IMAGE_HEAP_BASE + (uint64_t)rig_below(r, 4096) * 8;
            for (int d = 0; d < v.rank; d++) {
                v.extent[d] = rig_below(r, 9);
                v.stride[d] = (int64_t)rig_random(r) >> rig_below(r, 64);
                v.axis[d] = (int8_t)(rig_below(r, 5) - 1);
                v.step[d] = (int64_t)rig_random(r) >> rig_below(r, 64);
            }
            for (int a = 0; a < ISA_MAX_AXES; a++) {
                v.origin[a] = (int64_t)rig_random(r) >> rig_below(r, 64);
                v.limit[a] = (int64_t)rig_random(r) >> rig_below(r, 64);
            }
            if (i > 0 && rig_below(r, 4)) {
                v.rank = r->s[1]->t[0].rank;
                memcpy(v.extent, r->s[1]->t[0].extent, sizeof v.extent);
                v.dtype = r->s[1]->t[0].dtype;
            }
            r->s[1]->t[i] = v;
        }
        struct sim *s = r->s[1];
        s->fault.kind = SIM_FAULT_NONE;
        s->num_touch = 0;
        struct isa_args_VIDX index = {
            .td = 0, .ta = 1, .tb = 2, .limit = rig_below(r, 100), .stride = rig_below(r, 9) - 4};
        index.comb = rig_below(r, 2);
        s->t[2].dtype = n % 2 && n % 7 < 2 ? DT_I64 : s->t[2].dtype;
        switch (n % 7) {
        case 0: (void)sim_exec_VMOV(s, &(struct isa_args_V1){.td = 0, .ta = 1}); break;
        case 1: (void)sim_exec_VGATHER(s, &index); break;
        case 2: (void)sim_exec_VSCATTER(s, &index); break;
        case 3:
            (void)sim_exec_VRED(
                s, &(struct isa_args_VRED){.td = 0, .ta = 1, .fn = rig_below(r, RFN_NUM)});
            break;
        case 4:
            (void)sim_exec_VSCAN(s, &(struct isa_args_VSCAN){.td = 0, .ta = 1, .rev = n & 1});
            break;
        case 5: (void)sim_exec_VSORT(s, &(struct isa_args_VSORT){.td = 0, .ta = 1, .tb = 2}); break;
        default:
            (void)sim_exec_VCVT(
                s, &(struct isa_args_VCVT){.td = 0, .ta = 1, .bits = rig_below(r, 64)});
            break;
        }
    }
}

// ---- Cost
// --------------------------------------------------------------------------------------------

static void costs(void)
{
    struct isa_args_VBIN in = {.td = 0, .ta = 1, .tb = 2, .fn = BFN_add};
    struct sim *s = small->s[0];
    int64_t extent[] = {1000};
    for (int i = 0; i < 3; i++) {
        struct sim_view v = rig_dense(small, i, DT_F32, 1, extent);
        rig_set(small, i, &v);
    }
    rig_fill(small, DT_F32);
    small->layer[0].vector_ops = 0;
    CHECK(rig_run(small, exec_vbin, &in));
    CHECK_INT(small->layer[0].vector_ops, 1000);
    // 12000 bytes of DRAM at 12.8 bytes a cycle are more than 1000 elements on 16 lanes.
    CHECK_INT(s->cost.cycles, 16 + 938);
    in.fn = BFN_pow;
    CHECK(rig_run(small, exec_vbin, &in));
    CHECK_INT(s->cost.cycles, 16 + 63 * 16);
}

int main(void)
{
    arena = arena_create();
    small = rig_create(arena, 16384, 5);
    large = rig_create(arena, 1 << 20, 6);
    RUN(gathers);
    RUN(scatters);
    RUN(bad_indices);
    RUN(bad_operands);
    RUN(hostile_views);
    RUN(costs);
    rig_destroy(small);
    rig_destroy(large);
    arena_destroy(arena);
    return check_summary();
}

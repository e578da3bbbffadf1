// The hull and the count of views, against every index one by one.
#include "sim_case.h"

#define HEAP 4096

struct truth {
    int64_t inside, lo, hi; // elements relative to base
};

static struct truth walk(const struct sim_view *v)
{
    struct truth t = {0, INT64_MAX, INT64_MIN};
    int64_t idx[ISA_MAX_RANK] = {0}, total = 1;
    for (int d = 0; d < v->rank; d++)
        total *= v->extent[d];
    for (int64_t n = 0; n < total; n++) {
        int64_t coord[ISA_MAX_AXES], offset = 0;
        bool in = true;
        memcpy(coord, v->origin, sizeof coord);
        for (int d = 0; d < v->rank; d++) {
            offset += idx[d] * v->stride[d];
            if (v->axis[d] >= 0)
                coord[v->axis[d]] += idx[d] * v->step[d];
        }
        for (int d = 0; d < v->rank; d++)
            if (v->axis[d] >= 0 &&
                (coord[v->axis[d]] < 0 || coord[v->axis[d]] >= v->limit[v->axis[d]]))
                in = false;
        if (in) {
            t.inside++;
            t.lo = offset < t.lo ? offset : t.lo;
            t.hi = offset > t.hi ? offset : t.hi;
        }
        for (int d = v->rank - 1; d >= 0; d--) {
            if (++idx[d] < v->extent[d])
                break;
            idx[d] = 0;
        }
    }
    return t;
}

static struct sim_view random_view(bool windows)
{
    struct sim_view v = {
        .base = IMAGE_HEAP_BASE + HEAP / 2 * 2, .dtype = DT_I16, .rank = (int)case_int(0, 5)};
    int64_t pitch[2] = {case_int(-3, 9), case_int(-3, 9)};
    for (int a = 0; a < 2; a++) {
        v.origin[a] = case_int(-5, 5);
        v.limit[a] = case_int(0, 12);
    }
    for (int d = 0; d < ISA_MAX_RANK; d++) {
        v.extent[d] = d < v.rank ? case_int(case_int(0, 9) == 0 ? 0 : 1, 4) : 1;
        v.axis[d] = (int8_t)case_int(-1, 1);
        v.step[d] = case_int(-2, 3);
        v.stride[d] = windows && v.axis[d] >= 0 ? pitch[v.axis[d]] * v.step[d] : case_int(-6, 6);
    }
    return v;
}

static void check_one(struct sim *s, const struct sim_view *v, bool windows)
{
    struct truth t = walk(v);
    uint8_t *host;
    s->num_touch = 0;
    s->fault.kind = SIM_FAULT_NONE;
    CHECK(sim_view_map(s, v, false, &host));
    if (t.inside == 0) {
        CHECK(s->num_touch == 0 || host != NULL); // a hull may be found where nothing is inside
        return;
    }
    CHECK_INT(sim_view_inside(v), t.inside);
    CHECK_INT(s->num_touch, 1);
    int64_t lo = ((int64_t)(s->touch[0].lo - v->base)) / 2,
            hi = ((int64_t)(s->touch[0].hi - v->base)) / 2 - 1;
    CHECK(lo <= t.lo && hi >= t.hi);
    CHECK(host == s->region[SIM_REGION_HEAP].host + (v->base - IMAGE_HEAP_BASE));
    (void)windows;
}

static void random_views(void)
{
    struct sim_case c;
    case_prepare(&c);
    case_load(&c, ".heap 8192\n halt");
    case_seed = 1;
    for (int i = 0; i < 40000; i++) {
        struct sim_view v = random_view(i % 2 == 0);
        check_one(c.sim, &v, i % 2 == 0);
    }
    case_end(&c);
}

// A 3x3 window with padding 1 over a dense 8x8 plane: the plane exactly, though the base lies
// before it.
static void window_is_exact(void)
{
    struct sim_case c;
    case_prepare(&c);
    case_load(&c, ".heap 64\n halt");
    struct sim_view v = {.base = IMAGE_HEAP_BASE - 9,
                         .dtype = DT_I8,
                         .rank = 4,
                         .extent = {3, 3, 8, 8},
                         .stride = {8, 1, 8, 1},
                         .axis = {0, 1, 0, 1},
                         .step = {1, 1, 1, 1},
                         .origin = {-1, -1},
                         .limit = {8, 8}};
    uint8_t *host;
    CHECK(sim_view_map(c.sim, &v, false, &host));
    CHECK_INT(c.sim->touch[0].lo, IMAGE_HEAP_BASE);
    CHECK_INT(c.sim->touch[0].hi, IMAGE_HEAP_BASE + 64);
    CHECK_INT(sim_view_inside(&v), 22 * 22);
    CHECK_INT(sim_view_region(&v), SIM_REGION_HEAP);
    CHECK(sim_view_in_dram(&v));
    sim_count_view(c.sim, &v, false);
    CHECK_INT(c.sim->cost.dram_read, 64);
    v.limit[0] = 9; // one row too many
    CHECK(!sim_view_map(c.sim, &v, false, &host) && case_fault(&c) == SIM_FAULT_LOAD);
    case_end(&c);
}

static void refused(struct sim *s, struct sim_view v, bool write, enum sim_fault_kind want)
{
    uint8_t *host;
    s->fault.kind = SIM_FAULT_NONE;
    CHECK(!sim_view_map(s, &v, write, &host));
    CHECK_INT(s->fault.kind, want);
}

static void extremes(void)
{
    struct sim_case c;
    case_prepare(&c);
    case_load(&c, ".heap 64\n halt\n .rodata\n .i32 1, 2\n");
    struct sim_view v = {.base = IMAGE_HEAP_BASE,
                         .dtype = DT_I32,
                         .rank = 2,
                         .extent = {2, 2},
                         .stride = {4, 1},
                         .axis = {-1, -1}};
    struct sim_view bad = v;
    bad.extent[0] = -1;
    refused(c.sim, bad, false, SIM_FAULT_VIEW);
    bad = v;
    bad.extent[0] = bad.extent[1] = INT64_MAX;
    refused(c.sim, bad, false, SIM_FAULT_VIEW);
    bad = v;
    bad.stride[0] = INT64_MIN;
    refused(c.sim, bad, false, SIM_FAULT_VIEW);
    bad = v;
    bad.base += 2;
    refused(c.sim, bad, false, SIM_FAULT_VIEW);
    bad = v;
    bad.stride[0] = 15;
    refused(c.sim, bad, false, SIM_FAULT_LOAD);
    bad = v;
    bad.base = IMAGE_RODATA_BASE;
    bad.stride[0] = 0;
    refused(c.sim, bad, true, SIM_FAULT_STORE);
    bad = v;
    bad.axis[0] = 0;
    bad.step[0] = INT64_MIN;
    bad.limit[0] = INT64_MAX;
    refused(c.sim, bad, false, SIM_FAULT_VIEW);
    bad.step[0] = 1;
    bad.origin[0] = INT64_MAX;
    refused(c.sim, bad, false, SIM_FAULT_VIEW);
    bad.origin[0] = 0; // no bound but the largest: fine
    uint8_t *host;
    CHECK(sim_view_map(c.sim, &bad, true, &host));
    CHECK_INT(sim_view_inside(&bad), 4);
    case_end(&c);
}

// Nothing that a random register holds may do more than fault.
static void random_words(void)
{
    struct sim_case c;
    case_prepare(&c);
    case_load(&c, ".heap 8192\n halt");
    case_seed = 2;
    for (int i = 0; i < 20000; i++) {
        struct sim_view v = {
            .base = case_bits() >> case_int(0, 40), .dtype = DT_F32, .rank = (int)case_int(0, 8)};
        for (int d = 0; d < ISA_MAX_RANK; d++) {
            v.extent[d] = (int64_t)case_bits() >> case_int(0, 63);
            v.stride[d] = (int64_t)case_bits() >> case_int(0, 63);
            v.step[d] = (int64_t)case_bits() >> case_int(0, 63);
            v.axis[d] = (int8_t)case_int(-1, 3);
        }
        for (int a = 0; a < ISA_MAX_AXES; a++) {
            v.origin[a] = (int64_t)case_bits() >> case_int(0, 63);
            v.limit[a] = (int64_t)(case_bits() >> case_int(1, 63));
        }
        uint8_t *host;
        int64_t n;
        c.sim->fault.kind = SIM_FAULT_NONE;
        c.sim->num_touch = 0;
        if (sim_view_map(c.sim, &v, i & 1, &host))
            sim_count_view(c.sim, &v, i & 1);
        if (sim_view_elems(c.sim, &v, &n))
            CHECK(n >= 0 && n <= SIM_MAX_ELEMS);
    }
    case_end(&c);
}

int main(void)
{
    RUN(random_views);
    RUN(window_is_exact);
    RUN(extremes);
    RUN(random_words);
    return check_summary();
}

// Transfers between random views, against copying element by element.
#include <stdlib.h>

#include "exec_dma.h"
#include "sim_case.h"
#include "timeline.h"

#define BYTES 4096

static const enum dtype types[] = {DT_I8, DT_F16, DT_F32, DT_I64, DT_C128};

static struct sim_view random_view(enum dtype t, int rank, const int64_t *extent, uint64_t region,
                                   bool borders)
{
    struct sim_view v = {.dtype = t, .rank = rank, .fill = 0x1122334455667788u};
    bool dense = case_int(0, 2) == 0;
    int64_t stride = 1;
    for (int d = rank - 1; d >= 0; d--) {
        v.extent[d] = extent[d];
        v.axis[d] = borders ? (int8_t)case_int(-1, 1) : -1;
        v.step[d] = case_int(-1, 2);
        v.stride[d] = dense ? stride : case_int(-5, 5);
        stride *= extent[d];
    }
    for (int a = 0; a < 2; a++) {
        v.origin[a] = case_int(-2, 2);
        v.limit[a] = case_int(0, 6);
    }
    v.base = region + BYTES / 2;
    return v;
}

static int64_t offset_inside(const struct sim_view *v, const int64_t *idx, bool *in)
{
    int64_t coord[ISA_MAX_AXES], offset = 0;
    memcpy(coord, v->origin, sizeof coord);
    *in = true;
    for (int d = 0; d < v->rank; d++) {
        offset += idx[d] * v->stride[d];
        if (v->axis[d] >= 0)
            coord[v->axis[d]] += idx[d] * v->step[d];
    }
    for (int d = 0; d < v->rank; d++)
        if (v->axis[d] >= 0 && (coord[v->axis[d]] < 0 || coord[v->axis[d]] >= v->limit[v->axis[d]]))
            *in = false;
    return offset * (int64_t)dtype_bytes(v->dtype);
}

static void copy_slowly(const struct sim_view *td, uint8_t *to, const struct sim_view *ta,
                        const uint8_t *from)
{
    int64_t idx[ISA_MAX_RANK] = {0};
    uint64_t fill[2] = {ta->fill, 0};
    for (int d = 0; d < td->rank; d++)
        if (td->extent[d] == 0)
            return;
    for (;;) {
        bool write, read;
        int64_t w = offset_inside(td, idx, &write), r = offset_inside(ta, idx, &read);
        if (write)
            memcpy(to + BYTES / 2 + w, read ? (const void *)(from + BYTES / 2 + r) : fill,
                   dtype_bytes(td->dtype));
        int d = td->rank - 1;
        for (; d >= 0; d--) {
            if (++idx[d] < td->extent[d])
                break;
            idx[d] = 0;
        }
        if (d < 0)
            return;
    }
}

static void random_transfers(void)
{
    struct sim_case c;
    uint8_t want[BYTES];
    case_prepare(&c);
    case_load(&c, ".heap 4096\n halt");
    struct sim *s = c.sim;
    uint8_t *heap = s->region[SIM_REGION_HEAP].host, *abuf = s->region[SIM_REGION_ABUF].host;
    case_seed = 3;
    for (int i = 0; i < BYTES; i++)
        heap[i] = (uint8_t)case_bits();
    for (int i = 0; i < 6000; i++) {
        enum dtype t = types[case_int(0, 4)];
        int rank = (int)case_int(0, 3);
        int64_t extent[ISA_MAX_RANK];
        for (int d = 0; d < rank; d++)
            extent[d] = case_int(case_int(0, 20) == 0 ? 0 : 1, 5);
        s->t[0] = random_view(t, rank, extent, IMAGE_ABUF_BASE, i % 4 == 0);
        s->t[1] = random_view(t, rank, extent, IMAGE_HEAP_BASE, i % 2 == 0);
        s->fault.kind = SIM_FAULT_NONE;
        s->num_touch = 0;
        s->cost = (struct sim_cost){0};
        memset(abuf, 0xee, BYTES);
        memset(want, 0xee, BYTES);
        if (sim_exec_LDA(s, &(struct isa_args_DMA){.td = 0, .ta = 1})) {
            copy_slowly(&s->t[0], want, &s->t[1], heap);
            CHECK(memcmp(want, abuf, BYTES) == 0);
        } else {
            CHECK(s->fault.kind == SIM_FAULT_LOAD || s->fault.kind == SIM_FAULT_STORE);
        }
    }
    case_end(&c);
}

// Transfers that several threads copy: rows cut from a picture, and one dense run.
static void large_transfers(void)
{
    enum { LARGE = 1 << 18, ROWS = 96, COLUMNS = 1000, PITCH = 1500 };
    struct sim_case c;
    case_prepare(&c);
    c.opt.threads = 3;
    case_load(&c, ".heap 0x40000\n halt");
    struct sim *s = c.sim;
    uint8_t *heap = s->region[SIM_REGION_HEAP].host, *abuf = s->region[SIM_REGION_ABUF].host;
    case_seed = 5;
    for (int i = 0; i < LARGE; i++)
        heap[i] = (uint8_t)case_bits();
    s->t[0] = (struct sim_view){.dtype = DT_I8,
                                .rank = 2,
                                .base = IMAGE_ABUF_BASE,
                                .extent = {ROWS, COLUMNS},
                                .stride = {COLUMNS, 1},
                                .axis = {-1, -1}};
    s->t[1] = s->t[0];
    s->t[1].base = IMAGE_HEAP_BASE;
    s->t[1].stride[0] = PITCH;
    CHECK(sim_exec_LDA(s, &(struct isa_args_DMA){.td = 0, .ta = 1}));
    dma_settle(s);
    for (int r = 0; r < ROWS; r++)
        CHECK(memcmp(abuf + r * COLUMNS, heap + r * PITCH, COLUMNS) == 0);
    s->t[0].rank = s->t[1].rank = 1;
    s->t[0].extent[0] = s->t[1].extent[0] = LARGE;
    s->t[0].stride[0] = s->t[1].stride[0] = 1;
    s->num_touch = 0;
    CHECK(sim_exec_LDA(s, &(struct isa_args_DMA){.td = 0, .ta = 1}));
    dma_settle(s);
    CHECK(memcmp(abuf, heap, LARGE) == 0);
    case_end(&c);
}

// A view of bytes in one of a few places, so that many lie over each other.
static char *bytes_somewhere(struct arena *a, int reg, const char *space, int extent)
{
    return arena_printf(a,
                        "tnew t%d, x0, type=u8, rank=1, imm=0x%s000%05x\n"
                        "tdim t%d, dim=0, extent=%d, stride=1\n",
                        reg, space, (unsigned)case_int(0, 6) * 768, reg, extent);
}

static char *random_step(struct arena *a)
{
    int extent = (int)case_int(1, 1500);
    const char *heap = bytes_somewhere(a, 0, "300", extent);
    const char *abuf = bytes_somewhere(a, 1, "400", extent);
    switch (case_int(0, 6)) {
    case 0:
    case 1: return arena_printf(a, "%s%slda t1, t0\n", heap, abuf);
    case 2:
    case 3: return arena_printf(a, "%s%ssta t0, t1\n", heap, abuf);
    case 4: return arena_printf(a, "%s%sldw t2, t0\n", heap, bytes_somewhere(a, 2, "500", extent));
    case 5: return arena_printf(a, "%s%svmov t1, t2\n", abuf, bytes_somewhere(a, 2, "400", extent));
    default:
        return arena_printf(a,
                            "%stnew t3, x0, type=u8, rank=2, imm=0x400000%05x\n"
                            "tdim t3, dim=0, extent=64, stride=24\n"
                            "tdim t3, dim=1, extent=1000, stride=1\n"
                            "bce t3, x0, x0, nk=1, mode=fixed, lanes=1, npe=1, wbuf=%d\n"
                            "tnew t4, x0, type=u16, rank=2, imm=0x400000%05x\n"
                            "tdim t4, dim=0, extent=1, stride=1000\n"
                            "tdim t4, dim=1, extent=1000, stride=1\n"
                            "pack t4, t4, t4, x0, mode=fixed, raw\n",
                            abuf, (unsigned)case_int(0, 6) * 768, (int)case_int(0, 6) * 768,
                            (unsigned)case_int(0, 6) * 768);
    }
}

static uint8_t *memory_after(const char *program, int threads, size_t *size)
{
    static const enum sim_region_id regions[] = {SIM_REGION_HEAP, SIM_REGION_ABUF, SIM_REGION_WBUF};
    enum { SOME = 1 << 14 };
    uint8_t *all = calloc(3, SOME);
    struct sim_case c;
    case_prepare(&c);
    c.opt.threads = threads;
    if (case_load(&c, program)) {
        for (int r = 0; r < 3; r++)
            for (int i = 0; i < SOME; i++)
                c.sim->region[regions[r]].host[i] = (uint8_t)(i * (r + 1) ^ i >> 6);
        if (!CHECK(sim_run(c.sim, c.diag)))
            fprintf(stderr, "%s", c.messages);
        for (int r = 0; r < 3 && all; r++)
            memcpy(all + (size_t)r * SOME, c.sim->region[regions[r]].host, SOME);
    }
    case_end(&c);
    *size = 3 * SOME;
    return all;
}

// Transfers, moves and products one after the other over few places, so that most of them touch
// what one before has written or read. What they leave does not depend on the number of threads,
// and so not on which transfers wait.
static void transfers_that_wait(void)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct arena *a = arena_create();
        const char *program = ".heap 0x4000\n";
        size_t size;
        case_seed = seed;
        for (int i = 0; i < 60; i++)
            program = arena_printf(a, "%s%s", program, random_step(a));
        program = arena_printf(a, "%s halt", program);
        uint8_t *one = memory_after(program, 1, &size), *three = memory_after(program, 3, &size);
        bool same = one && three && memcmp(one, three, size) == 0;
        if (!CHECK(same))
            fprintf(stderr, "seed %d\n", (int)seed);
        free(one);
        free(three);
        arena_destroy(a);
    }
}

static void costs(void)
{
    struct sim_case c;
    CHECK(case_start(
        &c,
        ".heap 4096\n tnew t0, x0, type=f32, rank=1, imm=0x40000000000\n tdim t0, dim=0, "
        "extent=320, stride=1\n"
        "tnew t1, x0, type=f32, rank=1, imm=0x30000000000\n tdim t1, dim=0, extent=320, stride=1\n"
        "lda t0, t1\n sta t1, t0\n tbase t0, x0, imm=0x50000000000\n ldw t0, t1\n halt"));
    const struct sim_layer_stats *l = &sim_stats(c.sim)->total;
    CHECK_INT(l->busy[ISA_UNIT_DMAA], 2 * (64 + 100)); // latency + 1280 bytes at 12.8 a cycle
    CHECK_INT(l->busy[ISA_UNIT_DMAW], 64 + 100);
    CHECK_INT(l->dram_read, 2 * 1280);
    CHECK_INT(l->dram_write, 1280);
    CHECK_INT(l->buffer_read, 1280);
    CHECK_INT(l->buffer_write, 2 * 1280);
    case_end(&c);
}

int main(void)
{
    RUN(random_transfers);
    RUN(large_transfers);
    RUN(transfers_that_wait);
    RUN(costs);
    return check_summary();
}

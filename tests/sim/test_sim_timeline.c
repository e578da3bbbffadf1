// When instructions start, and why not earlier.
#include "sim_case.h"
#include "timeline.h"

static struct sim_case tc;

static void open_case(void)
{
    case_prepare(&tc);
    case_load(&tc, ".heap 0x100000\n halt");
}

static struct timeline_span place(enum isa_unit u, int64_t cycles)
{
    tc.sim->cost.cycles = cycles;
    return timeline_place(tc.sim, u, 0);
}

static void touch(uint64_t lo, uint64_t bytes, bool write, bool psum)
{
    if (tc.sim->num_touch == SIM_MAX_TOUCH)
        return;
    tc.sim->touch[tc.sim->num_touch++] = (struct sim_touch){lo, lo + bytes, write, psum};
}

static void clear(void)
{
    tc.sim->num_touch = 0;
    tc.sim->cost = (struct sim_cost){0};
}

#define ABUF(off) (IMAGE_ABUF_BASE + (off))

// Two tiles in two halves of the buffer: the second load overlaps the first computation, the third
// waits for it.
static void double_buffering(void)
{
    open_case();
    static const int64_t load_start[] = {1, 101, 401, 701}, run_start[] = {101, 401, 701, 1001};
    for (int i = 0; i < 4; i++) {
        clear();
        touch(ABUF((uint64_t)(i % 2) * 4096), 4096, true, false);
        CHECK_INT(place(ISA_UNIT_DMAA, 100).start, load_start[i]);
        clear();
        touch(ABUF((uint64_t)(i % 2) * 4096), 4096, false, false);
        touch(0, 128, true, true);
        CHECK_INT(place(ISA_UNIT_ARRAY, 300).start, run_start[i]);
    }
    const struct sim_layer_stats *l = tc.sim->layer;
    CHECK_INT(l->stall[ISA_UNIT_ARRAY][SIM_STALL_ACTIVATIONS], 101);
    CHECK_INT(l->stall[ISA_UNIT_DMAA][SIM_STALL_ARRAY], 200 + 200);
    CHECK_INT(l->stall[ISA_UNIT_DMAA][SIM_STALL_ISSUE], 1);
    case_end(&tc);
}

// One bce: 40 cycles to bring its first tiles, 160 in all; the second set of registers is free in
// the last 60 of them. Its weights lie at `offset`.
static struct timeline_span bce(uint64_t offset)
{
    clear();
    touch(IMAGE_WBUF_BASE + offset, 64, false, false);
    touch(0, 64, true, true);
    tc.sim->cost.load = 40;
    tc.sim->cost.tail = 60;
    return place(ISA_UNIT_ARRAY, 160);
}

static void tiles_ahead(void)
{
    open_case();
    CHECK_INT(bce(0).start, 1);
    CHECK_INT(bce(0).end, 321); // without extension P the tiles wait
    case_end(&tc);
    open_case();
    tc.sim->machine.ext = MACHINE_EXT_P;
    tc.sim->layer->weight_load_cycles = 200; // as the datapath counts them
    CHECK_INT(bce(0).end, 161);
    struct timeline_span s = bce(0); // its tiles came from 101 to 141
    CHECK_INT(s.start, 161);
    CHECK_INT(s.end, 281);
    clear();
    touch(IMAGE_WBUF_BASE + 4096, 64, true, false);
    CHECK_INT(place(ISA_UNIT_DMAW, 250).end, 253);
    s = bce(4096); // from 253 on, so that 12 cycles remain
    CHECK_INT(s.start, 281);
    CHECK_INT(s.end, 281 + 12 + 120);
    clear();
    touch(IMAGE_WBUF_BASE + 8192, 64, true, false);
    CHECK_INT(place(ISA_UNIT_DMAW, 300).end, 553);
    s = bce(8192); // nothing is left to hide behind
    CHECK_INT(s.start, 553);
    CHECK_INT(s.end, 713);
    CHECK_INT(tc.sim->layer->stall[ISA_UNIT_ARRAY][SIM_STALL_WEIGHTS], 553 - 413);
    CHECK_INT((int64_t)tc.sim->layer->weight_load_cycles, 200 - 40 - 28);
    CHECK_INT(tc.sim->layer->busy[ISA_UNIT_ARRAY], 160 + 120 + 132 + 160);
    case_end(&tc);
}

static void psum_hazard(void)
{
    open_case();
    clear();
    touch(0, 1000, true, true);
    place(ISA_UNIT_ARRAY, 50);
    clear();
    touch(510, 10, false, true);
    CHECK_INT(place(ISA_UNIT_PACK, 20).start, 51);
    CHECK_INT(tc.sim->layer->stall[ISA_UNIT_PACK][SIM_STALL_ARRAY], 51);
    clear();
    touch(1024, 10, true, true); // another granule
    CHECK_INT(place(ISA_UNIT_ARRAY, 5).start, 51);
    clear();
    touch(512, 10, true, true); // the packer reads it
    CHECK_INT(place(ISA_UNIT_ARRAY, 5).start, 71);
    case_end(&tc);
}

static void vector_occupies_channel(void)
{
    open_case();
    clear();
    tc.sim->cost.dram_read = 1280;
    touch(IMAGE_HEAP_BASE, 1280, false, false);
    CHECK_INT(place(ISA_UNIT_VEC, 30).start, 1);
    clear();
    touch(ABUF(0), 64, true, false);
    struct timeline_span load = place(ISA_UNIT_DMAA, 10);
    CHECK_INT(load.start, 101);
    clear();
    tc.sim->cost.dram_write = 128;
    touch(IMAGE_HEAP_BASE + 8192, 128, true, false);
    CHECK_INT(place(ISA_UNIT_VEC, 30).start, 111);
    CHECK_INT(tc.sim->layer->stall[ISA_UNIT_VEC][SIM_STALL_ACTIVATIONS], 80);
    case_end(&tc);
}

static void core_waits(void)
{
    open_case();
    clear();
    touch(IMAGE_HEAP_BASE, 4, true, false);
    place(ISA_UNIT_VEC, 500);
    clear();
    CHECK_INT(place(ISA_UNIT_CTRL, 0).start, 1); // an instruction that touches nothing
    clear();
    touch(IMAGE_HEAP_BASE, 4, false, false);
    CHECK_INT(place(ISA_UNIT_CTRL, 0).start, 501);
    CHECK_INT(tc.sim->layer->stall[ISA_UNIT_CTRL][SIM_STALL_VECTOR], 499);
    clear();
    place(ISA_UNIT_DMAW, 50);
    CHECK_INT(timeline_place(tc.sim, ISA_UNIT_CTRL, 1u << ISA_UNIT_PACK).start, 503);
    CHECK_INT(timeline_place(tc.sim, ISA_UNIT_CTRL, 1u << ISA_UNIT_DMAW).start, 553);
    tc.sim->cost.cycles = 1000;
    CHECK_INT(timeline_place(tc.sim, ISA_UNIT_HOST, ~0u).end, 1554);
    clear();
    CHECK_INT(place(ISA_UNIT_CTRL, 0).start, 1554);
    CHECK_INT(timeline_end(tc.sim->timeline), 1555);
    case_end(&tc);
}

// busy + stalls never pass the end, and nothing that conflicts overlaps.
static void random_streams(void)
{
    case_seed = 5;
    for (int round = 0; round < 50; round++) {
        open_case();
        struct {
            struct timeline_span span;
            uint64_t lo, hi;
            bool write;
        } done[100];
        for (int i = 0; i < 100; i++) {
            clear();
            uint64_t lo = ABUF((uint64_t)case_int(0, 60) * 64),
                     bytes = (uint64_t)case_int(1, 4) * 64;
            bool write = case_int(0, 1);
            touch(lo, bytes, write, false);
            enum isa_unit u = (enum isa_unit)case_int(ISA_UNIT_CTRL, ISA_UNIT_HOST);
            done[i].span = place(u, case_int(0, 60));
            done[i].lo = lo;
            done[i].hi = lo + bytes;
            done[i].write = write;
            for (int j = 0; j < i; j++)
                if ((write || done[j].write) && done[j].lo < done[i].hi && lo < done[j].hi)
                    CHECK(done[i].span.start >= done[j].span.end);
        }
        int64_t end = timeline_end(tc.sim->timeline);
        for (int u = 0; u < ISA_UNIT_NUM; u++) {
            int64_t sum = tc.sim->layer->busy[u];
            for (int r = 0; r < SIM_STALL_NUM; r++)
                sum += tc.sim->layer->stall[u][r];
            CHECK(sum <= end);
        }
        case_end(&tc);
    }
}

int main(void)
{
    RUN(double_buffering);
    RUN(tiles_ahead);
    RUN(psum_hazard);
    RUN(vector_occupies_channel);
    RUN(core_waits);
    RUN(random_streams);
    return check_summary();
}

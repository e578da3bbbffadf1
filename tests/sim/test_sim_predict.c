// A program's time without its values: equal to that of a run where no effect is named, and the
// right effect where one is.
#include "sim_case.h"

static struct sim_case tc;
static struct image_prediction said;

static bool predict(const char *program)
{
    case_prepare(&tc);
    return case_load(&tc, program) &&
           CHECK(sim_predict(&tc.img, SIM_TIMING_MICRO21, tc.arena, &said, tc.diag));
}

static void same_as_run(void)
{
    if (!CHECK(sim_run(tc.sim, tc.diag))) {
        fprintf(stderr, "%s", tc.messages);
        return;
    }
    const struct sim_stats *st = sim_stats(tc.sim);
    CHECK_INT(said.cycles, st->cycles);
    CHECK_INT((int64_t)said.num_layers, (int64_t)st->num_layers);
    for (size_t i = 0; i < said.num_layers; i++) {
        CHECK_INT(said.layers[i].first, st->layers[i].first_cycle);
        CHECK_INT(said.layers[i].last, st->layers[i].last_cycle);
        CHECK_INT(said.layers[i].array, st->layers[i].busy[ISA_UNIT_ARRAY]);
    }
}

// The effects of everything, and what the run takes.
static uint32_t effects_of(const char *program)
{
    uint32_t all = 0;
    if (!predict(program))
        return ~0u;
    for (size_t i = 0; i < said.num_layers; i++)
        all |= said.layers[i].effects;
    return all;
}

#define EFFECT(name) (1u << IMAGE_EFFECT_##name)
#define HEAD                                                                                       \
    ".heap 0x10000\n.layer \"a\" \"a\"\n.layer \"b\" \"b\"\n.text\n"                               \
    ".loc 0\n li x1, imm=0x30000000000\n"
// t0, t1: 64 elements of f32; t2: one i64 at 0x8000; t3, t4: the first i64 of .rodata, and the next
#define VIEWS                                                                                      \
    " tnew t0, x1, type=f32, rank=1\n tdim t0, dim=0, extent=64, stride=1\n"                       \
    " tnew t1, x1, type=f32, rank=1, imm=0x1000\n tdim t1, dim=0, extent=64, stride=1\n"           \
    " tnew t2, x1, type=i64, rank=1, imm=0x8000\n"                                                 \
    " tnew t3, x0, type=i64, rank=1, imm=0x10000000000\n"                                          \
    " tnew t4, x0, type=i64, rank=1, imm=0x10000000008\n"
#define DATA "\n.rodata\n .i64 3, 4\n"

static void counted_loop(void)
{
    CHECK_INT(effects_of(HEAD VIEWS " li x2, imm=7\n"
                                    "again: vun t1, t0, fn=exp\n .loc 1\n vun t0, t1, fn=neg\n"
                                    " add x2, x2, x0, imm=-1\n bne x2, x0, again\n halt" DATA),
              0);
    same_as_run();
    case_end(&tc);
}

// The iteration number lies in memory, its bound is computed by the vector unit from constants.
static void loop_through_memory(void)
{
    CHECK_INT(effects_of(HEAD VIEWS " st x0, x1, type=i64, imm=0x40\n"
                                    " vbin t2, t3, t4, fn=mul\n"
                                    "again: vun t1, t0, fn=exp\n"
                                    " ld x2, x1, type=i64, imm=0x40\n add x2, x2, x0, imm=1\n"
                                    " st x2, x1, type=i64, imm=0x40\n"
                                    " ld x3, x1, type=i64, imm=0x8000\n"
                                    " blt x2, x3, again\n halt" DATA),
              0);
    same_as_run();
    CHECK_INT((int64_t)sim_stats(tc.sim)->total.vector_ops, 12 * 64 + 1);
    case_end(&tc);
}

static void values_that_are_lost(void)
{
    // A word that was stored is overwritten, in part, by what is not known.
    CHECK_INT(effects_of(HEAD VIEWS " li x2, imm=5\n st x2, x1, type=i64, imm=0x1000\n"
                                    " st x2, x1, type=i64, imm=0x1100\n vun t1, t0, fn=exp\n"
                                    " ld x2, x1, type=i64, imm=0x1100\n beq x2, x0, end\n"
                                    " ld x2, x1, type=i64, imm=0x1000\n"
                                    " .loc 1\n beq x2, x0, end\n"
                                    " vun t1, t0, fn=exp\nend: halt" DATA),
              EFFECT(BRANCH));
    CHECK_INT(said.layers[0].effects, 0);
    CHECK_INT(said.layers[1].effects, EFFECT(BRANCH));
    CHECK(said.layers[1].last > 0); // it falls through
    case_end(&tc);
}

static void branches_on_data(void)
{
    // Backward: the body once. Before a trap: taken, and no effect.
    CHECK_INT(effects_of(HEAD VIEWS " ld x2, x1, type=bool, imm=0x20\n bne x2, x0, .+32\n"
                                    " trap x1, len=0\n"
                                    "again: vun t1, t0, fn=exp\n halt" DATA),
              0);
    case_end(&tc);
    CHECK_INT(effects_of(HEAD VIEWS "again: vun t1, t0, fn=exp\n ld x2, x1, type=i64, imm=0x20\n"
                                    " beq x2, x0, again\n halt" DATA),
              EFFECT(BRANCH));
    CHECK(said.cycles < 200);
    case_end(&tc);
    CHECK_INT(effects_of(HEAD " ld x2, x1, type=i64, imm=0x20\n jr x2"), EFFECT(BRANCH));
    case_end(&tc);
    CHECK_INT(effects_of(HEAD "again: jal x0, again"), EFFECT(BRANCH)); // it never ends
    case_end(&tc);
}

static void extents_from_memory(void)
{
    CHECK_INT(effects_of(HEAD VIEWS " ld x2, x1, type=i64, imm=0x20\n li x3, imm=1\n"
                                    " tdimx t0, x2, x3, dim=0\n tdimx t1, x2, x3, dim=0\n"
                                    " .loc 1\n vun t1, t0, fn=exp\n halt" DATA),
              EFFECT(EXTENT));
    CHECK_INT(said.layers[0].effects, 0); // only where the view is used
    case_end(&tc);
    // Divided by what is not known, and an extent that is none.
    CHECK_INT(effects_of(HEAD VIEWS " ld x2, x1, type=i64, imm=0x20\n div x3, x1, x2\n"
                                    " sub x4, x2, x0, imm=9\n tdimx t0, x4, x3, dim=0\n"
                                    " vun t1, t0, fn=exp\n halt" DATA),
              EFFECT(EXTENT));
    case_end(&tc);
}

// The largest extents of an input are assumed.
static void extents_of_inputs(void)
{
    CHECK_INT(effects_of(".input \"x\" f32[64@0x30000000100] @0x30000000000\n" HEAD VIEWS
                         " ld x2, x1, type=i64, imm=0x100\n li x3, imm=1\n"
                         " tdimx t0, x2, x3, dim=0\n tdimx t1, x2, x3, dim=0\n"
                         " vun t1, t0, fn=exp\n halt" DATA),
              EFFECT(EXTENT));
    struct tensor *x = tensor_create(tc.arena, DT_F32, (int64_t[]){64}, 1);
    CHECK(sim_set_input(tc.sim, 0, x, tc.diag));
    same_as_run();
    case_end(&tc);
}

// A fixed-point bce on tiles of .lanes, its packing, and a sort: exact. The same on tiles made at
// run time, and in floats: not.
#define ARRAY                                                                                      \
    " tnew t5, x0, type=u64, rank=1, imm=0x20000000000\n tdim t5, dim=0, extent=20, stride=1\n"    \
    " tnew t6, x0, type=u64, rank=1, imm=0x50000000000\n tdim t6, dim=0, extent=20, stride=1\n"    \
    " ldw t6, t5\n"                                                                                \
    " tnew t7, x0, type=i8, rank=2, imm=0x40000000000\n tdim t7, dim=0, extent=64, stride=3\n"     \
    " tdim t7, dim=1, extent=3, stride=1\n"                                                        \
    " tnew t8, x0, type=f32, rank=2, imm=0x40000001000\n tdim t8, dim=0, extent=2, stride=3\n"     \
    " tdim t8, dim=1, extent=3, stride=1\n"                                                        \
    " tnew t9, x1, type=i8, rank=2, imm=0x2000\n tdim t9, dim=0, extent=2, stride=64\n"            \
    " tdim t9, dim=1, extent=64, stride=1\n pcfg bits=8\n"
#define LANES                                                                                      \
    "\n.lanes\n .u64 0xffffffffffffffff, 1, 0x1234, 0xfff, 0xff00ff00ff00ff, 0, 0, 5, 0x10, 0\n"   \
    " .u64 0xffffffff, 0, 0xffffffff, 0, 1, 2, 3, 0x55555555, 0, 0\n"

static void tiles_of_the_image(void)
{
    CHECK_INT(
        effects_of(HEAD VIEWS ARRAY
                   " .loc 1\n bce t7, x0, x0, nk=1, mode=fixed, lanes=8, npe=2\n"
                   " pack t8, t0, t0, x0, mode=fixed\n"
                   " bce t7, x0, x0, nk=1, mode=fixed, lanes=8, npe=2, acc\n halt" DATA LANES),
        0);
    same_as_run();
    CHECK(said.layers[1].array > 60);
    case_end(&tc);
}

static void tiles_of_the_run(void)
{
    CHECK_INT(effects_of(HEAD VIEWS ARRAY
                         " .loc 1\n wpack t9, x0, mode=fixed, lanes=8\n"
                         " bce t7, x0, x0, nk=1, mode=fixed, lanes=8, npe=2\n halt" DATA LANES),
              EFFECT(WEIGHTS));
    CHECK_INT(said.layers[0].effects, 0);
    // 3 steps of 10 and what 64 random bits take, behind 160 bytes at 25.6 a cycle
    CHECK_INT(said.layers[1].array, 3 * (10 + 40) + 7);
    case_end(&tc);
}

static void float_tiles(void)
{
    CHECK_INT(effects_of(HEAD VIEWS
                         " tnew t5, x0, type=f32, rank=2, imm=0x40000000000\n"
                         " tdim t5, dim=0, extent=64, stride=1\n"
                         " bce t5, x0, x0, nk=1, mode=fp32, lanes=24, npe=2\n halt" DATA),
              EFFECT(ALIGN) | EFFECT(WEIGHTS));
    case_end(&tc);
}

static void faults(void)
{
    case_prepare(&tc);
    CHECK(case_load(&tc, HEAD " vun t1, t0, fn=exp\n vbin t2, t1, t3, fn=add\n jr x1\n"));
    CHECK(!sim_predict(&tc.img, SIM_TIMING_MICRO21, tc.arena, &said, tc.diag));
    CHECK(strstr(tc.messages, "fault") != NULL);
    case_end(&tc);
}

int main(void)
{
    RUN(counted_loop);
    RUN(loop_through_memory);
    RUN(values_that_are_lost);
    RUN(branches_on_data);
    RUN(extents_from_memory);
    RUN(extents_of_inputs);
    RUN(tiles_of_the_image);
    RUN(tiles_of_the_run);
    RUN(float_tiles);
    RUN(faults);
    return check_summary();
}

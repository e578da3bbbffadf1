// The instructions wpack, bce, pcfg and pack as programs run them: a convolution with borders in
// every mode on both datapaths against arithmetic written here; time of single steps; types of
// results; faults.
#include <math.h>

#include "sim_case.h"

#define HEAP 0x30000000000
enum { C = 3, H = 9, W = 11, OC = 5, KH = 3, KW = 3, K = C * KH * KW, P = H * W };
enum { AT_X = 0, AT_W = 0x1000, AT_SCALE = 0x2000, AT_BIAS = 0x2400, AT_Y = 0x3000 };

struct conv {
    const char *mode, *type, *out;
    int lanes, bits; // bits: of the result; 0: not quantised
};

// x in the heap, through the activation buffer; weights [OC][K]; y back to the heap.
static char *conv_program(struct arena *a, const struct conv *v)
{
    return arena_printf(
        a,
        ".heap 0x8000\n.rodata\n.f32 0.01, 0.02, 0.03, 0.04, 0.05, 1, -1, 0.5, 0, 2\n.text\n"
        "tnew t0, x0, type=%s, rank=1, imm=0x30000000000\n tdim t0, dim=0, extent=%d, stride=1\n"
        "tnew t1, x0, type=%s, rank=1, imm=0x40000000000\n tdim t1, dim=0, extent=%d, stride=1\n"
        "lda t1, t0\n"
        "tnew t2, x0, type=%s, rank=2, imm=0x30000001000\n tdim t2, dim=0, extent=%d, stride=%d\n"
        "tdim t2, dim=1, extent=%d, stride=1\n wpack t2, x0, mode=%s, lanes=%d, wbuf=128\n"
        "tnew t3, x0, type=%s, rank=5, imm=0x3ffffffff%02x\n"
        "tdim t3, dim=0, extent=%d, stride=%d\n tdim t3, dim=1, extent=%d, stride=%d\n"
        "tdim t3, dim=2, extent=%d, stride=1\n tdim t3, dim=3, extent=%d, stride=%d\n"
        "tdim t3, dim=4, extent=%d, stride=1\n"
        "tstep t3, dim=1, axis=0, step=1\n tstep t3, dim=3, axis=0, step=1\n"
        "tstep t3, dim=2, axis=1, step=1\n tstep t3, dim=4, axis=1, step=1\n"
        "taxis t3, axis=0, origin=-1, limit=%d\n taxis t3, axis=1, origin=-1, limit=%d\n"
        "bce t3, x0, x0, nk=3, mode=%s, lanes=%d, npe=%d, wbuf=128, psum=7\n"
        "pcfg bits=%d, %sclamp, min=-40.0, max=50.0, q=2.5\n"
        "tnew t4, x0, type=%s, rank=2, imm=0x40000008000\n tdim t4, dim=0, extent=%d, stride=%d\n"
        "tdim t4, dim=1, extent=%d, stride=1\n"
        "tnew t5, x0, type=f32, rank=1, imm=0x10000000000\n tdim t5, dim=0, extent=%d, stride=1\n"
        "tnew t6, x0, type=f32, rank=1, imm=0x10000000014\n tdim t6, dim=0, extent=%d, stride=1\n"
        "pack t4, t5, t6, x0, mode=%s, scale, bias, psum=7\n"
        "tnew t7, x0, type=%s, rank=2, imm=0x30000003000\n tdim t7, dim=0, extent=%d, stride=%d\n"
        "tdim t7, dim=1, extent=%d, stride=1\n sta t7, t4\n halt\n",
        v->type, C * P, v->type, C * P, v->type, OC, K, K, v->mode, v->lanes, v->type,
        0x100 - (W + 1) * (v->type[1] == '8'   ? 1
                           : v->type[1] == '3' ? 4
                                               : 2),
        C, P, KH, W, KW, H, W, W, H, W, v->mode, v->lanes, OC, v->bits ? v->bits : 8,
        v->bits ? "quant, " : "", v->out, OC, P, P, OC, OC, v->mode, v->out, OC, P, P);
}

static const float SCALE[OC] = {0.01f, 0.02f, 0.03f, 0.04f, 0.05f};
static const float BIAS[OC] = {1, -1, 0.5f, 0, 2};

// A small integer as an element of the type; floats get three binary places.
static void put(uint8_t *at, const char *type, int i, int v)
{
    float f = (float)v / 8;
    int16_t h = (int16_t)v;
    if (strcmp(type, "i8") == 0)
        at[i] = (uint8_t)v;
    else if (strcmp(type, "i16") == 0)
        memcpy(at + 2 * i, &h, 2);
    else if (strcmp(type, "i32") == 0)
        memcpy(at + 4 * i, &v, 4);
    else if (strcmp(type, "f32") == 0)
        memcpy(at + 4 * i, &f, 4);
    else {
        int e;
        float m = frexpf(fabsf(f), &e);
        int half = f == 0 ? 0 : (e + 14) << 10 | ((int)(m * 2048) & 1023);
        uint16_t bits = (uint16_t)(v < 0 ? half | 0x8000 : half);
        memcpy(at + 2 * i, &bits, 2);
    }
}

static int element(int which, int i, int range)
{
    uint64_t keep = case_seed;
    case_seed = (uint64_t)(which * 100000 + i);
    int v = (int)case_int(-range, range);
    case_seed = keep;
    return v;
}

static int weight(const struct conv *v, int oc, int k)
{
    int range = v->lanes > 10 ? 1000 : (1 << v->lanes) - 1, w = element(2, oc * K + k, range);
    return v->lanes == 1 && w == 0 ? -1 : w;
}

static void fill(struct sim_case *c, const struct conv *v)
{
    uint8_t *heap = c->sim->region[SIM_REGION_HEAP].host;
    for (int i = 0; i < C * P; i++)
        put(heap + AT_X, v->type, i, element(1, i, 100));
    for (int i = 0; i < OC * K; i++)
        put(heap + AT_W, v->type, i, weight(v, i / K, i % K));
}

static float reference(const struct conv *v, int oc, int y, int x)
{
    int64_t acc = 0;
    for (int k = 0; k < K; k++) {
        int sy = y - 1 + k / KW % KH, sx = x - 1 + k % KW;
        if (sy >= 0 && sy < H && sx >= 0 && sx < W)
            acc += weight(v, oc, k) * element(1, k / (KH * KW) * P + sy * W + sx, 100);
    }
    float f = (float)acc;
    if (v->type[0] == 'f')
        f /= 64;
    f = f * SCALE[oc];
    f = f + BIAS[oc];
    f = f < -40 ? -40 : f > 50 ? 50 : f;
    return f;
}

static float result(const struct conv *v, const uint8_t *y, int i)
{
    float f;
    int16_t h;
    if (v->out[0] == 'f') {
        memcpy(&f, y + 4 * i, 4);
        return f;
    }
    memcpy(&h, y + 2 * i, 2);
    return v->out[1] == '8' ? (float)(int8_t)y[i] : (float)h;
}

static void check_conv(const struct conv *v, const uint8_t *y)
{
    for (int i = 0; i < OC * P; i++) {
        float want = reference(v, i / P, i % P / W, i % W), got = result(v, y, i);
        float exact = want;
        if (v->bits) {
            float top = (float)((1 << (v->bits - 1)) - 1);
            exact = rintf(want * 2.5f);
            exact = exact > top ? top : exact < -top - 1 ? -top - 1 : exact;
            if (v->bits == 1)
                exact = want * 2.5f < 0 ? -1 : 1;
        }
        // Sums of these floats are exact but for bits truncated by the alignment: in fp16 that
        // shows.
        float slack = v->type[0] == 'f' && v->type[1] == '1' ? 0.05f * fabsf(want) + 0.5f : 0;
        if (!CHECK(fabsf(got - exact) <= slack)) {
            fprintf(stderr, "%s %s lanes %d, element %d: got %g, want %g\n", v->mode, v->type,
                    v->lanes, i, (double)got, (double)exact);
            return;
        }
    }
}

static void run_conv(struct sim_case *c, const struct conv *v, enum sim_datapath dp,
                     enum sim_timing t, bool no_distill)
{
    case_prepare(c);
    c->opt.datapath = dp;
    c->opt.timing = t;
    c->opt.no_distill = no_distill;
    c->opt.threads = dp == SIM_DATAPATH_RTL ? 1 : 2;
    if (!case_load(c, conv_program(c->arena, v)))
        return;
    fill(c, v);
    if (!CHECK(sim_run(c->sim, c->diag)))
        fprintf(stderr, "%s", c->messages);
}

static void convolutions(void)
{
    static const struct conv cases[] = {
        {"fixed", "i8", "f32", 7, 0},    {"fixed", "i8", "i8", 7, 8},
        {"fixed", "i8", "i8", 1, 1},     {"fixed", "i8", "i8", 3, 4},
        {"fixed", "i16", "i16", 15, 12}, {"fixed", "i32", "f32", 23, 0},
        {"fp32", "f32", "f32", 24, 0},   {"fp16", "f16", "f32", 11, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int t = 0; t < 4; t++) {
            struct sim_case lit, vec;
            enum sim_timing timing = t < 3 ? (enum sim_timing)t : SIM_TIMING_MICRO21;
            run_conv(&lit, &cases[i], SIM_DATAPATH_RTL, timing, t == 3);
            run_conv(&vec, &cases[i], SIM_DATAPATH_VECTOR, timing, t == 3);
            const uint8_t *a = lit.sim->region[SIM_REGION_HEAP].host;
            const uint8_t *b = vec.sim->region[SIM_REGION_HEAP].host;
            CHECK(memcmp(a, b, 0x8000) == 0);
            CHECK(memcmp(&sim_stats(lit.sim)->total, &sim_stats(vec.sim)->total,
                         sizeof(struct sim_layer_stats)) == 0);
            CHECK_INT(sim_stats(vec.sim)->total.macs, (uint64_t)OC * K * P);
            check_conv(&cases[i], b + AT_Y);
            case_end(&lit);
            case_end(&vec);
        }
}

// ---- Time
// --------------------------------------------------------------------------------------------

static int64_t array_cycles(enum sim_timing timing, bool no_distill, const char *ext,
                            const char *mode, int lanes, const char *type, int positions,
                            const struct sim_layer_stats **stats, struct sim_case *c)
{
    case_prepare(c);
    c->opt.timing = timing;
    c->opt.no_distill = no_distill;
    char *program = arena_printf(
        c->arena,
        ".machine {\"extensions\": \"%s\"}\n"
        ".heap 4096\n tnew t0, x0, type=%s, rank=2, imm=0x30000000000\n"
        "tdim t0, dim=0, extent=1, stride=64\n tdim t0, dim=1, extent=64, stride=1\n"
        "wpack t0, x0, mode=%s, lanes=%d\n"
        "tnew t1, x0, type=%s, rank=2, imm=0x40000000000\n tdim t1, dim=0, extent=64, stride=0\n"
        "tdim t1, dim=1, extent=%d, stride=0\n bce t1, x0, x0, nk=1, mode=%s, lanes=%d, npe=1\n "
        "halt",
        ext, type, mode, lanes, type, positions, mode, lanes);
    CHECK(case_run(c, program));
    *stats = &sim_stats(c->sim)->total;
    return (*stats)->busy[ISA_UNIT_ARRAY];
}

static void time_of_a_group(void)
{
    static const struct {
        enum sim_timing timing;
        const char *ext;
        bool no_distill;
        int fixed, floats, once_fixed, once_float; // a step; added once
    } rows[] = {
        {SIM_TIMING_MICRO21, "", true, 74, 77, 0, 0},
        {SIM_TIMING_MICRO21, "", false, 18, 21, 0, 0},
        {SIM_TIMING_RTL, "", false, 24, 27, 5, 5},
        {SIM_TIMING_RTL, "", true, 80, 83, 5, 5},
        {SIM_TIMING_IDEAL, "", false, 0, 0, 0, 0},
        {SIM_TIMING_PIPELINED, "", false, 8, 8, 10, 13},
        {SIM_TIMING_MICRO21, "P", true, 64, 64, 10, 13},
        {SIM_TIMING_MICRO21, "P", false, 8, 8, 10, 13},
        {SIM_TIMING_RTL, "P", false, 8, 8, 21, 24},
        {SIM_TIMING_PIPELINED, "P", false, 8, 8, 10, 13},
        {SIM_TIMING_IDEAL, "P", false, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int positions = 1; positions <= 3; positions += 2) {
            const struct sim_layer_stats *st;
            struct sim_case c;
            // Nothing but zeros: 8 cycles of distillation. Tiles of 9 and 26 words, and exponents,
            // at 25.6 bytes a cycle.
            int64_t got = array_cycles(rows[i].timing, rows[i].no_distill, rows[i].ext, "fixed", 7,
                                       "i8", positions, &st, &c);
            CHECK_INT(got, positions * rows[i].fixed + rows[i].once_fixed + 3);
            CHECK_INT(st->weight_load_cycles, 3);
            CHECK_INT(st->steps, positions);
            CHECK_INT(st->idle_pe_steps, 31 * positions);
            case_end(&c);
            got = array_cycles(rows[i].timing, rows[i].no_distill, rows[i].ext, "fp32", 24, "f32",
                               positions, &st, &c);
            CHECK_INT(got, positions * rows[i].floats + rows[i].once_float + 11);
            CHECK_INT(st->pe_groups, positions);
            case_end(&c);
        }
}

// ---- Packing
// -----------------------------------------------------------------------------------------

// One partial sum through a pack into `type`; 8 bytes of what lies in the destination.
static uint64_t pack_one(uint64_t psum, const char *type, const char *pcfg, const char *flags)
{
    struct sim_case c;
    uint64_t got = 0;
    case_prepare(&c);
    if (case_load(&c, arena_printf(c.arena,
                                   ".heap 4096\n%s\n tnew t0, x0, type=%s, rank=1, "
                                   "imm=0x40000000000\n pack t0, t0, t0, x0, %s\n halt",
                                   pcfg, type, flags))) {
        c.sim->psum[0] = psum;
        if (!CHECK(sim_run(c.sim, c.diag)))
            fprintf(stderr, "%s", c.messages);
        memcpy(&got, c.sim->region[SIM_REGION_ABUF].host, 8);
    }
    case_end(&c);
    return got;
}

static uint64_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

static void packs(void)
{
    const char *q1 = "pcfg bits=8, quant, q=1.0", *fp = "mode=fp32", *fx = "mode=fixed";
    CHECK_INT(pack_one((uint64_t)-5, "f32", "nop", fx), bits_of(-5));
    CHECK_INT(pack_one((1ull << 60) + 1, "f32", "nop", fx), bits_of(0x1p60f));
    CHECK_INT(pack_one(bits_of(1.5f), "f16", "nop", fp), 0x3e00);
    CHECK_INT(pack_one(bits_of(1e6f), "f16", "nop", fp), 0x7c00);
    CHECK_INT(pack_one(bits_of(1.00390625f), "bf16", "nop", fp), 0x3f80); // a tie, to even
    CHECK_INT(pack_one(bits_of(-2.5f), "f64", "nop", fp), 0xc004000000000000);
    CHECK_INT(pack_one(bits_of(2.5f), "i8", q1, fp), 2);
    CHECK_INT(pack_one(bits_of(3.5f), "i8", q1, fp), 4);
    CHECK_INT(pack_one(bits_of(-2.5f), "i8", q1, fp), 0xfe);
    CHECK_INT(pack_one(bits_of(1e30f), "i8", q1, fp), 127);
    CHECK_INT(pack_one(bits_of(-1e30f), "i16", q1, fp), 0xff80);
    CHECK_INT(pack_one(0x7fc00000, "i32", q1, fp), 0);
    CHECK_INT(pack_one(bits_of(3e9f), "i32", "pcfg bits=32, quant, q=1.0", fp), 0x7fffffff);
    CHECK_INT(pack_one(bits_of(-3e9f), "i32", "pcfg bits=32, quant, q=1.0", fp), 0x80000000);
    CHECK_INT(pack_one(bits_of(7), "i4", "pcfg bits=3, quant, q=1.0", fp), 3);
    CHECK_INT(pack_one(bits_of(-0.1f), "i8", "pcfg bits=1, quant, q=1.0", fp), 0xff);
    CHECK_INT(pack_one(bits_of(-0.0f), "i8", "pcfg bits=1, quant, q=1.0", fp), 1);
    CHECK_INT(pack_one(0x123456789abcdef0, "i64", "nop", "mode=fixed, raw"), 0x123456789abcdef0);
    CHECK_INT(pack_one(0x123456789abcdef0, "u16", "nop", "mode=fixed, raw"), 0xdef0);
    CHECK_INT(pack_one(0x0f, "i4", "nop", "mode=fixed, raw"), 0xff);
    CHECK_INT(pack_one(0x1f, "u4", "nop", "mode=fixed, raw"), 0x0f);
    CHECK_INT(pack_one(bits_of(9), "f32", "pcfg bits=8, clamp, min=0.0, max=6.0", fp), bits_of(6));
    CHECK_INT(pack_one(bits_of(-9), "f32", "pcfg bits=8, clamp, min=0.0, max=6.0", fp), 0);
    CHECK_INT(pack_one(0x7fc00000, "f32", "pcfg bits=8, clamp, min=0.0, max=6.0", fp), 0x7fc00000);
}

// ---- Faults
// ------------------------------------------------------------------------------------------

static void faults_with(const char *program, enum sim_fault_kind want)
{
    struct sim_case c;
    case_prepare(&c);
    char *text = arena_printf(c.arena,
                              ".heap 4096\n.rodata\n.i32 0x1000000, 0x7f800000\n.text\n"
                              "tnew t0, x0, type=i8, rank=2, imm=0x40000000000\n"
                              "tdim t0, dim=0, extent=64, stride=1\n"
                              "tdim t0, dim=1, extent=10, stride=64\n%s\n halt",
                              program);
    CHECK(!case_run(&c, text));
    if (!CHECK_INT(case_fault(&c), want))
        fprintf(stderr, "%s\n%s", program, c.messages);
    case_end(&c);
}

static void faults(void)
{
    faults_with("bce t0, x0, x0, nk=1, mode=fixed, lanes=7, npe=33", SIM_FAULT_OPERAND);
    faults_with("bce t0, x0, x0, nk=1, mode=fixed, lanes=7, npe=0", SIM_FAULT_OPERAND);
    faults_with("bce t0, x0, x0, nk=1, mode=fixed, lanes=25, npe=1", SIM_FAULT_OPERAND);
    faults_with("bce t0, x0, x0, nk=1, mode=fixed, npe=1", SIM_FAULT_OPERAND);
    faults_with("bce t0, x0, x0, nk=1, mode=fp32, lanes=24, npe=1", SIM_FAULT_TYPE);
    faults_with("bce t0, x0, x0, nk=1, mode=fp32, lanes=23, npe=1", SIM_FAULT_OPERAND);
    faults_with("bce t0, x0, x0, nk=3, mode=fixed, lanes=7, npe=1", SIM_FAULT_VIEW);
    faults_with("bce t0, x0, x0, nk=1, mode=fixed, lanes=7, npe=1, psum=65527", SIM_FAULT_PSUM);
    faults_with("bce t0, x0, x0, nk=1, mode=fixed, lanes=7, npe=1, wbuf=524280", SIM_FAULT_LOAD);
    faults_with("li x1, imm=-8\n bce t0, x1, x0, nk=1, mode=fixed, lanes=7, npe=1", SIM_FAULT_LOAD);
    faults_with("li x1, imm=-8\n bce t0, x0, x1, nk=1, mode=fixed, lanes=7, npe=1", SIM_FAULT_PSUM);
    faults_with(
        "tbase t0, x0, imm=0x30000000000\n bce t0, x0, x0, nk=1, mode=fixed, lanes=7, npe=1",
        SIM_FAULT_LOAD);
    faults_with("tdim t0, dim=1, extent=0x4000000000\n"
                "bce t0, x0, x0, nk=1, mode=fixed, lanes=7, npe=1",
                SIM_FAULT_VIEW);
    faults_with("tdim t0, dim=1, extent=0x40000000, stride=0\n"
                "bce t0, x0, x0, nk=1, mode=fixed, lanes=7, npe=1",
                SIM_FAULT_PSUM);
    faults_with("tdim t0, dim=0, extent=0x40000000, stride=0\n"
                "bce t0, x0, x0, nk=1, mode=fixed, lanes=7, npe=1",
                SIM_FAULT_LOAD);
    faults_with("tnew t1, x0, type=i32, rank=1, imm=0x10000000000\n"
                "tnew t2, x0, type=i32, rank=1, imm=0x40000000000\n"
                "lda t2, t1\n bce t2, x0, x0, nk=1, mode=fixed, lanes=7, npe=1",
                SIM_FAULT_RANGE);
    faults_with("tnew t1, x0, type=i32, rank=1, imm=0x10000000000\n"
                "wpack t1, x0, mode=fixed, lanes=24",
                SIM_FAULT_RANGE);
    faults_with("wpack t0, x0, mode=fixed, lanes=7", SIM_FAULT_OPERAND); // 64 PEs
    faults_with("wpack t0, x0, mode=fp16, lanes=11", SIM_FAULT_TYPE);
    faults_with("tdim t0, dim=0, extent=1\n wpack t0, x0, mode=fixed, lanes=7, wbuf=524280",
                SIM_FAULT_STORE);
    faults_with("pcfg bits=0", SIM_FAULT_OPERAND);
    faults_with("pcfg bits=33", SIM_FAULT_OPERAND);
    faults_with("tdim t0, dim=0, extent=4\n pack t0, t0, t0, x0, mode=fixed", SIM_FAULT_TYPE);
    faults_with("tdim t0, dim=0, extent=4\n pack t0, t0, t0, x0, mode=fp32, raw",
                SIM_FAULT_OPERAND);
    faults_with("tdim t0, dim=0, extent=4\n pack t0, t0, t0, x0, mode=fixed, raw, psum=65500",
                SIM_FAULT_PSUM);
    faults_with("tdim t0, dim=0, extent=4\n pcfg bits=8, quant, q=1.0\n"
                "pack t0, t0, t0, x0, mode=fixed, scale",
                SIM_FAULT_TYPE);
    faults_with("pcfg bits=8, quant, q=1.0\n pack t0, t0, t0, x0, mode=fixed", SIM_FAULT_VIEW);
}

// 64 weights of one, their lane cut at position 32, against ones: 32 cycles on a machine that can,
// a fault on others.
static void lane_maps(void)
{
    static const struct {
        const char *ext, *mode;
        enum sim_fault_kind fault;
    } rows[] = {
        {"G", "fixed, lanes=1", SIM_FAULT_NONE},
        {"PGSB", "fixed, lanes=1", SIM_FAULT_NONE},
        {"", "fixed, lanes=1", SIM_FAULT_EXTENSION},
        {"P", "fixed, lanes=1", SIM_FAULT_EXTENSION},
        {"SB", "fixed, lanes=1", SIM_FAULT_EXTENSION},
        {"G", "fixed, lanes=2", SIM_FAULT_EXTENSION}, // the map is not where it is then looked for
        {"G", "fp32, lanes=24", SIM_FAULT_OPERAND},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sim_case c;
        case_prepare(&c);
        char *program = arena_printf(
            c.arena,
            ".machine {\"extensions\": \"%s\"}\n .heap 4096\n .lanes\n"
            ".hex ffffffffffffffff0000000000000000ffffffffffffffff\n"
            ".hex 01000000000000000100000220000000"
            "002000000000000000000000000000000000000000000000\n .zero 64\n .text\n"
            "tnew t1, x0, type=u8, rank=1, imm=0x20000000000\n tdim t1, dim=0, extent=128, "
            "stride=1\n"
            "tnew t2, x0, type=u8, rank=1, imm=0x50000000000\n tdim t2, dim=0, extent=128, "
            "stride=1\n"
            "ldw t2, t1\n tnew t0, x0, type=u8, rank=2, imm=0x40000000000\n"
            "tdim t0, dim=0, extent=64, stride=1\n tdim t0, dim=1, extent=1, stride=0\n"
            "bce t0, x0, x0, nk=1, mode=%s, npe=1, map\n halt",
            rows[i].ext, rows[i].mode);
        if (case_load(&c, program)) {
            memset(c.sim->region[SIM_REGION_ABUF].host, 1, 64);
            CHECK(sim_run(c.sim, c.diag) == (rows[i].fault == SIM_FAULT_NONE));
            CHECK_INT(case_fault(&c), rows[i].fault);
            if (rows[i].fault == SIM_FAULT_NONE) {
                CHECK_INT(c.sim->psum[0], 64);
                CHECK_INT(sim_stats(c.sim)->total.busy[ISA_UNIT_ARRAY], 3 + 10 + 32);
            }
        }
        case_end(&c);
    }
}

// Nothing to add up: the partial sums start at zero all the same, or stay.
static void empty_sums(void)
{
    struct sim_case c;
    case_prepare(&c);
    if (case_load(&c, ".heap 4096\n tnew t0, x0, type=i8, rank=2, imm=0x40000000000\n"
                      "tdim t0, dim=0, extent=0\n tdim t0, dim=1, extent=3, stride=1\n"
                      "bce t0, x0, x0, nk=1, mode=fixed, lanes=7, npe=1\n"
                      "bce t0, x0, x0, nk=1, mode=fixed, lanes=7, npe=1, acc, psum=3\n halt")) {
        for (int i = 0; i < 6; i++)
            c.sim->psum[i] = 5;
        CHECK(sim_run(c.sim, c.diag));
        CHECK_INT(c.sim->psum[2], 0);
        CHECK_INT(c.sim->psum[3], 5);
    }
    case_end(&c);
}

// Activations that an instruction has used and another one changes: by a transfer and by the vector
// unit, where they lie, at their very end, and beside them; and after instructions whose rows are
// too many to be kept.
static void activations_change(void)
{
    static const char *const change[] = {
        "lda t2, t1\n", // all of them
        "tbase t2, x0, imm=0x4000000003f\n tdim t2, dim=0, extent=1, stride=1\n"
        "tdim t1, dim=0, extent=1, stride=1\n lda t2, t1\n", // the last one
        "tbase t2, x0, imm=0x40000000040\n lda t2, t1\n",    // behind them
        "tnew t5, x0, type=u8, rank=1, imm=0x4000000003f\n"
        "tdim t5, dim=0, extent=1, stride=1\n tdim t1, dim=0, extent=1, stride=1\n"
        "vmov t5, t1\n",
        "tnew t6, x0, type=u8, rank=2, imm=0x40000001000\n tdim t6, dim=0, extent=192, stride=0\n"
        "tdim t6, dim=1, extent=65000, stride=0\n"
        "bce t6, x0, x0, nk=1, mode=fixed, lanes=1, npe=1, psum=2\n"
        "tbase t6, x0, imm=0x40000002000\n"
        "bce t6, x0, x0, nk=1, mode=fixed, lanes=1, npe=1, psum=2\n lda t2, t1\n",
    };
    static const int want[] = {64 * 3, 63 + 3, 64, 63 + 3, 64 * 3};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct sim_case c;
        case_prepare(&c);
        char *program = arena_printf(
            c.arena,
            ".heap 4096\n .lanes\n"
            ".hex ffffffffffffffff0000000000000000ffffffffffffffff\n .text\n"
            "tnew t3, x0, type=u8, rank=1, imm=0x20000000000\n tdim t3, dim=0, extent=24, "
            "stride=1\n"
            "tnew t4, x0, type=u8, rank=1, imm=0x50000000000\n tdim t4, dim=0, extent=24, "
            "stride=1\n"
            "ldw t4, t3\n tnew t0, x0, type=u8, rank=2, imm=0x40000000000\n"
            "tdim t0, dim=0, extent=64, stride=1\n tdim t0, dim=1, extent=1, stride=0\n"
            "tnew t1, x0, type=u8, rank=1, imm=0x30000000000\n tdim t1, dim=0, extent=64, "
            "stride=1\n"
            "tnew t2, x0, type=u8, rank=1, imm=0x40000000000\n tdim t2, dim=0, extent=64, "
            "stride=1\n"
            "bce t0, x0, x0, nk=1, mode=fixed, lanes=1, npe=1\n %s"
            "bce t0, x0, x0, nk=1, mode=fixed, lanes=1, npe=1, psum=1\n halt",
            change[i]);
        if (case_load(&c, program)) {
            memset(c.sim->region[SIM_REGION_ABUF].host, 1, 64);
            memset(c.sim->region[SIM_REGION_HEAP].host, 3, 64);
            CHECK(sim_run(c.sim, c.diag));
            CHECK_INT(c.sim->psum[0], 64);
            CHECK_INT(c.sim->psum[1], want[i]);
        }
        case_end(&c);
    }
}

int main(void)
{
    RUN(convolutions);
    RUN(activations_change);
    RUN(time_of_a_group);
    RUN(packs);
    RUN(faults);
    RUN(lane_maps);
    RUN(empty_sums);
    return check_summary();
}

// The scalar core, faults, bounds on cycles, host kernels, the commit log.
#include <math.h>
#include <stdatomic.h>

#include "sim_case.h"

static void arithmetic(void)
{
    struct sim_case c;
    CHECK(case_start(
        &c,
        "li x1, imm=7\n li x2, imm=-3\n add x3, x1, x2, imm=10\n sub x4, x1, x2\n mul x5, x1, x2\n"
        "div x6, x1, x2\n rem x7, x1, x2\n min x8, x1, x2\n max x9, x1, x2\n and x10, x1, x2\n"
        "or x11, x1, x2\n xor x12, x1, x2\n sll x13, x1, x0, imm=65\n sra x14, x2, x0, imm=1\n"
        "slt x15, x2, x1\n seq x16, x1, x0, imm=7\n li x0, imm=5\n halt"));
    static const int64_t want[] = {0, 7, -3, 14, 10, -21, -2, 1, -3, 7, 5, -1, -6, 14, -2, 1, 1};
    for (int i = 0; i < 17; i++)
        CHECK_INT(c.sim->x[i], want[i]);
    CHECK_INT(sim_stats(c.sim)->cycles, 18); // one a cycle
    CHECK_INT(sim_stats(c.sim)->total.busy[ISA_UNIT_CTRL], 18);
    case_end(&c);
}

static void extremes(void)
{
    struct sim_case c;
    CHECK(case_start(
        &c, "li x1, imm=-0x8000000000000000\n div x2, x1, x0, imm=-1\n rem x3, x1, x0, imm=-1\n"
            "mul x4, x1, x1, imm=3\n sub x5, x0, x1\n sll x6, x1, x0, imm=-1\n halt"));
    CHECK(c.sim->x[2] == INT64_MIN && c.sim->x[3] == 0 && c.sim->x[5] == INT64_MIN);
    case_end(&c);
}

static void loop_and_call(void)
{
    struct sim_case c;
    CHECK(case_start(
        &c,
        "li x1, imm=10\n loop: add x2, x2, x1\n add x1, x1, x0, imm=-1\n bne x1, x0, loop\n"
        "jal x31, sub\n beq x0, x0, end\n li x3, imm=99\n sub: li x4, imm=4\n jr x31\n end: halt"));
    CHECK_INT(c.sim->x[2], 55);
    CHECK_INT(c.sim->x[3], 0);
    CHECK_INT(c.sim->x[4], 4);
    case_end(&c);
}

static void scalar_memory(void)
{
    struct sim_case c;
    CHECK(case_start(
        &c, ".heap 4096\n li x1, imm=0x30000000000\n li x2, imm=-2\n st x2, x1, type=i8, imm=3\n"
            "ld x3, x1, type=i8, imm=3\n ld x4, x1, type=u8, imm=3\n ld x5, x1, type=u32\n"
            "li x6, imm=0x10000000000\n ld x7, x6, type=i16\n halt\n .rodata\n .i16 -5\n .text\n"));
    CHECK_INT(c.sim->x[3], -2);
    CHECK_INT(c.sim->x[4], 254);
    CHECK_INT(c.sim->x[5], 254ll << 24);
    CHECK_INT(c.sim->x[7], -5);
    CHECK_INT(sim_stats(c.sim)->total.dram_read, 1 + 1 + 4 + 2);
    case_end(&c);
}

static void faults_with(const char *program, enum sim_fault_kind want, uint64_t pc)
{
    struct sim_case c;
    CHECK(!case_start(&c, program));
    if (!CHECK_INT(case_fault(&c), want) || !CHECK_INT(sim_last_fault(c.sim)->pc, pc))
        fprintf(stderr, "%s%s", program, c.messages);
    case_end(&c);
}

static void faults(void)
{
    faults_with("nop", SIM_FAULT_FETCH, 16);
    faults_with("li x1, imm=8\n jr x1\n halt", SIM_FAULT_FETCH, 8);
    faults_with("li x1, imm=-16\n jr x1\n halt", SIM_FAULT_FETCH, (uint64_t)-16);
    faults_with("beq x0, x0, .-0x10\n halt", SIM_FAULT_FETCH, (uint64_t)-16);
    faults_with("div x1, x1, x0\n halt", SIM_FAULT_DIVIDE, 0);
    faults_with("ld x1, x0, type=i32\n halt", SIM_FAULT_LOAD, 0);
    faults_with(".heap 64\n li x1, imm=0x30000000000\n ld x1, x1, type=i64, imm=57\n halt",
                SIM_FAULT_LOAD, 16);
    faults_with("li x1, imm=0x10000000000\n st x1, x1, type=i8\n halt\n .rodata\n .i8 1\n",
                SIM_FAULT_STORE, 16);
    faults_with("ld x1, x0, type=f32\n halt", SIM_FAULT_TYPE, 0);
    faults_with("tnew t0, x0, type=f32, rank=9\n halt", SIM_FAULT_OPERAND, 0);
    faults_with("tnew t0, x0, type=f32, rank=2\n tdim t0, dim=2, extent=1\n halt",
                SIM_FAULT_OPERAND, 16);
    faults_with("hcall kernel=0\n halt", SIM_FAULT_HOST, 0);
    faults_with(".host \"no.such\"\n hcall kernel=0\n halt", SIM_FAULT_HOST, 0);
    faults_with(".host \"random_normal_f32\"\n hcall kernel=0, nx=3\n halt", SIM_FAULT_HOST, 0);
    faults_with(".heap 64\n tnew t0, x0, type=f32, rank=1, imm=0x30000000000\n"
                "tdim t0, dim=0, extent=4, stride=1\n lda t0, t0\n halt",
                SIM_FAULT_OPERAND, 32);
}

static void bound_on_cycles(void)
{
    struct sim_case c;
    case_prepare(&c);
    c.opt.max_cycles = 1000;
    CHECK(!case_run(&c, "loop: beq x0, x0, loop"));
    CHECK_INT(case_fault(&c), SIM_FAULT_LIMIT);
    CHECK(strstr(c.messages, "sim-limit") != NULL);
    CHECK(sim_stats(c.sim)->cycles <= 1001);
    case_end(&c);

    case_prepare(&c); // one instruction that would take years
    c.opt.max_cycles = 1000;
    CHECK(!case_run(&c, ".heap 64\n tnew t0, x0, type=i8, rank=1, imm=0x30000000000\n tdim t0, "
                        "dim=0, extent=0x8000000000\n"
                        "tnew t1, x0, type=i8, rank=1, imm=0x40000000000\n tdim t1, dim=0, "
                        "extent=0x8000000000\n lda t1, t0\n halt"));
    CHECK_INT(case_fault(&c), SIM_FAULT_LIMIT);
    case_end(&c);
}

static void fault_names_node(void)
{
    struct sim_case c;
    CHECK(!case_start(
        &c,
        ".layer \"conv\" \"y\" node 3 \"block/conv1\" \"Conv\"\n .loc 0\n ld x1, x0, type=i8\n"));
    CHECK(strstr(c.messages, "sim-fault") && strstr(c.messages, "block/conv1") &&
          strstr(c.messages, "pc 0x0"));
    CHECK(strstr(c.messages, "ld x1, x0") != NULL);
    case_end(&c);
}

static const char *random_program(const char *kernel, const char *type)
{
    static char text[1024];
    snprintf(
        text, sizeof text,
        ".heap 0x10000\n .host \"%s\"\n tnew t0, x0, type=%s, rank=2, imm=0x30000000000\n"
        "tdim t0, dim=0, extent=20, stride=100\n tdim t0, dim=1, extent=100, stride=1\n"
        "li x10, imm=0x4000000000000000\n li x11, imm=0x4010000000000000\n li x12, imm=42\n" // 2.0, 4.0
        "hcall kernel=0, nt=1, nx=3\n halt",
        kernel, type);
    return text;
}

static void host_kernels(void)
{
    struct sim_case c;
    float first;
    CHECK(case_start(&c, random_program("random_uniform_f32", "f32")));
    const float *f = (const float *)c.sim->region[SIM_REGION_HEAP].host;
    double sum = 0;
    for (int i = 0; i < 2000; i++) {
        CHECK(f[i] >= 2.0f && f[i] < 4.0f);
        sum += (double)f[i];
    }
    CHECK(fabs(sum / 2000 - 3.0) < 0.05);
    CHECK_INT(sim_stats(c.sim)->total.host_calls, 1);
    CHECK_INT(sim_stats(c.sim)->total.busy[ISA_UNIT_HOST], 1000 + 8000 * 10 / 128);
    first = f[0];
    case_end(&c);

    CHECK(case_start(&c, random_program("random_uniform_f64", "f64")));
    const double *u = (const double *)c.sim->region[SIM_REGION_HEAP].host;
    CHECK((float)u[0] == first); // the same stream
    case_end(&c);

    CHECK(case_start(&c, random_program("random_normal_f64", "f64")));
    const double *g = (const double *)c.sim->region[SIM_REGION_HEAP].host;
    double mean = 0, square = 0;
    for (int i = 0; i < 2000; i++)
        mean += g[i] / 2000;
    for (int i = 0; i < 2000; i++)
        square += (g[i] - mean) * (g[i] - mean) / 2000;
    CHECK(fabs(mean - 2.0) < 0.3 && fabs(sqrt(square) - 4.0) < 0.3);
    case_end(&c);

    CHECK(!case_start(&c, random_program("random_normal_f64", "f32")));
    CHECK_INT(case_fault(&c), SIM_FAULT_HOST);
    case_end(&c);
}

static void commit_log(void)
{
    struct sim_case c;
    char text[1024];
    case_prepare(&c);
    c.opt.commit_log = fmemopen(text, sizeof text, "w");
    CHECK(case_run(&c, ".heap 64\n li x5, imm=3\n st x5, x0, type=i8, imm=0x30000000001\n halt"));
    fclose(c.opt.commit_log);
    CHECK_STR(text, "0x00000000 li x5, imm=3 ; x5=0x3 @0+1 ctrl\n"
                    "0x00000010 st x5, x0, type=i8, imm=0x30000000001 ; "
                    "mem-write[0x30000000001,0x30000000002) @1+1 ctrl\n"
                    "0x00000020 halt ; @2+1 ctrl\n");
    case_end(&c);
}

static void add_piece(void *user, int piece, int worker)
{
    (void)worker;
    atomic_fetch_add((atomic_int *)user, piece + 1);
}

static void threads(void)
{
    for (int n = 0; n <= 3; n++) {
        struct thread_pool *p = thread_pool_create(n);
        CHECK(n == 0 || thread_pool_size(p) == n);
        for (int i = 0; i < 300; i++) {
            atomic_int sum = 0;
            thread_pool_run(p, i % 17, add_piece, &sum);
            CHECK_INT(sum, (i % 17) * (i % 17 + 1) / 2);
        }
        thread_pool_destroy(p);
    }
}

static void inputs_and_outputs(void)
{
    struct sim_case c;
    case_prepare(&c);
    CHECK(case_load(&c, ".heap 64\n .input \"x\" f32[2,2] @0x30000000000\n .output \"y\" f32[2,2] "
                        "@0x30000000000\n halt"));
    struct tensor *t = tensor_create(c.arena, DT_F32, (int64_t[]){2, 2}, 2);
    ((float *)t->data)[3] = 2.5f;
    CHECK(sim_set_input(c.sim, 0, t, c.diag) && sim_run(c.sim, c.diag));
    struct tensor *y = sim_get_output(c.sim, 0, c.arena);
    CHECK(y && ((float *)y->data)[3] == 2.5f);
    t->rank = 1;
    CHECK(!sim_set_input(c.sim, 0, t, c.diag) && strstr(c.messages, "f32[2,2]"));
    case_end(&c);
    case_prepare(&c); // an image that never was a file
    CHECK(case_load(&c, ".heap 64\n .output \"y\" f32[16] @0x30000000000\n halt"));
    c.img.outputs[0].dim[0] = 17;
    CHECK(!sim_run(c.sim, c.diag) && strstr(c.messages, "image-format"));
    case_end(&c);
}

int main(void)
{
    RUN(arithmetic);
    RUN(extremes);
    RUN(loop_and_call);
    RUN(scalar_memory);
    RUN(faults);
    RUN(bound_on_cycles);
    RUN(fault_names_node);
    RUN(host_kernels);
    RUN(commit_log);
    RUN(threads);
    RUN(inputs_and_outputs);
    return check_summary();
}

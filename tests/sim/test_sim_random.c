// Random programs: whatever the words of an image say, the machine faults or halts, within its
// bound on cycles.
#include "exec.h"
#include "sim_case.h"

#define PROGRAMS 3000
#define LENGTH 80

static const int64_t places[] = {
    0,
    IMAGE_RODATA_BASE,
    IMAGE_LANES_BASE,
    IMAGE_HEAP_BASE,
    IMAGE_HEAP_BASE,
    IMAGE_ABUF_BASE,
    IMAGE_ABUF_BASE,
    IMAGE_WBUF_BASE,
};

static int64_t random_number(void)
{
    switch (case_int(0, 5)) {
    case 0: return case_int(-70, 300);
    case 1: return places[case_int(0, 7)] + case_int(-64, 2048);
    case 2: return (int64_t)case_bits() >> case_int(0, 63);
    default: return case_int(0, 8);
    }
}

static bool encodes(struct isa_insn *in, uint8_t *word)
{
    const struct isa_format_info *f = &isa_format_info[isa_op_info[in->op].format];
    for (int tries = 0; tries < 40; tries++) {
        int bad = -1;
        if (isa_encode(in, word, &bad)) {
            struct isa_insn check;
            return isa_decode(word, &check);
        }
        if (bad < 0)
            return false;
        in->f[bad] =
            (int64_t)(case_bits() &
                      ((f->fields[bad].width < 64 ? 1ull << f->fields[bad].width : 0) - 1));
    }
    return false;
}

static int64_t small_field(const struct isa_field *f)
{
    switch (f->kind) {
    case ISA_KIND_XREG:
    case ISA_KIND_TREG: return case_int(0, 5);
    case ISA_KIND_OFF: return 16 * case_int(-20, 20);
    case ISA_KIND_DTYPE: return case_int(0, 2) ? case_int(0, DT_I64) : case_int(0, DT_NUM - 1);
    case ISA_KIND_FLAG: return case_int(0, 1);
    default: return random_number();
    }
}

// The array's instructions seldom fit by chance.
static void make_likely(struct isa_insn *in)
{
    if (in->op == ISA_BCE) {
        in->BCE.nk = case_int(0, 3);
        in->BCE.mode = case_int(0, 2);
        in->BCE.lanes = in->BCE.mode == 0 ? case_int(1, 24) : in->BCE.mode == 1 ? 24 : 11;
        in->BCE.npe = case_int(1, 5);
        in->BCE.xw = in->BCE.xp = 0;
        in->BCE.wbuf = case_int(0, 60) * 8;
        in->BCE.psum = case_int(0, 60);
    } else if (in->op == ISA_PACK) {
        in->PACK.xp = 0;
        in->PACK.psum = case_int(0, 60);
    } else if (in->op == ISA_WPACK) {
        in->WPACK.lanes = in->WPACK.mode == 0 ? case_int(1, 24) : in->WPACK.mode == 1 ? 24 : 11;
        in->WPACK.xw = 0;
        in->WPACK.wbuf = case_int(0, 60) * 8;
    }
}

static void random_word(uint8_t *word)
{
    struct isa_insn in = {0};
    do {
        in.op = (enum isa_op)case_int(0, ISA_OP_NUM - 1);
        if (case_int(0, 5) == 0) // views decide what the rest does
            in.op = (enum isa_op)case_int(ISA_TNEW, ISA_TFILL);
        if (case_int(0, 7) == 0)
            in.op = (enum isa_op)case_int(ISA_WPACK, ISA_PACK);
        const struct isa_format_info *f = &isa_format_info[isa_op_info[in.op].format];
        memset(in.f, 0, sizeof in.f);
        for (int i = 0; i < f->num_fields; i++)
            in.f[i] = small_field(&f->fields[i]);
        if (case_int(0, 3))
            make_likely(&in);
    } while (in.op == ISA_HALT || !encodes(&in, word));
}

// A view of a plausible shape in t0..t5, so that vector, DMA and BCE instructions get somewhere.
static size_t random_setup(uint8_t *text)
{
    size_t n = 0;
    static const enum dtype types[] = {DT_F32, DT_F32, DT_F16,  DT_I8, DT_I16,
                                       DT_I32, DT_I64, DT_BOOL, DT_U8, DT_F64};
    enum dtype type = types[case_int(0, 9)];
    int rank = (int)case_int(0, 4);
    for (int t = 0; t < 6; t++) {
        struct isa_insn in = {.op = ISA_TNEW};
        in.TNEW.td = t;
        in.TNEW.type = case_int(0, 3) ? type : types[case_int(0, 9)];
        in.TNEW.rank = rank;
        in.TNEW.imm = places[case_int(1, 7)] + case_int(0, 64) * 8;
        CHECK(isa_encode(&in, text + 16 * n++, NULL));
        for (int d = 0; d < rank; d++) {
            in = (struct isa_insn){.op = ISA_TDIM};
            in.TDIM.td = t;
            in.TDIM.dim = d;
            in.TDIM.extent = 1 + (d * 3 + rank) % 5;
            in.TDIM.stride = case_int(0, 5);
            CHECK(isa_encode(&in, text + 16 * n++, NULL));
        }
    }
    return n;
}

// A fault would end a run; here the next instruction is tried, so that all of them are reached in
// odd states.
static void run_past_faults(struct sim *s, int *by_fault)
{
    for (int steps = 0; steps < 3 * LENGTH && !s->halted; steps++) {
        if (exec_step(s)) {
            by_fault[SIM_FAULT_NONE]++;
            continue;
        }
        by_fault[s->fault.kind]++;
        if (!CHECK(s->fault.kind != SIM_FAULT_NONE) || s->fault.kind == SIM_FAULT_FETCH)
            return;
        s->fault.kind = SIM_FAULT_NONE;
        s->pc += ISA_WORD_BYTES;
    }
}

static void random_programs(void)
{
    static uint8_t text[16 * (LENGTH + 40)], data[8192] __attribute__((aligned(64)));
    static int by_fault[SIM_FAULT_NUM];
    case_seed = 11;
    for (int p = 0; p < PROGRAMS; p++) {
        struct sim_case c;
        case_prepare(&c);
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = (uint8_t)case_bits();
        size_t n = random_setup(text);
        for (int i = 0; i < LENGTH; i++)
            random_word(text + 16 * n++);
        c.img = (struct image){.text = text,
                               .text_bytes = 16 * n,
                               .rodata = data,
                               .rodata_bytes = sizeof data,
                               .lanes = data,
                               .lanes_bytes = sizeof data,
                               .heap_bytes = 8192};
        machine_default(&c.img.machine);
        c.img.machine.group = (int64_t[]){2, 8, 64, 128}[case_int(0, 3)];
        c.opt.max_cycles = 20000;
        c.opt.datapath = case_int(0, 1) ? SIM_DATAPATH_RTL : SIM_DATAPATH_VECTOR;
        c.opt.timing = (enum sim_timing)case_int(0, SIM_TIMING_IDEAL);
        diag_set_error_limit(c.diag, 1);
        c.sim = sim_create(&c.img, &c.opt, c.arena, c.diag);
        if (CHECK(c.sim != NULL)) {
            for (size_t i = 0; i < sizeof data; i++) {
                c.sim->region[SIM_REGION_WBUF].host[i] = (uint8_t)case_bits();
                c.sim->region[SIM_REGION_ABUF].host[i] =
                    i < 512 ? (uint8_t)case_int(0, 2) : data[i];
            }
            run_past_faults(c.sim, by_fault);
        }
        case_end(&c);
    }
    for (int k = 0; k < SIM_FAULT_NUM; k++)
        printf("%-10s %d\n", sim_fault_name[k], by_fault[k]);
}

int main(void)
{
    RUN(random_programs);
    return check_summary();
}

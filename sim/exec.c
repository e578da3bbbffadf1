// The run loop: fetch, decode, execute, place on the timeline, count.
//
// Instructions take effect in program order; time is kept by the timeline. Decoded instructions
// stay in a small cache by pc, so that loops decode once and memory does not grow with the program.
#include "exec.h"

#include <inttypes.h>
#include <string.h>

#include "predict.h"
#include "timeline.h"

#define CACHE_ENTRIES 512
#define MAX_CYCLES (1ll << 56)

struct sim_decoded {
    uint64_t pc;
    struct sim_layer_stats *layer; // NULL: empty entry
    struct isa_insn insn;
};

#define ISA_INSN(name, text, opcode, fmt, unit, doc)                                               \
    static bool run_##name(struct sim *s, const struct isa_insn *in)                               \
    {                                                                                              \
        return sim_exec_##name(s, &in->fmt);                                                       \
    }
#include "isa.def"

static exec_body *const bodies[ISA_OP_NUM] = {
#define ISA_INSN(name, text, opcode, fmt, unit, doc) [ISA_##name] = run_##name,
#include "isa.def"
};

void exec_create(struct sim *s)
{
    s->decoded = ARENA_ARRAY(s->arena, CACHE_ENTRIES, struct sim_decoded);
}

static struct sim_layer_stats *layer_at(struct sim *s, uint64_t pc)
{
    int at = image_layer_at(s->img, pc, &s->near_layer);
    size_t none = s->stats.num_layers - 1;
    return &s->stats.layers[at < 0 || (size_t)at >= none ? none : (size_t)at];
}

static const struct sim_decoded *fetch(struct sim *s)
{
    struct sim_decoded *e = &s->decoded[s->pc / ISA_WORD_BYTES % CACHE_ENTRIES];
    if (e->layer && e->pc == s->pc)
        return e;
    size_t text = s->img->text_bytes;
    if (s->pc % ISA_WORD_BYTES != 0 || text < ISA_WORD_BYTES || s->pc > text - ISA_WORD_BYTES) {
        sim_fault_at(s, SIM_FAULT_FETCH, s->pc,
                     "pc is not that of an instruction (.text has %zu bytes)", text);
        return NULL;
    }
    const uint8_t *word = s->img->text + s->pc;
    e->layer = NULL;
    if (!isa_decode(word, &e->insn)) {
        sim_fault_at(s, SIM_FAULT_ILLEGAL, s->pc, "%016" PRIx64 " %016" PRIx64 " is no instruction",
                     io_get64(word), io_get64(word + 8));
        return NULL;
    }
    e->pc = s->pc;
    e->layer = layer_at(s, s->pc);
    return e;
}

static void log_before(struct sim *s, const struct isa_insn *in)
{
    char text[512];
    isa_print(in, NULL, text, sizeof text);
    fprintf(s->opt.commit_log, "0x%08" PRIx64 " %s ;", s->pc, text);
}

static void log_after(struct sim *s, enum isa_unit unit, struct timeline_span span)
{
    FILE *f = s->opt.commit_log;
    for (int i = 0; i < s->num_touch; i++) {
        const struct sim_touch *t = &s->touch[i];
        fprintf(f, " %s%s[0x%" PRIx64 ",0x%" PRIx64 ")", t->psum ? "psum-" : "mem-",
                t->write ? "write" : "read", t->lo, t->hi);
    }
    fprintf(f, " @%" PRId64 "+%" PRId64 " %s\n", span.start, span.end - span.start,
            isa_unit_name[unit]);
}

static unsigned units_waited_for(const struct isa_insn *in)
{
    if (in->op == ISA_HALT || in->op == ISA_HCALL)
        return ~0u;
    if (in->op != ISA_FENCE)
        return 0;
    return in->FENCE.units == 0 ? ~0u : (unsigned)in->FENCE.units;
}

static void count(struct sim *s, const struct isa_insn *in, uint64_t d_before)
{
    struct sim_layer_stats *l = s->layer;
    l->instructions++;
    l->dram_read += s->cost.dram_read;
    l->dram_write += s->cost.dram_write;
    l->buffer_read += s->cost.buffer_read;
    l->buffer_write += s->cost.buffer_write;
    if (in->op != ISA_BCE || in->BCE.mode >= SIM_MODES || in->BCE.lanes > SIM_MAX_LANES)
        return;
    // With lane maps every RR-reg of the PE is on.
    int64_t lanes = in->BCE.map ? s->machine.lanes : in->BCE.lanes;
    struct sim_mode_stats *m = &l->mode[in->BCE.mode][lanes];
    m->array_cycles += (uint64_t)s->cost.cycles * (uint64_t)in->BCE.npe;
    m->walk_cycles += l->d_sum - d_before;
}

static bool within_bound(struct sim *s)
{
    int64_t bound = s->opt.max_cycles > 0 ? s->opt.max_cycles : MAX_CYCLES;
    int64_t end = timeline_end(s->timeline);
    return end <= bound || sim_fault_at(s, SIM_FAULT_LIMIT, s->pc,
                                        "%" PRId64 " cycles are more than %" PRId64, end, bound);
}

bool exec_step(struct sim *s)
{
    const struct sim_decoded *e = fetch(s);
    if (!e)
        return false;
    const struct isa_insn *in = &e->insn;
    enum isa_unit unit = isa_op_info[in->op].unit;
    s->layer = e->layer;
    s->next_pc = s->pc + ISA_WORD_BYTES;
    s->cost = (struct sim_cost){0};
    s->num_touch = 0;
    uint64_t d_before = s->layer->d_sum;
    if (s->opt.commit_log)
        log_before(s, in);
    if (!(s->predict ? predict_step(s, in, bodies[in->op]) : bodies[in->op](s, in))) {
        if (s->opt.commit_log)
            fprintf(s->opt.commit_log, " fault %s\n", sim_fault_name[s->fault.kind]);
        return false;
    }
    struct timeline_span span = timeline_place(s, unit, units_waited_for(in));
    count(s, in, d_before);
    if (s->opt.commit_log)
        log_after(s, unit, span);
    if (s->opt.progress && unit != ISA_UNIT_CTRL)
        s->opt.progress(s->opt.progress_user, s->pc, s->img->text_bytes);
    if (!within_bound(s))
        return false;
    s->pc = s->next_pc;
    return true;
}

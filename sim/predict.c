#include "predict.h"

#include <string.h>

#include "first_use.h"

#define MAX_STEPS (1ll << 24)
#define MAX_FOLLOWED 4096 // elements of an instruction whose values are made

enum certainty { CERTAIN, GUESS, UNKNOWN };

struct known { // bytes [lo, hi) of memory that are certain or a guess
    uint64_t lo, hi;
    enum certainty how;
};

struct predict {
    size_t bytes; // of this reservation
    int64_t steps;
    enum certainty x[ISA_XREGS], t[ISA_TREGS];
    bool inexact;            // something uncertain was used
    bool followed;           // the current instruction makes its values
    enum certainty operands; // of those that it reads
    struct arena *arena;
    struct known *known; // in order, apart
    size_t num_known, cap_known;
    uint32_t *effects; // per layer
    size_t num_tiles;
    uint16_t tile[]; // D plus 1 of tiles, by the word of .lanes where they begin
};

// ---- Memory
// ------------------------------------------------------------------------------------------

// The first piece that ends behind addr.
static size_t find_known(const struct predict *p, uint64_t addr)
{
    size_t lo = 0, hi = p->num_known;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (p->known[mid].hi <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static enum certainty memory_is(const struct predict *p, uint64_t lo, uint64_t hi)
{
    enum certainty how = CERTAIN;
    for (size_t i = find_known(p, lo); lo < hi; i++) {
        if (i == p->num_known || p->known[i].lo > lo)
            return UNKNOWN;
        how = p->known[i].how > how ? p->known[i].how : how;
        lo = p->known[i].hi;
    }
    return how;
}

static void insert_known(struct predict *p, size_t at, struct known k)
{
    p->known = arena_grow(p->arena, p->known, p->num_known, p->num_known + 1, sizeof *p->known,
                          &p->cap_known);
    memmove(p->known + at + 1, p->known + at, (p->num_known - at) * sizeof *p->known);
    p->known[at] = k;
    p->num_known++;
}

static void forget(struct predict *p, uint64_t lo, uint64_t hi)
{
    size_t at = find_known(p, lo);
    if (at < p->num_known && p->known[at].lo < lo) {
        struct known behind = p->known[at];
        p->known[at++].hi = lo;
        if (behind.hi > hi) {
            behind.lo = hi;
            insert_known(p, at, behind);
            return;
        }
    }
    size_t end = at;
    while (end < p->num_known && p->known[end].hi <= hi)
        end++;
    if (end < p->num_known && p->known[end].lo < hi)
        p->known[end].lo = hi;
    if (end > at)
        memmove(p->known + at, p->known + end, (p->num_known - end) * sizeof *p->known);
    p->num_known -= end - at;
}

static void learn(struct predict *p, uint64_t lo, uint64_t hi, enum certainty how)
{
    forget(p, lo, hi);
    if (how != UNKNOWN)
        insert_known(p, find_known(p, lo), (struct known){lo, hi, how});
}

// What inputs say about their extents at run time: the largest are assumed.
static void learn_extents(struct sim *s, struct predict *p)
{
    for (size_t i = 0; i < s->img->num_inputs; i++) {
        const struct image_io *io = &s->img->inputs[i];
        for (int d = 0; d < io->rank; d++) {
            uint8_t *word;
            if (!io->extent[d] || !sim_bytes_map(s, io->extent[d], 8, true, &word))
                continue;
            io_put64(word, (uint64_t)io->dim[d]);
            learn(p, io->extent[d], io->extent[d] + 8, GUESS);
        }
    }
    s->num_touch = 0;
}

struct predict *predict_create(const struct sim *s)
{
    size_t tiles = s->region[SIM_REGION_LANES].bytes / 8;
    size_t layers = s->stats.num_layers;
    size_t bytes = sizeof(struct predict) + tiles * sizeof(uint16_t);
    struct predict *p = sim_reserve(bytes, false);
    if (!p)
        return NULL;
    p->bytes = bytes;
    p->num_tiles = tiles;
    p->arena = s->arena;
    p->effects = ARENA_ARRAY(s->arena, layers, uint32_t);
    return p;
}

void predict_destroy(struct predict *p)
{
    if (p)
        sim_release(p, p->bytes);
}

uint32_t predict_effects(const struct predict *p, size_t at)
{
    return p->effects[at];
}

static void note(struct sim *s, enum image_effect e)
{
    s->predict->inexact = true;
    s->predict->effects[s->layer - s->stats.layers] |= 1u << e;
}

// ---- The scalar core
// ---------------------------------------------------------------------------------

static enum certainty worse(enum certainty a, enum certainty b)
{
    return a > b ? a : b;
}

static void set_x(struct sim *s, int64_t reg, enum certainty how)
{
    if (reg == 0)
        return;
    s->predict->x[reg] = how;
    if (how == UNKNOWN)
        s->x[reg] = 0;
}

static bool step_alu(struct sim *s, const struct isa_insn *in, exec_body *body)
{
    const struct predict *p = s->predict;
    const struct isa_args_ALU *a = &in->ALU;
    enum certainty how = worse(p->x[a->ra], p->x[a->rb]);
    bool divides = in->op == ISA_DIV || in->op == ISA_REM;
    bool by_zero = divides && (uint64_t)s->x[a->rb] + (uint64_t)a->imm == 0;
    bool skip = by_zero && p->x[a->rb] != CERTAIN;
    if (!skip && !body(s, in))
        return false;
    set_x(s, a->rd, skip ? UNKNOWN : how);
    return true;
}

static bool step_memory(struct sim *s, const struct isa_insn *in, exec_body *body)
{
    struct predict *p = s->predict;
    const struct isa_args_MEM *a = &in->MEM;
    uint64_t lo = (uint64_t)s->x[a->ra] + (uint64_t)a->imm;
    uint64_t hi = lo + dtype_bytes((enum dtype)a->type);
    if (p->x[a->ra] != CERTAIN)
        note(s, IMAGE_EFFECT_EXTENT);
    if (!body(s, in))
        return false;
    if (in->op == ISA_ST)
        learn(p, lo, hi, worse(p->x[a->ra], p->x[a->rd]));
    else if (lo < IMAGE_HEAP_BASE)
        set_x(s, a->rd, p->x[a->ra]);
    else
        set_x(s, a->rd, worse(p->x[a->ra], memory_is(p, lo, hi)));
    return true;
}

static bool next_is_trap(const struct sim *s)
{
    struct isa_insn next;
    return s->next_pc + ISA_WORD_BYTES <= s->img->text_bytes &&
           isa_decode(s->img->text + s->next_pc, &next) && next.op == ISA_TRAP;
}

static bool step_branch(struct sim *s, const struct isa_insn *in, exec_body *body)
{
    const struct predict *p = s->predict;
    const struct isa_args_BR *a = &in->BR;
    enum certainty how = worse(p->x[a->ra], p->x[a->rb]);
    if (how == CERTAIN)
        return body(s, in);
    if (next_is_trap(s)) { // a check, which is taken to hold
        s->next_pc = s->pc + (uint64_t)a->off;
        return true;
    }
    note(s, IMAGE_EFFECT_BRANCH);
    return how == UNKNOWN || body(s, in);
}

static bool step_jump(struct sim *s, const struct isa_insn *in, exec_body *body)
{
    if (in->op == ISA_JR && s->predict->x[in->JR.ra] != CERTAIN) {
        note(s, IMAGE_EFFECT_BRANCH);
        s->halted = true;
        return true;
    }
    if (in->op == ISA_JAL)
        set_x(s, in->JAL.rd, CERTAIN);
    return body(s, in);
}

// ---- Views and units
// ---------------------------------------------------------------------------------

// Of what an instruction's fields of one kind name, but destinations of the scalar core.
static enum certainty fields_are(const struct sim *s, const struct isa_insn *in, enum isa_kind kind)
{
    const struct predict *p = s->predict;
    const struct isa_format_info *f = &isa_format_info[isa_op_info[in->op].format];
    enum certainty how = CERTAIN;
    for (int i = 0; i < f->num_fields; i++)
        if (f->fields[i].kind == kind)
            how = worse(how, kind == ISA_KIND_XREG ? p->x[in->f[i]] : p->t[in->f[i]]);
    return how;
}

static bool step_view(struct sim *s, const struct isa_insn *in, exec_body *body)
{
    struct predict *p = s->predict;
    int64_t td = in->f[0]; // of every format that changes a view
    enum certainty how = fields_are(s, in, ISA_KIND_XREG);
    p->t[td] = in->op == ISA_TNEW ? how : worse(p->t[td], how);
    return body(s, in);
}

static enum certainty views_are(const struct sim *s, const struct isa_insn *in)
{
    enum certainty how = fields_are(s, in, ISA_KIND_TREG);
    for (int64_t t = 0; in->op == ISA_HCALL && t < in->HCALL.nt; t++)
        how = worse(how, s->predict->t[t]);
    return how;
}

// The memory that an instruction reads, as far as it may change.
static enum certainty reads_are(const struct sim *s)
{
    enum certainty how = CERTAIN;
    for (int i = 0; i < s->num_touch; i++) {
        const struct sim_touch *t = &s->touch[i];
        if (!t->write)
            how = worse(how, t->psum ? UNKNOWN : memory_is(s->predict, t->lo, t->hi));
    }
    return how;
}

bool predict_values(struct sim *s, int64_t elements)
{
    struct predict *p = s->predict;
    if (!p)
        return true;
    p->operands = elements <= MAX_FOLLOWED ? reads_are(s) : UNKNOWN;
    p->followed = p->operands != UNKNOWN;
    return p->followed;
}

static void learn_writes(struct sim *s, enum certainty views)
{
    struct predict *p = s->predict;
    int64_t written = s->cost.dram_write + s->cost.buffer_write;
    for (int i = 0; i < s->num_touch; i++) {
        const struct sim_touch *t = &s->touch[i];
        if (!t->write || t->psum)
            continue;
        // With gaps, what lay there must have been known, too.
        enum certainty how = p->followed ? worse(p->operands, views) : UNKNOWN;
        if (how != UNKNOWN && written < (int64_t)(t->hi - t->lo))
            how = worse(how, memory_is(p, t->lo, t->hi));
        learn(p, t->lo, t->hi, how);
    }
}

static bool step_unit(struct sim *s, const struct isa_insn *in, exec_body *body)
{
    struct predict *p = s->predict;
    enum certainty views = worse(views_are(s, in), fields_are(s, in, ISA_KIND_XREG));
    if (views != CERTAIN)
        note(s, IMAGE_EFFECT_EXTENT);
    p->followed = false;
    if (!body(s, in))
        return false;
    learn_writes(s, views);
    return true;
}

static bool step(struct sim *s, const struct isa_insn *in, exec_body *body)
{
    switch (isa_op_info[in->op].format) {
    case ISA_FMT_LI: set_x(s, in->LI.rd, CERTAIN); return body(s, in);
    case ISA_FMT_ALU: return step_alu(s, in, body);
    case ISA_FMT_MEM: return step_memory(s, in, body);
    case ISA_FMT_BR: return step_branch(s, in, body);
    case ISA_FMT_JAL:
    case ISA_FMT_JR: return step_jump(s, in, body);
    case ISA_FMT_TNEW:
    case ISA_FMT_TBASE:
    case ISA_FMT_TDIM:
    case ISA_FMT_TDIMX:
    case ISA_FMT_TSTEP:
    case ISA_FMT_TAXIS:
    case ISA_FMT_TAXISX:
    case ISA_FMT_TFILL: return step_view(s, in, body);
    default: return step_unit(s, in, body);
    }
}

// An instruction that cannot be what the program means, after something uncertain, takes no time.
static void pass_over(struct sim *s)
{
    note(s, IMAGE_EFFECT_EXTENT);
    s->fault = (struct sim_fault){0};
    s->cost = (struct sim_cost){0};
    s->num_touch = 0;
}

bool predict_step(struct sim *s, const struct isa_insn *in, exec_body *body)
{
    struct predict *p = s->predict;
    if (p->steps++ == 0)
        learn_extents(s, p);
    if (p->steps > MAX_STEPS) {
        note(s, IMAGE_EFFECT_BRANCH);
        s->halted = true;
        return true;
    }
    if (!step(s, in, body)) {
        if (!p->inexact)
            return false;
        pass_over(s);
    }
    return true;
}

// ---- The array
// ---------------------------------------------------------------------------------------

// Of bits that are not known, about as many cycles as random ones take; with lane maps, those of
// quantised values.
static int expected_cycles(const struct bce_op *op, int rows)
{
    return op->cfg.regs > 0 ? (rows + 7) / 8 : (rows * 5 + 7) / 8;
}

static int tile_cycles(struct sim *s, const struct bce_op *op, const uint8_t *tile, int rows)
{
    struct predict *p = s->predict;
    uint64_t origin = first_use_origin(s->first_use, tile);
    if (origin == 0 || origin > p->num_tiles) {
        note(s, IMAGE_EFFECT_WEIGHTS);
        return expected_cycles(op, rows);
    }
    uint16_t *known = &p->tile[origin - 1];
    if (*known == 0) {
        struct bce_tile t;
        bce_tile_load(&op->cfg, op->lanes, rows, tile, &t);
        if (op->cfg.regs > 0 && bce_map_fault(&t.map, op->cfg.regs, op->lanes, op->ext))
            return 0; // the program faults here
        *known = (uint16_t)(bce_tile_cycles(&op->cfg, op->tables, &t) + 1);
    }
    return *known - 1;
}

void predict_bce(struct sim *s, const struct bce_op *op, struct bce_time *time)
{
    struct bce_timing timing = op->timing;
    int64_t groups = bce_op_groups(op);
    size_t work_bytes = sizeof(int64_t) * (size_t)(op->npe + timing.fifo);
    int64_t *work = sim_scratch(s, work_bytes + sizeof(uint16_t) * (size_t)op->npe);
    uint16_t *d = (uint16_t *)(void *)((uint8_t *)work + work_bytes);
    uint64_t step_sum = 0;
    if (bce_is_float(&op->cfg))
        note(s, IMAGE_EFFECT_ALIGN);
    bce_time_begin(&timing, time);
    for (int64_t g = 0; g < groups; g++) {
        int64_t left = op->agu->k_total - g * op->cfg.n;
        int rows = left < op->cfg.n ? (int)left : op->cfg.n;
        for (int pe = 0; pe < op->npe; pe++)
            d[pe] = (uint16_t)tile_cycles(
                s, op, op->tiles + (size_t)(g * op->npe + pe) * op->tile_bytes, rows);
        timing.least = bce_least_cycles(&timing, rows);
        int64_t busy = bce_group_time(&timing, d, op->npe, op->agu->p_total, 1, 0, work, &step_sum);
        bce_time_add(&timing, busy, g + 1 == groups, time);
    }
}

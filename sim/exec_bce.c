// BCE: checks what the program asks for, hands the work to the array, and says what it cost.
#include <string.h>

#include "bce_array.h"
#include "exec_bce.h"
#include "exec_dma.h"
#include "first_use.h"
#include "image.h"
#include "pages.h"
#include "predict.h"

// Tensors, weights and partial sums an instruction names.
struct operands {
    const struct sim_view *view;
    struct bce_agu agu;
    uint64_t weights; // address
    uint64_t weight_bytes;
    int64_t psum;
};

static bool check_mode(struct sim *s, const struct isa_args_BCE *in, enum dtype t)
{
    static const int float_lanes[] = {[ISA_MODE_fp32] = 24, [ISA_MODE_fp16] = 11};
    int64_t lanes = in->lanes;
    if (in->mode != ISA_MODE_fixed && lanes != float_lanes[in->mode])
        return sim_fault_at(s, SIM_FAULT_OPERAND, 0, "%d lanes in mode %s, which has %d",
                            (int)lanes, in->mode == ISA_MODE_fp32 ? "fp32" : "fp16",
                            float_lanes[in->mode]);
    if (lanes < 1 || lanes > s->machine.lanes)
        return sim_fault_at(s, SIM_FAULT_OPERAND, 0, "%d lanes; the machine has %d", (int)lanes,
                            (int)s->machine.lanes);
    if (in->map && !(s->machine.ext & MACHINE_MAP_EXT))
        return sim_fault_at(s, SIM_FAULT_EXTENSION, 0, "lane maps; the machine has extensions '%s'",
                            machine_ext_text(s->machine.ext, s->arena));
    if (in->map && (in->mode != ISA_MODE_fixed || s->opt.compat_rtl))
        return sim_fault_at(s, SIM_FAULT_OPERAND, 0, "lane maps %s",
                            in->mode != ISA_MODE_fixed ? "in a float mode"
                                                       : "with --compat rtl, which has none");
    if (in->npe < 1 || in->npe > s->machine.pes)
        return sim_fault_at(s, SIM_FAULT_OPERAND, 0, "%d PEs; the machine has %d", (int)in->npe,
                            (int)s->machine.pes);
    bool fits = in->mode == ISA_MODE_fixed  ? dtype_is_int(t)
                : in->mode == ISA_MODE_fp32 ? t == DT_F32
                                            : t == DT_F16;
    if (!fits)
        return sim_fault_at(s, SIM_FAULT_TYPE, 0, "activations of type %s", dtype_text(t));
    return true;
}

// wbuf + xw and psum + xp; false when they are negative or absurd, which the maps then report.
static bool sum_offset(int64_t field, int64_t reg, int64_t *out)
{
    return !__builtin_add_overflow(field, reg, out) && *out >= 0 && *out < (1ll << 40);
}

static size_t tile_bytes(const struct sim *s, const struct isa_args_BCE *in)
{
    size_t plain = machine_lane_tile_bytes(&s->machine, (int)in->lanes, in->mode != ISA_MODE_fixed);
    return in->map ? plain + machine_lane_map_bytes(&s->machine) : plain;
}

static bool find_operands(struct sim *s, const struct isa_args_BCE *in, struct operands *o)
{
    const struct sim_view *v = &s->t[in->ta];
    int64_t elems, offset, entries, groups;
    uint64_t tile = tile_bytes(s, in);
    o->view = v;
    if (in->nk > v->rank)
        return sim_fault_at(s, SIM_FAULT_VIEW, v->base, "%d K dimensions of a view of rank %d",
                            (int)in->nk, v->rank);
    if (!sim_view_elems(s, v, &elems))
        return false;
    if (!bce_agu_init(&o->agu, v, (struct bce_span){0, (int)in->nk},
                      (struct bce_span){(int)in->nk, v->rank - (int)in->nk}, NULL))
        return sim_fault_at(s, SIM_FAULT_VIEW, v->base, "coordinates overflow");
    groups = (o->agu.k_total + s->machine.group - 1) / s->machine.group;
    uint64_t tiles;
    if (!sum_offset(in->wbuf, s->x[in->xw], &offset) ||
        __builtin_mul_overflow((uint64_t)groups, (uint64_t)in->npe, &tiles) ||
        __builtin_mul_overflow(tiles, tile, &o->weight_bytes))
        return sim_fault_at(s, SIM_FAULT_LOAD, IMAGE_WBUF_BASE, "weights outside the buffer");
    o->weights = IMAGE_WBUF_BASE + (uint64_t)offset;
    if (!sum_offset(in->psum, s->x[in->xp], &o->psum) ||
        __builtin_mul_overflow(in->npe, o->agu.p_total, &entries))
        return sim_fault_at(s, SIM_FAULT_PSUM, 0, "partial sums outside the buffer");
    return true;
}

static bool map_operands(struct sim *s, const struct isa_args_BCE *in, struct operands *o,
                         struct bce_op *op)
{
    uint8_t *host, *tiles;
    int64_t entries = in->npe * o->agu.p_total;
    if (!sim_view_map(s, o->view, false, &host))
        return false;
    if (host && sim_view_region(o->view) != SIM_REGION_ABUF)
        return sim_fault_at(s, SIM_FAULT_LOAD, o->view->base,
                            "activations outside the activation buffer");
    o->agu.host = host;
    if (!sim_bytes_map(s, o->weights, o->weight_bytes, false, &tiles))
        return false;
    op->tiles = tiles;
    if (in->acc && !sim_psum_map(s, o->psum, entries, false, &op->psum))
        return false;
    return sim_psum_map(s, o->psum, entries, true, &op->psum);
}

// Distance of groups in a row as the RTL has it: n / n_in beats, and 12 or 15 cycles of pipeline
// around the distillation; a result shows log2(n_in) + 1 cycles after its step's end, which the
// last step of a row pays.
static void rtl_timing(const struct machine *m, bool is_float, struct bce_timing *t)
{
    int64_t beat = m->beat < m->group ? m->beat : m->group;
    t->overhead = (int)((m->group + beat - 1) / beat) + (is_float ? 15 : 12);
    t->once = 1;
    while ((2ll << (t->once - 1)) <= beat)
        t->once++;
}

// Extension P: the fixed part of a step runs beside the distillation of the steps before it; it is
// paid once, and what remains besides D is the entry of the activations.
static void pipeline(const struct machine *m, struct bce_timing *t)
{
    t->once += t->overhead;
    t->overhead = 0;
    t->beat = (int)m->beat;
}

static struct bce_timing timing_of(const struct sim *s, bool is_float, uint64_t weight_bytes)
{
    struct bce_timing t = {.fifo = (int)s->machine.act_fifo};
    double cycles = (double)weight_bytes * s->machine.clock_ghz / s->machine.buffer_gbs;
    t.weight_load = (int64_t)cycles;
    t.weight_load += (double)t.weight_load < cycles;
    switch (s->opt.timing) {
    case SIM_TIMING_MICRO21:
    case SIM_TIMING_PIPELINED: t.overhead = is_float ? 13 : 10; break;
    case SIM_TIMING_RTL: rtl_timing(&s->machine, is_float, &t); break;
    case SIM_TIMING_IDEAL: return t;
    }
    if ((s->machine.ext & MACHINE_EXT_P) || s->opt.timing == SIM_TIMING_PIPELINED)
        pipeline(&s->machine, &t);
    return t;
}

static struct bce_config config_of(const struct sim *s, const struct isa_args_BCE *in, enum dtype t)
{
    struct bce_config c = {.n = (int)s->machine.group, .mode = (int)in->mode};
    c.fast = s->opt.datapath == SIM_DATAPATH_FAST && c.mode == ISA_MODE_fixed && !s->opt.compat_rtl;
    c.bound = s->opt.bound_lanes;
    c.uncounted = s->opt.uncounted;
    c.prune = (1u << in->lanes) - 1;
    if (in->map) { // codes may take a lane more
        c.regs = (int)s->machine.lanes;
        c.prune = (c.prune << 1 | 1) & ((1u << BCE_LANES) - 1);
    }
    c.compat = s->opt.compat_rtl;
    c.whole = c.fast && bce_whole_fits(&c) && bce_fixed_row(bce_activation_bound(t)) == BCE_ROW_I8;
    c.walk = s->opt.no_distill                   ? BCE_WALK_ALL
             : s->opt.timing == SIM_TIMING_IDEAL ? BCE_WALK_IDEAL
                                                 : BCE_WALK_WINDOW;
    return c;
}

// An instruction with nothing to add up still starts its partial sums.
static void start_sums(const struct isa_args_BCE *in, const struct bce_op *op, int64_t entries)
{
    if (!in->acc && entries > 0)
        memset(op->psum, 0, sizeof *op->psum * (size_t)entries);
}

#define ROWS_BYTES (20u << 20)
#define ROWS_AHEAD (2u << 20) // of them that nearly every instruction needs

// Rows of the last instructions that had different ones: what is cut along K takes turns.
struct datapath {
    struct bce_tables tables;
    struct bce_rows rows[SIM_KEPT];
    int next; // set to be given up
};

void bce_create(struct sim *s)
{
    struct datapath *d = arena_alloc(s->arena, sizeof *d);
    memset(d, 0, sizeof *d);
    s->bce = d;
    bce_tables_init(&d->tables);
    for (int i = 0; i < SIM_KEPT && !s->opt.predict; i++) {
        struct bce_rows *r = &d->rows[i];
        r->mem = sim_reserve(ROWS_BYTES, false);
        if (!r->mem) // rows are built where they are needed
            continue;
        r->bytes = ROWS_BYTES;
        arena_adopt_mapping(s->arena, r->mem, ROWS_BYTES);
        pages_bring(r->mem, ROWS_AHEAD);
    }
}

// Rows built before may be used again when nothing was written where they came from.
static struct bce_rows *rows_of(struct sim *s, struct datapath *d, const struct bce_agu *agu)
{
    const struct sim_touch *t = &s->touch[0]; // the first thing that is mapped: the activations
    int at = d->next;
    bool found = false;
    if (s->num_touch < 1 || t->psum || t->write || t->lo < IMAGE_ABUF_BASE ||
        t->lo >= IMAGE_WBUF_BASE)
        return NULL; // nothing but border
    for (int i = 0; i < SIM_KEPT; i++) {
        d->rows[i].filled = d->rows[i].filled && s->kept[i].hi != 0;
        if (d->rows[i].filled && bce_agu_equal(&d->rows[i].agu, agu)) {
            found = true;
            at = i;
        }
    }
    if (!found) // from here on its bytes are watched no more
        d->rows[at].filled = false;
    s->kept[at] = (struct sim_kept){t->lo, t->hi};
    d->next = (at + 1) % SIM_KEPT;
    return &d->rows[at];
}

static bool run_array(struct sim *s, struct datapath *d, const struct operands *o,
                      struct bce_op *op, struct bce_time *time)
{
    op->rows = rows_of(s, d, op->agu);
    op->beside = dma_pieces(s);
    op->beside_body = dma_piece;
    op->beside_user = s;
    void *mem = sim_scratch(s, bce_array_bytes(op, thread_pool_size(s->pool)));
    const char *what;
    enum bce_fault fault = bce_array_run(op, s->pool, mem, s->layer, time, &what);
    dma_done(s);
    switch (fault) {
    case BCE_FAULT_RANGE:
        return sim_fault_at(s, SIM_FAULT_RANGE, o->view->base,
                            "an activation does not fit 25 bits two's complement");
    case BCE_FAULT_MAP:
        return sim_fault_at(s, SIM_FAULT_EXTENSION, o->weights, "a lane map %s", what);
    case BCE_FAULT_NONE: break;
    }
    return true;
}

bool sim_exec_BCE(struct sim *s, const struct isa_args_BCE *in)
{
    struct operands o;
    bool is_float = in->mode != ISA_MODE_fixed;
    if (!check_mode(s, in, s->t[in->ta].dtype) || !find_operands(s, in, &o))
        return false;
    struct datapath *d = s->bce;
    struct bce_op op = {
        .cfg = config_of(s, in, o.view->dtype), .tables = &d->tables, .agu = &o.agu};
    if (!map_operands(s, in, &o, &op))
        return false;
    if (o.agu.k_total == 0 || o.agu.p_total == 0) {
        start_sums(in, &op, in->npe * o.agu.p_total);
        return true;
    }
    op.lanes = (int)in->lanes;
    op.npe = (int)in->npe;
    op.pes = (int)s->machine.pes;
    op.ext = s->machine.ext;
    op.tile_bytes = tile_bytes(s, in);
    op.acc = in->acc != 0;
    op.literal = s->opt.datapath == SIM_DATAPATH_RTL;
    op.timing = timing_of(s, is_float, (uint64_t)op.npe * op.tile_bytes);
    op.first_use = first_use_take;
    op.first_use_user = s->first_use;
    struct bce_time time;
    if (s->predict)
        predict_bce(s, &op, &time);
    else if (!run_array(s, d, &o, &op, &time))
        return false;
    s->cost.cycles = time.cycles;
    s->cost.load = time.load;
    s->cost.tail = time.tail;
    sim_count_view(s, o.view, false);
    s->cost.buffer_read += (int64_t)o.weight_bytes;
    return true;
}

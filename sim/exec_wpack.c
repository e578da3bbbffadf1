// WPACK: the preprocessing modules, which put weights that are known at run time only into lanes.
// Rows of K by PEs come from the same address generation as activations; a row is a k, a position
// is a PE.
#include <string.h>

#include "bce_agu.h"
#include "first_use.h"
#include "image.h"
#include "io.h"

struct weights {
    struct bce_config cfg;
    struct bce_agu agu;
    const struct sim_view *view;
    uint32_t ext;
    enum bce_row kind;
    int lanes, npe;
    size_t tile_bytes;
    uint8_t *tiles;
    uint64_t bytes; // of all tiles
};

static bool check_weights(struct sim *s, const struct isa_args_WPACK *in, const struct sim_view *v)
{
    bool fits = in->mode == ISA_MODE_fixed  ? dtype_is_int(v->dtype)
                : in->mode == ISA_MODE_fp32 ? v->dtype == DT_F32
                                            : v->dtype == DT_F16;
    if (!fits)
        return sim_fault_at(s, SIM_FAULT_TYPE, v->base, "weights of type %s", dtype_text(v->dtype));
    if (in->lanes < 1 || in->lanes > s->machine.lanes ||
        (in->mode == ISA_MODE_fp32 && in->lanes != 24) ||
        (in->mode == ISA_MODE_fp16 && in->lanes != 11))
        return sim_fault_at(s, SIM_FAULT_OPERAND, 0, "%d lanes", (int)in->lanes);
    if (v->rank < 1)
        return sim_fault_at(s, SIM_FAULT_VIEW, v->base, "weights of rank 0");
    if (in->map && !(s->machine.ext & MACHINE_MAP_EXT))
        return sim_fault_at(s, SIM_FAULT_EXTENSION, 0, "lane maps; the machine has extensions '%s'",
                            machine_ext_text(s->machine.ext, s->arena));
    if (in->map && in->mode != ISA_MODE_fixed)
        return sim_fault_at(s, SIM_FAULT_OPERAND, 0, "lane maps in a float mode");
    return true;
}

// The magnitude and exponent that image.h says a tile holds of a float.
static void float_weight(uint32_t bits, int frac_bits, int top, uint32_t *mag, uint8_t *exp)
{
    uint32_t frac = bits & ((1u << frac_bits) - 1);
    int e = (int)(bits >> frac_bits) & top;
    *mag = e != 0 ? frac | 1u << frac_bits : frac;
    *exp = (uint8_t)(e != 0 ? e : frac != 0 ? 1 : 0);
}

static void put_map(const struct weights *w, int count, uint8_t *tile)
{
    struct bce_tile t;
    bce_tile_load(&w->cfg, w->lanes, count, tile, &t);
    bce_map_make(&w->cfg, w->ext, &t);
    bce_map_store(&t.map, w->cfg.regs, tile + bce_tile_bytes(w->cfg.n, w->lanes, false));
}

// One tile from column `pe` of the rows; false when a weight needs more lanes.
static bool pack_tile(const struct weights *w, const uint8_t *rows, int count, int pe,
                      uint8_t *tile)
{
    uint32_t mag[BCE_MAX_N];
    uint8_t exp[BCE_MAX_N];
    bool neg[BCE_MAX_N], fits = true;
    for (int i = 0; i < count; i++) {
        uint32_t bits = io_get32(rows + (size_t)i * BCE_ROW_BYTES + 4 * (size_t)pe);
        neg[i] = bits >> (w->cfg.mode == ISA_MODE_fp16 ? 15 : 31) & 1;
        if (w->cfg.mode == ISA_MODE_fixed)
            mag[i] = neg[i] ? 0 - bits : bits;
        else
            float_weight(bits, w->lanes == 24 ? 23 : 10, w->lanes == 24 ? 255 : 31, &mag[i],
                         &exp[i]);
        fits &= mag[i] >> w->lanes == 0;
    }
    bce_tile_store(&w->cfg, w->lanes, count, mag, neg, exp, tile);
    if (w->cfg.regs > 0)
        put_map(w, count, tile);
    return fits;
}

// A PE whose coordinate lies outside has no weights: a view of fewer channels than PEs.
static bool is_outside(const struct weights *w, int pe)
{
    const struct sim_view *v = w->view;
    int a = v->axis[0];
    if (a < 0)
        return false;
    for (int d = 1; d < v->rank; d++)
        if (v->axis[d] == a)
            return false;
    int64_t at = v->origin[a] + pe * v->step[0];
    return at < 0 || at >= v->limit[a];
}

static bool pack_group(const struct weights *w, int64_t group, uint8_t *rows)
{
    int64_t k0 = group * w->cfg.n, left = w->agu.k_total - k0;
    int count = left < w->cfg.n ? (int)left : w->cfg.n;
    bool fits = true;
    for (int pe0 = 0; pe0 < w->npe; pe0 += BCE_BLOCK_I32) {
        int num = w->npe - pe0 < BCE_BLOCK_I32 ? w->npe - pe0 : BCE_BLOCK_I32;
        fits &= !bce_agu_rows(&w->agu, k0, count, pe0, num, w->kind, rows);
        for (int i = 0; i < num; i++)
            fits &= pack_tile(w, rows, is_outside(w, pe0 + i) ? 0 : count, i,
                              w->tiles + (size_t)(group * w->npe + pe0 + i) * w->tile_bytes);
    }
    return fits;
}

struct piece {
    const struct weights *w;
    uint8_t *rows; // of every worker
    bool *fits;    // of every group
};

static void pack_piece(void *user, int group, int worker)
{
    const struct piece *p = user;
    size_t bytes = (size_t)p->w->cfg.n * BCE_ROW_BYTES;
    p->fits[group] = pack_group(p->w, group, p->rows + (size_t)worker * bytes);
}

// Groups are packed by themselves.
static bool pack_groups(struct sim *s, const struct weights *w)
{
    enum { PARALLEL_ELEMS = 16384 };
    int64_t groups = (w->agu.k_total + w->cfg.n - 1) / w->cfg.n;
    bool alone = w->npe * w->agu.k_total < PARALLEL_ELEMS, fits = true;
    size_t rows = (size_t)w->cfg.n * BCE_ROW_BYTES, workers = (size_t)thread_pool_size(s->pool);
    uint8_t *mem = sim_scratch(s, rows * workers + (size_t)groups);
    struct piece p = {w, mem, (bool *)(mem + rows * workers)};
    thread_pool_run(alone ? NULL : s->pool, (int)groups, pack_piece, &p);
    for (int64_t g = 0; g < groups; g++)
        fits &= p.fits[g];
    return fits;
}

static bool map_weights(struct sim *s, const struct isa_args_WPACK *in, const struct sim_view *v,
                        struct weights *w)
{
    int64_t elems, offset;
    uint64_t bytes;
    uint8_t *host;
    if (!sim_view_elems(s, v, &elems))
        return false;
    if (!bce_agu_init(&w->agu, v, (struct bce_span){1, v->rank - 1}, (struct bce_span){0, 1}, NULL))
        return sim_fault_at(s, SIM_FAULT_VIEW, v->base, "coordinates overflow");
    if (v->extent[0] > s->machine.pes)
        return sim_fault_at(s, SIM_FAULT_OPERAND, v->base, "%lld PEs; the machine has %d",
                            (long long)v->extent[0], (int)s->machine.pes);
    w->npe = (int)v->extent[0];
    w->tile_bytes = machine_lane_tile_bytes(&s->machine, w->lanes, bce_is_float(&w->cfg)) +
                    (in->map ? machine_lane_map_bytes(&s->machine) : 0);
    uint64_t groups = (uint64_t)((w->agu.k_total + w->cfg.n - 1) / w->cfg.n);
    if (__builtin_add_overflow(in->wbuf, s->x[in->xw], &offset) || offset < 0 ||
        offset >= (1ll << 40) ||
        __builtin_mul_overflow(groups * (uint64_t)w->npe, (uint64_t)w->tile_bytes, &bytes))
        return sim_fault_at(s, SIM_FAULT_STORE, IMAGE_WBUF_BASE, "weights outside the buffer");
    if (!sim_view_map(s, v, false, &host) ||
        !sim_bytes_map(s, IMAGE_WBUF_BASE + (uint64_t)offset, bytes, true, &w->tiles))
        return false;
    w->agu.host = host;
    w->bytes = bytes;
    s->cost.buffer_write += (int64_t)bytes;
    return true;
}

// The modules take pre_weights a cycle, and one after the other the walks that lane maps take;
// weights that lie in DRAM come no faster than their channel
// brings them.
static int64_t cost_of(const struct sim *s, const struct weights *w, const struct sim_view *v,
                       int64_t elems, int64_t bytes)
{
    int64_t cycles = (elems + s->machine.pre_weights - 1) / s->machine.pre_weights;
    if (w->cfg.regs > 0)
        cycles += (w->agu.k_total + w->cfg.n - 1) / w->cfg.n *
                  ((w->cfg.n + s->machine.pre_walk - 1) / s->machine.pre_walk);
    if (!sim_view_in_dram(v))
        return cycles;
    double channel = (double)bytes * s->machine.clock_ghz / s->machine.dma_weight_gbs;
    int64_t dma = (int64_t)channel;
    dma += ((double)dma < channel) + s->machine.dma_latency;
    return cycles > dma ? cycles : dma;
}

bool sim_exec_WPACK(struct sim *s, const struct isa_args_WPACK *in)
{
    const struct sim_view *v = &s->t[in->ta];
    struct weights w = {.cfg = {.n = (int)s->machine.group, .mode = (int)in->mode},
                        .lanes = (int)in->lanes,
                        .ext = s->machine.ext,
                        .view = v};
    w.cfg.regs = in->map ? (int)s->machine.lanes : 0;
    if (!check_weights(s, in, v) || !map_weights(s, in, v, &w))
        return false;
    int64_t read = s->cost.dram_read, elems = w.npe * w.agu.k_total;
    if (elems == 0)
        return true;
    w.kind = in->mode == ISA_MODE_fixed  ? BCE_ROW_I32
             : in->mode == ISA_MODE_fp32 ? BCE_ROW_F32
                                         : BCE_ROW_F16;
    if (!s->predict && !pack_groups(s, &w))
        return sim_fault_at(s, SIM_FAULT_RANGE, v->base, "a weight does not fit %d lanes", w.lanes);
    sim_count_view(s, v, false);
    first_use_loaded(s->first_use, w.tiles, 0, w.bytes);
    s->cost.cycles = cost_of(s, &w, v, elems, s->cost.dram_read - read);
    return true;
}

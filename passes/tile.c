// tile: how much of a MAC op is in the machine's buffers at a time. mactile.h gives the loop nest
// that the attributes stand for.
//
// Candidates are boxes of positions of which at most two dimensions are cut and all inner ones are
// whole; for each, the largest chunk of K that fits, once with the box of x kept over all of K and
// once without. K is cut only where it must be, and where possible at a multiple of N, so that the
// groups are those of the uncut layer and float sums keep their order; when no such chunk fits, any
// extent is taken. The best candidate takes the fewest cycles: those of the unit that is busy
// longest (array, weight channel, activation channel), and those that nothing overlaps, the first
// load and the last result's way out. x is brought again through halos and, where it is not kept,
// once per tile of channels; weights once, or once per position tile where they are not resident.
// Weights that are packed at run time are never resident.
//
// A fixed-point op may hold its activations instead (attribute `distill`): both ways are tiled,
// with the cycles of a step that were measured (attribute `walks`), and the faster one stays.
#include <string.h>

#include "tiler.h"

enum { CANDIDATES_MAX = 24 };

// Larger tiles, which are fewer instructions, are considered first; a smaller one must save half a
// hundredth of the cycles.
static const double WORTH_A_CUT = 0.995;

static void consider(struct tiler *t, const struct mac_tiling *g)
{
    struct fit f = tiler_fit(t, g);
    if (!f.ok)
        return;
    double cost = tiler_cost(t, g, &f);
    if (t->found && cost >= WORTH_A_CUT * t->best_cost)
        return;
    t->found = true;
    t->best_cost = cost;
    t->best = *g;
    t->best.resident = f.resident;
}

// ---- Chunks of K

static bool chunk_fits(const struct tiler *t, struct mac_tiling *g, int64_t kchunk, bool keep_x)
{
    g->kchunk = kchunk;
    struct fit f = tiler_fit(t, g);
    return f.ok && (f.keeps_x || !keep_x);
}

// The largest multiple of `step` below k0 that fits, 0 for none; then evened out over the chunks.
static int64_t largest_chunk(const struct tiler *t, struct mac_tiling *g, int64_t step, bool keep_x)
{
    int64_t lo = 0, hi = (t->k0 - 1) / step;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo + 1) / 2;
        if (chunk_fits(t, g, mid * step, keep_x))
            lo = mid;
        else
            hi = mid - 1;
    }
    if (lo == 0)
        return 0;
    int64_t chunks = tiler_ceil_div(t->k0, lo * step);
    return tiler_ceil_div(tiler_ceil_div(t->k0, chunks), step) * step;
}

// A chunk, and half of it where only two loads of weights have room: four halves keep the channel
// and the array apart. Fixed-point sums do not depend on where groups end.
static void consider_with_half(struct tiler *t, struct mac_tiling *g, int64_t kchunk)
{
    int64_t step = t->fixed ? 1 : t->k_step,
            half = tiler_ceil_div(tiler_ceil_div(kchunk, 2), step) * step;
    g->kchunk = kchunk;
    consider(t, g);
    if (half >= kchunk || !tiler_fit(t, g).pairs)
        return;
    g->kchunk = half;
    consider(t, g);
}

static void consider_chunks(struct tiler *t, struct mac_tiling *g)
{
    g->kchunk = t->k0;
    struct fit whole = tiler_fit(t, g);
    if (whole.ok) {
        consider_with_half(t, g, t->k0);
        if (whole.keeps_x)
            return;
    }
    for (int keep = 1; keep >= 0; keep--) {
        int64_t kchunk = largest_chunk(t, g, t->k_step, keep != 0);
        if (kchunk == 0 && !t->found)
            kchunk = largest_chunk(t, g, 1, keep != 0);
        if (kchunk > 0)
            consider_with_half(t, g, kchunk);
    }
}

// ---- Candidates

// Extents up to `most` that cut a dimension into equal parts, largest first, each a sixth smaller
// at least, and 1.
static int extents_of(int64_t extent, int64_t most, int64_t *out)
{
    int n = 0;
    for (int64_t e = most < extent ? most : extent; e > 1 && n < CANDIDATES_MAX - 1;) {
        e = tiler_ceil_div(extent, tiler_ceil_div(extent, e)); // as few parts, evened out
        out[n++] = e;
        e -= tiler_ceil_div(e, 6);
    }
    out[n++] = 1;
    return n;
}

// Dimension `a` and an inner one `b` are cut (b = a: only one), those outside a are single, the
// others whole. No tile has more than `most` positions.
static void consider_cuts(struct tiler *t, int a, int b, int64_t most)
{
    int64_t ea[CANDIDATES_MAX], eb[CANDIDATES_MAX] = {0};
    struct mac_tiling g = {.tile = {1, 1, 1, 1, 1}};
    for (int i = a + 1; i < t->np; i++) {
        g.tile[i] = t->extent[i];
        most = i == b ? most : most / t->extent[i];
    }
    int na = extents_of(t->extent[a], most, ea);
    for (int i = 0; i < na; i++) {
        g.tile[a] = ea[i];
        if (b == a) {
            consider_chunks(t, &g);
            continue;
        }
        int nb = extents_of(t->extent[b], most / ea[i], eb);
        for (int j = 0; j < nb; j++)
            if (eb[j] < t->extent[b]) {
                g.tile[b] = eb[j];
                consider_chunks(t, &g);
            }
    }
}

// Positions of which the partial sums fit, twice.
static int64_t most_positions(const struct tiler *t)
{
    int64_t npe = 1;
    for (int c = 0; c < t->num_classes; c++)
        npe = t->classes[c].p->noc > npe ? t->classes[c].p->noc : npe;
    npe = npe < t->demand.pes ? npe : t->demand.pes;
    return t->ctx->machine->psum_buffer / TILER_PSUM_BYTES / 2 / npe;
}

static void search(struct tiler *t)
{
    struct mac_tiling whole = {.tile = {1, 1, 1, 1, 1}, .kchunk = t->k0};
    memcpy(whole.tile, t->extent, (size_t)t->np * sizeof whole.tile[0]);
    struct fit f = tiler_fit(t, &whole);
    int64_t most = most_positions(t);
    if (f.ok && f.keeps_x) { // nothing moves less; smaller tiles begin and end earlier
        int outer = 0;
        while (outer < t->np - 1 && t->extent[outer] == 1)
            outer++;
        consider(t, &whole);
        consider_cuts(t, outer, outer, most);
        return;
    }
    for (int a = 0; a < t->np; a++)
        for (int b = a; b < t->np; b++)
            if ((t->extent[a] > 1 || t->np == 1) && (b == a || t->extent[b] > 1))
                consider_cuts(t, a, b, most);
    if (!t->found) {
        struct mac_tiling single = {.tile = {1, 1, 1, 1, 1}};
        consider_chunks(t, &single);
    }
}

bool tiler_find(struct pass_ctx *ctx, const struct ir_op *op, struct tiler *t)
{
    const struct machine *m = ctx->machine;
    struct mac_plan plan;
    *t = (struct tiler){.ctx = ctx, .op = op};
    if (!mac_plan_make(op, m->group, m->pes, ctx->scratch, ctx->diag, &plan))
        return false;
    if (plan.stationary->type.dtype == DT_LANES)
        return diag_report(
            ctx->diag, op->loc, DIAG_IR_LEVEL,
            "the weights of %%%s are packed already; a new tiling needs the unpacked ones",
            op->out[0]->name);
    enum ir_mode mode = (enum ir_mode)ir_int(op, IR_A_mode, IR_MODE_FP32);
    int lanes = mac_op_lanes(op);
    if (lanes > m->lanes)
        return diag_report(ctx->diag, op->loc, DIAG_MACHINE_LACKS,
                           "%%%s needs %d bit lanes, machine %s has %lld", op->out[0]->name, lanes,
                           m->name, (long long)m->lanes);
    int64_t tile_bytes = (int64_t)machine_lane_tile_bytes(m, lanes, mode != IR_MODE_FIXED);
    mac_demand_of(&plan, m->group, m->pes, tile_bytes, &t->demand);
    t->demand.y_bytes += mac_group_guess(op);
    t->fixed = mode == IR_MODE_FIXED;
    tiler_classify(t, &plan);
    tiler_measure(t);
    t->map = tiler_wants_map(t, mode, lanes, tile_bytes);
    if (t->map)
        t->demand.tile_bytes += (int64_t)machine_lane_map_bytes(m);
    t->step_cycles = tiler_step_cycles(t, lanes, t->map);
    search(t);
    return true;
}

// ---- The operand that the PEs hold

static bool may_hold_activations(const struct pass_ctx *ctx, const struct ir_op *op)
{
    int held = mac_weights_index(op);
    const struct tensor *w = ir_const_data(op->in[held]);
    return w && w->dtype != DT_LANES && !ir_const_data(op->in[1 - held]) &&
           !ir_has_attr(op, IR_A_distill) && mac_can_hold_activations(op) &&
           ir_int(op, IR_A_abits, 0) <= ctx->machine->lanes;
}

static bool choose_held(struct pass_ctx *ctx, struct ir_op *op)
{
    enum pass_distill how = ctx->opt ? ctx->opt->distill : PASS_DISTILL_WEIGHTS;
    struct tiler weights, activations;
    if (how == PASS_DISTILL_WEIGHTS || !may_hold_activations(ctx, op) ||
        (how == PASS_DISTILL_AUTO && !ir_has_attr(op, IR_A_walks)))
        return true;
    int spatial;
    const int64_t *patch = ir_ints(op, IR_A_patch, &spatial);
    if (!tiler_find(ctx, op, &weights))
        return false;
    ir_attr_remove(op, IR_A_patch);
    ir_set_int(op, IR_A_distill, 1);
    if (!tiler_find(ctx, op, &activations))
        return false;
    bool pays = !weights.found || activations.best_cost < WORTH_AN_EXCHANGE * weights.best_cost;
    if (!activations.found || (how == PASS_DISTILL_AUTO && !pays))
        ir_attr_remove(op, IR_A_distill);
    if (patch && !ir_has_attr(op, IR_A_distill))
        ir_set_ints(op, IR_A_patch, patch, spatial);
    return true;
}

static bool report_no_fit(const struct tiler *t)
{
    const struct machine *m = t->ctx->machine;
    struct mac_tiling least = {.tile = {1, 1, 1, 1, 1}, .kchunk = 1};
    struct mac_space s = tiler_space(t, &least);
    return diag_report(t->ctx->diag, t->op->loc, DIAG_TILE_FIT,
                       "%s does not fit machine %s: one position and one index of K, twice each, "
                       "take %lld of %lld bytes "
                       "of the activation buffer, %lld of %lld bytes of the weight buffer, %lld of "
                       "%lld partial sums",
                       ir_op_info[t->op->op].text, m->name, (long long)(2 * (s.x + s.y + s.raw)),
                       (long long)m->act_buffer, (long long)(2 * s.w), (long long)m->weight_buffer,
                       (long long)(2 * s.psum), (long long)(m->psum_buffer / TILER_PSUM_BYTES));
}

static bool tile_op(struct pass_ctx *ctx, struct ir_op *op)
{
    struct tiler t;
    if (!tiler_choose_patch(ctx, op) || !choose_held(ctx, op) || !tiler_find(ctx, op, &t))
        return false;
    if (!t.found)
        return report_no_fit(&t);
    ir_set_ints(op, IR_A_tile, t.best.tile, t.np);
    ir_set_int(op, IR_A_kchunk, t.best.kchunk);
    ir_set_int(op, IR_A_resident, t.best.resident);
    if (t.map || ir_has_attr(op, IR_A_map))
        ir_set_int(op, IR_A_map, t.map);
    return true;
}

bool pass_tile(struct pass_ctx *ctx)
{
    bool ok = true;
    for (struct ir_op *op = ctx->module->main->first; op != NULL; op = op->next)
        if (ir_is_mac(op))
            ok &= tile_op(ctx, op);
    ctx->module->machine = arena_strdup(ctx->module->arena, ctx->machine->name);
    return ok;
}

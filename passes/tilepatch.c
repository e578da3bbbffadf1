// Outputs side by side: PEs that have no channel compute neighbouring positions (MAPPING.md).
#include <math.h>

#include "tiler.h"

enum { PATCHES_TILED = 3 };

struct patch {
    int64_t extent[MAC_MAX_AXES];
    double cost;
};
// What a guess of a patch's cycles is made from.
struct patch_shape {
    int spatial, lanes;
    bool floats;
    const int64_t *strides, *kernel;
    int64_t out[MAC_MAX_AXES], batch, groups, ins, outs;
};

static bool patch_shape_of(const struct pass_ctx *ctx, const struct ir_op *op,
                           struct patch_shape *s)
{
    const struct ir_type *y = &op->out[0]->type;
    const struct tensor *w = ir_const_data(op->in[1]);
    if (!mac_can_patch(op) || !w || w->dtype == DT_LANES || ir_has_attr(op, IR_A_patch) ||
        ir_type_elems(y) == 0 || tensor_elems(w) == 0)
        return false;
    s->spatial = y->rank - 2;
    s->lanes = mac_op_lanes(op);
    s->floats = ir_int(op, IR_A_mode, IR_MODE_FP32) != IR_MODE_FIXED;
    s->strides = ir_ints(op, IR_A_strides, NULL);
    s->kernel = w->dim + 2;
    s->batch = y->dim[0];
    s->groups = ir_int(op, IR_A_group, 1);
    s->ins = w->dim[1];
    s->outs = w->dim[0] / s->groups;
    for (int i = 0; i < s->spatial; i++)
        s->out[i] = y->dim[2 + i];
    return 2 * s->outs <= ctx->machine->pes;
}

// Cycles of the array; negative: not possible.
static double patch_cycles(const struct machine *m, const struct patch_shape *s,
                           const int64_t *patch)
{
    int64_t rows = s->outs, k = s->ins, positions = s->batch, taps = s->ins;
    for (int i = 0; i < s->spatial; i++) {
        rows *= patch[i];
        k *= s->kernel[i] + (patch[i] - 1) * s->strides[i];
        taps *= s->kernel[i];
        positions *= s->out[i] / patch[i];
    }
    int64_t outputs = rows / s->outs, pes = m->pes - m->pes % outputs;
    if (outputs > m->pes || (s->floats && k > m->group))
        return -1;
    int64_t by_k = m->group / k, by_pes = m->pes / rows, share = by_k < by_pes ? by_k : by_pes;
    share = share < 1 ? 1 : share < s->groups ? share : s->groups;
    int64_t groups = tiler_ceil_div(share * k, m->group), tiles = tiler_ceil_div(share * rows, pes);
    bool map = !s->floats && (m->ext & MACHINE_MAP_EXT) != 0;
    double walk =
        (double)positions * tiler_guess_step(m, (double)taps / (double)groups, s->lanes, map);
    double bytes = (double)machine_lane_tile_bytes(m, s->lanes, s->floats) +
                   (map ? (double)machine_lane_map_bytes(m) : 0);
    double load = (double)(share * rows) / (double)tiles * bytes * m->clock_ghz / m->buffer_gbs;
    double step = (double)groups * (walk > load ? walk : load) + load + TILER_STEP_START;
    return (double)tiler_ceil_div(s->groups, share) * (double)tiles * step;
}

static void keep_best(struct patch *best, const struct patch *p)
{
    int i = PATCHES_TILED;
    while (i > 0 && (best[i - 1].cost < 0 || p->cost < best[i - 1].cost)) {
        if (i < PATCHES_TILED)
            best[i] = best[i - 1];
        i--;
    }
    if (i < PATCHES_TILED)
        best[i] = *p;
}

// Patches of the two innermost dimensions that promise the fewest cycles; a negative cost: none.
static void promising_patches(const struct machine *m, const struct patch_shape *s,
                              const int64_t *dilations, struct patch *best)
{
    for (int i = 0; i < PATCHES_TILED; i++)
        best[i].cost = -1;
    int x = s->spatial - 1, y = s->spatial - 2;
    struct patch p = {.extent = {1, 1, 1}};
    int64_t most_x = dilations[x] == 1 ? m->pes : 1,
            most_y = y >= 0 && dilations[y] == 1 ? m->pes : 1;
    for (int64_t b = 1; b <= most_x && b <= s->out[x]; b++)
        for (int64_t a = 1; a * b <= m->pes && a <= most_y && (y < 0 || a <= s->out[y]); a++) {
            if (a * b == 1 || s->out[x] % b != 0 || (y >= 0 && s->out[y] % a != 0))
                continue;
            p.extent[x] = b;
            if (y >= 0)
                p.extent[y] = a;
            p.cost = patch_cycles(m, s, p.extent);
            if (p.cost >= 0)
                keep_best(best, &p);
        }
}

bool tiler_choose_patch(struct pass_ctx *ctx, struct ir_op *op)
{
    struct patch_shape s;
    struct patch candidate[PATCHES_TILED];
    struct tiler t;
    int best = -1;
    enum pass_patches how = ctx->opt ? ctx->opt->patches : PASS_PATCHES_AUTO;
    bool wanted = how == PASS_PATCHES_ON || (how == PASS_PATCHES_AUTO && ctx->machine->ext != 0);
    if (!wanted || !patch_shape_of(ctx, op, &s))
        return true;
    promising_patches(ctx->machine, &s, ir_ints(op, IR_A_dilations, NULL), candidate);
    if (candidate[0].cost < 0)
        return true;
    if (!tiler_find(ctx, op, &t))
        return false;
    double cost = t.found ? WORTH_AN_EXCHANGE * t.best_cost : (double)INFINITY;
    for (int i = 0; i < PATCHES_TILED && candidate[i].cost >= 0; i++) {
        ir_set_ints(op, IR_A_patch, candidate[i].extent, s.spatial);
        if (!tiler_find(ctx, op, &t))
            return false;
        if (t.found && t.best_cost < cost) {
            cost = t.best_cost;
            best = i;
        }
    }
    ir_attr_remove(op, IR_A_patch);
    if (best >= 0)
        ir_set_ints(op, IR_A_patch, candidate[best].extent, s.spatial);
    return true;
}

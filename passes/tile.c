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
#include <math.h>
#include <string.h>

#include "macgroup.h"
#include "pass.h"

enum { CANDIDATES_MAX = 24, TILES_COUNTED = 4096, PSUM_BYTES = 8, STEP_START = 16 };

// Larger tiles, which are fewer instructions, are considered first; a smaller one must save half a
// hundredth of the cycles.
static const double WORTH_A_CUT = 0.995;
// Lane maps make transfers half as long again, which all layers share.
static const double WORTH_A_MAP = 0.9;
// What was measured is a sample, and transfers of rows of activations are short.
static const double WORTH_AN_EXCHANGE = 0.95;

// Problems that differ in nothing that tiling sees.
struct problem_class {
    const struct mac_problem *p;
    int64_t count;
};
struct tiler {
    struct pass_ctx *ctx;
    const struct ir_op *op;
    struct mac_demand demand;
    struct problem_class *classes;
    int num_classes;
    int np;
    int64_t extent[MAC_MAX_DIMS]; // largest over the problems
    int64_t k0;                   // largest extent of k[0]
    bool fixed;                   // point
    int64_t k_step;               // chunks that are multiples of it end with a group
    bool map;                     // lane maps follow the weights
    double step_cycles;           // of the array for one position of one group
    bool found;
    double best_cost;
    struct mac_tiling best;
};
struct fit {
    bool ok, keeps_x, resident;
    bool pairs; // of weights that are not resident only two loads have room
};

static int64_t ceil_div(int64_t a, int64_t b)
{
    return a / b + (a % b != 0);
}

static int64_t gcd64(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

// ---- Problems

static bool same_dims(const struct mac_dim *a, const struct mac_dim *b, int n)
{
    for (int i = 0; i < n; i++)
        if (a[i].extent != b[i].extent || a[i].axis != b[i].axis || a[i].step != b[i].step)
            return false;
    return true;
}

static bool same_class(const struct mac_problem *a, const struct mac_problem *b)
{
    size_t axes = (size_t)a->num_axes * sizeof a->origin[0];
    return a->noc == b->noc && a->nk == b->nk && a->np == b->np && a->num_axes == b->num_axes &&
           memcmp(a->origin, b->origin, axes) == 0 && memcmp(a->limit, b->limit, axes) == 0 &&
           same_dims(a->k, b->k, a->nk) && same_dims(a->p, b->p, a->np);
}

static void classify(struct tiler *t, const struct mac_plan *plan)
{
    t->classes = ARENA_ARRAY(t->ctx->scratch, (size_t)plan->num_problems, struct problem_class);
    for (int i = 0; i < plan->num_problems; i++) {
        int c = t->num_classes - 1;
        while (c >= 0 && !same_class(t->classes[c].p, &plan->problem[i]))
            c--;
        if (c < 0)
            t->classes[c = t->num_classes++].p = &plan->problem[i];
        t->classes[c].count++;
    }
}

static void measure(struct tiler *t)
{
    t->k_step = 1;
    for (int c = 0; c < t->num_classes; c++) {
        const struct mac_problem *p = t->classes[c].p;
        int64_t k0 = p->k[0].extent, inner = k0 > 0 ? mac_extent_k(p) / k0 : 0;
        if (t->np < p->np)
            t->np = p->np;
        for (int i = 0; i < p->np; i++)
            if (t->extent[i] < p->p[i].extent)
                t->extent[i] = p->p[i].extent;
        if (t->k0 < k0)
            t->k0 = k0;
        int64_t step = t->demand.group / gcd64(t->demand.group, inner);
        t->k_step = t->k_step / gcd64(t->k_step, step) * step;
    }
    // An empty result has no problems; its op gets the smallest tile.
    for (; t->np < 1; t->np++)
        t->extent[t->np] = 1;
    if (t->k0 < 1)
        t->k0 = 1;
}

// ---- Fit and cost of one candidate

static struct mac_space space_of(const struct tiler *t, const struct mac_tiling *g)
{
    struct mac_space all = {0}, s;
    for (int c = 0; c < t->num_classes; c++) {
        mac_space_of(t->classes[c].p, g, &t->demand, &s);
        mac_space_max(&all, &s);
    }
    return all;
}

static struct fit fit_of(const struct tiler *t, const struct mac_tiling *g)
{
    const struct machine *m = t->ctx->machine;
    struct mac_space s = space_of(t, g);
    struct fit f = {0};
    f.resident = t->demand.raw_bytes == 0 && s.w_all <= m->weight_buffer / 2;
    f.pairs = t->demand.raw_bytes == 0 && !f.resident && 3 * s.w > m->weight_buffer;
    f.keeps_x = mac_keeps_x(&s, m->act_buffer);
    bool weights = f.resident || s.w <= m->weight_buffer / 2;
    bool activations = f.keeps_x || s.x + s.y + s.raw <= m->act_buffer / 2;
    f.ok = weights && activations && s.psum <= m->psum_buffer / PSUM_BYTES / 2;
    return f;
}

// Coordinates along its axis that all tiles of position dimension i load together.
static double loaded_along(const struct mac_problem *p, int i, int64_t tile)
{
    const struct mac_dim *d = &p->p[i];
    struct mac_problem one = {.noc = 1, .num_axes = p->num_axes, .np = 1, .p = {*d}};
    memcpy(one.origin, p->origin, sizeof one.origin);
    memcpy(one.limit, p->limit, sizeof one.limit);
    one.k[one.nk++] = (struct mac_dim){.extent = 1, .axis = -1};
    for (int k = 0; k < p->nk; k++)
        if (p->k[k].axis == d->axis)
            one.k[one.nk++] = p->k[k];
    int64_t n = mac_tile_count(&one, &tile);
    if (n > TILES_COUNTED)
        return (double)n * (double)mac_box_max_elems(&one, &tile, 1);
    double sum = 0;
    for (int64_t j = 0; j < n; j++) {
        struct mac_tile part;
        struct mac_box box;
        mac_tile_at(&one, &tile, j, &part);
        mac_box_make(&one, &part, &part, &box);
        sum += (double)box.elems;
    }
    return sum;
}

// Elements of x that all position tiles of a problem load, over all of K. Every axis is moved by
// one position dimension, so the sum over tiles is a product of sums over the tiles of each
// dimension.
static double loaded_elems(const struct mac_problem *p, const int64_t *tile)
{
    double elems = 1;
    for (int i = 0; i < p->nk; i++)
        if (p->k[i].axis < 0)
            elems *= (double)p->k[i].extent;
    for (int i = 0; i < p->np; i++)
        elems *= p->p[i].axis < 0 ? (double)p->p[i].extent : loaded_along(p, i, tile[i]);
    return elems;
}

// Busy cycles of the units that a MAC op needs, and what no overlap hides: the first load and the
// last result's way out. With room for two loads of weights only, a load overlaps with one step and
// no other: `pairs`.
struct unit_cycles {
    double array, weights, activations, packing, pairs, ends;
};

// Groups of K of one output channel; chunks that are no multiples of N make more.
static int64_t groups_of(const struct tiler *t, const struct mac_problem *p, int64_t kchunk)
{
    int64_t last = mac_chunks(p, kchunk) - 1, n = t->demand.group;
    return last * mac_chunk_groups(p, kchunk, 0, n) + mac_chunk_groups(p, kchunk, last, n);
}

// Steps of one position tile, each as long as its array or its load of weights takes; `into` and
// `walk`: of the array for a step and for a group.
static double paired(const struct tiler *t, const struct mac_problem *p, const struct mac_tiling *g,
                     double into, double walk)
{
    const struct machine *m = t->ctx->machine;
    int64_t chunks = mac_chunks(p, g->kchunk), pes = t->demand.pes, part = p->noc % pes;
    double sum = 0, weight = m->dma_weight_gbs / m->clock_ghz;
    for (int last = 0; last < 2; last++) {
        int64_t num = last ? 1 : chunks - 1;
        int64_t groups = mac_chunk_groups(p, g->kchunk, last ? chunks - 1 : 0, t->demand.group);
        double array = into + (double)groups * walk;
        double load = (double)(groups * t->demand.tile_bytes) / weight;
        double whole = load * (double)pes + (double)m->dma_latency,
               rest = load * (double)part + (double)m->dma_latency;
        sum += (double)(num * (p->noc / pes)) * (whole > array ? whole : array);
        if (part > 0)
            sum += (double)num * (rest > array ? rest : array);
    }
    return sum;
}

// Of the preprocessing modules, for one group of the PEs.
static double packing_cycles(const struct tiler *t, const struct mac_problem *p, bool map)
{
    const struct machine *m = t->ctx->machine;
    int64_t npe = p->noc < m->pes ? p->noc : m->pes;
    double cycles = (double)(npe * m->group) / (double)m->pre_weights;
    return map ? cycles + (double)ceil_div(m->group, m->pre_walk) : cycles;
}

// Transfers that bring the rows of a tile of PEs: pieces of lines of positions.
static double row_transfers(const struct tiler *t, const struct mac_problem *p)
{
    if (!p->held)
        return 1;
    int64_t line = p->held->p[p->held->np - 1].extent, pes = t->demand.pes;
    return p->held->np == 1 ? 1 : line % pes == 0 || pes % line == 0 ? 1 : line > pes ? 2 : 3;
}

static void add_cycles(const struct tiler *t, const struct problem_class *class,
                       const struct mac_tiling *g, const struct fit *f, struct unit_cycles *u)
{
    const struct machine *m = t->ctx->machine;
    const struct mac_problem *p = class->p;
    double count = (double)class->count, act = m->dma_act_gbs / m->clock_ghz,
           weight = m->dma_weight_gbs / m->clock_ghz, latency = (double)m->dma_latency;
    double tiles = (double)mac_tile_count(p, g->tile), chunks = (double)mac_chunks(p, g->kchunk),
           oc_tiles = (double)ceil_div(p->noc, t->demand.pes), steps = tiles * oc_tiles * chunks;
    double positions = (double)mac_extent_p(p), k = (double)mac_extent_k(p);
    double groups = (double)groups_of(t, p, g->kchunk);
    double x = loaded_elems(p, g->tile) * (double)t->demand.x_bytes * (f->keeps_x ? 1 : oc_tiles);
    double raw = (double)p->noc * k * (double)t->demand.raw_bytes,
           lanes = raw > 0 ? 0 : (double)mac_lanes_bytes(p, g->kchunk, &t->demand);
    // What a step needs is what the one before it left, or it is brought again for every tile.
    double times = f->resident || oc_tiles * chunks == 1 ? 1 : tiles;
    double y = positions * (double)p->noc * (double)t->demand.y_bytes;
    double into_pes = (double)(t->demand.pes * t->demand.tile_bytes) * m->clock_ghz / m->buffer_gbs;
    double walk = positions / tiles * t->step_cycles;
    // Extension P hides a step's first tiles behind the last group of the step before.
    double hidden = !(m->ext & MACHINE_EXT_P) ? 0 : walk < into_pes ? walk : into_pes;
    double per_group = walk > into_pes ? walk : into_pes, start = into_pes - hidden + STEP_START;
    u->array += count * (tiles * oc_tiles * groups * per_group + steps * start);
    if (f->pairs)
        u->pairs += count * tiles * paired(t, p, g, start, per_group);
    double loads = raw > 0 ? 0 : f->resident ? 1 : oc_tiles * chunks;
    u->weights += count * times * (lanes / weight + loads * latency);
    if (raw > 0) {
        double packing = packing_cycles(t, p, t->map), first = groups / chunks;
        u->packing += count * times * oc_tiles * groups * packing;
        u->activations += count * steps * row_transfers(t, p) * latency;
        u->ends += first * packing + latency +
                   first * (double)(t->demand.pes * t->demand.group * t->demand.raw_bytes) / act;
    }
    u->activations += count * ((x + raw * times + y) / act +
                               latency * (f->keeps_x ? tiles : steps) + latency * tiles * oc_tiles);
}

static double cost_of(const struct tiler *t, const struct mac_tiling *g, const struct fit *f)
{
    const struct machine *m = t->ctx->machine;
    struct unit_cycles u = {0};
    struct mac_space s = space_of(t, g);
    double act = m->dma_act_gbs / m->clock_ghz;
    for (int c = 0; c < t->num_classes; c++)
        add_cycles(t, &t->classes[c], g, f, &u);
    u.ends /= t->num_classes > 0 ? t->num_classes : 1;
    u.ends += ((double)(f->keeps_x ? s.x_whole : s.x) + (double)s.y) / act +
              2 * (double)m->dma_latency + (double)s.psum / (double)m->packers;
    double most = u.array > u.weights ? u.array : u.weights;
    most = most > u.activations ? most : u.activations;
    most = most > u.pairs ? most : u.pairs;
    most = most > u.packing ? most : u.packing;
    // Of equals, what moves less.
    return most + u.ends + 1e-3 * (u.weights + u.activations);
}

static void consider(struct tiler *t, const struct mac_tiling *g)
{
    struct fit f = fit_of(t, g);
    if (!f.ok)
        return;
    double cost = cost_of(t, g, &f);
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
    struct fit f = fit_of(t, g);
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
    int64_t chunks = ceil_div(t->k0, lo * step);
    return ceil_div(ceil_div(t->k0, chunks), step) * step;
}

// A chunk, and half of it where only two loads of weights have room: four halves keep the channel
// and the array apart. Fixed-point sums do not depend on where groups end.
static void consider_with_half(struct tiler *t, struct mac_tiling *g, int64_t kchunk)
{
    int64_t step = t->fixed ? 1 : t->k_step, half = ceil_div(ceil_div(kchunk, 2), step) * step;
    g->kchunk = kchunk;
    consider(t, g);
    if (half >= kchunk || !fit_of(t, g).pairs)
        return;
    g->kchunk = half;
    consider(t, g);
}

static void consider_chunks(struct tiler *t, struct mac_tiling *g)
{
    g->kchunk = t->k0;
    struct fit whole = fit_of(t, g);
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
        e = ceil_div(extent, ceil_div(extent, e)); // as few parts, evened out
        out[n++] = e;
        e -= ceil_div(e, 6);
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
    return t->ctx->machine->psum_buffer / PSUM_BYTES / 2 / npe;
}

static void search(struct tiler *t)
{
    struct mac_tiling whole = {.tile = {1, 1, 1, 1, 1}, .kchunk = t->k0};
    memcpy(whole.tile, t->extent, (size_t)t->np * sizeof whole.tile[0]);
    struct fit f = fit_of(t, &whole);
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

// ---- The pass

static bool report_no_fit(const struct tiler *t)
{
    const struct machine *m = t->ctx->machine;
    struct mac_tiling least = {.tile = {1, 1, 1, 1, 1}, .kchunk = 1};
    struct mac_space s = space_of(t, &least);
    return diag_report(t->ctx->diag, t->op->loc, DIAG_TILE_FIT,
                       "%s does not fit machine %s: one position and one index of K, twice each, "
                       "take %lld of %lld bytes "
                       "of the activation buffer, %lld of %lld bytes of the weight buffer, %lld of "
                       "%lld partial sums",
                       ir_op_info[t->op->op].text, m->name, (long long)(2 * (s.x + s.y + s.raw)),
                       (long long)m->act_buffer, (long long)(2 * s.w), (long long)m->weight_buffer,
                       (long long)(2 * s.psum), (long long)(m->psum_buffer / PSUM_BYTES));
}

// ---- Lane maps

// Cycles of a step whose PEs have `valid` weights of a group each. Weights of trained layers fill
// six tenths of a walked lane at most, and a third of all bits; between the few bits of a lane the
// walk skips a window a cycle. With extension P the activations must have entered.
static double guessed_step(const struct machine *m, double valid, int lanes, bool map)
{
    double n = (double)m->group, skip = n / (double)m->window + 0.5 * valid;
    bool cut = map && (m->ext & MACHINE_EXT_G);
    double walk = cut ? valid * lanes / 3 / (double)m->lanes : map ? 0.5 * valid : 0.6 * n;
    if (!map && skip < walk)
        walk = skip;
    double enter = n / (double)m->beat;
    if (!(m->ext & MACHINE_EXT_P))
        return walk + 10;
    return walk > enter ? walk : enter;
}

// Valid weights that a row of a problem has in a group, in the mean.
static double valid_in_group(const struct tiler *t, const struct mac_problem *p)
{
    double valid = (double)mac_extent_k(p) / (double)p->diag;
    for (int i = 0; i < p->num_axes && p->patch > 1; i++)
        valid *= (double)p->place[i].taps /
                 (double)(p->place[i].taps + (p->place[i].extent - 1) * p->place[i].shift);
    return valid / (double)ceil_div(mac_extent_k(p), t->demand.group);
}

// Cycles of the array for one position of one group.
static double step_cycles(const struct tiler *t, int lanes, bool map)
{
    const struct machine *m = t->ctx->machine;
    const struct ir_attr *walks = ir_attr_find(t->op, IR_A_walks);
    if (walks && !ir_has_attr(t->op, IR_A_patch))
        return walks->fs[2 * ir_int(t->op, IR_A_distill, 0) + map] +
               (m->ext & MACHINE_EXT_P ? 0 : 10);
    const struct mac_problem *p = t->num_classes > 0 ? t->classes[0].p : NULL;
    bool few = p && mac_extent_k(p) > 0 && (p->patch > 1 || p->diag > 1);
    return guessed_step(m, few ? valid_in_group(t, p) : (double)m->group, lanes, map);
}

// Of the array and of what brings or packs the weights for one group of weights, all positions of a
// problem.
static double group_cycles(const struct tiler *t, const struct mac_problem *p, int lanes,
                           int64_t tile_bytes, bool map)
{
    const struct machine *m = t->ctx->machine;
    double positions = 1;
    for (int i = 0; i < p->np; i++)
        positions *= (double)p->p[i].extent;
    double array = positions * step_cycles(t, lanes, map);
    double channel = (double)(t->demand.pes * tile_bytes) * m->clock_ghz / m->dma_weight_gbs;
    if (t->demand.raw_bytes > 0)
        channel = packing_cycles(t, p, map);
    return array > channel ? array : channel;
}

// Maps shorten the walks and lengthen the tiles: they pay where a tile serves enough positions.
static bool wants_map(const struct tiler *t, enum ir_mode mode, int lanes, int64_t plain)
{
    const struct machine *m = t->ctx->machine;
    if (mode != IR_MODE_FIXED || !(m->ext & MACHINE_MAP_EXT))
        return false;
    double with = 0, without = 0;
    int64_t mapped = plain + (int64_t)machine_lane_map_bytes(m);
    for (int c = 0; c < t->num_classes; c++) {
        const struct mac_problem *p = t->classes[c].p;
        double weight = (double)t->classes[c].count * (double)mac_extent_k(p) * (double)p->noc;
        with += weight * group_cycles(t, p, lanes, mapped, true);
        without += weight * group_cycles(t, p, lanes, plain, false);
    }
    return with < WORTH_A_MAP * without;
}

// The best tiling of the op as its attributes stand; t->found: whether there is one.
static bool find_tiling(struct pass_ctx *ctx, const struct ir_op *op, struct tiler *t)
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
    classify(t, &plan);
    measure(t);
    t->map = wants_map(t, mode, lanes, tile_bytes);
    if (t->map)
        t->demand.tile_bytes += (int64_t)machine_lane_map_bytes(m);
    t->step_cycles = step_cycles(t, lanes, t->map);
    search(t);
    return true;
}

// ---- Outputs side by side

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
    int64_t groups = ceil_div(share * k, m->group), tiles = ceil_div(share * rows, pes);
    bool map = !s->floats && (m->ext & MACHINE_MAP_EXT) != 0;
    double walk = (double)positions * guessed_step(m, (double)taps / (double)groups, s->lanes, map);
    double bytes = (double)machine_lane_tile_bytes(m, s->lanes, s->floats) +
                   (map ? (double)machine_lane_map_bytes(m) : 0);
    double load = (double)(share * rows) / (double)tiles * bytes * m->clock_ghz / m->buffer_gbs;
    double step = (double)groups * (walk > load ? walk : load) + load + STEP_START;
    return (double)ceil_div(s->groups, share) * (double)tiles * step;
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

// PEs that have no channel compute neighbouring positions, where that pays.
static bool choose_patch(struct pass_ctx *ctx, struct ir_op *op)
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
    if (!find_tiling(ctx, op, &t))
        return false;
    double cost = t.found ? WORTH_AN_EXCHANGE * t.best_cost : (double)INFINITY;
    for (int i = 0; i < PATCHES_TILED && candidate[i].cost >= 0; i++) {
        ir_set_ints(op, IR_A_patch, candidate[i].extent, s.spatial);
        if (!find_tiling(ctx, op, &t))
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
    if (!find_tiling(ctx, op, &weights))
        return false;
    ir_attr_remove(op, IR_A_patch);
    ir_set_int(op, IR_A_distill, 1);
    if (!find_tiling(ctx, op, &activations))
        return false;
    bool pays = !weights.found || activations.best_cost < WORTH_AN_EXCHANGE * weights.best_cost;
    if (!activations.found || (how == PASS_DISTILL_AUTO && !pays))
        ir_attr_remove(op, IR_A_distill);
    if (patch && !ir_has_attr(op, IR_A_distill))
        ir_set_ints(op, IR_A_patch, patch, spatial);
    return true;
}

static bool tile_op(struct pass_ctx *ctx, struct ir_op *op)
{
    struct tiler t;
    if (!choose_patch(ctx, op) || !choose_held(ctx, op) || !find_tiling(ctx, op, &t))
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

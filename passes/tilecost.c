// What a tiling takes: whether it fits the buffers, and the cycles of every unit.
#include <string.h>

#include "tiler.h"

enum { TILES_COUNTED = 4096 };

// Lane maps make transfers half as long again, which all layers share.
static const double WORTH_A_MAP = 0.9;

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

void tiler_classify(struct tiler *t, const struct mac_plan *plan)
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

void tiler_measure(struct tiler *t)
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
        int64_t step = t->demand.group / mac_gcd(t->demand.group, inner);
        t->k_step = t->k_step / mac_gcd(t->k_step, step) * step;
    }
    // An empty result has no problems; its op gets the smallest tile.
    for (; t->np < 1; t->np++)
        t->extent[t->np] = 1;
    if (t->k0 < 1)
        t->k0 = 1;
}

// ---- Fit and cost of one candidate

struct mac_space tiler_space(const struct tiler *t, const struct mac_tiling *g)
{
    struct mac_space all = {0}, s;
    for (int c = 0; c < t->num_classes; c++) {
        mac_space_of(t->classes[c].p, g, &t->demand, &s);
        mac_space_max(&all, &s);
    }
    return all;
}

struct fit tiler_fit(const struct tiler *t, const struct mac_tiling *g)
{
    const struct machine *m = t->ctx->machine;
    struct mac_space s = tiler_space(t, g);
    struct fit f = {0};
    f.resident = t->demand.raw_bytes == 0 && s.w_all <= m->weight_buffer / 2;
    f.pairs = t->demand.raw_bytes == 0 && !f.resident && 3 * s.w > m->weight_buffer;
    f.keeps_x = mac_keeps_x(&s, m->act_buffer);
    bool weights = f.resident || s.w <= m->weight_buffer / 2;
    bool activations = f.keeps_x || s.x + s.y + s.raw <= m->act_buffer / 2;
    f.ok = weights && activations && s.psum <= m->psum_buffer / TILER_PSUM_BYTES / 2;
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
    return map ? cycles + (double)tiler_ceil_div(m->group, m->pre_walk) : cycles;
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
           oc_tiles = (double)tiler_ceil_div(p->noc, t->demand.pes),
           steps = tiles * oc_tiles * chunks;
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
    double per_group = walk > into_pes ? walk : into_pes,
           start = into_pes - hidden + TILER_STEP_START;
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

double tiler_cost(const struct tiler *t, const struct mac_tiling *g, const struct fit *f)
{
    const struct machine *m = t->ctx->machine;
    struct unit_cycles u = {0};
    struct mac_space s = tiler_space(t, g);
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

// ---- Lane maps

// Cycles of a step whose PEs have `valid` weights of a group each. Weights of trained layers fill
// six tenths of a walked lane at most, and a third of all bits; between the few bits of a lane the
// walk skips a window a cycle. With extension P the activations must have entered.
double tiler_guess_step(const struct machine *m, double valid, int lanes, bool map)
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
    return valid / (double)tiler_ceil_div(mac_extent_k(p), t->demand.group);
}

// Cycles of the array for one position of one group.
double tiler_step_cycles(const struct tiler *t, int lanes, bool map)
{
    const struct machine *m = t->ctx->machine;
    const struct ir_attr *walks = ir_attr_find(t->op, IR_A_walks);
    if (walks && !ir_has_attr(t->op, IR_A_patch))
        return walks->fs[2 * ir_int(t->op, IR_A_distill, 0) + map] +
               (m->ext & MACHINE_EXT_P ? 0 : 10);
    const struct mac_problem *p = t->num_classes > 0 ? t->classes[0].p : NULL;
    bool few = p && mac_extent_k(p) > 0 && (p->patch > 1 || p->diag > 1);
    return tiler_guess_step(m, few ? valid_in_group(t, p) : (double)m->group, lanes, map);
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
    double array = positions * tiler_step_cycles(t, lanes, map);
    double channel = (double)(t->demand.pes * tile_bytes) * m->clock_ghz / m->dma_weight_gbs;
    if (t->demand.raw_bytes > 0)
        channel = packing_cycles(t, p, map);
    return array > channel ? array : channel;
}

// Maps shorten the walks and lengthen the tiles: they pay where a tile serves enough positions.
bool tiler_wants_map(const struct tiler *t, enum ir_mode mode, int lanes, int64_t plain)
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

// Tensor views: which elements lie inside the borders, and which bytes of the machine they can
// touch.
//
// The hull of a view is found without walking it. A dimension contributes index * stride;
// dimensions on one axis share a coordinate that must stay in [0, limit). Each dimension's index
// range is clipped to those indices for which some choice of the axis' other indices is inside;
// where all strides of an axis are one multiple of the steps, the offset is a function of the
// coordinate, and the clipped coordinate range bounds it more tightly (convolution windows). Both
// bounds hold, so the hull is their intersection: never too small, exact for windows over a dense
// tensor.
#include <stdlib.h>
#include <string.h>

#include "state.h"

#define MAX_OFFSET (1ll << 44)
#define MAX_COORDINATE (1ll << 60)

enum hull_status { HULL_OK, HULL_EMPTY, HULL_NEGATIVE, HULL_ELEMS, HULL_OFFSET, HULL_COORDINATE };

struct range { // [lo, hi]
    int64_t lo, hi;
};
struct hull {
    struct range offset; // elements, relative to base, of the last byte's element at hi
    struct range index[ISA_MAX_RANK]; // indices that can be inside
    struct range coord[ISA_MAX_AXES]; // unclipped
    int64_t elems;
};

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return -floor_div(-a, b);
}

static enum hull_status count_elems(const struct sim_view *v, int64_t *out)
{
    int64_t n = 1;
    bool empty = false;
    for (int d = 0; d < v->rank; d++) {
        if (v->extent[d] < 0)
            return HULL_NEGATIVE;
        empty = empty || v->extent[d] == 0;
    }
    *out = 0;
    if (empty)
        return HULL_EMPTY;
    for (int d = 0; d < v->rank; d++)
        if (__builtin_mul_overflow(n, v->extent[d], &n) || n > SIM_MAX_ELEMS)
            return HULL_ELEMS;
    *out = n;
    return HULL_OK;
}

// Adds the range of index * scale, index in [lo, hi], to r. False when it leaves +-bound.
static bool add_scaled(struct range *r, struct range index, int64_t scale, int64_t bound)
{
    int64_t a, b;
    if (__builtin_mul_overflow(index.lo, scale, &a) || __builtin_mul_overflow(index.hi, scale, &b))
        return false;
    if (a > b) {
        int64_t swap = a;
        a = b;
        b = swap;
    }
    return !__builtin_add_overflow(r->lo, a, &r->lo) && !__builtin_add_overflow(r->hi, b, &r->hi) &&
           r->lo >= -bound && r->hi <= bound;
}

// Offsets that there would be without axes.
static enum hull_status bound_offsets(const struct sim_view *v, struct range *all)
{
    int64_t max_elems = MAX_OFFSET / (int64_t)dtype_bytes(v->dtype);
    for (int d = 0; d < v->rank; d++)
        if (!add_scaled(all, (struct range){0, v->extent[d] - 1}, v->stride[d], max_elems))
            return HULL_OFFSET;
    return HULL_OK;
}

static enum hull_status bound_unclipped(const struct sim_view *v, struct hull *h)
{
    struct range all = {0, 0};
    enum hull_status st = bound_offsets(v, &all);
    if (st != HULL_OK)
        return st;
    for (int a = 0; a < ISA_MAX_AXES; a++)
        h->coord[a] = (struct range){v->origin[a], v->origin[a]};
    for (int d = 0; d < v->rank; d++) {
        h->index[d] = (struct range){0, v->extent[d] - 1};
        int a = v->axis[d];
        if (a >= 0 && (v->origin[a] < -MAX_COORDINATE || v->origin[a] > MAX_COORDINATE ||
                       !add_scaled(&h->coord[a], h->index[d], v->step[d], MAX_COORDINATE)))
            return HULL_COORDINATE;
    }
    return HULL_OK;
}

// Clips the index range of dimension d; false when no index can be inside.
static bool clip_index(const struct sim_view *v, struct hull *h, int d)
{
    int a = v->axis[d];
    int64_t step = v->step[d];
    struct range own = {0, 0};
    if (!add_scaled(&own, h->index[d], step, INT64_MAX))
        return false;
    int64_t lo = -(h->coord[a].hi - own.hi);
    int64_t hi = v->limit[a] > 2 * MAX_COORDINATE ? 4 * MAX_COORDINATE
                                                  : v->limit[a] - 1 - (h->coord[a].lo - own.lo);
    if (step == 0)
        return lo <= 0 && 0 <= hi;
    int64_t first = step > 0 ? ceil_div(lo, step) : ceil_div(hi, step);
    int64_t last = step > 0 ? floor_div(hi, step) : floor_div(lo, step);
    if (first > h->index[d].lo)
        h->index[d].lo = first;
    if (last < h->index[d].hi)
        h->index[d].hi = last;
    return h->index[d].lo <= h->index[d].hi;
}

// The one factor between strides and steps of an axis' dimensions, if there is one.
static bool axis_pitch(const struct sim_view *v, int a, int64_t *pitch)
{
    bool have = false;
    for (int d = 0; d < v->rank; d++) {
        if (v->axis[d] != a || v->extent[d] == 1)
            continue;
        int64_t step = v->step[d];
        if (step == 0 ? v->stride[d] != 0 : step == -1 ? false : v->stride[d] % step != 0)
            return false;
        if (step == 0)
            continue;
        int64_t p = step == -1 ? -v->stride[d] : v->stride[d] / step;
        if (have && p != *pitch)
            return false;
        *pitch = p;
        have = true;
    }
    return have;
}

// Offsets that the dimensions of one axis can reach inside.
static struct range axis_offsets(const struct sim_view *v, const struct hull *h, int a)
{
    struct range r = {0, 0};
    for (int d = 0; d < v->rank; d++)
        if (v->axis[d] == a && !add_scaled(&r, h->index[d], v->stride[d], MAX_OFFSET))
            bitlet_bug("clipped offsets exceed unclipped ones");
    int64_t pitch = 0;
    if (!axis_pitch(v, a, &pitch))
        return r;
    struct range c = h->coord[a], by_coord = {0, 0};
    c.lo = (c.lo < 0 ? 0 : c.lo) - v->origin[a];
    c.hi = (c.hi > v->limit[a] - 1 ? v->limit[a] - 1 : c.hi) - v->origin[a];
    if (!add_scaled(&by_coord, c, pitch, INT64_MAX))
        return r;
    r.lo = by_coord.lo > r.lo ? by_coord.lo : r.lo;
    r.hi = by_coord.hi < r.hi ? by_coord.hi : r.hi;
    return r;
}

static bool axis_used(const struct sim_view *v, int a)
{
    for (int d = 0; d < v->rank; d++)
        if (v->axis[d] == a)
            return true;
    return false;
}

bool sim_view_has_axes(const struct sim_view *v)
{
    bool has = false;
    for (int d = 0; d < v->rank; d++)
        has |= v->axis[d] >= 0;
    return has;
}

static enum hull_status view_hull(const struct sim_view *v, struct hull *h)
{
    h->offset = (struct range){0, 0};
    enum hull_status st = count_elems(v, &h->elems);
    if (st != HULL_OK)
        return st;
    if (!sim_view_has_axes(v))
        return bound_offsets(v, &h->offset);
    st = bound_unclipped(v, h);
    if (st != HULL_OK)
        return st;
    for (int a = 0; a < ISA_MAX_AXES; a++)
        if (axis_used(v, a) &&
            (v->limit[a] <= 0 || h->coord[a].hi < 0 || h->coord[a].lo >= v->limit[a]))
            return HULL_EMPTY;
    for (int d = 0; d < v->rank; d++)
        if (v->axis[d] >= 0 ? !clip_index(v, h, d) : false)
            return HULL_EMPTY;
    for (int d = 0; d < v->rank; d++)
        if (v->axis[d] < 0 && !add_scaled(&h->offset, h->index[d], v->stride[d], MAX_OFFSET))
            bitlet_bug("offsets exceed their bound");
    for (int a = 0; a < ISA_MAX_AXES; a++) {
        struct range r = axis_offsets(v, h, a);
        if (r.lo > r.hi)
            return HULL_EMPTY;
        h->offset.lo += r.lo;
        h->offset.hi += r.hi;
    }
    return HULL_OK;
}

static uint64_t hull_first(const struct sim_view *v, const struct hull *h)
{
    return v->base + (uint64_t)(h->offset.lo * (int64_t)dtype_bytes(v->dtype));
}

static uint64_t hull_bytes(const struct sim_view *v, const struct hull *h)
{
    return (uint64_t)(h->offset.hi - h->offset.lo + 1) * dtype_bytes(v->dtype);
}

// ---- Checks
// ------------------------------------------------------------------------------------------

static bool refuse(struct sim *s, const struct sim_view *v, enum hull_status st)
{
    static const char *const why[] = {
        [HULL_NEGATIVE] = "an extent is negative",
        [HULL_ELEMS] = "it has more than 2^40 elements",
        [HULL_OFFSET] = "offsets of 2^44 bytes or more from its base",
        [HULL_COORDINATE] = "coordinates of 2^60 or more",
    };
    return sim_fault_at(s, SIM_FAULT_VIEW, v->base, "a view is malformed: %s", why[st]);
}

// Elements that some unit can handle in a cycle; a bound on cycles is a bound on elements.
static double elems_per_cycle(const struct machine *m)
{
    double best = (double)m->vector_lanes;
    if ((double)m->group > best)
        best = (double)m->group;
    double dma = m->dma_act_gbs > m->dma_weight_gbs ? m->dma_act_gbs : m->dma_weight_gbs;
    return dma / m->clock_ghz > best ? dma / m->clock_ghz : best;
}

static bool within_limit(struct sim *s, const struct sim_view *v, int64_t elems)
{
    if (s->opt.max_cycles == 0 ||
        (double)elems <= ((double)s->opt.max_cycles + 1.0) * elems_per_cycle(&s->machine))
        return true;
    return sim_fault_at(s, SIM_FAULT_LIMIT, v->base, "%lld elements take more than %lld cycles",
                        (long long)elems, (long long)s->opt.max_cycles);
}

bool sim_view_elems(struct sim *s, const struct sim_view *v, int64_t *out)
{
    enum hull_status st = count_elems(v, out);
    if (st != HULL_OK && st != HULL_EMPTY)
        return refuse(s, v, st);
    return within_limit(s, v, *out);
}

bool sim_view_map(struct sim *s, const struct sim_view *v, bool write, uint8_t **host)
{
    struct hull h;
    enum hull_status st = view_hull(v, &h);
    *host = NULL;
    if (st != HULL_OK && st != HULL_EMPTY)
        return refuse(s, v, st);
    if (!within_limit(s, v, h.elems))
        return false;
    if (st == HULL_EMPTY)
        return true;
    if (v->base % dtype_bytes(v->dtype) != 0)
        return sim_fault_at(s, SIM_FAULT_VIEW, v->base, "a view of %s is misaligned",
                            dtype_text(v->dtype));
    uint8_t *first;
    if (!sim_bytes_map(s, hull_first(v, &h), hull_bytes(v, &h), write, &first))
        return false;
    // Through integers: the address of offset 0 may lie outside the region's memory.
    uintptr_t back = (uintptr_t)(h.offset.lo * (int64_t)dtype_bytes(v->dtype));
    *host = (uint8_t *)((uintptr_t)first - back);
    return true;
}

enum sim_region_id sim_view_region(const struct sim_view *v)
{
    struct hull h;
    if (view_hull(v, &h) != HULL_OK)
        return SIM_REGION_NUM;
    uint64_t space = hull_first(v, &h) / IMAGE_SPACE_BYTES;
    return space >= 1 && space <= SIM_REGION_NUM ? (enum sim_region_id)(space - 1) : SIM_REGION_NUM;
}

bool sim_view_in_dram(const struct sim_view *v)
{
    return sim_view_region(v) <= SIM_REGION_HEAP;
}

// ---- Counting
// ----------------------------------------------------------------------------------------

// Indices i of a dimension with origin + i * step in [0, limit).
static int64_t count_on_axis(int64_t origin, int64_t step, int64_t extent, int64_t limit)
{
    if (step == 0)
        return origin >= 0 && origin < limit ? extent : 0;
    int64_t lo = step > 0 ? ceil_div(-origin, step) : ceil_div(limit - 1 - origin, step);
    int64_t hi = step > 0 ? floor_div(limit - 1 - origin, step) : floor_div(-origin, step);
    lo = lo < 0 ? 0 : lo;
    hi = hi > extent - 1 ? extent - 1 : hi;
    return hi >= lo ? hi - lo + 1 : 0;
}

// Index combinations of an axis' dimensions that are inside: the longest dimension in closed form,
// the others by enumeration as long as that is cheap, else as if they were independent.
// skip_repeats: stride 0 counts once.
#define MAX_ENUMERATION 65536

struct axis_dims {
    int num;
    int64_t extent[ISA_MAX_RANK], step[ISA_MAX_RANK];
};

static struct axis_dims dims_on_axis(const struct sim_view *v, int a, bool skip_repeats)
{
    struct axis_dims x = {0};
    for (int d = 0; d < v->rank; d++) {
        if (v->axis[d] != a || (skip_repeats && v->stride[d] == 0 && v->step[d] == 0))
            continue;
        int at = x.num++;
        x.extent[at] = v->extent[d];
        x.step[at] = v->step[d];
        if (at > 0 && x.extent[at] > x.extent[0]) { // keep the longest first
            int64_t e = x.extent[0], t = x.step[0];
            x.extent[0] = x.extent[at];
            x.step[0] = x.step[at];
            x.extent[at] = e;
            x.step[at] = t;
        }
    }
    return x;
}

static int64_t count_axis(const struct sim_view *v, int a, bool skip_repeats)
{
    struct axis_dims x = dims_on_axis(v, a, skip_repeats);
    int64_t combos = 1, total = 0;
    int64_t limit = v->limit[a] > 2 * MAX_COORDINATE ? 2 * MAX_COORDINATE : v->limit[a];
    if (x.num == 0)
        return 1;
    for (int i = 1; i < x.num; i++)
        combos *= x.extent[i];
    if (combos > MAX_ENUMERATION)
        return combos * count_on_axis(v->origin[a], x.step[0], x.extent[0], limit);
    for (int64_t c = 0; c < combos; c++) {
        int64_t coord = v->origin[a], rest = c;
        for (int i = 1; i < x.num; i++) {
            coord += rest % x.extent[i] * x.step[i];
            rest /= x.extent[i];
        }
        total += count_on_axis(coord, x.step[0], x.extent[0], limit);
    }
    return total;
}

static int64_t count_inside(const struct sim_view *v, bool skip_repeats)
{
    int64_t n = 1;
    for (int d = 0; d < v->rank; d++)
        if (v->axis[d] < 0 && !(skip_repeats && v->stride[d] == 0))
            n *= v->extent[d];
    bool any = sim_view_has_axes(v);
    for (int a = 0; a < ISA_MAX_AXES && any; a++)
        if (axis_used(v, a))
            n *= count_axis(v, a, skip_repeats);
    return n;
}

int64_t sim_view_inside(const struct sim_view *v)
{
    return count_inside(v, false);
}

void sim_count_view(struct sim *s, const struct sim_view *v, bool write)
{
    struct hull h;
    if (view_hull(v, &h) != HULL_OK)
        return;
    int64_t bytes = count_inside(v, true) * (int64_t)dtype_bytes(v->dtype);
    if (hull_first(v, &h) < IMAGE_ABUF_BASE) {
        int64_t span = (int64_t)hull_bytes(v, &h);
        bytes = bytes > span ? span : bytes;
        *(write ? &s->cost.dram_write : &s->cost.dram_read) += bytes;
    } else {
        *(write ? &s->cost.buffer_write : &s->cost.buffer_read) += bytes;
    }
}

bool sim_view_disjoint(const struct sim_view *v)
{
    bool used[ISA_MAX_RANK] = {false};
    int64_t reach = 0;
    for (int round = 0; round < v->rank; round++) {
        int best = -1;
        for (int d = 0; d < v->rank; d++)
            if (!used[d] && (best < 0 || llabs(v->stride[d]) < llabs(v->stride[best])))
                best = d;
        used[best] = true;
        if (v->extent[best] == 1)
            continue;
        if (llabs(v->stride[best]) <= reach)
            return false;
        reach += (v->extent[best] - 1) * llabs(v->stride[best]);
    }
    return true;
}

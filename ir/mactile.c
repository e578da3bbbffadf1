// Boxes of x, sizes of buffers and the layout of lanes.
//
// A box is a product: every dimension of the problem that moves along no axis contributes its
// range, every axis the interval of coordinates between the first and the last that the tile reads,
// cut to the tensor. Where all steps along an axis are multiples of g (a 1x1 convolution with
// stride), only every g-th coordinate is kept.
#include "mactile.h"

#include <string.h>

#define SIZE_LIMIT (INT64_MAX / 4)

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return a / b + (a % b != 0);
}

static int64_t mul_sat(int64_t a, int64_t b)
{
    if (a != 0 && b > SIZE_LIMIT / a)
        return SIZE_LIMIT;
    return a * b;
}

static int64_t round_up(int64_t bytes)
{
    if (bytes >= SIZE_LIMIT)
        return SIZE_LIMIT;
    return (bytes + MAC_BUFFER_ALIGN - 1) / MAC_BUFFER_ALIGN * MAC_BUFFER_ALIGN;
}

int64_t mac_gcd(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

static int64_t abs64(int64_t a)
{
    return a < 0 ? -a : a;
}

// ---- Tiles of positions

int64_t mac_tile_count(const struct mac_problem *p, const int64_t *tile)
{
    int64_t n = 1;
    for (int i = 0; i < p->np; i++)
        n = mul_sat(n, ceil_div(p->p[i].extent, tile[i]));
    return n;
}

void mac_tile_at(const struct mac_problem *p, const int64_t *tile, int64_t index,
                 struct mac_tile *out)
{
    memset(out, 0, sizeof *out);
    for (int i = p->np - 1; i >= 0; i--) {
        int64_t n = ceil_div(p->p[i].extent, tile[i]);
        out->start[i] = index % n * tile[i];
        out->extent[i] = min64(tile[i], p->p[i].extent - out->start[i]);
        index /= n;
    }
    out->kn = p->k[0].extent;
}

// ---- Boxes

// Ranges of all dimensions of a tile: K dimensions first.
struct ranges {
    int n;
    const struct mac_dim *dim[2 * MAC_MAX_DIMS];
    int64_t start[2 * MAC_MAX_DIMS], extent[2 * MAC_MAX_DIMS];
};

static void ranges_of(const struct mac_problem *p, const struct mac_tile *t, struct ranges *r)
{
    r->n = 0;
    for (int i = 0; i < p->nk; i++, r->n++) {
        r->dim[r->n] = &p->k[i];
        r->start[r->n] = i == 0 ? t->k0 : 0;
        r->extent[r->n] = i == 0 ? t->kn : p->k[i].extent;
    }
    for (int i = 0; i < p->np; i++, r->n++) {
        r->dim[r->n] = &p->p[i];
        r->start[r->n] = t->start[i];
        r->extent[r->n] = t->extent[i];
    }
}

// What a tile reads along one axis.
struct interval {
    bool used;      // some dimension moves along the axis
    int64_t grain;  // distance of kept coordinates
    int64_t first;  // first kept coordinate
    int64_t count;  // kept coordinates
    int64_t stride; // elements of x per coordinate
};

static void interval_of(const struct mac_problem *p, const struct ranges *r, int axis,
                        struct interval *out)
{
    int64_t lo = p->origin[axis], hi = lo, grain = 0;
    *out = (struct interval){0};
    for (int i = 0; i < r->n; i++) {
        const struct mac_dim *d = r->dim[i];
        if (d->axis != axis)
            continue;
        out->used = true;
        if (d->step != 0 && (out->stride == 0 || d->extent > 1))
            out->stride = d->xstride / d->step;
        int64_t a = r->start[i] * d->step, span = (r->extent[i] - 1) * d->step;
        lo += a + min64(span, 0);
        hi += a + max64(span, 0);
        if (r->extent[i] > 1)
            grain = mac_gcd(grain, abs64(d->step));
    }
    out->grain = grain = max64(grain, 1);
    out->first = lo >= 0 ? lo : lo + ceil_div(-lo, grain) * grain;
    int64_t last = min64(hi, p->limit[axis] - 1);
    out->count = last < out->first ? 0 : (last - out->first) / grain + 1;
}

static void box_add(struct mac_box *b, int64_t extent, int64_t stride)
{
    if (extent == 1)
        return;
    if (b->rank > 0 && b->stride[b->rank - 1] == extent * stride) {
        b->extent[b->rank - 1] *= extent;
        b->stride[b->rank - 1] = stride;
        return;
    }
    b->extent[b->rank] = extent;
    b->stride[b->rank++] = stride;
}

// Coordinates of the used part along the axis all lie in the copy.
static bool axis_inside(const struct ranges *use, int axis, int64_t origin, int64_t limit,
                        int64_t grain)
{
    int64_t lo = origin, hi = origin;
    for (int i = 0; i < use->n; i++) {
        const struct mac_dim *d = use->dim[i];
        if (d->axis != axis)
            continue;
        int64_t span = use->extent[i] > 1 ? (use->extent[i] - 1) * (d->step / grain) : 0;
        lo += min64(span, 0);
        hi += max64(span, 0);
    }
    return lo >= 0 && hi < limit;
}

static void view_add(struct mac_box_dim *dims, int *n, struct mac_box_dim d)
{
    if (d.extent == 1 && d.sym == NULL)
        return;
    struct mac_box_dim *last = *n > 0 ? &dims[*n - 1] : NULL;
    if (last != NULL && last->sym == NULL && d.sym == NULL && last->axis < 0 && d.axis < 0 &&
        last->stride == d.extent * d.stride) {
        last->extent *= d.extent;
        last->stride = d.stride;
        return;
    }
    dims[(*n)++] = d;
}

// A problem whose dimensions include an empty one reads nothing.
static bool box_of_nothing(const struct ranges *r, const struct ranges *use, int nk,
                           struct mac_box *out)
{
    int64_t elems = 1, extent[2] = {1, 1};
    for (int i = 0; i < r->n; i++) {
        elems = mul_sat(elems, r->extent[i]);
        extent[i >= nk] *= use->extent[i];
    }
    if (elems != 0)
        return false;
    out->k[out->nk++] = (struct mac_box_dim){.extent = extent[0], .axis = -1};
    out->p[out->np++] = (struct mac_box_dim){.extent = extent[1], .axis = -1};
    return true;
}

void mac_box_make(const struct mac_problem *p, const struct mac_tile *load,
                  const struct mac_tile *use, struct mac_box *out)
{
    struct ranges r, u;
    struct interval iv[MAC_MAX_AXES];
    int64_t dense[2 * MAC_MAX_DIMS], axis_dense[MAC_MAX_AXES], n = 1;
    bool inside[MAC_MAX_AXES] = {false};
    memset(out, 0, sizeof *out);
    ranges_of(p, load, &r);
    ranges_of(p, use, &u);
    if (box_of_nothing(&r, &u, p->nk, out))
        return;
    for (int a = 0; a < p->num_axes; a++)
        interval_of(p, &r, a, &iv[a]);
    // Strides of the copy, innermost first: axes, then the other dimensions.
    for (int a = p->num_axes - 1; a >= 0; a--) {
        axis_dense[a] = n;
        if (iv[a].used)
            n *= iv[a].count;
    }
    for (int i = r.n - 1; i >= 0; i--) {
        dense[i] = n;
        if (r.dim[i]->axis < 0)
            n *= r.extent[i];
    }
    out->elems = n;
    out->start = p->xbase;
    for (int i = 0; i < r.n; i++)
        if (r.dim[i]->axis < 0) {
            box_add(out, r.extent[i], r.dim[i]->xstride);
            out->start += r.start[i] * r.dim[i]->xstride;
            out->base += (u.start[i] - r.start[i]) * dense[i];
        }
    out->num_axes = p->num_axes;
    for (int a = 0; a < p->num_axes; a++) {
        if (!iv[a].used) {
            // No dimension moves along it: one coordinate decides about the whole problem.
            out->origin[a] = p->origin[a];
            out->limit[a] = p->limit[a];
            out->limit_sym[a] = p->limit_sym[a];
            out->grain[a] = 1;
            continue;
        }
        box_add(out, iv[a].count, iv[a].stride * iv[a].grain);
        out->start += (iv[a].first - p->origin[a]) * iv[a].stride;
        int64_t c = p->origin[a];
        for (int i = 0; i < u.n; i++)
            if (u.dim[i]->axis == a)
                c += u.start[i] * u.dim[i]->step;
        out->origin[a] = (c - iv[a].first) / iv[a].grain;
        out->limit[a] = iv[a].count;
        out->limit_sym[a] = p->limit_sym[a];
        out->coord[a] = iv[a].first;
        out->grain[a] = iv[a].grain;
        out->base += out->origin[a] * axis_dense[a];
        inside[a] = p->limit_sym[a] == NULL &&
                    axis_inside(&u, a, out->origin[a], out->limit[a], iv[a].grain);
    }
    if (out->rank == 0 && n != 0)
        out->extent[out->rank] = 1, out->stride[out->rank++] = 0;
    for (int i = 0; i < u.n; i++) {
        const struct mac_dim *d = u.dim[i];
        int64_t step = d->axis >= 0 && u.extent[i] > 1 ? d->step / iv[d->axis].grain : 0;
        struct mac_box_dim v = {u.extent[i], d->axis < 0 ? dense[i] : step * axis_dense[d->axis],
                                d->axis,     step,
                                d->sym,      u.start[i]};
        if (d->axis >= 0 && inside[d->axis])
            v.axis = -1, v.step = 0;
        if (i < p->nk)
            view_add(out->k, &out->nk, v);
        else
            view_add(out->p, &out->np, v);
    }
    // Extent 1 carries an axis only where it decides something: the coordinate is then the axis'
    // origin for everyone.
    for (int a = 0; a < p->num_axes; a++) {
        bool moved = false;
        for (int i = 0; i < out->nk; i++)
            moved |= out->k[i].axis == a;
        for (int i = 0; i < out->np; i++)
            moved |= out->p[i].axis == a;
        bool outside = iv[a].used ? !inside[a]
                                  : p->limit_sym[a] != NULL || out->origin[a] < 0 ||
                                        out->origin[a] >= out->limit[a];
        if (!moved && outside && out->nk < MAC_MAX_DIMS) {
            memmove(out->k + 1, out->k, (size_t)out->nk * sizeof out->k[0]);
            out->k[0] = (struct mac_box_dim){.extent = 1, .axis = a};
            out->nk++;
        }
    }
    if (out->nk == 0)
        out->k[out->nk++] = (struct mac_box_dim){.extent = 1, .axis = -1};
    if (out->np == 0)
        out->p[out->np++] = (struct mac_box_dim){.extent = 1, .axis = -1};
}

int64_t mac_box_max_elems(const struct mac_problem *p, const int64_t *tile, int64_t kn)
{
    int64_t elems = 1, span[MAC_MAX_AXES] = {0}, grain[MAC_MAX_AXES] = {0};
    bool used[MAC_MAX_AXES] = {false};
    for (int i = 0; i < p->nk + p->np; i++) {
        const struct mac_dim *d = i < p->nk ? &p->k[i] : &p->p[i - p->nk];
        int64_t extent = min64(i == 0 ? kn : i < p->nk ? d->extent : tile[i - p->nk], d->extent);
        if (extent == 0)
            return 0;
        if (d->axis < 0) {
            elems = mul_sat(elems, extent);
            continue;
        }
        used[d->axis] = true;
        span[d->axis] += (extent - 1) * abs64(d->step);
        if (extent > 1)
            grain[d->axis] = mac_gcd(grain[d->axis], abs64(d->step));
    }
    for (int a = 0; a < p->num_axes; a++)
        if (used[a]) {
            int64_t g = max64(grain[a], 1);
            elems = mul_sat(elems, min64(span[a] / g + 1, ceil_div(p->limit[a], g)));
        }
    return elems;
}

// ---- Buffers

void mac_demand_of(const struct mac_plan *plan, int64_t group, int64_t pes, int64_t tile_bytes,
                   struct mac_demand *out)
{
    int64_t patch = plan->num_problems > 0 ? plan->problem[0].patch : 1;
    bool packed_at_run_time = ir_const_data(plan->stationary) == NULL;
    *out = (struct mac_demand){
        .group = group,
        .pes = pes - pes % patch,
        .tile_bytes = tile_bytes,
        .x_bytes = (int64_t)dtype_bytes(plan->moving->type.dtype),
        .y_bytes = (int64_t)dtype_bytes(plan->op->out[0]->type.dtype),
        .raw_bytes = packed_at_run_time ? (int64_t)dtype_bytes(plan->stationary->type.dtype) : 0,
    };
}

bool mac_tiling_of(const struct ir_op *op, struct mac_tiling *out)
{
    int n;
    const int64_t *tile = ir_ints(op, IR_A_tile, &n);
    if (tile == NULL || n < 1 || n > MAC_MAX_DIMS || !ir_has_attr(op, IR_A_kchunk))
        return false;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < MAC_MAX_DIMS; i++)
        out->tile[i] = i < n ? max64(tile[i], 1) : 1;
    out->kchunk = max64(ir_int(op, IR_A_kchunk, 1), 1);
    out->resident = ir_int(op, IR_A_resident, 0) != 0;
    return true;
}

void mac_space_of(const struct mac_problem *p, const struct mac_tiling *t,
                  const struct mac_demand *m, struct mac_space *out)
{
    int64_t npe = min64(m->pes, p->noc), positions = 1;
    int64_t kc = min64(t->kchunk, p->k[0].extent), chunk_k = kc;
    for (int i = 0; i < p->np; i++)
        positions = mul_sat(positions, min64(t->tile[i], p->p[i].extent));
    for (int i = 1; i < p->nk; i++)
        chunk_k = mul_sat(chunk_k, p->k[i].extent);
    out->x = round_up(mul_sat(mac_box_max_elems(p, t->tile, kc), m->x_bytes));
    out->x_whole = round_up(mul_sat(mac_box_max_elems(p, t->tile, p->k[0].extent), m->x_bytes));
    out->y = round_up(mul_sat(mul_sat(npe, positions), m->y_bytes));
    out->raw = round_up(mul_sat(mul_sat(npe, chunk_k), m->raw_bytes));
    out->w = round_up(mul_sat(mul_sat(ceil_div(chunk_k, m->group), npe), m->tile_bytes));
    out->w_all = round_up(mac_lanes_bytes(p, t->kchunk, m));
    out->psum = mul_sat(npe, positions);
}

void mac_space_max(struct mac_space *acc, const struct mac_space *s)
{
    acc->x = max64(acc->x, s->x);
    acc->x_whole = max64(acc->x_whole, s->x_whole);
    acc->y = max64(acc->y, s->y);
    acc->raw = max64(acc->raw, s->raw);
    acc->w = max64(acc->w, s->w);
    acc->w_all = max64(acc->w_all, s->w_all);
    acc->psum = max64(acc->psum, s->psum);
}

bool mac_keeps_x(const struct mac_space *s, int64_t act_buffer)
{
    return s->x_whole <= act_buffer && s->y <= act_buffer && s->raw <= act_buffer &&
           2 * (s->x_whole + s->y + s->raw) <= act_buffer;
}

// ---- Lanes

static int64_t inner_k(const struct mac_problem *p)
{
    int64_t n = 1;
    for (int i = 1; i < p->nk; i++)
        n = mul_sat(n, p->k[i].extent);
    return n;
}

int64_t mac_chunks(const struct mac_problem *p, int64_t kchunk)
{
    return p->k[0].extent == 0 ? 1 : ceil_div(p->k[0].extent, kchunk);
}

int64_t mac_chunk_groups(const struct mac_problem *p, int64_t kchunk, int64_t chunk, int64_t group)
{
    int64_t kn = min64(kchunk, p->k[0].extent - chunk * kchunk);
    return ceil_div(mul_sat(kn, inner_k(p)), group);
}

// Groups of all chunks. All but the last chunk are equal.
static int64_t all_groups(const struct mac_problem *p, int64_t kchunk, int64_t group)
{
    int64_t n = mac_chunks(p, kchunk);
    return mul_sat(n - 1, mac_chunk_groups(p, kchunk, 0, group)) +
           mac_chunk_groups(p, kchunk, n - 1, group);
}

int64_t mac_lanes_bytes(const struct mac_problem *p, int64_t kchunk, const struct mac_demand *m)
{
    return mul_sat(mul_sat(all_groups(p, kchunk, m->group), p->noc), m->tile_bytes);
}

int64_t mac_lanes_offset(const struct mac_problem *p, int64_t kchunk, const struct mac_demand *m,
                         int64_t oc_tile, int64_t chunk)
{
    int64_t npe = min64(m->pes, p->noc - oc_tile * m->pes);
    int64_t before = oc_tile * m->pes * all_groups(p, kchunk, m->group);
    return (before + chunk * mac_chunk_groups(p, kchunk, 0, m->group) * npe) * m->tile_bytes;
}

bool mac_same_weights(const struct mac_problem *a, const struct mac_problem *b)
{
    if (a->held || b->held) // rows of x, which problems do not share
        return a == b;
    if (a->noc != b->noc || a->nk != b->nk || a->empty != b->empty || a->wbase != b->wbase ||
        a->w_oc != b->w_oc || a->diag != b->diag || a->patch != b->patch)
        return false;
    for (int i = 0; a->patch > 1 && i < a->num_axes; i++)
        if (a->place[i].extent != b->place[i].extent || a->place[i].shift != b->place[i].shift)
            return false;
    for (int i = 0; i < a->nk; i++)
        if (a->k[i].extent != b->k[i].extent || a->k[i].wstride != b->k[i].wstride)
            return false;
    return true;
}

// Candidates are the first problems, where batch repetitions start, and the one before; not all, to
// stay linear.
static int sharing_problem(const struct mac_plan *plan, int i)
{
    enum { FIRST = 64 };
    for (int j = 0; j < i && j < FIRST; j++)
        if (mac_same_weights(&plan->problem[j], &plan->problem[i]))
            return j;
    return i > 0 && mac_same_weights(&plan->problem[i - 1], &plan->problem[i]) ? i - 1 : -1;
}

int64_t mac_lanes_layout(const struct mac_plan *plan, int64_t kchunk, const struct mac_demand *m,
                         int64_t *offset)
{
    int64_t total = 0;
    for (int i = 0; i < plan->num_problems; i++) {
        int j = sharing_problem(plan, i);
        offset[i] = j < 0 ? total : offset[j];
        if (j < 0)
            total += mac_lanes_bytes(&plan->problem[i], kchunk, m);
        if (total >= (int64_t)1 << 40)
            return -1;
    }
    return total;
}

#include "vec_loop.h"
#include "predict.h"

// ---- Setting up
// --------------------------------------------------------------------------------------

static void coordinate_range(const struct sim_view *v, int axis, int64_t *lo, int64_t *hi)
{
    *lo = *hi = v->origin[axis];
    for (int d = 0; d < v->rank; d++) {
        if (v->axis[d] != axis)
            continue;
        int64_t span = (v->extent[d] - 1) * v->step[d];
        *(span < 0 ? lo : hi) += span;
    }
}

// The strides and steps of an empty view are unchecked and not used.
static bool is_empty(const struct sim_view *v)
{
    for (int d = 0; d < v->rank; d++)
        if (v->extent[d] == 0)
            return true;
    return false;
}

unsigned vec_bounding_axes(const struct sim_view *v)
{
    unsigned mask = 0;
    for (int d = 0; d < v->rank && !is_empty(v); d++) {
        int a = v->axis[d];
        int64_t lo, hi;
        if (a < 0)
            continue;
        coordinate_range(v, a, &lo, &hi);
        if (lo < 0 || hi >= v->limit[a])
            mask |= 1u << a;
    }
    return mask;
}

static bool merges(const struct vec_stream *st, int outer, int64_t extent, int64_t stride, int axis,
                   int64_t step)
{
    return st->stride[outer] == stride * extent && st->axis[outer] == axis &&
           (axis < 0 || st->step[outer] == step * extent);
}

static void add_dim(struct vec_stream *st, int64_t extent, int64_t stride, int axis, int64_t step)
{
    int d = st->rank - 1;
    if (d >= 0 && merges(st, d, extent, stride, axis, step)) {
        st->extent[d] *= extent;
    } else {
        d = st->rank++;
        st->extent[d] = extent;
    }
    st->stride[d] = stride;
    st->axis[d] = (int8_t)axis;
    st->step[d] = step;
}

static void add_dims(struct vec_stream *st, const struct sim_view *v)
{
    if (is_empty(v)) {
        st->axes = 0;
        add_dim(st, 0, 0, -1, 0);
        return;
    }
    for (int d = 0; d < v->rank; d++) {
        int a = v->axis[d] >= 0 && (st->axes >> v->axis[d] & 1) ? v->axis[d] : -1;
        if (v->extent[d] != 1)
            add_dim(st, v->extent[d], v->stride[d] * st->bytes, a, a < 0 ? 0 : v->step[d]);
    }
    if (st->rank == 0)
        add_dim(st, 1, 0, -1, 0);
}

static int64_t clamped(int64_t x, int64_t lo, int64_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

void vec_stream_init(struct vec_stream *st, const struct sim_view *v, uint8_t *host,
                     enum vec_form form, unsigned axes)
{
    memset(st, 0, sizeof *st);
    st->host = host;
    st->dtype = v->dtype;
    st->form = form;
    st->load = vec_loader(v->dtype, form);
    st->store = vec_storer(v->dtype, form);
    st->mode = VEC_MODE_NEAREST;
    st->bytes = (int64_t)dtype_bytes(v->dtype);
    st->axes = axes;
    add_dims(st, v);
    for (int a = 0; a < ISA_MAX_AXES; a++) {
        st->origin[a] = v->origin[a];
        st->limit[a] = clamped(v->limit[a], 0, INT64_MAX / 4);
    }
    st->dense = st->axes == 0 && st->stride[st->rank - 1] == st->bytes &&
                vec_form_is_native(v->dtype, form) && (uintptr_t)host % (uintptr_t)st->bytes == 0;
    if (st->load) {
        uint8_t bits[VEC_MAX_FORM_BYTES] = {0};
        memcpy(bits, &v->fill, sizeof v->fill);
        st->load(st->fill, bits, 0, 1);
    }
    vec_seek(st, 0);
}

bool vec_refuse_type(struct sim *s, const struct sim_view *v, const char *what)
{
    return sim_fault_at(s, SIM_FAULT_TYPE, v->base, "%s: %s", what, dtype_text(v->dtype));
}

bool vec_open(struct sim *s, struct vec_stream *st, const struct sim_view *v, enum vec_form form,
              bool write)
{
    uint8_t *host;
    if (form == VEC_NONE || (write ? !vec_storer(v->dtype, form) : !vec_loader(v->dtype, form)))
        return vec_refuse_type(s, v, "no arithmetic on this type");
    if (!sim_view_map(s, v, write, &host))
        return false;
    sim_count_view(s, v, write);
    vec_stream_init(st, v, host, form, vec_bounding_axes(v));
    return true;
}

// ---- Walking
// -----------------------------------------------------------------------------------------

static int64_t ceil_ratio(int64_t a, int64_t b) // a, b > 0
{
    return (a - 1) / b + 1;
}

// Indices i in [0, extent) of a dimension for which 0 <= c + i * step < limit.
static void inside_range(int64_t c, int64_t step, int64_t limit, int64_t extent, int64_t *lo,
                         int64_t *hi)
{
    if (step < 0) { // the same from the other end
        int64_t mirrored = limit - 1 - c;
        inside_range(mirrored, -step, limit, extent, lo, hi);
        return;
    }
    *lo = 0;
    *hi = extent;
    if (step == 0) {
        *hi = c >= 0 && c < limit ? extent : 0;
        return;
    }
    if (c < 0)
        *lo = ceil_ratio(-c, step);
    int64_t end = c >= limit ? 0 : ceil_ratio(limit - c, step);
    if (end < *hi)
        *hi = end;
    if (*lo > *hi)
        *lo = *hi;
}

static void clip_row(struct vec_stream *st, int64_t c, int64_t step, int64_t limit)
{
    if (!st->ranged || st->range_at != c) {
        inside_range(c, step, limit, st->extent[st->rank - 1], &st->range_lo, &st->range_hi);
        st->range_at = c;
        st->ranged = true;
    }
    st->in_lo = st->range_lo > st->in_lo ? st->range_lo : st->in_lo;
    st->in_hi = st->range_hi < st->in_hi ? st->range_hi : st->in_hi;
}

static void begin_row(struct vec_stream *st)
{
    int last = st->rank - 1;
    st->in_lo = 0;
    st->in_hi = st->extent[last];
    if (st->axes == 0)
        return;
    for (int a = 0; a < ISA_MAX_AXES; a++) {
        if (!(st->axes >> a & 1))
            continue;
        int64_t c = st->coord[a];
        if (a == st->axis[last])
            clip_row(st, c, st->step[last], st->limit[a]);
        else if (c < 0 || c >= st->limit[a])
            st->in_hi = 0;
    }
    if (st->in_lo > st->in_hi)
        st->in_lo = st->in_hi;
}

static void move_along(struct vec_stream *st, int d, int64_t count)
{
    st->offset += count * st->stride[d];
    if (st->axis[d] >= 0)
        st->coord[st->axis[d]] += count * st->step[d];
}

static void next_row(struct vec_stream *st)
{
    st->pos = 0;
    for (int d = st->rank - 2; d >= 0; d--) {
        move_along(st, d, 1);
        if (++st->idx[d] < st->extent[d])
            break;
        move_along(st, d, -st->extent[d]);
        st->idx[d] = 0;
    }
    begin_row(st);
}

void vec_seek(struct vec_stream *st, int64_t index)
{
    int last = st->rank - 1;
    st->offset = st->first;
    memcpy(st->coord, st->origin, sizeof st->coord);
    if (st->extent[last] == 0)
        return;
    st->pos = index % st->extent[last];
    index /= st->extent[last];
    for (int d = last - 1; d >= 0 && st->extent[d] > 0; d--) {
        st->idx[d] = index % st->extent[d];
        index /= st->extent[d];
        move_along(st, d, st->idx[d]);
    }
    begin_row(st);
}

// Through integers: offset 0 of a view may lie outside of any memory.
static uint8_t *host_at(const struct vec_stream *st, int64_t pos)
{
    int64_t at = st->offset + pos * st->stride[st->rank - 1];
    return (uint8_t *)((uintptr_t)st->host + (uintptr_t)at);
}

struct vec_run vec_next_run(struct vec_stream *st, int64_t max)
{
    int64_t row = st->extent[st->rank - 1], end = row - st->pos > max ? st->pos + max : row;
    int64_t lo = clamped(st->in_lo, st->pos, end), hi = clamped(st->in_hi, lo, end);
    struct vec_run r = {end - st->pos, lo - st->pos, hi - lo, NULL};
    if (r.inside > 0)
        r.at = host_at(st, lo);
    st->pos = end;
    if (end == row)
        next_row(st);
    return r;
}

// ---- Arrays of elements
// ------------------------------------------------------------------------------

static void fill_with(const struct vec_stream *st, uint8_t *out, int64_t n)
{
    vec_repeater(st->form)(out, st->fill, 0, n);
}

void vec_read_into(struct vec_stream *st, void *buf, int64_t n)
{
    uint8_t *out = buf;
    int64_t size = (int64_t)vec_form_bytes(st->form);
    while (n > 0) {
        int64_t stride = st->stride[st->rank - 1];
        struct vec_run r = vec_next_run(st, n);
        if (r.inside == r.n) {
            st->load(out, r.at, stride, r.n);
        } else {
            fill_with(st, out, r.lead);
            if (r.inside > 0)
                st->load(out + r.lead * size, r.at, stride, r.inside);
            int64_t done = r.lead + r.inside;
            fill_with(st, out + done * size, r.n - done);
        }
        out += r.n * size;
        n -= r.n;
    }
}

static bool in_place(const struct vec_stream *st, int64_t n)
{
    return st->dense && st->extent[st->rank - 1] - st->pos >= n;
}

const void *vec_read(struct vec_stream *st, void *buf, int64_t n)
{
    if (in_place(st, n))
        return vec_next_run(st, n).at;
    vec_read_into(st, buf, n);
    return buf;
}

bool vec_is_one(const struct vec_stream *st)
{
    return st->rank == 1 && st->stride[0] == 0 && st->axes == 0;
}

void vec_read_inside(struct vec_stream *st, uint8_t *mask, int64_t n)
{
    while (n > 0) {
        struct vec_run r = vec_next_run(st, n);
        memset(mask, 0, (size_t)r.n);
        memset(mask + r.lead, 1, (size_t)r.inside);
        mask += r.n;
        n -= r.n;
    }
}

void *vec_room(struct vec_stream *st, void *buf, int64_t n)
{
    return in_place(st, n) ? host_at(st, st->pos) : buf;
}

void vec_write(struct vec_stream *st, const void *from, int64_t n)
{
    const uint8_t *in = from;
    int64_t size = (int64_t)vec_form_bytes(st->form), stride = st->stride[st->rank - 1];
    while (n > 0) {
        struct vec_run r = vec_next_run(st, n);
        if (r.inside > 0 && r.at != in)
            st->store(r.at, stride, in + r.lead * size, r.inside, st->mode);
        in += r.n * size;
        n -= r.n;
    }
}

// ---- Points
// ------------------------------------------------------------------------------------------

void vec_space_init(struct vec_space *sp, const struct sim_view *v)
{
    memset(sp, 0, sizeof *sp);
    sp->count = !is_empty(v);
    for (int d = 0; d < v->rank && sp->count > 0; d++) {
        if (v->extent[d] == 1)
            continue;
        int at = sp->rank++;
        sp->count *= v->extent[d];
        sp->extent[at] = v->extent[d];
        sp->stride[at] = v->stride[d] * (int64_t)dtype_bytes(v->dtype);
        sp->axis[at] = v->axis[d];
        sp->step[at] = v->step[d];
    }
}

static void move_point(const struct vec_space *sp, struct vec_point *p, int d, int64_t count)
{
    p->idx[d] += count;
    p->offset += count * sp->stride[d];
    if (sp->axis[d] >= 0)
        p->coord[sp->axis[d]] += count * sp->step[d];
}

void vec_point_seek(const struct vec_space *sp, struct vec_point *p, int64_t index)
{
    memset(p, 0, sizeof *p);
    for (int d = sp->rank - 1; d >= 0 && sp->extent[d] > 0; d--) {
        move_point(sp, p, d, index % sp->extent[d]);
        index /= sp->extent[d];
    }
}

void vec_point_next(const struct vec_space *sp, struct vec_point *p)
{
    for (int d = sp->rank - 1; d >= 0; d--) {
        move_point(sp, p, d, 1);
        if (p->idx[d] < sp->extent[d])
            return;
        move_point(sp, p, d, -sp->extent[d]);
    }
}

void vec_shift(struct vec_stream *st, const struct vec_point *p)
{
    st->first += p->offset;
    st->offset += p->offset;
    for (int a = 0; a < ISA_MAX_AXES; a++) {
        st->origin[a] += p->coord[a];
        st->coord[a] += p->coord[a];
    }
    begin_row(st);
}

// ---- Operands of one instruction
// ---------------------------------------------------------------------

bool vec_same_extents(struct sim *s, const struct sim_view *a, const struct sim_view *b)
{
    if (a->rank != b->rank)
        return sim_fault_at(s, SIM_FAULT_VIEW, b->base, "operands of ranks %d and %d", a->rank,
                            b->rank);
    for (int d = 0; d < a->rank; d++)
        if (a->extent[d] != b->extent[d])
            return sim_fault_at(s, SIM_FAULT_VIEW, b->base, "dimension %d: extents %lld and %lld",
                                d, (long long)a->extent[d], (long long)b->extent[d]);
    return true;
}

bool vec_operands_overlap(const struct sim *s)
{
    for (int i = 0; i < s->num_touch; i++) {
        for (int j = 0; j < s->num_touch; j++) {
            const struct sim_touch *w = &s->touch[i], *r = &s->touch[j];
            if (w->write && i != j && !w->psum && !r->psum && w->lo < r->hi && r->lo < w->hi)
                return true;
        }
    }
    return false;
}

static int64_t magnitude(int64_t x)
{
    return x < 0 ? -x : x;
}

// True only when no two indices share memory: taken by growing stride, each dimension steps over
// all the smaller ones.
static bool is_injective(const struct vec_stream *st)
{
    unsigned left = (1u << st->rank) - 1;
    int64_t reach = st->bytes;
    while (left) {
        int best = -1;
        for (int d = 0; d < st->rank; d++)
            if ((left >> d & 1) &&
                (best < 0 || magnitude(st->stride[d]) < magnitude(st->stride[best])))
                best = d;
        left &= ~(1u << best);
        if (st->extent[best] > 1 && magnitude(st->stride[best]) < reach)
            return false;
        reach += magnitude(st->stride[best]) * (st->extent[best] - 1);
    }
    return true;
}

static bool same_elements(const struct vec_stream *a, const struct vec_stream *b)
{
    if (a->host != b->host || a->bytes != b->bytes || a->rank != b->rank || a->axes || b->axes)
        return false;
    for (int d = 0; d < a->rank; d++)
        if (a->extent[d] != b->extent[d] || a->stride[d] != b->stride[d])
            return false;
    return true;
}

static void host_hull(const struct vec_stream *st, int64_t *lo, int64_t *hi)
{
    *lo = *hi = (int64_t)(uintptr_t)st->host;
    for (int d = 0; d < st->rank; d++) {
        int64_t span = (st->extent[d] - 1) * st->stride[d];
        *(span < 0 ? lo : hi) += span;
    }
    *hi += st->bytes;
}

bool vec_is_ordered(const struct sim *s, const struct vec_stream *out, const struct vec_stream *in,
                    int num_in)
{
    if (!is_injective(out))
        return true;
    if (!vec_operands_overlap(s))
        return false;
    int64_t lo, hi, in_lo, in_hi;
    host_hull(out, &lo, &hi);
    for (int i = 0; i < num_in; i++) {
        host_hull(&in[i], &in_lo, &in_hi);
        if (lo < in_hi && in_lo < hi && !same_elements(out, &in[i]))
            return true;
    }
    return false;
}

struct share {
    int64_t total, size;
    void (*body)(void *user, int64_t lo, int64_t hi);
    void *user;
};

static void run_share(void *user, int piece, int worker)
{
    const struct share *sh = user;
    int64_t lo = piece * sh->size, hi = lo + sh->size;
    (void)worker;
    sh->body(sh->user, lo, hi < sh->total ? hi : sh->total);
}

#define MAX_PIECES 65536
#define CUT 64

void vec_parallel(struct sim *s, int64_t total, int64_t grain, bool serial,
                  void (*body)(void *user, int64_t lo, int64_t hi), void *user)
{
    if (total == 0 || !predict_values(s, total))
        return;
    if (serial || total <= grain) {
        body(user, 0, total);
        return;
    }
    // as many for every thread
    int64_t threads = thread_pool_size(s->pool), unit = grain % CUT == 0 ? CUT : grain;
    int64_t pieces = ceil_ratio(ceil_ratio(total, grain), threads) * threads;
    pieces = pieces < MAX_PIECES ? pieces : MAX_PIECES;
    struct share sh = {total, unit * ceil_ratio(ceil_ratio(total, pieces), unit), body, user};
    thread_pool_run(s->pool, (int)ceil_ratio(total, sh.size), run_share, &sh);
}

// VGATHER and VSCATTER.
//
// The data view of a gather (the destination view of a scatter) gives every element an address; its
// index, counted from the end when negative, moves that by `stride` elements a step. All indices
// are checked before an element is moved by them, those of border elements too. Scatters run in
// index order on one thread, so the last of equal targets stays.
#include <stdatomic.h>

#include "exec_dma.h"
#include "vec_cost.h"
#include "vec_fn.h"
#include "vec_loop.h"

#define GRAIN 4096
#define MAX_LIMIT (INT64_C(1) << 40)

struct moved {
    struct vec_stream data, index,
        other; // addressed by index; indices; destination of a gather, updates of a scatter
    int64_t limit, step;               // step in bytes
    _Atomic int64_t bad;               // position of the first bad index, or INT64_MAX
    const struct vec_reducer *combine; // of a scatter; NULL: replace
};

// ---- Indices
// -----------------------------------------------------------------------------------------

static void note_bad(struct moved *m, int64_t position)
{
    int64_t seen = atomic_load(&m->bad);
    while (position < seen && !atomic_compare_exchange_weak(&m->bad, &seen, position))
        continue;
}

// Turns a block of indices into byte distances. False: one is out of range.
static bool distances(struct moved *m, const int64_t *index, int64_t *distance, int64_t n,
                      int64_t position)
{
    int64_t wrong = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t x = index[i] < 0 ? index[i] + m->limit : index[i];
        wrong |= x < 0 || x >= m->limit;
        distance[i] = (int64_t)((uint64_t)x * (uint64_t)m->step);
    }
    for (int64_t i = 0; wrong && i < n; i++) {
        if (index[i] < -m->limit || index[i] >= m->limit) {
            note_bad(m, position + i);
            return false;
        }
    }
    return true;
}

static bool all_equal(const int64_t *x, int64_t n)
{
    int64_t diff = 0;
    for (int64_t i = 1; i < n; i++)
        diff |= x[i] ^ x[0];
    return diff == 0;
}

// ---- VGATHER
// -----------------------------------------------------------------------------------------

#define PICK(size)                                                                                 \
    static void pick_##size(uint8_t *restrict out, const uint8_t *src, int64_t stride,             \
                            const int64_t *distance, int64_t n)                                    \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++)                                                            \
            memcpy(out + i * (size), src + i * stride + distance[i], (size));                      \
    }
PICK(1)
PICK(2)
PICK(4)
PICK(8)
PICK(16)

static void pick(int64_t bytes, uint8_t *out, const uint8_t *src, int64_t stride,
                 const int64_t *distance, int64_t n)
{
    switch (bytes) {
    case 1: pick_1(out, src, stride, distance, n); break;
    case 2: pick_2(out, src, stride, distance, n); break;
    case 4: pick_4(out, src, stride, distance, n); break;
    case 8: pick_8(out, src, stride, distance, n); break;
    default: pick_16(out, src, stride, distance, n); break;
    }
}

static void gather_block(struct vec_stream *data, const int64_t *distance, uint8_t *out, int64_t n)
{
    vec_load *repeat = vec_repeater(data->form);
    int64_t stride = data->stride[data->rank - 1], size = data->bytes;
    while (n > 0) {
        struct vec_run r = vec_next_run(data, n);
        const int64_t *from = distance + r.lead, tail = r.n - r.lead - r.inside;
        uint8_t *to = out + r.lead * size;
        if (r.lead > 0)
            repeat(out, data->fill, 0, r.lead);
        if (r.inside >= 4 && all_equal(from, r.inside))
            data->load(to, r.at + from[0], stride, r.inside);
        else if (r.inside > 0)
            pick(size, to, r.at, stride, from, r.inside);
        if (tail > 0)
            repeat(to + r.inside * size, data->fill, 0, tail);
        out += r.n * size;
        distance += r.n;
        n -= r.n;
    }
}

static void gather_range(void *user, int64_t lo, int64_t hi)
{
    struct moved *m = user;
    struct vec_stream data = m->data, index = m->index, out = m->other;
    _Alignas(64) int64_t buf[VEC_BLOCK], distance[VEC_BLOCK];
    _Alignas(64) uint8_t block[VEC_BLOCK * VEC_MAX_FORM_BYTES];
    vec_seek(&data, lo);
    vec_seek(&index, lo);
    vec_seek(&out, lo);
    for (int64_t n; lo < hi; lo += n) {
        n = hi - lo < VEC_BLOCK ? hi - lo : VEC_BLOCK;
        if (!distances(m, vec_read(&index, buf, n), distance, n, lo))
            return;
        gather_block(&data, distance, block, n);
        vec_write(&out, block, n);
    }
}

// ---- VSCATTER
// ----------------------------------------------------------------------------------------

// Running values in memory are stored and loaded again for every element, so each step rounds to
// the type.
static void combine_run(const struct moved *m, const struct vec_run *r, const uint8_t *update,
                        const int64_t *distance)
{
    const struct vec_stream *d = &m->data;
    int64_t stride = d->stride[d->rank - 1], size = (int64_t)vec_form_bytes(m->other.form);
    vec_load *load = vec_loader(d->dtype, m->combine->acc);
    for (int64_t i = 0; i < r->inside; i++) {
        _Alignas(16) uint8_t acc[VEC_MAX_FORM_BYTES];
        uint8_t *at = r->at + i * stride + distance[i];
        load(acc, at, 0, 1);
        m->combine->step(acc, update + i * size, 1);
        d->store(at, 0, acc, 1, d->mode);
    }
}

static void replace_run(const struct moved *m, const struct vec_run *r, const uint8_t *update,
                        const int64_t *distance)
{
    int64_t stride = m->data.stride[m->data.rank - 1], size = m->data.bytes;
    for (int64_t i = 0; i < r->inside; i++)
        memcpy(r->at + i * stride + distance[i], update + i * size, (size_t)size);
}

static void scatter_range(void *user, int64_t lo, int64_t hi)
{
    struct moved *m = user;
    struct vec_stream data = m->data, index = m->index, in = m->other;
    _Alignas(64) int64_t buf[VEC_BLOCK], distance[VEC_BLOCK];
    _Alignas(64) uint8_t block[VEC_BLOCK * VEC_MAX_FORM_BYTES];
    int64_t size = (int64_t)vec_form_bytes(in.form);
    for (int64_t n; lo < hi; lo += n) {
        n = hi - lo < VEC_BLOCK ? hi - lo : VEC_BLOCK;
        if (!distances(m, vec_read(&index, buf, n), distance, n, lo))
            return;
        vec_read_into(&in, block, n);
        for (int64_t i = 0; i < n;) {
            struct vec_run r = vec_next_run(&data, n - i);
            const uint8_t *update = block + (i + r.lead) * size;
            if (m->combine)
                combine_run(m, &r, update, distance + i + r.lead);
            else
                replace_run(m, &r, update, distance + i + r.lead);
            i += r.n;
        }
    }
}

// ---- Both
// --------------------------------------------------------------------------------------------

// The ranges of the view at both ends become one: what lies between may be touched. The first
// operand to be mapped, so that no range is recorded already.
static bool map_moved(struct sim *s, const struct sim_view *v, const struct moved *m, bool write,
                      uint8_t **host)
{
    struct sim_view end = *v;
    uint8_t *end_host;
    int first = s->num_touch;
    int64_t far;
    if (__builtin_mul_overflow(m->limit - 1, m->step, &far))
        return sim_fault_at(s, SIM_FAULT_VIEW, v->base, "an index range past the address space");
    end.base += (uint64_t)far;
    if (!sim_view_map(s, v, write, host) || !sim_view_map(s, &end, write, &end_host))
        return false;
    if (*host && sim_view_region(v) != sim_view_region(&end))
        return sim_fault_at(s, write ? SIM_FAULT_STORE : SIM_FAULT_LOAD, end.base,
                            "indices lead out of a region");
    if (s->num_touch == first + 2) {
        struct sim_touch *t = &s->touch[first];
        t[0].lo = t[0].lo < t[1].lo ? t[0].lo : t[1].lo;
        t[0].hi = t[0].hi > t[1].hi ? t[0].hi : t[1].hi;
        s->num_touch--;
        dma_settle_for(s, t->lo, t->hi, write);
    }
    return true;
}

static bool read_operands(struct sim *s, const struct isa_args_VIDX *in,
                          const struct sim_view *moved, struct moved *m)
{
    const struct sim_view *tb = &s->t[in->tb];
    int64_t bytes = (int64_t)dtype_bytes(moved->dtype), step;
    if (tb->dtype != DT_I32 && tb->dtype != DT_I64)
        return vec_refuse_type(s, tb, "not a type of indices");
    if (s->t[in->td].dtype != s->t[in->ta].dtype)
        return vec_refuse_type(s, &s->t[in->ta], "operand and result differ in type");
    if (__builtin_add_overflow(in->limit, s->x[in->xl], &m->limit) || m->limit < 0 ||
        m->limit > MAX_LIMIT || __builtin_add_overflow(in->stride, s->x[in->xs], &step) ||
        __builtin_mul_overflow(step, bytes, &m->step))
        return sim_fault_at(s, SIM_FAULT_OPERAND, tb->base, "limit or stride out of range");
    return vec_same_extents(s, &s->t[in->td], &s->t[in->ta]) &&
           vec_same_extents(s, &s->t[in->td], tb);
}

// Opens the stream that the indices move, then that of the indices.
static bool open_moved(struct sim *s, const struct sim_view *v, const struct sim_view *tb,
                       struct moved *m, enum vec_form form, bool write)
{
    uint8_t *host;
    if (m->limit == 0)
        return sim_fault_at(s, SIM_FAULT_INDEX, tb->base,
                            "an index where none is possible: limit 0");
    if (!map_moved(s, v, m, write, &host))
        return false;
    sim_count_view(s, v, write);
    vec_stream_init(&m->data, v, host, form, vec_bounding_axes(v));
    return vec_open(s, &m->index, tb, VEC_I64, false);
}

static bool check_indices(struct sim *s, const struct sim_view *tb, struct moved *m)
{
    int64_t bad = atomic_load(&m->bad), index;
    if (bad == INT64_MAX)
        return true;
    struct vec_stream st = m->index;
    vec_seek(&st, bad);
    vec_read_into(&st, &index, 1);
    return sim_fault_at(s, SIM_FAULT_INDEX, tb->base, "index %lld at position %lld, limit %lld",
                        (long long)index, (long long)bad, (long long)m->limit);
}

bool sim_exec_VGATHER(struct sim *s, const struct isa_args_VIDX *in)
{
    const struct sim_view *td = &s->t[in->td], *ta = &s->t[in->ta];
    enum vec_form raw = vec_form_raw(td->dtype);
    struct moved m = {.bad = INT64_MAX};
    int64_t elements;
    if (!sim_view_elems(s, td, &elements) || !read_operands(s, in, ta, &m))
        return false;
    if (elements == 0) {
        vec_charge(s, 0, 1);
        return true;
    }
    if (!open_moved(s, ta, &s->t[in->tb], &m, raw, false) || !vec_open(s, &m.other, td, raw, true))
        return false;
    vec_charge(s, elements, 1);
    bool ordered = vec_operands_overlap(s) || vec_is_ordered(s, &m.other, NULL, 0);
    vec_parallel(s, elements, GRAIN, ordered, gather_range, &m);
    return check_indices(s, &s->t[in->tb], &m);
}

bool sim_exec_VSCATTER(struct sim *s, const struct isa_args_VIDX *in)
{
    const struct sim_view *td = &s->t[in->td], *ta = &s->t[in->ta];
    struct moved m = {.bad = INT64_MAX};
    enum vec_form raw = vec_form_raw(td->dtype);
    int64_t elements;
    if (in->comb) {
        m.combine = vec_reducer_of((enum reduce_fn)in->fn, td->dtype);
        if (!m.combine)
            return vec_refuse_type(s, td, reduce_fn_info[in->fn].name);
    }
    enum vec_form update = m.combine ? vec_form_of(td->dtype) : raw;
    if (!sim_view_elems(s, td, &elements) || !read_operands(s, in, td, &m))
        return false;
    if (elements == 0) {
        vec_charge(s, 0, 1);
        return true;
    }
    if (!open_moved(s, td, &s->t[in->tb], &m, m.combine ? m.combine->acc : raw, true) ||
        !vec_open(s, &m.other, ta, update, false))
        return false;
    if (m.combine)
        sim_count_view(s, td, false);
    vec_charge(s, elements, m.combine ? reduce_fn_info[in->fn].cost : 1);
    vec_parallel(s, elements, GRAIN, true, scatter_range, &m);
    return check_indices(s, &s->t[in->tb], &m);
}

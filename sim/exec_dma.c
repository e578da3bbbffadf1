// The DMA channels: copies between strided views, one in DRAM and one in a buffer.
//
// Dimensions that both views lay out one inside the other are merged first, so that a dense tile is
// one memcpy and a tile cut from rows is a memcpy a row. Where a source has borders, their elements
// arrive as the fill value; elements outside a destination's borders are not written.
#include "exec_dma.h"

#include <string.h>

#include "first_use.h"
#include "timeline.h"
#include "transpose.h"

struct copy {
    struct sim_view dst, src; // merged; both of the same extents
    uint8_t *to;
    const uint8_t *from;
    size_t bytes; // of an element
    int pieces;
};

#define PIECE_BYTES 8192

struct interval { // [lo, hi)
    int64_t lo, hi;
};

// ---- Checks
// ------------------------------------------------------------------------------------------

static bool same_shape(struct sim *s, const struct sim_view *td, const struct sim_view *ta)
{
    if (td->dtype != ta->dtype)
        return sim_fault_at(s, SIM_FAULT_TYPE, ta->base, "a transfer from %s to %s",
                            dtype_text(ta->dtype), dtype_text(td->dtype));
    if (td->rank != ta->rank)
        return sim_fault_at(s, SIM_FAULT_VIEW, ta->base, "a transfer from rank %d to rank %d",
                            ta->rank, td->rank);
    for (int d = 0; d < td->rank; d++)
        if (td->extent[d] != ta->extent[d])
            return sim_fault_at(
                s, SIM_FAULT_VIEW, ta->base,
                "dimension %d has extent %lld in the source, %lld in the destination", d,
                (long long)ta->extent[d], (long long)td->extent[d]);
    return true;
}

// The channel's side: which spaces it connects. What lies in no region faults when it is mapped.
static bool right_space(struct sim *s, const struct sim_view *v, enum sim_region_id buffer,
                        bool in_buffer, const char *what)
{
    enum sim_region_id r = sim_view_region(v);
    bool fits = in_buffer ? r == buffer : r <= SIM_REGION_HEAP;
    return fits || r == SIM_REGION_NUM ||
           sim_fault_at(s, SIM_FAULT_OPERAND, v->base, "the %s of this transfer must lie in %s",
                        what,
                        !in_buffer                  ? "DRAM"
                        : buffer == SIM_REGION_WBUF ? "the weight buffer"
                                                    : "the activation buffer");
}

// ---- Copying
// -----------------------------------------------------------------------------------------

static bool nested(const struct sim_view *v, int outer, int inner)
{
    return v->axis[outer] < 0 && v->axis[inner] < 0 &&
           v->stride[outer] == v->stride[inner] * v->extent[inner];
}

static void set_dim(struct sim_view *to, int at, const struct sim_view *from, int d)
{
    to->extent[at] = from->extent[d];
    to->stride[at] = from->stride[d];
    to->axis[at] = from->axis[d];
    to->step[at] = from->step[d];
}

static void merge_dims(struct copy *c, const struct sim_view *td, const struct sim_view *ta)
{
    c->dst = *td;
    c->src = *ta;
    int rank = 0;
    for (int d = 0; d < td->rank; d++) {
        if (td->extent[d] == 1 && td->axis[d] < 0 && ta->axis[d] < 0)
            continue;
        set_dim(&c->dst, rank, td, d);
        set_dim(&c->src, rank, ta, d);
        rank++;
        if (rank < 2 || !nested(&c->dst, rank - 2, rank - 1) ||
            !nested(&c->src, rank - 2, rank - 1))
            continue;
        int64_t merged = c->dst.extent[rank - 2] * c->dst.extent[rank - 1];
        set_dim(&c->dst, rank - 2, &c->dst, rank - 1);
        set_dim(&c->src, rank - 2, &c->src, rank - 1);
        rank--;
        c->dst.extent[rank - 1] = c->src.extent[rank - 1] = merged;
    }
    if (rank == 0) {
        c->dst.extent[0] = c->src.extent[0] = 1;
        c->dst.axis[0] = c->src.axis[0] = -1;
        c->dst.stride[0] = c->src.stride[0] = 1;
        rank = 1;
    }
    c->dst.rank = c->src.rank = rank;
}

static int64_t floor_div(int64_t a, int64_t b) // b > 0
{
    return a >= 0 ? a / b : -((b - 1 - a) / b);
}

// Indices of the last dimension that are inside, given the others.
static struct interval inside(const struct sim_view *v, const int64_t *idx)
{
    int last = v->rank - 1;
    int64_t coord[ISA_MAX_AXES];
    bool used[ISA_MAX_AXES] = {false};
    memcpy(coord, v->origin, sizeof coord);
    for (int d = 0; d < v->rank; d++) {
        if (v->axis[d] < 0)
            continue;
        used[v->axis[d]] = true;
        if (d != last)
            coord[v->axis[d]] += idx[d] * v->step[d];
    }
    struct interval r = {0, v->extent[last]};
    for (int a = 0; a < ISA_MAX_AXES; a++) {
        if (!used[a])
            continue;
        int64_t step = v->axis[last] == a ? v->step[last] : 0, c = coord[a];
        if (step == 0) {
            if (c < 0 || c >= v->limit[a])
                r.hi = 0;
            continue;
        }
        // first index at or past 0 and first at or past the limit; mirrored when the step is
        // negative
        int64_t size = step < 0 ? -step : step;
        int64_t low = step > 0 ? -c : c - v->limit[a] + 1,
                high = step > 0 ? v->limit[a] - c : c + 1;
        if (v->limit[a] > (1ll << 61)) {
            low = step > 0 ? -c : INT64_MIN / 2;
            high = step > 0 ? INT64_MAX / 2 : c + 1;
        }
        int64_t lo = -floor_div(-low, size), hi = -floor_div(-high, size);
        r.lo = lo > r.lo ? lo : r.lo;
        r.hi = hi < r.hi ? hi : r.hi;
    }
    return r.lo < r.hi ? r : (struct interval){0, 0};
}

// Addresses are made from integers: that of index 0 may lie outside the machine's memory.
static inline uint8_t *element(const uint8_t *base, int64_t offset, size_t bytes)
{
    return (uint8_t *)((uintptr_t)base + (uintptr_t)(offset * (int64_t)bytes));
}

#define STRIDED_COPY(size)                                                                         \
    for (int64_t i = 0; i < n; i++)                                                                \
    memcpy(to + i * ds * (size), from + i * ss * (size), (size))

static void copy_run(uint8_t *to, int64_t ds, const uint8_t *from, int64_t ss, int64_t n,
                     size_t bytes)
{
    if (ds == 1 && ss == 1) {
        memcpy(to, from, (size_t)n * bytes);
        return;
    }
    switch (bytes) {
    case 1: STRIDED_COPY(1); break;
    case 2: STRIDED_COPY(2); break;
    case 4: STRIDED_COPY(4); break;
    case 8: STRIDED_COPY(8); break;
    default: STRIDED_COPY(16); break;
    }
}

static void fill_run(uint8_t *to, int64_t ds, uint64_t fill, int64_t n, size_t bytes)
{
    uint64_t value[2] = {fill, 0};
    for (int64_t i = 0; i < n; i++)
        memcpy(to + i * ds * (int64_t)bytes, value, bytes);
}

static void copy_row(const struct copy *c, const int64_t *idx)
{
    int last = c->dst.rank - 1;
    int64_t to = 0, from = 0;
    for (int d = 0; d < last; d++) {
        to += idx[d] * c->dst.stride[d];
        from += idx[d] * c->src.stride[d];
    }
    int64_t ds = c->dst.stride[last], ss = c->src.stride[last];
    struct interval w = inside(&c->dst, idx),
                    r = c->from ? inside(&c->src, idx) : (struct interval){0, 0};
    int64_t lo = r.lo < w.lo ? w.lo : r.lo > w.hi ? w.hi : r.lo;
    int64_t hi = r.hi > w.hi ? w.hi : r.hi < lo ? lo : r.hi;
    if (lo > w.lo)
        fill_run(element(c->to, to + w.lo * ds, c->bytes), ds, c->src.fill, lo - w.lo, c->bytes);
    if (hi > lo)
        copy_run(element(c->to, to + lo * ds, c->bytes), ds,
                 element(c->from, from + lo * ss, c->bytes), ss, hi - lo, c->bytes);
    if (w.hi > hi)
        fill_run(element(c->to, to + hi * ds, c->bytes), ds, c->src.fill, w.hi - hi, c->bytes);
}

// Indices lo .. hi - 1 of dimension `d` and all of those behind it, without borders.
static void copy_plain(const struct copy *c, int d, int64_t lo, int64_t hi, uint8_t *to,
                       const uint8_t *from)
{
    int64_t ds = c->dst.stride[d], ss = c->src.stride[d];
    to = element(to, lo * ds, c->bytes);
    from = element(from, lo * ss, c->bytes);
    if (d == c->dst.rank - 1) {
        copy_run(to, ds, from, ss, hi - lo, c->bytes);
        return;
    }
    for (int64_t i = 0; i < hi - lo; i++)
        copy_plain(c, d + 1, 0, c->dst.extent[d + 1], element(to, i * ds, c->bytes),
                   element(from, i * ss, c->bytes));
}

// Part `piece` of c->pieces along the outermost dimension.
static void copy_piece(void *user, int piece, int worker)
{
    const struct copy *c = user;
    int64_t n = c->dst.extent[0], lo = n * piece / c->pieces, hi = n * (piece + 1) / c->pieces;
    (void)worker;
    copy_plain(c, 0, lo, hi, c->to, c->from);
}

static void copy_views(const struct copy *c)
{
    int64_t idx[ISA_MAX_RANK] = {0};
    int d;
    do {
        copy_row(c, idx);
        for (d = c->dst.rank - 2; d >= 0; d--) {
            if (++idx[d] < c->dst.extent[d])
                break;
            idx[d] = 0;
        }
    } while (d >= 0);
}

// ---- Transfers that wait
// ------------------------------------------------------------------------------------

#define MAX_WAITING 16

struct waiting {
    struct copy copy;
    struct sim_touch touch[2];
    int num_touch;
};

struct dma_queue {
    int num, pieces;
    struct waiting job[MAX_WAITING];
};

void dma_create(struct sim *s)
{
    s->dma = ARENA_NEW(s->arena, struct dma_queue);
}

int dma_pieces(const struct sim *s)
{
    return s->dma->pieces;
}

void dma_piece(void *user, int piece, int worker)
{
    struct sim *s = user;
    struct waiting *j = s->dma->job;
    for (; piece >= j->copy.pieces; j++)
        piece -= j->copy.pieces;
    copy_piece(&j->copy, piece, worker);
}

void dma_done(struct sim *s)
{
    s->dma->num = s->dma->pieces = 0;
}

void dma_settle(struct sim *s)
{
    if (!s->dma || s->dma->num == 0)
        return;
    thread_pool_run(s->pool, s->dma->pieces, dma_piece, s);
    dma_done(s);
}

void dma_settle_for(struct sim *s, uint64_t lo, uint64_t hi, bool write)
{
    const struct dma_queue *q = s->dma;
    for (int i = 0; q && i < q->num; i++)
        for (int k = 0; k < q->job[i].num_touch; k++) {
            const struct sim_touch *t = &q->job[i].touch[k];
            if (t->lo < hi && lo < t->hi && (write || t->write)) {
                dma_settle(s);
                return;
            }
        }
}

// The instruction being executed has touched what it copies, and nothing else.
static void wait_with(struct sim *s, const struct copy *c)
{
    struct dma_queue *q = s->dma;
    if (q->num == MAX_WAITING)
        dma_settle(s);
    if (s->num_touch > 2)
        bitlet_bug("a transfer touches %d ranges", s->num_touch);
    struct waiting *j = &q->job[q->num++];
    q->pieces += c->pieces;
    j->copy = *c;
    j->num_touch = s->num_touch;
    memcpy(j->touch, s->touch, (size_t)s->num_touch * sizeof *s->touch);
}

// ---- Instructions
// ------------------------------------------------------------------------------------

// Of a transfer to the weight buffer: whence, when it is one dense run.
static void note_weights(struct sim *s, const struct copy *c, const struct sim_view *ta)
{
    bool dense = c->dst.rank == 1 && c->dst.stride[0] == 1 && c->src.stride[0] == 1 &&
                 c->dst.axis[0] < 0 && c->src.axis[0] < 0;
    if (dense)
        first_use_loaded(s->first_use, c->to, ta->base, (uint64_t)c->dst.extent[0] * c->bytes);
    else
        first_use_loaded(s->first_use, s->region[SIM_REGION_WBUF].host, 0,
                         s->region[SIM_REGION_WBUF].bytes);
}

// Pieces that threads may copy side by side, which are worth it.
static int pieces_of(const struct sim *s, const struct copy *c, int64_t bytes)
{
    int64_t pieces = 2 * thread_pool_size(s->pool), outer = c->dst.extent[0];
    pieces = bytes / PIECE_BYTES < pieces ? bytes / PIECE_BYTES : pieces;
    pieces = outer < pieces ? outer : pieces;
    return pieces < 2 || !sim_view_disjoint(&c->dst) ? 1 : (int)pieces;
}

static void copy_all(struct sim *s, struct copy *c, int64_t bytes)
{
    struct transpose t;
    if (transpose_fits(&c->dst, c->to, &c->src, c->from, &t))
        thread_pool_run(s->pool, (int)t.pieces, transpose_piece, &t);
    else if (c->from && !sim_view_has_axes(&c->dst) && !sim_view_has_axes(&c->src)) {
        c->pieces = pieces_of(s, c, bytes);
        if (thread_pool_size(s->pool) > 1 && !s->predict)
            wait_with(s, c);
        else
            thread_pool_run(s->pool, c->pieces, copy_piece, c);
    } else
        copy_views(c);
}

static bool transfer(struct sim *s, const struct isa_args_DMA *in, enum sim_region_id buffer,
                     bool load, double gbs)
{
    const struct sim_view *td = &s->t[in->td], *ta = &s->t[in->ta];
    uint8_t *to, *from;
    if (!same_shape(s, td, ta) || !right_space(s, td, buffer, load, "destination") ||
        !right_space(s, ta, buffer, !load, "source") || !sim_view_map(s, ta, false, &from) ||
        !sim_view_map(s, td, true, &to))
        return false;
    sim_count_view(s, ta, false);
    sim_count_view(s, td, true);
    int64_t bytes = load ? s->cost.dram_read : s->cost.dram_write;
    s->cost.cycles = s->machine.dma_latency + timeline_transfer(&s->machine, gbs, bytes);
    if (!to)
        return true;
    struct copy c = {.to = to, .from = from, .bytes = dtype_bytes(td->dtype)};
    merge_dims(&c, td, ta);
    // A prediction needs the bits of stationary weights alone.
    if (!s->predict || buffer == SIM_REGION_WBUF)
        copy_all(s, &c, bytes);
    if (buffer == SIM_REGION_WBUF)
        note_weights(s, &c, ta);
    return true;
}

bool sim_exec_LDW(struct sim *s, const struct isa_args_DMA *in)
{
    return transfer(s, in, SIM_REGION_WBUF, true, s->machine.dma_weight_gbs);
}

bool sim_exec_LDA(struct sim *s, const struct isa_args_DMA *in)
{
    return transfer(s, in, SIM_REGION_ABUF, true, s->machine.dma_act_gbs);
}

bool sim_exec_STA(struct sim *s, const struct isa_args_DMA *in)
{
    return transfer(s, in, SIM_REGION_ABUF, false, s->machine.dma_act_gbs);
}

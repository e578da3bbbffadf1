// VRED and VSCAN.
//
// A reduction runs over the operand's kept dimensions (one result each) and its reduced ones. Two
// loop orders give the same values, because each result takes its elements in index order in both:
//   by column: a block of results at a time; for each point of the reduced dimensions one stream
//   over the kept ones.
//     Good where neighbouring results read neighbouring elements: pooling windows, leading axes.
//   by row: VEC_ROWS results at a time, each with its stream over the reduced dimensions. Good for
//   long dense rows.
// Threads share out the results, never the elements of one.
#include "vec_cost.h"
#include "vec_fn.h"
#include "vec_loop.h"

#define GRAIN 4096
#define ROW_CHUNK 256
#define MIN_ROW 16 // reduced elements that are worth a stream of their own

struct fold {
    struct vec_stream run;  // kept dimensions by column, reduced ones by row
    struct vec_space space; // the others
    struct vec_stream out;
    int64_t length; // elements behind one result
    bool masked;    // elements outside are left out; only finders need to know
    const struct vec_reducer *reducer;
    const struct vec_finder *finder;
    _Alignas(16) uint8_t identity[VEC_MAX_FORM_BYTES]; // first running value, in its form
};

// ---- Values
// ------------------------------------------------------------------------------------------

static void fold_columns(void *user, int64_t lo, int64_t hi)
{
    const struct fold *f = user;
    struct vec_stream at = f->run, out = f->out;
    _Alignas(64) uint64_t acc[VEC_BLOCK], buf[VEC_BLOCK];
    vec_load *repeat = vec_repeater(f->reducer->acc);
    vec_seek(&out, lo);
    for (int64_t n; lo < hi; lo += n) {
        struct vec_point p;
        n = hi - lo < VEC_BLOCK ? hi - lo : VEC_BLOCK;
        repeat(acc, f->identity, 0, n);
        vec_seek(&at, lo);
        vec_point_seek(&f->space, &p, 0);
        for (int64_t r = 0; r < f->space.count; r++) {
            struct vec_stream st = at;
            vec_shift(&st, &p);
            f->reducer->step(acc, vec_read(&st, buf, n), n);
            vec_point_next(&f->space, &p);
        }
        vec_write(&out, acc, n);
    }
}

// Streams of the next results, at most VEC_ROWS; p moves on.
static int open_rows(const struct fold *f, struct vec_stream *st, struct vec_point *p, int64_t left)
{
    int num = left < VEC_ROWS ? (int)left : VEC_ROWS;
    for (int k = 0; k < num; k++) {
        st[k] = f->run;
        vec_shift(&st[k], p);
        vec_point_next(&f->space, p);
    }
    return num;
}

static void fold_rows(void *user, int64_t lo, int64_t hi)
{
    const struct fold *f = user;
    struct vec_stream st[VEC_ROWS], out = f->out;
    struct vec_point p;
    _Alignas(64) uint64_t acc[VEC_ROWS], buf[VEC_ROWS][ROW_CHUNK];
    const size_t size = vec_form_bytes(f->reducer->acc);
    vec_seek(&out, lo);
    vec_point_seek(&f->space, &p, lo);
    for (int num; lo < hi; lo += num) {
        num = open_rows(f, st, &p, hi - lo);
        vec_repeater(f->reducer->acc)(acc, f->identity, 0, VEC_ROWS);
        for (int64_t i = 0, n; i < f->length; i += n) {
            const void *row[VEC_ROWS];
            n = f->length - i < ROW_CHUNK ? f->length - i : ROW_CHUNK;
            for (int k = 0; k < num; k++)
                row[k] = vec_read(&st[k], buf[k], n);
            if (num == VEC_ROWS)
                f->reducer->rows(acc, row, n);
            else
                for (int k = 0; k < num; k++)
                    f->reducer->row((uint8_t *)acc + (size_t)k * size, row[k], n);
        }
        vec_write(&out, acc, num);
    }
}

// ---- Positions
// ---------------------------------------------------------------------------------------

static const uint8_t *inside_mask(const struct fold *f, const struct vec_stream *st, uint8_t *mask,
                                  int64_t n)
{
    struct vec_stream twin = *st;
    if (f->masked)
        vec_read_inside(&twin, mask, n);
    return mask;
}

// A result that saw no element is 0.
static void write_positions(struct vec_stream *out, int64_t *where, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        where[i] = where[i] < 0 ? 0 : where[i];
    vec_write(out, where, n);
}

static void find_columns(void *user, int64_t lo, int64_t hi)
{
    const struct fold *f = user;
    struct vec_stream at = f->run, out = f->out;
    _Alignas(64) uint64_t best[VEC_BLOCK], buf[VEC_BLOCK];
    _Alignas(64) int64_t where[VEC_BLOCK];
    uint8_t mask[VEC_BLOCK];
    memset(mask, 1, sizeof mask);
    vec_seek(&out, lo);
    for (int64_t n; lo < hi; lo += n) {
        struct vec_point p;
        n = hi - lo < VEC_BLOCK ? hi - lo : VEC_BLOCK;
        memset(best, 0, sizeof best);
        memset(where, 0xff, sizeof where);
        vec_seek(&at, lo);
        vec_point_seek(&f->space, &p, 0);
        for (int64_t r = 0; r < f->space.count; r++) {
            struct vec_stream st = at;
            vec_shift(&st, &p);
            const uint8_t *inside = inside_mask(f, &st, mask, n);
            f->finder->step(best, where, vec_read(&st, buf, n), inside, n, r);
            vec_point_next(&f->space, &p);
        }
        write_positions(&out, where, n);
    }
}

static void find_rows(void *user, int64_t lo, int64_t hi)
{
    const struct fold *f = user;
    struct vec_stream st, out = f->out;
    struct vec_point p;
    _Alignas(64) uint64_t buf[VEC_BLOCK];
    uint8_t mask[VEC_BLOCK];
    memset(mask, 1, sizeof mask);
    vec_seek(&out, lo);
    vec_point_seek(&f->space, &p, lo);
    for (; lo < hi; lo++) {
        uint64_t best = 0;
        int64_t where = -1;
        st = f->run;
        vec_shift(&st, &p);
        vec_point_next(&f->space, &p);
        for (int64_t i = 0, n; i < f->length; i += n) {
            n = f->length - i < VEC_BLOCK ? f->length - i : VEC_BLOCK;
            const uint8_t *inside = inside_mask(f, &st, mask, n);
            f->finder->row(&best, &where, vec_read(&st, buf, n), inside, n, i);
        }
        write_positions(&out, &where, 1);
    }
}

// ---- VRED
// --------------------------------------------------------------------------------------------

static bool check_reduction(struct sim *s, const struct sim_view *td, const struct sim_view *ta)
{
    if (td->rank != ta->rank)
        return sim_fault_at(s, SIM_FAULT_VIEW, td->base, "operands of ranks %d and %d", td->rank,
                            ta->rank);
    for (int d = 0; d < ta->rank; d++)
        if (td->extent[d] != ta->extent[d] && td->extent[d] != 1)
            return sim_fault_at(s, SIM_FAULT_VIEW, td->base, "dimension %d: %lld reduced to %lld",
                                d, (long long)ta->extent[d], (long long)td->extent[d]);
    return true;
}

// The operand without its reduced (or its kept) dimensions, and without the axes that cannot lead
// outside.
static struct sim_view part_of(const struct sim_view *ta, const struct sim_view *td, bool reduced,
                               unsigned axes)
{
    struct sim_view v = *ta;
    for (int d = 0; d < v.rank; d++) {
        if ((td->extent[d] != ta->extent[d]) != reduced) {
            v.extent[d] = 1;
            v.stride[d] = 0;
            v.axis[d] = -1;
        } else if (v.axis[d] >= 0 && !(axes >> v.axis[d] & 1)) {
            v.axis[d] = -1;
        }
    }
    return v;
}

static int64_t last_extent(const struct vec_stream *st)
{
    return st->extent[st->rank - 1];
}

static int64_t last_stride(const struct vec_stream *st)
{
    int64_t x = st->stride[st->rank - 1];
    return x < 0 ? -x : x;
}

// Which of the two streams is the inner loop's; see the head of the file.
static bool prefers_rows(const struct vec_stream *kept, const struct vec_stream *reduced,
                         int64_t length)
{
    if (last_extent(reduced) < MIN_ROW || length < 2 * MIN_ROW)
        return false;
    return last_extent(kept) < VEC_ROWS || last_stride(reduced) < last_stride(kept);
}

static int64_t view_length(const struct sim_view *v)
{
    int64_t n = 1;
    for (int d = 0; d < v->rank; d++)
        n *= v->extent[d];
    return n;
}

static bool plan_loops(struct fold *f, const struct sim_view *td, const struct sim_view *ta,
                       uint8_t *host, enum vec_form form)
{
    unsigned axes = vec_bounding_axes(ta);
    struct sim_view kept = part_of(ta, td, false, axes), reduced = part_of(ta, td, true, axes);
    struct vec_stream by_column, by_row;
    vec_stream_init(&by_column, &kept, host, form, axes);
    vec_stream_init(&by_row, &reduced, host, form, axes);
    f->length = view_length(&reduced);
    bool rows = prefers_rows(&by_column, &by_row, f->length);
    f->run = rows ? by_row : by_column;
    vec_space_init(&f->space, rows ? &kept : &reduced);
    return rows;
}

static bool choose_function(struct sim *s, struct fold *f, enum reduce_fn fn,
                            const struct sim_view *td, const struct sim_view *ta, bool skip)
{
    f->finder = vec_finder_of(fn, ta->dtype);
    f->reducer = f->finder ? NULL : vec_reducer_of(fn, ta->dtype);
    if (!f->finder && !f->reducer)
        return vec_refuse_type(s, ta, reduce_fn_info[fn].name);
    if (td->dtype != (f->finder ? DT_I64 : ta->dtype))
        return vec_refuse_type(s, td, "the result's type does not fit the function");
    f->masked = f->finder && skip;
    if (f->reducer)
        vec_identity(fn, ta->dtype, f->reducer->acc, f->identity);
    return true;
}

bool sim_exec_VRED(struct sim *s, const struct isa_args_VRED *in)
{
    const struct sim_view *td = &s->t[in->td], *ta = &s->t[in->ta];
    const enum reduce_fn fn = (enum reduce_fn)in->fn;
    const enum vec_form form = vec_form_of(ta->dtype);
    struct fold f;
    int64_t elements, results;
    uint8_t *host;
    if (!check_reduction(s, td, ta) || !choose_function(s, &f, fn, td, ta, in->skip != 0) ||
        !sim_view_elems(s, ta, &elements) || !sim_view_elems(s, td, &results) ||
        !sim_view_map(s, ta, false, &host) ||
        !vec_open(s, &f.out, td, f.finder ? VEC_I64 : f.reducer->acc, true))
        return false;
    sim_count_view(s, ta, false);
    vec_charge(s, elements, reduce_fn_info[fn].cost);
    if (results == 0)
        return true;
    bool rows = plan_loops(&f, td, ta, host, form);
    // Leaving elements out is reading the value that changes nothing.
    if (in->skip && f.reducer)
        vec_identity(fn, ta->dtype, form, f.run.fill);
    int64_t grain = GRAIN / (f.length > 0 ? f.length : 1);
    int64_t least = rows ? VEC_ROWS : 16 * VEC_ROWS;
    bool ordered = vec_is_ordered(s, &f.out, NULL, 0) || vec_operands_overlap(s);
    vec_parallel(s, results, grain < least ? least : grain / VEC_ROWS * VEC_ROWS, ordered,
                 f.finder ? rows ? find_rows : find_columns : (rows ? fold_rows : fold_columns),
                 &f);
    return true;
}

// ---- VSCAN
// -------------------------------------------------------------------------------------------

struct scan {
    struct vec_stream in, out;
    const struct vec_reducer *reducer;
    int64_t length; // of a row
    bool exclusive;
    _Alignas(16) uint8_t identity[VEC_MAX_FORM_BYTES];
};

static void scan_rows(void *user, int64_t lo, int64_t hi)
{
    const struct scan *sc = user;
    struct vec_stream in = sc->in, out = sc->out;
    _Alignas(64) uint64_t buf[VEC_BLOCK], running[VEC_BLOCK];
    vec_seek(&in, lo * sc->length);
    vec_seek(&out, lo * sc->length);
    for (; lo < hi; lo++) {
        uint64_t acc;
        memcpy(&acc, sc->identity, sizeof acc);
        for (int64_t i = 0, n; i < sc->length; i += n) {
            n = sc->length - i < VEC_BLOCK ? sc->length - i : VEC_BLOCK;
            sc->reducer->scan(&acc, running, vec_read(&in, buf, n), n, sc->exclusive);
            vec_write(&out, running, n);
        }
    }
}

// The last dimension from its end. The view is mapped and not empty, so nothing overflows.
static void reverse_last(struct sim_view *v, uint8_t **host)
{
    if (v->rank == 0)
        return;
    int d = v->rank - 1;
    int64_t far = v->extent[d] - 1;
    *host = (uint8_t *)((uintptr_t)*host +
                        (uintptr_t)(far * v->stride[d] * (int64_t)dtype_bytes(v->dtype)));
    v->stride[d] = -v->stride[d];
    if (v->axis[d] >= 0) {
        v->origin[v->axis[d]] += far * v->step[d];
        v->step[d] = -v->step[d];
    }
}

static bool open_scanned(struct sim *s, struct vec_stream *st, const struct sim_view *v,
                         enum vec_form form, bool reverse, bool write)
{
    struct sim_view run = *v;
    uint8_t *host;
    if (!sim_view_map(s, v, write, &host))
        return false;
    sim_count_view(s, v, write);
    if (reverse)
        reverse_last(&run, &host);
    vec_stream_init(st, &run, host, form, vec_bounding_axes(&run));
    return true;
}

bool sim_exec_VSCAN(struct sim *s, const struct isa_args_VSCAN *in)
{
    const struct sim_view *td = &s->t[in->td], *ta = &s->t[in->ta];
    const enum reduce_fn fn = (enum reduce_fn)in->fn;
    struct scan sc = {.reducer = vec_reducer_of(fn, ta->dtype), .exclusive = in->excl != 0};
    int64_t elements;
    if (!sc.reducer)
        return vec_refuse_type(s, ta, reduce_fn_info[fn].name);
    if (td->dtype != ta->dtype)
        return vec_refuse_type(s, td, "a scan into another type");
    if (!vec_same_extents(s, td, ta) || !sim_view_elems(s, td, &elements))
        return false;
    bool reverse = in->rev != 0 && elements > 0;
    if (!open_scanned(s, &sc.in, ta, vec_form_of(ta->dtype), reverse, false) ||
        !open_scanned(s, &sc.out, td, sc.reducer->acc, reverse, true))
        return false;
    vec_identity(fn, ta->dtype, sc.reducer->acc, sc.identity);
    vec_charge(s, elements, reduce_fn_info[fn].cost);
    if (elements == 0)
        return true;
    sc.length = td->rank > 0 ? td->extent[td->rank - 1] : 1;
    int64_t grain = GRAIN / sc.length;
    vec_parallel(s, elements / sc.length, grain < 1 ? 1 : grain,
                 vec_is_ordered(s, &sc.out, &sc.in, 1), scan_rows, &sc);
    return true;
}

// Movement by operands known only at run time. Where the result is the operand in another shape,
// only checks are added; Slice and Pad compute where every position of a dimension comes from, and
// gather along one dimension after the other.
#include "import_runtime.h"

#include "import_open.h"

#include <string.h>

static const char declared[] = "the extents that the model declares for the result";

static struct ir_value *equals(struct import_node *n, struct ir_value *v, int64_t to)
{
    return irb_binary(&n->b, BFN_eq, v, node_i64(n, to));
}

static struct ir_value *both(struct import_node *n, struct ir_value *a, struct ir_value *b)
{
    return irb_binary(&n->b, BFN_and, a, b);
}

static struct ir_value *either(struct import_node *n, struct ir_value *a, struct ir_value *b)
{
    return irb_binary(&n->b, BFN_or, a, b);
}

static struct ir_value *const_bools(struct import_node *n, const bool *v, int count)
{
    struct tensor *t = tensor_create(n->arena, DT_BOOL, &(int64_t){count}, 1);
    for (int i = 0; i < count; i++)
        ((uint8_t *)t->data)[i] = v[i];
    return irb_const(&n->b, t, NULL);
}

// ---- Other shapes of the same elements

// The one extent that is not declared follows from the number of elements.
static bool complete(struct import_node *n, struct ir_type *t)
{
    int64_t known = 1, elems = ir_type_elems(&n->in[0]->type);
    int missing = -1, num = 0;
    for (int i = 0; i < t->rank; i++) {
        if (t->dim[i] < 0) {
            missing = i;
            num++;
        } else if (t->dim[i] > 0 && known > INT64_MAX / t->dim[i]) {
            return false;
        } else {
            known *= t->dim[i];
        }
    }
    if (num == 1 && known > 0 && elems % known == 0)
        t->dim[missing] = elems / known;
    return num == 0 || (num == 1 && t->dim[missing] >= 0);
}

bool runtime_reshape_fits(struct import_node *n)
{
    struct ir_type t;
    return node_declared(n, 0, &t) && complete(n, &t);
}

bool runtime_reshape(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    struct ir_value *s = node_vector(n, 1);
    struct ir_type t;
    bool allow_zero = node_int(n, "allowzero", 0) != 0, copies[IR_MAX_RANK];
    int64_t first = 0;
    if (!s)
        return false;
    if (!node_declared(n, 0, &t) || !complete(n, &t))
        return node_report_dynamic(n, 1);
    if (s->type.dim[0] != t.rank)
        return node_error(n, DIAG_ONNX_SHAPE, "the shape has %lld elements, declared is %s",
                          (long long)s->type.dim[0], ir_type_text(&t, n->arena));
    if (t.rank > 0) {
        for (int i = 0; i < t.rank; i++)
            copies[i] = !allow_zero && i < x->rank && x->dim[i] == t.dim[i];
        struct ir_value *inferred = equals(n, s, -1);
        struct ir_value *ok = irb_binary(&n->b, BFN_eq, s, irb_const_i64s(&n->b, t.dim, t.rank));
        ok = either(n, ok, both(n, equals(n, s, 0), const_bools(n, copies, t.rank)));
        ok = either(n, ok, inferred);
        struct ir_value *count =
            irb_reduce(&n->b, RFN_sum, node_convert(n, inferred, DT_I64), &first, 1, false);
        if (!node_check(n, ok, 1, declared) ||
            !node_check(n, irb_binary(&n->b, BFN_le, count, node_i64(n, 1)), 1,
                        "the rule that one extent at most is -1"))
            return false;
    }
    return node_bind(n, 0, irb_reshape(&n->b, n->in[0], t.dim, t.rank));
}

// The shapes of x without (Squeeze) or of the result without (Unsqueeze) sets of axes of extent 1.
// Keeps the sets that give `want` (NULL: any); false when they do not agree on the rest.
static bool sets_removing(struct axes_sets *s, const struct ir_type *from, int count,
                          const struct ir_type *want, int64_t *rest)
{
    struct axes_sets all;
    axes_sets_all(&all, from->rank, count);
    s->num = 0;
    for (int k = 0; k < all.num; k++) {
        int64_t dim[IR_MAX_RANK];
        int rank = 0;
        bool fits = true;
        for (int i = 0; i < from->rank; i++)
            if (!(all.mask[k] >> i & 1))
                dim[rank++] = from->dim[i];
            else
                fits &= from->dim[i] == 1;
        if (!fits || (want && (want->rank != rank ||
                               memcmp(want->dim, dim, (size_t)rank * sizeof(*dim)) != 0)))
            continue;
        if (s->num > 0 && memcmp(rest, dim, (size_t)rank * sizeof(*dim)) != 0)
            return false;
        memcpy(rest, dim, sizeof(dim));
        s->mask[s->num++] = all.mask[k];
    }
    return true;
}

static bool all_declared(const struct ir_type *t)
{
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] < 0)
            return false;
    return true;
}

bool runtime_squeeze(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    struct ir_value *axes = node_vector(n, 1);
    struct ir_type t;
    struct axes_sets sets;
    int64_t dim[IR_MAX_RANK];
    if (!axes)
        return false;
    int count = axes->type.dim[0] > x->rank ? x->rank + 1 : (int)axes->type.dim[0];
    bool known = node_declared(n, 0, &t) && all_declared(&t);
    if (ir_type_is_dynamic(x))
        return open_squeeze(n);
    if (!sets_removing(&sets, x, count, known ? &t : NULL, dim))
        return open_squeeze(n);
    return node_check_mask(n, node_axes_mask(n, 1, x->rank), &sets, 1) &&
           node_bind(n, 0, irb_reshape(&n->b, n->in[0], dim, x->rank - count));
}

bool runtime_unsqueeze(struct import_node *n)
{
    struct ir_value *axes = node_vector(n, 1);
    struct ir_type t;
    struct axes_sets sets;
    int64_t dim[IR_MAX_RANK];
    if (!axes)
        return false;
    if (ir_type_is_dynamic(&n->in[0]->type) || !node_declared_whole(n, 0, &t))
        return open_unsqueeze(n);
    int count = axes->type.dim[0] > t.rank ? t.rank + 1 : (int)axes->type.dim[0];
    sets_removing(&sets, &t, count, &n->in[0]->type, dim);
    return node_check_mask(n, node_axes_mask(n, 1, t.rank), &sets, 1) &&
           node_bind(n, 0, irb_reshape(&n->b, n->in[0], t.dim, t.rank));
}

// ---- Repetition

bool runtime_expand(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    struct ir_value *s = node_vector(n, 1);
    struct ir_type t;
    bool copies[IR_MAX_RANK];
    if (!s || !node_expect(n, 0, 1, &t))
        return false;
    int count = (int)s->type.dim[0], first = t.rank - count;
    if (t.rank != (count > x->rank ? count : x->rank))
        return node_error(n, DIAG_ONNX_SHAPE, "%s cannot expand by %d extents to the declared %s",
                          ir_type_text(x, n->arena), count, ir_type_text(&t, n->arena));
    for (int i = 0; i < count; i++) {
        int from = first + i - (t.rank - x->rank);
        copies[i] = (from >= 0 ? x->dim[from] : 1) == t.dim[first + i];
    }
    if (count > 0) {
        struct ir_value *ok =
            irb_binary(&n->b, BFN_eq, s, irb_const_i64s(&n->b, t.dim + first, count));
        ok = either(n, ok, both(n, equals(n, s, 1), const_bools(n, copies, count)));
        if (!node_check(n, ok, 1, declared))
            return false;
    }
    return node_bind(n, 0, irb_broadcast(&n->b, n->in[0], t.dim, t.rank));
}

bool runtime_tile(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    struct ir_value *s = node_vector(n, 1), *y = n->in[0];
    struct ir_type t;
    if (!s)
        return false;
    if (!node_declared_whole(n, 0, &t))
        return open_tile(n);
    if (t.rank != x->rank || s->type.dim[0] != x->rank)
        return node_error(n, DIAG_ONNX_SHAPE, "%lld repeats for %s, declared is %s",
                          (long long)s->type.dim[0], ir_type_text(x, n->arena),
                          ir_type_text(&t, n->arena));
    struct ir_value *grown = irb_binary(&n->b, BFN_mul, s, irb_const_i64s(&n->b, x->dim, x->rank));
    if (x->rank > 0 && !node_check_equal(n, grown, t.dim, t.rank, 1, declared))
        return false;
    for (int i = 0; i < x->rank; i++) {
        if (t.dim[i] == x->dim[i])
            continue;
        struct ir_value *at = node_iota(n, t.dim[i], 1);
        y = node_pick(n, y, i, irb_binary(&n->b, BFN_mod, at, node_i64(n, x->dim[i])), NULL);
    }
    return node_bind(n, 0, y);
}

const int64_t *runtime_shape(struct import_node *n, int *rank)
{
    struct ir_type t;
    if (!node_expect(n, 0, 0, &t) ||
        !node_check_equal(n, node_vector(n, 0), t.dim, t.rank, 0, declared))
        return NULL;
    *rank = t.rank;
    return arena_memdup(n->arena, t.dim, sizeof(t.dim));
}

// ---- Split

bool runtime_split_fits(struct import_node *n, int64_t axis)
{
    int unknown = 0;
    for (int i = 0; i < n->num_out; i++) {
        struct ir_type t;
        unknown += !(node_declared(n, i, &t) && axis < t.rank && t.dim[axis] >= 0);
    }
    return unknown <= 1;
}

const int64_t *runtime_split_sizes(struct import_node *n, int64_t axis, int *count)
{
    int64_t *sizes = ARENA_ARRAY(n->arena, (size_t)n->num_out, int64_t), sum = 0;
    int64_t extent = n->in[0]->type.dim[axis];
    int unknown = -1;
    for (int i = 0; i < n->num_out; i++) {
        struct ir_type t;
        bool known = node_declared(n, i, &t) && axis < t.rank && t.dim[axis] >= 0;
        sizes[i] = known ? t.dim[axis] : 0;
        sum += sizes[i];
        unknown = known ? unknown : i;
    }
    if (unknown >= 0 && sum <= extent)
        sizes[unknown] = extent - sum;
    *count = n->num_out;
    return node_check_equal(n, node_vector(n, 1), sizes, *count, 1, declared) ? sizes : NULL;
}

// ---- Operands that name some axes

// v[k] of the k that names the axis, `other` for axes that none names: a vector over all axes.
// hits[axis][k]: k names the axis.
static struct ir_value *over_axes(struct import_node *n, struct ir_value *hits, struct ir_value *v,
                                  int64_t other)
{
    int64_t last = 1;
    struct ir_value *zero = node_i64(n, 0);
    struct ir_value *sum =
        irb_reduce(&n->b, RFN_sum, irb_select(&n->b, hits, v, zero), &last, 1, false);
    struct ir_value *named = irb_reduce(&n->b, RFN_or, hits, &last, 1, false);
    return irb_select(&n->b, named, sum, node_i64(n, other));
}

// Operand i holds axes; absent: 0, 1, .. count - 1. Checks that none stands twice.
static struct ir_value *axes_hits(struct import_node *n, int i, int count, int rank)
{
    struct ir_value *axes = node_iota(n, count, 1), *all = node_iota(n, rank, 1);
    int64_t column[2] = {rank, 1};
    if (node_in(n, i)) {
        struct axes_sets sets;
        axes_sets_all(&sets, rank, count);
        axes = node_vector(n, i);
        if (!axes || !node_check_mask(n, node_axes_mask(n, i, rank), &sets, i))
            return NULL;
        if (axes->type.dim[0] != count) {
            node_error(n, DIAG_ONNX_SHAPE, "%lld axes for %d positions",
                       (long long)axes->type.dim[0], count);
            return NULL;
        }
        axes = irb_select(&n->b, irb_binary(&n->b, BFN_lt, axes, node_i64(n, 0)),
                          irb_binary(&n->b, BFN_add, axes, node_i64(n, rank)), axes);
    }
    return irb_binary(&n->b, BFN_eq, irb_reshape(&n->b, all, column, 2), axes);
}

// Whether no element of hits, which may be known when compiling, names the axis.
static bool never_named(struct import_node *n, struct ir_value *hits, int axis)
{
    const struct tensor *t = ir_fold_value(hits, 4096, n->arena, n->diag);
    int64_t count = t ? t->dim[1] : 1;
    for (int64_t k = 0; k < count; k++)
        if (!t || ((const uint8_t *)t->data)[axis * count + k])
            return false;
    return true;
}

// ---- Slice

struct slice_vectors { // over all axes
    struct ir_value *start, *end, *step, *size;
};

// A position, counted from the end when negative, limited to what the step can reach.
static struct ir_value *reach(struct import_node *n, struct ir_value *v, struct ir_value *extent,
                              struct ir_value *back)
{
    struct ir_builder *b = &n->b;
    struct ir_value *zero = node_i64(n, 0), *minus = node_i64(n, -1);
    struct ir_value *below = irb_binary(b, BFN_lt, v, zero);
    v = irb_select(b, below, irb_binary(b, BFN_add, v, extent), v);
    struct ir_value *last = irb_binary(b, BFN_sub, extent, node_i64(n, 1));
    return irb_select(b, back, node_clamp(n, v, minus, last), node_clamp(n, v, zero, extent));
}

static void slice_sizes(struct import_node *n, struct slice_vectors *s, struct ir_value *extent)
{
    struct ir_builder *b = &n->b;
    struct ir_value *zero = node_i64(n, 0), *one = node_i64(n, 1);
    struct ir_value *back = irb_binary(b, BFN_lt, s->step, zero);
    s->start = reach(n, s->start, extent, back);
    s->end = reach(n, s->end, extent, back);
    // ceil((end - start) / step), both of one sign
    struct ir_value *span = irb_binary(b, BFN_sub, s->end, s->start);
    span = irb_select(b, back, irb_unary(b, UFN_neg, span), span);
    struct ir_value *stride = irb_unary(b, UFN_abs, s->step);
    struct ir_value *size = irb_binary(
        b, BFN_add, irb_binary(b, BFN_div, irb_binary(b, BFN_sub, span, one), stride), one);
    s->size = irb_select(b, irb_binary(b, BFN_le, span, zero), zero, size);
}

struct ir_value *runtime_slice_by(struct import_node *n, struct ir_value *x, int axis,
                                  int64_t start, int64_t end, int64_t step)
{
    struct slice_vectors s = {node_i64(n, start), node_i64(n, end), node_i64(n, step), NULL};
    if (!x || (start == 0 && step == 1 && end >= x->type.dim[axis]))
        return x;
    slice_sizes(n, &s, irb_extent_of(&n->b, x, axis));
    int64_t most = (x->type.dim[axis] - 1) / (step < 0 ? -step : step) + 1;
    if (step > 0 && start >= 0 && end >= 0) { // less than that
        int64_t span = end > start ? (end - start - 1) / step + 1 : 0;
        most = span < most ? span : most;
    } else if (step > 0 && start < 0 && start > -most * step) {
        most = (-start - 1) / step + 1;
    }
    struct ir_value *index =
        irb_binary(&n->b, BFN_mul, node_iota_to(n, s.size, most), node_i64(n, step));
    return node_pick(n, x, axis, irb_binary(&n->b, BFN_add, index, s.start), NULL);
}

static bool slice_vectors(struct import_node *n, struct ir_value *hits, struct slice_vectors *s)
{
    struct ir_value *ones = node_in(n, 4) ? node_vector(n, 4) : node_i64(n, 1);
    struct ir_value *limit = node_i64(n, INT32_MAX), *low = node_i64(n, -INT32_MAX);
    if (!node_check(n, irb_binary(&n->b, BFN_ne, ones, node_i64(n, 0)), 4,
                    "the rule that no step is 0"))
        return false;
    s->start = over_axes(n, hits, node_vector(n, 1), 0);
    s->end = over_axes(n, hits, node_vector(n, 2), INT64_MAX);
    s->step = over_axes(n, hits, node_clamp(n, ones, low, limit), 1);
    return s->start && s->end && s->step;
}

// Element i of a vector, a constant when it follows from constants.
static struct ir_value *known_or(struct import_node *n, struct ir_value *v, int i)
{
    int64_t known;
    struct ir_value *e = node_shape_element(n, v, i, &known);
    return e ? e : node_i64(n, known);
}

bool runtime_slice(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    struct ir_value *starts = node_vector(n, 1), *ends = node_vector(n, 2), *y = n->in[0];
    struct ir_type t = *x;
    struct slice_vectors s;
    bool whole = node_declared_whole(n, 0, &t);
    if (!starts || !ends)
        return false;
    int64_t count = starts->type.dim[0];
    if (t.rank != x->rank || count > x->rank || ends->type.dim[0] != count ||
        (node_in(n, 4) && ir_type_elems(&n->in[4]->type) != count))
        return node_error(n, DIAG_ONNX_SHAPE, "%lld starts and %lld ends for %s, declared is %s",
                          (long long)count, (long long)ends->type.dim[0], ir_type_text(x, n->arena),
                          ir_type_text(&t, n->arena));
    if (count == 0)
        return node_bind(n, 0, n->in[0]);
    struct ir_value *hits = axes_hits(n, 3, (int)count, x->rank);
    struct ir_value *extent = node_extents(n, n->in[0], 0, x->rank);
    if (!hits || !slice_vectors(n, hits, &s))
        return false;
    slice_sizes(n, &s, extent);
    if (whole && !node_check_equal(n, s.size, t.dim, t.rank, 1, declared))
        return false;
    for (int i = 0; i < x->rank; i++) {
        if (never_named(n, hits, i))
            continue;
        struct ir_value *at =
            whole ? node_iota(n, t.dim[i], 1) : node_iota_to(n, known_or(n, s.size, i), x->dim[i]);
        struct ir_value *index = irb_binary(&n->b, BFN_mul, at, node_element(n, s.step, i));
        index = irb_binary(&n->b, BFN_add, index, node_element(n, s.start, i));
        y = node_pick(n, y, i, index, NULL);
    }
    return node_bind(n, 0, y);
}

// ---- Pad

struct pad_dim { // of one dimension, scalars
    struct ir_value *before, *after;
};

// Where position `at` (0 is the first element that is kept) comes from, of `kept` elements.
static struct ir_value *pad_source(struct import_node *n, const char *mode, struct ir_value *at,
                                   struct ir_value *kept)
{
    struct ir_builder *b = &n->b;
    struct ir_value *one = node_i64(n, 1);
    if (strcmp(mode, "wrap") == 0)
        return irb_binary(b, BFN_mod, at, kept);
    if (strcmp(mode, "reflect") != 0)
        return at;
    struct ir_value *period =
        irb_binary(b, BFN_mul, node_i64(n, 2), irb_binary(b, BFN_sub, kept, one));
    struct ir_value *r = irb_binary(b, BFN_mod, at, irb_binary(b, BFN_max, period, one));
    return irb_binary(b, BFN_min, r, irb_binary(b, BFN_sub, period, r));
}

// The positions of the result along an axis, whose extent is as declared, or computed.
static struct ir_value *pad_positions(struct import_node *n, struct ir_value *grown,
                                      const struct ir_type *t, int axis, bool whole)
{
    if (whole)
        return node_check(n, equals(n, grown, t->dim[axis]), 1, declared)
                   ? node_iota(n, t->dim[axis], 1)
                   : NULL;
    const char *bound = arena_printf(n->arena, "the bound %lld of extent %d, which --max-dim sets",
                                     (long long)t->dim[axis], axis);
    return node_check(n, irb_binary(&n->b, BFN_le, grown, node_i64(n, t->dim[axis])), 1, bound)
               ? node_iota_to(n, grown, t->dim[axis])
               : NULL;
}

struct pad_job {
    const char *mode;
    struct ir_value *fill;
    struct ir_type result; // declared extents, or bounds
    bool whole;            // they are declared
};

static struct ir_value *pad_axis(struct import_node *n, struct ir_value *x, int axis,
                                 struct pad_dim p, const struct pad_job *job)
{
    struct ir_builder *b = &n->b;
    struct ir_value *zero = node_i64(n, 0), *old = irb_extent_of(b, x, axis);
    struct ir_value *cut = irb_binary(b, BFN_max, irb_unary(b, UFN_neg, p.before), zero);
    struct ir_value *cut_end = irb_binary(b, BFN_max, irb_unary(b, UFN_neg, p.after), zero);
    struct ir_value *kept = irb_binary(b, BFN_sub, old, irb_binary(b, BFN_add, cut, cut_end));
    struct ir_value *grown = irb_binary(b, BFN_add, old, irb_binary(b, BFN_add, p.before, p.after));
    if (!node_check(n, irb_binary(b, BFN_le, zero, kept), 1, "the extents of the operand"))
        return NULL;
    struct ir_value *at =
        irb_binary(b, BFN_sub, pad_positions(n, grown, &job->result, axis, job->whole),
                   irb_binary(b, BFN_max, p.before, zero));
    // What was cut off is not there to be repeated, nor to be kept around a constant.
    struct ir_value *last = irb_binary(b, BFN_sub, kept, node_i64(n, 1));
    struct ir_value *index = pad_source(n, job->mode, at, kept);
    if (strcmp(job->mode, "constant") == 0) {
        struct ir_value *inside =
            both(n, irb_binary(b, BFN_le, zero, at), irb_binary(b, BFN_le, at, last));
        index = irb_select(b, inside, irb_binary(b, BFN_add, at, cut), node_i64(n, -1));
        return node_pick(n, x, axis, index, job->fill);
    }
    index = irb_binary(b, BFN_add, node_clamp(n, index, zero, last), cut);
    return node_pick(n, x, axis, index, NULL);
}

struct ir_value *runtime_pad_by(struct import_node *n, struct ir_value *x, int axis, int64_t before,
                                int64_t after, const char *mode, struct ir_value *fill)
{
    struct pad_job job = {mode, fill, x->type, false};
    job.result.dim[axis] += before + after;
    if (job.result.dim[axis] < 0)
        job.result.dim[axis] = 0;
    return pad_axis(n, x, axis, (struct pad_dim){node_i64(n, before), node_i64(n, after)}, &job);
}

bool runtime_pad(struct import_node *n, struct ir_value *value)
{
    const struct ir_type *x = &n->in[0]->type;
    struct pad_job job = {node_str(n, "mode", "constant"), value, *x, false};
    struct ir_value *pads = node_vector(n, 1), *y = n->in[0];
    if (!pads || !value)
        return false;
    job.whole = node_declared_whole(n, 0, &job.result);
    int64_t count = pads->type.dim[0] / 2, one = 1, zero = 0;
    if (job.result.rank != x->rank || pads->type.dim[0] % 2 != 0 || count > x->rank ||
        (!node_in(n, 3) && count != x->rank))
        return node_error(n, DIAG_ONNX_SHAPE, "%lld pads for %s, declared is %s",
                          (long long)pads->type.dim[0], ir_type_text(x, n->arena),
                          ir_type_text(&job.result, n->arena));
    if (count == 0)
        return node_bind(n, 0, n->in[0]);
    struct ir_value *hits = axes_hits(n, 3, (int)count, x->rank);
    struct ir_value *before = over_axes(n, hits, irb_slice(&n->b, pads, &zero, &count, &one), 0);
    struct ir_value *after = over_axes(n, hits, irb_slice(&n->b, pads, &count, &count, &one), 0);
    if (!before || !after)
        return false;
    bool grows[IR_MAX_RANK] = {false};
    for (int i = 0; i < x->rank; i++)
        grows[i] = !never_named(n, hits, i);
    if (!job.whole)
        node_assume_bounds(n, &job.result, grows);
    for (int i = 0; y && i < x->rank; i++)
        if (grows[i])
            y = pad_axis(n, y, i,
                         (struct pad_dim){node_element(n, before, i), node_element(n, after, i)},
                         &job);
    return node_bind(n, 0, y);
}

// ---- Range

// The number of elements of a Range, an i64 scalar, at least 0.
static struct ir_value *range_count(struct import_node *n, struct ir_value *start,
                                    struct ir_value *limit, struct ir_value *delta)
{
    struct ir_builder *b = &n->b;
    struct ir_value *zero = node_i64(n, 0), *count;
    struct ir_value *span = irb_binary(b, BFN_sub, limit, start);
    if (!span)
        return NULL;
    if (dtype_is_float(span->type.dtype)) {
        count =
            node_convert(n, irb_unary(b, UFN_ceil, irb_binary(b, BFN_div, span, delta)), DT_I64);
    } else { // ceil by the division that truncates: its remainder has the sign of the span
        struct ir_value *whole = irb_binary(b, BFN_div, span, delta);
        struct ir_value *rest = irb_binary(b, BFN_mul, irb_binary(b, BFN_fmod, span, delta), delta);
        count = irb_binary(b, BFN_add, whole,
                           node_convert(n, irb_binary(b, BFN_lt, zero, rest), DT_I64));
    }
    return irb_binary(b, BFN_max, count, zero);
}

// The extent of the result: as declared, which is checked, or count.
static bool range_extent(struct import_node *n, struct ir_value *count, bool declared_whole,
                         struct ir_type *t)
{
    if (declared_whole)
        return node_check(n, equals(n, count, t->dim[0]), 1, declared);
    *t = (struct ir_type){.known = true, .rank = 1, .dim = {node_assumed_bound(n)}, .sym = {count}};
    return node_check(n, irb_binary(&n->b, BFN_le, count, node_i64(n, t->dim[0])), 1,
                      arena_printf(n->arena, "the bound %lld of elements, which --max-dim sets",
                                   (long long)t->dim[0]));
}

bool runtime_range(struct import_node *n)
{
    enum dtype own = n->in[0]->type.dtype, wide = dtype_is_float(own) ? DT_F64 : DT_I64;
    struct ir_value *v[3];
    struct ir_type t;
    bool whole = node_declared_whole(n, 0, &t);
    if (whole && !node_expect_rank(n, &t, 1, 1))
        return false;
    for (int i = 0; i < 3; i++)
        v[i] = node_convert(n, node_scalar(n, i), wide);
    if (!v[0] || !v[1] || !v[2])
        return false;
    struct ir_value *none = irb_const_like(&n->b, wide, 0);
    if (!node_check(n, irb_binary(&n->b, BFN_ne, v[2], none), 2, "the rule that no step is 0") ||
        !range_extent(n, range_count(n, v[0], v[1], v[2]), whole, &t))
        return false;
    struct ir_value *at = node_iota(n, t.dim[0], 1);
    at = node_convert(n, t.sym[0] ? irb_extent(&n->b, at, t.sym[0], 0) : at, wide);
    struct ir_value *y = irb_binary(&n->b, BFN_add, v[0], irb_binary(&n->b, BFN_mul, at, v[2]));
    return node_bind(n, 0, node_convert(n, y, own));
}

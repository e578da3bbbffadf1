// Result types of the ops that move elements.
#include "infer.h"

#include <string.h>

int64_t infer_axis(const struct infer *in, int rank)
{
    int64_t axis = ir_int(in->op, IR_A_axis, 0);
    if (axis < 0 || axis >= rank) {
        infer_bad_attr(in, "axis is %lld, not in 0..%d of %s", (long long)axis, rank - 1,
                       infer_text(in, 0));
        return -1;
    }
    return axis;
}

// An attribute that gives the extents of the result; its length is the result's rank.
static const int64_t *result_extents(const struct infer *in, enum ir_attr_id id, int *rank)
{
    ir_ints(in->op, id, rank);
    if (*rank > IR_MAX_RANK) {
        infer_bad_attr(in, "%s has %d extents, at most %d are handled", ir_attr_text(id), *rank,
                       IR_MAX_RANK);
        return NULL;
    }
    return infer_ints(in, id, *rank, 0, IR_ELEMS_MAX);
}

// The type that attributes shape and extents describe; false: reported.
static bool described_type(const struct infer *in, struct ir_type *t)
{
    const int64_t *dim = result_extents(in, IR_A_shape, &t->rank);
    if (!dim)
        return false;
    for (int i = 0; i < t->rank; i++)
        t->dim[i] = dim[i];
    return infer_extents(in, 1, t);
}

bool infer_extents(const struct infer *in, int first, struct ir_type *t)
{
    const struct ir_attr *at = ir_attr_find(in->op, IR_A_extents);
    int count = at ? at->n : 0, given = in->op->num_in > first ? in->op->num_in - first : 0;
    if (given != count)
        return infer_bad_attr(in, "%d operands for %d extents", given, count);
    for (int k = 0; k < count; k++) {
        if (!in->op->in[first + k])
            return infer_bad_type(in, "extent %d is absent", k);
        const struct ir_type *n = infer_type(in, first + k);
        if (at->is[k] < 0 || at->is[k] >= t->rank || (k > 0 && at->is[k] <= at->is[k - 1]))
            return infer_bad_attr(in, "extents[%d] is %lld, dimensions ascend below %d", k,
                                  (long long)at->is[k], t->rank);
        if (n->dtype != DT_I64 || n->rank != 0)
            return infer_bad_type(in, "extent %d is %s, an i64 scalar is needed", k,
                                  infer_text(in, first + k));
        t->sym[at->is[k]] = in->op->in[first + k];
    }
    return true;
}

bool ir_infer_RESHAPE(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0);
    struct ir_type t = {.known = true};
    if (!described_type(in, &t) || !infer_set_like(in, 0, x->dtype, &t))
        return false;
    if (ir_type_is_dynamic(&t))
        return true;
    int64_t have = ir_type_elems(x), want = dims_elems(t.dim, t.rank);
    if (ir_type_is_dynamic(x))
        return infer_static(in, 0, UINT32_MAX);
    return have == want ||
           infer_bad_shape(in, "%s has %lld elements, the shape %s has %lld", infer_text(in, 0),
                           (long long)have,
                           tensor_type_text(x->dtype, t.dim, t.rank, in->op->graph->module->arena),
                           (long long)want);
}

bool ir_infer_EXTENT(struct infer *in)
{
    struct ir_type t = *infer_type(in, 0);
    const struct ir_type *n = infer_type(in, 1);
    int64_t axis = infer_axis(in, t.rank);
    if (axis < 0)
        return false;
    if (n->dtype != DT_I64 || n->rank != 0)
        return infer_bad_type(in, "the extent is %s, an i64 scalar is needed", infer_text(in, 1));
    t.sym[axis] = in->op->in[1];
    return infer_set_like(in, 0, t.dtype, &t);
}

bool ir_infer_FIT(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0);
    int rank;
    const int64_t *dim = result_extents(in, IR_A_shape, &rank);
    if (!dim)
        return false;
    bool fits = rank == x->rank;
    if (!fits)
        return infer_bad_shape(in, "%s has another rank than %s", infer_text(in, 0),
                               tensor_type_text(x->dtype, dim, rank, in->op->graph->module->arena));
    return infer_set(in, 0, x->dtype, dim, rank);
}

bool ir_infer_INPUT_EXTENT(struct infer *in)
{
    if (in->op->in[0]->def)
        return infer_bad_type(in, "%%%s is no graph input", in->op->in[0]->name);
    return infer_axis(in, infer_type(in, 0)->rank) >= 0 && infer_set(in, 0, DT_I64, NULL, 0);
}

bool ir_infer_TRANSPOSE(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0);
    const int64_t *perm = infer_ints(in, IR_A_perm, x->rank, 0, x->rank - 1);
    if (!perm)
        return false;
    struct ir_type y = {.rank = x->rank};
    unsigned seen = 0;
    for (int i = 0; i < x->rank; i++) {
        if (seen >> perm[i] & 1)
            return infer_bad_attr(in, "perm names dimension %lld twice", (long long)perm[i]);
        seen |= 1u << perm[i];
        y.dim[i] = x->dim[perm[i]];
        y.sym[i] = x->sym[perm[i]];
    }
    return infer_set_like(in, 0, x->dtype, &y);
}

bool ir_infer_SLICE(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0);
    const int64_t *starts = infer_ints(in, IR_A_starts, x->rank, 0, IR_ELEMS_MAX);
    const int64_t *steps =
        starts ? infer_ints(in, IR_A_steps, x->rank, -IR_ELEMS_MAX, IR_ELEMS_MAX) : NULL;
    const int64_t *sizes = steps ? infer_ints(in, IR_A_sizes, x->rank, 0, IR_ELEMS_MAX) : NULL;
    if (!sizes || !infer_set(in, 0, x->dtype, sizes, x->rank))
        return false;
    for (int i = 0; i < x->rank; i++) {
        if (x->sym[i] && (starts[i] != 0 || steps[i] != 1 || sizes[i] != x->dim[i]))
            return infer_static(in, 0, 1u << i);
        in->out[0].sym[i] = x->sym[i];
        if (steps[i] == 0)
            return infer_bad_attr(in, "steps[%d] is 0", i);
        if (sizes[i] == 0)
            continue;
        // |steps| * (sizes - 1) must not exceed the extent, or it would overflow
        int64_t step = steps[i] < 0 ? -steps[i] : steps[i];
        bool fits = starts[i] < x->dim[i] && (sizes[i] == 1 || step <= x->dim[i] / (sizes[i] - 1));
        int64_t last = fits ? starts[i] + steps[i] * (sizes[i] - 1) : -1;
        if (last < 0 || last >= x->dim[i])
            return infer_bad_shape(
                in, "dimension %d: %lld elements from %lld by %lld leave 0..%lld of %s", i,
                (long long)sizes[i], (long long)starts[i], (long long)steps[i],
                (long long)x->dim[i] - 1, infer_text(in, 0));
    }
    return true;
}

bool ir_infer_CONCAT(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0);
    int64_t axis = infer_axis(in, x->rank);
    if (axis < 0)
        return false;
    struct ir_type sum = *x;
    for (int i = 0; i < in->op->num_in; i++)
        if (infer_type(in, i)->rank > axis && !infer_static(in, i, 1u << axis))
            return false;
    for (int i = 1; i < in->op->num_in; i++) {
        const struct ir_type *y = infer_type(in, i);
        bool fits = y->dtype == x->dtype && y->rank == x->rank;
        if (y->dtype != x->dtype)
            return infer_bad_type(in, "operands 0 and %d are %s and %s", i, infer_text(in, 0),
                                  infer_text(in, i));
        for (int k = 0; fits && k < x->rank; k++)
            fits = k == axis ||
                   (x->sym[k] ? y->sym[k] == x->sym[k] : !y->sym[k] && y->dim[k] == x->dim[k]);
        if (!fits)
            return infer_bad_shape(in, "operands 0 and %d, %s and %s, differ outside axis %lld", i,
                                   infer_text(in, 0), infer_text(in, i), (long long)axis);
        sum.dim[axis] += y->dim[axis];
        if (sum.dim[axis] > IR_ELEMS_MAX)
            break; // infer_set reports it
    }
    return infer_set_like(in, 0, sum.dtype, &sum);
}

bool ir_infer_PAD(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0);
    const int64_t *before = infer_ints(in, IR_A_before, x->rank, 0, IR_ELEMS_MAX);
    const int64_t *after = before ? infer_ints(in, IR_A_after, x->rank, 0, IR_ELEMS_MAX) : NULL;
    if (!after)
        return false;
    struct ir_type y = *x;
    for (int i = 0; i < x->rank; i++) {
        y.dim[i] = x->dim[i] + before[i] + after[i];
        if (y.dim[i] != x->dim[i] && !infer_static(in, 0, 1u << i))
            return false;
    }
    return infer_set_like(in, 0, x->dtype, &y);
}

bool ir_infer_BROADCAST(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0);
    struct ir_type t = {.known = true};
    if (!described_type(in, &t) || !infer_set_like(in, 0, x->dtype, &t))
        return false;
    bool fits = x->rank <= t.rank;
    for (int i = 0; fits && i < x->rank; i++) {
        int to = t.rank - x->rank + i;
        fits = (x->dim[i] == 1 && !x->sym[i]) ||
               (x->sym[i] == t.sym[to] && (x->sym[i] || x->dim[i] == t.dim[to]));
    }
    return fits || infer_bad_shape(in, "%s does not broadcast to %s", infer_text(in, 0),
                                   ir_type_text(&in->out[0], in->op->graph->module->arena));
}

bool ir_infer_GATHER(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0), *idx = infer_type(in, 1);
    if (idx->dtype != DT_I32 && idx->dtype != DT_I64)
        return infer_bad_type(in, "the indices are %s, i32 or i64 are needed", infer_text(in, 1));
    int64_t axis = infer_axis(in, x->rank);
    if (axis < 0)
        return false;
    int64_t dim[2 * IR_MAX_RANK];
    struct ir_value *sym[2 * IR_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < axis; i++, rank++) {
        dim[rank] = x->dim[i];
        sym[rank] = x->sym[i];
    }
    for (int i = 0; i < idx->rank; i++, rank++) {
        dim[rank] = idx->dim[i];
        sym[rank] = idx->sym[i];
    }
    for (int i = (int)axis + 1; i < x->rank; i++, rank++) {
        dim[rank] = x->dim[i];
        sym[rank] = x->sym[i];
    }
    if (x->dim[axis] == 0 && ir_type_elems(idx) > 0)
        return infer_bad_shape(in, "axis %lld of %s is empty, there is nothing to gather",
                               (long long)axis, infer_text(in, 0));
    if (!infer_set(in, 0, x->dtype, dim, rank))
        return false;
    memcpy(in->out[0].sym, sym, (size_t)rank * sizeof(*sym));
    return true;
}

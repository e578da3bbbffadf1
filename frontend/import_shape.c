// Operators that change extents and move elements: Reshape, Flatten, Transpose, Concat, Split,
// Slice, Squeeze, Unsqueeze, Expand, Tile, DepthToSpace, SpaceToDepth, Identity.
#include <string.h>

#include "import_open.h"
#include "import_runtime.h"

static bool rank_ok(struct import_node *n, int64_t rank)
{
    return rank <= IR_MAX_RANK ||
           node_error(n, DIAG_LIMIT, "the result has rank %lld, at most %d is supported",
                      (long long)rank, IR_MAX_RANK);
}

bool import_Identity(struct import_node *n)
{
    return node_bind(n, 0, n->in[0]);
}

// The extents of a Reshape: 0 copies the operand's (unless allowzero), one -1 takes what is left.
bool import_Reshape(struct import_node *n)
{
    if (ir_type_is_dynamic(&n->in[0]->type))
        return extents_reshape(n);
    if (!node_is_known(n, 1))
        return runtime_reshape_fits(n) ? runtime_reshape(n) : extents_reshape(n);
    const struct ir_type *x = &n->in[0]->type;
    int rank, infer = -1;
    const int64_t *want = node_const_ints(n, 1, &rank);
    int64_t dim[IR_MAX_RANK] = {0}, known = 1, elems = ir_type_elems(x);
    bool allow_zero = node_int(n, "allowzero", 0) != 0;
    if (!want || !rank_ok(n, rank))
        return false;
    for (int i = 0; i < rank; i++) {
        dim[i] = want[i];
        if (want[i] == 0 && !allow_zero && i >= x->rank)
            return node_error(n, DIAG_ONNX_SHAPE,
                              "shape[%d] = 0 copies a dimension that %s does not have", i,
                              ir_type_text(x, n->arena));
        if (want[i] == 0 && !allow_zero)
            dim[i] = x->dim[i];
        if (want[i] < -1 || (want[i] == -1 && infer >= 0))
            return node_error(n, DIAG_ONNX_SHAPE, "shape[%d] = %lld; one -1 at most, nothing below",
                              i, (long long)want[i]);
        if (want[i] == -1)
            infer = i;
        else
            known = dim[i] == 0 ? 0 : known > INT64_MAX / dim[i] ? INT64_MAX : known * dim[i];
    }
    if (infer >= 0) {
        if (known == 0 ? elems != 0 : elems % known != 0)
            return node_error(n, DIAG_ONNX_SHAPE,
                              "%lld elements of %s cannot be divided by %lld for the -1",
                              (long long)elems, ir_type_text(x, n->arena), (long long)known);
        dim[infer] = known == 0 ? 0 : elems / known;
    }
    return node_bind(n, 0, irb_reshape(&n->b, n->in[0], dim, rank));
}

bool import_Flatten(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    int64_t axis = node_int(n, "axis", 1), dim[2];
    if (axis < -x->rank || axis > x->rank)
        return node_error(n, DIAG_ONNX_ATTR, "axis %lld is outside [-%d, %d]", (long long)axis,
                          x->rank, x->rank);
    axis = axis < 0 ? axis + x->rank : axis;
    if (x->sym[0] && axis == 0)
        return node_error(n, DIAG_ONNX_DYNAMIC, "axis 0 joins an extent known only at run time");
    dim[0] = dims_elems(x->dim, (int)axis);
    dim[1] = dims_elems(x->dim + axis, x->rank - (int)axis);
    struct ir_type t = ir_type_make(x->dtype, dim, 2);
    if (x->sym[0] && axis > 1)
        t.sym[0] = irb_binary(&n->b, BFN_mul, x->sym[0], node_i64(n, dim[0] / x->dim[0]));
    else
        t.sym[0] = x->sym[0];
    return node_bind(n, 0, irb_reshape_to(&n->b, n->in[0], &t));
}

bool import_Transpose(struct import_node *n)
{
    int rank = n->in[0]->type.rank, count;
    const int64_t *perm = node_ints(n, "perm", &count);
    int64_t reversed[IR_MAX_RANK], seen = 0;
    for (int i = 0; i < rank; i++)
        reversed[i] = rank - 1 - i;
    if (!perm)
        return node_bind(n, 0, irb_transpose(&n->b, n->in[0], reversed));
    if (count != rank)
        return node_error(n, DIAG_ONNX_ATTR, "perm has %d entries, the operand %s has rank %d",
                          count, ir_type_text(&n->in[0]->type, n->arena), rank);
    for (int i = 0; i < rank; i++) {
        if (perm[i] < 0 || perm[i] >= rank || (seen >> perm[i] & 1))
            return node_error(n, DIAG_ONNX_ATTR, "perm[%d] = %lld is no permutation of 0..%d", i,
                              (long long)perm[i], rank - 1);
        seen |= INT64_C(1) << perm[i];
    }
    return node_bind(n, 0, irb_transpose(&n->b, n->in[0], perm));
}

bool import_Concat(struct import_node *n)
{
    int64_t axis;
    if (!node_axis(n, node_int(n, "axis", 1), n->in[0]->type.rank, &axis))
        return false;
    return node_bind(n, 0, n->num_in == 1 ? n->in[0] : node_concat(n, n->in, n->num_in, (int)axis));
}

static struct ir_value *slice_axis(struct import_node *n, struct ir_value *x, int64_t axis,
                                   int64_t start, int64_t size)
{
    int64_t starts[IR_MAX_RANK] = {0}, steps[IR_MAX_RANK], sizes[IR_MAX_RANK];
    for (int i = 0; i < x->type.rank; i++) {
        steps[i] = 1;
        sizes[i] = x->type.dim[i];
    }
    starts[axis] = start;
    sizes[axis] = size;
    return irb_slice(&n->b, x, starts, sizes, steps);
}

// Sizes of the parts: an attribute (before opset 13), an input, or equal parts of which the last
// may be smaller.
static const int64_t *split_sizes(struct import_node *n, int64_t axis, int *count)
{
    int64_t extent = n->in[0]->type.dim[axis];
    const int64_t *sizes = node_has_attr(n, "split") ? node_ints(n, "split", count) : NULL;
    if (node_in(n, 1))
        sizes = node_is_known(n, 1) ? node_const_ints(n, 1, count)
                                    : runtime_split_sizes(n, axis, count);
    if (sizes || node_in(n, 1))
        return sizes;
    int64_t parts = node_int(n, "num_outputs", n->num_out);
    if (parts < 1 || parts != n->num_out) {
        node_error(n, DIAG_ONNX_ATTR, "num_outputs = %lld, the node has %d outputs",
                   (long long)parts, n->num_out);
        return NULL;
    }
    int64_t *even = ARENA_ARRAY(n->arena, (size_t)parts, int64_t),
            size = (extent + parts - 1) / parts;
    for (int64_t i = 0; i < parts; i++, extent -= size)
        even[i] = extent < size ? (extent < 0 ? 0 : extent) : size;
    *count = (int)parts;
    return even;
}

bool import_Split(struct import_node *n)
{
    int64_t axis, at = 0, sum = 0;
    int count;
    if (!node_axis(n, node_int(n, "axis", 0), n->in[0]->type.rank, &axis))
        return false;
    int64_t extent = n->in[0]->type.dim[axis];
    if (!node_is_known(n, 1) && (n->in[0]->type.sym[axis] || !runtime_split_fits(n, axis)))
        return open_split(n, (int)axis);
    const int64_t *sizes = split_sizes(n, axis, &count);
    if (!sizes)
        return false;
    for (int i = 0; i < count; i++)
        sum = sizes[i] < 0 || sum < 0 || sizes[i] > extent - sum ? -1 : sum + sizes[i];
    if (count != n->num_out || sum != extent)
        return node_error(
            n, DIAG_ONNX_SHAPE,
            "%d sizes for %d outputs that must add up to the extent %lld of dimension %lld", count,
            n->num_out, (long long)extent, (long long)axis);
    for (int i = 0; i < count; at += sizes[i++])
        if (node_has_output(n, i) && !node_bind(n, i, slice_axis(n, n->in[0], axis, at, sizes[i])))
            return false;
    return true;
}

struct slice_args {
    const int64_t *starts, *ends, *axes, *steps;
    int count, num_axes, num_steps;
};

static bool read_slice(struct import_node *n, struct slice_args *s)
{
    int ends;
    memset(s, 0, sizeof(*s));
    if (n->row->in_max == 1) {
        s->starts = node_ints(n, "starts", &s->count);
        s->ends = node_ints(n, "ends", &ends);
        s->axes = node_ints(n, "axes", &s->num_axes);
    } else {
        s->starts = node_const_ints(n, 1, &s->count);
        s->ends = node_const_ints(n, 2, &ends);
        if (!s->starts || !s->ends)
            return false;
        if (node_in(n, 3) && !(s->axes = node_const_ints(n, 3, &s->num_axes)))
            return false;
        if (node_in(n, 4) && !(s->steps = node_const_ints(n, 4, &s->num_steps)))
            return false;
    }
    if (ends != s->count || (s->axes && s->num_axes != s->count) ||
        (s->steps && s->num_steps != s->count))
        return node_error(n, DIAG_ONNX_SHAPE,
                          "%d starts, %d ends, %d axes, %d steps; as many of each are needed",
                          s->count, ends, s->num_axes, s->num_steps);
    return true;
}

static int64_t clip(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

// One dimension by ONNX's rules: negative positions count from the end, both are clamped to what
// the step can reach.
static void slice_dim(int64_t extent, int64_t start, int64_t end, int64_t step, int64_t *first,
                      int64_t *size)
{
    start = start < 0 ? start + extent : start;
    end = end < 0 && end >= -extent ? end + extent : end < 0 ? -1 : end;
    if (step > 0) {
        start = clip(start, 0, extent);
        end = clip(end, 0, extent);
        *size = end > start ? (end - start - 1) / step + 1 : 0;
    } else {
        start = clip(start, -1, extent - 1);
        end = clip(end, -1, extent - 1);
        *size = start > end ? (start - end - 1) / -step + 1 : 0;
    }
    *first = *size ? start : 0;
}

bool import_Slice(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    int64_t starts[IR_MAX_RANK] = {0}, steps[IR_MAX_RANK], sizes[IR_MAX_RANK];
    struct slice_args s;
    for (int i = 1; i < n->num_in; i++)
        if (!node_is_known(n, i))
            return runtime_slice(n);
    if (!read_slice(n, &s))
        return false;
    for (int i = 0; i < x->rank; i++) {
        steps[i] = 1;
        sizes[i] = x->dim[i];
    }
    for (int i = 0; i < s.count; i++) {
        int64_t axis, step = s.steps ? s.steps[i] : 1;
        if (!node_axis(n, s.axes ? s.axes[i] : i, x->rank, &axis))
            return false;
        if (step == 0)
            return node_error(n, DIAG_ONNX_SHAPE, "the step of dimension %lld is 0",
                              (long long)axis);
        step = clip(step, -INT32_MAX, INT32_MAX);
        if (x->sym[axis])
            continue;
        slice_dim(x->dim[axis], s.starts[i], s.ends[i], step, &starts[axis], &sizes[axis]);
        steps[axis] = step;
    }
    struct ir_value *y = irb_slice(&n->b, n->in[0], starts, sizes, steps);
    for (int i = 0; i < s.count; i++) {
        int64_t axis = s.axes ? s.axes[i] : i, step = s.steps ? s.steps[i] : 1;
        axis += axis < 0 ? x->rank : 0;
        if (x->sym[axis])
            y = runtime_slice_by(n, y, (int)axis, s.starts[i], s.ends[i],
                                 clip(step, -INT32_MAX, INT32_MAX));
    }
    return node_bind(n, 0, y);
}

// The axes of Squeeze and Unsqueeze: an attribute before opset 13, then an input. NULL with *count
// 0 when absent.
static bool read_axes(struct import_node *n, const int64_t **axes, int *count)
{
    *axes = node_ints(n, "axes", count);
    return !node_in(n, 1) || (*axes = node_const_ints(n, 1, count)) != NULL;
}

static bool axes_mask(struct import_node *n, const int64_t *axes, int count, int rank,
                      uint32_t *mask)
{
    *mask = 0;
    for (int i = 0; i < count; i++) {
        int64_t axis;
        if (!node_axis(n, axes[i], rank, &axis))
            return false;
        if (*mask >> axis & 1)
            return node_error(n, DIAG_ONNX_ATTR, "axis %lld stands twice", (long long)axis);
        *mask |= 1u << axis;
    }
    return true;
}

bool import_Squeeze(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    const int64_t *axes;
    int count;
    struct ir_type t = {.known = true, .dtype = x->dtype};
    uint32_t mask = 0;
    if (!node_is_known(n, 1))
        return runtime_squeeze(n);
    if (!read_axes(n, &axes, &count) || !axes_mask(n, axes, count, x->rank, &mask))
        return false;
    for (int i = 0; i < x->rank; i++) {
        if (axes && (mask >> i & 1) && x->sym[i] &&
            !irb_check(&n->b, irb_binary(&n->b, BFN_eq, x->sym[i], node_i64(n, 1)),
                       "a dimension that is taken out has not one element"))
            return false;
        if (axes && (mask >> i & 1) && x->dim[i] != 1 && !x->sym[i])
            return node_error(n, DIAG_ONNX_SHAPE, "dimension %d of %s is not 1", i,
                              ir_type_text(x, n->arena));
        if (axes ? !(mask >> i & 1) : x->dim[i] != 1 || x->sym[i]) {
            t.sym[t.rank] = x->sym[i];
            t.dim[t.rank++] = x->dim[i];
        }
    }
    return node_bind(n, 0, irb_reshape_to(&n->b, n->in[0], &t));
}

bool import_Unsqueeze(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    const int64_t *axes;
    int count, from = 0;
    struct ir_type t = {.known = true, .dtype = x->dtype};
    uint32_t mask;
    if (!node_is_known(n, 1))
        return runtime_unsqueeze(n);
    if (!read_axes(n, &axes, &count) || !rank_ok(n, x->rank + count) ||
        !axes_mask(n, axes, count, x->rank + count, &mask))
        return false;
    t.rank = x->rank + count;
    for (int i = 0; i < t.rank; i++) {
        bool is_new = mask >> i & 1;
        t.sym[i] = is_new ? NULL : x->sym[from];
        t.dim[i] = is_new ? 1 : x->dim[from++];
    }
    return node_bind(n, 0, irb_reshape_to(&n->b, n->in[0], &t));
}

bool import_Expand(struct import_node *n)
{
    int rank, out_rank;
    struct ir_type declared;
    bool known = node_is_known(n, 1) && !ir_type_is_dynamic(&n->in[0]->type);
    if (!known && (ir_type_is_dynamic(&n->in[0]->type) || !node_declared_whole(n, 0, &declared)))
        return extents_broadcast(n, n->in[0], 1);
    if (!known)
        return runtime_expand(n);
    const int64_t *shape = node_const_ints(n, 1, &rank);
    int64_t dim[IR_MAX_RANK];
    if (!shape || !rank_ok(n, rank))
        return false;
    struct ir_type want = ir_type_make(n->in[0]->type.dtype, shape, rank);
    if (!ir_broadcast_dims(&n->in[0]->type, &want, dim, &out_rank))
        return node_error(n, DIAG_ONNX_SHAPE, "%s does not broadcast to %s",
                          ir_type_text(&n->in[0]->type, n->arena), ir_type_text(&want, n->arena));
    return node_bind(n, 0, irb_broadcast(&n->b, n->in[0], dim, out_rank));
}

#define REPEATS_MAX (1 << 22)

// One dimension after the other, the last first: x[before, after] as [before, repeats, after].
static struct ir_value *tile_each(struct import_node *n, const int64_t *repeats)
{
    struct ir_value *v = n->in[0];
    int rank = v->type.rank;
    for (int i = rank - 1; i >= 0 && v; i--) {
        int64_t out[IR_MAX_RANK], before = dims_elems(v->type.dim, i),
                                  after = dims_elems(v->type.dim + i, rank - i);
        if (repeats[i] == 1)
            continue;
        memcpy(out, v->type.dim, sizeof out);
        out[i] *= repeats[i];
        v = irb_reshape(&n->b, v, (const int64_t[]){before, 1, after}, 3);
        v = irb_broadcast(&n->b, v, (const int64_t[]){before, repeats[i], after}, 3);
        v = irb_reshape(&n->b, v, out, rank);
    }
    return v;
}

// x[d0, d1..] as [1, d0, 1, d1..] broadcast to [r0, d0, r1, d1..] and joined. Dimensions repeated
// once take no place of their own.
static struct ir_value *tile_all(struct import_node *n, const int64_t *repeats)
{
    const struct ir_type *x = &n->in[0]->type;
    int64_t split[2 * IR_MAX_RANK], wide[2 * IR_MAX_RANK], out[IR_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < x->rank; i++) {
        if (repeats[i] != 1) {
            split[rank] = 1;
            wide[rank++] = repeats[i];
        }
        split[rank] = wide[rank] = x->dim[i];
        rank++;
        out[i] = x->dim[i] * repeats[i];
    }
    if (rank > IR_MAX_RANK)
        return tile_each(n, repeats);
    struct ir_value *v =
        irb_broadcast(&n->b, irb_reshape(&n->b, n->in[0], split, rank), wide, rank);
    return irb_reshape(&n->b, v, out, x->rank);
}

bool import_Tile(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    int count;
    if (!node_is_known(n, 1))
        return runtime_tile(n);
    const int64_t *repeats = node_const_ints(n, 1, &count);
    if (!repeats)
        return false;
    if (count != x->rank)
        return node_error(n, DIAG_ONNX_SHAPE, "%d repeats for %s", count,
                          ir_type_text(x, n->arena));
    for (int i = 0; i < x->rank; i++)
        if (repeats[i] < 0 || repeats[i] > REPEATS_MAX)
            return node_error(n, DIAG_ONNX_SHAPE, "repeats[%d] = %lld", i, (long long)repeats[i]);
    return node_bind(n, 0, tile_all(n, repeats));
}

#define BLOCK_MAX 2048 // its square times an extent stays in 64 bits

static bool block_size(struct import_node *n, int64_t *out)
{
    *out = node_int(n, "blocksize", 0);
    if (n->in[0]->type.rank != 4)
        return node_error(n, DIAG_ONNX_SHAPE, "the operand %s must have rank 4",
                          ir_type_text(&n->in[0]->type, n->arena));
    return (*out > 0 && *out <= BLOCK_MAX) ||
           node_error(n, DIAG_ONNX_ATTR, "blocksize = %lld", (long long)*out);
}

// Another shape whose first extent is the operand's batch, which may be known only at run time.
static struct ir_value *reshape_batch(struct import_node *n, struct ir_value *v, const int64_t *dim,
                                      int rank)
{
    struct ir_type t = ir_type_make(n->in[0]->type.dtype, dim, rank);
    t.sym[0] = n->in[0]->type.sym[0];
    return irb_reshape_to(&n->b, v, &t);
}

bool import_DepthToSpace(struct import_node *n)
{
    const int64_t *d = n->in[0]->type.dim;
    int64_t b;
    if (!block_size(n, &b))
        return false;
    if (d[1] % (b * b) != 0)
        return node_error(n, DIAG_ONNX_SHAPE,
                          "%lld channels are no multiple of blocksize squared, %lld",
                          (long long)d[1], (long long)(b * b));
    int64_t c = d[1] / (b * b), out[4] = {d[0], c, d[2] * b, d[3] * b};
    const char *mode = node_str(n, "mode", "DCR");
    bool crd = strcmp(mode, "CRD") == 0;
    if (!crd && strcmp(mode, "DCR") != 0)
        return node_error(n, DIAG_ONNX_ATTR, "mode '%s'; DCR and CRD are known", mode);
    const int64_t dcr_split[6] = {d[0], b, b, c, d[2], d[3]},
                  crd_split[6] = {d[0], c, b, b, d[2], d[3]};
    const int64_t dcr_perm[6] = {0, 3, 4, 1, 5, 2}, crd_perm[6] = {0, 1, 4, 2, 5, 3};
    struct ir_value *v = reshape_batch(n, n->in[0], crd ? crd_split : dcr_split, 6);
    return node_bind(n, 0,
                     reshape_batch(n, irb_transpose(&n->b, v, crd ? crd_perm : dcr_perm), out, 4));
}

bool import_SpaceToDepth(struct import_node *n)
{
    const int64_t *d = n->in[0]->type.dim;
    int64_t b;
    if (!block_size(n, &b))
        return false;
    if (d[2] % b != 0 || d[3] % b != 0)
        return node_error(n, DIAG_ONNX_SHAPE, "%lldx%lld is no multiple of blocksize %lld",
                          (long long)d[2], (long long)d[3], (long long)b);
    const int64_t split[6] = {d[0], d[1], d[2] / b, b, d[3] / b, b}, perm[6] = {0, 3, 5, 1, 2, 4};
    const int64_t out[4] = {d[0], d[1] * b * b, d[2] / b, d[3] / b};
    struct ir_value *v = irb_transpose(&n->b, reshape_batch(n, n->in[0], split, 6), perm);
    return node_bind(n, 0, reshape_batch(n, v, out, 4));
}

// Operators that address elements by indices: gathers and scatters beyond Gather, windows summed
// or undone (Col2Im, MaxUnpool), reversed sequences, triangles.
#include <string.h>

#include "import_extents.h"
#include "import_window.h"

bool import_GatherElements(struct import_node *n)
{
    int64_t axis;
    if (!node_axis(n, node_int(n, "axis", 0), n->in[0]->type.rank, &axis))
        return false;
    return node_bind(n, 0, irb_gather_elements(&n->b, n->in[0], n->in[1], axis));
}

// ---- Tuples of indices

static int64_t product(const int64_t *dim, int num)
{
    int64_t p = 1;
    for (int i = 0; i < num; i++)
        p *= dim[i];
    return p;
}

// Tuples over the first `count` of dim, in the last dimension of v, as row-major positions; the
// first position behind all of them for a tuple with an index out of range.
static struct ir_value *flat_positions(struct import_node *n, struct ir_value *v,
                                       const int64_t *dim, int count)
{
    struct ir_builder *b = &n->b;
    int64_t strides[IR_MAX_RANK], last = v->type.rank - 1;
    for (int i = 0; i < count; i++)
        strides[i] = product(dim + i + 1, count - i - 1);
    v = node_convert(n, v, DT_I64);
    if (!v)
        return NULL;
    struct ir_value *from_end = irb_binary(b, BFN_add, v, irb_const_i64s(b, dim, count));
    v = irb_select(b, node_with_scalar(n, BFN_lt, v, 0), from_end, v);
    struct ir_value *inside = irb_binary(b, BFN_and, node_scalar_with(n, BFN_le, 0, v),
                                         irb_binary(b, BFN_lt, v, irb_const_i64s(b, dim, count)));
    inside = irb_reduce(b, RFN_and, inside, &last, 1, false);
    v = irb_binary(b, BFN_mul, v, irb_const_i64s(b, strides, count));
    return irb_select(b, inside, irb_reduce(b, RFN_sum, v, &last, 1, false),
                      irb_const_like(b, DT_I64, (double)product(dim, count)));
}

bool import_GatherND(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type, *idx = &n->in[1]->type;
    int64_t batch = node_int(n, "batch_dims", 0);
    if (x->rank < 1 || idx->rank < 1)
        return node_error(n, DIAG_ONNX_SHAPE, "data %s and indices %s must have dimensions",
                          node_type_text(n, 0), node_type_text(n, 1));
    int64_t count = idx->dim[idx->rank - 1];
    bool fits = batch >= 0 && batch < idx->rank && batch < x->rank && count <= x->rank - batch;
    for (int i = 0; fits && i < batch; i++)
        fits = x->dim[i] == idx->dim[i];
    if (!fits)
        return node_error(n, DIAG_ONNX_SHAPE, "indices %s with %lld batch dimensions do not fit %s",
                          node_type_text(n, 1), (long long)batch, node_type_text(n, 0));
    int tail = (int)(batch + count), rank = 0;
    int64_t batches = product(x->dim, (int)batch), rows = product(x->dim + batch, (int)count);
    int64_t flat[2] = {batches * rows, product(x->dim + tail, x->rank - tail)};
    int64_t dim[2 * IR_MAX_RANK];
    for (int i = 0; i < idx->rank - 1; i++)
        dim[rank++] = idx->dim[i];
    for (int i = tail; i < x->rank; i++)
        dim[rank++] = x->dim[i];
    struct ir_value *at = flat_positions(n, n->in[1], x->dim + batch, (int)count);
    if (batch > 0 && at) {
        // Row 0 of every batch: its number times the rows of one.
        int64_t lead[IR_MAX_RANK];
        for (int i = 0; i < idx->rank - 1; i++)
            lead[i] = i < batch ? idx->dim[i] : 1;
        struct ir_value *first =
            node_with_scalar(n, BFN_mul, node_iota(n, batches, 1), (double)rows);
        struct ir_value *good = node_with_scalar(n, BFN_lt, at, (double)rows);
        at = irb_binary(b, BFN_add, at, irb_reshape(b, first, lead, idx->rank - 1));
        at = irb_select(b, good, at, irb_const_like(b, DT_I64, (double)(batches * rows)));
    }
    int64_t tuples = product(idx->dim, idx->rank - 1);
    struct ir_value *y =
        irb_gather(b, irb_reshape(b, n->in[0], flat, 2), irb_reshape(b, at, &tuples, 1), 0);
    return node_bind(n, 0, irb_reshape(b, y, dim, rank));
}

// ---- Scatters

static bool read_reduction(struct import_node *n, int *fn)
{
    static const struct {
        const char *name;
        int fn;
    } known[] = {
        {"none", -1}, {"add", RFN_sum}, {"mul", RFN_prod}, {"max", RFN_max}, {"min", RFN_min}};
    const char *name = node_str(n, "reduction", "none");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0) {
            *fn = known[i].fn;
            return true;
        }
    return node_error(n, DIAG_ONNX_ATTR, "reduction is '%s'; none, add, mul, max and min exist",
                      name);
}

bool import_ScatterElements(struct import_node *n)
{
    int64_t axis;
    int fn;
    const struct ir_type *idx = &n->in[1]->type, *u = &n->in[2]->type;
    if (!read_reduction(n, &fn) ||
        !node_axis(n, node_int(n, "axis", 0), n->in[0]->type.rank, &axis))
        return false;
    bool same =
        idx->rank == u->rank && memcmp(idx->dim, u->dim, (size_t)u->rank * sizeof(*u->dim)) == 0;
    if (!same)
        return node_error(n, DIAG_ONNX_SHAPE,
                          "indices are %s and updates %s; their shapes must be equal",
                          node_type_text(n, 1), node_type_text(n, 2));
    return node_bind(n, 0, irb_scatter(&n->b, n->in[0], n->in[1], n->in[2], axis, fn));
}

bool import_ScatterND(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type, *idx = &n->in[1]->type, *u = &n->in[2]->type;
    int fn;
    if (!read_reduction(n, &fn))
        return false;
    int64_t count = idx->rank > 0 ? idx->dim[idx->rank - 1] : IR_MAX_RANK + 1;
    bool fits = count <= x->rank && u->rank == idx->rank - 1 + x->rank - count;
    for (int i = 0; fits && i < u->rank; i++)
        fits = u->dim[i] == (i < idx->rank - 1 ? idx->dim[i] : x->dim[i - (idx->rank - 1) + count]);
    if (!fits)
        return node_error(n, DIAG_ONNX_SHAPE, "indices %s and updates %s do not fit data %s",
                          node_type_text(n, 1), node_type_text(n, 2), node_type_text(n, 0));
    int64_t tuples = product(idx->dim, idx->rank - 1);
    int64_t inner = product(x->dim + count, x->rank - (int)count);
    int64_t data[2] = {product(x->dim, (int)count), inner}, rows[2] = {tuples, 1},
            updates[2] = {tuples, inner};
    struct ir_value *at = flat_positions(n, n->in[1], x->dim, (int)count);
    struct ir_value *y =
        irb_scatter(b, irb_reshape(b, n->in[0], data, 2), irb_reshape(b, at, rows, 2),
                    irb_reshape(b, n->in[2], updates, 2), 0, fn);
    return node_bind(n, 0, irb_reshape(b, y, x->dim, x->rank));
}

// Rows of updates written from a position of each batch on.
bool import_TensorScatter(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type, *u = &n->in[1]->type;
    const char *mode = node_str(n, "mode", "linear");
    bool circular = strcmp(mode, "circular") == 0;
    int64_t axis, dim[IR_MAX_RANK];
    if (!circular && strcmp(mode, "linear") != 0)
        return node_error(n, DIAG_ONNX_ATTR, "mode is '%s'; linear and circular exist", mode);
    if (!node_axis(n, node_int(n, "axis", -2), x->rank, &axis))
        return false;
    bool fits = axis > 0 && u->rank == x->rank;
    for (int i = 0; fits && i < x->rank; i++)
        fits = i == axis ? u->dim[i] <= x->dim[i] : u->dim[i] == x->dim[i];
    struct ir_value *first = node_in(n, 2);
    if (!fits || (first && (first->type.rank != 1 || first->type.dim[0] != x->dim[0])))
        return node_error(
            n, DIAG_ONNX_SHAPE, "update %s and write_indices %s do not fit %s along axis %lld",
            node_type_text(n, 1), node_type_text(n, 2), node_type_text(n, 0), (long long)axis);
    for (int i = 0; i < x->rank; i++)
        dim[i] = i == axis ? u->dim[i] : 1;
    struct ir_value *at = irb_reshape(b, node_iota(n, u->dim[axis], 1), dim, x->rank);
    if (first)
        at = irb_binary(b, BFN_add, at,
                        node_along_axis(n, node_convert(n, first, DT_I64), x->rank, 0));
    if (circular)
        at = node_with_scalar(n, BFN_mod, at, (double)x->dim[axis]);
    return node_bind(n, 0, irb_scatter(b, n->in[0], at, n->in[1], axis, -1));
}

// ---- Sequences and triangles

bool import_ReverseSequence(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type, *len = &n->in[1]->type;
    int64_t batch = node_int(n, "batch_axis", 1), time = node_int(n, "time_axis", 0);
    if (!node_check_rank(n, 0, 2, IR_MAX_RANK))
        return false;
    if (batch + time != 1 || batch * time != 0)
        return node_error(n, DIAG_ONNX_ATTR,
                          "batch_axis is %lld and time_axis %lld; 0 and 1 or 1 and 0 are needed",
                          (long long)batch, (long long)time);
    if (len->rank != 1 || len->dim[0] != x->dim[batch])
        return node_error(n, DIAG_ONNX_SHAPE,
                          "sequence_lens is %s, a number for each of %lld sequences is needed",
                          node_type_text(n, 1), (long long)x->dim[batch]);
    int64_t steps = x->dim[time], lanes = x->dim[batch];
    int64_t rows[2] = {steps * lanes, product(x->dim + 2, x->rank - 2)};
    struct ir_value *t = node_along_axis(n, node_iota(n, steps, 1), 2, (int)time);
    struct ir_value *lane = node_along_axis(n, node_iota(n, lanes, 1), 2, (int)batch);
    struct ir_value *length = node_along_axis(n, node_convert(n, n->in[1], DT_I64), 2, (int)batch);
    struct ir_value *mirror = node_with_scalar(n, BFN_sub, irb_binary(b, BFN_sub, length, t), 1);
    struct ir_value *from = irb_select(b, irb_binary(b, BFN_lt, t, length), mirror, t);
    struct ir_value *row =
        irb_binary(b, BFN_add, node_with_scalar(n, BFN_mul, from, time == 0 ? (double)lanes : 1),
                   node_with_scalar(n, BFN_mul, lane, time == 0 ? 1 : (double)steps));
    row = irb_reshape(b, row, rows, 1);
    struct ir_value *y = irb_gather(b, irb_reshape(b, n->in[0], rows, 2), row, 0);
    return node_bind(n, 0, irb_reshape(b, y, x->dim, x->rank));
}

bool import_Trilu(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type;
    if (!node_check_rank(n, 0, 2, IR_MAX_RANK))
        return false;
    struct ir_value *k = node_in(n, 1), *row = node_positions(n, n->in[0], x->rank - 2);
    if (k && ir_type_elems(&k->type) != 1)
        return node_error(n, DIAG_ONNX_SHAPE, "k is %s, one number is needed",
                          node_type_text(n, 1));
    struct ir_value *column = node_positions(n, n->in[0], x->rank - 1);
    row = node_along_axis(n, row, 2, 0);
    if (k)
        row = irb_binary(b, BFN_add, row, irb_reshape(b, node_convert(n, k, DT_I64), NULL, 0));
    bool upper = node_int(n, "upper", 1) != 0;
    struct ir_value *keep =
        upper ? irb_binary(b, BFN_le, row, column) : irb_binary(b, BFN_le, column, row);
    return node_bind(n, 0, irb_select(b, keep, n->in[0], irb_const_like(b, x->dtype, 0)));
}

// The positions at which a bool vector is true, then zeros, as an i64 vector of its length; their
// number as i64 scalar.
static struct ir_value *true_positions(struct import_node *n, struct ir_value *v,
                                       struct ir_value **count)
{
    struct ir_builder *b = &n->b;
    int64_t first = 0, len = v ? v->type.dim[0] : 0;
    struct ir_value *ones = node_convert(n, v, DT_I64), *at = node_iota(n, len, 1);
    *count = irb_reduce(b, RFN_sum, ones, &first, 1, false);
    if (len == 0)
        return at;
    // What is false goes to a place of its own behind the others.
    struct ir_value *to = irb_scan(b, RFN_sum, ones, 0, true, false);
    to = irb_select(b, v, to, node_i64(n, len));
    int64_t room = len + 1, one = 1;
    struct ir_value *none = irb_broadcast(b, node_i64(n, 0), &room, 1);
    return irb_slice(b, irb_scatter(b, none, to, at, 0, -1), &first, &len, &one);
}

// The first `count` of positions: as many as are declared, which is checked, or an extent known
// only at run time.
static struct ir_value *first_positions(struct import_node *n, struct ir_value *positions,
                                        struct ir_value *count, int operand, int64_t declared)
{
    int64_t zero = 0, one = 1;
    if (declared < 0 || (positions && declared > positions->type.dim[0]))
        return irb_extent(&n->b, positions, count, 0);
    struct ir_value *same = irb_binary(&n->b, BFN_eq, count, node_i64(n, declared));
    return node_check(n, same, operand, "the extents that the model declares for the result")
               ? irb_slice(&n->b, positions, &zero, &declared, &one)
               : NULL;
}

bool import_Compress(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type;
    struct ir_value *data = n->in[0], *count;
    int64_t axis = 0, all = ir_type_elems(x);
    if (!node_has_attr(n, "axis"))
        data = irb_reshape(b, data, &all, 1);
    else if (!node_axis(n, node_int(n, "axis", 0), x->rank, &axis))
        return false;
    if (!data || !node_check_rank(n, 1, 1, 1))
        return false;
    int64_t num = ir_type_elems(&n->in[1]->type);
    if (num > data->type.dim[axis])
        return node_error(n, DIAG_ONNX_SHAPE, "%lld conditions for %lld elements", (long long)num,
                          (long long)data->type.dim[axis]);
    const struct tensor *known = node_known(n, 1);
    int64_t declared = known ? 0 : node_declared_extent(n, (int)axis);
    for (int64_t i = 0; known && i < num; i++)
        declared += tensor_get_int(known, i) != 0;
    struct ir_value *at = true_positions(n, n->in[1], &count);
    return node_bind(n, 0, irb_gather(b, data, first_positions(n, at, count, 1, declared), axis));
}

// The indices of the elements that are not zero, a row for each dimension.
bool import_NonZero(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type;
    int64_t all = ir_type_elems(x), run = 1;
    struct ir_value *flat = irb_reshape(b, n->in[0], &all, 1), *count, *row[IR_MAX_RANK];
    if (flat && x->dtype != DT_BOOL)
        flat = irb_binary(b, BFN_ne, flat, irb_const_like(b, x->dtype, 0));
    struct ir_value *at = true_positions(n, flat, &count);
    at = first_positions(n, at, count, 0, node_declared_extent(n, 1));
    if (!at)
        return false;
    struct ir_type line = {
        .known = true, .rank = 2, .dim = {1, at->type.dim[0]}, .sym = {NULL, at->type.sym[0]}};
    if (x->rank == 0) {
        line.dim[0] = 0;
        return node_bind(n, 0, irb_broadcast_to(b, irb_const_i64s(b, NULL, 0), &line));
    }
    for (int i = x->rank - 1; i >= 0; run *= x->dim[i--]) {
        struct ir_value *v = irb_binary(b, BFN_div, at, node_i64(n, run));
        v = irb_binary(b, BFN_mod, v, node_i64(n, x->dim[i]));
        row[i] = irb_reshape_to(b, v, &line);
        if (!row[i])
            return false;
    }
    return node_bind(n, 0, x->rank == 1 ? row[0] : irb_concat(b, row, x->rank, 0));
}

// ---- Windows

struct columns { // of Col2Im
    int spatial;
    int64_t image[WINDOW_DIMS_MAX], block[WINDOW_DIMS_MAX], padded[WINDOW_DIMS_MAX];
    int64_t count[WINDOW_DIMS_MAX]; // windows
    int64_t strides[WINDOW_DIMS_MAX], dilations[WINDOW_DIMS_MAX], pads[2 * WINDOW_DIMS_MAX];
    int64_t taps, windows, elems;
};

// Whether windows of that block are what the operand holds.
static bool columns_fit(struct columns *c, const struct ir_type *x)
{
    c->taps = c->windows = c->elems = 1;
    for (int i = 0; i < c->spatial; i++) {
        c->padded[i] = c->image[i] + c->pads[i] + c->pads[c->spatial + i];
        int64_t span = c->padded[i] - c->dilations[i] * (c->block[i] - 1) - 1;
        c->count[i] = span < 0 || c->block[i] < 1 ? 0 : span / c->strides[i] + 1;
        c->taps *= c->block[i];
        c->windows *= c->count[i];
        c->elems *= c->padded[i];
    }
    return c->windows > 0 && c->windows == x->dim[2] && x->dim[1] % c->taps == 0;
}

// Where the elements of the operand go in a padded picture: sums over the dimensions, of the tap
// and of the window.
static struct ir_value *column_places(struct import_node *n, const struct columns *c)
{
    struct ir_value *at = NULL;
    for (int i = 0; i < c->spatial; i++) {
        int64_t shape[2 * WINDOW_DIMS_MAX], row = product(c->padded + i + 1, c->spatial - i - 1);
        for (int k = 0; k < 2; k++) {
            for (int d = 0; d < 2 * c->spatial; d++)
                shape[d] = d == k * c->spatial + i ? (k ? c->count[i] : c->block[i]) : 1;
            double step = (double)((k ? c->strides[i] : c->dilations[i]) * row);
            struct ir_value *v =
                node_with_scalar(n, BFN_mul, node_iota(n, k ? c->count[i] : c->block[i], 1), step);
            v = irb_reshape(&n->b, v, shape, 2 * c->spatial);
            at = at ? irb_binary(&n->b, BFN_add, at, v) : v;
        }
    }
    return at;
}

// Columns of window elements added up into pictures: a scatter into padded pictures, cut
// afterwards.
static struct ir_value *pictures(struct import_node *n, const struct columns *c)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type;
    int64_t planes = x->dim[0] * (x->dim[1] / c->taps), flat[2] = {1, c->taps * c->windows},
            rows[2] = {planes, c->taps * c->windows}, zeros[2] = {planes, c->elems};
    struct ir_value *y = irb_scatter(b, node_filled(n, x->dtype, 0, zeros, 2),
                                     irb_reshape(b, column_places(n, c), flat, 2),
                                     irb_reshape(b, n->in[0], rows, 2), 1, RFN_sum);
    int64_t dim[IR_MAX_RANK] = {x->dim[0], x->dim[1] / c->taps}, starts[IR_MAX_RANK] = {0},
            sizes[IR_MAX_RANK], ones[IR_MAX_RANK];
    for (int i = 0; i < c->spatial; i++) {
        dim[2 + i] = c->padded[i];
        starts[2 + i] = c->pads[i];
    }
    for (int i = 0; i < c->spatial + 2; i++) {
        sizes[i] = i < 2 ? dim[i] : c->image[i - 2];
        ones[i] = 1;
    }
    return irb_slice(b, irb_reshape(b, y, dim, c->spatial + 2), starts, sizes, ones);
}

// The extents of the image: an operand known when compiling, or declared for the result and
// checked.
static bool read_image(struct import_node *n, struct columns *c)
{
    struct ir_type t;
    int num;
    if (node_is_known(n, 1)) {
        const int64_t *v = node_const_ints(n, 1, &num);
        if (!v || num != c->spatial)
            return v && node_error(n, DIAG_ONNX_SHAPE,
                                   "%d extents of the image and %d of the block", num, c->spatial);
        memcpy(c->image, v, (size_t)num * sizeof(*v));
        return true;
    }
    if (!node_expect(n, 0, 1, &t) || !node_expect_rank(n, &t, c->spatial + 2, c->spatial + 2))
        return false;
    memcpy(c->image, t.dim + 2, (size_t)c->spatial * sizeof(*t.dim));
    return node_check_equal(n, node_vector(n, 1), c->image, c->spatial, 1,
                            "the extents that the model declares for the result");
}

enum { BLOCKS_MAX = 64, TRIES_MAX = 1 << 22 };

// The next block of extents up to those of the padded image, row-major; false: there is none.
static bool next_block(struct columns *c)
{
    for (int i = c->spatial - 1; i >= 0; i--) {
        if (++c->block[i] <= c->image[i] + c->pads[i] + c->pads[c->spatial + i])
            return true;
        c->block[i] = 1;
    }
    return false;
}

// A block known only at run time: the result for each that the operand and the declared extents
// leave, and the program takes the one that is meant.
static struct ir_value *pictures_by_block(struct import_node *n, struct columns *c)
{
    struct ir_builder *b = &n->b;
    struct ir_value *given = node_vector(n, 2), *y = NULL, *any = NULL;
    int64_t axis = 0, channels = node_declared_extent(n, 1);
    int found = 0;
    double tries = 1;
    for (int i = 0; i < c->spatial; i++) {
        c->block[i] = 1;
        tries *= (double)(c->image[i] + c->pads[i] + c->pads[c->spatial + i]);
    }
    if (tries > TRIES_MAX) {
        node_report_dynamic(n, 2);
        return NULL;
    }
    do {
        if (!columns_fit(c, &n->in[0]->type) ||
            (channels >= 0 && n->in[0]->type.dim[1] != channels * c->taps))
            continue;
        if (channels < 0 || ++found > BLOCKS_MAX) {
            node_report_dynamic(n, 2);
            return NULL;
        }
        struct ir_value *same =
            irb_binary(b, BFN_eq, given, irb_const_i64s(b, c->block, c->spatial));
        same = irb_reduce(b, RFN_and, same, &axis, 1, false);
        struct ir_value *one = pictures(n, c);
        y = y ? irb_select(b, same, one, y) : one;
        any = any ? irb_binary(b, BFN_or, any, same) : same;
        if (!y || !any)
            return NULL;
    } while (next_block(c));
    if (!y)
        node_report_dynamic(n, 2);
    return y && node_check(n, any, 2, "the extents that the model declares for the result") ? y
                                                                                            : NULL;
}

bool import_Col2Im(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    struct columns c = {.spatial = (int)ir_type_elems(&n->in[2]->type)};
    if (x->rank != 3 || n->in[2]->type.rank > 1 || c.spatial < 1 || c.spatial > WINDOW_DIMS_MAX ||
        2 * c.spatial > IR_MAX_RANK)
        return node_error(n, DIAG_ONNX_SHAPE, "input %s and a block %s do not fit",
                          node_type_text(n, 0), node_type_text(n, 2));
    if (!window_ints(n, "strides", c.spatial, 1, 1, c.strides) ||
        !window_ints(n, "dilations", c.spatial, 1, 1, c.dilations) ||
        !window_ints(n, "pads", 2 * c.spatial, 0, 0, c.pads) || !read_image(n, &c))
        return false;
    if (!node_is_known(n, 2))
        return node_bind(n, 0, pictures_by_block(n, &c));
    int num;
    const int64_t *block = node_const_ints(n, 2, &num);
    if (!block)
        return false;
    memcpy(c.block, block, (size_t)num * sizeof(*block));
    if (!columns_fit(&c, x))
        return node_error(n, DIAG_ONNX_SHAPE,
                          "input is %s; the image has %lld windows of %lld elements",
                          node_type_text(n, 0), (long long)c.windows, (long long)c.taps);
    return node_bind(n, 0, pictures(n, &c));
}

// Elements at the positions that MaxPool gave, zero elsewhere. An output_shape larger than what the
// window implies appends zeros.
bool import_MaxUnpool(struct import_node *n)
{
    struct ir_builder *b = &n->b;
    const struct ir_type *x = &n->in[0]->type, *idx = &n->in[1]->type;
    struct window w;
    if (!node_check_rank(n, 0, 3, IR_MAX_RANK) || !window_read(n, x->rank - 2, NULL, &w))
        return false;
    if (idx->rank != x->rank || ir_type_elems(idx) != ir_type_elems(x))
        return node_error(n, DIAG_ONNX_SHAPE, "X is %s and I %s; their shapes must be equal",
                          node_type_text(n, 0), node_type_text(n, 1));
    int64_t dim[IR_MAX_RANK] = {x->dim[0], x->dim[1]}, none[IR_MAX_RANK] = {0},
            after[IR_MAX_RANK] = {0};
    for (int i = 0; i < w.spatial; i++) {
        dim[2 + i] =
            (x->dim[2 + i] - 1) * w.strides[i] - w.pads[i] - w.pads[w.spatial + i] + w.kernel[i];
        if (dim[2 + i] < 0)
            return node_error(n, DIAG_ONNX_SHAPE, "pads leave nothing of spatial dimension %d", i);
    }
    int64_t count = ir_type_elems(x), total = product(dim, x->rank);
    struct ir_value *y =
        irb_scatter(b, node_filled(n, x->dtype, 0, &total, 1), irb_reshape(b, n->in[1], &count, 1),
                    irb_reshape(b, n->in[0], &count, 1), 0, -1);
    y = irb_reshape(b, y, dim, x->rank);
    if (!node_in(n, 2))
        return node_bind(n, 0, y);
    int num;
    struct ir_type declared;
    bool known = node_is_known(n, 2);
    if (!known && (!node_expect(n, 0, 2, &declared) ||
                   !node_check_equal(n, node_vector(n, 2), declared.dim, declared.rank, 2,
                                     "the extents that the model declares for the result")))
        return false;
    const int64_t *want = known ? node_const_ints(n, 2, &num) : declared.dim;
    if (!want)
        return false;
    num = known ? num : declared.rank;
    bool fits = num == x->rank;
    for (int i = 0; fits && i < num; i++) {
        after[i] = want[i] - dim[i];
        fits = after[i] >= 0;
    }
    if (!fits)
        return node_error(n, DIAG_ONNX_SHAPE,
                          "output_shape has %d extents or a smaller one than the windows imply",
                          num);
    return node_bind(n, 0, irb_pad(b, y, none, after, 0));
}

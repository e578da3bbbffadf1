// Results whose extents only the program knows: computed as vectors of i64 there, each within a
// bound that follows from the operand's extents, or is assumed.
#include "import_open.h"

// ---- Extents

// extents[d] is at most t->dim[d]: checked where the bound is an assumption.
static bool check_bounds(struct import_node *n, struct ir_value *extents, const struct ir_type *t,
                         const bool *assumed, int i)
{
    for (int d = 0; d < t->rank; d++) {
        struct ir_value *fits =
            irb_binary(&n->b, BFN_le, node_element(n, extents, d), node_i64(n, t->dim[d]));
        if (assumed[d] &&
            !node_check(n, fits, i,
                        arena_printf(n->arena, "the bound %lld of extent %d, which --max-dim sets",
                                     (long long)t->dim[d], d)))
            return false;
    }
    return true;
}

// x in another shape: extents, at most those of t.
static struct ir_value *reshape_within(struct import_node *n, struct ir_value *x, struct ir_type *t,
                                       struct ir_value *extents)
{
    for (int d = 0; d < t->rank; d++)
        t->sym[d] = node_element(n, extents, d);
    return irb_reshape_to(&n->b, x, t);
}

struct ir_value *open_extent(struct import_node *n, int i, int64_t low, int64_t *bound)
{
    struct ir_builder *b = &n->b;
    struct ir_value *v = node_convert(n, node_scalar(n, i), DT_I64);
    *bound = node_assumed_bound(n);
    struct ir_value *fits = irb_binary(b, BFN_and, irb_binary(b, BFN_le, node_i64(n, low), v),
                                       irb_binary(b, BFN_le, v, node_i64(n, *bound)));
    return node_check(n, fits, i,
                      arena_printf(n->arena, "the bounds %lld and %lld, which --max-dim sets",
                                   (long long)low, (long long)*bound))
               ? v
               : NULL;
}

// ---- Reshape

// The extents that operand 1 asks for: 0 copies one of x, -1 takes what is left.
static struct ir_value *asked_extents(struct import_node *n, struct ir_value *s, int rank)
{
    struct ir_builder *b = &n->b;
    const struct ir_value *x = n->in[0];
    int64_t first = 0, one_dim = 1;
    int copied = rank < x->type.rank ? rank : x->type.rank;
    struct ir_value *zero = node_i64(n, 0), *one = node_i64(n, 1);
    struct ir_value *given = s;
    if (!node_int(n, "allowzero", 0)) {
        struct ir_value *own = copied > 0 ? node_extents(n, x, 0, copied) : NULL;
        for (int d = copied; d < rank; d++) { // there is none to copy
            struct ir_value *none = irb_reshape(b, node_i64(n, -2), &one_dim, 1);
            own = d == 0 ? none : irb_concat(b, (struct ir_value *[]){own, none}, 2, 0);
        }
        given = irb_select(b, irb_binary(b, BFN_eq, s, zero), own, s);
    }
    struct ir_value *rest = irb_binary(b, BFN_eq, given, node_i64(n, -1));
    struct ir_value *known =
        irb_reduce(b, RFN_prod, irb_select(b, rest, one, given), &first, 1, false);
    int64_t axes[IR_MAX_RANK];
    struct ir_value *total = node_count(n, x, axes, node_axes_from(0, x->type.rank, axes));
    struct ir_value *left = irb_binary(b, BFN_div, total, irb_binary(b, BFN_max, known, one));
    struct ir_value *extents = irb_select(b, rest, left, given);
    struct ir_value *same =
        irb_binary(b, BFN_eq, irb_reduce(b, RFN_prod, extents, &first, 1, false), total);
    return node_check(n, irb_binary(b, BFN_le, zero, extents), 1, "what a Reshape may ask for") &&
                   node_check(n, same, 1, "the number of elements of input 0")
               ? extents
               : NULL;
}

bool open_reshape(struct import_node *n)
{
    struct ir_value *s = node_vector(n, 1);
    struct ir_type t = {.known = true, .dtype = n->in[0]->type.dtype}, declared;
    bool assumed[IR_MAX_RANK];
    int64_t elems = ir_type_elems(&n->in[0]->type);
    if (!s)
        return false;
    if (s->type.dim[0] < 1 || s->type.dim[0] > IR_MAX_RANK)
        return node_error(n, DIAG_LIMIT, "rank %lld, 1 to %d are supported",
                          (long long)s->type.dim[0], IR_MAX_RANK);
    t.rank = (int)s->type.dim[0];
    bool given = node_declared_result(n, 0, &declared) && declared.rank == t.rank;
    for (int d = 0; d < t.rank; d++) {
        t.dim[d] = given && declared.dim[d] >= 0 ? declared.dim[d] : -1;
        assumed[d] = t.dim[d] < 0;
    }
    node_assume_bounds(n, &t, assumed);
    struct ir_value *extents = asked_extents(n, s, t.rank);
    for (int d = 0; d < t.rank; d++)
        t.dim[d] = t.dim[d] > elems && elems > 0 && assumed[d] ? elems : t.dim[d];
    if (!extents || !check_bounds(n, extents, &t, assumed, 1))
        return false;
    return node_bind(n, 0, reshape_within(n, n->in[0], &t, extents));
}

// ---- Dimensions of extent 1

struct ir_value *open_named_axes(struct import_node *n, int i, int rank)
{
    struct ir_builder *b = &n->b;
    struct ir_value *axes = node_vector(n, i);
    int64_t last = 1, column[2] = {rank, 1};
    struct axes_sets sets;
    if (!axes)
        return NULL;
    if (axes->type.dim[0] > rank) {
        node_error(n, DIAG_ONNX_SHAPE, "%lld axes of %d dimensions", (long long)axes->type.dim[0],
                   rank);
        return NULL;
    }
    axes_sets_all(&sets, rank, (int)axes->type.dim[0]);
    if (!node_check_mask(n, node_axes_mask(n, i, rank), &sets, i))
        return NULL;
    axes = irb_select(b, irb_binary(b, BFN_lt, axes, node_i64(n, 0)),
                      irb_binary(b, BFN_add, axes, node_i64(n, rank)), axes);
    struct ir_value *hits =
        irb_binary(b, BFN_eq, irb_reshape(b, node_iota(n, rank, 1), column, 2), axes);
    return irb_reduce(b, RFN_or, hits, &last, 1, false);
}

// How many of the dimensions up to each are not named.
static struct ir_value *unnamed_so_far(struct import_node *n, struct ir_value *named)
{
    struct ir_value *rest = node_convert(n, irb_unary(&n->b, UFN_not, named), DT_I64);
    return irb_scan(&n->b, RFN_sum, rest, 0, false, false);
}

// The extents, an i64 vector, of dimensions that are not named.
static struct ir_value *unnamed_extents(struct import_node *n, struct ir_value *extents,
                                        struct ir_value *named, int num)
{
    struct ir_builder *b = &n->b;
    int64_t last = 1, column[2] = {num, 1};
    struct ir_value *number = irb_reshape(b, node_plus(n, node_iota(n, num, 1), 1), column, 2);
    struct ir_value *mine =
        irb_binary(b, BFN_and, irb_binary(b, BFN_eq, number, unnamed_so_far(n, named)),
                   irb_unary(b, UFN_not, named));
    return irb_reduce(b, RFN_sum, irb_select(b, mine, extents, node_i64(n, 0)), &last, 1, false);
}

// Extent d of x where some `num` of its dimensions were taken out in front of it or not.
static int64_t largest(const struct ir_type *x, int d, int num)
{
    int64_t most = 0;
    for (int k = d; k <= d + num && k < x->rank; k++)
        most = k >= 0 && x->dim[k] > most ? x->dim[k] : most;
    return most;
}

// x, whose named dimensions have extent 1 in `extents`, without them.
static struct ir_value *without(struct import_node *n, struct ir_value *x,
                                const struct ir_type *room, struct ir_value *extents,
                                struct ir_value *named, int num)
{
    struct ir_type t = {.known = true, .dtype = x->type.dtype, .rank = room->rank - num};
    if (t.rank == 0)
        return irb_reshape_to(&n->b, x, &t);
    for (int d = 0; d < t.rank; d++)
        t.dim[d] = largest(room, d, num);
    return reshape_within(n, x, &t, unnamed_extents(n, extents, named, t.rank));
}

bool open_squeeze(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    struct ir_value *named = open_named_axes(n, 1, x->rank);
    struct ir_value *extents = node_extents(n, n->in[0], 0, x->rank), *one = node_i64(n, 1);
    struct ir_value *ones = irb_binary(&n->b, BFN_eq, irb_select(&n->b, named, extents, one), one);
    return named && node_check(n, ones, 1, "the extents of input 0") &&
           node_bind(n, 0,
                     without(n, n->in[0], x, extents, named, (int)ir_type_elems(&n->in[1]->type)));
}

bool open_unsqueeze(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    int num = (int)ir_type_elems(&n->in[1]->type);
    struct ir_type t = {.known = true, .dtype = x->dtype, .rank = x->rank + num};
    if (num > IR_MAX_RANK - x->rank)
        return node_error(n, DIAG_LIMIT, "the result has more than %d dimensions", IR_MAX_RANK);
    struct ir_value *named = open_named_axes(n, 1, t.rank), *one = node_i64(n, 1);
    for (int d = 0; d < t.rank; d++) {
        int64_t most = largest(x, d - num, num);
        t.dim[d] = most > 1 ? most : 1;
    }
    if (!named)
        return false;
    if (x->rank == 0)
        return node_bind(n, 0, irb_reshape(&n->b, n->in[0], t.dim, t.rank));
    struct ir_value *from = node_plus(n, unnamed_so_far(n, named), -1);
    from = irb_binary(&n->b, BFN_max, from, node_i64(n, 0));
    struct ir_value *own = irb_gather(&n->b, node_extents(n, n->in[0], 0, x->rank), from, 0);
    return node_bind(n, 0, reshape_within(n, n->in[0], &t, irb_select(&n->b, named, one, own)));
}

struct ir_value *open_reduced(struct import_node *n, struct ir_value *x, struct ir_value *named,
                              int num, bool keep)
{
    if (!x || !named)
        return NULL;
    struct ir_type room = x->type;
    struct ir_value *extents = node_extents(n, n->in[0], 0, room.rank);
    extents = irb_select(&n->b, named, node_i64(n, 1), extents);
    for (int d = 0; d < room.rank; d++)
        x = irb_extent(&n->b, x, node_element(n, extents, d), d);
    return keep || !x ? x : without(n, x, &room, extents, named, num);
}

// ---- Positions

bool open_tile(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    struct ir_value *s = node_vector(n, 1), *y = n->in[0];
    bool assumed[IR_MAX_RANK];
    if (!s)
        return false;
    if (s->type.dim[0] != x->rank)
        return node_error(n, DIAG_ONNX_SHAPE, "%lld repeats for %s", (long long)s->type.dim[0],
                          node_type_text(n, 0));
    if (x->rank == 0)
        return node_bind(n, 0, y);
    struct ir_type t = *x;
    for (int d = 0; d < t.rank; d++)
        assumed[d] = true;
    node_assume_bounds(n, &t, assumed);
    for (int d = 0; d < t.rank; d++)
        t.dim[d] = t.dim[d] < x->dim[d] ? x->dim[d] : t.dim[d];
    struct ir_value *grown = irb_binary(&n->b, BFN_mul, s, irb_const_i64s(&n->b, x->dim, x->rank));
    if (!node_check(n, irb_binary(&n->b, BFN_le, node_i64(n, 0), s), 1,
                    "the rule that no number of copies is below 0") ||
        !check_bounds(n, grown, &t, assumed, 1))
        return false;
    for (int d = 0; d < t.rank && y; d++) {
        struct ir_value *at = node_iota_to(n, node_element(n, grown, d), t.dim[d]);
        int64_t own = x->dim[d] > 0 ? x->dim[d] : 1;
        y = node_pick(n, y, d, irb_binary(&n->b, BFN_mod, at, node_i64(n, own)), NULL);
    }
    return node_bind(n, 0, y);
}

bool open_split(struct import_node *n, int axis)
{
    struct ir_builder *b = &n->b;
    struct ir_value *sizes = node_vector(n, 1);
    int64_t extent = n->in[0]->type.dim[axis], first = 0;
    if (!sizes)
        return false;
    if (sizes->type.dim[0] != n->num_out)
        return node_error(n, DIAG_ONNX_SHAPE, "%lld sizes for %d outputs",
                          (long long)sizes->type.dim[0], n->num_out);
    struct ir_value *sum = irb_reduce(b, RFN_sum, sizes, &first, 1, false);
    if (!node_check(n, irb_binary(b, BFN_le, node_i64(n, 0), sizes), 1,
                    "the rule that no part has an extent below 0") ||
        !node_check(n, irb_binary(b, BFN_eq, sum, irb_extent_of(b, n->in[0], axis)), 1,
                    "the extent of input 0"))
        return false;
    struct ir_value *start = irb_scan(b, RFN_sum, sizes, 0, true, false);
    for (int i = 0; i < n->num_out; i++) {
        if (!node_has_output(n, i))
            continue;
        struct ir_value *at = node_iota_to(n, node_element(n, sizes, i), extent);
        at = irb_binary(b, BFN_add, at, node_element(n, start, i));
        if (!node_bind(n, i, node_pick(n, n->in[0], axis, at, NULL)))
            return false;
    }
    return true;
}

bool open_center_crop_pad(struct import_node *n, const int64_t *axes, int num)
{
    struct ir_builder *b = &n->b;
    struct ir_value *want = node_vector(n, 1), *y = n->in[0], *two = node_i64(n, 2);
    const struct ir_type *x = &n->in[0]->type;
    struct ir_type t = {.known = true, .rank = num};
    bool assumed[IR_MAX_RANK];
    if (!want)
        return false;
    if (want->type.dim[0] != num)
        return node_error(n, DIAG_ONNX_SHAPE, "the shape has %lld extents for %d axes",
                          (long long)want->type.dim[0], num);
    for (int i = 0; i < num; i++)
        assumed[i] = true;
    node_assume_bounds(n, &t, assumed);
    if (!node_check(n, irb_binary(b, BFN_le, node_i64(n, 0), want), 1,
                    "the rule that no extent is below 0") ||
        !check_bounds(n, want, &t, assumed, 1))
        return false;
    for (int i = 0; i < num && y; i++) {
        int64_t axis;
        if (!node_axis(n, axes[i], x->rank, &axis))
            return false;
        struct ir_value *extent = node_element(n, want, i);
        // Both halves are rounded down: division truncates.
        struct ir_value *offset =
            irb_binary(b, BFN_div, irb_binary(b, BFN_sub, node_i64(n, x->dim[axis]), extent), two);
        struct ir_value *at = irb_binary(b, BFN_add, node_iota_to(n, extent, t.dim[i]), offset);
        y = node_pick(n, y, (int)axis, at, irb_const_like(b, x->dtype, 0));
    }
    return node_bind(n, 0, y);
}

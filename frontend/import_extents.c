// Shapes with extents known only at run time.
#include "import_open.h"

#include <string.h>

#include "importer.h"

// ---- Extents as data

struct ir_value *node_positions(struct import_node *n, const struct ir_value *x, int axis)
{
    struct ir_value *at = node_iota(n, x->type.dim[axis], 1);
    return x->type.sym[axis] ? irb_extent(&n->b, at, x->type.sym[axis], 0) : at;
}

struct ir_value *node_extents(struct import_node *n, const struct ir_value *x, int from, int to)
{
    struct ir_value *part[IR_MAX_RANK];
    int64_t one = 1;
    bool dynamic = false;
    for (int i = from; i < to; i++)
        dynamic |= x->type.sym[i] != NULL;
    if (!dynamic)
        return irb_const_i64s(&n->b, x->type.dim + from, to - from);
    for (int i = from; i < to; i++)
        part[i - from] = irb_reshape(&n->b, irb_extent_of(&n->b, x, i), &one, 1);
    return to - from == 1 ? part[0] : irb_concat(&n->b, part, to - from, 0);
}

struct ir_value *node_count(struct import_node *n, const struct ir_value *x, const int64_t *axes,
                            int num)
{
    struct ir_value *count = node_i64(n, 1);
    for (int i = 0; i < num; i++)
        count = irb_binary(&n->b, BFN_mul, count, irb_extent_of(&n->b, x, (int)axes[i]));
    return count;
}

struct ir_value *node_iota_to(struct import_node *n, struct ir_value *count, int64_t bound)
{
    return irb_extent(&n->b, node_iota(n, bound, 1), count, 0);
}

// Operand k of a concatenation of vectors that holds position *i, which becomes its own.
static struct ir_value *concat_part(const struct ir_op *op, int64_t *i)
{
    for (int k = 0; k < op->num_in; k++) {
        if (*i < op->in[k]->type.dim[0])
            return op->in[k];
        *i -= op->in[k]->type.dim[0];
    }
    return NULL;
}

#define STEPS_MAX 64

struct ir_value *node_shape_element(struct import_node *n, struct ir_value *v, int64_t i,
                                    int64_t *known)
{
    for (int step = 0; step < STEPS_MAX && v && v->def; step++) {
        const struct ir_op *op = v->def;
        const struct tensor *t = ir_const_data(v);
        if (t && i < tensor_elems(t)) {
            *known = tensor_get_int(t, i);
            return NULL;
        }
        if (op->op == IR_OP_CONCAT && v->type.rank == 1)
            v = concat_part(op, &i);
        else if (op->op == IR_OP_RESHAPE && !ir_op_is_dynamic(op))
            v = op->in[0];
        else if (op->op == IR_OP_CONVERT && op->in[0]->type.dtype == DT_I64)
            v = op->in[0];
        else if (op->op == IR_OP_SLICE && v->type.rank == 1) {
            i = ir_ints(op, IR_A_starts, NULL)[0] + i * ir_ints(op, IR_A_steps, NULL)[0];
            v = op->in[0];
        } else if (op->op == IR_OP_GATHER && op->in[0]->type.rank == 1 &&
                   ir_const_data(op->in[1])) {
            i = tensor_get_int(ir_const_data(op->in[1]), i);
            v = op->in[0];
            i += i < 0 ? v->type.dim[0] : 0;
        } else {
            break;
        }
    }
    const struct tensor *t = v ? ir_fold_value(v, 4096, n->arena, n->diag) : NULL;
    if (t) {
        *known = tensor_get_int(t, i);
        return NULL;
    }
    return v && v->type.rank == 0 ? v : node_element(n, v, i);
}

#define MAX_DIM_DEFAULT 1024
#define MAX_ELEMS_ASSUMED (INT64_C(1) << 24)
#define MAX_OPEN_ASSUMED (INT64_C(1) << 20) // over the assumed extents alone

int64_t node_assumed_bound(const struct import_node *n)
{
    return n->imp->opt && n->imp->opt->max_dim > 0 ? n->imp->opt->max_dim : MAX_DIM_DEFAULT;
}

// Bounds of the extents that nothing bounds: as large as --max-dim, smaller ones where the whole
// would be very large.
void node_assume_bounds(const struct import_node *n, struct ir_type *t, const bool *assumed)
{
    for (int64_t bound = node_assumed_bound(n);; bound /= 2) {
        int64_t dim[IR_MAX_RANK];
        int num = 0;
        for (int k = 0; k < t->rank; k++)
            if (assumed[k])
                t->dim[k] = dim[num++] = bound;
        int64_t elems = dims_elems(t->dim, t->rank), open = dims_elems(dim, num);
        if (bound <= 1 ||
            (elems >= 0 && elems <= MAX_ELEMS_ASSUMED && open >= 0 && open <= MAX_OPEN_ASSUMED))
            return;
    }
}

// The bound of an extent that is the symbol of some dimension of an operand.
static int64_t bound_of_symbol(const struct import_node *n, const struct ir_value *sym)
{
    for (int i = 0; i < n->num_in; i++)
        for (int k = 0; n->in[i] && k < n->in[i]->type.rank; k++)
            if (n->in[i]->type.sym[k] == sym)
                return n->in[i]->type.dim[k];
    for (const struct ir_use *u = sym->uses; u; u = u->next) // where it became one
        if (u->op->op == IR_OP_EXTENT && u->index == 1)
            return u->op->out[0]->type.dim[ir_int(u->op, IR_A_axis, 0)];
    return -1;
}

bool node_shape_operand(struct import_node *n, int i, int64_t bound, struct ir_type *t)
{
    struct ir_value *v = node_vector(n, i);
    struct ir_type want;
    bool assumed[IR_MAX_RANK] = {false}, checked[IR_MAX_RANK] = {false};
    if (!v)
        return false;
    if (v->type.dim[0] > IR_MAX_RANK)
        return node_error(n, DIAG_LIMIT, "rank %lld, at most %d is supported",
                          (long long)v->type.dim[0], IR_MAX_RANK);
    *t = (struct ir_type){.known = true, .rank = (int)v->type.dim[0]};
    bool declared = node_declared(n, 0, &want) && want.rank == t->rank;
    int unknown = 0;
    for (int k = 0; k < t->rank; k++) {
        t->sym[k] = node_shape_element(n, v, k, &t->dim[k]);
        if (!t->sym[k])
            continue;
        t->dim[k] = bound_of_symbol(n, t->sym[k]);
        checked[k] = t->dim[k] < 0;
        if (checked[k] && declared && want.dim[k] >= 0)
            t->dim[k] = want.dim[k];
        else
            assumed[k] = checked[k];
        unknown += assumed[k];
    }
    for (int k = 0; k < t->rank && bound > 0 && unknown == 1; k++)
        if (assumed[k]) {
            t->dim[k] = bound;
            assumed[k] = false;
        }
    node_assume_bounds(n, t, assumed);
    for (int k = 0; k < t->rank; k++) {
        if (!checked[k])
            continue;
        struct ir_value *fits =
            irb_binary(&n->b, BFN_and, irb_binary(&n->b, BFN_le, node_i64(n, 0), t->sym[k]),
                       irb_binary(&n->b, BFN_le, t->sym[k], node_i64(n, t->dim[k])));
        if (!node_check(n, fits, i,
                        arena_printf(n->arena, "the bound 0..%lld of extent %d%s",
                                     (long long)t->dim[k], k,
                                     assumed[k] ? ", which --max-dim sets" : "")))
            return false;
    }
    return true;
}

struct ir_value *node_plus(struct import_node *n, struct ir_value *v, int64_t c)
{
    return c ? irb_binary(&n->b, BFN_add, v, node_i64(n, c)) : v;
}

// x with all the room along axis that it may need, zeros where it has nothing.
static struct ir_value *whole_along(struct import_node *n, struct ir_value *x, int axis)
{
    struct ir_value *y = x->type.sym[axis] ? irb_fit(&n->b, x, x->type.dim) : x;
    for (int d = 0; y && y != x && d < x->type.rank; d++)
        if (d != axis && x->type.sym[d])
            y = irb_extent(&n->b, y, x->type.sym[d], d);
    return y;
}

struct ir_value *node_concat(struct import_node *n, struct ir_value *const *x, int num, int axis)
{
    struct ir_builder *b = &n->b;
    struct ir_value **part = ARENA_ARRAY(n->arena, (size_t)num + 1, struct ir_value *);
    struct ir_value **start = ARENA_ARRAY(n->arena, (size_t)num + 1, struct ir_value *);
    int64_t *room = ARENA_ARRAY(n->arena, (size_t)num + 1, int64_t);
    bool open = false;
    for (int i = 0; i < num; i++)
        if (!x[i] || x[i]->type.rank <= axis)
            return irb_concat(b, x, num, axis); // which reports it
    for (int i = 0; i < num; i++)
        open |= x[i]->type.sym[axis] != NULL;
    if (!open)
        return irb_concat(b, x, num, axis);
    start[0] = node_i64(n, 0);
    for (int i = 0; i < num; i++) {
        part[i] = whole_along(n, x[i], axis);
        start[i + 1] = irb_binary(b, BFN_add, start[i], irb_extent_of(b, x[i], axis));
        room[i + 1] = room[i] + x[i]->type.dim[axis];
    }
    struct ir_value *at = node_iota_to(n, start[num], room[num]), *index = at;
    for (int i = 1; i < num; i++) {
        struct ir_value *behind = irb_binary(b, BFN_sub, at, start[i]);
        index = irb_select(b, irb_binary(b, BFN_le, start[i], at), node_plus(n, behind, room[i]),
                           index);
    }
    return irb_gather(b, irb_concat(b, part, num, axis), index, axis);
}

bool node_make_room(struct import_node *n, int i, const struct ir_type *t, int64_t most,
                    struct node_room *room)
{
    struct ir_type declared;
    bool given = node_declared_result(n, i, &declared) && declared.rank == t->rank;
    bool assumed[IR_MAX_RANK] = {false};
    *room = (struct node_room){.type = *t, .declared = true};
    for (int d = 0; d < t->rank; d++) {
        if (t->dim[d] >= 0)
            continue;
        room->open |= 1u << d;
        bool known = given && declared.dim[d] >= 0;
        room->type.dim[d] = known ? declared.dim[d] : most;
        room->declared = room->declared && known;
        assumed[d] = !known && most < 0;
        room->assumed |= (uint32_t)assumed[d] << d;
    }
    node_assume_bounds(n, &room->type, assumed);
    return dims_elems(room->type.dim, t->rank) >= 0 ||
           node_error(n, DIAG_LIMIT, "output %d is too large", i);
}

struct ir_value *node_in_room(struct import_node *n, const struct node_room *room,
                              struct ir_value *v, struct ir_value *real, const char *what)
{
    const struct ir_type *t = &room->type;
    int64_t want[IR_MAX_RANK];
    int num = 0;
    for (int d = 0; d < t->rank; d++)
        if (room->open >> d & 1)
            want[num++] = t->dim[d];
    if (num == 0)
        return v;
    if (!v || !real || (room->declared && !node_expect_extents(n, real, want, num, what)))
        return NULL;
    num = 0;
    for (int d = 0; d < t->rank && !room->declared; d++) {
        if (!(room->open >> d & 1))
            continue;
        struct ir_value *extent = node_element(n, real, num++);
        struct ir_value *fits = irb_binary(&n->b, BFN_le, extent, node_i64(n, t->dim[d]));
        if ((room->assumed >> d & 1) &&
            !irb_check(&n->b, fits,
                       arena_printf(n->arena,
                                    "%s '%s': extent %d of %s is larger than %lld, which --max-dim "
                                    "sets",
                                    n->row->name, n->proto->name ? n->proto->name : "", d, what,
                                    (long long)t->dim[d])))
            return NULL;
        v = irb_extent(&n->b, v, extent, d);
    }
    return v;
}

struct ir_value *node_host_within(struct import_node *n, const char *kernel,
                                  const struct host_args *args, struct ir_type t)
{
    struct ir_type declared, result[2];
    bool assumed[IR_MAX_RANK] = {false}, open[IR_MAX_RANK] = {false};
    bool given = node_declared_result(n, 0, &declared) && declared.rank == t.rank;
    for (int d = 0; d < t.rank; d++) {
        open[d] = t.dim[d] < 0;
        if (open[d] && given)
            t.dim[d] = declared.dim[d];
        assumed[d] = t.dim[d] < 0;
    }
    node_assume_bounds(n, &t, assumed);
    result[0] = t;
    result[1] = ir_type_make(DT_I64, &(int64_t){t.rank}, 1);
    struct ir_op *op = node_host_op(n, kernel, args, result, 2);
    struct ir_value *y = op ? op->out[0] : NULL;
    for (int d = 0; y && d < t.rank; d++) {
        struct ir_value *extent = node_element(n, op->out[1], d);
        if (open[d])
            y = irb_extent(&n->b, y, extent, d);
        else if (!extent ||
                 !irb_check(&n->b, irb_binary(&n->b, BFN_eq, extent, node_i64(n, t.dim[d])),
                            "an element has another extent than all have"))
            y = NULL;
    }
    return y;
}

// ---- Reshape

struct factors { // a product of extents
    struct ir_value *sym[IR_MAX_RANK];
    int num;
    int64_t known, bound; // of those known, of all
};

static void multiply(struct factors *f, struct ir_value *sym, int64_t dim)
{
    if (sym && f->num < IR_MAX_RANK)
        f->sym[f->num++] = sym;
    else
        f->known *= dim;
    f->bound *= dim;
}

static bool divide(struct factors *f, struct ir_value *sym, int64_t dim)
{
    if (!sym) {
        if (dim == 0 || f->known % dim != 0)
            return false;
        f->known /= dim;
        f->bound /= dim;
        return true;
    }
    for (int i = 0; i < f->num; i++)
        if (f->sym[i] == sym) {
            f->sym[i] = f->sym[--f->num];
            f->bound /= dim > 0 ? dim : 1;
            return true;
        }
    return false;
}

static struct ir_value *product(struct import_node *n, const struct factors *f)
{
    struct ir_value *v = f->known == 1 && f->num > 0 ? f->sym[0] : node_i64(n, f->known);
    for (int i = f->known == 1 ? 1 : 0; i < f->num; i++)
        v = irb_binary(&n->b, BFN_mul, v, f->sym[i]);
    return v;
}

// What is left of the elements for the extent -1.
static bool infer_rest(struct import_node *n, struct ir_type *t, int at)
{
    const struct ir_type *x = &n->in[0]->type;
    struct factors all = {.known = 1, .bound = 1}, others = all, left;
    bool exact = true;
    for (int i = 0; i < x->rank; i++)
        multiply(&all, x->sym[i], x->dim[i]);
    left = all;
    for (int k = 0; k < t->rank; k++) {
        if (k == at)
            continue;
        multiply(&others, t->sym[k], t->dim[k]);
        exact = divide(&left, t->sym[k], t->dim[k]) && exact;
    }
    if (exact) {
        t->dim[at] = left.bound;
        t->sym[at] = left.num > 0 ? product(n, &left) : NULL;
        return left.num == 0 || t->sym[at];
    }
    struct ir_value *total = product(n, &all), *rest = product(n, &others);
    struct ir_value *one = irb_binary(&n->b, BFN_max, rest, node_i64(n, 1));
    t->dim[at] = all.bound;
    t->sym[at] = irb_binary(&n->b, BFN_div, total, one);
    return node_check(
        n, irb_binary(&n->b, BFN_eq, irb_binary(&n->b, BFN_mul, t->sym[at], rest), total), 1,
        "the number of elements of input 0");
}

// Whether v is a number out of a graph input: what a program computes of extents is one itself, but
// a user may ask for 0 and -1 too.
static bool is_given(const struct ir_value *v)
{
    while (v && v->def) {
        enum ir_opcode op = v->def->op;
        if (op != IR_OP_RESHAPE && op != IR_OP_SLICE && op != IR_OP_CONVERT && op != IR_OP_GATHER &&
            op != IR_OP_EXTENT)
            return false;
        v = v->def->in[0];
    }
    return v != NULL;
}

static bool asks_at_run_time(struct import_node *n)
{
    struct ir_value *v = node_vector(n, 1);
    for (int64_t k = 0; v && k < v->type.dim[0]; k++) {
        int64_t known;
        if (is_given(node_shape_element(n, v, k, &known)))
            return true;
    }
    return false;
}

bool extents_reshape(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    struct ir_type t;
    int at = -1;
    bool allow_zero = node_int(n, "allowzero", 0) != 0;
    int64_t axes[IR_MAX_RANK];
    if (asks_at_run_time(n))
        return open_reshape(n);
    if (!node_shape_operand(n, 1, ir_type_elems(x), &t))
        return false;
    t.dtype = x->dtype;
    for (int k = 0; k < t.rank; k++) {
        if (t.sym[k])
            continue;
        if (t.dim[k] < -1 || (t.dim[k] == -1 && at >= 0) ||
            (t.dim[k] == 0 && !allow_zero && k >= x->rank))
            return node_error(n, DIAG_ONNX_SHAPE, "shape[%d] = %lld", k, (long long)t.dim[k]);
        if (t.dim[k] == -1)
            at = k;
        if (t.dim[k] == 0 && !allow_zero) {
            t.dim[k] = x->dim[k];
            t.sym[k] = x->sym[k];
        }
    }
    if (at >= 0 && !infer_rest(n, &t, at))
        return false;
    struct ir_value *y = irb_reshape_to(&n->b, n->in[0], &t);
    if (!y || at >= 0)
        return node_bind(n, 0, y);
    struct ir_value *have = node_count(n, n->in[0], axes, node_axes_from(0, x->rank, axes));
    struct ir_value *want = node_count(n, y, axes, node_axes_from(0, t.rank, axes));
    return node_check(n, irb_binary(&n->b, BFN_eq, have, want), 1,
                      "the number of elements of input 0") &&
           node_bind(n, 0, y);
}

// ---- Broadcasts

bool extents_broadcast(struct import_node *n, struct ir_value *x, int i)
{
    struct ir_type t, all;
    if (!x || !node_shape_operand(n, i, 0, &t))
        return false;
    // An extent of the operand is kept where 1 is asked for; another unknown one must be equal.
    for (int k = 1; k <= t.rank && k <= x->type.rank; k++) {
        int dt = t.rank - k, dx = x->type.rank - k;
        struct ir_value *sx = x->type.sym[dx];
        if ((!sx && x->type.dim[dx] == 1) || sx == t.sym[dt] || (!t.sym[dt] && t.dim[dt] == 1))
            continue;
        struct ir_value *own = irb_extent_of(&n->b, x, dx), *asked = t.sym[dt];
        asked = asked ? asked : node_i64(n, t.dim[dt]);
        struct ir_value *one = node_i64(n, 1);
        if (!node_check(n,
                        irb_binary(&n->b, BFN_or, irb_binary(&n->b, BFN_eq, own, asked),
                                   irb_binary(&n->b, BFN_eq, asked, one)),
                        i, "the extents of the operand"))
            return false;
        t.sym[dt] = sx;
        t.dim[dt] = x->type.dim[dx];
    }
    if (!ir_broadcast_types(&x->type, &t, &all))
        return node_error(n, DIAG_ONNX_SHAPE, "%s does not broadcast to %s",
                          ir_type_text(&x->type, n->arena), ir_type_text(&t, n->arena));
    return node_bind(n, 0, irb_broadcast_to(&n->b, x, &all));
}

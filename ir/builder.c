// Ops with their attributes set and their types inferred. An op whose inference fails is taken out
// again, so that a graph never holds an op without types.
#include "ir_priv.h"

static struct ir_op *start(struct ir_builder *b, enum ir_opcode opcode, struct ir_value *const *in,
                           int n, const char *name)
{
    return ir_op_create(b->graph, b->before, opcode, b->loc, in, n, 1, name);
}

static struct ir_value *finish(struct ir_builder *b, struct ir_op *op)
{
    if (ir_infer(op, b->diag))
        return op->out[0];
    ir_op_erase(op);
    return NULL;
}

static struct ir_op *start1(struct ir_builder *b, enum ir_opcode opcode, struct ir_value *x)
{
    return x ? start(b, opcode, &x, 1, NULL) : NULL;
}

// ---- Constants ---------------------------------------------------------------------------------

struct ir_value *irb_const(struct ir_builder *b, const struct tensor *t, const char *name)
{
    if (!t)
        return NULL;
    struct ir_op *op = start(b, IR_OP_CONST, NULL, 0, name ? name : t->name);
    op->data = t;
    return finish(b, op);
}

struct ir_value *irb_const_f32(struct ir_builder *b, double v)
{
    return irb_const_like(b, DT_F32, v);
}

struct ir_value *irb_const_like(struct ir_builder *b, enum dtype t, double v)
{
    struct tensor *x = tensor_create(b->graph->module->arena, t, NULL, 0);
    if (!ir_put_double(x, 0, v)) {
        diag_report(b->diag, b->loc, DIAG_IR_DATA, "%g is not a value of type %s", v,
                    dtype_text(t));
        return NULL;
    }
    return irb_const(b, x, NULL);
}

struct ir_value *irb_const_i64s(struct ir_builder *b, const int64_t *v, int n)
{
    struct tensor *x = tensor_create(b->graph->module->arena, DT_I64, &(int64_t){n}, 1);
    for (int i = 0; i < n; i++)
        ((int64_t *)x->data)[i] = v[i];
    return irb_const(b, x, NULL);
}

static void agree_but(struct ir_builder *b, struct ir_value *x, struct ir_value **y, int but);

// The operands of an op on equal extents, see agree_but.
static void agree(struct ir_builder *b, struct ir_value *x, struct ir_value **y)
{
    agree_but(b, x, y, 0);
}

// ---- Element-wise ------------------------------------------------------------------------------

struct ir_value *irb_unary(struct ir_builder *b, enum unary_fn fn, struct ir_value *x)
{
    struct ir_op *op = start1(b, IR_OP_UNARY, x);
    if (!op)
        return NULL;
    ir_set_int(op, IR_A_fn_unary, fn);
    return finish(b, op);
}

struct ir_value *irb_binary(struct ir_builder *b, enum binary_fn fn, struct ir_value *x,
                            struct ir_value *y)
{
    agree(b, x, &y);
    agree(b, y, &x);
    if (!x || !y)
        return NULL;
    struct ir_op *op = start(b, IR_OP_BINARY, (struct ir_value *[]){x, y}, 2, NULL);
    ir_set_int(op, IR_A_fn_binary, fn);
    return finish(b, op);
}

struct ir_value *irb_select(struct ir_builder *b, struct ir_value *c, struct ir_value *x,
                            struct ir_value *y)
{
    agree(b, c, &x);
    agree(b, x, &c);
    agree(b, c, &y);
    agree(b, x, &y);
    agree(b, y, &x);
    agree(b, y, &c);
    if (!c || !x || !y)
        return NULL;
    return finish(b, start(b, IR_OP_SELECT, (struct ir_value *[]){c, x, y}, 3, NULL));
}

struct ir_value *irb_convert(struct ir_builder *b, struct ir_value *x, enum dtype to, bool saturate)
{
    struct ir_op *op = start1(b, IR_OP_CONVERT, x);
    if (!op)
        return NULL;
    ir_set_int(op, IR_A_to, to);
    if (saturate)
        ir_set_int(op, IR_A_saturate, 1);
    return finish(b, op);
}

// ---- Extents known only at run time ------------------------------------------------------------

struct ir_value *irb_extent(struct ir_builder *b, struct ir_value *x, struct ir_value *n,
                            int64_t axis)
{
    if (!x || !n)
        return NULL;
    struct ir_op *op = start(b, IR_OP_EXTENT, (struct ir_value *[]){x, n}, 2, NULL);
    ir_set_int(op, IR_A_axis, axis);
    return finish(b, op);
}

struct ir_value *irb_fit(struct ir_builder *b, struct ir_value *x, const int64_t *dim)
{
    struct ir_op *op = start1(b, IR_OP_FIT, x);
    if (!op)
        return NULL;
    ir_set_ints(op, IR_A_shape, dim, x->type.rank);
    return finish(b, op);
}

struct ir_value *irb_input_extent(struct ir_builder *b, struct ir_value *x, int64_t axis)
{
    struct ir_op *op = start1(b, IR_OP_INPUT_EXTENT, x);
    if (!op)
        return NULL;
    ir_set_int(op, IR_A_axis, axis);
    return finish(b, op);
}

struct ir_value *irb_extent_of(struct ir_builder *b, const struct ir_value *x, int dim)
{
    if (!x || x->type.sym[dim])
        return x ? x->type.sym[dim] : NULL;
    return irb_reshape(b, irb_const_i64s(b, &x->type.dim[dim], 1), NULL, 0);
}

// reshape or broadcast with the extents of a type as operands.
static struct ir_value *shaped(struct ir_builder *b, enum ir_opcode opcode, struct ir_value *x,
                               const struct ir_type *t)
{
    struct ir_value *in[1 + IR_MAX_RANK] = {x};
    int64_t extents[IR_MAX_RANK];
    int n = 0;
    if (!x)
        return NULL;
    for (int i = 0; i < t->rank; i++)
        if (t->sym[i]) {
            extents[n++] = i;
            in[n] = t->sym[i];
        }
    struct ir_op *op = start(b, opcode, in, 1 + n, NULL);
    ir_set_ints(op, IR_A_shape, t->dim, t->rank);
    if (n > 0)
        ir_set_ints(op, IR_A_extents, extents, n);
    return finish(b, op);
}

struct ir_value *irb_broadcast_to(struct ir_builder *b, struct ir_value *x, const struct ir_type *t)
{
    return shaped(b, IR_OP_BROADCAST, x, t);
}

static bool is_dense(const struct ir_type *t)
{
    for (int i = 1; i < t->rank; i++)
        if (t->sym[i])
            return false;
    return true;
}

// A reshape copies between the layout of one side and dense elements; where neither side is dense
// it goes over a vector.
struct ir_value *irb_reshape_to(struct ir_builder *b, struct ir_value *x, const struct ir_type *t)
{
    if (x && !is_dense(&x->type) && !is_dense(t)) {
        struct ir_type flat = {
            .known = true, .rank = 1, .dim = {dims_elems(x->type.dim, x->type.rank)}};
        flat.sym[0] = irb_extent_of(b, x, 0);
        for (int i = 1; i < x->type.rank; i++)
            flat.sym[0] = irb_binary(b, BFN_mul, flat.sym[0], irb_extent_of(b, x, i));
        x = flat.sym[0] ? shaped(b, IR_OP_RESHAPE, x, &flat) : NULL;
    }
    return shaped(b, IR_OP_RESHAPE, x, t);
}

// Dimension dy of y has the extent of dimension dx of x; a check where this is not known.
static void agree_dims(struct ir_builder *b, struct ir_value *x, int dx, struct ir_value **y,
                       int dy)
{
    if (x->type.sym[dx] == (*y)->type.sym[dy])
        return;
    struct ir_value *nx = irb_extent_of(b, x, dx), *ny = irb_extent_of(b, *y, dy);
    if (!nx || !ny ||
        !irb_check(b, irb_binary(b, BFN_eq, nx, ny), "extents that must be equal differ"))
        *y = NULL;
    else
        *y = irb_extent(b, *y, nx, dy);
}

// Where it cannot be known when compiling that two extents are equal, a check says so and y takes
// the extent of x. but: a dimension left out, counted from the end, from 1.
static void agree_but(struct ir_builder *b, struct ir_value *x, struct ir_value **y, int but)
{
    for (int i = 1; x && *y && i <= x->type.rank && i <= (*y)->type.rank; i++) {
        int dx = x->type.rank - i, dy = (*y)->type.rank - i;
        bool one = (!x->type.sym[dx] && x->type.dim[dx] == 1) ||
                   (!(*y)->type.sym[dy] && (*y)->type.dim[dy] == 1);
        if (i != but && !one)
            agree_dims(b, x, dx, y, dy);
    }
}

bool irb_check(struct ir_builder *b, struct ir_value *cond, const char *message)
{
    int64_t axes[IR_MAX_RANK];
    for (int i = 0; cond && i < cond->type.rank; i++)
        axes[i] = i;
    if (cond && cond->type.rank > 0)
        cond = irb_reduce(b, RFN_and, cond, axes, cond->type.rank, false);
    if (!cond)
        return false;
    struct ir_op *op = ir_op_create(b->graph, b->before, IR_OP_CHECK, b->loc, &cond, 1, 0, NULL);
    ir_set_str(op, IR_A_message, message);
    if (ir_infer(op, b->diag))
        return true;
    ir_op_erase(op);
    return false;
}

// ---- Reductions and windows --------------------------------------------------------------------

struct ir_value *irb_bitcast(struct ir_builder *b, struct ir_value *x, enum dtype to)
{
    struct ir_op *op = start1(b, IR_OP_BITCAST, x);
    if (!op)
        return NULL;
    ir_set_int(op, IR_A_to, to);
    return finish(b, op);
}

struct ir_value *irb_reduce(struct ir_builder *b, enum reduce_fn fn, struct ir_value *x,
                            const int64_t *axes, int n, bool keep)
{
    struct ir_op *op = start1(b, IR_OP_REDUCE, x);
    if (!op)
        return NULL;
    ir_set_int(op, IR_A_fn_reduce, fn);
    ir_set_ints(op, IR_A_axes, axes, n);
    ir_set_int(op, IR_A_keep, keep);
    return finish(b, op);
}

static void set_windows(struct ir_op *op, int spatial, const int64_t *strides,
                        const int64_t *dilations, const int64_t *pads)
{
    ir_set_ints(op, IR_A_strides, strides, spatial);
    ir_set_ints(op, IR_A_dilations, dilations, spatial);
    ir_set_ints(op, IR_A_pads, pads, 2 * spatial);
}

// The extents of spatial dimensions as operands from `first` on.
static void add_extents(struct ir_op *op, int first, int spatial, struct ir_value *const *extent)
{
    int64_t at[IR_MAX_RANK];
    int n = 0;
    for (int i = 0; extent && i < spatial; i++)
        if (extent[i]) {
            at[n] = 2 + i;
            ir_op_add_operands(op, first + ++n);
            ir_op_set_operand(op, first + n - 1, extent[i]);
        }
    if (n > 0)
        ir_set_ints(op, IR_A_extents, at, n);
}

struct ir_value *irb_pool_to(struct ir_builder *b, enum reduce_fn fn, struct ir_value *x,
                             int spatial, const int64_t *kernel, const int64_t *strides,
                             const int64_t *dilations, const int64_t *pads,
                             struct ir_value *const *extent)
{
    struct ir_op *op = start1(b, IR_OP_POOL, x);
    if (!op)
        return NULL;
    ir_set_int(op, IR_A_fn_reduce, fn);
    ir_set_ints(op, IR_A_kernel, kernel, spatial);
    set_windows(op, spatial, strides, dilations, pads);
    add_extents(op, 1, spatial, extent);
    return finish(b, op);
}

struct ir_value *irb_pool(struct ir_builder *b, enum reduce_fn fn, struct ir_value *x, int spatial,
                          const int64_t *kernel, const int64_t *strides, const int64_t *dilations,
                          const int64_t *pads)
{
    return irb_pool_to(b, fn, x, spatial, kernel, strides, dilations, pads, NULL);
}

// ---- Movement ----------------------------------------------------------------------------------

struct ir_value *irb_reshape(struct ir_builder *b, struct ir_value *x, const int64_t *dim, int rank)
{
    struct ir_op *op = start1(b, IR_OP_RESHAPE, x);
    if (!op)
        return NULL;
    ir_set_ints(op, IR_A_shape, dim, rank);
    return finish(b, op);
}

struct ir_value *irb_transpose(struct ir_builder *b, struct ir_value *x, const int64_t *perm)
{
    struct ir_op *op = start1(b, IR_OP_TRANSPOSE, x);
    if (!op)
        return NULL;
    ir_set_ints(op, IR_A_perm, perm, x->type.rank);
    return finish(b, op);
}

struct ir_value *irb_slice(struct ir_builder *b, struct ir_value *x, const int64_t *starts,
                           const int64_t *sizes, const int64_t *steps)
{
    struct ir_op *op = start1(b, IR_OP_SLICE, x);
    if (!op)
        return NULL;
    ir_set_ints(op, IR_A_starts, starts, x->type.rank);
    ir_set_ints(op, IR_A_steps, steps, x->type.rank);
    ir_set_ints(op, IR_A_sizes, sizes, x->type.rank);
    return finish(b, op);
}

// All operands with the extents of the first, but along axis.
static bool agree_all(struct ir_builder *b, struct ir_value **x, int n, int64_t axis)
{
    for (int round = 0; round < 2; round++)
        for (int i = 1; i < n && x[0]; i++) {
            int from_end = x[0]->type.rank - (int)axis;
            agree_but(b, x[0], &x[i], from_end);
            agree_but(b, x[i], &x[0], from_end);
            if (!x[i])
                return false;
        }
    return x[0] != NULL;
}

struct ir_value *irb_concat(struct ir_builder *b, struct ir_value *const *given, int n,
                            int64_t axis)
{
    struct ir_value **x = arena_memdup(b->graph->module->arena, given, (size_t)n * sizeof *x);
    for (int i = 0; i < n; i++)
        if (!x[i])
            return NULL;
    bool dynamic = false;
    for (int i = 0; i < n; i++)
        dynamic |= ir_type_is_dynamic(&x[i]->type);
    if (dynamic && !agree_all(b, x, n, axis))
        return NULL;
    struct ir_op *op = start(b, IR_OP_CONCAT, x, n, NULL);
    ir_set_int(op, IR_A_axis, axis);
    return finish(b, op);
}

struct ir_value *irb_pad(struct ir_builder *b, struct ir_value *x, const int64_t *before,
                         const int64_t *after, double value)
{
    struct ir_op *op = start1(b, IR_OP_PAD, x);
    if (!op)
        return NULL;
    ir_set_ints(op, IR_A_before, before, x->type.rank);
    ir_set_ints(op, IR_A_after, after, x->type.rank);
    ir_set_float(op, IR_A_value, value);
    return finish(b, op);
}

struct ir_value *irb_broadcast(struct ir_builder *b, struct ir_value *x, const int64_t *dim,
                               int rank)
{
    struct ir_op *op = start1(b, IR_OP_BROADCAST, x);
    if (!op)
        return NULL;
    ir_set_ints(op, IR_A_shape, dim, rank);
    return finish(b, op);
}

struct ir_value *irb_gather(struct ir_builder *b, struct ir_value *x, struct ir_value *idx,
                            int64_t axis)
{
    if (!x || !idx)
        return NULL;
    struct ir_op *op = start(b, IR_OP_GATHER, (struct ir_value *[]){x, idx}, 2, NULL);
    ir_set_int(op, IR_A_axis, axis);
    return finish(b, op);
}

// ---- Indices, scans, orders ---------------------------------------------------------------------

struct ir_value *irb_gather_elements(struct ir_builder *b, struct ir_value *x, struct ir_value *idx,
                                     int64_t axis)
{
    if (!x || !idx)
        return NULL;
    struct ir_op *op = start(b, IR_OP_GATHER_ELEMENTS, (struct ir_value *[]){x, idx}, 2, NULL);
    ir_set_int(op, IR_A_axis, axis);
    return finish(b, op);
}

struct ir_value *irb_scatter(struct ir_builder *b, struct ir_value *x, struct ir_value *idx,
                             struct ir_value *updates, int64_t axis, int fn)
{
    if (!x || !idx || !updates)
        return NULL;
    struct ir_op *op = start(b, IR_OP_SCATTER, (struct ir_value *[]){x, idx, updates}, 3, NULL);
    ir_set_int(op, IR_A_axis, axis);
    if (fn >= 0)
        ir_set_int(op, IR_A_fn_reduce, fn);
    return finish(b, op);
}

struct ir_value *irb_scan(struct ir_builder *b, enum reduce_fn fn, struct ir_value *x, int64_t axis,
                          bool exclusive, bool reverse)
{
    struct ir_op *op = start1(b, IR_OP_SCAN, x);
    if (!op)
        return NULL;
    ir_set_int(op, IR_A_fn_reduce, fn);
    ir_set_int(op, IR_A_axis, axis);
    if (exclusive)
        ir_set_int(op, IR_A_exclusive, 1);
    if (reverse)
        ir_set_int(op, IR_A_reverse, 1);
    return finish(b, op);
}

struct ir_value *irb_sort(struct ir_builder *b, struct ir_value *x, int64_t axis, bool descending,
                          struct ir_value **where)
{
    *where = NULL;
    if (!x)
        return NULL;
    struct ir_op *op = ir_op_create(b->graph, b->before, IR_OP_SORT, b->loc, &x, 1, 2, NULL);
    ir_set_int(op, IR_A_axis, axis);
    if (descending)
        ir_set_int(op, IR_A_descending, 1);
    struct ir_value *values = finish(b, op);
    *where = values ? op->out[1] : NULL;
    return values;
}

struct ir_value *irb_host_fill(struct ir_builder *b, const char *kernel, const struct ir_type *type,
                               const int64_t *ints, int num_ints, const double *floats,
                               int num_floats)
{
    struct ir_op *op = start(b, IR_OP_HOST, NULL, 0, NULL);
    ir_set_str(op, IR_A_kernel_name, kernel);
    ir_set_ints(op, IR_A_ints, ints, num_ints);
    ir_set_floats(op, IR_A_floats, floats, num_floats);
    op->out[0]->type = *type;
    return finish(b, op);
}

// ---- Multiply-accumulate -----------------------------------------------------------------------

static struct ir_op *start_mac(struct ir_builder *b, enum ir_opcode opcode, struct ir_value *x,
                               struct ir_value *w, struct ir_value *bias)
{
    if (!x || !w)
        return NULL;
    return start(b, opcode, (struct ir_value *[]){x, w, bias}, bias ? 3 : 2, NULL);
}

struct ir_value *irb_conv(struct ir_builder *b, struct ir_value *x, struct ir_value *w,
                          struct ir_value *bias, int spatial, const int64_t *strides,
                          const int64_t *dilations, const int64_t *pads, int64_t group)
{
    return irb_conv_to(b, x, w, bias, spatial, strides, dilations, pads, group, NULL);
}

struct ir_value *irb_conv_to(struct ir_builder *b, struct ir_value *x, struct ir_value *w,
                             struct ir_value *bias, int spatial, const int64_t *strides,
                             const int64_t *dilations, const int64_t *pads, int64_t group,
                             struct ir_value *const *extent)
{
    struct ir_op *op = start_mac(b, IR_OP_CONV, x, w, bias);
    if (!op)
        return NULL;
    set_windows(op, spatial, strides, dilations, pads);
    ir_set_int(op, IR_A_group, group);
    add_extents(op, 4, spatial, extent);
    return finish(b, op);
}

struct ir_value *irb_conv_transpose(struct ir_builder *b, struct ir_value *x, struct ir_value *w,
                                    struct ir_value *bias, int spatial, const int64_t *strides,
                                    const int64_t *dilations, const int64_t *pads,
                                    const int64_t *outpad, int64_t group)
{
    struct ir_op *op = start_mac(b, IR_OP_CONV_TRANSPOSE, x, w, bias);
    if (!op)
        return NULL;
    set_windows(op, spatial, strides, dilations, pads);
    ir_set_ints(op, IR_A_outpad, outpad, spatial);
    ir_set_int(op, IR_A_group, group);
    return finish(b, op);
}

// The columns of x and the rows of y agree, and so do the extents of the batches.
static bool agree_factors(struct ir_builder *b, struct ir_value **x, struct ir_value **y)
{
    if (!*x || !*y)
        return false;
    if ((*x)->type.rank < 2 || (*y)->type.rank < 2 ||
        (!ir_type_is_dynamic(&(*x)->type) && !ir_type_is_dynamic(&(*y)->type)))
        return true;
    agree_dims(b, *x, (*x)->type.rank - 1, y, (*y)->type.rank - 2);
    if (*y)
        agree_dims(b, *y, (*y)->type.rank - 2, x, (*x)->type.rank - 1);
    for (int i = 3; *x && *y && i <= (*x)->type.rank && i <= (*y)->type.rank; i++) {
        int dx = (*x)->type.rank - i, dy = (*y)->type.rank - i;
        if ((!(*x)->type.sym[dx] && (*x)->type.dim[dx] == 1) ||
            (!(*y)->type.sym[dy] && (*y)->type.dim[dy] == 1))
            continue;
        agree_dims(b, *x, dx, y, dy);
        if (*y)
            agree_dims(b, *y, dy, x, dx);
    }
    return *x && *y;
}

struct ir_value *irb_matmul(struct ir_builder *b, struct ir_value *x, struct ir_value *y,
                            struct ir_value *bias)
{
    if (!agree_factors(b, &x, &y))
        return NULL;
    struct ir_op *op = start_mac(b, IR_OP_MATMUL, x, y, bias);
    return op ? finish(b, op) : NULL;
}

// Declared extents, checks at run time, sets of axes, movement by computed positions.
#include "import_operand.h"

#include <string.h>

#include "importer.h"

bool node_is_known(struct import_node *n, int i)
{
    return !node_in(n, i) || node_known(n, i);
}

// ---- Declared types

static const Onnx__ValueInfoProto *find_info(Onnx__ValueInfoProto *const *v, size_t num,
                                             const char *name)
{
    for (size_t i = 0; i < num; i++)
        if (v[i]->name && strcmp(v[i]->name, name) == 0)
            return v[i];
    return NULL;
}

static const Onnx__TensorShapeProto *shape_of(const Onnx__ValueInfoProto *v)
{
    return v && v->type && v->type->tensor_type ? v->type->tensor_type->shape : NULL;
}

// The extent that an input gives to a dimension's parameter; -1 when none does.
static int64_t param_extent(const struct importer *imp, const char *param)
{
    const Onnx__GraphProto *g = imp->model->graph;
    for (size_t i = 0; i < g->n_input; i++) {
        const Onnx__TensorShapeProto *s = shape_of(g->input[i]);
        const struct ir_value *v = importer_find(imp, g->input[i]->name ? g->input[i]->name : "");
        for (size_t k = 0; s && v && (int)s->n_dim == v->type.rank && k < s->n_dim; k++)
            if (!v->type.sym[k] && s->dim[k]->dim_param && strcmp(s->dim[k]->dim_param, param) == 0)
                return v->type.dim[k];
    }
    return -1;
}

// What the present scope declares, in the main graph or in the body of a function.
static const Onnx__TensorShapeProto *declared_shape(const struct importer *imp, const char *name)
{
    const Onnx__FunctionProto *f = imp->scope->function;
    const Onnx__GraphProto *g = imp->model->graph;
    const Onnx__ValueInfoProto *v = f ? NULL : find_info(g->output, g->n_output, name);
    return shape_of(v   ? v
                    : f ? find_info(f->value_info, f->n_value_info, name)
                        : find_info(g->value_info, g->n_value_info, name));
}

static bool is_scalar(const struct importer *imp, const char *name)
{
    const struct ir_value *v = importer_find(imp, name);
    return v && ir_type_elems(&v->type) == 1 && v->type.rank <= 1;
}

static bool is_plain(const char *op)
{
    static const char *const plain[] = {
        "Abs",   "Add",      "Cast", "Ceil", "Clip",    "Cos",  "Div", "Elu",  "Erf", "Exp",
        "Floor", "Identity", "Log",  "Max",  "Min",     "Mul",  "Neg", "Not",  "Pow", "Reciprocal",
        "Relu",  "Round",    "Sign", "Sin",  "Sigmoid", "Sqrt", "Sub", "Tanh",
    };
    for (size_t i = 0; op && i < sizeof(plain) / sizeof(plain[0]); i++)
        if (strcmp(op, plain[i]) == 0)
            return true;
    return false;
}

#define ALIKE_MAX 64
struct alike { // tensors that are known to have one shape
    const char *name[ALIKE_MAX];
    int num;
};

static bool is_alike(const struct alike *s, const char *name)
{
    for (int i = 0; i < s->num; i++)
        if (strcmp(s->name[i], name) == 0)
            return true;
    return false;
}

// Whether the node's result has the shape too: computed element by element from tensors that have
// it and from scalars.
static bool keeps_shape(const struct importer *imp, const struct alike *s, const Onnx__NodeProto *p)
{
    bool some = false, like = p->op_type && strcmp(p->op_type, "CastLike") == 0;
    for (size_t i = 0; i < (like ? 1 : p->n_input); i++) {
        bool has = is_alike(s, p->input[i]);
        if (!has && !is_scalar(imp, p->input[i]))
            return false;
        some |= has;
    }
    return some && p->n_output == 1 && (like || is_plain(p->op_type));
}

// The tensor of the caller that a function gives as `name`; "" when that is none of its results.
static const char *name_at_caller(const struct importer *imp, const char *name)
{
    const Onnx__FunctionProto *f = imp->scope->function;
    for (size_t i = 0; f && i < f->n_output; i++)
        if (strcmp(f->output[i], name) == 0 && i < imp->scope->call->proto->n_output)
            return imp->scope->call->proto->output[i];
    return "";
}

// The shape declared for the tensor, or for what is computed from it element by element; what a
// function gives is looked up where it is called.
static const Onnx__TensorShapeProto *find_shape(const struct importer *imp, const char *name)
{
    const Onnx__FunctionProto *f = imp->scope->function;
    const Onnx__GraphProto *g = imp->model->graph;
    Onnx__NodeProto *const *nodes = f ? f->node : g->node;
    size_t num = f ? f->n_node : g->n_node;
    const Onnx__TensorShapeProto *found = *name ? declared_shape(imp, name) : NULL;
    struct alike s = {{name}, 1};
    for (size_t i = 0; *name && !found && i < num && s.num < ALIKE_MAX; i++)
        if (keeps_shape(imp, &s, nodes[i])) {
            s.name[s.num++] = nodes[i]->output[0];
            found = declared_shape(imp, nodes[i]->output[0]);
        }
    if (found || !f)
        return found;
    struct import_scope caller = *imp->scope->caller;
    struct importer above = *imp;
    above.scope = &caller;
    for (int i = 0; i < s.num && !found; i++)
        found = find_shape(&above, name_at_caller(imp, s.name[i]));
    return found;
}

bool node_declared(struct import_node *n, int out, struct ir_type *t)
{
    const Onnx__TensorShapeProto *s =
        find_shape(n->imp, node_has_output(n, out) ? n->proto->output[out] : "");
    if (!s || s->n_dim > IR_MAX_RANK)
        return false;
    const struct ir_value *x = node_in(n, 0);
    *t =
        (struct ir_type){.known = true, .dtype = x ? x->type.dtype : DT_F32, .rank = (int)s->n_dim};
    for (int i = 0; i < t->rank; i++) {
        t->dim[i] = s->dim[i]->has_dim_value ? s->dim[i]->dim_value : -1;
        if (t->dim[i] < 0 && s->dim[i]->dim_param && *s->dim[i]->dim_param)
            t->dim[i] = param_extent(n->imp, s->dim[i]->dim_param);
        if (t->dim[i] < -1)
            return false;
    }
    return true;
}

bool node_declared_whole(struct import_node *n, int out, struct ir_type *t)
{
    bool known = node_declared(n, out, t);
    for (int k = 0; known && k < t->rank; k++)
        known = t->dim[k] >= 0;
    return known;
}

bool node_expect(struct import_node *n, int out, int i, struct ir_type *t)
{
    if (!node_declared_whole(n, out, t))
        return node_report_dynamic(n, i);
    return dims_elems(t->dim, t->rank) >= 0 ||
           node_error(n, DIAG_ONNX_SHAPE, "the model declares a result far too large");
}

bool node_expect_rank(struct import_node *n, const struct ir_type *t, int low, int high)
{
    return (t->rank >= low && t->rank <= high) ||
           node_error(n, DIAG_ONNX_SHAPE,
                      "the result is declared as %s, which has no rank of %d to %d",
                      ir_type_text(t, n->arena), low, high);
}

// ---- Small expressions

struct ir_value *node_i64(struct import_node *n, int64_t v)
{
    return irb_reshape(&n->b, irb_const_i64s(&n->b, &v, 1), NULL, 0);
}

struct ir_value *node_vector(struct import_node *n, int i)
{
    struct ir_value *v = node_in(n, i);
    if (!v || !dtype_is_int(v->type.dtype) || v->type.rank > 1) {
        node_error(n, DIAG_ONNX_SHAPE, "input %d is %s, a vector of integers is needed", i,
                   node_type_text(n, i));
        return NULL;
    }
    int64_t count = ir_type_elems(&v->type);
    v = node_convert(n, v, DT_I64);
    return v && v->type.rank == 1 ? v : irb_reshape(&n->b, v, &count, 1);
}

struct ir_value *node_scalar(struct import_node *n, int i)
{
    struct ir_value *v = node_in(n, i);
    if (v && ir_type_elems(&v->type) == 1)
        return v->type.rank == 0 ? v : irb_reshape(&n->b, v, NULL, 0);
    node_error(n, DIAG_ONNX_SHAPE, "input %d is %s, one element is needed", i,
               node_type_text(n, i));
    return NULL;
}

struct ir_value *node_element(struct import_node *n, struct ir_value *v, int64_t i)
{
    int64_t one = 1;
    return irb_reshape(&n->b, irb_slice(&n->b, v, &i, &one, &one), NULL, 0);
}

struct ir_value *node_clamp(struct import_node *n, struct ir_value *v, struct ir_value *low,
                            struct ir_value *high)
{
    return irb_binary(&n->b, BFN_min, irb_binary(&n->b, BFN_max, v, low), high);
}

// ---- Checks

#define CHECKED_ELEMS_MAX 4096

// Whether the condition is known: 1 holds, 0 does not, -1 is seen at run time.
static int known_truth(struct import_node *n, struct ir_value *cond)
{
    const struct tensor *t = ir_fold_value(cond, CHECKED_ELEMS_MAX, n->arena, n->diag);
    if (!t)
        return -1;
    for (int64_t i = 0; i < tensor_elems(t); i++)
        if (!((const uint8_t *)t->data)[i])
            return 0;
    return 1;
}

bool node_check(struct import_node *n, struct ir_value *cond, int i, const char *what)
{
    if (!cond)
        return false;
    int truth = known_truth(n, cond);
    const char *text =
        arena_printf(n->arena, "input %d '%s' contradicts %s", i, node_input_name(n, i), what);
    if (truth >= 0)
        return truth || node_error(n, DIAG_ONNX_SHAPE, "%s", text);
    const char *name = n->proto->name ? n->proto->name : "";
    return irb_check(&n->b, cond,
                     arena_printf(n->arena, "%s%s%s%s: %s", n->row->name, *name ? " '" : "", name,
                                  *name ? "'" : "", text));
}

bool node_check_equal(struct import_node *n, struct ir_value *v, const int64_t *want, int count,
                      int i, const char *what)
{
    if (!v)
        return false;
    if (ir_type_elems(&v->type) != count)
        return node_error(n, DIAG_ONNX_SHAPE, "input %d '%s' has %lld elements; %s needs %d", i,
                          node_input_name(n, i), (long long)ir_type_elems(&v->type), what, count);
    return count == 0 ||
           node_check(n, irb_binary(&n->b, BFN_eq, v, irb_const_i64s(&n->b, want, count)), i, what);
}

int64_t node_declared_extent(struct import_node *n, int d)
{
    struct ir_type t;
    return node_declared(n, 0, &t) && d < t.rank ? t.dim[d] : -1;
}

int64_t node_count_operand(struct import_node *n, int i, int64_t guess)
{
    const struct tensor *t = node_known(n, i);
    if (t && tensor_elems(t) == 1 && dtype_is_int(t->dtype))
        return tensor_get_int(t, 0);
    if (!t && guess < 0)
        node_report_dynamic(n, i);
    struct ir_value *v = t || guess < 0 ? NULL : node_vector(n, i);
    if (t)
        node_error(n, DIAG_ONNX_SHAPE, "input %d is %s, one integer is needed", i,
                   node_type_text(n, i));
    return v && node_check_equal(n, v, &guess, 1, i, "the extents that the model declares") ? guess
                                                                                            : -1;
}

// ---- Axes

void axes_sets_all(struct axes_sets *s, int rank, int count)
{
    s->num = 0;
    for (uint32_t m = 0; m < 1u << rank; m++)
        if (__builtin_popcount(m) == count && s->num < AXES_SETS_MAX)
            s->mask[s->num++] = m;
}

struct ir_value *node_axes_mask(struct import_node *n, int i, int rank)
{
    struct ir_builder *b = &n->b;
    struct ir_value *axes = node_vector(n, i), *zero = node_i64(n, 0), *end = node_i64(n, rank);
    struct ir_value *from_end = irb_binary(b, BFN_add, axes, end);
    axes = irb_select(b, irb_binary(b, BFN_lt, axes, zero), from_end, axes);
    struct ir_value *inside =
        irb_binary(b, BFN_and, irb_binary(b, BFN_le, zero, axes), irb_binary(b, BFN_lt, axes, end));
    const char *range = arena_printf(n->arena, "the range of axes [%d, %d)", -rank, rank);
    if (!node_check(n, inside, i, range))
        return NULL;
    int64_t first = 0;
    struct ir_value *bits = irb_binary(b, BFN_shl, node_i64(n, 1), axes);
    return irb_reduce(b, RFN_sum, bits, &first, 1, false);
}

static bool no_set(struct import_node *n, int i)
{
    return node_error(n, DIAG_ONNX_SHAPE,
                      "no axes that input %d could name give the declared result from %s", i,
                      node_type_text(n, 0));
}

bool node_check_mask(struct import_node *n, struct ir_value *mask, const struct axes_sets *s, int i)
{
    int64_t sets[AXES_SETS_MAX];
    if (!mask || s->num == 0)
        return mask && no_set(n, i);
    for (int k = 0; k < s->num; k++)
        sets[k] = s->mask[k];
    int64_t first = 0;
    struct ir_value *hit = irb_binary(&n->b, BFN_eq, mask, irb_const_i64s(&n->b, sets, s->num));
    return node_check(n, irb_reduce(&n->b, RFN_or, hit, &first, 1, false), i,
                      "what the model declares for the result");
}

struct ir_value *node_choose(struct import_node *n, struct ir_value *mask,
                             const struct axes_sets *s, struct ir_value *const *results, int i)
{
    if (!node_check_mask(n, mask, s, i))
        return NULL;
    struct ir_value *v = results[0];
    for (int k = 1; k < s->num; k++)
        v = irb_select(&n->b, irb_binary(&n->b, BFN_eq, mask, node_i64(n, s->mask[k])), results[k],
                       v);
    return v;
}

struct ir_value *node_choose_axis(struct import_node *n, struct ir_value *const *results, int i)
{
    struct ir_value *fits[IR_MAX_RANK];
    struct axes_sets sets = {.num = 0};
    int rank = n->in[0]->type.rank;
    if (ir_type_elems(&n->in[i]->type) != 1) {
        node_error(n, DIAG_ONNX_SHAPE, "input %d is %s, one axis is needed", i,
                   node_type_text(n, i));
        return NULL;
    }
    for (int a = 0; a < rank; a++) {
        if (!results[a])
            continue;
        if (sets.num > 0 && !ir_type_equal(&results[a]->type, &fits[0]->type)) {
            node_report_dynamic(n, i);
            return NULL;
        }
        fits[sets.num] = results[a];
        sets.mask[sets.num++] = 1u << a;
    }
    return node_choose(n, node_axes_mask(n, i, rank), &sets, fits, i);
}

// ---- Movement

struct ir_value *node_pick(struct import_node *n, struct ir_value *x, int axis,
                           struct ir_value *index, struct ir_value *fill)
{
    struct ir_builder *b = &n->b;
    if (!x || !index)
        return NULL;
    struct ir_type t = x->type;
    t.dim[axis] = index->type.dim[0];
    t.sym[axis] = index->type.sym[0];
    if (x->type.dim[axis] == 0 && t.dim[axis] > 0)
        return irb_broadcast_to(b, fill ? fill : irb_const_like(b, x->type.dtype, 0), &t);
    struct ir_value *zero = node_i64(n, 0), *extent = irb_extent_of(b, x, axis);
    struct ir_value *last = irb_binary(b, BFN_sub, extent, node_i64(n, 1));
    struct ir_value *y = irb_gather(b, x, node_clamp(n, index, zero, last), axis);
    if (!fill)
        return y;
    struct ir_value *inside = irb_binary(b, BFN_and, irb_binary(b, BFN_le, zero, index),
                                         irb_binary(b, BFN_le, index, last));
    return irb_select(b, node_along_axis(n, inside, x->type.rank, axis), y, fill);
}

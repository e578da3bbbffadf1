// Operators as they were before opset 7: each is brought to the operands and attributes of its
// later form, whose body does the rest.
#include <string.h>

#include "import_util.h"

// ---- Broadcasting by attribute

// b's dimensions are those of a from `axis` on, at the end without one; extents of 1 broadcast.
static bool place_operand(struct import_node *n)
{
    const struct ir_type *a = &n->in[0]->type, *b = &n->in[1]->type;
    int64_t dim[IR_MAX_RANK], start = a->rank - b->rank;
    if (ir_type_elems(b) == 1) {
        n->in[1] = b->rank == 0 ? n->in[1] : irb_reshape(&n->b, n->in[1], NULL, 0);
        return n->in[1] != NULL;
    }
    if (node_has_attr(n, "axis") && !node_axis(n, node_int(n, "axis", 0), a->rank, &start))
        return false;
    bool fits = start >= 0 && start + b->rank <= a->rank;
    for (int i = 0; fits && i < b->rank; i++)
        fits = b->dim[i] == 1 || b->dim[i] == a->dim[start + i];
    if (!fits)
        return node_error(n, DIAG_ONNX_SHAPE, "%s has no dimensions from %lld on as those of %s",
                          node_type_text(n, 0), (long long)start, node_type_text(n, 1));
    int rank = a->rank - (int)start;
    for (int i = 0; i < rank; i++)
        dim[i] = i < b->rank ? b->dim[i] : 1;
    n->in[1] = rank == b->rank ? n->in[1] : irb_reshape(&n->b, n->in[1], dim, rank);
    return n->in[1] != NULL;
}

static bool match_operands(struct import_node *n)
{
    const struct ir_type *a = &n->in[0]->type, *b = &n->in[1]->type;
    if (node_int(n, "broadcast", 0) != 0)
        return place_operand(n);
    if (a->rank == b->rank && memcmp(a->dim, b->dim, (size_t)a->rank * sizeof(*a->dim)) == 0)
        return true;
    return node_error(n, DIAG_ONNX_SHAPE,
                      "operands are %s and %s; without broadcast = 1 they have "
                      "one shape",
                      node_type_text(n, 0), node_type_text(n, 1));
}

#define BINARY(op)                                                                                 \
    bool import_Old##op(struct import_node *n)                                                     \
    {                                                                                              \
        return match_operands(n) && import_##op(n);                                                \
    }
// clang-format off
BINARY(Add)
BINARY(And)
BINARY(Div)
BINARY(Equal)
BINARY(Greater)
BINARY(Less)
BINARY(Mul)
BINARY(Or)
BINARY(Pow)
BINARY(Sub)
BINARY(Xor)
// clang-format on

bool import_OldPRelu(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type, *slope = &n->in[1]->type;
    if (ir_type_elems(slope) == 1) {
        n->in[1] = irb_reshape(&n->b, n->in[1], NULL, 0);
        return n->in[1] && import_PRelu(n);
    }
    if (x->rank < 2 || slope->rank != 1 || slope->dim[0] != x->dim[1])
        return node_error(n, DIAG_ONNX_SHAPE,
                          "slope is %s; one or one for each channel of %s is "
                          "needed",
                          node_type_text(n, 1), node_type_text(n, 0));
    n->in[1] = node_along_axis(n, n->in[1], x->rank, 1);
    return n->in[1] && import_PRelu(n);
}

// ---- Attributes that became operands

// Makes a vector of integers operand 1, and the only one after operand 0.
static bool with_ints(struct import_node *n, const int64_t *v, int64_t count)
{
    struct tensor *t = tensor_create(n->arena, DT_I64, &count, 1);
    struct ir_value **in = ARENA_ARRAY(n->arena, 2, struct ir_value *);
    if (count > 0)
        memcpy(t->data, v, (size_t)count * sizeof(*v));
    in[0] = n->in[0];
    in[1] = irb_const(&n->b, t, NULL);
    n->in = in;
    n->num_in = 2;
    return in[1] != NULL;
}

bool import_OldReshape(struct import_node *n)
{
    int count;
    const int64_t *shape = node_ints(n, "shape", &count);
    return with_ints(n, shape, count) && import_Reshape(n);
}

// The optional operand has the lengths in x's type.
bool import_OldSplit(struct import_node *n)
{
    if (node_in(n, 1) && !(n->in[1] = node_convert(n, n->in[1], DT_I64)))
        return false;
    return import_Split(n);
}

static bool constant_int(struct import_node *n, int i, int64_t *v)
{
    const struct tensor *t = node_const(n, i);
    if (!t)
        return false;
    if (tensor_elems(t) != 1)
        return node_error(n, DIAG_ONNX_SHAPE, "input %d '%s' is %s, one number is needed", i,
                          node_input_name(n, i), node_type_text(n, i));
    *v = dtype_is_float(t->dtype) ? (int64_t)tensor_get_double(t, 0) : tensor_get_int(t, 0);
    return true;
}

bool import_OldTile(struct import_node *n)
{
    int64_t repeats[IR_MAX_RANK], copies, axis;
    int rank = n->in[0]->type.rank;
    if (!constant_int(n, 1, &copies) || !constant_int(n, 2, &axis) ||
        !node_axis(n, axis, rank, &axis))
        return false;
    for (int i = 0; i < rank; i++)
        repeats[i] = i == axis ? copies : 1;
    return with_ints(n, repeats, rank) && import_Tile(n);
}

bool import_OldUpsample(struct import_node *n)
{
    int64_t count = 4;
    if (!node_check_rank(n, 0, 4, 4))
        return false;
    struct tensor *t = tensor_create(n->arena, DT_F32, &count, 1);
    float *scales = t->data;
    scales[0] = scales[1] = 1;
    scales[2] = (float)node_float(n, "height_scale", 1);
    scales[3] = (float)node_float(n, "width_scale", 1);
    struct ir_value **in = ARENA_ARRAY(n->arena, 2, struct ir_value *);
    in[0] = n->in[0];
    in[1] = irb_const(&n->b, t, NULL);
    n->in = in;
    n->num_in = 2;
    return in[1] && import_Upsample(n);
}

// ---- Cast to a type by name

bool import_OldCast(struct import_node *n)
{
    static const char *const names[] = {"",        "FLOAT",  "UINT8",  "INT8",  "UINT16",
                                        "INT16",   "INT32",  "INT64",  "",      "BOOL",
                                        "FLOAT16", "DOUBLE", "UINT32", "UINT64"}; // by number
    const char *name = node_str(n, "to", "");
    enum dtype to;
    for (int i = 1; i < (int)(sizeof(names) / sizeof(names[0])); i++)
        if (*name && strcmp(names[i], name) == 0 && dtype_by_onnx(i, &to))
            return node_bind(n, 0, irb_convert(&n->b, n->in[0], to, false));
    return node_error(n, DIAG_ONNX_ATTR, "to is '%s', no type of numbers", name);
}

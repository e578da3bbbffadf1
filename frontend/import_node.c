// Typed readers of a node's attributes and constant operands.
#include "import_node.h"

#include <stdarg.h>
#include <string.h>

#include "importer.h"

bool node_error(struct import_node *n, enum diag_id id, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = arena_vprintf(n->arena, fmt, ap);
    va_end(ap);
    return diag_report(n->diag, n->loc, id, "%s", text);
}

static const Onnx__AttributeProto *find_attr(const struct import_node *n, const char *name)
{
    for (size_t i = 0; i < n->proto->n_attribute; i++)
        if (n->proto->attribute[i]->name && strcmp(n->proto->attribute[i]->name, name) == 0)
            return n->proto->attribute[i];
    return NULL;
}

int node_attr_kind(const struct import_node *n, const char *name)
{
    const Onnx__AttributeProto *a = find_attr(n, name);
    return a ? (int)a->type : -1;
}

bool node_has_attr(const struct import_node *n, const char *name)
{
    return find_attr(n, name) != NULL;
}

int64_t node_int(const struct import_node *n, const char *name, int64_t dflt)
{
    const Onnx__AttributeProto *a = find_attr(n, name);
    return a ? a->i : dflt;
}

double node_float(const struct import_node *n, const char *name, double dflt)
{
    const Onnx__AttributeProto *a = find_attr(n, name);
    return a ? (double)a->f : dflt;
}

static const char *copy_bytes(const struct import_node *n, const ProtobufCBinaryData *s)
{
    return arena_strndup(n->arena, s->data ? (const char *)s->data : "", s->len);
}

const char *node_str(const struct import_node *n, const char *name, const char *dflt)
{
    const Onnx__AttributeProto *a = find_attr(n, name);
    return a ? copy_bytes(n, &a->s) : dflt;
}

const int64_t *node_ints(const struct import_node *n, const char *name, int *count)
{
    const Onnx__AttributeProto *a = find_attr(n, name);
    *count = a ? (int)a->n_ints : 0;
    return a ? arena_memdup(n->arena, a->ints, a->n_ints * sizeof(int64_t)) : NULL;
}

const double *node_floats(const struct import_node *n, const char *name, int *count)
{
    const Onnx__AttributeProto *a = find_attr(n, name);
    *count = a ? (int)a->n_floats : 0;
    if (!a)
        return NULL;
    double *v = ARENA_ARRAY(n->arena, a->n_floats, double);
    for (size_t i = 0; i < a->n_floats; i++)
        v[i] = (double)a->floats[i];
    return v;
}

const char *const *node_strs(const struct import_node *n, const char *name, int *count)
{
    const Onnx__AttributeProto *a = find_attr(n, name);
    *count = a ? (int)a->n_strings : 0;
    if (!a)
        return NULL;
    const char **v = ARENA_ARRAY(n->arena, a->n_strings, const char *);
    for (size_t i = 0; i < a->n_strings; i++)
        v[i] = copy_bytes(n, &a->strings[i]);
    return v;
}

const struct tensor *node_tensor(const struct import_node *n, const char *name)
{
    const Onnx__AttributeProto *a = find_attr(n, name);
    return a && a->t ? tensor_from_proto(a->t, n->imp->base_dir, true, n->loc, n->arena, n->diag)
                     : NULL;
}

const struct tensor *node_sparse(const struct import_node *n, const char *name)
{
    const Onnx__AttributeProto *a = find_attr(n, name);
    return a && a->sparse_tensor ? importer_dense(n->imp, a->sparse_tensor, n->loc) : NULL;
}

const char *node_input_name(const struct import_node *n, int i)
{
    return i < n->num_in && (size_t)i < n->proto->n_input ? n->proto->input[i] : "";
}

// Shape operands are small; a longer one is no shape.
#define FOLD_ELEMS_MAX 65536

// Enough to find the inputs behind a shape computation; what depends on more is no shape.
#define BEHIND_MAX 512

struct behind { // values found on the way back from one
    const struct ir_value *value[BEHIND_MAX];
    int num;
};

static void behind_add(struct behind *b, const struct ir_value *v)
{
    for (int i = 0; i < b->num; i++)
        if (b->value[i] == v)
            return;
    if (v && b->num < BEHIND_MAX)
        b->value[b->num++] = v;
}

// "--fix 'a'=FILE --fix 'b'=FILE" for the graph inputs that v depends on; "" when there are none.
static const char *fix_hint(const struct ir_value *v, struct arena *a)
{
    struct behind b = {.num = 0};
    const char *hint = "";
    behind_add(&b, v);
    for (int i = 0; i < b.num; i++) {
        const struct ir_op *def = b.value[i]->def;
        if (!def)
            hint = arena_printf(a, "%s%s--fix '%s'=FILE", hint, *hint ? " " : "", b.value[i]->name);
        for (int k = 0; def && k < def->num_in; k++)
            behind_add(&b, def->in[k]);
    }
    return hint;
}

const struct tensor *node_known(struct import_node *n, int i)
{
    struct ir_value *v = node_in(n, i);
    return v ? ir_fold_value(v, FOLD_ELEMS_MAX, n->arena, n->diag) : NULL;
}

bool node_report_dynamic(struct import_node *n, int i)
{
    struct ir_value *v = node_in(n, i);
    loc_id loc = loc_tensor(diag_locs(n->diag), n->loc, node_input_name(n, i));
    const char *hint = v ? fix_hint(v, n->arena) : "";
    if (!v)
        diag_report(n->diag, loc, DIAG_ONNX_ARITY, "input %d is absent but needed", i);
    else if (*hint)
        diag_report(n->diag, loc, DIAG_ONNX_DYNAMIC,
                    "input %d must be known when compiling, or the model must declare the extents "
                    "of the result; it depends on the model's inputs, make them constants with %s",
                    i, hint);
    else
        diag_report(n->diag, loc, DIAG_ONNX_DYNAMIC,
                    "input %d must be known when compiling, but cannot be computed or has more "
                    "than %d elements on the way",
                    i, FOLD_ELEMS_MAX);
    return false;
}

const struct tensor *node_const(struct import_node *n, int i)
{
    const struct tensor *t = node_known(n, i);
    if (!t)
        node_report_dynamic(n, i);
    return t;
}

const int64_t *node_const_ints(struct import_node *n, int i, int *count)
{
    const struct tensor *t = node_const(n, i);
    *count = 0;
    if (!t)
        return NULL;
    if (t->rank > 1 || !dtype_is_int(t->dtype)) {
        node_error(n, DIAG_ONNX_SHAPE, "input %d is %s, a vector of integers is needed", i,
                   tensor_type_text(t->dtype, t->dim, t->rank, n->arena));
        return NULL;
    }
    if (tensor_elems(t) > FOLD_ELEMS_MAX) {
        node_error(n, DIAG_LIMIT, "input %d has %lld elements, at most %d are handled", i,
                   (long long)tensor_elems(t), FOLD_ELEMS_MAX);
        return NULL;
    }
    *count = (int)tensor_elems(t);
    int64_t *v = ARENA_ARRAY(n->arena, (size_t)*count + 1, int64_t);
    for (int k = 0; k < *count; k++)
        v[k] = tensor_get_int(t, k);
    return v;
}

bool node_axis(struct import_node *n, int64_t axis, int rank, int64_t *out)
{
    if (axis < -rank || axis >= rank)
        return node_error(n, DIAG_ONNX_ATTR, "axis %lld is outside [-%d, %d)", (long long)axis,
                          rank, rank);
    *out = axis < 0 ? axis + rank : axis;
    return true;
}

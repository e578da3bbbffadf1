#include "import_flow.h"

#include <string.h>

const Onnx__GraphProto *flow_graph(const struct import_node *n, const char *name)
{
    for (size_t i = 0; i < n->proto->n_attribute; i++)
        if (n->proto->attribute[i]->name && strcmp(n->proto->attribute[i]->name, name) == 0)
            return n->proto->attribute[i]->g;
    return NULL;
}

bool node_body(struct import_node *n, const char *attr, struct ir_value *const *in, int num_in,
               struct ir_value **out, int num_out)
{
    const Onnx__GraphProto *g = flow_graph(n, attr);
    if (!g)
        return node_error(n, DIAG_ONNX_ATTR, "attribute '%s' holds no graph", attr);
    if ((int)g->n_input != num_in || (int)g->n_output != num_out)
        return node_error(n, DIAG_ONNX_ARITY,
                          "the graph '%s' has %zu inputs and %zu outputs; %d and %d are needed",
                          attr, g->n_input, g->n_output, num_in, num_out);
    return importer_body(n->imp, g, in, out);
}

bool flow_same_types(struct import_node *n, const struct ir_value *a, const struct ir_value *b,
                     const char *what, int i)
{
    return ir_type_equal(&a->type, &b->type) ||
           node_error(n, DIAG_ONNX_DYNAMIC,
                      "%s %d is %s here and %s there; its type must not depend on what is decided "
                      "at run time",
                      what, i, ir_type_text(&a->type, n->arena), ir_type_text(&b->type, n->arena));
}

struct ir_value *flow_scalar(struct import_node *n, struct ir_value *v, const char *what)
{
    if (!v || v->type.rank == 0)
        return v;
    if (ir_type_elems(&v->type) != 1) {
        node_error(n, DIAG_ONNX_SHAPE, "%s is %s, one element is needed", what,
                   ir_type_text(&v->type, n->arena));
        return NULL;
    }
    return irb_reshape(&n->b, v, NULL, 0);
}

bool flow_known(struct import_node *n, struct ir_value *v, int64_t *out)
{
    const struct tensor *t = v ? ir_fold_value(v, 1, n->arena, n->diag) : NULL;
    if (!t || tensor_elems(t) != 1)
        return false;
    *out = tensor_get_int(t, 0);
    return true;
}

bool flow_bind(struct import_node *n, struct ir_value *const *v)
{
    for (int i = 0; i < n->num_out; i++)
        if (!node_bind(n, i, v[i]))
            return false;
    return true;
}

// Whether v is defined after `begin`, a marker of the graph's last region.
static bool is_inside(const struct ir_op *begin, const struct ir_value *v)
{
    for (const struct ir_op *op = begin; op; op = op->next)
        if (v && v->def == op && op->op != IR_OP_CONST)
            return true;
    return false;
}

bool flow_join_types(struct ir_type *t, const struct ir_type *b, const struct ir_op *begin,
                     uint32_t *open)
{
    if (t->dtype != b->dtype || t->rank != b->rank)
        return false;
    for (int d = 0; d < t->rank; d++) {
        bool same = t->sym[d] == b->sym[d] && (t->sym[d] || t->dim[d] == b->dim[d]);
        if (!same || is_inside(begin, t->sym[d]) || is_inside(begin, b->sym[d]))
            *open |= 1u << d;
        t->dim[d] = t->dim[d] > b->dim[d] ? t->dim[d] : b->dim[d];
    }
    return true;
}

void flow_forget_open(struct ir_type *t, uint32_t open)
{
    for (int d = 0; d < t->rank; d++)
        if (open >> d & 1)
            t->sym[d] = NULL;
}

int flow_with_extents(struct import_node *n, struct ir_value *v, const struct ir_type *t,
                      uint32_t open, struct ir_value **out)
{
    int num = 1;
    for (int d = 0; d < t->rank; d++)
        if ((open >> d & 1) && !(out[num++] = irb_extent_of(&n->b, v, d)))
            return 0;
    if (open && ir_type_is_dynamic(t)) { // those that are not open stay
        struct ir_type room = *t;
        for (int d = 0; d < t->rank; d++)
            if (t->sym[d])
                room.dim[d] = v->type.dim[d];
        v = irb_fit(&n->b, v, room.dim);
        for (int d = 0; d < t->rank; d++)
            if (t->sym[d])
                v = irb_extent(&n->b, v, t->sym[d], d);
    } else if (open) {
        v = irb_fit(&n->b, v, t->dim);
    }
    out[0] = v;
    return v ? num : 0;
}

struct ir_value *flow_take_extents(struct import_node *n, struct ir_value *const *v, uint32_t open,
                                   int *used)
{
    struct ir_value *y = v[0];
    int rank = y->type.rank;
    *used = 1;
    for (int d = 0; d < rank; d++)
        if (open >> d & 1)
            y = irb_extent(&n->b, y, v[(*used)++], d);
    return y;
}

void flow_erase_after(struct import_node *n, const struct ir_op *last)
{
    while (n->imp->graph->last != last)
        ir_op_erase(n->imp->graph->last);
}

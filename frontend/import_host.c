#include "import_host.h"

#include <string.h>

#include "importer.h"

// ---- Calls

struct ir_op *node_host_op(struct import_node *n, const char *kernel, const struct host_args *args,
                           const struct ir_type *results, int num_results)
{
    for (int i = 0; i < args->num_in && !args->optional; i++)
        if (!args->in[i])
            return NULL;
    struct ir_op *op = ir_op_create(n->b.graph, n->b.before, IR_OP_HOST, n->loc, args->in,
                                    args->num_in, num_results, NULL);
    ir_set_str(op, IR_A_kernel_name, kernel);
    if (args->num_ints > 0)
        ir_set_ints(op, IR_A_ints, args->ints, args->num_ints);
    if (args->num_floats > 0)
        ir_set_floats(op, IR_A_floats, args->floats, args->num_floats);
    ir_set_int(op, IR_A_pure, 1);
    for (int i = 0; i < num_results; i++)
        op->out[i]->type = results[i];
    return ir_infer(op, n->diag) ? op : NULL;
}

struct ir_value *node_host(struct import_node *n, const char *kernel, const struct host_args *args,
                           const struct ir_type *result)
{
    struct ir_op *op = node_host_op(n, kernel, args, result, 1);
    return op ? op->out[0] : NULL;
}

void node_host_effect(struct ir_op *op)
{
    if (op)
        ir_attr_remove(op, IR_A_pure);
}

// ---- Constants

struct ir_value *node_const_strings(struct import_node *n, const char *const *s, int count)
{
    int64_t dim = count;
    struct tensor *t = tensor_create(n->arena, DT_STR, &dim, 1);
    if (count > 0)
        memcpy(t->data, s, (size_t)count * sizeof(*s));
    return irb_const(&n->b, t, NULL);
}

struct ir_value *node_const_string(struct import_node *n, const char *s)
{
    return node_const_strings(n, &s, 1);
}

struct ir_value *node_const_doubles(struct import_node *n, const double *v, int count)
{
    int64_t dim = count;
    struct tensor *t = tensor_create(n->arena, DT_F64, &dim, 1);
    if (count > 0)
        memcpy(t->data, v, (size_t)count * sizeof(*v));
    return irb_const(&n->b, t, NULL);
}

struct ir_value *node_const_like_i64(struct import_node *n, struct ir_value *x)
{
    return x ? node_convert(n, x, DT_I64) : NULL;
}

// ---- Declared types

static const Onnx__ValueInfoProto *find_info(Onnx__ValueInfoProto *const *info, size_t num,
                                             const char *name)
{
    for (size_t i = 0; i < num; i++)
        if (info[i]->name && strcmp(info[i]->name, name) == 0)
            return info[i];
    return NULL;
}

bool importer_tensor_type(const Onnx__TypeProto__Tensor *tt, struct ir_type *out)
{
    *out = (struct ir_type){.known = true};
    if (!tt || !tt->shape || tt->shape->n_dim > IR_MAX_RANK ||
        !dtype_by_onnx(tt->elem_type, &out->dtype))
        return false;
    out->rank = (int)tt->shape->n_dim;
    for (int d = 0; d < out->rank; d++) {
        const Onnx__TensorShapeProto__Dimension *dim = tt->shape->dim[d];
        out->dim[d] = dim->has_dim_value && dim->dim_value >= 0 ? dim->dim_value : -1;
    }
    return true;
}

bool node_declared_result(const struct import_node *n, int i, struct ir_type *out)
{
    const Onnx__GraphProto *g = n->imp->scope->graph;
    if (!node_has_output(n, i) || !g)
        return false;
    const char *name = n->proto->output[i];
    const Onnx__ValueInfoProto *info = find_info(g->output, g->n_output, name);
    if (!info)
        info = find_info(g->value_info, g->n_value_info, name);
    return info && info->type && importer_tensor_type(info->type->tensor_type, out);
}

bool node_expect_extents(struct import_node *n, struct ir_value *real, const int64_t *want, int num,
                         const char *what)
{
    struct ir_value *in[] = {real, irb_const_i64s(&n->b, want, num), node_const_string(n, what)};
    struct ir_op *op =
        node_host_op(n, "expect_extents", &(struct host_args){.in = in, .num_in = 3}, NULL, 0);
    node_host_effect(op);
    return op != NULL;
}

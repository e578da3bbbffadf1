// Gradient of ai.onnx.preview.training. Inputs are the values of the tensors that xs and then zs
// name; output i is the derivative of y by tensor i of xs. Where an input is not the tensor itself,
// what leads from the tensors to y is computed once more from the inputs.
#include <string.h>

#include "gradient.h"
#include "import_util.h"
#include "importer.h"

// The values of the tensors an attribute names; false after a report.
static bool named_values(struct import_node *n, const char *attr, struct ir_value **v, int *num)
{
    const char *const *names = node_strs(n, attr, num);
    bool ok = true;
    for (int i = 0; i < *num; i++)
        if (!(v[i] = importer_find(n->imp, names[i])))
            ok = diag_report(n->diag, loc_tensor(n->imp->locs, n->loc, names[i]), DIAG_ONNX_VALUE,
                             "%s[%d] names '%s', which is not defined before this node", attr, i,
                             names[i]);
    return ok;
}

bool import_Gradient(struct import_node *n)
{
    int count, num_xs, num_zs;
    node_strs(n, "xs", &num_xs);
    node_strs(n, "zs", &num_zs);
    count = num_xs + num_zs;
    if (num_xs < 1 || n->num_in != count || n->num_out > num_xs)
        return node_error(n, DIAG_ONNX_ARITY,
                          "%d inputs and %d outputs for %d tensors in xs and %d in zs", n->num_in,
                          n->num_out, num_xs, num_zs);
    struct ir_value **tensors = ARENA_ARRAY(n->arena, (size_t)count, struct ir_value *);
    struct ir_value **dx = ARENA_ARRAY(n->arena, (size_t)num_xs, struct ir_value *);
    const char *name = node_str(n, "y", "");
    struct ir_value *y = importer_find(n->imp, name);
    if (!y)
        return diag_report(n->diag, loc_tensor(n->imp->locs, n->loc, name), DIAG_ONNX_VALUE,
                           "y names '%s', which is not defined before this node", name);
    if (!named_values(n, "xs", tensors, &num_xs) ||
        !named_values(n, "zs", tensors + num_xs, &num_zs))
        return false;
    if (memcmp(tensors, n->in, (size_t)count * sizeof(*tensors)) != 0) {
        y = gradient_substitute(&n->b, y, tensors, n->in, count);
        tensors = n->in;
    }
    if (!y || !gradient_build(&n->b, y, tensors, num_xs, tensors + num_xs, num_zs, dx))
        return false;
    for (int i = 0; i < n->num_out; i++)
        if (!node_bind(n, i, dx[i]))
            return false;
    return true;
}

// Host ops: the same kernels that the simulator calls.
#include <string.h>

#include "eval_op.h"
#include "host.h"

static bool failed(const struct eval_call *c, const char *why)
{
    return diag_report(c->diag, c->op->loc, DIAG_HOST_KERNEL, "host kernel '%s': %s",
                       ir_attr_find(c->op, IR_A_kernel_name)->s, why);
}

// The bits of floats, then integers.
static int64_t *scalars_of(const struct eval_call *c, int *num)
{
    const struct ir_attr *fs = ir_attr_find(c->op, IR_A_floats);
    int ni = 0, nf = fs ? fs->n : 0;
    const int64_t *ints = ir_ints(c->op, IR_A_ints, &ni);
    int64_t *v = ARENA_ARRAY(c->scratch, (size_t)(ni + nf) + 1, int64_t);
    for (int i = 0; i < nf; i++)
        memcpy(&v[i], &fs->fs[i], sizeof *v);
    for (int i = 0; i < ni; i++)
        v[nf + i] = ints[i];
    *num = ni + nf;
    return v;
}

// A constant string that padding or the like made of nothing.
static const struct tensor *with_text(const struct tensor *t, struct arena *a)
{
    bool missing = false;
    const char *const *text = t && t->dtype == DT_STR ? t->data : NULL;
    for (int64_t i = 0; text && i < tensor_elems(t); i++)
        missing = missing || !text[i];
    return missing ? tensor_copy(a, t) : t;
}

bool eval_op_HOST(const struct eval_call *c)
{
    const struct ir_op *op = c->op;
    if (c->o->host)
        return c->o->host(c->o->user, op, c->in, c->out);
    const char *name = ir_attr_find(op, IR_A_kernel_name)->s, *why = NULL;
    const struct host_kernel *kernel = host_kernel_find(name);
    if (!kernel)
        return failed(c, "there is none of that name; --plugin loads more");
    const struct tensor **in =
        ARENA_ARRAY(c->scratch, (size_t)op->num_in + 1, const struct tensor *);
    for (int i = 0; i < op->num_in; i++)
        in[i] = with_text(c->in[i], c->arena);
    int num_scalars;
    const int64_t *scalars = scalars_of(c, &num_scalars);
    struct host_call call = {
        .kernel = kernel,
        .results = c->out,
        .operands = in,
        .scalars = scalars,
        .num_results = op->num_out,
        .num_operands = op->num_in,
        .num_scalars = num_scalars,
        .arena = c->arena,
    };
    return host_invoke(&call, &why) || failed(c, why);
}

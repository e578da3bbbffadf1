#include "macops.h"

#include <math.h>
#include <string.h>

#include "eval.h"

int mac_stationary_index(const struct ir_op *op)
{
    return op->op == IR_OP_MATMUL ? (int)ir_int(op, IR_A_stationary, 1) : 1;
}

int mac_channel_dim(const struct ir_op *op)
{
    if (op->op != IR_OP_MATMUL)
        return 1;
    return op->out[0]->type.rank - (mac_stationary_index(op) ? 1 : 2);
}

int64_t mac_channel_count(const struct ir_op *op)
{
    return op->out[0]->type.dim[mac_channel_dim(op)];
}

static int64_t taps_of(const struct ir_type *w)
{
    int64_t taps = 1;
    for (int d = 2; d < w->rank; d++)
        taps *= w->dim[d];
    return taps;
}

struct mac_layout mac_weight_layout(const struct ir_op *op, const struct ir_type *w)
{
    int64_t elems = ir_type_elems(w), rows = w->dim[w->rank - 2], cols = w->dim[w->rank - 1];
    struct mac_layout l;
    if (op->op == IR_OP_CONV)
        l = (struct mac_layout){1, w->dim[0], w->dim[0] ? elems / w->dim[0] : 0, 1};
    else if (op->op == IR_OP_CONV_TRANSPOSE)
        l = (struct mac_layout){w->dim[0], w->dim[1], taps_of(w),
                                w->dim[0] / ir_int(op, IR_A_group, 1)};
    else if (mac_stationary_index(op))
        l = (struct mac_layout){cols ? elems / cols : 0, cols, 1, elems};
    else
        l = (struct mac_layout){rows && cols ? elems / rows / cols : 0, rows, cols, elems};
    l.per_group = l.per_group ? l.per_group : 1;
    return l;
}

int64_t mac_weight_source(const struct ir_op *op, const struct ir_type *w, int64_t i)
{
    if (op->op == IR_OP_MATMUL) {
        int64_t cols = w->dim[w->rank - 1], rows = w->dim[w->rank - 2];
        return mac_stationary_index(op) ? i / cols % rows : i % cols;
    }
    int64_t taps = taps_of(w);
    if (op->op == IR_OP_CONV_TRANSPOSE)
        return i / taps / w->dim[1];
    int64_t outs = w->dim[0] / ir_int(op, IR_A_group, 1), channel = i / taps / w->dim[1];
    return channel / outs * w->dim[1] + i / taps % w->dim[1];
}

int mac_source_dim(const struct ir_op *op)
{
    if (op->op != IR_OP_MATMUL)
        return 1;
    int moving = 1 - mac_stationary_index(op);
    return op->in[moving]->type.rank - (moving == 0 ? 1 : 2);
}

void mac_choose_stationary(struct ir_op *op)
{
    if (op->op == IR_OP_MATMUL && !ir_has_attr(op, IR_A_stationary) && !ir_operand(op, 2) &&
        !ir_operand(op, 3) && ir_const_data(op->in[0]) && !ir_const_data(op->in[1]))
        ir_set_int(op, IR_A_stationary, 0);
}

bool value_has_one_use(const struct ir_value *v)
{
    return v->num_uses == 1 && !v->is_output;
}

static bool is_number(enum dtype t)
{
    return dtype_is_float(t) || dtype_is_int(t);
}

// Through the evaluator's conversion, which is exact for every float type.
double *const_numbers(const struct ir_value *v, struct arena *a)
{
    const struct tensor *t = ir_const_data(v);
    if (!t || !is_number(t->dtype))
        return NULL;
    int64_t n = tensor_elems(t);
    double *out = ARENA_ARRAY(a, (size_t)n + 1, double);
    if (t->dtype == DT_F32)
        for (int64_t i = 0; i < n; i++)
            out[i] = (double)((const float *)t->data)[i];
    else
        for (int64_t i = 0; i < n; i++)
            out[i] = tensor_get_double(t, i);
    return out;
}

bool const_splat(const struct ir_value *v, double *out)
{
    const struct tensor *t = ir_const_data(v);
    if (!t || !is_number(t->dtype) || tensor_elems(t) < 1)
        return false;
    int64_t n = tensor_elems(t);
    *out = tensor_get_double(t, 0);
    for (int64_t i = 1; i < n; i++)
        if (tensor_get_double(t, i) != *out)
            return false;
    return !isnan(*out);
}

struct ir_value *const_make(struct pass_ctx *ctx, struct ir_op *before, enum dtype t,
                            const int64_t *dim, int rank, const double *v, const char *name)
{
    struct ir_builder b = {
        .graph = before->graph, .before = before, .loc = before->loc, .diag = ctx->diag};
    enum dtype held = dtype_is_float(t) && t != DT_F32 ? DT_F64 : t;
    struct arena *a = held == t ? ctx->module->arena : ctx->scratch;
    struct tensor *x = tensor_create(a, held, dim, rank);
    int64_t n = tensor_elems(x);
    for (int64_t i = 0; i < n; i++)
        switch (held) {
        case DT_F32: ((float *)x->data)[i] = (float)v[i]; break;
        case DT_F64: ((double *)x->data)[i] = v[i]; break;
        case DT_I8: ((int8_t *)x->data)[i] = (int8_t)v[i]; break;
        case DT_I16: ((int16_t *)x->data)[i] = (int16_t)v[i]; break;
        case DT_I32: ((int32_t *)x->data)[i] = (int32_t)v[i]; break;
        default: bitlet_bug("constants of %s are not made", dtype_text(held));
        }
    struct ir_value *c = irb_const(&b, x, name);
    if (held == t || !c)
        return c;
    struct ir_value *converted = irb_convert(&b, c, t, false);
    return converted ? op_fold(ctx, converted->def) : NULL;
}

struct ir_value *op_fold(struct pass_ctx *ctx, struct ir_op *op)
{
    const struct tensor *in[4] = {NULL};
    struct tensor *out;
    if (op->num_out != 1 || op->num_in > 4)
        return op->out[0];
    for (int i = 0; i < op->num_in; i++) {
        in[i] = op->in[i] ? ir_const_data(op->in[i]) : NULL;
        if (op->in[i] && !in[i])
            return op->out[0];
    }
    if (!ir_eval_op(op, in, NULL, &out, ctx->module->arena, ctx->diag))
        return NULL;
    struct ir_builder b = {.graph = op->graph, .before = op, .loc = op->loc, .diag = ctx->diag};
    const char *name = arena_strdup(ctx->scratch, op->out[0]->name);
    out->name = NULL;
    struct ir_value *c = irb_const(&b, out, name);
    if (!c)
        return NULL;
    struct ir_graph *g = op->graph;
    op_replace(op, c);
    ir_value_rename(c, g, name);
    return c;
}

void op_replace(struct ir_op *op, struct ir_value *with)
{
    ir_value_replace(op->out[0], with);
    struct ir_value *in[4] = {NULL};
    for (int i = 0; i < op->num_in && i < 4; i++)
        in[i] = op->in[i];
    ir_op_erase(op);
    for (int i = 0; i < 4; i++)
        for (int k = i + 1; in[i] && k < 4; k++)
            in[k] = in[k] == in[i] ? NULL : in[k];
    for (int i = 0; i < 4; i++)
        if (in[i] && in[i] != with && in[i]->def && in[i]->def->op == IR_OP_CONST &&
            in[i]->num_uses == 0 && !in[i]->is_output)
            ir_op_erase(in[i]->def);
}

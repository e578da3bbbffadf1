#include "affine.h"

#include <math.h>

#include "macops.h"

void affine_start(struct affine *c, struct ir_value *v, int dim, struct arena *a)
{
    int64_t n = dim < 0 ? 1 : v->type.dim[dim];
    *c = (struct affine){.dim = dim, .n = n, .end = v, .arena = a};
    c->scale = ARENA_ARRAY(a, (size_t)n + 1, double);
    c->shift = ARENA_ARRAY(a, (size_t)n + 1, double);
    for (int64_t i = 0; i < n; i++)
        c->scale[i] = 1;
}

// The dimension of the result along which a constant of type k changes: -1 none, -2 more than one.
static int varying_dim(const struct ir_type *k, const struct ir_type *result)
{
    int dim = -1;
    for (int d = 0; d < k->rank; d++) {
        if (k->dim[d] == 1)
            continue;
        if (dim != -1)
            return -2;
        dim = d + result->rank - k->rank;
    }
    return dim;
}

// A link without a dimension of its own may be the first to have one.
static bool adopt_dim(struct affine *c, int dim, int64_t n)
{
    if (dim < 0 || dim == c->dim)
        return true;
    if (c->dim >= 0)
        return false;
    double scale = c->scale[0], shift = c->shift[0];
    c->dim = dim;
    c->n = n;
    c->scale = ARENA_ARRAY(c->arena, (size_t)n + 1, double);
    c->shift = ARENA_ARRAY(c->arena, (size_t)n + 1, double);
    for (int64_t i = 0; i < n; i++) {
        c->scale[i] = scale;
        c->shift[i] = shift;
    }
    return true;
}

// v fn k, or k fn v when `reversed`.
static bool apply(struct affine *c, enum binary_fn fn, bool reversed, const double *k,
                  int64_t num_k)
{
    for (int64_t i = 0; i < c->n; i++) {
        double v = k[num_k == 1 ? 0 : i], *s = &c->scale[i], *t = &c->shift[i];
        switch (fn) {
        case BFN_mul:
            *s *= v;
            *t *= v;
            break;
        case BFN_div:
            *s /= v;
            *t /= v;
            break;
        case BFN_add: *t += v; break;
        default: // sub
            *s = reversed ? -*s : *s;
            *t = reversed ? v - *t : *t - v;
        }
        if (!isfinite(*s) || !isfinite(*t))
            return false;
    }
    c->scales |= fn == BFN_mul || fn == BFN_div || reversed;
    c->shifts |= fn == BFN_add || fn == BFN_sub;
    return true;
}

static bool is_affine_fn(enum binary_fn fn, bool reversed)
{
    return fn == BFN_mul || fn == BFN_add || fn == BFN_sub || (fn == BFN_div && !reversed);
}

static bool plain_float(const struct ir_value *v)
{
    enum dtype t = v->type.dtype;
    return t == DT_F32 || t == DT_F16 || t == DT_BF16 || t == DT_F64;
}

// Applies op, of which `v` is an operand; leaves c alone when it does not fit.
static bool take_op(struct affine *c, const struct ir_op *op, const struct ir_value *v)
{
    if (ir_is_marker(op) || !plain_float(v) || !ir_type_equal(&op->out[0]->type, &v->type))
        return false;
    if (op->op == IR_OP_UNARY && ir_int(op, IR_A_fn_unary, -1) == UFN_neg)
        return apply(c, BFN_mul, false, (const double[]){-1}, 1);
    if (op->op != IR_OP_BINARY || op->in[0] == op->in[1])
        return false;
    bool reversed = op->in[1] == v;
    const struct ir_value *k = op->in[reversed ? 0 : 1];
    enum binary_fn fn = (enum binary_fn)ir_int(op, IR_A_fn_binary, -1);
    int dim = varying_dim(&k->type, &v->type);
    if (!is_affine_fn(fn, reversed) || dim == -2 || !ir_const_data(k))
        return false;
    struct affine tried = *c;
    tried.scale = arena_memdup(c->arena, c->scale, (size_t)c->n * sizeof *c->scale);
    tried.shift = arena_memdup(c->arena, c->shift, (size_t)c->n * sizeof *c->shift);
    if (!adopt_dim(&tried, dim, dim < 0 ? 1 : v->type.dim[dim]))
        return false;
    if (!apply(&tried, fn, fn == BFN_sub && reversed, const_numbers(k, c->arena),
               ir_type_elems(&k->type)))
        return false;
    *c = tried;
    return true;
}

bool affine_extend(struct affine *c, struct pass_ctx *ctx)
{
    if (!value_has_one_use(c->end))
        return false;
    const struct ir_op *op = c->end->uses->op;
    if (!take_op(c, op, c->end))
        return false;
    c->loc = c->links ? loc_fused(ctx->module->locs, c->loc, op->loc) : op->loc;
    c->links++;
    c->end = op->out[0];
    return true;
}

struct ir_value *affine_producer(struct ir_value *v, int dim, struct arena *a, struct affine *out)
{
    const struct ir_op *op = v->def;
    if (!op || !value_has_one_use(v) || (op->op != IR_OP_BINARY && op->op != IR_OP_UNARY))
        return NULL;
    struct ir_value *x = op->num_in > 1 && ir_const_data(op->in[0]) ? op->in[1] : op->in[0];
    affine_start(out, v, dim, a);
    if (!take_op(out, op, x))
        return NULL;
    out->links = 1;
    out->end = v;
    out->loc = op->loc;
    return x;
}

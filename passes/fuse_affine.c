// fuse-affine: per-channel multiplications and additions around a MAC op with constant weights go
// into its weights and its bias.
//
//   (W x + b) * s + t   =  (s W) x + (s b + t)         s, t per output channel
//   W (x * s + t) + b   =  (W s) x + (W t + b)         s, t per input channel; with t only where no
//   padding is read
//
// The products are made in double from the original numbers, however long the chain, and rounded
// once. A pad with zeros before a convolution becomes its padding. Affine chains that meet no MAC
// op shrink to one multiplication and one addition.
#include <math.h>
#include <string.h>

#include "affine.h"
#include "macops.h"
#include "pass.h"
#include "weights.h"

// ---- Padding

static bool is_zero_pad(const struct ir_op *pad, const struct ir_op *conv)
{
    int n, m;
    const int64_t *before = ir_ints(pad, IR_A_before, &n), *after = ir_ints(pad, IR_A_after, &m);
    if (ir_float(pad, IR_A_value, 0) != 0 || n != conv->in[0]->type.rank)
        return false;
    return before[0] == 0 && before[1] == 0 && after[0] == 0 && after[1] == 0;
}

static bool absorb_pad(struct pass_ctx *ctx, struct ir_op *conv)
{
    struct ir_op *pad = conv->in[0]->def;
    if (conv->op != IR_OP_CONV || !pad || pad->op != IR_OP_PAD || !is_zero_pad(pad, conv))
        return true;
    int n;
    const int64_t *before = ir_ints(pad, IR_A_before, &n), *after = ir_ints(pad, IR_A_after, &n);
    const int64_t *old = ir_ints(conv, IR_A_pads, &n);
    int64_t pads[2 * IR_MAX_RANK];
    for (int a = 0; a < n / 2; a++) {
        pads[a] = old[a] + before[a + 2];
        pads[n / 2 + a] = old[n / 2 + a] + after[a + 2];
    }
    struct ir_value *x = pad->in[0];
    ir_set_ints(conv, IR_A_pads, pads, n);
    conv->loc = loc_fused(ctx->module->locs, conv->loc, pad->loc);
    ir_op_set_operand(conv, 0, x);
    if (pad->out[0]->num_uses == 0 && !pad->out[0]->is_output)
        ir_op_erase(pad);
    return ir_infer(conv, ctx->diag);
}

// ---- Weights and bias of one MAC op, and what they are to be multiplied with

struct body {
    struct pass_ctx *ctx;
    struct ir_op *op;
    struct arena *arena;
    struct ir_value *weights;
    struct weights w;              // with the factors
    struct weight_factor *factors; // the same, growing
    size_t cap;
    struct magnitudes *own; // per channel, before the factors; NULL: not known yet
    double *bias;
    int64_t channels, num_w;
    bool new_bias;
};

static bool can_change(const struct ir_op *op)
{
    const struct ir_value *w = op->in[mac_stationary_index(op)];
    enum dtype t = op->out[0]->type.dtype;
    bool plain = !ir_has_attr(op, IR_A_mode) && !ir_has_attr(op, IR_A_min) &&
                 !ir_has_attr(op, IR_A_max) && !ir_has_attr(op, IR_A_to) && !ir_operand(op, 3);
    return plain && ir_const_data(w) &&
           (t == DT_F32 || t == DT_F16 || t == DT_BF16 || t == DT_F64) && w->type.dtype == t &&
           (!ir_operand(op, 2) || ir_const_data(ir_operand(op, 2)));
}

static struct body body_of(struct pass_ctx *ctx, struct ir_op *op, struct arena *a)
{
    struct body b = {.ctx = ctx, .op = op, .arena = a, .weights = op->in[mac_stationary_index(op)]};
    b.channels = mac_channel_count(op);
    b.num_w = ir_type_elems(&b.weights->type);
    b.w = weights_of(op, b.weights);
    b.bias = ir_operand(op, 2) ? const_numbers(op->in[2], a)
                               : ARENA_ARRAY(a, (size_t)b.channels + 1, double);
    return b;
}

static double per_channel(const double *v, int64_t n, int64_t channel)
{
    return v[n == 1 ? 0 : channel];
}

// The largest finite number of the type, as far as a result must stay below it.
static double top_of_type(enum dtype t)
{
    return t == DT_F16 ? 65504 : t == DT_F64 ? INFINITY : 3.3895e38;
}

// Finite in the types they will be rounded to.
static bool fits(const double *v, int64_t n, enum dtype t)
{
    double top = top_of_type(t);
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(v[i]) < top))
            return false;
    return true;
}

enum { BLOCK = 512 };

static bool elements_fit(const struct body *b)
{
    double v[BLOCK];
    for (int64_t at = 0; at < b->num_w; at += BLOCK) {
        int64_t n = b->num_w - at < BLOCK ? b->num_w - at : BLOCK;
        weights_load(&b->w, at, n, v);
        if (!fits(v, n, b->weights->type.dtype))
            return false;
    }
    return true;
}

// With one factor for all weights of a channel the largest of them stays the largest, rounded
// products included; else every product is looked at.
static bool weights_fit(struct body *b)
{
    double top = top_of_type(b->weights->type.dtype);
    for (size_t i = 0; i < b->w.num_factors; i++)
        if (b->w.factor[i].input)
            return elements_fit(b);
    if (b->w.num_factors == 0 || b->num_w == 0)
        return true;
    if (!b->own) {
        b->own = ARENA_ARRAY(b->arena, (size_t)b->channels + 1, struct magnitudes);
        weights_measure(&b->w, false, b->own, b->ctx->opt->pool);
    }
    for (int64_t c = 0; c < b->channels; c++) {
        double v = b->own[c].top;
        for (size_t i = 0; i < b->w.num_factors; i++)
            v *= fabs(per_channel(b->w.factor[i].scale, b->w.factor[i].n, c));
        if (!(v < top))
            return false;
    }
    return true;
}

static bool body_fits(struct body *b)
{
    enum dtype t = b->weights->type.dtype;
    return weights_fit(b) && fits(b->bias, b->channels, t == DT_F64 ? DT_F64 : DT_F32);
}

// The same numbers in memory of their own, so that a change can be taken back.
static struct body copy_body(const struct body *b)
{
    struct body c = *b;
    c.bias = arena_memdup(b->arena, b->bias, (size_t)b->channels * sizeof *b->bias);
    return c;
}

static void add_factor(struct body *b, const struct affine *c, bool input)
{
    b->factors = arena_grow(b->arena, b->factors, b->w.num_factors, b->w.num_factors + 1,
                            sizeof *b->factors, &b->cap);
    b->factors[b->w.num_factors++] = (struct weight_factor){c->scale, c->n, input};
    b->w.factor = b->factors;
}

static void scale_outputs(struct body *b, const struct affine *c)
{
    add_factor(b, c, false);
    for (int64_t i = 0; i < b->channels; i++)
        b->bias[i] *= per_channel(c->scale, c->n, i);
}

// Ops that use the MAC op's result. Returns the chain's end, or NULL.
static struct ir_value *absorb_users(struct body *b)
{
    struct affine c;
    affine_start(&c, b->op->out[0], mac_channel_dim(b->op), b->arena);
    while (affine_extend(&c, b->ctx))
        continue;
    if (!c.links)
        return NULL;
    struct body tried = copy_body(b);
    if (c.scales)
        scale_outputs(&tried, &c);
    for (int64_t i = 0; i < b->channels; i++)
        tried.bias[i] += per_channel(c.shift, c.n, i);
    tried.new_bias |= c.shifts || (c.scales && ir_operand(b->op, 2));
    if (!body_fits(&tried))
        return NULL;
    *b = tried;
    b->op->loc = loc_fused(b->ctx->module->locs, b->op->loc, c.loc);
    return c.end;
}

// Whether every result is the sum over all weights, none of them meeting padding.
static bool reads_no_padding(const struct ir_op *op)
{
    int n;
    if (op->op == IR_OP_MATMUL)
        return op->in[mac_stationary_index(op)]->type.rank == 2;
    const int64_t *pads = ir_ints(op, IR_A_pads, &n);
    for (int i = 0; i < n; i++)
        if (pads[i] > 0)
            return false;
    return op->op == IR_OP_CONV;
}

// The shift of an input channel reaches every output that its weights reach.
static void scale_inputs(struct body *b, const struct affine *c)
{
    const struct mac_layout *l = &b->w.layout;
    double v[BLOCK];
    for (int64_t at = 0; c->shifts && at < b->num_w; at += BLOCK) {
        int64_t n = b->num_w - at < BLOCK ? b->num_w - at : BLOCK;
        weights_load(&b->w, at, n, v);
        for (int64_t i = at; i < at + n; i++) {
            int64_t row = i / l->inner, channel = mac_layout_channel(l, row / l->mid);
            b->bias[channel + row % l->mid] +=
                v[i - at] *
                per_channel(c->shift, c->n, mac_weight_source(b->op, &b->weights->type, i));
        }
    }
    add_factor(b, c, true);
}

// One op that makes the moving operand.
static bool absorb_producer(struct body *b)
{
    int moving = 1 - mac_stationary_index(b->op);
    struct affine c;
    struct ir_value *x = affine_producer(b->op->in[moving], mac_source_dim(b->op), b->arena, &c);
    if (!x || (c.shifts && !reads_no_padding(b->op)))
        return false;
    struct body tried = copy_body(b);
    scale_inputs(&tried, &c);
    tried.new_bias |= c.shifts;
    if (!body_fits(&tried))
        return false;
    *b = tried;
    struct ir_op *gone = b->op->in[moving]->def;
    b->op->loc = loc_fused(b->ctx->module->locs, b->op->loc, c.loc);
    ir_op_set_operand(b->op, moving, x);
    ir_op_erase(gone);
    return true;
}

static struct ir_value *new_weights(struct body *b)
{
    const struct ir_type *t = &b->weights->type;
    const char *name = arena_strdup(b->arena, b->weights->name);
    struct ir_builder at = {
        .graph = b->op->graph, .before = b->op, .loc = b->op->loc, .diag = b->ctx->diag};
    if (t->dtype == DT_F32) {
        struct tensor *x = tensor_create(b->ctx->module->arena, DT_F32, t->dim, t->rank);
        weights_to_float(&b->w, x->data, b->ctx->opt->pool);
        return irb_const(&at, x, name);
    }
    double *v = ARENA_ARRAY(b->arena, (size_t)b->num_w + 1, double);
    weights_load(&b->w, 0, b->num_w, v);
    return const_make(b->ctx, b->op, t->dtype, t->dim, t->rank, v, name);
}

static bool commit(struct body *b)
{
    struct ir_op *op = b->op;
    enum dtype t = b->weights->type.dtype;
    if (b->w.num_factors) {
        struct ir_value *w = new_weights(b);
        if (!w)
            return false;
        ir_op_set_operand(op, mac_stationary_index(op), w);
    }
    if (b->new_bias) {
        struct ir_value *bias =
            const_make(b->ctx, op, t == DT_F64 ? DT_F64 : DT_F32, &b->channels, 1, b->bias,
                       arena_printf(b->arena, "%s.bias", op->out[0]->name));
        if (!bias)
            return false;
        ir_op_add_operands(op, 3);
        ir_op_set_operand(op, 2, bias);
    }
    return ir_infer(op, b->ctx->diag);
}

// The links between the MAC op's result and the chain's end, last first.
static void erase_chain(struct ir_value *end, struct ir_value *start)
{
    while (end != start) {
        struct ir_op *op = end->def;
        end = op->num_in > 1 && ir_const_data(op->in[0]) ? op->in[1] : op->in[0];
        ir_op_erase(op);
    }
}

static bool fuse_mac(struct pass_ctx *ctx, struct ir_op *op)
{
    if (!absorb_pad(ctx, op))
        return false;
    mac_choose_stationary(op);
    if (!can_change(op))
        return true;
    struct arena *a = arena_create();
    struct body b = body_of(ctx, op, a);
    struct ir_value *result = op->out[0], *end = absorb_users(&b);
    while (absorb_producer(&b))
        continue;
    bool ok = true;
    if (b.w.num_factors || b.new_bias)
        ok = commit(&b);
    if (ok && end) {
        ir_value_replace(end, result);
        erase_chain(end, result);
    }
    arena_destroy(a);
    return ok;
}

// ---- Chains without a MAC op

static struct ir_value *chain_const(struct pass_ctx *ctx, struct ir_op *before,
                                    const struct affine *c, const double *v,
                                    const struct ir_type *type)
{
    int64_t dim[IR_MAX_RANK] = {0};
    int rank = c->dim < 0 ? 0 : type->rank - c->dim;
    for (int d = 0; d < rank; d++)
        dim[d] = d == 0 ? c->n : 1;
    return const_make(ctx, before, type->dtype, dim, rank, v, NULL);
}

// The longest chain that begins with `first`.
static struct affine chain_from(struct pass_ctx *ctx, struct ir_op *first, struct arena *a,
                                struct ir_value **x)
{
    struct affine c;
    *x = affine_producer(first->out[0], -1, a, &c);
    if (!*x)
        return (struct affine){0};
    while (affine_extend(&c, ctx))
        continue;
    return c;
}

static bool shorten_chain(struct pass_ctx *ctx, struct ir_op *first)
{
    struct arena *a = arena_create();
    struct ir_value *x;
    struct affine c = chain_from(ctx, first, a, &x);
    bool ok = true;
    if (c.links > c.scales + c.shifts && fits(c.scale, c.n, x->type.dtype) &&
        fits(c.shift, c.n, x->type.dtype)) {
        struct ir_builder b = {
            .graph = first->graph, .before = first, .loc = c.loc, .diag = ctx->diag};
        struct ir_value *v = x;
        if (c.scales)
            v = irb_binary(&b, BFN_mul, v, chain_const(ctx, first, &c, c.scale, &x->type));
        if (c.shifts)
            v = irb_binary(&b, BFN_add, v, chain_const(ctx, first, &c, c.shift, &x->type));
        ok = v != NULL;
        if (ok) {
            ir_value_replace(c.end, v);
            erase_chain(c.end, x);
        }
    }
    arena_destroy(a);
    return ok;
}

static bool shorten_chains(struct pass_ctx *ctx, struct ir_graph *g)
{
    size_t n = 0, cap = 0;
    struct ir_op **ops = NULL;
    for (struct ir_op *op = g->first; op; op = op->next)
        if (op->op == IR_OP_BINARY || op->op == IR_OP_UNARY) {
            ops = arena_grow(ctx->scratch, ops, n, n + 1, sizeof *ops, &cap);
            ops[n++] = op;
        }
    for (size_t i = 0; i < n; i++)
        if (ops[i]->in[0] && !shorten_chain(ctx, ops[i])) // one that was erased has no operands
            return false;
    return true;
}

bool pass_fuse_affine(struct pass_ctx *ctx)
{
    struct ir_graph *g = ctx->module->main;
    for (struct ir_op *op = g->first; op; op = op->next)
        if (ir_is_mac(op) && !fuse_mac(ctx, op))
            return false;
    return shorten_chains(ctx, g);
}

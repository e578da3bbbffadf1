// sort-channels: output channels whose weights have about as many essential digits become
// neighbours.
//
// The PEs of a tile of channels share the broadcast of activations, so that a step takes what the
// slowest of them takes. Where lanes are cut over the RR-regs (extension G) that follows the number
// of digits, which differs between channels by the spread of their weights. The channels of a
// convolution can stand in any order when nothing but convolutions over all of them reads the
// result: rows of its weights, bias and scale are exchanged, and the input channels of the readers'
// weights. Fixed-point sums do not depend on the order, so that values stay the same to the bit.
#include <stdlib.h>
#include <string.h>

#include "pass.h"

struct channel {
    int64_t digits, index;
};

// ---- What can be sorted

static bool is_plain(const struct ir_op *op)
{
    const struct tensor *w = op->op == IR_OP_CONV ? ir_const_data(op->in[1]) : NULL;
    return w && (w->dtype == DT_I8 || w->dtype == DT_I16) && tensor_elems(w) > 0 &&
           op->num_in <= 4 && ir_int(op, IR_A_group, 1) == 1 && !ir_op_is_dynamic(op) &&
           ir_int(op, IR_A_mode, IR_MODE_FP32) == IR_MODE_FIXED && !ir_has_attr(op, IR_A_tile);
}

// Absent, or constant: a vector over the channels, or the same for all.
static bool is_vector(const struct ir_value *v)
{
    return !v || (ir_const_data(v) && v->type.rank <= 1 && dtype_bytes(v->type.dtype) == 4);
}

static bool can_sort(const struct pass_ctx *ctx, const struct ir_op *op)
{
    const struct ir_value *y = op->out[0];
    if (!is_plain(op) || !is_vector(ir_operand(op, 2)) || !is_vector(ir_operand(op, 3)) ||
        y->is_output || y->num_uses == 0 || y->type.dim[1] <= ctx->machine->pes)
        return false;
    for (const struct ir_use *u = y->uses; u; u = u->next)
        if (u->index != 0 || !is_plain(u->op))
            return false;
    return true;
}

// ---- Digits

// Canonical signed digits of x that are not zero, or its bits.
static int digits_of(uint32_t x, bool is_signed)
{
    uint64_t v = is_signed ? x ^ 3 * (uint64_t)x : x;
    return __builtin_popcountll(v);
}

static void count_digits(const struct pass_ctx *ctx, const struct tensor *w, struct channel *c)
{
    bool is_signed = (ctx->machine->ext & MACHINE_EXT_S) != 0;
    int64_t row = tensor_elems(w) / w->dim[0];
    uint8_t narrow[256];
    for (int i = 0; i < 256; i++)
        narrow[i] = (uint8_t)digits_of((uint32_t)abs((int8_t)i), is_signed);
    for (int64_t oc = 0; oc < w->dim[0]; oc++) {
        const uint8_t *bytes = (const uint8_t *)w->data + oc * row;
        const int16_t *words = (const int16_t *)w->data + oc * row;
        int64_t sum = 0;
        if (w->dtype == DT_I8)
            for (int64_t i = 0; i < row; i++)
                sum += narrow[bytes[i]];
        else
            for (int64_t i = 0; i < row; i++)
                sum += digits_of((uint32_t)abs(words[i]), is_signed);
        c[oc] = (struct channel){sum, oc};
    }
}

static int by_digits(const void *a, const void *b)
{
    const struct channel *x = a, *y = b;
    if (x->digits != y->digits)
        return x->digits < y->digits ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

// ---- Constants in another order

// Operand `index` of op with its slices along `axis` in the order of c.
static bool reorder(struct pass_ctx *ctx, struct ir_op *op, int index, int axis,
                    const struct channel *c)
{
    struct ir_value *old = ir_operand(op, index);
    const struct tensor *from = old ? ir_const_data(old) : NULL;
    if (!from || tensor_elems(from) == 1)
        return true;
    struct ir_builder b = {.graph = op->graph, .before = op, .loc = op->loc, .diag = ctx->diag};
    struct tensor *to = tensor_create(ctx->module->arena, from->dtype, from->dim, from->rank);
    size_t slice = dtype_bytes(from->dtype);
    int64_t outer = 1, n = from->dim[axis];
    for (int i = 0; i < axis; i++)
        outer *= from->dim[i];
    for (int i = axis + 1; i < from->rank; i++)
        slice *= (size_t)from->dim[i];
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < n; i++)
            memcpy((uint8_t *)to->data + (size_t)(o * n + i) * slice,
                   (const uint8_t *)from->data + (size_t)(o * n + c[i].index) * slice, slice);
    struct ir_value *v = irb_const(&b, to, old->name);
    if (v)
        ir_op_set_operand(op, index, v);
    return v != NULL;
}

static bool sort_op(struct pass_ctx *ctx, struct ir_op *op)
{
    const struct tensor *w = ir_const_data(op->in[1]);
    struct channel *c = ARENA_ARRAY(ctx->scratch, (size_t)w->dim[0], struct channel);
    bool ok = true;
    count_digits(ctx, w, c);
    qsort(c, (size_t)w->dim[0], sizeof *c, by_digits);
    for (int i = 1; i < op->num_in; i++)
        ok = ok && reorder(ctx, op, i, 0, c);
    for (const struct ir_use *u = op->out[0]->uses; ok && u; u = u->next)
        ok = reorder(ctx, u->op, 1, 1, c);
    return ok;
}

bool pass_sort_channels(struct pass_ctx *ctx)
{
    size_t pending = 0;
    if (!(ctx->machine->ext & MACHINE_EXT_G))
        return true;
    for (struct ir_op *op = ctx->module->main->first; op; op = op->next) {
        if (!can_sort(ctx, op))
            continue;
        size_t bytes = ir_type_bytes(&op->in[1]->type);
        if (!sort_op(ctx, op))
            return false;
        pass_release(ctx, &pending, 2 * bytes);
    }
    pass_sweep(ctx->module->main);
    return true;
}

// fuse-requant: when all that becomes of a MAC op's result is integers of one step and width, the
// op's final packager makes them.
//
// Between the op and the quantize ops there may be others that quantisation passes through
// unchanged, because they move elements or are monotone: max pooling, clamps by a number, reshapes,
// transposes, slices, gathers, concatenations, pads. The values that such ops connect form a
// region. It is converted as a whole, if every value in it comes from a MAC op, a constant or such
// an op and goes to such ops or to equal quantize ops. Results are the same to the bit; only a NaN,
// which quantises to 0, may lose to a number in a maximum when it did not before.
//
// What cannot be converted because its numbers are used as they are, too, may still be quantised
// earlier: the quantisation of a concatenation becomes one of its parts, each of which can then be
// made beside the part (fuse-tiles).
#include <math.h>
#include <stdlib.h>

#include "eval.h"
#include "index.h"
#include "macops.h"
#include "pass.h"

struct requant {
    struct pass_ctx *ctx;
    struct index
        values; // values seen -> number of their region; one that failed is not walked again
    struct index places; // op -> place in the graph
    int number;
    // The region being looked at.
    float q;
    int bits;
    struct ir_value **region;
    struct ir_op **moves, **leaves, **macs, **consts;
    size_t num_region, num_moves, num_leaves, num_macs, num_consts;
    size_t cap_region, cap_moves, cap_leaves, cap_macs, cap_consts;
};

#define APPEND(r, list, x)                                                                         \
    ((r)->list = arena_grow((r)->ctx->scratch, (r)->list, (r)->num_##list, (r)->num_##list + 1,    \
                            sizeof *(r)->list, &(r)->cap_##list),                                  \
     (r)->list[(r)->num_##list++] = (x))

// ---- Which ops quantisation passes through

// Whether every window has an element that is not padding.
static bool windows_hold_elements(const struct ir_op *op)
{
    int n, m;
    const int64_t *kernel = ir_ints(op, IR_A_kernel, &n), *strides = ir_ints(op, IR_A_strides, &m);
    const int64_t *dilations = ir_ints(op, IR_A_dilations, &m), *pads = ir_ints(op, IR_A_pads, &m);
    for (int a = 0; a < n; a++)
        for (int64_t o = 0; o < op->out[0]->type.dim[a + 2]; o++) {
            bool found = false;
            for (int64_t k = 0; k < kernel[a] && !found; k++) {
                int64_t i = o * strides[a] - pads[a] + k * dilations[a];
                found = i >= 0 && i < op->in[0]->type.dim[a + 2];
            }
            if (!found)
                return false;
        }
    return true;
}

static bool is_clamp(const struct ir_op *op)
{
    int64_t fn = op->op == IR_OP_BINARY ? ir_int(op, IR_A_fn_binary, -1) : -1;
    double c;
    return (fn == BFN_max || fn == BFN_min) &&
           (const_splat(op->in[0], &c) || const_splat(op->in[1], &c)) &&
           ir_type_elems(&op->out[0]->type) > 0;
}

static bool passes_through(const struct ir_op *op)
{
    switch (op->op) {
    case IR_OP_RESHAPE:
    case IR_OP_TRANSPOSE:
    case IR_OP_SLICE:
    case IR_OP_CONCAT:
    case IR_OP_GATHER:
    case IR_OP_PAD: return true;
    case IR_OP_POOL: return ir_int(op, IR_A_fn_reduce, -1) == RFN_max && windows_hold_elements(op);
    default: return is_clamp(op);
    }
}

// Operands first .. last - 1 of a passing op carry the numbers.
static void data_operands(const struct ir_op *op, int *first, int *last)
{
    *first = 0;
    *last = op->op == IR_OP_CONCAT ? op->num_in : 1;
    if (op->op == IR_OP_BINARY && ir_const_data(op->in[0])) {
        *first = 1;
        *last = 2;
    }
}

// ---- The region around a quantize op

static bool enter(struct requant *r, struct ir_value *v)
{
    int seen = ir_const_data(v) ? -1 : index_get(&r->values, v);
    if (seen >= 0)
        return seen == r->number;
    if (!ir_const_data(v)) // constants may belong to several regions
        index_set(&r->values, v, r->number);
    APPEND(r, region, v);
    return true;
}

static bool enter_operands(struct requant *r, struct ir_op *op)
{
    int first, last;
    data_operands(op, &first, &last);
    APPEND(r, moves, op);
    for (int i = first; i < last; i++)
        if (!enter(r, op->in[i]))
            return false;
    return true;
}

static bool take_source(struct requant *r, struct ir_value *v)
{
    if (!v->def || v->is_output || v->type.dtype != DT_F32)
        return false;
    if (v->def->op == IR_OP_CONST) {
        APPEND(r, consts, v->def);
        return true;
    }
    if (ir_is_mac(v->def)) {
        APPEND(r, macs, v->def);
        return ir_has_attr(v->def, IR_A_mode) && !ir_has_attr(v->def, IR_A_qbits);
    }
    return passes_through(v->def) && enter_operands(r, v->def);
}

static bool take_use(struct requant *r, const struct ir_use *u)
{
    struct ir_op *op = u->op;
    int first, last;
    if (op->op == IR_OP_QUANTIZE) {
        APPEND(r, leaves, op);
        return (float)ir_float(op, IR_A_q, 0) == r->q && (int)ir_int(op, IR_A_bits, 0) == r->bits;
    }
    if (!passes_through(op))
        return false;
    data_operands(op, &first, &last);
    return u->index >= first && u->index < last && enter(r, op->out[0]);
}

// A constant may have other users; it is copied for the region.
static bool take_value(struct requant *r, struct ir_value *v)
{
    if (!take_source(r, v))
        return false;
    if (v->def->op == IR_OP_CONST)
        return true;
    for (const struct ir_use *u = v->uses; u; u = u->next)
        if (!take_use(r, u))
            return false;
    return true;
}

static bool find_region(struct requant *r, struct ir_op *leaf)
{
    r->q = (float)ir_float(leaf, IR_A_q, 0);
    r->bits = (int)ir_int(leaf, IR_A_bits, 0);
    r->number++;
    r->num_region = r->num_moves = r->num_leaves = r->num_macs = r->num_consts = 0;
    if (!enter(r, leaf->in[0]))
        return false;
    for (size_t i = 0; i < r->num_region; i++)
        if (!take_value(r, r->region[i]))
            return false;
    return r->num_macs > 0;
}

// ---- Conversion

// The quantisation of one number, by the op itself.
static bool quantised_number(struct requant *r, struct ir_op *leaf, double v, double *out)
{
    int64_t none[1] = {0};
    struct tensor *in = tensor_create(r->ctx->scratch, DT_F32, none, 0), *y;
    ((float *)in->data)[0] = (float)v;
    struct ir_op probe = *leaf;
    struct ir_value operand = *leaf->in[0], result = *leaf->out[0];
    struct ir_value *operands[] = {&operand}, *results[] = {&result};
    operand.type = ir_type_make(DT_F32, none, 0);
    result.type = ir_type_make(result.type.dtype, none, 0);
    probe.in = operands;
    probe.out = results;
    if (!ir_eval_op(&probe, (const struct tensor *const[]){in}, NULL, &y, r->ctx->scratch,
                    r->ctx->diag))
        return false;
    *out = tensor_get_double(y, 0);
    return true;
}

static void drop_unused(struct ir_value *v)
{
    if (v->num_uses == 0 && !v->is_output)
        ir_op_erase(v->def);
}

// Makes a move's own numbers integers: the value of a pad, the limit of a clamp.
static bool convert_numbers(struct requant *r, struct ir_op *op)
{
    double v;
    if (op->op == IR_OP_PAD) {
        if (!quantised_number(r, r->leaves[0], ir_float(op, IR_A_value, 0), &v))
            return false;
        ir_set_float(op, IR_A_value, v);
    } else if (op->op == IR_OP_BINARY) {
        int first, last;
        data_operands(op, &first, &last);
        const_splat(op->in[1 - first], &v);
        struct ir_builder b = {
            .graph = op->graph, .before = op, .loc = op->loc, .diag = r->ctx->diag};
        struct ir_value *old = op->in[1 - first];
        if (!quantised_number(r, r->leaves[0], v, &v))
            return false;
        ir_op_set_operand(op, 1 - first, irb_const_like(&b, ir_int_storage(r->bits), v));
        drop_unused(old);
    }
    return true;
}

// Operands of the region's ops that are constants become integer constants.
static bool convert_const(struct requant *r, struct ir_op *c)
{
    struct ir_value *v = c->out[0];
    struct ir_op *q = ir_op_create(c->graph, c->next, IR_OP_QUANTIZE, c->loc, &v, 1, 1, v->name);
    ir_set_float(q, IR_A_q, (double)r->q);
    ir_set_int(q, IR_A_bits, r->bits);
    if (!ir_infer(q, r->ctx->diag))
        return false;
    struct ir_value *made = op_fold(r->ctx, q);
    for (size_t i = 0; made && i < r->num_moves; i++) {
        int first, last;
        data_operands(r->moves[i], &first, &last);
        for (int k = first; k < last; k++)
            if (r->moves[i]->in[k] == v)
                ir_op_set_operand(r->moves[i], k, made);
    }
    if (made)
        drop_unused(made);
    return made != NULL;
}

struct placed {
    struct ir_op *op;
    int place;
};

static int by_place(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    return x->place < y->place ? -1 : x->place > y->place;
}

// Every op once, in the graph's order.
static void sort_moves(struct requant *r)
{
    size_t n = r->num_moves;
    struct placed *p = ARENA_ARRAY(r->ctx->scratch, n + 1, struct placed);
    for (size_t i = 0; i < n; i++)
        p[i] = (struct placed){r->moves[i], index_get(&r->places, r->moves[i])};
    if (n)
        qsort(p, n, sizeof *p, by_place);
    r->num_moves = 0;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || p[i].op != p[i - 1].op)
            r->moves[r->num_moves++] = p[i].op;
}

static bool convert_region(struct requant *r)
{
    sort_moves(r);
    for (size_t i = 0; i < r->num_macs; i++) {
        ir_set_float(r->macs[i], IR_A_q, (double)r->q);
        ir_set_int(r->macs[i], IR_A_qbits, r->bits);
        if (!ir_infer(r->macs[i], r->ctx->diag))
            return false;
    }
    for (size_t i = 0; i < r->num_consts; i++)
        if (!convert_const(r, r->consts[i]))
            return false;
    for (size_t i = 0; i < r->num_moves; i++)
        if (!convert_numbers(r, r->moves[i]) || !ir_infer(r->moves[i], r->ctx->diag))
            return false;
    for (size_t i = 0; i < r->num_leaves; i++) {
        ir_value_replace(r->leaves[i]->out[0], r->leaves[i]->in[0]);
        ir_op_erase(r->leaves[i]);
    }
    return true;
}

// ---- Concatenations

static struct ir_value *quantised_part(struct requant *r, const struct ir_op *leaf,
                                       struct ir_value *v, struct ir_op *before)
{
    for (const struct ir_use *u = v->uses; u; u = u->next)
        if (u->op->op == IR_OP_QUANTIZE && index_get(&r->places, u->op) < 0 &&
            (float)ir_float(u->op, IR_A_q, 0) == r->q &&
            (int)ir_int(u->op, IR_A_bits, 0) == r->bits)
            return u->op->out[0]; // made for an operand that stands there twice
    struct ir_op *q =
        ir_op_create(leaf->graph, before, IR_OP_QUANTIZE, leaf->loc, &v, 1, 1, leaf->out[0]->name);
    ir_set_float(q, IR_A_q, (double)r->q);
    ir_set_int(q, IR_A_bits, r->bits);
    return ir_infer(q, r->ctx->diag) ? q->out[0] : NULL;
}

// Whether parts are results of MAC ops and the parts lie one behind the other.
static bool has_mac_parts(const struct ir_op *concat)
{
    bool found = false;
    int64_t axis = ir_int(concat, IR_A_axis, 0);
    if (ir_op_is_dynamic(concat))
        return false;
    for (int i = 0; i < axis; i++)
        if (concat->out[0]->type.dim[i] != 1)
            return false;
    for (int i = 0; i < concat->num_in; i++)
        found |= concat->in[i]->def && ir_is_mac(concat->in[i]->def);
    return found;
}

static bool quantise_parts(struct requant *r, struct ir_op *leaf)
{
    struct ir_op *concat = leaf->in[0]->def;
    struct ir_value **part =
        ARENA_ARRAY(r->ctx->scratch, (size_t)concat->num_in, struct ir_value *);
    r->q = (float)ir_float(leaf, IR_A_q, 0);
    r->bits = (int)ir_int(leaf, IR_A_bits, 0);
    for (int i = 0; i < concat->num_in; i++)
        if (!(part[i] = quantised_part(r, leaf, concat->in[i], concat)))
            return false;
    struct ir_builder b = {
        .graph = leaf->graph, .before = concat, .loc = concat->loc, .diag = r->ctx->diag};
    struct ir_value *joined = irb_concat(&b, part, concat->num_in, ir_int(concat, IR_A_axis, 0));
    if (!joined)
        return false;
    ir_value_replace(leaf->out[0], joined);
    ir_op_erase(leaf);
    return true;
}

bool pass_fuse_requant(struct pass_ctx *ctx)
{
    struct ir_graph *g = ctx->module->main;
    struct requant r = {.ctx = ctx};
    size_t ops = 0, values = (size_t)g->num_inputs, n = 0;
    for (struct ir_op *op = g->first; op; op = op->next) {
        ops++;
        values += (size_t)op->num_out;
    }
    struct ir_op **quantizes = ARENA_ARRAY(ctx->scratch, ops + 1, struct ir_op *);
    index_create(&r.values, values, ctx->scratch);
    index_create(&r.places, ops, ctx->scratch);
    for (struct ir_op *op = g->first; op; op = op->next) {
        index_set(&r.places, op, (int)n);
        n++;
    }
    n = 0;
    for (struct ir_op *op = g->first; op; op = op->next)
        if (op->op == IR_OP_QUANTIZE)
            quantizes[n++] = op;
    for (size_t i = 0; i < n; i++)
        if (quantizes[i]->in[0] && find_region(&r, quantizes[i]) &&
            !convert_region(&r)) // an erased op has no operands
            return false;
    for (size_t i = 0; i < n; i++) {
        const struct ir_op *from = quantizes[i]->in[0] ? quantizes[i]->in[0]->def : NULL;
        if (from && from->op == IR_OP_CONCAT && has_mac_parts(from) &&
            !quantise_parts(&r, quantizes[i]))
            return false;
    }
    return true;
}

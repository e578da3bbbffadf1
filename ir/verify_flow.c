// Markers of control flow: nesting, and that a marker fits the one that it closes.
#include "ir_priv.h"

static bool bad_marker(const struct ir_op *op, struct diag *d, const char *what)
{
    return diag_report(d, op->loc, DIAG_IR_OP, "%s: %s", ir_op_info[op->op].text, what);
}

static bool same_types(const struct ir_op *a, int first_a, const struct ir_op *b, int first_b,
                       int n, struct diag *d)
{
    for (int i = 0; i < n; i++) {
        if (!a->in[first_a + i] || !b->in[first_b + i])
            return bad_marker(b, d, "a value is absent");
        const struct ir_type *x = &a->in[first_a + i]->type, *y = &b->in[first_b + i]->type;
        if (x->known && y->known && !ir_type_equal(x, y))
            return diag_report(
                d, b->loc, DIAG_IR_TYPE, "%s: %%%s and %%%s must have one type, they take turns",
                ir_op_info[b->op].text, a->in[first_a + i]->name, b->in[first_b + i]->name);
    }
    return true;
}

static bool loop_fits(const struct ir_op *begin, const struct ir_op *end, struct diag *d)
{
    int64_t carried = ir_int(begin, IR_A_carried, -1), trips = ir_int(end, IR_A_trips, -1);
    if (begin->num_in < 2 || carried != ir_int(end, IR_A_carried, -1) ||
        carried != begin->num_in - 2 || carried > end->num_in - 1)
        return bad_marker(end, d, "the loop begins with another number of carried values");
    if (trips >= 0) {
        const struct tensor *t = begin->in[0] ? ir_const_data(begin->in[0]) : NULL;
        if (t && t->dtype == DT_I64 && tensor_elems(t) == 1 && tensor_get_int(t, 0) > trips)
            return bad_marker(end, d, "trips is less than the loop's number of iterations");
    }
    return same_types(begin, 2, end, 1, (int)carried, d);
}

static bool closes(const struct ir_op *open, const struct ir_op *op)
{
    return (op->op == IR_OP_LOOP_END && open->op == IR_OP_LOOP_BEGIN) ||
           (op->op == IR_OP_ELSE_BEGIN && open->op == IR_OP_IF_BEGIN) ||
           (op->op == IR_OP_IF_END && open->op == IR_OP_ELSE_BEGIN);
}

bool ir_regions_leave(struct ir_regions *r, const struct ir_op *op, struct diag *d)
{
    if (!ir_closes(op))
        return true;
    const struct ir_op *open = r->depth ? r->stack[r->depth - 1].open : NULL;
    if (!open || !closes(open, op))
        return bad_marker(op, d, "no region that it could end is open");
    r->depth--;
    r->ended[r->stack[r->depth].id] = true;
    if (op->op == IR_OP_LOOP_END)
        return loop_fits(open, op, d);
    if (op->op == IR_OP_IF_END)
        return open->num_in == op->num_in
                   ? same_types(open, 0, op, 0, op->num_in, d)
                   : bad_marker(op, d, "the regions give different numbers of values");
    return true;
}

void ir_regions_enter(struct ir_regions *r, const struct ir_op *op)
{
    if (!ir_opens(op))
        return;
    r->stack = arena_grow(r->scratch, r->stack, r->depth, r->depth + 1, sizeof *r->stack, &r->cap);
    r->num++;
    r->ended = arena_grow(r->scratch, r->ended, r->ended ? r->num : 0, (size_t)r->num + 1,
                          sizeof *r->ended, &r->ended_cap);
    r->ended[0] = false; // the graph
    r->ended[r->num] = false;
    r->stack[r->depth++] = (struct ir_region){op, r->num};
}

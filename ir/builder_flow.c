// Markers of control flow with their attributes set and their results inferred.
#include "ir_priv.h"

static struct ir_op *finish_marker(struct ir_builder *b, struct ir_op *op)
{
    if (ir_infer(op, b->diag))
        return op;
    ir_op_erase(op);
    return NULL;
}

// A marker of which the first `optional` operands may be absent.
static struct ir_op *start_marker(struct ir_builder *b, enum ir_opcode opcode,
                                  struct ir_value *const *first, int optional,
                                  struct ir_value *const *v, int n, int num_out)
{
    struct ir_value **in =
        ARENA_ARRAY(b->graph->module->arena, (size_t)(optional + n) + 1, struct ir_value *);
    for (int i = 0; i < optional; i++)
        in[i] = first[i];
    for (int i = 0; i < n; i++) {
        if (!v[i])
            return NULL;
        in[optional + i] = v[i];
    }
    return ir_op_create(b->graph, b->before, opcode, b->loc, in, optional + n, num_out, NULL);
}

struct ir_op *irb_loop_begin(struct ir_builder *b, struct ir_value *trip, struct ir_value *cond,
                             struct ir_value *const *init, int n)
{
    struct ir_value *first[] = {trip, cond};
    struct ir_op *op = start_marker(b, IR_OP_LOOP_BEGIN, first, 2, init, n, n + 1);
    if (!op)
        return NULL;
    ir_set_int(op, IR_A_carried, n);
    return finish_marker(b, op);
}

struct ir_op *irb_loop_end(struct ir_builder *b, struct ir_value *cond,
                           struct ir_value *const *next, int n, int carried, int64_t trips)
{
    struct ir_op *op = start_marker(b, IR_OP_LOOP_END, &cond, 1, next, n, n);
    if (!op)
        return NULL;
    ir_set_int(op, IR_A_carried, carried);
    if (trips >= 0)
        ir_set_int(op, IR_A_trips, trips);
    return finish_marker(b, op);
}

struct ir_op *irb_if_begin(struct ir_builder *b, struct ir_value *cond)
{
    struct ir_op *op = start_marker(b, IR_OP_IF_BEGIN, NULL, 0, &cond, 1, 0);
    return op ? finish_marker(b, op) : NULL;
}

struct ir_op *irb_else_begin(struct ir_builder *b, struct ir_value *const *v, int n)
{
    struct ir_op *op = start_marker(b, IR_OP_ELSE_BEGIN, NULL, 0, v, n, 0);
    return op ? finish_marker(b, op) : NULL;
}

struct ir_op *irb_if_end(struct ir_builder *b, struct ir_value *const *v, int n)
{
    struct ir_op *op = start_marker(b, IR_OP_IF_END, NULL, 0, v, n, n);
    return op ? finish_marker(b, op) : NULL;
}

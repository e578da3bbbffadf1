// Walks over the markers of regions. Loops and ifs nest, so counting begins and ends finds
// partners.
#include "ir.h"

static bool begins(const struct ir_op *op)
{
    return op->op == IR_OP_LOOP_BEGIN || op->op == IR_OP_IF_BEGIN;
}

static bool ends(const struct ir_op *op)
{
    return op->op == IR_OP_LOOP_END || op->op == IR_OP_IF_END;
}

struct ir_op *ir_region_close(const struct ir_op *open)
{
    int depth = 0;
    for (struct ir_op *op = open->next; op; op = op->next) {
        if (depth == 0 && ir_closes(op))
            return op;
        depth += begins(op) - ends(op);
    }
    bitlet_bug("%s has no end", ir_op_info[open->op].text);
}

struct ir_op *ir_region_open(const struct ir_op *close)
{
    int depth = 0;
    for (struct ir_op *op = close->prev; op; op = op->prev) {
        if (depth == 0 && ir_opens(op))
            return op;
        depth += ends(op) - begins(op);
    }
    bitlet_bug("%s has no beginning", ir_op_info[close->op].text);
}

struct ir_op *ir_place_for(const struct ir_value *v, struct ir_op *user)
{
    struct ir_op *place = user;
    int depth = 0;
    for (struct ir_op *op = user->prev; op && op != v->def; op = op->prev) {
        if (begins(op) && depth == 0)
            place = op;
        else
            depth += ends(op) - begins(op);
    }
    return place;
}

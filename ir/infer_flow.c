// Result types of the markers of control flow: copies of their operands. That a marker fits its
// partner is the verifier's concern.
#include "infer.h"

static bool check_scalar(const struct infer *in, int i, enum dtype t, const char *what)
{
    const struct ir_value *v = in->op->in[i];
    if (!v || (v->type.dtype == t && v->type.rank == 0))
        return true;
    return infer_bad_type(in, "%s is %s, %s[] is needed", what, infer_text(in, i), dtype_text(t));
}

static bool set_copy(const struct infer *in, int result, int operand)
{
    const struct ir_type *t = infer_type(in, operand);
    return infer_set_like(in, result, t->dtype, t);
}

static bool check_results(const struct infer *in, int needed)
{
    return in->op->num_out == needed ||
           diag_report(in->diag, in->op->loc, DIAG_IR_OP, "%s has %d results, %d are needed",
                       ir_op_info[in->op->op].text, in->op->num_out, needed);
}

bool ir_infer_LOOP_BEGIN(struct infer *in)
{
    int carried = in->op->num_in - 2;
    if (ir_int(in->op, IR_A_carried, -1) != carried)
        return infer_bad_attr(in, "carried is %lld, the op has initial values of %d",
                              (long long)ir_int(in->op, IR_A_carried, -1), carried);
    if (!check_results(in, carried + 1) ||
        !check_scalar(in, 0, DT_I64, "the number of iterations") ||
        !check_scalar(in, 1, DT_BOOL, "the condition") || !infer_set(in, 0, DT_I64, NULL, 0))
        return false;
    for (int i = 0; i < carried; i++)
        if (!set_copy(in, i + 1, i + 2))
            return false;
    return true;
}

// An element with the iterations as a new first dimension.
static bool set_stacked(const struct infer *in, int result, int operand, int64_t trips)
{
    const struct ir_type *t = infer_type(in, operand);
    int64_t dim[IR_MAX_RANK + 1] = {trips};
    for (int i = 0; i < t->rank; i++)
        dim[i + 1] = t->dim[i];
    if (!infer_set(in, result, t->dtype, dim, t->rank + 1))
        return false;
    for (int i = 0; i < t->rank; i++)
        in->out[result].sym[i + 1] = t->sym[i];
    return true;
}

bool ir_infer_LOOP_END(struct infer *in)
{
    int values = in->op->num_in - 1;
    int64_t carried = ir_int(in->op, IR_A_carried, -1), trips = ir_int(in->op, IR_A_trips, -1);
    if (carried < 0 || carried > values)
        return infer_bad_attr(in, "carried is %lld, not in 0..%d", (long long)carried, values);
    if ((trips >= 0) != (carried < values))
        return infer_bad_attr(in,
                              "trips belongs to loops that stack elements, and is not negative");
    if (!check_results(in, values) || !check_scalar(in, 0, DT_BOOL, "the condition"))
        return false;
    for (int i = 0; i < values; i++)
        if (i < carried ? !set_copy(in, i, i + 1) : !set_stacked(in, i, i + 1, trips))
            return false;
    return true;
}

bool ir_infer_IF_BEGIN(struct infer *in)
{
    return check_scalar(in, 0, DT_BOOL, "the condition");
}

bool ir_infer_ELSE_BEGIN(struct infer *in)
{
    (void)in;
    return true;
}

bool ir_infer_IF_END(struct infer *in)
{
    if (!check_results(in, in->op->num_in))
        return false;
    for (int i = 0; i < in->op->num_in; i++)
        if (!set_copy(in, i, i))
            return false;
    return true;
}

// infer: the type of every value from its operands and attributes. A type that is already there is
// a claim that must hold, so a frontend's or an editor's mistake is met here and not in the passes
// that rely on it.
#include "pass.h"

// Reports the claim that inference contradicts.
static bool check_claim(struct pass_ctx *ctx, const struct ir_op *op, int i,
                        const struct ir_type *claim)
{
    const struct ir_value *v = op->out[i];
    if (!claim->known || ir_type_equal(claim, &v->type))
        return true;
    return diag_report(ctx->diag, op->loc, DIAG_IR_TYPE, "%%%s is declared %s, but %s gives %s",
                       v->name, ir_type_text(claim, ctx->scratch), ir_op_info[op->op].text,
                       ir_type_text(&v->type, ctx->scratch));
}

static bool infer_op(struct pass_ctx *ctx, struct ir_op *op)
{
    for (int i = 0; i < op->num_in; i++)
        if (op->in[i] != NULL && !op->in[i]->type.known)
            return false; // follows from an error that is already reported
    struct ir_type *claim = ARENA_ARRAY(ctx->scratch, (size_t)op->num_out, struct ir_type);
    for (int i = 0; i < op->num_out; i++)
        claim[i] = op->out[i]->type;
    if (!ir_infer(op, ctx->diag))
        return false;
    bool ok = true;
    for (int i = 0; i < op->num_out; i++)
        ok &= check_claim(ctx, op, i, &claim[i]);
    return ok;
}

bool pass_infer(struct pass_ctx *ctx)
{
    struct ir_graph *g = ctx->module->main;
    bool ok = true;
    for (int i = 0; i < g->num_inputs; i++)
        if (!g->inputs[i]->type.known)
            ok = diag_report(ctx->diag, LOC_NONE, DIAG_IR_TYPE, "graph input %%%s has no type",
                             g->inputs[i]->name);
    for (struct ir_op *op = g->first; op != NULL; op = op->next)
        ok &= infer_op(ctx, op);
    return ok;
}

// fold: pure ops on constants become constants, evaluated by the reference evaluator.
//
// In a chain of such ops only the last result is kept: the others live in arenas of their own,
// which go with their last use, so that folding a large constant through several ops takes no more
// memory than one of them. Ops that make much out of little (broadcasts, pads) stay, because the
// machine's views do the same for nothing.
#include <string.h>

#include "eval.h"
#include "host.h"
#include "index.h"
#include "pass.h"

enum { GROWTH_MAX = 64, SMALL_BYTES = 1 << 16 };

struct temp { // a foldable op's result
    const struct tensor *data;
    struct arena *arena; // NULL: the module's
    int uses_left;       // by foldable ops
};
struct fold {
    struct pass_ctx *ctx;
    struct index index; // op -> temp
    struct temp *temps;
    int count;
};

static size_t count_ops(const struct ir_graph *g)
{
    size_t n = 0;
    for (const struct ir_op *op = g->first; op; op = op->next)
        n++;
    return n;
}

static struct temp *temp_of(const struct fold *f, const struct ir_value *v)
{
    int i = v->def ? index_get(&f->index, v->def) : -1;
    return i < 0 ? NULL : &f->temps[i];
}

static bool is_known(const struct fold *f, const struct ir_value *v)
{
    return ir_const_data(v) || temp_of(f, v);
}

static bool grows_too_much(const struct ir_op *op)
{
    size_t in = 0, out = ir_type_bytes(&op->out[0]->type);
    for (int i = 0; i < op->num_in; i++)
        if (op->in[i])
            in += ir_type_bytes(&op->in[i]->type);
    return out > SMALL_BYTES && out / GROWTH_MAX > in;
}

// What a call makes of references lives as long as the call's own memory; a kernel of a plugin may
// not be loaded.
static bool is_known_call(const struct ir_op *op)
{
    return !dtype_is_reference(op->out[0]->type.dtype) &&
           host_kernel_find(ir_attr_find(op, IR_A_kernel_name)->s);
}

static bool is_foldable(const struct fold *f, const struct ir_op *op)
{
    if (op->op == IR_OP_CONST || op->num_out != 1 || !ir_is_pure(op) || op->op == IR_OP_EXTENT ||
        (op->op == IR_OP_HOST && !is_known_call(op)) || ir_op_is_dynamic(op) || grows_too_much(op))
        return false;
    if (op->out[0]->num_uses == 0 && !op->out[0]->is_output && !op->out[0]->is_extent)
        return false;
    for (int i = 0; i < op->num_in; i++)
        if (op->in[i] && (!is_known(f, op->in[i]) || op->in[i]->type.dtype == DT_LANES))
            return false;
    return true;
}

static void mark(struct fold *f, struct ir_op *op)
{
    index_set(&f->index, op, f->count++);
    for (int i = 0; i < op->num_in; i++) {
        struct temp *t = op->in[i] ? temp_of(f, op->in[i]) : NULL;
        if (t)
            t->uses_left++;
    }
}

static void release_operands(struct fold *f, const struct ir_op *op)
{
    for (int i = 0; i < op->num_in; i++) {
        struct temp *t = op->in[i] ? temp_of(f, op->in[i]) : NULL;
        if (t && --t->uses_left == 0) {
            arena_destroy(t->arena);
            t->arena = NULL;
        }
    }
}

static bool evaluate(struct fold *f, struct ir_op *op)
{
    struct temp *t = temp_of(f, op->out[0]);
    const struct tensor **in =
        ARENA_ARRAY(f->ctx->scratch, (size_t)op->num_in + 1, const struct tensor *);
    struct tensor *out;
    for (int i = 0; i < op->num_in; i++) {
        const struct temp *operand = op->in[i] ? temp_of(f, op->in[i]) : NULL;
        in[i] = operand ? operand->data : op->in[i] ? ir_const_data(op->in[i]) : NULL;
    }
    bool kept =
        op->out[0]->is_output || op->out[0]->is_extent || op->out[0]->num_uses > t->uses_left;
    t->arena = kept ? NULL : arena_create();
    if (!ir_eval_op(op, in, NULL, &out, kept ? f->ctx->module->arena : t->arena, f->ctx->diag))
        return false;
    t->data = out;
    release_operands(f, op);
    return true;
}

// A constant in place of op, which keeps its uses by ops that are not folded.
static bool replace(struct fold *f, struct ir_op *op)
{
    struct temp *t = temp_of(f, op->out[0]);
    struct ir_builder b = {.graph = op->graph, .before = op, .loc = op->loc, .diag = f->ctx->diag};
    struct tensor *data = arena_memdup(f->ctx->module->arena, t->data, sizeof *data);
    const char *name = arena_strdup(f->ctx->scratch, op->out[0]->name);
    data->name = NULL;
    struct ir_value *c = irb_const(&b, data, name);
    if (!c)
        return false;
    ir_value_replace(op->out[0], c);
    ir_value_rename(op->out[0], op->graph, NULL);
    ir_value_rename(c, op->graph, name);
    return true;
}

// Temporaries that an error left behind.
static bool give_up(struct fold *f)
{
    for (int i = 0; i < f->count; i++)
        arena_destroy(f->temps[i].arena);
    return false;
}

bool pass_fold(struct pass_ctx *ctx)
{
    struct ir_graph *g = ctx->module->main;
    size_t n = count_ops(g);
    struct fold f = {.ctx = ctx, .temps = ARENA_ARRAY(ctx->scratch, n + 1, struct temp)};
    struct ir_op **folded = ARENA_ARRAY(ctx->scratch, n + 1, struct ir_op *);
    index_create(&f.index, n, ctx->scratch);
    for (struct ir_op *op = g->first; op; op = op->next)
        if (is_foldable(&f, op)) {
            folded[f.count] = op;
            mark(&f, op);
        }
    for (int i = 0; i < f.count; i++)
        if (!evaluate(&f, folded[i]))
            return give_up(&f);
    for (int i = 0; i < f.count; i++) {
        bool kept = folded[i]->out[0]->is_output || folded[i]->out[0]->is_extent;
        for (const struct ir_use *u = folded[i]->out[0]->uses; u && !kept; u = u->next)
            kept = index_get(&f.index, u->op) < 0;
        if (kept && !replace(&f, folded[i]))
            return give_up(&f);
    }
    for (int i = f.count - 1; i >= 0; i--)
        if (folded[i]->out[0]->num_uses == 0 && !folded[i]->out[0]->is_output &&
            !folded[i]->out[0]->is_extent)
            ir_op_erase(folded[i]);
    return true;
}

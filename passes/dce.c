// dce: equal pure ops become one, then pure ops whose results nobody uses vanish.
//
// Equality is decided in execution order, so an op's operands are already the surviving ones and
// equal ops have equal operands; a hash table finds them. The data of constants is hashed by
// samples, because models hold hundreds of megabytes of it, and compared in full only between
// candidates. Removal walks backwards: a user goes before what it used.
#include "pass.h"

#include <string.h>

enum { SAMPLE_BYTES = 256, SAMPLES = 16 };

struct op_table {
    struct ir_op **slot;
    uint64_t *hash;
    size_t mask;
    int *region; // by slot; 0: the graph, and constants, which have no scope
    bool *ended; // by region
    int *open, depth, num_regions;
};

// ---- Hashing. Multiply and fold; only ever used to find candidates.

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15ull;
    return h ^ h >> 29;
}

static uint64_t mix_bytes(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *s = bytes;
    uint64_t w = 0;
    for (; n >= 8; n -= 8, s += 8) {
        memcpy(&w, s, 8);
        h = mix(h, w);
    }
    w = 0;
    if (n > 0)
        memcpy(&w, s, n);
    return mix(h, w);
}

static uint64_t hash_data(uint64_t h, const struct tensor *t)
{
    size_t n = tensor_bytes(t);
    const char *data = t->data;
    h = mix(h, n);
    if (n <= SAMPLE_BYTES * SAMPLES)
        return n == 0 ? h : mix_bytes(h, data, n);
    for (size_t i = 0; i < SAMPLES; i++)
        h = mix_bytes(h, data + (n - SAMPLE_BYTES) / (SAMPLES - 1) * i, SAMPLE_BYTES);
    return h;
}

static uint64_t hash_attr(uint64_t h, const struct ir_attr *a)
{
    uint64_t bits;
    memcpy(&bits, &a->f, 8);
    h = mix(mix(mix(mix(h, (uint64_t)a->id), (uint64_t)a->i), bits), (uint64_t)a->n);
    if (a->is != NULL)
        h = mix_bytes(h, a->is, (size_t)a->n * sizeof *a->is);
    if (a->fs != NULL)
        h = mix_bytes(h, a->fs, (size_t)a->n * sizeof *a->fs);
    return a->s != NULL ? mix_bytes(h, a->s, strlen(a->s)) : h;
}

static uint64_t hash_op(const struct ir_op *op)
{
    uint64_t h = mix(0xcbf29ce484222325ull, (uint64_t)op->op);
    for (int i = 0; i < op->num_in; i++)
        h = mix(h, (uint64_t)(uintptr_t)op->in[i]);
    for (int i = 0; i < op->num_attrs; i++)
        h = hash_attr(h, &op->attrs[i]);
    for (int i = 0; i < op->num_out; i++)
        h = mix_bytes(h, op->out[i]->type.dim, (size_t)op->out[i]->type.rank * sizeof(int64_t));
    return op->data != NULL ? hash_data(h, op->data) : h;
}

// ---- Equality

static bool same_bytes(const void *a, const void *b, size_t n)
{
    return n == 0 || a == b || memcmp(a, b, n) == 0;
}

static bool same_attr(const struct ir_attr *a, const struct ir_attr *b)
{
    if (a->id != b->id || a->i != b->i || memcmp(&a->f, &b->f, sizeof a->f) != 0 || a->n != b->n)
        return false;
    if ((a->is == NULL) != (b->is == NULL) || (a->fs == NULL) != (b->fs == NULL) ||
        (a->s == NULL) != (b->s == NULL))
        return false;
    return (a->is == NULL || same_bytes(a->is, b->is, (size_t)a->n * sizeof *a->is)) &&
           (a->fs == NULL || same_bytes(a->fs, b->fs, (size_t)a->n * sizeof *a->fs)) &&
           (a->s == NULL || strcmp(a->s, b->s) == 0);
}

static bool same_op(const struct ir_op *a, const struct ir_op *b)
{
    if (a->op != b->op || a->num_in != b->num_in || a->num_out != b->num_out ||
        a->num_attrs != b->num_attrs)
        return false;
    for (int i = 0; i < a->num_in; i++)
        if (a->in[i] != b->in[i])
            return false;
    for (int i = 0; i < a->num_out; i++)
        if (!ir_type_equal(&a->out[i]->type, &b->out[i]->type))
            return false;
    for (int i = 0; i < a->num_attrs; i++)
        if (!same_attr(&a->attrs[i], &b->attrs[i]))
            return false;
    if (a->op != IR_OP_CONST)
        return true;
    return a->data->dtype != DT_STR &&
           same_bytes(a->data->data, b->data->data, tensor_bytes(a->data));
}

// The equal op that came first, or NULL after entering this one.
static struct ir_op *find_or_enter(struct op_table *t, struct ir_op *op)
{
    uint64_t h = hash_op(op);
    size_t i = h & t->mask;
    for (; t->slot[i] != NULL; i = (i + 1) & t->mask) {
        if (t->hash[i] != h || !same_op(t->slot[i], op))
            continue;
        if (!t->ended[t->region[i]])
            return t->slot[i];
        break;
    }
    t->region[i] = op->op == IR_OP_CONST ? 0 : t->open[t->depth];
    t->slot[i] = op;
    t->hash[i] = h;
    return NULL;
}

// ---- The pass

// Follows the regions of control flow. What stands in one that has ended serves nobody outside.
static void follow_regions(struct op_table *t, const struct ir_op *op)
{
    if (ir_closes(op))
        t->ended[t->open[t->depth--]] = true;
    if (ir_opens(op))
        t->open[++t->depth] = ++t->num_regions;
}

static void merge_equal(struct pass_ctx *ctx, struct ir_graph *g)
{
    size_t n = 0, cap = 16;
    for (const struct ir_op *op = g->first; op != NULL; op = op->next)
        n++;
    while (cap < 2 * n)
        cap *= 2;
    struct op_table t = {ARENA_ARRAY(ctx->scratch, cap, struct ir_op *),
                         ARENA_ARRAY(ctx->scratch, cap, uint64_t),
                         cap - 1,
                         ARENA_ARRAY(ctx->scratch, cap, int),
                         ARENA_ARRAY(ctx->scratch, n + 1, bool),
                         ARENA_ARRAY(ctx->scratch, n + 1, int),
                         0,
                         0};
    for (struct ir_op *op = g->first, *next; op != NULL; op = next) {
        next = op->next;
        follow_regions(&t, op);
        struct ir_op *same = ir_is_pure(op) ? find_or_enter(&t, op) : NULL;
        if (same == NULL)
            continue;
        for (int i = 0; i < op->num_out; i++)
            ir_value_replace(op->out[i], same->out[i]);
        if (op->op != IR_OP_CONST)
            same->loc = loc_fused(ctx->module->locs, same->loc, op->loc);
        ir_op_erase(op);
    }
}

static bool is_unused(const struct ir_op *op)
{
    for (int i = 0; i < op->num_out; i++)
        if (op->out[i]->num_uses != 0 || op->out[i]->is_output || op->out[i]->is_extent)
            return false;
    return true;
}

static void mark_extents(const struct ir_op *op, bool mark)
{
    for (int i = 0; i < op->num_out; i++)
        for (int k = 0; k < op->out[i]->type.rank; k++)
            if (op->out[i]->type.sym[k])
                op->out[i]->type.sym[k]->is_extent = mark;
}

// An extent is defined before the types that name it, so the walk back has seen all of those.
void pass_sweep(struct ir_graph *g)
{
    for (const struct ir_op *op = g->first; op != NULL; op = op->next)
        mark_extents(op, false);
    for (struct ir_op *op = g->last, *prev; op != NULL; op = prev) {
        prev = op->prev;
        if (ir_is_pure(op) && is_unused(op))
            ir_op_erase(op);
        else
            mark_extents(op, true);
    }
}

bool pass_dce(struct pass_ctx *ctx)
{
    merge_equal(ctx, ctx->module->main);
    pass_sweep(ctx->module->main);
    return true;
}

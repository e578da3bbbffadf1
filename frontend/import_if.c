// If: both branches between markers, or the one that is taken where that is known when compiling.
#include "import_flow.h"

// What both branches give, as far as it can be one type: extents that differ are known at run time.
struct branches {
    struct ir_type *type; // with bounds where an extent is open
    uint32_t *open;       // bit mask of dimensions
    int num, extra;       // results, and extents among them
};

static bool branches_join(struct import_node *n, struct ir_value *const *t,
                          struct ir_value *const *e, const struct ir_op *begin, struct branches *b)
{
    for (int i = 0; i < b->num; i++) {
        b->type[i] = t[i]->type;
        if (!flow_join_types(&b->type[i], &e[i]->type, begin, &b->open[i]))
            return flow_same_types(n, t[i], e[i], "output", i);
        flow_forget_open(&b->type[i], b->open[i]);
        b->extra += __builtin_popcount(b->open[i]);
    }
    return true;
}

// One branch; its results with their open extents.
static bool branch(struct import_node *n, const char *attr, const struct branches *b,
                   struct ir_value **v, struct ir_value **out)
{
    int at = 0;
    if (!node_body(n, attr, NULL, 0, v, b->num))
        return false;
    for (int i = 0; i < b->num; i++) {
        int used = flow_with_extents(n, v[i], &b->type[i], b->open[i], out + at);
        if (!used)
            return false;
        at += used;
    }
    return true;
}

static bool if_markers(struct import_node *n, struct ir_value *cond, const struct branches *b,
                       struct ir_value **t, struct ir_value **e)
{
    int all = b->num + b->extra, at = 0;
    struct ir_value **from_t = ARENA_ARRAY(n->arena, (size_t)all + 1, struct ir_value *),
                    **from_e = ARENA_ARRAY(n->arena, (size_t)all + 1, struct ir_value *);
    if (!irb_if_begin(&n->b, cond) || !branch(n, "then_branch", b, t, from_t) ||
        !irb_else_begin(&n->b, from_t, all) || !branch(n, "else_branch", b, e, from_e))
        return false;
    struct ir_op *end = irb_if_end(&n->b, from_e, all);
    for (int i = 0; end && i < b->num; i++) {
        int used;
        struct ir_value *y = flow_take_extents(n, end->out + at, b->open[i], &used);
        if (y && dtype_info[y->type.dtype].kind == DTK_H) {
            struct ir_type elem = importer_join_elems(n->imp, t[i], e[i]);
            importer_set_elem(n->imp, y, &elem);
        }
        if (!node_bind(n, i, y))
            return false;
        at += used;
    }
    return end != NULL;
}

// Of branches that give different ranks one alone can be compiled: that of the rank declared for
// the result, else of the lower one, for such branches come from squeezing a dimension if it has
// one element.
static bool takes_then(struct import_node *n, int i, const struct ir_value *t,
                       const struct ir_value *e)
{
    struct ir_type declared;
    if (node_declared_result(n, i, &declared) &&
        (declared.rank == t->type.rank || declared.rank == e->type.rank))
        return declared.rank == t->type.rank;
    return t->type.rank < e->type.rank;
}

// The branch that is assumed to be taken; the program stops when it is the other one.
static bool if_assumed(struct import_node *n, struct ir_value *cond, bool then, struct ir_value **v)
{
    const char *name = n->proto->name ? n->proto->name : "";
    diag_note(n->diag, n->loc,
              "the branches give different ranks; the %s branch is compiled, and the program stops "
              "where the other one would be taken",
              then ? "then" : "else");
    return irb_check(&n->b, then ? cond : irb_unary(&n->b, UFN_not, cond),
                     arena_printf(n->arena,
                                  "If '%s': the program is compiled for the %s branch, the other "
                                  "one gives another rank",
                                  name, then ? "then" : "else")) &&
           node_body(n, then ? "then_branch" : "else_branch", NULL, 0, v, n->num_out) &&
           flow_bind(n, v);
}

bool import_If(struct import_node *n)
{
    int64_t taken;
    struct ir_value *cond = flow_scalar(n, n->in[0], "the condition");
    size_t num = (size_t)n->num_out + 1;
    struct ir_value **t = ARENA_ARRAY(n->arena, num, struct ir_value *),
                    **e = ARENA_ARRAY(n->arena, num, struct ir_value *);
    struct branches b = {.type = ARENA_ARRAY(n->arena, num, struct ir_type),
                         .open = ARENA_ARRAY(n->arena, num, uint32_t),
                         .num = n->num_out};
    if (!cond)
        return false;
    if (cond->type.dtype != DT_BOOL)
        return node_error(n, DIAG_ONNX_TYPE, "the condition is %s, bool is needed",
                          node_type_text(n, 0));
    if (flow_known(n, cond, &taken))
        return node_body(n, taken ? "then_branch" : "else_branch", NULL, 0, t, n->num_out) &&
               flow_bind(n, t);
    // The branches are tried on a graph that is thrown away, for what they have in common.
    struct ir_op *last = n->imp->graph->last, *begin = irb_if_begin(&n->b, cond);
    if (!begin || !node_body(n, "then_branch", NULL, 0, t, n->num_out) ||
        !irb_else_begin(&n->b, NULL, 0) || !node_body(n, "else_branch", NULL, 0, e, n->num_out))
        return false;
    for (int i = 0; i < b.num; i++)
        if (t[i]->type.dtype == e[i]->type.dtype && t[i]->type.rank != e[i]->type.rank) {
            bool then = takes_then(n, i, t[i], e[i]);
            flow_erase_after(n, last);
            return if_assumed(n, cond, then, t);
        }
    if (!branches_join(n, t, e, begin, &b))
        return false;
    flow_erase_after(n, last);
    return if_markers(n, cond, &b, t, e);
}

// ai.onnx.ml: ensembles of decision trees. All trees and rows take a step at a time: the node each
// stands at, [N, trees], is replaced by one of its children, as often as the deepest tree has
// levels; leaves are their own children. Tables of the nodes are constants.
#include <math.h>
#include <string.h>

#include "import_ml.h"

enum tree_mode { TREE_LEQ, TREE_LT, TREE_GTE, TREE_GT, TREE_EQ, TREE_NEQ, TREE_MEMBER, TREE_LEAF };
enum tree_aggregate { TREE_AVERAGE, TREE_SUM, TREE_MIN, TREE_MAX };

struct forest {
    int num; // nodes, leaves included
    int64_t *feature, *mode, *child[2], *missing;
    double *split;
    const double **members; // of TREE_MEMBER
    int *num_members;
    int64_t *root;
    int trees, depth;
    int targets;
    double *weight; // [num, targets]
    bool *voted;    // [num, targets]
    enum tree_aggregate aggregate;
    bool missing_only; // NaN goes by `missing` alone; else it may also fulfil the comparison
};

// Number of elements a table over the nodes may have.
#define FOREST_ELEMS_MAX (INT64_C(1) << 26)

static bool forest_alloc(struct import_node *n, struct forest *f, int num, int64_t targets)
{
    if (num < 1 || targets < 1 || targets > FOREST_ELEMS_MAX / num)
        return node_error(n, DIAG_LIMIT, "%d nodes and %lld targets; 1 to %lld numbers are handled",
                          num, (long long)targets, (long long)FOREST_ELEMS_MAX);
    size_t count = (size_t)num;
    f->num = num;
    f->targets = (int)targets;
    f->feature = ARENA_ARRAY(n->arena, count, int64_t);
    f->mode = ARENA_ARRAY(n->arena, count, int64_t);
    f->missing = ARENA_ARRAY(n->arena, count, int64_t);
    f->child[0] = ARENA_ARRAY(n->arena, count, int64_t);
    f->child[1] = ARENA_ARRAY(n->arena, count, int64_t);
    f->split = ARENA_ARRAY(n->arena, count, double);
    f->members = ARENA_ARRAY(n->arena, count, const double *);
    f->num_members = ARENA_ARRAY(n->arena, count, int);
    f->weight = ARENA_ARRAY(n->arena, count * (size_t)targets, double);
    f->voted = ARENA_ARRAY(n->arena, count * (size_t)targets, bool);
    return true;
}

static void forest_vote(struct forest *f, int64_t node, int64_t target, double weight)
{
    int64_t at = node * f->targets + target;
    double old = f->weight[at];
    bool first = !f->voted[at];
    f->voted[at] = true;
    switch (f->aggregate) {
    case TREE_MIN: f->weight[at] = first ? weight : fmin(old, weight); break;
    case TREE_MAX: f->weight[at] = first ? weight : fmax(old, weight); break;
    default: f->weight[at] = old + weight; break;
    }
}

// Levels below the roots; refuses what is no tree.
static bool forest_measure(struct import_node *n, struct forest *f)
{
    int64_t *now = arena_memdup(n->arena, f->root, (size_t)f->trees * sizeof(int64_t)),
            count = f->trees;
    f->depth = 0;
    for (int64_t seen = count;; f->depth++) {
        int64_t *next = ARENA_ARRAY(n->arena, (size_t)count * 2 + 1, int64_t), more = 0;
        for (int64_t i = 0; i < count; i++)
            for (int k = 0; k < 2 && f->mode[now[i]] != TREE_LEAF; k++)
                next[more++] = f->child[k][now[i]];
        if (more == 0)
            return true;
        // Each node is reached once.
        seen += more;
        if (seen > f->num + (int64_t)f->trees)
            return node_error(n, DIAG_ONNX_ATTR,
                              "the nodes do not form trees: some are reached on several ways");
        now = next;
        count = more;
    }
}

// ---- Evaluation

struct walk {
    struct import_node *n;
    const struct forest *f;
    struct ir_builder *b;
    struct ir_value *x, *rows; // x flat; index of each row's first feature, [N, 1]
    enum dtype type;
};

static struct ir_value *table(struct walk *w, const int64_t *v)
{
    return ml_ints(w->n, v, w->f->num);
}
static struct ir_value *look_up(struct walk *w, struct ir_value *t, struct ir_value *at)
{
    return irb_gather(w->b, t, at, 0);
}

// The sets as rows of one length, with NaN, which equals nothing, behind the shorter ones.
static struct ir_value *in_set(struct walk *w, struct ir_value *at, struct ir_value *v)
{
    int longest = 1;
    for (int i = 0; i < w->f->num; i++)
        longest = w->f->num_members[i] > longest ? w->f->num_members[i] : longest;
    double *sets = ARENA_ARRAY(w->n->arena, (size_t)w->f->num * (size_t)longest, double);
    for (int i = 0; i < w->f->num; i++)
        for (int k = 0; k < longest; k++)
            sets[i * longest + k] = k < w->f->num_members[i] ? w->f->members[i][k] : NAN;
    struct ir_value *mine =
        look_up(w, ml_floats(w->n, sets, (const int64_t[]){w->f->num, longest}, 2, w->type), at);
    if (!v)
        return NULL;
    const int64_t axis = 2, dim[] = {v->type.dim[0], v->type.dim[1], 1};
    return irb_reduce(w->b, RFN_or, irb_binary(w->b, BFN_eq, irb_reshape(w->b, v, dim, 3), mine),
                      &axis, 1, false);
}

static struct ir_value *compare(struct walk *w, enum tree_mode mode, struct ir_value *at,
                                struct ir_value *v, struct ir_value *split)
{
    switch (mode) {
    case TREE_LEQ: return irb_binary(w->b, BFN_le, v, split);
    case TREE_LT: return irb_binary(w->b, BFN_lt, v, split);
    case TREE_GTE: return irb_binary(w->b, BFN_le, split, v);
    case TREE_GT: return irb_binary(w->b, BFN_lt, split, v);
    case TREE_EQ: return irb_binary(w->b, BFN_eq, v, split);
    case TREE_NEQ: return irb_binary(w->b, BFN_ne, v, split);
    case TREE_MEMBER: return in_set(w, at, v);
    default: bitlet_bug("a leaf compares nothing");
    }
}

// Whether each way goes to the true child: the comparison of the node's own mode.
static struct ir_value *decide(struct walk *w, struct ir_value *at, struct ir_value *v)
{
    struct ir_value *split =
        look_up(w, ml_floats(w->n, w->f->split, (const int64_t[]){w->f->num}, 1, w->type), at);
    struct ir_value *mode = NULL, *yes = NULL;
    bool used[TREE_LEAF] = {false}, missing = false;
    int kinds = 0;
    for (int i = 0; i < w->f->num; i++) {
        missing = missing || w->f->missing[i];
        if (w->f->mode[i] != TREE_LEAF && !used[w->f->mode[i]]) {
            used[w->f->mode[i]] = true;
            kinds++;
        }
    }
    if (kinds > 1)
        mode = look_up(w, table(w, w->f->mode), at);
    for (int k = 0; k < TREE_LEAF; k++) {
        if (!used[k])
            continue;
        struct ir_value *c = compare(w, (enum tree_mode)k, at, v, split);
        if (kinds > 1)
            c = irb_binary(w->b, BFN_and, c, node_with_scalar(w->n, BFN_eq, mode, k));
        yes = yes ? irb_binary(w->b, BFN_or, yes, c) : c;
    }
    if (!missing && !(w->f->missing_only && used[TREE_NEQ]))
        return yes;
    struct ir_value *nan = irb_unary(w->b, UFN_isnan, v);
    struct ir_value *to_true = node_convert(w->n, look_up(w, table(w, w->f->missing), at), DT_BOOL);
    if (w->f->missing_only)
        yes = irb_binary(w->b, BFN_and, yes, irb_unary(w->b, UFN_not, nan));
    return irb_binary(w->b, BFN_or, yes, irb_binary(w->b, BFN_and, nan, to_true));
}

// The leaf that each row reaches in each tree, [N, trees].
static struct ir_value *leaves(struct walk *w, int64_t rows)
{
    struct ir_value *at = irb_broadcast(w->b, ml_ints(w->n, w->f->root, w->f->trees),
                                        (const int64_t[]){rows, w->f->trees}, 2);
    for (int i = 0; i < w->f->depth && at; i++) {
        struct ir_value *place =
            irb_binary(w->b, BFN_add, look_up(w, table(w, w->f->feature), at), w->rows);
        struct ir_value *v = look_up(w, w->x, place);
        at = irb_select(w->b, decide(w, at, v), look_up(w, table(w, w->f->child[1]), at),
                        look_up(w, table(w, w->f->child[0]), at));
    }
    return at;
}

// What the leaves say of each target, [N, targets].
static struct ir_value *aggregate(struct walk *w, struct ir_value *at)
{
    const struct forest *f = w->f;
    const int64_t dim[] = {f->num, f->targets}, axis = 1;
    // Largest and smallest start from the other end of the type's range.
    double end = w->type == DT_F64   ? 1.7976931348623157e308
                 : w->type == DT_F16 ? 65504
                                     : 3.4028234663852886e38;
    double *weight =
        arena_memdup(w->n->arena, f->weight, (size_t)(dim[0] * dim[1]) * sizeof(double));
    for (int64_t i = 0; i < dim[0] * dim[1]; i++)
        if (!f->voted[i])
            weight[i] = f->aggregate == TREE_MIN ? end : f->aggregate == TREE_MAX ? -end : 0;
    struct ir_value *votes = look_up(w, ml_floats(w->n, weight, dim, 2, w->type), at);
    switch (f->aggregate) {
    case TREE_MIN: return irb_reduce(w->b, RFN_min, votes, &axis, 1, false);
    case TREE_MAX: return irb_reduce(w->b, RFN_max, votes, &axis, 1, false);
    case TREE_AVERAGE:
        return node_with_scalar(w->n, BFN_div, irb_reduce(w->b, RFN_sum, votes, &axis, 1, false),
                                f->trees);
    default: return irb_reduce(w->b, RFN_sum, votes, &axis, 1, false);
    }
}

static struct ir_value *evaluate(struct import_node *n, struct forest *f, enum dtype type)
{
    struct walk w = {.n = n, .f = f, .b = &n->b, .type = type};
    struct ir_value *x = ml_features(n, type);
    if (!x || !forest_measure(n, f))
        return NULL;
    int64_t rows = x->type.dim[0], features = x->type.dim[1], elems = rows * features;
    for (int i = 0; i < f->num; i++)
        if (f->mode[i] != TREE_LEAF && (f->feature[i] < 0 || f->feature[i] >= features)) {
            node_error(n, DIAG_ONNX_ATTR, "a node compares feature %lld of %lld",
                       (long long)f->feature[i], (long long)features);
            return NULL;
        }
    w.x = irb_reshape(&n->b, x, &elems, 1);
    w.rows =
        irb_reshape(&n->b, node_with_scalar(n, BFN_mul, node_iota(n, rows, 1), (double)features),
                    (const int64_t[]){rows, 1}, 2);
    return aggregate(&w, leaves(&w, rows));
}

// ---- TreeEnsemble

static const double *tensor_values(struct import_node *n, const char *name, int *num)
{
    const struct tensor *t = node_tensor(n, name);
    *num = t ? (int)tensor_elems(t) : 0;
    double *v = ARENA_ARRAY(n->arena, (size_t)*num + 1, double);
    for (int i = 0; i < *num; i++)
        v[i] = tensor_get_double(t, i);
    return v;
}

static bool same_length(struct import_node *n, const char *name, int have, int want)
{
    return have == want ||
           node_error(n, DIAG_ONNX_ATTR, "%s has %d entries, %d are needed", name, have, want);
}

// Sets follow each other in the order of their nodes, each ended by NaN.
static bool read_members(struct import_node *n, struct forest *f, int inner)
{
    int num, at = 0;
    const double *v = tensor_values(n, "membership_values", &num);
    for (int i = 0; i < inner; i++) {
        if (f->mode[i] != TREE_MEMBER)
            continue;
        f->members[i] = v + at;
        while (at < num && !isnan(v[at])) {
            at++;
            f->num_members[i]++;
        }
        if (at++ >= num)
            return node_error(n, DIAG_ONNX_ATTR,
                              "membership_values has no set for node %d, or no NaN behind it", i);
    }
    return true;
}

// Nodes 0 .. inner - 1 are the inner ones, then the leaves.
static bool read_children(struct import_node *n, struct forest *f, int inner)
{
    static const char *const ids[] = {"nodes_falsenodeids", "nodes_truenodeids"},
                             *const flags[] = {"nodes_falseleafs", "nodes_trueleafs"};
    for (int k = 0; k < 2; k++) {
        int num, num_flags;
        const int64_t *id = node_ints(n, ids[k], &num), *leaf = node_ints(n, flags[k], &num_flags);
        if (!same_length(n, ids[k], num, inner) || !same_length(n, flags[k], num_flags, inner))
            return false;
        for (int i = 0; i < inner; i++) {
            int64_t end = leaf[i] ? f->num - inner : inner;
            if (id[i] < 0 || id[i] >= end)
                return node_error(n, DIAG_ONNX_ATTR, "%s[%d] is %lld, there are %lld", ids[k], i,
                                  (long long)id[i], (long long)end);
            f->child[k][i] = leaf[i] ? inner + id[i] : id[i];
        }
    }
    for (int i = inner; i < f->num; i++) {
        f->mode[i] = TREE_LEAF;
        f->child[0][i] = f->child[1][i] = i;
    }
    return true;
}

static bool read_inner(struct import_node *n, struct forest *f, int inner)
{
    int num;
    const struct tensor *modes = node_tensor(n, "nodes_modes");
    if (!modes)
        return false;
    const double *split = tensor_values(n, "nodes_splits", &num);
    if (!same_length(n, "nodes_splits", num, inner) ||
        !same_length(n, "nodes_modes", (int)tensor_elems(modes), inner))
        return false;
    const int64_t *feature = node_ints(n, "nodes_featureids", &num);
    int num_missing;
    const int64_t *missing = node_ints(n, "nodes_missing_value_tracks_true", &num_missing);
    if (missing && !same_length(n, "nodes_missing_value_tracks_true", num_missing, inner))
        return false;
    for (int i = 0; i < inner; i++) {
        f->mode[i] = tensor_get_int(modes, i);
        f->split[i] = split[i];
        f->feature[i] = feature[i];
        f->missing[i] = missing ? missing[i] != 0 : 0;
        if (f->mode[i] < 0 || f->mode[i] > TREE_MEMBER)
            return node_error(n, DIAG_ONNX_ATTR, "nodes_modes[%d] is %lld, 0 to 6 exist", i,
                              (long long)f->mode[i]);
    }
    return read_children(n, f, inner) && read_members(n, f, inner);
}

static bool read_roots(struct import_node *n, struct forest *f, int inner)
{
    const int64_t *roots = node_ints(n, "tree_roots", &f->trees);
    f->root = ARENA_ARRAY(n->arena, (size_t)f->trees + 1, int64_t);
    for (int i = 0; i < f->trees; i++) {
        int64_t r = roots[i];
        if (r < 0 || r >= inner)
            return node_error(n, DIAG_ONNX_ATTR, "tree_roots[%d] is %lld, there are %d nodes", i,
                              (long long)r, inner);
        // A tree of one leaf is a node both of whose children it is.
        f->root[i] =
            f->child[0][r] == f->child[1][r] && f->child[0][r] >= inner ? f->child[0][r] : r;
    }
    return f->trees > 0 || node_error(n, DIAG_ONNX_ATTR, "tree_roots is empty");
}

bool import_TreeEnsemble(struct import_node *n)
{
    static const char *const transforms[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO",
                                             "PROBIT"};
    struct forest f = {.aggregate = TREE_SUM};
    int inner, num_leaves, num_weights;
    node_ints(n, "nodes_featureids", &inner);
    const int64_t *target = node_ints(n, "leaf_targetids", &num_leaves);
    const double *weight = tensor_values(n, "leaf_weights", &num_weights);
    int64_t how = node_int(n, "aggregate_function", TREE_SUM),
            transform = node_int(n, "post_transform", 0), targets = 0;
    for (int i = 0; i < num_leaves; i++)
        targets = target[i] >= targets ? target[i] + 1 : targets;
    targets = node_int(n, "n_targets", targets);
    if (how < TREE_AVERAGE || how > TREE_MAX || transform < 0 || transform > 4)
        return node_error(
            n, DIAG_ONNX_ATTR,
            "aggregate_function is %lld and post_transform %lld; 0 to 3 and 0 to 4 exist",
            (long long)how, (long long)transform);
    f.aggregate = (enum tree_aggregate)how;
    if (!same_length(n, "leaf_weights", num_weights, num_leaves) ||
        !forest_alloc(n, &f, inner + num_leaves, targets) || !read_inner(n, &f, inner) ||
        !read_roots(n, &f, inner))
        return false;
    for (int i = 0; i < num_leaves; i++) {
        if (target[i] < 0 || target[i] >= targets)
            return node_error(n, DIAG_ONNX_ATTR, "leaf_targetids[%d] is %lld, n_targets %lld", i,
                              (long long)target[i], (long long)targets);
        forest_vote(&f, inner + i, target[i], weight[i]);
    }
    return node_bind(
        n, 0, ml_post_transform(n, evaluate(n, &f, n->in[0]->type.dtype), transforms[transform]));
}

// ---- The older operators: nodes by numbers of their tree and place in it

// A list in its float attribute or in the tensor of the same name.
static const double *float_list(struct import_node *n, const char *name, int *num)
{
    const char *tensor = arena_printf(n->arena, "%s_as_tensor", name);
    return node_has_attr(n, tensor) ? tensor_values(n, tensor, num) : node_floats(n, name, num);
}

struct numbered { // attributes of TreeEnsembleRegressor and TreeEnsembleClassifier
    const int64_t *tree, *node;
    int num;
};

// Models list nodes tree by tree, so that the search begins near its end.
static int64_t find_node(const struct numbered *ids, int64_t tree, int64_t node, int64_t near)
{
    for (int64_t i = 0; i < ids->num; i++) {
        int64_t at = (near + i) % ids->num;
        if (ids->tree[at] == tree && ids->node[at] == node)
            return at;
    }
    return -1;
}

static int mode_by_name(const char *s)
{
    static const char *const names[] = {"BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE",    "BRANCH_GT",
                                        "BRANCH_EQ",  "BRANCH_NEQ", "BRANCH_MEMBER", "LEAF"};
    for (int i = 0; i <= TREE_LEAF; i++)
        if (i != TREE_MEMBER && strcmp(names[i], s) == 0)
            return i;
    return -1;
}

static bool read_numbered_nodes(struct import_node *n, struct forest *f, const struct numbered *ids)
{
    int num[6];
    const int64_t *feature = node_ints(n, "nodes_featureids", &num[0]),
                  *yes = node_ints(n, "nodes_truenodeids", &num[1]),
                  *no = node_ints(n, "nodes_falsenodeids", &num[2]),
                  *missing = node_ints(n, "nodes_missing_value_tracks_true", &num[3]);
    const double *split = float_list(n, "nodes_values", &num[4]);
    const char *const *mode = node_strs(n, "nodes_modes", &num[5]);
    if (!missing || num[3] == 0)
        num[3] = f->num;
    for (int i = 0; i < 6; i++)
        if (num[i] != f->num)
            return node_error(n, DIAG_ONNX_ATTR, "the attributes nodes_* have %d and %d entries",
                              f->num, num[i]);
    for (int i = 0; i < f->num; i++) {
        int m = mode_by_name(mode[i]);
        if (m < 0)
            return node_error(n, DIAG_ONNX_ATTR, "nodes_modes[%d] is '%s'", i, mode[i]);
        f->mode[i] = m;
        f->feature[i] = feature[i];
        f->split[i] = split[i];
        f->missing[i] = missing ? missing[i] != 0 : 0;
        f->child[1][i] = m == TREE_LEAF ? i : find_node(ids, ids->tree[i], yes[i], i);
        f->child[0][i] = m == TREE_LEAF ? i : find_node(ids, ids->tree[i], no[i], i);
        if (f->child[0][i] < 0 || f->child[1][i] < 0)
            return node_error(
                n, DIAG_ONNX_ATTR,
                "node %lld of tree %lld has children %lld and %lld, one of which does not exist",
                (long long)ids->node[i], (long long)ids->tree[i], (long long)yes[i],
                (long long)no[i]);
    }
    return true;
}

// The first node of each tree is its root.
static void find_roots(struct import_node *n, struct forest *f, const struct numbered *ids)
{
    f->root = ARENA_ARRAY(n->arena, (size_t)f->num, int64_t);
    f->trees = 0;
    for (int i = 0; i < f->num; i++) {
        bool seen = i > 0 && ids->tree[i - 1] == ids->tree[i];
        for (int k = 0; !seen && k < f->trees; k++)
            seen = ids->tree[f->root[k]] == ids->tree[i];
        if (!seen)
            f->root[f->trees++] = i;
    }
}

static bool read_votes(struct import_node *n, struct forest *f, const struct numbered *ids,
                       const char *kind)
{
    int num[4];
    const int64_t *target = node_ints(n, arena_printf(n->arena, "%s_ids", kind), &num[0]),
                  *tree = node_ints(n, arena_printf(n->arena, "%s_treeids", kind), &num[1]),
                  *node = node_ints(n, arena_printf(n->arena, "%s_nodeids", kind), &num[2]);
    const double *weight = float_list(n, arena_printf(n->arena, "%s_weights", kind), &num[3]);
    if (num[0] != num[1] || num[0] != num[2] || num[0] != num[3])
        return node_error(n, DIAG_ONNX_ATTR, "the attributes %s_* have %d, %d, %d and %d entries",
                          kind, num[0], num[1], num[2], num[3]);
    for (int64_t i = 0, at = 0; i < num[0]; i++) {
        at = find_node(ids, tree[i], node[i], at);
        if (at < 0 || target[i] < 0 || target[i] >= f->targets)
            return node_error(n, DIAG_ONNX_ATTR,
                              "%s_* %lld is for node %lld of tree %lld and number %lld of %d", kind,
                              (long long)i, (long long)node[i], (long long)tree[i],
                              (long long)target[i], f->targets);
        forest_vote(f, at, target[i], weight[i]);
    }
    return true;
}

static bool read_numbered(struct import_node *n, struct forest *f, const char *kind,
                          int64_t targets)
{
    struct numbered ids;
    int num;
    ids.tree = node_ints(n, "nodes_treeids", &ids.num);
    ids.node = node_ints(n, "nodes_nodeids", &num);
    f->missing_only = true;
    if (!same_length(n, "nodes_nodeids", num, ids.num) || !forest_alloc(n, f, num, targets) ||
        !read_numbered_nodes(n, f, &ids))
        return false;
    find_roots(n, f, &ids);
    return read_votes(n, f, &ids, kind);
}

static struct ir_value *with_base(struct import_node *n, struct ir_value *scores)
{
    int num;
    const double *base = float_list(n, "base_values", &num);
    if (!scores || num == 0)
        return scores;
    if (num != 1 && num != scores->type.dim[1]) {
        node_error(n, DIAG_ONNX_ATTR, "base_values has %d entries for %lld scores", num,
                   (long long)scores->type.dim[1]);
        return NULL;
    }
    return irb_binary(&n->b, BFN_add, scores,
                      ml_floats(n, base, (const int64_t[]){num}, 1, scores->type.dtype));
}

static enum dtype tree_type(const struct import_node *n)
{
    return n->in[0]->type.dtype == DT_F64 ? DT_F64 : DT_F32;
}

bool import_TreeEnsembleRegressor(struct import_node *n)
{
    static const char *const names[] = {"AVERAGE", "SUM", "MIN", "MAX"};
    const char *how = node_str(n, "aggregate_function", "SUM");
    struct forest f = {.trees = 0};
    int k = 0;
    while (k < 4 && strcmp(names[k], how) != 0)
        k++;
    if (k == 4)
        return node_error(n, DIAG_ONNX_ATTR,
                          "aggregate_function is '%s'; AVERAGE, SUM, MIN and MAX exist", how);
    f.aggregate = (enum tree_aggregate)k;
    if (!read_numbered(n, &f, "target", node_int(n, "n_targets", 1)))
        return false;
    struct ir_value *y = with_base(n, evaluate(n, &f, tree_type(n)));
    return node_bind(
        n, 0,
        node_convert(n, ml_post_transform(n, y, node_str(n, "post_transform", "NONE")), DT_F32));
}

// With votes for one class only, their sum is the score of the second of two and the first one's is
// made from it.
static struct ir_value *both_classes(struct import_node *n, struct ir_value *scores, int64_t column,
                                     bool complement)
{
    struct ir_builder *b = &n->b;
    if (!scores)
        return NULL;
    int64_t rows = scores->type.dim[0];
    struct ir_value *one = irb_slice(b, scores, (const int64_t[]){0, column},
                                     (const int64_t[]){rows, 1}, (const int64_t[]){1, 1});
    struct ir_value *other =
        complement ? node_scalar_with(n, BFN_sub, 1, one) : irb_unary(b, UFN_neg, one);
    return irb_concat(b, (struct ir_value *[]){other, one}, 2, 1);
}

bool import_TreeEnsembleClassifier(struct import_node *n)
{
    struct forest f = {.aggregate = TREE_SUM};
    int num_ints, num_strings, num_votes;
    const int64_t *ints = node_ints(n, "classlabels_int64s", &num_ints),
                  *ids = node_ints(n, "class_ids", &num_votes), axis = 1;
    const char *const *strings = node_strs(n, "classlabels_strings", &num_strings);
    const char *transform = node_str(n, "post_transform", "NONE"), *texts[2];
    int labels = num_ints ? num_ints : num_strings;
    bool binary = num_votes > 0;
    for (int i = 1; i < num_votes; i++)
        binary = binary && ids[i] == ids[0];
    if (labels == 0)
        return node_error(n, DIAG_ONNX_ATTR, "classlabels_int64s or classlabels_strings is needed");
    if (!read_numbered(n, &f, "class", labels))
        return false;
    struct ir_value *scores = with_base(n, evaluate(n, &f, tree_type(n)));
    if (binary && labels <= 2)
        scores = both_classes(n, scores, ids[0],
                              strcmp(transform, "NONE") == 0 || strcmp(transform, "PROBIT") == 0);
    scores = ml_post_transform(n, scores, transform);
    if (!scores)
        return false;
    struct ir_value *index = irb_reduce(&n->b, RFN_argmax, scores, &axis, 1, false);
    if (labels == 1) {
        texts[0] = "";
        texts[1] = strings ? strings[0] : "";
        index = ml_labels(n, index, (const int64_t[]){0, num_ints ? ints[0] : 1},
                          num_ints ? NULL : texts, 2);
    } else {
        index = ml_labels(n, index, ints, num_ints ? NULL : strings, labels);
    }
    return node_bind(n, 0, index) &&
           (!node_has_output(n, 1) || node_bind(n, 1, node_convert(n, scores, DT_F32)));
}

// Operators on strings: Cast from and to them, Equal, StringConcat, StringNormalizer, StringSplit,
// RegexFullMatch, TfIdfVectorizer. Each is a host call; movement of strings is movement of handles.
#include <string.h>

#include "import_extents.h"
#include "import_string.h"

static struct ir_type like(const struct ir_value *x, enum dtype t)
{
    struct ir_type y = x->type;
    y.dtype = t;
    return y;
}

static bool need_strings(struct import_node *n, int input)
{
    return n->in[input]->type.dtype == DT_STR ||
           node_error(n, DIAG_ONNX_TYPE, "input %d '%s' is %s, strings are needed", input,
                      node_input_name(n, input), node_type_text(n, input));
}

// ---- Cast

struct ir_value *string_format(struct import_node *n, struct ir_value *x)
{
    struct ir_type t = like(x, DT_STR);
    return node_host(n, "string_format", &(struct host_args){.in = &x, .num_in = 1}, &t);
}

// Integers of the widest type and floats of their own, as far as there are kernels, then narrower.
struct ir_value *string_parse(struct import_node *n, struct ir_value *x, enum dtype to)
{
    enum dtype via = to == DT_F64         ? DT_F64
                     : dtype_is_float(to) ? DT_F32
                     : to == DT_U64       ? DT_U64
                                          : DT_I64;
    struct ir_type t = like(x, via);
    const char *kernel = arena_printf(n->arena, "string_parse_%s", dtype_text(via));
    return node_host(n, kernel, &(struct host_args){.in = &x, .num_in = 1}, &t);
}

// ---- Two operands

static bool broadcast_both(struct import_node *n, struct ir_value **a, struct ir_value **b)
{
    struct ir_type t;
    if (!ir_broadcast_types(&n->in[0]->type, &n->in[1]->type, &t))
        return node_error(n, DIAG_ONNX_SHAPE, "%s and %s do not broadcast", node_type_text(n, 0),
                          node_type_text(n, 1));
    *a = irb_broadcast_to(&n->b, n->in[0], &t);
    *b = irb_broadcast_to(&n->b, n->in[1], &t);
    return *a && *b;
}

static struct ir_value *pair(struct import_node *n, const char *kernel, enum dtype result)
{
    struct ir_value *in[2];
    if (!need_strings(n, 0) || !need_strings(n, 1) || !broadcast_both(n, &in[0], &in[1]))
        return NULL;
    struct ir_type t = like(in[0], result);
    return node_host(n, kernel, &(struct host_args){.in = in, .num_in = 2}, &t);
}

struct ir_value *string_equal(struct import_node *n)
{
    return pair(n, "string_equal", DT_BOOL);
}

bool import_StringConcat(struct import_node *n)
{
    return node_bind(n, 0, pair(n, "string_concat", DT_STR));
}

// ---- Matching, splitting, normalising

// Matches no string with the pattern, which tells whether there is anything wrong with it.
static bool check_pattern(struct import_node *n, struct ir_value *pattern)
{
    struct ir_value *in[] = {node_const_strings(n, NULL, 0), pattern};
    struct ir_type none = ir_type_make(DT_BOOL, (const int64_t[]){0}, 1);
    struct ir_value *y =
        node_host(n, "string_regex", &(struct host_args){.in = in, .num_in = 2}, &none);
    bool ok = y && ir_fold_value(y, 0, n->arena, n->diag);
    if (y)
        ir_op_erase(y->def);
    return ok;
}

bool import_RegexFullMatch(struct import_node *n)
{
    if (!need_strings(n, 0))
        return false;
    if (!node_has_attr(n, "pattern"))
        return node_error(n, DIAG_ONNX_ATTR, "there is no pattern to match");
    struct ir_value *pattern = node_const_string(n, node_str(n, "pattern", ""));
    struct ir_value *in[] = {n->in[0], pattern};
    struct ir_type t = like(n->in[0], DT_BOOL);
    if (!check_pattern(n, pattern))
        return false;
    return node_bind(n, 0,
                     node_host(n, "string_regex", &(struct host_args){.in = in, .num_in = 2}, &t));
}

bool import_StringSplit(struct import_node *n)
{
    struct ir_type y = like(n->in[0], DT_STR);
    struct node_room room;
    if (!need_strings(n, 0))
        return false;
    if (y.rank == IR_MAX_RANK)
        return node_error(n, DIAG_LIMIT, "the result has more than %d dimensions", IR_MAX_RANK);
    y.dim[y.rank++] = ir_type_elems(&n->in[0]->type) == 0 ? 0 : -1; // no string, no part
    struct ir_value *in[] = {n->in[0], node_const_string(n, node_str(n, "delimiter", ""))};
    int64_t most = node_int(n, "maxsplit", -1);
    if (!node_make_room(n, 0, &y, most >= 0 && most < INT32_MAX ? most + 1 : -1, &room))
        return false;
    struct ir_type t[3] = {room.type, like(n->in[0], DT_I64),
                           ir_type_make(DT_I64, (const int64_t[]){1}, 1)};
    struct ir_op *op = node_host_op(
        n, "string_split", &(struct host_args){.in = in, .num_in = 2, .ints = &most, .num_ints = 1},
        t, 3);
    return op &&
           node_bind(n, 0,
                     node_in_room(n, &room, op->out[0], op->out[2], "the parts of a string")) &&
           node_bind(n, 1, op->out[1]);
}

static bool case_change(struct import_node *n, int64_t *out)
{
    static const char *const names[] = {"NONE", "LOWER", "UPPER"};
    const char *name = node_str(n, "case_change_action", "NONE");
    for (*out = 0; *out < 3; ++*out)
        if (strcmp(name, names[*out]) == 0)
            return true;
    return node_error(n, DIAG_ONNX_ATTR, "case_change_action '%s'; NONE, LOWER and UPPER are known",
                      name);
}

bool import_StringNormalizer(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    int64_t ints[2] = {0, node_int(n, "is_case_sensitive", 0)};
    if (!need_strings(n, 0) || !case_change(n, &ints[0]))
        return false;
    if (x->rank != 1 && (x->rank != 2 || x->dim[0] != 1))
        return node_error(n, DIAG_ONNX_SHAPE, "input 0 is %s; [C] or [1, C] is needed",
                          node_type_text(n, 0));
    int num_stop;
    const char *const *stop = node_strs(n, "stopwords", &num_stop);
    struct ir_type y = like(n->in[0], DT_STR);
    int64_t *kept = &y.dim[x->rank - 1], all = *kept;
    struct node_room room;
    *kept = num_stop == 0 && all > 0 ? all : -1; // without stop words all stay
    if (!node_make_room(n, 0, &y, all > 0 ? all : 1, &room))
        return false;
    struct ir_type t[2] = {room.type, ir_type_make(DT_I64, (const int64_t[]){1}, 1)};
    struct ir_value *in[] = {n->in[0], node_const_strings(n, stop, num_stop),
                             node_const_string(n, node_str(n, "locale", "en_US"))};
    struct ir_op *op =
        node_host_op(n, "string_normalize",
                     &(struct host_args){.in = in, .num_in = 3, .ints = ints, .num_ints = 2}, t, 2);
    return op &&
           node_bind(n, 0, node_in_room(n, &room, op->out[0], op->out[1], "the strings that stay"));
}

// ---- n-grams

static bool grams_mode(struct import_node *n, int64_t *out)
{
    static const char *const names[] = {"TF", "IDF", "TFIDF"};
    const char *name = node_str(n, "mode", "");
    for (*out = 0; *out < 3; ++*out)
        if (strcmp(name, names[*out]) == 0)
            return true;
    return node_error(n, DIAG_ONNX_ATTR, "mode '%s'; TF, IDF and TFIDF are known", name);
}

bool import_TfIdfVectorizer(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    bool text = x->dtype == DT_STR;
    int num_pool, num_starts, num_indexes, num_weights;
    const char *const *words = node_strs(n, "pool_strings", &num_pool);
    const int64_t *numbers = text ? NULL : node_ints(n, "pool_int64s", &num_pool);
    const int64_t *starts = node_ints(n, "ngram_counts", &num_starts);
    const int64_t *indexes = node_ints(n, "ngram_indexes", &num_indexes);
    const double *weights = node_floats(n, "weights", &num_weights);
    int64_t lengths[3] = {node_int(n, "min_gram_length", 1), node_int(n, "max_gram_length", 1),
                          node_int(n, "max_skip_count", 0)};
    int64_t ints[2] = {0, 0};
    if (!grams_mode(n, &ints[0]))
        return false;
    if (x->rank < 1 || x->rank > 2)
        return node_error(n, DIAG_ONNX_SHAPE, "input 0 is %s; [C] or [N, C] is needed",
                          node_type_text(n, 0));
    if (text ? !words : !numbers)
        return node_error(n, DIAG_ONNX_ATTR, "the input is %s, and the attribute %s is missing",
                          node_type_text(n, 0), text ? "pool_strings" : "pool_int64s");
    for (int i = 0; i < num_indexes; i++)
        ints[1] = indexes[i] >= ints[1] && indexes[i] < INT32_MAX ? indexes[i] + 1 : ints[1];
    struct ir_type t = ir_type_make(
        DT_F32, (const int64_t[]){x->rank == 2 ? x->dim[0] : ints[1], ints[1]}, x->rank);
    struct ir_value *pool =
        text ? node_const_strings(n, words, num_pool) : irb_const_i64s(&n->b, numbers, num_pool);
    struct ir_value *in[] = {text ? n->in[0] : node_const_like_i64(n, n->in[0]),
                             pool,
                             irb_const_i64s(&n->b, starts, num_starts),
                             irb_const_i64s(&n->b, indexes, num_indexes),
                             irb_const_i64s(&n->b, lengths, 3),
                             node_const_doubles(n, weights, num_weights)};
    return node_bind(
        n, 0,
        node_host(n, text ? "tfidf_strings" : "tfidf",
                  &(struct host_args){.in = in, .num_in = 6, .ints = ints, .num_ints = 2}, &t));
}

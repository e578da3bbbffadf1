// ai.onnx.ml: operators on features and tables, and what the classifiers share.
#include "import_ml.h"

#include <math.h>
#include <string.h>

#include "import_host.h"

// ---- Shared

struct ir_value *ml_floats(struct import_node *n, const double *v, const int64_t *dim, int rank,
                           enum dtype t)
{
    struct tensor *x = tensor_create(n->arena, DT_F64, dim, rank);
    memcpy(x->data, v, (size_t)tensor_elems(x) * sizeof(*v));
    return node_convert(n, irb_const(&n->b, x, NULL), t);
}

struct ir_value *ml_ints(struct import_node *n, const int64_t *v, int num)
{
    return irb_const_i64s(&n->b, v, num);
}

struct ir_value *ml_features(struct import_node *n, enum dtype t)
{
    if (!node_check_rank(n, 0, 1, 2))
        return NULL;
    struct ir_value *x = node_convert(n, n->in[0], t);
    return !x || x->type.rank == 2 ? x
                                   : irb_reshape(&n->b, x, (const int64_t[]){1, x->type.dim[0]}, 2);
}

static const int64_t last_axis[] = {1};

static struct ir_value *over_row_sum(struct import_node *n, struct ir_value *e)
{
    return irb_binary(&n->b, BFN_div, e, irb_reduce(&n->b, RFN_sum, e, last_axis, 1, true));
}

static struct ir_value *row_max(struct import_node *n, struct ir_value *x)
{
    return irb_reduce(&n->b, RFN_max, x, last_axis, 1, true);
}

// Softmax in which scores of 0 count for less: v * e^-max in place of e^(v - max).
static struct ir_value *softmax_zero(struct import_node *n, struct ir_value *x)
{
    struct ir_builder *b = &n->b;
    struct ir_value *max = row_max(n, x);
    struct ir_value *full = irb_unary(b, UFN_exp, irb_binary(b, BFN_sub, x, max));
    struct ir_value *small =
        irb_binary(b, BFN_mul, x, irb_unary(b, UFN_exp, irb_unary(b, UFN_neg, max)));
    struct ir_value *is_zero =
        irb_unary(b, UFN_not, node_scalar_with(n, BFN_lt, 1e-7, irb_unary(b, UFN_abs, x)));
    struct ir_value *e = irb_select(b, is_zero, small, full);
    struct ir_value *none =
        node_with_scalar(n, BFN_eq, irb_reduce(b, RFN_sum, e, last_axis, 1, true), 0);
    return irb_select(b, none, irb_const_like(b, x->type.dtype, 0.5), over_row_sum(n, e));
}

// sqrt(2) * inverse error function of 2 x - 1, by Winitzki's approximation as ONNX has it.
static struct ir_value *probit(struct import_node *n, struct ir_value *x)
{
    struct ir_builder *b = &n->b;
    const double a = 0.147;
    struct ir_value *u = node_with_scalar(n, BFN_sub, node_with_scalar(n, BFN_mul, x, 2), 1);
    struct ir_value *rest = irb_binary(b, BFN_mul, node_scalar_with(n, BFN_sub, 1, u),
                                       node_with_scalar(n, BFN_add, u, 1));
    struct ir_value *log = irb_unary(b, UFN_log, rest);
    struct ir_value *v = node_with_scalar(n, BFN_add, node_with_scalar(n, BFN_mul, log, 0.5),
                                          2 / (3.14159265358979323846 * a));
    struct ir_value *root = irb_unary(b, UFN_sqrt,
                                      irb_binary(b, BFN_sub, irb_binary(b, BFN_mul, v, v),
                                                 node_with_scalar(n, BFN_mul, log, 1 / a)));
    struct ir_value *y = irb_unary(b, UFN_sqrt, irb_binary(b, BFN_sub, root, v));
    struct ir_value *negative = node_with_scalar(n, BFN_lt, u, 0);
    y = node_with_scalar(n, BFN_mul, irb_select(b, negative, irb_unary(b, UFN_neg, y), y),
                         1.41421356);
    struct ir_value *ends = node_with_scalar(n, BFN_eq, rest, 0);
    return irb_select(b, ends, irb_const_like(b, x->type.dtype, 0), y);
}

struct ir_value *ml_post_transform(struct import_node *n, struct ir_value *scores, const char *name)
{
    if (!scores || strcmp(name, "NONE") == 0)
        return scores;
    if (strcmp(name, "LOGISTIC") == 0)
        return irb_unary(&n->b, UFN_sigmoid, scores);
    if (strcmp(name, "SOFTMAX") == 0)
        return over_row_sum(
            n, irb_unary(&n->b, UFN_exp, irb_binary(&n->b, BFN_sub, scores, row_max(n, scores))));
    if (strcmp(name, "SOFTMAX_ZERO") == 0)
        return softmax_zero(n, scores);
    if (strcmp(name, "PROBIT") == 0)
        return probit(n, scores);
    node_error(n, DIAG_ONNX_ATTR,
               "post_transform is '%s'; NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO and PROBIT exist",
               name);
    return NULL;
}

struct ir_value *ml_labels(struct import_node *n, struct ir_value *index, const int64_t *ints,
                           const char *const *strings, int num)
{
    if (!strings)
        return irb_gather(&n->b, ml_ints(n, ints, num), index, 0);
    struct tensor *t = tensor_create(n->arena, DT_STR, (const int64_t[]){num}, 1);
    for (int i = 0; i < num; i++)
        ((const char **)t->data)[i] = strings[i];
    return irb_gather(&n->b, irb_const(&n->b, t, NULL), index, 0);
}

// ---- Elements and columns

bool import_ArrayFeatureExtractor(struct import_node *n)
{
    struct ir_value *x = n->in[0], *idx = n->in[1];
    if (!node_check_rank(n, 0, 1, IR_MAX_RANK))
        return false;
    int64_t count = ir_type_elems(&idx->type);
    struct ir_value *y = irb_gather(&n->b, x, irb_reshape(&n->b, idx, &count, 1), x->type.rank - 1);
    // Of a vector one row.
    return node_bind(
        n, 0, x->type.rank > 1 || !y ? y : irb_reshape(&n->b, y, (const int64_t[]){1, count}, 2));
}

bool import_Binarizer(struct import_node *n)
{
    enum dtype t = n->in[0]->type.dtype;
    // A threshold between integers must not be rounded to one.
    struct ir_value *x = node_convert(n, n->in[0], dtype_is_float(t) ? t : DT_F64);
    return node_bind(
        n, 0, node_convert(n, node_scalar_with(n, BFN_lt, node_float(n, "threshold", 0), x), t));
}

bool import_FeatureVectorizer(struct import_node *n)
{
    int num;
    const int64_t *widths = node_ints(n, "inputdimensions", &num), none[IR_MAX_RANK] = {0},
                  steps[] = {1, 1};
    struct ir_value **part = ARENA_ARRAY(n->arena, (size_t)n->num_in, struct ir_value *);
    if (widths && num != n->num_in)
        return node_error(n, DIAG_ONNX_ATTR, "inputdimensions has %d entries for %d inputs", num,
                          n->num_in);
    for (int i = 0; i < n->num_in; i++) {
        if (!n->in[i] || !node_check_rank(n, i, 1, 2))
            return n->in[i] ? false : node_error(n, DIAG_ONNX_ARITY, "input %d is empty", i);
        struct ir_value *x = node_convert(n, n->in[i], DT_F32);
        if (x && x->type.rank == 1)
            x = irb_reshape(&n->b, x, (const int64_t[]){1, x->type.dim[0]}, 2);
        int64_t have = x ? x->type.dim[1] : 0, want = widths ? widths[i] : have;
        if (want < 0 || want > INT32_MAX)
            return node_error(n, DIAG_ONNX_ATTR, "inputdimensions[%d] is %lld", i, (long long)want);
        if (x && want < have)
            x = irb_slice(&n->b, x, none, (const int64_t[]){x->type.dim[0], want}, steps);
        else if (want > have)
            x = irb_pad(&n->b, x, none, (const int64_t[]){0, want - have}, 0);
        part[i] = x;
    }
    return node_bind(n, 0, irb_concat(&n->b, part, n->num_in, 1));
}

bool import_Imputer(struct import_node *n)
{
    struct ir_value *x = n->in[0], *by, *hit;
    enum dtype t = x->type.dtype;
    bool floats = dtype_is_float(t);
    int num;
    const double *f = node_floats(n, "imputed_value_floats", &num);
    int64_t features = x->type.rank > 0 ? x->type.dim[x->type.rank - 1] : 1;
    if (floats) {
        double old = node_float(n, "replaced_value_float", 0);
        by = ml_floats(n, f, (const int64_t[]){num}, 1, t);
        hit = isnan(old) ? irb_unary(&n->b, UFN_isnan, x) : node_with_scalar(n, BFN_eq, x, old);
    } else {
        const int64_t *v = node_ints(n, "imputed_value_int64s", &num),
                      old = node_int(n, "replaced_value_int64", 0);
        by = node_convert(n, ml_ints(n, v, num), t);
        hit = irb_binary(&n->b, BFN_eq, node_convert(n, x, DT_I64), ml_ints(n, &old, 1));
    }
    if (num != 1 && num != features)
        return node_error(
            n, DIAG_ONNX_ATTR, "%s has %d entries; 1, or one for each of %lld features, is needed",
            floats ? "imputed_value_floats" : "imputed_value_int64s", num, (long long)features);
    struct ir_value *y = irb_select(&n->b, hit, by, x);
    return node_bind(n, 0, y && x->type.rank == 0 ? irb_reshape(&n->b, y, NULL, 0) : y);
}

bool import_Normalizer(struct import_node *n)
{
    const char *norm = node_str(n, "norm", "MAX");
    struct ir_builder *b = &n->b;
    if (!node_check_rank(n, 0, 1, 2))
        return false;
    enum dtype t = n->in[0]->type.dtype == DT_F32 ? DT_F32 : DT_F64;
    struct ir_value *x = node_convert(n, n->in[0], t), *size;
    const int64_t axis = n->in[0]->type.rank - 1;
    // Scaled by the largest first, so that squares do not overflow.
    struct ir_value *zero = irb_const_like(b, t, 0),
                    *max = irb_reduce(b, RFN_max, irb_unary(b, UFN_abs, x), &axis, 1, true);
    struct ir_value *one = irb_const_like(b, t, 1), *none = irb_binary(b, BFN_eq, max, zero);
    x = irb_binary(b, BFN_div, x, irb_select(b, none, one, max));
    if (strcmp(norm, "MAX") == 0)
        return node_bind(n, 0, node_convert(n, x, DT_F32));
    if (strcmp(norm, "L1") == 0)
        size = irb_reduce(b, RFN_sum, irb_unary(b, UFN_abs, x), &axis, 1, true);
    else if (strcmp(norm, "L2") == 0)
        size = irb_unary(b, UFN_sqrt,
                         irb_reduce(b, RFN_sum, irb_binary(b, BFN_mul, x, x), &axis, 1, true));
    else
        return node_error(n, DIAG_ONNX_ATTR, "norm is '%s'; MAX, L1 and L2 exist", norm);
    return node_bind(
        n, 0, node_convert(n, irb_binary(b, BFN_div, x, irb_select(b, none, one, size)), DT_F32));
}

bool import_Scaler(struct import_node *n)
{
    enum dtype t = n->in[0]->type.dtype == DT_F32 ? DT_F32 : DT_F64;
    const struct ir_type *type = &n->in[0]->type;
    int64_t features = type->rank > 0 ? type->dim[type->rank - 1] : 1;
    struct ir_value *x = node_convert(n, n->in[0], t);
    for (int i = 0; i < 2; i++) {
        const char *name = i == 0 ? "offset" : "scale";
        int num;
        const double *v = node_floats(n, name, &num);
        if (num == 0)
            continue;
        if (num != 1 && num != features)
            return node_error(n, DIAG_ONNX_ATTR,
                              "%s has %d entries; 1, or one for each of %lld features, is needed",
                              name, num, (long long)features);
        x = irb_binary(
            &n->b, i == 0 ? BFN_sub : BFN_mul, x,
            ml_floats(n, v, (const int64_t[]){num}, num > 1 || type->rank > 0 ? 1 : 0, t));
    }
    return node_bind(n, 0, node_convert(n, x, DT_F32));
}

// ---- Tables

static struct ir_value *match_strings(struct import_node *n, struct ir_value *x,
                                      struct ir_value *keys)
{
    struct ir_type t =
        ir_type_make(DT_BOOL, (const int64_t[]){x->type.dim[0], ir_type_elems(&keys->type)}, 2);
    struct ir_value *in[] = {irb_broadcast(&n->b, x, t.dim, 2),
                             irb_broadcast(&n->b, keys, t.dim, 2)};
    return node_host(n, "string_equal", &(struct host_args){.in = in, .num_in = 2}, &t);
}

// x (any shape) against each of the keys: [elements, keys].
static struct ir_value *matches(struct import_node *n, struct ir_value *x, struct ir_value *keys)
{
    struct ir_builder *b = &n->b;
    if (!x || !keys)
        return NULL;
    x = irb_reshape(b, x, (const int64_t[]){ir_type_elems(&x->type), 1}, 2);
    if (x && x->type.dtype == DT_STR)
        return match_strings(n, x, keys);
    struct ir_value *same = irb_binary(b, BFN_eq, x, keys);
    if (!x || !dtype_is_float(x->type.dtype))
        return same;
    return irb_binary(
        b, BFN_or, same,
        irb_binary(b, BFN_and, irb_unary(b, UFN_isnan, x), irb_unary(b, UFN_isnan, keys)));
}

bool import_OneHotEncoder(struct import_node *n)
{
    int num, dims = n->in[0]->type.rank;
    bool text = n->in[0]->type.dtype == DT_STR;
    const char *const *words = text ? node_strs(n, "cats_strings", &num) : NULL;
    const int64_t *cats = text ? NULL : node_ints(n, "cats_int64s", &num);
    if (num == 0)
        return node_error(n, DIAG_ONNX_ATTR, "the input is %s, and %s is missing or empty",
                          node_type_text(n, 0), text ? "cats_strings" : "cats_int64s");
    if (!node_check_rank(n, 0, 0, IR_MAX_RANK - 1))
        return false;
    struct ir_type t = n->in[0]->type;
    t.dim[dims] = num;
    struct ir_value *hit =
        text ? matches(n, n->in[0], node_const_strings(n, words, num))
             : matches(n, node_convert(n, n->in[0], DT_I64), ml_ints(n, cats, num));
    return node_bind(n, 0, irb_reshape(&n->b, node_convert(n, hit, DT_F32), t.dim, dims + 1));
}

// The keys or values of a table in the attribute of their kind, `prefix`_floats and so on; strings
// as constants too.
static struct ir_value *table_column(struct import_node *n, const char *prefix)
{
    int num;
    const char *name = arena_printf(n->arena, "%s_floats", prefix);
    if (node_has_attr(n, name)) {
        const double *v = node_floats(n, name, &num);
        return ml_floats(n, v, (const int64_t[]){num}, 1, DT_F32);
    }
    name = arena_printf(n->arena, "%s_int64s", prefix);
    if (node_has_attr(n, name)) {
        const int64_t *v = node_ints(n, name, &num);
        return ml_ints(n, v, num);
    }
    name = arena_printf(n->arena, "%s_strings", prefix);
    if (node_has_attr(n, name)) {
        const char *const *v = node_strs(n, name, &num);
        struct tensor *t = tensor_create(n->arena, DT_STR, (const int64_t[]){num}, 1);
        for (int i = 0; i < num; i++)
            ((const char **)t->data)[i] = v[i];
        return irb_const(&n->b, t, NULL);
    }
    name = arena_printf(n->arena, "%s_tensor", prefix);
    if (node_has_attr(n, name))
        return irb_const(&n->b, node_tensor(n, name), NULL);
    node_error(n, DIAG_ONNX_ATTR,
               "one of the attributes %s_floats, %s_int64s, %s_strings and %s_tensor is needed",
               prefix, prefix, prefix, prefix);
    return NULL;
}

// What a table gives for other keys, as a vector of one.
static struct ir_value *table_default(struct import_node *n, enum dtype t)
{
    int64_t one = 1;
    if (node_has_attr(n, "default_tensor")) {
        struct ir_value *v = irb_const(&n->b, node_tensor(n, "default_tensor"), NULL);
        if (v && (v->type.dtype != t || ir_type_elems(&v->type) != 1)) {
            node_error(n, DIAG_ONNX_TYPE,
                       "default_tensor is %s, one element of the values' type %s is needed",
                       ir_type_text(&v->type, n->arena), dtype_text(t));
            return NULL;
        }
        return v ? irb_reshape(&n->b, v, &one, 1) : NULL;
    }
    if (t == DT_STR) {
        struct tensor *x = tensor_create(n->arena, DT_STR, &one, 1);
        ((const char **)x->data)[0] = node_str(n, "default_string", "_Unused");
        return irb_const(&n->b, x, NULL);
    }
    double v = dtype_is_float(t) ? node_float(n, "default_float", -0.0) : 0;
    if (dtype_is_float(t))
        return ml_floats(n, &v, &one, 1, t);
    int64_t i = node_int(n, "default_int64", -1);
    return node_convert(n, ml_ints(n, &i, 1), t);
}

// values[k] where keys[k] equals an element of x, else other, a vector of one. Of keys that are
// repeated the last counts: the table is searched from its end, and the default stands behind it.
static struct ir_value *mapped(struct import_node *n, struct ir_value *keys,
                               struct ir_value *values, struct ir_value *other)
{
    struct ir_builder *b = &n->b;
    struct ir_value *x = n->in[0];
    if (!keys || !values || !other)
        return NULL;
    int64_t num = ir_type_elems(&keys->type), from = num - 1, back = -1, axis = 1;
    if (x->type.dtype == DT_STR) {
        struct ir_value *in[] = {x, keys, values, other};
        struct ir_type t = ir_type_make(values->type.dtype, x->type.dim, x->type.rank);
        return node_host(n, "label_encode", &(struct host_args){.in = in, .num_in = 4}, &t);
    }
    struct ir_value *hit =
        matches(n, x, irb_slice(b, irb_reshape(b, keys, &num, 1), &from, &num, &back));
    struct ir_value *place =
        irb_reduce(b, RFN_argmax, node_convert(n, hit, DT_I32), &axis, 1, false);
    struct ir_value *found = irb_reduce(b, RFN_or, hit, &axis, 1, false);
    place = irb_select(b, found, node_scalar_with(n, BFN_sub, (double)from, place),
                       irb_const_like(b, DT_I64, (double)num));
    struct ir_value *column[] = {irb_reshape(b, values, &num, 1), other};
    struct ir_value *y = irb_gather(b, irb_concat(b, column, 2, 0), place, 0);
    return y ? irb_reshape(b, y, x->type.dim, x->type.rank) : NULL;
}

bool import_LabelEncoder(struct import_node *n)
{
    struct ir_value *keys = table_column(n, "keys"), *values = table_column(n, "values");
    if (!keys || !values)
        return false;
    int64_t num = ir_type_elems(&keys->type);
    if (num < 1 || ir_type_elems(&values->type) != num)
        return node_error(n, DIAG_ONNX_ATTR, "%lld keys for %lld values", (long long)num,
                          (long long)ir_type_elems(&values->type));
    if (keys->type.dtype != n->in[0]->type.dtype)
        return node_error(n, DIAG_ONNX_TYPE, "the keys are %s, the input is %s",
                          dtype_text(keys->type.dtype), node_type_text(n, 0));
    return node_bind(n, 0, mapped(n, keys, values, table_default(n, values->type.dtype)));
}

// Strings to integers or integers to strings, by two columns.
static bool map_either_way(struct import_node *n, const char *const *words, const int64_t *numbers,
                           int num)
{
    enum dtype t = n->in[0]->type.dtype;
    if (t != DT_STR && t != DT_I64)
        return node_error(n, DIAG_ONNX_TYPE, "input 0 is %s; strings or i64 are needed",
                          node_type_text(n, 0));
    if (num < 1)
        return node_error(n, DIAG_ONNX_ATTR, "the table is empty");
    struct ir_value *text = node_const_strings(n, words, num), *number = ml_ints(n, numbers, num);
    bool to_number = t == DT_STR;
    return node_bind(n, 0,
                     mapped(n, to_number ? text : number, to_number ? number : text,
                            table_default(n, to_number ? DT_I64 : DT_STR)));
}

bool import_CategoryMapper(struct import_node *n)
{
    int num_words, num;
    const char *const *words = node_strs(n, "cats_strings", &num_words);
    const int64_t *numbers = node_ints(n, "cats_int64s", &num);
    if (num != num_words)
        return node_error(n, DIAG_ONNX_ATTR, "cats_strings has %d entries, cats_int64s %d",
                          num_words, num);
    return map_either_way(n, words, numbers, num);
}

bool import_LabelEncoderClasses(struct import_node *n)
{
    int num;
    const char *const *words = node_strs(n, "classes_strings", &num);
    int64_t *place = ARENA_ARRAY(n->arena, (size_t)num + 1, int64_t);
    for (int i = 0; i < num; i++)
        place[i] = i;
    return map_either_way(n, words, place, num);
}

// ---- Maps

const char *ml_without_map(const char *op)
{
    static const struct {
        const char *op, *instead;
    } on_maps[] = {
        {"CastMap", "it makes a tensor of a map: let the model begin behind it, with that tensor"},
        {"DictVectorizer", "it makes a tensor of a map: let the model begin behind it, with the "
                           "tensor of features in "
                           "the order of its vocabulary"},
        {"ZipMap", "it names the columns of a tensor of scores: let the model end before it, with "
                   "that tensor (skl2onnx: options={'zipmap': False})"},
    };
    for (size_t i = 0; i < sizeof(on_maps) / sizeof(*on_maps); i++)
        if (strcmp(on_maps[i].op, op) == 0)
            return on_maps[i].instead;
    return NULL;
}

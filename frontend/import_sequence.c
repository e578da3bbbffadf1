// Sequences and optionals.
//
// Every sequence is a value of the IR, a handle at run time. One whose elements are known when
// compiling is the result of sequence_extend calls on nothing, and looking at those gives the
// elements back: then SequenceAt and the like are no calls but the elements themselves, and the
// calls vanish when nothing else uses the handle. Optionals alike, with optional_make.
#include <string.h>

#include "import_extents.h"
#include "import_sequence.h"

#include "importer.h"

enum { ITEMS_PER_CALL = 24, ITEMS_MAX = 1 << 16 };

static const struct ir_type seq_type = {.known = true, .dtype = DT_SEQ};
static const struct ir_type opt_type = {.known = true, .dtype = DT_OPT};

static bool is_call(const struct ir_value *v, const char *kernel)
{
    const struct ir_attr *name =
        v->def && v->def->op == IR_OP_HOST ? ir_attr_find(v->def, IR_A_kernel_name) : NULL;
    return name && strcmp(name->s, kernel) == 0;
}

static bool need_type(struct import_node *n, int input, enum dtype t, const char *what)
{
    return n->in[input]->type.dtype == t ||
           node_error(n, DIAG_ONNX_TYPE, "input %d '%s' is %s, %s is needed", input,
                      node_input_name(n, input), node_type_text(n, input), what);
}

// ---- Types of elements

static struct ir_type elem_of(const struct import_node *n, const struct ir_value *v)
{
    return importer_elem(n->imp, v);
}

static struct ir_type join(const struct ir_type *a, const struct ir_type *b)
{
    struct ir_type t = *a;
    t.known = a->known && b->known && a->rank == b->rank && a->dtype == b->dtype;
    for (int d = 0; t.known && d < t.rank; d++)
        if (a->dim[d] != b->dim[d] || a->sym[d] || b->sym[d]) {
            t.dim[d] = -1;
            t.sym[d] = NULL;
        }
    return t;
}

static struct ir_value *with_elem(struct import_node *n, struct ir_value *v,
                                  const struct ir_type *elem)
{
    if (v)
        importer_set_elem(n->imp, v, elem);
    return v;
}

// ---- Sequences known when compiling

struct items {
    struct ir_value **v;
    int num;
};

static bool known_items(const struct import_node *n, const struct ir_value *v, struct items *out)
{
    const struct ir_value *calls = v;
    int num = 0;
    for (; calls; calls = calls->def->in[0]) {
        if (!is_call(calls, "sequence_extend"))
            return false;
        num += calls->def->num_in - 1;
    }
    out->v = ARENA_ARRAY(n->arena, (size_t)num + 1, struct ir_value *);
    out->num = num;
    for (; v; v = v->def->in[0])
        for (int i = v->def->num_in - 1; i > 0; i--)
            out->v[--num] = v->def->in[i];
    return true;
}

static bool is_known_empty(const struct ir_value *v)
{
    return is_call(v, "sequence_extend") && !v->def->in[0] && v->def->num_in == 1;
}

struct ir_type importer_join_elems(const struct importer *imp, const struct ir_value *a,
                                   const struct ir_value *b)
{
    struct ir_type x = importer_elem(imp, a), y = importer_elem(imp, b);
    return is_known_empty(a) ? y : is_known_empty(b) ? x : join(&x, &y);
}

struct ir_value *sequence_of(struct import_node *n, struct ir_value *const *item, int num)
{
    struct ir_value *seq = NULL;
    struct ir_type elem = num > 0 ? item[0]->type : (struct ir_type){0};
    for (int i = 1; i < num; i++)
        elem = join(&elem, &item[i]->type);
    for (int at = 0; at < num || !seq; at += ITEMS_PER_CALL) {
        struct ir_value *in[ITEMS_PER_CALL + 1] = {seq};
        int count = num - at < ITEMS_PER_CALL ? num - at : ITEMS_PER_CALL;
        for (int i = 0; i < count; i++)
            in[i + 1] = item[at + i];
        seq = node_host(n, "sequence_extend",
                        &(struct host_args){.in = in, .num_in = count + 1, .optional = true},
                        &seq_type);
        if (!seq)
            return NULL;
    }
    return with_elem(n, seq, &elem);
}

// A position that is a constant, from the front; *known false: only the program knows it. `ends`: 1
// when the position behind the last element counts too.
static bool position(struct import_node *n, int input, int num, int ends, bool *known, int *out)
{
    struct ir_value *v = node_in(n, input);
    const struct tensor *t = v ? ir_fold_value(v, 1, n->arena, n->diag) : NULL;
    *known = !v || t;
    if (v && (!dtype_is_int(v->type.dtype) || ir_type_elems(&v->type) != 1))
        return node_error(n, DIAG_ONNX_TYPE, "the position is %s, one integer is needed",
                          node_type_text(n, input));
    int64_t at = t ? tensor_get_int(t, 0) : num - 1 + ends;
    if (!*known)
        return true;
    if (at < -num || at >= num + ends)
        return node_error(n, DIAG_ONNX_SHAPE, "position %lld of a sequence of %d", (long long)at,
                          num);
    *out = (int)(at < 0 ? at + num : at);
    return true;
}

static struct ir_value *position_value(struct import_node *n, int input)
{
    struct ir_value *v = node_in(n, input);
    return v ? irb_reshape(&n->b, node_const_like_i64(n, v), NULL, 0) : NULL;
}

// ---- Making sequences

bool import_SequenceEmpty(struct import_node *n)
{
    enum dtype t = DT_F32;
    if (node_has_attr(n, "dtype") && !dtype_by_onnx(node_int(n, "dtype", 1), &t))
        return node_error(n, DIAG_ONNX_ATTR, "%lld is no element type",
                          (long long)node_int(n, "dtype", 1));
    return node_bind(n, 0, sequence_of(n, NULL, 0));
}

bool import_SequenceConstruct(struct import_node *n)
{
    for (int i = 1; i < n->num_in; i++)
        if (n->in[i]->type.dtype != n->in[0]->type.dtype)
            return node_error(n, DIAG_ONNX_TYPE, "input %d is %s, and input 0 %s", i,
                              node_type_text(n, i), node_type_text(n, 0));
    return node_bind(n, 0, sequence_of(n, n->in, n->num_in));
}

bool import_SequenceInsert(struct import_node *n)
{
    struct items s = {0};
    bool known = false;
    int at = 0;
    if (!need_type(n, 0, DT_SEQ, "a sequence"))
        return false;
    bool is_static = known_items(n, n->in[0], &s);
    if (is_static && !position(n, 2, s.num, 1, &known, &at))
        return false;
    if (is_static && known) {
        struct ir_value **v = ARENA_ARRAY(n->arena, (size_t)s.num + 1, struct ir_value *);
        for (int i = 0; i <= s.num; i++)
            v[i] = i < at ? s.v[i] : i == at ? n->in[1] : s.v[i - 1];
        return node_bind(n, 0, sequence_of(n, v, s.num + 1));
    }
    struct ir_type elem = elem_of(n, n->in[0]);
    elem = is_static && s.num == 0 ? n->in[1]->type : join(&elem, &n->in[1]->type);
    struct ir_value *in[] = {n->in[0], n->in[1], position_value(n, 2)};
    if (node_in(n, 2) && !in[2])
        return false;
    struct ir_value *v =
        node_host(n, "sequence_insert",
                  &(struct host_args){.in = in, .num_in = 3, .optional = true}, &seq_type);
    return node_bind(n, 0, with_elem(n, v, &elem));
}

bool import_SequenceErase(struct import_node *n)
{
    struct items s = {0};
    bool known = false;
    int at = 0;
    if (!need_type(n, 0, DT_SEQ, "a sequence"))
        return false;
    bool is_static = known_items(n, n->in[0], &s);
    if (is_static && !position(n, 1, s.num, 0, &known, &at))
        return false;
    if (is_static && known) {
        for (int i = at; i + 1 < s.num; i++)
            s.v[i] = s.v[i + 1];
        return node_bind(n, 0, sequence_of(n, s.v, s.num - 1));
    }
    struct ir_type elem = elem_of(n, n->in[0]);
    struct ir_value *in[] = {n->in[0], position_value(n, 1)};
    if (node_in(n, 1) && !in[1])
        return false;
    struct ir_value *v =
        node_host(n, "sequence_erase", &(struct host_args){.in = in, .num_in = 2, .optional = true},
                  &seq_type);
    return node_bind(n, 0, with_elem(n, v, &elem));
}

// ---- Splitting

// Lengths of the parts; false: an error was reported. *known false: they are data.
static bool part_lengths(struct import_node *n, int64_t extent, bool *known, int64_t **lengths,
                         int *num)
{
    const struct ir_value *split = node_in(n, 1);
    const struct tensor *t = split ? ir_fold_value(n->in[1], ITEMS_MAX, n->arena, n->diag) : NULL;
    *known = !split || t;
    if (split && (!dtype_is_int(split->type.dtype) || split->type.rank > 1))
        return node_error(n, DIAG_ONNX_TYPE, "split is %s, integers are needed",
                          node_type_text(n, 1));
    if (!*known)
        return true;
    bool by_length = !split || split->type.rank == 0;
    int64_t chunk = !split ? 1 : by_length ? tensor_get_int(t, 0) : 0, sum = 0;
    if ((by_length && chunk < 1) || extent > ITEMS_MAX)
        return node_error(n, DIAG_ONNX_SHAPE, "parts of %lld out of %lld", (long long)chunk,
                          (long long)extent);
    *num = (int)(by_length ? (extent + chunk - 1) / chunk : split->type.dim[0]);
    *lengths = ARENA_ARRAY(n->arena, (size_t)*num + 1, int64_t);
    for (int i = 0; i < *num; i++) {
        int64_t left = extent - sum;
        (*lengths)[i] = !by_length ? tensor_get_int(t, i) : left < chunk ? left : chunk;
        if ((*lengths)[i] < 0 || (*lengths)[i] > left)
            return node_error(n, DIAG_ONNX_SHAPE, "the lengths in split exceed the extent %lld",
                              (long long)extent);
        sum += (*lengths)[i];
    }
    return sum == extent ||
           node_error(n, DIAG_ONNX_SHAPE, "the lengths in split sum to %lld, not %lld",
                      (long long)sum, (long long)extent);
}

static struct ir_value *part(struct import_node *n, int64_t axis, int64_t from, int64_t len,
                             bool keep)
{
    struct ir_value *x = n->in[0];
    int64_t starts[IR_MAX_RANK] = {0}, sizes[IR_MAX_RANK], steps[IR_MAX_RANK], dim[IR_MAX_RANK];
    int rank = 0;
    for (int d = 0; d < x->type.rank; d++) {
        sizes[d] = d == axis ? len : x->type.dim[d];
        steps[d] = 1;
        if (d != axis)
            dim[rank++] = x->type.dim[d];
    }
    starts[axis] = from;
    struct ir_value *y = irb_slice(&n->b, x, starts, sizes, steps);
    return keep ? y : irb_reshape(&n->b, y, dim, rank);
}

static struct ir_value *split_by_data(struct import_node *n, int64_t axis)
{
    struct ir_value *lengths = node_const_like_i64(n, n->in[1]), *in[] = {n->in[0], lengths};
    int64_t ints[3] = {n->in[1]->type.rank == 0 ? -1 : 0, axis, 1};
    struct ir_type elem = n->in[0]->type;
    elem.dim[axis] = -1;
    struct ir_value *v = node_host(
        n, "sequence_split",
        &(struct host_args){.in = in, .num_in = 2, .ints = ints, .num_ints = 3}, &seq_type);
    return with_elem(n, v, &elem);
}

// A tensor whose extent along the axis only the program knows.
static struct ir_value *split_open(struct import_node *n, int64_t axis, bool keep)
{
    struct ir_value *in[] = {n->in[0], node_in(n, 1) ? node_const_like_i64(n, n->in[1])
                                                     : irb_const_i64s(&n->b, NULL, 0)};
    int64_t ints[3] = {!node_in(n, 1) ? 1 : n->in[1]->type.rank == 0 ? -1 : 0, axis, keep};
    struct ir_type elem = n->in[0]->type;
    elem.dim[axis] = !node_in(n, 1) ? 1 : -1;
    elem.sym[axis] = NULL;
    if (!keep) {
        for (int d = (int)axis; d + 1 < elem.rank; d++) {
            elem.dim[d] = elem.dim[d + 1];
            elem.sym[d] = elem.sym[d + 1];
        }
        elem.rank--;
    }
    struct ir_value *v = node_host(
        n, "sequence_split",
        &(struct host_args){.in = in, .num_in = 2, .ints = ints, .num_ints = 3}, &seq_type);
    return with_elem(n, v, &elem);
}

bool import_SplitToSequence(struct import_node *n)
{
    int64_t axis, *lengths = NULL, at = 0;
    bool known, keep = node_in(n, 1) || node_int(n, "keepdims", 1) != 0;
    int num = 0;
    const struct ir_type *x = &n->in[0]->type;
    if (!node_axis(n, node_int(n, "axis", 0), x->rank, &axis))
        return false;
    if (x->sym[axis])
        return node_bind(n, 0, split_open(n, axis, keep));
    if (!part_lengths(n, x->dim[axis], &known, &lengths, &num))
        return false;
    if (!known)
        return node_bind(n, 0, split_by_data(n, axis));
    struct ir_value **item = ARENA_ARRAY(n->arena, (size_t)num + 1, struct ir_value *);
    for (int i = 0; i < num; at += lengths[i++])
        if (!(item[i] = part(n, axis, at, lengths[i], keep)))
            return false;
    return node_bind(n, 0, sequence_of(n, item, num));
}

// ---- Using sequences

bool import_SequenceLength(struct import_node *n)
{
    struct items s;
    if (!need_type(n, 0, DT_SEQ, "a sequence"))
        return false;
    if (known_items(n, n->in[0], &s)) {
        int64_t num = s.num;
        return node_bind(n, 0, irb_reshape(&n->b, irb_const_i64s(&n->b, &num, 1), NULL, 0));
    }
    struct ir_type t = ir_type_make(DT_I64, NULL, 0);
    return node_bind(
        n, 0, node_host(n, "sequence_length", &(struct host_args){.in = n->in, .num_in = 1}, &t));
}

// The type of an element that only the program knows: the sequence's, else the declared one.
static bool element_type(struct import_node *n, struct ir_type *t)
{
    *t = elem_of(n, n->in[0]);
    struct ir_type declared;
    if (!t->known && node_declared_result(n, 0, &declared))
        *t = declared;
    if (!t->known)
        return node_error(n, DIAG_ONNX_DYNAMIC,
                          "the shape of the elements of '%s' is not known; declare that of the "
                          "output in the model (value_info or graph outputs)",
                          node_input_name(n, 0));
    return true;
}

static bool is_open(const struct ir_type *t)
{
    for (int d = 0; d < t->rank; d++)
        if (t->dim[d] < 0)
            return true;
    return false;
}

// The call that gives an element, of extents known or not.
static struct ir_value *element(struct import_node *n, const char *kernel, const char *within,
                                const struct host_args *args, const struct ir_type *t)
{
    return is_open(t) ? node_host_within(n, within, args, *t) : node_host(n, kernel, args, t);
}

bool import_SequenceAt(struct import_node *n)
{
    struct items s = {0};
    bool known = false;
    int at = 0;
    if (!need_type(n, 0, DT_SEQ, "a sequence"))
        return false;
    bool is_static = known_items(n, n->in[0], &s);
    if (is_static && !position(n, 1, s.num, 0, &known, &at))
        return false;
    if (is_static && known)
        return node_bind(n, 0, s.v[at]);
    struct ir_type t;
    if (!element_type(n, &t))
        return false;
    struct ir_value *in[] = {n->in[0], position_value(n, 1)};
    return node_bind(n, 0,
                     element(n, "sequence_at", "sequence_at_within",
                             &(struct host_args){.in = in, .num_in = 2}, &t));
}

struct ir_value *sequence_element(struct import_node *n, struct ir_value *seq, struct ir_value *at,
                                  const struct ir_type *like)
{
    struct ir_type t = elem_of(n, seq);
    struct ir_value *in[] = {seq, at};
    if (!t.known)
        t = *like;
    if (!t.known) {
        node_error(
            n, DIAG_ONNX_DYNAMIC,
            "the rank of the elements of a sequence is not known; declare their shape in the "
            "model");
        return NULL;
    }
    return element(n, "sequence_at", "sequence_at_within",
                   &(struct host_args){.in = in, .num_in = 2}, &t);
}

struct ir_value *sequence_appended(struct import_node *n, struct ir_value *seq, struct ir_value *x)
{
    struct ir_value *in[] = {seq, x, NULL};
    return node_host(n, "sequence_insert",
                     &(struct host_args){.in = in, .num_in = 3, .optional = true}, &seq_type);
}

struct ir_value *sequence_count(struct import_node *n, struct ir_value *seq)
{
    struct ir_type t = ir_type_make(DT_I64, NULL, 0);
    return node_host(n, "sequence_length", &(struct host_args){.in = &seq, .num_in = 1}, &t);
}

static struct ir_value *unsqueezed(struct import_node *n, struct ir_value *x, int64_t axis)
{
    int64_t dim[IR_MAX_RANK + 1];
    int rank = 0;
    for (int d = 0; d <= x->type.rank; d++) {
        if (d == axis)
            dim[rank++] = 1;
        if (d < x->type.rank)
            dim[rank++] = x->type.dim[d];
    }
    return irb_reshape(&n->b, x, dim, rank);
}

static bool concat_known(struct import_node *n, struct items *s, bool new_axis)
{
    int64_t axis;
    if (s->num == 0)
        return node_error(n, DIAG_ONNX_SHAPE, "there is nothing to concatenate");
    int rank = s->v[0]->type.rank + new_axis;
    if (rank > IR_MAX_RANK)
        return node_error(n, DIAG_LIMIT, "rank %d, at most %d is supported", rank, IR_MAX_RANK);
    if (!node_axis(n, node_int(n, "axis", 0), rank, &axis))
        return false;
    for (int i = 0; new_axis && i < s->num; i++)
        if (!(s->v[i] = unsqueezed(n, s->v[i], axis)))
            return false;
    return node_bind(n, 0, node_concat(n, s->v, s->num, (int)axis));
}

bool import_ConcatFromSequence(struct import_node *n)
{
    struct items s;
    bool new_axis = node_int(n, "new_axis", 0) != 0;
    struct ir_type elem = elem_of(n, n->in[0]), t;
    if (!need_type(n, 0, DT_SEQ, "a sequence"))
        return false;
    if (known_items(n, n->in[0], &s))
        return concat_known(n, &s, new_axis);
    int64_t ints[2] = {0, new_axis};
    if (!elem.known && !node_declared_result(n, 0, &elem))
        return node_error(n, DIAG_ONNX_DYNAMIC, "the shape of the result is not known; declare it");
    t = elem;
    if (elem_of(n, n->in[0]).known) {
        t.rank += new_axis;
        if (t.rank > IR_MAX_RANK || !node_axis(n, node_int(n, "axis", 0), t.rank, &ints[0]))
            return t.rank > IR_MAX_RANK ? node_error(n, DIAG_LIMIT, "too many dimensions") : false;
        for (int d = t.rank - 1; new_axis && d > ints[0]; d--)
            t.dim[d] = elem.dim[d - 1];
        t.dim[ints[0]] = -1;
    } else if (!node_axis(n, node_int(n, "axis", 0), t.rank, &ints[0])) {
        return false;
    }
    return node_bind(
        n, 0,
        element(n, "sequence_concat", "sequence_concat_within",
                &(struct host_args){.in = n->in, .num_in = 1, .ints = ints, .num_ints = 2}, &t));
}

// ---- Optionals

bool import_Optional(struct import_node *n)
{
    struct ir_value *x = node_in(n, 0);
    if (!x && !node_has_attr(n, "type"))
        return node_error(n, DIAG_ONNX_ATTR, "an empty optional needs the attribute type");
    struct ir_value *v = node_host(
        n, "optional_make", &(struct host_args){.in = n->in, .num_in = x ? 1 : 0}, &opt_type);
    return node_bind(n, 0, x ? with_elem(n, v, &x->type) : v);
}

struct ir_value *optional_of(struct import_node *n, struct ir_value *x)
{
    struct ir_value *v =
        node_host(n, "optional_make", &(struct host_args){.in = &x, .num_in = 1}, &opt_type);
    return x ? with_elem(n, v, &x->type) : v;
}

struct ir_value *optional_content(struct import_node *n, struct ir_value *opt,
                                  const struct ir_value *like)
{
    struct ir_type t = like->type, elem = elem_of(n, like);
    for (int d = 0; d < t.rank; d++) {
        t.dim[d] = t.sym[d] ? -1 : t.dim[d];
        t.sym[d] = NULL;
    }
    struct ir_value *v = element(n, "optional_get", "optional_get_within",
                                 &(struct host_args){.in = &opt, .num_in = 1}, &t);
    return v && t.dtype == DT_SEQ ? with_elem(n, v, &elem) : v;
}

static bool const_bool(struct import_node *n, bool v)
{
    return node_bind(n, 0, irb_const_like(&n->b, DT_BOOL, v));
}

bool import_OptionalHasElement(struct import_node *n)
{
    struct ir_value *x = node_in(n, 0);
    if (!x)
        return const_bool(n, false);
    if (x->type.dtype != DT_OPT)
        return const_bool(n, true);
    if (is_call(x, "optional_make"))
        return const_bool(n, x->def->num_in > 0);
    struct ir_type t = ir_type_make(DT_BOOL, NULL, 0);
    return node_bind(n, 0,
                     node_host(n, "optional_has", &(struct host_args){.in = &x, .num_in = 1}, &t));
}

bool import_OptionalGetElement(struct import_node *n)
{
    struct ir_value *x = n->in[0];
    struct ir_type t, elem;
    if (x->type.dtype != DT_OPT)
        return node_bind(n, 0, x);
    if (is_call(x, "optional_make"))
        return x->def->num_in > 0
                   ? node_bind(n, 0, x->def->in[0])
                   : node_error(n, DIAG_ONNX_VALUE, "the optional is known to be empty");
    t = elem = elem_of(n, x);
    if (!t.known || (t.dtype != DT_SEQ && t.dtype != DT_OPT)) {
        if (!element_type(n, &t))
            return false;
    }
    struct ir_value *v = element(n, "optional_get", "optional_get_within",
                                 &(struct host_args){.in = &x, .num_in = 1}, &t);
    if (v && t.dtype == DT_SEQ) { // what was known of its elements is kept beside the optional's
        struct ir_type inner = importer_inner(n->imp, x);
        importer_set_elem(n->imp, v, &inner);
    }
    return node_bind(n, 0, v);
}

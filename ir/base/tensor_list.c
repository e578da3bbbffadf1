// Lists of values, and ONNX's SequenceProto and OptionalProto, in and out.
#include "tensor_list.h"

#include "io.h"
#include "proto_alloc.h"
#include "tensor.pb-c.h"
#include "tensor_proto.h"

const struct tensor_list *tensor_list_of(const struct tensor *t)
{
    static const struct tensor_list empty = {.elem = DT_F32};
    const struct tensor_list *const *p = t->data;
    return p && *p ? *p : &empty;
}

struct tensor *tensor_of_list(struct arena *a, enum dtype t, const struct tensor_list *list)
{
    struct tensor *x = tensor_create(a, t, NULL, 0);
    *(const struct tensor_list **)x->data = list;
    return x;
}

const struct tensor_list *tensor_list_make(struct arena *a, const struct tensor *const *item,
                                           int64_t num, enum dtype elem)
{
    struct tensor_list *list = ARENA_NEW(a, struct tensor_list);
    *list = (struct tensor_list){.num = num, .elem = num > 0 ? item[0]->dtype : elem};
    if (num > 0)
        list->item = arena_memdup(a, item, (size_t)num * sizeof(*item));
    return list;
}

struct tensor *tensor_copy(struct arena *a, const struct tensor *t)
{
    struct tensor *c = tensor_create(a, t->dtype, t->dim, t->rank);
    size_t bytes = tensor_bytes(t);
    if (bytes)
        memcpy(c->data, t->data, bytes);
    const char **text = c->data;
    for (int64_t i = 0; t->dtype == DT_STR && i < tensor_elems(t); i++)
        text[i] = arena_strdup(a, text[i] ? text[i] : "");
    if (dtype_info[t->dtype].kind != DTK_H)
        return c;
    const struct tensor_list *from = tensor_list_of(t);
    const struct tensor **item = ARENA_ARRAY(a, (size_t)from->num, const struct tensor *);
    for (int64_t i = 0; i < from->num; i++)
        item[i] = tensor_copy(a, from->item[i]);
    *(const struct tensor_list **)c->data = tensor_list_make(a, item, from->num, from->elem);
    return c;
}

const char *tensor_text(const struct tensor *t, struct arena *scratch)
{
    if (dtype_info[t->dtype].kind != DTK_H)
        return tensor_type_text(t->dtype, t->dim, t->rank, scratch);
    const struct tensor_list *list = tensor_list_of(t);
    const char *text = arena_printf(scratch, "%s(", dtype_text(t->dtype));
    for (int64_t i = 0; i < list->num && i < 8; i++)
        text = arena_printf(scratch, "%s%s%s", text, i ? ", " : "",
                            tensor_text(list->item[i], scratch));
    return list->num > 8 ? arena_printf(scratch, "%s, .. %lld in all)", text, (long long)list->num)
                         : arena_printf(scratch, "%s)", text);
}

// ---- Reading

struct reader {
    const char *base_dir;
    loc_id loc;
    struct arena *arena;
    struct diag *diag;
};

static struct tensor *bad(const struct reader *r, const char *what)
{
    diag_report(r->diag, r->loc, DIAG_TENSOR_FORMAT, "%s", what);
    return NULL;
}

static struct tensor *take_tensor(const struct reader *r, const Onnx__TensorProto *p)
{
    return p ? tensor_from_proto(p, r->base_dir, false, r->loc, r->arena, r->diag)
             : bad(r, "a list's element is missing");
}

static struct tensor *take_optional(const struct reader *r, const Onnx__OptionalProto *p);

static const struct tensor *sequence_item(const struct reader *r, const Onnx__SequenceProto *p,
                                          size_t i);

// Nesting is bounded by proto_unpack.
static struct tensor *take_sequence(const struct reader *r, const Onnx__SequenceProto *p)
{
    size_t num = p->elem_type == ONNX__SEQUENCE_PROTO__DATA_TYPE__SEQUENCE   ? p->n_sequence_values
                 : p->elem_type == ONNX__SEQUENCE_PROTO__DATA_TYPE__OPTIONAL ? p->n_optional_values
                                                                             : p->n_tensor_values;
    if (p->n_sparse_tensor_values || p->n_map_values)
        return bad(r, "sequences of sparse tensors and of maps are not supported");
    const struct tensor **item = ARENA_ARRAY(r->arena, num, const struct tensor *);
    for (size_t i = 0; i < num; i++)
        if (!(item[i] = sequence_item(r, p, i)))
            return NULL;
    return tensor_of_list(r->arena, DT_SEQ, tensor_list_make(r->arena, item, (int64_t)num, DT_F32));
}

static const struct tensor *sequence_item(const struct reader *r, const Onnx__SequenceProto *p,
                                          size_t i)
{
    switch (p->elem_type) {
    case ONNX__SEQUENCE_PROTO__DATA_TYPE__SEQUENCE: return take_sequence(r, p->sequence_values[i]);
    case ONNX__SEQUENCE_PROTO__DATA_TYPE__OPTIONAL: return take_optional(r, p->optional_values[i]);
    default: return take_tensor(r, p->tensor_values[i]);
    }
}

static struct tensor *take_optional(const struct reader *r, const Onnx__OptionalProto *p)
{
    const struct tensor *item = NULL;
    if (p->map_value || p->sparse_tensor_value)
        return bad(r, "optionals of sparse tensors and of maps are not supported");
    bool full = p->tensor_value || p->sequence_value || p->optional_value;
    if (p->tensor_value)
        item = take_tensor(r, p->tensor_value);
    else if (p->sequence_value)
        item = take_sequence(r, p->sequence_value);
    else if (p->optional_value)
        item = take_optional(r, p->optional_value);
    if (full && !item)
        return NULL;
    return tensor_of_list(r->arena, DT_OPT, tensor_list_make(r->arena, &item, full, DT_F32));
}

struct tensor *tensor_of_bits(enum dtype t, struct tensor *x)
{
    int bits = dtype_info[t].kind == DTK_F && t != DT_F16 ? dtype_info[t].bits : 0;
    if (x && ((bits == 16 && x->dtype == DT_U16) || (bits == 8 && x->dtype == DT_U8)))
        x->dtype = t;
    return x;
}

struct tensor *tensor_read_as(enum dtype t, const char *path, struct arena *a, struct diag *d)
{
    struct io_map m;
    const char *why;
    if (dtype_info[t].kind != DTK_H)
        return tensor_of_bits(t, tensor_read(path, a, d));
    if (!io_map_file(&m, path, 0, d))
        return NULL;
    struct reader r = {.base_dir = NULL, .loc = diag_file(d, path), .arena = a, .diag = d};
    const ProtobufCMessageDescriptor *type =
        t == DT_SEQ ? &onnx__sequence_proto__descriptor : &onnx__optional_proto__descriptor;
    ProtobufCMessage *msg = proto_unpack(type, m.data, m.size, a, &why);
    struct tensor *x = NULL;
    if (!msg)
        diag_report(d, r.loc, DIAG_TENSOR_FORMAT, "no %s: %s",
                    t == DT_SEQ ? "SequenceProto" : "OptionalProto", why);
    else if (t == DT_SEQ)
        x = take_sequence(&r, (const Onnx__SequenceProto *)msg);
    else
        x = take_optional(&r, (const Onnx__OptionalProto *)msg);
    io_unmap(&m);
    return x;
}

// ---- Writing

static void fill_optional(Onnx__OptionalProto *p, const struct tensor *t, struct arena *scratch);

static Onnx__TensorProto *new_tensor(const struct tensor *t, struct arena *scratch)
{
    Onnx__TensorProto *p = ARENA_NEW(scratch, Onnx__TensorProto);
    tensor_fill_proto(p, t, scratch);
    return p;
}

static void fill_sequence(Onnx__SequenceProto *p, const struct tensor *t, struct arena *scratch);

static Onnx__SequenceProto *new_sequence(const struct tensor *t, struct arena *scratch)
{
    Onnx__SequenceProto *p = ARENA_NEW(scratch, Onnx__SequenceProto);
    fill_sequence(p, t, scratch);
    return p;
}

static Onnx__OptionalProto *new_optional(const struct tensor *t, struct arena *scratch)
{
    Onnx__OptionalProto *p = ARENA_NEW(scratch, Onnx__OptionalProto);
    fill_optional(p, t, scratch);
    return p;
}

static void fill_sequence(Onnx__SequenceProto *p, const struct tensor *t, struct arena *scratch)
{
    const struct tensor_list *list = tensor_list_of(t);
    size_t num = (size_t)list->num;
    enum dtype elem = num ? list->item[0]->dtype : list->elem;
    onnx__sequence_proto__init(p);
    p->has_elem_type = 1;
    p->elem_type = elem == DT_SEQ   ? ONNX__SEQUENCE_PROTO__DATA_TYPE__SEQUENCE
                   : elem == DT_OPT ? ONNX__SEQUENCE_PROTO__DATA_TYPE__OPTIONAL
                                    : ONNX__SEQUENCE_PROTO__DATA_TYPE__TENSOR;
    p->tensor_values = ARENA_ARRAY(scratch, num, Onnx__TensorProto *);
    p->sequence_values = ARENA_ARRAY(scratch, num, Onnx__SequenceProto *);
    p->optional_values = ARENA_ARRAY(scratch, num, Onnx__OptionalProto *);
    for (size_t i = 0; i < num; i++) {
        const struct tensor *x = list->item[i];
        if (x->dtype == DT_SEQ)
            p->sequence_values[p->n_sequence_values++] = new_sequence(x, scratch);
        else if (x->dtype == DT_OPT)
            p->optional_values[p->n_optional_values++] = new_optional(x, scratch);
        else
            p->tensor_values[p->n_tensor_values++] = new_tensor(x, scratch);
    }
}

static void fill_optional(Onnx__OptionalProto *p, const struct tensor *t, struct arena *scratch)
{
    const struct tensor_list *list = tensor_list_of(t);
    onnx__optional_proto__init(p);
    p->has_elem_type = 1;
    if (list->num == 0)
        return;
    const struct tensor *x = list->item[0];
    if (x->dtype == DT_SEQ) {
        p->elem_type = ONNX__OPTIONAL_PROTO__DATA_TYPE__SEQUENCE;
        p->sequence_value = new_sequence(x, scratch);
    } else if (x->dtype == DT_OPT) {
        p->elem_type = ONNX__OPTIONAL_PROTO__DATA_TYPE__OPTIONAL;
        p->optional_value = new_optional(x, scratch);
    } else {
        p->elem_type = ONNX__OPTIONAL_PROTO__DATA_TYPE__TENSOR;
        p->tensor_value = new_tensor(x, scratch);
    }
}

bool tensor_write_list_pb(const char *path, const struct tensor *t, struct diag *d)
{
    struct arena *scratch = arena_create();
    char *name = t->name ? arena_strdup(scratch, t->name) : NULL;
    bool ok;
    if (t->dtype == DT_SEQ) {
        Onnx__SequenceProto *p = new_sequence(t, scratch);
        p->name = name;
        ok = tensor_write_message(path, &p->base, scratch, d);
    } else {
        Onnx__OptionalProto *p = new_optional(t, scratch);
        p->name = name;
        ok = tensor_write_message(path, &p->base, scratch, d);
    }
    arena_destroy(scratch);
    return ok;
}

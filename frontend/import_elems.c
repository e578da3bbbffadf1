// What is known of the elements of sequences and optionals, from graph inputs on.
#include "importer.h"

void importer_set_elem(struct importer *imp, const struct ir_value *v, const struct ir_type *t)
{
    imp->elems = arena_grow(imp->arena, imp->elems, imp->num_elems, imp->num_elems + 1,
                            sizeof(*imp->elems), &imp->cap_elems);
    struct importer_elem *e = &imp->elems[imp->num_elems++];
    *e = (struct importer_elem){.value = v, .type = *t};
    for (int d = 0; t->known && d < t->rank; d++)
        if (t->sym[d]) {
            e->type.dim[d] = -1;
            e->type.sym[d] = NULL;
        }
}

// The type of the elements of a sequence or optional, as far as it is known: extents in which they
// differ are -1, and t.known is false when the rank is unknown or differs.
struct ir_type importer_elem(const struct importer *imp, const struct ir_value *v)
{
    for (size_t i = 0; i < imp->num_elems; i++)
        if (imp->elems[i].value == v)
            return imp->elems[i].type;
    return (struct ir_type){0};
}

// ---- Graph inputs

static bool value_type(const Onnx__TypeProto *p, struct ir_type *t)
{
    if (p && (p->sequence_type || p->optional_type)) {
        *t = ir_type_make(p->sequence_type ? DT_SEQ : DT_OPT, NULL, 0);
        return true;
    }
    bool known = p && importer_tensor_type(p->tensor_type, t);
    if (!known)
        t->known = false;
    return p && p->tensor_type;
}

static const Onnx__TypeProto *elem_proto(const Onnx__TypeProto *p)
{
    return p && p->sequence_type   ? p->sequence_type->elem_type
           : p && p->optional_type ? p->optional_type->elem_type
                                   : NULL;
}

bool importer_list_type(const Onnx__TypeProto *p, struct ir_type *t)
{
    struct ir_type elem;
    return p && (p->sequence_type || p->optional_type) && value_type(p, t) &&
           value_type(elem_proto(p), &elem);
}

void importer_list_input(struct importer *imp, const struct ir_value *v, const Onnx__TypeProto *p)
{
    struct ir_type elem;
    if (!value_type(elem_proto(p), &elem))
        return;
    importer_set_elem(imp, v, &elem);
    if (elem.dtype != DT_SEQ)
        return;
    imp->elems[imp->num_elems - 1].has_inner =
        value_type(elem_proto(elem_proto(p)), &imp->elems[imp->num_elems - 1].inner);
}

struct ir_type importer_inner(const struct importer *imp, const struct ir_value *v)
{
    for (size_t i = 0; i < imp->num_elems; i++)
        if (imp->elems[i].value == v && imp->elems[i].has_inner)
            return imp->elems[i].inner;
    return (struct ir_type){0};
}

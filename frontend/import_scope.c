// Names of tensors in the graph being imported, and what holds in a scope: opsets, tensors that are
// differentiated by.
#include <string.h>

#include "importer.h"

// ---- Names

static uint64_t name_hash(const char *s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
    return h;
}

static struct name_slot *find_slot(const struct import_scope *s, const char *name)
{
    for (size_t i = name_hash(name) & (s->num_slots - 1);; i = (i + 1) & (s->num_slots - 1))
        if (!s->slots[i].name || strcmp(s->slots[i].name, name) == 0)
            return &s->slots[i];
}

bool importer_lookup(const struct importer *imp, const char *name, struct ir_value **v)
{
    *v = NULL;
    for (const struct import_scope *scope = imp->scope; scope; scope = scope->outer) {
        const struct name_slot *s = scope->num_slots ? find_slot(scope, name) : NULL;
        if (!s || !s->name)
            continue;
        *v = s->value;
        return true;
    }
    return false;
}

struct ir_value *importer_find(const struct importer *imp, const char *name)
{
    struct ir_value *v;
    return importer_lookup(imp, name, &v) ? v : NULL;
}

static void grow_names(struct import_scope *s, struct arena *a)
{
    struct name_slot *old = s->slots;
    size_t n = s->num_slots;
    s->num_slots = n ? n * 2 : 64;
    s->slots = ARENA_ARRAY(a, s->num_slots, struct name_slot);
    for (size_t i = 0; i < n; i++)
        if (old[i].name)
            *find_slot(s, old[i].name) = old[i];
}

bool importer_define(struct importer *imp, const char *name, struct ir_value *v)
{
    struct import_scope *scope = imp->scope;
    if (2 * scope->num_names >= scope->num_slots)
        grow_names(scope, imp->arena);
    struct name_slot *s = find_slot(scope, name);
    if (s->name)
        return false;
    *s = (struct name_slot){name, v};
    scope->num_names++;
    return true;
}

static bool is_default_domain(const char *domain)
{
    return !domain || !*domain || strcmp(domain, "ai.onnx") == 0;
}

int64_t importer_opset(const struct importer *imp, const char *domain)
{
    const struct import_scope *s = imp->scope;
    int64_t opset = 0;
    for (size_t i = 0; i < s->num_opsets; i++) {
        const char *d = s->opsets[i]->domain;
        if (is_default_domain(d) ? is_default_domain(domain) : strcmp(d, domain) == 0)
            opset = s->opsets[i]->version;
    }
    return opset;
}

// ---- Tensors that are differentiated by

static bool is_gradient(const Onnx__NodeProto *p)
{
    return p->op_type && strcmp(p->op_type, "Gradient") == 0 && p->domain &&
           strcmp(p->domain, "ai.onnx.preview.training") == 0;
}

// Tensors that Gradient nodes name in xs and zs.
void importer_find_independent(struct importer *imp, Onnx__NodeProto *const *nodes, size_t num)
{
    size_t cap = 0, count = 0;
    const char **names = NULL;
    for (size_t i = 0; i < num; i++)
        for (size_t k = 0; is_gradient(nodes[i]) && k < nodes[i]->n_attribute; k++) {
            const Onnx__AttributeProto *a = nodes[i]->attribute[k];
            for (size_t s = 0; s < a->n_strings; s++) {
                names = arena_grow(imp->arena, names, count, count + 1, sizeof(*names), &cap);
                names[count++] = arena_strndup(
                    imp->arena, a->strings[s].data ? (const char *)a->strings[s].data : "",
                    a->strings[s].len);
            }
        }
    imp->scope->independent = names;
    imp->scope->num_independent = count;
}

struct ir_value *importer_own(struct importer *imp, const char *name, struct ir_value *v,
                              struct ir_builder *b)
{
    for (size_t i = 0; v && i < imp->scope->num_independent; i++)
        if (strcmp(imp->scope->independent[i], name) == 0)
            return irb_reshape(b, v, v->type.dim, v->type.rank);
    return v;
}

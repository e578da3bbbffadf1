// Functions of the model: a call becomes the nodes of the function's body, imported in a namespace
// of their own with the function's opsets.
#include <string.h>

#include "import_node.h"
#include "importer.h"

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static const char *plain_domain(const char *domain)
{
    return domain && strcmp(domain, "ai.onnx") != 0 ? domain : "";
}

// A function of the model goes before an operator of the same name.
const Onnx__FunctionProto *importer_function(const struct importer *imp, const Onnx__NodeProto *p)
{
    for (size_t i = 0; i < imp->model->n_functions; i++) {
        const Onnx__FunctionProto *f = imp->model->functions[i];
        if (same_text(f->name, p->op_type) &&
            same_text(plain_domain(f->domain), plain_domain(p->domain)) &&
            same_text(f->overload, p->overload))
            return f;
    }
    return NULL;
}

// ---- Attributes

static const Onnx__AttributeProto *find_attribute(Onnx__AttributeProto *const *a, size_t num,
                                                  const char *name)
{
    for (size_t i = 0; i < num; i++)
        if (same_text(a[i]->name, name))
            return a[i];
    return NULL;
}

// The value that the call, or else the function, gives an attribute; NULL: neither does.
static const Onnx__AttributeProto *given_attribute(const struct import_scope *s, const char *name)
{
    const Onnx__NodeProto *call = s->call->proto;
    const Onnx__AttributeProto *a = find_attribute(call->attribute, call->n_attribute, name);
    return a ? a
             : find_attribute(s->function->attribute_proto, s->function->n_attribute_proto, name);
}

static bool is_reference(const Onnx__AttributeProto *a)
{
    return a->ref_attr_name && *a->ref_attr_name;
}

const Onnx__NodeProto *importer_resolve(struct importer *imp, const Onnx__NodeProto *p)
{
    bool any = false;
    for (size_t i = 0; i < p->n_attribute; i++)
        any = any || is_reference(p->attribute[i]);
    if (!imp->scope->function || !any)
        return p;
    Onnx__NodeProto *r = arena_memdup(imp->arena, p, sizeof(*p));
    r->attribute = ARENA_ARRAY(imp->arena, p->n_attribute, Onnx__AttributeProto *);
    r->n_attribute = 0;
    for (size_t i = 0; i < p->n_attribute; i++) {
        Onnx__AttributeProto *a = p->attribute[i];
        if (is_reference(a)) {
            const Onnx__AttributeProto *given = given_attribute(imp->scope, a->ref_attr_name);
            char *name = a->name;
            if (!given)
                continue; // as if the node did not have it
            a = arena_memdup(imp->arena, given, sizeof(*given));
            a->name = name;
        }
        r->attribute[r->n_attribute++] = a;
    }
    return r;
}

// Every attribute of the call is one of the function's, and those without a default are given.
static bool check_attributes(struct import_node *n, const Onnx__FunctionProto *f)
{
    const Onnx__NodeProto *p = n->proto;
    bool ok = true;
    for (size_t i = 0; i < p->n_attribute; i++) {
        const char *name = p->attribute[i]->name;
        bool known = find_attribute(f->attribute_proto, f->n_attribute_proto, name) != NULL;
        for (size_t k = 0; !known && k < f->n_attribute; k++)
            known = same_text(f->attribute[k], name);
        if (!known)
            ok = node_error(n, DIAG_ONNX_ATTR, "function '%s' has no attribute '%s'", f->name,
                            name ? name : "");
    }
    return ok;
}

// ---- Calls

#define CALL_DEPTH_MAX 64
#define INLINED_MAX (1 << 18) // functions that call others twice grow beyond every file's size

static bool check_call(struct import_node *n, const Onnx__FunctionProto *f)
{
    int depth = 0;
    for (const struct import_scope *s = n->imp->scope; s; s = s->caller, depth++)
        if (s->function == f)
            return node_error(n, DIAG_ONNX_OP_UNSUPPORTED, "function '%s' calls itself", f->name);
    if (depth > CALL_DEPTH_MAX)
        return node_error(n, DIAG_LIMIT, "calls of functions are nested more than %d deep",
                          CALL_DEPTH_MAX);
    n->imp->inlined += f->n_node;
    if (n->imp->inlined > INLINED_MAX)
        return node_error(n, DIAG_LIMIT, "the bodies of all calls have more than %d nodes",
                          INLINED_MAX);
    if (n->proto->n_input > f->n_input || n->proto->n_output > f->n_output)
        return node_error(n, DIAG_ONNX_ARITY,
                          "%zu inputs and %zu outputs, function '%s' has at most %zu and %zu",
                          n->proto->n_input, n->proto->n_output, f->name, f->n_input, f->n_output);
    return check_attributes(n, f);
}

static bool bind_inputs(struct import_node *n, const Onnx__FunctionProto *f)
{
    bool ok = true;
    for (size_t i = 0; i < f->n_input; i++)
        if (!importer_define(n->imp, f->input[i], node_in(n, (int)i)))
            ok = node_error(n, DIAG_ONNX_VALUE, "function '%s' names input '%s' twice", f->name,
                            f->input[i]);
    return ok;
}

// The values of the function's outputs, found in its body.
static bool find_outputs(struct import_node *n, const Onnx__FunctionProto *f, struct ir_value **out)
{
    bool ok = true;
    for (size_t i = 0; i < n->proto->n_output; i++)
        if (node_has_output(n, (int)i) && !(out[i] = importer_find(n->imp, f->output[i])))
            ok = node_error(n, DIAG_ONNX_VALUE, "function '%s' does not compute its output '%s'",
                            f->name, f->output[i]);
    return ok;
}

static bool is_operand(const struct import_node *n, const struct ir_value *v)
{
    for (int i = 0; i < n->num_in; i++)
        if (n->in[i] == v)
            return true;
    return false;
}

static bool bind_outputs(struct import_node *n, struct ir_value **out)
{
    for (size_t i = 0; i < n->proto->n_output; i++) {
        if (!node_has_output(n, (int)i))
            continue;
        if (!node_bind(n, (int)i, out[i]))
            return false;
        if (out[i]->def && !is_operand(n, out[i]))
            ir_value_rename(out[i], n->imp->graph, n->proto->output[i]);
    }
    return true;
}

bool importer_call(struct importer *imp, struct import_node *n, const Onnx__FunctionProto *f)
{
    if (!check_call(n, f))
        return false;
    struct import_scope body = {.function = f,
                                .call = n,
                                .caller = imp->scope,
                                .opsets = f->opset_import,
                                .num_opsets = f->n_opset_import};
    struct import_scope *outer = imp->scope;
    struct ir_value **out = ARENA_ARRAY(imp->arena, n->proto->n_output + 1, struct ir_value *);
    imp->scope = &body;
    importer_find_independent(imp, f->node, f->n_node);
    int index = loc_get(imp->locs, n->loc)->node_index;
    bool ok = bind_inputs(n, f) && importer_nodes(imp, f->node, f->n_node, index) &&
              find_outputs(n, f, out);
    imp->scope = outer;
    return ok && bind_outputs(n, out);
}

// Model to module: versions, interface, then every node in order through its row of onnx_ops.def.
#include "import.h"

#include <limits.h>
#include <string.h>

#include "import_extents.h"
#include "import_ml.h"
#include "importer.h"
#include "proto_alloc.h"

// ---- Nodes

bool node_has_output(const struct import_node *n, int i)
{
    return (size_t)i < n->proto->n_output && n->proto->output[i][0] != '\0';
}

bool node_bind(struct import_node *n, int i, struct ir_value *v)
{
    if (!v)
        return false;
    if (!node_has_output(n, i))
        return true;
    const char *name = n->proto->output[i];
    if (!(v = importer_own(n->imp, name, v, &n->b)))
        return false;
    if (!importer_define(n->imp, name, v))
        return diag_report(n->diag, loc_tensor(n->imp->locs, n->loc, name), DIAG_ONNX_VALUE,
                           "the tensor is defined twice");
    bool fresh = v->def && v->def->loc == n->loc;
    if (fresh)
        ir_value_rename(v, n->imp->graph, name);
    return true;
}

static const char *count_text(struct import_node *n, int min, int max)
{
    if (max < 0)
        return arena_printf(n->arena, "%d or more", min);
    return min == max ? arena_printf(n->arena, "%d", min)
                      : arena_printf(n->arena, "%d to %d", min, max);
}

static bool check_arity(struct import_node *n)
{
    const struct onnx_op *r = n->row;
    size_t in = n->proto->n_input, out = n->proto->n_output;
    if (in < (size_t)r->in_min || (r->in_max >= 0 && in > (size_t)r->in_max))
        return node_error(n, DIAG_ONNX_ARITY, "%zu inputs, the operator takes %s", in,
                          count_text(n, r->in_min, r->in_max));
    if (out < (size_t)r->out_min || (r->out_max >= 0 && out > (size_t)r->out_max))
        return node_error(n, DIAG_ONNX_ARITY, "%zu outputs, the operator gives %s", out,
                          count_text(n, r->out_min, r->out_max));
    // Of a variadic operator every operand counts; those that run a body look themselves.
    bool has_body = onnx_attr_find(n->domain, r->name, n->opset, "body") != NULL;
    int needed = has_body ? 0 : r->in_max < 0 ? (int)in : r->in_min;
    for (int i = 0; i < needed; i++)
        if (n->proto->input[i][0] == '\0')
            return node_error(n, DIAG_ONNX_ARITY, "input %d is empty but required", i);
    return true;
}

static const char *kind_name(int kind)
{
    static const char *const names[] = {"nothing",        "float",   "int",    "string",
                                        "tensor",         "graph",   "floats", "ints",
                                        "strings",        "tensors", "graphs", "sparse tensor",
                                        "sparse tensors", "type",    "types"};
    return kind >= 0 && kind < (int)(sizeof(names) / sizeof(names[0])) ? names[kind] : "unknown";
}

static bool check_attrs(struct import_node *n)
{
    bool ok = true;
    for (size_t i = 0; i < n->proto->n_attribute; i++) {
        const Onnx__AttributeProto *a = n->proto->attribute[i];
        const struct onnx_attr *row =
            onnx_attr_find(n->domain, n->row->name, n->opset, a->name ? a->name : "");
        if (!row)
            ok = node_error(n, DIAG_ONNX_ATTR, "attribute '%s' is unknown at opset %d",
                            a->name ? a->name : "", n->opset);
        else if (a->ref_attr_name && *a->ref_attr_name)
            ok = node_error(n, DIAG_ONNX_ATTR,
                            "attribute '%s' refers to '%s' of a function, and the node is in none",
                            a->name, a->ref_attr_name);
        else if ((row->kind == ONNX_TENSOR && !a->t) ||
                 (row->kind == ONNX_SPARSE_TENSOR && !a->sparse_tensor))
            ok = node_error(n, DIAG_ONNX_ATTR, "attribute '%s' holds no tensor", a->name);
        else if (a->type != 0 && (int)a->type != (int)row->kind)
            ok = node_error(n, DIAG_ONNX_ATTR, "attribute '%s' is of kind %s, %s is needed",
                            a->name, kind_name((int)a->type), kind_name((int)row->kind));
    }
    for (size_t i = 0; i < n->domain->num_attrs; i++) {
        const struct onnx_attr *row = &n->domain->attrs[i];
        if (row->required && strcmp(row->op, n->row->name) == 0 &&
            onnx_attr_find(n->domain, n->row->name, n->opset, row->name) == row &&
            !node_has_attr(n, row->name))
            ok = node_error(n, DIAG_ONNX_ATTR, "attribute '%s' (%s) is missing", row->name,
                            kind_name((int)row->kind));
    }
    return ok;
}

static bool find_domain(struct import_node *n)
{
    const char *domain = n->proto->domain ? n->proto->domain : "";
    n->domain = onnx_domain_find(domain);
    if (!n->domain)
        return node_error(n, DIAG_ONNX_DOMAIN,
                          "operators of domain '%s' are not known; load them with --plugin "
                          "libNAME.so (see tests/plugin), or replace the node by operators of the "
                          "default domain or by a function of the model",
                          domain);
    int64_t opset = importer_opset(n->imp, domain);
    if (opset < 1 || opset > n->domain->newest)
        return node_error(n, DIAG_ONNX_VERSION,
                          "opset %lld of domain '%s' is imported, supported are 1 to %d",
                          (long long)opset, domain, n->domain->newest);
    n->opset = (int)opset;
    return true;
}

static bool find_row(struct import_node *n)
{
    const char *op = n->proto->op_type ? n->proto->op_type : "";
    int first, last;
    if (!find_domain(n))
        return false;
    const struct onnx_domain *known = n->domain;
    for (; n->domain; n->domain = onnx_domain_next(n->domain))
        if ((n->row = onnx_op_find(n->domain, op, n->opset)))
            return true;
    const char *way = strcmp(known->name, "ai.onnx.ml") == 0 ? ml_without_map(op) : NULL;
    if (way)
        return node_error(n, DIAG_ONNX_OP_UNSUPPORTED,
                          "the operator works on maps, which are not supported; %s", way);
    if (onnx_op_range(known, op, &first, &last))
        return node_error(
            n, DIAG_ONNX_OP_UNSUPPORTED,
            "the operator exists in opsets %d to %d, the model has %d; convert the model", first,
            last, n->opset);
    return node_error(n, DIAG_ONNX_OP_UNKNOWN,
                      "the operator is not known (bitletc --list-ops lists those that are); "
                      "rewrite the node with operators that are, or give it a domain of its own "
                      "and load it with --plugin libNAME.so (see tests/plugin)");
}

static bool node_operands(struct import_node *n)
{
    bool ok = true;
    n->num_in = (int)n->proto->n_input;
    n->num_out = (int)n->proto->n_output;
    n->in = ARENA_ARRAY(n->arena, n->proto->n_input, struct ir_value *);
    for (int i = 0; i < n->num_in; i++) {
        const char *name = n->proto->input[i];
        if (*name && !importer_lookup(n->imp, name, &n->in[i]))
            ok = diag_report(n->diag, loc_tensor(n->imp->locs, n->loc, name), DIAG_ONNX_VALUE,
                             "input %d '%s' is not defined before this node", i, name);
    }
    return ok;
}

// What a failed node would have given, so that its users do not fail for want of a name.
struct poison {
    const char **names;
    size_t num, cap;
};

static bool is_poisoned(const struct poison *p, const Onnx__NodeProto *node)
{
    for (size_t i = 0; i < node->n_input; i++)
        for (size_t k = 0; k < p->num; k++)
            if (strcmp(p->names[k], node->input[i]) == 0)
                return true;
    return false;
}

static void poison_outputs(struct importer *imp, struct poison *p, const Onnx__NodeProto *node)
{
    for (size_t i = 0; i < node->n_output; i++) {
        p->names = arena_grow(imp->arena, p->names, p->num, p->num + 1, sizeof(*p->names), &p->cap);
        p->names[p->num++] = node->output[i];
    }
}

static bool import_row(struct import_node *n)
{
    return find_row(n) && check_arity(n) && check_attrs(n) && node_operands(n) &&
           node_takes_extents(n) && n->row->import(n);
}

static bool import_node(struct importer *imp, const Onnx__NodeProto *p, int index)
{
    struct import_node n = {
        .imp = imp, .proto = importer_resolve(imp, p), .diag = imp->diag, .arena = imp->arena};
    const char *name = p->name ? p->name : "";
    if (imp->scope->call)
        name = arena_printf(imp->arena, "%s/%s",
                            loc_get(imp->locs, imp->scope->call->loc)->node_name, name);
    n.loc = loc_node(imp->locs, imp->path, index, name, p->op_type ? p->op_type : "",
                     (int32_t)importer_opset(imp, p->domain ? p->domain : ""));
    n.b = (struct ir_builder){.graph = imp->graph, .loc = n.loc, .diag = imp->diag};
    int errors = diag_errors(imp->diag);
    const Onnx__FunctionProto *f = importer_function(imp, p);
    bool ok = f                         ? node_operands(&n) && importer_call(imp, &n, f)
              : importer_has_plugin(&n) ? node_operands(&n) && importer_plugin_node(&n)
                                        : import_row(&n);
    if (ok == (diag_errors(imp->diag) > errors))
        bitlet_bug("node %d (%s) %s", index, p->op_type,
                   ok ? "reported errors and was imported" : "was refused and nothing reported");
    return ok;
}

// Enough to show every kind of mistake; a model with more errors has one cause.
#define POISON_MAX 64

bool importer_nodes(struct importer *imp, Onnx__NodeProto *const *nodes, size_t num, int index)
{
    struct poison poison = {0};
    bool ok = true;
    for (size_t i = 0; i < num && poison.num < POISON_MAX; i++) {
        if (is_poisoned(&poison, nodes[i])) {
            poison_outputs(imp, &poison, nodes[i]);
        } else if (!import_node(imp, nodes[i], index < 0 ? (int)i : index)) {
            ok = false;
            poison_outputs(imp, &poison, nodes[i]);
        }
    }
    return ok;
}

static bool body_names(struct importer *imp, const Onnx__GraphProto *g, struct ir_value *const *in)
{
    bool ok = importer_initializers(imp, g);
    for (size_t i = 0; i < g->n_input; i++)
        if (!importer_define(imp, g->input[i]->name ? g->input[i]->name : "", in[i]))
            ok = diag_report(imp->diag, importer_interface(imp, "body input", g->input[i]->name),
                             DIAG_ONNX_VALUE, "the name is defined twice");
    return ok;
}

bool importer_body(struct importer *imp, const Onnx__GraphProto *g, struct ir_value *const *in,
                   struct ir_value **out)
{
    struct import_scope *outer = imp->scope, inner = *outer;
    inner.slots = NULL;
    inner.num_slots = inner.num_names = 0;
    inner.outer = outer;
    inner.graph = g;
    imp->scope = &inner;
    bool ok = body_names(imp, g, in) && importer_nodes(imp, g->node, g->n_node, -1);
    for (size_t i = 0; ok && i < g->n_output; i++) {
        const char *name = g->output[i]->name ? g->output[i]->name : "";
        out[i] = importer_find(imp, name);
        if (!out[i])
            ok = diag_report(imp->diag, importer_interface(imp, "body output", name),
                             DIAG_ONNX_VALUE, "no node gives the tensor");
    }
    imp->scope = outer;
    return ok;
}

// ---- The model

static bool check_versions(struct importer *imp)
{
    const Onnx__ModelProto *m = imp->model;
    if (m->ir_version < ONNX_IR_VERSION_MIN || m->ir_version > ONNX_IR_VERSION_MAX)
        return diag_report(imp->diag, LOC_NONE, DIAG_ONNX_VERSION,
                           "%s: IR version %lld, supported are %d to %d", imp->path,
                           (long long)m->ir_version, ONNX_IR_VERSION_MIN, ONNX_IR_VERSION_MAX);
    int64_t opset = importer_opset(imp, "");
    // Without the default domain a model can still use others, or functions that bring it.
    if (m->n_opset_import == 0)
        return diag_report(imp->diag, LOC_NONE, DIAG_ONNX_VERSION, "%s: no opset is imported",
                           imp->path);
    if (opset < 0 || opset > ONNX_OPSET_MAX)
        return diag_report(imp->diag, LOC_NONE, DIAG_ONNX_VERSION,
                           "%s: opset %lld of the default domain, supported are %d to %d",
                           imp->path, (long long)opset, ONNX_OPSET_MIN, ONNX_OPSET_MAX);
    imp->opset = (int)opset;
    return true;
}

static const char *dir_of(const char *path, struct arena *a)
{
    const char *slash = strrchr(path, '/');
    return slash ? arena_strndup(a, path, (size_t)(slash - path + 1)) : "./";
}

static bool load_model(struct importer *imp, struct io_map *map)
{
    const char *why = "";
    // Protobuf cannot describe more.
    if (!io_map_file(map, imp->path, INT_MAX, imp->diag))
        return false;
    imp->model = (const Onnx__ModelProto *)proto_unpack_mapped(
        &onnx__model_proto__descriptor, map->data, map->size, imp->arena, &why);
    if (!imp->model)
        return diag_report(imp->diag, LOC_NONE, DIAG_ONNX_FORMAT, "%s: not an ONNX model: %s",
                           imp->path, why);
    if (!imp->model->graph)
        return diag_report(imp->diag, LOC_NONE, DIAG_ONNX_FORMAT, "%s: the model has no graph",
                           imp->path);
    return true;
}

static bool has_lone_batch(const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_input; i++) {
        const Onnx__TypeProto *t = g->input[i]->type;
        const Onnx__TensorShapeProto *s = t && t->tensor_type ? t->tensor_type->shape : NULL;
        if (s && s->n_dim > 1 && !(s->dim[0]->has_dim_value && s->dim[0]->dim_value >= 0))
            return true;
    }
    return false;
}

static struct ir_module *import_graph(struct importer *imp)
{
    const Onnx__GraphProto *g = imp->model->graph;
    struct import_scope scope = {
        .graph = g, .opsets = imp->model->opset_import, .num_opsets = imp->model->n_opset_import};
    imp->scope = &scope;
    if (!check_versions(imp))
        return NULL;
    importer_find_independent(imp, g->node, g->n_node);
    imp->module = ir_module_create(imp->arena);
    imp->module->locs = imp->locs;
    imp->module->source = arena_strdup(imp->arena, imp->path);
    imp->graph = imp->module->main = ir_graph_create(imp->module, "main");
    bool ok = importer_initializers(imp, g);
    ok = importer_inputs(imp, g) && ok;
    if (!ok || !importer_nodes(imp, g->node, g->n_node, -1) || !importer_outputs(imp, g))
        return NULL;
    imp->module->level = IR_L_IMPORTED;
    return imp->module;
}

static void hear_nothing(void *user, enum diag_severity sev, enum diag_id id, const char *message)
{
    (void)user;
    (void)sev;
    (void)id;
    (void)message;
}

// Whether every node can do with a batch that only the program knows: tried without a word.
static bool batch_may_be_open(const struct importer *imp)
{
    struct importer trial = *imp;
    trial.diag = diag_create(imp->arena, imp->locs);
    diag_set_sink(trial.diag, hear_nothing, NULL);
    return import_graph(&trial) != NULL;
}

struct ir_module *onnx_import(const char *path, const struct onnx_import_options *o,
                              struct io_map *map, struct arena *a, struct loc_table *locs,
                              struct diag *d)
{
    struct importer imp = {
        .arena = a, .diag = d, .locs = locs, .path = path, .base_dir = dir_of(path, a), .opt = o};
    if (!load_model(&imp, map))
        return NULL;
    imp.closed_batch = has_lone_batch(imp.model->graph) && !batch_may_be_open(&imp);
    struct ir_module *m = import_graph(&imp);
    if (m)
        io_map_release(map);
    return m;
}

// Model to module: versions, interface, initialisers, then every node in order through its row of
// onnx_ops.def.
#include "import.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "import_extents.h"
#include "importer.h"
#include "proto_alloc.h"

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

// A tensor to differentiate by is a value of its own: no other name for the operand it copies, and
// no constant that bodies look into.
static struct ir_value *own_value(struct importer *imp, const char *name, struct ir_value *v,
                                  struct ir_builder *b)
{
    for (size_t i = 0; v && i < imp->scope->num_independent; i++)
        if (strcmp(imp->scope->independent[i], name) == 0)
            return irb_reshape(b, v, v->type.dim, v->type.rank);
    return v;
}

// ---- Shapes from the command line

static bool parse_number(const char **p, int64_t *out)
{
    char *end;
    long long v = strtoll(*p, &end, 10);
    bool ok = end != *p && v >= 0 && v <= INT_MAX;
    *p = end;
    *out = v;
    return ok;
}

// "8" or "1..8"
static bool parse_extent(const char **p, struct onnx_shape_override *out)
{
    int i = out->rank++;
    out->least[i] = -1;
    if (!parse_number(p, &out->dim[i]))
        return false;
    if (strncmp(*p, "..", 2) != 0)
        return true;
    *p += 2;
    out->least[i] = out->dim[i];
    return parse_number(p, &out->dim[i]) && out->dim[i] >= out->least[i];
}

bool onnx_parse_shape(const char *text, struct onnx_shape_override *out, struct arena *a,
                      struct diag *d)
{
    const char *eq = strrchr(text, '=');
    if (!eq || eq == text || !eq[1])
        return diag_report(d, LOC_NONE, DIAG_USAGE, "--shape %s: expected NAME=1x3x224x224", text);
    *out = (struct onnx_shape_override){.name = arena_strndup(a, text, (size_t)(eq - text))};
    for (const char *p = eq + 1;; p++) {
        if (out->rank == IR_MAX_RANK || !parse_extent(&p, out) || (*p && *p != 'x'))
            return diag_report(d, LOC_NONE, DIAG_USAGE,
                               "--shape %s: expected up to %d numbers, or ranges as 1..8, with x "
                               "between them after =",
                               text, IR_MAX_RANK);
        if (!*p)
            return true;
    }
}

static struct onnx_shape_override *find_override(const struct importer *imp, const char *name)
{
    for (size_t i = 0; imp->opt && i < imp->opt->num_shapes; i++)
        if (strcmp(imp->opt->shapes[i].name, name) == 0)
            return &imp->opt->shapes[i];
    return NULL;
}

// ---- Interface

static loc_id interface_loc(struct importer *imp, const char *kind, const char *name)
{
    return loc_node(imp->locs, imp->path, -1, name, kind, imp->opset);
}

// The extent of one dimension: given, by its parameter's override, or unknown (-1). *least as in
// struct onnx_shape_override.
static int64_t dim_extent(const struct importer *imp, const Onnx__TensorShapeProto__Dimension *dim,
                          int64_t *least)
{
    *least = -1;
    if (dim->has_dim_value && dim->dim_value >= 0)
        return dim->dim_value;
    struct onnx_shape_override *o = dim->dim_param ? find_override(imp, dim->dim_param) : NULL;
    if (!o || o->rank != 1)
        return -1;
    o->used = true;
    *least = o->least[0];
    return o->dim[0];
}

static const char *shape_hint(const struct importer *imp, const struct ir_type *t)
{
    const char *s = "";
    for (int i = 0; i < t->rank; i++)
        s = t->dim[i] >= 0
                ? arena_printf(imp->arena, "%s%s%lld", s, i ? "x" : "", (long long)t->dim[i])
                : arena_printf(imp->arena, "%s%s?", s, i ? "x" : "");
    return s;
}

#define OPEN_DIM_MAX 1024
#define OPEN_ELEMS_MAX (INT64_C(1) << 24)

// Bounds for the extents that have no value: all the same, and not so large that the input would
// be very large.
static void open_extents(const struct importer *imp, struct ir_type *t, int64_t *least)
{
    int64_t given = imp->opt ? imp->opt->max_dim : 0;
    for (int i = 0; i < t->rank; i++)
        least[i] = t->dim[i] < 0 ? 0 : least[i];
    for (int64_t bound = given ? given : OPEN_DIM_MAX;; bound /= 2) {
        for (int i = 0; i < t->rank; i++)
            t->dim[i] = least[i] == 0 ? bound : t->dim[i];
        int64_t elems = dims_elems(t->dim, t->rank);
        if (given || bound <= 1 || (elems >= 0 && elems <= OPEN_ELEMS_MAX))
            return;
    }
}

static bool resolve_dims(struct importer *imp, const char *name,
                         const Onnx__TensorShapeProto *shape, struct ir_type *t, int64_t *least,
                         loc_id loc)
{
    const struct onnx_shape_override *o = find_override(imp, name);
    const char *hint;
    int unknown = 0;
    for (int i = 0; i < t->rank; i++) {
        least[i] = o ? o->least[i] : -1;
        t->dim[i] = o ? o->dim[i] : dim_extent(imp, shape->dim[i], &least[i]);
        if (o && shape->dim[i]->has_dim_value && shape->dim[i]->dim_value > 0 &&
            shape->dim[i]->dim_value != o->dim[i])
            return diag_report(imp->diag, loc, DIAG_ONNX_SHAPE,
                               "--shape gives dimension %d the extent %lld, the model has %lld", i,
                               (long long)o->dim[i], (long long)shape->dim[i]->dim_value);
        unknown += t->dim[i] < 0;
    }
    hint = shape_hint(imp, t);
    if (unknown == 1 && t->dim[0] < 0 && t->rank > 1 && imp->opt && imp->opt->max_dim == 0) {
        diag_note(imp->diag, loc, "the batch is symbolic, 1 is assumed; --shape %s=%s sets it",
                  name, hint);
        t->dim[0] = 1;
    } else if (unknown > 0) {
        open_extents(imp, t, least);
        diag_note(
            imp->diag, loc,
            "%d of the %d dimensions have no value, their extents are taken from the input at "
            "run time, up to %s; --shape %s=%s sets them, as numbers or as ranges like 1..8",
            unknown, t->rank, ir_type_text(t, imp->arena), name, hint);
    }
    return true;
}

#define INPUT_ELEMS_MAX (INT64_C(1) << 40)

// Also bounds every extent beside one that is 0.
static bool dims_fit(const int64_t *dim, int rank)
{
    int64_t n = dims_elems(dim, rank);
    for (int i = 0; i < rank; i++)
        if (dim[i] > INPUT_ELEMS_MAX)
            return false;
    return n >= 0 && n <= INPUT_ELEMS_MAX;
}

static bool input_type(struct importer *imp, const Onnx__ValueInfoProto *vi, const char *name,
                       struct ir_type *t, int64_t *least)
{
    loc_id loc = interface_loc(imp, "graph input", name);
    const Onnx__TypeProto__Tensor *tt = vi->type ? vi->type->tensor_type : NULL;
    enum dtype dtype;
    if (importer_list_type(vi->type, t))
        return true;
    if (!tt)
        return diag_report(imp->diag, loc, DIAG_ONNX_TYPE,
                           "inputs are tensors, and sequences and optionals of them");
    if (!dtype_by_onnx(tt->elem_type, &dtype))
        return diag_report(imp->diag, loc, DIAG_ONNX_TYPE, "unknown element type %d",
                           tt->elem_type);
    struct onnx_shape_override *o = find_override(imp, name);
    if (!tt->shape && !o)
        return diag_report(imp->diag, loc, DIAG_ONNX_SYMBOLIC,
                           "the input has no shape; give it one with --shape %s=...", name);
    size_t rank = tt->shape ? tt->shape->n_dim : (size_t)o->rank;
    if (rank > IR_MAX_RANK)
        return diag_report(imp->diag, loc, DIAG_LIMIT, "rank %zu, at most %d is supported", rank,
                           IR_MAX_RANK);
    if (o && tt->shape && (size_t)o->rank != rank)
        return diag_report(imp->diag, loc, DIAG_ONNX_SHAPE,
                           "--shape gives %d dimensions, the model has %zu", o->rank, rank);
    *t = (struct ir_type){.known = true, .dtype = dtype, .rank = (int)rank};
    if (o)
        o->used = true;
    for (int i = 0; i < t->rank; i++)
        least[i] = o ? o->least[i] : -1;
    if (!tt->shape)
        memcpy(t->dim, o->dim, sizeof(t->dim));
    else if (!resolve_dims(imp, name, tt->shape, t, least, loc))
        return false;
    if (!dims_fit(t->dim, t->rank))
        return diag_report(imp->diag, loc, DIAG_LIMIT, "the input %s is too large",
                           ir_type_text(t, imp->arena));
    return true;
}

// t NULL: reported.
static bool import_initializer(struct importer *imp, const char *name, struct tensor *t, loc_id loc)
{
    struct ir_builder b = {.graph = imp->graph, .loc = loc, .diag = imp->diag};
    if (!t)
        return false;
    if (!dims_fit(t->dim, t->rank))
        return diag_report(imp->diag, loc, DIAG_LIMIT, "the initializer %s is too large",
                           tensor_type_text(t->dtype, t->dim, t->rank, imp->arena));
    return importer_define(imp, name, own_value(imp, name, irb_const(&b, t, name), &b)) ||
           diag_report(imp->diag, loc, DIAG_ONNX_VALUE, "the name is defined twice");
}

static bool import_initializers(struct importer *imp, const Onnx__GraphProto *g)
{
    bool ok = true;
    for (size_t i = 0; i < g->n_initializer; i++) {
        const Onnx__TensorProto *p = g->initializer[i];
        const char *name = p->name ? p->name : "";
        loc_id loc = interface_loc(imp, "initializer", name);
        struct tensor *t = tensor_from_proto(p, imp->base_dir, true, loc, imp->arena, imp->diag);
        ok &= import_initializer(imp, name, t, loc);
    }
    for (size_t i = 0; i < g->n_sparse_initializer; i++) {
        const Onnx__SparseTensorProto *p = g->sparse_initializer[i];
        const char *name = p->values && p->values->name ? p->values->name : "";
        loc_id loc = interface_loc(imp, "initializer", name);
        ok &= import_initializer(imp, name, importer_dense(imp, p, loc), loc);
    }
    return ok;
}

static struct onnx_fixed_input *find_fixed(const struct importer *imp, const char *name)
{
    for (size_t i = 0; imp->opt && i < imp->opt->num_fixed; i++)
        if (strcmp(imp->opt->fixed[i].name, name) == 0)
            return &imp->opt->fixed[i];
    return NULL;
}

// The declared type of a fixed input binds its value, as far as it goes.
static bool fixed_fits(struct importer *imp, const Onnx__ValueInfoProto *vi, const struct tensor *v,
                       loc_id loc)
{
    const Onnx__TypeProto__Tensor *tt = vi->type ? vi->type->tensor_type : NULL;
    const Onnx__TensorShapeProto *shape = tt ? tt->shape : NULL;
    enum dtype dtype;
    bool fits = tt && dtype_by_onnx(tt->elem_type, &dtype) && dtype == v->dtype &&
                (!shape || shape->n_dim == (size_t)v->rank);
    for (int i = 0; fits && shape && i < v->rank; i++)
        fits = !shape->dim[i]->has_dim_value || shape->dim[i]->dim_value <= 0 ||
               shape->dim[i]->dim_value == v->dim[i];
    return fits ||
           diag_report(imp->diag, loc, DIAG_TENSOR_MISMATCH,
                       "the value given for the input is %s, the model declares another type",
                       tensor_type_text(v->dtype, v->dim, v->rank, imp->arena));
}

static bool fix_input(struct importer *imp, const Onnx__ValueInfoProto *vi, const char *name,
                      struct onnx_fixed_input *f)
{
    struct ir_builder b = {
        .graph = imp->graph, .loc = interface_loc(imp, "graph input", name), .diag = imp->diag};
    f->used = true;
    if (!fixed_fits(imp, vi, f->value, b.loc))
        return false;
    struct ir_value *v = irb_const(&b, f->value, name);
    return v && (importer_define(imp, name, v) ||
                 diag_report(imp->diag, b.loc, DIAG_ONNX_VALUE, "the name is defined twice"));
}

static bool check_options_used(struct importer *imp)
{
    bool ok = true;
    for (size_t i = 0; imp->opt && i < imp->opt->num_shapes; i++)
        if (!imp->opt->shapes[i].used)
            ok = diag_report(imp->diag, LOC_NONE, DIAG_USAGE,
                             "--shape %s: %s has no such input or dimension parameter",
                             imp->opt->shapes[i].name, imp->path);
    for (size_t i = 0; imp->opt && i < imp->opt->num_fixed; i++)
        if (!imp->opt->fixed[i].used)
            ok = diag_report(imp->diag, LOC_NONE, DIAG_USAGE, "--fix %s: %s has no such input",
                             imp->opt->fixed[i].name, imp->path);
    return ok;
}

// The symbol of a dimension's parameter: the extent of the first input that has it.
static struct param *find_param(struct importer *imp, const char *name)
{
    for (size_t i = 0; name && *name && i < imp->num_params; i++)
        if (strcmp(imp->params[i].name, name) == 0)
            return &imp->params[i];
    return NULL;
}

static void add_param(struct importer *imp, const char *name, struct ir_value *extent)
{
    if (!name || !*name)
        return;
    imp->params = arena_grow(imp->arena, imp->params, imp->num_params, imp->num_params + 1,
                             sizeof(*imp->params), &imp->cap_params);
    imp->params[imp->num_params++] = (struct param){name, extent};
}

// The input as the graph sees it: with a symbol for every extent known only at run time. Dimensions
// of one parameter have one extent, which the program checks.
static struct ir_value *open_input(struct importer *imp, const Onnx__ValueInfoProto *vi,
                                   const char *name, const struct ir_type *t, const int64_t *least)
{
    struct ir_builder b = {
        .graph = imp->graph, .loc = interface_loc(imp, "graph input", name), .diag = imp->diag};
    struct ir_value *input = ir_graph_add_input(imp->graph, name, t), *v = input;
    const Onnx__TensorShapeProto *shape = vi->type->tensor_type->shape;
    for (int i = 0; i < t->rank; i++) {
        if (least[i] < 0)
            continue;
        struct ir_value *n = irb_input_extent(&b, input, i);
        struct ir_value *low = irb_const_like(&b, DT_I64, (double)least[i]);
        if (least[i] > 0)
            irb_check(&b, irb_binary(&b, BFN_le, low, n),
                      arena_printf(imp->arena, "dimension %d of input '%s' is below %lld", i, name,
                                   (long long)least[i]));
        const char *param = shape ? shape->dim[i]->dim_param : NULL;
        struct param *known = find_param(imp, param);
        if (known)
            irb_check(&b, irb_binary(&b, BFN_eq, known->extent, n),
                      arena_printf(imp->arena,
                                   "dimension %d of input '%s' is not the '%s' of others", i, name,
                                   param));
        else
            add_param(imp, param, n);
        v = irb_extent(&b, v, known ? known->extent : n, i);
    }
    return v;
}

static bool add_input(struct importer *imp, const Onnx__ValueInfoProto *vi, const char *name,
                      const struct ir_type *t, const int64_t *least)
{
    bool is_tensor = vi->type && vi->type->tensor_type;
    struct ir_value *v =
        is_tensor ? open_input(imp, vi, name, t, least) : ir_graph_add_input(imp->graph, name, t);
    if (!importer_define(imp, name, v))
        return diag_report(imp->diag, interface_loc(imp, "graph input", name), DIAG_ONNX_VALUE,
                           "the name is defined twice");
    importer_list_input(imp, v, vi->type);
    return true;
}

static bool import_inputs(struct importer *imp, const Onnx__GraphProto *g)
{
    bool ok = true;
    for (size_t i = 0; i < g->n_input; i++) {
        const char *name = g->input[i]->name ? g->input[i]->name : "";
        struct ir_type t;
        int64_t least[IR_MAX_RANK];
        struct onnx_fixed_input *fixed = find_fixed(imp, name);
        struct ir_value *taken = importer_find(imp, name);
        if (taken && taken->def && !fixed)
            continue; // an initializer that old models list as an input too
        if (fixed)
            ok = fix_input(imp, g->input[i], name, fixed) && ok;
        else if (!input_type(imp, g->input[i], name, &t, least))
            ok = false;
        else
            ok = add_input(imp, g->input[i], name, &t, least) && ok;
    }
    return check_options_used(imp) && ok;
}

static bool import_outputs(struct importer *imp, const Onnx__GraphProto *g)
{
    bool ok = true;
    for (size_t i = 0; i < g->n_output; i++) {
        const char *name = g->output[i]->name ? g->output[i]->name : "";
        struct ir_value *v = importer_find(imp, name);
        if (v)
            ir_graph_add_output(imp->graph, v, name);
        else
            ok = diag_report(imp->diag, interface_loc(imp, "graph output", name), DIAG_ONNX_VALUE,
                             "no node gives the tensor");
    }
    return ok;
}

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
    if (!(v = own_value(n->imp, name, v, &n->b)))
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
    bool ok = import_initializers(imp, g);
    for (size_t i = 0; i < g->n_input; i++)
        if (!importer_define(imp, g->input[i]->name ? g->input[i]->name : "", in[i]))
            ok = diag_report(imp->diag, interface_loc(imp, "body input", g->input[i]->name),
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
    imp->scope = &inner;
    bool ok = body_names(imp, g, in) && importer_nodes(imp, g->node, g->n_node, -1);
    for (size_t i = 0; ok && i < g->n_output; i++) {
        const char *name = g->output[i]->name ? g->output[i]->name : "";
        out[i] = importer_find(imp, name);
        if (!out[i])
            ok = diag_report(imp->diag, interface_loc(imp, "body output", name), DIAG_ONNX_VALUE,
                             "no node gives the tensor");
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

struct ir_module *onnx_import(const char *path, const struct onnx_import_options *o,
                              struct io_map *map, struct arena *a, struct loc_table *locs,
                              struct diag *d)
{
    struct import_scope scope = {0};
    struct importer imp = {.arena = a,
                           .diag = d,
                           .locs = locs,
                           .path = path,
                           .base_dir = dir_of(path, a),
                           .opt = o,
                           .scope = &scope};
    if (!load_model(&imp, map))
        return NULL;
    scope.opsets = imp.model->opset_import;
    scope.num_opsets = imp.model->n_opset_import;
    if (!check_versions(&imp))
        return NULL;
    const Onnx__GraphProto *g = imp.model->graph;
    importer_find_independent(&imp, g->node, g->n_node);
    imp.module = ir_module_create(a);
    imp.module->locs = locs;
    imp.module->source = arena_strdup(a, path);
    imp.graph = imp.module->main = ir_graph_create(imp.module, "main");
    bool ok = import_initializers(&imp, g);
    ok = import_inputs(&imp, g) && ok;
    if (!ok || !importer_nodes(&imp, g->node, g->n_node, -1) || !import_outputs(&imp, g))
        return NULL;
    io_map_release(map);
    imp.module->level = IR_L_IMPORTED;
    return imp.module;
}

// The interface of the graph: inputs and their extents, initialisers, outputs.
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "importer.h"

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

loc_id importer_interface(struct importer *imp, const char *kind, const char *name)
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
// A batch alone multiplies all of the model's memory and instructions.
#define OPEN_BATCH_MAX 16
#define OPEN_BATCH_ELEMS_MAX (INT64_C(1) << 20)

// Bounds for the extents that have no value: all the same, and not so large that the input would
// be very large.
static void open_extents(const struct importer *imp, struct ir_type *t, int64_t *least,
                         int64_t most, int64_t most_elems)
{
    int64_t given = imp->opt ? imp->opt->max_dim : 0;
    for (int i = 0; i < t->rank; i++)
        least[i] = t->dim[i] < 0 ? 0 : least[i];
    for (int64_t bound = given ? given : most;; bound /= 2) {
        for (int i = 0; i < t->rank; i++)
            t->dim[i] = least[i] == 0 ? bound : t->dim[i];
        int64_t elems = dims_elems(t->dim, t->rank);
        if (given || bound <= 1 || (elems >= 0 && elems <= most_elems))
            return;
    }
}

// Whether the first dimension alone has no value.
static bool is_lone_batch(const struct importer *imp, const struct ir_type *t, int unknown)
{
    return unknown == 1 && t->dim[0] < 0 && t->rank > 1 && (!imp->opt || imp->opt->max_dim == 0);
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
    bool batch = is_lone_batch(imp, t, unknown);
    if (batch && imp->closed_batch) {
        diag_note(imp->diag, loc,
                  "the batch is symbolic; operators of the model need it when compiling, 1 is "
                  "assumed; --shape %s=%s sets it",
                  name, hint);
        t->dim[0] = 1;
    } else if (unknown > 0) {
        open_extents(imp, t, least, batch ? OPEN_BATCH_MAX : OPEN_DIM_MAX,
                     batch ? OPEN_BATCH_ELEMS_MAX : OPEN_ELEMS_MAX);
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
    loc_id loc = importer_interface(imp, "graph input", name);
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
    return importer_define(imp, name, importer_own(imp, name, irb_const(&b, t, name), &b)) ||
           diag_report(imp->diag, loc, DIAG_ONNX_VALUE, "the name is defined twice");
}

bool importer_initializers(struct importer *imp, const Onnx__GraphProto *g)
{
    bool ok = true;
    for (size_t i = 0; i < g->n_initializer; i++) {
        const Onnx__TensorProto *p = g->initializer[i];
        const char *name = p->name ? p->name : "";
        loc_id loc = importer_interface(imp, "initializer", name);
        struct tensor *t = tensor_from_proto(p, imp->base_dir, true, loc, imp->arena, imp->diag);
        ok &= import_initializer(imp, name, t, loc);
    }
    for (size_t i = 0; i < g->n_sparse_initializer; i++) {
        const Onnx__SparseTensorProto *p = g->sparse_initializer[i];
        const char *name = p->values && p->values->name ? p->values->name : "";
        loc_id loc = importer_interface(imp, "initializer", name);
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
    struct ir_builder b = {.graph = imp->graph,
                           .loc = importer_interface(imp, "graph input", name),
                           .diag = imp->diag};
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
    struct ir_builder b = {.graph = imp->graph,
                           .loc = importer_interface(imp, "graph input", name),
                           .diag = imp->diag};
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
        return diag_report(imp->diag, importer_interface(imp, "graph input", name), DIAG_ONNX_VALUE,
                           "the name is defined twice");
    importer_list_input(imp, v, vi->type);
    return true;
}

bool importer_inputs(struct importer *imp, const Onnx__GraphProto *g)
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

bool importer_outputs(struct importer *imp, const Onnx__GraphProto *g)
{
    bool ok = true;
    for (size_t i = 0; i < g->n_output; i++) {
        const char *name = g->output[i]->name ? g->output[i]->name : "";
        struct ir_value *v = importer_find(imp, name);
        if (v)
            ir_graph_add_output(imp->graph, v, name);
        else
            ok = diag_report(imp->diag, importer_interface(imp, "graph output", name),
                             DIAG_ONNX_VALUE, "no node gives the tensor");
    }
    return ok;
}

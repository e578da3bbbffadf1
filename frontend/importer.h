// The importer's state: names of the graph being imported. Private to frontend/.
#ifndef BITLET_IMPORTER_H
#define BITLET_IMPORTER_H

#include "import.h"
#include "import_node.h"
#include "onnx.pb-c.h"

struct name_slot {
    const char *name;
    struct ir_value *value;
};
struct param { // a dimension parameter and its extent at run time
    const char *name;
    struct ir_value *extent;
};
// A namespace of tensors: the main graph's, or that of a function's body while a call is inlined.
struct import_scope {
    struct name_slot *slots; // open addressing, a power of two
    size_t num_slots, num_names;
    const struct import_scope *outer; // of the graph around a body
    const Onnx__GraphProto *graph;    // whose value_info holds; NULL: a function's body
    Onnx__OperatorSetIdProto **opsets;
    size_t num_opsets;
    const Onnx__FunctionProto *function; // NULL: the main graph
    const struct import_node *call;      // the node that calls it
    const struct import_scope *caller;
    const char *const *independent; // tensors that a Gradient node differentiates by or holds
    size_t num_independent;
};
// What is known of the elements of a sequence or optional: extents -1, or type.known false, where
// nothing is. inner: of the elements of its elements.
struct importer_elem {
    const struct ir_value *value;
    struct ir_type type, inner;
    bool has_inner;
};
struct importer {
    struct arena *arena;
    struct diag *diag;
    struct loc_table *locs;
    const char *path, *base_dir;
    const struct onnx_import_options *opt;
    const Onnx__ModelProto *model;
    struct ir_module *module;
    struct ir_graph *graph;
    int opset; // of the default domain in the model, 0: none is imported
    struct import_scope *scope;
    bool closed_batch; // a symbolic batch alone is 1
    size_t inlined;    // nodes of functions imported so far, bounded
    struct param *params;
    size_t num_params, cap_params;
    struct importer_elem *elems;
    size_t num_elems, cap_elems;
};

// ---- import_host.c
// False: no shape, or more dimensions than are handled. Unknown extents are -1.
bool importer_tensor_type(const Onnx__TypeProto__Tensor *tt, struct ir_type *out);
// ---- import_elems.c, import_sequence.c
void importer_set_elem(struct importer *imp, const struct ir_value *v, const struct ir_type *t);
struct ir_type importer_elem(const struct importer *imp, const struct ir_value *v);
// What is known of elements that are of one of two sequences (known when compiling to be empty: of
// the other).
struct ir_type importer_join_elems(const struct importer *imp, const struct ir_value *a,
                                   const struct ir_value *b);
struct ir_type importer_inner(const struct importer *imp, const struct ir_value *v);
// The IR type of a sequence or optional of tensors or of such; false: p is something else.
bool importer_list_type(const Onnx__TypeProto *p, struct ir_type *t);
// Notes the element type of a graph input of that type.
void importer_list_input(struct importer *imp, const struct ir_value *v, const Onnx__TypeProto *p);

// ---- import_plugin.c
struct import_node;
bool importer_has_plugin(const struct import_node *n); // a loaded plugin has the node's operator
bool importer_plugin_node(struct import_node *n);      // its operands are looked up

// ---- import_scope.c
// The value of a tensor name, of the graph at hand or one around it, or NULL.
struct ir_value *importer_find(const struct importer *imp, const char *name);
// Whether the name is defined; *v is NULL for an operand that the caller of a function left out.
bool importer_lookup(const struct importer *imp, const char *name, struct ir_value **v);
// False when the name is taken.
bool importer_define(struct importer *imp, const char *name, struct ir_value *v);
// Opset of a domain ("" or "ai.onnx": the default one) in the present scope; 0: none is imported.
int64_t importer_opset(const struct importer *imp, const char *domain);
// Notes in the present scope which tensors the Gradient nodes among these name.
void importer_find_independent(struct importer *imp, Onnx__NodeProto *const *nodes, size_t num);
// A tensor to differentiate by is a value of its own: no other name for the operand it copies, and
// no constant that bodies look into. Others are v itself; NULL passes through.
struct ir_value *importer_own(struct importer *imp, const char *name, struct ir_value *v,
                              struct ir_builder *b);

// ---- import_inputs.c
// Where a tensor of the interface is declared; kind: what it is to the graph.
loc_id importer_interface(struct importer *imp, const char *kind, const char *name);
bool importer_initializers(struct importer *imp, const Onnx__GraphProto *g);
// After the initialisers, which old models list as inputs too.
bool importer_inputs(struct importer *imp, const Onnx__GraphProto *g);
bool importer_outputs(struct importer *imp, const Onnx__GraphProto *g);

// ---- import.c
// Every node in order; what depends on a failed one is passed over. index: of the node all of them
// stand for, or -1: each has its own.
bool importer_nodes(struct importer *imp, Onnx__NodeProto *const *nodes, size_t num, int index);

// ---- import_sparse.c: the dense tensor of a sparse one; NULL: reported.
struct tensor *importer_dense(struct importer *imp, const Onnx__SparseTensorProto *p, loc_id loc);

// ---- import_function.c: functions of the model, inlined at their calls.
const Onnx__FunctionProto *importer_function(const struct importer *imp, const Onnx__NodeProto *p);
bool importer_call(struct importer *imp, struct import_node *n, const Onnx__FunctionProto *f);
// The node with attributes that name those of the enclosing function replaced by the values; the
// node itself outside of functions.
const Onnx__NodeProto *importer_resolve(struct importer *imp, const Onnx__NodeProto *p);
// Imports the nodes of a body where the graph stands now. in: values of its inputs; out: of its
// outputs.
bool importer_body(struct importer *imp, const Onnx__GraphProto *g, struct ir_value *const *in,
                   struct ir_value **out);

#endif

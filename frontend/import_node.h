// What the body of an operator (import_<Body>) sees of its node, and what it does with it. Private
// to frontend/.
//
// A body reads attributes and operand types, checks shapes, builds IR ops with n->b (the irb_*
// calls of ir.h; their location is the node) and binds every named output with node_bind. It
// returns false when something was reported. It does no arithmetic on weights.
#ifndef BITLET_IMPORT_NODE_H
#define BITLET_IMPORT_NODE_H

#include "eval.h"
#include "ir.h"
#include "onnx_table.h"

struct importer; // import.c
struct Onnx__NodeProto;

struct import_node {
    struct importer *imp;
    const struct Onnx__NodeProto *proto;
    const struct onnx_domain *domain;
    const struct onnx_op *row;
    int opset; // of the domain
    loc_id loc;
    struct diag *diag;
    struct arena *arena; // the module's
    struct ir_builder b;
    struct ir_value **in; // NULL: absent optional operand; the arity is checked
    int num_in;
    int num_out; // output slots of the node, unnamed ones included
};

// Binds output slot i (also the IR value's name). v NULL: an error was reported; returns false
// then.
bool node_bind(struct import_node *n, int i, struct ir_value *v);
bool node_has_output(const struct import_node *n, int i); // the slot exists and is named
// Operand i, or NULL when absent or past the end.
static inline struct ir_value *node_in(const struct import_node *n, int i)
{
    return i < n->num_in ? n->in[i] : NULL;
}
const char *node_input_name(const struct import_node *n, int i); // "" when absent

// Attributes, with the default when absent. Kinds are checked against the table before the body
// runs.
int node_attr_kind(const struct import_node *n,
                   const char *name); // enum onnx_attr_kind; -1: absent
bool node_has_attr(const struct import_node *n, const char *name);
int64_t node_int(const struct import_node *n, const char *name, int64_t dflt);
double node_float(const struct import_node *n, const char *name, double dflt);
const char *node_str(const struct import_node *n, const char *name,
                     const char *dflt); // NUL-terminated copy
const int64_t *node_ints(const struct import_node *n, const char *name,
                         int *count); // NULL, 0 when absent
const double *node_floats(const struct import_node *n, const char *name, int *count);    // copies
const char *const *node_strs(const struct import_node *n, const char *name, int *count); // copies
const struct tensor *node_tensor(const struct import_node *n,
                                 const char *name); // NULL: absent or reported
const struct tensor *node_sparse(const struct import_node *n, const char *name); // likewise, dense

// The data of operand i if it follows from constants, else NULL and nothing is reported.
const struct tensor *node_known(struct import_node *n, int i);
// Reports onnx-dynamic: operand i must be known when compiling; returns false.
bool node_report_dynamic(struct import_node *n, int i);
// The data of operand i, which must be known when compiling (shape operands). Reports onnx-dynamic
// and gives NULL otherwise.
const struct tensor *node_const(struct import_node *n, int i);
// The same as integers (i32 or i64 tensor of rank 0 or 1); *count elements.
const int64_t *node_const_ints(struct import_node *n, int i, int *count);
// An axis in [-rank, rank) made non-negative; reports onnx-attr.
bool node_axis(struct import_node *n, int64_t axis, int rank, int64_t *out);

// Reports at the node; returns false.
bool node_error(struct import_node *n, enum diag_id id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif

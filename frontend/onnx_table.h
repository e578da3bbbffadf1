// The operators of ONNX that the importer knows, expanded from one table a domain (onnx_ops.def,
// onnx_ml_ops.def, onnx_preview_ops.def, onnx_training_ops.def) and onnx_old_ops.def, the default
// domain's before opset 7.
#ifndef BITLET_ONNX_TABLE_H
#define BITLET_ONNX_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum onnx_attr_kind {
    ONNX_INT = 2,
    ONNX_FLOAT = 1,
    ONNX_STRING = 3,
    ONNX_TENSOR = 4,
    ONNX_GRAPH = 5,
    ONNX_FLOATS = 6,
    ONNX_INTS = 7,
    ONNX_STRINGS = 8,
    ONNX_SPARSE_TENSOR = 11,
    ONNX_TYPE = 13
}; // as AttributeProto.AttributeType

struct import_node;
// The bodies, one per name in a table's body column.
#define ONNX_OP(name, since, until, in_min, in_max, out_min, out_max, body, doc)                   \
    bool import_##body(struct import_node *n);
#include "onnx_ops.def"
#define ONNX_OP(name, since, until, in_min, in_max, out_min, out_max, body, doc)                   \
    bool import_##body(struct import_node *n);
#include "onnx_old_ops.def"
#define ONNX_OP(name, since, until, in_min, in_max, out_min, out_max, body, doc)                   \
    bool import_##body(struct import_node *n);
#include "onnx_ml_ops.def"
#define ONNX_OP(name, since, until, in_min, in_max, out_min, out_max, body, doc)                   \
    bool import_##body(struct import_node *n);
#include "onnx_preview_ops.def"
#define ONNX_OP(name, since, until, in_min, in_max, out_min, out_max, body, doc)                   \
    bool import_##body(struct import_node *n);
#include "onnx_training_ops.def"

struct onnx_op { // one operator over a range of opsets
    const char *name;
    int since, until;                     // [since, until); until 0: to the newest
    int in_min, in_max, out_min, out_max; // max -1: any number
    bool (*import)(struct import_node *n);
    const char *doc;
};
struct onnx_attr {
    const char *op;
    int since, until;
    const char *name;
    enum onnx_attr_kind kind;
    bool required;
    const char *dflt; // the default, in words
};
struct onnx_domain {
    const char *name; // "" for the default domain
    int newest;       // opsets 1 to newest are known
    const struct onnx_op *ops;
    size_t num_ops;
    const struct onnx_attr *attrs;
    size_t num_attrs;
};
extern const struct onnx_domain onnx_domain[]; // the default domain first; tables of one domain
                                               // follow each other
extern const size_t onnx_domain_count;

// "" and "ai.onnx" name the default domain; NULL when the domain is not known. The first
// of its tables; onnx_domain_next gives the one after d, or NULL.
const struct onnx_domain *onnx_domain_find(const char *name);
const struct onnx_domain *onnx_domain_next(const struct onnx_domain *d);
// The row for an operator at an opset of its domain; NULL when there is none.
const struct onnx_op *onnx_op_find(const struct onnx_domain *d, const char *name, int opset);
// First and last opset of the operator; false when there is none of that name.
bool onnx_op_range(const struct onnx_domain *d, const char *name, int *first, int *last);
const struct onnx_attr *onnx_attr_find(const struct onnx_domain *d, const char *op, int opset,
                                       const char *name);

#endif

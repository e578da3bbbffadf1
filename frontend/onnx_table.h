// The operators of ONNX that the importer knows, expanded from onnx_ops.def.
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
    ONNX_STRINGS = 8
}; // as AttributeProto.AttributeType

struct import_node;
// The bodies, one per name in the table's body column.
#define ONNX_OP(name, since, until, in_min, in_max, out_min, out_max, body, doc)                   \
    bool import_##body(struct import_node *n);
#include "onnx_ops.def"

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
extern const struct onnx_op onnx_op[];
extern const size_t onnx_op_count;
extern const struct onnx_attr onnx_attr[];
extern const size_t onnx_attr_count;

// The row for an operator at an opset; NULL when there is none.
const struct onnx_op *onnx_op_find(const char *name, int opset);
// First and last opset of the operator; false when there is none of that name.
bool onnx_op_range(const char *name, int *first, int *last);
const struct onnx_attr *onnx_attr_find(const char *op, int opset, const char *name);

#endif

// Source locations. A loc is a 32-bit id into a table; every diagnostic and every IR op carries
// one, to the end.
#ifndef BITLET_LOC_H
#define BITLET_LOC_H

#include <stdint.h>

#include "arena.h"

typedef uint32_t loc_id; // 0: no location
#define LOC_NONE ((loc_id)0)

enum loc_kind { LOC_KIND_NONE, LOC_KIND_TEXT, LOC_KIND_NODE, LOC_KIND_FUSED };

struct loc {
    enum loc_kind kind;
    const char *file;   // TEXT: file; NODE: model file
    uint32_t line, col; // TEXT: 1-based; col 0 = unknown
    int32_t
        node_index; // NODE: index of the ONNX node in its graph, -1 for graph inputs and outputs
    const char *node_name; // NODE: may be "" ; never NULL
    const char *op_type;   // NODE: "Conv"; never NULL
    int32_t opset;         // NODE: opset of the node's domain; 0 unknown
    const char *tensor;    // NODE: the tensor the message is about, or NULL
    loc_id a, b;           // FUSED: both parts
};

struct loc_table;
struct loc_table *loc_table_create(struct arena *a); // lives in the arena
loc_id loc_text(struct loc_table *t, const char *file, uint32_t line, uint32_t col);
loc_id loc_node(struct loc_table *t, const char *file, int32_t index, const char *name,
                const char *op_type, int32_t opset);
// The same node, with the tensor a message is about.
loc_id loc_tensor(struct loc_table *t, loc_id node, const char *tensor);
loc_id loc_fused(struct loc_table *t, loc_id a, loc_id b);       // equal or missing parts collapse
const struct loc *loc_get(const struct loc_table *t, loc_id id); // never NULL
// "net.onnx: node 12 'conv1/Conv' (Conv, opset 11)", "a.bir:3:7", "" for none. A fused one reads as
// its first part.
const char *loc_describe(const struct loc_table *t, loc_id id, struct arena *scratch);
// The first NODE in a (fused) location, or LOC_NONE.
loc_id loc_primary_node(const struct loc_table *t, loc_id id);

#endif

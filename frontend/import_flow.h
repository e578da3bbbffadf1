// What If, Loop, Scan and SequenceMap share: bodies, and types that differ between branches or
// iterations. An extent is open when it is known only at run time because they differ in it; open
// extents of a value are a bit mask of dimensions, and travel beside the value through the markers.
// Private to frontend/.
#ifndef BITLET_IMPORT_FLOW_H
#define BITLET_IMPORT_FLOW_H

#include "import_extents.h"
#include "import_sequence.h"
#include "importer.h"

// The graph of an attribute, or NULL.
const Onnx__GraphProto *flow_graph(const struct import_node *n, const char *name);
// Reports onnx-dynamic when two values that must be of one type are not: `what`, number i.
bool flow_same_types(struct import_node *n, const struct ir_value *a, const struct ir_value *b,
                     const char *what, int i);
// A value of one element as a scalar; NULL passes through.
struct ir_value *flow_scalar(struct import_node *n, struct ir_value *v, const char *what);
// The value of a scalar if it is known when compiling.
bool flow_known(struct import_node *n, struct ir_value *v, int64_t *out);
// Binds all outputs of the node.
bool flow_bind(struct import_node *n, struct ir_value *const *v);
// Erases what was built after `last`, which ended the graph.
void flow_erase_after(struct import_node *n, const struct ir_op *last);

// Joins b into *t; the dimensions in which they differ are added to *open, their bounds are the
// larger ones. begin: the marker behind which extents are of the region alone. False: rank or
// element type differ.
bool flow_join_types(struct ir_type *t, const struct ir_type *b, const struct ir_op *begin,
                     uint32_t *open);
// Takes the symbols of open extents from the type: what is left are bounds.
void flow_forget_open(struct ir_type *t, uint32_t open);
// v in the room of type t, with its open extents behind it in out; gives how many values that are,
// 0 when an error was reported.
int flow_with_extents(struct import_node *n, struct ir_value *v, const struct ir_type *t,
                      uint32_t open, struct ir_value **out);
// The value whose extents follow it in v; *used: how many values those are.
struct ir_value *flow_take_extents(struct import_node *n, struct ir_value *const *v, uint32_t open,
                                   int *used);

#endif

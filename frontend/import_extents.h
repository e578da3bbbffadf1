// Extents known only at run time: those of graph inputs, and those that operands give. Private to
// frontend/.
#ifndef BITLET_IMPORT_EXTENTS_H
#define BITLET_IMPORT_EXTENTS_H

#include "import_host.h"
#include "import_operand.h"

// Whether the body of the node's operator takes operands of such extents; reports onnx-dynamic.
bool node_takes_extents(struct import_node *n);
// Element i of an i64 vector: a constant (*known), or a scalar, which is a symbol itself where the
// vector was made of symbols.
struct ir_value *node_shape_element(struct import_node *n, struct ir_value *v, int64_t i,
                                    int64_t *known);
// The extents that operand i, a vector, gives: those known become dim, the others symbols. Numbers
// below 0 stay as they are. bound: of the extents not known; they are checked to lie in 0..bound.
// 0: the bound that is assumed where nothing is said (--max-dim).
bool node_shape_operand(struct import_node *n, int i, int64_t bound, struct ir_type *t);
// --max-dim, or its default.
int64_t node_assumed_bound(const struct import_node *n);
// Sets the extents that are assumed to bounds: --max-dim, less where the whole would be very large.
void node_assume_bounds(const struct import_node *n, struct ir_type *t, const bool *assumed);
// A host call that gives result 0 in the room of `t`, whose extents of -1 are known only at run
// time (bounds: declared, else assumed), and its extents; the value with those extents.
struct ir_value *node_host_within(struct import_node *n, const char *kernel,
                                  const struct host_args *args, struct ir_type t);
// The room for a result whose extents follow from data.
struct node_room {
    struct ir_type type; // with bounds
    uint32_t open;       // dimensions that follow from data, a bit mask
    uint32_t assumed;    // those among them whose bound is an assumption
    bool declared;       // the model declares all of them
};
// That of output slot i, of type t with -1 where an extent is open: declared, else at most `most`,
// else (most < 0) what --max-dim allows.
bool node_make_room(struct import_node *n, int i, const struct ir_type *t, int64_t most,
                    struct node_room *room);
// What a kernel wrote into the room, with the extents it tells: real holds one for each open
// dimension, in order. The program stops when declared ones are others, or bounds are too small.
struct ir_value *node_in_room(struct import_node *n, const struct node_room *room,
                              struct ir_value *v, struct ir_value *real, const char *what);
// v, an i64 scalar, plus a constant.
struct ir_value *node_plus(struct import_node *n, struct ir_value *v, int64_t c);
// Operands one after the other along axis, where their extents may be known only at run time.
struct ir_value *node_concat(struct import_node *n, struct ir_value *const *x, int num, int axis);
// Reshape, where the operand or the result has such an extent.
bool extents_reshape(struct import_node *n);
// Extents as i64 vector; from and to are dimensions.
struct ir_value *node_extents(struct import_node *n, const struct ir_value *x, int from, int to);
// 0, 1, .. along a dimension of x.
struct ir_value *node_positions(struct import_node *n, const struct ir_value *x, int axis);
// The number of elements over axes, as i64 scalar.
struct ir_value *node_count(struct import_node *n, const struct ir_value *x, const int64_t *axes,
                            int num);
// Expand, ConstantOfShape: x broadcast to what operand i says.
bool extents_broadcast(struct import_node *n, struct ir_value *x, int i);
// 0, 1, .. count - 1; count a scalar of at most bound.
struct ir_value *node_iota_to(struct import_node *n, struct ir_value *count, int64_t bound);

#endif

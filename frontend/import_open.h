// Operators whose result's extents follow from operands known only at run time, and are declared
// nowhere. Each is called by the importer of the operator that it is named after. Private to
// frontend/.
#ifndef BITLET_IMPORT_OPEN_H
#define BITLET_IMPORT_OPEN_H

#include "import_extents.h"

bool open_reshape(struct import_node *n);
// Operand 0 of these two has extents known when compiling.
bool open_tile(struct import_node *n);
// axes: to which the extents of operand 1 belong.
bool open_center_crop_pad(struct import_node *n, const int64_t *axes, int num);
bool open_squeeze(struct import_node *n);
bool open_unsqueeze(struct import_node *n);
bool open_split(struct import_node *n, int axis);

// Operand i, one integer, as an extent: an i64 scalar, checked to be low .. *bound (--max-dim).
struct ir_value *open_extent(struct import_node *n, int i, int64_t low, int64_t *bound);
// Whether operand i names each dimension of a tensor of that rank: a bool vector. Checks the axes.
struct ir_value *open_named_axes(struct import_node *n, int i, int rank);
// x, in the room of operand 0 (1 where that is empty), of which `named` dimensions, reduced to what
// is at index 0, are left with extent 1 or taken out; num: how many there are.
struct ir_value *open_reduced(struct import_node *n, struct ir_value *x, struct ir_value *named,
                              int num, bool keep);

#endif

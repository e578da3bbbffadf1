// Importers of movement operators whose operands are known only at run time, the result's extents
// being declared by the model. Each is called by the importer of the operator that it is named
// after, which has found that some operand is not known. Private to frontend/.
#ifndef BITLET_IMPORT_RUNTIME_H
#define BITLET_IMPORT_RUNTIME_H

#include "import_operand.h"

// Whether the model declares as much as is needed.
bool runtime_reshape_fits(struct import_node *n);
bool runtime_split_fits(struct import_node *n, int64_t axis);
bool runtime_reshape(struct import_node *n);
bool runtime_squeeze(struct import_node *n);
bool runtime_unsqueeze(struct import_node *n);
bool runtime_expand(struct import_node *n);
bool runtime_tile(struct import_node *n);
bool runtime_slice(struct import_node *n);
// Elements start, start + step .. before end along an axis whose extent is known only at run time.
struct ir_value *runtime_slice_by(struct import_node *n, struct ir_value *x, int axis,
                                  int64_t start, int64_t end, int64_t step);
// x with constant pads along an axis whose extent is known only at run time; `fill` as in
// runtime_pad.
struct ir_value *runtime_pad_by(struct import_node *n, struct ir_value *x, int axis, int64_t before,
                                int64_t after, const char *mode, struct ir_value *fill);
bool runtime_range(struct import_node *n);
// Extents of the parts of a Split along axis.
const int64_t *runtime_split_sizes(struct import_node *n, int64_t axis, int *count);
// ConstantOfShape: the declared extents, checked.
const int64_t *runtime_shape(struct import_node *n, int *rank);
// value: what is added in mode constant, a scalar of x's type.
bool runtime_pad(struct import_node *n, struct ir_value *value);

#endif

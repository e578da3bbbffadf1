// Shared by the files that import ai.onnx.ml. Private to frontend/.
#ifndef BITLET_IMPORT_ML_H
#define BITLET_IMPORT_ML_H

#include "import_util.h"

// Constants from attribute data.
struct ir_value *ml_floats(struct import_node *n, const double *v, const int64_t *dim, int rank,
                           enum dtype t);
struct ir_value *ml_ints(struct import_node *n, const int64_t *v, int num);
// Operand 0 as [N, C] of type t: a vector is one row. NULL: another rank (reported).
struct ir_value *ml_features(struct import_node *n, enum dtype t);
// Scores [N, E] after the node's post_transform by its name.
struct ir_value *ml_post_transform(struct import_node *n, struct ir_value *scores,
                                   const char *name);
// The label of each index: from the integers or the strings, one of which is NULL.
struct ir_value *ml_labels(struct import_node *n, struct ir_value *index, const int64_t *ints,
                           const char *const *strings, int num);
// An operator on maps, which no tensor can hold: how to do without it. NULL: op is none.
const char *ml_without_map(const char *op);

#endif

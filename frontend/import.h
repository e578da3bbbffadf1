// ONNX import: a model file becomes an IR module at level IMPORTED.
#ifndef BITLET_IMPORT_H
#define BITLET_IMPORT_H

#include "io.h"
#include "ir.h"

// Lowest and highest versions that are read.
#define ONNX_IR_VERSION_MIN 3
#define ONNX_IR_VERSION_MAX 13
#define ONNX_OPSET_MIN 1
#define ONNX_OPSET_MAX 27
#define ONNX_ML_OPSET_MAX 5       // of domain ai.onnx.ml
#define ONNX_PREVIEW_OPSET_MAX 1  // of domain ai.onnx.preview
#define ONNX_TRAINING_OPSET_MAX 1 // of domain ai.onnx.preview.training

struct onnx_shape_override { // --shape NAME=1x3x224x224: NAME an input, or a dimension's parameter
                             // (then rank 1)
    const char *name;
    int64_t dim[IR_MAX_RANK];
    int64_t least[IR_MAX_RANK]; // -1, or the extent is known only at run time: least..dim
    int rank;
    bool used;
};
struct onnx_fixed_input { // a graph input that becomes a constant: shape operands, mostly
    const char *name;
    const struct tensor *value; // outlives the module
    bool used;
};
struct onnx_import_options {
    struct onnx_shape_override *shapes;
    size_t num_shapes;
    struct onnx_fixed_input *fixed;
    size_t num_fixed;
    int64_t max_dim; // bound of extents known only at run time that nothing else bounds; 0: default
};
// "NAME=1x3x224x224", or "NAME=1..8x3x224x224"; reports usage.
BITLET_MUST_USE bool onnx_parse_shape(const char *text, struct onnx_shape_override *out,
                                      struct arena *a, struct diag *d);

// The module lives in arena a. Weights are borrowed from *map, the mapped file, which must outlive
// the module. NULL: errors were reported (as many as were found).
BITLET_MUST_USE struct ir_module *onnx_import(const char *path, const struct onnx_import_options *o,
                                              struct io_map *map, struct arena *a,
                                              struct loc_table *locs, struct diag *d);

#endif

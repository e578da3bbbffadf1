// A model text, imported; what was reported is kept. Files are written to the working directory.
#ifndef BITLET_TEST_IMPORT_RIG_H
#define BITLET_TEST_IMPORT_RIG_H

#include "import.h"
#include "onnx_text.h"

struct import_rig {
    struct arena *arena;
    struct loc_table *locs;
    struct diag *diag;
    struct io_map map;
    struct ir_module *module; // NULL: refused
    enum diag_id first;       // of the errors
    const char *text;         // all messages, a line each
    int errors;
};
// options may be NULL.
void rig_import_bytes(struct import_rig *r, struct onnx_bytes b,
                      const struct onnx_import_options *o);
void rig_import_text(struct import_rig *r, const char *text, const struct onnx_import_options *o);
void rig_end(struct import_rig *r);
// The module's first output for inputs 1, 2, 3 .. ; NULL when evaluation fails.
const struct tensor *rig_evaluate(struct import_rig *r);
// "f32[2,2] 1 2 3 4"
const char *rig_tensor_text(struct import_rig *r, const struct tensor *t);

#endif

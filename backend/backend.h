// Instruction selection: an allocated IR module becomes an image. The only folder that sees both
// the IR and the ISA.
#ifndef BITLET_BACKEND_H
#define BITLET_BACKEND_H

#include "image.h"
#include "ir.h"

// The module must be ALLOCATED and tiled for `machine`. The image's memory lives in the arena; it
// borrows strings and lanes from the module. Reports and returns false when an op cannot be
// expressed (naming the ONNX node).
BITLET_MUST_USE bool backend_emit(const struct ir_module *m, const struct machine *machine,
                                  struct image *out, struct arena *a, struct diag *d);

#endif

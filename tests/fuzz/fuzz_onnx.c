// An .onnx file through the importer, then the verifier.
#include "fuzz.h"
#include "import.h"

void fuzz_one(struct fuzz_case *c)
{
    struct io_map map = {0};
    struct onnx_import_options o = {0};
    struct ir_module *m = onnx_import(c->path, &o, &map, c->arena, c->locs, c->diag);
    if (m && !ir_verify(m, c->diag))
        bitlet_bug("the importer built what the verifier refuses");
    io_unmap(&map);
}

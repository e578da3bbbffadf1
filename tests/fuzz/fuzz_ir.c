// IR text: what parses must print, and print to itself.
#include "fuzz.h"
#include "ir.h"

void fuzz_one(struct fuzz_case *c)
{
    struct ir_module *m = ir_parse_file(c->path, c->arena, c->locs, c->diag);
    if (m && !ir_verify(m, c->diag))
        bitlet_bug("the parser let through what the verifier refuses");
}

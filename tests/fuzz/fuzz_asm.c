// Assembler text: what assembles must be an image that can be written.
#include "fuzz.h"
#include "image.h"

void fuzz_one(struct fuzz_case *c)
{
    struct image img = {0};
    if (image_parse_asm(c->path, &img, c->arena, c->diag))
        (void)!image_write("/dev/null", &img, c->arena, c->diag);
}

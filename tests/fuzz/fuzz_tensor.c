// A tensor file (.pb, .npy, .npz).
#include "fuzz.h"
#include "tensor.h"

void fuzz_one(struct fuzz_case *c)
{
    struct tensor **all;
    size_t count;
    struct tensor *t = tensor_read(c->path, c->arena, c->diag);
    (void)t;
    (void)!tensor_read_npz(c->path, c->arena, &all, &count, c->diag);
}

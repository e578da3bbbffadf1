// Types: element type and extents.
#include "ir.h"

#include <string.h>

int64_t ir_type_elems(const struct ir_type *t)
{
    return dims_elems(t->dim, t->rank);
}

size_t ir_type_bytes(const struct ir_type *t)
{
    return (size_t)ir_type_elems(t) * dtype_bytes(t->dtype);
}

bool ir_type_equal(const struct ir_type *a, const struct ir_type *b)
{
    if (a->known != b->known)
        return false;
    if (!a->known)
        return true;
    return a->dtype == b->dtype && a->rank == b->rank &&
           memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) == 0;
}

struct ir_type ir_type_make(enum dtype t, const int64_t *dim, int rank)
{
    if (rank < 0 || rank > IR_MAX_RANK)
        bitlet_bug("a type of rank %d", rank);
    struct ir_type type = {.known = true, .dtype = t, .rank = rank};
    if (rank > 0)
        memcpy(type.dim, dim, (size_t)rank * sizeof *dim);
    return type;
}

const char *ir_type_text(const struct ir_type *t, struct arena *a)
{
    return t->known ? tensor_type_text(t->dtype, t->dim, t->rank, a) : "?";
}

bool ir_broadcast_dims(const struct ir_type *a, const struct ir_type *b, int64_t *dim, int *rank)
{
    int r = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 0; i < r; i++) {
        int ia = i - (r - a->rank), ib = i - (r - b->rank);
        int64_t da = ia >= 0 ? a->dim[ia] : 1, db = ib >= 0 ? b->dim[ib] : 1;
        if (da != db && da != 1 && db != 1)
            return false;
        dim[i] = da == 1 ? db : da;
    }
    *rank = r;
    return true;
}

enum dtype ir_int_storage(int bits)
{
    return bits <= 8 ? DT_I8 : bits <= 16 ? DT_I16 : DT_I32;
}

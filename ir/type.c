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
           memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) == 0 &&
           memcmp(a->sym, b->sym, (size_t)a->rank * sizeof *a->sym) == 0;
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
    if (!t->known || !ir_type_is_dynamic(t))
        return t->known ? tensor_type_text(t->dtype, t->dim, t->rank, a) : "?";
    const char *s = arena_printf(a, "%s[", dtype_text(t->dtype));
    for (int i = 0; i < t->rank; i++) {
        const char *sym = t->sym[i] ? arena_printf(a, "%%%s<=", t->sym[i]->name) : "";
        s = arena_printf(a, "%s%s%s%lld", s, i ? "," : "", sym, (long long)t->dim[i]);
    }
    return arena_printf(a, "%s]", s);
}

bool ir_type_is_dynamic(const struct ir_type *t)
{
    for (int i = 0; i < t->rank; i++)
        if (t->sym[i])
            return true;
    return false;
}

bool ir_op_is_dynamic(const struct ir_op *op)
{
    for (int i = 0; i < op->num_in; i++)
        if (op->in[i] && ir_type_is_dynamic(&op->in[i]->type))
            return true;
    for (int i = 0; i < op->num_out; i++)
        if (ir_type_is_dynamic(&op->out[i]->type))
            return true;
    return false;
}

// Dimensions up to the last one with a symbol.
static int dynamic_prefix(const struct ir_type *t)
{
    int n = t->rank;
    while (n > 0 && !t->sym[n - 1])
        n--;
    return n;
}

// Whether b lies in the room of a. Row-major neighbours stay neighbours when only the outermost
// extent is unknown on both sides, or when all dimensions up to the last unknown one are the same.
static bool same_layout(const struct ir_type *a, const struct ir_type *b)
{
    int na = dynamic_prefix(a), nb = dynamic_prefix(b);
    if (na <= 1 && nb <= 1)
        return ir_type_elems(b) <= ir_type_elems(a);
    return na == nb && memcmp(a->sym, b->sym, (size_t)na * sizeof *a->sym) == 0 &&
           memcmp(a->dim, b->dim, (size_t)na * sizeof *a->dim) == 0;
}

bool ir_op_is_alias(const struct ir_op *op)
{
    return (ir_op_info[op->op].traits & IR_T_ALIAS) != 0 &&
           (op->op != IR_OP_RESHAPE || same_layout(&op->in[0]->type, &op->out[0]->type));
}

bool ir_broadcast_types(const struct ir_type *a, const struct ir_type *b, struct ir_type *out)
{
    int r = a->rank > b->rank ? a->rank : b->rank;
    *out = (struct ir_type){.known = true, .dtype = a->dtype, .rank = r};
    for (int i = 0; i < r; i++) {
        int ia = i - (r - a->rank), ib = i - (r - b->rank);
        int64_t da = ia >= 0 ? a->dim[ia] : 1, db = ib >= 0 ? b->dim[ib] : 1;
        struct ir_value *sa = ia >= 0 ? a->sym[ia] : NULL, *sb = ib >= 0 ? b->sym[ib] : NULL;
        bool one_a = da == 1 && !sa, one_b = db == 1 && !sb;
        if (!one_a && !one_b && (sa != sb || (!sa && da != db)))
            return false;
        out->sym[i] = one_a ? sb : sa;
        out->dim[i] = one_a ? db : one_b || da < db ? da : db;
    }
    return true;
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

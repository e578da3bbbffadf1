// Sparse tensors of a file, which become dense constants.
#include <string.h>

#include "importer.h"

#define DENSE_MAX (INT64_C(1) << 26) // a small file must not ask for much memory

// The flat position of element k of the values; -1 when it lies outside.
static int64_t place_of(const struct tensor *indices, int64_t k, const struct tensor *y)
{
    int64_t flat = 0, elems = tensor_elems(y);
    if (indices->rank == 1) {
        flat = tensor_get_int(indices, k);
        return flat >= 0 && flat < elems ? flat : -1;
    }
    for (int d = 0; d < y->rank; d++) {
        int64_t i = tensor_get_int(indices, k * y->rank + d);
        if (i < 0 || i >= y->dim[d])
            return -1;
        flat = flat * y->dim[d] + i;
    }
    return flat;
}

static bool indices_fit(const struct tensor *values, const struct tensor *indices, int rank)
{
    bool one = values->rank == 1 && indices->dtype == DT_I64 &&
               (indices->rank == 1 || (indices->rank == 2 && indices->dim[1] == rank));
    return one && indices->dim[0] == values->dim[0];
}

static struct tensor *zeros(struct importer *imp, const Onnx__SparseTensorProto *p, enum dtype t)
{
    struct tensor *y = tensor_create(imp->arena, t, p->dims, (int)p->n_dims);
    for (int64_t i = 0; t == DT_STR && i < tensor_elems(y); i++)
        ((const char **)y->data)[i] = "";
    return y;
}

struct tensor *importer_dense(struct importer *imp, const Onnx__SparseTensorProto *p, loc_id loc)
{
    const struct tensor *values = NULL, *indices = NULL;
    int64_t elems = p->n_dims <= BITLET_MAX_RANK ? dims_elems(p->dims, (int)p->n_dims) : -1;
    if (elems < 0 || elems > DENSE_MAX) {
        diag_report(imp->diag, loc, DIAG_LIMIT,
                    "a sparse tensor of %zu dimensions is too large; at most %lld elements in %d "
                    "dimensions are handled",
                    p->n_dims, (long long)DENSE_MAX, BITLET_MAX_RANK);
        return NULL;
    }
    if (p->values && p->indices) {
        values = tensor_from_proto(p->values, imp->base_dir, true, loc, imp->arena, imp->diag);
        indices = tensor_from_proto(p->indices, imp->base_dir, true, loc, imp->arena, imp->diag);
    }
    if (!values || !indices || !indices_fit(values, indices, (int)p->n_dims)) {
        diag_report(imp->diag, loc, DIAG_ONNX_VALUE,
                    "a sparse tensor needs a vector of values, and for each of them an int64 index "
                    "or one for each of %zu dimensions",
                    p->n_dims);
        return NULL;
    }
    struct tensor *y = zeros(imp, p, values->dtype);
    size_t size = values->dim[0] > 0 ? tensor_bytes(values) / (size_t)values->dim[0] : 0;
    for (int64_t k = 0; k < values->dim[0]; k++) {
        int64_t at = place_of(indices, k, y);
        if (at < 0) {
            diag_report(imp->diag, loc, DIAG_ONNX_VALUE,
                        "the indices of value %lld lie outside of the sparse tensor", (long long)k);
            return NULL;
        }
        memcpy((char *)y->data + (size_t)at * size, (const char *)values->data + (size_t)k * size,
               size);
    }
    return y;
}

// NumPy's array format in memory; shared by the readers of .npy files and of .npz archives.
#ifndef BITLET_TENSOR_NPY_H
#define BITLET_TENSOR_NPY_H

#include "tensor.h"

bool tensor_looks_like_npy(const uint8_t *bytes, size_t len);
// The array, copied into `a`. NULL after a report.
BITLET_MUST_USE struct tensor *tensor_parse_npy(const uint8_t *bytes, size_t len, loc_id loc,
                                                struct arena *a, struct diag *d);

#endif

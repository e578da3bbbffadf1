// A tensor in host memory, and the files that hold one: ONNX TensorProto (.pb), NumPy (.npy, .npz).
//
// Elements are stored dense, row-major, one element per dtype_bytes() bytes (sub-byte types one to
// a byte). Strings: an array of `const char *` (DT_STR), each NUL-terminated, in the same arena.
#ifndef BITLET_TENSOR_H
#define BITLET_TENSOR_H

#include "diag.h"
#include "dtype.h"

#define BITLET_MAX_RANK 8

struct tensor {
    enum dtype dtype;
    int rank;
    int64_t dim[BITLET_MAX_RANK];
    void *data;       // tensor_bytes() bytes, or NULL when empty
    const char *name; // may be NULL
};

int64_t tensor_elems(const struct tensor *t);
size_t tensor_bytes(const struct tensor *t);
// Product of dims, or -1 when it overflows or a dim is negative.
int64_t dims_elems(const int64_t *dim, int rank);
// "f32[1,3,224,224]"
const char *tensor_type_text(enum dtype t, const int64_t *dim, int rank, struct arena *scratch);
struct tensor *tensor_create(struct arena *a, enum dtype t, const int64_t *dim,
                             int rank); // zeroed; NULL name

// A decoded ONNX TensorProto, whatever the generated struct; used by the frontend for initialisers
// too.
struct Onnx__TensorProto;
// External data is looked up beside base_dir (NULL: refused). Raw little-endian payloads are
// borrowed from the message (not copied) when `borrow` is set: the result then lives no longer than
// the message or the mapped file.
BITLET_MUST_USE struct tensor *tensor_from_proto(const struct Onnx__TensorProto *p,
                                                 const char *base_dir, bool borrow, loc_id loc,
                                                 struct arena *a, struct diag *d);

// Reads one tensor by the file's content (.pb, .npy). Reports tensor-format or io-read.
BITLET_MUST_USE struct tensor *tensor_read(const char *path, struct arena *a, struct diag *d);
// Reads all arrays of an .npz, in file order, named by their entries.
BITLET_MUST_USE bool tensor_read_npz(const char *path, struct arena *a, struct tensor ***out,
                                     size_t *count, struct diag *d);
BITLET_MUST_USE bool tensor_write_pb(const char *path, const struct tensor *t, struct diag *d);
BITLET_MUST_USE bool tensor_write_npy(const char *path, const struct tensor *t, struct diag *d);

// A seeded tensor: floats normal(0, 1) rounded to the type, integers uniform in the type's range
// clipped to +-127, bool uniform. The stream depends on the seed alone (splitmix64), not on the
// platform.
struct tensor *tensor_random(struct arena *a, enum dtype t, const int64_t *dim, int rank,
                             uint64_t seed);

// One element as a double / as an integer, and back; for reports and file conversion, not for
// execution.
double tensor_get_double(const struct tensor *t, int64_t i);
int64_t tensor_get_int(const struct tensor *t, int64_t i);

#endif

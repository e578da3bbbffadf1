// Small expressions that many bodies share. As with irb_*, a NULL operand gives NULL, so that a
// chain needs one check at its end. Private to frontend/.
#ifndef BITLET_IMPORT_UTIL_H
#define BITLET_IMPORT_UTIL_H

#include "import_node.h"

// x converted, or x itself when it has the type.
struct ir_value *node_convert(struct import_node *n, struct ir_value *x, enum dtype to);
// fn(x, v) and fn(v, x), v a constant of x's type.
struct ir_value *node_with_scalar(struct import_node *n, enum binary_fn fn, struct ir_value *x,
                                  double v);
struct ir_value *node_scalar_with(struct import_node *n, enum binary_fn fn, double v,
                                  struct ir_value *x);
// The type in which sums over x are formed: f32 for narrower floats.
enum dtype node_wide_type(enum dtype t);
// Axes first .. rank-1 into axes (room for IR_MAX_RANK); gives their number.
int node_axes_from(int first, int rank, int64_t *axes);
// Product of the extents of axes; -1 when it overflows (beside an extent of 0).
int64_t node_axes_elems(const struct ir_value *x, const int64_t *axes, int num);
// Mean over ascending axes; the sum is formed in the operand's type.
struct ir_value *node_mean(struct import_node *n, struct ir_value *x, const int64_t *axes, int num,
                           bool keep);
// (x - mean) over axes, and 1 / sqrt(variance + epsilon); any of the results may be NULL.
struct ir_value *node_standardise(struct import_node *n, struct ir_value *x, const int64_t *axes,
                                  int num, double epsilon, struct ir_value **mean,
                                  struct ir_value **inv_std);
// A vector over dimension `axis` of a tensor of that rank, shaped so that it broadcasts. v of rank
// 1 (reported otherwise).
struct ir_value *node_along_axis(struct import_node *n, struct ir_value *v, int rank, int axis);
// x - zero, which broadcasts over it; NULL: none. Of 8-bit integers i16, of wider ones i32, of
// floats f32; integers without a zero point, or with one of zeros, stay as they are.
struct ir_value *node_centred(struct import_node *n, struct ir_value *x, struct ir_value *zero);
// x (steps, of a float type) rounded half to even, plus the zero point (may be NULL), as type t;
// integers saturate. A float t is not rounded to whole numbers and saturates when told.
struct ir_value *node_quantised(struct import_node *n, struct ir_value *x, struct ir_value *zero,
                                enum dtype t, bool saturate);
// x of rank < 2 etc.: reports onnx-shape unless low <= rank <= high.
bool node_check_rank(struct import_node *n, int input, int low, int high);
// The only element of a constant value; false when it is none (nothing reported).
bool node_scalar_value(const struct ir_value *v, double *out);
// 0, 1, 2 .. count - 1 divided by `repeat`, as an i64 vector. Reports limit for more than a
// dimension of a real model has.
struct ir_value *node_iota(struct import_node *n, int64_t count, int64_t repeat);
// A vector as a matrix of one row (the first factor of a product) or of one column (the second);
// anything else as it is.
struct ir_value *node_as_matrix(struct import_node *n, struct ir_value *x, bool first);
// A product without the row and the column that node_as_matrix added.
struct ir_value *node_from_matrix(struct import_node *n, struct ir_value *y, bool row, bool col);
// Indices as i64, those below 0 counted from the end of `extent`.
struct ir_value *node_index(struct import_node *n, struct ir_value *v, int64_t extent);
// A tensor that holds v everywhere.
struct ir_value *node_filled(struct import_node *n, enum dtype t, double v, const int64_t *dim,
                             int rank);
// A constant f32 or f64 tensor of computed numbers.
struct ir_value *node_numbers(struct import_node *n, enum dtype t, const double *v,
                              const int64_t *dim, int rank);
const char *node_type_text(struct import_node *n, int input);
// Imports the graph of an attribute whose inputs are `in`, gives what it computes in `out`.
bool node_body(struct import_node *n, const char *attr, struct ir_value *const *in, int num_in,
               struct ir_value **out, int num_out);

#endif

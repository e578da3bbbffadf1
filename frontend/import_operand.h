// Operands that say how something is done (a shape, axes, pads) and are known only at run time.
// Private to frontend/.
//
// What such an operand says about the result's extents is taken from the extents that the model
// declares for the result (outputs, value_info); the operand is then data like any other, and a
// check in the program ends the run when it says something else.
#ifndef BITLET_IMPORT_OPERAND_H
#define BITLET_IMPORT_OPERAND_H

#include "import_util.h"

// Whether operand i is absent, or follows from constants.
bool node_is_known(struct import_node *n, int i);
// The declared type of result `out`; extents that are not declared are -1. False: no rank declared.
bool node_declared(struct import_node *n, int out, struct ir_type *t);
// The same, false unless all extents are declared.
bool node_declared_whole(struct import_node *n, int out, struct ir_type *t);
// The same with all extents, which operand i, unknown when compiling, would give. Reports
// onnx-dynamic.
bool node_expect(struct import_node *n, int out, int i, struct ir_type *t);
// Result i is of type t: reports when it is not what was declared.
bool node_expect_rank(struct import_node *n, const struct ir_type *t, int low, int high);

// Operand i as i64 vector; any number of elements, rank 0 or 1.
struct ir_value *node_vector(struct import_node *n, int i);
// Operand i, one element, as a scalar of rank 0.
struct ir_value *node_scalar(struct import_node *n, int i);
// Element i of a vector, as a scalar of rank 0.
struct ir_value *node_element(struct import_node *n, struct ir_value *v, int64_t i);
// A vector of i64 constants; a scalar of one.
struct ir_value *node_i64(struct import_node *n, int64_t v);
// v < low ? low : v > high ? high : v
struct ir_value *node_clamp(struct import_node *n, struct ir_value *v, struct ir_value *low,
                            struct ir_value *high);

// Checks at run time that all of cond holds; a failure names the node, operand i and `what` it
// contradicts. Reports when cond is known and does not hold.
bool node_check(struct import_node *n, struct ir_value *cond, int i, const char *what);
// Checks that v, an i64 vector, has these elements.
bool node_check_equal(struct import_node *n, struct ir_value *v, const int64_t *want, int count,
                      int i, const char *what);

// The one integer of operand i: known when compiling, or `guess`, which follows from declared
// extents and is checked (-1: none follows). -1: reported.
int64_t node_count_operand(struct import_node *n, int i, int64_t guess);
// Extent d of result 0 as declared; -1 when it is not.
int64_t node_declared_extent(struct import_node *n, int d);

// ---- Axes

#define AXES_SETS_MAX 70 // of 4 out of 8
struct axes_sets {       // sets of axes as bit masks
    uint32_t mask[AXES_SETS_MAX];
    int num;
};
// All sets of `count` out of `rank` axes.
void axes_sets_all(struct axes_sets *s, int rank, int count);
// The bit mask of operand i, a vector of axes of a tensor of that rank, as i64 scalar; checks the
// range of the axes. What names an axis twice gives a mask of fewer bits than axes.
struct ir_value *node_axes_mask(struct import_node *n, int i, int rank);
// Checks that mask is one of the sets, which must not be empty (reported: operand i contradicts
// what is declared).
bool node_check_mask(struct import_node *n, struct ir_value *mask, const struct axes_sets *s,
                     int i);
// results[k] where mask is set k; all results have one type. Checks that one of them is meant.
struct ir_value *node_choose(struct import_node *n, struct ir_value *mask,
                             const struct axes_sets *s, struct ir_value *const *results, int i);

// Operand i names one axis of x = operand 0: results[a] for every axis a that is not NULL, chosen
// at run time; all results have one type.
struct ir_value *node_choose_axis(struct import_node *n, struct ir_value *const *results, int i);

// ---- Movement by positions known at run time

// y[.., k, ..] = x[.., index[k], ..] along axis, `fill` (a scalar, or NULL: what is there at the
// nearest position) where index[k] lies outside x.
struct ir_value *node_pick(struct import_node *n, struct ir_value *x, int axis,
                           struct ir_value *index, struct ir_value *fill);

#endif

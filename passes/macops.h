// What passes about numbers ask of MAC ops: which operand is held, where channels lie, constants as
// numbers.
#ifndef BITLET_MACOPS_H
#define BITLET_MACOPS_H

#include "pass.h"

int mac_stationary_index(const struct ir_op *op); // operand held in the PEs, 0 or 1
int mac_channel_dim(const struct ir_op *op);      // of the result
int64_t mac_channel_count(const struct ir_op *op);
// The stationary operand, of type w, as [outer][mid][inner]: the output channel of an element is
// its mid index plus, where channel groups lie along `outer`, `mid` for every `per_group` outer
// ones.
struct mac_layout {
    int64_t outer, mid, inner, per_group;
};
struct mac_layout mac_weight_layout(const struct ir_op *op, const struct ir_type *w);
static inline int64_t mac_layout_channel(const struct mac_layout *l, int64_t outer)
{
    return outer / l->per_group * l->mid;
}
// Channel of the moving operand that element i meets; of conv, conv_transpose and matmul alike.
int64_t mac_weight_source(const struct ir_op *op, const struct ir_type *w, int64_t i);
int mac_source_dim(const struct ir_op *op); // dimension of those channels in the moving operand
// A matmul whose first operand alone is constant holds that one, when no operand depends on it yet.
void mac_choose_stationary(struct ir_op *op);

// Whether v is used once, and by an op.
bool value_has_one_use(const struct ir_value *v);
// All elements of a float or integer constant as doubles; memory from a. NULL: not a constant of
// numbers.
double *const_numbers(const struct ir_value *v, struct arena *a);
// A constant whose elements are all equal and not NaN.
bool const_splat(const struct ir_value *v, double *out);
// A constant before `before`, elements rounded to type t; integers must be whole and in range.
struct ir_value *const_make(struct pass_ctx *ctx, struct ir_op *before, enum dtype t,
                            const int64_t *dim, int rank, const double *v, const char *name);
// op evaluated, when all its operands are constants: the result as a constant in its place, named
// as the result was, or the result itself when it is not constant. NULL: failed, reported.
struct ir_value *op_fold(struct pass_ctx *ctx, struct ir_op *op);
// v = with, then the op that defined v and has become useless goes.
void op_replace(struct ir_op *op, struct ir_value *with);

#endif

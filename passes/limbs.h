// MAC ops whose operands are wider than the array takes, as sums of products that it does take:
// integers without a scale, and doubles.
#ifndef BITLET_LIMBS_H
#define BITLET_LIMBS_H

#include "pass.h"

// Gives an integer MAC op without a mode the mode fixed, or replaces it by one op per pair of
// 16-bit limbs whose results are shifted and added up, modulo the result type.
BITLET_MUST_USE bool limbs_lower(struct pass_ctx *ctx, struct ir_op *op);
// Replaces a MAC op on f64 by products of 23-bit integers: operands are scaled by powers of two
// (per row and column of a matrix product, per tensor of a convolution) and cut into three limbs,
// which hold what lies within 2^-65 of the largest element.
BITLET_MUST_USE bool limbs_lower_f64(struct pass_ctx *ctx, struct ir_op *op);

#define LIMBS_ARRAY_BITS 24 // of operands that the array takes as they are
// Whether integers with the ranges of these operands have no more bits than so many.
bool limbs_fit(const struct ir_value *held, int held_bits, const struct ir_value *moving,
               int moving_bits);
// Mode fixed for a MAC op on such integers, as many bits as their ranges need.
void limbs_set_bits(struct ir_op *op);

// Of the two lowerings. A MAC op before `like`, of the same geometry, its type not inferred.
struct ir_op *limbs_product(struct ir_op *like, struct ir_value *x, struct ir_value *w);
// y plus op's bias, if there is one, built with b.
struct ir_value *limbs_add_bias(struct pass_ctx *ctx, struct ir_builder *b, const struct ir_op *op,
                                struct ir_value *y);

#endif

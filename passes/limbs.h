// Integer MAC ops without a scale: their kind of numbers, and the splitting of operands wider than
// the array takes.
#ifndef BITLET_LIMBS_H
#define BITLET_LIMBS_H

#include "pass.h"

// Gives an integer MAC op without a mode the mode fixed, or replaces it by one op per pair of
// 16-bit limbs whose results are shifted and added up, modulo the result type.
BITLET_MUST_USE bool limbs_lower(struct pass_ctx *ctx, struct ir_op *op);

#endif

// A run without values: the program is followed as far as it says itself what it does, and placed
// on the same timeline by the same rules. Private to sim/.
//
// Registers of the scalar core and small pieces of memory are certain (constants and what follows
// from them), a guess (extents of inputs: the largest, and what follows from those) or unknown.
// Instructions whose operands are certain or guessed and small are executed, others are checked and
// timed. What depends on more than is certain is noted as an effect of its layer (isa/effect.def):
// an unknown number counts as zero, and a branch on one falls through, but where that is a trap.
#ifndef BITLET_SIM_PREDICT_H
#define BITLET_SIM_PREDICT_H

#include "bce_array.h"
#include "isa.h"
#include "state.h"

struct predict;
typedef bool exec_body(struct sim *s, const struct isa_insn *in);

// NULL: the system refuses memory.
struct predict *predict_create(const struct sim *s);
void predict_destroy(struct predict *p); // NULL is fine
// Executes an instruction, whose layer is s->layer, by its body.
BITLET_MUST_USE bool predict_step(struct sim *s, const struct isa_insn *in, exec_body *body);
// For bodies, once their operands are mapped: whether to make the values of `elements` elements. In
// a run that is no prediction: always.
bool predict_values(struct sim *s, int64_t elements);
// Cycles of a bce from its tiles.
void predict_bce(struct sim *s, const struct bce_op *op, struct bce_time *time);
// Effects of layer `at`.
uint32_t predict_effects(const struct predict *p, size_t at);

#endif

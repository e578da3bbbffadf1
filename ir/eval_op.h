// Inside of the evaluator: what the body of an op gets.
//
// One body per row of ops.def, eval_op_<ENUM>; a missing one does not link. Results have their
// types and zeroed memory when the body runs, operands have the types that the op's operands have.
#ifndef BITLET_EVAL_OP_H
#define BITLET_EVAL_OP_H

#include "eval.h"

struct eval_keep { // what the ops of a graph share while it runs
    struct arena *arena;
    struct dot_space *space; // NULL: not made yet
};
struct eval_call {
    const struct ir_op *op;
    const struct tensor *const *in; // NULL entries: absent
    struct tensor **out;
    const struct ir_eval_options *o; // never NULL
    struct arena *scratch;           // emptied after the op
    struct arena *arena;             // of the results
    struct diag *diag;
    struct eval_keep *keep; // NULL: the op is evaluated alone
};

#define IR_OP(ENUM, text, in_min, in_max, outs, TRAITS, doc)                                       \
    bool eval_op_##ENUM(const struct eval_call *c);
#include "ops.def"

// Reports that fn does not exist for the type; false.
bool eval_no_arithmetic(const struct eval_call *c, enum dtype t, const char *fn);

// Row-major strides of dense extents.
static inline void eval_strides(const int64_t *dim, int rank, int64_t *stride)
{
    int64_t s = 1;
    for (int d = rank - 1; d >= 0; d--) {
        stride[d] = s;
        s *= dim[d];
    }
}

#endif

// The reference evaluator: every IR op in the plainest C that is right. Shares no arithmetic with
// the simulator.
#ifndef BITLET_EVAL_H
#define BITLET_EVAL_H

#include "ir.h"
#include "threads.h"

struct ir_eval_options {
    // Called with every value as it is computed, in order; for calibration. May be NULL.
    void (*watch)(void *user, const struct ir_value *v, const struct tensor *t);
    // Called for a host op to fill its results, which are zeroed and typed; false ends the run.
    // NULL: the kernel is called.
    bool (*host)(void *user, const struct ir_op *op, const struct tensor *const *in,
                 struct tensor **out);
    void *user;
    // MAC ops in fp32/fp16 mode: false: plain sums in double, rounded once (the mathematical
    // reference; default); true: the machine's exact group arithmetic (Emax alignment and
    // truncation over groups of `group` elements of K, fp32 adds in order).
    bool bitlet_float;
    int group;
    struct thread_pool *pool; // shares the work on MAC ops, never changes a result; NULL: nobody
};
// Runs the main graph. inputs[i] must match graph input i (reported otherwise). outputs:
// num_outputs tensors in arena a. Memory of intermediate values is released after their last use.
BITLET_MUST_USE bool ir_eval(const struct ir_module *m, const struct tensor *const *inputs,
                             const struct ir_eval_options *o, struct tensor **outputs,
                             struct arena *a, struct diag *d);
// Evaluates one op from operand data (entries NULL for absent operands); results in arena a.
BITLET_MUST_USE bool ir_eval_op(const struct ir_op *op, const struct tensor *const *in,
                                const struct ir_eval_options *o, struct tensor **out,
                                struct arena *a, struct diag *d);
// The value's data if it follows from constants alone by pure ops with results of at most max_elems
// elements, else NULL. Memory from a.
const struct tensor *ir_fold_value(struct ir_value *v, int64_t max_elems, struct arena *a,
                                   struct diag *d);

#endif

// One instruction at a time. Private to sim/.
#ifndef BITLET_SIM_EXEC_H
#define BITLET_SIM_EXEC_H

#include "state.h"

void exec_create(struct sim *s); // the cache of decoded instructions
// Executes the instruction at s->pc and moves on. False: s->fault is set; its effects may be
// partial.
BITLET_MUST_USE bool exec_step(struct sim *s);

#endif

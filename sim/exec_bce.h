// What instructions of the array keep from one to the next. Private to sim/.
#ifndef BITLET_SIM_EXEC_BCE_H
#define BITLET_SIM_EXEC_BCE_H

#include "state.h"

// In the simulator's arena.
void bce_create(struct sim *s);

#endif

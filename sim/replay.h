// Vectors of the BCE: recorded groups, run through a datapath with the RTL's quirks on, compared
// with what was recorded. A file is TSV, plain or gzip, of the columns id class dist mode n n_in
// n_calc prune quant w a res lat d acc emax and, optionally, trace. Rows are independent of each
// other.
#ifndef BITLET_REPLAY_H
#define BITLET_REPLAY_H

#include "sim.h"

// Prints counts per file and class, and the first mismatch of a file in full. The exit status: 0
// all rows equal, 1 a mismatch or a malformed file (reported through d). Traces are compared by the
// rtl datapath, which alone has them.
int bce_replay_main(char **files, int num, enum sim_datapath dp, FILE *out, struct diag *d);

#endif

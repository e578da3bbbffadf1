// Sequences and optionals in the importer. Private to frontend/.
#ifndef BITLET_IMPORT_SEQUENCE_H
#define BITLET_IMPORT_SEQUENCE_H

#include "import_host.h"

// A sequence of those values, known as such when compiling.
struct ir_value *sequence_of(struct import_node *n, struct ir_value *const *item, int num);

#endif

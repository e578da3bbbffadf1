// Sequences and optionals in the importer. Private to frontend/.
#ifndef BITLET_IMPORT_SEQUENCE_H
#define BITLET_IMPORT_SEQUENCE_H

#include "import_host.h"

// A sequence of those values, known as such when compiling.
struct ir_value *sequence_of(struct import_node *n, struct ir_value *const *item, int num);

// The element at a position, an i64 scalar that is known at run time. What is not known of its type
// is as in `like`, of an element as some body declares it.
struct ir_value *sequence_element(struct import_node *n, struct ir_value *seq, struct ir_value *at,
                                  const struct ir_type *like);
// The sequence with x behind its elements, and its number of elements.
struct ir_value *sequence_appended(struct import_node *n, struct ir_value *seq, struct ir_value *x);
struct ir_value *sequence_count(struct import_node *n, struct ir_value *seq);

// An optional that holds x; what an optional holds, of the kind that x is.
struct ir_value *optional_of(struct import_node *n, struct ir_value *x);
struct ir_value *optional_content(struct import_node *n, struct ir_value *opt,
                                  const struct ir_value *like);

#endif

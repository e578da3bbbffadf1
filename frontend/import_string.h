// Strings where an operator takes them besides numbers. Private to frontend/.
#ifndef BITLET_IMPORT_STRING_H
#define BITLET_IMPORT_STRING_H

#include "import_host.h"

struct ir_value *string_format(struct import_node *n, struct ir_value *x);
// To the nearest type that text is read as; what is narrower is a conversion from there.
struct ir_value *string_parse(struct import_node *n, struct ir_value *x, enum dtype to);
struct ir_value *string_equal(struct import_node *n); // of the node's two operands

#endif

// Host calls in the importer, and what models declare of results whose extents follow from data.
// Private to frontend/.
#ifndef BITLET_IMPORT_HOST_H
#define BITLET_IMPORT_HOST_H

#include "import_util.h"

struct host_args { // of a call; everything may be left out. Floats go before integers.
    struct ir_value *const *in;
    int num_in;
    bool optional; // NULL operands are absent ones; else they stand for errors already reported
    const int64_t *ints;
    int num_ints;
    const double *floats;
    int num_floats;
};
// A pure host op with results of those types; NULL when an error was reported.
struct ir_op *node_host_op(struct import_node *n, const char *kernel, const struct host_args *args,
                           const struct ir_type *results, int num_results);
// The same with one result.
struct ir_value *node_host(struct import_node *n, const char *kernel, const struct host_args *args,
                           const struct ir_type *result);
// After calls that are not pure: random numbers, checks.
void node_host_effect(struct ir_op *op);

struct ir_value *node_const_string(struct import_node *n, const char *s); // rank 1, one element
struct ir_value *node_const_strings(struct import_node *n, const char *const *s, int count);
struct ir_value *node_const_doubles(struct import_node *n, const double *v, int count);
struct ir_value *node_const_like_i64(struct import_node *n, struct ir_value *x); // to i64

// The type the model declares for output slot i, in its outputs or value_info. False: none with a
// rank; unknown extents are -1.
bool node_declared_result(const struct import_node *n, int i, struct ir_type *out);
// The program stops unless the vector (or scalar) of extents is the one compiled for.
bool node_expect_extents(struct import_node *n, struct ir_value *real, const int64_t *want, int num,
                         const char *what);

#endif

// Function tables of the vector unit, expanded from fn.def.
#ifndef BITLET_FN_H
#define BITLET_FN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum unary_fn {
#define UNARY_FN(name, number, cost, doc) UFN_##name = (number),
#include "fn.def"
    UFN_NUM = 30
};
enum binary_fn {
#define BINARY_FN(name, number, cost, doc) BFN_##name = (number),
#include "fn.def"
    BFN_NUM = 22
};
enum reduce_fn {
#define REDUCE_FN(name, number, cost, doc) RFN_##name = (number),
#include "fn.def"
    RFN_NUM = 8
};

struct fn_info {
    const char *name; // NULL: number not in use
    const char *doc;
    uint8_t cost;
};
extern const struct fn_info unary_fn_info[UFN_NUM];
extern const struct fn_info binary_fn_info[BFN_NUM];
extern const struct fn_info reduce_fn_info[RFN_NUM];

// Number of the function called `name` in a table of `num` rows, or -1.
int fn_by_name(const struct fn_info *table, int num, const char *name, size_t len);
// Whether the binary function gives bool whatever its operands are (comparisons and logic).
bool binary_fn_gives_bool(enum binary_fn fn);
bool unary_fn_gives_bool(enum unary_fn fn);

#endif

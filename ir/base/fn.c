#include "fn.h"

#include <string.h>

// Rows that share a number do not compile: they make one member twice. Nor does a row whose number
// lies outside its table, in the initialisers below.
struct unary_rows {
#define UNARY_FN(name, number, cost, doc) char row_##number;
#include "fn.def"
};
struct binary_rows {
#define BINARY_FN(name, number, cost, doc) char row_##number;
#include "fn.def"
};
struct reduce_rows {
#define REDUCE_FN(name, number, cost, doc) char row_##number;
#include "fn.def"
};
_Static_assert(sizeof(struct unary_rows) == UFN_NUM, "UFN_NUM counts the rows");
_Static_assert(sizeof(struct binary_rows) == BFN_NUM, "BFN_NUM counts the rows");
_Static_assert(sizeof(struct reduce_rows) == RFN_NUM, "RFN_NUM counts the rows");

const struct fn_info unary_fn_info[UFN_NUM] = {
#define UNARY_FN(fn, number, cycles, text)                                                         \
    [number] = {.name = #fn, .doc = (text), .cost = (cycles)},
#include "fn.def"
};
const struct fn_info binary_fn_info[BFN_NUM] = {
#define BINARY_FN(fn, number, cycles, text)                                                        \
    [number] = {.name = #fn, .doc = (text), .cost = (cycles)},
#include "fn.def"
};
const struct fn_info reduce_fn_info[RFN_NUM] = {
#define REDUCE_FN(fn, number, cycles, text)                                                        \
    [number] = {.name = #fn, .doc = (text), .cost = (cycles)},
#include "fn.def"
};

int fn_by_name(const struct fn_info *table, int num, const char *name, size_t len)
{
    for (int i = 0; i < num; i++)
        if (table[i].name && strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
            return i;
    return -1;
}

bool unary_fn_gives_bool(enum unary_fn fn)
{
    return fn == UFN_not || fn == UFN_isnan || fn == UFN_isinf;
}

bool binary_fn_gives_bool(enum binary_fn fn)
{
    return (fn >= BFN_and && fn <= BFN_xor) || (fn >= BFN_eq && fn <= BFN_le);
}

// Sequences and optionals in host memory: immutable lists of values.
//
// A value of type DT_SEQ or DT_OPT is a tensor of rank 0 whose one element points to a struct
// tensor_list, NULL for an empty one. An item may itself be such a tensor. Lists share items; all
// of it belongs to arenas that outlive the list.
#ifndef BITLET_TENSOR_LIST_H
#define BITLET_TENSOR_LIST_H

#include "tensor.h"

struct tensor_list {
    int64_t num; // of an optional 0 or 1
    const struct tensor *const *item;
    enum dtype elem; // element type of an item, for an empty list; F32 when nothing is known
};

// The list of a tensor of type DT_SEQ or DT_OPT; an empty one for NULL.
const struct tensor_list *tensor_list_of(const struct tensor *t);
struct tensor *tensor_of_list(struct arena *a, enum dtype t, const struct tensor_list *list);
// The items are copied as pointers.
const struct tensor_list *tensor_list_make(struct arena *a, const struct tensor *const *item,
                                           int64_t num, enum dtype elem);
// Elements and text and all; nothing of the original is referred to.
struct tensor *tensor_copy(struct arena *a, const struct tensor *t);

// A file that holds a value of that type: a SequenceProto or OptionalProto for DT_SEQ and DT_OPT,
// else a tensor as tensor_read takes it, through tensor_of_bits.
BITLET_MUST_USE struct tensor *tensor_read_as(enum dtype t, const char *path, struct arena *a,
                                              struct diag *d);
// x, where a value of type t is due: u16 elements become the bf16 numbers whose bits they are, u8
// elements floats of 8 bits. NumPy has no such types, and older ONNX writes them so.
struct tensor *tensor_of_bits(enum dtype t, struct tensor *x);
BITLET_MUST_USE bool tensor_write_list_pb(const char *path, const struct tensor *t, struct diag *d);
// "f32[2,3]"; "seq(f32[2], f32[3])"; "opt()".
const char *tensor_text(const struct tensor *t, struct arena *scratch);

#endif

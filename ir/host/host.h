// Host kernels: plain C functions for what is no tensor arithmetic (strings, sequences, images,
// sorting by value), called by the simulator and by the IR's evaluator alike.
//
// A kernel is a row of host.def or comes from a plugin (bitlet_plugin.h). Its signature says what
// its C parameters are; host_invoke checks the operands against it and makes the call through
// libffi. The signature is a list of words, one for each parameter or pair of parameters:
//
//   r:TYPE  the next operand, read: const T *, dense and row-major. T is the C type of TYPE
//           (dtypes.def); of str const char *, of seq and opt const struct tensor_list (of one
//           element)
//   w:TYPE  the next result, written: T *, zeroed before the call
//           after TYPE: ? the operand may be absent, NULL then; /K it has at least K elements;
//           /= it has as many as the tensor before
//   R, W    operand and result of any type: const struct tensor *, struct tensor *
//   V       all operands that are left: const struct tensor *const *, int64_t
//   n       element count of the operand or result before it: int64_t
//   d       its extents and their number: const int64_t *, int64_t
//   i, f    the next scalar: int64_t, double
//   s       the next operand, a string: const char *
//   I, F    the next operand, a vector: const int64_t * or const double *, and int64_t elements
//   m       memory for strings that become results: struct host_memory *
//
// i, f, s, I and F may be named, i:NAME=DEFAULT: an attribute of the operator that the kernel
// implements. A kernel returns NULL, or in words why it failed (from its memory, or static).
#ifndef BITLET_HOST_H
#define BITLET_HOST_H

#include "tensor_list.h"

typedef void host_fn(void); // called with the types of the signature

struct host_kernel {
    const char *name, *signature, *doc;
    host_fn *fn;
    bool pure; // results follow from operands and scalars; no other effect
};
// Of host.def or of a loaded plugin. NULL: none.
const struct host_kernel *host_kernel_find(const char *name);
const struct host_kernel *host_kernel_row(size_t i); // of host.def in order; NULL past the end

struct host_memory {
    void *(*alloc)(struct host_memory *m, size_t bytes); // zeroed; never NULL
    struct arena *arena;
};

#define HOST_MAX_PARAMS 64

struct host_word { // one word of a signature
    char kind;
    enum dtype dtype;       // of r and w
    bool optional, as_many; // suffixes ? and /=
    int64_t least;          // suffix /K
    const char *name;       // of an attribute, else ""
    size_t name_len;
    const char *dflt; // text of the default, NULL: none is given
    size_t dflt_len;
};
// Takes the next word off *p. False: the end, or (*why set) a word that means nothing.
bool host_next_word(const char **p, struct host_word *out, const char **why);
int host_count_results(const struct host_kernel *k);

struct host_call {
    const struct host_kernel *kernel;
    struct tensor *const *results;
    const struct tensor *const *operands; // NULL entries: absent
    const int64_t *scalars;               // in the order of i and f; of f the bits
    int num_results, num_operands, num_scalars;
    struct arena *arena; // for what the kernel makes; as long as the results
};
// False: *why says why, in static memory or the arena.
bool host_invoke(const struct host_call *c, const char **why);

#endif

// Strings, sequences and optionals of a running program. In machine memory they are 64-bit handles,
// here pointers to values that never change.
//
// Handle 0 is the empty string or list. A handle in .rodata is the address of a string there, which
// ends with a zero byte. The others number the values that inputs and host kernels made, in a
// range of addresses that no memory has.
#ifndef BITLET_SIM_REFS_H
#define BITLET_SIM_REFS_H

#include "state.h"

struct sim_refs;
struct sim_refs *sim_refs_create(struct arena *a);
// t: a reference type. The pointer is what an element of a struct tensor of that type holds.
BITLET_MUST_USE bool sim_ref_get(struct sim *s, enum dtype t, uint64_t handle, const void **out);
uint64_t sim_ref_make(struct sim *s, enum dtype t, const void *value);

#endif

// Transposition of 64 words of 32 bits: bit i of plane b is bit b of word i. The step that makes
// lanes out of weights.
#ifndef BITLET_BITPLANES_H
#define BITLET_BITPLANES_H

#include <stdbool.h>
#include <stdint.h>

// plane: 32 words are written, of which the first `count` (1..32) are defined. Bits of the words
// from `count` on must be zero.
typedef void bitplanes_fn(const uint32_t word[64], int count, uint64_t plane[32]);

struct bitplanes_level {
    const char *text;
    bitplanes_fn *run;
    bool usable; // on this processor
};
// Level i, the best usable one being the last; NULL past the last.
const struct bitplanes_level *bitplanes_level(int i);
bitplanes_fn *bitplanes_best(void);

#endif

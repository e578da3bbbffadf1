// What the fuzz targets share: an input as a file, a diagnostics sink that keeps quiet. A target
// defines fuzz_one; with BITLET_FUZZ it becomes libFuzzer's entry, otherwise fuzz_replay.c runs it
// over files.
#ifndef BITLET_FUZZ_H
#define BITLET_FUZZ_H

#include <stdint.h>

#include "diag.h"

struct fuzz_case {
    struct arena *arena;
    struct loc_table *locs;
    struct diag *diag;
    char path[64]; // of a file in memory that holds the input
    int fd;
};
void fuzz_one(struct fuzz_case *c);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif

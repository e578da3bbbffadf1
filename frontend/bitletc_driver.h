// The flow of bitletc: import (or read IR text), run passes, emit, write. Options come from
// bitletc.c.
//
// Everything a compilation makes lives in one arena that the driver creates and destroys.
#ifndef BITLET_BITLETC_DRIVER_H
#define BITLET_BITLETC_DRIVER_H

#include "image.h"
#include "import.h"
#include "pass.h"

enum driver_emit { EMIT_BLT, EMIT_ASM, EMIT_IR };

struct driver_options {
    const char *input;  // .onnx, or .bir: IR text
    const char *output; // NULL: the input's name with another suffix, in the working directory
    enum driver_emit emit;
    const char *machine; // preset or file
    bool machine_given;  // false: a module in IR text keeps the machine it was tiled for
    bool verbose;
    bool predict; // the time of every layer: printed, and kept in the binary
    int threads;  // 0: one per processor
    struct onnx_import_options import;
    struct pass_options pass;
    struct pass_run_options run;
};

// Gives an exit status (cli.h).
int driver_compile(const struct driver_options *o);

// Listings on standard output.
void driver_list_ops(void);
void driver_list_passes(void);

// The table of predicted cycles.
void driver_print_prediction(const struct image *img, FILE *f);

#endif

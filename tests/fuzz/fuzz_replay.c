// Runs a fuzz target over the files named: a corpus, or the input that a fuzzer found. No fuzzer
// needed.
#include <stdio.h>

#include "fuzz.h"
#include "io.h"

int main(int argc, char **argv)
{
    struct arena *a = arena_create();
    struct diag *d = diag_create(a, NULL);
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        struct io_map m = {0};
        if (io_map_file(&m, argv[i], 0, d))
            LLVMFuzzerTestOneInput(m.data, m.size);
        else
            failed++;
        io_unmap(&m);
    }
    printf("%d passed, %d failed\n", argc - 1 - failed, failed);
    arena_destroy(a);
    return failed != 0;
}

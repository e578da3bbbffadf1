// ir-roundtrip FILE.bir: prints the canonical text of an IR file and checks that it parses back to
// the same text.
#include <stdio.h>

#include "ir.h"

static int run(const char *path, struct arena *a)
{
    struct loc_table *locs = loc_table_create(a);
    struct diag *d = diag_create(a, locs);
    struct ir_module *m = ir_parse_file(path, a, locs, d);
    if (!m)
        return 1;
    const char *why;
    ir_print(m, stdout, NULL);
    if (ir_roundtrips(m, a, &why))
        return 0;
    fprintf(stderr, "round trip: %s\n", why);
    return 70;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: ir-roundtrip FILE.bir\n");
        return 2;
    }
    struct arena *a = arena_create();
    int status = run(argv[1], a);
    arena_destroy(a);
    return status;
}

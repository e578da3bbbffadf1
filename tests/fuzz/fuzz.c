#include "fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void quiet(void *user, enum diag_severity severity, enum diag_id id, const char *message)
{
    (void)user;
    (void)severity;
    (void)id;
    (void)message;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_case c = {.arena = arena_create(), .fd = memfd_create("fuzz", 0)};
    if (c.fd < 0 || write(c.fd, data, size) != (ssize_t)size)
        bitlet_fatal("no file in memory");
    snprintf(c.path, sizeof c.path, "/proc/self/fd/%d", c.fd);
    c.locs = loc_table_create(c.arena);
    c.diag = diag_create(c.arena, c.locs);
    diag_set_sink(c.diag, quiet, NULL);
    fuzz_one(&c);
    close(c.fd);
    arena_destroy(c.arena);
    return 0;
}

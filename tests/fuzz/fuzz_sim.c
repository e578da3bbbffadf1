// A binary through the reader, then a bounded run: it may fault inside the machine, nothing else.
#include "fuzz.h"
#include "sim.h"

void fuzz_one(struct fuzz_case *c)
{
    struct image img = {0};
    if (!image_read(c->path, &img, c->arena, c->diag))
        return;
    struct sim_options o;
    sim_options_default(&o);
    o.threads = 1;
    o.max_cycles = 100000;
    struct sim *s = img.heap_bytes < (1u << 28) ? sim_create(&img, &o, c->arena, c->diag) : NULL;
    if (s) {
        (void)!sim_run(s, c->diag);
        sim_destroy(s);
    }
    image_close(&img);
}

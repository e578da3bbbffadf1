// Damaged tensor files: 10,000 seeded mutations of .pb and of .npy are each read or refused, never
// more.
#include <stdlib.h>

#include "check.h"
#include "io.h"
#include "tensor.h"

enum { TYPES = 3, MUTANTS = 10000 / TYPES + 1 }; // of each type

static uint64_t state = 1;

static uint64_t next_random(void)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

// Flips bits, overwrites, cuts or repeats; returns the new length.
static size_t mutate(uint8_t *bytes, size_t len, size_t room)
{
    for (uint64_t edits = 1 + next_random() % 4; edits > 0 && len > 0; edits--) {
        size_t at = (size_t)(next_random() % len);
        switch (next_random() % 5) {
        case 0: bytes[at] ^= (uint8_t)(1u << (next_random() & 7)); break;
        case 1: bytes[at] = (uint8_t)next_random(); break;
        case 2: bytes[at] = 0xff; break;
        case 3: len = at; break;
        default:
            if (len * 2 - at <= room) {
                memmove(bytes + len, bytes + at, len - at);
                len += len - at;
            }
            break;
        }
    }
    return len;
}

static void ignore(void *user, enum diag_severity sev, enum diag_id id, const char *message)
{
    (void)user, (void)sev, (void)id, (void)message;
}

static void read_mutants(const char *path, const struct tensor *t,
                         bool (*write)(const char *, const struct tensor *, struct diag *))
{
    struct arena *keep = arena_create(), *scratch = arena_create();
    struct diag *d = diag_create(keep, NULL);
    CHECK(write(path, t, d));
    struct io_map m;
    CHECK(io_map_file(&m, path, 0, d));
    enum { ROOM = 4096 };
    uint8_t bytes[ROOM];
    for (int i = 0; i < MUTANTS; i++) {
        memcpy(bytes, m.data, m.size);
        size_t len = mutate(bytes, m.size, ROOM);
        struct diag *quiet = diag_create(scratch, NULL);
        diag_set_sink(quiet, ignore, NULL);
        FILE *f = fopen("mutant", "wb");
        fwrite(bytes, 1, len, f);
        fclose(f);
        struct tensor *u = tensor_read("mutant", scratch, quiet);
        CHECK_INT(diag_errors(quiet) == 0, u != NULL);
        if (u && tensor_elems(u) > 0)
            (void)tensor_get_int(u, tensor_elems(u) - 1);
        arena_reset(scratch);
    }
    io_unmap(&m);
    arena_destroy(scratch);
    arena_destroy(keep);
}

static void pb_and_npy_mutants(void)
{
    static const enum dtype types[TYPES] = {DT_F32, DT_STR, DT_I4};
    struct arena *a = arena_create();
    for (int i = 0; i < TYPES; i++) {
        struct tensor *t = tensor_random(a, types[i], (int64_t[]){2, 3}, 2, 1);
        t->name = "t";
        read_mutants("seed.pb", t, tensor_write_pb);
        read_mutants("seed.npy", t, tensor_write_npy);
    }
    arena_destroy(a);
}

int main(void)
{
    RUN(pb_and_npy_mutants);
    return check_summary();
}

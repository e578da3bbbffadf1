// Hostile files: 10,000 seeded mutations each of a binary, of one whose checksum is made right
// again, and of a listing. Reading must end, in memory bounds (the sanitizers look), with an image
// or a message.
#include <zlib.h>

#include "check.h"
#include "image_random.h"

enum { MUTANTS = 10000, SEEDS = 5 };

static int messages;

static void count_messages(void *user, enum diag_severity sev, enum diag_id id, const char *message)
{
    (void)user, (void)sev, (void)id, (void)message;
    messages++;
}

struct buffer {
    uint8_t *data;
    size_t size;
};

// Flips, overwrites, numbers at their limits, cuts, repeats.
static struct buffer mutate(struct buffer from, struct arena *a, uint64_t *state)
{
    struct buffer b = {arena_memdup(a, from.data, from.size), from.size};
    for (uint64_t n = 1 + next_random(state) % 4; n && b.size > 16; n--) {
        size_t at = next_random(state) % (b.size - 8);
        static const uint64_t VALUES[] = {0,          1,          0x7f,       0xff,     0xffff,
                                          0x7fffffff, 0xffffffff, UINT64_MAX, INT64_MAX};
        uint64_t v = VALUES[next_random(state) % 9];
        switch (next_random(state) % 6) {
        case 0: b.data[at] ^= (uint8_t)(1 << next_random(state) % 8); break;
        case 1: b.data[at] = (uint8_t)next_random(state); break;
        case 2: memcpy(b.data + at, &v, 4); break;
        case 3: memcpy(b.data + at, &v, 8); break;
        case 4: b.size = next_random(state) % 20 ? b.size : at; break;
        default: memmove(b.data + at, b.data + next_random(state) % (b.size - 8), 8); break;
        }
    }
    return b;
}

// Where the checksum of a whole binary lies: the section header table names it, the ninth.
static void fix_sum(struct buffer b)
{
    if (b.size < 64)
        return;
    uint64_t shoff = io_get64(b.data + 40);
    if (shoff > b.size || b.size - shoff < 9 * 64)
        return;
    uint64_t at = io_get64(b.data + shoff + 8 * 64 + 24);
    if (at > b.size || b.size - at < 4)
        return;
    io_put32(b.data + at, 0);
    io_put32(b.data + at, (uint32_t)crc32_z(crc32_z(0, NULL, 0), b.data, b.size));
}

static struct buffer read_whole(const char *path, struct arena *a, struct diag *d)
{
    struct io_map m;
    if (!io_map_file(&m, path, 0, d))
        return (struct buffer){0};
    struct buffer b = {arena_memdup(a, m.data, m.size), m.size};
    io_unmap(&m);
    return b;
}

static void write_plain(const char *path, struct buffer b)
{
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(b.data, 1, b.size, f) == b.size);
    if (f)
        fclose(f);
}

// An accepted mutant must go through text and back like any image.
static void use_image(const struct image *img, struct arena *a, struct diag *d)
{
    FILE *f = fopen("accepted.s", "w");
    CHECK(f && image_print_asm(img, f, d));
    if (f)
        fclose(f);
    struct image back;
    CHECK(image_parse_asm("accepted.s", &back, a, d));
    for (uint64_t pc = 0; pc < img->text_bytes; pc += ISA_WORD_BYTES)
        CHECK(image_layer_at(img, pc, NULL) < (int)img->num_layers);
}

static void mutate_binaries(bool fix)
{
    int accepted = 0;
    for (uint64_t i = 0; i < MUTANTS; i++) {
        struct arena *a = arena_create();
        struct diag *d = diag_create(a, loc_table_create(a));
        diag_set_sink(d, count_messages, NULL);
        uint64_t state = i;
        struct image img = random_image(a, i % SEEDS), back;
        if (i % SEEDS == i) // the first of each seed; later ones mutate the same file
            CHECK(image_write(arena_printf(a, "seed%" PRIu64 ".blt", i), &img, a, d));
        struct buffer b =
            mutate(read_whole(arena_printf(a, "seed%" PRIu64 ".blt", i % SEEDS), a, d), a, &state);
        if (fix)
            fix_sum(b);
        write_plain("mutant.blt", b);
        int before = messages;
        if (image_read("mutant.blt", &back, a, d)) {
            accepted++;
            use_image(&back, a, d);
            image_close(&back);
        } else {
            CHECK(messages > before);
        }
        arena_destroy(a);
    }
    printf("%d of %d binaries accepted%s\n", accepted, MUTANTS, fix ? ", checksum made right" : "");
}

static void binaries(void)
{
    mutate_binaries(false);
}

static void binaries_with_a_right_checksum(void)
{
    mutate_binaries(true);
}

static struct buffer listing_of(uint64_t seed, struct arena *a, struct diag *d)
{
    struct image img = random_image(a, seed);
    FILE *f = fopen("seed.s", "w");
    CHECK(f && image_print_asm(&img, f, d));
    if (f)
        fclose(f);
    return read_whole("seed.s", a, d);
}

static void listings(void)
{
    struct arena *keep = arena_create();
    struct diag *quiet = diag_create(keep, NULL);
    struct buffer seeds[SEEDS];
    for (uint64_t s = 0; s < SEEDS; s++)
        seeds[s] = listing_of(s, keep, quiet);
    int accepted = 0;
    for (uint64_t i = 0; i < MUTANTS; i++) {
        struct arena *a = arena_create();
        struct diag *d = diag_create(a, loc_table_create(a));
        diag_set_sink(d, count_messages, NULL);
        uint64_t state = i;
        struct image img;
        write_plain("mutant.s", mutate(seeds[i % SEEDS], a, &state));
        int before = messages;
        if (image_parse_asm("mutant.s", &img, a, d))
            accepted++;
        else
            CHECK(messages > before);
        arena_destroy(a);
    }
    printf("%d of %d listings accepted\n", accepted, MUTANTS);
    arena_destroy(keep);
}

int main(void)
{
    RUN(binaries);
    RUN(binaries_with_a_right_checksum);
    RUN(listings);
    return check_summary();
}

// Binaries: what is written is read, text gives equal bytes, and a damaged file is refused.
#include "check.h"
#include "image_random.h"

enum { IMAGES = 300 };

static void ignore(void *user, enum diag_severity sev, enum diag_id id, const char *message)
{
    (void)user, (void)sev, (void)id, (void)message;
}

static bool same_bytes(const char *a, const char *b, struct diag *d)
{
    struct io_map x, y;
    if (!io_map_file(&x, a, 0, d))
        return false;
    if (!io_map_file(&y, b, 0, d)) {
        io_unmap(&x);
        return false;
    }
    bool same = x.size == y.size && memcmp(x.data, y.data, x.size) == 0;
    io_unmap(&x);
    io_unmap(&y);
    return same;
}

static bool same_io(const struct image_io *a, const struct image_io *b)
{
    return strcmp(a->name, b->name) == 0 && a->dtype == b->dtype && a->rank == b->rank &&
           a->addr == b->addr && memcmp(a->dim, b->dim, sizeof a->dim) == 0;
}

static void compare_images(const struct image *a, const struct image *b)
{
    CHECK(a->text_bytes == b->text_bytes && memcmp(a->text, b->text, a->text_bytes) == 0);
    CHECK(a->rodata_bytes == b->rodata_bytes && memcmp(a->rodata, b->rodata, a->rodata_bytes) == 0);
    CHECK(a->lanes_bytes == b->lanes_bytes && memcmp(a->lanes, b->lanes, a->lanes_bytes) == 0);
    CHECK_INT((uintptr_t)b->lanes % IMAGE_LANES_ALIGN, 0);
    CHECK(a->heap_bytes == b->heap_bytes && a->machine.ext == b->machine.ext);
    CHECK(a->num_inputs == b->num_inputs && a->num_outputs == b->num_outputs &&
          a->num_host == b->num_host);
    CHECK(a->num_layers == b->num_layers && a->num_locs == b->num_locs);
    for (size_t i = 0; i < a->num_inputs; i++)
        CHECK(same_io(&a->inputs[i], &b->inputs[i]));
    for (size_t i = 0; i < a->num_outputs; i++)
        CHECK(same_io(&a->outputs[i], &b->outputs[i]));
    for (size_t i = 0; i < a->num_host; i++)
        CHECK_STR(b->host[i], a->host[i]);
    CHECK_INT((int64_t)b->time.num_layers, (int64_t)a->time.num_layers);
    CHECK_INT(b->time.cycles, a->time.cycles);
    for (size_t i = 0; i < a->time.num_layers; i++) {
        CHECK_INT(b->time.layers[i].first, a->time.layers[i].first);
        CHECK_INT(b->time.layers[i].last, a->time.layers[i].last);
        CHECK_INT(b->time.layers[i].array, a->time.layers[i].array);
        CHECK_INT(b->time.layers[i].effects, a->time.layers[i].effects);
    }
    for (size_t i = 0; i < a->num_layers; i++)
        CHECK(strcmp(a->layers[i].ir_value, b->layers[i].ir_value) == 0 &&
              a->layers[i].node_index == b->layers[i].node_index);
    for (size_t i = 0; i < a->num_locs; i++)
        CHECK(a->locs[i].pc == b->locs[i].pc && a->locs[i].layer == b->locs[i].layer);
}

static void text_and_back(const struct image *img, struct arena *a, struct diag *d)
{
    struct io_out *o = io_create("i.s", a, d);
    CHECK(o && image_print_listing(img, &(struct image_print){.layers = true, .addresses = true},
                                   io_file(o), d));
    CHECK(o && io_commit(o, d));
    struct image parsed;
    if (CHECK(image_parse_asm("i.s", &parsed, a, d)) &&
        CHECK(image_write("again.blt", &parsed, a, d)))
        CHECK(same_bytes("i.blt", "again.blt", d));
}

static void images_survive_file_and_text(void)
{
    for (uint64_t seed = 0; seed < IMAGES; seed++) {
        struct arena *a = arena_create();
        struct diag *d = diag_create(a, loc_table_create(a));
        struct image img = random_image(a, seed), back;
        if (CHECK(image_write("i.blt", &img, a, d)) && CHECK(image_read("i.blt", &back, a, d))) {
            compare_images(&img, &back);
            text_and_back(&back, a, d);
            CHECK(image_write("copy.blt", &back, a, d) && same_bytes("i.blt", "copy.blt", d));
            image_close(&back);
        }
        arena_destroy(a);
    }
}

static void every_flipped_bit_is_seen(void)
{
    struct arena *a = arena_create();
    struct diag *d = diag_create(a, loc_table_create(a));
    diag_set_sink(d, ignore, NULL);
    struct image img = random_image(a, 7), back;
    struct io_map m;
    CHECK(image_write("flip.blt", &img, a, d) && io_map_file(&m, "flip.blt", 0, d));
    uint8_t *copy = arena_memdup(a, m.data, m.size);
    uint64_t state = 1;
    for (int i = 0; i < 1000; i++) {
        size_t bit = next_random(&state) % (8 * m.size);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(io_write_file("flipped.blt", copy, m.size, d));
        int before = diag_errors(d);
        if (!CHECK(!image_read("flipped.blt", &back, a, d)))
            printf("bit %zu\n", bit);
        CHECK(diag_errors(d) > before);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    io_unmap(&m);
    arena_destroy(a);
}

static void layers_by_pc(void)
{
    struct image_loc locs[] = {{16, 4}, {48, 2}, {64, 4}};
    struct image img = {.locs = locs, .num_locs = 3};
    CHECK_INT(image_layer_at(&img, 0, NULL), -1);
    CHECK_INT(image_layer_at(&img, 16, NULL), 4);
    CHECK_INT(image_layer_at(&img, 47, NULL), 4);
    CHECK_INT(image_layer_at(&img, 48, NULL), 2);
    CHECK_INT(image_layer_at(&img, 1000, NULL), 4);
    for (size_t near = 0; near < 5; near++)
        for (uint64_t pc = 0; pc < 64; pc++) {
            size_t at = near;
            CHECK_INT(image_layer_at(&img, pc, &at), image_layer_at(&img, pc, NULL));
            CHECK(at <= img.num_locs);
        }
}

// Lanes in pieces give the file that the same lanes in one array give.
static void lanes_may_lie_in_pieces(void)
{
    enum { BYTES = 100000 };
    struct arena *a = arena_create();
    struct diag *d = diag_create(a, NULL);
    uint8_t *all = arena_alloc(a, BYTES);
    struct image_piece piece[] = {{8, NULL, 1000}, {1008, NULL, 3}, {20000, NULL, 70000}};
    for (size_t i = 0; i < 3; i++) {
        uint8_t *data = arena_alloc(a, piece[i].bytes);
        for (size_t k = 0; k < piece[i].bytes; k++)
            data[k] = all[piece[i].offset + k] = (uint8_t)(k * (i + 3) + 1);
        piece[i].data = data;
    }
    struct image whole = {.lanes = all, .lanes_bytes = BYTES};
    machine_default(&whole.machine);
    struct image parts = whole;
    parts.lanes = NULL;
    parts.lane_pieces = piece;
    parts.num_lane_pieces = 3;
    CHECK(image_write("whole.blt", &whole, a, d) && image_write("parts.blt", &parts, a, d) &&
          same_bytes("whole.blt", "parts.blt", d));
    image_join_lanes(&parts, a);
    CHECK(memcmp(parts.lanes, all, BYTES) == 0);
    arena_destroy(a);
}

// A wrong image is refused before a file appears.
static void impossible_images_are_not_written(void)
{
    struct arena *a = arena_create();
    struct diag *d = diag_create(a, NULL);
    diag_set_sink(d, ignore, NULL);
    struct image_io io = {
        .name = "x", .dtype = DT_F32, .rank = 1, .dim = {5}, .addr = IMAGE_HEAP_BASE};
    struct image_loc loc = {0, 0};
    struct image img = {.inputs = &io, .num_inputs = 1, .heap_bytes = 19};
    machine_default(&img.machine);
    CHECK(!image_write("no.blt", &img, a, d));
    img.heap_bytes = 20;
    CHECK(image_write("yes.blt", &img, a, d));
    img.locs = &loc;
    img.num_locs = 1;
    CHECK(!image_write("no.blt", &img, a, d));
    img.num_locs = 0;
    img.heap_bytes = UINT64_C(1) << 39;
    CHECK(!image_write("no.blt", &img, a, d));
    CHECK(!io_exists("no.blt"));
    arena_destroy(a);
}

int main(void)
{
    RUN(images_survive_file_and_text);
    RUN(every_flipped_bit_is_seen);
    RUN(layers_by_pc);
    RUN(lanes_may_lie_in_pieces);
    RUN(impossible_images_are_not_written);
    return check_summary();
}

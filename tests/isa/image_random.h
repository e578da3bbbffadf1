// A random image for the tests, from a seed alone: every kind of record, odd names, and branches
// that stay inside.
#ifndef BITLET_TEST_IMAGE_RANDOM_H
#define BITLET_TEST_IMAGE_RANDOM_H

#include <inttypes.h>

#include "image.h"
#include "isa_random.h"

static inline uint8_t *random_bytes(struct arena *a, size_t size, uint64_t *state)
{
    uint8_t *p = arena_alloc(a, size + 1);
    for (size_t i = 0; i < size; i++)
        p[i] = i / 100 % 3 ? (uint8_t)next_random(state) : 0;
    return p;
}

static inline const char *random_name(struct arena *a, uint64_t *state)
{
    static const char *const NAMES[] = {
        "x", "", "a b", "quo\"te\\", "tab\tnew\nline", "caf\xc3\xa9", "\x7f\x01", "conv1/Conv"};
    return arena_strdup(a, NAMES[next_random(state) % 8]);
}

static inline struct image_io *random_ios(struct arena *a, size_t count, uint64_t *state)
{
    struct image_io *ios = ARENA_ARRAY(a, count, struct image_io);
    for (size_t i = 0; i < count; i++) {
        ios[i] = (struct image_io){.name = random_name(a, state),
                                   .dtype = (enum dtype)(next_random(state) % DT_F8E8M0),
                                   .rank = (int)(next_random(state) % 5)};
        for (int k = 0; k < ios[i].rank; k++)
            ios[i].dim[k] = (int64_t)(next_random(state) % 5);
        ios[i].addr = IMAGE_HEAP_BASE + 64 * (next_random(state) % 100);
    }
    return ios;
}

static inline struct image random_image(struct arena *a, uint64_t seed)
{
    uint64_t state = seed;
    size_t count = next_random(&state) % 60;
    uint8_t *text = arena_alloc(a, (count + 1) * ISA_WORD_BYTES);
    for (size_t i = 0; i < count; i++) {
        struct isa_insn in = random_insn(&state);
        if (isa_op_info[in.op].format == ISA_FMT_BR)
            in.BR.off = ((int64_t)(next_random(&state) % count) - (int64_t)i) * ISA_WORD_BYTES;
        if (!isa_encode(&in, text + i * ISA_WORD_BYTES, NULL))
            bitlet_bug("a random instruction does not encode");
    }
    struct image img = {.text = text, .text_bytes = count * ISA_WORD_BYTES, .heap_bytes = 1 << 20};
    machine_default(&img.machine);
    img.machine.ext = (uint32_t)(next_random(&state) % 16);
    img.rodata_bytes = next_random(&state) % 500;
    img.rodata = random_bytes(a, img.rodata_bytes, &state);
    img.lanes_bytes = next_random(&state) % 5000;
    img.lanes = random_bytes(a, img.lanes_bytes, &state);
    img.num_inputs = next_random(&state) % 4;
    img.inputs = random_ios(a, img.num_inputs, &state);
    img.num_outputs = next_random(&state) % 4;
    img.outputs = random_ios(a, img.num_outputs, &state);
    img.num_host = next_random(&state) % 3;
    img.host = ARENA_ARRAY(a, img.num_host, const char *);
    for (size_t i = 0; i < img.num_host; i++)
        img.host[i] = random_name(a, &state);
    img.num_layers = 1 + next_random(&state) % 4;
    img.layers = ARENA_ARRAY(a, img.num_layers, struct image_layer);
    for (size_t i = 0; i < img.num_layers; i++)
        img.layers[i] = (struct image_layer){random_name(a, &state), random_name(a, &state),
                                             (int32_t)(next_random(&state) % 5) - 1,
                                             random_name(a, &state), random_name(a, &state)};
    img.locs = ARENA_ARRAY(a, count, struct image_loc);
    for (size_t i = 0; i < count; i++)
        if (next_random(&state) % 3 == 0)
            img.locs[img.num_locs++] = (struct image_loc){
                i * ISA_WORD_BYTES, (uint32_t)(next_random(&state) % img.num_layers)};
    img.time.num_layers = next_random(&state) % 2 ? img.num_layers + 1 : 0;
    img.time.layers = ARENA_ARRAY(a, img.time.num_layers, struct image_time);
    img.time.timing = img.time.num_layers ? random_name(a, &state) : NULL;
    for (size_t i = 0; i < img.time.num_layers; i++) {
        int64_t first = (int64_t)(next_random(&state) % 1000), span = (int64_t)(i * 77);
        img.time.layers[i] =
            (struct image_time){first, first + span, span / 2,
                                (uint32_t)(next_random(&state) % (1u << IMAGE_EFFECT_NUM))};
        img.time.cycles += 1000 + span;
    }
    return img;
}

#endif

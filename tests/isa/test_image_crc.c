// Checksums against zlib's: all small lengths, alignments and registers, and pieces put together.
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "check.h"
#include "image_crc.h"

#define MOST 70000

static uint8_t data[MOST];

static void make_data(void)
{
    uint32_t x = 12345;
    for (int i = 0; i < MOST; i++) {
        x = x * 1664525u + 1013904223u;
        data[i] = (uint8_t)(x >> 24);
    }
}

static void equals_zlib(void)
{
    for (size_t len = 0; len < 1500; len++)
        for (size_t at = 0; at < 3; at++) {
            uint32_t before = (uint32_t)(len * 2654435761u * at);
            if (!CHECK_INT(image_crc32(before, data + at, len), crc32_z(before, data + at, len)))
                return;
        }
    CHECK_INT(image_crc32(0, data, MOST), crc32_z(0, data, MOST));
    memset(data, 0, 4096);
    CHECK_INT(image_crc32(0, data, 4096), crc32_z(0, data, 4096));
    make_data();
}

static void pieces_make_the_whole(void)
{
    for (size_t cut = 0; cut <= MOST; cut += 997)
        CHECK_INT(image_crc32(image_crc32(0, data, cut), data + cut, MOST - cut),
                  crc32_z(0, data, MOST));
}

int main(void)
{
    make_data();
    RUN(equals_zlib);
    RUN(pieces_make_the_whole);
    return check_summary();
}

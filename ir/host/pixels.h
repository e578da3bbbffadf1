// Images in memory: what the decoders of single formats give to image_decode. Private to ir/host.
#ifndef BITLET_HOST_PIXELS_H
#define BITLET_HOST_PIXELS_H

#include "arena.h"

#include <stdbool.h>
#include <stdint.h>

struct image_file {
    const uint8_t *data;
    size_t size;
};
struct pixels {
    int64_t width, height;
    bool grey;     // one byte a pixel, else three: red, green, blue
    uint8_t *data; // rows from the top
    struct arena *arena;
};
// Memory for an image of the extents set; false when they are no image's or too large.
bool pixels_alloc(struct pixels *p);

// Each gives NULL, or in words why the file is no image of its kind.
const char *image_read_bmp(const struct image_file *f, struct pixels *p);
const char *image_read_jpeg(const struct image_file *f, struct pixels *p);
const char *image_read_jpeg2000(const struct image_file *f, struct pixels *p);
const char *image_read_png(const struct image_file *f, struct pixels *p);
const char *image_read_pnm(const struct image_file *f, struct pixels *p);
const char *image_read_tiff(const struct image_file *f, struct pixels *p);
const char *image_read_webp(const struct image_file *f, struct pixels *p);

#endif

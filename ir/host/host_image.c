// Image files to pixels: the format by its first bytes, the decoders' results to what was asked.
#include <string.h>

#include "host_kernels.h"
#include "pixels.h"

#define PIXELS_MAX (INT64_C(1) << 28)

bool pixels_alloc(struct pixels *p)
{
    if (p->width < 1 || p->height < 1 || p->width > PIXELS_MAX || p->height > PIXELS_MAX / p->width)
        return false;
    p->data = arena_alloc(p->arena, (size_t)(p->width * p->height) * (p->grey ? 1 : 3));
    return true;
}

static bool starts(const struct image_file *f, size_t at, const char *magic, size_t len)
{
    return f->size >= at + len && memcmp(f->data + at, magic, len) == 0;
}

static const char *decode(const struct image_file *f, struct pixels *p)
{
    if (starts(f, 0, "\x89PNG", 4))
        return image_read_png(f, p);
    if (starts(f, 0, "\xff\xd8\xff", 3))
        return image_read_jpeg(f, p);
    if (starts(f, 0, "\0\0\0\x0cjP  ", 8) || starts(f, 0, "\xff\x4f\xff\x51", 4))
        return image_read_jpeg2000(f, p);
    if (starts(f, 0, "RIFF", 4) && starts(f, 8, "WEBP", 4))
        return image_read_webp(f, p);
    if (starts(f, 0, "II*\0", 4) || starts(f, 0, "MM\0*", 4))
        return image_read_tiff(f, p);
    if (starts(f, 0, "BM", 2))
        return image_read_bmp(f, p);
    if (starts(f, 0, "P", 1) && f->size > 2 && f->data[1] >= '1' && f->data[1] <= '6')
        return image_read_pnm(f, p);
    return "neither bmp, jpeg, jpeg2000, png, pnm, tiff nor webp";
}

// Weights of ITU-R BT.601 in 16-bit fixed point.
static uint8_t luma(const uint8_t *rgb)
{
    return (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

static void deliver_pixel(const struct pixels *p, int64_t i, int64_t format, uint8_t *out)
{
    uint8_t grey[3] = {0};
    const uint8_t *c = p->data + 3 * i;
    if (p->grey) {
        memset(grey, p->data[i], 3);
        c = grey;
    }
    if (format == 2) {
        out[0] = p->grey ? c[0] : luma(c);
        return;
    }
    out[0] = c[format == 1 ? 2 : 0];
    out[1] = c[1];
    out[2] = c[format == 1 ? 0 : 2];
}

// Into rows of `pitch` pixels.
static void deliver(const struct pixels *p, int64_t format, uint8_t *out, int64_t pitch)
{
    int64_t channels = format == 2 ? 1 : 3;
    for (int64_t y = 0; y < p->height; y++)
        for (int64_t x = 0; x < p->width; x++)
            deliver_pixel(p, y * p->width + x, format, out + (y * pitch + x) * channels);
}

// format: 0 RGB, 1 BGR, 2 grey. The pixels are written when out has room for them, at its first
// rows and columns; real has the image's extents in any case.
const char *host_image_decode(uint8_t *out, const int64_t *dim, int64_t rank, const uint8_t *file,
                              int64_t bytes, int64_t format, int64_t *real)
{
    if (rank != 3 || format < 0 || format > 2)
        return "gives [height, width, channels]; formats are 0, 1 and 2";
    struct arena *a = arena_create();
    struct pixels p = {.arena = a};
    const char *why = decode(&(struct image_file){file, (size_t)bytes}, &p);
    if (!why) {
        real[0] = p.height;
        real[1] = p.width;
        real[2] = format == 2 ? 1 : 3;
        if (real[0] <= dim[0] && real[1] <= dim[1] && real[2] == dim[2])
            deliver(&p, format, out, dim[1]);
    }
    arena_destroy(a);
    return why;
}

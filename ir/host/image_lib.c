// Decoders that libraries make: png, jpeg, tiff, webp, jpeg2000.
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <openjpeg.h>
#include <png.h>
#include <tiffio.h>
#include <webp/decode.h>

#include "pixels.h"

struct cursor {
    struct image_file file;
    size_t at;
};

static size_t take(struct cursor *c, void *to, size_t n)
{
    size_t left = c->file.size - c->at, len = n < left ? n : left;
    memcpy(to, c->file.data + c->at, len);
    c->at += len;
    return len;
}

// ---- PNG

static void png_take(png_structp png, png_bytep to, size_t n)
{
    if (take(png_get_io_ptr(png), to, n) != n)
        png_error(png, "the file ends early");
}

static void png_fail(png_structp png, png_const_charp text)
{
    (void)text;
    png_longjmp(png, 1);
}

static void png_quiet(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void png_rows(png_structp png, png_infop info, struct pixels *p)
{
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_strip_alpha(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    p->width = png_get_image_width(png, info);
    p->height = png_get_image_height(png, info);
    p->grey = png_get_channels(png, info) == 1;
    if (!pixels_alloc(p))
        png_error(png, "impossible extents");
    size_t row = (size_t)p->width * (p->grey ? 1 : 3);
    if (png_get_rowbytes(png, info) != row)
        png_error(png, "rows of an unexpected size");
    for (int pass = 0; pass < passes; pass++)
        for (int64_t y = 0; y < p->height; y++)
            png_read_row(png, p->data + (size_t)y * row, NULL);
}

const char *image_read_png(const struct image_file *f, struct pixels *p)
{
    struct cursor c = {*f, 0};
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, png_fail, png_quiet);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    const char *volatile why = "the png file is damaged";
    if (info && setjmp(png_jmpbuf(png)) == 0) {
        png_set_read_fn(png, &c, png_take);
        png_read_info(png, info);
        png_rows(png, info, p);
        why = NULL;
    }
    png_destroy_read_struct(&png, &info, NULL);
    return why;
}

// ---- JPEG

struct jpeg_failure {
    struct jpeg_error_mgr base;
    jmp_buf back;
};

static void jpeg_fail(j_common_ptr c)
{
    longjmp(((struct jpeg_failure *)c->err)->back, 1);
}

static void jpeg_quiet(j_common_ptr c)
{
    (void)c;
}

// Adobe's files hold inverted inks.
static void ink_row(const uint8_t *cmyk, uint8_t *rgb, int64_t n, bool inverted)
{
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++) {
            unsigned ink = cmyk[4 * i + k], black = cmyk[4 * i + 3];
            if (!inverted) {
                ink = 255 - ink;
                black = 255 - black;
            }
            rgb[3 * i + k] = (uint8_t)((ink * black + 127) / 255);
        }
}

static bool jpeg_rows(struct jpeg_decompress_struct *j, const struct image_file *f,
                      struct pixels *p)
{
    jpeg_mem_src(j, f->data, (unsigned long)f->size);
    jpeg_read_header(j, TRUE);
    bool inks = j->num_components == 4;
    p->grey = j->num_components == 1;
    j->out_color_space = inks ? JCS_CMYK : p->grey ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(j);
    p->width = j->output_width;
    p->height = j->output_height;
    if (!pixels_alloc(p))
        return false;
    uint8_t *line = arena_alloc(p->arena, (size_t)p->width * 4);
    for (int64_t y = 0; y < p->height; y++) {
        uint8_t *row = p->data + (size_t)(y * p->width) * (p->grey ? 1 : 3);
        JSAMPROW target = inks ? line : row;
        jpeg_read_scanlines(j, &target, 1);
        if (inks)
            ink_row(line, row, p->width, j->saw_Adobe_marker);
    }
    jpeg_finish_decompress(j);
    return true;
}

const char *image_read_jpeg(const struct image_file *f, struct pixels *p)
{
    struct jpeg_decompress_struct j = {0};
    struct jpeg_failure failure;
    const char *volatile why = "the jpeg file is damaged";
    j.err = jpeg_std_error(&failure.base);
    failure.base.error_exit = jpeg_fail;
    failure.base.output_message = jpeg_quiet;
    if (setjmp(failure.back) == 0) {
        jpeg_create_decompress(&j);
        if (jpeg_rows(&j, f, p))
            why = NULL;
    }
    jpeg_destroy_decompress(&j);
    return why;
}

// ---- WebP

const char *image_read_webp(const struct image_file *f, struct pixels *p)
{
    int width, height;
    if (!WebPGetInfo(f->data, f->size, &width, &height))
        return "the webp file is damaged";
    p->width = width;
    p->height = height;
    if (!pixels_alloc(p))
        return "the webp image has impossible extents";
    size_t row = (size_t)width * 3;
    return WebPDecodeRGBInto(f->data, f->size, p->data, row * (size_t)height, (int)row)
               ? NULL
               : "the webp file is damaged";
}

// ---- TIFF

static tmsize_t tiff_read(thandle_t h, void *to, tmsize_t n)
{
    return (tmsize_t)take(h, to, (size_t)n);
}

static tmsize_t tiff_write(thandle_t h, void *from, tmsize_t n)
{
    (void)h;
    (void)from;
    (void)n;
    return 0;
}

static toff_t tiff_seek(thandle_t h, toff_t to, int whence)
{
    struct cursor *c = h;
    size_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? c->at : c->file.size;
    size_t at = base + (size_t)to;
    c->at = at < c->file.size ? at : c->file.size;
    return c->at;
}

static int tiff_close(thandle_t h)
{
    (void)h;
    return 0;
}

static toff_t tiff_size(thandle_t h)
{
    return ((struct cursor *)h)->file.size;
}

static const char *tiff_pixels(TIFF *t, struct pixels *p)
{
    uint32_t width = 0, height = 0;
    TIFFGetField(t, TIFFTAG_IMAGEWIDTH, &width);
    TIFFGetField(t, TIFFTAG_IMAGELENGTH, &height);
    p->width = width;
    p->height = height;
    if (!pixels_alloc(p))
        return "the tiff image has impossible extents";
    size_t n = (size_t)width * height;
    uint32_t *words = arena_array(p->arena, n, sizeof *words);
    if (!TIFFReadRGBAImageOriented(t, width, height, words, ORIENTATION_TOPLEFT, 1))
        return "the tiff file is damaged, or of a kind that is not read";
    for (size_t i = 0; i < n; i++) {
        p->data[3 * i] = (uint8_t)TIFFGetR(words[i]);
        p->data[3 * i + 1] = (uint8_t)TIFFGetG(words[i]);
        p->data[3 * i + 2] = (uint8_t)TIFFGetB(words[i]);
    }
    return NULL;
}

const char *image_read_tiff(const struct image_file *f, struct pixels *p)
{
    struct cursor c = {*f, 0};
    TIFFSetErrorHandler(NULL);
    TIFFSetWarningHandler(NULL);
    TIFF *t = TIFFClientOpen("image", "rm", &c, tiff_read, tiff_write, tiff_seek, tiff_close,
                             tiff_size, NULL, NULL);
    const char *why = t ? tiff_pixels(t, p) : "the tiff file is damaged";
    if (t)
        TIFFClose(t);
    return why;
}

// ---- JPEG 2000

static OPJ_SIZE_T jp2_read(void *to, OPJ_SIZE_T n, void *user)
{
    OPJ_SIZE_T got = take(user, to, n);
    return got ? got : (OPJ_SIZE_T)-1;
}

static OPJ_OFF_T jp2_skip(OPJ_OFF_T n, void *user)
{
    struct cursor *c = user;
    if (n < 0 || (size_t)n > c->file.size - c->at)
        return -1;
    c->at += (size_t)n;
    return n;
}

static OPJ_BOOL jp2_seek(OPJ_OFF_T to, void *user)
{
    struct cursor *c = user;
    if (to < 0 || (size_t)to > c->file.size)
        return OPJ_FALSE;
    c->at = (size_t)to;
    return OPJ_TRUE;
}

// A sample at a pixel, scaled to 8 bits. Components may have fewer samples than the image.
static int sample(const opj_image_comp_t *c, int64_t x, int64_t y)
{
    int64_t i = x / c->dx, k = y / c->dy;
    if (i >= c->w || k >= c->h || !c->data)
        return 0;
    int v = c->data[k * c->w + i] + (c->sgnd ? 1 << (c->prec - 1) : 0);
    v = c->prec > 8 ? v >> (c->prec - 8) : c->prec < 8 ? v * 255 / ((1 << c->prec) - 1) : v;
    return v < 0 ? 0 : v > 255 ? 255 : v;
}

static uint8_t byte_of(double v)
{
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v + 0.5);
}

static void jp2_pixel(const opj_image_t *image, int64_t x, int64_t y, bool ycc, uint8_t *out)
{
    int v[3];
    for (int k = 0; k < 3; k++)
        v[k] = sample(&image->comps[k], x, y);
    if (!ycc) {
        for (int k = 0; k < 3; k++)
            out[k] = (uint8_t)v[k];
        return;
    }
    double cb = v[1] - 128, cr = v[2] - 128;
    out[0] = byte_of(v[0] + 1.402 * cr);
    out[1] = byte_of(v[0] - 0.344136 * cb - 0.714136 * cr);
    out[2] = byte_of(v[0] + 1.772 * cb);
}

static const char *jp2_pixels(const opj_image_t *image, struct pixels *p)
{
    p->width = (int64_t)image->x1 - image->x0;
    p->height = (int64_t)image->y1 - image->y0;
    p->grey = image->numcomps < 3;
    if (image->numcomps < 1 || !pixels_alloc(p))
        return "the jpeg 2000 image has impossible extents";
    for (uint32_t k = 0; k < image->numcomps && k < 3; k++)
        if (image->comps[k].prec < 1 || image->comps[k].prec > 30 || image->comps[k].dx < 1 ||
            image->comps[k].dy < 1)
            return "the jpeg 2000 image has impossible components";
    bool ycc = image->color_space == OPJ_CLRSPC_SYCC;
    for (int64_t y = 0, i = 0; y < p->height; y++)
        for (int64_t x = 0; x < p->width; x++, i++) {
            if (p->grey)
                p->data[i] = (uint8_t)sample(&image->comps[0], x, y);
            else
                jp2_pixel(image, x, y, ycc, p->data + 3 * i);
        }
    return NULL;
}

const char *image_read_jpeg2000(const struct image_file *f, struct pixels *p)
{
    struct cursor c = {*f, 0};
    bool boxed = f->data[0] == 0;
    opj_dparameters_t how;
    opj_set_default_decoder_parameters(&how);
    opj_codec_t *codec = opj_create_decompress(boxed ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K);
    opj_stream_t *stream = opj_stream_default_create(OPJ_TRUE);
    opj_image_t *image = NULL;
    opj_stream_set_user_data(stream, &c, NULL);
    opj_stream_set_user_data_length(stream, f->size);
    opj_stream_set_read_function(stream, jp2_read);
    opj_stream_set_skip_function(stream, jp2_skip);
    opj_stream_set_seek_function(stream, jp2_seek);
    bool ok = opj_setup_decoder(codec, &how) && opj_read_header(stream, codec, &image) &&
              opj_decode(codec, stream, image) && opj_end_decompress(codec, stream);
    const char *why = ok ? jp2_pixels(image, p) : "the jpeg 2000 file is damaged";
    opj_image_destroy(image);
    opj_stream_destroy(stream);
    opj_destroy_codec(codec);
    return why;
}

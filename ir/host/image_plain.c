// Decoders of formats plain enough to have no library: bmp and pnm.
#include <ctype.h>
#include <string.h>

#include "io.h"
#include "pixels.h"

// ---- BMP

enum { BMP_RGB = 0, BMP_RLE8 = 1, BMP_RLE4 = 2, BMP_BITFIELDS = 3, BMP_ALPHAFIELDS = 6 };

struct bmp {
    const struct image_file *f;
    size_t pixels, palette;
    uint32_t colours, entry; // palette: number of entries, bytes of each
    int bits;
    uint32_t compression, mask[3];
    bool top_down;
};

static const char *bmp_header(struct bmp *b, struct pixels *p)
{
    const uint8_t *d = b->f->data;
    if (b->f->size < 26)
        return "the bmp file ends in its header";
    uint32_t header = io_get32(d + 14);
    b->pixels = io_get32(d + 10);
    b->palette = 14 + (size_t)header;
    b->entry = header == 12 ? 3 : 4;
    if (header != 12 && (header < 40 || b->f->size < 54))
        return "the bmp file has a header of an unknown kind";
    int64_t height = header == 12 ? io_get16(d + 20) : (int32_t)io_get32(d + 22);
    p->width = header == 12 ? io_get16(d + 18) : (int32_t)io_get32(d + 18);
    p->height = height < 0 ? -height : height;
    b->top_down = height < 0;
    b->bits = io_get16(d + (header == 12 ? 24 : 28));
    b->compression = header == 12 ? BMP_RGB : io_get32(d + 30);
    b->colours = header == 12 ? 0 : io_get32(d + 46);
    if (b->colours == 0 && b->bits <= 8)
        b->colours = 1u << b->bits;
    bool fields = b->compression == BMP_BITFIELDS || b->compression == BMP_ALPHAFIELDS;
    static const uint32_t plain[2][3] = {{0x7c00, 0x3e0, 0x1f}, {0xff0000, 0xff00, 0xff}};
    memcpy(b->mask, plain[b->bits == 16 ? 0 : 1], sizeof b->mask);
    for (int i = 0; fields && i < 3; i++)
        b->mask[i] = b->f->size >= 66 ? io_get32(d + 54 + 4 * i) : 0;
    return NULL;
}

static void bmp_colour(const struct bmp *b, uint32_t index, uint8_t *rgb)
{
    size_t at = b->palette + (size_t)index * b->entry;
    if (index < b->colours && at + 3 <= b->f->size)
        for (int k = 0; k < 3; k++)
            rgb[k] = b->f->data[at + 2 - (size_t)k];
}

static uint8_t bmp_field(uint32_t word, uint32_t mask)
{
    if (mask == 0)
        return 0;
    unsigned shift = (unsigned)__builtin_ctz(mask);
    uint64_t top = mask >> shift;
    return (uint8_t)(((word & mask) >> shift) * (uint64_t)255 / top);
}

static void bmp_pixel(const struct bmp *b, const uint8_t *row, int64_t x, uint8_t *rgb)
{
    if (b->bits <= 8) {
        int per = 8 / b->bits, at = (int)(x % per);
        bmp_colour(b, row[x / per] >> (8 - b->bits * (at + 1)) & ((1 << b->bits) - 1), rgb);
    } else if (b->bits == 24) {
        for (int k = 0; k < 3; k++)
            rgb[k] = row[3 * x + 2 - k];
    } else {
        uint32_t word = b->bits == 16 ? io_get16(row + 2 * x) : io_get32(row + 4 * x);
        for (int k = 0; k < 3; k++)
            rgb[k] = bmp_field(word, b->mask[k]);
    }
}

static uint8_t *bmp_row(const struct bmp *b, struct pixels *p, int64_t y)
{
    return p->data + (b->top_down ? y : p->height - 1 - y) * p->width * 3;
}

static const char *bmp_plain(const struct bmp *b, struct pixels *p)
{
    size_t row = ((size_t)p->width * (size_t)b->bits + 31) / 32 * 4;
    if (b->pixels > b->f->size || (b->f->size - b->pixels) / row < (size_t)p->height)
        return "the bmp file ends in its pixels";
    for (int64_t y = 0; y < p->height; y++)
        for (int64_t x = 0; x < p->width; x++)
            bmp_pixel(b, b->f->data + b->pixels + (size_t)y * row, x, bmp_row(b, p, y) + 3 * x);
    return NULL;
}

struct bmp_run {
    const struct bmp *b;
    struct pixels *p;
    int64_t x, y;
};

static void bmp_put(struct bmp_run *r, uint32_t index)
{
    if (r->x < r->p->width && r->y < r->p->height)
        bmp_colour(r->b, index, bmp_row(r->b, r->p, r->y) + 3 * r->x);
    r->x++;
}

static void bmp_literal(struct bmp_run *r, const uint8_t *d, int n)
{
    for (int i = 0; i < n; i++)
        bmp_put(r, r->b->bits == 8 ? d[i] : (uint32_t)(d[i / 2] >> (i % 2 ? 0 : 4) & 15));
}

static const char *bmp_runs(const struct bmp *b, struct pixels *p)
{
    struct bmp_run r = {b, p, 0, 0};
    const uint8_t *d = b->f->data;
    for (size_t at = b->pixels; at + 2 <= b->f->size; at += 2) {
        int n = d[at], code = d[at + 1];
        uint8_t both[2] = {(uint8_t)code, (uint8_t)code};
        if (n > 0) {
            for (int i = 0; i < n; i++)
                bmp_put(&r, b->bits == 8 ? both[0] : (uint32_t)(both[0] >> (i % 2 ? 0 : 4) & 15));
        } else if (code == 0) {
            r.x = 0;
            r.y++;
        } else if (code == 1) {
            return NULL;
        } else if (code == 2) {
            if (at + 4 > b->f->size)
                break;
            r.x += d[at + 2];
            r.y += d[at + 3];
            at += 2;
        } else {
            size_t bytes = b->bits == 8 ? (size_t)code : ((size_t)code + 1) / 2;
            if (at + 2 + bytes > b->f->size)
                break;
            bmp_literal(&r, d + at + 2, code);
            at += (bytes + 1) / 2 * 2;
        }
    }
    return "the bmp file ends in its pixels";
}

const char *image_read_bmp(const struct image_file *f, struct pixels *p)
{
    struct bmp b = {.f = f};
    const char *why = bmp_header(&b, p);
    if (why)
        return why;
    bool runs = b.compression == BMP_RLE8 || b.compression == BMP_RLE4;
    bool fields = b.compression == BMP_BITFIELDS || b.compression == BMP_ALPHAFIELDS;
    bool known =
        b.bits == 1 || b.bits == 4 || b.bits == 8 || b.bits == 16 || b.bits == 24 || b.bits == 32;
    if (!known || (runs && b.bits != (b.compression == BMP_RLE8 ? 8 : 4)) ||
        (fields && b.bits != 16 && b.bits != 32) || (!runs && !fields && b.compression != BMP_RGB))
        return "the bmp file has an unknown depth or compression";
    if (p->width < 1 || p->height < 1 || !pixels_alloc(p))
        return "the bmp image has impossible extents";
    return runs ? bmp_runs(&b, p) : bmp_plain(&b, p);
}

// ---- PNM

struct pnm {
    const struct image_file *f;
    size_t at;
};

static void pnm_skip(struct pnm *s)
{
    while (s->at < s->f->size) {
        if (s->f->data[s->at] == '#')
            while (s->at < s->f->size && s->f->data[s->at] != '\n')
                s->at++;
        else if (!isspace(s->f->data[s->at]))
            return;
        else
            s->at++;
    }
}

static bool pnm_number(struct pnm *s, int64_t max, int64_t *out)
{
    pnm_skip(s);
    size_t start = s->at;
    *out = 0;
    for (; s->at < s->f->size && isdigit(s->f->data[s->at]) && *out <= max; s->at++)
        *out = *out * 10 + (s->f->data[s->at] - '0');
    return s->at > start && *out <= max;
}

// One sample of text or of bytes; bits of a bitmap are ink, 1 is black.
static bool pnm_sample(struct pnm *s, char kind, int64_t max, int64_t x, int64_t *v)
{
    if (kind == '1') {
        pnm_skip(s);
        if (s->at >= s->f->size)
            return false;
        *v = s->f->data[s->at++] == '0';
        return true;
    }
    if (kind == '2' || kind == '3')
        return pnm_number(s, max, v);
    size_t bytes = kind == '4' ? (x % 8 == 0) : max > 255 ? 2 : 1;
    if (s->f->size - s->at < bytes)
        return false;
    s->at += bytes;
    const uint8_t *d = s->f->data + s->at - (kind == '4' ? 1 : bytes);
    *v = kind == '4' ? !(d[0] >> (7 - x % 8) & 1) : bytes == 2 ? d[0] * 256 + d[1] : d[0];
    return *v <= max;
}

const char *image_read_pnm(const struct image_file *f, struct pixels *p)
{
    struct pnm s = {f, 2};
    char kind = (char)f->data[1];
    int64_t max = 1, v;
    bool bitmap = kind == '1' || kind == '4';
    p->grey = kind != '3' && kind != '6';
    if (!pnm_number(&s, INT32_MAX, &p->width) || !pnm_number(&s, INT32_MAX, &p->height) ||
        (!bitmap && (!pnm_number(&s, 65535, &max) || max < 1)) || !pixels_alloc(p))
        return "the pnm file has a malformed header";
    if (kind >= '4')
        s.at++; // one blank ends the header
    if (s.at > f->size)
        return "the pnm file ends in its header";
    int64_t per_row = p->width * (p->grey ? 1 : 3);
    for (int64_t y = 0; y < p->height; y++)
        for (int64_t x = 0; x < per_row; x++) {
            if (!pnm_sample(&s, kind, max, x, &v))
                return "the pnm file ends in its pixels, or a sample is too large";
            p->data[y * per_row + x] = (uint8_t)((v * 255 + max / 2) / max);
        }
    return NULL;
}

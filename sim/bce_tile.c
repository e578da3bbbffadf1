// Lane tiles: the layout of image.h, in and out of the weight buffer.
#include <string.h>

#include "bce.h"
#include "io.h"

static int tile_words(int n)
{
    return (n + 63) / 64;
}

size_t bce_tile_bytes(int n, int lanes, bool is_float)
{
    size_t bytes = 8 * (size_t)tile_words(n) * (size_t)(2 + lanes);
    return is_float ? bytes + (size_t)((n + 7) / 8 * 8) : bytes;
}

// Positions below `limit` that belong to word w.
static uint64_t word_mask(int w, int limit)
{
    int bits = limit - 64 * w;
    if (bits <= 0)
        return 0;
    return bits >= 64 ? ~0ull : (1ull << bits) - 1;
}

static void load_exponents(const struct bce_config *c, const uint8_t *bytes, struct bce_tile *out)
{
    memset(out->exp, 0, sizeof out->exp);
    for (int w = 0; w < tile_words(c->n); w++) {
        uint64_t any = 0;
        for (int b = 0; b < BCE_LANES; b++)
            any |= out->col[b][w];
        if (any == ~0ull) {
            memcpy(out->exp + 64 * w, bytes + 64 * w, 64);
            continue;
        }
        for (; any; any &= any - 1) {
            int i = 64 * w + __builtin_ctzll(any);
            out->exp[i] = bytes[i];
        }
    }
}

void bce_tile_load(const struct bce_config *c, int lanes, int limit, const uint8_t *bytes,
                   struct bce_tile *out)
{
    int words = tile_words(c->n);
    memset(out->valid, 0, sizeof out->valid);
    memset(out->sign, 0, sizeof out->sign);
    for (int b = lanes; b < BCE_LANES; b++)
        memset(out->col[b], 0, sizeof out->col[b]);
    out->n_calc = -1;
    out->macs = 0;
    for (int w = 0; w < words; w++) {
        uint64_t valid = io_get64(bytes + 8 * w) & word_mask(w, limit);
        out->valid[w] = valid;
        out->sign[w] = io_get64(bytes + 8 * (words + w)) & valid;
        for (int b = 0; b < lanes; b++)
            out->col[b][w] = io_get64(bytes + 8 * ((2 + b) * words + w)) & valid;
        out->macs += valid == ~0ull ? 64 : __builtin_popcountll(valid);
        if (valid)
            out->n_calc = 64 * w + 63 - __builtin_clzll(valid);
    }
    for (int w = words; w < BCE_MAX_WORDS; w++)
        for (int b = 0; b < lanes; b++)
            out->col[b][w] = 0;
    const uint8_t *behind = bytes + 8 * (2 + lanes) * words;
    out->lanes = lanes;
    out->count = limit;
    if (bce_is_float(c))
        load_exponents(c, behind, out);
    if (c->regs > 0)
        bce_map_load(behind, c->regs, &out->map);
}

// Bit i of byte b becomes bit b of byte i.
static uint64_t transpose_bits(uint64_t x)
{
    uint64_t t = (x ^ x >> 7) & 0x00aa00aa00aa00aau;
    x ^= t ^ t << 7;
    t = (x ^ x >> 14) & 0x0000cccc0000ccccu;
    x ^= t ^ t << 14;
    t = (x ^ x >> 28) & 0x00000000f0f0f0f0u;
    return x ^ t ^ t << 28;
}

// Columns `first` to first + 7 of up to 64 magnitudes.
static void make_columns(const uint32_t *mag, int count, int first, uint64_t col[8])
{
    for (int i = 0; i < count; i += 8) {
        uint64_t bytes = 0;
        for (int k = 0; k < 8 && i + k < count; k++)
            bytes |= (uint64_t)(mag[i + k] >> first & 0xff) << (8 * k);
        bytes = transpose_bits(bytes);
        for (int b = 0; b < 8; b++)
            col[b] |= (bytes >> (8 * b) & 0xff) << i;
    }
}

void bce_tile_store(const struct bce_config *c, int lanes, int count, const uint32_t *mag,
                    const bool *neg, const uint8_t *exp, uint8_t *bytes)
{
    int words = tile_words(c->n);
    memset(bytes, 0, bce_tile_bytes(c->n, lanes, bce_is_float(c)));
    for (int w = 0; w < words; w++) {
        uint64_t sign = 0, col[BCE_LANES] = {0};
        int left = count - 64 * w < 64 ? count - 64 * w : 64;
        for (int i = 0; i < left; i++)
            sign |= (uint64_t)neg[64 * w + i] << i;
        for (int b = 0; b < lanes; b += 8)
            make_columns(mag + 64 * w, left, b, col + b);
        io_put64(bytes + 8 * w, word_mask(w, count));
        io_put64(bytes + 8 * (words + w), sign);
        for (int b = 0; b < lanes; b++)
            io_put64(bytes + 8 * ((2 + b) * words + w), col[b]);
    }
    if (bce_is_float(c))
        memcpy(bytes + 8 * (2 + lanes) * words, exp, (size_t)count);
}

// Random groups for the tests of the BCE, from a seed alone: bit patterns that trained weights do
// not have.
#ifndef BITLET_TEST_BCE_RANDOM_H
#define BITLET_TEST_BCE_RANDOM_H

#include <string.h>

#include "bce.h"

static inline uint64_t bce_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline int bce_below(uint64_t *state, int n)
{
    return (int)(bce_random(state) % (uint64_t)n);
}

static inline int bce_pick_n(uint64_t *state)
{
    static const int N[] = {2, 4, 8, 16, 64, 64, 64, 128, 256, 24, 200};
    return N[bce_below(state, 11)];
}

// Magnitudes of one tile: dense, sparse, periodic, runs, one full lane, empty.
static inline void bce_random_magnitudes(uint64_t *state, int n, int lanes, uint32_t *mag)
{
    int kind = bce_below(state, 8), period = 1 + bce_below(state, 12),
        lane = bce_below(state, lanes);
    uint32_t all = (1u << lanes) - 1;
    for (int i = 0; i < n; i++) {
        uint32_t r = (uint32_t)bce_random(state), r2 = (uint32_t)bce_random(state);
        switch (kind) {
        case 0: mag[i] = r & all; break;
        case 1: mag[i] = all; break;
        case 2: mag[i] = r & r2 & (r >> 7) & all; break;
        case 3: mag[i] = i % period == 0 ? all : 0; break;
        case 4: mag[i] = (i / period & 1 ? all : 0) & ~(r & r2 & 1 ? 1u << lane : 0); break;
        case 5: mag[i] = 1u << lane | (r2 % 16 == 0 ? r & all : 0); break;
        case 6: mag[i] = r2 % 8 == 0 ? 1u << (r % (uint32_t)lanes) : 0; break;
        default: mag[i] = r2 % 64 == 0 ? all : 0; break;
        }
    }
}

// Exponent fields: near the bias, all there are, low ones, and infinities and NaNs among others.
static inline int bce_random_exponent(uint64_t *state, int kind, int top)
{
    int bias = top / 2;
    switch (kind) {
    case 0: return bias - 4 + bce_below(state, 8);
    case 1: return bce_below(state, top);
    case 2: return bce_below(state, bias / 2 + 1);
    case 3: return bce_below(state, 8) == 0 ? top : bias - 1 + bce_below(state, 3);
    case 4: return bce_below(state, 3) ? 0 : 1;
    default: return bias;
    }
}

// A tile's bytes as a program would hold them: holes and a tail without weights, floats in the
// image's form.
static inline void bce_random_tile(uint64_t *state, const struct bce_config *c, int lanes,
                                   uint8_t *bytes)
{
    uint32_t mag[BCE_MAX_N];
    bool neg[BCE_MAX_N];
    uint8_t exp[BCE_MAX_N];
    int count = bce_below(state, 3) ? c->n : bce_below(state, c->n + 1);
    int top = c->mode == ISA_MODE_fp16 ? 31 : 255, kind = bce_below(state, 6);
    int all_neg = bce_below(state, 4) == 0;
    bce_random_magnitudes(state, c->n, lanes, mag);
    for (int i = 0; i < count; i++) {
        int e = bce_random_exponent(state, kind, top);
        neg[i] = all_neg || (bce_random(state) & 1);
        if (!bce_is_float(c))
            continue;
        uint32_t hidden = 1u << (lanes - 1), frac = mag[i] & (hidden - 1);
        if (e == top && bce_below(state, 2))
            frac = 0;
        mag[i] = e != 0 ? frac | hidden : frac;
        if (bce_below(state, 5) == 0)
            mag[i] = 0, e = 0;
        exp[i] = (uint8_t)(e != 0 ? e : mag[i] != 0);
    }
    bce_tile_store(c, lanes, count, mag, neg, exp, bytes);
    for (int i = 0; i < count / 8; i++) // holes, and bits that do not count under them
        if (bce_below(state, 3) == 0)
            bytes[i] &= (uint8_t)bce_random(state);
}

// A well-formed lane map of any code. Whole: every bit of every lane is reached, so that sums are
// those of the weights; else some RR-regs stop early or lanes are left out.
static inline void bce_random_map(uint64_t *state, int regs, int lanes, int n, bool whole,
                                  struct bce_map *m)
{
    memset(m, 0, sizeof *m);
    m->code = (enum bce_code)(lanes + 1 > regs || lanes == BCE_LANES ? 0 : bce_below(state, 3));
    int digits = lanes + (m->code != BCE_CODE_MAGNITUDE), spare = regs - digits;
    m->limit = whole ? BCE_MAX_N + 1 : 1 + bce_below(state, n / 4 + 2);
    for (int b = 0; b < digits; b++) {
        if (!whole && bce_below(state, 6) == 0)
            continue;
        m->walked |= 1u << b;
        if (m->code != BCE_CODE_MAGNITUDE && bce_below(state, 2))
            m->marked |= 1u << b;
        m->first |= 1u << m->regs;
        m->start[m->regs++] = (uint8_t)(whole || bce_below(state, 2) ? 0 : bce_below(state, n));
        while (spare > 0 && bce_below(state, 3)) {
            int last = m->start[m->regs - 1], next = last + 1 + bce_below(state, 1 + n / 4);
            if (next > 255)
                break;
            m->start[m->regs++] = (uint8_t)next;
            spare--;
        }
    }
}

// Bits of a float activation; `style` as the kinds of exponents.
static inline uint32_t bce_random_float(uint64_t *state, int style, bool half)
{
    int top = half ? 31 : 255, frac_bits = half ? 10 : 23;
    int e = bce_random_exponent(state, style, top);
    uint32_t frac = (uint32_t)bce_random(state) & ((1u << frac_bits) - 1);
    uint32_t sign = (uint32_t)(bce_random(state) & 1) << (half ? 15 : 31);
    if (bce_below(state, 6) == 0)
        return sign;
    if (e == top && bce_below(state, 2))
        frac = 0;
    return sign | (uint32_t)e << frac_bits | frac;
}

#endif

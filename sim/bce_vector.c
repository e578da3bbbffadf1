// Plans against rows of activations: which kernels run, and the rare cases that they leave out:
// IEEE specials, and the RTL's quirks that touch single elements.
#include <string.h>

#include "bce.h"
#include "bce_kernels.h"

// ---- Levels -------------------------------------------------------------------------------------

const struct bce_kernels *bce_kernels_at(int i)
{
    const struct bce_kernels *have[4] = {&bce_kernels_plain, NULL, NULL, NULL};
#if defined(__x86_64__)
    int num = 1;
    if (__builtin_cpu_supports("avx2"))
        have[num++] = &bce_kernels_avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        have[num++] = &bce_kernels_avx512;
    if (num == 3 && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi") &&
        __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512vpopcntdq") &&
        __builtin_cpu_supports("gfni"))
        have[num++] = &bce_kernels_vnni;
#endif
    return i >= 0 && i < 4 ? have[i] : NULL;
}

const struct bce_kernels *bce_kernels_best(void)
{
    const struct bce_kernels *best = NULL;
    for (int i = 0; bce_kernels_at(i); i++)
        best = bce_kernels_at(i);
    return best;
}

// ---- Fixed point --------------------------------------------------------------------------------

#define ACT_MIN (-(1 << 24))

// 25-bit negation leaves the most negative activation as it is: its products with negative weights
// are 2^25 times the selected magnitude too large in a sum that negated it.
static void wrap_negations(const struct bce_config *c, const struct bce_plan *p,
                           const int32_t *rows, int len, int64_t *psum)
{
    for (int k = 0; k < c->n; k++) {
        if (!p->neg[k] || !p->mag[k])
            continue;
        for (int i = 0; i < len; i++)
            if (rows[k * BCE_BLOCK_I32 + i] == ACT_MIN)
                psum[i] -= (int64_t)p->mag[k] << 25;
    }
}

void bce_vector_fixed(const struct bce_kernels *kn, const struct bce_config *c,
                      const struct bce_plan *p, enum bce_row row, const void *rows, int len,
                      int64_t *psum, bool add)
{
    if (row == BCE_ROW_U7)
        kn->u7(p, rows, len, psum, add);
    else if (row == BCE_ROW_U8)
        kn->u8(p, rows, len, psum, add);
    else if (row == BCE_ROW_U15)
        kn->u15(p, rows, len, psum, add);
    else if (row == BCE_ROW_U16)
        kn->u16(p, rows, len, psum, add);
    else
        kn->i32(p, rows, len, psum, add);
    if (c->compat && row == BCE_ROW_I32 && p->n_calc >= 0)
        wrap_negations(c, p, rows, len, psum);
}

// ---- Floats -------------------------------------------------------------------------------------

void bce_lane_counter_drain(struct bce_lane_counter *n)
{
    if (n->adds == 0)
        return;
    for (int d = 0; d < BCE_PLANES; d++)
        for (int b = 0; b < BCE_LANES; b++) {
            uint64_t set = 0;
            for (int i = 0; i < BCE_SUB; i++)
                set += n->plane[d][i] >> b & 1;
            n->total[b] += set << d;
        }
    memset(n->plane, 0, sizeof n->plane);
    n->adds = 0;
}

// One position, one element at a time, for walks that may select bits past n_calc. The state is a
// word of lanes.
static void sum_tail(const struct bce_config *c, const struct bce_plan *p,
                     const struct bce_float_block *b, int at, struct bce_lane_counter *n,
                     struct bce_float_out *out)
{
    size_t sub = (size_t)(at / BCE_SUB * c->n) * BCE_SUB + (size_t)(at % BCE_SUB);
    const int32_t *exp = b->exp + sub, *mant = b->mant + sub;
    int state[BCE_LANES] = {0}, cycles[BCE_LANES] = {0}, d = 0;
    int64_t acc = 0;
    int32_t emax = 0;
    for (int k = 0; k < c->n; k++)
        emax = exp[k * BCE_SUB] + p->exp[k] > emax ? exp[k * BCE_SUB] + p->exp[k] : emax;
    for (int lane = 0; lane < BCE_LANES; lane++) {
        if (!(c->prune >> lane & 1) || p->n_calc < 0)
            continue;
        for (int k = 0; k < c->n; k++) {
            int shift = emax - exp[k * BCE_SUB] - p->exp[k];
            bool x = shift < 32 && (p->mag[k] >> shift >> lane & 1), begun = false;
            if (k <= p->n_calc)
                state[lane] = bce_walk_bit(state[lane], x, &begun);
            else if (state[lane] < 2 || (state[lane] & 1))
                break; // the last window is spent or has selected
            else
                state[lane] = bce_walk_bit(state[lane], x, &begun);
            cycles[lane] += begun;
            if (!x)
                continue;
            n->total[lane]++;
            acc += (p->neg[k] ? -(int64_t)mant[k * BCE_SUB] : mant[k * BCE_SUB]) * (1ll << lane);
        }
        d = cycles[lane] > d ? cycles[lane] : d;
    }
    out->acc[at] = acc;
    out->emax[at] = emax;
    out->d[at] = (uint32_t)d;
}

// The product of operand k with weight k is a NaN, +inf, -inf, or of no concern (0).
enum special { SPECIAL_NONE = 0, SPECIAL_PLUS = 1, SPECIAL_MINUS = 2, SPECIAL_NAN = 4 };

static enum special special_product(const struct bce_config *c, const struct bce_plan *p, int k,
                                    uint32_t a)
{
    int frac = c->mode == ISA_MODE_fp32 ? 23 : 10, top = c->mode == ISA_MODE_fp32 ? 255 : 31;
    uint32_t one = 1u << frac, fraction = a & (one - 1);
    int exp = (int)(a >> frac) & top;
    bool inf_w = p->exp[k] == top && p->mag[k] == one, nan_w = p->exp[k] == top && !inf_w;
    bool inf_a = exp == top && fraction == 0, nan_a = exp == top && !inf_a;
    if (nan_w || nan_a)
        return SPECIAL_NAN;
    if (!inf_w && !inf_a)
        return SPECIAL_NONE;
    if (p->mag[k] == 0 || (exp == 0 && fraction == 0))
        return SPECIAL_NAN;
    bool neg = (a >> (frac == 23 ? 31 : 15) & 1) != (p->neg[k] != 0);
    return neg ? SPECIAL_MINUS : SPECIAL_PLUS;
}

static void special_results(const struct bce_config *c, const struct bce_plan *p,
                            const struct bce_float_block *b, uint32_t *bits)
{
    for (int i = 0; i < b->len; i++) {
        unsigned met = 0;
        if (!b->special[i] && !p->special)
            continue;
        for (int k = 0; k <= p->n_calc; k++)
            if (bce_bit(p->valid, k))
                met |= special_product(c, p, k, b->raw[k * BCE_BLOCK_I32 + i]);
        if (met == SPECIAL_PLUS)
            bits[i] = 0x7f800000u;
        else if (met == SPECIAL_MINUS)
            bits[i] = 0xff800000u;
        else if (met)
            bits[i] = BCE_QUIET_NAN;
    }
}

void bce_vector_float(const struct bce_kernels *kn, const struct bce_config *c,
                      const struct bce_plan *p, const struct bce_float_block *b,
                      struct bce_lane_counter *n, struct bce_float_out *out)
{
    if (p->tail)
        for (int i = 0; i < b->len; i++)
            sum_tail(c, p, b, i, n, out);
    else
        kn->sum(c, p, b, n, out);
    if (c->walk == BCE_WALK_ALL)
        for (int i = 0; i < b->len; i++)
            out->d[i] = p->n_calc >= 0 ? (uint32_t)c->n : 0;
    kn->pack(c, b->len, out);
    if (!c->compat && (b->any_special || p->special))
        special_results(c, p, b, out->bits);
}

// One group on one PE, literally: operands in, exponent search, alignment, then cycle by cycle
// every RR-reg looks at its check window, selects, and moves its pointer; the selected activations
// go through the adder tree into the accumulator. Written to be compared with the authors' RTL and
// not to be fast.
#include <string.h>

#include "bce.h"

#define TREE_BITS 52
#define ACT_BITS 25

struct format {
    int frac_bits, exp_max, bias;
};

static struct format format_of(int mode)
{
    return mode == ISA_MODE_fp32 ? (struct format){23, 255, 127} : (struct format){10, 31, 15};
}

struct operand {
    bool neg;
    int exp;
    uint32_t mag;
};

static struct operand float_activation(const struct bce_config *c, uint32_t bits)
{
    struct format f = format_of(c->mode);
    uint32_t hidden = 1u << f.frac_bits;
    struct operand o = {.mag = bits & (hidden - 1), .exp = (int)(bits >> f.frac_bits) & f.exp_max};
    o.neg = bits >> (c->mode == ISA_MODE_fp32 ? 31 : 15) & 1;
    if (o.exp != 0)
        o.mag |= hidden;
    else if (o.mag != 0) {
        o.exp = 1;
        if (c->compat)
            o.mag |= hidden;
    }
    return o;
}

static struct operand weight(const struct bce_tile *t, int i)
{
    struct operand o = {.neg = bce_bit(t->sign, i), .exp = t->exp[i]};
    for (int b = 0; b < BCE_LANES; b++)
        o.mag |= (uint32_t)bce_bit(t->col[b], i) << b;
    return o;
}

static int64_t sign_extend(int64_t v, int bits)
{
    uint64_t top = 1ull << (bits - 1);
    uint64_t low = (uint64_t)v & ((top << 1) - 1);
    return (int64_t)((low ^ top) - top);
}

struct pe {
    int64_t act[BCE_MAX_N];      // what the adders see, the weight's sign applied
    uint32_t aligned[BCE_MAX_N]; // magnitudes
    int emax;
};

static void load_fixed(const struct bce_config *c, const struct bce_tile *t, const uint32_t *a,
                       struct pe *pe)
{
    for (int i = 0; i < c->n; i++) {
        struct operand w = weight(t, i);
        int64_t v = (int32_t)a[i];
        pe->act[i] = w.neg ? -v : v;
        if (c->compat)
            pe->act[i] = sign_extend(pe->act[i], ACT_BITS);
        pe->aligned[i] = w.mag;
    }
}

static void load_float(const struct bce_config *c, const struct bce_tile *t, const uint32_t *a,
                       struct pe *pe)
{
    int esum[BCE_MAX_N];
    bool counts[BCE_MAX_N];
    for (int i = 0; i < c->n; i++) {
        struct operand w = weight(t, i), x = float_activation(c, a[i]);
        counts[i] = c->compat || (bce_bit(t->valid, i) && w.mag != 0 && x.mag != 0);
        esum[i] = w.exp + x.exp;
        if (counts[i] && esum[i] > pe->emax)
            pe->emax = esum[i];
        pe->act[i] = w.neg != x.neg ? -(int64_t)x.mag : (int64_t)x.mag;
        pe->aligned[i] = w.mag;
    }
    for (int i = 0; i < c->n; i++) {
        int shift = pe->emax - esum[i];
        pe->aligned[i] = counts[i] && shift < BCE_LANES ? pe->aligned[i] >> shift : 0;
    }
}

struct rr_reg {
    bool running;
    int p;
};

// The check window at the pointer: emits the lowest set bit (-1: fill 0), gives the next pointer.
static int window_step(const struct bce_config *c, const struct pe *pe, int lane, int p, int *emit)
{
    int first = -1, second = -1;
    for (int i = p; i < p + BCE_WINDOW && i < c->n; i++) {
        if (!(pe->aligned[i] >> lane & 1))
            continue;
        if (first < 0)
            first = i;
        else if (second < 0)
            second = i;
    }
    *emit = first;
    return second >= 0 ? second : p + BCE_WINDOW;
}

static int next_set(const struct bce_config *c, const struct pe *pe, int lane, int p)
{
    while (p < c->n && !(pe->aligned[p] >> lane & 1))
        p++;
    return p;
}

static void lane_step(const struct bce_config *c, const struct bce_tile *t, const struct pe *pe,
                      int lane, struct rr_reg *r, int *emit)
{
    switch (c->walk) {
    case BCE_WALK_WINDOW:
        r->p = window_step(c, pe, lane, r->p, emit);
        r->running = r->p <= t->n_calc;
        return;
    case BCE_WALK_IDEAL:
        *emit = r->p;
        r->p = next_set(c, pe, lane, r->p + 1);
        r->running = r->p < c->n;
        return;
    case BCE_WALK_ALL:
        *emit = pe->aligned[r->p] >> lane & 1 ? r->p : -1;
        r->p++;
        r->running = r->p < c->n;
        return;
    }
}

static void lane_start(const struct bce_config *c, const struct bce_tile *t, const struct pe *pe,
                       int lane, struct rr_reg *r)
{
    r->p = c->walk == BCE_WALK_IDEAL ? next_set(c, pe, lane, 0) : 0;
    r->running = (c->prune >> lane & 1) && t->n_calc >= 0 && r->p < c->n;
}

static void distill(const struct bce_config *c, const struct bce_tile *t, const struct pe *pe,
                    const struct bce_trace *trace, struct bce_group *out)
{
    struct rr_reg reg[BCE_LANES];
    for (int b = 0; b < BCE_LANES; b++)
        lane_start(c, t, pe, b, &reg[b]);
    for (;; out->d++) {
        bool any = false;
        int64_t sum = 0;
        for (int b = 0; b < BCE_LANES; b++) {
            int index = -1;
            if (!reg[b].running)
                continue;
            any = true;
            lane_step(c, t, pe, b, &reg[b], &index);
            out->cycles[b]++;
            if (index >= 0) {
                out->selections[b]++;
                sum += pe->act[index] * (1ll << b);
            }
            if (trace)
                trace->emit(trace->user, out->d, b, index);
        }
        if (!any)
            return;
        out->acc += sign_extend(sum, TREE_BITS);
    }
}

void bce_rtl_group(const struct bce_config *c, const struct bce_tile *t, const uint32_t *a,
                   const struct bce_trace *trace, struct bce_group *out)
{
    struct pe pe;
    memset(out, 0, sizeof *out);
    pe.emax = 0;
    if (bce_is_float(c))
        load_float(c, t, a, &pe);
    else
        load_fixed(c, t, a, &pe);
    out->emax = pe.emax;
    distill(c, t, &pe, trace, out);
}

// ---- Final packager -----------------------------------------------------------------------------

uint32_t bce_rtl_pack_float(const struct bce_config *c, int64_t acc, int emax)
{
    if (acc == 0)
        return 0;
    struct format f = format_of(c->mode);
    uint32_t sign = acc < 0 ? 0x80000000u : 0;
    uint64_t mag = acc < 0 ? 0 - (uint64_t)acc : (uint64_t)acc;
    int msb = 63;
    while (!(mag >> msb & 1))
        msb--;
    int e = emax - 2 * f.bias - 2 * f.frac_bits + msb + 127;
    uint32_t significand = (uint32_t)(msb >= 23 ? mag >> (msb - 23) : mag << (23 - msb));
    if (e > 254)
        return sign | 0x7f800000u;
    if (e >= 1)
        return sign | (uint32_t)e << 23 | (significand & 0x7fffffu);
    if (e == 0 && c->compat)
        return sign | (significand & 0x7fffffu);
    return 1 - e < 24 ? sign | significand >> (1 - e) : sign;
}

static bool any_special(const struct bce_config *c, const struct bce_tile *t, const uint32_t *a)
{
    int top = format_of(c->mode).exp_max;
    for (int i = 0; i < c->n; i++)
        if (bce_bit(t->valid, i) && (t->exp[i] == top || float_activation(c, a[i]).exp == top))
            return true;
    return false;
}

// What the sum of the products gives when an operand is infinite or NaN.
static uint32_t special_result(const struct bce_config *c, const struct bce_tile *t,
                               const uint32_t *a)
{
    struct format f = format_of(c->mode);
    uint32_t one = 1u << f.frac_bits;
    bool plus = false, minus = false;
    for (int i = 0; i < c->n; i++) {
        struct operand w = weight(t, i), x = float_activation(c, a[i]);
        bool special_w = w.exp == f.exp_max, special_x = x.exp == f.exp_max;
        if (!bce_bit(t->valid, i) || (!special_w && !special_x))
            continue;
        if ((special_w && w.mag != one) || (special_x && x.mag != one) || w.mag == 0 || x.mag == 0)
            return BCE_QUIET_NAN;
        if (w.neg != x.neg)
            minus = true;
        else
            plus = true;
    }
    if (plus && minus)
        return BCE_QUIET_NAN;
    return minus ? 0xff800000u : 0x7f800000u;
}

uint32_t bce_rtl_result(const struct bce_config *c, const struct bce_tile *t, const uint32_t *a,
                        const struct bce_group *g)
{
    if (!c->compat && any_special(c, t, a))
        return special_result(c, t, a);
    return bce_rtl_pack_float(c, g->acc, g->emax);
}

uint32_t bce_rtl_add(uint32_t a, uint32_t b)
{
    float x, y, sum;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    sum = x + y;
    memcpy(&a, &sum, sizeof a);
    return sum == sum ? a : BCE_QUIET_NAN;
}

uint32_t bce_rtl_pack_fixed(int64_t acc, int quant)
{
    uint64_t u = (uint64_t)acc;
    bool neg = acc < 0;
    uint64_t upper = (u & ((1ull << 48) - 1)) >> (24 + quant); // bits 47 .. 24 + quant
    uint64_t ones = (1ull << (24 - quant)) - 1;
    bool differ = upper != (neg ? ones : 0);
    bool parity = __builtin_popcountll(u >> 48) & 1;
    uint32_t sign = neg ? 0x80000000u : 0;
    if (differ || parity)
        return neg ? sign : 0x00ffffffu;
    return sign | ((uint32_t)(u >> quant) & 0xffffffu);
}

// Plans for the kernels: what depends on a stationary tile alone is worked out here, once per tile.
// In fixed point that is everything about the selections and the distillation; in floats, the
// unpacked weights. Also the rare cases that the kernels leave out: IEEE specials, and the RTL's
// quirks that touch single elements.
#include "bce.h"

#include <string.h>

#include "arena.h"
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
        __builtin_cpu_supports("avx512vbmi2"))
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

// ---- Distillation of a column -------------------------------------------------------------------

// State: elements of the current window modulo 8, and whether one of them was set. With 0 elements
// the next one begins a window; so does a set bit in a window that has one already.
static int walk_bit(int state, bool x, bool *begun)
{
    int seen = state & 1, in_window = state >> 1;
    *begun = in_window == 0 || (x && seen);
    in_window = *begun ? 1 : (in_window + 1) % BCE_WINDOW;
    seen = *begun ? x : seen | x;
    return in_window == 0 ? 0 : 2 * in_window + seen;
}

void bce_tables_init(struct bce_tables *t)
{
    t->kernels = bce_kernels_best();
    for (int state = 0; state < 2 * BCE_WINDOW; state++)
        for (int bits = 0; bits < 256; bits++) {
            int s = state, windows = 0;
            for (int i = 0; i < 8; i++) {
                bool begun;
                s = walk_bit(s, bits >> i & 1, &begun);
                windows += begun;
            }
            t->walk[state][bits] = (uint16_t)(windows << 8 | s);
        }
    for (int bits = 0; bits < 256; bits++) {
        int n = 0;
        t->index[bits] = 0;
        for (int i = 0; i < 8; i++)
            if (bits >> i & 1)
                t->index[bits] |= (uint64_t)i << (8 * n++);
        t->count[bits] = (uint8_t)n;
    }
    for (int i = 0; i < 32; i++) {
        bool begun;
        int s = walk_bit(i >> 1, i & 1, &begun);
        t->bit[i] = (uint8_t)(s << 4 | begun);
    }
    for (int i = 0; i < 256; i++) {
        int s = i >> 4, windows = 0;
        for (int b = 0; b < 4; b++) {
            windows += t->bit[s << 1 | (i >> b & 1)] & 1;
            s = t->bit[s << 1 | (i >> b & 1)] >> 4;
        }
        t->nibble[i] = (uint8_t)(s << 4 | windows);
    }
}

// Columns of several tiles that are walked side by side: a column's steps depend on each other,
// those of different columns do not.
struct columns {
    int num, elements;
    uint64_t word[BCE_MAX_WORDS][BCE_WALK_COLUMNS];
    struct bce_walked *out[BCE_WALK_COLUMNS];
    uint8_t lane[BCE_WALK_COLUMNS];
};

static void walk_columns(const struct bce_tables *t, struct columns *x)
{
    uint8_t state[BCE_WALK_COLUMNS] = {0};
    uint16_t windows[BCE_WALK_COLUMNS] = {0};
    for (int w = 0; 64 * w < x->elements && x->num > 0; w++) {
        int left = x->elements - 64 * w;
        t->kernels->walk(t, x->word[w], left < 64 ? left : 64, state, windows);
    }
    for (int i = 0; i < x->num; i++) {
        x->out[i]->windows[x->lane[i]] = windows[i];
        x->out[i]->state[x->lane[i]] = state[i];
    }
    x->num = 0;
}

void bce_walk_tiles(const struct bce_config *c, const struct bce_tables *tables,
                    const struct bce_tile *t, int num, struct bce_walked *out)
{
    struct columns x;
    int lanes = 32 - __builtin_clz(c->prune), words = (c->n + 63) / 64;
    if (c->walk != BCE_WALK_WINDOW)
        return;
    memset(&x, 0, sizeof x);
    for (int i = 0; i < num; i++)
        for (int b = 0; b < lanes; b++) {
            if (x.num == BCE_WALK_COLUMNS || x.elements != t[i].n_calc + 1)
                walk_columns(tables, &x);
            x.elements = t[i].n_calc + 1;
            for (int w = 0; w < words; w++)
                x.word[w][x.num] = t[i].col[b][w];
            x.out[x.num] = &out[i];
            x.lane[x.num++] = (uint8_t)b;
        }
    walk_columns(tables, &x);
}

// A window that is still open after n_calc and empty so far selects the first set bit it reaches
// past it, or none.
static int tail_bit(const struct bce_config *c, const uint64_t *col, int n_calc, int state)
{
    int in_window = state >> 1;
    if (in_window == 0 || (state & 1))
        return -1;
    for (int i = n_calc + 1; i < c->n && in_window < BCE_WINDOW; i++, in_window++)
        if (bce_bit(col, i))
            return i;
    return -1;
}

// Bits of a column that the lane selects, and its cycles.
static int select_bits(const struct bce_config *c, const struct bce_walked *walk,
                       const struct bce_tile *t, int lane, uint64_t *sel)
{
    int words = (c->n + 63) / 64, count = 0, end = t->n_calc + 1;
    for (int w = 0; w < words; w++)
        sel[w] = t->col[lane][w];
    if (c->walk == BCE_WALK_ALL)
        return c->n;
    if (c->walk == BCE_WALK_IDEAL) {
        for (int w = 0; w < words; w++)
            count += __builtin_popcountll(sel[w]);
        return count;
    }
    if (end == c->n)
        return walk->windows[lane];
    int tail = tail_bit(c, sel, t->n_calc, walk->state[lane]);
    for (int w = end / 64; w < words; w++)
        sel[w] &= w == end / 64 ? (1ull << (end & 63)) - 1 : 0;
    if (tail >= 0)
        sel[tail >> 6] |= 1ull << (tail & 63);
    return walk->windows[lane];
}

// ---- Plans --------------------------------------------------------------------------------------

int32_t bce_activation_bound(enum dtype t)
{
    const struct dtype_info *i = &dtype_info[t];
    if (i->bits > 16)
        return 1 << 24;
    return i->kind == DTK_I ? 1 << (i->bits - 1) : (1 << i->bits) - 1;
}

static size_t round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static size_t weights_bytes(const struct bce_config *c)
{
    return 3 * sizeof(int32_t) * (size_t)c->n;
}

// Two bytes a position, positions filled up to fours.
static size_t whole_bytes(const struct bce_config *c)
{
    return round_up(2 * ((size_t)c->n + 3));
}

static size_t segment_bytes(const struct bce_config *c)
{
    size_t most = (size_t)__builtin_popcount(c->prune) * BCE_MAX_SPLIT;
    return round_up(most * sizeof(struct bce_segment));
}

// Selections, and what fills both of a lane's lists up, and what is split.
static size_t max_selections(const struct bce_config *c)
{
    return (size_t)__builtin_popcount(c->prune) * ((size_t)c->n + 2 * BCE_MAX_SPLIT);
}

static size_t list_bytes(const struct bce_config *c)
{
    return round_up(sizeof(uint16_t) * (max_selections(c) + BCE_LIST_SLACK));
}

size_t bce_plan_bytes(const struct bce_config *c)
{
    size_t bytes = round_up(sizeof(struct bce_plan));
    if (bce_is_float(c) || c->compat)
        bytes += round_up(weights_bytes(c));
    if (!bce_is_float(c)) {
        bytes += segment_bytes(c) + list_bytes(c);
        bytes += c->fast ? whole_bytes(c) : 0;
    }
    return bytes;
}

static struct bce_plan *plan_lay_out(const struct bce_config *c, void *mem)
{
    struct bce_plan *p = mem;
    uint8_t *at = (uint8_t *)mem + round_up(sizeof *p);
    memset(p, 0, sizeof *p);
    if (bce_is_float(c) || c->compat) {
        p->exp = (int32_t *)(void *)at;
        p->mag = (uint32_t *)(p->exp + c->n);
        p->neg = (int32_t *)(p->mag + c->n);
        at += round_up(weights_bytes(c));
    }
    if (!bce_is_float(c)) {
        p->segment = (struct bce_segment *)(void *)at;
        at += segment_bytes(c);
        p->row = (uint16_t *)(void *)at;
        if (c->fast) {
            p->whole = (int8_t *)(at + list_bytes(c));
            memset(p->whole, 0, whole_bytes(c));
        }
    }
    return p;
}

static void plan_float(const struct bce_config *c, const struct bce_tables *tables,
                       const struct bce_tile *t, struct bce_plan *p)
{
    int top = c->mode == ISA_MODE_fp32 ? 255 : 31;
    tables->kernels->magnitudes(t->col[0], (1u << BCE_LANES) - 1, c->n, p->mag);
    memcpy(p->valid, t->valid, sizeof p->valid);
    for (int i = 0; i < c->n; i++) {
        bool valid = bce_bit(t->valid, i);
        p->exp[i] = c->compat || (valid && p->mag[i] != 0) ? t->exp[i] : BCE_NO_EXP;
        p->neg[i] = bce_bit(t->sign, i) ? -1 : 0;
        p->special |= valid && t->exp[i] == top;
        p->tail |= i > t->n_calc && p->mag[i] != 0;
    }
}

// Order of the selections: lanes from the highest down, so that an accumulator can be doubled on
// the way; in a lane, positive weights first.
struct packer {
    struct bce_plan *p;
    const struct bce_tables *tables;
    int n;
    uint64_t limit, amax, bound; // bound: of the accumulator's magnitude
    int lane, used;
};

static void flush(struct packer *k)
{
    if (k->p->num_segments == 0)
        return;
    struct bce_segment *last = &k->p->segment[k->p->num_segments - 1];
    last->flush = true;
    last->shift = (uint8_t)k->lane;
    k->bound = 0;
}

// Lists a lane's rows of one sign behind those before, filled up to an even number.
static int list_rows(struct packer *k, const uint64_t *bits)
{
    uint16_t *row = k->p->row + k->used;
    int num = k->tables->kernels->list(k->tables, bits, k->n, row);
    if (num & 1)
        row[num] = (uint16_t)k->n;
    k->used += (num + 1) & ~1;
    return num;
}

static void add_lane(struct packer *k, int lane, const uint64_t *plus, const uint64_t *minus)
{
    int pos = list_rows(k, plus), neg = list_rows(k, minus);
    while (pos + neg > 0) {
        int dbl = k->bound ? k->lane - lane : 0;
        uint64_t doubled = k->bound << dbl;
        int room = doubled < k->limit ? (int)((k->limit - doubled) / k->amax) : 0;
        if (k->bound && room < pos + neg) {
            flush(k);
            continue;
        }
        int take_pos = pos <= room ? pos : room & ~1;
        int take_neg = take_pos < pos ? 0 : neg <= room - pos ? neg : (room - pos) & ~1;
        k->p->segment[k->p->num_segments++] = (struct bce_segment){
            .pos = (uint16_t)take_pos, .neg = (uint16_t)take_neg, .dbl = (uint8_t)dbl};
        k->bound = doubled + (uint64_t)(take_pos + take_neg) * k->amax;
        k->lane = lane;
        pos -= take_pos;
        neg -= take_neg;
    }
}

// The selections of the lanes as lists, or, for the datapath fast, as whole weights where they fit.
static void plan_selections(const struct bce_config *c, const struct bce_tables *tables,
                            const struct bce_tile *t, int32_t amax, enum bce_row row,
                            const struct bce_selected *sel, struct bce_plan *p)
{
    struct packer k = {.p = p, .tables = tables, .n = c->n, .amax = (uint64_t)amax};
    uint64_t total = 0;
    if (p->whole && tables->kernels->whole(sel, c->prune, c->n, t->count, amax, p))
        return;
    p->whole = NULL;
    for (int b = 0; b < BCE_LANES; b++)
        total += (uint64_t)p->lane_selections[b] << b;
    p->wide = total * k.amax > INT32_MAX;
    k.limit = row == BCE_ROW_I16 ? INT16_MAX : INT32_MAX;
    for (int b = BCE_LANES - 1; b >= 0; b--)
        if (c->prune >> b & 1)
            add_lane(&k, b, sel->pos[b], sel->neg[b]);
    flush(&k);
}

// Selections, cycles and D of a tile of one word that is full: nothing reaches past its end.
static void select_word(const struct bce_config *c, const struct bce_tile *t,
                        const struct bce_walked *walked, struct bce_selected *sel,
                        struct bce_plan *p)
{
    uint64_t sign = t->sign[0];
    int lanes = 32 - __builtin_clz(c->prune);
    uint16_t d = 0;
    for (int b = 0; b < lanes; b++) {
        bool works = c->prune >> b & 1;
        uint64_t bits = works ? t->col[b][0] : 0;
        uint16_t cycles = works ? walked->windows[b] : 0;
        sel->pos[b][0] = bits & ~sign;
        sel->neg[b][0] = bits & sign;
        p->lane_cycles[b] = cycles;
        d = cycles > d ? cycles : d;
    }
    p->d = d;
}

static void select_lanes(const struct bce_config *c, const struct bce_tile *t,
                         const struct bce_walked *walked, struct bce_selected *sel,
                         struct bce_plan *p)
{
    int words = (c->n + 63) / 64;
    for (uint32_t left = c->prune; left; left &= left - 1) {
        int b = __builtin_ctz(left);
        uint64_t bits[BCE_MAX_WORDS];
        int cycles = select_bits(c, walked, t, b, bits);
        for (int w = 0; w < words; w++) {
            sel->pos[b][w] = bits[w] & ~t->sign[w];
            sel->neg[b][w] = bits[w] & t->sign[w];
        }
        p->lane_cycles[b] = (uint16_t)cycles;
        p->d = cycles > p->d ? cycles : p->d;
    }
}

static void plan_fixed(const struct bce_config *c, const struct bce_tables *tables,
                       const struct bce_tile *t, const struct bce_walked *walked, int32_t amax,
                       enum bce_row row, struct bce_plan *p)
{
    struct bce_selected sel; // of the lanes that work
    int words = (c->n + 63) / 64;
    if (words == 1 && c->walk == BCE_WALK_WINDOW && t->n_calc + 1 == c->n)
        select_word(c, t, walked, &sel, p);
    else
        select_lanes(c, t, walked, &sel, p);
    tables->kernels->count(&sel, c->prune, c->n, p->lane_selections);
    plan_selections(c, tables, t, amax, row, &sel, p);
    if (!c->compat)
        return;
    for (uint32_t left = c->prune; left; left &= left - 1)
        for (int w = 0; w < words; w++)
            sel.pos[__builtin_ctz(left)][w] |= sel.neg[__builtin_ctz(left)][w];
    tables->kernels->magnitudes(sel.pos[0], c->prune, c->n, p->mag);
    for (int i = 0; i < c->n; i++)
        p->neg[i] = bce_bit(t->sign, i) ? -1 : 0;
}

static void plan_mapped(const struct bce_config *c, const struct bce_tables *tables,
                        const struct bce_tile *t, int32_t amax, enum bce_row row,
                        struct bce_plan *p)
{
    struct bce_selected sel;
    bce_map_select(c, t, p, &sel);
    plan_selections(c, tables, t, amax, row, &sel, p);
}

void bce_plan_make(const struct bce_config *c, const struct bce_tables *tables,
                   const struct bce_tile *t, const struct bce_walked *walked, int32_t amax,
                   enum bce_row row, void *mem, struct bce_plan **out)
{
    struct bce_walked own;
    struct bce_plan *p = plan_lay_out(c, mem);
    *out = p;
    p->n_calc = t->n_calc;
    p->macs = t->macs;
    if (row != BCE_ROW_I16)
        p->whole = NULL;
    if (bce_is_float(c))
        plan_float(c, tables, t, p);
    else if (t->n_calc >= 0 && c->regs > 0)
        plan_mapped(c, tables, t, amax, row, p);
    else if (t->n_calc >= 0) {
        if (!walked)
            bce_walk_tiles(c, tables, t, 1, &own);
        plan_fixed(c, tables, t, walked ? walked : &own, amax, row, p);
    }
}

// The columns of a float tile's magnitudes, shifted as exponents of the weights alone ask for.
static void align_weights(const struct bce_config *c, struct bce_tile *t)
{
    struct bce_tile to = *t;
    int top = 0;
    for (int i = 0; i <= t->n_calc; i++)
        top = t->exp[i] > top ? t->exp[i] : top;
    memset(to.col, 0, sizeof to.col);
    for (int i = 0; i <= t->n_calc; i++) {
        int shift = top - t->exp[i];
        for (int b = shift; t->exp[i] > 0 && b < BCE_LANES && (c->prune >> b & 1); b++)
            to.col[b - shift][i >> 6] |= (t->col[b][i >> 6] >> (i & 63) & 1) << (i & 63);
    }
    *t = to;
}

int bce_tile_cycles(const struct bce_config *c, const struct bce_tables *tables,
                    const struct bce_tile *t)
{
    struct bce_plan p = {0};
    struct bce_selected sel;
    struct bce_walked walk;
    struct bce_tile aligned = *t;
    uint64_t bits[BCE_MAX_WORDS];
    int d = 0;
    if (t->n_calc < 0)
        return 0;
    if (c->regs > 0) {
        bce_map_select(c, t, &p, &sel);
        return p.d;
    }
    if (bce_is_float(c))
        align_weights(c, &aligned);
    bce_walk_tiles(c, tables, &aligned, 1, &walk);
    for (uint32_t left = c->prune; left; left &= left - 1) {
        int cycles = select_bits(c, &walk, &aligned, __builtin_ctz(left), bits);
        d = cycles > d ? cycles : d;
    }
    return d;
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
    if (row == BCE_ROW_I16)
        kn->fixed16(p, rows, len, psum, add);
    else if (row == BCE_ROW_U7)
        kn->bytes(p, rows, len, psum, add);
    else if (row == BCE_ROW_SPLIT)
        kn->split(p, rows, len, psum, add);
    else if (row == BCE_ROW_U15)
        kn->positive(p, rows, len, psum, add);
    else
        kn->fixed32(p, rows, len, psum, add);
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
                state[lane] = walk_bit(state[lane], x, &begun);
            else if (state[lane] < 2 || (state[lane] & 1))
                break; // the last window is spent or has selected
            else
                state[lane] = walk_bit(state[lane], x, &begun);
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

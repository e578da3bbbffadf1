// Distillation of a tile's columns by the check window's rule: how many windows there are, and
// which bits they select.
#include <string.h>

#include "bce.h"

int bce_walk_bit(int state, bool x, bool *begun)
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
                s = bce_walk_bit(s, bits >> i & 1, &begun);
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
        int s = bce_walk_bit(i >> 1, i & 1, &begun);
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

static int windows_of(int positions)
{
    return (int)((unsigned)(positions + BCE_WINDOW - 1) / BCE_WINDOW);
}

// Columns that need no walk to know D get their least windows; the others are returned.
static uint32_t bound_columns(const struct bce_config *c, const struct bce_tables *tables,
                              const struct bce_tile *t, int lanes, struct bce_walked *out)
{
    uint32_t left = (uint32_t)((1ull << lanes) - 1);
    uint16_t ones[BCE_LANES];
    int n = t->n_calc + 1, all = windows_of(n), least = all;
    if (!c->bound || n != c->n)
        return left;
    tables->kernels->ones(t->col[0], lanes, (n + 63) / 64, ones);
    for (int b = 0; b < lanes; b++)
        if (ones[b] > least && (c->prune >> b & 1))
            least = ones[b];
    for (int b = 0; b < lanes; b++) {
        bool can = ones[b] + windows_of(n - ones[b]) > least;
        out->windows[b] = ones[b] > all ? ones[b] : (uint16_t)all;
        left &= ~((uint32_t)!can << b);
    }
    return left & c->prune;
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
        for (uint32_t left = bound_columns(c, tables, &t[i], lanes, &out[i]); left;
             left &= left - 1) {
            int b = __builtin_ctz(left);
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

int bce_select_bits(const struct bce_config *c, const struct bce_walked *walk,
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

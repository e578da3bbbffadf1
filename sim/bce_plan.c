// Plans for the kernels: what depends on a stationary tile alone is worked out here, once per tile.
// In fixed point that is everything about the selections and the distillation; in floats, the
// unpacked weights.
#include <string.h>

#include "bce.h"
#include "clones.h"
#include "io.h"

// ---- Plans --------------------------------------------------------------------------------------

int32_t bce_activation_bound(enum dtype t)
{
    const struct dtype_info *i = &dtype_info[t];
    if (i->bits > 16)
        return 1 << 24;
    return i->kind == DTK_I ? 1 << (i->bits - 1) : (1 << i->bits) - 1;
}

static size_t weights_bytes(const struct bce_config *c)
{
    return 3 * sizeof(int32_t) * (size_t)c->n;
}

// Two bytes a position, positions filled up to fours.
static size_t whole_bytes(const struct bce_config *c)
{
    return bce_round_up(2 * ((size_t)c->n + 3));
}

static size_t segment_bytes(const struct bce_config *c)
{
    size_t most = (size_t)(32 - __builtin_clz(c->prune)) * BCE_MAX_SPLIT;
    return bce_round_up(most * sizeof(struct bce_segment));
}

// Selections, and what fills the parts of a lane or of two up.
static size_t max_selections(const struct bce_config *c)
{
    return (size_t)__builtin_popcount(c->prune) * ((size_t)c->n + 3 * BCE_PARTS);
}

// An entry that selects nothing.
static uint16_t row_of_zeros(const struct bce_config *c)
{
    return (uint16_t)(c->n * BCE_ROW_BYTES / BCE_ROW_UNIT);
}

static size_t list_bytes(const struct bce_config *c)
{
    return bce_round_up(sizeof(uint16_t) * (max_selections(c) + BCE_LIST_SLACK));
}

// Where the arrays behind a plan begin; 0: it has none of these.
struct plan_layout {
    size_t weights, segment, row, whole, end;
};

static struct plan_layout plan_layout_of(const struct bce_config *c)
{
    struct plan_layout l = {.end = bce_round_up(sizeof(struct bce_plan))};
    if (bce_is_float(c) || c->compat) {
        l.weights = l.end;
        l.end += bce_round_up(weights_bytes(c));
    }
    if (bce_is_float(c))
        return l;
    if (c->fast) {
        l.whole = l.end;
        l.end += whole_bytes(c);
    }
    if (c->whole)
        return l;
    l.segment = l.end;
    l.row = l.segment + segment_bytes(c);
    l.end = l.row + list_bytes(c);
    return l;
}

size_t bce_plan_bytes(const struct bce_config *c)
{
    return plan_layout_of(c).end;
}

// One by one: there are hundreds of thousands of plans in a run, and a call of memset takes longer.
static void plan_begin(struct bce_plan *p)
{
    p->n_calc = p->macs = p->d = 0;
    p->wide = p->whole_wide = p->special = p->tail = false;
    p->pos_weight = p->neg_weight = p->sum_factor = 0;
    p->amax = p->whole_correction = 0;
    p->num_segments = 0;
    p->segment = NULL;
    p->row = NULL;
    p->whole = NULL;
    p->exp = p->neg = NULL;
    p->mag = NULL;
}

static struct bce_plan *plan_lay_out(const struct bce_config *c, const struct plan_layout *l,
                                     void *mem)
{
    struct bce_plan *p = mem;
    uint8_t *at = mem;
    plan_begin(p);
    if (l->weights) {
        p->exp = (int32_t *)(void *)(at + l->weights);
        p->mag = (uint32_t *)(p->exp + c->n);
        p->neg = (int32_t *)(p->mag + c->n);
    }
    if (l->segment) {
        p->segment = (struct bce_segment *)(void *)(at + l->segment);
        p->row = (uint16_t *)(void *)(at + l->row);
    }
    if (l->whole)
        p->whole = (int8_t *)(at + l->whole);
    return p;
}

// Exponents of magnitudes that are there; whether one is that of infinities and NaNs.
BITLET_CLONES static bool float_exponents(const uint32_t *mag, const uint8_t *exp, int n, int top,
                                          int32_t *out)
{
    int special = 0;
    for (int i = 0; i < n; i++) {
        out[i] = mag[i] != 0 ? exp[i] : BCE_NO_EXP;
        special |= exp[i] == top;
    }
    return special != 0;
}

// The same where positions may be invalid, or the quirks of the RTL are asked for.
static void some_exponents(const struct bce_config *c, const struct bce_tile *t, int top,
                           struct bce_plan *p)
{
    for (int i = 0; i < c->n; i++) {
        bool valid = bce_bit(t->valid, i);
        p->exp[i] = c->compat || (valid && p->mag[i] != 0) ? t->exp[i] : BCE_NO_EXP;
        p->special |= valid && t->exp[i] == top;
        p->tail |= i > t->n_calc && p->mag[i] != 0;
    }
}

static void plan_float(const struct bce_config *c, const struct bce_tables *tables,
                       const struct bce_tile *t, struct bce_plan *p)
{
    int top = c->mode == ISA_MODE_fp32 ? 255 : 31;
    tables->kernels->magnitudes(t->col[0], (1u << BCE_LANES) - 1, c->n, p->mag);
    memcpy(p->valid, t->valid, sizeof p->valid);
    if (t->macs == c->n && !c->compat)
        p->special = float_exponents(p->mag, t->exp, c->n, top, p->exp);
    else
        some_exponents(c, t, top, p);
    for (int i = 0; i < c->n; i++)
        p->neg[i] = bce_bit(t->sign, i) ? -1 : 0;
}

// Order of the selections: lanes from the highest down, so that an accumulator can be doubled on
// the way.
struct packer {
    struct bce_plan *p;
    int64_t limit, held; // of selections in the accumulator, each weighed by its doublings
    int lane, used;
};

static void flush(struct packer *k)
{
    if (k->p->num_segments == 0)
        return;
    struct bce_segment *last = &k->p->segment[k->p->num_segments - 1];
    last->shift = (int8_t)k->lane;
    k->held = 0;
}

static void add_segment(struct packer *k, int lane, int first, int second)
{
    int num = first + second;
    if (num == 0)
        return;
    if (k->held && (k->held << (k->lane - lane)) + num > k->limit)
        flush(k);
    int dbl = k->held ? k->lane - lane : 0;
    k->p->segment[k->p->num_segments++] =
        (struct bce_segment){{(uint16_t)first, (uint16_t)second}, .dbl = (uint8_t)dbl, .shift = -1};
    k->held = (k->held << dbl) + num;
    k->lane = lane;
}

// Parts of a lane. The accumulator is emptied before them where it has no room, and among them
// where it has none for all.
static void add_lane(struct packer *k, int lane, int first, int second)
{
    int most = (int)k->limit & ~3;
    if (first + second <= k->limit) {
        add_segment(k, lane, first, second);
        return;
    }
    for (int take; first > 0; first -= take) {
        take = first < most ? first : most;
        add_segment(k, lane, take, 0);
        flush(k);
    }
    for (int take; second > 0; second -= take) {
        take = second < most ? second : most;
        add_segment(k, lane, 0, take);
        flush(k);
    }
}

// Selections that the accumulator of a lane has room for.
static int64_t selections_limit(int32_t amax, enum bce_row row)
{
    return row == BCE_ROW_I8 ? BCE_BYTE_ROOM : INT32_MAX / amax;
}

static void bound_sum(struct bce_plan *p, int32_t amax)
{
    p->amax = amax;
    p->wide = (p->pos_weight + p->neg_weight) * amax > INT32_MAX;
}

// A part's entries, of which those with a sign select second halves. Gives their number.
static int list_part(struct packer *k, const struct bce_config *c, const struct bce_tables *tables,
                     const uint64_t *bits, const uint64_t *sign)
{
    uint16_t *out = k->p->row + k->used;
    int num = tables->kernels->list(tables, bits, sign, c->n, out);
    for (int i = 0; i < 3; i++)
        out[num + i] = row_of_zeros(c);
    k->used += bce_part_entries(num);
    return num;
}

static void list_lane(struct packer *k, const struct bce_config *c, const struct bce_tables *tables,
                      enum bce_row row, int lane, const struct bce_selected *sel)
{
    const uint64_t none[BCE_MAX_WORDS] = {0}, *plus = sel->pos[lane], *minus = sel->neg[lane];
    uint64_t all[BCE_MAX_WORDS];
    int first, second = 0;
    for (int w = 0; w < (c->n + 63) / 64; w++)
        all[w] = plus[w] | minus[w];
    if (row == BCE_ROW_I32) {
        first = list_part(k, c, tables, plus, none);
        second = list_part(k, c, tables, minus, none);
    } else
        first = list_part(k, c, tables, all, minus);
    add_lane(k, lane, first, second);
}

// A lane's selections of either sign; none where it does not work.
static void lane_bits(const struct bce_config *c, const struct bce_selected *sel, int lane,
                      uint64_t out[2][BCE_MAX_WORDS])
{
    bool works = lane < BCE_LANES && (c->prune >> lane & 1);
    for (int w = 0; w < (c->n + 63) / 64; w++) {
        out[0][w] = works ? sel->pos[lane][w] : 0;
        out[1][w] = works ? sel->neg[lane][w] : 0;
    }
}

// Lanes `lower` and the one above it. Digits of a position need not be of one sign.
static void list_pair(struct packer *k, const struct bce_config *c, const struct bce_tables *tables,
                      int lower, bool flush, const struct bce_selected *sel)
{
    uint64_t low[2][BCE_MAX_WORDS], high[2][BCE_MAX_WORDS];
    uint64_t bits[BCE_PARTS][BCE_MAX_WORDS];
    lane_bits(c, sel, lower, low);
    lane_bits(c, sel, lower + 1, high);
    for (int w = 0; w < (c->n + 63) / 64; w++) {
        uint64_t both = (low[0][w] & high[0][w]) | (low[1][w] & high[1][w]);
        bits[0][w] = (high[0][w] | high[1][w]) & ~both;
        bits[1][w] = both;
        bits[2][w] = (low[0][w] | low[1][w]) & ~both;
    }
    struct bce_segment *g = &k->p->segment[k->p->num_segments++];
    *g = (struct bce_segment){.dbl = 2, .shift = flush ? (int8_t)lower : -1};
    for (int i = 0; i < BCE_PARTS; i++)
        g->num[i] = (uint16_t)list_part(k, c, tables, bits[i], i == 0 ? high[1] : low[1]);
}

static void list_pairs(struct packer *k, const struct bce_config *c,
                       const struct bce_tables *tables, const struct bce_selected *sel)
{
    int last = bce_pair_flush(k->p->pos_weight + k->p->neg_weight);
    for (int b = (31 - __builtin_clz(c->prune)) & ~1; b >= 0; b -= 2) {
        list_pair(k, c, tables, b, b == last, sel);
        if (b == last)
            last = bce_pair_flush((int64_t)c->n << b);
    }
}

static void list_lanes(struct packer *k, const struct bce_config *c,
                       const struct bce_tables *tables, enum bce_row row,
                       const struct bce_selected *sel)
{
    for (int b = BCE_LANES - 1; b >= 0; b--)
        if (c->prune >> b & 1)
            list_lane(k, c, tables, row, b, sel);
    flush(k);
}

// What the selections of the lanes add up to, by sign.
static void weigh(const struct bce_config *c, const struct bce_tables *tables,
                  const struct bce_selected *sel, struct bce_plan *p)
{
    int lanes = 32 - __builtin_clz(c->prune), words = (c->n + 63) / 64;
    uint16_t pos[BCE_LANES], neg[BCE_LANES];
    tables->kernels->ones(sel->pos[0], lanes, words, pos);
    tables->kernels->ones(sel->neg[0], lanes, words, neg);
    for (uint32_t left = c->prune; left; left &= left - 1) {
        int b = __builtin_ctz(left);
        p->pos_weight += (int64_t)pos[b] << b;
        p->neg_weight += (int64_t)neg[b] << b;
    }
}

// The selections of the lanes as lists, or, for the datapath fast, as whole weights where they fit.
static void plan_selections(const struct bce_config *c, const struct bce_tables *tables,
                            const struct bce_tile *t, int32_t amax, enum bce_row row,
                            const struct bce_selected *sel, struct bce_plan *p)
{
    struct packer k = {.p = p, .limit = selections_limit(amax, row)};
    if (p->whole && tables->kernels->whole(sel, c->prune, c->n, t->count, amax, p))
        return;
    p->whole = NULL;
    weigh(c, tables, sel, p);
    bound_sum(p, amax);
    if (row == BCE_ROW_I16)
        list_pairs(&k, c, tables, sel);
    else
        list_lanes(&k, c, tables, row, sel);
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
        int cycles = bce_select_bits(c, walked, t, b, bits);
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
    bce_map_select(c, tables, t, p, &sel);
    plan_selections(c, tables, t, amax, row, &sel, p);
}

void bce_plan_make(const struct bce_config *c, const struct bce_tables *tables,
                   const struct bce_tile *t, const struct bce_walked *walked, int32_t amax,
                   enum bce_row row, void *mem, struct bce_plan **out)
{
    struct bce_walked own;
    const struct plan_layout l = plan_layout_of(c);
    struct bce_plan *p = plan_lay_out(c, &l, mem);
    *out = p;
    memset(p->lane_selections, 0, sizeof p->lane_selections);
    memset(p->lane_cycles, 0, sizeof p->lane_cycles);
    if (p->whole)
        memset(p->whole, 0, whole_bytes(c));
    p->n_calc = t->n_calc;
    p->macs = t->macs;
    if (row != BCE_ROW_I8)
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

// ---- Tiles of one word --------------------------------------------------------------------------

bool bce_words_apply(const struct bce_config *c, const struct bce_tables *tables, enum bce_row row)
{
    if (bce_is_float(c))
        return false;
    uint32_t lanes = c->fast && row == BCE_ROW_I8 ? 7 : BCE_WORD_LANES;
    return tables->kernels->words && c->n == 64 && c->regs == 0 && !c->compat &&
           c->walk == BCE_WALK_WINDOW && (row == BCE_ROW_I8 || row == BCE_ROW_I16) &&
           c->prune >> lanes == 0;
}

// Positions from 0 on that are valid and no others; 0: it is not so, or they are none.
static int valid_run(const uint8_t *tile, int limit)
{
    uint64_t inside = limit < 64 ? (1ull << limit) - 1 : ~0ull, valid = io_get64(tile) & inside;
    return valid & (valid + 1) ? 0 : valid ? 64 - __builtin_clzll(valid) : 0;
}

int bce_plan_words(const struct bce_config *c, const struct bce_tables *tables,
                   const uint8_t *const *tile, int num, int limit, int32_t amax, enum bce_row row,
                   struct bce_plan **plan, uint64_t *selections, uint64_t *cycles)
{
    const struct plan_layout l = plan_layout_of(c);
    struct bce_words x;
    x.num = 0;
    x.prune = c->prune;
    x.amax = amax;
    for (int i = 0; i < 4; i++)
        x.none[i] = row_of_zeros(c);
    x.selections = selections;
    x.cycles = cycles;
    x.lanes = c->prune >> 8 ? 16 : 8;
    x.pairs = row == BCE_ROW_I16;
    x.n = valid_run(tile[0], limit);
    while (x.num < num && x.num < 2 * BCE_WALK_COLUMNS / x.lanes &&
           valid_run(tile[x.num], limit) == x.n && x.n > 0) {
        struct bce_plan *p = plan_lay_out(c, &l, plan[x.num]);
        if (row != BCE_ROW_I8)
            p->whole = NULL;
        p->n_calc = x.n - 1;
        p->macs = x.n;
        x.sign[x.num] = io_get64(tile[x.num] + 8);
        x.columns[x.num] = tile[x.num] + 16;
        x.plan[x.num++] = p;
    }
    if (x.num == 0)
        return 0;
    tables->kernels->words(tables, &x);
    for (int i = 0; i < x.num; i++)
        if (!plan[i]->whole)
            bound_sum(plan[i], amax);
    return x.num;
}

// ---- D of a tile --------------------------------------------------------------------------------

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
        bce_map_select(c, tables, t, &p, &sel);
        return p.d;
    }
    if (bce_is_float(c))
        align_weights(c, &aligned);
    bce_walk_tiles(c, tables, &aligned, 1, &walk);
    for (uint32_t left = c->prune; left; left &= left - 1) {
        int cycles = bce_select_bits(c, &walk, &aligned, __builtin_ctz(left), bits);
        d = cycles > d ? cycles : d;
    }
    return d;
}

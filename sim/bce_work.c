// Tiles of a batch are decoded once (every tile serves all positions); then each piece takes the
// groups of the batch in order and runs its PEs over the activation rows of a group and its block.
#include "bce_work.h"

#include <string.h>

// ---- Operands -----------------------------------------------------------------------------------

#define KIND_BYTES 64

size_t bce_work_operand_bytes(const struct bce_op *op)
{
    size_t rows = (size_t)op->cfg.n * BCE_ROW_BYTES;
    if (bce_is_float(&op->cfg)) // words, exponents, significands
        return bce_round_up(sizeof(struct bce_float_block)) + 3 * rows + BCE_FLOAT_SLACK;
    rows += BCE_ROW_BYTES; // of zeros
    return (op->cfg.fast ? 2 * rows : rows) + KIND_BYTES;
}

size_t bce_work_kept_bytes(const struct bce_op *op)
{
    size_t together = (size_t)op->tables->kernels->dot_rows;
    size_t words = ((size_t)op->cfg.n + together - 1) / together * BCE_BLOCK_I8;
    return op->cfg.whole ? sizeof(int32_t) * words : bce_work_operand_bytes(op);
}

struct bce_operand bce_work_operand(const struct bce_op *op, uint8_t *mem)
{
    struct bce_operand x = {.rows = mem};
    size_t rows = (size_t)op->cfg.n * BCE_ROW_BYTES;
    if (bce_is_float(&op->cfg)) {
        x.block = (struct bce_float_block *)(void *)mem;
        x.rows = mem + bce_round_up(sizeof *x.block);
        x.block->raw = (const uint32_t *)(const void *)x.rows;
        x.block->exp = (int32_t *)(void *)(x.rows + rows);
        x.block->mant = (int32_t *)(void *)(x.rows + 2 * rows);
        return x;
    }
    x.kind = (enum bce_row *)(void *)(mem + rows + BCE_ROW_BYTES);
    if (op->cfg.fast)
        x.words = (int32_t *)(void *)(mem + rows + BCE_ROW_BYTES + KIND_BYTES);
    return x;
}

// ---- Tiles --------------------------------------------------------------------------------------

int bce_work_rows(const struct bce_array *m, int64_t group)
{
    int64_t left = m->op->agu->k_total - group * m->op->cfg.n;
    return left < m->op->cfg.n ? (int)left : m->op->cfg.n;
}

const uint8_t *bce_work_tile(const struct bce_array *m, int index)
{
    const struct bce_op *op = m->op;
    size_t at = (size_t)(m->first_group * op->npe + index);
    return op->tiles + at * op->tile_bytes;
}

static void load_tile(const struct bce_array *m, struct bce_worker *w, int index,
                      struct bce_tile *t)
{
    const struct bce_op *op = m->op;
    int limit = bce_work_rows(m, m->first_group + index / op->npe);
    bce_tile_load(&op->cfg, op->lanes, limit, bce_work_tile(m, index), t);
    if (op->cfg.regs > 0 && t->n_calc >= 0) {
        const char *bad = bce_map_fault(&t->map, op->cfg.regs, op->lanes, op->ext);
        if (bad) {
            w->bad_map = bad;
            t->n_calc = -1; // not walked; the run ends with this batch
        }
    }
}

// Tiles of groups of as many rows to plans, some at a time.
struct decoder {
    int num, rows, group, group_rows; // rows of those that wait, and of the group that came last
    int index[BCE_DECODE_TILES];      // in the batch
    struct bce_plan **plan[BCE_DECODE_TILES];
    uint16_t *d[BCE_DECODE_TILES]; // where a plan's D goes
};

static void count_tile(const struct bce_array *m, struct bce_worker *w, int index,
                       const struct bce_plan *p, struct bce_tile_counts *n, uint16_t *out)
{
    const struct bce_config *c = &m->op->cfg;
    bool fixed = !bce_is_float(c);
    int d = c->walk == BCE_WALK_ALL && c->regs == 0 ? c->n : p->d;
    if (fixed)
        *out = p->n_calc < 0 ? 0 : (uint16_t)d;
    n->idle += p->n_calc < 0;
    if (p->n_calc < 0)
        return;
    n->tiles++;
    n->macs += (uint64_t)p->macs;
    if (!fixed)
        return;
    w->tile_d_hist[d]++;
    if (m->first_use[index]) {
        n->first_uses++;
        n->first_use_d += (uint64_t)d;
    }
}

static void count_lanes(const struct bce_plan *p, int lanes, struct bce_worker *w)
{
    for (int b = 0; b < lanes; b++) {
        w->tile_selections[b] += p->lane_selections[b];
        w->tile_cycles[b] += p->lane_cycles[b];
    }
}

static void decode_each(const struct bce_array *m, struct bce_worker *w, const int *index,
                        struct bce_plan **const *plan, int num)
{
    const struct bce_config *c = &m->op->cfg;
    struct bce_tile tile[BCE_DECODE_TILES];
    struct bce_walked walked[BCE_DECODE_TILES];
    bool walk = !bce_is_float(c) && c->regs == 0;
    for (int i = 0; i < num; i++)
        load_tile(m, w, index[i], &tile[i]);
    if (walk)
        bce_walk_tiles(c, m->op->tables, tile, num, walked);
    for (int i = 0; i < num; i++) {
        struct bce_plan **p = plan[i];
        bce_plan_make(c, m->op->tables, &tile[i], walk ? &walked[i] : NULL, m->amax, m->kind, *p,
                      p);
        if (!bce_is_float(c))
            count_lanes(*p, 32 - __builtin_clz(c->prune), w);
    }
}

static void decode_flush(const struct bce_array *m, struct bce_worker *w, struct decoder *d)
{
    const struct bce_op *op = m->op;
    const uint8_t *tile[BCE_DECODE_TILES];
    struct bce_plan *plan[BCE_DECODE_TILES];
    if (d->num == 0)
        return;
    for (int i = 0; i < d->num; i++) {
        tile[i] = bce_work_tile(m, d->index[i]);
        plan[i] = *d->plan[i] =
            (void *)(w->plan_mem + (size_t)(d->plan[i] - w->plan) * m->plan_bytes);
    }
    bool words = bce_words_apply(&op->cfg, op->tables, m->kind);
    if (!words)
        decode_each(m, w, d->index, d->plan, d->num);
    for (int i = 0; i < d->num && words;) {
        int some = bce_plan_words(&op->cfg, op->tables, tile + i, d->num - i, d->rows, m->amax,
                                  m->kind, plan + i, w->tile_selections, w->tile_cycles);
        if (some == 0)
            decode_each(m, w, d->index + i, d->plan + i, 1);
        i += some > 0 ? some : 1;
    }
    struct bce_tile_counts counts = w->counts;
    for (int i = 0; i < d->num; i++)
        count_tile(m, w, d->index[i], *d->plan[i], &counts, d->d[i]);
    w->counts = counts;
    d->num = 0;
}

// A tile that is to be decoded after those that wait; another core's cache may hold it.
static void decode_soon(const struct bce_array *m, int index)
{
    if (index >= m->batch * m->op->npe)
        return;
    const uint8_t *bytes = bce_work_tile(m, index);
    __builtin_prefetch(bytes);
    __builtin_prefetch(bytes + 64);
}

static void decode_begin(struct decoder *d)
{
    d->num = d->rows = 0;
    d->group = -1;
}

// Of a group of the batch.
static void decode_tile(const struct bce_array *m, struct bce_worker *w, struct decoder *d,
                        int group, int pe)
{
    int index = group * m->op->npe + pe;
    if (m->op->literal) {
        load_tile(m, w, index, &m->tile[index]);
        return;
    }
    if (group != d->group)
        d->group_rows = bce_work_rows(m, m->first_group + group);
    if (d->num == BCE_DECODE_TILES || d->group_rows != d->rows)
        decode_flush(m, w, d);
    d->group = group;
    d->rows = d->group_rows;
    d->d[d->num] = m->d + (ptrdiff_t)pe * m->batch_max + group;
    d->plan[d->num] = bce_work_plan(w, group, pe);
    d->index[d->num++] = index;
}

// ---- Activations against tiles ------------------------------------------------------------------

struct piece {
    int64_t p0;
    int len, pe0, pe1;
};

static void build_rows(const struct bce_array *m, struct bce_worker *w, const struct piece *x,
                       int64_t group, const struct bce_operand *to)
{
    const struct bce_op *op = m->op;
    int64_t k0 = group * op->cfg.n;
    int n = op->cfg.n, rows = bce_work_rows(m, group);
    w->range |= bce_agu_rows(op->agu, k0, rows, x->p0, x->len, m->kind, to->rows);
    if (rows < n && (op->literal || op->cfg.compat))
        memset(to->rows + (size_t)rows * BCE_ROW_BYTES, 0, (size_t)(n - rows) * BCE_ROW_BYTES);
    if (op->literal)
        return;
    if (bce_is_float(&op->cfg)) {
        to->block->len = x->len;
        m->kernels->decode(&op->cfg, op->cfg.compat ? n : rows, to->block);
        return;
    }
    memset(to->rows + (size_t)n * BCE_ROW_BYTES, 0, BCE_ROW_BYTES);
    *to->kind = m->kind;
    if (op->cfg.fast && m->kind == BCE_ROW_I8)
        m->kernels->interleave(to->rows, rows, x->len, m->amax, to->words);
    if (m->kind != BCE_ROW_I32 && !op->cfg.whole)
        *to->kind =
            m->kernels->settle(m->kind, m->amax, to->rows, op->cfg.compat ? n : rows, x->len);
}

static struct piece piece_of_block(const struct bce_array *m, int block)
{
    struct piece x = {.p0 = (int64_t)block * m->block, .pe1 = m->op->npe};
    x.len = m->positions - x.p0 < m->block ? (int)(m->positions - x.p0) : m->block;
    return x;
}

// Where the rows of a group and block are kept.
static struct bce_operand kept_rows(const struct bce_array *m, const struct bce_worker *w,
                                    int64_t group, int block)
{
    size_t at = (size_t)(group * m->blocks + block) * bce_work_kept_bytes(m->op);
    if (!m->op->cfg.whole)
        return bce_work_operand(m->op, m->rows->mem + at);
    struct bce_operand x = w->own;
    x.words = (int32_t *)(void *)(m->rows->mem + at);
    return x;
}

void bce_work_prepare(void *user, int piece, int worker)
{
    const struct bce_array *m = user;
    if (piece < m->row_pieces) {
        struct piece x = piece_of_block(m, piece % m->blocks);
        struct bce_operand to =
            kept_rows(m, &m->worker[worker], piece / m->blocks, piece % m->blocks);
        build_rows(m, &m->worker[worker], &x, piece / m->blocks, &to);
        return;
    }
    piece -= m->row_pieces;
    struct decoder d;
    decode_begin(&d);
    int npe = m->op->npe, tiles = m->batch * npe, end = (piece + 1) * BCE_DECODE_TILES;
    for (int i = piece * BCE_DECODE_TILES; i < end && i < tiles; i++) {
        decode_soon(m, i + BCE_DECODE_TILES);
        decode_tile(m, &m->worker[worker], &d, i / npe, i % npe);
    }
    decode_flush(m, &m->worker[worker], &d);
}

static void vector_float(const struct bce_array *m, struct bce_worker *w, const struct piece *x,
                         int local, bool add)
{
    const struct bce_op *op = m->op;
    for (int pe = x->pe0; pe < x->pe1; pe++) {
        const struct bce_plan *p = *bce_work_plan(w, local, pe);
        uint64_t *psum = op->psum + pe * m->positions + x->p0;
        uint16_t *d = m->d + (local * op->npe + pe) * m->positions + x->p0;
        bce_vector_float(m->kernels, &op->cfg, p, w->in.block, &w->lanes, &w->out);
        if (add)
            m->kernels->add(x->len, w->out.bits, psum);
        else
            for (int i = 0; i < x->len; i++)
                psum[i] = w->out.bits[i];
        for (int i = 0; i < x->len; i++)
            d[i] = (uint16_t)w->out.d[i];
        if (p->n_calc < 0)
            continue;
        for (int i = 0; i < x->len; i++)
            w->d_hist[i & 1][d[i]]++;
    }
}

// The sum of a group's activations, which inverted lanes start from: formed when the first PE asks.
static void sum_rows(struct bce_worker *w, int32_t amax, int rows, int len)
{
    enum bce_row kind = *w->in.kind;
    const struct bce_settled s = bce_settled_of(kind, amax);
    for (int i = 0; i < len; i++)
        w->sum[i] = -(int64_t)rows * s.bias[i & 1];
    for (int k = 0; k < rows; k++) {
        const void *row = w->in.rows + (size_t)k * BCE_ROW_BYTES;
        const uint8_t *bytes = row;
        const uint16_t *even = row;
        const int16_t *odd = row;
        const int32_t *wide = row;
        for (int i = 0; i < len; i++)
            w->sum[i] += kind == BCE_ROW_I32  ? wide[i]
                         : kind <= BCE_ROW_U8 ? bytes[i]
                         : i & 1              ? odd[i]
                                              : even[i];
    }
}

static void listed_fixed(const struct bce_array *m, struct bce_worker *w, const struct piece *x,
                         int local, int pe, bool add)
{
    const struct bce_op *op = m->op;
    const struct bce_plan *p = *bce_work_plan(w, local, pe);
    uint64_t *psum = op->psum + pe * m->positions + x->p0;
    bce_vector_fixed(m->kernels, &op->cfg, p, *w->in.kind, w->in.rows, x->len, (int64_t *)psum,
                     add);
    if (p->sum_factor == 0)
        return;
    if (!w->have_sum)
        sum_rows(w, m->amax, bce_work_rows(m, m->first_group + local), x->len);
    w->have_sum = true;
    for (int i = 0; i < x->len; i++)
        psum[i] += (uint64_t)p->sum_factor * (uint64_t)w->sum[i];
}

static void vector_fixed(const struct bce_array *m, struct bce_worker *w, const struct piece *x,
                         int local, bool add)
{
    w->have_sum = false;
    for (int pe = x->pe0; pe < x->pe1; pe++)
        listed_fixed(m, w, x, local, pe, add);
}

static bool all_whole(const struct bce_worker *w, int pe, int first, int groups)
{
    bool whole = true;
    for (int g = first; g < first + groups; g++)
        whole = whole && (*bce_work_plan(w, g, pe))->whole;
    return whole;
}

// PEs from `pe` on, at most as many as share the loads, whose tiles are there as whole weights.
static int whole_plans(const struct bce_array *m, const struct bce_worker *w, const struct piece *x,
                       int pe, int first, int groups)
{
    int num = 0;
    int most = x->pe1 - pe < BCE_DOT_PLANS ? x->pe1 - pe : BCE_DOT_PLANS;
    while (num < most && (m->op->cfg.whole || all_whole(w, pe + num, first, groups)))
        num++;
    return num;
}

static struct bce_operand rows_of_group(const struct bce_array *m, struct bce_worker *w,
                                        const struct piece *x, int block, int local)
{
    if (m->rows)
        return kept_rows(m, w, m->first_group + local, block);
    build_rows(m, w, x, m->first_group + local, &w->own);
    return w->own;
}

// One PE whose tiles are whole weights in some groups only.
static void vector_mixed(const struct bce_array *m, struct bce_worker *w, const struct piece *x,
                         int block, int pe, int first, struct bce_dot d, bool add)
{
    const struct bce_op *op = m->op;
    int64_t *psum = (int64_t *)(op->psum + pe * m->positions + x->p0);
    int end = first + d.groups;
    d.num = d.groups = 1;
    for (int g = first; g < end; g++, add = true) {
        if ((*d.plan)->whole)
            m->kernels->dot(&d, x->len, &psum, add);
        else {
            if (m->rows)
                w->in = kept_rows(m, w, m->first_group + g, block);
            w->have_sum = false;
            listed_fixed(m, w, x, g, pe, add);
        }
        d.plan += d.plan_stride;
        d.operand += d.operand_stride;
        d.num_rows -= d.n;
    }
}

// Groups first .. first + groups - 1 of the batch; more than one only where rows are kept.
static void vector_fast(const struct bce_array *m, struct bce_worker *w, const struct piece *x,
                        int block, int first, int groups, bool add)
{
    const struct bce_op *op = m->op;
    struct bce_dot d = {.groups = groups, .plan_stride = w->stride, .n = op->cfg.n};
    w->in = rows_of_group(m, w, x, block, first);
    d.operand = w->in.words;
    d.operand_stride = (ptrdiff_t)(bce_work_kept_bytes(op) / sizeof *d.operand) * m->blocks;
    d.num_rows = op->agu->k_total - (m->first_group + first) * op->cfg.n;
    for (int pe = x->pe0; pe<x->pe1; pe += d.num> 0 ? d.num : 1) {
        int64_t *psum[BCE_DOT_PLANS] = {0};
        d.num = whole_plans(m, w, x, pe, first, groups);
        d.plan = (const struct bce_plan *const *)bce_work_plan(w, first, pe);
        for (int i = 0; i < d.num; i++)
            psum[i] = (int64_t *)(op->psum + (pe + i) * m->positions + x->p0);
        if (d.num > 0)
            m->kernels->dot(&d, x->len, psum, add);
        else
            vector_mixed(m, w, x, block, pe, first, d, add);
    }
}

static void literal_group(const struct bce_array *m, struct bce_worker *w, const struct bce_tile *t,
                          const uint32_t *a, uint64_t *psum, bool add, uint16_t *d)
{
    struct bce_group g;
    if (m->op->cfg.regs > 0)
        bce_rtl_mapped(&m->op->cfg, t, a, &g);
    else
        bce_rtl_group(&m->op->cfg, t, a, NULL, &g);
    *d = (uint16_t)g.d;
    if (bce_is_float(&m->op->cfg)) {
        uint32_t r = bce_rtl_result(&m->op->cfg, t, a, &g);
        *psum = add ? bce_rtl_add((uint32_t)*psum, r) : r;
    } else
        *psum = (add ? *psum : 0) + (uint64_t)g.acc;
    if (t->n_calc < 0)
        return;
    w->d_hist[0][g.d]++;
    for (int b = 0; b < BCE_LANES; b++) {
        w->lanes.total[b] += g.selections[b];
        w->lane_cycles[b] += bce_is_float(&m->op->cfg) ? 0 : g.cycles[b];
    }
}

static void literal(const struct bce_array *m, struct bce_worker *w, const struct piece *x,
                    int local, bool add)
{
    const struct bce_op *op = m->op;
    for (int i = 0; i < x->len; i++) {
        uint32_t a[BCE_MAX_N];
        for (int k = 0; k < op->cfg.n; k++)
            memcpy(&a[k], w->in.rows + (size_t)k * BCE_ROW_BYTES + 4 * (size_t)i, sizeof a[k]);
        for (int pe = x->pe0; pe < x->pe1; pe++) {
            int64_t at = pe * m->positions + x->p0 + i;
            literal_group(m, w, &m->tile[local * op->npe + pe], a, op->psum + at, add,
                          m->d + local * op->npe * m->positions + at);
        }
    }
}

static void compute_block(const struct bce_array *m, struct bce_worker *w, int block, int pe0,
                          int pe1, int g0, int g1)
{
    const struct bce_op *op = m->op;
    struct piece x = piece_of_block(m, block);
    x.pe0 = pe0;
    x.pe1 = pe1;
    bool fast = op->cfg.fast && m->kind == BCE_ROW_I8 && !op->literal;
    if (fast && m->rows) {
        vector_fast(m, w, &x, block, g0, g1 - g0, op->acc || m->first_group + g0 > 0);
        return;
    }
    for (int g = g0; g < g1; g++) {
        bool add = op->acc || m->first_group + g > 0;
        if (fast) {
            vector_fast(m, w, &x, block, g, 1, add);
            continue;
        }
        w->in = rows_of_group(m, w, &x, block, g);
        if (op->literal)
            literal(m, w, &x, g, add);
        else if (bce_is_float(&op->cfg))
            vector_float(m, w, &x, g, add);
        else
            vector_fixed(m, w, &x, g, add);
    }
}

static int slice_begin(const struct bce_array *m, int slice)
{
    return (int)((int64_t)m->op->npe * slice / m->slices);
}

void bce_work_compute(void *user, int index, int worker)
{
    const struct bce_array *m = user;
    int slice = index / m->blocks;
    compute_block(m, &m->worker[worker], index % m->blocks, slice_begin(m, slice),
                  slice_begin(m, slice + 1), 0, m->batch);
}

void bce_work_joined(void *user, int slice, int worker)
{
    const struct bce_array *m = user;
    struct bce_worker *w = &m->worker[worker];
    int pe0 = slice_begin(m, slice), pe1 = slice_begin(m, slice + 1);
    int ahead = (BCE_DECODE_TILES + pe1 - pe0 - 1) / (pe1 - pe0); // groups
    struct decoder d;
    w->stride = pe1 - pe0;
    w->pe0 = pe0;
    for (int g0 = 0, g1; g0 < m->batch; g0 = g1) {
        g1 = m->batch - g0 < m->joined_groups ? m->batch : g0 + m->joined_groups;
        w->group0 = g0;
        decode_begin(&d);
        for (int g = g0; g < g1; g++)
            for (int pe = pe0; pe < pe1; pe++) {
                decode_soon(m, (g + ahead) * m->op->npe + pe);
                decode_tile(m, w, &d, g, pe);
            }
        decode_flush(m, w, &d);
        for (int block = 0; block < m->blocks; block++)
            compute_block(m, w, block, pe0, pe1, g0, g1);
    }
}

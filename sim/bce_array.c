// Work is cut by blocks of positions and, when there are few of those, by slices of PEs. Groups
// come in batches: the tiles of a batch are decoded once (every tile serves all positions), then
// each piece takes the groups of the batch in order and runs its PEs over the activation rows of a
// group and its block. Those are built for the whole instruction beside the first batch of tiles,
// so that slices share them, or by each piece where they are too many. Batches keep the decoded
// tiles in the cache and the table of D small.
#include "bce_array.h"

#include <string.h>

#define BATCH_PLAN_BYTES (1 << 20)
#define BATCH_D_ENTRIES (1 << 20)
#define DECODE_TILES 16   // a piece of decoding
#define SERIAL_MACS 60000 // less than this is not worth waking threads

// Activations of one group and block.
struct operand {
    uint8_t *rows;
    enum bce_row *kind; // of fixed rows
    int32_t *words;     // of rows, interleaved for the datapath fast
    struct bce_float_block *block;
};

struct worker {
    struct bce_float_out out;
    struct bce_lane_counter lanes;
    uint64_t d_hist[SIM_MAX_D + 1];
    uint64_t lane_cycles[BCE_LANES];
    uint64_t tile_selections[BCE_LANES], tile_cycles[BCE_LANES]; // of plans, for every position
    bool range;
    const char *bad_map;
    struct operand own, in;     // where a piece builds its rows; those it works on
    int64_t sum[BCE_BLOCK_I16]; // of the group's activations, per position
    bool have_sum;
};

struct array {
    const struct bce_op *op;
    struct thread_pool *pool;
    const struct bce_kernels *kernels;
    struct worker *worker;
    int num_workers;
    enum bce_row kind;
    int32_t amax;
    int64_t groups, positions;
    int block, blocks, slices;
    bool serial;
    struct bce_rows *rows; // of the instruction; NULL: each piece builds its own
    int row_pieces;        // to be built beside the tiles of the batch
    bool joined;           // a piece is a slice of PEs: it decodes its tiles itself
    // the batch
    int64_t first_group;
    int batch, batch_max;
    size_t plan_bytes;
    uint8_t *plan_mem;
    struct bce_plan **plan; // [batch][PE], datapath vector
    struct bce_tile *tile;  // [batch][PE], datapath rtl
    uint16_t *d;            // [batch][PE][position]; fixed on datapath vector: [batch][PE]
    int64_t *time_work;
};

int64_t bce_op_groups(const struct bce_op *op)
{
    return (op->agu->k_total + op->cfg.n - 1) / op->cfg.n;
}

// ---- Memory -------------------------------------------------------------------------------------

static bool fixed_vector(const struct bce_op *op)
{
    return !op->literal && !bce_is_float(&op->cfg);
}

static int64_t d_entries(const struct bce_op *op)
{
    return fixed_vector(op) ? op->npe : op->npe * op->agu->p_total;
}

static size_t tile_memory(const struct bce_op *op)
{
    if (op->literal)
        return sizeof(struct bce_tile);
    return bce_plan_bytes(&op->cfg) + sizeof(struct bce_plan *);
}

static int batch_groups(const struct bce_op *op)
{
    int64_t by_plan = BATCH_PLAN_BYTES / ((int64_t)tile_memory(op) * op->npe);
    int64_t by_d = BATCH_D_ENTRIES / d_entries(op), n = by_plan < by_d ? by_plan : by_d;
    int64_t groups = bce_op_groups(op);
    n = n < groups ? n : groups;
    return n < 1 ? 1 : (int)n;
}

static size_t round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

#define KIND_BYTES 64

static size_t operand_bytes(const struct bce_op *op)
{
    size_t rows = (size_t)op->cfg.n * BCE_ROW_BYTES;
    if (bce_is_float(&op->cfg)) // words, exponents, significands
        return round_up(sizeof(struct bce_float_block)) + 3 * rows + BCE_FLOAT_SLACK;
    rows += BCE_ROW_BYTES; // of zeros
    return (op->cfg.fast ? 2 * rows : rows) + KIND_BYTES;
}

static struct operand operand_at(const struct bce_op *op, uint8_t *mem)
{
    struct operand x = {.rows = mem};
    size_t rows = (size_t)op->cfg.n * BCE_ROW_BYTES;
    if (bce_is_float(&op->cfg)) {
        x.block = (struct bce_float_block *)(void *)mem;
        x.rows = mem + round_up(sizeof *x.block);
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

// Takes bytes from a region that is being measured (at NULL) or laid out.
struct layout {
    uint8_t *at;
    size_t used;
};

static void *lay(struct layout *l, size_t bytes)
{
    uint8_t *p = l->at ? l->at + l->used : NULL;
    l->used += round_up(bytes);
    return p;
}

static size_t lay_out(struct array *m, const struct bce_op *op, int workers, void *mem)
{
    struct layout l = {mem, 0};
    size_t batch = (size_t)batch_groups(op), tiles = batch * (size_t)op->npe;
    m->worker = lay(&l, sizeof *m->worker * (size_t)workers);
    for (int i = 0; i < workers; i++) {
        uint8_t *own = lay(&l, operand_bytes(op));
        if (mem) {
            memset(&m->worker[i], 0, sizeof m->worker[i]);
            m->worker[i].own = operand_at(op, own);
        }
    }
    if (op->literal)
        m->tile = lay(&l, sizeof *m->tile * tiles);
    else {
        m->plan = lay(&l, sizeof *m->plan * tiles);
        m->plan_mem = lay(&l, bce_plan_bytes(&op->cfg) * tiles);
    }
    m->d = lay(&l, sizeof *m->d * batch * (size_t)d_entries(op));
    m->time_work = lay(&l, sizeof *m->time_work * (size_t)(op->npe + op->timing.fifo));
    return l.used;
}

size_t bce_array_bytes(const struct bce_op *op, int workers)
{
    struct array m = {0};
    return lay_out(&m, op, workers, NULL);
}

static void run_pieces(const struct array *m, int pieces,
                       void (*body)(void *user, int piece, int worker), const void *user)
{
    union { // the pool hands the pointer back and does not write through it
        const void *in;
        void *out;
    } u = {user};
    if (!m->serial)
        thread_pool_run(m->pool, pieces, body, u.out);
    else
        for (int i = 0; i < pieces; i++)
            body(u.out, i, 0);
}

// ---- Tiles --------------------------------------------------------------------------------------

// K indices of a group; fewer than N in the last one.
static int group_rows(const struct array *m, int64_t group)
{
    int64_t left = m->op->agu->k_total - group * m->op->cfg.n;
    return left < m->op->cfg.n ? (int)left : m->op->cfg.n;
}

static void load_tile(const struct array *m, struct worker *w, int index, struct bce_tile *t)
{
    const struct bce_op *op = m->op;
    int64_t group = m->first_group + index / op->npe;
    int limit = group_rows(m, group);
    size_t at = (size_t)(group * op->npe + index % op->npe);
    bce_tile_load(&op->cfg, op->lanes, limit, op->tiles + at * op->tile_bytes, t);
    if (op->cfg.regs > 0 && t->n_calc >= 0) {
        const char *bad = bce_map_fault(&t->map, op->cfg.regs, op->lanes, op->ext);
        if (bad) {
            w->bad_map = bad;
            t->n_calc = -1; // not walked; the run ends with this batch
        }
    }
}

// Tiles to plans, some at a time.
struct decoder {
    int num, index[DECODE_TILES];
    struct bce_tile tile[DECODE_TILES];
};

static void count_lanes(const struct bce_plan *p, int lanes, struct worker *w)
{
    for (int b = 0; b < lanes; b++) {
        w->tile_selections[b] += p->lane_selections[b];
        w->tile_cycles[b] += p->lane_cycles[b];
    }
}

static void decode_flush(const struct array *m, struct worker *w, struct decoder *d)
{
    const struct bce_config *c = &m->op->cfg;
    struct bce_walked walked[DECODE_TILES];
    bool walk = !bce_is_float(c) && c->regs == 0;
    if (walk)
        bce_walk_tiles(c, m->op->tables, d->tile, d->num, walked);
    for (int i = 0; i < d->num; i++) {
        struct bce_plan **p = &m->plan[d->index[i]];
        bce_plan_make(c, m->op->tables, &d->tile[i], walk ? &walked[i] : NULL, m->amax, m->kind,
                      m->plan_mem + (size_t)d->index[i] * m->plan_bytes, p);
        if (!bce_is_float(c))
            count_lanes(*p, 32 - __builtin_clz(c->prune), w);
    }
    d->num = 0;
}

static void decode_tile(const struct array *m, struct worker *w, struct decoder *d, int index)
{
    if (m->op->literal) {
        load_tile(m, w, index, &m->tile[index]);
        return;
    }
    load_tile(m, w, index, &d->tile[d->num]);
    d->index[d->num++] = index;
    if (d->num == DECODE_TILES)
        decode_flush(m, w, d);
}

// ---- Activations against tiles ------------------------------------------------------------------

struct piece {
    int64_t p0;
    int len, pe0, pe1;
};

static void build_rows(const struct array *m, struct worker *w, const struct piece *x,
                       int64_t group, const struct operand *to)
{
    const struct bce_op *op = m->op;
    int64_t k0 = group * op->cfg.n;
    int n = op->cfg.n, rows = group_rows(m, group);
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
    int16_t *narrow = (int16_t *)(void *)to->rows;
    memset(to->rows + (size_t)n * BCE_ROW_BYTES, 0, BCE_ROW_BYTES);
    *to->kind = m->kind;
    if (op->cfg.fast && m->kind == BCE_ROW_I16)
        m->kernels->interleave(narrow, rows, m->amax, to->words);
    else if (m->kind != BCE_ROW_I32)
        *to->kind = m->kernels->settle(m->kind, narrow, op->cfg.compat ? n : rows);
}

static struct piece piece_of_block(const struct array *m, int block)
{
    struct piece x = {.p0 = (int64_t)block * m->block, .pe1 = m->op->npe};
    x.len = m->positions - x.p0 < m->block ? (int)(m->positions - x.p0) : m->block;
    return x;
}

// Where the rows of a group and block are kept.
static struct operand kept_rows(const struct array *m, int64_t group, int block)
{
    size_t at = (size_t)(group * m->blocks + block) * operand_bytes(m->op);
    return operand_at(m->op, m->rows->mem + at);
}

static void prepare_piece(void *user, int piece, int worker)
{
    const struct array *m = user;
    if (piece < m->row_pieces) {
        struct piece x = piece_of_block(m, piece % m->blocks);
        struct operand to = kept_rows(m, piece / m->blocks, piece % m->blocks);
        build_rows(m, &m->worker[worker], &x, piece / m->blocks, &to);
        return;
    }
    piece -= m->row_pieces;
    struct decoder d;
    d.num = 0;
    int tiles = m->batch * m->op->npe, end = (piece + 1) * DECODE_TILES;
    for (int i = piece * DECODE_TILES; i < end && i < tiles; i++)
        decode_tile(m, &m->worker[worker], &d, i);
    decode_flush(m, &m->worker[worker], &d);
}

static void vector_float(const struct array *m, struct worker *w, const struct piece *x, int local,
                         bool add)
{
    const struct bce_op *op = m->op;
    for (int pe = x->pe0; pe < x->pe1; pe++) {
        const struct bce_plan *p = m->plan[local * op->npe + pe];
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
            w->d_hist[d[i]]++;
    }
}

// The sum of a group's activations, which inverted lanes start from: formed when the first PE asks.
static void sum_rows(struct worker *w, int rows, int len)
{
    enum bce_row kind = *w->in.kind;
    memset(w->sum, 0, sizeof w->sum);
    for (int k = 0; k < rows; k++) {
        const void *row = w->in.rows + (size_t)k * BCE_ROW_BYTES;
        const uint8_t *bytes = row;
        const int16_t *narrow = row;
        const int32_t *wide = row;
        for (int i = 0; i < len; i++)
            w->sum[i] += kind == BCE_ROW_I32 ? wide[i] : kind == BCE_ROW_U7 ? bytes[i] : narrow[i];
        for (int i = 0; i < len && kind == BCE_ROW_SPLIT; i += 2)
            w->sum[i] += (int16_t)(narrow[i] ^ INT16_MIN) - narrow[i];
    }
}

static void listed_fixed(const struct array *m, struct worker *w, const struct piece *x, int local,
                         int pe, bool add)
{
    const struct bce_op *op = m->op;
    const struct bce_plan *p = m->plan[local * op->npe + pe];
    uint64_t *psum = op->psum + pe * m->positions + x->p0;
    bce_vector_fixed(m->kernels, &op->cfg, p, *w->in.kind, w->in.rows, x->len, (int64_t *)psum,
                     add);
    if (p->sum_factor == 0)
        return;
    if (!w->have_sum)
        sum_rows(w, group_rows(m, m->first_group + local), x->len);
    w->have_sum = true;
    for (int i = 0; i < x->len; i++)
        psum[i] += (uint64_t)p->sum_factor * (uint64_t)w->sum[i];
}

static void vector_fixed(const struct array *m, struct worker *w, const struct piece *x, int local,
                         bool add)
{
    w->have_sum = false;
    for (int pe = x->pe0; pe < x->pe1; pe++)
        listed_fixed(m, w, x, local, pe, add);
}

static bool all_whole(const struct array *m, int pe, int first, int groups)
{
    bool whole = true;
    for (int g = first; g < first + groups; g++)
        whole = whole && m->plan[g * m->op->npe + pe]->whole;
    return whole;
}

// PEs from `pe` on, at most as many as share the loads, whose tiles are there as whole weights.
static int whole_plans(const struct array *m, const struct piece *x, int pe, int first, int groups)
{
    int num = 0;
    while (num < BCE_DOT_PLANS && pe + num < x->pe1 && all_whole(m, pe + num, first, groups))
        num++;
    return num;
}

static struct operand rows_of_group(const struct array *m, struct worker *w, const struct piece *x,
                                    int block, int local)
{
    if (m->rows)
        return kept_rows(m, m->first_group + local, block);
    build_rows(m, w, x, m->first_group + local, &w->own);
    return w->own;
}

// One PE whose tiles are whole weights in some groups only.
static void vector_mixed(const struct array *m, struct worker *w, const struct piece *x, int block,
                         int pe, int first, struct bce_dot d, bool add)
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
                w->in = kept_rows(m, m->first_group + g, block);
            w->have_sum = false;
            listed_fixed(m, w, x, g, pe, add);
        }
        d.plan += d.plan_stride;
        d.operand += d.operand_stride;
        d.num_rows -= d.n;
    }
}

// Groups first .. first + groups - 1 of the batch; more than one only where rows are kept.
static void vector_fast(const struct array *m, struct worker *w, const struct piece *x, int block,
                        int first, int groups, bool add)
{
    const struct bce_op *op = m->op;
    struct bce_dot d = {.groups = groups, .plan_stride = op->npe, .n = op->cfg.n};
    w->in = rows_of_group(m, w, x, block, first);
    d.operand = w->in.words;
    d.operand_stride = (ptrdiff_t)(operand_bytes(op) / sizeof *d.operand) * m->blocks;
    d.num_rows = op->agu->k_total - (m->first_group + first) * op->cfg.n;
    for (int pe = x->pe0; pe<x->pe1; pe += d.num> 0 ? d.num : 1) {
        int64_t *psum[BCE_DOT_PLANS] = {0};
        d.num = whole_plans(m, x, pe, first, groups);
        d.plan = (const struct bce_plan *const *)m->plan + first * op->npe + pe;
        for (int i = 0; i < d.num; i++)
            psum[i] = (int64_t *)(op->psum + (pe + i) * m->positions + x->p0);
        if (d.num > 0)
            m->kernels->dot(&d, x->len, psum, add);
        else
            vector_mixed(m, w, x, block, pe, first, d, add);
    }
}

static void literal_group(const struct array *m, struct worker *w, const struct bce_tile *t,
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
    w->d_hist[g.d]++;
    for (int b = 0; b < BCE_LANES; b++) {
        w->lanes.total[b] += g.selections[b];
        w->lane_cycles[b] += bce_is_float(&m->op->cfg) ? 0 : g.cycles[b];
    }
}

static void literal(const struct array *m, struct worker *w, const struct piece *x, int local,
                    bool add)
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

static void compute_block(const struct array *m, struct worker *w, int block, int pe0, int pe1)
{
    const struct bce_op *op = m->op;
    struct piece x = piece_of_block(m, block);
    x.pe0 = pe0;
    x.pe1 = pe1;
    bool fast = op->cfg.fast && m->kind == BCE_ROW_I16 && !op->literal;
    if (fast && m->rows) {
        vector_fast(m, w, &x, block, 0, m->batch, op->acc || m->first_group > 0);
        return;
    }
    for (int g = 0; g < m->batch; g++) {
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

static int slice_begin(const struct array *m, int slice)
{
    return (int)((int64_t)m->op->npe * slice / m->slices);
}

static void compute_piece(void *user, int index, int worker)
{
    const struct array *m = user;
    int slice = index / m->blocks;
    compute_block(m, &m->worker[worker], index % m->blocks, slice_begin(m, slice),
                  slice_begin(m, slice + 1));
}

static void joined_piece(void *user, int slice, int worker)
{
    const struct array *m = user;
    struct worker *w = &m->worker[worker];
    int pe0 = slice_begin(m, slice), pe1 = slice_begin(m, slice + 1);
    struct decoder d;
    d.num = 0;
    for (int g = 0; g < m->batch; g++)
        for (int pe = pe0; pe < pe1; pe++)
            decode_tile(m, w, &d, g * m->op->npe + pe);
    decode_flush(m, w, &d);
    for (int block = 0; block < m->blocks; block++)
        compute_block(m, w, block, pe0, pe1);
}

// Threads meet as seldom as the work allows: twice a batch, or once where PEs are many and the rows
// are there.
static void run_batch(struct array *m)
{
    int tile_pieces = (m->batch * m->op->npe + DECODE_TILES - 1) / DECODE_TILES;
    if (m->joined) {
        run_pieces(m, m->row_pieces, prepare_piece, m);
        run_pieces(m, m->slices, joined_piece, m);
    } else {
        run_pieces(m, m->row_pieces + tile_pieces, prepare_piece, m);
        run_pieces(m, m->blocks * m->slices, compute_piece, m);
    }
    m->row_pieces = 0;
}

// ---- Time and statistics ------------------------------------------------------------------------

static bool is_first_use(const struct array *m, int index)
{
    const struct bce_op *op = m->op;
    size_t tile = (size_t)m->first_group * (size_t)op->npe + (size_t)index;
    return !op->first_use || op->first_use(op->first_use_user, op->tiles + tile * op->tile_bytes);
}

// What a tile says about every position alike.
static void count_tile(const struct array *m, int index, struct sim_layer_stats *stats)
{
    const struct bce_plan *p = m->op->literal ? NULL : m->plan[index];
    int n_calc = p ? p->n_calc : m->tile[index].n_calc, macs = p ? p->macs : m->tile[index].macs;
    uint64_t positions = (uint64_t)m->positions;
    stats->macs += (uint64_t)macs * positions;
    if (n_calc < 0) {
        stats->idle_pe_steps += positions;
        return;
    }
    stats->pe_groups += positions;
    if (bce_is_float(&m->op->cfg))
        return;
    int64_t at = fixed_vector(m->op) ? index : index * m->positions;
    if (p)
        m->d[at] = (uint16_t)(m->op->cfg.walk == BCE_WALK_ALL && m->op->cfg.regs == 0 ? m->op->cfg.n
                                                                                      : p->d);
    if (is_first_use(m, index)) {
        stats->tile_count++;
        stats->tile_d_sum += m->d[at];
    }
    if (!p)
        return;
    stats->d_hist[m->d[at]] += positions;
    stats->d_sum += m->d[at] * positions;
}

static void time_batch(const struct array *m, struct sim_layer_stats *stats, struct bce_time *time)
{
    struct bce_timing timing = m->op->timing, *t = &timing;
    int npe = m->op->npe, pos_stride = fixed_vector(m->op) ? 0 : 1;
    int64_t pe_stride = pos_stride ? m->positions : 1;
    for (int i = 0; i < m->batch * npe; i++) {
        if (pos_stride == 0)
            m->d[i] = 0;
        count_tile(m, i, stats);
    }
    for (int g = 0; g < m->batch; g++) {
        t->least = bce_least_cycles(t, group_rows(m, m->first_group + g));
        int64_t busy = bce_group_time(t, m->d + g * npe * pe_stride, npe, m->positions, pe_stride,
                                      pos_stride, m->time_work, &stats->step_cycles);
        bool last = m->first_group + g + 1 == m->groups;
        stats->weight_load_cycles += (uint64_t)bce_time_add(t, busy, last, time);
    }
    uint64_t steps = (uint64_t)(m->batch * m->positions);
    stats->steps += steps;
    stats->overhead_cycles += steps * (uint64_t)t->overhead;
    stats->idle_pe_steps += steps * (uint64_t)(m->op->pes - npe);
}

static void merge_worker(struct worker *w, uint64_t positions, struct sim_layer_stats *stats)
{
    bce_lane_counter_drain(&w->lanes);
    for (int i = 0; i <= SIM_MAX_D; i++) {
        stats->d_hist[i] += w->d_hist[i];
        stats->d_sum += w->d_hist[i] * (uint64_t)i;
    }
    for (int b = 0; b < BCE_LANES; b++) {
        stats->lane_selections[b] += w->lanes.total[b] + w->tile_selections[b] * positions;
        stats->lane_cycles[b] += w->lane_cycles[b] + w->tile_cycles[b] * positions;
    }
}

// ---- All of it ----------------------------------------------------------------------------------

static bool same_rows(const struct bce_rows *r, const struct bce_op *op)
{
    const struct bce_config *a = &r->cfg, *b = &op->cfg;
    return r->filled && a->n == b->n && a->mode == b->mode && a->prune == b->prune &&
           a->compat == b->compat && a->fast == b->fast && bce_agu_equal(&r->agu, op->agu);
}

static void set_up_rows(struct array *m)
{
    const struct bce_op *op = m->op;
    size_t entries = (size_t)m->groups * (size_t)m->blocks;
    if (op->literal || !op->rows || entries > op->rows->bytes / operand_bytes(op))
        return;
    m->rows = op->rows;
    m->joined = m->serial || op->npe >= 2 * m->num_workers;
    if (m->joined && !m->serial)
        m->slices = 4 * m->num_workers < op->npe ? 4 * m->num_workers : op->npe;
    if (same_rows(m->rows, op))
        return;
    m->rows->filled = false;
    m->rows->agu = *op->agu;
    m->rows->cfg = op->cfg;
    m->row_pieces = (int)entries;
}

static void set_up(struct array *m, const struct bce_op *op, struct thread_pool *pool, void *mem)
{
    m->op = op;
    m->pool = pool;
    m->num_workers = thread_pool_size(pool);
    lay_out(m, op, m->num_workers, mem);
    m->kernels = bce_kernels_best();
    m->plan_bytes = bce_plan_bytes(&op->cfg);
    m->groups = bce_op_groups(op);
    m->positions = op->agu->p_total;
    m->batch_max = batch_groups(op);
    if (bce_is_float(&op->cfg))
        m->kind = op->cfg.mode == ISA_MODE_fp32 ? BCE_ROW_F32 : BCE_ROW_F16;
    else {
        m->amax = bce_activation_bound(op->agu->dtype);
        m->kind = op->literal ? BCE_ROW_I32 : bce_fixed_row(m->amax);
    }
    m->block = bce_row_block(m->kind);
    m->blocks = (int)((m->positions + m->block - 1) / m->block);
    int wanted = 4 * m->num_workers;
    m->slices = m->blocks >= wanted ? 1 : (wanted + m->blocks - 1) / m->blocks;
    if (m->num_workers == 1)
        m->slices = 1;
    m->slices = m->slices < op->npe ? m->slices : op->npe;
    int64_t per_position = op->agu->k_total * op->npe;
    m->serial = m->num_workers == 1 || m->positions < SERIAL_MACS / per_position + 1;
    if (m->serial)
        m->slices = 1;
    set_up_rows(m);
}

enum bce_fault bce_array_run(const struct bce_op *op, struct thread_pool *pool, void *mem,
                             struct sim_layer_stats *stats, struct bce_time *time,
                             const char **what)
{
    struct array m = {0};
    bool range = false;
    *what = NULL;
    set_up(&m, op, pool, mem);
    bce_time_begin(&op->timing, time);
    stats->weight_load_cycles += (uint64_t)op->timing.weight_load;
    stats->overhead_cycles += (uint64_t)op->timing.once;
    while (m.first_group < m.groups && !range && !*what) {
        int64_t left = m.groups - m.first_group;
        m.batch = left < m.batch_max ? (int)left : m.batch_max;
        run_batch(&m);
        time_batch(&m, stats, time);
        for (int i = 0; i < m.num_workers; i++) {
            range |= m.worker[i].range;
            *what = m.worker[i].bad_map ? m.worker[i].bad_map : *what;
        }
        m.first_group += m.batch;
    }
    for (int i = 0; i < m.num_workers; i++)
        merge_worker(&m.worker[i], (uint64_t)m.positions, stats);
    if (m.rows)
        m.rows->filled = !range;
    return *what ? BCE_FAULT_MAP : range ? BCE_FAULT_RANGE : BCE_FAULT_NONE;
}

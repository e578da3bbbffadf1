// Work is cut by blocks of positions and, when there are few of those, by slices of PEs. Groups
// come in batches: the tiles of a batch are decoded once (every tile serves all positions), then
// each piece takes the groups of the batch in order, building the activation rows of a group for
// its block and running its PEs over them. Batches keep the decoded tiles in the cache and the
// table of D small.
#include "bce_array.h"

#include <string.h>

#define BATCH_PLAN_BYTES (1 << 20)
#define BATCH_D_ENTRIES (1 << 20)
#define DECODE_TILES 16   // a piece of decoding
#define SERIAL_MACS 60000 // less than this is not worth waking threads

struct worker {
    struct bce_float_out out;
    struct bce_float_block block;
    struct bce_lane_counter lanes;
    uint64_t d_hist[SIM_MAX_D + 1];
    uint64_t lane_cycles[BCE_LANES];
    bool range;
    const char *bad_map;
    uint8_t *rows;
    int32_t *pairs;             // of rows, datapath fast
    int64_t sum[BCE_BLOCK_I16]; // of the group's activations, per position
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

static size_t rows_bytes(const struct bce_op *op)
{
    size_t rows = (size_t)op->cfg.n * BCE_ROW_BYTES;
    return bce_is_float(&op->cfg) ? 3 * rows : rows; // words, exponents, significands
}

// Takes bytes from a region that is being measured (at NULL) or laid out.
struct layout {
    uint8_t *at;
    size_t used;
};

static void *lay(struct layout *l, size_t bytes)
{
    uint8_t *p = l->at ? l->at + l->used : NULL;
    l->used += (bytes + 63) / 64 * 64;
    return p;
}

static size_t lay_out(struct array *m, const struct bce_op *op, int workers, void *mem)
{
    struct layout l = {mem, 0};
    size_t batch = (size_t)batch_groups(op), tiles = batch * (size_t)op->npe;
    m->worker = lay(&l, sizeof *m->worker * (size_t)workers);
    for (int i = 0; i < workers; i++) {
        uint8_t *rows = lay(&l, rows_bytes(op));
        int32_t *pairs = op->cfg.fast ? lay(&l, rows_bytes(op)) : NULL;
        if (mem) {
            memset(&m->worker[i], 0, sizeof m->worker[i]);
            m->worker[i].rows = rows;
            m->worker[i].pairs = pairs;
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

static void decode_tile(const struct array *m, struct worker *w, int index)
{
    const struct bce_op *op = m->op;
    int64_t group = m->first_group + index / op->npe;
    int limit = group_rows(m, group);
    size_t at = (size_t)(group * op->npe + index % op->npe);
    struct bce_tile local, *t = op->literal ? &m->tile[index] : &local;
    bce_tile_load(&op->cfg, op->lanes, limit, op->tiles + at * op->tile_bytes, t);
    if (op->cfg.regs > 0 && t->n_calc >= 0) {
        const char *bad = bce_map_fault(&t->map, op->cfg.regs, op->lanes, op->ext);
        if (bad) {
            w->bad_map = bad;
            t->n_calc = -1; // not walked; the run ends with this batch
        }
    }
    if (!op->literal)
        bce_plan_make(&op->cfg, op->tables, t, m->amax, m->kind,
                      m->plan_mem + (size_t)index * m->plan_bytes, &m->plan[index]);
}

static void decode_piece(void *user, int piece, int worker)
{
    const struct array *m = user;
    int tiles = m->batch * m->op->npe, end = (piece + 1) * DECODE_TILES;
    for (int i = piece * DECODE_TILES; i < end && i < tiles; i++)
        decode_tile(m, &m->worker[worker], i);
}

// ---- Activations against tiles ------------------------------------------------------------------

struct piece {
    int64_t p0;
    int len, pe0, pe1;
};

static void build_rows(const struct array *m, struct worker *w, const struct piece *x,
                       int64_t group)
{
    const struct bce_op *op = m->op;
    int64_t k0 = group * op->cfg.n;
    int n = op->cfg.n, rows = group_rows(m, group);
    w->range |= bce_agu_rows(op->agu, k0, rows, x->p0, x->len, m->kind, w->rows);
    if (rows < n && (op->literal || op->cfg.compat))
        memset(w->rows + (size_t)rows * BCE_ROW_BYTES, 0, (size_t)(n - rows) * BCE_ROW_BYTES);
    if (op->literal || !bce_is_float(&op->cfg))
        return;
    size_t bytes = (size_t)n * BCE_ROW_BYTES;
    w->block.len = x->len;
    w->block.raw = (const uint32_t *)(const void *)w->rows;
    w->block.exp = (int32_t *)(void *)(w->rows + bytes);
    w->block.mant = (int32_t *)(void *)(w->rows + 2 * bytes);
    m->kernels->decode(&op->cfg, op->cfg.compat ? n : rows, &w->block);
}

static void vector_float(const struct array *m, struct worker *w, const struct piece *x, int local,
                         bool add)
{
    const struct bce_op *op = m->op;
    for (int pe = x->pe0; pe < x->pe1; pe++) {
        const struct bce_plan *p = m->plan[local * op->npe + pe];
        uint64_t *psum = op->psum + pe * m->positions + x->p0;
        uint16_t *d = m->d + (local * op->npe + pe) * m->positions + x->p0;
        bce_vector_float(m->kernels, &op->cfg, p, &w->block, &w->lanes, &w->out);
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
static void sum_rows(const struct array *m, struct worker *w, int rows, int len)
{
    memset(w->sum, 0, sizeof w->sum);
    for (int k = 0; k < rows; k++) {
        const void *row = w->rows + (size_t)k * BCE_ROW_BYTES;
        const int16_t *narrow = row;
        const int32_t *wide = row;
        for (int i = 0; i < len; i++)
            w->sum[i] += m->kind == BCE_ROW_I16 ? narrow[i] : wide[i];
    }
}

// Whole weights for pairs of rows, as many PEs at a time as share the loads. False: a tile's
// weights do not fit, and nothing was done.
static bool fast_fixed(const struct array *m, struct worker *w, const struct piece *x, int local,
                       bool add)
{
    const struct bce_op *op = m->op;
    const struct bce_plan *const *plan = (const struct bce_plan *const *)m->plan + local * op->npe;
    int rows = group_rows(m, m->first_group + local), num_pairs = (rows + 1) / 2;
    for (int pe = x->pe0; pe < x->pe1; pe++)
        if (plan[pe]->n_calc >= 0 && !plan[pe]->whole)
            return false;
    for (int k = 0; k < num_pairs; k++) {
        const int16_t *even = (const int16_t *)(const void *)(w->rows + 2 * k * BCE_ROW_BYTES);
        const int16_t *odd = even + BCE_BLOCK_I16;
        uint32_t *to = (uint32_t *)w->pairs + k * BCE_BLOCK_I16;
        bool has_odd = 2 * k + 1 < rows;
        for (int i = 0; i < BCE_BLOCK_I16; i++) // rows are zero past len
            to[i] = (uint16_t)even[i] | (has_odd ? (uint32_t)(uint16_t)odd[i] << 16 : 0);
    }
    for (int pe = x->pe0; pe < x->pe1; pe += BCE_DOT_PLANS) {
        int num = x->pe1 - pe < BCE_DOT_PLANS ? x->pe1 - pe : BCE_DOT_PLANS;
        int64_t *psum[BCE_DOT_PLANS] = {0};
        for (int i = 0; i < num; i++)
            psum[i] = (int64_t *)(op->psum + (pe + i) * m->positions + x->p0);
        m->kernels->dot(plan + pe, num, w->pairs, num_pairs, x->len, psum, add);
    }
    return true;
}

static void vector_fixed(const struct array *m, struct worker *w, const struct piece *x, int local,
                         bool add)
{
    const struct bce_op *op = m->op;
    bool have_sum = false;
    if (op->cfg.fast && fast_fixed(m, w, x, local, add))
        return;
    for (int pe = x->pe0; pe < x->pe1; pe++) {
        const struct bce_plan *p = m->plan[local * op->npe + pe];
        uint64_t *psum = op->psum + pe * m->positions + x->p0;
        bce_vector_fixed(m->kernels, &op->cfg, p, m->kind, w->rows, x->len, (int64_t *)psum, add);
        if (p->sum_factor == 0)
            continue;
        if (!have_sum)
            sum_rows(m, w, group_rows(m, m->first_group + local), x->len);
        have_sum = true;
        for (int i = 0; i < x->len; i++)
            psum[i] += (uint64_t)p->sum_factor * (uint64_t)w->sum[i];
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
            memcpy(&a[k], w->rows + (size_t)k * BCE_ROW_BYTES + 4 * (size_t)i, sizeof a[k]);
        for (int pe = x->pe0; pe < x->pe1; pe++) {
            int64_t at = pe * m->positions + x->p0 + i;
            literal_group(m, w, &m->tile[local * op->npe + pe], a, op->psum + at, add,
                          m->d + local * op->npe * m->positions + at);
        }
    }
}

static void compute_piece(void *user, int index, int worker)
{
    const struct array *m = user;
    const struct bce_op *op = m->op;
    struct worker *w = &m->worker[worker];
    int slice = index / m->blocks;
    struct piece x = {.p0 = (int64_t)(index % m->blocks) * m->block};
    x.len = m->positions - x.p0 < m->block ? (int)(m->positions - x.p0) : m->block;
    x.pe0 = (int)((int64_t)op->npe * slice / m->slices);
    x.pe1 = (int)((int64_t)op->npe * (slice + 1) / m->slices);
    for (int g = 0; g < m->batch; g++) {
        bool add = op->acc || m->first_group + g > 0;
        build_rows(m, w, &x, m->first_group + g);
        if (op->literal)
            literal(m, w, &x, g, add);
        else if (bce_is_float(&op->cfg))
            vector_float(m, w, &x, g, add);
        else
            vector_fixed(m, w, &x, g, add);
    }
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
    for (int b = 0; b < BCE_LANES; b++) {
        stats->lane_selections[b] += p->lane_selections[b] * positions;
        stats->lane_cycles[b] += p->lane_cycles[b] * positions;
    }
}

static void time_batch(const struct array *m, struct sim_layer_stats *stats, int64_t *cycles)
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
        int64_t next = m->first_group + g + 1 < m->groups ? t->weight_load : 0;
        t->least = t->beat ? (group_rows(m, m->first_group + g) + t->beat - 1) / t->beat : 0;
        int64_t busy = bce_group_time(t, m->d + g * npe * pe_stride, npe, m->positions, pe_stride,
                                      pos_stride, m->time_work, &stats->step_cycles);
        int64_t stall = next > busy ? next - busy : 0;
        *cycles += busy + stall;
        stats->weight_load_cycles += (uint64_t)stall;
    }
    uint64_t steps = (uint64_t)(m->batch * m->positions);
    stats->steps += steps;
    stats->overhead_cycles += steps * (uint64_t)t->overhead;
    stats->idle_pe_steps += steps * (uint64_t)(m->op->pes - npe);
}

static void merge_worker(struct worker *w, struct sim_layer_stats *stats)
{
    bce_lane_counter_drain(&w->lanes);
    for (int i = 0; i <= SIM_MAX_D; i++) {
        stats->d_hist[i] += w->d_hist[i];
        stats->d_sum += w->d_hist[i] * (uint64_t)i;
    }
    for (int b = 0; b < BCE_LANES; b++) {
        stats->lane_selections[b] += w->lanes.total[b];
        stats->lane_cycles[b] += w->lane_cycles[b];
    }
}

// ---- All of it ----------------------------------------------------------------------------------

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
}

enum bce_fault bce_array_run(const struct bce_op *op, struct thread_pool *pool, void *mem,
                             struct sim_layer_stats *stats, int64_t *cycles, const char **what)
{
    struct array m = {0};
    bool range = false;
    *what = NULL;
    set_up(&m, op, pool, mem);
    *cycles = op->timing.weight_load + op->timing.once;
    stats->weight_load_cycles += (uint64_t)op->timing.weight_load;
    stats->overhead_cycles += (uint64_t)op->timing.once;
    while (m.first_group < m.groups && !range && !*what) {
        int64_t left = m.groups - m.first_group;
        m.batch = left < m.batch_max ? (int)left : m.batch_max;
        run_pieces(&m, (m.batch * op->npe + DECODE_TILES - 1) / DECODE_TILES, decode_piece, &m);
        run_pieces(&m, m.blocks * m.slices, compute_piece, &m);
        time_batch(&m, stats, cycles);
        for (int i = 0; i < m.num_workers; i++) {
            range |= m.worker[i].range;
            *what = m.worker[i].bad_map ? m.worker[i].bad_map : *what;
        }
        m.first_group += m.batch;
    }
    for (int i = 0; i < m.num_workers; i++)
        merge_worker(&m.worker[i], stats);
    return *what ? BCE_FAULT_MAP : range ? BCE_FAULT_RANGE : BCE_FAULT_NONE;
}

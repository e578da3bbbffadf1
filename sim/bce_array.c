// Rows are built for the whole instruction where there is room for them; then work is cut by slices
// of PEs, each of which decodes its tiles as it goes. Else it is cut by blocks of positions and,
// when there are few of those, by slices of PEs; the tiles of a batch of groups are decoded before
// the pieces are computed, each of which builds its rows. Batches keep the decoded tiles in the
// cache and the table of D small.
#include "bce_array.h"

#include <stddef.h>
#include <string.h>

#include "bce_work.h"

#define BATCH_PLAN_BYTES (1 << 19)
#define SLICE_PLAN_BYTES (48 << 10)
#define BATCH_D_ENTRIES (1 << 20)
#define SERIAL_MACS 400000  // less than this is not worth waking threads
#define DECODE_POSITIONS 32 // that take as long as it takes to decode a tile

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

static enum bce_row row_kind(const struct bce_op *op)
{
    if (bce_is_float(&op->cfg))
        return op->cfg.mode == ISA_MODE_fp32 ? BCE_ROW_F32 : BCE_ROW_F16;
    return op->literal ? BCE_ROW_I32 : bce_fixed_row(bce_activation_bound(op->agu->dtype));
}

static size_t tile_memory(const struct bce_op *op)
{
    if (op->literal)
        return sizeof(struct bce_tile);
    return bce_plan_bytes(&op->cfg) + sizeof(struct bce_plan *);
}

static bool rows_fit(const struct bce_op *op)
{
    if (op->literal || !op->rows)
        return false;
    int64_t block = bce_row_block(row_kind(op)), blocks = (op->agu->p_total + block - 1) / block;
    size_t entries = (size_t)bce_op_groups(op) * (size_t)blocks;
    return entries <= op->rows->bytes / bce_work_kept_bytes(op);
}

static bool is_serial(const struct bce_op *op, int workers)
{
    int64_t per_position = op->agu->k_total * op->npe;
    return workers == 1 || op->agu->p_total + DECODE_POSITIONS <= SERIAL_MACS / per_position;
}

static bool is_joined(const struct bce_op *op, int workers)
{
    return rows_fit(op) && (is_serial(op, workers) || op->npe >= 2 * workers);
}

// Narrow ones, whose plans stay in the nearest cache, and several a worker.
static int joined_slices(const struct bce_op *op, int workers)
{
    int slices = op->npe / BCE_DOT_PLANS > 4 * workers ? op->npe / BCE_DOT_PLANS : 4 * workers;
    return slices < op->npe ? slices : op->npe;
}

static int64_t slice_width(const struct bce_op *op, int workers)
{
    int slices = joined_slices(op, workers);
    return (op->npe + slices - 1) / slices;
}

static int joined_groups(const struct bce_op *op, int workers)
{
    int64_t n = SLICE_PLAN_BYTES / ((int64_t)tile_memory(op) * slice_width(op, workers));
    return n < 1 ? 1 : (int)n;
}

static int batch_groups(const struct bce_op *op, int workers)
{
    int64_t n = BATCH_D_ENTRIES / d_entries(op), groups = bce_op_groups(op);
    int64_t by_plan = BATCH_PLAN_BYTES / ((int64_t)tile_memory(op) * op->npe);
    n = by_plan < n && !is_joined(op, workers) ? by_plan : n;
    n = n < groups ? n : groups;
    return n < 1 ? 1 : (int)n;
}

// Takes bytes from a region that is being measured (at NULL) or laid out.
struct layout {
    uint8_t *at;
    size_t used;
};

static void *lay(struct layout *l, size_t bytes)
{
    uint8_t *p = l->at ? l->at + l->used : NULL;
    l->used += bce_round_up(bytes);
    return p;
}

// Plans of so many tiles.
static void lay_out_plans(struct layout *l, const struct bce_op *op, size_t tiles,
                          struct bce_plan ***plan, uint8_t **mem)
{
    *plan = lay(l, sizeof **plan * tiles);
    *mem = lay(l, bce_plan_bytes(&op->cfg) * tiles);
}

static int most_cycles(const struct bce_op *op)
{
    return op->cfg.n + 1; // SIM_MAX_D of the largest group
}

static void worker_begin(struct bce_worker *w, const struct bce_op *op)
{
    size_t hist = sizeof *w->tile_d_hist * (size_t)(most_cycles(op) + 1);
    memset(w, 0, offsetof(struct bce_worker, d_hist));
    memset(w->d_hist[0], 0, hist);
    memset(w->d_hist[1], 0, hist);
    memset(w->tile_d_hist, 0, hist);
    w->stride = op->npe;
}

static void lay_out_workers(struct layout *l, struct bce_array *m, const struct bce_op *op,
                            int workers, size_t tiles)
{
    struct bce_plan **plan = NULL;
    uint8_t *mem = NULL;
    bool joined = is_joined(op, workers);
    if (!op->literal && !joined)
        lay_out_plans(l, op, tiles, &plan, &mem);
    if (joined)
        tiles = (size_t)(slice_width(op, workers) * joined_groups(op, workers));
    for (int i = 0; i < workers; i++) {
        uint8_t *own = lay(l, bce_work_operand_bytes(op));
        if (joined)
            lay_out_plans(l, op, tiles, &plan, &mem);
        if (!l->at)
            continue;
        worker_begin(&m->worker[i], op);
        m->worker[i].own = bce_work_operand(op, own);
        m->worker[i].plan = plan;
        m->worker[i].plan_mem = mem;
    }
}

static size_t lay_out(struct bce_array *m, const struct bce_op *op, int workers, void *mem)
{
    struct layout l = {mem, 0};
    size_t batch = (size_t)batch_groups(op, workers), tiles = batch * (size_t)op->npe;
    m->worker = lay(&l, sizeof *m->worker * (size_t)workers);
    lay_out_workers(&l, m, op, workers, tiles);
    if (op->literal)
        m->tile = lay(&l, sizeof *m->tile * tiles);
    m->d = lay(&l, sizeof *m->d * batch * (size_t)d_entries(op));
    m->first_use = lay(&l, sizeof *m->first_use * tiles);
    m->time_work = lay(&l, sizeof *m->time_work * (size_t)(op->npe + op->timing.fifo));
    return l.used;
}

size_t bce_array_bytes(const struct bce_op *op, int workers)
{
    struct bce_array m = {0};
    return lay_out(&m, op, workers, NULL);
}

// Pieces of this job, then of what is done beside it.
static void run_beside(void *user, int piece, int worker)
{
    const struct bce_array *m = user;
    if (piece < m->pieces)
        m->body(user, piece, worker);
    else
        m->op->beside_body(m->op->beside_user, piece - m->pieces, worker);
}

static void run_pieces(struct bce_array *m, int pieces,
                       void (*body)(void *user, int piece, int worker))
{
    m->pieces = m->serial ? 0 : pieces;
    m->body = body;
    if (pieces > 0 && m->beside > 0) {
        thread_pool_run(m->pool, m->pieces + m->beside, run_beside, m);
        m->beside = 0;
    } else
        thread_pool_run(m->pool, m->pieces, body, m);
    for (int i = 0; i < pieces && m->serial; i++)
        body(m, i, 0);
}

static void find_first_uses(const struct bce_array *m)
{
    const struct bce_op *op = m->op;
    int tiles = m->batch * op->npe;
    if (bce_is_float(&op->cfg))
        return;
    if (op->cfg.uncounted)
        memset(m->first_use, false, (size_t)tiles);
    else if (op->first_use)
        op->first_use(op->first_use_user, bce_work_tile(m, 0), op->tile_bytes, tiles, m->first_use);
    else
        memset(m->first_use, true, (size_t)tiles);
}

// Threads meet as seldom as the work allows: twice a batch, or once where PEs are many and the rows
// are there.
static void run_batch(struct bce_array *m)
{
    find_first_uses(m);
    int tile_pieces = (m->batch * m->op->npe + BCE_DECODE_TILES - 1) / BCE_DECODE_TILES;
    if (m->joined) {
        run_pieces(m, m->row_pieces, bce_work_prepare);
        run_pieces(m, m->slices, bce_work_joined);
    } else {
        run_pieces(m, m->row_pieces + tile_pieces, bce_work_prepare);
        run_pieces(m, m->blocks * m->slices, bce_work_compute);
    }
    m->row_pieces = 0;
}

// ---- Time and statistics ------------------------------------------------------------------------

// What a tile says about every position alike, on datapath rtl; plans are counted by the workers.
static void count_tile(const struct bce_array *m, int index, struct sim_layer_stats *stats)
{
    uint64_t positions = (uint64_t)m->positions;
    stats->macs += (uint64_t)m->tile[index].macs * positions;
    if (m->tile[index].n_calc < 0) {
        stats->idle_pe_steps += positions;
        return;
    }
    stats->pe_groups += positions;
    if (!bce_is_float(&m->op->cfg) && m->first_use[index]) {
        stats->tile_count++;
        stats->tile_d_sum += m->d[index * m->positions];
    }
}

static void time_batch(const struct bce_array *m, struct sim_layer_stats *stats,
                       struct bce_time *time)
{
    struct bce_timing timing = m->op->timing, *t = &timing;
    int npe = m->op->npe, pos_stride = fixed_vector(m->op) ? 0 : 1;
    int64_t pe_stride = pos_stride ? m->positions : m->batch_max;
    int64_t group_stride = pos_stride ? npe * m->positions : 1;
    for (int i = 0; i < m->batch * npe && m->op->literal; i++)
        count_tile(m, i, stats);
    for (int g = 0; g < m->batch; g++) {
        t->least = bce_least_cycles(t, bce_work_rows(m, m->first_group + g));
        int64_t busy = bce_group_time(t, m->d + g * group_stride, npe, m->positions, pe_stride,
                                      pos_stride, m->time_work, &stats->step_cycles);
        bool last = m->first_group + g + 1 == m->groups;
        stats->weight_load_cycles += (uint64_t)bce_time_add(t, busy, last, time);
    }
    uint64_t steps = (uint64_t)(m->batch * m->positions);
    stats->steps += steps;
    stats->overhead_cycles += steps * (uint64_t)t->overhead;
    stats->idle_pe_steps += steps * (uint64_t)(m->op->pes - npe);
}

static void merge_worker(struct bce_worker *w, const struct bce_op *op, uint64_t positions,
                         struct sim_layer_stats *stats)
{
    bce_lane_counter_drain(&w->lanes);
    stats->macs += w->counts.macs * positions;
    stats->pe_groups += w->counts.tiles * positions;
    stats->idle_pe_steps += w->counts.idle * positions;
    stats->tile_count += w->counts.first_uses;
    stats->tile_d_sum += w->counts.first_use_d;
    for (int i = 0; i <= most_cycles(op); i++) {
        uint64_t num = w->d_hist[0][i] + w->d_hist[1][i] + w->tile_d_hist[i] * positions;
        stats->d_hist[i] += num;
        stats->d_sum += num * (uint64_t)i;
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
           a->compat == b->compat && a->fast == b->fast && a->whole == b->whole &&
           bce_agu_equal(&r->agu, op->agu);
}

static void set_up_rows(struct bce_array *m)
{
    const struct bce_op *op = m->op;
    m->rows = op->rows;
    if (same_rows(m->rows, op))
        return;
    m->rows->filled = false;
    m->rows->agu = *op->agu;
    m->rows->cfg = op->cfg;
    m->row_pieces = (int)m->groups * m->blocks;
}

static void cut_work(struct bce_array *m)
{
    const struct bce_op *op = m->op;
    int wanted = 4 * m->num_workers;
    m->serial = is_serial(op, m->num_workers);
    m->joined = is_joined(op, m->num_workers);
    m->joined_groups = joined_groups(op, m->num_workers);
    m->slices = m->blocks >= wanted ? 1 : (wanted + m->blocks - 1) / m->blocks;
    if (m->joined)
        m->slices = joined_slices(op, m->num_workers);
    else if (m->serial)
        m->slices = 1;
    m->slices = m->slices < op->npe ? m->slices : op->npe;
}

static void set_up(struct bce_array *m, const struct bce_op *op, struct thread_pool *pool,
                   void *mem)
{
    m->op = op;
    m->pool = pool;
    m->beside = op->beside;
    m->num_workers = thread_pool_size(pool);
    lay_out(m, op, m->num_workers, mem);
    m->kernels = bce_kernels_best();
    m->plan_bytes = bce_plan_bytes(&op->cfg);
    m->groups = bce_op_groups(op);
    m->positions = op->agu->p_total;
    m->batch_max = batch_groups(op, m->num_workers);
    m->kind = row_kind(op);
    if (!bce_is_float(&op->cfg))
        m->amax = bce_activation_bound(op->agu->dtype);
    m->block = bce_row_block(m->kind);
    m->blocks = (int)((m->positions + m->block - 1) / m->block);
    cut_work(m);
    if (rows_fit(op))
        set_up_rows(m);
}

enum bce_fault bce_array_run(const struct bce_op *op, struct thread_pool *pool, void *mem,
                             struct sim_layer_stats *stats, struct bce_time *time,
                             const char **what)
{
    struct bce_array m = {0};
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
        merge_worker(&m.worker[i], op, (uint64_t)m.positions, stats);
    if (m.rows)
        m.rows->filled = !range;
    return *what ? BCE_FAULT_MAP : range ? BCE_FAULT_RANGE : BCE_FAULT_NONE;
}

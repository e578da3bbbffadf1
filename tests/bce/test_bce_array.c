// The array over random views: both datapaths, one thread and two, equal in every sum and every
// counter; and the sums against a dot product written here element by element.
#include <math.h>
#include <stdlib.h>

#include "bce_array.h"
#include "bce_random.h"
#include "check.h"
#include "machine.h"

#define ROUNDS 400
#define MEMORY 200000

static struct arena *arena;
static struct thread_pool *pool[2];
static struct bce_tables tables;
static struct bce_rows kept; // room for most scenes

struct scene {
    struct bce_op op;
    struct bce_agu agu;
    struct sim_view view;
    uint8_t *memory;
    int nk;
    bool lossy; // lane maps leave bits out
};

// ---- Views
// -----------------------------------------------------------------------------------------

static bool element_address(const struct sim_view *v, const int64_t *idx, int64_t *off)
{
    int64_t coord[ISA_MAX_AXES];
    memcpy(coord, v->origin, sizeof coord);
    *off = 0;
    for (int d = 0; d < v->rank; d++) {
        *off += idx[d] * v->stride[d];
        if (v->axis[d] >= 0)
            coord[v->axis[d]] += idx[d] * v->step[d];
    }
    for (int d = 0; d < v->rank; d++)
        if (v->axis[d] >= 0 && (coord[v->axis[d]] < 0 || coord[v->axis[d]] >= v->limit[v->axis[d]]))
            return false;
    return true;
}

static void unravel(const struct sim_view *v, int first, int num, int64_t linear, int64_t *idx)
{
    for (int d = first + num - 1; d >= first; d--) {
        idx[d] = linear % v->extent[d];
        linear /= v->extent[d];
    }
}

static uint64_t element_bits(const struct scene *s, int64_t k, int64_t p)
{
    int64_t idx[ISA_MAX_RANK], off;
    uint64_t bits = 0;
    size_t bytes = dtype_bytes(s->view.dtype);
    unravel(&s->view, 0, s->nk, k, idx);
    unravel(&s->view, s->nk, s->view.rank - s->nk, p, idx);
    if (!element_address(&s->view, idx, &off))
        return s->view.fill;
    memcpy(&bits, s->agu.host + off * (int64_t)bytes, bytes);
    return bits;
}

static int64_t element_int(const struct scene *s, int64_t k, int64_t p)
{
    const struct dtype_info *t = &dtype_info[s->view.dtype];
    uint64_t u = element_bits(s, k, p) << (64 - t->bits);
    return t->kind == DTK_I ? (int64_t)u >> (64 - t->bits) : (int64_t)(u >> (64 - t->bits));
}

// A convolution: K = channels x kernel rows x kernel columns, positions = rows x columns, borders
// by axes.
static void conv_view(uint64_t *state, struct sim_view *v)
{
    bool line = bce_below(state, 8) == 0; // one row, longer than a block of positions
    int64_t h = 1 + bce_below(state, 14), w = 1 + bce_below(state, line ? 2 * BCE_BLOCK_I8 : 40),
            c = 1 + bce_below(state, 12);
    int64_t kh = 1 + bce_below(state, 4), kw = 1 + bce_below(state, 4);
    int64_t sy = 1 + bce_below(state, 3), sx = 1 + bce_below(state, 3);
    int64_t dy = 1 + bce_below(state, 2), dx = 1 + bce_below(state, 2);
    bool flip = bce_below(state, 4) == 0;
    int64_t extent[] = {c, kh, kw, 1 + bce_below(state, line ? 1 : 12),
                        1 + bce_below(state, line ? 2 * BCE_BLOCK_I8 : 30)};
    int64_t stride[] = {h * w, dy * w, dx, sy * w, sx}, step[] = {0, dy, dx, sy, sx};
    int8_t axis[] = {-1, 0, 1, 0, 1};
    v->rank = 5;
    memcpy(v->extent, extent, sizeof extent);
    memcpy(v->stride, stride, sizeof stride);
    memcpy(v->step, step, sizeof step);
    memcpy(v->axis, axis, sizeof axis);
    v->origin[0] = -bce_below(state, 3);
    v->origin[1] = flip ? w - 1 + bce_below(state, 3) : -bce_below(state, 3);
    v->limit[0] = h;
    v->limit[1] = w;
    if (flip) { // columns from the right
        v->stride[4] = -v->stride[4];
        v->step[4] = -v->step[4];
        v->stride[2] = -v->stride[2];
        v->step[2] = -v->step[2];
    }
}

static void matrix_view(uint64_t *state, struct sim_view *v)
{
    v->rank = 1 + bce_below(state, 4);
    for (int d = 0; d < v->rank; d++) {
        v->extent[d] = 1 + bce_below(state, v->rank < 3 ? 150 : 12);
        v->axis[d] = -1;
    }
    int64_t stride = 1;
    bool columns = bce_below(state, 2);
    for (int i = 0; i < v->rank; i++) {
        int d = columns ? i : v->rank - 1 - i;
        v->stride[d] = bce_below(state, 10) ? stride : 0;
        stride *= v->extent[d] + (bce_below(state, 4) == 0);
    }
}

// Lowest offset of an element inside, so that it can be placed into the memory.
static bool place(struct scene *s)
{
    int64_t idx[ISA_MAX_RANK] = {0}, lo = INT64_MAX, hi = INT64_MIN, off, total = 1;
    for (int d = 0; d < s->view.rank; d++)
        total *= s->view.extent[d];
    for (int64_t i = 0; i < total; i++) {
        unravel(&s->view, 0, s->view.rank, i, idx);
        if (!element_address(&s->view, idx, &off))
            continue;
        lo = off < lo ? off : lo;
        hi = off > hi ? off : hi;
    }
    int64_t bytes = (int64_t)dtype_bytes(s->view.dtype);
    if (lo > hi)
        lo = hi = 0;
    s->agu.host = (const uint8_t *)((uintptr_t)s->memory - (uintptr_t)(lo * bytes));
    return (hi - lo + 1) * bytes <= MEMORY;
}

static void fill_memory(uint64_t *state, struct scene *s)
{
    enum dtype t = s->view.dtype;
    size_t bytes = dtype_bytes(t);
    int style = bce_below(state, 6);
    for (size_t at = 0; at + bytes <= MEMORY; at += bytes) {
        uint64_t v = bce_random(state);
        if (t == DT_F32 || t == DT_F16)
            v = bce_random_float(state, style, t == DT_F16);
        else if (t == DT_BOOL)
            v &= 1;
        else if (dtype_info[t].bits > 16) {
            v &= 0xffffff;
            if (dtype_info[t].kind == DTK_I)
                v -= bce_random(state) & 1 ? 1 << 24 : 0;
        }
        memcpy(s->memory + at, &v, bytes);
        if (at == 0)
            s->view.fill = bce_below(state, 2) ? 0 : v & (~0ull >> (64 - 8 * bytes));
    }
}

// ---- Scenes
// ----------------------------------------------------------------------------------------

static enum dtype pick_type(uint64_t *state, int mode)
{
    static const enum dtype INTS[] = {DT_I8,  DT_I8, DT_U8, DT_I16, DT_U16, DT_I32, DT_U32,
                                      DT_I64, DT_I4, DT_U4, DT_I2,  DT_U2,  DT_BOOL};
    return mode == ISA_MODE_fp32   ? DT_F32
           : mode == ISA_MODE_fp16 ? DT_F16
                                   : INTS[bce_below(state, 13)];
}

static void make_tiles(uint64_t *state, struct scene *s)
{
    struct bce_op *op = &s->op;
    size_t plain = bce_tile_bytes(op->cfg.n, op->lanes, bce_is_float(&op->cfg));
    op->tile_bytes = plain;
    if (!bce_is_float(&op->cfg) && !op->cfg.compat && bce_below(state, 3)) {
        op->cfg.regs = op->lanes + bce_below(state, BCE_LANES - op->lanes + 1);
        op->cfg.prune = (op->cfg.prune << 1 | 1) & ((1u << BCE_LANES) - 1);
        op->ext = MACHINE_MAP_EXT;
        op->tile_bytes += bce_map_bytes(op->cfg.regs);
        s->lossy = bce_below(state, 3) == 0;
    }
    size_t tiles = (size_t)(bce_op_groups(op) * op->npe);
    uint8_t *bytes = arena_alloc(arena, tiles * op->tile_bytes);
    op->tiles = bytes;
    for (size_t i = 0; i < tiles; i++, bytes += op->tile_bytes) {
        bce_random_tile(state, &op->cfg, op->lanes, bytes);
        struct bce_map map;
        if (op->cfg.regs == 0)
            continue;
        bce_random_map(state, op->cfg.regs, op->lanes, op->cfg.n, !s->lossy, &map);
        bce_map_store(&map, op->cfg.regs, bytes + plain);
    }
}

static bool make_scene(uint64_t *state, struct scene *s)
{
    memset(s, 0, sizeof *s);
    struct bce_op *op = &s->op;
    op->cfg = (struct bce_config){.n = bce_pick_n(state), .mode = bce_below(state, 3)};
    op->cfg.walk = (enum bce_walk)(bce_below(state, 4) ? 0 : bce_below(state, 3));
    op->cfg.compat = bce_below(state, 6) == 0;
    op->lanes = op->cfg.mode == ISA_MODE_fp32   ? 24
                : op->cfg.mode == ISA_MODE_fp16 ? 11
                                                : 1 + bce_below(state, 24);
    op->cfg.prune = (1u << op->lanes) - 1;
    if (bce_below(state, 2))
        conv_view(state, &s->view);
    else
        matrix_view(state, &s->view);
    s->view.dtype = pick_type(state, op->cfg.mode);
    s->nk = s->view.rank == 5 ? 3 : bce_below(state, s->view.rank + 1);
    s->memory = arena_alloc(arena, MEMORY);
    fill_memory(state, s);
    if (!bce_agu_init(&s->agu, &s->view, (struct bce_span){0, s->nk},
                      (struct bce_span){s->nk, s->view.rank - s->nk}, NULL))
        return false;
    op->npe = 1 + bce_below(state, 9);
    op->pes = op->npe + bce_below(state, 3);
    op->acc = bce_below(state, 2);
    op->timing.overhead = bce_below(state, 20);
    op->timing.fifo = bce_below(state, 3) ? 0 : 1 + bce_below(state, 6);
    op->timing.beat = bce_below(state, 2) ? 0 : 1 + bce_below(state, 20);
    op->timing.weight_load = bce_below(state, 3000);
    op->tables = &tables;
    op->agu = &s->agu;
    if (!place(s) || s->agu.k_total * s->agu.p_total * op->npe > 400000)
        return false;
    make_tiles(state, s);
    return true;
}

struct result {
    uint64_t *psum;
    struct sim_layer_stats stats;
    struct bce_time time;
};

static void run(const struct scene *s, bool literal, struct thread_pool *p, struct bce_rows *rows,
                struct result *r)
{
    struct bce_op op = s->op;
    op.rows = rows;
    size_t entries = (size_t)(op.npe * s->agu.p_total);
    memset(r, 0, sizeof *r);
    r->psum = arena_alloc(arena, 8 * entries);
    for (size_t i = 0; i < entries; i++)
        r->psum[i] = bce_is_float(&op.cfg) ? 0x3f800000u + i % 1000 : i * 977;
    op.psum = r->psum;
    op.agu = &s->agu;
    op.literal = literal;
    void *mem = arena_alloc_aligned(arena, bce_array_bytes(&op, thread_pool_size(p)), 64);
    const char *what;
    CHECK_INT(bce_array_run(&op, p, mem, &r->stats, &r->time, &what), BCE_FAULT_NONE);
}

static bool equal(const struct scene *s, const struct result *a, const struct result *b)
{
    return memcmp(a->psum, b->psum, 8 * (size_t)(s->op.npe * s->agu.p_total)) == 0 &&
           memcmp(&a->stats, &b->stats, sizeof a->stats) == 0 &&
           memcmp(&a->time, &b->time, sizeof a->time) == 0;
}

// ---- The sums, element by element
// -------------------------------------------------------------------

static double float_value(uint64_t bits, bool half)
{
    int frac = half ? 10 : 23, top = half ? 31 : 255, e = (int)(bits >> frac) & top;
    double m = (double)(bits & ((1u << frac) - 1));
    if (e)
        m += 1u << frac;
    m = ldexp(m, (e ? e : 1) - (half ? 15 : 127) - frac);
    return bits >> (half ? 15 : 31) & 1 ? -m : m;
}

static int exponent_of(double a, bool half)
{
    int e = ilogb(a), lowest = half ? -14 : -126;
    return e < lowest ? lowest : e;
}

static void check_fixed(const struct scene *s, const struct result *r, int pe, int64_t p)
{
    const struct bce_op *op = &s->op;
    int64_t at = pe * s->agu.p_total + p, sum = op->acc ? at * 977 : 0;
    for (int64_t g = 0; g < bce_op_groups(op); g++) {
        struct bce_tile t;
        bce_tile_load(&op->cfg, op->lanes, op->cfg.n,
                      op->tiles + (size_t)(g * op->npe + pe) * op->tile_bytes, &t);
        for (int i = 0; i < op->cfg.n && g * op->cfg.n + i < s->agu.k_total; i++) {
            int64_t w = 0;
            for (int b = 0; b < op->lanes; b++)
                w |= (int64_t)bce_bit(t.col[b], i) << b;
            w = bce_bit(t.sign, i) ? -w : w;
            sum += w * element_int(s, g * op->cfg.n + i, p);
        }
    }
    CHECK_INT((int64_t)r->psum[at], sum);
}

// Aligned truncation loses, for each product, less than 2^-22 of what the largest exponent sum
// stands for (2^-9 in fp16). With subnormal operands that is more than the product itself.
static void check_float(const struct scene *s, const struct result *r, int pe, int64_t p)
{
    const struct bce_op *op = &s->op;
    bool half = op->cfg.mode == ISA_MODE_fp16;
    int64_t at = pe * s->agu.p_total + p;
    double sum = op->acc ? float_value(0x3f800000u + (uint64_t)at % 1000, false) : 0,
           size = fabs(sum);
    for (int64_t g = 0; g < bce_op_groups(op); g++) {
        struct bce_tile t;
        bce_tile_load(&op->cfg, op->lanes, op->cfg.n,
                      op->tiles + (size_t)(g * op->npe + pe) * op->tile_bytes, &t);
        for (int i = 0; i < op->cfg.n && g * op->cfg.n + i < s->agu.k_total; i++) {
            double w = 0, a = float_value(element_bits(s, g * op->cfg.n + i, p), half);
            for (int b = 0; b < op->lanes; b++)
                w += bce_bit(t.col[b], i) ? ldexp(1, b) : 0;
            w = ldexp(w, t.exp[i] - (half ? 15 + 10 : 127 + 23));
            sum += bce_bit(t.sign, i) ? -w * a : w * a;
            if (w != 0 && a != 0)
                size += 4 * ldexp(1, exponent_of(a, half) + t.exp[i] - (half ? 15 : 127));
        }
    }
    double got = float_value(r->psum[at], false);
    double bound = size * (half ? ldexp(1, -8) : ldexp(1, -21)) * 260 + ldexp(1, -140);
    if (size < ldexp(1, 126) && !CHECK(fabs(got - sum) <= bound))
        fprintf(stderr, "got %g want %g within %g\n", got, sum, bound);
}

static bool has_specials(const struct scene *s)
{
    int top = s->op.cfg.mode == ISA_MODE_fp16 ? 31 : 255, frac = top == 31 ? 10 : 23;
    for (int64_t k = 0; k < s->agu.k_total; k++)
        for (int64_t p = 0; p < s->agu.p_total; p++)
            if ((int)(element_bits(s, k, p) >> frac & (uint64_t)top) == top)
                return true;
    size_t tiles = (size_t)(bce_op_groups(&s->op) * s->op.npe);
    for (size_t i = 0; i < tiles; i++) {
        struct bce_tile t;
        bce_tile_load(&s->op.cfg, s->op.lanes, s->op.cfg.n, s->op.tiles + i * s->op.tile_bytes, &t);
        for (int j = 0; j < s->op.cfg.n; j++)
            if (t.exp[j] == top)
                return true;
    }
    return false;
}

static void check_sums(const struct scene *s, const struct result *r)
{
    if (s->op.cfg.compat || (bce_is_float(&s->op.cfg) && has_specials(s)))
        return;
    for (int pe = 0; pe < s->op.npe; pe++)
        for (int64_t p = 0; p < s->agu.p_total; p += 1 + s->agu.p_total / 37)
            if (bce_is_float(&s->op.cfg))
                check_float(s, r, pe, p);
            else
                check_fixed(s, r, pe, p);
}

// Executions of a scene that must not differ: threads, and rows that pieces build, that are built
// for all, and that are left from the run before.
static bool same_everywhere(const struct scene *s, const struct result *want)
{
    static struct result got;
    bool same = true;
    kept.filled = false;
    for (int i = 0; i < 4 && same; i++) {
        run(s, false, pool[i & 1], i < 1 ? NULL : &kept, &got);
        same = CHECK(equal(s, want, &got));
    }
    return same;
}

static bool datapaths_agree_on(uint64_t round)
{
    static struct result literal, vector;
    uint64_t state = round * 7777;
    struct scene s;
    bool made = make_scene(&state, &s), same = true;
    if (made) {
        run(&s, true, pool[1], NULL, &literal);
        run(&s, false, pool[1], NULL, &vector);
        same = CHECK(equal(&s, &vector, &literal)) && same_everywhere(&s, &vector);
        s.op.cfg.fast = !bce_is_float(&s.op.cfg) && !s.op.cfg.compat;
        same = same && same_everywhere(&s, &vector);
        s.op.cfg.whole = s.op.cfg.fast && bce_whole_fits(&s.op.cfg) &&
                         bce_fixed_row(bce_activation_bound(s.agu.dtype)) == BCE_ROW_I8;
        same = same && same_everywhere(&s, &vector);
        if (!s.lossy)
            check_sums(&s, &vector);
    }
    if (!same || check_failures > 0)
        fprintf(stderr, "seed %llu; to repeat: test_bce_array %llu\n", (unsigned long long)round,
                (unsigned long long)round);
    arena_reset(arena);
    return made;
}

static uint64_t only_seed;

static void one_seed(void)
{
    CHECK(datapaths_agree_on(only_seed));
}

static void datapaths_agree(void)
{
    int done = 0;
    for (uint64_t round = 0; done < ROUNDS && check_failures == 0; round++)
        done += datapaths_agree_on(round);
}

// ---- Faults and time
// ---------------------------------------------------------------------------------

// Three taps along one row, with a border at both ends.
static void runs_fill_blocks(void)
{
    enum { TAPS = 3, LEN = 2 * BCE_BLOCK_I8 + 44, FILL = 77 };
    static int8_t a[LEN];
    static int8_t rows[TAPS][BCE_ROW_BYTES];
    struct sim_view v = {.dtype = DT_I8,
                         .rank = 2,
                         .extent = {TAPS, LEN},
                         .stride = {1, 1},
                         .step = {1, 1},
                         .origin = {-1},
                         .limit = {LEN},
                         .fill = FILL};
    struct bce_agu g;
    for (int i = 0; i < LEN; i++)
        a[i] = (int8_t)(i % 50 + 1);
    CHECK(bce_agu_init(&g, &v, (struct bce_span){0, 1}, (struct bce_span){1, 1},
                       (const uint8_t *)((uintptr_t)a - 1)));
    for (int p0 = 0; p0 < LEN; p0 += BCE_BLOCK_I8) {
        int len = LEN - p0 < BCE_BLOCK_I8 ? LEN - p0 : BCE_BLOCK_I8;
        CHECK(!bce_agu_rows(&g, 0, TAPS, p0, len, BCE_ROW_I8, rows));
        for (int k = 0; k < TAPS; k++)
            for (int i = 0; i < len; i++) {
                int at = p0 + i + k - 1;
                CHECK_INT(rows[k][i], at >= 0 && at < LEN ? a[at] : FILL);
            }
    }
}

static void wide_activations_are_refused(void)
{
    int32_t a[8] = {1, 2, 3, (1 << 24) - 1, -(1 << 24), 6, 7, 8};
    struct sim_view v = {.dtype = DT_I32, .rank = 1, .extent = {8}, .stride = {1}, .axis = {-1}};
    struct bce_agu g;
    int32_t rows[8][BCE_BLOCK_I32];
    CHECK(
        bce_agu_init(&g, &v, (struct bce_span){0, 1}, (struct bce_span){1, 0}, (const uint8_t *)a));
    CHECK(!bce_agu_rows(&g, 0, 8, 0, 1, BCE_ROW_I32, rows));
    CHECK_INT(rows[4][0], -(1 << 24));
    a[2] = 1 << 24;
    CHECK(bce_agu_rows(&g, 0, 8, 0, 1, BCE_ROW_I32, rows));
    a[2] = -(1 << 24) - 1;
    CHECK(bce_agu_rows(&g, 0, 8, 0, 1, BCE_ROW_I32, rows));
    CHECK(!bce_agu_rows(&g, 3, 5, 0, 1, BCE_ROW_I32, rows));
}

// What a map may not say, and which extension each of its parts takes.
static void maps_are_checked(void)
{
    struct bce_map good = {.regs = 3, .limit = 9, .walked = 5, .first = 5, .start = {0, 7, 0}}, m;
    uint8_t bytes[64];
    CHECK_INT((int64_t)bce_map_bytes(24), 40);
    bce_map_store(&good, 24, bytes);
    bce_map_load(bytes, 24, &m);
    CHECK(memcmp(&m, &good, sizeof m) == 0);
    CHECK(!bce_map_fault(&good, 24, 7, MACHINE_EXT_G));
    CHECK(bce_map_fault(&good, 24, 7, MACHINE_EXT_S | MACHINE_EXT_B) != NULL);
    CHECK(bce_map_fault(&good, 2, 7, MACHINE_EXT_G) != NULL);
#define BAD(field, value)                                                                          \
    (m = good, m.field = (value), CHECK(bce_map_fault(&m, 24, 7, MACHINE_MAP_EXT) != NULL))
    BAD(walked, 0x105);
    BAD(walked, 7);
    BAD(marked, 1);
    BAD(first, 1);
    BAD(first, 6);
    BAD(first, 13);
    BAD(limit, 0);
    BAD(start[1], 0);
    BAD(code, 3);
#undef BAD
    m = (struct bce_map){.regs = 1, .limit = 9, .walked = 1, .first = 1, .code = 1};
    CHECK(!bce_map_fault(&m, 24, 7, MACHINE_EXT_S) && bce_map_fault(&m, 24, 7, MACHINE_EXT_G));
    m.walked = 1u << 7;
    m.marked = 0xff;
    CHECK(!bce_map_fault(&m, 24, 7, MACHINE_EXT_S) && bce_map_fault(&m, 24, 6, MACHINE_EXT_S));
    m.marked = 0x100;
    CHECK(bce_map_fault(&m, 24, 7, MACHINE_EXT_S) != NULL);
    m.code = BCE_CODE_TWOS_COMPLEMENT;
    m.marked = 0xff;
    CHECK(bce_map_fault(&m, 24, 7, MACHINE_EXT_B) != NULL);
    m.marked = m.walked;
    CHECK(!bce_map_fault(&m, 24, 7, MACHINE_EXT_B) && bce_map_fault(&m, 24, 7, MACHINE_EXT_S));
}

// 64 weights of 1 and RR-regs on lane 0 at 0, 20 and 40, 30 cycles at most: D = 24. The same as
// two's complement with lane 0 inverted: one cycle, for the sum.
static void cycles_of_maps(void)
{
    struct bce_config c = {.n = 64, .prune = 3, .regs = 4};
    struct bce_map cut = {.regs = 3, .limit = 30, .walked = 1, .first = 1, .start = {0, 20, 40}};
    struct bce_map inverted = {.regs = 1, .limit = 1, .walked = 1, .first = 1, .marked = 1};
    struct bce_tile t;
    uint8_t bytes[3 * 8 + 24];
    uint32_t mag[64], a[64];
    bool neg[64] = {false};
    inverted.code = BCE_CODE_TWOS_COMPLEMENT;
    for (uint32_t i = 0; i < 64; i++)
        mag[i] = 1, a[i] = i - 7;
    for (int k = 0; k < 2; k++) {
        struct bce_group g;
        bce_tile_store(&c, 1, 64, mag, neg, NULL, bytes);
        bce_map_store(k ? &inverted : &cut, c.regs, bytes + 24);
        bce_tile_load(&c, 1, 64, bytes, &t);
        bce_rtl_mapped(&c, &t, a, &g);
        CHECK_INT(g.d, k ? 1 : 24);
        CHECK_INT(g.acc, 63 * 64 / 2 - 7 * 64);
        CHECK_INT(g.selections[0], k ? 1 : 64);
    }
}

static void time_of_steps(void)
{
    const uint16_t d[2][4] = {{5, 1, 5, 1}, {1, 5, 1, 5}};
    struct bce_timing t = {.overhead = 10};
    int64_t work[16];
    uint64_t sum = 0;
    CHECK_INT(bce_group_time(&t, d[0], 2, 4, 4, 1, work, &sum), 60);
    CHECK_INT(sum, 20);
    CHECK_INT(bce_group_time(&t, d[0], 2, 4, 1, 0, work, &sum), 60); // 5 and 1 at every position
    t.least = 3; // the entry of the activations holds back only where D is less
    CHECK_INT(bce_group_time(&t, d[0], 2, 4, 4, 1, work, &sum), 60);
    CHECK_INT(bce_group_time(&t, d[0], 1, 4, 4, 1, work, &sum), 56);
    t.least = 7;
    CHECK_INT(bce_group_time(&t, d[0], 2, 4, 1, 0, work, &sum), 68);
    t.fifo = 2;
    CHECK_INT(bce_group_time(&t, d[0], 2, 4, 4, 1, work, &sum), 68);
    t.least = 0;
    t.fifo = 1; // one step of slack absorbs the alternation: 15 + 11 + 15 + 11
    CHECK_INT(bce_group_time(&t, d[0], 2, 4, 4, 1, work, &sum), 52);
    t.fifo = 4;
    CHECK_INT(bce_group_time(&t, d[0], 2, 4, 4, 1, work, &sum), 52);
}

static void all_tests(void)
{
    RUN(time_of_steps);
    RUN(maps_are_checked);
    RUN(cycles_of_maps);
    RUN(runs_fill_blocks);
    RUN(wide_activations_are_refused);
    RUN(datapaths_agree);
}

// With an argument: that seed of the differential test alone.
int main(int argc, char **argv)
{
    struct arena *room = arena_create();
    kept.bytes = 4u << 20;
    kept.mem = arena_alloc_aligned(room, kept.bytes, 64);
    arena = arena_create();
    bce_tables_init(&tables);
    pool[0] = thread_pool_create(1);
    pool[1] = thread_pool_create(2);
    only_seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    if (argc > 1)
        RUN(one_seed);
    else
        all_tests();
    thread_pool_destroy(pool[0]);
    thread_pool_destroy(pool[1]);
    arena_destroy(arena);
    arena_destroy(room);
    return check_summary();
}

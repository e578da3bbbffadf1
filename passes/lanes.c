// A lane tile is made in three steps: the group's weights are gathered as sign and magnitude into
// one word each (the sign just above the highest lane), blocks of 64 words are transposed into bit
// planes, and the planes fall into place: a plane is 64 bits of a lane. Threads share the blocks of
// output channels, which lie one behind the other in the result.
#include "lanes.h"

#include <string.h>

#include "bitplanes.h"

enum { GROUP_MAX = 256 };

// Offsets of the K indices of a problem.
struct k_table {
    const struct mac_problem *of; // the problem the table was made for
    int64_t *offset;
    int64_t *diag; // index of k[0]
    int64_t n;
    bool dense; // offset[k] is k
    size_t cap;
};
// One group's weights of one PE.
struct lane_group {
    int n;
    uint32_t word[GROUP_MAX]; // magnitude, sign at bit `lanes`
    uint8_t exponent[GROUP_MAX];
    uint8_t valid[GROUP_MAX / 8];
};

bool lanes_takes(enum ir_mode mode, enum dtype t)
{
    switch (mode) {
    case IR_MODE_FIXED: return (dtype_is_int(t) && dtype_info[t].bits <= 16) || t == DT_I32;
    case IR_MODE_FP32: return t == DT_F32;
    case IR_MODE_FP16: return t == DT_F16;
    }
    return false;
}

static bool same_k(const struct mac_problem *a, const struct mac_problem *b)
{
    if (a == NULL || a->nk != b->nk)
        return false;
    for (int i = 0; i < a->nk; i++)
        if (a->k[i].extent != b->k[i].extent || a->k[i].wstride != b->k[i].wstride)
            return false;
    return true;
}

static void k_table_make(struct k_table *t, const struct mac_problem *p, struct arena *scratch)
{
    if (same_k(t->of, p))
        return;
    t->of = p;
    t->n = mac_extent_k(p);
    if ((size_t)t->n > t->cap) {
        t->cap = (size_t)t->n;
        t->offset = ARENA_ARRAY(scratch, t->cap, int64_t);
        t->diag = ARENA_ARRAY(scratch, t->cap, int64_t);
    }
    int64_t index[MAC_MAX_DIMS] = {0}, offset = 0;
    t->dense = true;
    for (int64_t k = 0; k < t->n; k++) {
        t->dense = t->dense && offset == k;
        t->offset[k] = offset;
        t->diag[k] = index[0];
        for (int d = p->nk - 1; d >= 0; d--) {
            offset += p->k[d].wstride;
            if (++index[d] < p->k[d].extent)
                break;
            offset -= index[d] * p->k[d].wstride;
            index[d] = 0;
        }
    }
}

// ---- Gathering, at offsets or (offset NULL) one behind the other. Each gives the OR of the
// magnitudes.

#define GATHER_INT(name, type)                                                                     \
    static inline uint32_t name##_at(struct lane_group *g, const type *src, const int64_t *offset, \
                                     int lanes)                                                    \
    {                                                                                              \
        uint32_t all = 0;                                                                          \
        for (int i = 0; i < g->n; i++) {                                                           \
            int32_t v = src[offset ? offset[i] : i];                                               \
            uint32_t sign = (uint32_t)(v >> 31), mag = ((uint32_t)v ^ sign) - sign;                \
            all |= mag;                                                                            \
            g->word[i] = mag | (sign & 1) << lanes;                                                \
        }                                                                                          \
        return all;                                                                                \
    }                                                                                              \
    static uint32_t name(struct lane_group *g, const void *w, const int64_t *offset, int lanes)    \
    {                                                                                              \
        return offset ? name##_at(g, w, offset, lanes) : name##_at(g, w, NULL, lanes);             \
    }
GATHER_INT(gather_i8, int8_t)
GATHER_INT(gather_i16, int16_t)
GATHER_INT(gather_u8, uint8_t)
GATHER_INT(gather_u16, uint16_t)
GATHER_INT(gather_i32, int32_t)

// Sign, biased exponent and fraction of an IEEE format to a word with the hidden bit; exponent 0
// becomes 1 without it.
#define GATHER_FLOAT(name, type, exponent_bits, fraction_bits)                                     \
    static inline void name##_at(struct lane_group *g, const type *src, const int64_t *offset,     \
                                 int lanes)                                                        \
    {                                                                                              \
        for (int i = 0; i < g->n; i++) {                                                           \
            uint32_t b = src[offset ? offset[i] : i], sign = b >> (exponent_bits + fraction_bits); \
            uint32_t exponent = b >> fraction_bits & ((1u << exponent_bits) - 1);                  \
            uint32_t fraction = b & ((1u << fraction_bits) - 1), hidden = exponent != 0;           \
            g->word[i] = fraction | hidden << (lanes - 1) | sign << lanes;                         \
            g->exponent[i] = (uint8_t)(exponent + 1 - hidden);                                     \
        }                                                                                          \
    }                                                                                              \
    static uint32_t name(struct lane_group *g, const void *w, const int64_t *offset, int lanes)    \
    {                                                                                              \
        if (offset)                                                                                \
            name##_at(g, w, offset, lanes);                                                        \
        else                                                                                       \
            name##_at(g, w, NULL, lanes);                                                          \
        return 0;                                                                                  \
    }
GATHER_FLOAT(gather_f32, uint32_t, 8, 23)
GATHER_FLOAT(gather_f16, uint16_t, 5, 10)

typedef uint32_t gather_fn(struct lane_group *g, const void *w, const int64_t *offset, int lanes);

static gather_fn *gather_for(enum dtype t)
{
    switch (t) {
    case DT_I2:
    case DT_I4:
    case DT_I8: return gather_i8;
    case DT_BOOL:
    case DT_U2:
    case DT_U4:
    case DT_U8: return gather_u8;
    case DT_U16: return gather_u16;
    case DT_I16: return gather_i16;
    case DT_I32: return gather_i32;
    case DT_F32: return gather_f32;
    case DT_F16: return gather_f16;
    default: bitlet_bug("weights of type %s", dtype_text(t));
    }
}

// ---- Tiles

struct packer { // of one problem; shared by the threads
    const struct mac_problem *p;
    const struct mac_demand *m;
    const struct lanes_source *src;
    struct k_table k;
    size_t words;
    gather_fn *gather;
    bitplanes_fn *transpose;
    int64_t chunk_k, groups; // K of a chunk; groups of an output channel
    uint8_t *out;
    int64_t *bad; // of every block of output channels; -1: none
};
struct block { // of output channels, one thread's
    const struct packer *s;
    struct lane_group group;
    int64_t offset[GROUP_MAX]; // of a row that has a table of its own
    int64_t bad;
};

static void put_planes(const struct packer *s, struct lane_group *g, uint8_t *out)
{
    int lanes = s->src->lanes;
    size_t row = s->words * 8; // bytes of one row of bits
    uint64_t plane[32];
    memset(g->word + g->n, 0, (size_t)(-g->n & 63) * sizeof g->word[0]);
    for (int i = 0; i < g->n; i += 64) {
        uint8_t *to = out + row + (size_t)i / 8;
        s->transpose(g->word + i, lanes + 1, plane);
        memcpy(to, &plane[lanes], 8);
        for (int b = 0; b < lanes; b++)
            memcpy(to + (size_t)(b + 1) * row, &plane[b], 8);
    }
}

// Which weight of the group needs too many lanes; only called when one does.
static void find_bad(struct block *b, const void *data, const int64_t *offset, int64_t base)
{
    struct lane_group *g = &b->group;
    b->s->gather(g, data, offset, 31);
    for (int i = 0; i < g->n && b->bad < 0; i++)
        if ((g->word[i] & 0x7fffffff) >> b->s->src->lanes != 0 || g->word[i] == 0x80000000)
            b->bad = base + offset[i];
}

// Takes out the weights that belong to another channel group of the problem.
static void mask_diagonal(const struct packer *s, struct lane_group *g, int64_t k0,
                          int64_t channel_group)
{
    memset(g->valid, 0, sizeof g->valid);
    for (int i = 0; i < g->n; i++)
        if (s->k.diag[k0 + i] == channel_group)
            g->valid[i / 8] = (uint8_t)(g->valid[i / 8] | 1u << i % 8);
        else
            g->word[i] = 0, g->exponent[i] = 0;
}

// Of a row that shares its channel with others: where there is no tap, the first weight stands in.
static const int64_t *row_offsets(struct block *b, int64_t row, int64_t k0, int n)
{
    for (int i = 0; i < n; i++) {
        int64_t offset = mac_weight_offset(b->s->p, row, k0 + i);
        b->offset[i] = offset < 0 ? 0 : offset;
    }
    return b->offset;
}

static void mask_row(struct block *b, int64_t row, int64_t k0)
{
    struct lane_group *g = &b->group;
    memset(g->valid, 0, sizeof g->valid);
    for (int i = 0; i < g->n; i++)
        if (mac_weight_offset(b->s->p, row, k0 + i) >= 0)
            g->valid[i / 8] = (uint8_t)(g->valid[i / 8] | 1u << i % 8);
        else
            g->word[i] = 0, g->exponent[i] = 0;
}

static void mask_all(struct lane_group *g)
{
    memset(g->valid, 0, sizeof g->valid);
    memset(g->valid, 0xff, (size_t)g->n / 8);
    if (g->n % 8 != 0)
        g->valid[g->n / 8] = (uint8_t)((1u << g->n % 8) - 1);
}

static void pack_tile(struct block *b, int64_t oc, int64_t k0, int n, uint8_t *out)
{
    const struct packer *s = b->s;
    const struct mac_problem *p = s->p;
    struct lane_group *g = &b->group;
    int lanes = s->src->lanes;
    bool shared = p->patch > 1;
    const int64_t *offset = shared ? row_offsets(b, oc, k0, n) : s->k.offset + k0;
    int64_t base = p->wbase + (shared ? 0 : oc * p->w_oc),
            size = (int64_t)dtype_bytes(s->src->w->dtype);
    const uint8_t *data = (const uint8_t *)s->src->w->data + base * size;
    g->n = n;
    uint32_t all = s->k.dense && !shared ? s->gather(g, data + k0 * size, NULL, lanes)
                                         : s->gather(g, data, offset, lanes);
    if (all >> lanes != 0) {
        if (b->bad < 0)
            find_bad(b, data, offset, base);
        return;
    }
    if (shared)
        mask_row(b, oc, k0);
    else if (p->diag > 1)
        mask_diagonal(s, g, k0, oc / (p->noc / p->diag));
    else
        mask_all(g);
    memcpy(out, g->valid, (size_t)(n + 7) / 8);
    put_planes(s, g, out);
    if (s->src->map != NULL) {
        struct lanemap map;
        lanemap_choose(s->src->map, LANEMAP_BY_COMPILER, out, lanes, n, &map);
        lanemap_store(s->src->map, &map, out + s->words * 8 * (size_t)(2 + lanes));
    }
    if (s->src->mode != IR_MODE_FIXED)
        memcpy(out + s->words * 8 * (size_t)(2 + lanes), g->exponent, (size_t)n);
}

static void pack_block(void *user, int piece, int worker)
{
    const struct packer *s = user;
    struct block b = {.s = s, .bad = -1};
    int64_t N = s->m->group, pes = s->m->pes, oc0 = piece * pes;
    int64_t oc_end = oc0 + pes < s->p->noc ? oc0 + pes : s->p->noc;
    uint8_t *out = s->out + oc0 * s->groups * s->m->tile_bytes;
    (void)worker;
    for (int64_t c = 0; c < s->k.n; c += s->chunk_k) {
        int64_t end = s->chunk_k < s->k.n - c ? c + s->chunk_k : s->k.n;
        for (int64_t k = c; k < end; k += N)
            for (int64_t oc = oc0; oc < oc_end; oc++, out += s->m->tile_bytes)
                pack_tile(&b, oc, k, (int)(end - k < N ? end - k : N), out);
    }
    s->bad[piece] = b.bad;
}

static int64_t ceil_ratio(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

// The first weight that does not fit, or -1.
static int64_t pack_problem(struct packer *s, int64_t kchunk, struct arena *scratch)
{
    const struct mac_problem *p = s->p;
    int64_t N = s->m->group, blocks = ceil_ratio(p->noc, s->m->pes);
    k_table_make(&s->k, p, scratch);
    s->chunk_k = s->k.n / p->k[0].extent * kchunk;
    int64_t whole = s->k.n / s->chunk_k, rest = s->k.n % s->chunk_k;
    s->groups = whole * ceil_ratio(s->chunk_k, N) + ceil_ratio(rest, N);
    s->bad = ARENA_ARRAY(scratch, (size_t)blocks, int64_t);
    thread_pool_run(s->src->pool, (int)blocks, pack_block, s);
    for (int64_t i = 0; i < blocks; i++)
        if (s->bad[i] >= 0)
            return s->bad[i];
    return -1;
}

bool lanes_pack(const struct mac_plan *plan, int64_t kchunk, const struct mac_demand *m,
                const struct lanes_source *src, const int64_t *offset, struct arena *scratch,
                uint8_t *out, int64_t *bad)
{
    struct packer *s = ARENA_NEW(scratch, struct packer);
    s->m = m;
    s->src = src;
    s->words = (size_t)(m->group + 63) / 64;
    s->gather = gather_for(src->w->dtype);
    s->transpose = bitplanes_best();
    *bad = -1;
    int64_t end = 0; // of the lanes packed; problems that share weights share an offset below it
    for (int i = 0; i < plan->num_problems && *bad < 0; i++) {
        s->p = &plan->problem[i];
        int64_t bytes = mac_lanes_bytes(s->p, kchunk, m);
        if (bytes == 0 || offset[i] < end)
            continue;
        end = offset[i] + bytes;
        if (s->p->empty)
            continue; // one group without a valid weight
        int64_t k0 = s->p->k[0].extent;
        s->out = out + offset[i];
        *bad = pack_problem(s, kchunk < k0 ? kchunk : k0, scratch);
    }
    return *bad < 0;
}

// A lane tile is made in three steps: the group's weights are gathered as sign and magnitude into
// one word each (the sign just above the highest lane), blocks of 8 words are transposed as 8x8 bit
// matrices, a byte of each at a time, and the resulting bytes fall into place: byte j of a lane
// belongs to weights 8j..8j+7. This is a few instructions a weight whatever the number of lanes,
// and needs no vector unit.
#include "lanes.h"

#include <string.h>

enum { GROUP_MAX = 256 };

// Offsets of the K indices of a problem.
struct k_table {
    const struct mac_problem *of; // the problem the table was made for
    int64_t *offset;
    int64_t *diag; // index of k[0]
    int64_t n;
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
    for (int64_t k = 0; k < t->n; k++) {
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

// ---- Gathering. Each gives the OR of the magnitudes.

#define GATHER_INT(name, type)                                                                     \
    static uint32_t name(struct lane_group *g, const void *w, const int64_t *offset, int lanes)    \
    {                                                                                              \
        const type *src = w;                                                                       \
        uint32_t all = 0;                                                                          \
        for (int i = 0; i < g->n; i++) {                                                           \
            int32_t v = src[offset[i]];                                                            \
            uint32_t sign = (uint32_t)(v >> 31), mag = ((uint32_t)v ^ sign) - sign;                \
            all |= mag;                                                                            \
            g->word[i] = mag | (sign & 1) << lanes;                                                \
        }                                                                                          \
        return all;                                                                                \
    }
GATHER_INT(gather_i8, int8_t)
GATHER_INT(gather_i16, int16_t)
GATHER_INT(gather_u8, uint8_t)
GATHER_INT(gather_u16, uint16_t)
GATHER_INT(gather_i32, int32_t)

// Sign, biased exponent and fraction of an IEEE format to a word with the hidden bit; exponent 0
// becomes 1 without it.
static void put_float(struct lane_group *g, int i, uint32_t sign, uint32_t exponent,
                      uint32_t fraction, int lanes)
{
    uint32_t hidden = exponent != 0;
    g->word[i] = fraction | hidden << (lanes - 1) | sign << lanes;
    g->exponent[i] = (uint8_t)(exponent + 1 - hidden);
}

static uint32_t gather_f32(struct lane_group *g, const void *w, const int64_t *offset, int lanes)
{
    const uint32_t *src = w;
    for (int i = 0; i < g->n; i++) {
        uint32_t b = src[offset[i]];
        put_float(g, i, b >> 31, b >> 23 & 0xff, b & 0x7fffff, lanes);
    }
    return 0;
}

static uint32_t gather_f16(struct lane_group *g, const void *w, const int64_t *offset, int lanes)
{
    const uint16_t *src = w;
    for (int i = 0; i < g->n; i++) {
        uint32_t b = src[offset[i]];
        put_float(g, i, b >> 15, b >> 10 & 0x1f, b & 0x3ff, lanes);
    }
    return 0;
}

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

// ---- Transposing

// Bit c of byte r becomes bit r of byte c.
static uint64_t transpose8(uint64_t x)
{
    uint64_t t = (x ^ (x >> 7)) & 0x00aa00aa00aa00aaull;
    x ^= t ^ (t << 7);
    t = (x ^ (x >> 14)) & 0x0000cccc0000ccccull;
    x ^= t ^ (t << 14);
    t = (x ^ (x >> 28)) & 0x00000000f0f0f0f0ull;
    return x ^ t ^ (t << 28);
}

// Byte `plane` of words 8j..8j+7, the first lowest.
static uint64_t byte_column(const uint32_t *word, int plane)
{
    uint64_t x = 0;
    for (int r = 0; r < 8; r++)
        x |= (uint64_t)(word[r] >> (8 * plane) & 0xff) << (8 * r);
    return x;
}

static void put_planes(const struct lane_group *g, int lanes, size_t words, uint8_t *out)
{
    size_t row = words * 8; // bytes of one row of bits
    uint8_t *sign = out + row, *lane = out + 2 * row;
    for (int j = 0; j * 8 < g->n; j++)
        for (int first = 0; first <= lanes; first += 8) {
            uint64_t x = byte_column(g->word + j * 8, first / 8);
            if (x == 0)
                continue;
            x = transpose8(x);
            for (int b = first; b < first + 8 && b <= lanes; b++, x >>= 8)
                (b == lanes ? sign : lane + (size_t)b * row)[j] = (uint8_t)x;
        }
}

// ---- Tiles

struct packer {
    const struct mac_problem *p;
    const struct mac_demand *m;
    const struct lanes_source *src;
    struct k_table k;
    struct lane_group group;
    size_t words;
    gather_fn *gather;
    int64_t bad; // -1: none
};

// Which weight of the group needs too many lanes; only called when one does.
static void find_bad(struct packer *s, const void *data, const int64_t *offset, int64_t base)
{
    s->gather(&s->group, data, offset, 31);
    for (int i = 0; i < s->group.n && s->bad < 0; i++)
        if ((s->group.word[i] & 0x7fffffff) >> s->src->lanes != 0 || s->group.word[i] == 0x80000000)
            s->bad = base + offset[i];
}

// Takes out the weights that belong to another channel group of the problem.
static void mask_diagonal(struct packer *s, int64_t k0, int64_t channel_group)
{
    struct lane_group *g = &s->group;
    memset(g->valid, 0, sizeof g->valid);
    for (int i = 0; i < g->n; i++)
        if (s->k.diag[k0 + i] == channel_group)
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

static void pack_tile(struct packer *s, int64_t oc, int64_t k0, int n, uint8_t *out)
{
    const struct mac_problem *p = s->p;
    struct lane_group *g = &s->group;
    int lanes = s->src->lanes;
    int64_t base = p->wbase + oc * p->w_oc;
    const uint8_t *data =
        (const uint8_t *)s->src->w->data + base * (int64_t)dtype_bytes(s->src->w->dtype);
    g->n = n;
    uint32_t all = s->gather(g, data, s->k.offset + k0, lanes);
    if (all >> lanes != 0) {
        if (s->bad < 0)
            find_bad(s, data, s->k.offset + k0, base);
        return;
    }
    memset(g->word + n, 0, (size_t)(-n & 7) * sizeof g->word[0]);
    if (p->diag > 1)
        mask_diagonal(s, k0, oc / (p->noc / p->diag));
    else
        mask_all(g);
    memcpy(out, g->valid, (size_t)(n + 7) / 8);
    put_planes(g, lanes, s->words, out);
    if (s->src->mode != IR_MODE_FIXED)
        memcpy(out + s->words * 8 * (size_t)(2 + lanes), g->exponent, (size_t)n);
}

static void pack_problem(struct packer *s, int64_t kchunk, struct arena *scratch, uint8_t *out)
{
    const struct mac_problem *p = s->p;
    int64_t N = s->m->group, pes = s->m->pes;
    k_table_make(&s->k, p, scratch);
    int64_t chunk_k = s->k.n / p->k[0].extent * kchunk;
    for (int64_t oc0 = 0; oc0 < p->noc; oc0 += pes) {
        int64_t oc_end = oc0 + pes < p->noc ? oc0 + pes : p->noc;
        for (int64_t c = 0; c < s->k.n; c += chunk_k) {
            int64_t end = chunk_k < s->k.n - c ? c + chunk_k : s->k.n;
            for (int64_t k = c; k < end; k += N)
                for (int64_t oc = oc0; oc < oc_end; oc++, out += s->m->tile_bytes)
                    pack_tile(s, oc, k, (int)(end - k < N ? end - k : N), out);
        }
    }
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
    s->bad = -1;
    int64_t end = 0; // of the lanes packed; problems that share weights share an offset below it
    for (int i = 0; i < plan->num_problems && s->bad < 0; i++) {
        s->p = &plan->problem[i];
        int64_t bytes = mac_lanes_bytes(s->p, kchunk, m);
        if (bytes == 0 || offset[i] < end)
            continue;
        end = offset[i] + bytes;
        if (s->p->empty)
            continue; // one group without a valid weight
        int64_t k0 = s->p->k[0].extent;
        pack_problem(s, kchunk < k0 ? kchunk : k0, scratch, out + offset[i]);
    }
    *bad = s->bad;
    return s->bad < 0;
}

// PCFG and PACK: the final packagers. A partial sum becomes an f32; scale, bias and limits apply in
// that order, each rounded once; then it is converted to the destination's type, or multiplied by q
// and rounded to an integer.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bce_agu.h"
#include "clones.h"
#include "scalar_num.h"

#define BLOCK BCE_BLOCK_I8
#define MAX_PES 512
#define PARALLEL_ELEMS 2048

bool sim_exec_PCFG(struct sim *s, const struct isa_args_PCFG *in)
{
    if (in->bits < 1 || in->bits > 32)
        return sim_fault_at(s, SIM_FAULT_OPERAND, 0, "results of %d bits", (int)in->bits);
    s->pcfg.quant = in->quant != 0;
    s->pcfg.clamp = in->clamp != 0;
    s->pcfg.bits = (int)in->bits;
    s->pcfg.min = num_f32_of_bits((uint32_t)in->min);
    s->pcfg.max = num_f32_of_bits((uint32_t)in->max);
    s->pcfg.q = num_f32_of_bits((uint32_t)in->q);
    return true;
}

struct pack {
    const struct isa_args_PACK *in;
    struct sim_pack_config cfg;
    struct bce_agu agu; // K: PEs; positions: the rest
    uint8_t *host;
    const uint64_t *psum;
    int npe;
    bool to_bytes; // sums_to_bytes may be tried
    int64_t positions, blocks;
    // f32; one a PE, or with `along` one a position and no more than that
    const uint32_t *scale, *bias;
    uint32_t of_pes[2][MAX_PES];
};

// Part of what is compiled for each level.
#define PACK_INLINE static inline __attribute__((always_inline))

// ---- Arithmetic ---------------------------------------------------------------------------------

// Sums of 32 bits as such; false: there are others.
PACK_INLINE bool narrow_sums(const uint64_t *restrict psum, int n, int32_t *restrict out)
{
    uint64_t over = 0;
    for (int i = 0; i < n; i++) {
        out[i] = (int32_t)psum[i];
        over |= (psum[i] + 0x80000000u) >> 32;
    }
    return over == 0;
}

PACK_INLINE void to_float(const uint64_t *restrict psum, int n, bool fixed, float *restrict v)
{
    int32_t narrow[BLOCK];
    if (fixed && narrow_sums(psum, n, narrow))
        for (int i = 0; i < n; i++)
            v[i] = (float)narrow[i];
    else if (fixed)
        for (int i = 0; i < n; i++)
            v[i] = (float)(int64_t)psum[i];
    else
        for (int i = 0; i < n; i++)
            v[i] = num_f32_of_bits((uint32_t)psum[i]);
}

PACK_INLINE void scale_by_pe(const struct pack *p, int pe, int n, float *v)
{
    if (p->in->scale) {
        float scale = num_f32_of_bits(p->scale[pe]);
        for (int i = 0; i < n; i++)
            v[i] *= scale;
    }
    if (p->in->bias) {
        float bias = num_f32_of_bits(p->bias[pe]);
        for (int i = 0; i < n; i++)
            v[i] += bias;
    }
}

PACK_INLINE void scale_by_position(const struct pack *p, int64_t p0, int n, float *v)
{
    if (p->in->scale)
        for (int i = 0; i < n; i++)
            v[i] *= num_f32_of_bits(p->scale[p0 + i]);
    if (p->in->bias)
        for (int i = 0; i < n; i++)
            v[i] += num_f32_of_bits(p->bias[p0 + i]);
}

PACK_INLINE void post_process(const struct pack *p, int pe, int64_t p0, int n, float *v)
{
    float min = p->cfg.min, max = p->cfg.max;
    if (p->in->along)
        scale_by_position(p, p0, n, v);
    else
        scale_by_pe(p, pe, n, v);
    if (!p->cfg.clamp)
        return;
    for (int i = 0; i < n; i++) { // comparisons with NaN are false: it stays
        v[i] = v[i] < min ? min : v[i];
        v[i] = v[i] > max ? max : v[i];
    }
}

// The same for results of up to 16 bits, in single precision: what is left between the bounds has
// room below 1.5 * 2^23.
PACK_INLINE void quantize_narrow(const struct sim_pack_config *c, int n, const float *restrict v,
                                 int32_t *restrict out)
{
    const float hi = (float)((1 << (c->bits - 1)) - 1), lo = -hi - 1, magic = 0x1.8p23f, q = c->q;
    for (int i = 0; i < n; i++) {
        float x = v[i] * q;
        x = x == x ? x : 0;
        x = x < lo ? lo : x;
        x = x > hi ? hi : x;
        out[i] = (int32_t)((x + magic) - magic);
    }
}

// All of that for results of a byte in one loop, with the same roundings in the same order; what is
// not asked for changes nothing. False: a sum is beyond 32 bits, and nothing is made.
PACK_INLINE bool sums_to_bytes(const struct pack *p, int pe, const uint64_t *restrict psum, int n,
                               uint8_t *restrict out)
{
    const struct sim_pack_config *c = &p->cfg;
    const float scale = p->in->scale ? num_f32_of_bits(p->scale[pe]) : 1;
    const float bias = p->in->bias ? num_f32_of_bits(p->bias[pe]) : 0;
    const float min = c->clamp ? c->min : -INFINITY, max = c->clamp ? c->max : INFINITY;
    const float hi = (float)((1 << (c->bits - 1)) - 1), lo = -hi - 1, magic = 0x1.8p23f, q = c->q;
    uint64_t over = 0;
    for (int i = 0; i < n; i++) {
        over |= (psum[i] + 0x80000000u) >> 32;
        float x = (float)(int32_t)psum[i] * scale;
        x += bias;
        x = x < min ? min : x;
        x = x > max ? max : x;
        x *= q;
        x = x == x ? x : 0;
        x = x < lo ? lo : x;
        x = x > hi ? hi : x;
        out[i] = (uint8_t)(int32_t)((x + magic) - magic);
    }
    return over == 0;
}

// Round half to even and saturate. Adding 1.5 * 2^52 makes a double drop its fraction in just that
// rounding.
PACK_INLINE void quantize(const struct sim_pack_config *c, int n, const float *v, int64_t *out)
{
    const double hi = (double)((1ll << (c->bits - 1)) - 1), lo = -hi - 1, magic = 0x1.8p52;
    for (int i = 0; i < n; i++) {
        double x = (double)(v[i] * c->q);
        x = x == x ? x : 0;
        x = x < lo ? lo : x;
        x = x > hi ? hi : x;
        out[i] = (int64_t)((x + magic) - magic);
    }
    if (c->bits == 1)
        for (int i = 0; i < n; i++)
            out[i] = v[i] * c->q < 0 ? -1 : 1;
}

// ---- Results ------------------------------------------------------------------------------------

// Modulo the type; narrow signed types lie sign-extended in their byte.
PACK_INLINE void store_ints(enum dtype t, const int64_t *v, int n, uint8_t *out)
{
    int bits = dtype_info[t].bits, unused = 64 - bits;
    size_t bytes = dtype_bytes(t);
    bool is_signed = dtype_info[t].kind == DTK_I;
    for (int i = 0; i < n; i++) {
        uint64_t u = (uint64_t)v[i] << unused;
        u = is_signed ? (uint64_t)((int64_t)u >> unused) : u >> unused;
        memcpy(out + (size_t)i * bytes, &u, bytes);
    }
}

PACK_INLINE void store_narrow(const int32_t *restrict v, int n, size_t bytes, void *out)
{
    uint8_t *restrict low = out;
    uint16_t *restrict half = out;
    if (bytes == 1)
        for (int i = 0; i < n; i++)
            low[i] = (uint8_t)v[i];
    else
        for (int i = 0; i < n; i++)
            half[i] = (uint16_t)v[i];
}

static bool narrow_result(const struct pack *p)
{
    int bits = dtype_info[p->agu.dtype].bits;
    return p->cfg.quant && p->cfg.bits > 1 && p->cfg.bits <= 16 && (bits == 8 || bits == 16);
}

static void store_floats(enum dtype t, const float *v, int n, void *out)
{
    uint16_t *half = out;
    double *wide = out;
    switch (t) {
    case DT_F32: memcpy(out, v, sizeof *v * (size_t)n); return;
    case DT_F16:
        for (int i = 0; i < n; i++)
            half[i] = num_f16_of_f32(v[i]);
        return;
    case DT_BF16:
        for (int i = 0; i < n; i++)
            half[i] = num_bf16_of_f32(v[i]);
        return;
    case DT_F64:
        for (int i = 0; i < n; i++)
            wide[i] = (double)v[i];
        return;
    default: bitlet_bug("packing to type %s", dtype_text(t));
    }
}

BITLET_CLONES static void pack_piece(void *user, int piece, int worker)
{
    const struct pack *p = user;
    int pe = (int)(piece / p->blocks);
    int64_t p0 = piece % p->blocks * BLOCK;
    int n = p->positions - p0 < BLOCK ? (int)(p->positions - p0) : BLOCK;
    const uint64_t *psum = p->psum + pe * p->positions + p0;
    union {
        uint8_t bytes[8 * BLOCK];
        double align;
    } out;
    float v[BLOCK];
    int64_t ints[BLOCK];
    int32_t narrow[BLOCK];
    (void)worker;
    if (p->to_bytes && sums_to_bytes(p, pe, psum, n, out.bytes)) {
        bce_agu_store(&p->agu, p->host, pe, p0, n, &out);
        return;
    }
    if (p->in->raw)
        memcpy(ints, psum, sizeof *ints * (size_t)n);
    else {
        to_float(psum, n, p->in->mode == ISA_MODE_fixed, v);
        post_process(p, pe, p0, n, v);
        if (narrow_result(p))
            quantize_narrow(&p->cfg, n, v, narrow);
        else if (p->cfg.quant)
            quantize(&p->cfg, n, v, ints);
    }
    if (!p->in->raw && narrow_result(p))
        store_narrow(narrow, n, dtype_bytes(p->agu.dtype), out.bytes);
    else if (p->in->raw || p->cfg.quant)
        store_ints(p->agu.dtype, ints, n, out.bytes);
    else
        store_floats(p->agu.dtype, v, n, &out);
    bce_agu_store(&p->agu, p->host, pe, p0, n, &out);
}

// ---- Operands -----------------------------------------------------------------------------------

static bool check_type(struct sim *s, const struct isa_args_PACK *in, const struct sim_view *v)
{
    bool to_int = in->raw || s->pcfg.quant;
    bool is_float =
        v->dtype == DT_F32 || v->dtype == DT_F16 || v->dtype == DT_BF16 || v->dtype == DT_F64;
    if (in->raw && in->mode != ISA_MODE_fixed)
        return sim_fault_at(s, SIM_FAULT_OPERAND, v->base, "raw partial sums of floats");
    if (to_int ? !dtype_is_int(v->dtype) : !is_float)
        return sim_fault_at(s, SIM_FAULT_TYPE, v->base, "packing to type %s", dtype_text(v->dtype));
    if (v->rank < 1 || v->extent[0] > s->machine.pes || v->extent[0] > MAX_PES)
        return sim_fault_at(s, SIM_FAULT_VIEW, v->base,
                            "the destination's first dimension does not fit the PEs");
    return true;
}

// One f32 per PE or position.
static bool read_vector(struct sim *s, const struct sim_view *v, const char *what, int64_t count,
                        uint32_t *out)
{
    struct bce_agu g;
    uint8_t *host;
    int64_t elems;
    if (v->dtype != DT_F32)
        return sim_fault_at(s, SIM_FAULT_TYPE, v->base, "scales or biases of type %s",
                            dtype_text(v->dtype));
    if (!sim_view_elems(s, v, &elems))
        return false;
    if (v->rank < 1 || elems != count)
        return sim_fault_at(s, SIM_FAULT_VIEW, v->base, "scales or biases do not match %lld %s",
                            (long long)count, what);
    if (!sim_view_map(s, v, false, &host))
        return false;
    if (host && v->rank == 1 && v->stride[0] == 1 && v->axis[0] < 0) {
        memcpy(out, host, sizeof *out * (size_t)count);
        sim_count_view(s, v, false);
        return true;
    }
    if (!bce_agu_init(&g, v, (struct bce_span){0, 0}, (struct bce_span){0, v->rank}, host))
        return sim_fault_at(s, SIM_FAULT_VIEW, v->base, "coordinates overflow");
    for (int64_t p = 0; p < count; p += BCE_BLOCK_I32) {
        uint32_t row[BCE_BLOCK_I32];
        int n = count - p < BCE_BLOCK_I32 ? (int)(count - p) : BCE_BLOCK_I32;
        (void)bce_agu_rows(&g, 0, 1, p, n, BCE_ROW_F32, row);
        memcpy(out + p, row, sizeof *row * (size_t)n);
    }
    sim_count_view(s, v, false);
    return true;
}

static bool find_vectors(struct sim *s, const struct isa_args_PACK *in, struct pack *p)
{
    const char *what = in->along ? "positions" : "PEs";
    int64_t count = in->along ? p->positions : p->npe;
    uint32_t *scale = p->of_pes[0], *bias = p->of_pes[1];
    if (in->along) { // not more than there are partial sums
        scale = sim_scratch(s, 2 * sizeof *scale * (size_t)count);
        bias = scale + count;
    }
    p->scale = scale;
    p->bias = bias;
    return (!in->scale || read_vector(s, &s->t[in->ts], what, count, scale)) &&
           (!in->bias || read_vector(s, &s->t[in->tb], what, count, bias));
}

static bool find_operands(struct sim *s, const struct isa_args_PACK *in, struct pack *p)
{
    const struct sim_view *v = &s->t[in->td];
    int64_t elems, first;
    uint64_t *psum;
    if (!check_type(s, in, v) || !sim_view_elems(s, v, &elems))
        return false;
    p->npe = (int)v->extent[0];
    if (!bce_agu_init(&p->agu, v, (struct bce_span){0, 1}, (struct bce_span){1, v->rank - 1}, NULL))
        return sim_fault_at(s, SIM_FAULT_VIEW, v->base, "coordinates overflow");
    if (__builtin_add_overflow(in->psum, s->x[in->xp], &first))
        first = -1;
    if (!sim_psum_map(s, first, elems, false, &psum) || !sim_view_map(s, v, true, &p->host))
        return false;
    p->psum = psum;
    p->positions = p->agu.p_total;
    p->blocks = (p->positions + BLOCK - 1) / BLOCK;
    return elems == 0 || find_vectors(s, in, p);
}

// A packager finishes a result a cycle; a destination in DRAM takes them no faster than its
// channel.
static int64_t cost_of(const struct sim *s, const struct sim_view *v, int64_t elems)
{
    int64_t cycles =
        s->machine.pack_latency + (elems + s->machine.packers - 1) / s->machine.packers;
    if (!sim_view_in_dram(v))
        return cycles;
    double channel = (double)s->cost.dram_write * s->machine.clock_ghz / s->machine.dma_act_gbs;
    int64_t dma = s->machine.dma_latency + (int64_t)channel;
    dma += (double)(int64_t)channel < channel;
    return cycles > dma ? cycles : dma;
}

bool sim_exec_PACK(struct sim *s, const struct isa_args_PACK *in)
{
    const struct sim_view *v = &s->t[in->td];
    struct pack p = {.in = in, .cfg = s->pcfg};
    if (!find_operands(s, in, &p))
        return false;
    p.to_bytes = in->mode == ISA_MODE_fixed && !in->raw && !in->along && narrow_result(&p) &&
                 dtype_bytes(v->dtype) == 1;
    int64_t elems = p.npe * p.positions, pieces = p.npe * p.blocks;
    if (elems == 0)
        return true;
    if (s->predict)
        p.host = NULL; // nothing is made
    if (p.host && elems >= PARALLEL_ELEMS && sim_view_disjoint(v))
        thread_pool_run(s->pool, (int)pieces, pack_piece, &p);
    else if (p.host)
        for (int64_t i = 0; i < pieces; i++)
            pack_piece(&p, (int)i, 0);
    sim_count_view(s, v, true);
    s->cost.cycles = cost_of(s, v, elems);
    return true;
}

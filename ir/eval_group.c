// The machine's float arithmetic, written from its definition: within a group of N weights the
// weights' magnitudes are shifted to the group's largest exponent and cut off, the sum is exact,
// and its packed fp32 is added to the partial sum. Which weights form a group follows from the plan
// of the op and from its chunks of K.
#include <math.h>
#include <string.h>

#include "eval_mac.h"
#include "eval_num.h"
#include "macplan.h"

struct format {
    int fraction, bias, top,
        lanes; // fraction bits; exponent bias; exponent of infinities; bit lanes
};
struct number {
    int32_t exp;                     // biased, 1 for a subnormal
    uint32_t mag;                    // with the hidden bit
    bool negative, special, present; // infinity or NaN; a weight of the layer
    float value;
};

static struct format format_of(enum ir_mode mode)
{
    return mode == IR_MODE_FP16 ? (struct format){10, 15, 31, 11}
                                : (struct format){23, 127, 255, 24};
}

static struct number split(const struct format *f, const struct tensor *t, int64_t i)
{
    uint32_t bits = 0;
    double value;
    if (t->dtype == DT_F32)
        memcpy(&bits, (const float *)t->data + i, sizeof bits);
    else
        bits = ((const uint16_t *)t->data)[i];
    eval_load_f64(t->dtype, t->data, i, 1, 1, &value);
    int exp_bits = f->fraction == 10 ? 5 : 8;
    int32_t exp = (int32_t)(bits >> f->fraction & ((1u << exp_bits) - 1));
    uint32_t fraction = bits & ((1u << f->fraction) - 1);
    return (struct number){
        .exp = exp ? exp : 1,
        .mag = exp ? fraction | 1u << f->fraction : fraction,
        .negative = bits >> (f->fraction + exp_bits) & 1,
        .special = exp == f->top,
        .present = true,
        .value = (float)value,
    };
}

// |sum| * 2^exp as fp32, cut off towards zero.
static float pack(int64_t sum, int exp)
{
    uint64_t mag = sum < 0 ? 0 - (uint64_t)sum : (uint64_t)sum;
    if (mag == 0)
        return 0;
    int msb = 63;
    while (!(mag >> msb & 1))
        msb--;
    if (msb > 23) {
        mag >>= msb - 23;
        exp += msb - 23;
        msb = 23;
    }
    if (exp + msb > 127)
        return sum < 0 ? -INFINITY : INFINITY;
    if (exp < -149) {
        mag = -149 - exp > 63 ? 0 : mag >> (-149 - exp);
        exp = -149;
    }
    float v = (float)ldexp((double)mag, exp);
    return sum < 0 ? -v : v;
}

// What IEEE gives for a group that holds an infinity or a NaN.
static float special_sum(const struct number *w, const struct number *a, int64_t n)
{
    bool plus = false, minus = false;
    for (int64_t i = 0; i < n; i++) {
        if (!w[i].present || (!w[i].special && !a[i].special))
            continue;
        float p = w[i].value * a[i].value;
        if (p != p)
            return NAN;
        *(p > 0 ? &plus : &minus) = true;
    }
    return plus && minus ? NAN : plus ? INFINITY : -INFINITY;
}

static float group_sum(const struct format *f, const struct number *w, const struct number *a,
                       int64_t n)
{
    int32_t top = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!w[i].present)
            continue;
        if (w[i].special || a[i].special)
            return special_sum(w, a, n);
        if (w[i].mag && a[i].mag && w[i].exp + a[i].exp > top)
            top = w[i].exp + a[i].exp;
    }
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!w[i].present || !w[i].mag || !a[i].mag)
            continue;
        int32_t shift = top - (w[i].exp + a[i].exp);
        int64_t aligned = shift < f->lanes ? w[i].mag >> shift : 0;
        int64_t product = aligned * (int64_t)a[i].mag;
        sum += w[i].negative != a[i].negative ? -product : product;
    }
    return pack(sum, top - 2 * f->bias - 2 * f->fraction);
}

struct problem {
    const struct mac_problem *p;
    const struct format *f;
    const struct tensor *x, *w;
    int64_t k, inner; // elements of K; of K within one index of its first dimension
    int64_t chunk, group;
    struct number *weights, *acts; // [noc][k], [k]
};

static void unravel(const struct mac_dim *dim, int n, int64_t index, int64_t *out)
{
    for (int d = n - 1; d >= 0; d--) {
        out[d] = index % dim[d].extent;
        index /= dim[d].extent;
    }
}

static void split_weights(const struct problem *q)
{
    const struct mac_problem *p = q->p;
    for (int64_t oc = 0; oc < p->noc; oc++)
        for (int64_t k = 0; k < q->k; k++) {
            int64_t at[MAC_MAX_DIMS] = {0}, offset = p->wbase + oc * p->w_oc;
            unravel(p->k, p->nk, k, at);
            if (p->diag > 1 && at[0] != oc / (p->noc / p->diag))
                continue; // stays absent
            for (int d = 0; d < p->nk; d++)
                offset += at[d] * p->k[d].wstride;
            q->weights[oc * q->k + k] = split(q->f, q->w, offset);
        }
}

static void split_acts(const struct problem *q, const int64_t *position)
{
    const struct mac_problem *p = q->p;
    for (int64_t k = 0; k < q->k; k++) {
        int64_t at[MAC_MAX_DIMS], coord[MAC_MAX_AXES], offset = p->xbase;
        unravel(p->k, p->nk, k, at);
        memcpy(coord, p->origin, sizeof coord);
        for (int d = 0; d < p->nk + p->np; d++) {
            const struct mac_dim *dim = d < p->nk ? &p->k[d] : &p->p[d - p->nk];
            int64_t i = d < p->nk ? at[d] : position[d - p->nk];
            offset += i * dim->xstride;
            if (dim->axis >= 0)
                coord[dim->axis] += i * dim->step;
        }
        bool inside = true;
        for (int a = 0; a < p->num_axes; a++)
            inside = inside && coord[a] >= 0 && coord[a] < p->limit[a];
        q->acts[k] = inside ? split(q->f, q->x, offset) : (struct number){.exp = 1};
    }
}

// Groups start anew with every chunk of K.
static float psum(const struct problem *q, int64_t oc)
{
    float sum = 0;
    for (int64_t k0 = 0; k0 < q->k; k0 += q->chunk)
        for (int64_t k = k0; k < k0 + q->chunk && k < q->k; k += q->group) {
            int64_t end = k0 + q->chunk < q->k ? k0 + q->chunk : q->k;
            int64_t n = end - k < q->group ? end - k : q->group;
            float g = group_sum(q->f, &q->weights[oc * q->k + k], &q->acts[k], n);
            sum = k == 0 ? g : sum + g;
        }
    return sum;
}

static void eval_problem(const struct eval_call *c, const struct mac_plan *plan,
                         const struct mac_problem *p, const struct mac_finish *f,
                         const struct format *format)
{
    bool swapped = plan->moving != c->op->in[0];
    struct problem q = {.p = p, .f = format, .x = c->in[swapped], .w = c->in[!swapped]};
    q.k = mac_extent_k(p);
    q.inner = p->k[0].extent ? q.k / p->k[0].extent : 0;
    q.chunk = ir_int(c->op, IR_A_kchunk, 0) > 0 ? ir_int(c->op, IR_A_kchunk, 0) * q.inner : q.k;
    q.group = c->o->group > 0 ? c->o->group : 64;
    struct arena *a = arena_create();
    q.weights = ARENA_ARRAY(a, (size_t)(p->noc * q.k) + 1, struct number);
    q.acts = ARENA_ARRAY(a, (size_t)q.k + 1, struct number);
    split_weights(&q);
    int64_t positions = mac_extent_p(p);
    for (int64_t i = 0; i < positions; i++) {
        int64_t at[MAC_MAX_DIMS], offset = p->obase;
        unravel(p->p, p->np, i, at);
        for (int d = 0; d < p->np; d++)
            offset += at[d] * p->p[d].ostride;
        split_acts(&q, at);
        for (int64_t oc = 0; oc < p->noc; oc++) {
            double sum = (double)psum(&q, oc);
            eval_finish_row(f, offset + oc * p->o_oc, 1, &sum, p->channel0 + oc, 0);
        }
    }
    arena_destroy(a);
}

bool eval_mac_groups(const struct eval_call *c, const struct mac_finish *f, enum ir_mode mode)
{
    enum { PES = 32 }; // how problems share PEs does not change a sum
    struct mac_plan plan;
    struct format format = format_of(mode);
    if (tensor_elems(c->out[0]) == 0)
        return true;
    if (!mac_plan_values(c->op, c->o->group > 0 ? c->o->group : 64, PES, c->scratch, c->diag,
                         &plan))
        return false;
    for (int i = 0; i < plan.num_problems; i++)
        eval_problem(c, &plan, &plan.problem[i], f, &format);
    return true;
}

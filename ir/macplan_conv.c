// conv. A block of b groups is one problem. b > 1 when the groups are small: their weights lie on
// the diagonal, the group index is the outermost K dimension, and b is the largest number for which
// b groups fit one group of N weights and the PEs. Groups that do not divide evenly leave a smaller
// last problem.
//
// conv_transpose. Output position o takes the taps t with (o + pad - t * dilation) a multiple of
// the stride. Positions of equal remainder (a phase) take the same taps, every (stride /
// gcd(stride, dilation))th, and along a phase x advances by one: an ordinary convolution with
// stride 1, run backwards over x by the taps. A phase without taps is an `empty` problem: it still
// writes the bias.
#include "macplan_parts.h"

#include "ir_priv.h"

enum { SPATIAL_MAX = MAC_MAX_AXES };

struct conv_shape { // what conv and conv_transpose share
    int spatial;
    bool plain; // without patches
    const struct ir_type *x, *y;
    int64_t batch, group, in_per_group, out_per_group;
    int64_t in[SPATIAL_MAX], out[SPATIAL_MAX], kernel[SPATIAL_MAX];
    const int64_t *strides, *dilations, *pads;
    int64_t in_step[SPATIAL_MAX], out_step[SPATIAL_MAX],
        kernel_step[SPATIAL_MAX];         // row-major strides
    int64_t in_plane, out_plane, taps;    // products of extents
    int64_t patch[SPATIAL_MAX], patches;  // outputs side by side; their product
    int64_t window[SPATIAL_MAX], windows; // of a patch: extents, their product
};

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

// Greatest common divisor; *inverse: the number in [0, m / gcd) that times a is congruent to the
// gcd modulo m.
static int64_t gcd_inverse(int64_t a, int64_t m, int64_t *inverse)
{
    int64_t r0 = m, r1 = a % m, t0 = 0, t1 = 1; // invariant: r = t * a modulo m
    while (r1 != 0) {
        int64_t q = r0 / r1, r = r0 - q * r1, t = t0 - q * t1;
        r0 = r1;
        r1 = r;
        t0 = t1;
        t1 = t;
    }
    int64_t n = m / r0;
    *inverse = (t0 % n + n) % n;
    return r0;
}

static int64_t row_major(const int64_t *extent, int n, int64_t *stride)
{
    int64_t product = 1;
    for (int i = n - 1; i >= 0; i--) {
        stride[i] = product;
        product *= extent[i];
    }
    return product;
}

static void read_conv(const struct ir_op *op, struct conv_shape *s)
{
    const struct ir_type *x = &op->in[0]->type, *y = &op->out[0]->type;
    int rank;
    const int64_t *w = mac_weight_dims(op, op->in[1], &rank);
    s->x = x;
    s->y = y;
    s->spatial = x->rank - 2;
    s->batch = x->dim[0];
    s->group = ir_int(op, IR_A_group, 1);
    s->in_per_group = x->dim[1] / s->group;
    s->out_per_group = y->dim[1] / s->group;
    for (int i = 0; i < s->spatial; i++) {
        s->in[i] = x->dim[2 + i];
        s->out[i] = y->dim[2 + i];
        s->kernel[i] = w[2 + i];
    }
    s->strides = ir_ints(op, IR_A_strides, NULL);
    s->dilations = ir_ints(op, IR_A_dilations, NULL);
    s->pads = ir_ints(op, IR_A_pads, NULL);
    const int64_t *patch = s->plain ? NULL : ir_ints(op, IR_A_patch, NULL);
    s->patches = s->windows = 1;
    for (int i = 0; i < s->spatial; i++) {
        s->patch[i] = patch ? patch[i] : 1;
        s->window[i] = s->kernel[i] + (s->patch[i] - 1) * s->strides[i];
        s->patches *= s->patch[i];
        s->windows = mac_saturating_mul(s->windows, s->window[i]);
    }
    s->in_plane = row_major(s->in, s->spatial, s->in_step);
    s->out_plane = row_major(s->out, s->spatial, s->out_step);
    s->taps = row_major(s->kernel, s->spatial, s->kernel_step);
}

// Groups that share a problem. Weights that are computed get a problem for each: packing at run
// time has no diagonal.
static int64_t groups_per_problem(const struct mac_plan *plan, const struct conv_shape *s,
                                  int64_t group, int64_t pes)
{
    const struct ir_op *w = plan->stationary->def;
    if (!w || w->op != IR_OP_CONST || ir_int(plan->op, IR_A_distill, 0) != 0)
        return 1;
    int64_t k = mac_saturating_mul(s->in_per_group, s->windows),
            rows = s->out_per_group * s->patches;
    int64_t by_k = k > 0 ? group / k : 0, by_oc = rows > 0 ? pes / rows : 0;
    int64_t b = by_k < by_oc ? by_k : by_oc;
    b = b < s->group ? b : s->group;
    return b > 1 ? b : 1;
}

// The parts of a problem that do not depend on taps: channels, batch, diagonal. wc: stride of an
// input channel in w.
static void start_conv_problem(struct mac_problem *p, const struct conv_shape *s,
                               int64_t first_group, int64_t groups, bool diagonal, int64_t wc)
{
    p->noc = groups * s->out_per_group * s->patches;
    p->channel0 = first_group * s->out_per_group;
    p->diag = groups;
    p->patch = s->patches;
    p->xbase = first_group * s->in_per_group * s->in_plane;
    p->obase = p->channel0 * s->out_plane;
    p->o_oc = s->out_plane;
    if (diagonal)
        mac_add_dim(p->k, &p->nk,
                    (struct mac_dim){
                        .extent = groups, .xstride = s->in_per_group * s->in_plane, .axis = -1});
    mac_add_dim(p->k, &p->nk,
                (struct mac_dim){
                    .extent = s->in_per_group, .xstride = s->in_plane, .wstride = wc, .axis = -1});
    mac_add_dim(p->p, &p->np,
                (struct mac_dim){.extent = s->batch,
                                 .xstride = s->group * s->in_per_group * s->in_plane,
                                 .ostride = s->group * s->out_per_group * s->out_plane,
                                 .axis = -1,
                                 .sym = s->y->sym[0]});
    p->num_axes = s->spatial;
    for (int i = 0; i < s->spatial; i++) {
        p->limit[i] = s->in[i];
        p->limit_sym[i] = s->x->sym[2 + i];
    }
}

static void finish_conv_problem(struct mac_problem *p, const struct conv_shape *s)
{
    for (int i = 0; i < s->spatial; i++)
        p->xbase += p->origin[i] * s->in_step[i];
    if (mac_extent_k(p) == 0)
        mac_make_empty(p);
}

// A patch must fit the PEs, and in float modes its window one group: sums of floats depend on what
// is in a group together.
static bool check_patch(const struct mac_plan *plan, const struct conv_shape *s, int64_t group,
                        int64_t pes, struct diag *d)
{
    if (s->patches == 1)
        return true;
    bool floats = ir_int(plan->op, IR_A_mode, IR_MODE_FP32) != IR_MODE_FIXED;
    int64_t k = mac_saturating_mul(s->in_per_group, s->windows);
    if (s->patches > pes || (floats && k > group) || !ir_const_data(plan->stationary))
        return diag_report(d, plan->op->loc, DIAG_IR_ATTR,
                           "the patch of %%%s is %lld outputs with a window of %lld activations; "
                           "constant weights are needed and at most %lld outputs%s",
                           plan->op->out[0]->name, (long long)s->patches, (long long)k,
                           (long long)pes, floats ? ", in float modes a window of one group" : "");
    return true;
}

bool mac_plan_conv(struct mac_plan *plan, int64_t group, int64_t pes, bool plain, struct arena *a,
                   struct diag *d)
{
    struct conv_shape s = {.plain = plain};
    read_conv(plan->op, &s);
    if (!check_patch(plan, &s, group, pes, d))
        return false;
    int64_t per = groups_per_problem(plan, &s, group, pes), block = s.in_per_group * s.taps;
    struct mac_problem *p = mac_add_problems(plan, ceil_div(s.group, per), a, d);
    if (!p)
        return false;
    for (int64_t g = 0; g < s.group; g += per, p++) {
        int64_t groups = s.group - g < per ? s.group - g : per;
        start_conv_problem(p, &s, g, groups, per > 1, s.taps);
        p->w_oc = block;
        p->wbase = p->channel0 * block;
        for (int i = 0; i < s.spatial; i++) {
            p->origin[i] = -s.pads[i];
            mac_add_dim(p->k, &p->nk,
                        (struct mac_dim){.extent = s.window[i],
                                         .xstride = s.dilations[i] * s.in_step[i],
                                         .wstride = s.kernel_step[i],
                                         .axis = i,
                                         .step = s.dilations[i]});
            mac_add_dim(p->p, &p->np,
                        (struct mac_dim){.extent = s.out[i] / s.patch[i],
                                         .xstride = s.patch[i] * s.strides[i] * s.in_step[i],
                                         .ostride = s.patch[i] * s.out_step[i],
                                         .axis = i,
                                         .step = s.patch[i] * s.strides[i],
                                         .sym = s.y->sym[2 + i]});
            p->place[i] = (struct mac_places){s.patch[i], s.strides[i], s.kernel[i], s.out_step[i]};
        }
        finish_conv_problem(p, &s);
    }
    plan->channels = s.group * s.out_per_group;
    plan->macs = mac_saturating_mul(s.batch * plan->channels * s.out_plane, block);
    return true;
}

// ---- Transposed convolution --------------------------------------------------------------------

// Taps of the output positions o0, o0 + stride, .. along one dimension: first, first + step, ..
// (count of them); the first one reads x at `origin` for position o0.
struct phase {
    int64_t first, step, count, origin;
};

static struct phase find_phase(const struct conv_shape *s, int i, int64_t o0)
{
    int64_t stride = s->strides[i], dilation = s->dilations[i], inverse;
    int64_t g = gcd_inverse(dilation, stride, &inverse);
    int64_t top = o0 + s->pads[i]; // stride * x + dilation * tap
    struct phase ph = {.step = stride / g};
    if (top % g != 0)
        return ph;
    int64_t want = (top / g % ph.step + ph.step) % ph.step;
    ph.first = want * inverse % ph.step;
    if (ph.first < s->kernel[i]) {
        ph.count = ceil_div(s->kernel[i] - ph.first, ph.step);
        ph.origin = (top - ph.first * dilation) / stride;
    }
    return ph;
}

static void add_phase(struct mac_problem *p, const struct conv_shape *s, int i, int64_t o0)
{
    struct phase ph = find_phase(s, i, o0);
    int64_t back = -(s->dilations[i] * ph.step / s->strides[i]);
    p->origin[i] = ph.origin;
    if (ph.count > 0)
        p->wbase += ph.first * s->kernel_step[i];
    p->obase += o0 * s->out_step[i];
    mac_add_dim(p->k, &p->nk,
                (struct mac_dim){.extent = ph.count,
                                 .xstride = back * s->in_step[i],
                                 .wstride = ph.step * s->kernel_step[i],
                                 .axis = i,
                                 .step = back});
    mac_add_dim(p->p, &p->np,
                (struct mac_dim){.extent = ceil_div(s->out[i] - o0, s->strides[i]),
                                 .xstride = s->in_step[i],
                                 .ostride = s->strides[i] * s->out_step[i],
                                 .axis = i,
                                 .step = 1});
}

bool mac_plan_conv_transpose(struct mac_plan *plan, int64_t group, int64_t pes, struct arena *a,
                             struct diag *d)
{
    struct conv_shape s = {.plain = true};
    read_conv(plan->op, &s);
    // w[C, M/group, kernel]: with one input channel a group, consecutive output channels are
    // equally far apart in w even across groups; with more they are not, and groups stay apart.
    int64_t per = s.in_per_group == 1 ? groups_per_problem(plan, &s, group, pes) : 1;
    int64_t blocks = ceil_div(s.group, per), phases = 1, num_phases[SPATIAL_MAX];
    for (int i = 0; i < s.spatial; i++) {
        num_phases[i] = s.strides[i] < s.out[i] ? s.strides[i] : s.out[i];
        phases = phases > MAC_PROBLEMS_MAX || num_phases[i] > MAC_PROBLEMS_MAX
                     ? MAC_PROBLEMS_MAX + 1
                     : phases * num_phases[i];
    }
    struct mac_problem *p = mac_add_problems(plan, blocks * phases, a, d);
    if (!p)
        return false;
    for (int64_t n = 0; n < blocks * phases; n++, p++) {
        int64_t g = n / phases * per, rest = n % phases;
        start_conv_problem(p, &s, g, s.group - g < per ? s.group - g : per, per > 1,
                           s.out_per_group * s.taps);
        p->w_oc = s.taps;
        p->wbase = g * s.in_per_group * s.out_per_group * s.taps;
        int64_t divide = phases;
        for (int i = 0; i < s.spatial; i++) {
            divide /= num_phases[i];
            add_phase(p, &s, i, rest / divide);
            rest %= divide;
        }
        finish_conv_problem(p, &s);
    }
    plan->channels = s.group * s.out_per_group;
    plan->macs = mac_saturating_mul(s.batch * s.group * s.in_per_group * s.in_plane,
                                    s.out_per_group * s.taps);
    return true;
}

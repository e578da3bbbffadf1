// MAC ops as problems out[oc][p] = sum over k of W[oc][k] * X[k][p].
//
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
#include "macplan.h"

#include "ir_priv.h"

enum { PROBLEMS_MAX = 1 << 20, SPATIAL_MAX = MAC_MAX_AXES };

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

static int64_t saturating_mul(int64_t a, int64_t b)
{
    return b != 0 && a > INT64_MAX / b ? INT64_MAX : a * b;
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

// Extents of the stationary operand, packed or not.
static const int64_t *weight_dims(const struct ir_op *op, const struct ir_value *w, int *rank)
{
    if (w->type.dtype == DT_LANES)
        return ir_ints(op, IR_A_wshape, rank);
    *rank = w->type.rank;
    return w->type.dim;
}

static struct mac_problem *add_problems(struct mac_plan *plan, int64_t n, struct arena *a,
                                        struct diag *d)
{
    if (n > PROBLEMS_MAX) {
        diag_report(d, plan->op->loc, DIAG_LIMIT,
                    "%s falls into %lld independent problems; at most %d are handled",
                    ir_op_info[plan->op->op].text, (long long)n, (int)PROBLEMS_MAX);
        return NULL;
    }
    plan->num_problems = (int)n;
    plan->problem = ARENA_ARRAY(a, (size_t)n, struct mac_problem);
    return plan->problem;
}

static void add_dim(struct mac_dim *list, int *n, struct mac_dim dim)
{
    list[(*n)++] = dim;
}

// No activation is inside any more.
static void make_empty(struct mac_problem *p)
{
    p->empty = true;
    p->diag = 1;
    for (int i = 0; i < p->nk; i++)
        p->k[i] = (struct mac_dim){.extent = 1, .axis = -1};
    if (p->num_axes == 0)
        p->num_axes = 1;
    p->origin[0] = 0;
    p->limit[0] = 0;
    p->k[0].axis = 0;
}

// ---- Convolutions ------------------------------------------------------------------------------

static void read_conv(const struct ir_op *op, struct conv_shape *s)
{
    const struct ir_type *x = &op->in[0]->type, *y = &op->out[0]->type;
    int rank;
    const int64_t *w = weight_dims(op, op->in[1], &rank);
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
        s->windows = saturating_mul(s->windows, s->window[i]);
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
    int64_t k = saturating_mul(s->in_per_group, s->windows), rows = s->out_per_group * s->patches;
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
        add_dim(p->k, &p->nk,
                (struct mac_dim){
                    .extent = groups, .xstride = s->in_per_group * s->in_plane, .axis = -1});
    add_dim(p->k, &p->nk,
            (struct mac_dim){
                .extent = s->in_per_group, .xstride = s->in_plane, .wstride = wc, .axis = -1});
    add_dim(p->p, &p->np,
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
        make_empty(p);
}

// A patch must fit the PEs, and in float modes its window one group: sums of floats depend on what
// is in a group together.
static bool check_patch(const struct mac_plan *plan, const struct conv_shape *s, int64_t group,
                        int64_t pes, struct diag *d)
{
    if (s->patches == 1)
        return true;
    bool floats = ir_int(plan->op, IR_A_mode, IR_MODE_FP32) != IR_MODE_FIXED;
    int64_t k = saturating_mul(s->in_per_group, s->windows);
    if (s->patches > pes || (floats && k > group) || !ir_const_data(plan->stationary))
        return diag_report(d, plan->op->loc, DIAG_IR_ATTR,
                           "the patch of %%%s is %lld outputs with a window of %lld activations; "
                           "constant weights are needed and at most %lld outputs%s",
                           plan->op->out[0]->name, (long long)s->patches, (long long)k,
                           (long long)pes, floats ? ", in float modes a window of one group" : "");
    return true;
}

static bool plan_conv(struct mac_plan *plan, int64_t group, int64_t pes, bool plain,
                      struct arena *a, struct diag *d)
{
    struct conv_shape s = {.plain = plain};
    read_conv(plan->op, &s);
    if (!check_patch(plan, &s, group, pes, d))
        return false;
    int64_t per = groups_per_problem(plan, &s, group, pes), block = s.in_per_group * s.taps;
    struct mac_problem *p = add_problems(plan, ceil_div(s.group, per), a, d);
    if (!p)
        return false;
    for (int64_t g = 0; g < s.group; g += per, p++) {
        int64_t groups = s.group - g < per ? s.group - g : per;
        start_conv_problem(p, &s, g, groups, per > 1, s.taps);
        p->w_oc = block;
        p->wbase = p->channel0 * block;
        for (int i = 0; i < s.spatial; i++) {
            p->origin[i] = -s.pads[i];
            add_dim(p->k, &p->nk,
                    (struct mac_dim){.extent = s.window[i],
                                     .xstride = s.dilations[i] * s.in_step[i],
                                     .wstride = s.kernel_step[i],
                                     .axis = i,
                                     .step = s.dilations[i]});
            add_dim(p->p, &p->np,
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
    plan->macs = saturating_mul(s.batch * plan->channels * s.out_plane, block);
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
    add_dim(p->k, &p->nk,
            (struct mac_dim){.extent = ph.count,
                             .xstride = back * s->in_step[i],
                             .wstride = ph.step * s->kernel_step[i],
                             .axis = i,
                             .step = back});
    add_dim(p->p, &p->np,
            (struct mac_dim){.extent = ceil_div(s->out[i] - o0, s->strides[i]),
                             .xstride = s->in_step[i],
                             .ostride = s->strides[i] * s->out_step[i],
                             .axis = i,
                             .step = 1});
}

static bool plan_conv_transpose(struct mac_plan *plan, int64_t group, int64_t pes, struct arena *a,
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
        phases = phases > PROBLEMS_MAX || num_phases[i] > PROBLEMS_MAX ? PROBLEMS_MAX + 1
                                                                       : phases * num_phases[i];
    }
    struct mac_problem *p = add_problems(plan, blocks * phases, a, d);
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
    plan->macs =
        saturating_mul(s.batch * s.group * s.in_per_group * s.in_plane, s.out_per_group * s.taps);
    return true;
}

// ---- Matrix product ----------------------------------------------------------------------------

struct matrix { // one operand
    int rank;   // of the batch
    const int64_t *dim;
    int64_t rows, cols;
};

static struct matrix read_matrix(const struct ir_op *op, const struct ir_value *v)
{
    struct matrix m;
    m.dim = weight_dims(op, v, &m.rank);
    m.rank -= 2;
    m.rows = m.dim[m.rank];
    m.cols = m.dim[m.rank + 1];
    return m;
}

// Element offset of the operand's matrix in batch element `n` of the result.
static int64_t batch_offset(const struct matrix *m, const struct ir_type *y, int64_t n)
{
    int64_t offset = 0, stride = m->rows * m->cols;
    for (int i = y->rank - 3, k = m->rank - 1; k >= 0; i--, k--) {
        if (m->dim[k] != 1)
            offset += n % y->dim[i] * stride;
        n /= y->dim[i];
        stride *= m->dim[k];
    }
    return offset;
}

static int64_t batch_count(const struct matrix *m)
{
    return dims_elems(m->dim, m->rank);
}

// Extents of the batch as dimensions of positions: neighbours that are all there are one. Strides
// are those of whole matrices.
struct batch_dims {
    int64_t extent[IR_MAX_RANK];
    const struct ir_value *sym[IR_MAX_RANK];
    int num;
};

static void batch_dims(const struct ir_type *y, struct batch_dims *b)
{
    *b = (struct batch_dims){.num = 0};
    for (int i = 0; i < y->rank - 2; i++) {
        int last = b->num - 1;
        if (!y->sym[i] && last >= 0 && !b->sym[last]) {
            b->extent[last] *= y->dim[i];
        } else {
            b->sym[b->num] = y->sym[i];
            b->extent[b->num++] = y->dim[i];
        }
    }
}

struct product {
    const struct ir_type *y;
    struct matrix x, w;
    int64_t inner;
    const struct ir_value *inner_sym;
    bool second; // the second operand is stationary
};

// Positions of a product whose weights serve every batch element.
static void add_batch(struct mac_problem *p, const struct product *m)
{
    int64_t rows = m->y->dim[m->y->rank - 2], cols = m->y->dim[m->y->rank - 1];
    int64_t xstride = m->x.rows * m->x.cols, ostride = rows * cols;
    struct batch_dims b;
    batch_dims(m->y, &b);
    for (int i = 0; i < b.num; i++) {
        int64_t inner = 1;
        for (int k = i + 1; k < b.num; k++)
            inner *= b.extent[k];
        add_dim(p->p, &p->np,
                (struct mac_dim){.extent = b.extent[i],
                                 .xstride = inner * xstride,
                                 .ostride = inner * ostride,
                                 .axis = -1,
                                 .sym = b.sym[i]});
    }
}

static void add_product(struct mac_problem *p, const struct product *m, bool shared)
{
    const struct ir_type *y = m->y;
    int64_t rows = y->dim[y->rank - 2], cols = y->dim[y->rank - 1];
    bool one_run = shared && m->second && !ir_type_is_dynamic(y) && m->x.cols == m->inner;
    p->noc = m->second ? cols : rows;
    p->noc_sym = y->sym[y->rank - (m->second ? 1 : 2)];
    p->diag = p->patch = 1;
    struct mac_dim k = {.extent = m->inner, .axis = -1, .sym = m->inner_sym};
    struct mac_dim pos = {.axis = -1, .sym = y->sym[y->rank - (m->second ? 2 : 1)]};
    if (m->second) { // out[row][oc] = sum x[row][k] * w[k][oc]
        p->w_oc = p->o_oc = 1;
        k.xstride = 1;
        k.wstride = m->w.cols;
        pos.extent = rows;
        pos.xstride = m->x.cols;
        pos.ostride = cols;
    } else { // out[oc][col] = sum w[oc][k] * x[k][col]
        p->w_oc = m->w.cols;
        p->o_oc = cols;
        k.xstride = m->x.cols;
        k.wstride = 1;
        pos.extent = cols;
        pos.xstride = pos.ostride = 1;
    }
    if (one_run) // the rows of all batch elements follow each other
        pos.extent *= dims_elems(y->dim, y->rank - 2);
    add_dim(p->k, &p->nk, k);
    if (shared && !one_run && (!m->second || y->rank > 2))
        add_batch(p, m);
    if (shared && !m->second && p->np == 0)
        add_dim(p->p, &p->np, (struct mac_dim){.extent = 1, .axis = -1});
    add_dim(p->p, &p->np, pos);
    if (m->inner == 0)
        make_empty(p);
}

// Whether the moving operand has every batch element, one matrix after the other, and dimensions
// suffice.
static bool batch_is_dense(const struct product *m)
{
    struct batch_dims b;
    batch_dims(m->y, &b);
    bool dense = m->x.rank == m->y->rank - 2 && b.num < MAC_MAX_DIMS;
    for (int i = 0; dense && i < m->x.rank; i++)
        dense = m->x.dim[i] == m->y->dim[i];
    return dense || batch_count(&m->x) == dims_elems(m->y->dim, m->y->rank - 2);
}

static bool plan_matmul(struct mac_plan *plan, struct arena *a, struct diag *d)
{
    const struct ir_op *op = plan->op;
    const struct ir_type *y = &op->out[0]->type;
    struct product m = {.y = y,
                        .x = read_matrix(op, plan->moving),
                        .w = read_matrix(op, plan->stationary),
                        .second =
                            plan->stationary == op->in[1] && ir_int(op, IR_A_stationary, 1) == 1};
    const struct ir_type *xt = &plan->moving->type;
    int64_t rows = y->dim[y->rank - 2], cols = y->dim[y->rank - 1],
            batch = dims_elems(y->dim, y->rank - 2);
    int64_t x_inner = m.second ? m.x.cols : m.x.rows, w_inner = m.second ? m.w.rows : m.w.cols;
    m.inner = x_inner < w_inner ? x_inner : w_inner;
    m.inner_sym = xt->sym[xt->rank - (m.second ? 1 : 2)];
    bool shared = batch_count(&m.w) == 1 && (!ir_type_is_dynamic(y) || batch_is_dense(&m));
    plan->channels = m.second ? cols : rows;
    plan->macs = saturating_mul(batch * rows * cols, m.inner);
    struct mac_problem *p = add_problems(plan, shared ? 1 : batch, a, d);
    if (!p)
        return false;
    for (int n = 0; n < plan->num_problems; n++, p++) {
        p->batch = n;
        p->xbase = shared ? 0 : batch_offset(&m.x, y, n);
        p->wbase = shared ? 0 : batch_offset(&m.w, y, n);
        p->obase = shared ? 0 : n * rows * cols;
        add_product(p, &m, shared);
    }
    return true;
}

// ---- Exchanged operands ------------------------------------------------------------------------

// The first of the last position dimensions that lie one after the other in the result.
static int first_row_dim(const struct mac_problem *p)
{
    int first = p->np - 1;
    while (first > 0 && p->p[first - 1].ostride == p->p[first].ostride * p->p[first].extent)
        first--;
    while (first > 0 && p->p[first - 1].extent == 1)
        first--;
    return first;
}

static int64_t outer_positions(const struct mac_problem *p, int first)
{
    int64_t n = 1;
    for (int i = 0; i < first; i++)
        n *= p->p[i].extent;
    return n;
}

// The problem at one index of the position dimensions before `first`, row-major.
static void restrict_positions(struct mac_problem *p, int first, int64_t index)
{
    for (int i = first - 1; i >= 0; i--) {
        struct mac_dim *d = &p->p[i];
        int64_t at = index % d->extent;
        index /= d->extent;
        p->xbase += at * d->xstride;
        p->obase += at * d->ostride;
        if (d->axis >= 0)
            p->origin[d->axis] += at * d->step;
        d->extent = 1;
    }
}

// Axes that decide nothing go, and neighbouring positions that x and the result lay out alike
// become one dimension: rows are then brought in longer runs.
static void simplify_positions(struct mac_problem *p)
{
    for (int a = 0; a < p->num_axes; a++) {
        int64_t lo = p->origin[a], hi = lo;
        struct mac_dim *dim[2 * MAC_MAX_DIMS];
        int n = 0;
        for (int i = 0; i < p->nk + p->np; i++) {
            struct mac_dim *d = i < p->nk ? &p->k[i] : &p->p[i - p->nk];
            int64_t span = d->axis == a ? (d->extent - 1) * d->step : 0;
            lo += span < 0 ? span : 0;
            hi += span > 0 ? span : 0;
            if (d->axis == a)
                dim[n++] = d;
        }
        for (int i = 0; i < n && lo >= 0 && hi < p->limit[a]; i++) {
            dim[i]->axis = -1;
            dim[i]->step = 0;
        }
    }
    int np = 0;
    for (int i = 0; i < p->np; i++) {
        struct mac_dim d = p->p[i], *last = np > 0 ? &p->p[np - 1] : NULL;
        if (d.extent == 1 && d.axis < 0 && (np > 0 || i + 1 < p->np))
            continue;
        if (last && last->axis < 0 && d.axis < 0 && last->xstride == d.extent * d.xstride &&
            last->ostride == d.extent * d.ostride) {
            last->extent *= d.extent;
            last->xstride = d.xstride;
            last->ostride = d.ostride;
            continue;
        }
        p->p[np++] = d;
    }
    p->np = np;
}

static void exchange_problem(struct mac_problem *p, const struct mac_problem *held)
{
    if (held->diag > 1 || held->patch > 1)
        bitlet_bug("activations of several channel groups are held together");
    *p = (struct mac_problem){.noc = mac_extent_p(held),
                              .nk = held->nk,
                              .np = 1,
                              .batch = held->batch,
                              .xbase = held->wbase,
                              .wbase = held->xbase,
                              .obase = held->obase,
                              .o_oc = held->p[held->np - 1].ostride,
                              .channel0 = held->channel0,
                              .diag = 1,
                              .patch = 1,
                              .held = held};
    for (int i = 0; i < held->nk; i++)
        p->k[i] = (struct mac_dim){
            .extent = held->k[i].extent, .xstride = held->k[i].wstride, .axis = -1};
    p->p[0] = (struct mac_dim){
        .extent = held->noc, .xstride = held->w_oc, .ostride = held->o_oc, .axis = -1};
}

static bool exchange(struct mac_plan *plan, struct arena *a, struct diag *d)
{
    struct mac_problem *from = plan->problem;
    struct ir_value *x = plan->moving;
    int num = plan->num_problems;
    int64_t count = 0;
    if (!mac_can_hold_activations(plan->op))
        return diag_report(d, plan->op->loc, DIAG_IR_ATTR,
                           "%s %%%s cannot have distill = 1: mode fixed and extents known when "
                           "compiled are needed",
                           ir_op_info[plan->op->op].text, plan->op->out[0]->name);
    for (int i = 0; i < num; i++) {
        if (from[i].empty)
            return diag_report(d, plan->op->loc, DIAG_IR_ATTR,
                               "%s %%%s cannot have distill = 1: problem %d has no weights",
                               ir_op_info[plan->op->op].text, plan->op->out[0]->name, i);
        count += outer_positions(&from[i], first_row_dim(&from[i]));
    }
    struct mac_problem *p = add_problems(plan, count, a, d);
    struct mac_problem *held = ARENA_ARRAY(a, (size_t)count + 1, struct mac_problem);
    if (!p)
        return false;
    plan->moving = plan->stationary;
    plan->stationary = x;
    for (int i = 0; i < num; i++) {
        int first = first_row_dim(&from[i]);
        int64_t outer = outer_positions(&from[i], first);
        for (int64_t n = 0; n < outer; n++, p++, held++) {
            *held = from[i];
            restrict_positions(held, first, n);
            simplify_positions(held);
            exchange_problem(p, held);
        }
    }
    return true;
}

bool mac_can_hold_activations(const struct ir_op *op)
{
    if (ir_int(op, IR_A_mode, IR_MODE_FP32) != IR_MODE_FIXED || ir_op_is_dynamic(op))
        return false;
    if (ir_type_elems(&op->in[0]->type) == 0 || ir_type_elems(&op->in[1]->type) == 0)
        return false;
    if (op->op != IR_OP_CONV_TRANSPOSE)
        return true;
    // Phases without taps have nothing to multiply.
    int rank;
    const int64_t *w = weight_dims(op, op->in[1], &rank),
                  *strides = ir_ints(op, IR_A_strides, NULL),
                  *dilations = ir_ints(op, IR_A_dilations, NULL);
    for (int i = 0; i + 2 < rank; i++)
        if (w[2 + i] < strides[i] || (dilations[i] != 1 && strides[i] != 1))
            return false;
    return true;
}

// ---- Any MAC op --------------------------------------------------------------------------------

static bool make_plan(const struct ir_op *op, int64_t group, int64_t pes, bool plain,
                      struct arena *a, struct diag *d, struct mac_plan *out)
{
    if (!ir_is_mac(op))
        bitlet_bug("%s is no MAC op", ir_op_info[op->op].text);
    int w = mac_weights_index(op);
    *out = (struct mac_plan){.op = op, .stationary = op->in[w], .moving = op->in[1 - w]};
    bool ok;
    switch (op->op) {
    case IR_OP_CONV: ok = plan_conv(out, group, pes, plain, a, d); break;
    case IR_OP_CONV_TRANSPOSE: ok = plan_conv_transpose(out, group, pes, a, d); break;
    default: ok = plan_matmul(out, a, d); break;
    }
    if (ok && ir_type_elems(&op->out[0]->type) == 0)
        out->num_problems = 0;
    return ok && (plain || ir_int(op, IR_A_distill, 0) == 0 || exchange(out, a, d));
}

bool mac_plan_make(const struct ir_op *op, int64_t group, int64_t pes, struct arena *a,
                   struct diag *d, struct mac_plan *out)
{
    return make_plan(op, group, pes, false, a, d, out);
}

bool mac_plan_values(const struct ir_op *op, int64_t group, int64_t pes, struct arena *a,
                     struct diag *d, struct mac_plan *out)
{
    return make_plan(op, group, pes, true, a, d, out);
}

bool mac_can_patch(const struct ir_op *op)
{
    return op->op == IR_OP_CONV && !ir_op_is_dynamic(op) && !ir_has_attr(op, IR_A_distill);
}

int64_t mac_weight_offset(const struct mac_problem *p, int64_t row, int64_t k)
{
    int64_t offset = row / p->patch * p->w_oc, place = row % p->patch, shift[MAC_MAX_AXES] = {0};
    for (int i = p->num_axes - 1; p->patch > 1 && i >= 0; i--) {
        shift[i] = place % p->place[i].extent * p->place[i].shift;
        place /= p->place[i].extent;
    }
    for (int i = p->nk - 1; i >= 0; i--) {
        int64_t index = k % p->k[i].extent;
        k /= p->k[i].extent;
        if (i == 0 && p->diag > 1 && index != row / (p->noc / p->diag))
            return -1;
        if (p->patch > 1 && p->k[i].axis >= 0) {
            index -= shift[p->k[i].axis];
            if (index < 0 || index >= p->place[p->k[i].axis].taps)
                return -1;
        }
        offset += index * p->k[i].wstride;
    }
    return offset;
}

static int64_t product(const struct mac_dim *dims, int n)
{
    int64_t e = 1;
    for (int i = 0; i < n; i++)
        e *= dims[i].extent;
    return e;
}

int64_t mac_extent_k(const struct mac_problem *p)
{
    return product(p->k, p->nk);
}

int64_t mac_extent_p(const struct mac_problem *p)
{
    return product(p->p, p->np);
}

int mac_lanes(enum ir_mode mode, int wbits)
{
    switch (mode) {
    case IR_MODE_FP32: return 24;
    case IR_MODE_FP16: return 11;
    default: return wbits == 1 ? 1 : wbits - 1;
    }
}

int mac_weights_index(const struct ir_op *op)
{
    return op->op == IR_OP_MATMUL ? (int)ir_int(op, IR_A_stationary, 1) : 1;
}

int mac_op_lanes(const struct ir_op *op)
{
    enum ir_mode mode = (enum ir_mode)ir_int(op, IR_A_mode, IR_MODE_FP32);
    if (ir_int(op, IR_A_distill, 0) != 0)
        return (int)ir_int(op, IR_A_abits, 8);
    return mac_lanes(mode, (int)ir_int(op, IR_A_wbits, 8));
}

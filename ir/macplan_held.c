// Exchanged operands: the PEs hold rows of activations, and weights pass them.
#include "macplan_parts.h"

#include "ir_priv.h"

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

bool mac_exchange(struct mac_plan *plan, struct arena *a, struct diag *d)
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
    struct mac_problem *p = mac_add_problems(plan, count, a, d);
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
    const int64_t *w = mac_weight_dims(op, op->in[1], &rank),
                  *strides = ir_ints(op, IR_A_strides, NULL),
                  *dilations = ir_ints(op, IR_A_dilations, NULL);
    for (int i = 0; i + 2 < rank; i++)
        if (w[2 + i] < strides[i] || (dilations[i] != 1 && strides[i] != 1))
            return false;
    return true;
}

// MAC ops as problems out[oc][p] = sum over k of W[oc][k] * X[k][p].
#include "macplan_parts.h"

#include "ir_priv.h"

const int64_t *mac_weight_dims(const struct ir_op *op, const struct ir_value *w, int *rank)
{
    if (w->type.dtype == DT_LANES)
        return ir_ints(op, IR_A_wshape, rank);
    *rank = w->type.rank;
    return w->type.dim;
}

struct mac_problem *mac_add_problems(struct mac_plan *plan, int64_t n, struct arena *a,
                                     struct diag *d)
{
    if (n > MAC_PROBLEMS_MAX) {
        diag_report(d, plan->op->loc, DIAG_LIMIT,
                    "%s falls into %lld independent problems; at most %d are handled",
                    ir_op_info[plan->op->op].text, (long long)n, (int)MAC_PROBLEMS_MAX);
        return NULL;
    }
    plan->num_problems = (int)n;
    plan->problem = ARENA_ARRAY(a, (size_t)n, struct mac_problem);
    return plan->problem;
}

void mac_add_dim(struct mac_dim *list, int *n, struct mac_dim dim)
{
    list[(*n)++] = dim;
}

void mac_make_empty(struct mac_problem *p)
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

static bool make_plan(const struct ir_op *op, int64_t group, int64_t pes, bool plain,
                      struct arena *a, struct diag *d, struct mac_plan *out)
{
    if (!ir_is_mac(op))
        bitlet_bug("%s is no MAC op", ir_op_info[op->op].text);
    int w = mac_weights_index(op);
    *out = (struct mac_plan){.op = op, .stationary = op->in[w], .moving = op->in[1 - w]};
    bool ok;
    switch (op->op) {
    case IR_OP_CONV: ok = mac_plan_conv(out, group, pes, plain, a, d); break;
    case IR_OP_CONV_TRANSPOSE: ok = mac_plan_conv_transpose(out, group, pes, a, d); break;
    default: ok = mac_plan_matmul(out, a, d); break;
    }
    if (ok && ir_type_elems(&op->out[0]->type) == 0)
        out->num_problems = 0;
    return ok && (plain || ir_int(op, IR_A_distill, 0) == 0 || mac_exchange(out, a, d));
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

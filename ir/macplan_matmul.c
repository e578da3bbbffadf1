// matmul: a problem for each product of the batch, or for all that share their weights.
#include "macplan_parts.h"

#include "ir_priv.h"

struct matrix { // one operand
    int rank;   // of the batch
    const int64_t *dim;
    int64_t rows, cols;
};

static struct matrix read_matrix(const struct ir_op *op, const struct ir_value *v)
{
    struct matrix m;
    m.dim = mac_weight_dims(op, v, &m.rank);
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
        mac_add_dim(p->p, &p->np,
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
    mac_add_dim(p->k, &p->nk, k);
    if (shared && !one_run && (!m->second || y->rank > 2))
        add_batch(p, m);
    if (shared && !m->second && p->np == 0)
        mac_add_dim(p->p, &p->np, (struct mac_dim){.extent = 1, .axis = -1});
    mac_add_dim(p->p, &p->np, pos);
    if (m->inner == 0)
        mac_make_empty(p);
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

bool mac_plan_matmul(struct mac_plan *plan, struct arena *a, struct diag *d)
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
    plan->macs = mac_saturating_mul(batch * rows * cols, m.inner);
    struct mac_problem *p = mac_add_problems(plan, shared ? 1 : batch, a, d);
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

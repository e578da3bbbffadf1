// Rows of activations that PEs hold: the im2col of the step's positions, brought by transfers from
// bounded views of x, so that none of it is ever in DRAM.
#include "macjob.h"

struct box { // of positions
    int64_t start[MAC_MAX_DIMS], extent[MAC_MAX_DIMS];
    int64_t count;
};

// The largest box that begins at position `first` and is followed by those behind it: the rest of
// the innermost line, or as many whole lines as `num` positions hold, and so on outwards.
static void take_box(const struct mac_problem *h, int64_t first, int64_t num, struct box *b)
{
    int d = h->np - 1;
    b->count = 1;
    for (int i = d; i >= 0; i--) {
        b->start[i] = first % h->p[i].extent;
        first /= h->p[i].extent;
        b->extent[i] = 1;
    }
    while (d > 0 && b->start[d] == 0 && num >= b->count * h->p[d].extent) {
        b->extent[d] = h->p[d].extent;
        b->count *= b->extent[d--];
    }
    int64_t most = num / b->count, left = h->p[d].extent - b->start[d];
    b->extent[d] = most < left ? most : left;
    b->count *= b->extent[d];
}

static void add_dim(struct emit_view *v, const struct mac_dim *d, int64_t extent)
{
    if (extent > 1 || d->axis >= 0)
        view_add_axis(v, extent, d->xstride, d->axis, d->step);
}

// x for the part of K, and each index of it at the positions of a box.
static struct emit_view rows_view(const struct mac_job *j, const struct mac_problem *h,
                                  const struct mac_tile *t, const struct box *b, int *num_k)
{
    int64_t first = h->xbase + t->k0 * h->k[0].xstride, origin[MAC_MAX_AXES];
    struct emit_view v = view_at(0, j->plan.stationary->type.dtype);
    for (int a = 0; a < h->num_axes; a++)
        origin[a] = h->origin[a] + (h->k[0].axis == a ? t->k0 * h->k[0].step : 0);
    for (int i = 0; i < h->nk; i++)
        add_dim(&v, &h->k[i], i == 0 ? t->kn : h->k[i].extent);
    *num_k = v.rank;
    for (int i = 0; i < h->np; i++) {
        first += b->start[i] * h->p[i].xstride;
        if (h->p[i].axis >= 0)
            origin[h->p[i].axis] += b->start[i] * h->p[i].step;
        add_dim(&v, &h->p[i], b->extent[i]);
    }
    for (int a = 0; a < h->num_axes; a++)
        view_set_axis(&v, a, origin[a], h->limit[a]);
    v.base = job_element_addr(j->plan.stationary, first);
    return v;
}

// Axes along which all coordinates lie inside go: transfers are then longer runs. True: some stay.
static bool drop_inside_axes(struct emit_view *v)
{
    bool bounded = false;
    for (int a = 0; a < v->num_axes; a++) {
        int64_t lo = v->origin[a], hi = lo;
        for (int i = 0; i < v->rank; i++) {
            int64_t span = v->axis[i] == a ? (v->extent[i] - 1) * v->step[i] : 0;
            lo += span < 0 ? span : 0;
            hi += span > 0 ? span : 0;
        }
        bool inside = lo >= 0 && hi < v->limit[a];
        bounded |= !inside;
        for (int i = 0; i < v->rank && inside; i++)
            if (v->axis[i] == a) {
                v->axis[i] = -1;
                v->step[i] = 0;
            }
    }
    v->num_axes = bounded ? v->num_axes : 0;
    return bounded;
}

// The box in the columns of `pes` rows that lie side by side from `raw` on.
static void load_box(struct mac_job *j, struct emit_view from, int num_k, int64_t pes, uint64_t raw)
{
    int64_t stride[ISA_MAX_RANK], run = 1;
    struct emit_view to = view_at(raw, from.dtype);
    bool bounded = drop_inside_axes(&from);
    if (from.rank == 0)
        view_add(&from, 1, 1);
    for (int i = from.rank - 1; i >= 0; i--) {
        if (i == num_k - 1)
            run = pes;
        stride[i] = run;
        run *= from.extent[i];
    }
    for (int i = 0; i < from.rank; i++)
        view_add(&to, from.extent[i], stride[i]);
    if (!bounded) {
        job_dma(j->e, ISA_LDA, to, from);
        return;
    }
    uint32_t taken = 0;
    int td = emit_view_any(j->e, &to, &taken), ta = emit_view_any(j->e, &from, &taken);
    EMIT(j->e, LDA, DMA, .td = td, .ta = ta);
}

void job_load_rows(struct mac_job *j, const struct mac_step *s, int64_t pes, uint64_t raw)
{
    const struct mac_problem *h = job_problem(j, s)->held;
    struct mac_tile t = job_step_tile(j, s, false);
    int64_t first = s->oc * j->demand.pes;
    size_t bytes = dtype_bytes(j->plan.stationary->type.dtype);
    struct box b;
    for (int64_t done = 0; done < pes; done += b.count) {
        int num_k;
        take_box(h, first + done, pes - done, &b);
        struct emit_view from = rows_view(j, h, &t, &b, &num_k);
        load_box(j, from, num_k, pes, raw + (uint64_t)done * bytes);
    }
}

// Rules of the ops that move elements, and of windows.
#include <math.h>

#include "gradient.h"

bool gradient_reshape(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    const struct ir_type *x = &op->in[0]->type;
    return !gradient_wants(g, op, 0) ||
           gradient_give(g, op, 0, irb_reshape(gradient_builder(g), dy, x->dim, x->rank));
}

bool gradient_transpose(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    int rank;
    const int64_t *perm = ir_ints(op, IR_A_perm, &rank);
    int64_t back[IR_MAX_RANK] = {0};
    for (int i = 0; i < rank; i++)
        back[perm[i]] = i;
    return !gradient_wants(g, op, 0) ||
           gradient_give(g, op, 0, irb_transpose(gradient_builder(g), dy, back));
}

bool gradient_broadcast(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    return !gradient_wants(g, op, 0) || gradient_give(g, op, 0, dy);
}

bool gradient_concat(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    int64_t axis = ir_int(op, IR_A_axis, 0), starts[IR_MAX_RANK] = {0}, steps[IR_MAX_RANK];
    for (int i = 0; i < IR_MAX_RANK; i++)
        steps[i] = 1;
    for (int i = 0; i < op->num_in; i++) {
        const struct ir_type *x = &op->in[i]->type;
        if (gradient_wants(g, op, i) &&
            !gradient_give(g, op, i, irb_slice(gradient_builder(g), dy, starts, x->dim, steps)))
            return false;
        starts[axis] += x->dim[axis];
    }
    return true;
}

bool gradient_pad(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    int rank;
    const int64_t *before = ir_ints(op, IR_A_before, &rank);
    int64_t steps[IR_MAX_RANK];
    for (int i = 0; i < rank; i++)
        steps[i] = 1;
    return !gradient_wants(g, op, 0) ||
           gradient_give(g, op, 0,
                         irb_slice(gradient_builder(g), dy, before, op->in[0]->type.dim, steps));
}

// ---- Elements at a distance

// Elements of v at start[i] + k * step[i] of a tensor of extents `dim`, zeros elsewhere: the
// inverse of a slice. In dimensions first and later; the others stay. step >= 1. Positions from
// `dim` on are cut off.
static struct ir_value *spread_out(struct gradient *g, struct ir_value *v, int first,
                                   const int64_t *start, const int64_t *step, const int64_t *dim)
{
    struct ir_builder *b = gradient_builder(g);
    int64_t wide[IR_MAX_RANK], zero[IR_MAX_RANK] = {0}, ones[IR_MAX_RANK], more[IR_MAX_RANK] = {0},
                               size[IR_MAX_RANK];
    if (!v)
        return NULL;
    int rank = v->type.rank;
    for (int i = 0; i < rank; i++)
        ones[i] = 1;
    // One dimension after the other: [.., n, ..] -> [before, n, 1, after] -> pad -> [.., n * step,
    // ..]
    for (int i = first; i < rank && v; i++) {
        if (step[i] == 1 || v->type.dim[i] == 0)
            continue;
        int64_t outer = 1, inner = 1, n = v->type.dim[i];
        struct ir_type t = v->type;
        for (int k = 0; k < i; k++)
            outer *= t.dim[k];
        for (int k = i + 1; k < rank; k++)
            inner *= t.dim[k];
        v = irb_reshape(b, v, (const int64_t[]){outer, n, 1, inner}, 4);
        v = irb_pad(b, v, (const int64_t[]){0, 0, 0, 0}, (const int64_t[]){0, 0, step[i] - 1, 0},
                    0);
        t.dim[i] = n * step[i];
        v = v ? irb_reshape(b, v, t.dim, rank) : NULL;
    }
    if (!v)
        return NULL;
    bool cut = false, pad = false;
    for (int i = 0; i < rank; i++) {
        wide[i] = i < first ? v->type.dim[i] : dim[i];
        int64_t at = i < first ? 0 : start[i], room = wide[i] - at;
        size[i] = v->type.dim[i] < room ? v->type.dim[i] : room;
        cut = cut || size[i] < v->type.dim[i];
        more[i] = room - size[i];
        pad = pad || more[i] > 0 || at > 0;
    }
    if (cut)
        v = irb_slice(b, v, zero, size, ones);
    for (int i = first; i < rank; i++)
        zero[i] = start[i];
    return pad ? irb_pad(b, v, zero, more, 0) : v;
}

bool gradient_slice(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    int rank;
    const int64_t *starts = ir_ints(op, IR_A_starts, &rank),
                  *steps = ir_ints(op, IR_A_steps, &rank), *sizes = ir_ints(op, IR_A_sizes, &rank);
    int64_t from[IR_MAX_RANK], by[IR_MAX_RANK], last[IR_MAX_RANK], turn[IR_MAX_RANK];
    bool turned = false;
    if (!gradient_wants(g, op, 0))
        return true;
    if (ir_type_elems(&dy->type) == 0)
        return gradient_give(g, op, 0, gradient_zeros(g, &op->in[0]->type));
    // Backward steps are forward ones over the elements in reverse.
    for (int i = 0; i < rank; i++) {
        bool back = steps[i] < 0;
        turned = turned || back;
        by[i] = back ? -steps[i] : steps[i];
        from[i] = back ? starts[i] + steps[i] * (sizes[i] - 1) : starts[i];
        last[i] = back ? sizes[i] - 1 : 0;
        turn[i] = back ? -1 : 1;
        if (sizes[i] == 1)
            by[i] = 1;
    }
    if (turned)
        dy = irb_slice(gradient_builder(g), dy, last, sizes, turn);
    return gradient_give(g, op, 0, spread_out(g, dy, 0, from, by, op->in[0]->type.dim));
}

// ---- gather

// The product with a matrix of zeros and ones adds up what came from the same place.
bool gradient_gather(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    struct ir_builder *b = gradient_builder(g);
    const struct ir_type *x = &op->in[0]->type;
    struct ir_value *idx = op->in[1];
    int64_t axis = ir_int(op, IR_A_axis, 0), outer = 1, inner = 1, places = x->dim[axis],
            picks = ir_type_elems(&idx->type);
    if (!gradient_wants(g, op, 0))
        return true;
    if (ir_type_elems(&dy->type) == 0)
        return gradient_give(g, op, 0, gradient_zeros(g, x));
    for (int i = 0; i < axis; i++)
        outer *= x->dim[i];
    for (int i = (int)axis + 1; i < x->rank; i++)
        inner *= x->dim[i];
    struct tensor *t =
        tensor_create(b->graph->module->arena, idx->type.dtype, (const int64_t[]){places, 1}, 2);
    for (int64_t i = 0; i < places; i++)
        if (idx->type.dtype == DT_I32)
            ((int32_t *)t->data)[i] = (int32_t)i;
        else
            ((int64_t *)t->data)[i] = i;
    struct ir_value *flat = irb_reshape(b, idx, (const int64_t[]){1, picks}, 2);
    struct ir_value *from_end = gradient_scalar(g, BFN_add, flat, (double)places);
    flat = irb_select(b, gradient_scalar(g, BFN_lt, flat, 0), from_end, flat);
    struct ir_value *match =
        irb_convert(b, irb_binary(b, BFN_eq, irb_const(b, t, NULL), flat), dy->type.dtype, false);
    struct ir_value *d =
        irb_matmul(b, match, irb_reshape(b, dy, (const int64_t[]){outer, picks, inner}, 3), NULL);
    return gradient_give(g, op, 0, d ? irb_reshape(b, d, x->dim, x->rank) : NULL);
}

// ---- pool

struct pool_rule {
    struct gradient *g;
    struct ir_builder *b;
    int spatial;
    const int64_t *strides, *dilations, *pads, *kernel;
    int64_t before[IR_MAX_RANK], after[IR_MAX_RANK]; // of the padded x
    struct ir_type padded;
};

// Refused rather than unrolled into more ops than a model has.
#define POOL_OFFSETS_MAX 4096

static bool pool_begin(struct pool_rule *r, const struct ir_op *op)
{
    int n;
    int64_t offsets = 1;
    r->b = gradient_builder(r->g);
    r->kernel = ir_ints(op, IR_A_kernel, &r->spatial);
    r->strides = ir_ints(op, IR_A_strides, &n);
    r->dilations = ir_ints(op, IR_A_dilations, &n);
    r->pads = ir_ints(op, IR_A_pads, &n);
    r->padded = op->in[0]->type;
    for (int i = 0; i < r->spatial; i++) {
        int64_t reach = (op->out[0]->type.dim[2 + i] - 1) * r->strides[i] +
                        r->dilations[i] * (r->kernel[i] - 1) + 1;
        int64_t low = r->pads[i], extent = op->in[0]->type.dim[2 + i];
        if (low < 0)
            return gradient_refuse(r->g, op, "the windows have negative padding");
        // The last elements may lie in no window.
        r->before[2 + i] = low;
        r->after[2 + i] = reach > low + extent ? reach - low - extent : 0;
        r->padded.dim[2 + i] = low + extent + r->after[2 + i];
        offsets = offsets > POOL_OFFSETS_MAX ? offsets : offsets * r->kernel[i];
    }
    return offsets <= POOL_OFFSETS_MAX || gradient_refuse(r->g, op, "the windows are too large");
}

static bool next_offset(const struct pool_rule *r, int64_t *offset)
{
    for (int i = r->spatial - 1; i >= 0; i--) {
        if (++offset[i] < r->kernel[i])
            return true;
        offset[i] = 0;
    }
    return false;
}

static struct ir_value *padded_x(struct pool_rule *r, struct ir_value *x, double fill)
{
    return irb_pad(r->b, x, r->before, r->after, fill);
}

// The element at `offset` of every window.
static struct ir_value *at_offset(struct pool_rule *r, struct ir_value *padded,
                                  const int64_t *offset, const struct ir_type *y)
{
    int64_t starts[IR_MAX_RANK] = {0}, steps[IR_MAX_RANK] = {1, 1};
    for (int i = 0; i < r->spatial; i++) {
        starts[2 + i] = offset[i] * r->dilations[i];
        steps[2 + i] = r->strides[i];
    }
    return irb_slice(r->b, padded, starts, y->dim, steps);
}

// v, one number a window, back at the places of the windows' elements at `offset`, in the padded x.
static struct ir_value *back_at_offset(struct pool_rule *r, struct ir_value *v,
                                       const int64_t *offset)
{
    int64_t start[IR_MAX_RANK] = {0}, step[IR_MAX_RANK] = {1, 1};
    for (int i = 0; i < r->spatial; i++) {
        start[2 + i] = offset[i] * r->dilations[i];
        step[2 + i] = r->strides[i];
    }
    return spread_out(r->g, v, 2, start, step, r->padded.dim);
}

static struct ir_value *plus(struct pool_rule *r, struct ir_value *sum, struct ir_value *v)
{
    return sum ? irb_binary(r->b, BFN_add, sum, v) : v;
}

static struct ir_value *sum_derivative(struct pool_rule *r, struct ir_value *dy)
{
    int64_t offset[IR_MAX_RANK] = {0};
    struct ir_value *d = NULL;
    do {
        if (!(d = plus(r, d, back_at_offset(r, dy, offset))))
            return NULL;
    } while (next_offset(r, offset));
    return d;
}

// The first of equal elements takes all.
static struct ir_value *extremum_derivative(struct pool_rule *r, const struct ir_op *op,
                                            struct ir_value *dy, double fill)
{
    int64_t offset[IR_MAX_RANK] = {0};
    struct ir_value *y = op->out[0], *x = padded_x(r, op->in[0], fill), *open = NULL, *d = NULL,
                    *zero = irb_const_like(r->b, dy->type.dtype, 0);
    do {
        struct ir_value *hit = irb_binary(r->b, BFN_eq, at_offset(r, x, offset, &y->type), y);
        struct ir_value *takes = open ? irb_binary(r->b, BFN_and, hit, open) : hit;
        struct ir_value *not_hit = irb_unary(r->b, UFN_not, hit);
        open = open ? irb_binary(r->b, BFN_and, open, not_hit) : not_hit;
        if (!open ||
            !(d = plus(r, d, back_at_offset(r, irb_select(r->b, takes, dy, zero), offset))))
            return NULL;
    } while (next_offset(r, offset));
    return d;
}

bool gradient_pool(struct gradient *g, const struct ir_op *op, struct ir_value *dy)
{
    struct pool_rule r = {.g = g};
    int64_t steps[IR_MAX_RANK];
    struct ir_value *d;
    if (!gradient_wants(g, op, 0))
        return true;
    if (!pool_begin(&r, op))
        return false;
    switch (ir_int(op, IR_A_fn_reduce, 0)) {
    case RFN_sum: d = sum_derivative(&r, dy); break;
    case RFN_max: d = extremum_derivative(&r, op, dy, -INFINITY); break;
    case RFN_min: d = extremum_derivative(&r, op, dy, INFINITY); break;
    default: return gradient_refuse(g, op, "windows of this function have no derivative");
    }
    for (int i = 0; i < IR_MAX_RANK; i++)
        steps[i] = 1;
    return gradient_give(g, op, 0,
                         d ? irb_slice(r.b, d, r.before, op->in[0]->type.dim, steps) : NULL);
}

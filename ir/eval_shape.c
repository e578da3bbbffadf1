// Ops that move elements and do not compute. All but a few are one copy between two strided boxes.
#include <string.h>

#include "eval_num.h"
#include "eval_op.h"

struct box {
    int rank;
    size_t bytes; // of an element
    int64_t dim[IR_MAX_RANK];
    int64_t to[IR_MAX_RANK], from[IR_MAX_RANK]; // strides in elements
};

static void merge_box(struct box *b)
{
    int out = 0;
    for (int d = 0; d < b->rank; d++) {
        if (b->dim[d] == 1)
            continue;
        if (out > 0 && b->to[out - 1] == b->to[d] * b->dim[d] &&
            b->from[out - 1] == b->from[d] * b->dim[d]) {
            b->dim[out - 1] *= b->dim[d];
            b->to[out - 1] = b->to[d];
            b->from[out - 1] = b->from[d];
            continue;
        }
        b->dim[out] = b->dim[d];
        b->to[out] = b->to[d];
        b->from[out++] = b->from[d];
    }
    if (out == 0) {
        b->dim[0] = 1;
        b->to[0] = b->from[0] = 1;
        out = 1;
    }
    b->rank = out;
}

#define RUN(type)                                                                                  \
    for (int64_t i = 0; i < n; i++)                                                                \
    ((type *)to)[i * ts] = ((const type *)from)[i * fs]

static void copy_run(size_t bytes, int64_t n, char *to, int64_t ts, const char *from, int64_t fs)
{
    if (ts == 1 && fs == 1) {
        memcpy(to, from, (size_t)n * bytes);
        return;
    }
    switch (bytes) {
    case 1: RUN(uint8_t); break;
    case 2: RUN(uint16_t); break;
    case 4: RUN(uint32_t); break;
    case 8: RUN(uint64_t); break;
    default:
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * ts * (int64_t)bytes, from + i * fs * (int64_t)bytes, bytes);
    }
}

static void copy_box(struct box b, void *to, const void *from)
{
    int64_t index[IR_MAX_RANK] = {0};
    for (int d = 0; d < b.rank; d++)
        if (b.dim[d] == 0)
            return;
    merge_box(&b);
    char *t = to;
    const char *f = from;
    int last = b.rank - 1, d;
    int64_t bytes = (int64_t)b.bytes;
    do {
        copy_run(b.bytes, b.dim[last], t, b.to[last], f, b.from[last]);
        for (d = last - 1; d >= 0; d--) {
            t += b.to[d] * bytes;
            f += b.from[d] * bytes;
            if (++index[d] < b.dim[d])
                break;
            t -= b.to[d] * bytes * b.dim[d];
            f -= b.from[d] * bytes * b.dim[d];
            index[d] = 0;
        }
    } while (d >= 0);
}

static struct box box_of(const struct tensor *extents)
{
    struct box b = {.rank = extents->rank, .bytes = dtype_bytes(extents->dtype)};
    memcpy(b.dim, extents->dim, sizeof b.dim);
    return b;
}

static char *element(const struct tensor *t, int64_t i)
{
    return (char *)t->data + i * (int64_t)dtype_bytes(t->dtype);
}

bool eval_op_RESHAPE(const struct eval_call *c)
{
    if (tensor_elems(c->out[0]) != tensor_elems(c->in[0]))
        return diag_report(c->diag, c->op->loc, DIAG_ONNX_SHAPE,
                           "%lld elements cannot be reshaped to %lld",
                           (long long)tensor_elems(c->in[0]), (long long)tensor_elems(c->out[0]));
    if (tensor_bytes(c->out[0]))
        memcpy(c->out[0]->data, c->in[0]->data, tensor_bytes(c->out[0]));
    return true;
}

// Of a graph input that is given its extents one after the other, only what is there can be copied.
static bool copy_corner(const struct eval_call *c)
{
    struct box b = box_of(c->in[0]);
    for (int d = 0; d < b.rank; d++)
        b.dim[d] = c->out[0]->dim[d] < b.dim[d] ? c->out[0]->dim[d] : b.dim[d];
    eval_strides(c->out[0]->dim, b.rank, b.to);
    eval_strides(c->in[0]->dim, b.rank, b.from);
    copy_box(b, c->out[0]->data, c->in[0]->data);
    return true;
}

bool eval_op_EXTENT(const struct eval_call *c)
{
    return copy_corner(c);
}

bool eval_op_FIT(const struct eval_call *c)
{
    return copy_corner(c);
}

bool eval_op_TRANSPOSE(const struct eval_call *c)
{
    int n;
    const int64_t *perm = ir_ints(c->op, IR_A_perm, &n);
    int64_t from[IR_MAX_RANK];
    struct box b = box_of(c->out[0]);
    eval_strides(c->out[0]->dim, b.rank, b.to);
    eval_strides(c->in[0]->dim, b.rank, from);
    for (int d = 0; d < b.rank; d++)
        b.from[d] = from[perm[d]];
    copy_box(b, c->out[0]->data, c->in[0]->data);
    return true;
}

bool eval_op_SLICE(const struct eval_call *c)
{
    int n;
    const int64_t *starts = ir_ints(c->op, IR_A_starts, &n),
                  *steps = ir_ints(c->op, IR_A_steps, &n);
    struct box b = box_of(c->out[0]);
    int64_t from[IR_MAX_RANK], first = 0;
    if (tensor_elems(c->out[0]) == 0)
        return true;
    eval_strides(c->out[0]->dim, b.rank, b.to);
    eval_strides(c->in[0]->dim, b.rank, from);
    for (int d = 0; d < b.rank; d++) {
        b.from[d] = from[d] * steps[d];
        first += from[d] * starts[d];
    }
    copy_box(b, c->out[0]->data, element(c->in[0], first));
    return true;
}

bool eval_op_CONCAT(const struct eval_call *c)
{
    int64_t axis = ir_int(c->op, IR_A_axis, 0), to[IR_MAX_RANK], at = 0;
    eval_strides(c->out[0]->dim, c->out[0]->rank, to);
    for (int k = 0; k < c->op->num_in; k++) {
        struct box b = box_of(c->in[k]);
        if (tensor_elems(c->in[k]) == 0)
            continue;
        memcpy(b.to, to, sizeof to);
        eval_strides(c->in[k]->dim, b.rank, b.from);
        copy_box(b, element(c->out[0], at * to[axis]), c->in[k]->data);
        at += c->in[k]->dim[axis];
    }
    return true;
}

static void fill(struct tensor *t, double value)
{
    static const char empty[] = "";
    int64_t n = tensor_elems(t), whole = (int64_t)value;
    size_t bytes = dtype_bytes(t->dtype);
    if (n == 0)
        return;
    if (dtype_is_float(t->dtype)) {
        eval_store_f64(t->dtype, t->data, 0, 1, &value);
    } else if (dtype_is_int(t->dtype)) {
        eval_store_i64(t->dtype, t->data, 0, 1, &whole);
    } else if (t->dtype == DT_STR) {
        const char *s = empty;
        memcpy(t->data, &s, sizeof s);
    } else {
        return; // complex: zero is what is there
    }
    copy_run(bytes, n, t->data, 1, t->data, 0);
}

bool eval_op_PAD(const struct eval_call *c)
{
    int n;
    const int64_t *before = ir_ints(c->op, IR_A_before, &n);
    struct box b = box_of(c->in[0]);
    int64_t first = 0;
    fill(c->out[0], ir_float(c->op, IR_A_value, 0));
    if (tensor_elems(c->in[0]) == 0)
        return true;
    eval_strides(c->out[0]->dim, b.rank, b.to);
    eval_strides(c->in[0]->dim, b.rank, b.from);
    for (int d = 0; d < b.rank; d++)
        first += b.to[d] * before[d];
    copy_box(b, element(c->out[0], first), c->in[0]->data);
    return true;
}

bool eval_op_BROADCAST(const struct eval_call *c)
{
    struct box b = box_of(c->out[0]);
    int64_t from[IR_MAX_RANK];
    int shift = b.rank - c->in[0]->rank;
    eval_strides(c->out[0]->dim, b.rank, b.to);
    eval_strides(c->in[0]->dim, c->in[0]->rank, from);
    for (int d = 0; d < b.rank; d++)
        b.from[d] = d < shift || c->in[0]->dim[d - shift] == 1 ? 0 : from[d - shift];
    copy_box(b, c->out[0]->data, c->in[0]->data);
    return true;
}

bool eval_op_GATHER(const struct eval_call *c)
{
    const struct tensor *x = c->in[0], *idx = c->in[1];
    int64_t axis = ir_int(c->op, IR_A_axis, 0), extent = x->dim[axis], count = tensor_elems(idx),
            outer = 1, inner = 1;
    for (int d = 0; d < axis; d++)
        outer *= x->dim[d];
    for (int d = (int)axis + 1; d < x->rank; d++)
        inner *= x->dim[d];
    if (outer * inner * count == 0)
        return true;
    int64_t *at = ARENA_ARRAY(c->scratch, (size_t)count, int64_t);
    eval_load_i64(idx->dtype, idx->data, 0, 1, count, at);
    for (int64_t k = 0; k < count; k++) {
        if (at[k] < -extent || at[k] >= extent)
            return diag_report(
                c->diag, c->op->loc, DIAG_ONNX_VALUE,
                "gather: index %lld at position %lld is outside dimension %lld of extent %lld",
                (long long)at[k], (long long)k, (long long)axis, (long long)extent);
        at[k] += at[k] < 0 ? extent : 0;
    }
    size_t bytes = (size_t)inner * dtype_bytes(x->dtype);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < count; k++)
            memcpy(element(c->out[0], (o * count + k) * inner),
                   element(x, (o * extent + at[k]) * inner), bytes);
    return true;
}

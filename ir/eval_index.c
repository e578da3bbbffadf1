// Ops that address by indices, scans and sorts. Each walks rows: the elements along `axis` for one
// choice of the other indices.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval_num.h"
#include "eval_op.h"

struct rows { // along the axis of a tensor
    int64_t outer, length, inner;
};

static struct rows rows_of(const struct tensor *t, int64_t axis)
{
    struct rows r = {1, t->dim[axis], 1};
    for (int d = 0; d < axis; d++)
        r.outer *= t->dim[d];
    for (int d = (int)axis + 1; d < t->rank; d++)
        r.inner *= t->dim[d];
    return r;
}

static int64_t row_start(const struct rows *r, int64_t row)
{
    return row / r->inner * r->length * r->inner + row % r->inner;
}

// ---- Gather and scatter

static bool check_index(const struct eval_call *c, int64_t *at, int64_t extent, int64_t position)
{
    if (*at < -extent || *at >= extent)
        return diag_report(c->diag, c->op->loc, DIAG_ONNX_VALUE,
                           "%s: index %lld at position %lld is outside an axis of extent %lld",
                           ir_op_info[c->op->op].text, (long long)*at, (long long)position,
                           (long long)extent);
    *at += *at < 0 ? extent : 0;
    return true;
}

// Walks `extents` in index order; offset[] are element offsets of the walk in up to three tensors.
struct walk {
    int rank, num;
    int64_t dim[IR_MAX_RANK], index[IR_MAX_RANK];
    int64_t stride[3][IR_MAX_RANK], offset[3];
};

static void walk_add(struct walk *w, const struct tensor *t, int64_t skip_axis)
{
    int64_t *stride = w->stride[w->num++];
    eval_strides(t->dim, t->rank, stride);
    for (int d = 0; d < w->rank; d++)
        if (d == skip_axis || t->dim[d] == 1)
            stride[d] = 0;
}

static void walk_next(struct walk *w)
{
    for (int d = w->rank - 1; d >= 0; d--) {
        for (int k = 0; k < w->num; k++)
            w->offset[k] += w->stride[k][d];
        if (++w->index[d] < w->dim[d])
            return;
        for (int k = 0; k < w->num; k++)
            w->offset[k] -= w->stride[k][d] * w->dim[d];
        w->index[d] = 0;
    }
}

static struct walk walk_over(const struct tensor *t)
{
    struct walk w = {.rank = t->rank};
    memcpy(w.dim, t->dim, sizeof w.dim);
    return w;
}

static char *element(const struct tensor *t, int64_t i)
{
    return (char *)t->data + i * (int64_t)dtype_bytes(t->dtype);
}

bool eval_op_GATHER_ELEMENTS(const struct eval_call *c)
{
    const struct tensor *x = c->in[0], *idx = c->in[1];
    int64_t axis = ir_int(c->op, IR_A_axis, 0), n = tensor_elems(idx), along[IR_MAX_RANK];
    struct walk w = walk_over(idx);
    walk_add(&w, x, axis);
    eval_strides(x->dim, x->rank, along);
    for (int64_t i = 0; i < n; i++, walk_next(&w)) {
        int64_t at;
        eval_load_i64(idx->dtype, idx->data, i, 1, 1, &at);
        if (!check_index(c, &at, x->dim[axis], i))
            return false;
        memcpy(element(c->out[0], i), element(x, w.offset[0] + at * along[axis]),
               dtype_bytes(x->dtype));
    }
    return true;
}

static double fold_f64(enum reduce_fn fn, double a, double b)
{
    switch (fn) {
    case RFN_sum: return a + b;
    case RFN_prod: return a * b;
    case RFN_max: return a != a ? a : b != b || b > a ? b : a;
    default: return a != a ? a : b != b || b < a ? b : a;
    }
}

static int64_t fold_i64(enum reduce_fn fn, bool u, int64_t a, int64_t b)
{
    bool larger = u ? (uint64_t)b > (uint64_t)a : b > a;
    switch (fn) {
    case RFN_sum: return (int64_t)((uint64_t)a + (uint64_t)b);
    case RFN_prod: return (int64_t)((uint64_t)a * (uint64_t)b);
    case RFN_max: return larger ? b : a;
    case RFN_min: return larger ? a : b;
    case RFN_and: return a && b;
    default: return a || b;
    }
}

static void combine(struct tensor *y, int64_t to, const struct tensor *u, int64_t from, int64_t fn)
{
    enum dtype t = y->dtype;
    if (fn < 0) {
        memcpy(element(y, to), element(u, from), dtype_bytes(t));
    } else if (dtype_is_float(t)) {
        double a, b;
        eval_load_f64(t, y->data, to, 1, 1, &a);
        eval_load_f64(t, u->data, from, 1, 1, &b);
        a = fold_f64((enum reduce_fn)fn, a, b);
        eval_store_f64(t, y->data, to, 1, &a);
    } else {
        int64_t a, b;
        eval_load_i64(t, y->data, to, 1, 1, &a);
        eval_load_i64(t, u->data, from, 1, 1, &b);
        a = fold_i64((enum reduce_fn)fn, eval_is_unsigned(t), a, b);
        eval_store_i64(t, y->data, to, 1, &a);
    }
}

bool eval_op_SCATTER(const struct eval_call *c)
{
    const struct tensor *x = c->in[0], *idx = c->in[1], *u = c->in[2];
    struct tensor *y = c->out[0];
    int64_t axis = ir_int(c->op, IR_A_axis, 0), fn = ir_int(c->op, IR_A_fn_reduce, -1);
    int64_t n = tensor_elems(u), along[IR_MAX_RANK];
    if (tensor_bytes(x))
        memcpy(y->data, x->data, tensor_bytes(x));
    struct walk w = walk_over(u);
    walk_add(&w, y, axis);
    walk_add(&w, idx, -1);
    eval_strides(y->dim, y->rank, along);
    for (int64_t i = 0; i < n; i++, walk_next(&w)) {
        int64_t at;
        eval_load_i64(idx->dtype, idx->data, w.offset[1], 1, 1, &at);
        if (!check_index(c, &at, y->dim[axis], i))
            return false;
        combine(y, w.offset[0] + at * along[axis], u, i, fn);
    }
    return true;
}

// ---- Scan

struct running {
    double f;
    int64_t i;
};

static struct running identity(enum reduce_fn fn, enum dtype t)
{
    bool is_int = dtype_is_int(t);
    switch (fn) {
    case RFN_prod:
    case RFN_and: return (struct running){1, 1};
    case RFN_max: return (struct running){-INFINITY, is_int ? eval_int_min(t) : 0};
    case RFN_min: return (struct running){INFINITY, is_int ? (int64_t)eval_int_max(t) : 0};
    default: return (struct running){0, 0};
    }
}

static void scan_step(enum reduce_fn fn, struct running *r, const struct tensor *x, int64_t at)
{
    if (dtype_is_float(x->dtype)) {
        double v;
        eval_load_f64(x->dtype, x->data, at, 1, 1, &v);
        r->f = fold_f64(fn, r->f, v);
    } else {
        int64_t v;
        eval_load_i64(x->dtype, x->data, at, 1, 1, &v);
        r->i = fold_i64(fn, eval_is_unsigned(x->dtype), r->i, v);
    }
}

bool eval_op_SCAN(const struct eval_call *c)
{
    const struct tensor *x = c->in[0];
    struct tensor *y = c->out[0];
    enum reduce_fn fn = (enum reduce_fn)ir_int(c->op, IR_A_fn_reduce, 0);
    bool exclusive = ir_int(c->op, IR_A_exclusive, 0), reverse = ir_int(c->op, IR_A_reverse, 0);
    struct rows r = rows_of(x, ir_int(c->op, IR_A_axis, 0));
    for (int64_t row = 0; row < r.outer * r.inner; row++) {
        struct running acc = identity(fn, x->dtype);
        for (int64_t k = 0; k < r.length; k++) {
            int64_t at = row_start(&r, row) + (reverse ? r.length - 1 - k : k) * r.inner;
            if (!exclusive)
                scan_step(fn, &acc, x, at);
            if (dtype_is_float(x->dtype))
                eval_store_f64(y->dtype, y->data, at, 1, &acc.f);
            else
                eval_store_i64(y->dtype, y->data, at, 1, &acc.i);
            if (exclusive)
                scan_step(fn, &acc, x, at);
        }
    }
    return true;
}

// ---- Sort

struct item {
    double f;
    int64_t i, from;
    int kind;   // 0 float, 1 signed, 2 unsigned
    bool falls; // largest first
};

static int order(const struct item *a, const struct item *b)
{
    if (a->kind == 1)
        return a->i < b->i ? -1 : a->i > b->i;
    if (a->kind == 2)
        return (uint64_t)a->i < (uint64_t)b->i ? -1 : (uint64_t)a->i > (uint64_t)b->i;
    bool nan_a = a->f != a->f, nan_b = b->f != b->f;
    if (nan_a || nan_b)
        return (int)nan_a - (int)nan_b;
    return a->f < b->f ? -1 : a->f > b->f;
}

static int compare(const void *pa, const void *pb)
{
    const struct item *a = pa, *b = pb;
    int o = a->falls ? order(b, a) : order(a, b);
    return o ? o : a->from < b->from ? -1 : a->from > b->from;
}

bool eval_op_SORT(const struct eval_call *c)
{
    const struct tensor *x = c->in[0];
    struct rows r = rows_of(x, ir_int(c->op, IR_A_axis, 0));
    struct item *it = ARENA_ARRAY(c->scratch, (size_t)r.length + 1, struct item);
    int kind = dtype_is_float(x->dtype) ? 0 : eval_is_unsigned(x->dtype) ? 2 : 1;
    bool falls = ir_int(c->op, IR_A_descending, 0) != 0;
    for (int64_t row = 0; row < r.outer * r.inner; row++) {
        int64_t start = row_start(&r, row);
        for (int64_t k = 0; k < r.length; k++) {
            it[k] = (struct item){.from = k, .kind = kind, .falls = falls};
            if (kind == 0)
                eval_load_f64(x->dtype, x->data, start + k * r.inner, 1, 1, &it[k].f);
            else
                eval_load_i64(x->dtype, x->data, start + k * r.inner, 1, 1, &it[k].i);
        }
        qsort(it, (size_t)r.length, sizeof *it, compare);
        for (int64_t k = 0; k < r.length; k++) {
            memcpy(element(c->out[0], start + k * r.inner),
                   element(x, start + it[k].from * r.inner), dtype_bytes(x->dtype));
            eval_store_i64(DT_I64, c->out[1]->data, start + k * r.inner, 1, &it[k].from);
        }
    }
    return true;
}

// Reductions over dimensions and over windows. Floats are kept in double in index order and rounded
// once.
#include <math.h>
#include <string.h>

#include "eval_num.h"
#include "eval_op.h"

enum { BLOCK = 512 };

struct acc { // one result in the making
    double f;
    int64_t i;
    int64_t where; // argmax, argmin
    bool any;
};

static bool is_arg(enum reduce_fn fn)
{
    return fn == RFN_argmax || fn == RFN_argmin;
}

static struct acc acc_start(enum reduce_fn fn, enum dtype t)
{
    struct acc a = {0};
    bool lowest = fn == RFN_max || fn == RFN_argmax, highest = fn == RFN_min || fn == RFN_argmin;
    if (fn == RFN_prod || fn == RFN_and)
        a = (struct acc){.f = 1, .i = 1};
    if (lowest || highest)
        a.f = lowest ? -INFINITY : INFINITY;
    if (dtype_is_int(t) && (lowest || highest))
        a.i = lowest ? eval_int_min(t) : (int64_t)eval_int_max(t);
    return a;
}

// A NaN wins over everything before it and nothing wins over it.
static bool better_f64(double v, double best, bool want_larger)
{
    if (best != best)
        return false;
    return v != v || (want_larger ? v > best : v < best);
}

static void take_f64(struct acc *a, enum reduce_fn fn, double v, int64_t where)
{
    switch (fn) {
    case RFN_sum: a->f += v; break;
    case RFN_prod: a->f *= v; break;
    case RFN_and: a->i &= v != 0; break;
    case RFN_or: a->i |= v != 0; break;
    default:
        if (!a->any || better_f64(v, a->f, fn == RFN_max || fn == RFN_argmax)) {
            a->f = v;
            a->where = where;
        }
    }
    a->any = true;
}

static void take_i64(struct acc *a, enum reduce_fn fn, bool u, int64_t v, int64_t where)
{
    switch (fn) {
    case RFN_sum: a->i = (int64_t)((uint64_t)a->i + (uint64_t)v); break;
    case RFN_prod: a->i = (int64_t)((uint64_t)a->i * (uint64_t)v); break;
    case RFN_and: a->i &= v != 0; break;
    case RFN_or: a->i |= v != 0; break;
    default: {
        bool larger = u ? (uint64_t)v > (uint64_t)a->i : v > a->i;
        bool want_larger = fn == RFN_max || fn == RFN_argmax;
        if (!a->any || (v != a->i && larger == want_larger)) {
            a->i = v;
            a->where = where;
        }
    }
    }
    a->any = true;
}

static void store(const struct acc *a, enum reduce_fn fn, enum dtype from, struct tensor *y,
                  int64_t at)
{
    if (is_arg(fn))
        eval_store_i64(y->dtype, y->data, at, 1, &a->where);
    else if (dtype_is_float(from) && dtype_is_float(y->dtype))
        eval_store_f64(y->dtype, y->data, at, 1, &a->f);
    else
        eval_store_i64(y->dtype, y->data, at, 1, &a->i);
}

static bool check_number(const struct eval_call *c)
{
    enum dtype t = c->in[0]->dtype;
    if (dtype_is_float(t) || dtype_is_int(t))
        return true;
    return diag_report(c->diag, c->op->loc, DIAG_IR_TYPE, "%s has no meaning for %s",
                       ir_op_info[c->op->op].text, dtype_text(t));
}

// ---- Over dimensions: the operand is walked in its own order, every element goes to its result.

struct walk {
    int rank;
    int64_t dim[IR_MAX_RANK], index[IR_MAX_RANK];
    int64_t to[IR_MAX_RANK];    // steps in the results, 0 where reduced
    int64_t where[IR_MAX_RANK]; // steps in the reduced space, 0 where kept
};

static struct walk walk_of(const struct ir_op *op, const struct tensor *x)
{
    struct walk w = {.rank = x->rank};
    int n;
    const int64_t *axes = ir_ints(op, IR_A_axes, &n);
    bool reduced[IR_MAX_RANK] = {false};
    int64_t kept_size = 1, reduced_size = 1;
    memcpy(w.dim, x->dim, sizeof w.dim);
    for (int i = 0; i < n; i++)
        reduced[axes[i]] = true;
    for (int d = x->rank - 1; d >= 0; d--) {
        int64_t *size = reduced[d] ? &reduced_size : &kept_size;
        w.to[d] = reduced[d] ? 0 : kept_size;
        w.where[d] = reduced[d] ? reduced_size : 0;
        *size *= x->dim[d];
    }
    if (w.rank == 0) {
        w.rank = 1;
        w.dim[0] = 1;
    }
    return w;
}

static void take_run(const struct tensor *x, enum reduce_fn fn, struct acc *acc, int64_t from,
                     int64_t n, int64_t to_step, int64_t where, int64_t where_step)
{
    double f[BLOCK];
    int64_t w[BLOCK];
    bool is_float = dtype_is_float(x->dtype), u = eval_is_unsigned(x->dtype);
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t m = n - i < BLOCK ? n - i : BLOCK;
        if (is_float)
            eval_load_f64(x->dtype, x->data, from + i, 1, m, f);
        else
            eval_load_i64(x->dtype, x->data, from + i, 1, m, w);
        for (int64_t k = 0; k < m; k++) {
            struct acc *a = &acc[(i + k) * to_step];
            if (is_float)
                take_f64(a, fn, f[k], where + (i + k) * where_step);
            else
                take_i64(a, fn, u, w[k], where + (i + k) * where_step);
        }
    }
}

bool eval_op_REDUCE(const struct eval_call *c)
{
    enum reduce_fn fn = (enum reduce_fn)ir_int(c->op, IR_A_fn_reduce, 0);
    const struct tensor *x = c->in[0];
    struct tensor *y = c->out[0];
    int64_t results = tensor_elems(y), total = tensor_elems(x), to = 0, where = 0;
    if (!check_number(c))
        return false;
    struct acc *acc = ARENA_ARRAY(c->scratch, (size_t)results, struct acc);
    for (int64_t i = 0; i < results; i++)
        acc[i] = acc_start(fn, x->dtype);
    struct walk w = walk_of(c->op, x);
    int last = w.rank - 1;
    for (int64_t at = 0; at < total; at += w.dim[last]) {
        take_run(x, fn, &acc[to], at, w.dim[last], w.to[last], where, w.where[last]);
        for (int d = last - 1; d >= 0; d--) {
            to += w.to[d];
            where += w.where[d];
            if (++w.index[d] < w.dim[d])
                break;
            to -= w.to[d] * w.dim[d];
            where -= w.where[d] * w.dim[d];
            w.index[d] = 0;
        }
    }
    for (int64_t i = 0; i < results; i++)
        store(&acc[i], fn, x->dtype, y, i);
    return true;
}

// ---- Over windows

enum { AXES = 3 };

struct windows { // three spatial dimensions, the outer ones of extent 1 where the operand has fewer
    int64_t in[AXES], out[AXES], kernel[AXES], stride[AXES], dilation[AXES], pad[AXES];
    int64_t step[AXES]; // of the operand, in elements
};
struct taps { // the part of a window that lies inside the operand: tap numbers first .. last - 1
              // per axis
    int64_t first[AXES], last[AXES], origin[AXES];
};
struct plane { // of the operand, one of the two is in use
    const double *f;
    const int64_t *i;
    bool is_unsigned;
};

static struct windows windows_of(const struct eval_call *c)
{
    struct windows w;
    int n, spatial = c->in[0]->rank - 2;
    const int64_t *kernel = ir_ints(c->op, IR_A_kernel, &n),
                  *strides = ir_ints(c->op, IR_A_strides, &n);
    const int64_t *dilations = ir_ints(c->op, IR_A_dilations, &n),
                  *pads = ir_ints(c->op, IR_A_pads, &n);
    int64_t step = 1;
    for (int a = AXES - 1; a >= 0; a--) {
        int d = a - (AXES - spatial);
        bool there = d >= 0;
        w.in[a] = there ? c->in[0]->dim[d + 2] : 1;
        w.out[a] = there ? c->out[0]->dim[d + 2] : 1;
        w.kernel[a] = there ? kernel[d] : 1;
        w.stride[a] = there ? strides[d] : 1;
        w.dilation[a] = there ? dilations[d] : 1;
        w.pad[a] = there ? pads[d] : 0;
        w.step[a] = step;
        step *= w.in[a];
    }
    return w;
}

static void clip_taps(const struct windows *w, int a, int64_t position, struct taps *t)
{
    int64_t origin = position * w->stride[a] - w->pad[a], k = 0, end = w->kernel[a];
    while (k < end && origin + k * w->dilation[a] < 0)
        k++;
    while (end > k && origin + (end - 1) * w->dilation[a] >= w->in[a])
        end--;
    t->origin[a] = origin;
    t->first[a] = k;
    t->last[a] = end;
}

static void take_window(const struct windows *w, const struct taps *t, enum reduce_fn fn,
                        const struct plane *p, struct acc *acc)
{
    for (int64_t z = t->first[0]; z < t->last[0]; z++)
        for (int64_t y = t->first[1]; y < t->last[1]; y++) {
            int64_t row = (t->origin[0] + z * w->dilation[0]) * w->step[0] +
                          (t->origin[1] + y * w->dilation[1]) * w->step[1] + t->origin[2];
            int64_t tap = (z * w->kernel[1] + y) * w->kernel[2];
            for (int64_t x = t->first[2]; x < t->last[2]; x++)
                if (p->f)
                    take_f64(acc, fn, p->f[row + x * w->dilation[2]], tap + x);
                else
                    take_i64(acc, fn, p->is_unsigned, p->i[row + x * w->dilation[2]], tap + x);
        }
}

static void pool_plane(const struct windows *w, enum reduce_fn fn, const struct plane *p,
                       enum dtype from, struct tensor *y, int64_t at)
{
    struct taps t;
    for (int64_t i = 0; i < w->out[0]; i++) {
        clip_taps(w, 0, i, &t);
        for (int64_t j = 0; j < w->out[1]; j++) {
            clip_taps(w, 1, j, &t);
            for (int64_t k = 0; k < w->out[2]; k++) {
                clip_taps(w, 2, k, &t);
                struct acc acc = acc_start(fn, from);
                take_window(w, &t, fn, p, &acc);
                store(&acc, fn, from, y, at++);
            }
        }
    }
}

bool eval_op_POOL(const struct eval_call *c)
{
    enum reduce_fn fn = (enum reduce_fn)ir_int(c->op, IR_A_fn_reduce, 0);
    const struct tensor *x = c->in[0];
    struct tensor *y = c->out[0];
    if (!check_number(c))
        return false;
    struct windows w = windows_of(c);
    int64_t positions = w.out[0] * w.out[1] * w.out[2], size = w.in[0] * w.in[1] * w.in[2];
    int64_t planes = x->dim[0] * x->dim[1];
    double *f = NULL;
    int64_t *v = NULL;
    if (dtype_is_float(x->dtype))
        f = ARENA_ARRAY(c->scratch, (size_t)size + 1, double);
    else
        v = ARENA_ARRAY(c->scratch, (size_t)size + 1, int64_t);
    for (int64_t q = 0; q < planes; q++) {
        if (f)
            eval_load_f64(x->dtype, x->data, q * size, 1, size, f);
        else
            eval_load_i64(x->dtype, x->data, q * size, 1, size, v);
        struct plane p = {f, v, eval_is_unsigned(x->dtype)};
        pool_plane(&w, fn, &p, x->dtype, y, q * positions);
    }
    return true;
}

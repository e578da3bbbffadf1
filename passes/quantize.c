// quantize: every MAC op gets a kind of numbers.
//
// Fixed point, symmetric. Weights: per output channel (or tensor) the largest magnitude becomes
// 2^(b-1) - 1 steps. Activations: per value the largest magnitude seen in calibration does. Values
// that are only moved around on their way from one MAC op to another (max pooling, reshapes,
// concatenations ..) share one step, so that fuse-requant can let the first op make the integers
// that the last one reads. One bit: -1 and +1, times the mean magnitude.
// fp16 converts operands to f16, fp32 anything else to f32; results keep their type.
#include <float.h>
#include <math.h>

#include "calibrate.h"
#include "index.h"
#include "limbs.h"
#include "macops.h"
#include "pass.h"
#include "walks.h"
#include "weights.h"

// Forms of an operand: integers; integers without the lowest; another float type; integers of
// constant weights.
enum form { AS_QUANTISED, AS_HELD, AS_FLOAT, AS_WEIGHTS };
struct made { // an operand in another form
    enum form form;
    int64_t key; // bits; the element type; bits and the layout of channels
    struct ir_value *value;
    const double *step; // AS_WEIGHTS: value of one step per channel
    struct made *next;
};
struct node {   // of a value
    int parent; // of its class: values that share a step
    bool wanted;
    struct calib_range range; // of the class, at its root
    struct made *made;
};
struct quantize {
    struct pass_ctx *ctx;
    struct ir_graph *graph;
    struct index index; // value -> node
    struct node *nodes;
    struct ir_op **macs; // those that have no mode yet
    int num_values, num_macs;
    struct walks *walks; // NULL: nobody wants to know
    size_t read;         // bytes of weights, since memory was released
};

// The one place that decides a layer's precision.
static struct pass_precision precision_of(const struct quantize *q, const struct ir_op *op)
{
    (void)op;
    return q->ctx->opt->precision;
}

// ---- Values and classes

static void number_value(struct quantize *q, const struct ir_value *v)
{
    index_set(&q->index, v, q->num_values);
    q->nodes[q->num_values].parent = q->num_values;
    q->num_values++;
}

static void number_values(struct quantize *q)
{
    size_t n = (size_t)q->graph->num_inputs, macs = 0;
    for (const struct ir_op *op = q->graph->first; op; op = op->next) {
        n += (size_t)op->num_out;
        macs += ir_is_mac(op);
    }
    index_create(&q->index, n, q->ctx->scratch);
    q->nodes = ARENA_ARRAY(q->ctx->scratch, n + 1, struct node);
    q->macs = ARENA_ARRAY(q->ctx->scratch, macs + 1, struct ir_op *);
    for (int i = 0; i < q->graph->num_inputs; i++)
        number_value(q, q->graph->inputs[i]);
    for (const struct ir_op *op = q->graph->first; op; op = op->next)
        for (int i = 0; i < op->num_out; i++)
            number_value(q, op->out[i]);
}

static int class_of(const struct quantize *q, int i)
{
    while (q->nodes[i].parent != i) {
        q->nodes[i].parent = q->nodes[q->nodes[i].parent].parent;
        i = q->nodes[i].parent;
    }
    return i;
}

// Of two classes the one met first in the graph stays the root.
static void join(struct quantize *q, const struct ir_value *a, const struct ir_value *b)
{
    int x = class_of(q, index_get(&q->index, a)), y = class_of(q, index_get(&q->index, b));
    q->nodes[x > y ? x : y].parent = x > y ? y : x;
}

static bool only_moves(const struct ir_op *op)
{
    switch (op->op) {
    case IR_OP_RESHAPE:
    case IR_OP_TRANSPOSE:
    case IR_OP_SLICE:
    case IR_OP_GATHER:
    case IR_OP_CONCAT: return true;
    case IR_OP_PAD: return ir_float(op, IR_A_value, 0) == 0;
    case IR_OP_POOL: return ir_int(op, IR_A_fn_reduce, -1) == RFN_max;
    default: return false;
    }
}

static void join_classes(struct quantize *q)
{
    for (const struct ir_op *op = q->graph->first; op; op = op->next) {
        if (!only_moves(op))
            continue;
        int operands = op->op == IR_OP_GATHER ? 1 : op->num_in;
        for (int i = 0; i < operands; i++)
            if (!ir_const_data(op->in[i]))
                join(q, op->in[i], op->out[0]);
    }
}

static struct node *node_of(const struct quantize *q, const struct ir_value *v)
{
    int i = index_get(&q->index, v);
    return i < 0 ? NULL : &q->nodes[i];
}

// ---- Ranges

static void want(struct quantize *q, const struct ir_value *v, struct ir_value **list, int *n)
{
    struct node *node = node_of(q, v);
    if (ir_const_data(v) || node->wanted)
        return;
    node->wanted = true;
    list[(*n)++] = (struct ir_value *)v;
}

static void merge_range(struct calib_range *to, const struct calib_range *from)
{
    to->absmax = fmax(to->absmax, from->absmax);
    to->sum += from->sum;
    to->count += from->count;
}

static void watch_walks(void *user, const struct ir_value *v, const struct tensor *t)
{
    walks_watch(user, v, t);
}

// Of ops that are to be in fixed point, and of those that are, on integers of the model.
static bool start_walks(struct quantize *q)
{
    int n = 0, all = 0;
    if (q->ctx->opt->distill != PASS_DISTILL_AUTO)
        return true;
    for (struct ir_op *op = q->graph->first; op; op = op->next)
        all += ir_is_mac(op);
    struct ir_op **ops = ARENA_ARRAY(q->ctx->scratch, (size_t)all + 1, struct ir_op *);
    for (struct ir_op *op = q->graph->first; op; op = op->next)
        if (ir_is_mac(op) &&
            (dtype_is_int(op->in[0]->type.dtype) || precision_of(q, op).mode == IR_MODE_FIXED))
            ops[n++] = op;
    return n == 0 || walks_create(q->ctx, ops, n, &q->walks);
}

// Of ops whose operands were integers all along.
static void finish_walks(struct quantize *q)
{
    for (struct ir_op *op = q->graph->first; op && q->walks; op = op->next)
        if (ir_is_mac(op) && ir_int(op, IR_A_mode, IR_MODE_FP32) == IR_MODE_FIXED &&
            !ir_has_attr(op, IR_A_walks))
            walks_finish(q->walks, op, 1);
}

static bool measure(struct quantize *q)
{
    int n = 0;
    struct ir_value **list =
        ARENA_ARRAY(q->ctx->scratch, (size_t)q->num_values + 1, struct ir_value *);
    for (int i = 0; i < q->num_macs; i++) {
        if (precision_of(q, q->macs[i]).mode != IR_MODE_FIXED ||
            dtype_is_int(q->macs[i]->in[0]->type.dtype))
            continue;
        want(q, q->macs[i]->in[0], list, &n);
        want(q, q->macs[i]->in[1], list, &n);
    }
    struct calib_range *ranges = ARENA_ARRAY(q->ctx->scratch, (size_t)n + 1, struct calib_range);
    if (!start_walks(q) ||
        !calibrate_ranges(q->ctx, list, n, ranges, q->walks ? watch_walks : NULL, q->walks))
        return false;
    join_classes(q);
    for (int i = 0; i < n; i++)
        merge_range(&q->nodes[class_of(q, index_get(&q->index, list[i]))].range, &ranges[i]);
    return true;
}

static struct calib_range range_of(struct quantize *q, const struct ir_value *v)
{
    struct calib_range r = {0};
    if (!ir_const_data(v))
        return q->nodes[class_of(q, index_get(&q->index, v))].range;
    const double *x = const_numbers(v, q->ctx->scratch);
    int64_t n = ir_type_elems(&v->type);
    for (int64_t i = 0; i < n; i++) {
        r.absmax = fmax(r.absmax, fabs(x[i]));
        r.sum += fabs(x[i]);
        r.count++;
    }
    return r;
}

static double top_step(int bits)
{
    return bits == 1 ? 1 : ldexp(1, bits - 1) - 1;
}

// Steps per unit.
static float steps_per_unit(const struct calib_range *r, int bits)
{
    if (bits == 1 || r->absmax == 0)
        return 1;
    double q = top_step(bits) / r->absmax;
    return q > (double)FLT_MAX ? FLT_MAX : q < (double)FLT_MIN ? FLT_MIN : (float)q;
}

// Value of one step of an activation.
static double step_of(struct quantize *q, const struct ir_value *v, int bits)
{
    struct calib_range r = range_of(q, v);
    if (bits == 1)
        return r.count && r.sum > 0 ? r.sum / (double)r.count : 1;
    return 1 / (double)steps_per_unit(&r, bits);
}

// ---- Operands in another form, made once per value

static const struct made *find_made(const struct quantize *q, const struct ir_value *v,
                                    enum form form, int64_t key)
{
    const struct node *n = node_of(q, v);
    for (const struct made *m = n ? n->made : NULL; m; m = m->next)
        if (m->form == form && m->key == key)
            return m;
    return NULL;
}

// Returns `made`; NULL passes through.
static struct ir_value *note_made(struct quantize *q, const struct ir_value *v, enum form form,
                                  int64_t key, struct ir_value *made, const double *step)
{
    struct node *n = node_of(q, v);
    if (!n || !made)
        return made;
    struct made *m = ARENA_NEW(q->ctx->scratch, struct made);
    *m = (struct made){form, key, made, step, n->made};
    n->made = m;
    return made;
}

static struct ir_builder builder_before(struct quantize *q, struct ir_op *op)
{
    return (struct ir_builder){
        .graph = q->graph, .before = op, .loc = op->loc, .diag = q->ctx->diag};
}

static struct ir_value *folded(struct quantize *q, struct ir_value *v)
{
    return v ? op_fold(q->ctx, v->def) : NULL;
}

static struct ir_value *as_float(struct quantize *q, struct ir_op *user, struct ir_value *v,
                                 enum dtype t)
{
    if (v->type.dtype == t)
        return v;
    if (v->def && v->def->op == IR_OP_CONVERT && v->def->in[0]->type.dtype == t &&
        dtype_info[t].bits < dtype_info[v->type.dtype].bits)
        return v->def->in[0]; // there and back
    const struct made *made = find_made(q, v, AS_FLOAT, t);
    if (made)
        return made->value;
    struct ir_builder b = builder_before(q, ir_place_for(v, user));
    return note_made(q, v, AS_FLOAT, t, folded(q, irb_convert(&b, v, t, false)), NULL);
}

static struct ir_value *quantize_op(struct quantize *q, struct ir_op *user, struct ir_value *v,
                                    float steps, int bits)
{
    char *name = arena_printf(q->ctx->scratch, "%s.q", v->name);
    struct ir_op *op =
        ir_op_create(q->graph, ir_place_for(v, user), IR_OP_QUANTIZE, user->loc, &v, 1, 1, name);
    ir_set_float(op, IR_A_q, (double)steps);
    ir_set_int(op, IR_A_bits, bits);
    return ir_infer(op, q->ctx->diag) ? op_fold(q->ctx, op) : NULL;
}

static struct ir_value *quantised(struct quantize *q, struct ir_op *user, struct ir_value *v,
                                  int bits)
{
    const struct made *made = find_made(q, v, AS_QUANTISED, bits);
    if (made)
        return made->value;
    struct calib_range r = range_of(q, v);
    struct ir_value *f = as_float(q, user, v, DT_F32);
    f = f ? quantize_op(q, user, f, steps_per_unit(&r, bits), bits) : NULL;
    return note_made(q, v, AS_QUANTISED, bits, f, NULL);
}

// The lowest number that stays above -2^(bits-1) steps: sign and magnitude have no such value.
static float lowest_held(float steps, int bits)
{
    float low = (float)(-top_step(bits) / (double)steps);
    while ((double)rintf(low * steps) < -top_step(bits))
        low = nextafterf(low, 0);
    return low;
}

// A stationary operand that is computed at run time.
static struct ir_value *quantised_held(struct quantize *q, struct ir_op *user, struct ir_value *v,
                                       int bits)
{
    if (bits == 1)
        return quantised(q, user, v, 1);
    const struct made *made = find_made(q, v, AS_HELD, bits);
    if (made)
        return made->value;
    struct calib_range r = range_of(q, v);
    float steps = steps_per_unit(&r, bits);
    struct ir_builder b = builder_before(q, ir_place_for(v, user));
    struct ir_value *f = as_float(q, user, v, DT_F32);
    if (f)
        f = irb_binary(&b, BFN_max, f, irb_const_f32(&b, (double)lowest_held(steps, bits)));
    f = f ? quantize_op(q, user, f, steps, bits) : NULL;
    return note_made(q, v, AS_HELD, bits, f, NULL);
}

// ---- Weights

// One bit: the mean magnitude. No magnitude at all: one.
static double step_for(const struct magnitudes *m, int bits)
{
    double v = bits == 1 ? m->sum / (double)m->count : m->top / top_step(bits);
    return v > 0 ? v : 1;
}

// Value of one step, for each output channel. False: a weight is infinite or no number.
static bool weight_steps(const struct weights *w, int bits, const struct pass_options *o,
                         double *step, int64_t channels, struct arena *a)
{
    struct magnitudes *own = ARENA_ARRAY(a, (size_t)channels + 1, struct magnitudes), all = {0};
    weights_measure(w, bits == 1, own, o->pool);
    for (int64_t c = 0; c < channels; c++) {
        all.top = own[c].top > all.top ? own[c].top : all.top;
        all.sum += own[c].sum;
        all.count += own[c].count;
    }
    for (int64_t c = 0; c < channels; c++)
        step[c] = step_for(o->per_tensor_scales ? &all : &own[c], bits);
    return isfinite(all.top);
}

// Ops with equal keys have their channels at the same places of the weights.
static int64_t layout_key(const struct ir_op *op, int bits)
{
    return ((ir_int(op, IR_A_group, 1) * IR_OP_NUM + (int64_t)op->op) * 2 +
            mac_stationary_index(op)) *
               32 +
           bits;
}

// Constant weights as integers, once for all ops that share them; *step: one number per channel.
static struct ir_value *quantised_weights(struct quantize *q, struct ir_op *op, struct ir_value *v,
                                          int bits, const double **step, struct arena *a)
{
    const struct made *made = find_made(q, v, AS_WEIGHTS, layout_key(op, bits));
    if (made) {
        *step = made->step;
        return made->value;
    }
    int64_t channels = mac_channel_count(op);
    struct weights w = weights_of(op, v);
    double *s = ARENA_ARRAY(q->ctx->scratch, (size_t)channels + 1, double);
    if (!weight_steps(&w, bits, q->ctx->opt, s, channels, a)) {
        diag_report(q->ctx->diag, op->loc, DIAG_PRECISION,
                    "weights %%%s hold an infinity or a NaN and have no fixed point", v->name);
        return NULL;
    }
    struct tensor *t =
        tensor_create(q->ctx->module->arena, ir_int_storage(bits), v->type.dim, v->type.rank);
    weights_to_steps(&w, s, bits, t, q->ctx->opt->pool);
    *step = s;
    struct ir_builder b = builder_before(q, op);
    struct ir_value *c = irb_const(&b, t, arena_printf(a, "%s.q", v->name));
    pass_release(q->ctx, &q->read, tensor_bytes(w.data)); // not before the new ones are held
    return note_made(q, v, AS_WEIGHTS, layout_key(op, bits), c, s);
}

// The steps of a stationary operand that is computed at run time: the same for every channel.
static const double *held_steps(struct quantize *q, const struct ir_op *op,
                                const struct ir_value *w, int bits)
{
    int64_t n = mac_channel_count(op);
    double *step = ARENA_ARRAY(q->ctx->scratch, (size_t)n + 1, double), one = step_of(q, w, bits);
    for (int64_t i = 0; i < n; i++)
        step[i] = one;
    return step;
}

// ---- Ops

static bool set_scale(struct quantize *q, struct ir_op *op, const double *step, double by)
{
    int64_t n = mac_channel_count(op);
    double *v = ARENA_ARRAY(q->ctx->scratch, (size_t)n + 1, double);
    for (int64_t i = 0; i < n; i++)
        v[i] = fmin(fmax(step[i] * by, (double)FLT_MIN), (double)FLT_MAX);
    struct ir_value *scale = const_make(
        q->ctx, op, DT_F32, &n, 1, v, arena_printf(q->ctx->scratch, "%s.scale", op->out[0]->name));
    if (!scale)
        return false;
    ir_op_add_operands(op, 4);
    ir_op_set_operand(op, 3, scale);
    return true;
}

static bool finish(struct quantize *q, struct ir_op *op, enum ir_mode mode, enum dtype plain,
                   enum dtype result)
{
    ir_set_int(op, IR_A_mode, mode);
    if (plain != result)
        ir_set_int(op, IR_A_to, result);
    return ir_infer(op, q->ctx->diag);
}

static bool make_fixed(struct quantize *q, struct ir_op *op, struct pass_precision p,
                       struct arena *a)
{
    int held = mac_stationary_index(op), moving = 1 - held;
    struct ir_value *w = op->in[held], *x = op->in[moving];
    enum dtype result = op->out[0]->type.dtype;
    const double *step = NULL;
    double unit = step_of(q, x, p.abits);
    struct ir_value *wq, *xq = quantised(q, op, x, p.abits);
    if (ir_const_data(w)) {
        wq = quantised_weights(q, op, w, p.wbits, &step, a);
    } else {
        step = held_steps(q, op, w, p.wbits);
        wq = quantised_held(q, op, w, p.wbits);
    }
    if (!wq || !xq || !set_scale(q, op, step, unit))
        return false;
    ir_op_set_operand(op, held, wq);
    ir_op_set_operand(op, moving, xq);
    ir_set_int(op, IR_A_wbits, p.wbits);
    ir_set_int(op, IR_A_abits, p.abits);
    if (q->walks) {
        struct calib_range r = range_of(q, x);
        walks_finish(q->walks, op, (double)steps_per_unit(&r, p.abits));
    }
    return finish(q, op, IR_MODE_FIXED, DT_F32, result);
}

static bool make_float(struct quantize *q, struct ir_op *op, enum ir_mode mode)
{
    enum dtype t = mode == IR_MODE_FP16 ? DT_F16 : DT_F32, result = op->out[0]->type.dtype;
    for (int i = 0; i < 2; i++) {
        struct ir_value *v = as_float(q, op, op->in[i], t);
        if (!v)
            return false;
        ir_op_set_operand(op, i, v);
    }
    return finish(q, op, mode, t, result);
}

// The final packager adds biases in single precision.
static bool convert_bias(struct quantize *q, struct ir_op *op)
{
    struct ir_value *bias = ir_operand(op, 2);
    if (!bias)
        return true;
    if (!(bias = as_float(q, op, bias, DT_F32)))
        return false;
    ir_op_set_operand(op, 2, bias);
    return true;
}

static bool make_op(struct quantize *q, struct ir_op *op)
{
    struct pass_precision p = precision_of(q, op);
    if (dtype_is_int(op->in[0]->type.dtype))
        return limbs_lower(q->ctx, op);
    if (p.mode == IR_MODE_FP32 && op->in[0]->type.dtype == DT_F64)
        return limbs_lower_f64(q->ctx, op);
    if (!convert_bias(q, op))
        return false;
    if (p.mode != IR_MODE_FIXED)
        return make_float(q, op, p.mode);
    struct arena *a = arena_create();
    bool ok = make_fixed(q, op, p, a);
    arena_destroy(a);
    return ok;
}

// Weights whose other form is in use now.
static void erase_unused_consts(struct ir_graph *g)
{
    for (struct ir_op *op = g->first, *next; op; op = next) {
        next = op->next;
        if (op->op == IR_OP_CONST && op->out[0]->num_uses == 0 && !op->out[0]->is_output)
            ir_op_erase(op);
    }
}

bool pass_quantize(struct pass_ctx *ctx)
{
    struct quantize q = {.ctx = ctx, .graph = ctx->module->main};
    number_values(&q);
    for (struct ir_op *op = q.graph->first; op; op = op->next)
        if (ir_is_mac(op) && !ir_has_attr(op, IR_A_mode)) {
            mac_choose_stationary(op);
            q.macs[q.num_macs++] = op;
        }
    if (!measure(&q))
        return false;
    bool ok = true;
    for (int i = 0; i < q.num_macs; i++) {
        pass_step(ctx, i, q.num_macs);
        ok = make_op(&q, q.macs[i]) && ok;
    }
    finish_walks(&q);
    erase_unused_consts(q.graph);
    return ok;
}

// Result types from operand types and attributes: the shared checks, the dispatch and every op that
// is not a MAC op. Structure (operand counts, required attributes and their kinds) is checked
// before an op's function runs, so that the functions may rely on it whoever made the op.
#include "infer.h"

#include <stdarg.h>
#include <string.h>

// ---- Reports -----------------------------------------------------------------------------------

static bool at_node(const struct infer *in)
{
    const struct loc_table *locs = diag_locs(in->diag);
    return locs && loc_primary_node(locs, in->op->loc) != LOC_NONE;
}

__attribute__((format(printf, 4, 0))) static bool report(const struct infer *in,
                                                         enum diag_id node_id, enum diag_id text_id,
                                                         const char *fmt, va_list ap)
{
    const char *text = arena_vprintf(in->op->graph->module->arena, fmt, ap);
    return diag_report(in->diag, in->op->loc, at_node(in) ? node_id : text_id, "%s: %s",
                       ir_op_info[in->op->op].text, text);
}

#define DEFINE_REPORT(name, node_id, text_id)                                                      \
    bool name(const struct infer *in, const char *fmt, ...)                                        \
    {                                                                                              \
        va_list ap;                                                                                \
        va_start(ap, fmt);                                                                         \
        report(in, (node_id), (text_id), fmt, ap);                                                 \
        va_end(ap);                                                                                \
        return false;                                                                              \
    }
DEFINE_REPORT(infer_bad_shape, DIAG_ONNX_SHAPE, DIAG_IR_TYPE)
DEFINE_REPORT(infer_bad_type, DIAG_ONNX_TYPE, DIAG_IR_TYPE)
DEFINE_REPORT(infer_bad_attr, DIAG_ONNX_ATTR, DIAG_IR_ATTR)

// ---- Shared checks -----------------------------------------------------------------------------

const struct ir_type *infer_type(const struct infer *in, int i)
{
    if (i >= in->op->num_in || !in->op->in[i])
        bitlet_bug("%s: operand %d is absent", ir_op_info[in->op->op].text, i);
    return &in->op->in[i]->type;
}

const char *infer_text(const struct infer *in, int i)
{
    return ir_type_text(infer_type(in, i), in->op->graph->module->arena);
}

const int64_t *infer_ints(const struct infer *in, enum ir_attr_id id, int n, int64_t lo, int64_t hi)
{
    static const int64_t none[1];
    const struct ir_attr *a = ir_attr_find(in->op, id);
    if (!a) {
        infer_bad_attr(in, "%s is missing", ir_attr_text(id));
        return NULL;
    }
    if (a->n != n) {
        infer_bad_attr(in, "%s has %d numbers, %d are needed", ir_attr_text(id), a->n, n);
        return NULL;
    }
    for (int i = 0; i < n; i++)
        if (a->is[i] < lo || a->is[i] > hi) {
            infer_bad_attr(in, "%s[%d] is %lld, not in %lld..%lld", ir_attr_text(id), i,
                           (long long)a->is[i], (long long)lo, (long long)hi);
            return NULL;
        }
    return n ? a->is : none;
}

bool infer_set(const struct infer *in, int i, enum dtype t, const int64_t *dim, int rank)
{
    if (rank > IR_MAX_RANK)
        return infer_bad_shape(in, "the result would have rank %d, at most %d is handled", rank,
                               IR_MAX_RANK);
    int64_t n = dims_elems(dim, rank);
    if (n < 0 || n > IR_ELEMS_MAX)
        return infer_bad_shape(in, "the result %s would have more than 2^%d elements",
                               tensor_type_text(t, dim, rank, in->op->graph->module->arena),
                               IR_ELEMS_LOG2_MAX);
    in->out[i] = ir_type_make(t, dim, rank);
    return true;
}

bool infer_set_like(const struct infer *in, int i, enum dtype t, const struct ir_type *like)
{
    if (!infer_set(in, i, t, like->dim, like->rank))
        return false;
    memcpy(in->out[i].sym, like->sym, sizeof(like->sym));
    return true;
}

static bool set_like(const struct infer *in, enum dtype t, const struct ir_type *x)
{
    return infer_set_like(in, 0, t, x);
}

bool infer_static(const struct infer *in, int i, uint32_t mask)
{
    const struct ir_type *t = infer_type(in, i);
    for (int d = 0; d < t->rank; d++)
        if ((mask >> d & 1) && t->sym[d])
            return diag_report(in->diag, in->op->loc, DIAG_ONNX_DYNAMIC,
                               "%s: the extent of dimension %d of %s must be known when compiling; "
                               "fix the inputs' extents with --shape",
                               ir_op_info[in->op->op].text, d, infer_text(in, i));
    return true;
}

// Ops whose inference looks at symbols itself.
static bool handles_symbols(enum ir_opcode op)
{
    switch (op) {
    case IR_OP_UNARY:
    case IR_OP_BINARY:
    case IR_OP_SELECT:
    case IR_OP_CONVERT:
    case IR_OP_QUANTIZE:
    case IR_OP_REDUCE:
    case IR_OP_POOL:
    case IR_OP_CONV:
    case IR_OP_MATMUL:
    case IR_OP_RESHAPE:
    case IR_OP_TRANSPOSE:
    case IR_OP_SLICE:
    case IR_OP_CONCAT:
    case IR_OP_PAD:
    case IR_OP_BROADCAST:
    case IR_OP_GATHER:
    case IR_OP_GATHER_ELEMENTS:
    case IR_OP_SCATTER:
    case IR_OP_SCAN:
    case IR_OP_SORT:
    case IR_OP_BITCAST:
    case IR_OP_FIT:
    case IR_OP_HOST:
    case IR_OP_LOOP_BEGIN:
    case IR_OP_LOOP_END:
    case IR_OP_ELSE_BEGIN:
    case IR_OP_IF_END:
    case IR_OP_EXTENT: return true;
    default: return false;
    }
}

static bool check_symbols(const struct infer *in)
{
    for (int i = 0; !handles_symbols(in->op->op) && i < in->op->num_in; i++)
        if (in->op->in[i] && !infer_static(in, i, UINT32_MAX))
            return false;
    return true;
}

int64_t infer_window(int64_t extent, int64_t pads, int64_t kernel, int64_t stride, int64_t dilation)
{
    int64_t span = extent + pads - (dilation * (kernel - 1) + 1);
    return span < 0 ? -1 : span / stride + 1;
}

// ---- Structure ---------------------------------------------------------------------------------

// Of a variadic op every operand counts, but a host kernel may leave any out and a loop has
// conditions only if it needs them.
static bool may_be_absent(const struct ir_op *op, int i)
{
    const struct ir_op_info *info = &ir_op_info[op->op];
    if (op->op == IR_OP_LOOP_BEGIN || op->op == IR_OP_LOOP_END)
        return i < info->in_min;
    return i >= info->in_min && (info->in_max >= 0 || op->op == IR_OP_HOST);
}

static bool check_operands(const struct infer *in)
{
    const struct ir_op *op = in->op;
    const struct ir_op_info *info = &ir_op_info[op->op];
    if (op->num_in < info->in_min)
        return diag_report(in->diag, op->loc, DIAG_IR_OP,
                           "%s has %d operands, at least %d %s needed", info->text, op->num_in,
                           info->in_min, info->in_min == 1 ? "is" : "are");
    if (info->in_max >= 0 && op->num_in > info->in_max)
        return diag_report(in->diag, op->loc, DIAG_IR_OP, "%s has %d operands, at most %d %s taken",
                           info->text, op->num_in, info->in_max, info->in_max == 1 ? "is" : "are");
    if (info->outs >= 0 && op->num_out != info->outs)
        return diag_report(in->diag, op->loc, DIAG_IR_OP, "%s has %d results, %d are needed",
                           info->text, op->num_out, info->outs);
    for (int i = 0; i < op->num_in; i++) {
        if (!op->in[i] && !may_be_absent(op, i))
            return diag_report(in->diag, op->loc, DIAG_IR_OP, "%s: operand %d is absent",
                               info->text, i);
        if (op->in[i] && !op->in[i]->type.known)
            return infer_bad_type(in, "the type of operand %d, %%%s, is not known", i,
                                  op->in[i]->name);
    }
    return true;
}

static bool check_required(const struct infer *in)
{
    bool required;
    for (int id = 0; id < IR_A_NUM; id++)
        if (ir_op_has_attr(in->op->op, (enum ir_attr_id)id, &required) && required &&
            !ir_has_attr(in->op, (enum ir_attr_id)id))
            return infer_bad_attr(in, "attribute %s is missing", ir_attr_text((enum ir_attr_id)id));
    return true;
}

bool ir_infer_types(const struct ir_op *op, struct ir_type *out, struct diag *d)
{
    static bool (*const INFER[IR_OP_NUM])(struct infer *) = {
#define IR_OP(ENUM, text, in_min, in_max, outs, TRAITS, doc) [IR_OP_##ENUM] = ir_infer_##ENUM,
#include "ops.def"
    };
    struct infer in = {.op = op, .out = out, .diag = d};
    return check_operands(&in) && check_required(&in) && check_symbols(&in) && INFER[op->op](&in);
}

bool ir_infer(struct ir_op *op, struct diag *d)
{
    enum { FEW = 4 };
    struct ir_type few[FEW] = {{0}}, *types = few;
    if (op->num_out > FEW)
        types = ARENA_ARRAY(op->graph->module->arena, (size_t)op->num_out, struct ir_type);
    if (!ir_infer_types(op, types, d))
        return false;
    for (int i = 0; i < op->num_out; i++) {
        op->out[i]->type = types[i];
        for (int k = 0; k < types[i].rank; k++)
            if (types[i].sym[k])
                types[i].sym[k]->is_extent = true;
    }
    return true;
}

// ---- Constants and host calls ------------------------------------------------------------------

bool ir_infer_CONST(struct infer *in)
{
    const struct tensor *t = in->op->data;
    if (!t)
        return diag_report(in->diag, in->op->loc, DIAG_IR_DATA, "const %%%s has no data",
                           in->op->out[0]->name);
    if (t->rank < 0 || t->rank > IR_MAX_RANK)
        bitlet_bug("constant %s of rank %d", in->op->out[0]->name, t->rank);
    return infer_set(in, 0, t->dtype, t->dim, t->rank);
}

// Only the maker of a host call knows its results.
bool ir_infer_HOST(struct infer *in)
{
    for (int i = 0; i < in->op->num_out; i++) {
        const struct ir_type *t = &in->op->out[i]->type;
        if (!t->known)
            return infer_bad_type(in, "result %d needs a type", i);
        struct ir_type own = *t;
        if (!infer_set_like(in, i, own.dtype, &own))
            return false;
    }
    return true;
}

bool ir_infer_CHECK(struct infer *in)
{
    const struct ir_type *c = infer_type(in, 0);
    return (c->dtype == DT_BOOL && c->rank == 0) ||
           infer_bad_type(in, "the condition is %s, a bool scalar is needed", infer_text(in, 0));
}

// ---- Element-wise ------------------------------------------------------------------------------

static bool is_number(enum dtype t)
{
    enum dtype_kind k = dtype_info[t].kind;
    return k == DTK_F || k == DTK_I || k == DTK_U;
}

static bool is_plain_int(enum dtype t)
{
    return dtype_is_int(t) && t != DT_BOOL;
}

enum domain { ANY_NUMBER, FLOAT_ONLY, INT_ONLY, BOOL_ONLY, COMPARABLE };

static bool check_domain(const struct infer *in, int operand, enum domain dom, const char *fn)
{
    enum dtype t = infer_type(in, operand)->dtype;
    bool ok = false;
    const char *want = "";
    switch (dom) {
    case ANY_NUMBER: ok = is_number(t), want = "a number"; break;
    case FLOAT_ONLY: ok = dtype_is_float(t), want = "a float"; break;
    case INT_ONLY: ok = is_plain_int(t), want = "an integer"; break;
    case BOOL_ONLY: ok = t == DT_BOOL, want = "a bool"; break;
    case COMPARABLE: ok = is_number(t) || t == DT_BOOL, want = "a number or bool"; break;
    }
    return ok || infer_bad_type(in, "%s takes %s, operand %d is %s", fn, want, operand,
                                infer_text(in, operand));
}

static enum domain unary_domain(enum unary_fn fn)
{
    switch (fn) {
    case UFN_neg:
    case UFN_abs:
    case UFN_sign: return ANY_NUMBER;
    case UFN_not: return BOOL_ONLY;
    case UFN_bitnot: return INT_ONLY;
    default: return FLOAT_ONLY;
    }
}

bool ir_infer_UNARY(struct infer *in)
{
    int64_t fn = ir_int(in->op, IR_A_fn_unary, -1);
    if (fn < 0 || fn >= UFN_NUM || !unary_fn_info[fn].name)
        return infer_bad_attr(in, "no unary function has number %lld", (long long)fn);
    const struct ir_type *x = infer_type(in, 0);
    return check_domain(in, 0, unary_domain((enum unary_fn)fn), unary_fn_info[fn].name) &&
           set_like(in, unary_fn_gives_bool((enum unary_fn)fn) ? DT_BOOL : x->dtype, x);
}

static enum domain binary_domain(enum binary_fn fn)
{
    switch (fn) {
    case BFN_and:
    case BFN_or:
    case BFN_xor: return BOOL_ONLY;
    case BFN_bitand:
    case BFN_bitor:
    case BFN_bitxor:
    case BFN_shl:
    case BFN_shr: return INT_ONLY;
    case BFN_atan2: return FLOAT_ONLY;
    case BFN_eq:
    case BFN_ne: return COMPARABLE;
    default: return ANY_NUMBER;
    }
}

static bool check_same_type(const struct infer *in, int a, int b)
{
    return infer_type(in, a)->dtype == infer_type(in, b)->dtype ||
           infer_bad_type(in, "operand types differ: %s and %s", infer_text(in, a),
                          infer_text(in, b));
}

bool ir_infer_BINARY(struct infer *in)
{
    int64_t fn = ir_int(in->op, IR_A_fn_binary, -1);
    if (fn < 0 || fn >= BFN_NUM || !binary_fn_info[fn].name)
        return infer_bad_attr(in, "no binary function has number %lld", (long long)fn);
    const struct ir_type *a = infer_type(in, 0), *b = infer_type(in, 1);
    struct ir_type all;
    if (!check_same_type(in, 0, 1) ||
        !check_domain(in, 0, binary_domain((enum binary_fn)fn), binary_fn_info[fn].name))
        return false;
    if (!ir_broadcast_types(a, b, &all))
        return infer_bad_shape(in, "%s and %s do not broadcast", infer_text(in, 0),
                               infer_text(in, 1));
    return set_like(in, binary_fn_gives_bool((enum binary_fn)fn) ? DT_BOOL : a->dtype, &all);
}

bool ir_infer_SELECT(struct infer *in)
{
    const struct ir_type *c = infer_type(in, 0), *a = infer_type(in, 1), *b = infer_type(in, 2);
    if (c->dtype != DT_BOOL)
        return infer_bad_type(in, "the condition is %s, a bool is needed", infer_text(in, 0));
    if (!check_same_type(in, 1, 2))
        return false;
    struct ir_type ab, all;
    if (!ir_broadcast_types(a, b, &ab) || !ir_broadcast_types(c, &ab, &all))
        return infer_bad_shape(in, "%s, %s and %s do not broadcast", infer_text(in, 0),
                               infer_text(in, 1), infer_text(in, 2));
    return set_like(in, a->dtype, &all);
}

bool ir_infer_CONVERT(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0);
    enum dtype to = (enum dtype)ir_int(in->op, IR_A_to, 0);
    int64_t round = ir_int(in->op, IR_A_round, 0), saturate = ir_int(in->op, IR_A_saturate, 0);
    int64_t bits = ir_int(in->op, IR_A_bits, 24);
    if (round < 0 || round > 3)
        return infer_bad_attr(in, "round is %lld, not in 0..3", (long long)round);
    if (saturate < 0 || saturate > 1)
        return infer_bad_attr(in, "saturate is %lld, not 0 or 1", (long long)saturate);
    if (bits < 1 || bits > 64)
        return infer_bad_attr(in, "bits is %lld, not in 1..64", (long long)bits);
    if (!(is_number(x->dtype) || x->dtype == DT_BOOL) || !(is_number(to) || to == DT_BOOL))
        return infer_bad_type(in, "%s cannot become %s", infer_text(in, 0), dtype_text(to));
    return set_like(in, to, x);
}

static int stored_bits(enum dtype t)
{
    return t == DT_BOOL ? 8 : dtype_info[t].bits;
}

bool ir_infer_BITCAST(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0);
    enum dtype to = (enum dtype)ir_int(in->op, IR_A_to, 0), from = x->dtype;
    if (from == DT_STR || from == DT_LANES || to == DT_STR || to == DT_LANES ||
        stored_bits(from) != stored_bits(to))
        return infer_bad_type(in, "the bits of %s cannot be taken for %s", infer_text(in, 0),
                              dtype_text(to));
    return set_like(in, to, x);
}

bool ir_infer_QUANTIZE(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0);
    int64_t bits = ir_int(in->op, IR_A_bits, 0);
    double q = ir_float(in->op, IR_A_q, 0);
    if (bits < 1 || bits > 24)
        return infer_bad_attr(in, "bits is %lld, not in 1..24", (long long)bits);
    if (!(q > 0))
        return infer_bad_attr(in, "q is %g, a positive number is needed", q);
    if (!dtype_is_float(x->dtype))
        return infer_bad_type(in, "x is %s, a float is needed", infer_text(in, 0));
    return set_like(in, ir_int_storage((int)bits), x);
}

// ---- Reductions and windows --------------------------------------------------------------------

bool infer_reduce(const struct infer *in, enum dtype *t)
{
    int64_t fn = ir_int(in->op, IR_A_fn_reduce, -1);
    if (fn < 0 || fn >= RFN_NUM || !reduce_fn_info[fn].name)
        return infer_bad_attr(in, "no reduce function has number %lld", (long long)fn);
    bool logic = fn == RFN_and || fn == RFN_or;
    if (!check_domain(in, 0, logic ? BOOL_ONLY : ANY_NUMBER, reduce_fn_info[fn].name))
        return false;
    *t = fn == RFN_argmax || fn == RFN_argmin ? DT_I64 : infer_type(in, 0)->dtype;
    return true;
}

bool ir_infer_REDUCE(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0);
    const struct ir_attr *axes = ir_attr_find(in->op, IR_A_axes);
    int64_t keep = ir_int(in->op, IR_A_keep, 0);
    int64_t fn = ir_int(in->op, IR_A_fn_reduce, -1);
    enum dtype t;
    if (!infer_reduce(in, &t))
        return false;
    if (keep < 0 || keep > 1)
        return infer_bad_attr(in, "keep is %lld, not 0 or 1", (long long)keep);
    struct ir_type y = {.known = true};
    int next = 0;
    for (int i = 0; i < x->rank; i++) {
        if (next == axes->n || axes->is[next] != i) {
            y.sym[y.rank] = x->sym[i];
            y.dim[y.rank++] = x->dim[i];
            continue;
        }
        if ((fn == RFN_argmax || fn == RFN_argmin) && x->dim[i] == 0)
            return infer_bad_shape(in, "%s over axis %d of %s, which is empty",
                                   reduce_fn_info[fn].name, i, infer_text(in, 0));
        next++;
        if (keep)
            y.dim[y.rank++] = 1;
    }
    if (next != axes->n)
        return infer_bad_attr(in, "axes[%d] is %lld; axes ascend and lie in 0..%d of %s", next,
                              (long long)axes->is[next], x->rank - 1, infer_text(in, 0));
    return set_like(in, t, &y);
}

int infer_spatial(const struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0);
    if (x->rank < 3 || x->rank > 5) {
        infer_bad_shape(in, "x is %s; a batch, channels and 1 to 3 spatial dimensions are needed",
                        infer_text(in, 0));
        return 0;
    }
    return x->rank - 2;
}

bool infer_window_attrs(const struct infer *in, int spatial, struct infer_windows *w)
{
    w->strides = infer_ints(in, IR_A_strides, spatial, 1, INFER_STEP_MAX);
    w->dilations = w->strides ? infer_ints(in, IR_A_dilations, spatial, 1, INFER_STEP_MAX) : NULL;
    w->pads = w->dilations ? infer_ints(in, IR_A_pads, 2 * spatial, -INFER_STEP_MAX, INFER_STEP_MAX)
                           : NULL;
    return w->pads != NULL;
}

bool infer_window_dims(const struct infer *in, int spatial, const struct infer_windows *w,
                       const int64_t *kernel, int64_t *dim)
{
    const struct ir_type *x = infer_type(in, 0);
    for (int i = 0; i < spatial; i++) {
        int64_t begin = w->pads[i], end = w->pads[spatial + i];
        dim[i] =
            infer_window(x->dim[2 + i], begin + end, kernel[i], w->strides[i], w->dilations[i]);
        if (dim[i] < 0)
            return infer_bad_shape(in,
                                   "spatial dimension %d: %lld elements of %s and pads %lld, %lld "
                                   "hold no window of %lld with dilation %lld",
                                   i, (long long)x->dim[2 + i], infer_text(in, 0), (long long)begin,
                                   (long long)end, (long long)kernel[i],
                                   (long long)w->dilations[i]);
    }
    return true;
}

bool ir_infer_POOL(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0);
    struct infer_windows w;
    enum dtype t;
    int spatial = infer_spatial(in);
    if (spatial == 0 || !infer_reduce(in, &t) || !infer_window_attrs(in, spatial, &w))
        return false;
    const int64_t *kernel = infer_ints(in, IR_A_kernel, spatial, 1, INFER_STEP_MAX);
    struct ir_type y = {.rank = x->rank, .dim = {x->dim[0], x->dim[1]}, .sym = {x->sym[0]}};
    return kernel && infer_static(in, 0, 2u) &&
           infer_window_dims(in, spatial, &w, kernel, y.dim + 2) && infer_extents(in, 1, &y) &&
           set_like(in, t, &y);
}

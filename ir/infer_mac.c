// Result types of the MAC ops: shapes first, then kinds of numbers, which the three share.
#include "infer.h"

#include <math.h>

// The stationary operand of a MAC op.
static int stationary_index(const struct ir_op *op)
{
    return op->op == IR_OP_MATMUL ? (int)ir_int(op, IR_A_stationary, 1) : 1;
}

// Type of an operand as the arithmetic sees it: packed weights have the extents they had before.
static bool operand_type(const struct infer *in, int i, struct ir_type *t)
{
    *t = *infer_type(in, i);
    if (t->dtype != DT_LANES)
        return true;
    if (i != stationary_index(in->op) || ir_int(in->op, IR_A_distill, 0) != 0)
        return infer_bad_type(in, "operand %d is packed but not stationary", i);
    ir_ints(in->op, IR_A_wshape, &t->rank);
    if (t->rank > IR_MAX_RANK)
        return infer_bad_attr(in, "wshape has %d extents, at most %d are handled", t->rank,
                              IR_MAX_RANK);
    const int64_t *dim = infer_ints(in, IR_A_wshape, t->rank, 0, IR_ELEMS_MAX);
    if (!dim)
        return false;
    int64_t elems = dims_elems(dim, t->rank);
    if (elems < 0 || elems > IR_ELEMS_MAX)
        return infer_bad_attr(in, "wshape has more than 2^%d elements", IR_ELEMS_LOG2_MAX);
    for (int k = 0; k < t->rank; k++)
        t->dim[k] = dim[k];
    return true;
}

// ---- Kinds of numbers --------------------------------------------------------------------------

static bool check_bits(const struct infer *in, enum ir_attr_id id)
{
    int64_t bits = ir_int(in->op, id, 0);
    return (bits >= 1 && bits <= 24) ||
           infer_bad_attr(in, "%s is %lld, 1 to 24 are needed", ir_attr_text(id), (long long)bits);
}

static bool check_mode(const struct infer *in, const struct ir_attr *mode)
{
    enum dtype x = infer_type(in, 0)->dtype, w = infer_type(in, 1)->dtype;
    bool packed = x == DT_LANES || w == DT_LANES;
    if (x == DT_LANES)
        x = w;
    if (w == DT_LANES)
        w = x;
    if (packed && !mode)
        return infer_bad_attr(in, "packed weights need a mode");
    bool ints = dtype_is_int(x) && x != DT_BOOL && dtype_is_int(w) && w != DT_BOOL;
    bool floats = dtype_is_float(x) && x == w;
    if (!mode)
        return ints || floats ||
               infer_bad_type(in, "%s and %s; floats of one type or integers are needed",
                              infer_text(in, 0), infer_text(in, 1));
    if (mode->i == IR_MODE_FIXED)
        return (ints || infer_bad_type(in, "mode fixed needs integers, not %s and %s",
                                       infer_text(in, 0), infer_text(in, 1))) &&
               check_bits(in, IR_A_wbits) && check_bits(in, IR_A_abits);
    enum dtype want = mode->i == IR_MODE_FP16 ? DT_F16 : DT_F32;
    return (x == want && w == want) ||
           infer_bad_type(in, "mode %s needs %s operands, not %s and %s", ir_mode_text(mode->i),
                          dtype_text(want), infer_text(in, 0), infer_text(in, 1));
}

// Operand 2 (bias) or 3 (scale).
static bool check_per_channel(const struct infer *in, int i, const char *what, enum dtype other,
                              int64_t channels)
{
    const struct ir_type *t = &in->op->in[i]->type;
    if (t->dtype != DT_F32 && t->dtype != other)
        return infer_bad_type(in, "the %s is %s, elements of %s are needed", what,
                              infer_text(in, i),
                              dtype_text(dtype_is_float(other) ? other : DT_F32));
    return (t->rank == 1 && t->dim[0] == channels) ||
           infer_bad_shape(in,
                           "the %s is %s, one number for each of %lld output channels is needed",
                           what, infer_text(in, i), (long long)channels);
}

// The element type before quantisation.
static enum dtype plain_result(const struct infer *in, bool fixed, bool scaled)
{
    enum dtype x = infer_type(in, infer_type(in, 0)->dtype == DT_LANES ? 1 : 0)->dtype;
    const struct ir_attr *to = ir_attr_find(in->op, IR_A_to);
    if (to)
        return (enum dtype)to->i;
    if (fixed && scaled)
        return DT_F32;
    if (fixed || (dtype_is_int(x) && dtype_info[x].bits <= 16))
        return DT_I32;
    return x;
}

// Clamp and quantisation of the result.
static bool check_tail(const struct infer *in, enum dtype *t)
{
    const struct ir_op *op = in->op;
    bool q = ir_has_attr(op, IR_A_q),
         clamp = ir_has_attr(op, IR_A_min) || ir_has_attr(op, IR_A_max);
    if (q != ir_has_attr(op, IR_A_qbits))
        return infer_bad_attr(in, "q and qbits go together");
    if (!dtype_is_float(*t) && (q || clamp))
        return infer_bad_attr(in, "an integer sum (%s) is neither clamped nor quantised",
                              dtype_text(*t));
    if (clamp && ir_float(op, IR_A_min, -INFINITY) > ir_float(op, IR_A_max, INFINITY))
        return infer_bad_attr(in, "min %g is above max %g", ir_float(op, IR_A_min, 0),
                              ir_float(op, IR_A_max, 0));
    if (!q)
        return true;
    if (!(ir_float(op, IR_A_q, 0) > 0))
        return infer_bad_attr(in, "q is %g, a positive number is needed", ir_float(op, IR_A_q, 0));
    *t = ir_int_storage((int)ir_int(op, IR_A_qbits, 0));
    return check_bits(in, IR_A_qbits);
}

// Outputs side by side; dilated taps would leave holes in a window.
static bool check_patch(const struct infer *in, int spatial, const struct ir_type *y)
{
    int n;
    const int64_t *patch = ir_ints(in->op, IR_A_patch, &n),
                  *dilations = ir_ints(in->op, IR_A_dilations, NULL);
    if (!patch)
        return true;
    if (n != spatial || ir_int(in->op, IR_A_distill, 0) != 0)
        return infer_bad_attr(in,
                              "patch has %d numbers, %d spatial dimensions and no distill = 1 are "
                              "needed",
                              n, spatial);
    for (int i = 0; i < n; i++) {
        bool whole = patch[i] >= 1 && y->dim[2 + i] % patch[i] == 0;
        if (!whole || y->sym[2 + i] || (patch[i] > 1 && dilations[i] != 1))
            return infer_bad_attr(in,
                                  "patch is %lld in spatial dimension %d: a divisor of the known "
                                  "extent %lld is needed, 1 where taps are dilated",
                                  (long long)patch[i], i, (long long)y->dim[2 + i]);
    }
    return true;
}

static bool check_walks(const struct infer *in)
{
    const struct ir_attr *walks = ir_attr_find(in->op, IR_A_walks);
    if (!walks)
        return true;
    if (walks->n != 4)
        return infer_bad_attr(in, "walks has %d numbers, 4 are needed", walks->n);
    for (int i = 0; i < 4; i++)
        if (!(walks->fs[i] >= 0 && walks->fs[i] <= 1024))
            return infer_bad_attr(in, "walks has %g, 0 to 1024 are possible", walks->fs[i]);
    return true;
}

static bool mac_result(const struct infer *in, const struct ir_type *y, int64_t channels)
{
    const struct ir_op *op = in->op;
    const struct ir_attr *mode = ir_attr_find(op, IR_A_mode);
    bool bias = ir_operand(op, 2) != NULL, scale = ir_operand(op, 3) != NULL;
    if (mode && !ir_mode_text(mode->i))
        return infer_bad_attr(in, "no mode has number %lld", (long long)mode->i);
    if (!check_mode(in, mode))
        return false;
    bool fixed = mode && mode->i == IR_MODE_FIXED;
    int64_t distill = ir_int(op, IR_A_distill, 0);
    if (distill < 0 || distill > 1 || (distill == 1 && !fixed))
        return infer_bad_attr(in, "distill is %lld; 0, or in mode fixed 1, is needed",
                              (long long)distill);
    if (!check_walks(in))
        return false;
    if (scale && !fixed)
        return infer_bad_attr(in, "a scale needs mode fixed");
    enum dtype t = plain_result(in, fixed, scale);
    if (!(fixed && !scale ? dtype_is_int(t) && t != DT_BOOL : dtype_is_float(t) || !mode))
        return infer_bad_type(in, "a result of %s cannot come from %s and %s", dtype_text(t),
                              infer_text(in, 0), infer_text(in, 1));
    if (fixed && bias && !scale)
        return infer_bad_attr(in, "a bias in mode fixed needs a scale");
    if (bias && !check_per_channel(in, 2, "bias", t, channels))
        return false;
    if (scale && !check_per_channel(in, 3, "scale", DT_F32, channels))
        return false;
    return check_tail(in, &t) && infer_set_like(in, 0, t, y);
}

// ---- Shapes ------------------------------------------------------------------------------------

static bool conv_operands(const struct infer *in, struct ir_type *w, int *spatial, int64_t *group)
{
    const struct ir_type *x = infer_type(in, 0);
    *spatial = infer_spatial(in);
    if (*spatial == 0 || !operand_type(in, 1, w))
        return false;
    if (w->rank != x->rank)
        return infer_bad_shape(in, "x is %s and w %s; their ranks differ", infer_text(in, 0),
                               infer_text(in, 1));
    *group = ir_int(in->op, IR_A_group, 1);
    if (*group < 1 || *group > INFER_STEP_MAX)
        return infer_bad_attr(in, "group is %lld, not in 1..%lld", (long long)*group,
                              (long long)INFER_STEP_MAX);
    for (int i = 0; i < *spatial; i++)
        if (w->dim[2 + i] < 1 || w->dim[2 + i] > INFER_STEP_MAX)
            return infer_bad_shape(in, "w is %s: kernel extent %lld in spatial dimension %d",
                                   infer_text(in, 1), (long long)w->dim[2 + i], i);
    return true;
}

bool ir_infer_CONV(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0);
    struct ir_type w;
    struct infer_windows win;
    int spatial;
    int64_t group;
    struct ir_type y = {.rank = x->rank};
    if (!infer_static(in, 0, 2u) || !infer_static(in, 1, UINT32_MAX) ||
        !conv_operands(in, &w, &spatial, &group) || !infer_window_attrs(in, spatial, &win))
        return false;
    struct arena *a = in->op->graph->module->arena;
    if (x->dim[1] != w.dim[1] * group)
        return infer_bad_shape(in, "x has %lld channels, w %s with group %lld needs %lld",
                               (long long)x->dim[1], tensor_type_text(w.dtype, w.dim, w.rank, a),
                               (long long)group, (long long)(w.dim[1] * group));
    if (w.dim[0] % group != 0)
        return infer_bad_shape(in, "%lld output channels of w %s do not divide into %lld groups",
                               (long long)w.dim[0], tensor_type_text(w.dtype, w.dim, w.rank, a),
                               (long long)group);
    y.dim[0] = x->dim[0];
    y.sym[0] = x->sym[0];
    y.dim[1] = w.dim[0];
    return infer_window_dims(in, spatial, &win, w.dim + 2, y.dim + 2) && infer_extents(in, 4, &y) &&
           check_patch(in, spatial, &y) && mac_result(in, &y, w.dim[0]);
}

bool ir_infer_CONV_TRANSPOSE(struct infer *in)
{
    const struct ir_type *x = infer_type(in, 0);
    struct ir_type w;
    struct infer_windows win;
    int spatial;
    int64_t group;
    struct ir_type y = {.rank = x->rank};
    if (!conv_operands(in, &w, &spatial, &group) || !infer_window_attrs(in, spatial, &win))
        return false;
    const int64_t *outpad = infer_ints(in, IR_A_outpad, spatial, 0, INFER_STEP_MAX);
    if (!outpad)
        return false;
    struct arena *a = in->op->graph->module->arena;
    if (x->dim[1] != w.dim[0] || x->dim[1] % group != 0)
        return infer_bad_shape(
            in, "x has %lld channels, w %s with group %lld needs %lld, a multiple of %lld",
            (long long)x->dim[1], tensor_type_text(w.dtype, w.dim, w.rank, a), (long long)group,
            (long long)w.dim[0], (long long)group);
    y.dim[0] = x->dim[0];
    y.sym[0] = x->sym[0];
    y.dim[1] = w.dim[1] * group;
    for (int i = 0; i < spatial; i++) {
        int64_t steps = x->dim[2 + i] - 1;
        if (steps < 0 || steps > IR_ELEMS_MAX / win.strides[i])
            return infer_bad_shape(in, "spatial dimension %d of x %s with stride %lld", i,
                                   infer_text(in, 0), (long long)win.strides[i]);
        y.dim[2 + i] = win.strides[i] * steps + outpad[i] + win.dilations[i] * (w.dim[2 + i] - 1) +
                       1 - win.pads[i] - win.pads[spatial + i];
        if (y.dim[2 + i] < 1)
            return infer_bad_shape(in, "spatial dimension %d: the result would have %lld elements",
                                   i, (long long)y.dim[2 + i]);
    }
    return mac_result(in, &y, y.dim[1]);
}

bool ir_infer_MATMUL(struct infer *in)
{
    int64_t stationary = ir_int(in->op, IR_A_stationary, 1);
    if (stationary < 0 || stationary > 1)
        return infer_bad_attr(in, "stationary is %lld, not 0 or 1", (long long)stationary);
    struct ir_type a, b;
    if (!operand_type(in, 0, &a) || !operand_type(in, 1, &b))
        return false;
    if (a.rank < 2 || b.rank < 2)
        return infer_bad_shape(in, "operands are %s and %s, matrices are needed", infer_text(in, 0),
                               infer_text(in, 1));
    int64_t rows = a.dim[a.rank - 2], inner = a.dim[a.rank - 1], cols = b.dim[b.rank - 1];
    if (a.sym[a.rank - 1] ? !b.sym[b.rank - 2] : inner != b.dim[b.rank - 2])
        return infer_bad_shape(in, "%s has %lld columns, %s has %lld rows", infer_text(in, 0),
                               (long long)inner, infer_text(in, 1), (long long)b.dim[b.rank - 2]);
    if (a.sym[a.rank - 1] != b.sym[b.rank - 2])
        return infer_bad_shape(in, "%s and %s: the columns of one are not the rows of the other",
                               infer_text(in, 0), infer_text(in, 1));
    struct ir_value *row_extent = a.sym[a.rank - 2], *col_extent = b.sym[b.rank - 1];
    a.rank -= 2;
    b.rank -= 2;
    struct ir_type y;
    if (!ir_broadcast_types(&a, &b, &y))
        return infer_bad_shape(in, "batches of %s and %s do not broadcast", infer_text(in, 0),
                               infer_text(in, 1));
    if (y.rank + 2 > IR_MAX_RANK)
        return infer_bad_shape(in, "the result would have rank %d", y.rank + 2);
    y.sym[y.rank] = row_extent;
    y.dim[y.rank++] = rows;
    y.sym[y.rank] = col_extent;
    y.dim[y.rank++] = cols;
    return mac_result(in, &y, stationary ? cols : rows);
}

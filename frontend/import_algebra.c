// Einsum as matrix products, and determinants.
#include <ctype.h>
#include <string.h>

#include "import_util.h"

// ---- Einsum
//
// A label is a letter, or a digit '0'.. for the dimensions of the ellipsis, counted from the end.
// Operands are taken in one after the other: labels that nothing after needs are summed away first,
// those that both have are batch dimensions (needed later) or contracted.

#define LABELS_MAX 32

struct labelled {
    struct ir_value *v;
    char label[LABELS_MAX]; // of each dimension
};

static bool has_label(const char *list, int num, char c)
{
    for (int i = 0; i < num; i++)
        if (list[i] == c)
            return true;
    return false;
}

// One term of the equation for an operand of such rank (-1: the result, `dots` dimensions of the
// ellipsis).
static int read_term(struct import_node *n, const char *s, const char *end, int rank, int dots,
                     char *label)
{
    int letters = 0, num = 0;
    bool ellipsis = false;
    for (const char *p = s; p < end; p++)
        letters += isalpha((unsigned char)*p) != 0;
    if (rank >= 0)
        dots = rank - letters;
    for (const char *p = s; p < end; p++) {
        if (*p == ' ')
            continue;
        if (end - p >= 3 && strncmp(p, "...", 3) == 0 && !ellipsis) {
            ellipsis = true;
            for (int k = dots - 1; k >= 0 && num < LABELS_MAX; k--)
                label[num++] = (char)('0' + k);
            p += 2;
        } else if (isalpha((unsigned char)*p) && num < LABELS_MAX) {
            label[num++] = *p;
        } else {
            node_error(n, DIAG_ONNX_ATTR, "equation '%s': what does '%.*s' mean",
                       node_str(n, "equation", ""), (int)(end - p), p);
            return -1;
        }
    }
    if (num > IR_MAX_RANK || (rank >= 0 && (num != rank || (dots != 0 && !ellipsis)))) {
        node_error(n, DIAG_ONNX_SHAPE,
                   "equation '%s': the term '%.*s' has %d labels for %d dimensions",
                   node_str(n, "equation", ""), (int)(end - s), s, num, rank);
        return -1;
    }
    return num;
}

// Label i and k of x name the same index: the diagonal of the two, k goes.
static bool take_diagonal(struct import_node *n, struct labelled *x, int i, int k)
{
    int rank = x->v->type.rank, num = 0;
    int64_t perm[IR_MAX_RANK], dim[IR_MAX_RANK], extent = x->v->type.dim[i];
    int64_t starts[IR_MAX_RANK] = {0}, steps[IR_MAX_RANK];
    char label[LABELS_MAX];
    if (x->v->type.dim[k] != extent)
        return node_error(n, DIAG_ONNX_SHAPE, "label '%c' stands for %lld and %lld elements",
                          x->label[i], (long long)extent, (long long)x->v->type.dim[k]);
    for (int d = 0; d < rank; d++)
        if (d != i && d != k)
            perm[num++] = d;
    perm[num] = i;
    perm[num + 1] = k;
    for (int d = 0; d < num; d++) {
        dim[d] = x->v->type.dim[perm[d]];
        label[d] = x->label[perm[d]];
        steps[d] = 1;
    }
    label[num] = x->label[i];
    dim[num] = extent * extent;
    steps[num] = extent + 1;
    struct ir_value *v = irb_reshape(&n->b, irb_transpose(&n->b, x->v, perm), dim, num + 1);
    dim[num] = extent;
    x->v = v ? irb_slice(&n->b, v, starts, dim, steps) : NULL;
    memcpy(x->label, label, sizeof label);
    return x->v != NULL;
}

static bool take_diagonals(struct import_node *n, struct labelled *x)
{
    for (int i = 0; x->v && i < x->v->type.rank; i++)
        for (int k = i + 1; k < x->v->type.rank; k++)
            if (x->label[i] == x->label[k])
                return take_diagonal(n, x, i, k) && take_diagonals(n, x);
    return x->v != NULL;
}

// Sums over the labels that are in neither list.
static bool sum_rest(struct import_node *n, struct labelled *x, const char *a, int na,
                     const char *b, int nb)
{
    int64_t axes[IR_MAX_RANK];
    int num = 0, kept = 0;
    for (int d = 0; d < x->v->type.rank; d++) {
        if (has_label(a, na, x->label[d]) || has_label(b, nb, x->label[d]))
            x->label[kept++] = x->label[d];
        else
            axes[num++] = d;
    }
    if (num > 0)
        x->v = irb_reduce(&n->b, RFN_sum, x->v, axes, num, false);
    return x->v != NULL;
}

static int64_t extent_of(const struct labelled *x, char label)
{
    for (int d = 0; d < x->v->type.rank; d++)
        if (x->label[d] == label)
            return x->v->type.dim[d];
    return 1;
}

// x with dimensions `order` (num labels), those it lacks with extent 1, then extents as given:
// broadcast.
static struct ir_value *arranged(struct import_node *n, const struct labelled *x, const char *order,
                                 int num, const int64_t *dim)
{
    int64_t perm[IR_MAX_RANK] = {0}, shape[LABELS_MAX];
    int at = 0;
    bool same = true;
    for (int i = 0; i < num; i++) {
        shape[i] = extent_of(x, order[i]);
        same &= !dim || shape[i] == dim[i];
        for (int d = 0; d < x->v->type.rank; d++)
            if (x->label[d] == order[i])
                perm[at++] = d;
    }
    if (num > IR_MAX_RANK) {
        node_error(n, DIAG_LIMIT, "%d different labels in a product, at most %d are handled", num,
                   IR_MAX_RANK);
        return NULL;
    }
    struct ir_value *v = irb_reshape(&n->b, irb_transpose(&n->b, x->v, perm), shape, num);
    return same || !v ? v : irb_broadcast(&n->b, v, dim, num);
}

struct split { // labels of a product of two operands
    char batch[LABELS_MAX], left[LABELS_MAX], right[LABELS_MAX], inner[LABELS_MAX];
    int nb, nl, nr, ni;
};

static struct split split_labels(const struct labelled *x, const struct labelled *y,
                                 const char *later, int num)
{
    struct split s = {.nb = 0};
    for (int d = 0; d < x->v->type.rank; d++) {
        char c = x->label[d];
        if (!has_label(y->label, y->v->type.rank, c))
            s.left[s.nl++] = c;
        else if (has_label(later, num, c))
            s.batch[s.nb++] = c;
        else
            s.inner[s.ni++] = c;
    }
    for (int d = 0; d < y->v->type.rank; d++)
        if (!has_label(x->label, x->v->type.rank, y->label[d]))
            s.right[s.nr++] = y->label[d];
    return s;
}

// Extents of labels where x and y broadcast; their product; -1: they do not fit.
static int64_t joint(struct import_node *n, const struct labelled *x, const struct labelled *y,
                     const char *label, int num, int64_t *dim)
{
    int64_t total = 1;
    for (int i = 0; i < num; i++) {
        int64_t a = extent_of(x, label[i]), b = extent_of(y, label[i]);
        if (a != b && a != 1 && b != 1) {
            node_error(n, DIAG_ONNX_SHAPE, "label '%c' stands for %lld and %lld elements", label[i],
                       (long long)a, (long long)b);
            return -1;
        }
        dim[i] = a == 1 ? b : a;
        total *= dim[i];
    }
    return total;
}

static struct ir_value *contracted(struct import_node *n, const struct labelled *x,
                                   const struct labelled *y, const struct split *s, int64_t *out)
{
    struct ir_builder *b = &n->b;
    char order[3 * LABELS_MAX];
    int64_t dim[3 * LABELS_MAX], *left = dim + s->nb, total[4];
    total[0] = joint(n, x, y, s->batch, s->nb, dim);
    total[1] = total[0] < 0 ? -1 : joint(n, x, y, s->left, s->nl, left);
    total[3] = total[1] < 0 ? -1 : joint(n, x, y, s->inner, s->ni, left + s->nl);
    if (total[3] < 0)
        return NULL;
    memcpy(out, dim, (size_t)(s->nb + s->nl) * sizeof *dim);
    memcpy(order, s->batch, (size_t)s->nb);
    memcpy(order + s->nb, s->left, (size_t)s->nl);
    memcpy(order + s->nb + s->nl, s->inner, (size_t)s->ni);
    struct ir_value *a = arranged(n, x, order, s->nb + s->nl + s->ni, dim);
    memmove(left, left + s->nl, (size_t)s->ni * sizeof *dim);
    total[2] = joint(n, x, y, s->right, s->nr, left + s->ni);
    memcpy(out + s->nb + s->nl, left + s->ni, (size_t)s->nr * sizeof *dim);
    memcpy(order + s->nb, s->inner, (size_t)s->ni);
    memcpy(order + s->nb + s->ni, s->right, (size_t)s->nr);
    struct ir_value *c = arranged(n, y, order, s->nb + s->ni + s->nr, dim);
    if (!a || !c)
        return NULL;
    if (s->ni == 0) { // nothing is summed: products of elements
        int64_t shape[2 * LABELS_MAX];
        memcpy(shape, a->type.dim, (size_t)(s->nb + s->nl) * sizeof *shape);
        for (int i = 0; i < s->nr; i++)
            shape[s->nb + s->nl + i] = 1;
        a = s->nb + s->nl + s->nr > IR_MAX_RANK ? NULL
                                                : irb_reshape(b, a, shape, s->nb + s->nl + s->nr);
        for (int i = 0; i < s->nl; i++)
            shape[s->nb + i] = 1;
        memcpy(shape + s->nb + s->nl, c->type.dim + s->nb, (size_t)s->nr * sizeof *shape);
        return a ? irb_binary(b, BFN_mul, a, irb_reshape(b, c, shape, s->nb + s->nl + s->nr))
                 : NULL;
    }
    a = irb_reshape(b, a, (const int64_t[]){total[0], total[1], total[3]}, 3);
    c = irb_reshape(b, c, (const int64_t[]){total[0], total[3], total[2]}, 3);
    return irb_matmul(b, a, c, NULL);
}

static bool multiply(struct import_node *n, struct labelled *x, const struct labelled *y,
                     const char *later, int num)
{
    struct split s = split_labels(x, y, later, num);
    int64_t dim[3 * LABELS_MAX];
    if (s.nb + s.nl + s.nr > IR_MAX_RANK)
        return node_error(n, DIAG_LIMIT, "a product of %d dimensions, at most %d are handled",
                          s.nb + s.nl + s.nr, IR_MAX_RANK);
    struct ir_value *v = contracted(n, x, y, &s, dim);
    x->v = v ? irb_reshape(&n->b, v, dim, s.nb + s.nl + s.nr) : NULL;
    memcpy(x->label, s.batch, (size_t)s.nb);
    memcpy(x->label + s.nb, s.left, (size_t)s.nl);
    memcpy(x->label + s.nb + s.nl, s.right, (size_t)s.nr);
    return x->v != NULL;
}

// Without an arrow: the ellipsis, then the letters that occur once, in ASCII order.
static int implicit_result(const struct labelled *x, int num, char *label)
{
    int dots = 0, letters[128] = {0}, out = 0;
    for (int i = 0; i < num; i++)
        for (int d = 0; d < x[i].v->type.rank; d++) {
            char c = x[i].label[d];
            letters[(unsigned char)c & 127]++;
            if (isdigit((unsigned char)c) && c - '0' + 1 > dots)
                dots = c - '0' + 1;
        }
    for (int k = dots - 1; k >= 0; k--)
        label[out++] = (char)('0' + k);
    for (char c = 'A'; c <= 'z' && out < LABELS_MAX; c++)
        if (isalpha((unsigned char)c) && letters[(int)c] == 1)
            label[out++] = c;
    return out;
}

static bool read_equation(struct import_node *n, struct labelled *x, char *result, int *num_result)
{
    const char *text = node_str(n, "equation", ""), *arrow = strstr(text, "->"),
               *end = arrow ? arrow : text + strlen(text);
    int dots = 0;
    for (int i = 0; i < n->num_in; i++) {
        const char *comma = memchr(text, ',', (size_t)(end - text)), *stop = comma ? comma : end;
        if ((i + 1 < n->num_in) != (comma != NULL))
            return node_error(n, DIAG_ONNX_ATTR,
                              "equation '%s' has not one term for each of %d inputs",
                              node_str(n, "equation", ""), n->num_in);
        x[i].v = n->in[i];
        if (read_term(n, text, stop, n->in[i]->type.rank, 0, x[i].label) < 0)
            return false;
        for (int d = 0; d < n->in[i]->type.rank; d++)
            if (isdigit((unsigned char)x[i].label[d]) && x[i].label[d] - '0' + 1 > dots)
                dots = x[i].label[d] - '0' + 1;
        text = stop + 1;
    }
    *num_result = arrow ? read_term(n, arrow + 2, arrow + 2 + strlen(arrow + 2), -1, dots, result)
                        : implicit_result(x, n->num_in, result);
    for (int i = 0; i < *num_result; i++) {
        bool known = false;
        for (int k = 0; k < n->num_in; k++)
            known |= has_label(x[k].label, n->in[k]->type.rank, result[i]);
        if (!known || has_label(result, i, result[i]))
            return node_error(n, DIAG_ONNX_ATTR, "equation '%s': label '%c' of the result",
                              node_str(n, "equation", ""), result[i]);
    }
    return *num_result >= 0;
}

bool import_Einsum(struct import_node *n)
{
    struct labelled *x = ARENA_ARRAY(n->arena, (size_t)n->num_in + 1, struct labelled);
    char result[LABELS_MAX], later[26 * 2 + 10 + LABELS_MAX];
    int num = 0;
    for (int i = 0; i < n->num_in; i++)
        if (!node_in(n, i))
            return node_error(n, DIAG_ONNX_ARITY, "input %d is absent", i);
    if (!read_equation(n, x, result, &num))
        return false;
    for (int i = 0; i < n->num_in; i++)
        if (!take_diagonals(n, &x[i]))
            return false;
    for (int i = 0; i < n->num_in; i++) {
        int count = num; // labels that the result and the operands after this one need
        memcpy(later, result, (size_t)num);
        for (int k = i + 1; k < n->num_in; k++)
            for (int d = 0; d < x[k].v->type.rank; d++)
                if (!has_label(later, count, x[k].label[d]))
                    later[count++] = x[k].label[d];
        if (i == 0) {
            if (!sum_rest(n, &x[0], later, count, "", 0))
                return false;
        } else if (!sum_rest(n, &x[i], later, count, x[0].label, x[0].v->type.rank) ||
                   !multiply(n, &x[0], &x[i], later, count)) {
            return false;
        }
    }
    return node_bind(n, 0, arranged(n, &x[0], result, num, NULL));
}

// ---- Determinants

#define DET_MAX 256

// One step of elimination with the largest pivot: the matrices shrink by a row and a column, and
// *det takes in the pivot, its sign turned when rows were exchanged.
static struct ir_value *eliminate(struct import_node *n, struct ir_value *m, struct ir_value **det)
{
    struct ir_builder *b = &n->b;
    int64_t batch = m->type.dim[0], size = m->type.dim[1], row = 1, ones[3] = {1, 1, 1};
    int64_t at[3] = {0, 0, 0}, column[3] = {batch, size, 1}, corner[3] = {batch, 1, 1},
            first[3] = {batch, 1, size};
    struct ir_value *c0 = irb_slice(b, m, at, column, ones);
    struct ir_value *which = irb_reduce(b, RFN_argmax, irb_unary(b, UFN_abs, c0), &row, 1, true);
    struct ir_value *hit =
        irb_binary(b, BFN_eq, which, node_along_axis(n, node_iota(n, size, 1), 2, 0));
    struct ir_value *zero = irb_const_like(b, DT_F64, 0), *one = irb_const_like(b, DT_F64, 1);
    struct ir_value *pivot_row = irb_select(b, hit, m, zero);
    pivot_row = pivot_row ? irb_reduce(b, RFN_sum, pivot_row, &row, 1, true) : NULL;
    struct ir_value *pivot = pivot_row ? irb_slice(b, pivot_row, at, corner, ones) : NULL;
    struct ir_value *sign =
        irb_select(b, node_with_scalar(n, BFN_eq, which, 0), one, irb_const_like(b, DT_F64, -1));
    *det = irb_binary(b, BFN_mul, *det, irb_binary(b, BFN_mul, pivot, sign));
    if (size == 1 || !pivot)
        return m;
    struct ir_value *exchanged = irb_select(b, hit, irb_slice(b, m, at, first, ones), m);
    struct ir_value *divisor = irb_select(b, node_with_scalar(n, BFN_eq, pivot, 0), one, pivot);
    int64_t below[3] = {0, 1, 0}, beside[3] = {0, 0, 1}, inside[3] = {0, 1, 1};
    int64_t lower[3] = {batch, size - 1, 1}, right[3] = {batch, 1, size - 1},
            rest[3] = {batch, size - 1, size - 1};
    if (!exchanged)
        return NULL;
    struct ir_value *factor =
        irb_binary(b, BFN_div, irb_slice(b, exchanged, below, lower, ones), divisor);
    struct ir_value *product =
        irb_binary(b, BFN_mul, factor, irb_slice(b, pivot_row, beside, right, ones));
    return irb_binary(b, BFN_sub, irb_slice(b, exchanged, inside, rest, ones), product);
}

bool import_Det(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    if (!node_check_rank(n, 0, 2, IR_MAX_RANK))
        return false;
    int64_t size = x->dim[x->rank - 1];
    if (size != x->dim[x->rank - 2] || size > DET_MAX)
        return node_error(n, DIAG_ONNX_SHAPE,
                          "X is %s; square matrices of at most %d rows are handled",
                          node_type_text(n, 0), DET_MAX);
    int64_t batch[3] = {dims_elems(x->dim, x->rank - 2), size, size}, scalars[3] = {batch[0], 1, 1};
    struct ir_value *m = irb_reshape(&n->b, node_convert(n, n->in[0], DT_F64), batch, 3);
    struct ir_value *det = node_filled(n, DT_F64, 1, scalars, 3);
    for (int64_t i = 0; i < size && m; i++)
        m = eliminate(n, m, &det);
    return node_bind(n, 0, node_convert(n, irb_reshape(&n->b, det, x->dim, x->rank - 2), x->dtype));
}

// Operators whose results are chosen by value: Unique, NonMaxSuppression; ImageDecoder.
#include <string.h>

#include "import_host.h"

// ---- Unique

bool import_Unique(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    bool has_axis = node_has_attr(n, "axis");
    int64_t ints[2] = {-1, node_int(n, "sorted", 1)}, flat = ir_type_elems(x);
    if (has_axis && !node_axis(n, node_int(n, "axis", 0), x->rank, &ints[0]))
        return false;
    int64_t extent = has_axis ? x->dim[ints[0]] : flat;
    struct ir_type y = has_axis ? *x : ir_type_make(x->dtype, &flat, 1);
    int at = has_axis ? (int)ints[0] : 0;
    y.dim[at] = extent <= 1 ? extent : -1;
    // Any of the three outputs may be the one that is declared.
    struct ir_type count = ir_type_make(DT_I64, &y.dim[at], 1), declared;
    for (int i = 1; i < 4 && y.dim[at] < 0; i++)
        if (i != 2 && node_declared_result(n, i, &declared) && declared.rank == 1)
            y.dim[at] = declared.dim[0];
    if (!node_resolve(n, 0, &y))
        return false;
    count.dim[0] = y.dim[at];
    struct ir_type t[5] = {y, count, count, ir_type_make(DT_I64, &extent, 1),
                           ir_type_make(DT_I64, (const int64_t[]){1}, 1)};
    struct ir_op *op = node_host_op(
        n, "unique", &(struct host_args){.in = n->in, .num_in = 1, .ints = ints, .num_ints = 2}, t,
        5);
    bool ok =
        op && node_expect_extents(n, op->out[4], count.dim, 1, "the number of distinct values");
    static const int slots[] = {0, 1, 3, 2};
    for (int i = 0; i < 4 && ok; i++)
        ok = node_bind(n, slots[i], op->out[i]);
    return ok;
}

// ---- NonMaxSuppression

static struct ir_value *threshold(struct import_node *n, int i, enum dtype t)
{
    struct ir_value *v = node_in(n, i);
    if (v && ir_type_elems(&v->type) == 0) // empty means absent
        return NULL;
    return v ? node_convert(n, v, t) : NULL;
}

bool import_NonMaxSuppression(struct import_node *n)
{
    for (int i = 0; i < 2; i++)
        if (n->in[i]->type.dtype != DT_F32)
            return node_error(n, DIAG_ONNX_TYPE, "input %d is %s, floats are needed", i,
                              node_type_text(n, i));
    if (!node_check_rank(n, 0, 3, 3) || !node_check_rank(n, 1, 3, 3))
        return false;
    const struct ir_type *boxes = &n->in[0]->type, *scores = &n->in[1]->type;
    if (boxes->dim[2] != 4 || boxes->dim[0] != scores->dim[0] || boxes->dim[1] != scores->dim[2])
        return node_error(n, DIAG_ONNX_SHAPE,
                          "boxes are %s and scores %s; [batches, boxes, 4] and [batches, classes, "
                          "boxes] are needed",
                          node_type_text(n, 0), node_type_text(n, 1));
    int64_t centre = node_int(n, "center_point_box", 0);
    struct ir_type t[2] = {ir_type_make(DT_I64, (const int64_t[]){-1, 3}, 2),
                           ir_type_make(DT_I64, (const int64_t[]){1}, 1)};
    if (!threshold(n, 2, DT_I64))
        t[0].dim[0] = 0; // by default none is selected
    if (!node_resolve(n, 0, &t[0]))
        return false;
    struct ir_value *in[] = {n->in[0], n->in[1], threshold(n, 2, DT_I64), threshold(n, 3, DT_F32),
                             threshold(n, 4, DT_F32)};
    struct ir_op *op =
        node_host_op(n, "nonmax_suppression",
                     &(struct host_args){
                         .in = in, .num_in = 5, .ints = &centre, .num_ints = 1, .optional = true},
                     t, 2);
    return op && node_expect_extents(n, op->out[1], t[0].dim, 1, "the number of boxes that stay") &&
           node_bind(n, 0, op->out[0]);
}

// ---- ImageDecoder

bool import_ImageDecoder(struct import_node *n)
{
    static const char *const formats[] = {"RGB", "BGR", "Grayscale"};
    const char *format = node_str(n, "pixel_format", "RGB");
    int64_t which = 0;
    while (which < 3 && strcmp(formats[which], format) != 0)
        which++;
    if (which == 3)
        return node_error(n, DIAG_ONNX_ATTR, "pixel_format '%s'; RGB, BGR and Grayscale are known",
                          format);
    if (n->in[0]->type.dtype != DT_U8 || n->in[0]->type.rank != 1)
        return node_error(n, DIAG_ONNX_TYPE, "the encoded stream is %s, a vector of u8 is needed",
                          node_type_text(n, 0));
    struct ir_type t[2] = {ir_type_make(DT_U8, (const int64_t[]){-1, -1, which == 2 ? 1 : 3}, 3),
                           ir_type_make(DT_I64, (const int64_t[]){3}, 1)};
    if (!node_resolve(n, 0, &t[0]))
        return false;
    struct ir_op *op = node_host_op(
        n, "image_decode",
        &(struct host_args){.in = n->in, .num_in = 1, .ints = &which, .num_ints = 1}, t, 2);
    return op && node_expect_extents(n, op->out[1], t[0].dim, 3, "the image") &&
           node_bind(n, 0, op->out[0]);
}

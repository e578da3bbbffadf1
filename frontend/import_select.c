// Operators whose results are chosen by value: Unique, NonMaxSuppression; ImageDecoder.
#include <string.h>

#include "import_extents.h"

// ---- Unique

// The outputs that have as many entries as there are distinct values: of which slots, in the order
// of the kernel's results.
static const int unique_slots[] = {0, 1, 3};

// The room of the distinct values; any of the three outputs may be the one that is declared.
static bool unique_room(struct import_node *n, int at, int64_t extent, const struct ir_type *y,
                        struct node_room *room)
{
    const struct ir_type count = ir_type_make(DT_I64, (const int64_t[]){-1}, 1);
    struct node_room other;
    if (!node_make_room(n, 0, y, extent, room))
        return false;
    for (int k = 1; k < 3 && !room->declared; k++)
        if (node_make_room(n, unique_slots[k], &count, extent, &other) && other.declared) {
            room->type.dim[at] = other.type.dim[0];
            room->declared = true;
        }
    return true;
}

bool import_Unique(struct import_node *n)
{
    const struct ir_type *x = &n->in[0]->type;
    bool has_axis = node_has_attr(n, "axis");
    int64_t ints[2] = {-1, node_int(n, "sorted", 1)}, flat = ir_type_elems(x);
    struct node_room room, vector;
    if (has_axis && !node_axis(n, node_int(n, "axis", 0), x->rank, &ints[0]))
        return false;
    int64_t extent = has_axis ? x->dim[ints[0]] : flat;
    struct ir_type y = has_axis ? *x : ir_type_make(x->dtype, &flat, 1);
    int at = has_axis ? (int)ints[0] : 0;
    if (extent > 1)
        y.dim[at] = -1;
    if (!unique_room(n, at, extent, &y, &room))
        return false;
    vector = room;
    vector.type = ir_type_make(DT_I64, &room.type.dim[at], 1);
    vector.open = room.open ? 1 : 0;
    struct ir_type t[5] = {room.type, vector.type, vector.type, ir_type_make(DT_I64, &extent, 1),
                           ir_type_make(DT_I64, (const int64_t[]){1}, 1)};
    struct ir_op *op = node_host_op(
        n, "unique", &(struct host_args){.in = n->in, .num_in = 1, .ints = ints, .num_ints = 2}, t,
        5);
    for (int k = 0; op && k < 3; k++)
        if (!node_bind(n, unique_slots[k],
                       node_in_room(n, k == 0 ? &room : &vector, op->out[k], op->out[4],
                                    "the distinct values")))
            return false;
    return op && node_bind(n, 2, op->out[3]);
}

// ---- NonMaxSuppression

static struct ir_value *threshold(struct import_node *n, int i, enum dtype t)
{
    struct ir_value *v = node_in(n, i);
    if (v && ir_type_elems(&v->type) == 0) // empty means absent
        return NULL;
    return v ? node_convert(n, v, t) : NULL;
}

// The most boxes that can stay.
static int64_t most_boxes(struct import_node *n)
{
    const struct ir_type *scores = &n->in[1]->type;
    const struct tensor *t = n->num_in > 2 && n->in[2] ? node_known(n, 2) : NULL;
    int64_t each = scores->dim[2], rows = scores->dim[0] * scores->dim[1];
    if (t && tensor_elems(t) == 1 && tensor_get_int(t, 0) < each)
        each = tensor_get_int(t, 0) > 0 ? tensor_get_int(t, 0) : 0;
    return rows * each;
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
    struct ir_value *most = threshold(n, 2, DT_I64);
    struct ir_type y = ir_type_make(DT_I64, (const int64_t[]){most ? -1 : 0, 3}, 2); // or none
    struct node_room room;
    if (!node_make_room(n, 0, &y, most_boxes(n), &room))
        return false;
    struct ir_type t[2] = {room.type, ir_type_make(DT_I64, (const int64_t[]){1}, 1)};
    struct ir_value *in[] = {n->in[0], n->in[1], most, threshold(n, 3, DT_F32),
                             threshold(n, 4, DT_F32)};
    struct ir_op *op =
        node_host_op(n, "nonmax_suppression",
                     &(struct host_args){
                         .in = in, .num_in = 5, .ints = &centre, .num_ints = 1, .optional = true},
                     t, 2);
    return op &&
           node_bind(n, 0, node_in_room(n, &room, op->out[0], op->out[1], "the boxes that stay"));
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
    struct ir_type y = ir_type_make(DT_U8, (const int64_t[]){-1, -1, which == 2 ? 1 : 3}, 3);
    struct node_room room;
    if (!node_make_room(n, 0, &y, -1, &room))
        return false;
    struct ir_type t[2] = {room.type, ir_type_make(DT_I64, (const int64_t[]){3}, 1)};
    struct ir_op *op = node_host_op(
        n, "image_decode",
        &(struct host_args){.in = n->in, .num_in = 1, .ints = &which, .num_ints = 1}, t, 2);
    if (!op)
        return false;
    struct ir_value *size = irb_slice(&n->b, op->out[1], (const int64_t[]){0}, (const int64_t[]){2},
                                      (const int64_t[]){1});
    return node_bind(n, 0, node_in_room(n, &room, op->out[0], size, "the image"));
}

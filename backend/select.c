// From an allocated module to an image: one selector per IR op, dispatched from ops.def, in the
// order of the schedule.
#include "emit.h"
#include "macgroup.h"

#include <stdlib.h>

static bool (*const selectors[IR_OP_NUM])(struct emit *, const struct ir_op *) = {
#define IR_OP(ENUM, text, in_min, in_max, outs, TRAITS, doc) [IR_OP_##ENUM] = select_##ENUM,
#include "ops.def"
};

static bool is_empty(const struct ir_op *op)
{
    if (ir_is_marker(op))
        return false;
    for (int i = 0; i < op->num_out; i++)
        if (ir_type_elems(&op->out[i]->type) != 0)
            return false;
    return op->num_out > 0;
}

// Addresses of the strings, then the strings.
static void put_strings(uint8_t *to, uint64_t addr, const struct tensor *t)
{
    const char *const *text = t->data;
    uint64_t at = tensor_bytes(t);
    for (int64_t i = 0; i < tensor_elems(t); i++) {
        size_t len = strlen(text[i]) + 1;
        io_put64(to + 8 * i, addr + at);
        memcpy(to + at, text[i], len);
        at += len;
    }
}

static size_t count_lanes(const struct ir_graph *g)
{
    size_t n = 0;
    for (const struct ir_op *op = g->first; op; op = op->next)
        n += op->op == IR_OP_CONST && op->data->dtype == DT_LANES;
    return n;
}

static int by_offset(const void *a, const void *b)
{
    const struct image_piece *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

// Constants where alloc put them: those of the vector unit and the packagers as one array, lanes as
// pieces.
static void build_rodata(struct emit *e, struct image *img)
{
    const struct ir_graph *g = e->module->main;
    size_t bytes = e->module->rodata_bytes + e->messages_bytes;
    uint8_t *data = arena_alloc(e->arena, bytes + 1);
    struct image_piece *piece = ARENA_ARRAY(e->arena, count_lanes(g) + 1, struct image_piece);
    size_t pieces = 0;
    for (const struct ir_op *op = g->first; op; op = op->next) {
        if (op->op != IR_OP_CONST || !op->out[0]->has_addr)
            continue;
        size_t len = ir_const_bytes(op);
        bool is_lanes = op->data->dtype == DT_LANES;
        uint64_t off = op->out[0]->addr - (is_lanes ? IMAGE_LANES_BASE : IMAGE_RODATA_BASE);
        if (off > (is_lanes ? e->module->lanes_bytes : e->module->rodata_bytes) ||
            len > (is_lanes ? e->module->lanes_bytes : e->module->rodata_bytes) - off)
            bitlet_bug("constant %%%s lies outside its section", op->out[0]->name);
        if (op->data->dtype == DT_STR)
            put_strings(data + off, op->out[0]->addr, op->data);
        else if (len > 0 && is_lanes)
            piece[pieces++] = (struct image_piece){off, op->data->data, len};
        else if (len > 0)
            memcpy(data + off, op->data->data, len);
    }
    qsort(piece, pieces, sizeof *piece, by_offset);
    for (size_t i = 1; i < pieces; i++)
        if (piece[i].offset < piece[i - 1].offset + piece[i - 1].bytes)
            bitlet_bug("lanes overlap at %llu", (unsigned long long)piece[i].offset);
    if (e->messages_bytes > 0)
        memcpy(data + e->module->rodata_bytes, e->messages, e->messages_bytes);
    img->rodata = data;
    img->rodata_bytes = bytes;
    img->lane_pieces = piece;
    img->num_lane_pieces = pieces;
    img->lanes_bytes = e->module->lanes_bytes;
}

static struct image_io io_entry(const struct ir_value *v, const char *name)
{
    struct image_io io = {
        .name = name, .dtype = v->type.dtype, .rank = v->type.rank, .addr = v->addr};
    memcpy(io.dim, v->type.dim, sizeof(io.dim));
    for (int i = 0; i < io.rank; i++)
        io.extent[i] = v->type.sym[i] ? v->type.sym[i]->addr : 0;
    for (const struct ir_use *u = v->def ? NULL : v->uses; u; u = u->next)
        if (u->op->op == IR_OP_INPUT_EXTENT)
            io.extent[ir_int(u->op, IR_A_axis, 0)] = u->op->out[0]->addr;
    return io;
}

static void build_io(const struct emit *e, struct image *img)
{
    const struct ir_graph *g = e->module->main;
    img->num_inputs = (size_t)g->num_inputs;
    img->num_outputs = (size_t)g->num_outputs;
    img->inputs = ARENA_ARRAY(e->arena, img->num_inputs, struct image_io);
    img->outputs = ARENA_ARRAY(e->arena, img->num_outputs, struct image_io);
    for (int i = 0; i < g->num_inputs; i++)
        img->inputs[i] = io_entry(g->inputs[i], g->inputs[i]->name);
    for (int i = 0; i < g->num_outputs; i++)
        img->outputs[i] = io_entry(g->outputs[i], g->output_names[i]);
}

bool backend_emit(const struct ir_module *m, const struct machine *machine, struct image *out,
                  struct arena *a, struct diag *d)
{
    if (!(m->level & IR_L_ALLOCATED))
        return diag_report(d, LOC_NONE, DIAG_IR_LEVEL,
                           "instructions can be selected only after the pass alloc");
    struct emit e = {.module = m, .machine = machine, .arena = a, .diag = d};
    bool ok = true;
    for (const struct ir_op *op = m->main->first; op; op = op->next)
        if (!is_empty(op) && !mac_is_fused(op) && !emit_put_beside(&e, op))
            ok &= selectors[op->op](&e, op);
    if (!ok)
        return false;
    EMIT(&e, HALT, NONE, 0);
    *out = (struct image){
        .text = e.text,
        .text_bytes = e.text_bytes,
        .heap_bytes = m->heap_bytes,
        .layers = e.layers,
        .num_layers = e.num_layers,
        .locs = e.locs,
        .num_locs = e.num_locs,
        .host = e.host,
        .num_host = e.num_host,
        .machine = *machine,
    };
    build_rodata(&e, out);
    build_io(&e, out);
    return true;
}

#include "import_rig.h"

#include <stdlib.h>
#include <string.h>

#include "eval.h"

static void keep(void *user, enum diag_severity sev, enum diag_id id, const char *message)
{
    struct import_rig *r = user;
    if (sev == DIAG_SEV_ERROR && r->errors++ == 0)
        r->first = id;
    r->text = arena_printf(r->arena, "%s%s\n", r->text, message);
}

void rig_import_bytes(struct import_rig *r, struct onnx_bytes b,
                      const struct onnx_import_options *o)
{
    *r = (struct import_rig){.arena = arena_create(), .text = ""};
    r->locs = loc_table_create(r->arena);
    r->diag = diag_create(r->arena, r->locs);
    diag_set_sink(r->diag, keep, r);
    if (io_write_file("model.onnx", b.data, b.size, r->diag))
        r->module = onnx_import("model.onnx", o, &r->map, r->arena, r->locs, r->diag);
}

void rig_import_text(struct import_rig *r, const char *text, const struct onnx_import_options *o)
{
    struct arena *a = arena_create();
    const char *why = "";
    struct onnx_bytes b = onnx_text_build(text, a, &why);
    if (!b.data) {
        fprintf(stderr, "%s: %s\n", text, why);
        abort();
    }
    rig_import_bytes(r, b, o);
    arena_destroy(a);
}

void rig_end(struct import_rig *r)
{
    io_unmap(&r->map);
    arena_destroy(r->arena);
}

static void count_up(struct tensor *t)
{
    int64_t n = tensor_elems(t);
    for (int64_t i = 0; i < n; i++) {
        unsigned char *p = (unsigned char *)t->data + (size_t)i * dtype_bytes(t->dtype);
        float f = (float)(i + 1);
        double d = (double)(i + 1);
        int64_t k = t->dtype == DT_BOOL ? (i + 1) % 2 : i + 1;
        if (t->dtype == DT_F32)
            memcpy(p, &f, 4);
        else if (t->dtype == DT_F64)
            memcpy(p, &d, 8);
        else if (dtype_is_int(t->dtype))
            memcpy(p, &k, dtype_bytes(t->dtype)); // the low bytes
    }
}

const struct tensor *rig_evaluate(struct import_rig *r)
{
    const struct ir_graph *g = r->module->main;
    const struct tensor **in =
        ARENA_ARRAY(r->arena, (size_t)g->num_inputs + 1, const struct tensor *);
    struct tensor **out = ARENA_ARRAY(r->arena, (size_t)g->num_outputs + 1, struct tensor *);
    for (int i = 0; i < g->num_inputs; i++) {
        const struct ir_type *t = &g->inputs[i]->type;
        struct tensor *x = tensor_create(r->arena, t->dtype, t->dim, t->rank);
        if (dtype_info[t->dtype].kind == DTK_S)
            return NULL;
        count_up(x);
        in[i] = x;
    }
    return ir_eval(r->module, in, NULL, out, r->arena, r->diag) ? out[0] : NULL;
}

const char *rig_tensor_text(struct import_rig *r, const struct tensor *t)
{
    const char *s = tensor_type_text(t->dtype, t->dim, t->rank, r->arena);
    for (int64_t i = 0; i < tensor_elems(t); i++)
        s = arena_printf(r->arena, "%s %.5g", s, tensor_get_double(t, i));
    return s;
}

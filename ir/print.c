// IR -> canonical text: one module, one text. Nothing in it depends on addresses in memory or on
// how the module came to be, but for value names.
#include <ctype.h>
#include <string.h>

#include "io.h"
#include "ir_priv.h"

// ---- Names -------------------------------------------------------------------------------------

static bool is_name_char(unsigned char c)
{
    return isalnum(c) || (c != '\0' && strchr("_.$/:-", c));
}

// A trailing colon would be taken for the one before a type.
bool ir_name_is_plain(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || isdigit((unsigned char)name[0]) || name[0] == ':' || name[len - 1] == ':')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_name_char((unsigned char)name[i]))
            return false;
    return true;
}

static void add_name(struct textbuf *t, char sigil, const char *name)
{
    textbuf_add(t, &sigil, 1);
    if (ir_name_is_plain(name))
        textbuf_puts(t, name);
    else
        textbuf_quote(t, name);
}

static void add_operand(struct textbuf *t, const struct ir_value *v)
{
    if (v)
        add_name(t, '%', v->name);
    else
        textbuf_puts(t, "_");
}

static void add_type(struct textbuf *t, const struct ir_value *v)
{
    if (v->type.known) {
        textbuf_printf(t, "%s[", dtype_text(v->type.dtype));
        for (int i = 0; i < v->type.rank; i++) {
            textbuf_puts(t, i ? "," : "");
            if (v->type.sym[i]) {
                add_name(t, '%', v->type.sym[i]->name);
                textbuf_puts(t, "<=");
            }
            textbuf_printf(t, "%lld", (long long)v->type.dim[i]);
        }
        textbuf_puts(t, "]");
    } else {
        textbuf_puts(t, "?");
    }
    if (v->has_addr)
        textbuf_printf(t, " @0x%llx", (unsigned long long)v->addr);
}

// ---- Attributes --------------------------------------------------------------------------------

static void add_attr_value(struct textbuf *t, const struct ir_attr *a)
{
    switch (ir_attr_info[a->id].kind) {
    case IR_AK_I: textbuf_printf(t, "%lld", (long long)a->i); break;
    case IR_AK_F: textbuf_float(t, (float)a->f); break;
    case IR_AK_D: textbuf_double(t, a->f); break;
    case IR_AK_T: textbuf_puts(t, dtype_text((enum dtype)a->i)); break;
    case IR_AK_U: textbuf_puts(t, unary_fn_info[a->i].name); break;
    case IR_AK_B: textbuf_puts(t, binary_fn_info[a->i].name); break;
    case IR_AK_R: textbuf_puts(t, reduce_fn_info[a->i].name); break;
    case IR_AK_M: textbuf_puts(t, ir_mode_text(a->i)); break;
    case IR_AK_S: textbuf_quote(t, a->s); break;
    case IR_AK_IS:
    case IR_AK_FS:
        textbuf_puts(t, "[");
        for (int i = 0; i < a->n; i++) {
            textbuf_puts(t, i ? ", " : "");
            if (a->is)
                textbuf_printf(t, "%lld", (long long)a->is[i]);
            else
                textbuf_double(t, a->fs[i]);
        }
        textbuf_puts(t, "]");
        break;
    }
}

static void add_attrs(struct textbuf *t, const struct ir_op *op)
{
    if (op->num_attrs == 0)
        return;
    textbuf_puts(t, " {");
    for (int i = 0; i < op->num_attrs; i++) {
        textbuf_printf(t, "%s%s = ", i ? ", " : "", ir_attr_text(op->attrs[i].id));
        add_attr_value(t, &op->attrs[i]);
    }
    textbuf_puts(t, "}");
}

// ---- Locations ---------------------------------------------------------------------------------

enum { LOC_PARTS_MAX = 16, LOC_STEPS_MAX = 256 };

// The distinct nodes of a location in order, at most LOC_PARTS_MAX. Fused locations share parts:
// the walk is bounded.
static int collect_nodes(const struct loc_table *locs, loc_id id, loc_id *nodes)
{
    loc_id todo[LOC_STEPS_MAX];
    int num_todo = 0, n = 0;
    todo[num_todo++] = id;
    for (int step = 0; num_todo > 0 && step < LOC_STEPS_MAX; step++) {
        id = todo[--num_todo];
        const struct loc *l = loc_get(locs, id);
        if (l->kind == LOC_KIND_FUSED && num_todo + 2 <= LOC_STEPS_MAX) {
            todo[num_todo++] = l->b;
            todo[num_todo++] = l->a;
        } else if (l->kind == LOC_KIND_NODE) {
            bool known = false;
            for (int i = 0; i < n; i++)
                known |= nodes[i] == id;
            if (!known && n < LOC_PARTS_MAX)
                nodes[n++] = id;
        }
    }
    return n;
}

static bool is_word(const char *s)
{
    if (!isalpha((unsigned char)*s))
        return false;
    while (isalnum((unsigned char)*s) || *s == '_')
        s++;
    return *s == '\0' && strncmp(s, "inf", 3) != 0;
}

static void add_loc(struct textbuf *t, const struct ir_module *m, loc_id id)
{
    loc_id nodes[LOC_PARTS_MAX];
    int n = m->locs ? collect_nodes(m->locs, id, nodes) : 0;
    for (int i = 0; i < n; i++) {
        const struct loc *l = loc_get(m->locs, nodes[i]);
        textbuf_printf(t, "%s%d ", i ? ", " : " loc(", (int)l->node_index);
        textbuf_quote(t, l->node_name);
        textbuf_puts(t, " ");
        if (is_word(l->op_type))
            textbuf_puts(t, l->op_type);
        else
            textbuf_quote(t, l->op_type);
        textbuf_printf(t, " %d", (int)l->opset);
        if (strcmp(l->file, m->source) != 0) {
            textbuf_puts(t, " ");
            textbuf_quote(t, l->file);
        }
    }
    if (n > 0)
        textbuf_puts(t, ")");
}

// ---- Constants ---------------------------------------------------------------------------------

static void add_element(struct textbuf *t, const struct tensor *x, int64_t i)
{
    switch (dtype_info[x->dtype].kind) {
    case DTK_F:
        if (x->dtype == DT_F64)
            textbuf_double(t, ((const double *)x->data)[i]);
        else
            textbuf_float(t, (float)tensor_get_double(x, i));
        break;
    case DTK_S: textbuf_quote(t, ((const char *const *)x->data)[i]); break;
    case DTK_C:
        for (int part = 0; part < 2; part++) {
            textbuf_puts(t, part ? ", " : "");
            if (x->dtype == DT_C64)
                textbuf_float(t, ((const float *)x->data)[2 * i + part]);
            else
                textbuf_double(t, ((const double *)x->data)[2 * i + part]);
        }
        break;
    case DTK_H: break; // no constant is a list
    case DTK_X:
        textbuf_printf(t, "0x%llx", (unsigned long long)((const uint64_t *)x->data)[i]);
        break;
    case DTK_U:
    case DTK_B: textbuf_printf(t, "%llu", (unsigned long long)tensor_get_int(x, i)); break;
    case DTK_I: textbuf_printf(t, "%lld", (long long)tensor_get_int(x, i)); break;
    }
}

static void add_data(struct textbuf *t, const struct ir_op *op, struct ir_blobs *blobs)
{
    const struct tensor *x = op->data;
    int64_t n = x ? tensor_elems(x) : 0;
    struct ir_blob_ref ref = {0};
    if (x && (n <= IR_TEXT_ELEMS || x->dtype == DT_STR)) {
        textbuf_puts(t, "dense[");
        for (int64_t i = 0; i < n; i++) {
            textbuf_puts(t, i ? ", " : "");
            add_element(t, x, i);
        }
        textbuf_puts(t, "]");
        return;
    }
    if (x && blobs)
        ref = ir_blobs_place(blobs, x);
    else if (x && op->blob && op->blob->data == x)
        ref = *op->blob;
    if (!ref.file) {
        textbuf_puts(t, "external");
        return;
    }
    textbuf_puts(t, "blob(");
    textbuf_quote(t, ref.file);
    textbuf_printf(t, ", %llu, 0x%x)", (unsigned long long)ref.offset, (unsigned)ref.crc);
}

// ---- Ops, graph, module ------------------------------------------------------------------------

static void add_results(struct textbuf *t, const struct ir_op *op)
{
    for (int i = 0; i < op->num_out; i++) {
        textbuf_puts(t, i ? ", " : "");
        add_name(t, '%', op->out[i]->name);
    }
    if (op->num_out > 0)
        textbuf_puts(t, " = ");
    textbuf_puts(t, ir_op_info[op->op].text);
}

static void add_op(struct textbuf *t, const struct ir_op *op, struct ir_blobs *blobs)
{
    textbuf_puts(t, "  ");
    add_results(t, op);
    if (op->op != IR_OP_CONST) {
        textbuf_puts(t, "(");
        for (int i = 0; i < op->num_in; i++) {
            textbuf_puts(t, i ? ", " : "");
            add_operand(t, op->in[i]);
        }
        textbuf_puts(t, ")");
    }
    add_attrs(t, op);
    for (int i = 0; i < op->num_out; i++) {
        textbuf_puts(t, i ? ", " : " : ");
        add_type(t, op->out[i]);
    }
    if (op->op == IR_OP_CONST) {
        textbuf_puts(t, " = ");
        add_data(t, op, blobs);
    }
    add_loc(t, op->graph->module, op->loc);
    textbuf_puts(t, "\n");
}

static void add_graph(struct textbuf *t, const struct ir_graph *g, struct ir_blobs *blobs)
{
    textbuf_puts(t, "graph ");
    add_name(t, '@', g->name);
    textbuf_puts(t, "(");
    for (int i = 0; i < g->num_inputs; i++) {
        textbuf_puts(t, i ? ", " : "");
        add_name(t, '%', g->inputs[i]->name);
        textbuf_puts(t, ": ");
        add_type(t, g->inputs[i]);
    }
    textbuf_puts(t, ") {\n");
    for (const struct ir_op *op = g->first; op; op = op->next)
        add_op(t, op, blobs);
    textbuf_puts(t, "  return");
    for (int i = 0; i < g->num_outputs; i++) {
        textbuf_puts(t, i ? ", " : " ");
        add_name(t, '%', g->outputs[i]->name);
        textbuf_puts(t, " as ");
        textbuf_quote(t, g->output_names[i]);
    }
    textbuf_puts(t, "\n}\n");
}

static void add_key(struct textbuf *t, int *count, const char *key)
{
    textbuf_printf(t, "%s%s = ", (*count)++ ? ", " : "", key);
}

static void add_header(struct textbuf *t, const struct ir_module *m)
{
    int n = 0;
    textbuf_puts(t, "module {");
    if (m->source[0]) {
        add_key(t, &n, "source");
        textbuf_quote(t, m->source);
    }
    if (m->machine[0]) {
        add_key(t, &n, "machine");
        textbuf_quote(t, m->machine);
    }
    if (m->level) {
        int levels = 0;
        uint32_t bit;
        const char *name;
        add_key(t, &n, "level");
        for (int i = 0; (name = ir_level_text(i, &bit)) != NULL; i++)
            if (m->level & bit)
                textbuf_printf(t, "%s%s", levels++ ? ", " : "[", name);
        textbuf_puts(t, "]");
    }
    const struct {
        const char *key;
        uint64_t bytes;
    } sizes[] = {{"heap", m->heap_bytes}, {"rodata", m->rodata_bytes}, {"lanes", m->lanes_bytes}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].bytes) {
            add_key(t, &n, sizes[i].key);
            textbuf_printf(t, "0x%llx", (unsigned long long)sizes[i].bytes);
        }
    textbuf_puts(t, "}\n");
}

void ir_print_text(const struct ir_module *m, struct ir_blobs *blobs, struct textbuf *t)
{
    add_header(t, m);
    if (m->main)
        add_graph(t, m->main, blobs);
}

void ir_print(const struct ir_module *m, FILE *f, struct ir_blobs *blobs)
{
    struct textbuf t = {.arena = arena_create()};
    ir_print_text(m, blobs, &t);
    fwrite(t.text, 1, t.len, f);
    arena_destroy(t.arena);
}

bool ir_print_file(const struct ir_module *m, const char *path, struct diag *d)
{
    struct textbuf t = {.arena = arena_create()};
    struct ir_blobs *blobs = ir_blobs_create(arena_printf(t.arena, "%s.bin", path), t.arena, d);
    bool ok = blobs != NULL;
    if (ok) {
        ir_print_text(m, blobs, &t);
        // The data first: a text never names a blob file that is not there.
        ok = ir_blobs_commit(blobs, d) && io_write_file(path, t.text, t.len, d);
    }
    arena_destroy(t.arena);
    return ok;
}

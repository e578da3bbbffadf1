// Operators of plugins: a node becomes a host call, its attributes scalars and constants, its
// shapes what the plugin's shape function says.
#include <stdlib.h>
#include <string.h>

#include "import_host.h"
#include "importer.h"
#include "plugin.h"

struct plugin_node { // a node against one row of a plugin
    struct import_node *n;
    const struct bitlet_operator *op;
    struct host_word word[HOST_MAX_PARAMS];
    int num_words, num_in, num_out;
    struct bitlet_attribute attr[HOST_MAX_PARAMS]; // by word
};

static bool names_node(const struct bitlet_operator *op, const struct import_node *n)
{
    const char *domain = n->proto->domain ? n->proto->domain : "";
    return strcmp(op->domain, domain) == 0 &&
           strcmp(op->name, n->proto->op_type ? n->proto->op_type : "") == 0 &&
           op->since <= importer_opset(n->imp, domain);
}

bool importer_has_plugin(const struct import_node *n)
{
    const struct bitlet_operator *op;
    for (size_t i = 0; (op = plugin_operator(i)); i++)
        if (names_node(op, n))
            return true;
    return false;
}

static void read_words(struct plugin_node *p)
{
    const char *why = NULL;
    p->num_words = p->num_in = p->num_out = 0;
    for (const char *s = p->op->signature; host_next_word(&s, &p->word[p->num_words], &why);) {
        char kind = p->word[p->num_words++].kind;
        p->num_in += kind == 'r';
        p->num_out += kind == 'w';
    }
}

// Whether the node's inputs are of the types that the row's signature has.
static bool types_fit(const struct plugin_node *p)
{
    int at = 0;
    if (p->n->num_in > p->num_in || p->n->num_out > p->num_out)
        return false;
    for (int i = 0; i < p->num_words; i++) {
        if (p->word[i].kind != 'r')
            continue;
        const struct ir_value *v = node_in(p->n, at++);
        if (v ? v->type.dtype != p->word[i].dtype : !p->word[i].optional)
            return false;
    }
    return true;
}

static bool choose_row(struct plugin_node *p)
{
    const char *rows = "";
    for (size_t i = 0; (p->op = plugin_operator(i)); i++) {
        if (!names_node(p->op, p->n))
            continue;
        read_words(p);
        if (types_fit(p))
            return true;
        rows = arena_printf(p->n->arena, "%s%s'%s'", rows, *rows ? ", " : "", p->op->signature);
    }
    return node_error(p->n, DIAG_ONNX_TYPE,
                      "the inputs fit none of the plugin's signatures of the operator: %s", rows);
}

// ---- Attributes

static bool is_attribute(char kind)
{
    return strchr("ifsIF", kind) != NULL;
}

static void default_value(struct plugin_node *p, const struct host_word *w,
                          struct bitlet_attribute *a)
{
    char *text = arena_strndup(p->n->arena, w->dflt ? w->dflt : "", w->dflt_len);
    a->i = strtoll(text, NULL, 10);
    a->f = strtod(text, NULL);
    a->s = text;
}

static bool read_attribute(struct plugin_node *p, int word)
{
    static const struct {
        char word;
        int kind;
        const char *text;
    } kinds[] = {{'i', ONNX_INT, "an int"},
                 {'f', ONNX_FLOAT, "a float"},
                 {'s', ONNX_STRING, "a string"},
                 {'I', ONNX_INTS, "ints"},
                 {'F', ONNX_FLOATS, "floats"}};
    const struct host_word *w = &p->word[word];
    struct bitlet_attribute *a = &p->attr[word];
    struct import_node *n = p->n;
    a->name = arena_strndup(n->arena, w->name, w->name_len);
    int given = node_attr_kind(n, a->name), count = 0, k = 0;
    while (kinds[k].word != w->kind)
        k++;
    if (given < 0 && !w->dflt && w->kind != 'I' && w->kind != 'F')
        return node_error(n, DIAG_ONNX_ATTR, "attribute '%s' (%s) is missing", a->name,
                          kinds[k].text);
    if (given > 0 && given != kinds[k].kind)
        return node_error(n, DIAG_ONNX_ATTR, "attribute '%s' must be %s", a->name, kinds[k].text);
    default_value(p, w, a);
    a->i = node_int(n, a->name, a->i);
    a->f = node_float(n, a->name, a->f);
    a->s = node_str(n, a->name, a->s);
    if (w->kind == 'I')
        a->ints = node_ints(n, a->name, &count);
    else if (w->kind == 'F')
        a->floats = node_floats(n, a->name, &count);
    a->num = count;
    return true;
}

static bool read_attributes(struct plugin_node *p)
{
    bool ok = true;
    for (int i = 0; i < p->num_words; i++)
        if (is_attribute(p->word[i].kind))
            ok = read_attribute(p, i) && ok;
    for (size_t k = 0; k < p->n->proto->n_attribute; k++) {
        const char *name = p->n->proto->attribute[k]->name;
        bool known = false;
        for (int i = 0; i < p->num_words && !known; i++)
            known = is_attribute(p->word[i].kind) && name && strcmp(p->attr[i].name, name) == 0;
        if (!known)
            ok = node_error(p->n, DIAG_ONNX_ATTR, "attribute '%s' is none of the operator's",
                            name ? name : "");
    }
    return ok;
}

// ---- Shapes

static struct bitlet_type plugin_type(const struct ir_value *v)
{
    struct bitlet_type t = {0};
    if (!v)
        return t;
    t.element = dtype_info[v->type.dtype].onnx;
    t.rank = v->type.rank;
    memcpy(t.dim, v->type.dim, sizeof t.dim);
    return t;
}

static bool take_shape(struct plugin_node *p, int output, const struct bitlet_type *from,
                       enum dtype dtype, struct ir_type *to)
{
    bool fits =
        from->rank >= 0 && from->rank <= IR_MAX_RANK && dims_elems(from->dim, from->rank) >= 0;
    if (fits)
        *to = ir_type_make(dtype, from->dim, from->rank);
    return fits ||
           node_error(p->n, DIAG_PLUGIN, "the plugin gives output %d an impossible shape", output);
}

static bool result_types(struct plugin_node *p, struct ir_type *t)
{
    struct bitlet_type in[HOST_MAX_PARAMS], out[HOST_MAX_PARAMS] = {{0}};
    struct bitlet_attribute attr[HOST_MAX_PARAMS + 1] = {{0}};
    int num = 0, at = 0;
    for (int i = 0; i < p->num_in; i++)
        in[i] = plugin_type(node_in(p->n, i));
    for (int i = 0; i < p->num_words; i++) {
        if (is_attribute(p->word[i].kind))
            attr[num++] = p->attr[i];
        if (p->word[i].kind == 'w')
            out[at++].element = dtype_info[p->word[i].dtype].onnx;
    }
    if (!p->op->shape && p->n->num_in == 0)
        return node_error(p->n, DIAG_PLUGIN, "the operator has no input and no shape function");
    for (int i = 0; !p->op->shape && i < p->num_out; i++) {
        out[i].rank = in[0].rank;
        memcpy(out[i].dim, in[0].dim, sizeof in[0].dim);
    }
    const char *why = p->op->shape ? p->op->shape(in, p->num_in, attr, out, p->num_out) : NULL;
    if (why)
        return node_error(p->n, DIAG_ONNX_SHAPE, "%s", why);
    at = 0;
    for (int i = 0; i < p->num_words; i++)
        if (p->word[i].kind == 'w' && !take_shape(p, at, &out[at], p->word[i].dtype, &t[at]))
            return false;
        else if (p->word[i].kind == 'w')
            at++;
    return true;
}

// ---- The call

static struct ir_value *attribute_operand(struct plugin_node *p, int word)
{
    const struct bitlet_attribute *a = &p->attr[word];
    switch (p->word[word].kind) {
    case 's': return node_const_string(p->n, a->s);
    case 'I': return irb_const_i64s(&p->n->b, a->ints, (int)a->num);
    default: return node_const_doubles(p->n, a->floats, (int)a->num);
    }
}

// Calls pass floats first; a signature has scalars in any order, so that floats travel as integers
// of the same bits.
static struct ir_op *make_call(struct plugin_node *p, const struct ir_type *t)
{
    struct ir_value *in[HOST_MAX_PARAMS];
    int64_t ints[HOST_MAX_PARAMS];
    struct host_args args = {.in = in, .ints = ints, .optional = true};
    int next = 0;
    for (int i = 0; i < p->num_words; i++) {
        char kind = p->word[i].kind;
        if (kind == 'r')
            in[args.num_in++] = node_in(p->n, next++);
        else if (kind == 'i')
            ints[args.num_ints++] = p->attr[i].i;
        else if (kind == 'f')
            memcpy(&ints[args.num_ints++], &p->attr[i].f, sizeof(int64_t));
        else if (is_attribute(kind) && !(in[args.num_in++] = attribute_operand(p, i)))
            return NULL;
    }
    return node_host_op(p->n, p->op->kernel, &args, t, p->num_out);
}

bool importer_plugin_node(struct import_node *n)
{
    struct plugin_node p = {.n = n};
    struct ir_type t[HOST_MAX_PARAMS];
    if (!choose_row(&p) || !read_attributes(&p) || !result_types(&p, t))
        return false;
    struct ir_op *op = make_call(&p, t);
    bool ok = op != NULL;
    for (int i = 0; ok && i < p.num_out; i++)
        ok = node_bind(n, i, op->out[i]);
    return ok;
}

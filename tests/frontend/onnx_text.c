#include "onnx_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dtype.h"

enum { DIMS_MAX = 16, ELEMS_MAX = 1 << 16 };

// ---- Protobuf's wire format

struct buf {
    struct arena *a;
    uint8_t *data;
    size_t size, cap;
};

static void put_bytes(struct buf *b, const void *p, size_t n)
{
    b->data = arena_grow(b->a, b->data, b->size, b->size + n + 1, 1, &b->cap);
    if (n)
        memcpy(b->data + b->size, p, n);
    b->size += n;
}

static void put_varint(struct buf *b, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;
    for (; v > 0x7f; v >>= 7)
        bytes[n++] = (uint8_t)(v | 0x80);
    bytes[n++] = (uint8_t)v;
    put_bytes(b, bytes, n);
}

static void put_int(struct buf *b, int field, int64_t v)
{
    put_varint(b, (uint64_t)field << 3);
    put_varint(b, (uint64_t)v);
}

static void put_float(struct buf *b, int field, float v)
{
    put_varint(b, (uint64_t)field << 3 | 5);
    put_bytes(b, &v, 4);
}

static void put_block(struct buf *b, int field, const void *p, size_t n)
{
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, n);
    put_bytes(b, p, n);
}

static void put_text(struct buf *b, int field, const char *s)
{
    put_block(b, field, s, strlen(s));
}

static void put_message(struct buf *b, int field, const struct buf *m)
{
    put_block(b, field, m->data, m->size);
}

// ---- Text

struct model {
    struct arena *a;
    struct buf graph, opsets;
    int64_t opset, ir;
    const char *why;
};

static bool fail(struct model *m, const char *what, const char *at)
{
    m->why = arena_printf(m->a, "%s: '%s'", what, at);
    return false;
}

// Splits at blanks.
static int split(char *s, char **word, int max)
{
    int n = 0;
    for (char *w = strtok(s, " \t\r"); w && n < max; w = strtok(NULL, " \t\r"))
        word[n++] = w;
    return n;
}

// Calls put for every item of a comma-separated list; an empty last item does not count.
static bool each_item(const char *list, bool (*put)(void *user, const char *item, size_t len),
                      void *user)
{
    while (*list) {
        size_t len = strcspn(list, ",");
        if (len && !put(user, list, len))
            return false;
        list += len + (list[len] == ',');
    }
    return true;
}

struct dims {
    int64_t dim[DIMS_MAX];
    int rank;
};

static bool put_extent(void *user, const char *item, size_t len)
{
    struct dims *d = user;
    (void)len;
    if (d->rank == DIMS_MAX)
        return false;
    d->dim[d->rank++] = strtoll(item, NULL, 10);
    return true;
}

static int64_t count(const struct dims *d)
{
    int64_t n = 1;
    for (int i = 0; i < d->rank; i++) {
        if (d->dim[i] < 0 || d->dim[i] > ELEMS_MAX)
            return -1;
        n *= d->dim[i];
        if (n > ELEMS_MAX)
            return -1;
    }
    return n;
}

struct values {
    double v[64];
    int num;
};

static bool put_value(void *user, const char *item, size_t len)
{
    struct values *v = user;
    (void)len;
    if (v->num == 64)
        return false;
    v->v[v->num++] = strtod(item, NULL);
    return true;
}

static void put_element(struct buf *raw, enum dtype t, double v)
{
    union {
        float f;
        double d;
        int64_t i;
    } u = {.i = (int64_t)v};
    if (t == DT_F32)
        u.f = (float)v;
    else if (t == DT_F64)
        u.d = v;
    put_bytes(raw, &u, dtype_bytes(t)); // integers: the low bytes
}

static bool build_tensor(struct model *m, struct buf *out, const char *name, const char *type,
                         const char *shape, const char *list)
{
    enum dtype t;
    struct dims d = {.rank = 0};
    struct values v = {.num = 0};
    struct buf raw = {.a = m->a};
    if (!dtype_by_text(type, strlen(type), &t) || (dtype_is_float(t) && t != DT_F32 && t != DT_F64))
        return fail(m, "element type", type);
    if ((strcmp(shape, "-") != 0 && !each_item(shape, put_extent, &d)) ||
        (list && !each_item(list, put_value, &v)))
        return fail(m, "numbers", shape);
    for (int i = 0; i < d.rank; i++)
        put_int(out, 1, d.dim[i]);
    put_int(out, 2, dtype_info[t].onnx);
    int64_t n = count(&d);
    if (n < 0)
        return fail(m, "too many elements", shape);
    for (int64_t i = 0; i < n; i++)
        put_element(&raw, t, v.num ? v.v[i % v.num] : (double)(i + 1));
    put_text(out, 8, name);
    put_message(out, 9, &raw);
    return true;
}

// ---- Statements

static bool add_init(struct model *m, char **word, int n)
{
    struct buf t = {.a = m->a};
    bool values = n == 6 && strcmp(word[4], "=") == 0;
    if (n != 4 && !values)
        return fail(m, "init NAME TYPE DIMS [= VALUES]", n > 1 ? word[1] : "");
    if (!build_tensor(m, &t, word[1], word[2], word[3], values ? word[5] : NULL))
        return false;
    put_message(&m->graph, 5, &t);
    return true;
}

static bool put_dimension(void *user, const char *item, size_t len)
{
    struct buf *shape = user, dim = {.a = shape->a};
    if ((*item >= '0' && *item <= '9') || *item == '-')
        put_int(&dim, 1, strtoll(item, NULL, 10));
    else
        put_block(&dim, 2, item, len);
    put_message(shape, 1, &dim);
    return true;
}

static void put_value_info(struct model *m, int field, const char *name, int64_t type,
                           const char *shape)
{
    struct buf dims = {.a = m->a}, tensor = {.a = m->a}, any = {.a = m->a}, info = {.a = m->a};
    put_int(&tensor, 1, type);
    if (strcmp(shape, "?") != 0) {
        if (strcmp(shape, "-") != 0)
            (void)each_item(shape, put_dimension, &dims);
        put_message(&tensor, 2, &dims);
    }
    put_message(&any, 1, &tensor);
    put_text(&info, 1, name);
    put_message(&info, 2, &any);
    put_message(&m->graph, field, &info);
}

static bool add_input(struct model *m, char **word, int n)
{
    enum dtype t;
    if (n != 4 || !dtype_by_text(word[2], strlen(word[2]), &t))
        return fail(m, "in NAME TYPE DIMS", n > 1 ? word[1] : "");
    put_value_info(m, 11, word[1], dtype_info[t].onnx, word[3]);
    return true;
}

static bool add_output(struct model *m, char **word, int n)
{
    struct buf info = {.a = m->a};
    if (n != 2)
        return fail(m, "out NAME", n > 1 ? word[1] : "");
    put_text(&info, 1, word[1]);
    put_message(&m->graph, 12, &info);
    return true;
}

static bool put_integer(void *user, const char *item, size_t len)
{
    (void)len;
    put_int(user, 8, strtoll(item, NULL, 10));
    return true;
}

static bool put_real(void *user, const char *item, size_t len)
{
    (void)len;
    put_float(user, 7, strtof(item, NULL));
    return true;
}

// t:f32:2,3:1,2
static bool tensor_attribute(struct model *m, struct buf *attr, char *s)
{
    struct buf t = {.a = m->a};
    char *shape = strchr(s, ':'), *list = shape ? strchr(shape + 1, ':') : NULL;
    if (!list)
        return fail(m, "t:TYPE:DIMS:VALUES", s);
    *shape = *list = '\0';
    if (!build_tensor(m, &t, "", s, shape + 1, list + 1))
        return false;
    put_message(attr, 5, &t);
    put_int(attr, 20, 4);
    return true;
}

static bool add_attribute(struct model *m, struct buf *node, char *word)
{
    struct buf attr = {.a = m->a};
    char *v = strchr(word, '='), *end;
    if (!v || v == word)
        return fail(m, "NAME=VALUE", word);
    *v++ = '\0';
    put_text(&attr, 1, word);
    long long i = strtoll(v, &end, 10);
    if (end != v && !*end) {
        put_int(&attr, 3, i);
        put_int(&attr, 20, 2);
    } else if ((end != v || *v == ',') && strspn(v, "0123456789,-+") == strlen(v)) {
        (void)each_item(v, put_integer, &attr);
        put_int(&attr, 20, 7);
    } else if (strncmp(v, "f:", 2) == 0) {
        (void)each_item(v + 2, put_real, &attr);
        put_int(&attr, 20, 6);
    } else if (strncmp(v, "t:", 2) == 0) {
        if (!tensor_attribute(m, &attr, v + 2))
            return false;
    } else if (strtod(v, &end), end != v && strcmp(end, "f") == 0) {
        put_float(&attr, 2, strtof(v, NULL));
        put_int(&attr, 20, 1);
    } else {
        put_text(&attr, 4, v);
        put_int(&attr, 20, 3);
    }
    put_message(node, 5, &attr);
    return true;
}

static void put_op(struct buf *node, char *op)
{
    char *slash = strchr(op, '/'), *colon = strchr(op, ':');
    if (colon) {
        *colon = '\0';
        put_text(node, 3, colon + 1);
    }
    if (slash) {
        *slash = '\0';
        put_text(node, 7, op);
        op = slash + 1;
    }
    put_text(node, 4, op);
}

static bool add_node(struct model *m, char **word, int n)
{
    struct buf node = {.a = m->a};
    int i = 2;
    if (n < 3)
        return fail(m, "node OP IN.. -> OUT.. ATTR=VALUE..", n > 1 ? word[1] : "");
    for (; i < n && strcmp(word[i], "->") != 0; i++)
        put_text(&node, 1, strcmp(word[i], "_") == 0 ? "" : word[i]);
    if (i == n)
        return fail(m, "no -> in", word[1]);
    for (i++; i < n && !strchr(word[i], '='); i++)
        put_text(&node, 2, strcmp(word[i], "_") == 0 ? "" : word[i]);
    for (; i < n; i++)
        if (!add_attribute(m, &node, word[i]))
            return false;
    put_op(&node, word[1]);
    put_message(&m->graph, 1, &node);
    return true;
}

static bool add_version(struct model *m, char **word, int n)
{
    struct buf set = {.a = m->a};
    if (n != 2 && n != 3)
        return fail(m, "opset [DOMAIN] N", n > 1 ? word[1] : "");
    if (n == 2) {
        m->opset = strtoll(word[1], NULL, 10);
        return true;
    }
    put_text(&set, 1, word[1]);
    put_int(&set, 2, strtoll(word[2], NULL, 10));
    put_message(&m->opsets, 8, &set);
    return true;
}

static bool statement(struct model *m, char *line)
{
    enum { WORDS = 256 };
    char *word[WORDS];
    if (strncmp(line + strspn(line, " \t"), "//", 2) == 0)
        return true;
    int n = split(line, word, WORDS);
    if (n == 0)
        return true;
    if (strcmp(word[0], "node") == 0)
        return add_node(m, word, n);
    if (strcmp(word[0], "in") == 0)
        return add_input(m, word, n);
    if (strcmp(word[0], "init") == 0)
        return add_init(m, word, n);
    if (strcmp(word[0], "out") == 0)
        return add_output(m, word, n);
    if (strcmp(word[0], "opset") == 0)
        return add_version(m, word, n);
    if (strcmp(word[0], "ir") == 0 && n == 2) {
        m->ir = strtoll(word[1], NULL, 10);
        return true;
    }
    return fail(m, "statement", word[0]);
}

struct onnx_bytes onnx_text_build(const char *text, struct arena *a, const char **why)
{
    struct model m = {.a = a, .graph = {.a = a}, .opsets = {.a = a}, .opset = 13, .ir = 8};
    struct buf out = {.a = a}, set = {.a = a};
    for (const char *s = text; *s;) {
        bool comment = strncmp(s + strspn(s, " \t"), "//", 2) == 0;
        size_t len = strcspn(s, comment ? "\n" : ";\n");
        if (!statement(&m, arena_strndup(a, s, len))) {
            *why = m.why;
            return (struct onnx_bytes){NULL, 0};
        }
        s += len + (s[len] != '\0');
    }
    put_int(&out, 1, m.ir);
    put_text(&m.graph, 2, "g");
    put_message(&out, 7, &m.graph);
    if (m.opset >= 0) {
        put_int(&set, 2, m.opset);
        put_message(&out, 8, &set);
    }
    put_bytes(&out, m.opsets.data, m.opsets.size);
    return (struct onnx_bytes){out.data, out.size};
}

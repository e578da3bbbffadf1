// Attributes in IR text: those of the module in its header, and those of ops.
#include <string.h>

#include "ir_reader.h"

// ---- Header ------------------------------------------------------------------------------------

static bool header_string(struct ir_reader *r, const struct reader_attr *a, const char **out)
{
    const struct reader_item *i = &r->items[a->first];
    if (a->list || i->kind != READER_STR)
        return reader_error(r, a->name.pos, DIAG_IR_ATTR, "%s is a string", a->name.s);
    *out = arena_strdup(r->arena, i->text.s);
    return true;
}

static bool header_bytes(struct ir_reader *r, const struct reader_attr *a, uint64_t *out)
{
    const struct reader_num *n = &r->items[a->first].num;
    if (a->list || r->items[a->first].kind != READER_NUM || !n->is_int || n->negative)
        return reader_error(r, a->name.pos, DIAG_IR_ATTR, "%s is a number of bytes", a->name.s);
    *out = n->magnitude;
    return true;
}

static uint32_t level_bit(const struct reader_item *item)
{
    uint32_t bit;
    const char *text;
    for (int i = 0; item->kind == READER_WORD && (text = ir_level_text(i, &bit)) != NULL; i++)
        if (strcmp(text, item->text.s) == 0)
            return bit;
    return 0;
}

static bool header_level(struct ir_reader *r, const struct reader_attr *a)
{
    for (size_t i = 0; i < a->count; i++) {
        uint32_t bit = level_bit(&r->items[a->first + i]);
        if (!a->list || bit == 0)
            return reader_error(r, a->name.pos, DIAG_IR_ATTR,
                                "%s is a list of levels such as [imported, shaped]", a->name.s);
        r->m->level |= bit;
    }
    return true;
}

void reader_header(struct ir_reader *r)
{
    struct ir_module *m = r->m;
    r->has_header = true;
    for (size_t i = 0; i < r->num_attrs; i++) {
        const struct reader_attr *a = &r->attrs[i];
        const char *key = a->name.s;
        for (size_t k = 0; k < i; k++)
            if (strcmp(r->attrs[k].name.s, key) == 0)
                reader_error(r, a->name.pos, DIAG_IR_ATTR, "%s is given twice", key);
        if (strcmp(key, "source") == 0)
            header_string(r, a, &m->source);
        else if (strcmp(key, "machine") == 0)
            header_string(r, a, &m->machine);
        else if (strcmp(key, "level") == 0)
            header_level(r, a);
        else if (strcmp(key, "heap") == 0)
            header_bytes(r, a, &m->heap_bytes);
        else if (strcmp(key, "rodata") == 0)
            header_bytes(r, a, &m->rodata_bytes);
        else if (strcmp(key, "lanes") == 0)
            header_bytes(r, a, &m->lanes_bytes);
        else
            reader_error(
                r, a->name.pos, DIAG_IR_ATTR,
                "a module has no %s; it has source, machine, level, heap, rodata and lanes", key);
    }
    reader_drop(r);
}

// ---- Attributes of ops -------------------------------------------------------------------------

static int find_fn(enum ir_attr_kind kind, const char *s)
{
    size_t len = strlen(s);
    switch (kind) {
    case IR_AK_U: return fn_by_name(unary_fn_info, UFN_NUM, s, len);
    case IR_AK_B: return fn_by_name(binary_fn_info, BFN_NUM, s, len);
    default: return fn_by_name(reduce_fn_info, RFN_NUM, s, len);
    }
}

static bool set_word(struct ir_op *op, enum ir_attr_id id, const char *s)
{
    enum dtype t;
    int64_t mode;
    int fn;
    switch (ir_attr_info[id].kind) {
    case IR_AK_T:
        if (!dtype_by_text(s, strlen(s), &t))
            return false;
        ir_set_int(op, id, t);
        return true;
    case IR_AK_M:
        if (!ir_mode_by_text(s, strlen(s), &mode))
            return false;
        ir_set_int(op, id, mode);
        return true;
    case IR_AK_U:
    case IR_AK_B:
    case IR_AK_R:
        fn = find_fn(ir_attr_info[id].kind, s);
        if (fn < 0)
            return false;
        ir_set_int(op, id, fn);
        return true;
    default: return false;
    }
}

static bool set_scalar(struct ir_op *op, enum ir_attr_id id, const struct reader_item *item)
{
    enum ir_attr_kind kind = ir_attr_info[id].kind;
    int64_t v;
    if (item->kind == READER_WORD)
        return set_word(op, id, item->text.s);
    if (item->kind == READER_STR) {
        if (kind != IR_AK_S)
            return false;
        ir_set_str(op, id, item->text.s);
        return true;
    }
    if (kind == IR_AK_F || kind == IR_AK_D) {
        ir_set_float(op, id, item->num.f);
        return true;
    }
    if (kind != IR_AK_I || !reader_num_to_int(&item->num, &v))
        return false;
    ir_set_int(op, id, v);
    return true;
}

static bool set_list(struct ir_reader *r, struct ir_op *op, enum ir_attr_id id,
                     const struct reader_attr *a)
{
    enum ir_attr_kind kind = ir_attr_info[id].kind;
    if ((kind != IR_AK_IS && kind != IR_AK_FS) || a->count > INT32_MAX)
        return false;
    int64_t *is = kind == IR_AK_IS ? ARENA_ARRAY(r->scratch, a->count, int64_t) : NULL;
    double *fs = kind == IR_AK_FS ? ARENA_ARRAY(r->scratch, a->count, double) : NULL;
    for (size_t i = 0; i < a->count; i++) {
        const struct reader_item *item = &r->items[a->first + i];
        if (item->kind != READER_NUM || (is && !reader_num_to_int(&item->num, &is[i])))
            return false;
        if (fs)
            fs[i] = item->num.f;
    }
    if (is)
        ir_set_ints(op, id, is, (int)a->count);
    else
        ir_set_floats(op, id, fs, (int)a->count);
    return true;
}

static const char *kind_text(enum ir_attr_kind kind)
{
    switch (kind) {
    case IR_AK_I: return "an integer of 64 bits";
    case IR_AK_IS: return "a list of integers";
    case IR_AK_F:
    case IR_AK_D: return "a number";
    case IR_AK_FS: return "a list of numbers";
    case IR_AK_T: return "an element type";
    case IR_AK_U: return "the name of a unary function";
    case IR_AK_B: return "the name of a binary function";
    case IR_AK_R: return "the name of a reduce function";
    case IR_AK_M: return "fixed, fp32 or fp16";
    case IR_AK_S: return "a string";
    }
    return "";
}

bool reader_set_attr(struct ir_reader *r, struct ir_op *op, const struct reader_attr *a)
{
    const char *text = ir_op_info[op->op].text;
    int id = ir_attr_by_text(op->op, a->name.s, strlen(a->name.s));
    if (id < 0)
        return reader_error(r, a->name.pos, DIAG_IR_ATTR, "%s has no attribute %s", text,
                            a->name.s);
    if (ir_has_attr(op, (enum ir_attr_id)id))
        return reader_error(r, a->name.pos, DIAG_IR_ATTR, "%s: attribute %s is given twice", text,
                            a->name.s);
    bool ok = a->list ? set_list(r, op, (enum ir_attr_id)id, a)
                      : set_scalar(op, (enum ir_attr_id)id, &r->items[a->first]);
    return ok || reader_error(r, a->name.pos, DIAG_IR_ATTR, "%s: attribute %s must be %s", text,
                              a->name.s, kind_text(ir_attr_info[id].kind));
}

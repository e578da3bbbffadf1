// Statements of IR text become ops. Attributes, types and names are checked here, with the place in
// the text; what an op as a whole must fulfil is left to ir_infer and ir_verify.
#include "ir_reader.h"

#include <stdarg.h>
#include <string.h>

#include "io.h"
#include "ir_parse.h"

#include "ir_lex.h" // knows the types of the parser's header

enum { TEXT_BYTES_MAX = 256 * 1024 * 1024 };

bool reader_error(struct ir_reader *r, struct reader_pos at, enum diag_id id, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = arena_vprintf(r->scratch, fmt, ap);
    va_end(ap);
    r->failed = true;
    struct loc_table *locs = diag_locs(r->diag);
    return diag_report(r->diag, locs ? loc_text(locs, r->name, at.line, at.col) : LOC_NONE, id,
                       "%s", text);
}

// ---- Collecting --------------------------------------------------------------------------------

#define APPEND(r, list)                                                                            \
    ((r)->list = arena_grow((r)->scratch, (r)->list, (r)->num_##list, (r)->num_##list + 1,         \
                            sizeof *(r)->list, &(r)->cap_##list),                                  \
     &(r)->list[(r)->num_##list++])

void reader_add_result(struct ir_reader *r, struct reader_text name)
{
    *APPEND(r, results) = name;
}

void reader_add_operand(struct ir_reader *r, struct reader_text name)
{
    *APPEND(r, operands) = (struct reader_operand){.name = name};
}

void reader_add_item(struct ir_reader *r, enum reader_item_kind kind, const struct reader_num *num,
                     const struct reader_text *text)
{
    struct reader_item *i = APPEND(r, items);
    *i = (struct reader_item){.kind = kind};
    if (num)
        i->num = *num;
    if (text)
        i->text = *text;
}

void reader_add_attr(struct ir_reader *r, struct reader_text name, size_t first, bool list)
{
    *APPEND(r, attrs) = (struct reader_attr){
        .name = name, .first = first, .count = r->num_items - first, .list = list};
}

void reader_set_addr(struct ir_reader *r, uint64_t addr)
{
    r->types[r->num_types - 1].has_addr = true;
    r->types[r->num_types - 1].addr = addr;
}

void reader_set_data(struct ir_reader *r, enum reader_data_form form, struct reader_text word,
                     size_t first)
{
    r->data_form = form;
    r->data_word = word;
    r->data_first = first;
    r->data_count = r->num_items - first;
}

bool reader_num_to_int(const struct reader_num *n, int64_t *v)
{
    if (!n->is_int || n->magnitude > (uint64_t)INT64_MAX + n->negative)
        return false;
    *v = n->negative ? (int64_t)(0 - n->magnitude) : (int64_t)n->magnitude;
    return true;
}

// The value that a type names as an extent.
static bool find_symbol(struct ir_reader *r, const struct reader_item *item, struct ir_value **out)
{
    struct reader_text name = item->text;
    *out = r->m->main ? ir_graph_find(r->m->main, name.s, strlen(name.s)) : NULL;
    if (!*out)
        return reader_error(r, name.pos, DIAG_IR_NAME, "%%%s is not defined", name.s);
    const struct ir_type *t = &(*out)->type;
    return !t->known || (t->dtype == DT_I64 && t->rank == 0) ||
           reader_error(r, name.pos, DIAG_IR_TYPE, "the extent %%%s is %s, an i64 scalar is needed",
                        name.s, ir_type_text(t, r->scratch));
}

static bool read_dims(struct ir_reader *r, struct ir_type *t, size_t first, struct reader_pos at)
{
    size_t n = r->num_items - first;
    if (n > IR_MAX_RANK)
        return reader_error(r, at, DIAG_IR_TYPE, "a type of rank %zu; at most %d is handled", n,
                            IR_MAX_RANK);
    for (size_t i = 0; i < n; i++) {
        const struct reader_item *item = &r->items[first + i];
        bool symbol = item->kind == READER_EXTENT;
        if ((item->kind != READER_NUM && !symbol) || !reader_num_to_int(&item->num, &t->dim[i]) ||
            t->dim[i] < 0)
            return reader_error(r, at, DIAG_IR_TYPE, "extent %zu is no number of elements", i);
        if (symbol && !find_symbol(r, item, &t->sym[i]))
            return false;
    }
    t->rank = (int)n;
    int64_t elems = dims_elems(t->dim, t->rank);
    return (elems >= 0 && elems <= IR_ELEMS_MAX) ||
           reader_error(r, at, DIAG_IR_TYPE, "%s has more than 2^%d elements",
                        tensor_type_text(t->dtype, t->dim, t->rank, r->scratch), IR_ELEMS_LOG2_MAX);
}

void reader_add_type(struct ir_reader *r, const struct reader_text *dtype, size_t first)
{
    struct ir_type t = {0};
    if (dtype) {
        if (!dtype_by_text(dtype->s, strlen(dtype->s), &t.dtype))
            reader_error(r, dtype->pos, DIAG_IR_TYPE, "'%s' is no element type", dtype->s);
        else
            t.known = read_dims(r, &t, first, dtype->pos);
        r->num_items = first;
    }
    *APPEND(r, types) = (struct reader_type){.type = t, .bad = dtype && !t.known};
}

void reader_add_loc(struct ir_reader *r, struct reader_num index, struct reader_text node,
                    struct reader_text op_type, struct reader_num opset, const char *file)
{
    int64_t i, o;
    if (!reader_num_to_int(&index, &i) || !reader_num_to_int(&opset, &o) || i < -1 ||
        i > INT32_MAX || o < 0 || o > INT32_MAX) {
        reader_error(r, index.pos, DIAG_IR_SYNTAX, "a location is (index \"node\" OpType opset)");
        return;
    }
    struct loc_table *locs = r->m->locs;
    if (locs)
        r->loc = loc_fused(
            locs, r->loc,
            loc_node(locs, file ? file : r->m->source, (int32_t)i, node.s, op_type.s, (int32_t)o));
}

static void clear_statement(struct ir_reader *r)
{
    r->num_results = r->num_operands = r->num_items = r->num_attrs = r->num_types = 0;
    r->data_form = READER_NO_DATA;
    r->data_count = 0;
    r->loc = LOC_NONE;
}

// ---- Names whose definition failed -------------------------------------------------------------

static bool is_poisoned(const struct ir_reader *r, const char *name)
{
    return ir_graph_find(r->poison, name, strlen(name)) != NULL;
}

static void poison_name(struct ir_reader *r, const char *name)
{
    if (!is_poisoned(r, name))
        ir_graph_add_input(r->poison, name, &(struct ir_type){0});
}

void reader_drop(struct ir_reader *r)
{
    for (size_t i = 0; i < r->num_results; i++)
        poison_name(r, r->results[i].s);
    clear_statement(r);
}

// ---- Graph -------------------------------------------------------------------------------------

// Whether the name is still free; a second definition is reported.
static bool name_is_new(struct ir_reader *r, struct reader_text name)
{
    return !ir_graph_find(r->m->main, name.s, strlen(name.s)) ||
           reader_error(r, name.pos, DIAG_IR_NAME, "%%%s is defined twice", name.s);
}

static void set_addr(struct ir_value *v, const struct reader_type *t)
{
    v->has_addr = t->has_addr;
    v->addr = t->addr;
}

void reader_graph(struct ir_reader *r, struct reader_text name)
{
    r->m->main = ir_graph_create(r->m, name.s);
    for (size_t i = 0; i < r->num_results; i++) {
        const struct reader_type *t = &r->types[i];
        if (!name_is_new(r, r->results[i]))
            continue;
        if (t->type.known)
            set_addr(ir_graph_add_input(r->m->main, r->results[i].s, &t->type), t);
        else
            poison_name(r, r->results[i].s);
        if (!t->type.known && !t->bad)
            reader_error(r, r->results[i].pos, DIAG_IR_TYPE, "graph input %%%s needs a type",
                         r->results[i].s);
    }
    clear_statement(r);
}

void reader_return(struct ir_reader *r, struct reader_pos at)
{
    (void)at;
    for (size_t i = 0; i < r->num_operands; i++) {
        struct reader_text name = r->operands[i].name;
        struct ir_value *v = ir_graph_find(r->m->main, name.s, strlen(name.s));
        if (v)
            ir_graph_add_output(r->m->main, v, r->items[i].text.s);
        else if (!is_poisoned(r, name.s))
            reader_error(r, name.pos, DIAG_IR_NAME, "%%%s is not defined", name.s);
    }
    clear_statement(r);
}

// ---- Ops ---------------------------------------------------------------------------------------

// The operands' values; false: one of them is unknown or could not be defined (then nothing more is
// reported).
static bool find_operands(struct ir_reader *r, struct ir_value **in)
{
    bool ok = true;
    for (size_t i = 0; i < r->num_operands; i++) {
        struct reader_text name = r->operands[i].name;
        if (!name.s)
            continue;
        in[i] = ir_graph_find(r->m->main, name.s, strlen(name.s));
        if (in[i])
            continue;
        ok = false;
        r->failed = true;
        if (!is_poisoned(r, name.s))
            reader_error(r, name.pos, DIAG_IR_NAME, "%%%s is not defined", name.s);
        poison_name(r, name.s);
    }
    return ok;
}

static bool check_counts(struct ir_reader *r, struct reader_text op, int opcode)
{
    const struct ir_op_info *info = &ir_op_info[opcode];
    if (r->num_results > INT32_MAX || r->num_operands > INT32_MAX)
        return reader_error(r, op.pos, DIAG_LIMIT, "too many operands");
    if (info->outs >= 0 && r->num_results != (size_t)info->outs)
        return reader_error(r, op.pos, DIAG_IR_OP, "%s has %d result%s, %zu are named", op.s,
                            info->outs, info->outs == 1 ? "" : "s", r->num_results);
    if (r->num_types > 0 && r->num_types != r->num_results)
        return reader_error(r, op.pos, DIAG_IR_TYPE, "%zu results have %zu types", r->num_results,
                            r->num_types);
    if ((opcode == IR_OP_CONST) != (r->data_form != READER_NO_DATA))
        return reader_error(r, op.pos, DIAG_IR_DATA,
                            opcode == IR_OP_CONST ? "a const needs data" : "only a const has data");
    return true;
}

static bool types_are_good(const struct ir_reader *r)
{
    bool ok = true;
    for (size_t i = 0; i < r->num_types; i++)
        ok &= !r->types[i].bad;
    return ok;
}

static bool names_are_new(struct ir_reader *r)
{
    bool ok = true;
    for (size_t i = 0; i < r->num_results; i++)
        ok &= name_is_new(r, r->results[i]);
    return ok;
}

static struct ir_op *make_op(struct ir_reader *r, int opcode, struct ir_value **in,
                             struct reader_pos at)
{
    struct loc_table *locs = r->m->locs;
    loc_id loc = r->loc;
    if (loc == LOC_NONE && locs)
        loc = loc_text(locs, r->name, at.line, at.col);
    int n = (int)r->num_results;
    struct ir_op *op = ir_op_create(r->m->main, NULL, (enum ir_opcode)opcode, loc, in,
                                    (int)r->num_operands, n, n > 0 ? r->results[0].s : NULL);
    for (int i = 1; i < n; i++)
        ir_value_rename(op->out[i], r->m->main, r->results[i].s);
    for (int i = 1; i < n; i++)
        if (strcmp(op->out[i]->name, r->results[i].s) != 0) // taken by another result
            reader_error(r, r->results[i].pos, DIAG_IR_NAME, "%%%s is defined twice",
                         r->results[i].s);
    return op;
}

static bool operands_have_types(const struct ir_op *op)
{
    bool known = true;
    for (int i = 0; i < op->num_in; i++)
        known &= !op->in[i] || op->in[i]->type.known;
    return known;
}

static bool infer_op(struct ir_reader *r, struct ir_op *op, struct reader_pos at)
{
    bool written = r->num_types > 0;
    for (int i = 0; written && i < op->num_out; i++) {
        op->out[i]->type = r->types[i].type;
        set_addr(op->out[i], &r->types[i]);
    }
    if (op->op == IR_OP_CONST) {
        if (!written || !r->types[0].type.known)
            return reader_error(r, at, DIAG_IR_TYPE, "a const needs a type");
        return reader_const_data(r, op, &r->types[0].type, at);
    }
    if (!operands_have_types(op))
        return true; // what is written stays; a pass infers the rest
    if (!ir_infer(op, r->diag))
        return false;
    bool ok = true;
    for (int i = 0; written && i < op->num_out; i++)
        if (r->types[i].type.known && !ir_type_equal(&op->out[i]->type, &r->types[i].type))
            ok = reader_error(r, r->results[i].pos, DIAG_IR_TYPE,
                              "%%%s is written as %s, %s gives %s", r->results[i].s,
                              ir_type_text(&r->types[i].type, r->scratch), ir_op_info[op->op].text,
                              ir_type_text(&op->out[i]->type, r->scratch));
    return ok;
}

void reader_op(struct ir_reader *r, struct reader_text text)
{
    int opcode = ir_op_by_text(text.s, strlen(text.s));
    struct reader_pos at = r->num_results > 0 ? r->results[0].pos : text.pos;
    struct ir_value **in = ARENA_ARRAY(r->scratch, r->num_operands, struct ir_value *);
    bool ok = opcode >= 0 || reader_error(r, text.pos, DIAG_IR_OP, "no op is called '%s'", text.s);
    ok = ok && check_counts(r, text, opcode);
    ok &= types_are_good(r);
    ok &= find_operands(r, in);
    if (!names_are_new(r)) {
        clear_statement(r);
        return;
    }
    if (!ok) {
        reader_drop(r);
        return;
    }
    struct ir_op *op = make_op(r, opcode, in, at);
    for (size_t i = 0; i < r->num_attrs; i++)
        ok &= reader_set_attr(r, op, &r->attrs[i]);
    ok = ok && infer_op(r, op, at);
    if (ok) {
        clear_statement(r);
        return;
    }
    r->failed = true;
    // Users are still checked against the types that the text gives.
    bool known = r->num_types > 0;
    for (size_t i = 0; i < r->num_types; i++)
        known &= r->types[i].type.known;
    if (known) {
        for (int i = 0; i < op->num_out; i++)
            op->out[i]->type = r->types[i].type;
        clear_statement(r);
        return;
    }
    ir_op_erase(op);
    reader_drop(r);
}

// ---- Texts -------------------------------------------------------------------------------------

static void run_parser(struct ir_reader *r, const char *text, size_t len)
{
    char *buf = arena_alloc(r->scratch, len + 2); // flex wants two NULs behind its text
    memcpy(buf, text, len);
    yyscan_t scanner;
    if (ir_yylex_init_extra(r, &scanner) != 0)
        bitlet_bug("the lexer does not start");
    if (!ir_yy_scan_buffer(buf, len + 2, scanner))
        bitlet_bug("the lexer refuses its buffer");
    if (ir_yyparse(scanner, r) != 0)
        r->failed = true;
    ir_yylex_destroy(scanner);
}

static bool finish_module(struct ir_reader *r)
{
    if (r->failed)
        return false;
    if (!r->has_header)
        r->m->level = IR_L_IMPORTED | IR_L_SHAPED;
    return reader_fill_pending(r) && ir_verify(r->m, r->diag);
}

static struct ir_module *parse(const char *text, size_t len, const char *name,
                               const struct ir_blobs *blobs, struct arena *a,
                               struct loc_table *locs, struct diag *d)
{
    if (len > TEXT_BYTES_MAX) {
        diag_report(d, diag_file(d, name), DIAG_LIMIT, "a text of %zu bytes; at most %d are read",
                    len, (int)TEXT_BYTES_MAX);
        return NULL;
    }
    struct ir_reader r = {.m = ir_module_create(a),
                          .arena = a,
                          .scratch = arena_create(),
                          .diag = d,
                          .name = name,
                          .blobs = blobs,
                          .at = {1, 1}};
    r.m->locs = locs;
    struct ir_module *rejected = ir_module_create(r.scratch);
    r.poison = ir_graph_create(rejected, "");
    run_parser(&r, text, len);
    struct ir_module *m = finish_module(&r) ? r.m : NULL;
    arena_destroy(r.scratch);
    return m;
}

struct ir_module *ir_parse_text(const char *text, size_t len, const char *name, struct arena *a,
                                struct loc_table *locs, struct diag *d)
{
    return parse(text, len, name, NULL, a, locs, d);
}

struct ir_module *ir_parse_file(const char *path, struct arena *a, struct loc_table *locs,
                                struct diag *d)
{
    struct io_map map;
    if (!io_map_file(&map, path, TEXT_BYTES_MAX, d))
        return NULL;
    struct ir_module *m = parse((const char *)map.data, map.size, path, NULL, a, locs, d);
    io_unmap(&map);
    return m;
}

static void keep_message(void *user, enum diag_severity sev, enum diag_id id, const char *message)
{
    const char **why = user;
    (void)id;
    if (!*why && sev == DIAG_SEV_ERROR)
        *why = message;
}

static const char *first_difference(const struct textbuf *a, const struct textbuf *b,
                                    struct arena *scratch)
{
    size_t i = 0, line = 1, start = 0;
    for (; i < a->len && i < b->len && a->text[i] == b->text[i]; i++)
        if (a->text[i] == '\n') {
            line++;
            start = i + 1;
        }
    int len_a = (int)strcspn(a->text + start, "\n"), len_b = (int)strcspn(b->text + start, "\n");
    return arena_printf(scratch, "line %zu: '%.*s' becomes '%.*s'", line, len_a, a->text + start,
                        len_b, b->text + start);
}

bool ir_roundtrips(const struct ir_module *m, struct arena *scratch, const char **why)
{
    const char *message = NULL;
    struct loc_table *locs = loc_table_create(scratch);
    struct diag *d = diag_create(scratch, locs);
    diag_set_sink(d, keep_message, &message);
    struct ir_blobs *once = ir_blobs_create(NULL, scratch, d),
                    *again = ir_blobs_create(NULL, scratch, d);
    struct textbuf a = {.arena = scratch}, b = {.arena = scratch};
    ir_print_text(m, once, &a);
    struct ir_module *back = parse(a.text, a.len, "printed.bir", once, scratch, locs, d);
    *why = NULL;
    if (!back) {
        *why = message ? message : "the text does not parse";
        return false;
    }
    ir_print_text(back, again, &b);
    if (a.len == b.len && memcmp(a.text, b.text, a.len) == 0)
        return true;
    *why = first_difference(&a, &b, scratch);
    return false;
}

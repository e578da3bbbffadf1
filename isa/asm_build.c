// The assembler: numbers, instructions and labels. Directives are in asm_data.c.
#include "asm_build.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { ERRORS_MAX = 200 };

void asm_error(struct asm_ctx *c, struct asm_pos pos, enum diag_id id, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = arena_vprintf(c->scratch, fmt, ap);
    va_end(ap);
    struct loc_table *t = diag_locs(c->diag);
    loc_id loc = t ? loc_text(t, c->path, (uint32_t)pos.line, (uint32_t)pos.col) : LOC_NONE;
    diag_report(c->diag, loc, id, "%s", text);
    c->errors++;
}

bool asm_gives_up(const struct asm_ctx *c)
{
    return c->errors >= ERRORS_MAX;
}

bool asm_text_is(struct asm_text t, const char *s)
{
    return strlen(s) == t.len && memcmp(t.s, s, t.len) == 0;
}

// Texts of the source in messages are cut to a readable length.
static int shown(struct asm_text t)
{
    return t.len < 60 ? (int)t.len : 60;
}

// ---- Numbers
// ---------------------------------------------------------------------------------------

static unsigned digit_value(char ch)
{
    if (ch >= '0' && ch <= '9')
        return (unsigned)(ch - '0');
    return (unsigned)((ch | 0x20) - 'a') + 10;
}

struct asm_number asm_scan_number(struct asm_text text)
{
    struct asm_number n = {.text = text, .negative = text.s[0] == '-'};
    size_t i = text.s[0] == '-' || text.s[0] == '+';
    n.hex = text.len > i + 1 && (text.s[i + 1] | 0x20) == 'x';
    i += n.hex ? 2 : 0;
    unsigned base = n.hex ? 16 : 10;
    for (; i < text.len; i++) {
        unsigned digit = digit_value(text.s[i]);
        if (digit >= base) {
            n.fraction = true;
            return n;
        }
        n.too_large |= n.magnitude > (UINT64_MAX - digit) / base;
        n.magnitude = n.magnitude * base + digit;
    }
    return n;
}

bool asm_unsigned(struct asm_ctx *c, struct asm_number n, uint64_t max, const char *what,
                  struct asm_pos pos, uint64_t *out)
{
    *out = n.magnitude;
    if (!n.fraction && !n.too_large && n.magnitude <= max && !(n.negative && n.magnitude))
        return true;
    asm_error(c, pos, DIAG_ASM_OPERAND, "%s is %.*s; it takes 0 .. %" PRIu64, what, shown(n.text),
              n.text.s, max);
    return false;
}

static bool asm_signed(struct asm_ctx *c, struct asm_number n, int64_t min, uint64_t max,
                       const char *what, struct asm_pos pos, int64_t *out)
{
    uint64_t limit = n.negative ? -(uint64_t)min : max;
    *out = (int64_t)(n.negative ? -n.magnitude : n.magnitude);
    if (!n.fraction && !n.too_large && n.magnitude <= limit)
        return true;
    asm_error(c, pos, DIAG_ASM_OPERAND, "%s is %.*s; it takes %" PRId64 " .. %" PRIu64, what,
              shown(n.text), n.text.s, min, max);
    return false;
}

// A decimal number is rounded to the nearest float; a hexadecimal one is its bits.
bool asm_float_bits(struct asm_ctx *c, struct asm_number n, struct asm_pos pos, uint32_t *out)
{
    char text[64];
    if (n.hex) {
        *out = (uint32_t)n.magnitude;
        if (!n.negative && !n.too_large && n.magnitude <= UINT32_MAX)
            return true;
    } else if (n.text.len < sizeof text) {
        memcpy(text, n.text.s, n.text.len);
        text[n.text.len] = '\0';
        float v = strtof(text, NULL);
        memcpy(out, &v, sizeof v);
        return true;
    }
    asm_error(
        c, pos, DIAG_ASM_OPERAND,
        "%.*s is no f32: 32 bits in hexadecimal, or a decimal number of less than %zu characters",
        shown(n.text), n.text.s, sizeof text);
    return false;
}

// ---- Operands
// --------------------------------------------------------------------------------------

void asm_drop_operands(struct asm_ctx *c)
{
    c->num_operands = 0;
}

void asm_add_operand(struct asm_ctx *c, struct asm_operand op)
{
    if (c->num_operands < ASM_OPERANDS_MAX)
        c->operands[c->num_operands++] = op;
    else
        asm_error(c, op.pos, DIAG_ASM_OPERAND, "more operands than any instruction has");
}

// An instruction while its operands are matched with the fields of its format.
struct match {
    struct asm_ctx *ctx;
    const char *op;
    const struct isa_format_info *fmt;
    struct isa_insn insn;
    uint32_t seen;
    uint64_t pc;
};

static bool parse_register(struct asm_text t, enum isa_kind *kind, int64_t *number)
{
    if (t.len < 2 || t.len > 3 || (t.s[0] != 'x' && t.s[0] != 't') || (t.len == 3 && t.s[1] == '0'))
        return false;
    int64_t n = 0;
    for (size_t i = 1; i < t.len; i++) {
        if (t.s[i] < '0' || t.s[i] > '9')
            return false;
        n = n * 10 + (t.s[i] - '0');
    }
    *kind = t.s[0] == 'x' ? ISA_KIND_XREG : ISA_KIND_TREG;
    *number = n;
    return n < (t.s[0] == 'x' ? ISA_XREGS : ISA_TREGS);
}

static const char *kind_noun(enum isa_kind kind)
{
    switch (kind) {
    case ISA_KIND_XREG: return "a scalar register x0 .. x31";
    case ISA_KIND_TREG: return "a tensor register t0 .. t31";
    case ISA_KIND_OFF: return "a label or a distance .+N";
    case ISA_KIND_F32: return "a number";
    case ISA_KIND_FLAG: return "its name alone";
    default: return isa_kind_is_enum(kind) ? "a name" : "a number";
    }
}

static bool mark_seen(struct match *m, int field, struct asm_pos pos)
{
    uint32_t bit = UINT32_C(1) << field;
    if (m->seen & bit) {
        asm_error(m->ctx, pos, DIAG_ASM_OPERAND, "'%s': operand %s is given twice", m->op,
                  m->fmt->fields[field].name);
        return false;
    }
    m->seen |= bit;
    return true;
}

static void wrong_operand(struct match *m, int field, struct asm_pos pos)
{
    const struct isa_field *f = &m->fmt->fields[field];
    asm_error(m->ctx, pos, DIAG_ASM_OPERAND, "'%s': operand %s takes %s (%s)", m->op, f->name,
              kind_noun(f->kind), f->doc);
}

static void list_enum(struct match *m, const struct isa_field *f, struct asm_text value,
                      struct asm_pos pos)
{
    const char *names = "";
    for (int v = 0; v < 1 << f->width; v++) {
        const char *name = isa_enum_text(f->kind, v);
        if (name)
            names = arena_printf(m->ctx->scratch, "%s%s%s", names, names[0] ? ", " : "", name);
    }
    asm_error(m->ctx, pos, DIAG_ASM_OPERAND, "'%s': %s=%.*s is not known; it takes %s", m->op,
              f->name, shown(value), value.s, names);
}

static void refer_label(struct match *m, int field, struct asm_text name, struct asm_pos pos)
{
    struct asm_ctx *c = m->ctx;
    if (c->num_fixups == c->cap_fixups)
        c->fixups = arena_grow(c->scratch, c->fixups, c->num_fixups, c->num_fixups + 1,
                               sizeof *c->fixups, &c->cap_fixups);
    c->fixups[c->num_fixups++] =
        (struct asm_fixup){.pc = m->pc, .field = field, .name = name, .pos = pos};
}

static bool float_by_name(struct asm_text name, uint32_t *bits)
{
    if (asm_text_is(name, "inf"))
        *bits = 0x7f800000;
    else if (asm_text_is(name, "nan"))
        *bits = 0x7fc00000;
    else
        return false;
    return true;
}

static void set_from_name(struct match *m, int field, struct asm_text value, struct asm_pos pos)
{
    const struct isa_field *f = &m->fmt->fields[field];
    enum isa_kind kind;
    int64_t number;
    uint32_t bits;
    if (f->kind == ISA_KIND_OFF) {
        refer_label(m, field, value, pos);
    } else if (isa_kind_is_enum(f->kind)) {
        int v = isa_enum_by_text(f->kind, value.s, value.len);
        if (v < 0)
            list_enum(m, f, value, pos);
        else
            m->insn.f[field] = v;
    } else if (f->kind == ISA_KIND_F32 && float_by_name(value, &bits)) {
        m->insn.f[field] = bits;
    } else if (parse_register(value, &kind, &number) && kind == f->kind) {
        m->insn.f[field] = number;
    } else {
        wrong_operand(m, field, pos);
    }
}

static void set_from_number(struct match *m, int field, struct asm_number n, struct asm_pos pos)
{
    const struct isa_field *f = &m->fmt->fields[field];
    const char *what = arena_printf(m->ctx->scratch, "'%s': operand %s", m->op, f->name);
    int64_t min;
    uint64_t max, u = 0;
    uint32_t bits;
    isa_field_range(f, &min, &max);
    switch (f->kind) {
    case ISA_KIND_UIMM:
    case ISA_KIND_FLAG:
        if (asm_unsigned(m->ctx, n, max, what, pos, &u))
            m->insn.f[field] = (int64_t)u;
        break;
    case ISA_KIND_SIMM:
    case ISA_KIND_OFF:
        if (!asm_signed(m->ctx, n, min, max, what, pos, &m->insn.f[field]))
            m->insn.f[field] = 0;
        break;
    case ISA_KIND_F32:
        if (asm_float_bits(m->ctx, n, pos, &bits))
            m->insn.f[field] = bits;
        break;
    default: wrong_operand(m, field, pos);
    }
}

static int field_by_name(const struct match *m, struct asm_text name)
{
    for (int i = 0; i < m->fmt->num_fields; i++)
        if (asm_text_is(name, m->fmt->fields[i].name))
            return i;
    return -1;
}

static const char *field_list(const struct match *m)
{
    const char *list = "";
    for (int i = 0; i < m->fmt->num_fields; i++)
        list = arena_printf(m->ctx->scratch, "%s%s%s", list, i ? ", " : "", m->fmt->fields[i].name);
    return list[0] ? list : "none";
}

static void unknown_operand(struct match *m, struct asm_text name, struct asm_pos pos)
{
    asm_error(m->ctx, pos, DIAG_ASM_OPERAND, "'%s' has no operand '%.*s'; its operands are: %s",
              m->op, shown(name), name.s, field_list(m));
}

// The first field of the kind that has no value yet, or -1.
static int next_field(const struct match *m, enum isa_kind kind)
{
    for (int i = 0; i < m->fmt->num_fields; i++)
        if (m->fmt->fields[i].kind == kind && !(m->seen >> i & 1))
            return i;
    return -1;
}

// The next register that the format wants, whichever its file: registers stand in the order of the
// fields.
static int next_register(const struct match *m)
{
    int x = next_field(m, ISA_KIND_XREG), t = next_field(m, ISA_KIND_TREG);
    return x < 0 || (t >= 0 && t < x) ? t : x;
}

static void match_bare_name(struct match *m, const struct asm_operand *o)
{
    enum isa_kind kind;
    int64_t number;
    if (parse_register(o->name, &kind, &number)) {
        int field = next_register(m);
        if (field < 0)
            asm_error(m->ctx, o->pos, DIAG_ASM_OPERAND, "'%s' takes no more registers: '%.*s'",
                      m->op, shown(o->name), o->name.s);
        else if (mark_seen(m, field, o->pos))
            set_from_name(m, field, o->name, o->pos);
        return;
    }
    int field = field_by_name(m, o->name), target = next_field(m, ISA_KIND_OFF);
    if (field >= 0 && m->fmt->fields[field].kind == ISA_KIND_FLAG) {
        if (mark_seen(m, field, o->pos))
            m->insn.f[field] = 1;
    } else if (target >= 0) {
        m->seen |= UINT32_C(1) << target;
        refer_label(m, target, o->name, o->pos);
    } else if (field >= 0) {
        wrong_operand(m, field, o->pos);
    } else {
        unknown_operand(m, o->name, o->pos);
    }
}

static void match_distance(struct match *m, const struct asm_operand *o)
{
    int field = next_field(m, ISA_KIND_OFF);
    if (field < 0) {
        asm_error(m->ctx, o->pos, DIAG_ASM_OPERAND, "'%s' takes no branch distance here", m->op);
        return;
    }
    m->seen |= UINT32_C(1) << field;
    set_from_number(m, field, o->number, o->pos);
}

static void match_named(struct match *m, const struct asm_operand *o)
{
    int field = field_by_name(m, o->name);
    if (field < 0) {
        unknown_operand(m, o->name, o->pos);
        return;
    }
    if (!mark_seen(m, field, o->pos))
        return;
    if (o->kind == ASM_NAMED_NAME)
        set_from_name(m, field, o->value, o->pos);
    else
        set_from_number(m, field, o->number, o->pos);
}

static void match_operand(struct match *m, const struct asm_operand *o)
{
    switch (o->kind) {
    case ASM_BARE_NAME: match_bare_name(m, o); break;
    case ASM_DISTANCE: match_distance(m, o); break;
    case ASM_BARE_NUMBER:
        asm_error(m->ctx, o->pos, DIAG_ASM_OPERAND,
                  "'%s': the number %.*s needs the name of its operand: %s", m->op,
                  shown(o->number.text), o->number.text.s, field_list(m));
        break;
    case ASM_NAMED_NAME:
    case ASM_NAMED_NUMBER: match_named(m, o); break;
    }
}

static void check_complete(struct match *m, struct asm_pos pos)
{
    for (int i = 0; i < m->fmt->num_fields; i++) {
        const struct isa_field *f = &m->fmt->fields[i];
        bool needed =
            f->kind == ISA_KIND_XREG || f->kind == ISA_KIND_TREG || f->kind == ISA_KIND_OFF;
        if (needed && !(m->seen >> i & 1))
            asm_error(m->ctx, pos, DIAG_ASM_OPERAND, "'%s': operand %s is missing: %s (%s)", m->op,
                      f->name, kind_noun(f->kind), f->doc);
    }
}

// ---- Instructions
// ----------------------------------------------------------------------------------

// The layer that `.loc` named begins at this instruction.
static void take_loc(struct asm_ctx *c, uint64_t pc)
{
    struct image *img = c->image;
    if (c->loc_pos.line == 0)
        return;
    if (img->num_locs == c->cap_locs)
        img->locs = arena_grow(c->arena, img->locs, img->num_locs, img->num_locs + 1,
                               sizeof *img->locs, &c->cap_locs);
    img->locs[img->num_locs++] = (struct image_loc){.pc = pc, .layer = c->loc_layer};
    c->loc_pos.line = 0;
}

static void emit(struct asm_ctx *c, const struct isa_insn *in, struct asm_pos pos)
{
    uint64_t pc = c->bytes[ASM_TEXT].size;
    uint8_t *word = asm_append(c, ASM_TEXT, ISA_WORD_BYTES, pos);
    if (!word)
        return;
    if (!isa_encode(in, word, NULL))
        bitlet_bug("an instruction that the assembler checked cannot be encoded: %s",
                   isa_op_info[in->op].text);
    take_loc(c, pc);
}

void asm_add_insn(struct asm_ctx *c, struct asm_text op, struct asm_pos pos)
{
    int index = isa_op_by_text(op.s, op.len);
    int num_operands = c->num_operands;
    c->num_operands = 0;
    if (index < 0) {
        asm_error(c, pos, DIAG_ASM_SYNTAX, "unknown instruction '%.*s'", shown(op), op.s);
        return;
    }
    if (c->section != ASM_TEXT) {
        asm_error(c, pos, DIAG_ASM_SECTION, "instruction '%.*s' stands outside .text", shown(op),
                  op.s);
        return;
    }
    struct match m = {
        .ctx = c,
        .op = isa_op_info[index].text,
        .fmt = &isa_format_info[isa_op_info[index].format],
        .insn = {.op = (enum isa_op)index},
        .pc = c->bytes[ASM_TEXT].size,
    };
    int errors = c->errors;
    for (int i = 0; i < num_operands; i++)
        match_operand(&m, &c->operands[i]);
    if (c->errors == errors)
        check_complete(&m, pos);
    emit(c, &m.insn, pos);
}

// ---- Labels
// ----------------------------------------------------------------------------------------

void asm_add_label(struct asm_ctx *c, struct asm_text name, struct asm_pos pos)
{
    enum isa_kind kind;
    int64_t number;
    if (c->section != ASM_TEXT)
        asm_error(c, pos, DIAG_ASM_SECTION, "label '%.*s' stands outside .text", shown(name),
                  name.s);
    else if (parse_register(name, &kind, &number))
        asm_error(c, pos, DIAG_ASM_LABEL, "label '%.*s' is the name of a register", shown(name),
                  name.s);
    else {
        if (c->num_labels == c->cap_labels)
            c->labels = arena_grow(c->scratch, c->labels, c->num_labels, c->num_labels + 1,
                                   sizeof *c->labels, &c->cap_labels);
        c->labels[c->num_labels++] =
            (struct asm_label){.name = name, .pc = c->bytes[ASM_TEXT].size, .pos = pos};
    }
}

static int compare_texts(struct asm_text a, struct asm_text b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.s, b.s, len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

// By name; equal names in the order of the source.
static int compare_labels(const void *pa, const void *pb)
{
    const struct asm_label *a = pa, *b = pb;
    int order = compare_texts(a->name, b->name);
    return order ? order : (a->name.s > b->name.s) - (a->name.s < b->name.s);
}

static void report_duplicates(struct asm_ctx *c)
{
    for (size_t i = 1; i < c->num_labels; i++) {
        const struct asm_label *l = &c->labels[i], *first = &c->labels[i - 1];
        if (compare_texts(first->name, l->name) == 0)
            asm_error(c, l->pos, DIAG_ASM_LABEL, "label '%.*s' is defined twice; before in line %d",
                      shown(l->name), l->name.s, first->pos.line);
    }
}

static const struct asm_label *find_label(const struct asm_ctx *c, struct asm_text name)
{
    size_t lo = 0, hi = c->num_labels;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = compare_texts(c->labels[mid].name, name);
        if (order == 0)
            return &c->labels[mid];
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static void resolve(struct asm_ctx *c, const struct asm_fixup *fix)
{
    const struct asm_label *l = find_label(c, fix->name);
    if (!l) {
        asm_error(c, fix->pos, DIAG_ASM_LABEL, "label '%.*s' is not defined", shown(fix->name),
                  fix->name.s);
        return;
    }
    uint8_t *word = c->bytes[ASM_TEXT].data + fix->pc;
    struct isa_insn in;
    if (!isa_decode(word, &in))
        bitlet_bug("an instruction that was encoded does not decode");
    in.f[fix->field] = (int64_t)(l->pc - fix->pc);
    if (!isa_encode(&in, word, NULL))
        asm_error(c, fix->pos, DIAG_ASM_LABEL, "label '%.*s' is too far away", shown(fix->name),
                  fix->name.s);
}

void asm_resolve_labels(struct asm_ctx *c)
{
    if (c->num_labels)
        qsort(c->labels, c->num_labels, sizeof *c->labels, compare_labels);
    report_duplicates(c);
    for (size_t i = 0; i < c->num_fixups; i++)
        resolve(c, &c->fixups[i]);
}

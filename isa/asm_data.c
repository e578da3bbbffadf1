// The assembler: directives, data, and the image at the end.
#include "asm_build.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

#include "image_meta.h"

#define SOURCE_MAX ((size_t)1 << 33)
#define SECTION_MAX ((size_t)1 << 31) // of text: a few characters must not ask for more
enum { LINE_MAX_BYTES = 1 << 20, LARGE_SOURCE = 1 << 20 };

// ---- Bytes
// -----------------------------------------------------------------------------------------

static const char *const SECTION_NAMES[ASM_SECTION_NUM] = {".text", ".rodata", ".lanes"};

// A large source is nearly all data, two characters a byte: room for all of it is asked for at
// once, since untouched memory costs nothing and copying does.
static size_t first_capacity(const struct asm_ctx *c, enum asm_section section)
{
    return section != ASM_TEXT && c->source_size > LARGE_SOURCE ? c->source_size / 2 : 4096;
}

uint8_t *asm_append(struct asm_ctx *c, enum asm_section section, size_t len, struct asm_pos pos)
{
    struct asm_bytes *b = &c->bytes[section];
    if (len > SECTION_MAX - b->size) {
        asm_error(c, pos, DIAG_LIMIT, "section %s grows past %zu bytes", SECTION_NAMES[section],
                  SECTION_MAX);
        return NULL;
    }
    if (!b->data || b->cap - b->size < len) {
        size_t cap = b->cap ? 2 * b->cap : first_capacity(c, section);
        if (cap < b->size + len)
            cap = b->size + len;
        uint8_t *data = arena_alloc_aligned(c->arena, cap, 64);
        if (b->size)
            memcpy(data, b->data, b->size);
        b->data = data;
        b->cap = cap;
    }
    uint8_t *at = b->data + b->size;
    b->size += len;
    return at;
}

void asm_set_section(struct asm_ctx *c, enum asm_section section)
{
    c->section = section;
}

static bool in_data(struct asm_ctx *c, struct asm_pos pos)
{
    if (c->section != ASM_TEXT)
        return true;
    asm_error(c, pos, DIAG_ASM_SECTION, "data stands in .text; it belongs to .rodata or .lanes");
    return false;
}

static unsigned hex_value(char ch)
{
    return ch <= '9' ? (unsigned)(ch - '0') : (unsigned)((ch | 0x20) - 'a') + 10;
}

void asm_add_hex(struct asm_ctx *c, struct asm_text digits, struct asm_pos pos)
{
    while (digits.len && (digits.s[0] == ' ' || digits.s[0] == '\t' || digits.s[0] == '\r')) {
        digits.s++;
        digits.len--;
    }
    if (!in_data(c, pos))
        return;
    if (digits.len % 2) {
        asm_error(c, pos, DIAG_ASM_OPERAND, "%zu hex digits; a byte takes two", digits.len);
        return;
    }
    uint8_t *out = asm_append(c, c->section, digits.len / 2, pos);
    for (size_t i = 0; out && i < digits.len; i += 2)
        *out++ = (uint8_t)(hex_value(digits.s[i]) << 4 | hex_value(digits.s[i + 1]));
}

void asm_add_zeros(struct asm_ctx *c, struct asm_number n, struct asm_pos pos)
{
    uint64_t count;
    if (in_data(c, pos) && asm_unsigned(c, n, SECTION_MAX, "the number of zeros", pos, &count))
        asm_append(c, c->section, (size_t)count, pos);
}

// An element of an integer type: its own range, or any bits of its width in hexadecimal.
static bool int_element(struct asm_ctx *c, struct asm_number n, struct asm_pos pos, uint64_t *out)
{
    const struct dtype_info *t = &dtype_info[c->data_type];
    uint64_t mask = t->bits == 64 ? UINT64_MAX : (UINT64_C(1) << t->bits) - 1;
    bool is_signed = t->kind == DTK_I;
    uint64_t max = is_signed && !n.hex ? mask >> 1 : mask;
    uint64_t limit = !n.negative ? max : is_signed ? (mask >> 1) + 1 : 0;
    *out = (n.negative ? -n.magnitude : n.magnitude) & mask;
    if (!n.fraction && !n.too_large && n.magnitude <= limit)
        return true;
    asm_error(c, pos, DIAG_ASM_OPERAND, "%.*s does not fit %s",
              (int)(n.text.len < 60 ? n.text.len : 60), n.text.s, t->text);
    return false;
}

static bool double_element(struct asm_ctx *c, struct asm_number n, struct asm_pos pos,
                           uint64_t *out)
{
    char text[64];
    if (n.hex && !n.negative && !n.too_large) {
        *out = n.magnitude;
        return true;
    }
    if (n.hex || n.text.len >= sizeof text) {
        asm_error(c, pos, DIAG_ASM_OPERAND,
                  "no f64: 64 bits in hexadecimal, or a decimal number of less than %zu characters",
                  sizeof text);
        return false;
    }
    memcpy(text, n.text.s, n.text.len);
    text[n.text.len] = '\0';
    double v = strtod(text, NULL);
    memcpy(out, &v, sizeof v);
    return true;
}

static void put_element(struct asm_ctx *c, uint64_t bits, struct asm_pos pos)
{
    size_t bytes = dtype_bytes(c->data_type);
    uint8_t *out = asm_append(c, c->section, bytes, pos);
    for (size_t i = 0; out && i < bytes; i++)
        out[i] = (uint8_t)(bits >> 8 * i);
}

void asm_add_number(struct asm_ctx *c, struct asm_number n, struct asm_pos pos)
{
    uint64_t bits = 0;
    uint32_t word = 0;
    bool ok = false;
    if (!in_data(c, pos))
        return;
    if (dtype_is_int(c->data_type)) {
        ok = int_element(c, n, pos, &bits);
    } else if (c->data_type == DT_F32) {
        ok = asm_float_bits(c, n, pos, &word);
        bits = word;
    } else if (c->data_type == DT_F64) {
        ok = double_element(c, n, pos, &bits);
    } else {
        asm_error(c, pos, DIAG_ASM_OPERAND, "elements of %s cannot be written as numbers; use .hex",
                  dtype_text(c->data_type));
    }
    if (ok)
        put_element(c, bits, pos);
}

void asm_add_named_number(struct asm_ctx *c, struct asm_text name, struct asm_pos pos)
{
    bool inf = asm_text_is(name, "inf"), nan = asm_text_is(name, "nan");
    if (!in_data(c, pos))
        return;
    if ((inf || nan) && c->data_type == DT_F32)
        put_element(c, inf ? 0x7f800000 : 0x7fc00000, pos);
    else if ((inf || nan) && c->data_type == DT_F64)
        put_element(c, inf ? UINT64_C(0x7ff0000000000000) : UINT64_C(0x7ff8000000000000), pos);
    else
        asm_error(c, pos, DIAG_ASM_OPERAND, "'%.*s' is no number",
                  (int)(name.len < 60 ? name.len : 60), name.s);
}

// ---- Strings
// ---------------------------------------------------------------------------------------

static bool hex_pair(const char *s, const char *end, char *out)
{
    static const char DIGITS[] = "0123456789abcdefABCDEF";
    if (end - s < 2 || !s[0] || !s[1] || !strchr(DIGITS, s[0]) || !strchr(DIGITS, s[1]))
        return false;
    *out = (char)(hex_value(s[0]) << 4 | hex_value(s[1]));
    return *out != '\0';
}

// The text between the quotes, escapes taken out: \" \\ \n \xNN.
static const char *unquote(struct asm_ctx *c, struct asm_text t, struct asm_pos pos)
{
    char *out = arena_alloc(c->arena, t.len);
    size_t n = 0;
    const char *end = t.s + t.len - 1;
    for (const char *s = t.s + 1; s < end; s++) {
        char ch = *s;
        if (ch == '\\') {
            s++;
            ch = *s == 'n' ? '\n' : *s;
            if (*s == 'x' && hex_pair(s + 1, end, &ch))
                s += 2;
            else if (!strchr("\"\\n", *s))
                ch = '\0';
        }
        if (ch == '\0') {
            asm_error(c, pos, DIAG_ASM_SYNTAX,
                      "a string holds a NUL or an unknown escape; there are \\\" \\\\ \\n \\xNN");
            return "";
        }
        out[n++] = ch;
    }
    return out;
}

// ---- Head
// ------------------------------------------------------------------------------------------

static bool first_time(struct asm_ctx *c, struct asm_pos *seen, const char *what,
                       struct asm_pos pos)
{
    if (seen->line != 0) {
        asm_error(c, pos, DIAG_ASM_SYNTAX, "%s is given twice; before in line %d", what,
                  seen->line);
        return false;
    }
    *seen = pos;
    return true;
}

void asm_set_machine(struct asm_ctx *c, struct asm_text json, struct asm_pos pos)
{
    if (!first_time(c, &c->machine_pos, ".machine", pos))
        return;
    const char *where = arena_printf(c->scratch, "%s:%d", c->path, pos.line);
    if (!machine_parse(json.s, json.len, where, &c->image->machine, c->arena, c->diag))
        c->errors++;
}

void asm_set_preset(struct asm_ctx *c, struct asm_text quoted, struct asm_pos pos)
{
    if (!first_time(c, &c->machine_pos, ".machine", pos))
        return;
    const char *name = unquote(c, quoted, pos);
    const char *const *names;
    int num = machine_presets(&names);
    for (int i = 0; i < num; i++)
        if (strcmp(names[i], name) == 0) {
            if (!machine_load(name, &c->image->machine, c->arena, c->diag))
                bitlet_bug("preset %s does not load", name);
            return;
        }
    asm_error(c, pos, DIAG_MACHINE_FORMAT,
              "'%s' is not a preset; a machine of your own is given as {...}", name);
}

void asm_set_heap(struct asm_ctx *c, struct asm_number n, struct asm_pos pos)
{
    if (first_time(c, &c->heap_pos, ".heap", pos) &&
        !asm_unsigned(c, n, IMAGE_SPACE_BYTES, "the heap's size", pos, &c->image->heap_bytes))
        c->image->heap_bytes = 0;
}

void asm_add_dim(struct asm_ctx *c, struct asm_number n, struct asm_pos pos)
{
    uint64_t v;
    if (c->rank >= BITLET_MAX_RANK) {
        asm_error(c, pos, DIAG_ASM_OPERAND, "more than %d dimensions", BITLET_MAX_RANK);
        return;
    }
    if (asm_unsigned(c, n, INT64_MAX, "a dimension", pos, &v)) {
        c->dims[c->rank] = (int64_t)v;
        c->extents[c->rank++] = 0;
    }
}

void asm_set_extent(struct asm_ctx *c, struct asm_number addr, struct asm_pos pos)
{
    uint64_t v;
    if (c->rank > 0 && asm_unsigned(c, addr, UINT64_MAX, "an address", pos, &v))
        c->extents[c->rank - 1] = v;
}

void asm_add_io(struct asm_ctx *c, bool is_input, struct asm_text quoted, struct asm_text type,
                struct asm_number addr, struct asm_pos pos)
{
    struct image *img = c->image;
    struct image_io io = {.name = unquote(c, quoted, pos), .rank = c->rank};
    memcpy(io.dim, c->dims, sizeof c->dims[0] * (size_t)c->rank);
    memcpy(io.extent, c->extents, sizeof c->extents[0] * (size_t)c->rank);
    if (!dtype_by_text(type.s, type.len, &io.dtype)) {
        asm_error(c, pos, DIAG_ASM_OPERAND, "'%s': unknown element type '%.*s'", io.name,
                  (int)(type.len < 60 ? type.len : 60), type.s);
        return;
    }
    if (!asm_unsigned(c, addr, UINT64_MAX, "an address", pos, &io.addr))
        return;
    struct image_io **list = is_input ? &img->inputs : &img->outputs;
    size_t *num = is_input ? &img->num_inputs : &img->num_outputs;
    size_t *cap = is_input ? &c->cap_inputs : &c->cap_outputs;
    struct asm_pos **where = is_input ? &c->input_pos : &c->output_pos;
    size_t *cap_where = is_input ? &c->cap_input_pos : &c->cap_output_pos;
    *list = arena_grow(c->arena, *list, *num, *num + 1, sizeof **list, cap);
    *where = arena_grow(c->scratch, *where, *num, *num + 1, sizeof **where, cap_where);
    (*where)[*num] = pos;
    (*list)[(*num)++] = io;
}

void asm_add_host(struct asm_ctx *c, struct asm_text quoted, struct asm_pos pos)
{
    struct image *img = c->image;
    img->host = arena_grow(c->arena, img->host, img->num_host, img->num_host + 1, sizeof *img->host,
                           &c->cap_host);
    img->host[img->num_host++] = unquote(c, quoted, pos);
}

void asm_add_layer(struct asm_ctx *c, struct asm_text op, struct asm_text value, struct asm_pos pos)
{
    struct image *img = c->image;
    img->layers = arena_grow(c->arena, img->layers, img->num_layers, img->num_layers + 1,
                             sizeof *img->layers, &c->cap_layers);
    img->layers[img->num_layers++] = (struct image_layer){
        .ir_op = unquote(c, op, pos),
        .ir_value = unquote(c, value, pos),
        .node_index = -1,
        .node_name = "",
        .op_type = "",
    };
}

void asm_set_node(struct asm_ctx *c, struct asm_text word, struct asm_number index,
                  struct asm_text name, struct asm_text op_type, struct asm_pos pos)
{
    struct image_layer *l = &c->image->layers[c->image->num_layers - 1];
    bool none = index.negative && index.magnitude == 1 && !index.fraction;
    uint64_t v = 0;
    if (!asm_text_is(word, "node"))
        asm_error(c, pos, DIAG_ASM_SYNTAX, "'node' is expected, and a node's index, name and type");
    if (!none && !asm_unsigned(c, index, INT32_MAX, "a node's index", pos, &v))
        return;
    l->node_index = none ? -1 : (int32_t)v;
    l->node_name = unquote(c, name, pos);
    l->op_type = unquote(c, op_type, pos);
}

void asm_set_prediction(struct asm_ctx *c, struct asm_text timing, struct asm_number cycles,
                        struct asm_pos pos)
{
    uint64_t v = 0;
    if (!first_time(c, &c->predict_pos, ".predict", pos) ||
        !asm_unsigned(c, cycles, INT64_MAX, "a number of cycles", pos, &v))
        return;
    c->image->time.timing = unquote(c, timing, pos);
    c->image->time.cycles = (int64_t)v;
}

void asm_add_time(struct asm_ctx *c, const struct asm_number field[4], struct asm_pos pos)
{
    struct image_prediction *p = &c->image->time;
    uint64_t v[4];
    if (c->predict_pos.line == 0) {
        asm_error(c, pos, DIAG_ASM_SYNTAX, "no .predict stands before this .time");
        return;
    }
    for (int i = 0; i < 4; i++)
        if (!asm_unsigned(c, field[i], i < 3 ? INT64_MAX : UINT32_MAX,
                          i < 3 ? "a number of cycles" : "a mask of effects", pos, &v[i]))
            return;
    p->layers = arena_grow(c->arena, p->layers, p->num_layers, p->num_layers + 1, sizeof *p->layers,
                           &c->cap_times);
    p->layers[p->num_layers++] = (struct image_time){.first = (int64_t)v[0],
                                                     .last = (int64_t)v[1],
                                                     .array = (int64_t)v[2],
                                                     .effects = (uint32_t)v[3]};
}

void asm_set_loc(struct asm_ctx *c, struct asm_number layer, struct asm_pos pos)
{
    uint64_t v;
    if (c->loc_pos.line != 0) {
        asm_error(c, pos, DIAG_ASM_SYNTAX,
                  "no instruction stands between this .loc and the one in line %d",
                  c->loc_pos.line);
        return;
    }
    if (!asm_unsigned(c, layer, UINT32_MAX, "a layer's number", pos, &v))
        return;
    if (v >= c->image->num_layers) {
        asm_error(c, pos, DIAG_ASM_OPERAND,
                  "layer %" PRIu64 " is not declared; .layer has declared %zu", v,
                  c->image->num_layers);
        return;
    }
    c->loc_pos = pos;
    c->loc_layer = (uint32_t)v;
}

// ---- The whole
// -------------------------------------------------------------------------------------

static loc_id place(struct asm_ctx *c, struct asm_pos pos)
{
    struct loc_table *t = diag_locs(c->diag);
    return t ? loc_text(t, c->path, (uint32_t)pos.line, (uint32_t)pos.col) : LOC_NONE;
}

static bool finish(struct asm_ctx *c)
{
    struct image *img = c->image;
    asm_resolve_labels(c);
    if (c->loc_pos.line != 0)
        asm_error(c, c->loc_pos, DIAG_ASM_SYNTAX, "no instruction stands behind this .loc");
    img->text = c->bytes[ASM_TEXT].data;
    img->text_bytes = c->bytes[ASM_TEXT].size;
    img->rodata = c->bytes[ASM_RODATA].data;
    img->rodata_bytes = c->bytes[ASM_RODATA].size;
    img->lanes = c->bytes[ASM_LANES].data;
    img->lanes_bytes = c->bytes[ASM_LANES].size;
    bool ok = c->errors == 0;
    for (size_t i = 0; i < img->num_inputs; i++)
        ok &= image_check_io(img, &img->inputs[i], true, DIAG_ASM_OPERAND,
                             place(c, c->input_pos[i]), c->diag);
    for (size_t i = 0; i < img->num_outputs; i++)
        ok &= image_check_io(img, &img->outputs[i], false, DIAG_ASM_OPERAND,
                             place(c, c->output_pos[i]), c->diag);
    return ok && image_check_layout(img, DIAG_ASM_OPERAND, diag_file(c->diag, c->path), c->diag);
}

// A token never spans lines, so this bounds the scanner's buffer.
static bool check_lines(struct asm_ctx *c)
{
    const char *at = c->source, *end = at + c->source_size;
    for (int line = 1; at < end; line++) {
        const char *eol = memchr(at, '\n', (size_t)(end - at));
        if (!eol)
            eol = end;
        if (eol - at > LINE_MAX_BYTES || line == INT_MAX) {
            asm_error(c, (struct asm_pos){line, 1}, DIAG_LIMIT,
                      "a line of more than %d bytes, or too many lines", (int)LINE_MAX_BYTES);
            return false;
        }
        at = eol + 1;
    }
    return true;
}

bool image_parse_asm(const char *path, struct image *out, struct arena *a, struct diag *d)
{
    *out = (struct image){0};
    machine_default(&out->machine);
    struct io_map map;
    if (!io_map_file(&map, path, SOURCE_MAX, d))
        return false;
    struct arena *scratch = arena_create();
    struct asm_ctx *c = ARENA_NEW(scratch, struct asm_ctx);
    *c = (struct asm_ctx){
        .path = path,
        .source = (const char *)map.data,
        .source_size = map.size,
        .line = 1,
        .col = 1,
        .at_line_start = true,
        .arena = a,
        .scratch = scratch,
        .diag = d,
        .image = out,
    };
    bool ok = check_lines(c) && asm_parse_source(c);
    ok = finish(c) && ok;
    arena_destroy(scratch);
    io_unmap(&map);
    return ok;
}

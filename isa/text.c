// One instruction as text. Written without printf, since a listing prints millions.
#include "isa.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct out {
    char *buf;
    size_t cap, len; // len counts what did not fit, too
};

static void put_char(struct out *o, char c)
{
    if (o->len + 1 < o->cap)
        o->buf[o->len] = c;
    o->len++;
}

static void put_text(struct out *o, const char *s)
{
    while (*s)
        put_char(o, *s++);
}

static void put_number(struct out *o, uint64_t v, unsigned base)
{
    char digits[20];
    int n = 0;
    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    while (n)
        put_char(o, digits[--n]);
}

// Addresses and bit patterns read better in hexadecimal: everything from 2^32 on.
static void put_magnitude(struct out *o, uint64_t v)
{
    bool hex = v >> 32 != 0;
    if (hex)
        put_text(o, "0x");
    put_number(o, v, hex ? 16 : 10);
}

static void put_signed(struct out *o, int64_t v)
{
    if (v < 0)
        put_char(o, '-');
    put_magnitude(o, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

// The shortest decimal number that reads back as the same bits; what no decimal number gives is
// printed as bits.
static void put_float(struct out *o, uint32_t bits)
{
    float v, back;
    memcpy(&v, &bits, sizeof v);
    if (isnan(v)) {
        put_text(o, "0x");
        put_number(o, bits, 16);
        return;
    }
    char s[32];
    if (floorf(v) == v && fabsf(v) < 1e9f) {
        snprintf(s, sizeof s, "%.1f", (double)v);
        put_text(o, s);
        return;
    }
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, (double)v);
        back = strtof(s, NULL);
        if (memcmp(&back, &v, sizeof v) == 0)
            break;
    }
    put_text(o, s);
}

static void put_target(struct out *o, int64_t off, const char *label)
{
    if (label) {
        put_text(o, label);
        return;
    }
    put_text(o, off < 0 ? ".-" : ".+");
    put_magnitude(o, off < 0 ? -(uint64_t)off : (uint64_t)off);
}

static void put_value(struct out *o, const struct isa_field *f, int64_t v)
{
    switch (f->kind) {
    case ISA_KIND_UIMM: put_magnitude(o, (uint64_t)v); break;
    case ISA_KIND_F32: put_float(o, (uint32_t)v); break;
    case ISA_KIND_SIMM: put_signed(o, v); break;
    default: put_text(o, isa_enum_text(f->kind, v)); break;
    }
}

static bool is_positional(enum isa_kind kind)
{
    return kind == ISA_KIND_XREG || kind == ISA_KIND_TREG || kind == ISA_KIND_OFF;
}

static void put_positional(struct out *o, const struct isa_field *f, int64_t v, const char *label)
{
    if (f->kind == ISA_KIND_OFF) {
        put_target(o, v, label);
        return;
    }
    put_char(o, f->kind == ISA_KIND_XREG ? 'x' : 't');
    put_number(o, (uint64_t)v, 10);
}

size_t isa_print(const struct isa_insn *in, const char *label, char *buf, size_t cap)
{
    struct out o = {.buf = buf, .cap = cap};
    const struct isa_format_info *fmt = &isa_format_info[isa_op_info[in->op].format];
    put_text(&o, isa_op_info[in->op].text);
    const char *gap = " ";
    for (int i = 0; i < fmt->num_fields; i++)
        if (is_positional(fmt->fields[i].kind)) {
            put_text(&o, gap);
            put_positional(&o, &fmt->fields[i], in->f[i], label);
            gap = ", ";
        }
    for (int i = 0; i < fmt->num_fields; i++) {
        const struct isa_field *f = &fmt->fields[i];
        if (is_positional(f->kind) || (in->f[i] == 0 && !isa_kind_is_enum(f->kind)))
            continue;
        put_text(&o, gap);
        gap = ", ";
        put_text(&o, f->name);
        if (f->kind == ISA_KIND_FLAG)
            continue;
        put_char(&o, '=');
        put_value(&o, f, in->f[i]);
    }
    if (cap)
        buf[o.len < cap ? o.len : cap - 1] = '\0';
    return o.len;
}

// Text that grows in an arena.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir_priv.h"

static char *reserve(struct textbuf *t, size_t more)
{
    t->text = arena_grow(t->arena, t->text, t->len, t->len + more + 1, 1, &t->cap);
    return t->text + t->len;
}

void textbuf_add(struct textbuf *t, const char *s, size_t len)
{
    char *at = reserve(t, len);
    memcpy(at, s, len);
    at[len] = '\0';
    t->len += len;
}

void textbuf_puts(struct textbuf *t, const char *s)
{
    textbuf_add(t, s, strlen(s));
}

void textbuf_printf(struct textbuf *t, const char *fmt, ...)
{
    enum { FIRST_TRY = 64 };
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(reserve(t, FIRST_TRY), FIRST_TRY, fmt, ap);
    va_end(ap);
    if (len >= FIRST_TRY) {
        va_start(ap, fmt);
        vsnprintf(reserve(t, (size_t)len), (size_t)len + 1, fmt, ap);
        va_end(ap);
    }
    t->len += len > 0 ? (size_t)len : 0;
}

void textbuf_quote(struct textbuf *t, const char *s)
{
    textbuf_puts(t, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            textbuf_printf(t, "\\%c", c);
        else if (c == '\n')
            textbuf_puts(t, "\\n");
        else if (c == '\t')
            textbuf_puts(t, "\\t");
        else if (c < 0x20 || c == 0x7f)
            textbuf_printf(t, "\\x%02x", c);
        else
            textbuf_add(t, s, 1);
    }
    textbuf_puts(t, "\"");
}

// A float must not read like an integer: "-0" would lose its sign.
static void add_marked(struct textbuf *t, const char *digits)
{
    textbuf_puts(t, digits);
    if (!strpbrk(digits, ".en"))
        textbuf_puts(t, ".0");
}

static bool add_special(struct textbuf *t, double v)
{
    if (isfinite(v))
        return false;
    textbuf_puts(t, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
    return true;
}

void textbuf_double(struct textbuf *t, double v)
{
    char s[40];
    if (add_special(t, v))
        return;
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, v);
        if (strtod(s, NULL) == v)
            break;
    }
    add_marked(t, s);
}

void textbuf_float(struct textbuf *t, float v)
{
    char s[40];
    if (add_special(t, (double)v))
        return;
    // Read back in two steps, as the parser does.
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, (double)v);
        if ((float)strtod(s, NULL) == v)
            break;
    }
    add_marked(t, s);
}

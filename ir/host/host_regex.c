// Regular expressions: ONNX means those of RE2, the library is PCRE2. What only PCRE2 has is
// refused, what both have with another meaning is written in another way; the rest is common to
// both.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#include "host_kernels.h"

static _Thread_local char text[200];

struct translation {
    const char *from; // what is left of the expression
    char *to;         // its translation, with room for 20 times the expression
    size_t len;
    bool in_class;
};

static const char *no_such(const char *construct, size_t len)
{
    snprintf(text, sizeof text, "the expression has %.*s, which RE2 (as ONNX means it) has not",
             (int)len, construct);
    return text;
}

static void put(struct translation *t, const char *s, size_t len)
{
    memcpy(t->to + t->len, s, len);
    t->len += len;
    t->to[t->len] = '\0';
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

// \0, \012 or \12: a character by its octal number. \1 alone would refer back.
static const char *octal(struct translation *t)
{
    const char *p = t->from + 1;
    unsigned value = 0;
    int digits = 0;
    if (*p != '0' && !is_octal(p[1]))
        return no_such(t->from, 2);
    while (digits < 3 && is_octal(p[digits]))
        value = 8 * value + (unsigned)(p[digits++] - '0');
    t->len += (size_t)sprintf(t->to + t->len, "\\x{%x}", value);
    t->from = p + digits;
    return NULL;
}

// \Q .. \E, or to the end.
static void quoted(struct translation *t)
{
    const char *end = strstr(t->from + 2, "\\E");
    size_t len = end ? (size_t)(end - t->from) + 2 : strlen(t->from);
    put(t, t->from, len);
    t->from += len;
}

static const char *escape(struct translation *t)
{
    char c = t->from[1];
    const char *same = t->in_class ? "aftnrdDwWSpPx" : "aftnrdDwWpPxAzbB", *as = NULL;
    if (c >= '0' && c <= '9')
        return octal(t);
    if (c == 'Q') {
        quoted(t);
        return NULL;
    }
    if (c == 'v')
        as = "\\x{b}";
    else if (c == 's')
        as = t->in_class ? "\\t\\n\\f\\r " : "[\\t\\n\\f\\r ]";
    else if (c == 'S' && !t->in_class)
        as = "[^\\t\\n\\f\\r ]";
    else if (((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) && !strchr(same, c))
        return no_such(t->from, 2);
    if (as)
        put(t, as, strlen(as));
    else
        put(t, t->from, c ? 2 : 1);
    t->from += c ? 2 : 1;
    return NULL;
}

// Whether what begins with (? is a group, a named group or a change of flags.
static bool is_known_group(const char *p)
{
    p += 2;
    if (*p == 'P')
        return p[1] == '<';
    if (*p == '<')
        return p[1] != '=' && p[1] != '!';
    return p[strspn(p, "imsU-")] == ':' || (p[0] != ')' && p[strspn(p, "imsU-")] == ')');
}

// A class's first ] stands for itself; [: .. :] has brackets of its own.
static void class_begin(struct translation *t)
{
    size_t len = t->from[1] == '^' ? 2 : 1;
    len += t->from[len] == ']';
    put(t, t->from, len);
    t->from += len;
    t->in_class = true;
}

static void class_name(struct translation *t)
{
    const char *end = strstr(t->from + 2, ":]");
    size_t len = end ? (size_t)(end - t->from) + 2 : 1;
    put(t, t->from, len);
    t->from += len;
}

static const char *translate(struct translation *t)
{
    const char *why = NULL;
    t->to[0] = '\0';
    while (*t->from && !why) {
        const char *p = t->from;
        if (*p == '\\') {
            why = escape(t);
        } else if (*p == '[' && t->in_class && p[1] == ':') {
            class_name(t);
        } else if (*p == '[' && !t->in_class) {
            class_begin(t);
        } else if (!t->in_class && *p == '(' && p[1] == '?' && !is_known_group(p)) {
            why = no_such(p, strcspn(p, ")") < 8 ? strcspn(p, ")") + 1 : 8);
        } else if (!t->in_class && *p == '(' && p[1] == '*') {
            why = no_such(p, 2);
        } else if (!t->in_class && strchr("*+?}", *p) && p[1] == '+') {
            why = no_such(p, 2);
        } else {
            t->in_class = t->in_class && *p != ']';
            put(t, p, 1);
            t->from++;
        }
    }
    return why;
}

static void *regex_alloc(size_t bytes, void *arena)
{
    return arena_alloc(arena, bytes);
}

static void regex_free(void *p, void *arena)
{
    (void)p;
    (void)arena;
}

static const char *match_all(uint8_t *out, int64_t n, const char *const *x, const char *pattern,
                             struct arena *a)
{
    int error;
    PCRE2_SIZE at;
    pcre2_general_context *g = pcre2_general_context_create(regex_alloc, regex_free, a);
    uint32_t how = PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY |
                   PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE;
    pcre2_compile_context *settings = pcre2_compile_context_create(g);
    pcre2_set_newline(settings, PCRE2_NEWLINE_LF);
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, how, &error, &at, settings);
    if (!code) {
        PCRE2_UCHAR why[120];
        pcre2_get_error_message(error, why, sizeof why);
        snprintf(text, sizeof text, "the expression is malformed at %zu: %.120s", at,
                 (const char *)why);
        return text;
    }
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, g);
    pcre2_match_context *limits = pcre2_match_context_create(g);
    for (int64_t i = 0; i < n; i++) {
        int rc = pcre2_match(code, (PCRE2_SPTR)x[i], strlen(x[i]), 0, 0, data, limits);
        if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) {
            PCRE2_UCHAR why[120];
            pcre2_get_error_message(rc, why, sizeof why);
            snprintf(text, sizeof text, "string %lld cannot be matched: %.120s", (long long)i,
                     (const char *)why);
            return text;
        }
        out[i] = rc >= 0;
    }
    return NULL;
}

const char *host_string_regex(uint8_t *out, int64_t n, const char *const *x, const char *pattern)
{
    struct arena *a = arena_create();
    struct translation t = {.from = pattern, .to = arena_alloc(a, 20 * strlen(pattern) + 1)};
    const char *why = translate(&t);
    if (!why)
        why = match_all(out, n, x, t.to, a);
    arena_destroy(a);
    return why;
}

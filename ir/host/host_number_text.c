// Numbers as text and text as numbers, as ONNX's Cast has them.
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host_kernels.h"
#include "minifloat.h"

// ---- Numbers to text

static bool reads_back(enum dtype t, const char *text, double v)
{
    double r = strtod(text, NULL);
    switch (t) {
    case DT_F64: return r == v;
    case DT_F32: return strtof(text, NULL) == (float)v;
    default: return minifloat_decode(t, minifloat_encode(t, r)) == v;
    }
}

// The shortest digits that read back as v: "d.ddde+XX" in text.
static int shortest_digits(enum dtype t, double v, char *text, size_t size)
{
    int digits = 1;
    do
        snprintf(text, size, "%.*e", digits - 1, v);
    while (!reads_back(t, text, v) && ++digits <= 17);
    return digits;
}

// In full between 1e-4 and 1e16, as d.ddde+XX elsewhere.
static const char *format_float(struct host_memory *m, enum dtype t, double v)
{
    char text[64];
    if (isnan(v))
        return "NaN";
    if (isinf(v))
        return v < 0 ? "-INF" : "INF";
    if (v == 0)
        return signbit(v) ? "-0.0" : "0.0";
    int digits = shortest_digits(t, v, text, sizeof text);
    if (fabs(v) >= 1e-4 && fabs(v) < 1e16) {
        int exponent = atoi(strchr(text, 'e') + 1), after = digits - 1 - exponent;
        if (after >= 1)
            snprintf(text, sizeof text, "%.*f", after, v);
        else // digits past the shortest ones are zeros
            snprintf(text, sizeof text, "%.0f.0", strtod(text, NULL));
    }
    size_t len = strlen(text);
    return memcpy(m->alloc(m, len + 1), text, len);
}

const char *host_string_format(struct host_memory *m, const char **out, int64_t n,
                               const struct tensor *x)
{
    if (tensor_elems(x) != n)
        return "takes as many numbers as strings are made";
    for (int64_t i = 0; i < n; i++) {
        char text[32];
        if (dtype_is_float(x->dtype)) {
            out[i] = format_float(m, x->dtype, tensor_get_double(x, i));
            continue;
        }
        if (x->dtype == DT_BOOL)
            snprintf(text, sizeof text, "%s", tensor_get_int(x, i) ? "True" : "False");
        else if (x->dtype == DT_U64)
            snprintf(text, sizeof text, "%" PRIu64, (uint64_t)tensor_get_int(x, i));
        else if (dtype_is_int(x->dtype))
            snprintf(text, sizeof text, "%" PRId64, tensor_get_int(x, i));
        else
            return "takes numbers";
        size_t len = strlen(text);
        out[i] = memcpy(m->alloc(m, len + 1), text, len);
    }
    return NULL;
}

// ---- Text to numbers

static const char *no_number(const char *s)
{
    static _Thread_local char text[120];
    snprintf(text, sizeof text, "'%.60s' is no number", s);
    return text;
}

static const char *skip_blanks(const char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    return s;
}

// Decimal notation and the names of infinities and NaN, whatever their case; hexadecimal and
// "nan(..)", which C has too, are refused.
static bool is_decimal(const char *s)
{
    s += *s == '+' || *s == '-';
    if (strncasecmp(s, "inf", 3) == 0 || strncasecmp(s, "nan", 3) == 0)
        return strpbrk(s, "(") == NULL;
    return strpbrk(s, "xXpP") == NULL;
}

const char *host_string_parse_f64(double *out, int64_t n, const char *const *x)
{
    for (int64_t i = 0; i < n; i++) {
        const char *s = skip_blanks(x[i]);
        char *end;
        out[i] = strtod(s, &end);
        if (end == s || *skip_blanks(end) || !is_decimal(s))
            return no_number(x[i]);
    }
    return NULL;
}

const char *host_string_parse_f32(float *out, int64_t n, const char *const *x)
{
    for (int64_t i = 0; i < n; i++) {
        const char *s = skip_blanks(x[i]);
        char *end;
        out[i] = strtof(s, &end);
        if (end == s || *skip_blanks(end) || !is_decimal(s))
            return no_number(x[i]);
    }
    return NULL;
}

static bool parse_truth(const char *s, int64_t *out)
{
    *out = strcasecmp(s, "true") == 0;
    return *out || strcasecmp(s, "false") == 0;
}

const char *host_string_parse_i64(int64_t *out, int64_t n, const char *const *x)
{
    for (int64_t i = 0; i < n; i++) {
        const char *s = skip_blanks(x[i]), *why;
        char *end;
        double v;
        errno = 0;
        out[i] = strtoll(s, &end, 10);
        if ((end != s && !*skip_blanks(end) && errno == 0) || parse_truth(s, &out[i]))
            continue;
        if ((why = host_string_parse_f64(&v, 1, x + i)))
            return why;
        if (!(fabs(v) < 0x1p63))
            return no_number(x[i]);
        out[i] = (int64_t)v;
    }
    return NULL;
}

const char *host_string_parse_u64(uint64_t *out, int64_t n, const char *const *x)
{
    for (int64_t i = 0; i < n; i++) {
        const char *s = skip_blanks(x[i]), *why;
        char *end;
        double v;
        errno = 0;
        out[i] = strtoull(s, &end, 10);
        if (end != s && !*skip_blanks(end) && errno == 0 && *s != '-')
            continue;
        if ((why = host_string_parse_f64(&v, 1, x + i)))
            return why;
        if (!(v > -1 && v < 0x1p64))
            return no_number(x[i]);
        out[i] = (uint64_t)v;
    }
    return NULL;
}

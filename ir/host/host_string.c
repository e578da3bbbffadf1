// Strings: joined, compared, split, normalised.
#include <locale.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "host_kernels.h"

static char *text_alloc(struct host_memory *m, size_t len)
{
    return m->alloc(m, len + 1);
}

static const char *text_copy(struct host_memory *m, const char *s, size_t len)
{
    return len ? memcpy(text_alloc(m, len), s, len) : "";
}

const char *host_string_concat(struct host_memory *m, const char **out, int64_t n,
                               const char *const *a, const char *const *b)
{
    for (int64_t i = 0; i < n; i++) {
        size_t la = strlen(a[i]), lb = strlen(b[i]);
        char *t = text_alloc(m, la + lb);
        memcpy(t, a[i], la);
        memcpy(t + la, b[i], lb);
        out[i] = t;
    }
    return NULL;
}

const char *host_string_equal(uint8_t *out, int64_t n, const char *const *a, const char *const *b)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = strcmp(a[i], b[i]) == 0;
    return NULL;
}

// ---- Splitting

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// The next part of *p, at most up to a delimiter ("" : a run of blanks, none at either end); the
// whole rest when `last`. False: there is none.
static bool next_part(const char **p, const char *delimiter, bool last, const char **part,
                      size_t *len)
{
    size_t step = strlen(delimiter);
    if (!*p)
        return false;
    if (step == 0) {
        while (is_blank(**p))
            ++*p;
        if (**p == '\0')
            return false;
        *part = *p;
        while (**p && (last || !is_blank(**p)))
            ++*p;
        *len = (size_t)(*p - *part);
        return true;
    }
    const char *end = last ? NULL : strstr(*p, delimiter);
    *part = *p;
    *len = end ? (size_t)(end - *p) : strlen(*p);
    *p = end ? end + step : NULL;
    return true;
}

// max_split < 0: as often as there are delimiters. The rest of a string splits no more after
// max_split cuts. The last dimension of out holds as many parts as were compiled for.
const char *host_string_split(struct host_memory *m, const char **out, const int64_t *out_dim,
                              int64_t out_rank, int64_t *counts, int64_t num_counts, int64_t *most,
                              const char *const *x, int64_t n, const char *delimiter,
                              int64_t max_split)
{
    int64_t width = out_rank > 0 ? out_dim[out_rank - 1] : 0;
    if (out_rank < 1 || num_counts != n || dims_elems(out_dim, (int)out_rank) != n * width)
        return "the results do not have an entry for each string";
    *most = 0;
    for (int64_t i = 0; i < n; i++) {
        const char *p = x[i], *part;
        size_t len;
        int64_t k = 0;
        while (next_part(&p, delimiter, max_split >= 0 && k == max_split, &part, &len)) {
            if (k < width)
                out[i * width + k] = text_copy(m, part, len);
            k++;
        }
        counts[i] = k;
        *most = k > *most ? k : *most;
    }
    return NULL;
}

// ---- Case and stop words

enum change { CHANGE_NONE, CHANGE_LOWER, CHANGE_UPPER };

static const char *change_case(struct host_memory *m, const char *s, enum change change,
                               locale_t where)
{
    if (change == CHANGE_NONE)
        return s;
    size_t len = strlen(s), at = 0;
    // A character of another case may take more bytes: at most MB_LEN_MAX for each of s.
    char *out = text_alloc(m, 6 * len);
    mbstate_t in = {0}, to = {0};
    while (*s) {
        wchar_t c;
        size_t taken = mbrtowc(&c, s, len, &in);
        if (taken == 0 || taken > len) { // no character: the byte stays
            in = (mbstate_t){0};
            out[at++] = *s;
            taken = 1;
        } else {
            wint_t w = change == CHANGE_LOWER ? towlower_l((wint_t)c, where)
                                              : towupper_l((wint_t)c, where);
            size_t put = wcrtomb(out + at, (wchar_t)w, &to);
            at += put <= 6 ? put : 0;
        }
        s += taken;
        len -= taken;
    }
    return out;
}

static bool is_stop_word(const char *s, const char *const *stop, int64_t num)
{
    for (int64_t i = 0; i < num; i++)
        if (strcmp(s, stop[i]) == 0)
            return true;
    return false;
}

static const char *normalize(struct host_memory *m, const char **out, int64_t capacity,
                             int64_t *kept, const char *const *x, int64_t n,
                             const char *const *stop, int64_t num_stop, enum change change,
                             bool sensitive, locale_t where)
{
    const char **words = m->alloc(m, (size_t)(num_stop + 1) * sizeof *words);
    enum change compare = sensitive ? CHANGE_NONE : CHANGE_LOWER;
    for (int64_t i = 0; i < num_stop; i++)
        words[i] = change_case(m, stop[i], compare, where);
    *kept = 0;
    for (int64_t i = 0; i < n; i++) {
        if (is_stop_word(change_case(m, x[i], compare, where), words, num_stop))
            continue;
        if (*kept < capacity)
            out[*kept] = change_case(m, x[i], change, where);
        ++*kept;
    }
    if (*kept == 0) { // one empty string stands for none
        if (capacity > 0)
            out[0] = "";
        *kept = 1;
    }
    return NULL;
}

const char *host_string_normalize(struct host_memory *m, const char **out, int64_t capacity,
                                  int64_t *kept, const char *const *x, int64_t n,
                                  const char *const *stop, int64_t num_stop, int64_t change,
                                  int64_t sensitive, const char *locale)
{
    char name[128];
    snprintf(name, sizeof name, "%s.UTF-8", locale);
    locale_t where = newlocale(LC_CTYPE_MASK, name, (locale_t)0);
    if (where == (locale_t)0) // one that is not installed: the rules that most languages share
        where = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (where == (locale_t)0)
        return "the system has no locale with UTF-8";
    locale_t before = uselocale(where);
    const char *why = normalize(m, out, capacity, kept, x, n, stop, num_stop, (enum change)change,
                                sensitive != 0, where);
    uselocale(before);
    freelocale(where);
    return why;
}

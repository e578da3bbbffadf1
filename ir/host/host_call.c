// From a signature and operands to a call of a C function through libffi.
#include "host.h"

#include <ffi.h>
#include <string.h>

// ---- Words

// TYPE, then ?, /K or /=.
static bool read_tensor_word(const char *s, size_t len, struct host_word *out)
{
    size_t type = 0;
    while (type < len && s[type] != '?' && s[type] != '/')
        type++;
    size_t at = type;
    if (at < len && s[at] == '?') {
        out->optional = true;
        at++;
    }
    if (at < len && s[at] == '/') {
        bool digit = at + 2 == len && s[at + 1] >= '1' && s[at + 1] <= '9';
        out->as_many = at + 2 == len && s[at + 1] == '=';
        out->least = digit ? s[at + 1] - '0' : 0;
        at = digit || out->as_many ? len : at;
    }
    return at == len && dtype_by_text(s, type, &out->dtype);
}

bool host_next_word(const char **p, struct host_word *out, const char **why)
{
    const char *w = *p + strspn(*p, " ");
    size_t len = strcspn(w, " "), detail = len > 2 ? len - 2 : 0;
    *p = w + len;
    if (len == 0)
        return false;
    *out = (struct host_word){.kind = w[0], .name = ""};
    bool plain = len == 1, typed = detail > 0 && w[1] == ':';
    if (strchr("rw", w[0])) {
        if (typed && read_tensor_word(w + 2, detail, out))
            return true;
    } else if (strchr("RWVndm", w[0])) {
        if (plain)
            return true;
    } else if (strchr("ifsIF", w[0]) && (plain || typed)) {
        const char *eq = plain ? NULL : memchr(w + 2, '=', detail);
        out->name = w + 2;
        out->name_len = plain ? 0 : eq ? (size_t)(eq - out->name) : detail;
        out->dflt = eq ? eq + 1 : NULL;
        out->dflt_len = eq ? detail - out->name_len - 1 : 0;
        return true;
    }
    *why = w;
    return false;
}

int host_count_results(const struct host_kernel *k)
{
    struct host_word w;
    const char *why = NULL;
    int n = 0;
    for (const char *p = k->signature; host_next_word(&p, &w, &why);)
        n += w.kind == 'w' || w.kind == 'W';
    return n;
}

// ---- Arguments

union argument {
    const void *ptr;
    int64_t i;
    double f;
};
struct call {
    const struct host_call *c;
    const char *why;
    int results, operands, scalars; // used so far
    const struct tensor *last;      // the tensor before
    struct host_memory memory;
    unsigned num;
    ffi_type *types[HOST_MAX_PARAMS];
    union argument values[HOST_MAX_PARAMS];
    void *pointers[HOST_MAX_PARAMS];
};

static void add_pointer(struct call *k, const void *p)
{
    k->types[k->num] = &ffi_type_pointer;
    k->values[k->num++].ptr = p;
}

static void add_int(struct call *k, int64_t v)
{
    k->types[k->num] = &ffi_type_sint64;
    k->values[k->num++].i = v;
}

static bool mismatch(struct call *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool mismatch(struct call *k, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    k->why = arena_vprintf(k->c->arena, fmt, ap);
    va_end(ap);
    return false;
}

static bool next_operand(struct call *k, const struct tensor **out)
{
    if (k->operands == k->c->num_operands)
        return mismatch(k, "takes more operands than the %d that are passed", k->c->num_operands);
    *out = k->last = k->c->operands[k->operands++];
    return true;
}

static bool next_result(struct call *k, struct tensor **out)
{
    if (k->results == k->c->num_results)
        return mismatch(k, "gives more results than the %d that are passed", k->c->num_results);
    k->last = *out = k->c->results[k->results++];
    return true;
}

static bool has_type(struct call *k, const struct tensor *t, enum dtype want, const char *what,
                     int index)
{
    return t->dtype == want || mismatch(k, "takes %s as %s %d, not %s", dtype_text(want), what,
                                        index, dtype_text(t->dtype));
}

// before: the tensor before t.
static bool has_size(struct call *k, const struct host_word *w, const struct tensor *before,
                     const struct tensor *t)
{
    int64_t n = tensor_elems(t), least = dtype_info[w->dtype].kind == DTK_H ? 1 : w->least;
    if (n < least)
        return mismatch(k, "takes tensors of at least %lld elements here, not of %lld",
                        (long long)least, (long long)n);
    return !w->as_many || (before && tensor_elems(before) == n) ||
           mismatch(k, "takes as many elements as in the tensor before, not %lld", (long long)n);
}

static bool add_read(struct call *k, const struct host_word *w)
{
    static const struct tensor nothing = {.dtype = DT_SEQ};
    const struct tensor *t = NULL, *before = k->last;
    if (!next_operand(k, &t))
        return false;
    if (!t && !w->optional)
        return mismatch(k, "operand %d is absent", k->operands - 1);
    if (t && (!has_type(k, t, w->dtype, "operand", k->operands - 1) || !has_size(k, w, before, t)))
        return false;
    if (dtype_info[w->dtype].kind == DTK_H)
        add_pointer(k, tensor_list_of(t ? t : &nothing));
    else
        add_pointer(k, t ? t->data : NULL);
    return true;
}

static bool add_written(struct call *k, const struct host_word *w)
{
    struct tensor *t = NULL;
    const struct tensor *before = k->last;
    if (!next_result(k, &t) || !has_type(k, t, w->dtype, "result", k->results - 1) ||
        !has_size(k, w, before, t))
        return false;
    add_pointer(k, t->data);
    return true;
}

static bool add_attribute(struct call *k, char kind)
{
    const struct tensor *t = NULL;
    enum dtype want = kind == 's' ? DT_STR : kind == 'I' ? DT_I64 : DT_F64;
    if (!next_operand(k, &t))
        return false;
    if (!t)
        return mismatch(k, "operand %d, an attribute, is absent", k->operands - 1);
    if (!has_type(k, t, want, "operand", k->operands - 1))
        return false;
    if (kind == 's') {
        if (tensor_elems(t) != 1)
            return mismatch(k, "takes one string as operand %d", k->operands - 1);
        add_pointer(k, ((const char *const *)t->data)[0]);
        return true;
    }
    add_pointer(k, t->data);
    add_int(k, tensor_elems(t));
    return true;
}

static bool add_scalar(struct call *k, char kind)
{
    if (k->scalars == k->c->num_scalars)
        return mismatch(k, "takes more scalars than the %d that are passed", k->c->num_scalars);
    int64_t bits = k->c->scalars[k->scalars++];
    add_int(k, bits);
    if (kind == 'f') {
        k->types[k->num - 1] = &ffi_type_double;
        memcpy(&k->values[k->num - 1].f, &bits, sizeof bits);
    }
    return true;
}

static bool add_rest(struct call *k)
{
    for (int i = k->operands; i < k->c->num_operands; i++)
        if (!k->c->operands[i])
            return mismatch(k, "operand %d is absent", i);
    add_pointer(k, k->c->operands + k->operands);
    add_int(k, k->c->num_operands - k->operands);
    k->operands = k->c->num_operands;
    return true;
}

static bool add_word(struct call *k, const struct host_word *w)
{
    const struct tensor *in = NULL;
    struct tensor *out = NULL;
    if (k->num + 2 > HOST_MAX_PARAMS)
        return mismatch(k, "has more than %d parameters", HOST_MAX_PARAMS);
    switch (w->kind) {
    case 'r': return add_read(k, w);
    case 'w': return add_written(k, w);
    case 'R':
        if (!next_operand(k, &in))
            return false;
        if (!in)
            return mismatch(k, "operand %d is absent", k->operands - 1);
        add_pointer(k, in);
        return true;
    case 'W':
        if (!next_result(k, &out))
            return false;
        add_pointer(k, out);
        return true;
    case 'V': return add_rest(k);
    case 'n': add_int(k, k->last ? tensor_elems(k->last) : 0); return true;
    case 'd':
        add_pointer(k, k->last ? k->last->dim : NULL);
        add_int(k, k->last ? k->last->rank : 0);
        return true;
    case 'm': add_pointer(k, &k->memory); return true;
    case 'i':
    case 'f': return add_scalar(k, w->kind);
    default: return add_attribute(k, w->kind);
    }
}

static bool gather(struct call *k)
{
    struct host_word w;
    const char *bad = NULL;
    for (const char *p = k->c->kernel->signature; host_next_word(&p, &w, &bad);)
        if (!add_word(k, &w))
            return false;
    if (bad)
        return mismatch(k, "has a signature that means nothing from '%s' on", bad);
    if (k->operands != k->c->num_operands || k->results != k->c->num_results ||
        k->scalars != k->c->num_scalars)
        return mismatch(
            k, "takes %d operands and %d scalars and gives %d results; %d, %d and %d are passed",
            k->operands, k->scalars, k->results, k->c->num_operands, k->c->num_scalars,
            k->c->num_results);
    return true;
}

static void *alloc_from_arena(struct host_memory *m, size_t bytes)
{
    return arena_alloc(m->arena, bytes);
}

// ---- The call

bool host_invoke(const struct host_call *c, const char **why)
{
    struct call k = {.c = c, .memory = {alloc_from_arena, c->arena}};
    ffi_cif cif;
    const char *result = NULL;
    if (!gather(&k)) {
        *why = k.why;
        return false;
    }
    for (unsigned i = 0; i < k.num; i++)
        k.pointers[i] = &k.values[i];
    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, k.num, &ffi_type_pointer, k.types) != FFI_OK)
        bitlet_bug("host kernel %s: libffi refuses its signature", c->kernel->name);
    ffi_call(&cif, c->kernel->fn, &result, k.pointers);
    *why = result;
    return result == NULL;
}

// hcall: a kernel's signature is turned into a libffi call over the machine's memory.
#include <ffi.h>
#include <string.h>

#include "host.h"
#include "state.h"
#include "timeline.h"

#define MAX_ARGS 64

union argument {
    void *ptr;
    int64_t i;
    double f;
};

struct call {
    const struct host_kernel *kernel;
    int64_t tensors, scalars; // passed by the instruction
    int64_t used_tensors, used_scalars;
    unsigned num;
    ffi_type *types[MAX_ARGS];
    union argument values[MAX_ARGS];
    void *pointers[MAX_ARGS];
};

static bool mismatch(struct sim *s, const struct call *c, const char *what)
{
    return sim_fault_at(s, SIM_FAULT_HOST, 0, "kernel '%.60s' (%.60s): %s", c->kernel->name,
                        c->kernel->signature, what);
}

static bool is_dense(const struct sim_view *v)
{
    int64_t stride = 1;
    for (int d = v->rank - 1; d >= 0; d--) {
        if (v->axis[d] >= 0 || (v->extent[d] != 1 && v->stride[d] != stride))
            return false;
        if (__builtin_mul_overflow(stride, v->extent[d], &stride))
            return false;
    }
    return true;
}

static bool add_tensor(struct sim *s, struct call *c, const char *word, size_t len)
{
    enum dtype want;
    if (c->used_tensors == c->tensors)
        return mismatch(s, c, "takes more tensors than are passed");
    const struct sim_view *v = &s->t[c->used_tensors++];
    if (!dtype_by_text(word + 2, len - 2, &want))
        bitlet_bug("host kernel %s: no type in '%.*s'", c->kernel->name, (int)len, word);
    if (v->dtype != want)
        return sim_fault_at(s, SIM_FAULT_TYPE, v->base,
                            "kernel '%.60s' takes %s as tensor %lld, not %s", c->kernel->name,
                            dtype_text(want), (long long)c->used_tensors - 1, dtype_text(v->dtype));
    uint8_t *host;
    bool write = word[0] == 'w';
    if (!sim_view_map(s, v, write, &host))
        return false;
    if (!is_dense(v))
        return mismatch(s, c, "takes dense tensors");
    sim_count_view(s, v, write);
    c->types[c->num] = &ffi_type_pointer;
    c->values[c->num++].ptr = host;
    return true;
}

static bool add_count(struct sim *s, struct call *c)
{
    if (c->used_tensors == 0)
        bitlet_bug("host kernel %s: a count before the first tensor", c->kernel->name);
    c->types[c->num] = &ffi_type_sint64;
    return sim_view_elems(s, &s->t[c->used_tensors - 1], &c->values[c->num++].i);
}

static bool add_scalar(struct sim *s, struct call *c, bool is_float)
{
    if (c->used_scalars == c->scalars)
        return mismatch(s, c, "takes more scalars than are passed");
    int64_t bits = s->x[10 + c->used_scalars++];
    c->types[c->num] = is_float ? &ffi_type_double : &ffi_type_sint64;
    if (is_float)
        memcpy(&c->values[c->num].f, &bits, sizeof bits);
    else
        c->values[c->num].i = bits;
    c->num++;
    return true;
}

static bool add_word(struct sim *s, struct call *c, const char *word, size_t len)
{
    if (c->num == MAX_ARGS)
        bitlet_bug("host kernel %s: more than %d parameters", c->kernel->name, MAX_ARGS);
    switch (word[0]) {
    case 'r':
    case 'w': return add_tensor(s, c, word, len);
    case 'n': return add_count(s, c);
    case 'i': return add_scalar(s, c, false);
    case 'f': return add_scalar(s, c, true);
    default: bitlet_bug("host kernel %s: '%.*s' in its signature", c->kernel->name, (int)len, word);
    }
}

static bool gather(struct sim *s, struct call *c)
{
    for (const char *p = c->kernel->signature; *p;) {
        size_t len = strcspn(p, " ");
        if (!add_word(s, c, p, len))
            return false;
        p += len + strspn(p + len, " ");
    }
    if (c->used_tensors != c->tensors || c->used_scalars != c->scalars)
        return mismatch(s, c, "takes fewer operands than are passed");
    return true;
}

static bool invoke(struct sim *s, struct call *c)
{
    ffi_cif cif;
    const char *why = NULL;
    for (unsigned i = 0; i < c->num; i++)
        c->pointers[i] = &c->values[i];
    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, c->num, &ffi_type_pointer, c->types) != FFI_OK)
        bitlet_bug("host kernel %s: libffi refuses its signature", c->kernel->name);
    ffi_call(&cif, c->kernel->fn, &why, c->pointers);
    return !why || mismatch(s, c, why);
}

bool sim_exec_HCALL(struct sim *s, const struct isa_args_HCALL *in)
{
    if ((uint64_t)in->kernel >= s->img->num_host)
        return sim_fault_at(s, SIM_FAULT_HOST, 0, "row %lld of a host table of %zu",
                            (long long)in->kernel, s->img->num_host);
    const char *name = s->img->host[in->kernel];
    struct call c = {.kernel = host_kernel_find(name), .tensors = in->nt, .scalars = in->nx};
    if (!c.kernel)
        return sim_fault_at(s, SIM_FAULT_HOST, 0, "no kernel is called '%.100s'", name);
    if (in->nx > ISA_XREGS - 10)
        return sim_fault_at(s, SIM_FAULT_OPERAND, 0, "%lld scalars from x10 on", (long long)in->nx);
    if (!gather(s, &c) || !invoke(s, &c))
        return false;
    s->layer->host_calls++;
    s->cost.cycles =
        s->machine.host_latency + timeline_transfer(&s->machine, s->machine.dma_act_gbs,
                                                    s->cost.dram_read + s->cost.dram_write);
    return true;
}

// hcall: views and registers become the operands of a host kernel, handles the values they stand
// for.
#include <string.h>

#include "host.h"
#include "refs.h"
#include "timeline.h"

struct call {
    const struct host_kernel *kernel;
    struct tensor t[ISA_TREGS];
    uint8_t *memory[ISA_TREGS];               // of each, dense
    uint8_t *strided[ISA_TREGS];              // in the machine, where that is not dense
    struct tensor *results[ISA_TREGS];        // t0 .. in the order of the signature
    const struct tensor *operands[ISA_TREGS]; // after them
    int num, num_results;
};

static bool failed(struct sim *s, const struct call *c, const char *what)
{
    return sim_fault_at(s, SIM_FAULT_HOST, 0, "kernel '%.60s': %s", c->kernel->name, what);
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

static bool has_axis(const struct sim_view *v)
{
    for (int d = 0; d < v->rank; d++)
        if (v->axis[d] >= 0)
            return true;
    return false;
}

// Between the view's memory and elements one after the other.
static void copy_elements(const struct sim_view *v, uint8_t *strided, uint8_t *dense, int64_t n,
                          bool to_dense)
{
    size_t size = dtype_bytes(v->dtype);
    for (int64_t k = 0; k < n; k++) {
        int64_t at = 0, rest = k;
        for (int d = v->rank - 1; d >= 0; d--) {
            at += rest % v->extent[d] * v->stride[d];
            rest /= v->extent[d];
        }
        uint8_t *there = strided + at * (int64_t)size, *here = dense + (size_t)k * size;
        memcpy(to_dense ? here : there, to_dense ? there : here, size);
    }
}

// The compiler passes an absent operand as a view of type `lanes` at address 0 without elements.
static bool is_absent(const struct sim_view *v)
{
    return v->base == 0 && v->dtype == DT_LANES;
}

// A tensor of references holds pointers, in memory of its own.
static bool load_references(struct sim *s, struct call *c, int i, int64_t n, bool write)
{
    struct tensor *t = &c->t[i];
    const void **value = ARENA_ARRAY(s->arena, (size_t)n + 1, const void *);
    bool ok = true;
    for (int64_t k = 0; ok && k < n; k++)
        ok = sim_ref_get(s, t->dtype, write ? 0 : io_get64(c->memory[i] + 8 * k), &value[k]);
    t->data = value;
    return ok;
}

static void store_references(struct sim *s, struct call *c, int i)
{
    const struct tensor *t = &c->t[i];
    const void *const *value = t->data;
    int64_t n = tensor_elems(t);
    for (int64_t k = 0; k < n; k++)
        io_put64(c->memory[i] + 8 * k, sim_ref_make(s, t->dtype, value[k]));
}

static bool add_tensor(struct sim *s, struct call *c, int i)
{
    const struct sim_view *v = &s->t[i];
    struct tensor *t = &c->t[i];
    bool write = i < c->num_results;
    int64_t n;
    if (!write && is_absent(v))
        return true;
    if (!sim_view_elems(s, v, &n) || !sim_view_map(s, v, write, &c->memory[i]))
        return false;
    if (v->rank > BITLET_MAX_RANK || (!is_dense(v) && has_axis(v)))
        return failed(s, c, "takes tensors without borders");
    if (!is_dense(v)) {
        c->strided[i] = c->memory[i];
        c->memory[i] = arena_alloc(s->arena, (size_t)n * dtype_bytes(v->dtype) + 1);
        if (!write && !s->predict)
            copy_elements(v, c->strided[i], c->memory[i], n, true);
    }
    sim_count_view(s, v, write);
    *t = (struct tensor){.dtype = v->dtype, .rank = v->rank, .data = c->memory[i]};
    memcpy(t->dim, v->extent, (size_t)v->rank * sizeof *t->dim);
    if (write)
        c->results[i] = t;
    else
        c->operands[i - c->num_results] = t;
    if (s->predict)
        return true;
    if (dtype_is_reference(t->dtype))
        return load_references(s, c, i, n, write);
    if (write && n > 0)
        memset(t->data, 0, tensor_bytes(t));
    return true;
}

static bool invoke(struct sim *s, struct call *c, int64_t num_scalars)
{
    const char *why = NULL;
    struct host_call call = {
        .kernel = c->kernel,
        .results = c->results,
        .operands = c->operands,
        .scalars = &s->x[10],
        .num_results = c->num_results,
        .num_operands = c->num - c->num_results,
        .num_scalars = (int)num_scalars,
        .arena = s->arena,
    };
    if (!host_invoke(&call, &why))
        return failed(s, c, why);
    for (int i = 0; i < c->num_results; i++)
        if (dtype_is_reference(c->t[i].dtype))
            store_references(s, c, i);
    for (int i = 0; i < c->num_results; i++)
        if (c->strided[i])
            copy_elements(&s->t[i], c->strided[i], c->memory[i], tensor_elems(&c->t[i]), false);
    return true;
}

bool sim_exec_HCALL(struct sim *s, const struct isa_args_HCALL *in)
{
    if ((uint64_t)in->kernel >= s->img->num_host)
        return sim_fault_at(s, SIM_FAULT_HOST, 0, "row %lld of a host table of %zu",
                            (long long)in->kernel, s->img->num_host);
    const char *name = s->img->host[in->kernel];
    struct call c = {.kernel = host_kernel_find(name), .num = (int)in->nt};
    if (!c.kernel)
        return sim_fault_at(s, SIM_FAULT_HOST, 0,
                            "no kernel is called '%.100s'; --plugin loads more", name);
    if (in->nx > ISA_XREGS - 10)
        return sim_fault_at(s, SIM_FAULT_OPERAND, 0, "%lld scalars from x10 on", (long long)in->nx);
    c.num_results = host_count_results(c.kernel);
    if (c.num < c.num_results)
        return failed(s, &c, "gives more results than tensors are passed");
    for (int i = 0; i < c.num; i++)
        if (!add_tensor(s, &c, i))
            return false;
    if (!s->predict && !invoke(s, &c, in->nx))
        return false;
    s->layer->host_calls++;
    s->cost.cycles =
        s->machine.host_latency + timeline_transfer(&s->machine, s->machine.dma_act_gbs,
                                                    s->cost.dram_read + s->cost.dram_write);
    return true;
}

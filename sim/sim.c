// A machine from an image: memory, inputs, the run, outputs.
#include "sim.h"

#include <inttypes.h>
#include <string.h>

#include "exec.h"
#include "exec_bce.h"
#include "exec_dma.h"
#include "first_use.h"
#include "pages.h"
#include "predict.h"
#include "refs.h"
#include "tensor_list.h"
#include "timeline.h"

const char *const sim_datapath_name[] = {
    [SIM_DATAPATH_RTL] = "rtl", [SIM_DATAPATH_VECTOR] = "vector", [SIM_DATAPATH_FAST] = "fast"};
const char *const sim_timing_name[] = {[SIM_TIMING_MICRO21] = "micro21",
                                       [SIM_TIMING_RTL] = "rtl",
                                       [SIM_TIMING_IDEAL] = "ideal",
                                       [SIM_TIMING_PIPELINED] = "pipelined"};

void sim_options_default(struct sim_options *o)
{
    *o = (struct sim_options){.datapath = SIM_DATAPATH_VECTOR, .timing = SIM_TIMING_MICRO21};
}

// ---- Creation
// ----------------------------------------------------------------------------------------

#define GUARD_BYTES 4096 // kernels may read a vector past the last element of a buffer
#define HOST_ALIGN 64
#define HEAP_AHEAD                                                                                 \
    (64u << 20) // a heap of up to this is written in full, before its program is done
#define SIM_EXTENSIONS (MACHINE_EXT_P | MACHINE_MAP_EXT)

static bool check_machine(const struct image *img, struct arena *a, struct diag *d)
{
    const struct machine *m = &img->machine;
    if (m->ext & ~(uint32_t)SIM_EXTENSIONS)
        return diag_report(d, LOC_NONE, DIAG_MACHINE_LACKS,
                           "the binary is scheduled for machine '%s' with extensions '%s', which "
                           "this simulator does not model",
                           m->name ? m->name : "?", machine_ext_text(m->ext, a));
    if (img->heap_bytes > (uint64_t)m->dram_bytes)
        return diag_report(d, LOC_NONE, DIAG_MACHINE_LACKS,
                           "the program needs %" PRIu64 " bytes of DRAM, the machine has %" PRId64,
                           img->heap_bytes, m->dram_bytes);
    return true;
}

static bool reserve_region(struct sim *s, enum sim_region_id id, uint64_t base, uint64_t bytes)
{
    s->region[id] = (struct sim_region){.base = base, .bytes = bytes, .writable = true};
    s->region[id].host = sim_reserve((size_t)bytes + GUARD_BYTES, id != SIM_REGION_HEAP);
    return s->region[id].host != NULL;
}

// Sections are used where they are mapped; one that is not aligned there is copied.
static void borrow_region(struct sim *s, enum sim_region_id id, uint64_t base, const uint8_t *bytes,
                          size_t len)
{
    const uint8_t *at = bytes;
    if (len && (uintptr_t)bytes % HOST_ALIGN != 0) {
        void *copy = arena_alloc_aligned(s->arena, len, HOST_ALIGN);
        at = memcpy(copy, bytes, len);
    }
    s->region[id] =
        (struct sim_region){.base = base, .bytes = len, .host = (uint8_t *)(uintptr_t)at};
}

static bool reserve_memory(struct sim *s)
{
    const struct image *img = s->img;
    const struct machine *m = &s->machine;
    borrow_region(s, SIM_REGION_RODATA, IMAGE_RODATA_BASE, img->rodata, img->rodata_bytes);
    borrow_region(s, SIM_REGION_LANES, IMAGE_LANES_BASE, img->lanes, img->lanes_bytes);
    bool ok = reserve_region(s, SIM_REGION_HEAP, IMAGE_HEAP_BASE, img->heap_bytes);
    if (ok && !s->opt.predict && img->heap_bytes <= HEAP_AHEAD)
        pages_bring(s->region[SIM_REGION_HEAP].host, (size_t)img->heap_bytes);
    ok = reserve_region(s, SIM_REGION_ABUF, IMAGE_ABUF_BASE, (uint64_t)m->act_buffer) && ok;
    ok = reserve_region(s, SIM_REGION_WBUF, IMAGE_WBUF_BASE, (uint64_t)m->weight_buffer) && ok;
    s->psum_entries = m->psum_buffer / 8;
    s->psum = sim_reserve((size_t)s->psum_entries * sizeof *s->psum + GUARD_BYTES, true);
    s->stats.num_layers = img->num_layers + 1;
    s->stats.layers = sim_reserve(s->stats.num_layers * sizeof *s->stats.layers, true);
    s->timeline = timeline_create(s);
    s->first_use = ok ? first_use_create(s) : NULL;
    if (s->opt.predict)
        s->predict = predict_create(s);
    return ok && (s->predict || !s->opt.predict) && s->psum && s->stats.layers && s->timeline &&
           s->first_use;
}

struct sim *sim_create(const struct image *img, const struct sim_options *o, struct arena *a,
                       struct diag *d)
{
    if (!check_machine(img, a, d))
        return NULL;
    struct sim *s = ARENA_NEW(a, struct sim);
    s->img = img;
    s->machine = img->machine;
    s->opt = *o;
    s->arena = a;
    s->refs = sim_refs_create(a);
    for (int t = 0; t < ISA_TREGS; t++)
        memset(s->t[t].axis, -1, sizeof s->t[t].axis);
    if (!reserve_memory(s)) {
        diag_report(d, LOC_NONE, DIAG_LIMIT,
                    "the system does not give the machine's memory (%" PRIu64 " bytes of DRAM)",
                    img->heap_bytes);
        sim_destroy(s);
        return NULL;
    }
    s->layer = &s->stats.layers[s->stats.num_layers - 1];
    s->pool = thread_pool_create(o->threads);
    exec_create(s);
    bce_create(s);
    dma_create(s);
    return s;
}

void sim_destroy(struct sim *s)
{
    if (!s)
        return;
    thread_pool_destroy(s->pool);
    timeline_destroy(s->timeline);
    first_use_destroy(s->first_use);
    predict_destroy(s->predict);
    for (int i = SIM_REGION_HEAP; i < SIM_REGION_NUM; i++)
        sim_release(s->region[i].host, (size_t)s->region[i].bytes + GUARD_BYTES);
    sim_release(s->psum, (size_t)s->psum_entries * sizeof *s->psum + GUARD_BYTES);
    sim_release(s->stats.layers, s->stats.num_layers * sizeof *s->stats.layers);
    sim_release(s->scratch, s->scratch_bytes);
}

// ---- Inputs and outputs
// ------------------------------------------------------------------------------

// Where a tensor of the image lies, as a plain range; nothing of it is an access of the program.
static bool io_range(struct sim *s, const struct image_io *io, bool write, uint8_t **host,
                     size_t *bytes)
{
    int64_t elems = io->rank > BITLET_MAX_RANK ? -1 : dims_elems(io->dim, io->rank);
    uint64_t size;
    if (elems < 0 || !io_mul_ok((uint64_t)elems, dtype_bytes(io->dtype), &size))
        return false;
    struct sim_fault kept = s->fault;
    int touches = s->num_touch;
    bool ok = sim_bytes_map(s, io->addr, size, write, host);
    s->fault = kept;
    s->num_touch = touches;
    *bytes = (size_t)size;
    return ok;
}

static bool bad_io(const struct image_io *io, const char *what, struct diag *d)
{
    return diag_report(d, LOC_NONE, DIAG_IMAGE_FORMAT,
                       "%s '%s' of the binary lies outside the machine's memory", what,
                       io->name ? io->name : "");
}

// A tensor's extents within those that memory is laid out for; what is known only at run time may
// be smaller.
static bool fits_io(const struct tensor *t, const struct image_io *io)
{
    bool fits = t->dtype == io->dtype && t->rank == io->rank;
    for (int i = 0; fits && i < io->rank; i++)
        fits = t->dim[i] == io->dim[i] || (io->extent[i] && t->dim[i] < io->dim[i]);
    return fits;
}

// Copies between dense elements of extents t and their places in a box of extents io->dim.
static void copy_box(const struct tensor *t, const struct image_io *io, uint8_t *box, bool to_box)
{
    size_t bytes = dtype_bytes(t->dtype);
    int inner = io->rank;
    int64_t run = 1, runs = 1;
    while (inner > 0 && t->dim[inner - 1] == io->dim[inner - 1])
        run *= t->dim[--inner];
    if (inner > 0)
        run *= t->dim[--inner];
    for (int i = 0; i < inner; i++)
        runs *= t->dim[i];
    for (int64_t r = 0; r < runs && run > 0; r++) {
        int64_t at = 0, stride = 1, rest = r;
        for (int i = io->rank - 1; i >= inner; i--)
            stride *= io->dim[i];
        for (int i = inner - 1; i >= 0; stride *= io->dim[i--]) {
            at += rest % t->dim[i] * stride;
            rest /= t->dim[i];
        }
        uint8_t *dense = (uint8_t *)t->data + (size_t)(r * run) * bytes;
        uint8_t *place = box + (size_t)at * bytes;
        memcpy(to_box ? place : dense, to_box ? dense : place, (size_t)run * bytes);
    }
}

static void put_elements(struct sim *s, const struct image_io *io, uint8_t *host,
                         const struct tensor *t)
{
    if (!dtype_is_reference(t->dtype)) {
        copy_box(t, io, host, true);
        return;
    }
    const void *const *value = tensor_copy(s->arena, t)->data;
    struct tensor *handles = tensor_create(s->arena, DT_U64, t->dim, t->rank);
    for (int64_t i = 0; i < tensor_elems(t); i++)
        ((uint64_t *)handles->data)[i] = sim_ref_make(s, t->dtype, value[i]);
    copy_box(handles, io, host, true);
}

// The word of memory that holds an extent.
static uint8_t *extent_word(struct sim *s, uint64_t addr, bool write)
{
    struct image_io word = {.dtype = DT_I64, .addr = addr};
    uint8_t *host;
    size_t bytes;
    return io_range(s, &word, write, &host, &bytes) ? host : NULL;
}

bool sim_set_input(struct sim *s, size_t index, const struct tensor *t, struct diag *d)
{
    const struct image_io *io = &s->img->inputs[index];
    uint8_t *host;
    size_t bytes;
    if (!io_range(s, io, true, &host, &bytes))
        return bad_io(io, "input", d);
    if (!fits_io(t, io)) {
        struct arena *scratch = arena_create();
        diag_report(d, LOC_NONE, DIAG_TENSOR_MISMATCH, "input %zu '%s' is %s, but %s was given%s%s",
                    index, io->name, image_io_text(io, scratch),
                    tensor_type_text(t->dtype, t->dim, t->rank, scratch), t->name ? " by " : "",
                    t->name ? t->name : "");
        arena_destroy(scratch);
        return false;
    }
    for (int i = 0; i < io->rank; i++)
        if (io->extent[i]) {
            uint8_t *word = extent_word(s, io->extent[i], true);
            if (!word)
                return bad_io(io, "an extent of input", d);
            memcpy(word, &t->dim[i], sizeof t->dim[i]);
        }
    if (bytes)
        put_elements(s, io, host, t);
    return true;
}

// t holds handles of the machine: they become what they stand for, copied to arena a. False: a
// handle that stands for nothing.
static bool get_references(struct sim *s, struct tensor *t, struct arena *a)
{
    const void **value = t->data;
    uint64_t handle;
    struct tensor one = {.dtype = t->dtype};
    struct sim_fault kept = s->fault;
    bool ok = true;
    s->fault = (struct sim_fault){0};
    for (int64_t i = 0; ok && i < tensor_elems(t); i++) {
        memcpy(&handle, &value[i], sizeof handle);
        ok = sim_ref_get(s, t->dtype, handle, &value[i]);
        one.data = &value[i];
        if (ok)
            value[i] = *(const void *const *)tensor_copy(a, &one)->data;
    }
    s->fault = kept;
    return ok;
}

struct tensor *sim_get_output(struct sim *s, size_t index, struct arena *a)
{
    const struct image_io *io = &s->img->outputs[index];
    uint8_t *host;
    size_t bytes;
    if (!io_range(s, io, false, &host, &bytes))
        return NULL;
    int64_t dim[BITLET_MAX_RANK];
    memcpy(dim, io->dim, sizeof dim);
    for (int i = 0; i < io->rank; i++)
        if (io->extent[i]) {
            const uint8_t *word = extent_word(s, io->extent[i], false);
            if (!word)
                return NULL;
            memcpy(&dim[i], word, sizeof dim[i]);
            if (dim[i] < 0 || dim[i] > io->dim[i])
                return NULL;
        }
    struct tensor *t = tensor_create(a, io->dtype, dim, io->rank);
    t->name = io->name;
    if (bytes)
        copy_box(t, io, host, false);
    return !dtype_is_reference(t->dtype) || get_references(s, t, a) ? t : NULL;
}

const struct sim_stats *sim_stats(const struct sim *s)
{
    return &s->stats;
}

const struct sim_fault *sim_last_fault(const struct sim *s)
{
    return &s->fault;
}

// ---- Predicting
// ----------------------------------------------------------------------------------------

static void copy_prediction(const struct sim *s, struct arena *a, struct image_prediction *out)
{
    *out = (struct image_prediction){.timing = sim_timing_name[s->opt.timing],
                                     .cycles = s->stats.cycles,
                                     .num_layers = s->stats.num_layers};
    out->layers = ARENA_ARRAY(a, out->num_layers, struct image_time);
    for (size_t i = 0; i < out->num_layers; i++) {
        const struct sim_layer_stats *l = &s->stats.layers[i];
        out->layers[i] = (struct image_time){l->first_cycle, l->last_cycle, l->busy[ISA_UNIT_ARRAY],
                                             predict_effects(s->predict, i)};
    }
}

bool sim_predict(const struct image *img, enum sim_timing timing, struct arena *a,
                 struct image_prediction *out, struct diag *d)
{
    struct arena *scratch = arena_create();
    struct sim_options o;
    sim_options_default(&o);
    o.timing = timing;
    o.predict = o.bound_lanes = true;
    o.threads = 1;
    struct sim *s = sim_create(img, &o, scratch, d);
    bool ok = s && sim_run(s, d);
    if (ok)
        copy_prediction(s, a, out);
    sim_destroy(s);
    arena_destroy(scratch);
    return ok;
}

// ---- Running
// -----------------------------------------------------------------------------------------

static bool check_outputs(struct sim *s, struct diag *d)
{
    uint8_t *host;
    size_t bytes;
    for (size_t i = 0; i < s->img->num_outputs; i++)
        if (!io_range(s, &s->img->outputs[i], false, &host, &bytes))
            return bad_io(&s->img->outputs[i], "output", d);
    return true;
}

static const char *insn_text(const struct sim *s, char *buf, size_t cap)
{
    struct isa_insn in;
    uint64_t pc = s->fault.pc;
    size_t bytes = s->img->text_bytes;
    if (pc % ISA_WORD_BYTES != 0 || bytes < ISA_WORD_BYTES || pc > bytes - ISA_WORD_BYTES ||
        !isa_decode(s->img->text + pc, &in))
        return "no instruction";
    isa_print(&in, NULL, buf, cap);
    return buf;
}

static void report_fault(const struct sim *s, struct diag *d)
{
    const struct sim_fault *f = &s->fault;
    char text[512];
    bool limit = f->kind == SIM_FAULT_LIMIT;
    diag_report(d, LOC_NONE, limit ? DIAG_SIM_LIMIT : DIAG_SIM_FAULT,
                "%s%s at pc 0x%" PRIx64 " (%s), address 0x%" PRIx64 ": %s", limit ? "" : "fault ",
                limit ? "the bound on cycles is passed" : sim_fault_name[f->kind], f->pc,
                insn_text(s, text, sizeof text), f->addr, f->detail);
    int at = image_layer_at(s->img, f->pc, NULL);
    if (at < 0 || (size_t)at >= s->img->num_layers)
        return;
    const struct image_layer *l = &s->img->layers[at];
    if (l->node_index >= 0)
        diag_note(d, LOC_NONE, "layer '%s' (%s), of ONNX node %d '%s' (%s)", l->ir_value, l->ir_op,
                  l->node_index, l->node_name, l->op_type);
    else
        diag_note(d, LOC_NONE, "layer '%s' (%s)", l->ir_value, l->ir_op);
}

bool sim_run(struct sim *s, struct diag *d)
{
    if (!check_outputs(s, d))
        return false;
    while (!s->halted && exec_step(s))
        continue;
    dma_settle(s);
    s->stats.cycles = timeline_end(s->timeline);
    sim_stats_finish(&s->stats);
    if (s->fault.kind == SIM_FAULT_NONE)
        return true;
    report_fault(s, d);
    return false;
}

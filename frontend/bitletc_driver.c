#include "bitletc_driver.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend.h"
#include "cli.h"
#include "sim.h"
#include "threads.h"

struct compilation {
    const struct driver_options *o;
    struct arena *arena, *scratch;
    struct loc_table *locs;
    struct diag *diag;
    struct io_map map; // the ONNX file; weights are borrowed from it
    struct machine machine;
    struct thread_pool *pool;
    bool terminal; // progress is shown
    struct ir_module *module;
    const char *output;
};

// ---- Names of files

static bool has_suffix(const char *s, const char *suffix)
{
    size_t n = strlen(s), k = strlen(suffix);
    return n >= k && strcmp(s + n - k, suffix) == 0;
}

static const char *default_output(const char *input, enum driver_emit emit, struct arena *a)
{
    static const char *const suffix[] = {
        [EMIT_BLT] = ".blt", [EMIT_ASM] = ".s", [EMIT_IR] = ".bir"};
    const char *slash = strrchr(input, '/'), *base = slash ? slash + 1 : input;
    const char *dot = strrchr(base, '.');
    size_t stem = dot && dot != base ? (size_t)(dot - base) : strlen(base);
    return arena_printf(a, "%.*s%s", (int)stem, base, suffix[emit]);
}

// ---- Steps

static bool load_input(struct compilation *c)
{
    const struct driver_options *o = c->o;
    if (!has_suffix(o->input, ".bir")) {
        c->module = onnx_import(o->input, &o->import, &c->map, c->arena, c->locs, c->diag);
        return c->module != NULL;
    }
    if (o->import.num_shapes + o->import.num_fixed > 0)
        return diag_report(c->diag, LOC_NONE, DIAG_USAGE,
                           "--shape and --fix are for ONNX files; %s is IR text", o->input);
    c->module = ir_parse_file(o->input, c->arena, c->locs, c->diag);
    return c->module && ir_verify(c->module, c->diag);
}

static bool load_machine(struct compilation *c)
{
    const char *name = c->o->machine;
    if (!c->o->machine_given && c->module->machine && *c->module->machine)
        name = c->module->machine;
    return machine_load(name, &c->machine, c->arena, c->diag);
}

// A line on the terminal that the next one, or a message, replaces.
struct progress {
    struct timespec last;
    const char *pass;
    int index, count;
};

static void show_progress(void *user, const char *pass, int index, int count)
{
    struct progress *p = user;
    p->pass = pass;
    p->index = index;
    p->count = count;
    fprintf(stderr, "\033[K[%d/%d] %s\r", index + 1, count, pass);
    fflush(stderr);
}

// Of the steps of a pass a few a second are shown.
static void show_step(void *user, int done, int count)
{
    struct progress *p = user;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec == p->last.tv_sec && now.tv_nsec - p->last.tv_nsec < 200000000)
        return;
    p->last = now;
    fprintf(stderr, "\033[K[%d/%d] %s %d/%d\r", p->index + 1, p->count, p->pass, done, count);
    fflush(stderr);
}

static void show_phase(const struct compilation *c, const char *what)
{
    if (c->terminal) {
        fprintf(stderr, "\033[K%s\r", what);
        fflush(stderr);
    }
}

static bool run_passes(struct compilation *c)
{
    struct progress progress = {.pass = ""};
    struct pass_run_options run = c->o->run;
    struct pass_options options = c->o->pass;
    if (c->terminal) {
        run.progress = show_progress;
        run.progress_user = options.step_user = &progress;
        options.step = show_step;
    }
    options.pool = c->pool;
    // What a dump placed in its file of constants must stay until that is written.
    options.release = !run.dump && !run.verify_roundtrip;
    struct pass_ctx ctx = {c->module, c->scratch, c->diag, &c->machine, &options};
    bool ok = pass_run(&ctx, &run);
    show_phase(c, "");
    return ok;
}

static bool print_asm(const struct image *image, const char *path, struct compilation *c)
{
    struct io_out *out = io_create(path, c->arena, c->diag);
    if (!out)
        return false;
    if (image_print_asm(image, io_file(out), c->diag))
        return io_commit(out, c->diag);
    io_abandon(out);
    return false;
}

// By the rules of the machine's timeline, which are the simulator's.
static bool predict(struct compilation *c, struct image *image)
{
    show_phase(c, "predicting");
    if (!sim_predict(image, SIM_TIMING_MICRO21, c->arena, &image->time, c->diag))
        return false;
    bool taken = strcmp(c->output, "/dev/stdout") == 0;
    driver_print_prediction(image, taken ? stderr : stdout);
    return true;
}

static bool write_output(struct compilation *c)
{
    enum driver_emit emit = c->o->emit;
    if (emit == EMIT_IR && strcmp(c->output, "/dev/stdout") == 0) {
        ir_print(c->module, stdout, NULL); // data in the text: there is no file beside it
        return true;
    }
    if (emit == EMIT_IR)
        return ir_print_file(c->module, c->output, c->diag);
    if (!(c->module->level & IR_L_ALLOCATED))
        return diag_report(
            c->diag, LOC_NONE, DIAG_IR_LEVEL,
            "the module is %s and not allocated after these passes; --emit ir writes it as it is",
            pass_levels_text(c->module->level, c->scratch));
    struct image image = {0};
    if (!backend_emit(c->module, &c->machine, &image, c->arena, c->diag))
        return false;
    if (c->o->verbose)
        fprintf(stderr, "instructions %zu, .rodata %zu bytes, .lanes %zu bytes, heap %llu bytes\n",
                image.text_bytes / 16, image.rodata_bytes, image.lanes_bytes,
                (unsigned long long)image.heap_bytes);
    if (emit == EMIT_ASM || c->o->predict)
        image_join_lanes(&image, c->arena);
    if (c->o->predict && !predict(c, &image))
        return false;
    return emit == EMIT_ASM ? print_asm(&image, c->output, c)
                            : image_write(c->output, &image, c->arena, c->diag);
}

static void describe_interface(const struct compilation *c)
{
    const struct ir_graph *g = c->module->main;
    for (int i = 0; i < g->num_inputs; i++)
        fprintf(stderr, "input  %s: %s\n", g->inputs[i]->name,
                ir_type_text(&g->inputs[i]->type, c->scratch));
    for (int i = 0; i < g->num_outputs; i++)
        fprintf(stderr, "output %s: %s\n", g->output_names[i],
                ir_type_text(&g->outputs[i]->type, c->scratch));
    fprintf(stderr, "machine %s\n", c->machine.name);
}

static bool compile(struct compilation *c)
{
    if (!load_input(c) || !load_machine(c))
        return false;
    if (c->o->verbose)
        describe_interface(c);
    if (!run_passes(c))
        return false;
    show_phase(c, "writing");
    bool written = write_output(c);
    show_phase(c, "");
    if (!written)
        return false;
    if (c->o->verbose)
        fprintf(stderr, "wrote %s\n", c->output);
    return true;
}

int driver_compile(const struct driver_options *o)
{
    struct compilation c = {.o = o, .arena = arena_create(), .scratch = arena_create()};
    c.locs = loc_table_create(c.arena);
    c.diag = diag_create(c.arena, c.locs);
    c.output = o->output ? o->output : default_output(o->input, o->emit, c.arena);
    c.terminal = isatty(STDERR_FILENO) != 0 && !o->verbose;
    c.pool = thread_pool_create(o->threads);
    bool ok = compile(&c);
    thread_pool_destroy(c.pool);
    io_unmap(&c.map);
    arena_destroy(c.scratch);
    arena_destroy(c.arena);
    return ok ? CLI_OK : CLI_INPUT;
}

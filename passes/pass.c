// The pass manager: checks a pipeline before it runs, then runs, verifies, dumps and times.
#include "pass.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "io.h"

// clang-format off
const struct pass_info pass_info[] = {
#define PASS(name, text, needs, gives, breaks, level, doc) {text, needs, gives, breaks, level, doc, pass_##name},
#include "passes.def"
};
// clang-format on
const int pass_count = (int)(sizeof pass_info / sizeof pass_info[0]);

int pass_by_name(const char *text, size_t len)
{
    for (int i = 0; i < pass_count; i++)
        if (strlen(pass_info[i].text) == len && memcmp(pass_info[i].text, text, len) == 0)
            return i;
    return -1;
}

static const struct {
    uint32_t level;
    const char *name;
} level_names[] = {
    {IR_L_IMPORTED, "imported"},   {IR_L_SHAPED, "shaped"}, {IR_L_QUANTISED, "quantised"},
    {IR_L_TILED, "tiled"},         {IR_L_PACKED, "packed"}, {IR_L_SCHEDULED, "scheduled"},
    {IR_L_ALLOCATED, "allocated"},
};

const char *pass_levels_text(uint32_t levels, struct arena *a)
{
    const char *s = "";
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++)
        if (levels & level_names[i].level)
            s = arena_printf(a, "%s%s%s", s, *s ? ", " : "", level_names[i].name);
    return *s ? s : "none";
}

static const char *all_names(struct arena *a)
{
    const char *s = "";
    for (int i = 0; i < pass_count; i++)
        s = arena_printf(a, "%s%s%s", s, i ? ", " : "", pass_info[i].text);
    return s;
}

// ---- Pipelines

struct pipeline {
    int *row;
    int num;
};

struct run {
    struct pass_ctx *ctx;
    const struct pass_run_options *o;
    struct arena *arena; // lives as long as the run
    struct pipeline pipe;
    struct ir_blobs *blobs;
    bool *dump; // per row of the table
    struct timing *timing;
};
struct timing {
    double seconds;
    int ops;
};

// One name of a comma-separated list; moves past it.
static const char *next_name(const char **list, size_t *len)
{
    const char *name = *list;
    *len = strcspn(name, ",");
    *list = name + *len + (name[*len] == ',');
    return name;
}

static bool unknown_pass(struct run *r, const char *name, size_t len)
{
    return diag_report(r->ctx->diag, LOC_NONE, DIAG_PASS_PIPELINE,
                       "unknown pass '%.*s'; there are: %s", (int)len, name, all_names(r->arena));
}

static bool pipeline_named(struct run *r, const char *list)
{
    bool ok = true;
    r->pipe.row = ARENA_ARRAY(r->arena, strlen(list) + 1, int);
    while (*list != '\0') {
        size_t len;
        const char *name = next_name(&list, &len);
        int row = pass_by_name(name, len);
        if (row < 0)
            ok = unknown_pass(r, name, len);
        else
            r->pipe.row[r->pipe.num++] = row;
    }
    return ok;
}

// All rows of the optimisation level, from where the module stands: a dump goes on after the pass
// that it came from.
static void pipeline_default(struct run *r)
{
    int first = 0;
    for (int i = 0; i < pass_count; i++)
        if (pass_info[i].gives != 0 && (pass_info[i].gives & ~r->ctx->module->level) == 0)
            first = i + 1;
    r->pipe.row = ARENA_ARRAY(r->arena, (size_t)pass_count, int);
    for (int i = first; i < pass_count; i++)
        if (pass_info[i].opt_level <= r->ctx->opt->opt_level)
            r->pipe.row[r->pipe.num++] = i;
}

static bool cut_after(struct run *r, const char *name)
{
    int row = pass_by_name(name, strlen(name));
    if (row < 0)
        return unknown_pass(r, name, strlen(name));
    for (int i = 0; i < r->pipe.num; i++)
        if (r->pipe.row[i] == row) {
            r->pipe.num = i + 1;
            return true;
        }
    return diag_report(r->ctx->diag, LOC_NONE, DIAG_PASS_PIPELINE,
                       "cannot stop after '%s': it is not in the pipeline", name);
}

static const char *who_gives(uint32_t levels, struct arena *a)
{
    const char *s = "";
    for (int i = 0; i < pass_count; i++)
        if (pass_info[i].gives & levels)
            s = arena_printf(a, "%s%s%s", s, *s ? ", " : "", pass_info[i].text);
    return s;
}

static bool check_needs(struct run *r)
{
    uint32_t level = r->ctx->module->level;
    bool ok = true;
    for (int i = 0; i < r->pipe.num; i++) {
        const struct pass_info *p = &pass_info[r->pipe.row[i]];
        uint32_t missing = p->needs & ~level;
        if (missing != 0) {
            const char *givers = who_gives(missing, r->arena);
            ok = diag_report(r->ctx->diag, LOC_NONE, DIAG_PASS_PIPELINE,
                             "pass '%s' needs a module that is %s; %s%s", p->text,
                             pass_levels_text(missing, r->arena),
                             *givers ? "missing before it: " : "no pass gives that", givers);
        }
        // Goes on as if it were met, so that every gap is reported once.
        level = ((level | missing) & ~p->breaks) | p->gives;
    }
    return ok;
}

// ---- Dumps

static bool open_dumps(struct run *r)
{
    const char *list = r->o->dump;
    r->dump = ARENA_ARRAY(r->arena, (size_t)pass_count, bool);
    if (list == NULL)
        return true;
    bool ok = true;
    if (strcmp(list, "all") == 0) {
        memset(r->dump, true, (size_t)pass_count);
        list = "";
    }
    while (*list != '\0') {
        size_t len;
        const char *name = next_name(&list, &len);
        int row = pass_by_name(name, len);
        if (row < 0)
            ok = unknown_pass(r, name, len);
        else
            r->dump[row] = true;
    }
    const char *dir = r->o->dump_dir != NULL ? r->o->dump_dir : ".";
    if (!ok || !io_make_dir(dir, r->ctx->diag))
        return false;
    r->blobs =
        ir_blobs_create(arena_printf(r->arena, "%s/consts.bin", dir), r->arena, r->ctx->diag);
    return r->blobs != NULL;
}

static bool dump_module(struct run *r, int index, const char *pass)
{
    const char *dir = r->o->dump_dir != NULL ? r->o->dump_dir : ".";
    const char *path = arena_printf(r->arena, "%s/%02d-%s.bir", dir, index, pass);
    struct io_out *out = io_create(path, r->arena, r->ctx->diag);
    if (out == NULL)
        return false;
    ir_print(r->ctx->module, io_file(out), r->blobs);
    return io_commit(out, r->ctx->diag);
}

// ---- Memory of constants

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (const void *const *)a, y = (uintptr_t) * (const void *const *)b;
    return (x > y) - (x < y);
}

static void sweep_constants(const struct ir_module *m)
{
    struct arena *a = arena_create();
    const void **live = NULL;
    size_t n = 0, cap = 0;
    for (const struct ir_op *op = m->main->first; op != NULL; op = op->next)
        if (op->op == IR_OP_CONST && dtype_is_reference(op->data->dtype)) {
            arena_destroy(a); // what it refers to is not known here
            return;
        } else if (op->op == IR_OP_CONST && op->data->data != NULL) {
            live = arena_grow(a, live, n, n + 1, sizeof *live, &cap);
            live[n++] = op->data->data;
        }
    if (n > 0)
        qsort(live, n, sizeof *live, by_address);
    arena_sweep_data(m->arena, live, n);
    arena_destroy(a);
}

void pass_release(struct pass_ctx *ctx, size_t *pending, size_t bytes)
{
    enum { WORTH_IT = 64 << 20 };
    *pending = bytes < SIZE_MAX - *pending ? *pending + bytes : SIZE_MAX;
    if (!ctx->opt || !ctx->opt->release || *pending < WORTH_IT ||
        !arena_has_data(ctx->module->arena))
        return;
    *pending = 0;
    sweep_constants(ctx->module);
    arena_drop_file_pages(ctx->module->arena);
}

// ---- Running

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int count_ops(const struct ir_module *m)
{
    int n = 0;
    for (const struct ir_op *op = m->main->first; op != NULL; op = op->next)
        n++;
    return n;
}

static void print_times(const struct run *r, int done)
{
    double total = 0;
    for (int i = 0; i < done; i++)
        total += r->timing[i].seconds;
    fprintf(stderr, "%-14s %10s %6s %8s\n", "pass", "seconds", "share", "ops");
    for (int i = 0; i < done; i++)
        fprintf(stderr, "%-14s %10.4f %5.1f%% %8d\n", pass_info[r->pipe.row[i]].text,
                r->timing[i].seconds, total > 0 ? 100 * r->timing[i].seconds / total : 0,
                r->timing[i].ops);
    fprintf(stderr, "%-14s %10.4f\n", "total", total);
}

static bool after_pass(struct run *r, int i, const struct pass_info *p)
{
    struct ir_module *m = r->ctx->module;
    m->level = (m->level & ~p->breaks) | p->gives;
    if (!ir_verify(m, r->ctx->diag))
        bitlet_bug("pass '%s' (number %d of %d) left a module that does not verify", p->text, i + 1,
                   r->pipe.num);
    if (r->dump[r->pipe.row[i]] && !dump_module(r, i + 1, p->text))
        return false;
    return !r->o->verify_roundtrip || pass_check_roundtrip(m, p->text, r->ctx->diag);
}

static bool run_one(struct run *r, int i)
{
    const struct pass_info *p = &pass_info[r->pipe.row[i]];
    if (r->o->progress != NULL)
        r->o->progress(r->o->progress_user, p->text, i, r->pipe.num);
    int errors = diag_errors(r->ctx->diag);
    double start = now();
    bool ok = p->run(r->ctx);
    r->timing[i] = (struct timing){now() - start, count_ops(r->ctx->module)};
    arena_reset(r->ctx->scratch);
    size_t whole = SIZE_MAX;
    pass_release(r->ctx, &whole, 0);
    if (ok == (diag_errors(r->ctx->diag) > errors))
        bitlet_bug("pass '%s' %s", p->text,
                   ok ? "reported errors and succeeded" : "failed and reported nothing");
    return ok && after_pass(r, i, p);
}

static bool run_all(struct run *r)
{
    struct ir_module *m = r->ctx->module;
    bool ok = true;
    int done = 0;
    if (r->o->dump != NULL && strcmp(r->o->dump, "all") == 0)
        ok = dump_module(r, 0, "input");
    if (ok && r->o->verify_roundtrip)
        ok = pass_check_roundtrip(m, "input", r->ctx->diag);
    while (ok && done < r->pipe.num)
        ok = run_one(r, done++);
    // What was dumped before a failure is worth most then.
    if (r->blobs != NULL && !ir_blobs_commit(r->blobs, r->ctx->diag))
        ok = false;
    if (r->o->time_passes)
        print_times(r, done);
    return ok;
}

bool pass_run(struct pass_ctx *ctx, const struct pass_run_options *o)
{
    struct run r = {.ctx = ctx, .o = o, .arena = arena_create()};
    bool ok = true;
    if (o->passes != NULL)
        ok = pipeline_named(&r, o->passes);
    else
        pipeline_default(&r);
    if (ok && o->stop_after != NULL)
        ok = cut_after(&r, o->stop_after);
    r.timing = ARENA_ARRAY(r.arena, (size_t)r.pipe.num, struct timing);
    ok = ok && check_needs(&r) && open_dumps(&r) && run_all(&r);
    arena_destroy(r.arena);
    return ok;
}

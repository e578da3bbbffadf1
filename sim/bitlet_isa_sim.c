// bitlet-isa-sim: runs a binary on the simulated machine. See --help.
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "replay.h"
#include "sim_tool.h"
#include "stats_report.h"

enum { EXIT_FINE = 0, EXIT_FAULTY = 1, EXIT_USAGE = 2 };

// ---- Progress
// ----------------------------------------------------------------------------------------

#define BAR_WIDTH 40
#define BAR_DELAY 1.0  // seconds before the bar appears
#define BAR_PERIOD 0.1 // seconds between redraws

struct bar {
    double start, last;
    bool shown;
};

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void bar_update(void *user, uint64_t pc, uint64_t text_bytes)
{
    struct bar *b = user;
    double now = now_seconds();
    if (now - b->start < BAR_DELAY || now - b->last < BAR_PERIOD)
        return;
    b->last = now;
    b->shown = true;
    int done = text_bytes ? (int)(pc * BAR_WIDTH / text_bytes) : 0;
    fprintf(stderr, "\r[%.*s%*s] %3d %% of the program, %.0f s ", done,
            "########################################", BAR_WIDTH - done, "",
            (int)(pc * 100 / (text_bytes ? text_bytes : 1)), now - b->start);
    fflush(stderr);
}

static void bar_clear(const struct bar *b)
{
    if (b->shown)
        fprintf(stderr, "\r%*s\r", BAR_WIDTH + 40, "");
}

// When the parts of a run began, in seconds of the host.
struct host_time {
    double start, run, report;
};

static void print_host_time(const struct host_time *t)
{
    fprintf(stderr, "host seconds: %.6f set-up, %.6f simulation, %.6f report\n", t->run - t->start,
            t->report - t->run, now_seconds() - t->report);
}

// ---- A run
// -------------------------------------------------------------------------------------------

static bool open_log(struct tool_args *args, struct io_out **log, struct arena *a, struct diag *d)
{
    *log = NULL;
    if (!args->commit_log)
        return true;
    if (strcmp(args->commit_log, "-") == 0) {
        args->sim.commit_log = stderr;
        return true;
    }
    *log = io_create(args->commit_log, a, d);
    if (*log)
        args->sim.commit_log = io_file(*log);
    return *log != NULL;
}

static bool get_outputs(struct sim *s, const struct image *img, struct tensor ***out,
                        struct arena *a, struct diag *d)
{
    *out = ARENA_ARRAY(a, img->num_outputs + 1, struct tensor *);
    for (size_t k = 0; k < img->num_outputs; k++) {
        (*out)[k] = sim_get_output(s, k, a);
        if (!(*out)[k])
            return diag_report(d, LOC_NONE, DIAG_IMAGE_FORMAT,
                               "output '%s' lies outside the machine's memory",
                               img->outputs[k].name);
    }
    return true;
}

static bool use_outputs(struct sim *s, const struct image *img, const struct tool_args *args,
                        struct arena *a, struct diag *d)
{
    struct tensor **outputs, **expected = ARENA_ARRAY(a, img->num_outputs + 1, struct tensor *);
    if (!get_outputs(s, img, &outputs, a, d))
        return false;
    bool ok = true;
    if (!args->quiet)
        tool_print_outputs(outputs, img->num_outputs, stdout);
    if (args->outputs)
        ok = tool_write_outputs(args->outputs, outputs, img->num_outputs, a, d);
    if (args->expect.num > 0)
        ok = tool_find_tensors(&args->expect, "output", img->outputs, img->num_outputs, expected, a,
                               d) &&
             tool_compare(outputs, expected, img->num_outputs, args->rtol, args->atol,
                          args->quiet ? NULL : stdout, d) &&
             ok;
    return ok;
}

static bool run(struct sim *s, const struct image *img, struct tool_args *args, struct bar *bar,
                struct arena *a, struct diag *d)
{
    struct host_time t = {.start = bar->start};
    if (!tool_set_inputs(s, img, &args->inputs, args->seed, a, d))
        return false;
    t.run = now_seconds();
    bool ran = sim_run(s, d);
    t.report = now_seconds();
    bar_clear(bar);
    bool ok = ran && use_outputs(s, img, args, a, d);
    if (!args->quiet && args->verbose)
        stats_print_layers(s, stdout);
    if (!args->quiet && ran)
        stats_print_totals(s, stdout);
    if (args->stats)
        ok = stats_write_json(s, args->stats, d) && ok;
    if (args->time)
        print_host_time(&t);
    return ok;
}

static int simulate(struct tool_args *args, struct arena *a, struct diag *d)
{
    struct image img;
    struct io_out *log;
    struct bar bar = {.start = now_seconds()};
    if (!image_read(args->model, &img, a, d))
        return EXIT_FAULTY;
    if (!args->quiet && isatty(STDERR_FILENO) && !args->commit_log) {
        args->sim.progress = bar_update;
        args->sim.progress_user = &bar;
    }
    bool ok = open_log(args, &log, a, d);
    struct sim *s = ok ? sim_create(&img, &args->sim, a, d) : NULL;
    ok = s && run(s, &img, args, &bar, a, d);
    if (log)
        ok = io_commit(log, d) && ok;
    sim_destroy(s);
    image_close(&img);
    return ok ? EXIT_FINE : EXIT_FAULTY;
}

static int dispatch(struct tool_args *args, struct arena *a, struct diag *d)
{
    if (args->help) {
        tool_print_help(stdout);
        return EXIT_FINE;
    }
    if (args->version) {
        puts("bitlet-isa-sim " BITLET_VERSION);
        return EXIT_FINE;
    }
    if (args->replay.num > 0)
        return bce_replay_main(args->replay.paths, args->replay.num, args->sim.datapath, stdout, d)
                   ? EXIT_FAULTY
                   : EXIT_FINE;
    return simulate(args, a, d);
}

int main(int argc, char **argv)
{
    struct arena *a = arena_create();
    struct diag *d = diag_create(a, loc_table_create(a));
    struct tool_args args;
    int status = tool_parse_args(argc, argv, &args, a, d) ? dispatch(&args, a, d) : EXIT_USAGE;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        diag_report(d, LOC_NONE, DIAG_IO_WRITE, "cannot write to standard output");
        status = EXIT_FAULTY;
    }
    arena_destroy(a);
    return status;
}

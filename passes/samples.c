// Where calibration samples come from: files in the layouts that users have, or the seeded
// generator.
//
//   DIR/input_0.pb, input_1.pb ..           one sample (.npy too)
//   DIR/test_data_set_0/, test_data_set_1/  one sample each
//   DIR/*.npz, *.npy, *.pb                  samples file by file
//   FILE.npz                                arrays named as the inputs, or as many as there are
//   inputs FILE.npy, FILE.pb                       for a model with one input
// An array with more elements along its first dimension than the input, or with one dimension more,
// holds several samples.
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate.h"
#include "io.h"

struct source {
    struct pass_ctx *ctx;
    const struct ir_graph *g;
    struct arena *arena; // of the sample or file at hand
    calib_sample_fn *fn;
    void *user;
    int samples;
};

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

// ---- Arrays that hold one or several samples

// Whether the input's extent along axis is that of the data.
static bool is_open(const struct ir_value *input, int axis)
{
    for (const struct ir_use *u = input->uses; u; u = u->next)
        if (u->op->op == IR_OP_INPUT_EXTENT && ir_int(u->op, IR_A_axis, 0) == axis)
            return true;
    return false;
}

// How many samples t holds for an input, and their extents; 0: it does not fit. Of a batch that is
// as large as its data all is one sample, unless that is too large.
static int64_t samples_in(const struct tensor *t, const struct ir_value *input, int64_t *dim)
{
    const struct ir_type *type = &input->type;
    if (t->dtype != type->dtype)
        return 0;
    int extra = t->rank - type->rank;
    if (extra != 0 && extra != 1)
        return 0;
    for (int d = 0; d < type->rank; d++) {
        bool open = is_open(input, d) && t->dim[d + extra] < type->dim[d];
        dim[d] = open ? t->dim[d + extra] : type->dim[d];
        if ((d > 0 || extra) && t->dim[d + extra] != dim[d])
            return 0;
    }
    if (extra)
        return t->dim[0];
    if (type->rank == 0)
        return 1;
    if (is_open(input, 0) && t->dim[0] > type->dim[0])
        dim[0] = 1;
    return dim[0] > 0 && t->dim[0] % dim[0] == 0 ? t->dim[0] / dim[0] : 0;
}

static const struct tensor *sample_of(const struct tensor *t, const struct ir_value *input,
                                      int64_t i, struct arena *a)
{
    struct tensor *s = ARENA_NEW(a, struct tensor);
    s->dtype = t->dtype;
    s->rank = input->type.rank;
    samples_in(t, input, s->dim);
    s->data = (char *)t->data + (size_t)i * tensor_bytes(s);
    return s;
}

static bool misfit(struct source *s, const char *path, const struct ir_value *input,
                   const struct tensor *t)
{
    return diag_report(s->ctx->diag, LOC_NONE, DIAG_CALIBRATION,
                       "%s: %s does not fit input '%s', which is %s", path,
                       tensor_type_text(t->dtype, t->dim, t->rank, s->arena), input->name,
                       ir_type_text(&input->type, s->arena));
}

// One array for every input; all hold the same number of samples.
static bool tell_arrays(struct source *s, const char *path, const struct tensor *const *arrays)
{
    int64_t count = -1, dim[IR_MAX_RANK];
    for (int i = 0; i < s->g->num_inputs; i++) {
        int64_t n = samples_in(arrays[i], s->g->inputs[i], dim);
        if (n == 0)
            return misfit(s, path, s->g->inputs[i], arrays[i]);
        if (count >= 0 && n != count)
            return diag_report(
                s->ctx->diag, LOC_NONE, DIAG_CALIBRATION,
                "%s: the arrays hold %lld and %lld samples, the same number is needed", path,
                (long long)count, (long long)n);
        count = n;
    }
    const struct tensor **inputs =
        ARENA_ARRAY(s->arena, (size_t)s->g->num_inputs + 1, const struct tensor *);
    for (int64_t k = 0; k < count; k++) {
        for (int i = 0; i < s->g->num_inputs; i++)
            inputs[i] = sample_of(arrays[i], s->g->inputs[i], k, s->arena);
        if (!s->fn(s->user, inputs))
            return false;
        s->samples++;
    }
    return true;
}

// ---- Files

static const struct tensor *array_named(struct tensor *const *arrays, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (arrays[i]->name && strcmp(arrays[i]->name, name) == 0)
            return arrays[i];
    return NULL;
}

static bool tell_npz(struct source *s, const char *path)
{
    struct tensor **arrays;
    size_t n;
    if (!tensor_read_npz(path, s->arena, &arrays, &n, s->ctx->diag))
        return false;
    const struct tensor **ordered =
        ARENA_ARRAY(s->arena, (size_t)s->g->num_inputs + 1, const struct tensor *);
    for (int i = 0; i < s->g->num_inputs; i++) {
        ordered[i] = array_named(arrays, n, s->g->inputs[i]->name);
        if (!ordered[i] && n == (size_t)s->g->num_inputs)
            ordered[i] = arrays[i];
        if (!ordered[i])
            return diag_report(s->ctx->diag, LOC_NONE, DIAG_CALIBRATION,
                               "%s: no array is named '%s', as an input is", path,
                               s->g->inputs[i]->name);
    }
    return tell_arrays(s, path, ordered);
}

static bool tell_single(struct source *s, const char *path)
{
    const struct tensor *t = tensor_read(path, s->arena, s->ctx->diag);
    if (!t)
        return false;
    if (s->g->num_inputs != 1)
        return diag_report(s->ctx->diag, LOC_NONE, DIAG_CALIBRATION,
                           "%s holds one array, the model has %d inputs; give an .npz or folders "
                           "with input_0.pb ..",
                           path, s->g->num_inputs);
    return tell_arrays(s, path, &t);
}

static bool tell_file(struct source *s, const char *path)
{
    s->arena = arena_create();
    bool ok = ends_with(path, ".npz") ? tell_npz(s, path) : tell_single(s, path);
    arena_destroy(s->arena);
    return ok;
}

// ---- Folders

static const char *input_file(const char *dir, int i, struct arena *a)
{
    static const char *const ends[] = {"pb", "npy"};
    for (int k = 0; k < 2; k++) {
        const char *path = arena_printf(a, "%s/input_%d.%s", dir, i, ends[k]);
        if (io_exists(path))
            return path;
    }
    return NULL;
}

static bool tell_set(struct source *s, const char *dir)
{
    s->arena = arena_create();
    const struct tensor **t =
        ARENA_ARRAY(s->arena, (size_t)s->g->num_inputs + 1, const struct tensor *);
    bool ok = true;
    for (int i = 0; ok && i < s->g->num_inputs; i++) {
        const char *path = input_file(dir, i, s->arena);
        if (!path)
            ok = diag_report(s->ctx->diag, LOC_NONE, DIAG_CALIBRATION,
                             "%s: input_%d.pb for input '%s' is missing", dir, i,
                             s->g->inputs[i]->name);
        else
            ok = (t[i] = tensor_read(path, s->arena, s->ctx->diag)) != NULL;
    }
    ok = ok && tell_arrays(s, dir, t);
    arena_destroy(s->arena);
    return ok;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_wanted(const char *name)
{
    return strncmp(name, "test_data_set_", 14) == 0 || ends_with(name, ".npz") ||
           ends_with(name, ".npy") || ends_with(name, ".pb");
}

static bool tell_dir(struct source *s, const char *path)
{
    struct arena *a = s->ctx->scratch;
    if (input_file(path, 0, a))
        return tell_set(s, path);
    const char **names = NULL;
    size_t n = 0, cap = 0;
    DIR *dir = opendir(path);
    if (!dir)
        return diag_report(s->ctx->diag, LOC_NONE, DIAG_IO_READ, "%s: the folder cannot be read",
                           path);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (!is_wanted(e->d_name))
            continue;
        names = arena_grow(a, names, n, n + 1, sizeof *names, &cap);
        names[n++] = arena_printf(a, "%s/%s", path, e->d_name);
    }
    closedir(dir);
    if (n)
        qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++)
        if (!(io_is_dir(names[i]) ? tell_set(s, names[i]) : tell_file(s, names[i])))
            return false;
    return true;
}

// ---- The generator

static void ignore_message(void *user, enum diag_severity sev, enum diag_id id, const char *message)
{
    (void)user;
    (void)sev;
    (void)id;
    (void)message;
}

// Inputs of the declared extents; those that are the data's own are `most` at the largest.
static struct tensor **random_inputs(struct source *s, int64_t most, bool whole_zeros)
{
    struct tensor **t = ARENA_ARRAY(s->arena, (size_t)s->g->num_inputs + 1, struct tensor *);
    for (int i = 0; i < s->g->num_inputs; i++) {
        const struct ir_type *type = &s->g->inputs[i]->type;
        int64_t dim[IR_MAX_RANK];
        for (int d = 0; d < type->rank; d++) {
            bool cut = type->dim[d] > most && is_open(s->g->inputs[i], d);
            dim[d] = cut ? most : type->dim[d];
        }
        if (whole_zeros && !dtype_is_float(type->dtype))
            t[i] = tensor_create(s->arena, type->dtype, dim, type->rank);
        else
            t[i] = tensor_random(s->arena, type->dtype, dim, type->rank,
                                 s->ctx->opt->seed + (uint64_t)i);
    }
    return t;
}

static bool has_whole_inputs(const struct ir_graph *g)
{
    for (int i = 0; i < g->num_inputs; i++)
        if (!dtype_is_float(g->inputs[i]->type.dtype))
            return true;
    return false;
}

static int64_t largest_open(const struct ir_graph *g)
{
    int64_t most = 1;
    for (int i = 0; i < g->num_inputs; i++)
        for (int d = 0; d < g->inputs[i]->type.rank; d++)
            if (is_open(g->inputs[i], d) && g->inputs[i]->type.dim[d] > most)
                most = g->inputs[i]->type.dim[d];
    return most;
}

static bool try_random(struct source *s, int64_t most, bool whole_zeros)
{
    s->arena = arena_create();
    bool ok = s->fn(s->user, (const struct tensor *const *)random_inputs(s, most, whole_zeros));
    arena_destroy(s->arena);
    return ok;
}

// Random integers may be no valid indices; then zeros are tried in their place. Extents that are
// the data's own are of a middle size, for the largest take long; the model may take larger or
// smaller ones only, and then these are tried. What the last try reports is shown.
static bool tell_random(struct source *s)
{
    enum { MIDDLE = 64 };
    struct pass_ctx *ctx = s->ctx;
    struct diag *said = ctx->diag;
    struct arena *a = arena_create();
    bool whole = has_whole_inputs(s->g), ok = false;
    int64_t open = largest_open(s->g);
    ctx->diag = diag_create(a, NULL);
    diag_set_sink(ctx->diag, ignore_message, NULL);
    for (int64_t most = MIDDLE; !ok && open > 1 && (most == MIDDLE || most / 2 < open); most *= 2)
        ok = try_random(s, most, false) || (whole && try_random(s, most, true));
    for (int64_t most = MIDDLE / 2; !ok && most > 1; most /= 2)
        if (most < open)
            ok = try_random(s, most, false) || (whole && try_random(s, most, true));
    ok = ok || (whole && try_random(s, 1, false));
    ctx->diag = said;
    arena_destroy(a);
    return ok || try_random(s, 1, true);
}

bool calib_for_each_sample(struct pass_ctx *ctx, calib_sample_fn *fn, void *user)
{
    struct source s = {.ctx = ctx, .g = ctx->module->main, .fn = fn, .user = user};
    const char *path = ctx->opt->calibrate;
    if (!path || s.g->num_inputs == 0) {
        if (s.g->num_inputs)
            diag_report(ctx->diag, LOC_NONE, DIAG_CALIBRATION_SEEDED,
                        "no calibration inputs: activation ranges come from random ones (seed "
                        "%llu); --calibrate gives real ones",
                        (unsigned long long)ctx->opt->seed);
        return tell_random(&s);
    }
    bool ok = io_is_dir(path) ? tell_dir(&s, path) : tell_file(&s, path);
    if (ok && s.samples == 0)
        return diag_report(ctx->diag, LOC_NONE, DIAG_CALIBRATION,
                           "%s holds no calibration inputs: test_data_set_* folders, input_0.pb, "
                           ".npz, .npy or .pb",
                           path);
    return ok;
}

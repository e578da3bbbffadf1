// Tensors for the inputs and outputs of a binary, from folders, files and archives.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sim_tool.h"
#include "tensor_list.h"

struct finder {
    const char *prefix; // "input", "output"
    const struct image_io *slots;
    size_t num, next; // next: slot that the next plain file fills
    struct tensor **out;
    struct arena *a;
    struct diag *d;
};

static bool ends_with(const char *s, const char *tail)
{
    size_t len = strlen(s), n = strlen(tail);
    return len >= n && strcmp(s + len - n, tail) == 0;
}

// ---- Folders
// -----------------------------------------------------------------------------------------

// A slot's name as a file name: what could lead out of the folder is replaced.
static const char *file_stem(const char *name, struct arena *a)
{
    char *stem = arena_strdup(a, name ? name : "");
    for (char *p = stem; *p; p++)
        if (*p == '/' || *p == '\\' || *p == ':')
            *p = '_';
    return stem;
}

static const char *existing_file(const char *dir, const char *stem, struct arena *a)
{
    static const char *const kinds[] = {"pb", "npy"};
    for (int i = 0; i < 2; i++) {
        const char *path = arena_printf(a, "%s/%s.%s", dir, stem, kinds[i]);
        if (io_exists(path))
            return path;
    }
    return NULL;
}

static bool find_in_folder(struct finder *f, const char *dir)
{
    bool ok = true;
    const char *set = arena_printf(f->a, "%s/test_data_set_0", dir);
    if (!existing_file(dir, arena_printf(f->a, "%s_0", f->prefix), f->a) && io_is_dir(set))
        dir = set;
    for (size_t k = 0; k < f->num; k++) {
        const char *path = existing_file(dir, arena_printf(f->a, "%s_%zu", f->prefix, k), f->a);
        if (!path)
            path = existing_file(dir, file_stem(f->slots[k].name, f->a), f->a);
        if (!path)
            continue;
        f->out[k] = tensor_read_as(f->slots[k].dtype, path, f->a, f->d);
        ok = f->out[k] && ok;
    }
    return ok;
}

// ---- Archives and files
// ------------------------------------------------------------------------------

static bool find_in_archive(struct finder *f, const char *path)
{
    struct tensor **t;
    size_t count, matched = 0;
    if (!tensor_read_npz(path, f->a, &t, &count, f->d))
        return false;
    for (size_t k = 0; k < f->num; k++)
        for (size_t i = 0; i < count; i++)
            if (t[i]->name && f->slots[k].name && strcmp(t[i]->name, f->slots[k].name) == 0) {
                f->out[k] = t[i];
                matched++;
                break;
            }
    if (matched > 0)
        return true;
    if (count != f->num)
        return diag_report(
            f->d, diag_file(f->d, path), DIAG_TENSOR_MISMATCH,
            "none of the %zu arrays is called like one of the %zu %ss, the first of which is '%s'",
            count, f->num, f->prefix, f->num ? f->slots[0].name : "");
    memcpy(f->out, t, count * sizeof *t); // numpy's own names, arr_0 ..: in order
    return true;
}

static bool take_file(struct finder *f, const char *path)
{
    if (f->next >= f->num)
        return diag_report(f->d, diag_file(f->d, path), DIAG_TENSOR_MISMATCH,
                           "one file too many: the binary has %zu %ss", f->num, f->prefix);
    f->out[f->next] = tensor_read_as(f->slots[f->next].dtype, path, f->a, f->d);
    return f->out[f->next++] != NULL;
}

bool tool_find_tensors(const struct path_list *from, const char *prefix,
                       const struct image_io *slots, size_t num, struct tensor **out,
                       struct arena *a, struct diag *d)
{
    struct finder f = {prefix, slots, num, 0, out, a, d};
    bool ok = true;
    for (int i = 0; i < from->num; i++) {
        const char *path = from->paths[i];
        if (io_is_dir(path))
            ok = find_in_folder(&f, path) && ok;
        else if (ends_with(path, ".npz"))
            ok = find_in_archive(&f, path) && ok;
        else
            ok = take_file(&f, path) && ok;
    }
    for (size_t k = 0; k < num && ok; k++)
        if (!tensor_of_bits(slots[k].dtype, out[k]))
            ok = diag_report(
                d, LOC_NONE, DIAG_TENSOR_MISMATCH,
                "nothing given for %s %zu '%s', looked for as %s_%zu.pb, %s_%zu.npy and by name",
                prefix, k, slots[k].name, prefix, k, prefix, k);
    return ok;
}

// ---- Inputs
// ------------------------------------------------------------------------------------------

static void random_inputs(const struct image *img, uint64_t seed, struct tensor **out,
                          struct arena *a, struct diag *d)
{
    for (size_t k = 0; k < img->num_inputs; k++) {
        const struct image_io *io = &img->inputs[k];
        out[k] = tensor_random(a, io->dtype, io->dim, io->rank, seed + k);
    }
    if (img->num_inputs)
        diag_report(d, LOC_NONE, DIAG_RANDOM_INPUT,
                    "no --inputs: %zu input(s) filled with random numbers, seed %" PRIu64,
                    img->num_inputs, seed);
}

static bool inputs_fit(const struct image *img, struct diag *d)
{
    for (size_t k = 0; k < img->num_inputs; k++) {
        const struct image_io *io = &img->inputs[k];
        int64_t elems = dims_elems(io->dim, io->rank);
        uint64_t bytes;
        if (elems < 0 || !io_mul_ok((uint64_t)elems, dtype_bytes(io->dtype), &bytes) ||
            bytes > img->heap_bytes)
            return diag_report(d, LOC_NONE, DIAG_IMAGE_FORMAT,
                               "input '%s' of the binary is larger than its memory", io->name);
    }
    return true;
}

bool tool_set_inputs(struct sim *s, const struct image *img, const struct path_list *from,
                     uint64_t seed, struct arena *a, struct diag *d)
{
    struct tensor **t = ARENA_ARRAY(a, img->num_inputs + 1, struct tensor *);
    if (!inputs_fit(img, d))
        return false;
    if (from->num == 0)
        random_inputs(img, seed, t, a, d);
    else if (!tool_find_tensors(from, "input", img->inputs, img->num_inputs, t, a, d))
        return false;
    bool ok = true;
    for (size_t k = 0; k < img->num_inputs; k++)
        ok = sim_set_input(s, k, t[k], d) && ok;
    return ok;
}

// What a run gave: files, and a summary to read.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "sim_tool.h"
#include "tensor_list.h"

bool tool_write_outputs(const char *dir, struct tensor *const *outputs, size_t num, struct arena *a,
                        struct diag *d)
{
    bool ok = io_make_dir(dir, d);
    for (size_t k = 0; ok && k < num; k++) {
        ok = tensor_write_pb(arena_printf(a, "%s/output_%zu.pb", dir, k), outputs[k], d) && ok;
        if (dtype_info[outputs[k]->dtype].kind == DTK_H)
            continue; // NumPy has no lists
        ok = tensor_write_npy(arena_printf(a, "%s/output_%zu.npy", dir, k), outputs[k], d) && ok;
    }
    return ok;
}

#define TOP 5

struct summary {
    double min, max, sum;
    int64_t counted, nans;
    int64_t top[TOP]; // indices of the largest, largest first
    int num_top;
};

static void enter_top(struct summary *s, const struct tensor *t, int64_t i, double v)
{
    int at = s->num_top < TOP ? s->num_top++ : TOP;
    while (at > 0 && tensor_get_double(t, s->top[at - 1]) < v) {
        if (at < TOP)
            s->top[at] = s->top[at - 1];
        at--;
    }
    if (at < TOP)
        s->top[at] = i;
}

static struct summary summarise(const struct tensor *t)
{
    struct summary s = {0};
    int64_t n = tensor_elems(t);
    for (int64_t i = 0; i < n; i++) {
        double v = tensor_get_double(t, i);
        if (isnan(v)) {
            s.nans++;
            continue;
        }
        if (s.counted == 0 || v < s.min)
            s.min = v;
        if (s.counted == 0 || v > s.max)
            s.max = v;
        s.sum += v;
        s.counted++;
        enter_top(&s, t, i, v);
    }
    return s;
}

// One score a class: all elements along one dimension.
static bool looks_like_scores(const struct tensor *t)
{
    int64_t n = tensor_elems(t), longest = 0;
    for (int d = 0; d < t->rank; d++)
        longest = t->dim[d] > longest ? t->dim[d] : longest;
    return dtype_is_float(t->dtype) && n == longest && n >= 2 && n <= 100000;
}

static bool has_order(enum dtype t)
{
    return dtype_is_float(t) || dtype_is_int(t);
}

void tool_print_outputs(struct tensor *const *outputs, size_t num, FILE *f)
{
    struct arena *scratch = arena_create();
    for (size_t k = 0; k < num; k++) {
        const struct tensor *t = outputs[k];
        fprintf(f, "output %zu       '%s' %s", k, t->name ? t->name : "", tensor_text(t, scratch));
        struct summary s = has_order(t->dtype) ? summarise(t) : (struct summary){0};
        if (s.counted)
            fprintf(f, ": min %.6g, max %.6g, mean %.6g", s.min, s.max, s.sum / (double)s.counted);
        if (s.nans)
            fprintf(f, ", %" PRId64 " NaN", s.nans);
        fputc('\n', f);
        if (s.num_top == 0 || !looks_like_scores(t))
            continue;
        fprintf(f, "  largest      ");
        for (int i = 0; i < s.num_top; i++)
            fprintf(f, "%s[%" PRId64 "] %.6g", i ? ", " : "", s.top[i],
                    tensor_get_double(t, s.top[i]));
        fputc('\n', f);
    }
    arena_destroy(scratch);
}

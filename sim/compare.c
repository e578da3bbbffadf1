// Outputs against expected ones, by numpy's allclose rule.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sim_tool.h"
#include "tensor_list.h"

struct difference {
    int64_t elems, differing, first; // first: index of the first that differs
    double max_abs, max_rel;         // over finite pairs
    double error_squares, expected_squares;
};

// Complex numbers compare as two reals.
static struct tensor real_parts(const struct tensor *t)
{
    struct tensor r = *t;
    if (dtype_info[t->dtype].kind == DTK_C)
        r.dtype = t->dtype == DT_C64 ? DT_F32 : DT_F64;
    return r;
}

static bool equal_exactly(const struct tensor *a, const struct tensor *b, int64_t i)
{
    if (a->dtype == DT_STR)
        return strcmp(((const char *const *)a->data)[i], ((const char *const *)b->data)[i]) == 0;
    if (dtype_is_int(a->dtype))
        return tensor_get_int(a, i) == tensor_get_int(b, i);
    double x = tensor_get_double(a, i), y = tensor_get_double(b, i);
    return x == y || (isnan(x) && isnan(y));
}

static void compare_element(const struct tensor *a, const struct tensor *b, int64_t i, double rtol,
                            double atol, struct difference *r)
{
    double x = tensor_get_double(a, i), y = tensor_get_double(b, i);
    bool equal = equal_exactly(a, b, i), finite = isfinite(x) && isfinite(y);
    double error = equal ? 0 : fabs(x - y);
    if (isfinite(y))
        r->expected_squares += y * y;
    if (finite) {
        r->error_squares += error * error;
        r->max_abs = error > r->max_abs ? error : r->max_abs;
        double rel = error == 0 ? 0 : error / fabs(y);
        r->max_rel = rel > r->max_rel ? rel : r->max_rel;
    }
    if (equal || (finite && error <= atol + rtol * fabs(y)))
        return;
    if (r->differing++ == 0)
        r->first = i;
}

static double relative_l2(const struct difference *r)
{
    if (r->error_squares == 0)
        return 0;
    return r->expected_squares > 0 ? sqrt(r->error_squares / r->expected_squares) : INFINITY;
}

static const char *index_text(const struct tensor *t, int64_t i, struct arena *a)
{
    const char *text = "";
    if (dtype_info[t->dtype].kind == DTK_C)
        i /= 2;
    for (int d = t->rank - 1; d >= 0; d--) {
        text = arena_printf(a, "%" PRId64 "%s%s", i % t->dim[d], text[0] ? "," : "", text);
        i /= t->dim[d];
    }
    return arena_printf(a, "[%s]", text);
}

static const char *value_text(const struct tensor *t, int64_t i, struct arena *a)
{
    if (t->dtype == DT_STR)
        return arena_printf(a, "'%s'", ((const char *const *)t->data)[i]);
    if (dtype_is_int(t->dtype))
        return arena_printf(a, "%" PRId64, tensor_get_int(t, i));
    return arena_printf(a, "%.9g", tensor_get_double(t, i));
}

static bool comparable(size_t k, const struct tensor *t, const struct tensor *e,
                       struct arena *scratch, struct diag *d)
{
    if (t->dtype == e->dtype && t->rank == e->rank &&
        memcmp(t->dim, e->dim, (size_t)t->rank * sizeof *t->dim) == 0)
        return true;
    return diag_report(d, LOC_NONE, DIAG_TENSOR_MISMATCH,
                       "output %zu '%s' is %s, the expected one is %s", k, t->name ? t->name : "",
                       tensor_type_text(t->dtype, t->dim, t->rank, scratch),
                       tensor_type_text(e->dtype, e->dim, e->rank, scratch));
}

static bool compare_one(size_t k, const struct tensor *t, const struct tensor *e, double rtol,
                        double atol, FILE *summary, struct arena *scratch, struct diag *d)
{
    struct difference r = {.elems = tensor_elems(t)};
    struct tensor a = real_parts(t), b = real_parts(e);
    const char *name = t->name ? t->name : "";
    if (a.dtype != t->dtype)
        r.elems *= 2;
    for (int64_t i = 0; i < r.elems; i++)
        compare_element(&a, &b, i, rtol, atol, &r);
    if (summary)
        fprintf(summary,
                "compare %zu      '%s' max abs error %.3g, relative L2 error %.3g: %s (rtol %g, "
                "atol %g)\n",
                k, name, r.max_abs, relative_l2(&r),
                r.differing ? "differs" : "equal within tolerance", rtol, atol);
    if (r.differing == 0)
        return true;
    return diag_report(d, LOC_NONE, DIAG_MISMATCH,
                       "output %zu '%s': %" PRId64 " of %" PRId64
                       " elements differ (max abs error %.6g, max rel error %.6g); "
                       "first at %s: %s, expected %s",
                       k, name, r.differing, r.elems, r.max_abs, r.max_rel,
                       index_text(t, r.first, scratch), value_text(&a, r.first, scratch),
                       value_text(&b, r.first, scratch));
}

// Lists element by element.
static bool compare_value(size_t k, const struct tensor *t, const struct tensor *e, double rtol,
                          double atol, FILE *summary, struct arena *scratch, struct diag *d)
{
    if (!comparable(k, t, e, scratch, d))
        return false;
    if (dtype_info[t->dtype].kind != DTK_H)
        return compare_one(k, t, e, rtol, atol, summary, scratch, d);
    const struct tensor_list *a = tensor_list_of(t), *b = tensor_list_of(e);
    if (a->num != b->num)
        return diag_report(d, LOC_NONE, DIAG_MISMATCH,
                           "output %zu '%s' has %" PRId64 " elements, %" PRId64 " are expected", k,
                           t->name ? t->name : "", a->num, b->num);
    bool ok = true;
    for (int64_t i = 0; i < a->num; i++) {
        struct tensor x = *a->item[i];
        x.name = arena_printf(scratch, "%s[%" PRId64 "]", t->name ? t->name : "", i);
        ok = compare_value(k, &x, b->item[i], rtol, atol, summary, scratch, d) && ok;
    }
    return ok;
}

bool tool_compare(struct tensor *const *outputs, struct tensor *const *expected, size_t num,
                  double rtol, double atol, FILE *summary, struct diag *d)
{
    struct arena *scratch = arena_create();
    bool ok = true;
    for (size_t k = 0; k < num; k++)
        ok = compare_value(k, outputs[k], expected[k], rtol, atol, summary, scratch, d) && ok;
    arena_destroy(scratch);
    return ok;
}

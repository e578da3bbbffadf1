// Sequences and optionals: immutable lists, so that operators share items and copy only pointers.
#include <string.h>

#include "host_kernels.h"

static const char *place(const struct tensor_list *s, const int64_t *position, int64_t ends,
                         int64_t *out)
{
    static _Thread_local char text[100];
    int64_t at = position ? *position : s->num - 1 + (ends > 0);
    if (at < -s->num || at >= s->num + ends) {
        snprintf(text, sizeof text, "position %lld of a sequence of %lld", (long long)at,
                 (long long)s->num);
        return text;
    }
    *out = at < 0 ? at + s->num : at;
    return NULL;
}

static struct arena *arena_of(struct host_memory *m)
{
    return m->arena;
}

// A sequence with `gone` items taken out at `at` and `added` items put in there.
static const struct tensor_list *spliced(struct arena *a, const struct tensor_list *s, int64_t at,
                                         int64_t gone, const struct tensor *const *added,
                                         int64_t num)
{
    const struct tensor **item =
        ARENA_ARRAY(a, (size_t)(s->num - gone + num) + 1, const struct tensor *);
    for (int64_t i = 0; i < at; i++)
        item[i] = s->item[i];
    for (int64_t i = 0; i < num; i++)
        item[at + i] = added[i];
    for (int64_t i = at + gone; i < s->num; i++)
        item[i - gone + num] = s->item[i];
    return tensor_list_make(a, item, s->num - gone + num, s->num ? s->item[0]->dtype : s->elem);
}

// ---- Elements out of lists

static const char *copy_out(struct host_memory *m, struct tensor *y, const struct tensor *x)
{
    static _Thread_local char text[240];
    if (y->dtype == x->dtype && y->rank == x->rank &&
        memcmp(y->dim, x->dim, (size_t)x->rank * sizeof *x->dim) == 0) {
        if (tensor_bytes(x))
            memcpy(y->data, x->data, tensor_bytes(x));
        return NULL;
    }
    snprintf(text, sizeof text,
             "the element is %.60s at run time, the program is compiled for %.60s",
             tensor_type_text(x->dtype, x->dim, x->rank, m->arena),
             tensor_type_text(y->dtype, y->dim, y->rank, m->arena));
    return text;
}

const char *host_sequence_at(struct host_memory *m, struct tensor *y, const struct tensor_list *s,
                             const int64_t *position)
{
    int64_t at;
    const char *why = place(s, position, 0, &at);
    return why ? why : copy_out(m, y, s->item[at]);
}

// x into the larger y, the rest of which is zero.
static const char *copy_within(struct host_memory *m, struct tensor *y, int64_t *extent,
                               int64_t num, const struct tensor *x)
{
    static _Thread_local char text[240];
    bool fits = y->dtype == x->dtype && y->rank == x->rank && num >= x->rank;
    for (int d = 0; fits && d < x->rank; d++)
        fits = x->dim[d] <= y->dim[d];
    if (!fits) {
        snprintf(text, sizeof text,
                 "the element is %.60s at run time, the program has room for %.60s (--max-dim)",
                 tensor_type_text(x->dtype, x->dim, x->rank, m->arena),
                 tensor_type_text(y->dtype, y->dim, y->rank, m->arena));
        return text;
    }
    if (x->rank > 0)
        memcpy(extent, x->dim, (size_t)x->rank * sizeof *extent);
    size_t size = dtype_bytes(x->dtype);
    int64_t run = x->rank > 0 ? x->dim[x->rank - 1] : 1, rows = run ? tensor_elems(x) / run : 0;
    for (int64_t r = 0; r < rows; r++) {
        int64_t at = 0, rest = r, stride = x->rank > 0 ? y->dim[x->rank - 1] : 1;
        for (int d = x->rank - 2; d >= 0; stride *= y->dim[d--]) {
            at += rest % x->dim[d] * stride;
            rest /= x->dim[d];
        }
        memcpy((char *)y->data + (size_t)at * size,
               (const char *)x->data + (size_t)(r * run) * size, (size_t)run * size);
    }
    return NULL;
}

const char *host_sequence_at_within(struct host_memory *m, struct tensor *y, int64_t *extent,
                                    int64_t num, const struct tensor_list *s,
                                    const int64_t *position)
{
    int64_t at;
    const char *why = place(s, position, 0, &at);
    return why ? why : copy_within(m, y, extent, num, s->item[at]);
}

const char *host_sequence_length(int64_t *y, const struct tensor_list *s)
{
    *y = s->num;
    return NULL;
}

// As host_sequence_concat, into the larger y.
const char *host_sequence_concat_within(struct host_memory *m, struct tensor *y, int64_t *extent,
                                        int64_t num, const struct tensor_list *s, int64_t axis,
                                        int64_t new_axis)
{
    static _Thread_local char misfit[240];
    int64_t along = 0;
    if (axis < 0 || axis >= y->rank || num < y->rank || s->num == 0)
        return s->num == 0 ? "there is nothing to concatenate" : "the axis lies outside the result";
    for (int64_t k = 0; k < s->num; k++) {
        const struct tensor *x = s->item[k];
        snprintf(misfit, sizeof misfit,
                 "element %lld, %.60s, does not join with those before it, or not in the room of "
                 "%.60s (--max-dim)",
                 (long long)k, tensor_type_text(x->dtype, x->dim, x->rank, m->arena),
                 tensor_type_text(y->dtype, y->dim, y->rank, m->arena));
        if (x->dtype != y->dtype || x->rank != y->rank - (new_axis ? 1 : 0))
            return misfit;
        struct tensor to = *y;
        for (int d = 0, e = 0; d < y->rank; d++) {
            bool fresh = d == axis && new_axis;
            to.dim[d] = fresh ? 1 : x->dim[e];
            if (d == axis ? along + to.dim[d] > y->dim[d]
                          : to.dim[d] > y->dim[d] || (k > 0 && to.dim[d] != extent[d]))
                return misfit;
            extent[d] = d == axis ? along + to.dim[d] : to.dim[d];
            e += !fresh;
        }
        int64_t n = tensor_elems(x);
        size_t size = dtype_bytes(y->dtype);
        for (int64_t i = 0; i < n; i++) {
            int64_t at = 0, rest = i, stride = 1;
            for (int d = y->rank - 1; d >= 0; stride *= y->dim[d--]) {
                at += (rest % to.dim[d] + (d == axis ? along : 0)) * stride;
                rest /= to.dim[d];
            }
            memcpy((char *)y->data + (size_t)at * size, (const char *)x->data + (size_t)i * size,
                   size);
        }
        along = extent[axis];
    }
    return NULL;
}

// Extents before and from the axis on: row-major copies of runs.
const char *host_sequence_concat(struct tensor *y, const struct tensor_list *s, int64_t axis,
                                 int64_t new_axis)
{
    static const char misfit[] = "the elements do not join to the shape compiled for";
    if (axis < 0 || axis >= y->rank)
        return "the axis lies outside the result";
    size_t size = dtype_bytes(y->dtype), at = 0;
    int64_t outer = dims_elems(y->dim, (int)axis), along = 0;
    size_t row = outer ? tensor_bytes(y) / (size_t)outer : 0;
    for (int64_t k = 0; k < s->num; k++) {
        const struct tensor *x = s->item[k];
        if (x->dtype != y->dtype || x->rank != y->rank - (new_axis ? 1 : 0))
            return misfit;
        for (int d = 0, e = 0; d < y->rank; d++) {
            if (d == axis && new_axis)
                continue;
            if (d != axis && x->dim[e] != y->dim[d])
                return misfit;
            e++;
        }
        along += new_axis ? 1 : x->dim[axis];
        size_t run = outer ? (size_t)(tensor_elems(x) / outer) * size : 0;
        if (along > y->dim[axis])
            return misfit;
        for (int64_t i = 0; i < outer && run; i++)
            memcpy((char *)y->data + (size_t)i * row + at, (const char *)x->data + (size_t)i * run,
                   run);
        at += run;
    }
    return along == y->dim[axis] ? NULL : misfit;
}

// ---- Lists from lists

const char *host_sequence_extend(struct host_memory *m, const struct tensor_list **y,
                                 const struct tensor_list *s, const struct tensor *const *x,
                                 int64_t n)
{
    struct arena *a = arena_of(m);
    const struct tensor **copies = ARENA_ARRAY(a, (size_t)n + 1, const struct tensor *);
    for (int64_t i = 0; i < n; i++)
        copies[i] = tensor_copy(a, x[i]);
    *y = spliced(a, s, s->num, 0, copies, n);
    return NULL;
}

const char *host_sequence_insert(struct host_memory *m, const struct tensor_list **y,
                                 const struct tensor_list *s, const struct tensor *x,
                                 const int64_t *position)
{
    int64_t at;
    const char *why = place(s, position, 1, &at);
    const struct tensor *copy = why || !x ? NULL : tensor_copy(arena_of(m), x);
    if (copy)
        *y = spliced(arena_of(m), s, at, 0, &copy, 1);
    return why || copy ? why : "there is nothing to insert";
}

const char *host_sequence_erase(struct host_memory *m, const struct tensor_list **y,
                                const struct tensor_list *s, const int64_t *position)
{
    int64_t at;
    const char *why = place(s, position, 0, &at);
    if (!why)
        *y = spliced(arena_of(m), s, at, 1, NULL, 0);
    return why;
}

static struct tensor *part_of(struct arena *a, const struct tensor *x, int64_t axis, int64_t from,
                              int64_t len, bool keep)
{
    int64_t dim[BITLET_MAX_RANK], outer = dims_elems(x->dim, (int)axis), inner = 1;
    int rank = 0;
    for (int d = 0; d < x->rank; d++) {
        if (d != axis || keep)
            dim[rank++] = d == axis ? len : x->dim[d];
        if (d > axis)
            inner *= x->dim[d];
    }
    struct tensor *y = tensor_create(a, x->dtype, dim, rank);
    size_t size = dtype_bytes(x->dtype) * (size_t)inner, run = size * (size_t)len;
    for (int64_t i = 0; i < outer && run; i++)
        memcpy((char *)y->data + (size_t)i * run,
               (const char *)x->data + ((size_t)(i * x->dim[axis] + from)) * size, run);
    return y;
}

// chunk > 0: equal parts of that length, the last one shorter; < 0: the first of `lengths` is that
// length; 0: by lengths. keep 0 takes the
// axis out of parts of length 1.
const char *host_sequence_split(struct host_memory *m, const struct tensor_list **y,
                                const struct tensor *x, const int64_t *lengths, int64_t num,
                                int64_t chunk, int64_t axis, int64_t keep)
{
    struct arena *a = arena_of(m);
    if (chunk < 0)
        chunk = num == 1 && lengths[0] > 0 ? lengths[0] : -1;
    if (axis < 0 || axis >= x->rank || chunk < 0)
        return "the axis or the length of the parts does not fit";
    int64_t extent = x->dim[axis], parts = chunk ? (extent + chunk - 1) / chunk : num, at = 0;
    const struct tensor **item = ARENA_ARRAY(a, (size_t)parts + 1, const struct tensor *);
    const struct tensor *whole = tensor_copy(a, x);
    for (int64_t i = 0; i < parts; i++) {
        int64_t len = chunk ? (extent - at < chunk ? extent - at : chunk) : lengths[i];
        if (len < 0 || len > extent - at || (!keep && len != 1))
            return "the lengths of the parts do not add up to the extent of the axis";
        item[i] = part_of(a, whole, axis, at, len, keep != 0);
        at += len;
    }
    *y = tensor_list_make(a, item, parts, x->dtype);
    return at == extent ? NULL : "the lengths of the parts do not add up to the extent of the axis";
}

// ---- Optionals

const char *host_optional_make(struct host_memory *m, const struct tensor_list **y,
                               const struct tensor *const *x, int64_t n)
{
    const struct tensor *copy = n == 1 ? tensor_copy(arena_of(m), x[0]) : NULL;
    *y = tensor_list_make(arena_of(m), &copy, n == 1, DT_F32);
    return n <= 1 ? NULL : "an optional has one element at most";
}

const char *host_optional_has(uint8_t *y, const struct tensor_list *o)
{
    *y = o->num > 0;
    return NULL;
}

const char *host_optional_get(struct host_memory *m, struct tensor *y, const struct tensor_list *o)
{
    return o->num > 0 ? copy_out(m, y, o->item[0]) : "the optional is empty";
}

const char *host_optional_get_within(struct host_memory *m, struct tensor *y, int64_t *extent,
                                     int64_t num, const struct tensor_list *o)
{
    return o->num > 0 ? copy_within(m, y, extent, num, o->item[0]) : "the optional is empty";
}

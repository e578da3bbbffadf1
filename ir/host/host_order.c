// Values looked up, counted and ordered: label tables, n-grams, distinct values, boxes.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host_kernels.h"

// ---- Comparison of elements of any type

static int sign_of(bool less, bool greater)
{
    return greater - less;
}

// NaN sorts last and equals itself.
static int compare_doubles(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return sign_of(a<b, a> b);
}

static int compare_elements(const struct tensor *a, int64_t i, const struct tensor *b, int64_t j)
{
    if (a->dtype == DT_STR)
        return strcmp(((const char *const *)a->data)[i], ((const char *const *)b->data)[j]);
    if (a->dtype == DT_U64) {
        uint64_t x = ((const uint64_t *)a->data)[i], y = ((const uint64_t *)b->data)[j];
        return sign_of(x<y, x> y);
    }
    if (dtype_is_int(a->dtype)) {
        int64_t x = tensor_get_int(a, i), y = tensor_get_int(b, j);
        return sign_of(x<y, x> y);
    }
    return compare_doubles(tensor_get_double(a, i), tensor_get_double(b, j));
}

static void copy_element(struct tensor *to, int64_t i, const struct tensor *from, int64_t j)
{
    size_t size = dtype_bytes(to->dtype);
    memcpy((char *)to->data + (size_t)i * size, (const char *)from->data + (size_t)j * size, size);
}

// ---- Labels

struct slice_order { // what the comparison of indices looks at
    const struct tensor *x;
    int64_t outer, extent, inner; // the axis lies between
};

static int compare_slices(const struct slice_order *o, int64_t i, int64_t j)
{
    for (int64_t a = 0; a < o->outer; a++)
        for (int64_t b = 0; b < o->inner; b++) {
            int64_t base = a * o->extent * o->inner + b;
            int c = compare_elements(o->x, base + i * o->inner, o->x, base + j * o->inner);
            if (c)
                return c;
        }
    return 0;
}

static int by_slice_then_index(const void *a, const void *b, void *order)
{
    int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
    int c = compare_slices(order, i, j);
    return c ? c : sign_of(i<j, i> j);
}

static int64_t *sorted_indices(struct slice_order *o, struct arena *a)
{
    int64_t *index = ARENA_ARRAY(a, (size_t)o->extent + 1, int64_t);
    for (int64_t i = 0; i < o->extent; i++)
        index[i] = i;
    qsort_r(index, (size_t)o->extent, sizeof *index, by_slice_then_index, o);
    return index;
}

// Of equal keys the last.
static int64_t find_key(const struct tensor *keys, const int64_t *index, int64_t n,
                        const struct tensor *x, int64_t i)
{
    int64_t lo = 0, hi = n;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (compare_elements(keys, index[mid], x, i) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo > 0 && compare_elements(keys, index[lo - 1], x, i) == 0 ? index[lo - 1] : -1;
}

const char *host_label_encode(struct tensor *y, const struct tensor *x, const struct tensor *keys,
                              const struct tensor *values, const struct tensor *dflt)
{
    int64_t n = tensor_elems(keys);
    if (x->dtype != keys->dtype || y->dtype != values->dtype || y->dtype != dflt->dtype ||
        tensor_elems(values) != n || tensor_elems(dflt) != 1 || tensor_elems(x) != tensor_elems(y))
        return "types or numbers of keys, values and default do not fit";
    struct arena *a = arena_create();
    struct slice_order o = {keys, 1, n, 1};
    const int64_t *index = sorted_indices(&o, a);
    for (int64_t i = 0; i < tensor_elems(x); i++) {
        int64_t k = find_key(keys, index, n, x, i);
        if (k >= 0)
            copy_element(y, i, values, k);
        else
            copy_element(y, i, dflt, 0);
    }
    arena_destroy(a);
    return NULL;
}

// ---- Distinct values

static void copy_slice(struct tensor *y, int64_t to, const struct slice_order *o, int64_t from,
                       int64_t capacity)
{
    for (int64_t a = 0; a < o->outer; a++)
        for (int64_t b = 0; b < o->inner; b++)
            copy_element(y, (a * capacity + to) * o->inner + b, o->x,
                         (a * o->extent + from) * o->inner + b);
}

static int by_index(const void *a, const void *b)
{
    int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
    return sign_of(i<j, i> j);
}

// The first index of every class, in the order of the result; class_of: by index, the first index
// of its class.
static int64_t find_classes(struct slice_order *o, bool sorted, int64_t *firsts, int64_t *class_of,
                            struct arena *a)
{
    const int64_t *index = sorted_indices(o, a);
    int64_t num = 0;
    for (int64_t i = 0; i < o->extent; i++) {
        if (i == 0 || compare_slices(o, index[i - 1], index[i]) != 0)
            firsts[num++] = index[i];
        class_of[index[i]] = firsts[num - 1];
    }
    if (!sorted)
        qsort(firsts, (size_t)num, sizeof *firsts, by_index);
    return num;
}

// The axis of y, and first and counts, hold `capacity` entries; what does not fit is only counted.
const char *host_unique(struct tensor *y, int64_t *first, int64_t capacity, int64_t *counts,
                        int64_t *inverse, int64_t extent, int64_t *number, const struct tensor *x,
                        int64_t axis, int64_t sorted)
{
    struct slice_order o = {x, 1, axis < 0 ? tensor_elems(x) : 1, 1};
    if (axis < -1 || axis >= x->rank || y->dtype != x->dtype)
        return "the axis or the type of the result does not fit";
    for (int d = 0; axis >= 0 && d < x->rank; d++)
        *(d < axis ? &o.outer : d == axis ? &o.extent : &o.inner) *= x->dim[d];
    if (tensor_elems(y) != o.outer * capacity * o.inner || extent != o.extent)
        return "the results do not hold the same number of slices";
    struct arena *a = arena_create();
    int64_t *firsts = ARENA_ARRAY(a, (size_t)o.extent + 1, int64_t);
    int64_t *class_of = ARENA_ARRAY(a, (size_t)o.extent + 1, int64_t);
    int64_t *place = ARENA_ARRAY(a, (size_t)o.extent + 1, int64_t);
    *number = find_classes(&o, sorted != 0, firsts, class_of, a);
    for (int64_t k = 0; k < *number; k++) {
        place[firsts[k]] = k;
        if (k >= capacity)
            continue;
        first[k] = firsts[k];
        copy_slice(y, k, &o, firsts[k], capacity);
    }
    for (int64_t i = 0; i < o.extent; i++) {
        inverse[i] = place[class_of[i]];
        if (inverse[i] < capacity)
            counts[inverse[i]]++;
    }
    arena_destroy(a);
    return NULL;
}

// ---- n-grams

struct grams {
    float *out;
    int64_t rows, length, columns; // of x: rows of `length` items
    int64_t mode;                  // 0 counts, 1 weight where there are any, 2 both multiplied
    struct tensor x, pool;
    const int64_t *starts, *indexes, *lengths; // lengths: shortest, longest, most skipped
    int64_t num_starts, num_indexes;
    const double *weights;
    int64_t num_weights;
};

static const char *check_grams(const struct grams *g)
{
    int64_t pool = g->pool.dim[0], entry = 0;
    if (g->lengths[0] < 1 || g->lengths[1] < g->lengths[0] || g->lengths[2] < 0)
        return "lengths of n-grams or the skip count are impossible";
    for (int64_t k = 0; k < g->num_starts; k++) {
        int64_t end = k + 1 < g->num_starts ? g->starts[k + 1] : pool;
        if (g->starts[k] < 0 || end < g->starts[k] || end > pool ||
            (end - g->starts[k]) % (k + 1) != 0)
            return "the counts of n-grams do not divide the pool";
        entry += (end - g->starts[k]) / (k + 1);
    }
    if (entry != g->num_indexes || (g->num_weights && g->num_weights != entry))
        return "there is not one index (and weight) for each n-gram of the pool";
    for (int64_t i = 0; i < entry; i++)
        if (g->indexes[i] < 0 || g->indexes[i] >= g->columns)
            return "an index of an n-gram lies outside the result";
    return NULL;
}

static bool gram_matches(const struct grams *g, int64_t at, int64_t stride, int64_t pool, int64_t n)
{
    for (int64_t k = 0; k < n; k++)
        if (compare_elements(&g->x, at + k * stride, &g->pool, pool + k) != 0)
            return false;
    return true;
}

// How often an n-gram of the pool occurs in a row, with up to the allowed number of items skipped
// between neighbours. Single items are not counted again for every skip.
static int64_t count_gram(const struct grams *g, int64_t row, int64_t pool, int64_t n)
{
    int64_t count = 0, skips = n == 1 ? 0 : g->lengths[2];
    for (int64_t stride = 1; stride <= skips + 1; stride++)
        for (int64_t at = 0; at + stride * (n - 1) < g->length; at++)
            count += gram_matches(g, row * g->length + at, stride, pool, n);
    return count;
}

static const char *run_grams(const struct grams *g)
{
    const char *why = check_grams(g);
    int64_t entry = 0;
    if (why)
        return why;
    for (int64_t k = 0; k < g->num_starts; k++) {
        int64_t n = k + 1, end = n < g->num_starts ? g->starts[n] : g->pool.dim[0];
        for (int64_t at = g->starts[k]; at < end; at += n, entry++) {
            if (n < g->lengths[0] || n > g->lengths[1])
                continue;
            double weight = g->num_weights ? g->weights[entry] : 1;
            for (int64_t row = 0; row < g->rows; row++) {
                double count = (double)count_gram(g, row, at, n);
                double v = g->mode == 0   ? count
                           : g->mode == 1 ? (count > 0) * weight
                                          : count * weight;
                g->out[row * g->columns + g->indexes[entry]] += (float)v;
            }
        }
    }
    return NULL;
}

static struct tensor items(enum dtype t, const void *data, int64_t n)
{
    return (struct tensor){.dtype = t, .rank = 1, .dim = {n}, .data = (void *)(uintptr_t)data};
}

static const char *start_grams(struct grams *g, const int64_t *out_dim, int64_t out_rank,
                               int64_t columns, int64_t num_lengths)
{
    g->rows = out_rank == 2 ? out_dim[0] : 1;
    g->columns = columns;
    g->length = g->rows > 0 ? g->x.dim[0] / g->rows : 0;
    if (num_lengths != 3 || out_rank < 1 || out_dim[out_rank - 1] != columns)
        return "the shape of the result or the number of lengths does not fit";
    return run_grams(g);
}

// starts: where in the pool the n-grams of 1, 2, .. items begin; indexes: the column of each;
// lengths: shortest and longest n-gram that counts, most items skipped; mode: struct grams.
const char *host_tfidf(float *out, const int64_t *out_dim, int64_t out_rank, const int64_t *x,
                       int64_t n, int64_t mode, const int64_t *pool, int64_t num_pool,
                       const int64_t *starts, int64_t num_starts, const int64_t *indexes,
                       int64_t num_indexes, const int64_t *lengths, int64_t num_lengths,
                       const double *weights, int64_t num_weights, int64_t columns)
{
    struct grams g = {.out = out,
                      .mode = mode,
                      .x = items(DT_I64, x, n),
                      .pool = items(DT_I64, pool, num_pool),
                      .starts = starts,
                      .indexes = indexes,
                      .lengths = lengths,
                      .num_starts = num_starts,
                      .num_indexes = num_indexes,
                      .weights = weights,
                      .num_weights = num_weights};
    return start_grams(&g, out_dim, out_rank, columns, num_lengths);
}

const char *host_tfidf_strings(float *out, const int64_t *out_dim, int64_t out_rank,
                               const char *const *x, int64_t n, const char *const *pool,
                               int64_t num_pool, int64_t mode, const int64_t *starts,
                               int64_t num_starts, const int64_t *indexes, int64_t num_indexes,
                               const int64_t *lengths, int64_t num_lengths, const double *weights,
                               int64_t num_weights, int64_t columns)
{
    struct grams g = {.out = out,
                      .mode = mode,
                      .x = items(DT_STR, x, n),
                      .pool = items(DT_STR, pool, num_pool),
                      .starts = starts,
                      .indexes = indexes,
                      .lengths = lengths,
                      .num_starts = num_starts,
                      .num_indexes = num_indexes,
                      .weights = weights,
                      .num_weights = num_weights};
    return start_grams(&g, out_dim, out_rank, columns, num_lengths);
}

// ---- Boxes

struct edges { // along one axis, low <= high
    float low, high;
};
struct box {
    struct edges x, y;
};

static struct edges edges_of(float a, float b)
{
    return a < b ? (struct edges){a, b} : (struct edges){b, a};
}

static struct box box_at(const float *p, bool centre)
{
    if (!centre) // y1 x1 y2 x2, any two opposite corners
        return (struct box){edges_of(p[1], p[3]), edges_of(p[0], p[2])};
    return (struct box){{p[0] - p[2] / 2, p[0] + p[2] / 2}, {p[1] - p[3] / 2, p[1] + p[3] / 2}};
}

static float overlap(struct edges a, struct edges b)
{
    return fminf(a.high, b.high) - fmaxf(a.low, b.low);
}

static float area(const struct box *b)
{
    return (b->x.high - b->x.low) * (b->y.high - b->y.low);
}

static bool suppresses(const struct box *a, const struct box *b, float iou)
{
    float w = overlap(a->x, b->x), h = overlap(a->y, b->y);
    if (!(w > 0) || !(h > 0))
        return false;
    float common = w * h, together = area(a) + area(b) - common;
    return area(a) > 0 && area(b) > 0 && together > 0 && common / together > iou;
}

static int by_score(const void *a, const void *b, void *scores)
{
    int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
    float x = ((const float *)scores)[i], y = ((const float *)scores)[j];
    return x != y && !isnan(x) && !isnan(y) ? sign_of(x > y, x < y) : sign_of(i<j, i> j);
}

// Indices of the boxes of one batch and class that stay, best first; gives their number.
static int64_t select_boxes(int64_t *kept, const struct box *box, const float *scores, int64_t n,
                            int64_t most, float iou, const float *least, int64_t *order)
{
    int64_t candidates = 0, num = 0;
    for (int64_t i = 0; i < n; i++)
        if (!least || scores[i] > *least)
            order[candidates++] = i;
    qsort_r(order, (size_t)candidates, sizeof *order, by_score, (void *)(uintptr_t)scores);
    for (int64_t c = 0; c < candidates && num < most; c++) {
        bool stays = true;
        for (int64_t k = 0; k < num && stays; k++)
            stays = !suppresses(&box[order[c]], &box[kept[k]], iou);
        if (stays)
            kept[num++] = order[c];
    }
    return num;
}

const char *host_nonmax_suppression(int64_t *out, int64_t capacity, int64_t *selected,
                                    const float *boxes, const int64_t *box_dim, int64_t box_rank,
                                    const float *scores, const int64_t *dim, int64_t rank,
                                    const int64_t *most, const float *iou, const float *score,
                                    int64_t centre)
{
    if (box_rank != 3 || rank != 3 || box_dim[0] != dim[0] || box_dim[1] != dim[2] ||
        box_dim[2] != 4)
        return "takes boxes [batches, boxes, 4] and scores [batches, classes, boxes]";
    int64_t n = dim[2];
    struct arena *a = arena_create();
    struct box *box = ARENA_ARRAY(a, (size_t)n + 1, struct box);
    int64_t *kept = ARENA_ARRAY(a, (size_t)n + 1, int64_t);
    int64_t *order = ARENA_ARRAY(a, (size_t)n + 1, int64_t);
    *selected = 0;
    for (int64_t row = 0; row < dim[0] * dim[1]; row++) {
        int64_t batch = row / dim[1];
        for (int64_t i = 0; i < n; i++)
            box[i] = box_at(boxes + (batch * n + i) * 4, centre != 0);
        int64_t num = select_boxes(kept, box, scores + row * n, n, most ? *most : 0, iou ? *iou : 0,
                                   score, order);
        for (int64_t k = 0; k < num; k++, ++*selected)
            if (3 * *selected + 2 < capacity) {
                out[3 * *selected] = batch;
                out[3 * *selected + 1] = row % dim[1];
                out[3 * *selected + 2] = kept[k];
            }
    }
    arena_destroy(a);
    return NULL;
}

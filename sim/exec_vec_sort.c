// VSORT: every row of the last dimension by a stable merge sort of keys.
//
// A key is an unsigned number with the order of the elements: NaN is the largest of all and -0
// equals 0. Descending order complements the keys, so equal elements keep their order there too.
#include "predict.h"
#include "vec_cost.h"
#include "vec_fn.h"
#include "vec_loop.h"

#define MAX_ROW                                                                                    \
    (INT64_C(1) << 25) // bounds the working memory of a program that asks for more than it holds
#define SHORT_RUN 16   // sorted by insertion
#define GRAIN 4096

struct item {
    uint64_t key;
    int64_t from;
};

struct sorting {
    struct vec_stream keys, values, out, where; // keys and values both walk the operand
    enum dtype dtype;
    bool descending;
    int64_t length;
    uint8_t *work;
    size_t work_bytes; // of one worker
    int64_t rows_per_piece, rows;
};

static uint64_t key_of_f64(double x)
{
    uint64_t u = num_bits_of_f64(x + 0.0), top = UINT64_C(1) << 63; // -0 + 0 is 0
    if (x != x)
        return UINT64_MAX;
    return u & top ? ~u : u | top;
}

static void read_keys(const struct sorting *so, struct vec_stream *st, struct item *it)
{
    union {
        double f[VEC_BLOCK];
        uint64_t u[VEC_BLOCK];
    } b;
    uint64_t flip = so->descending ? UINT64_MAX : 0;
    uint64_t bias = st->form == VEC_I64 ? UINT64_C(1) << 63 : 0;
    for (int64_t i = 0, n; i < so->length; i += n) {
        n = so->length - i < VEC_BLOCK ? so->length - i : VEC_BLOCK;
        vec_read_into(st, &b, n);
        for (int64_t j = 0; j < n; j++) {
            uint64_t key = st->form == VEC_F64 ? key_of_f64(b.f[j]) : b.u[j] ^ bias;
            it[i + j] = (struct item){key ^ flip, i + j};
        }
    }
}

static void sort_short(struct item *it, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        struct item x = it[i];
        int64_t j = i;
        for (; j > 0 && it[j - 1].key > x.key; j--)
            it[j] = it[j - 1];
        it[j] = x;
    }
}

static void merge(struct item *restrict to, const struct item *restrict a, int64_t num_a,
                  const struct item *restrict b, int64_t num_b)
{
    while (num_a > 0 && num_b > 0) {
        bool second = b->key < a->key;
        *to++ = second ? *b : *a;
        a += !second;
        num_a -= !second;
        b += second;
        num_b -= second;
    }
    memcpy(to, num_a > 0 ? a : b, (size_t)(num_a + num_b) * sizeof *to);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// Either of the two arrays holds the result.
static struct item *sort_items(struct item *it, struct item *spare, int64_t n)
{
    for (int64_t i = 0; i < n; i += SHORT_RUN)
        sort_short(it + i, least(SHORT_RUN, n - i));
    for (int64_t run = SHORT_RUN; run < n; run *= 2) {
        for (int64_t i = 0; i < n; i += 2 * run) {
            int64_t mid = least(i + run, n), end = least(i + 2 * run, n);
            merge(spare + i, it + i, mid - i, it + mid, end - mid);
        }
        struct item *swap = it;
        it = spare;
        spare = swap;
    }
    return it;
}

static void write_row(const struct sorting *so, const uint8_t *values, const struct item *it,
                      struct vec_stream *out, struct vec_stream *where)
{
    _Alignas(64) uint8_t picked[VEC_BLOCK * VEC_MAX_FORM_BYTES];
    int64_t index[VEC_BLOCK];
    size_t size = dtype_bytes(so->dtype);
    for (int64_t i = 0, n; i < so->length; i += n) {
        n = least(VEC_BLOCK, so->length - i);
        for (int64_t j = 0; j < n; j++) {
            index[j] = it[i + j].from;
            memcpy(picked + (size_t)j * size, values + (size_t)index[j] * size, size);
        }
        vec_write(out, picked, n);
        vec_write(where, index, n);
    }
}

static void sort_rows(const struct sorting *so, uint8_t *work, int64_t lo, int64_t hi)
{
    struct vec_stream keys = so->keys, values = so->values, out = so->out, where = so->where;
    struct item *it = (struct item *)(void *)work, *spare = it + so->length;
    uint8_t *copy = (uint8_t *)(spare + so->length);
    struct vec_stream *const all[] = {&keys, &values, &out, &where};
    for (int i = 0; i < 4; i++)
        vec_seek(all[i], lo * so->length);
    for (; lo < hi; lo++) {
        read_keys(so, &keys, it);
        vec_read_into(&values, copy, so->length);
        write_row(so, copy, sort_items(it, spare, so->length), &out, &where);
    }
}

static void sort_piece(void *user, int piece, int worker)
{
    const struct sorting *so = user;
    int64_t lo = piece * so->rows_per_piece;
    sort_rows(so, so->work + (size_t)worker * so->work_bytes, lo,
              least(lo + so->rows_per_piece, so->rows));
}

static void run_sorting(struct sim *s, struct sorting *so)
{
    bool ordered = vec_operands_overlap(s) || vec_is_ordered(s, &so->out, NULL, 0) ||
                   vec_is_ordered(s, &so->where, NULL, 0);
    int64_t pieces = so->rows * so->length / GRAIN + 1;
    int workers = ordered || pieces == 1 || so->rows == 1 ? 1 : thread_pool_size(s->pool);
    size_t row = (size_t)so->length * (2 * sizeof(struct item) + dtype_bytes(so->dtype));
    so->work_bytes = (row + 63) / 64 * 64;
    so->work = sim_scratch(s, so->work_bytes * (size_t)workers);
    if (workers == 1) {
        sort_rows(so, so->work, 0, so->rows);
        return;
    }
    pieces = least(least(pieces, so->rows), 65536);
    so->rows_per_piece = (so->rows - 1) / pieces + 1;
    if (predict_values(s, so->rows * so->length))
        thread_pool_run(s->pool, (int)((so->rows - 1) / so->rows_per_piece + 1), sort_piece, so);
}

static enum vec_form key_form(enum dtype t)
{
    if (dtype_is_float(t))
        return VEC_F64;
    if (t == DT_U64)
        return VEC_U64;
    return dtype_is_int(t) ? VEC_I64 : VEC_NONE;
}

bool sim_exec_VSORT(struct sim *s, const struct isa_args_VSORT *in)
{
    const struct sim_view *td = &s->t[in->td], *tb = &s->t[in->tb], *ta = &s->t[in->ta];
    struct sorting so = {.dtype = ta->dtype, .descending = in->desc != 0};
    enum vec_form form = key_form(ta->dtype), raw = vec_form_raw(ta->dtype);
    int64_t elements;
    if (form == VEC_NONE)
        return vec_refuse_type(s, ta, "no order on this type");
    if (td->dtype != ta->dtype || tb->dtype != DT_I64)
        return vec_refuse_type(s, td->dtype != ta->dtype ? td : tb, "not the type of a result");
    if (!vec_same_extents(s, td, ta) || !vec_same_extents(s, td, tb) ||
        !sim_view_elems(s, td, &elements))
        return false;
    so.length = td->rank > 0 ? td->extent[td->rank - 1] : 1;
    if (so.length > MAX_ROW)
        return sim_fault_at(s, SIM_FAULT_OPERAND, ta->base, "rows of %lld elements, at most %lld",
                            (long long)so.length, (long long)MAX_ROW);
    if (!vec_open(s, &so.keys, ta, form, false) || !vec_open(s, &so.out, td, raw, true) ||
        !vec_open(s, &so.where, tb, VEC_I64, true))
        return false;
    vec_charge(s, elements, vec_sort_weight(so.length));
    if (elements == 0)
        return true;
    vec_stream_init(&so.values, ta, so.keys.host, raw, vec_bounding_axes(ta));
    so.rows = elements / so.length;
    run_sorting(s, &so);
    return true;
}

// Element-wise vector instructions: move, unary, binary, select, convert, iota.
//
// Each opens one stream an operand, then takes blocks of VEC_BLOCK elements: read or borrow, one
// loop, write.
#include <string.h>

#include "clones.h"
#include "predict.h"
#include "transpose.h"
#include "vec_cost.h"
#include "vec_fn.h"
#include "vec_loop.h"

// Elements that are worth a thread, and those of a function of some weight.
#define GRAIN 8192
#define DEAR_GRAIN 1024
#define DEAR 8
#define BUFFER (VEC_BLOCK * VEC_MAX_FORM_BYTES)
#define MAX_SOURCES 3

struct mapping {
    struct vec_stream in[MAX_SOURCES], out;
    int num_in;
    vec_kernel *kernel; // NULL: the elements as they are
    struct vec_param param;
    bool ordered;  // blocks one after the other
    bool buffered; // results are not made in place: a source may lie there
};

static void map_range(void *user, int64_t lo, int64_t hi)
{
    const struct mapping *m = user;
    struct vec_stream in[MAX_SOURCES], out = m->out;
    _Alignas(64) uint8_t buf[MAX_SOURCES + 1][BUFFER];
    bool same[MAX_SOURCES]; // elements of a source, which are read once
    memcpy(in, m->in, (size_t)m->num_in * sizeof *in);
    vec_seek(&out, lo);
    for (int i = 0; i < m->num_in; i++) {
        vec_seek(&in[i], lo);
        same[i] = m->kernel && !m->ordered && vec_is_one(&in[i]);
        if (same[i])
            vec_read_into(&in[i], buf[i], hi - lo < VEC_BLOCK ? hi - lo : VEC_BLOCK);
    }
    for (int64_t n; lo < hi; lo += n) {
        n = hi - lo < VEC_BLOCK ? hi - lo : VEC_BLOCK;
        void *to = m->buffered ? buf[MAX_SOURCES] : vec_room(&out, buf[MAX_SOURCES], n);
        const void *block[MAX_SOURCES] = {NULL};
        if (!m->kernel) {
            vec_read_into(&in[0], to, n);
        } else {
            for (int i = 0; i < m->num_in; i++)
                block[i] = same[i] ? buf[i] : vec_read(&in[i], buf[i], n);
            m->kernel(&m->param, to, block, n);
        }
        vec_write(&out, to, n);
    }
}

// Streams are open; the whole instruction is charged and carried out.
static bool run_mapping(struct sim *s, struct mapping *m, int64_t elements, int64_t weight)
{
    m->ordered = vec_is_ordered(s, &m->out, m->in, m->num_in);
    m->buffered = m->ordered || vec_operands_overlap(s);
    vec_charge(s, elements, weight);
    vec_parallel(s, elements, weight < DEAR ? GRAIN : DEAR_GRAIN, m->ordered, map_range, m);
    return true;
}

// Checks that all operands span the destination's iteration space.
static bool same_space(struct sim *s, const struct sim_view *td, const struct sim_view *const *v,
                       int num, int64_t *elements)
{
    for (int i = 0; i < num; i++)
        if (!vec_same_extents(s, td, v[i]))
            return false;
    return sim_view_elems(s, td, elements);
}

static bool expect_type(struct sim *s, const struct sim_view *v, enum dtype t)
{
    if (v->dtype == t)
        return true;
    return sim_fault_at(s, SIM_FAULT_TYPE, v->base, "%s where the instruction needs %s",
                        dtype_text(v->dtype), dtype_text(t));
}

bool sim_exec_VMOV(struct sim *s, const struct isa_args_V1 *in)
{
    const struct sim_view *td = &s->t[in->td], *ta = &s->t[in->ta];
    struct mapping m = {.num_in = 1};
    enum vec_form f = vec_form_raw(td->dtype);
    int64_t n;
    struct transpose t;
    uint8_t *from, *to;
    if (!expect_type(s, ta, td->dtype) || !same_space(s, td, &ta, 1, &n) ||
        !vec_open(s, &m.in[0], ta, f, false) || !vec_open(s, &m.out, td, f, true) ||
        !sim_view_map(s, ta, false, &from) || !sim_view_map(s, td, true, &to))
        return false;
    if (vec_operands_overlap(s) || !transpose_fits(td, to, ta, from, &t))
        return run_mapping(s, &m, n, 1);
    vec_charge(s, n, 1);
    if (predict_values(s, n))
        thread_pool_run(s->pool, (int)t.pieces, transpose_piece, &t);
    return true;
}

bool sim_exec_VUN(struct sim *s, const struct isa_args_VUN *in)
{
    const struct sim_view *td = &s->t[in->td], *ta = &s->t[in->ta];
    const struct vec_fn_row *row = vec_unary_row[in->fn];
    bool gives_bool = unary_fn_gives_bool((enum unary_fn)in->fn);
    enum vec_form f = vec_fn_form(row, ta->dtype);
    struct mapping m = {.num_in = 1, .param.bits = dtype_info[ta->dtype].bits};
    int64_t n;
    if (f == VEC_NONE)
        return vec_refuse_type(s, ta, unary_fn_info[in->fn].name);
    m.kernel = row->by_form[f];
    return expect_type(s, td, gives_bool ? DT_BOOL : ta->dtype) && same_space(s, td, &ta, 1, &n) &&
           vec_open(s, &m.in[0], ta, f, false) &&
           vec_open(s, &m.out, td, gives_bool ? VEC_B : f, true) &&
           run_mapping(s, &m, n, unary_fn_info[in->fn].cost);
}

bool sim_exec_VBIN(struct sim *s, const struct isa_args_VBIN *in)
{
    const struct sim_view *td = &s->t[in->td], *ta = &s->t[in->ta], *tb = &s->t[in->tb];
    const struct sim_view *const source[] = {ta, tb};
    const struct vec_fn_row *row = vec_binary_row[in->fn];
    bool gives_bool = binary_fn_gives_bool((enum binary_fn)in->fn);
    enum vec_form f = vec_fn_form(row, ta->dtype);
    struct mapping m = {.num_in = 2, .param.bits = dtype_info[ta->dtype].bits};
    int64_t n;
    if (f == VEC_NONE)
        return vec_refuse_type(s, ta, binary_fn_info[in->fn].name);
    m.kernel = row->by_form[f];
    return expect_type(s, tb, ta->dtype) && expect_type(s, td, gives_bool ? DT_BOOL : ta->dtype) &&
           same_space(s, td, source, 2, &n) && vec_open(s, &m.in[0], ta, f, false) &&
           vec_open(s, &m.in[1], tb, f, false) &&
           vec_open(s, &m.out, td, gives_bool ? VEC_B : f, true) &&
           run_mapping(s, &m, n, binary_fn_info[in->fn].cost);
}

#define SELECT(name, T)                                                                            \
    static void select_##name(const struct vec_param *p, void *restrict out,                       \
                              const void *const *in, int64_t n)                                    \
    {                                                                                              \
        T *restrict o = out;                                                                       \
        const T *restrict a = in[0];                                                               \
        const T *restrict b = in[1];                                                               \
        const uint8_t *restrict c = in[2];                                                         \
        (void)p;                                                                                   \
        for (int64_t i = 0; i < n; i++)                                                            \
            o[i] = c[i] ? a[i] : b[i];                                                             \
    }
struct wide {
    uint64_t half[2];
};
SELECT(r1, uint8_t)
SELECT(r2, uint16_t)
SELECT(r4, uint32_t)
SELECT(r8, uint64_t)
SELECT(r16, struct wide)

bool sim_exec_VSEL(struct sim *s, const struct isa_args_VSEL *in)
{
    static vec_kernel *const select[] = {select_r1, select_r2, select_r4, select_r8, select_r16};
    const struct sim_view *td = &s->t[in->td];
    const struct sim_view *const source[] = {&s->t[in->ta], &s->t[in->tb], &s->t[in->tc]};
    enum vec_form f = vec_form_raw(td->dtype);
    struct mapping m = {.num_in = 3, .kernel = select[f - VEC_R1]};
    int64_t n;
    return expect_type(s, source[0], td->dtype) && expect_type(s, source[1], td->dtype) &&
           expect_type(s, source[2], DT_BOOL) && same_space(s, td, source, 3, &n) &&
           vec_open(s, &m.in[0], source[0], f, false) &&
           vec_open(s, &m.in[1], source[1], f, false) &&
           vec_open(s, &m.in[2], source[2], VEC_B, false) && vec_open(s, &m.out, td, f, true) &&
           run_mapping(s, &m, n, 1);
}

// f32 elements in either form; the product is rounded to f32 in both.
#define CONVERT_SCALED(name, T)                                                                    \
    BITLET_CLONES static void convert_scaled_##name(const struct vec_param *p, void *restrict out, \
                                                    const void *const *in, int64_t n)              \
    {                                                                                              \
        _Alignas(64) T scaled[VEC_BLOCK];                                                          \
        const T *x = in[0];                                                                        \
        const void *block = scaled;                                                                \
        for (int64_t i = 0; i < n; i++)                                                            \
            scaled[i] = (T)((float)x[i] * p->scale);                                               \
        if (p->after)                                                                              \
            p->after(p, out, &block, n);                                                           \
        else                                                                                       \
            memcpy(out, scaled, (size_t)n * sizeof *scaled);                                       \
    }
CONVERT_SCALED(f32, float)
CONVERT_SCALED(f64, double)

bool sim_exec_VCVT(struct sim *s, const struct isa_args_VCVT *in)
{
    const struct sim_view *td = &s->t[in->td], *ta = &s->t[in->ta];
    struct mapping m = {.num_in = 1};
    struct vec_conversion c;
    int64_t n;
    if (!vec_plan_conversion(ta->dtype, td->dtype, (int)in->round, in->sat != 0, (int)in->bits, &c))
        return sim_fault_at(s, SIM_FAULT_TYPE, ta->base, "no conversion of %s to %s",
                            dtype_text(ta->dtype), dtype_text(td->dtype));
    m.kernel = c.kernel;
    m.param = c.param;
    if (in->q != 0) {
        uint32_t bits = (uint32_t)in->q;
        if (!expect_type(s, ta, DT_F32))
            return false;
        memcpy(&m.param.scale, &bits, sizeof bits);
        m.param.after = c.kernel;
        m.kernel = c.from == VEC_F32 ? convert_scaled_f32 : convert_scaled_f64;
    }
    if (!same_space(s, td, &ta, 1, &n) || !vec_open(s, &m.in[0], ta, c.from, false) ||
        !vec_open(s, &m.out, td, c.to, true))
        return false;
    m.out.mode = c.mode;
    return run_mapping(s, &m, n, 1);
}

struct iota {
    struct vec_stream out;
    struct vec_conversion to;
    uint64_t first, difference;
};

static void iota_range(void *user, int64_t lo, int64_t hi)
{
    const struct iota *io = user;
    struct vec_stream out = io->out;
    _Alignas(64) int64_t count[VEC_BLOCK], result[VEC_BLOCK];
    vec_seek(&out, lo);
    for (int64_t n; lo < hi; lo += n) {
        const void *block = count;
        n = hi - lo < VEC_BLOCK ? hi - lo : VEC_BLOCK;
        for (int64_t i = 0; i < n; i++)
            count[i] = (int64_t)(io->first + (uint64_t)(lo + i) * io->difference);
        if (io->to.kernel)
            io->to.kernel(&io->to.param, result, &block, n);
        vec_write(&out, io->to.kernel ? result : count, n);
    }
}

// Terms are 64-bit integers that wrap, then converted.
bool sim_exec_VIOTA(struct sim *s, const struct isa_args_VIOTA *in)
{
    const struct sim_view *td = &s->t[in->td];
    struct iota io = {.first = (uint64_t)s->x[in->ra], .difference = (uint64_t)s->x[in->rb]};
    int64_t n;
    if (td->dtype == DT_BOOL ||
        !vec_plan_conversion(DT_I64, td->dtype, ISA_ROUND_rne, false, 0, &io.to))
        return vec_refuse_type(s, td, "no numbers in this type");
    if (!sim_view_elems(s, td, &n) || !vec_open(s, &io.out, td, io.to.to, true))
        return false;
    vec_charge(s, n, 1);
    vec_parallel(s, n, GRAIN, vec_is_ordered(s, &io.out, NULL, 0), iota_range, &io);
    return true;
}

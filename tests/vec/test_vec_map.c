// Element-wise vector instructions on random views of every type, against the reference.
#include <math.h>

#include "check.h"
#include "vec_form.h"
#include "vec_rig.h"

static struct arena *arena;
static struct rig *small, *large;

struct shape {
    int rank;
    int64_t extent[ISA_MAX_RANK];
};

static struct shape random_shape(struct rig *r)
{
    struct shape s = {.rank = (int)rig_below(r, 5)};
    for (int d = 0; d < s.rank; d++)
        s.extent[d] = rig_below(r, 60) == 0 ? 0 : 1 + rig_below(r, s.rank == 4 ? 5 : 7);
    if (s.rank == 1)
        s.extent[0] = rig_below(r, 300);
    return s;
}

static enum dtype random_type(struct rig *r)
{
    return rig_numbers[rig_below(r, rig_num_numbers)];
}

static bool is_empty(const struct sim_view *v)
{
    for (int d = 0; d < v->rank; d++)
        if (v->extent[d] == 0)
            return true;
    return false;
}

// ---- Unary
// -------------------------------------------------------------------------------------------

static long double unary_float(int64_t fn, long double x)
{
    switch (fn) {
    case UFN_neg: return -x;
    case UFN_abs: return fabsl(x);
    case UFN_sign: return x > 0 ? 1 : x < 0 ? -1 : x;
    case UFN_floor: return floorl(x);
    case UFN_ceil: return ceill(x);
    case UFN_round: return nearbyintl(x);
    case UFN_trunc: return truncl(x);
    case UFN_sqrt: return sqrtl(x);
    case UFN_reciprocal: return 1 / x;
    case UFN_exp: return expl(x);
    case UFN_log: return logl(x);
    case UFN_erf: return erfl(x);
    case UFN_tanh: return tanhl(x);
    case UFN_sigmoid: return 1 / (1 + expl(-x));
    case UFN_softplus: return x > 40 ? x + expl(-x) : log1pl(expl(x));
    case UFN_sin: return sinl(x);
    case UFN_cos: return cosl(x);
    case UFN_tan: return tanl(x);
    case UFN_asin: return asinl(x);
    case UFN_acos: return acosl(x);
    case UFN_atan: return atanl(x);
    case UFN_sinh: return sinhl(x);
    case UFN_cosh: return coshl(x);
    case UFN_asinh: return asinhl(x);
    case UFN_acosh: return acoshl(x);
    case UFN_atanh: return atanhl(x);
    default: return 0;
    }
}

static bool is_transcendental(int64_t fn)
{
    return fn >= UFN_exp && fn <= UFN_atanh;
}

static struct num unary(int64_t fn, enum dtype t, struct num x)
{
    struct num y = {0};
    bool negative = dtype_info[t].kind == DTK_I && (int64_t)x.i < 0;
    if (fn == UFN_isnan || fn == UFN_isinf)
        y.i = (uint64_t)(fn == UFN_isnan ? x.f != x.f : fabsl(x.f) == (long double)INFINITY);
    else if (dtype_is_float(t))
        y.f = t == DT_F64 && fn == UFN_sqrt         ? (long double)sqrt((double)x.f)
              : t == DT_F64 && fn == UFN_reciprocal ? (long double)(1 / (double)x.f)
                                                    : unary_float(fn, x.f);
    else if (fn == UFN_neg || (fn == UFN_abs && negative))
        y.i = 0 - x.i;
    else if (fn == UFN_sign)
        y.i = negative ? UINT64_MAX : x.i != 0;
    else if (fn == UFN_not)
        y.i = !x.i;
    else if (fn == UFN_bitnot)
        y.i = ~x.i;
    else
        y.i = x.i;
    return y;
}

static bool takes_unary(int64_t fn, enum dtype t)
{
    if (t == DT_BOOL || fn == UFN_not)
        return t == DT_BOOL && fn == UFN_not;
    if (dtype_is_float(t))
        return fn != UFN_bitnot;
    return fn <= UFN_trunc;
}

static bool exec_vun(struct sim *s, const void *args)
{
    return sim_exec_VUN(s, args);
}

static void try_unary(struct rig *r, enum dtype t, int64_t fn, struct shape sh)
{
    struct isa_args_VUN in = {.td = 3, .ta = 7, .fn = fn};
    struct sim_view a = rig_view(r, 0, t, sh.rank, sh.extent, true, rig_below(r, 2));
    struct sim_view d = rig_view(r, 3, unary_fn_gives_bool((enum unary_fn)fn) ? DT_BOOL : t,
                                 sh.rank, sh.extent, false, rig_below(r, 8) == 0);
    rig_fill(r, t);
    rig_set(r, 7, &a);
    rig_set(r, 3, &d);
    if (!takes_unary(fn, t)) {
        CHECK(!exec_vun(r->s[0], &in));
        CHECK_INT(r->s[0]->fault.kind, SIM_FAULT_TYPE);
        return;
    }
    int64_t idx[ISA_MAX_RANK] = {0};
    if (!is_empty(&d))
        do
            ref_put(&d, idx, r->want, unary(fn, t, ref_get(&a, idx, r->want)));
        while (ref_next(idx, d.extent, d.rank));
    CHECK(rig_run(r, exec_vun, &in) && rig_matches(r, &d,
                                                   !is_transcendental(fn) ? 0
                                                   : t == DT_F64          ? 4
                                                                          : 1,
                                                   unary_fn_info[fn].name));
}

static void unary_functions(void)
{
    for (int64_t fn = 0; fn < UFN_NUM; fn++) {
        for (int i = 0; i < rig_num_numbers; i++)
            try_unary(small, rig_numbers[i], fn, random_shape(small));
        try_unary(small, DT_F32, fn, (struct shape){2, {3, 333}});
    }
    try_unary(large, DT_F32, UFN_floor, (struct shape){3, {3, 50, 500}});
    try_unary(large, DT_I8, UFN_neg, (struct shape){2, {317, 301}});
}

// ---- Binary
// ------------------------------------------------------------------------------------------

static long double binary_long(int64_t fn, long double a, long double b)
{
    long double r;
    switch (fn) {
    case BFN_add: return a + b;
    case BFN_sub: return a - b;
    case BFN_mul: return a * b;
    case BFN_div: return a / b;
    case BFN_fmod: return fmodl(a, b);
    case BFN_mod: r = fmodl(a, b); return r != 0 && signbit(r) != signbit(b) ? r + b : r;
    case BFN_pow: return powl(a, b);
    case BFN_min: return isnan(a) || isnan(b) ? (long double)NAN : b < a ? b : a;
    case BFN_max: return isnan(a) || isnan(b) ? (long double)NAN : b > a ? b : a;
    default: return atan2l(a, b);
    }
}

static long double binary_double(int64_t fn, double a, double b)
{
    switch (fn) {
    case BFN_add: return (long double)(a + b);
    case BFN_sub: return (long double)(a - b);
    case BFN_mul: return (long double)(a * b);
    case BFN_div: return (long double)(a / b);
    case BFN_mod: {
        double r = fmod(a, b);
        return (long double)(r != 0 && signbit(r) != signbit(b) ? r + b : r);
    }
    default: return binary_long(fn, (long double)a, (long double)b);
    }
}

static uint64_t negated_if(bool yes, uint64_t x)
{
    return yes ? 0 - x : x;
}

static uint64_t binary_int(int64_t fn, enum dtype t, uint64_t a, uint64_t b)
{
    bool sign = dtype_info[t].kind == DTK_I, na = sign && (int64_t)a < 0,
         nb = sign && (int64_t)b < 0;
    uint64_t ma = negated_if(na, a), mb = negated_if(nb, b), width = dtype_info[t].bits, p = 1;
    uint64_t rest = mb ? negated_if(na, ma % mb) : 0, far = b >= width ? width : b;
    bool less = na != nb ? na : a < b;
    switch (fn) {
    case BFN_add: return a + b;
    case BFN_sub: return a - b;
    case BFN_mul: return a * b;
    case BFN_div: return mb ? negated_if(na != nb, ma / mb) : 0;
    case BFN_fmod: return rest;
    case BFN_mod: return rest && na != nb ? rest + b : rest;
    case BFN_pow:
        if (nb)
            return ma != 1 ? 0 : na && b % 2 ? UINT64_MAX : 1;
        for (uint64_t i = 0; i < b; i++) // types of 8 bits only
            p *= a;
        return p;
    case BFN_min: return less ? a : b;
    case BFN_max: return less ? b : a;
    case BFN_bitand: return a & b;
    case BFN_bitor: return a | b;
    case BFN_bitxor: return a ^ b;
    case BFN_shl: return far == width ? 0 : a << far;
    case BFN_shr: far = far == width ? width - 1 : far; return na ? ~(~a >> far) : a >> far;
    case BFN_eq: return a == b;
    case BFN_ne: return a != b;
    case BFN_lt: return less;
    case BFN_le: return less || a == b;
    case BFN_and: return a && b;
    case BFN_or: return a || b;
    default: return !a != !b;
    }
}

static struct num binary(int64_t fn, enum dtype t, struct num a, struct num b)
{
    struct num y = {0};
    if (!dtype_is_float(t))
        y.i = binary_int(fn, t, a.i, b.i);
    else if (fn >= BFN_eq && fn <= BFN_le)
        y.i = fn == BFN_eq   ? a.f == b.f
              : fn == BFN_ne ? a.f != b.f
              : fn == BFN_lt ? a.f < b.f
                             : a.f <= b.f;
    else
        y.f = t == DT_F64 ? binary_double(fn, (double)a.f, (double)b.f) : binary_long(fn, a.f, b.f);
    return y;
}

static bool takes_binary(int64_t fn, enum dtype t)
{
    bool logic = fn >= BFN_and && fn <= BFN_xor, bits = fn >= BFN_bitand && fn <= BFN_shr;
    if (t == DT_BOOL)
        return logic || fn == BFN_min || fn == BFN_max || (fn >= BFN_bitand && fn <= BFN_bitxor) ||
               (fn >= BFN_eq && fn <= BFN_le);
    if (dtype_is_float(t))
        return !logic && !bits;
    return !logic && fn != BFN_atan2;
}

static bool exec_vbin(struct sim *s, const void *args)
{
    return sim_exec_VBIN(s, args);
}

static void try_binary(struct rig *r, enum dtype t, int64_t fn, struct shape sh)
{
    struct isa_args_VBIN in = {.td = 0, .ta = 1, .tb = 2, .fn = fn};
    struct sim_view a = rig_view(r, 0, t, sh.rank, sh.extent, true, rig_below(r, 3) == 0);
    struct sim_view b = rig_view(r, 1, t, sh.rank, sh.extent, true, rig_below(r, 3) == 0);
    struct sim_view d = rig_view(r, 3, binary_fn_gives_bool((enum binary_fn)fn) ? DT_BOOL : t,
                                 sh.rank, sh.extent, false, rig_below(r, 8) == 0);
    rig_fill(r, t);
    rig_set(r, 0, &d);
    rig_set(r, 1, &a);
    rig_set(r, 2, &b);
    if (!takes_binary(fn, t)) {
        CHECK(!exec_vbin(r->s[0], &in));
        CHECK_INT(r->s[0]->fault.kind, SIM_FAULT_TYPE);
        return;
    }
    int64_t idx[ISA_MAX_RANK] = {0};
    if (!is_empty(&d))
        do
            ref_put(&d, idx, r->want,
                    binary(fn, t, ref_get(&a, idx, r->want), ref_get(&b, idx, r->want)));
        while (ref_next(idx, d.extent, d.rank));
    bool loose = fn == BFN_pow || fn == BFN_atan2;
    CHECK(rig_run(r, exec_vbin, &in) && rig_matches(r, &d,
                                                    !loose || !dtype_is_float(t) ? 0
                                                    : t == DT_F64                ? 4
                                                                                 : 1,
                                                    binary_fn_info[fn].name));
}

static bool long_exponents(int64_t fn, enum dtype t)
{
    return fn == BFN_pow && !dtype_is_float(t) && dtype_info[t].bits > 8;
}

static void binary_functions(void)
{
    for (int64_t fn = 0; fn < BFN_NUM; fn++) {
        for (int i = 0; i < rig_num_numbers; i++)
            for (int n = 0; n < 2 && !long_exponents(fn, rig_numbers[i]); n++)
                try_binary(small, rig_numbers[i], fn, random_shape(small));
        try_binary(small, DT_F32, fn, (struct shape){2, {2, 1100}});
    }
    try_binary(large, DT_F32, BFN_add, (struct shape){4, {5, 13, 25, 49}});
    try_binary(large, DT_I32, BFN_mul, (struct shape){3, {3, 81, 300}});
}

// ---- Select, move, iota
// ------------------------------------------------------------------------------

static bool exec_vsel(struct sim *s, const void *args)
{
    return sim_exec_VSEL(s, args);
}

static bool exec_vmov(struct sim *s, const void *args)
{
    return sim_exec_VMOV(s, args);
}

static bool exec_viota(struct sim *s, const void *args)
{
    return sim_exec_VIOTA(s, args);
}

// Raw bits: strings, complex numbers and NaN payloads too.
static void put_bits(const struct sim_view *d, const struct sim_view *from, const int64_t *idx,
                     uint8_t *heap)
{
    uint8_t bits[16] = {0}, *p = ref_at(from, idx, heap), *to = ref_at(d, idx, heap);
    memcpy(bits, p ? (const void *)p : &from->fill, p ? dtype_bytes(d->dtype) : sizeof from->fill);
    if (to)
        memcpy(to, bits, dtype_bytes(d->dtype));
}

static void try_select(struct rig *r, enum dtype t, struct shape sh)
{
    struct isa_args_VSEL in = {.td = 0, .ta = 1, .tb = 2, .tc = 3};
    struct sim_view v[4];
    v[0] = rig_view(r, 3, t, sh.rank, sh.extent, false, rig_below(r, 4) == 0);
    for (int i = 1; i < 4; i++)
        v[i] = rig_view(r, i - 1, i == 3 ? DT_BOOL : t, sh.rank, sh.extent, true,
                        rig_below(r, 4) == 0);
    rig_fill(r, DT_U64);
    for (int i = 0; i < 4; i++)
        rig_set(r, i, &v[i]);
    int64_t idx[ISA_MAX_RANK] = {0};
    if (!is_empty(&v[0]))
        do
            put_bits(&v[0], ref_get(&v[3], idx, r->want).i ? &v[1] : &v[2], idx, r->want);
        while (ref_next(idx, sh.extent, sh.rank));
    CHECK(rig_run(r, exec_vsel, &in) && memcmp(r->heap[0], r->want, r->heap_bytes) == 0);
}

static void try_move(struct rig *r, enum dtype t, struct shape sh)
{
    struct isa_args_V1 in = {.td = 0, .ta = 1};
    struct sim_view d = rig_view(r, 3, t, sh.rank, sh.extent, false, rig_below(r, 4) == 0);
    struct sim_view a = rig_view(r, 0, t, sh.rank, sh.extent, true, rig_below(r, 2));
    rig_fill(r, DT_U64);
    rig_set(r, 0, &d);
    rig_set(r, 1, &a);
    int64_t idx[ISA_MAX_RANK] = {0};
    if (!is_empty(&d))
        do
            put_bits(&d, &a, idx, r->want);
        while (ref_next(idx, sh.extent, sh.rank));
    CHECK(rig_run(r, exec_vmov, &in) && memcmp(r->heap[0], r->want, r->heap_bytes) == 0);
}

static void moves(void)
{
    for (int n = 0; n < 400; n++) {
        enum dtype t = (enum dtype)rig_below(small, DT_NUM);
        try_move(small, t, random_shape(small));
        try_select(small, t, random_shape(small));
    }
    try_move(large, DT_F32, (struct shape){3, {7, 131, 90}});
    try_move(large, DT_C128, (struct shape){2, {200, 200}});
    try_select(large, DT_I16, (struct shape){2, {370, 370}});
}

// The destination of one instruction is a source too: in place, and shifted by one element.
static void overlapping(void)
{
    int64_t extent[] = {40000};
    struct isa_args_VBIN add = {.td = 0, .ta = 0, .tb = 0, .fn = BFN_add};
    struct sim_view v = rig_dense(large, 0, DT_F32, 1, extent);
    rig_fill(large, DT_F32);
    rig_set(large, 0, &v);
    int64_t idx[ISA_MAX_RANK] = {0};
    do {
        struct num x = ref_get(&v, idx, large->want);
        ref_put(&v, idx, large->want, (struct num){.f = x.f + x.f});
    } while (ref_next(idx, extent, 1));
    CHECK(rig_run(large, exec_vbin, &add) && rig_matches(large, &v, 0, "in place"));
    struct sim_view later = v;
    later.base += 4;
    rig_set(large, 1, &later);
    CHECK(rig_run(large, exec_vbin,
                  &(struct isa_args_VBIN){.td = 1, .ta = 0, .tb = 0, .fn = BFN_add}));
    v.stride[0] = 0; // every element lands on one place
    rig_set(large, 1, &v);
    rig_set(large, 0, &later);
    CHECK(rig_run(large, exec_vmov, &(struct isa_args_V1){.td = 1, .ta = 0}));
    CHECK(memcmp(large->heap[0], large->heap[0] + 4 + 39999 * 4, 4) == 0);
}

// A source whose elements are all the destination's first one, which changes with the first block.
static void one_of_the_results(void)
{
    int64_t extent[] = {12 * VEC_BLOCK + 7}; // more than one thread would take if the order allowed
    struct isa_args_VBIN add = {.td = 0, .ta = 0, .tb = 1, .fn = BFN_add};
    struct sim_view v = rig_dense(large, 0, DT_F32, 1, extent), first = v;
    first.stride[0] = 0;
    rig_fill(large, DT_F32);
    rig_set(large, 0, &v);
    rig_set(large, 1, &first);
    int64_t idx[ISA_MAX_RANK] = {0};
    long double one = ref_get(&v, idx, large->want).f;
    do {
        struct num x = ref_get(&v, idx, large->want);
        long double other = idx[0] < VEC_BLOCK ? one : one + one;
        ref_put(&v, idx, large->want, (struct num){.f = x.f + other});
    } while (ref_next(idx, extent, 1));
    CHECK(rig_run(large, exec_vbin, &add) && rig_matches(large, &v, 0, "one of the results"));
}

static void iotas(void)
{
    struct isa_args_VIOTA in = {.td = 0, .ra = 5, .rb = 6};
    for (int n = 0; n < 200; n++) {
        enum dtype t = random_type(small);
        struct shape sh = random_shape(small);
        struct sim_view d =
            rig_view(small, 3, t, sh.rank, sh.extent, false, rig_below(small, 3) == 0);
        int64_t first = (int64_t)rig_random(small) >> rig_below(small, 64),
                step = rig_below(small, 9) - 4;
        rig_fill(small, t);
        rig_set(small, 0, &d);
        for (int i = 0; i < 2; i++) {
            small->s[i]->x[5] = first;
            small->s[i]->x[6] = step;
        }
        if (t == DT_BOOL) {
            CHECK(!exec_viota(small->s[0], &in));
            continue;
        }
        int64_t idx[ISA_MAX_RANK] = {0};
        uint64_t x = (uint64_t)first;
        if (!is_empty(&d)) {
            do {
                ref_put(&d, idx, small->want, (struct num){.f = (long double)(int64_t)x, .i = x});
                x += (uint64_t)step;
            } while (ref_next(idx, d.extent, d.rank));
        }
        CHECK(rig_run(small, exec_viota, &in) && rig_matches(small, &d, 0, "iota"));
    }
}

// ---- Convert
// -----------------------------------------------------------------------------------------

static long double rounded(long double x, int64_t round)
{
    return round == ISA_ROUND_rne     ? nearbyintl(x)
           : round == ISA_ROUND_floor ? floorl(x)
           : round == ISA_ROUND_ceil  ? ceill(x)
                                      : truncl(x);
}

static uint64_t integer_of(enum dtype to, long double x, bool saturate, int64_t bits)
{
    bool sign = dtype_info[to].kind == DTK_I;
    long double lo = (long double)ref_min(to), hi = (long double)ref_max(to);
    if (bits > 0 && bits < dtype_info[to].bits) {
        hi = ldexpl(1, (int)bits - sign) - 1;
        lo = sign ? -hi - 1 : 0;
    }
    if (isnan(x))
        return 0;
    if (saturate || bits) {
        x = x < lo ? lo : x > hi ? hi : x;
    } else {
        x = isinf(x) ? 0 : fmodl(x, 0x1p64L);
    }
    return x < 0 ? 0 - (uint64_t)-x : (uint64_t)x;
}

static uint32_t power_pattern(long double x, int64_t round)
{
    uint32_t p = 0;
    if (isnan(x) || x < 0)
        return 0xff;
    while (p < 255 && ldexpl(1, (int)p - 127) < x)
        p++;
    if (p == 0 || (p < 255 && ldexpl(1, (int)p - 127) == x) || round == ISA_ROUND_ceil)
        return p;
    if (round == ISA_ROUND_floor)
        return x >= 0x1p128L ? 255 : p - 1;
    return x >= ldexpl(1.5L, (int)p - 128) ? p : p - 1;
}

static struct num converted(enum dtype from, enum dtype to, struct num x,
                            const struct isa_args_VCVT *in)
{
    struct num y = {0};
    bool sign = dtype_info[from].kind == DTK_I;
    long double v = dtype_is_float(from) ? x.f
                    : sign               ? (long double)(int64_t)x.i
                                         : (long double)x.i;
    if (to == DT_BOOL) {
        y.i = v != 0;
    } else if (!dtype_is_float(to)) {
        if (in->bits == 1 && dtype_info[to].kind == DTK_I)
            y.i = isnan(v) ? 0 : v < 0 ? UINT64_MAX : 1;
        else
            y.i =
                integer_of(to, dtype_is_float(from) ? rounded(v, in->round) : v, in->sat, in->bits);
        return y;
    }
    y.f = v;
    if (to == DT_F8E8M0 && from != to) {
        uint32_t p = power_pattern(v, in->round);
        if (in->sat && p == 255 && v > 0)
            p = 254;
        y.f = p == 255 ? (long double)NAN : ldexpl(1, (int)p - 127);
    } else if (in->sat && dtype_info[to].bits == 8 && from != to && !isnan(v)) {
        struct num top;
        uint8_t pattern = to == DT_F8E4M3FN ? 0x7e : to == DT_F8E5M2 ? 0x7b : 0x7f;
        top = ref_decode(to, &pattern);
        y.f = v > top.f ? top.f : v < -top.f ? -top.f : v;
    }
    return y;
}

static bool exec_vcvt(struct sim *s, const void *args)
{
    return sim_exec_VCVT(s, args);
}

static void try_conversion(struct rig *r, enum dtype from, enum dtype to, struct shape sh)
{
    struct isa_args_VCVT in = {.td = 0, .ta = 1, .round = rig_below(r, 4), .sat = rig_below(r, 2)};
    if (rig_below(r, 3) == 0)
        in.bits = rig_below(r, 34);
    struct sim_view d = rig_view(r, 3, to, sh.rank, sh.extent, false, false);
    struct sim_view a = rig_view(r, 0, from, sh.rank, sh.extent, true, rig_below(r, 4) == 0);
    rig_fill(r, from);
    rig_set(r, 0, &d);
    rig_set(r, 1, &a);
    int64_t idx[ISA_MAX_RANK] = {0};
    if (!is_empty(&d))
        do
            ref_put(&d, idx, r->want, converted(from, to, ref_get(&a, idx, r->want), &in));
        while (ref_next(idx, sh.extent, sh.rank));
    if (!CHECK(rig_run(r, exec_vcvt, &in) && rig_matches(r, &d, 0, dtype_text(from))))
        printf("  round %d sat %d bits %d\n", (int)in.round, (int)in.sat, (int)in.bits);
}

static void conversions(void)
{
    for (int i = 0; i < rig_num_numbers; i++)
        for (int j = 0; j < rig_num_numbers; j++)
            for (int n = 0; n < 4; n++)
                if (i != j || !dtype_is_float(rig_numbers[i]))
                    try_conversion(small, rig_numbers[i], rig_numbers[j], random_shape(small));
    try_conversion(large, DT_F32, DT_I8, (struct shape){2, {400, 300}});
}

int main(void)
{
    arena = arena_create();
    small = rig_create(arena, 16384, 1);
    large = rig_create(arena, 1 << 20, 2);
    RUN(unary_functions);
    RUN(binary_functions);
    RUN(moves);
    RUN(overlapping);
    RUN(one_of_the_results);
    RUN(iotas);
    RUN(conversions);
    rig_destroy(small);
    rig_destroy(large);
    arena_destroy(arena);
    return check_summary();
}

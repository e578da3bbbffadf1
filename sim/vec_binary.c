// Functions of two operands.
#include <math.h>

#include "clones.h"
#include "vec_fn.h"

#define BINARY(name, form, T, R, expr)                                                             \
    BITLET_CLONES static void name##_##form(const struct vec_param *p, void *restrict out,         \
                                            const void *const *in, int64_t n)                      \
    {                                                                                              \
        R *restrict o = out;                                                                       \
        const T *restrict x = in[0];                                                               \
        const T *restrict y = in[1];                                                               \
        (void)p;                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const T a = x[i], b = y[i];                                                            \
            o[i] = (R)(expr);                                                                      \
        }                                                                                          \
    }

// The remainder of C's fmod moved to the sign of b; a zero remainder stays as it is.
#define SIGNED_AS_DIVISOR(F, suffix, fmod_)                                                        \
    static inline F floored_mod_##suffix(F a, F b)                                                 \
    {                                                                                              \
        F r = fmod_(a, b);                                                                         \
        return r != 0 && (r < 0) != (b < 0) ? r + b : r;                                           \
    }
SIGNED_AS_DIVISOR(float, 32, fmodf)
SIGNED_AS_DIVISOR(double, 64, fmod)

// Division by -1 is negation, which wraps where the quotient of C would overflow.
#define INTEGER_DIVISION(T, U, suffix)                                                             \
    static inline T quotient_##suffix(T a, T b)                                                    \
    {                                                                                              \
        return b == 0 ? 0 : b == -1 ? (T)(0 - (U)a) : a / b;                                       \
    }                                                                                              \
    static inline T remainder_##suffix(T a, T b)                                                   \
    {                                                                                              \
        return b == 0 || b == -1 ? 0 : a % b;                                                      \
    }                                                                                              \
    static inline T modulo_##suffix(T a, T b)                                                      \
    {                                                                                              \
        T r = remainder_##suffix(a, b);                                                            \
        return r != 0 && (r < 0) != (b < 0) ? r + b : r;                                           \
    }
INTEGER_DIVISION(int32_t, uint32_t, 32)
INTEGER_DIVISION(int64_t, uint64_t, 64)

static uint64_t power_mod_2_64(uint64_t base, uint64_t exponent)
{
    uint64_t r = 1;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1)
            r *= base;
        base *= base;
    }
    return r;
}

// A negative exponent gives the truncated fraction: 0 but for the bases 1 and -1.
static int64_t integer_power(int64_t base, int64_t exponent)
{
    if (exponent >= 0)
        return (int64_t)power_mod_2_64((uint64_t)base, (uint64_t)exponent);
    if (base == 1 || base == -1)
        return exponent & 1 ? base : 1;
    return 0;
}

// clang-format off
#define LESSER  (b < a || b != b ? b : a) // a of equal ones
#define GREATER (b > a || b != b ? b : a)
#define SHIFT_LEFT(U, b)     ((b) >= (U)p->bits ? 0 : (U)a << (b))
#define SHIFT_RIGHT(U, b)    (a >> ((b) >= (U)p->bits ? (U)p->bits - 1 : (b)))

#define FLOAT_BINARIES(form, F, fmod_, mod_)   \
    BINARY(add,  form, F, F,       a + b)      \
    BINARY(sub,  form, F, F,       a - b)      \
    BINARY(mul,  form, F, F,       a * b)      \
    BINARY(div,  form, F, F,       a / b)      \
    BINARY(mod,  form, F, F,       mod_(a, b)) \
    BINARY(fmod, form, F, F,       fmod_(a, b))\
    BINARY(min,  form, F, F,       LESSER)     \
    BINARY(max,  form, F, F,       GREATER)    \
    BINARY(eq,   form, F, uint8_t, a == b)     \
    BINARY(ne,   form, F, uint8_t, a != b)     \
    BINARY(lt,   form, F, uint8_t, a < b)      \
    BINARY(le,   form, F, uint8_t, a <= b)
FLOAT_BINARIES(f32, float, fmodf, floored_mod_32)
FLOAT_BINARIES(f64, double, fmod, floored_mod_64)
BINARY(pow,   f64, double, double, pow(a, b))
BINARY(atan2, f64, double, double, atan2(a, b))

#define INTEGER_BINARIES(form, T, U)                   \
    BINARY(add,    form, U, U, a + b)                  \
    BINARY(sub,    form, U, U, a - b)                  \
    BINARY(mul,    form, U, U, a * b)                  \
    BINARY(min,    form, T, T, a < b ? a : b)          \
    BINARY(max,    form, T, T, a > b ? a : b)          \
    BINARY(bitand, form, U, U, a & b)                  \
    BINARY(bitor,  form, U, U, a | b)                  \
    BINARY(bitxor, form, U, U, a ^ b)                  \
    BINARY(shl,    form, U, U, SHIFT_LEFT(U, b))       \
    BINARY(shr,    form, T, T, SHIFT_RIGHT(U, (U)b))   \
    BINARY(eq,     form, T, uint8_t, a == b)           \
    BINARY(ne,     form, T, uint8_t, a != b)           \
    BINARY(lt,     form, T, uint8_t, a < b)            \
    BINARY(le,     form, T, uint8_t, a <= b)
INTEGER_BINARIES(i32, int32_t, uint32_t)
INTEGER_BINARIES(i64, int64_t, uint64_t)
INTEGER_BINARIES(u64, uint64_t, uint64_t)
BINARY(div,  i32, int32_t,  int32_t,  quotient_32(a, b))
BINARY(mod,  i32, int32_t,  int32_t,  modulo_32(a, b))
BINARY(fmod, i32, int32_t,  int32_t,  remainder_32(a, b))
BINARY(pow,  i32, int32_t,  uint32_t, (uint64_t)integer_power(a, b))
BINARY(div,  i64, int64_t,  int64_t,  quotient_64(a, b))
BINARY(mod,  i64, int64_t,  int64_t,  modulo_64(a, b))
BINARY(fmod, i64, int64_t,  int64_t,  remainder_64(a, b))
BINARY(pow,  i64, int64_t,  int64_t,  integer_power(a, b))
BINARY(div,  u64, uint64_t, uint64_t, b == 0 ? 0 : a / b)
BINARY(mod,  u64, uint64_t, uint64_t, b == 0 ? 0 : a % b)
BINARY(pow,  u64, uint64_t, uint64_t, power_mod_2_64(a, b))
BINARY(and,  b,   uint8_t,  uint8_t,  a & b)
BINARY(or,   b,   uint8_t,  uint8_t,  a | b)
BINARY(xor,  b,   uint8_t,  uint8_t,  a ^ b)
BINARY(eq,   b,   uint8_t,  uint8_t,  a == b)
BINARY(ne,   b,   uint8_t,  uint8_t,  a != b)
BINARY(lt,   b,   uint8_t,  uint8_t,  a < b)
BINARY(le,   b,   uint8_t,  uint8_t,  a <= b)

#define ROW(name, ...) static const struct vec_fn_row row_##name = {.by_form = {__VA_ARGS__}};
#define FLOATS(name) [VEC_F32] = name##_f32, [VEC_F64] = name##_f64
#define INTEGERS(name) [VEC_I32] = name##_i32, [VEC_I64] = name##_i64, [VEC_U64] = name##_u64
ROW(add,    FLOATS(add), INTEGERS(add))
ROW(sub,    FLOATS(sub), INTEGERS(sub))
ROW(mul,    FLOATS(mul), INTEGERS(mul))
ROW(div,    FLOATS(div), INTEGERS(div))
ROW(mod,    FLOATS(mod), INTEGERS(mod))
ROW(fmod,   FLOATS(fmod), [VEC_I32] = fmod_i32, [VEC_I64] = fmod_i64, [VEC_U64] = mod_u64)
ROW(pow,    [VEC_F64] = pow_f64, INTEGERS(pow))
ROW(atan2,  [VEC_F64] = atan2_f64)
ROW(min,    FLOATS(min), INTEGERS(min), [VEC_B] = and_b)
ROW(max,    FLOATS(max), INTEGERS(max), [VEC_B] = or_b)
ROW(and,    [VEC_B] = and_b)
ROW(or,     [VEC_B] = or_b)
ROW(xor,    [VEC_B] = xor_b)
ROW(bitand, INTEGERS(bitand), [VEC_B] = and_b)
ROW(bitor,  INTEGERS(bitor), [VEC_B] = or_b)
ROW(bitxor, INTEGERS(bitxor), [VEC_B] = xor_b)
ROW(shl,    INTEGERS(shl))
ROW(shr,    INTEGERS(shr))
ROW(eq,     FLOATS(eq), INTEGERS(eq), [VEC_B] = eq_b)
ROW(ne,     FLOATS(ne), INTEGERS(ne), [VEC_B] = ne_b)
ROW(lt,     FLOATS(lt), INTEGERS(lt), [VEC_B] = lt_b)
ROW(le,     FLOATS(le), INTEGERS(le), [VEC_B] = le_b)
// clang-format on

const struct vec_fn_row *const vec_binary_row[BFN_NUM] = {
#define BINARY_FN(name, number, cost, doc) [number] = &row_##name,
#include "fn.def"
};

enum vec_form vec_fn_form(const struct vec_fn_row *row, enum dtype t)
{
    enum vec_form f = vec_form_of(t);
    if (f == VEC_NONE)
        return VEC_NONE;
    bool wider = row->f32_alone && f == VEC_F32 && t != DT_F32;
    if (row->by_form[f] && !wider)
        return f;
    return f == VEC_F32 && row->by_form[VEC_F64] ? VEC_F64 : VEC_NONE;
}

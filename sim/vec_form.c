// Loads and stores of runs. Each has a loop for dense runs, which the compiler turns into SIMD
// code, and one for any stride.
#include "vec_form.h"

#include "clones.h"

// `dec` makes the form's value of the stored bits s (of type S).
#define LOADER(name, S, T, dec)                                                                    \
    BITLET_CLONES static void load_##name(void *restrict out, const uint8_t *restrict src,         \
                                          int64_t stride, int64_t n)                               \
    {                                                                                              \
        T *restrict o = out;                                                                       \
        if (stride == (int64_t)sizeof(S)) {                                                        \
            for (int64_t i = 0; i < n; i++) {                                                      \
                S s;                                                                               \
                memcpy(&s, src + i * (int64_t)sizeof(S), sizeof s);                                \
                o[i] = (T)(dec);                                                                   \
            }                                                                                      \
        } else if (stride == 0 && n > 0) {                                                         \
            S s;                                                                                   \
            memcpy(&s, src, sizeof s);                                                             \
            const T v = (T)(dec);                                                                  \
            for (int64_t i = 0; i < n; i++)                                                        \
                o[i] = v;                                                                          \
        } else {                                                                                   \
            for (int64_t i = 0; i < n; i++) {                                                      \
                S s;                                                                               \
                memcpy(&s, src + i * stride, sizeof s);                                            \
                o[i] = (T)(dec);                                                                   \
            }                                                                                      \
        }                                                                                          \
    }

// `enc` makes the stored bits of the form's value v.
#define STORER(name, S, T, enc)                                                                    \
    BITLET_CLONES static void store_##name(uint8_t *restrict dst, int64_t stride,                  \
                                           const void *restrict in, int64_t n, unsigned mode)      \
    {                                                                                              \
        const T *restrict a = in;                                                                  \
        (void)mode;                                                                                \
        if (stride == (int64_t)sizeof(S)) {                                                        \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const T v = a[i];                                                                  \
                const S s = (S)(enc);                                                              \
                memcpy(dst + i * (int64_t)sizeof(S), &s, sizeof s);                                \
            }                                                                                      \
        } else {                                                                                   \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const T v = a[i];                                                                  \
                const S s = (S)(enc);                                                              \
                memcpy(dst + i * stride, &s, sizeof s);                                            \
            }                                                                                      \
        }                                                                                          \
    }

struct raw16 {
    uint64_t half[2];
};

static inline int32_t extend(uint32_t v, int bits)
{
    uint32_t sign = UINT32_C(1) << (bits - 1);
    return (int32_t)((v & (2 * sign - 1)) ^ sign) - (int32_t)sign;
}

static inline uint32_t narrow(enum dtype t, double v, unsigned mode)
{
    return num_encode(t, v, (enum num_round)(mode & 3), mode >> 2 & 1);
}

// clang-format off
LOADER(r1,  uint8_t,  uint8_t,  s)
LOADER(r2,  uint16_t, uint16_t, s)
LOADER(r4,  uint32_t, uint32_t, s)
LOADER(r8,  uint64_t, uint64_t, s)
STORER(r1,  uint8_t,  uint8_t,  v)
STORER(r2,  uint16_t, uint16_t, v)
STORER(r4,  uint32_t, uint32_t, v)
STORER(r8,  uint64_t, uint64_t, v)

LOADER(f32_f32,        float,    float,  s)
LOADER(f16_f32,        uint16_t, float,  num_f32_of_f16(s))
LOADER(bf16_f32,       uint16_t, float,  num_f32_of_bf16(s))
LOADER(f8e4m3fn_f32,   uint8_t,  float,  num_f32_of_f8e4m3fn(s))
LOADER(f8e4m3fnuz_f32, uint8_t,  float,  num_f32_of_f8e4m3fnuz(s))
LOADER(f8e5m2_f32,     uint8_t,  float,  num_f32_of_f8e5m2(s))
LOADER(f8e5m2fnuz_f32, uint8_t,  float,  num_f32_of_f8e5m2fnuz(s))
LOADER(f8e8m0_f32,     uint8_t,  float,  num_f32_of_f8e8m0(s))
LOADER(f4e2m1_f32,     uint8_t,  float,  num_f32_of_f4e2m1(s))
LOADER(f32_f64,        float,    double, s)
LOADER(f64_f64,        double,   double, s)
LOADER(f16_f64,        uint16_t, double, num_f32_of_f16(s))
LOADER(bf16_f64,       uint16_t, double, num_f32_of_bf16(s))
LOADER(f8e4m3fn_f64,   uint8_t,  double, num_f32_of_f8e4m3fn(s))
LOADER(f8e4m3fnuz_f64, uint8_t,  double, num_f32_of_f8e4m3fnuz(s))
LOADER(f8e5m2_f64,     uint8_t,  double, num_f32_of_f8e5m2(s))
LOADER(f8e5m2fnuz_f64, uint8_t,  double, num_f32_of_f8e5m2fnuz(s))
LOADER(f8e8m0_f64,     uint8_t,  double, num_f32_of_f8e8m0(s))
LOADER(f4e2m1_f64,     uint8_t,  double, num_f32_of_f4e2m1(s))

STORER(f32_f32,        float,    float,  v)
STORER(f16_f32,        uint16_t, float,  num_f16_of_f32(v))
STORER(bf16_f32,       uint16_t, float,  num_bf16_of_f32(v))
STORER(f8e4m3fn_f32,   uint8_t,  float,  narrow(DT_F8E4M3FN, (double)v, mode))
STORER(f8e4m3fnuz_f32, uint8_t,  float,  narrow(DT_F8E4M3FNUZ, (double)v, mode))
STORER(f8e5m2_f32,     uint8_t,  float,  narrow(DT_F8E5M2, (double)v, mode))
STORER(f8e5m2fnuz_f32, uint8_t,  float,  narrow(DT_F8E5M2FNUZ, (double)v, mode))
STORER(f8e8m0_f32,     uint8_t,  float,  narrow(DT_F8E8M0, (double)v, mode))
STORER(f4e2m1_f32,     uint8_t,  float,  narrow(DT_F4E2M1, (double)v, mode))
STORER(f32_f64,        float,    double, v)
STORER(f64_f64,        double,   double, v)
STORER(f16_f64,        uint16_t, double, narrow(DT_F16, v, mode))
STORER(bf16_f64,       uint16_t, double, narrow(DT_BF16, v, mode))
STORER(f8e4m3fn_f64,   uint8_t,  double, narrow(DT_F8E4M3FN, v, mode))
STORER(f8e4m3fnuz_f64, uint8_t,  double, narrow(DT_F8E4M3FNUZ, v, mode))
STORER(f8e5m2_f64,     uint8_t,  double, narrow(DT_F8E5M2, v, mode))
STORER(f8e5m2fnuz_f64, uint8_t,  double, narrow(DT_F8E5M2FNUZ, v, mode))
STORER(f8e8m0_f64,     uint8_t,  double, narrow(DT_F8E8M0, v, mode))
STORER(f4e2m1_f64,     uint8_t,  double, narrow(DT_F4E2M1, v, mode))

LOADER(i2_i32,  uint8_t,  int32_t, extend(s, 2))
LOADER(i4_i32,  uint8_t,  int32_t, extend(s, 4))
LOADER(i8_i32,  int8_t,   int32_t, s)
LOADER(i16_i32, int16_t,  int32_t, s)
LOADER(i32_i32, int32_t,  int32_t, s)
LOADER(u2_i32,  uint8_t,  int32_t, s & 3)
LOADER(u4_i32,  uint8_t,  int32_t, s & 15)
LOADER(u8_i32,  uint8_t,  int32_t, s)
LOADER(u16_i32, uint16_t, int32_t, s)
LOADER(b_b,     uint8_t,  uint8_t, s != 0)
LOADER(i2_i64,  uint8_t,  int64_t, extend(s, 2))
LOADER(i4_i64,  uint8_t,  int64_t, extend(s, 4))
LOADER(i8_i64,  int8_t,   int64_t, s)
LOADER(i16_i64, int16_t,  int64_t, s)
LOADER(i32_i64, int32_t,  int64_t, s)
LOADER(i64_i64, int64_t,  int64_t, s)
LOADER(u2_i64,  uint8_t,  int64_t, s & 3)
LOADER(u4_i64,  uint8_t,  int64_t, s & 15)
LOADER(u8_i64,  uint8_t,  int64_t, s)
LOADER(u16_i64, uint16_t, int64_t, s)
LOADER(u32_i64, uint32_t, int64_t, s)
LOADER(b_i64,   uint8_t,  int64_t, s != 0)
LOADER(u64_u64, uint64_t, uint64_t, s)

STORER(i2_i32,  int8_t,   int32_t, extend((uint32_t)v, 2))
STORER(i4_i32,  int8_t,   int32_t, extend((uint32_t)v, 4))
STORER(u2_i32,  uint8_t,  int32_t, v & 3)
STORER(u4_i32,  uint8_t,  int32_t, v & 15)
STORER(w8_i32,  uint8_t,  int32_t, (uint32_t)v)
STORER(w16_i32, uint16_t, int32_t, (uint32_t)v)
STORER(w32_i32, uint32_t, int32_t, (uint32_t)v)
STORER(b_b,     uint8_t,  uint8_t, v != 0)
STORER(i2_i64,  int8_t,   uint64_t, extend((uint32_t)v, 2))
STORER(i4_i64,  int8_t,   uint64_t, extend((uint32_t)v, 4))
STORER(u2_i64,  uint8_t,  uint64_t, v & 3)
STORER(u4_i64,  uint8_t,  uint64_t, v & 15)
STORER(w8_i64,  uint8_t,  uint64_t, v)
STORER(w16_i64, uint16_t, uint64_t, v)
STORER(w32_i64, uint32_t, uint64_t, v)
STORER(w64_i64, uint64_t, uint64_t, v)
// clang-format on

static void load_r16(void *restrict out, const uint8_t *restrict src, int64_t stride, int64_t n)
{
    struct raw16 *restrict o = out;
    for (int64_t i = 0; i < n; i++)
        memcpy(&o[i], src + i * stride, sizeof o[i]);
}

static void store_r16(uint8_t *restrict dst, int64_t stride, const void *restrict in, int64_t n,
                      unsigned mode)
{
    const struct raw16 *restrict a = in;
    (void)mode;
    for (int64_t i = 0; i < n; i++)
        memcpy(dst + i * stride, &a[i], sizeof a[i]);
}

size_t vec_form_bytes(enum vec_form f)
{
    static const uint8_t bytes[] = {4, 8, 4, 8, 8, 1, 1, 2, 4, 8, 16, 0};
    return bytes[f];
}

enum vec_form vec_form_of(enum dtype t)
{
    switch (dtype_info[t].kind) {
    case DTK_F: return t == DT_F64 ? VEC_F64 : VEC_F32;
    case DTK_I: return t == DT_I64 ? VEC_I64 : VEC_I32;
    case DTK_U: return t == DT_U64 ? VEC_U64 : t == DT_U32 ? VEC_I64 : VEC_I32;
    case DTK_B: return VEC_B;
    default: return VEC_NONE;
    }
}

enum vec_form vec_form_raw(enum dtype t)
{
    switch (dtype_bytes(t)) {
    case 1: return VEC_R1;
    case 2: return VEC_R2;
    case 4: return VEC_R4;
    case 8: return VEC_R8;
    default: return VEC_R16;
    }
}

bool vec_form_is_native(enum dtype t, enum vec_form f)
{
    switch (f) {
    case VEC_F32: return t == DT_F32;
    case VEC_F64: return t == DT_F64;
    case VEC_I32: return t == DT_I32;
    case VEC_I64: return t == DT_I64;
    case VEC_U64: return t == DT_U64;
    case VEC_B: return false; // any non-zero byte in memory is true
    default: return true;
    }
}

struct codec {
    vec_load *load32, *load64; // in the type's 32-bit form (bool: VEC_B) and its 64-bit form
    vec_store *store32, *store64;
};

// clang-format off
static const struct codec codec[DT_NUM] = {
    [DT_F32]        = {load_f32_f32,        load_f32_f64,        store_f32_f32,        store_f32_f64},
    [DT_F64]        = {NULL,                load_f64_f64,        NULL,                 store_f64_f64},
    [DT_F16]        = {load_f16_f32,        load_f16_f64,        store_f16_f32,        store_f16_f64},
    [DT_BF16]       = {load_bf16_f32,       load_bf16_f64,       store_bf16_f32,       store_bf16_f64},
    [DT_F8E4M3FN]   = {load_f8e4m3fn_f32,   load_f8e4m3fn_f64,   store_f8e4m3fn_f32,   store_f8e4m3fn_f64},
    [DT_F8E4M3FNUZ] = {load_f8e4m3fnuz_f32, load_f8e4m3fnuz_f64, store_f8e4m3fnuz_f32, store_f8e4m3fnuz_f64},
    [DT_F8E5M2]     = {load_f8e5m2_f32,     load_f8e5m2_f64,     store_f8e5m2_f32,     store_f8e5m2_f64},
    [DT_F8E5M2FNUZ] = {load_f8e5m2fnuz_f32, load_f8e5m2fnuz_f64, store_f8e5m2fnuz_f32, store_f8e5m2fnuz_f64},
    [DT_F8E8M0]     = {load_f8e8m0_f32,     load_f8e8m0_f64,     store_f8e8m0_f32,     store_f8e8m0_f64},
    [DT_F4E2M1]     = {load_f4e2m1_f32,     load_f4e2m1_f64,     store_f4e2m1_f32,     store_f4e2m1_f64},
    [DT_I2]         = {load_i2_i32,         load_i2_i64,         store_i2_i32,         store_i2_i64},
    [DT_I4]         = {load_i4_i32,         load_i4_i64,         store_i4_i32,         store_i4_i64},
    [DT_I8]         = {load_i8_i32,         load_i8_i64,         store_w8_i32,         store_w8_i64},
    [DT_I16]        = {load_i16_i32,        load_i16_i64,        store_w16_i32,        store_w16_i64},
    [DT_I32]        = {load_i32_i32,        load_i32_i64,        store_w32_i32,        store_w32_i64},
    [DT_I64]        = {NULL,                load_i64_i64,        NULL,                 store_w64_i64},
    [DT_U2]         = {load_u2_i32,         load_u2_i64,         store_u2_i32,         store_u2_i64},
    [DT_U4]         = {load_u4_i32,         load_u4_i64,         store_u4_i32,         store_u4_i64},
    [DT_U8]         = {load_u8_i32,         load_u8_i64,         store_w8_i32,         store_w8_i64},
    [DT_U16]        = {load_u16_i32,        load_u16_i64,        store_w16_i32,        store_w16_i64},
    [DT_U32]        = {NULL,                load_u32_i64,        NULL,                 store_w32_i64},
    [DT_U64]        = {NULL,                load_u64_u64,        NULL,                 store_w64_i64},
    [DT_BOOL]       = {load_b_b,            load_b_i64,          store_b_b,            NULL},
};
// clang-format on

static bool is_wide(enum dtype t, enum vec_form f, bool store)
{
    switch (f) {
    case VEC_F64: return dtype_info[t].kind == DTK_F;
    case VEC_I64: return dtype_is_int(t) && (store || t != DT_U64);
    case VEC_U64: return dtype_is_int(t) && (store || t == DT_U64);
    default: return false;
    }
}

vec_load *vec_loader(enum dtype t, enum vec_form f)
{
    static vec_load *const raw[] = {load_r1, load_r2, load_r4, load_r8, load_r16};
    if (f >= VEC_R1 && f <= VEC_R16)
        return f == vec_form_raw(t) ? raw[f - VEC_R1] : NULL;
    if (is_wide(t, f, false))
        return codec[t].load64;
    return f == vec_form_of(t) ? codec[t].load32 : NULL;
}

vec_load *vec_repeater(enum vec_form f)
{
    switch (vec_form_bytes(f)) {
    case 1: return load_r1;
    case 4: return load_r4;
    case 8: return load_r8;
    case 2: return load_r2;
    default: return load_r16;
    }
}

vec_store *vec_storer(enum dtype t, enum vec_form f)
{
    static vec_store *const raw[] = {store_r1, store_r2, store_r4, store_r8, store_r16};
    if (f >= VEC_R1 && f <= VEC_R16)
        return f == vec_form_raw(t) ? raw[f - VEC_R1] : NULL;
    if (is_wide(t, f, true))
        return codec[t].store64;
    return f == vec_form_of(t) ? codec[t].store32 : NULL;
}

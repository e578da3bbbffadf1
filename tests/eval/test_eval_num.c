// Conversions of the evaluator: every pattern of every small float, and rounding against a search
// over all patterns.
#include "check.h"
#include "eval_num.h"

#include <math.h>

static const enum dtype small[] = {DT_F16,    DT_BF16,       DT_F8E4M3FN, DT_F8E4M3FNUZ,
                                   DT_F8E5M2, DT_F8E5M2FNUZ, DT_F8E8M0,   DT_F4E2M1};
enum { SMALL = sizeof small / sizeof *small };

static void every_pattern_comes_back(void)
{
    for (int t = 0; t < SMALL; t++)
        for (uint32_t bits = 0; bits < 1u << dtype_info[small[t]].bits; bits++) {
            double v = eval_decode(small[t], bits);
            if (v == v && !CHECK_INT(eval_encode(small[t], v, false), bits))
                return;
            if (v != v && !CHECK(isnan(eval_decode(small[t], eval_encode(small[t], v, false)))))
                return;
        }
}

// The nearest finite value, ties to the even pattern, by looking at all of them.
static uint32_t nearest(enum dtype t, double v)
{
    uint32_t best = 0;
    double least = INFINITY;
    for (uint32_t bits = 0; bits < 1u << dtype_info[t].bits; bits++) {
        double d = fabs(eval_decode(t, bits) - v);
        if (!(d < INFINITY) || signbit(eval_decode(t, bits)) != signbit(v))
            continue;
        if (d < least || (d == least && !(bits & 1))) {
            least = d;
            best = bits;
        }
    }
    return best;
}

static void rounding_is_to_nearest_even(void)
{
    static const double points[] = {0.3,  1.0 / 3, 1.0625,  1.1875, 1.25,          1.75, 0.0019,
                                    3e-5, 2.98e-8, 5.96e-8, 7e-8,   0.75,          2.5,  3.5,
                                    5,    -0.26,   -1.3,    100.3,  0.00048828125, 1e-7, 6.1e-5};
    for (int t = 0; t < SMALL; t++)
        for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
            double v = small[t] == DT_F8E8M0 ? fabs(points[i]) : points[i];
            if (fabs(v) > (small[t] == DT_F4E2M1 ? 6 : 200) || small[t] == DT_F8E8M0)
                continue;
            double got = eval_decode(small[t], eval_encode(small[t], v, false));
            if (!CHECK(got == eval_decode(small[t], nearest(small[t], v))))
                fprintf(stderr, "%s of %.17g gave %.17g\n", dtype_text(small[t]), v, got);
        }
}

static void too_large(void)
{
    CHECK_INT(eval_encode(DT_F16, 65519.99, false), 0x7bff);
    CHECK_INT(eval_encode(DT_F16, 65520, false), 0x7c00);
    CHECK_INT(eval_encode(DT_F8E4M3FN, 1e6, true), 0x7e);
    CHECK_INT(eval_encode(DT_F8E4M3FN, -INFINITY, true), 0xfe);
    CHECK_INT(eval_encode(DT_F8E4M3FN, 1e6, false), 0x7f);
    CHECK_INT(eval_encode(DT_F8E4M3FNUZ, INFINITY, false), 0x80);
    CHECK_INT(eval_encode(DT_F8E4M3FNUZ, -1e6, true), 0xff);
    CHECK_INT(eval_encode(DT_F8E5M2, 1e6, false), 0x7c);
    CHECK_INT(eval_encode(DT_F8E5M2, 1e6, true), 0x7b);
    CHECK_INT(eval_encode(DT_F8E5M2FNUZ, -1e-9, false), 0);
    CHECK_INT(eval_encode(DT_F4E2M1, -8, false), 0xf);
    CHECK_INT(eval_encode(DT_F8E8M0, 1.1, false), 127);
    CHECK_INT(eval_encode(DT_F8E8M0, 1.5, false), 128);
}

static void integers(void)
{
    int64_t v[3] = {-9, 9, 3}, back[3];
    uint8_t bytes[3];
    eval_store_i64(DT_I4, bytes, 0, 3, v);
    eval_load_i64(DT_I4, bytes, 0, 1, 3, back);
    CHECK_INT(back[0], 7);
    CHECK_INT(back[1], -7);
    eval_store_i64(DT_U2, bytes, 0, 3, v);
    eval_load_i64(DT_U2, bytes, 0, 1, 3, back);
    CHECK_INT(back[0], 3);
    CHECK_INT(back[2], 3);
    CHECK_INT(eval_int_min(DT_I64), INT64_MIN);
    CHECK_INT(eval_int_min(DT_I2), -2);
}

// An int64 must reach f32 with one rounding: through double, 2^24 + 1 plus a little would come down
// to a tie.
static void integers_round_once(void)
{
    int64_t v = (INT64_C(1) << 62) + (INT64_C(1) << 38) + 1;
    CHECK((float)eval_int_to_odd(v, false) == (float)v);
    CHECK((float)eval_int_to_odd(-v, false) == (float)-v);
    CHECK((float)eval_int_to_odd(-1, true) == 18446744073709551616.0f);
}

static void halves_go_to_even(void)
{
    CHECK(eval_round_even(0.5) == 0 && eval_round_even(1.5) == 2 && eval_round_even(-2.5) == -2);
    CHECK(eval_round_even(0.49999999999999994) == 0 && signbit(eval_round_even(-0.2)));
    CHECK_INT(eval_quantize(2.5f, 8), 2);
    CHECK_INT(eval_quantize(1e9f, 4), 7);
    CHECK_INT(eval_quantize(-1e9f, 4), -8);
    CHECK_INT(eval_quantize(-0.1f, 1), -1);
    CHECK_INT(eval_quantize(0.0f, 1), 1);
    CHECK_INT(eval_quantize(NAN, 8), 0);
}

int main(void)
{
    RUN(every_pattern_comes_back);
    RUN(rounding_is_to_nearest_even);
    RUN(too_large);
    RUN(integers);
    RUN(integers_round_once);
    RUN(halves_go_to_even);
    return check_summary();
}

// The functions of vec_math.h on every level of this processor: equal to each other to the bit, and
// rounded to f32 equal to the C library's.
#include <math.h>
#include <string.h>

#include "check.h"
#include "vec_math.h"

#define BLOCK 1000 // no multiple of a vector
#define BLOCKS 400

static double exp_reference(double x)
{
    return exp(x);
}

static double tanh_reference(double x)
{
    return tanh(x);
}

static double sigmoid_reference(double x)
{
    return 1 / (1 + exp(-x));
}

struct function {
    const char *name;
    double (*reference)(double x);
    double least, most; // between them results are neither limits nor the operand itself
};
static const struct function functions[] = {
    {"exp", exp_reference, -104, 89},
    {"tanh", tanh_reference, -10, 10},
    {"sigmoid", sigmoid_reference, -89, 17},
};

static vec_math_fn *function_of(const struct vec_math *m, int i)
{
    vec_math_fn *const fn[] = {m->exp, m->tanh, m->sigmoid};
    return fn[i];
}

static vec_math_fn32 *function32_of(const struct vec_math *m, int i)
{
    vec_math_fn32 *const fn[] = {m->exp32, m->tanh32, m->sigmoid32};
    return fn[i];
}

static uint64_t state = 20;

static uint64_t next_random(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 32;
}

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

// Any bits of an f32, or a number of the range that matters; `tame`: only these, for blocks in
// which nothing has to be clamped are another loop.
static double random_operand(const struct function *f, bool tame)
{
    uint32_t bits = (uint32_t)next_random();
    float x;
    memcpy(&x, &bits, sizeof x);
    if (tame || (bits & 1))
        x = (float)(f->least + (f->most - f->least) * (double)next_random() * 0x1p-32);
    return (double)x;
}

// As near as vec_math.h says, unless that is nothing or infinity as f32.
static bool is_near(double want, double got)
{
    float x = (float)want;
    return x == 0 || !isfinite(x) || fabs(want - got) <= fabs(want) * 0x1p-48;
}

// Where the library's double lies beside the middle between two f32, either may be right.
static bool same_f32(double want, double got)
{
    float a = (float)want, b = (float)got;
    if (want != want || got != got)
        return want != want && got != got;
    if (a == b && signbit(a) == signbit(b))
        return true;
    double middle = ((double)a + (double)b) / 2;
    return isfinite(middle) && fabs(want - middle) <= fabs(middle) * 0x1p-52;
}

// The first element that differs; n: none.
static int first_wrong(const struct function *f, const double *in, const double *out, int n)
{
    int k = 0;
    while (k < n && same_f32(f->reference(in[k]), out[k]) && is_near(f->reference(in[k]), out[k]))
        k++;
    return k;
}

static int first_unequal(const double *a, const double *b, int n)
{
    int k = 0;
    while (k < n && (a[k] != a[k] ? b[k] != b[k] : bits_of(a[k]) == bits_of(b[k])))
        k++;
    return k;
}

// Whether the loop over f32 gives what the one over doubles does, rounded.
static void check_rounded(const struct vec_math *m, int i, const double *in, const double *want,
                          int n)
{
    float x[BLOCK] = {0}, out[BLOCK];
    int k = 0;
    for (int j = 0; j < n; j++)
        x[j] = (float)in[j];
    function32_of(m, i)(out, x, n);
    while (k < n &&
           (want[k] != want[k] ? out[k] != out[k]
                               : bits_of((double)(float)want[k]) == bits_of((double)out[k])))
        k++;
    if (!CHECK_INT(k, n))
        printf("  %s(%a) in f32, %s: %a, not %a\n", functions[i].name, in[k], m->name,
               (double)out[k], want[k]);
}

static void check_block(int i, const double *in, int n)
{
    const struct function *f = &functions[i];
    double plain[BLOCK], out[BLOCK];
    function_of(&vec_math_plain, i)(plain, in, n);
    check_rounded(&vec_math_plain, i, in, plain, n);
    int k = first_wrong(f, in, plain, n);
    if (!CHECK_INT(k, n))
        printf("  %s(%a): %a, not %a\n", f->name, in[k], plain[k], f->reference(in[k]));
    for (int level = 1; vec_math_at(level); level++) {
        function_of(vec_math_at(level), i)(out, in, n);
        check_rounded(vec_math_at(level), i, in, plain, n);
        k = first_unequal(plain, out, n);
        if (!CHECK_INT(k, n))
            printf("  %s(%a): plain %a, %s %a\n", f->name, in[k], plain[k],
                   vec_math_at(level)->name, out[k]);
    }
}

static void random_operands(void)
{
    for (int i = 0; i < 3; i++)
        for (int b = 0; b < BLOCKS; b++) {
            double in[BLOCK];
            for (int k = 0; k < BLOCK; k++)
                in[k] = random_operand(&functions[i], b & 1);
            check_block(i, in, BLOCK);
        }
}

static void special_operands(void)
{
    static const double in[] = {0.0,      -0.0,      INFINITY,     -INFINITY,     NAN,
                                0x1p-149, -0x1p-149, 0x1p-126,     1.0,           -1.0,
                                0x1p-27,  -0x1p-13,  22.0,         -22.0,         0x1.fffffep0,
                                88.0,     89.0,      -88.0,        -103.0,        -104.0,
                                200.0,    -200.0,    201.0,        -201.0,        0x1.fffffep127,
                                0.5,      -0.5,      0x1.62e43p-2, -0x1.62e43p-2, -0x1.fffffep127};
    for (int i = 0; i < 3; i++)
        for (int n = 0; n <= (int)(sizeof in / sizeof *in); n++)
            check_block(i, in, n);
}

int main(void)
{
    RUN(random_operands);
    RUN(special_operands);
    return check_summary();
}

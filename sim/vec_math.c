// Which level of the functions runs.
#include "vec_math.h"

#include <stddef.h>

const struct vec_math *vec_math_at(int i)
{
    const struct vec_math *have[3] = {&vec_math_plain, NULL, NULL};
#if defined(__x86_64__)
    int num = 1;
    if (__builtin_cpu_supports("avx2"))
        have[num++] = &vec_math_avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        have[num++] = &vec_math_avx512;
#endif
    return i >= 0 && i < 3 ? have[i] : NULL;
}

const struct vec_math *vec_math_best(void)
{
    const struct vec_math *best = NULL;
    for (int i = 0; vec_math_at(i); i++)
        best = vec_math_at(i);
    return best;
}

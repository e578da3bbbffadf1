// Random numbers: splitmix64, one stream a seed, the same on every platform.
#include <math.h>

#include "host_kernels.h"

static uint64_t next_bits(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double next_unit(uint64_t *state) // [0, 1)
{
    return (double)(next_bits(state) >> 11) * 0x1p-53;
}

// Box and Muller; the second value of a pair is left, so that element i depends on the seed and i
// alone.
static double next_normal(uint64_t *state)
{
    double radius = sqrt(-2.0 * log(1.0 - next_unit(state)));
    return radius * cos(6.283185307179586 * next_unit(state));
}

const char *host_random_uniform_f64(double *out, int64_t n, double low, double high, int64_t seed)
{
    uint64_t state = (uint64_t)seed;
    for (int64_t i = 0; i < n; i++) {
        double v = low + (high - low) * next_unit(&state);
        out[i] = v >= high && low < high ? nextafter(high, low) : v;
    }
    return NULL;
}

const char *host_random_uniform_f32(float *out, int64_t n, double low, double high, int64_t seed)
{
    uint64_t state = (uint64_t)seed;
    for (int64_t i = 0; i < n; i++) {
        float v = (float)(low + (high - low) * next_unit(&state));
        out[i] = v >= (float)high && low < high ? nextafterf((float)high, (float)low) : v;
    }
    return NULL;
}

const char *host_random_normal_f64(double *out, int64_t n, double mean, double scale, int64_t seed)
{
    uint64_t state = (uint64_t)seed;
    for (int64_t i = 0; i < n; i++)
        out[i] = mean + scale * next_normal(&state);
    return NULL;
}

const char *host_random_normal_f32(float *out, int64_t n, double mean, double scale, int64_t seed)
{
    uint64_t state = (uint64_t)seed;
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(mean + scale * next_normal(&state));
    return NULL;
}

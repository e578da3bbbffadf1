// Kernels that run on the host, by name. Rows of host.def; the tables are constant.
#ifndef BITLET_SIM_HOST_H
#define BITLET_SIM_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void host_fn(void); // called through libffi with the types of the signature

struct host_kernel {
    const char *name, *signature, *doc;
    host_fn *fn;
};
const struct host_kernel *host_kernel_find(const char *name); // NULL: none

const char *host_random_uniform_f32(float *out, int64_t n, double low, double high, int64_t seed);
const char *host_random_uniform_f64(double *out, int64_t n, double low, double high, int64_t seed);
const char *host_random_normal_f32(float *out, int64_t n, double mean, double scale, int64_t seed);
const char *host_random_normal_f64(double *out, int64_t n, double mean, double scale, int64_t seed);

#endif

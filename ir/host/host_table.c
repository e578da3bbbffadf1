// The table of kernels, expanded from host.def.
#include <string.h>

#include "host_kernels.h"
#include "plugin.h"

static const struct host_kernel kernels[] = {
#define HOST_KERNEL(name, pure, signature, doc)                                                    \
    {#name, signature, doc, (host_fn *)host_##name, pure},
#include "host.def"
};

const struct host_kernel *host_kernel_row(size_t i)
{
    return i < sizeof kernels / sizeof *kernels ? &kernels[i] : NULL;
}

const struct host_kernel *host_kernel_find(const char *name)
{
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (strcmp(kernels[i].name, name) == 0)
            return &kernels[i];
    return plugin_kernel_find(name);
}

const char *host_expect_extents(const int64_t *real, int64_t n, const int64_t *want,
                                int64_t num_want, const char *what)
{
    static _Thread_local char text[160];
    for (int64_t i = 0; i < n && i < num_want; i++)
        if (real[i] != want[i]) {
            snprintf(text, sizeof text,
                     "extent %lld of '%.60s' is %lld at run time, the program is compiled for %lld",
                     (long long)i, what, (long long)real[i], (long long)want[i]);
            return text;
        }
    return n == num_want ? NULL : "extents of another rank";
}

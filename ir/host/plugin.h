// Plugins: shared libraries with operators of the user's own (bitlet_plugin.h).
//
// What is loaded stays for the life of the process, and the kernels are then found by
// host_kernel_find like those of host.def. Loading is not safe beside other threads.
#ifndef BITLET_HOST_PLUGIN_H
#define BITLET_HOST_PLUGIN_H

#include "bitlet_plugin.h"
#include "host.h"

// Reports and gives false when the library cannot be loaded or says something impossible.
BITLET_MUST_USE bool plugin_load(const char *path, struct diag *d);
// The i-th operator of all plugins, or NULL.
const struct bitlet_operator *plugin_operator(size_t i);
const struct host_kernel *plugin_kernel_find(const char *name);

#endif

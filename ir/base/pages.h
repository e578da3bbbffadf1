// Zeroed memory of the system, by pages.
#ifndef BITLET_PAGES_H
#define BITLET_PAGES_H

#include <stdbool.h>
#include <stddef.h>

// NULL: the system refuses. Pages come as they are touched, huge ones where they fit: a fault for
// 2 MB instead of 512. `ahead`: memory that is smaller than that, and going to be written, comes
// with its pages. Freed with munmap.
void *pages_map(size_t bytes, bool ahead);
// Brings the pages of all of it, which is going to be written.
void pages_bring(void *p, size_t bytes);

#endif

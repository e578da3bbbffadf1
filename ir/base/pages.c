#include "pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)

void *pages_map(size_t bytes, bool ahead)
{
    size_t extra = bytes >= HUGE_PAGE ? HUGE_PAGE : 0;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *p = mmap(NULL, bytes + extra, PROT_READ | PROT_WRITE,
                   ahead && !extra ? flags | MAP_POPULATE : flags, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    if (!extra)
        return p;
    unsigned char *start = p, *aligned = start + (-(uintptr_t)start & (HUGE_PAGE - 1));
    size_t page = (size_t)sysconf(_SC_PAGESIZE), kept = (bytes + page - 1) & ~(page - 1);
    if (aligned > start)
        munmap(start, (size_t)(aligned - start));
    if (aligned + kept < start + bytes + extra)
        munmap(aligned + kept, (size_t)(start + bytes + extra - (aligned + kept)));
    madvise(aligned, bytes & ~(HUGE_PAGE - 1), MADV_HUGEPAGE); // only a hint
    return aligned;
}

void pages_bring(void *p, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
    madvise(p, bytes, MADV_POPULATE_WRITE); // only a hint
#else
    (void)p;
    (void)bytes;
#endif
}

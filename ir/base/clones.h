// Loops that are compiled once per level of the processor; the level that runs is chosen when the
// program is loaded. For plain C that the compiler turns into vectors and whose results do not
// depend on the level; what is written for a level has objects of its own.
#ifndef BITLET_CLONES_H
#define BITLET_CLONES_H

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#define BITLET_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define BITLET_CLONES
#endif

#endif

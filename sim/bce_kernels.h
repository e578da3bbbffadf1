// The tables of kernels, one per instruction-set level this build has. Which one may run is decided
// in bce_vector.c.
#ifndef BITLET_BCE_KERNELS_H
#define BITLET_BCE_KERNELS_H

struct bce_kernels;
extern const struct bce_kernels bce_kernels_plain;
#if defined(__x86_64__)
extern const struct bce_kernels bce_kernels_avx2;
extern const struct bce_kernels bce_kernels_avx512;
extern const struct bce_kernels bce_kernels_vnni;
#endif

#endif

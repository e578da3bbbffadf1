// The kernels for AVX-512 with VNNI, VBMI and VBMI2; compiled with its options on x86-64, empty
// elsewhere.
#include "bce_kernels.h"
#if defined(__x86_64__)
#define BCE_KERNELS bce_kernels_vnni
#define BCE_KERNELS_TEXT "avx512-vnni"
#include "bce_kernels.inc"
#endif

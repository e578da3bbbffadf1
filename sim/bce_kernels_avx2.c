// The kernels for AVX2; compiled with its options on x86-64, empty elsewhere.
#include "bce_kernels.h"
#if defined(__x86_64__)
#define BCE_KERNELS bce_kernels_avx2
#define BCE_KERNELS_TEXT "avx2"
#include "bce_kernels.inc"
#endif

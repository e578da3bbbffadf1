// The kernels for AVX-512 (F, BW, VL, DQ); compiled with its options on x86-64, empty elsewhere.
#include "bce_kernels.h"
#if defined(__x86_64__)
#define BCE_KERNELS bce_kernels_avx512
#define BCE_KERNELS_TEXT "avx512"
#include "bce_kernels.inc"
#endif

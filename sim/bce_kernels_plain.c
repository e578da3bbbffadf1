// The kernels for any processor.
#define BCE_KERNELS bce_kernels_plain
#define BCE_KERNELS_TEXT "plain"
#include "bce_kernels.inc"

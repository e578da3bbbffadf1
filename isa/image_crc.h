// CRC-32 as zlib's crc32() gives it, at the speed of memory where the processor multiplies without
// carry.
#ifndef BITLET_IMAGE_CRC_H
#define BITLET_IMAGE_CRC_H

#include <stddef.h>
#include <stdint.h>

// crc: of what comes before, 0 at the beginning.
uint32_t image_crc32(uint32_t crc, const void *bytes, size_t len);

#endif

// The message is a polynomial over GF(2), bits reflected. Its 128-bit pieces are folded onto those
// 64 or 16 bytes further on, by multiplying both halves with x to that power modulo the CRC's
// polynomial; what remains of 16 bytes is handed to zlib, with a register of 0 in front of it: the
// CRC is linear, and the fold has left it as it was.
#include "image_crc.h"

#include <string.h>
#include <zlib.h>

#if defined(__x86_64__)
#include <immintrin.h>

#define CLMUL __attribute__((target("pclmul,sse4.1")))
#define LEAST 256

static inline CLMUL __m128i fold(__m128i x, __m128i powers, __m128i onto)
{
    __m128i low = _mm_clmulepi64_si128(x, powers, 0x00),
            high = _mm_clmulepi64_si128(x, powers, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), onto);
}

static inline CLMUL __m128i load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

// Folds blocks of 16 bytes, at least 8 and a multiple of 4, into the last one's place. `state` is
// the register as it stands, inverted as the CRC has it.
static CLMUL void fold_blocks(uint32_t state, const uint8_t *p, size_t blocks, uint8_t out[16])
{
    const __m128i by64 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
    const __m128i by16 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    __m128i x[4];
    for (int i = 0; i < 4; i++)
        x[i] = load(p + 16 * i);
    x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128((int)state));
    for (size_t b = 4; b < blocks; b += 4)
        for (size_t i = 0; i < 4; i++)
            x[i] = fold(x[i], by64, load(p + 16 * (b + i)));
    for (int i = 0; i < 3; i++)
        x[i + 1] = fold(x[i], by16, x[i + 1]);
    _mm_storeu_si128((__m128i *)(void *)out, x[3]);
}
#endif

uint32_t image_crc32(uint32_t crc, const void *bytes, size_t len)
{
#if defined(__x86_64__)
    if (len >= LEAST && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1")) {
        uint8_t rest[16];
        size_t blocks = len / 64 * 4;
        fold_blocks(~crc, bytes, blocks, rest);
        crc = (uint32_t)crc32_z(~(uLong)0 & 0xffffffffu, rest, sizeof rest);
        bytes = (const uint8_t *)bytes + 16 * blocks;
        len -= 16 * blocks;
    }
#endif
    return (uint32_t)crc32_z(crc, bytes, len);
}

// A vector of 64 bytes, one of every word, gives a plane by collecting the highest bits of its
// bytes; doubling the bytes brings the next plane there. Without vectors, blocks of 8 words are
// transposed as 8x8 bit matrices.
#include "bitplanes.h"

#include <stddef.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Bit c of byte r becomes bit r of byte c.
static uint64_t transpose8(uint64_t x)
{
    uint64_t t = (x ^ (x >> 7)) & 0x00aa00aa00aa00aaull;
    x ^= t ^ (t << 7);
    t = (x ^ (x >> 14)) & 0x0000cccc0000ccccull;
    x ^= t ^ (t << 14);
    t = (x ^ (x >> 28)) & 0x00000000f0f0f0f0ull;
    return x ^ t ^ (t << 28);
}

static void planes_plain(const uint32_t word[64], int count, uint64_t plane[32])
{
    for (int b = 0; b < 32; b++)
        plane[b] = 0;
    for (int first = 0; first < count; first += 8)
        for (int j = 0; j < 8; j++) {
            uint64_t x = 0;
            for (int r = 0; r < 8; r++)
                x |= (uint64_t)(word[8 * j + r] >> first & 0xff) << (8 * r);
            if (x == 0)
                continue;
            x = transpose8(x);
            for (int b = 0; b < 8; b++)
                plane[first + b] |= (x >> (8 * b) & 0xff) << (8 * j);
        }
}

#if defined(__x86_64__)
// Byte `first / 8` of 32 words, in their order.
__attribute__((target("avx2"))) static __m256i bytes_avx2(const uint32_t *word, int first)
{
    const __m256i low = _mm256_set1_epi32(0xff), order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m128i by = _mm_cvtsi32_si128(first);
    __m256i v[4];
    for (int q = 0; q < 4; q++) {
        v[q] = _mm256_loadu_si256((const __m256i *)(const void *)(word + 8 * q));
        v[q] = _mm256_and_si256(_mm256_srl_epi32(v[q], by), low);
    }
    __m256i a = _mm256_packus_epi32(v[0], v[1]), b = _mm256_packus_epi32(v[2], v[3]);
    return _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), order);
}

__attribute__((target("avx2"))) static void planes_avx2(const uint32_t word[64], int count,
                                                        uint64_t plane[32])
{
    for (int first = 0; first < count; first += 8) {
        __m256i a = bytes_avx2(word, first), b = bytes_avx2(word + 32, first);
        for (int k = 7; k >= 0; k--) {
            uint32_t lo = (uint32_t)_mm256_movemask_epi8(a), hi = (uint32_t)_mm256_movemask_epi8(b);
            plane[first + k] = (uint64_t)hi << 32 | lo;
            a = _mm256_add_epi8(a, a);
            b = _mm256_add_epi8(b, b);
        }
    }
}

__attribute__((target("avx512f,avx512bw"))) static void planes_avx512(const uint32_t word[64],
                                                                      int count, uint64_t plane[32])
{
    __m512i v[4];
    for (int q = 0; q < 4; q++)
        v[q] = _mm512_loadu_si512(word + 16 * q);
    for (int first = 0; first < count; first += 8) {
        __m512i x = _mm512_castsi128_si512(_mm512_cvtepi32_epi8(v[0]));
        x = _mm512_inserti32x4(x, _mm512_cvtepi32_epi8(v[1]), 1);
        x = _mm512_inserti32x4(x, _mm512_cvtepi32_epi8(v[2]), 2);
        x = _mm512_inserti32x4(x, _mm512_cvtepi32_epi8(v[3]), 3);
        for (int q = 0; q < 4; q++)
            v[q] = _mm512_srli_epi32(v[q], 8);
        for (int k = 7; k >= 0; k--) {
            plane[first + k] = (uint64_t)_mm512_movepi8_mask(x);
            x = _mm512_add_epi8(x, x);
        }
    }
}
#endif

const struct bitplanes_level *bitplanes_level(int i)
{
    static const struct bitplanes_level plain = {"plain", planes_plain, true};
#if defined(__x86_64__)
    static struct bitplanes_level avx2 = {"avx2", planes_avx2, false},
                                  avx512 = {"avx512", planes_avx512, false};
    if (i == 1) {
        avx2.usable = __builtin_cpu_supports("avx2") != 0;
        return &avx2;
    }
    if (i == 2) {
        avx512.usable = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
        return &avx512;
    }
#endif
    return i == 0 ? &plain : NULL;
}

bitplanes_fn *bitplanes_best(void)
{
    bitplanes_fn *best = NULL;
    const struct bitplanes_level *l;
    for (int i = 0; (l = bitplanes_level(i)) != NULL; i++)
        if (l->usable)
            best = l->run;
    return best;
}

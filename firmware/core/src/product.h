/* Products of more than 32 bits. Most chips have an instruction for the upper half; where a build
 * says that its chip has not (WW_WITHOUT_MUL_HIGH), products are put together from halves of 16
 * bits, to the same bit: tests/c/test_product.py.
 */
#ifndef WATCHWORD_PRODUCT_H
#define WATCHWORD_PRODUCT_H

#include "watchword/types.h"

/* Hides from the compiler what it knows of a value: one that recognises a long product in its
 * halves would call a slow function for it. */
#if defined(__GNUC__)
#define WW_OPAQUE(value) __asm__("" : "+r"(value))
#else
#define WW_OPAQUE(value) (void)0
#endif

#ifndef WW_WITHOUT_MUL_HIGH

/* floor(a * b / 2^32), for |a| + |b| < 2^32 - 2^17 */
static inline int32_t ww_mul_high(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b) >> 32);
}

/* floor(sample * 2^up * b / 2^32), for `up` of at least 16 where sample * 2^up fits 32 bits */
static inline int32_t ww_mul_high_raised(int16_t sample, int up, int32_t b) {
    return ww_mul_high((int32_t)((uint32_t)(int32_t)sample << up), b);
}

/* a * a + b * b, for a sum below 2^61 */
static inline uint64_t ww_squares(int32_t a, int32_t b) {
    return (uint64_t)((int64_t)a * a + (int64_t)b * b);
}

/* floor(a * b / 2^32 + 1/2) */
static inline int32_t ww_mul_rounded(int32_t a, uint32_t b) {
    int64_t product = (int64_t)a * b;
    return (int32_t)(product >> 32) + (int32_t)((uint32_t)product >> 31);
}

/* a * b, for |a| + |b| < 2^32 - 2^17 */
static inline int64_t ww_mul(int32_t a, int32_t b) {
    return (int64_t)a * b;
}

/* a * b, which must fit */
static inline uint64_t ww_mul_long(uint64_t a, uint16_t b) {
    return a * b;
}

#else

/* x = upper half * 2^16 + lower half, where the lower one is a number from -2^15 on: so even the
 * sum of two products of halves fits 32 bits. */
static inline int32_t ww_lower_half(int32_t x) {
    return (int16_t)x;
}
static inline int32_t ww_upper_half(int32_t x) {
    return ((x >> 15) + 1) >> 1;
}

static inline int32_t ww_mul_high(int32_t a, int32_t b) {
    int32_t a_low = ww_lower_half(a), a_high = ww_upper_half(a);
    int32_t b_low = ww_lower_half(b), b_high = ww_upper_half(b);
    int32_t low = a_low * b_low;
    WW_OPAQUE(low);
    return a_high * b_high + ((a_high * b_low + a_low * b_high + (low >> 16)) >> 16);
}

static inline int32_t ww_mul_high_raised(int16_t sample, int up, int32_t b) {
    int32_t upper = (int32_t)((uint32_t)(int32_t)sample << (up - 16));
    return upper * (b >> 16) + ((upper * (b & 0xffff)) >> 16);
}

static inline uint64_t ww_squares(int32_t a, int32_t b) {
    int32_t a_low = ww_lower_half(a), a_high = ww_upper_half(a);
    int32_t b_low = ww_lower_half(b), b_high = ww_upper_half(b);
    uint32_t low = (uint32_t)(a_low * a_low) + (uint32_t)(b_low * b_low);
    WW_OPAQUE(low);
    int32_t middle = a_high * a_low + b_high * b_low;
    uint32_t sum = low + ((uint32_t)middle << 17);
    int32_t high = a_high * a_high + b_high * b_high + (middle >> 15) + (sum < low);
    return (uint64_t)(uint32_t)high << 32 | sum;
}

static inline int32_t ww_mul_rounded(int32_t a, uint32_t b) {
    int32_t a_high = a >> 16, b_low = b & 0xffff, b_high = (int32_t)(b >> 16);
    uint32_t a_low = a & 0xffff, low = a_low * (uint32_t)b_low;
    WW_OPAQUE(low);
    int32_t middle = a_high * b_low + (int32_t)(low >> 16);
    uint32_t other = a_low * (uint32_t)b_high + (middle & 0xffff);
    return a_high * b_high + (middle >> 16) + (int32_t)((other + 0x8000) >> 16);
}

static inline int64_t ww_mul(int32_t a, int32_t b) {
    uint32_t low = (uint32_t)a * (uint32_t)b;
    return (int64_t)((uint64_t)(uint32_t)ww_mul_high(a, b) << 32 | low);
}

static inline uint64_t ww_mul_long(uint64_t a, uint16_t b) {
    uint32_t high = (uint32_t)(a >> 32), low = (uint32_t)a;
    uint32_t first = (low & 0xffff) * b;
    WW_OPAQUE(first);
    uint32_t second = (low >> 16) * b + (first >> 16);
    return (uint64_t)(high * b + (second >> 16)) << 32 | (second << 16 | (first & 0xffff));
}

#endif

#endif

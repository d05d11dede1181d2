/* The one function of the compiler's run-time library that is missing from Debian's: the compiler
 * calls it for products of 64 bits.
 */
#include <stdint.h>

int64_t __muldi3(int64_t a, int64_t b);

/* By halves of 16 bits, as no instruction of this core gives more than 32 bits of a product. */
static uint64_t multiplied(uint32_t a, uint32_t b) {
    uint32_t a_low = a & 0xffff, a_high = a >> 16, b_low = b & 0xffff, b_high = b >> 16;
    uint32_t low = a_low * b_low;
    /* Unseen by the compiler, which would make of all this the very product it is here for. */
    __asm__("" : "+r"(low));
    uint32_t middle = a_high * b_low + (low >> 16); /* fits: (2^16 - 1)^2 + 2^16 - 1 < 2^32 */
    uint32_t other = a_low * b_high + (middle & 0xffff);
    uint32_t high = a_high * b_high + (middle >> 16) + (other >> 16);
    return (uint64_t)high << 32 | (a * b);
}

int64_t __muldi3(int64_t a, int64_t b) {
    uint32_t a_low = (uint32_t)a, b_low = (uint32_t)b;
    uint32_t crossed = (uint32_t)(a >> 32) * b_low + (uint32_t)(b >> 32) * a_low;
    return (int64_t)(multiplied(a_low, b_low) + ((uint64_t)crossed << 32));
}

/* product.h as a library, for test_product.py. */
#include "product.h"

int32_t mul_high(int32_t a, int32_t b);
int32_t mul_high_raised(int16_t sample, int up, int32_t b);
uint64_t squares(int32_t a, int32_t b);
int32_t mul_rounded(int32_t a, uint32_t b);
int64_t mul(int32_t a, int32_t b);
uint64_t mul_long(uint64_t a, uint16_t b);

int32_t mul_high(int32_t a, int32_t b) {
    return ww_mul_high(a, b);
}
int32_t mul_high_raised(int16_t sample, int up, int32_t b) {
    return ww_mul_high_raised(sample, up, b);
}
uint64_t squares(int32_t a, int32_t b) {
    return ww_squares(a, b);
}
int32_t mul_rounded(int32_t a, uint32_t b) {
    return ww_mul_rounded(a, b);
}
int64_t mul(int32_t a, int32_t b) {
    return ww_mul(a, b);
}
uint64_t mul_long(uint64_t a, uint16_t b) {
    return ww_mul_long(a, b);
}

#include "watchword/dc_blocker.h"

int32_t ww_dc_block(ww_dc_blocker *blocker, int32_t sample) {
    /* Shifts of a negative sum round down, on every compiler that this is built with. */
    int64_t out = sample - (blocker->sum >> WW_DC_BLOCKER_SHIFT);
    blocker->sum += out;
    if (out > INT32_MAX) return INT32_MAX;
    if (out < INT32_MIN) return INT32_MIN;
    return (int32_t)out;
}

int16_t ww_amplify(int32_t sample, uint32_t gain_q8, uint32_t *clipped) {
    int64_t value = ((int64_t)sample * gain_q8 + (1 << 23)) >> 24;
    if (value >= INT16_MIN && value <= INT16_MAX) return (int16_t)value;
    ++*clipped;
    return value < 0 ? INT16_MIN : INT16_MAX;
}

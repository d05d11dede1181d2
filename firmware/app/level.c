#include "level.h"

#define SETTLE_SAMPLES 8192u /* half a second: a microphone's start-up, an offset that goes */
#define MEASURE_SHIFT 14     /* 2^14 samples are measured */
#define FULL_SCALE_Q16 (1ull << 46) /* 2^30, the square of full scale */
#define DECIBEL_Q16 82505u          /* 10^(1/10) */

void level_begin(level *l) {
    *l = (level){.measuring = true};
}

bool level_add(level *l, const int16_t *samples, size_t count) {
    if (!l->measuring) return false;
    for (size_t i = 0; i < count && l->measuring; i++) {
        int32_t size = samples[i] < 0 ? -samples[i] : samples[i];
        if (l->samples++ < SETTLE_SAMPLES) continue;
        l->squares += (uint32_t)(size * size);
        if (size > l->peak) l->peak = size;
        l->measuring = l->samples < SETTLE_SAMPLES + (1u << MEASURE_SHIFT);
    }
    return !l->measuring;
}

/* 10 log10(square / 2^30), in steps of a decibel: no logarithm, no division. */
static int32_t decibels(uint64_t square) {
    int32_t db = 0;
    uint64_t power_q16 = square << 16;
    /* Half a decibel up, so that it is rounded: 10^(1/20). */
    power_q16 = (power_q16 * 73533u) >> 16;
    while (power_q16 < FULL_SCALE_Q16 && db > LEVEL_SILENCE_DB) {
        power_q16 = (power_q16 * DECIBEL_Q16) >> 16;
        db--;
    }
    return db;
}

int32_t level_rms_db(const level *l) {
    return decibels(l->squares >> MEASURE_SHIFT);
}

int32_t level_peak_db(const level *l) {
    return decibels((uint64_t)l->peak * (uint64_t)l->peak);
}

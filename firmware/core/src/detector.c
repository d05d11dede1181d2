#include "watchword/detector.h"

#include <string.h>

ww_status ww_detector_check(const ww_detector_config *config) {
    bool valid = config->smoothing >= 1 && config->smoothing <= WW_DETECTOR_MAX_SMOOTHING &&
                 config->low_q15 <= config->high_q15 &&
                 config->high_q15 <= WW_DETECTOR_MAX_HIGH_Q15;
    return valid ? WW_OK : WW_ERR_ARGUMENT;
}

ww_status ww_detector_init(ww_detector *d, const ww_detector_config *config) {
    ww_status status = ww_detector_check(config);
    if (status != WW_OK) return status;
    d->config = *config;
    ww_detector_reset(d);
    return WW_OK;
}

void ww_detector_reset(ww_detector *d) {
    memset(d->scores, 0, sizeof d->scores);
    d->sum = 0;
    d->head = 0;
    d->missing = d->config.smoothing;
    d->armed = true;
    d->cooling = false;
    d->cooldown_end = 0;
    d->smoothed_q15 = 0;
}

static void smooth(ww_detector *d, uint8_t score) {
    d->sum += score;
    d->sum -= d->scores[d->head];
    d->scores[d->head] = score;
    d->missing = (uint16_t)(d->missing - (d->missing > 0));
    d->head = (uint16_t)(d->head + 1 == d->config.smoothing ? 0 : d->head + 1);
    uint32_t sum_q15 = d->sum << (WW_THRESHOLD_FRAC_BITS - WW_SCORE_FRAC_BITS);
    d->smoothed_q15 = (uint16_t)(sum_q15 / d->config.smoothing);
}

bool ww_detector_push(ww_detector *d, uint8_t score, uint64_t sample_index) {
    smooth(d, score);
    if (d->cooling && sample_index >= d->cooldown_end) d->cooling = false;
    if (!d->armed && d->smoothed_q15 < d->config.low_q15) d->armed = true;
    if (!d->armed || d->cooling || d->missing || d->smoothed_q15 < d->config.high_q15) return false;
    d->armed = false;
    d->cooling = true;
    d->cooldown_end = sample_index + (uint32_t)d->config.cooldown_ms * (WW_SAMPLE_RATE_HZ / 1000);
    return true;
}

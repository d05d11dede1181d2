#include "watchword/normaliser.h"

#define MEAN_FRAC_BITS 15

ww_status ww_normaliser_init(ww_normaliser *n, const ww_normaliser_config *config) {
    bool running = config->mode == WW_CMVN_RUNNING;
    if (config->mode > WW_CMVN_RUNNING || config->coeffs > WW_MAX_COEFFS || !config->coeffs ||
        !config->mean || !config->gain)
        return WW_ERR_ARGUMENT;
    if (running && (!config->alpha_q15 || config->alpha_q15 >> WW_CMVN_ALPHA_FRAC_BITS))
        return WW_ERR_ARGUMENT;
    n->config = *config;
    ww_normaliser_reset(n);
    return WW_OK;
}

void ww_normaliser_reset(ww_normaliser *n) {
    for (uint16_t c = 0; c < n->config.coeffs; c++) {
        int16_t start = n->config.mode == WW_CMVN_NONE ? 0 : n->config.mean[c];
        n->mean_q15[c] = start * (1 << MEAN_FRAC_BITS);
    }
}

/* round((x - mean) * gain) within int8; the product has 33 bits. */
static inline int8_t scaled(int32_t deviation, uint16_t gain) {
    int64_t product = (int64_t)deviation * gain + (1 << (WW_NORM_GAIN_FRAC_BITS - 1));
    int32_t steps = (int32_t)(product >> WW_NORM_GAIN_FRAC_BITS);
    return (int8_t)(steps > 127 ? 127 : steps < -128 ? -128 : steps);
}

/* The mean moves towards the row. It stays between the smallest and the largest value seen, so that
 * the step, a difference of two int16 values in Q15, fits 32 bits; its product with alpha does not.
 */
static inline int32_t followed(int32_t mean_q15, int16_t value, int32_t alpha) {
    int32_t step = value * (1 << MEAN_FRAC_BITS) - mean_q15;
    return mean_q15 + (int32_t)(((int64_t)step * alpha) >> WW_CMVN_ALPHA_FRAC_BITS);
}

void ww_normaliser_push(ww_normaliser *n, const int16_t *row, int8_t *out) {
    const bool running = n->config.mode == WW_CMVN_RUNNING;
    const int32_t alpha = n->config.alpha_q15;
    const uint16_t *gain = n->config.gain;
    int32_t *mean_q15 = n->mean_q15;
    for (const int16_t *end = row + n->config.coeffs; row < end; row++, mean_q15++, gain++, out++) {
        if (running) *mean_q15 = followed(*mean_q15, *row, alpha);
        int32_t mean = (*mean_q15 + (1 << (MEAN_FRAC_BITS - 1))) >> MEAN_FRAC_BITS;
        *out = scaled(*row - mean, *gain);
    }
}

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

static void follow(ww_normaliser *n, const int16_t *row) {
    const int32_t alpha = n->config.alpha_q15;
    for (uint16_t c = 0; c < n->config.coeffs; c++) {
        /* The mean stays between the smallest and the largest row, so that the step, a difference
         * of two int16 values in Q15, fits 32 bits; its product with alpha does not. */
        int32_t step = row[c] * (1 << MEAN_FRAC_BITS) - n->mean_q15[c];
        n->mean_q15[c] += (int32_t)(((int64_t)step * alpha) >> WW_CMVN_ALPHA_FRAC_BITS);
    }
}

void ww_normaliser_push(ww_normaliser *n, const int16_t *row, int8_t *out) {
    const uint16_t *gain = n->config.gain;
    if (n->config.mode == WW_CMVN_RUNNING) follow(n, row);
    for (uint16_t c = 0; c < n->config.coeffs; c++) {
        int32_t mean = (n->mean_q15[c] + (1 << (MEAN_FRAC_BITS - 1))) >> MEAN_FRAC_BITS;
        out[c] = scaled(row[c] - mean, gain[c]);
    }
}

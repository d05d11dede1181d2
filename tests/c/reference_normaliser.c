/* The normaliser in 64 bits throughout; the product's normaliser.c must give the same integers. */
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

static int8_t saturate8(int32_t v) {
    return (int8_t)(v > 127 ? 127 : v < -128 ? -128 : v);
}

void ww_normaliser_push(ww_normaliser *n, const int16_t *row, int8_t *out) {
    const ww_normaliser_config *config = &n->config;
    for (uint16_t c = 0; c < config->coeffs; c++) {
        if (config->mode == WW_CMVN_RUNNING) {
            /* alpha * (x - mean): the mean stays between the smallest and largest row, |.| < 2^31.
             * Differences of two int16 values in Q15 need 32 bits plus sign: 64-bit product. */
            int64_t step = ((int64_t)row[c] * (1 << MEAN_FRAC_BITS)) - n->mean_q15[c];
            n->mean_q15[c] += (int32_t)((step * config->alpha_q15) >> WW_CMVN_ALPHA_FRAC_BITS);
        }
        int32_t mean = (n->mean_q15[c] + (1 << (MEAN_FRAC_BITS - 1))) >> MEAN_FRAC_BITS;
        int64_t scaled = (int64_t)(row[c] - mean) * config->gain[c];
        int64_t rounded = (scaled + (1 << (WW_NORM_GAIN_FRAC_BITS - 1))) >> WW_NORM_GAIN_FRAC_BITS;
        out[c] = saturate8((int32_t)(rounded > 1000 ? 1000 : rounded < -1000 ? -1000 : rounded));
    }
}

/* The normaliser in 64 bits throughout; the product's normaliser.c must give the same integers. */
#include "watchword/normaliser.h"

#define MEAN_FRAC_BITS 15

bool ww_spreads_fit(const uint16_t *spread, uint16_t coeffs) {
    for (uint16_t c = 0; c < coeffs; c++)
        if (spread[c] < WW_CMVN_MIN_SPREAD || spread[c] > WW_CMVN_MAX_SPREAD) return false;
    return true;
}

ww_status ww_normaliser_init(ww_normaliser *n, const ww_normaliser_config *config) {
    bool variance = config->mode == WW_CMVN_RUNNING_MV;
    bool running = config->mode == WW_CMVN_RUNNING || variance;
    if (config->mode > WW_CMVN_AFFINE || config->coeffs > WW_MAX_COEFFS || !config->coeffs ||
        !config->mean || !config->gain)
        return WW_ERR_ARGUMENT;
    if (running && (!config->alpha_q15 || config->alpha_q15 >> WW_CMVN_ALPHA_FRAC_BITS))
        return WW_ERR_ARGUMENT;
    if (variance && (!config->spread || !ww_spreads_fit(config->spread, config->coeffs)))
        return WW_ERR_ARGUMENT;
    n->config = *config;
    ww_normaliser_reset(n);
    return WW_OK;
}

void ww_normaliser_reset(ww_normaliser *n) {
    for (uint16_t c = 0; c < n->config.coeffs; c++) {
        int16_t start = n->config.mode == WW_CMVN_NONE ? 0 : n->config.mean[c];
        n->mean_q15[c] = start * (1 << MEAN_FRAC_BITS);
        n->spread_q14[c] =
            n->config.mode == WW_CMVN_RUNNING_MV ? n->config.spread[c] * (1 << 14) : 0;
    }
}

static int8_t saturate8(int32_t v) {
    return (int8_t)(v > 127 ? 127 : v < -128 ? -128 : v);
}

static int64_t limited(int64_t v, int64_t low, int64_t high) {
    return v < low ? low : v > high ? high : v;
}

void ww_normaliser_push(ww_normaliser *n, const int16_t *row, int8_t *out) {
    const ww_normaliser_config *config = &n->config;
    bool variance = config->mode == WW_CMVN_RUNNING_MV;
    const uint32_t *affine = config->mode == WW_CMVN_AFFINE ? config->gain : NULL;
    for (uint16_t c = 0; c < config->coeffs; c++) {
        if (affine) {
            int64_t product = row[c] * (int64_t)affine[c], half = 1 << 29;
            int64_t steps = ((product + half) >> 30) + config->mean[c];
            out[c] = saturate8((int32_t)limited(steps, -1000, 1000));
            continue;
        }
        if (config->mode == WW_CMVN_RUNNING || variance) {
            /* alpha * (x - mean): the mean stays between the smallest and largest row, |.| < 2^31.
             * Differences of two int16 values in Q15 need 32 bits plus sign: 64-bit product. */
            int64_t step = ((int64_t)row[c] * (1 << MEAN_FRAC_BITS)) - n->mean_q15[c];
            n->mean_q15[c] += (int32_t)((step * config->alpha_q15) >> WW_CMVN_ALPHA_FRAC_BITS);
        }
        int32_t mean = (n->mean_q15[c] + (1 << (MEAN_FRAC_BITS - 1))) >> MEAN_FRAC_BITS;
        int64_t deviation = row[c] - mean, ratio_q12 = 1 << 12;
        if (variance) { /* the spread in Q14, a quarter as fast as the mean */
            int64_t typical = (int64_t)config->spread[c] * (1 << 14), spread = n->spread_q14[c];
            int64_t size = deviation < 0 ? -deviation : deviation;
            spread += ((size * (1 << 14) - spread) * config->alpha_q15) >> 17;
            n->spread_q14[c] = (int32_t)(spread = limited(spread, typical / 4, typical * 4));
            ratio_q12 = typical * 16 / (spread / 256);
        }
        int64_t scaled = deviation * ((const uint16_t *)config->gain)[c] * ratio_q12;
        int64_t rounded = (scaled + (1 << 25)) >> 26;
        out[c] = saturate8((int32_t)limited(rounded, -1000, 1000));
    }
}

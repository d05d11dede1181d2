#include "hot.h"

#include "watchword/normaliser.h"

#include "product.h"

#define MEAN_FRAC_BITS 15
#define SPREAD_FRAC_BITS 14 /* a deviation has 16 bits and a sign */
#define GAIN_FRAC_BITS 12   /* of the gain relative to that at the typical spread */

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
        n->spread_q14[c] = n->config.mode == WW_CMVN_RUNNING_MV
                               ? n->config.spread[c] * (1 << SPREAD_FRAC_BITS)
                               : 0;
    }
}

static inline int8_t saturated(int32_t steps) {
    return (int8_t)(steps > 127 ? 127 : steps < -128 ? -128 : steps);
}

/* round(deviation * gain) within int8, for a gain below 2^30 with `bits` fractional ones: the
 * product has 47 bits, and the steps fit 32. */
static inline int8_t scaled(int32_t deviation, int32_t gain, int bits) {
    int64_t product = ww_mul(deviation, gain) + (1 << (bits - 1));
    return saturated((int32_t)(product >> bits));
}

/* The mean moves towards the row. It stays between the smallest and the largest value seen, so that
 * the step, a difference of two int16 values in Q15, fits 32 bits; its product with alpha does not.
 */
static inline int32_t followed(int32_t mean_q15, int16_t value, int32_t alpha) {
    int32_t step = value * (1 << MEAN_FRAC_BITS) - mean_q15;
    return mean_q15 + (int32_t)(ww_mul(step, alpha) >> WW_CMVN_ALPHA_FRAC_BITS);
}

static inline int32_t rounded(int32_t mean_q15) {
    return (mean_q15 + (1 << (MEAN_FRAC_BITS - 1))) >> MEAN_FRAC_BITS;
}

/* The spread moves towards the size of the deviation, at most 65535, and stays near the typical. */
static inline int32_t spread_after(int32_t spread_q14, int32_t deviation, int32_t typical_q14,
                                   int32_t alpha) {
    enum { SHIFT = WW_CMVN_ALPHA_FRAC_BITS + WW_CMVN_SPREAD_SLOWER_BITS };
    int32_t size = deviation < 0 ? -deviation : deviation;
    int32_t step = size * (1 << SPREAD_FRAC_BITS) - spread_q14;
    int32_t least = typical_q14 >> WW_CMVN_SPREAD_RANGE_BITS;
    int32_t most = typical_q14 << WW_CMVN_SPREAD_RANGE_BITS;
    int32_t moved = spread_q14 + (int32_t)(ww_mul(step, alpha) >> SHIFT);
    return moved < least ? least : moved > most ? most : moved;
}

/* Q12 typical / spread, 1/4 .. 4: a quotient of 31 bits by at least 8, so one division of 32 bits.
 */
static inline uint32_t relative_gain(uint16_t typical, int32_t spread_q14) {
    enum { DROPPED = 8 };
    return ((uint32_t)typical << (SPREAD_FRAC_BITS + GAIN_FRAC_BITS - DROPPED)) /
           ((uint32_t)spread_q14 >> DROPPED);
}

static void push_with_variance(ww_normaliser *n, const int16_t *row, int8_t *out) {
    const ww_normaliser_config *config = &n->config;
    const uint16_t *gains = config->gain;
    for (uint16_t c = 0; c < config->coeffs; c++) {
        uint16_t typical = config->spread[c];
        n->mean_q15[c] = followed(n->mean_q15[c], row[c], config->alpha_q15);
        int32_t deviation = row[c] - rounded(n->mean_q15[c]);
        n->spread_q14[c] = spread_after(n->spread_q14[c], deviation,
                                        typical * (1 << SPREAD_FRAC_BITS), config->alpha_q15);
        uint32_t gain = gains[c] * relative_gain(typical, n->spread_q14[c]);
        out[c] = scaled(deviation, (int32_t)gain, WW_NORM_GAIN_FRAC_BITS + GAIN_FRAC_BITS);
    }
}

static void push_affine(const ww_normaliser_config *config, const int16_t *row, int8_t *out) {
    enum { UP = 32 - WW_AFFINE_GAIN_FRAC_BITS };
    const uint32_t *gains = config->gain;
    for (uint16_t c = 0; c < config->coeffs; c++)
        out[c] = saturated(ww_mul_rounded(row[c] * (1 << UP), gains[c]) + config->mean[c]);
}

void ww_normaliser_push(ww_normaliser *n, const int16_t *row, int8_t *out) {
    if (n->config.mode == WW_CMVN_RUNNING_MV) {
        push_with_variance(n, row, out);
        return;
    }
    if (n->config.mode == WW_CMVN_AFFINE) {
        push_affine(&n->config, row, out);
        return;
    }
    const bool running = n->config.mode == WW_CMVN_RUNNING;
    const int32_t alpha = n->config.alpha_q15;
    const uint16_t *gain = n->config.gain;
    int32_t *mean_q15 = n->mean_q15;
    for (const int16_t *end = row + n->config.coeffs; row < end; row++, mean_q15++, gain++, out++) {
        if (running) *mean_q15 = followed(*mean_q15, *row, alpha);
        *out = scaled(*row - rounded(*mean_q15), *gain, WW_NORM_GAIN_FRAC_BITS);
    }
}

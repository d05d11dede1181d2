/* int16 rows -> the model's int8 input rows (CMVN none, global, running mean, running mean and
 * variance; affine, the same function of every row). */
#ifndef WATCHWORD_NORMALISER_H
#define WATCHWORD_NORMALISER_H

#include "watchword/types.h"

WW_BEGIN_DECLS

typedef struct {
    uint16_t mode;      /* WW_CMVN_NONE, _GLOBAL, _RUNNING, _RUNNING_MV, _AFFINE */
    uint16_t alpha_q15; /* running: weight of a new row in the mean, 1..32767 */
    uint16_t coeffs;
    const int16_t
        *mean;        /* [coeffs] row LSB; running: where the mean starts; affine: int8 of row 0 */
    const void *gain; /* [coeffs] int8 steps per row LSB, at the typical spread: uint16 in Q2.14;
                       * affine: uint32 in Q2.30 */
    const uint16_t *spread; /* running_mv: [coeffs] typical mean absolute deviation, row LSB, from
                             * WW_CMVN_MIN_SPREAD to _MAX_SPREAD; where the spread starts */
} ww_normaliser_config;

typedef struct {
    ww_normaliser_config config;
    int32_t mean_q15[WW_MAX_COEFFS];   /* running mean, row LSB in Q15 */
    int32_t spread_q14[WW_MAX_COEFFS]; /* running mean absolute deviation, row LSB in Q14 */
} ww_normaliser;

ww_status ww_normaliser_init(ww_normaliser *n, const ww_normaliser_config *config) WW_CHECKED;
void ww_normaliser_reset(ww_normaliser *n);

/* Are these [coeffs] spreads within the range that a model may name? */
bool ww_spreads_fit(const uint16_t *spread, uint16_t coeffs);

/* out[c] = sat8(round((row[c] - mean[c]) * gain[c])); running: the mean takes the row in first.
 * running_mv: the same times spread[c] / (running spread, which takes the row in after the mean).
 * affine: sat8(round(row[c] * gain[c]) + mean[c]), halves up. */
void ww_normaliser_push(ww_normaliser *n, const int16_t *row, int8_t *out);

WW_END_DECLS

#endif

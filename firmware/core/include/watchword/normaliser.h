/* int16 MFCC rows -> the model's int8 input rows (CMVN none, global or running). */
#ifndef WATCHWORD_NORMALISER_H
#define WATCHWORD_NORMALISER_H

#include "watchword/types.h"

typedef struct {
    uint16_t mode;      /* WW_CMVN_NONE, _GLOBAL, _RUNNING */
    uint16_t alpha_q15; /* running: weight of a new row in the mean, 1..32767 */
    uint16_t coeffs;
    const int16_t *mean;  /* [coeffs] MFCC units; running: where the mean starts */
    const uint16_t *gain; /* [coeffs] Q2.14: int8 steps per MFCC LSB */
} ww_normaliser_config;

typedef struct {
    ww_normaliser_config config;
    int32_t mean_q15[WW_MAX_COEFFS]; /* running mean, MFCC LSB in Q15 */
} ww_normaliser;

ww_status ww_normaliser_init(ww_normaliser *n, const ww_normaliser_config *config) WW_CHECKED;
void ww_normaliser_reset(ww_normaliser *n);

/* out[c] = sat8(round((row[c] - mean[c]) * gain[c])); running: the mean takes the row in first. */
void ww_normaliser_push(ww_normaliser *n, const int16_t *row, int8_t *out);

#endif

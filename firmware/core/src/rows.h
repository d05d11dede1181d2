/* What the front end calls to turn a full window into a row, one function for each way. */
#ifndef WATCHWORD_ROWS_H
#define WATCHWORD_ROWS_H

#include "watchword/frontend.h"

/* row[0..fe->coeffs) of the WW_WINDOW_SAMPLES samples: the log-mel bands, or their DCT. */
void ww_mfcc_row(const ww_frontend *fe, int16_t *row);

/* row[0..WW_MICRO_CHANNELS) of the WW_MICRO_WINDOW_SAMPLES samples; moves the noise estimate on. */
void ww_micro_row(ww_frontend *fe, int16_t *row);

static inline int ww_leading_zeros(uint32_t v) {
#if defined(__GNUC__)
    return v ? __builtin_clz(v) : 32;
#else
    int zeros = 32;
    for (; v != 0; v >>= 1)
        zeros--;
    return zeros;
#endif
}

#endif

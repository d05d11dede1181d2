/* Takes a microphone's constant offset away, before the gain that would amplify it into clipping.
 *
 * A one-pole high-pass, -3 dB at 10 Hz: at 60 Hz, where the front end's mel bands begin, it takes
 * 0.1 dB. It belongs to a microphone: audio that comes as samples (a stream, a file) is not
 * touched.
 */
#ifndef WATCHWORD_DC_BLOCKER_H
#define WATCHWORD_DC_BLOCKER_H

#include "watchword/types.h"

WW_BEGIN_DECLS

#define WW_DC_BLOCKER_SHIFT 8 /* the time constant is 2^8 samples: 16 ms at 16 kHz */

typedef struct {
    int64_t sum; /* the running mean of the samples, times 2^WW_DC_BLOCKER_SHIFT; starts at 0 */
} ww_dc_blocker;

/* A sample of full-scale 32 bits as 16 bits, gain_q8 / 256 times as loud: amplified before it is
 * cut, so that a quiet microphone keeps its resolution. Saturates, and then adds one to *clipped.
 */
int16_t ww_amplify(int32_t sample, uint32_t gain_q8, uint32_t *clipped);

/* One sample of full-scale 32 bits without the mean of those before it; saturated. */
int32_t ww_dc_block(ww_dc_blocker *blocker, int32_t sample);

WW_END_DECLS

#endif

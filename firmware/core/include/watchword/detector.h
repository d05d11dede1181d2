/* From scores to events: moving average, hysteresis, cooldown. */
#ifndef WATCHWORD_DETECTOR_H
#define WATCHWORD_DETECTOR_H

#include "watchword/types.h"

WW_BEGIN_DECLS

typedef struct {
    uint16_t smoothing;   /* scores averaged, 1..WW_DETECTOR_MAX_SMOOTHING */
    uint16_t high_q15;    /* fires when the average reaches this */
    uint16_t low_q15;     /* re-arms when the average falls below this; <= high_q15 */
    uint16_t cooldown_ms; /* no second event sooner than this */
} ww_detector_config;

typedef struct {
    ww_detector_config config;
    uint8_t scores[WW_DETECTOR_MAX_SMOOTHING]; /* ring of the latest raw scores */
    uint32_t sum;
    uint16_t head;
    uint16_t missing; /* scores until `smoothing` of them have come */
    bool armed;
    bool cooling;
    uint64_t cooldown_end; /* sample index */
    uint16_t smoothed_q15; /* the latest average */
} ww_detector;

/* WW_ERR_ARGUMENT: smoothing out of range, low above high, or a threshold above the highest score.
 */
ww_status ww_detector_check(const ww_detector_config *config) WW_CHECKED;
/* Fails as ww_detector_check does. */
ww_status ww_detector_init(ww_detector *d, const ww_detector_config *config) WW_CHECKED;
void ww_detector_reset(ww_detector *d);

/* One raw score (0..255) whose window ends at sample_index. True = the word was detected now.
 * At the start of a stream missing scores count as zero, and nothing is detected before there are
 * `smoothing` of them. */
bool ww_detector_push(ww_detector *d, uint8_t score, uint64_t sample_index);

WW_END_DECLS

#endif

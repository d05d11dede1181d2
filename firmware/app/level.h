/* How loud the microphone is, over about a second: for a person who asks whether it works at all.
 */
#ifndef WATCHWORD_LEVEL_H
#define WATCHWORD_LEVEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEVEL_SILENCE_DB (-99) /* and below */
#define LEVEL_NO_SIGNAL_PEAK 2 /* a microphone that works has more noise of its own */

typedef struct {
    uint64_t squares;
    uint32_t samples; /* since level_begin */
    int32_t peak;
    bool measuring;
} level;

void level_begin(level *l);

/* True once: with the samples that complete the measurement. */
bool level_add(level *l, const int16_t *samples, size_t count);

/* Of the completed one, in dB of full scale, rounded. */
int32_t level_rms_db(const level *l);
int32_t level_peak_db(const level *l);

#endif

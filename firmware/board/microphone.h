/* Between a microphone's driver and the pipeline: gain, clipping, and a ring of samples that one
 * task (or interrupt) fills and another empties, without locks. Boards with a microphone use it.
 */
#ifndef WATCHWORD_MICROPHONE_H
#define WATCHWORD_MICROPHONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watchword/types.h"

WW_BEGIN_DECLS

#define MICROPHONE_UNITY_GAIN_Q8 256u

typedef struct {
    int16_t *samples;
    uint32_t capacity;          /* a power of two */
    uint32_t written, taken;    /* free running; each has one writer */
    uint32_t overruns, clipped; /* samples; written by the filling side */
    uint32_t gain_q8;           /* written by the emptying side */
} microphone;

void microphone_init(microphone *m, int16_t *samples, uint32_t capacity, uint16_t gain_q8);

/* Filling side: full-scale 32-bit samples, as an I2S slot holds them. What does not fit is lost
 * and counted. */
void microphone_put(microphone *m, const int32_t *raw, size_t count);

/* Emptying side. */
size_t microphone_take(microphone *m, int16_t *samples, size_t capacity);

/* Amplification in 1/256; 0 = leave it. Returns what is in force. */
uint16_t microphone_gain(microphone *m, uint16_t gain_q8);

WW_END_DECLS

#endif

/* Between a microphone's driver and the pipeline: offset, gain, clipping, and a ring of samples
 * that one task (or interrupt) fills and another empties, without locks. Boards with a microphone
 * use it.
 *
 * While nobody listens nothing is kept and nothing counted: who begins to listen hears what is said
 * from then on.
 */
#ifndef WATCHWORD_MICROPHONE_H
#define WATCHWORD_MICROPHONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watchword/dc_blocker.h"
#include "watchword/types.h"

WW_BEGIN_DECLS

#define MICROPHONE_UNITY_GAIN_Q8 256u

typedef struct {
    int16_t *samples;
    uint32_t capacity;          /* a power of two */
    uint32_t written, taken;    /* free running; each has one writer */
    uint32_t overruns, clipped; /* samples; written by the filling side */
    uint32_t gain_q8;           /* written by the emptying side */
    uint32_t listening;         /* likewise; 0 or 1 */
    ww_dc_blocker offset;       /* of the filling side */
} microphone;

/* Nobody listens at first. */
void microphone_init(microphone *m, int16_t *samples, uint32_t capacity, uint16_t gain_q8);

/* Filling side: full-scale 32-bit samples, as an I2S slot holds them. What does not fit is lost
 * and counted. */
void microphone_put(microphone *m, const int32_t *raw, size_t count);

/* Filling side: samples that never came this far. */
void microphone_lost(microphone *m, uint32_t count);

/* Emptying side. */
size_t microphone_take(microphone *m, int16_t *samples, size_t capacity);

/* Emptying side. On: from the next sample on, whatever waits is dropped. Off: until it is on again
 * nothing is kept. */
void microphone_listen(microphone *m, bool on);

/* Amplification in 1/256; 0 = leave it. Returns what is in force. */
uint16_t microphone_gain(microphone *m, uint16_t gain_q8);

/* Finds samples that a driver lost without a word. Both clocks run from one crystal, so what has
 * not come though its time has passed was lost; what comes late, and then comes, is not. A loss
 * shows in the least delay of a window of parts, and is told at the end of the next one. */
#define MICROPHONE_CLOCK_PARTS 100u /* parts in a window: a second of 10 ms each */

typedef struct {
    uint32_t part_us; /* a part's length: what the driver delivers at a time */
    uint32_t parts;   /* that have come in this window */
    uint32_t now_us;  /* when the latest came */
    int32_t delay_us; /* its delay, */
    int32_t least_us; /* and the least in this window, beside the least in the one before */
    bool started;     /* a part has come */
    bool settled;     /* a window has ended */
} microphone_clock;

void microphone_clock_start(microphone_clock *c, uint32_t part_us);

/* A part has come at this time (which may wrap). Returns how many parts were lost, when that is
 * known. */
uint32_t microphone_clock_part(microphone_clock *c, uint32_t now_us);

WW_END_DECLS

#endif

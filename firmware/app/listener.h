/* The board's own microphone: its samples into the pipeline, and the latest of them in memory.
 *
 * How much is remembered is the board's choice (WATCHWORD_HEARD_SAMPLES, at build time): it costs
 * RAM, and is what a detection's audio is taken from.
 */
#ifndef WATCHWORD_LISTENER_H
#define WATCHWORD_LISTENER_H

#include "level.h"
#include "watchword/pipeline.h"

/* Listen from here on: sample index 0 is the next sample. */
void listener_reset(void);

/* Nobody listens: what the microphone hears is dropped, and not counted as lost. */
void listener_stop(void);

/* Measure how loud it is, once, beginning now. */
void listener_measure(void);

/* The measurement, once it is complete; else NULL, and NULL again from then on. */
const level *listener_measured(void);

/* Feed the pipeline, up to the end of one hop; call again at once. False = no samples there now. */
bool listener_push(ww_pipeline *pipeline, ww_step *step);

/* Samples since the reset: heard, lost before they could be, and at full scale. */
uint64_t listener_heard(void);
uint32_t listener_lost(void);
uint32_t listener_clipped(void);

/* How many of the latest samples are remembered, and how many one push may add at most. */
uint32_t listener_memory(void);
#define LISTENER_PART_SAMPLES 80u

/* `count` samples from index `from` on, all of them remembered; `out` may have any alignment. */
void listener_recall(uint64_t from, void *out, size_t count);

#endif

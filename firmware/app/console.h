/* Plain text on the link, for any serial monitor: what the board is, and what it hears. */
#ifndef WATCHWORD_CONSOLE_H
#define WATCHWORD_CONSOLE_H

#include "level.h"
#include "watchword/pipeline.h"

/* Who this is, which words it listens for, what does not run, and how to go on. */
void console_boot(const ww_pipeline *pipeline);

/* A line for each word detected: seconds since listening began, word, smoothed score. */
void console_detections(const ww_pipeline *pipeline, const ww_step *step);

/* One line: how loud the microphone is, or that it says nothing. */
void console_level(const level *measured);

/* One line: samples clipped and lost since the last one. */
void console_microphone(uint32_t clipped, uint32_t lost);

#endif

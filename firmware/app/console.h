/* Plain text on the link, for any serial monitor: what the board is, and what it hears. */
#ifndef WATCHWORD_CONSOLE_H
#define WATCHWORD_CONSOLE_H

#include "watchword/pipeline.h"

/* Who this is and how to go on. `model_status`: what ww_pipeline_init said. */
void console_boot(const ww_pipeline *pipeline, ww_status model_status);

/* One line: seconds since listening began, word, smoothed score. */
void console_detection(const ww_pipeline *pipeline, const ww_step *step);

/* One line: samples clipped and lost since the last one. */
void console_microphone(uint32_t clipped, uint32_t lost);

#endif

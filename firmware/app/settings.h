/* What a user tunes on a board and wants to find again after a restart. */
#ifndef WATCHWORD_SETTINGS_H
#define WATCHWORD_SETTINGS_H

#include "watchword/pipeline.h"

/* The detector settings of all words, each for the model that runs, and the microphone's gain. */
bool settings_save(const ww_pipeline *p);

/* Give back what was saved for the models that run now, and the gain. Nothing saved, or not by this
 * version of the firmware: everything stays as it is. */
void settings_apply(ww_pipeline *p);

#endif

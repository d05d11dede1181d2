/* What a user tunes on a board and wants to find again after a restart. */
#ifndef WATCHWORD_SETTINGS_H
#define WATCHWORD_SETTINGS_H

#include "watchword/detector.h"

typedef struct {
    uint32_t model_crc32; /* header CRC of the model that the detector settings were made for */
    ww_detector_config detector;
    uint16_t microphone_gain_q8;
} settings;

/* False: nothing was saved, or not by this version of the firmware. */
bool settings_load(settings *s);
bool settings_save(const settings *s);

#endif

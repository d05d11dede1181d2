/* The parts of the ESP32 board layer, each started once by board_init. False = not there. */
#ifndef WATCHWORD_ESP32_PARTS_H
#define WATCHWORD_ESP32_PARTS_H

#include <stdbool.h>

bool link_start(void);
void link_drain(void); /* wait, not long, until what was written has left */
bool led_start(void);
bool storage_start(void);

/* Samples come from a task of its own; it wakes the task that called this when there are new ones.
 */
bool microphone_start(void);

#endif

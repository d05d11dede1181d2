/* The one application of every board: a wake word detector that any serial monitor can read and
 * a host can drive. It sees board.h and the core, nothing else.
 */
#ifndef WATCHWORD_APP_H
#define WATCHWORD_APP_H

#include <stdbool.h>

void app_init(void);

/* One round of moving bytes and working on them. False = nothing to do until something arrives. */
bool app_step(void);

#endif

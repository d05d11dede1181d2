/* The one application of every board: a wake word detector that any serial monitor can read and
 * a host can drive. It sees board.h and the core, nothing else.
 *
 *            hello: a host opens a session          the host asks to leave
 *   APP_TEXT ------------------------------> APP_SESSION ---------------> APP_LEAVING
 *      ^                                        ^  hello: another session       |
 *      |                                        +-------------------------------+
 *      +------------------------------------------------------------------------+
 *         the last answers are acknowledged, or a second is over; a restart instead, if asked for
 *
 * In APP_TEXT the pipeline hears the microphone and detections are lines of text; in the others the
 * link carries frames only, and the pipeline hears what the host sends or asks for.
 */
#ifndef WATCHWORD_APP_H
#define WATCHWORD_APP_H

#include <stdbool.h>

#include "watchword/types.h"

WW_BEGIN_DECLS

void app_init(void);

/* One round of moving bytes and working on them. False = nothing to do until something arrives. */
bool app_step(void);

WW_END_DECLS

#endif

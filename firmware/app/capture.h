/* A host that listens through the board's microphone: scores and detections as of a stream, with
 * all audio or the audio before each detection.
 *
 * Audio is sent from the listener's memory, and nothing new is taken from the microphone that
 * would overwrite what is still to be sent. A link too slow for it thus shows in one place: the
 * microphone's overruns.
 */
#ifndef WATCHWORD_CAPTURE_H
#define WATCHWORD_CAPTURE_H

#include "session.h"

/* send: one of WW_LISTEN_*, not STOP. WW_ERR_MICROPHONE: this board has none, or no memory. */
ww_status capture_start(session *s, uint8_t send) WW_CHECKED;

/* No more samples; what was heard is still sent, and then `listened`. */
void capture_stop(session *s);

/* Listen, or send. False = nothing to do, or the link must drain first. */
bool capture_step(session *s);

#endif
